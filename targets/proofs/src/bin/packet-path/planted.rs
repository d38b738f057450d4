//! Faults that the proofs must find, each a root of its own. The linker takes one in when a
//! self-test asks for it by name; the image without them is the one that is proved.

use core::hint::black_box;

use dash_proofs::Engine;

/// Reaches a panic.
#[unsafe(no_mangle)]
extern "C" fn planted_panic(engine: &mut Engine, index: usize) -> u64 {
    engine.take_punt();
    black_box([1, 2, 3, 4])[index]
}

/// Calls what only the running program knows.
#[unsafe(no_mangle)]
extern "C" fn planted_indirect_call(callee: extern "C" fn()) -> u64 {
    callee();
    1
}

/// Calls itself.
#[unsafe(no_mangle)]
extern "C" fn planted_recursion(depth: u64) -> u64 {
    if depth == 0 { 0 } else { black_box(planted_recursion(black_box(depth - 1))) + 1 }
}

/// Calls a function of which no one knows how much stack it takes.
#[unsafe(no_mangle)]
extern "C" fn planted_unsized() -> u64 {
    unsafe extern "C" {
        safe fn planted_assembly();
    }
    planted_assembly();
    1
}

core::arch::global_asm!(
    ".pushsection .text.planted_assembly, \"ax\", %progbits",
    ".globl planted_assembly",
    ".type planted_assembly, %function",
    "planted_assembly: ret",
    ".size planted_assembly, . - planted_assembly",
    ".popsection",
);

/// Takes more stack than firmware has.
#[unsafe(no_mangle)]
extern "C" fn planted_frame() -> u8 {
    let mut large = [0_u8; 8192];
    black_box(&mut large)[black_box(0) & 8191]
}

/// Takes memory from a heap. Compiled only on request: most builds have no crate `alloc`.
#[cfg(planted_alloc)]
mod heap {
    extern crate alloc;

    use core::alloc::{GlobalAlloc, Layout};

    struct Heap;

    // SAFETY: it never gives memory.
    unsafe impl GlobalAlloc for Heap {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            core::ptr::null_mut()
        }

        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
    }

    #[global_allocator]
    static HEAP: Heap = Heap;

    #[unsafe(no_mangle)]
    extern "C" fn planted_alloc(value: u64) -> u64 {
        *core::hint::black_box(alloc::boxed::Box::new(value))
    }
}

// More code than firmware has room for.
core::arch::global_asm!(
    ".pushsection .text.planted_code, \"ax\", %progbits",
    ".globl planted_code",
    "planted_code: .skip 65536",
    ".popsection",
);
