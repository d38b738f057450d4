//! What a transaction changed, and its end.
//!
//! A change marks the ENIs that it touches: an ENI's own objects that ENI, a route group or an ACL
//! group those that are bound to it at the end of the transaction, everything else all of them.
//! Marking costs one store, whatever the number of ENIs; [`PolicyWriter::commit`] walks them once.

use core::sync::atomic::{AtomicU32, Ordering};

use super::{AclGroupId, EniId, PolicyWriter, RouteGroupId, bitmap::Bitmap};

/// Marks since the last commit.
#[derive(Debug)]
pub(super) struct Changes<'a> {
    /// Tells readers to forget what they remember.
    version: &'a AtomicU32,
    enis: Bitmap<'a>,
    route_groups: Bitmap<'a>,
    acl_groups: Bitmap<'a>,
    all: bool,
    some: bool,
    underlay: bool,
}

impl<'a> Changes<'a> {
    pub(super) const fn new(
        version: &'a AtomicU32,
        enis: Bitmap<'a>,
        route_groups: Bitmap<'a>,
        acl_groups: Bitmap<'a>,
    ) -> Self {
        Self { version, enis, route_groups, acl_groups, all: false, some: false, underlay: false }
    }

    pub(super) fn mark_eni(&mut self, eni: EniId) {
        self.touch();
        self.enis.add(eni.0.into());
        self.some = true;
    }

    pub(super) fn mark_route_group(&mut self, group: RouteGroupId) {
        self.touch();
        self.route_groups.add(group.0.into());
        self.some = true;
    }

    pub(super) fn mark_acl_group(&mut self, group: AclGroupId) {
        self.touch();
        self.acl_groups.add(group.0 as usize);
        self.some = true;
    }

    pub(super) fn mark_all(&mut self) {
        self.touch();
        self.all = true;
    }

    pub(super) const fn mark_underlay(&mut self) {
        self.underlay = true;
    }

    fn touch(&self) {
        self.version.store(next(self.version.load(Ordering::Relaxed)), Ordering::Release);
    }

    fn clear(&mut self) {
        if self.some {
            self.enis.clear();
            self.route_groups.clear();
            self.acl_groups.clear();
        }
        self.all = false;
        self.some = false;
        self.underlay = false;
    }
}

/// Counts up and leaves 0 out.
const fn next(number: u32) -> u32 {
    match number.wrapping_add(1) {
        0 => 1,
        number => number,
    }
}

impl PolicyWriter<'_> {
    /// Ends a transaction: each ENI that it touched gets a new epoch, so that its flows are
    /// evaluated again, and changed underlay routes a new generation. A transaction that changed
    /// nothing ends without trace.
    ///
    /// Epochs come from one counter, which moves once a transaction: an ENI that is deleted and
    /// made again never meets an epoch of its former life.
    pub fn commit(&mut self) {
        if self.changes.underlay {
            let generation = self.view.generation;
            // 31 bits: a flow keeps one more beside it.
            let version = next(generation.load(Ordering::Relaxed)) & (u32::MAX >> 1);
            generation.store(version.max(1), Ordering::Release);
        }
        if self.changes.all || self.changes.some {
            self.epoch = next(self.epoch);
            if self.changes.some && !self.changes.all {
                self.mark_bound_enis();
            }
            for (number, epoch) in self.view.epochs.iter().enumerate() {
                if self.changes.all || self.changes.enis.contains(number) {
                    epoch.store(self.epoch, Ordering::Release);
                }
            }
        }
        if self.changes.all || self.changes.some || self.changes.underlay {
            self.changes.touch();
        }
        self.changes.clear();
    }

    fn mark_bound_enis(&self) {
        for (id, eni) in self.all_enis() {
            let routes = eni
                .route_group
                .is_some_and(|group| self.changes.route_groups.contains(group.0.into()));
            let mut groups = eni.acl.groups();
            if routes || groups.any(|group| self.changes.acl_groups.contains(group.0 as usize)) {
                self.changes.enis.add(id.0.into());
            }
        }
    }
}
