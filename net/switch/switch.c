/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * switch.c - the table of addresses is 256 sets of four; a guest that sends from many addresses pushes
 * out others' entries of the same set, which costs their frames a detour to all ports, as it would
 * with a switch of metal.
 */
#include "net/switch/switch.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SETS 256
#define WAYS 4
#define FRAMES_A_TURN 32
#define ETHERNET_HEADER 14

typedef struct Entry {
    uint8_t mac[6];
    uint16_t port;              /* its number, plus one; 0: empty */
    int64_t seen;
} Entry;

struct Switch {
    int fd[SWITCH_PORTS_MAX];   /* -1: no port */
    unsigned ports, highest;    /* highest: beyond the last port in use */
    Entry table[SETS][WAYS];
    uint8_t frame[SWITCH_FRAME_MAX];
};

Switch *switch_new(void)
{
    Switch *s = g_new0(Switch, 1);

    for (unsigned i = 0; i < SWITCH_PORTS_MAX; i++) {
        s->fd[i] = -1;
    }
    return s;
}

static void remove_port(Switch *s, unsigned port)
{
    close(s->fd[port]);
    s->fd[port] = -1;
    s->ports--;
    while (s->highest && s->fd[s->highest - 1] < 0) {
        s->highest--;
    }
    for (unsigned i = 0; i < SETS * WAYS; i++) {
        Entry *e = &s->table[i / WAYS][i % WAYS];

        if (e->port == port + 1) {
            e->port = 0;
        }
    }
}

void switch_free(Switch *s)
{
    while (s->highest) {
        remove_port(s, s->highest - 1);
    }
    g_free(s);
}

bool switch_add(Switch *s, int fd)
{
    for (unsigned i = 0; i < SWITCH_PORTS_MAX; i++) {
        if (s->fd[i] < 0) {
            s->fd[i] = fd;
            s->ports++;
            s->highest = MAX(s->highest, i + 1);
            return true;
        }
    }
    close(fd);
    return false;
}

unsigned switch_ports(const Switch *s)
{
    return s->ports;
}

unsigned switch_poll_fill(const Switch *s, struct pollfd *polls)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->highest; i++) {
        if (s->fd[i] >= 0) {
            polls[n++] = (struct pollfd){ .fd = s->fd[i], .events = POLLIN };
        }
    }
    return n;
}

static Entry *set_of(Switch *s, const uint8_t *mac)
{
    return s->table[(mac[5] ^ mac[4] << 1 ^ mac[3] << 2 ^ mac[2]) & (SETS - 1)];
}

static void learn(Switch *s, const uint8_t *mac, unsigned port, int64_t now)
{
    Entry *set = set_of(s, mac), *e = &set[0];

    if (mac[0] & 1) {
        return;
    }
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].port && !memcmp(set[i].mac, mac, 6)) {
            e = &set[i];
            break;
        }
        if (!set[i].port || (e->port && set[i].seen < e->seen)) {
            e = &set[i];
        }
    }
    memcpy(e->mac, mac, 6);
    e->port = port + 1;
    e->seen = now;
}

/* The port behind which mac was seen, or -1. */
static int find(Switch *s, const uint8_t *mac, int64_t now)
{
    Entry *set = set_of(s, mac);

    for (unsigned i = 0; i < WAYS && !(mac[0] & 1); i++) {
        if (set[i].port && !memcmp(set[i].mac, mac, 6) &&
            now - set[i].seen <= SWITCH_AGE_SECONDS) {
            return set[i].port - 1;
        }
    }
    return -1;
}

static void forward(Switch *s, unsigned from, size_t len, int64_t now)
{
    int to;

    if (len < ETHERNET_HEADER) {
        return;
    }
    learn(s, s->frame + 6, from, now);
    to = find(s, s->frame, now);
    for (unsigned i = 0; i < s->highest; i++) {
        if (s->fd[i] >= 0 && i != from && (to < 0 || i == (unsigned)to)) {
            while (send(s->fd[i], s->frame, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
                   errno == EINTR) {
            }
        }
    }
}

/* False: the other end has gone. */
static bool serve(Switch *s, unsigned port, int64_t now)
{
    for (unsigned i = 0; i < FRAMES_A_TURN; i++) {
        ssize_t n = recv(s->fd[port], s->frame, sizeof s->frame, MSG_DONTWAIT);

        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            return false;
        }
        if (n < 0) {
            break;
        }
        forward(s, port, n, now);
    }
    return true;
}

void switch_poll_done(Switch *s, const struct pollfd *polls, unsigned n, int64_t now)
{
    for (unsigned i = 0, port = 0; i < n && port < s->highest; port++) {
        if (s->fd[port] != polls[i].fd) {
            continue;
        }
        if (polls[i++].revents && !serve(s, port, now)) {
            remove_port(s, port);
        }
    }
}
