//! `dash explain`.

use std::{fmt::Write as _, io::Write};

use comfy_table::{Table, presets::ASCII_MARKDOWN};
use dash_core::{flow::FlowStep, pipeline::End};
use dash_hal::PacketBuffer;

use crate::{
    chain,
    cli::ExplainArgs,
    config::numbers::Names,
    device, efsm,
    error::Error,
    flow_cache, headers,
    plan::Plan,
    router,
    run::warn,
    service_file::{Kind, ServiceFile},
    session::{Session, Storage},
    trace::{
        FrameTrace, Step,
        describe::{self, Row},
    },
};

/// Processes the frames before the one asked for, and shows what happens to that one; `warnings`
/// as of [`run`](crate::run::run).
///
/// # Errors
/// Bad input, or no such frame.
pub fn explain(
    args: &ExplainArgs,
    out: &mut impl Write,
    warnings: &mut impl Write,
) -> Result<(), Error> {
    if let Some(file) = ServiceFile::of(&args.input)? {
        return match file.kind {
            Kind::Chain => chain::explain::explain(args, &file, out),
            Kind::Router => router::explain::explain(args, &file, out),
            Kind::FlowCache => {
                device::explain::explain::<flow_cache::Configuration>(args, &file, out)
            }
            Kind::Efsm => device::explain::explain::<efsm::Configuration>(args, &file, out),
        };
    }
    let mut plan = Plan::read(&args.input)?;
    let mut captures = args.input.captures()?;
    warn(&plan, warnings);
    let mut storage = Storage::new(&plan, args.input.flows())?;
    let (first, later) = (std::mem::take(&mut plan.first), std::mem::take(&mut plan.later));
    let mut session = Session::new(&mut storage, first, later, &args.input)?;
    let mut number = 0;
    while let Some((index, record)) = captures.next_record()? {
        number += 1;
        let port = plan.inputs[index];
        if number < args.frame {
            session.process(port, &record, &mut ())?.for_each(drop);
            continue;
        }
        let mut trace = FrameTrace::default();
        let sent: Vec<_> = session.process(port, &record, &mut trace)?.collect();
        let mut text = format!(
            "Frame {number}, in at port {}, {} ns\n",
            plan.names.ports.name(port),
            record.time
        );
        text.push_str(&headers::in_full(&record.bytes));
        // Writing to a string cannot fail.
        if !trace.steps.is_empty() {
            let _ = write!(text, "\n{}\n", rows(&trace, &plan.names));
        }
        let _ = write!(text, "\n{}\n", end(&trace, &plan.names));
        for (_, frame) in sent {
            text.push_str(&headers::in_full(frame.bytes()));
        }
        return out.write_all(text.as_bytes()).map_err(Error::output);
    }
    Err(Error::Input(format!("there is no frame {}: the captures have {number}", args.frame)))
}

fn rows(trace: &FrameTrace, names: &Names) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(["Table", "Key", "Found", "Action"]);
    for step in &trace.steps {
        let Row { table: name, key, found, action } = match step {
            Step::Stage(event) => describe::row(event, names),
            Step::Flow(step) => flow(*step),
        };
        table.add_row([name, key, found.to_owned(), action]);
    }
    table
}

fn flow(step: FlowStep) -> Row {
    let (found, action) = match step {
        FlowStep::Hit => ("hit", "use the header change that it holds"),
        FlowStep::Miss => ("miss", "evaluate policy"),
        FlowStep::Stale => ("hit", "policy has changed since: evaluate it again"),
        FlowStep::Installed => ("", "flow and flow of the answers installed"),
        FlowStep::Replaced => ("", "header changes of both flows replaced"),
        FlowStep::Removed => ("", "both flows removed"),
        FlowStep::Uncached => ("", "no place: the frame is forwarded, not remembered"),
    };
    Row { table: "flow table".to_owned(), key: String::new(), found, action: action.to_owned() }
}

fn end(trace: &FrameTrace, names: &Names) -> String {
    match trace.end {
        Some(End::Sent { port, .. }) => format!("Sent by port {}", names.ports.name(port)),
        Some(End::Dropped(reason)) => format!("Dropped: {reason}"),
        Some(End::Punted { reason }) => format!("Handed to a controller: reason {reason}"),
        None => "Still waiting for its port".to_owned(),
    }
}
