//! Random frames and rewrites against the model.

extern crate std;

use std::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;
use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address, Ipv6Address};

use super::model::{Body, Frame, Wrapping, expected};
use super::{apply_parsed, apply_to};
use crate::rewrite::{
    Change, Encapsulation, Endpoints, Flags, NextHop, NextHops, OptionWord, Outcome, Rewrite,
    Tunnel,
};
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

const fn is_v4(endpoints: &Endpoints) -> bool {
    matches!(endpoints, Endpoints::V4 { .. })
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
    let geneve = prop::option::weighted(
        0.3,
        any::<(u16, u8, u32)>().prop_map(|(class, kind, data)| OptionWord { class, kind, data }),
    );
    let macs = any::<[[u8; 6]; 2]>();
    let form = (any::<bool>(), geneve);
    (endpoints, macs, 0..1_u32 << 24, any::<[u16; 2]>(), any::<[u8; 2]>(), form).prop_map(
        |(endpoints, macs, vni, [source_port, identification], [ttl, tos], form)| Tunnel {
            identification: if is_v4(&endpoints) { identification } else { 0 },
            dont_fragment: form.0 && is_v4(&endpoints),
            endpoints,
            source_mac: EthernetAddress(macs[0]),
            destination_mac: EthernetAddress(macs[1]),
            vni,
            source_port,
            ttl,
            tos,
            geneve: form.1,
        },
    )
}

const USUAL: Flags =
    Flags::POP_OUTER.union(Flags::TRIM).union(Flags::PUSH_OUTER).union(Flags::COPY_DSCP);

fn rewrite() -> impl Strategy<Value = Rewrite> {
    (any::<(u16, u16)>(), any::<[[u8; 6]; 2]>(), tunnel()).prop_map(
        |((flags, vlan), macs, tunnel)| {
            // Every fourth as nearly all flows have them.
            let flags = match flags >> 14 {
                0 => USUAL | (Flags::from_bits_truncate(flags) & Flags::DESTINATION_MAC),
                _ => Flags::from_bits_truncate(flags),
            };
            let pushes = flags.contains(Flags::PUSH_OUTER);
            Rewrite {
                flags,
                vlan,
                source_mac: EthernetAddress(macs[0]).into(),
                destination_mac: EthernetAddress(macs[1]).into(),
                tunnel: if pushes { Encapsulation::new(&tunnel) } else { Encapsulation::NONE },
            }
        },
    )
}

/// What flows to one next hop have in common.
fn shared(rewrite: &Rewrite) -> (IpAddress, [u8; 6], [u8; 6], u8, u16, bool, bool) {
    let tunnel = rewrite.tunnel.tunnel();
    let Tunnel { endpoints, source_mac, destination_mac, ttl, .. } = tunnel;
    let source = match endpoints {
        Endpoints::V4 { source, .. } => source.into(),
        Endpoints::V6 { source, .. } => source.into(),
    };
    let geneve = tunnel.geneve.is_some();
    let df = tunnel.dont_fragment;
    (source, source_mac.0, destination_mac.0, ttl, tunnel.identification, df, geneve)
}

/// Who pushes nothing needs no place, and what was never held frees none.
#[test]
fn changes_without_encapsulation_have_no_next_hop() {
    let pushing = Rewrite { flags: Flags::PUSH_OUTER, ..Rewrite::NONE };
    let tunnel = Tunnel { ttl: 1, ..Tunnel::NONE };
    let other = Rewrite { tunnel: Encapsulation::new(&tunnel), ..pushing };
    let mut place = [NextHop::FREE];
    let mut next_hops = NextHops::new(&mut place);
    let change = next_hops.hold(&pushing).unwrap();
    assert!(next_hops.hold(&Rewrite::NONE).is_some());
    next_hops.release(&Change::NONE);
    assert!(next_hops.hold(&other).is_none());
    assert_eq!(next_hops.rewrite(&change), pushing);
}

/// Places beyond a multiple of [`WAYS`] are taken too.
#[test]
fn next_hops_fill_a_table() {
    let rooms = if cfg!(miri) { &[7, 12][..] } else { &[1, 7, 9, 12, 15, 23, 63] };
    for room in rooms.iter().copied() {
        let mut places = std::vec![NextHop::FREE; room];
        let mut next_hops = NextHops::new(&mut places);
        for number in 0..if cfg!(miri) { 100 } else { 2_000_u16 } {
            let tunnel = Tunnel { identification: number, ..Tunnel::NONE };
            let tunnel = Encapsulation::new(&tunnel);
            let _ = next_hops.hold(&Rewrite { tunnel, flags: Flags::PUSH_OUTER, ..Rewrite::NONE });
        }
        assert_eq!(next_hops.in_use(), room);
    }
}

/// Half of any table is taken before it refuses a next hop.
#[test]
fn next_hops_fill_half_of_a_table() {
    let (rooms, seeds) =
        if cfg!(miri) { (&[9, 64][..], 1) } else { (&[8, 9, 16, 64, 250, 1024][..], 50) };
    for (room, seed) in rooms.iter().flat_map(|room| (0..seeds).map(move |seed| (*room, seed))) {
        let mut places = std::vec![NextHop::FREE; room];
        let mut next_hops = NextHops::new(&mut places);
        let mut to = |number: u32| {
            let [_, a, b, c] = (seed * 0x1_0000 + number).to_be_bytes();
            let destination_mac = EthernetAddress([2, 0, 0, a, b, c]);
            let tunnel = Encapsulation::new(&Tunnel { destination_mac, ..Tunnel::NONE });
            next_hops.hold(&Rewrite { tunnel, flags: Flags::PUSH_OUTER, ..Rewrite::NONE })
        };
        for number in 0..room as u32 / 2 {
            assert!(to(number).is_some(), "number {number} of {room}, seed {seed}");
        }
    }
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
        let (bytes, edges) = match &wrapping {
            None => (inner, frame.edges()),
            Some(wrapping) => (wrapping.wrap(&inner).0, wrapping.edges(&frame)),
        };
        let answer = apply_to(&rewrite, &bytes, headroom, &edges, mtu);
        let expected = expected(&rewrite, wrapping.as_ref(), &frame, headroom, mtu);
        prop_assert_eq!(&answer, &expected);
        // The parser does not walk the tags of an encapsulated frame.
        if wrapping.is_none() || frame.tags.is_empty() {
            let answer = apply_parsed(&rewrite, &bytes, headroom, &Profile::VXLAN, mtu);
            prop_assert_eq!(answer, expected);
        }
    }

    /// Next hops are counted as a naive model counts them, and each flow keeps its rewrite.
    #[test]
    fn next_hops_are_held_and_released(
        rewrites in vec(rewrite(), 1..6),
        steps in vec((any::<u8>(), 0..4_u8), 0..200),
        room in 1..20_usize,
    ) {
        let mut places = std::vec![NextHop::FREE; room];
        let mut next_hops = NextHops::new(&mut places);
        let mut held: Vec<(Change, Rewrite)> = Vec::new();
        for (number, step) in steps {
            // Flows to one next hop differ in what is theirs.
            let mut rewrite = rewrites[usize::from(number) % rewrites.len()];
            let tunnel = rewrite.tunnel.tunnel();
            let tunnel = Tunnel { vni: number.into(), source_port: number.into(), ..tunnel };
            let pushes = rewrite.flags.contains(Flags::PUSH_OUTER);
            rewrite.tunnel = if pushes { Encapsulation::new(&tunnel) } else { Encapsulation::NONE };
            let flows = held.len();
            let number = usize::from(number).checked_rem(held.len()).unwrap_or(0);
            match (step, held.get_mut(number)) {
                (0, Some(_)) => {
                    let (change, _) = held.swap_remove(number);
                    next_hops.release(&change);
                }
                (1, Some((change, old))) => {
                    if next_hops.exchange(change, &rewrite) {
                        *old = rewrite;
                    } else {
                        prop_assert!(pushes && flows > 1, "there is room for one");
                    }
                }
                _ => match next_hops.hold(&rewrite) {
                    Some(change) => held.push((change, rewrite)),
                    None => prop_assert!(pushes && flows > 0, "there is room for one"),
                },
            }
            let pushed = held.iter().filter(|(_, rewrite)| rewrite.flags.contains(Flags::PUSH_OUTER));
            let mut shared: Vec<_> = pushed.map(|(_, rewrite)| shared(rewrite)).collect();
            shared.sort_unstable();
            shared.dedup();
            prop_assert_eq!(next_hops.in_use(), shared.len());
            for (change, rewrite) in &held {
                prop_assert_eq!(next_hops.rewrite(change), *rewrite);
            }
        }
    }

    /// The model reads compiled tunnels back.
    #[test]
    fn compiled_tunnel_keeps_what_it_was_made_of(tunnel in tunnel()) {
        prop_assert_eq!(Encapsulation::new(&tunnel).tunnel(), tunnel);
    }

    /// The edges of another frame are refused, or fit by chance: nothing panics, and nothing is
    /// changed by halves.
    #[test]
    fn foreign_edges_are_harmless(
        rewrite in rewrite(),
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
