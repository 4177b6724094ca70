/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address_space_code.S - guest code of address_space_test.c: what carries out the records of a script, for
 * 64-bit and for 32-bit code.
 *
 * A record is 32 bytes: what to do, then its operands.  Accesses, RBX being where to, put what they found
 * at RDI; so does a page fault: 8000h and its error code, 10000h more if CR2 is another address.
 */
#include "tests/cpu/snippet.inc"

.macro row label
    .long \label - 1b
.endm

snippet k_script, 64
    mov r12, rsp
k_script_next:
    mov eax, [rsi]
    mov rbx, [rsi + 8]
    mov rcx, [rsi + 16]
    lea r8, [rsi + 16]
    add rsi, 32
    lea r10, [rip + 1f]
    movsxd rax, [r10 + rax * 4]
    add rax, r10
    jmp rax
1:  row 20f
    row 21f
    row 22f
    row 23f
    row 24f
    row 25f
    row 26f
    row 27f
    row 28f
    row 29f
    row 30f
    row 31f
    row 32f
    row 33f
    row 34f
20: hlt
21: mov cr3, rbx
    jmp k_script_next
22: invlpg [rbx]
    jmp k_script_next
23: invpcid rbx, [r8]
    jmp k_script_next
24: mov [rbx], rcx
    jmp k_script_next
25: mov cr0, rbx
    jmp k_script_next
26: mov cr4, rbx
    jmp k_script_next
27: mov ecx, 0xc0000080
    mov eax, ebx
    xor edx, edx
    wrmsr
    jmp k_script_next
28: out 0x58, al                /* the other vCPU's turn */
    jmp k_script_next
29: mov rax, [rbx]
    jmp 9f
30: stac
    mov rax, [rbx]
    jmp 9f
31: xor eax, eax
    lock xadd [rbx], rax
    jmp 9f
32: call rbx
    jmp 9f
33: push r14                    /* in ring 3, which comes back to k_script_back */
    push r12
    pushfq
    push r15
    push rbx
    iretq
34: push r14                    /* ring 3 reads */
    push r12
    pushfq
    push r15
    push r13
    iretq
    .globl k_script_found
k_script_found:
9:  clac
    mov [rdi], rax
    add rdi, 8
    jmp k_script_next
end k_script

/* The gate of the vector that ring 3 calls; RBP is k_script_found. */
snippet k_script_back, 64
    mov rsp, r12
    jmp rbp
end k_script_back

snippet k_script_fault, 64
    pop rax
    or eax, 0x8000
    mov r9, cr2
    cmp r9, rbx
    je 1f
    or eax, 0x10000
1:  mov rsp, r12
    jmp rbp
end k_script_fault

/* At R13, for ring 3. */
snippet k_script_user, 64
    mov rax, [rbx]
    int 0x80
end k_script_user

/* The same for 32-bit code; its stack is at 20000h. */
snippet k_script_32, 32
k_script_32_next:
    mov eax, [esi]
    mov ebx, [esi + 8]
    mov ecx, [esi + 16]
    mov edx, [esi + 24]
    add esi, 32
    dec eax
    jz 21f
    dec eax
    jz 22f
    dec eax                     /* 3: none */
    dec eax
    jz 24f
    dec eax
    jz 25f
    dec eax
    jz 26f
    dec eax
    jz 27f
    dec eax
    jz 28f
    dec eax
    jz 29f
    dec eax
    jz 30f
    dec eax
    jz 31f
    dec eax
    jz 32f
    dec eax
    jz 33f
    dec eax
    jz 34f
    hlt
21: mov cr3, ebx
    jmp k_script_32_next
22: invlpg [ebx]
    jmp k_script_32_next
24: mov [ebx], ecx              /* an entry of 4 or 8 bytes */
    test edx, edx
    jz k_script_32_next
    mov edx, [esi - 12]         /* the upper half */
    mov [ebx + 4], edx
    jmp k_script_32_next
25: mov cr0, ebx
    jmp k_script_32_next
26: mov cr4, ebx
    jmp k_script_32_next
27: mov ecx, 0xc0000080
    mov eax, ebx
    xor edx, edx
    wrmsr
    jmp k_script_32_next
28: out 0x58, al
    jmp k_script_32_next
29: mov eax, [ebx]
    jmp 9f
30: stac
    mov eax, [ebx]
    jmp 9f
31: xor eax, eax
    lock xadd [ebx], eax
    jmp 9f
32: call ebx
    jmp 9f
33: push 0x23                   /* UDATA | 3 */
    push 0x20000
    pushfd
    push 0x1b                   /* U32 | 3 */
    push ebx
    iretd
34: push 0x23
    push 0x20000
    pushfd
    push 0x1b
    push 0x14100                /* k_script_user_32 */
    iretd
    .globl k_script_32_found
k_script_32_found:
9:  clac
    mov [edi], eax
    mov dword ptr [edi + 4], 0
    add edi, 8
    jmp k_script_32_next
end k_script_32

snippet k_script_back_32, 32
    mov esp, 0x20000
    jmp ebp
end k_script_back_32

snippet k_script_fault_32, 32
    pop eax
    or eax, 0x8000
    mov edx, cr2
    cmp edx, ebx
    je 1f
    or eax, 0x10000
1:  mov esp, 0x20000
    jmp ebp
end k_script_fault_32

snippet k_script_user_32, 32
    mov eax, [ebx]
    int 0x80
end k_script_user_32

    .section .note.GNU-stack, "", @progbits
