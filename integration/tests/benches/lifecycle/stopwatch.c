// stopwatch RESULT PROGRAM ARGS...: runs a program and writes one line to RESULT: when it was begun and when it had
// ended (CLOCK_MONOTONIC, ns), peak memory (KiB) and processor time (us) of it and of those it waited for, exit status.
//
// A process of its own and not part of the bench: the kernel counts the memory of whoever calls execve as the new
// program's peak, and this one has next to none.
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

int main(int count, char **words) {
    if (count < 3) return 2;
    pid_t pid;
    int status;
    struct rusage used;
    long long begun = now();
    if (posix_spawn(&pid, words[2], NULL, NULL, words + 2, environ) != 0) return 3;
    if (wait4(pid, &status, 0, &used) != pid) return 4;
    long long ended = now();
    FILE *result = fopen(words[1], "w");
    if (result == NULL) return 5;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    long long work = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
    fprintf(result, "%lld %lld %ld %lld %d\n", begun, ended, used.ru_maxrss, work, code);
    return fclose(result) == 0 ? 0 : 6;
}
