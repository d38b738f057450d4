//! The parser, on literal frames, on frames cut or changed anywhere, and against another parser.
extern crate std;

mod checksum;
mod frames;
mod headers;
mod malformed;
mod usual;

use std::vec::Vec;

use frames::{ethernet, geneve, ipv4, ipv6, join, nvgre, tcp, udp, vxlan};
use proptest::prelude::*;
use smoltcp::wire::IpAddress;

use super::protocol::{ethertype, ip, port};
use super::*;

/// Looks into everything.
const ALL: Profile =
    Profile { vxlan: Some(port::VXLAN), geneve: Some(port::GENEVE), nvgre: true, tunnels: 2 };

fn parsed(frame: &[u8]) -> Layout {
    let layout = parse(frame, &ALL).unwrap();
    check(&layout, frame);
    layout
}

/// What holds for every layout of `frame`.
fn check(layout: &Layout, frame: &[u8]) {
    let mut end = frame.len();
    for index in 0..=layout.depth() {
        let layer = layout.layer(index).unwrap();
        assert!(layer.ethernet < layer.network);
        assert!(layer.network <= layer.transport && layer.transport <= layer.end);
        assert!(usize::from(layer.end) <= end);
        end = layer.end.into();
        assert!(layer.ethernet(frame).is_some());
        let is_ip = matches!(layer.kind, Network::Ipv4 | Network::Ipv6);
        assert_eq!(layer.addresses(frame).is_some(), is_ip);
        if let Some(tunnel) = layout.tunnel(index) {
            let inner = layout.layer(index + 1).unwrap();
            assert!(layer.transport <= tunnel.offset && tunnel.offset + 8 <= inner.ethernet);
        }
    }
    assert_eq!(layout.layer(layout.depth() + 1), None);
    assert_eq!(layout.tunnel(layout.depth()), None);
}

/// An extension header of 8 bytes in front of `rest`.
fn extension(next_header: u8, rest: &[u8]) -> Vec<u8> {
    join(&[&[next_header, 0, 1, 4, 0, 0, 0, 0], rest])
}

/// A fragment header in front of `rest`; `offset` in units of 8 bytes.
fn fragment(next_header: u8, offset: u16, more: bool, rest: &[u8]) -> Vec<u8> {
    let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();
    join(&[&[next_header, 0, high, low, 0, 0, 0, 7], rest])
}

/// [`ipv4()`] with the fragment field set; the checksum is then wrong, and not looked at.
fn ipv4_fragment(protocol: u8, field: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = ipv4(protocol, payload);
    frame[20..22].copy_from_slice(&field.to_be_bytes());
    frame
}

/// [`ipv4()`] with 4 bytes of options.
fn ipv4_options(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = ipv4(protocol, &join(&[&[0x94, 4, 0, 0], payload]));
    frame[14] = 0x46;
    frame
}

/// One valid frame of each shape.
fn shapes() -> Vec<Vec<u8>> {
    let customer = ipv4(ip::UDP, &udp(80, b"payload"));
    let customer_6 = ipv6(ip::TCP, &tcp(b"payload"));
    let option = [0x01, 0x02, 0x80, 1, 0, 1, 0, 2];
    let chain = extension(
        ip::ROUTING,
        &extension(
            ip::DESTINATION_OPTIONS,
            &extension(ip::FRAGMENT, &fragment(ip::UDP, 0, false, &udp(53, b"q"))),
        ),
    );
    let tagged = join(&[&[0, 100, 0x81, 0, 0x20, 10, 8, 0], &customer[14..]]);
    Vec::from([
        ipv4(ip::UDP, &vxlan(100, &customer)),
        ipv6(ip::UDP, &vxlan(100, &customer_6)),
        ipv4(ip::UDP, &geneve(100, &option, &customer)),
        ipv4(ip::GRE, &nvgre(100, &customer_6)),
        ipv4(ip::UDP, &vxlan(200, &ipv6(ip::GRE, &nvgre(100, &customer)))),
        ethernet(ethertype::QINQ, &tagged),
        ipv6(ip::HOP_BY_HOP, &chain),
        ipv4_options(ip::ICMPV4, &[8, 0, 0, 0, 0, 1, 0, 1]),
        ipv6(ip::ICMPV6, &[128, 0, 0, 0, 0, 1, 0, 1]),
        ipv4_fragment(ip::UDP, 0x2000, &udp(80, b"first")),
        ethernet(ethertype::ARP, &[0; 28]),
        customer,
        customer_6,
    ])
}

#[test]
fn the_worked_example() {
    // Ethernet, IPv4 172.16.1.100 -> 172.16.1.20, UDP 0 -> 4789, VXLAN 100, and a frame in it.
    let outer = [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00, 0x45, 0x00, 0x00, 0x88, 0x00, 0x01, 0x00,
        0x00, 0x40, 0x11, 0x1f, 0xcc, 0xac, 0x10, 0x01, 0x64, 0xac, 0x10, 0x01, 0x14, 0x00, 0x00,
        0x12, 0xb5, 0x00, 0x74, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x64, 0x00,
    ];
    let frame = join(&[&outer, &ipv4(ip::UDP, &udp(80, &[7; 58]))]);
    let layout = parse(&frame, &Profile::VXLAN).unwrap();
    check(&layout, &frame);
    assert_eq!(layout.depth(), 1);
    let outer = layout.outer();
    assert_eq!((outer.ethernet, outer.network, outer.transport, outer.end), (0, 14, 34, 150));
    assert_eq!((outer.kind, outer.ethertype, outer.protocol), (Network::Ipv4, 0x0800, 17));
    assert_eq!(outer.ports(&frame), (0, 4789));
    assert_eq!((outer.tags, outer.flags, outer.tcp(&frame)), (0, LayerFlags::empty(), None));
    let tunnel = Tunnel { kind: TunnelKind::Vxlan, offset: 42, vni: 100 };
    assert_eq!(layout.tunnel(0), Some(&tunnel));
    assert_eq!(tunnel.vxlan(&frame).unwrap().vni(), 100);
    assert_eq!((tunnel.geneve(&frame).is_none(), tunnel.nvgre(&frame)), (true, None));
    let inner = layout.inner();
    assert_eq!((inner.ethernet, inner.network, inner.transport, inner.end), (50, 64, 84, 150));
    assert_eq!(inner.ports(&frame), (1234, 80));
    let addresses = (IpAddress::v4(10, 1, 1, 10), IpAddress::v4(10, 1, 2, 50));
    assert_eq!(inner.addresses(&frame), Some(addresses));
    assert_eq!(inner.udp(&frame).unwrap().length(), 66);
    assert_eq!(inner.datagram(&frame), Some(&frame[64..]));
    assert_eq!((inner.tcp(&frame), inner.icmpv4(&frame), inner.ipv6(&frame)), (None, None, None));

    // Plain, the same frame is one layer.
    let plain = parse(&frame, &Profile::PLAIN).unwrap();
    assert_eq!((plain.depth(), plain.inner()), (0, layout.outer()));
}

#[test]
fn two_encapsulations() {
    let customer = ipv6(ip::TCP, &tcp(b"payload"));
    let option = [0x01, 0x02, 0x80, 1, 0, 1, 0, 2];
    let middle = ipv6(ip::UDP, &geneve(7, &option, &customer));
    let frame = ipv4(ip::GRE, &nvgre(8, &middle));
    let layout = parsed(&frame);
    assert_eq!(layout.depth(), 2);
    let (first, second) = (layout.tunnel(0).unwrap(), layout.tunnel(1).unwrap());
    assert_eq!((first.kind, first.offset, first.vni), (TunnelKind::Nvgre, 34, 8));
    assert_eq!((second.kind, second.offset, second.vni), (TunnelKind::Geneve, 104, 7));
    assert_eq!(first.nvgre(&frame).unwrap().vsid(), 8);
    let (header, mut options) = second.geneve(&frame).unwrap();
    assert_eq!(header.options_len(), 8);
    assert_eq!(options.next().unwrap().unwrap().data, [0, 1, 0, 2]);
    assert!(options.next().is_none());
    let inner = layout.inner();
    assert_eq!((inner.ethernet, inner.kind), (120, Network::Ipv6));
    assert_eq!(inner.tcp(&frame).unwrap().flags(), tcp::TcpFlags::SYN);
    assert_eq!(inner.tcp(&frame).unwrap().destination_port(), 80);
    assert_eq!(inner.upper(&frame).unwrap().len(), 27);

    // The profile bounds the depth, whatever it says.
    for (tunnels, depth) in [(0, 0), (1, 1), (2, 2), (255, 2)] {
        let layout = parse(&frame, &Profile { tunnels, ..ALL }).unwrap();
        assert_eq!(layout.depth(), depth);
    }
    let deep = ipv4(ip::UDP, &vxlan(1, &frame));
    assert_eq!(parse(&deep, &Profile { tunnels: 255, ..ALL }).unwrap().depth(), 2);
}

#[test]
fn vlan_tags() {
    let datagram = &ipv4(ip::UDP, &udp(80, b""))[14..];
    let one = parsed(&ethernet(ethertype::VLAN, &join(&[&[0, 5, 8, 0], datagram])));
    assert_eq!((one.outer().tags, one.outer().network, one.outer().kind), (1, 18, Network::Ipv4));

    let tags = [0, 5, 0x81, 0, 0xe0, 6, 8, 0];
    let frame = ethernet(ethertype::QINQ, &join(&[&tags, datagram]));
    let two = *parsed(&frame).outer();
    assert_eq!((two.tags, two.network, two.ethertype), (2, 22, 0x0800));
    assert_eq!(two.vlan(&frame, 0).unwrap().id(), 5);
    assert_eq!(two.vlan(&frame, 1).unwrap().priority(), 7);
    assert_eq!(two.vlan(&frame, 2), None);

    let tags = [0, 5, 0x81, 0, 0, 6, 0x81, 0, 0, 7, 8, 0];
    let three = parsed(&ethernet(ethertype::VLAN, &join(&[&tags, datagram])));
    assert_eq!((three.outer().tags, three.outer().kind), (2, Network::Other));
    assert_eq!(three.outer().ethertype, 0x8100);

    // A tagged frame in a tunnel is not looked into; a tunnel in a tagged frame is.
    let customer = ethernet(ethertype::VLAN, &join(&[&[0, 5, 8, 0], datagram]));
    let inner = parsed(&ipv4(ip::UDP, &vxlan(1, &customer)));
    assert_eq!((inner.inner().tags, inner.inner().kind), (0, Network::Other));
    let outer = ipv4(ip::UDP, &vxlan(1, &customer));
    let outer = ethernet(ethertype::VLAN, &join(&[&[0, 5, 8, 0], &outer[14..]]));
    assert_eq!(parsed(&outer).depth(), 1);
}

#[test]
fn other_ethertypes_and_short_arp() {
    let frame = ethernet(0x876d, &[1; 50]);
    let layer = *parsed(&frame).outer();
    assert_eq!((layer.kind, layer.transport, layer.end), (Network::Other, 64, 64));
    assert_eq!((layer.dscp(&frame), layer.addresses(&frame)), (None, None));

    let frame = ethernet(ethertype::ARP, &[0; 46]);
    let layer = *parsed(&frame).outer();
    assert_eq!((layer.kind, layer.end), (Network::Arp, 60));
    assert!(layer.arp(&frame).is_some());
    let short = &frame[..41];
    assert_eq!(parsed(short).outer().kind, Network::Arp);
    assert_eq!(parsed(short).outer().arp(short), None);
}

#[test]
fn padding_is_behind_the_end() {
    let customer = ipv4(ip::UDP, &udp(80, b"x"));
    let padded = join(&[&customer, &[0xaa; 15]]);
    assert_eq!(parsed(&padded), parsed(&customer));
    // Padding inside a tunnel belongs to the inner frame, not to its datagram.
    let tunnel = ipv4(ip::UDP, &vxlan(1, &padded));
    let layout = parsed(&join(&[&tunnel, &[0xbb; 9]]));
    assert_eq!(usize::from(layout.outer().end), tunnel.len());
    assert_eq!(usize::from(layout.inner().end), tunnel.len() - 15);
    // The UDP length ends the inner frame where it is less than the IP length.
    let mut short = vxlan(1, &ethernet(0x1234, &[0; 20]));
    short[5] -= 4;
    let layout = parsed(&ipv4(ip::UDP, &short));
    assert_eq!(layout.inner().end + 4, layout.outer().end);
}

#[test]
fn options_and_dscp() {
    let mut frame = ipv4_options(ip::UDP, &udp(80, b""));
    frame[15] = 0xb9;
    let layer = *parsed(&frame).outer();
    assert_eq!(
        (layer.flags, layer.transport, layer.dscp(&frame)),
        (LayerFlags::OPTIONS, 38, Some(46))
    );
    assert_eq!(layer.ipv4_options(&frame), Some(&[0x94, 4, 0, 0][..]));
    let mut frame = ipv6(ip::NO_NEXT_HEADER, b"ignored");
    frame[14..16].copy_from_slice(&[0x6b, 0x90]);
    let layer = *parsed(&frame).outer();
    assert_eq!((layer.dscp(&frame), layer.protocol), (Some(46), 59));
    assert_eq!(layer.transport, layer.end);
}

#[test]
fn upper_layers() {
    let frame = ipv4(ip::ICMPV4, &[8, 0, 0, 0, 0, 1, 0, 1]);
    let layer = *parsed(&frame).outer();
    assert!(layer.icmpv4(&frame).is_some() && layer.icmpv6(&frame).is_none());
    let frame = ipv6(ip::ICMPV6, &[128, 0, 0, 0]);
    let layer = *parsed(&frame).outer();
    assert!(layer.icmpv6(&frame).is_some() && layer.icmpv4(&frame).is_none());
    // ICMP of the other family is just a protocol.
    assert!(parse(&ipv6(ip::ICMPV4, &[0]), &ALL).is_ok());
    let layer = *parsed(&ipv4(ip::ICMPV6, &[0])).outer();
    assert_eq!((layer.transport, layer.end), (34, 35));
    // GRE that carries no Ethernet, and GRE nobody asked about.
    assert_eq!(parsed(&ipv4(ip::GRE, &[0, 0, 8, 0])).depth(), 0);
    assert!(parse(&ipv4(ip::GRE, &[0]), &Profile::VXLAN).is_ok());
}

#[test]
fn ipv4_fragments() {
    let first = ipv4_fragment(ip::UDP, 0x2000, &vxlan(1, &[0; 20])[..16]);
    let layer = *parsed(&first).outer();
    assert_eq!((layer.flags, layer.ports(&first).1), (LayerFlags::FRAGMENT, 4789));
    assert_eq!(parsed(&first).depth(), 0, "no tunnel in a fragment");

    let later = LayerFlags::FRAGMENT | LayerFlags::LATER_FRAGMENT;
    for field in [0x0001, 0x2001, 0x1fff] {
        let frame = ipv4_fragment(ip::TCP, field, b"data");
        let layer = *parsed(&frame).outer();
        assert_eq!((layer.flags, layer.ports(&frame), layer.protocol), (later, (0, 0), 6));
        assert_eq!((layer.transport, layer.tcp(&frame)), (layer.end, None));
    }
    // DF alone is no fragment; a first fragment may end within the upper-layer header.
    assert_eq!(parsed(&ipv4_fragment(ip::UDP, 0x4000, &udp(80, b""))).outer().flags.bits(), 0);
    for protocol in [ip::UDP, ip::TCP, ip::ICMPV4] {
        let frame = ipv4_fragment(protocol, 0x2000, &[1, 2]);
        let layer = *parsed(&frame).outer();
        assert_eq!((layer.flags, layer.ports(&frame)), (LayerFlags::FRAGMENT, (0, 0)));
        assert_eq!(layer.transport, layer.end);
    }
    // TCP options may go on in the next fragment.
    let mut segment = tcp(b"");
    segment[12] = 0xf0;
    let first = ipv4_fragment(ip::TCP, 0x2000, &segment);
    assert_eq!(parsed(&first).outer().ports(&first).1, 80);
}

#[test]
fn ipv6_extension_headers() {
    let frame = ipv6(
        ip::HOP_BY_HOP,
        &extension(
            ip::ROUTING,
            &extension(ip::DESTINATION_OPTIONS, &extension(ip::TCP, &tcp(b""))),
        ),
    );
    let layer = *parsed(&frame).outer();
    assert_eq!((layer.flags, layer.protocol, layer.transport), (LayerFlags::EXTENSIONS, 6, 78));
    assert_eq!(layer.ports(&frame).1, 80);
    // A long one.
    let long = join(&[&[ip::UDP, 2], &[0; 22], &udp(80, b"")]);
    assert_eq!(parsed(&ipv6(ip::ROUTING, &long)).outer().transport, 78);

    let atomic = ipv6(ip::FRAGMENT, &fragment(ip::UDP, 0, false, &udp(80, b"")));
    let layer = *parsed(&atomic).outer();
    assert_eq!((layer.flags, layer.ports(&atomic).1), (LayerFlags::EXTENSIONS, 80));
    let first = ipv6(ip::FRAGMENT, &fragment(ip::UDP, 0, true, &udp(80, b"")));
    let layer = *parsed(&first).outer();
    assert_eq!(layer.flags, LayerFlags::EXTENSIONS | LayerFlags::FRAGMENT);
    assert_eq!(layer.ports(&first).1, 80);
    // Behind the header of a later fragment nothing is walked.
    let later = ipv6(ip::FRAGMENT, &fragment(ip::ROUTING, 1, false, &[0xff; 8]));
    let layer = *parsed(&later).outer();
    assert_eq!(layer.flags, LayerFlags::all() - LayerFlags::OPTIONS);
    assert_eq!((layer.transport, layer.protocol), (layer.end, ip::ROUTING));
}

#[test]
fn as_many_extension_headers_as_the_bound() {
    let mut chain = udp(80, b"");
    let mut next = ip::UDP;
    for _ in 0..ipv6::MAX_EXTENSION_HEADERS {
        chain = extension(next, &chain);
        next = ip::DESTINATION_OPTIONS;
    }
    let frame = ipv6(next, &chain);
    assert_eq!(parsed(&frame).outer().ports(&frame).1, 80);
    let chain = extension(next, &chain);
    assert_eq!(parse(&ipv6(next, &chain), &ALL), Err(ParseError::Ipv6ExtensionCount));
}

#[test]
fn cut_at_every_length() {
    for frame in shapes() {
        let whole = parsed(&frame);
        for len in 0..frame.len() {
            // Only what is no IP can be shorter without being malformed.
            if let Ok(layout) = parse(&frame[..len], &ALL) {
                check(&layout, &frame[..len]);
                assert!(layout.outer().end < whole.outer().end);
                assert_eq!(layout.outer().kind, Network::Arp);
            }
        }
    }
}

#[test]
fn the_longest_frame() {
    let mut frame = ethernet(0x1234, &std::vec![0; MAX_FRAME - 14]);
    assert_eq!(usize::from(parsed(&frame).outer().end), MAX_FRAME);
    // Lengths as great as their fields allow do not wrap.
    for kind in [ethertype::IPV4, ethertype::IPV6] {
        frame[12..14].copy_from_slice(&kind.to_be_bytes());
        frame[14..20].copy_from_slice(&[0x45, 0, 0xff, 0xff, 0xff, 0xff]);
        if kind == ethertype::IPV6 {
            frame[14] = 0x60;
        }
        assert!(parse(&frame, &ALL).is_err());
    }
}

proptest! {
    #[test]
    fn any_bytes(frame in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(layout) = parse(&frame, &ALL) {
            check(&layout, &frame);
        }
    }

    #[test]
    fn any_change_of_a_valid_frame(
        shape in 0_usize..13,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        padding in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut frame = shapes().swap_remove(shape);
        for (at, value) in changes {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        let Ok(layout) = parse(&frame, &ALL) else { return Ok(()) };
        check(&layout, &frame);
        // Nothing behind the outer datagram is read.
        if matches!(layout.outer().kind, Network::Ipv4 | Network::Ipv6) {
            frame.truncate(layout.outer().end.into());
            frame.extend(padding);
            prop_assert_eq!(parse(&frame, &ALL), Ok(layout));
        }
    }

    #[test]
    fn etherparse_finds_the_same(
        shape in 0_usize..13,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        use etherparse::{NetSlice, SlicedPacket, TransportSlice};
        let mut frame = shapes().swap_remove(shape);
        for (at, value) in changes {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        let (Ok(ours), Ok(theirs)) =
            (parse(&frame, &Profile::PLAIN), SlicedPacket::from_ethernet(&frame))
        else {
            return Ok(());
        };
        let layer = ours.outer();
        let offset = |slice: &[u8]| slice.as_ptr() as usize - frame.as_ptr() as usize;
        match &theirs.net {
            Some(NetSlice::Ipv4(net)) => {
                prop_assert_eq!(layer.kind, Network::Ipv4);
                prop_assert_eq!(usize::from(layer.network), offset(net.header().slice()));
                let payload = net.payload();
                prop_assert_eq!(
                    usize::from(layer.end), offset(payload.payload) + payload.payload.len());
            }
            Some(NetSlice::Ipv6(net)) => {
                prop_assert_eq!(layer.kind, Network::Ipv6);
                prop_assert_eq!(usize::from(layer.network), offset(net.header().slice()));
            }
            _ => {}
        }
        match &theirs.transport {
            Some(TransportSlice::Udp(udp)) => {
                prop_assert_eq!(usize::from(layer.transport), offset(udp.slice()));
                let ports = (udp.source_port(), udp.destination_port());
                prop_assert_eq!(layer.ports(&frame), ports);
            }
            Some(TransportSlice::Tcp(tcp)) => {
                prop_assert_eq!(usize::from(layer.transport), offset(tcp.slice()));
                let ports = (tcp.source_port(), tcp.destination_port());
                prop_assert_eq!(layer.ports(&frame), ports);
            }
            _ => {}
        }
    }
}
