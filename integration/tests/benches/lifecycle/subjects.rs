//! Who is measured.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use nemoclaw_tests::world::dist_dir;

use crate::command_line::Wish;
use crate::stage::Stage;

/// Ours with all walls and no egress: the hook is a program that does nothing.
pub const WALLS: &str = "walls";
/// Ours with all walls and the real hook, which fences the box and lets nothing out.
pub const OFFLINE: &str = "offline";
/// Ours with all walls, fence, capture and router.
pub const ROUTER: &str = "router";
/// Ours without walls.
pub const UNCONFINED: &str = "unconfined";
/// As `walls`, with the binaries of another build.
pub const BEFORE: &str = "before";
/// Debian's crun.
pub const CRUN: &str = "crun";
/// Debian's runc.
pub const RUNC: &str = "runc";
/// The user's command; no runtime, and so it has steps of its own.
pub const COMMAND: &str = "nemoclaw";

/// A runtime with its options.
#[derive(Debug)]
pub struct Subject {
    /// Name in tables.
    pub name: &'static str,
    /// The binary.
    pub program: PathBuf,
    /// What stands before the verb.
    pub options: Vec<OsString>,
}

/// Sizes of binaries in bytes, by path.
pub type Sizes = Vec<(String, u64)>;

/// All that were asked for.
pub fn all(stage: &Stage, wish: &Wish) -> Vec<Subject> {
    let runtime = dist_dir().join("nemoclaw-runtime");
    assert!(
        runtime.exists(),
        "`{}` is missing: run `make build`, or set NEMOCLAW_DIST",
        runtime.display()
    );
    let root = |name: &str| vec!["--root".into(), stage.dir.join(name).into()];
    let ours = |name: &'static str, node: &str, policy: &str| {
        let mut options: Vec<OsString> = root(name);
        options.extend(["--config".into(), stage.node(node).into()]);
        options.extend(["--policy".into(), policy.into()]);
        Subject {
            name,
            program: runtime.clone(),
            options,
        }
    };
    let other = |name: &'static str| Subject {
        name,
        program: found(name),
        options: root(name),
    };
    let mut subjects = vec![
        ours(WALLS, "hookless", "offline"),
        ours(OFFLINE, "node", "offline"),
        ours(ROUTER, "node", "default"),
        ours(UNCONFINED, "hookless", "unconfined"),
        other(CRUN),
        other(RUNC),
    ];
    if let Some(dir) = &wish.before {
        let mut before = ours(BEFORE, "hookless", "offline");
        before.program = dir.join("nemoclaw-runtime");
        subjects.push(before);
    }
    for name in &wish.only {
        let known = subjects.iter().any(|subject| subject.name == name);
        assert!(
            known || name == COMMAND,
            "`--only {name}`: there is no such subject"
        );
    }
    subjects.retain(|subject| wanted(wish, subject.name));
    subjects
}

/// Whether a subject is asked for.
pub fn wanted(wish: &Wish, name: &str) -> bool {
    wish.only.is_empty() || wish.only.iter().any(|one| one == name)
}

fn found(name: &str) -> PathBuf {
    let places = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
    let found = places.map(|place| Path::new(place).join(name));
    found
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| {
            panic!("`{name}` is missing: run `apt-get install --no-install-recommends {name}`")
        })
}

/// How big the binaries are.
pub fn sizes(subjects: &[Subject]) -> Sizes {
    let ours = ["nemoclaw", "nemoclaw-egress", "nemoclaw-router"].map(|name| dist_dir().join(name));
    let mut paths: Vec<PathBuf> = subjects
        .iter()
        .map(|subject| subject.program.clone())
        .chain(ours)
        .collect();
    paths.sort();
    paths.dedup();
    let size = |path: &PathBuf| {
        let meta = fs::metadata(path).expect("the binary");
        (path.display().to_string(), meta.len())
    };
    paths.iter().map(size).collect()
}
