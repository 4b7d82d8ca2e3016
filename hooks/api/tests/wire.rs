//! The laws of the wire: what is sent arrives whole, with its descriptors, and nothing else is taken for a message.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail like a test")]

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use nemoclaw_api::client::{Client, ClientError};
use nemoclaw_api::wire::{self, WireError};
use nemoclaw_api::{Backend, RegisterFds, Request, Response};

fn pipe_end() -> OwnedFd {
    std::io::pipe().unwrap().0.into()
}

#[test]
fn a_message_arrives_with_its_descriptors_in_order() {
    let (left, right) = UnixStream::pair().unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let null: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
    wire::send(&left, &Request::List, &[null.as_fd(), reader.as_fd()]).unwrap();
    let (request, mut came): (Request, _) = wire::receive(&right).unwrap();
    assert_eq!(request, Request::List);
    assert_eq!(came.len(), 2);
    writer.write_all(b"x").unwrap();
    drop(writer);
    let text = std::io::read_to_string(std::fs::File::from(came.pop().unwrap())).unwrap();
    assert_eq!(text, "x");
}

#[test]
fn a_large_message_passes_whole() {
    let (left, right) = UnixStream::pair().unwrap();
    let long = Response::Error {
        message: "x".repeat(3 << 20),
    };
    let sent = long.clone();
    let sender = thread::spawn(move || wire::send(&left, &sent, &[]).unwrap());
    let (came, descriptors): (Response, _) = wire::receive(&right).unwrap();
    sender.join().unwrap();
    assert_eq!(came, long);
    assert!(descriptors.is_empty());
}

#[test]
fn a_header_that_announces_too_much_is_refused_before_anything_is_read() {
    let (mut left, right) = UnixStream::pair().unwrap();
    left.write_all(&u32::MAX.to_le_bytes()).unwrap();
    let came = wire::receive::<Request>(&right);
    assert!(matches!(came, Err(WireError::TooLong { .. })));
}

#[test]
fn half_a_message_is_no_message() {
    let (mut left, right) = UnixStream::pair().unwrap();
    left.write_all(&[9, 0, 0, 0, b'{']).unwrap();
    drop(left);
    assert!(matches!(
        wire::receive::<Request>(&right),
        Err(WireError::Ended)
    ));
}

#[test]
fn too_many_descriptors_are_refused_by_both_ends() {
    let (left, _right) = UnixStream::pair().unwrap();
    let seven: Vec<OwnedFd> = (0..7).map(|_| pipe_end()).collect();
    let borrowed: Vec<_> = seven.iter().map(AsFd::as_fd).collect();
    assert!(matches!(
        wire::send(&left, &Request::List, &borrowed),
        Err(WireError::TooManyDescriptors)
    ));
    let raw: Vec<_> = seven.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let header = [std::io::IoSlice::new(&[2, 0, 0, 0, b'{', b'}'])];
    let (left, right) = UnixStream::pair().unwrap();
    sendmsg::<()>(left.as_raw_fd(), &header, &rights, MsgFlags::empty(), None).unwrap();
    assert!(matches!(
        wire::receive::<Request>(&right),
        Err(WireError::TooManyDescriptors)
    ));
    assert!(RegisterFds::from_wire(Backend::Tproxy, seven).is_err());
}

#[test]
fn an_absent_router_is_told_in_one_sentence_with_the_command() {
    let dir = std::env::temp_dir().join(format!("nemoclaw-api-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let socket = dir.join("router.sock");
    let sentence = Client::connect(&socket).unwrap_err().to_string();
    let wanted = format!(
        "the router is not running: start it with `nemoclaw router start` (socket `{}`)",
        socket.display()
    );
    assert_eq!(sentence, wanted);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_refusal_is_the_routers_own_sentence() {
    let dir = std::env::temp_dir().join(format!("nemoclaw-api-refusal-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let socket = dir.join("router.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let router = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let (request, _): (Request, _) = wire::receive(&stream).unwrap();
        assert_eq!(
            request,
            Request::Release {
                sandbox: "a".into()
            }
        );
        wire::send(
            &stream,
            &Response::Error {
                message: "no".into(),
            },
            &[],
        )
        .unwrap();
    });
    let refusal = Client::connect(&socket).unwrap().release("a").unwrap_err();
    assert!(matches!(refusal, ClientError::Refused { message } if message == "no"));
    router.join().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
}
