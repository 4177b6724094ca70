/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys_code.S - guest code of the sys_*.c tests, one snippet each.
 *
 * Snippets are copied to guest address 0x10000 (CODE) unless the test says otherwise; they are
 * data to the host, and use no address of their own but relative ones.  HLT (ring 0) or INT 80h
 * ends each.
 */
#include "tests/cpu/snippet.inc"

/* --- protected mode --- */
snippet c_load_ds, 32           /* selector in AX */
    mov ds, ax
    hlt
end c_load_ds

snippet c_load_fs_moving, 32    /* selector AX, EBX its descriptor, whose base moves by 16 each turn */
    mov ecx, 5
1:  mov fs, ax
    add edx, fs:[0]
    push fs
    pop fs
    add edx, fs:[0]
    add byte ptr [ebx + 2], 16
    loop 1b
    hlt
end c_load_fs_moving

snippet c_load_fs_accessed, 32  /* selector AX, EBX its descriptor; DL counts accessed bits */
    mov ecx, 5
1:  and byte ptr [ebx + 5], 0xfe
    mov fs, ax
    mov fs, ax
    bt dword ptr [ebx + 4], 8
    adc edx, 0
    loop 1b
    hlt
end c_load_fs_accessed

snippet c_load_ds_in_turn, 32   /* AX and DX; EBP gets what is at EBX of both; a far return between them */
    mov ecx, 4
1:  mov ds, ax
    push cs
    call 2f
    add ebp, [ebx]
    mov ds, dx
    add ebp, [ebx]
    loop 1b
    mov [ebx], ecx
    hlt
2:  retf
end c_load_ds_in_turn

snippet c_load_fs_and_go_out, 32    /* selector AX, three times; on by IRET */
    mov fs, ax
    mov fs, ax
    mov fs, ax
    iretd
end c_load_fs_and_go_out

snippet c_load_ss, 32
    mov ss, ax
    hlt
end c_load_ss

snippet c_lss, 32               /* far pointer at EBX */
    lss esp, [ebx]
    hlt
end c_lss

snippet c_done, 32
    int 0x80
end c_done

snippet c_int30, 32
    int 0x30
    hlt
end c_int30

snippet c_int3, 32
    nop
    int3
    hlt
end c_int3

snippet c_ud2, 32
    ud2
end c_ud2

snippet c_far_call, 32          /* far pointer at EBX */
    call fword ptr [ebx]
    hlt
end c_far_call

snippet c_far_jmp, 32
    jmp fword ptr [ebx]
    hlt
end c_far_jmp

snippet c_call_params, 32
    push 0x11111111
    push 0x22222222
    call fword ptr [ebx]
    int 0x80
end c_call_params

snippet c_retf, 32
    retf
end c_retf

snippet c_retf8, 32
    retf 8
end c_retf8

snippet c_iret, 32
    iret
end c_iret

snippet c_iret_then_hlt, 32     /* a handler or task that returns, then halts when entered again */
    iret
    hlt
end c_iret_then_hlt

snippet c_in_70, 32
    in al, 0x70
    int 0x80
end c_in_70

snippet c_out_dx_32, 32
    out dx, eax
    int 0x80
end c_out_dx_32

snippet c_cli, 32
    cli
    int 0x80
end c_cli

snippet c_sti, 32
    sti
    nop
    nop
    hlt
end c_sti

snippet c_mov_ss_irq, 32
    sti
    mov ss, ax
    nop
    nop
    hlt
end c_mov_ss_irq

snippet c_inspect, 32           /* LAR, LSL, VERR, VERW of AX; results in registers, ZFs in DL */
    xor edx, edx
    lar ebx, ax
    setz dl
    lsl ecx, ax
    setz dh
    verr ax
    setz al
    movzx esi, al
    hlt
end c_inspect

snippet c_verw, 32
    verw ax
    setz bl
    hlt
end c_verw

snippet c_arpl, 32
    arpl ax, bx
    setz cl
    hlt
end c_arpl

snippet c_read_ds, 32
    mov eax, [ebx]
    hlt
end c_read_ds

snippet c_sidt, 32
    sidt [ebx]
    int 0x80
end c_sidt

snippet c_sysenter, 32
    sysenter
end c_sysenter

snippet c_sysexit, 32
    sysexit
end c_sysexit

snippet c_popf_step, 32
    push 0x102
    popf
    nop
    nop
    hlt
end c_popf_step

snippet c_icebp, 32
    .byte 0xf1
    hlt
end c_icebp

snippet c_mov_dr, 32
    mov eax, dr6
    hlt
end c_mov_dr

snippet c_mov_cr0, 32
    mov cr0, eax
    hlt
end c_mov_cr0

snippet c_mov_cr4, 32
    mov cr4, eax
    hlt
end c_mov_cr4

snippet c_vmcall, 32
    vmcall
    hlt
end c_vmcall

snippet c_pop_ss, 32
    pop ss
    hlt
end c_pop_ss

snippet c_nops, 32
    nop
    nop
    hlt
end c_nops

snippet c_ltr, 32
    ltr ax
    lldt bx
    str ecx
    sldt edx
    hlt
end c_ltr

snippet c_rdtsc, 32
    rdtsc
    int 0x80
end c_rdtsc

/* --- V86 and real mode --- */
snippet c16_int21, 16
    int 0x21
    hlt
end c16_int21

snippet c16_cli, 16
    cli
    hlt
end c16_cli

snippet c16_sti, 16
    sti
    hlt
end c16_sti

snippet c16_popf_pushf, 16
    popf
    pushf
    hlt
end c16_popf_pushf

snippet c16_iret, 16
    iret
end c16_iret

snippet c16_hlt, 16
    hlt
end c16_hlt

snippet c16_out, 16
    out 0x70, al
    int 0x80
end c16_out

snippet c16_int_and_back, 16    /* the handler at 0x100 returns */
    sti
    stc
    int 0x21
    hlt
    .org c16_int_and_back + 0x100
    clc
    iret
end c16_int_and_back

snippet c16_far, 16             /* far call to 1010:0000 = CODE + 0x100, which returns */
    call 0x1010:0
    hlt
    .org c16_far + 0x100
    mov bx, cs
    retf 2
end c16_far

snippet c16_iret_elsewhere, 16  /* IRET from 1000:0040 to 1010:0040 */
    mov ax, 0x40
    jmp ax
    .org c16_iret_elsewhere + 0x40
    mov bx, 1
    inc cx
    cmp cx, 3
    ja 1f
    pushf
    push 0x1010
    push 0x40
    iret
1:  hlt
    .org c16_iret_elsewhere + 0x140
    mov bx, 2
    hlt
end c16_iret_elsewhere

snippet c16_limit, 16
    mov bx, 0xffff
    mov ax, [bx]
    hlt
end c16_limit

snippet c16_limit_read_before, 16       /* DS ends within a page that has been read */
    mov ax, 0x1001
    mov ds, ax
    mov ax, [0xfff0]
    mov bx, 0xffff
    mov ax, [bx]
    hlt
end c16_limit_read_before

snippet c16_to_prot, 16         /* real -> protected -> real, with a 4 GiB DS left behind */
    mov eax, cr0
    or al, 1
    mov cr0, eax
    .byte 0xea                  /* jmp K16:... with CS base 0 */
    .word 1f - c16_to_prot
    .word 0x38
1:  mov ax, 0x10
    mov ds, ax
    mov eax, cr0
    and al, 0xfe
    mov cr0, eax
    .byte 0xea
    .word 2f - c16_to_prot
    .word 0x1000
2:  mov ebx, 0x100000
    mov dword ptr [ebx], 0x12345678
    mov bp, cs
    hlt
end c16_to_prot

snippet c16_to_long, 16         /* real -> long, paging and LME at once; code segment K64 */
    mov eax, 0x20
    mov cr4, eax
    mov eax, 0x4000
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or ah, 1
    wrmsr
    mov eax, cr0
    or eax, 0x80000001
    mov cr0, eax
    .byte 0x66, 0xea
    .long 0x10000 + 1f - c16_to_long
    .word 0x30
    .code64
1:  mov rax, 0x123456789abcdef0
    mov ecx, 0xc0000080
    mov rbx, rax
    rdmsr
    hlt
end c16_to_long

/* --- long mode --- */
snippet c64_int30, 64
    int 0x30
    hlt
end c64_int30

snippet c64_done, 64
    int 0x80
end c64_done

snippet c64_hlt, 64
    hlt
end c64_hlt

snippet c64_ud2, 64
    ud2
end c64_ud2

snippet c64_syscall, 64
    syscall
    int 0x80
end c64_syscall

snippet c64_sysret, 64
    sysretq
end c64_sysret

snippet c64_sysretl, 64
    sysretd
end c64_sysretl

snippet c64_iretq, 64
    iretq
end c64_iretq

snippet c64_swapgs, 64
    swapgs
    mov rax, gs:[0]
    hlt
end c64_swapgs

snippet c64_wrgsbase, 64
    wrgsbase rax
    rdgsbase rbx
    wrfsbase eax
    rdfsbase rcx
    hlt
end c64_wrgsbase

snippet c64_wrmsr, 64
    wrmsr
    hlt
end c64_wrmsr

snippet c64_rdmsr, 64
    rdmsr
    hlt
end c64_rdmsr

snippet c64_push, 64
    push rax
    hlt
end c64_push

snippet c64_load, 64
    mov rax, [rbx]
    hlt
end c64_load

snippet c64_store, 64
    mov [rbx], rax
    hlt
end c64_store

snippet c64_far_call, 64
    rex.w call fword ptr [rbx]
    hlt
end c64_far_call

snippet c64_retfq, 64
    rex.w retf
end c64_retfq

snippet c64_mov_ds, 64
    mov ds, eax
    mov ss, ebx
    hlt
end c64_mov_ds

snippet c64_mov_fs, 64
    mov fs, eax
    hlt
end c64_mov_fs

snippet c64_cr8, 64
    mov cr8, rax
    mov rbx, cr8
    hlt
end c64_cr8

snippet c64_mov_cr0, 64
    mov cr0, rax
    hlt
end c64_mov_cr0

snippet c64_mov_cr3, 64
    mov cr3, rax
    hlt
end c64_mov_cr3

snippet c64_cpuid, 64
    cpuid
    hlt
end c64_cpuid

snippet c64_stac, 64
    mov rcx, [rbx]
    hlt
end c64_stac

snippet c64_stac_load, 64
    stac
    mov rcx, [rbx]
    clac
    hlt
end c64_stac_load

snippet c64_sgdt, 64
    sgdt [rbx]
    lgdt [rbx]
    hlt
end c64_sgdt

snippet c64_jmp_abs, 64
    jmp rax
end c64_jmp_abs

snippet c_sti_loop, 32          /* each OUT makes two interrupts pending; ESI, EDI: what they found */
    mov ecx, 40
1:  out 0x80, al
    sti
    nop
    jmp 3f                      /* at 9 */
3:  inc eax
    cli
    loop 1b
    hlt
    .org c_sti_loop + 64
    lea edx, [ebx + 9]
    cmp [esp], edx              /* behind the NOP each time */
    jne 4f
    inc esi
4:  inc edi
    iret
end c_sti_loop

snippet c64_xsetbv, 64
    xsetbv
    xgetbv
    hlt
end c64_xsetbv

    .section .note.GNU-stack, "", @progbits
