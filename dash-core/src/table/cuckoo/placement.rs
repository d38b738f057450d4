//! In which bucket an entry lives, and how room is made for one more.
use super::bucket::{Bucket, Tenant};
use super::tags::PLACES;
use super::{Cuckoo, Handle, Home, Key, PATH_BUCKETS, PATH_MOVES, Value};
use dash_hal::Hints;
use heapless::Vec;

/// Buckets of a search for an empty place, in the order of their visits.
type Nodes = Vec<u32, PATH_BUCKETS>;

/// Nodes of a search that have children, the last one maybe fewer than others.
const PARENTS: usize = (PATH_BUCKETS - 2).div_ceil(PLACES);

/// Of a node of the search that is no root: its parent, and the place there.
const fn parent(node: usize) -> (usize, usize) {
    let child = node.saturating_sub(2);
    (child / PLACES, child % PLACES)
}

impl<K: Key, V: Value> Cuckoo<'_, K, V> {
    /// Gives a new entry a place in its primary bucket, its alternate, or the stash.
    pub(super) fn settle<H: Hints>(&mut self, home: Home, handle: Handle, hints: &H) -> bool {
        let alternate = self.alternate(home.tag, home.primary);
        let vacancy = |index| self.bucket(index).and_then(Bucket::vacancy);
        let (guest, place) = if let Some(place) = vacancy(home.primary) {
            (false, place)
        } else if let Some(place) = vacancy(alternate) {
            (true, place)
        } else if let Some(made) = self.make_room([home.primary, alternate], hints) {
            made
        } else {
            return self.settle_in_stash(home, handle);
        };
        let index = if guest { alternate } else { home.primary };
        if let Some(bucket) = self.buckets.get_mut(index as usize) {
            bucket.put(place, Tenant { tag: home.tag, handle, guest });
        }
        if let (true, Some(primary)) = (guest, self.buckets.get_mut(home.primary as usize)) {
            primary.leave(home.tag);
        }
        true
    }

    fn settle_in_stash(&mut self, home: Home, handle: Handle) -> bool {
        let mut places = self.stash.iter_mut().filter_map(|line| Some((line.vacancy()?, line)));
        let (Some((place, line)), Some(primary)) =
            (places.next(), self.buckets.get_mut(home.primary as usize))
        else {
            return false;
        };
        line.put(place, Tenant { tag: home.tag, handle, guest: true });
        primary.leave(home.tag);
        self.stashed += 1;
        true
    }

    /// Displaces entries so that one of two full buckets gets an empty place: whether it is the
    /// second, and the place.
    ///
    /// Breadth first, so no bucket is on a path twice: its first visit would have found a shorter
    /// one. Node `i` of the search has the children `2 + 8 i ..`, one for each of its places.
    #[inline(never)]
    fn make_room<H: Hints>(&mut self, roots: [u32; 2], hints: &H) -> Option<(bool, usize)> {
        // `Nodes::from_array` copies the whole kilobyte.
        let mut nodes = Nodes::new();
        nodes.extend(roots);
        for parent in 0..PARENTS {
            let first = nodes.len();
            let index = *nodes.get(parent)?;
            let bucket = self.bucket(index)?;
            // All children first, whose loads overlap.
            for place in 0..PLACES.min(PATH_BUCKETS - first) {
                let child = self.alternate(bucket.tag(place), index);
                self.prefetch_bucket(child, hints);
                let _ = nodes.push(child);
            }
            for (child, at) in nodes.iter().skip(first).zip(first..) {
                if let Some(place) = self.bucket(*child)?.vacancy() {
                    return Some(self.displace(&nodes, at, place));
                }
            }
        }
        None
    }

    /// Moves the empty `place` of node `at` up to its root.
    fn displace(&mut self, nodes: &Nodes, at: usize, place: usize) -> (bool, usize) {
        let (mut at, mut place) = (at, place);
        for _ in 0..PATH_MOVES {
            if at < 2 {
                break;
            }
            let (parent, from) = parent(at);
            let index = |node| nodes.get(node).map_or(0, |index: &u32| *index as usize);
            let (source, target) = (index(parent), index(at));
            if let Some(mut tenant) = self.buckets.get(source).and_then(|line| line.tenant(from)) {
                #[cfg(test)]
                self.work.moved();
                tenant.guest = !tenant.guest;
                if let Some(line) = self.buckets.get_mut(target) {
                    line.put(place, tenant);
                    if !tenant.guest {
                        line.come_back(tenant.tag);
                    }
                }
                if let Some(line) = self.buckets.get_mut(source) {
                    line.vacate(from);
                    if tenant.guest {
                        line.leave(tenant.tag);
                    }
                }
            }
            (at, place) = (parent, from);
        }
        (at == 1, place)
    }

    /// Takes an entry out of the bucket it lives in.
    pub(super) fn evict<H: Hints>(&mut self, home: Home, handle: Handle, hints: &H) {
        // An empty place still has the handle that lived there: both must be the entry's.
        let place_in = |line: &Bucket| {
            line.matching(home.tag)
                .find(|place| line.tag(*place) == home.tag && line.handle(*place) == Some(handle))
        };
        let Some(primary) = self.buckets.get_mut(home.primary as usize) else { return };
        if let Some(place) = place_in(primary) {
            primary.vacate(place);
            return self.unstash(home.primary, hints);
        }
        primary.come_back(home.tag);
        let alternate = self.alternate(home.tag, home.primary);
        let Some(bucket) = self.buckets.get_mut(alternate as usize) else { return };
        if let Some(place) = place_in(bucket) {
            bucket.vacate(place);
            return self.unstash(alternate, hints);
        }
        let mut places = self.stash.iter_mut().filter_map(|line| Some((place_in(line)?, line)));
        if let Some((place, line)) = places.next() {
            line.vacate(place);
            self.stashed = self.stashed.saturating_sub(1);
        }
    }

    /// Brings an entry home from the stash to the bucket `index` that has an empty place now.
    fn unstash<H: Hints>(&mut self, index: u32, hints: &H) {
        if self.stashed == 0 {
            return;
        }
        let primary_if_at_home = |tenant: Tenant| {
            let slot = self.slots.get(tenant.handle.index())?;
            let home = self.hashed(&slot.key, hints);
            let at_home = home.primary == index || self.alternate(home.tag, home.primary) == index;
            at_home.then_some(home.primary)
        };
        let found = self.stash.iter().enumerate().find_map(|(line, bucket)| {
            (0..PLACES).find_map(|place| {
                let tenant = bucket.tenant(place)?;
                Some((line, place, tenant, primary_if_at_home(tenant)?))
            })
        });
        let Some((line, from, mut tenant, primary)) = found else { return };
        let (Some(line), Some(bucket)) =
            (self.stash.get_mut(line), self.buckets.get_mut(index as usize))
        else {
            return;
        };
        let Some(place) = bucket.vacancy() else { return };
        tenant.guest = primary != index;
        bucket.put(place, tenant);
        if !tenant.guest {
            bucket.come_back(tenant.tag);
        }
        line.vacate(from);
        self.stashed = self.stashed.saturating_sub(1);
    }
}
