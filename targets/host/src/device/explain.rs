//! `dash explain` with a service on one device.

use std::{fmt::Write as _, io::Write};

use comfy_table::{Table, presets::ASCII_MARKDOWN};
use dash_core::{
    flow::FlowStep,
    pipeline::{End, Pipeline, Trace},
};

use serde_json::Value;

use super::{Service, config::Control, run::Script};
use crate::{
    cli::ExplainArgs, error::Error, headers, port::PortNames, report::removal, script::Item,
    service_file::ServiceFile, trace::flow_step,
};

/// What the stages said of a frame.
struct Steps<'s, S: Service> {
    rows: Vec<[String; 3]>,
    service: &'s S,
    ports: &'s PortNames,
}

impl<S: Service> Trace<S::Pipeline> for Steps<'_, S> {
    fn stage(&mut self, event: impl FnOnce() -> <S::Pipeline as Pipeline>::Event) {
        self.rows.push(self.service.row(&event(), self.ports));
    }

    fn flow(&mut self, step: FlowStep) {
        let mut what = flow_step(step).to_owned();
        if step == FlowStep::Uncached {
            what = format!("{what}: nothing is stored, {}", S::FULL);
        }
        self.rows.push(["flow table".to_owned(), String::new(), what]);
    }

    fn end(&mut self, end: &End<<S::Pipeline as Pipeline>::Reason>) {
        let what = match end {
            End::Sent { bytes, .. } => format!("sent, {bytes} bytes"),
            End::Dropped(reason) => format!("dropped: {reason}"),
            End::Punted { reason } => format!("to a controller: reason {reason}"),
        };
        self.rows.push(["end".to_owned(), String::new(), what]);
    }
}

/// Processes the frames before the one asked for, and shows what happens to that one.
///
/// # Errors
/// Bad input, or no such frame.
pub fn explain<S: Service>(
    args: &ExplainArgs,
    file: &ServiceFile,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut script = Script::<S>::new(&args.input, file)?;
    let mut names = script.ports.clone();
    let mut number = 0;
    while let Some((time, item)) = script.timeline.next_item()? {
        script.device.sweep(time);
        let frame = match item {
            Item::Control(Control::Replace(service)) => {
                script.device.replace(&mut script.service, *service)?;
                continue;
            }
            Item::Control(Control::Stats) => continue,
            Item::Frame(frame) => frame,
        };
        number += 1;
        let Script { service, ports, device, timeline } = &mut script;
        let port = names.number(&frame.port);
        let mut steps = Steps { rows: Vec::new(), service, ports };
        let before = device.take_removed();
        let sent = device.process(port, &frame.bytes, frame.truncated, &mut steps);
        for flow in before.iter().chain(&device.take_removed()) {
            let name = Value::Object(service.name(&flow.key, ports).0).to_string();
            steps.rows.push(["flow ended".to_owned(), name, removal(flow.why).to_owned()]);
        }
        if number < args.frame {
            for (port, bytes) in &sent {
                timeline.left(time, ports.name(*port), bytes, 0)?;
            }
            continue;
        }
        let mut text = format!("Frame {number}, in at port {}, {time} ns\n", frame.port);
        text.push_str(&headers::in_full(&frame.bytes));
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header(["Stage", "Key", "Action"]);
        for step in steps.rows {
            table.add_row(step);
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{table}\n");
        for (port, bytes) in &sent {
            let _ = write!(text, "\nOut by {}\n{}", ports.name(*port), headers::in_full(bytes));
        }
        return out.write_all(text.as_bytes()).map_err(Error::output);
    }
    Err(Error::Input(format!("there is no frame {}: there are {number}", args.frame)))
}
