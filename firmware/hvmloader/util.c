/* SPDX-License-Identifier: GPL-2.0-or-later */
/* util.c - see util.h. */
#include "util.h"
#include <stdarg.h>
#include "layout.h"
#include "pc_layout.h"
#include "xen.h"

void *memcpy(void *to, const void *from, size_t n)
{
    void *result = to;

    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return result;
}

void *memset(void *to, int c, size_t n)
{
    void *result = to;

    asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
    return result;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *p = a, *q = b;

    for (; n; p++, q++, n--) {
        if (*p != *q) {
            return *p - *q;
        }
    }
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n]) {
        n++;
    }
    return n;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (uint8_t)*a - (uint8_t)*b;
}

typedef struct Sink {
    char *out;                  /* NULL: port E9h */
    size_t size, used;
} Sink;

static void put(Sink *s, char c)
{
    if (!s->out) {
        outb(PORT_DEBUG_CONSOLE, c);
    } else if (s->used + 1 < s->size) {
        s->out[s->used++] = c;
    }
}

static void put_number(Sink *s, uint32_t v, unsigned base, unsigned width, char pad)
{
    char digits[12];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    for (; width > n; width--) {
        put(s, pad);
    }
    while (n) {
        put(s, digits[--n]);
    }
}

static void format_to(Sink *s, const char *f, va_list ap)
{
    for (; *f; f++) {
        unsigned width = 0;
        char pad = ' ';

        if (*f != '%') {
            put(s, *f);
            continue;
        }
        f++;
        if (*f == '0') {
            pad = '0';
        }
        for (; *f >= '0' && *f <= '9'; f++) {
            width = width * 10 + *f - '0';
        }
        switch (*f) {
        case 's':
            for (const char *t = va_arg(ap, const char *); *t; t++) {
                put(s, *t);
            }
            break;
        case 'c': put(s, va_arg(ap, int)); break;
        case 'u': put_number(s, va_arg(ap, unsigned), 10, width, pad); break;
        case 'd': {
            int v = va_arg(ap, int);

            if (v < 0) {
                put(s, '-');
            }
            put_number(s, v < 0 ? -(unsigned)v : (unsigned)v, 10, width, pad);
            break;
        }
        case 'x': put_number(s, va_arg(ap, unsigned), 16, width, pad); break;
        default: put(s, *f);
        }
    }
}

void print(const char *format, ...)
{
    Sink s = { NULL, 0, 0 };
    va_list ap;

    va_start(ap, format);
    format_to(&s, format, ap);
    va_end(ap);
}

int format_string(char *out, size_t size, const char *format, ...)
{
    Sink s = { out, size, 0 };
    va_list ap;

    va_start(ap, format);
    format_to(&s, format, ap);
    va_end(ap);
    out[s.used] = 0;
    return s.used;
}

uint64_t parse_number(const char *s)
{
    uint64_t v = 0;

    if (s[0] == '0' && (s[1] | 32) == 'x') {
        for (s += 2;; s++) {
            char c = *s | 32;

            if (*s >= '0' && *s <= '9') {
                v = v << 4 | (*s - '0');
            } else if (c >= 'a' && c <= 'f') {
                v = v << 4 | (c - 'a' + 10);
            } else {
                return v;
            }
        }
    }
    for (; *s >= '0' && *s <= '9'; s++) {
        v = (v << 3) + (v << 1) + (*s - '0');
    }
    return v;
}

uint8_t checksum(const void *p, size_t n)
{
    uint8_t sum = 0;

    for (const uint8_t *b = p; n; b++, n--) {
        sum += *b;
    }
    return -sum;
}

void fail(const char *format, ...)
{
    Sink s = { NULL, 0, 0 };
    va_list ap;

    print("hvmloader: error: ");
    va_start(ap, format);
    format_to(&s, format, ap);
    va_end(ap);
    print("\n");
    xen_crash();
}

/* The allocators' only state: how far each has come. */
static uint32_t reserved_next = PC_ACPI_TABLES, reserved_populated = PC_ACPI_TABLES;
static uint32_t scratch_next = SCRATCH_ADDR;

void *mem_alloc(size_t size, size_t align)
{
    uint32_t at = (reserved_next + align - 1) & ~(uint32_t)(align - 1), end = at + size;

    if (end > PC_RESERVED_MEM_END - 0x100000) {
        fail("no room for %u bytes of tables", (unsigned)size);
    }
    for (; reserved_populated < end; reserved_populated += 4096) {
        xen_populate(reserved_populated >> 12);
    }
    reserved_next = end;
    return memset((void *)at, 0, size);
}

uint32_t mem_new_page(void)
{
    reserved_next = reserved_populated;
    return reserved_next;
}

void *scratch_alloc(size_t size, size_t align)
{
    uint32_t at = (scratch_next + align - 1) & ~(uint32_t)(align - 1);

    scratch_next = at + size;
    if (scratch_next > HYPERCALL_PAGE) {
        fail("no low memory for %u bytes", (unsigned)size);
    }
    return memset((void *)at, 0, size);
}
