//! A policy file is replaced in one step: whoever looks sees the old text or the new one, with the same owner and mode.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Put `text` in the place of `before` in the file at `path`, or behind it where it is a link.
///
/// # Errors
/// The file is no plain file, holds something else by now, or cannot be written; it is then as it was.
pub fn file(path: &Path, before: &str, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let meta = fs::symlink_metadata(&path)?;
    if !meta.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("it has no directory"));
    };
    let name = name.to_string_lossy();
    let fresh = directory.join(format!(".{name}.new-{}", std::process::id()));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    let moved = write(&file, &meta, text).and_then(|()| {
        if fs::read(&path)? != before.as_bytes() {
            return Err(io::Error::other("somebody else has changed it meanwhile"));
        }
        fs::rename(&fresh, &path)
    });
    if moved.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&fresh);
    }
    moved
}

fn write(mut file: &File, like: &fs::Metadata, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    std::os::unix::fs::fchown(file, Some(like.uid()), Some(like.gid()))?;
    file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_mode_and_a_link_stays_a_link() {
        let place = tempfile::tempdir().unwrap();
        let (real, link) = (place.path().join("real.yaml"), place.path().join("p.yaml"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        file(&link, "old", "new").unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_somebody_else_changed_stays_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("p.yaml");
        fs::write(&path, "theirs").unwrap();
        assert!(file(&path, "old", "new").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
