// probe.h: what the parts of the probe share.
//
// The probe tries, one by one, what a box must refuse, and prints one JSON line per attempt:
//   {"try":"mount_tmpfs","result":"refused","errno":"EPERM","detail":""}
// `result` is `worked`, `refused` (with the errno), `killed` (a seccomp kill) or `timeout`.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Returns 0 when the attempt worked, else an errno.
typedef int (*attempt_fn)(void);
struct attempt {
    const char *name;
    attempt_fn run;
};

extern const struct attempt file_attempts[], kernel_attempts[], socket_attempts[], net_attempts[];

// The value of `key=value` on the command line, or `fallback`.
const char *option(const char *key, const char *fallback);
// Adds a word of detail to the attempt's line.
void detail(const char *format, ...) __attribute__((format(printf, 1, 2)));

// -1/errno of the C library, turned into "0 or errno".
#define CALL(expression) ((expression) < 0 ? errno : 0)

int call_main(void);
int dns_main(void);
int recon_main(void);
