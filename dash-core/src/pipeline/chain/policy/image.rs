//! One compiled configuration: what the packet cores read.
//!
//! The rules of a chain are not written out: for an application's MAC address `macs` and `ports`
//! name the classifier, and for a port of a network function `hops` says where in a chain it
//! stands. So a chain of n groups costs one entry for each of its ports, and a look-up the same
//! whatever n is.

use core::sync::atomic::{AtomicU32, Ordering};

use dash_hal::{HashKey, PortId};
use smoltcp::wire::{EthernetAddress, IpAddress, IpVersion, Ipv4Address};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{Capacity, records::Records};
use crate::table::{
    TableError,
    acl::{self, Acl, AclWriter, Headers},
    exact::{Exact, ExactWriter, Words},
    quiescence::Readers,
};

/// `PortRecord::host` of a localnet port.
pub(in super::super) const EVERYWHERE: u16 = u16::MAX;
/// `PortRecord::classifier` without one.
pub(in super::super) const NO_CLASSIFIER: u32 = u32::MAX;

bitflags::bitflags! {
    /// Facts about a logical port.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in super::super) struct PortFlags: u16 {
        /// MAC addresses are learnt from it.
        const UNKNOWN = 1;
        /// Port security.
        const SECURED = 2;
        /// A port of a pair.
        const PAIR = 4;
        /// A port of a pair that gets copies.
        const TAP = 8;
        /// OUT_CHAIN has a rule for it.
        const OUT_CHAIN = 16;
        /// It has IP addresses.
        const ADDRESSED = 32;
    }
}

/// A logical port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in super::super) struct PortRecord {
    pub(in super::super) switch: u16,
    pub(in super::super) key: u16,
    pub(in super::super) id: u16,
    pub(in super::super) host: u16,
    pub(super) flags: u16,
    pub(super) zero: u16,
    pub(in super::super) classifier: u32,
}

impl PortRecord {
    pub(in super::super) const fn has(&self, flags: PortFlags) -> bool {
        PortFlags::from_bits_retain(self.flags).contains(flags)
    }

    pub(in super::super) const fn is_localnet(&self) -> bool {
        self.host == EVERYWHERE
    }

    pub(super) fn mark(&mut self, flags: PortFlags) {
        self.flags |= flags.bits();
    }
}

/// Where a port of a network function stands in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Hop {
    /// The group, from 0.
    pub(in super::super) position: u16,
    /// Forward frames enter the function here.
    pub(in super::super) input: bool,
    /// Forward frames leave it here.
    pub(in super::super) output: bool,
}

impl Hop {
    pub(super) fn word(self) -> u32 {
        u32::from(self.position) | u32::from(self.input) << 16 | u32::from(self.output) << 17
    }
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in super::super) struct HostRecord {
    ip: [u8; 4],
    mac: [u8; 6],
    zero: [u8; 2],
}

impl HostRecord {
    pub(super) fn new(host: &super::Host) -> Self {
        Self { ip: host.ip.octets(), mac: host.mac.0, zero: [0; 2] }
    }

    pub(in super::super) fn ip(&self) -> Ipv4Address {
        self.ip.into()
    }

    pub(in super::super) const fn mac(&self) -> EthernetAddress {
        EthernetAddress(self.mac)
    }
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in super::super) struct SwitchRecord {
    pub(in super::super) tunnel_key: u32,
    /// Its ports follow each other.
    pub(in super::super) first_port: u32,
    pub(in super::super) ports: u32,
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in super::super) struct PairRecord {
    pub(in super::super) input: u16,
    pub(in super::super) output: u16,
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in super::super) struct GroupRecord {
    /// Its pairs follow each other among the members.
    pub(in super::super) first: u32,
    pub(in super::super) pairs: u16,
    pub(super) flags: u16,
}

impl GroupRecord {
    pub(super) const HASH: u16 = 1;
    pub(super) const OPEN: u16 = 2;
    pub(super) const TAP: u16 = 4;

    pub(in super::super) const fn selects_by_hash(self) -> bool {
        self.flags & Self::HASH != 0
    }
    pub(in super::super) const fn fails_open(self) -> bool {
        self.flags & Self::OPEN != 0
    }
    pub(in super::super) const fn is_tap(self) -> bool {
        self.flags & Self::TAP != 0
    }
}

/// IP version, and the address left-aligned.
pub(in super::super) fn octets(address: IpAddress) -> (u8, [u8; 16]) {
    match address {
        IpAddress::Ipv4(address) => {
            let mut octets = [0; 16];
            for (to, from) in octets.iter_mut().zip(address.octets()) {
                *to = from;
            }
            (4, octets)
        }
        IpAddress::Ipv6(address) => (6, address.octets()),
    }
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in super::super) struct ClassifierRecord {
    pub(in super::super) chain: u16,
    flags: u16,
    /// The group of its rules for IPv4, that for IPv6 is the next; or [`Self::ALL`].
    group: u32,
}

impl ClassifierRecord {
    const EXIT: u16 = 1;
    const BOTH_WAYS: u16 = 2;
    /// Without rules.
    pub(super) const ALL: u32 = u32::MAX;

    pub(super) fn new(classifier: &super::Classifier<'_>, group: u32) -> Self {
        let exit = if classifier.path == super::Path::Exit { Self::EXIT } else { 0 };
        let both = if classifier.bidirectional { Self::BOTH_WAYS } else { 0 };
        Self { chain: classifier.chain, flags: exit | both, group }
    }

    /// Whether forward frames are those from the port.
    pub(in super::super) const fn is_exit(self) -> bool {
        self.flags & Self::EXIT != 0
    }

    pub(in super::super) const fn is_bidirectional(self) -> bool {
        self.flags & Self::BOTH_WAYS != 0
    }
}

/// A MAC address of a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct MacKey {
    pub(super) mac: [u8; 6],
    pub(super) switch: u16,
}

/// An IP address that a port may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct AddressKey {
    pub(super) port: u16,
    pub(super) version: u16,
    pub(super) octets: [u8; 16],
}

/// The readers' view.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Image<'a> {
    pub(super) vnis: Exact<'a, u32, u32>,
    pub(super) ids: Exact<'a, u32, u32>,
    pub(super) keys: Exact<'a, u32, u32>,
    pub(super) macs: Exact<'a, MacKey, u32>,
    pub(super) addresses: Exact<'a, AddressKey, u32>,
    pub(super) hops: Exact<'a, u32, u32>,
    pub(super) hosts: Records<'a, HostRecord>,
    pub(super) switches: Records<'a, SwitchRecord>,
    pub(super) ports: Records<'a, PortRecord>,
    pub(super) pairs: Records<'a, PairRecord>,
    pub(super) groups: Records<'a, GroupRecord>,
    pub(super) members: Records<'a, u32>,
    /// Number of groups of each chain.
    pub(super) lengths: Records<'a, u32>,
    /// As many places for each chain as the longest may have.
    pub(super) chains: Records<'a, u32>,
    pub(super) classifiers: Records<'a, ClassifierRecord>,
    /// Rules of classifiers.
    pub(super) rules: Acl<'a>,
    /// 1: the pair works.
    pub(super) health: &'a [AtomicU32],
    /// Which host this is.
    pub(super) host: &'a AtomicU32,
    /// How many hosts there are.
    pub(super) host_count: &'a AtomicU32,
    pub(super) longest: u32,
}

/// An image, and what it is written with. A table's writer is large: each is on the stack, and only
/// while its table is written.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) vnis: &'a [AtomicU32],
    pub(super) ids: &'a [AtomicU32],
    pub(super) keys: &'a [AtomicU32],
    pub(super) macs: &'a [AtomicU32],
    pub(super) addresses: &'a [AtomicU32],
    pub(super) hops: &'a [AtomicU32],
    pub(super) rules: AclWriter<'a>,
    /// All that is no table.
    records: &'a [AtomicU32],
    pub(super) hash: HashKey,
    pub(super) image: Image<'a>,
}

/// Two numbers of 16 bits as a key.
pub(super) fn joined(high: u16, low: u16) -> u32 {
    u32::from(high) << 16 | u32::from(low)
}

/// Words, while they are handed out.
struct Region<'a>(&'a [AtomicU32]);

impl<'a> Region<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [AtomicU32], TableError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(TableError::StorageTooSmall)?;
        self.0 = rest;
        Ok(taken)
    }

    fn word(&mut self) -> Result<&'a AtomicU32, TableError> {
        self.take(1)?.first().ok_or(TableError::StorageTooSmall)
    }

    /// Words of a table, and its view.
    fn exact<K: Words + Eq, V: Words>(
        &mut self,
        capacity: usize,
        hash: HashKey,
    ) -> Result<(&'a [AtomicU32], Exact<'a, K, V>), TableError> {
        let words = self.take(ExactWriter::<K, V>::words_for(capacity))?;
        // Nobody reads a draft.
        let writer = ExactWriter::new(words, capacity, hash, Readers::new(&[]))?;
        Ok((words, writer.table()))
    }

    fn records<T: Words>(&mut self, count: usize) -> Result<Records<'a, T>, TableError> {
        Ok(Records::new(self.take(Records::<T>::words_for(count))?))
    }
}

impl Capacity {
    /// Words of one image.
    pub(super) const fn image_words(&self) -> usize {
        ExactWriter::<u32, u32>::words_for(self.switches)
            + ExactWriter::<u32, u32>::words_for(self.ports) * 2
            + ExactWriter::<MacKey, u32>::words_for(self.macs)
            + ExactWriter::<AddressKey, u32>::words_for(self.addresses)
            + ExactWriter::<u32, u32>::words_for(self.hops)
            + Records::<HostRecord>::words_for(self.hosts)
            + Records::<SwitchRecord>::words_for(self.switches)
            + Records::<PortRecord>::words_for(self.ports)
            + Records::<PairRecord>::words_for(self.pairs)
            + Records::<GroupRecord>::words_for(self.groups)
            + self.members
            + self.chains
            + self.chains * self.chain_length
            + Records::<ClassifierRecord>::words_for(self.classifiers)
            + AclWriter::words_for(&self.acl())
            + self.pairs
            + 2
    }

    /// Of the rules of classifiers: a group for each IP version.
    pub(super) const fn acl(&self) -> acl::Capacity {
        let (groups, words) = (2 * self.matches, self.match_words);
        acl::Capacity { groups, words, tags: 0, tag_prefixes: 0 }
    }
}

impl<'a> Draft<'a> {
    /// An image over `words`, whose content is overwritten.
    pub(super) fn new(
        words: &'a [AtomicU32],
        capacity: &Capacity,
        hash: HashKey,
    ) -> Result<Self, TableError> {
        let c = capacity;
        let mut region = Region(words);
        let (vnis_words, vnis) = region.exact(c.switches, hash)?;
        let (ids_words, ids) = region.exact(c.ports, hash)?;
        let (keys_words, keys) = region.exact(c.ports, hash)?;
        let (macs_words, macs) = region.exact(c.macs, hash)?;
        let (addresses_words, addresses) = region.exact(c.addresses, hash)?;
        let (hops_words, hops) = region.exact(c.hops, hash)?;
        let words = region.take(AclWriter::words_for(&c.acl()))?;
        let rules = AclWriter::new(words, &c.acl(), Readers::new(&[]))?;
        let records = region.0;
        let image = Image {
            vnis,
            ids,
            keys,
            macs,
            addresses,
            hops,
            rules: rules.table(),
            hosts: region.records(c.hosts)?,
            switches: region.records(c.switches)?,
            ports: region.records(c.ports)?,
            pairs: region.records(c.pairs)?,
            groups: region.records(c.groups)?,
            members: region.records(c.members)?,
            lengths: region.records(c.chains)?,
            chains: region.records(c.chains * c.chain_length)?,
            classifiers: region.records(c.classifiers)?,
            health: region.take(c.pairs)?,
            host: region.word()?,
            host_count: region.word()?,
            longest: u32::try_from(c.chain_length).map_err(|_| TableError::CapacityTooLarge)?,
        };
        Ok(Self {
            vnis: vnis_words,
            ids: ids_words,
            keys: keys_words,
            macs: macs_words,
            addresses: addresses_words,
            hops: hops_words,
            rules,
            records,
            hash,
            image,
        })
    }

    /// Empties all that is no table.
    pub(super) fn clear(&mut self, capacity: &Capacity) -> Result<(), TableError> {
        for word in self.records {
            word.store(0, Ordering::Relaxed);
        }
        // What a compilation that failed has left.
        self.rules.discard();
        (0..capacity.acl().groups as u32).try_for_each(|group| self.rules.remove_group(group))
    }
}

impl Image<'_> {
    pub(in super::super) fn switch_of_vni(&self, vni: u32) -> Option<u16> {
        self.vnis.get(&vni).map(|switch| switch as u16)
    }

    pub(in super::super) fn port_of_id(&self, id: PortId) -> Option<u32> {
        self.ids.get(&id.0.into())
    }

    pub(in super::super) fn port_of_key(&self, switch: u16, key: u16) -> Option<u32> {
        self.keys.get(&joined(switch, key))
    }

    pub(in super::super) fn port_of_mac(&self, switch: u16, mac: EthernetAddress) -> Option<u32> {
        self.macs.get(&MacKey { mac: mac.0, switch })
    }

    /// Whether `port` may use `address`.
    pub(in super::super) fn allows(&self, port: u32, address: IpAddress) -> bool {
        let (version, octets) = octets(address);
        let key = AddressKey { port: port as u16, version: version.into(), octets };
        self.addresses.get(&key).is_some()
    }

    pub(in super::super) fn hop(&self, chain: u16, port: u32) -> Option<Hop> {
        let word = self.hops.get(&joined(chain, port as u16))?;
        let [input, output] = [1 << 16, 1 << 17].map(|bit| word & bit != 0);
        Some(Hop { position: word as u16, input, output })
    }

    pub(in super::super) fn port(&self, index: u32) -> Option<PortRecord> {
        self.ports.get(index)
    }

    pub(in super::super) fn switch(&self, index: u16) -> Option<SwitchRecord> {
        self.switches.get(index.into())
    }

    /// Whether a port of a switch takes frames to addresses that nobody knows.
    pub(in super::super) fn has_unknown(&self, switch: u16) -> bool {
        let Some(switch) = self.switch(switch) else { return false };
        let mut ports = switch.first_port..switch.first_port.saturating_add(switch.ports);
        ports.any(|port| self.port(port).is_some_and(|port| port.has(PortFlags::UNKNOWN)))
    }

    pub(in super::super) fn host_record(&self, index: u16) -> Option<HostRecord> {
        self.hosts.get(index.into())
    }

    /// Which host this is.
    pub(in super::super) fn here(&self) -> u16 {
        self.host.load(Ordering::Relaxed) as u16
    }

    pub(in super::super) fn hosts(&self) -> u16 {
        self.host_count.load(Ordering::Relaxed) as u16
    }

    /// Whether a port is on this host.
    pub(in super::super) fn is_local(&self, port: &PortRecord) -> bool {
        port.is_localnet() || port.host == self.here()
    }

    pub(in super::super) fn classifier(&self, index: u32) -> Option<ClassifierRecord> {
        self.classifiers.get(index)
    }

    /// Whether a classifier steers frames with these headers, `None` if they are not IP.
    pub(in super::super) fn steers(
        &self,
        classifier: ClassifierRecord,
        headers: Option<&Headers>,
    ) -> bool {
        if classifier.group == ClassifierRecord::ALL {
            return true;
        }
        headers.is_some_and(|headers| {
            let v6 = headers.source.version() == IpVersion::Ipv6;
            let group = classifier.group.saturating_add(v6.into());
            matches!(self.rules.classify(group, headers),
                acl::Match::Rule { value, .. } if value != 0)
        })
    }

    /// Groups of a chain.
    pub(in super::super) fn length(&self, chain: u16) -> u16 {
        self.lengths.get(chain.into()).unwrap_or(0) as u16
    }

    pub(in super::super) fn group(&self, chain: u16, position: u16) -> Option<GroupRecord> {
        let place = u32::from(chain) * self.longest + u32::from(position);
        self.groups.get(self.chains.get(place)?)
    }

    /// The working pairs of a group, in the order of preference.
    pub(in super::super) fn working(
        &self,
        group: GroupRecord,
    ) -> impl Iterator<Item = PairRecord> + Clone {
        let members = group.first..group.first.saturating_add(group.pairs.into());
        members.filter_map(|member| {
            let pair = self.members.get(member)?;
            let up = self.health.get(pair as usize)?.load(Ordering::Relaxed) != 0;
            self.pairs.get(pair).filter(|_| up)
        })
    }
}
