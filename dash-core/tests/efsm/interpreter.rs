//! An interpreter of the specification's table, without any of the library's code.

use std::collections::HashMap;

use dash_core::pipeline::efsm::{
    Action, Comparison, DropReason, Field, Operand, Operation, Program, Register,
};
use dash_hal::PortId;

/// A field of the frames that are made here, from its offset on the wire; `None` where its header
/// is not there, or is impossible.
pub(crate) fn value(frame: &[u8], port: PortId, field: Field) -> Option<u128> {
    let number = |at: usize, length: usize| {
        let octets = frame.get(at..at + length)?;
        Some(octets.iter().fold(0, |number, octet| number << 8 | u128::from(*octet)))
    };
    let size = |at: usize, length: usize| number(at, length).map_or(0, |value| value as usize);
    let tagged = number(12, 2)? == 0x8100 && frame.len() >= 18;
    let kind = if tagged { 16 } else { 12 };
    let packet = kind + 2;
    let there = |end: usize| frame.len() >= end;
    let length = size(packet, 1) % 16 * 4;
    let total = size(packet + 2, 2);
    let v4 = size(kind, 2) == 0x0800
        && there(packet + 20)
        && size(packet, 1) / 16 == 4
        && length >= 20
        && total >= length
        && there(packet + total);
    let v6 = size(kind, 2) == 0x86dd
        && there(packet + 40)
        && size(packet, 1) / 16 == 6
        && there(packet + 40 + size(packet + 4, 2));
    let (protocol, upper, end) = if v4 {
        (size(packet + 9, 1), packet + length, packet + total)
    } else {
        (size(packet + 6, 1), packet + 40, packet + 40 + size(packet + 4, 2))
    };
    let fragment = if v4 { size(packet + 6, 2) & 0x3fff } else { 0 };
    let (first, later) = (fragment == 0x2000, fragment & 0x1fff != 0);
    // In a first fragment what is above may go on in the next.
    let fits = |bytes: usize| first || upper + bytes <= end;
    let above = |wanted: usize, header: usize| {
        (v4 || v6) && protocol == wanted && !later && upper + header <= end
    };
    let data = size(upper + 12, 1) / 16 * 4;
    let tcp = above(6, 20) && data >= 20 && fits(data);
    let udp = above(17, 8) && size(upper + 4, 2) >= 8 && fits(size(upper + 4, 2));
    let (there, at, length) = match field {
        Field::EthernetDestination => (true, 0, 6),
        Field::EthernetSource => (true, 6, 6),
        Field::EtherType => (true, kind, 2),
        Field::Vlan => (tagged, 14, 2),
        Field::Ipv4Source => (v4, packet + 12, 4),
        Field::Ipv4Destination => (v4, packet + 16, 4),
        Field::Ipv4Protocol => (v4, packet + 9, 1),
        Field::Ipv6Source => (v6, packet + 8, 16),
        Field::Ipv6Destination => (v6, packet + 24, 16),
        Field::Ipv6Next => (v6, packet + 6, 1),
        Field::TcpSourcePort => (tcp, upper, 2),
        Field::TcpDestinationPort => (tcp, upper + 2, 2),
        Field::TcpFlags => (tcp, upper + 13, 1),
        Field::UdpSourcePort => (udp, upper, 2),
        Field::UdpDestinationPort => (udp, upper + 2, 2),
        Field::FrameLength => return Some(frame.len() as u128),
        Field::InPort => return Some(port.0.into()),
    };
    let mask = if field == Field::Vlan { 0xfff } else { u128::MAX };
    if there { number(at, length).map(|value| value & mask) } else { None }
}

/// State, R0 to R3.
pub(crate) type Flow = (u16, [u32; 4]);

pub(crate) struct Interpreter<'a> {
    program: Program<'a>,
    pub(crate) flows: HashMap<Vec<Option<u128>>, Flow>,
    places: usize,
    pub(crate) globals: [u32; 4],
}

impl<'a> Interpreter<'a> {
    pub(crate) fn new(program: Program<'a>, places: usize) -> Self {
        Self { program, flows: HashMap::new(), places, globals: [0; 4] }
    }

    /// Where a frame leaves; or why it does not.
    pub(crate) fn frame(
        &mut self,
        frame: &[u8],
        port: PortId,
        micros: u32,
    ) -> Result<PortId, DropReason> {
        let of_frame = |field| value(frame, port, field);
        let key: Vec<_> = self.program.key.iter().map(|field| of_frame(*field)).collect();
        let known = self.flows.get(&key).copied();
        let (state, registers) = known.unwrap_or_default();
        let globals = self.globals;
        let read = |operand| match operand {
            Operand::Register(Register::Flow(n)) => Some(registers[usize::from(n)]),
            Operand::Register(Register::Global(n)) => Some(globals[usize::from(n)]),
            Operand::Now => Some(micros),
            Operand::Field(field) => of_frame(field).map(|value| value as u32),
            Operand::Number(number) => Some(number),
        };
        let holds: Vec<bool> = (0..4)
            .map(|n| {
                let Some(condition) = self.program.conditions.get(n) else { return false };
                let (Some(left), Some(right)) = (read(condition.left), read(condition.right))
                else {
                    return false;
                };
                match condition.comparison {
                    Comparison::Equal => left == right,
                    Comparison::Greater => left > right,
                    Comparison::GreaterOrEqual => left >= right,
                    Comparison::Less => left < right,
                    Comparison::LessOrEqual => left <= right,
                }
            })
            .collect();
        let matching = self.program.rows.iter().find(|row| {
            row.state.unwrap_or(state) == state
                && (0..4).all(|n| row.conditions[n].unwrap_or(holds[n]) == holds[n])
                && row.matches.iter().all(|(field, value)| of_frame(*field) == Some(*value))
        });
        let Some(row) = matching else { return Err(DropReason::Default) };
        if known.is_none() && self.flows.len() == self.places {
            return Err(DropReason::Full);
        }
        let (mut new_registers, mut new_globals) = (registers, globals);
        for update in row.updates {
            let (left, right) = (read(update.left).unwrap_or(0), read(update.right).unwrap_or(0));
            let (left, right) = (u64::from(left), u64::from(right));
            let result = match update.operation {
                Operation::Add => left + right,
                Operation::Subtract => left + (1 << 32) - right,
                Operation::ShiftRight => {
                    if right < 32 {
                        left >> right
                    } else {
                        0
                    }
                }
                Operation::ShiftLeft => {
                    if right < 32 {
                        left << right
                    } else {
                        0
                    }
                }
                Operation::Multiply => left.wrapping_mul(right),
            };
            match update.to {
                Register::Flow(n) => new_registers[usize::from(n)] = result as u32,
                Register::Global(n) => new_globals[usize::from(n)] = result as u32,
            }
        }
        self.flows.insert(key, (row.next, new_registers));
        self.globals = new_globals;
        let forward = || self.program.forward.iter().find(|(from, _)| *from == port);
        match row.action {
            Action::Drop => Err(DropReason::Drop),
            Action::Output(port) => Ok(port),
            Action::Forward => forward().map(|(_, to)| *to).ok_or(DropReason::Drop),
        }
    }
}
