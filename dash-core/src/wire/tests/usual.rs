//! The usual frame, against the walk: it is recognised exactly when the walk finds nothing unusual,
//! and both say the same of it.
extern crate std;
use std::vec::Vec;

use super::*;
use smoltcp::wire::{EthernetAddress, Ipv4Address};

/// VXLAN over IPv4 with a customer's UDP in it, and with a customer's TCP.
fn usual() -> [Vec<u8>; 2] {
    let customers = [ipv4(ip::UDP, &udp(80, b"payload")), ipv4(ip::TCP, &tcp(b"payload"))];
    customers.map(|customer| ipv4(ip::UDP, &vxlan(0x12_3456, &customer)))
}

/// Calls `look` with `frame` at an even address, or at an odd one.
fn placed<R>(frame: &[u8], odd: bool, look: impl FnOnce(&[u8]) -> R) -> R {
    let mut storage = std::vec![0; frame.len() + 2];
    let start = storage.as_ptr().align_offset(2) + usize::from(odd);
    let place = &mut storage[start..start + frame.len()];
    place.copy_from_slice(frame);
    look(place)
}

/// Whether a walk finds in `layout` what a usual frame has, and nothing else.
fn is_usual(layout: &Layout) -> bool {
    let (outer, inner) = (layout.outer(), layout.inner());
    layout.depth() == 1
        && [outer, inner]
            .iter()
            .all(|layer| layer.kind == Network::Ipv4 && layer.tags == 0 && layer.flags.is_empty())
        && [ip::UDP, ip::TCP].contains(&inner.protocol)
}

/// Compares the two ways; answers whether the frame is a usual one.
fn compare(frame: &[u8]) -> bool {
    let walked = parse(frame, &Profile::VXLAN).ok().filter(is_usual);
    let Some(usual) = UsualFrame::of(frame) else {
        assert_eq!(walked, None, "not recognised: {frame:02x?}");
        return false;
    };
    let layout = walked.unwrap_or_else(|| panic!("not usual: {frame:02x?}"));
    assert_eq!(usual.edges(frame), layout.edges(frame));
    assert_eq!(usual.vni(), layout.tunnel(0).unwrap().vni);
    let word = usual.vni_word().to_ne_bytes();
    assert_eq!(word[..3], usual.vni().to_be_bytes()[1..]);
    let address = |words: u32| IpAddress::Ipv4(Ipv4Address::from_octets(words.to_ne_bytes()));
    let (_, vip) = layout.outer().addresses(frame).unwrap();
    assert_eq!(address(usual.outer_destination()), vip);
    let inner = layout.inner();
    let [source, destination] = usual.addresses().map(address);
    assert_eq!(inner.addresses(frame), Some((source, destination)));
    let [high, low, rest @ ..] = usual.ports().to_ne_bytes();
    let ports = (u16::from_be_bytes([high, low]), u16::from_be_bytes(rest));
    assert_eq!(inner.ports(frame), ports);
    assert_eq!(inner.protocol, usual.protocol());
    let ethernet = inner.ethernet(frame).unwrap();
    let words = |mac: EthernetAddress| {
        let (pairs, _) = mac.0.as_chunks::<2>();
        [0, 1, 2].map(|at: usize| u16::from_ne_bytes(pairs[at]))
    };
    assert_eq!(usual.source_mac(), words(ethernet.source()));
    assert_eq!(usual.destination_mac(), words(ethernet.destination()));
    true
}

#[test]
fn plain_frames_of_udp_and_tcp_are_usual() {
    for frame in usual() {
        assert!(placed(&frame, false, compare));
        assert!(placed(&frame, true, |frame| UsualFrame::of(frame).is_none()), "odd address");
        // Padding behind the customer's datagram, and behind the outer one.
        assert!(placed(&join(&[&frame, &[0; 9]]), false, compare));
    }
    let padded = join(&[&ipv4(ip::UDP, &udp(80, b"")), &[0; 18]]);
    assert!(placed(&ipv4(ip::UDP, &vxlan(1, &padded)), false, compare));
    for frame in shapes().iter().skip(1) {
        assert!(!placed(frame, false, |frame| UsualFrame::of(frame).is_some()));
    }
}

#[test]
fn any_byte_with_any_value() {
    let step = if cfg!(miri) { 51 } else { 1 };
    for frame in usual() {
        for at in 0..frame.len() {
            let recognised = (0..=u8::MAX).step_by(step).filter(|value| {
                let mut frame = frame.clone();
                frame[at] = *value;
                placed(&frame, false, compare)
            });
            assert!(cfg!(miri) || recognised.count() > 0, "byte {at}");
        }
        for length in 0..frame.len() {
            assert!(!placed(&frame[..length], false, compare), "{length} bytes");
        }
    }
}

/// Offsets of the lengths: outer IP, outer UDP, inner IP, inner UDP; and of TCP's data offset.
const LENGTHS: [usize; 5] = [16, 38, 66, 88, 96];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 20 } else { 4096 },
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_changes_together(
        tcp in any::<bool>(),
        lengths in prop::array::uniform5(prop_oneof![3 => Just(0_i16), 1 => -20..20_i16]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop_oneof![3 => Just(0_usize), 1 => 0..80_usize],
        padding in prop_oneof![Just(0_usize), 0..40_usize],
        odd in prop::bool::weighted(0.1),
    ) {
        let [with_udp, with_tcp] = usual();
        let mut frame = if tcp { with_tcp } else { with_udp };
        for (at, more) in LENGTHS.into_iter().zip(lengths) {
            let field = u16::from_be_bytes([frame[at], frame[at + 1]]);
            let changed = field.wrapping_add_signed(if at == 96 { more << 12 } else { more });
            frame[at..at + 2].copy_from_slice(&changed.to_be_bytes());
        }
        for (at, value) in changes {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        frame.truncate(frame.len() - cut);
        frame.resize(frame.len() + padding, 0xee);
        if odd {
            prop_assert!(placed(&frame, true, |frame| UsualFrame::of(frame).is_none()));
        } else {
            placed(&frame, false, compare);
        }
    }
}
