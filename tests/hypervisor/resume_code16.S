/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resume_code16.S - the 16-bit and the 32-bit guest of resume_test.c, each at 0x10000; OUT to port 80h says
 * how far it is, HLT ends it.
 */
    .intel_syntax noprefix
    .section .rodata
    .globl  resume_code16, resume_code16_end, resume_code32, resume_code32_end
LACKS = 0x3fff8                 /* as in resume_code.S; 1: no ring 3 */

.macro mark n
    push    ax
    mov     al, \n
    out     0x80, al
    pop     ax
.endm

/* Real mode, CS 1000h; data at DS 4000h, interrupt table at 3000h. */
    .code16
resume_code16:
    mov     ax, 0x2000
    mov     ss, ax
    mov     sp, 0x8000
    mov     ax, 0x4000
    mov     ds, ax
    mov     ax, 0x4100
    mov     es, ax
    mov     eax, 0x12345678
    mov     ebx, 0x9abcdef0
    mov     esi, 0xdead0000     /* upper halves that 16-bit code does not touch */
    mov     edi, 0xbeef0000
    mov     ebp, 0xcafe1234
    mov     cx, 20
1:  imul    eax, ebx
    adc     ebx, eax
    rol     ebx, 5
    loop    1b
    stc
    mark    1

    sbb     eax, ebx            /* the carry went through the switch */
    mov     [0], eax
    lidt    cs:[idtr - resume_code16]
    int     0x40
    mark    2

    mov     word ptr [2], 0x55aa
    mov     si, 0x200
    mov     di, 0x300
    mov     cx, 0x80
    std                         /* the direction, too */
    mark    3

    rep movsb
    cld
    fninit
    mov     word ptr [8], 0x0c7f
    fldcw   [8]
    fldpi
    fldl2e
    fld1
    mark    4

    faddp
    fsqrt
    fstp    tbyte ptr [16]
    fnstsw  [32]
    lgdt    cs:[gdtr - resume_code16]
    mov     edx, cr0
    or      dl, 1
    mov     cr0, edx
    mov     cx, 0x10
    mov     fs, cx              /* a limit of 4 GiB that stays */
    and     dl, 0xfe
    mov     cr0, edx
    mov     edx, 0x100010
    mark    5

    mov     dword ptr fs:[edx], 0xa5a55a5a
    mov     ecx, fs:[edx]
    mov     [36], ecx
    mov     cx, 0x4123
    mov     gs, cx
    mov     word ptr gs:[6], 0x7788
    pushad
    mark    6

    popad
    pushfd
    pop     dword ptr [40]
    sidt    [48]
    push    cs                  /* a far return into another segment of the same place */
    push    offset again - resume_code16
    retf
again:
    mov     dx, cs
    mark    7

    mov     [56], dx
    int     0x40
    sti
    mark    8
    hlt

    .p2align 3
idtr:
    .word   0x3ff
    .long   0x3000
gdtr:
    .word   0x17
    .long   0x1000

    .org    resume_code16 + 0x400       /* vector 40h */
    inc     si
    iret
resume_code16_end:

/* Protected mode with paging and an LDT; linear 400000h is physical 50000h. */
    .code32
    .p2align 4
DATA = 0x40000
ALIAS = 0x400000
resume_code32:
    mov     esp, 0x30000
    mov     eax, 0x12345678
    mov     ebx, 0x9abcdef0
    mov     ecx, 20
1:  imul    eax, ebx
    adc     ebx, eax
    rol     ebx, 5
    loop    1b
    stc
    mark    1

    sbb     eax, ebx
    mov     [ALIAS + 0x10], eax
    mov     cx, 0x18
    lldt    cx
    mov     cx, 0x04            /* of the LDT, base 40100h */
    mov     gs, cx
    mark    2

    mov     gs:[8], ebx
    fninit
    mov     word ptr [DATA], 0x0c7f
    fldcw   [DATA]
    fldpi
    fldl2e
    fld1
    mov     dword ptr [DATA + 4], 0x7f80
    ldmxcsr [DATA + 4]
    movd    xmm2, ebx
    pshufd  xmm7, xmm2, 0x1b
    mark    3

    faddp
    fsqrt
    fstp    tbyte ptr [DATA + 16]
    fnstsw  [DATA + 32]
    cvtsi2sd xmm1, ebx
    movupd  [DATA + 48], xmm1
    movups  [DATA + 64], xmm7
    stmxcsr [DATA + 36]
    mov     ecx, 0x174
    mov     eax, 8
    xor     edx, edx
    wrmsr
    mov     ecx, 0x176
    mov     eax, 0x77777
    wrmsr
    mark    4

    mov     ecx, 0x176
    rdmsr
    mov     [DATA + 80], eax
    mov     edx, [0x800000]     /* not mapped: CR2, an error code */
    mark    5

    mov     eax, cr2
    mov     [DATA + 84], eax
    mov     esi, DATA
    mov     edi, ALIAS + 0x200
    mov     ecx, 64
    std
    cld
    rep movsd
    mov     eax, cr3            /* a page by another name from here on */
    mov     dword ptr [0x7000], 0x51007
    mov     cr3, eax
    test    byte ptr [LACKS], 1
    jnz     no_user
    push    0x23
    push    0x2c000
    push    0x3002
    push    0x2b
    push    0x10000 + (user - resume_code32)
    iretd
user:
    mov     esi, 0x1234
    mark    6                   /* IOPL 3 */
    lea     esi, [esi + esi*4]
    int     0x80
    hlt                         /* never */
no_user:
    mark    6
    mov     esi, 0x1234 * 5
kernel_again:
    mov     cx, 0x10            /* going to ring 3 has taken them */
    mov     ds, cx
    mov     es, cx
    mov     dword ptr [ALIAS + 0x20], 0x13572468
    mark    7

    sidt    [DATA + 128]
    sgdt    [DATA + 136]
    sldt    [DATA + 144]
    str     [DATA + 146]
    pushfd
    pop     [DATA + 148]
    pushad
    mark    8
    hlt
    .org    resume_code32 + 0x800
    pop     edx                 /* #PF: over the 6 bytes of MOV */
    add     dword ptr [esp], 6
    iretd
    .org    resume_code32 + 0x840
    jmp     kernel_again        /* int 80h */
resume_code32_end:

    .section .note.GNU-stack, "", @progbits
