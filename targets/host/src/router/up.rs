//! `dash up` with the reactive router: one host, whose ports are Linux interfaces.
//!
//! A control object is answered when something is to be said: by counters, or an error. Events are
//! told to everybody.

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

use super::{
    config::{self, Network},
    control::{self, Control},
    run::{apply, event, report},
    world::{Arrival, Happening, Storage, World},
};
use crate::{
    cli::{Overrides, UpArgs},
    error::Error,
    live::{
        PAUSE, TURN,
        clients::Clients,
        packet_socket::{PacketSocket, wait},
    },
    port::PortNames,
    report::PortTraffic,
    service_file::{ServiceFile, json as parse},
};

/// An interface: port, name, socket.
type Interface = (PortId, String, PacketSocket);

/// What hears of frames and events.
struct Ends {
    interfaces: Vec<Interface>,
    clients: Clients,
    names: PortNames,
    traffic: PortTraffic,
}

impl Ends {
    /// Sends a frame, or tells an event.
    fn hear(&mut self, now: u64, happening: &Happening, network: &Network) {
        if let Happening::Left { port, frame } = happening {
            // A port without an interface sends nowhere, and one whose queue is full loses.
            let interface = self.interfaces.iter().find(|(known, ..)| known == port);
            let Some((_, name, socket)) = interface else { return };
            if socket.send(frame).is_ok() {
                let number = self.names.number(name);
                self.traffic.entry(number).or_default().1.add(frame.len());
            }
        } else if let Some(event) = event(now, happening, network) {
            self.clients.tell(&event);
        }
    }
}

/// The host of all ports that were given, and the ports' interfaces.
fn interfaces(args: &UpArgs, network: &Network) -> Result<(u16, Vec<Interface>), Error> {
    let mut found = None;
    let mut interfaces = Vec::new();
    for (name, interface) in &args.port {
        let place = network.place(name);
        let (host, port) =
            place.ok_or_else(|| Error::Input(format!("there is no port \"{name}\"")))?;
        if *found.get_or_insert(host) != host {
            return Err(Error::Input(format!("\"{name}\" is a port of another host")));
        }
        let socket = PacketSocket::open(interface)
            .map_err(|error| Error::io(Path::new(interface), error))?;
        interfaces.push((port, name.clone(), socket));
    }
    Ok((found.unwrap_or(0), interfaces))
}

/// Runs the router of a configuration until SIGINT or SIGTERM.
///
/// # Errors
/// Bad input; the system.
pub fn up(args: &UpArgs, file: &ServiceFile, out: &mut impl Write) -> Result<(), Error> {
    let overrides = args.overrides();
    let mut network = config::network(file, overrides)?;
    let (host, interfaces) = interfaces(args, &network)?;
    let clients = Clients::new(args.socket.as_deref())
        .map_err(|error| Error::io(args.socket.as_deref().unwrap_or(Path::new("socket")), error))?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| Error::io(Path::new("signal"), error))?;
    }
    let capacity = network.capacity();
    let flows = network.flows;
    let mut storage: Vec<_> =
        network.hosts.iter().map(|_| Storage::new(&capacity, flows)).collect();
    let world = World::new(&mut storage, &capacity, &network);
    let mut world = world.map_err(|error| error.at(&file.path))?;
    world.part();
    let (names, traffic) = (PortNames::default(), PortTraffic::new());
    let mut ends = Ends { interfaces, clients, names, traffic };
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let start = Instant::now();
    let now = || (epoch + start.elapsed()).as_nanos() as u64;
    let print = |out: &mut dyn Write, line: String| {
        writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Error::output)
    };
    print(out, "router is up".to_owned())?;
    while !stop.load(Ordering::Relaxed) {
        let sockets = ends.interfaces.iter().map(|(_, _, socket)| socket.as_raw_fd());
        let descriptors: Vec<_> = sockets.chain(ends.clients.descriptors()).collect();
        wait(&descriptors, PAUSE).map_err(|error| Error::io(Path::new("poll"), error))?;
        // Whoever has just come hears of the frames that are here.
        for line in ends.clients.read() {
            line_of(&line, (&mut world, &mut network), &mut ends, overrides, now());
        }
        for number in 0..ends.interfaces.len() {
            for _ in 0..TURN {
                let Some((port, name, socket)) = ends.interfaces.get_mut(number) else { break };
                let received = socket.receive();
                let received = received.map_err(|error| Error::io(Path::new(name), error))?;
                let Some(frame) = received else { break };
                let (port, time) = (*port, now());
                let input = ends.names.number(name);
                ends.traffic.entry(input).or_default().0.add(frame.bytes.len());
                let arrival =
                    Arrival { host, port, frame: frame.bytes, truncated: frame.truncated };
                let mut told = |happening: &Happening| {
                    ends.hear(time, happening, &network);
                    Ok(())
                };
                world.sweep(time, &mut (), &mut told)?;
                world.process(arrival, time, &network, &mut (), &mut told)?;
            }
        }
        let time = now();
        world.sweep(time, &mut (), &mut |happening| {
            ends.hear(time, happening, &network);
            Ok(())
        })?;
    }
    let report = report(&world, &network, &ends.traffic, &ends.names);
    print(out, serde_json::to_string_pretty(&report).unwrap_or_default())
}

/// Carries out a control object.
fn line_of(
    line: &str,
    (world, network): (&mut World<'_>, &mut Network),
    ends: &mut Ends,
    overrides: Overrides,
    now: u64,
) {
    let done = parse(line).and_then(|object| {
        let control = control::object_of(object, overrides)?;
        if let Control::Stats(_) = control {
            let report = report(world, network, &ends.traffic, &ends.names);
            ends.clients.tell(&json!({ "t_ns": now, "stats": report }));
            return Ok(());
        }
        // Ports keep their names while it is carried out.
        let before = network.clone();
        let mut told = |happening: &Happening| {
            ends.hear(now, happening, &before);
            Ok(())
        };
        apply(&control, (world, network), overrides, now, &mut (), &mut told)
            .map_err(|error| error.to_string())
    });
    if let Err(error) = done {
        ends.clients.tell(&json!({ "t_ns": now, "error": error }));
    }
}
