/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash.c - what is left of an image after kill -9 and after a power failure: tables may have lost
 * clusters, but name no wrong ones, and everything that was flushed is there.  And after writes that
 * the host refused.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "block/format.h"
#include "tests/block/host.h"
#include "tests/block/images.h"

#define NEED_QEMU() do { if (!images_have("qemu-img")) { \
    cr_skip_test("no qemu-img here"); } } while (0)

#define DISK (4u << 20)
#define SECTORS (DISK / 512)

struct Form {
    char create[160];           /* makes a.img; base.raw is there */
    char format[8], backing[8];
};

static struct Form forms[] = {
    { "qemu-img create -f qcow2 a.img 4M", "qcow2", "" },
    { "qemu-img create -f qcow2 -o cluster_size=512 a.img 4M", "qcow2", "" },
    { "qemu-img create -f qcow2 -o cluster_size=4096,refcount_bits=1 a.img 4M", "qcow2", "" },
    { "qemu-img create -f qcow2 -o cluster_size=4096 -b base.raw -F raw a.img 4M", "qcow2",
      "raw" },
    { "qemu-img create -f qcow2 -o cluster_size=1024 a.img 4M && "
      "qemu-io -c 'write -P 5 0 4M' a.img && qemu-img snapshot -c s a.img", "qcow2", "" },
    { "qemu-img create -f vpc -o force_size=on a.img 4M", "vhd", "" },
};

/* What the test knows of each sector: generations, which the sector's bytes say too. */
typedef struct Journal {
    uint32_t begun[SECTORS];    /* a write of this generation was given to the image */
    uint32_t stable[SECTORS];   /* acknowledged before a flush that was acknowledged */
    uint32_t acknowledged[SECTORS];
} Journal;

static void fill(uint8_t *buf, uint32_t sector, uint32_t generation)
{
    for (unsigned i = 0; i < 512; i += 8) {
        memcpy(buf + i, &sector, 4);
        memcpy(buf + i + 4, &generation, 4);
    }
}

static BlockDev *open_form(const char *dir, const struct Form *f)
{
    g_autofree char *top = g_strdup_printf("%s:a.img", f->format);
    g_autofree char *base = g_strdup_printf("%s:base.raw", f->backing);

    return *f->backing ? images_open(dir, false, NULL, top, base, NULL)
                       : images_open(dir, false, NULL, top, NULL);
}

static char *make(const struct Form *f)
{
    char *dir = images_dir();

    cr_assert_eq(images_run(dir, "truncate -s 4M base.raw && %s", f->create), 0);
    return dir;
}

/* One random write of up to 32 sectors, or a flush with one in 12; what happened is in j. */
static void step(BlockDev *b, Journal *j, unsigned *seed)
{
    static uint8_t buf[32 * 512];
    unsigned first = rand_r(seed) % SECTORS, n = rand_r(seed) % 32 + 1;

    n = MIN(n, SECTORS - first);
    if (rand_r(seed) % 12 == 0) {
        g_autofree Journal *before = g_memdup2(j, sizeof *j);

        if (images_flush(b) == 0) {
            memcpy(j->stable, before->acknowledged, sizeof j->stable);
        }
        return;
    }
    if (rand_r(seed) % 24 == 0) {       /* a discard: any content is right until it is written */
        ImageWait w = { 0, 0 };

        for (unsigned i = first; i < first + n; i++) {
            j->begun[i] = j->acknowledged[i] = j->stable[i] = 0;
        }
        memset(buf, 0, sizeof buf);
        block_discard(b, first * 512ull, n * 512ull, images_done, &w);
        images_wait(&w, 1);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        fill(buf + 512 * i, first + i, ++j->begun[first + i]);
    }
    if (images_write(b, first * 512ull, buf, n * 512ull) == 0) {
        memcpy(j->acknowledged + first, j->begun + first, n * 4);
    }
}

/* Each sector has a generation between the stable one and the last begun. */
static void judge_data(BlockDev *b, const Journal *j)
{
    g_autofree uint8_t *disk = g_malloc(DISK);

    cr_assert_eq(images_read(b, 0, disk, DISK), 0);
    for (uint32_t s = 0; s < SECTORS; s++) {
        uint32_t sector, generation;
        uint8_t want[512];

        memcpy(&sector, disk + 512 * s, 4);
        memcpy(&generation, disk + 512 * s + 4, 4);
        if (!j->stable[s]) {
            continue;           /* the base's, zeros, or any */
        }
        fill(want, s, generation);
        cr_assert(!memcmp(want, disk + 512 * s, 512), "sector %u is torn or lost", s);
        cr_assert(generation >= j->stable[s] && generation <= j->begun[s],
                  "sector %u: generation %u, stable was %u", s, generation, j->stable[s]);
    }
}

static void judge_tables(const char *dir, const struct Form *f, bool leaks)
{
    int status = !strcmp(f->format, "qcow2") ? images_run(dir, "qemu-img check -f qcow2 a.img") : 0;

    cr_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) != 0 && !(leaks && WEXITSTATUS(status) == 3)) {
        g_autofree char *log = g_build_filename(dir, "log", NULL), *text = NULL;

        g_file_get_contents(log, &text, NULL, NULL);
        cr_assert_fail("qemu-img check: %.1000s", text);
    }
}

ParameterizedTestParameters(crash, kill_9_leaves_leaks_at_most)
{
    return cr_make_param_array(struct Form, forms, G_N_ELEMENTS(forms));
}

ParameterizedTest(struct Form *f, crash, kill_9_leaves_leaks_at_most, .timeout = 120)
{
    Journal *j = mmap(NULL, sizeof *j, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *dir;

    NEED_QEMU();
    dir = make(f);
    for (unsigned kill_number = 0; kill_number < 12; kill_number++) {
        pid_t pid = fork();
        BlockDev *b;

        if (pid == 0) {
            unsigned seed = kill_number;

            b = open_form(dir, f);
            for (;;) {
                step(b, j, &seed);
            }
        }
        g_usleep(20000 + g_random_int_range(0, 80000));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        judge_tables(dir, f, true);
        b = open_form(dir, f);
        judge_data(b, j);
        block_close(b);
        memcpy(j->acknowledged, j->stable, sizeof j->acknowledged);     /* the rest may be lost */
    }
    munmap(j, sizeof *j);
    images_end(dir);
}

/* --- power failures --- */

typedef struct Mark {
    unsigned log;               /* entries there were */
    Journal journal;
} Mark;

static void put(int fd, const HostWrite *w)
{
    if (w->data) {
        cr_assert_eq(pwrite(fd, w->data, w->len, w->offset), (ssize_t)w->len);
    } else if (w->len) {
        cr_assert_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, w->offset, w->len),
                     0);
    }
}

/* All up to the last barrier before cut; of what came after it some, whole or in part. */
static void lose_power(int fd, GArray *log, unsigned cut, unsigned *seed)
{
    unsigned barrier = cut;

    while (barrier > 0 && g_array_index(log, HostWrite, barrier - 1).len) {
        barrier--;
    }
    for (unsigned i = 0; i < cut; i++) {
        HostWrite w = g_array_index(log, HostWrite, i);

        if (i >= barrier && rand_r(seed) % 2) {
            continue;
        }
        if (i >= barrier && w.data && w.len > 512 && rand_r(seed) % 4 == 0) {
            w.len = (rand_r(seed) % (w.len / 512)) * 512;
            w.len = MAX(w.len, 512);
        }
        put(fd, &w);
    }
}

static void judge_cut(const char *dir, const struct Form *f, GArray *log, const Mark *mark,
                      const Journal *end, unsigned cut, unsigned *seed)
{
    g_autofree char *path = g_build_filename(dir, "a.img", NULL);
    g_autofree Journal *j = g_memdup2(&mark->journal, sizeof *j);
    BlockDev *b;
    int fd;

    cr_assert_eq(images_run(dir, "cp --sparse=always start.img a.img"), 0);
    fd = open(path, O_RDWR);
    lose_power(fd, log, cut, seed);
    close(fd);
    judge_tables(dir, f, true);
    memcpy(j->begun, end->begun, sizeof j->begun);
    b = open_form(dir, f);
    judge_data(b, j);
    block_close(b);
    judge_tables(dir, f, true);
}

ParameterizedTestParameters(crash, a_power_failure_leaves_leaks_at_most)
{
    return cr_make_param_array(struct Form, forms, G_N_ELEMENTS(forms));
}

ParameterizedTest(struct Form *f, crash, a_power_failure_leaves_leaks_at_most, .timeout = 240)
{
    g_autofree Journal *j = g_new0(Journal, 1);
    g_autoptr(GPtrArray) marks = g_ptr_array_new_with_free_func(g_free);
    unsigned seed = 4;
    GArray *log;
    BlockDev *b;
    char *dir;

    NEED_QEMU();
    dir = make(f);
    cr_assert_eq(images_run(dir, "cp --sparse=always a.img start.img"), 0);
    host_record(true);
    log = host_log();
    b = open_form(dir, f);
    for (unsigned i = 0; i < 400; i++) {
        Mark *m = g_new(Mark, 1);

        step(b, j, &seed);
        *m = (Mark){ log->len, *j };
        g_ptr_array_add(marks, m);
    }
    block_close(b);
    host_record(false);
    for (unsigned n = 0; n < 60; n++) {
        unsigned i = rand_r(&seed) % (marks->len - 1);
        Mark *m = marks->pdata[i], *next = marks->pdata[i + 1];
        unsigned more = next->log - m->log;

        /* Discards make later knowledge of a sector invalid for earlier cuts: judge by the least. */
        for (unsigned s = 0; s < SECTORS; s++) {
            if (j->begun[s] < m->journal.stable[s] || next->journal.begun[s] < m->journal.begun[s]) {
                m->journal.stable[s] = 0;
            }
        }
        judge_cut(dir, f, log, m, &next->journal, m->log + (more ? rand_r(&seed) % (more + 1) : 0),
                  &seed);
    }
    images_end(dir);
}

/* --- a host that refuses --- */

ParameterizedTestParameters(crash, refused_writes_do_no_harm)
{
    return cr_make_param_array(struct Form, forms, G_N_ELEMENTS(forms));
}

ParameterizedTest(struct Form *f, crash, refused_writes_do_no_harm, .timeout = 120)
{
    g_autofree Journal *j = g_new0(Journal, 1);
    unsigned seed = 11;
    BlockDev *b;
    char *dir;

    NEED_QEMU();
    dir = make(f);
    host_fail(ENOSPC, 1u << 30);
    b = open_form(dir, f);
    for (unsigned i = 0; i < 300; i++) {
        host_fail(ENOSPC, i % 50 < 25 ? 4 : 1u << 30);
        step(b, j, &seed);
    }
    host_fail(0, 1u << 30);
    for (unsigned i = 0; i < 30; i++) {
        step(b, j, &seed);
    }
    block_close(b);
    host_fail(0, 0);
    judge_tables(dir, f, true);
    b = open_form(dir, f);
    judge_data(b, j);
    block_close(b);
    images_end(dir);
}

static void held(void *opaque, BlockDev *b, int error, bool write)
{
    unsigned *calls = opaque;

    (void)b;
    cr_assert_eq(error, ENOSPC);
    cr_assert(write);
    ++*calls;
}

Test(crash, held_requests_run_again_and_nothing_is_lost)
{
    g_autofree uint8_t *buf = g_malloc(65536), *back = g_malloc(65536);
    struct iovec iov = { buf, 65536 };
    struct Form f = { "qemu-img create -f qcow2 a.img 4M", "qcow2", "" };
    ImageWait w = { 0, 0 };
    unsigned calls = 0;
    BlockDev *b;
    char *dir;

    NEED_QEMU();
    dir = make(&f);
    host_fail(ENOSPC, 1);
    b = open_form(dir, &f);
    block_set_errors(b, BLOCK_ERRORS_HOLD, held, &calls);
    memset(buf, 0x5a, 65536);
    block_writev(b, 65536, &iov, 1, images_done, &w);
    for (unsigned i = 0; i < 200 && !calls; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(100);
    }
    cr_assert_eq(calls, 1);
    cr_assert_eq(w.calls, 0, "not completed");
    cr_assert(block_held(b));
    block_retry(b);
    for (unsigned i = 0; i < 200 && calls < 2; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(100);
    }
    cr_assert_eq(calls, 2, "it failed again");
    host_fail(0, 1u << 30);
    block_retry(b);
    cr_assert_eq(images_wait(&w, 1), 0);
    cr_assert_eq(images_flush(b), 0);
    cr_assert_eq(images_read(b, 65536, back, 65536), 0);
    cr_assert_arr_eq(buf, back, 65536);
    /* A drive that is reset ends what is held. */
    host_fail(ENOSPC, 1);
    block_writev(b, 1 << 20, &iov, 1, images_done, &w);
    for (unsigned i = 0; i < 200 && calls < 3; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(100);
    }
    block_drain(b);
    cr_assert_eq(w.calls, 2);
    cr_assert_eq(w.error, ENOSPC);
    host_fail(0, 0);
    block_close(b);
    images_end(dir);
}
