//! Users, groups and capability sets of this process, by the kernel's own calls: the C library's change all threads, and
//! a box's first process has one.

use nix::errno::Errno;

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The three sets that `capset` takes, a bit per capability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sets {
    /// In use.
    pub effective: u64,
    /// May be used.
    pub permitted: u64,
    /// Kept across exec, with a file's.
    pub inheritable: u64,
}

/// Whether a change of user keeps the permitted capabilities.
///
/// # Errors
/// The kernel's error.
pub fn keep_capabilities(keep: bool) -> Result<(), Errno> {
    // SAFETY: prctl(PR_SET_KEEPCAPS) takes integers only.
    let result = unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, libc::c_ulong::from(keep), 0, 0, 0) };
    Errno::result(result).map(drop)
}

/// Become `uid` and `gid` with `groups`.
///
/// # Errors
/// The kernel's error, `EINVAL` for an id that the user namespace does not map.
pub fn become_user(uid: u32, gid: u32, groups: Option<&[u32]>) -> Result<(), Errno> {
    if let Some(groups) = groups {
        // SAFETY: `groups` is a valid slice of `gid_t` whose length is passed; the kernel only reads it.
        let result = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
        Errno::result(result)?;
    }
    // SAFETY: three integers.
    Errno::result(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    // SAFETY: three integers.
    Errno::result(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })?;
    Ok(())
}

/// The three sets as they are.
///
/// # Errors
/// The kernel's error.
pub fn capabilities() -> Result<Sets, Errno> {
    let mut header = Header {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 takes a header and two data entries, all of which live across the call.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    Errno::result(result)?;
    let join = |of: fn(&Data) -> u32| u64::from(of(&data[0])) | (u64::from(of(&data[1])) << 32);
    Ok(Sets {
        effective: join(|half| half.effective),
        permitted: join(|half| half.permitted),
        inheritable: join(|half| half.inheritable),
    })
}

/// Replace the three sets.
///
/// # Errors
/// The kernel's error, `EPERM` for a permitted capability that this process does not have.
pub fn set_capabilities(sets: Sets) -> Result<(), Errno> {
    let mut header = Header {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let half = |shift: u32| {
        let of = |set: u64| u32::try_from((set >> shift) & u64::from(u32::MAX)).unwrap_or_default();
        Data {
            effective: of(sets.effective),
            permitted: of(sets.permitted),
            inheritable: of(sets.inheritable),
        }
    };
    let data = [half(0), half(32)];
    // SAFETY: version 3 takes a header and two data entries, all of which live across the call; the kernel reads them.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) };
    Errno::result(result).map(drop)
}

/// Whether the bounding set holds a capability; `EINVAL` for a number that this kernel does not know.
///
/// # Errors
/// The kernel's error.
pub fn in_bounding(capability: u8) -> Result<bool, Errno> {
    // SAFETY: integers only.
    let result = unsafe {
        libc::prctl(
            libc::PR_CAPBSET_READ,
            libc::c_ulong::from(capability),
            0,
            0,
            0,
        )
    };
    Errno::result(result).map(|held| held == 1)
}

/// Take a capability out of the bounding set.
///
/// # Errors
/// The kernel's error.
pub fn drop_bounding(capability: u8) -> Result<(), Errno> {
    // SAFETY: integers only.
    let result = unsafe {
        libc::prctl(
            libc::PR_CAPBSET_DROP,
            libc::c_ulong::from(capability),
            0,
            0,
            0,
        )
    };
    Errno::result(result).map(drop)
}

/// Empty the ambient set.
///
/// # Errors
/// The kernel's error.
pub fn clear_ambient() -> Result<(), Errno> {
    // SAFETY: integers only.
    let result = unsafe {
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        )
    };
    Errno::result(result).map(drop)
}

/// Put a capability into the ambient set.
///
/// # Errors
/// The kernel's error, `EPERM` when it is not permitted and inheritable.
pub fn raise_ambient(capability: u8) -> Result<(), Errno> {
    // SAFETY: integers only.
    let result = unsafe {
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_RAISE,
            libc::c_ulong::from(capability),
            0,
            0,
        )
    };
    Errno::result(result).map(drop)
}

/// Keep other processes from looking into this one, until it execs.
///
/// # Errors
/// The kernel's error.
pub fn hide() -> Result<(), Errno> {
    // SAFETY: integers only.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }).map(drop)
}

/// Set a limit of another process.
///
/// # Errors
/// The kernel's error, `EPERM` for a raised hard limit without `CAP_SYS_RESOURCE`.
pub fn limit(pid: nix::unistd::Pid, resource: u32, soft: u64, hard: u64) -> Result<(), Errno> {
    let new = libc::rlimit64 {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the kernel reads one `struct rlimit64` that lives across the call, and writes no old one to null.
    let result = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            pid.as_raw(),
            resource,
            &raw const new,
            std::ptr::null_mut::<libc::rlimit64>(),
        )
    };
    Errno::result(result).map(drop)
}
