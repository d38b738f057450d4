//! The JSON of a configuration, as it is written.

use serde::Deserialize;

use crate::service_file::HostEntry;

/// A whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The one object that it has.
    pub router: Document,
}

/// What is under `router`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    pub(super) hosts: Vec<HostEntry>,
    pub(super) networks: Vec<NetworkEntry>,
    pub(super) ports: Vec<PortEntry>,
    #[serde(default)]
    pub(super) routers: Vec<RouterEntry>,
    pub(super) idle_ms: Option<u32>,
    pub(super) hard_ms: Option<u32>,
    pub(super) cookie_base: Option<String>,
    #[serde(default)]
    pub(super) send_removed: bool,
    #[serde(default)]
    pub(super) controller: ControllerName,
    #[serde(default)]
    pub(super) full: FullName,
    pub(super) punt_queue: Option<u16>,
    pub(super) max_flows: Option<u32>,
    pub(super) mtu: Option<u16>,
    pub(super) event_queue: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ControllerName {
    #[default]
    Local,
    Remote,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum FullName {
    #[default]
    Reject,
    EvictShortest,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NetworkEntry {
    pub(super) name: String,
    pub(super) id: u32,
    #[serde(default)]
    pub(super) subnets: Vec<String>,
    pub(super) vlan: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum PortKind {
    #[default]
    Vm,
    Provider,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PortEntry {
    pub(super) name: String,
    pub(super) key: u16,
    pub(super) host: String,
    pub(super) network: Option<String>,
    #[serde(default)]
    pub(super) kind: PortKind,
    pub(super) mac: Option<String>,
    #[serde(default)]
    pub(super) ips: Vec<String>,
    #[serde(default)]
    pub(super) port_security: bool,
    #[serde(default)]
    pub(super) allowed: Vec<PairEntry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PairEntry {
    pub(super) mac: String,
    pub(super) ip: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouterEntry {
    pub(super) name: String,
    #[serde(default)]
    pub(super) ports: Vec<InterfaceEntry>,
    #[serde(default)]
    pub(super) routes: Vec<RouteEntry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InterfaceEntry {
    pub(super) network: String,
    pub(super) ip: String,
    pub(super) mac: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteEntry {
    pub(super) prefix: String,
    pub(super) via: String,
}
