//! The name of a flow: 48 bytes, of which an IPv4 flow compares and hashes 24. DASH HLD, flow key;
//! direction and stage of entry are additions of ours.

use dash_hal::{HashKey, Hints};
use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address, Ipv6Address};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::policy::{Direction, VnetId};
use crate::{
    table::{acl::Headers, cuckoo::Key},
    wire::{Fragment, UsualFrame},
};

/// Bits of the second word.
const PROTOCOL: u32 = 32;
const FLAGS: u32 = 40;
const ENTRY: u32 = 48;
const V6: u64 = 1 << FLAGS;
const INBOUND: u64 = 2 << FLAGS;
const FRAGMENT: u64 = 4 << FLAGS;

/// Six words: ENI and VNET; ports, protocol, flags and stage of entry; the two IPv4 addresses, or
/// the last 4 bytes of the IPv6 addresses; their first 12 bytes, which of IPv4 mean nothing.
/// Addresses and ports are as they lie in a frame.
///
/// The two directions of a conversation are two flows with addresses and ports swapped: an inbound
/// frame with forged addresses never hits an outbound flow.
///
/// A temporary flow of [fragments](crate::flow::fragment) has the identification of their datagram
/// in the place of the ports.
///
/// What hardware that takes flows needs to name a frame likewise: the outer destination is a VIP
/// ([`Policy::is_vip`]) and the outer frame untagged; the VNI gives the direction and says which
/// customer MAC address is the ENI's ([`Policy::direction`], a miss is inbound); the rest is the
/// customer's; fragments are left to software. Outer source, VIP, VNI and port of entry may change from frame to frame of one flow.
///
/// [`Policy::is_vip`]: super::policy::Policy::is_vip
/// [`Policy::direction`]: super::policy::Policy::direction
#[derive(Clone, Copy, Debug, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(transparent)]
pub struct FlowKey([u64; 6]);

impl PartialEq for FlowKey {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let [one, two, three, rest @ ..] = &self.0;
        let [other_one, other_two, other_three, other_rest @ ..] = &other.0;
        one == other_one
            && two == other_two
            && three == other_three
            && (two & V6 == 0 || rest == other_rest)
    }
}

impl Key for FlowKey {
    const EMPTY: Self = Self([0; 6]);

    #[inline(always)]
    fn hash<H: Hints>(&self, secret: &HashKey, hints: &H) -> u64 {
        let [owner, facts, addresses, ..] = self.0;
        if facts & V6 == 0 {
            hints.keyed_hash(secret, &[owner, facts, addresses])
        } else {
            self.hash_v6(secret, hints)
        }
    }
}

/// Whose flow it is: the MAC address of the ENI, as it lies in a frame, and its VNET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(u64);

/// The bits of a MAC address.
const MAC: u64 = (1 << 48) - 1;

impl Owner {
    /// No one.
    pub(super) const NONE: Self = Self(0);

    #[inline]
    pub(super) const fn new(mac: Mac, vnet: VnetId) -> Self {
        Self(mac.0 | (vnet.0 as u64) << 48)
    }
}

/// A MAC address as a number: its bytes as 16-bit words in memory order, the first lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mac(u64);

impl Mac {
    /// No address: it has more than 48 bits.
    pub(super) const NONE: Self = Self(u64::MAX);

    /// From words as they lie in memory.
    #[inline]
    pub(super) const fn from_words([first, second, third]: [u16; 3]) -> Self {
        Self(first as u64 | (second as u64) << 16 | (third as u64) << 32)
    }

    /// A number below `places`, a power of two, from the last byte.
    #[inline]
    pub(super) const fn place(self, places: usize) -> usize {
        (self.0 >> 40) as usize % places
    }
}

impl From<EthernetAddress> for Mac {
    fn from(mac: EthernetAddress) -> Self {
        Self::from_words(zerocopy::transmute!(mac.0))
    }
}

impl From<Mac> for EthernetAddress {
    fn from(mac: Mac) -> Self {
        let words = [mac.0 as u16, (mac.0 >> 16) as u16, (mac.0 >> 32) as u16];
        Self(zerocopy::transmute!(words))
    }
}

#[inline]
const fn inbound(direction: Direction) -> u64 {
    match direction {
        Direction::Outbound => 0,
        Direction::Inbound => INBOUND,
    }
}

impl FlowKey {
    #[cold]
    fn hash_v6<H: Hints>(&self, secret: &HashKey, hints: &H) -> u64 {
        hints.keyed_hash(secret, &self.0)
    }

    /// The flow of a customer frame that entered at stage `entry`.
    pub(super) fn new(owner: Owner, direction: Direction, headers: &Headers, entry: u8) -> Self {
        let ports = [headers.source_port.to_be_bytes(), headers.destination_port.to_be_bytes()];
        let facts = u64::from(u32::from_ne_bytes(joined(ports)))
            | u64::from(headers.protocol) << PROTOCOL
            | inbound(direction)
            | u64::from(entry) << ENTRY;
        match (headers.source, headers.destination) {
            (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) => {
                let (source, destination) = (parts(source), parts(destination));
                Self([
                    owner.0,
                    facts | V6,
                    pair(source[3], destination[3]),
                    pair(source[0], source[1]),
                    pair(source[2], destination[0]),
                    pair(destination[1], destination[2]),
                ])
            }
            (IpAddress::Ipv4(source), IpAddress::Ipv4(destination)) => {
                let addresses = pair(v4_part(source), v4_part(destination));
                Self([owner.0, facts, addresses, 0, 0, 0])
            }
            // Both are of one header.
            _ => Self([owner.0, facts, 0, 0, 0, 0]),
        }
    }

    /// The flow of a customer frame from a port, for whoever names flows from outside. Both addresses
    /// are of one IP version.
    #[must_use]
    pub fn of_a_port(
        eni: EthernetAddress,
        vnet: VnetId,
        direction: Direction,
        headers: &Headers,
    ) -> Self {
        Self::new(Owner::new(eni.into(), vnet), direction, headers, 0)
    }

    /// Becomes the flow of a usual frame that entered at stage `entry`.
    #[inline(always)]
    pub(super) const fn set_usual(
        &mut self,
        owner: Owner,
        direction: Direction,
        frame: UsualFrame<'_>,
        entry: u8,
    ) {
        let [source, destination] = frame.addresses();
        // The words of IPv6 stay what they are: a flow of IPv4 has none.
        let [own, facts, addresses, ..] = &mut self.0;
        *own = owner.0;
        *facts = frame.ports() as u64
            | (frame.protocol() as u64) << PROTOCOL
            | inbound(direction)
            | (entry as u64) << ENTRY;
        *addresses = pair(source, destination);
    }

    /// The temporary flow of the datagram of `fragment`, a frame of this flow or of any other between
    /// these addresses.
    pub(super) const fn of_fragment(&self, fragment: Fragment) -> Self {
        let Self([owner, facts, rest @ ..]) = *self;
        let facts = facts & !((1 << FLAGS) - 1)
            | fragment.id as u64
            | (fragment.protocol as u64) << PROTOCOL
            | FRAGMENT;
        let [two, three, four, five] = rest;
        Self([owner, facts, two, three, four, five])
    }

    /// The flow of the answers.
    #[must_use]
    pub const fn reverse(&self) -> Self {
        let [owner, facts, low, ..] = self.0;
        let ports = (facts as u32).rotate_left(16) as u64;
        let facts = (facts & !(u32::MAX as u64) | ports) ^ INBOUND;
        let [source, destination] = self.high();
        Self([
            owner,
            facts,
            low.rotate_left(32),
            pair(destination[0], destination[1]),
            pair(destination[2], source[0]),
            pair(source[1], source[2]),
        ])
    }

    /// The first 12 bytes of source and destination.
    const fn high(&self) -> [[u32; 3]; 2] {
        let [_, _, _, a, b, c] = self.0;
        [[a as u32, (a >> 32) as u32, b as u32], [(b >> 32) as u32, c as u32, (c >> 32) as u32]]
    }

    const fn facts(&self) -> u64 {
        self.0[1]
    }

    /// Whether its frames come from a port, and not from a re-entry.
    pub(super) const fn is_of_a_port(&self) -> bool {
        self.facts() >> ENTRY == 0
    }

    /// MAC address of the ENI.
    #[must_use]
    pub fn eni(&self) -> EthernetAddress {
        Mac(self.0[0] & MAC).into()
    }

    /// VNET of the ENI.
    #[must_use]
    pub const fn vnet(&self) -> VnetId {
        VnetId((self.0[0] >> 48) as u16)
    }

    /// Direction of its frames.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        if self.facts() & INBOUND == 0 { Direction::Outbound } else { Direction::Inbound }
    }

    /// Customer source.
    #[must_use]
    pub fn source(&self) -> IpAddress {
        self.address(0, self.0[2] as u32)
    }

    /// Customer destination.
    #[must_use]
    pub fn destination(&self) -> IpAddress {
        self.address(1, (self.0[2] >> 32) as u32)
    }

    fn address(&self, which: usize, low: u32) -> IpAddress {
        if self.facts() & V6 == 0 {
            return IpAddress::Ipv4(Ipv4Address::from_octets(low.to_ne_bytes()));
        }
        let [source, destination] = self.high();
        let [a, b, c] = if which == 0 { source } else { destination };
        let octets = joined([a, b, c, low].map(u32::to_ne_bytes));
        IpAddress::Ipv6(Ipv6Address::from_octets(octets))
    }

    /// Source port, 0 for protocols without ports.
    #[must_use]
    pub const fn source_port(&self) -> u16 {
        let [high, low, ..] = (self.facts() as u32).to_ne_bytes();
        u16::from_be_bytes([high, low])
    }

    /// Destination port, 0 for protocols without ports.
    #[must_use]
    pub const fn destination_port(&self) -> u16 {
        let [.., high, low] = (self.facts() as u32).to_ne_bytes();
        u16::from_be_bytes([high, low])
    }

    /// Upper-layer protocol.
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        (self.facts() >> PROTOCOL) as u8
    }
}

#[inline]
const fn pair(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

const fn v4_part(address: Ipv4Address) -> u32 {
    u32::from_ne_bytes(address.octets())
}

fn parts(address: Ipv6Address) -> [u32; 4] {
    let octets = address.octets();
    let mut parts = [0; 4];
    for (part, bytes) in parts.iter_mut().zip(octets.as_chunks().0) {
        *part = u32::from_ne_bytes(*bytes);
    }
    parts
}

/// Small arrays of bytes as one.
fn joined<const N: usize, const M: usize, const NM: usize>(arrays: [[u8; N]; M]) -> [u8; NM] {
    let mut bytes = [0; NM];
    for (to, from) in bytes.iter_mut().zip(arrays.as_flattened()) {
        *to = *from;
    }
    bytes
}
