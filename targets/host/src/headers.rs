//! Headers of a frame, in words.

use std::fmt::Write;

use dash_core::wire::{Layer, Layout, Network, Profile, parse};
use smoltcp::wire::IpAddress;

/// Source and destination of the customer frame, or of the only one.
#[must_use]
pub fn customer_addresses(frame: &[u8]) -> Option<(IpAddress, IpAddress)> {
    parse(frame, &Profile::VXLAN).ok()?.inner().addresses(frame)
}

/// Where a frame goes: outer addresses, VNI, MACs of the customer frame.
#[must_use]
pub fn in_short(frame: &[u8]) -> String {
    let Ok(layout) = parse(frame, &Profile::VXLAN) else { return "?".to_owned() };
    let mut text = String::new();
    if let (Some((source, destination)), Some(tunnel)) =
        (layout.outer().addresses(frame), layout.tunnel(0))
    {
        let _ = write!(text, "{source} -> {destination} VNI {}, ", tunnel.vni);
    }
    if let Some(ethernet) = layout.inner().ethernet(frame) {
        let _ = write!(text, "MAC {} -> {}", ethernet.source(), ethernet.destination());
    }
    text
}

/// All headers, one a line, outermost first, the customer's indented.
#[must_use]
pub fn in_full(frame: &[u8]) -> String {
    let layout = match parse(frame, &Profile::VXLAN) {
        Ok(layout) => layout,
        Err(error) => return format!("{} bytes, malformed: {}\n", frame.len(), error.name()),
    };
    let mut text = format!("{} bytes\n", frame.len());
    let mut index = 0;
    while let Some(layer) = layout.layer(index) {
        let indent = "  ".repeat(index + 1);
        for line in lines(frame, layer) {
            let _ = writeln!(text, "{indent}{line}");
        }
        if let Some(tunnel) = layout.tunnel(index) {
            let _ = writeln!(text, "{indent}VXLAN VNI {}", tunnel.vni);
        }
        index += 1;
    }
    let _ = payload(frame, &layout, &mut text);
    text
}

fn payload(frame: &[u8], layout: &Layout, text: &mut String) -> Option<()> {
    let rest = frame.len().checked_sub(usize::from(layout.inner().end))?;
    if rest > 0 {
        let _ = writeln!(text, "  {rest} bytes behind the datagram");
    }
    Some(())
}

fn lines(frame: &[u8], layer: &Layer) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(header) = layer.ethernet(frame) {
        lines.push(format!(
            "Ethernet {} -> {}, type {:#06x}",
            header.source(),
            header.destination(),
            header.ethertype()
        ));
    }
    for index in 0..layer.tags {
        if let Some(tag) = layer.vlan(frame, index) {
            lines.push(format!(
                "VLAN {}, priority {}, type {:#06x}",
                tag.id(),
                tag.priority(),
                tag.ethertype()
            ));
        }
    }
    if let Some(header) = layer.ipv4(frame) {
        lines.push(format!(
            "IPv4 {} -> {}, protocol {}, length {}, id {}, TTL {}, TOS {:#04x}, checksum {:#06x}",
            header.source(),
            header.destination(),
            header.protocol(),
            header.total_len(),
            header.ident(),
            header.ttl(),
            header.tos(),
            header.checksum()
        ));
    }
    if let Some(header) = layer.ipv6(frame) {
        lines.push(format!(
            "IPv6 {} -> {}, next header {}, payload {}, hop limit {}, traffic class {:#04x}",
            header.source(),
            header.destination(),
            header.next_header(),
            header.payload_len(),
            header.hop_limit(),
            header.traffic_class()
        ));
    }
    if let Some(header) = layer.udp(frame) {
        lines.push(format!(
            "UDP {} -> {}, length {}, checksum {:#06x}",
            header.source_port(),
            header.destination_port(),
            header.length(),
            header.checksum()
        ));
    }
    if let Some(header) = layer.tcp(frame) {
        lines.push(format!(
            "TCP {} -> {}, flags {}, sequence {}, acknowledgment {}, checksum {:#06x}",
            header.source_port(),
            header.destination_port(),
            header.flags().iter_names().map(|(name, _)| name).collect::<Vec<_>>().join(" "),
            header.sequence(),
            header.acknowledgment(),
            header.checksum()
        ));
    }
    if let Some(header) = layer.icmpv4(frame) {
        let (message, code) = (header.message(), header.code());
        lines.push(format!("ICMP {message:?}, code {code}, checksum {:#06x}", header.checksum()));
    }
    if let Some(header) = layer.icmpv6(frame) {
        let (message, code) = (header.message(), header.code());
        lines.push(format!("ICMPv6 {message:?}, code {code}, checksum {:#06x}", header.checksum()));
    }
    if layer.kind == Network::Arp && layer.arp(frame).is_some() {
        lines.push("ARP".to_owned());
    }
    lines
}
