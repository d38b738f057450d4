// QEMU's `-M virt` of riscv64, in machine mode (`-bios none`): a 16550, sifive_test.
#include "machine.h"

#define UART ((volatile uint8_t *)0x10000000)
#define UART_STATUS 5
#define UART_EMPTY (1u << 5)
#define TEST ((volatile uint32_t *)0x00100000)

// Entry: one hart, floating point on, traps, stack, .bss of zeros.
__asm__(".section .start, \"ax\"\n"
        ".global _start\n"
        "_start:\n"
        "    csrr t0, mhartid\n"
        "3:  bnez t0, 3b\n"
        "    li t0, 1 << 13\n"
        "    csrs mstatus, t0\n"
        "    la t0, exception\n"
        "    csrw mtvec, t0\n"
        "    la sp, stack_top\n"
        "    la t0, bss_start\n"
        "    la t1, bss_end\n"
        "1:  bgeu t0, t1, 2f\n"
        "    sd zero, 0(t0)\n"
        "    addi t0, t0, 8\n"
        "    j 1b\n"
        "2:  call machine_init\n"
        "    call main\n"
        "    call machine_exit\n"
        // Every trap is the end.
        ".balign 4\n"
        "exception:\n"
        "    la sp, stack_top\n"
        "    csrr a0, mcause\n"
        "    csrr a1, mepc\n"
        "    call trapped\n");

// Caches are on from the start.
void machine_init(void) {}

void print(const char *text)
{
    for (; *text; text++) {
        while (!(UART[UART_STATUS] & UART_EMPTY))
            ;
        UART[0] = (uint8_t)*text;
    }
}

_Noreturn void machine_exit(uint32_t code)
{
    *TEST = code ? code << 16 | 0x3333 : 0x5555;
    for (;;)
        ;
}
