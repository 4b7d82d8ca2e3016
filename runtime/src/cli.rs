//! The command line, in the shapes that containerd's shim, Docker, Podman and CRI-O use.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::log::Format;

mod events;
mod faults;
mod image;
mod update;

pub use events::Events;
pub use faults::{log_options, usage_sentence};
pub use image::Image;
pub use update::Update;

/// `--version` in runc's shape: engines read these three lines.
const VERSION: &str = concat!(
    "version ",
    env!("CARGO_PKG_VERSION"),
    "\ncommit: ",
    env!("NEMOCLAW_COMMIT"),
    "\nspec: 1.2.1"
);
/// The engine whose boxes a call is about when it names no root.
const DEFAULT_ROOT: &str = "/run/nemoclaw/runtime";
/// The binary's name; `NAME` in a symlink `nemoclaw-runtime.NAME` is the handler's policy.
const BINARY: &str = "nemoclaw-runtime";

/// An OCI runtime whose containers are agent sandboxes.
#[derive(Debug, Parser)]
#[command(name = BINARY, version = VERSION, args_override_self = true)]
pub struct Cli {
    /// Options before the verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options before the verb.
#[derive(Debug, Args)]
pub struct Global {
    /// Directory for the state of this engine's containers.
    #[arg(long, default_value = DEFAULT_ROOT)]
    pub root: PathBuf,
    /// Log file; without one, errors go to standard error.
    #[arg(long)]
    pub log: Option<PathBuf>,
    /// Shape of the log's lines.
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: Format,
    /// Write more to the log.
    #[arg(long)]
    pub debug: bool,
    /// Let systemd make the cgroups.
    #[arg(long)]
    pub systemd_cgroup: bool,
    /// The handler's policy: a name or an absolute path of a file.
    #[arg(long)]
    pub policy: Option<String>,
    /// The node's configuration (default: /etc/nemoclaw/config.yaml).
    #[arg(long)]
    pub config: Option<PathBuf>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Build a container; its program waits for `start`.
    Create(Create),
    /// Start the program of a created container.
    Start(Id),
    /// Print a container's state.
    State(State),
    /// Send a signal to a container's first process.
    Kill(Kill),
    /// Remove a container.
    Delete(Delete),
    /// Create and start a container, and wait for it.
    Run(Run),
    /// Run another program in a container.
    Exec(Box<Exec>),
    /// List the processes of a container.
    Ps(Ps),
    /// Freeze all processes of a container.
    Pause(Id),
    /// Thaw a frozen container.
    Resume(Id),
    /// Change resource limits, within the policy's.
    Update(Box<Update>),
    /// Print a container's numbers, and when its memory is used up.
    Events(Events),
    /// List containers.
    List(List),
    /// Refused: no program can be put back behind its walls.
    Checkpoint(Image),
    /// Refused, as `checkpoint`.
    Restore(Image),
    /// Print what this runtime supports as JSON.
    Features,
    /// Print the devices that CDI files of this node describe, and what is wrong with the files, as JSON.
    Devices,
    /// Write a first config.json.
    Spec(SpecArgs),
}

/// Only an id.
#[derive(Debug, Args)]
pub struct Id {
    /// The container's id.
    pub id: String,
}

/// `state`.
#[derive(Debug, Args)]
pub struct State {
    /// Shape.
    #[arg(short, long, value_enum, default_value = "json")]
    pub format: Shape,
    /// The container's id.
    pub id: String,
}

/// `create`.
#[derive(Debug, Args)]
pub struct Create {
    /// The bundle's directory.
    #[arg(short, long, default_value = ".")]
    pub bundle: PathBuf,
    /// Where to write the first process's pid.
    #[arg(long)]
    pub pid_file: Option<PathBuf>,
    /// Unix socket that receives the terminal's master.
    #[arg(long)]
    pub console_socket: Option<PathBuf>,
    /// Unix socket that receives a pidfd of the first process.
    #[arg(long)]
    pub pidfd_socket: Option<PathBuf>,
    /// Do not pivot_root: for initramfs roots.
    #[arg(long)]
    pub no_pivot: bool,
    /// Keep the caller's session keyring (only without walls).
    #[arg(long)]
    pub no_new_keyring: bool,
    /// Pass this many descriptors after the third.
    #[arg(long, default_value_t = 0)]
    pub preserve_fds: u32,
    /// The container's id.
    pub id: String,
}

/// `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// As for `create`.
    #[command(flatten)]
    pub create: Create,
    /// Do not wait.
    #[arg(short, long)]
    pub detach: bool,
    /// Accepted: this runtime never becomes the parent of others' orphans.
    #[arg(long)]
    pub no_subreaper: bool,
    /// Leave the container when its program ends.
    #[arg(long)]
    pub keep: bool,
}

/// `kill`.
#[derive(Debug, Args)]
pub struct Kill {
    /// All processes of the container.
    #[arg(short, long)]
    pub all: bool,
    /// The container's id.
    pub id: String,
    /// Number or name, with or without `SIG`.
    #[arg(default_value = "SIGTERM")]
    pub signal: String,
}

/// `delete`.
#[derive(Debug, Args)]
pub struct Delete {
    /// Kill it first; an unknown id is fine.
    #[arg(short, long)]
    pub force: bool,
    /// The container's id.
    pub id: String,
}

/// `exec`.
#[derive(Debug, Args)]
pub struct Exec {
    /// A process.json.
    #[arg(short, long)]
    pub process: Option<PathBuf>,
    /// Do not wait.
    #[arg(short, long)]
    pub detach: bool,
    /// Where to write the process's pid.
    #[arg(long)]
    pub pid_file: Option<PathBuf>,
    /// Unix socket that receives the terminal's master.
    #[arg(long)]
    pub console_socket: Option<PathBuf>,
    /// Unix socket that receives a pidfd of the process.
    #[arg(long)]
    pub pidfd_socket: Option<PathBuf>,
    /// Give it a terminal.
    #[arg(short, long)]
    pub tty: bool,
    /// UID or UID:GID.
    #[arg(short, long)]
    pub user: Option<String>,
    /// Additional group ids.
    #[arg(short = 'g', long)]
    pub additional_gids: Vec<u32>,
    /// Working directory.
    #[arg(long)]
    pub cwd: Option<PathBuf>,
    /// NAME=VALUE.
    #[arg(short, long)]
    pub env: Vec<String>,
    /// A capability; only those of the policy are given.
    #[arg(short, long)]
    pub cap: Vec<String>,
    /// Set no_new_privs; it is always set inside walls.
    #[arg(long)]
    pub no_new_privs: bool,
    /// AppArmor profile.
    #[arg(long)]
    pub apparmor: Option<String>,
    /// Refused: no process gets an SELinux label.
    #[arg(long)]
    pub process_label: Option<String>,
    /// Refused: a process runs in its container's own cgroup.
    #[arg(long)]
    pub cgroup: Option<String>,
    /// Also into a frozen container.
    #[arg(long)]
    pub ignore_paused: bool,
    /// Pass this many descriptors after the third.
    #[arg(long, default_value_t = 0)]
    pub preserve_fds: u32,
    /// The container's id.
    pub id: String,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

/// `ps`.
#[derive(Debug, Args)]
pub struct Ps {
    /// Shape.
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Shape,
    /// The container's id.
    pub id: String,
    /// Options of the host's `ps`, for a table (default: -ef).
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub options: Vec<String>,
}

/// Shapes of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// Columns.
    Table,
    /// JSON.
    Json,
}

/// `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Shape.
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Shape,
    /// Only ids.
    #[arg(short, long)]
    pub quiet: bool,
}

/// `spec`.
#[derive(Debug, Args)]
pub struct SpecArgs {
    /// Where to write it.
    #[arg(short, long, default_value = ".")]
    pub bundle: PathBuf,
}

impl Verb {
    /// Whether the verb enters a box, so that the binary must be sealed first.
    #[must_use]
    pub fn enters(&self) -> bool {
        matches!(self, Verb::Create(_) | Verb::Run(_) | Verb::Exec(_))
    }
}

/// The policy in the name the binary was called by: `nemoclaw-runtime.NAME`.
#[must_use]
pub fn policy_in_name(arg0: &std::ffi::OsStr) -> Option<String> {
    let name = Path::new(arg0).file_name()?.to_str()?;
    name.strip_prefix(BINARY)?
        .strip_prefix('.')
        .filter(|policy| !policy.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests;
