/work/wt/next/dash-core/loom/target/debug/deps/dash_core_loom-f797f1c96d2e702f.d: src/lib.rs src/table.rs src/../../src/table/demand.rs src/../../src/table/error.rs src/../../src/table/poptrie/mod.rs src/../../src/table/poptrie/address.rs src/../../src/table/poptrie/arena.rs src/../../src/table/poptrie/block.rs src/../../src/table/poptrie/bucket.rs src/../../src/table/poptrie/burst.rs src/../../src/table/poptrie/draft.rs src/../../src/table/poptrie/iter.rs src/../../src/table/poptrie/memory.rs src/../../src/table/poptrie/root.rs src/../../src/table/poptrie/trie.rs src/../../src/table/poptrie/writer.rs src/../../src/table/quiescence.rs

/work/wt/next/dash-core/loom/target/debug/deps/libdash_core_loom-f797f1c96d2e702f.rmeta: src/lib.rs src/table.rs src/../../src/table/demand.rs src/../../src/table/error.rs src/../../src/table/poptrie/mod.rs src/../../src/table/poptrie/address.rs src/../../src/table/poptrie/arena.rs src/../../src/table/poptrie/block.rs src/../../src/table/poptrie/bucket.rs src/../../src/table/poptrie/burst.rs src/../../src/table/poptrie/draft.rs src/../../src/table/poptrie/iter.rs src/../../src/table/poptrie/memory.rs src/../../src/table/poptrie/root.rs src/../../src/table/poptrie/trie.rs src/../../src/table/poptrie/writer.rs src/../../src/table/quiescence.rs

src/lib.rs:
src/table.rs:
src/../../src/table/demand.rs:
src/../../src/table/error.rs:
src/../../src/table/poptrie/mod.rs:
src/../../src/table/poptrie/address.rs:
src/../../src/table/poptrie/arena.rs:
src/../../src/table/poptrie/block.rs:
src/../../src/table/poptrie/bucket.rs:
src/../../src/table/poptrie/burst.rs:
src/../../src/table/poptrie/draft.rs:
src/../../src/table/poptrie/iter.rs:
src/../../src/table/poptrie/memory.rs:
src/../../src/table/poptrie/root.rs:
src/../../src/table/poptrie/trie.rs:
src/../../src/table/poptrie/writer.rs:
src/../../src/table/quiescence.rs:
