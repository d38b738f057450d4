//! State machines as data: extended finite state machines (EFSM), one for each flow.
//!
//! A program chooses the fields that name a flow. Each flow has a state and four registers, and all
//! share four more; up to four conditions and 32 rows say what a frame changes and where it goes.
//! Source: `FlowBlaze` (Pontarelli and others, NSDI 2019) and `FlowBlaze.p4`. Unlike there keys are
//! stored whole, so flows never share a state.
//!
//! It is the one interpreter of this library: cost of a frame is at most four conditions and 32 rows
//! beside the flow look-up. Memory is that of the flow table, 256 bytes a flow.
//!
//! A frame without a row changes nothing and ends as `efsm_default`; as the first of its flow it
//! makes none. A new flow that finds no place ends as `efsm_full`, when the flow table is
//! [set](crate::flow::WhenFull) to drop, and changes nothing. Where the texts are silent: a field of
//! the key that a frame lacks has no value, which is not 0; a condition on a field that the frame
//! lacks is false, and an update reads 0; a header that is wrong is one that the frame lacks, and those
//! in front of it count; frames that are forwarded from a port without a
//! destination end as `efsm_drop`. Global registers are one core's own.

mod drop_reason;
mod field;
mod key;
mod program;

use dash_hal::{Hints, PacketBuffer, PortId, ReceiveFlags};

pub use self::{
    drop_reason::DropReason,
    field::{Field, Layers},
    key::FlowKey,
    program::{
        Action, CONDITIONS, Comparison, Condition, MATCHES, Operand, Operation, Program, REGISTERS,
        ROWS, Refused, Register, Registers, Row, UPDATES, Update,
    },
};

use self::{field::Fields, program::Moment};
use super::{Cause, Decision, End, Lookup, Name, Pipeline, Step, Trace, Uncached, Verdict};
use crate::{
    flow::{Egress, FlowMut, Install, NewFlow, State, Timeouts},
    packet::{Entering, Packet},
    rewrite::Rewrite,
    wire::Edges,
};

/// What the pipeline keeps in a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowState {
    /// State; 0 at first.
    pub state: u16,
    /// R0 to R3; 0 at first.
    pub registers: Registers,
}

impl State for FlowState {
    const EMPTY: Self = Self { state: 0, registers: [0; REGISTERS] };
}

/// What a frame did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The name of its flow.
    Key(FlowKey),
    /// The row that applied, if one did.
    Row {
        /// Which conditions held.
        conditions: [bool; CONDITIONS],
        /// Its number, from 0.
        row: Option<usize>,
        /// The flow before.
        before: FlowState,
        /// The flow after.
        after: FlowState,
        /// G0 to G3 after.
        globals: Registers,
    },
}

/// The service on one core.
#[derive(Debug)]
pub struct Efsm<'a> {
    program: Program<'a>,
    epoch: u32,
    globals: Registers,
    /// What they were before the last frame that asked for a flow.
    globals_before: Registers,
    drops: [u64; DropReason::COUNT],
}

impl<'a> Efsm<'a> {
    /// A service without traffic.
    ///
    /// # Errors
    /// The program exceeds a bound.
    pub fn new(program: Program<'a>) -> Result<Self, Refused> {
        program.check()?;
        let (globals, drops) = ([0; REGISTERS], [0; DropReason::COUNT]);
        Ok(Self { program, epoch: 0, globals, globals_before: globals, drops })
    }

    /// Replaces the program. Flows from before are not found, and the sweep removes them; global
    /// registers are 0.
    ///
    /// # Errors
    /// The program exceeds a bound; the old one stays.
    pub fn configure(&mut self, program: Program<'a>) -> Result<(), Refused> {
        program.check()?;
        self.program = program;
        self.epoch = self.epoch.wrapping_add(1);
        self.globals = [0; REGISTERS];
        Ok(())
    }

    /// The program.
    #[must_use]
    pub const fn program(&self) -> &Program<'a> {
        &self.program
    }

    /// G0 to G3.
    #[must_use]
    pub const fn globals(&self) -> &Registers {
        &self.globals
    }

    /// Frames dropped for `reason`.
    #[must_use]
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops.get(reason as usize).copied().unwrap_or(0)
    }

    /// Runs the program for a frame; `None`: no row applies.
    fn run<T: Trace<Self>>(
        &mut self,
        fields: Fields<'_>,
        flow: FlowState,
        now: u64,
        trace: &mut T,
    ) -> Option<(FlowState, Action)> {
        let moment = Moment { fields, flow, globals: self.globals, now };
        let conditions = moment.conditions(&self.program);
        let outcome = moment.run(&self.program, conditions);
        trace.stage(|| Event::Row {
            conditions,
            row: outcome.map(|outcome| outcome.row),
            before: flow,
            after: outcome.map_or(flow, |outcome| outcome.flow),
            globals: outcome.map_or(self.globals, |outcome| outcome.globals),
        });
        let outcome = outcome?;
        self.globals = outcome.globals;
        Some((outcome.flow, outcome.action))
    }

    /// Where a frame leaves; `None`: it ends.
    fn leaves(&self, action: Action, ingress: PortId) -> Option<PortId> {
        match action {
            Action::Drop => None,
            Action::Output(port) => Some(port),
            Action::Forward => {
                let to = self.program.forward.iter().find(|(from, _)| *from == ingress);
                to.map(|(_, to)| *to)
            }
        }
    }
}

impl Pipeline for Efsm<'_> {
    type Key = FlowKey;
    type State = FlowState;
    type Context = Layers;
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
        let truncated = metadata.flags.contains(ReceiveFlags::TRUNCATED);
        let Some(context) = Layers::new(bytes).filter(|_| !truncated) else {
            name.lookup = Some(Lookup::Drop { context: None, reason: DropReason::Truncated });
            return;
        };
        name.edges = Edges::of_ethernet(bytes.len() as u16);
        let fields = Fields::new(bytes, context, ingress);
        name.key = FlowKey::new(self.epoch, self.program.key, &fields);
        trace.stage(|| Event::Key(name.key));
        // The key has the epoch.
        name.lookup = Some(Lookup::Flow { context, epoch: 0 });
    }

    fn slow<B: PacketBuffer, H: Hints, T: Trace<Self>>(
        &mut self,
        packet: &mut Packet<'_, B>,
        context: &Layers,
        cause: Cause<'_, FlowKey>,
        now: u64,
        _hints: &H,
        trace: &mut T,
    ) -> Decision<Self> {
        self.globals_before = self.globals;
        let fields = Fields::new(packet.buffer.bytes(), *context, packet.ingress);
        let Some((state, action)) = self.run(fields, FlowState::EMPTY, now, trace) else {
            return Decision::drop(DropReason::Default);
        };
        let verdict = match self.leaves(action, packet.ingress).and_then(Egress::to) {
            Some(egress) => Verdict::Reply { egress },
            None => Verdict::Drop(DropReason::Drop),
        };
        let timeouts = Timeouts { idle: self.program.idle_timeout, hard: 0 };
        let (rewrite, egress) = (Rewrite::NONE, Egress::INGRESS);
        let install = cause.key().map_or(Install::None, |key| {
            Install::One(NewFlow { key: *key, rewrite, egress, state, timeouts })
        });
        Decision { verdict, install, copies: false }
    }

    fn step<B: PacketBuffer, T: Trace<Self>>(
        &mut self,
        packet: &mut Packet<'_, B>,
        context: &Layers,
        flow: &mut FlowMut<'_, FlowState>,
        now: u64,
        trace: &mut T,
    ) -> Step<DropReason> {
        let fields = Fields::new(packet.buffer.bytes(), *context, packet.ingress);
        let Some((state, action)) = self.run(fields, flow.state, now, trace) else {
            return Step::Drop(DropReason::Default);
        };
        flow.state = state;
        match self.leaves(action, packet.ingress) {
            Some(port) => Step::Pass(port),
            None => Step::Drop(DropReason::Drop),
        }
    }

    fn epoch(&self, key: &FlowKey) -> Option<u32> {
        (key.epoch() == self.epoch).then_some(0)
    }

    fn count(&mut self, _context: Option<&Layers>, _received: usize, end: End<DropReason>) {
        if let End::Dropped(reason) = end
            && let Some(count) = self.drops.get_mut(reason as usize)
        {
            *count += 1;
        }
    }

    fn count_uncached(&mut self, _context: &Layers, _why: Uncached) {
        self.globals = self.globals_before;
    }
}
