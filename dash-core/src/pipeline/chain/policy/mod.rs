//! What the control core configures and every core reads.
//!
//! A [`Configuration`] is checked and compiled whole into one of two images, and published by one
//! store: readers see the old one or the new one, and a refused one changes nothing. The other
//! image's memory is used again once every reader has passed a quiescent point; until then
//! [`PolicyWriter::replace`] answers `Busy`. The health of a pair is one word, changed in place.
//! Every change moves the epoch, so that flows are evaluated again by their own next frame.
//!
//! Memory: [`Capacity::words`] 32-bit words of the caller's, two images. A replacement costs time
//! in proportion to the configuration, but for the hosts, each of which is compared with the others;
//! a change of health two stores.
//!
//! One application behind one function, on one host:
//!
//! ```
//! use dash_core::{
//!     pipeline::chain::policy::{
//!         Capacity, Chain, Classifier, Configuration, Fallback, Group, Host, Mode, Pair, Path, Place,
//!         PolicyWriter, Port, Select, Switch,
//!     },
//!     table::quiescence::Readers,
//! };
//! use dash_hal::PortId;
//! use smoltcp::wire::EthernetAddress;
//! use std::sync::atomic::AtomicU32;
//!
//! // The client, both sides of the function, the application; the ports of the device are the same.
//! let macs = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]].map(EthernetAddress);
//! let port = |number, macs| Port {
//!     switch: 0,
//!     key: number + 1,
//!     id: PortId(number),
//!     place: Place::Host(0),
//!     macs,
//!     ips: &[],
//!     unknown: false,
//!     port_security: false,
//! };
//! let host = Host { ip: [198, 51, 100, 1].into(), mac: EthernetAddress([10, 0, 0, 0, 0, 17]) };
//! let group =
//!     Group { pairs: &[0], select: Select::First, fallback: Fallback::Close, mode: Mode::Inline };
//! let classifier =
//!     Classifier { chain: 0, port: 3, path: Path::Entry, bidirectional: true, matches: &[] };
//! let configuration = Configuration {
//!     host: 0,
//!     hosts: &[host],
//!     switches: &[Switch { tunnel_key: 1 }],
//!     ports: &[port(0, &macs[..1]), port(1, &[]), port(2, &[]), port(3, &macs[1..])],
//!     pairs: &[Pair { input: 1, output: 2, up: true }],
//!     groups: &[group],
//!     chains: &[Chain { groups: &[0] }],
//!     classifiers: &[classifier],
//! };
//!
//! const CAPACITY: Capacity = Capacity {
//!     hosts: 1,
//!     switches: 1,
//!     ports: 4,
//!     macs: 2,
//!     pairs: 1,
//!     groups: 1,
//!     members: 1,
//!     chains: 1,
//!     chain_length: 1,
//!     hops: 2,
//!     classifiers: 1,
//!     ..Capacity::NONE
//! };
//! let words: Vec<_> = (0..CAPACITY.words()).map(|_| AtomicU32::new(0)).collect();
//! // Nobody reads yet; the seed is the port's.
//! let mut writer = PolicyWriter::new(&words, &CAPACITY, [1, 2], Readers::new(&[])).unwrap();
//! writer.replace(&configuration).unwrap();
//! // The packet cores hold this, and see every change.
//! let policy = writer.policy();
//! let epoch = policy.epoch();
//! assert!(writer.set_pair_up(0, false));
//! assert_ne!(policy.epoch(), epoch);
//! ```

mod compile;
mod configuration;
mod error;
mod image;
mod object;

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use dash_hal::HashKey;

pub use self::{
    configuration::{
        Chain, Classifier, Configuration, Fallback, Group, Mode, Pair, Path, Place, Port, Select,
        Switch,
    },
    error::{Fault, Kind, PolicyError},
};
pub use crate::pipeline::image::Host;

use self::image::Draft;
pub(super) use self::{
    image::Image,
    object::{ClassifierRecord, GroupRecord, NO_CLASSIFIER, PairRecord, PortFlags, PortRecord},
};
use crate::{
    pipeline::image::{Epoch, Publication, Region, Side},
    table::{TableError, quiescence::Readers},
};

/// Most objects of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Hosts.
    pub hosts: usize,
    /// Logical switches.
    pub switches: usize,
    /// Logical ports of all hosts, at most 65,535.
    pub ports: usize,
    /// MAC addresses of all ports.
    pub macs: usize,
    /// IP addresses of all ports.
    pub addresses: usize,
    /// Pairs.
    pub pairs: usize,
    /// Groups.
    pub groups: usize,
    /// Pairs of all groups; one in two groups counts twice.
    pub members: usize,
    /// Chains.
    pub chains: usize,
    /// Groups of one chain.
    pub chain_length: usize,
    /// Ports of pairs in all chains; one in two chains counts twice.
    pub hops: usize,
    /// Classifiers.
    pub classifiers: usize,
    /// Classifiers that have rules.
    pub matches: usize,
    /// 32-bit words for the compiled rules of all classifiers, once for each IP version; twice
    /// [`AclWriter::words_bound`](crate::table::acl::AclWriter::words_bound) for each always
    /// suffices.
    pub match_words: usize,
}

impl Capacity {
    /// Nothing, to name only what is there.
    pub const NONE: Self = Self {
        hosts: 0,
        switches: 0,
        ports: 0,
        macs: 0,
        addresses: 0,
        pairs: 0,
        groups: 0,
        members: 0,
        chains: 0,
        chain_length: 0,
        hops: 0,
        classifiers: 0,
        matches: 0,
        match_words: 0,
    };

    /// 32-bit words of the region.
    #[must_use]
    pub const fn words(&self) -> usize {
        1 + 2 * self.image_words()
    }
}

/// The readers' view; as many copies as there are cores.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    images: [Image<'a>; 2],
    epoch: Epoch<'a>,
}

impl<'a> Policy<'a> {
    /// Moves with every change.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch.now()
    }

    /// What counts at `epoch`, the newest.
    pub(super) fn image(&self, epoch: u32) -> &Image<'a> {
        Side::at(epoch).of(self.images.each_ref())
    }
}

/// The only writer.
#[derive(Debug)]
pub struct PolicyWriter<'a> {
    drafts: [Draft<'a>; 2],
    publication: Publication<'a>,
    capacity: Capacity,
    /// How many pairs there are.
    pairs: usize,
}

impl<'a> PolicyWriter<'a> {
    /// An empty policy over `words`, whose content is overwritten. `seed` comes from the port's
    /// [`Entropy`](dash_hal::Entropy); `readers` has one counter for each core that reads.
    ///
    /// # Errors
    /// `StorageTooSmall` when `words` are fewer than [`Capacity::words`]; `CapacityTooLarge`.
    pub fn new(
        words: &'a [AtomicU32],
        capacity: &Capacity,
        seed: [u64; 2],
        readers: Readers<'a>,
    ) -> Result<Self, TableError> {
        if capacity.ports > usize::from(u16::MAX) {
            return Err(TableError::CapacityTooLarge);
        }
        let size = capacity.image_words();
        let hash = HashKey::new(seed);
        let mut region = Region(words);
        let epoch = region.word()?;
        let mut draft = || Draft::new(region.take(size)?, capacity, hash);
        let mut drafts = [draft()?, draft()?];
        for draft in &mut drafts {
            draft.clear(capacity)?;
        }
        let publication = Publication::new(epoch, readers);
        Ok(Self { drafts, publication, capacity: *capacity, pairs: 0 })
    }

    /// The readers' view.
    #[must_use]
    pub const fn policy(&self) -> Policy<'a> {
        let [first, second] = &self.drafts;
        Policy { images: [first.image, second.image], epoch: self.publication.epoch() }
    }

    /// Replaces the whole configuration.
    ///
    /// # Errors
    /// [`PolicyError::Object`] when an object is wrong; `Busy` until each reader has passed a
    /// quiescent point since the last replacement.
    pub fn replace(&mut self, configuration: &Configuration<'_>) -> Result<(), PolicyError> {
        let spare = self.publication.spare()?.of(self.drafts.each_mut());
        spare.compile(configuration, &self.capacity)?;
        self.publication.publish();
        self.pairs = configuration.pairs.len();
        Ok(())
    }

    /// Says whether a pair works, from the next frame on. Answers whether there is such a pair.
    pub fn set_pair_up(&mut self, pair: u16, up: bool) -> bool {
        let newest = self.publication.newest().of(self.drafts.each_ref());
        let health = newest.image.health.get(usize::from(pair));
        let Some(health) = health.filter(|_| usize::from(pair) < self.pairs) else { return false };
        if health.swap(up.into(), Relaxed) != u32::from(up) {
            self.publication.touch();
        }
        true
    }
}
