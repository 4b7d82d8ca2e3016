//! Reading and writing a cgroup's files, which are never created: one that is not there is a limit that is not there.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// The text of a file of `directory`.
pub(super) fn read(directory: &Path, file: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(directory.join(file))?.read_to_string(&mut text)?;
    Ok(text)
}

/// Write `value` in one call, as the kernel wants it.
pub(super) fn write(directory: &Path, file: &str, value: &str) -> io::Result<()> {
    let mut file = File::options().write(true).open(directory.join(file))?;
    file.write_all(value.as_bytes())
}

/// The number of a file with one number; `max` is the largest.
pub(super) fn number(directory: &Path, file: &str) -> Option<u64> {
    match read(directory, file).ok()?.trim() {
        "max" => Some(u64::MAX),
        // Version 1 has `-1` where a limit is not set.
        text if text.starts_with('-') => Some(u64::MAX),
        text => text.parse().ok(),
    }
}

/// A counter of a text of names and numbers.
pub(super) fn counter(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(key, _)| *key == name)
        .and_then(|(_, number)| number.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_that_of_the_whole_name() {
        let text = "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n";
        assert_eq!(counter(text, "oom_kill"), Some(2));
        assert_eq!(counter(text, "none"), None);
    }

    #[test]
    fn a_missing_file_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let error = write(directory.path(), "pids.max", "1").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        std::fs::write(directory.path().join("pids.max"), "max\n").unwrap();
        assert_eq!(number(directory.path(), "pids.max"), Some(u64::MAX));
    }
}
