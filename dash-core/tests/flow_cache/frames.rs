//! Frames: those of the specification, and others like them.

use smoltcp::wire::IpAddress;

/// `name ingress egress hex`, a line each: the frames of the flow cache in
/// `../shared/spec/vectors/other-services.txt`.
const VECTORS: &str = include_str!("vectors.txt");

/// A frame of the specification, FC`number`.
pub(crate) fn fc(number: usize) -> Vec<u8> {
    let line = VECTORS.lines().nth(number - 1).unwrap();
    let mut words = line.split(' ');
    assert_eq!(words.next().unwrap(), format!("FC{number}"));
    let hex = words.next_back().unwrap();
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..][..2], 16).unwrap()).collect()
}

/// The sum of 16-bit words that a right checksum makes 0.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum + (sum >> 16)) as u16)
}

/// Makes the checksum of the IPv4 header that begins at `at` right.
pub(crate) fn sum_ip(frame: &mut [u8], at: usize) {
    let header = at..at + usize::from(frame[at] & 15) * 4;
    frame[at + 10..at + 12].fill(0);
    let sum = checksum(&frame[header]);
    frame[at + 10..at + 12].copy_from_slice(&sum.to_be_bytes());
}

/// A UDP datagram in IP.
pub(crate) fn ip(source: IpAddress, destination: IpAddress, payload: &[u8]) -> Vec<u8> {
    let udp = [&[0x03, 0xe8, 0x30, 0x39, 0, 8 + payload.len() as u8, 0, 0], payload].concat();
    match (source, destination) {
        (IpAddress::Ipv4(source), IpAddress::Ipv4(destination)) => {
            let total = (20 + udp.len() as u16).to_be_bytes();
            let mut packet = vec![0x45, 0, total[0], total[1], 0, 1, 0, 0, 64, 17, 0, 0];
            packet.extend(source.octets());
            packet.extend(destination.octets());
            sum_ip(&mut packet, 0);
            packet.extend(udp);
            packet
        }
        (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) => {
            let length = (udp.len() as u16).to_be_bytes();
            let mut packet = vec![0x60, 0, 0, 0, length[0], length[1], 17, 64];
            packet.extend(source.octets());
            packet.extend(destination.octets());
            packet.extend(udp);
            packet
        }
        _ => panic!("one version"),
    }
}

pub(crate) const SERVER: [u8; 6] = [0xe1; 6];
pub(crate) const TENANT: [u8; 6] = [0xa1; 6];

/// Ethernet from server to tenant around an IP packet.
fn ethernet(packet: &[u8], tag: Option<u16>) -> Vec<u8> {
    let mut frame = [TENANT, SERVER].concat();
    if let Some(tag) = tag {
        frame.extend([0x81, 0]);
        frame.extend(tag.to_be_bytes());
    }
    frame.extend(if packet[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] });
    frame.extend(packet);
    frame
}

/// The server's own address, of the remote end's family.
fn server_ip(remote: IpAddress) -> IpAddress {
    match remote {
        IpAddress::Ipv4(_) => "1.1.1.1".parse().unwrap(),
        IpAddress::Ipv6(_) => "fd00::1".parse().unwrap(),
    }
}

/// From a server in `vlan` to `remote`, as FC3.
pub(crate) fn from_server(vlan: u16, remote: IpAddress, payload: &[u8]) -> Vec<u8> {
    ethernet(&ip(server_ip(remote), remote, payload), Some(vlan))
}

/// What the tunnel router makes of it, as FC4: in VXLAN, with the VLAN in the reserved byte.
pub(crate) fn from_router(vlan: u8, vni: u32, remote: IpAddress, payload: &[u8]) -> Vec<u8> {
    let frame = ethernet(&ip(server_ip(remote), remote, payload), None);
    vxlan(vni, vlan, &frame)
}

/// The outer headers of FC4 around a frame.
pub(crate) fn vxlan(vni: u32, reserved: u8, frame: &[u8]) -> Vec<u8> {
    let mut outer = fc(4)[..50].to_vec();
    let length = frame.len() as u16;
    outer[16..18].copy_from_slice(&(length + 36).to_be_bytes());
    outer[38..40].copy_from_slice(&(length + 16).to_be_bytes());
    outer[46..50].copy_from_slice(&(vni << 8 | u32::from(reserved)).to_be_bytes());
    sum_ip(&mut outer, 14);
    [outer, frame.to_vec()].concat()
}

/// What the switch makes of the server's frame when it knows the way, as FC5.
pub(crate) fn direct(vni: u32, remote: IpAddress, payload: &[u8]) -> Vec<u8> {
    let frame = ethernet(&ip(server_ip(remote), remote, payload), None);
    let mut frame = vxlan(vni, 0, &frame);
    frame[..14].copy_from_slice(&fc(5)[..14]);
    frame[18..20].copy_from_slice(&fc(5)[18..20]);
    sum_ip(&mut frame, 14);
    frame
}

/// The tenant of the specification.
pub(crate) fn remote() -> IpAddress {
    "192.168.0.1".parse().unwrap()
}

/// A tenant of this number.
pub(crate) fn tenant(number: u32) -> IpAddress {
    IpAddress::Ipv4((0xc0a8_0000 + number).into())
}

#[test]
fn frames_are_those_of_the_specification() {
    let payload = [0x58; 36];
    let with_sum = |mut frame: Vec<u8>, at: usize| {
        frame[at..at + 2].copy_from_slice(&[0xd2, 0x93]);
        frame
    };
    assert_eq!(with_sum(from_server(10, remote(), &payload), 44), fc(3));
    assert_eq!(with_sum(from_router(10, 100, remote(), &payload), 90), fc(4));
    assert_eq!(with_sum(direct(100, remote(), &payload), 90), fc(5));
}
