//! `register kubernetes` and `unregister kubernetes`: manifests, printed or written. No cluster is spoken to.

use std::path::Path;
use std::process::ExitCode;

use crate::args::Cluster;
use crate::engines::file::ConfigFile;
use crate::fault::Fault;
use crate::kubernetes::{self, Manifest};
use crate::printer::{Printer, Tone};

/// Run `register kubernetes`.
pub fn register(args: &Cluster, printer: Printer) -> anyhow::Result<ExitCode> {
    give(args, &kubernetes::install(args), printer)
}

/// Run `unregister kubernetes`.
pub fn unregister(args: &Cluster, printer: Printer) -> anyhow::Result<ExitCode> {
    give(args, &kubernetes::uninstall(args), printer)
}

fn give(args: &Cluster, manifests: &[Manifest], printer: Printer) -> anyhow::Result<ExitCode> {
    check(args)?;
    let Some(directory) = &args.directory else {
        printer.data(kubernetes::stream(manifests))?;
        return Ok(ExitCode::SUCCESS);
    };
    for manifest in manifests {
        write(directory, manifest, printer)?;
    }
    let hint = format!("run `kubectl apply -k {}`", directory.display());
    printer.labelled(Tone::Hint, "hint", hint);
    Ok(ExitCode::SUCCESS)
}

/// What would break the manifests, or stop the installer on every node.
fn check(args: &Cluster) -> anyhow::Result<()> {
    let plain = |text: &str, more: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|one| one.is_ascii_alphanumeric() || more.contains(one))
    };
    if !plain(&args.image, "._:/@-") {
        return Err(Fault::new(format!("`{}` is no image's name", args.image)).into());
    }
    for (at, named) in args.runtimes.iter().enumerate() {
        if args.runtimes[..at]
            .iter()
            .any(|other| other.name == named.name)
        {
            return Err(Fault::new(format!("`--runtime {}` is given twice", named.name)).into());
        }
        let policy = named.policy.as_deref().unwrap_or("default");
        if !plain(policy, "._-") {
            let fault = Fault::new(format!(
                "runtime `{}` cannot have the policy `{policy}`: nodes know policies by name",
                named.name
            ));
            return Err(fault
                .hint("put the file into the ConfigMap `nemoclaw-policies` and give its name")
                .into());
        }
    }
    Ok(())
}

fn write(directory: &Path, manifest: &Manifest, printer: Printer) -> anyhow::Result<()> {
    let path = directory.join(manifest.file);
    let fault = |error: std::io::Error| {
        Fault::new(format!("cannot write `{}`", path.display())).because(error)
    };
    let file = ConfigFile::read(&path).map_err(fault)?;
    if file.text == manifest.text {
        return Ok(());
    }
    if manifest.edited && !file.text.is_empty() {
        printer.note(format_args!("`{}` is kept as it is", path.display()));
        return Ok(());
    }
    file.replace(&manifest.text, false).map_err(fault)?;
    printer.labelled(Tone::Good, "written", path.display());
    Ok(())
}
