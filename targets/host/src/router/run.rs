//! `dash run` with the reactive router.

use std::{fs, io::Write};

use dash_core::pipeline::{
    Trace,
    router::{DropReason, Note, Router, policy::Capacity},
};
use serde::Serialize;
use serde_json::json;

use super::{
    config::{self, Network, UNDERLAY},
    control::{self, Control, to_hex},
    trace::{self, FrameTrace},
    world::{Arrival, Happening, Storage, World},
};
use crate::{
    cli::{InputArgs, Overrides, RunArgs},
    error::Error,
    outputs::{Outputs, spare_inputs},
    port::{BETWEEN_HOSTS, PortNames},
    report::{PortTraffic, ServiceReport, removal},
    script::{Frame, Item, Timeline},
    service_file::ServiceFile,
};

/// What a controller is told, in the output folder.
const EVENTS: &str = "events.jsonl";

/// A flow that lives at the end.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FlowReport {
    host: String,
    in_port: String,
    src_mac: String,
    dst_mac: String,
    src: String,
    dst: String,
    cookie: String,
    packets: u64,
    bytes: u64,
}

/// A run that is about to begin: the configuration, and what happens.
pub(super) struct Plan {
    pub(super) network: Network,
    pub(super) script: Timeline<Control>,
    pub(super) capacity: Capacity,
    /// That of control objects.
    pub(super) control_file: String,
    flows: u32,
}

impl Plan {
    pub(super) fn new(input: &InputArgs, file: &ServiceFile) -> Result<Self, Error> {
        let overrides = input.overrides();
        let control_file = input.control.as_ref().map(|path| path.display().to_string());
        let network = config::network(file, overrides)?;
        let control = control::read(input.control.as_deref(), overrides)?;
        let (mut capacity, mut flows) = (network.capacity(), network.flows);
        for (_, control) in &control {
            if let Control::Config(file) = control {
                let network = Network::new(&file.router, overrides).map_err(Error::Input)?;
                capacity = config::larger(&capacity, &network.capacity());
                flows = flows.max(network.flows);
            }
        }
        let script = Timeline::new(
            input,
            control,
            |name| network.place(name).is_some(),
            |name| network.port(name).is_ok(),
        )?;
        let control_file = control_file.unwrap_or_default();
        Ok(Self { network, script, capacity, control_file, flows })
    }

    /// Memory for each host.
    pub(super) fn storage(&self) -> Vec<Storage> {
        self.network.hosts.iter().map(|_| Storage::new(&self.capacity, self.flows)).collect()
    }
}

/// Carries out what a control object asks for, but `Stats`.
///
/// # Errors
/// It is refused, and nothing has changed; or those of `told`.
pub fn apply<'a, T: Trace<Router<'a>>>(
    control: &Control,
    (world, network): (&mut World<'a>, &mut Network),
    overrides: Overrides,
    now: u64,
    trace: &mut T,
    told: &mut dyn FnMut(&Happening) -> Result<(), Error>,
) -> Result<(), Error> {
    match control {
        Control::Config(file) => {
            let next = Network::new(&file.router, overrides).map_err(Error::Input)?;
            if next.hosts != network.hosts {
                return Err(Error::Input("the hosts of a run stay".to_owned()));
            }
            let next = next.succeed(network).map_err(Error::Input)?;
            world.replace(&next)?;
            *network = next;
            Ok(())
        }
        Control::PortMove(entry) => {
            let mut next = network.clone();
            next.move_port(&entry.port, &entry.host).map_err(Error::Input)?;
            world.replace(&next)?;
            *network = next;
            Ok(())
        }
        Control::RouterPortDel(entry) => {
            let mut next = network.clone();
            let gone = next.leave(&entry.router, &entry.network).map_err(Error::Input)?;
            world.leave(gone, now, told)?;
            world.replace(&next)?;
            *network = next;
            Ok(())
        }
        Control::FlowAdd(entry) | Control::FlowMod(entry) => {
            let spec = entry.spec(network).map_err(Error::Input)?;
            let modifies = matches!(control, Control::FlowMod(_));
            world.add_flow((&spec, entry.release, modifies), now, network, trace, told)
        }
        Control::FlowDel(entry) => {
            let gone = entry.gone(network).map_err(Error::Input)?;
            world.delete_flows(&gone, now, network, told)
        }
        Control::PacketOut(entry) => {
            let (port, actions, frame) = entry.parts(network).map_err(Error::Input)?;
            world.packet_out((port, &actions, &frame), now, network, trace, told)
        }
        Control::DropPunt(entry) => {
            world.refuse((entry.id, entry.reason().map_err(Error::Input)?), now, trace)
        }
        Control::Stats(_) => Ok(()),
    }
}

/// An event of a controller's, in JSON.
#[must_use]
pub fn event(time: u64, happening: &Happening, network: &Network) -> Option<serde_json::Value> {
    match happening {
        Happening::Left { .. } => None,
        Happening::Asked { id, reason, port, frame } => Some(json!({ "t_ns": time, "punt": {
            "id": id,
            "reason": reason.to_string(),
            "in_port": network.name(*port),
            "network": network.id_of(*port),
            "frame": to_hex(frame),
        }})),
        Happening::Ended(flow) => Some(json!({ "t_ns": time, "removed": {
            "cookie": format!("{:#x}", flow.state.cookie),
            "reason": removal(flow.why),
            "duration_ns": flow.removed.saturating_sub(flow.state.born),
            "packets": flow.packets,
            "bytes": flow.bytes,
        }})),
    }
}

/// What is written in the course of a run.
struct Writer {
    outputs: Outputs,
    names: PortNames,
    events: Vec<u8>,
    /// By which ports the frame left.
    departures: Vec<String>,
}

impl Writer {
    fn event(&mut self, event: &serde_json::Value) {
        // Writing to a vector cannot fail.
        let _ = writeln!(self.events, "{event}");
    }

    /// Writes down what happened.
    fn hear(
        &mut self,
        time: u64,
        happening: &Happening,
        network: &Network,
        script: &mut Timeline<Control>,
    ) -> Result<(), Error> {
        if let Happening::Left { port, frame } = happening {
            let name = if *port == UNDERLAY {
                BETWEEN_HOSTS
            } else {
                network.name(*port).unwrap_or_default()
            };
            let number = self.names.number(name);
            self.outputs.send(number, time, frame, &self.names)?;
            script.left(time, name, frame, 0)?;
            self.departures.push(name.to_owned());
        } else if let Some(event) = event(time, happening, network) {
            self.event(&event);
        }
        Ok(())
    }
}

/// Runs captures through hosts; writes what leaves, the report, and the trace to `out`.
///
/// # Errors
/// Bad input; the system.
pub fn run(args: &RunArgs, file: &ServiceFile, out: &mut impl Write) -> Result<(), Error> {
    let mut plan = Plan::new(&args.input, file)?;
    let mut names = PortNames::default();
    // Every port has its capture, the inputs' first.
    let Network { hosts, ports, .. } = &plan.network;
    let inputs = args.input.inputs.iter().map(|(name, _)| name.as_str());
    let named = inputs.chain(ports.iter().map(|port| port.name.as_str()));
    let mut all: Vec<_> = named.map(|name| names.number(name)).collect();
    let between = names.number(BETWEEN_HOSTS);
    if hosts.len() > 1 {
        all.push(between);
    }
    spare_inputs(&args.out, &args.input, &names)?;
    let mut storage = plan.storage();
    let mut world = World::new(&mut storage, &plan.capacity, &plan.network)
        .map_err(|error| error.at(&file.path))?;
    let outputs = Outputs::create(&args.out, &all, &names)?;
    let mut writer = Writer { outputs, names, events: Vec::new(), departures: Vec::new() };
    let mut number = 0;
    let mut print = |line: String| writeln!(out, "{line}").map_err(Error::output);
    if args.trace {
        print(trace::header())?;
    }
    let Plan { network, script, control_file, .. } = &mut plan;
    while let Some((time, item)) = script.next_item()? {
        world
            .sweep(time, &mut (), &mut |happening| writer.hear(time, happening, network, script))?;
        writer.departures.clear();
        match item {
            Item::Control(Control::Stats(_)) => {
                let report = report(&world, network, writer.outputs.traffic(), &writer.names);
                writer.event(&json!({ "t_ns": time, "stats": report }));
            }
            Item::Control(control) => {
                // Ports keep their names while it is carried out.
                let before = network.clone();
                apply(
                    &control,
                    (&mut world, network),
                    args.input.overrides(),
                    time,
                    &mut (),
                    &mut |happening| writer.hear(time, happening, &before, script),
                )
                .map_err(|error| error.at(&format!("{control_file}: at_ns {time}")))?;
            }
            Item::Frame(Frame { port: name, bytes: frame, truncated }) => {
                // Without a place, its port went with an earlier configuration.
                let Some((host, port)) = network.place(&name) else { continue };
                number += 1;
                let input = writer.names.number(&name);
                writer.outputs.received(input, frame.len());
                let mut told =
                    |happening: &Happening| writer.hear(time, happening, network, script);
                let arrival = Arrival { host, port, frame, truncated };
                if args.trace {
                    let mut trace = FrameTrace::default();
                    let frame = arrival.frame.clone();
                    world.process(arrival, time, network, &mut trace, &mut told)?;
                    print(trace::line(number, &name, &frame, &trace, &writer.departures))?;
                } else {
                    world.process(arrival, time, network, &mut (), &mut told)?;
                }
            }
        }
    }
    let report = report(&world, network, writer.outputs.traffic(), &writer.names);
    writer.outputs.finish(&report)?;
    let path = args.out.join(EVENTS);
    fs::write(&path, writer.events).map_err(|error| Error::io(&path, error))
}

/// `report.json`: what was counted, and the flows that live.
#[must_use]
pub fn report(
    world: &World<'_>,
    network: &Network,
    traffic: &PortTraffic,
    names: &PortNames,
) -> ServiceReport<FlowReport> {
    let drops = world.counters().flat_map(|(counters, _)| {
        DropReason::ALL.map(|reason| (reason.to_string(), counters.drops(reason)))
    });
    let notes = world.counters().flat_map(|(counters, untold)| {
        let notes = Note::ALL.map(|note| (note.to_string(), counters.notes(note)));
        notes.into_iter().chain([("events_lost".to_owned(), untold)])
    });
    let mut flows: Vec<_> = world
        .flows()
        .map(|(host, key, flow)| {
            let [src_mac, dst_mac] = key.macs().map(|mac| mac.to_string());
            let [src, dst] = key.addresses().map(|address| address.to_string());
            FlowReport {
                host: network.hosts.get(usize::from(host)).cloned().unwrap_or_default(),
                in_port: network.name(key.ingress()).unwrap_or_default().to_owned(),
                src_mac,
                dst_mac,
                src,
                dst,
                cookie: format!("{:#x}", flow.state.cookie),
                packets: flow.packets,
                bytes: flow.bytes,
            }
        })
        .collect();
    flows.sort();
    ServiceReport::new((traffic, names), drops, notes, flows)
}
