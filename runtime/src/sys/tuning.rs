//! How the kernel treats the calling process: processor time, disk time, memory nodes, personality.

use nix::errno::Errno;

#[cfg(test)]
mod tests;

/// Which process `ioprio_set(2)` is told of, and that it is the caller.
const WHO_PROCESS: libc::c_int = 1;
const SELF: libc::c_int = 0;

/// What `sched_setattr(2)` takes, as the kernel's `struct sched_attr` of Linux 5.3.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// Bytes of this struct; [`set_scheduling`] fills it in.
    pub size: u32,
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// For the policies that share: -20 to 19.
    pub nice: i32,
    /// For the policies that go first: 1 to 99.
    pub priority: u32,
    /// For `SCHED_DEADLINE`, in nanoseconds.
    pub runtime: u64,
    /// For `SCHED_DEADLINE`, in nanoseconds.
    pub deadline: u64,
    /// For `SCHED_DEADLINE`, in nanoseconds.
    pub period: u64,
    /// Of 1024.
    pub least_use: u32,
    /// Of 1024.
    pub most_use: u32,
}

/// Set how this process gets processor time.
///
/// # Errors
/// The kernel's error.
pub fn set_scheduling(scheduling: Scheduling) -> Result<(), Errno> {
    let size = u32::try_from(size_of::<Scheduling>()).map_err(|_| Errno::EOVERFLOW)?;
    let scheduling = Scheduling { size, ..scheduling };
    // SAFETY: `scheduling` has the layout of the kernel's struct and says its own size; it lives until the call returns,
    // and the kernel only reads it (it writes the size, had it been wrong, which the variable has room for).
    let result = unsafe {
        libc::syscall(
            libc::SYS_sched_setattr,
            SELF,
            &raw const scheduling,
            libc::c_uint::default(),
        )
    };
    Errno::result(result).map(drop)
}

/// Set how this process gets disk time: the class in the bits from 13 on, the level in those below.
///
/// # Errors
/// The kernel's error.
pub fn set_io_priority(value: libc::c_int) -> Result<(), Errno> {
    // SAFETY: the call takes three numbers.
    let result = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, SELF, value) };
    Errno::result(result).map(drop)
}

/// Set the personality of this process and of what it executes.
///
/// # Errors
/// The kernel's error.
pub fn set_personality(value: libc::c_ulong) -> Result<(), Errno> {
    // SAFETY: the call takes a number.
    let result = unsafe { libc::personality(value) };
    Errno::result(result).map(drop)
}

/// Set from which nodes this process gets memory. `nodes` has a bit for each.
///
/// # Errors
/// The kernel's error.
pub fn set_memory_policy(mode: libc::c_int, nodes: &[u64]) -> Result<(), Errno> {
    let (pointer, bits) = if nodes.is_empty() {
        (std::ptr::null(), 0)
    } else {
        // The kernel takes one bit less than it is told.
        (nodes.as_ptr(), nodes.len() * 64 + 1)
    };
    // SAFETY: `nodes` lives until the call returns; the kernel reads the words that hold `bits - 1` bits, which are all
    // of `nodes`, and writes nothing. Null with zero bits means no nodes.
    let result = unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, pointer, bits) };
    Errno::result(result).map(drop)
}

/// Set on which processors this process may run. `processors` has a bit for each.
///
/// # Errors
/// The kernel's error.
pub fn set_affinity(processors: &[u64]) -> Result<(), Errno> {
    // SAFETY: `processors` lives until the call returns; the kernel reads the bytes it is told of, and writes nothing.
    let result = unsafe {
        libc::syscall(
            libc::SYS_sched_setaffinity,
            SELF,
            size_of_val(processors),
            processors.as_ptr(),
        )
    };
    Errno::result(result).map(drop)
}
