//! `list`: the boxes of this engine.

use anyhow::{Context as _, Result};

use super::printer;
use super::state::View;
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
        Shape::Json => printer::json(&views),
        Shape::Table => {
            let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
                .map(str::to_owned)
                .to_vec();
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
            printer::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
        }
    }
}
