// call.c: one system call by its number, for filters of every kind.
//
//   nemoclaw-probe call nr=37 [a=N b=N c=N] [door=i386] [handler=1]
// prints what it gave (`0`, `42`), an errno's name, `trapped` (a handler for SIGSYS ran) or `killed` (the signal ended it).
#include "probe.h"
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static long number(const char *key) { return (long)strtoull(option(key, "0"), NULL, 0); }

static void trapped(int signal) {
    (void)signal;
    if (write(1, "trapped\n", 8) < 0) _exit(1);
    _exit(0);
}

static long i386(long nr, long a) {
    long answer;
    __asm__ volatile("int $0x80" : "=a"(answer) : "a"(nr), "b"(a), "c"(0L), "d"(0L) : "memory", "r8", "r9", "r10", "r11");
    if (answer >= 0) return answer;
    errno = (int)-answer;
    return -1;
}

int call_main(void) {
    int status = 0;
    pid_t child = fork();
    if (child < 0) return 3;
    if (child == 0) {
        if (*option("handler", "")) signal(SIGSYS, trapped);
        int old_door = !strcmp(option("door", ""), "i386");
        long answer = old_door ? i386(number("nr"), number("a"))
                               : syscall(number("nr"), number("a"), number("b"), number("c"), number("d"), 0, 0);
        if (answer < 0) puts(strerrorname_np(errno));
        else printf("%ld\n", answer);
        fflush(stdout);
        _exit(0);
    }
    if (waitpid(child, &status, 0) < 0) return 3;
    if (WIFSIGNALED(status)) puts(WTERMSIG(status) == SIGSYS ? "killed" : strsignal(WTERMSIG(status)));
    return 0;
}
