//! What a sandbox may do: the policy's types, its strict reader, the decisions on it, and the data that ships.
//!
//! This crate imports no other crate of the workspace. Everything in it is pure: text and values in, values out;
//! only `node` and `resolve` read files, and only those the operator named.

mod automaton;
pub mod builtin;
pub mod choose;
pub mod class;
pub mod decide;
pub mod detector;
pub mod device;
pub mod digest;
pub mod edit;
mod glob;
pub mod handover;
mod index;
pub mod narrow;
pub mod node;
pub mod path;
pub mod policy;
pub mod provider;
pub mod resolve;
pub mod schema;
pub mod seccomp;
pub mod segments;
pub mod source;
mod suggest;
pub mod trust;
mod yaml;

pub use class::Class;
pub use decide::{Flow, HttpRequest, Program, Verdict};
pub use path::{PathFault, normalise_path};
pub use policy::Policy;
pub use source::{Diagnostic, Location, Source};
