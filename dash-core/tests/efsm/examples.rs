//! The four examples of the specification, and the bounds.

use dash_core::pipeline::efsm::{
    Action, Comparison, Condition, DropReason, Field, Operand, Operation, Program, Refused,
    Register, Row, Update,
};
use dash_hal::{PortId, ReceiveFlags, SoftwareHints};

use crate::{
    bench::{A, B, Bench, US},
    frames::{ipv4, ipv6, other},
    platform::arrived,
};

const R0: Register = Register::Flow(0);
const R1: Register = Register::Flow(1);
const G0: Register = Register::Global(0);

const fn of(register: Register) -> Operand {
    Operand::Register(register)
}

const fn set(to: Register, left: Operand, operation: Operation, right: u32) -> Update {
    Update { to, left, operation, right: Operand::Number(right) }
}

const ROW: Row<'static> = Row {
    state: None,
    matches: &[],
    conditions: [None; 4],
    next: 0,
    updates: &[],
    action: Action::Forward,
};

const PROGRAM: Program<'static> = Program {
    key: &[Field::Ipv4Source],
    conditions: &[],
    rows: &[ROW],
    forward: &[(A, B), (B, A)],
    idle_timeout: 0,
};

/// Ten frames pass.
const LIMITER: Program<'static> = Program {
    conditions: &[Condition {
        left: of(R0),
        comparison: Comparison::GreaterOrEqual,
        right: Operand::Number(10),
    }],
    rows: &[
        Row {
            state: Some(0),
            conditions: [Some(false), None, None, None],
            updates: &[set(R0, of(R0), Operation::Add, 1)],
            ..ROW
        },
        Row { state: Some(0), next: 1, action: Action::Drop, ..ROW },
        Row { state: Some(1), next: 1, action: Action::Drop, ..ROW },
    ],
    ..PROGRAM
};

/// One frame in 64 µs, and a burst of 65,440 µs: a window of time that each frame moves on.
const POLICER: Program<'static> = Program {
    conditions: &[
        Condition { left: Operand::Now, comparison: Comparison::GreaterOrEqual, right: of(R0) },
        Condition { left: Operand::Now, comparison: Comparison::LessOrEqual, right: of(R1) },
    ],
    rows: &[
        Row { state: Some(0), next: 1, updates: FROM_NOW, ..ROW },
        Row {
            state: Some(1),
            conditions: [Some(true), Some(true), None, None],
            next: 1,
            updates: &[set(R0, of(R0), Operation::Add, 64), set(R1, of(R1), Operation::Add, 64)],
            ..ROW
        },
        Row {
            state: Some(1),
            conditions: [Some(true), Some(false), None, None],
            next: 1,
            updates: FROM_NOW,
            ..ROW
        },
        Row { state: Some(1), next: 1, action: Action::Drop, ..ROW },
    ],
    ..PROGRAM
};

const FROM_NOW: &[Update] = &[
    set(R0, Operand::Now, Operation::Subtract, 65_440),
    set(R1, Operand::Now, Operation::Add, 64),
];

const fn knock(state: u16, matches: &'static [(Field, u128)]) -> Row<'static> {
    Row { state: Some(state), matches, next: state + 1, action: Action::Drop, ..ROW }
}

/// Port 22 passes after four others.
const KNOCKING: Program<'static> = Program {
    rows: &[
        knock(0, &[(Field::TcpDestinationPort, 2570)]),
        knock(1, &[(Field::TcpDestinationPort, 2827)]),
        knock(2, &[(Field::TcpDestinationPort, 3084)]),
        knock(3, &[(Field::TcpDestinationPort, 5555)]),
        Row { state: Some(4), matches: &[(Field::TcpDestinationPort, 22)], next: 4, ..ROW },
    ],
    ..PROGRAM
};

/// New flows go to the ports 10, 11, 10, …, and stay there.
const BALANCER: Program<'static> = Program {
    key: &[Field::Ipv4Source, Field::TcpSourcePort],
    conditions: &[Condition {
        left: of(G0),
        comparison: Comparison::Equal,
        right: Operand::Number(0),
    }],
    rows: &[
        Row {
            state: Some(0),
            conditions: [Some(true), None, None, None],
            next: 1,
            updates: &[set(G0, Operand::Number(1), Operation::Add, 0)],
            action: Action::Output(PortId(10)),
            ..ROW
        },
        Row {
            state: Some(0),
            next: 2,
            updates: &[set(G0, Operand::Number(0), Operation::Add, 0)],
            action: Action::Output(PortId(11)),
            ..ROW
        },
        Row { state: Some(1), next: 1, action: Action::Output(PortId(10)), ..ROW },
        Row { state: Some(2), next: 2, action: Action::Output(PortId(11)), ..ROW },
    ],
    ..PROGRAM
};

/// UDP from host 10.0.0.`host`.
fn udp(host: u8) -> Vec<u8> {
    ipv4(17, [host, 9], [1, 2], None)
}

/// TCP from host 10.0.0.`host` to a port.
fn tcp(host: u8, port: u16) -> Vec<u8> {
    ipv4(6, [host, 9], [1, port], None)
}

#[test]
fn flow_cache_s31() {
    let mut bench = Bench::new(LIMITER, 64);
    for host in [1, 2] {
        for _ in 0..10 {
            assert_eq!(bench.send(A, &udp(host)), Ok(B));
        }
        for _ in 0..3 {
            assert_eq!(bench.send(A, &udp(host)), Err(DropReason::Drop));
        }
    }

    let mut bench = Bench::new(POLICER, 64);
    for _ in 0..1024 {
        assert_eq!(bench.send(A, &udp(1)), Ok(B));
    }
    assert_eq!(bench.send(A, &udp(1)), Err(DropReason::Drop));
    assert_eq!(bench.send(B, &udp(2)), Ok(A), "another flow");
    // A frame in 64 µs is what it may have.
    for _ in 0..100 {
        bench.now += 64 * US;
        assert_eq!(bench.send(A, &udp(1)), Ok(B));
        assert_eq!(bench.send(A, &udp(1)), Err(DropReason::Drop));
    }
    // And a burst again after a rest.
    bench.now += 100_000 * US;
    for number in 0..1025 {
        assert_eq!(bench.send(A, &udp(1)).is_ok(), number < 1024);
    }

    let mut bench = Bench::new(KNOCKING, 64);
    let (right, wrong) = (Err(DropReason::Drop), Err(DropReason::Default));
    assert_eq!(bench.send(A, &tcp(1, 22)), wrong);
    assert!(bench.engine.flows().is_empty(), "without a row no flow");
    for port in [2570, 2827, 3084, 5555] {
        assert_eq!(bench.send(A, &tcp(1, 22)), wrong);
        assert_eq!(bench.send(A, &tcp(1, port)), right);
        // The state stays.
        assert_eq!(bench.send(A, &tcp(1, 80)), wrong);
    }
    assert_eq!(bench.send(A, &tcp(1, 22)), Ok(B));
    assert_eq!(bench.send(A, &tcp(2, 22)), wrong);
    for port in [2827, 2570, 5555, 3084] {
        bench.send(A, &tcp(2, port)).unwrap_err();
    }
    assert_eq!(bench.send(A, &tcp(2, 22)), wrong, "in this order");
}

#[test]
fn new_flows_go_round_and_stay() {
    let mut bench = Bench::new(BALANCER, 64);
    for round in 0..3 {
        for host in 0..6 {
            let to = PortId(10 + u16::from(host % 2));
            assert_eq!(bench.send(A, &tcp(host, 80)), Ok(to), "{round}");
        }
    }
}

#[test]
fn the_first_frame_counts_once() {
    let mut bench = Bench::new(LIMITER, 64);
    let name = [Some(0x0a00_0001)];
    bench.send(A, &udp(1)).unwrap();
    assert_eq!(bench.flow(&name).unwrap().1, 1);
    bench.send(A, &udp(1)).unwrap();
    assert_eq!(bench.flow(&name).unwrap().1, 2);
}

/// A flow without a place changes nothing, global registers neither.
#[test]
fn a_full_table_ends_new_flows() {
    let mut bench = Bench::new(BALANCER, 1);
    assert_eq!(bench.send(A, &tcp(1, 80)), Ok(PortId(10)));
    assert_eq!(bench.engine.pipeline().globals()[0], 1);
    assert_eq!(bench.send(A, &tcp(2, 80)), Err(DropReason::Full));
    assert_eq!(bench.send(A, &tcp(2, 80)), Err(DropReason::Full));
    assert_eq!(bench.engine.pipeline().globals()[0], 1);
    assert_eq!(bench.send(A, &tcp(1, 80)), Ok(PortId(10)));
}

#[test]
fn a_flow_begins_anew_after_its_time() {
    let mut bench = Bench::new(Program { idle_timeout: 1, ..LIMITER }, 64);
    for _ in 0..10 {
        bench.send(A, &udp(1)).unwrap();
    }
    bench.now += 1_000 * US;
    assert_eq!(bench.send(A, &udp(1)), Err(DropReason::Drop));
    bench.now += 1_000 * US + 1;
    assert_eq!(bench.send(A, &udp(1)), Ok(B));
}

/// What is wrong with a header takes nothing from those in front of it: the limiter counts the
/// frames of a source that spoils them.
#[test]
fn a_wrong_header_hides_no_other() {
    let mut bench = Bench::new(LIMITER, 64);
    let mut frames = [udp(1), udp(1), tcp(1, 80), tcp(1, 80), udp(1), tcp(1, 80)];
    // UDP lengths, data offsets, and datagrams too short for what they say to carry.
    (frames[0][39], frames[1][39], frames[2][46], frames[3][46]) = (7, 200, 0x40, 0xf0);
    (frames[4][17], frames[5][17]) = (27, 39);
    for number in 0..12 {
        let sent = bench.send(A, &frames[number % 6]);
        assert_eq!(sent.is_ok(), number < 10, "{number}");
    }
    assert_eq!(bench.flow(&[Some(0x0a00_0001)]).unwrap().1, 12);
    assert_eq!(bench.engine.flows().len(), 1);
    // The type of a tagged frame is that of what the tag is in front of.
    let of_type = Row { matches: &[(Field::EtherType, 0x0800)], ..ROW };
    let mut bench = Bench::new(Program { rows: vec![of_type].leak(), ..PROGRAM }, 64);
    let mut tagged = ipv4(17, [1, 2], [3, 4], Some(5));
    tagged[18] = 0x44;
    assert_eq!(bench.send(A, &tagged), Ok(B));
}

/// Nor does a wrong extension header hide the addresses.
#[test]
fn extension_headers_that_are_wrong() {
    let mut bench = Bench::new(Program { key: &[Field::Ipv6Source], ..PROGRAM }, 64);
    let right = ipv6(17, [1, 2], [3, 4]);
    assert_eq!(bench.send(A, &right), Ok(B));
    // Hop-by-hop options longer than the packet.
    let mut wrong = right;
    (wrong[14 + 6], wrong[14 + 41]) = (0, 200);
    assert_eq!(bench.send(A, &wrong), Ok(B));
    assert_eq!(bench.engine.flows().len(), 1);
    assert_eq!(bench.flow(&[Some(0xfd << 120 | 1)]).unwrap().1, 2);
}

#[test]
fn frames_that_are_cut_or_too_long_end() {
    let mut bench = Bench::new(PROGRAM, 64);
    let mut cut = arrived(&udp(1), A);
    cut.metadata.flags = ReceiveFlags::TRUNCATED;
    assert_eq!(bench.receive(cut), Err(DropReason::Truncated));
    let long = [udp(1), vec![0; 65_536 - 42]].concat();
    assert_eq!(bench.send(A, &long), Err(DropReason::Truncated));
    assert_eq!(bench.send(A, &long[1..]), Ok(B));
}

#[test]
fn frames_without_a_field_or_a_destination() {
    let mut bench = Bench::new(PROGRAM, 64);
    let mut zero = udp(1);
    zero[26..30].fill(0);
    assert_eq!(bench.send(A, &zero), Ok(B));
    assert_eq!(bench.send(A, &other(46)), Ok(B));
    // An address that is not there is not 0.0.0.0.
    assert_eq!(bench.engine.flows().len(), 2);
    assert_eq!(bench.send(PortId(7), &udp(1)), Err(DropReason::Drop));
    for length in 0..14 {
        assert_eq!(bench.send(A, &udp(1)[..length]), Err(DropReason::Truncated));
    }
    // A frame that ends in its IP header has fields of Ethernet only.
    assert_eq!(bench.send(A, &udp(1)[..30]), Ok(B));
    assert_eq!(bench.flow(&[None]).unwrap().1, 2);
}

#[test]
fn a_new_program_begins_anew() {
    let mut bench = Bench::new(BALANCER, 64);
    bench.send(A, &tcp(1, 80)).unwrap();
    bench.engine.pipeline_mut().configure(LIMITER).unwrap();
    assert_eq!(bench.engine.pipeline().globals(), &[0; 4]);
    assert_eq!(bench.send(A, &tcp(1, 80)), Ok(B));
    let now = bench.now;
    bench.engine.tick(now, 64, &SoftwareHints);
    assert_eq!(bench.engine.flows().len(), 1);
}

#[test]
fn a_program_keeps_its_bounds() {
    let condition = Condition { left: of(R0), comparison: Comparison::Equal, right: Operand::Now };
    let update = set(R0, of(R0), Operation::Add, 1);
    let with = |row: Row<'static>| Program { rows: vec![row].leak(), ..PROGRAM };
    let addresses = &[
        Field::Ipv6Source,
        Field::Ipv6Destination,
        Field::EthernetSource,
        Field::EthernetDestination,
        Field::Ipv4Source,
        Field::Ipv4Destination,
        Field::InPort,
    ];
    let wide = Operand::Field(Field::EthernetSource);
    let cases = [
        (PROGRAM, None),
        (Program { key: addresses, ..PROGRAM }, None),
        (Program { key: &[], ..PROGRAM }, None),
        (
            Program { key: [&addresses[..], &[Field::Ipv4Source]].concat().leak(), ..PROGRAM },
            Some(Refused::Key),
        ),
        (Program { conditions: vec![condition; 5].leak(), ..PROGRAM }, Some(Refused::Conditions)),
        (
            Program { conditions: vec![Condition { right: wide, ..condition }].leak(), ..PROGRAM },
            Some(Refused::Wide(Field::EthernetSource)),
        ),
        (
            Program { conditions: vec![Condition { left: wide, ..condition }].leak(), ..PROGRAM },
            Some(Refused::Wide(Field::EthernetSource)),
        ),
        (Program { rows: vec![ROW; 32].leak(), ..PROGRAM }, None),
        (Program { rows: vec![ROW; 33].leak(), ..PROGRAM }, Some(Refused::Rows)),
        (with(Row { updates: vec![update; 3].leak(), ..ROW }), None),
        (with(Row { updates: vec![update; 4].leak(), ..ROW }), Some(Refused::Updates)),
        (with(Row { matches: vec![(Field::InPort, 0); 18].leak(), ..ROW }), Some(Refused::Matches)),
        (
            with(Row { updates: vec![Update { to: Register::Flow(4), ..update }].leak(), ..ROW }),
            Some(Refused::Register),
        ),
        (
            with(Row { updates: vec![Update { left: wide, ..update }].leak(), ..ROW }),
            Some(Refused::Wide(Field::EthernetSource)),
        ),
        (with(Row { action: Action::Output(PortId(65_535)), ..ROW }), Some(Refused::Port)),
        (Program { forward: &[(A, PortId(65_535))], ..PROGRAM }, Some(Refused::Port)),
    ];
    for (program, refused) in cases {
        assert_eq!(dash_core::pipeline::efsm::Efsm::new(program).err(), refused);
    }
}
