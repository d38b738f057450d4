//! The program: find the devices, wait for a start, forward frames and answer requests, stop.

use dash_hal::{EventSink, PacketBuffer};
use dash_protocol::{Answer, Refusal, Request, Start};

use crate::{
    buffer::FrameBuffer,
    chains::Chains,
    control::Control,
    devices::{DataPorts, Devices},
    event::{Event, EventQueue, Exit},
    machine::Machine,
    platform::FirmwarePlatform,
    pool::SlotPool,
    seeds::Seeds,
    service::{Denial, Service},
    session::Session,
    storage::{FRAMES, MESSAGES},
};

/// How long devices have to send what they were given when the program ends, in nanoseconds of
/// the machine's time.
pub const DRAIN: u64 = 10_000_000_000;

/// Events that may wait for the log.
const EVENTS: usize = 16;

/// The program's own voice.
struct Teller {
    queue: EventQueue<Event, EVENTS>,
    log: fn(Event),
}

impl Teller {
    /// Tells an event, later. One too many is counted.
    fn tell(&mut self, event: Event) {
        let _ = self.queue.emit(event);
    }

    /// Writes what was told to the log.
    fn speak(&mut self) {
        while let Some(event) = self.queue.take() {
            (self.log)(event);
        }
        match self.queue.take_lost() {
            0 => {}
            lost => (self.log)(Event::Lost(lost)),
        }
    }
}

/// Runs VNET-to-VNET until the host stops it. Events go to `log`, never while a burst is on its
/// way.
///
/// # Safety
/// Called once: the devices of the machine are the program's.
pub unsafe fn run<M: Machine>(log: fn(Event)) -> Exit {
    // SAFETY: The caller promises that there is no other call.
    unsafe { run_service::<M, Session<M>>(log) }
}

/// Runs service chains, as [`run`] does VNET-to-VNET: the first case of the proposal, whose four
/// ports are the data ports.
///
/// # Safety
/// As of [`run`].
pub unsafe fn run_chains<M: Machine>(log: fn(Event)) -> Exit {
    // SAFETY: The caller promises that there is no other call.
    unsafe { run_service::<M, Chains<M>>(log) }
}

unsafe fn run_service<M: Machine, S: Service<M>>(log: fn(Event)) -> Exit {
    // SAFETY: The caller promises that there is no other call.
    let devices = unsafe { Devices::find::<M>() };
    for (number, _) in (0..).zip(&devices.ports).filter(|(_, port)| port.is_some()) {
        log(Event::Port(number));
    }
    for _ in 0..devices.lost {
        log(Event::DeviceLost);
    }
    let exit = match devices.control {
        Some(nic) => {
            let mut control = Control::new(nic, MESSAGES.take());
            log(Event::Ready);
            serve::<M, S>(&mut control, devices.ports, devices.seeds, log)
        }
        None => Exit::NoControlPort,
    };
    log(Event::Stopped(exit));
    exit
}

fn serve<M: Machine, S: Service<M>>(
    control: &mut Control,
    ports: DataPorts,
    seeds: Option<Seeds>,
    log: fn(Event),
) -> Exit {
    let mut teller = Teller { queue: EventQueue::new(), log };
    let mut service = match wait::<M, S>(control, ports, seeds, &mut teller) {
        Ok(service) => service,
        Err(exit) => return exit,
    };
    let exit = forward(control, &mut service, &mut teller);
    teller.speak();
    service.tell(log);
    exit
}

/// Waits until the host starts the session.
///
/// # Errors
/// It stops the program instead.
fn wait<M: Machine, S: Service<M>>(
    control: &mut Control,
    ports: DataPorts,
    seeds: Option<Seeds>,
    teller: &mut Teller,
) -> Result<S, Exit> {
    let mut ports = Some(ports);
    loop {
        teller.speak();
        let Some(message) = control.request() else { continue };
        let started = match Request::decode(message.bytes()) {
            Ok(Request::Hello) => {
                control.answer(message, &Answer::Hello(S::HELLO));
                continue;
            }
            Ok(Request::Start(start)) => begin::<M, S>(&start, &mut ports, seeds),
            Ok(Request::Stop) => return Err(finish::<M>(control, message, || true)),
            Ok(_) => Err(Denial::Refused(Refusal::Order)),
            Err(error) => Err(Denial::Refused(Refusal::Damaged(error))),
        };
        match started {
            Ok(service) => {
                control.answer(message, &Answer::Done);
                teller.tell(Event::Started);
                return Ok(service);
            }
            Err(denial) => {
                let answer = denial.into();
                tell_answer(teller, &answer);
                control.answer(message, &answer);
            }
        }
    }
}

/// A service over the ports, which it takes once it has everything else. One whose configuration
/// is refused has taken them: the program can then only be stopped.
// Not inlined, as `Devices::find`.
#[inline(never)]
fn begin<M: Machine, S: Service<M>>(
    start: &Start,
    ports: &mut Option<DataPorts>,
    seeds: Option<Seeds>,
) -> Result<S, Denial> {
    if start.flows > S::HELLO.flows {
        return Err(Denial::Refused(Refusal::TooMany));
    }
    let seeds = start.seed.map(Seeds::fixed).or(seeds);
    let seeds = seeds.ok_or(Denial::Refused(Refusal::Entropy))?;
    let ports = ports.take().ok_or(Denial::Refused(Refusal::Order))?;
    let pool = SlotPool::new(FRAMES.take());
    let platform = FirmwarePlatform::new(ports, pool, start.clock, start.mtu, seeds);
    S::begin(start, platform)
}

/// Forwards frames and carries out requests, until the host asks to stop and all frames have left.
fn forward<M: Machine, S: Service<M>>(
    control: &mut Control,
    service: &mut S,
    teller: &mut Teller,
) -> Exit {
    loop {
        service.step();
        teller.speak();
        let Some(message) = control.request() else { continue };
        let answer = match Request::decode(message.bytes()) {
            Ok(Request::Hello) => Answer::Hello(S::HELLO),
            Ok(Request::Stop) => return finish::<M>(control, message, || service.drain()),
            Ok(request) => service.handle(&request),
            Err(error) => Answer::Refused(Refusal::Damaged(error)),
        };
        tell_answer(teller, &answer);
        control.answer(message, &answer);
    }
}

/// Answers the request to stop once `drained` says that all frames have left, and waits until the
/// answer has left, too.
fn finish<M: Machine>(
    control: &mut Control,
    message: FrameBuffer,
    drained: impl FnMut() -> bool,
) -> Exit {
    if !in_time::<M>(drained) {
        return Exit::NotDrained;
    }
    control.answer(message, &Answer::Done);
    if in_time::<M>(|| control.is_drained()) { Exit::Stopped } else { Exit::NotDrained }
}

/// Whether `done` comes true within [`DRAIN`].
fn in_time<M: Machine>(mut done: impl FnMut() -> bool) -> bool {
    let start = M::now();
    loop {
        if done() {
            return true;
        }
        if M::now() - start > DRAIN {
            return false;
        }
    }
}

fn tell_answer(teller: &mut Teller, answer: &Answer) {
    match answer {
        Answer::Refused(refusal) => teller.tell(Event::Refused(*refusal)),
        Answer::Rejected { index, error } => {
            teller.tell(Event::Rejected { index: *index, error: *error });
        }
        _ => {}
    }
}
