//! `register docker` and `unregister docker`: edit daemon.json, and say how Docker takes notice. Nothing is restarted.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::args::Docker;
use crate::docker::{self, EditError, diff};
use crate::fault::Fault;
use crate::node::{ENVIRONMENT_RUNTIME, binary};
use crate::printer::{Printer, Tone};

/// Run `register docker`.
pub fn register(args: &Docker, printer: Printer) -> anyhow::Result<ExitCode> {
    let runtime = binary("nemoclaw-runtime", ENVIRONMENT_RUNTIME)?;
    edit(args, printer, |text| docker::register(text, &runtime))
}

/// Run `unregister docker`.
pub fn unregister(args: &Docker, printer: Printer) -> anyhow::Result<ExitCode> {
    edit(args, printer, docker::unregister)
}

fn edit(
    args: &Docker,
    printer: Printer,
    change: impl Fn(&str) -> Result<String, EditError>,
) -> anyhow::Result<ExitCode> {
    // A link stays a link: the file behind it is replaced.
    let path = std::fs::canonicalize(&args.config).unwrap_or_else(|_| args.config.clone());
    let old = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(Fault::new(format!("cannot read `{}`", path.display()))
                .because(error)
                .into());
        }
    };
    let new = change(&old).map_err(|error| {
        let default = matches!(error, EditError::IsDefault);
        let fault = Fault::new(format!("cannot edit `{}`", path.display())).because(error);
        if default {
            fault.hint("choose another `default-runtime` first")
        } else {
            fault
        }
    })?;
    if old == new {
        printer.note(format_args!("`{}` needs no change", path.display()));
        return Ok(ExitCode::SUCCESS);
    }
    if args.dry_run {
        printer.data(format_args!(
            "--- {}\n{}",
            path.display(),
            diff::lines(&old, &new)
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    let backup = replace(&path, &old, &new).map_err(|error| {
        let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
        let fault = Fault::new(format!("cannot write `{}`", path.display())).because(error);
        if denied {
            fault.hint("run the same command with `sudo`")
        } else {
            fault
        }
    })?;
    printer.labelled(Tone::Good, "written", path.display());
    if let Some(backup) = backup {
        printer.note(format_args!("the old file is `{}`", backup.display()));
    }
    printer.labelled(
        Tone::Hint,
        "hint",
        "run `kill -HUP $(pidof dockerd)`, and Docker reads it without a restart",
    );
    Ok(ExitCode::SUCCESS)
}

/// Replace a file in one step, with its owner and mode, and keep the old text beside it.
fn replace(path: &Path, old: &str, new: &str) -> std::io::Result<Option<PathBuf>> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let fresh = beside(".nemoclaw-new");
    let mut file = std::fs::File::create(&fresh)?;
    file.write_all(new.as_bytes())?;
    let mut backup = None;
    match std::fs::metadata(path) {
        Ok(meta) => {
            file.set_permissions(std::fs::Permissions::from_mode(meta.mode() & 0o7777))?;
            std::os::unix::fs::fchown(&file, Some(meta.uid()), Some(meta.gid()))?;
            let kept = beside(".before-nemoclaw");
            std::fs::write(&kept, old)?;
            std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(meta.mode() & 0o7777))?;
            backup = Some(kept);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    Ok(backup)
}
