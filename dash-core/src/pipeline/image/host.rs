//! Hosts: as a configuration says them, and as images keep them.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use smoltcp::wire::{EthernetAddress, Ipv4Address};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{ConfigurationError, Records, Region};
use crate::table::TableError;

/// A host, and the tunnel endpoint that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// Outer address.
    pub ip: Ipv4Address,
    /// Outer MAC address.
    pub mac: EthernetAddress,
}

/// The same as an image keeps it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct HostRecord {
    ip: [u8; 4],
    mac: [u8; 6],
    zero: [u8; 2],
}

/// All hosts, and which of them this is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hosts<'a> {
    records: Records<'a, HostRecord>,
    here: &'a AtomicU32,
    count: &'a AtomicU32,
}

impl<'a> Hosts<'a> {
    /// Words for `count` hosts.
    pub(crate) const fn words_for(count: usize) -> usize {
        Records::<HostRecord>::words_for(count) + 2
    }

    pub(crate) fn new(region: &mut Region<'a>, count: usize) -> Result<Self, TableError> {
        Ok(Self { records: region.records(count)?, here: region.word()?, count: region.word()? })
    }

    /// Writes them, of which `here` is this one. Something of their `kind` may be wrong: it is
    /// missing, its address is an earlier one's too, there are too many.
    pub(crate) fn write<Kind: Copy, Fault: Copy>(
        &self,
        (here, hosts): (u16, &[Host]),
        kind: Kind,
        [missing, duplicate, too_many]: [Fault; 3],
    ) -> Result<(), ConfigurationError<Kind, Fault>> {
        if usize::from(here) >= hosts.len() {
            return Err(ConfigurationError::new(kind, here.into(), missing));
        }
        self.here.store(here.into(), Relaxed);
        self.count.store(hosts.len() as u32, Relaxed);
        for (index, host) in hosts.iter().enumerate() {
            if hosts.iter().take(index).any(|other| other.ip == host.ip) {
                return Err(ConfigurationError::new(kind, index, duplicate));
            }
            let record = HostRecord { ip: host.ip.octets(), mac: host.mac.0, zero: [0; 2] };
            let set = self.records.set(index as u32, &record);
            set.ok_or(ConfigurationError::new(kind, index, too_many))?;
        }
        Ok(())
    }

    /// Which host this is.
    pub(crate) fn here(&self) -> u16 {
        self.here.load(Relaxed) as u16
    }

    pub(crate) fn count(&self) -> u16 {
        self.count.load(Relaxed) as u16
    }

    /// The ends of a tunnel: this host, and another one.
    pub(crate) fn ends(&self, other: u16) -> Option<[Host; 2]> {
        Some([self.get(self.here())?, self.get(other)?])
    }

    fn get(&self, host: u16) -> Option<Host> {
        let HostRecord { ip, mac, .. } = self.records.get(host.into())?;
        Some(Host { ip: ip.into(), mac: EthernetAddress(mac) })
    }

    /// The first of the other hosts from number `next` on that `concerns`; `next` is then behind it.
    pub(crate) fn next_other(&self, next: &mut u16, concerns: impl Fn(u16) -> bool) -> Option<u16> {
        let (here, mut rest) = (self.here(), *next..self.count());
        let found = rest.find(|host| *host != here && concerns(*host));
        *next = rest.start;
        found
    }
}
