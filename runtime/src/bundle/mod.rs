//! Writing what a plan says to disk: the files of the box's state directory, and directories the image lacks.
//!
//! All or nothing: when one step fails, what was made before it is undone.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use nemoclaw_policy::handover::{CA_BUNDLE_FILE, DNS_ADDRESS, FILE, RESOLV_CONF_FILE};

use crate::plan::{Plan, Trust};

mod directories;
pub mod leads;
pub mod rootfs;

pub use directories::Made;

/// Directories can be passed but not listed: the box's user reaches the mounted files through them.
const PASSABLE: u32 = 0o711;
/// The mounted files: a user namespace's root must be able to read them, nobody writes them by name.
const READABLE: u32 = 0o444;
/// The rest is ours.
const PRIVATE: u32 = 0o600;

/// Why a bundle could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The name is no file name.
    #[error("`{0}` cannot be a sandbox's name")]
    Name(String),
    /// Something could not be written or read.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// `write`, `make`, …
        what: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The image could not be read or changed.
    #[error(transparent)]
    Rootfs(#[from] rootfs::RootfsError),
}

/// A written bundle.
#[derive(Debug)]
pub struct Bundle {
    /// The box's state directory.
    pub dir: PathBuf,
    made: Made,
}

impl Bundle {
    /// Undoes everything after a later step failed: directories made in the image (where still empty) and our files.
    ///
    /// # Errors
    /// Something could not be removed; the rest was.
    pub fn undo(self) -> Result<(), BundleError> {
        let made = self.made.undo();
        remove(&self.dir)?;
        made
    }
}

/// The state directory of the box `id`.
///
/// # Errors
/// `id` is not one plain file name.
pub fn box_dir(state_dir: &Path, id: &str) -> Result<PathBuf, BundleError> {
    let mut components = Path::new(id).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(name)), None) if name == id => Ok(state_dir.join("boxes").join(id)),
        _ => Err(BundleError::Name(id.to_owned())),
    }
}

/// Writes `plan` to `box_dir`, which is from [`box_dir`].
///
/// # Errors
/// Nothing is left behind.
pub fn write(plan: &Plan, box_dir: &Path) -> Result<Bundle, BundleError> {
    let parent = box_dir.parent().unwrap_or(Path::new("/"));
    DirBuilder::new()
        .recursive(true)
        .mode(PASSABLE)
        .create(parent)
        .map_err(io_error("make", parent))?;
    match DirBuilder::new().mode(PASSABLE).create(box_dir) {
        Ok(()) => {}
        // The caller claimed the name: the directory holds its state.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io_error("make", box_dir)(error)),
    }
    let mut made = Made::default();
    let written = fill(plan, box_dir, &mut made);
    let bundle = Bundle {
        dir: box_dir.to_path_buf(),
        made,
    };
    match written {
        Ok(()) => Ok(bundle),
        Err(error) => {
            // The first failure is the one to tell; what cannot be undone now is left for `delete --force`.
            drop(bundle.undo());
            Err(error)
        }
    }
}

/// Removes a box's state directory; fine when it is not there.
///
/// It loses its name at once: a removal that is killed half-way must not leave a directory without a state, which would
/// keep the id taken. What is left under the draft's name is swept with the drafts of killed claims.
///
/// # Errors
/// It cannot be removed.
pub fn remove(box_dir: &Path) -> Result<(), BundleError> {
    let aside = box_dir.with_file_name(format!("~{}", std::process::id()));
    let renamed = fs::rename(box_dir, &aside);
    match renamed.and_then(|()| fs::remove_dir_all(&aside)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove", box_dir)(error))
        }
        _ => Ok(()),
    }
}

fn fill(plan: &Plan, box_dir: &Path, made: &mut Made) -> Result<(), BundleError> {
    let root = plan
        .spec
        .root()
        .as_ref()
        .map(|root| root.path().clone())
        .unwrap_or_default();
    if let Some(handover) = &plan.handover {
        let text = serde_json::to_vec_pretty(handover).map_err(io::Error::from);
        let path = box_dir.join(FILE);
        new_file(&path, PRIVATE, &text.map_err(io_error("write", &path))?)?;
    }
    if let Some(trust) = &plan.trust {
        new_file(
            &box_dir.join(CA_BUNDLE_FILE),
            READABLE,
            &ca_bundle(trust, &root)?,
        )?;
        let resolv_conf = format!("nameserver {DNS_ADDRESS}\n");
        new_file(
            &box_dir.join(RESOLV_CONF_FILE),
            READABLE,
            resolv_conf.as_bytes(),
        )?;
    }
    if !plan.directories.is_empty() {
        let root = rootfs::open_root(&root)?;
        directories::make(root, &plan.directories, made)?;
    }
    Ok(())
}

/// The image's bundle, then what the joined sandbox's hook has put into its own.
fn ca_bundle(trust: &Trust, root: &Path) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::new();
    if let Some(path) = &trust.image_bundle {
        let root = rootfs::open_root(root)?;
        bytes = rootfs::regular_file(root.as_fd(), path, rootfs::LARGEST_BUNDLE)
            .map_err(io_error("read", path))?
            .unwrap_or_default();
    }
    if let Some(joined) = &trust.joined_box {
        let path = joined.join(CA_BUNDLE_FILE);
        match fs::read(&path) {
            Ok(more) => append(&mut bytes, &more),
            // An offline sandbox has no router, and so no CA.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("read", &path)(error)),
        }
    }
    end_line(&mut bytes);
    Ok(bytes)
}

fn append(bytes: &mut Vec<u8>, more: &[u8]) {
    end_line(bytes);
    bytes.extend_from_slice(more);
}

/// Whatever follows must begin on a line of its own, or the first certificate is lost.
fn end_line(bytes: &mut Vec<u8>) {
    if bytes.last().is_some_and(|last| *last != b'\n') {
        bytes.push(b'\n');
    }
}

/// Writes a file that was not there, with exactly `mode`.
fn new_file(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), BundleError> {
    use std::os::unix::fs::PermissionsExt;
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(path)?;
        file.write_all(bytes)?;
        file.set_permissions(fs::Permissions::from_mode(mode))
    };
    write().map_err(io_error("write", path))
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BundleError {
    let path = path.to_path_buf();
    move |source| BundleError::Io { what, path, source }
}
