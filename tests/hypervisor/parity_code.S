/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parity_code.S - guest code of parity_test.c: 32-bit, flat, at 0x10000 with an IDT of the test's.  Two
 * programs that write down what CPUID says, and what RDMSR and WRMSR do; HLT ends each.
 */
    .intel_syntax noprefix
    .section .rodata
    .globl  parity_code, parity_code_end
    .code32
CODE    = 0x10000
VARS    = 0x12000               /* ORIG 0, INDEX 8, COUNT 12, RESUME 16, one write beforehand 20,
                                   answers of this MSR 32 */
TABLE   = 0x13000               /* first and count, until count is 0 */
VALUES  = 0x14000               /* count, then 8 bytes each */
RESULTS = 0x200000
ENOUGH  = 5                     /* values are left when no access has been answered */

.macro at_fault label
    mov     dword ptr [VARS + 16], CODE + (\label - parity_code)
.endm

parity_code:                    /* +0: MSRs.  A record: read, then written and read for each value */
    mov     edi, RESULTS
    mov     esi, TABLE
    mov     ecx, [VARS + 20]    /* index, eax, edx */
    jecxz   next_range
    mov     eax, [VARS + 24]
    mov     edx, [VARS + 28]
    wrmsr
next_range:
    mov     eax, [esi + 4]
    mov     [VARS + 12], eax
    test    eax, eax
    jz      done
    mov     eax, [esi]
    mov     [VARS + 8], eax
    add     esi, 8
next_msr:
    mov     dword ptr [VARS + 32], 0
    call    read
    mov     [VARS], eax
    mov     [VARS + 4], edx
    mov     ebp, [VALUES]
    mov     ebx, VALUES + 4
next_value:
    mov     eax, [ebx]
    mov     edx, [ebx + 4]
    call    write
    call    read
    add     ebx, 8
    dec     ebp
    jz      values_done
    cmp     ebp, ENOUGH
    jne     next_value
    cmp     dword ptr [VARS + 32], 0
    jne     next_value
    add     edi, 16 * ENOUGH
values_done:
    mov     eax, [VARS]
    mov     edx, [VARS + 4]
    call    write
    sub     edi, 4              /* that one is not noted */
    inc     dword ptr [VARS + 8]
    dec     dword ptr [VARS + 12]
    jnz     next_msr
    jmp     next_range
done:
    hlt

read:                           /* 12 bytes: fault, eax, edx */
    at_fault 1f
    mov     dword ptr [edi], 0
    mov     ecx, [VARS + 8]
    xor     eax, eax
    xor     edx, edx
    rdmsr
    inc     dword ptr [VARS + 32]
1:  mov     [edi + 4], eax
    mov     [edi + 8], edx
    add     edi, 12
    ret

write:                          /* edx:eax; 4 bytes: fault */
    at_fault 1f
    mov     dword ptr [edi], 0
    mov     ecx, [VARS + 8]
    wrmsr
    inc     dword ptr [VARS + 32]
1:  add     edi, 4
    ret

    .org    0x400               /* #GP: an error code, EIP, CS, EFLAGS */
    add     esp, 16
    mov     dword ptr [edi], 13
    xor     eax, eax
    xor     edx, edx
    jmp     [VARS + 16]

    .org    0x600               /* CPUID: the leaves of the table, with as many subleaves as VALUES says */
    mov     edi, RESULTS
    mov     esi, TABLE
    test    dword ptr [VARS + 20], 1
    jz      next_leaves
    mov     eax, cr4            /* OSXSAVE, and all of XCR0 but x87 off */
    or      eax, 0x40000
    mov     cr4, eax
    mov     eax, 1
    xor     edx, edx
    xor     ecx, ecx
    xsetbv
next_leaves:
    mov     eax, [esi + 4]
    mov     [VARS + 12], eax
    test    eax, eax
    jz      done
    mov     eax, [esi]
    mov     [VARS + 8], eax
    add     esi, 8
next_leaf:
    xor     ebp, ebp
next_sub:
    mov     eax, [VARS + 8]
    mov     ecx, ebp
    cpuid
    mov     [edi], eax
    mov     [edi + 4], ebx
    mov     [edi + 8], ecx
    mov     [edi + 12], edx
    add     edi, 16
    inc     ebp
    cmp     ebp, [VALUES]
    jb      next_sub
    inc     dword ptr [VARS + 8]
    dec     dword ptr [VARS + 12]
    jnz     next_leaf
    jmp     next_leaves
parity_code_end:

    .section .note.GNU-stack, "", @progbits
