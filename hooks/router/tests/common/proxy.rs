//! An HTTP proxy outside that opens tunnels, and says what it was asked.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::{Netns, OUTSIDE};

/// Its address.
pub const PROXY: &str = "203.0.113.60";

/// The proxy; it ends with the namespace's last connection.
pub struct Proxy {
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// On port 3128. Every name leads to [`OUTSIDE`]; names that begin with `forbidden` are refused, and with
    /// `password` those who do not give one.
    pub fn start(netns: &Netns, password: Option<&'static str>) -> Proxy {
        netns.ip(&["addr", "add", PROXY, "dev", "lo"]);
        let listener = netns.within(|| TcpListener::bind((PROXY, 3128)).expect("bind"));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let proxy = Proxy {
            heads: heads.clone(),
        };
        let inside = Arc::new(netns.descriptor());
        std::thread::spawn(move || {
            nix::sched::setns(&*inside, nix::sched::CloneFlags::CLONE_NEWNET).expect("setns");
            while let Ok((client, _)) = listener.accept() {
                let heads = heads.clone();
                std::thread::spawn(move || carry(client, &heads, password));
            }
        });
        proxy
    }

    /// The heads of what was asked so far.
    pub fn asked(&self) -> Vec<String> {
        self.heads.lock().expect("lock").clone()
    }
}

fn carry(mut client: TcpStream, heads: &Mutex<Vec<String>>, password: Option<&str>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if client.read_exact(&mut byte).is_err() {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("text");
    heads.lock().expect("lock").push(head.clone());
    let refuse = if password.is_some_and(|password| !head.contains(password)) {
        Some("407 Proxy Authentication Required")
    } else if head.starts_with("CONNECT forbidden") {
        Some("403 Forbidden")
    } else {
        None
    };
    if let Some(status) = refuse {
        let _ = write!(client, "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno");
        return;
    }
    let port = head
        .split_whitespace()
        .nth(1)
        .and_then(|place| place.rsplit_once(':')?.1.parse().ok());
    let mut server = TcpStream::connect((OUTSIDE, port.expect("a port"))).expect("connect");
    // What a server says first goes out with the answer, in one piece.
    let mut answer = b"HTTP/1.1 200 Connection established\r\n\r\n".to_vec();
    if port == Some(2222) {
        let mut greeting = [0; 6];
        server.read_exact(&mut greeting).expect("greeting");
        answer.extend(greeting);
    }
    client.write_all(&answer).expect("answer");
    let (mut from, mut to) = (
        client.try_clone().expect("clone"),
        server.try_clone().expect("clone"),
    );
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Write);
}
