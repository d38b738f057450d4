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
//! in small tables, whose last answers are kept until policy changes; what a miss costs is in the
//! tables.
//! All policy is shared ([`policy`]); counters are one core's own.
#![allow(
    clippy::inline_always,
    reason = "on the packet path what is known of a frame stays in registers"
)]

mod acl_stages;
mod attributes;
mod bulk_read;
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
mod memory;
mod outbound_routing;
mod owner;
mod pa_validation;
pub mod policy;
#[cfg(test)]
mod tests;
mod trusted_vni;
mod underlay;
mod vip;

use dash_hal::{Hints, Hits, PacketBuffer, ReceiveFlags};
use smoltcp::wire::IpAddress;

pub use attributes::{AttributeError, KeyFields, TableAttributes};
pub use bulk_read::{Attribute, BulkRead, Comparison, FILTERS, Filter, TooManyFilters};
pub use counters::{Directed, Drops, EniCounters, Traffic};
pub use drop_reason::DropReason;
pub use event::{AclAnswer, Event, TrustedBy, ValidBy, VniOrigin};
pub use key::FlowKey;
pub use owner::FlowOwner;
pub use underlay::FlowState;

use self::{
    counters::Counters,
    encap::Sender,
    frame::{Fields, Frame, Received, Walked},
    mapping::EniVni,
    memory::{Gate, Memory},
    outbound_routing::Target,
    policy::{Direction, EniId, EniRecord, Policy, RuleCounterId, is_v6},
};
use crate::{
    flow::{Egress, Flow, FlowMut, FlowTable, Install, NewFlow, Timeouts, fragment::Piece},
    packet::{Entering, Packet},
    pipeline::{Cause, Decision, End, Lookup, Name, Pipeline, Step, Trace, Uncached, Verdict},
    rewrite::Rewrite,
    table::cuckoo::Slot,
    wire::{UsualFrame, parse},
};

// Three cache lines; what is in them is said at the head of `flow::Flow`'s file.
const _: () = assert!(size_of::<Slot<FlowKey, Flow<FlowState>>>() == 192);

// All in all, 200.4 bytes a flow where each entry is in use, which is 96 % of the places in the
// buckets; 211 where 95 % of the entries are, 91 % of the places.
const _: () = assert!(FlowTable::<FlowKey, FlowState>::bytes_for(1 << 20) <= 201 << 20);

/// What holds for all ENIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether TCP without a flow is dropped unless it opens a connection.
    pub tcp_strict: bool,
    /// A flow without hits ends after so many milliseconds; 0: never.
    pub idle_timeout: u32,
    /// Later fragments of a datagram pass for so many milliseconds after the first; 0: fragments
    /// are dropped.
    pub fragment_timeout: u32,
    /// Most flows of one ENI, two for each conversation; 0: as many as the table takes. Flows that
    /// have timed out count until they are removed.
    pub flows_per_eni: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tcp_strict: false, idle_timeout: 30_000, fragment_timeout: 500, flows_per_eni: 0 }
    }
}

/// What is known of a frame once its ENI is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Its ENI.
    pub eni: EniId,
    /// Its direction.
    pub direction: Direction,
    /// Whether its customer datagram is a fragment.
    pub fragment: bool,
}

/// One core's pipeline.
#[derive(Debug)]
pub struct Vnet<'a> {
    policy: Policy<'a>,
    counters: Counters<'a>,
    settings: Settings,
    memory: Memory,
}

impl<'a> Vnet<'a> {
    /// A pipeline over shared policy. `enis` has one element for each number of an ENI; it goes on
    /// counting from what it holds.
    #[must_use]
    pub fn new(policy: Policy<'a>, enis: &'a mut [EniCounters], settings: Settings) -> Self {
        Self { policy, counters: Counters::new(enis), settings, memory: Memory::EMPTY }
    }

    /// What holds for all ENIs.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes what holds for all ENIs, between bursts. Flows keep the time-outs that they have.
    pub const fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Counts, from here on, the frames that each rule of the ACL was the first of its group to
    /// match; not those that hit a flow. A rule whose value is [`AclAction::counted`] counts in the
    /// place of `rules` that it names.
    ///
    /// [`AclAction::counted`]: policy::AclAction::counted
    #[must_use]
    pub fn count_rules(mut self, rules: &'a mut [Traffic]) -> Self {
        self.counters.set_rules(rules);
        self
    }

    /// Counters of rules, by their numbers.
    #[must_use]
    pub const fn rule_counters(&self) -> &[Traffic] {
        self.counters.rules()
    }

    /// Counts a rule from 0 again, for a number that a new rule takes over.
    pub fn reset_rule_counter(&mut self, rule: RuleCounterId) {
        self.counters.reset_rule(rule);
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

    /// A frame whose headers were found; `key` becomes its flow's.
    #[inline(always)]
    fn admit(
        &mut self,
        fields: &impl Fields,
        frame: &Entering<'_>,
        name: &mut Name<Self>,
        trace: &mut impl Trace<Self>,
    ) {
        let early = |reason| Some(Lookup::Drop { context: None, reason });
        let gate = match fields.gate(&self.memory) {
            Some(gate) => {
                trace.stage(|| Event::Vip { destination: fields.destination(), hit: true });
                let (vni, entry) = (fields.vni().unwrap_or(0), gate.entry);
                trace.stage(|| Event::Direction { vni, entry });
                *gate
            }
            None => match self.gate(fields, trace) {
                Ok(gate) => gate,
                Err(reason) => {
                    name.lookup = early(reason);
                    return;
                }
            },
        };
        let (direction, by_source) = (gate.direction, gate.by_source);
        let Some(mac) = fields.mac(by_source) else {
            name.lookup = early(DropReason::EniMiss);
            return;
        };
        let admitted = match eni::find(&self.policy, &mut self.memory, mac, trace) {
            Ok(admitted) => admitted,
            Err(reason) => {
                name.lookup = early(reason);
                return;
            }
        };
        let mut context = Context { eni: admitted.eni.id, direction, fragment: false };
        let named = eni::check_admin_state(admitted.eni)
            .and_then(|()| fields.name(admitted.owner, direction, frame.entry, &mut name.key));
        match named {
            Ok(true) if self.settings.fragment_timeout == 0 => {
                let reason = DropReason::Fragment;
                name.lookup = Some(Lookup::Drop { context: Some(context), reason });
            }
            Ok(fragment) => {
                context.fragment = fragment;
                name.lookup = Some(Lookup::Flow { context, epoch: admitted.epoch });
                trace.stage(|| Event::Key(name.key));
            }
            Err(reason) => name.lookup = Some(Lookup::Drop { context: Some(context), reason }),
        }
    }

    /// The stages up to the direction, for a frame of which nothing is remembered.
    #[cold]
    fn gate(
        &mut self,
        fields: &impl Fields,
        trace: &mut impl Trace<Self>,
    ) -> Result<Gate, DropReason> {
        if fields.has_bad_checksum() {
            return Err(DropReason::ChecksumBad);
        }
        let destination = fields.destination();
        let vip = vip::check(&self.policy, destination);
        trace.stage(|| Event::Vip { destination, hit: vip.is_ok() });
        let (vip, vni) = (vip?, fields.vni().ok_or(DropReason::EniMiss)?);
        let entry = self.policy.direction(vni);
        trace.stage(|| Event::Direction { vni, entry });
        Ok(self.memory.keep_gate(vip, vni, entry))
    }

    /// A frame that is not a usual one.
    #[cold]
    fn walk(&mut self, frame: Entering<'_>, name: &mut Name<Self>, trace: &mut impl Trace<Self>) {
        let walked = if frame.metadata.flags.contains(ReceiveFlags::TRUNCATED) {
            Err(DropReason::TruncatedCapture)
        } else {
            frame::walk(frame.bytes)
        };
        match walked {
            Ok(layout) => {
                name.edges = layout.edges(frame.bytes);
                let fields =
                    Walked { bytes: frame.bytes, layout: &layout, flags: frame.metadata.flags };
                self.admit(&fields, &frame, name, trace);
            }
            Err(reason) => name.lookup = Some(Lookup::Drop { context: None, reason }),
        }
    }

    /// The stages that only a miss passes, up to the header changes.
    fn decide<'c>(
        &mut self,
        (context, key): (Context, Option<&FlowKey>),
        (frame, length): (&Frame, usize),
        received: &Received,
        place: &'c mut Option<Compiled>,
        trace: &mut impl Trace<Self>,
    ) -> Result<&'c Compiled, DropReason> {
        let Self { policy, counters, .. } = &mut *self;
        let policy = &*policy;
        let eni = policy.eni_record(context.eni).ok_or(DropReason::EniMiss)?;
        // The number may have gone to another ENI since the frame's MAC address named it.
        if key.is_some_and(|key| key.eni() != eni.mac()) {
            return Err(DropReason::EniMiss);
        }
        trusted_vni::check(policy, context.eni, received.vni, trace)?;
        let count = |rule| counters.matched(rule, length);
        let groups = eni.acl_stages(context.direction, frame.headers.source.version());
        acl_stages::check(policy, &groups, context.direction, &frame.headers, count, trace)?;
        let compiled = place.insert(Compiled::NONE);
        match context.direction {
            Direction::Outbound => self.outbound(&eni, frame, received, compiled, trace),
            Direction::Inbound => {
                self.inbound((context.eni, &eni), frame, received, compiled, trace)
            }
        }?;
        trace.stage(|| {
            let Compiled { rewrite, reverse, answers } = *compiled;
            Event::Compiled { rewrite, reverse: answers.then_some(reverse) }
        });
        Ok(compiled)
    }

    fn outbound(
        &self,
        eni: &EniRecord,
        frame: &Frame,
        received: &Received,
        compiled: &mut Compiled,
        trace: &mut impl Trace<Self>,
    ) -> Result<(), DropReason> {
        let policy = &self.policy;
        let (sender, vm_vni) = self.sender(eni, received);
        let destination = frame.headers.destination;
        match outbound_routing::find(policy, eni.route_group(), destination, trace)? {
            Target::Direct => compiled.rewrite = encap::direct(),
            Target::Mapped { vnet, address } => {
                let own = EniVni { vnet: eni.vnet(), vm_vni };
                let v6 = is_v6(received.vip);
                let place = mapping::find(policy, (vnet, address), own, v6, trace)?;
                let done = sender.for_mapping(&place, &mut compiled.rewrite);
                done.ok_or(DropReason::Underlay)?;
            }
        }
        compiled.answers = sender.for_vm(eni, vm_vni, &mut compiled.reverse).is_some();
        Ok(())
    }

    fn inbound(
        &self,
        (id, eni): (EniId, &EniRecord),
        frame: &Frame,
        received: &Received,
        compiled: &mut Compiled,
        trace: &mut impl Trace<Self>,
    ) -> Result<(), DropReason> {
        let policy = &self.policy;
        let Received { source, vni, .. } = *received;
        let protocol = frame.headers.protocol;
        let vnet = inbound_routing::find(policy, (id, eni.vnet()), vni, source, protocol, trace)?;
        if let Some(vnet) = vnet {
            pa_validation::check(policy, vnet, source, trace)?;
        }
        let (sender, vm_vni) = self.sender(eni, received);
        sender.for_vm(eni, vm_vni, &mut compiled.rewrite).ok_or(DropReason::Underlay)?;
        compiled.answers = sender.back(received, &mut compiled.reverse).is_some();
        Ok(())
    }

    fn sender(&self, eni: &EniRecord, received: &Received) -> (Sender, u32) {
        let appliance = self.policy.appliance(eni.appliance());
        let vm_vni = eni.vm_vni().or(appliance.map(|appliance| appliance.vm_vni)).unwrap_or(0);
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
        if !compiled.answers {
            return Install::None;
        }
        Install::Pair(
            NewFlow { key, rewrite: compiled.rewrite, egress, state, timeouts },
            NewFlow {
                key: key.reverse(),
                rewrite: compiled.reverse,
                egress: Egress::INGRESS,
                state: state.of_other_half(),
                timeouts,
            },
        )
    }
}

/// Header changes of a frame's direction and of the other one.
#[derive(Clone, Copy, Debug)]
struct Compiled {
    rewrite: Rewrite,
    reverse: Rewrite,
    /// Whether answers have a way back.
    answers: bool,
}

impl Compiled {
    const NONE: Self = Self { rewrite: Rewrite::NONE, reverse: Rewrite::NONE, answers: false };
}

impl Pipeline for Vnet<'_> {
    type Key = FlowKey;
    type State = FlowState;
    type Context = Context;
    type Reason = DropReason;
    type Event = Event;
    const TCP: bool = true;

    #[inline]
    fn burst(&mut self) {
        self.memory.refresh(&self.policy);
    }

    #[inline(always)]
    fn key<T: Trace<Self>>(
        &mut self,
        frame: Entering<'_>,
        name: &mut Name<Self>,
        _now: u64,
        trace: &mut T,
    ) {
        match UsualFrame::of(frame.bytes) {
            Some(usual) if !frame.metadata.flags.intersects(frame::UNUSUAL) => {
                name.edges = usual.edges(frame.bytes);
                self.admit(&usual, &frame, name, trace);
            }
            _ => self.walk(frame, name, trace),
        }
    }

    fn slow<B: PacketBuffer, H: Hints, T: Trace<Self>>(
        &mut self,
        packet: &mut Packet<'_, B>,
        context: &Context,
        cause: Cause<'_, FlowKey>,
        _now: u64,
        _hints: &H,
        trace: &mut T,
    ) -> Decision<Self> {
        let bytes = packet.buffer.bytes();
        let parsed = parse(bytes, &frame::PROFILE).map_err(DropReason::from);
        // Written there, and not moved: they are long.
        let place = &mut None;
        let decided = parsed.and_then(|layout| {
            let frame = Frame::new(bytes, layout.inner())?;
            // Nothing tells its ports.
            if frame.fragment.is_some_and(|fragment| fragment.offset != 0) {
                return Err(DropReason::Fragment);
            }
            let received = Received::new(bytes, &layout).ok_or(DropReason::EniMiss)?;
            // A conversation that changed policy evaluates again is no new one.
            if self.settings.tcp_strict && matches!(cause, Cause::Miss(_)) && frame.continues_tcp()
            {
                return Err(DropReason::TcpNotSyn);
            }
            let (whose, frame) = ((*context, cause.key()), (&frame, bytes.len()));
            let compiled = self.decide(whose, frame, &received, place, trace)?;
            let destination =
                underlay::destination(&compiled.rewrite).unwrap_or(frame.0.headers.destination);
            let (egress, state) = underlay::find(&self.policy, context.eni, destination, trace)?;
            Ok((compiled, egress, state))
        });
        match decided {
            Ok((compiled, egress, state)) => Decision {
                verdict: Verdict::Forward { rewrite: compiled.rewrite, egress },
                install: cause
                    .key()
                    .map_or(Install::None, |key| self.pair(*key, compiled, egress, state)),
                copies: false,
            },
            Err(reason) => Decision::drop(reason),
        }
    }

    #[inline(always)]
    fn step<B: PacketBuffer, T: Trace<Self>>(
        &mut self,
        packet: &mut Packet<'_, B>,
        _context: &Context,
        flow: &mut FlowMut<'_, FlowState>,
        _now: u64,
        trace: &mut T,
    ) -> Step<DropReason> {
        let customer = || customer_destination(packet);
        let generation = self.memory.underlay_generation();
        match underlay::refresh(&self.policy, generation, flow, customer, trace) {
            Ok(()) => Step::Apply,
            Err(reason) => Step::Drop(reason),
        }
    }

    #[inline]
    fn other_half(&self, key: &FlowKey) -> Option<FlowKey> {
        Some(key.reverse())
    }

    fn epoch(&self, key: &FlowKey) -> Option<u32> {
        self.policy.eni_by_mac(key.eni()).map(|eni| self.policy.epoch(eni.id))
    }

    fn version(&self) -> Option<u32> {
        Some(self.policy.version())
    }

    #[inline]
    fn count(&mut self, context: Option<&Context>, received: usize, end: End<DropReason>) {
        match end {
            End::Sent { bytes, .. } => self.counters.sent(context, received, bytes),
            End::Dropped(reason) => self.counters.dropped(context, received, reason),
            // Nothing is punted here.
            End::Punted { .. } => {}
        }
    }

    fn count_uncached(&mut self, context: &Context, why: Uncached) {
        self.counters.uncached(context.eni, why);
    }

    fn admits(&self, context: &Context, flows: u32) -> bool {
        let most = u64::from(self.settings.flows_per_eni);
        let has = self.counters.eni(context.eni).map_or(0, |eni| eni.flows);
        most == 0 || has + u64::from(flows) <= most
    }

    fn flow_entered(&mut self, state: &FlowState) {
        self.counters.flow_entered(state.eni());
    }

    fn flow_left(&mut self, state: &FlowState) {
        self.counters.flow_left(state.eni());
    }

    #[inline]
    fn is_fragment(context: &Context) -> bool {
        context.fragment
    }

    fn piece(&self, bytes: &[u8], key: &FlowKey) -> Option<Piece<FlowKey>> {
        let layout = parse(bytes, &frame::PROFILE).ok()?;
        let fragment = layout.inner().fragment(bytes)?;
        let timeout = self.settings.fragment_timeout;
        Some(match (fragment.offset, fragment.more) {
            (0, _) => Piece::First { later: key.of_fragment(fragment), timeout },
            (_, true) => Piece::Middle,
            (_, false) => Piece::Last,
        })
    }

    fn offloads(&self, key: &FlowKey, flow: &Flow<FlowState>) -> bool {
        key.is_of_a_port() && flow.state.is_current(&self.policy)
    }

    /// For the ENI that the flow was made for, whosever its MAC address is by now.
    fn count_offloaded(&mut self, key: &FlowKey, state: &FlowState, hits: &Hits) {
        let context = Context { eni: state.eni(), direction: key.direction(), fragment: false };
        self.counters.offloaded(context, hits);
    }
}

fn customer_destination<B: PacketBuffer>(packet: &Packet<'_, B>) -> Option<IpAddress> {
    let bytes = packet.buffer.bytes();
    let addresses = parse(bytes, &frame::PROFILE).ok()?.inner().addresses(bytes);
    addresses.map(|(_, destination)| destination)
}
