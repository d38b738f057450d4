//! A run: from the command line to the files.

use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};

use dash_host::{
    capture::Merge,
    config::{apply::object, difference::Difference, image::Image},
    outputs::{Outputs, spare_inputs},
    plan::Plan,
    report::Report,
    run::{PROGRESS, progress, warn},
    schedule::Schedule,
    summary,
};
use dash_protocol::{Changes, ClockMode, DATA_PORTS, Hello, Stamp, Start};

use crate::{
    cli::Args,
    error::Error,
    firmware::{Firmware, FirmwareError},
    image,
    machine::Machine,
    wire::Wires,
};

/// Bytes of an Ethernet header, which an MTU does not count.
const ETHERNET: u32 = 14;

/// Builds, boots, forwards, and writes what left, the report, to `out` the summary, and to
/// `warnings` what of the configuration is not acted on.
///
/// # Errors
/// Bad input, no image, no machine, a firmware that does not do its part. Output files of earlier
/// runs stay as they were then, and no new ones are left.
pub fn run(args: &Args, out: &mut impl Write, warnings: &mut impl Write) -> Result<(), Error> {
    let job = Job::read(args)?;
    warn(&job.plan, warnings);
    let folder = tempfile::tempdir().map_err(|error| Error::io(&std::env::temp_dir(), error))?;
    let image = image::build(args.arch, &args.input, folder.path())?;
    let (mut machine, wires) = Machine::boot(args.arch, &image, args.log)?;
    let done = job.forward(args, wires);
    let timeout = Duration::from_secs(args.timeout);
    match done.and_then(|done| machine.end(timeout).map(|()| done)) {
        Ok(done) => done.write(out),
        Err(error) => Err(machine.explain(error)),
    }
}

/// What is to be done, read and checked.
pub struct Job {
    plan: Plan,
    captures: Merge,
}

/// What is done, and not yet written.
#[derive(Debug)]
pub struct Done {
    outputs: Outputs,
    report: Report,
    frames: u64,
}

impl Job {
    /// Reads and checks all files of a command.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn read(args: &Args) -> Result<Self, Error> {
        let plan = Plan::read(&args.input)?;
        let captures = args.input.captures()?;
        spare_inputs(&args.out, &args.input, &plan.names.ports)?;
        let ports: Vec<_> = plan.names.ports.iter().map(|(_, name)| name).collect();
        if ports.len() > DATA_PORTS {
            let names = ports.join(", ");
            let count = ports.len();
            return Err(Error::input(format!(
                "{count} ports are named ({names}); the machine has {DATA_PORTS}"
            )));
        }
        Ok(Self { plan, captures })
    }

    /// Takes all frames through the firmware behind `wires`.
    ///
    /// # Errors
    /// A damaged capture, a frame or a transaction that the firmware has no room for, a firmware
    /// that does not do its part.
    pub fn forward(self, args: &Args, wires: Wires) -> Result<Done, Error> {
        let Self { mut plan, mut captures } = self;
        let mut firmware = Firmware::greet(wires, Duration::from_secs(args.timeout))?;
        let start = start(args, firmware.hello())?;
        let mut outputs = Outputs::create(&args.out, &plan.inputs, &plan.names.ports)?;
        let mut current = std::mem::take(&mut plan.first);
        let mut schedule = Schedule::new(std::mem::take(&mut plan.later));
        firmware.start(start).map_err(|error| named(error, &Image::default(), &current))?;
        let bar = progress(captures.size(), false);
        let mut frames = 0;
        let mut now = 0;
        let mut last = None;
        while let Some((index, record)) = captures.next_record()? {
            frames += 1;
            let port = plan.inputs[index];
            now = record.time.max(now);
            while let Some(after) = schedule.due(now) {
                change(&mut firmware, &current, &after, now)?;
                current = after;
            }
            if last.replace(port).is_some_and(|last| last != port) {
                firmware.settle()?;
            }
            check_length(frames, record.bytes.len(), firmware.hello())?;
            outputs.received(port, record.bytes.len());
            let stamp = Stamp { time: record.time, truncated: record.truncated };
            firmware.send(port, stamp, &record.bytes)?;
            for sent in firmware.sent()? {
                outputs.send(sent.port, sent.stamp.time, &sent.bytes, &plan.names.ports)?;
            }
            if frames % PROGRESS == 0 {
                bar.set_position(captures.position());
            }
        }
        for sent in firmware.rest()? {
            outputs.send(sent.port, sent.stamp.time, &sent.bytes, &plan.names.ports)?;
        }
        bar.finish_and_clear();
        let statistics = firmware.statistics(plan.names.enis.len())?;
        firmware.stop()?;
        let report = Report::new(&statistics, &plan, outputs.traffic());
        Ok(Done { outputs, report, frames })
    }
}

impl Done {
    /// Writes the files, and the summary to `out`.
    ///
    /// # Errors
    /// The system refuses.
    pub fn write(self, out: &mut impl Write) -> Result<(), Error> {
        self.outputs.finish(&self.report)?;
        let print = |result: io::Result<()>| {
            result.map_err(|error| Error::io(Path::new("standard output"), error))
        };
        print(out.write_all(summary::text(&self.report, self.frames).as_bytes()))
    }
}

/// The settings of a run, which the image must be made for.
fn start(args: &Args, hello: &Hello) -> Result<Start, Error> {
    let input = &args.input;
    if input.flows() > hello.flows {
        return Err(Error::input(format!(
            "--flows {}: the image is built for {}; the environment DASH_FLOWS says how many",
            input.flows(),
            hello.flows
        )));
    }
    if u32::from(input.mtu()) + ETHERNET > hello.frame {
        let most = hello.frame.saturating_sub(ETHERNET);
        return Err(Error::input(format!(
            "--mtu {}: the firmware sends at most {most}",
            input.mtu()
        )));
    }
    Ok(Start {
        clock: ClockMode::Capture,
        settings: input.settings(),
        when_full: input.when_full,
        mtu: input.mtu(),
        flows: input.flows(),
        seed: None,
    })
}

fn check_length(number: u64, length: usize, hello: &Hello) -> Result<(), Error> {
    if length <= hello.frame as usize {
        return Ok(());
    }
    let most = hello.frame;
    Err(Error::input(format!(
        "frame {number} has {length} bytes; the firmware takes frames of {most}"
    )))
}

/// Has the difference between two configurations applied.
fn change(firmware: &mut Firmware, before: &Image, after: &Image, now: u64) -> Result<(), Error> {
    let mut transaction = Vec::new();
    dash_protocol::encode(Difference::new(before, after).changes(), &mut transaction);
    let hello = firmware.hello();
    // What was just written can be read.
    let rules = Changes::memory(&transaction).unwrap_or(usize::MAX);
    let needs =
        [("bytes", transaction.len(), hello.transaction), ("bytes of rules", rules, hello.rules)];
    for (what, needed, room) in needs {
        if needed > room as usize {
            return Err(Error::input(format!(
                "a change of the configuration takes {needed} {what}; the firmware has room for \
                 {room}"
            )));
        }
    }
    firmware.apply(&transaction, now).map_err(|error| named(error, before, after))
}

/// Names the object that was refused.
fn named(error: FirmwareError, before: &Image, after: &Image) -> Error {
    let FirmwareError::Rejected { index, error: reason } = error else { return error.into() };
    let difference = Difference::new(before, after);
    match difference.changes().nth(index as usize) {
        Some(change) => {
            let object = object(&change);
            dash_host::error::Error::Refused(dash_host::config::apply::Refused {
                object,
                error: reason,
            })
            .into()
        }
        None => error.into(),
    }
}
