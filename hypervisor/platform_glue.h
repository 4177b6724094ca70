/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * platform_glue.h - the narrow waist between a domain and hvm/platform.h: which chip function serves
 * what the domain wants, and what the chips ask of the domain.  Device lock held unless said.
 */
#ifndef GH_HV_PLATFORM_GLUE_H
#define GH_HV_PLATFORM_GLUE_H

#include "hypervisor/domain.h"

bool glue_create(Domain *d, GError **error);
void glue_destroy(Domain *d);
void glue_set_gsi(Domain *d, unsigned gsi, bool level);
void glue_set_pci_intx(Domain *d, unsigned devfn, unsigned pin, bool level);
void glue_set_isa_irq(Domain *d, unsigned irq, bool level);
void glue_set_link_route(Domain *d, unsigned link, unsigned isa_irq);
void glue_msi(Domain *d, uint64_t addr, uint32_t data);
void glue_acpi_ports(Domain *d, unsigned version);
void glue_power_button(Domain *d, bool sleep);
void glue_lapic_vector(Domain *d, unsigned vcpu, uint8_t vector);

/* A vCPU's accesses and interrupts.  False: no chip of ours is there. */
/* LAPICs and chips: all quick (IoOps.quick).  False: neither is there. */
bool glue_mmio_read(Vcpu *v, uint64_t gpa, unsigned size, uint64_t *value);
bool glue_mmio_write(Vcpu *v, uint64_t gpa, unsigned size, uint64_t value);
bool glue_mmio_is_chip(Domain *d, uint64_t gpa, uint64_t len);
bool glue_irq_hint(const Vcpu *v);  /* no lock: false: nothing pending */
bool glue_irq_pending(Vcpu *v);     /* the upcall vector included */
uint8_t glue_cmos_read(Domain *d, unsigned index);
void glue_cmos_write(Domain *d, unsigned index, uint8_t value);
int glue_irq_ack(Vcpu *v);
uint64_t glue_cr8_read(Vcpu *v);
void glue_cr8_write(Vcpu *v, uint64_t value);
void glue_cpuid(Vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
bool glue_msr_read(Vcpu *v, uint32_t index, uint64_t *value);
bool glue_msr_write(Vcpu *v, uint32_t index, uint64_t value);
uint64_t glue_tsc(Vcpu *v);     /* lock not needed */

#endif
