/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resume_live.S - guest code of resume_test.c: 64-bit, in ring 3, at 0x10000.  All x87, MMX's
 * place, SSE and (unless the byte at 0x3fff8 has bit 2) AVX registers are live over each mark and through
 * a long loop, which is left and taken up anywhere.  It never ends by itself: mark 8 is the end.
 */
    .intel_syntax noprefix
    .section .rodata
    .globl  resume_live, resume_live_end
    .code64
DATA = 0x40000
LACKS = 0x3fff8
LACKS_AVX = 4
LOOPS = 20000

.macro mark n
    mov     r15, rax
    mov     al, \n
    out     0x80, al
    mov     rax, r15
.endm

.macro each what, regs:vararg
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    \what \n
    .endr
.endm
.macro fill_xmm n
    rol     rbx, 5
    add     rbx, \n + 1
    movq    xmm\n, rbx
    pshufd  xmm\n, xmm\n, 0x14 + \n
    movdqu  [DATA + 16 * \n], xmm\n
.endm
.macro fill_upper n
    vinsertf128 ymm\n, ymm\n, [DATA + 240 - 16 * \n], 1
.endm
.macro store_xmm n
    movdqu  [DATA + 0x400 + 16 * \n], xmm\n
.endm
.macro store_ymm n
    vmovups [DATA + 0x600 + 32 * \n], ymm\n
.endm
.macro store_cleared n
    vmovups [DATA + 0x800 + 32 * \n], ymm\n
.endm

resume_live:
    mov     rsp, 0x30000
    mov     rbx, 0x243f6a8885a308d3
    fninit
    fldpi
    fldl2e
    fld1
    each    fill_xmm
    test    byte ptr [LACKS], LACKS_AVX
    jnz     1f
    each    fill_upper
1:  stc
    mark    1

    adc     rbx, 0
    std
    mark    2

    pushfq                      /* DF went through the switch */
    pop     r8
    and     r8d, 0xcd5          /* not IOPL */
    cld
    mov     r13d, LOOPS
2:  fxch    st(1)
    fsqrt
    fadd    st(0), st(2)
    fxch    st(2)
    pxor    xmm0, xmm1
    paddd   xmm1, xmm2
    pshufd  xmm2, xmm0, 0x39
    cvtdq2ps xmm3, xmm1
    cvtdq2ps xmm4, xmm2
    addps   xmm3, xmm4
    test    byte ptr [LACKS], LACKS_AVX
    jnz     3f
    vxorps  ymm6, ymm6, ymm7
    vperm2f128 ymm7, ymm6, ymm8, 0x21
    vshufps ymm8, ymm7, ymm6, 0x93
    vxorps  ymm15, ymm15, ymm8
3:  mov     esi, DATA + 0x100
    mov     edi, DATA + 0xf90   /* across a page's end */
    mov     ecx, 0xe0
    rep movsb
    mov     [rdi], rbx
    imul    rbx, rbx, 0x5851
    rcl     rbx, 9
    push    rbx
    call    4f
    pop     rdx
    mov     rax, rbx
    or      ecx, 0x10001
    xor     edx, edx
    div     rcx
    xor     rbx, rdx
    lock xadd [DATA + 0x180], rbx
    dec     r13d
    jnz     2b
    mark    3

    fstp    tbyte ptr [DATA + 0x300]
    fnstsw  [DATA + 0x310]
    fnstcw  [DATA + 0x312]
    mark    4

    fstp    tbyte ptr [DATA + 0x320]
    fstp    tbyte ptr [DATA + 0x330]
    stmxcsr [DATA + 0x340]
    each    store_xmm
    mark    5

    test    byte ptr [LACKS], LACKS_AVX
    jnz     5f
    each    store_ymm
    vzeroupper
5:  mark    6

    test    byte ptr [LACKS], LACKS_AVX
    jnz     6f
    each    store_cleared
6:  mark    7

    mov     r9, rbx
    mark    8
7:  jmp     7b

4:  xor     [rsp + 8], rcx
    bswap   rbx
    ret
resume_live_end:
    .section .note.GNU-stack, "", @progbits
