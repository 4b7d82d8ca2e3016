//! What a vault refuses. No text here can hold a value.

use std::io;

use super::{MAX_BYTES, MAX_ENTRIES, MAX_VALUE};

/// Why a text cannot be rewritten: whoever gets this sends nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// [`MAX_ENTRIES`].
    #[error(
        "this session has {MAX_ENTRIES} pseudonyms and can have no more; start another sandbox, or let the policy redact"
    )]
    TooMany,
    /// [`MAX_BYTES`].
    #[error("the values that this session's pseudonyms stand for fill {} MiB and can be no more; start another sandbox, or let the policy redact", MAX_BYTES >> 20)]
    TooMuch,
    /// [`MAX_VALUE`].
    #[error(
        "a value that `{detector}` found is longer than the {MAX_VALUE} bytes that a pseudonym can stand for; let the policy redact it"
    )]
    TooLong {
        /// Who found it.
        detector: String,
    },
    /// Every code that was tried is in use: a sign of a broken digest, as one in a million tries meets this once.
    #[error("no pseudonym is free for what `{detector}` found")]
    NoneFree {
        /// Who found it.
        detector: String,
    },
    /// A crash of the worker would lose what was just minted.
    #[error("the record of this session's pseudonyms cannot be written")]
    Journal(#[source] io::Error),
    /// The record broke before.
    #[error(
        "the record of this session's pseudonyms could not be written before, so none is added; start another sandbox"
    )]
    JournalBroken,
    /// A finding of another text, or a detector's fault.
    #[error("what `{detector}` found does not lie on characters of the text")]
    Misplaced {
        /// Who found it.
        detector: String,
    },
}

/// Why a vault cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Not ours, or torn in its first bytes.
    #[error("the record of a session's pseudonyms does not begin as one does")]
    Head,
}
