//! DASH VNET-to-VNET: VXLAN in, policy, VXLAN out. Source: DASH HLD (sonic-net/SONiC), the DASH
//! behavioural model for header values.
//!
//! One file for each stage, in this order:
//!
//! | stage | when | file |
//! |---|---|---|
//! | parse, checksums | each frame | `frame` |
//! | VIP, direction, ENI, admin state | each frame | `vip`, `direction`, `eni` |
//! | customer frame, flow key | each frame | `frame`, `key` |
//! | trusted VNI, ACL | miss | `trusted_vni`, `acl_stages` |
//! | routing, mapping | miss, outbound | `outbound_routing`, `mapping` |
//! | routing, PA validation | miss, inbound | `inbound_routing`, `pa_validation` |
//! | header changes of both directions | miss | `encap` |
//! | underlay route | miss, or routes changed | `underlay` |
//!
//! A frame stops at the first stage that drops it. Each frame costs at most three exact look-ups
//! in small tables, whose last answers are kept for one burst; what a miss costs is in the tables.
//! All policy is shared ([`policy`]); counters are one core's own.

mod acl_stages;
mod counters;
mod direction;
mod drop_reason;
mod encap;
mod eni;
mod event;
mod frame;
mod inbound_routing;
mod key;
mod mapping;
mod outbound_routing;
mod pa_validation;
pub mod policy;
#[cfg(test)]
mod tests;
mod trusted_vni;
mod underlay;
mod vip;

use dash_hal::PacketBuffer;
use smoltcp::wire::{EthernetAddress, IpAddress};

pub use counters::{Drops, EniCounters, Traffic};
pub use drop_reason::DropReason;
pub use event::{AclAnswer, Event, TrustedBy, ValidBy, VniOrigin};
pub use key::FlowKey;
pub use underlay::FlowState;

use self::{
    counters::Counters,
    encap::Sender,
    frame::{Frame, Received},
    mapping::EniVni,
    outbound_routing::Target,
    policy::{Direction, DirectionEntry, Eni, EniEntry, EniId, Policy, is_v6},
};
use crate::{
    flow::{Egress, Flow, NewFlow, Timeouts},
    packet::Packet,
    pipeline::{Cause, Decision, End, Install, Lookup, Pipeline, Step, Trace, Verdict},
    rewrite::Rewrite,
};

/// What holds for all ENIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether TCP without a flow is dropped unless it opens a connection.
    pub tcp_strict: bool,
    /// A flow without hits ends after so many milliseconds; 0: never.
    pub idle_timeout: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tcp_strict: false, idle_timeout: 30_000 }
    }
}

/// What is known of a frame once its ENI is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Its ENI.
    pub eni: EniId,
    /// Its direction.
    pub direction: Direction,
}

/// One core's pipeline.
#[derive(Debug)]
pub struct Vnet<'a> {
    policy: Policy<'a>,
    counters: Counters<'a>,
    settings: Settings,
    memory: Memory,
}

/// The last answers of the small tables that each frame asks. Policy changes between bursts, so
/// they are forgotten with each.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    vip: Option<IpAddress>,
    direction: Option<(u32, Option<DirectionEntry>)>,
    eni: Option<(EthernetAddress, EniEntry)>,
}

impl<'a> Vnet<'a> {
    /// A pipeline over shared policy. `enis` has one element for each number of an ENI; it goes on
    /// counting from what it holds.
    #[must_use]
    pub fn new(policy: Policy<'a>, enis: &'a mut [EniCounters], settings: Settings) -> Self {
        Self { policy, counters: Counters::new(enis), settings, memory: Memory::default() }
    }

    /// Drops of all frames, also of those without an ENI.
    #[must_use]
    pub const fn drops(&self) -> &Drops {
        self.counters.drops()
    }

    /// Counters of an ENI.
    #[must_use]
    pub fn eni_counters(&self, id: EniId) -> Option<&EniCounters> {
        self.counters.eni(id)
    }

    /// Counts an ENI from 0 again, for a number that a new ENI takes over.
    pub fn reset_eni_counters(&mut self, id: EniId) {
        self.counters.reset(id);
    }

    /// The stages that every frame passes.
    #[inline]
    fn admit<B: PacketBuffer>(
        &mut self,
        packet: &mut Packet<B>,
        trace: &mut impl Trace<Self>,
    ) -> Result<(Context, FlowKey), (Option<Context>, DropReason)> {
        let policy = &self.policy;
        let early = |reason| (None, reason);
        let bytes = packet.buffer.bytes();
        let metadata = packet.buffer.metadata();
        frame::check(bytes, metadata, &mut packet.layout).map_err(early)?;
        let layout = &packet.layout;
        let customer = layout.inner();
        let stripped_tag = metadata.stripped_vlan.is_some();
        vip::check(policy, &mut self.memory, bytes, layout.outer(), stripped_tag, trace)
            .map_err(early)?;
        let (Some(tunnel), Some(ethernet)) = (layout.tunnel(0), customer.ethernet(bytes)) else {
            return Err((None, DropReason::EniMiss));
        };
        let (direction, mac) =
            direction::find(policy, &mut self.memory, tunnel.vni, ethernet, trace);
        let eni = eni::find(policy, &mut self.memory, mac, trace).map_err(early)?;
        let context = Context { eni: eni.id, direction };
        self.counters.received(context, bytes.len());
        let late = |reason| (Some(context), reason);
        eni::check_admin_state(eni).map_err(late)?;
        let frame = Frame::new(bytes, customer).map_err(late)?;
        let key = FlowKey::new(mac, eni, direction, &frame, packet.entry);
        trace.stage(|| Event::Key(key));
        Ok((context, key))
    }

    /// The stages that only a miss passes, up to the header changes.
    fn decide(
        &self,
        (context, key): (Context, Option<&FlowKey>),
        frame: &Frame,
        received: &Received,
        trace: &mut impl Trace<Self>,
    ) -> Result<Compiled, DropReason> {
        let policy = &self.policy;
        let eni = policy.eni(context.eni).ok_or(DropReason::EniMiss)?;
        // The number may have gone to another ENI since the frame's MAC address named it.
        if key.is_some_and(|key| key.eni() != eni.mac) {
            return Err(DropReason::EniMiss);
        }
        trusted_vni::check(policy, context.eni, received.vni, trace)?;
        acl_stages::check(policy, &eni.acl, context.direction, &frame.headers, trace)?;
        let compiled = match context.direction {
            Direction::Outbound => self.outbound(&eni, frame, received, trace),
            Direction::Inbound => self.inbound(context.eni, &eni, frame, received, trace),
        }?;
        trace.stage(|| Event::Compiled { rewrite: compiled.rewrite, reverse: compiled.reverse });
        Ok(compiled)
    }

    fn outbound(
        &self,
        eni: &Eni,
        frame: &Frame,
        received: &Received,
        trace: &mut impl Trace<Self>,
    ) -> Result<Compiled, DropReason> {
        let policy = &self.policy;
        let (sender, vm_vni) = self.sender(eni, received);
        let destination = frame.headers.destination;
        let rewrite = match outbound_routing::find(policy, eni.route_group, destination, trace)? {
            Target::Direct => encap::direct(),
            Target::Mapped { vnet, address } => {
                let own = EniVni { vnet: eni.vnet, vm_vni };
                let v6 = is_v6(received.vip);
                let place = mapping::find(policy, (vnet, address), own, v6, trace)?;
                sender.to_mapping(&place).ok_or(DropReason::Underlay)?
            }
        };
        Ok(Compiled { rewrite, reverse: sender.to_vm(eni, vm_vni) })
    }

    fn inbound(
        &self,
        id: EniId,
        eni: &Eni,
        frame: &Frame,
        received: &Received,
        trace: &mut impl Trace<Self>,
    ) -> Result<Compiled, DropReason> {
        let policy = &self.policy;
        let Received { source, vni, .. } = *received;
        let protocol = frame.headers.protocol;
        let vnet = inbound_routing::find(policy, (id, eni.vnet), vni, source, protocol, trace)?;
        if let Some(vnet) = vnet {
            pa_validation::check(policy, vnet, source, trace)?;
        }
        let (sender, vm_vni) = self.sender(eni, received);
        let rewrite = sender.to_vm(eni, vm_vni).ok_or(DropReason::Underlay)?;
        Ok(Compiled { rewrite, reverse: sender.back(received) })
    }

    fn sender(&self, eni: &Eni, received: &Received) -> (Sender, u32) {
        let appliance = self.policy.appliance(eni.appliance);
        let vm_vni = eni.vm_vni.or(appliance.map(|appliance| appliance.vm_vni)).unwrap_or(0);
        (Sender::new(appliance.as_ref(), received.vip), vm_vni)
    }

    /// The pair of flows that a frame makes.
    fn pair(
        &self,
        key: FlowKey,
        compiled: &Compiled,
        egress: Egress,
        state: FlowState,
    ) -> Install<FlowKey, FlowState> {
        let timeouts = Timeouts { idle: self.settings.idle_timeout, hard: 0 };
        // Answers have no way back when no VIP is of their IP version; then nothing is kept.
        let Some(reverse) = compiled.reverse else { return Install::None };
        Install::Pair(
            NewFlow { key, rewrite: compiled.rewrite, egress, state, timeouts },
            NewFlow {
                key: key.reverse(),
                rewrite: reverse,
                egress: Egress::Ingress,
                state: FlowState::UNKNOWN,
                timeouts,
            },
        )
    }
}

/// Header changes of a frame's direction and of the other one.
#[derive(Clone, Copy, Debug)]
struct Compiled {
    rewrite: Rewrite,
    reverse: Option<Rewrite>,
}

impl Pipeline for Vnet<'_> {
    type Key = FlowKey;
    type State = FlowState;
    type Context = Context;
    type Reason = DropReason;
    type Event = Event;

    #[inline]
    fn burst(&mut self) {
        self.memory = Memory::default();
    }

    #[inline]
    fn key<B: PacketBuffer, T: Trace<Self>>(
        &mut self,
        packet: &mut Packet<B>,
        _now: u64,
        trace: &mut T,
    ) -> Lookup<Self> {
        match self.admit(packet, trace) {
            Ok((context, key)) => {
                Lookup::Flow { key, context, epoch: self.policy.epoch(context.eni) }
            }
            Err((context, reason)) => Lookup::Drop { context, reason },
        }
    }

    fn slow<B: PacketBuffer, T: Trace<Self>>(
        &mut self,
        packet: &mut Packet<B>,
        context: &Context,
        cause: Cause<'_, FlowKey>,
        _now: u64,
        trace: &mut T,
    ) -> Decision<Self> {
        let bytes = packet.buffer.bytes();
        let layout = &packet.layout;
        let decided = Frame::new(bytes, layout.inner()).and_then(|frame| {
            let received = Received::new(bytes, layout).ok_or(DropReason::EniMiss)?;
            // A conversation that changed policy evaluates again is no new one.
            if self.settings.tcp_strict && matches!(cause, Cause::Miss(_)) && frame.continues_tcp()
            {
                return Err(DropReason::TcpNotSyn);
            }
            let compiled = self.decide((*context, cause.key()), &frame, &received, trace)?;
            let destination = underlay::destination(&compiled.rewrite, frame.headers.destination);
            let (egress, state) = underlay::find(&self.policy, destination, trace)?;
            Ok((compiled, egress, state))
        });
        match decided {
            Ok((compiled, egress, state)) => Decision {
                verdict: Verdict::Forward { rewrite: compiled.rewrite, egress },
                install: cause
                    .key()
                    .map_or(Install::None, |key| self.pair(*key, &compiled, egress, state)),
            },
            Err(reason) => Decision::drop(reason),
        }
    }

    #[inline]
    fn step<B: PacketBuffer, T: Trace<Self>>(
        &mut self,
        packet: &Packet<B>,
        _context: &Context,
        flow: &mut Flow<FlowState>,
        _now: u64,
        trace: &mut T,
    ) -> Step<DropReason> {
        let customer = || customer_destination(packet);
        match underlay::refresh(&self.policy, flow, customer, trace) {
            Ok(()) => Step::Apply,
            Err(reason) => Step::Drop(reason),
        }
    }

    fn epoch(&self, key: &FlowKey) -> Option<u32> {
        self.policy.eni_by_mac(key.eni()).map(|eni| self.policy.epoch(eni.id))
    }

    fn count(&mut self, context: Option<&Context>, end: End<DropReason>) {
        match (end, context) {
            (End::Sent { bytes, .. }, Some(context)) => self.counters.sent(*context, bytes),
            (End::Dropped(reason), context) => self.counters.dropped(context.copied(), reason),
            // Nothing is punted here, and nothing is sent for no ENI.
            (End::Sent { .. } | End::Punted { .. }, _) => {}
        }
    }

    fn count_uncached(&mut self, context: &Context) {
        self.counters.uncached(*context);
    }
}

fn customer_destination<B: PacketBuffer>(packet: &Packet<B>) -> Option<IpAddress> {
    let addresses = packet.layout.inner().addresses(packet.buffer.bytes());
    addresses.map(|(_, destination)| destination)
}
