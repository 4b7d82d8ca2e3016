//! Programs are run by a small machine here and held against a reader of profiles that knows nothing of programs.

mod machine;
mod profiles;
mod random;
