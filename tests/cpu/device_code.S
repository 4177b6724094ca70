/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device_code.S - guest code of device_test.c: loads and stores of registers in memory, EBX being the
 * device's page, EDI how often.  HLT at the end.
 */
#include "tests/cpu/snippet.inc"

snippet dev_all_32, 32
    fld1
    fld1
1:  stc
    mov eax, ds:[0x100020]
    setc dl
    mov ds:[0x100080], eax
    mov al, ds:[0x100021]
    mov ds:[0x100082], ax
    mov ebp, [ebx + 4]
    mov [ebx + 8], ebp
    mov dh, [ebx + 0x11]
    mov [ebx + 0x12], ch
    mov [ebx + 0x13], dl
    mov si, [ebx + 0x14]
    mov [ebx + 0x16], si
    movzx ecx, byte ptr [ebx + 0x21]
    movsx esi, byte ptr [ebx + 0x22]
    movzx eax, word ptr [ebx + 0x24]
    add esi, eax
    movsx eax, word ptr [ebx + 0x26]
    adc esi, eax
    mov byte ptr [ebx + 0x30], 0x5a
    mov word ptr [ebx + 0x32], 0x5aa5
    mov dword ptr [ebx + 0x34], 0x87654321
    sbb ecx, 17
    mov eax, [ebx + ecx * 1 - 0x1]
    add [ebx + 0x40], eax
    xchg [ebx + 0x44], eax
    push dword ptr [ebx + 0x48]
    pop ecx
    cmp ecx, eax
    mov ecx, [ebx + 0x4c]
    lahf
    mov [ebx + 0x50], eax
    and ecx, 0x3ff
    mov edx, [ebx + ecx + 0xe00]
    mov [ebx + ecx + 0xe01], dx
    mov edx, [ebx + 0xffe]
    mov [ebx + 0xfff], edx
    dec edi
    jnz 1b
    faddp
    fstp qword ptr [0x40000]
    hlt
end dev_all_32

snippet dev_late_64, 64         /* memory at RBX first, then RSI's device */
    mov ecx, 2
1:  mov edi, 30
2:  mov eax, [rbx]
    mov [rbx + 8], eax
    dec edi
    jnz 2b
    mov rbx, rsi
    dec ecx
    jnz 1b
    hlt
end dev_late_64

snippet dev_all_64, 64
1:  mov r9, [rbx + 0x10]
    mov [rbx + 0x18], r9
    mov r10d, [rbx + 0x20]
    mov [rbx + 0x24], r10w
    mov r11b, [rbx + 0x21]
    mov r12, rbx
    mov r13d, [r12 + 0x30]
    mov [r12 + 0x34], r13
    movsxd r14, dword ptr [rbx + 0x38]
    movzx r15d, word ptr [rbx + 0x3a]
    mov [rbx + 0x3c], r15b
    mov qword ptr [rbx + 0x40], -7
    lea r8, [rbx - 0x1000]
    mov rbp, [r8 + 0x1048]
    mov rsp, [rbx + 0x50]
    mov [rbx + 0x58], rsp
    mov rsp, r8
    mov rax, [rsp + 0x1060]
    mov r9, rbx
    mov rsi, [r9 + 0x68]
    mov r11d, 3
    mov cl, [r9 + r11 * 8 + 0x70]
    mov [r9 + r11 * 8 + 0x70], sil
    mov edx, [rip + 0x100100 - 0x10000 - 0x1000]
    mov eax, dword ptr fs:[rbx + 0x70]
    movbe ecx, [rbx + 0x74]
    dec edi
    jnz 1b
    hlt
end dev_all_64

snippet dev_vectors, 64         /* the vector registers are the host's when it comes to the device */
1:  movd xmm9, edi
    paddd xmm10, xmm9
    mov eax, [rbx + 0x10]
    movd xmm1, eax
    paddd xmm10, xmm1
    mov [rbx + 0x14], eax
    paddd xmm10, xmm9
    dec edi
    jnz 1b
    movq rax, xmm10
    hlt
end dev_vectors

snippet dev_store, 64
1:  mov [rbx + 0x10], edi
    dec edi
    jnz 1b
    hlt
end dev_store

snippet dev_fill, 64
1:  mov [rbx + rdi * 4], edi
    dec edi
    jnz 1b
    hlt
end dev_fill

snippet dev_store_made_readable, 64     /* RSI: the page's entry */
1:  mov [rbx + 0x10], edi
    dec edi
    jnz 1b
    and byte ptr [rsi], 0xfd
    invlpg [rbx]
    mov eax, [rbx]
    mov edi, 30
    inc ecx
    cmp ecx, 2
    jb 1b
    hlt
end dev_store_made_readable

snippet dev_called, 64          /* the byte of the constant becomes 2 while the device is read */
    mov ecx, 40
1:  call 4f
    mov edx, 1
    add r12, rdx
    dec ecx
    jnz 1b
    hlt
4:  mov eax, [rbx]
    ret
end dev_called

snippet dev_load, 64
1:  mov eax, [rbx + 0x10]
    inc ecx
    dec edi
    jnz 1b
    hlt
end dev_load

    .section .note.GNU-stack, "", @progbits
