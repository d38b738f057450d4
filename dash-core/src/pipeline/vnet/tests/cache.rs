//! The cache answers what the slow path would answer: an engine with flows and one without give
//! the same bytes, at the same port, under a policy that keeps changing.

use proptest::prelude::*;

use super::{
    conversation::{engine, send},
    *,
};

#[derive(Clone, Copy, Debug)]
enum Act {
    /// A frame of the VM: where to, from which port, TCP or UDP.
    Send(usize, u16, bool),
    /// A frame to the VM from an underlay address, without a request before it.
    Receive(u8),
    Route(usize, u8),
    Map(usize, u8),
    Unmap(usize),
    Underlay(u8, u8),
    Acl(bool),
    Admin(bool),
}

const DESTINATIONS: [&str; 3] = ["10.1.2.50", "10.1.2.51", "8.8.8.8"];
const PREFIXES: [&str; 3] = ["10.1.2.0/24", "10.1.2.50/32", "0.0.0.0/0"];

fn act() -> impl Strategy<Value = Act> {
    let sends =
        (0..3_usize, 0..3_u16, any::<bool>()).prop_map(|(to, port, tcp)| Act::Send(to, port, tcp));
    let changes = prop_oneof![
        (0..3_usize, 0..5_u8).prop_map(|(prefix, kind)| Act::Route(prefix, kind)),
        (0..2_usize, 20..23_u8).prop_map(|(to, host)| Act::Map(to, host)),
        (0..2_usize).prop_map(Act::Unmap),
        (20..23_u8, 0..3_u8).prop_map(|(host, port)| Act::Underlay(host, port)),
        any::<bool>().prop_map(Act::Acl),
        any::<bool>().prop_map(Act::Admin),
    ];
    prop_oneof![5 => sends, 1 => (20..23_u8).prop_map(Act::Receive), 1 => changes]
}

fn change(writer: &mut PolicyWriter<'static>, act: Act) {
    match act {
        Act::Send(..) | Act::Receive(_) => {}
        Act::Route(prefix, kind) => {
            let overlay_ip = Some(ip("10.1.2.51"));
            let routes = [
                Route::Drop,
                Route::Direct,
                Route::Vnet(PEER_VNET),
                Route::VnetDirect { vnet: PEER_VNET, overlay_ip },
            ];
            let prefix = cidr(PREFIXES[prefix]);
            match routes.get(usize::from(kind)) {
                Some(route) => writer.set_route(GROUP, prefix, route).unwrap(),
                None => writer.remove_route(GROUP, prefix).unwrap(),
            }
        }
        Act::Map(to, host) => {
            let underlay = Underlay::V4(core::net::Ipv4Addr::new(172, 16, 1, host));
            let mapping = Mapping { underlay, ..peer() };
            writer.set_mapping(PEER_VNET, ip(DESTINATIONS[to]), &mapping).unwrap();
        }
        Act::Unmap(to) => writer.remove_mapping(PEER_VNET, ip(DESTINATIONS[to])).unwrap(),
        Act::Underlay(host, port) => {
            let action = match port {
                0 => UnderlayAction::Drop,
                port => UnderlayAction::Forward(PortId(port.into())),
            };
            let prefix = IpCidr::new(IpAddress::v4(172, 16, 1, host), 32);
            writer.set_underlay_route(prefix, action).unwrap();
        }
        Act::Acl(permit) => {
            let rules = [any_rule(1, permit, true)];
            writer.set_acl_group(AclGroupId(0), IpVersion::Ipv4, &rules).unwrap();
        }
        Act::Admin(enabled) => {
            let mut eni = Eni { enabled, ..eni() };
            eni.acl.outbound_v4[2] = Some(AclGroupId(0));
            writer.set_eni(ENI, &eni).unwrap();
        }
    }
    writer.commit();
}

proptest! {
    #[test]
    fn engines_with_and_without_flows_agree(acts in proptest::collection::vec(act(), 1..120)) {
        let World { mut writer, vnet, .. } = World::new();
        let counters = Box::leak(vec![EniCounters::ZERO; CAPACITY.enis].into_boxed_slice());
        let uncached = Vnet::new(writer.policy(), counters, Settings::default());
        let (mut cached, mut uncached) = (engine(vnet, 64), engine(uncached, 0));
        for (act, now) in acts.into_iter().zip(0..) {
            let frame = match act {
                Act::Send(to, port, true) => {
                    let mut segment = tcp(0x10);
                    segment[0] = port as u8;
                    request_to(DESTINATIONS[to], 6, &segment)
                }
                Act::Send(to, port, false) => request_to(DESTINATIONS[to], 17, &udp(port, 9, b"x")),
                // From a customer address that the VM never sends to, and that stays at its place:
                // a hit from another underlay address is a hit.
                Act::Receive(host) => {
                    let customer = std::format!("10.1.9.{host}");
                    let customer = datagram(&customer, "10.1.1.10", 17, &udp(80, 1, b"y"));
                    let source = std::format!("172.16.1.{host}");
                    let customer = ip_frame(ENI_MAC, PEER_MAC, &customer);
                    vxlan(&source, "172.16.1.100", PEER_VNI, &customer)
                }
                act => {
                    change(&mut writer, act);
                    continue;
                }
            };
            prop_assert_eq!(send(&mut cached, &frame, now), send(&mut uncached, &frame, now));
        }
        prop_assert_eq!(cached.pipeline().drops(), uncached.pipeline().drops());
    }
}
