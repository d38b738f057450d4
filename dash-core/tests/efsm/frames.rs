//! Frames with few fields that differ.

/// An Ethernet frame around `packet`, perhaps tagged.
fn ethernet(kind: u16, packet: &[u8], tag: Option<u16>) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    if let Some(tag) = tag {
        frame.extend([0x81, 0]);
        frame.extend(tag.to_be_bytes());
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(packet);
    frame
}

fn tcp(ports: [u16; 2]) -> Vec<u8> {
    let mut segment = vec![0; 20];
    segment[..2].copy_from_slice(&ports[0].to_be_bytes());
    segment[2..4].copy_from_slice(&ports[1].to_be_bytes());
    (segment[12], segment[13]) = (0x50, 0x02);
    segment
}

fn udp(ports: [u16; 2]) -> Vec<u8> {
    let mut datagram = vec![0, 0, 0, 0, 0, 8, 0, 0];
    datagram[..2].copy_from_slice(&ports[0].to_be_bytes());
    datagram[2..4].copy_from_slice(&ports[1].to_be_bytes());
    datagram
}

/// TCP (6) or UDP (17) over IPv4, between 10.0.0.`hosts`.
pub(crate) fn ipv4(protocol: u8, hosts: [u8; 2], ports: [u16; 2], tag: Option<u16>) -> Vec<u8> {
    let upper = if protocol == 6 { tcp(ports) } else { udp(ports) };
    let [source, destination] = hosts;
    let mut packet = vec![0x45, 0, 0, 20 + upper.len() as u8, 0, 0, 0, 0, 64, protocol, 0, 0];
    packet.extend([10, 0, 0, source, 10, 0, 0, destination]);
    packet.extend(upper);
    ethernet(0x0800, &packet, tag)
}

/// The same over IPv6, between `fd00::hosts`.
pub(crate) fn ipv6(protocol: u8, hosts: [u8; 2], ports: [u16; 2]) -> Vec<u8> {
    let upper = if protocol == 6 { tcp(ports) } else { udp(ports) };
    let mut packet = vec![0x60, 0, 0, 0, 0, upper.len() as u8, protocol, 64];
    for host in hosts {
        packet.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
    }
    packet.extend(upper);
    ethernet(0x86dd, &packet, None)
}

/// Neither.
pub(crate) fn other(length: usize) -> Vec<u8> {
    ethernet(0x88b5, &vec![0; length], None)
}
