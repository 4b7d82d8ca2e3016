//! The one world that all tests share: where it lies, and how it comes up exactly once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::fcntl::{Flock, FlockArg};

use crate::{cdi, containerd, engine, images, machine, netns, podman, upstream};

/// A started world.
#[derive(Debug)]
pub struct World {
    /// Everything it writes lies below this directory.
    pub dir: PathBuf,
}

/// The workspace's root.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("workspace root")
        .to_owned()
}

/// Where `setup.sh` put the probe, the trees and the programs that images are made of.
pub fn tools_dir() -> PathBuf {
    std::env::var_os("NEMOCLAW_TEST_TOOLS")
        .map_or_else(|| workspace().join("target/test-tools"), PathBuf::from)
}

/// Where the four binaries under test lie.
pub fn dist_dir() -> PathBuf {
    std::env::var_os("NEMOCLAW_DIST").map_or_else(|| workspace().join("target/dist"), PathBuf::from)
}

/// The tree that the engines come from instead of this machine (`make test-engines-new`): a newer Debian.
pub fn tree() -> Option<PathBuf> {
    std::env::var_os("NEMOCLAW_TEST_TREE").map(PathBuf::from)
}

/// The world's directory. Not below the workspace: engines need every parent to be traversable by all (user namespaces).
pub fn world_dir() -> PathBuf {
    std::env::var_os("NEMOCLAW_TEST_WORLD")
        .map_or_else(|| PathBuf::from("/var/tmp/nemoclaw-tests"), PathBuf::from)
}

impl World {
    /// The world, started by the first caller of all processes; `Err` is the reason this machine cannot have one.
    ///
    /// # Panics
    /// When the machine has all that is needed and the world still does not come up.
    pub fn get() -> Result<&'static World, String> {
        static WORLD: OnceLock<Result<World, String>> = OnceLock::new();
        WORLD
            .get_or_init(World::start)
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The world for tests that measure or count: no test of another process runs beside them.
    ///
    /// # Panics
    /// As [`World::get`].
    pub fn get_alone() -> Result<&'static World, String> {
        static TURN: OnceLock<Option<Flock<File>>> = OnceLock::new();
        TURN.get_or_init(|| possible().ok().map(|()| turn(FlockArg::LockExclusive)));
        static WORLD: OnceLock<Result<World, String>> = OnceLock::new();
        WORLD
            .get_or_init(World::bring_up)
            .as_ref()
            .map_err(Clone::clone)
    }

    fn start() -> Result<World, String> {
        static TURN: OnceLock<Flock<File>> = OnceLock::new();
        possible()?;
        TURN.get_or_init(|| turn(FlockArg::LockShared));
        World::bring_up()
    }

    fn bring_up() -> Result<World, String> {
        possible()?;
        let world = World { dir: world_dir() };
        for folder in [
            "run",
            "log",
            "tls",
            "node/policies",
            "srv",
            "data",
            "images",
        ] {
            fs::create_dir_all(world.dir.join(folder)).expect("world directory");
        }
        let _lock = world.lock("world");
        netns::up();
        upstream::up(&world);
        cdi::up(&world);
        crate::router::write_config(&world);
        if tree().is_some() {
            machine::up(&world);
        }
        engine::up(&world);
        images::up(&world);
        Ok(world)
    }

    /// Ends everything, in reverse. Only root can have started it.
    pub fn down() {
        let world = World { dir: world_dir() };
        if !world.dir.exists() || !nix::unistd::geteuid().is_root() {
            return;
        }
        let _lock = world.lock("world");
        podman::down(&world);
        containerd::down(&world);
        crate::router::down(&world);
        engine::down(&world);
        machine::down(&world);
        upstream::down(&world);
        netns::down();
    }

    /// A path below the world's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A lock between all test processes, held until it is dropped.
    ///
    /// # Panics
    /// When the lock file cannot be made.
    pub fn lock(&self, name: &str) -> Flock<File> {
        let file = File::create(self.path(&format!("run/{name}.lock"))).expect("lock file");
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, error)| error)
            .expect("lock")
    }
}

/// Held until the process ends: shared by ordinary tests, alone by those that measure.
fn turn(how: FlockArg) -> Flock<File> {
    fs::create_dir_all(world_dir()).expect("world directory");
    let file = File::create(world_dir().join("turn.lock")).expect("lock file");
    Flock::lock(file, how)
        .map_err(|(_, error)| error)
        .expect("lock")
}

/// What this machine lacks, if anything.
fn possible() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("engines and namespaces need root: run `sudo make test`".into());
    }
    for program in [
        "dockerd",
        "containerd",
        "ctr",
        "podman",
        "conmon",
        "buildah",
        "runc",
        "ip",
        "nsenter",
        "openssl",
        "git",
        "python3",
    ] {
        if !on_path(program) {
            return Err(format!(
                "`{program}` is not installed: run `integration/tests/setup.sh`"
            ));
        }
    }
    for file in ["nemoclaw-probe", "debian.tar"] {
        if !tools_dir().join(file).exists() {
            return Err(format!(
                "`{}` is missing: run `integration/tests/setup.sh`",
                tools_dir().join(file).display()
            ));
        }
    }
    if !Path::new("/usr/lib/cni/bridge").exists() {
        return Err("`/usr/lib/cni/bridge` is missing: run `integration/tests/setup.sh`".into());
    }
    Ok(())
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|dir| dir.join(program).exists())
}

/// The pid in a file, if a process with that pid lives.
pub fn alive(pid_file: &Path) -> Option<i32> {
    let pid: i32 = fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    (!state.contains(") Z ")).then_some(pid)
}

/// Asks the process in `pid_file` to end, and makes it after `seconds`.
pub fn end(pid_file: &Path, seconds: u64) {
    use nix::sys::signal::{Signal, kill};
    let Some(pid) = alive(pid_file) else { return };
    let target = nix::unistd::Pid::from_raw(pid);
    let _ = kill(target, Signal::SIGTERM);
    for _ in 0..seconds * 20 {
        if alive(pid_file).is_none() {
            let _ = fs::remove_file(pid_file);
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let _ = kill(target, Signal::SIGKILL);
    let _ = fs::remove_file(pid_file);
}
