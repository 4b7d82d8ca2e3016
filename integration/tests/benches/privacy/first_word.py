"""The time from a request to the first event with a word in it: first_word.py ADDRESS HOST BODY COUNT"""
import socket
import ssl
import sys
import time

address, host, body, count = sys.argv[1], sys.argv[2], open(sys.argv[3], "rb").read().strip(), int(sys.argv[4])
# What is measured is a wait; whom the client believes is the tests' matter.
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
stream = context.wrap_socket(socket.create_connection((address, 443)), server_hostname=host)
stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for _ in range(count):
    begun = time.perf_counter()
    stream.sendall(head.encode() + body)
    heard = b""
    while b'"content":"' not in heard.replace(b'"content":""', b""):
        heard += stream.recv(65536)
    print((time.perf_counter() - begun) * 1e6)
    while b"[DONE]" not in heard or not heard.endswith(b"0\r\n\r\n"):
        heard += stream.recv(65536)
