//! `--trace`: one line for each frame that comes in, on all hosts that it passes.

use dash_core::{
    flow::FlowStep,
    pipeline::{
        End, Trace,
        router::{Action, DropReason, Event, Router},
    },
};

use crate::headers;

/// What happened to one frame.
#[derive(Debug, Default)]
pub struct FrameTrace {
    steps: Vec<String>,
    ends: Vec<String>,
}

impl Trace<Router<'_>> for FrameTrace {
    fn stage(&mut self, event: impl FnOnce() -> Event) {
        if let Event::Row { table, priority, action } = event()
            && !matches!(action, Action::Goto(_) | Action::Metadata(_))
        {
            self.steps.push(format!("{table}:{priority}"));
        }
    }

    fn flow(&mut self, step: FlowStep) {
        if step == FlowStep::Hit {
            self.steps.push("52:100".to_owned());
        }
    }

    fn end(&mut self, end: &End<DropReason>) {
        match end {
            End::Dropped(reason) => self.ends.push(format!("dropped ({reason})")),
            End::Punted { .. } => self.ends.push("controller".to_owned()),
            End::Sent { .. } => {}
        }
    }
}

/// Stands above the lines.
#[must_use]
pub fn header() -> String {
    columns("#", "IN", "SRC -> DST", "Rows", "Final")
}

/// The line of frame `number`, which came in at the port `port` and left by `departures`.
#[must_use]
pub fn line(
    number: u64,
    port: &str,
    frame: &[u8],
    trace: &FrameTrace,
    departures: &[String],
) -> String {
    let addresses = headers::customer_addresses(frame)
        .map(|(source, destination)| format!("{source} -> {destination}"))
        .unwrap_or_default();
    let ends: Vec<_> = departures.iter().chain(&trace.ends).cloned().collect();
    columns(&number.to_string(), port, &addresses, &trace.steps.join(", "), &ends.join("; "))
}

fn columns(number: &str, port: &str, addresses: &str, rows: &str, last: &str) -> String {
    let line = format!("{number:>5}  {port:<12}  {addresses:<26}  {rows:<14}  {last}");
    line.trim_end().to_owned()
}
