//! One compiled configuration: what the packet cores read.
//!
//! The rules of a chain are not written out: for an application's MAC address `macs` and `ports`
//! name the classifier, and for a port of a network function `hops` says where in a chain it
//! stands. So a chain of n groups costs one entry for each of its ports, and a look-up the same
//! whatever n is.

use core::sync::atomic::{AtomicU32, Ordering};

use dash_hal::{HashKey, PortId};
use smoltcp::wire::{EthernetAddress, IpAddress, IpVersion};

use super::{
    Capacity,
    object::{
        AddressKey, ClassifierRecord, GroupRecord, Hop, MacKey, PairRecord, PortRecord,
        SwitchRecord, joined,
    },
};
use crate::{
    pipeline::image::{Hosts, Records, Region, octets},
    table::{
        TableError,
        acl::{self, Acl, AclWriter, Headers},
        exact::{Exact, ExactWriter},
        quiescence::Readers,
    },
};

/// The readers' view.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Image<'a> {
    pub(super) vnis: Exact<'a, u32, u32>,
    pub(super) ids: Exact<'a, u32, u32>,
    pub(super) keys: Exact<'a, u32, u32>,
    pub(super) macs: Exact<'a, MacKey, u32>,
    pub(super) addresses: Exact<'a, AddressKey, u32>,
    pub(super) hops: Exact<'a, u32, u32>,
    pub(in super::super) hosts: Hosts<'a>,
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
    /// A bit for each host, in so many words for each switch: it has members of its floods.
    sites: &'a [AtomicU32],
    site_words: usize,
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

impl Capacity {
    /// Words of one image.
    pub(super) const fn image_words(&self) -> usize {
        ExactWriter::<u32, u32>::words_for(self.switches)
            + ExactWriter::<u32, u32>::words_for(self.ports) * 2
            + ExactWriter::<MacKey, u32>::words_for(self.macs)
            + ExactWriter::<AddressKey, u32>::words_for(self.addresses)
            + ExactWriter::<u32, u32>::words_for(self.hops)
            + Hosts::words_for(self.hosts)
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
            + self.switches * self.site_words()
    }

    const fn site_words(&self) -> usize {
        self.hosts.div_ceil(u32::BITS as usize)
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
            hosts: Hosts::new(&mut region, c.hosts)?,
            switches: region.records(c.switches)?,
            ports: region.records(c.ports)?,
            pairs: region.records(c.pairs)?,
            groups: region.records(c.groups)?,
            members: region.records(c.members)?,
            lengths: region.records(c.chains)?,
            chains: region.records(c.chains * c.chain_length)?,
            classifiers: region.records(c.classifiers)?,
            health: region.take(c.pairs)?,
            sites: region.take(c.switches * c.site_words())?,
            site_words: c.site_words(),
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
        self.switch(switch).is_some_and(|switch| switch.unknown > 0)
    }

    /// The word that says whether a host has members of a switch's floods, and its bit.
    fn site(&self, switch: u16, host: u16) -> Option<(&AtomicU32, u32)> {
        let (word, bit) = (usize::from(host) / 32, u32::from(host) % 32);
        let word = usize::from(switch).checked_mul(self.site_words)?.checked_add(word)?;
        Some((self.sites.get(word)?, 1 << bit))
    }

    pub(super) fn set_site(&self, switch: u16, host: u16) -> Option<()> {
        let (word, bit) = self.site(switch, host)?;
        word.store(word.load(Ordering::Relaxed) | bit, Ordering::Relaxed);
        Some(())
    }

    /// Whether a flood of a switch concerns a host: ports of pairs are not members.
    pub(in super::super) fn is_site(&self, switch: u16, host: u16) -> bool {
        let site = self.site(switch, host);
        site.is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// Whether a port is on this host.
    pub(in super::super) fn is_local(&self, port: &PortRecord) -> bool {
        port.is_localnet() || port.host == self.hosts.here()
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
