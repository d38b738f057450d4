//! Random frames and rewrites against the model.

extern crate std;

use std::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv6Address};

use super::model::{Body, Frame, Wrapping, expected};
use super::{apply_layout, apply_parsed, apply_to};
use crate::rewrite::{Endpoints, Flags, Outcome, Rewrite, Tunnel};
use crate::wire::{Layout, Profile};

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

fn rewrite() -> impl Strategy<Value = Rewrite> {
    (any::<(u16, u16)>(), any::<[[u8; 6]; 2]>(), tunnel()).prop_map(
        |((flags, vlan), macs, tunnel)| Rewrite {
            flags: Flags::from_bits_truncate(flags),
            vlan,
            source_mac: EthernetAddress(macs[0]),
            destination_mac: EthernetAddress(macs[1]),
            tunnel,
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
        rewrite in rewrite(),
        wrapping in prop::option::of(wrapping()),
        frame in frame(),
        headroom in prop_oneof![0..90_usize, Just(128)],
        mtu in prop_oneof![0..300_u16, Just(1500), Just(u16::MAX)],
    ) {
        let inner = frame.bytes();
        let (bytes, outermost, next) = match &wrapping {
            None => (inner, frame.layer(0), None),
            Some(wrapping) => {
                let (bytes, outermost, at) = wrapping.wrap(&inner);
                (bytes, outermost, Some(frame.layer(at)))
            }
        };
        let answer = apply_to(&rewrite, &bytes, headroom, (&outermost, next.as_ref()), mtu);
        let expected = expected(&rewrite, wrapping.as_ref(), &frame, headroom, mtu);
        prop_assert_eq!(&answer, &expected);
        // The parser does not walk the tags of an encapsulated frame.
        if wrapping.is_none() || frame.tags.is_empty() {
            let answer = apply_parsed(&rewrite, &bytes, headroom, &Profile::VXLAN, mtu);
            prop_assert_eq!(answer, expected);
        }
    }

    /// A layout that belongs to another frame neither panics nor changes anything by halves.
    #[test]
    fn foreign_layouts_are_harmless(
        rewrite in rewrite(),
        wrapping in wrapping(),
        frame in frame(),
        bytes in vec(any::<u8>(), 0..200),
        headroom in 0..128_usize,
    ) {
        let (_, outermost, at) = wrapping.wrap(&frame.bytes());
        let next = frame.layer(at);
        let plain = frame.layer(0);
        for layers in [(&outermost, Some(&next)), (&plain, None), (&next, Some(&outermost))] {
            let answer = apply_to(&rewrite, &bytes, headroom, layers, u16::MAX);
            prop_assert!(!matches!(answer, Err(Outcome::TooBig | Outcome::Done)));
        }
        let answer = apply_layout(&rewrite, &bytes, headroom, &Layout::default(), u16::MAX);
        prop_assert_eq!(answer, Err(Outcome::NoRoom));
    }
}
