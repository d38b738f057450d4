//! `dash up`: a service on one device whose ports are Linux interfaces, until SIGINT or SIGTERM.
//!
//! Time is that of the system at the start, and goes on monotonically. A control socket takes
//! the control objects of `dash run` without their times, and tells events.

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

use crate::{
    cli::{Overrides, UpArgs},
    device::{
        Device, Service,
        config::{self, Control},
        run::{Report, report},
    },
    efsm,
    error::Error,
    flow_cache,
    live::{
        PAUSE, TURN,
        clients::Clients,
        packet_socket::{PacketSocket, wait},
    },
    platform::HostPlatform,
    port::PortNames,
    report::PortTraffic,
    router,
    service_file::{Kind, ServiceFile},
};

/// A device between interfaces.
struct Live<S: Service> {
    service: S,
    names: PortNames,
    device: Device<S>,
    sockets: Vec<(PortId, String, PacketSocket)>,
    clients: Clients,
    traffic: PortTraffic,
    /// Frames that the system did not take.
    unsent: u64,
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
    if let Some(file) = ServiceFile::read(&args.config) {
        match file.kind {
            Kind::FlowCache => return live::<flow_cache::Configuration>(args, &file, out),
            Kind::Efsm => return live::<efsm::Configuration>(args, &file, out),
            Kind::Router => return router::up::up(args, &file, out),
            Kind::Chain => {}
        }
    }
    let expected = "expected \"flow_cache\", \"efsm\" or \"router\"";
    Err(Error::Input(format!("{}: {expected}", args.config.display())))
}

fn live<S: Service>(args: &UpArgs, file: &ServiceFile, out: &mut impl Write) -> Result<(), Error> {
    let overrides = args.overrides();
    let (mut service, names) = config::service::<S>(file, overrides)?;
    joined(args, &names)?;
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
    let device = Device::new(&service, limits, HostPlatform::new(limits.mtu));
    let device = device.map_err(|error| error.at(&file.path))?;
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let traffic = names.iter().map(|(port, _)| (port, Default::default())).collect();
    let mut live = Live {
        service,
        names,
        device,
        sockets,
        clients,
        traffic,
        unsent: 0,
        overrides,
        epoch: epoch.as_nanos() as u64,
        start: Instant::now(),
    };
    let print = |out: &mut dyn Write, line: String| {
        writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Error::output)
    };
    print(out, format!("{} is up", S::NAME))?;
    while !stop.load(Ordering::Relaxed) {
        live.turn()?;
    }
    print(out, serde_json::to_string_pretty(&live.report()).unwrap_or_default())
}

/// Sees that each port has one interface, and each interface one port.
fn joined(args: &UpArgs, names: &PortNames) -> Result<(), Error> {
    for (place, (port, interface)) in args.port.iter().enumerate() {
        for (other, taken) in args.port.iter().take(place) {
            if port == other {
                return Err(Error::Input(format!("port \"{port}\" has two interfaces")));
            }
            if interface == taken {
                return Err(Error::Input(format!("{interface} is two ports")));
            }
        }
    }
    let without = names.iter().find(|(_, name)| args.port.iter().all(|(port, _)| port != name));
    without
        .map_or(Ok(()), |(_, name)| Err(Error::Input(format!("port \"{name}\" has no interface"))))
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
                // A link may be down, its queue full; a port of a later configuration has none.
                if socket.is_some_and(|(_, _, socket)| socket.send(&bytes).is_ok()) {
                    self.traffic.entry(port).or_default().1.add(bytes.len());
                } else {
                    self.unsent += 1;
                }
            }
        }
        Ok(())
    }

    fn report(&self) -> Report {
        let mut report = report(&self.device, &self.service, &self.names, &self.traffic);
        if self.unsent > 0 {
            *report.drops.entry("tx_full".to_owned()).or_default() += self.unsent;
        }
        report
    }

    fn tell_removed(&mut self, now: u64) {
        for flow in self.device.take_removed() {
            self.clients.tell(&Device::event(&self.service, &self.names, now, &flow));
        }
    }

    /// Carries out a control object.
    fn line(&mut self, line: &str) {
        let now = self.now();
        let control = config::control_object::<S>(line, &mut self.names, self.overrides);
        let done = control.and_then(|control| match control {
            Control::Stats => Ok(json!({ "t_ns": now, "stats": self.report() })),
            Control::Replace(service) => {
                self.device.replace(&mut self.service, *service).map_err(|e| e.to_string())?;
                self.device.sweep(now);
                Ok(json!({ "t_ns": now, "config": {} }))
            }
        });
        self.tell_removed(now);
        self.clients.tell(&done.unwrap_or_else(|error| json!({ "t_ns": now, "error": error })));
    }
}
