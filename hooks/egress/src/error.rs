//! Why the hook failed: one sentence that `docker run` shows.

use std::io;
use std::path::PathBuf;

use nemoclaw_api::client::ClientError;
use nix::errno::Errno;

use crate::capture::BpfError;
use crate::netlink::route::Change;
use crate::squat::Squatter;

/// Why a sandbox could not be guarded, or not be released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// The hook's input cannot be read.
    #[error("cannot read the container's state from standard input")]
    Input(#[source] io::Error),
    /// The hook's input is no OCI state.
    #[error("the text on standard input is not an OCI state")]
    State(#[source] serde_json::Error),
    /// The state does not say where the runtime left its words.
    #[error(
        "the container's state has no annotation `nemoclaw.dev/state`: the hook works only under nemoclaw-runtime"
    )]
    NoAnnotation,
    /// The state has no process.
    #[error("the container's state names no process: the hook belongs in `createRuntime`")]
    NoProcess,
    /// The hand-over cannot be read.
    #[error("cannot read the hand-over `{}`", path.display())]
    Handover {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The hand-over is of another form.
    #[error("the hand-over `{}` is not of the expected form: install runtime and hook of one version", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: serde_json::Error,
    },
    /// The hand-over is of another version.
    #[error(
        "the hand-over is of version {version}, this hook knows 1: install runtime and hook of one version"
    )]
    Version {
        /// What came.
        version: u32,
    },
    /// State and hand-over disagree.
    #[error("the container's state is of `{container}`, but the hand-over is for `{sandbox}`")]
    OtherSandbox {
        /// In the state.
        container: String,
        /// In the hand-over.
        sandbox: String,
    },
    /// The name cannot stand in nf_tables.
    #[error("the sandbox's name has {length} bytes, and 200 are the most")]
    LongName {
        /// Its length.
        length: usize,
    },
    /// The first process ended.
    #[error("the container's first process {pid} is gone")]
    Gone {
        /// Its number.
        pid: i32,
        /// Cause.
        #[source]
        source: Errno,
    },
    /// A namespace file cannot be opened.
    #[error("cannot open the network namespace `{}`", path.display())]
    Namespace {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// It is the host's.
    #[error(
        "the container shares the host's network, which cannot be guarded: start it without `--network host`"
    )]
    Host,
    /// setns refused.
    #[error("cannot enter the sandbox's network namespace")]
    Enter(#[source] Errno),
    /// setns back refused.
    #[error("cannot leave the sandbox's network namespace")]
    Leave(#[source] Errno),
    /// Nobody guarded it.
    #[error("the network namespace has no fence, so there is nothing to resume")]
    Unguarded,
    /// It is another sandbox's.
    #[error(
        "the network namespace is guarded for sandbox `{owner}` already: give this one a network of its own"
    )]
    Guarded {
        /// The other.
        owner: String,
    },
    /// A system call failed.
    #[error("cannot guard the sandbox's network: cannot {what}")]
    Step {
        /// What was to be done.
        what: &'static str,
        /// Cause.
        #[source]
        source: Errno,
    },
    /// nf_tables lack something.
    #[error(
        "cannot guard the sandbox's network: this kernel's nf_tables cannot filter here (Linux 5.16 is needed for networks other than `--network none`)"
    )]
    NoFilter(#[source] Errno),
    /// A routing change failed.
    #[error("cannot guard the sandbox's network: the kernel refused {}", change.map_or_else(|| "the routes".to_owned(), |c| format!("{c:?}")))]
    Change {
        /// The change.
        change: Option<Change>,
        /// Cause.
        #[source]
        source: Errno,
    },
    /// A net setting cannot be made.
    #[error("cannot guard the sandbox's network: cannot set `{}`", path.display())]
    Switch {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A socket cannot be opened.
    #[error("cannot open the router's {what} port {port} in the sandbox's network")]
    Socket {
        /// TCP or UDP.
        what: &'static str,
        /// The port.
        port: u16,
        /// Cause.
        #[source]
        source: Errno,
    },
    /// A program of the sandbox took the router's port while there was no router.
    #[error(
        "{squatter} in the sandbox holds the router's {what} port {port}, so the sandbox stays without network: end that process"
    )]
    Squatted {
        /// TCP or UDP.
        what: &'static str,
        /// The port.
        port: u16,
        /// Who.
        squatter: Squatter,
    },
    /// `capture: sk_lookup` cannot be had.
    #[error(
        "the capture `sk_lookup` cannot be set up: allow bpf(2), or write `capture: auto` in the node's configuration"
    )]
    Capture(#[source] BpfError),
    /// A probe came out wrong.
    #[error("the sandbox's network is not tight, so it does not start: {0}")]
    NotTight(String),
    /// The router.
    #[error(transparent)]
    Router(#[from] ClientError),
    /// The CA cannot be appended.
    #[error("cannot add the router's certificate to `{}`", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

/// The error with its causes, on one line.
pub fn sentence(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let mut text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    text.retain(|character| character != '\n');
    text
}
