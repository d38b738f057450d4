// QEMU's `-M virt` of aarch64: a PL011, semihosting to end.
#include "machine.h"

#define UART ((volatile uint32_t *)0x09000000)
#define UART_FLAGS (0x18 / 4)
#define UART_FULL (1u << 5)

// Entry: floating point on (the library uses vector registers), vectors, stack, .bss of zeros.
__asm__(".section .start, \"ax\"\n"
        ".global _start\n"
        "_start:\n"
        "    mov x0, #(3 << 20)\n"
        "    msr cpacr_el1, x0\n"
        "    ldr x0, =vectors\n"
        "    msr vbar_el1, x0\n"
        "    isb\n"
        "    ldr x0, =stack_top\n"
        "    mov sp, x0\n"
        "    ldr x0, =bss_start\n"
        "    ldr x1, =bss_end\n"
        "1:  cmp x0, x1\n"
        "    b.hs 2f\n"
        "    str xzr, [x0], #8\n"
        "    b 1b\n"
        "2:  bl machine_init\n"
        "    bl main\n"
        "    bl machine_exit\n"
        // Every exception is the end.
        ".balign 2048\n"
        "vectors:\n"
        ".rept 16\n"
        "    b exception\n"
        "    .balign 128\n"
        ".endr\n"
        "exception:\n"
        "    ldr x0, =stack_top\n"
        "    mov sp, x0\n"
        "    mrs x0, esr_el1\n"
        "    mrs x1, elr_el1\n"
        "    bl trapped\n");

// Without translation all memory is device memory, where neither caches nor exclusives work. One
// level of tables is enough: the first GiB is devices, the second is memory.
static uint64_t tables[512] __attribute__((aligned(4096)));

#define BLOCK 1u
#define ACCESSED (1u << 10)
#define INNER_SHAREABLE (3u << 8)
#define NEVER_EXECUTE (3ull << 53)
#define ATTRIBUTE(index) ((uint64_t)(index) << 2)

void machine_init(void)
{
    // Attribute 0: device-nGnRE; 1: normal, write-back.
    const uint64_t mair = 0x04 | 0xff << 8;
    // 39 bits of address, 4 KiB pages, inner shareable write-back walks; no upper half.
    const uint64_t tcr = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2ull << 32;
    tables[0] = 0x00000000ull | BLOCK | ACCESSED | ATTRIBUTE(0) | NEVER_EXECUTE;
    tables[1] = 0x40000000ull | BLOCK | ACCESSED | ATTRIBUTE(1) | INNER_SHAREABLE;
    uint64_t control;
    __asm__ volatile("msr mair_el1, %0\n"
                     "msr tcr_el1, %1\n"
                     "msr ttbr0_el1, %2\n"
                     "dsb sy\n"
                     "tlbi vmalle1\n"
                     "ic iallu\n"
                     "dsb sy\n"
                     "isb\n" ::"r"(mair), "r"(tcr), "r"(tables) : "memory");
    __asm__ volatile("mrs %0, sctlr_el1" : "=r"(control));
    control |= 1 | 1 << 2 | 1 << 12; // translation, data cache, instruction cache
    __asm__ volatile("msr sctlr_el1, %0\n isb" ::"r"(control) : "memory");
}

void print(const char *text)
{
    for (; *text; text++) {
        while (UART[UART_FLAGS] & UART_FULL)
            ;
        UART[0] = (uint8_t)*text;
    }
}

_Noreturn void machine_exit(uint32_t code)
{
    // SYS_EXIT_EXTENDED, ADP_Stopped_ApplicationExit.
    const uint64_t arguments[] = {0x20026, code};
    register uint64_t operation __asm__("x0") = 0x20;
    register const uint64_t *parameters __asm__("x1") = arguments;
    for (;;)
        __asm__ volatile("hlt #0xf000" : "+r"(operation) : "r"(parameters) : "memory");
}
