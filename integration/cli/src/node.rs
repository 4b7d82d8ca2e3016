//! Where things lie on this machine: the node's configuration, the other binaries, and the directories made from them.

use std::path::{Path, PathBuf};

use nemoclaw_policy::node::{ENVIRONMENT, NodeConfig};

use crate::fault::Fault;

/// Names another router binary.
pub const ENVIRONMENT_ROUTER: &str = "NEMOCLAW_ROUTER";
/// Names another runtime binary.
pub const ENVIRONMENT_RUNTIME: &str = "NEMOCLAW_RUNTIME";

/// This machine as the command sees it.
#[derive(Debug, Clone)]
pub struct Node {
    /// The configuration.
    pub config: NodeConfig,
}

impl Node {
    /// Read the configuration: `--config`, else `NEMOCLAW_CONFIG`, else the usual place.
    pub fn load(explicit: Option<&Path>) -> anyhow::Result<Self> {
        Ok(Self {
            config: NodeConfig::load(explicit)?,
        })
    }

    /// Directory of the direct engine's sandboxes.
    pub fn direct(&self) -> PathBuf {
        self.config.data_dir.join("direct")
    }

    /// What the runtime gets as `--root` from the direct engine.
    pub fn runtime_root(&self) -> PathBuf {
        self.config.state_dir.join("runtime")
    }

    /// The directory of the audit files.
    pub fn audits(&self) -> PathBuf {
        self.config.data_dir.join("audit")
    }

    /// The audit file of a sandbox that is written to.
    pub fn audit(&self, sandbox: &str) -> PathBuf {
        self.audits().join(format!("{sandbox}.jsonl"))
    }

    /// The router's output when the command started it.
    pub fn router_log(&self) -> PathBuf {
        self.config.state_dir.join("router.log")
    }

    /// A command that uses the same configuration as this process.
    pub fn command(&self, program: &Path) -> std::process::Command {
        let mut command = std::process::Command::new(program);
        if let Some(path) = &self.config.path {
            command.env(ENVIRONMENT, path);
        }
        command
    }
}

/// Find one of our binaries: `variable` names it, else it lies beside this one, else in `PATH`.
pub fn binary(name: &str, variable: &str) -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        let path = PathBuf::from(path);
        if is_program(&path) {
            return Ok(std::path::absolute(path)?);
        }
        return Err(Fault::new(format!(
            "{variable} names `{}`, which is no program",
            path.display()
        ))
        .into());
    }
    let own = std::env::current_exe()?;
    let beside = own.parent().map(|directory| directory.join(name));
    let in_path = std::env::var_os("PATH");
    let in_path = in_path
        .iter()
        .flat_map(std::env::split_paths)
        .map(|directory| directory.join(name));
    let found = beside
        .into_iter()
        .chain(in_path.filter(|path| path.is_absolute()))
        .find(|path| is_program(path));
    found.ok_or_else(|| {
        Fault::new(format!(
            "cannot find `{name}` beside `{}` or in PATH",
            own.display()
        ))
        .hint("run `make install`, or set ".to_owned() + variable)
        .into()
    })
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Refuse with the command that helps unless this is root.
pub fn require_root(printed_as: &str) -> anyhow::Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let fault = Fault::new(format!(
        "`nemoclaw {printed_as}` needs root, because it reads and builds sandboxes"
    ));
    Err(fault
        .hint(format!("run `sudo nemoclaw {printed_as} …`"))
        .into())
}

/// The account behind `sudo`, where there is one that is not root.
pub fn sudo_caller() -> Option<(u32, u32)> {
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    let (user, group) = (number("SUDO_UID")?, number("SUDO_GID")?);
    (user != 0).then_some((user, group))
}
