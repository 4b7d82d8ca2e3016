//! Why a box cannot be made: one whole sentence each, with what to do, because it is all a `docker run` user sees.

use std::path::PathBuf;

use nemoclaw_policy::policy::size_words;

/// A plan that must not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A part of the spec that every container needs is missing.
    #[error("the container's config.json has no `{0}`: the engine must write one")]
    Incomplete(&'static str),
    /// `--privileged`.
    #[error(
        "a sandbox cannot be privileged ({0}): run without --privileged, or choose the policy `unconfined` where the node's configuration lists it as selectable"
    )]
    Privileged(&'static str),
    /// A namespace shared with the host.
    #[error("a sandbox cannot share the host's {kind} namespace: run without {option}")]
    HostNamespace {
        /// `network`, `pid`, …
        kind: &'static str,
        /// What the user wrote.
        option: &'static str,
    },
    /// A namespace joined by path that no sandbox of ours guards.
    #[error(
        "a sandbox cannot join the {kind} namespace `{}`, which no sandbox of ours guards: run the container it belongs to with this runtime, or leave the option out", path.display()
    )]
    ForeignNamespace {
        /// `network`, `pid`, …
        kind: &'static str,
        /// Its path.
        path: PathBuf,
    },
    /// Under an offline policy, the network of a sandbox that has a router.
    #[error(
        "a sandbox of the offline policy `{policy}` cannot join the network of the sandbox `{guard}`, which has a way out: start both under the same policy"
    )]
    OfflineJoins {
        /// The policy of the box that joins.
        policy: String,
        /// The sandbox that is joined.
        guard: String,
    },
    /// A personality that weakens the memory protection of every program.
    #[error(
        "a sandbox cannot have the personality flag `{0}`, which weakens the protection of its programs' memory: leave out `linux.personality.flags`"
    )]
    Personality(String),
    /// A sysctl that could weaken the fence.
    #[error(
        "a sandbox cannot set the sysctl `{0}`, since the network fence depends on it: remove it"
    )]
    Sysctl(String),
    /// A startContainer hook runs inside the box, outside its walls.
    #[error("a sandbox cannot run startContainer hooks (`{}`), since they run inside before its walls stand: remove it", .0.display())]
    StartContainerHook(PathBuf),
    /// A path of the policy is a symbolic link in the image.
    #[error(
        "the image's `{}` is a symbolic link, which could lead writes elsewhere: make it a real directory in the image", .0.display()
    )]
    SymlinkInImage(PathBuf),
    /// A path of the policy is no directory in the image.
    #[error("the image's `{}` is not a directory: make it one in the image", .0.display())]
    NotADirectory(PathBuf),
    /// One of our files cannot be mounted over the image's.
    #[error("the image's `{}` {why}, so that the sandbox's own file cannot be put there: make it a regular file in the image, or remove it", path.display())]
    NoPlaceForFile {
        /// The path in the image.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The kernel's Landlock is too old.
    #[error(
        "the policy `{policy}` needs Landlock ABI {needed}, but this kernel has {found}: use a newer kernel, or set `landlock: {{compatibility: best_effort}}` in the policy"
    )]
    Landlock {
        /// The policy.
        policy: String,
        /// Its minimum.
        needed: u32,
        /// The kernel's.
        found: u32,
    },
    /// A mount source that would open the box.
    #[error("a sandbox cannot mount `{}` ({why}): mount only the files it needs", source_path.display())]
    Source {
        /// As given.
        source_path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// A mount source that is not there.
    #[error("the mount source `{}` does not exist: create it first", .0.display())]
    SourceMissing(PathBuf),
    /// A mount that the runtime cannot make.
    #[error("a sandbox cannot have a mount on `{}` ({why}): remove it", destination.display())]
    Mount {
        /// Where.
        destination: PathBuf,
        /// Why not.
        why: String,
    },
    /// A device that is the host's memory or disk.
    #[error("a sandbox cannot have the device `{}` ({why}): remove it", path.display())]
    Device {
        /// The node.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// A network device of the host.
    #[error(
        "a sandbox cannot be given the host's network device `{0}`, since its only way out is the router: remove it"
    )]
    NetworkDevice(String),
    /// Root without CAP_DAC_OVERRIDE could not write into the mounted work directory.
    #[error(
        "root in a sandbox has no right to write to other users' files, and `{}`, mounted on `{}`, belongs to user {uid}: run with `-u {uid}:{gid}`", source_path.display(), destination.display()
    )]
    NotWritable {
        /// The directory on the host.
        source_path: PathBuf,
        /// Where it is mounted.
        destination: PathBuf,
        /// The owner, as the box sees it.
        uid: u32,
        /// Its group, as the box sees it.
        gid: u32,
    },
    /// The policy runs as `sandbox`, which the image lacks.
    #[error(
        "the policy `{policy}` runs as the {what} `sandbox`, which the image's /etc does not have: add it to the image, or give a number in the policy"
    )]
    NoSandboxAccount {
        /// The policy.
        policy: String,
        /// `user` or `group`.
        what: &'static str,
    },
    /// Something that needs a right this process lacks.
    #[error("cannot set {0}: this process has no CAP_SYS_RESOURCE")]
    NoSysResource(String),
    /// The egress hook is not installed.
    #[error("the egress hook `{}` is missing: run `make install`, or set `egress_hook` in the node's configuration", .0.display())]
    NoEgressHook(PathBuf),
    /// A capability that no sandbox may have, or that is no capability.
    #[error(
        "the policy `{policy}` asks for the capability `{name}`, which a sandbox cannot have: remove it"
    )]
    Capability {
        /// The policy.
        policy: String,
        /// The name in the policy.
        name: String,
    },
    /// An update that asks for more than the sandbox may have.
    #[error(
        "cannot lift the limit of {what} of this sandbox above {limit}: ask for at most {limit}"
    )]
    LimitLifted {
        /// What is limited.
        what: &'static str,
        /// The most it may have.
        limit: i64,
    },
    /// An update that asks for more than the policy gives.
    #[error(
        "cannot give this sandbox more {what} than its policy `{policy}` does, which is {limit}: ask for at most that"
    )]
    BeyondPolicy {
        /// The policy.
        policy: String,
        /// What is limited.
        what: &'static str,
        /// The most it may have.
        limit: String,
    },
    /// A directory whose size the policy limits, on something that has no such size.
    #[error(
        "the policy `{policy}` limits `{}` to {}, which {what} cannot hold to: mount a file system of at most that size on it, such as Docker's `--tmpfs {}:size={limit}`, or leave `resources.disk` out of the policy",
        path.display(), size_words(*limit), path.display()
    )]
    NoSize {
        /// The policy.
        policy: String,
        /// The directory.
        path: PathBuf,
        /// Bytes.
        limit: u64,
        /// What is there.
        what: String,
    },
    /// Another writable mount below a directory whose size the policy limits.
    #[error(
        "the policy `{policy}` limits `{}`, and the mount on `{}` below it would hold more: mount it read-only or elsewhere, or leave `resources.disk` out of the policy",
        path.display(), mount.display()
    )]
    BeyondSize {
        /// The policy.
        policy: String,
        /// The directory.
        path: PathBuf,
        /// The mount's place.
        mount: PathBuf,
    },
    /// An update that changes which devices may be opened.
    #[error("cannot change which devices this sandbox may open: make it anew with `--device`")]
    DevicesChanged,
}
