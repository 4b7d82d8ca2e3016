//! Files of root's alone, replaced in one step.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nemoclaw_policy::Source;
use nix::fcntl::{Flock, FlockArg};

/// `providers.yaml` and the secrets beside it.
#[derive(Debug, Clone)]
pub struct Disk {
    /// The entries.
    pub entries: PathBuf,
}

impl Disk {
    /// The text of the entries; nothing where there is no file.
    pub fn text(&self) -> io::Result<String> {
        match Source::read(&self.entries) {
            Ok(source) => Ok(source.text.to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error),
        }
    }

    /// Let no other edit happen meanwhile. Where the directory is not there yet, nobody has anything to lose.
    pub fn lock(&self) -> io::Result<Option<Flock<File>>> {
        let directory = match File::open(parent(&self.entries)) {
            Ok(directory) => directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let held = Flock::lock(directory, FlockArg::LockExclusive);
        held.map(Some).map_err(|(_, errno)| errno.into())
    }

    /// Replace the entries.
    pub fn write(&self, text: &str) -> io::Result<()> {
        let directory = parent(&self.entries);
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(directory)?;
        replace(&self.entries, text.as_bytes())
    }

    /// Where `set` keeps a provider's secret.
    pub fn own_secret(&self, name: &str) -> PathBuf {
        parent(&self.entries).join("credentials").join(name)
    }
}

/// Write a secret for root alone, in a directory of root's alone where it must be made.
pub fn write_secret(path: &Path, secret: &str) -> io::Result<()> {
    let directory = parent(path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let found = fs::metadata(directory)?;
    if found.mode() & 0o022 != 0 || found.uid() != nix::unistd::geteuid().as_raw() {
        return Err(io::Error::other(format!(
            "others can write `{}`: run `chmod go-w {}` and make root its owner",
            directory.display(),
            directory.display()
        )));
    }
    replace(path, secret.as_bytes())
}

/// Whoever looks sees the old file or the new one, and only root can.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let fresh = PathBuf::from(name);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&fresh, path));
    if let Err(error) = written {
        // It may not be there; the first error is the one to tell.
        let _ = fs::remove_file(&fresh);
        return Err(error);
    }
    File::open(parent(path))?.sync_all()
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
