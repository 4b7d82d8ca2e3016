// files.c: writes outside the writable paths, setuid modes, links and renames out, device nodes.
//
// Uses /data (a host directory mounted writable by the engine, holding `file` and `tool`), /sandbox and /tmp.
#include "probe.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>

static int create(const char *path) {
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return errno;
    int failed = write(fd, "x", 1) == 1 ? 0 : errno;
    close(fd);
    return failed;
}
static int open_for_writing(const char *path) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? errno : (close(fd), 0);
}

static int write_root(void) { return create("/nct-new"); }
static int write_etc(void) { return create("/etc/nct-new"); }
static int write_usr(void) { return create("/usr/nct-new"); }
static int write_bin(void) { return create("/bin/nct-new"); }
static int write_dev(void) { return create("/dev/nct-new"); }
static int write_data(void) { return create("/data/nct-new"); }
static int write_sandbox(void) { return create("/sandbox/nct-new"); }
static int write_tmp(void) { return create("/tmp/nct-new"); }
static int overwrite_passwd(void) { return open_for_writing("/etc/passwd"); }
static int overwrite_data(void) { return open_for_writing("/data/file"); }
static int overwrite_resolv_conf(void) { return open_for_writing("/etc/resolv.conf"); }
static int overwrite_hosts(void) { return open_for_writing("/etc/hosts"); }
static int write_proc_sys(void) { return open_for_writing("/proc/sys/net/ipv4/ip_default_ttl"); }
static int write_proc_sysrq(void) { return open_for_writing("/proc/sysrq-trigger"); }
static int write_sys(void) { return open_for_writing("/sys/kernel/mm/ksm/run"); }
static int write_cgroup(void) { return open_for_writing("/sys/fs/cgroup/pids/pids.max"); }
static int write_cgroup_procs(void) { return open_for_writing("/sys/fs/cgroup/pids/cgroup.procs"); }
static int read_kallsyms(void) {
    int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
    char byte;
    if (fd < 0) return errno;
    return read(fd, &byte, 1) == 1 ? 0 : ENODATA;
}
static int write_data_by_proc_root(void) { return create("/proc/self/root/data/nct-root"); }
static int write_data_by_dir_fd(void) {
    int dir = open("/data", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return errno;
    int fd = openat(dir, "nct-fd", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    return fd < 0 ? errno : 0;
}
static int tmpfile_data(void) { return CALL(open("/data", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644)); }
static int truncate_data(void) { return CALL(truncate("/data/file", 1)); }
static int truncate_passwd(void) {
    struct stat now;
    if (stat("/etc/passwd", &now)) return errno;
    return CALL(truncate("/etc/passwd", now.st_size));
}
static int chmod_suid_data(void) { return CALL(chmod("/data/tool", 04755)); }
static int chmod_data(void) { return CALL(chmod("/data/file", 0600)); }
static int chown_data(void) { return CALL(chown("/data/file", 1234, 1234)); }
static int utimes_data(void) { return CALL(utimes("/data/file", NULL)); }
static int setxattr_data(void) { return CALL(setxattr("/data/file", "user.nct", "1", 1, 0)); }
static int fchmod_suid_data(void) {
    int fd = open("/data/tool", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? errno : CALL(fchmod(fd, 04755));
}
static int with_sandbox_file(const char *path) { return create(path); }
static int chmod_suid_sandbox(void) {
    int failed = with_sandbox_file("/sandbox/nct-suid");
    return failed ? failed : CALL(chmod("/sandbox/nct-suid", 04755));
}
static int chmod_sgid_tmp(void) {
    int failed = with_sandbox_file("/tmp/nct-sgid");
    return failed ? failed : CALL(chmod("/tmp/nct-sgid", 02755));
}
static int fchmodat_suid_sandbox(void) {
    int failed = with_sandbox_file("/sandbox/nct-suid2");
    return failed ? failed : CALL(syscall(SYS_fchmodat, AT_FDCWD, "/sandbox/nct-suid2", 04755));
}
static int fchmodat2_suid_sandbox(void) {
    int failed = with_sandbox_file("/sandbox/nct-suid3");
    return failed ? failed : CALL(syscall(452, AT_FDCWD, "/sandbox/nct-suid3", 04755, 0));
}
static int create_suid_sandbox(void) {
    unlink("/sandbox/nct-suid4");
    int fd = open("/sandbox/nct-suid4", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 04755);
    struct stat now;
    if (fd < 0) return errno;
    if (fstat(fd, &now)) return errno;
    return now.st_mode & S_ISUID ? 0 : EPERM;
}
static int rename_out(void) {
    int failed = with_sandbox_file("/sandbox/nct-rename");
    return failed ? failed : CALL(rename("/sandbox/nct-rename", "/usr/nct-renamed"));
}
static int rename_in(void) { return CALL(rename("/etc/nct-victim", "/sandbox/nct-victim")); }
static int link_out(void) {
    int failed = with_sandbox_file("/sandbox/nct-link");
    return failed ? failed : CALL(link("/sandbox/nct-link", "/etc/nct-linked"));
}
static int link_in(void) { return CALL(link("/etc/passwd", "/sandbox/nct-passwd")); }
static int symlink_out(void) { return CALL(symlink("/sandbox", "/etc/nct-symlink")); }
static int mkdir_out(void) { return CALL(mkdir("/etc/nct-dir", 0755)); }
static int unlink_out(void) { return CALL(unlink("/etc/nct-victim2")); }
static int mknod_null(void) { return CALL(mknod("/tmp/nct-null", S_IFCHR | 0666, makedev(1, 3))); }
static int mknod_disk(void) { return CALL(mknod("/tmp/nct-disk", S_IFBLK | 0666, makedev(8, 0))); }
static int mknod_sandbox(void) { return CALL(mknod("/sandbox/nct-kmsg", S_IFCHR | 0666, makedev(1, 11))); }

#define TRY(name) {#name, name}
const struct attempt file_attempts[] = {
    TRY(write_sandbox), TRY(write_tmp), TRY(write_root), TRY(write_etc), TRY(write_usr), TRY(write_bin), TRY(write_dev),
    TRY(write_data), TRY(overwrite_passwd), TRY(overwrite_data), TRY(overwrite_resolv_conf), TRY(overwrite_hosts),
    TRY(write_proc_sys), TRY(write_proc_sysrq), TRY(write_sys), TRY(write_cgroup), TRY(write_cgroup_procs),
    TRY(read_kallsyms), TRY(write_data_by_proc_root), TRY(write_data_by_dir_fd), TRY(tmpfile_data), TRY(truncate_data),
    TRY(truncate_passwd), TRY(chmod_suid_data), TRY(chmod_data), TRY(chown_data), TRY(utimes_data), TRY(setxattr_data),
    TRY(fchmod_suid_data), TRY(chmod_suid_sandbox), TRY(chmod_sgid_tmp), TRY(fchmodat_suid_sandbox),
    TRY(fchmodat2_suid_sandbox), TRY(create_suid_sandbox), TRY(rename_out), TRY(rename_in), TRY(link_out), TRY(link_in),
    TRY(symlink_out), TRY(mkdir_out), TRY(unlink_out), TRY(mknod_null), TRY(mknod_disk), TRY(mknod_sandbox), {0, 0}};
