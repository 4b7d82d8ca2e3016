//! bpf(2): the four commands that the capture needs. The structs are the leading parts of the kernel's `union bpf_attr`
//! for each command; the kernel takes what is missing as zero.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

const MAP_CREATE: i32 = 0;
const MAP_UPDATE_ELEM: i32 = 2;
const PROG_LOAD: i32 = 5;
const LINK_CREATE: i32 = 28;
const MAP_TYPE_SOCKMAP: u32 = 15;
const PROG_TYPE_SK_LOOKUP: u32 = 30;
const ATTACH_SK_LOOKUP: u32 = 36;
const NAME: [u8; 16] = *b"nemoclaw_egress\0";
const LICENCE: &[u8] = b"Dual BSD/GPL\0";

#[repr(C)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

#[repr(C)]
struct MapUpdate {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

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
struct LinkCreate {
    prog: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
}

/// A map from small numbers to sockets.
///
/// # Errors
/// No right to, or no such map in this kernel.
pub fn socket_map(entries: u32) -> Result<OwnedFd, Errno> {
    let attributes = MapCreate {
        map_type: MAP_TYPE_SOCKMAP,
        key_size: 4,
        value_size: 8,
        max_entries: entries,
    };
    // SAFETY: BPF_MAP_CREATE reads `attributes`, which holds no pointer, and returns a new descriptor.
    unsafe { bpf_descriptor(MAP_CREATE, &attributes) }
}

/// Put `socket` at `key`.
///
/// # Errors
/// The socket cannot stand in a map.
pub fn put_socket(map: BorrowedFd<'_>, key: u32, socket: BorrowedFd<'_>) -> Result<(), Errno> {
    let value = u64::from(number(socket.as_raw_fd())?);
    let attributes = MapUpdate {
        map: number(map.as_raw_fd())?,
        padding: 0,
        key: &raw const key as u64,
        value: &raw const value as u64,
        flags: 0,
    };
    // SAFETY: BPF_MAP_UPDATE_ELEM reads the key and value that `attributes` points to: 4 and 8 bytes, as `socket_map`
    // made every map of ours; both are locals that live until the call returns. The kernel writes to neither.
    unsafe { bpf(MAP_UPDATE_ELEM, &attributes) }.map(drop)
}

/// Load an `sk_lookup` program.
///
/// # Errors
/// No right to, or the verifier refuses it (an older kernel).
pub fn load_sk_lookup(program: &[u64]) -> Result<OwnedFd, Errno> {
    let attributes = ProgLoad {
        prog_type: PROG_TYPE_SK_LOOKUP,
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
        expected_attach_type: ATTACH_SK_LOOKUP,
    };
    // SAFETY: BPF_PROG_LOAD reads `insn_cnt` instructions of 8 bytes from `program`, which is that long and borrowed
    // until the call returns, and the zero-ended static licence text. There is no log buffer to write to. Whatever the
    // instructions say is checked by the kernel's verifier. The result is a new descriptor.
    unsafe { bpf_descriptor(PROG_LOAD, &attributes) }
}

/// Attach an `sk_lookup` program to a network namespace, for as long as the link is held by anyone.
///
/// # Errors
/// The namespace is gone, or too many programs are attached.
pub fn link_to_namespace(
    program: BorrowedFd<'_>,
    namespace: BorrowedFd<'_>,
) -> Result<OwnedFd, Errno> {
    let attributes = LinkCreate {
        prog: number(program.as_raw_fd())?,
        target: number(namespace.as_raw_fd())?,
        attach_type: ATTACH_SK_LOOKUP,
        flags: 0,
    };
    // SAFETY: BPF_LINK_CREATE reads `attributes`, which holds no pointer, and returns a new descriptor.
    unsafe { bpf_descriptor(LINK_CREATE, &attributes) }
}

fn number(raw: RawFd) -> Result<u32, Errno> {
    u32::try_from(raw).map_err(|_| Errno::EBADF)
}

/// # Safety
/// `attributes` is the leading part of `union bpf_attr` for `command`, and every address in it is valid for what that
/// command reads or writes there until this returns.
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
/// As for [`bpf`], and `command` returns a new descriptor.
unsafe fn bpf_descriptor<T>(command: i32, attributes: &T) -> Result<OwnedFd, Errno> {
    // SAFETY: the caller's promise is the same.
    let raw = unsafe { bpf(command, attributes) }?;
    let raw = i32::try_from(raw).map_err(|_| Errno::EOVERFLOW)?;
    // SAFETY: `command` just made `raw` for this process (close-on-exec), and nothing else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}
