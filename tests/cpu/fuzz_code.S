/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_code.S - the handlers under which the random programs of fuzz_*.c run.
 *
 * Each of 64 vectors has a stub of 16 bytes at the start of its blob.  A handler writes what it finds
 * into a log (frame, registers, CR2, DR6) and goes on: after a fault with the next slot of the
 * program, or with the same instruction when it could mend what was wrong (a page, CR0.TS).  What
 * it needs to know is in a page at VARS.  Offsets are those of fuzz.h.
 */
    .intel_syntax noprefix
    .section .rodata

    .equ VARS, 0x3a000
    .equ START, VARS + 0
    .equ SIZE, VARS + 4
    .equ TAIL, VARS + 8
    .equ LOG_AT, VARS + 12
    .equ DEBUGS, VARS + 16
    .equ REPAIRS, VARS + 20
    .equ SP_MASK, VARS + 24
    .equ EVENTS, VARS + 28
    .equ PT, VARS + 32
    .equ PT_SHIFT, VARS + 36
    .equ TOGGLE, VARS + 40
    .equ TOGGLES, VARS + 44
    .equ CS_NOW, VARS + 48
    .equ LOG, 0x70000
    .equ LOG_MASK, 0x3fff
    .equ EVENTS_MAX, 300
    .equ WITH_ERROR, 0x00027d00

.macro stub n, word
    .p2align 4
    .if \n > 31 || !(WITH_ERROR >> (\n & 31) & 1)
        .if \word
        push 0
        .endif
    .endif
    push \n
.endm

    .globl fuzz_handlers32, fuzz_handlers32_end
    .globl fuzz_handlers64, fuzz_handlers64_end
    .globl fuzz_handlers16, fuzz_handlers16_end

/* --- protected mode, also for virtual-8086 --- */
    .code32
    .p2align 4
fuzz_handlers32:
    .set n, 0
    .rept 64
    stub n, 1
    jmp common32
    .set n, n + 1
    .endr
    .p2align 4
/* ES DS EDI ESI EBP ESP EBX EDX ECX EAX vector error EIP CS EFLAGS */
common32:
    pushad
    mov eax, ds
    push eax
    mov eax, es
    push eax
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    cld
    mov ebp, esp
    and ebp, ds:[SP_MASK]
    inc dword ptr ds:[EVENTS]
    cmp dword ptr ds:[EVENTS], EVENTS_MAX
    ja halt32
    mov edi, ds:[LOG_AT]
    add edi, 128
    and edi, LOG_MASK
    or edi, LOG
    mov ds:[LOG_AT], edi
    mov esi, ebp
    mov ecx, 15
    rep movsd es:[edi], ss:[esi]
    mov eax, cr2
    stosd
    mov eax, dr6
    stosd
    mov ecx, ss:[ebp + 40]
    cmp ecx, 1
    je debug32
    cmp ecx, 7
    je no_fpu32
    cmp ecx, 14
    je page32
    cmp ecx, 16
    je x87_32
    cmp ecx, 5
    jb trap32
    cmp ecx, 32
    jae irq32
    jmp skip32
/* INT3 fills what isn't the program. */
trap32:
    mov eax, ss:[ebp + 52]
    cmp ax, ds:[CS_NOW]
    jne wild32
    mov eax, ss:[ebp + 48]
    sub eax, ds:[START]
    cmp eax, ds:[SIZE]
    jb out32
    jmp wild32
skip32:
    mov eax, ss:[ebp + 52]
    cmp ax, ds:[CS_NOW]
    jne wild32
    mov eax, ss:[ebp + 48]
    sub eax, ds:[START]
    cmp eax, ds:[SIZE]
    jae wild32
    cmp eax, ds:[TAIL]
    jae halt32
    and eax, -32
    add eax, 32
goto32:
    add eax, ds:[START]
    mov ss:[ebp + 48], eax
out32:
    pop eax
    mov es, ax
    pop eax
    mov ds, ax
    popad
    lea esp, [esp + 8]
    iretd
wild32:
    mov eax, ds:[CS_NOW]
    test dword ptr ss:[ebp + 56], 0x20000
    jnz 1f
    mov edx, ss:[ebp + 52]
    xor edx, eax
    test edx, 3
    jnz halt32                  /* the handler itself */
1:
    mov ss:[ebp + 52], eax
    mov eax, ds:[TAIL]
    jmp goto32
halt32:
    hlt
    jmp halt32
debug32:
    mov eax, 0xffff0ff0
    mov dr6, eax
    or dword ptr ss:[ebp + 56], 0x10000     /* RF: past an instruction with a breakpoint */
    dec dword ptr ds:[DEBUGS]
    jns out32
    mov eax, 0x400
    mov dr7, eax
    and dword ptr ss:[ebp + 56], 0xfffffeff
    jmp out32
no_fpu32:
    clts
    jmp out32
x87_32:
    fnclex
    jmp skip32
page32:
    mov eax, cr2
    mov edx, eax
    sub eax, 0x40000
    cmp eax, 0x20000
    jae skip32
    dec dword ptr ds:[REPAIRS]
    js skip32
    mov ecx, ds:[PT_SHIFT]
    mov eax, edx
    shr eax, 12
    shl eax, cl
    add eax, ds:[PT]
    or dword ptr [eax], 7
    cmp cl, 3
    jne 1f
    and dword ptr [eax + 4], 0x7fffffff
1:
    invlpg [edx]
    jmp out32
/* Takes away from a data page, or gives it back, what the test says. */
irq32:
    cmp dword ptr ds:[TOGGLE], 0
    je out32
    mov edx, ds:[TOGGLES]
    inc dword ptr ds:[TOGGLES]
    and edx, 3
    add edx, 0x40
    mov eax, edx
    shl edx, 12
    mov ecx, ds:[PT_SHIFT]
    shl eax, cl
    add eax, ds:[PT]
    mov ecx, ds:[TOGGLE]
    xor dword ptr [eax], ecx
    invlpg [edx]
    jmp out32
fuzz_handlers32_end:

/* --- long mode --- */
    .code64
    .p2align 4
fuzz_handlers64:
    .set n, 0
    .rept 64
    stub n, 1
    jmp common64
    .set n, n + 1
    .endr
    .p2align 4
/* R15...R8 RDI RSI RBP RBX RDX RCX RAX vector error RIP CS RFLAGS RSP SS */
common64:
    push rax
    push rcx
    push rdx
    push rbx
    push rbp
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld
    inc dword ptr [EVENTS]
    cmp dword ptr [EVENTS], EVENTS_MAX
    ja halt64
    mov edi, [LOG_AT]
    add edi, 256
    and edi, LOG_MASK
    or edi, LOG
    mov [LOG_AT], edi
    mov rsi, rsp
    mov ecx, 22
    rep movsq
    mov rax, cr2
    stosq
    mov rax, dr6
    stosq
    mov rcx, [rsp + 120]
    cmp ecx, 1
    je debug64
    cmp ecx, 7
    je no_fpu64
    cmp ecx, 14
    je page64
    cmp ecx, 16
    je x87_64
    cmp ecx, 5
    jb trap64
    cmp ecx, 32
    jae irq64
    jmp skip64
trap64:
    mov rax, [rsp + 136]
    mov ecx, [START]
    sub rax, rcx
    mov edx, [SIZE]
    cmp rax, rdx
    jb out64
    jmp wild64
skip64:
    mov rax, [rsp + 136]
    mov ecx, [START]
    sub rax, rcx
    mov edx, [SIZE]
    cmp rax, rdx
    jae wild64
    cmp eax, [TAIL]
    jae halt64
    and eax, -32
    add eax, 32
goto64:
    add rax, rcx
    mov [rsp + 136], rax
out64:
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rbp
    pop rbx
    pop rdx
    pop rcx
    pop rax
    lea rsp, [rsp + 16]
    iretq
wild64:
    mov eax, [CS_NOW]
    mov edx, [rsp + 144]
    xor edx, eax
    test edx, 3
    jnz halt64
    mov [rsp + 144], rax
    mov eax, [TAIL]
    jmp goto64
halt64:
    hlt
    jmp halt64
debug64:
    mov eax, 0xffff0ff0
    mov dr6, rax
    or dword ptr [rsp + 152], 0x10000
    dec dword ptr [DEBUGS]
    jns out64
    mov eax, 0x400
    mov dr7, rax
    and dword ptr [rsp + 152], 0xfffffeff
    jmp out64
no_fpu64:
    clts
    jmp out64
x87_64:
    fnclex
    jmp skip64
page64:
    mov rax, cr2
    mov rdx, rax
    sub rax, 0x40000
    cmp rax, 0x20000
    jae skip64
    dec dword ptr [REPAIRS]
    js skip64
    mov rax, rdx
    shr eax, 12
    shl eax, 3
    add eax, [PT]
    or dword ptr [rax], 7
    and dword ptr [rax + 4], 0x7fffffff
    invlpg [rdx]
    jmp out64
irq64:
    cmp dword ptr [TOGGLE], 0
    je out64
    mov edx, [TOGGLES]
    inc dword ptr [TOGGLES]
    and edx, 3
    add edx, 0x40
    mov eax, edx
    shl edx, 12
    shl eax, 3
    add eax, [PT]
    mov ecx, [TOGGLE]
    xor [rax], ecx
    invlpg [rdx]
    jmp out64
fuzz_handlers64_end:

/* --- real mode --- */
    .code16
    .p2align 4
fuzz_handlers16:
    .set n, 0
    .rept 64
    stub n, 0
    jmp common16
    .set n, n + 1
    .endr
    .p2align 4
/* ES DS EDI ESI EBP ESP EBX EDX ECX EAX vector IP CS FLAGS; pointers of 2 bytes but for registers */
common16:
    pushad
    push ds
    push es
    mov ax, VARS >> 4
    mov ds, ax
    mov ax, LOG >> 4
    mov es, ax
    cld
    movzx ebp, sp
    inc dword ptr ds:[EVENTS - VARS]
    cmp dword ptr ds:[EVENTS - VARS], EVENTS_MAX
    ja halt16
    mov di, ds:[LOG_AT - VARS]
    add di, 128
    and di, LOG_MASK
    mov ds:[LOG_AT - VARS], di
    mov si, bp
    mov cx, 22
    rep movsw es:[di], ss:[si]
    mov eax, dr6
    stosd
    mov cx, [bp + 36]
    cmp cx, 1
    je debug16
    cmp cx, 7
    je no_fpu16
    cmp cx, 16
    je x87_16
    cmp cx, 5
    jb trap16
    cmp cx, 32
    jae out16
    jmp skip16
trap16:
    mov ax, [bp + 40]
    cmp ax, ds:[CS_NOW - VARS]
    jne wild16
    mov ax, [bp + 38]
    sub ax, ds:[START - VARS]
    cmp ax, ds:[SIZE - VARS]
    jb out16
    jmp wild16
skip16:
    mov ax, [bp + 40]
    cmp ax, ds:[CS_NOW - VARS]
    jne wild16
    mov ax, [bp + 38]
    sub ax, ds:[START - VARS]
    cmp ax, ds:[SIZE - VARS]
    jae wild16
    cmp ax, ds:[TAIL - VARS]
    jae halt16
    and ax, -32
    add ax, 32
goto16:
    add ax, ds:[START - VARS]
    mov [bp + 38], ax
out16:
    pop es
    pop ds
    popad
    lea sp, [esp + 2]
    iret
wild16:
    mov ax, ds:[CS_NOW - VARS]
    mov [bp + 40], ax
    mov ax, ds:[TAIL - VARS]
    jmp goto16
halt16:
    hlt
    jmp halt16
debug16:
    mov eax, 0xffff0ff0
    mov dr6, eax
    dec dword ptr ds:[DEBUGS - VARS]
    jns out16
    mov eax, 0x400
    mov dr7, eax
    and word ptr [bp + 42], 0xfeff
    jmp out16
no_fpu16:
    clts
    jmp out16
x87_16:
    fnclex
    jmp skip16
fuzz_handlers16_end:

    .section .note.GNU-stack, "", @progbits
