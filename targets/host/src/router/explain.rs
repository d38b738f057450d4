//! `dash explain` with the reactive router: the tables by their numbers of 2015.

use std::{fmt::Write as _, io::Write};

use comfy_table::{Table, presets::ASCII_MARKDOWN};
use dash_core::{
    flow::FlowStep,
    pipeline::{
        End, Trace,
        router::{Action, DropReason, Event, Router},
    },
};

use super::{
    config::UNDERLAY,
    run::{Plan, apply, event},
    world::{Arrival, Happening, World},
};
use crate::{
    cli::ExplainArgs,
    error::Error,
    headers,
    script::{Frame, Item},
    service_file::ServiceFile,
};

/// Rows of 2015 that no frame comes to.
const UNREACHABLE: &str = "\
Rows that no frame reaches: table 0 priority 0 NORMAL (behind priority 1), table 23 priority 0 drop,
table 60 priority 1 output to the tunnel bridge (tunnels are rows of the flow).
";

/// What the tables said of a frame, on all hosts that it passed.
#[derive(Debug, Default)]
struct Steps(Vec<[String; 3]>);

impl Trace<Router<'_>> for Steps {
    fn stage(&mut self, event: impl FnOnce() -> Event) {
        self.0.push(row(&event()));
    }

    fn flow(&mut self, step: FlowStep) {
        let what = match step {
            FlowStep::Hit => "hit: MAC addresses, TTL - 1, output",
            FlowStep::Miss => "miss",
            FlowStep::Stale => "policy has changed since",
            FlowStep::Installed => "installed",
            FlowStep::Replaced => "replaced",
            FlowStep::Removed => "removed",
            FlowStep::Uncached => "no place",
        };
        self.0.push(["52, 100 (flow)".to_owned(), String::new(), what.to_owned()]);
    }

    fn end(&mut self, end: &End<DropReason>) {
        let what = match end {
            End::Sent { bytes, .. } => format!("sent, {bytes} bytes"),
            End::Dropped(reason) => format!("dropped: {reason}"),
            End::Punted { .. } => "waits for a controller".to_owned(),
        };
        self.0.push(["end".to_owned(), String::new(), what]);
    }
}

fn row(event: &Event) -> [String; 3] {
    match event {
        Event::Tunnel(arrival) => {
            ["tunnel".to_owned(), format!("vni={}", arrival.vni), "decapsulate".to_owned()]
        }
        Event::Key(key) => {
            let ([source, destination], [src, dst]) = (key.macs(), key.addresses());
            let key = format!("{source} -> {destination}, {src} -> {dst}");
            ["flow key".to_owned(), key, String::new()]
        }
        Event::PortSecurity(refused) => {
            let what =
                refused.map_or_else(|| "next".to_owned(), |reason| format!("drop: {reason}"));
            ["port security".to_owned(), String::new(), what]
        }
        Event::Row { table, priority, action } => {
            let action = match action {
                Action::Goto(table) => format!("goto {table}"),
                Action::Metadata(id) => format!("metadata={id:#x}, goto 40"),
                Action::Normal => "NORMAL".to_owned(),
                Action::Reply => "reply, in place".to_owned(),
                Action::Controller { remote: false } => "controller (slow path)".to_owned(),
                Action::Controller { remote: true } => "controller, elsewhere".to_owned(),
                Action::Drop(reason) => format!("drop: {reason}"),
            };
            [format!("{table}, {priority}"), String::new(), action]
        }
        Event::Lookup { mac, port, learned } => {
            let what = match port {
                Some(port) if *learned => format!("port {port}, learnt"),
                Some(port) => format!("port {port}"),
                None => "all ports of the network".to_owned(),
            };
            ["NORMAL".to_owned(), format!("eth.dst={mac}"), what]
        }
        Event::Host { ip, network, port } => {
            let key = format!("{ip} in network {network:#x}");
            ["controller".to_owned(), key, format!("port {port}")]
        }
        Event::Remote { host, port } => {
            ["60".to_owned(), format!("port {port}"), format!("VXLAN to host {}", host + 1)]
        }
        Event::Deliver { port, .. } => {
            ["output".to_owned(), format!("port {port}"), "deliver".to_owned()]
        }
    }
}

/// Processes the frames before the one asked for, and shows what happens to that one.
///
/// # Errors
/// Bad input, or no such frame.
pub fn explain(args: &ExplainArgs, file: &ServiceFile, out: &mut impl Write) -> Result<(), Error> {
    let mut plan = Plan::new(&args.input, file)?;
    let mut storage = plan.storage();
    let mut world = World::new(&mut storage, &plan.capacity, &plan.network)
        .map_err(|error| error.at(&file.path))?;
    let Plan { network, script, control_file, .. } = &mut plan;
    let mut number = 0;
    while let Some((time, item)) = script.next_item()? {
        // Frames by wires come in later, whoever is shown.
        let names = network.clone();
        let mut wires = |happening: &Happening| {
            if let Happening::Left { port, frame } = happening {
                script.left(time, names.name(*port).unwrap_or_default(), frame, 0)?;
            }
            Ok(())
        };
        world.sweep(time, &mut (), &mut wires)?;
        let (name, frame, truncated) = match item {
            Item::Control(control) => {
                apply(
                    &control,
                    (&mut world, network),
                    args.input.overrides(),
                    time,
                    &mut (),
                    &mut wires,
                )
                .map_err(|error| error.at(&format!("{control_file}: at_ns {time}")))?;
                continue;
            }
            Item::Frame(Frame { port, bytes, truncated }) => (port, bytes, truncated),
        };
        let Some((host, port)) = network.place(&name) else { continue };
        number += 1;
        let arrival = Arrival { host, port, frame, truncated };
        if number < args.frame {
            world.process(arrival, time, network, &mut (), &mut wires)?;
            continue;
        }
        let mut text = format!("Frame {number}, in at port {name}, {time} ns\n");
        text.push_str(&headers::in_full(&arrival.frame));
        let mut steps = Steps::default();
        let mut sent = String::new();
        world.process(arrival, time, network, &mut steps, &mut |happening| {
            // Writing to a string cannot fail.
            let _ = match happening {
                Happening::Left { port, frame } => {
                    let name =
                        if *port == UNDERLAY { Some("underlay") } else { network.name(*port) };
                    let name = name.unwrap_or_default();
                    write!(sent, "\nOut by {name}\n{}", headers::in_full(frame))
                }
                other => match event(time, other, network) {
                    Some(event) => writeln!(sent, "\n{event}"),
                    None => Ok(()),
                },
            };
            Ok(())
        })?;
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header(["Table, priority", "Key", "Action"]);
        for step in steps.0 {
            table.add_row(step);
        }
        let _ = write!(text, "\n{table}\n\n{UNREACHABLE}{sent}");
        return out.write_all(text.as_bytes()).map_err(Error::output);
    }
    Err(Error::Input(format!("there is no frame {}: there are {number}", args.frame)))
}
