/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * util.h - what a freestanding program needs: strings, printing to port E9h, port I/O, MSRs, CPUID,
 * memory from the hypervisor.
 */
#ifndef HVMLOADER_UTIL_H
#define HVMLOADER_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void outb(uint16_t port, uint8_t v)
{
    asm volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t v)
{
    asm volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
    asm volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t v;

    asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline uint16_t inw(uint16_t port)
{
    uint16_t v;

    asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t v;

    asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline void wrmsr(uint32_t index, uint64_t v)
{
    asm volatile("wrmsr" : : "c"(index), "A"(v));
}

static inline uint64_t rdmsr(uint32_t index)
{
    uint64_t v;

    asm volatile("rdmsr" : "=A"(v) : "c"(index));
    return v;
}

static inline void cpuid(uint32_t leaf, uint32_t r[4])
{
    asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "0"(leaf), "2"(0));
}

static inline uint32_t mmio_read(uint32_t addr)
{
    return *(volatile uint32_t *)addr;
}

static inline void mmio_write(uint32_t addr, uint32_t v)
{
    *(volatile uint32_t *)addr = v;
}

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
/* %s %u %d %x %08x %02x %c */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
int format_string(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
uint64_t parse_number(const char *s);           /* decimal or 0x; up to the first other character */
uint8_t checksum(const void *p, size_t n);      /* what makes the bytes' sum 0 */

/* Prints what is wrong and crashes the domain. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Memory that stays: from the reserved region below 4 GiB, populated on demand, zeroed.  align: a
 * power of two. */
void *mem_alloc(size_t size, size_t align);
uint32_t mem_new_page(void);                    /* what comes next starts a page: its address */
/* Low memory that only SeaBIOS's start needs. */
void *scratch_alloc(size_t size, size_t align);

#endif
