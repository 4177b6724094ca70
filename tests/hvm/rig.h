/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rig.h - a whole platform on a fake machine, with recorders where the vCPUs would be. */
#ifndef GH_TESTS_HVM_RIG_H
#define GH_TESTS_HVM_RIG_H

#include <criterion/criterion.h>
#include "hypervisor/hvm/platform.h"
#include "include/pc_layout.h"
#include "tests/fake_machine.h"

#define RIG_TSC_KHZ 2000000u

typedef struct Rig {
    FakeMachine *f;
    Platform *p;
    unsigned kicks[4], inits[4], nmis[4];
    int sipi[4];                /* last vector; -1: none */
    int upcall;                 /* the vector for vCPU 0's upcalls; -1: none */
    char console[64];
    unsigned console_len;
} Rig;

Rig *rig_new(unsigned nvcpus);
PlatformConfig rig_config(unsigned nvcpus);     /* what rig_new() takes */
Rig *rig_new_with(const PlatformConfig *config);
void rig_free(Rig *r);

/* LAPIC registers of a vCPU through its MMIO page. */
uint32_t rig_apic(Rig *r, unsigned vcpu, unsigned reg);
void rig_set_apic(Rig *r, unsigned vcpu, unsigned reg, uint32_t value);
uint64_t rig_rdmsr(Rig *r, unsigned vcpu, uint32_t index);      /* fails the test on #GP */
/* I/O APIC redirection entry. */
void rig_set_rte(Rig *r, unsigned pin, uint64_t value);
uint64_t rig_rte(Rig *r, unsigned pin);
/* Both PICs at 0x20 and 0x28, all inputs open, LINT0 of vCPU 0 as ExtINT. */
void rig_pic_setup(Rig *r);
uint32_t rig_mmio(Rig *r, uint64_t gpa);
void rig_set_mmio(Rig *r, uint64_t gpa, uint32_t value);
uint8_t rig_in(Rig *r, uint16_t port);
void rig_out(Rig *r, uint16_t port, uint8_t value);

#endif
