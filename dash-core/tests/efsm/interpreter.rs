//! Random programs and frames against an interpreter of the specification's table.

use std::collections::HashMap;

use dash_core::pipeline::efsm::{
    Action, Comparison, Condition, DropReason, Field, Operand, Operation, Program, Register, Row,
    Update,
};
use dash_hal::PortId;
use proptest::prelude::*;

use crate::{
    bench::{A, B, Bench, US},
    frames::{ipv4, ipv6, other},
};

/// A field of the frames that are made here, from its offset on the wire.
fn value(frame: &[u8], port: PortId, field: Field) -> Option<u128> {
    let number = |at: usize, length: usize| {
        let octets = &frame[at..at + length];
        octets.iter().fold(0, |number, octet| number << 8 | u128::from(*octet))
    };
    let tagged = frame[12..14] == [0x81, 0];
    let kind = if tagged { 16 } else { 12 };
    let packet = kind + 2;
    let (v4, v6) = (number(kind, 2) == 0x0800, number(kind, 2) == 0x86dd);
    let (protocol, upper) = if v4 {
        (frame[packet + 9], packet + 20)
    } else if v6 {
        (frame[packet + 6], packet + 40)
    } else {
        (0, 0)
    };
    let (tcp, udp) = (protocol == 6, protocol == 17);
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
    there.then(|| number(at, length) & mask)
}

/// State, R0 to R3.
type Flow = (u16, [u32; 4]);

struct Interpreter {
    program: Program<'static>,
    flows: HashMap<Vec<Option<u128>>, Flow>,
    places: usize,
    globals: [u32; 4],
}

impl Interpreter {
    fn frame(&mut self, frame: &[u8], port: PortId, micros: u32) -> Result<PortId, DropReason> {
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

fn field() -> impl Strategy<Value = Field> {
    prop::sample::select(Field::ALL.to_vec())
}

fn register() -> impl Strategy<Value = Register> {
    (any::<bool>(), 0..4_u8)
        .prop_map(|(global, n)| if global { Register::Global(n) } else { Register::Flow(n) })
}

fn operand() -> impl Strategy<Value = Operand> {
    let numbers = prop_oneof![3 => 0..4_u32, 1 => any::<u32>(), 1 => 30..34_u32];
    prop_oneof![
        3 => register().prop_map(Operand::Register),
        1 => Just(Operand::Now),
        2 => field().prop_filter("narrow", |field| field.width() <= 4).prop_map(Operand::Field),
        2 => numbers.prop_map(Operand::Number),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let comparison = prop::sample::select(vec![
        Comparison::Equal,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
    ]);
    (operand(), comparison, operand()).prop_map(|(left, comparison, right)| Condition {
        left,
        comparison,
        right,
    })
}

fn update() -> impl Strategy<Value = Update> {
    let operation = prop::sample::select(vec![
        Operation::Add,
        Operation::Subtract,
        Operation::ShiftRight,
        Operation::ShiftLeft,
        Operation::Multiply,
    ]);
    (register(), operand(), operation, operand()).prop_map(|(to, left, operation, right)| Update {
        to,
        left,
        operation,
        right,
    })
}

/// A value that some of the frames have.
fn matching() -> impl Strategy<Value = (Field, u128)> {
    (field(), frame(), 0..3_u16)
        .prop_map(|(field, frame, port)| (field, value(&frame, PortId(port), field).unwrap_or(1)))
}

fn row() -> impl Strategy<Value = Row<'static>> {
    let action = prop_oneof![
        3 => Just(Action::Forward),
        1 => Just(Action::Drop),
        1 => (5..7_u16).prop_map(|port| Action::Output(PortId(port))),
    ];
    (
        prop::option::weighted(0.7, 0..3_u16),
        prop::collection::vec(matching(), 0..2),
        prop::array::uniform4(prop::option::weighted(0.3, any::<bool>())),
        0..3_u16,
        prop::collection::vec(update(), 0..=3),
        action,
    )
        .prop_map(|(state, matches, conditions, next, updates, action)| Row {
            state,
            matches: matches.leak(),
            conditions,
            next,
            updates: updates.leak(),
            action,
        })
}

fn program() -> impl Strategy<Value = Program<'static>> {
    (
        prop::collection::vec(field(), 0..4),
        prop::collection::vec(condition(), 0..=4),
        prop::collection::vec(row(), 0..12),
    )
        .prop_map(|(key, conditions, rows)| Program {
            key: key.leak(),
            conditions: conditions.leak(),
            rows: rows.leak(),
            forward: &[(A, B), (B, A)],
            idle_timeout: 0,
        })
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let protocol = || prop_oneof![Just(6_u8), Just(17)];
    let ends = || ([0..2_u8, 0..2], [0..2_u16, 0..2]);
    let tag = prop::option::weighted(0.3, prop_oneof![Just(5_u16), Just(0x2005)]);
    prop_oneof![
        4 => (protocol(), ends(), tag)
            .prop_map(|(protocol, (hosts, ports), tag)| ipv4(protocol, hosts, ports, tag)),
        2 => (protocol(), ends()).prop_map(|(protocol, (hosts, ports))| ipv6(protocol, hosts, ports)),
        1 => (46..48_usize).prop_map(other),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn frames_fare_as_in_the_interpreter(
        program in program(),
        places in prop_oneof![Just(3_usize), Just(64)],
        traffic in prop::collection::vec((frame(), 0..3_u16, 0..3_000_u64), 0..80),
    ) {
        let mut bench = Bench::new(program, places);
        let mut interpreter =
            Interpreter { program, flows: HashMap::new(), places, globals: [0; 4] };
        // Around the time at which 32 bits of microseconds begin anew.
        bench.now = (1 << 32) * US - 40_000;
        for (frame, port, wait) in traffic {
            bench.now += wait;
            let micros = (bench.now / US) as u32;
            let right = interpreter.frame(&frame, PortId(port), micros);
            prop_assert_eq!(bench.send(PortId(port), &frame), right);
            prop_assert_eq!(bench.engine.pipeline().globals(), &interpreter.globals);
        }
        prop_assert_eq!(bench.engine.flows().len(), interpreter.flows.len());
        for (key, (state, registers)) in &interpreter.flows {
            let (flow, _) = bench.flow(key).unwrap();
            prop_assert_eq!((flow.state, &flow.registers), (*state, registers));
        }
    }
}
