//! The protocols of the shared tables under all interleavings of a writer and a reader, by loom.
//!
//! The tables' own files are compiled here once more, over loom's atomics in place of the
//! processor's: what is shown is shown of the shipped code. loom also tries the old values that a
//! weak memory model lets a relaxed load see.
//!
//! The publication of a pipeline's images is compiled likewise, over those tables' quiescent points.
//!
//! A further table: its files in `table`, and a file of its tests beside `exact` and `poptrie`.
//!
//! `cargo test -p dash-core --test protocols`
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    unused_imports,
    reason = "the files are those of the library"
)]

#[path = "../../src/table"]
mod table {
    pub(crate) mod atomic {
        pub(crate) use loom::sync::atomic::{AtomicU32, Ordering, fence};
    }
    mod demand;
    mod error;
    pub mod exact;
    mod pool;
    pub mod poptrie;
    pub mod quiescence;
    pub use demand::Demand;
    pub use error::TableError;

    /// Images are published as the library does; what a compilation writes is replaced by two words.
    pub mod acl {
        mod image;
        mod store;

        use super::{
            atomic::{AtomicU32, Ordering::Relaxed},
            quiescence::Readers,
        };
        use image::word;
        use store::{NO_GROUP, Store};

        /// Room for two images of two lines, wherever the first line begins.
        pub const WORDS: usize = 4 * 16 + 15;

        /// The writer of one group.
        pub struct Writer {
            group: &'static AtomicU32,
            store: Store<'static>,
        }

        /// Its reader.
        #[derive(Clone, Copy)]
        pub struct Reader {
            group: &'static AtomicU32,
            words: &'static [AtomicU32],
        }

        impl Writer {
            pub fn new(
                group: &'static AtomicU32,
                words: &'static [AtomicU32],
                readers: Readers<'static>,
            ) -> Self {
                group.store(NO_GROUP, Relaxed);
                Self { group, store: Store::new(words, readers).unwrap() }
            }

            pub fn reader(&self) -> Reader {
                Reader { group: self.group, words: self.store.words() }
            }

            /// Writes an image aside and publishes it; whether there was room.
            pub fn set(&mut self, version: u32) -> bool {
                let Some(block) = self.store.take() else { return false };
                let image = self.store.block(block);
                image[0].store(version, Relaxed);
                image[1].store(!version, Relaxed);
                self.store.shorten(block, 2);
                self.store.publish(self.group, block);
                true
            }

            pub fn remove(&mut self) {
                self.store.publish(self.group, NO_GROUP);
            }
        }

        impl Reader {
            /// The version that is seen, whole.
            pub fn version(&self) -> Option<u32> {
                let block = store::published(self.group);
                if block == NO_GROUP {
                    return None;
                }
                let image = store::image(self.words, block);
                let version = word(image, 0);
                assert_eq!(word(image, 1), !version, "an image of two versions");
                Some(version)
            }
        }
    }
}
mod acl;
mod chain;
mod exact;
mod poptrie;

#[path = "../../src/pipeline/image/publication.rs"]
mod publication;

use loom::{model::Builder, sync::atomic::AtomicU32};
use table::quiescence::Readers;

/// Tries all interleavings with at most so many times that a thread is stopped where it could go on.
fn explore(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut model = Builder::new();
    model.preemption_bound = Some(preemptions);
    model.max_branches = 100_000;
    model.check(run);
}

/// Words of 0, never given back: loom's threads ask for `'static`.
fn words(count: usize) -> &'static [AtomicU32] {
    (0..count).map(|_| AtomicU32::new(0)).collect::<Vec<_>>().leak()
}

/// One reader, whose count is about to wrap.
fn one_reader() -> Readers<'static> {
    Readers::new(vec![AtomicU32::new(u32::MAX)].leak())
}
