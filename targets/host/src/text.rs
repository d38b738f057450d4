//! Names and values that a configuration writes as text.

use std::{ops::RangeInclusive, str::FromStr};

use smoltcp::wire::{IpAddress, IpCidr};

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

/// A value of the kind `what`.
///
/// # Errors
/// It is none.
pub fn parse<T: FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("\"{text}\" is no {what}"))
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
