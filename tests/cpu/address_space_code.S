/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address_space_code.S - guest code of address_space_test.c.
 */
#include "tests/cpu/snippet.inc"

/*
 * Carries out the records at RSI, 32 bytes each: what to do, then its operands.  Reads and calls put what
 * they found at RDI.
 */
snippet k_script, 64
    mov r12, rsp
1:  mov rax, [rsi]
    mov rbx, [rsi + 8]
    mov rcx, [rsi + 16]
    lea r8, [rsi + 16]
    add rsi, 32
    dec eax
    jz 2f
    dec eax
    jz 3f
    dec eax
    jz 4f
    dec eax
    jz 5f
    dec eax
    jz 6f
    dec eax
    jz 7f
    dec eax
    jz 8f
    hlt
2:  mov cr3, rbx                /* 1 */
    jmp 1b
3:  invlpg [rbx]                /* 2 */
    jmp 1b
4:  invpcid rbx, [r8]           /* 3 */
    jmp 1b
5:  mov [rbx], rcx              /* 4 */
    jmp 1b
6:  mov rax, [rbx]              /* 5 */
    jmp 9f
7:  call rbx                    /* 6 */
    jmp 9f
8:  push r14                    /* 7: in ring 3, which comes back to k_script_back */
    push r12
    pushfq
    push r15
    push rbx
    iretq
    .globl k_script_found
k_script_found:
9:  mov [rdi], rax
    add rdi, 8
    jmp 1b
end k_script

/* The gate of the vector that ring 3 calls; RBP is k_script_found. */
snippet k_script_back, 64
    mov rsp, r12
    jmp rbp
end k_script_back

    .section .note.GNU-stack, "", @progbits
