//! What a compilation asks of a rule.

use crate::table::acl::{
    Rule,
    image::{DESTINATION, SOURCE},
    key,
};
use core::ops::RangeInclusive;
use smoltcp::wire::{IpCidr, IpVersion};

/// What a field of a rule lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Every value.
    Any,
    /// No value.
    Nothing,
    /// What its elements say.
    Listed,
}

/// The prefixes of one side.
pub(super) const fn prefixes<'r>(rule: &Rule<'r>, side: usize) -> &'r [IpCidr] {
    if side == SOURCE { rule.sources } else { rule.destinations }
}

/// The tags that one side needs: none where it lets every address through.
pub(super) fn tags<'r>(rule: &Rule<'r>, side: usize, version: IpVersion) -> &'r [u32] {
    if addresses(rule, side, version) == Extent::Any { &[] } else { all_tags(rule, side) }
}

const fn all_tags<'r>(rule: &Rule<'r>, side: usize) -> &'r [u32] {
    if side == SOURCE { rule.source_tags } else { rule.destination_tags }
}

/// The ports of one side.
pub(super) const fn ports<'r>(rule: &Rule<'r>, side: usize) -> &'r [RangeInclusive<u16>] {
    if side == SOURCE { rule.source_ports } else { rule.destination_ports }
}

/// Bits and length of a prefix of `version`; the other family matches nothing.
pub(super) fn prefix(prefix: &IpCidr, version: IpVersion) -> Option<(u128, u8)> {
    let length = prefix.prefix_len();
    let after = u128::MAX.checked_shr(length.into()).unwrap_or(0);
    (prefix.address().version() == version).then(|| (key::bits(&prefix.address()) & !after, length))
}

/// What one side lets through.
pub(super) fn addresses(rule: &Rule<'_>, side: usize, version: IpVersion) -> Extent {
    let mut lengths = prefixes(rule, side)
        .iter()
        .filter_map(|one| prefix(one, version))
        .map(|(_, length)| length);
    let untagged = all_tags(rule, side).is_empty();
    match lengths.next() {
        None if !untagged => Extent::Listed,
        None if prefixes(rule, side).is_empty() => Extent::Any,
        None => Extent::Nothing,
        Some(first) if first == 0 || lengths.any(|length| length == 0) => Extent::Any,
        Some(_) => Extent::Listed,
    }
}

/// What a list of ports lets through.
pub(super) fn port_ranges(ranges: &[RangeInclusive<u16>]) -> Extent {
    if ranges.is_empty() {
        Extent::Any
    } else if ranges.iter().all(RangeInclusive::is_empty) {
        Extent::Nothing
    } else {
        Extent::Listed
    }
}

/// Whether no packet matches.
pub(super) fn matches_nothing(rule: &Rule<'_>, version: IpVersion) -> bool {
    [SOURCE, DESTINATION].iter().any(|side| {
        addresses(rule, *side, version) == Extent::Nothing
            || port_ranges(ports(rule, *side)) == Extent::Nothing
    })
}

/// What a tag is taken to cover, as the prefixes of the others may come and go: a 256th of all
/// addresses, about as much as 24,000 prefixes of /24 do.
const TAG_COVERAGE: u128 = 1 << 120;

/// How much of all addresses a side covers, at most.
pub(super) fn coverage(rule: &Rule<'_>, side: usize, version: IpVersion) -> u128 {
    if addresses(rule, side, version) == Extent::Any {
        return u128::MAX;
    }
    let lengths = prefixes(rule, side).iter().filter_map(|one| prefix(one, version));
    let tags = TAG_COVERAGE.saturating_mul(all_tags(rule, side).len() as u128);
    let all = lengths.fold(tags, |sum, (_, length)| {
        sum.saturating_add(1_u128.checked_shl(128 - u32::from(length)).unwrap_or(u128::MAX))
    });
    // Any list is better than none.
    all.min(u128::MAX - 1)
}
