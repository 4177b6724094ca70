/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resume_code.S - guest code of resume_test.c: 64-bit, at 0x10000 with an IDT and page tables of the
 * test's; OUT to port 80h says how far it is, HLT ends it.  Uses all that a saved vCPU has to keep.
 */
    .intel_syntax noprefix
    .section .rodata
    .globl  resume_code, resume_code_end
    .code64
DATA = 0x40000

.macro mark n
    mov     r15, rax
    mov     al, \n
    out     0x80, al
    mov     rax, r15
.endm

resume_code:
    mov     rsp, 0x30000
    mov     rax, 0x0123456789abcdef
    mov     rbx, 0xfedcba9876543210
    mov     rcx, 20
1:  imul    rax, rbx
    add     rax, rcx
    adc     rbx, rax
    rol     rbx, 7
    loop    1b
    stc
    mark    1

    sbb     rax, rbx            /* the carry went through the switch */
    mov     [DATA], rax
    fninit                      /* x87 with a full stack and a changed control word */
    mov     dword ptr [DATA + 8], 0x0c7f
    fldcw   [DATA + 8]
    fldpi
    fldl2e
    fldlg2
    fld1
    fld1
    faddp
    fsqrt
    mark    2

    fmulp
    fyl2x
    fstp    tbyte ptr [DATA + 16]
    fnstsw  ax
    mov     [DATA + 32], ax
    movq    xmm0, rbx
    mov     rdx, 0x4008000000000000
    movq    xmm15, rdx
    cvtsi2sd xmm3, rcx
    mov     dword ptr [DATA + 36], 0x7f80       /* MXCSR: toward zero */
    ldmxcsr [DATA + 36]
    pshufd  xmm1, xmm0, 0x1b
    mark    3

    divpd   xmm15, xmm15
    movdqa  [DATA + 48], xmm1
    movapd  [DATA + 64], xmm15
    cvtsd2si r8, xmm3
    stmxcsr [DATA + 40]
    mov     ecx, 0xc0000101     /* segment bases and MSRs */
    mov     eax, 0x12345000
    xor     edx, edx
    wrmsr
    mov     ecx, 0xc0000102
    mov     eax, DATA
    wrmsr
    mov     ecx, 0xc0000081
    mov     edx, 0x00180008
    mov     eax, 0x77
    wrmsr
    mov     ecx, 0xc0000082
    mov     eax, 0x5550000
    xor     edx, edx
    wrmsr
    mov     ecx, 0xc0000084
    mov     eax, 0x4700
    wrmsr
    mov     ecx, 0x174
    mov     eax, 8
    wrmsr
    mov     ecx, 0x277
    mov     eax, 0x00070106
    mov     edx, 0x00070406
    wrmsr
    mark    4

    swapgs                      /* KERNEL_GS_BASE of before the switch */
    mov     r9, gs:[0]
    swapgs
    mov     ecx, 0xc0000081
    rdmsr
    mov     r10d, edx
    mov     ecx, 0x277
    rdmsr
    mov     r11d, eax
    mov     rax, 0x40000        /* debug registers, disabled and enabled */
    mov     dr0, rax
    mov     rax, 0x55550
    mov     dr3, rax
    mov     eax, 0xd0602        /* DR0: writes of 4 bytes */
    mov     r14d, 0x400
    test    byte ptr [DATA - 8], 2      /* set by the test where that can't be had */
    cmovnz  eax, r14d
    mov     dr7, rax
    mark    5

    mov     dword ptr [DATA], 5 /* #DB after this one; its handler counts in r12 */
    xor     eax, eax
    mov     dr7, rax
    mov     rax, dr6
    mov     r13, rax
    mov     rax, dr3
    add     r13, rax
    int3                        /* handled, too */
    mov     rdi, 0x180000       /* not mapped: CR2, an error code */
    mov     rdx, [rdi]
    mark    6

    mov     rax, cr2
    mov     [DATA + 96], rax
    lea     rsi, [DATA]
    lea     rdi, [DATA + 0x1000]
    mov     ecx, 600
    cld
    rep movsb
    test    byte ptr [DATA - 8], 1      /* ring 3, likewise */
    jnz     no_user
                                /* user mode: an interrupt goes through the TSS */
    push    0x23
    push    0x2c000
    push    0x3002
    push    0x2b
    lea     rax, [rip + user]
    push    rax
    iretq
user:
    mov     r14d, 0x1234
    mark    7                   /* IOPL 3 */
    lea     r14, [r14 + r14*4]
    int     0x80
    hlt                         /* never */
no_user:
    mark    7
    mov     r14d, 0x1234 * 5
kernel_again:
    sidt    [DATA + 128]
    sgdt    [DATA + 144]
    str     ax
    mov     [DATA + 160], ax
    pushfq
    pop     qword ptr [DATA + 168]
    mark    8
    hlt
    .org    0x800               /* handlers; the gates name them */
    inc     r12                 /* +0x800: #DB */
    iretq
    .org    0x840
    add     r12, 0x100          /* #BP */
    iretq
    .org    0x880
    pop     rdx                 /* #PF: over the 3 bytes of MOV */
    add     qword ptr [rsp], 3
    iretq
    .org    0x8c0
    jmp     kernel_again        /* int 80h */
resume_code_end:

    .section .note.GNU-stack, "", @progbits
