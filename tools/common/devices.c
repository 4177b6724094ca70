/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * devices.c - the specifications of disks and network cards in xm configs:
 * UNAME,DEV[:TYPE],MODE[,BACKEND[,PROTOCOL]] and key=value lists.  Whether an image can be used on
 * this host (exists, is large enough, is free) is looked at here too.
 */
#include "tools/common/domain_config.h"
#include "tools/common/netspec.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/major.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "block/format.h"

#define MIN_DISK_BYTES (16 * 63 * 512)      /* one cylinder */
#define MAX_FLOPPY_BYTES (3840 * 1024)      /* 80 tracks, 2 sides, 48 sectors */
#define MIN_CDROM_BYTES (17 * 2048)         /* up to ISO 9660's first descriptor */

#define BAD(pos, ...) message_add(messages, MESSAGE_ERROR, pos, __VA_ARGS__)

void disk_clear(DiskConfig *d)
{
    g_free(d->uname);
    g_free(d->type);
    g_free(d->path);
    g_free(d->dev);
    *d = (DiskConfig){ 0 };
}

/* Formats as tap: names them, and what they are here. */
static const struct {
    const char *name, *format;
    bool foreign;
} tap_formats[] = {
    { "aio", "raw", false }, { "raw", "raw", false }, { "sync", "raw", false },
    { "qcow2", "qcow2", false }, { "vhd", "vhd", false }, { "vpc", "vhd", false },
    { "qcow", "qcow", true }, { "vmdk", "vmdk", true }, { "vdi", "vdi", true },
    { "qed", "qed", true }, { "vhdx", "vhdx", true }, { "parallels", "parallels", true },
};

bool disk_set_format(DiskConfig *d, const char *name, size_t len)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(tap_formats); i++) {
        if (strlen(tap_formats[i].name) == len && !strncmp(tap_formats[i].name, name, len)) {
            d->format = tap_formats[i].format;
            d->foreign = tap_formats[i].foreign;
            return true;
        }
    }
    return false;
}

/* "qcow2:/a" of "tap:qcow2:/a"; gives the path. */
static const char *parse_tap(DiskConfig *d, const char *rest, SourcePos pos, Messages *messages)
{
    const char *colon;

    if (g_str_has_prefix(rest, "tapdisk:")) {
        rest += 8;
    }
    colon = strchr(rest, ':');
    if (!colon) {
        BAD(pos, "disk '%s' has no format; write tap:aio:%s", d->uname, rest);
        return NULL;
    }
    if (disk_set_format(d, rest, colon - rest)) {
        return colon + 1;
    }
    BAD(pos, "disk format '%.*s' does not exist; use aio (raw), " DISK_FORMATS, (int)(colon - rest), rest);
    return NULL;
}

/* Splits "file:/a", "tap:aio:/a", "tap:tapdisk:aio:/a", "phy:sda1" into type and path. */
static bool parse_uname(DiskConfig *d, SourcePos pos, Messages *messages)
{
    const char *rest = strchr(d->uname, ':');
    g_autofree char *type = NULL;
    char *path;

    d->format = "raw";
    if (!*d->uname) {
        d->type = g_strdup("file");
        d->path = g_strdup("");
        return true;
    }
    if (!rest) {
        BAD(pos, "disk '%s' has no type; write file:%s or phy:%s", d->uname, d->uname, d->uname);
        return false;
    }
    type = g_strndup(d->uname, rest - d->uname);
    rest++;
    if (!strcmp(type, "tap") || !strcmp(type, "tap2")) {
        rest = parse_tap(d, rest, pos, messages);
        if (!rest) {
            return false;
        }
    } else if (strcmp(type, "file") && strcmp(type, "phy")) {
        BAD(pos, "disk type '%s:' is not available; use file:PATH, phy:DEVICE or tap:FORMAT:PATH",
            type);
        return false;
    }
    d->type = g_steal_pointer(&type);
    path = !strcmp(d->type, "phy") && *rest && *rest != '/' ? g_strconcat("/dev/", rest, NULL)
           : g_strdup(rest);
    d->path = path;
    return true;
}

/* hda, ioemu:hdc, xvda1, 768; fda.  Only whole disks on the IDE bus exist so far. */
static bool parse_dev(DiskConfig *d, const char *text, SourcePos pos, Messages *messages)
{
    static const unsigned numbers[] = { 768, 832, 5632, 5696 };
    static const unsigned floppies[] = { 512, 513 };        /* 2 << 8 | unit, as Linux has them */
    const char *dev = g_str_has_prefix(text, "ioemu:") ? text + 6 : text;

    if (g_str_has_prefix(dev, "/dev/")) {
        dev += 5;
    }
    if (g_str_has_prefix(dev, "fd") && strlen(dev) == 3 && (dev[2] == 'a' || dev[2] == 'b')) {
        d->dev = g_strdup(dev);
        d->vdev = floppies[dev[2] - 'a'];
        d->floppy = true;
        return true;
    }
    if (g_str_has_prefix(dev, "xvd") && strlen(dev) == 4 && dev[3] >= 'a' && dev[3] <= 'd') {
        d->dev = g_strdup_printf("hd%c", dev[3]);
    } else if (g_str_has_prefix(dev, "hd") && strlen(dev) == 3 && dev[2] >= 'a' && dev[2] <= 'd') {
        d->dev = g_strdup(dev);
    } else {
        for (unsigned i = 0; i < 4; i++) {
            if (*dev && !dev[strspn(dev, "0123456789")] && (unsigned)atoi(dev) == numbers[i]) {
                d->dev = g_strdup_printf("hd%c", 'a' + i);
            }
        }
    }
    if (!d->dev) {
        BAD(pos, "device '%s' does not exist in this machine; use hda, hdb, hdc or hdd", dev);
        return false;
    }
    d->vdev = numbers[d->dev[2] - 'a'];
    return true;
}

static bool parse_mode(DiskConfig *d, const char *mode, SourcePos pos, Messages *messages)
{
    if (!strcmp(mode, "r") || !strcmp(mode, "ro")) {
        return true;
    }
    if (!strcmp(mode, "w") || !strcmp(mode, "rw") || !strcmp(mode, "w!") || !strcmp(mode, "rw!")) {
        d->writable = !d->cdrom;
        d->shared = strchr(mode, '!') != NULL;
        return true;
    }
    BAD(pos, "disk mode '%s' is unknown; use r (read only), w (writable) or w! (shared)", mode);
    return false;
}

bool disk_parse(DiskConfig *d, const char *spec, SourcePos pos, Messages *messages)
{
    g_auto(GStrv) f = g_strsplit(spec, ",", -1);
    unsigned n = g_strv_length(f), before = messages->errors;
    char *kind;

    *d = (DiskConfig){ .pos = pos };
    for (unsigned i = 0; i < n; i++) {
        g_strstrip(f[i]);
    }
    if (n == 2 && strstr(f[0], ":cdrom")) {     /* 'hdc:cdrom,r': an empty drive */
        char **longer = g_new0(char *, 4);

        longer[0] = g_strdup("");
        longer[1] = g_strdup(f[0]);
        longer[2] = g_strdup(f[1]);
        g_strfreev(f);
        f = longer;
        n = 3;
    }
    if (n < 3 || n > 5) {
        BAD(pos, "Invalid disk specifier: '%s' has %u fields; write 'file:PATH,hda,w'", spec, n);
        return false;
    }
    d->uname = g_strdup(f[0]);
    kind = strchr(g_str_has_prefix(f[1], "ioemu:") ? f[1] + 6 : f[1], ':');
    if (kind) {
        *kind++ = 0;
        d->cdrom = !strcmp(kind, "cdrom");
        if (!d->cdrom && strcmp(kind, "disk") && strcmp(kind, "floppy")) {
            BAD(pos, "device type '%s' is unknown; use %s:disk or %s:cdrom", kind, f[1], f[1]);
        }
    }
    if (parse_dev(d, f[1], pos, messages) && kind && d->floppy != !strcmp(kind, "floppy")) {
        BAD(pos, "device %s is %s; leave ':%s' out", f[1], d->floppy ? "a floppy drive" :
            "no floppy drive", kind);
    }
    parse_mode(d, f[2], pos, messages);
    if (parse_uname(d, pos, messages) && !*d->path && !d->cdrom && !d->floppy) {
        BAD(pos, "disk '%s' has no image; write file:PATH,%s,w", spec, f[1]);
    }
    if (d->shared && d->writable && d->format && strcmp(d->format, "raw")) {
        BAD(pos, "mode w! is for raw images: two writers of a %s image destroy it; use w",
            d->format);
    }
    if (n > 3 && *f[3] && strcmp(f[3], "0") && strcmp(f[3], "Domain-0")) {
        BAD(pos, "backend domain '%s' does not exist; leave the field out", f[3]);
    }
    return messages->errors == before;
}

/* --- images on this host --------------------------------------------------------------------- */

/* "domain 'vm' (process 812)" of a device model, "qemu-nbd (process 812)" of any other program. */
static char *process_words(const char *pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%s/cmdline", pid), *line = NULL, *base = NULL;
    gsize len = 0;

    if (!g_file_get_contents(path, &line, &len, NULL) || !len) {
        return g_strdup_printf("process %s", pid);
    }
    base = g_path_get_basename(line);
    for (const char *word = line; !strcmp(base, "qemu-dm") && word < line + len;
         word += strlen(word) + 1) {
        const char *name = word + strlen(word) + 1;

        if (!strcmp(word, "-domain-name") && name < line + len) {
            return g_strdup_printf("domain '%s' (process %s)", name, pid);
        }
    }
    return g_strdup_printf("%s (process %s)", base, pid);
}

/* Who has the same file open under a lock. */
static char *find_locker(dev_t dev, ino_t ino)
{
    g_autofree char *want = g_strdup_printf("%02x:%02x:%lu", major(dev), minor(dev),
                                            (unsigned long)ino);
    DIR *proc = opendir("/proc");
    struct dirent *e;
    char *found = NULL;

    while (proc && !found && (e = readdir(proc))) {
        g_autofree char *dir = g_strdup_printf("/proc/%s/fdinfo", e->d_name);
        DIR *fds = g_ascii_isdigit(*e->d_name) ? opendir(dir) : NULL;
        struct dirent *f;

        while (fds && !found && (f = readdir(fds))) {
            g_autofree char *path = g_strdup_printf("%s/%s", dir, f->d_name), *info = NULL;
            const char *lock;

            if (g_file_get_contents(path, &info, NULL, NULL) && (lock = strstr(info, "lock:")) &&
                strstr(lock, want)) {
                found = process_words(e->d_name);
            }
        }
        if (fds) {
            closedir(fds);
        }
    }
    if (proc) {
        closedir(proc);
    }
    return found;
}

char *image_holder(const char *path, bool writable)
{
    int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    char *holder = NULL;

    if (fd < 0) {
        return NULL;
    }
    if (image_locked(fd, writable)) {
        holder = fstat(fd, &st) == 0 ? find_locker(st.st_dev, st.st_ino) : NULL;
        if (!holder) {
            holder = g_strdup("another process");
        }
    }
    close(fd);
    return holder;
}

static bool check_size(const DiskConfig *d, uint64_t size, Messages *messages)
{
    if (d->floppy) {
        if (!size || size % 512 || size > MAX_FLOPPY_BYTES) {
            BAD(d->pos, "image %s is no floppy disk: %" G_GUINT64_FORMAT " bytes; make one with "
                "'truncate -s 1440K'", d->path, size);
            return false;
        }
        return true;
    }
    if (d->cdrom ? size < MIN_CDROM_BYTES : size < MIN_DISK_BYTES) {
        BAD(d->pos, "image %s is too small: %" G_GUINT64_FORMAT " bytes, and %s has at least %d; "
            "%s",
            d->path, size, d->cdrom ? "a CD-ROM" : "a disk",
            d->cdrom ? MIN_CDROM_BYTES : MIN_DISK_BYTES,
            d->cdrom ? "download the ISO again" : "make one with 'xm disk-create FILE 2G'");
        return false;
    }
    if (!d->cdrom && size % 512) {
        BAD(d->pos, "image %s is not a whole number of 512-byte sectors; is it complete?", d->path);
        return false;
    }
    return true;
}

/* A raw image that looks like another format is used as it is: its guest may have written that. */
static void check_guess(const DiskConfig *d, int fd, Messages *messages)
{
    const char *guess = format_guess(fd);

    if ((d->format && strcmp(d->format, "raw")) || !strcmp(guess, "raw") || d->cdrom) {
        return;
    }
    message_add(messages, MESSAGE_WARNING, d->pos, "image %s looks like %s, but is used as raw; "
                "if it is one, write 'tap:%s:%s'", d->path, guess, guess, d->path);
}

static bool check_chain(const DiskConfig *d, Messages *messages)
{
    g_autofree char *error = NULL;
    DiskChain chain;
    bool ok;

    if (!disk_chain_open(d, false, &chain, &error)) {
        BAD(d->pos, "%s", error);
        return false;
    }
    check_guess(d, chain.layer[0].fd, messages);
    ok = d->foreign || check_size(d, chain.size, messages);
    disk_chain_close(&chain);
    return ok;
}

bool disk_is_drive(const DiskConfig *d)
{
    struct stat st;

    return d->cdrom && *d->path && stat(d->path, &st) == 0 && S_ISBLK(st.st_mode) &&
           major(st.st_rdev) == SCSI_CDROM_MAJOR;
}

bool disk_has_medium(const DiskConfig *d)
{
    int fd = *d->path ? open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    struct stat st;
    bool has = fd >= 0 && fstat(fd, &st) == 0 && (!S_ISBLK(st.st_mode) || lseek(fd, 0, SEEK_END) > 0);

    if (fd >= 0) {
        close(fd);
    }
    return has;
}

bool disk_check_image(const DiskConfig *d, Messages *messages)
{
    g_autofree char *holder = NULL;
    struct stat st;

    if (!d->path || !*d->path) {
        return true;
    }
    if (stat(d->path, &st) != 0) {
        BAD(d->pos, "image %s can't be used (%s)%s", d->path, g_strerror(errno),
            errno != ENOENT ? "" : d->cdrom ? "; check the path"
            : "; check the path, or make it with 'xm disk-create FILE 2G'");
        return false;
    }
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        BAD(d->pos, "image %s is a %s; name a disk image or a block device", d->path,
            S_ISDIR(st.st_mode) ? "directory" : "special file");
        return false;
    }
    if (access(d->path, d->writable ? R_OK | W_OK : R_OK) != 0) {
        BAD(d->pos, "image %s can't be opened for %s (%s); %s", d->path,
            d->writable ? "writing" : "reading", g_strerror(errno),
            d->writable ? "change its permissions, or use mode r" : "change its permissions");
        return false;
    }
    if (disk_is_drive(d) || (d->cdrom && S_ISBLK(st.st_mode) && !disk_has_medium(d))) {
        return true;
    }
    if (!check_chain(d, messages)) {
        return false;
    }
    if (!d->shared && (holder = image_holder(d->path, d->writable))) {
        BAD(d->pos, "image %s is in use by %s; end it first, or share with mode w!", d->path,
            holder);
        return false;
    }
    return true;
}

int vnc_try_listen(const char *address, unsigned port)
{
    g_autofree char *service = g_strdup_printf("%u", port);
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                              .ai_socktype = SOCK_STREAM }, *list;
    int fd, one = 1, saved;

    if (getaddrinfo(address, service, &hints, &list) != 0) {
        errno = EINVAL;
        return -1;
    }
    fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, list->ai_addr, list->ai_addrlen) != 0 || listen(fd, 8) != 0) {
            saved = errno;
            close(fd);
            fd = -1;
            errno = saved;
        }
    }
    saved = errno;
    freeaddrinfo(list);
    errno = saved;
    return fd;
}

/* --- network cards --------------------------------------------------------------------------- */

void vif_clear(VifConfig *v)
{
    g_free(v->mac_text);
    g_free(v->bridge);
    g_free(v->model);
    g_free(v->ip);
    g_free(v->script);
    g_free(v->vifname);
    g_free(v->rate);
    g_free(v->type);
    g_free(v->segment);
    g_strfreev(v->hostfwd);
    g_free(v->tftp);
    g_free(v->bootfile);
    *v = (VifConfig){ 0 };
}

char *vif_rate(const VifConfig *v)
{
    uint64_t bytes;
    uint32_t us;

    return v->rate && rate_parse(v->rate, &bytes, &us)
           ? g_strdup_printf("%" G_GUINT64_FORMAT "/%u", bytes, us) : NULL;
}

static void set_mac(VifConfig *v, const char *text, SourcePos pos, Messages *messages)
{
    int end = 0;

    if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &v->mac[0], &v->mac[1], &v->mac[2],
               &v->mac[3], &v->mac[4], &v->mac[5], &end) != 6 || text[end]) {
        BAD(pos, "mac '%s' is not a hardware address; write 00:16:3e:XX:XX:XX", text);
    } else if (v->mac[0] & 1) {
        BAD(pos, "mac '%s' is a group address (first byte odd); use 00:16:3e:XX:XX:XX", text);
    }
}

static void set_model(VifConfig *v, const char *model, SourcePos pos, Messages *messages)
{
    static const char *const models[] = { "rtl8139", "ne2k_pci", "ne2k_isa", NULL };

    if (!g_strv_contains(models, model)) {
        BAD(pos, "network card model '%s' does not exist in this machine; use rtl8139, ne2k_pci or "
            "ne2k_isa", model);
        return;
    }
    g_free(v->model);
    v->model = g_strdup(model);
}

/* One side of a forward, "[ADDRESS]:PORT". */
static char *endpoint_fault(const char *text, const char *side)
{
    const char *colon = strrchr(text, ':');
    g_autofree char *address = colon ? g_strndup(text, colon - text) : NULL;
    struct in_addr in;
    guint64 port;

    if (!colon) {
        return g_strdup_printf("the %s's side '%s' has no colon before its port", side, text);
    }
    if (!g_ascii_string_to_unsigned(colon + 1, 10, 1, 65535, &port, NULL)) {
        return g_strdup_printf("'%s' is not a port of the %s (1 to 65535)", colon + 1, side);
    }
    if (*address && inet_pton(AF_INET, address, &in) != 1) {
        return g_strdup_printf("'%s' is not an IPv4 address of the %s", address, side);
    }
    return NULL;
}

bool hostfwd_busy(const char *text)
{
    const char *dash = strchr(text, '-');
    g_autofree char *host = g_strndup(text + 4, dash - text - 4);
    bool udp = g_str_has_prefix(text, "udp:"), busy;
    char *colon = strrchr(host, ':');
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(atoi(colon + 1)) };
    int one = 1, fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);

    *colon = 0;
    if (fd < 0 || (*host && inet_pton(AF_INET, host, &at.sin_addr) != 1)) {
        at.sin_addr.s_addr = htonl(INADDR_ANY);
    }
    if (!udp && fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    }
    busy = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) != 0 && errno == EADDRINUSE;
    if (fd >= 0) {
        close(fd);
    }
    return busy;
}

char *hostfwd_fault(const char *text)
{
    const char *dash = strchr(text, '-');
    g_autofree char *host = NULL;
    char *fault;

    if (!g_str_has_prefix(text, "tcp:") && !g_str_has_prefix(text, "udp:")) {
        return g_strdup("it does not begin with tcp: or udp:");
    }
    if (!dash) {
        return g_strdup("no '-' stands between the host's side and the guest's");
    }
    host = g_strndup(text + 4, dash - text - 4);
    fault = endpoint_fault(host, "host");
    return fault ? fault : endpoint_fault(dash + 1, "guest");
}

static void add_forward(GPtrArray *forwards, const char *value, SourcePos pos, Messages *messages)
{
    g_autofree char *fault = hostfwd_fault(value);

    if (fault) {
        BAD(pos, "hostfwd '%s': %s; write for example tcp:127.0.0.1:2222-:22", value, fault);
        return;
    }
    g_ptr_array_add(forwards, g_strdup(value));
}

static void set_jumper(unsigned *jumper, const char *key, const char *value, bool good(guint64),
                       SourcePos pos, Messages *messages)
{
    char *end;
    guint64 n = g_ascii_strtoull(value, &end, 0);

    if (!*value || *end || !good(n)) {
        BAD(pos, "%s '%s' is no jumper setting of an NE2000; use for example iobase=0x300, irq=9",
            key, value);
        return;
    }
    *jumper = n;
}

static bool good_iobase(guint64 n)
{
    return n >= 0x200 && n <= 0x3e0 && n % 0x20 == 0;
}

static bool good_irq(guint64 n)
{
    return n < 16 && (1u << n & (1 << 3 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 9 | 1 << 10 | 1 << 11 |
                                 1 << 12 | 1 << 15));
}

void vif_choose_mac(VifConfig *v, const char *domain, unsigned index, unsigned attempt)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree char *machine = NULL, *text = NULL;
    guint8 digest[32];
    gsize len = sizeof digest;

    g_file_get_contents("/etc/machine-id", &machine, NULL, NULL);
    text = g_strdup_printf("mac of %s:%s:%u:%s:%u:%u", machine ? machine : "", g_get_host_name(),
                           (unsigned)getuid(), domain, index, attempt);
    g_checksum_update(sum, (const guchar *)text, -1);
    g_checksum_get_digest(sum, digest, &len);
    memcpy(v->mac, (const uint8_t[6]){ 0x00, 0x16, 0x3e, digest[0] & 0x7f, digest[1], digest[2] }, 6);
    g_free(v->mac_text);
    v->mac_text = g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", v->mac[0], v->mac[1], v->mac[2],
                                  v->mac[3], v->mac[4], v->mac[5]);
}

static void check_vif_text(const char *key, const char *value, SourcePos pos, Messages *messages)
{
    GArray *list;
    uint64_t bytes;
    uint32_t us;

    if (!*value) {
        return;
    }
    if (!strcmp(key, "segment") && (strlen(value) > 32 || strpbrk(value, "/ \t"))) {
        BAD(pos, "segment '%s' is no name; use at most 32 letters and digits", value);
    } else if ((!strcmp(key, "bridge") || !strcmp(key, "vifname")) && !interface_name_valid(value)) {
        BAD(pos, "%s '%s' is no interface's name; use at most 15 letters, digits, . _ and -", key,
            value);
    } else if (!strcmp(key, "rate") && !rate_parse(value, &bytes, &us)) {
        BAD(pos, "rate '%s' is not a rate; write for example 10Mb/s, 500KB/s or 10Mb/s@20ms", value);
    } else if (!strcmp(key, "ip")) {
        list = ip_list_parse(value);
        if (!list) {
            BAD(pos, "ip '%s' is not a list of addresses; write for example 'ip=10.0.0.5 10.0.0.6'",
                value);
            return;
        }
        g_array_free(list, TRUE);
    }
}

bool vif_parse(VifConfig *v, const char *spec, SourcePos pos, Messages *messages)
{
    g_auto(GStrv) fields = g_strsplit(spec, ",", -1);
    g_autoptr(GPtrArray) forwards = g_ptr_array_new();
    unsigned before = messages->errors;

    *v = (VifConfig){ .pos = pos, .model = g_strdup("rtl8139"), .random_mac = true };
    for (char **f = fields; *f; f++) {
        char *key = g_strstrip(*f), *value = strchr(key, '=');
        char **text = NULL;

        if (!*key) {
            continue;
        }
        if (!value) {
            BAD(pos, "vif entry '%s' is not KEY=VALUE; write for example 'bridge=xenbr0'", key);
            continue;
        }
        *value++ = 0;
        g_strstrip(key);
        g_strstrip(value);
        if (!strcmp(key, "mac")) {
            set_mac(v, value, pos, messages);
            v->random_mac = false;
        } else if (!strcmp(key, "model")) {
            set_model(v, value, pos, messages);
        } else if (!strcmp(key, "type")) {
            text = &v->type;
            if (strcmp(value, "ioemu") && strcmp(value, "netfront")) {
                BAD(pos, "vif type '%s' is unknown; use ioemu", value);
            }
        } else if (!strcmp(key, "hostfwd")) {
            add_forward(forwards, value, pos, messages);
        } else if (!strcmp(key, "iobase")) {
            set_jumper(&v->iobase, key, value, good_iobase, pos, messages);
        } else if (!strcmp(key, "irq")) {
            set_jumper(&v->irq, key, value, good_irq, pos, messages);
        } else if (!strcmp(key, "cplus")) {
            v->plain = !strcmp(value, "0");
            if (!v->plain && strcmp(value, "1")) {
                BAD(pos, "cplus '%s' is neither 0 (an RTL8139C) nor 1 (an RTL8139C+)", value);
            }
        } else if (!strcmp(key, "tftp")) {
            text = &v->tftp;
        } else if (!strcmp(key, "bootfile")) {
            text = &v->bootfile;
        } else if (!strcmp(key, "bridge")) {
            text = &v->bridge;
        } else if (!strcmp(key, "ip")) {
            text = &v->ip;
        } else if (!strcmp(key, "script")) {
            text = &v->script;
        } else if (!strcmp(key, "vifname")) {
            text = &v->vifname;
        } else if (!strcmp(key, "rate")) {
            text = &v->rate;
        } else if (!strcmp(key, "segment")) {
            text = &v->segment;
        } else if (!strcmp(key, "unplugged")) {
            v->unplugged = !strcmp(value, "1");
            if (!v->unplugged && strcmp(value, "0")) {
                BAD(pos, "unplugged=%s is neither 0 nor 1", value);
            }
        } else if (strcmp(key, "backend") && strcmp(key, "accel") && strcmp(key, "policy") &&
                   strcmp(key, "label") && strcmp(key, "uuid")) {
            BAD(pos, "vif key '%s' is unknown; known are type, mac, bridge, model, ip, script, "
                "vifname, rate, segment, unplugged, hostfwd, tftp, bootfile, iobase, irq, cplus", key);
        }
        if (text) {
            check_vif_text(key, value, pos, messages);
            g_free(*text);
            *text = g_strdup(value);
        }
    }
    g_ptr_array_add(forwards, NULL);
    if (v->segment && *v->segment && ((v->bridge && *v->bridge) || forwards->len > 1 || v->tftp)) {
        BAD(pos, "segment=%s is a network of its own; leave out bridge, hostfwd and tftp, or give "
            "the guest a second card", v->segment);
    }
    v->hostfwd = (char **)g_ptr_array_free(g_steal_pointer(&forwards), FALSE);
    if ((v->iobase || v->irq) && strcmp(v->model, "ne2k_isa")) {
        BAD(pos, "iobase and irq are jumpers of model=ne2k_isa; leave them out");
    }
    if (v->plain && strcmp(v->model, "rtl8139")) {
        BAD(pos, "cplus is for model=rtl8139; leave it out");
    }
    if (v->random_mac) {
        vif_choose_mac(v, "", 0, 0);
        return messages->errors == before;
    }
    v->mac_text = g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", v->mac[0], v->mac[1], v->mac[2],
                                  v->mac[3], v->mac[4], v->mac[5]);
    return messages->errors == before;
}
