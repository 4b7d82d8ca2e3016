//! How a waiting init hears of its start, and tells its one sentence when it cannot: a socket in the box's directory.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The socket's name in the box's directory.
const START_SOCKET: &str = "start.sock";
/// How long `start` waits for init to reach its program, beside its startContainer hooks.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Listen for the verb `start` in the box's directory `state`.
///
/// # Errors
/// The socket cannot be made.
pub fn listen(state: &Path) -> std::io::Result<UnixListener> {
    in_directory(state, START_SOCKET, |path| UnixListener::bind(path))
}

/// Knock: init goes on. The answer comes when it has reached its program, or failed.
///
/// # Errors
/// The socket is not there, so init cannot be waiting.
pub fn connect(state: &Path) -> std::io::Result<UnixStream> {
    in_directory(state, START_SOCKET, |path| UnixStream::connect(path))
}

/// Wait, in init, until someone knocks. Who it was is answered later by [`tell_start`], or by the exec, which closes the
/// socket.
///
/// # Errors
/// The kernel's error.
pub fn await_start(listener: &UnixListener) -> std::io::Result<()> {
    use std::os::fd::AsFd;
    loop {
        let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Wait for init's answer: `None` when the program runs.
///
/// # Errors
/// No answer came in time.
pub fn outcome(mut stream: UnixStream) -> std::io::Result<Option<String>> {
    stream.set_read_timeout(Some(START_LIMIT))?;
    let mut sentence = String::new();
    match stream.read_to_string(&mut sentence) {
        Ok(_) => {}
        // Closed by exec before it was accepted.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => return Err(error),
    }
    Ok(Some(sentence).filter(|text| !text.is_empty()))
}

/// Answer the verb `start`, if it waits.
pub fn tell_start(listener: &UnixListener, sentence: &str) {
    // The verb may have been killed; then nobody waits and nobody reads.
    if listener.set_nonblocking(true).is_ok()
        && let Ok((mut stream, _)) = listener.accept()
    {
        stream.write_all(sentence.as_bytes()).ok();
    }
}

/// Act on the socket `name` in `directory` by a short path: socket addresses hold 108 bytes.
///
/// # Errors
/// The directory cannot be opened, or the act fails.
pub fn in_directory<T>(
    directory: &Path,
    name: &str,
    act: impl FnOnce(&Path) -> std::io::Result<T>,
) -> std::io::Result<T> {
    let directory = File::options()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
        .open(directory)?;
    act(Path::new(&format!(
        "/proc/self/fd/{}/{name}",
        directory.as_raw_fd()
    )))
}
