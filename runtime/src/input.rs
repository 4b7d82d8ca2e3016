//! Reading what others wrote: no fifo holds a verb up, and no length of a file eats the memory.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::libc;

/// The longest configuration, in bytes: those of engines have some 50 KiB, and what is made of it is ten times as long.
pub const LONGEST_CONFIG: u64 = 4 << 20;
/// The longest file of our own state: it repeats parts of the configuration, with filters.
pub const LONGEST_STATE: u64 = 16 << 20;

/// All bytes of a regular file.
///
/// # Errors
/// It cannot be read, is no file, or is longer than `longest`.
pub fn file(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    // Where nobody writes, the open of a fifo would wait for ever.
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() {
        let name = match kind {
            _ if kind.is_dir() => "a directory",
            _ if kind.is_fifo() => "a fifo",
            _ => "a device",
        };
        return Err(io::Error::other(format!("it is {name}, not a file")));
    }
    stream(file, longest)
}

/// All bytes of a stream.
///
/// # Errors
/// It cannot be read, or is longer than `longest`.
pub fn stream(stream: impl Read, longest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(longest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        let longest = longest >> 20;
        return Err(io::Error::other(format!("it is longer than {longest} MiB")));
    }
    Ok(bytes)
}
