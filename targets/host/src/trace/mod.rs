//! What happened to one frame, collected from the packet path itself.

pub mod describe;
pub mod table;

use dash_core::{
    flow::FlowStep,
    pipeline::{
        End, Trace,
        vnet::{DropReason, Event, Vnet},
    },
};

/// One thing that the packet path did.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "few of a frame, most of them stages")]
pub enum Step {
    /// A stage decided.
    Stage(Event),
    /// The flow table answered or changed.
    Flow(FlowStep),
}

/// The steps of one frame, in order, and its end.
#[derive(Clone, Debug, Default)]
pub struct FrameTrace {
    /// What the packet path did.
    pub steps: Vec<Step>,
    /// How the frame left.
    pub end: Option<End<DropReason>>,
}

impl FrameTrace {
    /// What the stages decided, in order.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.steps.iter().filter_map(|step| match step {
            Step::Stage(event) => Some(event),
            Step::Flow(_) => None,
        })
    }

    /// Whether the flow table did `wanted`.
    #[must_use]
    pub fn flow(&self, wanted: FlowStep) -> bool {
        self.steps.contains(&Step::Flow(wanted))
    }
}

impl Trace<Vnet<'_>> for FrameTrace {
    fn stage(&mut self, event: impl FnOnce() -> Event) {
        self.steps.push(Step::Stage(event()));
    }

    fn flow(&mut self, step: FlowStep) {
        self.steps.push(Step::Flow(step));
    }

    fn end(&mut self, end: &End<DropReason>) {
        self.end = Some(*end);
    }
}

/// What the flow table did, in words.
#[must_use]
pub const fn flow_step(step: FlowStep) -> &'static str {
    match step {
        FlowStep::Hit => "hit",
        FlowStep::Miss => "miss",
        FlowStep::Stale => "policy has changed since",
        FlowStep::Installed => "installed",
        FlowStep::Replaced => "replaced",
        FlowStep::Removed => "removed",
        FlowStep::Uncached => "no place",
    }
}
