//! After a full restart: every sandbox that still lives gets new sockets from the hook, one after another.
//!
//! The hook does it because it is one thread and may enter namespaces; here is only who, when, and what came of it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nemoclaw_policy::handover::STATE_ANNOTATION;
use nemoclaw_policy::node::NodeConfig;

use super::keep::{Keep, Kept};
use super::{Happening, Post};
use crate::limits;

/// The hook's name beside the router's own.
const HOOK: &str = "nemoclaw-egress";

/// The hook: as the node's configuration says, else beside the router.
///
/// # Errors
/// The router's own path cannot be told.
pub fn hook(node: &NodeConfig) -> io::Result<PathBuf> {
    match &node.egress_hook {
        Some(path) => Ok(path.clone()),
        None => Ok(std::env::current_exe()?.with_file_name(HOOK)),
    }
}

/// A sandbox that waits for its sockets.
struct Waiting {
    kept: Kept,
    said: Option<String>,
}

/// Take `living` back, on a thread. One that cannot be served now stays fenced and is tried again until it ends.
///
/// # Errors
/// No thread can be made.
pub fn begin(hook: PathBuf, keep: Keep, living: Vec<Kept>, post: Post) -> io::Result<()> {
    if living.is_empty() {
        return Ok(());
    }
    let mut waiting: Vec<Waiting> = living
        .into_iter()
        .map(|kept| Waiting { kept, said: None })
        .collect();
    std::thread::Builder::new()
        .name("resume".into())
        .spawn(move || {
            loop {
                waiting.retain_mut(|one| !settled(one, &hook, &keep, &post));
                if waiting.is_empty() {
                    return;
                }
                std::thread::sleep(limits::RESUME_PAUSE);
            }
        })?;
    Ok(())
}

/// Whether nothing is left to do for it.
fn settled(one: &mut Waiting, hook: &Path, keep: &Keep, post: &Post) -> bool {
    let sandbox = one.kept.handover.sandbox.clone();
    if !one.kept.identity.process.alive() {
        return post.send(Happening::Missed { sandbox }).is_ok();
    }
    let Err(sentence) = run(&one.kept, hook, &keep.directory(&sandbox)) else {
        return true;
    };
    if one.said.as_ref() == Some(&sentence) {
        return false;
    }
    one.said = Some(sentence.clone());
    // A warden that is gone takes this thread along.
    post.send(Happening::Unserved { sandbox, sentence })
        .is_err()
}

fn run(kept: &Kept, hook: &Path, directory: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot run the hook `{}`: {error}", hook.display());
    let state = serde_json::json!({
        "ociVersion": "1.0.2",
        "id": kept.handover.sandbox,
        "status": "running",
        "pid": kept.identity.process.pid,
        "bundle": "/",
        "annotations": { STATE_ANNOTATION: directory },
    });
    let mut child = Command::new(hook)
        .arg("resume")
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        // A hook that ends without reading says why; that is what counts.
        let _ = input.write_all(state.to_string().as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    Err(match last {
        Some(line) => line
            .strip_prefix("nemoclaw-egress: ")
            .unwrap_or(line)
            .to_owned(),
        None => format!("the hook `{}` ended with {}", hook.display(), output.status),
    })
}
