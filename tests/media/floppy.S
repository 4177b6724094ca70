/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * floppy.S - a real-mode program of three sectors that boots from a floppy and uses it through INT 13h
 * only, as DOS does: sums all sectors, writes, verifies and formats tracks, and waits for a change of
 * the medium.  Says what it finds on COM1.  Bytes 3-5 of the image are sectors, heads, cylinders;
 * byte 6 is the drive; byte 7: 1 = only read.
 */
    .code16
    .intel_syntax noprefix
    .globl _start
_start:
    jmp     begin
    .org 3
sectors: .byte 18
heads:  .byte 2
tracks: .byte 80
drive:  .byte 0
ro:     .byte 0
buffer = 0x2000                 /* segment; a track of 48 sectors fits, and no 64 KiB are crossed */

begin:
    cli
    xor     ax, ax
    mov     ds, ax
    mov     es, ax
    mov     ss, ax
    mov     sp, 0x7c00
    sti
    cmp     dl, drive
    je      1f
    mov     si, offset msg_drive
    call    say
1:  mov     ax, 0x0202          /* the rest of this program */
    mov     bx, 0x7e00
    mov     cx, 2
    xor     dx, dx
    int     0x13
    jc      fail
    jmp     main

fail:                           /* AH: status */
    push    ax
    mov     si, offset msg_fail
    call    say
    pop     ax
    mov     al, ah
    call    hex8
    mov     si, offset msg_end
    call    say
stop:
    hlt
    jmp     stop

#include "serial.inc"

msg_drive: .asciz "WRONG DRIVE\r\n"
msg_fail: .asciz "FAILED "
msg_end: .asciz "\r\n"
    .org 510
    .word 0xaa55

/* AH function: a whole track DH, CH to or from the buffer; CF as INT 13h leaves it. */
track:
    push    es
    mov     al, sectors
    mov     bx, buffer
    mov     es, bx
    xor     bx, bx
    mov     cl, 1
    mov     dl, drive
    int     0x13
    pop     es
    ret

/* The sum of all dwords of the disk in EBP; a changed medium is tried again. */
sum:
    xor     ebp, ebp
    xor     cx, cx
1:  xor     dx, dx
2:  mov     si, 3
3:  push    cx
    push    dx
    mov     ah, 2
    call    track
    pop     dx
    pop     cx
    jnc     4f
    push    ax
    xor     ah, ah
    push    dx
    mov     dl, drive
    int     0x13
    pop     dx
    pop     ax
    dec     si
    jnz     3b
    stc
    ret
4:  push    ds
    push    cx
    movzx   cx, byte ptr sectors
    shl     cx, 7
    mov     ax, buffer
    mov     ds, ax
    xor     si, si
    cld
5:  lodsd
    add     ebp, eax
    rol     ebp, 1
    loop    5b
    pop     cx
    pop     ds
    inc     dh
    cmp     dh, heads
    jb      2b
    inc     ch
    cmp     ch, tracks
    jb      1b
    clc
    ret

main:
    mov     si, offset msg_geometry
    call    say
    mov     ah, 8
    mov     dl, drive
    push    es
    int     0x13
    pop     es
    jc      fail
    mov     al, bl              /* type, last cylinder, sectors, last head */
    call    hex8
    mov     al, ch
    call    hex8
    mov     al, cl
    call    hex8
    mov     al, dh
    call    hex8
    call    sum
    jc      fail
    mov     si, offset msg_sum
    call    say
    call    hex32
    cmp     byte ptr ro, 0
    jne     change

    mov     si, offset msg_write
    call    say
    call    fill
    mov     ch, tracks
    dec     ch
    mov     dh, heads
    dec     dh
    push    cx
    push    dx
    mov     ah, 3
    call    track
    pop     dx
    pop     cx
    jc      fail
    push    cx
    push    dx
    mov     ah, 4               /* verify */
    call    track
    pop     dx
    pop     cx
    jc      fail
    push    cx
    push    dx
    call    wipe
    pop     dx
    pop     cx
    mov     ah, 2
    call    track
    jc      fail
    call    compare
    jne     differs

    mov     si, offset msg_format
    call    say
    call    ids
    mov     ch, tracks
    sub     ch, 2
    xor     dh, dh
    push    es
    mov     ax, buffer
    mov     es, ax
    xor     bx, bx
    mov     ah, 5
    mov     al, sectors
    mov     dl, drive
    int     0x13
    pop     es
    jc      fail
    mov     si, offset msg_ok
    call    say

change:                         /* until there is another disk, whose byte 8 is not ours */
    mov     si, offset msg_change
    call    say
    mov     di, 0
1:  hlt
    mov     ax, 0x0201
    mov     bx, buffer
    mov     es, bx
    xor     bx, bx
    mov     cx, 1
    xor     dh, dh
    mov     dl, drive
    int     0x13
    jnc     2f
    mov     di, ax              /* it went, or changed */
    xor     ah, ah
    mov     dl, drive
    int     0x13
    jmp     1b
2:  mov     eax, es:[0]
    cmp     eax, dword ptr ds:0x7c00
    je      1b
    mov     si, offset msg_new
    call    say
    mov     ax, di
    mov     al, ah
    call    hex8
    xor     ax, ax
    mov     es, ax
    call    sum
    jc      fail
    mov     si, offset msg_sum
    call    say
    call    hex32
    mov     si, offset msg_end
    call    say
    jmp     stop

differs:
    mov     si, offset msg_differs
    call    say
    jmp     stop

fill:                           /* a pattern into the buffer */
    push    es
    mov     ax, buffer
    mov     es, ax
    xor     di, di
    movzx   cx, byte ptr sectors
    shl     cx, 9
    mov     al, 3
1:  stosb
    add     al, 7
    loop    1b
    pop     es
    ret
wipe:
    push    es
    mov     ax, buffer
    mov     es, ax
    xor     di, di
    movzx   cx, byte ptr sectors
    shl     cx, 9
    xor     al, al
    rep stosb
    pop     es
    ret
compare:
    push    ds
    movzx   cx, byte ptr sectors
    shl     cx, 9
    mov     ax, buffer
    mov     ds, ax
    xor     si, si
    mov     ah, 3
1:  lodsb
    cmp     al, ah
    jne     2f
    add     ah, 7
    dec     cx
    jnz     1b
2:  pop     ds
    ret
ids:                            /* C, H, R, N of each sector, for formatting */
    push    es
    mov     ax, buffer
    mov     es, ax
    xor     di, di
    mov     cl, 1
1:  mov     al, tracks
    sub     al, 2
    stosb
    xor     al, al
    stosb
    mov     al, cl
    stosb
    mov     al, 2
    stosb
    inc     cl
    cmp     cl, sectors
    jbe     1b
    pop     es
    ret

msg_geometry: .asciz "GEOMETRY "
msg_sum: .asciz "\r\nSUM "
msg_write: .asciz "\r\nWRITE\r\n"
msg_format: .asciz "FORMAT\r\n"
msg_ok: .asciz "OK\r\n"
msg_change: .asciz "\r\nCHANGE\r\n"
msg_new: .asciz "NEW "
msg_differs: .asciz "DIFFERS\r\n"
    .org 1536
