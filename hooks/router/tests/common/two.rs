//! HTTP/2 frame by frame, for what no client would send.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use super::client;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A connection by HTTP/2.
pub struct Two {
    stream: StreamOwned<ClientConnection, TcpStream>,
    held: Vec<u8>,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With a status.
    Answered(u16),
    /// The stream was reset.
    Reset,
    /// The connection ended.
    Gone,
}

impl Two {
    /// Inside a sandbox: TLS in the name of `host`, and the first words.
    pub fn open(address: Ipv4Addr, port: u16, host: &str, ca: &Path) -> Two {
        let tcp = TcpStream::connect((address, port)).expect("connect");
        tcp.set_read_timeout(Some(Duration::from_secs(5)))
            .expect("time-out");
        tcp.set_write_timeout(Some(Duration::from_millis(500)))
            .expect("time-out");
        let name = host.to_owned().try_into().expect("name");
        let config = client::config_of(ca, &["h2"]);
        let session = ClientConnection::new(config, name).expect("TLS");
        let mut two = Two {
            stream: StreamOwned::new(session, tcp),
            held: Vec::new(),
        };
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        two.stream.write_all(preface).expect("preface");
        two.send(SETTINGS, 0, 0, &[]).expect("settings");
        two
    }

    pub fn send(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> std::io::Result<()> {
        self.stream.write_all(&frame(kind, flags, stream, payload))
    }

    pub fn send_all(&mut self, frames: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(frames)?;
        self.stream.flush()
    }

    /// The next frame; `None` at the end, or when none comes.
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(length) = whole(&self.held) {
                let bytes: Vec<u8> = self.held.drain(..length).collect();
                let stream = u32::from_be_bytes([bytes[5] & 0x7f, bytes[6], bytes[7], bytes[8]]);
                return Some(Frame {
                    kind: bytes[3],
                    stream,
                    payload: bytes[9..].to_vec(),
                });
            }
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(length @ 1..) => self.held.extend_from_slice(&buffer[..length]),
                Ok(0) => return None,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    panic!("nothing came for 5 s")
                }
                _ => return None,
            }
        }
    }

    /// What becomes of a stream.
    pub fn end_of(&mut self, stream: u32) -> End {
        loop {
            match self.next() {
                None => return End::Gone,
                Some(frame) if frame.kind == GOAWAY => return End::Gone,
                Some(frame) if frame.kind == RESET && frame.stream == stream => return End::Reset,
                Some(frame) if frame.kind == HEADERS && frame.stream == stream => {
                    return End::Answered(status(&frame.payload));
                }
                Some(_) => {}
            }
        }
    }

    /// The code of the GOAWAY, or `None` when the connection ended without one.
    pub fn last_word(&mut self) -> Option<u32> {
        while let Some(frame) = self.next() {
            if frame.kind == GOAWAY {
                let code = frame.payload.get(4..8)?;
                return Some(u32::from_be_bytes(code.try_into().ok()?));
            }
        }
        None
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("length").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn whole(held: &[u8]) -> Option<usize> {
    let head = held.get(..9)?;
    let length = 9 + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    (held.len() >= length).then_some(length)
}

/// Fields, each written out and remembered by nobody.
pub fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            number(&mut bytes, text.len());
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

/// A length in HPACK, with seven bits in its first byte.
fn number(bytes: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(127) else {
        return bytes.push(u8::try_from(length).expect("short"));
    };
    bytes.push(127);
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128 + 128).expect("seven bits"));
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).expect("seven bits"));
}

/// The status, which stands first: an entry of the fixed table, or its name with a text in Huffman's code.
fn status(block: &[u8]) -> u16 {
    match block {
        [0x88, ..] => 200,
        [0x8c, ..] => 400,
        // 4: 011010, 0: 00000, 3: 011001, then ones.
        [_, 0x83, 0b0110_1000, 0b0000_1100, 0b1111_1111, ..] => 403,
        _ => 0,
    }
}
