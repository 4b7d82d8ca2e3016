//! Reading a CDI file: it says what root mounts and runs, so nobody but root may have written it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::FileFault;
use super::spec::CdiSpec;

/// More is no CDI file.
const MAX_BYTES: u64 = 1 << 20;
/// Nesting of a CDI file is at most seven deep.
const MAX_DEPTH: usize = 16;
/// Anybody may add names there, but only their owner may replace them.
const STICKY: u32 = 0o1000;

/// A CDI file that can be used.
#[derive(Debug, Clone, PartialEq)]
pub struct CdiFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub spec: CdiSpec,
}

/// Reads and checks one file.
///
/// # Errors
/// It cannot be read, or is not to be believed, or is not as the format says.
pub fn read(path: &Path) -> Result<CdiFile, FileFault> {
    let told = |source| FileFault::Read {
        path: path.to_path_buf(),
        source,
    };
    let file = open_trusted(path)
        .map_err(told)?
        .map_err(|why| FileFault::Untrusted {
            path: path.to_path_buf(),
            why,
        })?;
    let mut text = String::new();
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(told)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(FileFault::Text {
            path: path.to_path_buf(),
            place: None,
            why: "it is longer than 1 MiB".to_owned(),
        });
    }
    Ok(CdiFile {
        spec: parsed(path, &text)?,
        path: path.to_path_buf(),
    })
}

/// Checks a text, whose name says by its end whether it is JSON.
///
/// # Errors
/// It is not as the format says.
pub fn parsed(path: &Path, text: &str) -> Result<CdiSpec, FileFault> {
    let wrong = |place, why| FileFault::Text {
        path: path.to_path_buf(),
        place,
        why,
    };
    let json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    let spec: CdiSpec = if json {
        serde_json::from_str(text).map_err(|error| {
            let place = (error.line() as u64, error.column() as u64);
            wrong(Some(place), without_place(&error.to_string()))
        })?
    } else {
        serde_saphyr::from_str_with_options(text, yaml()).map_err(|error| {
            let place = error.location().map(|at| (at.line(), at.column()));
            wrong(place, without_place(&error.without_snippet().to_string()))
        })?
    };
    spec.check()
        .map_err(|fault| wrong(fault.place(text), fault.why))?;
    Ok(spec)
}

/// A parser's sentence without the place at its end, which is told before.
fn without_place(sentence: &str) -> String {
    let end = sentence.rfind(" at line ").unwrap_or(sentence.len());
    sentence[..end].to_owned()
}

/// Strict: no aliases, no merge keys, no foreign tags, one document.
fn yaml() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_anchors: 0,
            max_aliases: 0,
            max_merge_keys: 0,
            max_documents: 1,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        emit_comments: false,
        with_snippet: false,
    }
}

/// Opens a file that only root (or whoever runs this) can have written; the inner error says why it is not one.
///
/// # Errors
/// It cannot be opened.
pub fn open_trusted(path: &Path) -> io::Result<Result<File, String>> {
    let real = fs::canonicalize(path)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC)
        .open(&real)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok(Err("it is not a regular file".to_owned()));
    }
    if let Some(why) = strangers(&meta, 0) {
        return Ok(Err(format!("it {why}")));
    }
    // Those of the name as given too: who owns a link on the way chooses where it leads.
    for directory in real.ancestors().skip(1).chain(path.ancestors().skip(1)) {
        if let Some(why) = strangers(&fs::metadata(directory)?, STICKY) {
            return Ok(Err(format!(
                "its directory `{}` {why}",
                directory.display()
            )));
        }
    }
    Ok(Ok(file))
}

/// Why others than root and the caller can write it.
fn strangers(meta: &Metadata, excused: u32) -> Option<String> {
    let uid = meta.uid();
    if uid != 0 && uid != nix::unistd::geteuid().as_raw() {
        return Some(format!("belongs to user {uid}"));
    }
    let open = meta.mode() & 0o022 != 0 && meta.mode() & excused == 0;
    open.then(|| "can be written by others".to_owned())
}
