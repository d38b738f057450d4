//! A firmware in a thread: the protocol over sockets, the engine on the host's buffers.

// Each test binary uses its own part.
#![allow(dead_code, unreachable_pub)]

use std::{
    io::BufReader,
    mem::MaybeUninit,
    os::unix::net::UnixStream,
    sync::{
        atomic::AtomicU32,
        mpsc::{self, SyncSender},
    },
    thread::JoinHandle,
    time::Duration,
};

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowSettings, FlowTable},
    pipeline::vnet::{
        EniCounters, FlowKey, FlowState, Vnet,
        policy::{PolicyError, PolicyWriter},
    },
    rewrite::NextHop,
    table::{
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{
    Burst, PacketBuffer, Platform, PortId, ReceiveFlags, ReceiveMetadata, SoftwareHints,
};
use dash_host::{
    config::{difference::Difference, image::Image},
    plan::Plan,
    platform::{HostBuffer, HostPlatform},
};
use dash_protocol::{
    Answer, Changes, DATA_PORTS, EniStatistics, FLOWS_PER_ANSWER, FlowEntry, Hello, MESSAGE,
    PortProgress, Refusal, Request, Stamp, Start, drop_counts, encode,
};
use dash_runner::{
    cli::Args,
    wire::{self, Wires},
};

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It never comes up.
    Silent,
    /// It speaks another version.
    Version,
    /// It takes nothing more once it has so many frames.
    HangsAt(u64),
    /// It ends once it has so many frames.
    EndsAt(u64),
    /// It answers, but no frame gets on once it has so many.
    StuckAt(u64),
    /// It counts a frame as sent that it does not send.
    Loses,
    /// It sends a frame without a stamp.
    NoStamp,
    /// It answers something else.
    Babbles,
    /// It refuses whatever is committed.
    Rejects,
    /// It has less room.
    Small,
}

pub const HELLO: Hello =
    Hello { frame: 10_000, flows: 1 << 16, transaction: 1 << 18, rules: 1 << 20 };

/// The host's ends of a firmware's sockets, and the firmware.
pub fn boot(args: &Args, fault: Fault) -> (Wires, JoinHandle<()>) {
    let (control, firmware_control) = UnixStream::pair().unwrap();
    let pairs = [(); DATA_PORTS].map(|()| UnixStream::pair().unwrap());
    let (data, firmware_data) = pairs.into_iter().unzip();
    let plan = Plan::read(&args.input).unwrap();
    let firmware = std::thread::spawn(move || {
        let wires = Wires { control: firmware_control, data: firmware_data };
        // Its sockets close when it ends.
        let _ = serve(&wires, &plan, fault);
        for stream in wires.data.iter().chain([&wires.control]) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    });
    (Wires { control, data }, firmware)
}

/// What comes in.
enum Input {
    Frame(PortId, Vec<u8>),
    Message(Vec<u8>),
}

/// Why it ends: a socket was closed, or it was asked to.
struct End;

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

fn serve(wires: &Wires, plan: &Plan, fault: Fault) -> Result<(), End> {
    // Few places, so that it holds the host back.
    let (sender, inputs) = mpsc::sync_channel(16);
    let listen = |stream: &UnixStream, input: fn(PortId, Vec<u8>) -> Input, port| {
        let mut stream = BufReader::new(stream.try_clone().unwrap());
        let sender: SyncSender<Input> = sender.clone();
        std::thread::spawn(move || {
            while let Ok(bytes) = wire::receive(&mut stream) {
                if sender.send(input(port, bytes)).is_err() {
                    return;
                }
            }
        });
    };
    listen(&wires.control, |_, bytes| Input::Message(bytes), PortId(0));
    for (port, stream) in (0..).map(PortId).zip(&wires.data) {
        listen(stream, Input::Frame, port);
    }
    drop(sender);
    let answer = |answer: &Answer| {
        let mut buffer = [0; MESSAGE];
        wire::send(&wires.control, &[answer.encode(&mut buffer).unwrap()])
    };
    match inputs.recv() {
        Ok(Input::Message(message)) if Request::decode(&message) == Ok(Request::Hello) => {}
        _ => return Err(End),
    }
    match fault {
        Fault::Silent => {
            for _ in &inputs {}
            return Err(End);
        }
        Fault::Version => {
            let mut buffer = [0; MESSAGE];
            let mut hello = Answer::Hello(HELLO).encode(&mut buffer).unwrap().to_vec();
            hello[1] ^= 0x80;
            wire::send(&wires.control, &[&hello])?;
        }
        Fault::Small => {
            answer(&Answer::Hello(Hello { frame: 9114, flows: 10, transaction: 8, ..HELLO }))?;
        }
        _ => answer(&Answer::Hello(HELLO))?,
    }
    let start = loop {
        let Input::Message(message) = inputs.recv().map_err(|_| End)? else { continue };
        match Request::decode(&message) {
            Ok(Request::Start(start)) => break start,
            _ => answer(&Answer::Refused(Refusal::Order))?,
        }
    };
    let mut memory = Memory::new(plan, &start);
    let mut session = Session::new(&mut memory, plan, &start, fault);
    answer(&session.started)?;
    for input in inputs {
        match input {
            Input::Frame(port, frame) => {
                for (port, frame) in session.frame(port, &frame)? {
                    wire::send(&wires.data[usize::from(port.0)], &[&frame])?;
                }
            }
            Input::Message(message) => {
                let request = Request::decode(&message).unwrap();
                answer(&session.handle(&request))?;
                if request == Request::Stop {
                    break;
                }
            }
        }
    }
    Ok(())
}

struct Memory {
    words: Vec<AtomicU32>,
    buckets: Vec<Bucket>,
    slots: Vec<Slot<FlowKey, Flow<FlowState>>>,
    next_hops: Vec<NextHop>,
    enis: Vec<EniCounters>,
}

impl Memory {
    fn new(plan: &Plan, start: &Start) -> Self {
        let flows = start.flows as usize;
        let buckets = FlowTable::<FlowKey, FlowState>::buckets_for(flows);
        Self {
            words: (0..plan.capacity.words()).map(|_| AtomicU32::new(0)).collect(),
            buckets: vec![Bucket::EMPTY; buckets],
            slots: vec![Slot::empty(Flow::EMPTY); flows],
            next_hops: vec![NextHop::FREE; 64],
            enis: vec![EniCounters::ZERO; plan.names.enis.len()],
        }
    }
}

struct Session<'a> {
    engine: Engine<'a, Vnet<'a>, HostBuffer>,
    writer: PolicyWriter<'a>,
    platform: HostPlatform,
    started: Answer,
    transaction: Vec<u8>,
    ports: [PortProgress; DATA_PORTS],
    fault: Fault,
    lost: bool,
}

fn apply(writer: &mut PolicyWriter<'_>, bytes: &[u8]) -> Answer {
    let mut memory = vec![MaybeUninit::uninit(); Changes::memory(bytes).unwrap()];
    match Changes::decode(bytes, &mut memory) {
        Ok(changes) => writer.apply(changes).map_or_else(Answer::from, |()| Answer::Done),
        Err(error) => Answer::Refused(Refusal::Damaged(error)),
    }
}

impl<'a> Session<'a> {
    fn new(memory: &'a mut Memory, plan: &Plan, start: &Start, fault: Fault) -> Self {
        let readers = Readers::new(&[]);
        let mut writer = PolicyWriter::new(&memory.words, &plan.capacity, [1, 2], readers).unwrap();
        let mut flows =
            FlowTable::new(&mut memory.buckets, &mut memory.slots, &mut memory.next_hops, [3, 4])
                .unwrap();
        flows.set(FlowSettings { when_full: start.when_full, ..*flows.settings() });
        let pipeline = Vnet::new(writer.policy(), &mut memory.enis, start.settings);
        let mut first = Vec::new();
        encode(Difference::new(&Image::default(), &plan.first).changes(), &mut first);
        let started = apply(&mut writer, &first);
        Self {
            engine: Engine::new(pipeline, flows, readers, 0),
            writer,
            platform: HostPlatform::new(start.mtu),
            started,
            transaction: Vec::new(),
            ports: [PortProgress::default(); DATA_PORTS],
            fault,
            lost: false,
        }
    }

    /// What leaves, stamps in front.
    fn frame(&mut self, port: PortId, bytes: &[u8]) -> Result<Vec<(PortId, Vec<u8>)>, End> {
        let taken: u64 = self.ports.iter().map(|port| port.received).sum();
        match self.fault {
            Fault::HangsAt(count) if taken == count => {
                // Longer than the time-out of a test.
                std::thread::sleep(Duration::from_secs(5));
                return Err(End);
            }
            Fault::EndsAt(count) if taken == count => return Err(End),
            Fault::StuckAt(count) if taken == count => return Ok(Vec::new()),
            _ => {}
        }
        let (stamp, frame) = Stamp::split(bytes).unwrap();
        self.platform.clock().advance(stamp.time);
        let now = dash_hal::Clock::now(self.platform.clock());
        let mut flags = ReceiveFlags::empty();
        flags.set(ReceiveFlags::TRUNCATED, stamp.truncated);
        let metadata = ReceiveMetadata { port, flags, ..ReceiveMetadata::NONE };
        let mut burst = Burst::new();
        assert!(burst.push(HostBuffer::grown(frame, 0, metadata)).is_ok());
        self.engine.process(&mut burst, now, &mut self.platform, &mut ());
        self.engine.flush(&mut self.platform);
        self.engine.tick(now, 4, &SoftwareHints);
        self.ports[usize::from(port.0)].received += 1;
        let mut sent: Vec<_> = self
            .platform
            .take_sent()
            .map(|(port, buffer)| (port, [&stamp.to_bytes()[..], buffer.bytes()].concat()))
            .collect();
        for (port, _) in &sent {
            self.ports[usize::from(port.0)].sent += 1;
        }
        if self.fault == Fault::Loses && !self.lost {
            self.lost = sent.pop().is_some();
        }
        if self.fault == Fault::NoStamp {
            for (_, frame) in &mut sent {
                frame.truncate(7);
            }
        }
        Ok(sent)
    }

    fn handle(&mut self, request: &Request<'_>) -> Answer {
        if self.fault == Fault::Babbles {
            return Answer::Done;
        }
        match *request {
            Request::Hello => Answer::Hello(HELLO),
            Request::Start(_) => Answer::Refused(Refusal::Order),
            Request::Chunk { offset, bytes } => {
                if offset == 0 {
                    self.transaction.clear();
                }
                if offset as usize != self.transaction.len() {
                    return Answer::Refused(Refusal::Gap);
                }
                self.transaction.extend_from_slice(bytes);
                Answer::Done
            }
            Request::Commit { time } => {
                if self.fault == Fault::Rejects {
                    return Answer::Rejected { index: 0, error: PolicyError::EmptyRange };
                }
                self.platform.clock().advance(time);
                let bytes = std::mem::take(&mut self.transaction);
                let answer = apply(&mut self.writer, &bytes);
                let now = dash_hal::Clock::now(self.platform.clock());
                self.engine.tick(now, self.engine.flows().capacity(), &SoftwareHints);
                answer
            }
            Request::Progress => Answer::Progress(self.ports),
            Request::Drops => Answer::Drops(drop_counts(self.engine.pipeline().drops())),
            Request::Eni(id) => match self.engine.pipeline().eni_counters(id) {
                Some(counters) => Answer::Eni(EniStatistics::from(counters)),
                None => Answer::Refused(Refusal::TooMany),
            },
            Request::Flows { skip } => {
                let live = self.engine.flows().live(dash_hal::Clock::now(self.platform.clock()));
                let page = live.skip(skip as usize).take(FLOWS_PER_ANSWER);
                Answer::Flows(page.map(FlowEntry::from).collect())
            }
            Request::Stop => Answer::Done,
        }
    }
}
