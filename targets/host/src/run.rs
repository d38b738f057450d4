//! `dash run`.

use std::{
    collections::BTreeMap,
    fs,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
};

use dash_hal::{PacketBuffer, PortId};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    capture::{CaptureReader, CaptureWriter, Merge},
    cli::{InputArgs, RunArgs},
    error::Error,
    plan::Plan,
    report::{PortTraffic, Report},
    session::{Session, Storage},
    summary,
    trace::{FrameTrace, table},
};

/// The report in the output folder.
const REPORT: &str = "report.json";

/// Frames between two updates of the progress bar.
const PROGRESS: u64 = 4096;

/// Processes captures; writes what leaves, the report, and to `out` the trace and the summary.
///
/// # Errors
/// Bad input, also a capture that turns out to be damaged on the way; the system. Output files of
/// earlier runs stay as they were then, and no new ones are left.
pub fn run(args: &RunArgs, out: &mut impl Write) -> Result<(), Error> {
    let mut plan = Plan::read(&args.input)?;
    let mut captures = open(&args.input)?;
    warn(&plan);
    spare_inputs(args, &plan)?;
    let mut storage = Storage::new(&plan, args.input.flows)?;
    let (first, later) = (std::mem::take(&mut plan.first), std::mem::take(&mut plan.later));
    let mut session = Session::new(&mut storage, first, later, &args.input)?;
    let mut outputs = Outputs::create(&args.out, &plan)?;
    let print = |result: std::io::Result<()>| {
        result.map_err(|error| Error::io(Path::new("standard output"), error))
    };
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
                outputs.send(*port, record.time, frame.bytes(), &plan)?;
            }
            let line = table::line(number, &record.bytes, &sent, &trace, &plan.names);
            print(writeln!(out, "{line}"))?;
        } else {
            for (port, frame) in session.process(port, &record, &mut ())? {
                outputs.send(port, record.time, frame.bytes(), &plan)?;
            }
        }
        if number % PROGRESS == 0 {
            bar.set_position(captures.position());
        }
    }
    bar.finish_and_clear();
    let report = Report::new(&session, &plan, &outputs.traffic);
    outputs.finish(&report)?;
    if args.trace {
        print(writeln!(out))?;
    }
    print(out.write_all(summary::text(&report, number).as_bytes()))
}

/// Opens the captures of a command and reads their first records.
///
/// # Errors
/// Each must be a capture of Ethernet frames.
pub fn open(input: &InputArgs) -> Result<Merge, Error> {
    let readers = input.inputs.iter().map(|(_, path)| CaptureReader::open(path));
    Ok(Merge::new(readers.collect::<Result<_, _>>()?)?)
}

/// Tells what is accepted and not acted on.
pub fn warn(plan: &Plan) {
    for warning in &plan.warnings {
        // Nobody may be listening.
        let _ = writeln!(std::io::stderr(), "warning: {warning}");
    }
}

fn progress(size: u64, trace: bool) -> ProgressBar {
    if trace || !std::io::stderr().is_terminal() {
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

/// Sees that no output file is an input file.
fn spare_inputs(args: &RunArgs, plan: &Plan) -> Result<(), Error> {
    let input = &args.input;
    let captures = input.inputs.iter().map(|(_, path)| path);
    let changes = input.at.iter().map(|(_, path)| path);
    let files = captures.chain(&input.config).chain(changes);
    let files: Vec<_> = files.filter_map(|path| path.canonicalize().ok()).collect();
    let outputs = plan.names.ports.iter().map(|(_, name)| capture_of(&args.out, name));
    for path in outputs.chain([args.out.join(REPORT)]) {
        // What is not there yet is no input.
        if path.canonicalize().is_ok_and(|path| files.contains(&path)) {
            return Err(Error::Input(format!(
                "{}: is an input, and --out would overwrite it",
                path.display()
            )));
        }
    }
    Ok(())
}

/// The capture of what leaves by the port of this name.
fn capture_of(folder: &Path, port: &str) -> PathBuf {
    folder.join(format!("{port}.pcap"))
}

/// What is written to the output folder: each file under another name until all are complete.
struct Outputs {
    folder: PathBuf,
    /// Whether the folder was not there before.
    new: bool,
    writers: BTreeMap<PortId, (PathBuf, CaptureWriter)>,
    traffic: PortTraffic,
}

/// The name of a file that is not complete.
fn partial(path: &Path) -> PathBuf {
    path.with_added_extension("part")
}

impl Drop for Outputs {
    /// Leaves nothing incomplete. What is complete is no longer among the writers.
    fn drop(&mut self) {
        for (path, _) in std::mem::take(&mut self.writers).into_values() {
            // Nothing more can be done about it.
            let _ = fs::remove_file(partial(&path));
        }
        if self.new {
            // Fails when the run went well: the folder is not empty.
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

impl Outputs {
    /// Makes the folder, and a capture for each port that frames come in at.
    fn create(folder: &Path, plan: &Plan) -> Result<Self, Error> {
        let new = !folder.exists();
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let mut outputs = Self {
            folder: folder.to_owned(),
            new,
            writers: BTreeMap::new(),
            traffic: PortTraffic::new(),
        };
        for port in &plan.inputs {
            outputs.writer(*port, plan.names.ports.name(*port))?;
            outputs.traffic.entry(*port).or_default();
        }
        Ok(outputs)
    }

    fn writer(&mut self, port: PortId, name: &str) -> Result<&mut (PathBuf, CaptureWriter), Error> {
        match self.writers.entry(port) {
            std::collections::btree_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let path = capture_of(&self.folder, name);
                let writer = CaptureWriter::create(&partial(&path))
                    .map_err(|error| Error::io(&path, error))?;
                Ok(entry.insert((path, writer)))
            }
        }
    }

    fn received(&mut self, port: PortId, length: usize) {
        self.traffic.entry(port).or_default().0.add(length);
    }

    fn send(&mut self, port: PortId, time: u64, frame: &[u8], plan: &Plan) -> Result<(), Error> {
        self.traffic.entry(port).or_default().1.add(frame.len());
        let (path, writer) = self.writer(port, plan.names.ports.name(port))?;
        writer.write(time, frame).map_err(|error| Error::io(path, error))
    }

    fn finish(mut self, report: &Report) -> Result<(), Error> {
        let path = self.folder.join(REPORT);
        let text =
            serde_json::to_string_pretty(report).map_err(|error| Error::io(&path, error.into()))?;
        for (path, writer) in self.writers.values_mut() {
            writer.finish().map_err(|error| Error::io(path, error))?;
        }
        while let Some((_, (path, _))) = self.writers.pop_first() {
            fs::rename(partial(&path), &path).map_err(|error| Error::io(&path, error))?;
        }
        fs::write(&path, text + "\n").map_err(|error| Error::io(&path, error))
    }
}
