/* SPDX-License-Identifier: GPL-2.0-or-later */
/* event_test.c - event channels, the loader's checks, and the paravirtual clock. */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <xen/errno.h>
#include "hypervisor/pvtime.h"
#include "hypervisor/xen_abi.h"
#include "tests/hypervisor/bare_domain.h"

Test(event, send_to_self_sets_pending_selector_and_upcall)
{
    Domain *d = bare_domain();
    uint8_t *si = event_shared_info(d);
    uint32_t a, b;

    cr_assert_eq(event_op_alloc_unbound(d, DOMID_SELF, DOMID_SELF, &a), 0);
    cr_assert_eq(event_op_bind_interdomain(d, DOMID_SELF, a, &b), 0);
    memset(si, 0, 0xa00);
    cr_expect_eq(event_op_send(d, b), 0);
    cr_expect(event_port_pending(d, a));
    cr_expect(event_upcall_pending(d->vcpu[0]));
    cr_expect_eq(si[4], 1, "selector bit of word 0, 32-bit layout");
    bare_domain_free(d);
}

Test(event, masked_port_waits_for_unmask)
{
    Domain *d = bare_domain();
    uint8_t *si = event_shared_info(d);
    uint32_t port;

    event_op_bind_ipi(d, 1, &port);
    si[0x880 + port / 8] |= 1 << (port % 8);
    event_op_send(d, port);
    cr_expect(event_port_pending(d, port));
    cr_expect_not(event_upcall_pending(d->vcpu[1]));
    cr_expect_eq(event_op_unmask(d, port), 0);
    cr_expect(event_upcall_pending(d->vcpu[1]));
    bare_domain_free(d);
}

Test(event, bad_ports_and_vcpus_are_refused)
{
    Domain *d = bare_domain();
    uint32_t port;

    cr_expect_eq(event_op_send(d, 0), -XEN_EINVAL);
    cr_expect_eq(event_op_send(d, 4096), -XEN_EINVAL);
    cr_expect_eq(event_op_close(d, UINT32_MAX), -XEN_EINVAL);
    cr_expect_eq(event_op_bind_ipi(d, 2, &port), -XEN_ENOENT);
    cr_expect_eq(event_op_bind_virq(d, 24, 0, &port), -XEN_EINVAL);
    cr_expect_eq(event_op_bind_virq(d, VIRQ_TIMER, 1, &port), 0);
    cr_expect_eq(event_op_bind_virq(d, VIRQ_TIMER, 1, &port), -XEN_EEXIST);
    cr_expect_eq(event_op_bind_vcpu(d, port, 0), -XEN_EINVAL);
    bare_domain_free(d);
}

Test(event, ports_run_out_and_come_back)
{
    Domain *d = bare_domain();
    uint32_t port = 0, n = 0;

    while (event_op_bind_ipi(d, 0, &port) == 0) {
        n++;
    }
    cr_expect_eq(n, 1021, "32-bit layout: 1024 less port 0, store and console");
    cr_expect_eq(event_op_close(d, port), 0);
    cr_expect_eq(event_op_bind_ipi(d, 0, &port), 0);
    event_op_reset(d);
    cr_expect_eq(event_op_bind_ipi(d, 0, &port), 0);
    cr_expect_eq(port, 3, "the toolstack's ports stay");
    bare_domain_free(d);
}

Test(event, layout_change_keeps_masks_and_pending_events)
{
    Domain *d = bare_domain();
    uint8_t *si = event_shared_info(d);

    si[0x880] = 0x54;
    si[0x800] = 0x08;
    si[0] = 1;
    event_set_layout(d, true);
    cr_expect_eq(si[0xa00], 0x54);
    cr_expect_eq(si[0x800], 0x08);
    cr_expect_eq(si[8], 0xff, "every word is looked at once");
    bare_domain_free(d);
}

Test(event, clock_scale_is_exact_to_a_part_in_a_billion)
{
    static const uint64_t khz[] = { 1000, 999999, 1000000, 2596118, 4999999, 123456 };

    for (size_t i = 0; i < G_N_ELEMENTS(khz); i++) {
        uint32_t mul;
        int8_t shift;
        unsigned __int128 ticks = khz[i] * 1000 * 10;
        uint64_t ns;

        pvtime_scale(khz[i], &mul, &shift);
        cr_expect_neq(mul, 0);
        ticks = shift >= 0 ? ticks << shift : ticks >> -shift;
        ns = ticks * mul >> 32;
        cr_expect_leq(llabs((long long)ns - 10000000000ll), 20, "%lu kHz: %lu", khz[i], ns);
    }
}

Test(builder, broken_loaders_are_refused)
{
    uint8_t image[256];
    size_t len = bare_loader(image);
    Elf32_Phdr *ph = (Elf32_Phdr *)(image + sizeof(Elf32_Ehdr));
    Elf32_Ehdr *eh = (Elf32_Ehdr *)image;

    cr_expect_null(bare_domain_with_loader(image, 20));
    ph->p_offset = 0xfffffff0;
    cr_expect_null(bare_domain_with_loader(image, len));
    bare_loader(image);
    ph->p_filesz = 5000;
    cr_expect_null(bare_domain_with_loader(image, len));
    bare_loader(image);
    ph->p_paddr = 0xfffff000;
    cr_expect_null(bare_domain_with_loader(image, len));
    bare_loader(image);
    eh->e_phnum = 0xffff;
    cr_expect_null(bare_domain_with_loader(image, len));
    bare_loader(image);
    eh->e_entry = 0;
    cr_expect_null(bare_domain_with_loader(image, len));
}

Test(builder, vcpu0_starts_at_the_entry_with_start_info_in_ebx)
{
    Domain *d = bare_domain();
    const VcpuState *s = d->vcpu[0]->start_state;
    uint32_t magic = 0;

    cr_assert_not_null(s);
    cr_expect_eq(s->rip, 0x100000);
    cr_expect_eq(s->cr0, 0x11);
    cr_expect(mem_read(&d->mem, s->gpr[3], &magic, 4));
    cr_expect_eq(magic, 0x336ec578);
    cr_expect_not(d->vcpu[1]->online);
    bare_domain_free(d);
}
