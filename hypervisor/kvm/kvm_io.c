/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_io.c - port I/O exits.  KVM reads ahead for REP INS: it asks for many elements at once, to be
 * left in its own buffer.  A device in another process answers so many best in one request, which
 * puts them into guest RAM; so the place that the instruction will fill serves as the room for them
 * first, and gets its old bytes back.  REP OUTS comes from KVM one element at a time.
 */
#include "hypervisor/kvm/kvm_internal.h"

#include <glib.h>
#include <string.h>
#include <sys/ioctl.h>

#define PAGE 4096u
#define EFER_LMA (1u << 10)
#define RFLAGS_DF (1u << 10)

/* Host address of guest-linear memory that is RAM, or NULL. */
static uint8_t *linear_ram(EngineVcpu *ev, uint64_t linear, uint64_t *gpa)
{
    const GuestMemory *mem = ev->e->mem;
    struct kvm_translation t = { .linear_address = linear };

    if (ioctl(ev->fd, KVM_TRANSLATE, &t) < 0 || !t.valid || t.physical_address >= mem->size ||
        mem->types[t.physical_address >> 12] == MEM_HOLE) {
        return NULL;
    }
    *gpa = t.physical_address;
    return mem->base + t.physical_address;
}

static uint64_t linear_rip(const struct kvm_regs *r, const struct kvm_sregs *sr)
{
    return (sr->efer & EFER_LMA) && sr->cs.l ? r->rip : (uint32_t)(sr->cs.base + r->rip);
}

bool kvm_insn_place(EngineVcpu *ev, const struct kvm_regs *r, const struct kvm_sregs *sr,
                    unsigned offset, uint64_t *gpa)
{
    return linear_ram(ev, linear_rip(r, sr) + offset, gpa) != NULL;
}

unsigned kvm_read_insn(EngineVcpu *ev, const struct kvm_regs *r, const struct kvm_sregs *sr,
                       uint8_t bytes[INSN_MAX])
{
    uint64_t at = linear_rip(r, sr), gpa;
    unsigned n = 0;

    while (n < INSN_MAX) {
        unsigned part = MIN(INSN_MAX - n, PAGE - ((at + n) & (PAGE - 1)));
        const uint8_t *from = linear_ram(ev, at + n, &gpa);

        if (!from) {
            break;
        }
        memcpy(bytes + n, from, part);
        n += part;
    }
    return n;
}

/* The bits of RDI that REP INS at RIP uses; 0: it is another instruction. */
static uint64_t ins_address_mask(EngineVcpu *ev, const struct kvm_regs *r,
                                 const struct kvm_sregs *sr)
{
    bool in_64 = (sr->efer & EFER_LMA) && sr->cs.l, rep = false, other = false;
    uint8_t b[INSN_MAX];
    unsigned n = kvm_read_insn(ev, r, sr, b);

    for (unsigned i = 0; i < n; i++) {
        switch (b[i]) {
        case 0xf2:
        case 0xf3:
            rep = true;
            break;
        case 0x67:
            other = true;
            break;
        case 0x66: case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65:
            break;
        case 0x6c:
        case 0x6d:
            if (!rep) {
                return 0;
            }
            if (in_64) {
                return other ? UINT32_MAX : UINT64_MAX;
            }
            return (sr->cs.db != 0) != other ? UINT32_MAX : UINT16_MAX;
        default:
            if (!in_64 || (b[i] & 0xf0) != 0x40) {
                return 0;
            }
        }
    }
    return 0;
}

static uint32_t one_in(EngineVcpu *ev, uint8_t *data)
{
    uint32_t value = 0;

    ev->e->host->io_read(ev->v, ev->run->io.port, ev->run->io.size, &value);
    memcpy(data, &value, ev->run->io.size);
    return 1;
}

/* Up to count elements that the guest wants at linear, as far as they lie within a RAM page. */
static uint32_t page_in(EngineVcpu *ev, uint64_t linear, uint32_t count, uint8_t *data)
{
    const EngineHost *host = ev->e->host;
    unsigned size = ev->run->io.size;
    uint64_t gpa = 0;
    uint8_t *ram = linear_ram(ev, linear, &gpa);
    uint8_t old[PAGE];
    uint32_t n = MIN(count, (PAGE - (linear & (PAGE - 1))) / size), done;

    if (!ram || n < 2 || ev->e->mem->types[gpa >> 12] != MEM_RAM) {
        return one_in(ev, data);
    }
    memcpy(old, ram, n * size);
    for (done = 0; done < n;) {
        done += host->io_string(ev->v, ev->run->io.port, size, false, gpa + done * size, n - done,
                                false);
    }
    memcpy(data, ram, n * size);
    memcpy(ram, old, n * size);
    return n;
}

static bool string_in(EngineVcpu *ev, uint8_t *data)
{
    const struct kvm_run *run = ev->run;
    unsigned size = run->io.size;
    struct kvm_regs r;
    struct kvm_sregs sr;
    uint64_t mask, to;
    bool in_64;

    if (!ev->e->host->io_string || !kvm_get_regs(ev, &r) ||
        !kvm_get_sregs(ev, &sr) || (r.rflags & RFLAGS_DF)) {
        return false;
    }
    mask = ins_address_mask(ev, &r, &sr);
    if (!mask) {
        return false;
    }
    in_64 = (sr.efer & EFER_LMA) && sr.cs.l;
    for (uint32_t done = 0; done < run->io.count;) {
        to = (r.rdi + done * size) & mask;
        to = in_64 ? to : (uint32_t)(sr.es.base + to);
        done += page_in(ev, to, run->io.count - done, data + done * size);
    }
    return true;
}

void kvm_exit_io(EngineVcpu *ev)
{
    struct kvm_run *run = ev->run;
    const EngineHost *host = ev->e->host;
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    unsigned size = run->io.size;

    if (run->io.direction == KVM_EXIT_IO_IN && run->io.count > 1 && string_in(ev, data)) {
        kvm_count(ev, KVM_COUNT_STRINGS);
        return;
    }
    kvm_count(ev, kvm_count_port(run->io.port));
    for (uint32_t i = 0; i < run->io.count; i++, data += size) {
        uint32_t value = 0;

        if (run->io.direction == KVM_EXIT_IO_OUT) {
            memcpy(&value, data, size);
            host->io_write(ev->v, run->io.port, size, value);
        } else {
            host->io_read(ev->v, run->io.port, size, &value);
            memcpy(data, &value, size);
        }
    }
}
