// net.c: packets that must not leave: every protocol and every way round the routing table.
//
// Options: target (IPv4), port, target6, iface, source (own IPv4). An attempt `worked` when an answer came back,
// or, for what has no answer, when the kernel took the packet; the test counts packets on the outside as well.
#include "probe.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

static struct sockaddr_in target(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(option("port", "7")))};
    inet_pton(AF_INET, option("target", "198.51.100.250"), &address.sin_addr);
    return address;
}
static struct sockaddr_in6 target6(void) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(option("port", "7")))};
    inet_pton(AF_INET6, option("target6", "2001:db8:2::250"), &address.sin6_addr);
    return address;
}
static const char *iface(void) { return option("iface", "eth0"); }

// Waits for an answer and says what it was.
static int answer(int fd) {
    char text[128];
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int ready = poll(&wait, 1, 1500);
    if (ready < 0) return errno;
    if (ready == 0) return ETIMEDOUT;
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    if (n < 0) return errno;
    if (n == 0) return ECONNRESET;
    text[n] = 0;
    detail("%.60s", text);
    return strstr(text, "nct-echo") ? 0 : EPROTO;
}
static int no_answer_needed(int sent) { return sent < 0 ? errno : (detail("sent %d bytes", sent), 0); }

static int stream(int fd) {
    struct sockaddr_in to = target();
    struct timeval limit = {3, 0};
    if (fd < 0) return errno;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (void *)&to, sizeof to)) return errno;
    if (send(fd, "nct-echo\n", 9, MSG_NOSIGNAL) < 0) return errno;
    return answer(fd);
}
static int tcp_direct(void) { return stream(socket(AF_INET, SOCK_STREAM, 0)); }
static int tcp_mptcp(void) { return stream(socket(AF_INET, SOCK_STREAM, 262)); }
static int tcp_bind_device(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, iface(), strlen(iface()) + 1)) return errno;
    return stream(fd);
}
static int tcp_unicast_if(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), index = htonl(if_nametoindex(iface()));
    if (setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &index, sizeof index)) return errno;
    return stream(fd);
}
static int tcp_mark(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), mark = atoi(option("mark", "20035"));
    if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark)) return errno;
    return stream(fd);
}
static int tcp_bind_source(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in from = {.sin_family = AF_INET};
    inet_pton(AF_INET, option("source", "127.0.0.11"), &from.sin_addr);
    if (bind(fd, (void *)&from, sizeof from)) return errno;
    return stream(fd);
}
static int tcp_fast_open(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = target();
    if (sendto(fd, "nct-echo\n", 9, MSG_FASTOPEN, (void *)&to, sizeof to) < 0) return errno;
    return answer(fd);
}
static int tcp_source_route(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    unsigned char route[8] = {131, 7, 4, 0, 0, 0, 0, 0};
    inet_pton(AF_INET, option("target", "198.51.100.250"), route + 3);
    if (setsockopt(fd, IPPROTO_IP, IP_OPTIONS, route, sizeof route)) return errno;
    return stream(fd);
}
static int tcp_mapped(void) {
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 to = target6();
    char text[64];
    snprintf(text, sizeof text, "::ffff:%s", option("target", "198.51.100.250"));
    inet_pton(AF_INET6, text, &to.sin6_addr);
    if (connect(fd, (void *)&to, sizeof to)) return errno;
    if (send(fd, "nct-echo\n", 9, MSG_NOSIGNAL) < 0) return errno;
    return answer(fd);
}
static int tcp_ipv6(void) {
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 to = target6();
    if (fd < 0 || connect(fd, (void *)&to, sizeof to)) return errno;
    if (send(fd, "nct-echo\n", 9, MSG_NOSIGNAL) < 0) return errno;
    return answer(fd);
}

static int datagram(int fd) {
    struct sockaddr_in to = target();
    if (fd < 0) return errno;
    if (sendto(fd, "nct-echo\n", 9, 0, (void *)&to, sizeof to) < 0) return errno;
    return answer(fd);
}
static int udp_send(void) { return datagram(socket(AF_INET, SOCK_DGRAM, 0)); }
static int udp_connected(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = target();
    if (connect(fd, (void *)&to, sizeof to) || send(fd, "nct-echo\n", 9, 0) < 0) return errno;
    return answer(fd);
}
static int udp_bind_device(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, iface(), strlen(iface()) + 1)) return errno;
    return datagram(fd);
}
static int udp_unicast_if(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0), index = htonl(if_nametoindex(iface()));
    if (setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &index, sizeof index)) return errno;
    return datagram(fd);
}
static int with_pktinfo(int fd, struct in_addr source) {
    struct sockaddr_in to = target();
    char room[CMSG_SPACE(sizeof(struct in_pktinfo))] = {0};
    struct iovec bytes = {"nct-echo\n", 9};
    struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &bytes, .msg_iovlen = 1,
                             .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_IP, header->cmsg_type = IP_PKTINFO, header->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
    struct in_pktinfo info = {.ipi_ifindex = if_nametoindex(iface()), .ipi_spec_dst = source};
    memcpy(CMSG_DATA(header), &info, sizeof info);
    return sendmsg(fd, &message, 0) < 0 ? errno : answer(fd);
}
static int udp_pktinfo(void) { return with_pktinfo(socket(AF_INET, SOCK_DGRAM, 0), (struct in_addr){0}); }
static int udp_pktinfo_source(void) {
    struct in_addr from;
    inet_pton(AF_INET, option("source", "127.0.0.1"), &from);
    return with_pktinfo(socket(AF_INET, SOCK_DGRAM, 0), from);
}
static int udp_bind_source(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in from = {.sin_family = AF_INET};
    inet_pton(AF_INET, option("source", "127.0.0.11"), &from.sin_addr);
    return bind(fd, (void *)&from, sizeof from) ? errno : datagram(fd);
}
static int udp_dont_route(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = target();
    return no_answer_needed(sendto(fd, "nct-echo\n", 9, MSG_DONTROUTE, (void *)&to, sizeof to));
}
static int udp_gso(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 512;
    static char data[2048];
    struct sockaddr_in to = target();
    setsockopt(fd, 17, 103 /* UDP_SEGMENT */, &size, sizeof size);
    return no_answer_needed(sendto(fd, data, sizeof data, 0, (void *)&to, sizeof to));
}
static int udp_port_53_payload(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = target();
    to.sin_port = htons(53);
    if (sendto(fd, "nct-echo\n", 9, 0, (void *)&to, sizeof to) < 0) return errno;
    return answer(fd);
}
static int udp_broadcast(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = 0xffffffff};
    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, iface(), strlen(iface()) + 1);
    return no_answer_needed(sendto(fd, "x", 1, 0, (void *)&to, sizeof to));
}
static int udp_multicast(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ip_mreqn by = {.imr_ifindex = if_nametoindex(iface())};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(5353)};
    inet_pton(AF_INET, "224.0.0.251", &to.sin_addr);
    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof by);
    return no_answer_needed(sendto(fd, "x", 1, 0, (void *)&to, sizeof to));
}
static int igmp_join(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ip_mreqn group = {.imr_ifindex = if_nametoindex(iface())};
    inet_pton(AF_INET, "239.1.2.3", &group.imr_multiaddr);
    int failed = CALL(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
    usleep(300000); // the report leaves a moment later
    return failed;
}
static int udp_ipv6(void) {
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 to = target6();
    if (fd < 0 || sendto(fd, "nct-echo\n", 9, 0, (void *)&to, sizeof to) < 0) return errno;
    return answer(fd);
}
static int udp_ipv6_link_local(void) {
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_scope_id = if_nametoindex(iface())};
    inet_pton(AF_INET6, "ff02::1", &to.sin6_addr);
    return no_answer_needed(sendto(fd, "x", 1, 0, (void *)&to, sizeof to));
}
static int udplite_send(void) { return datagram(socket(AF_INET, SOCK_DGRAM, 136)); }

static int raw(int type, int protocol, const void *bytes, size_t length) {
    int fd = socket(AF_INET, type, protocol);
    struct sockaddr_in to = target();
    to.sin_port = 0;
    if (fd < 0) return errno;
    return no_answer_needed(sendto(fd, bytes, length, 0, (void *)&to, sizeof to));
}
static int icmp_ping(void) { return raw(SOCK_DGRAM, 1, "\x08\0\xf7\xff\0\0\0\0", 8); }
static int icmp_raw(void) { return raw(SOCK_RAW, 1, "\x08\0\xf7\xff\0\0\0\0", 8); }
static int gre_raw(void) { return raw(SOCK_RAW, 47, "\0\0\x08\0", 4); }
static int sctp_raw(void) { return raw(SOCK_RAW, 132, "\0\7\0\7\0\0\0\0\0\0\0\0", 12); }
static int sctp_connect(void) { return stream(socket(AF_INET, SOCK_STREAM, 132)); }
static int ip_header_included(void) {
    unsigned char packet[28] = {0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17};
    struct sockaddr_in to = target();
    memcpy(packet + 16, &to.sin_addr, 4);
    return raw(SOCK_RAW, 255, packet, sizeof packet);
}
static int packet_frame(void) {
    int fd = socket(AF_PACKET, SOCK_RAW, 0x0300);
    struct { unsigned short family, protocol; int index; unsigned short hatype; unsigned char type, length, address[8]; } to =
        {AF_PACKET, 0x0008, if_nametoindex(iface()), 0, 0, 6, {255, 255, 255, 255, 255, 255}};
    unsigned char frame[64] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45, 0, 0, 28};
    struct sockaddr_in victim = target();
    memcpy(frame + 30, &victim.sin_addr, 4);
    if (fd < 0) return errno;
    return no_answer_needed(sendto(fd, frame, sizeof frame, 0, (void *)&to, sizeof to));
}

#define TRY(name) {#name, name}
const struct attempt net_attempts[] = {
    TRY(tcp_direct), TRY(tcp_mptcp), TRY(tcp_bind_device), TRY(tcp_unicast_if), TRY(tcp_mark), TRY(tcp_bind_source),
    TRY(tcp_fast_open), TRY(tcp_source_route), TRY(tcp_mapped), TRY(tcp_ipv6), TRY(udp_send), TRY(udp_connected),
    TRY(udp_bind_device), TRY(udp_unicast_if), TRY(udp_pktinfo), TRY(udp_pktinfo_source), TRY(udp_bind_source),
    TRY(udp_dont_route), TRY(udp_gso), TRY(udp_port_53_payload), TRY(udp_broadcast), TRY(udp_multicast), TRY(igmp_join),
    TRY(udp_ipv6), TRY(udp_ipv6_link_local), TRY(udplite_send), TRY(icmp_ping), TRY(icmp_raw), TRY(gre_raw),
    TRY(sctp_raw), TRY(sctp_connect), TRY(ip_header_included), TRY(packet_frame), {0, 0}};
