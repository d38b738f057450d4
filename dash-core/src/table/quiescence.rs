//! When memory that readers may still look at can be reused.
//!
//! Quiescent-state-based reclamation (Hart and others, "Making Lockless Synchronization Fast",
//! IPDPS 2006). A reader keeps indices of nodes only between two of its quiescent points. The
//! writer unlinks a node, remembers every reader's counter, and reuses the node once each counter
//! has changed.
//!
//! A counter is compared for inequality only, so it may wrap: one that comes back to the
//! remembered value after exactly 2³² quiescent points looks as if it had stood still, which
//! delays reuse and never hastens it.
//!
//! Cost: a reader pays one store and one fence a burst. The writer pays one load a reader for
//! each change that gives up memory or needs some.
use super::atomic::{AtomicU32, Ordering, fence};

/// Most counters that a shared table takes; its constructor answers `CapacityTooLarge` for more.
pub const MAX_READERS: usize = 64;

/// One counter for each reading core. A core bumps its own after each burst.
#[derive(Clone, Copy, Debug)]
pub struct Readers<'a> {
    counters: &'a [AtomicU32],
}

impl<'a> Readers<'a> {
    /// `counters`: one for each core that reads, at most [`MAX_READERS`], of any value. Empty:
    /// nothing reads while the writer writes, so memory is reused at once.
    #[must_use]
    pub const fn new(counters: &'a [AtomicU32]) -> Self {
        Self { counters }
    }

    /// Number of counters.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.counters.len()
    }

    /// Whether there is no counter, so that nothing may read while the writer writes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }

    /// Reader `index` holds no reference into any shared table now. Called by the engine after
    /// each burst, also after an empty one: a core that stops calling makes updates answer `Busy`.
    ///
    /// Only core `index` may call this; an index without a counter does nothing.
    #[inline]
    pub fn quiescent(&self, index: usize) {
        if let Some(counter) = self.counters.get(index) {
            // Release: what this core has read comes before the writer's reuse.
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
            // Pairs with the fence in `snapshot`: either the snapshot holds the new count, or what
            // this core reads from here on is not older than the unlinking before the snapshot.
            fence(Ordering::SeqCst);
        }
    }

    /// The counters now, for nodes that were unlinked before this call.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot { counts: [0; MAX_READERS] };
        self.renew(&mut snapshot);
        snapshot
    }

    /// [`Self::snapshot`] in place of an older one.
    pub(super) fn renew(&self, snapshot: &mut Snapshot) {
        fence(Ordering::SeqCst);
        for (count, counter) in snapshot.counts.iter_mut().zip(self.counters) {
            *count = counter.load(Ordering::Relaxed);
        }
    }

    /// Whether each reader has passed a quiescent point since `snapshot`.
    pub(crate) fn passed(&self, snapshot: &Snapshot) -> bool {
        // Acquire: pairs with the store in `quiescent`.
        let mut pairs = self.counters.iter().zip(&snapshot.counts);
        pairs.all(|(counter, count)| counter.load(Ordering::Acquire) != *count)
    }
}

/// The counters of all readers at one time.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    counts: [u32; MAX_READERS],
}
