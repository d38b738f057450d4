//! The headers of an encapsulation, compiled: what is the same in every frame lies as the wire
//! has it, and the part of the checksum that it makes is summed once.
//!
//! 56 bytes. Ethernet | IPv4 or IPv6 | UDP | VXLAN are 50 bytes over IPv4, 70 over IPv6; with Geneve
//! and one option of one word they are 58, over IPv4. Lengths, TOS and the checksum (RFC 1071) are
//! what a frame adds. Geneve sets DF, as RFC 8926 advises; VXLAN where it is [asked
//! for](Encapsulation::unfragmented).

use dash_hal::Hints;
use smoltcp::wire::{EthernetAddress, Ipv4Address};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Endpoints, Tunnel};
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
#[repr(C, align(8))]
pub struct Encapsulation {
    /// VXLAN over IPv4: the headers, with TOS, lengths and checksum 0, and 2 bytes of 0; over IPv6
    /// what an [`Ipv6`] has. Geneve: as VXLAN over IPv4, with the option in the four fields that a
    /// frame fills in.
    words: [u32; WORDS],
    /// Sum of the IPv4 header.
    sum: Word,
    tos: u8,
    form: Form,
}

/// Which headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Form {
    VxlanOverIpv4,
    VxlanOverIpv6,
    GeneveOverIpv4,
}

/// The one option of a Geneve header, with one word of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionWord {
    /// Option class: who defines the type.
    pub class: u16,
    /// Type; with bit 0x80 the option is critical, and the C bit of the header is set.
    pub kind: u8,
    /// Data.
    pub data: u32,
}

/// Bytes of a Geneve option with one word of data.
const OPTION: usize = size_of::<GeneveOptionHeader>() + 4;
/// Don't fragment.
const DF: u16 = 0x4000;

/// As many as the larger of the two takes.
const WORDS: usize = size_of::<Ipv6>() / 4;
/// Those of them that IPv4 fills.
const V4_WORDS: usize = size_of::<VxlanOverIpv4>() / 4;

/// What an encapsulation over IPv6 does not share with all others.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Ipv6 {
    source: [u8; 16],
    destination: [u8; 16],
    destination_mac: [u8; 6],
    source_mac: [u8; 6],
    vni: [u8; 4],
    source_port: [u8; 2],
    ttl: u8,
    zero: u8,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct VxlanOverIpv6 {
    ethernet: EthernetHeader,
    ip: Ipv6Header,
    udp: UdpHeader,
    vxlan: VxlanHeader,
}

/// Headers over IPv4 as whole words.
#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Padded {
    headers: VxlanOverIpv4,
    rest: Word,
}

/// Bytes that UDP counts besides the inner frame.
const UDP_VXLAN: u16 = (size_of::<UdpHeader>() + size_of::<VxlanHeader>()) as u16;
/// Bytes that IPv4 counts besides the inner frame.
const IPV4_UDP_VXLAN: u16 = size_of::<Ipv4>() as u16 + UDP_VXLAN;

/// The headers over IPv4, with TOS, lengths and checksum 0.
fn ipv4(tunnel: &Tunnel, endpoints: [Ipv4Address; 2]) -> VxlanOverIpv4 {
    let ip = Ipv4 {
        version_tos: Word::of([0x45, 0]),
        length: Word::ZERO,
        identification: Word::new(tunnel.identification),
        fragment: Word::ZERO,
        ttl_protocol: Word::of([tunnel.ttl, ip::UDP]),
        checksum: Word::ZERO,
        addresses: zerocopy::transmute!(endpoints.map(|address| address.octets())),
    };
    VxlanOverIpv4 {
        macs: zerocopy::transmute!([tunnel.destination_mac.0, tunnel.source_mac.0]),
        ethertype: Word::new(ethertype::IPV4),
        ip,
        source_port: Word::new(tunnel.source_port),
        destination_port: Word::new(port::VXLAN),
        udp_length: Word::ZERO,
        // None, as RFC 7348 asks.
        udp_checksum: Word::ZERO,
        vxlan: zerocopy::transmute!(VxlanHeader::new(tunnel.vni)),
    }
}

/// Where the compiled headers of Geneve have the option, in the order of the wire.
const fn option(headers: &VxlanOverIpv4) -> [Word; 4] {
    [headers.ip.length, headers.ip.checksum, headers.udp_length, headers.udp_checksum]
}

impl Encapsulation {
    /// Of a rewrite that pushes none.
    pub const NONE: Self =
        Self { words: [0; WORDS], sum: Word::ZERO, tos: 0, form: Form::VxlanOverIpv4 };

    /// Compiles `tunnel` as VXLAN; `hints` sums its IPv4 header.
    #[must_use]
    pub fn new<H: Hints>(tunnel: &Tunnel, hints: &H) -> Self {
        let (compiled, tos) = (Self::NONE, tunnel.tos);
        match tunnel.endpoints {
            Endpoints::V4 { source, destination } => {
                let headers = ipv4(tunnel, [source, destination]);
                let sum = Word::new(hints.checksum(headers.ip.as_bytes()));
                Self {
                    words: zerocopy::transmute!(Padded { headers, rest: Word::ZERO }),
                    sum,
                    tos,
                    ..compiled
                }
            }
            Endpoints::V6 { source, destination } => {
                let parts = Ipv6 {
                    source: source.octets(),
                    destination: destination.octets(),
                    destination_mac: tunnel.destination_mac.0,
                    source_mac: tunnel.source_mac.0,
                    vni: tunnel.vni.to_be_bytes(),
                    source_port: tunnel.source_port.to_be_bytes(),
                    ttl: tunnel.ttl,
                    zero: 0,
                };
                let (words, form) = (zerocopy::transmute!(parts), Form::VxlanOverIpv6);
                Self { words, sum: Word::ZERO, tos, form }
            }
        }
    }

    /// The same, that nobody on the way may fragment; over IPv6 nobody does.
    #[must_use]
    pub fn unfragmented<H: Hints>(self, hints: &H) -> Self {
        if self.form != Form::VxlanOverIpv4 {
            return self;
        }
        let mut headers = self.ipv4();
        headers.ip.fragment = Word::new(DF);
        let sum = Word::new(hints.checksum(headers.ip.as_bytes()));
        Self { words: zerocopy::transmute!(Padded { headers, rest: Word::ZERO }), sum, ..self }
    }

    /// Sets the UDP source port, host order. No checksum covers it but that of UDP, which there is
    /// none of.
    pub fn set_source_port(&mut self, port: u16) {
        if self.form == Form::VxlanOverIpv6 {
            let parts = Ipv6 { source_port: port.to_be_bytes(), ..self.ipv6() };
            self.words = zerocopy::transmute!(parts);
        } else {
            let headers = VxlanOverIpv4 { source_port: Word::new(port), ..self.ipv4() };
            self.words = zerocopy::transmute!(Padded { headers, rest: Word::ZERO });
        }
    }

    /// Compiles an encapsulation in Geneve with `option` between the hosts `source` and
    /// `destination`; the endpoints of `tunnel` do not count. `hints` sums the IPv4 header.
    #[must_use]
    pub fn geneve<H: Hints>(
        tunnel: &Tunnel,
        source: Ipv4Address,
        destination: Ipv4Address,
        option: OptionWord,
        hints: &H,
    ) -> Self {
        let header = GeneveOptionHeader::new(option.class, option.kind, 4);
        let mut geneve = GeneveHeader::new(tunnel.vni);
        geneve.set_options_len(OPTION as u8);
        geneve.set_critical(header.critical());
        let mut headers = ipv4(tunnel, [source, destination]);
        headers.ip.fragment = Word::new(DF);
        headers.destination_port = Word::new(port::GENEVE);
        headers.vxlan = zerocopy::transmute!(geneve);
        let sum = Word::new(hints.checksum(headers.ip.as_bytes()));
        let parts: [[u8; 4]; 2] = [zerocopy::transmute!(header), option.data.to_be_bytes()];
        let [class, kind, high, low]: [Word; 4] = zerocopy::transmute!(parts);
        (headers.ip.length, headers.ip.checksum) = (class, kind);
        (headers.udp_length, headers.udp_checksum) = (high, low);
        let words = zerocopy::transmute!(Padded { headers, rest: Word::ZERO });
        Self { words, sum, tos: tunnel.tos, form: Form::GeneveOverIpv4 }
    }

    /// The option, if it is one in Geneve.
    #[must_use]
    pub fn option(&self) -> Option<OptionWord> {
        let [class, kind, high, low] = option(&self.ipv4());
        (self.form == Form::GeneveOverIpv4).then(|| OptionWord {
            class: u16::from_be_bytes(class.bytes()),
            kind: kind.bytes()[0],
            data: u32::from_be_bytes(zerocopy::transmute!([high, low])),
        })
    }

    /// What it was compiled from.
    #[must_use]
    pub fn tunnel(&self) -> Tunnel {
        if self.form == Form::VxlanOverIpv6 {
            let parts = self.ipv6();
            Tunnel {
                endpoints: Endpoints::V6 {
                    source: parts.source.into(),
                    destination: parts.destination.into(),
                },
                source_mac: EthernetAddress(parts.source_mac),
                destination_mac: EthernetAddress(parts.destination_mac),
                vni: u32::from_be_bytes(parts.vni) & 0xff_ffff,
                source_port: u16::from_be_bytes(parts.source_port),
                identification: 0,
                ttl: parts.ttl,
                tos: self.tos,
            }
        } else {
            let headers = self.ipv4();
            let [source, destination]: [[u8; 4]; 2] = zerocopy::transmute!(headers.ip.addresses);
            let [destination_mac, source_mac]: [[u8; 6]; 2] = zerocopy::transmute!(headers.macs);
            let vxlan: VxlanHeader = zerocopy::transmute!(headers.vxlan);
            let [ttl, _] = headers.ip.ttl_protocol.bytes();
            Tunnel {
                endpoints: Endpoints::V4 { source: source.into(), destination: destination.into() },
                source_mac: EthernetAddress(source_mac),
                destination_mac: EthernetAddress(destination_mac),
                vni: vxlan.vni(),
                source_port: u16::from_be_bytes(headers.source_port.bytes()),
                identification: u16::from_be_bytes(headers.ip.identification.bytes()),
                ttl,
                tos: self.tos,
            }
        }
    }

    /// Outer addresses.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints {
        self.tunnel().endpoints
    }

    /// VNI, 24 bits.
    #[must_use]
    pub fn vni(&self) -> u32 {
        self.tunnel().vni
    }

    fn ipv6(&self) -> Ipv6 {
        zerocopy::transmute!(self.words)
    }

    #[inline(always)]
    fn ipv4(&self) -> VxlanOverIpv4 {
        let Padded { headers, .. } = zerocopy::transmute!(self.words);
        headers
    }

    /// Whether it is of the usual form.
    #[inline]
    pub(super) const fn is_vxlan_over_ipv4(&self) -> bool {
        matches!(self.form, Form::VxlanOverIpv4)
    }

    /// TOS or traffic class of the outer header, unless the frame says.
    #[inline]
    pub(super) const fn tos(&self) -> u8 {
        self.tos
    }

    /// Bytes that it puts in front of a frame.
    #[inline]
    pub(super) const fn header_length(&self) -> usize {
        match self.form {
            Form::VxlanOverIpv4 => size_of::<VxlanOverIpv4>(),
            Form::VxlanOverIpv6 => size_of::<VxlanOverIpv6>(),
            Form::GeneveOverIpv4 => size_of::<VxlanOverIpv4>() + OPTION,
        }
    }

    /// Writes the encapsulation of a frame of `length` bytes over `place`, which is as long as the
    /// headers. `None`, and nothing written, when it is not. The IP length fits 16 bits: the caller
    /// compared it with the MTU.
    #[inline(always)]
    pub(super) fn write(&self, place: &mut [u8], length: u16, tos: u8) -> Option<()> {
        match self.form {
            Form::VxlanOverIpv4 => {}
            Form::VxlanOverIpv6 => return self.write_v6(place, length, tos),
            Form::GeneveOverIpv4 => return self.write_geneve(place, length, tos),
        }
        let Ok((words, end)) = <[u32; V4_WORDS]>::mut_from_prefix(place) else {
            return self.write_v4_bytewise(place, length, tos);
        };
        // In pieces that a compiler copies without a call.
        let (to, (from, last)) = (words.as_chunks_mut::<4>().0, self.words.as_chunks::<4>());
        for (to, from) in to.iter_mut().zip(from) {
            *to = *from;
        }
        *end.first_chunk_mut()? = first_half(*last.first()?);
        self.complete(VxlanOverIpv4::mut_from_bytes(place).ok()?, length, tos);
        Some(())
    }

    /// Writes what a frame of `length` bytes adds.
    #[inline(always)]
    fn complete(&self, headers: &mut VxlanOverIpv4, length: u16, tos: u8) {
        let total_length = Word::new(length.wrapping_add(IPV4_UDP_VXLAN));
        let checksum = Word::checksum([self.sum, Word::of([0, tos]), total_length]);
        headers.ip.version_tos = Word::of([0x45, tos]);
        headers.ip.length = total_length;
        headers.ip.checksum = checksum;
        headers.udp_length = Word::new(length.wrapping_add(UDP_VXLAN));
    }

    /// At an address that is no multiple of 4.
    #[cold]
    fn write_v4_bytewise(&self, place: &mut [u8], length: u16, tos: u8) -> Option<()> {
        let mut headers = self.ipv4();
        self.complete(&mut headers, length, tos);
        let headers: [u8; size_of::<VxlanOverIpv4>()] = zerocopy::transmute!(headers);
        *<&mut [u8; size_of::<VxlanOverIpv4>()]>::try_from(place).ok()? = headers;
        Some(())
    }

    #[cold]
    fn write_geneve(&self, place: &mut [u8], length: u16, tos: u8) -> Option<()> {
        let (place, end) = place.split_last_chunk_mut::<OPTION>()?;
        let mut headers = self.ipv4();
        *end = zerocopy::transmute!(option(&headers));
        headers.udp_checksum = Word::ZERO;
        // To the lengths the option is a part of what is carried.
        self.complete(&mut headers, length.wrapping_add(OPTION as u16), tos);
        let headers: [u8; size_of::<VxlanOverIpv4>()] = zerocopy::transmute!(headers);
        *<&mut [u8; size_of::<VxlanOverIpv4>()]>::try_from(place).ok()? = headers;
        Some(())
    }

    #[cold]
    fn write_v6(&self, place: &mut [u8], length: u16, tos: u8) -> Option<()> {
        let parts = self.ipv6();
        let udp_length = length.wrapping_add(UDP_VXLAN);
        let mut ethernet = EthernetHeader::default();
        ethernet.set_destination(EthernetAddress(parts.destination_mac));
        ethernet.set_source(EthernetAddress(parts.source_mac));
        ethernet.set_ethertype(ethertype::IPV6);
        let mut ip = Ipv6Header::default();
        ip.set_version(6);
        ip.set_traffic_class(tos);
        ip.set_payload_len(udp_length);
        ip.set_next_header(ip::UDP);
        ip.set_hop_limit(parts.ttl);
        ip.set_source(parts.source.into());
        ip.set_destination(parts.destination.into());
        // Without checksum, by RFC 6935.
        let mut udp = UdpHeader::default();
        udp.set_source_port(u16::from_be_bytes(parts.source_port));
        udp.set_destination_port(port::VXLAN);
        udp.set_length(udp_length);
        let vxlan = VxlanHeader::new(self.vni());
        *VxlanOverIpv6::mut_from_bytes(place).ok()? = VxlanOverIpv6 { ethernet, ip, udp, vxlan };
        Some(())
    }
}

/// The bytes of a word that come first in memory.
#[inline]
const fn first_half(word: u32) -> [u8; 2] {
    let [first, second, ..] = word.to_ne_bytes();
    [first, second]
}
