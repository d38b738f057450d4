//! Names and values that a configuration writes as text.

use std::{collections::BTreeSet, ops::RangeInclusive, str::FromStr};

use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

/// Largest MTU: what a captured frame has room for.
const MAX_MTU: u16 = 65_521;

/// The place of `name` among `names`, which are those of a `what`.
///
/// # Errors
/// It is not there.
pub fn find<'n>(
    mut names: impl Iterator<Item = &'n String>,
    name: &str,
    what: &str,
) -> Result<u16, String> {
    let place = names.position(|known| known == name);
    place.map(|place| place as u16).ok_or_else(|| format!("there is no {what} \"{name}\""))
}

/// Sees that no name of a `what` stands twice.
///
/// # Errors
/// One does.
pub fn unique<'n>(mut names: impl Iterator<Item = &'n String>, what: &str) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let twice = names.find(|name| !seen.insert(*name));
    twice.map_or(Ok(()), |name| Err(format!("{what} \"{name}\" is there twice")))
}

/// A value of the kind `what`.
///
/// # Errors
/// It is none.
pub fn parse<T: FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("\"{text}\" is no {what}"))
}

/// The MAC address of one station.
///
/// # Errors
/// It is none; a group's, or nobody's.
pub fn mac(text: &str) -> Result<EthernetAddress, String> {
    let mac: EthernetAddress = parse(text, "MAC address")?;
    if mac.is_multicast() || mac.0 == [0; 6] {
        return Err(format!("\"{text}\" is no MAC address of one station"));
    }
    Ok(mac)
}

/// The MTU of ports.
///
/// # Errors
/// It is more than a captured frame has room for.
pub fn mtu(bytes: u16) -> Result<u16, String> {
    if bytes > MAX_MTU { Err(format!("mtu: at most {MAX_MTU}")) } else { Ok(bytes) }
}

/// A prefix; an address alone is one of its whole length.
///
/// # Errors
/// It is none.
pub fn prefix(text: &str) -> Result<IpCidr, String> {
    if text.contains('/') {
        return parse(text, "prefix");
    }
    let address: IpAddress = parse(text, "address")?;
    let length = if matches!(address, IpAddress::Ipv4(_)) { 32 } else { 128 };
    Ok(IpCidr::new(address, length))
}

/// A port or `first-last`.
///
/// # Errors
/// It is neither.
pub fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (parse(first, "port")?, parse(last, "port")?);
    if first > last {
        return Err(format!("\"{text}\" are no ports"));
    }
    Ok(first..=last)
}
