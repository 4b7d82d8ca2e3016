//! What the kernel makes of our programs: each action, each door, and a listener.

use std::io::{IoSlice, IoSliceMut};
use std::mem::zeroed;
use std::os::fd::{AsRawFd, IntoRawFd};

use nix::cmsg_space;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use nix::unistd::{ForkResult, fork};
use serde_json::{Value, json};

use super::*;
use crate::enforce::seccomp::compile;
use crate::sys::fork::{ForkError, answer_of};

/// `SECCOMP_IOCTL_NOTIF_RECV` and `_SEND`: direction, size, type and number.
const RECEIVE: libc::c_ulong = request(size_of::<libc::seccomp_notif>(), 0);
const SEND: libc::c_ulong = request(size_of::<libc::seccomp_notif_resp>(), 1);
/// `PTRACE_EVENT_SECCOMP` as the status of a stopped process.
const STOPPED_BY_FILTER: i32 = libc::SIGTRAP | (libc::PTRACE_EVENT_SECCOMP << 8);

const fn request(size: usize, number: libc::c_ulong) -> libc::c_ulong {
    3 << 30 | (size as libc::c_ulong) << 16 | (b'!' as libc::c_ulong) << 8 | number
}

/// Load a profile on this process.
fn confine(profile: Value) -> Option<OwnedFd> {
    let profile = serde_json::from_value(profile).expect("profile");
    let filters = compile(Some(&profile), None).expect("compiles");
    nix::sys::prctl::set_no_new_privs().expect("no_new_privs");
    filters.load().expect("the kernel takes it")
}

/// A profile that gives `getppid` what `rule` says, and lets every other call pass.
fn only_getppid(mut rule: Value) -> Value {
    rule["names"] = json!(["getppid"]);
    json!({ "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/agent", "syscalls": [rule] })
}

/// The outcome of a call: its answer, or minus its error.
fn call(number: i64, arguments: [u64; 2]) -> i64 {
    // SAFETY: callers name calls that take numbers only, or whose pointers the kernel finds to be null and refuses.
    let result = unsafe { libc::syscall(number, arguments[0], arguments[1], 0, 0, 0, 0) };
    if result == -1 {
        -i64::from(Errno::last_raw())
    } else {
        result
    }
}

fn getppid() -> i64 {
    call(libc::SYS_getppid, [0, 0])
}

/// What `work` finds under `profile`, in a process of its own.
fn under(profile: Value, work: impl FnOnce() -> i64) -> Result<i64, ForkError> {
    let bytes = answer_of(|| {
        let listener = confine(profile);
        let found = work();
        drop(listener);
        found.to_ne_bytes().to_vec()
    })?;
    Ok(i64::from_ne_bytes(bytes.try_into().expect("a number")))
}

/// Whether a process under `profile` is ended by the filter when it does `work`.
fn is_ended(profile: Value, work: impl FnOnce() -> i64) -> bool {
    matches!(under(profile, work), Err(ForkError::Died(how)) if how.contains("SIGSYS"))
}

#[test]
fn an_error_is_the_calls_answer() {
    let profile = only_getppid(json!({ "action": "SCMP_ACT_ERRNO", "errnoRet": 7 }));
    assert_eq!(under(profile, getppid).expect("lives"), -7);
}

#[test]
fn allowed_and_logged_calls_are_made() {
    let parent = i64::from(std::process::id());
    for action in ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG"] {
        let profile = only_getppid(json!({ "action": action }));
        assert_eq!(under(profile, getppid).expect("lives"), parent, "{action}");
    }
}

#[test]
fn killing_actions_end_the_process() {
    for action in [
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_KILL_PROCESS",
    ] {
        assert!(
            is_ended(only_getppid(json!({ "action": action })), getppid),
            "{action}"
        );
    }
}

#[test]
fn a_killed_thread_leaves_the_others_alive() {
    let profile = only_getppid(json!({ "action": "SCMP_ACT_KILL_THREAD" }));
    let found = under(profile, || {
        // The thread never ends in a way that could be joined, so its result is what it wrote before.
        let (reader, writer) = nix::unistd::pipe().expect("pipe");
        std::thread::spawn(move || {
            nix::unistd::write(&writer, b"x").expect("written");
            getppid()
        });
        let mut byte = [0];
        nix::unistd::read(reader.as_raw_fd(), &mut byte).expect("read");
        std::thread::sleep(std::time::Duration::from_millis(50));
        i64::from(byte[0])
    });
    assert_eq!(found.expect("lives"), i64::from(b'x'));
}

#[test]
fn a_trapped_call_is_a_signal_that_the_program_may_handle() {
    static CODE: std::sync::atomic::AtomicI32 = std::sync::atomic::AtomicI32::new(0);
    extern "C" fn note(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the kernel hands a handler with SA_SIGINFO a valid siginfo.
        let code = unsafe { (*info).si_code };
        CODE.store(code, std::sync::atomic::Ordering::SeqCst);
    }
    let found = under(only_getppid(json!({ "action": "SCMP_ACT_TRAP" })), || {
        // SAFETY: `action` is a whole sigaction whose handler only stores a number; null asks for no old one.
        unsafe {
            let mut action: libc::sigaction = zeroed();
            action.sa_sigaction = note as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut());
        }
        getppid();
        CODE.load(std::sync::atomic::Ordering::SeqCst).into()
    });
    assert_eq!(found.expect("lives"), 1, "SYS_SECCOMP");
}

#[test]
fn a_traced_call_fails_without_a_tracer() {
    let profile = only_getppid(json!({ "action": "SCMP_ACT_TRACE", "errnoRet": 7 }));
    assert_eq!(
        under(profile, getppid).expect("lives"),
        -i64::from(libc::ENOSYS)
    );
}

#[test]
fn a_tracer_gets_the_rules_number() {
    // SAFETY: the child makes system calls, prepares a filter and ends with `_exit`, whatever becomes of that.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => assert_eq!(message_of(child.as_raw()), 77),
        ForkResult::Child => {
            let rule = json!({ "action": "SCMP_ACT_TRACE", "errnoRet": 77 });
            // SAFETY: these calls take numbers only.
            unsafe {
                libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
                libc::raise(libc::SIGSTOP);
                std::panic::catch_unwind(|| confine(only_getppid(rule))).ok();
                getppid();
                libc::_exit(0)
            }
        }
    }
}

/// What a filter's rule tells the tracer of `child`, which waits for one.
fn message_of(child: libc::pid_t) -> libc::c_ulong {
    let mut status = 0;
    let mut message: libc::c_ulong = 0;
    // SAFETY: `child` is a child of the caller; `status` and `message` live until each call returns.
    unsafe {
        libc::waitpid(child, &raw mut status, 0);
        libc::ptrace(
            libc::PTRACE_SETOPTIONS,
            child,
            0,
            libc::PTRACE_O_TRACESECCOMP,
        );
        libc::ptrace(libc::PTRACE_CONT, child, 0, 0);
        libc::waitpid(child, &raw mut status, 0);
        libc::ptrace(libc::PTRACE_GETEVENTMSG, child, 0, &raw mut message);
        libc::kill(child, libc::SIGKILL);
        let stopped_by = status >> 8;
        libc::waitpid(child, &raw mut status, 0);
        assert_eq!(stopped_by, STOPPED_BY_FILTER);
    }
    message
}

#[test]
fn a_listener_answers_in_the_kernels_place() {
    let mut profile = only_getppid(json!({ "action": "SCMP_ACT_NOTIFY" }));
    profile["flags"] = json!([
        "SECCOMP_FILTER_FLAG_TSYNC",
        "SECCOMP_FILTER_FLAG_LOG",
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"
    ]);
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .expect("pair");
    let answering = std::thread::spawn(move || answer(&received(&ours), 4711));
    let found = answer_of(|| {
        let listener = confine(profile).map(|listener| listener.into_raw_fd());
        let rights = [listener.expect("a listener")];
        let rights = [ControlMessage::ScmRights(&rights)];
        sendmsg::<()>(
            theirs.as_raw_fd(),
            &[IoSlice::new(b"x")],
            &rights,
            MsgFlags::empty(),
            None,
        )
        .expect("sent");
        getppid().to_ne_bytes().to_vec()
    });
    drop(theirs);
    assert_eq!(found.expect("lives"), 4711_i64.to_ne_bytes());
    assert_eq!(answering.join().expect("answered"), libc::SYS_getppid);
}

/// The descriptor that a message brings.
fn received(socket: &OwnedFd) -> OwnedFd {
    let mut space = cmsg_space!(RawFd);
    let mut byte = [0];
    let mut slices = [IoSliceMut::new(&mut byte)];
    let message = recvmsg::<()>(
        socket.as_raw_fd(),
        &mut slices,
        Some(&mut space),
        MsgFlags::empty(),
    )
    .expect("received");
    let Some(ControlMessageOwned::ScmRights(descriptors)) = message.cmsgs().expect("whole").next()
    else {
        panic!("no descriptor came")
    };
    // SAFETY: the kernel has made it for this message, and nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(descriptors[0]) }
}

/// Wait for one call on a listener and answer it with `value`: which call it was.
fn answer(listener: &OwnedFd, value: i64) -> i64 {
    // SAFETY: both requests get the struct that their number carries the size of, zeroed as the kernel wants.
    unsafe {
        let mut asked: libc::seccomp_notif = zeroed();
        assert_eq!(
            libc::ioctl(listener.as_raw_fd(), RECEIVE, &raw mut asked),
            0
        );
        let mut answer: libc::seccomp_notif_resp = zeroed();
        answer.id = asked.id;
        answer.val = value;
        assert_eq!(libc::ioctl(listener.as_raw_fd(), SEND, &raw mut answer), 0);
        asked.data.nr.into()
    }
}

#[test]
fn all_64_bits_of_an_argument_are_compared() {
    let rule = |operator: &str, value: u64| {
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{ "names": ["lseek"], "action": "SCMP_ACT_ERRNO",
                "errnoRet": 7, "args": [{ "index": 1, "value": value, "op": operator, "valueTwo": 0x1_0000_0000_u64 }] }] })
    };
    let seek = |offset: u64| move || call(libc::SYS_lseek, [u64::MAX, offset]);
    for (operator, value, inside, outside) in [
        ("SCMP_CMP_EQ", 0x2_0000_0001, 0x2_0000_0001, 1),
        ("SCMP_CMP_NE", 0x2_0000_0001, 1, 0x2_0000_0001),
        ("SCMP_CMP_LT", 0x2_0000_0001, 0x1_ffff_ffff, 0x2_0000_0001),
        ("SCMP_CMP_LE", 0x2_0000_0001, 0x2_0000_0001, 0x3_0000_0000),
        ("SCMP_CMP_GE", 0x2_0000_0001, 0x2_0000_0001, 0xffff_ffff),
        ("SCMP_CMP_GT", 0x2_0000_0001, 0x3_0000_0000, 0x2_0000_0001),
        (
            "SCMP_CMP_MASKED_EQ",
            0x7_0000_0000,
            0x1_0000_0042,
            0x2_0000_0042,
        ),
    ] {
        assert_eq!(
            under(rule(operator, value), seek(inside)).expect("lives"),
            -7,
            "{operator}"
        );
        let other = under(rule(operator, value), seek(outside)).expect("lives");
        assert_eq!(other, -i64::from(libc::EBADF), "{operator}");
    }
}

#[test]
fn whole_profiles_are_taken_and_hold() {
    let engine = include_str!("../../../tests/samples/docker20-seccomp.json");
    let engine: oci_spec::runtime::LinuxSeccomp = serde_json::from_str(engine).expect("profile");
    let agent = nemoclaw_policy::seccomp::agent();
    for agent in [None, Some(&agent)] {
        let answer = answer_of(|| {
            nix::sys::prctl::set_no_new_privs().expect("no_new_privs");
            let listener = compile(Some(&engine), agent)
                .expect("compiles")
                .load()
                .expect("taken");
            assert!(listener.is_none());
            let mount = call(libc::SYS_mount, [0, 0]);
            let clone3 = call(libc::SYS_clone3, [0, 0]);
            format!("{mount} {clone3}").into_bytes()
        });
        assert_eq!(answer.expect("lives"), b"-1 -38");
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;

    const X32_BIT: i64 = 0x4000_0000;

    /// A call by i386's entry. None of those made here takes an argument.
    fn int_0x80(number: u64) -> i64 {
        let answer: u64;
        // SAFETY: `int 0x80` enters the kernel with the number in eax and returns there; calls without arguments touch
        // no memory. The kernel may clear r8 to r11, which are named. rbx is not changed.
        unsafe {
            std::arch::asm!("int 0x80", inlateout("rax") number => answer,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _);
        }
        i64::from(
            u32::try_from(answer & 0xffff_ffff)
                .expect("masked")
                .cast_signed(),
        )
    }

    fn getppid_i386() -> i64 {
        int_0x80(64)
    }

    fn getppid_x32() -> i64 {
        call(X32_BIT | libc::SYS_getppid, [0, 0])
    }

    fn listed(architectures: &[&str]) -> Value {
        let mut profile = only_getppid(json!({ "action": "SCMP_ACT_ERRNO", "errnoRet": 7 }));
        profile["architectures"] = json!(architectures);
        profile
    }

    #[test]
    fn the_entry_of_i386_works_here_without_a_filter() {
        assert_eq!(getppid_i386(), getppid());
    }

    #[test]
    fn a_listed_door_has_the_profiles_rules() {
        let all = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
        assert_eq!(under(listed(&all), getppid_i386).expect("lives"), -7);
        assert_eq!(under(listed(&all), getppid_x32).expect("lives"), -7);
        let uid = i64::from(nix::unistd::getuid().as_raw());
        assert_eq!(
            under(listed(&all), || int_0x80(199)).expect("lives"),
            uid,
            "getuid32"
        );
    }

    #[test]
    fn a_door_that_is_not_listed_ends_the_process() {
        let native = ["SCMP_ARCH_X86_64"];
        assert!(is_ended(listed(&native), getppid_i386));
        assert!(is_ended(listed(&native), getppid_x32));
        assert!(is_ended(listed(&["SCMP_ARCH_X86"]), getppid_x32));
        assert_eq!(
            under(listed(&["SCMP_ARCH_X86"]), getppid).expect("lives"),
            -7,
            "the native door is always open"
        );
    }
}
