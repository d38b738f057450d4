//! What the router keeps in a flow.

use crate::flow::State;

/// Beside the rewrite and the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowState {
    /// Whatever its controller says.
    pub cookie: u64,
    /// When it was first installed, ns.
    pub born: u64,
    /// Whether it is told when it ends.
    pub told: bool,
    /// Whether the slow path made it; then it keeps its cookie.
    pub(super) local: bool,
    /// Whether what is tested before flows are looked for was found true of all its frames, at the
    /// flow's epoch.
    pub(super) fair: bool,
}

impl State for FlowState {
    const EMPTY: Self = Self { cookie: 0, born: 0, told: false, local: false, fair: false };

    fn succeed(self, old: &Self) -> Self {
        let cookie = if self.local { old.cookie } else { self.cookie };
        Self { cookie, born: old.born, ..self }
    }
}
