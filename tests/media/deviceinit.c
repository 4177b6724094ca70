/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * deviceinit.c - /init of devices.iso: a static i386 program that takes commands on the first serial
 * port and drives sound cards (through ALSA's own interface of the kernel), serial and parallel
 * ports with Debian's drivers.  Every command ends with a line "= status".
 *   load MODULE [ARGUMENT...]              cards                     mix CARD
 *   play CARD RATE CHANNELS BITS HZ MS     record CARD RATE CHANNELS BITS MS
 *   write PATH COUNT SEED                  read PATH MS              show PATH
 *   tty PATH SPEED                         break PATH                modem PATH
 *   tone HZ MS                             fm CARD HZ MS
 *   off
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <math.h>
#include <poll.h>
#include <sound/asound.h>
#include <sound/asound_fm.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define AMPLITUDE 6000
#define ARGS 10

static long long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static int failed(const char *what)
{
    int e = errno;

    printf("%s: %s\n", what, strerror(e));
    return e ? e : 1;
}

/* --- modules: /m/NAME.list has the files, dependencies first ------------------------------------ */

static int insert(const char *path, const char *arguments)
{
    int fd = open(path, O_RDONLY);
    int rc = fd < 0 ? -1 : syscall(SYS_finit_module, fd, arguments, 0);

    if (rc < 0 && errno != EEXIST) {
        return failed(path);
    }
    close(fd);
    return 0;
}

static int load(int argc, char **argv)
{
    char path[128], line[128], arguments[256] = "", next[128] = "";
    FILE *list;
    int rc = 0;

    for (int i = 2; i < argc; i++) {
        strcat(strcat(arguments, argv[i]), " ");
    }
    snprintf(path, sizeof path, "/m/%s.list", argv[1]);
    list = fopen(path, "r");
    if (!list) {
        return failed(path);
    }
    while (fgets(line, sizeof line, list)) {
        line[strcspn(line, "\n")] = 0;
        if (*next) {
            rc = rc ? rc : insert(next, "");
        }
        strcpy(next, line);
    }
    fclose(list);
    return rc ? rc : insert(next, arguments);
}

static int show(const char *path)
{
    char buf[4096];
    int fd = open(path, O_RDONLY | O_NONBLOCK), n;

    if (fd < 0) {
        return failed(path);
    }
    while ((n = read(fd, buf, sizeof buf)) > 0) {
        fwrite(buf, 1, n, stdout);
    }
    close(fd);
    return 0;
}

/* --- sound -------------------------------------------------------------------------------------- */

/* Everything on the way out is set to its loudest and on. */
static int mix(int card)
{
    struct snd_ctl_elem_list list = { 0 };
    struct snd_ctl_elem_id ids[128];
    char path[64];
    int fd;

    snprintf(path, sizeof path, "/dev/snd/controlC%d", card);
    fd = open(path, O_RDWR);
    list.space = 128;
    list.pids = ids;
    if (fd < 0 || ioctl(fd, SNDRV_CTL_IOCTL_ELEM_LIST, &list) < 0) {
        return failed(path);
    }
    for (unsigned i = 0; i < list.used; i++) {
        struct snd_ctl_elem_info info = { .id = ids[i] };
        struct snd_ctl_elem_value value = { .id = ids[i] };
        const char *name = (const char *)ids[i].name;

        if (strstr(name, "Capture") || ioctl(fd, SNDRV_CTL_IOCTL_ELEM_INFO, &info) < 0 ||
            ioctl(fd, SNDRV_CTL_IOCTL_ELEM_READ, &value) < 0) {
            continue;
        }
        for (unsigned n = 0; n < info.count && n < 8; n++) {
            if (!strcmp(name, "Playback Volume")) {
                continue;               /* an amplifier behind all others: it would clip */
            }
            if (info.type == SNDRV_CTL_ELEM_TYPE_INTEGER && strstr(name, "Volume")) {
                value.value.integer.value[n] = info.value.integer.max;
            } else if (info.type == SNDRV_CTL_ELEM_TYPE_BOOLEAN && strstr(name, "Switch")) {
                value.value.integer.value[n] = 1;
            }
        }
        ioctl(fd, SNDRV_CTL_IOCTL_ELEM_WRITE, &value);
    }
    close(fd);
    return 0;
}

static struct snd_interval *interval(struct snd_pcm_hw_params *p, int n)
{
    return &p->intervals[n - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL];
}

static void set_mask(struct snd_pcm_hw_params *p, int n, unsigned bit)
{
    struct snd_mask *m = &p->masks[n - SNDRV_PCM_HW_PARAM_FIRST_MASK];

    memset(m, 0, sizeof *m);
    m->bits[bit / 32] = 1u << bit % 32;
}

static void set_interval(struct snd_pcm_hw_params *p, int n, unsigned value)
{
    *interval(p, n) = (struct snd_interval){ .min = value, .max = value, .integer = 1 };
}

/* Opened and prepared; *bits and *is_signed become what the card can. */
static int pcm_open(int card, char way, unsigned rate, unsigned channels, unsigned bits)
{
    struct snd_pcm_hw_params p;
    struct snd_pcm_sw_params sw = { 0 };
    unsigned buffer, period;
    char path[64];
    int fd;

    snprintf(path, sizeof path, "/dev/snd/pcmC%dD0%c", card, way);
    fd = open(path, O_RDWR);
    if (fd < 0) {
        return -failed(path);
    }
    memset(&p, 0, sizeof p);
    p.rmask = ~0u;
    for (int n = 0; n < SNDRV_PCM_HW_PARAM_LAST_MASK - SNDRV_PCM_HW_PARAM_FIRST_MASK + 1; n++) {
        memset(&p.masks[n], 0xff, sizeof p.masks[n]);
    }
    for (int n = 0; n < SNDRV_PCM_HW_PARAM_LAST_INTERVAL - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL + 1; n++) {
        p.intervals[n].max = ~0u;
    }
    set_mask(&p, SNDRV_PCM_HW_PARAM_ACCESS, (unsigned)SNDRV_PCM_ACCESS_RW_INTERLEAVED);
    set_mask(&p, SNDRV_PCM_HW_PARAM_FORMAT,
             (unsigned)(bits == 16 ? SNDRV_PCM_FORMAT_S16_LE : SNDRV_PCM_FORMAT_U8));
    set_interval(&p, SNDRV_PCM_HW_PARAM_CHANNELS, channels);
    set_interval(&p, SNDRV_PCM_HW_PARAM_RATE, rate);
    if (ioctl(fd, SNDRV_PCM_IOCTL_HW_REFINE, &p) < 0) {
        return -failed("refine");
    }
    buffer = interval(&p, SNDRV_PCM_HW_PARAM_BUFFER_SIZE)->max;
    buffer = buffer < rate ? buffer : rate;
    interval(&p, SNDRV_PCM_HW_PARAM_BUFFER_SIZE)->max = buffer;
    interval(&p, SNDRV_PCM_HW_PARAM_PERIOD_SIZE)->max = buffer / 4;
    if (ioctl(fd, SNDRV_PCM_IOCTL_HW_REFINE, &p) < 0) {
        return -failed("refine the buffer");
    }
    period = interval(&p, SNDRV_PCM_HW_PARAM_PERIOD_SIZE)->max;
    interval(&p, SNDRV_PCM_HW_PARAM_PERIOD_SIZE)->min = period;
    if (ioctl(fd, SNDRV_PCM_IOCTL_HW_PARAMS, &p) < 0) {
        return -failed("parameters");
    }
    buffer = interval(&p, SNDRV_PCM_HW_PARAM_BUFFER_SIZE)->min;
    period = interval(&p, SNDRV_PCM_HW_PARAM_PERIOD_SIZE)->min;
    sw.period_step = 1;
    sw.avail_min = period;
    sw.start_threshold = way == 'p' ? buffer - period : 1;
    sw.stop_threshold = buffer;
    sw.boundary = buffer;
    if (ioctl(fd, SNDRV_PCM_IOCTL_SW_PARAMS, &sw) < 0 || ioctl(fd, SNDRV_PCM_IOCTL_PREPARE) < 0) {
        return -failed("prepare");
    }
    printf("buffer %u period %u\n", buffer, period);
    return fd;
}

/* The whole tone is made before it begins: no processor is too slow to play it then. */
static uint8_t *make_tone(unsigned rate, unsigned channels, unsigned bits, unsigned hz, unsigned frames)
{
    uint8_t *buf = malloc(frames * channels * bits / 8);

    for (unsigned i = 0; buf && i < frames; i++) {
        int v = lrint(AMPLITUDE * sin(2 * M_PI * hz * i / rate));

        for (unsigned c = 0; c < channels; c++) {
            if (bits == 16) {
                ((int16_t *)buf)[i * channels + c] = c ? -v : v;
            } else {
                buf[i * channels + c] = 128 + (c ? -v : v) / 256;
            }
        }
    }
    return buf;
}

static int play(int card, unsigned rate, unsigned channels, unsigned bits, unsigned hz, unsigned ms)
{
    unsigned total = (unsigned long long)rate * ms / 1000, done = 0, xruns = 0;
    uint8_t *buf = make_tone(rate, channels, bits, hz, total);
    int fd = pcm_open(card, 'p', rate, channels, bits);
    long long begin = now_ms();

    if (fd < 0 || !buf) {
        return fd < 0 ? -fd : failed("memory");
    }
    while (done < total) {
        struct snd_xferi x = { .buf = buf + done * channels * bits / 8, .frames = total - done };

        if (ioctl(fd, SNDRV_PCM_IOCTL_WRITEI_FRAMES, &x) < 0) {
            if (errno != EPIPE) {
                return failed("write");
            }
            xruns++;
            ioctl(fd, SNDRV_PCM_IOCTL_PREPARE);
            continue;
        }
        done += x.result;
    }
    if (ioctl(fd, SNDRV_PCM_IOCTL_DRAIN) < 0) {
        return failed("drain");
    }
    close(fd);
    free(buf);
    printf("played %u frames, %u underruns, %lld ms\n", done, xruns, now_ms() - begin);
    return 0;
}

static int record(int card, unsigned rate, unsigned channels, unsigned bits, unsigned ms)
{
    int fd = pcm_open(card, 'c', rate, channels, bits);
    unsigned total = (unsigned long long)rate * ms / 1000, done = 0, loud = 0, xruns = 0;
    uint8_t buf[1024 * 4];
    long long begin = now_ms();

    if (fd < 0) {
        return -fd;
    }
    while (done < total) {
        unsigned n = total - done < 1024 ? total - done : 1024;
        struct snd_xferi x = { .buf = buf, .frames = n };

        memset(buf, 0x55, sizeof buf);
        if (ioctl(fd, SNDRV_PCM_IOCTL_READI_FRAMES, &x) < 0) {
            if (errno != EPIPE) {
                return failed("read");
            }
            xruns++;
            ioctl(fd, SNDRV_PCM_IOCTL_PREPARE);
            continue;
        }
        for (unsigned i = 0; i < x.result * channels * bits / 8; i++) {
            loud += buf[i] != (bits == 16 ? 0 : 0x80);
        }
        done += x.result;
    }
    close(fd);
    printf("recorded %u frames, %u bytes not silent, %u overruns, %lld ms\n", done, loud, xruns,
           now_ms() - begin);
    return 0;
}

/* The FM synthesizer's own interface: a sine on the first voice, held, let go, gone in half a second. */
static int fm(int card, unsigned hz, unsigned ms)
{
    struct snd_dm_fm_info info = { 0 };
    struct snd_dm_fm_voice voice = { .do_sustain = 1, .harmonic = 1, .attack = 15, .release = 6,
                                     .connection = 1, .left = 1, .right = 1 };
    struct snd_dm_fm_note note = { .key_on = 1 };
    struct snd_dm_fm_params params = { 0 };
    unsigned long fnum;
    char path[64];
    int fd;

    snprintf(path, sizeof path, "/dev/snd/hwC%dD0", card);
    fd = open(path, O_RDWR);
    if (fd < 0 || ioctl(fd, SNDRV_DM_FM_IOCTL_RESET) < 0 ||
        ioctl(fd, SNDRV_DM_FM_IOCTL_SET_MODE, SNDRV_DM_FM_MODE_OPL3) < 0 ||
        ioctl(fd, SNDRV_DM_FM_IOCTL_INFO, &info) < 0 ||
        ioctl(fd, SNDRV_DM_FM_IOCTL_SET_PARAMS, &params) < 0) {
        return failed(path);
    }
    printf("fm type %u\n", info.fm_mode);
    for (unsigned op = 0; op < 2; op++) {
        voice.op = op;
        voice.volume = op ? 63 : 0;
        if (ioctl(fd, SNDRV_DM_FM_IOCTL_SET_VOICE, &voice) < 0) {
            return failed("voice");
        }
    }
    for (fnum = 1024; fnum > 1023 && note.octave < 8; note.octave++) {
        fnum = ((unsigned long)hz << (20 - note.octave)) / 49716;
    }
    note.octave--;
    note.fnum = fnum;
    if (ioctl(fd, SNDRV_DM_FM_IOCTL_PLAY_NOTE, &note) < 0) {
        return failed("note");
    }
    usleep(ms * 1000);
    note.key_on = 0;
    if (ioctl(fd, SNDRV_DM_FM_IOCTL_PLAY_NOTE, &note) < 0) {
        return failed("note");
    }
    usleep(600 * 1000);                 /* the driver silences all when it is closed */
    close(fd);
    return 0;
}

/* The beep of the input layer: pcspkr. */
static int tone(unsigned hz, unsigned ms)
{
    struct input_event e = { .type = EV_SND, .code = SND_TONE, .value = hz };
    char path[64];

    for (int i = 0; i < 8; i++) {
        unsigned long bits[1] = { 0 };
        int fd;

        snprintf(path, sizeof path, "/dev/input/event%d", i);
        fd = open(path, O_RDWR);
        if (fd >= 0 && ioctl(fd, EVIOCGBIT(EV_SND, sizeof bits), bits) >= 0 &&
            bits[0] >> SND_TONE & 1) {
            if (write(fd, &e, sizeof e) < 0) {
                return failed(path);
            }
            usleep(ms * 1000);
            e.value = 0;
            return write(fd, &e, sizeof e) < 0 ? failed(path) : 0;
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    printf("no speaker\n");
    return 1;
}

/* --- lines -------------------------------------------------------------------------------------- */

/* COUNT bytes of all values, by a congruential generator that the tests have too. */
static int write_bytes(const char *path, unsigned count, unsigned seed)
{
    int fd = open(path, O_WRONLY | O_NOCTTY);
    uint8_t buf[512];
    long long begin = now_ms();

    if (fd < 0) {
        return failed(path);
    }
    for (unsigned done = 0; done < count;) {
        unsigned n = count - done < sizeof buf ? count - done : sizeof buf, at = 0;

        for (unsigned i = 0; i < n; i++) {
            seed = seed * 1103515245 + 12345;
            buf[i] = seed >> 16;
        }
        while (at < n) {
            int rc = write(fd, buf + at, n - at);

            if (rc <= 0) {
                return failed("write");
            }
            at += rc;
        }
        done += n;
    }
    if (isatty(fd)) {
        tcdrain(fd);
    }
    close(fd);
    printf("wrote %u bytes in %lld ms\n", count, now_ms() - begin);
    return 0;
}

static int read_bytes(const char *path, unsigned ms)
{
    int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
    uint32_t sum = 0, count = 0;
    long long end = now_ms() + ms;
    uint8_t buf[512];

    if (fd < 0) {
        return failed(path);
    }
    while (now_ms() < end) {
        struct pollfd p = { fd, POLLIN, 0 };
        int n = poll(&p, 1, 50) > 0 ? read(fd, buf, sizeof buf) : 0;

        for (int i = 0; i < n; i++) {
            sum = sum * 31 + buf[i];
            count++;
        }
    }
    close(fd);
    printf("read %u bytes, sum %08x\n", count, sum);
    return 0;
}

static int tty(const char *path, unsigned speed)
{
    static const struct { unsigned n; speed_t s; } speeds[] = {
        { 1200, B1200 }, { 9600, B9600 }, { 19200, B19200 }, { 57600, B57600 }, { 115200, B115200 },
    };
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    struct termios t;

    if (fd < 0 || tcgetattr(fd, &t) < 0) {
        return failed(path);
    }
    cfmakeraw(&t);
    t.c_cflag |= CLOCAL | CREAD;
    for (unsigned i = 0; i < sizeof speeds / sizeof speeds[0]; i++) {
        if (speeds[i].n == speed) {
            cfsetspeed(&t, speeds[i].s);
        }
    }
    if (tcsetattr(fd, TCSANOW, &t) < 0) {
        return failed(path);
    }
    close(fd);
    return 0;
}

static int modem(const char *path)
{
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK), bits = 0;

    if (fd < 0 || ioctl(fd, TIOCMGET, &bits) < 0) {
        return failed(path);
    }
    printf("modem%s%s%s%s\n", bits & TIOCM_CTS ? " CTS" : "", bits & TIOCM_DSR ? " DSR" : "",
           bits & TIOCM_CD ? " CD" : "", bits & TIOCM_RI ? " RI" : "");
    close(fd);
    return 0;
}

static int send_break(const char *path)
{
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);

    if (fd < 0 || tcsendbreak(fd, 0) < 0) {
        return failed(path);
    }
    close(fd);
    return 0;
}

/* --- commands ----------------------------------------------------------------------------------- */

static int run(int argc, char **argv)
{
    unsigned n[ARGS] = { 0 };
    const char *c = argv[0];

    for (int i = 1; i < argc; i++) {
        n[i] = strtoul(argv[i], NULL, 0);
    }
    if (!strcmp(c, "load") && argc > 1) {
        return load(argc, argv);
    } else if (!strcmp(c, "cards")) {
        return show("/proc/asound/cards");
    } else if (!strcmp(c, "show") && argc > 1) {
        return show(argv[1]);
    } else if (!strcmp(c, "mix")) {
        return mix(n[1]);
    } else if (!strcmp(c, "play")) {
        return play(n[1], n[2], n[3], n[4], n[5], n[6]);
    } else if (!strcmp(c, "record")) {
        return record(n[1], n[2], n[3], n[4], n[5]);
    } else if (!strcmp(c, "tone")) {
        return tone(n[1], n[2]);
    } else if (!strcmp(c, "fm")) {
        return fm(n[1], n[2], n[3]);
    } else if (!strcmp(c, "write") && argc > 3) {
        return write_bytes(argv[1], n[2], n[3]);
    } else if (!strcmp(c, "read") && argc > 2) {
        return read_bytes(argv[1], n[2]);
    } else if (!strcmp(c, "tty") && argc > 2) {
        return tty(argv[1], n[2]);
    } else if (!strcmp(c, "break") && argc > 1) {
        return send_break(argv[1]);
    } else if (!strcmp(c, "modem") && argc > 1) {
        return modem(argv[1]);
    } else if (!strcmp(c, "off")) {
        return reboot(RB_POWER_OFF);
    }
    printf("what?\n");
    return 1;
}

int main(void)
{
    char line[512], *argv[ARGS], *save;
    struct termios t;

    mount("proc", "/proc", "proc", 0, "");
    mount("sysfs", "/sys", "sysfs", 0, "");
    mount("devtmpfs", "/dev", "devtmpfs", 0, "");
    for (int i = 0; i < 3; i++) {
        close(i);
    }
    if (open("/dev/ttyS0", O_RDWR) != 0 || dup(0) != 1 || dup(0) != 2) {
        return 1;
    }
    if (tcgetattr(0, &t) == 0) {
        t.c_lflag &= ~ECHO;
        tcsetattr(0, TCSANOW, &t);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ready\n");
    while (fgets(line, sizeof line, stdin)) {
        int argc = 0, status;

        for (char *w = strtok_r(line, " \r\n", &save); w && argc < ARGS;
             w = strtok_r(NULL, " \r\n", &save)) {
            argv[argc++] = w;
        }
        if (argc) {
            errno = 0;
            status = run(argc, argv);
            printf("= %d\n", status);
        }
    }
    reboot(RB_POWER_OFF);
    return 0;
}
