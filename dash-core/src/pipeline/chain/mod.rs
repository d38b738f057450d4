//! Service function chains of OVN: frames of an application pass through network functions that
//! know nothing of it ("bumps in the wire"), on one host or on several joined by Geneve.
//!
//! Source: the OVS/OVN proposal of 2017 ("day in the life of a packet for service chains"), stages by
//! its numbers; groups, health, fallback and taps after OVN's `Network_Function`.
//!
//! | stage | when | file |
//! |---|---|---|
//! | tag, Geneve header, flow key | each frame | `frame`, `key` |
//! | ingress 0 to 2, port security | miss | `port_security` |
//! | ingress 10, chain | miss | `in_chain` |
//! | ingress 16, L2 look-up, learning | miss | here, `learned` |
//! | table 32 (tunnel), egress 0 (chain), delivery | miss | `output` |
//!
//! A frame that comes back from the last function in the reverse direction goes to the application's
//! own port, and from there enters again at ingress stage 11 (one recirculation). Each pass is
//! one flow that lives alone. These have none, and are decided on each: multicast, ARP and
//! neighbour discovery, frames from ports marked `unknown` and to addresses learnt there, frames
//! that are copied.
//!
//! Where the texts are silent: a frame from a device port that is no logical port is dropped as
//! `l2_unknown`, and so is a flood that no port takes; the outer destination address is not
//! tested; a second of a port's MAC addresses as destination of its own frame is `loopback`.
//!
//! Cost of a miss: at most nine exact look-ups, two classifications by the rules of classifiers, and
//! the groups of a chain; a flood looks at each port of its switch and asks once for each host. Memory
//! is in [`policy`], the flow table, [`Learned`] and 16 bytes for each rule's counter.

mod counters;
mod drop_reason;
mod event;
mod frame;
mod in_chain;
mod key;
mod output;
pub mod policy;
mod port_security;

use dash_hal::{Hints, PacketBuffer, PortId, ReceiveFlags};
use smoltcp::wire::EthernetAddress;

pub use super::{
    learned::{AGE, FREE, Learned, Place as LearnedPlace},
    traffic::Traffic,
};

pub use self::{
    counters::{Counters, Stages},
    drop_reason::{DropReason, Note},
    event::Event,
    frame::Arrival,
    in_chain::{Action, Rule},
    key::FlowKey,
};

use self::{
    frame::Frame,
    in_chain::Taps,
    output::{Copies, Leaving, Spread, Way},
    policy::{Image, Policy, PortFlags, PortRecord},
};
use super::{
    Cause, Decision, End, Install, Lookup, Name, Pipeline, Step, Trace, Uncached, Verdict, hash,
};
use crate::{
    flow::{Egress, FlowMut, NewFlow, State, Timeouts},
    packet::{Entering, Packet},
    rewrite::Rewrite,
    wire::{Edges, MAX_FRAME},
};

/// The key that stands for all ports of a switch, above those of ports.
pub const FLOOD: u16 = 0x8000;

/// The stage behind the chain, where frames from `ls_out_chain` enter again.
pub const AFTER_CHAIN: u8 = 11;

/// What holds for all frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The port of the device that leads to other hosts; it is no logical port.
    pub underlay: PortId,
    /// When a flow without frames ends, ms; 0: never.
    pub idle_timeout: u32,
}

/// What the pipeline keeps in a flow: what a pass counts, and where the frame enters again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowState {
    /// Place of the rule's counter plus 1; 0: no rule.
    rule: u32,
    again: PortId,
    flags: u16,
}

impl State for FlowState {
    const EMPTY: Self = Self { rule: 0, again: PortId(0), flags: 0 };
}

impl FlowState {
    /// It enters again.
    const AGAIN: u16 = 1;
    /// It came by a tunnel.
    const TUNNEL: u16 = 2;
    /// It entered again.
    const FROM_OUT_CHAIN: u16 = 4;
    /// Two rules of one priority.
    const CONFLICT: u16 = 8;

    const fn has(self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    const fn set(&mut self, flag: u16, on: bool) {
        if on {
            self.flags |= flag;
        }
    }

    const fn rule(self) -> Option<usize> {
        (self.rule as usize).checked_sub(1)
    }
}

/// The service on one core.
#[derive(Debug)]
pub struct Chain<'a> {
    policy: Policy<'a>,
    /// Of the burst.
    epoch: u32,
    settings: Settings,
    learned: Learned<'a>,
    counters: Counters<'a>,
    copies: Copies,
}

/// What the pipeline decided for one pass of a frame.
struct Decided {
    way: Way,
    /// Whether the next frame of the flow may be decided alike without a look.
    cached: bool,
    copies: Copies,
}

/// A frame that was dropped, with the copies that leave all the same.
struct Dropped {
    reason: DropReason,
    copies: Copies,
}

impl From<DropReason> for Dropped {
    fn from(reason: DropReason) -> Self {
        Self { reason, copies: Copies::default() }
    }
}

/// A frame in the ingress pipeline.
struct Ingress<'f> {
    frame: Frame<'f>,
    /// Number and facts of the port that it came in at.
    port: (u32, PortRecord),
    /// It came in there, and not from `ls_out_chain`.
    first: bool,
    now: u64,
}

/// What is learnt of a destination.
enum Destination {
    Port {
        index: u32,
        learned: bool,
    },
    /// All ports marked `unknown`.
    Unknown,
}

impl<'a> Chain<'a> {
    /// A service without traffic.
    #[must_use]
    pub fn new(
        policy: Policy<'a>,
        learned: Learned<'a>,
        counters: Counters<'a>,
        settings: Settings,
    ) -> Self {
        let epoch = policy.epoch();
        Self { policy, epoch, settings, learned, counters, copies: Copies::default() }
    }

    /// Counters of this core.
    #[must_use]
    pub const fn counters(&self) -> &Counters<'a> {
        &self.counters
    }

    /// What became of a frame from the underlay.
    fn enter_by_tunnel<T: Trace<Self>>(
        &self,
        frame: &Frame<'_>,
        arrival: &Arrival,
        state: &mut FlowState,
        trace: &mut T,
    ) -> Result<Decided, Dropped> {
        state.set(FlowState::TUNNEL, true);
        let image = self.policy.image(self.epoch);
        let switch = image.switch_of_vni(arrival.vni).ok_or(DropReason::UnknownVni)?;
        let leaving = Leaving {
            switch,
            inport: arrival.inport,
            tunnelled: true,
            source_port: 0,
            underlay: self.settings.underlay,
        };
        if arrival.outport == FLOOD {
            trace.stage(|| Event::Flood { unknown: false });
            let spread = Spread::new(image, leaving, false);
            return spread_out(image, spread, Copies::default());
        }
        let index = image.port_of_key(switch, arrival.outport).ok_or(DropReason::BadGeneve)?;
        let port = image.port(index).ok_or(DropReason::BadGeneve)?;
        let way = leaving.to(image, &port)?;
        tell(&way, image, &port, trace);
        let cached = frame.has_flow();
        Ok(Decided { way, cached, copies: Copies::default() })
    }

    /// What becomes of a frame from a logical port, or from `ls_out_chain`.
    fn enter_by_port<H: Hints, T: Trace<Self>>(
        &mut self,
        ingress: &Ingress<'_>,
        state: &mut FlowState,
        (hints, trace): (&H, &mut T),
    ) -> Result<Decided, Dropped> {
        let Ingress { frame, port: (index, port), first, now } = ingress;
        let image = self.policy.image(self.epoch);
        state.set(FlowState::FROM_OUT_CHAIN, !first);
        let leaving = Leaving {
            switch: port.switch,
            inport: port.key,
            tunnelled: false,
            source_port: hash::source_port(
                frame.headers.as_ref(),
                [frame.destination, frame.source],
                frame.ethertype,
            ),
            underlay: self.settings.underlay,
        };
        let learns = *first && port.has(PortFlags::UNKNOWN) && !port.has(PortFlags::PAIR);
        if *first {
            if port.has(PortFlags::TAP) {
                return Err(DropReason::TapReceived.into());
            }
            let checked = port_security::check(image, (*index, port), frame);
            trace.stage(|| Event::PortSecurity(checked.err()));
            checked?;
        }
        if learns && !frame.source.is_multicast() {
            let tunnel_key = image.switch(port.switch).map_or(0, |switch| switch.tunnel_key);
            self.learned.learn((tunnel_key, frame.source), port.key, (*now, 0), hints);
        }
        if frame.destination.is_multicast() {
            trace.stage(|| Event::Flood { unknown: false });
            let spread = Spread::new(image, leaving, false);
            return spread_out(image, spread, Copies::default());
        }
        if *first && frame.source == frame.destination {
            return Err(DropReason::SameMac.into());
        }
        let mut taps: Option<(Taps, Leaving)> = None;
        let mut action = Action::Next;
        if *first {
            let steering = in_chain::steer(image, (*index, port), frame);
            trace.stage(|| Event::InChain { rule: steering.rule, action: steering.action });
            state.rule = steering.rule.map_or(0, |rule| self.counters.place(rule) as u32 + 1);
            state.set(FlowState::CONFLICT, steering.conflict);
            taps = steering.taps.map(|taps| (taps, leaving));
            action = steering.action;
        }
        let copies = Copies { spread: None, taps };
        let passed = |reason| Dropped { reason, copies };
        let mut cached = !learns && taps.is_none() && frame.has_flow();
        let (to, leaving) = match action {
            Action::Drop(reason) => return Err(passed(reason)),
            Action::Output(to) => (to, leaving),
            Action::Home(app) => {
                let inport = image.port(app).map_or(0, |app| app.key);
                (app, Leaving { inport, ..leaving })
            }
            Action::Next => {
                let destination = self.destination(port.switch, frame, *now, hints, trace);
                match destination.ok_or(passed(DropReason::L2Unknown))? {
                    Destination::Port { index, learned } => {
                        cached &= !learned;
                        (index, leaving)
                    }
                    Destination::Unknown => {
                        trace.stage(|| Event::Flood { unknown: true });
                        let spread = Spread::new(image, leaving, true);
                        return spread_out(image, spread, copies);
                    }
                }
            }
        };
        let out = image.port(to).ok_or(passed(DropReason::L2Unknown))?;
        let way = leaving.to(image, &out).map_err(passed)?;
        tell(&way, image, &out, trace);
        Ok(Decided { way, cached, copies })
    }

    /// The port behind which an address was seen, if it is still there and still marked `unknown`.
    fn learned_port<H: Hints>(
        &self,
        image: &Image<'_>,
        switch: u16,
        mac: EthernetAddress,
        now: u64,
        hints: &H,
    ) -> Option<u32> {
        let tunnel_key = image.switch(switch)?.tunnel_key;
        let key = self.learned.port(tunnel_key, mac, now, hints)?;
        let index = image.port_of_key(switch, key)?;
        image.port(index)?.has(PortFlags::UNKNOWN).then_some(index)
    }

    /// Stage 16: behind which port the destination is.
    fn destination<H: Hints, T: Trace<Self>>(
        &self,
        switch: u16,
        frame: &Frame<'_>,
        now: u64,
        hints: &H,
        trace: &mut T,
    ) -> Option<Destination> {
        let image = self.policy.image(self.epoch);
        let mac = frame.destination;
        let configured = image.port_of_mac(switch, mac);
        let learned = configured.is_none();
        let index = configured.or_else(|| self.learned_port(image, switch, mac, now, hints));
        trace.stage(|| {
            let port = index.and_then(|index| image.port(index)).map(|port| port.key);
            Event::Lookup { mac, port, learned: learned && index.is_some() }
        });
        match index {
            Some(index) => Some(Destination::Port { index, learned }),
            None if image.has_unknown(switch) => Some(Destination::Unknown),
            None => None,
        }
    }
}

/// Tells a trace where a frame goes.
fn tell<'a, T: Trace<Chain<'a>>>(way: &Way, image: &Image<'_>, out: &PortRecord, trace: &mut T) {
    trace.stage(|| match way {
        Way::Again(..) => Event::OutChain { port: out.key },
        Way::Out(..) if image.is_local(out) => Event::Deliver { port: out.key, id: PortId(out.id) },
        Way::Out(..) => Event::Remote { host: out.host, port: out.key },
    });
}

/// The first port of a spread is the frame's; the rest are copies.
fn spread_out(
    image: &Image<'_>,
    mut spread: Option<Spread>,
    copies: Copies,
) -> Result<Decided, Dropped> {
    let first = spread.as_mut().and_then(|spread| spread.next(image));
    let Some((rewrite, egress)) = first else {
        return Err(Dropped { reason: DropReason::L2Unknown, copies });
    };
    let copies = Copies { spread, ..copies };
    Ok(Decided { way: Way::Out(rewrite, egress), cached: false, copies })
}

impl Pipeline for Chain<'_> {
    type Key = FlowKey;
    type State = FlowState;
    type Context = Option<Arrival>;
    type Reason = DropReason;
    type Event = Event;
    const COPIES: bool = true;

    fn burst(&mut self) {
        self.epoch = self.policy.epoch();
    }

    fn key<T: Trace<Self>>(
        &mut self,
        frame: Entering<'_>,
        name: &mut Name<Self>,
        _now: u64,
        trace: &mut T,
    ) {
        let Entering { bytes, metadata, ingress, entry } = frame;
        let drop = |reason| Some(Lookup::Drop { context: None, reason });
        if bytes.len() > MAX_FRAME || metadata.flags.contains(ReceiveFlags::TRUNCATED) {
            name.lookup = drop(DropReason::Truncated);
            return;
        }
        let from_underlay = ingress == self.settings.underlay && entry == 0;
        let mut arrival = None;
        name.edges = Edges::of_ethernet(bytes.len() as u16);
        if from_underlay {
            if metadata.flags.intersects(ReceiveFlags::L3_BAD | ReceiveFlags::L4_BAD) {
                name.lookup = drop(DropReason::ChecksumBad);
                return;
            }
            match frame::decapsulate(bytes) {
                Ok((arrived, edges)) => {
                    trace.stage(|| Event::Tunnel(arrived));
                    (arrival, name.edges) = (Some(arrived), edges);
                }
                Err(reason) => {
                    name.lookup = drop(reason);
                    return;
                }
            }
        }
        let logical = arrival.map_or(Some(bytes), |arrival| arrival.carried(bytes));
        let stripped = entry == 0 && metadata.flags.contains(ReceiveFlags::VLAN_STRIPPED);
        let usual = logical
            .filter(|_| !stripped)
            .and_then(|frame| FlowKey::of_usual(frame, ingress, entry, arrival.as_ref()));
        if let Some(key) = usual {
            name.key = key;
            trace.stage(|| Event::Key(key));
            name.lookup = Some(Lookup::Flow { context: arrival, epoch: self.epoch });
            return;
        }
        let Some(frame) = logical.and_then(Frame::new) else {
            name.lookup = drop(DropReason::Truncated);
            return;
        };
        if stripped || entry == 0 && arrival.is_none() && frame.is_tagged() {
            name.lookup = drop(DropReason::VlanPresent);
            return;
        }
        name.lookup = Some(if frame.has_flow() {
            name.key = FlowKey::new(&frame, ingress, entry, arrival.as_ref());
            trace.stage(|| Event::Key(name.key));
            Lookup::Flow { context: arrival, epoch: self.epoch }
        } else {
            Lookup::NoFlow { context: arrival }
        });
    }

    fn slow<B: PacketBuffer, H: Hints, T: Trace<Self>>(
        &mut self,
        packet: &mut Packet<'_, B>,
        context: &Option<Arrival>,
        cause: Cause<'_, FlowKey>,
        now: u64,
        hints: &H,
        trace: &mut T,
    ) -> Decision<Self> {
        self.counters.stages.slow += 1;
        let bytes = packet.buffer.bytes();
        let logical = context.map_or(Some(bytes), |arrival| arrival.carried(bytes));
        let Some(frame) = logical.and_then(Frame::new) else {
            return Decision::drop(DropReason::Truncated);
        };
        let mut state = FlowState::EMPTY;
        let decided = if let Some(arrival) = context {
            self.enter_by_tunnel(&frame, arrival, &mut state, trace)
        } else {
            let image = self.policy.image(self.epoch);
            let index = image.port_of_id(packet.ingress);
            match index.and_then(|index| Some((index, image.port(index)?))) {
                Some(port) => {
                    let first = packet.entry != AFTER_CHAIN;
                    let ingress = Ingress { frame, port, first, now };
                    self.enter_by_port(&ingress, &mut state, (hints, trace))
                }
                None => Err(DropReason::L2Unknown.into()),
            }
        };
        self.counters.pass(state, bytes.len());
        let Decided { way, cached, copies } = match decided {
            Ok(decided) => decided,
            Err(Dropped { reason, copies }) => {
                self.copies = copies;
                return Decision { copies: copies.are_left(), ..Decision::drop(reason) };
            }
        };
        self.copies = copies;
        let (verdict, rewrite, egress) = match way {
            Way::Out(rewrite, egress) => (Verdict::Forward { rewrite, egress }, rewrite, egress),
            Way::Again(rewrite, ingress) => {
                state.set(FlowState::AGAIN, true);
                state.again = ingress;
                let verdict = Verdict::Recirculate { rewrite, ingress, entry: AFTER_CHAIN };
                (verdict, rewrite, Egress::INGRESS)
            }
        };
        let timeouts = Timeouts { idle: self.settings.idle_timeout, hard: 0 };
        let install = match cause.key().filter(|_| cached) {
            Some(key) => Install::One(NewFlow { key: *key, rewrite, egress, state, timeouts }),
            None => Install::None,
        };
        Decision { verdict, install, copies: copies.are_left() }
    }

    fn step<B: PacketBuffer, T: Trace<Self>>(
        &mut self,
        packet: &mut Packet<'_, B>,
        _context: &Option<Arrival>,
        flow: &mut FlowMut<'_, FlowState>,
        _now: u64,
        _trace: &mut T,
    ) -> Step<DropReason> {
        self.counters.pass(flow.state, packet.buffer.bytes().len());
        if flow.state.has(FlowState::AGAIN) {
            Step::Enter { ingress: flow.state.again, entry: AFTER_CHAIN }
        } else {
            Step::Apply
        }
    }

    fn epoch(&self, _key: &FlowKey) -> Option<u32> {
        Some(self.policy.epoch())
    }

    fn count(
        &mut self,
        _context: Option<&Option<Arrival>>,
        _received: usize,
        end: End<DropReason>,
    ) {
        if let End::Dropped(reason) = end {
            self.counters.drop(reason);
        }
    }

    fn count_uncached(&mut self, _context: &Option<Arrival>, _why: Uncached) {
        self.counters.note(Note::FlowFull);
    }

    fn copy<B: PacketBuffer>(&mut self, _packet: &Packet<'_, B>) -> Option<(Rewrite, Egress)> {
        self.copies.next(self.policy.image(self.epoch))
    }

    fn count_copy(&mut self, end: Option<End<DropReason>>) {
        match end {
            None => self.counters.drop(DropReason::NoBuffer),
            Some(End::Dropped(reason)) => self.counters.drop(reason),
            Some(_) => {}
        }
    }
}
