// What differs between the two machines of QEMU: `-M virt` of aarch64 and of riscv64.
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>

// virtio-mmio slots.
#if defined(__aarch64__)
#define VIRTIO_BASE 0x0a000000u
#define VIRTIO_STRIDE 0x200u
#define VIRTIO_SLOTS 32u
#else
#define VIRTIO_BASE 0x10001000u
#define VIRTIO_STRIDE 0x1000u
#define VIRTIO_SLOTS 8u
#endif

// Turns caches on, where that takes something. Called once, before anything else.
void machine_init(void);

// What was written to memory before is seen by a device that a later write to its registers wakes.
static inline void machine_barrier(void)
{
#if defined(__aarch64__)
    __asm__ volatile("dsb sy" ::: "memory");
#else
    __asm__ volatile("fence iorw, iorw" ::: "memory");
#endif
}

// Writes to the console.
void print(const char *text);

// Ends the machine; 0 is success.
_Noreturn void machine_exit(uint32_t code);

// An exception: the program's own end of the machine.
_Noreturn void trapped(uint64_t cause, uint64_t address);

#endif
