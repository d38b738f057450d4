//! The scenarios of the specification, by subject; each test has its number, and says what it is of.
//! 38, the comparison with a simple model, is in `model`.

mod arp;
mod controller;
mod flows;
mod hosts;
mod port_security;
mod routing;
mod switching;
mod time_outs;

use dash_core::{
    flow::Timeouts,
    pipeline::router::control::{Actions, FlowSpec, Match},
};

use crate::{
    frames::vector,
    world::{GW1, GW2, Net, VM1, VM2, World, left, seed},
};

pub(crate) const VM1_MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0, 0x17, 0xe6];
pub(crate) const VM2_MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0xcf, 0x4b, 0xed];
pub(crate) const GW1_MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0xc0, 0x8d, 0x8b];
pub(crate) const GW2_MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0xc5, 0x02, 0x4d];

/// The flow of the specification from VM2 to VM1, as it was installed in 2015.
pub(crate) fn flow_a(net: &Net) -> FlowSpec {
    FlowSpec {
        matches: Match {
            in_port: net.place(12),
            eth_src: VM2.parse().unwrap(),
            eth_dst: GW2.parse().unwrap(),
            ip_src: "10.2.0.3".parse().unwrap(),
            ip_dst: "10.1.0.3".parse().unwrap(),
        },
        actions: Actions {
            dec_ttl: true,
            eth_src: Some(GW2.parse().unwrap()),
            eth_dst: Some(VM1.parse().unwrap()),
            output: net.place(11),
        },
        timeouts: Timeouts { idle: 300_000, hard: 0 },
        cookie: 0x1_0080_0000_0019,
        send_removed: true,
    }
}

/// And that from VM1 to VM2.
pub(crate) fn flow_b(net: &Net) -> FlowSpec {
    FlowSpec {
        matches: Match {
            in_port: net.place(11),
            eth_src: VM1.parse().unwrap(),
            eth_dst: GW1.parse().unwrap(),
            ip_src: "10.1.0.3".parse().unwrap(),
            ip_dst: "10.2.0.3".parse().unwrap(),
        },
        actions: Actions {
            dec_ttl: true,
            eth_src: Some(GW1.parse().unwrap()),
            eth_dst: Some(VM2.parse().unwrap()),
            output: net.place(12),
        },
        cookie: 0x1_0080_0004_0051,
        ..flow_a(net)
    }
}

/// A world after e1, so that both flows are there.
fn routed() -> World {
    let mut world = World::new(&seed());
    assert_eq!(world.delivers(12, &vector("e1")), [left(11, &vector("e2_egress_if"))]);
    world
}

pub(crate) fn v6(last: u16, net: u16) -> [u8; 16] {
    let mut octets = [0; 16];
    octets[..6].copy_from_slice(&[0x20, 1, 0xd, 0xb8, 0, net as u8]);
    octets[14..].copy_from_slice(&last.to_be_bytes());
    octets
}
