//! A node without engines: a router, sandboxes of the direct engine, and one wire to the outside.
//!
//! It has two namespaces of its own and a directory, so that many may stand beside each other, and comes up in a second.
//! On the host's side are the router and what listens on its loopback; on the other stand the providers.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nemoclaw_api::client::Client;
use nemoclaw_policy::node::ENVIRONMENT;

use crate::certificates::Outside;
use crate::container::unique;
use crate::model::{Key, Model};
use crate::netns;
use crate::router::worker_of;
use crate::shell::{Output, finish, run, sh, wait_for};
use crate::world::{dist_dir, tools_dir, workspace};

/// The first provider's address; the others follow.
const FIRST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
/// Where the router tells its numbers.
const METRICS: &str = "127.0.0.1:9464";
/// How long a command of a sandbox may take: a real model on a loaded machine is slow.
const LIMIT: Duration = Duration::from_secs(90);

/// A network namespace.
#[derive(Debug)]
pub struct Space {
    name: String,
}

impl Space {
    fn new(what: &str) -> Space {
        let name = unique(what);
        run("ip", &["netns", "add", &name]).ok();
        run("ip", &["-n", &name, "link", "set", "lo", "up"]).ok();
        Space { name }
    }

    /// The file that stands for it.
    pub fn path(&self) -> PathBuf {
        netns::path(&self.name)
    }

    /// Runs `work` on a thread inside; what it opens belongs there.
    pub fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        netns::inside(&self.name, work)
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        run("ip", &["netns", "del", &self.name]);
    }
}

/// The node; it ends with the value.
pub struct Node {
    /// Its files.
    pub dir: tempfile::TempDir,
    /// The host's side.
    pub host: Space,
    /// The other side.
    pub outside: Space,
    /// Who signs for the providers.
    pub authority: Outside,
    hosts: Vec<String>,
    tls: Arc<rustls::ServerConfig>,
    router: Child,
}

impl Node {
    /// What this machine lacks, if anything.
    pub fn possible() -> Result<(), String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("namespaces need root: run `sudo make test`".into());
        }
        if !tools_dir().join("clients/versions").exists() {
            return Err("the models' clients are missing: run `integration/tests/setup.sh`".into());
        }
        Ok(())
    }

    /// Starts one whose providers have these names, with more lines of configuration; `$D` is its directory.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(hosts: &[&str], more: &str) -> Node {
        let dir = tempfile::Builder::new()
            .prefix("nctn-")
            .tempdir_in("/var/tmp")
            .expect("directory");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("mode");
        let (host, outside) = (Space::new("host"), Space::new("outside"));
        wire(&host, &outside, hosts.len());
        let authority = Outside::new("The outside's CA");
        fs::write(dir.path().join("ca.pem"), &authority.ca).expect("CA");
        fs::create_dir(dir.path().join("policies")).expect("policies");
        let config = config(dir.path(), hosts, more);
        fs::write(dir.path().join("config.yaml"), config).expect("configuration");
        let router = launch(dir.path(), &host);
        Node {
            host,
            outside,
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            tls: authority.server(hosts),
            authority,
            router,
            dir,
        }
    }

    /// A file of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The server of a provider outside, with TLS.
    ///
    /// # Panics
    /// When the node was not started with that name.
    pub fn provider(&self, host: &str, key: Key) -> Model {
        let address = format!("{}:443", self.address(host));
        let tls = self.tls.clone();
        self.outside
            .inside(move || Model::start(&address, Some(tls), key))
    }

    /// A provider's address.
    ///
    /// # Panics
    /// When the node was not started with that name.
    pub fn address(&self, host: &str) -> Ipv4Addr {
        let at = self.hosts.iter().position(|known| known == host);
        address(at.expect("a known host"))
    }

    /// A server on the host's loopback, without TLS.
    pub fn local(&self, port: u16) -> Model {
        self.host
            .inside(move || Model::start(&format!("127.0.0.1:{port}"), None, None))
    }

    /// Packets that have left for the outside, of any kind.
    ///
    /// # Panics
    /// When the wire cannot be asked.
    pub fn sent(&self) -> u64 {
        let told = run(
            "ip",
            &["-n", &self.host.name, "-s", "-j", "link", "show", "out"],
        );
        let told: serde_json::Value = serde_json::from_str(&told.ok().stdout).expect("JSON");
        told[0]["stats64"]["tx"]["packets"]
            .as_u64()
            .expect("a count")
    }

    /// The user's command.
    pub fn cli(&self, words: &[&str]) -> Output {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.host.path().display()))
            .arg(dist_dir().join("nemoclaw"))
            .args(words)
            .env(ENVIRONMENT, self.path("config.yaml"))
            .env_remove("RUST_BACKTRACE");
        finish(command, None, LIMIT)
    }

    /// A running sandbox with this policy, in which the models' clients are.
    pub fn sandbox(&self, policy: &str) -> Sandbox<'_> {
        let name = unique("agent");
        let file = self.path("policies").join(format!("{name}.yaml"));
        put(&file, policy);
        let volumes = [
            format!("{}:/opt/clients:ro", tools_dir().join("clients").display()),
            format!("{}:/opt/node:ro", node_dir().display()),
            format!(
                "{}:/opt/asks:ro",
                workspace().join("integration/tests/clients").display()
            ),
        ];
        let mut words = vec!["run", "-d", "--name", &name, "--policy", &name];
        words.extend(volumes.iter().flat_map(|volume| ["-v", volume]));
        words.extend(["--", "sleep", "3600"]);
        self.cli(&words).ok();
        Sandbox {
            node: self,
            name,
            file,
        }
    }

    /// Replaces the entries of providers, and waits until the router holds those credentials. `$D` is the node's directory.
    pub fn providers(&self, text: &str, keyed: &[&str]) {
        put(
            &self.path("providers.yaml"),
            &text.replace("$D", &self.dir.path().display().to_string()),
        );
        wait_for("the providers", Duration::from_secs(10), || {
            let client = Client::connect(&self.path("state/router.sock")).ok()?;
            (client.status().ok()?.providers == keyed).then_some(())
        });
    }

    /// A file that root alone can read.
    pub fn secret(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, text).expect("secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode");
    }

    /// The router's numbers.
    pub fn metrics(&self) -> String {
        let url = format!("http://{METRICS}/metrics");
        let net = format!("--net={}", self.host.path().display());
        run("nsenter", &[&net, "curl", "-sS", "-m", "5", &url])
            .ok()
            .stdout
    }

    /// What the router has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("router.log")).unwrap_or_default()
    }

    /// Pid of the router's warden.
    pub fn router(&self) -> i32 {
        self.router.id().cast_signed()
    }

    /// Pid of its worker.
    ///
    /// # Panics
    /// When there is none.
    pub fn worker(&self) -> i32 {
        worker_of(self.router()).expect("a worker")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = format!("--- the router's log\n{}\n", self.log());
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
        }
        let _ = self.router.kill();
        let _ = self.router.wait();
    }
}

/// A sandbox; it is removed with the value.
pub struct Sandbox<'n> {
    node: &'n Node,
    /// Its name.
    pub name: String,
    file: PathBuf,
}

impl Sandbox<'_> {
    /// Runs a command in it.
    pub fn exec(&self, words: &[&str]) -> Output {
        self.exec_with(&[], words)
    }

    /// The same with variables, `KEY=VALUE`.
    pub fn exec_with(&self, variables: &[&str], words: &[&str]) -> Output {
        let mut all = vec!["exec"];
        all.extend(variables.iter().flat_map(|variable| ["-e", *variable]));
        all.extend([self.name.as_str(), "--"]);
        all.extend(words);
        self.node.cli(&all)
    }

    /// Asks models with Python's official clients; see `clients/ask.py`.
    #[track_caller]
    pub fn python(&self, asks: &[serde_json::Value]) -> Vec<serde_json::Value> {
        self.ask(
            &[
                "PYTHONPATH=/opt/clients/python",
                "PYTHONDONTWRITEBYTECODE=1",
            ],
            &["/usr/bin/python3", "/opt/asks/ask.py"],
            asks,
        )
    }

    /// Asks models with Node's official clients.
    #[track_caller]
    pub fn javascript(&self, asks: &[serde_json::Value]) -> Vec<serde_json::Value> {
        self.ask(
            &["NODE_PATH=/opt/clients/node/node_modules"],
            &["/opt/node/node", "/opt/asks/ask.cjs"],
            asks,
        )
    }

    #[track_caller]
    fn ask(
        &self,
        variables: &[&str],
        program: &[&str],
        asks: &[serde_json::Value],
    ) -> Vec<serde_json::Value> {
        let texts: Vec<String> = asks.iter().map(ToString::to_string).collect();
        let mut words = program.to_vec();
        words.extend(texts.iter().map(String::as_str));
        let said = self.exec_with(variables, &words).ok();
        let answers: Vec<serde_json::Value> = said
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).expect("an answer"))
            .collect();
        assert_eq!(answers.len(), asks.len(), "{said:?}");
        answers
    }

    /// Host pid of its first process.
    ///
    /// # Panics
    /// When it has none.
    pub fn pid(&self) -> i32 {
        let told = self.node.cli(&["status", &self.name, "--output", "json"]);
        let told: serde_json::Value = serde_json::from_str(&told.ok().stdout).expect("JSON");
        let pid = told["sandboxes"][0]["pid"].as_i64().expect("a pid");
        i32::try_from(pid).expect("a pid")
    }

    /// Replaces its policy as an editor does.
    pub fn edit(&self, policy: &str) {
        put(&self.file, policy);
    }

    /// The lines of its audit log, once one of them is as wanted.
    #[track_caller]
    pub fn audited(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let path = self
            .node
            .path("data/audit")
            .join(format!("{}.jsonl", self.name));
        wait_for(what, Duration::from_secs(10), || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            text.lines().any(&wanted).then_some(text)
        })
    }
}

impl Drop for Sandbox<'_> {
    fn drop(&mut self) {
        self.node.cli(&["rm", "-f", &self.name]);
    }
}

/// The directory with Node itself.
fn node_dir() -> PathBuf {
    let node = fs::canonicalize(tools_dir().join("venv/node")).expect("Node");
    node.parent().expect("a directory").to_owned()
}

fn put(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).expect("policy");
    fs::rename(&next, path).expect("policy");
}

fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST.to_bits() + u32::try_from(number).expect("few hosts"))
}

/// A wire between the two, on which nobody says anything by himself.
fn wire(host: &Space, outside: &Space, addresses: usize) {
    let (host, outside) = (&host.name, &outside.name);
    let mut script = format!(
        "set -e
        for space in {host} {outside}; do nsenter --net=/run/netns/$space sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'; done
        ip -n {host} link add out type veth peer name in netns {outside}
        ip -n {host} addr add 203.0.113.1/24 dev out
        ip -n {host} link set out up; ip -n {outside} link set in up\n"
    );
    for number in 0..addresses {
        script += &format!("ip -n {outside} addr add {}/24 dev in\n", address(number));
    }
    sh(&script).ok();
}

fn config(dir: &Path, hosts: &[&str], more: &str) -> String {
    let dir = dir.display().to_string();
    let known: String = hosts
        .iter()
        .enumerate()
        .map(|(number, host)| format!("    {host}: [{}]\n", address(number)))
        .collect();
    let known = if known.is_empty() {
        String::new()
    } else {
        format!("  hosts:\n{known}")
    };
    format!(
        "version: 1\npolicy_dir: {dir}/policies\nstate_dir: {dir}/state\ndata_dir: {dir}/data\nproviders: {dir}/providers.yaml\n\
         egress_hook: {hook}\n{more}router:\n  user: nobody\n  metrics: {METRICS}\n  resolvers: [203.0.113.2]\n  extra_ca: [{dir}/ca.pem]\n{known}",
        hook = dist_dir().join("nemoclaw-egress").display(),
        more = more.replace("$D", &dir),
    )
}

fn launch(dir: &Path, host: &Space) -> Child {
    let binary = dist_dir().join("nemoclaw-router");
    assert!(
        binary.exists(),
        "`{}` is missing: run `make build`, or set NEMOCLAW_DIST",
        binary.display()
    );
    let log = fs::File::create(dir.join("router.log")).expect("log");
    let router = Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "nsenter"])
        .arg(format!("--net={}", host.path().display()))
        .arg(binary)
        .args(["run", "--config"])
        .arg(dir.join("config.yaml"))
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("log"))
        .stderr(log)
        .spawn()
        .expect("router");
    let socket = dir.join("state/router.sock");
    wait_for(
        &format!("the router's socket ({}/router.log)", dir.display()),
        Duration::from_secs(15),
        || socket.exists().then_some(()),
    );
    router
}
