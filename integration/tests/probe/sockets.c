// sockets.c: socket families and protocols a box may not even open.
#include "probe.h"
#include <sys/socket.h>

static int opened(int family, int type, int protocol) { return CALL(socket(family, type | SOCK_CLOEXEC, protocol)); }

#define SOCKET(name, family, type, protocol) \
    static int name(void) { return opened(family, type, protocol); }
SOCKET(tcp, AF_INET, SOCK_STREAM, 0)
SOCKET(tcp6, AF_INET6, SOCK_STREAM, 0)
SOCKET(udp, AF_INET, SOCK_DGRAM, 0)
SOCKET(unix_stream, AF_UNIX, SOCK_STREAM, 0)
SOCKET(netlink_route, AF_NETLINK, SOCK_RAW, 0)
SOCKET(af_packet, AF_PACKET, SOCK_RAW, 0x0300)
SOCKET(af_packet_dgram, AF_PACKET, SOCK_DGRAM, 0x0300)
SOCKET(af_packet_old, AF_INET, 10 /* SOCK_PACKET */, 0x0300)
SOCKET(af_vsock, AF_VSOCK, SOCK_STREAM, 0)
SOCKET(af_alg, AF_ALG, SOCK_SEQPACKET, 0)
SOCKET(af_key, AF_KEY, SOCK_RAW, 2)
SOCKET(af_xdp, 44, SOCK_RAW, 0)
SOCKET(af_can, AF_CAN, SOCK_RAW, 1)
SOCKET(af_tipc, 30, SOCK_SEQPACKET, 0)
SOCKET(af_rds, 21, SOCK_SEQPACKET, 0)
SOCKET(af_bluetooth, 31, SOCK_RAW, 1)
SOCKET(af_kcm, 41, SOCK_DGRAM, 0)
SOCKET(af_smc, 43, SOCK_STREAM, 0)
SOCKET(netlink_netfilter, AF_NETLINK, SOCK_RAW, 12)
SOCKET(netlink_audit, AF_NETLINK, SOCK_RAW, 9)
SOCKET(netlink_kobject, AF_NETLINK, SOCK_RAW, 15)
SOCKET(netlink_sock_diag, AF_NETLINK, SOCK_RAW, 4)
SOCKET(netlink_xfrm, AF_NETLINK, SOCK_RAW, 6)
SOCKET(raw_icmp, AF_INET, SOCK_RAW, 1)
SOCKET(raw_ip, AF_INET, SOCK_RAW, 255)
SOCKET(raw6_icmp, AF_INET6, SOCK_RAW, 58)
SOCKET(ping, AF_INET, SOCK_DGRAM, 1)
SOCKET(ping6, AF_INET6, SOCK_DGRAM, 58)
SOCKET(udplite, AF_INET, SOCK_DGRAM, 136)
SOCKET(sctp, AF_INET, SOCK_STREAM, 132)
SOCKET(dccp, AF_INET, SOCK_DCCP, 33)
SOCKET(mptcp, AF_INET, SOCK_STREAM, 262)

#define TRY(name) {#name, name}
// The first five must work; all others must be refused.
const struct attempt socket_attempts[] = {
    TRY(tcp), TRY(tcp6), TRY(udp), TRY(unix_stream), TRY(netlink_route), TRY(af_packet), TRY(af_packet_dgram),
    TRY(af_packet_old), TRY(af_vsock), TRY(af_alg), TRY(af_key), TRY(af_xdp), TRY(af_can), TRY(af_tipc), TRY(af_rds),
    TRY(af_bluetooth), TRY(af_kcm), TRY(af_smc), TRY(netlink_netfilter), TRY(netlink_audit), TRY(netlink_kobject),
    TRY(netlink_sock_diag), TRY(netlink_xfrm), TRY(raw_icmp), TRY(raw_ip), TRY(raw6_icmp), TRY(ping), TRY(ping6),
    TRY(udplite), TRY(sctp), TRY(dccp), TRY(mptcp), {0, 0}};
