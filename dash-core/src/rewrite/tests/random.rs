//! Random frames and rewrites against the model.

extern crate std;

use std::vec::Vec;

use dash_hal::SoftwareHints;
use proptest::collection::vec;
use proptest::prelude::*;
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv6Address};

use super::model::{Body, Frame, Wrapping, expected};
use super::{apply_parsed, apply_to};
use crate::rewrite::{Encapsulation, Endpoints, Flags, Outcome, Rewrite, Tunnel};
use crate::wire::{Edges, Layout, Profile, parse};

fn body() -> impl Strategy<Value = Body> {
    let ttl = prop_oneof![1 => 0..3_u8, 2 => any::<u8>()];
    let payload = || vec(any::<u8>(), 0..80);
    prop_oneof![
        (any::<(u8, u16)>(), ttl.clone(), 0..3_u8, any::<[u8; 8]>(), payload()).prop_map(
            |((tos, id), ttl, options, addresses, payload)| Body::V4 {
                tos,
                id,
                ttl,
                options,
                addresses,
                payload
            }
        ),
        (any::<u8>(), ttl, any::<[u8; 32]>(), payload()).prop_map(
            |(class, hops, addresses, payload)| Body::V6 { class, hops, addresses, payload }
        ),
        payload().prop_map(|payload| Body::Other { payload }),
    ]
}

fn frame() -> impl Strategy<Value = Frame> {
    let tag = (prop_oneof![Just([0x81, 0]), Just([0x88, 0xa8])], any::<[u8; 2]>())
        .prop_map(|(tpid, tci)| [tpid[0], tpid[1], tci[0], tci[1]]);
    (any::<[u8; 12]>(), vec(tag, 0..3), body(), vec(any::<u8>(), 0..30))
        .prop_map(|(macs, tags, body, padding)| Frame { macs, tags, body, padding })
}

fn wrapping() -> impl Strategy<Value = Wrapping> {
    let extra = || prop_oneof![Just(Vec::new()), vec(any::<u8>(), 0..20)];
    (any::<(bool, u8)>(), 0..3_u8, extra(), extra()).prop_map(
        |((v6, tos), options, slack, trailer)| Wrapping { v6, tos, options, slack, trailer },
    )
}

fn tunnel() -> impl Strategy<Value = Tunnel> {
    let endpoints = prop_oneof![
        any::<[u32; 2]>().prop_map(|[source, destination]| Endpoints::V4 {
            source: Ipv4Address::from_bits(source),
            destination: Ipv4Address::from_bits(destination),
        }),
        any::<[u128; 2]>().prop_map(|[source, destination]| Endpoints::V6 {
            source: Ipv6Address::from_bits(source),
            destination: Ipv6Address::from_bits(destination),
        }),
    ];
    (endpoints, any::<[[u8; 6]; 2]>(), any::<u32>(), any::<[u16; 2]>(), any::<[u8; 2]>()).prop_map(
        |(endpoints, macs, vni, [source_port, identification], [ttl, tos])| Tunnel {
            endpoints,
            source_mac: EthernetAddress(macs[0]),
            destination_mac: EthernetAddress(macs[1]),
            vni,
            source_port,
            identification,
            ttl,
            tos,
        },
    )
}

/// A rewrite, and the tunnel that its encapsulation was compiled from.
fn rewrite() -> impl Strategy<Value = (Rewrite, Tunnel)> {
    (any::<(u16, u16)>(), any::<[[u8; 6]; 2]>(), tunnel()).prop_map(
        |((flags, vlan), macs, tunnel)| {
            let rewrite = Rewrite {
                flags: Flags::from_bits_truncate(flags),
                vlan,
                source_mac: EthernetAddress(macs[0]).into(),
                destination_mac: EthernetAddress(macs[1]).into(),
                tunnel: Encapsulation::new(&tunnel, &SoftwareHints),
            };
            (rewrite, tunnel)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 20 } else { 4096 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_change_is_the_model_s(
        (rewrite, tunnel) in rewrite(),
        wrapping in prop::option::of(wrapping()),
        frame in frame(),
        headroom in prop_oneof![0..90_usize, Just(128)],
        mtu in prop_oneof![0..300_u16, Just(1500), Just(u16::MAX)],
    ) {
        let inner = frame.bytes();
        let (bytes, edges) = match &wrapping {
            None => (inner, frame.edges()),
            Some(wrapping) => (wrapping.wrap(&inner).0, wrapping.edges(&frame)),
        };
        let answer = apply_to(&rewrite, &bytes, headroom, &edges, mtu);
        let expected = expected((&rewrite, &tunnel), wrapping.as_ref(), &frame, headroom, mtu);
        prop_assert_eq!(&answer, &expected);
        // The parser does not walk the tags of an encapsulated frame.
        if wrapping.is_none() || frame.tags.is_empty() {
            let answer = apply_parsed(&rewrite, &bytes, headroom, &Profile::VXLAN, mtu);
            prop_assert_eq!(answer, expected);
        }
    }

    #[test]
    fn compiled_tunnel_keeps_what_it_was_made_of(tunnel in tunnel()) {
        let compiled = Encapsulation::new(&tunnel, &SoftwareHints);
        prop_assert_eq!(compiled.endpoints(), tunnel.endpoints);
        prop_assert_eq!(compiled.vni(), tunnel.vni & 0xff_ffff);
    }

    /// The edges of another frame are refused, or fit by chance: nothing panics, and nothing is
    /// changed by halves.
    #[test]
    fn foreign_edges_are_harmless(
        (rewrite, _) in rewrite(),
        wrapping in wrapping(),
        frame in frame(),
        mut bytes in vec(any::<u8>(), 0..200),
        same_length in any::<bool>(),
        headroom in 0..128_usize,
    ) {
        let (wrapped, _) = wrapping.wrap(&frame.bytes());
        if same_length {
            bytes.resize(wrapped.len(), 0);
        }
        let layout = parse(&wrapped, &Profile::VXLAN).unwrap();
        let none = [Edges::NONE, Layout::NONE.edges(&bytes)];
        for edges in none {
            let answer = apply_to(&rewrite, &bytes, headroom, &edges, u16::MAX);
            prop_assert!(matches!(answer, Err(Outcome::NoRoom | Outcome::Ttl)));
        }
        for edges in [wrapping.edges(&frame), frame.edges(), layout.edges(&bytes)] {
            let answer = apply_to(&rewrite, &bytes, headroom, &edges, u16::MAX);
            prop_assert!(!matches!(answer, Err(Outcome::TooBig | Outcome::Done(_))));
            let fits = usize::from(edges.length) == bytes.len();
            prop_assert!(fits || matches!(answer, Err(Outcome::NoRoom | Outcome::Ttl)));
        }
    }
}
