//! A distributed router that makes its flows when they are needed: networks of virtual machines,
//! gateways that are nowhere and everywhere, and a controller near or far.
//!
//! Source: Dragonflow's reactive router of 2015; the tables have its numbers.
//!
//! | table | what | when | file |
//! |---|---|---|---|
//! | 0 | port to network, VLAN tag, port security | miss | here, `port_security` |
//! | 40, 51, 45 | ARP and neighbour discovery, for gateways answered in place | no flow | `gateway`, `answer` |
//! | 52, priority 100 | flow: MAC addresses, TTL - 1, output | each frame | `key` |
//! | 52, 60 | to a router's own address: ICMP | miss | `gateway` |
//! | 52, 30 | own subnet: the learning switch | miss | `normal` |
//! | 52, 20 | other subnet: the slow path, or a controller elsewhere | miss | `routing` |
//! | 53 | north-south hook, by default `no_route` | miss | `routing` |
//! | 60 | VXLAN to other hosts, and from them | | `output`, here |
//!
//! A slow path installs two flows that live apart afterwards: the answers' and the frame's. The
//! answers' is what the slow path would say of an answer; where that is nothing, or another
//! host's, it is not installed. Frames that the switch forwards have no flow.
//!
//! Where the texts are silent. All unicast IP frames look for a flow, so one that a controller added
//! holds for addresses of the own subnet too. A frame of unknown destination is also flooded to
//! other hosts, and ends there as `l2_unknown` if nobody learnt the address; what comes by a tunnel
//! teaches nothing. Configured MAC addresses are not learnt elsewhere. IPv6 destinations of link scope
//! are of the own subnet; multicast and broadcast IP addresses have no route whatever the MAC
//! address says. Allowed pairs are no neighbours. Errors of ICMP are told neither of errors nor of later
//! fragments nor to what is no single host (`icmp_limited`). TTL 0 and 1 hit no flow. A tag that a
//! NIC took off is a tag. A frame from a device port that is no port, or a flood that no port takes, is
//! `l2_unknown`; the outer destination address is not tested.
//!
//! Cost of a miss: nine exact look-ups, four longest prefixes. Memory is in [`policy`], the flow table
//! (256 bytes a flow), the learnt addresses, and 32 bytes for each gateway.

mod answer;
pub mod control;
mod counters;
mod drop_reason;
mod event;
mod frame;
mod gateway;
mod key;
mod limits;
mod normal;
mod output;
pub mod policy;
mod port_security;
mod routing;
mod settings;
mod state;

use dash_hal::{Hints, PacketBuffer, PortId, ReceiveFlags};
use smoltcp::wire::{EthernetAddress, IpAddress};

pub use super::learned::{AGE, FREE, Learned, Place as LearnedPlace};

pub use self::{
    counters::Counters,
    drop_reason::{DropReason, Note, PuntReason},
    event::{Action, Event},
    frame::Arrival,
    key::FlowKey,
    limits::{Absent, GatewayErrors},
    settings::{Controller, NorthSouth, Settings},
    state::FlowState,
};

use self::{
    answer::Answer,
    frame::{Carried, Frame},
    limits::{Absents, Errors},
    output::{Leaving, Spread},
    policy::{Image, MacOwner, NetworkRecord, Policy, PortFlags, PortRecord},
};
use super::{
    Cause, Decision, End, Install, Lookup, Name, Pipeline, Step, Trace, Uncached, Verdict, hash,
};
use crate::{
    flow::{Egress, Flow, FlowMut},
    packet::{Entering, Packet},
    rewrite::{Flags, Rewrite},
    wire::{Header, MAX_FRAME, ethernet::EthernetHeader},
};

/// What is known of a frame from its headers.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    tunnel: Option<Arrival>,
    /// Bytes of the IP datagram, if it has a flow.
    datagram: u16,
}

/// Memory of one core, besides its flows.
#[derive(Debug)]
pub struct Memory<'a> {
    /// MAC addresses that are learnt.
    pub learned: Learned<'a>,
    /// One for each gateway, as many as [`Capacity::interfaces`](policy::Capacity::interfaces).
    pub errors: &'a mut [GatewayErrors],
    /// Addresses that a controller was asked for in vain in the last second. Of more the controller is asked
    /// oftener.
    pub absent: &'a mut [Option<Absent>],
}

/// The service on one core.
#[derive(Debug)]
pub struct Router<'a> {
    policy: Policy<'a>,
    /// Of the burst.
    epoch: u32,
    settings: Settings,
    learned: Learned<'a>,
    errors: Errors<'a>,
    absents: Absents<'a>,
    counters: Counters,
    /// Of the frame that was decided on last.
    spread: Option<Spread>,
    /// Cookies given, and of these to the frame that was decided on last.
    cookies: u64,
    taken: u64,
}

/// What becomes of a frame.
#[expect(clippy::large_enum_variant, reason = "each is made once, and taken apart at once")]
enum Decided {
    /// It leaves, and has no flow.
    Forward(Rewrite, Egress),
    /// It leaves, and this is remembered.
    Install(Rewrite, Egress, Install<FlowKey, FlowState>),
    Spread(Spread),
    Answer(Answer),
    Punt(PuntReason),
}

/// A frame from a port.
#[derive(Clone, Copy)]
struct Ingress<'i> {
    image: &'i Image<'i>,
    frame: Frame<'i>,
    /// Number and facts of the port.
    index: u32,
    port: PortRecord,
    network: NetworkRecord,
    leaving: Leaving,
    now: u64,
}

impl<'a> Router<'a> {
    /// A service without traffic.
    #[must_use]
    pub fn new(policy: Policy<'a>, memory: Memory<'a>, settings: Settings) -> Self {
        let epoch = policy.epoch();
        let Memory { learned, errors, absent } = memory;
        errors.fill(GatewayErrors::default());
        absent.fill(None);
        Self {
            policy,
            epoch,
            settings,
            learned,
            errors: Errors(errors),
            absents: Absents { places: absent, next: 0 },
            counters: Counters::ZERO,
            spread: None,
            cookies: 0,
            taken: 0,
        }
    }

    /// Counters of this core.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What holds for all frames.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes what holds for all frames; flows that are there stay as they are.
    pub const fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// What becomes of a frame from the underlay: delivery by VNI and destination MAC.
    fn enter_by_tunnel<H: Hints, T: Trace<Self>>(
        &self,
        bytes: &[u8],
        arrival: Arrival,
        now: u64,
        (hints, trace): (&H, &mut T),
    ) -> Result<Decided, DropReason> {
        let image = self.policy.image(self.epoch);
        let network = image.network_of_vni(arrival.vni).ok_or(DropReason::UnknownVni)?;
        let carried = arrival.carried(bytes).and_then(|frame| EthernetHeader::at(frame, 0_usize));
        let destination = carried.ok_or(DropReason::Truncated)?.destination();
        let rewrite = Rewrite { flags: Flags::POP_OUTER, ..Rewrite::NONE };
        let leaving = Leaving { rewrite, source_port: 0, underlay: self.settings.underlay };
        if destination.is_multicast() {
            let spread = Spread::new(image, leaving, network, None);
            return spread.map(Decided::Spread).ok_or(DropReason::L2Unknown);
        }
        let port = match image.owner_of_mac(network, destination) {
            Some(MacOwner::Port(port)) => Some(port),
            Some(MacOwner::Gateway) => None,
            None => self.learned_port(image, network, destination, now, hints),
        };
        let port = port.and_then(|port| image.port(port)).ok_or(DropReason::L2Unknown)?;
        if !image.is_local(&port) {
            return Err(DropReason::NotLocal);
        }
        trace.stage(|| Event::Deliver { port: port.key, id: PortId(port.id) });
        let (rewrite, egress) = leaving.deliver(image, &port).ok_or(DropReason::L2Unknown)?;
        Ok(Decided::Forward(rewrite, egress))
    }

    /// What becomes of a frame from a port: tables 0 and 40.
    fn enter_by_port<H: Hints, T: Trace<Self>>(
        &mut self,
        image: &Image<'_>,
        packet: (&[u8], PortId, u16),
        cause: Cause<'_, FlowKey>,
        now: u64,
        (hints, trace): (&H, &mut T),
    ) -> Result<Decided, DropReason> {
        let (bytes, id, datagram) = packet;
        let frame = Frame::new(bytes).ok_or(DropReason::Truncated)?;
        let (index, port, network) = entrance(image, id, &frame)?;
        let checked = port_security::check(image, (index, &port), &frame);
        trace.stage(|| Event::PortSecurity(checked.err()));
        checked?;
        let priority = if network.id == 0 { 1 } else { 1000 };
        tell(trace, 0, priority, || Action::Metadata(network.id));
        let flags = if frame.tag.is_some() { Flags::POP_VLAN } else { Flags::empty() };
        let leaving = Leaving {
            rewrite: Rewrite { flags, ..Rewrite::NONE },
            source_port: hash::source_port(
                frame.headers().as_ref(),
                [frame.destination, frame.source],
                frame.ethertype,
            ),
            underlay: self.settings.underlay,
        };
        let ingress = Ingress { image, frame, index, port, network, leaving, now };
        if matches!(frame.carried, Carried::Arp) {
            tell(trace, 40, 1000, || Action::Goto(51));
            return self.arp(&ingress, (hints, trace));
        }
        if frame.nd().is_some() {
            tell(trace, 40, 1000, || Action::Goto(45));
            return self.nd(&ingress, (hints, trace));
        }
        if frame.destination.is_multicast() {
            let priority = if frame.destination.is_broadcast() { 100 } else { 10 };
            tell(trace, 40, priority, || Action::Normal);
            return self.normal(&ingress, (hints, trace));
        }
        tell(trace, 40, 1, || Action::Goto(52));
        self.layer3(&ingress, datagram, cause, (hints, trace))
    }
}

impl Router<'_> {
    /// Whether table 0 lets a frame pass whose flow may be older than the policy, or a
    /// controller's, and this host still has the port that it leads to.
    #[cold]
    #[inline(never)]
    fn is_fair<B: PacketBuffer>(&self, packet: &Packet<'_, B>, flow: &mut Flow<FlowState>) -> bool {
        let image = self.policy.image(self.epoch);
        let Some(frame) = Frame::new(packet.buffer.bytes()) else { return false };
        let Ok((index, port, _)) = entrance(image, packet.ingress, &frame) else { return false };
        let out = flow.egress.port(packet.ingress);
        let passes = port_security::check(image, (index, &port), &frame).is_ok()
            && (out == self.settings.underlay || image.port_of_id(out).is_some());
        if passes {
            flow.epoch = self.epoch;
            // Who has no address may send DHCP alone.
            flow.state.fair = frame.ip().is_some_and(|ip| !ip.source.is_unspecified());
        }
        passes
    }
}

/// The port that a frame came in at, and its network. Refuses a VLAN tag that should not be there,
/// and the lack of one that should.
fn entrance(
    image: &Image<'_>,
    id: PortId,
    frame: &Frame<'_>,
) -> Result<(u32, PortRecord, NetworkRecord), DropReason> {
    let index = image.port_of_id(id).ok_or(DropReason::L2Unknown)?;
    let port = image.port(index).ok_or(DropReason::L2Unknown)?;
    let network = image.network(port.network).ok_or(DropReason::L2Unknown)?;
    let expected = network.vlan().filter(|_| port.has(PortFlags::PROVIDER));
    match (frame.tag.map(|tag| tag & 0x0fff), expected) {
        (found, expected) if found == expected => Ok((index, port, network)),
        (None, _) => Err(DropReason::Untagged),
        (Some(_), _) => Err(DropReason::VlanPresent),
    }
}

/// Tells a trace that a row matched.
fn tell<'a, T: Trace<Router<'a>>>(
    trace: &mut T,
    table: u8,
    priority: u16,
    action: impl FnOnce() -> Action,
) {
    trace.stage(|| Event::Row { table, priority, action: action() });
}

impl Pipeline for Router<'_> {
    type Key = FlowKey;
    type State = FlowState;
    type Context = Context;
    type Reason = DropReason;
    type Event = Event;
    const COPIES: bool = true;
    const PUNTS: bool = true;

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
        let Entering { bytes, metadata, ingress, .. } = frame;
        let epoch = self.epoch;
        let drop = |reason| Some(Lookup::Drop { context: None, reason });
        if bytes.len() > MAX_FRAME || metadata.flags.contains(ReceiveFlags::TRUNCATED) {
            name.lookup = drop(DropReason::Truncated);
            return;
        }
        if ingress == self.settings.underlay {
            if metadata.flags.intersects(ReceiveFlags::L3_BAD | ReceiveFlags::L4_BAD) {
                name.lookup = drop(DropReason::ChecksumBad);
                return;
            }
            name.lookup = match frame::decapsulate(bytes) {
                Ok((arrival, edges)) => {
                    trace.stage(|| Event::Tunnel(arrival));
                    name.edges = edges;
                    let context = Context { tunnel: Some(arrival), datagram: 0 };
                    Some(Lookup::NoFlow { context })
                }
                Err(reason) => drop(reason),
            };
            return;
        }
        if metadata.flags.contains(ReceiveFlags::VLAN_STRIPPED) {
            name.lookup = drop(DropReason::VlanPresent);
            return;
        }
        if let Some((key, edges, datagram)) = FlowKey::of_usual(bytes, ingress) {
            (name.key, name.edges) = (key, edges);
            trace.stage(|| Event::Key(key));
            let context = Context { tunnel: None, datagram };
            name.lookup = Some(Lookup::Flow { context, epoch });
            return;
        }
        let Some(frame) = Frame::new(bytes) else {
            name.lookup = drop(DropReason::Truncated);
            return;
        };
        name.edges = frame.edges();
        let context = Context { tunnel: None, datagram: frame.datagram().len() as u16 };
        name.lookup = Some(match key_of(&frame, ingress) {
            Some(key) => {
                name.key = key;
                trace.stage(|| Event::Key(key));
                Lookup::Flow { context, epoch }
            }
            None => Lookup::NoFlow { context },
        });
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
        self.counters.slow += 1;
        (self.spread, self.taken) = (None, 0);
        let policy = self.policy;
        let image = policy.image(self.epoch);
        let bytes = packet.buffer.bytes();
        let decided = if let Some(arrival) = context.tunnel {
            self.enter_by_tunnel(bytes, arrival, now, (hints, trace))
        } else {
            let packet = (bytes, packet.ingress, context.datagram);
            self.enter_by_port(image, packet, cause, now, (hints, trace))
        };
        let forward = |rewrite, egress, install, copies| Decision {
            verdict: Verdict::Forward { rewrite, egress },
            install,
            copies,
        };
        match decided {
            Err(reason) => Decision::drop(reason),
            Ok(Decided::Forward(rewrite, egress)) => forward(rewrite, egress, Install::None, false),
            Ok(Decided::Install(rewrite, egress, install)) => {
                forward(rewrite, egress, install, false)
            }
            Ok(Decided::Spread(mut spread)) => match spread.next(image) {
                None => Decision::drop(DropReason::L2Unknown),
                Some((rewrite, egress)) => {
                    self.spread = Some(spread);
                    forward(rewrite, egress, Install::None, true)
                }
            },
            Ok(Decided::Answer(answer)) => {
                if answer.write(packet.buffer, hints).is_none() {
                    return Decision::drop(DropReason::NoHeadroom);
                }
                self.counters.answered += 1;
                let verdict = Verdict::Reply { egress: Egress::INGRESS };
                Decision { verdict, install: Install::None, copies: false }
            }
            Ok(Decided::Punt(reason)) => {
                let verdict = Verdict::Punt { reason: reason as u8 };
                Decision { verdict, install: Install::None, copies: false }
            }
        }
    }

    fn step<B: PacketBuffer, T: Trace<Self>>(
        &mut self,
        packet: &mut Packet<'_, B>,
        context: &Context,
        flow: &mut FlowMut<'_, FlowState>,
        _now: u64,
        _trace: &mut T,
    ) -> Step<DropReason> {
        let fair = flow.state.fair && flow.epoch == self.epoch;
        if !fair && !self.is_fair(packet, flow) {
            return Step::Miss;
        }
        if context.datagram > self.settings.mtu {
            return Step::Drop(DropReason::Mtu);
        }
        if flow.change.flags().contains(Flags::PUSH_OUTER) {
            // Conversations between the same addresses share a flow, but no outer port.
            let headers = Frame::new(packet.buffer.bytes()).and_then(|frame| frame.headers());
            let port = hash::source_port(headers.as_ref(), [EthernetAddress([0; 6]); 2], 0);
            flow.change.set_source_port(port);
        }
        Step::Apply
    }

    fn epoch(&self, _key: &FlowKey) -> Option<u32> {
        Some(self.policy.epoch())
    }

    fn count(&mut self, _context: Option<&Context>, _received: usize, end: End<DropReason>) {
        match end {
            End::Dropped(reason) => self.counters.drop(reason),
            End::Punted { .. } => self.counters.punted += 1,
            End::Sent { .. } => {}
        }
    }

    fn count_uncached(&mut self, _context: &Context, _why: Uncached) {
        self.counters.note(Note::FlowFull);
        self.cookies -= core::mem::take(&mut self.taken);
    }

    fn tells(&self, state: &FlowState) -> bool {
        state.told
    }

    fn copy<B: PacketBuffer>(&mut self, _packet: &Packet<'_, B>) -> Option<(Rewrite, Egress)> {
        self.spread.as_mut()?.next(self.policy.image(self.epoch))
    }

    fn count_copy(&mut self, end: Option<End<DropReason>>) {
        match end {
            None => self.counters.drop(DropReason::NoBuffer),
            Some(End::Dropped(reason)) => self.counters.drop(reason),
            Some(_) => {}
        }
    }
}

/// The flow of a frame that may be routed: unicast IP with a good header, neither neighbour
/// discovery nor at the end of its life.
fn key_of(frame: &Frame<'_>, ingress: PortId) -> Option<FlowKey> {
    let ip = frame.ip()?;
    if frame.destination.is_multicast() || ip.ttl <= 1 || frame.nd().is_some() {
        return None;
    }
    let macs = [frame.source, frame.destination];
    let addresses: [IpAddress; 2] = [ip.source, ip.destination];
    FlowKey::new(ingress, frame.tag, macs, addresses)
}
