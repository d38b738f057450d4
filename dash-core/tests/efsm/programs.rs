//! Random programs and frames against the interpreter.

use dash_core::pipeline::efsm::{
    Action, Comparison, Condition, Field, Operand, Operation, Program, Register, Row, Update,
};
use dash_hal::PortId;
use proptest::prelude::*;

use crate::{
    bench::{A, B, Bench, US},
    frames::{ipv4, ipv6, other},
    interpreter::{Interpreter, value},
};

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

fn whole() -> impl Strategy<Value = Vec<u8>> {
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

/// Some are cut, or have another number where a version, a length, an offset or a flag is.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let numbers = prop::sample::select(vec![0_u8, 0x20, 0x44, 0x45, 0x46, 0x4f, 0x50, 0x60, 7, 8]);
    let places = prop::sample::select(vec![14_usize, 17, 19, 20, 21, 39, 46, 58, 66]);
    let spoilt = (whole(), prop::option::of((places, numbers)), 0..30_usize);
    let spoilt = spoilt.prop_map(|(mut frame, change, cut)| {
        if let Some((place, number)) = change
            && let Some(octet) = frame.get_mut(place)
        {
            *octet = number;
        }
        frame.truncate(14.max(frame.len() - cut));
        frame
    });
    prop_oneof![3 => whole(), 1 => spoilt]
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
        let mut interpreter = Interpreter::new(program, places);
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
