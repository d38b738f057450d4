//! A flow cache beside an off-path tunnel router: servers in VLANs talk to tenants in VXLAN, and
//! the switch learns from the router's frames how to encapsulate the next ones itself.
//!
//! Source: use case 4 "flow cache" of `FlowBlaze.p4`. VXLAN: RFC 7348.
//!
//! | stage | frames | what | file |
//! |---|---|---|---|
//! | 1 | from the data centre | the tunnel end point names a server: decapsulated, into its VLAN | `vtep` |
//! | 2 | of servers and of the router | a flow for each VLAN and remote address | `key`, `state` |
//!
//! The router tells the VLAN in the reserved byte of the VXLAN header, so only VLANs up to 255 have
//! flows. A frame that finds no place in the table goes through the router, which knows everything.
//! The rewrite of a flow is the way to the tenant, once it is learnt.
//!
//! No flows have: frames from the data centre, multicast, ARP and neighbour discovery, what is not
//! IP or has a bad IP header, VLANs above 255. One core runs the service, or the port brings frames of
//! one VLAN and remote address to one core.
//!
//! Choices: the outer headers are read in wire order (`underlay`). Frames that pass unchanged do
//! not meet the MTU. A second tag makes a server's frame one that is not IP. A NIC must leave tags
//! in the frames of servers. With `relearn` the time from which `force_after` counts stays that of
//! the first frame. Guard time 0 is no longer than an instant. A flow that is idle for less than
//! the guard time may end with frames in flight, whose order is then lost. Multicast is what the IP
//! destination says: the published frames have the group bit in MAC addresses of single hosts. The
//! reserved byte is cleared by the pipeline, and by no `Rewrite`: that of the flow is the other
//! direction's, and a frame of the router passes.
//!
//! Cost: a frame from the data centre asks an exact table once or twice; the others are one flow
//! look-up, and a learn compiles 50 bytes of headers.

mod counters;
mod drop_reason;
mod event;
mod frame;
mod key;
mod state;
mod vtep;

use dash_hal::{Hints, PacketBuffer, PortId, ReceiveFlags};
use smoltcp::wire::{EthernetAddress, IpAddress};

pub use self::{
    counters::{Counters, Directions},
    drop_reason::{DropReason, Note},
    event::Event,
    frame::Tunnelled,
    key::FlowKey,
    state::{FlowState, Phase, Way},
    vtep::{FREE, Place as VtepPlace, Refused, Vtep, Vteps},
};

use self::frame::OfServer;
use super::{Cause, Decision, End, Lookup, Name, Pipeline, Step, Trace, Uncached, Verdict};
use crate::{
    flow::{Egress, FlowMut, Install, NewFlow, Timeouts},
    packet::{Entering, Packet},
    rewrite::{Encapsulation, Endpoints, Flags, Rewrite, Tunnel},
    wire::{Edges, MAX_FRAME},
};

/// Largest VLAN that the reserved byte can tell.
const WIDEST: u16 = 255;

/// The parts of outer headers that are not learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// Source MAC.
    pub source_mac: EthernetAddress,
    /// Destination MAC: the next hop in the data centre.
    pub destination_mac: EthernetAddress,
    /// IPv4 identification of every frame.
    pub identification: u16,
    /// TTL.
    pub ttl: u8,
    /// DSCP and ECN.
    pub tos: u8,
}

/// How frames of one flow are kept in order when the direct way opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The router answers a frame within so many milliseconds, or never.
    pub guard: u32,
    /// Milliseconds after which the direct way opens in any case; 0: never.
    pub force_after: u32,
}

impl Default for Order {
    fn default() -> Self {
        Self { guard: 100, force_after: 1_000 }
    }
}

/// What holds for all frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The port of the data centre.
    pub dc: PortId,
    /// The port of the off-path tunnel router. All other ports are of servers.
    pub otr: PortId,
    /// Outer headers.
    pub outer: Outer,
    /// When a flow without frames ends, ms; 0: never.
    pub idle_timeout: u32,
    /// `None`: the direct way opens as soon as it is learnt.
    pub order: Option<Order>,
    /// Whether a later frame of the router may change the way.
    pub relearn: bool,
    /// Whether the reserved byte is cleared before a frame of the router leaves.
    pub scrub_reserved: bool,
}

/// Where a frame comes from, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub enum Context {
    /// From the data centre.
    Dc(Tunnelled),
    /// From the tunnel router; why it has no flow.
    Otr(Tunnelled, Option<Note>),
    /// From a server; why it has no flow.
    Server(Option<Note>),
}

/// The service on one core.
#[derive(Debug)]
pub struct FlowCache<'a> {
    vteps: Vteps<'a>,
    settings: Settings,
    epoch: u32,
    counters: Counters,
}

/// No frame can be sent to number 65,535, which is nobody's.
fn egress(port: PortId) -> Egress {
    Egress::to(port).unwrap_or(Egress::INGRESS)
}

impl<'a> FlowCache<'a> {
    /// A service without traffic.
    #[must_use]
    pub const fn new(vteps: Vteps<'a>, settings: Settings) -> Self {
        Self { vteps, settings, epoch: 0, counters: Counters::ZERO }
    }

    /// Replaces the configuration; `vteps` gets the end points from before. What was learnt is
    /// forgotten: flows from before are not found, and the sweep removes them.
    pub const fn configure(&mut self, settings: Settings, vteps: &mut Vteps<'a>) {
        core::mem::swap(&mut self.vteps, vteps);
        self.settings = settings;
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Counters of this core.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How a frame from the data centre or the router is found.
    fn name_tunnelled(
        &self,
        bytes: &[u8],
        name: &mut Name<Self>,
        from_dc: bool,
        tunnelled: Tunnelled,
    ) -> Lookup<Self> {
        if from_dc {
            let Some(edges) = tunnelled.edges(bytes.len()) else {
                return Lookup::Drop { context: None, reason: DropReason::Truncated };
            };
            name.edges = edges;
            return Lookup::NoFlow { context: Context::Dc(tunnelled) };
        }
        name.edges = Edges::of_ethernet(bytes.len() as u16);
        let (note, remote) = match (tunnelled.reserved, tunnelled.inner_destination(bytes)) {
            (0, _) => (Some(Note::BadRouter), None),
            (_, None) => (Some(Note::Uncached), None),
            (_, remote) => (None, remote),
        };
        self.name_flow(name, Context::Otr(tunnelled, note), tunnelled.reserved.into(), remote)
    }

    /// How a server's frame is found.
    fn name_of_server(&self, bytes: &[u8], name: &mut Name<Self>) -> Lookup<Self> {
        name.edges = Edges::of_tagged(bytes.len() as u16);
        let OfServer { vlan, destination } = match OfServer::new(bytes) {
            Ok(frame) => frame,
            Err(reason) => return Lookup::Drop { context: None, reason },
        };
        let (note, remote) = match destination {
            None => (Some(Note::Uncached), None),
            Some(_) if vlan > WIDEST => (Some(Note::VidWide), None),
            remote => (None, remote),
        };
        self.name_flow(name, Context::Server(note), vlan, remote)
    }

    fn name_flow(
        &self,
        name: &mut Name<Self>,
        context: Context,
        vlan: u16,
        remote: Option<IpAddress>,
    ) -> Lookup<Self> {
        let Some(remote) = remote else { return Lookup::NoFlow { context } };
        name.key = FlowKey::new(self.epoch, vlan, remote);
        // The key has the epoch.
        Lookup::Flow { context, epoch: 0 }
    }

    /// Stage 1.
    fn to_server<H: Hints, T: Trace<Self>>(
        &self,
        tunnelled: &Tunnelled,
        (hints, trace): (&H, &mut T),
    ) -> Result<Verdict<DropReason>, DropReason> {
        let server = self.vteps.server(tunnelled.destination, tunnelled.vni, hints);
        trace.stage(|| {
            let server = server.map(|(vlan, egress)| (vlan, egress.port(self.settings.dc)));
            Event::Server(*tunnelled, server)
        });
        let (vlan, egress) = server?;
        let flags = Flags::POP_OUTER | Flags::PUSH_VLAN;
        Ok(Verdict::Forward { rewrite: Rewrite { vlan, flags, ..Rewrite::NONE }, egress })
    }

    /// The way to the tenant that a frame of the router shows.
    fn way(&self, shown: &Tunnelled) -> Rewrite {
        let Outer { source_mac, destination_mac, identification, ttl, tos } = self.settings.outer;
        let tunnel = Tunnel {
            endpoints: Endpoints::V4 { source: shown.source, destination: shown.destination },
            source_mac,
            destination_mac,
            vni: shown.vni,
            source_port: shown.source_port,
            identification,
            ttl,
            tos,
            ..Tunnel::NONE
        };
        let tunnel = Encapsulation::new(&tunnel);
        Rewrite { flags: Flags::POP_VLAN | Flags::PUSH_OUTER, tunnel, ..Rewrite::NONE }
    }

    /// Clears the reserved byte of a frame of the router, where asked.
    fn scrub(&self, bytes: &mut [u8], tunnelled: &Tunnelled) {
        if self.settings.scrub_reserved {
            // The headers are there, for they were read.
            let _ = tunnelled.scrub(bytes);
        }
    }
}

impl Pipeline for FlowCache<'_> {
    type Key = FlowKey;
    type State = FlowState;
    type Context = Context;
    type Reason = DropReason;
    type Event = Event;

    fn key<T: Trace<Self>>(
        &mut self,
        frame: Entering<'_>,
        name: &mut Name<Self>,
        _now: u64,
        trace: &mut T,
    ) {
        let Entering { bytes, metadata, ingress, .. } = frame;
        let drop = |reason| Lookup::Drop { context: None, reason };
        let from_dc = ingress == self.settings.dc;
        let lookup = if bytes.len() > MAX_FRAME || metadata.flags.contains(ReceiveFlags::TRUNCATED)
        {
            drop(DropReason::Truncated)
        } else if !from_dc && ingress != self.settings.otr {
            self.name_of_server(bytes, name)
        } else if metadata.flags.intersects(ReceiveFlags::L3_BAD | ReceiveFlags::L4_BAD) {
            drop(DropReason::ChecksumBad)
        } else {
            match Tunnelled::new(bytes) {
                Ok(tunnelled) => {
                    trace.stage(|| Event::Tunnel(tunnelled));
                    self.name_tunnelled(bytes, name, from_dc, tunnelled)
                }
                Err(reason) => {
                    trace.stage(|| Event::Malformed(reason));
                    drop(reason)
                }
            }
        };
        if let Lookup::Flow { .. } = lookup {
            trace.stage(|| Event::Key(name.key));
        }
        name.lookup = Some(lookup);
    }

    fn slow<B: PacketBuffer, H: Hints, T: Trace<Self>>(
        &mut self,
        packet: &mut Packet<'_, B>,
        context: &Context,
        cause: Cause<'_, FlowKey>,
        now: u64,
        hints: &H,
        trace: &mut T,
    ) -> Decision<Self> {
        let Settings { dc, otr, idle_timeout, .. } = self.settings;
        let (to, note, state, rewrite) = match context {
            Context::Dc(tunnelled) => {
                return match self.to_server(tunnelled, (hints, trace)) {
                    Ok(verdict) => Decision { verdict, install: Install::None, copies: false },
                    Err(reason) => Decision::drop(reason),
                };
            }
            Context::Otr(tunnelled, note) => {
                self.scrub(packet.buffer.bytes_mut(), tunnelled);
                (dc, note, FlowState::of_router_frame(now), self.way(tunnelled))
            }
            Context::Server(note) => (otr, note, FlowState::of_server_frame(now), Rewrite::NONE),
        };
        let egress = egress(to);
        let install = if let Some(key) = cause.key() {
            self.counters.misses += 1;
            trace.stage(|| Event::State { before: None, after: state });
            if let Context::Otr(tunnelled, _) = context {
                trace.stage(|| Event::Learnt(*tunnelled));
            }
            let timeouts = Timeouts { idle: idle_timeout, hard: 0 };
            Install::One(NewFlow { key: *key, rewrite, egress, state, timeouts })
        } else {
            if let Some(note) = note {
                self.counters.note(*note);
                trace.stage(|| Event::Note(*note));
            }
            Install::None
        };
        Decision { verdict: Verdict::Reply { egress }, install, copies: false }
    }

    fn step<B: PacketBuffer, T: Trace<Self>>(
        &mut self,
        packet: &mut Packet<'_, B>,
        context: &Context,
        flow: &mut FlowMut<'_, FlowState>,
        now: u64,
        trace: &mut T,
    ) -> Step<DropReason> {
        self.counters.hits += 1;
        let before = flow.state;
        let step = match context {
            Context::Otr(tunnelled, _) => {
                let first = flow.state.router_frame(now);
                if first || self.settings.relearn {
                    let way = self.way(tunnelled);
                    let knows = flow.rewrite() == way;
                    if !knows && flow.set_rewrite(&way) {
                        flow.egress = egress(self.settings.dc);
                        self.counters.learns += 1;
                        trace.stage(|| Event::Learnt(*tunnelled));
                    } else if !knows {
                        flow.state.forget();
                        self.counters.note(Note::CacheFull);
                    }
                }
                self.scrub(packet.buffer.bytes_mut(), tunnelled);
                Step::Pass(self.settings.dc)
            }
            // Frames from the data centre have no flow: these are of servers.
            Context::Server(_) | Context::Dc(_) => {
                let way = flow.state.server_frame(self.settings.order.as_ref(), now);
                trace.stage(|| Event::Way(way));
                match way {
                    Way::ToRouter => Step::Pass(self.settings.otr),
                    Way::Direct => Step::Apply,
                    Way::Forced => {
                        self.counters.note(Note::OrderForced);
                        trace.stage(|| Event::Note(Note::OrderForced));
                        Step::Apply
                    }
                }
            }
        };
        trace.stage(|| Event::State { before: Some(before), after: flow.state });
        step
    }

    fn epoch(&self, key: &FlowKey) -> Option<u32> {
        (key.epoch() == self.epoch).then_some(0)
    }

    fn count(&mut self, context: Option<&Context>, received: usize, end: End<DropReason>) {
        let directions = &mut self.counters.directions;
        match (end, context) {
            (End::Dropped(reason), _) => self.counters.drop(reason),
            (End::Sent { .. }, Some(Context::Dc(_))) => directions.to_server.add(received),
            (End::Sent { .. }, Some(Context::Otr(..))) => directions.from_router.add(received),
            (End::Sent { port, .. }, Some(Context::Server(_))) => {
                if port == self.settings.otr {
                    directions.to_router.add(received);
                } else {
                    directions.direct.add(received);
                }
            }
            _ => {}
        }
    }

    fn count_uncached(&mut self, _context: &Context, _why: Uncached) {
        self.counters.note(Note::CacheFull);
    }

    fn flow_entered(&mut self, state: &FlowState) {
        if state.phase() == Phase::Learnt {
            self.counters.learns += 1;
        }
    }
}
