/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk.c - xm disk-create: empty images, made here with the user's rights; xm disk-resize: larger
 * disks of a running domain, which xend does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "block/format.h"
#include "tools/common/domain_config.h"
#include "tools/xm/xm.h"

typedef struct Wish {
    const char *file, *size, *format, *backing, *backing_format;
    bool force;
} Wish;

/* "20G", "1.5T", "512M", "2147483648": bytes; 0: not a size. */
static uint64_t parse_size(const char *text)
{
    static const char units[] = "KMGT";
    char *end;
    double n = g_ascii_strtod(text, &end);
    const char *unit;
    unsigned shift = 0;

    if (end == text || !(n > 0)) {
        return 0;
    }
    unit = *end ? strchr(units, g_ascii_toupper(*end)) : NULL;
    if (unit) {
        shift = 10 * (unit - units + 1);
        end++;
        if (*end == 'i') {
            end++;
        }
    }
    if (g_ascii_toupper(*end) == 'B') {
        end++;
    }
    n *= (double)(1ull << shift);
    return *end || n < 512 || n > 0x1p56 ? 0 : ((uint64_t)n + 511) & ~511ull;
}

static bool parse_args(Wish *w, int argc, char **argv)
{
    const struct {
        const char *name;
        const char **value;
    } options[] = { { "--format", &w->format }, { "--backing", &w->backing },
                    { "--backing-format", &w->backing_format } };

    for (int i = 0; i < argc; i++) {
        bool known = !strncmp(argv[i], "--", 2) && !strcmp(argv[i], "--force");

        w->force |= known;
        for (unsigned j = 0; j < G_N_ELEMENTS(options) && !known; j++) {
            size_t len = strlen(options[j].name);

            if (strncmp(argv[i], options[j].name, len)) {
                continue;
            }
            if (argv[i][len] == '=') {
                *options[j].value = argv[i] + len + 1;
                known = true;
            } else if (!argv[i][len] && i + 1 < argc) {
                *options[j].value = argv[++i];
                known = true;
            }
        }
        if (known) {
            continue;
        }
        if (argv[i][0] == '-' || w->size) {
            xm_error("'%s' is not understood; see xm disk-create --help", argv[i]);
            return false;
        }
        *(w->file ? &w->size : &w->file) = argv[i];
    }
    return true;
}

/* The backing file, as the new image will find it; its size. */
static int open_backing(const Wish *w, uint64_t *size)
{
    g_autofree char *dir = g_path_get_dirname(w->file);
    g_autofree char *path = g_path_is_absolute(w->backing) ? g_strdup(w->backing)
                            : g_build_filename(dir, w->backing, NULL);
    g_autoptr(GError) error = NULL;
    FormatInfo info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        xm_error("backing file %s can't be opened (%s); a relative name counts from the new "
                 "image's folder", path, g_strerror(errno));
        return -1;
    }
    if (!w->backing_format) {
        xm_error("say what kind of image %s is: --backing-format %s", path, format_guess(fd));
        close(fd);
        return -1;
    }
    if (!format_inspect(fd, w->backing_format, &info, &error)) {
        xm_error("backing file %s: %s", path, error->message);
        close(fd);
        return -1;
    }
    *size = info.size;
    format_inspect_clear(&info);
    return fd;
}

static int open_new(const Wish *w)
{
    int fd = open(w->file, O_RDWR | O_CREAT | O_CLOEXEC | (w->force ? 0 : O_EXCL), 0666);
    struct stat st;

    if (fd < 0) {
        xm_error("%s can't be made (%s)%s", w->file, g_strerror(errno),
                 errno == EEXIST ? "; --force overwrites it" : "");
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        xm_error("%s is not a regular file", w->file);
    } else if (!image_lock(fd, true)) {
        xm_error("%s is in use", w->file);
    } else if (ftruncate(fd, 0) != 0) {
        xm_error("%s can't be emptied (%s)", w->file, g_strerror(errno));
    } else {
        return fd;
    }
    close(fd);
    return -1;
}

int xm_disk_create(Xm *xm, int argc, char **argv)
{
    Wish w = { .format = "raw" };
    g_autoptr(GError) error = NULL;
    uint64_t size = 0, given;
    int backing = -1, fd = -1, status = XM_FAILED;

    if (!parse_args(&w, argc, argv)) {
        return XM_FAILED;
    }
    if (!w.file || (!w.size && !w.backing)) {
        xm_usage(xm->command);
        return XM_FAILED;
    }
    given = w.size ? parse_size(w.size) : 0;
    if (w.size && !given) {
        xm_error("'%s' is not a size; write for example 20G or 512M", w.size);
        return XM_FAILED;
    }
    if (strcmp(w.format, "raw") && strcmp(w.format, "qcow2") && strcmp(w.format, "vhd")) {
        xm_error("format '%s' can't be made; use raw, qcow2 or vhd", w.format);
        return XM_FAILED;
    }
    if (w.backing && !w.backing_format && !strcmp(w.format, "vhd")) {
        w.backing_format = "vhd";
    }
    if (w.backing && (backing = open_backing(&w, &size)) < 0) {
        return XM_FAILED;
    }
    size = given ? given : (size + 511) & ~511ull;
    fd = open_new(&w);
    if (fd >= 0 && format_create(fd, w.format, size, w.backing, w.backing_format, backing,
                                 &error)) {
        printf("%s: %s, %" G_GUINT64_FORMAT " MiB\n", w.file, w.format, size >> 20);
        status = XM_OK;
    } else if (fd >= 0) {
        xm_error("%s %s", w.file, error->message);
        unlink(w.file);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (backing >= 0) {
        close(backing);
    }
    return status;
}

int xm_disk_resize(Xm *xm, int argc, char **argv)
{
    uint64_t size = parse_size(argv[2]);
    g_autofree char *bytes = g_strdup_printf("%" G_GUINT64_FORMAT, size);
    g_autoptr(Value) v = NULL;
    int status = XM_OK;

    (void)argc;
    if (!size) {
        xm_error("'%s' is not a size; write for example 20G", argv[2]);
        return XM_FAILED;
    }
    v = xm_call(xm, &status, "xend.domain.resize_disk",
                xm_params(argv[0], argv[1], bytes, NULL));
    return status;
}
