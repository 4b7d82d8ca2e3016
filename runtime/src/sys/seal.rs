//! Keeping a box from overwriting this binary (CVE-2019-5736).
//!
//! A process that enters a box can be opened from inside as `/proc/PID/exe`. So the verbs that enter one run from a
//! sealed copy in memory, which nobody can write. Other verbs enter nothing and skip the copy, which costs time.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};

/// The variable that tells the sealed copy where its binary lies on disk.
const ORIGIN: &str = "_NEMOCLAW_RUNTIME_ORIGIN";
const MFD_EXEC: libc::c_uint = 0x10;

/// Where the binary lies on disk, also when this process runs from a sealed copy.
///
/// # Errors
/// `/proc` cannot be read.
pub fn binary() -> io::Result<PathBuf> {
    match std::env::var_os(ORIGIN) {
        Some(path) if is_sealed()? => Ok(PathBuf::from(path)),
        _ => std::env::current_exe(),
    }
}

/// Run this program again from a sealed copy, with the same arguments; returns at once in the copy.
///
/// # Errors
/// The copy could not be made or run.
pub fn ensure() -> io::Result<()> {
    if is_sealed()? {
        return Ok(());
    }
    let origin = std::env::current_exe()?;
    let copy = sealed_copy()?;
    let arguments = std::env::args_os()
        .map(c_string)
        .collect::<io::Result<Vec<_>>>()?;
    let mut environment = std::env::vars_os()
        .filter(|(name, _)| name != OsStr::new(ORIGIN))
        .map(|(name, value)| variable(name, value.as_os_str()))
        .collect::<io::Result<Vec<_>>>()?;
    environment.push(variable(OsString::from(ORIGIN), origin.as_os_str())?);
    match nix::unistd::fexecve(copy.as_raw_fd(), &arguments, &environment) {
        Ok(never) => match never {},
        Err(error) => Err(error.into()),
    }
}

fn is_sealed() -> io::Result<bool> {
    let own = File::open("/proc/self/exe")?;
    let wanted = seals();
    match fcntl(own.as_raw_fd(), FcntlArg::F_GET_SEALS) {
        Ok(bits) => Ok(SealFlag::from_bits_truncate(bits).contains(wanted)),
        // Files that are not in memory have no seals.
        Err(Errno::EINVAL) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn seals() -> SealFlag {
    SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE
}

fn sealed_copy() -> io::Result<OwnedFd> {
    let mut source = File::open("/proc/self/exe")?;
    let copy = match memory_file(MFD_EXEC) {
        // Kernels before 6.3 know no such flag; their memory files can always be run.
        Err(Errno::EINVAL) => memory_file(0)?,
        other => other?,
    };
    let mut target = File::from(copy);
    io::copy(&mut source, &mut target)?;
    fcntl(target.as_raw_fd(), FcntlArg::F_ADD_SEALS(seals()))?;
    Ok(target.into())
}

fn memory_file(extra: libc::c_uint) -> Result<OwnedFd, Errno> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | extra;
    // SAFETY: the name is a C string that outlives the call; the kernel copies it.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_create, c"nemoclaw-runtime".as_ptr(), flags) };
    let fd = i32::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the call just returned `fd` as a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn variable(mut name: OsString, value: &OsStr) -> io::Result<CString> {
    name.push("=");
    name.push(value);
    c_string(name)
}

fn c_string(text: OsString) -> io::Result<CString> {
    CString::new(text.into_vec()).map_err(|error| {
        let bytes = error.into_vec();
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{:?} holds a zero byte", OsStr::from_bytes(&bytes)),
        )
    })
}
