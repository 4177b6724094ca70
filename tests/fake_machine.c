/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fake_machine.c - see fake_machine.h. */
#include "tests/fake_machine.h"

#include <string.h>

static FakeMachine *fake(Machine *m) { return m->opaque; }
static int64_t fake_now(Machine *m) { return fake(m)->now; }
static int64_t fake_wall(Machine *m) { return fake(m)->wall; }

/* As in the hypervisor: the domain's wall clock goes with the RTC. */
static void fake_rtc_offset(Machine *m, int64_t delta)
{
    fake(m)->wall = (int64_t)((uint64_t)fake(m)->wall + (uint64_t)delta);
}

static void fake_shutdown(Machine *m, ShutdownReason reason)
{
    fake(m)->shutdown = reason;
}

static void fake_log(Machine *m, const char *device, const char *text)
{
    fake(m)->logged++;
    g_snprintf(fake(m)->last_log, sizeof fake(m)->last_log, "%s: %s", device, text);
}

static uint8_t *fake_ram(Machine *m, uint64_t gpa, uint64_t len, bool write, uint64_t *run)
{
    FakeMachine *f = fake(m);

    for (guint i = 0; i < f->blocks->len; i++) {
        RamBlock *b = f->blocks->pdata[i];

        if (b->mapped && gpa - b->gpa < b->size && !(write && b->read_only)) {
            *run = MIN(len, b->size - (gpa - b->gpa));
            return b->host + (gpa - b->gpa);
        }
    }
    if (gpa >= FAKE_RAM_SIZE || (gpa >= 0xa0000 && gpa < 0xc0000)) {
        return NULL;
    }
    *run = MIN(len, (gpa < 0xa0000 ? 0xa0000 : FAKE_RAM_SIZE) - gpa);
    return f->ram + gpa;
}

static void fake_ram_written(Machine *m, uint64_t gpa, uint64_t len)
{
    (void)gpa;
    fake(m)->written_bytes += len;
}

static bool fake_block_alloc(Machine *m, RamBlock *b, GError **error)
{
    (void)error;
    if (!b->of) {
        b->host = g_malloc0(b->size);
    }
    g_ptr_array_add(fake(m)->blocks, b);
    return true;
}

static void fake_block_map(Machine *m, RamBlock *b, bool mapped)
{
    (void)m;
    (void)b;
    (void)mapped;
}

static void fake_block_dirty(Machine *m, RamBlock *b, uint8_t *bitmap)
{
    if (!fake(m)->clean) {
        memset(bitmap, 0xff, (b->size + 32767) >> 15);
    }
}

static void fake_block_free(Machine *m, RamBlock *b)
{
    g_ptr_array_remove(fake(m)->blocks, b);
    if (!b->of) {
        g_free(b->host);
    }
}

static void fake_settle(Machine *m)
{
    FakePost p = fake(m)->posted;

    fake(m)->posted.width = 0;
    if (p.width) {
        io_write(&m->io, p.space, p.addr, p.width, p.value);
    }
}

static void fake_let_in(Machine *m)
{
    fake(m)->let_in++;
}

static bool fake_hold(Machine *m, bool on)
{
    if (on && fake(m)->refuses_hold) {
        return false;
    }
    fake(m)->held = on;
    return true;
}

static void fake_intx(Machine *m, unsigned devfn, unsigned pin, bool level)
{
    fake(m)->intx[devfn & 255][pin & 3] = level;
}

static void fake_route(Machine *m, unsigned link, unsigned irq)
{
    fake(m)->link_route[link & 3] = irq;
}

static void fake_msi(Machine *m, uint64_t addr, uint32_t data)
{
    fake(m)->msi_addr = addr;
    fake(m)->msi_data = data;
}

static void fake_isa(void *opaque, unsigned n, bool level)
{
    FakeMachine *f = opaque;

    f->isa_edges[n] += level && !f->isa[n];
    f->isa[n] = level;
}

static void fake_speaker(Machine *m, const SpeakerWave *wave)
{
    fake(m)->speaker = *wave;
    fake(m)->speaker_changes++;
}

static const MachineHost fake_host = {
    .now = fake_now, .wall_clock = fake_wall, .shutdown = fake_shutdown, .log = fake_log,
    .rtc_offset_changed = fake_rtc_offset,
    .ram = fake_ram, .ram_written = fake_ram_written, .ram_block_alloc = fake_block_alloc,
    .ram_block_map = fake_block_map, .ram_block_dirty = fake_block_dirty,
    .ram_block_free = fake_block_free, .settle = fake_settle, .let_in = fake_let_in, .hold = fake_hold,
    .set_pci_intx = fake_intx, .set_link_route = fake_route,
    .inject_msi = fake_msi, .speaker = fake_speaker,
};

FakeMachine *fake_machine_new(void)
{
    FakeMachine *f = g_new0(FakeMachine, 1);

    machine_init(&f->m, &fake_host, f);
    pci_bus_init(&f->bus, &f->m);
    f->ram = g_malloc0(FAKE_RAM_SIZE);
    f->blocks = g_ptr_array_new();
    f->shutdown = -1;
    f->wall = 1700000000;
    for (unsigned i = 0; i < 16; i++) {
        irq_init(&f->m.isa_irq[i], fake_isa, f, i);
    }
    return f;
}

void fake_machine_free(FakeMachine *f)
{
    machine_finish(&f->m);
    g_ptr_array_free(f->blocks, TRUE);
    g_free(f->ram);
    g_free(f);
}

void fake_advance(FakeMachine *f, int64_t ns)
{
    int64_t end = f->now + ns, next;

    while ((next = timer_queue_next(&f->m.timers)) <= end) {
        f->now = MAX(f->now, next);
        timer_queue_run(&f->m.timers, f->now);
    }
    f->now = end;
}

bool fake_wait(const bool *done)
{
    gint64 end = g_get_monotonic_time() + G_USEC_PER_SEC;

    while (!*done && g_get_monotonic_time() < end) {
        if (!g_main_context_iteration(NULL, FALSE)) {
            g_usleep(100);
        }
    }
    return *done;
}
