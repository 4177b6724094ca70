/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * two_cpus_code.S - guest code of two_cpus_test.c: 64-bit snippets, HLT at the end.
 */
#include "tests/cpu/snippet.inc"

/* Each waits until both are there: [R12] counts them. */
.macro together
    lock inc dword ptr [r12]
7:  pause
    cmp dword ptr [r12], 2
    jb 7b
    xor eax, eax
.endm

/* Turn RAX of RCX uses element RAX of the arrays; what was read goes to RDI, for two reads to RSI too. */
.macro turns name
snippet \name, 64
    together
8:  test al, 63                 /* they meet again and again, so that they are at it at the same time */
    jnz 9f
    lock inc dword ptr [r12]
    add r14d, 2
7:  pause
    cmp [r12], r14d
    jb 7b
9:
.endm
.macro turns_end name
    inc eax
    cmp eax, ecx
    jb 8b
    hlt
end \name
.endm

turns k_sb_mfence               /* store one, load the other: both may see nothing, but not with a fence between, */
    mov dword ptr [rbx + rax * 4], 1
    mfence
    mov edx, [rbp + rax * 4]
    mov [rdi + rax * 4], edx
turns_end k_sb_mfence

turns k_sb_xchg                 /* or a locked store, */
    mov edx, 1
    xchg [rbx + rax * 4], edx
    mov edx, [rbp + rax * 4]
    mov [rdi + rax * 4], edx
turns_end k_sb_xchg

turns k_sb_lock                 /* or anything locked */
    mov dword ptr [rbx + rax * 4], 1
    lock or dword ptr [rsp - 8], 0
    mov edx, [rbp + rax * 4]
    mov [rdi + rax * 4], edx
turns_end k_sb_lock

turns k_lb                      /* load one, store the other */
    mov edx, [rbx + rax * 4]
    mov dword ptr [rbp + rax * 4], 1
    mov [rdi + rax * 4], edx
turns_end k_lb

turns k_mp_write
    mov dword ptr [rbx + rax * 4], 1
    mov dword ptr [rbp + rax * 4], 1
turns_end k_mp_write

turns k_mp_read
    mov edx, [rbp + rax * 4]
    mov r8d, [rbx + rax * 4]
    mov [rdi + rax * 4], edx
    mov [rsi + rax * 4], r8d
turns_end k_mp_read

turns k_mp_string               /* the data is written by REP STOS: 4 bytes */
    mov r9d, eax
    mov r10d, ecx
    lea rdi, [rbx + rax * 4]
    mov eax, 0x01010101
    mov ecx, 4
    rep stosb
    mov eax, r9d
    mov ecx, r10d
    mov dword ptr [rbp + rax * 4], 1
turns_end k_mp_string

/* Reads [RBX] and adds to the count at [RBX + 8], until [R13] is set or the page has what it must not
 * have; R15 counts.  An interrupt says that the page has moved. */
snippet k_reader, 64
    together
    sti
1:  mov rdx, [rbx]
    cmp rdx, r14
    je 2f
    inc qword ptr [rbx + 8]
    inc r15
    cmp dword ptr [r13], 0
    je 1b
    hlt
2:  mov dword ptr [r13], 2
    hlt
end k_reader

/* RDI counts. */
snippet k_shot, 64
    invlpg [rbx]
    inc qword ptr [r13 + 8]
    iretq
end k_shot

/* Moves the page between the frames at R8 and R9, by the entry at RSI, RCX times; R14 is poison. */
snippet k_shooter, 64
    together
1:  mov rdx, r9
    or rdx, 7
    mov qword ptr [r9], 0       /* the new one is clean */
    mov qword ptr [r9 + 8], 0
    mov [rsi], rdx
    invlpg [rbx]
    mov rdx, [r13 + 8]
    out 0x59, al
2:  pause
    cmp dword ptr [r13], 0
    jne 3f
    cmp rdx, [r13 + 8]
    je 2b
    mov [r8], r14
    mov [r8 + 8], r14           /* nobody may add to this any more */
    mov edx, 200
4:  pause
    cmp [r8 + 8], r14
    jne 5f
    dec edx
    jnz 4b
    xchg r8, r9
    dec ecx
    jnz 1b
3:  mov dword ptr [r13], 1
    hlt
5:  mov dword ptr [r13], 3
    hlt
end k_shooter

/* The pages from RBX on are written and read while bit 9 + RDX of their entries, from RSI on, changes: RCX times
 * eight pages. */
snippet k_accessed, 64
    together
1:  mov r8, rbx
    mov r9, rsi
    mov r10d, 8
2:  lock btc qword ptr [r9], rdx
    lock and qword ptr [r9], -0x61
    invlpg [r8]
    inc dword ptr [r8 + rdx * 4]
    mov eax, [r8]
    add r8, 0x1000
    add r9, 8
    dec r10d
    jnz 2b
    dec ecx
    jnz 1b
    hlt
end k_accessed

/* Goes to the host again and again, until [R13] is not 0.  No branch backward between, which would look at
 * requests. */
snippet k_knock, 64
1:  .rept 200
    imul eax, eax
    .endr
    out 0x59, al
    cmp dword ptr [r13], 0
    je 1b
    hlt
end k_knock

    .section .note.GNU-stack, "", @progbits
