//! One more process in a box, from the clone to its program.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::Signal;
use oci_spec::runtime::{Linux, Process};

use super::channel::{Channel, Word};
use super::error::{RaiseError, kernel};
use super::init::own_number;
use super::labels::Labels;
use super::{console, identity, tuning};
use crate::cgroup::Entry;
use crate::enforce::last::{Last, WAITING_NAME, sentence};
use crate::enforce::program;
use crate::sys::clone::leave;
use crate::sys::pidfd::PidFd;
use crate::sys::{ids, openat2};

/// What it is made of.
pub struct Tenant<'a> {
    /// The planned process.
    pub process: &'a Process,
    /// The Linux part that every process of the box has: its personality.
    pub linux: &'a Linux,
    /// The box's first process.
    pub init: &'a PidFd,
    /// The namespaces that differ from the verb's.
    pub namespaces: CloneFlags,
    /// The way into the box's cgroup, where it was not cloned into it.
    pub entry: Option<Entry>,
    /// The last steps.
    pub last: Last<'a>,
    /// Where the terminal's master goes.
    pub console: Option<OwnedFd>,
}

impl Tenant<'_> {
    /// Live. The other end of `channel` is the verb, which hears its end when the program runs.
    pub fn live(mut self, channel: &Channel) -> ! {
        // The host's `/proc` is still there.
        self.last.pid = own_number();
        let error = match self.join(channel) {
            Ok(home) => {
                self.last.home = home;
                match self.last.run(self.process) {
                    Ok(never) => match never {},
                    Err(error) => sentence(&error),
                }
            }
            Err(error) => sentence(&error),
        };
        // Nobody may be listening any more.
        channel.say(&Word::Failed(error)).ok();
        leave(1)
    }

    fn join(&self, channel: &Channel) -> Result<Option<String>, RaiseError> {
        let labels = Labels::of(self.process)?;
        nix::sys::prctl::set_name(WAITING_NAME).map_err(kernel("name the process"))?;
        ids::hide().map_err(kernel("hide the process"))?;
        self.end_with_verb()?;
        nix::unistd::setsid().map_err(kernel("lead a session"))?;
        let affinity = self.process.exec_cpu_affinity().as_ref();
        processors(affinity.and_then(|given| given.initial().as_deref()))?;
        if let Some(entry) = &self.entry {
            entry
                .enter()
                .map_err(|error| RaiseError::Config(sentence(&error)))?;
        }
        setns(self.init, self.namespaces).map_err(kernel("enter the container's namespaces"))?;
        if self.namespaces.contains(CloneFlags::CLONE_NEWUSER) {
            ids::become_user(0, 0, None)
                .map_err(kernel("become the root of the user namespace"))?;
            ids::hide().map_err(kernel("hide the process"))?;
        }
        // Put into its cgroup by the verb, where it could not go there itself.
        match channel
            .hear(None)
            .map_err(kernel("hear from the command"))?
        {
            Some(Word::Go) => {}
            _ => return Err(RaiseError::Alone),
        }
        processors(affinity.and_then(|given| given.cpu_affinity_final().as_deref()))?;
        let home = identity::home(self.process)?;
        labels.set()?;
        self.become_user()?;
        channel
            .say(&Word::Ready(Vec::new()))
            .map_err(|_| RaiseError::Alone)?;
        nix::sys::prctl::set_pdeathsig(None).map_err(kernel("outlive the command"))?;
        Ok(home)
    }

    /// Nobody else would ever end its wait, which is before Landlock and filters.
    fn end_with_verb(&self) -> Result<(), RaiseError> {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(kernel("end with the command"))
    }

    fn become_user(&self) -> Result<(), RaiseError> {
        if self.process.terminal() == Some(true) {
            let Some(socket) = &self.console else {
                return Err(RaiseError::Config(
                    "cannot give the process a terminal without --console-socket".to_owned(),
                ));
            };
            let root = openat2::own_root().map_err(kernel("open the root directory"))?;
            console::take(root.as_fd(), self.process, socket.as_fd())?;
        }
        tuning::apply(self.process, Some(self.linux))
            .map_err(|error| RaiseError::Config(sentence(&error)))?;
        let cwd = self.process.cwd();
        identity::make_directory(cwd)?;
        let entered = nix::unistd::chdir(cwd).is_ok();
        let user = self.process.user();
        console::own_streams(user.uid())?;
        let may_set_groups = identity::may_set_groups();
        let sets = self.last.sets.unwrap_or_default();
        identity::take(user, &sets, self.last.later(), may_set_groups)?;
        // The change of user let go of these.
        ids::hide().map_err(kernel("hide the process"))?;
        self.end_with_verb()?;
        identity::enter_directory(cwd, entered)?;
        program::find(self.process).map_err(|error| RaiseError::Step(error.into()))?;
        Ok(())
    }
}

/// Run on the processors of `list` only, if there is one.
fn processors(list: Option<&str>) -> Result<(), RaiseError> {
    match list.filter(|list| !list.is_empty()) {
        Some(list) => tuning::affinity(list).map_err(|error| RaiseError::Config(sentence(&error))),
        None => Ok(()),
    }
}

/// The namespaces in which the process behind `init` does not live with this one.
///
/// # Errors
/// They cannot be read.
pub fn foreign_namespaces(pid: i32) -> Result<CloneFlags, Errno> {
    const NAMES: [(&str, CloneFlags); 6] = [
        ("user", CloneFlags::CLONE_NEWUSER),
        ("mnt", CloneFlags::CLONE_NEWNS),
        ("ipc", CloneFlags::CLONE_NEWIPC),
        ("uts", CloneFlags::CLONE_NEWUTS),
        ("net", CloneFlags::CLONE_NEWNET),
        ("cgroup", CloneFlags::CLONE_NEWCGROUP),
    ];
    let mut flags = CloneFlags::empty();
    for (name, flag) in NAMES {
        let link = |of: &str| nix::fcntl::readlink(format!("/proc/{of}/ns/{name}").as_str());
        match (link("self"), link(&pid.to_string())) {
            (Ok(own), Ok(theirs)) if own == theirs => {}
            (Ok(_), Ok(_)) => flags |= flag,
            // This kernel has no such namespaces.
            (Err(Errno::ENOENT), _) => {}
            (_, Err(error)) | (Err(error), _) => return Err(error),
        }
    }
    Ok(flags)
}

/// Whether the process behind `pid` has a clock of its own.
///
/// # Errors
/// It cannot be read.
pub fn has_own_time(pid: i32) -> Result<bool, Errno> {
    let link = |of: &str| nix::fcntl::readlink(format!("/proc/{of}/ns/time").as_str());
    match (link("self"), link(&pid.to_string())) {
        (Ok(own), Ok(theirs)) => Ok(own != theirs),
        (Err(Errno::ENOENT), _) => Ok(false),
        (_, Err(error)) | (Err(error), _) => Err(error),
    }
}
