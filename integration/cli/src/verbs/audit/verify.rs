//! `audit verify`: whether the log is still what the router wrote, and else where the first fault is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nemoclaw_api::audit::chain::{Head, Keys};
use nemoclaw_api::audit::verify::{Against, Bad, Report, VerifyError, verify};
use nemoclaw_api::client::{Client, ClientError};
use serde::Serialize;

use super::{CANNOT_TELL, files};
use crate::args::{Format, Verify};
use crate::direct::names;
use crate::fault::Fault;
use crate::node::{Node, require_root};
use crate::printer::{Printer, table};
use crate::verbs::router;

/// What was found of one log.
#[derive(Debug, Serialize)]
struct Found {
    /// The sandbox, or the file.
    log: String,
    /// Whether it is what was written.
    good: bool,
    report: Option<Report>,
    bad: Option<Place>,
    /// Why nothing was found out.
    error: Option<String>,
}

/// The first fault.
#[derive(Debug, Serialize)]
struct Place {
    file: PathBuf,
    line: u64,
    what: String,
}

/// The JSON output.
#[derive(Debug, Serialize)]
struct Document {
    version: u32,
    logs: Vec<Found>,
}

/// Run it.
pub fn run(node: &Node, args: &Verify, printer: Printer) -> anyhow::Result<ExitCode> {
    let logs = match &args.target {
        Some(file) if file.contains('/') || file.contains(".jsonl") => {
            vec![of_file(Path::new(file), &keys(node, args.key.as_deref())?)]
        }
        target => of_sandboxes(node, args, target.as_deref())?,
    };
    let code = if logs.iter().any(|found| found.bad.is_some()) {
        1
    } else if logs.iter().any(|found| found.error.is_some()) {
        CANNOT_TELL
    } else {
        0
    };
    match args.output.output {
        Format::Json => printer.json(&Document { version: 1, logs })?,
        Format::Text if logs.is_empty() => printer.note("there is no audit log"),
        Format::Text => {
            let rows: Vec<Vec<String>> = logs.iter().map(row).collect();
            printer.data(table(&rows))?;
        }
    }
    Ok(ExitCode::from(code))
}

fn row(found: &Found) -> Vec<String> {
    let (word, told) = match (&found.bad, &found.error, &found.report) {
        (Some(bad), ..) => {
            let Place { file, line, what } = bad;
            ("bad", format!("{}:{line}: {what}", file.display()))
        }
        (_, Some(error), _) => ("unknown", error.clone()),
        (_, _, Some(report)) => ("good", told(report)),
        _ => ("unknown", String::new()),
    };
    vec![found.log.clone(), word.to_owned(), told]
}

fn told(report: &Report) -> String {
    let mut words = vec![format!(
        "records {} to {}, {} signatures",
        report.first, report.last, report.signatures
    )];
    if report.unsigned > 0 {
        words.push(format!("the last {} not signed yet", report.unsigned));
    }
    if report.removed_through > 0 {
        words.push(format!(
            "older ones up to {} removed in their turn",
            report.removed_through
        ));
    }
    if report.resumed_over > 0 {
        words.push(format!(
            "{} were not signed when a router was killed",
            report.resumed_over
        ));
    }
    words.join("; ")
}

/// A file that came from elsewhere: nothing is known of its beginning, and its end must be signed.
fn of_file(path: &Path, keys: &Keys) -> Found {
    let against = Against {
        keys,
        head: None,
        whole: false,
        live: false,
    };
    found(
        path.display().to_string(),
        verify(&[path.to_path_buf()], &against),
    )
}

fn of_sandboxes(node: &Node, args: &Verify, wanted: Option<&str>) -> anyhow::Result<Vec<Found>> {
    require_root("audit verify")?;
    let mut all = files::names(node)?;
    if let Some(wanted) = wanted {
        all = vec![names::find(Some(wanted), &all)?.to_owned()];
    }
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let keys = keys(node, args.key.as_deref())?;
    let sealed = Client::connect(&node.config.router.socket).and_then(Client::seal);
    let living = match sealed {
        Ok(()) => router::boxes(node)?,
        // Nobody writes: whatever is without a signature stays so.
        Err(ClientError::Absent { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let living = |name: &str| living.iter().any(|one| one.sandbox == name);
    Ok(all
        .into_iter()
        .map(|name| of_sandbox(node, &name, &keys, living(&name)))
        .collect())
}

fn of_sandbox(node: &Node, name: &str, keys: &Keys, live: bool) -> Found {
    let check = || -> anyhow::Result<(Result<Report, VerifyError>, bool)> {
        // The head first: a log that grows meanwhile has more than it says, never less.
        let head = head(node, name)?;
        let against = Against {
            keys,
            head: head.as_ref(),
            whole: true,
            live,
        };
        let report = verify(&files::of(node, name)?, &against);
        Ok((report, head.is_some()))
    };
    let mut result = check();
    if live && matches!(result, Ok((Err(_), _))) {
        // The files may have been turned over while they were read.
        result = check();
    }
    match result {
        Ok((Ok(_), false)) => missed(
            name,
            Head::path(&node.config.data_dir, name),
            "the signed head is missing, so that the end of the log may have been cut off",
        ),
        Ok((Err(VerifyError::Head { .. }), _)) => missed(
            name,
            Head::path(&node.config.data_dir, name),
            "this is not the head that the router signed",
        ),
        Ok((Err(error @ VerifyError::Gone(_)), _)) => {
            missed(name, node.audit(name), &error.to_string())
        }
        Ok((result, _)) => found(name.to_owned(), result),
        Err(error) => Found {
            log: name.to_owned(),
            good: false,
            report: None,
            bad: None,
            error: Some(format!("{error:#}")),
        },
    }
}

/// A whole file is not as it was.
fn missed(name: &str, file: PathBuf, what: &str) -> Found {
    Found {
        log: name.to_owned(),
        good: false,
        report: None,
        bad: Some(Place {
            file,
            line: 1,
            what: what.to_owned(),
        }),
        error: None,
    }
}

fn found(log: String, result: Result<Report, VerifyError>) -> Found {
    let (report, bad, error) = match result {
        Ok(report) => (Some(report), None, None),
        Err(VerifyError::Bad(Bad { file, line, what })) => {
            let what = what.to_string();
            (None, Some(Place { file, line, what }), None)
        }
        Err(error) => (None, None, Some(format!("{:#}", anyhow::Error::new(error)))),
    };
    Found {
        log,
        good: report.is_some(),
        report,
        bad,
        error,
    }
}

/// The signed head; `None` where there is none to read.
fn head(node: &Node, name: &str) -> anyhow::Result<Option<Head>> {
    let path = Head::path(&node.config.data_dir, name);
    match std::fs::read(&path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let fault = Fault::new(format!("cannot read the signed head `{}`", path.display()));
            Err(fault.because(error).into())
        }
    }
}

fn keys(node: &Node, named: Option<&Path>) -> anyhow::Result<Keys> {
    let own = Keys::path(&node.config.data_dir);
    let path = named.unwrap_or(&own);
    let unread = || {
        Fault::new(format!("cannot read public keys from `{}`", path.display()))
            .hint("name the file `audit.pub` of the node that wrote the log with `--key FILE`")
    };
    let text = std::fs::read_to_string(path).map_err(|error| unread().because(error))?;
    Ok(Keys::parse(&text).map_err(|error| unread().because(error))?)
}
