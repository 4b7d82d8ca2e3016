//! The router: the only way out of a sandbox.
//!
//! Two processes of one program. The [`warden`] is root, holds every sandbox's sockets, watches the policy files and
//! writes the audit files, and reads no byte that came from a network. The [`worker`] runs under its own user without
//! capabilities, behind Landlock and seccomp, and parses everything. They speak over [`link`]. A worker that dies is
//! started again with the same sockets, policies and identities.

pub mod clock;
pub mod limits;
pub mod link;
pub mod meters;
pub mod secret;
mod sys;
pub mod warden;
pub mod worker;
