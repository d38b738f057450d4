//! Keys: `DASH_X_TABLE:part:part…`, split by their known parts from the left.

use std::{cmp::Ordering, fmt, net::IpAddr, ops::RangeInclusive};

use ipnet::IpNet;
use smoltcp::wire::EthernetAddress;

use super::value::{Parsed, VNI_MAX, digits, mac_text, prefix_text};

/// What is left of a key.
#[derive(Clone, Copy, Debug)]
pub struct KeyParts<'a> {
    rest: Option<&'a str>,
}

impl<'a> KeyParts<'a> {
    /// The parts of `key`.
    #[must_use]
    pub const fn new(key: &'a str) -> Self {
        Self { rest: Some(key) }
    }

    fn next(&mut self, what: &str) -> Parsed<&'a str> {
        let rest = self.rest.ok_or_else(|| format!("the key has no {what}"))?;
        let (part, rest) = match rest.split_once(':') {
            Some((part, rest)) => (part, Some(rest)),
            None => (rest, None),
        };
        self.rest = rest;
        if part.is_empty() {
            return Err(format!("the key has no {what}"));
        }
        Ok(part)
    }

    /// A name: everything up to the next colon.
    ///
    /// # Errors
    /// Nothing is left.
    pub fn name(&mut self, what: &str) -> Parsed<String> {
        self.next(what).map(str::to_owned)
    }

    /// A number of `range`.
    ///
    /// # Errors
    /// Anything else.
    pub fn number(&mut self, what: &str, range: RangeInclusive<u32>) -> Parsed<u32> {
        let part = self.next(what)?;
        digits(part)
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let (min, max) = (range.start(), range.end());
                format!("the key's {what} \"{part}\" is no number from {min} to {max}")
            })
    }

    /// A VNI.
    ///
    /// # Errors
    /// Anything else.
    pub fn vni(&mut self) -> Parsed<u32> {
        self.number("VNI", 0..=VNI_MAX)
    }

    /// A MAC: twelve digits, groups with dashes, or six groups that the colons of the key join.
    ///
    /// # Errors
    /// Anything else.
    pub fn mac(&mut self) -> Parsed<EthernetAddress> {
        let rest = self.rest.ok_or("the key has no MAC")?;
        // Six groups and their five colons are 17 characters.
        if let Some(mac) = rest.get(..17).and_then(mac_text) {
            match rest.get(17..).map(|rest| (rest, rest.strip_prefix(':'))) {
                Some(("", _)) => {
                    self.rest = None;
                    return Ok(mac);
                }
                Some((_, Some(rest))) => {
                    self.rest = Some(rest);
                    return Ok(mac);
                }
                _ => {}
            }
        }
        let part = self.next("MAC")?;
        mac_text(part).ok_or_else(|| format!("the key's \"{part}\" is no MAC"))
    }

    /// An address: all that is left, colons included.
    ///
    /// # Errors
    /// Anything else.
    pub fn address(&mut self) -> Parsed<IpAddr> {
        let rest = self.rest.take().ok_or("the key has no address")?;
        rest.parse().map_err(|_| format!("the key's \"{rest}\" is no IP address"))
    }

    /// A prefix: all that is left, colons included.
    ///
    /// # Errors
    /// Anything else.
    pub fn prefix(&mut self) -> Parsed<IpNet> {
        let rest = self.rest.take().ok_or("the key has no prefix")?;
        prefix_text(rest).map_err(|message| format!("in the key: {message}"))
    }

    /// A prefix or the name of a tag, and a priority when the key has one.
    ///
    /// # Errors
    /// Anything else.
    pub fn source_and_priority(&mut self) -> Parsed<(Source, Option<u32>)> {
        let rest =
            self.rest.take().filter(|rest| !rest.is_empty()).ok_or("the key has no prefix")?;
        // The priority stands behind the prefix length, so that an IPv6 address keeps its colons.
        let (source, priority) = match (rest.rfind('/'), rest.rfind(':')) {
            (Some(slash), Some(colon)) if slash < colon => rest.split_at(colon),
            (None, Some(colon)) if rest.parse::<IpAddr>().is_err() => rest.split_at(colon),
            _ => (rest, ""),
        };
        let priority = match priority.strip_prefix(':') {
            Some(text) => Some(
                digits(text)
                    .and_then(|number| u32::try_from(number).ok())
                    .ok_or_else(|| format!("the key's priority \"{text}\" is no number"))?,
            ),
            None => None,
        };
        if source.is_empty() {
            return Err("the key has no prefix".to_owned());
        }
        let source = if source.contains(['/', ':']) || source.parse::<IpAddr>().is_ok() {
            Source::Prefix(prefix_text(source).map_err(|message| format!("in the key: {message}"))?)
        } else {
            Source::Tag(source.to_owned())
        };
        Ok((source, priority))
    }

    /// Ends the key.
    ///
    /// # Errors
    /// Something is left.
    pub fn end(self) -> Parsed<()> {
        match self.rest {
            None => Ok(()),
            Some(rest) => Err(format!("the key goes on with \"{rest}\"")),
        }
    }
}

/// What an inbound rule matches the outer source against.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A prefix.
    Prefix(IpNet),
    /// The prefixes of a tag.
    Tag(String),
}

/// The key of an appliance. Numbers come first, in number order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplianceId(pub String);

impl ApplianceId {
    fn rank(&self) -> (Option<u64>, &str) {
        (digits(&self.0), &self.0)
    }
}

impl Ord for ApplianceId {
    fn cmp(&self, other: &Self) -> Ordering {
        let ((number, text), (other_number, other_text)) = (self.rank(), other.rank());
        match (number, other_number) {
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            _ => number.cmp(&other_number).then_with(|| text.cmp(other_text)),
        }
    }
}

impl PartialOrd for ApplianceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ApplianceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_may_bring_its_colons() {
        let mac = EthernetAddress([2, 0, 0, 0, 0, 1]);
        for key in ["02:00:00:00:00:01:3", "02-00-00-00-00-01:3", "020000000001:3"] {
            let mut parts = KeyParts::new(key);
            assert_eq!(parts.mac(), Ok(mac), "{key}");
            assert_eq!(parts.number("stage", 1..=5), Ok(3), "{key}");
            assert_eq!(parts.end(), Ok(()));
        }
        for key in ["", "02:00:00:00:00", "02:00:00:00:00:01x", "eni"] {
            assert!(KeyParts::new(key).mac().is_err(), "{key}");
        }
        for key in ["0", "6", "", "x", "+1"] {
            let problem = KeyParts::new(key).number("stage", 1..=5).unwrap_err();
            let expected = format!("the key's stage \"{key}\" is no number from 1 to 5");
            assert!(problem == expected || key.is_empty(), "{problem}");
        }
    }

    #[test]
    fn the_source_of_a_rule_keeps_its_colons() {
        let prefix = |text: &str| Source::Prefix(text.parse().unwrap());
        for (key, source, priority) in [
            ("10.0.0.0/8", prefix("10.0.0.0/8"), None),
            ("10.0.0.0/8:5", prefix("10.0.0.0/8"), Some(5)),
            ("10.0.0.1:5", prefix("10.0.0.1/32"), Some(5)),
            ("fd00::/16", prefix("fd00::/16"), None),
            ("fd00::/16:5", prefix("fd00::/16"), Some(5)),
            ("fd00::1", prefix("fd00::1/128"), None),
            ("tag1", Source::Tag("tag1".to_owned()), None),
            ("tag1:5", Source::Tag("tag1".to_owned()), Some(5)),
        ] {
            assert_eq!(KeyParts::new(key).source_and_priority(), Ok((source, priority)), "{key}");
        }
        for key in ["", ":5", "10.0.0.1/8", "10.0.0.0/8:", "10.0.0.0/8:x", "tag:1:2"] {
            assert!(KeyParts::new(key).source_and_priority().is_err(), "{key}");
        }
    }

    #[test]
    fn appliances_are_in_number_order() {
        let mut ids = ["b", "10", "9", "a", "100"].map(|id| ApplianceId(id.to_owned()));
        ids.sort();
        assert_eq!(ids.map(|id| id.0), ["9", "10", "100", "a", "b"]);
    }
}
