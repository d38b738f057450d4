//! Writes one capture.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use pcap_parser::{LegacyPcapBlock, PcapHeader, ToVec};

const NANOSECONDS: u64 = 1_000_000_000;
/// Longest frame that is sent; tools cut what is longer when they read.
pub const SNAP_LENGTH: u32 = 65_535;

/// A nanosecond pcap of Ethernet frames.
#[derive(Debug)]
pub struct CaptureWriter {
    file: BufWriter<File>,
}

impl CaptureWriter {
    /// Creates `path`.
    ///
    /// # Errors
    /// The system refuses.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        let header =
            PcapHeader { magic_number: 0xa1b2_3c4d, snaplen: SNAP_LENGTH, ..PcapHeader::new() };
        file.write_all(&header.to_vec_raw().map_err(io::Error::other)?)?;
        Ok(Self { file })
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// The system refuses.
    pub fn write(&mut self, time: u64, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u32;
        let block = LegacyPcapBlock {
            ts_sec: (time / NANOSECONDS) as u32,
            ts_usec: (time % NANOSECONDS) as u32,
            caplen: length,
            origlen: length,
            data: bytes,
        };
        self.file.write_all(&block.to_vec_raw().map_err(io::Error::other)?)
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// The system refuses.
    pub fn finish(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
