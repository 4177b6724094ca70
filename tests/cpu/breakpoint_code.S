/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * breakpoint_code.S - guest code of breakpoint_test.c: loops of ECX turns, and what #DB does.
 */
#include "tests/cpu/snippet.inc"

.macro mark name
    .globl \name
\name:
.endm

/* RIP, DR6, RCX and RFLAGS go to the log, whose count is before it. */
snippet bp_handler, 64
    push rax
    push rbx
    mov rbx, ds:[0x4fff8]
    inc qword ptr ds:[0x4fff8]
    and ebx, 1023
    shl ebx, 5
    mov rax, [rsp + 16]
    mov [rbx + 0x50000], rax
    mov rax, dr6
    mov [rbx + 0x50008], rax
    mov [rbx + 0x50010], rcx
    mov rax, [rsp + 32]
    mov [rbx + 0x50018], rax
    mov rbx, [rsp + 16]
    mov rax, dr0                /* at a breakpoint: past it with RF */
    cmp rax, rbx
    je 1f
    mov rax, dr1
    cmp rax, rbx
    je 1f
    mov rax, dr2
    cmp rax, rbx
    je 1f
    mov rax, dr3
    cmp rax, rbx
    jne 2f
1:  or dword ptr [rsp + 32], 0x10000
2:  xor eax, eax
    mov dr6, rax
    pop rbx
    pop rax
    iretq
end bp_handler

/* In turn EDI something else is done, too. */
snippet bp_loop, 64
1:  inc rax
    cmp ecx, edi
    je 3f
2:  dec ecx
    jnz 1b
    hlt
3:
mark bp_loop_rare
    inc rdx
    jmp 2b
end bp_loop

/* DR7 becomes R8 in turn EDI, and R9 in turn ESI. */
snippet bp_arm, 64
1:  inc rax
mark bp_arm_target
    inc rdx
    cmp ecx, edi
    jne 2f
    mov dr7, r8
2:  cmp ecx, esi
    jne 3f
    mov dr7, r9
3:  dec ecx
    jnz 1b
    hlt
end bp_arm

/* The same, for what [RBX] is written by. */
snippet bp_arm_data, 64
1:  mov [rbx], rcx
mark bp_arm_data_stored
    add rax, [rbx]
    cmp ecx, edi
    jne 2f
    mov dr7, r8
2:  cmp ecx, esi
    jne 3f
    mov dr7, r9
3:  dec ecx
    jnz 1b
    hlt
end bp_arm_data

/* As tasks with and without a breakpoint take turns. */
snippet bp_switch, 64
1:  mov dr7, r8
    call 2f
    mov dr7, r9
    call 2f
    dec ecx
    jnz 1b
    hlt
2:  inc rax
mark bp_switch_target
    inc rdx
    ret
end bp_switch

/* A local variable at [rsp + 8] is written in turn EDI; 64 bytes below where RSP was the count is pushed. */
snippet bp_stack, 64
    sub rsp, 64
1:  push rcx
mark bp_stack_pushed
    call 4f
    pop rdx
    add rax, rdx
    cmp ecx, edi
    jne 2f
    mov [rsp + 8], rcx
2:
mark bp_stack_stored
    dec ecx
    jnz 1b
    hlt
4:
mark bp_stack_called
    mov rbx, [rsp + 8]
    add rax, rbx
    ret
end bp_stack

snippet bp_calls, 64
1:  call r10
    call r11
    dec ecx
    jnz 1b
    hlt
end bp_calls

snippet bp_called, 64
    inc rax
    ret
end bp_called

snippet bp_crossing, 64
1:  inc rax
mark bp_crossing_target
    add rdx, 0x12345678
    dec ecx
    jnz 1b
    hlt
end bp_crossing

/* Reads, writes and both of 4 bytes at RBX + 4. */
snippet bp_accesses, 64
1:  mov eax, [rbx + 4]
mark bp_accesses_read
    mov [rbx + 4], eax
mark bp_accesses_written
    add dword ptr [rbx + 4], 1
mark bp_accesses_both
    movups xmm0, [rbx]
    dec ecx
    jnz 1b
    hlt
end bp_accesses

snippet bp_ports, 64
1:  out 0x80, al
mark bp_ports_out
    in eax, 0x7e
mark bp_ports_in
    out 0x90, al
    dec ecx
    jnz 1b
    hlt
end bp_ports

snippet bp_outs, 64
    rep outsb
    hlt
end bp_outs

snippet bp_shadow, 64
1:  mov ss, ebx
mark bp_shadow_first
    inc rax
mark bp_shadow_second
    inc rdx
    dec ecx
    jnz 1b
    hlt
end bp_shadow

snippet bp_ss_data, 64
1:  mov ss, [rsi]
    inc rax
mark bp_ss_data_second
    inc rdx
    dec ecx
    jnz 1b
    hlt
end bp_ss_data

snippet bp_sti, 64
1:  dec ecx
    jnz 1b
    sti
mark bp_sti_target
    inc rdx
    hlt
end bp_sti

    .section .note.GNU-stack, "", @progbits
