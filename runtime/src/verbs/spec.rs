//! `spec`: a first config.json to edit.

use std::fs::OpenOptions;
use std::io::Write;

use anyhow::{Context as _, Result};
use oci_spec::runtime::Spec;

use crate::cli::SpecArgs;

/// Run the verb. An existing file is not overwritten.
pub fn run(args: &SpecArgs) -> Result<()> {
    let path = args.bundle.join("config.json");
    let text = serde_json::to_vec_pretty(&Spec::default())?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .with_context(|| format!("cannot make `{}`", path.display()))?;
    file.write_all(&text)
        .with_context(|| format!("cannot write `{}`", path.display()))
}
