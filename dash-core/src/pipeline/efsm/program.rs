//! A program: what it may say, and what a frame does to it.
//!
//! The parts are plain data in slices of the caller's, at most [`ROWS`] rows of [`UPDATES`] updates
//! and [`CONDITIONS`] conditions, which bounds the work for a frame.

use dash_hal::PortId;

use super::{
    FlowState,
    field::{Field, Fields},
    key::FlowKey,
};
use crate::flow::Egress;

/// Rows of a program at most: those of the hardware that the machine was made for.
pub const ROWS: usize = 32;
/// Conditions of a program.
pub const CONDITIONS: usize = 4;
/// Updates of a row.
pub const UPDATES: usize = 3;
/// Fields that a row compares.
pub const MATCHES: usize = Field::COUNT;
/// Registers of a flow, and global ones.
pub const REGISTERS: usize = 4;

/// Registers of one kind.
pub type Registers = [u32; REGISTERS];

/// A register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// R0 to R3, of the flow.
    Flow(u8),
    /// G0 to G3, of all flows.
    Global(u8),
}

/// What is compared or computed with: 32 bits, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A register.
    Register(Register),
    /// The low 32 bits of the time in microseconds.
    Now,
    /// A field of at most 4 bytes.
    Field(Field),
    /// A number.
    Number(u32),
}

/// How two operands are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// ==
    Equal,
    /// >
    Greater,
    /// >=
    GreaterOrEqual,
    /// <
    Less,
    /// <=
    LessOrEqual,
}

/// A condition. It is false when the frame lacks a field that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Left of the sign.
    pub left: Operand,
    /// The sign.
    pub comparison: Comparison,
    /// Right of the sign.
    pub right: Operand,
}

/// How two operands are combined, modulo 2^32. A shift by 32 or more gives 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// +
    Add,
    /// -
    Subtract,
    /// >>
    ShiftRight,
    /// <<
    ShiftLeft,
    /// x
    Multiply,
}

/// A change of a register. A field that the frame lacks counts as 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// What is written.
    pub to: Register,
    /// Left of the sign.
    pub left: Operand,
    /// The sign.
    pub operation: Operation,
    /// Right of the sign.
    pub right: Operand,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It leaves by the port that [`Program::forward`] says.
    Forward,
    /// It ends.
    Drop,
    /// It leaves by this port.
    Output(PortId),
}

/// A row: when it applies, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The state that the flow is in; `None`: any.
    pub state: Option<u16>,
    /// Values that fields have. A field that the frame lacks has none.
    pub matches: &'a [(Field, u128)],
    /// What the conditions are; `None`: either.
    pub conditions: [Option<bool>; CONDITIONS],
    /// The state that the flow is in afterwards.
    pub next: u16,
    /// Changes of registers, in order: each reads what was there before the frame, and of several
    /// that write one register the last one counts.
    pub updates: &'a [Update],
    /// What becomes of the frame.
    pub action: Action,
}

/// A state machine.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// The fields that name a flow. Without any all frames are of one flow.
    pub key: &'a [Field],
    /// c0 to c3.
    pub conditions: &'a [Condition],
    /// Rows; the first that applies is taken.
    pub rows: &'a [Row<'a>],
    /// Where frames of each port go that are forwarded.
    pub forward: &'a [(PortId, PortId)],
    /// When a flow without frames ends, ms; 0: never.
    pub idle_timeout: u32,
}

/// Why a program is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The values of the fields of the key take more than 56 bytes.
    Key,
    /// More than four conditions.
    Conditions,
    /// More than 32 rows.
    Rows,
    /// A row has more than three updates.
    Updates,
    /// A row compares more fields than there are.
    Matches,
    /// There are four registers of a kind.
    Register,
    /// An operand has more than 32 bits.
    Wide(Field),
    /// No frame can be sent to a port of number 65,535.
    Port,
}

impl Program<'_> {
    /// Whether it keeps the bounds.
    pub(super) fn check(&self) -> Result<(), Refused> {
        let port = |port| if Egress::to(port).is_some() { Ok(()) } else { Err(Refused::Port) };
        let bounds = [
            (FlowKey::has_room(self.key), Refused::Key),
            (self.conditions.len() <= CONDITIONS, Refused::Conditions),
            (self.rows.len() <= ROWS, Refused::Rows),
            (self.rows.iter().all(|row| row.updates.len() <= UPDATES), Refused::Updates),
            (self.rows.iter().all(|row| row.matches.len() <= MATCHES), Refused::Matches),
        ];
        if let Some((_, why)) = bounds.into_iter().find(|(holds, _)| !holds) {
            return Err(why);
        }
        for condition in self.conditions {
            condition.left.check()?;
            condition.right.check()?;
        }
        for row in self.rows {
            if let Action::Output(to) = row.action {
                port(to)?;
            }
            for update in row.updates {
                update.to.check()?;
                update.left.check()?;
                update.right.check()?;
            }
        }
        self.forward.iter().try_for_each(|(_, to)| port(*to))
    }
}

impl Register {
    const fn check(self) -> Result<(), Refused> {
        let (Self::Flow(number) | Self::Global(number)) = self;
        if (number as usize) < REGISTERS { Ok(()) } else { Err(Refused::Register) }
    }
}

impl Operand {
    fn check(self) -> Result<(), Refused> {
        match self {
            Self::Register(register) => register.check(),
            Self::Field(field) if field.width() > size_of::<u32>() => Err(Refused::Wide(field)),
            Self::Field(_) | Self::Now | Self::Number(_) => Ok(()),
        }
    }
}

/// What a frame meets: its fields, the registers before it, the time.
#[derive(Clone, Copy)]
pub(super) struct Moment<'f> {
    pub(super) fields: Fields<'f>,
    pub(super) flow: FlowState,
    pub(super) globals: Registers,
    /// Nanoseconds.
    pub(super) now: u64,
}

/// What a row makes of it.
#[derive(Clone, Copy)]
pub(super) struct Outcome {
    /// Number of the row.
    pub(super) row: usize,
    pub(super) flow: FlowState,
    pub(super) globals: Registers,
    pub(super) action: Action,
}

/// In a microsecond.
const NANOSECONDS: u64 = 1_000;

impl Moment<'_> {
    fn value(&self, operand: Operand) -> Option<u32> {
        match operand {
            Operand::Register(Register::Flow(number)) => {
                self.flow.registers.get(usize::from(number)).copied()
            }
            Operand::Register(Register::Global(number)) => {
                self.globals.get(usize::from(number)).copied()
            }
            Operand::Now => Some((self.now / NANOSECONDS) as u32),
            Operand::Field(field) => self.fields.get(field).map(|value| value as u32),
            Operand::Number(number) => Some(number),
        }
    }

    fn holds(&self, condition: &Condition) -> bool {
        let (left, right) = (self.value(condition.left), self.value(condition.right));
        let (Some(left), Some(right)) = (left, right) else { return false };
        match condition.comparison {
            Comparison::Equal => left == right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
        }
    }

    /// Which of the program's conditions hold.
    pub(super) fn conditions(&self, program: &Program<'_>) -> [bool; CONDITIONS] {
        let mut hold = [false; CONDITIONS];
        for (holds, condition) in hold.iter_mut().zip(program.conditions) {
            *holds = self.holds(condition);
        }
        hold
    }

    /// What the first row that applies makes of it.
    pub(super) fn run(
        &self,
        program: &Program<'_>,
        conditions: [bool; CONDITIONS],
    ) -> Option<Outcome> {
        let (number, row) = program.rows.iter().enumerate().find(|(_, row)| {
            let mut wanted = row.conditions.iter().zip(conditions);
            row.state.is_none_or(|state| state == self.flow.state)
                && wanted.all(|(wanted, holds)| wanted.is_none_or(|wanted| wanted == holds))
                && row.matches.iter().all(|(field, value)| self.fields.get(*field) == Some(*value))
        })?;
        let (mut registers, mut globals) = (self.flow.registers, self.globals);
        for update in row.updates {
            let [left, right] =
                [update.left, update.right].map(|operand| self.value(operand).unwrap_or(0));
            let value = match update.operation {
                Operation::Add => left.wrapping_add(right),
                Operation::Subtract => left.wrapping_sub(right),
                Operation::ShiftRight => left.checked_shr(right).unwrap_or(0),
                Operation::ShiftLeft => left.checked_shl(right).unwrap_or(0),
                Operation::Multiply => left.wrapping_mul(right),
            };
            let place = match update.to {
                Register::Flow(number) => registers.get_mut(usize::from(number)),
                Register::Global(number) => globals.get_mut(usize::from(number)),
            };
            if let Some(place) = place {
                *place = value;
            }
        }
        let flow = FlowState { state: row.next, registers };
        Some(Outcome { row: number, flow, globals, action: row.action })
    }
}
