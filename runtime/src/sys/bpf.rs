//! bpf(2): the commands that a device filter of a cgroup needs. The structs are the leading parts of the kernel's
//! `union bpf_attr` for each command; the kernel takes what is missing as zero.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const PROG_DETACH: i32 = 9;
const PROG_GET_FD_BY_ID: i32 = 13;
const OBJ_GET_INFO_BY_FD: i32 = 15;
const PROG_QUERY: i32 = 16;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// Programs of others in the same cgroup stay, and all must allow.
const ALLOW_MULTI: u32 = 2;
const NAME: [u8; 16] = *b"nemoclaw_device\0";
const LICENCE: &[u8] = b"Dual BSD/GPL\0";
/// The most programs that the kernel attaches to one cgroup.
const ATTACHED_MOST: usize = 64;

/// The most instructions of a program.
pub const PROGRAM_MOST: usize = 1_000_000;

#[repr(C)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
}

#[repr(C)]
struct ProgAttach {
    target: u32,
    prog: u32,
    attach_type: u32,
    flags: u32,
}

/// Whole: some kernels write the last field whatever size they are told.
#[repr(C)]
struct ProgQuery {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    padding: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

#[repr(C)]
struct GetId {
    id: u32,
    next_id: u32,
    open_flags: u32,
}

#[repr(C)]
struct ObjGetInfo {
    fd: u32,
    len: u32,
    info: u64,
}

/// The leading part of `struct bpf_prog_info`, up to the name.
#[repr(C)]
#[derive(Default)]
struct ProgInfo {
    prog_type: u32,
    id: u32,
    tag: [u8; 8],
    jited_len: u32,
    translated_len: u32,
    jited: u64,
    translated: u64,
    load_time: u64,
    uid: u32,
    map_count: u32,
    maps: u64,
    name: [u8; 16],
}

/// Load a program that is asked about devices.
///
/// # Errors
/// No right to, or the verifier refuses it.
pub fn load_device_filter(program: &[u64]) -> Result<OwnedFd, Errno> {
    let attributes = ProgLoad {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(program.len()).map_err(|_| Errno::E2BIG)?,
        insns: program.as_ptr() as u64,
        license: LICENCE.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
        prog_name: NAME,
        prog_ifindex: 0,
        expected_attach_type: ATTACH_CGROUP_DEVICE,
    };
    // SAFETY: BPF_PROG_LOAD reads `insn_cnt` instructions of 8 bytes from `program`, which is that long and borrowed
    // until the call returns, and the zero-ended static licence text. There is no log buffer to write to. Whatever the
    // instructions say is checked by the kernel's verifier. The result is a new descriptor.
    unsafe { bpf_descriptor(PROG_LOAD, &attributes) }
}

/// Have `program` asked about every use of a device in a cgroup, for as long as the cgroup is there.
///
/// # Errors
/// No right to, or too many programs are attached.
pub fn attach_device_filter(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<(), Errno> {
    let attributes = ProgAttach {
        target: number(cgroup.as_raw_fd())?,
        prog: number(program.as_raw_fd())?,
        attach_type: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    // SAFETY: BPF_PROG_ATTACH reads `attributes`, which holds no pointer.
    unsafe { bpf(PROG_ATTACH, &attributes) }.map(drop)
}

/// Have it asked no more.
///
/// # Errors
/// It is not attached there.
pub fn detach_device_filter(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<(), Errno> {
    let attributes = ProgAttach {
        target: number(cgroup.as_raw_fd())?,
        prog: number(program.as_raw_fd())?,
        attach_type: ATTACH_CGROUP_DEVICE,
        flags: 0,
    };
    // SAFETY: BPF_PROG_DETACH reads `attributes`, which holds no pointer.
    unsafe { bpf(PROG_DETACH, &attributes) }.map(drop)
}

/// The ids of the programs that are attached to this very cgroup.
///
/// # Errors
/// No right to ask.
pub fn device_filters(cgroup: BorrowedFd<'_>) -> Result<Vec<u32>, Errno> {
    let mut ids = [0_u32; ATTACHED_MOST];
    let mut attributes = ProgQuery {
        target: number(cgroup.as_raw_fd())?,
        attach_type: ATTACH_CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: u32::try_from(ids.len()).map_err(|_| Errno::E2BIG)?,
        padding: 0,
        prog_attach_flags: 0,
        link_ids: 0,
        link_attach_flags: 0,
        revision: 0,
    };
    // SAFETY: BPF_PROG_QUERY writes at most `prog_cnt` ids to `ids`, which has as many and is not looked at until the
    // call has returned; the count, the flags and the revision it writes into `attributes`, which is borrowed mutably.
    unsafe { bpf_mut(PROG_QUERY, &mut attributes) }?;
    let count = usize::try_from(attributes.prog_cnt).unwrap_or(0);
    Ok(ids.into_iter().take(count).collect())
}

/// Take hold of a program.
///
/// # Errors
/// There is none with this id.
pub fn program_by_id(id: u32) -> Result<OwnedFd, Errno> {
    let attributes = GetId {
        id,
        next_id: 0,
        open_flags: 0,
    };
    // SAFETY: BPF_PROG_GET_FD_BY_ID reads `attributes`, which holds no pointer, and returns a new descriptor.
    unsafe { bpf_descriptor(PROG_GET_FD_BY_ID, &attributes) }
}

/// Whether a program has the name that [`load_device_filter`] gives.
///
/// # Errors
/// Not a program.
pub fn is_ours(program: BorrowedFd<'_>) -> Result<bool, Errno> {
    let mut info = ProgInfo::default();
    let mut attributes = ObjGetInfo {
        fd: number(program.as_raw_fd())?,
        len: u32::try_from(size_of::<ProgInfo>()).map_err(|_| Errno::E2BIG)?,
        info: &raw mut info as u64,
    };
    // SAFETY: BPF_OBJ_GET_INFO_BY_FD reads and writes at most `len` bytes at `info`, which is that large; all counts in
    // it are zero, so that it follows none of its addresses. It writes the length into `attributes`, which is borrowed
    // mutably. `info` is looked at only after the call has returned.
    unsafe { bpf_mut(OBJ_GET_INFO_BY_FD, &mut attributes) }?;
    Ok(info.name == NAME)
}

fn number(raw: RawFd) -> Result<u32, Errno> {
    u32::try_from(raw).map_err(|_| Errno::EBADF)
}

/// # Safety
/// `attributes` is the leading part of `union bpf_attr` for `command`, which writes nothing to it, and every address in
/// it is valid for what that command reads or writes there until this returns.
unsafe fn bpf<T>(command: i32, attributes: &T) -> Result<libc::c_long, Errno> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes from the borrowed `attributes`; the rest is the caller's promise.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attributes),
            size_of::<T>(),
        )
    };
    Errno::result(result)
}

/// # Safety
/// As for [`bpf`], but the command may write to `attributes`.
unsafe fn bpf_mut<T>(command: i32, attributes: &mut T) -> Result<libc::c_long, Errno> {
    // SAFETY: the kernel reads and writes `size_of::<T>()` bytes of the mutably borrowed `attributes`; the rest is the
    // caller's promise.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<T>(),
        )
    };
    Errno::result(result)
}

/// # Safety
/// As for [`bpf`], and `command` returns a new descriptor.
unsafe fn bpf_descriptor<T>(command: i32, attributes: &T) -> Result<OwnedFd, Errno> {
    // SAFETY: the caller's promise is the same.
    let raw = unsafe { bpf(command, attributes) }?;
    let raw = i32::try_from(raw).map_err(|_| Errno::EOVERFLOW)?;
    // SAFETY: `command` just made `raw` for this process (close-on-exec), and nothing else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}
