//! The flow cache as a service of `dash run`: its configuration, and its words.

use dash_core::{
    flow::WhenFull,
    pipeline::flow_cache::{
        DropReason, Event, FREE, FlowCache, FlowKey, FlowState, Note, Order, Outer, Phase,
        Settings, Vtep, Vteps, Way,
    },
    table::cuckoo::{Bucket, MAX_CAPACITY},
};
use dash_hal::{PortId, SoftwareHints};
use serde::Deserialize;
use serde_json::{Map, Value};
use smoltcp::wire::{IpAddress, Ipv4Address};

use crate::{
    device::{Limits, Service},
    port::{PortNames, check_name},
    service_file::Kind,
    text::{mac, mtu, unique},
};

/// A whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    flow_cache: Document,
}

/// What is under `flow_cache`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    ports: Vec<PortEntry>,
    #[serde(default)]
    vteps: Vec<VtepEntry>,
    #[serde(default)]
    outer: OuterEntry,
    #[serde(default = "max_entries")]
    max_entries: u32,
    #[serde(default = "idle")]
    idle_ms: u32,
    #[serde(default)]
    full: Full,
    #[serde(default = "yes")]
    ordered: bool,
    #[serde(default = "guard")]
    guard_ms: u32,
    #[serde(default = "force_after")]
    force_after_ms: u32,
    #[serde(default)]
    relearn: bool,
    #[serde(default)]
    scrub_reserved: bool,
    #[serde(default = "default_mtu")]
    mtu: u16,
    #[serde(default = "event_queue")]
    event_queue: usize,
}

const fn max_entries() -> u32 {
    4096
}
const fn idle() -> u32 {
    30_000
}
const fn yes() -> bool {
    true
}
const fn guard() -> u32 {
    100
}
const fn force_after() -> u32 {
    1_000
}
const fn default_mtu() -> u16 {
    1500
}
const fn event_queue() -> usize {
    256
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Role {
    Dc,
    Otr,
    Server,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PortEntry {
    name: String,
    role: Role,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VtepEntry {
    dst: Ipv4Address,
    vni: Option<u32>,
    vlan: u16,
    port: String,
}

/// Those of the published example, where the configuration says nothing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OuterEntry {
    src_mac: String,
    dst_mac: String,
    id: u16,
    ttl: u8,
    tos: u8,
}

impl Default for OuterEntry {
    fn default() -> Self {
        let (src_mac, dst_mac) = ("be:ef:be:ef:be:ef".to_owned(), "de:ad:de:ad:de:ad".to_owned());
        Self { src_mac, dst_mac, id: 5395, ttl: 64, tos: 0 }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Full {
    #[default]
    Reject,
    EvictOldest,
    EvictLeastUsed,
}

/// The configuration.
#[derive(Clone, Debug)]
pub struct Configuration {
    settings: Settings,
    vteps: Vec<Vtep>,
    limits: Limits,
}

impl Configuration {
    fn vteps(&self, seed: [u64; 2]) -> Result<Vteps<'static>, String> {
        let places = vec![FREE; Vteps::places_for(self.vteps.len())].leak();
        let buckets = vec![Bucket::EMPTY; Vteps::buckets_for(places.len())].leak();
        let mut vteps =
            Vteps::new(buckets, places, seed).map_err(|error| format!("vteps: {error:?}"))?;
        vteps.fill(&self.vteps, &SoftwareHints).map_err(|error| format!("vteps: {error:?}"))?;
        Ok(vteps)
    }

    /// As the pipeline takes them: options of the command may have changed the time-out.
    fn settings(&self) -> Settings {
        Settings { idle_timeout: self.limits.idle_timeout, ..self.settings }
    }
}

impl Service for Configuration {
    type Pipeline = FlowCache<'static>;
    type Key = FlowKey;
    type State = FlowState;
    type File = File;
    const NAME: &'static str = Kind::FlowCache.name();
    const FULL: &'static str = "cache_full";
    const TELLS: bool = true;

    fn new(File { flow_cache: document }: File, ports: &mut PortNames) -> Result<Self, String> {
        unique(document.ports.iter().map(|port| &port.name), "port")?;
        let mut roles: Vec<(PortId, Role)> = Vec::new();
        for PortEntry { name, role } in &document.ports {
            check_name(name)?;
            roles.push((ports.number(name), *role));
        }
        let one = |role: Role, name: &str| {
            let mut of_role = roles.iter().filter(|(_, known)| *known == role);
            match (of_role.next(), of_role.next()) {
                (Some((port, _)), None) => Ok(*port),
                _ => Err(format!("expected one port of role \"{name}\"")),
            }
        };
        let (dc, otr) = (one(Role::Dc, "dc")?, one(Role::Otr, "otr")?);
        let vteps = document.vteps.iter().map(|VtepEntry { dst, vni, vlan, port: name }| {
            let port = ports.iter().find(|(_, known)| known == name).map(|(port, _)| port);
            let port = port.filter(|port| roles.contains(&(*port, Role::Server)));
            let port = port.ok_or_else(|| format!("vtep {dst}: \"{name}\" is no server's port"))?;
            if !(1..4095).contains(vlan) {
                return Err(format!("vtep {dst}: VLAN {vlan} is not 1 to 4094"));
            }
            if vni.is_some_and(|vni| vni >= 1 << 24) {
                return Err(format!("vtep {dst}: a VNI has 24 bits"));
            }
            Ok(Vtep { destination: *dst, vni: *vni, vlan: *vlan, port })
        });
        let vteps = vteps.collect::<Result<Vec<_>, _>>()?;
        for (place, vtep) in vteps.iter().enumerate() {
            let same =
                |other: &Vtep| (other.destination, other.vni) == (vtep.destination, vtep.vni);
            if vteps.iter().take(place).any(same) {
                return Err(format!("vtep {} is there twice with one VNI", vtep.destination));
            }
        }
        if document.max_entries as usize > MAX_CAPACITY {
            return Err(format!("max_entries: at most {MAX_CAPACITY}"));
        }
        let OuterEntry { src_mac, dst_mac, id, ttl, tos } = &document.outer;
        let order = Order { guard: document.guard_ms, force_after: document.force_after_ms };
        let settings = Settings {
            dc,
            otr,
            outer: Outer {
                source_mac: mac(src_mac).map_err(|m| format!("outer.src_mac: {m}"))?,
                destination_mac: mac(dst_mac).map_err(|m| format!("outer.dst_mac: {m}"))?,
                identification: *id,
                ttl: *ttl,
                tos: *tos,
            },
            idle_timeout: document.idle_ms,
            order: document.ordered.then_some(order),
            relearn: document.relearn,
            scrub_reserved: document.scrub_reserved,
        };
        let limits = Limits {
            flows: document.max_entries,
            idle_timeout: document.idle_ms,
            mtu: mtu(document.mtu)?,
            when_full: match document.full {
                Full::Reject => WhenFull::Forward,
                Full::EvictOldest => WhenFull::EvictOldest,
                Full::EvictLeastUsed => WhenFull::EvictLeastUsed,
            },
            events: document.event_queue,
        };
        Ok(Self { settings, vteps, limits })
    }

    fn limits(&mut self) -> &mut Limits {
        &mut self.limits
    }

    fn pipeline(&self, seed: [u64; 2]) -> Result<FlowCache<'static>, String> {
        Ok(FlowCache::new(self.vteps(seed)?, self.settings()))
    }

    fn configure(&self, pipeline: &mut FlowCache<'static>, seed: [u64; 2]) -> Result<(), String> {
        let mut vteps = self.vteps(seed)?;
        pipeline.configure(self.settings(), &mut vteps);
        Ok(())
    }

    fn counts(pipeline: &FlowCache<'static>) -> [Vec<(String, u64)>; 2] {
        let counters = pipeline.counters();
        let drops = DropReason::ALL.map(|reason| (reason.to_string(), counters.drops(reason)));
        let notes = Note::ALL.map(|note| (note.to_string(), counters.notes(note)));
        [drops.into(), notes.into()]
    }

    fn name(&self, key: &FlowKey, _ports: &PortNames) -> (Map<String, Value>, Vec<Option<u128>>) {
        let mut object = Map::new();
        object.insert("vlan".to_owned(), key.vlan().into());
        object.insert("remote".to_owned(), key.remote().to_string().into());
        let (family, bits) = match key.remote() {
            IpAddress::Ipv4(address) => (4, address.to_bits().into()),
            IpAddress::Ipv6(address) => (6, address.to_bits()),
        };
        (object, vec![Some(key.vlan().into()), Some(family), Some(bits)])
    }

    fn state(state: &FlowState) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("state".to_owned(), phase(state).into());
        object.insert("inflight".to_owned(), state.inflight().into());
        object
    }

    fn row(&self, event: &Event, ports: &PortNames) -> [String; 3] {
        let (stage, key, action) = match event {
            Event::Tunnel(tunnelled) => (
                "outer headers",
                format!(
                    "{} -> {} VNI {} reserved {}",
                    tunnelled.source, tunnelled.destination, tunnelled.vni, tunnelled.reserved
                ),
                String::new(),
            ),
            Event::Malformed(reason) => ("outer headers", String::new(), format!("drop: {reason}")),
            Event::Server(tunnelled, server) => (
                "stage 1, decapsulation",
                format!("{}, VNI {}", tunnelled.destination, tunnelled.vni),
                match server {
                    Ok((vlan, port)) => format!("hit: VLAN {vlan}, to {}", ports.name(*port)),
                    Err(reason) => format!("miss: drop: {reason}"),
                },
            ),
            Event::Way(way) => (
                "stage 2, way",
                String::new(),
                match way {
                    Way::ToRouter => "to the tunnel router".to_owned(),
                    Way::Direct => "directly: encapsulated as learnt".to_owned(),
                    Way::Forced => "directly: frames in flight wait no longer".to_owned(),
                },
            ),
            Event::Key(key) => {
                ("stage 2, key", format!("VLAN {}, {}", key.vlan(), key.remote()), String::new())
            }
            Event::State { before, after } => (
                "stage 2, state",
                before.as_ref().map_or_else(|| "absent".to_owned(), words),
                words(after),
            ),
            Event::Learnt(tunnelled) => (
                "stage 2, learn",
                String::new(),
                format!(
                    "VNI {}, {} -> {}, source port {}",
                    tunnelled.vni, tunnelled.source, tunnelled.destination, tunnelled.source_port
                ),
            ),
            Event::Note(note) => ("note", String::new(), note.to_string()),
        };
        [stage.to_owned(), key, action]
    }
}

const fn phase(state: &FlowState) -> &'static str {
    match state.phase() {
        Phase::New => "new",
        Phase::Learnt => "learnt",
    }
}

fn words(state: &FlowState) -> String {
    format!("{}, {} in flight", phase(state), state.inflight())
}
