/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of a domain's config: one line a mistake, at its place; warnings; disks and vifs. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/common/cpuset.h"
#include "tools/common/domain_config.h"

typedef struct Result {
    Messages *messages;
    DomainConfig *d;
    Config *config;
} Result;

static Result check(const char *text, const HostFacts *facts)
{
    static const HostFacts nothing = { .default_name = "t" };
    Result r = { messages_new(), NULL, config_new() };

    config_parse(r.config, "t", text, strlen(text), r.messages);
    r.d = domain_config_check(r.config, facts ? facts : &nothing, r.messages);
    return r;
}

static void result_free(Result *r)
{
    messages_free(r->messages);
    domain_config_free(r->d);
    config_free(r->config);
}

static bool says(const Result *r, const char *text)
{
    for (unsigned i = 0; i < r->messages->list->len; i++) {
        if (strstr(((Message *)g_ptr_array_index(r->messages->list, i))->text, text)) {
            return true;
        }
    }
    return false;
}

Test(check, the_tutorials_config_is_accepted)
{
    static const char text[] = "kernel='hvmloader'\nbuilder='hvm'\nmemory=128\nname='domu-hvm'\n"
        "vcpus=1\npae=1\nacpi=1\napic=1\nvif=['type=ioemu, bridge=xenbr0']\n"
        "disk=['file:/x/a.img,hda,w','file:/x/b.iso,hdc:cdrom,r']\ndevice_model='qemu-dm'\n"
        "boot='dc'\nsdl=0\nvnc=1\nvncpasswd=''\nserial='pty'\ntsc_mode=0\nlocaltime=1\n"
        "vnclisten='127.0.0.1'\nvncdisplay=1\nvncunused=1\nnographic=0\nopengl=1\nkeymap='en-us'\n"
        "full-screen=0\nusb=0\nsoundhw=''\nmonitor=0\n";
    Result r = check(text, NULL);

    cr_expect_eq(r.messages->list->len, 0);
    cr_expect_eq(r.d->memory, 128);
    cr_expect_str_eq(r.d->boot, "dc");
    cr_expect_eq(r.d->disks, 2);
    cr_expect_str_eq(r.d->disk[1].dev, "hdc");
    cr_expect(r.d->disk[1].cdrom && !r.d->disk[1].writable);
    cr_expect(r.d->disk[0].writable && r.d->disk[0].vdev == 768 && r.d->disk[1].vdev == 5632);
    cr_expect_str_eq(r.d->vif[0].bridge, "xenbr0");
    cr_expect_eq(r.d->serial[0].kind, LINE_PTY);
    cr_expect_eq(r.d->on_crash, ACTION_RESTART);
    result_free(&r);
}

Test(check, ten_mistakes_are_ten_errors_in_order)
{
    static const char text[] = "name='a b'\nmemory='lots'\nvcpus=500\ndisk=['nothing']\n"
        "vif='bridge=x'\nboot='dx'\non_crash='explode'\nacpi=3\nserial='tcp:1'\n"
        "vnclisten='everywhere'\n";
    Result r = check(text, NULL);

    cr_expect_eq(r.messages->errors, 10);
    cr_expect_eq(r.messages->list->len, 10);
    for (unsigned i = 0; i < r.messages->list->len; i++) {
        Message *m = g_ptr_array_index(r.messages->list, i);

        cr_expect_eq(m->pos.line, (int)i + 1, "%s", m->text);
        cr_expect_gt(m->pos.col, 1);
    }
    result_free(&r);
}

Test(check, a_device_that_does_not_exist_yet_is_one_warning)
{
    Result r = check("name='a'\ngfx_passthru=1\nvtpm=['x']\nvscsi=['x']\n", NULL);

    cr_expect_eq(r.messages->errors, 0);
    cr_expect_eq(r.messages->list->len, 3);
    cr_expect(says(&r, "gfx_passthru is ignored") && says(&r, "vtpm is ignored"));
    result_free(&r);
}

Test(check, sound_cards_are_named_once_and_known)
{
    Result r = check("name='a'\nsoundhw='ac97, es1370,ac97'\naudio='wav:/tmp/a.wav'\n", NULL);

    cr_expect_eq(r.messages->errors, 0);
    cr_expect_str_eq(r.d->sound_cards, "es1370,ac97");
    cr_expect_str_eq(r.d->audio.wav, "/tmp/a.wav");
    cr_expect_not(r.d->audio.sdl);
    result_free(&r);
    r = check("name='a'\nsoundhw='all'\naudio='sdl'\n", NULL);
    cr_expect_str_eq(r.d->sound_cards, "pcspk,sb16,es1370,ac97");
    cr_expect(r.d->audio.sdl);
    result_free(&r);
    r = check("name='a'\nsdl=1\nsoundhw='sb16'\n", NULL);
    cr_expect(r.d->audio.sdl, "with a window sound plays");
    result_free(&r);
    r = check("name='a'\nsdl=1\nsoundhw='sb16'\naudio='none'\n", NULL);
    cr_expect_not(r.d->audio.sdl);
    result_free(&r);
    r = check("name='a'\nsoundhw='es1370,gus'\naudio='alsa'\n", NULL);
    cr_expect_eq(r.messages->errors, 2);
    cr_expect(says(&r, "sound card 'gus' is unknown") && says(&r, "audio='alsa' is not available"));
    result_free(&r);
}

Test(check, monitor_is_on_a_terminal_and_never_behind_a_display)
{
    Result r = check("name='a'\nmonitor=1\n", NULL);

    cr_expect(r.d->monitor && !r.messages->list->len);
    result_free(&r);
    r = check("name='a'\nmonitor='pty'\n", NULL);
    cr_expect(r.d->monitor && !r.messages->list->len);
    result_free(&r);
    r = check("name='a'\nmonitor=0\n", NULL);
    cr_expect_not(r.d->monitor);
    result_free(&r);
    r = check("name='a'\nmonitor='vc'\n", NULL);
    cr_expect(r.d->monitor && !r.messages->errors && says(&r, "not behind the display"));
    result_free(&r);
    r = check("name='a'\nmonitor_path='tcp::4444,server'\n", NULL);
    cr_expect(r.messages->errors == 1 && says(&r, "use pty"));
    result_free(&r);
}

Test(check, usb_devices_are_named_one_or_several_and_turn_the_controller_on)
{
    Result r = check("name='a'\nusbdevice=['tablet', ' keyboard ']\n", NULL);

    cr_expect_eq(r.messages->list->len, 0);
    cr_expect(r.d->usb && r.d->usb_devices == 2);
    cr_expect_str_eq(r.d->usb_device[1].spec, "keyboard");
    result_free(&r);
    r = check("name='a'\nusbdevice='tablet'\n", NULL);
    cr_expect(r.d->usb && r.d->usb_devices == 1 && r.d->usb_device[0].kind == USB_KIND_TABLET);
    result_free(&r);
    r = check("name='a'\nusb=1\nusbdevice=''\n", NULL);
    cr_expect(r.d->usb && !r.d->usb_devices && !r.messages->list->len);
    result_free(&r);
}

static void attribute(const char *dir, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    cr_assert(g_file_set_contents(path, text, -1, NULL));
}

Test(check, usb_devices_of_the_host_are_found_by_id_and_by_place)
{
    static const char *const good[] = { "host:1234:abcd", "host:2.7" };
    static const char *const bad[] = { "host:", "host:1234", "host:12345:1", "host:1234:abcd:", "host:2.",
                                       "host:2.128", "host:2.7x", "host:-1.7", "host: 1234:1" };
    g_autofree char *root = g_dir_make_tmp("sysfs-XXXXXX", NULL);
    g_autofree char *dir = g_build_filename(root, "bus/usb/devices/2-1", NULL);
    g_autoptr(Messages) messages = messages_new();

    g_mkdir_with_parents(dir, 0700);
    attribute(dir, "idVendor", "1234\n");
    attribute(dir, "idProduct", "abcd\n");
    attribute(dir, "busnum", "2\n");
    attribute(dir, "devnum", "7\n");
    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autofree char *node = NULL;
        UsbConfig u;

        cr_assert(usb_parse(&u, good[i], (SourcePos){ 0 }, messages), "%s", good[i]);
        node = usb_find_node(&u, root);
        cr_expect_str_eq(node, "/dev/bus/usb/002/007");
        u.host[1]++;
        cr_expect_null(usb_find_node(&u, root));
        cr_expect_null(usb_find_node(&u, "/nowhere"));
        usb_clear(&u);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        UsbConfig u;

        cr_expect_not(usb_parse(&u, bad[i], (SourcePos){ 0 }, messages), "%s", bad[i]);
        usb_clear(&u);
    }
    g_autofree char *command = g_strdup_printf("rm -r %s", root);

    cr_expect_eq(system(command), 0);
}

Test(check, usb_disks_have_formats_and_may_be_read_only)
{
    static const struct {
        const char *spec, *format, *path;
        bool writable, cdrom, foreign;
    } good[] = {
        { "disk:/a", "raw", "/a", true, false, false }, { "disk:ro:/a:b", "raw", "/a:b", false, false, false },
        { "disk:format=qcow2:/a", "qcow2", "/a", true, false, false },
        { "disk:format=vpc:ro:/a", "vhd", "/a", false, false, false },
        { "disk:ro:format=vmdk:/a", "vmdk", "/a", false, false, true },
        { "cdrom:format=qcow2:/a", "qcow2", "/a", false, true, false },
        { "disk:format=", "raw", "format=", true, false, false },
    };
    static const char *const bad[] = { "disk:", "disk:ro:", "disk:format=qcow2:", "disk:format=zip:/a",
                                       "disk:format=:/a", "disk:format=qcow2x:/a" };
    g_autoptr(Messages) messages = messages_new();
    UsbConfig u;

    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        cr_assert(usb_parse(&u, good[i].spec, (SourcePos){ 0 }, messages), "%s", good[i].spec);
        cr_expect_str_eq(u.disk.format, good[i].format, "%s", good[i].spec);
        cr_expect_str_eq(u.disk.path, good[i].path, "%s", good[i].spec);
        cr_expect(u.disk.writable == good[i].writable && u.disk.cdrom == good[i].cdrom &&
                  u.disk.foreign == good[i].foreign, "%s", good[i].spec);
        usb_clear(&u);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        cr_expect_not(usb_parse(&u, bad[i], (SourcePos){ 0 }, messages), "%s", bad[i]);
        usb_clear(&u);
    }
}

Test(check, wrong_usb_devices_are_errors_with_their_places)
{
    Result r = check("name='a'\nusbdevice=['tablet', 'tabled', 7, 'wacom-tablet']\n", NULL);

    cr_expect_eq(r.messages->errors, 3);
    cr_expect(says(&r, "'tabled' is unknown") && says(&r, "write usbdevice='tablet'") &&
              says(&r, "'wacom-tablet' is not available"));
    result_free(&r);
}

Test(check, keyboard_layouts_are_qemu_dms_or_xkbs)
{
    if (access("/usr/share/X11/xkb/symbols", R_OK) != 0) {
        cr_skip_test("no package xkb-data");
    }
    Result r = check("name='a'\nkeymap='klingon'\n", NULL);

    cr_expect_eq(r.messages->errors, 1);
    cr_expect(says(&r, "keymap='klingon' is unknown"));
    result_free(&r);
    static const char *const known[] = { "en-us", "de", "de-ch", "da", "bepo", "us" };

    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++) {
        g_autofree char *text = g_strdup_printf("name='a'\nkeymap='%s'\n", known[i]);

        r = check(text, NULL);
        cr_expect_eq(r.messages->list->len, 0, "%s", known[i]);
        result_free(&r);
    }
}

Test(check, an_unknown_key_warns_and_suggests_but_helpers_do_not)
{
    Result r = check("base='x'\nname=base\nmemroy=3\n_private=1\n", NULL);

    cr_expect_eq(r.messages->list->len, 1);
    cr_expect(says(&r, "did you mean memory?"));
    result_free(&r);
}

Test(check, numbers_in_quotes_are_numbers)
{
    Result r = check("name='a'\nmemory='256'\nacpi='0'\nvcpus=True\n", NULL);

    cr_expect_eq(r.messages->errors, 0);
    cr_expect_eq(r.d->memory, 256);
    cr_expect_not(r.d->acpi);
    result_free(&r);
}

Test(check, taken_names_and_missing_memory_are_said)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    HostFacts facts = { .names = names, .free_memory = 100, .check_host = true };
    Result r;

    g_hash_table_add(names, (gpointer)"vm");
    r = check("name='vm'\nmemory=200\nvnc=0\n", &facts);
    cr_expect_eq(r.messages->errors, 2);
    cr_expect(says(&r, "'vm' is running already") && says(&r, "not enough memory"));
    result_free(&r);
}

Test(check, a_busy_display_is_said)
{
    HostFacts facts = { .check_host = true };
    g_autofree char *text = NULL;
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    Result r;
    int fd = -1;
    unsigned display = 7000;

    while (fd < 0 && display < 8000) {
        fd = vnc_try_listen("127.0.0.1", 5900 + ++display);
    }
    cr_assert_geq(fd, 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    text = g_strdup_printf("name='a'\nvncdisplay=%u\nvncunused=0\n", display);
    r = check(text, &facts);
    cr_expect_eq(r.messages->errors, 1);
    cr_expect(says(&r, "the display is busy"));
    result_free(&r);
    close(fd);
}

Test(check, disks_are_parsed_in_all_spellings)
{
    static const struct { const char *spec, *type, *path, *dev; bool cdrom, writable; } good[] = {
        { "file:/a.img,hda,w", "file", "/a.img", "hda", false, true },
        { "phy:sda3,ioemu:hdb,w", "phy", "/dev/sda3", "hdb", false, true },
        { "phy:/dev/cdrom,hdc:cdrom,r", "phy", "/dev/cdrom", "hdc", true, false },
        { "tap:aio:/a.img,xvda,w", "tap", "/a.img", "hda", false, true },
        { "tap:tapdisk:aio:/a,hda,w", "tap", "/a", "hda", false, true },
        { "tap2:aio:/a,768,r", "tap2", "/a", "hda", false, false },
        { ",hdc:cdrom,r", "file", "", "hdc", true, false },
        { "hdc:cdrom,r", "file", "", "hdc", true, false },
        { "file:/a.img, hda , w!", "file", "/a.img", "hda", false, true },
        { "file:/a.img,hda,w,0", "file", "/a.img", "hda", false, true },
        { "tap:qcow2:/a.q,hda,w", "tap", "/a.q", "hda", false, true },
        { "tap2:qcow2:/a.q,hdb,r", "tap2", "/a.q", "hdb", false, false },
        { "tap2:tapdisk:vhd:/a.v,hda,w", "tap2", "/a.v", "hda", false, true },
        { "tap:vmdk:/a.v,hda,w", "tap", "/a.v", "hda", false, true },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(Messages) m = messages_new();
        DiskConfig d;

        cr_expect(disk_parse(&d, good[i].spec, (SourcePos){ 0 }, m), "%s", good[i].spec);
        cr_expect_str_eq(d.type, good[i].type);
        cr_expect_str_eq(d.path, good[i].path);
        cr_expect_str_eq(d.dev, good[i].dev);
        cr_expect_eq(d.cdrom, good[i].cdrom);
        cr_expect_eq(d.writable, good[i].writable);
        disk_clear(&d);
    }
}

Test(check, wrong_disks_are_refused)
{
    static const char *const bad[] = { "", "file:/a", "file:/a,hda", "file:/a,hda,x", "/a,hda,w",
        "file:/a,hde,w", "file:/a,sda,w", "file:/a,hda1,w", "file:,hda,w", "file:/a,hda:tape,w",
        "tap:cow:/a,hda,w", "tap:qcow2:/a,hda,w!", "http:/a,hda,w", "file:/a,hda,w,dom1", "a,b,c,d,e,f" };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(Messages) m = messages_new();
        DiskConfig d;

        cr_expect_not(disk_parse(&d, bad[i], (SourcePos){ 0 }, m), "%s", bad[i]);
        cr_expect_geq(m->errors, 1);
        disk_clear(&d);
    }
}

Test(check, images_are_looked_at)
{
    g_autofree char *dir = g_dir_make_tmp("ghXXXXXX", NULL);
    g_autofree char *small = g_build_filename(dir, "small", NULL);
    g_autofree char *large = g_build_filename(dir, "large", NULL), *holder = NULL;
    g_autoptr(Messages) m = messages_new();
    DiskConfig d = { .path = small, .writable = true };
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd;

    g_file_set_contents(small, "x", 1, NULL);
    cr_expect_not(disk_check_image(&d, m));
    d.path = dir;
    cr_expect_not(disk_check_image(&d, m));
    d.path = (char *)"/nonexistent";
    cr_expect_not(disk_check_image(&d, m));
    cr_expect_eq(m->errors, 3);
    fd = open(large, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_eq(ftruncate(fd, 1 << 20), 0);
    d.path = large;
    cr_expect(disk_check_image(&d, m));
    cr_assert_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
    cr_expect_not(disk_check_image(&d, m));
    holder = image_holder(large, true);
    cr_expect_not_null(holder);
    d.shared = true;
    cr_expect(disk_check_image(&d, m));
    close(fd);
    g_unlink(small);
    g_unlink(large);
    g_rmdir(dir);
}

/* Two open files of one image; what the second gets while the first has it. */
static bool second_gets(const char *path, bool first_writes, bool second_writes)
{
    int first = open(path, O_RDWR | O_CLOEXEC), second = open(path, O_RDWR | O_CLOEXEC);
    bool free_before = !image_locked(second, second_writes), locked, got;

    cr_assert(free_before && image_lock(first, first_writes));
    locked = image_locked(second, second_writes);
    got = image_lock(second, second_writes);
    cr_expect_neq(locked, got);
    close(first);
    close(second);
    return got;
}

Test(check, image_has_many_readers_or_one_writer)
{
    char path[] = "/tmp/ghXXXXXX";

    close(g_mkstemp(path));
    cr_expect(second_gets(path, false, false));
    cr_expect_not(second_gets(path, false, true));
    cr_expect_not(second_gets(path, true, false));
    cr_expect_not(second_gets(path, true, true));
    g_unlink(path);
}

Test(check, reader_of_the_whole_file_keeps_out_writers_only)
{
    struct flock whole = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
    char path[] = "/tmp/ghXXXXXX";
    int other = g_mkstemp(path), ours = open(path, O_RDWR | O_CLOEXEC);

    cr_assert_eq(fcntl(other, F_OFD_SETLK, &whole), 0);
    cr_expect(image_locked(ours, true));
    cr_expect_not(image_locked(ours, false));
    cr_expect(image_lock(ours, false));
    close(ours);
    close(other);
    g_unlink(path);
}

/* The bytes that QEMU locks for a permission and against one, each of them shared. */
static int open_as_qemu(const char *path, const off_t *bytes)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    for (; *bytes; bytes++) {
        struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = *bytes, .l_len = 1 };

        cr_assert_eq(fcntl(fd, F_OFD_SETLK, &l), 0);
    }
    return fd;
}

Test(check, image_locks_are_those_of_qemu)
{
    static const off_t reader[] = { 100, 201, 203, 0 }, writer[] = { 100, 101, 103, 201, 203, 0 };
    char path[] = "/tmp/ghXXXXXX";
    int ours = g_mkstemp(path), theirs = open_as_qemu(path, reader);
    struct flock deny = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 200, .l_len = 1 };

    cr_expect(image_lock(ours, false));
    /* a reader of QEMU's asks whether anybody lets none read, a writer whether anybody lets none write */
    cr_expect_eq(fcntl(theirs, F_OFD_GETLK, &deny), 0);
    cr_expect_eq(deny.l_type, F_UNLCK);
    deny = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 201, .l_len = 1 };
    cr_expect_eq(fcntl(theirs, F_OFD_GETLK, &deny), 0);
    cr_expect_eq(deny.l_type, F_RDLCK);
    close(theirs);
    close(ours);
    theirs = open_as_qemu(path, writer);
    ours = open(path, O_RDWR | O_CLOEXEC);
    cr_expect_not(image_lock(ours, false));
    close(ours);
    ours = open(path, O_RDWR | O_CLOEXEC);
    cr_expect_not(image_lock(ours, true));
    close(ours);
    close(theirs);
    g_unlink(path);
}

Test(check, vifs_are_parsed)
{
    g_autoptr(Messages) m = messages_new();
    VifConfig v;

    cr_expect(vif_parse(&v, "", (SourcePos){ 0 }, m));
    cr_expect(g_str_has_prefix(v.mac_text, "00:16:3e:"));
    cr_expect(v.random_mac);
    vif_clear(&v);
    cr_expect(vif_parse(&v, "type=ioemu, mac=00:16:3E:01:02:03, bridge=br0, hostfwd=tcp::2222-:22",
                        (SourcePos){ 0 }, m));
    cr_expect_str_eq(v.mac_text, "00:16:3e:01:02:03");
    cr_expect_str_eq(v.hostfwd[0], "tcp::2222-:22");
    vif_clear(&v);
    cr_expect_not(vif_parse(&v, "mac=01:00:00:00:00:00", (SourcePos){ 0 }, m));
    vif_clear(&v);
    cr_expect_not(vif_parse(&v, "mac=zz", (SourcePos){ 0 }, m));
    vif_clear(&v);
    cr_expect_not(vif_parse(&v, "colour=red", (SourcePos){ 0 }, m));
    vif_clear(&v);
    cr_expect_not(vif_parse(&v, "model=e1000", (SourcePos){ 0 }, m));
    vif_clear(&v);
    cr_expect_not(vif_parse(&v, "model=rtl8139,irq=5", (SourcePos){ 0 }, m));
    vif_clear(&v);
    cr_expect_not(vif_parse(&v, "model=ne2k_isa,iobase=0x301", (SourcePos){ 0 }, m));
    vif_clear(&v);
    cr_expect(vif_parse(&v, "model=ne2k_isa,iobase=0x340,irq=5", (SourcePos){ 0 }, m));
    cr_expect_eq(v.iobase, 0x340);
    cr_expect_eq(v.irq, 5);
    vif_clear(&v);
}

Test(check, a_forward_that_is_none_is_named_with_its_place)
{
    static const char *const wrong[] = { "", "tcp", "tcp:22", "tcp::22", "tcp::22-", "icmp::1-:2",
        "tcp::0-:22", "tcp::65536-:22", "tcp:1.2.3:22-:22", "tcp::22-:x", "tcp:a:1-:2" };
    Result r = check("name='a'\nvif=['type=ioemu']\nhostfwd=['tcp::2222-:22', 'udp:nobody:1-:2']\n",
                     NULL);
    const Message *m = r.messages->list->pdata[0];

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *fault = hostfwd_fault(wrong[i]);

        cr_expect_not_null(fault, "%s", wrong[i]);
    }
    cr_expect_null(hostfwd_fault("tcp:127.0.0.1:2222-10.0.2.15:22"));
    cr_expect_eq(r.messages->errors, 1);
    cr_expect_eq(m->pos.line, 3);
    cr_expect_eq(m->pos.col, 27);
    cr_expect_not_null(strstr(m->text, "'nobody' is not an IPv4 address of the host"));
    cr_expect_str_eq(r.d->vif[0].hostfwd[0], "tcp::2222-:22");
    cr_expect_null(r.d->vif[0].hostfwd[1]);
}

Test(check, a_forward_of_a_card_that_is_none_is_one_error)
{
    static const HostFacts here = { .default_name = "t", .check_host = true };
    static const char *const wrong[] = { "tcp:2222", "tcp:2222-:22", "", "tcp" };

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *text = g_strdup_printf("name='a'\nvif=['type=ioemu, hostfwd=%s']\n", wrong[i]);
        Result r = check(text, &here);

        cr_expect_eq(r.messages->errors, 1, "%s", wrong[i]);
        result_free(&r);
    }
}

Test(check, eight_cards_of_mixed_models_have_lasting_macs_and_free_jumpers)
{
    const char *text = "name='a'\nvif=['model=ne2k_isa', '', 'model=ne2k_pci', 'model=ne2k_isa', '', "
                       "'model=rtl8139', 'model=ne2k_isa,irq=5', 'mac=00:16:3e:01:02:03']\n";
    Result r = check(text, NULL), again = check(text, NULL);
    Result other = check("name='b'\nvif=['']\n", NULL);

    cr_expect_eq(r.messages->errors, 0);
    cr_expect_eq(r.d->vifs, 8);
    for (unsigned i = 0; i < 8; i++) {
        cr_expect_str_eq(r.d->vif[i].mac_text, again.d->vif[i].mac_text);
        cr_expect(g_str_has_prefix(r.d->vif[i].mac_text, "00:16:3e:"));
        for (unsigned j = 0; j < i; j++) {
            cr_expect_str_neq(r.d->vif[i].mac_text, r.d->vif[j].mac_text);
        }
    }
    cr_expect_str_neq(r.d->vif[0].mac_text, other.d->vif[0].mac_text);
    cr_expect_eq(r.d->vif[0].iobase, 0x300);
    cr_expect_eq(r.d->vif[0].irq, 9);
    cr_expect_eq(r.d->vif[3].iobase, 0x320);
    cr_expect_eq(r.d->vif[6].iobase, 0x340);
    cr_expect_eq(r.d->vif[6].irq, 5);
}

Test(check, vfb_is_another_way_to_say_vnc)
{
    Result r = check("name='a'\nvfb=['type=vnc,vncdisplay=7,vncunused=0']\n", NULL);

    cr_expect_eq(r.messages->errors, 0);
    cr_expect(r.d->vnc);
    cr_expect_eq(r.d->vnc_display, 7);
    cr_expect_not(r.d->vnc_unused);
    result_free(&r);
}

Test(check, cpuid_keys_are_read_and_their_mistakes_have_places)
{
    Result r = check("name='a'\ncpu_model='pentium3'\n"
                     "cpuid=['1:ecx=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx0', 'host,avx=0']\n"
                     "cpuid_check='1:edx=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx1'\n", NULL);

    cr_expect_eq(r.messages->list->len, 0);
    cr_expect_str_eq(r.d->cpu_model, "pentium3");
    cr_expect_eq(r.d->cpuid->len, 1);
    result_free(&r);
    r = check("name='a'\ncpu_model='8086'\ncpuid='host,avx=2'\ncpuid_check=[3]\n", NULL);
    cr_expect_eq(r.messages->errors, 3);
    cr_expect(says(&r, "486, pentium") && says(&r, "avx must be"));
    for (unsigned i = 0; i < r.messages->list->len; i++) {
        const Message *m = g_ptr_array_index(r.messages->list, i);
        if (strstr(m->text, "avx must be")) {
            cr_expect_eq(m->pos.line, 3);
            cr_expect_eq(m->pos.col, 17);
        }
    }
    result_free(&r);
}

Test(check, cpuid_check_looks_at_the_host)
{
    static const HostFacts here = { .default_name = "t", .check_host = true };
    Result r = check("name='a'\ncpuid_check=['1:edx=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx0']\n", &here);

    cr_expect(says(&r, "bit 0 of leaf 0x1 edx is 1 on this host"));
    result_free(&r);
}

Test(check, serial_ports_are_terminals_files_sockets_and_devices)
{
    Result r = check("name='a'\nserial=['telnet::4000,server,nowait', 'unix:/tmp/s', '/dev/ttyS0',\n"
                     "  'file:/tmp/f']\n", NULL);

    cr_assert_eq(r.messages->errors, 0);
    cr_assert_eq(r.d->serials, 4);
    cr_expect(r.d->serial[0].telnet && r.d->serial[0].server && r.d->serial[0].port == 4000);
    cr_expect_eq(r.d->serial[1].kind, LINE_UNIX);
    cr_expect_str_eq(r.d->serial[2].path, "/dev/ttyS0");
    cr_expect_str_eq(r.d->serial[3].path, "/tmp/f");
    result_free(&r);
    r = check("name='a'\nserial=['tcp:1', 'tcp:h:0', 'file:x', 'unix:s']\n", NULL);
    cr_expect_eq(r.messages->errors, 4);
    result_free(&r);
    r = check("name='a'\nserial=['tcp:h:70000', 'tcp:h:1,wait', 'fd:3', 'tcp:h:1x']\n", NULL);
    cr_expect_eq(r.messages->errors, 4);
    result_free(&r);
}

/* --- cpus= ------------------------------------------------------------------------------------ */

static char *cpus_text(const char *text)
{
    g_autofree char *error = NULL;
    cpu_set_t set;

    return cpuset_parse(text, 8, &set, &error) ? cpuset_text(&set, 8) : g_strconcat("! ", error, NULL);
}

Test(check, processor_sets_are_read_as_xen_writes_them)
{
    static const char *const cases[][2] = {
        { "all", "any cpu" }, { "", "any cpu" }, { "3", "3" }, { "0-3,^1", "0,2-3" }, { "^0", "1-7" },
        { " 5 , 7 ", "5,7" }, { "0-7", "any cpu" }, { "6-7,0", "0,6-7" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *got = cpus_text(cases[i][0]);
        cr_expect_str_eq(got, cases[i][1], "%s: %s", cases[i][0], got);
    }
    for (unsigned i = 0; i < 6; i++) {
        static const char *const wrong[] = { "8", "3-1", "x", "1-", "^0-7", "-1" };
        g_autofree char *got = cpus_text(wrong[i]);
        cr_expect_eq(got[0], '!', "%s: %s", wrong[i], got);
    }
}

Test(check, a_key_without_effect_is_named_unless_it_asks_for_nothing)
{
    Result r = check("name='a'\nvnc=0\non_xend_start='start'\non_xend_stop='shutdown'\ncpu_weight=512\n"
                     "restart='never'\n", NULL);

    cr_expect_eq(r.messages->errors, 0);
    cr_expect(says(&r, "on_xend_start is ignored") && says(&r, "on_xend_stop is ignored") &&
              says(&r, "cpu_weight is ignored") && says(&r, "restart is ignored"));
    result_free(&r);
    r = check("name='a'\nvnc=0\non_xend_start='ignore'\non_xend_stop='ignore'\ncpu_weight=256\nrestart=''\n"
              "viridian=0\n", NULL);
    cr_expect_eq(r.messages->list->len, 0);
    result_free(&r);
}

Test(check, the_windows_screen_and_the_viewer_can_be_asked_for)
{
    Result r = check("name='a'\nsdl=1\ndisplay=':7'\nxauthority='/x'\nvncconsole=1\n", NULL);

    cr_expect_eq(r.messages->list->len, 0);
    cr_expect_str_eq(r.d->display, ":7");
    cr_expect_str_eq(r.d->xauthority, "/x");
    cr_expect(r.d->viewer);
    result_free(&r);
    r = check("name='a'\nvnc=1\nvncviewer='x'\n", NULL);
    cr_expect_eq(r.messages->errors, 1);
    cr_expect_not(r.d->viewer);
    result_free(&r);
}

/* With the other mistakes, not after them from xend. */
Test(check, terminals_that_can_not_be_opened_are_errors_at_their_place)
{
    HostFacts facts = { .check_host = true };
    g_autofree char *dir = g_dir_make_tmp("lines.XXXXXX", NULL);
    g_autofree char *good = g_strdup_printf("name='a'\nvnc=0\nserial='file:%s/new'\n", dir);
    Result r = check("name='a'\nvnc=0\nserial=['pty', '/dev/none-such', 'file:/none/such',\n"
                     "  'unix:/none/such,server']\nparallel='file:/tmp'\n", &facts);

    cr_expect_eq(r.messages->errors, 4);
    cr_expect(says(&r, "serial='/dev/none-such' can't be opened (No such file or directory)"));
    cr_expect(says(&r, "serial='file:/none/such' can't be written (No such file or directory)"));
    cr_expect(says(&r, "serial='unix:/none/such,server' can't be written"));
    cr_expect(says(&r, "parallel='file:/tmp' can't be written (Is a directory)"));
    cr_expect_eq(((Message *)g_ptr_array_index(r.messages->list, 0))->pos.line, 3);
    result_free(&r);
    r = check(good, &facts);
    cr_expect_eq(r.messages->list->len, 0);
    result_free(&r);
    cr_expect_eq(g_rmdir(dir), 0, "nothing was made");
}
