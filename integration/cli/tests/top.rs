//! `top` on a real terminal and without one, before a router that is played here.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's helpers may fail loudly"
)]

#[macro_use]
mod place;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nemoclaw_api::{Backend, BoxStatus, Request, Response, RouterStatus, wire};
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;

use place::Place;

/// A machine whose router knows one sandbox, to which 60 requests more are allowed at every look.
fn routed() -> Place {
    let place = Place::new();
    std::fs::create_dir_all(place.path("run")).unwrap();
    let listener = UnixListener::bind(place.path("run/router.sock")).unwrap();
    std::thread::spawn(move || {
        let mut allowed = 0;
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let response = match wire::receive::<Request>(&stream).unwrap().0 {
                Request::List => {
                    allowed += 60;
                    Response::Boxes {
                        boxes: vec![sandbox(allowed)],
                    }
                }
                Request::Status => Response::Router(router()),
                other => panic!("{other:?}"),
            };
            wire::send(&stream, &response, &[]).unwrap();
        }
    });
    place
}

fn sandbox(allowed: u64) -> BoxStatus {
    BoxStatus {
        sandbox: "worker".into(),
        pid: 1,
        policies: vec!["strict".into()],
        files: Vec::new(),
        generation: 4,
        fault: None,
        capture: Backend::SkLookup,
        allowed,
        denied: 0,
        connections: 5,
        bytes_out: 0,
        bytes_in: 0,
        models: None,
        last_denial: None,
        since: "2026-01-01T00:00:00Z".into(),
    }
}

fn router() -> RouterStatus {
    RouterStatus {
        version: "9.9.9".into(),
        warden_pid: 1,
        worker_pid: Some(2),
        boxes: 1,
        ..RouterStatus::default()
    }
}

/// `top` on a terminal of its own.
struct Shown {
    _place: Place,
    child: Child,
    pty: OpenptyResult,
    before: Termios,
    seen: String,
}

impl Shown {
    fn new() -> Shown {
        let place = routed();
        let size = Winsize {
            ws_row: 24,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).unwrap();
        let before = tcgetattr(&pty.slave).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let child = place
            .command(&["top"])
            .env("TERM", "xterm-256color")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        Shown {
            _place: place,
            child,
            pty,
            before,
            seen: String::new(),
        }
    }

    /// Read the screen until `wanted` is on it.
    fn until(&mut self, wanted: &str) {
        let end = Instant::now() + Duration::from_secs(10);
        while !self.seen.contains(wanted) {
            assert!(Instant::now() < end, "never `{wanted}`: {:?}", self.seen);
            self.read();
        }
    }

    /// What has come to the terminal.
    fn read(&mut self) {
        let mut wanted = [PollFd::new(self.pty.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut wanted, 100_u16).unwrap() == 0 {
            return;
        }
        let mut bytes = [0; 65536];
        let read = File::from(self.pty.master.try_clone().unwrap())
            .read(&mut bytes)
            .unwrap();
        self.seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }

    fn press(&self, keys: &[u8]) {
        File::from(self.pty.master.try_clone().unwrap())
            .write_all(keys)
            .unwrap();
    }

    /// It ends well, and the terminal is what it was.
    fn ends(mut self) {
        let end = Instant::now() + Duration::from_secs(5);
        let status = loop {
            self.read();
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "it does not end: {:?}", self.seen);
        };
        self.read();
        assert!(status.success(), "{status}: {:?}", self.seen);
        let left = self.seen.rfind("\x1b[?1049l").unwrap();
        assert!(self.seen.find("\x1b[?1049h").unwrap() < left);
        assert!(
            self.seen.rfind("\x1b[?25h").is_some(),
            "the cursor is shown again"
        );
        let after = tcgetattr(&self.pty.slave).unwrap();
        assert_eq!(
            after.local_flags, self.before.local_flags,
            "echo and lines are back"
        );
        assert_eq!(after.input_flags, self.before.input_flags);
        assert_eq!(after.output_flags, self.before.output_flags);
    }
}

#[test]
fn on_a_terminal_it_shows_what_happens_and_q_gives_the_terminal_back() {
    need_root!();
    let mut shown = Shown::new();
    shown.until("worker");
    shown.until("9.9.9");
    let raw = tcgetattr(&shown.pty.slave).unwrap();
    assert_ne!(
        raw.local_flags, shown.before.local_flags,
        "the terminal is taken"
    );
    shown.press(b"s");
    shown.until("connections");
    shown.press(b"q");
    shown.ends();
}

#[test]
fn control_c_and_signals_give_the_terminal_back_too() {
    need_root!();
    let mut shown = Shown::new();
    shown.until("worker");
    shown.press(b"\x03");
    shown.ends();
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let mut shown = Shown::new();
        shown.until("worker");
        kill(Pid::from_raw(shown.child.id().cast_signed()), signal).unwrap();
        shown.ends();
    }
}

#[test]
fn without_a_terminal_it_is_refused_and_once_prints_one_picture_with_rates() {
    need_root!();
    let place = routed();
    place
        .run(&["top"])
        .ends_with(1)
        .says("`nemoclaw top` needs a terminal")
        .says("hint: run `nemoclaw status`");
    let ran = place.run(&["top", "--once"]);
    ran.ends_with(0)
        .prints("router 9.9.9, 1 sandboxes")
        .prints("5 connections")
        .prints("worker");
    assert!(!ran.out.contains('\x1b'), "{:?}", ran.out);
    let row = ran
        .out
        .lines()
        .find(|line| line.starts_with("worker"))
        .unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    let rate: f64 = cells[2].parse().unwrap();
    assert!(
        (40.0..=60.0).contains(&rate),
        "60 in a second and a bit: {row}"
    );
    assert_eq!(
        (cells[1], cells[4], cells[8], cells[9]),
        ("5", "120", "4", "strict")
    );
}

#[test]
fn without_a_router_there_is_no_picture_to_print() {
    need_root!();
    let place = Place::new();
    place
        .run(&["top", "--once"])
        .ends_with(1)
        .says("nemoclaw router start");
}
