/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * core_code.S - guest code of core_test.c: 64-bit snippets, position-independent, HLT at the end.
 */
#include "tests/cpu/snippet.inc"

snippet k_smc_next, 64          /* patches the immediate of the instruction after the store */
    mov ecx, 3
1:  lea rbx, [rip + 2f + 1]
    add byte ptr [rbx], 5
2:  mov eax, 0x10
    add edx, eax
    loop 1b
    hlt
end k_smc_next

snippet k_smc_alias, 64         /* RBX: another linear address of label 2's immediate */
    mov ecx, 3
1:  add byte ptr [rbx], 5
2:  mov eax, 0x10
    add edx, eax
    loop 1b
    hlt
end k_smc_alias

snippet k_smc_aliases, 64       /* RBX: the first of eight addresses of a page with MOV EAX, imm32; RET */
    mov rsi, rbx
    mov ecx, 8
1:  mov byte ptr [rsi + 0x800], 1
    add rsi, 0x1000
    loop 1b
    mov rsi, rbx
    mov ecx, 8
2:  call rbx
    add edx, eax
    add [rsi + 1], cl
    add rsi, 0x1000
    loop 2b
    call rbx
    add edx, eax
    hlt
end k_smc_aliases

snippet k_movs, 64
    rep movsb
    hlt
end k_movs

snippet k_movs_std, 64
    std
    rep movsd
    hlt
end k_movs_std

snippet k_scas, 64
    repne scasb
    hlt
end k_scas

snippet k_scas_std, 64
    std
    repe scasw
    cld
    hlt
end k_scas_std

snippet k_cmps, 64
    repe cmpsb
    hlt
end k_cmps

snippet k_lods, 64
    rep lodsd
    hlt
end k_lods

snippet k_stos, 64
    rep stosq
    hlt
end k_stos

snippet k_crossing, 64          /* to be put so that the imm32 of the MOV lies in the next page */
    mov eax, 0x11111111
    ret
end k_crossing

snippet k_call_patch_call, 64   /* calls RBX, patches 4 bytes at RSI, calls again */
    call rbx
    mov edx, eax
    mov dword ptr [rsi], 0x22222222
    call rbx
    hlt
end k_call_patch_call

snippet k_pushed_code, 64       /* three times: calls RSI, in the stack's page, and changes it by a push of RDI */
    mov ecx, 3
1:  mov rsp, rbx
    push rcx
    pop rcx
    call rsi
    add edx, eax
    lea rsp, [rsi + 9]
    push rdi
    add rdi, 5
    loop 1b
    hlt
end k_pushed_code

snippet k_copied_code, 64       /* three times: copies six bytes from RSI to RDI by a loop, and calls them */
    mov ebp, 3
1:  mov ecx, 6
2:  mov al, [rsi + rcx - 1]
    mov [rdi + rcx - 1], al
    dec rcx
    jnz 2b
    add byte ptr [rsi + 1], 5
    call rdi
    add edx, eax
    dec ebp
    jnz 1b
    hlt
end k_copied_code

snippet k_lock_inc, 64          /* RCX times; RBX: address */
1:  lock inc qword ptr [rbx]
    dec rcx
    jnz 1b
    hlt
end k_lock_inc

snippet k_lock_cmpxchg16b, 64   /* RSI times 128-bit increment at RDI */
1:  mov rax, [rdi]
    mov rdx, [rdi + 8]
2:  mov rbx, rax
    mov rcx, rdx
    add rbx, 1
    adc rcx, 1
    lock cmpxchg16b [rdi]
    jnz 2b
    dec rsi
    jnz 1b
    hlt
end k_lock_cmpxchg16b

snippet k_spin_code, 64         /* calls RBX until it returns other than 0 */
1:  call rbx
    test eax, eax
    jz 1b
    hlt
end k_spin_code

snippet k_zero, 64
    mov eax, 0
    ret
end k_zero

snippet k_patch, 64             /* waits a little, then stores 1 into the imm at RBX */
    mov ecx, 200000
1:  pause
    loop 1b
    mov dword ptr [rbx], 1
    hlt
end k_patch

snippet k_patcher, 64           /* patches the imm at RBX, runs it at RDI; now and then tells at RSI */
1:  inc r8d
    mov [rbx], r8d
    call rdi
    cmp eax, r8d
    jne 3f
    test r8d, 31
    jnz 1b
    mov [rsi], r8d
2:  pause
    cmp [rsi + 64], r8d
    jne 2b
    dec rcx
    jnz 1b
3:  hlt
end k_patcher

snippet k_patched, 64           /* the other side; R10 counts the times that it ran old code */
1:  call rdi
    mov r8d, [rsi]
    cmp r8d, r9d
    je 1b
    mov r9d, r8d
    xor eax, eax
    cpuid
    call rdi
    cmp eax, r8d
    je 2f
    inc r10
2:  mov [rsi + 64], r8d
    dec r11
    jnz 1b
    hlt
end k_patched

snippet k_spin, 64
1:  jmp 1b
end k_spin

snippet k_spin_two, 64          /* the branch back compares first, and is to another block */
1:  jmp 2f
    hlt
2:  xor ecx, ecx
    cmp rax, rbx                /* 5 bytes from the start */
    jne 1b
    hlt
end k_spin_two

snippet k_spin_indirect, 64
    jmp rax
end k_spin_indirect

snippet k_store, 64             /* RAX to [RBX], then HLT */
    mov [rbx], rax
    hlt
end k_store

snippet k_load, 64
    mov rax, [rbx]
    hlt
end k_load

snippet k_across, 64            /* over the end of RBX's page, which has been written and read */
    mov [rbx], rcx
    mov rax, [rbx]
    mov rax, [rbx + 0xffc]
    mov [rbx + 0xffa], rcx
    hlt
end k_across

snippet k_load_twice, 64        /* [RBX], a page table entry at RSI changed, INVLPG, [RBX] again */
    mov rax, [rbx]
    mov [rsi], rdi
    invlpg [rbx]
    mov rdx, [rbx]
    hlt
end k_load_twice

snippet k_large, 64             /* RCX regions of 2 MiB from R9 on; then the same, INVLPG of [R8] */
1:  mov rax, [r9]
    add r9, 0x200000
    dec rcx
    jnz 1b
    mov rax, [rbx]
    mov [rsi], rdi
    invlpg [r8]
    mov rdx, [rbx]
    hlt
end k_large

snippet k_crossing_moves, 64    /* calls RBX; the page table entry at RSI becomes RDI, then R8 */
    mov ecx, 100
1:  call rbx
    add rdx, rax
    cmp ecx, 61
    jne 2f
    mov [rsi], rdi
    invlpg [r9]
2:  cmp ecx, 31
    jne 3f
    mov [rsi], r8
    mov rax, cr3
    mov cr3, rax
3:  dec ecx
    jnz 1b
    hlt
end k_crossing_moves

snippet k_landing, 64           /* a function that leaves to ring 3, which returns to its caller; stack RSI */
    mov ecx, 60
1:  call 3f
2:  mov rdx, [rbp]
    dec ecx
    jnz 1b
    hlt
3:  cmp ecx, 5
    je 4f
    ret
4:  push 0x23
    push rsi
    push 2
    push 0x2b
    lea rax, [rip + 5f]
    push rax
    iretq
5:  lea rax, [rip + 2b]
    push rax
    ret
end k_landing

snippet k_landing_ac, 64        /* AC changes in a function, of known code; [RBP] is a user's */
    mov ecx, 60
    lea r8, [rip + 5f]
    lea r9, [rip + 4f]
1:  stac
    cmp ecx, 5
    cmove r8, r9
    call 3f
    mov rdx, [rbp]
    call 4f
    dec ecx
    jnz 1b
    hlt
3:  jmp r8
4:  clac
    ret
5:  ret
end k_landing_ac

snippet k_code_moves, 64        /* calls RBX and RBP in turn; the entry at RSI becomes RDI, then R8 */
    mov ecx, 100
1:  call rbx
    lea r12, [r12 + r12 * 2]
    add r12, rax
    call rbp
    add rdx, rax
    cmp ecx, 61
    jne 2f
    mov [rsi], rdi
    invlpg [r9]
2:  cmp ecx, 31
    jne 3f
    mov [rsi], r8
    mov rax, cr3
    mov cr3, rax
3:  dec ecx
    jnz 1b
    hlt
end k_code_moves

snippet k_calls_rewritten, 64   /* calls RBX and RBP in turn; the byte at RSI becomes 2 */
    mov ecx, 100
1:  call rbx
    add rdx, rax
    call rbp
    add rdx, rax
    cmp ecx, 61
    jne 2f
    mov byte ptr [rsi], 2
2:  dec ecx
    jnz 1b
    hlt
end k_calls_rewritten

snippet k_landing_moves, 64     /* calls RBP, which calls back: sometimes the entry at RSI changes */
    mov ecx, 100
    lea r13, [rip + 4f]
1:  call rbp
    add rdx, rax
    dec ecx
    jnz 1b
    hlt
4:  test ecx, 1
    jz 2f
    mov [rsi], rdi
    xchg rdi, r8
    invlpg [r9]
2:  ret
end k_landing_moves

snippet k_compat_low, 64        /* RCX and RSP beyond 4 GiB, in 64-bit code; then in 32-bit code */
    mov eax, [rcx]
    push rax
    pop rax
    mov edi, 20
    push 8                      /* K32 */
    lea rbx, [rip + 1f]
    push rbx
    retfq
    .code32
1:  mov edx, [ecx]
    push edx
    pop esi
    add ebp, edx
    add ebp, esi
    mov [ecx + 8], ebp
    dec edi
    jnz 1b
    hlt
    .code64
end k_compat_low

snippet k_scans, 64             /* scans and counts with all flags set, then with none */
    mov r8, 6
1:  mov rax, r8
    and eax, 1
    dec rax
    and eax, 0x8d5
    mov rbx, rax
.macro with_flags insn:vararg
    push rbx
    popfq
    \insn
    pushfq
    pop rcx
    and ecx, 0x8d5
    rol r12, 7
    xor r12, rcx
.endm
    with_flags bsf rdx, rsi
    with_flags bsr rdx, rsi
    with_flags tzcnt rdx, rsi
    with_flags lzcnt rdx, rsi
    with_flags popcnt rdx, rsi
    with_flags bsf rdx, rdi
    with_flags lzcnt edx, edi
    dec r8
    jnz 1b
    hlt
end k_scans

snippet k_invpcid, 64           /* the same with INVPCID of type RCX, its descriptor at R8 */
    mov rax, [rbx]
    mov [rsi], rdi
    invpcid rcx, [r8]
    mov rdx, [rbx]
    hlt
end k_invpcid

snippet k_rdpid, 64
    rdpid rax
    rdtscp
    hlt
end k_rdpid

snippet k_steps, 64
    nop
    mov eax, 1
    mov [rbx], eax
    inc eax
    hlt
end k_steps

snippet k_sti_shadow, 64
    sti
    inc eax
    inc eax
    hlt
end k_sti_shadow

snippet k_popf_opens, 64        /* POPF of RAX, whose frame's page has been read */
    push rax
    push rax
    pop rbx
    popfq
    inc ecx
    inc ecx
    hlt
end k_popf_opens

snippet k_smc_linked, 64        /* a jump that was taken often leads to code that has changed */
    mov ecx, 6
1:  jmp 2f
3:  dec ecx
    cmp ecx, 3
    je 4f
    test ecx, ecx
    jnz 1b
    hlt
4:  mov byte ptr [rip + 2f + 1], 0x10
    jmp 1b
    .org k_smc_linked + 0x100
2:  mov eax, 1
    add edx, eax
    jmp 3b
end k_smc_linked

snippet k_frames, 64            /* functions with frames, the stack 8 bytes further at each call */
1:  mov rsp, rbx
    call 2f
    add rbx, 8
    dec ecx
    jnz 1b
    hlt
2:  push rbp
    mov rbp, rsp
    push r12
    push qword ptr [rbp + 8]
    sub rsp, 0x20
    mov [rsp + 8], rcx
    mov [rbp - 0x20], rbx
    cmp ecx, 5
    adc qword ptr [rsp + 8], 1
    xor rsi, [rbp - 0x10]
    mov r9, [rbp - 0x20]
    mov r10d, 3
    add r10, r9
    add rdi, [rsp + 8]
    add rdi, r10
    lea rdx, [rsp + 0x10]
    add rdi, r9
    xor [rdx + 8], edi
    call 3f
    lea rsp, [rsp + 0x20]
    pop rax
    pop r12
    pop rbp
    ret
3:  add rdi, [rsp + 0x20]
    ret
end k_frames

snippet k_odd_stack, 64         /* RCX times: a push and a pop, the stack a byte further each time */
1:  mov rsp, rbx
    push rbx
    lea rdx, [rdx + rdx * 2]
    mov rsp, rbx
    pop rax
    add rdx, rax
    inc rbx
    loop 1b
    hlt
end k_odd_stack

snippet k_stack_moves, 64       /* another page takes the TLB entry of the stack's, which then moves */
    push rcx
    pop rax
    mov rdx, [rbp]
    mov [rsi], rdi
    invlpg [rsp]
    pop rax
    hlt
end k_stack_moves

snippet k_fields_known, 64      /* fields of a page that has been read before */
    mov rsi, [rbx + 0x40]
    jmp 1f
1:  mov rdx, [rbx]
    mov [rbx + 8], rax
    mov rcx, [rbx + 16]
    hlt
end k_fields_known

snippet k_fields, 64            /* fields by RBX, until there is no page any more */
1:  mov [rbx + 8], eax
    inc dword ptr [rbx + 12]
    add rbx, 4
    cmp rdx, [rbx + 8]
    adc rdx, [rbx]
    mov [rbx - 4], rcx
    mov rsi, [rbx + 0x20]
    inc eax
    loop 1b
    hlt
end k_fields

snippet k_indexed, 64           /* fields by RBX and RDX, vectors among them, until there is no page any more */
1:  mov rax, [rbx + rdx * 8 + 8]
    movaps xmm0, [rbx + rdx * 8]
    paddd xmm1, [rbx + rdx * 8 + 16]
    movups xmm2, [rbx + rdx * 8 + 4]
    movaps [rbx + rdx * 8 + 32], xmm1
    add [rbx + rdx * 4 + 8], rax
    movq [rbx + rdx * 8 + 24], xmm2
    cmp rax, [rbx + rsi * 8]
    adc rdi, rax
    add rdx, 2
    add rsi, 2
    loop 1b
    hlt
end k_indexed

snippet k_misaligned, 64        /* a vector that is at a multiple of 16 for a while */
1:  movups xmm0, [rbx]
    mov [rbx + 16], rcx
    movaps xmm1, [rbx + 8]
    paddd xmm0, xmm1
    movq rax, xmm0
    add rbx, 16
    dec ecx
    jnz 1b
    add rbx, 8
    mov ecx, 2
    jmp 1b
end k_misaligned

snippet k_far_vectors, 64       /* aligned ones whose distance is no multiple of 16 */
    mov [rbx + 64], rcx
    jmp 1f
1:  movaps xmm0, [rbx]
    movaps [rbx + rax + 24], xmm0
    movaps xmm1, [rbx + 40]
    hlt
end k_far_vectors

snippet k_base_converted, 64    /* the base of a group comes out of a vector register */
    mov [rbx + 64], rcx
    jmp 1f
1:  mov rdx, [rbx]
    movsd xmm0, [rbx + 8]
    cvttsd2si rbx, xmm0
    mov rax, [rbx]
    hlt
end k_base_converted

snippet k_first_vector, 64      /* the first vector instruction is behind a group's first access */
    mov [rbx + 64], rcx
    jmp 1f
1:  mov rax, [rbx]
    movups xmm0, [rbx + 16]
    movups [rbx + 32], xmm0
    add rax, [rbx + 40]
    hlt
end k_first_vector

snippet k_pushed_out, 64        /* a page that was read and pushed out of the TLB is written */
    mov rax, [rbx]
    mov rdx, [rsi]
    mov [rbx + 8], rax
    hlt
end k_pushed_out

snippet k_field_moves, 64       /* the page of a group goes between two accesses to it */
    mov rax, [rbx]
    mov [rsi], rdi
    invlpg [rbx]
    mov rdx, [rbx + 8]
    hlt
end k_field_moves

snippet k_turns, 64             /* a loop whose branch's flags are still there when its load faults */
1:  mov rax, [rbx]
    adc rdx, rax
    add rbx, 8
    cmp rcx, rbx
    jne 1b
    hlt
end k_turns

snippet k_run_moves, 64         /* what is at rbx goes when [rdi] is a device's */
1:  mov rdi, [rbp + rcx * 8]
    mov rax, [rdi]
    add rdx, [rbx + rcx * 8]
    inc rcx
    cmp rcx, rsi
    jne 1b
    hlt
end k_run_moves

snippet k_run_rights, 64        /* reads from rbx to rdx with AC and without */
    stac
1:  mov rsi, rbx
2:  add rax, [rsi]
    add rsi, 8
    cmp rsi, rdx
    jne 2b
    clac
    jmp 1b
end k_run_rights

snippet k_run_ring3, 64         /* reads from rbx to rdx in ring 0 and in ring 3: selectors in rsi and rdi */
    push rdi
    push rsp
    pushfq
    push rsi
    lea rcx, [rip + 1f]
    push rcx
    mov rsi, rbx
2:  add rax, [rsi]
    add rsi, 8
    cmp rsi, rdx
    jne 2b
    iretq
1:  mov rsi, rbx
2:  add rax, [rsi]
    add rsi, 8
    cmp rsi, rdx
    jne 2b
    hlt
end k_run_ring3

snippet k_run_stores, 64        /* writes to rdx quadwords from rbx on, for ever */
1:  xor ecx, ecx
2:  mov [rbx + rcx * 8], rax
    add rax, 3
    inc rcx
    cmp rcx, rdx
    jne 2b
    jmp 1b
end k_run_stores

snippet k_run_stays, 64         /* a loop without end that stays in a page */
1:  add rax, [rbx]
    inc rcx
    test rdx, rdx
    jne 1b
    hlt
end k_run_stays

snippet k_turns_dec, 64         /* the same with DEC, and with vector registers */
    stc
1:  movdqu xmm1, [rbx]
    paddd xmm0, xmm1
    mov rax, [rbx + 8]
    lea rbx, [rbx + 8]
    movq rdx, xmm0
    test ecx, 1
    jnz 2f
    cmp ecx, eax
2:  dec ecx
    jnz 1b
    hlt
end k_turns_dec

snippet k_returns, 64           /* returns that aren't to where the call was */
    mov ecx, 40
1:  call 2f
    ud2
    call 3f
    add rdx, 1
    dec ecx
    jnz 1b
    mov ecx, 3000
    call 4f
    hlt
2:  add qword ptr [rsp], 2      /* skips UD2 */
    inc rax
    ret
3:  mov r10, [rsp]
    mov [rsp + 8], r10          /* returns to there twice, the second time from here */
    add rsp, 8
    sub rsp, 8
    ret
4:  dec ecx                     /* 3000 deep */
    jz 5f
    call 4b
5:  inc rbx
    ret
end k_returns

snippet k_flags, 64             /* leaves the flags of an addition that carries and overflows */
    mov al, 0x80
    add al, 0x80
    pushfq
    pop rdx
    mov al, 0x7f
    inc al
    pushfq
    pop rbx
    hlt
end k_flags

    .section .note.GNU-stack, "", @progbits
