/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task_switch.S - changes the stack: saves what the System V ABI for x86-64 lets a function expect
 * to be kept over a call, and takes up another stack where it left off.
 */
    .text
    .globl task_switch
    .type task_switch, @function
/* void task_switch(void **save, void *stack) */
task_switch:
    endbr64
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size task_switch, . - task_switch

    .globl task_first
    .type task_first, @function
/* Where a new stack begins: r12 is the argument, r13 the function, which never returns. */
task_first:
    endbr64
    mov %r12, %rdi
    call *%r13
    ud2
    .size task_first, . - task_first
    .section .note.GNU-stack, "", @progbits
