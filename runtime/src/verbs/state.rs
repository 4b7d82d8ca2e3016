//! `state`: the OCI state, in the engine's words: its bundle, its annotations.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use super::printer;
use crate::cli::{Shape, State};
use crate::lifecycle::context::Context;
use crate::state::{BoxState, Status};

pub use crate::raise::hooks::OCI_VERSION;

/// What is printed; `list` prints the same.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Of the OCI's state.
    pub oci_version: &'static str,
    /// Container id.
    pub id: String,
    /// init's pid, 0 when stopped.
    pub pid: i32,
    /// What it is now.
    pub status: Status,
    /// The engine's bundle.
    pub bundle: PathBuf,
    /// The root file system on the host.
    pub rootfs: PathBuf,
    /// RFC 3339.
    pub created: String,
    /// Name or number of who created it.
    pub owner: String,
    /// The engine's annotations, and ours on the walls' strength.
    pub annotations: BTreeMap<String, String>,
}

impl From<BoxState> for View {
    fn from(state: BoxState) -> View {
        let mut annotations = state.annotations.clone();
        annotations.insert(
            "nemoclaw.dev/policy-in-force".to_owned(),
            state.policy.clone(),
        );
        annotations.insert(
            "nemoclaw.dev/landlock-abi".to_owned(),
            state.strength.landlock_abi.to_string(),
        );
        let limits = state.limits.words();
        if !limits.is_empty() {
            annotations.insert("nemoclaw.dev/limits".to_owned(), limits);
        }
        if !state.strength.degraded.is_empty() {
            annotations.insert(
                "nemoclaw.dev/degraded".to_owned(),
                state.strength.degraded.join("; "),
            );
        }
        let name = nix::unistd::User::from_uid(state.owner.into())
            .ok()
            .flatten()
            .map(|user| user.name);
        View {
            oci_version: OCI_VERSION,
            pid: state.pid(),
            status: state.status(),
            owner: name.unwrap_or_else(|| state.owner.to_string()),
            id: state.id,
            bundle: state.bundle,
            rootfs: state.rootfs,
            created: state.created,
            annotations,
        }
    }
}

/// Run the verb.
pub fn run(context: &Context, args: &State) -> Result<()> {
    let view = View::from(context.store()?.load(&args.id)?);
    match args.format {
        Shape::Json => printer::json(&view),
        Shape::Table => table(vec![view]),
    }
}

/// Boxes in columns, under runc's heads.
pub fn table(views: Vec<View>) -> Result<()> {
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];
    let rows = views.into_iter().map(|view| {
        let bundle = view.bundle.display().to_string();
        vec![
            view.id,
            view.pid.to_string(),
            view.status.to_string(),
            bundle,
            view.created,
            view.owner,
        ]
    });
    let head = std::iter::once(head.map(str::to_owned).to_vec());
    printer::table(&head.chain(rows).collect::<Vec<_>>())
}
