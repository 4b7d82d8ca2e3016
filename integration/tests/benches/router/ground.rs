//! Where the bench happens: namespaces of its own, a tmpfs, names that lead to its own addresses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nemoclaw_tests::shell::{run, wait_for};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::certificates;
use crate::subjects::{Mode, PEERS};

/// Upstream without TLS.
pub const PLAIN: &str = "203.0.113.10";
/// Upstream with TLS and HTTP/1.1.
pub const TLS_ONE: &str = "203.0.113.11";
/// Upstream with TLS and HTTP/2.
pub const TLS_TWO: &str = "203.0.113.12";
/// Where the peers listen.
pub const PROXIES: &str = "203.0.113.20";
/// Port of the upstream, and of every address that leads to the router.
pub const PORT: u16 = 8443;
/// Files that may be open: ten thousand connections are held from both ends.
const FILES: u64 = 128 * 1024;

/// The ground; dropping it clears it.
#[derive(Debug)]
pub struct Ground {
    /// The tmpfs.
    pub dir: PathBuf,
}

impl Ground {
    /// Makes the namespaces, the tmpfs, names and certificates.
    pub fn set() -> Ground {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).expect("namespaces");
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
            .expect("private mounts");
        let dir = PathBuf::from(format!("/run/nemoclaw-bench-router-{}", std::process::id()));
        fs::create_dir(&dir).expect("directory");
        mount(
            Some("tmpfs"),
            &dir,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("mode=0755"),
        )
        .expect("tmpfs");
        run("ip", &["link", "set", "lo", "up"]).ok();
        for address in [PLAIN, TLS_ONE, TLS_TWO, PROXIES] {
            run("ip", &["addr", "add", address, "dev", "lo"]).ok();
        }
        let (_, most) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
            .expect("limit of open files");
        let files = FILES.min(most);
        nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, files, files)
            .expect("open files");
        let ground = Ground { dir };
        ground.names();
        certificates::make(&ground.dir);
        ground
    }

    /// Peers and upstream are found in `hosts`; our names only by asking the router, as a sandbox's programs do.
    fn names(&self) {
        let mut hosts = String::new();
        for mode in Mode::ALL {
            hosts += &format!("{} {}\n", mode.upstream(), mode.host("direct"));
            for peer in PEERS {
                hosts += &format!("{PROXIES} {}\n", mode.host(peer));
            }
        }
        for (name, text, place) in [
            ("hosts", hosts.as_str(), "/etc/hosts"),
            (
                "resolv.conf",
                "nameserver 198.18.0.53\n",
                "/etc/resolv.conf",
            ),
        ] {
            let file = self.dir.join(name);
            fs::write(&file, text).expect("names");
            mount(
                Some(&file),
                &fs::canonicalize(place).expect(place),
                None::<&str>,
                MsFlags::MS_BIND,
                None::<&str>,
            )
            .expect("names of our own");
        }
    }

    /// A file of the ground.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // In this mount namespace alone: nobody else sees it.
        let _ = umount2(&self.dir, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(&self.dir);
    }
}

/// A program that serves; it ends with the value, or with the bench.
#[derive(Debug)]
pub struct Server {
    child: Child,
    name: String,
}

impl Server {
    /// Starts it, with its output in `NAME.log`.
    pub fn start(ground: &Ground, name: &str, program: &Path, words: &[&str]) -> Server {
        let log = fs::File::create(ground.path(&format!("{name}.log"))).expect("log");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM"])
            .arg(program)
            .args(words)
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Server {
            child,
            name: name.to_owned(),
        }
    }

    /// Waits until something listens there.
    pub fn listens(&self, ground: &Ground, address: &str, port: u16) {
        let what = format!("{} on {address}:{port}", self.name);
        let log = ground.path(&format!("{}.log", self.name));
        let up = std::panic::catch_unwind(|| {
            wait_for(&what, Duration::from_secs(15), || {
                std::net::TcpStream::connect((address, port)).ok()
            })
        });
        assert!(
            up.is_ok(),
            "{what}: {}",
            fs::read_to_string(log).unwrap_or_default()
        );
    }

    /// Its pid.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("pid")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.pid()), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
