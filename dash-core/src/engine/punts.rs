//! Frames that wait for a controller.
//!
//! The first frame of a flow that is not there raises a request, which has a number; those that
//! come after it, until the controller answers, wait behind it under the same number, in the order
//! of their arrival. A frame without a flow is a request of its own. Nothing is copied: the buffers
//! wait in the queue.
//!
//! | bound | value | beyond it |
//! |---|---|---|
//! | frames that wait | `N`, or what [`limit`](Punts::limit) says | `PuntFull` |
//! | frames of one request | [`HELD`] | `PuntFull` |
//! | time until an answer | [`ANSWER_WITHIN`] | all frames of the request: `PuntTimeout` |
//!
//! Time: a frame that waits is compared with all others; an answer passes all of them once.

use dash_hal::PortId;
use heapless::Deque;

/// Frames of one flow that wait: a sender's first window, and no more than a share of the queue.
pub const HELD: usize = 8;
/// How long a request waits for its answer, ns.
pub const ANSWER_WITHIN: u64 = 1_000_000_000;

/// A frame that waits for a controller.
#[derive(Debug)]
pub struct Punt<B, K> {
    /// The frame, as the pipeline left it.
    pub buffer: B,
    /// The port that it came in at, or that its re-entry named.
    pub ingress: PortId,
    /// The stage that it entered at.
    pub entry: u8,
    /// Why, a number of the pipeline's.
    pub reason: u8,
    /// The flow that it has not found.
    pub key: Option<K>,
    /// The request's number, counted from 1.
    pub request: u64,
    /// When the request was raised, ns.
    pub raised: u64,
    /// It raised the request, and nobody was told yet.
    fresh: bool,
}

/// The queue.
pub(super) struct Punts<B, K, const N: usize> {
    frames: Deque<Punt<B, K>, N>,
    requests: u64,
    /// Most frames; `N` where it is more.
    pub(super) limit: usize,
}

impl<B, K: Copy + Eq, const N: usize> Punts<B, K, N> {
    pub(super) const fn new() -> Self {
        Self { frames: Deque::new(), requests: 0, limit: N }
    }

    /// Whether there is a place for a frame that has not found `key`.
    pub(super) fn takes(&self, key: Option<&K>) -> bool {
        self.frames.len() < self.limit.min(N) && self.of(key).count() < HELD
    }

    fn of(&self, key: Option<&K>) -> impl Iterator<Item = &Punt<B, K>> {
        self.frames.iter().filter(move |punt| key.is_some() && punt.key.as_ref() == key)
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// Without a place the buffer comes back.
    pub(super) fn hold(
        &mut self,
        buffer: B,
        (ingress, entry): (PortId, u8),
        reason: u8,
        key: Option<K>,
        now: u64,
    ) -> Result<(), B> {
        if !self.takes(key.as_ref()) {
            return Err(buffer);
        }
        let pending = self.of(key.as_ref()).next().map(|punt| (punt.request, punt.raised));
        let fresh = pending.is_none();
        let (request, raised) = pending.unwrap_or_else(|| {
            self.requests += 1;
            (self.requests, now)
        });
        let punt = Punt { buffer, ingress, entry, reason, key, request, raised, fresh };
        self.frames.push_back(punt).map_err(|punt| punt.buffer)
    }

    /// The oldest frame.
    pub(super) fn pop(&mut self) -> Option<Punt<B, K>> {
        self.frames.pop_front()
    }

    /// The first frame of the oldest request that nobody was told of; now somebody is.
    pub(super) fn next_request(&mut self) -> Option<&Punt<B, K>> {
        let punt = self.frames.iter_mut().find(|punt| punt.fresh)?;
        punt.fresh = false;
        Some(punt)
    }

    /// The first frame of a request that waits.
    pub(super) fn request(&self, request: u64) -> Option<&Punt<B, K>> {
        self.frames.iter().find(|punt| punt.request == request)
    }

    /// Frames that wait.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// The next of `left` frames if it is `wanted`; others go to the end of the queue, so that
    /// after all of them what stays is in its order.
    pub(super) fn turn(
        &mut self,
        left: &mut usize,
        wanted: impl Fn(&Punt<B, K>) -> bool,
    ) -> Option<Punt<B, K>> {
        while *left > 0 {
            *left -= 1;
            let punt = self.frames.pop_front()?;
            if wanted(&punt) {
                return Some(punt);
            }
            // It has just given up its place.
            let _ = self.frames.push_back(punt);
        }
        None
    }

    /// Whether a request has waited too long. Requests are answered whole, so the oldest frame
    /// is of the oldest request.
    pub(super) fn is_late(&self, now: u64) -> bool {
        self.frames.front().is_some_and(|punt| punt.is_late(now))
    }
}

impl<B, K> Punt<B, K> {
    pub(super) const fn is_late(&self, now: u64) -> bool {
        now.saturating_sub(self.raised) > ANSWER_WITHIN
    }
}
