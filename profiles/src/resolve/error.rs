//! Why no policy could be chosen: one whole sentence each, with what to do.

use std::path::PathBuf;

use super::Asker;
use crate::source::Diagnostic;
use crate::trust::TrustError;

/// Why no policy could be chosen; `Display` is one whole sentence with what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// No such policy.
    #[error("there is no policy named `{name}`: choose one of {known}, or put `{name}.yaml` into `{}`", directory.display())]
    UnknownName {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
        /// Where files with names lie.
        directory: PathBuf,
    },
    /// A text that can be no name.
    #[error(
        "`{name}` is no policy name: use letters, digits, `-`, `_` and `.`, or give a file with `--policy ./FILE`"
    )]
    BadName {
        /// What was asked for.
        name: String,
    },
    /// The node does not let it be chosen from outside.
    #[error("{asker} asks for policy `{name}`, which this node does not offer: choose one of {known}, or add `{name}` to `selectable` in `{}`", config.display())]
    NotSelectable {
        /// What was asked for.
        name: String,
        /// By whom.
        asker: Asker,
        /// What is offered.
        known: String,
        /// The node's configuration.
        config: PathBuf,
    },
    /// `unconfined` without the node's word.
    #[error("policy `{name}` makes no sandbox, so the node must offer it: add `{name}` to `selectable` in `{}`", config.display())]
    Unconfined {
        /// What was asked for.
        name: String,
        /// The node's configuration.
        config: PathBuf,
    },
    /// A fault in a text; the diagnostic has the caret.
    #[error("the policy cannot be used: {}", .0.one_line())]
    Fault(Box<Diagnostic>),
    /// A file that may not be believed.
    #[error(transparent)]
    Untrusted(TrustError),
    /// Two policies want different accounts.
    #[error(
        "policies `{first}` and `{second}` name different accounts in `{key}`, so none can run: drop `{key}` from one of them"
    )]
    Conflict {
        /// `run_as_user` or `run_as_group`.
        key: &'static str,
        /// One policy.
        first: String,
        /// The other.
        second: String,
    },
    /// No policy was chosen at all.
    #[error("no policy was chosen: give one with `--policy default`")]
    Nothing,
}
