//! Captures: pcap and pcapng in, nanosecond pcap out.
//!
//! Choices: a Simple Packet Block has no time and takes that of the record before it. Ethernet is
//! the only link type; a header that tells of an FCS behind the frames is refused.

mod merge;
mod read;
mod write;

pub use merge::Merge;
pub use read::CaptureReader;
pub use write::{CaptureWriter, SNAP_LENGTH};

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Nanoseconds since 1970.
    pub time: u64,
    /// The bytes that were captured.
    pub bytes: Vec<u8>,
    /// Whether the frame was longer.
    pub truncated: bool,
}

/// A capture could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The system refuses.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no capture of Ethernet frames.
    #[error("{path}: {message}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong.
        message: String,
    },
}
