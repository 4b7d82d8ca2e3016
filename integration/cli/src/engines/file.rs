//! The file on the disk: read, replaced in one step, and its first text kept beside it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// An engine's file.
#[derive(Debug)]
pub struct ConfigFile {
    /// Where it is; a link is followed, and stays.
    pub path: PathBuf,
    /// Its text; nothing when there is no file.
    pub text: String,
    exists: bool,
}

impl ConfigFile {
    /// Read it. A missing file is an empty one.
    pub fn read(path: &Path) -> io::Result<Self> {
        let path = fs::canonicalize(path).or_else(|_| std::path::absolute(path))?;
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self {
                path,
                text,
                exists: true,
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self {
                path,
                text: String::new(),
                exists: false,
            }),
            Err(error) => Err(error),
        }
    }

    /// Where the text before our first change is kept.
    pub fn backup(&self) -> PathBuf {
        beside(&self.path, ".before-nemoclaw")
    }

    /// The text before our first change; `None` when there was no file, or no change.
    pub fn before(&self) -> Option<String> {
        fs::read_to_string(self.backup()).ok()
    }

    /// Write a new text. `keep` also keeps the old one; gives where.
    pub fn replace(&self, text: &str, keep: bool) -> io::Result<Option<PathBuf>> {
        let kept = (keep && self.exists).then(|| self.backup());
        if let Some(kept) = &kept {
            self.put(kept, &self.text)?;
        } else if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent)?;
        }
        self.put(&self.path, text)?;
        Ok(kept)
    }

    /// Undo everything: the first text comes back, or the file that was not there goes.
    pub fn restore(&self, before: Option<&str>) -> io::Result<()> {
        match before {
            None => fs::remove_file(&self.path),
            Some(before) => {
                self.put(&self.path, before)?;
                fs::remove_file(self.backup())
            }
        }
    }

    /// Write beside, sync, rename: whoever looks sees the old text or the new one. Owner and mode are the file's.
    fn put(&self, path: &Path, text: &str) -> io::Result<()> {
        let fresh = beside(path, &format!(".new-{}", std::process::id()));
        let written = self
            .write_new(&fresh, text)
            .and_then(|()| fs::rename(&fresh, path));
        if let Err(error) = written {
            // It may not be there; the first error is the one to tell.
            let _ = fs::remove_file(&fresh);
            return Err(error);
        }
        let directory = path.parent().unwrap_or(Path::new("/"));
        File::open(directory)?.sync_all()
    }

    fn write_new(&self, path: &Path, text: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let like = self.exists.then(|| fs::metadata(&self.path)).transpose()?;
        if like.is_some() {
            // Nobody reads it before it has the file's own mode.
            options.mode(0o600);
        }
        let mut file = options.open(path)?;
        file.write_all(text.as_bytes())?;
        if let Some(like) = like {
            fchown(&file, Some(like.uid()), Some(like.gid()))?;
            file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777))?;
        }
        file.sync_all()
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
