//! Sets of rules as chains: the set before, and the rule laid over it. Equal ones are one node.

use super::{super::space::Space, Diagram};
use crate::table::{TableError, acl::image::run};

/// Places that are looked at in a hash table: with good hashing a table three quarters full needs fewer.
const PROBES: usize = 256;
/// Slots of a new hash table; it doubles when it is three quarters full.
pub(super) const SLOTS: usize = 64;
/// Words of a node of a chain: the set before it, its rule, what became of it.
const CHAIN_WORDS: usize = 3;

/// Words of chains of so many nodes, whose table need not grow.
pub(super) const fn chain_words(nodes: usize) -> usize {
    CHAIN_WORDS * (nodes + 1) + Slots::slots_for(nodes)
}

/// A hash table of addresses of nodes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slots {
    at: usize,
    mask: usize,
    used: usize,
}

impl Slots {
    pub(super) fn new(space: &mut Space<'_>, count: usize) -> Result<Self, TableError> {
        let at = space.scratch(count)?;
        space.fill(at, count, 0);
        Ok(Self { at, mask: count - 1, used: 0 })
    }

    /// Slots of a table that need not grow for so many nodes.
    pub(super) const fn slots_for(nodes: usize) -> usize {
        let slots = (nodes + nodes / 3 + 2).next_power_of_two();
        if slots < SLOTS { SLOTS } else { slots }
    }

    /// Nodes in it.
    pub(super) const fn used(&self) -> usize {
        self.used
    }

    /// Moves it up to `end`; the scratch below is free.
    pub(super) fn move_to(&mut self, space: &mut Space<'_>, end: usize) {
        let at = end - (self.mask + 1);
        for slot in (0..=self.mask).rev() {
            space.set(at + slot, space.get(self.at + slot));
        }
        self.at = at;
        space.release(at);
    }

    /// The slots to look at for `hash`.
    pub(super) fn places(self, hash: u32) -> impl Iterator<Item = usize> {
        (0..PROBES).map(move |probe| self.at + ((hash as usize + probe) & self.mask))
    }

    /// Puts a node in the free slot `place`, and makes room for the next one.
    pub(super) fn put(
        &mut self,
        space: &mut Space<'_>,
        place: usize,
        node: usize,
        hash: impl Fn(&Space<'_>, usize) -> u32,
    ) -> Result<(), TableError> {
        space.set(place, node as u32);
        self.used += 1;
        if 4 * self.used <= 3 * self.mask {
            return Ok(());
        }
        let mut larger = Self::new(space, 2 * (self.mask + 1))?;
        larger.used = self.used;
        for slot in self.at..=self.at + self.mask {
            let node = space.get(slot);
            if node != 0 {
                let mut places = larger.places(hash(space, node as usize));
                let free = places.find(|place| space.get(*place) == 0).ok_or(TableError::Full)?;
                space.set(free, node);
            }
        }
        *self = larger;
        Ok(())
    }
}

/// A hash with one word more.
pub(in super::super) fn mix(hash: u32, word: u32) -> u32 {
    let hash = (hash ^ word).wrapping_mul(0x9e37_79b1);
    let hash = (hash ^ hash >> 15).wrapping_mul(0x85eb_ca6b);
    hash ^ hash >> 13
}

impl Diagram {
    /// Begins with the chain of no rule and so many slots.
    pub(super) fn begin_chains(
        &mut self,
        space: &mut Space<'_>,
        slots: usize,
    ) -> Result<(), TableError> {
        self.chains = Slots::new(space, slots)?;
        self.empty = space.scratch(CHAIN_WORDS)?;
        space.fill(self.empty, CHAIN_WORDS, 0);
        Ok(())
    }

    /// The set `below` with `rule` laid over it, once.
    pub(super) fn lay(
        &mut self,
        space: &mut Space<'_>,
        below: u32,
        rule: u32,
    ) -> Result<u32, TableError> {
        self.laid += 1;
        if below != self.empty as u32 && space.get(below as usize + 1) == rule {
            return Ok(below);
        }
        // The same wherever the scratch is.
        let empty = self.empty as u32;
        let hash = |below: u32, rule| mix(mix(0, empty.wrapping_sub(below)), rule);
        for place in self.chains.places(hash(below, rule)) {
            let node = space.get(place);
            if node == 0 {
                let node = space.scratch(CHAIN_WORDS)?;
                space.set(node, below);
                space.set(node + 1, rule);
                space.set(node + 2, 0);
                self.chains.put(space, place, node, |space, node| {
                    hash(space.get(node), space.get(node + 1))
                })?;
                return Ok(node as u32);
            }
            if space.get(node as usize) == below && space.get(node as usize + 1) == rule {
                return Ok(node);
            }
        }
        Err(TableError::Full)
    }

    /// Puts the rules of a run into the set.
    pub(super) fn gather(&self, space: &Space<'_>, mut at: u32) {
        // Ends: a run leads to its end or to the run of a shorter prefix.
        while at != 0 {
            let entry = space.get(at as usize);
            if entry & run::LINK != 0 {
                at = entry & run::REST;
                continue;
            }
            let rule = (entry & run::REST).saturating_sub(1);
            let word = self.set + rule as usize / 32;
            space.set(word, space.get(word) | 1 << (rule % 32));
            at = if entry & run::LAST == 0 { at - 1 } else { 0 };
        }
    }

    /// Takes the last rule out of the words of the set up to `word`, if there is one.
    pub(super) fn take_last(&self, space: &Space<'_>, word: &mut usize) -> Option<u32> {
        loop {
            let bits = space.get(self.set + *word);
            if let Some(bit) = bits.checked_ilog2() {
                space.set(self.set + *word, bits ^ 1 << bit);
                return Some(*word as u32 * 32 + bit);
            }
            *word = word.checked_sub(1)?;
        }
    }

    pub(super) fn last_word(&self) -> usize {
        self.count.div_ceil(32).saturating_sub(1)
    }
}
