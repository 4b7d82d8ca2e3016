"""The outside world of the tests: real servers on documentation addresses, in a network namespace of their own.

Every address that is routed here answers: TLS and plain HTTP (443, 80, 8080), git over smart HTTP, a package index,
WebSocket echo, TCP and UDP echo (7), and a DNS server (53) whose zone is the file `zone.json`.
Each request that arrives is one JSON line in `requests.jsonl`: the tests read there what got out.

    upstream.py DIR      DIR holds server.pem, server.key, git/ (bare repositories), packages/, zone.json
"""
import base64
import hashlib
import http.server
import json
import os
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

HOME = sys.argv[1]
LOG = open(os.path.join(HOME, "requests.jsonl"), "a", buffering=1)
LOCK = threading.Lock()


def record(**fields):
    """One line per event, whole even when several threads write."""
    fields["time"] = time.time()
    with LOCK:
        LOG.write(json.dumps(fields) + "\n")


class Web(http.server.BaseHTTPRequestHandler):
    """HTTP/1.1: the site is chosen by Host."""

    protocol_version = "HTTP/1.1"
    server_version = "nct"
    timeout = 60

    def log_message(self, *_):
        pass

    def answer(self, status, body, kind="application/json", **headers):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def handle_any(self):
        host = (self.headers.get("Host") or "").split(":")[0].lower()
        sni = getattr(self.connection, "nct_sni", None)
        record(kind="http", host=host, method=self.command, path=self.path, sni=sni, tls=sni is not None,
               to=self.connection.getsockname()[0], headers=dict(self.headers.items()))
        url = urllib.parse.urlsplit(self.path)
        if self.headers.get("Upgrade", "").lower() == "websocket":
            return websocket(self)
        if host.startswith("git."):
            return git(self, url, self.body())
        if host.startswith("pypi."):
            return package(self, url)
        body = self.body()
        if url.path.startswith("/keyed/"):
            return keyed(self, url)
        if url.path.startswith("/bytes/"):
            return self.answer(200, b"x" * int(url.path.rsplit("/", 1)[1]), "application/octet-stream")
        if url.path.startswith("/drip/"):
            return drip(self, int(url.path.rsplit("/", 1)[1]))
        self.answer(200, {"nct": "ok", "host": host, "method": self.command, "path": self.path, "got": len(body),
                          "http": self.request_version})

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = handle_any


def keyed(web, url):
    """Wants the key whose SHA-256 ends the path, and sends back what it was sent, in a field and in the body."""
    said = web.headers.get("Authorization", "")
    key = said[len("Bearer "):].encode()
    fits = hashlib.sha256(key).hexdigest() == url.path.rsplit("/", 1)[1]
    web.answer(200 if fits else 401, {"fits": fits, "authorization": said}, X_Echo=said)


def drip(web, count):
    """One chunk every 100 ms: a connection that stays open."""
    web.send_response(200)
    web.send_header("Transfer-Encoding", "chunked")
    web.end_headers()
    for number in range(count):
        text = b"drip %d\n" % number
        web.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        web.wfile.flush()
        time.sleep(0.1)
    web.wfile.write(b"0\r\n\r\n")


def git(web, url, body):
    """git's own CGI program behind this server: smart HTTP."""
    env = dict(os.environ, GIT_PROJECT_ROOT=os.path.join(HOME, "git"), GIT_HTTP_EXPORT_ALL="1", PATH_INFO=url.path,
               QUERY_STRING=url.query, REQUEST_METHOD=web.command, CONTENT_TYPE=web.headers.get("Content-Type", ""),
               CONTENT_LENGTH=str(len(body)), REMOTE_ADDR="192.0.2.9", GIT_PROTOCOL=web.headers.get("Git-Protocol", ""))
    if web.headers.get("Content-Encoding"):
        env["HTTP_CONTENT_ENCODING"] = web.headers["Content-Encoding"]
    done = subprocess.run(["git", "-c", "safe.directory=*", "http-backend"], input=body, stdout=subprocess.PIPE, env=env, check=False)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    status, kind = 200, "text/plain"
    for line in head.decode().split("\r\n"):
        name, _, value = line.partition(": ")
        if name == "Status":
            status = int(value.split()[0])
        elif name == "Content-Type":
            kind = value
    web.answer(status, content, kind, Cache_Control="no-cache")


def package(web, url):
    """PEP 503 index of one wheel."""
    folder = os.path.join(HOME, "packages")
    files = sorted(os.listdir(folder))
    if url.path == "/simple/nct-demo/":
        links = "".join(
            '<a href="/files/%s#sha256=%s">%s</a>' % (name, hashlib.sha256(open(os.path.join(folder, name), "rb").read()).hexdigest(), name)
            for name in files)
        return web.answer(200, ("<!DOCTYPE html><html><body>%s</body></html>" % links).encode(), "text/html")
    name = url.path.rsplit("/", 1)[1]
    if url.path.startswith("/files/") and name in files:
        return web.answer(200, open(os.path.join(folder, name), "rb").read(), "application/octet-stream")
    return web.answer(404, b"no such package", "text/plain")


def websocket(web):
    """Echoes each frame, unmasked."""
    key = web.headers["Sec-WebSocket-Key"].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    web.send_response(101)
    web.send_header("Upgrade", "websocket")
    web.send_header("Connection", "Upgrade")
    web.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key).digest()).decode())
    web.end_headers()
    web.wfile.flush()
    web.close_connection = True
    while len(head := web.rfile.read(2)) == 2:
        length = head[1] & 127
        if length == 126:
            length = struct.unpack(">H", web.rfile.read(2))[0]
        mask = web.rfile.read(4) if head[1] & 128 else b"\0" * 4
        data = bytes(b ^ mask[i % 4] for i, b in enumerate(web.rfile.read(length)))
        record(kind="websocket", text=data.decode(errors="replace"))
        size = bytes([length]) if length < 126 else b"\x7e" + struct.pack(">H", length)
        web.wfile.write(bytes([head[0]]) + size + data)
        web.wfile.flush()
        if head[0] & 15 == 8:
            return


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A thread per connection; TLS is opened in that thread so that a slow caller blocks nobody."""

    daemon_threads = True
    request_queue_size = 256
    address_family = socket.AF_INET6
    context = None

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super(http.server.HTTPServer, self).server_bind()
        self.server_name, self.server_port = "nct", self.server_address[1]

    def finish_request(self, request, client_address):
        if self.context:
            request.settimeout(20)
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except (OSError, ssl.SSLError) as error:
                record(kind="tls-error", error=str(error))
                return
        super().finish_request(request, client_address)
        if self.context:
            try:
                request.unwrap()
            except (OSError, ValueError):
                pass
            request.close()

    def handle_error(self, request, client_address):
        record(kind="error", error=repr(sys.exc_info()[1]))


def note_sni(connection, name, _context):
    connection.nct_sni = name or ""


def serve(port, tls):
    server = Server(("::", port), Web)
    if tls:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(os.path.join(HOME, "server.pem"), os.path.join(HOME, "server.key"))
        server.context.set_alpn_protocols(["http/1.1"])
        server.context.sni_callback = note_sni
    threading.Thread(target=server.serve_forever, daemon=True).start()


def tcp_echo(port):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)

    def one(connection):
        with connection:
            while data := connection.recv(65536):
                record(kind="tcp", port=port, to=connection.getsockname()[0], size=len(data))
                connection.sendall(data)

    def loop():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()


def udp(family, port, reply):
    """Answers from the address that was asked, although every address is ours."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))

    def loop():
        while True:
            data, control, _, peer = sock.recvmsg(4096, 256)
            answer = reply(data)
            record(kind="udp", port=port, size=len(data))
            if answer is None:
                continue
            level, kind, info = control[0]
            if family == socket.AF_INET:
                info = struct.pack("i4s4s", 0, info[4:8] if info[4:8] != b"\0" * 4 else info[8:12], b"\0" * 4)
            try:
                sock.sendmsg([answer], [(level, kind, info)], 0, peer)
            except OSError as error:
                record(kind="error", error=repr(error))

    threading.Thread(target=loop, daemon=True).start()


def dns(data):
    """A answers from zone.json (re-read at each query); NXDOMAIN else; what is no query is echoed."""
    if data.startswith(b"nct-echo"):
        return data
    labels, at = [], 12
    while at < len(data) and data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode(errors="replace"))
        at += 1 + data[at]
    name, kind = ".".join(labels).lower(), struct.unpack(">H", data[at + 1:at + 3])[0]
    record(kind="dns", name=name, type=kind)
    with open(os.path.join(HOME, "zone.json"), encoding="utf-8") as zone:
        addresses = json.load(zone).get(name)
    question = data[12:at + 5]
    if addresses is None:
        return data[:2] + b"\x81\x83" + b"\0\1\0\0\0\0\0\0" + question
    answers = [b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(a) for a in addresses] if kind == 1 else []
    return data[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, len(answers), 0, 0) + question + b"".join(answers)


def main():
    serve(443, True)
    serve(8443, True)
    for port in (80, 8080):
        serve(port, False)
    tcp_echo(7)
    for family in (socket.AF_INET, socket.AF_INET6):
        udp(family, 7, lambda data: data)
        udp(family, 443, lambda data: data)
    udp(socket.AF_INET, 53, dns)
    with open(os.path.join(HOME, "ready"), "w", encoding="utf-8") as ready:
        ready.write(str(os.getpid()))
    threading.Event().wait()


main()
