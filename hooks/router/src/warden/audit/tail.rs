//! The end of a file of lines: the last whole one, and what to do with half a one.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How much is read at once, from the end.
const CHUNK: u64 = 64 * 1024;

/// Cut off what stands behind the last line feed: a warden was killed while it wrote. The size then.
pub fn heal(file: &File) -> io::Result<u64> {
    let size = file.metadata()?.len();
    let whole = feed_before(file, size)?.map_or(0, |at| at + 1);
    if whole < size {
        file.set_len(whole)?;
    }
    Ok(whole)
}

/// The last line of a file whose `size` bytes end with a line feed; `None` when it has none.
pub fn last_line(file: &File, size: u64) -> io::Result<Option<String>> {
    let Some(end) = size.checked_sub(1) else {
        return Ok(None);
    };
    let begin = feed_before(file, end)?.map_or(0, |at| at + 1);
    let length = usize::try_from(end - begin).map_err(io::Error::other)?;
    let mut line = vec![0; length];
    file.read_exact_at(&mut line, begin)?;
    // Bytes that are no text are no record, and are told so.
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

/// The last whole line of the file at `path`.
pub fn last_line_of(path: &Path) -> io::Result<Option<String>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let whole = feed_before(&file, size)?.map_or(0, |at| at + 1);
    last_line(&file, whole)
}

/// Where the last line feed before `end` stands.
fn feed_before(file: &File, mut end: u64) -> io::Result<Option<u64>> {
    while end > 0 {
        let begin = end.saturating_sub(CHUNK);
        let length = usize::try_from(end - begin).map_err(io::Error::other)?;
        let mut chunk = vec![0; length];
        file.read_exact_at(&mut chunk, begin)?;
        if let Some(at) = chunk.iter().rposition(|byte| *byte == b'\n') {
            return Ok(Some(begin + at as u64));
        }
        end = begin;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_cut_off_and_the_last_whole_one_found_however_long() {
        let root = tempfile::tempdir().expect("directory");
        let path = root.path().join("lines");
        let long = "x".repeat(3 * usize::try_from(CHUNK).expect("small"));
        for (text, whole, last) in [
            (String::new(), 0, None),
            ("half".to_owned(), 0, None),
            (
                format!("one\n{long}\nhalf"),
                5 + long.len(),
                Some(long.as_str()),
            ),
            (format!("one\n{long}"), 4, Some("one")),
            ("one\ntwo\n".to_owned(), 8, Some("two")),
        ] {
            std::fs::write(&path, &text).expect("write");
            assert_eq!(last_line_of(&path).expect("read").as_deref(), last);
            let file = File::options()
                .read(true)
                .append(true)
                .open(&path)
                .expect("open");
            let size = heal(&file).expect("healed");
            assert_eq!(size, whole as u64);
            assert_eq!(std::fs::metadata(&path).expect("file").len(), size);
            assert_eq!(last_line(&file, size).expect("read").as_deref(), last);
        }
    }
}
