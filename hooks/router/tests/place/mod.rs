//! A sandbox without a router: a network namespace with a first process, a listener, and someone who finds programs.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nemoclaw_router::link::Program;
use nemoclaw_router::warden::program::{Answer, Finder, Question};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::Netns;

/// Python that connects and waits.
pub const CONNECT: &str = "import os, socket, subprocess, time; s = socket.create_connection(('198.18.0.1', 8443)); time.sleep(60)";
/// Bash that connects and waits, without a child.
pub const BASH_CONNECT: &str = "exec 3<>/dev/tcp/198.18.0.1/8443; read -u 3 line;";

/// Python with `number` connections.
pub fn many(number: u32) -> String {
    format!(
        "import socket, time; s = [socket.create_connection(('198.18.0.1', 8443)) for _ in range({number})]; time.sleep(60)"
    )
}

/// Whether the tests can run; says why not.
pub fn able() -> bool {
    let python = Command::new("python3").arg("-V").output().is_ok();
    if !python {
        eprintln!("skipped: needs python3");
    }
    python && crate::common::able()
}

/// Where a program lies, without links.
pub fn host_path(name: &str) -> String {
    let find = "readlink -f \"$(python3 -c 'import sys; print(sys.executable)')\"";
    let line = match name {
        "python3" => find.to_owned(),
        _ => format!("readlink -f \"$(command -v {name})\""),
    };
    said(Command::new("sh").args(["-c", &line]))
}

/// A file's hash, by another program.
pub fn sha256(path: &str) -> String {
    said(Command::new("sha256sum").arg(path))[..64].to_owned()
}

fn said(command: &mut Command) -> String {
    let output = command.output().expect("a program");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

/// A process of the sandbox with its connection, or the one whose child has it.
pub struct Client {
    process: Child,
    stream: TcpStream,
}

impl Client {
    pub fn pid(&self) -> i32 {
        self.process.id().cast_signed()
    }

    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        let stream = &self.stream;
        (
            stream.peer_addr().expect("peer"),
            stream.local_addr().expect("local"),
        )
    }

    pub fn ended(&mut self) {
        self.process.wait().expect("end");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // What its children read ends with it.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The sandbox.
pub struct Place {
    directory: tempfile::TempDir,
    netns: Netns,
    listener: TcpListener,
    init: Child,
    finder: Finder,
    answers: Receiver<Answer>,
    groups: Vec<PathBuf>,
}

impl Place {
    pub fn new() -> Place {
        Place::with(|_| {
            let mut init = Command::new("sleep");
            init.arg("600");
            init
        })
    }

    /// One whose first process has another root: `root` in its directory, with the host's `/usr` and an `/app`.
    pub fn rooted() -> Place {
        let place = Place::with(|directory| {
            let script = "mount --make-rprivate / && mkdir root && mount -t tmpfs box root && cd root && mkdir usr old app proc dev && \
                 mount --rbind /usr usr && ln -s usr/bin bin && ln -s usr/lib lib && ln -s usr/lib64 lib64 && \
                 mount --bind ../app app && pivot_root . old && exec sleep 600";
            std::fs::create_dir(directory.join("app")).expect("app");
            let mut init = Command::new("unshare");
            init.args(["-m", "sh", "-c", script]).current_dir(directory);
            init
        });
        let begin = Instant::now();
        let name = format!("/proc/{}/comm", place.init.id());
        while std::fs::read_to_string(&name).expect("init") != "sleep\n" {
            assert!(
                begin.elapsed() < Duration::from_secs(5),
                "no root of its own"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        place
    }

    fn with(init: impl FnOnce(&Path) -> Command) -> Place {
        let directory = tempfile::Builder::new()
            .prefix("nrp-")
            .tempdir()
            .expect("directory");
        let netns = Netns::new("place");
        netns.ip(&["addr", "add", "198.18.0.0/15", "dev", "lo"]);
        let listener = netns.within(|| TcpListener::bind("0.0.0.0:8443").expect("listener"));
        listener.set_nonblocking(true).expect("no waiting");
        let init = spawn(&netns, &mut init(directory.path()));
        let (finder, answers) = find(&netns, &init);
        Place {
            directory,
            netns,
            listener,
            init,
            finder,
            answers,
            groups: Vec::new(),
        }
    }

    pub fn path(&self, name: &str) -> String {
        self.directory
            .path()
            .join(name)
            .to_str()
            .expect("text")
            .to_owned()
    }

    /// Write a program.
    pub fn script(&self, name: &str, first: &str, body: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(Path::new(&path).parent().expect("parent")).expect("directory");
        let next = format!("{path}.next");
        std::fs::write(&next, format!("{first}\n{body}\n")).expect("script");
        std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o755)).expect("mode");
        std::fs::rename(&next, &path).expect("rename");
        path
    }

    /// Put another program in a program's place.
    pub fn replace(&self, path: &str) {
        let next = format!("{path}.next");
        std::fs::copy("/bin/bash", &next).expect("copy");
        let mut file = std::fs::File::options()
            .append(true)
            .open(&next)
            .expect("file");
        std::io::Write::write_all(&mut file, b"changed").expect("write");
        drop(file);
        std::fs::rename(&next, path).expect("rename");
    }

    /// Start a program of the sandbox and take its connection.
    pub fn client(&mut self, command: &mut Command) -> Client {
        let process = match self.groups.last() {
            Some(group) => {
                let entry = format!("echo $$ >{}/cgroup.procs && exec \"$@\"", group.display());
                let mut grouped = Command::new("sh");
                grouped
                    .args(["-c", &entry, "sh"])
                    .arg(command.get_program())
                    .args(command.get_args());
                spawn(&self.netns, &mut grouped)
            }
            None => spawn(&self.netns, command),
        };
        self.accepted(process)
    }

    fn accept(&self) -> TcpStream {
        let begin = Instant::now();
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => return stream,
                Err(_) if begin.elapsed() < Duration::from_secs(10) => {
                    std::thread::sleep(Duration::from_micros(200));
                }
                Err(error) => panic!("no connection: {error}"),
            }
        }
    }

    fn accepted(&self, process: Child) -> Client {
        let stream = self.accept();
        Client { process, stream }
    }

    pub fn python(&mut self, arguments: &[&str]) -> Client {
        let python = host_path("python3");
        self.client(Command::new(python).args(arguments))
    }

    /// A program that is a copy of bash.
    pub fn bash(&mut self, path: &str) -> Client {
        self.client(Command::new(path).args(["-c", BASH_CONNECT]))
    }

    /// Start a program as an engine's `exec` does: into the first process's root.
    pub fn inside(&mut self, words: &[&str]) -> Client {
        let init = self.init.id().to_string();
        self.client(
            Command::new("nsenter")
                .args(["-t", &init, "-m", "-r", "-w"])
                .args(words),
        )
    }

    pub fn ask(&self, client: &Client) -> Answer {
        self.ask_for(client.addresses())
    }

    pub fn ask_for(&self, (client, local): (SocketAddr, SocketAddr)) -> Answer {
        let question = Question {
            worker: 1,
            id: 1,
            client,
            local,
        };
        self.finder.ask(question).expect("asked");
        self.answers
            .recv_timeout(Duration::from_secs(60))
            .expect("an answer")
    }

    /// The only holder's program.
    pub fn one(&self, client: &Client) -> Program {
        let mut found = self.ask(client).expect("found");
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    /// The process that holds a connection, by its parent.
    pub fn holder(&self, client: &Client) -> String {
        let mut pid = client.pid().to_string();
        loop {
            let children = format!("/proc/{pid}/task/{pid}/children");
            let children = std::fs::read_to_string(children).unwrap_or_default();
            match children.split_whitespace().next() {
                Some(child) => pid = child.to_owned(),
                None => return pid,
            }
        }
    }

    /// Give a program time to become what it will be.
    pub fn settle(&self) {
        std::thread::sleep(Duration::from_millis(300));
    }

    /// Put the sandbox into a control group of its own, where the machine has one. Whether it has.
    pub fn make_group(&mut self) -> bool {
        if !self.other_group() {
            return false;
        }
        let group = self.groups.last().expect("a group");
        std::fs::write(group.join("cgroup.procs"), self.init.id().to_string()).expect("group");
        (self.finder, self.answers) = find(&self.netns, &self.init);
        true
    }

    /// Begin clients in another control group from now on, as those of another container are. Whether the machine has one.
    pub fn other_group(&mut self) -> bool {
        let name = format!("nrp-{}-{}", std::process::id(), self.groups.len());
        let made = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"]
            .into_iter()
            .map(|mount| Path::new(mount).join(&name))
            .find(|group| std::fs::create_dir(group).is_ok());
        self.groups.extend(made.clone());
        made.is_some()
    }

    /// The next connection's question, timed.
    pub fn timed_next(&self) -> Duration {
        let stream = self.accept();
        let addresses = (
            stream.peer_addr().expect("peer"),
            stream.local_addr().expect("local"),
        );
        let begin = Instant::now();
        self.ask_for(addresses).expect("found");
        begin.elapsed()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Children of clients that were killed wait for a minute otherwise.
        let list = said(Command::new("ip").args(["netns", "pids", &self.netns.name]));
        for pid in list.lines().filter_map(|line| line.parse().ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.init.kill();
        let _ = self.init.wait();
        for group in &self.groups {
            let begin = Instant::now();
            while std::fs::remove_dir(group).is_err() && begin.elapsed() < Duration::from_secs(2) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

fn find(netns: &Netns, init: &Child) -> (Finder, Receiver<Answer>) {
    let (sender, answers) = channel();
    let pidfd: OwnedFd = crate::sys::pidfd(init.id());
    let finder = Finder::start(netns.descriptor(), pidfd, move |_, answer| {
        let _ = sender.send(answer);
    });
    (finder.expect("finder"), answers)
}

fn spawn(netns: &Netns, command: &mut Command) -> Child {
    let mut ready = Command::new(command.get_program());
    ready.args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        ready.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => ready.env(name, value),
            None => ready.env_remove(name),
        };
    }
    ready.stdin(Stdio::null()).stdout(Stdio::null());
    netns.within(move || ready.spawn().expect("a process"))
}
