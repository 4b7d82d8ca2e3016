//! The worker gives up everything before it reads a byte from a network.
//!
//! User, capabilities, files and system calls go, in this order, each checked; a step that fails ends the worker.

use std::collections::BTreeMap;

use caps::CapSet;
use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus, Scope,
};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use crate::limits;

/// Which step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfineError {
    /// A system call.
    #[error("the worker cannot {step}")]
    System {
        /// What it tried.
        step: &'static str,
        /// Cause.
        #[source]
        source: nix::Error,
    },
    /// The settings name root.
    #[error("the worker must not run as root: set `router.user` to another account")]
    Root,
    /// Capabilities.
    #[error("the worker cannot drop its capabilities")]
    Capabilities(#[from] caps::errors::CapsError),
    /// Landlock.
    #[error("the worker cannot close the file system with Landlock")]
    Landlock(#[from] landlock::RulesetError),
    /// The kernel has no Landlock.
    #[error("the worker needs Landlock, which this kernel does not have")]
    NoLandlock,
    /// Seccomp.
    #[error("the worker cannot load its system call filter")]
    Seccomp(#[from] seccompiler::Error),
    /// The filter itself.
    #[error("the worker's system call filter is faulty")]
    Filter(#[from] seccompiler::BackendError),
}

/// Confine this process, which has one thread, for good.
///
/// # Errors
/// The first step that fails; the process must end then.
pub fn confine(uid: u32, gid: u32) -> Result<(), ConfineError> {
    if uid == 0 || gid == 0 {
        return Err(ConfineError::Root);
    }
    let filters = [clone3_filter()?, allow_filter()?];
    become_user(Uid::from_raw(uid), Gid::from_raw(gid))?;
    system("refuse new privileges", prctl::set_no_new_privs())?;
    system("hide its memory", prctl::set_dumpable(false))?;
    system("end with the warden", prctl::set_pdeathsig(Signal::SIGKILL))?;
    close_files()?;
    for filter in &filters {
        seccompiler::apply_filter(filter)?;
    }
    Ok(())
}

fn system<T>(step: &'static str, result: Result<T, nix::Error>) -> Result<T, ConfineError> {
    result.map_err(|source| ConfineError::System { step, source })
}

fn become_user(uid: Uid, gid: Gid) -> Result<(), ConfineError> {
    // A node may allow less, and only CAP_SYS_RESOURCE could ask for more: what there is must do.
    let (_, most) = system(
        "read its limit of open files",
        getrlimit(Resource::RLIMIT_NOFILE),
    )?;
    let files = limits::WORKER_FILES.min(most);
    system(
        "set its limit of open files",
        setrlimit(Resource::RLIMIT_NOFILE, files, files),
    )?;
    system("forbid core dumps", setrlimit(Resource::RLIMIT_CORE, 0, 0))?;
    for set in [CapSet::Ambient, CapSet::Bounding] {
        caps::clear(None, set)?;
    }
    system("leave its groups", setgroups(&[]))?;
    system("change its group", setresgid(gid, gid, gid))?;
    system("change its user", setresuid(uid, uid, uid))?;
    for set in [CapSet::Effective, CapSet::Inheritable, CapSet::Permitted] {
        caps::clear(None, set)?;
    }
    Ok(())
}

/// Every right that the kernel knows is handled, and no rule grants any.
fn close_files() -> Result<(), ConfineError> {
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V6))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .restrict_self()?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(ConfineError::NoLandlock),
        _ => Ok(()),
    }
}

/// C libraries fall back to `clone`, whose flags a filter can see.
fn clone3_filter() -> Result<BpfProgram, ConfineError> {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let refuse = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    compile(SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        refuse,
        arch()?,
    )?)
}

fn allow_filter() -> Result<BpfProgram, ConfineError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = UNCONDITIONAL
        .iter()
        .map(|number| (*number, Vec::new()))
        .collect();
    rules.extend(conditional()?);
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    compile(SeccompFilter::new(
        rules,
        refuse,
        SeccompAction::Allow,
        arch()?,
    )?)
}

fn compile(filter: SeccompFilter) -> Result<BpfProgram, ConfineError> {
    Ok(filter.try_into()?)
}

fn arch() -> Result<TargetArch, ConfineError> {
    Ok(std::env::consts::ARCH.try_into()?)
}

/// System calls that an event loop over sockets needs, with any argument.
const UNCONDITIONAL: &[i64] = &[
    // The sockets themselves, and the link to the warden.
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    // From socket to socket through a pipe: only descriptors that the worker has already.
    libc::SYS_splice,
    libc::SYS_pipe2,
    libc::SYS_close,
    // Waiting.
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    // Memory; making it executable is looked at below.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Threads and the end. The first filter answers clone3; passing it here keeps that answer the strictest.
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_sched_getaffinity,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_membarrier,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Time and chance, where the vDSO does not serve them.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_getrandom,
];

/// The set-non-blocking request of ioctl, which the standard library uses.
const FIONBIO: u64 = 0x5421;
/// The bits of `socket`'s type that are the type; the others are flags.
const TYPE_MASK: u64 = 0xf;

fn conditional() -> Result<Vec<(i64, Vec<SeccompRule>)>, ConfineError> {
    let number = |value: libc::c_int| u64::from(value.unsigned_abs());
    let is = |argument, value| one(argument, Op::Eq, value);
    let not_executable = |argument| one(argument, Op::MaskedEq(number(libc::PROT_EXEC)), 0);
    let mut sockets = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
            sockets.push(SeccompRule::new(vec![
                SeccompCondition::new(0, Len::Dword, Op::Eq, number(family))?,
                SeccompCondition::new(1, Len::Dword, Op::MaskedEq(TYPE_MASK), number(kind))?,
            ])?);
        }
    }
    let fcntl = [
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_SETFL,
        libc::F_DUPFD_CLOEXEC,
    ];
    Ok(vec![
        (libc::SYS_socket, sockets),
        (libc::SYS_mmap, vec![not_executable(2)?]),
        (libc::SYS_mprotect, vec![not_executable(2)?]),
        (
            libc::SYS_clone,
            vec![one(
                0,
                Op::MaskedEq(number(libc::CLONE_THREAD)),
                number(libc::CLONE_THREAD),
            )?],
        ),
        (libc::SYS_ioctl, vec![is(1, FIONBIO)?]),
        (
            libc::SYS_fcntl,
            fcntl
                .iter()
                .map(|command| is(1, number(*command)))
                .collect::<Result<_, _>>()?,
        ),
        (
            libc::SYS_prctl,
            vec![
                is(0, number(libc::PR_SET_NAME))?,
                is(0, number(libc::PR_SET_VMA))?,
            ],
        ),
        (
            libc::SYS_tgkill,
            vec![is(0, u64::from(std::process::id()))?],
        ),
    ])
}

fn one(argument: u8, operator: Op, value: u64) -> Result<SeccompRule, ConfineError> {
    Ok(SeccompRule::new(vec![SeccompCondition::new(
        argument,
        Len::Dword,
        operator,
        value,
    )?])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_compile() {
        assert!(!allow_filter().expect("allow list").is_empty());
        assert!(!clone3_filter().expect("clone3").is_empty());
    }

    #[test]
    fn root_is_refused() {
        assert!(matches!(confine(0, 7), Err(ConfineError::Root)));
        assert!(matches!(confine(7, 0), Err(ConfineError::Root)));
    }
}
