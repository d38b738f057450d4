//! Counters of one core: plain u64, written by this core alone.

use super::{DropReason, Note, Rule};
use crate::pipeline::Traffic;

/// Counters of stages; a hit moves them as the slow path would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// Times that a frame went through the ingress pipeline, from a port or from stage 11.
    pub ingress: Traffic,
    /// Of these, from stage 11: hits of `ls_out_chain`.
    pub out_chain: Traffic,
    /// Frames from the underlay.
    pub tunnelled: Traffic,
    /// Times that the slow path was asked.
    pub slow: u64,
}

/// All counters of a core.
#[derive(Debug)]
pub struct Counters<'a> {
    drops: [u64; DropReason::COUNT],
    notes: [u64; Note::COUNT],
    pub(super) stages: Stages,
    rules: &'a mut [Traffic],
    longest: usize,
}

impl<'a> Counters<'a> {
    /// Places for the rules of `chains` chains of at most `longest` groups.
    #[must_use]
    pub const fn rules_for(chains: usize, longest: usize) -> usize {
        chains * 2 * (longest + 1)
    }

    /// Nothing counted. Rules that find no place in `rules` are not counted; `longest` is the
    /// [`chain_length`](super::policy::Capacity::chain_length).
    #[must_use]
    pub fn new(rules: &'a mut [Traffic], longest: usize) -> Self {
        rules.fill(Traffic::ZERO);
        let (drops, notes) = ([0; DropReason::COUNT], [0; Note::COUNT]);
        Self { drops, notes, stages: Stages::default(), rules, longest }
    }

    /// Frames, and copies of frames, dropped for `reason`.
    #[must_use]
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops.get(reason as usize).copied().unwrap_or(0)
    }

    /// How often something was noted.
    #[must_use]
    pub fn notes(&self, note: Note) -> u64 {
        self.notes.get(note as usize).copied().unwrap_or(0)
    }

    /// Stages.
    #[must_use]
    pub const fn stages(&self) -> &Stages {
        &self.stages
    }

    /// Frames that a rule steered; rules of several classifiers of one chain count together.
    #[must_use]
    pub fn rule(&self, rule: Rule) -> Traffic {
        self.rules.get(self.place(rule)).copied().unwrap_or_default()
    }

    pub(super) fn place(&self, rule: Rule) -> usize {
        let half = usize::from(rule.chain) * 2 + usize::from(rule.reverse);
        half * (self.longest + 1) + usize::from(rule.hop)
    }

    pub(super) fn drop(&mut self, reason: DropReason) {
        if let Some(count) = self.drops.get_mut(reason as usize) {
            *count += 1;
        }
    }

    pub(super) fn note(&mut self, note: Note) {
        if let Some(count) = self.notes.get_mut(note as usize) {
            *count += 1;
        }
    }

    /// A frame of so many bytes passed the pipeline once.
    pub(super) fn pass(&mut self, passage: super::FlowState, bytes: usize) {
        use super::FlowState as State;
        if passage.has(State::TUNNEL) {
            self.stages.tunnelled.add(bytes);
        } else {
            self.stages.ingress.add(bytes);
        }
        if passage.has(State::FROM_OUT_CHAIN) {
            self.stages.out_chain.add(bytes);
        }
        if passage.has(State::CONFLICT) {
            self.note(Note::ChainConflict);
        }
        if let Some(rule) = passage.rule().and_then(|place| self.rules.get_mut(place)) {
            rule.add(bytes);
        }
    }
}
