//! MAC addresses that a learning switch saw: one core's own, over the caller's storage.
//!
//! A learnt address lives 300 s from the last frame that it sent; use as a destination refreshes
//! nothing. A full table first gives up entries that are over, if it finds some, and
//! then learns no more.

use dash_hal::{HashKey, Hints};
use smoltcp::wire::EthernetAddress;

use crate::table::{
    TableError,
    cuckoo::{Bucket, Cuckoo, InsertError, Key, Slot, Value},
};

/// How long an address is known, ns.
pub const AGE: u64 = 300_000_000_000;
/// Entries that an address which finds no place looks at.
const RECLAIM: usize = 64;

/// A MAC address of a switch, which its tunnel key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address([u64; 2]);

impl Key for Address {
    const EMPTY: Self = Self([0; 2]);

    fn hash<H: Hints>(&self, secret: &HashKey, hints: &H) -> u64 {
        hints.keyed_hash(secret, &self.0)
    }
}

impl Address {
    fn new(tunnel_key: u32, mac: EthernetAddress) -> Self {
        let mac = mac.0.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Self([tunnel_key.into(), mac])
    }
}

/// Where an address was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Key of the port.
    port: u16,
    /// When.
    at: u64,
    /// When it came there from another port, if it did.
    moved: Option<u64>,
}

impl Value for Seen {}

/// A place of the table.
pub type Place = Slot<Address, Seen>;

/// A free place.
pub const FREE: Place = Slot::empty(Seen { port: 0, at: 0, moved: None });

/// The learnt addresses.
#[derive(Debug)]
pub struct Learned<'a> {
    table: Cuckoo<'a, Address, Seen>,
    /// Where the search for entries that are over goes on.
    hand: usize,
}

impl<'a> Learned<'a> {
    /// Buckets that a table of `capacity` addresses takes.
    #[must_use]
    pub const fn buckets_for(capacity: usize) -> usize {
        Cuckoo::<'a, Address, Seen>::buckets_for(capacity)
    }

    /// An empty table of `places.len()` addresses, 0 allowed. `seed` is a secret of the port's.
    ///
    /// # Errors
    /// `StorageTooSmall`, `CapacityTooLarge`.
    pub fn new(
        buckets: &'a mut [Bucket],
        places: &'a mut [Place],
        seed: [u64; 2],
    ) -> Result<Self, TableError> {
        Ok(Self { table: Cuckoo::new(buckets, places, seed)?, hand: 0 })
    }

    /// Key of the port behind which an address was seen.
    pub(super) fn port<H: Hints>(
        &self,
        tunnel_key: u32,
        mac: EthernetAddress,
        now: u64,
        hints: &H,
    ) -> Option<u16> {
        let handle = self.table.find(&Address::new(tunnel_key, mac), hints)?;
        let (_, seen) = self.table.get(handle)?;
        seen.counts(now).then_some(seen.port)
    }

    /// A frame of `mac` came in at the port of key `port`. An address that moved less than `stays`
    /// ns ago is held to be where it was.
    pub(super) fn learn<H: Hints>(
        &mut self,
        (tunnel_key, mac): (u32, EthernetAddress),
        port: u16,
        (now, stays): (u64, u64),
        hints: &H,
    ) {
        let address = Address::new(tunnel_key, mac);
        let seen = Seen { port, at: now, moved: None };
        let inserted = match self.table.insert(&address, seen, hints) {
            Err(InsertError::Full) if self.reclaim(now, hints) => {
                self.table.insert(&address, seen, hints)
            }
            inserted => inserted,
        };
        if let Err(InsertError::Exists(handle)) = inserted
            && let Some(known) = self.table.get_mut(handle)
        {
            let rests = known.moved.is_some_and(|moved| now.saturating_sub(moved) < stays);
            if !known.counts(now) {
                *known = seen;
            } else if known.port == port {
                known.at = now;
            } else if !rests {
                *known = Seen { moved: Some(now), ..seen };
            }
        }
    }

    /// Removes some of the entries that are over.
    fn reclaim<H: Hints>(&mut self, now: u64, hints: &H) -> bool {
        let mut found = false;
        for _ in 0..RECLAIM {
            self.hand = (self.hand + 1).checked_rem(self.table.capacity()).unwrap_or(0);
            let Some(handle) = self.table.at(self.hand) else { continue };
            if self.table.get(handle).is_some_and(|(_, seen)| !seen.counts(now)) {
                self.table.remove(handle, hints);
                found = true;
            }
        }
        found
    }
}

impl Seen {
    const fn counts(&self, now: u64) -> bool {
        now.saturating_sub(self.at) <= AGE
    }
}
