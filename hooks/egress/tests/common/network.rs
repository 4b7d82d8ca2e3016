//! A network around boxes: an outer namespace with a bridge, as an engine makes it, and no way to the machine's own.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::{Box, text, wait_until};

/// Where a program is.
pub fn tool(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

/// An outer namespace with the bridge 172.30.0.1/16 and, as "the world", 198.51.100.0/24 behind it.
pub struct Network {
    holder: Child,
}

impl Network {
    pub fn new() -> Network {
        let holder = Command::new("unshare")
            .args(["-n", "sleep", "600"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let network = Network { holder };
        let home = std::fs::read_link("/proc/self/ns/net").unwrap();
        let own = format!("/proc/{}/ns/net", network.holder.id());
        wait_until("the outer namespace", || {
            std::fs::read_link(&own).is_ok_and(|link| link != home)
        });
        for line in [
            "ip link set lo up",
            "ip link add br0 type bridge",
            "ip addr add 172.30.0.1/16 dev br0",
            "ip addr add 198.51.100.1/24 dev br0",
            "ip link set br0 up",
        ] {
            network.run(line);
        }
        network
    }

    pub fn enter(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.holder.id().to_string(), "-n"])
            .args(line.split(' '))
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, line: &str) -> String {
        text(&self.enter(line).output().unwrap())
    }

    /// Give `inner` an eth0 with 172.30.0.`number` and the bridge as its default gateway.
    pub fn connect(&self, inner: &Box, number: u8) {
        self.connect_as(inner, "eth0", &format!("172.30.0.{number}/16"), number);
        inner.run("ip route add default via 172.30.0.1");
    }

    pub fn connect_as(&self, inner: &Box, device: &str, address: &str, number: u8) {
        let pid = inner.pid();
        self.run(&format!(
            "ip link add v{number} type veth peer name {device} netns {pid}"
        ));
        self.run(&format!("ip link set v{number} master br0 up"));
        inner.run("ip link set lo up");
        inner.run(&format!("ip addr add {address} dev {device}"));
        inner.run(&format!("ip link set {device} up"));
        // The outer side asks for no hardware address: the answer would be a frame that no program inside has sent.
        let link = inner.run(&format!("ip -o link show dev {device}"));
        let hardware = link
            .split_whitespace()
            .skip_while(|word| *word != "link/ether")
            .nth(1)
            .unwrap();
        let own = address.split('/').next().unwrap();
        self.run(&format!(
            "ip neigh replace {own} lladdr {hardware} dev br0 nud permanent"
        ));
        wait_until("the device", || {
            inner
                .run(&format!("ip -o link show dev {device}"))
                .contains("state UP")
        });
    }

    /// Frames that came out of the box connected with `number`, counted on the outer side.
    pub fn frames(&self, number: u8) -> u64 {
        let all = self.run("cat /proc/net/dev");
        let line = all
            .lines()
            .find(|line| line.trim().starts_with(&format!("v{number}:")))
            .unwrap();
        line.split_whitespace().nth(2).unwrap().parse().unwrap()
    }

    /// What a program on the engine's side sees: the last line of `tests/probe.py WORDS`.
    pub fn probe(&self, words: &str) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/probe.py");
        let output = self
            .enter(&format!("python3 {script} {words}"))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
            + String::from_utf8_lossy(&output.stderr).trim()
    }

    pub fn start(&self, words: &str) -> super::Background {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/probe.py");
        super::Background::new(&mut self.enter(&format!("python3 -u {script} {words}")))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _gone = self.holder.kill();
        let _status = self.holder.wait();
    }
}
