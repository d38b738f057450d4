//! The forms in which values are written, each read by one function.
//!
//! | value | forms |
//! |---|---|
//! | address | `"10.0.0.1"`, `"fd00::1"` |
//! | prefix | `"10.0.0.0/24"`; an address alone is a host prefix; host bits must be 0 |
//! | MAC | `"02:00:00:00:00:01"`, `"02-00-00-00-00-01"`, `"020000000001"` |
//! | number, boolean | JSON or text; a boolean is not a number |
//! | choice | a short name (`enabled`) or the full protobuf name (`STATE_ENABLED`), in any case |
//! | range | `"1,9"`, `[1, 9]`, `{"min": 1, "max": 9}`; of one value: `5`, `"5"`, `{"value": 5}` |
//! | list | a JSON list of elements, or one element; bare text with commas is a list too, except of ranges, where it is one range |

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::IpNet;
use smoltcp::wire::EthernetAddress;

use super::text::{Json, duplicate};

/// A value, or what is wrong with it.
pub type Parsed<T> = Result<T, String>;

/// Most bits of a VNI.
pub const VNI_MAX: u32 = 0xff_ffff;

fn expected<T>(what: &str, found: &Json) -> Parsed<T> {
    Err(format!("expected {what}, found {}", found.describe()))
}

/// Text that is not empty. A number stands for its digits, so that names may be numbers.
///
/// # Errors
/// Any other value.
pub fn name(json: &Json) -> Parsed<String> {
    match json {
        Json::Text(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Json::Number(number) => Ok(number.to_string()),
        other => expected("a name", other),
    }
}

fn trimmed<'a>(json: &'a Json, what: &str) -> Parsed<&'a str> {
    match json {
        Json::Text(text) => Ok(text.trim()),
        other => expected(what, other),
    }
}

/// A boolean.
///
/// # Errors
/// Neither JSON nor text of `true` or `false`.
pub fn boolean(json: &Json) -> Parsed<bool> {
    match json {
        Json::Boolean(value) => Ok(*value),
        Json::Text(text) if text.trim().eq_ignore_ascii_case("true") => Ok(true),
        Json::Text(text) if text.trim().eq_ignore_ascii_case("false") => Ok(false),
        other => expected("true or false", other),
    }
}

/// A whole number from 0 to `max`.
///
/// # Errors
/// Not a number, or a greater one.
pub fn number_up_to(json: &Json, max: u64) -> Parsed<u64> {
    let number = match json {
        Json::Number(number) => Some(*number),
        Json::Text(text) => digits(text.trim()),
        _ => None,
    };
    match number {
        Some(number) if number <= max => Ok(number),
        _ => expected(&format!("a number from 0 to {max}"), json),
    }
}

/// A decimal number without sign.
pub(super) fn digits(text: &str) -> Option<u64> {
    // `u64::from_str` takes a plus sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $max:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// Not a number, or out of range.
        pub fn $name(json: &Json) -> Parsed<$type> {
            let number = number_up_to(json, u64::from($max))?;
            <$type>::try_from(number).map_err(|error| error.to_string())
        }
    )*};
}

numbers! {
    /// A 24-bit VNI.
    vni: u32 = VNI_MAX;
    /// An 8-bit number: an IP protocol.
    number_8: u8 = u8::MAX;
    /// A 16-bit number: a port.
    number_16: u16 = u16::MAX;
    /// A 32-bit number.
    number_32: u32 = u32::MAX;
    /// A 64-bit number.
    number_64: u64 = u64::MAX;
}

fn parse_text<T: FromStr>(json: &Json, what: &str) -> Parsed<T> {
    trimmed(json, what)?.parse().or_else(|_| expected(what, json))
}

/// An IPv4 or IPv6 address.
///
/// # Errors
/// Anything else.
pub fn address(json: &Json) -> Parsed<IpAddr> {
    parse_text(json, "an IP address")
}

/// An IPv4 address.
///
/// # Errors
/// Anything else.
pub fn address_v4(json: &Json) -> Parsed<Ipv4Addr> {
    parse_text(json, "an IPv4 address")
}

/// An IPv6 address.
///
/// # Errors
/// Anything else.
pub fn address_v6(json: &Json) -> Parsed<Ipv6Addr> {
    parse_text(json, "an IPv6 address")
}

/// A prefix without host bits.
///
/// # Errors
/// Anything else.
pub fn prefix(json: &Json) -> Parsed<IpNet> {
    prefix_text(trimmed(json, "an IP prefix")?)
}

/// [`prefix`] of plain text, as keys have it.
pub(super) fn prefix_text(text: &str) -> Parsed<IpNet> {
    let malformed = || format!("expected an IP prefix, found \"{text}\"");
    if !text.contains('/') {
        return text.parse::<IpAddr>().map(IpNet::from).map_err(|_| malformed());
    }
    let prefix: IpNet = text.parse().map_err(|_| malformed())?;
    if prefix.addr() == prefix.network() {
        Ok(prefix)
    } else {
        Err(format!("{prefix} has host bits set; the prefix is {}", prefix.trunc()))
    }
}

/// An address and a mask, `2001:0:20::/::ffff:ffff` or with a prefix length; host bits may be set.
///
/// # Errors
/// Anything else.
pub fn address_and_mask(json: &Json) -> Parsed<(IpAddr, String)> {
    let what = "an address and a mask";
    let text = trimmed(json, what)?;
    let Some((address, mask)) = text.split_once('/') else { return expected(what, json) };
    let Ok(address) = address.parse::<IpAddr>() else { return expected(what, json) };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let valid = match digits(mask) {
        Some(length) => length <= longest,
        None => mask.parse::<IpAddr>().is_ok_and(|mask| mask.is_ipv4() == address.is_ipv4()),
    };
    if valid { Ok((address, mask.to_owned())) } else { expected(what, json) }
}

/// A MAC address.
///
/// # Errors
/// Anything else.
pub fn mac(json: &Json) -> Parsed<EthernetAddress> {
    let what = "a MAC address";
    match mac_text(trimmed(json, what)?) {
        Some(mac) => Ok(mac),
        None => expected(what, json),
    }
}

/// Six groups of two hexadecimal digits, joined by colons, by dashes or by nothing.
pub(super) fn mac_text(text: &str) -> Option<EthernetAddress> {
    let groups: Vec<&str> = match (text.len(), text.as_bytes().get(2)?) {
        (17, b':') => text.split(':').collect(),
        (17, b'-') => text.split('-').collect(),
        (12, _) => (0..6).map(|index| text.get(index * 2..index * 2 + 2)).collect::<Option<_>>()?,
        _ => return None,
    };
    let mut bytes = [0; 6];
    if groups.len() != bytes.len() {
        return None;
    }
    for (byte, group) in bytes.iter_mut().zip(groups) {
        if group.len() != 2 || !group.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(group, 16).ok()?;
    }
    Some(EthernetAddress(bytes))
}

/// An inclusive range of numbers up to `max`.
///
/// # Errors
/// None of the forms, a number above `max`, or a minimum above the maximum.
pub fn range(json: &Json, max: u32) -> Parsed<(u32, u32)> {
    let one = |json: &Json| {
        number_up_to(json, u64::from(max)).map(|number| u32::try_from(number).unwrap_or(max))
    };
    let (first, last) = match json {
        Json::Text(text) => match text.split_once(',') {
            Some((first, last)) => {
                (one(&Json::Text(first.to_owned()))?, one(&Json::Text(last.to_owned()))?)
            }
            None => (one(json)?, one(json)?),
        },
        Json::List(ends) => match ends.as_slice() {
            [first, last] => (one(first)?, one(last)?),
            _ => return expected("a range [min, max]", json),
        },
        Json::Object(members) => {
            if let Some(member) = duplicate(members) {
                return Err(format!("member \"{member}\" stands twice"));
            }
            let member = |name: &str| {
                members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
            };
            match (members.len(), member("value"), member("min"), member("max")) {
                (1, Some(value), None, None) => (one(value)?, one(value)?),
                (2, None, Some(min), Some(max)) => (one(min)?, one(max)?),
                _ => return expected("a range {\"min\", \"max\"} or {\"value\"}", json),
            }
        }
        other => (one(other)?, one(other)?),
    };
    if first <= last {
        Ok((first, last))
    } else {
        Err(format!("the range {first} to {last} is empty"))
    }
}

/// A list of elements; one element stands for a list of one, and so does text with commas.
///
/// # Errors
/// What `element` says of the first bad one.
pub fn list<T>(json: &Json, element: impl Fn(&Json) -> Parsed<T>) -> Parsed<Vec<T>> {
    match json {
        Json::List(elements) => elements.iter().map(element).collect(),
        Json::Text(text) if text.contains(',') => {
            text.split(',').map(|part| element(&Json::Text(part.trim().to_owned()))).collect()
        }
        one => Ok(vec![element(one)?]),
    }
}

/// A list of ranges; bare text with a comma is one range, and a list holds ranges.
///
/// # Errors
/// What [`range`] says of the first bad one.
pub fn ranges(json: &Json, max: u32) -> Parsed<Vec<(u32, u32)>> {
    match json {
        Json::List(elements) => elements.iter().map(|element| range(element, max)).collect(),
        one => Ok(vec![range(one, max)?]),
    }
}

/// One name of an enumeration: short, full, and what it stands for; `None`: known, not built yet.
pub type Choice<T> = (&'static str, &'static str, Option<T>);

/// A name of an enumeration, in any case.
///
/// # Errors
/// An unknown name, or one that is not built yet.
pub fn choice<T: Copy>(json: &Json, choices: &[Choice<T>]) -> Parsed<T> {
    let known = || {
        let names: Vec<&str> = choices
            .iter()
            .filter_map(|(short, _, value)| value.is_some().then_some(*short))
            .collect();
        format!("one of {}", names.join(", "))
    };
    let Json::Text(text) = json else { return expected(&known(), json) };
    let text = text.trim();
    let found = choices.iter().find(|(short, full, _)| {
        text.eq_ignore_ascii_case(short) || text.eq_ignore_ascii_case(full)
    });
    match found {
        Some((_, _, Some(value))) => Ok(*value),
        Some((short, _, None)) => Err(format!("{short} is not built yet")),
        None => expected(&known(), json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::text::parse;

    fn json(text: &str) -> Json {
        parse(text).unwrap()
    }

    #[test]
    fn ranges_and_lists_have_their_forms() {
        for (text, expected) in [
            ("[100, 200]", Some(vec![(100, 100), (200, 200)])),
            ("[[100, 200]]", Some(vec![(100, 200)])),
            ("[\"100,200\"]", Some(vec![(100, 200)])),
            ("\"100,200\"", Some(vec![(100, 200)])),
            ("{\"min\": 100, \"max\": \"200\"}", Some(vec![(100, 200)])),
            ("{\"value\": 100}", Some(vec![(100, 100)])),
            ("\" 100 \"", Some(vec![(100, 100)])),
            ("100", Some(vec![(100, 100)])),
            ("[]", Some(vec![])),
            ("[[1, 2, 3]]", None),
            ("{\"min\": 1, \"max\": 2, \"value\": 1}", None),
            ("{\"min\": 1, \"min\": 1, \"max\": 2}", None),
            ("\"100-200\"", None),
            ("\"1,2,3\"", None),
            ("\"\"", None),
            ("[300, 201]", None),
            ("null", None),
        ] {
            assert_eq!(ranges(&json(text), 200).ok(), expected, "{text}");
        }
        assert_eq!(list(&json("\"6, 17\""), number_8), Ok(vec![6, 17]));
        assert_eq!(list(&json("6"), number_8), Ok(vec![6]));
        assert!(list(&json("\"6,,17\""), number_8).is_err());
    }

    #[test]
    fn scalars_have_their_forms() {
        const NAMES: &[Choice<u8>] = &[("on", "STATE_ON", Some(1)), ("off", "STATE_OFF", None)];
        for text in ["\"02:00:00:00:00:0A\"", "\"02-00-00-00-00-0a\"", "\"02000000000a\""] {
            assert_eq!(mac(&json(text)), Ok(EthernetAddress([2, 0, 0, 0, 0, 10])), "{text}");
        }
        for text in
            ["\"02:00:00:00:00\"", "\"2:0:0:0:0:a\"", "\"0200.0000.000a\"", "\"é2:00:00:00:00:0a\""]
        {
            assert!(mac(&json(text)).is_err(), "{text}");
        }
        assert_eq!(boolean(&json("\"True\"")), Ok(true));
        assert_eq!(number_32(&json("\"7\"")), Ok(7));
        assert!(number_32(&json("4294967296")).is_err());
        assert_eq!(prefix(&json("\"fd00::1\"")), Ok("fd00::1/128".parse().unwrap()));
        assert!(prefix(&json("\"10.0.0.1/24\"")).unwrap_err().contains("10.0.0.0/24"));
        assert_eq!(choice(&json("\"State_On\""), NAMES), Ok(1));
        assert!(choice(&json("\"off\""), NAMES).unwrap_err().contains("not built yet"));
        assert!(choice(&json("1"), NAMES).is_err());
    }
}
