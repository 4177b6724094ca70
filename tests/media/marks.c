/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * marks.c - /init of marks64.iso and marks32.iso (tests/system/test_marks.py): a program without
 * libraries at a fixed address, whose outcome depends on nothing but the processor: arithmetic of
 * all kinds, a sort, pages touched for the first time, written after fork() and unmapped, signals,
 * code that it writes itself.  It ends at mark_end with the sums in its memory, and switches off.
 */
#include <stdint.h>

enum { WORDS = 1 << 16 };

uint32_t words[WORDS];
struct { uint64_t lcg, sort, mix, child, pages, code, signals; double real; long double x87; float single; } sums;

#ifdef __x86_64__
enum { SYS_MMAP = 9, SYS_MPROTECT = 10, SYS_MUNMAP = 11, SYS_FORK = 57, SYS_EXIT = 60, SYS_WAIT4 = 61, SYS_KILL = 62,
       SYS_GETPID = 39, SYS_SIGACTION = 13, SYS_SIGRETURN = 15, SYS_REBOOT = 169 };
static long call(long n, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = -1, r9 __asm__("r9") = 0;

    __asm__ volatile("syscall" : "+a"(n) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return n;
}
#else
enum { SYS_MMAP = 192, SYS_MPROTECT = 125, SYS_MUNMAP = 91, SYS_FORK = 2, SYS_EXIT = 1, SYS_WAIT4 = 114, SYS_KILL = 37,
       SYS_GETPID = 20, SYS_SIGACTION = 174, SYS_SIGRETURN = 173, SYS_REBOOT = 88 };
static long call(long n, long a, long b, long c, long d)
{
    register long di __asm__("edi") = -1;

    __asm__ volatile("push %%ebp\n\txor %%ebp, %%ebp\n\tint $0x80\n\tpop %%ebp"
                     : "+a"(n) : "b"(a), "c"(b), "d"(c), "S"(d), "r"(di) : "memory");
    return n;
}
#endif

static void fill(void)
{
    uint32_t x = 1;

    for (unsigned i = 0; i < WORDS; i++) {
        x = x * 1664525 + 1013904223;
        words[i] = x;
        sums.lcg = (sums.lcg << 7 | sums.lcg >> 57) ^ x;
    }
}

static void sort(void)
{
    for (unsigned gap = WORDS / 2; gap; gap /= 2) {
        for (unsigned i = gap; i < WORDS; i++) {
            uint32_t v = words[i];
            unsigned k = i;

            for (; k >= gap && words[k - gap] > v; k -= gap) {
                words[k] = words[k - gap];
            }
            words[k] = v;
        }
    }
    for (unsigned i = 0; i < WORDS; i++) {
        sums.sort = sums.sort * 31 + words[i];
    }
}

static void reals(void)
{
    for (unsigned i = 1; i < WORDS; i++) {
        sums.real += 1.0 / words[i];
        sums.single = sums.single * 0.999f + (float)(words[i] >> 8) / 3.0f;
        sums.x87 += (long double)words[i] / (i + 1);
        sums.mix += (uint64_t)words[i] * words[i - 1] / (words[i - 1] | 1) % (i + 7);
        sums.mix ^= (uint64_t)((int32_t)words[i] >> (i & 31));
    }
}

static uint64_t sum_of(const uint8_t *p, unsigned n)
{
    uint64_t s = 0;

    while (n--) {
        s = s * 33 + *p++;
    }
    return s;
}

static void pages(void)
{
    enum { SIZE = 1 << 20 };
    uint8_t *p = (uint8_t *)call(SYS_MMAP, 0x10000000, SIZE, 3, 0x32);
    int status = 0;

    for (unsigned i = 0; i < SIZE; i += 509) {
        p[i] = (uint8_t)(i >> 3);
    }
    for (unsigned n = 0; n < 20; n++) {
        long pid = call(SYS_FORK, 0, 0, 0, 0);

        if (!pid) {
            for (unsigned i = 0; i < SIZE; i += 4096) {
                p[i] += (uint8_t)n;
            }
            call(SYS_EXIT, sum_of(p, SIZE) & 127, 0, 0, 0);
        }
        call(SYS_WAIT4, pid, (long)&status, 0, 0);
        sums.child = sums.child * 131 + (unsigned)status;
    }
    sums.pages = sum_of(p, SIZE);
    call(SYS_MPROTECT, (long)p, SIZE, 7, 0);
    for (unsigned n = 0; n < 2000; n++) {       /* mov eax, N; ret */
        p[0] = 0xb8;
        *(uint32_t *)(void *)(p + 1) = n * 2654435761u;
        p[5] = 0xc3;
        sums.code = sums.code * 17 + ((uint32_t (*)(void))(void *)p)();
    }
    call(SYS_MUNMAP, (long)p, SIZE, 0, 0);
}

__asm__(".globl restorer\nrestorer:\n"
#ifdef __x86_64__
        "mov $15, %eax\n\tsyscall"
#else
        "mov $173, %eax\n\tint $0x80"
#endif
       );
void restorer(void);

static void on_signal(int n)
{
    sums.signals = sums.signals * 3 + (unsigned)n;
}

static void signals(void)
{
    struct { void (*handler)(int); unsigned long flags; void (*restorer)(void); uint64_t mask; }
        action = { on_signal, 0x04000004, restorer, 0 };        /* SA_RESTORER, SA_SIGINFO */
    long self = call(SYS_GETPID, 0, 0, 0, 0);

    call(SYS_SIGACTION, 10, (long)&action, 0, 8);
    for (unsigned n = 0; n < 200; n++) {
        call(SYS_KILL, self, 10, 0, 0);
    }
}

__attribute__((noinline, noipa)) void mark_end(void)
{
    __asm__ volatile("nop" ::: "memory");
}

__attribute__((force_align_arg_pointer, used)) void begin(void)
{
    fill();
    sort();
    reals();
    pages();
    signals();
    mark_end();
    call(SYS_REBOOT, 0xfee1dead, 672274793, 0x4321fedc, 0);
    for (;;) {
    }
}

__asm__(".globl _start\n_start: nop\n\tjmp begin");
