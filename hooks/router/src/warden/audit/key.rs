//! The warden's own key: it signs how far each audit log has come. It never leaves this process and its file.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nemoclaw_api::audit::chain::{Head, Keys, Link, hex};
use nemoclaw_api::audit::record::Signed;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::warden::WardenError;

/// The longest file that is read as a key.
const LONGEST: u64 = 4096;

/// Signs.
pub struct Signer(Ed25519KeyPair);

impl Signer {
    /// Use the key below `data_dir`, which is made if it is missing.
    ///
    /// # Errors
    /// It cannot be made, is no key, or others can read it.
    pub fn open(data_dir: &Path) -> Result<Signer, WardenError> {
        let path = data_dir.join("audit.key");
        let failed = |source| WardenError::File {
            path: path.clone(),
            source,
        };
        let document = match read(&path) {
            Ok(document) => document,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        };
        let pair = Ed25519KeyPair::from_pkcs8(&document)
            .map_err(|_| WardenError::Key { path: path.clone() })?;
        let public = Keys::path(data_dir);
        publish(&public, &Keys::line(pair.public_key().as_ref())).map_err(|source| {
            WardenError::File {
                path: public,
                source,
            }
        })?;
        Ok(Signer(pair))
    }

    /// A mark that vouches for every record before `link`.
    #[must_use]
    pub fn signed(&self, sandbox: &str, time: &str, link: Link) -> Signed {
        let text = link.signed_text(sandbox, time);
        Signed {
            signature: hex(self.0.sign(text.as_bytes()).as_ref()),
        }
    }

    /// The head of a log whose next record will stand at `next`.
    #[must_use]
    pub fn head(&self, sandbox: &str, time: &str, next: Link) -> Head {
        Head {
            sandbox: sandbox.to_owned(),
            time: time.to_owned(),
            next,
            signature: self.signed(sandbox, time, next).signature,
        }
    }

    /// Whether this key signed `head`.
    #[must_use]
    pub fn made(&self, head: &Head) -> bool {
        let own = Keys::parse(&Keys::line(self.0.public_key().as_ref()));
        let text = head.next.signed_text(&head.sandbox, &head.time);
        own.is_ok_and(|own| own.verify(&text, &head.signature))
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let found = file.metadata()?;
    let own = found.uid() == nix::unistd::geteuid().as_raw();
    if !found.is_file() || !own || found.mode() & 0o077 != 0 {
        return Err(io::Error::other(
            "it must be a file of root's with mode 0600, since whoever reads it can forge the audit log",
        ));
    }
    let mut document = Vec::new();
    file.take(LONGEST).read_to_end(&mut document)?;
    Ok(document)
}

/// Make a key; it is whole in its place or not there.
fn make(path: &Path) -> io::Result<Vec<u8>> {
    let random = SystemRandom::new();
    let document = Ed25519KeyPair::generate_pkcs8(&random)
        .map_err(|_| io::Error::other("the kernel gives no random numbers"))?;
    let draft = path.with_extension("key-draft");
    remove(&draft)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(document.as_ref())?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    Ok(document.as_ref().to_vec())
}

fn remove(path: &PathBuf) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Put the public key beside it. Earlier ones stay: what they signed is still to be verified.
fn publish(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)?;
    let mut text = String::new();
    (&mut file)
        .take(LONGEST * LONGEST)
        .read_to_string(&mut text)?;
    if text.lines().any(|known| known == line.trim_end()) {
        return Ok(());
    }
    file.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_stays_is_for_root_alone_and_its_public_half_lies_beside_it() {
        let root = tempfile::tempdir().expect("directory");
        let head = Signer::open(root.path())
            .expect("made")
            .head("a", "t", Link::FIRST);
        assert!(Signer::open(root.path()).expect("kept").made(&head));
        let path = root.path().join("audit.key");
        let mode = |path: &Path| std::fs::metadata(path).expect("file").permissions().mode();
        assert_eq!(mode(&path) & 0o777, 0o600);
        let public = std::fs::read_to_string(Keys::path(root.path())).expect("public");
        assert_eq!(public.lines().count(), 1);
        std::fs::remove_file(&path).expect("remove");
        assert!(!Signer::open(root.path()).expect("another").made(&head));
        let public = std::fs::read_to_string(Keys::path(root.path())).expect("public");
        let keys = Keys::parse(&public).expect("keys");
        let text = head.next.signed_text("a", "t");
        assert!(
            keys.verify(&text, &head.signature),
            "an earlier key is forgotten"
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("mode");
        assert!(
            Signer::open(root.path()).is_err(),
            "others may read the key"
        );
    }
}
