//! The router's own socket: root or the router's user, one request, one answer.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nemoclaw_api::{Request, Response, wire};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use super::{Happening, Post, WardenError, log};
use crate::limits;
use crate::worker::event::told;

/// Clients at once; more wait in the backlog.
const CLIENTS: usize = 32;

/// Where the answer to a request goes.
pub struct Reply(UnixStream);

impl Reply {
    /// Answer. A client that is gone or does not read loses its answer.
    pub fn give(self, response: &Response) {
        if let Err(error) = wire::send(&self.0, response, &[]) {
            log(&format!(
                "a client did not take its answer: {}",
                told(&error)
            ));
        }
    }

    /// Who asks.
    #[must_use]
    pub fn uid(&self) -> Option<u32> {
        getsockopt(&self.0, PeerCredentials)
            .ok()
            .map(|peer| peer.uid())
    }

    /// Refuse with a sentence.
    pub fn refuse(self, message: impl Into<String>) {
        self.give(&Response::Error {
            message: message.into(),
        });
    }
}

/// Bind the socket. A socket that nobody answers on is a dead router's and is replaced.
///
/// # Errors
/// Another router answers, or the path cannot be used.
pub fn bind(path: &Path) -> Result<UnixListener, WardenError> {
    let file = |source| WardenError::File {
        path: path.to_owned(),
        source,
    };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(file)?;
    }
    match UnixStream::connect(path) {
        Ok(_) => {
            return Err(WardenError::Running {
                socket: path.to_owned(),
            });
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(file)?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(file(error)),
    }
    let before = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o177));
    let bound = UnixListener::bind(path);
    nix::sys::stat::umask(before);
    let listener = bound.map_err(file)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(file)?;
    Ok(listener)
}

/// Remove the socket at the end.
pub fn unlink(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        log(&format!("cannot remove `{}`: {error}", path.display()));
    }
}

/// Take requests on a thread.
///
/// # Errors
/// No thread can be made.
pub fn serve(listener: UnixListener, post: Post) -> io::Result<()> {
    std::thread::Builder::new()
        .name("socket".into())
        .spawn(move || {
            let busy = Arc::new(AtomicUsize::new(0));
            for stream in listener.incoming() {
                match stream {
                    Ok(stream) => take(stream, &post, &busy),
                    Err(error) => {
                        log(&format!("cannot take a client: {error}"));
                        std::thread::sleep(limits::RESTART_PAUSE);
                    }
                }
            }
        })?;
    Ok(())
}

fn take(stream: UnixStream, post: &Post, busy: &Arc<AtomicUsize>) {
    while busy.load(Ordering::Acquire) >= CLIENTS {
        std::thread::sleep(limits::RESTART_PAUSE);
    }
    busy.fetch_add(1, Ordering::AcqRel);
    let (post, counter) = (post.clone(), busy.clone());
    let spawned = std::thread::Builder::new()
        .name("client".into())
        .spawn(move || {
            read(stream, &post);
            counter.fetch_sub(1, Ordering::AcqRel);
        });
    if let Err(error) = spawned {
        busy.fetch_sub(1, Ordering::AcqRel);
        log(&format!("cannot serve a client: {error}"));
    }
}

fn read(stream: UnixStream, post: &Post) {
    let timed = stream
        .set_read_timeout(Some(limits::CLIENT_TIME))
        .and_then(|()| stream.set_write_timeout(Some(limits::CLIENT_TIME)));
    if timed.is_err() || !trusted(&stream) {
        return Reply(stream).refuse("only root and the router's own user may talk to the router");
    }
    match wire::receive::<Request>(&stream) {
        Ok((request, descriptors)) => {
            let asked = Happening::Asked {
                request,
                descriptors,
                reply: Reply(stream),
            };
            if post.send(asked).is_err() {
                log("a request came too late: the router ends");
            }
        }
        // Someone who only looks whether the router answers sends nothing.
        Err(wire::WireError::Ended) => {}
        Err(error) => Reply(stream).refuse(format!("the request cannot be read: {}", told(&error))),
    }
}

fn trusted(stream: &UnixStream) -> bool {
    let own = nix::unistd::geteuid().as_raw();
    getsockopt(stream, PeerCredentials).is_ok_and(|peer| peer.uid() == 0 || peer.uid() == own)
}
