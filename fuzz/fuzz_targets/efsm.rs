//! A program of a state machine from any bytes, and frames for it: what exceeds a bound is refused whole,
//! and what is taken does as the interpreter of the tests.
#![no_main]
// The tests use more of these modules.
#![allow(dead_code)]

#[path = "../../dash-core/tests/efsm/bench.rs"]
mod bench;
#[path = "../../dash-core/tests/efsm/frames.rs"]
mod frames;
#[path = "../../dash-core/tests/efsm/interpreter.rs"]
mod interpreter;
#[path = "../../dash-core/tests/platform/mod.rs"]
mod platform;

use dash_core::pipeline::efsm::{
    Action, Comparison, Condition, Field, Operand, Operation, Program, Register, Row, Update,
};
use dash_hal::PortId;
use libfuzzer_sys::fuzz_target;

use bench::{A, B, Bench, Storage, US};
use frames::{ipv4, ipv6, other};
use interpreter::Interpreter;

/// Bytes to make things of; zeros behind their end.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Small, rarely anything.
    fn number(&mut self) -> u32 {
        match self.byte() {
            small @ 0..0xf0 => u32::from(small % 40),
            _ => u32::from_be_bytes([0; 4].map(|_: u8| self.byte())),
        }
    }

    fn list<T>(&mut self, most: u8, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.byte() % (most + 1);
        (0..count).map(|_| make(self)).collect()
    }

    fn field(&mut self) -> Field {
        Field::ALL[usize::from(self.byte()) % Field::COUNT]
    }

    /// Sometimes one that is not there.
    fn register(&mut self) -> Register {
        let byte = self.byte();
        let number = if byte < 0xf0 { byte & 3 } else { byte };
        if byte & 4 == 0 { Register::Flow(number) } else { Register::Global(number) }
    }

    fn operand(&mut self) -> Operand {
        match self.byte() % 4 {
            0 => Operand::Register(self.register()),
            1 => Operand::Now,
            2 => Operand::Field(self.field()),
            _ => Operand::Number(self.number()),
        }
    }

    fn condition(&mut self) -> Condition {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
        let all = [Equal, Greater, GreaterOrEqual, Less, LessOrEqual];
        let comparison = all[usize::from(self.byte()) % all.len()];
        Condition { left: self.operand(), comparison, right: self.operand() }
    }

    fn update(&mut self) -> Update {
        use Operation::{Add, Multiply, ShiftLeft, ShiftRight, Subtract};
        let all = [Add, Subtract, ShiftRight, ShiftLeft, Multiply];
        let operation = all[usize::from(self.byte()) % all.len()];
        Update { to: self.register(), left: self.operand(), operation, right: self.operand() }
    }

    fn port(&mut self) -> PortId {
        let byte = self.byte();
        PortId(if byte == 255 { 65_535 } else { u16::from(byte % 4) })
    }

    fn action(&mut self) -> Action {
        match self.byte() % 4 {
            0 | 1 => Action::Forward,
            2 => Action::Drop,
            _ => Action::Output(self.port()),
        }
    }

    fn frame(&mut self) -> Vec<u8> {
        let (kind, hosts, ports) = (self.byte(), self.byte(), self.byte());
        let protocol = if kind & 4 == 0 { 6 } else { 17 };
        let hosts = [hosts & 1, hosts >> 1 & 1];
        let ports = [u16::from(ports & 1), u16::from(ports >> 1 & 1)];
        match kind & 3 {
            0 => ipv4(protocol, hosts, ports, None),
            1 => ipv4(protocol, hosts, ports, Some(u16::from(kind >> 3))),
            2 => ipv6(protocol, hosts, ports),
            _ => other(usize::from(kind >> 3)),
        }
    }
}

/// What the slices of rows hold.
type Parts = (Vec<(Field, u128)>, Vec<Update>);

struct Parsed {
    key: Vec<Field>,
    conditions: Vec<Condition>,
    parts: Vec<Parts>,
    forward: Vec<(PortId, PortId)>,
}

impl Parsed {
    fn new(source: &mut Source<'_>) -> Self {
        Self {
            key: source.list(8, Source::field),
            conditions: source.list(5, Source::condition),
            parts: source.list(35, |source| {
                let matches = source.list(2, |source| (source.field(), source.number().into()));
                (matches, source.list(4, Source::update))
            }),
            forward: source.list(3, |source| (source.port(), source.port())),
        }
    }

    fn rows(&self, source: &mut Source<'_>) -> Vec<Row<'_>> {
        let rows = self.parts.iter().map(|(matches, updates)| {
            let wanted = source.byte();
            let condition = |n: u8| match wanted >> (2 * n) & 3 {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            };
            Row {
                state: Some(u16::from(source.byte() % 4)).filter(|state| *state < 3),
                matches,
                conditions: [0, 1, 2, 3].map(condition),
                next: u16::from(source.byte() % 3),
                updates,
                action: source.action(),
            }
        });
        rows.collect()
    }

    fn program<'a>(&'a self, rows: &'a [Row<'a>], idle_timeout: u32) -> Program<'a> {
        let Self { key, conditions, forward, .. } = self;
        Program { key, conditions, rows, forward, idle_timeout }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut source = Source(bytes);
    let (one, other) = (Parsed::new(&mut source), Parsed::new(&mut source));
    let (rows, other_rows) = (one.rows(&mut source), other.rows(&mut source));
    let (program, other) = (one.program(&rows, 0), other.program(&other_rows, 0));
    let mut storage = Storage::new(4);
    let Ok(mut bench) = Bench::on(&mut storage, program) else { return };
    let mut interpreter = Interpreter::new(program, 4);
    let mut replaced = false;
    while !source.0.is_empty() {
        let (wait, port) = (source.byte(), PortId(u16::from(source.byte() % 3)));
        if wait == 255 && !replaced {
            // Refused, it changes nothing; else all begins anew, with the flows of before in the way.
            replaced = bench.engine.pipeline_mut().configure(other).is_ok();
            if replaced {
                return;
            }
            continue;
        }
        bench.now += u64::from(wait) * US / 2;
        let mut frame = source.frame();
        let spoil = source.byte();
        if spoil >= 0xc0 && frame.len() > 14 {
            // Any byte behind the MAC addresses and the type; what it says is the interpreter's own
            // reading, but for extension headers, which it does not walk.
            let place = 14 + usize::from(source.byte()) % (frame.len() - 13);
            let v6 = frame[12] == 0x86 || frame.get(16) == Some(&0x86);
            if let Some(octet) = frame.get_mut(place).filter(|_| !v6 && place > 17) {
                *octet = source.byte();
            }
            frame.truncate(14.max(frame.len().saturating_sub(usize::from(spoil & 15))));
        }
        let right = interpreter.frame(&frame, port, (bench.now / US) as u32);
        assert_eq!(bench.send(port, &frame), right);
        assert_eq!(bench.engine.pipeline().globals(), &interpreter.globals);
    }
    assert_eq!(bench.engine.flows().len(), interpreter.flows.len());
    assert_eq!((A, B), (PortId(0), PortId(1)));
});
