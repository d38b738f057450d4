//! `dash explain` with service chains: the stages by their names in OVN.

use std::{fmt::Write as _, io::Write};

use comfy_table::{Table, presets::ASCII_MARKDOWN};
use dash_core::{
    flow::FlowStep,
    pipeline::{
        End, Trace,
        chain::{Action, Chain, DropReason, Event},
    },
};

use super::{
    network::{Network, Port},
    run::Script,
    trace::rule_of,
};
use crate::{
    cli::ExplainArgs, error::Error, headers, script::Item, service_file::ServiceFile,
    trace::flow_step,
};

/// What the stages said of a frame, on all hosts that it passed.
#[derive(Debug)]
struct Steps {
    rows: Vec<[String; 3]>,
    /// Names.
    network: Network,
}

impl Trace<Chain<'_>> for Steps {
    fn stage(&mut self, event: impl FnOnce() -> Event) {
        self.rows.push(row(event(), &self.network));
    }

    fn flow(&mut self, step: FlowStep) {
        self.rows.push(["flow table".to_owned(), String::new(), flow_step(step).to_owned()]);
    }

    fn end(&mut self, end: &End<DropReason>) {
        let what = match end {
            End::Sent { bytes, .. } => format!("sent, {bytes} bytes"),
            End::Dropped(reason) => format!("dropped: {reason}"),
            End::Punted { reason } => format!("to a controller: reason {reason}"),
        };
        self.rows.push(["end".to_owned(), String::new(), what]);
    }
}

fn row(event: Event, network: &Network) -> [String; 3] {
    let (stage, key, action) = match event {
        Event::Tunnel(arrival) => (
            "tunnel",
            format!("vni={} in={} out={}", arrival.vni, arrival.inport, arrival.outport),
            "decapsulate".to_owned(),
        ),
        Event::Key(key) => {
            let [destination, source] = key.macs();
            ("flow key", format!("{source} -> {destination}, entry {}", key.entry()), String::new())
        }
        Event::PortSecurity(refused) => (
            "ls_in_port_sec (ingress 0-2)",
            String::new(),
            refused.map_or_else(|| "next".to_owned(), |reason| format!("drop: {reason}")),
        ),
        Event::InChain { rule, action } => {
            let rule = rule.map_or_else(String::new, |rule| {
                let chain =
                    network.chains.get(usize::from(rule.chain)).map(|(name, _)| name.as_str());
                rule_of(chain.unwrap_or_default(), rule)
            });
            let ports = &network.ports;
            let key = |port| ports.get(port as usize).map_or(0, |port: &Port| port.key);
            let action = match action {
                Action::Next => "next".to_owned(),
                Action::Output(port) => format!("outport={}, output", key(port)),
                Action::Home(port) => format!("regs=0, inport=outport={}, output", key(port)),
                Action::Drop(reason) => format!("drop: {reason}"),
            };
            ("ls_in_chain (ingress 10)", rule, action)
        }
        Event::Lookup { mac, port, learned } => (
            "ls_in_l2_lkup (ingress 16)",
            format!("eth.dst={mac}"),
            match port {
                Some(port) if learned => format!("outport={port}, learnt"),
                Some(port) => format!("outport={port}"),
                None => "miss".to_owned(),
            },
        ),
        Event::Flood { unknown } => (
            "ls_in_l2_lkup (ingress 16)",
            String::new(),
            if unknown { "all ports marked unknown" } else { "all ports" }.to_owned(),
        ),
        Event::OutChain { port } => (
            "ls_out_chain (egress 0)",
            format!("inport={port} outport={port}"),
            "outport=none, on at ingress 11".to_owned(),
        ),
        Event::Remote { host, port } => {
            let name = network.hosts.get(usize::from(host)).map_or("", String::as_str);
            ("table 32", format!("outport={port}"), format!("Geneve to {name}"))
        }
        Event::Deliver { port, .. } => {
            ("table 65", format!("outport={port}"), "deliver".to_owned())
        }
    };
    [stage.to_owned(), key, action]
}

/// Processes the frames before the one asked for, and shows what happens to that one.
///
/// # Errors
/// Bad input, or no such frame.
pub fn explain(args: &ExplainArgs, file: &ServiceFile, out: &mut impl Write) -> Result<(), Error> {
    let mut script = Script::new(&args.input, file)?;
    let mut storage = script.storage(&args.input);
    let world = script.world(&mut storage, &args.input);
    let mut world = world.map_err(|error| error.at(&file.path))?;
    let mut number = 0;
    while let Some((time, item)) = script.timeline.next_item()? {
        world.advance(time);
        let (name, arrival) = match item {
            Item::Control(control) => {
                script.apply(&mut world, control)?;
                continue;
            }
            Item::Frame(frame) => match script.arrival(frame) {
                Some(arrival) => arrival,
                None => continue,
            },
        };
        number += 1;
        if number < args.frame {
            script.frame(&mut world, time, arrival, &mut (), &mut |_, _| Ok(()))?;
            continue;
        }
        let mut text = format!("Frame {number}, in at port {name}, {time} ns\n");
        text.push_str(&headers::in_full(&arrival.frame));
        let mut steps = Steps { rows: Vec::new(), network: script.network.clone() };
        let mut sent = String::new();
        script.frame(&mut world, time, arrival, &mut steps, &mut |departure, name| {
            // Writing to a string cannot fail.
            let _ = write!(sent, "\nOut by {name}\n{}", headers::in_full(&departure.frame));
            Ok(())
        })?;
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header(["Stage", "Key", "Action"]);
        for step in steps.rows {
            table.add_row(step);
        }
        let _ = write!(text, "\n{table}\n{sent}");
        return out.write_all(text.as_bytes()).map_err(Error::output);
    }
    Err(Error::Input(format!("there is no frame {}: there are {number}", args.frame)))
}
