//! `dash run`.

use std::io::{IsTerminal, Write};

use dash_hal::PacketBuffer;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    chain,
    cli::RunArgs,
    device, efsm,
    error::Error,
    flow_cache,
    outputs::{Outputs, spare_inputs},
    plan::Plan,
    report::Report,
    router,
    service_file::{Kind, ServiceFile},
    session::{Session, Storage},
    summary,
    trace::{FrameTrace, table},
};

/// Frames between two updates of the progress bar.
pub const PROGRESS: u64 = 4096;

/// Processes captures; writes what leaves, the report, to `out` the trace and the summary, and to
/// `warnings` what of the configuration is not acted on.
///
/// # Errors
/// Bad input, also a capture that turns out to be damaged on the way; the system. Output files of
/// earlier runs stay as they were then, and no new ones are left.
pub fn run(args: &RunArgs, out: &mut impl Write, warnings: &mut impl Write) -> Result<(), Error> {
    if let Some(file) = ServiceFile::of(&args.input)? {
        return match file.kind {
            Kind::Chain => chain::run::run(args, &file, out),
            Kind::Router => router::run::run(args, &file, out),
            Kind::FlowCache => device::run::run::<flow_cache::Configuration>(args, &file, out),
            Kind::Efsm => device::run::run::<efsm::Configuration>(args, &file, out),
        };
    }
    let mut plan = Plan::read(&args.input)?;
    let mut captures = args.input.captures()?;
    warn(&plan, warnings);
    spare_inputs(&args.out, &args.input, &plan.names.ports)?;
    let mut storage = Storage::new(&plan, args.input.flows())?;
    let (first, later) = (std::mem::take(&mut plan.first), std::mem::take(&mut plan.later));
    let mut session = Session::new(&mut storage, first, later, &args.input)?;
    let mut outputs = Outputs::create(&args.out, &plan.inputs, &plan.names.ports)?;
    let print = |result: std::io::Result<()>| result.map_err(Error::output);
    let bar = progress(captures.size(), args.trace);
    if args.trace {
        print(writeln!(out, "{}", table::header()))?;
    }
    let mut number = 0;
    while let Some((index, record)) = captures.next_record()? {
        number += 1;
        let port = plan.inputs[index];
        outputs.received(port, record.bytes.len());
        if args.trace {
            let mut trace = FrameTrace::default();
            let sent: Vec<_> = session.process(port, &record, &mut trace)?.collect();
            for (port, frame) in &sent {
                outputs.send(*port, record.time, frame.bytes(), &plan.names.ports)?;
            }
            let line = table::line(number, &record.bytes, &sent, &trace, &plan.names);
            print(writeln!(out, "{line}"))?;
        } else {
            for (port, frame) in session.process(port, &record, &mut ())? {
                outputs.send(port, record.time, frame.bytes(), &plan.names.ports)?;
            }
        }
        if number % PROGRESS == 0 {
            bar.set_position(captures.position());
        }
    }
    bar.finish_and_clear();
    let report = Report::new(&session.statistics(&plan), &plan, outputs.traffic());
    outputs.finish(&report)?;
    if args.trace {
        print(writeln!(out))?;
    }
    print(out.write_all(summary::text(&report, number).as_bytes()))
}

/// Tells `warnings` what is accepted and not acted on.
pub fn warn(plan: &Plan, warnings: &mut impl Write) {
    for warning in &plan.warnings {
        // Nobody may be listening.
        let _ = writeln!(warnings, "warning: {warning}");
    }
}

/// A bar for `size` bytes of captures, where somebody sees it.
#[must_use]
pub fn progress(size: u64, hidden: bool) -> ProgressBar {
    if hidden || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(size);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
    {
        bar.set_style(style);
    }
    bar
}
