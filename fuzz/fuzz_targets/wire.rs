//! Any bytes, several profiles: no panic, offsets in order and within the frame, views that agree
//! with the layout, and nothing read behind the frame's end.
#![no_main]

use dash_core::wire::protocol::{ip, port};
use dash_core::wire::{Layer, LayerFlags, Layout, Network, Profile, TunnelKind, parse};
use libfuzzer_sys::fuzz_target;

const ALL: Profile =
    Profile { vxlan: Some(port::VXLAN), geneve: Some(port::GENEVE), nvgre: true, tunnels: 2 };
const PROFILES: [Profile; 4] = [Profile::PLAIN, Profile::VXLAN, Profile { tunnels: 1, ..ALL }, ALL];

fn check_layer(layer: &Layer, frame: &[u8]) {
    assert!(layer.ethernet < layer.network);
    assert!(layer.network <= layer.transport);
    assert!(layer.transport <= layer.end);
    assert!(usize::from(layer.end) <= frame.len());
    assert!(layer.tags <= 2);
    assert!(layer.ethernet(frame).is_some());
    assert_eq!(layer.vlan(frame, 0).is_some(), layer.tags > 0);

    let is_ip = matches!(layer.kind, Network::Ipv4 | Network::Ipv6);
    assert_eq!(layer.addresses(frame).is_some(), is_ip);
    assert_eq!(layer.dscp(frame).is_some(), is_ip);
    if let Some(header) = layer.ipv4(frame) {
        assert_eq!(layer.network + header.total_len(), layer.end);
        let options = layer.ipv4_options(frame).expect("options of a valid header");
        assert_eq!(!options.is_empty(), layer.flags.contains(LayerFlags::OPTIONS));
        assert_eq!(header.protocol(), layer.protocol);
    }
    if let Some(header) = layer.ipv6(frame) {
        assert_eq!(layer.network + 40 + header.payload_len(), layer.end);
    }
    assert!(layer.arp(frame).is_none() || layer.kind == Network::Arp);

    let upper = layer.upper(frame).expect("transport to end");
    if layer.flags.contains(LayerFlags::LATER_FRAGMENT) {
        assert!(upper.is_empty() && layer.flags.contains(LayerFlags::FRAGMENT));
    }
    let ports = layer.ports(frame);
    if let Some(header) = layer.udp(frame) {
        assert_eq!(ports, (header.source_port(), header.destination_port()));
    } else if let Some(header) = layer.tcp(frame) {
        assert_eq!(ports, (header.source_port(), header.destination_port()));
    } else {
        assert_eq!(ports, (0, 0));
    }
    let whole = !layer.flags.contains(LayerFlags::FRAGMENT);
    if is_ip && whole && layer.protocol == ip::UDP {
        assert!(layer.udp(frame).is_some());
    }
    if layer.icmpv4(frame).is_some() || layer.icmpv6(frame).is_some() {
        assert!(upper.len() >= 4);
    }
}

fn check(layout: &Layout, frame: &[u8], profile: &Profile) {
    assert!(layout.depth() <= usize::from(profile.tunnels));
    assert!(layout.layer(layout.depth() + 1).is_none());
    assert!(layout.tunnel(layout.depth()).is_none());
    for index in 0..=layout.depth() {
        check_layer(layout.layer(index).expect("layer"), frame);
    }
    for index in 0..layout.depth() {
        let tunnel = layout.tunnel(index).expect("tunnel");
        let outer = layout.layer(index).expect("outer");
        let inner = layout.layer(index + 1).expect("inner");
        assert!(outer.transport <= tunnel.offset && tunnel.offset + 8 <= inner.ethernet);
        assert!(inner.end <= outer.end);
        assert_eq!(inner.tags, 0);
        let vni = match tunnel.kind {
            TunnelKind::Vxlan => tunnel.vxlan(frame).map(|header| header.vni()),
            TunnelKind::Geneve => tunnel.geneve(frame).map(|(header, options)| {
                assert!(options.take(64).all(|option| option.is_ok()));
                header.vni()
            }),
            TunnelKind::Nvgre => tunnel.nvgre(frame).map(|header| header.vsid()),
        };
        assert_eq!(vni, Some(tunnel.vni));
    }
}

fuzz_target!(|frame: &[u8]| {
    for profile in &PROFILES {
        let Ok(layout) = parse(frame, profile) else { continue };
        check(&layout, frame, profile);
        // Bytes behind the outermost datagram change nothing.
        if matches!(layout.outer().kind, Network::Ipv4 | Network::Ipv6) {
            let cut = &frame[..layout.outer().end.into()];
            assert_eq!(parse(cut, profile), Ok(layout));
        }
    }
});
