/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * video.S - a real-mode program that boots from a floppy or disk, sets one BIOS and VBE mode after the other,
 * fills the screen with numbers that whoever tests can compute, reads video memory back, and says on
 * COM1 what it has; a byte on COM1 lets it go on.  The picture of mode 13h comes from the disk by INT
 * 13h (from sector 36 on), and the screen of mode 3 goes there (sectors 2520 to 2527).
 * Numbers: x = 25173 x + 13849 mod 65536, the upper byte of each; the first x is the mode's number plus
 * 257 for each plane or bank.  Sums: for each doubleword add, then rotate left.
 */
    .code16
    .intel_syntax noprefix
    .globl _start
    PICTURE = 36
    SAVED = 2520
    PROGRAM = 8                     /* sectors */
    BUFFER = 0x2000                 /* segment */

_start:
    cli
    xor     ax, ax
    mov     ds, ax
    mov     es, ax
    mov     ss, ax
    mov     sp, 0x7c00
    cld
    sti
    mov     [drive], dl
    mov     ah, 8
    push    es
    int     0x13
    pop     es
    jc      fail
    and     cl, 63
    mov     [sectors], cl
    inc     dh
    mov     [heads], dh
    mov     bx, 0x7e00
    mov     ax, 1
1:  call    read_sector             /* the rest of this program */
    add     bx, 512
    inc     ax
    cmp     ax, PROGRAM
    jb      1b
    jmp     main

/* Logical sector AX to or from ES:BX; keeps all. */
write_sector:
    push    0x0301
    jmp     1f
read_sector:
    push    0x0201
1:  push    bp
    mov     bp, sp
    pusha
    xor     dx, dx
    movzx   cx, byte ptr sectors
    div     cx
    mov     cl, dl                  /* sector */
    inc     cl
    div     byte ptr heads          /* AL cylinder, AH head */
    mov     ch, al
    mov     dh, ah
    mov     dl, drive
    mov     ax, [bp + 2]
    int     0x13
    jc      fail
    popa
    pop     bp
    add     sp, 2
    ret

fail:
    mov     si, offset msg_fail
    call    say
    mov     al, ah
    call    hex8
stop:
    hlt
    jmp     stop

#include "serial.inc"
space:
    push    ax
    mov     al, ' '
    call    put
    pop     ax
    ret
msg_fail: .asciz "\r\nFAILED "
drive:  .byte 0
sectors: .byte 0
heads:  .byte 0
    .org 510
    .word 0xaa55

/* SI: the mode's name.  Says the sum and waits for a byte. */
ready:
    mov     si, offset msg_sum
    call    say
    call    hex32
    mov     si, offset msg_end
    call    say
    mov     dx, 0x3fd
1:  in      al, dx
    test    al, 1
    jz      1b
    mov     dx, 0x3f8
    in      al, dx
    ret

/* CX bytes (0: 64 KiB) at ES:0 from the seed AX. */
fill:
    xor     di, di
1:  imul    ax, ax, 25173
    add     ax, 13849
    mov     es:[di], ah
    inc     di
    loop    1b
    ret

/* CX doublewords at ES:0 into EBP. */
sum:
    push    ds
    push    es
    pop     ds
    xor     si, si
1:  lodsd
    add     ebp, eax
    rol     ebp, 1
    loop    1b
    pop     ds
    ret

/* DAC entry n is n, 3 n, 63 - n; attribute palette n is n. */
palettes:
    mov     dx, 0x3c8
    xor     al, al
    out     dx, al
    inc     dx
    xor     bx, bx
1:  mov     al, bl
    and     al, 63
    out     dx, al
    mov     al, bl
    add     al, bl
    add     al, bl
    and     al, 63
    out     dx, al
    mov     al, 63
    sub     al, bl
    and     al, 63
    out     dx, al
    inc     bl
    jnz     1b
    xor     bx, bx
2:  mov     ax, 0x1000              /* BL register, BH value */
    int     0x10
    add     bx, 0x0101
    cmp     bl, 16
    jb      2b
    ret

/* AL: mode */
set_mode:
    push    ax
    mov     si, offset msg_mode
    call    say
    pop     ax
    push    ax
    call    hex8
    pop     ax
    xor     ah, ah
    mov     [mode], ax
    int     0x10
    call    palettes
    xor     ebp, ebp
    mov     ah, 0x0f
    int     0x10
    cmp     al, [mode]
    jne     fail
    ret

main:
    mov     al, 3
    call    set_mode
    mov     ah, 1                   /* no cursor */
    mov     cx, 0x2000
    int     0x10
    mov     ax, 0x1003              /* eight colours and blinking: the numbers have no bit 7 */
    mov     bl, 1
    int     0x10
    mov     ax, 0xb800
    mov     es, ax
    xor     di, di
    mov     ax, 3
    mov     cx, 2000
1:  imul    ax, ax, 25173
    add     ax, 13849
    mov     es:[di], ah
    imul    ax, ax, 25173
    add     ax, 13849
    mov     bl, ah
    and     bl, 0x7f
    mov     es:[di + 1], bl
    add     di, 2
    loop    1b
    mov     ax, 0x0603              /* three lines up between (1, 2) and (20, 70) */
    mov     bh, 0x17
    mov     cx, 0x0102
    mov     dx, 0x1446
    int     0x10
    mov     ah, 2                   /* and a word by the BIOS */
    xor     bh, bh
    mov     dx, 0x1603
    int     0x10
    mov     si, offset msg_word
2:  lodsb
    test    al, al
    jz      3f
    mov     ah, 0x0e
    mov     bx, 7
    int     0x10
    jmp     2b
3:  mov     ax, 0xb800
    mov     es, ax
    mov     cx, 1000
    call    sum
    xor     bx, bx
    mov     ax, SAVED
4:  push    ax                      /* the BIOS's DMA must not reach into the window: by a buffer */
    push    bx
    push    ds
    mov     si, bx
    mov     ax, 0xb800
    mov     ds, ax
    mov     ax, BUFFER
    mov     es, ax
    xor     di, di
    mov     cx, 128
    rep movsd
    pop     ds
    xor     bx, bx
    mov     di, sp
    mov     ax, [di + 2]
    call    write_sector
    pop     bx
    pop     ax
    add     bx, 512
    inc     ax
    cmp     ax, SAVED + 8
    jb      4b
    call    ready

    mov     al, 4
    call    cga
    mov     al, 6
    call    cga
    mov     ax, 0x0d
    mov     cx, 8000
    call    planar
    mov     ax, 0x10
    mov     cx, 28000
    call    planar
    mov     ax, 0x12
    mov     cx, 38400
    call    planar

    mov     al, 0x13
    call    set_mode
    mov     ax, BUFFER
    mov     es, ax
    mov     ax, PICTURE
    mov     dx, 0xa000
5:  xor     bx, bx
    push    es
    mov     di, BUFFER
    mov     es, di
    call    read_sector
    push    ds
    mov     es, dx
    mov     ds, di
    xor     si, si
    xor     di, di
    mov     cx, 128
    rep movsd
    pop     ds
    pop     es
    add     dx, 32
    inc     ax
    cmp     ax, PICTURE + 125
    jb      5b
    mov     ax, 0xa000
    mov     es, ax
    mov     cx, 16000
    call    sum
    call    ready
    call    mode_x

    mov     si, offset vbe_modes
6:  lodsw
    test    ax, ax
    jz      7f
    push    si
    call    vbe
    pop     si
    jmp     6b
7:  mov     al, 3
    call    set_mode
    mov     si, offset msg_done
    call    say
    jmp     stop

cga:
    call    set_mode
    mov     ax, 0xb800
    mov     es, ax
    mov     ax, [mode]
    mov     cx, 0x4000
    call    fill
    mov     cx, 0x1000
    call    sum
    jmp     ready

/* AX mode, CX bytes a plane */
planar:
    mov     [bytes], cx
    call    set_mode
    mov     ax, 0xa000
    mov     es, ax
    call    four_planes
    jmp     ready

four_planes:
    xor     bx, bx
1:  mov     dx, 0x3c4
    mov     ax, 0x0102
    mov     cl, bl
    shl     ah, cl
    out     dx, ax                  /* this plane is written */
    mov     dx, 0x3ce
    mov     al, 4
    mov     ah, bl
    out     dx, ax                  /* and read */
    imul    ax, bx, 257
    add     ax, [mode]
    mov     cx, [bytes]
    call    fill
    mov     cx, [bytes]
    shr     cx, 2
    call    sum
    inc     bx
    cmp     bx, 4
    jb      1b
    ret

/* 320x240 of 256 colours in planes. */
mode_x:
    mov     ax, 0x13
    int     0x10
    call    palettes
    mov     si, offset msg_x
    call    say
    mov     dx, 0x3c4
    mov     ax, 0x0604
    out     dx, ax
    mov     dx, 0x3c2
    mov     al, 0xe3
    out     dx, al
    mov     dx, 0x3d4
    mov     al, 0x11
    out     dx, al
    inc     dx
    in      al, dx
    and     al, 0x7f
    out     dx, al
    dec     dx
    mov     si, offset x_regs
1:  lodsw
    test    ax, ax
    jz      2f
    out     dx, ax
    jmp     1b
2:  mov     word ptr [mode], 0x58
    mov     word ptr [bytes], 19200
    xor     ebp, ebp
    mov     ax, 0xa000
    mov     es, ax
    call    four_planes
    jmp     ready

/* AX: VBE mode, by its banks. */
vbe:
    mov     [mode], ax
    mov     si, offset msg_vbe
    call    say
    mov     ax, [mode]
    call    hex16
    call    space
    mov     ax, BUFFER
    mov     es, ax
    xor     di, di
    mov     ax, 0x4f01
    mov     cx, [mode]
    int     0x10
    cmp     ax, 0x004f
    jne     none
    test    byte ptr es:[0], 1
    jz      none
    mov     ax, es:[0x12]           /* width, height, bytes a line, bits */
    call    hex16
    call    space
    mov     ax, es:[0x14]
    call    hex16
    call    space
    mov     ax, es:[0x10]
    call    hex16
    call    space
    mov     al, es:[0x19]
    call    hex8
    mov     ax, 64
    xor     dx, dx
    div     word ptr es:[4]         /* granules in a window */
    mov     [step], ax
    movzx   eax, word ptr es:[0x10]
    movzx   ecx, word ptr es:[0x14]
    mul     ecx
    add     eax, 0xffff
    shr     eax, 16
    mov     [bytes], ax             /* windows */
    mov     ax, 0x4f02
    mov     bx, [mode]
    int     0x10
    cmp     ax, 0x004f
    jne     fail
    mov     ax, 0x4f03
    int     0x10
    xor     bx, [mode]
    and     bx, 0x1ff
    jnz     fail
    call    palettes
    mov     ax, 0xa000
    mov     es, ax
    xor     si, si
1:  call    bank
    imul    ax, si, 257
    add     ax, [mode]
    xor     cx, cx
    call    fill
    inc     si
    cmp     si, [bytes]
    jb      1b
    xor     ebp, ebp
    xor     si, si
2:  call    bank
    push    si
    mov     cx, 0x4000
    call    sum
    pop     si
    inc     si
    cmp     si, [bytes]
    jb      2b
    jmp     ready
none:
    mov     si, offset msg_none
    jmp     say

/* SI: 64 KiB */
bank:
    pusha
    push    es
    mov     ax, si
    mul     word ptr [step]
    mov     dx, ax
    mov     ax, 0x4f05
    xor     bx, bx
    int     0x10
    cmp     ax, 0x004f
    jne     fail
    pop     es
    popa
    ret

msg_mode: .asciz "\r\nMODE "
msg_x: .asciz "\r\nMODE X"
msg_vbe: .asciz "\r\nVBE "
msg_none: .asciz "NONE\r\n"
msg_sum: .asciz " SUM "
msg_end: .asciz " READY\r\n"
msg_done: .asciz "\r\nDONE\r\n"
msg_word: .asciz "Guesthouse"
x_regs: .word 0x0d06, 0x3e07, 0x4109, 0xea10, 0xac11, 0xdf12, 0x0014, 0xe715, 0x0616, 0xe317, 0
vbe_modes: .word 0x101, 0x110, 0x111, 0x112, 0x115, 0x117, 0x144, 0
mode:   .word 0
bytes:  .word 0
step:   .word 0
    .org PROGRAM * 512
