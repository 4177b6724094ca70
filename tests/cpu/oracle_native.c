/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_native.c - runs one instruction on the host.  A signal handler loads the whole state by
 * returning to it (Linux restores general, x87, MMX and SSE registers from the signal frame), and
 * the next signal, from the instruction or from the INT3 after it, brings the whole state back.
 * A compatibility-mode code selector in the frame is all that 32-bit trials need; for 16-bit ones
 * there are segments in the process's LDT.
 */
#include <asm/ldt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include "tests/cpu/oracle.h"

/* The signal frame's XSAVE image: x87 and SSE, header, upper halves of YMM. */
enum { XSTATE_BV = 512, UPPER = 576, XSAVE_SIZE = 832 };

struct Native {
    uint8_t *code, *data, *stack;
    const Trial *trial;
    Machine *out;
    bool running;               /* between loading and getting back */
    greg_t saved[NGREG];
    uint8_t saved_fx[XSAVE_SIZE];
    bool avx;
    struct sigaction old[32], sigfpe;
};

/* A signal handler has nothing but this to find its data by. */
static Native *current;

static const int SIGNALS[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL };
static const int REGS[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI,
                              REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13,
                              REG_R14, REG_R15 };

bool host_has_avx(void) {
    return __builtin_cpu_supports("avx");
}

bool host_is_intel(void) {
    return __builtin_cpu_is("intel");
}

static unsigned data_selector(const Trial *t) {
    return t->narrow ? SEL_DATA16 : SEL_USER_DATA;
}

static void start(Native *n, greg_t *g, uint8_t *fx) {
    const Machine *m = &n->trial->in;
    uint64_t xstate_bv;

    memcpy(n->saved, g, sizeof(n->saved));
    memcpy(n->saved_fx, fx, n->avx ? XSAVE_SIZE : 512);
    for (unsigned k = 0; k < 16; k++) {
        g[REGS[k]] = (greg_t)m->gpr[k];
    }
    g[REG_RIP] = (greg_t)m->rip;
    g[REG_EFL] = (greg_t)(m->rflags | 0x202);
    g[REG_CSGSFS] = (greg_t)((n->trial->wide ? SEL_USER64 :
                              n->trial->narrow ? SEL_CODE16 : SEL_USER32) |
                             (uint64_t)data_selector(n->trial) << 48);
    memcpy(fx, m->fx, 416);
    memcpy(&xstate_bv, fx + XSTATE_BV, 8);
    xstate_bv |= n->avx ? 7 : 3;
    memcpy(fx + XSTATE_BV, &xstate_bv, 8);
    if (n->avx) {
        memcpy(fx + UPPER, m->upper, sizeof(m->upper));
    }
    n->running = true;
}

static void finish(Native *n, greg_t *g, uint8_t *fx) {
    Machine *m = n->out;

    for (unsigned k = 0; k < 16; k++) {
        m->gpr[k] = (uint64_t)g[REGS[k]];
    }
    m->rip = (uint64_t)g[REG_RIP];
    m->rflags = (uint64_t)g[REG_EFL];
    m->vector = (int)g[REG_TRAPNO];
    m->error = (uint32_t)g[REG_ERR];
    m->cr2 = (uint64_t)g[REG_CR2];
    memcpy(m->fx, fx, 512);
    if (n->avx && fx[XSTATE_BV] & 4) {
        memcpy(m->upper, fx + UPPER, sizeof(m->upper));
    }
    memcpy(g, n->saved, sizeof(n->saved));
    memcpy(fx, n->saved_fx, n->avx ? XSAVE_SIZE : 512);
    n->running = false;
}

static void handler(int sig, siginfo_t *info, void *context) {
    ucontext_t *uc = context;
    Native *n = current;

    (void)sig;
    (void)info;
    if (n->running) {
        finish(n, uc->uc_mcontext.gregs, (uint8_t *)uc->uc_mcontext.fpregs);
    } else {
        start(n, uc->uc_mcontext.gregs, (uint8_t *)uc->uc_mcontext.fpregs);
    }
}

static void load_data_segments(uint16_t selector) {
    __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(selector));
}

static void make_16_bit_segments(void) {
    struct user_desc code = { .entry_number = SEL_CODE16 >> 3, .base_addr = (unsigned)CODE_AT,
                              .limit = CODE_SIZE - 1, .contents = 2 };
    struct user_desc data = { .entry_number = SEL_DATA16 >> 3, .base_addr = (unsigned)DATA_AT,
                              .limit = DATA_SIZE - 1 };

    if (syscall(SYS_modify_ldt, 1, &code, sizeof(code)) != 0 ||
        syscall(SYS_modify_ldt, 1, &data, sizeof(data)) != 0) {
        abort();
    }
}

Native *native_new(void) {
    Native *n = calloc(1, sizeof(*n));
    struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    stack_t ss = { .ss_size = 256 * 1024 };

    n->code = mmap((void *)CODE_AT, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    n->data = mmap((void *)DATA_AT, DATA_SIZE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (n->code != (void *)CODE_AT || n->data != (void *)DATA_AT) {
        abort();
    }
    memset(n->code, 0xcc, CODE_SIZE);
    n->avx = host_has_avx();
    n->stack = malloc(ss.ss_size);
    ss.ss_sp = n->stack;
    sigaltstack(&ss, NULL);
    current = n;
    for (unsigned k = 0; k < sizeof(SIGNALS) / sizeof(SIGNALS[0]); k++) {
        sigaction(SIGNALS[k], &sa, &n->old[SIGNALS[k]]);
    }
    n->sigfpe = sa;
    make_16_bit_segments();
    return n;
}

void native_free(Native *n) {
    stack_t ss = { .ss_flags = SS_DISABLE };

    for (unsigned k = 0; k < sizeof(SIGNALS) / sizeof(SIGNALS[0]); k++) {
        sigaction(SIGNALS[k], &n->old[SIGNALS[k]], NULL);
    }
    sigaltstack(&ss, NULL);
    munmap(n->code, CODE_SIZE);
    munmap(n->data, DATA_SIZE);
    free(n->stack);
    free(n);
}

/* SIGFPE is the translator's at other times. */
void native_run(Native *n, const Trial *t, Machine *out) {
    struct sigaction translator;

    memcpy(n->code + INSN_OFF, t->bytes, t->len);
    memset(n->code + INSN_OFF + t->len, 0xcc, 16);
    memcpy(n->data, t->in.data, DATA_SIZE);
    n->trial = t;
    n->out = out;
    sigaction(SIGFPE, &n->sigfpe, &translator);
    /* The signal frame hasn't these two; 64-bit code doesn't mind them. */
    load_data_segments((uint16_t)data_selector(t));
    __asm__ volatile("int3" : : : "memory");
    load_data_segments(SEL_USER_DATA);
    sigaction(SIGFPE, &translator, NULL);
    memcpy(out->data, n->data, DATA_SIZE);
}
