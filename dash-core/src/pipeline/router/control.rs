//! What a controller elsewhere asks for: flows, frames, answers to its requests.
//!
//! A flow that it adds is plain data like those of the slow path, and is found by the same key. It is
//! never evaluated: it ends by its time-outs, or when the controller deletes it. But what table 0
//! refuses, a VLAN tag or the addresses of another port, does not come as far, and none leads to
//! a port that has left this host: then its frames have no flow. Each flow is
//! added for itself: into a table with one place the first of two. Ports are
//! named by their places in the [configuration](super::policy::Configuration::ports).
//!
//! Time: of an addition constant; a deletion by match is one look-up, one by cookie, or of a router's port,
//! passes the whole table.

use dash_hal::{EventSink, FlowOffload, Hints, PacketBuffer, Platform, PortId};
use smoltcp::wire::{EthernetAddress, IpAddress};

use super::{
    DropReason, FlowKey, FlowState, PuntReason, Router,
    frame::Frame,
    output::Leaving,
    policy::{Image, PortFlags, PortRecord},
};
use crate::{
    engine::{Answer, Engine},
    flow::{Egress, FlowRemoved, NewFlow, Offered, Timeouts},
    pipeline::{Trace, hash},
    rewrite::{Flags, Rewrite},
    table::cuckoo::Handle,
};

/// Which frames a flow is for. All of it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// The port that they come in at.
    pub in_port: u16,
    /// Their source MAC address.
    pub eth_src: EthernetAddress,
    /// Their destination MAC address.
    pub eth_dst: EthernetAddress,
    /// Their source address.
    pub ip_src: IpAddress,
    /// Their destination address.
    pub ip_dst: IpAddress,
}

/// What is done with frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actions {
    /// Decrement TTL or hop limit.
    pub dec_ttl: bool,
    /// Write the source MAC address.
    pub eth_src: Option<EthernetAddress>,
    /// Write the destination MAC address.
    pub eth_dst: Option<EthernetAddress>,
    /// The port that they leave by, on this host or another.
    pub output: u16,
}

/// A flow of a controller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowSpec {
    /// For which frames.
    pub matches: Match,
    /// What is done with them.
    pub actions: Actions,
    /// When it ends by itself.
    pub timeouts: Timeouts,
    /// Whatever the controller likes.
    pub cookie: u64,
    /// Whether it is told when it ends.
    pub send_removed: bool,
}

/// Why a controller is not obeyed; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ControlError {
    /// There is no such port, or no way to it.
    NoPort,
    /// The in-port is another host's.
    NotHere,
    /// Addresses of two IP versions.
    Versions,
    /// There is no such flow.
    NoFlow,
    /// The flow table is full.
    Full,
}

impl Router<'_> {
    fn in_port(&self, place: u16) -> Result<(&Image<'_>, PortRecord), ControlError> {
        let image = self.policy.image(self.policy.epoch());
        let port = image.configured_port(place).ok_or(ControlError::NoPort)?;
        if image.is_local(&port) { Ok((image, port)) } else { Err(ControlError::NotHere) }
    }

    /// What names the flow of such frames.
    ///
    /// # Errors
    /// [`ControlError`]: `NoPort`, `NotHere`, `Versions`.
    pub fn key(&self, matches: &Match) -> Result<FlowKey, ControlError> {
        let (image, port) = self.in_port(matches.in_port)?;
        let vlan = tag_of(image, &port);
        let Match { eth_src, eth_dst, ip_src, ip_dst, .. } = *matches;
        FlowKey::new(PortId(port.id), vlan, [eth_src, eth_dst], [ip_src, ip_dst])
            .ok_or(ControlError::Versions)
    }

    /// The header change that is asked for of frames from a port, and where they leave.
    ///
    /// # Errors
    /// [`ControlError`]: `NoPort`, `NotHere`.
    pub fn way(
        &self,
        in_port: u16,
        actions: &Actions,
    ) -> Result<(PortId, Rewrite, Egress), ControlError> {
        let (image, port) = self.in_port(in_port)?;
        let mut rewrite = Rewrite::NONE;
        rewrite.flags.set(Flags::POP_VLAN, tag_of(image, &port).is_some());
        rewrite.flags.set(Flags::TTL, actions.dec_ttl);
        if let Some(mac) = actions.eth_src {
            rewrite.flags |= Flags::SOURCE_MAC;
            rewrite.source_mac = mac.into();
        }
        if let Some(mac) = actions.eth_dst {
            rewrite.flags |= Flags::DESTINATION_MAC;
            rewrite.destination_mac = mac.into();
        }
        let out = image.configured_port(actions.output).ok_or(ControlError::NoPort)?;
        let leaving = Leaving { rewrite, source_port: 0, underlay: self.settings.underlay };
        let (rewrite, egress) = leaving.to(image, &out).ok_or(ControlError::NoPort)?;
        Ok((PortId(port.id), rewrite, egress))
    }

    fn flow_of(
        &self,
        spec: &FlowSpec,
        now: u64,
    ) -> Result<NewFlow<FlowKey, FlowState>, ControlError> {
        let key = self.key(&spec.matches)?;
        let (_, rewrite, egress) = self.way(spec.matches.in_port, &spec.actions)?;
        let FlowSpec { timeouts, cookie, send_removed, .. } = *spec;
        let told = send_removed;
        let state = FlowState { cookie, born: now, told, local: false, fair: false };
        Ok(NewFlow { key, rewrite, egress, state, timeouts })
    }

    /// Whether the frames of a flow come from this network, or go to it by their router. Where those
    /// of a port that has left this host came from, their source says.
    fn passes(&self, key: &FlowKey, network: u16) -> bool {
        let image = self.policy.image(self.policy.epoch());
        let port = image.port_of_id(key.ingress()).and_then(|port| image.port(port));
        let from = port.map(|port| port.network);
        let router = image.network(from.unwrap_or(network)).and_then(|network| network.router());
        let leads = |address| {
            let (interface, _) = image.route(router?, address)?;
            Some(image.interface(interface)?.network == network)
        };
        let [source, destination] = key.addresses();
        from.map_or_else(|| leads(source), |from| Some(from == network)) == Some(true)
            || leads(destination) == Some(true)
    }
}

/// The outer source port of a frame on which these actions were taken.
fn source_port(frame: &[u8], actions: &Actions) -> u16 {
    let Some(frame) = Frame::new(frame) else { return 0 };
    let macs =
        [actions.eth_dst.unwrap_or(frame.destination), actions.eth_src.unwrap_or(frame.source)];
    hash::source_port(frame.headers().as_ref(), macs, frame.ethertype)
}

/// The VLAN of frames from a port.
fn tag_of(image: &Image<'_>, port: &PortRecord) -> Option<u16> {
    let network = image.network(port.network)?;
    network.vlan().filter(|_| port.has(PortFlags::PROVIDER))
}

impl<'a, B, const QUEUE: usize, const PUNTS: usize, O, E>
    Engine<'a, Router<'a>, B, QUEUE, PUNTS, O, E>
where
    B: PacketBuffer,
    O: FlowOffload<FlowKey, Offered<FlowState>>,
    E: EventSink<FlowRemoved<FlowKey, FlowState>>,
{
    /// Adds a flow, or puts it in the place of that which is for the same frames: counters and idle
    /// time stay, the hard time-out begins anew.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn add_flow<H: Hints>(
        &mut self,
        spec: &FlowSpec,
        now: u64,
        hints: &H,
    ) -> Result<(), ControlError> {
        let flow = self.pipeline().flow_of(spec, now)?;
        self.add(&flow, now, hints).map(|_| ()).map_err(|_| ControlError::Full)
    }

    /// Changes what is done with the frames of a flow.
    ///
    /// # Errors
    /// [`ControlError`]; `NoFlow` where [`add_flow`](Self::add_flow) would add one.
    pub fn modify_flow<H: Hints>(
        &mut self,
        spec: &FlowSpec,
        now: u64,
        hints: &H,
    ) -> Result<(), ControlError> {
        let flow = self.pipeline().flow_of(spec, now)?;
        let found = self.flows().find(&flow.key, hints);
        let lives = |handle| self.flows().timed_out(handle, now).is_none();
        found.filter(|handle| lives(*handle)).ok_or(ControlError::NoFlow)?;
        self.add(&flow, now, hints).map(|_| ()).map_err(|_| ControlError::Full)
    }

    /// Deletes the flow of such frames.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn delete_flow<H: Hints>(
        &mut self,
        matches: &Match,
        now: u64,
        hints: &H,
    ) -> Result<(), ControlError> {
        let key = self.pipeline().key(matches)?;
        let handle = self.flows().find(&key, hints).ok_or(ControlError::NoFlow)?;
        self.remove(handle, now, hints);
        Ok(())
    }

    /// Deletes all flows whose cookies have these bits where `mask` has ones; answers how many.
    pub fn delete_flows<H: Hints>(&mut self, cookie: u64, mask: u64, now: u64, hints: &H) -> usize {
        self.delete_where(now, hints, |_, _, state| (state.cookie ^ cookie) & mask == 0)
    }

    /// Deletes all flows from and to a network by its router, before that loses its port there;
    /// `network` is its place in the configuration. Answers how many.
    pub fn delete_flows_of<H: Hints>(&mut self, network: u16, now: u64, hints: &H) -> usize {
        let network = network.saturating_add(1);
        self.delete_where(now, hints, |router, key, _| router.passes(key, network))
    }

    fn delete_where<H: Hints>(
        &mut self,
        now: u64,
        hints: &H,
        goes: impl Fn(&Router<'a>, &FlowKey, &FlowState) -> bool,
    ) -> usize {
        let mut count = 0;
        for index in 0..self.flows().capacity() {
            let flow = |handle: Handle| self.flows().get(handle).map(|flow| (handle, flow));
            let found = self.flows().at(index).and_then(flow);
            if let Some((handle, (key, flow))) = found
                && goes(self.pipeline(), key, &flow.state)
            {
                self.remove(handle, now, hints);
                count += 1;
            }
        }
        count
    }

    /// Adds a flow as [`add_flow`](Self::add_flow) does, and lets the frames of a request go on by it,
    /// in the order of their arrival; into a full table by what it says. Answers how many there were.
    ///
    /// # Errors
    /// [`ControlError`], but not `Full`: the frames go on waiting.
    pub fn release<D, T: Trace<Router<'a>>>(
        &mut self,
        request: u64,
        spec: &FlowSpec,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) -> Result<usize, ControlError>
    where
        D: Platform<Buffer = B>,
    {
        let hints = platform.hints();
        let flow = self.pipeline().flow_of(spec, now)?;
        let full = self.add(&flow, now, &hints).is_err();
        let NewFlow { rewrite, egress, .. } = flow;
        let answer = Answer::Release { rewrite, egress, full };
        Ok(self.answer(request, &answer, now, platform, trace))
    }

    /// Ends the frames of a request. An address that nobody has is asked for no more until a second
    /// after it was asked for. Answers how many frames there were.
    pub fn refuse<D, T: Trace<Router<'a>>>(
        &mut self,
        request: u64,
        reason: DropReason,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) -> usize
    where
        D: Platform<Buffer = B>,
    {
        let asked = self.request(request).and_then(|punt| Some((punt.key?, punt.raised)));
        if let Some((key, raised)) = asked.filter(|_| reason == DropReason::NoHost) {
            let router = self.pipeline_mut();
            let image = router.policy.image(router.epoch);
            let port = image.port_of_id(key.ingress()).and_then(|port| image.port(port));
            let network = port.and_then(|port| image.network(port.network));
            let [_, destination] = key.addresses();
            if let Some(network) = network {
                router.absents.add(network.id, destination, raised);
            }
        }
        self.answer(request, &Answer::Drop(reason), now, platform, trace)
    }

    /// Sends a controller's frame, as if it had come in at `in_port`; no flow counts it.
    ///
    /// # Errors
    /// [`ControlError`]; the buffer is recycled.
    pub fn packet_out<D, T: Trace<Router<'a>>>(
        &mut self,
        buffer: B,
        (in_port, actions): (u16, &Actions),
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) -> Result<(), ControlError>
    where
        D: Platform<Buffer = B>,
    {
        match self.pipeline().way(in_port, actions) {
            Ok((ingress, mut rewrite, egress)) => {
                if rewrite.flags.contains(Flags::PUSH_OUTER) {
                    let port = source_port(buffer.bytes(), actions);
                    rewrite.tunnel.set_source_port(port);
                }
                self.emit(buffer, ingress, (&rewrite, egress), now, platform, trace);
                Ok(())
            }
            Err(error) => {
                platform.recycle(buffer);
                Err(error)
            }
        }
    }
}

impl PuntReason {
    /// That of a punt's number.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}
