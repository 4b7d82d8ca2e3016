"""What a program sees: one attempt, one line. Run in a sandbox's (or an outer) network namespace."""

import ctypes
import errno
import socket
import struct
import sys
import time

PAYLOAD = b"x" * 30


def tcp(address, port, device=None, source=None, family=socket.AF_INET, protocol=0):
    """Connect and read one line."""
    s = socket.socket(family, socket.SOCK_STREAM, protocol)
    s.settimeout(2)
    if device:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
    if source:
        s.bind((source, 0))
    s.connect((address, int(port)))
    return s.makefile().readline().strip() or "closed"


def tcp6(address, port):
    return tcp(address, port, family=socket.AF_INET6)


def mptcp(address, port):
    return tcp(address, port, protocol=262)


def tcp_device(address, port, device):
    return tcp(address, port, device)


def tcp_from(address, port, source):
    return tcp(address, port, source=source)


def dns(address, port="53", source=None):
    """Ask without connecting; the answer has to come from the address that was asked."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    if source:
        s.bind((source, 0))
    s.sendto(PAYLOAD, (address, int(port)))
    data, peer = s.recvfrom(512)
    return f"{len(data)} from {peer[0]}:{peer[1]}"


def dns_connected(address):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    s.connect((address, 53))
    s.send(PAYLOAD)
    return f"{len(s.recv(512))} bytes"


def udp(address, port, protocol="0"):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, int(protocol))
    s.sendto(PAYLOAD, (address, int(port)))
    return "sent"


def udp6(address, port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.sendto(PAYLOAD, (address, int(port)))
    return "sent"


def udp6_device(address, port, device):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
    s.sendto(PAYLOAD, (address, int(port), 0, socket.if_nametoindex(device)))
    return "sent"


def udp_device(address, port, device):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
    s.sendto(PAYLOAD, (address, int(port)))
    return "sent"


def udp_unicast_if(address, port, device):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, 50, socket.htonl(socket.if_nametoindex(device)))
    s.sendto(PAYLOAD, (address, int(port)))
    return "sent"


def udp_pktinfo(address, port, device):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    info = struct.pack("i4s4s", socket.if_nametoindex(device), bytes(4), bytes(4))
    s.sendmsg([PAYLOAD], [(socket.IPPROTO_IP, 8, info)], 0, (address, int(port)))
    return "sent"


def multicast(address, port, device):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    where = struct.pack("4s4si", bytes(4), bytes(4), socket.if_nametoindex(device))
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, where)
    s.sendto(PAYLOAD, (address, int(port)))
    return "sent"


def broadcast(port, device):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
    s.sendto(PAYLOAD, ("255.255.255.255", int(port)))
    return "sent"


def join(address, device):
    """An IGMP report is the kernel's own packet."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    where = struct.pack("4s4si", socket.inet_aton(address), bytes(4), socket.if_nametoindex(device))
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, where)
    time.sleep(0.2)
    return "sent"


def raw(address, protocol, device=None):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, int(protocol))
    if device:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
    s.sendto(b"\x08\0\xf7\xff\0\0\0\0", (address, 0))
    return "sent"


def raw_header(address, device=None):
    """A whole packet of one's own: a SYN that claims to be a reply."""
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    if device:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, bytes(4), socket.inet_aton(address))
    s.sendto(head + struct.pack("!HHIIBBHHH", 80, 80, 1, 1, 0x50, 0x10, 1024, 0, 0), (address, 0))
    return "sent"


def ping(address):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    s.settimeout(1)
    s.sendto(b"\x08\0\xf7\xff\0\0\0\0", (address, 0))
    return "sent"


def packet(device):
    """A frame of one's own, UDP to a neighbour."""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((device, 0))
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 58, 1, 0, 64, 17, 0, bytes(4), socket.inet_aton("198.51.100.1"))
    s.send(b"\xff" * 6 + b"\2" * 6 + b"\x08\0" + head + struct.pack("!HHHH", 9, 9, 38, 0) + PAYLOAD)
    return "sent"


def local(listen, port, address):
    """Listen and connect to oneself by `address`."""
    served = serve_on(listen, port)
    try:
        return tcp(address, port)
    finally:
        served.close()


def local6(port):
    served = serve_on("::1", port)
    try:
        return tcp6("::1", port)
    finally:
        served.close()


def squat(kind, port, option):
    """Bind the router's own pair, with the option that makes it shareable."""
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR if option == "addr" else socket.SO_REUSEPORT, 1)
    s.setsockopt(socket.SOL_IP, 15, 1)
    s.bind(("198.18.0.1", int(port)))
    if kind == "tcp":
        s.listen()
    return "squatted"


def serve_beside(address, port):
    """Serve on a port while a connection to that port outside is open."""
    out = socket.create_connection((address, int(port)), 2)
    result = local("0.0.0.0", port, "127.0.0.1")
    out.close()
    return result


def serve_on(address, port):
    import threading

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, int(port)))
    s.listen(8)

    def loop():
        while True:
            try:
                c, _ = s.accept()
            except OSError:
                return
            c.sendall(b"own service\n")
            c.close()

    threading.Thread(target=loop, daemon=True).start()
    return s


def serve(address, port):
    serve_on(address, port)
    print("serving", flush=True)
    time.sleep(600)


def hold_udp(address, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_IP, 15, 1)
    s.bind((address, int(port)))
    print("holding", flush=True)
    time.sleep(600)


def hold_tcp(address, port):
    s = socket.socket()
    s.setsockopt(socket.SOL_IP, 15, 1)
    s.bind((address, int(port)))
    s.listen(1)
    print("holding", flush=True)
    time.sleep(600)


def flood(address):
    """Try every way out, again and again."""
    print("flooding", flush=True)
    while True:
        for attempt in (lambda: udp(address, 9), lambda: udp_device(address, 9, "eth0"), lambda: tcp(address, 80)):
            try:
                attempt()
            except OSError:
                pass


def reconnect(port, address, target):
    """Accept, disconnect by AF_UNSPEC, connect outward with what the accepted socket inherited."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", int(port)))
    s.listen()
    print("listening", flush=True)
    c, _ = s.accept()
    print("mark", c.getsockopt(socket.SOL_SOCKET, 36), flush=True)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.connect(c.fileno(), struct.pack("H14x", 0), 16)
    time.sleep(0.3)
    c.settimeout(2)
    c.connect((address, int(target)))
    return c.makefile().readline().strip() or "closed"


def attempt(words):
    start = time.monotonic()
    try:
        result = globals()[words[0]](*words[1:])
    except TimeoutError:
        result = "TIMEOUT"
    except OSError as error:
        result = errno.errorcode.get(error.errno, repr(error))
    slow = " SLOW" if time.monotonic() - start > 0.5 and result != "TIMEOUT" and words[0] != "reconnect" else ""
    print(f"{result}{slow}", flush=True)


attempt(sys.argv[1:])
