/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hypercall_test.c - hypercalls as a guest may make them: who may, with which arguments, and with any. */
#include <criterion/criterion.h>
#include <string.h>
#include "hypervisor/hypercall.h"
#include "tests/hypervisor/bare_domain.h"
#include <xen/errno.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
#define HERE 0x200000u          /* RAM of nobody */

static uint8_t *ram(Domain *d, uint64_t gpa)
{
    return mem_page(&d->mem, gpa >> PAGE_SHIFT, true) + (gpa & (PAGE_SIZE - 1));
}

/* By the 32-bit convention; the vCPU has no paging. */
static int32_t call32(Domain *d, unsigned number, uint32_t a, uint32_t b, unsigned cpl)
{
    uint64_t gpr[16] = { [RAX] = number, [RBX] = a, [RCX] = b };

    hypercall_enter(d->vcpu[0], gpr, false, cpl);
    return (int32_t)gpr[RAX];
}

Test(hypercall, is_the_kernels_and_only_what_exists)
{
    Domain *d = bare_domain();

    cr_expect_eq(call32(d, __HYPERVISOR_xen_version, XENVER_version, 0, 0), 4 << 16 | 17);
    cr_expect_eq(call32(d, __HYPERVISOR_xen_version, XENVER_version, 0, 3), -XEN_EPERM);
    cr_expect_eq(call32(d, __HYPERVISOR_set_trap_table, 0, 0, 0), -XEN_ENOSYS);
    cr_expect_eq(call32(d, __HYPERVISOR_dm_op, 0, 0, 0), -XEN_ENOSYS);
    cr_expect_eq(call32(d, UINT32_MAX, 0, 0, 0), -XEN_ENOSYS);
    bare_domain_free(d);
}

Test(hypercall, capabilities_name_hvm_guests_and_bad_pointers_are_faults)
{
    Domain *d = bare_domain();

    cr_expect_eq(call32(d, __HYPERVISOR_xen_version, XENVER_capabilities, HERE, 0), 0);
    cr_expect(strstr((char *)ram(d, HERE), "hvm-3.0-x86_64"), "%.60s", (char *)ram(d, HERE));
    cr_expect_eq(call32(d, __HYPERVISOR_xen_version, XENVER_capabilities, 0xe0000000, 0), -XEN_EFAULT);
    cr_expect_eq(call32(d, __HYPERVISOR_memory_op, XENMEM_memory_map, 0xa0000, 0), -XEN_EFAULT);
    bare_domain_free(d);
}

Test(hypercall, parameters_have_rights)
{
    Domain *d = bare_domain();
    struct xen_hvm_param p = { .domid = DOMID_SELF, .index = HVM_PARAM_STORE_PFN };

    memcpy(ram(d, HERE), &p, sizeof p);
    cr_expect_eq(call32(d, __HYPERVISOR_hvm_op, HVMOP_get_param, HERE, 0), 0);
    memcpy(&p, ram(d, HERE), sizeof p);
    cr_expect_eq(p.value, d->param[HVM_PARAM_STORE_PFN]);
    cr_expect_neq(p.value, 0);
    cr_expect_eq(call32(d, __HYPERVISOR_hvm_op, HVMOP_set_param, HERE, 0), -XEN_EPERM, "the builder's");
    p.index = HVM_PARAM_IOREQ_PFN;
    memcpy(ram(d, HERE), &p, sizeof p);
    cr_expect_eq(call32(d, __HYPERVISOR_hvm_op, HVMOP_get_param, HERE, 0), -XEN_EPERM, "the device model's");
    p.index = 1000000;
    memcpy(ram(d, HERE), &p, sizeof p);
    cr_expect_eq(call32(d, __HYPERVISOR_hvm_op, HVMOP_get_param, HERE, 0), -XEN_EINVAL);
    p.domid = 0;
    p.index = HVM_PARAM_STORE_PFN;
    memcpy(ram(d, HERE), &p, sizeof p);
    cr_expect_lt(call32(d, __HYPERVISOR_hvm_op, HVMOP_get_param, HERE, 0), 0, "another domain's");
    bare_domain_free(d);
}

Test(hypercall, multicall_does_its_list_in_order_and_does_not_nest)
{
    Domain *d = bare_domain();
    uint32_t entry[3][8] = {
        { __HYPERVISOR_xen_version, 77, XENVER_version },
        { __HYPERVISOR_multicall, 77, HERE, 1 },
        { __HYPERVISOR_set_trap_table, 77 } };
    uint32_t last = 16 * 1024 * 1024 - sizeof entry[0];

    memcpy(ram(d, HERE), entry, sizeof entry);
    cr_expect_eq(call32(d, __HYPERVISOR_multicall, HERE, 3, 0), 0);
    memcpy(entry, ram(d, HERE), sizeof entry);
    cr_expect_eq((int32_t)entry[0][1], 4 << 16 | 17);
    cr_expect_eq((int32_t)entry[1][1], -XEN_EINVAL);
    cr_expect_eq((int32_t)entry[2][1], -XEN_ENOSYS);
    cr_expect_eq(call32(d, __HYPERVISOR_multicall, HERE, 1025, 0), -XEN_EINVAL);
    cr_expect_eq(call32(d, __HYPERVISOR_multicall, last, 2, 0), -XEN_EFAULT, "the second is behind the RAM");
    bare_domain_free(d);
}

/* Also on two pages. */
Test(hypercall, time_area_has_the_same_record_wherever_it_lies)
{
    Domain *d = bare_domain();
    uint8_t *first = ram(d, HERE + PAGE_SIZE - 12), *second = ram(d, HERE + PAGE_SIZE);
    const uint8_t *time = d->vcpu[0]->info + 32;
    uint8_t copy[32];
    uint32_t at = HERE + PAGE_SIZE - 12;
    uint64_t gpr[16] = { [RAX] = __HYPERVISOR_vcpu_op, [RBX] = VCPUOP_register_vcpu_time_memory_area,
                         [RDX] = HERE };

    memcpy(ram(d, HERE), &at, sizeof at);
    hypercall_enter(d->vcpu[0], gpr, false, 0);
    cr_assert_eq((int32_t)gpr[RAX], 0, "%d", (int32_t)gpr[RAX]);
    memcpy(copy, first, 12);
    memcpy(copy + 12, second, 20);
    cr_expect_arr_eq(copy, time, 32);
    cr_expect_eq(field32(copy) & 1, 0, "complete");
    cr_expect_neq(field32(copy), 0);
    cr_expect_neq(field32(copy + 24), 0, "the scale");
    bare_domain_free(d);
}

/* --- any arguments --- */

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* Numbers that mean something as often as not: small, near the ends, pointers to RAM, to nothing. */
static uint64_t argument(uint64_t *s)
{
    uint64_t r = next_random(s);

    switch (r % 8) {
    case 0: return r >> 8 & 0x3f;
    case 1: return r >> 8 & 1;
    case 2: return UINT64_MAX - (r >> 8 & 0xff);
    case 3: return (r >> 8 & 0xfff) << PAGE_SHIFT;
    case 4: return (1ULL << (r >> 8 & 63)) - (r >> 16 & 1);
    case 5: return r;
    default: return HERE + (r >> 8 & 0xff8);
    }
}

/* What structures consist of: zeros, small numbers, "myself", pointers, anything. */
static void scatter(Domain *d, uint64_t *s)
{
    for (unsigned i = 0; i < 64; i++) {
        uint64_t r = next_random(s), at = HERE + (r & 0xffc);
        const uint32_t word[8] = { 0, 0, DOMID_SELF, DOMID_SELF, r >> 12 & 0xf, r >> 12 & 0xfff,
                                   HERE + (r >> 12 & 0xffff), r >> 32 };
        uint8_t *page = mem_page(&d->mem, at >> PAGE_SHIFT, true);

        if (page) {
            memcpy(page + (at & (PAGE_SIZE - 1)), &word[r >> 29 & 7], 4);
        }
    }
}

static void any_calls(bool wide, bool paging, uint64_t seed, unsigned count)
{
    static int64_t (*const calls[])(Hypercall *h) = {
        hypercall_memory, hypercall_hvm, hypercall_sched, hypercall_vcpu, hypercall_event, hypercall_grant,
        hypercall_version, hypercall_console };
    Domain *d = bare_domain();
    uint64_t s = seed;
    unsigned good = 0;

    for (unsigned n = 0; n < count; n++) {
        Hypercall h = { .v = d->vcpu[next_random(&s) & 1], .d = d, .wide = wide };
        VcpuState *state = (VcpuState *)vcpu_state(h.v);
        int64_t result;

        scatter(d, &s);
        for (unsigned i = 0; i < 6; i++) {
            h.arg[i] = wide ? argument(&s) : (uint32_t)argument(&s);
        }
        h.arg[0] = n % 8 ? next_random(&s) % 40 : h.arg[0];
        if (paging) {           /* tables are what lies there */
            state->cr0 |= 0x80000000;
            state->cr3 = HERE + (next_random(&s) & 0xf000);
            state->cr4 = next_random(&s) & 0x30;
            state->efer = wide ? 0x500 : 0;
        }
        h.v->state_valid = true;
        domain_lock(d);
        result = calls[next_random(&s) % G_N_ELEMENTS(calls)](&h);
        domain_unlock(d);
        good += result >= 0;
        cr_assert(result >= -4095, "call %u of seed %lx: %ld", n, seed, result);
        cr_assert_leq(d->mem.pages, 16 * 256 + MEM_ALLOWANCE + 64);
    }
    cr_expect_gt(good, paging ? 0 : count / 50, "only %u of %u did anything", good, count);
    bare_domain_free(d);
}

Test(hypercall, any_arguments_of_a_64_bit_guest_do_no_harm, .timeout = 60)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        any_calls(true, false, seed * 0x9e3779b97f4a7c15, 3000);
    }
}

Test(hypercall, any_arguments_of_a_32_bit_guest_do_no_harm, .timeout = 60)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        any_calls(false, false, seed * 0x9e3779b97f4a7c15, 3000);
    }
}

Test(hypercall, any_page_tables_do_no_harm, .timeout = 60)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        any_calls(seed & 1, true, seed * 0x9e3779b97f4a7c15, 3000);
    }
}
