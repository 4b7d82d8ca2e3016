// kernel.c: system calls a box has no use for, and other programs' processes.
#include "probe.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

static int mount_tmpfs(void) { return CALL(mount("none", "/tmp", "tmpfs", 0, NULL)); }
static int mount_bind(void) { return CALL(mount("/etc", "/tmp", NULL, MS_BIND, NULL)); }
static int remount_root_writable(void) { return CALL(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL)); }
static int umount_proc(void) { return CALL(umount2("/proc", MNT_DETACH)); }
static int fsopen_tmpfs(void) { return CALL(syscall(430, "tmpfs", 1)); }
static int open_tree_clone(void) { return CALL(syscall(428, AT_FDCWD, "/", 1 /* CLONE */)); }
static int mount_setattr_root(void) {
    struct { unsigned long set, clear, propagation, user; } change = {0, 1 /* RDONLY */, 0, 0};
    return CALL(syscall(442, AT_FDCWD, "/", 0x8000, &change, sizeof change));
}
static int pivot_root_tmp(void) { return CALL(syscall(SYS_pivot_root, "/tmp", "/tmp")); }
static int chroot_tmp(void) { return CALL(chroot("/tmp")); }
static int unshare_user(void) { return CALL(unshare(CLONE_NEWUSER)); }
static int unshare_net(void) { return CALL(unshare(CLONE_NEWNET)); }
static int unshare_mount(void) { return CALL(unshare(CLONE_NEWNS)); }
static int clone_user(void) {
    long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) _exit(0);
    return CALL(child);
}
static int clone3_user(void) {
    unsigned long arguments[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    long child = syscall(435, arguments, sizeof arguments);
    if (child == 0) _exit(0);
    return CALL(child);
}
static int setns_pid1(void) {
    int fd = open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? errno : CALL(setns(fd, 0));
}

// The lowest pid that is neither this process, nor its parent line's child: another program's process.
static pid_t foreign(void) {
    const char *given = option("pid", "1");
    return atoi(given);
}
static int ptrace_foreign(void) {
    pid_t pid = foreign();
    if (ptrace(PTRACE_ATTACH, pid, 0, 0)) return errno;
    int status;
    waitpid(pid, &status, __WALL);
    ptrace(PTRACE_DETACH, pid, 0, 0);
    return 0;
}
static int ptrace_seize_foreign(void) { return CALL(ptrace(PTRACE_SEIZE, foreign(), 0, 0)); }
static int vm_read_foreign(void) {
    // The stack's end is mapped in every process: take its address from the maps where they can be read.
    char path[64], line[256];
    unsigned long start = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", foreign());
    FILE *maps = fopen(path, "r");
    if (!maps) return errno;
    while (fgets(line, sizeof line, maps))
        if (strstr(line, "[stack]")) sscanf(line, "%lx", &start);
    fclose(maps);
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)(start + 4096), 1};
    return CALL(process_vm_readv(foreign(), &here, 1, &there, 1, 0));
}
static int open_mem_foreign(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", foreign());
    return CALL(open(path, O_RDWR | O_CLOEXEC));
}
static int pidfd_getfd_foreign(void) {
    int pidfd = syscall(434, foreign(), 0);
    return pidfd < 0 ? errno : CALL(syscall(438, pidfd, 0, 0));
}

static int bpf_map(void) {
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_type = BPF_MAP_TYPE_ARRAY, attr.key_size = 4, attr.value_size = 4, attr.max_entries = 1;
    return CALL(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr));
}
static int perf_event(void) {
    struct perf_event_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.size = sizeof attr, attr.type = PERF_TYPE_SOFTWARE, attr.config = PERF_COUNT_SW_TASK_CLOCK;
    attr.exclude_kernel = 1;
    return CALL(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}
static int keyctl_session(void) { return CALL(syscall(SYS_keyctl, 0, -3, 0)); }
static int add_key_user(void) { return CALL(syscall(SYS_add_key, "user", "nct", "x", 1, -3)); }
static int request_key_user(void) { return CALL(syscall(SYS_request_key, "user", "nct", NULL, -3)); }
static int io_uring(void) {
    char parameters[120] = {0};
    return CALL(syscall(425, 4, parameters));
}
static int userfaultfd_any(void) { return CALL(syscall(SYS_userfaultfd, 1 /* USER_MODE_ONLY */)); }
static int open_by_handle(void) {
    struct { struct file_handle handle; char space[128]; } room;
    int id;
    room.handle.handle_bytes = 128;
    if (name_to_handle_at(AT_FDCWD, "/dev/shm", &room.handle, &id, 0)) return errno;
    int dir = open("/dev/shm", O_RDONLY | O_CLOEXEC);
    return CALL(open_by_handle_at(dir, &room.handle, O_RDONLY));
}
static int init_module_empty(void) { return syscall(SYS_init_module, "", 0, "") < 0 && errno != ENOEXEC ? errno : 0; }
static int syslog_read(void) { char text[16]; return CALL(syscall(SYS_syslog, 3, text, sizeof text)); }
static int fanotify(void) { return CALL(syscall(SYS_fanotify_init, 0, 0)); }
static int quotactl_any(void) { return CALL(syscall(SYS_quotactl, 0x800001 << 8, NULL, 0, NULL)); }
static int iopl_three(void) { return CALL(syscall(SYS_iopl, 3)); }
static int sethostname_any(void) { return CALL(sethostname("nct", 3)); }
static int settime(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return CALL(clock_settime(CLOCK_REALTIME, &now));
}

static int terminal_push(unsigned long request) {
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (fd < 0) fd = 0;
    return CALL(syscall(SYS_ioctl, fd, request, "\n"));
}
// ENOTTY means that the request reached the kernel's terminal code: the filter let it through.
static int tiocsti(void) { int e = terminal_push(TIOCSTI); return e == ENOTTY ? 0 : e; }
static int tiocsti_high_bits(void) { int e = terminal_push(TIOCSTI | 1UL << 32); return e == ENOTTY ? 0 : e; }
static int tioclinux(void) { int e = terminal_push(TIOCLINUX); return e == ENOTTY ? 0 : e; }

// The kernel's other doors on x86-64: a filter for one architecture does not see calls of another.
static int call_i386(void) {
    long answer;
    __asm__ volatile("int $0x80" : "=a"(answer) : "a"(20L /* getpid */) : "memory", "r8", "r9", "r10", "r11");
    return answer < 0 ? (int)-answer : 0;
}
static int call_i386_socket(void) {
    long answer;
    __asm__ volatile("int $0x80" : "=a"(answer) : "a"(359L), "b"(17L /* AF_PACKET */), "c"(3L), "d"(0L) : "memory", "r8", "r9", "r10", "r11");
    return answer < 0 ? (int)-answer : 0;
}
static int call_x32(void) { return CALL(syscall(0x40000000L | SYS_getpid)); }
static int call_x32_ptrace(void) { return CALL(syscall(0x40000000L | 521, PTRACE_TRACEME, 0, 0, 0)); }

#define TRY(name) {#name, name}
// What changes the mounts for all later attempts stands last.
const struct attempt kernel_attempts[] = {
    TRY(unshare_user), TRY(unshare_net), TRY(unshare_mount), TRY(clone_user), TRY(clone3_user), TRY(setns_pid1),
    TRY(ptrace_foreign), TRY(ptrace_seize_foreign), TRY(vm_read_foreign), TRY(open_mem_foreign),
    TRY(pidfd_getfd_foreign), TRY(bpf_map), TRY(perf_event), TRY(keyctl_session), TRY(add_key_user),
    TRY(request_key_user), TRY(io_uring), TRY(userfaultfd_any), TRY(open_by_handle), TRY(init_module_empty),
    TRY(syslog_read), TRY(fanotify), TRY(quotactl_any), TRY(iopl_three), TRY(sethostname_any), TRY(settime),
    TRY(tiocsti), TRY(tiocsti_high_bits), TRY(tioclinux), TRY(call_i386), TRY(call_i386_socket), TRY(call_x32),
    TRY(call_x32_ptrace), TRY(fsopen_tmpfs), TRY(open_tree_clone), TRY(chroot_tmp), TRY(mount_tmpfs), TRY(mount_bind),
    TRY(remount_root_writable), TRY(mount_setattr_root), TRY(umount_proc), TRY(pivot_root_tmp), {0, 0}};
