/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * offload.c - checksums and TCP segmentation in software (RFC 1071, RFC 9293, RFC 791, RFC 8200).
 * Of a long segment every frame gets the headers with its own lengths, identification, sequence number
 * and checksums; FIN and PSH stay with the last frame, CWR with the first.
 */
#include "net/offload.h"

#include <string.h>
#include "lib/inet.h"

#define ETHERNET_HEADER 14
#define VLAN_TAG 4
enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };
enum { TCP_CHECKSUM = 16, PROTOCOL_TCP = 6 };

static uint16_t get16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = v >> 8;
    p[1] = v;
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

/* Where the IP header begins; 0: the frame is neither IPv4 nor IPv6. */
static size_t find_ip(const uint8_t *frame, size_t len, bool ipv6)
{
    size_t ip = ETHERNET_HEADER;

    if (len >= ETHERNET_HEADER + VLAN_TAG && get16(frame + 12) == 0x8100) {
        ip += VLAN_TAG;
    }
    if (len < ip + (ipv6 ? 40 : 20) || get16(frame + ip - 2) != (ipv6 ? 0x86dd : 0x0800)) {
        return 0;
    }
    return ip;
}

bool net_offload_valid(const NetOffload *o, const uint8_t *frame, size_t len)
{
    size_t start = o->checksum_start, ip;

    if (!o->checksum) {
        return o->segment == 0;
    }
    if (start < ETHERNET_HEADER || start + o->checksum_offset + 2 > len) {
        return false;
    }
    if (!o->segment) {
        return true;
    }
    ip = find_ip(frame, len, o->ipv6);
    return ip && o->checksum_offset == TCP_CHECKSUM && o->segment >= NET_SEGMENT_MIN &&
           start >= ip + (o->ipv6 ? 40 : 20) && start + 20 <= o->header && o->header < len &&
           start + (frame[start + 12] >> 4) * 4u == o->header;
}

static void finish_checksum(const NetOffload *o, uint8_t *frame, size_t len)
{
    uint8_t *field = frame + o->checksum_start + o->checksum_offset;
    uint32_t sum = inet_sum(frame + o->checksum_start, len - o->checksum_start, 0);

    inet_put(field, ~sum);
    if (o->checksum_offset == 6 && field[0] == 0 && field[1] == 0) {
        field[0] = field[1] = 0xff;     /* UDP: zero would mean that there is none */
    }
}

static uint32_t pseudo_sum(const uint8_t *ip, bool ipv6, size_t l4_len)
{
    uint8_t tail[4] = { 0, PROTOCOL_TCP, l4_len >> 8, l4_len };

    return inet_sum(ip + (ipv6 ? 8 : 12), ipv6 ? 32 : 8, inet_sum(tail, 4, 0));
}

static void set_ip_length(uint8_t *ip, const NetOffload *o, size_t from_ip, unsigned index,
                          uint16_t id)
{
    if (o->ipv6) {
        put16(ip + 4, from_ip - 40);
        return;
    }
    put16(ip + 2, from_ip);
    put16(ip + 4, id + index);
    put16(ip + 10, 0);
    inet_put(ip + 10, ~inet_sum(ip, MIN((ip[0] & 15) * 4u, from_ip), 0));
}

static void cut(const NetOffload *o, const uint8_t *frame, size_t len, NetEmit emit, void *opaque)
{
    uint8_t out[NET_FRAME_MAX];
    size_t ip = find_ip(frame, len, o->ipv6), tcp = o->checksum_start, data = len - o->header;
    uint32_t seq = get32(frame + tcp + 4);
    uint16_t id = get16(frame + ip + 4);
    uint8_t flags = frame[tcp + 13];

    for (size_t done = 0, index = 0; done < data; done += o->segment, index++) {
        size_t part = MIN(data - done, o->segment);
        bool first = done == 0, last = done + part == data;
        uint32_t sum;

        memcpy(out, frame, o->header);
        memcpy(out + o->header, frame + o->header + done, part);
        set_ip_length(out + ip, o, o->header - ip + part, index, id);
        put32(out + tcp + 4, seq + done);
        out[tcp + 13] = flags & ~((last ? 0 : TCP_FIN | TCP_PSH) | (first ? 0 : TCP_CWR));
        put16(out + tcp + TCP_CHECKSUM, 0);
        sum = pseudo_sum(out + ip, o->ipv6, o->header - tcp + part);
        inet_put(out + tcp + TCP_CHECKSUM, ~inet_sum(out + tcp, o->header - tcp + part, sum));
        emit(opaque, out, o->header + part);
    }
}

void net_offload_finish(const NetOffload *o, uint8_t *frame, size_t len, NetEmit emit,
                        void *opaque)
{
    if (o->segment && len - o->header > o->segment) {
        cut(o, frame, len, emit, opaque);
        return;
    }
    if (o->checksum) {
        finish_checksum(o, frame, len);
    }
    emit(opaque, frame, len);
}
