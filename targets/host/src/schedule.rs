//! Changes of the configuration in the course of a run.

use std::collections::VecDeque;

use crate::config::image::Image;

/// Later configurations, each due before the first frame that comes so long after the first one.
#[derive(Debug)]
pub struct Schedule {
    later: VecDeque<(u64, Image)>,
    first: Option<u64>,
}

impl Schedule {
    /// Of configurations in order, each with its nanoseconds after the first frame.
    #[must_use]
    pub fn new(later: Vec<(u64, Image)>) -> Self {
        Self { later: later.into(), first: None }
    }

    /// The next configuration that is due before a frame at `now`, in nanoseconds. The first
    /// frame asks, too.
    pub fn due(&mut self, now: u64) -> Option<Image> {
        let first = *self.first.get_or_insert(now);
        let (_, image) = self.later.pop_front_if(|(time, _)| now.saturating_sub(first) >= *time)?;
        Some(image)
    }
}
