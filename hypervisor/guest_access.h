/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_access.h - hypercall arguments in the guest's memory, by its virtual addresses.  Own thread
 * of the vCPU, device lock held.  A failed copy leaves the buffer zeroed.
 */
#ifndef GH_HV_GUEST_ACCESS_H
#define GH_HV_GUEST_ACCESS_H

#include "hypervisor/vcpu.h"

bool guest_translate(Vcpu *v, uint64_t va, bool write, uint64_t *gpa);
/* Where va lies under s, to look and not to touch: no accessed bits, no rights.  Any thread, device
 * lock held. */
bool guest_lookup(Memory *m, const VcpuState *s, uint64_t va, uint64_t *gpa);
bool guest_read(Vcpu *v, uint64_t va, void *buf, size_t len);
bool guest_write(Vcpu *v, uint64_t va, const void *buf, size_t len);
bool guest_area_register(Vcpu *v, GuestArea *area, uint64_t va, unsigned len);
/* Bytes at to at + len of the area, which has them; nothing if it is not registered. */
void guest_area_write(Domain *d, const GuestArea *area, unsigned at, const void *buf, unsigned len);

/* Little-endian fields of a structure that was copied in, whatever its alignment. */
static inline uint64_t field64(const uint8_t *p) { uint64_t v; __builtin_memcpy(&v, p, 8); return v; }
static inline uint32_t field32(const uint8_t *p) { uint32_t v; __builtin_memcpy(&v, p, 4); return v; }
static inline uint16_t field16(const uint8_t *p) { uint16_t v; __builtin_memcpy(&v, p, 2); return v; }
static inline void put64(uint8_t *p, uint64_t v) { __builtin_memcpy(p, &v, 8); }
static inline void put32(uint8_t *p, uint32_t v) { __builtin_memcpy(p, &v, 4); }
static inline void put16(uint8_t *p, uint16_t v) { __builtin_memcpy(p, &v, 2); }

#endif
