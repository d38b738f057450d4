//! `dash up`: a service on one device whose ports are Linux interfaces, until SIGINT or SIGTERM.
//!
//! Time is that of the system at the start, and goes on monotonically. A control socket takes
//! the control objects of `dash run` without their times, and tells events.

pub(crate) mod clients;
pub(crate) mod packet_socket;

use std::{
    io::Write,
    os::fd::AsRawFd,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use dash_hal::PortId;
use serde_json::json;

use self::{
    clients::Clients,
    packet_socket::{PacketSocket, wait},
};
use crate::{
    cli::UpArgs,
    device::{
        Device, Service,
        config::{self, Control, Overrides},
        run::report,
    },
    efsm,
    error::Error,
    flow_cache,
    port::PortNames,
    report::PortTraffic,
    router,
};

/// Frames of a port before the next port has its turn.
pub(crate) const TURN: usize = 32;
/// Milliseconds after which time-outs are looked at, without frames.
pub(crate) const PAUSE: u16 = 100;

/// A device between interfaces.
struct Live<S: Service> {
    service: S,
    names: PortNames,
    device: Device<S>,
    sockets: Vec<(PortId, String, PacketSocket)>,
    clients: Clients,
    traffic: PortTraffic,
    overrides: Overrides,
    /// The time at `start`, ns.
    epoch: u64,
    start: Instant,
}

/// Runs the service of a configuration.
///
/// # Errors
/// Bad input; the system.
pub fn up(args: &UpArgs, out: &mut impl Write) -> Result<(), Error> {
    let overrides = Overrides { flows: args.flows, idle_timeout: args.idle_timeout, mtu: args.mtu };
    if let Some((service, names)) =
        config::read_service::<flow_cache::Configuration>(&args.config, overrides)?
    {
        return live(args, service, names, overrides, out);
    }
    if let Some((service, names)) =
        config::read_service::<efsm::Configuration>(&args.config, overrides)?
    {
        return live(args, service, names, overrides, out);
    }
    if let Some(network) = router::config::read_network(&args.config, overrides)? {
        return router::up::up(args, network, overrides, out);
    }
    let expected = "expected \"flow_cache\", \"efsm\" or \"router\"";
    Err(Error::Input(format!("{}: {expected}", args.config.display())))
}

fn live<S: Service>(
    args: &UpArgs,
    mut service: S,
    names: PortNames,
    overrides: Overrides,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut sockets = Vec::new();
    for (name, interface) in &args.port {
        let port = names.iter().find(|(_, known)| known == name).map(|(port, _)| port);
        let port = port.ok_or_else(|| Error::Input(format!("there is no port \"{name}\"")))?;
        let socket = PacketSocket::open(interface);
        let socket = socket.map_err(|error| Error::io(Path::new(interface), error))?;
        sockets.push((port, interface.clone(), socket));
    }
    let clients = Clients::new(args.socket.as_deref())
        .map_err(|error| Error::io(args.socket.as_deref().unwrap_or(Path::new("socket")), error))?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| Error::io(Path::new("signal"), error))?;
    }
    let limits = *service.limits();
    let device = Device::new(&service, limits)?;
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut live = Live {
        service,
        names,
        device,
        sockets,
        clients,
        traffic: PortTraffic::new(),
        overrides,
        epoch: epoch.as_nanos() as u64,
        start: Instant::now(),
    };
    let print = |out: &mut dyn Write, line: String| {
        writeln!(out, "{line}")
            .and_then(|()| out.flush())
            .map_err(|error| Error::io(Path::new("standard output"), error))
    };
    print(out, format!("{} is up", S::NAME))?;
    while !stop.load(Ordering::Relaxed) {
        live.turn()?;
    }
    let report = report(&live.device, &live.service, &live.names, &live.traffic);
    print(out, serde_json::to_string_pretty(&report).unwrap_or_default())
}

impl<S: Service> Live<S> {
    /// Nanoseconds of the system's clock at the start, and since.
    fn now(&self) -> u64 {
        self.epoch.saturating_add(self.start.elapsed().as_nanos() as u64)
    }

    /// Waits for frames and lines, and processes them.
    fn turn(&mut self) -> Result<(), Error> {
        let sockets = self.sockets.iter().map(|(_, _, socket)| socket.as_raw_fd());
        let descriptors: Vec<_> = sockets.chain(self.clients.descriptors()).collect();
        wait(&descriptors, PAUSE).map_err(|error| Error::io(Path::new("poll"), error))?;
        for number in 0..self.sockets.len() {
            self.frames(number)?;
        }
        let now = self.now();
        self.device.sweep(now);
        self.tell_removed(now);
        for line in self.clients.read() {
            self.line(&line);
        }
        Ok(())
    }

    /// Processes frames of one port.
    fn frames(&mut self, number: usize) -> Result<(), Error> {
        for _ in 0..TURN {
            let Some((port, interface, socket)) = self.sockets.get_mut(number) else { break };
            let received = socket.receive();
            let received = received.map_err(|error| Error::io(Path::new(interface), error))?;
            let Some(frame) = received else { break };
            let port = *port;
            self.traffic.entry(port).or_default().0.add(frame.bytes.len());
            let now = self.now();
            self.device.sweep(now);
            let sent = self.device.process(port, &frame.bytes, frame.truncated, &mut ());
            self.tell_removed(now);
            for (port, bytes) in sent {
                let socket = self.sockets.iter().find(|(number, ..)| *number == port);
                // A port without an interface sends nowhere, and one whose queue is full loses.
                if socket.is_some_and(|(_, _, socket)| socket.send(&bytes).is_ok()) {
                    self.traffic.entry(port).or_default().1.add(bytes.len());
                }
            }
        }
        Ok(())
    }

    fn tell_removed(&mut self, now: u64) {
        for flow in self.device.take_removed().iter().filter(|_| S::TELLS) {
            self.clients.tell(&Device::event(&self.service, now, flow));
        }
    }

    /// Carries out a control object.
    fn line(&mut self, line: &str) {
        let now = self.now();
        let object = serde_json::from_str(line).map_err(|error| error.to_string());
        let done = object.and_then(|object| {
            match config::control_object::<S>(object, &mut self.names, self.overrides)? {
                Control::Stats => {
                    let stats = report(&self.device, &self.service, &self.names, &self.traffic);
                    Ok(json!({ "t_ns": now, "stats": stats }))
                }
                Control::Replace(service) => {
                    self.device.replace(&mut self.service, *service).map_err(|e| e.to_string())?;
                    self.device.sweep(now);
                    Ok(json!({ "t_ns": now, "config": {} }))
                }
            }
        });
        self.tell_removed(now);
        self.clients.tell(&done.unwrap_or_else(|error| json!({ "t_ns": now, "error": error })));
    }
}
