/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hypercall_version.c - xen_version (xen/version.h) and console_io.  We speak Xen 4.17's interface
 * and say so: guests and firmware choose by it.
 */
#include "hypervisor/hypercall.h"

#include <string.h>
#include "hypervisor/xen_abi.h"
#include <xen/errno.h>
#include <xen/features.h>
#include <xen/version.h>
#include "hypervisor/cpu_policy.h"

#define CONSOLE_MAX 4096

static int64_t put_text(Hypercall *h, const char *text, size_t room)
{
    char b[1024] = { 0 };

    g_strlcpy(b, text, MIN(room, sizeof b));
    return guest_write(h->v, h->arg[1], b, MIN(room, sizeof b)) ? 0 : -XEN_EFAULT;
}

static int64_t compile_info(Hypercall *h)
{
    /* compiler 64, by 16, domain 32, date 32 */
    char b[144] = "gcc";

    strcpy(b + 64, "guesthouse");
    return guest_write(h->v, h->arg[1], b, sizeof b) ? 0 : -XEN_EFAULT;
}

static int64_t features(Hypercall *h)
{
    uint8_t b[8];
    uint32_t map = 0;

    if (!guest_read(h->v, h->arg[1], b, sizeof b)) {
        return -XEN_EFAULT;
    }
    if (field32(b) == 0) {
        map = 1u << XENFEAT_writable_page_tables | 1u << XENFEAT_auto_translated_physmap |
              1u << XENFEAT_hvm_callback_vector | 1u << XENFEAT_hvm_safe_pvclock |
              1u << XENFEAT_memory_op_vnode_supported | 1u << XENFEAT_not_direct_mapped;
    }
    put32(b + 4, map);
    return guest_write(h->v, h->arg[1], b, sizeof b) ? 0 : -XEN_EFAULT;
}

int64_t hypercall_version(Hypercall *h)
{
    uint64_t zero = 0;

    switch (h->arg[0]) {
    case XENVER_version:
        return XEN_VERSION_MAJOR << 16 | XEN_VERSION_MINOR;
    case XENVER_extraversion:
        return put_text(h, XEN_VERSION_EXTRA, XEN_EXTRAVERSION_LEN);
    case XENVER_compile_info:
        return compile_info(h);
    case XENVER_capabilities:
        return put_text(h, "hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64", 1024);
    case XENVER_changeset:
        return put_text(h, "unavailable", 64);
    case XENVER_platform_parameters:
        return guest_write(h->v, h->arg[1], &zero, h->wide ? 8 : 4) ? 0 : -XEN_EFAULT;
    case XENVER_get_features:
        return features(h);
    case XENVER_pagesize:
        return PAGE_SIZE;
    case XENVER_guest_handle:
        return guest_write(h->v, h->arg[1], h->d->opt.uuid, 16) ? 0 : -XEN_EFAULT;
    case XENVER_commandline:
        return put_text(h, "", 1024);
    case XENVER_build_id:
        return -XEN_ENODATA;
    default:
        return -XEN_ENOSYS;
    }
}

int64_t hypercall_console(Hypercall *h)
{
    char buf[256];
    uint64_t left = MIN(h->arg[1], CONSOLE_MAX), at = h->arg[2];

    if (h->arg[0] != CONSOLEIO_write) {
        return -XEN_EPERM;
    }
    while (left) {
        size_t n = MIN(left, sizeof buf);

        if (!guest_read(h->v, at, buf, n)) {
            return -XEN_EFAULT;
        }
        for (size_t i = 0; i < n; i++) {
            domain_console_char(h->d, buf[i]);
        }
        left -= n;
        at += n;
    }
    return 0;
}
