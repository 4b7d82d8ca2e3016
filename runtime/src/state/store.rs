//! Finding, claiming and writing the state of boxes, and the check of their ids.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{BoxState, Repeated, StateError};
use crate::input;

/// The file's name.
const FILE: &str = "state.json";
/// The name of the file that only exec reads.
const REPEATED: &str = "walls.json";
/// The longest id, which is also a directory's name and part of socket paths.
const LONGEST_ID: usize = 1024;

/// All boxes of one engine.
#[derive(Debug, Clone)]
pub struct Store {
    boxes: PathBuf,
    /// The engine's `--root`.
    pub root: PathBuf,
}

/// Check a container id. Done by every verb, before it becomes part of a path.
///
/// # Errors
/// It is empty, too long, `.`, `..`, or holds another character than letters, digits and `_+-.`.
pub fn check_id(id: &str) -> Result<&str, StateError> {
    let plain = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte));
    if id.is_empty() || id.len() > LONGEST_ID || !plain || id == "." || id == ".." {
        return Err(StateError::BadId(id.to_owned()));
    }
    Ok(id)
}

impl Store {
    /// The boxes below `state_dir` that belong to the engine with `root`.
    #[must_use]
    pub fn new(state_dir: &Path, root: PathBuf) -> Store {
        Store {
            boxes: state_dir.join("boxes"),
            root,
        }
    }

    /// The directory of a box.
    ///
    /// # Errors
    /// The id is not valid.
    pub fn directory(&self, id: &str) -> Result<PathBuf, StateError> {
        Ok(self.boxes.join(check_id(id)?))
    }

    /// Make a box's directory with its first state, at once: there is never a directory without a state.
    ///
    /// # Errors
    /// The id is taken, or the directory cannot be made.
    pub fn claim(&self, state: &BoxState) -> Result<PathBuf, StateError> {
        use std::os::unix::fs::PermissionsExt;
        let target = self.directory(&state.id)?;
        let failed = |source| StateError::Write {
            id: state.id.clone(),
            source,
        };
        self.sweep_drafts();
        // `~` is in no id, so this name is nobody's.
        let draft = self.boxes.join(format!("~{}", std::process::id()));
        fs::create_dir_all(&draft).map_err(failed)?;
        fs::set_permissions(&self.boxes, fs::Permissions::from_mode(0o711)).map_err(failed)?;
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o711)).map_err(failed)?;
        let made = write(&draft, state).and_then(|()| fs::rename(&draft, &target));
        if let Err(source) = made.and_then(|()| sync(&self.boxes)) {
            // What cannot be removed now is swept by the next.
            fs::remove_dir_all(&draft).ok();
            let taken = matches!(
                source.kind(),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
            );
            return Err(if taken {
                self.taken(&state.id)
            } else {
                failed(source)
            });
        }
        Ok(target)
    }

    /// Remove what claims and removals left that were killed, and what an earlier process of our number left.
    pub fn sweep_drafts(&self) {
        let own = std::process::id().to_string();
        let entries = fs::read_dir(&self.boxes).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let pid = name.to_str().and_then(|name| name.strip_prefix('~'));
            if pid.is_some_and(|pid| pid == own || !Path::new("/proc").join(pid).exists()) {
                // Another command may sweep at the same time; what fails is swept by the next.
                fs::remove_dir_all(entry.path()).ok();
            }
        }
    }

    /// Hold back every other clearing of an unfinished box, as long as the file lives.
    ///
    /// # Errors
    /// The directory cannot be opened or locked.
    pub fn lock_clearing(&self) -> io::Result<fs::File> {
        let directory = fs::File::open(&self.boxes)?;
        directory.lock()?;
        Ok(directory)
    }

    /// Read a box's state.
    ///
    /// # Errors
    /// There is no such box of this engine, or its file cannot be read.
    pub fn load(&self, id: &str) -> Result<BoxState, StateError> {
        let state = self.load_any(id)?;
        if state.root == self.root {
            Ok(state)
        } else {
            Err(StateError::NotFound(id.to_owned()))
        }
    }

    /// Read a box's state, whichever engine it belongs to.
    ///
    /// # Errors
    /// There is no such box, or its file cannot be read.
    pub fn load_any(&self, id: &str) -> Result<BoxState, StateError> {
        let path = self.directory(id)?.join(FILE);
        let bytes = match input::file(&path, input::LONGEST_STATE) {
            Ok(bytes) => bytes,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename
                ) =>
            {
                return Err(StateError::NotFound(id.to_owned()));
            }
            Err(source) => {
                return Err(StateError::Read {
                    id: id.to_owned(),
                    path,
                    source,
                });
            }
        };
        serde_json::from_slice(&bytes).map_err(|error| StateError::Read {
            id: id.to_owned(),
            path,
            source: error.into(),
        })
    }

    /// Write a box's state.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, state: &BoxState) -> Result<(), StateError> {
        let directory = self.directory(&state.id)?;
        write(&directory, state).map_err(|source| StateError::Write {
            id: state.id.clone(),
            source,
        })
    }

    /// Write what exec repeats.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save_repeated(&self, id: &str, repeated: &Repeated) -> Result<(), StateError> {
        let directory = self.directory(id)?;
        write_as(&directory, REPEATED, repeated).map_err(|source| StateError::Write {
            id: id.to_owned(),
            source,
        })
    }

    /// Read what exec repeats.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn load_repeated(&self, id: &str) -> Result<Repeated, StateError> {
        let path = self.directory(id)?.join(REPEATED);
        let failed = |source| StateError::Read {
            id: id.to_owned(),
            path: path.clone(),
            source,
        };
        let bytes = input::file(&path, input::LONGEST_STATE).map_err(failed)?;
        serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))
    }

    /// All boxes of this engine, by id.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn list(&self) -> io::Result<Vec<BoxState>> {
        let entries = match fs::read_dir(&self.boxes) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            // A box that is being removed has no state any more; another engine's is not ours to show. One whose state
            // is damaged must not hide the others: it says so when it is named.
            if let Some(state) = name.to_str().and_then(|id| self.load(id).ok()) {
                all.push(state);
            }
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    fn taken(&self, id: &str) -> StateError {
        let other = self
            .load_any(id)
            .ok()
            .map(|state| state.root)
            .filter(|root| *root != self.root);
        StateError::Exists {
            id: id.to_owned(),
            root: other,
        }
    }
}

fn write(directory: &Path, state: &BoxState) -> io::Result<()> {
    write_as(directory, FILE, state)
}

/// Write beside and rename: a reader sees the old file or the new one.
fn write_as(directory: &Path, name: &str, content: &impl Serialize) -> io::Result<()> {
    let draft = directory.join(format!("{name}.{}", std::process::id()));
    let written = draft_of(&draft, content).and_then(|()| fs::rename(&draft, directory.join(name)));
    if written.is_err() {
        // Where the disk is full, it must not stay so for this.
        fs::remove_file(&draft).ok();
    }
    written.and_then(|()| sync(directory))
}

fn draft_of(draft: &Path, content: &impl Serialize) -> io::Result<()> {
    let mut file = fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(draft)?;
    file.write_all(&serde_json::to_vec(content)?)?;
    file.sync_all()
}

/// Have the names in a directory outlive a power cut; costs nothing where it lies in memory.
fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_never_leave_its_directory() {
        let long = "a".repeat(1025);
        for id in [
            "",
            ".",
            "..",
            "a/b",
            "../a",
            "a b",
            "a\0b",
            "ä",
            "~1",
            long.as_str(),
        ] {
            assert!(check_id(id).is_err(), "{id:?}");
        }
        for id in ["a", "A_+-.9", "...", "0123456789abcdef"] {
            assert!(check_id(id).is_ok(), "{id:?}");
        }
    }
}
