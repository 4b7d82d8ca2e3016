//! The blocking client that the hook and the command line use.
