// main.c: the table's driver: each attempt runs in a child of its own, so that a kill is an answer too.
//
//   nemoclaw-probe GROUP|NAME... [key=value...]     groups: files kernel sockets net
//   nemoclaw-probe state                            one JSON object: what /proc/self says
//   nemoclaw-probe dns name=N [type=A] [server=S]   one query, prints the rcode
//   nemoclaw-probe recon target=T port=P            accept, connect(AF_UNSPEC), connect outwards
//   nemoclaw-probe call nr=N [a=N b=N c=N]          one system call (call.c)
//   nemoclaw-probe hello | sleep
#include "probe.h"
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int arg_count;
static char **args;
static int report_fd = -1;

const char *option(const char *key, const char *fallback) {
    size_t length = strlen(key);
    for (int i = 1; i < arg_count; i++)
        if (!strncmp(args[i], key, length) && args[i][length] == '=') return args[i] + length + 1;
    return fallback;
}

void detail(const char *format, ...) {
    char text[400];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (n > (int)sizeof text - 1) n = sizeof text - 1;
    for (int i = 0; i < n; i++)
        if (text[i] == '"' || text[i] == '\\' || (unsigned char)text[i] < 32) text[i] = '.';
    if (report_fd >= 0 && write(report_fd, text, n) < 0) return;
}

static void one(const struct attempt *attempt) {
    int answer[2], words[2], result = 0, status = 0;
    char text[512] = "";
    fflush(stdout);
    if (pipe(answer) || pipe(words)) exit(3);
    pid_t child = fork();
    if (child < 0) exit(3);
    if (child == 0) {
        report_fd = words[1];
        close(answer[0]);
        alarm(6);
        errno = 0;
        result = attempt->run();
        if (write(answer[1], &result, sizeof result) < 0) _exit(1);
        _exit(0);
    }
    close(answer[1]);
    close(words[1]);
    int complete = read(answer[0], &result, sizeof result) == sizeof result;
    waitpid(child, &status, 0);
    ssize_t n = read(words[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    close(answer[0]);
    close(words[0]);
    const char *verdict = "worked", *name = "";
    if (!complete) {
        verdict = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? "timeout" : "killed";
        name = WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "no answer";
    } else if (result) {
        verdict = "refused";
        name = strerrorname_np(result);
    }
    printf("{\"try\":\"%s\",\"result\":\"%s\",\"errno\":\"%s\",\"detail\":\"%s\"}\n", attempt->name, verdict,
           name ? name : "?", text);
}

static int group(const struct attempt *list, const char *want) {
    int hits = 0;
    for (; list->name; list++)
        if (!want || !strcmp(want, list->name)) one(list), hits++;
    return hits;
}

static unsigned umask_of(void) {
    unsigned old = umask(022);
    umask(old);
    return old;
}

static void state(void) {
    char line[512];
    const char *comma = "";
    FILE *status = fopen("/proc/self/status", "r");
    printf("{");
    while (status && fgets(line, sizeof line, status)) {
        char *colon = strchr(line, ':');
        if (!colon) continue;
        *colon = 0;
        if (strcmp(line, "Seccomp") && strcmp(line, "Seccomp_filters") && strcmp(line, "NoNewPrivs") &&
            strncmp(line, "Cap", 3) && strcmp(line, "Uid") && strcmp(line, "Gid") && strcmp(line, "Groups"))
            continue;
        char *value = colon + 1;
        value += strspn(value, " \t");
        value[strcspn(value, "\n")] = 0;
        for (char *c = value; *c; c++)
            if (*c == '\t') *c = ' ';
        printf("%s\"%s\":\"%s\"", comma, line, value);
        comma = ",";
    }
    if (status) fclose(status);
    printf("%s\"fds\":[", comma);
    DIR *fds = opendir("/proc/self/fd");
    struct dirent *entry;
    comma = "";
    while (fds && (entry = readdir(fds))) {
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(fds)) continue;
        char path[300], target[300];
        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        ssize_t n = readlink(path, target, sizeof target - 1);
        target[n > 0 ? n : 0] = 0;
        printf("%s\"%s=%s\"", comma, entry->d_name, target);
        comma = ",";
    }
    if (fds) closedir(fds);
    long keyring = syscall(SYS_keyctl, 0 /* GET_KEYRING_ID */, -3 /* session */, 0);
    char directory[400];
    printf("],\"keyring\":%ld,\"pid\":%d,\"umask\":%o,\"cwd\":\"%s\"}\n", keyring < 0 ? -errno : keyring, getpid(),
           umask_of(), getcwd(directory, sizeof directory) ? directory : "?");
}

int main(int count, char **vector) {
    arg_count = count;
    args = vector;
    int hits = 0;
    for (int i = 1; i < count; i++) {
        const char *word = vector[i];
        if (strchr(word, '=')) continue;
        if (!strcmp(word, "hello")) return puts("hello from the probe") < 0;
        if (!strcmp(word, "sleep")) return (signal(SIGTERM, exit), pause());
        if (!strcmp(word, "call")) return call_main();
        if (!strcmp(word, "dns")) return dns_main();
        if (!strcmp(word, "recon")) return recon_main();
        if (!strcmp(word, "state")) hits++, state();
        else if (!strcmp(word, "files")) hits += group(file_attempts, NULL);
        else if (!strcmp(word, "kernel")) hits += group(kernel_attempts, NULL);
        else if (!strcmp(word, "sockets")) hits += group(socket_attempts, NULL);
        else if (!strcmp(word, "net")) hits += group(net_attempts, NULL);
        else {
            int found = group(file_attempts, word) + group(kernel_attempts, word) + group(socket_attempts, word) +
                        group(net_attempts, word);
            if (!found) return fprintf(stderr, "nemoclaw-probe: unknown attempt `%s`\n", word), 2;
            hits += found;
        }
    }
    return hits ? 0 : 2;
}
