/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memory_test.c - the guest-physical map and its limits. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/errno.h>
#include "tests/hypervisor/bare_domain.h"

static int device_memfd(size_t size, bool sealed)
{
    int fd = memfd_create("device", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    cr_assert_eq(ftruncate(fd, size), 0);
    if (sealed) {
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    }
    return fd;
}

Test(memory, vga_hole_is_no_ram_and_special_pages_are)
{
    Domain *d = bare_domain();

    cr_expect_not_null(mem_page(&d->mem, 0x9f, true));
    cr_expect_null(mem_page(&d->mem, 0xa0, false));
    cr_expect_null(mem_page(&d->mem, 0xbf, false));
    cr_expect_not_null(mem_page(&d->mem, 0xc0, true));
    cr_expect_not_null(mem_page(&d->mem, 0xfeffc, true));
    cr_expect_null(mem_page(&d->mem, 0xfeffd, true));
    cr_expect_null(mem_page(&d->mem, UINT64_MAX >> 12, false));
    bare_domain_free(d);
}

Test(memory, populate_stops_at_the_limit)
{
    Domain *d = bare_domain();

    cr_expect_eq(mem_populate(&d->mem, 0xfc000, 16), 0);
    cr_expect_eq(mem_populate(&d->mem, 0x40000, MEM_ALLOWANCE + 64), -XEN_ENOMEM);
    cr_expect_eq(mem_populate(&d->mem, UINT64_MAX - 5, 10), -XEN_EINVAL);
    cr_expect_eq(mem_populate(&d->mem, 5, UINT64_MAX), -XEN_EINVAL);
    bare_domain_free(d);
}

Test(memory, released_page_comes_back_zeroed)
{
    Domain *d = bare_domain();
    uint64_t gfn = 0x300;

    memset(mem_page(&d->mem, gfn, true), 0x5a, PAGE_SIZE);
    cr_expect_eq(mem_release(&d->mem, &gfn, 1, 0), 0);
    cr_expect_null(mem_page(&d->mem, gfn, false));
    cr_expect_eq(mem_release(&d->mem, &gfn, 1, 0), -XEN_EINVAL);
    cr_expect_eq(mem_populate(&d->mem, gfn, 1), 0);
    cr_expect_eq(mem_page(&d->mem, gfn, false)[17], 0);
    bare_domain_free(d);
}

Test(memory, page_named_twice_in_one_release_is_counted_once)
{
    Domain *d = bare_domain();
    uint64_t before = d->mem.pages, twice[2] = { 0x300, 0x300 };

    cr_expect_eq(mem_release(&d->mem, twice, 2, 0), 0);
    cr_expect_eq(d->mem.pages, before - 1);
    bare_domain_free(d);
}

Test(memory, moved_page_keeps_its_bytes_and_leaves_a_hole)
{
    Domain *d = bare_domain();

    mem_page(&d->mem, 0x300, true)[9] = 0x77;
    cr_expect_eq(mem_move(&d->mem, 0x300, 0xfc005), 0);
    cr_expect_null(mem_page(&d->mem, 0x300, false));
    cr_expect_eq(mem_page(&d->mem, 0xfc005, false)[9], 0x77);
    cr_expect_eq(mem_move(&d->mem, 0x300, 0xfc006), -XEN_EINVAL);
    bare_domain_free(d);
}

Test(memory, shared_info_moves_and_its_old_place_is_a_hole)
{
    Domain *d = bare_domain();

    cr_expect_eq(mem_map_heap(&d->mem, MEM_HEAP_SHARED_INFO, 0xfdfff), 0);
    d->mem.heap[123] = 0x42;
    cr_expect_eq(mem_page(&d->mem, 0xfdfff, false)[123], 0x42);
    cr_expect_eq(mem_map_heap(&d->mem, MEM_HEAP_SHARED_INFO, 0x200), 0);
    cr_expect_null(mem_page(&d->mem, 0xfdfff, false));
    cr_expect_eq(mem_page(&d->mem, 0x200, false)[123], 0x42);
    bare_domain_free(d);
}

Test(memory, device_block_maps_over_a_hole_only)
{
    Domain *d = bare_domain();
    DmMapBlock b = { .handle = 1, .flags = DM_BLOCK_MAP, .gpa = 0xf0000000, .size = 0x10000 };
    int fd = device_memfd(b.size, true);
    uint8_t *view = mmap(NULL, b.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    view[5] = 0x33;
    cr_expect_eq(mem_block_map(&d->mem, &b, fd), 0);
    cr_expect_eq(mem_page(&d->mem, 0xf0000, false)[5], 0x33);
    b.gpa = 0x100000;
    cr_expect_eq(mem_block_map(&d->mem, &b, -1), -XEN_EBUSY);
    cr_expect_null(mem_page(&d->mem, 0xf0000, false));
    b.gpa = d->mem.guest.size - 0x1000;
    cr_expect_eq(mem_block_map(&d->mem, &b, -1), -XEN_EINVAL);
    bare_domain_free(d);
}

Test(memory, device_block_that_could_shrink_is_refused)
{
    Domain *d = bare_domain();
    DmMapBlock b = { .handle = 2, .flags = DM_BLOCK_MAP, .gpa = 0xf0000000, .size = 0x10000 };

    cr_expect_eq(mem_block_map(&d->mem, &b, device_memfd(b.size, false)), -XEN_EINVAL);
    cr_expect_eq(mem_block_map(&d->mem, &b, device_memfd(b.size / 2, true)), -XEN_EINVAL);
    b.handle = 64;
    cr_expect_eq(mem_block_map(&d->mem, &b, device_memfd(b.size, true)), -XEN_EINVAL);
    bare_domain_free(d);
}

Test(memory, part_of_a_device_block_moves_with_its_offset)
{
    Domain *d = bare_domain();
    DmMapBlock b = { .handle = 1, .flags = DM_BLOCK_MAP, .gpa = 0xa0000, .size = 0x4000 };
    int fd = device_memfd(0x10000, true);
    uint8_t *view = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    view[0] = 0x11;
    view[0xc000] = 0x22;
    cr_expect_eq(mem_block_map(&d->mem, &b, fd), 0);
    cr_expect_eq(mem_page(&d->mem, 0xa0, false)[0], 0x11);
    b.offset = 0xc000;
    cr_expect_eq(mem_block_map(&d->mem, &b, -1), 0);
    cr_expect_eq(mem_page(&d->mem, 0xa0, false)[0], 0x22);
    cr_expect_null(mem_page(&d->mem, 0xa4, false));
    b.offset = 0xd000;
    cr_expect_eq(mem_block_map(&d->mem, &b, -1), -XEN_EINVAL, "past the end of the descriptor");
    b.offset = 0x800;
    cr_expect_eq(mem_block_map(&d->mem, &b, -1), -XEN_EINVAL, "not a whole page");
    b.offset = UINT64_MAX - 0xfff;
    cr_expect_eq(mem_block_map(&d->mem, &b, -1), -XEN_EINVAL, "wraps");
    bare_domain_free(d);
}

/* The guest's loop takes the device lock in the middle of an instruction; whoever changes the map
 * holds it while waiting for the vCPU. */
Test(memory, map_changes_while_the_guest_asks_for_cpuid, .timeout = 60)
{
    static const uint8_t loop[] = { 0xb8, 0, 0, 0, 0x80, 0x0f, 0xa2, 0xeb, 0xf7 };
    enum { CODE = 128, FILESZ = 52 + 16 };
    uint8_t image[256];
    size_t len = bare_loader(image);
    DmMapBlock b = { .handle = 1, .gpa = 0xa0000, .size = 0x10000 };
    Domain *d;

    memcpy(image + CODE, loop, sizeof loop);
    image[FILESZ] = sizeof loop;
    d = bare_domain_with_loader(image, len);
    cr_assert_not_null(d);
    cr_assert(domain_start(d, NULL));
    domain_unpause(d);
    for (unsigned i = 0; i < 4000; i++) {
        b.flags = i & 1 ? DM_BLOCK_MAP : 0;
        domain_lock(d);
        cr_assert_eq(mem_block_map(&d->mem, &b, i ? -1 : device_memfd(b.size, true)), 0);
        domain_unlock(d);
    }
    bare_domain_free(d);
}
