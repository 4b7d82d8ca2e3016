//! `status`: what holds now. Everything is looked at while you wait; records only say what should be.

use std::process::ExitCode;

use nemoclaw_api::BoxStatus;
use nemoclaw_api::client::ClientError;
use nemoclaw_policy::handover::{self, Egress, Handover};
use serde::Serialize;

use crate::args::{Format, Status};
use crate::direct::boxes::{self, Sandbox, State};
use crate::direct::names;
use crate::models::spend;
use crate::node::Node;
use crate::printer::{Printer, Tone, table};
use crate::probe::Walls;
use crate::probe::limits::Limits;
use crate::verbs::{keep, router};

/// One sandbox.
#[derive(Debug, Serialize)]
struct Seen {
    name: String,
    state: String,
    pid: Option<i32>,
    exit_code: Option<u8>,
    walls: Option<Walls>,
    limits: Option<Limits>,
    /// `router`, `offline`, or `none` (an unconfined sandbox).
    egress: &'static str,
    router: Option<BoxStatus>,
    /// What is not as it should be; empty when all is well.
    degraded: Vec<String>,
}

/// The JSON output.
#[derive(Debug, Serialize)]
struct Document {
    version: u32,
    sandboxes: Vec<Seen>,
}

/// Run it.
pub fn run(node: &Node, args: &Status, printer: Printer) -> anyhow::Result<ExitCode> {
    let asked = router::boxes(node);
    let own = boxes::names(node)?;
    let mut all = own.clone();
    all.extend(
        asked
            .iter()
            .flatten()
            .map(|one| one.sandbox.clone())
            .filter(|name| !own.contains(name)),
    );
    if let Some(wanted) = &args.name {
        all = vec![names::find(Some(wanted), &all)?.to_owned()];
    }
    let seen = all
        .iter()
        .map(|name| look(node, name, &own, &asked))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let healthy = seen.iter().all(|one| one.degraded.is_empty());
    match args.output.output {
        Format::Json => printer.json(&Document {
            version: 1,
            sandboxes: seen,
        })?,
        Format::Text if seen.is_empty() => printer.note("there is no sandbox"),
        Format::Text => {
            let blocks: Vec<String> = seen.iter().map(|one| text(one, printer)).collect();
            printer.data(blocks.join("\n\n"))?;
        }
    }
    Ok(if healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn look(
    node: &Node,
    name: &str,
    own: &[String],
    asked: &Result<Vec<BoxStatus>, ClientError>,
) -> anyhow::Result<Seen> {
    let routed = asked
        .iter()
        .flatten()
        .find(|one| one.sandbox == name)
        .cloned();
    let sandbox = Sandbox::new(node, name);
    let state = if own.iter().any(|one| one == name) {
        Some(sandbox.state()?)
    } else {
        None
    };
    let pid = match (&state, &routed) {
        (Some(State::Running(process)), _) => Some(process.pid),
        (None, Some(routed)) => Some(routed.pid),
        _ => None,
    };
    let egress = egress(node, name);
    let walls = pid.and_then(Walls::of);
    let mut seen = Seen {
        name: name.to_owned(),
        state: state.as_ref().map_or("running", State::word).to_owned(),
        pid,
        exit_code: if let Some(State::Stopped(code)) = &state {
            Some(*code)
        } else {
            None
        },
        walls,
        limits: pid.and_then(Limits::of),
        egress: match egress {
            Some(Egress::Router) => "router",
            Some(Egress::Offline) => "offline",
            None => "none",
        },
        router: routed,
        degraded: Vec::new(),
    };
    seen.degraded = gaps(&seen, asked.as_ref().err());
    seen.degraded.extend(keeper_fault(&sandbox));
    Ok(seen)
}

/// What the runtime said to the hook; `None` when the sandbox has no hook (or has ended).
fn egress(node: &Node, name: &str) -> Option<Egress> {
    let path = node
        .config
        .state_dir
        .join("boxes")
        .join(name)
        .join(handover::FILE);
    let text = std::fs::read(path).ok()?;
    serde_json::from_slice::<Handover>(&text)
        .ok()
        .map(|handover| handover.egress)
}

fn keeper_fault(sandbox: &Sandbox) -> Option<String> {
    let text = std::fs::read_to_string(sandbox.path(keep::FAULT)).ok()?;
    Some(format!("its keeper failed: {}", text.trim_matches('"')))
}

/// What is not as it should be.
fn gaps(seen: &Seen, router_error: Option<&ClientError>) -> Vec<String> {
    let mut gaps = Vec::new();
    if seen.state == State::Lost.word() {
        gaps.push(format!(
            "its process is gone and nobody saw its end: run `nemoclaw rm {}`",
            seen.name
        ));
    }
    if seen.pid.is_none() {
        return gaps;
    }
    match &seen.walls {
        Some(walls) if seen.egress != "none" => gaps.extend(walls.gaps()),
        Some(_) => {}
        None => gaps.push("its process is gone".to_owned()),
    }
    match (&seen.router, seen.egress, router_error) {
        (None, "router", Some(error)) => gaps.push(error.to_string()),
        (None, "router", None) => {
            gaps.push("the router does not know it, so it has no way out".to_owned())
        }
        (Some(routed), _, _) if routed.fault.is_some() => {
            gaps.push(format!(
                "its policy on disk is refused; generation {} stays in force",
                routed.generation
            ));
        }
        _ => {}
    }
    gaps
}

fn text(seen: &Seen, printer: Printer) -> String {
    let row = |name: &str, value: String| vec![format!("  {name}"), value];
    let code = seen
        .exit_code
        .map(|code| format!(" ({code})"))
        .unwrap_or_default();
    let pid = seen
        .pid
        .map(|pid| format!(", pid {pid}"))
        .unwrap_or_default();
    let mut rows = vec![row("state", format!("{}{code}{pid}", seen.state))];
    if let Some(walls) = &seen.walls {
        let gaps = walls.gaps();
        let walls = if gaps.is_empty() {
            "seccomp, no_new_privs, no capabilities".to_owned()
        } else {
            gaps.join("; ")
        };
        rows.push(row("walls", walls));
        rows.push(row("egress", seen.egress.to_owned()));
    }
    if let Some(limits) = &seen.limits {
        rows.push(row("limits", limits.words()));
    }
    let mut fault = String::new();
    if let Some(routed) = &seen.router {
        rows.push(row(
            "policy",
            format!(
                "{}, generation {}",
                routed.policies.join(" & "),
                routed.generation
            ),
        ));
        let capture = serde_json::to_value(routed.capture).ok();
        rows.push(row(
            "capture",
            capture
                .and_then(|word| word.as_str().map(str::to_owned))
                .unwrap_or_default(),
        ));
        let flows = format!(
            "{} allowed, {} denied, {} open",
            routed.allowed, routed.denied, routed.connections
        );
        rows.push(row("flows", flows));
        if let Some(spent) = &routed.models {
            rows.push(row("models", format!("{} in 24 h", spend::words(spent))));
        }
        if let Some(last) = &routed.last_denial {
            rows.push(row("last denial", crate::verbs::logs::sentence(last)));
        }
        fault = routed.fault.clone().unwrap_or_default();
    }
    for gap in &seen.degraded {
        rows.push(row(&printer.paint(Tone::Warning, "degraded"), gap.clone()));
    }
    let mut out = format!("{}\n{}", seen.name, table(&rows));
    for line in fault.lines() {
        out.push_str("\n    ");
        out.push_str(line);
    }
    out
}
