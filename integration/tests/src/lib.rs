//! The harness of the end-to-end tests: real engines, real servers and real attacks in private namespaces.
//!
//! A [`world::World`] is one directory and two network namespaces: `nct-eng` (Docker, containerd, the router) and
//! `nct-srv` (the servers that stand for the outside world). It is started once, under a file lock, by the first test
//! that needs it, and stays up for the others; `nemoclaw-world down` ends it. containerd with Kubernetes' plugin, and Podman,
//! stand on a second [`machine`] beside Docker, with the same networks and router. Tests read like sentences; what they
//! need of the machine is here.
//!
//! This crate is test code throughout: it panics with a readable message where a product would return an error.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a broken precondition must end the test with its reason"
)]
#![allow(
    clippy::zombie_processes,
    reason = "daemons outlive the test that starts them; `nemoclaw-world down` ends them by their pid files"
)]

pub mod bench;
pub mod bundle;
pub mod cdi;
#[path = "../../../hooks/router/tests/common/certificates.rs"]
#[allow(missing_docs, reason = "the router's tests have it too")]
pub mod certificates;
pub mod container;
pub mod containerd;
pub mod engine;
pub mod images;
pub mod leftovers;
pub mod machine;
#[path = "../../../hooks/router/tests/model/mod.rs"]
#[allow(
    missing_docs,
    missing_debug_implementations,
    reason = "the router's tests have it too"
)]
pub mod model;
pub mod models;
pub mod netns;
pub mod node;
pub mod packets;
pub mod podman;
pub mod pods;
pub mod probe;
pub mod router;
pub mod search;
pub mod shell;
pub mod skip;
pub mod upstream;
pub mod world;

pub use container::Container;
pub use shell::{Output, sh};
pub use world::World;
