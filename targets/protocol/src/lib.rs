//! What a firmware image and its host say to each other. No allocation, no panic.
//!
//! The machine has [`DATA_PORTS`] data ports and one control port, each a network device of its
//! own with the MAC address [`data_mac`] or [`CONTROL_MAC`].
//!
//! **Data ports** carry frames. In [capture time](ClockMode::Capture) each frame, in either
//! direction, has the 8 bytes of a [`Stamp`] in front of it; in [live](ClockMode::Live) use frames
//! are bare.
//!
//! **The control port** carries one message in each frame and nothing else, no Ethernet header
//! either; at most [`MESSAGE`] bytes. The host sends one [`Request`] at a time, [`Request::Hello`]
//! first, and the firmware sends one [`Answer`] to each. Before the firmware is up the wire may
//! lose what is on it, so the host repeats its hello until there is an answer, and passes over
//! answers to hellos that came late. Frames on data ports never change policy.
//!
//! **Changes** of policy are a list of bytes ([`encode`], [`Changes`]): what a build compiles into
//! an image, and what a [`Request::Chunk`] carries. They are checked whole before the first one is
//! applied.
//!
//! **The image** is built from what the environment names ([`CONFIG`], [`CHANGES`], [`PORTS`]), so
//! that host and firmware give objects the same numbers and the image has room for every change.
//! The exit code of a machine that stops is 0, or another number when it failed.
//!
//! All numbers are little-endian and of fixed width, lists begin with their count, a choice with
//! its number. Both sides are built from one source, which [`VERSION`] guards.
#![no_std]

mod arena;
mod changes;
mod codec;
mod message;
mod objects;
mod stamp;

pub use changes::{Changes, encode};
pub use codec::{DecodeError, NoRoom};
pub use message::{
    Answer, CHUNK, ClockMode, DropCount, DropCounts, EniStatistics, FLOWS_PER_ANSWER, FlowEntry,
    Hello, PortProgress, Refusal, Request, Start, VERSION, drop_counts,
};
pub use stamp::{STAMP, Stamp};

/// Data ports of the machine, [`PortId`](dash_hal::PortId) 0 and up: as many as the examples name.
pub const DATA_PORTS: usize = 4;

/// Environment of a build: the configuration files of the image, one transaction, as `PATH` lists
/// folders.
pub const CONFIG: &str = "DASH_CONFIG";

/// Environment of a build: files that are applied later, each a transaction, in their order, as
/// `PATH` lists folders. The image has room for them.
pub const CHANGES: &str = "DASH_CHANGES";

/// Environment of a build: the names of ports that frames come in at, by number from 0, with `/`
/// between them. Further names get their numbers from the configuration, as in `dash run`.
pub const PORTS: &str = "DASH_PORTS";

/// Most bytes of a message.
pub const MESSAGE: usize = 1500;

/// MAC address of the control port.
pub const CONTROL_MAC: [u8; 6] = [0x52, 0x54, 0, 0xda, 0x54, 0xff];

/// MAC address of data port `port`.
#[must_use]
pub const fn data_mac(port: u8) -> [u8; 6] {
    [0x52, 0x54, 0, 0xda, 0x54, port]
}
