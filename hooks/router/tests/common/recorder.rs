//! A server outside that keeps every request as it came, byte by byte.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::certificates::Outside;
use super::{Netns, OUTSIDE};

/// Its port without TLS.
pub const PORT: u16 = 8080;
/// Its port with TLS, where it speaks HTTP/1.1 only.
pub const SECURE: u16 = 8444;

/// The server.
pub struct Recorder {
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A whole request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Request line and fields.
    pub head: String,
    /// The body, out of its chunks.
    pub body: String,
}

impl Seen {
    /// Method and path.
    pub fn line(&self) -> &str {
        let line = self.head.lines().next().unwrap_or_default();
        line.rsplit_once(' ').map_or(line, |(line, _)| line)
    }

    /// The values of a field.
    pub fn fields(&self, name: &str) -> Vec<&str> {
        let field = |line: &'_ str| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.len())
        };
        self.head
            .lines()
            .filter_map(|line| field(line).map(|length| line[line.len() - length..].trim()))
            .collect()
    }
}

impl Recorder {
    /// Without TLS.
    pub fn start(netns: &Netns) -> Recorder {
        Recorder::listen(netns, PORT, |client, seen| serve(client, &seen))
    }

    /// With TLS, as one of `hosts`.
    pub fn start_secure(netns: &Netns, outside: &Outside, hosts: &[&str]) -> Recorder {
        let mut config = (*outside.server(hosts)).clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let config = Arc::new(config);
        Recorder::listen(netns, SECURE, move |client, seen| {
            let session = rustls::ServerConnection::new(config.clone()).expect("TLS");
            serve(rustls::StreamOwned::new(session, client), &seen);
        })
    }

    fn listen(
        netns: &Netns,
        port: u16,
        serve: impl Fn(TcpStream, Arc<Mutex<Vec<Seen>>>) + Clone + Send + 'static,
    ) -> Recorder {
        let listener = netns.within(move || TcpListener::bind((OUTSIDE, port)).expect("bind"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = seen.clone();
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let (serve, seen) = (serve.clone(), shared.clone());
                std::thread::spawn(move || serve(client, seen));
            }
        });
        Recorder { seen }
    }

    /// What came since the last time.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().expect("lock"))
    }
}

fn serve(mut client: impl Read + Write, seen: &Mutex<Vec<Seen>>) {
    let mut held = Vec::new();
    let mut buffer = [0; 64 * 1024];
    loop {
        while let Some((request, length)) = whole(&held) {
            held.drain(..length);
            seen.lock().expect("lock").push(request);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            if client.write_all(answer).is_err() {
                return;
            }
        }
        match client.read(&mut buffer) {
            Ok(length @ 1..) => held.extend_from_slice(&buffer[..length]),
            _ => return,
        }
    }
}

/// The first request in `bytes`, if it is whole, and its length.
fn whole(bytes: &[u8]) -> Option<(Seen, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(head) = request.parse(bytes).expect("a sound head") else {
        return None;
    };
    let value = |name: &str| {
        let field = request
            .headers
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name));
        field.map(|field| String::from_utf8(field.value.to_vec()).expect("text"))
    };
    let (body, length) = if value("transfer-encoding").is_some() {
        chunks(&bytes[head..])?
    } else {
        let length: usize = value("content-length").map_or(0, |text| text.parse().expect("length"));
        let body = bytes.get(head..head + length)?;
        (body.to_vec(), length)
    };
    let seen = Seen {
        head: String::from_utf8_lossy(&bytes[..head]).into_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    Some((seen, head + length))
}

fn chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let parsed = httparse::parse_chunk_size(&bytes[at..]).expect("a sound chunk");
        let httparse::Status::Complete((taken, size)) = parsed else {
            return None;
        };
        let size = usize::try_from(size).expect("size");
        at += taken;
        let data = bytes.get(at..at + size + 2)?;
        assert!(
            data.ends_with(b"\r\n"),
            "trailers, or a chunk without an end"
        );
        body.extend_from_slice(&data[..size]);
        at += size + 2;
        if size == 0 {
            return Some((body, at));
        }
    }
}
