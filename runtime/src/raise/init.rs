//! A box's first process, from the clone to its program.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use nix::sched::CloneFlags;
use nix::sys::signal::Signal;
use oci_spec::runtime::{Hook, Linux, Process, Spec};

use super::channel::{Channel, Word};
use super::console;
use super::devices::{self, Way};
use super::error::{RaiseError, kernel};
use super::hooks::{self, Stage, View};
use super::identity;
use super::labels::Labels;
use super::masks;
use super::namespaces::Namespaces;
use super::settings;
use super::sources::Source;
use super::tree::{self, Switch};
use super::tuning;
use crate::cgroup::Entry;
use crate::enforce::last::{Last, WAITING_NAME, sentence};
use crate::enforce::{program, report, walls};
use crate::plan::{LandlockRule, Walls};
use crate::sys::clone::leave;
use crate::sys::{ids, names, openat2};

/// What the first process is made of; everything was opened by the verb on the host.
pub struct First<'a> {
    /// The planned configuration.
    pub spec: &'a Spec,
    /// Its `process`.
    pub process: &'a Process,
    /// Its `linux`.
    pub linux: &'a Linux,
    /// A copy of the root file system's mounts.
    pub root: OwnedFd,
    /// Where it lies on the host.
    pub root_path: PathBuf,
    /// How it becomes the root.
    pub switch: Switch,
    /// All mounts.
    pub sources: Vec<Source>,
    /// The host's null device.
    pub null: OwnedFd,
    /// Namespaces.
    pub namespaces: Namespaces,
    /// The way into its cgroup, where it was not cloned into it.
    pub entry: Option<Entry>,
    /// The walls; `None` under `unconfined`.
    pub walls: Option<&'a Walls>,
    /// Rules that need identities.
    pub rules: &'a [LandlockRule],
    /// The last steps.
    pub last: Last<'a>,
    /// Where the terminal's master goes.
    pub console: Option<OwnedFd>,
    /// Where `start` knocks.
    pub start: UnixListener,
    /// The container, for hooks inside.
    pub view: View,
}

impl First<'_> {
    /// Live. The other end of `channel` is the verb.
    pub fn live(mut self, channel: Channel) -> ! {
        // The host's `/proc` is still there, and knows the number that hooks and listeners are told.
        self.last.pid = own_number();
        let told = match self.build(&channel) {
            Ok(home) => {
                self.last.home = home;
                drop(channel);
                self.become_program()
            }
            Err(error) => {
                // Nobody may be listening any more.
                channel.say(&Word::Failed(sentence(&error))).ok();
                leave(1)
            }
        };
        report::tell_start(&self.start, &told);
        leave(1)
    }

    fn build(&self, channel: &Channel) -> Result<Option<String>, RaiseError> {
        let labels = Labels::of(self.process)?;
        nix::sys::prctl::set_name(WAITING_NAME).map_err(kernel("name the process"))?;
        // Until everything is done it ends with the verb, also where that is killed.
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(kernel("end with the command"))?;
        ids::hide().map_err(kernel("hide the process"))?;
        nix::unistd::setsid().map_err(kernel("lead a session"))?;
        if let Some(entry) = &self.entry {
            entry
                .enter()
                .map_err(|error| RaiseError::Config(sentence(&error)))?;
        }
        if self.namespaces.has_users() {
            heard(channel, &Word::Mapped)?;
            ids::become_user(0, 0, None)
                .map_err(kernel("become the root of the user namespace"))?;
            // A change of user lets go of this.
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
                .map_err(kernel("end with the command"))?;
        }
        self.namespaces.enter()?;
        if self.namespaces.new.contains(CloneFlags::CLONE_NEWNET) {
            names::raise_loopback().map_err(kernel("set the interface `lo` up"))?;
        }
        settings::names(self.spec, &self.namespaces)?;
        self.mount()?;
        channel.say(&Word::Tree).map_err(|_| RaiseError::Alone)?;
        heard(channel, &Word::Go)?;
        // The verb has put it into its cgroup by now, where it could not go there itself.
        self.namespaces.make_cgroup()?;
        self.settle()?;
        let identities = self.wall_in()?;
        let home = identity::home(self.process)?;
        self.become_user(channel, &identities, &labels)?;
        Ok(home)
    }

    /// The file tree, up to where createContainer hooks run.
    fn mount(&self) -> Result<(), RaiseError> {
        let propagation = self.linux.rootfs_propagation().as_deref();
        tree::enter(self.root.as_fd(), &self.root_path, propagation)?;
        let mounts = self.spec.mounts().as_deref().unwrap_or_default();
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
        tree::mount_all(self.root.as_fd(), mounts, &self.sources)?;
        if devices::own(mounts) {
            let way = if self.namespaces.has_users() {
                Way::Bind
            } else {
                Way::Make
            };
            nix::sys::stat::umask(nix::sys::stat::Mode::empty());
            let listed = self.linux.devices().as_deref().unwrap_or_default();
            devices::make_all(self.root.as_fd(), listed, way)?;
        }
        tree::close_dev(self.root.as_fd(), mounts, &self.sources)
    }

    /// Hooks in the box's namespaces, the new root, and what hides in it.
    fn settle(&self) -> Result<(), RaiseError> {
        if let Some(given) = self.linux.sysctl() {
            settings::sysctls(given, &self.namespaces)?;
        }
        self.hooks(|all| all.create_container().as_deref(), Stage::Creating)?;
        tree::switch(self.root.as_fd(), self.switch)?;
        let root = openat2::own_root().map_err(kernel("open the root directory"))?;
        self.take_terminal(root.as_fd())?;
        masks::read_only(
            root.as_fd(),
            self.linux.readonly_paths().as_deref().unwrap_or_default(),
        )?;
        masks::mask(
            root.as_fd(),
            self.linux.masked_paths().as_deref().unwrap_or_default(),
            self.null.as_fd(),
        )?;
        identity::make_directory(self.process.cwd())?;
        let read_only = self.spec.root().as_ref().and_then(|root| root.readonly());
        tree::finish(
            self.linux.rootfs_propagation().as_deref(),
            read_only.unwrap_or(false),
        )
    }

    fn take_terminal(&self, root: BorrowedFd<'_>) -> Result<(), RaiseError> {
        if self.process.terminal() != Some(true) {
            return Ok(());
        }
        let Some(socket) = &self.console else {
            return Err(RaiseError::Config(
                "cannot give the process a terminal without --console-socket".to_owned(),
            ));
        };
        let slave = console::take(root, self.process, socket.as_fd())?;
        console::show(root, slave.as_fd())
    }

    fn wall_in(&self) -> Result<Vec<u8>, RaiseError> {
        let root = openat2::own_root().map_err(kernel("open the root directory"))?;
        if let Some(planned) = self.walls {
            walls::build(root.as_fd(), planned).map_err(RaiseError::Config)?;
        }
        let identities = walls::identities(root.as_fd(), self.rules).map_err(RaiseError::Config)?;
        serde_json::to_vec(&identities)
            .map_err(|error| RaiseError::Config(format!("cannot write the identities: {error}")))
    }

    /// The user, the place and the program; then the verb may go.
    fn become_user(
        &self,
        channel: &Channel,
        identities: &[u8],
        labels: &Labels,
    ) -> Result<(), RaiseError> {
        labels.set()?;
        tuning::apply(self.process, Some(self.linux))
            .map_err(|error| RaiseError::Config(sentence(&error)))?;
        let entered = nix::unistd::chdir(self.process.cwd()).is_ok();
        let user = self.process.user();
        console::own_streams(user.uid())?;
        let may_set_groups = identity::may_set_groups();
        let sets = self.last.sets.unwrap_or_default();
        identity::take(user, &sets, self.last.later(), may_set_groups)?;
        // The change of user let go of this.
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(kernel("end with the command"))?;
        identity::enter_directory(self.process.cwd(), entered)?;
        program::find(self.process).map_err(|error| RaiseError::Step(error.into()))?;
        ids::hide().map_err(kernel("hide the process"))?;
        channel
            .say(&Word::Ready(identities.to_vec()))
            .map_err(|_| RaiseError::Alone)?;
        // The verb has heard it or is dead, and then this process is too.
        heard(channel, &Word::Go)?;
        nix::sys::prctl::set_pdeathsig(None).map_err(kernel("outlive the command"))
    }

    /// Wait for `start`, then become the program; what went wrong.
    fn become_program(&self) -> String {
        if let Err(error) = report::await_start(&self.start) {
            return format!("cannot wait for the start: {error}");
        }
        let ran = self.hooks(|all| all.start_container().as_deref(), Stage::Created);
        if let Err(error) = ran {
            return sentence(&error);
        }
        match self.last.run(self.process) {
            Ok(never) => match never {},
            Err(error) => sentence(&error),
        }
    }

    fn hooks<'h>(
        &'h self,
        of: impl Fn(&'h oci_spec::runtime::Hooks) -> Option<&'h [Hook]>,
        stage: Stage,
    ) -> Result<(), RaiseError> {
        let Some(list) = self
            .spec
            .hooks()
            .as_ref()
            .and_then(of)
            .filter(|list| !list.is_empty())
        else {
            return Ok(());
        };
        if stage == Stage::Creating {
            nix::unistd::fchdir(std::os::fd::AsRawFd::as_raw_fd(&self.root))
                .map_err(kernel("enter the root file system"))?;
        }
        let state = hooks::state(&self.view, stage, self.last.pid);
        hooks::run_all(list, &state, None).map_err(|error| RaiseError::Config(sentence(&error)))
    }
}

/// This process's number in the process-id namespace of the host's `/proc`.
#[must_use]
pub fn own_number() -> Option<i32> {
    let link = std::fs::read_link("/proc/self").ok()?;
    link.to_str()?.parse().ok()
}

/// Wait for the verb's word.
fn heard(channel: &Channel, wanted: &Word) -> Result<(), RaiseError> {
    match channel
        .hear(None)
        .map_err(kernel("hear from the command"))?
    {
        Some(word) if word == *wanted => Ok(()),
        _ => Err(RaiseError::Alone),
    }
}
