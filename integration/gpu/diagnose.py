"""What this machine lets root do of what sandboxes need, tried one by one in children: one line each."""

import ctypes
import os
import platform
import sys
import tempfile

LIBC = ctypes.CDLL(None, use_errno=True)
NAMESPACES = [("mount", 0x20000), ("uts", 0x4000000), ("ipc", 0x8000000), ("pid", 0x20000000), ("network", 0x40000000),
              ("cgroup", 0x2000000), ("user", 0x10000000), ("time", 0x80)]
CAPABILITIES = {0: "CHOWN", 1: "DAC_OVERRIDE", 5: "KILL", 6: "SETGID", 7: "SETUID", 8: "SETPCAP", 12: "NET_ADMIN",
                18: "SYS_CHROOT", 21: "SYS_ADMIN", 24: "SYS_RESOURCE", 27: "MKNOD", 39: "BPF"}
LANDLOCK = {"x86_64": 444, "aarch64": 444}


def tried(action):
    """Runs `action` in a child; the error it ended with, or None."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            action()
            text = ""
        except OSError as error:
            text = os.strerror(error.errno or 0) + (f" ({error.filename})" if error.filename else "")
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        text = told.read()
    os.waitpid(child, 0)
    return text or None


def call(number, *args):
    if number(*args) < 0:
        raise OSError(ctypes.get_errno(), "")


def own_mounts():
    call(LIBC.unshare, 0x20000)
    call(LIBC.mount, b"none", b"/", None, 0x44000, None)  # MS_REC | MS_PRIVATE


def mount_tmpfs():
    own_mounts()
    with tempfile.TemporaryDirectory() as at:
        call(LIBC.mount, b"tmpfs", at.encode(), b"tmpfs", 0, None)
        call(LIBC.umount2, at.encode(), 2)


def mount_proc():
    own_mounts()
    call(LIBC.unshare, 0x20000000)
    child = os.fork()
    if child == 0:
        code = 0
        with tempfile.TemporaryDirectory() as at:
            if LIBC.mount(b"proc", at.encode(), b"proc", 14, None) < 0:
                code = ctypes.get_errno()
            LIBC.umount2(at.encode(), 2)
        os._exit(code)
    _, status = os.waitpid(child, 0)
    if status:
        raise OSError(os.waitstatus_to_exitcode(status), "")


def make_node():
    with tempfile.TemporaryDirectory(dir="/var/lib") as at:
        os.mknod(f"{at}/node", 0o20666, os.makedev(1, 5))
        with open(f"{at}/node", "rb") as node:
            node.read(1)


def make_cgroup(folder):
    at = f"{folder}/nemoclaw-gpu-check-{os.getpid()}"
    os.mkdir(at)
    try:
        with open(f"{at}/cgroup.procs", "w") as procs:
            procs.write(str(os.getpid()))
    finally:
        with open(f"{folder}/cgroup.procs", "w") as procs:
            procs.write(str(os.getpid()))
        os.rmdir(at)


def say(name, text):
    print(f"  {name:<12} {text}", flush=True)


def cgroups():
    root = "/sys/fs/cgroup"
    if os.path.exists(f"{root}/cgroup.controllers"):
        with open(f"{root}/cgroup.controllers") as controllers:
            say("cgroups", f"v2: {controllers.read().strip() or 'no controllers'}")
        say("cgroup make", tried(lambda: make_cgroup(root)) or "can")
        return
    kinds = sorted(os.listdir(root)) if os.path.isdir(root) else []
    say("cgroups", f"v1: {' '.join(kinds) or 'none mounted'}")
    for kind in ["pids", "devices", "memory"]:
        if kind in kinds:
            say("cgroup make", f"{kind}: {tried(lambda kind=kind: make_cgroup(f'{root}/{kind}')) or 'can'}")


def main():
    say("kernel", " ".join(platform.uname()))
    say("ids", f"uid {os.getuid()} gid {os.getgid()} groups {os.getgroups()}")
    with open("/proc/self/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    held = int(fields["CapEff"], 16)
    missing = [name for bit, name in CAPABILITIES.items() if not held >> bit & 1]
    say("capabilities", f"{held:x}, without {', '.join(missing) or 'none of those needed'}")
    say("confined", f"NoNewPrivs {fields.get('NoNewPrivs', '?').strip()}, Seccomp {fields.get('Seccomp', '?').strip()}")
    with open("/proc/self/uid_map") as ids:
        say("uid map", " ".join(ids.read().split()))
    abi = LIBC.syscall(LANDLOCK.get(platform.machine(), 444), None, 0, 1)
    say("landlock", f"ABI {abi}" if abi > 0 else os.strerror(ctypes.get_errno()))
    for name, flag in NAMESPACES:
        say("namespace", f"{name}: {tried(lambda flag=flag: call(LIBC.unshare, flag)) or 'can'}")
    for name, action in [("mount tmpfs", mount_tmpfs), ("mount proc", mount_proc), ("mknod", make_node)]:
        say(name, tried(action) or "can")
    cgroups()
    with open("/proc/mounts") as mounts:
        root = [line.split()[:4] for line in mounts if line.split()[1] == "/"]
    say("root", " ".join(root[-1]) if root else "?")
    return 0


sys.exit(main())
