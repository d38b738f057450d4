//! What the changes of one transaction ask of a table, counted before the first of them is made.
//!
//! Each change is counted against the table as it stands, so the count is never too low and may be
//! too high: what is removed gives no room to what is inserted, and a key that is not there counts
//! with each of its inserts.

/// Inserts and removals, counted in the order in which they will be made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Demand {
    /// Inserts of keys that are not there.
    pub(super) new: usize,
    /// Inserts of keys that are there.
    pub(super) replaced: usize,
    removed: usize,
}

impl Demand {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts `count` removals, of keys that are there or not. They ask for nothing; an insert
    /// after them may bring back what they removed.
    pub fn remove(&mut self, count: usize) {
        self.removed = self.removed.saturating_add(count);
    }

    /// Counts an insert.
    pub(super) fn insert(&mut self, is_there: bool) {
        let count = if is_there { &mut self.replaced } else { &mut self.new };
        *count = count.saturating_add(1);
    }

    /// Most of the keys that are there which were removed before they were inserted.
    pub(super) fn brought_back(&self) -> usize {
        self.replaced.min(self.removed)
    }
}
