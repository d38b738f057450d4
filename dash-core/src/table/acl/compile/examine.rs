//! The rules in their order, and what their prefixes have in common.

use super::{
    Compiler, Phase, Trial,
    rules::{prefix, prefixes},
    sort::Sort,
};
use crate::table::acl::{
    Rule,
    image::{self, PROTOCOL_WORDS, RULE_WORDS, RULES_AT, header, protocols_at},
    key::Window,
};
use smoltcp::wire::IpVersion;

/// What the prefixes of a side have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Common {
    first: Option<u128>,
    differ: u128,
    shortest: u8,
    longest: u8,
}

impl Common {
    /// That of no prefix.
    pub(super) const NONE: Self = Self { first: None, differ: 0, shortest: u8::MAX, longest: 0 };
}

impl Compiler<'_> {
    pub(super) fn begin_order(&mut self, rules: &[Rule<'_>]) {
        let mut sorted = true;
        for (index, pair) in rules.iter().enumerate().take(self.count) {
            self.space.set(self.order + 2 * index, pair.priority);
            self.space.set(self.order + 2 * index + 1, index as u32);
            sorted &= index == 0 || self.space.get(self.order + 2 * index - 2) <= pair.priority;
        }
        if sorted {
            self.finish_order();
        } else {
            self.phase = Phase::Order { sort: Some(Sort::new(self.order, self.count, 2)) };
        }
    }

    pub(super) fn finish_order(&mut self) {
        self.space.fill(self.covers, self.count, 0);
        self.space.fill(0, header::WORDS, 0);
        self.space.fill(protocols_at(self.count), PROTOCOL_WORDS, 0);
        self.phase = Phase::Examine { next: 0 };
    }

    /// Notes the protocols of a rule, and what its prefixes have in common with those before.
    pub(super) fn examine(&mut self, index: usize, rule: &Rule<'_>) {
        self.space.set(RULES_AT + RULE_WORDS * index, rule.priority);
        self.space.set(RULES_AT + RULE_WORDS * index + 1, rule.value);
        for protocol in rule.protocols {
            let at = protocols_at(self.count) + usize::from(protocol / 4);
            let shift = protocol % 4 * 8;
            let word = self.space.get(at);
            // Class 0 is that of protocols that no rule names; the last class is shared by two.
            if (word >> shift) as u8 == 0 {
                self.protocols = (self.protocols + 1).min(0xff);
                self.space.set(at, word | self.protocols << shift);
            }
        }
        for (side, common) in self.common.iter_mut().enumerate() {
            for (bits, length) in
                prefixes(rule, side).iter().filter_map(|one| prefix(one, self.version))
            {
                if length > 0 {
                    common.differ |= *common.first.get_or_insert(bits) ^ bits;
                    common.shortest = common.shortest.min(length);
                    common.longest = common.longest.max(length);
                }
            }
        }
    }

    pub(super) fn finish_examination(&mut self) {
        let spans = self.common.map(|common| {
            let shared = common.differ.leading_zeros().min(common.shortest.into());
            let end = u32::from(common.longest).div_ceil(32).max(1);
            ((shared / 32).min(end - 1), end)
        });
        let widest = spans.iter().map(|(skip, end)| end - skip).max().unwrap_or(1);
        self.key_words = widest.next_power_of_two();
        if self.version == IpVersion::Ipv4 {
            self.key_words = 1;
        }
        for ((window, (skip, _)), common) in self.windows.iter_mut().zip(spans).zip(&self.common) {
            let skip =
                if self.version == IpVersion::Ipv4 { 0 } else { skip.min(4 - self.key_words) };
            let first = common.first.unwrap_or(0);
            *window = Window {
                skip,
                words: self.key_words,
                common: first & !u128::MAX.checked_shr(32 * skip).unwrap_or(0),
            };
        }
        self.marks = (self.space.front(), self.space.back());
        self.begin_trial(Trial::Lists);
    }

    /// The bits of the digest of a side, or none, and a number that has the others like all.
    pub(super) fn digest(&self, side: usize) -> (u64, u64) {
        let (window, common) = (image::of(&self.windows, side), image::of(&self.common, side));
        let [mut rest, pattern] = [common.differ, common.first.unwrap_or(0)]
            .map(|bits| ((bits << (32 * window.skip)) >> 64) as u64);
        let mut chosen = 0;
        for _ in 0..u32::BITS {
            let highest = rest.checked_ilog2().map_or(0, |bit| 1 << bit);
            chosen |= highest;
            rest ^= highest;
        }
        let first_word = u64::MAX << 32;
        if window.words < 2 || chosen == first_word { (0, 0) } else { (chosen, pattern) }
    }
}
