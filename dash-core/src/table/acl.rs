//! Classification by groups of list rules, shared.
//!
//! A group is compiled into one run of words, its image, and published by the store of one word: a
//! look-up sees the old rules or the new ones, and a burst sees one version. A rule is found by the
//! prefixes of its more specific side and then verified, or, where too many rules meet, by a
//! decision diagram over all fields; compilation chooses for each group. Lists are
//! never multiplied out. A rule names a tag by number; the prefixes of the tags are the tables of
//! one [`Poptrie`](super::poptrie), shared by all groups, so a prefix comes and goes without a group being touched.
//!
//! Memory: an image takes 0.1 to 0.6 kB a rule and 8 to 30 bytes for each prefix of a list, up to 125
//! where IPv6 prefixes share their first 64 bits, [`AclWriter::words_bound`] at most; a prefix of
//! many rules less, if others are of the same ones. Compiling it takes at most four times its words
//! beside it, of any group. Replacing a group needs the words of the old and of the new image, and
//! those of the compilation, at the same time. Beside the images 1 word a group, and those of the
//! tags' [poptrie](super::poptrie).
//!
//! Time: log₂ of the prefixes for each address, then a record for each rule whose prefix covers it,
//! or one load for each level of the diagram. Where rules name tags, a walk down the prefixes of all
//! tags for each side that they name, and then a record for each tag of the address whose rules may
//! let the destination port through, until a rule before all others is found. A rule that names
//! tags of both sides takes a walk for the other address too, mostly one for all such rules.
//! Compilation is done in steps of bounded work.

#[expect(
    clippy::needless_bitwise_bool,
    reason = "a branch on what a record answers could not be predicted"
)]
mod classify;
mod compile;
mod image;
mod key;
mod store;
mod tags;
mod vector;

pub use compile::Size;

use super::{
    Demand, TableError,
    atomic::{AtomicU32, Ordering::Relaxed},
    quiescence::Readers,
};
use classify::{BURST, Classifier, NO_RULE};
use compile::Compiler;
use core::ops::RangeInclusive;
use dash_hal::{Hints, SoftwareHints};
use image::{RULE_WORDS, RULES_AT, SOURCE};
use smoltcp::wire::{IpAddress, IpCidr, IpVersion};
use store::{GROUP_V6, NO_GROUP, Store};
use tags::{Tags, TagsWriter};

/// The fields that rules look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Source address.
    pub source: IpAddress,
    /// Destination address, of the same family.
    pub destination: IpAddress,
    /// Upper-layer protocol.
    pub protocol: u8,
    /// Source port, 0 for protocols without ports.
    pub source_port: u16,
    /// Destination port, 0 for protocols without ports.
    pub destination_port: u16,
}

impl Headers {
    #[inline]
    const fn address(&self, side: usize) -> IpAddress {
        if side == SOURCE { self.source } else { self.destination }
    }
}

/// One rule. An empty list matches everything; else any element does. A side that has both
/// prefixes and tags is their union.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'r> {
    /// Lower is looked at first.
    pub priority: u32,
    /// What a match answers; the table does not look at it.
    pub value: u32,
    /// Upper-layer protocols.
    pub protocols: &'r [u8],
    /// Source prefixes.
    pub sources: &'r [IpCidr],
    /// Destination prefixes.
    pub destinations: &'r [IpCidr],
    /// Source tags.
    pub source_tags: &'r [u32],
    /// Destination tags.
    pub destination_tags: &'r [u32],
    /// Source ports.
    pub source_ports: &'r [RangeInclusive<u16>],
    /// Destination ports.
    pub destination_ports: &'r [RangeInclusive<u16>],
}

/// What a group says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// There is no such group.
    NoGroup,
    /// The group is of the other IP version.
    OtherVersion,
    /// No rule of the group matches.
    NoRule,
    /// The first rule that matches.
    Rule {
        /// Its priority, which names it within its group.
        priority: u32,
        /// Its value.
        value: u32,
    },
}

/// How much a classifier can hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Groups are numbered 0 to `groups - 1`.
    pub groups: usize,
    /// 32-bit words for the images of all groups, old and new ones of a replaced group counted
    /// both, and for the scratch of one compilation. [`AclWriter::words_bound`] for each group, and
    /// as much again for what is replaced in one transaction, always suffices.
    pub words: usize,
    /// Tags are numbered 0 to `tags - 1`.
    pub tags: usize,
    /// Prefixes of all tags; a prefix in two tags counts twice.
    pub tag_prefixes: usize,
}

/// The readers' view.
#[derive(Clone, Copy, Debug)]
pub struct Acl<'a> {
    groups: &'a [AtomicU32],
    images: &'a [AtomicU32],
    tags: Tags<'a>,
}

/// The only writer.
#[derive(Debug)]
pub struct AclWriter<'a> {
    table: Acl<'a>,
    store: Store<'a>,
    tags: TagsWriter<'a>,
    /// The group that is being compiled.
    building: Option<Building<'a>>,
    /// Compiled groups, in the order in which they will be published.
    first: u32,
    last: u32,
}

#[derive(Debug)]
struct Building<'a> {
    block: u32,
    compiler: Compiler<'a>,
}

impl<'a> AclWriter<'a> {
    /// 32-bit words of storage.
    #[must_use]
    pub const fn words_for(capacity: &Capacity) -> usize {
        Store::words_for(capacity.words, capacity.groups)
            .saturating_add(capacity.groups)
            .saturating_add(TagsWriter::words_for(capacity.tag_prefixes))
    }

    /// Words of [`Capacity`] that suffice to compile these rules: 84 a rule, 50 an element of its
    /// lists and 66 a prefix of IPv6, one for each 3 tags up to the highest number, and 4,096. Most images take a fraction,
    /// and [`Self::compile`] tells which.
    #[must_use]
    pub fn words_bound(rules: &[Rule<'_>]) -> usize {
        let elements: usize = rules
            .iter()
            .map(|rule| {
                rule.protocols.len()
                    + rule.sources.len()
                    + rule.destinations.len()
                    + rule.source_tags.len()
                    + rule.destination_tags.len()
                    + rule.source_ports.len()
                    + rule.destination_ports.len()
            })
            .sum();
        let prefixes = rules.iter().flat_map(|rule| rule.sources.iter().chain(rule.destinations));
        let long = prefixes.filter(|prefix| matches!(prefix, IpCidr::Ipv6(_))).count();
        let tags =
            rules.iter().flat_map(|rule| rule.source_tags.iter().chain(rule.destination_tags));
        let tags = tags.max().map_or(0, |highest| *highest as usize / 3 + 16);
        84 * rules.len() + 50 * elements + 16 * long + tags + 4096
    }

    /// No groups, no tags, over `words`.
    /// # Errors
    /// `StorageTooSmall`, `CapacityTooLarge`.
    pub fn new(
        words: &'a [AtomicU32],
        capacity: &Capacity,
        readers: Readers<'a>,
    ) -> Result<Self, TableError> {
        if readers.len() > super::quiescence::MAX_READERS {
            return Err(TableError::CapacityTooLarge);
        }
        let tag_words = TagsWriter::words_for(capacity.tag_prefixes);
        let words = words.get(..Self::words_for(capacity)).ok_or(TableError::StorageTooSmall)?;
        let (groups, words) =
            words.split_at_checked(capacity.groups).ok_or(TableError::StorageTooSmall)?;
        let (tag_words, words) =
            words.split_at_checked(tag_words).ok_or(TableError::StorageTooSmall)?;
        let tags = TagsWriter::new(tag_words, capacity.tags, capacity.tag_prefixes, readers)?;
        let store = Store::new(words, readers)?;
        for group in groups {
            group.store(NO_GROUP, Relaxed);
        }
        let table = Acl { groups, images: store.words(), tags: tags.table() };
        Ok(Self { table, store, tags, building: None, first: NO_GROUP, last: NO_GROUP })
    }

    /// The view for readers.
    #[must_use]
    pub fn table(&self) -> Acl<'a> {
        self.table
    }

    /// Words of the longest run that is free now.
    #[must_use]
    pub fn room(&mut self) -> usize {
        self.store.room()
    }

    /// Makes or replaces a group whole: readers see the old rules or the new ones. `rules` in any
    /// order; of two with one priority the earlier in the slice is looked at first. What
    /// [`Self::compile`] has prepared is used; else the rules are compiled now.
    /// # Errors
    /// `Full`, `Busy`, `CapacityTooLarge` (group or tag number); the group is as it was.
    pub fn set_group(
        &mut self,
        group: u32,
        version: IpVersion,
        rules: &[Rule<'_>],
    ) -> Result<(), TableError> {
        let word = self.check_group(group, rules)?;
        if self.first == NO_GROUP {
            self.compile(version, rules)?;
        }
        let block = self.first;
        self.first = self.store.next(block);
        if self.first == NO_GROUP {
            self.last = NO_GROUP;
        }
        let version = if version == IpVersion::Ipv6 { GROUP_V6 } else { 0 };
        self.store.publish(word, block | version);
        Ok(())
    }

    /// Compiles rules for a later [`Self::set_group`]: the first call of that takes what was
    /// compiled first.
    /// # Errors
    /// `Full`, `Busy`, `CapacityTooLarge`; what was compiled before stays.
    pub fn compile(&mut self, version: IpVersion, rules: &[Rule<'_>]) -> Result<Size, TableError> {
        self.begin(version, rules.len())?;
        loop {
            if let Some(size) = self.step(rules)? {
                return Ok(size);
            }
        }
    }

    /// Begins what [`Self::compile`] does at once, to be done in steps; an earlier one that has not
    /// been finished is given up.
    /// # Errors
    /// `Full`, `Busy`, `CapacityTooLarge`.
    pub fn begin(&mut self, version: IpVersion, rules: usize) -> Result<(), TableError> {
        self.abandon();
        let block = self.store.take().ok_or(TableError::Full).map_err(|error| self.why(error))?;
        let words = self.store.block(block);
        match Compiler::new(words, version, rules) {
            Ok(compiler) => {
                self.building = Some(Building { block, compiler });
                Ok(())
            }
            Err(error) => {
                self.store.free(block);
                Err(self.why(error))
            }
        }
    }

    /// Does the next step with the same `rules`; the size when it was the last.
    /// # Errors
    /// `Full`, `Busy`: not in the words that are free.
    pub fn step(&mut self, rules: &[Rule<'_>]) -> Result<Option<Size>, TableError> {
        let Some(Building { block, compiler }) = &mut self.building else {
            return Err(TableError::Full);
        };
        let block = *block;
        match compiler.step(rules) {
            Ok(None) => Ok(None),
            Ok(Some(size)) => {
                self.building = None;
                self.store.shorten(block, size.compiled);
                self.store.set_next(block, NO_GROUP);
                if self.first == NO_GROUP {
                    self.first = block;
                } else {
                    self.store.set_next(self.last, block);
                }
                self.last = block;
                Ok(Some(size))
            }
            Err(error) => {
                self.abandon();
                Err(self.why(error))
            }
        }
    }

    /// Gives up what was compiled and not published.
    pub fn discard(&mut self) {
        self.abandon();
        // Bounded: a block is in the queue once.
        while self.first != NO_GROUP {
            let block = self.first;
            self.first = self.store.next(block);
            self.store.free(block);
        }
        self.last = NO_GROUP;
    }

    fn abandon(&mut self) {
        if let Some(building) = self.building.take() {
            self.store.free(building.block);
        }
    }

    /// `Busy` instead of `Full` where blocks wait for readers.
    fn why(&self, error: TableError) -> TableError {
        if error == TableError::Full && self.store.waits() { TableError::Busy } else { error }
    }

    /// Removes a group; idempotent. Never refused here: nothing is allocated.
    /// # Errors
    /// `Busy`.
    pub fn remove_group(&mut self, group: u32) -> Result<(), TableError> {
        if let Some(word) = self.table.groups.get(group as usize) {
            self.store.publish(word, NO_GROUP);
        }
        Ok(())
    }

    /// Adds a prefix to a tag; answers whether it was not there. Groups that use the tag see it at once.
    /// # Errors
    /// `Full`, `Busy`, `CapacityTooLarge`.
    pub fn add_to_tag(&mut self, tag: u32, prefix: IpCidr) -> Result<bool, TableError> {
        self.tags.add(tag, prefix)
    }

    /// Takes a prefix from a tag; answers whether it was there. Never refused here: what is given
    /// back needs no memory.
    /// # Errors
    /// `Busy`.
    pub fn remove_from_tag(&mut self, tag: u32, prefix: IpCidr) -> Result<bool, TableError> {
        self.tags.remove(tag, prefix)
    }

    /// Whether the numbers of a group and of the tags of its rules are in range.
    /// # Errors
    /// `CapacityTooLarge`.
    pub fn admit_group(&self, group: u32, rules: &[Rule<'_>]) -> Result<(), TableError> {
        self.check_group(group, rules).map(|_| ())
    }

    /// Counts a prefix that is added to a tag in `demand`, and so in that of the next.
    /// # Errors
    /// `Full`, `Busy`, `CapacityTooLarge`.
    pub fn admit_to_tag(
        &mut self,
        tag: u32,
        prefix: IpCidr,
        demand: &mut Demand,
    ) -> Result<(), TableError> {
        self.tags.admit(tag, prefix, demand)
    }

    /// Makes a place for a prefix of a tag, so that it is not refused, whatever is removed before
    /// it. For transactions: all are held first, and all are released at the end.
    /// # Errors
    /// `Full`, `Busy`, `CapacityTooLarge`.
    pub fn hold_in_tag(&mut self, tag: u32, prefix: IpCidr) -> Result<(), TableError> {
        self.tags.hold(tag, prefix)
    }

    /// Gives back what is held, and the place of a prefix that no tag has; idempotent.
    pub fn release_in_tag(&mut self, prefix: IpCidr) {
        self.tags.release(prefix);
    }

    /// The word of a group, if there is one and the tags of `rules` are.
    fn check_group(&self, group: u32, rules: &[Rule<'_>]) -> Result<&'a AtomicU32, TableError> {
        let mut tags =
            rules.iter().flat_map(|rule| rule.source_tags.iter().chain(rule.destination_tags));
        tags.try_for_each(|tag| self.tags.check(*tag))?;
        self.table.groups.get(group as usize).ok_or(TableError::CapacityTooLarge)
    }
}

impl Acl<'_> {
    /// The IP version of `group`, if there is one.
    #[must_use]
    pub fn ip_version(&self, group: u32) -> Option<IpVersion> {
        let version = self.version(group);
        (version != NO_GROUP).then(|| family(version))
    }

    /// The first rule of `group` that matches. Headers whose two addresses are not both of the
    /// group's version are `OtherVersion`.
    #[must_use]
    pub fn classify(&self, group: u32, headers: &Headers) -> Match {
        let version = self.version(group);
        if version == NO_GROUP {
            return Match::NoGroup;
        }
        let family = family(version);
        if headers.source.version() != family || headers.destination.version() != family {
            return Match::OtherVersion;
        }
        let words = self.image(version);
        let classifier = Classifier { words, tags: self.tags, hints: &SoftwareHints };
        found(words, classifier.classify_one(headers))
    }

    /// What [`Self::classify`] says of each of `headers`, all by one version of the group.
    /// `matches` has room for as many.
    pub fn classify_burst(
        &self,
        group: u32,
        headers: &[Headers],
        matches: &mut [Match],
        hints: &impl Hints,
    ) {
        let version = self.version(group);
        for (headers, matches) in headers.chunks(BURST).zip(matches.chunks_mut(BURST)) {
            self.classify_chunk(version, headers, matches, hints);
        }
    }

    /// The word of a group.
    #[inline]
    fn version(&self, group: u32) -> u32 {
        self.groups.get(group as usize).map_or(NO_GROUP, store::published)
    }

    /// The image of a group, and whatever follows it.
    #[inline]
    fn image(&self, version: u32) -> &[AtomicU32] {
        store::image(self.images, version & !GROUP_V6)
    }

    #[inline]
    fn classify_chunk(
        &self,
        version: u32,
        headers: &[Headers],
        matches: &mut [Match],
        hints: &impl Hints,
    ) {
        if version == NO_GROUP {
            matches.iter_mut().take(headers.len()).for_each(|found| *found = Match::NoGroup);
            return;
        }
        let words = self.image(version);
        let mut best = [NO_RULE; BURST];
        let of_version = Classifier { words, tags: self.tags, hints }.classify(headers, &mut best);
        for (best, place) in best.iter().zip(matches.iter_mut()).take(headers.len()) {
            *place = found(words, *best);
        }
        if !of_version {
            let family = family(version);
            for (headers, found) in headers.iter().zip(matches) {
                if headers.source.version() != family || headers.destination.version() != family {
                    *found = Match::OtherVersion;
                }
            }
        }
    }
}

/// The IP version of a group, from its word.
#[inline]
const fn family(version: u32) -> IpVersion {
    if version & GROUP_V6 == 0 { IpVersion::Ipv4 } else { IpVersion::Ipv6 }
}

/// What rule `best` of an image answers.
#[inline]
fn found(image: &[AtomicU32], best: u32) -> Match {
    let rules = image.get(RULES_AT..).unwrap_or_default().as_chunks::<RULE_WORDS>().0;
    rules.get(best as usize).map_or(Match::NoRule, |[priority, value]| Match::Rule {
        priority: priority.load(Relaxed),
        value: value.load(Relaxed),
    })
}
