//! Rules of C and the slices that the library takes, by way of scratch memory of the caller's.
//!
//! Only rules need it: every other object is converted when it is applied. Two passes over the
//! changes: the first checks all of them and converts their rules, the second hands them on.

use core::{mem::MaybeUninit, ops::RangeInclusive, slice};

use dash_core::{
    pipeline::vnet::policy::{AclAction, Change, InboundRule},
    table::acl::Rule,
};
use smoltcp::wire::IpCidr;

use crate::{
    address::{dash_prefix_t, flag},
    change::{
        DASH_ACL_GROUP, DASH_INBOUND_RULES, DASH_SET, dash_acl_rule_t, dash_change_t,
        dash_inbound_rule_t, dash_port_range_t,
    },
    convert, foreign,
    region::dash_layout_t,
    status::Status,
};

/// Alignment of everything in the scratch memory.
const ALIGNMENT: usize = 16;

const _: () = assert!(
    align_of::<Rule<'_>>() <= ALIGNMENT
        && align_of::<InboundRule>() <= ALIGNMENT
        && align_of::<IpCidr>() <= ALIGNMENT
);

/// Bytes that `count` elements take in the scratch memory.
const fn bytes_for<T>(count: usize) -> usize {
    count.saturating_mul(size_of::<T>()).saturating_add(ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT
}

/// The rules of a change.
enum Rules<'c> {
    None,
    Acl(&'c [dash_acl_rule_t]),
    Inbound(&'c [dash_inbound_rule_t]),
}

impl<'c> Rules<'c> {
    /// # Safety
    /// The member of the union that `object` names is initialised, and its pointers are good for
    /// as long as `'c`.
    unsafe fn of(change: &'c dash_change_t) -> Result<Self, Status> {
        // SAFETY: the caller's promise.
        unsafe {
            Ok(match (change.op, change.object) {
                (DASH_SET, DASH_ACL_GROUP) => {
                    let group = &change.change.acl_group;
                    Self::Acl(foreign::elements(group.rules, group.rule_count)?)
                }
                (DASH_SET, DASH_INBOUND_RULES) => {
                    let set = &change.change.inbound_rules;
                    Self::Inbound(foreign::elements(set.rules, set.rule_count)?)
                }
                _ => Self::None,
            })
        }
    }

    const fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Acl(rules) => rules.len(),
            Self::Inbound(rules) => rules.len(),
        }
    }

    /// Bytes of scratch memory for what the rules point at.
    fn operand_bytes(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Inbound(rules) => bytes_for::<InboundRule>(rules.len()),
            Self::Acl(rules) => rules.iter().map(acl_rule_bytes).fold(0, usize::saturating_add),
        }
    }
}

fn acl_rule_bytes(rule: &dash_acl_rule_t) -> usize {
    let prefixes = [rule.source_count, rule.destination_count].map(bytes_for::<IpCidr>);
    let ports =
        [rule.source_port_count, rule.destination_port_count].map(bytes_for::<RangeInclusive<u16>>);
    prefixes.into_iter().chain(ports).fold(0, usize::saturating_add)
}

/// The scratch memory that `changes` take.
///
/// # Safety
/// As for [`Rules::of`], for each change.
pub(crate) unsafe fn layout(changes: &[dash_change_t]) -> Result<dash_layout_t, Status> {
    let (mut rules, mut operands) = (0_usize, 0_usize);
    for change in changes {
        // SAFETY: the caller's promise.
        let of = unsafe { Rules::of(change) }?;
        rules = rules.saturating_add(of.len());
        operands = operands.saturating_add(of.operand_bytes());
    }
    let bytes = bytes_for::<Rule<'_>>(rules).saturating_add(operands);
    if bytes > isize::MAX.unsigned_abs() {
        return Err(Status::DASH_OUT_OF_RANGE);
    }
    Ok(dash_layout_t { bytes, alignment: ALIGNMENT })
}

/// Scratch memory that is handed out from its front.
struct Scratch<'s> {
    free: &'s mut [MaybeUninit<u8>],
}

impl<'s> Scratch<'s> {
    fn take<T>(&mut self, count: usize) -> Result<&'s mut [MaybeUninit<T>], Status> {
        if count == 0 {
            return Ok(&mut []);
        }
        let free = core::mem::take(&mut self.free);
        let (taken, rest) =
            free.split_at_mut_checked(bytes_for::<T>(count)).ok_or(Status::DASH_TOO_SMALL)?;
        self.free = rest;
        // SAFETY: `taken` has the bytes of `count` elements, is used by nobody else, and is
        // aligned: the scratch memory is, and its parts have multiples of the alignment.
        Ok(unsafe { slice::from_raw_parts_mut(taken.as_mut_ptr().cast(), count) })
    }

    /// What `convert` makes of each element of `from`.
    fn convert<F, T>(
        &mut self,
        from: &[F],
        convert: impl Fn(&F) -> Result<T, Status>,
    ) -> Result<&'s [T], Status> {
        let places = self.take(from.len())?;
        for (place, from) in places.iter_mut().zip(from) {
            place.write(convert(from)?);
        }
        // SAFETY: there are as many places as elements, and each was just written.
        Ok(unsafe { places.assume_init_ref() })
    }
}

/// Changes that were checked, to be handed on one by one.
#[derive(Clone)]
pub(crate) struct Changes<'c> {
    changes: slice::Iter<'c, dash_change_t>,
    rules: &'c [Rule<'c>],
}

impl<'c> Changes<'c> {
    /// Checks `changes` and converts their rules.
    ///
    /// # Errors
    /// Which change is refused, and why.
    ///
    /// # Safety
    /// As for [`Rules::of`], for each change; `scratch` is aligned as [`layout`] asks for.
    pub(crate) unsafe fn new(
        changes: &'c [dash_change_t],
        scratch: &'c mut [MaybeUninit<u8>],
    ) -> Result<Self, (usize, Status)> {
        let mut scratch = Scratch { free: scratch };
        let mut count = 0_usize;
        for (index, change) in changes.iter().enumerate() {
            // SAFETY: the caller's promise.
            let rules = unsafe { Rules::of(change) }.map_err(|status| (index, status))?;
            count = count.saturating_add(rules.len());
        }
        let places = scratch.take::<Rule<'c>>(count).map_err(|status| (0, status))?;
        let mut next = places.iter_mut();
        for (index, change) in changes.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { check(change, &mut next, &mut scratch) }.map_err(|status| (index, status))?;
        }
        // SAFETY: `check` wrote one for each rule that was counted.
        let rules = unsafe { places.assume_init_ref() };
        Ok(Self { changes: changes.iter(), rules })
    }
}

impl<'c> Iterator for Changes<'c> {
    type Item = Change<'c>;

    fn next(&mut self) -> Option<Change<'c>> {
        let change = self.changes.next()?;
        // SAFETY: `new` was promised this of each change.
        let count = unsafe { Rules::of(change) }.map_or(0, |rules| rules.len());
        let (own, rest) = self.rules.split_at_checked(count)?;
        self.rules = rest;
        // SAFETY: as above. `new` has seen that it is no error.
        unsafe { convert::change(change, own) }.ok()
    }
}

/// Checks one change, and puts its rules into the next places.
///
/// # Safety
/// As for [`Rules::of`].
unsafe fn check<'c>(
    change: &'c dash_change_t,
    next: &mut slice::IterMut<'_, MaybeUninit<Rule<'c>>>,
    scratch: &mut Scratch<'c>,
) -> Result<(), Status> {
    // SAFETY: the caller's promise.
    unsafe {
        convert::change(change, &[])?;
        match Rules::of(change)? {
            Rules::None => {}
            Rules::Acl(rules) => {
                for (rule, place) in rules.iter().zip(next) {
                    place.write(acl_rule(rule, scratch)?);
                }
            }
            Rules::Inbound(rules) => {
                let rules = scratch.convert(rules, convert::inbound_rule)?;
                for (rule, place) in rules.iter().zip(next) {
                    place.write(rule.rule());
                }
            }
        }
    }
    Ok(())
}

/// # Safety
/// The pointers of `from` are good for as long as `'c`.
unsafe fn acl_rule<'c>(
    from: &'c dash_acl_rule_t,
    scratch: &mut Scratch<'c>,
) -> Result<Rule<'c>, Status> {
    let permit = flag(from.permit)?;
    let terminating = flag(from.terminating)?;
    // SAFETY: the caller's promise.
    unsafe {
        Ok(Rule {
            priority: from.priority,
            value: AclAction { permit, terminating }.value(),
            protocols: foreign::elements(from.protocols, from.protocol_count)?,
            sources: prefixes(from.sources, from.source_count, scratch)?,
            destinations: prefixes(from.destinations, from.destination_count, scratch)?,
            source_tags: foreign::elements(from.source_tags, from.source_tag_count)?,
            destination_tags: foreign::elements(from.destination_tags, from.destination_tag_count)?,
            source_ports: ports(from.source_ports, from.source_port_count, scratch)?,
            destination_ports: ports(from.destination_ports, from.destination_port_count, scratch)?,
        })
    }
}

/// # Safety
/// As for [`foreign::elements`].
unsafe fn prefixes<'c>(
    from: *const dash_prefix_t,
    count: usize,
    scratch: &mut Scratch<'c>,
) -> Result<&'c [IpCidr], Status> {
    // SAFETY: the caller's promise.
    scratch.convert(unsafe { foreign::elements(from, count) }?, |prefix| (*prefix).try_into())
}

/// # Safety
/// As for [`foreign::elements`].
unsafe fn ports<'c>(
    from: *const dash_port_range_t,
    count: usize,
    scratch: &mut Scratch<'c>,
) -> Result<&'c [RangeInclusive<u16>], Status> {
    // SAFETY: the caller's promise.
    scratch.convert(unsafe { foreign::elements(from, count) }?, |range| {
        if range.first > range.last {
            return Err(Status::DASH_EMPTY_RANGE);
        }
        Ok(range.first..=range.last)
    })
}
