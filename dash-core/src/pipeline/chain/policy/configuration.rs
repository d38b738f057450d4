//! What the control core hands in: the objects of OVN's proposal, as plain slices.
//!
//! Objects are named by their places in the slices; names of text are the caller's.

use dash_hal::PortId;
use smoltcp::wire::{EthernetAddress, IpAddress};

use crate::{pipeline::image::Host, table::acl::Rule};

/// All of it, as one host sees it.
#[derive(Clone, Copy, Debug)]
pub struct Configuration<'c> {
    /// Which of `hosts` this is.
    pub host: u16,
    /// Hosts that switches span.
    pub hosts: &'c [Host],
    /// Logical switches.
    pub switches: &'c [Switch],
    /// Logical ports of all hosts, in ascending order of switch and key.
    pub ports: &'c [Port<'c>],
    /// Port pairs.
    pub pairs: &'c [Pair],
    /// Groups of pairs.
    pub groups: &'c [Group<'c>],
    /// Chains of groups.
    pub chains: &'c [Chain<'c>],
    /// What is steered through which chain.
    pub classifiers: &'c [Classifier<'c>],
}

impl Configuration<'_> {
    /// Nothing, to name only what is there.
    pub const NONE: Self = Self {
        host: 0,
        hosts: &[],
        switches: &[],
        ports: &[],
        pairs: &[],
        groups: &[],
        chains: &[],
        classifiers: &[],
    };
}

/// A logical switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Its key: the VNI in Geneve, 24 bits.
    pub tunnel_key: u32,
}

/// Where a logical port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this host.
    Host(u16),
    /// A `localnet` port: on every host, where raw frames meet the physical network.
    Localnet,
}

/// A logical port.
#[derive(Clone, Copy, Debug)]
pub struct Port<'c> {
    /// Its switch.
    pub switch: u16,
    /// Its key in the switch, 1 to 32,767.
    pub key: u16,
    /// The port of the device on its host.
    pub id: PortId,
    /// Where it is.
    pub place: Place,
    /// MAC addresses behind it.
    pub macs: &'c [EthernetAddress],
    /// IP addresses behind it, for port security.
    pub ips: &'c [IpAddress],
    /// Whether MAC addresses are learnt from it, and frames to unknown ones leave by it.
    pub unknown: bool,
    /// Whether frames from it must have its own addresses.
    pub port_security: bool,
}

/// Two ports of a network function, or one that is both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Where forward frames enter the function.
    pub input: u16,
    /// Where they leave it.
    pub output: u16,
    /// Whether the function works.
    pub up: bool,
}

/// How a group chooses among its working pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Select {
    /// The first.
    #[default]
    First,
    /// By a hash that is the same for both directions of a conversation.
    Hash,
}

/// What becomes of frames when no pair of a group works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// They are dropped.
    #[default]
    Close,
    /// They go on as if the group were absent.
    Open,
}

/// What a group does with frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They pass through it.
    #[default]
    Inline,
    /// It gets copies.
    Tap,
}

/// Pairs that do the same work.
#[derive(Clone, Copy, Debug)]
pub struct Group<'c> {
    /// Its pairs, in the order of preference.
    pub pairs: &'c [u16],
    /// How one is chosen.
    pub select: Select,
    /// When none works.
    pub fallback: Fallback,
    /// Pass or copy.
    pub mode: Mode,
}

/// Groups in the order in which forward frames visit them.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'c> {
    /// The groups.
    pub groups: &'c [u16],
}

/// Which frames of a port are forward ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Path {
    /// `entry-lport`: those to it.
    #[default]
    Entry,
    /// `exit-lport`: those from it.
    Exit,
}

/// Steers frames of an application's port through a chain.
#[derive(Clone, Copy, Debug)]
pub struct Classifier<'c> {
    /// The chain.
    pub chain: u16,
    /// The port.
    pub port: u16,
    /// Which frames are forward ones.
    pub path: Path,
    /// Whether the answers are steered too, backwards.
    pub bidirectional: bool,
    /// Which of the forward frames are steered: those whose first rule has a value other than 0,
    /// all if there is no rule. Of reverse frames source and destination are exchanged. What is not
    /// IP matches no rule; what has no ports, fragments among it, has ports 0. Rules name no tags.
    pub matches: &'c [Rule<'c>],
}
