//! DMA memory of the virtqueues, in static pages that are handed out once.
//!
//! A queue takes two pages, one that the driver writes and one that the device
//! writes: [`PAGES`] is what all queues of the program take.

use core::{
    cell::UnsafeCell,
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering},
};

use dash_protocol::DATA_PORTS;
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

/// Two queues of each data port and of the control port, and the queue of an entropy device.
const PAGES: usize = ((DATA_PORTS + 1) * 2 + 1) * 2;

#[repr(C, align(4096))]
struct Pages(UnsafeCell<[u8; PAGES * PAGE_SIZE]>);

// SAFETY: The pages are reached only through what `dma_alloc` hands out, each once.
unsafe impl Sync for Pages {}

static MEMORY: Pages = Pages(UnsafeCell::new([0; PAGES * PAGE_SIZE]));
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The memory of all queues.
pub(crate) struct QueueMemory;

// SAFETY: `dma_alloc` answers pages of a static, zeroed, aligned to their size, and never the same
// ones twice. On a `Machine` a static's address is the one that devices see.
unsafe impl Hal for QueueMemory {
    /// Answers address 0, which the driver takes for an error, when there are no pages left.
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let taken = NEXT.try_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            next.checked_add(pages).filter(|end| *end <= PAGES)
        });
        let Ok(first) = taken else { return (0, NonNull::dangling()) };
        let memory = MEMORY.0.get().cast::<u8>();
        // SAFETY: `first` is less than `PAGES`, so the result lies in `MEMORY`.
        let page = unsafe { memory.add(first * PAGE_SIZE) };
        NonNull::new(page).map_or((0, NonNull::dangling()), |page| (address(page), page))
    }

    /// A queue lives as long as the program; the pages of one that failed half-made stay unused.
    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    /// Only PCI asks.
    unsafe fn mmio_phys_to_virt(physical: PhysAddr, _: usize) -> NonNull<u8> {
        let pointer = core::ptr::with_exposed_provenance_mut(physical as usize);
        NonNull::new(pointer).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        address(buffer.cast())
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// The address at which devices see `pointer`.
fn address(pointer: NonNull<u8>) -> PhysAddr {
    pointer.as_ptr().expose_provenance() as PhysAddr
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_handed_out_once_and_then_no_more() {
        let mut addresses = Vec::new();
        loop {
            let (physical, page) = QueueMemory::dma_alloc(1, BufferDirection::Both);
            if physical == 0 {
                break;
            }
            assert_eq!(page.as_ptr().addr() as PhysAddr, physical);
            assert_eq!(physical % PAGE_SIZE as PhysAddr, 0);
            // SAFETY: The page was just handed out, zeroed, and is nobody else's.
            let bytes = unsafe { core::slice::from_raw_parts_mut(page.as_ptr(), PAGE_SIZE) };
            assert!(bytes.iter().all(|byte| *byte == 0));
            bytes.fill(0xff);
            addresses.push(physical);
        }
        assert_eq!(addresses.len(), PAGES);
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), PAGES);
        assert_eq!(QueueMemory::dma_alloc(usize::MAX, BufferDirection::Both).0, 0);
    }
}
