//! What is written to the output folder.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use dash_hal::PortId;

use crate::{
    capture::CaptureWriter, cli::InputArgs, error::Error, port::PortNames, report::PortTraffic,
};

/// The report in the output folder.
const REPORT: &str = "report.json";

/// Sees that no output file in `folder` is an input file.
///
/// # Errors
/// One is.
pub fn spare_inputs(folder: &Path, input: &InputArgs, names: &PortNames) -> Result<(), Error> {
    let captures = input.inputs.iter().map(|(_, path)| path);
    let changes = input.at.iter().map(|(_, path)| path);
    let files = captures.chain(&input.config).chain(changes).chain(&input.control);
    let files: Vec<_> = files.filter_map(|path| path.canonicalize().ok()).collect();
    let outputs = names.iter().map(|(_, name)| capture_of(folder, name));
    for path in outputs.chain([folder.join(REPORT)]) {
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

/// Captures of what leaves, and the report: each file under another name until all are complete.
#[derive(Debug)]
pub struct Outputs {
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
    /// Makes the folder, and a capture for each of these ports; others have one with their first frame.
    ///
    /// # Errors
    /// The system refuses.
    pub fn create(folder: &Path, ports: &[PortId], names: &PortNames) -> Result<Self, Error> {
        let new = !folder.exists();
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let mut outputs = Self {
            folder: folder.to_owned(),
            new,
            writers: BTreeMap::new(),
            traffic: PortTraffic::new(),
        };
        for port in ports {
            outputs.writer(*port, names.name(*port))?;
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

    /// Counts a frame of `length` bytes that came in.
    pub fn received(&mut self, port: PortId, length: usize) {
        self.traffic.entry(port).or_default().0.add(length);
    }

    /// Counts and writes a frame that leaves.
    ///
    /// # Errors
    /// The system refuses.
    pub fn send(
        &mut self,
        port: PortId,
        time: u64,
        frame: &[u8],
        names: &PortNames,
    ) -> Result<(), Error> {
        self.traffic.entry(port).or_default().1.add(frame.len());
        let (path, writer) = self.writer(port, names.name(port))?;
        writer.write(time, frame).map_err(|error| Error::io(path, error))
    }

    /// What came in and left so far.
    #[must_use]
    pub const fn traffic(&self) -> &PortTraffic {
        &self.traffic
    }

    /// Writes the report; all files get their names.
    ///
    /// # Errors
    /// The system refuses.
    pub fn finish(mut self, report: &impl serde::Serialize) -> Result<(), Error> {
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
