/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * start.S - a CD's boot sector (El Torito, no emulation): from the BIOS to 32-bit code on flat segments,
 * A20 on, the PICs masked; then ports_main().  Also the one interrupt handler: end of interrupt, and
 * back.
 */
        .code16
        .globl  _start
_start: cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %ss
        movw    $0x7c00, %sp
        inb     $0x92, %al
        orb     $2, %al
        andb    $0xfe, %al
        outb    %al, $0x92
        movb    $0xff, %al
        outb    %al, $0xa1
        outb    %al, $0x21
        lgdtl   gdt_pointer
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $8, $flat

        .code32
flat:   movw    $16, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        movw    %ax, %ss
        movl    $0x80000, %esp
        movl    $_bss, %edi
        movl    $_end, %ecx
        subl    %edi, %ecx
        xorl    %eax, %eax
        rep     stosb
        call    ports_main
1:      hlt
        jmp     1b

        .globl  end_of_interrupt
end_of_interrupt:
        movl    $0, 0xfee000b0
        iret

        .balign 8
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
        .word   23
        .long   gdt
        .section .note.GNU-stack, "", @progbits
