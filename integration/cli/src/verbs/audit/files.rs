//! Which audit files there are.

use std::path::{Path, PathBuf};

use nemoclaw_api::audit::chain::Head;

use crate::fault::Fault;
use crate::node::Node;

/// Sandboxes with an audit log, also those of which nothing but the signed head is left; sorted.
pub fn names(node: &Node) -> anyhow::Result<Vec<String>> {
    let heads = Head::path(&node.config.data_dir, "any");
    let mut names = stems(&node.audits(), "jsonl")?;
    names.extend(stems(heads.parent().unwrap_or(Path::new("/")), "json")?);
    names.sort();
    names.dedup();
    Ok(names)
}

/// The files of a sandbox's log, the oldest first.
pub fn of(node: &Node, sandbox: &str) -> anyhow::Result<Vec<PathBuf>> {
    let directory = node.audits();
    let current = format!("{sandbox}.jsonl");
    let mut files: Vec<(u32, PathBuf)> = Vec::new();
    for path in entries(&directory)? {
        let end = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_prefix(&current));
        match end.map(|end| (end, end.strip_prefix('.').map(str::parse::<u32>))) {
            Some(("", _)) => files.push((0, path)),
            Some((_, Some(Ok(number)))) if number > 0 => files.push((number, path)),
            _ => {}
        }
    }
    files.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

fn stems(directory: &Path, extension: &str) -> anyhow::Result<Vec<String>> {
    let paths = entries(directory)?.into_iter();
    let fitting = paths.filter(|path| path.extension().is_some_and(|end| end == extension));
    let stem = |path: PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    Ok(fitting.filter_map(stem).collect())
}

fn entries(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let found = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        found => found.and_then(|entries| {
            let paths = entries.map(|entry| entry.map(|entry| entry.path()));
            paths.collect::<Result<Vec<_>, _>>()
        }),
    };
    found.map_err(|error| {
        Fault::new(format!("cannot read `{}`", directory.display()))
            .because(error)
            .into()
    })
}
