//! `dash run` with a service on one device.

use std::{fs, io::Write};

use dash_core::pipeline::{End, Pipeline, Trace};
use serde_json::Value;

use super::{
    Device, Service,
    config::{self, Control, Plan},
};
use crate::{
    cli::{InputArgs, RunArgs},
    error::Error,
    headers,
    outputs::{Outputs, spare_inputs},
    platform::HostPlatform,
    port::PortNames,
    report::{PortTraffic, ServiceReport},
    script::{Item, Timeline},
    service_file::ServiceFile,
};

/// Events and answers to control objects, in the output folder.
const EVENTS: &str = "events.jsonl";

/// `report.json`.
pub type Report = ServiceReport<Value>;

/// A device in a scripted run.
pub(super) struct Script<S: Service> {
    pub(super) service: S,
    pub(super) ports: PortNames,
    pub(super) device: Device<S>,
    pub(super) timeline: Timeline<Control<S>>,
}

impl<S: Service> Script<S> {
    pub(super) fn new(input: &InputArgs, file: &ServiceFile) -> Result<Self, Error> {
        let Plan { mut service, ports, control } = config::plan::<S>(input, file)?;
        let known = |name: &str| ports.iter().any(|(_, port)| port == name);
        let timeline = Timeline::new(input, control, known, known)?;
        let limits = *service.limits();
        let device = Device::new(&service, limits, HostPlatform::new(limits.mtu).repeatable())
            .map_err(|error| error.at(&file.path))?;
        Ok(Self { service, ports, device, timeline })
    }

    fn report(&self, outputs: &Outputs) -> Report {
        report(&self.device, &self.service, &self.ports, outputs.traffic())
    }
}

/// What the device has counted, and the flows that live.
pub fn report<S: Service>(
    device: &Device<S>,
    service: &S,
    names: &PortNames,
    traffic: &PortTraffic,
) -> Report {
    let [drops, mut notes] = S::counts(device.pipeline());
    notes.push(("events_lost".to_owned(), device.lost()));
    ServiceReport::new((traffic, names), drops, notes, device.flows(service, names))
}

/// What happened to one frame, for `--trace`.
struct FrameTrace<S: Service> {
    flow: Option<dash_core::flow::FlowStep>,
    end: Option<End<<S::Pipeline as Pipeline>::Reason>>,
}

impl<S: Service> Trace<S::Pipeline> for FrameTrace<S> {
    fn flow(&mut self, step: dash_core::flow::FlowStep) {
        self.flow = Some(step);
    }

    fn end(&mut self, end: &End<<S::Pipeline as Pipeline>::Reason>) {
        self.end = Some(*end);
    }
}

/// Runs captures through the device; writes what leaves, the report, and the trace to `out`.
///
/// # Errors
/// Bad input; the system.
pub fn run<S: Service>(
    args: &RunArgs,
    file: &ServiceFile,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut script = Script::<S>::new(&args.input, file)?;
    spare_inputs(&args.out, &args.input, &script.ports)?;
    let mut names = script.ports.clone();
    let all: Vec<_> = script.ports.iter().map(|(port, _)| port).collect();
    let mut outputs = Outputs::create(&args.out, &all, &script.ports)?;
    let mut events = Vec::new();
    let mut number = 0;
    let mut print = |line: String| writeln!(out, "{line}").map_err(Error::output);
    if args.trace {
        print(columns("#", "IN", "SRC -> DST", "Flow", "Final"))?;
    }
    while let Some((time, item)) = script.timeline.next_item()? {
        script.device.sweep(time);
        let mut answer = None;
        match item {
            Item::Control(Control::Stats) => {
                let report = script.report(&outputs);
                answer = Some(serde_json::json!({ "t_ns": time, "stats": report }));
            }
            Item::Control(Control::Replace(service)) => {
                script.device.replace(&mut script.service, *service)?;
                script.device.sweep(time);
            }
            Item::Frame(frame) => {
                number += 1;
                let port = names.number(&frame.port);
                outputs.received(port, frame.bytes.len());
                let mut trace = FrameTrace::<S> { flow: None, end: None };
                let (bytes, truncated) = (&frame.bytes, frame.truncated);
                let sent = script.device.process(port, bytes, truncated, &mut trace);
                for (port, bytes) in &sent {
                    outputs.send(*port, time, bytes, &script.ports)?;
                    script.timeline.left(time, script.ports.name(*port), bytes, 0)?;
                }
                if args.trace {
                    let addresses = headers::customer_addresses(&frame.bytes)
                        .map(|(source, destination)| format!("{source} -> {destination}"))
                        .unwrap_or_default();
                    let flow = trace.flow.map_or("", crate::trace::flow_step);
                    let end = match trace.end {
                        Some(End::Sent { port, bytes }) => {
                            format!("{}, {bytes} bytes", script.ports.name(port))
                        }
                        Some(End::Dropped(reason)) => format!("dropped ({reason})"),
                        Some(End::Punted { .. }) | None => String::new(),
                    };
                    let number = number.to_string();
                    print(columns(&number, &frame.port, &addresses, flow, &end))?;
                }
            }
        }
        for flow in script.device.take_removed() {
            // Writing to a vector cannot fail.
            let _ =
                writeln!(events, "{}", Device::event(&script.service, &script.ports, time, &flow));
        }
        if let Some(answer) = answer {
            let _ = writeln!(events, "{answer}");
        }
    }
    let report = script.report(&outputs);
    outputs.finish(&report)?;
    if !events.is_empty() {
        let path = args.out.join(EVENTS);
        fs::write(&path, events).map_err(|error| Error::io(&path, error))?;
    }
    Ok(())
}

fn columns(number: &str, port: &str, addresses: &str, flow: &str, last: &str) -> String {
    let line = format!("{number:>5}  {port:<8}  {addresses:<30}  {flow:<10}  {last}");
    line.trim_end().to_owned()
}
