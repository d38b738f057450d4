//! What the control core configures and every core reads.
//!
//! A [`Configuration`] is checked and compiled whole into one of two images, and published by one
//! store: readers see the old one or the new one, and a refused one changes nothing. The other
//! image's memory is used again once every reader has passed a quiescent point; until then
//! [`PolicyWriter::replace`] answers `Busy`. Every change moves the epoch, so that flows of the
//! service's own are evaluated again by their own next frame.
//!
//! Memory: [`Capacity::words`] 32-bit words of the caller's, two images. A replacement costs time
//! in proportion to the configuration, and to the square of the number of subnets of one network.

mod compile;
mod configuration;
mod error;
mod image;
mod object;

use core::sync::atomic::AtomicU32;

use dash_hal::HashKey;

pub use self::{
    configuration::{Configuration, Interface, Network, Port, Route, Router},
    error::{Fault, Kind, PolicyError},
};
pub use crate::pipeline::image::Host;

use self::image::Draft;
pub(super) use self::{
    image::{Image, MacOwner},
    object::{InterfaceRecord, NetworkRecord, PortFlags, PortRecord},
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
    /// Networks.
    pub networks: usize,
    /// Subnets of all networks.
    pub subnets: usize,
    /// Ports of all hosts, at most 65,535.
    pub ports: usize,
    /// IP addresses of all ports.
    pub addresses: usize,
    /// Allowed pairs of all ports.
    pub pairs: usize,
    /// Routers.
    pub routers: usize,
    /// Ports of all routers.
    pub interfaces: usize,
    /// Static routes of all routers.
    pub routes: usize,
}

impl Capacity {
    /// Nothing, to name only what is there.
    pub const NONE: Self = Self {
        hosts: 0,
        networks: 0,
        subnets: 0,
        ports: 0,
        addresses: 0,
        pairs: 0,
        routers: 0,
        interfaces: 0,
        routes: 0,
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
        let drafts = [draft()?, draft()?];
        let publication = Publication::new(epoch, readers);
        Ok(Self { drafts, publication, capacity: *capacity })
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
        Ok(())
    }
}
