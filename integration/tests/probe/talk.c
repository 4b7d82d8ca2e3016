// talk.c: two conversations: one DNS query, and the re-use of an accepted connection for a call outwards.
#include "probe.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

static int put_name(unsigned char *out, const char *name) {
    int at = 0;
    while (*name) {
        size_t length = strcspn(name, ".");
        out[at++] = length;
        memcpy(out + at, name, length);
        at += length;
        name += length + (name[length] == '.');
    }
    out[at++] = 0;
    return at;
}

int dns_main(void) {
    const char *type = option("type", "A"), *server = option("server", "198.18.0.53");
    int number = !strcmp(type, "A") ? 1 : !strcmp(type, "AAAA") ? 28 : !strcmp(type, "TXT") ? 16 : !strcmp(type, "MX") ? 15 :
                 !strcmp(type, "NULL") ? 10 : !strcmp(type, "SRV") ? 33 : !strcmp(type, "HTTPS") ? 65 : 255;
    unsigned char query[600] = {0x12, 0x34, 1, 0, 0, 1}, reply[1500];
    int length = 12 + put_name(query + 12, option("name", "example.com"));
    query[length + 1] = number;
    query[length + 3] = 1;
    length += 4;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(option("port", "53")))};
    inet_pton(AF_INET, server, &to.sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    ssize_t got = -1;
    if (sendto(fd, query, length, 0, (void *)&to, sizeof to) < 0) return printf("{\"dns\":\"refused\",\"errno\":\"%s\"}\n", strerrorname_np(errno)), 0;
    if (poll(&wait, 1, 3000) == 1) got = recv(fd, reply, sizeof reply, 0);
    if (got < 12) return printf("{\"dns\":\"silent\",\"errno\":\"%s\"}\n", got < 0 ? strerrorname_np(errno) : ""), 0;
    char address[64] = "";
    if (reply[7] && number == 1 && got >= length + 16) inet_ntop(AF_INET, reply + got - 4 - 0, address, sizeof address);
    if (reply[7] && number == 1) {
        int at = length; // the first answer follows the question, its name is a pointer
        if (got >= at + 16) inet_ntop(AF_INET, reply + at + 12, address, sizeof address);
    }
    return printf("{\"dns\":\"answered\",\"rcode\":%d,\"answers\":%d,\"address\":\"%s\"}\n", reply[3] & 15, reply[7], address), 0;
}

int recon_main(void) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(option("listen", "18790")))};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (void *)&here, sizeof here) || listen(listener, 4)) return perror("listen"), 3;
    printf("{\"recon\":\"listening\"}\n");
    fflush(stdout);
    struct pollfd wait = {.fd = listener, .events = POLLIN};
    if (poll(&wait, 1, 20000) != 1) return puts("{\"recon\":\"nobody called\"}"), 3;
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) return perror("accept"), 3;
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    int disconnected = CALL(connect(fd, &nowhere, sizeof nowhere));
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(option("port", "7")))};
    inet_pton(AF_INET, option("target", "198.51.100.250"), &to.sin_addr);
    struct timeval limit = {3, 0};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    int failed = CALL(connect(fd, (void *)&to, sizeof to));
    char text[100] = "";
    if (!failed && send(fd, "nct-echo\n", 9, MSG_NOSIGNAL) < 0) failed = errno;
    struct pollfd in = {.fd = fd, .events = POLLIN};
    if (!failed && poll(&in, 1, 2000) == 1 && recv(fd, text, sizeof text - 1, 0) < 0) failed = errno;
    int worked = strstr(text, "nct-echo") != NULL;
    printf("{\"recon\":\"%s\",\"disconnect\":%d,\"errno\":\"%s\"}\n", worked ? "worked" : "refused", disconnected,
           failed ? strerrorname_np(failed) : "");
    return 0;
}
