/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debuggee.S - a boot sector to be looked at by gdb: counts in real mode, in protected mode with x87
 * and SSE and an INT3 of its own, and in 64-bit mode above 0xffffffff80000000 for ever.
 */
    .code16
    .intel_syntax noprefix
    .globl _start, real, real_far, prot, prot_loop, prot_end, its_int3, on_break, long_mode, upper
    .globl upper_end
COUNT = 0x8000                  /* word: real mode; +4: protected; +8: 64-bit; +16: INT3s */
IDT = 0x9000
PML4 = 0x10000                  /* then PDPT, PD */
HIGH = 0xffffffff80000000

_start:
    cli
    xor     ax, ax
    mov     ds, ax
    mov     es, ax
    mov     ss, ax
    mov     sp, 0x7c00
    mov     di, COUNT
    mov     cx, 16
    rep stosw
real:
    inc     word ptr [COUNT]
    cmp     word ptr [COUNT], 5
    jb      real
    .byte   0xea                /* the same memory by another segment */
    .word   real_far - 0x7000, 0x700
real_far:
    nop
    nop
    lgdt    [gdt_pointer]
    mov     eax, cr0
    or      al, 1
    mov     cr0, eax
    .byte   0xea
    .word   prot, 8

    .code32
prot:
    mov     ax, 16
    mov     ds, ax
    mov     es, ax
    mov     ss, ax
    mov     esp, 0x7c00
    mov     dword ptr [IDT + 24], offset on_break + 0x80000
    mov     dword ptr [IDT + 28], 0x8e00
    lidt    [idt_pointer]
    mov     eax, cr4
    or      eax, 0x620          /* PAE, OSFXSR, OSXMMEXCPT */
    mov     cr4, eax
    fninit
    fldpi
    mov     eax, 0x12345678
    movd    xmm1, eax
prot_loop:
    inc     dword ptr [COUNT + 4]
    cmp     dword ptr [COUNT + 4], 5
    jb      prot_loop
prot_end:
    nop
its_int3:
    int3
    mov     edi, PML4
    xor     eax, eax
    mov     ecx, 0xc00
    rep stosd
    mov     eax, PML4 + 0x1003
    mov     [PML4], eax
    mov     [PML4 + 0xff8], eax
    add     eax, 0x1000
    mov     [PML4 + 0x1000], eax
    mov     [PML4 + 0x1ff0], eax
    mov     dword ptr [PML4 + 0x2000], 0x83
    mov     eax, PML4
    mov     cr3, eax
    mov     ecx, 0xc0000080
    rdmsr
    or      ah, 1
    wrmsr
    mov     eax, cr0
    or      eax, 0x80000000
    mov     cr0, eax
    .byte   0xea
    .long   long_mode
    .word   24
on_break:
    inc     dword ptr [COUNT + 16]
    iretd

    .code64
long_mode:
    movabs  rax, 0x1122334455667788
    mov     r15, HIGH
    lea     rbx, [r15 + upper - _start + 0x7c00]
    jmp     rbx
upper:
    inc     qword ptr [r15 + COUNT + 8]
    nop
upper_end:
    jmp     upper

    .balign 8
gdt:
    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
gdt_pointer:
    .word   31
    .long   gdt
idt_pointer:
    .word   0x7ff
    .long   IDT
    .org    510
    .word   0xaa55
