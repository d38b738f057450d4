//! Control objects, one in a line of JSON: what a controller elsewhere asks for.

use std::path::Path;

use dash_core::{
    flow::Timeouts,
    pipeline::router::{
        DropReason,
        control::{Actions, FlowSpec, Match},
    },
};
use serde::Deserialize;

use super::config::{File, Network, number};
use crate::{
    cli::Overrides,
    error::Error,
    service_file::{self, Stats, deserialize},
    text::parse,
};

/// What a control object asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Another configuration.
    Config(Box<File>),
    /// A port on another host.
    PortMove(PortMove),
    /// A router without its port in a network.
    RouterPortDel(RouterPortDel),
    /// A flow, or the release of the frames that wait for it.
    FlowAdd(FlowEntry),
    /// Another flow in the place of one that is there.
    FlowMod(FlowEntry),
    /// The end of flows.
    FlowDel(FlowDel),
    /// A frame to send.
    PacketOut(PacketOut),
    /// The end of frames that wait.
    DropPunt(DropPunt),
    /// The counters.
    Stats(Stats),
}

/// A port on another host.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortMove {
    /// The port.
    pub port: String,
    /// Its new host.
    pub host: String,
}

/// A router without its port in a network.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterPortDel {
    /// The router.
    pub router: String,
    /// The network.
    pub network: String,
}

/// Which frames.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchEntry {
    in_port: String,
    eth_src: String,
    eth_dst: String,
    ip_src: String,
    ip_dst: String,
}

/// What is done with them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionEntry {
    /// Decrement TTL or hop limit.
    DecTtl,
    /// Write the source MAC address.
    EthSrc(String),
    /// Write the destination MAC address.
    EthDst(String),
    /// Leave by a port.
    Output(String),
}

/// A flow.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowEntry {
    #[serde(rename = "match")]
    matches: MatchEntry,
    actions: Vec<ActionEntry>,
    #[serde(default)]
    idle_ms: u32,
    #[serde(default)]
    hard_ms: u32,
    cookie: Option<String>,
    #[serde(default)]
    send_removed: bool,
    /// The request whose frames go on by it.
    pub release: Option<u64>,
}

/// The end of flows: of one, or of all whose cookies have these bits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowDel {
    #[serde(rename = "match")]
    matches: Option<MatchEntry>,
    cookie: Option<String>,
    cookie_mask: Option<String>,
}

/// A frame to send.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PacketOut {
    in_port: String,
    frame: String,
    actions: Vec<ActionEntry>,
}

/// The end of frames that wait.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropPunt {
    /// The request.
    pub id: u64,
    reason: String,
}

/// Which flows end.
#[derive(Clone, Copy, Debug)]
pub enum Gone {
    /// That of these frames.
    One(Match),
    /// Those with this cookie under this mask.
    Cookie(u64, u64),
}

/// Reads control objects, in the order of their times.
///
/// # Errors
/// One is wrong.
pub fn read(path: Option<&Path>, overrides: Overrides) -> Result<Vec<(u64, Control)>, Error> {
    service_file::control(path, |control| checked(control, overrides))
}

/// A control object without its time.
///
/// # Errors
/// It is wrong.
pub fn object_of(object: serde_json::Value, overrides: Overrides) -> Result<Control, String> {
    deserialize(object).and_then(|control| checked(control, overrides))
}

fn checked(control: Control, overrides: Overrides) -> Result<Control, String> {
    if let Control::Config(file) = &control {
        Network::new(&file.router, overrides)?;
    }
    Ok(control)
}

impl MatchEntry {
    fn matches(&self, network: &Network) -> Result<Match, String> {
        let Self { in_port, eth_src, eth_dst, ip_src, ip_dst } = self;
        Ok(Match {
            in_port: network.port(in_port)?,
            eth_src: parse(eth_src, "MAC address")?,
            eth_dst: parse(eth_dst, "MAC address")?,
            ip_src: parse(ip_src, "IP address")?,
            ip_dst: parse(ip_dst, "IP address")?,
        })
    }
}

fn actions(entries: &[ActionEntry], network: &Network) -> Result<Actions, String> {
    let (mut dec_ttl, mut eth_src, mut eth_dst, mut output) = (false, None, None, None);
    for entry in entries {
        match entry {
            ActionEntry::DecTtl => dec_ttl = true,
            ActionEntry::EthSrc(mac) => eth_src = Some(parse(mac, "MAC address")?),
            ActionEntry::EthDst(mac) => eth_dst = Some(parse(mac, "MAC address")?),
            ActionEntry::Output(port) if output.is_none() => output = Some(network.port(port)?),
            ActionEntry::Output(_) => return Err("a second output".to_owned()),
        }
    }
    let output = output.ok_or("there is no output")?;
    Ok(Actions { dec_ttl, eth_src, eth_dst, output })
}

impl FlowEntry {
    /// The flow, with numbers for names.
    ///
    /// # Errors
    /// A name is not there, or a value none of its kind.
    pub fn spec(&self, network: &Network) -> Result<FlowSpec, String> {
        Ok(FlowSpec {
            matches: self.matches.matches(network)?,
            actions: actions(&self.actions, network)?,
            timeouts: Timeouts { idle: self.idle_ms, hard: self.hard_ms },
            cookie: self.cookie.as_deref().map_or(Ok(0), number)?,
            send_removed: self.send_removed,
        })
    }
}

impl FlowDel {
    /// Which flows.
    ///
    /// # Errors
    /// A name is not there, or a value none of its kind.
    pub fn gone(&self, network: &Network) -> Result<Gone, String> {
        match (&self.matches, &self.cookie) {
            (Some(matches), None) if self.cookie_mask.is_none() => {
                matches.matches(network).map(Gone::One)
            }
            (None, Some(cookie)) => {
                let mask = self.cookie_mask.as_deref().map_or(Ok(u64::MAX), number)?;
                Ok(Gone::Cookie(number(cookie)?, mask))
            }
            _ => Err("flow_del: expected match, or cookie and cookie_mask".to_owned()),
        }
    }
}

impl PacketOut {
    /// The port that the frame seems to come from, what is done with it, and its bytes.
    ///
    /// # Errors
    /// A name is not there, or a value none of its kind.
    pub fn parts(&self, network: &Network) -> Result<(u16, Actions, Vec<u8>), String> {
        let frame = hex(&self.frame).ok_or("packet_out: the frame is not hexadecimal")?;
        Ok((network.port(&self.in_port)?, actions(&self.actions, network)?, frame))
    }
}

impl DropPunt {
    /// Why.
    ///
    /// # Errors
    /// There is no such reason.
    pub fn reason(&self) -> Result<DropReason, String> {
        let known = DropReason::ALL.into_iter().find(|reason| reason.to_string() == self.reason);
        known.ok_or_else(|| format!("there is no reason \"{}\"", self.reason))
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<_>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

/// Bytes as text.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
