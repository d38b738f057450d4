//! `--trace`: one line for each frame that comes in, on all hosts that it passes.

use dash_core::{
    flow::FlowStep,
    pipeline::{
        End, Trace,
        chain::{Chain, DropReason, Event, Rule},
    },
};

use super::network::Network;
use crate::headers;

/// What happened to one frame.
#[derive(Debug, Default)]
pub struct FrameTrace {
    steps: Vec<Step>,
    drops: Vec<DropReason>,
}

#[derive(Debug)]
enum Step {
    /// A rule of the chain matched.
    Rule(Rule),
    /// The flow table knew.
    Flow,
}

impl Trace<Chain<'_>> for FrameTrace {
    fn stage(&mut self, event: impl FnOnce() -> Event) {
        if let Event::InChain { rule: Some(rule), .. } = event() {
            self.steps.push(Step::Rule(rule));
        }
    }

    fn flow(&mut self, step: FlowStep) {
        if step == FlowStep::Hit {
            self.steps.push(Step::Flow);
        }
    }

    fn end(&mut self, end: &End<DropReason>) {
        if let End::Dropped(reason) = end {
            self.drops.push(*reason);
        }
    }
}

/// Stands above the lines.
#[must_use]
pub fn header() -> String {
    columns("#", "IN", "SRC -> DST", "Chain", "Final")
}

/// The line of frame `number`, which came in at the port `port` and left by `departures`.
#[must_use]
pub fn line(
    number: u64,
    port: &str,
    frame: &[u8],
    trace: &FrameTrace,
    departures: &[String],
    network: &Network,
) -> String {
    let addresses = headers::customer_addresses(frame)
        .map(|(source, destination)| format!("{source} -> {destination}"))
        .unwrap_or_default();
    let steps = trace.steps.iter().map(|step| match step {
        Step::Flow => "flow".to_owned(),
        Step::Rule(rule) => {
            let chain = network.chains.get(usize::from(rule.chain)).map(|(name, _)| name.as_str());
            rule_of(chain.unwrap_or_default(), *rule)
        }
    });
    let steps: Vec<_> = steps.collect();
    let drops = trace.drops.iter().map(|reason| format!("dropped ({reason})"));
    let ends: Vec<_> = departures.iter().cloned().chain(drops).collect();
    columns(&number.to_string(), port, &addresses, &steps.join(", "), &ends.join("; "))
}

/// A rule by its name in OVN's proposal: `F1`, `R2`.
#[must_use]
pub fn rule_of(chain: &str, Rule { reverse, hop, .. }: Rule) -> String {
    format!("{chain} {}{hop}", if reverse { 'R' } else { 'F' })
}

fn columns(number: &str, port: &str, addresses: &str, chain: &str, last: &str) -> String {
    let line = format!("{number:>5}  {port:<12}  {addresses:<26}  {chain:<12}  {last}");
    line.trim_end().to_owned()
}
