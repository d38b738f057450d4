//! The command line.

use std::path::PathBuf;

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use dash_core::{flow::WhenFull, pipeline::vnet::Settings, table::cuckoo::MAX_CAPACITY};

use crate::{
    capture::{CaptureReader, Merge, SNAP_LENGTH},
    error::Error,
    port::check_name,
};

/// Bytes of the Ethernet header, which an MTU does not count.
const ETHERNET_HEADER: i64 = 14;

/// The data plane of a `SmartNIC`, on captures.
#[derive(Debug, Parser)]
#[command(name = "dash", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Process captures; write what leaves, and a report.
    Run(RunArgs),
    /// Show what each stage decides for one frame.
    Explain(ExplainArgs),
    /// Process frames of Linux interfaces until SIGINT; then print a report.
    Up(UpArgs),
}

/// What `--fragment-timeout` is without it, ms.
pub const FRAGMENT_TIMEOUT: u32 = 500;

/// What is processed, and how.
#[derive(Args, Clone, Debug)]
pub struct InputArgs {
    /// Configuration files; all of them are one transaction.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// Captures (pcap or pcapng) of frames that come in, each with the name of its port.
    #[arg(long = "in", required = true, num_args = 1.., value_name = "PORT=CAPTURE",
        value_parser = port_and_capture)]
    pub inputs: Vec<(String, PathBuf)>,
    /// Most flows, two for each conversation; 0: remember none.
    /// Without it 65536, or what the configuration says.
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(u32).range(0..=MAX_CAPACITY as i64))]
    pub flows: Option<u32>,
    /// What becomes of a frame whose flow finds no place. `forward`: it is forwarded, and its flow
    /// not remembered; `drop`: it is dropped; `evict`: its flow takes the place of another one, but
    /// of no open TCP conversation.
    #[arg(long, default_value = "forward", value_name = "WHAT", value_parser = when_full())]
    pub when_full: WhenFull,
    /// Most flows of one ENI, two for each conversation; 0: as many as there are places.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub flows_per_eni: u32,
    /// Seconds without a frame after which a flow ends; 0: never.
    /// Without it 30, or what the configuration says.
    #[arg(long, value_name = "SECONDS", value_parser = milliseconds)]
    pub idle_timeout: Option<u32>,
    /// Seconds for which later fragments of a datagram pass after the first; 0: fragments are
    /// dropped.
    #[arg(long, default_value = "0.5", value_name = "SECONDS", value_parser = milliseconds)]
    pub fragment_timeout: u32,
    /// Drop TCP without a flow unless it opens a connection.
    #[arg(long)]
    pub tcp_strict: bool,
    /// Most bytes after the Ethernet header that a port sends.
    /// Without it 9100, or what the configuration says.
    #[arg(long, value_name = "BYTES", value_parser = mtu())]
    pub mtu: Option<u16>,
    /// A further configuration file, applied before the first frame that comes TIME seconds or
    /// more after the first one.
    #[arg(long, num_args = 1.., value_name = "TIME=FILE", value_parser = time_and_file)]
    pub at: Vec<(u64, PathBuf)>,
    /// Join two ports outside the switch, not of DASH: a frame out of one comes in at the
    /// other 1 µs later. A=A returns frames.
    #[arg(long, num_args = 1.., value_name = "A=B", value_parser = wire)]
    pub wire: Vec<(String, String)>,
    /// Control objects, not of DASH, one in a line of JSON, each with its `at_ns`.
    #[arg(long, value_name = "FILE")]
    pub control: Option<PathBuf>,
}

/// Options that override configurations of services, where they are given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// Most flows.
    pub flows: Option<u32>,
    /// Milliseconds without a frame after which a flow ends.
    pub idle_timeout: Option<u32>,
    /// Most bytes after the Ethernet header that a port sends.
    pub mtu: Option<u16>,
}

/// Bytes after the Ethernet header that a port sends, where nothing else is said.
const MTU: u16 = 9100;
/// Most flows, where nothing else is said.
const FLOWS: u32 = 65_536;
/// Milliseconds without a frame after which a flow ends, where nothing else is said.
const IDLE_TIMEOUT: u32 = 30_000;

impl InputArgs {
    /// Opens the captures and reads their first records.
    ///
    /// # Errors
    /// Each must be a capture of Ethernet frames.
    pub fn captures(&self) -> Result<Merge, Error> {
        let readers = self.inputs.iter().map(|(_, path)| CaptureReader::open(path));
        Ok(Merge::new(readers.collect::<Result<_, _>>()?)?)
    }

    /// What is said before the configuration of a service.
    #[must_use]
    pub const fn overrides(&self) -> Overrides {
        Overrides { flows: self.flows, idle_timeout: self.idle_timeout, mtu: self.mtu }
    }

    /// Most bytes after the Ethernet header that a port sends.
    #[must_use]
    pub fn mtu(&self) -> u16 {
        self.mtu.unwrap_or(MTU)
    }

    /// Most flows.
    #[must_use]
    pub fn flows(&self) -> u32 {
        self.flows.unwrap_or(FLOWS)
    }

    /// Milliseconds without a frame after which a flow ends.
    #[must_use]
    pub fn idle_timeout(&self) -> u32 {
        self.idle_timeout.unwrap_or(IDLE_TIMEOUT)
    }

    /// What holds for all ENIs.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            tcp_strict: self.tcp_strict,
            idle_timeout: self.idle_timeout(),
            fragment_timeout: self.fragment_timeout,
            flows_per_eni: self.flows_per_eni,
        }
    }
}

/// Arguments of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// What is processed, and how.
    #[command(flatten)]
    pub input: InputArgs,
    /// Folder for the captures of what leaves (PORT.pcap) and for report.json.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Print one line for each frame.
    #[arg(long)]
    pub trace: bool,
}

/// Arguments of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// What is processed, and how.
    #[command(flatten)]
    pub input: InputArgs,
    /// Number of the frame, counted from 1 over all captures, in the order of time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub frame: u64,
}

/// Arguments of `up`.
#[derive(Args, Clone, Debug)]
pub struct UpArgs {
    /// The configuration: a flow cache, a state machine, or a router. Of a router the ports of one
    /// host are taken; the host's name is that of its underlay.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Ports of the configuration, each with the interface that it is.
    #[arg(long, required = true, num_args = 1.., value_name = "PORT=INTERFACE",
        value_parser = port_and_interface)]
    pub port: Vec<(String, String)>,
    /// Where control objects are taken, a line of JSON each, and events are told.
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Most flows; without it what the configuration says.
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(u32).range(0..=MAX_CAPACITY as i64))]
    pub flows: Option<u32>,
    /// Seconds without a frame after which a flow ends; without it what the configuration says.
    #[arg(long, value_name = "SECONDS", value_parser = milliseconds)]
    pub idle_timeout: Option<u32>,
    /// Most bytes after the Ethernet header that a port sends; without it what the configuration
    /// says.
    #[arg(long, value_name = "BYTES", value_parser = mtu())]
    pub mtu: Option<u16>,
}

impl UpArgs {
    /// What is said before the configuration.
    #[must_use]
    pub const fn overrides(&self) -> Overrides {
        Overrides { flows: self.flows, idle_timeout: self.idle_timeout, mtu: self.mtu }
    }
}

/// By name.
fn when_full() -> impl TypedValueParser<Value = WhenFull> {
    PossibleValuesParser::new(["forward", "drop", "evict"]).map(|name| match name.as_str() {
        "drop" => WhenFull::Drop,
        "evict" => WhenFull::Evict,
        _ => WhenFull::Forward,
    })
}

/// What a captured frame has room for.
fn mtu() -> impl TypedValueParser<Value = u16> {
    let most = i64::from(SNAP_LENGTH) - ETHERNET_HEADER;
    clap::value_parser!(u16).range(..=most)
}

fn port_and_capture(text: &str) -> Result<(String, PathBuf), String> {
    let (port, capture) = text.split_once('=').ok_or("expected PORT=CAPTURE")?;
    check_name(port)?;
    Ok((port.to_owned(), named_file(capture)?))
}

fn port_and_interface(text: &str) -> Result<(String, String), String> {
    let (port, interface) = text.split_once('=').ok_or("expected PORT=INTERFACE")?;
    check_name(port)?;
    Ok((port.to_owned(), named_file(interface).map(|_| interface.to_owned())?))
}

fn wire(text: &str) -> Result<(String, String), String> {
    let (one, other) = text.split_once('=').ok_or("expected A=B")?;
    check_name(one)?;
    check_name(other)?;
    Ok((one.to_owned(), other.to_owned()))
}

fn time_and_file(text: &str) -> Result<(u64, PathBuf), String> {
    let (time, file) = text.split_once('=').ok_or("expected TIME=FILE")?;
    Ok((nanoseconds(time)?, named_file(file)?))
}

fn named_file(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("the file has no name".to_owned()) } else { Ok(text.into()) }
}

/// Decimal seconds, exactly: binary fractions would put a change behind its frame.
fn nanoseconds(text: &str) -> Result<u64, String> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() <= text.contains('.').into()
        || !digits(seconds)
        || !digits(fraction)
        || fraction.len() > 9
    {
        return Err(format!("\"{text}\" is no number of seconds with at most 9 decimals"));
    }
    let number = format!("{seconds}{fraction:0<9}");
    number.parse().map_err(|_| format!("{text} seconds are too many"))
}

fn milliseconds(text: &str) -> Result<u32, String> {
    let nanoseconds = nanoseconds(text)?;
    if nanoseconds % 1_000_000 != 0 {
        return Err("is finer than a millisecond".to_owned());
    }
    u32::try_from(nanoseconds / 1_000_000).map_err(|_| format!("{text} seconds are too many"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact() {
        assert_eq!(nanoseconds("1"), Ok(1_000_000_000));
        assert_eq!(nanoseconds("0.000000001"), Ok(1));
        assert_eq!(nanoseconds("1.5"), Ok(1_500_000_000));
        assert_eq!(nanoseconds(".5"), Ok(500_000_000));
        for bad in ["", ".", "-1", "1e3", "1.0000000001", "x", "99999999999999999999"] {
            assert!(nanoseconds(bad).is_err(), "{bad}");
        }
        assert_eq!(milliseconds("0.25"), Ok(250));
        assert!(milliseconds("0.0001").is_err());
        assert!(milliseconds("5000000").is_err());
    }
}
