//! The configuration of service chains as it is written.

use serde::Deserialize;

use crate::service_file::HostEntry;

/// A whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) chain: Document,
}

/// What is under `chain`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    pub(super) hosts: Vec<HostEntry>,
    pub(super) switches: Vec<SwitchEntry>,
    /// Accepted; events are written at once.
    #[serde(rename = "event_queue")]
    _event_queue: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SwitchEntry {
    pub(super) name: String,
    pub(super) tunnel_key: u32,
    #[serde(default)]
    pub(super) ports: Vec<PortEntry>,
    pub(super) mtu: Option<u16>,
    #[serde(default)]
    pub(super) pairs: Vec<PairEntry>,
    #[serde(default)]
    pub(super) groups: Vec<GroupEntry>,
    #[serde(default)]
    pub(super) chains: Vec<ChainEntry>,
    #[serde(default)]
    pub(super) classifiers: Vec<ClassifierEntry>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum PortKind {
    #[default]
    Vm,
    Localnet,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PortEntry {
    pub(super) name: String,
    pub(super) key: u16,
    pub(super) host: Option<String>,
    #[serde(default)]
    pub(super) kind: PortKind,
    #[serde(default)]
    pub(super) macs: Vec<String>,
    #[serde(default)]
    pub(super) ips: Vec<String>,
    #[serde(default)]
    pub(super) port_security: bool,
    #[serde(default)]
    pub(super) unknown: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PairEntry {
    pub(super) name: String,
    #[serde(rename = "in")]
    pub(super) input: String,
    #[serde(rename = "out")]
    pub(super) output: String,
    #[serde(default = "yes")]
    pub(super) up: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SelectName {
    #[default]
    First,
    Hash,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FallbackName {
    #[default]
    Close,
    Open,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ModeName {
    #[default]
    Inline,
    Tap,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupEntry {
    pub(super) name: String,
    pub(super) pairs: Vec<String>,
    #[serde(default)]
    pub(super) select: SelectName,
    #[serde(default)]
    pub(super) fallback: FallbackName,
    #[serde(default)]
    pub(super) mode: ModeName,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChainEntry {
    pub(super) name: String,
    pub(super) groups: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PathName {
    #[default]
    EntryLport,
    ExitLport,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DirectionName {
    #[default]
    BiDirectional,
    UniDirectional,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassifierEntry {
    pub(super) name: String,
    pub(super) chain: String,
    pub(super) port: String,
    #[serde(default)]
    pub(super) path: PathName,
    #[serde(default)]
    pub(super) direction: DirectionName,
    #[serde(default, rename = "match")]
    pub(super) matches: MatchEntry,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MatchEntry {
    pub(super) protocol: Option<u8>,
    pub(super) src_addr: Option<String>,
    pub(super) dst_addr: Option<String>,
    pub(super) src_port: Option<String>,
    pub(super) dst_port: Option<String>,
}
