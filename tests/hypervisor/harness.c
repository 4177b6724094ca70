/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * harness.c - the child is a whole hypervisor process but for its sandbox; this process is its
 * device model (a PIIX3, SCI_EN and nothing else), its xenstore and its xend.
 */
#define __XEN_TOOLS__ 1
#include "tests/hypervisor/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xen/xen.h>
#include <xen/hvm/dm_op.h>
#include <xen/hvm/ioreq.h>
#include <xen/io/xs_wire.h>
#include "hypervisor/control.h"
#include "hypervisor/domain.h"
#include "hypervisor/engines.h"
#include "lib/fdpass.h"
#include "lib/log.h"

struct Harness {
    pid_t pid;
    int dm, store, control, log_fd;
    GString *log;
    int reason;
    unsigned vcpus;
    uint8_t *pages;
    DmShared *shared;
    int request_fd, post_fd;
    uint32_t next_id, seen;
    GByteArray *store_in;
    uint32_t reply_id;          /* of the last answer */
    int reply;
    CtlInfo info;
};

/* --- the child --- */

static void run_child(const HarnessConfig *c, int dm, int store, int control, int log_fd)
{
    GError *error = NULL;
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    Options o = { .name = g_strdup("test"), .domid = 7, .memory_mb = c->memory_mb,
                  .max_memory_mb = c->memory_mb, .vcpus = c->vcpus, .vcpu_avail = UINT64_MAX,
                  .hpet = true, .acpi = true, .apic = true, .pae = true, .timer_mode = 1,
                  .control_fd = control, .dm_fd = dm, .store_fd = store, .console_fd = -1,
                  .kvm_fd = -1, .gdb_fd = -1, .log_fd = log_fd };
    Domain *d;

    o.cpu = !strcmp(c->cpu, "kvm") ? CPU_KVM : !strcmp(c->cpu, "soft") ? CPU_SOFT : CPU_AUTO;
    o.loader_fd = open(c->loader, O_RDONLY | O_CLOEXEC);
    o.firmware_fd = c->firmware ? open(c->firmware, O_RDONLY | O_CLOEXEC) : -1;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    log_init("test", log_fd, false);
    d = domain_new(&o, &error);
    if (!d || !domain_start(d, &error)) {
        g_critical("%s", error->message);
        _exit(1);
    }
    control_event(control, CTL_EVENT_READY, 0, engines_reason(d));
    control_new(d, control, loop);
    g_main_loop_run(loop);
    domain_destroy(d);
    domain_free(d);
    _exit(0);
}

/* --- the device model --- */

static int dm_call(Harness *h, struct xen_dm_op *op)
{
    DmMsg msg = { .type = DM_MSG_OP, .id = ++h->next_id, .len = sizeof *op };
    uint8_t in[256];
    ssize_t n;
    int32_t rc;

    if (!packet_send(h->dm, &msg, sizeof msg, op, sizeof *op, NULL, 0)) {
        return -EIO;
    }
    n = packet_recv(h->dm, in, sizeof in, NULL, NULL);
    if (n < (ssize_t)(sizeof msg + 4)) {
        return -EIO;
    }
    memcpy(&rc, in + sizeof msg, 4);
    if (rc >= 0 && n >= (ssize_t)(sizeof msg + 4 + sizeof *op)) {
        memcpy(op, in + sizeof msg + 4, sizeof *op);
    }
    return rc;
}

static void dm_claim(Harness *h, unsigned id, unsigned type, uint64_t first, uint64_t last)
{
    struct xen_dm_op op = { .op = XEN_DMOP_map_io_range_to_ioreq_server };

    op.u.map_io_range_to_ioreq_server.id = id;
    op.u.map_io_range_to_ioreq_server.type = type;
    op.u.map_io_range_to_ioreq_server.start = first;
    op.u.map_io_range_to_ioreq_server.end = last;
    dm_call(h, &op);
}

static bool dm_attach(Harness *h)
{
    struct { DmMsg msg; DmHello hello; } m;
    struct xen_dm_op op = { .op = XEN_DMOP_create_ioreq_server };
    int fds[FDPASS_MAX];
    unsigned nfds = FDPASS_MAX, id;

    if (packet_recv(h->dm, &m, sizeof m, fds, &nfds) != sizeof m || nfds != 7) {
        return false;
    }
    h->pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fds[3], 0);
    h->shared = mmap(NULL, sizeof *h->shared, PROT_READ | PROT_WRITE, MAP_SHARED, fds[4], 0);
    h->request_fd = fds[5];
    h->post_fd = fds[6];
    for (unsigned i = 0; i < 5; i++) {
        close(fds[i]);
    }
    op.u.create_ioreq_server.handle_bufioreq = 2;
    if (dm_call(h, &op) < 0) {
        return false;
    }
    id = op.u.create_ioreq_server.id;
    dm_claim(h, id, 0, 0xb004, 0xb005);
    dm_claim(h, id, 0, 0xb2, 0xb3);
    dm_claim(h, id, 0, 0x71, 0x71);
    dm_claim(h, id, 2, 0x08, 0x08);
    op = (struct xen_dm_op){ .op = XEN_DMOP_set_ioreq_server_state };
    op.u.set_ioreq_server_state.id = id;
    op.u.set_ioreq_server_state.enabled = 1;
    return dm_call(h, &op) == 0;
}

static uint64_t dm_answer(const ioreq_t *r)
{
    if (r->type == IOREQ_TYPE_PCI_CONFIG && (uint8_t)(r->addr >> 32) == 0x08) {
        static const uint32_t piix3[16] = { 0x70008086, 0x02000007, 0x06010000, 0x00800000 };
        uint32_t at = r->addr & 0xff;

        return at < 64 ? piix3[at / 4] >> (8 * (at & 3)) : 0;
    }
    return r->type == IOREQ_TYPE_PIO && r->addr == 0xb004 ? 1 : UINT64_MAX;
}

static void dm_serve(Harness *h)
{
    uint32_t seq = __atomic_load_n(&h->shared->request_seq, __ATOMIC_SEQ_CST);

    if (seq == h->seen) {
        return;
    }
    h->seen = seq;
    for (unsigned i = 0; i < h->vcpus; i++) {
        ioreq_t *slot = &((ioreq_t *)h->pages)[i], r;
        uint32_t *word = &h->shared->vcpu[i].waiting;

        memcpy(&r, slot, sizeof r);
        if (r.state != STATE_IOREQ_READY) {
            continue;
        }
        if (!r.data_is_ptr) {
            slot->data = dm_answer(&r);
        }
        r.state = STATE_IORESP_READY;
        __atomic_store_n((uint8_t *)slot + 30, ((uint8_t *)&r)[30], __ATOMIC_SEQ_CST);
        if (__atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST)) {
            syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
        }
    }
}

/* --- the xenstore --- */

static const char *store_value(const char *path)
{
    static const char *const nodes[][2] = {
        { "hvmloader/bios", "seabios" }, { "platform/acpi", "1" },
        { "hvmloader/allow-memory-relocate", "0" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
        if (!strcmp(path, nodes[i][0])) {
            return nodes[i][1];
        }
    }
    return NULL;
}

static void store_answer(Harness *h, const struct xsd_sockmsg *m, const char *path)
{
    const char *value = m->type == XS_READ ? store_value(path) : NULL;
    struct xsd_sockmsg a = { .type = value ? XS_READ : XS_ERROR, .req_id = m->req_id,
                             .tx_id = m->tx_id };

    a.len = value ? strlen(value) : 7;
    if (write(h->store, &a, sizeof a) < 0 || write(h->store, value ? value : "ENOENT", a.len) < 0) {
        g_warning("xenstore socket: %s", g_strerror(errno));
    }
}

static void store_serve(Harness *h)
{
    uint8_t buf[1024];
    ssize_t n = read(h->store, buf, sizeof buf);

    if (n > 0) {
        g_byte_array_append(h->store_in, buf, n);
    }
    for (;;) {
        struct xsd_sockmsg m;

        if (h->store_in->len < sizeof m) {
            return;
        }
        memcpy(&m, h->store_in->data, sizeof m);
        if (h->store_in->len < sizeof m + m.len) {
            return;
        }
        g_autofree char *path = g_strndup((char *)h->store_in->data + sizeof m, m.len);

        store_answer(h, &m, path);
        g_byte_array_remove_range(h->store_in, 0, sizeof m + m.len);
    }
}

/* --- xend --- */

static void control_serve(Harness *h)
{
    uint8_t buf[sizeof(CtlMsg) + sizeof(CtlInfo)];
    CtlMsg m;

    if (packet_recv(h->control, buf, sizeof buf, NULL, NULL) < (ssize_t)sizeof m) {
        h->reason = h->reason < 0 ? SHUTDOWN_CRASH : h->reason;
        return;
    }
    memcpy(&m, buf, sizeof m);
    if (m.type == CTL_EVENT_SHUTDOWN) {
        h->reason = m.a;
    } else if (m.type == CTL_REPLY) {
        h->reply_id = m.id;
        h->reply = m.a;
        if (m.len == sizeof h->info) {
            memcpy(&h->info, buf + sizeof m, sizeof h->info);
        }
    }
}

static void log_serve(Harness *h)
{
    char buf[4096];
    ssize_t n = read(h->log_fd, buf, sizeof buf);

    if (n > 0) {
        g_string_append_len(h->log, buf, n);
        if (g_getenv("TEST_VERBOSE")) {
            fwrite(buf, 1, n, stderr);
        }
    }
}

Harness *harness_new(const HarnessConfig *c)
{
    Harness *h = g_new0(Harness, 1);
    CtlMsg unpause = { .type = CTL_UNPAUSE, .id = 1 };
    int dm[2], store[2], control[2], log_pipe[2];

    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, dm);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, store);
    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control);
    if (pipe2(log_pipe, O_CLOEXEC) < 0) {
        return NULL;
    }
    h->pid = fork();
    if (h->pid == 0) {
        close(dm[0]);
        close(store[0]);
        close(control[0]);
        run_child(c, dm[1], store[1], control[1], log_pipe[1]);
    }
    close(dm[1]);
    close(store[1]);
    close(control[1]);
    close(log_pipe[1]);
    h->dm = dm[0];
    h->store = store[0];
    h->control = control[0];
    h->log_fd = log_pipe[0];
    h->log = g_string_new(NULL);
    h->store_in = g_byte_array_new();
    h->reason = -1;
    h->vcpus = c->vcpus;
    if (!dm_attach(h) || !packet_send(h->control, &unpause, sizeof unpause, NULL, 0, NULL, 0)) {
        log_serve(h);
        h->reason = SHUTDOWN_CRASH;
    }
    return h;
}

bool harness_run_until(Harness *h, const char *text, int seconds)
{
    int64_t end = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
    struct pollfd p[] = { { h->store, POLLIN, 0 }, { h->control, POLLIN, 0 },
                          { h->log_fd, POLLIN, 0 }, { h->request_fd, POLLIN, 0 } };

    while (g_get_monotonic_time() < end && h->reason < 0 && !(text && strstr(h->log->str, text))) {
        __atomic_store_n(&h->shared->dm_waiting, 1, __ATOMIC_SEQ_CST);
        dm_serve(h);
        if (poll(p, G_N_ELEMENTS(p), 100) < 0) {
            break;
        }
        if (p[0].revents) {
            store_serve(h);
        }
        if (p[1].revents) {
            control_serve(h);
        }
        if (p[2].revents) {
            log_serve(h);
        }
        if (p[3].revents) {
            uint64_t n;

            if (read(h->request_fd, &n, sizeof n) < 0 && errno != EAGAIN) {
                break;
            }
        }
    }
    return text && strstr(h->log->str, text);
}

int harness_control(Harness *h, uint32_t type, uint64_t a)
{
    CtlMsg m = { .type = type, .id = h->reply_id + 100, .a = a };

    if (!packet_send(h->control, &m, sizeof m, NULL, 0, NULL, 0)) {
        return -1;
    }
    for (int i = 0; i < 10 && h->reply_id != m.id; i++) {
        struct pollfd p = { h->control, POLLIN, 0 };

        dm_serve(h);
        if (poll(&p, 1, 500) > 0) {
            control_serve(h);
        }
    }
    return h->reply_id == m.id ? h->reply : -1;
}

const CtlInfo *harness_info(Harness *h)
{
    return &h->info;
}

void harness_hang_up(Harness *h)
{
    shutdown(h->dm, SHUT_RDWR);
}

int harness_wait(Harness *h)
{
    int status = -1;

    waitpid(h->pid, &status, 0);
    return status;
}

const char *harness_log(Harness *h)
{
    return h->log->str;
}

int harness_shutdown_reason(const Harness *h)
{
    return h->reason;
}

int harness_pid(const Harness *h)
{
    return h->pid;
}

void harness_free(Harness *h)
{
    kill(h->pid, SIGKILL);
    waitpid(h->pid, NULL, 0);
    close(h->dm);
    close(h->store);
    close(h->control);
    close(h->log_fd);
    g_string_free(h->log, TRUE);
    g_byte_array_unref(h->store_in);
    g_free(h);
}
