//! Keeping a box from overwriting this binary (CVE-2019-5736).
//!
//! A process that enters a box can be opened from inside as `/proc/PID/exe`. So the verbs that enter one run from a
//! read-only mount of the binary that lies in no namespace: whoever opens the file through it cannot write, and nobody
//! can make that mount writable again. Where such a mount cannot be made they run from a sealed copy in memory, which
//! costs some milliseconds. Other verbs enter nothing.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::statvfs::{FsFlags, fstatvfs};

use super::mount::{self, Attributes, Reach};
use super::openat2;

/// The variable that tells the protected process where its binary lies on disk.
const ORIGIN: &str = "_NEMOCLAW_RUNTIME_ORIGIN";
const MFD_EXEC: libc::c_uint = 0x10;
const OWN: &str = "/proc/self/exe";
/// The kernel may hold a page of a copy for a moment; this long, and so often, it is asked again.
const AGAIN: Duration = Duration::from_millis(5);
const TRIES: u32 = 40;

/// Where the binary lies on disk, also when this process is protected.
///
/// # Errors
/// `/proc` cannot be read.
pub fn binary() -> io::Result<PathBuf> {
    match std::env::var_os(ORIGIN) {
        Some(path) if is_protected()? => Ok(PathBuf::from(path)),
        _ => std::env::current_exe(),
    }
}

/// Run this program again where nobody can write it, with the same arguments; returns at once when it is so.
///
/// # Errors
/// Neither way works.
pub fn ensure() -> io::Result<()> {
    if is_protected()? {
        return Ok(());
    }
    let origin = std::env::current_exe()?;
    let program = match read_only(Path::new(OWN)) {
        Ok(program) => program,
        Err(_) => sealed_copy()?,
    };
    let arguments = std::env::args_os()
        .map(c_string)
        .collect::<io::Result<Vec<_>>>()?;
    let mut environment = std::env::vars_os()
        .filter(|(name, _)| name != OsStr::new(ORIGIN))
        .map(|(name, value)| variable(name, value.as_os_str()))
        .collect::<io::Result<Vec<_>>>()?;
    environment.push(variable(OsString::from(ORIGIN), origin.as_os_str())?);
    match nix::unistd::fexecve(program.as_raw_fd(), &arguments, &environment) {
        Ok(never) => match never {},
        Err(error) => Err(error.into()),
    }
}

/// Whether this process runs from a mount that is only the binary and read-only, or from a sealed file in memory.
fn is_protected() -> io::Result<bool> {
    let own = File::open(OWN)?;
    let flags = fstatvfs(&own)?.flags();
    if flags.contains(FsFlags::ST_RDONLY) && openat2::is_mount_root(own.as_fd())? {
        return Ok(true);
    }
    match fcntl(own.as_raw_fd(), FcntlArg::F_GET_SEALS) {
        Ok(bits) => Ok(SealFlag::from_bits_truncate(bits).contains(seals())),
        // Files that are not in memory have no seals.
        Err(Errno::EINVAL) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A file through a read-only mount of its own, in no namespace.
fn read_only(path: &Path) -> Result<OwnedFd, Errno> {
    let own = openat2::open_host(path, OFlag::O_PATH)?;
    let mount = mount::clone_tree(own.as_fd(), Reach::One)?;
    let set = Attributes::READ_ONLY.and(Attributes::NO_SUID);
    mount::change(mount.as_fd(), Reach::One, set, Attributes::default())?;
    Ok(mount)
}

fn seals() -> SealFlag {
    SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE
}

fn sealed_copy() -> io::Result<OwnedFd> {
    let mut source = File::open(OWN)?;
    let copy = match memory_file(MFD_EXEC) {
        // Kernels before 6.3 know no such flag; their memory files can always be run.
        Err(Errno::EINVAL) => memory_file(0)?,
        other => other?,
    };
    let mut target = File::from(copy);
    io::copy(&mut source, &mut target)?;
    let mut tries = 0;
    loop {
        match fcntl(target.as_raw_fd(), FcntlArg::F_ADD_SEALS(seals())) {
            Ok(_) => return Ok(target.into()),
            Err(Errno::EBUSY) if tries < TRIES => {
                tries += 1;
                std::thread::sleep(AGAIN);
            }
            Err(error) => return Err(error.into()),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_cannot_be_written_through_its_read_only_mount_and_a_copy_is_sealed() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        // Not the running binary, which is busy for writers in any case.
        let file = tempfile::NamedTempFile::new().expect("file");
        let mount = read_only(file.path()).expect("mount");
        let again = format!("/proc/self/fd/{}", mount.as_raw_fd());
        let refused = File::options().write(true).open(&again);
        let refused = refused.expect_err("refused").raw_os_error();
        assert_eq!(refused, Some(libc::EROFS));
        let copy = sealed_copy().expect("copy");
        assert!(nix::unistd::write(&copy, b"x").is_err());
    }
}
