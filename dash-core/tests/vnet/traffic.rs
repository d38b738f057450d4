//! Random frames that mostly hit what is configured, with faults among them, and whole scripts of
//! frames, pauses and changes of policy.

use std::net::IpAddr;

use crate::{
    choices::{self, Choices, VNIS, customer, eni_mac, underlay},
    frame::{ACK, Arrival, Customer, FIN, MORE_FRAGMENTS, Mac, Packet, RST, SYN, Tunnelled, Upper},
    model::SECOND,
    policy::{Change, Policy},
};

/// What a VM writes as destination MAC.
const FAKE_MAC: Mac = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc];
const REMOTE_MAC: Mac = [2, 0, 0, 0, 1, 1];

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// After a pause of so many nanoseconds.
    Frame(u64, Arrival),
    Change(Vec<Change>),
}

#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub policy: Vec<Change>,
    pub steps: Vec<Step>,
}

/// What a script may contain besides frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contents {
    pub changes: bool,
    pub pauses: bool,
}

/// Bytes of one step.
pub(crate) type StepBytes = [u8; 32];

pub(crate) fn script(policy_bytes: &[u8], steps: &[StepBytes], contents: Contents) -> Script {
    let mut policy_choices = Choices(policy_bytes);
    let v6_underlay = !policy_choices.one_in(4);
    let initial = choices::policy(&mut policy_choices, v6_underlay);
    let mut policy = Policy::default();
    policy.apply(&initial);
    let (mut sent, mut result) = (Vec::new(), Vec::new());
    for bytes in steps {
        let mut choices = Choices(bytes);
        if choices.one_in(12) && contents.changes {
            let kind = choices.below(choices::KINDS);
            let changes = choices::change(&mut choices, kind, v6_underlay, &policy);
            policy.apply(&changes);
            result.push(Step::Change(changes));
            continue;
        }
        let pauses = [0, 0, 0, 0, 0, 1, SECOND, 10 * SECOND, 29 * SECOND, 30 * SECOND];
        let pause = if choices.one_in(40) { 30 * SECOND + 1 } else { choices.pick(&pauses) };
        let frame = tunnelled(&mut choices, &policy, &sent, v6_underlay);
        sent.push(frame.clone());
        let arrival = arrive(&mut choices, frame);
        result.push(Step::Frame(if contents.pauses { pause } else { 0 }, arrival));
    }
    Script { policy: initial, steps: result }
}

fn vip(choices: &mut Choices<'_>, policy: &Policy, v6: bool) -> IpAddr {
    let (_, appliance) = choices.pick(&policy.appliances.0);
    match appliance.sip_v6 {
        Some(sip) if v6 => IpAddr::V6(sip),
        _ => IpAddr::V4(appliance.sip),
    }
}

fn upper(choices: &mut Choices<'_>) -> Upper {
    let (client, server) = (choices.pick(&[1000, 2000]), choices.pick(&[80, 443]));
    match choices.below(8) {
        0..=2 => Upper::Udp(client, server),
        3..=5 => Upper::Tcp(
            client,
            server,
            choices.pick(&[SYN, ACK, SYN | ACK, FIN, FIN | ACK, RST, 0xc2]),
        ),
        6 => Upper::Icmp,
        _ => Upper::Other(choices.pick(&[47, 132])),
    }
}

fn swapped(upper: Upper) -> Upper {
    match upper {
        Upper::Udp(source, destination) => Upper::Udp(destination, source),
        Upper::Tcp(source, destination, _) => Upper::Tcp(destination, source, SYN | ACK),
        same => same,
    }
}

/// A frame of a VM, a frame to a VM, or a reply to an earlier frame.
pub(crate) fn tunnelled(
    choices: &mut Choices<'_>,
    policy: &Policy,
    sent: &[Tunnelled],
    v6_underlay: bool,
) -> Tunnelled {
    let v6_outer = choices.one_in(3) && v6_underlay;
    let (source, vip) = (underlay(choices, v6_outer), vip(choices, policy, v6_outer));
    let kind = choices.below(10);
    if kind >= 5 && !sent.is_empty() {
        // Recent ones more often: their flows are there.
        let back = choices.below(sent.len().min(6));
        let earlier = &sent[sent.len() - 1 - back];
        if kind >= 8 {
            return earlier.clone();
        }
        let mut reply = earlier.clone();
        reply.outer = Tunnelled::new(source, vip, 0, earlier.customer.clone()).outer;
        let packet = &mut reply.customer.packet;
        std::mem::swap(&mut packet.source, &mut packet.destination);
        packet.upper = swapped(packet.upper);
        let old = &earlier.customer;
        (reply.customer.source, reply.customer.destination) = (old.destination, old.source);
        let outbound = policy.directions.get(&earlier.vni).is_some_and(|entry| entry.0);
        reply.vni = if outbound { choices.pick(&VNIS[3..]) } else { choices.pick(&VNIS[..3]) };
        return reply;
    }
    let known: Vec<usize> = policy.enis.0.iter().map(|(id, _)| usize::from(*id)).collect();
    let any = choices.one_in(32) || known.is_empty();
    let id = if any { choices.below(choices::ENIS) } else { choices.pick(&known) };
    let outbound = kind < 3;
    let v6 = choices.one_in(3);
    let source_ip = customer(choices, v6);
    let mapped: Vec<IpAddr> = policy
        .mappings
        .0
        .iter()
        .map(|((_, address), _)| *address)
        .filter(|address| address.is_ipv6() == v6)
        .collect();
    let any = choices.one_in(4) || mapped.is_empty();
    let destination_ip = if any { customer(choices, v6) } else { choices.pick(&mapped) };
    let mut packet = Packet::new(source_ip, destination_ip, upper(choices));
    packet.payload.resize(choices.pick(&[16, 0, 4, 33]), 7);
    let vm_vni = policy
        .enis
        .get(&(id as u16))
        .and_then(|eni| policy.appliances.get(&eni.appliance))
        .map_or(VNIS[0], |appliance| appliance.vm_vni);
    let vni = match (outbound, choices.one_in(16)) {
        (_, true) => choices.pick(&[77, 100, 4321, 0xff_ffff]),
        (true, _) => vm_vni,
        (false, _) => choices.pick(&VNIS[3..]),
    };
    let (destination, source_mac) =
        if outbound { (FAKE_MAC, eni_mac(id)) } else { (eni_mac(id), REMOTE_MAC) };
    let customer = Customer {
        destination,
        source: source_mac,
        tag: None,
        ethertype: None,
        packet,
        padding: 0,
    };
    Tunnelled::new(source, vip, vni, customer)
}

/// The frame's bytes at a port, now and then with a fault or an oddity.
fn arrive(choices: &mut Choices<'_>, mut frame: Tunnelled) -> Arrival {
    let port = choices.below(4) as u16;
    frame.outer.tos = choices.pick(&[0, 0xb8, 0x03, 0xff]);
    frame.customer.packet.tos = choices.pick(&[0, 0x2e]);
    // An even address, or an odd one.
    let headroom = 128 - choices.below(2);
    if choices.below(4) < 3 {
        return Arrival { headroom, ..Arrival::new(port, frame.bytes()) };
    }
    let fault = choices.below(40);
    oddity(choices, fault, &mut frame);
    let mut arrival = Arrival { headroom, ..Arrival::new(port, frame.bytes()) };
    fault_of_the_port(choices, fault, &mut arrival);
    arrival
}

fn oddity(choices: &mut Choices<'_>, fault: usize, frame: &mut Tunnelled) {
    let customer = &mut frame.customer;
    let extensions = [&[0][..], &[60], &[43, 60], &[44], &[0, 44, 60], &[0; 8], &[0; 9]];
    match fault {
        0 => customer.padding = choices.below(20),
        1 => frame.trailer = choices.below(20),
        2 => frame.outer.options = 1 + choices.below(10) as u8,
        3 => customer.packet.extensions = choices.pick(&extensions).to_vec(),
        4 => frame.outer.extensions = choices.pick(&extensions).to_vec(),
        5 => customer.packet.options = 1 + choices.below(10) as u8,
        6 => {
            let field = choices.pick(&[MORE_FRAGMENTS, 5, MORE_FRAGMENTS | 5, 0x4000]);
            customer.packet.fragment = field;
            customer.packet.fragment_v6 = choices.pick(&[Some(1), Some(8), Some(9), Some(0)]);
        }
        7 => {
            frame.outer.fragment = choices.pick(&[MORE_FRAGMENTS, 5, 0x4000]);
            frame.outer.fragment_v6 = choices.pick(&[Some(1), Some(8)]);
        }
        8 => frame.tags = choices.pick(&[vec![5], vec![5, 6], vec![5, 6, 7]]),
        9 => customer.tag = Some(5),
        10 => customer.ethertype = Some(choices.pick(&[0x0806, 0x88cc, 0x0800, 0x86dd])),
        11 => frame.vxlan_flags = choices.pick(&[0, 0xf7, 0xff]),
        12 => frame.outer.upper = Upper::Udp(4789, choices.pick(&[4790, 53, 6081])),
        13 => frame.outer.upper = upper(choices),
        14 => {
            let v6 = frame.outer.destination.is_ipv6();
            frame.outer.destination = underlay(choices, v6);
        }
        15 => customer.source[5] ^= choices.pick(&[1, 2, 0x80]),
        16 => customer.destination[5] ^= choices.pick(&[1, 2, 0x80]),
        17 => customer.packet.length_error = choices.pick(&[1, -1, -9, 100, -60]),
        18 => frame.outer.length_error = choices.pick(&[1, -1, -9, 100, -60]),
        19 => customer.packet.udp_length_error = choices.pick(&[1, -1, -9, -16, 100]),
        20 => frame.outer.udp_length_error = choices.pick(&[1, -1, -9, -60, 100]),
        21 => customer.packet.ttl = choices.pick(&[0, 1]),
        22 => customer.packet.payload.resize(600, 1),
        _ => {}
    }
}

fn fault_of_the_port(choices: &mut Choices<'_>, fault: usize, arrival: &mut Arrival) {
    match fault {
        22 => arrival.headroom = 20 * choices.below(2),
        23 => arrival.bad_l3 = true,
        24 => arrival.bad_l4 = true,
        25 => arrival.stripped_vlan = Some(7),
        26 => arrival.truncated = true,
        27 => arrival.headroom = choices.below(24),
        28 => arrival.bytes[12..14].copy_from_slice(&[0x87, 0x6d]),
        29 => arrival.bytes[12..14].copy_from_slice(&choices.pick(&[[8, 6], [0x88, 0xa8], [1, 1]])),
        30..=34 => {
            let length = choices.below(256) * arrival.bytes.len() / 256;
            arrival.bytes.truncate(length);
        }
        35..=39 => {
            for _ in 0..=choices.below(3) {
                let at = choices.below(256) % arrival.bytes.len().max(1);
                arrival.bytes[at] = choices.below(256) as u8;
            }
        }
        _ => {}
    }
}
