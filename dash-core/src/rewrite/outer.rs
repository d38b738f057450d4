//! Outer headers as a flow keeps them, and written in front of a frame.
//!
//! A [`Tunnel`] is divided into what all to one next hop share, what a frame over IPv4 needs besides,
//! and the rest; each lies as the wire has it, and the part of the checksum that they make is summed
//! once. Ethernet | IPv4 or IPv6 | UDP | VXLAN are 50 or 70 bytes, 8 more with Geneve and one option
//! of one word. Lengths, TOS and the checksum (RFC 1071) are what a frame adds.

use smoltcp::wire::{EthernetAddress, IpAddress};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Endpoints, OptionWord, Tunnel};
use crate::wire::{
    Ipv4, VxlanOverIpv4, Word,
    ethernet::EthernetHeader,
    geneve::{GeneveHeader, GeneveOptionHeader},
    ipv6::Ipv6Header,
    protocol::{ethertype, ip, port},
    udp::UdpHeader,
    vxlan::VxlanHeader,
};

/// A [`Tunnel`] as the packet path takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Encapsulation {
    pub(super) shared: Shared,
    pub(super) own: Own,
    pub(super) rest: Rest,
}

/// What all encapsulations to one next hop share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoBytes, Immutable)]
#[repr(C, align(8))]
pub(super) struct Shared {
    /// The headers over IPv4, without the option of Geneve, and with zeros for what a flow has for
    /// itself, what a frame adds, and behind them; over IPv6 a [`SharedV6`].
    words: [u32; WORDS],
    /// Of the IPv4 header.
    sum: Word,
    form: Form,
}

/// Which headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoBytes, Immutable)]
#[repr(u16)]
enum Form {
    VxlanOverIpv4,
    VxlanOverIpv6,
    GeneveOverIpv4,
    GeneveOverIpv6,
}

/// Headers over IPv4 as whole words.
#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Padded {
    headers: VxlanOverIpv4,
    rest: Word,
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct SharedV6 {
    /// Destination, then source.
    macs: [[u8; 6]; 2],
    source: [u8; 16],
    destination_port: Word,
    /// VXLAN or Geneve.
    tunnel: [Word; 4],
    hop_limit: u8,
    zero: [u8; 13],
}

/// What an encapsulation has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Own {
    /// Destination address; of IPv6 its first four bytes.
    destination: [Word; 2],
    /// VNI and 8 reserved bits.
    vni: [Word; 2],
    source_port: Word,
}

/// The same, of others than VXLAN over IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(4))]
pub(super) struct Rest {
    /// The rest of an IPv6 address.
    destination: [Word; 6],
    /// That of Geneve.
    option: [Word; OPTION / 2],
    /// Of any, unless the frame says.
    tos: u8,
}

impl Encapsulation {
    /// Of a rewrite that pushes none.
    pub const NONE: Self = Self { shared: Shared::NONE, own: Own::NONE, rest: Rest::NONE };

    /// Compiles `tunnel`.
    #[inline]
    #[must_use]
    pub fn new(tunnel: &Tunnel) -> Self {
        Self { shared: Shared::of(tunnel), own: Own::of(tunnel), rest: Rest::of(tunnel) }
    }

    /// What it was compiled from, but for what is not used: the upper bits of the VNI, and what only
    /// IPv4 has.
    #[must_use]
    pub fn tunnel(&self) -> Tunnel {
        let Self { shared, own, rest } = self;
        let tunnel = Tunnel {
            vni: own.vni(),
            source_port: u16::from_be_bytes(own.source_port.bytes()),
            tos: rest.tos,
            geneve: shared.is_geneve().then(|| rest.option()),
            ..Tunnel::NONE
        };
        let macs = |[destination, source]: [[u8; 6]; 2]| {
            [EthernetAddress(destination), EthernetAddress(source)]
        };
        if shared.is_over_ipv6() {
            let parts = shared.ipv6();
            let [destination_mac, source_mac] = macs(parts.macs);
            let (source, destination) = (parts.source.into(), rest.destination_v6(own).into());
            let endpoints = Endpoints::V6 { source, destination };
            Tunnel { endpoints, source_mac, destination_mac, ttl: parts.hop_limit, ..tunnel }
        } else {
            let VxlanOverIpv4 { macs: both, ip, .. } = shared.ipv4();
            let [destination_mac, source_mac] = macs(zerocopy::transmute!(both));
            let [high, low, ..] = ip.addresses;
            let [source, destination]: [[u8; 4]; 2] =
                zerocopy::transmute!([[high, low], own.destination]);
            Tunnel {
                endpoints: Endpoints::V4 { source: source.into(), destination: destination.into() },
                source_mac,
                destination_mac,
                identification: u16::from_be_bytes(ip.identification.bytes()),
                ttl: ip.ttl_protocol.bytes()[0],
                dont_fragment: ip.fragment.is(DF),
                ..tunnel
            }
        }
    }

    /// Outer destination.
    #[must_use]
    pub fn destination(&self) -> IpAddress {
        destination(&self.shared, &self.own, &self.rest)
    }

    /// Sets the UDP source port, host order.
    pub const fn set_source_port(&mut self, port: u16) {
        self.own.set_source_port(port);
    }
}

impl Own {
    pub(super) const NONE: Self =
        Self { destination: [Word::ZERO; 2], vni: [Word::ZERO; 2], source_port: Word::ZERO };

    /// Of `tunnel`.
    #[inline]
    pub(super) fn of(tunnel: &Tunnel) -> Self {
        let destination = match tunnel.endpoints {
            Endpoints::V4 { destination, .. } => zerocopy::transmute!(destination.octets()),
            Endpoints::V6 { destination, .. } => {
                let Ipv6 { first, .. } = zerocopy::transmute!(destination.octets());
                first
            }
        };
        Self {
            destination,
            vni: zerocopy::transmute!((tunnel.vni << 8).to_be_bytes()),
            source_port: Word::new(tunnel.source_port),
        }
    }

    /// 24 bits.
    fn vni(&self) -> u32 {
        u32::from_be_bytes(zerocopy::transmute!(self.vni)) >> 8
    }

    /// Sets the UDP source port, host order. No checksum covers it but that of UDP, which there is
    /// none of.
    pub(super) const fn set_source_port(&mut self, port: u16) {
        self.source_port = Word::new(port);
    }
}

impl Rest {
    pub(super) const NONE: Self =
        Self { destination: [Word::ZERO; 6], option: [Word::ZERO; OPTION / 2], tos: 0 };

    /// Of `tunnel`.
    #[inline]
    pub(super) fn of(tunnel: &Tunnel) -> Self {
        let destination = match tunnel.endpoints {
            Endpoints::V4 { .. } => Self::NONE.destination,
            Endpoints::V6 { destination, .. } => {
                let Ipv6 { rest, .. } = zerocopy::transmute!(destination.octets());
                rest
            }
        };
        let option = tunnel.geneve.map_or(Self::NONE.option, |OptionWord { class, kind, data }| {
            let header = GeneveOptionHeader::new(class, kind, 4);
            zerocopy::transmute!(OptionBytes { header, data: data.to_be_bytes() })
        });
        Self { destination, option, tos: tunnel.tos }
    }

    /// Of a flow by Geneve.
    fn option(&self) -> OptionWord {
        let OptionBytes { header, data } = zerocopy::transmute!(self.option);
        OptionWord { class: header.class(), kind: header.kind(), data: u32::from_be_bytes(data) }
    }

    /// Of a flow over IPv6.
    fn destination_v6(&self, own: &Own) -> [u8; 16] {
        zerocopy::transmute!(Ipv6 { first: own.destination, rest: self.destination })
    }

    /// TOS or traffic class of the outer header, unless the frame says.
    pub(super) const fn tos(&self) -> u8 {
        self.tos
    }
}

/// As many as the usual headers take.
const WORDS: usize = size_of::<Padded>() / 4;
/// Those of them that are full.
const FULL: usize = size_of::<VxlanOverIpv4>() / 4;
/// Bytes of a Geneve option with one word of data.
const OPTION: usize = size_of::<OptionBytes>();
/// Don't fragment.
const DF: u16 = 0x4000;
/// Version and header length.
const IPV4: u8 = 0x45;

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct OptionBytes {
    header: GeneveOptionHeader,
    data: [u8; 4],
}

/// An address, in two parts.
#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Ipv6 {
    first: [Word; 2],
    rest: [Word; 6],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct OverIpv6 {
    ethernet: EthernetHeader,
    ip: Ipv6Header,
    udp: UdpHeader,
    tunnel: [u8; 8],
}

/// Bytes that UDP counts besides the inner frame.
const UDP_VXLAN: u16 = (size_of::<UdpHeader>() + size_of::<VxlanHeader>()) as u16;
/// Bytes that IPv4 counts besides the inner frame.
const IPV4_UDP_VXLAN: u16 = size_of::<Ipv4>() as u16 + UDP_VXLAN;

/// Bytes of the usual headers.
const USUAL: usize = size_of::<VxlanOverIpv4>();

impl Shared {
    /// Of a place that is not in use: all its bytes are zero.
    pub(super) const NONE: Self =
        Self { words: [0; WORDS], sum: Word::ZERO, form: Form::VxlanOverIpv4 };

    /// Of `tunnel`.
    fn of(tunnel: &Tunnel) -> Self {
        let geneve = tunnel.geneve.is_some();
        let (destination_port, header) = tunnel_header(tunnel.geneve.as_ref());
        let macs = [tunnel.destination_mac.0, tunnel.source_mac.0];
        match tunnel.endpoints {
            Endpoints::V4 { source, .. } => {
                let form = if geneve { Form::GeneveOverIpv4 } else { Form::VxlanOverIpv4 };
                let ip = Ipv4 {
                    version_tos: Word::of([IPV4, 0]),
                    length: Word::ZERO,
                    identification: Word::new(tunnel.identification),
                    fragment: if tunnel.dont_fragment { Word::new(DF) } else { Word::ZERO },
                    ttl_protocol: Word::of([tunnel.ttl, ip::UDP]),
                    checksum: Word::ZERO,
                    addresses: zerocopy::transmute!([source.octets(), [0; 4]]),
                };
                let headers = VxlanOverIpv4 {
                    macs: zerocopy::transmute!(macs),
                    ethertype: Word::new(ethertype::IPV4),
                    ip,
                    source_port: Word::ZERO,
                    destination_port,
                    udp_length: Word::ZERO,
                    // None, as RFC 7348 and RFC 8926 allow.
                    udp_checksum: Word::ZERO,
                    vxlan: header,
                };
                let [high, low, ..] = ip.addresses;
                let sum =
                    [ip.version_tos, ip.identification, ip.fragment, ip.ttl_protocol, high, low];
                let words = zerocopy::transmute!(Padded { headers, rest: Word::ZERO });
                Self { words, sum: Word::sum(sum), form }
            }
            Endpoints::V6 { source, .. } => {
                let form = if geneve { Form::GeneveOverIpv6 } else { Form::VxlanOverIpv6 };
                let parts = SharedV6 {
                    macs,
                    source: source.octets(),
                    destination_port,
                    tunnel: header,
                    hop_limit: tunnel.ttl,
                    zero: [0; 13],
                };
                Self { words: zerocopy::transmute!(parts), sum: Word::ZERO, form }
            }
        }
    }

    /// A number in which next hops differ.
    pub(super) fn digest(&self) -> u32 {
        let add = |sum: u32, word: &u32| (sum ^ word).wrapping_mul(0x9e37_79b1).rotate_left(16);
        self.words.iter().fold(0, add).wrapping_mul(0x85eb_ca6b)
    }

    /// Whether both are the same; without branches, as nearly always they are.
    #[inline]
    pub(super) fn is(&self, other: &Self) -> bool {
        let words = |one: &Self| -> [u64; size_of::<Self>() / 8] { zerocopy::transmute!(*one) };
        let pairs = words(self).into_iter().zip(words(other));
        pairs.fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
    }

    const fn ipv4(&self) -> VxlanOverIpv4 {
        let Padded { headers, .. } = zerocopy::transmute!(self.words);
        headers
    }

    const fn ipv6(&self) -> SharedV6 {
        zerocopy::transmute!(self.words)
    }

    /// Whether it is of the usual form.
    #[inline(always)]
    pub(super) const fn is_vxlan_over_ipv4(&self) -> bool {
        matches!(self.form, Form::VxlanOverIpv4)
    }

    const fn is_geneve(&self) -> bool {
        matches!(self.form, Form::GeneveOverIpv4 | Form::GeneveOverIpv6)
    }

    const fn is_over_ipv6(&self) -> bool {
        matches!(self.form, Form::VxlanOverIpv6 | Form::GeneveOverIpv6)
    }

    /// Bytes that it puts in front of a frame.
    pub(super) const fn length(&self) -> usize {
        let headers = if self.is_over_ipv6() { size_of::<OverIpv6>() } else { USUAL };
        if self.is_geneve() { headers + OPTION } else { headers }
    }

    /// Writes the headers over IPv4, in front of a frame of `length` bytes, over `place`, which is as
    /// long as they are. `None` when it is not. The IP length fits 16 bits: the caller compared it with
    /// the MTU.
    #[inline(always)]
    pub(super) fn write_over_ipv4(
        &self,
        own: &Own,
        place: &mut [u8],
        length: u16,
        tos: u8,
    ) -> Option<()> {
        let Ok((words, _)) = <[u32; FULL]>::mut_from_prefix(place) else {
            return self.write_over_ipv4_anywhere(own, place, length, tos);
        };
        // In pieces that a compiler copies without a call. Behind them lies a part of the VNI.
        let (to, from) = (words.as_chunks_mut::<4>().0, self.words.as_chunks::<4>().0);
        for (to, from) in to.iter_mut().zip(from) {
            *to = *from;
        }
        self.complete(VxlanOverIpv4::mut_from_bytes(place).ok()?, own, length, tos);
        Some(())
    }

    /// Writes what a flow has for itself, and what a frame of `length` bytes adds.
    #[inline(always)]
    fn complete(&self, headers: &mut VxlanOverIpv4, own: &Own, length: u16, tos: u8) {
        let total_length = Word::new(length.wrapping_add(IPV4_UDP_VXLAN));
        let [high, low] = own.destination;
        headers.ip.version_tos = Word::of([IPV4, tos]);
        headers.ip.length = total_length;
        headers.ip.checksum =
            Word::checksum([self.sum, high, low, Word::of([0, tos]), total_length]);
        let [_, _, destination @ ..] = &mut headers.ip.addresses;
        *destination = own.destination;
        headers.source_port = own.source_port;
        headers.udp_length = Word::new(length.wrapping_add(UDP_VXLAN));
        let [_, _, vni @ ..] = &mut headers.vxlan;
        *vni = own.vni;
    }

    /// Writes headers of any form, as [`write_over_ipv4`](Self::write_over_ipv4) does.
    #[inline(never)]
    pub(super) fn write(
        &self,
        (own, rest): (&Own, &Rest),
        place: &mut [u8],
        length: u16,
        tos: u8,
    ) -> Option<()> {
        let option = if self.is_geneve() { OPTION } else { 0 };
        let (headers, end) = place.split_at_mut_checked(place.len().checked_sub(option)?)?;
        // To the lengths the option is a part of what is carried.
        let length = length.wrapping_add(option as u16);
        if self.is_over_ipv6() {
            self.write_over_ipv6((own, rest), headers, length, tos)?;
        } else {
            self.write_over_ipv4_anywhere(own, headers, length, tos)?;
        }
        if self.is_geneve() {
            *end.first_chunk_mut::<OPTION>()? = zerocopy::transmute!(rest.option);
        }
        Some(())
    }

    /// As [`write_over_ipv4`](Self::write_over_ipv4), at any address and in less code.
    #[inline(never)]
    fn write_over_ipv4_anywhere(
        &self,
        own: &Own,
        place: &mut [u8],
        length: u16,
        tos: u8,
    ) -> Option<()> {
        let place = <&mut [u8; USUAL]>::try_from(place).ok()?;
        let mut headers = self.ipv4();
        self.complete(&mut headers, own, length, tos);
        *place = zerocopy::transmute!(headers);
        Some(())
    }

    #[cold]
    fn write_over_ipv6(
        &self,
        (own, rest): (&Own, &Rest),
        place: &mut [u8],
        length: u16,
        tos: u8,
    ) -> Option<()> {
        let SharedV6 { macs, source, destination_port, tunnel, hop_limit, .. } = self.ipv6();
        let [destination_mac, source_mac] = macs;
        let udp_length = length.wrapping_add(UDP_VXLAN);
        let mut ethernet = EthernetHeader::default();
        ethernet.set_destination(EthernetAddress(destination_mac));
        ethernet.set_source(EthernetAddress(source_mac));
        ethernet.set_ethertype(ethertype::IPV6);
        let mut ip = Ipv6Header::default();
        ip.set_version(6);
        ip.set_traffic_class(tos);
        ip.set_payload_len(udp_length);
        ip.set_next_header(ip::UDP);
        ip.set_hop_limit(hop_limit);
        ip.set_source(source.into());
        ip.set_destination(rest.destination_v6(own).into());
        // Without checksum, by RFC 6935.
        let mut udp = UdpHeader::default();
        udp.set_source_port(u16::from_be_bytes(own.source_port.bytes()));
        udp.set_destination_port(u16::from_be_bytes(destination_port.bytes()));
        udp.set_length(udp_length);
        let [first, second, ..] = tunnel;
        let [third, fourth] = own.vni;
        let tunnel = zerocopy::transmute!([first, second, third, fourth]);
        *OverIpv6::mut_from_bytes(place).ok()? = OverIpv6 { ethernet, ip, udp, tunnel };
        Some(())
    }
}

/// UDP destination port, and the header behind UDP for VNI 0: of Geneve with this option, or VXLAN.
fn tunnel_header(option: Option<&OptionWord>) -> (Word, [Word; 4]) {
    let Some(option) = option else {
        return (Word::new(port::VXLAN), zerocopy::transmute!(VxlanHeader::new(0)));
    };
    let mut geneve = GeneveHeader::new(0);
    geneve.set_options_len(OPTION as u8);
    geneve.set_critical(option.kind & 0x80 != 0);
    (Word::new(port::GENEVE), zerocopy::transmute!(geneve))
}

/// The outer destination.
pub(super) fn destination(shared: &Shared, own: &Own, rest: &Rest) -> IpAddress {
    if shared.is_over_ipv6() {
        IpAddress::Ipv6(rest.destination_v6(own).into())
    } else {
        let destination: [u8; 4] = zerocopy::transmute!(own.destination);
        IpAddress::Ipv4(destination.into())
    }
}
