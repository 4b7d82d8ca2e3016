//! What every verb has at hand.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use nemoclaw_policy::node::NodeConfig;

use crate::cli::Global;
use crate::log::Log;
use crate::state::Store;

/// The log, the options before the verb, and the handler's policy.
pub struct Context {
    /// The log.
    pub log: Log,
    /// Options before the verb.
    pub global: Global,
    /// `--policy`, or the name in argv\[0\].
    pub handler: Option<String>,
}

impl Context {
    /// The node's configuration.
    ///
    /// # Errors
    /// A fault in the file.
    pub fn node(&self) -> Result<NodeConfig> {
        Ok(NodeConfig::load(self.global.config.as_deref())?)
    }

    /// The boxes of this engine.
    ///
    /// # Errors
    /// The node's configuration cannot be used, or `--root` cannot be made absolute.
    pub fn store(&self) -> Result<Store> {
        Ok(Store::new(&self.node()?.state_dir, self.root()?))
    }

    /// `--root`, absolute: engines may give it in other words on the next call.
    ///
    /// # Errors
    /// The working directory is gone.
    pub fn root(&self) -> Result<PathBuf> {
        let root = &self.global.root;
        let absolute = std::path::absolute(root)
            .with_context(|| format!("cannot find `{}`", root.display()))?;
        Ok(std::fs::canonicalize(&absolute).unwrap_or(absolute))
    }
}
