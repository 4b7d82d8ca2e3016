//! While hooks run, this process's standard error is a file in the box's directory.
//!
//! libcontainer gives hooks the caller's standard error, which is the box's own: what a hook prints would stand between
//! the agent's words. In the file it still serves the sentence that tells why a hook failed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc::STDERR_FILENO;
use nix::unistd::dup2;

/// What hooks print, in the box's directory.
pub const HOOKS_LOG: &str = "hooks.log";
/// How much of it a sentence takes.
const LONGEST_TAIL: usize = 2048;

/// Standard error is set aside until this is dropped.
#[derive(Debug)]
pub struct Aside {
    own: OwnedFd,
}

impl Aside {
    /// Set it aside.
    ///
    /// # Errors
    /// The file cannot be opened, or no descriptor is left.
    pub fn new(box_dir: &Path) -> io::Result<Aside> {
        let log = open(box_dir)?;
        let own = io::stderr().as_fd().try_clone_to_owned()?;
        dup2(log.as_raw_fd(), STDERR_FILENO)?;
        Ok(Aside { own })
    }

    /// The standard error that was set aside, for the box.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn own(&self) -> io::Result<OwnedFd> {
        self.own.try_clone()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Both descriptors are open, so this fails only when a signal interrupts it.
        while dup2(self.own.as_raw_fd(), STDERR_FILENO) == Err(nix::errno::Errno::EINTR) {}
    }
}

/// The file, for appending.
///
/// # Errors
/// It cannot be opened.
pub fn open(box_dir: &Path) -> io::Result<File> {
    File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(box_dir.join(HOOKS_LOG))
}

/// The last lines that hooks printed; empty when they printed nothing.
#[must_use]
pub fn last_words(box_dir: &Path) -> String {
    let text = std::fs::read(box_dir.join(HOOKS_LOG)).unwrap_or_default();
    tail(&text)
}

/// The last whole lines of `text`, or the end of its last line when that is too long itself.
#[must_use]
pub fn tail(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text = text.trim();
    let from = text.len().saturating_sub(LONGEST_TAIL);
    let rest = &text[text.ceil_char_boundary(from)..];
    match rest.split_once('\n') {
        Some((_, whole)) if from > 0 => whole.to_owned(),
        _ => rest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_its_own_tail() {
        assert_eq!(tail(b"one\ntwo\n"), "one\ntwo");
        assert_eq!(tail(b" \n"), "");
    }

    #[test]
    fn a_long_text_ends_with_whole_lines() {
        let text = format!("{}\nlast one\nlast two\n", "x".repeat(LONGEST_TAIL));
        assert_eq!(tail(text.as_bytes()), "last one\nlast two");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let line = "ä".repeat(LONGEST_TAIL);
        let end = tail(line.as_bytes());
        assert!(end.len() <= LONGEST_TAIL && line.ends_with(&end));
    }
}
