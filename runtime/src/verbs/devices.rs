//! `devices`: what the node's CDI files offer, and what is wrong with them, as JSON.

use anyhow::Result;

use super::printer;
use crate::cdi;
use crate::lifecycle::context::Context;

/// Run the verb.
pub fn run(context: &Context) -> Result<()> {
    printer::json(&cdi::survey(&context.node()?.cdi))
}
