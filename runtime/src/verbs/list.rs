//! `list`: the boxes of this engine.

use anyhow::{Context as _, Result};

use super::printer;
use super::state::{View, table};
use crate::cli::{List, Shape};
use crate::lifecycle::context::Context;

/// Run the verb.
pub fn run(context: &Context, args: &List) -> Result<()> {
    let views: Vec<View> = context
        .store()?
        .list()
        .context("cannot list the containers")?
        .into_iter()
        .map(View::from)
        .collect();
    if args.quiet {
        return views.iter().try_for_each(|view| printer::text(&view.id));
    }
    match args.format {
        // One line, as runc prints it.
        Shape::Json => printer::text(&serde_json::to_string(&views)?),
        Shape::Table => table(views),
    }
}
