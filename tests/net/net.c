/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net.c - a NIC's port over a packet socket, and dm-net's forwarding specifications. */
#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/packets.h"
#include "net/net.h"
#include "net/user/net_user.h"

typedef struct Card {
    unsigned frames, room;
    size_t last;
    bool link_lost;
} Card;

static bool card_can_receive(void *opaque)
{
    return ((Card *)opaque)->room > 0;
}

static void card_receive(void *opaque, const uint8_t *frame, size_t len)
{
    Card *c = opaque;

    (void)frame;
    c->room--;
    c->frames++;
    c->last = len;
}

static void card_link(void *opaque, bool up)
{
    ((Card *)opaque)->link_lost = !up;
}

static NetPort *port_new(Card *c, int *far)
{
    NetClient client = { card_can_receive, card_receive, card_link, c };
    int fds[2];
    NetPort *p;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    p = net_port_new_socket(fds[0], NULL);
    net_attach(p, &client);
    *far = fds[1];
    return p;
}

static void pump(void)
{
    for (unsigned i = 0; i < 100; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
}

Test(net, frames_wait_until_the_card_has_room)
{
    Card c = { .room = 1 };
    int far;
    NetPort *p = port_new(&c, &far);

    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(send(far, "frame-of-14+..", 14 + 0, 0), 14);
    }
    pump();
    cr_assert_eq(c.frames, 1);
    c.room = 10;
    net_receive_ready(p);
    pump();
    cr_assert_eq(c.frames, 3);
    net_port_free(p);
    close(far);
}

/* G2: a card that does not receive costs a bounded queue, then the sender's own buffer. */
Test(net, a_card_that_never_receives_bounds_the_queue)
{
    Card c = { 0 };
    int far;
    NetPort *p = port_new(&c, &far);
    static uint8_t frame[1500];
    unsigned sent = 0;

    for (unsigned i = 0; i < 100000; i++) {
        if (send(far, frame, sizeof frame, MSG_DONTWAIT) < 0) {
            pump();
            if (send(far, frame, sizeof frame, MSG_DONTWAIT) < 0) {
                break;
            }
        }
        sent++;
    }
    cr_assert_lt(sent, 2000);
    cr_assert_eq(c.frames, 0);
    net_port_free(p);
    close(far);
}

Test(net, a_closed_peer_takes_the_link_down_and_sends_go_nowhere)
{
    Card c = { .room = 1 };
    int far;
    NetPort *p = port_new(&c, &far);

    cr_assert(net_link_up(p));
    close(far);
    pump();
    cr_assert(c.link_lost);
    cr_assert_not(net_link_up(p));
    net_send(p, "x", 1);
    net_port_free(p);
}

/* A lost frame would cost the guest's TCP as much as a thousand others. */
Test(net, frames_for_a_slow_peer_wait_bounded_and_in_order)
{
    Card c = { 0 };
    int far;
    NetPort *p = port_new(&c, &far);
    unsigned taken = 0, got;
    uint8_t frame[1500] = { 0 };

    for (unsigned i = 0; i < 300; i++) {
        memcpy(frame, &i, sizeof i);
        net_send(p, frame, sizeof frame);
    }
    for (unsigned turn = 0; turn < 20; turn++) {
        while (recv(far, frame, sizeof frame, MSG_DONTWAIT) == sizeof frame) {
            memcpy(&got, frame, sizeof got);
            cr_assert_eq(got, taken++);
        }
        pump();
    }
    cr_assert_eq(taken, 300);
    for (unsigned i = 0; i < 10000; i++) {
        net_send(p, frame, sizeof frame);
    }
    for (taken = 0; recv(far, frame, sizeof frame, MSG_DONTWAIT) > 0; taken++) {
        pump();
    }
    cr_assert_lt(taken, 1000);
    net_port_free(p);
    close(far);
}

Test(net, a_burst_goes_out_at_its_end)
{
    Card c = { 0 };
    int far;
    NetPort *p = port_new(&c, &far);
    char b[10];

    net_burst_begin(p);
    net_send(p, "one", 3);
    net_burst_begin(p);
    net_send(p, "three", 5);
    net_burst_end(p);
    cr_assert_lt(recv(far, b, sizeof b, MSG_DONTWAIT), 0);
    net_burst_end(p);
    cr_assert_eq(recv(far, b, sizeof b, MSG_DONTWAIT), 3);
    cr_assert_eq(recv(far, b, sizeof b, MSG_DONTWAIT), 5);
    net_send(p, "two", 3);
    cr_assert_eq(recv(far, b, sizeof b, MSG_DONTWAIT), 3);
    net_port_free(p);
    close(far);
}

/* G1: absurd lengths end at the entry. */
Test(net, too_long_and_empty_frames_are_dropped)
{
    Card c = { .room = 1 };
    int far;
    NetPort *p = port_new(&c, &far);
    g_autofree uint8_t *big = g_malloc0(NET_FRAME_MAX + 1);
    uint8_t b;

    net_send(p, big, NET_FRAME_MAX + 1);
    net_send(p, big, 0);
    cr_assert_lt(recv(far, &b, 1, MSG_DONTWAIT), 0);
    net_send(p, big, 60);
    cr_assert_eq(recv(far, &b, 1, MSG_DONTWAIT), 1);
    net_port_free(p);
    close(far);
}

Test(net_user, forwards_are_parsed_and_mistakes_named)
{
    static const char *const wrong[] = { "", "tcp", "tcp:", "tcp::22", "tcp::22-", "icmp::1-:2",
        "tcp::0-:22", "tcp::65536-:22", "tcp:1.2.3:22-:22", "tcp::22-:x" };
    guint32 host, guest;
    int host_port, guest_port;
    bool udp;

    cr_assert(net_user_parse_forward("tcp::2222-:22", &udp, &host, &host_port, &guest, &guest_port,
                                     NULL));
    cr_assert_not(udp);
    cr_assert_eq(host_port, 2222);
    cr_assert_eq(guest_port, 22);
    cr_assert_eq(host, 0);
    cr_assert(net_user_parse_forward("udp:127.0.0.1:53-10.0.2.15:53", &udp, &host, &host_port,
                                     &guest, &guest_port, NULL));
    cr_assert(udp);
    cr_assert_neq(guest, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;

        cr_assert_not(net_user_parse_forward(wrong[i], &udp, &host, &host_port, &guest,
                                             &guest_port, &error), "%s", wrong[i]);
        cr_assert_not_null(strstr(error->message, "hostfwd"));
    }
}

/* --- DHCP of the user-mode network ------------------------------------------------------------ */

/* One frame, as a bundle to and from dm-net. */
static void frame_send(int fd, const void *frame, size_t len)
{
    PacketOut *out = packet_out_new(0, true);

    cr_assert(packet_out_add(out, fd, frame, len));
    cr_assert_not(packet_out_flush(out, fd));
    packet_out_free(out);
}

static ssize_t frame_recv(int fd, void *frame, size_t room)
{
    static PacketIn *in;
    static int left, next;
    uint8_t *data;
    size_t len;

    in = in ? in : packet_in_new(2048, true);
    while (left == 0) {
        struct pollfd p = { fd, POLLIN, 0 };

        poll(&p, 1, -1);
        left = packet_in_read(in, fd, PACKETS_A_READ);
        next = 0;
        cr_assert_geq(left, 0);
    }
    left--;
    len = packet_in_get(in, next++, &data);
    memcpy(frame, data, MIN(len, room));
    return len;
}

/* In a process of its own, which the sandbox of dm-net closes around. */
static pid_t start_user_net(int fd, int peer, const char *tftp)
{
    pid_t pid = fork();
    g_autoptr(GPtrArray) forwards = g_ptr_array_new();
    NetUserOptions o = { .frames_fd = fd, .network = "10.0.2.0", .forwards = forwards,
                         .tftp = tftp };

    if (pid == 0) {
        close(peer);
        net_user_run(&o, NULL);
        _exit(0);
    }
    close(fd);
    return pid;
}

/* An Ethernet frame with a DHCPDISCOVER; its length. */
static size_t dhcp_discover(uint8_t frame[400])
{
    static const uint8_t head[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x16, 0x3e, 0, 0, 1, 8, 0,       /* Ethernet */
        0x45, 0, 1, 0x14, 0, 0, 0, 0, 64, 17, 0x79, 0xda, 0, 0, 0, 0, 255, 255, 255, 255,
        0, 68, 0, 67, 1, 0, 0, 0,                                               /* UDP */
        1, 1, 6, 0, 1, 2, 3, 4 };
    static const uint8_t options[] = { 0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255 };

    memset(frame, 0, 400);
    memcpy(frame, head, sizeof head);
    frame[42 + 29] = 0x16;              /* chaddr 00:16:3e:00:00:01 */
    frame[42 + 30] = 0x3e;
    frame[42 + 33] = 1;
    memcpy(frame + 42 + 236, options, sizeof options);
    return 14 + 276;
}

/* Every guest would call itself by the same name. */
Test(net_user, dhcp_offers_an_address_and_no_host_name, .timeout = 20)
{
    uint8_t frame[2048];
    int pair[2], kind = 0;
    bool named = false;
    ssize_t n;
    pid_t pid;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    pid = start_user_net(pair[1], pair[0], NULL);
    n = dhcp_discover(frame);
    frame_send(pair[0], frame, n);
    n = frame_recv(pair[0], frame, sizeof frame);
    cr_assert_gt(n, 42 + 240);
    for (ssize_t i = 42 + 240; i + 1 < n && frame[i] != 255; i += frame[i] ? 2 + frame[i + 1] : 1) {
        kind = frame[i] == 53 ? frame[i + 2] : kind;
        named |= frame[i] == 12;
    }
    close(pair[0]);
    waitpid(pid, NULL, 0);
    cr_assert_eq(kind, 2, "a DHCPOFFER");
    cr_assert_not(named);
}

static void put_ip_sum(uint8_t *ip)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < 20; i += 2) {
        sum += ip[i] << 8 | ip[i + 1];
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~(sum + (sum >> 16)) & 0xffff;
    ip[10] = sum >> 8;
    ip[11] = sum;
}

/* Asks 10.0.2.2 for a file by TFTP; the answer's opcode (3: data, 5: error) and its content. */
static unsigned tftp_read(int fd, const char *name, char *data, size_t room)
{
    static const uint8_t arp[42] = { 255, 255, 255, 255, 255, 255, 0, 0x16, 0x3e, 0, 0, 1, 8, 6, 0, 1, 8,
        0, 6, 4, 0, 1, 0, 0x16, 0x3e, 0, 0, 1, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2 };
    static const uint8_t head[] = { 0x52, 0x55, 10, 0, 2, 2, 0, 0x16, 0x3e, 0, 0, 1, 8, 0,
        0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2, 0x10, 0, 0, 69 };
    uint8_t f[2048] = { 0 };
    size_t len = strlen(name) + 1;
    ssize_t n;

    frame_send(fd, arp, sizeof arp);
    memcpy(f, head, sizeof head);
    f[43] = 1;                          /* read request */
    memcpy(f + 44, name, len);
    memcpy(f + 44 + len, "octet", 6);
    len += 8 + 2 + 6;                   /* with the UDP header */
    f[17] = 20 + len;
    f[39] = len;
    put_ip_sum(f + 14);
    frame_send(fd, f, 34 + len);
    while ((n = frame_recv(fd, f, sizeof f)) > 0) {
        if (f[12] == 8 && f[13] == 0 && f[23] == 17) {
            g_strlcpy(data, (char *)f + 46, MIN(room, (size_t)(f[38] << 8 | f[39]) - 12 + 1));
            return f[43];
        }
    }
    return 0;
}

/* Behind dm-net's walls: the folder is read, and a link in it leads nowhere. */
Test(net_user, tftp_serves_its_folder_and_no_link_out_of_it, .timeout = 20)
{
    g_autofree char *folder = g_dir_make_tmp("gh-tftp-XXXXXX", NULL);
    g_autofree char *outside = g_strconcat(folder, ".secret", NULL);
    g_autofree char *inside = g_build_filename(folder, "file", NULL);
    g_autofree char *link = g_build_filename(folder, "link", NULL);
    char data[64] = "";
    int pair[2];
    pid_t pid;

    cr_assert(g_file_set_contents(inside, "hello", -1, NULL));
    cr_assert(g_file_set_contents(outside, "secret", -1, NULL));
    cr_assert_eq(symlink(outside, link), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    pid = start_user_net(pair[1], pair[0], folder);
    cr_assert_eq(tftp_read(pair[0], "file", data, sizeof data), 3);
    cr_assert_str_eq(data, "hello");
    cr_assert_eq(tftp_read(pair[0], "../etc/passwd", data, sizeof data), 5);
    cr_assert_eq(tftp_read(pair[0], "link", data, sizeof data), 5);
    close(pair[0]);
    waitpid(pid, NULL, 0);
    unlink(inside);
    unlink(outside);
    unlink(link);
    rmdir(folder);
}
