//! `filesystem_policy`: the paths, and the baseline that every box has.
//!
//! An unlisted path has no access. As in the schema's first implementation, a few paths that nearly every program
//! needs are added where the file says nothing about them: see [`BASELINE_READ_ONLY`] and [`BASELINE_READ_WRITE`].
//! A file takes one of them away by listing the path itself, say `/tmp` under `read_only`. Device nodes such as
//! `/dev/null` are no part of it: the runtime gives every box its own.

use std::path::{Path, PathBuf};

use super::{Filesystem, Mode};
use crate::source::Diagnostic;
use crate::yaml::View;

type Fault = Box<Diagnostic>;

/// Readable in every box.
pub const BASELINE_READ_ONLY: &[&str] = &["/usr", "/lib", "/proc", "/app", "/etc", "/var/log"];
/// Writable in every box, unless the file lists them as read-only.
pub const BASELINE_READ_WRITE: &[&str] = &["/sandbox", "/tmp"];
/// Paths in one list.
const MAX_PATHS: usize = 256;
/// Characters in one path.
const MAX_PATH_CHARS: usize = 4096;

/// What a box may do below a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    None,
    /// Read and execute.
    Read,
    /// Read, execute and write.
    Write,
}

impl Filesystem {
    /// The level at `path` (absolute and normal): that of the deepest listed path above it or equal to it.
    pub fn level(&self, path: &Path) -> Level {
        let depth = |list: &[PathBuf]| {
            list.iter()
                .filter(|listed| path.starts_with(listed))
                .map(|listed| listed.components().count())
                .max()
        };
        match (depth(&self.read_only), depth(&self.read_write)) {
            (None, None) => Level::None,
            (read, write) if write > read => Level::Write,
            _ => Level::Read,
        }
    }
}

pub(super) fn load(view: Option<View<'_>>, mode: Mode) -> Result<Filesystem, Fault> {
    let mut filesystem = Filesystem {
        read_only: Vec::new(),
        read_write: Vec::new(),
        include_workdir: false,
    };
    let Some(view) = view else {
        enrich(&mut filesystem);
        return Ok(filesystem);
    };
    let keys = view.fields(&["read_only", "read_write", "include_workdir"], &[])?;
    if let Some(view) = keys.get("read_only") {
        filesystem.read_only = paths(&view)?.into_iter().map(|(path, _)| path).collect();
    }
    if let Some(view) = keys.get("read_write") {
        for (path, item) in paths(&view)? {
            if path == Path::new("/") && mode != Mode::Relaxed {
                return Err(item.fault(
                    "`read_write` may not be `/`: name the directories the agent may write",
                ));
            }
            if filesystem.read_only.contains(&path) {
                return Err(
                    item.fault(format!("`{}` stands under `read_only` too", path.display()))
                );
            }
            filesystem.read_write.push(path);
        }
    }
    if let Some(view) = keys.get("include_workdir") {
        filesystem.include_workdir = view.boolean()?;
    }
    enrich(&mut filesystem);
    Ok(filesystem)
}

/// Add the baseline; a path that is listed, or readable already, stays as it is.
fn enrich(filesystem: &mut Filesystem) {
    for path in BASELINE_READ_ONLY.iter().map(PathBuf::from) {
        if filesystem.level(&path) == Level::None {
            filesystem.read_only.push(path);
        }
    }
    for path in BASELINE_READ_WRITE.iter().map(PathBuf::from) {
        if filesystem.level(&path) != Level::Write && !filesystem.read_only.contains(&path) {
            filesystem.read_write.push(path);
        }
    }
}

fn paths<'a>(view: &View<'a>) -> Result<Vec<(PathBuf, View<'a>)>, Fault> {
    let items = view.list()?;
    if items.len() > MAX_PATHS {
        return Err(view.fault(format!(
            "`{}` has {} paths, at most {MAX_PATHS} are allowed",
            view.name,
            items.len()
        )));
    }
    let mut paths: Vec<(PathBuf, View<'a>)> = Vec::with_capacity(items.len());
    for item in items {
        let path = path(&item)?;
        if !paths.iter().any(|(known, _)| *known == path) {
            paths.push((path, item));
        }
    }
    Ok(paths)
}

/// An absolute path without `.`, `..` or control characters; repeated and final slashes fall away.
fn path(item: &View<'_>) -> Result<PathBuf, Fault> {
    let text = item.text()?;
    if text.chars().count() > MAX_PATH_CHARS {
        return Err(item.fault(format!(
            "the path is longer than {MAX_PATH_CHARS} characters"
        )));
    }
    if !text.starts_with('/') {
        return Err(item.fault(format!("the path `{text}` is not absolute")));
    }
    if text.chars().any(char::is_control) {
        return Err(item.fault("the path holds a control character"));
    }
    if text.split('/').any(|part| part == ".." || part == ".") {
        return Err(item.fault(format!("the path `{text}` holds `.` or `..`")));
    }
    if text.contains('*') {
        return Err(item.fault(format!(
            "the path `{text}` holds a wildcard; paths are taken as written, with all below"
        )));
    }
    let normal: String = text
        .split('/')
        .filter(|part| !part.is_empty())
        .flat_map(|part| ["/", part])
        .collect();
    Ok(PathBuf::from(if normal.is_empty() {
        "/".to_owned()
    } else {
        normal
    }))
}
