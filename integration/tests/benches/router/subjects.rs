//! What is measured, and how it is asked.

use crate::command_line::Wish;
use crate::ground::{PLAIN, PORT, TLS_ONE, TLS_TWO};

/// The upstream itself.
pub const DIRECT: &str = "direct";
/// Our router, its client in a namespace that leads to it and has no fence: what peers have too.
pub const OURS: &str = "ours";
/// The same router from a fenced sandbox: the true path.
pub const FENCED: &str = "ours-fenced";
/// A router of another build.
pub const BEFORE: &str = "before";
/// haproxy.
pub const HAPROXY: &str = "haproxy";
/// nginx.
pub const NGINX: &str = "nginx";
/// Envoy.
pub const ENVOY: &str = "envoy";
/// Programs of others.
pub const PEERS: [&str; 3] = [HAPROXY, NGINX, ENVOY];

/// What a proxy does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Passes bytes on.
    L4,
    /// Reads HTTP and asks a policy: method, host and path.
    L7,
    /// The same within TLS, which it opens on both sides; HTTP/1.1.
    TlsOne,
    /// HTTP/2 within TLS on both sides (nginx speaks HTTP/1.1 to its upstream).
    TlsTwo,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 4] = [Mode::L4, Mode::L7, Mode::TlsOne, Mode::TlsTwo];

    /// Its name, also as the first label of hosts.
    pub fn name(self) -> &'static str {
        match self {
            Mode::L4 => "l4",
            Mode::L7 => "l7",
            Mode::TlsOne => "tls",
            Mode::TlsTwo => "h2",
        }
    }

    /// The host that means this mode at `subject`.
    pub fn host(self, subject: &str) -> String {
        let of = match subject {
            OURS | FENCED | BEFORE => "ours",
            other => other,
        };
        format!("{}.{of}.test", self.name())
    }

    /// Where requests end.
    pub fn upstream(self) -> &'static str {
        match self {
            Mode::L4 | Mode::L7 => PLAIN,
            Mode::TlsOne => TLS_ONE,
            Mode::TlsTwo => TLS_TWO,
        }
    }

    /// The port of a peer for this mode.
    pub fn peer_port(self, peer: &str) -> u16 {
        let place = PEERS.iter().position(|known| *known == peer);
        let base = 8000 + 10 * u16::try_from(place.unwrap_or_default()).unwrap_or_default();
        base + match self {
            Mode::L4 => 1,
            Mode::L7 => 2,
            Mode::TlsOne => 3,
            Mode::TlsTwo => 4,
        }
    }

    /// The address of `path` at `subject`.
    pub fn url(self, subject: &str, path: &str) -> String {
        let scheme = match self {
            Mode::L4 | Mode::L7 => "http",
            Mode::TlsOne | Mode::TlsTwo => "https",
        };
        let port = if PEERS.contains(&subject) {
            self.peer_port(subject)
        } else {
            PORT
        };
        format!("{scheme}://{}:{port}{path}", self.host(subject))
    }

    /// Whether it is asked for.
    pub fn wanted(self, wish: &Wish) -> bool {
        wish.modes.is_empty() || wish.modes.iter().any(|mode| mode == self.name())
    }
}

/// Something that is measured.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its name.
    pub name: &'static str,
    /// A process in the namespace where its clients are; the bench's own when `None`.
    pub client: Option<i32>,
    /// All its processes.
    pub pids: Vec<i32>,
}

/// Whether a subject is asked for.
pub fn wanted(wish: &Wish, name: &str) -> bool {
    wish.only.is_empty() || wish.only.iter().any(|named| named == name)
}
