//! `dash run` with service chains.

use std::{fs, io::Write};

use dash_core::pipeline::{
    Trace,
    chain::{Chain, DropReason, Note, policy::Capacity},
};
use serde::Serialize;

use super::{
    control::{self, Control},
    document::File,
    network::Network,
    trace::{self, FrameTrace},
    world::{Arrival, Departure, Storage, UNDERLAY, World},
};
use crate::{
    cli::{InputArgs, RunArgs},
    error::Error,
    outputs::{Outputs, spare_inputs},
    port::{BETWEEN_HOSTS, PortNames},
    report::ServiceReport,
    script::{self, Item, Timeline},
    service_file::ServiceFile,
};

/// Answers to control objects, in the output folder.
const EVENTS: &str = "events.jsonl";

/// A flow that lives at the end.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct FlowReport {
    host: String,
    in_port: String,
    /// Stage of entry: 0, or 11 for frames from `ls_out_chain`.
    entry: u8,
    src_mac: String,
    dst_mac: String,
    packets: u64,
    bytes: u64,
}

/// Runs captures through hosts; writes what leaves, the report, and the trace to `out`.
///
/// # Errors
/// Bad input; the system.
pub fn run(args: &RunArgs, file: &ServiceFile, out: &mut impl Write) -> Result<(), Error> {
    let mut script = Script::new(&args.input, file)?;
    let mut names = PortNames::default();
    let inputs: Vec<_> = args.input.inputs.iter().map(|(name, _)| names.number(name)).collect();
    // Its capture, too, must be none of the inputs.
    names.number(BETWEEN_HOSTS);
    spare_inputs(&args.out, &args.input, &names)?;
    let mut storage = script.storage(&args.input);
    let world = script.world(&mut storage, &args.input);
    let mut world = world.map_err(|error| error.at(&file.path))?;
    let mut outputs = Outputs::create(&args.out, &inputs, &names)?;
    let mut events = Vec::new();
    let mut number = 0;
    let mut print = |line: String| writeln!(out, "{line}").map_err(Error::output);
    if args.trace {
        print(trace::header())?;
    }
    while let Some((time, item)) = script.timeline.next_item()? {
        world.advance(time);
        match item {
            Item::Control(Control::Stats) => {
                let report = report(&world, &script.network, &outputs, &names);
                let event = serde_json::json!({ "t_ns": time, "stats": report });
                // Writing to a vector cannot fail.
                let _ = writeln!(events, "{event}");
            }
            Item::Control(control) => script.apply(&mut world, control)?,
            Item::Frame(frame) => {
                let Some((name, arrival)) = script.arrival(frame) else { continue };
                number += 1;
                outputs.received(names.number(&name), arrival.frame.len());
                let mut departures = Vec::new();
                let mut told = |departure: &Departure, name: &str| {
                    let port = names.number(name);
                    outputs.send(port, time, &departure.frame, &names)?;
                    if args.trace {
                        departures.push(name.to_owned());
                    }
                    Ok(())
                };
                if args.trace {
                    let frame = arrival.frame.clone();
                    let mut trace = FrameTrace::default();
                    script.frame(&mut world, time, arrival, &mut trace, &mut told)?;
                    let network = &script.network;
                    print(trace::line(number, &name, &frame, &trace, &departures, network))?;
                } else {
                    script.frame(&mut world, time, arrival, &mut (), &mut told)?;
                }
            }
        }
    }
    let report = report(&world, &script.network, &outputs, &names);
    outputs.finish(&report)?;
    if !events.is_empty() {
        let path = args.out.join(EVENTS);
        fs::write(&path, events).map_err(|error| Error::io(&path, error))?;
    }
    Ok(())
}

/// The hosts' configuration, and what happens in a run.
pub(super) struct Script {
    pub(super) network: Network,
    pub(super) timeline: Timeline<Control>,
    capacity: Capacity,
}

impl Script {
    pub(super) fn new(input: &InputArgs, file: &ServiceFile) -> Result<Self, Error> {
        let File { chain } = file.parse()?;
        let network = Network::new(&chain).map_err(|message| file.wrong(message))?;
        let control = control::read(input.control.as_deref())?;
        let mut capacity = network.capacity();
        for (_, control) in &control {
            if let Control::Replace(network) = control {
                capacity = larger(&capacity, &network.capacity());
            }
        }
        let is_port = |name: &str| network.place(name).is_some();
        let is_of_switch = |name: &str| matches!(network.place(name), Some((_, Some(_))));
        let timeline = Timeline::new(input, control, is_port, is_of_switch)?;
        Ok(Self { network, timeline, capacity })
    }

    /// Memory for each host.
    pub(super) fn storage(&self, input: &InputArgs) -> Vec<Storage> {
        let hosts = 0..self.capacity.hosts;
        hosts.map(|_| Storage::new(&self.capacity, input.flows())).collect()
    }

    pub(super) fn world<'a>(
        &self,
        storage: &'a mut [Storage],
        input: &InputArgs,
    ) -> Result<World<'a>, Error> {
        let hosts = storage.get_mut(..self.network.hosts.len()).unwrap_or_default();
        World::new(hosts, &self.capacity, &self.network, input)
    }

    /// Where a frame comes in; `None`: its port went with an earlier configuration.
    pub(super) fn arrival(&self, frame: script::Frame) -> Option<(String, Arrival)> {
        let script::Frame { port: name, bytes: frame, truncated } = frame;
        let (host, port) = self.network.place(&name)?;
        let port = port.unwrap_or(UNDERLAY);
        Some((name, Arrival { host, port, frame, truncated }))
    }

    /// Carries out what a control object asks for.
    pub(super) fn apply(&mut self, world: &mut World<'_>, control: Control) -> Result<(), Error> {
        match control {
            Control::PairUp(name, up) => {
                let place = self.network.pairs.iter().position(|pair| *pair == name);
                let pair =
                    place.ok_or_else(|| Error::Input(format!("there is no pair \"{name}\"")))?;
                world.set_pair_up(pair as u16, up);
            }
            Control::Replace(network) => {
                if network.hosts != self.network.hosts {
                    return Err(Error::Input("the hosts of a run stay".to_owned()));
                }
                world.replace(&network)?;
                self.network = *network;
            }
            Control::Stats => {}
        }
        Ok(())
    }

    /// Takes a frame to its end; `told` hears what leaves, and by which name. What leaves by a
    /// wired port will come in at the other end.
    pub(super) fn frame<'a, T: Trace<Chain<'a>>>(
        &mut self,
        world: &mut World<'a>,
        time: u64,
        arrival: Arrival,
        trace: &mut T,
        told: &mut impl FnMut(&Departure, &str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Self { network, timeline, .. } = self;
        let crossings = network.crossings();
        world.process(arrival, network, trace, |departure| {
            if departure.port == UNDERLAY {
                return told(departure, BETWEEN_HOSTS);
            }
            let name = network.name(departure.port, departure.host).unwrap_or_default();
            timeline.left(time, &name, &departure.frame, crossings)?;
            told(departure, &name)
        })
    }
}

/// What holds either.
fn larger(one: &Capacity, other: &Capacity) -> Capacity {
    Capacity {
        hosts: one.hosts.max(other.hosts),
        switches: one.switches.max(other.switches),
        ports: one.ports.max(other.ports),
        macs: one.macs.max(other.macs),
        addresses: one.addresses.max(other.addresses),
        pairs: one.pairs.max(other.pairs),
        groups: one.groups.max(other.groups),
        members: one.members.max(other.members),
        chains: one.chains.max(other.chains),
        chain_length: one.chain_length.max(other.chain_length),
        hops: one.hops.max(other.hops),
        classifiers: one.classifiers.max(other.classifiers),
        matches: one.matches.max(other.matches),
        match_words: one.match_words.max(other.match_words),
    }
}

/// `report.json`.
fn report(
    world: &World<'_>,
    network: &Network,
    outputs: &Outputs,
    names: &PortNames,
) -> ServiceReport<FlowReport> {
    let drops = world.counters().flat_map(|counters| {
        DropReason::ALL.map(|reason| (reason.to_string(), counters.drops(reason)))
    });
    let notes = world
        .counters()
        .flat_map(|counters| Note::ALL.map(|note| (note.to_string(), counters.notes(note))));
    let mut flows: Vec<_> = world
        .flows()
        .map(|(host, key, flow)| {
            let name = network.hosts.get(usize::from(host)).cloned().unwrap_or_default();
            let [dst_mac, src_mac] = key.macs().map(|mac| mac.to_string());
            FlowReport {
                in_port: network.name(key.ingress(), host).unwrap_or_else(|| name.clone()),
                host: name,
                entry: key.entry(),
                src_mac,
                dst_mac,
                packets: flow.packets,
                bytes: flow.bytes,
            }
        })
        .collect();
    flows.sort();
    ServiceReport::new((outputs.traffic(), names), drops, notes, flows)
}
