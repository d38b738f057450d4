//! Stage 1: the tunnel end points that servers are behind.
//!
//! An exact match of one core: for each end point its VNIs, or any VNI. Memory is that of a
//! [cuckoo table](crate::table::cuckoo); a look-up asks it twice at most.

use dash_hal::{HashKey, Hints, PortId};
use smoltcp::wire::Ipv4Address;

use super::DropReason;
use crate::{
    flow::Egress,
    table::{
        TableError,
        cuckoo::{Bucket, Cuckoo, InsertError, Key, Slot, Value},
    },
};

/// Frames from the data centre for an end point go to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vtep {
    /// Outer destination.
    pub destination: Ipv4Address,
    /// VNI, 24 bits; `None`: any that has no entry of its own.
    pub vni: Option<u32>,
    /// VLAN that the server knows them by, 1 to 4094.
    pub vlan: u16,
    /// Where the server is.
    pub port: PortId,
}

/// In the place of a VNI: any.
const ANY: u32 = 1 << 24;

/// An outer destination and a VNI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VtepKey(u64);

impl Key for VtepKey {
    const EMPTY: Self = Self(0);

    fn hash<H: Hints>(&self, secret: &HashKey, hints: &H) -> u64 {
        hints.keyed_hash(secret, &[self.0])
    }
}

impl VtepKey {
    fn new(destination: Ipv4Address, vni: u32) -> Self {
        Self(u64::from(destination.to_bits()) << 32 | u64::from(vni))
    }
}

/// Where frames for an end point go. Of any VNI it may be nowhere: the end point is known, and has
/// entries for single VNIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    pub(super) vlan: u16,
    pub(super) egress: Option<Egress>,
}

impl Value for Server {}

/// A place for an entry.
pub type Place = Slot<VtepKey, Server>;

/// A place without an entry.
pub const FREE: Place = Slot::empty(Server { vlan: 0, egress: None });

/// Why entries are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There are too few places.
    Full,
    /// Two entries are for one end point and VNI.
    Twice,
    /// A VLAN is not 1 to 4094.
    Vlan,
    /// A VNI has more than 24 bits.
    Vni,
    /// No frame can be sent to a port of number 65,535.
    Port,
}

/// The end points.
#[derive(Debug)]
pub struct Vteps<'a>(Cuckoo<'a, VtepKey, Server>);

impl<'a> Vteps<'a> {
    /// Places that `entries` entries take: an end point takes one more than it has VNIs.
    #[must_use]
    pub const fn places_for(entries: usize) -> usize {
        2 * entries
    }

    /// Buckets that so many places take.
    #[must_use]
    pub const fn buckets_for(places: usize) -> usize {
        Cuckoo::<'a, VtepKey, Server>::buckets_for(places)
    }

    /// No end point yet. `seed` is a secret of the port's.
    ///
    /// # Errors
    /// `StorageTooSmall`, `CapacityTooLarge`.
    pub fn new(
        buckets: &'a mut [Bucket],
        places: &'a mut [Place],
        seed: [u64; 2],
    ) -> Result<Self, TableError> {
        Cuckoo::new(buckets, places, seed).map(Self)
    }

    /// Replaces what is there by `entries`.
    ///
    /// # Errors
    /// [`Refused`]: nothing is there any more. The service is given only what was filled, see
    /// [`configure`](super::FlowCache::configure).
    pub fn fill<H: Hints>(&mut self, entries: &[Vtep], hints: &H) -> Result<(), Refused> {
        self.0.clear();
        let done = entries.iter().try_for_each(|entry| self.add(entry, hints));
        if done.is_err() {
            self.0.clear();
        }
        done
    }

    fn add<H: Hints>(&mut self, entry: &Vtep, hints: &H) -> Result<(), Refused> {
        if !(1..4095).contains(&entry.vlan) {
            return Err(Refused::Vlan);
        }
        if entry.vni.is_some_and(|vni| vni >= ANY) {
            return Err(Refused::Vni);
        }
        let egress = Some(Egress::to(entry.port).ok_or(Refused::Port)?);
        let key = VtepKey::new(entry.destination, entry.vni.unwrap_or(ANY));
        self.put(key, Server { vlan: entry.vlan, egress }, hints)?;
        match self.put(
            VtepKey::new(entry.destination, ANY),
            Server { vlan: 0, egress: None },
            hints,
        ) {
            // That the end point is known, is known.
            Err(Refused::Twice) => Ok(()),
            done => done,
        }
    }

    fn put<H: Hints>(&mut self, key: VtepKey, server: Server, hints: &H) -> Result<(), Refused> {
        match self.0.insert(&key, server, hints) {
            Ok(_) => Ok(()),
            Err(InsertError::Full) => Err(Refused::Full),
            Err(InsertError::Exists(handle)) => match self.0.get_mut(handle) {
                Some(there) if there.egress.is_none() && server.egress.is_some() => {
                    *there = server;
                    Ok(())
                }
                _ => Err(Refused::Twice),
            },
        }
    }

    /// The VLAN and the port of the server that a frame is for.
    pub(super) fn server<H: Hints>(
        &self,
        destination: Ipv4Address,
        vni: u32,
        hints: &H,
    ) -> Result<(u16, Egress), DropReason> {
        let find = |vni| {
            let handle = self.0.find(&VtepKey::new(destination, vni), hints)?;
            self.0.get(handle).map(|(_, server)| *server)
        };
        let server = find(vni).or_else(|| find(ANY)).ok_or(DropReason::NoVtep)?;
        Ok((server.vlan, server.egress.ok_or(DropReason::UnknownVni)?))
    }
}
