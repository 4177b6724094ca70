/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * start.S - entry (as PVH: 32-bit, flat, ebx = start info), the real-mode jump to the BIOS, and the
 * trampoline that application processors start at (0x1000 after it was copied there).
 */
#include "layout.h"

    .section .text.start, "ax"
    .code32
    .global start
start:
    cli
    cld
    lgdt gdt_pointer
    ljmp $0x08, $1f
1:  mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %eax, %fs
    mov %eax, %gs
    mov $stack_end, %esp
    mov $bss_start, %edi
    mov $bss_end, %ecx
    sub %edi, %ecx
    xor %eax, %eax
    rep stosb
    push %ebx
    call hvmloader_main
    /* Back: everything is in place; leave protected mode from below 64 KiB. */
    mov $real_jump, %esi
    mov $REAL_JUMP_ADDR, %edi
    mov $(real_jump_end - real_jump), %ecx
    rep movsb
    ljmp $0x18, $REAL_JUMP_ADDR

    .code16
real_jump:
    mov $0x20, %ax                  /* 64 KiB data limits, base 0 */
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov %ax, %fs
    mov %ax, %gs
    mov %cr0, %eax
    and $~1, %al
    mov %eax, %cr0
    ljmp $0, $(REAL_JUMP_ADDR + 2f - real_jump)
2:  lidtl %cs:(REAL_JUMP_ADDR + idt_real - real_jump)
    xor %eax, %eax
    mov %eax, %cr0
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov %ax, %fs
    mov %ax, %gs
    mov %eax, %ebx
    mov %eax, %ecx
    mov %eax, %edx
    mov %eax, %esi
    mov %eax, %edi
    mov %eax, %ebp
    mov %eax, %esp
    ljmp $0xf000, $0xfff0
idt_real:
    .word 0x3ff
    .long 0
real_jump_end:

/* An application processor: real mode, CS = 0x100.  Counts itself in, sets its MTRRs, halts. */
    .global ap_start, ap_end
ap_start:
    cli
    xor %ax, %ax
    mov %ax, %ds
    lgdtl (AP_START_ADDR + ap_gdt_pointer - ap_start)
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $0x08, $ap_protected
ap_gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt
ap_end:
    .code32
ap_protected:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $ap_stack_end, %esp
    call smp_ap_main
3:  cli
    hlt
    jmp 3b

    .section .rodata
    .align 8
gdt:
    .quad 0
    .quad 0x00cf9a000000ffff        /* 08: code, 4 GiB */
    .quad 0x00cf92000000ffff        /* 10: data, 4 GiB */
    .quad 0x00009a000000ffff        /* 18: 16-bit code, 64 KiB */
    .quad 0x000092000000ffff        /* 20: 16-bit data, 64 KiB */
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt

    .bss
    .align 16
    .skip 16384
stack_end:
    .skip 4096
ap_stack_end:
