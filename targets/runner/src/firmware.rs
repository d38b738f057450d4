//! The firmware as the host sees it: requests and answers on the control port, frames on the data
//! ports.
//!
//! A thread for each port reads what leaves, all the time: the firmware never waits for the host,
//! so the host may wait for the firmware. Each wait has an end, the time-out.

use std::{
    io::{self, BufReader, ErrorKind},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use dash_core::pipeline::vnet::policy::{EniId, PolicyError};
use dash_hal::PortId;
use dash_host::report::{Count, DropCounts, EniCounts, Statistics};
use dash_protocol::{
    Answer, CHUNK, DATA_PORTS, DecodeError, DropCount, EniStatistics, FLOWS_PER_ANSWER, Hello,
    MESSAGE, PortProgress, Refusal, Request, Stamp, Start,
};

use crate::wire::{self, Wires};

/// Longest pause between two questions for the progress.
const PAUSE: Duration = Duration::from_millis(8);

/// Between two hellos. QEMU drops what comes before the firmware has set the device up.
const KNOCK: Duration = Duration::from_millis(100);

/// Bytes read from a port at a time.
const BUFFER: usize = 1 << 18;

/// The firmware does not do its part.
#[derive(Debug, thiserror::Error)]
pub enum FirmwareError {
    /// No answer.
    #[error("the firmware says nothing for {seconds} s; expected: {expected}")]
    Silent {
        /// Which answer.
        expected: &'static str,
        /// The time-out.
        seconds: u64,
    },
    /// No frame gets on.
    #[error("the firmware is stuck for {seconds} s: {done} frames done of {given}")]
    Stuck {
        /// Frames that were done.
        done: u64,
        /// Frames that it was given.
        given: u64,
        /// The time-out.
        seconds: u64,
    },
    /// A socket was closed.
    #[error("the machine has ended before its time")]
    Ended,
    /// Frames that the firmware has sent are not there.
    #[error("port {port}: the firmware has sent {sent} frames, {arrived} have arrived")]
    Lost {
        /// Number of the port.
        port: u16,
        /// Sent.
        sent: u64,
        /// Arrived.
        arrived: u64,
    },
    /// A frame without a stamp.
    #[error("port {0}: the firmware has sent a frame without its time")]
    NoStamp(u16),
    /// A message that is none.
    #[error("the firmware sends what is no answer: {0:?}")]
    Damaged(DecodeError),
    /// The answer of another request.
    #[error("the firmware answers {request} with {answer}")]
    Unexpected {
        /// What was asked.
        request: String,
        /// What was answered.
        answer: String,
    },
    /// It does not carry out a request.
    #[error("the firmware does not carry out {request}: {refusal:?}")]
    Refused {
        /// What was asked.
        request: String,
        /// Why.
        refusal: Refusal,
    },
    /// Its policy refuses a change.
    #[error("the firmware refuses change {index}: {error:?}")]
    Rejected {
        /// The change, counted from 0.
        index: u32,
        /// Why.
        error: PolicyError,
    },
    /// A socket failed.
    #[error("the firmware's sockets: {0}")]
    Io(io::Error),
}

/// A frame that left.
#[derive(Debug)]
pub struct Sent {
    /// By this port.
    pub port: PortId,
    /// With the stamp of the frame that it was made of.
    pub stamp: Stamp,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A firmware that has said hello.
#[derive(Debug)]
pub struct Firmware {
    control: UnixStream,
    data: Vec<UnixStream>,
    answers: Receiver<Vec<u8>>,
    arrivals: Receiver<(PortId, Vec<u8>)>,
    readers: Vec<JoinHandle<()>>,
    hello: Hello,
    /// Frames that each port was given.
    given: [u64; DATA_PORTS],
    /// Frames that have arrived from each port.
    arrived: [u64; DATA_PORTS],
    timeout: Duration,
}

impl Drop for Firmware {
    /// Ends the readers.
    fn drop(&mut self) {
        for stream in self.data.iter().chain([&self.control]) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
        for reader in self.readers.drain(..) {
            // A reader does not panic.
            let _ = reader.join();
        }
    }
}

impl Firmware {
    /// Waits until the firmware is up. From now on no wait is longer than `timeout`.
    ///
    /// # Errors
    /// It says nothing, or no [`Hello`] of this version.
    pub fn greet(wires: Wires, timeout: Duration) -> Result<Self, FirmwareError> {
        let Wires { control, data } = wires;
        let (arrive, arrivals) = mpsc::channel();
        let (tell, answers) = mpsc::channel();
        let mut readers = vec![reader(&control, timeout, move |answer| tell.send(answer).is_ok())?];
        for (port, stream) in (0..).map(PortId).zip(&data) {
            let arrive = arrive.clone();
            let arrived = move |frame| arrive.send((port, frame)).is_ok();
            readers.push(reader(stream, timeout, arrived)?);
        }
        let hello = Hello { frame: 0, flows: 0, transaction: 0, rules: 0 };
        let counts = [0; DATA_PORTS];
        let mut firmware = Self {
            control,
            data,
            answers,
            arrivals,
            readers,
            hello,
            given: counts,
            arrived: counts,
            timeout,
        };
        firmware.hello = firmware.knock()?;
        Ok(firmware)
    }

    fn knock(&self) -> Result<Hello, FirmwareError> {
        let until = Instant::now() + self.timeout;
        loop {
            self.say(&Request::Hello)?;
            match self.answers.recv_timeout(KNOCK) {
                Ok(answer) => match decode(&answer)? {
                    Answer::Hello(hello) => return Ok(hello),
                    other => return Err(unexpected("Hello", &other)),
                },
                Err(RecvTimeoutError::Timeout) if Instant::now() < until => {}
                Err(error) => return Err(self.silent(error, "a hello")),
            }
        }
    }

    /// What the image is made for.
    #[must_use]
    pub const fn hello(&self) -> &Hello {
        &self.hello
    }

    fn answer(&self) -> Result<Answer, FirmwareError> {
        loop {
            let answer = self.answers.recv_timeout(self.timeout);
            match decode(&answer.map_err(|error| self.silent(error, "an answer"))?)? {
                // To a hello that came late.
                Answer::Hello(_) => {}
                answer => return Ok(answer),
            }
        }
    }

    fn silent(&self, error: RecvTimeoutError, expected: &'static str) -> FirmwareError {
        match error {
            RecvTimeoutError::Timeout => {
                FirmwareError::Silent { expected, seconds: self.timeout.as_secs() }
            }
            RecvTimeoutError::Disconnected => FirmwareError::Ended,
        }
    }

    fn say(&self, request: &Request<'_>) -> Result<(), FirmwareError> {
        let mut buffer = [0; MESSAGE];
        // A chunk is never too long here, and everything else fits.
        let message = request.encode(&mut buffer).unwrap_or_default();
        wire::send(&self.control, &[message]).map_err(|error| self.write_error(error))
    }

    fn ask(&mut self, request: &Request<'_>) -> Result<Answer, FirmwareError> {
        self.say(request)?;
        match self.answer()? {
            Answer::Refused(refusal) => {
                Err(FirmwareError::Refused { request: name(request), refusal })
            }
            Answer::Rejected { index, error } => Err(FirmwareError::Rejected { index, error }),
            answer => Ok(answer),
        }
    }

    fn order(&mut self, request: &Request<'_>) -> Result<(), FirmwareError> {
        match self.ask(request)? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&name(request), &other)),
        }
    }

    fn write_error(&self, error: io::Error) -> FirmwareError {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => self.stuck(0),
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => FirmwareError::Ended,
            _ => FirmwareError::Io(error),
        }
    }

    fn stuck(&self, done: u64) -> FirmwareError {
        let given = self.given.iter().sum();
        FirmwareError::Stuck { done, given, seconds: self.timeout.as_secs() }
    }

    /// Has the configuration of the image applied; from now on it takes frames.
    ///
    /// # Errors
    /// It refuses.
    pub fn start(&mut self, start: Start) -> Result<(), FirmwareError> {
        self.order(&Request::Start(start))
    }

    /// Gives it a frame. Waits while its rings are full.
    ///
    /// # Errors
    /// It takes nothing for the time-out.
    pub fn send(&mut self, port: PortId, stamp: Stamp, frame: &[u8]) -> Result<(), FirmwareError> {
        let index = usize::from(port.0);
        wire::send(&self.data[index], &[&stamp.to_bytes(), frame])
            .map_err(|error| self.write_error(error))?;
        self.given[index] += 1;
        Ok(())
    }

    /// Waits until all frames that it was given are done; answers how many each port has sent.
    ///
    /// # Errors
    /// No frame gets on for the time-out.
    pub fn settle(&mut self) -> Result<[PortProgress; DATA_PORTS], FirmwareError> {
        let mut pause = Duration::ZERO;
        let mut before = 0;
        let mut since = Instant::now();
        loop {
            let ports = match self.ask(&Request::Progress)? {
                Answer::Progress(ports) => ports,
                other => return Err(unexpected("Progress", &other)),
            };
            if ports.iter().zip(self.given).all(|(port, given)| port.received == given) {
                return Ok(ports);
            }
            let done = ports.iter().map(|port| port.received).sum();
            if done != before {
                (before, since) = (done, Instant::now());
            } else if since.elapsed() > self.timeout {
                return Err(self.stuck(done));
            }
            std::thread::sleep(pause);
            pause = (2 * pause + Duration::from_micros(10)).min(PAUSE);
        }
    }

    /// Frames that have left since the last call, of each port in their order.
    ///
    /// # Errors
    /// One has no stamp.
    pub fn sent(&mut self) -> Result<Vec<Sent>, FirmwareError> {
        let arrivals: Vec<_> = self.arrivals.try_iter().collect();
        arrivals.into_iter().map(|(port, frame)| self.arrival(port, &frame)).collect()
    }

    fn arrival(&mut self, port: PortId, frame: &[u8]) -> Result<Sent, FirmwareError> {
        let (stamp, bytes) = Stamp::split(frame).ok_or(FirmwareError::NoStamp(port.0))?;
        self.arrived[usize::from(port.0)] += 1;
        Ok(Sent { port, stamp, bytes: bytes.to_vec() })
    }

    /// Waits until all frames are done; answers those that have left since the last call of
    /// [`sent`](Self::sent).
    ///
    /// # Errors
    /// Some do not arrive.
    pub fn rest(&mut self) -> Result<Vec<Sent>, FirmwareError> {
        let progress = self.settle()?;
        let mut sent = self.sent()?;
        while let Some(lost) = self.lost(&progress) {
            match self.arrivals.recv_timeout(self.timeout) {
                Ok((port, frame)) => sent.push(self.arrival(port, &frame)?),
                Err(RecvTimeoutError::Timeout) => return Err(lost),
                Err(RecvTimeoutError::Disconnected) => return Err(FirmwareError::Ended),
            }
        }
        Ok(sent)
    }

    fn lost(&self, progress: &[PortProgress; DATA_PORTS]) -> Option<FirmwareError> {
        let mut ports = (0..).zip(progress.iter().zip(self.arrived));
        let (port, (progress, arrived)) =
            ports.find(|(_, (progress, arrived))| progress.sent != *arrived)?;
        Some(FirmwareError::Lost { port, sent: progress.sent, arrived })
    }

    /// Has a transaction applied, at `time` of the frames' clock, behind all frames that it was
    /// given.
    ///
    /// # Errors
    /// It refuses.
    pub fn apply(&mut self, transaction: &[u8], time: u64) -> Result<(), FirmwareError> {
        self.settle()?;
        for (index, bytes) in transaction.chunks(CHUNK).enumerate() {
            let offset = (index * CHUNK) as u32;
            self.order(&Request::Chunk { offset, bytes })?;
        }
        self.order(&Request::Commit { time })
    }

    /// What it has counted, for ENIs below `enis`.
    ///
    /// # Errors
    /// It refuses.
    pub fn statistics(&mut self, enis: usize) -> Result<Statistics, FirmwareError> {
        let drops = match self.ask(&Request::Drops)? {
            Answer::Drops(drops) => drop_counts(&drops),
            other => return Err(unexpected("Drops", &other)),
        };
        let enis = (0..enis).map(|number| {
            let request = Request::Eni(EniId(number as u16));
            match self.ask(&request)? {
                Answer::Eni(statistics) => Ok(eni_counts(&statistics)),
                other => Err(unexpected(&name(&request), &other)),
            }
        });
        let enis = enis.collect::<Result<_, _>>()?;
        let mut flows = Vec::new();
        loop {
            let request = Request::Flows { skip: flows.len() as u32 };
            let page = match self.ask(&request)? {
                Answer::Flows(page) => page,
                other => return Err(unexpected(&name(&request), &other)),
            };
            flows.extend(
                page.iter()
                    .map(|flow| (flow.key, Count { packets: flow.packets, bytes: flow.bytes })),
            );
            if page.len() < FLOWS_PER_ANSWER {
                return Ok(Statistics { drops, enis, flows });
            }
        }
    }

    /// Ends the run.
    ///
    /// # Errors
    /// It refuses.
    pub fn stop(mut self) -> Result<(), FirmwareError> {
        self.order(&Request::Stop)
    }
}

/// A request by name, without what it carries.
/// Reads a socket up to its end, in a thread. No write to it takes longer than `timeout`.
fn reader(
    stream: &UnixStream,
    timeout: Duration,
    mut take: impl FnMut(Vec<u8>) -> bool + Send + 'static,
) -> Result<JoinHandle<()>, FirmwareError> {
    stream.set_write_timeout(Some(timeout)).map_err(FirmwareError::Io)?;
    let stream = stream.try_clone().map_err(FirmwareError::Io)?;
    let mut stream = BufReader::with_capacity(BUFFER, stream);
    Ok(std::thread::spawn(move || {
        while let Ok(frame) = wire::receive(&mut stream) {
            if !take(frame) {
                break;
            }
        }
    }))
}

fn decode(answer: &[u8]) -> Result<Answer, FirmwareError> {
    Answer::decode(answer).map_err(FirmwareError::Damaged)
}

fn name(request: &Request<'_>) -> String {
    match request {
        Request::Chunk { offset, .. } => format!("Chunk at {offset}"),
        other => format!("{other:?}"),
    }
}

fn unexpected(request: &str, answer: &Answer) -> FirmwareError {
    FirmwareError::Unexpected { request: request.to_owned(), answer: format!("{answer:?}") }
}

fn drop_counts(drops: &[DropCount]) -> DropCounts {
    drops.iter().map(|drop| (drop.reason.to_string(), drop.frames)).collect()
}

fn eni_counts(statistics: &EniStatistics) -> EniCounts {
    EniCounts {
        rx: statistics.rx.into(),
        tx: statistics.tx.into(),
        outbound_rx: statistics.outbound_rx.into(),
        outbound_tx: statistics.outbound_tx.into(),
        inbound_rx: statistics.inbound_rx.into(),
        inbound_tx: statistics.inbound_tx.into(),
        flow_create_failed: statistics.flow_create_failed,
        flow_limit_reached: statistics.flow_limit_reached,
        drops: drop_counts(&statistics.drops),
    }
}
