//! A naive model: the state table of the specification over a map.

use std::collections::HashMap;

use dash_core::pipeline::flow_cache::Settings;
use dash_hal::PortId;
use smoltcp::wire::IpAddress;

use crate::{
    bench::{DC, MS, OTR},
    frames::{direct, from_router, from_server},
};

/// VLAN and tenant.
pub(crate) type Name = (u8, IpAddress);
pub(crate) type Sent = (PortId, Vec<u8>);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// VNI, and when it was learnt first.
    learnt: Option<(u32, u64)>,
    pub(crate) inflight: u32,
    sent: u64,
    pub(crate) used: u64,
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
}

/// The flows of one switch.
pub(crate) struct Model {
    settings: Settings,
    pub(crate) flows: HashMap<Name, Entry>,
    /// How often the direct way was forced.
    pub(crate) forced: u64,
}

impl Model {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, flows: HashMap::new(), forced: 0 }
    }

    fn entry(&mut self, name: Name, bytes: usize, now: u64) -> &mut Entry {
        let idle = u64::from(self.settings.idle_timeout) * MS;
        if self.flows.get(&name).is_some_and(|entry| now - entry.used > idle) {
            self.flows.remove(&name);
        }
        let new = Entry { learnt: None, inflight: 0, sent: 0, used: 0, frames: 0, bytes: 0 };
        let entry = self.flows.entry(name).or_insert(new);
        entry.used = now;
        entry.frames += 1;
        entry.bytes += bytes as u64;
        entry
    }

    pub(crate) fn server(&mut self, name: Name, payload: &[u8], now: u64) -> Sent {
        let (order, frame) = (self.settings.order, from_server(name.0.into(), name.1, payload));
        let entry = self.entry(name, frame.len(), now);
        let mut forces = 0;
        if let Some((vni, learnt)) = entry.learnt {
            let waits = order.is_some_and(|order| {
                let guarded = entry.inflight > 0 && now - entry.sent <= u64::from(order.guard) * MS;
                let late = now - learnt > u64::from(order.force_after) * MS;
                let force = order.force_after > 0 && late;
                forces = u64::from(guarded && force);
                guarded && !force
            });
            if !waits {
                entry.inflight = 0;
                self.forced += forces;
                return (DC, direct(vni, name.1, payload));
            }
        }
        entry.inflight += 1;
        entry.sent = now;
        (OTR, frame)
    }

    pub(crate) fn router(&mut self, name: Name, vni: u32, payload: &[u8], now: u64) -> Sent {
        let (relearn, frame) = (self.settings.relearn, from_router(name.0, vni, name.1, payload));
        let entry = self.entry(name, frame.len(), now);
        entry.inflight = entry.inflight.saturating_sub(1);
        match &mut entry.learnt {
            None => entry.learnt = Some((vni, now)),
            Some((known, _)) if relearn => *known = vni,
            Some(_) => {}
        }
        (DC, frame)
    }
}
