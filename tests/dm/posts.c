/* SPDX-License-Identifier: GPL-2.0-or-later */
/* posts.c - whom posted operations wake: vCPUs that look themselves get some time to. */
#define __XEN_TOOLS__ 1
#include <criterion/criterion.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xen/hvm/dm_op.h>
#include "dm/hv.h"
#include "dm/ioreq.h"
#include "include/dm_proto.h"
#include "lib/fdpass.h"
#include "lib/machine.h"
#include "lib/pci.h"

static struct { Hv *hv; DmShared *s; int sock, post_fd; } peer;

static int memory(size_t len)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    cr_assert_eq(ftruncate(fd, len), 0);
    return fd;
}

/* The hypervisor's part of hv_connect(), said beforehand. */
static void setup(void)
{
    struct { DmMsg msg; DmHello hello; } m = {
        .msg = { .type = DM_MSG_HELLO, .len = sizeof(DmHello) },
        .hello = { .version = DM_PROTO_VERSION, .vcpus = 2, .ram_size = 1 << 20 },
    };
    struct { DmMsg msg; int32_t result; struct xen_dm_op op; } r = { .msg = { .type = DM_MSG_REPLY, .id = 1 } };
    int fds[7] = { memory(1 << 20), memory(256), memory(256), memory(8192), memory(sizeof(DmShared)),
                   eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) }, pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    cr_assert(packet_send(pair[1], &m, sizeof m, NULL, 0, fds, 7));
    cr_assert(packet_send(pair[1], &r, sizeof r.msg + 4 + sizeof r.op, NULL, 0, NULL, 0));
    peer.sock = pair[1];
    peer.post_fd = fds[6];
    peer.s = mmap(NULL, sizeof(DmShared), PROT_READ | PROT_WRITE, MAP_SHARED, fds[4], 0);
    peer.s->hv_waiting = DM_WAKE_SERVICE;
    peer.hv = hv_connect(pair[0], NULL);
    cr_assert(peer.hv);
}

static void teardown(void)
{
    hv_close(peer.hv);
    close(peer.sock);
}

TestSuite(posts, .init = setup, .fini = teardown, .timeout = 20);

static bool rang(void)
{
    uint64_t n;

    return read(peer.post_fd, &n, sizeof n) == sizeof n;
}

static void take_all(void)
{
    __atomic_store_n(&peer.s->post_cons, peer.s->post_prod, __ATOMIC_SEQ_CST);
}

Test(posts, wake_the_service_thread_at_once_when_no_vcpu_looks)
{
    hv_isa_irq(peer.hv, 5, true);
    cr_expect(rang());
    cr_expect_eq(peer.s->hv_waiting, DM_WAKE_NOBODY, "it takes all that comes until it sleeps again");
    hv_isa_irq(peer.hv, 5, false);
    cr_expect_not(rang());
}

Test(posts, that_a_running_vcpu_takes_wake_nobody)
{
    peer.s->vcpus_look = 1;
    for (unsigned i = 0; i < 1000; i++) {
        hv_isa_irq(peer.hv, 5, i & 1);
        take_all();
        hv_settle_posts(peer.hv, i % 3 == 0);
    }
    usleep(1000);
    hv_settle_posts(peer.hv, true);
    cr_expect_not(rang());
    cr_expect_eq(peer.s->hv_waiting, DM_WAKE_SERVICE);
}

/* A short loop of the guest's never looks: nothing may depend on it. */
Test(posts, that_nobody_takes_wake_the_service_thread_later)
{
    peer.s->vcpus_look = 1;
    for (unsigned i = 0; i < 20; i++) {
        hv_isa_irq(peer.hv, 5, i & 1);
        cr_expect_not(rang());
        hv_settle_posts(peer.hv, true);
        cr_expect(rang(), "before this process sleeps");
        take_all();
        peer.s->hv_waiting = DM_WAKE_SERVICE;
        hv_isa_irq(peer.hv, 6, i & 1);
        usleep(1000);
        hv_settle_posts(peer.hv, false);
        cr_expect(rang(), "while it goes on");
        take_all();
        peer.s->hv_waiting = DM_WAKE_SERVICE;
        hv_isa_irq(peer.hv, 7, i & 1);
        usleep(1000);
        hv_isa_irq(peer.hv, 8, i & 1);
        cr_expect(rang(), "with the next post");
        take_all();
        peer.s->hv_waiting = DM_WAKE_SERVICE;
    }
}

Test(posts, wake_a_halted_vcpu_at_once)
{
    peer.s->vcpus_look = 1;
    peer.s->vcpu[1].waiting = 1;
    peer.s->hv_waiting = DM_WAKE_VCPU + 1;
    hv_isa_irq(peer.hv, 5, true);
    cr_expect_eq(peer.s->vcpu[1].waiting, 0);
    cr_expect_eq(peer.s->hv_waiting, DM_WAKE_NOBODY);
    cr_expect_not(rang());
}

static uint32_t stay_here(void)
{
    cpu_set_t one;
    int cpu = sched_getcpu();

    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
    return cpu + 1;
}

Test(look, is_for_vcpus_on_other_processors, .init = setup, .fini = teardown)
{
    uint32_t here = stay_here();

    cr_expect(hv_may_look(peer.hv, 1), "nobody knows where it is");
    cr_expect_eq(peer.s->dm_processor, here);
    peer.s->vcpu[1].processor = here + 1;
    cr_expect(hv_may_look(peer.hv, 1));
    peer.s->vcpu[1].processor = here;
    cr_expect_not(hv_may_look(peer.hv, 1));
    cr_expect(hv_may_look(peer.hv, 0));
}

/* ns from a request of vCPU 0's until the device thread would sleep; the least of some. */
static gint64 awake_ns(uint32_t processor)
{
    gint64 least = G_MAXINT64;

    peer.s->vcpu[0].processor = processor;
    for (unsigned i = 0; i < 50; i++) {
        gint64 start = g_get_monotonic_time();

        peer.s->dm_waiting = 0;
        peer.s->request_seq++;
        while (!peer.s->dm_waiting) {
            g_main_context_iteration(NULL, FALSE);
        }
        least = MIN(least, (g_get_monotonic_time() - start) * 1000);
    }
    return least;
}

Test(look, for_the_next_request_ends_where_its_vcpu_waits, .init = setup, .fini = teardown, .timeout = 20)
{
    Machine m;
    PciBus bus;
    IoreqClient *client;
    uint32_t here;
    cpu_set_t cpus;

    if (sched_getaffinity(0, sizeof cpus, &cpus) || CPU_COUNT(&cpus) < 2) {
        cr_skip_test("one processor: nobody looks");
    }
    machine_init(&m, NULL, NULL);
    pci_bus_init(&bus, &m);
    client = ioreq_client_new(peer.hv, &m, &bus);
    here = stay_here();
    cr_expect_geq(awake_ns(here + 1), 45000);
    cr_expect_lt(awake_ns(here), 45000);
    ioreq_client_free(client);
    machine_finish(&m);
}

static bool count_looks(void *opaque, unsigned offset, uint8_t *value)
{
    (*(unsigned *)opaque)++;
    *value = offset;
    return true;
}

static uint64_t read_none(void *opaque, uint64_t offset, unsigned width)
{
    (void)opaque, (void)offset, (void)width;
    return 0;
}

static void write_none(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)opaque, (void)offset, (void)width, (void)value;
}

/* The machine goes device by device: one that drops its line meets ranges that have gone already. */
Test(posts, publish_no_range_once_the_client_has_gone)
{
    static const IoOps ops = { .read = read_none, .write = write_none, .widths = IO_8, .peek = count_looks };
    unsigned looks = 0, before;
    IoFamily family = { .publishes = true, .changed = true };
    IoRange *range = io_range_new("test", IO_PORT, 4, &ops, &looks);
    Machine m;
    PciBus bus;
    IoreqClient *client;

    machine_init(&m, NULL, NULL);
    pci_bus_init(&bus, &m);
    client = ioreq_client_new(peer.hv, &m, &bus);
    range->family = &family;
    hv_post_range(peer.hv, range, true);
    m.io.due = true;
    hv_isa_irq(peer.hv, 4, true);
    cr_expect_gt(looks, 0);
    before = looks;
    ioreq_client_free(client);
    family.changed = m.io.due = true;
    hv_isa_irq(peer.hv, 4, false);
    cr_expect_eq(looks, before);
    cr_expect_eq(peer.s->post_prod, 2u);
    io_range_free(&m.io, range);
    machine_finish(&m);
}
