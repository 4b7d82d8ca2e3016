//! How init tells its one sentence: a pipe to the verb that creates or execs, a socket to the verb that starts.
//!
//! libcontainer's own way loses the cause of an error, and after create nobody is there to listen.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

/// The socket's name in the box's directory.
const START_SOCKET: &str = "start.sock";
/// How long `start` waits for init to reach its program.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Both ends of the pipe; the reading end stays with the verb.
#[derive(Debug)]
pub struct Report {
    /// For the verb.
    pub reader: OwnedFd,
    /// For init.
    pub writer: OwnedFd,
}

impl Report {
    /// Make the pipe; it closes at exec.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn new() -> std::io::Result<Report> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        Ok(Report { reader, writer })
    }

    /// The sentence that init left, if any. Does not wait: init writes before libcontainer sees it fail.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        let mut buffer = [0_u8; 4096];
        let length = nix::unistd::read(self.reader.as_raw_fd(), &mut buffer)
            .ok()
            .filter(|length| *length > 0)?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }
}

/// Write init's sentence into the pipe.
pub fn tell(writer: &OwnedFd, sentence: &str) {
    // Nobody may be listening any more; the sentence also goes through libcontainer.
    nix::unistd::write(writer, sentence.as_bytes()).ok();
}

/// Listen for the verb `start` in the box's directory `state`.
///
/// # Errors
/// The socket cannot be made.
pub fn listen(state: &Path) -> std::io::Result<UnixListener> {
    let listener = in_directory(state, START_SOCKET, |path| UnixListener::bind(path))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Connect before init is told to start; the answer comes when init has reached its program, or failed.
///
/// # Errors
/// The socket is not there, so init cannot be waiting.
pub fn connect(state: &Path) -> std::io::Result<UnixStream> {
    in_directory(state, START_SOCKET, |path| UnixStream::connect(path))
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
    if let Ok((mut stream, _)) = listener.accept() {
        // The verb may have been killed; then nobody reads.
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
