//! What a verb and the process it makes tell each other: a socket that keeps words apart and closes when either ends.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};

/// The longest word: the identities of a policy's paths, or a sentence.
const LONGEST: usize = 128 << 10;

/// One end.
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// To the process: its users are mapped.
    Mapped,
    /// From the process: its file tree stands, and hooks may run.
    Tree,
    /// To the process: it is in its cgroup, and the hooks ran.
    Go,
    /// From the process: everything is done; only its program is left to run. With what the verb must remember.
    Ready(Vec<u8>),
    /// From the process: why it ends.
    Failed(String),
}

impl Word {
    fn tag(&self) -> u8 {
        match self {
            Word::Mapped => b'm',
            Word::Tree => b't',
            Word::Go => b'g',
            Word::Ready(_) => b'r',
            Word::Failed(_) => b'f',
        }
    }

    fn from(bytes: &[u8]) -> Option<Word> {
        let (tag, rest) = bytes.split_first()?;
        Some(match tag {
            b'm' => Word::Mapped,
            b't' => Word::Tree,
            b'g' => Word::Go,
            b'r' => Word::Ready(rest.to_vec()),
            b'f' => Word::Failed(String::from_utf8_lossy(rest).into_owned()),
            _ => return None,
        })
    }
}

impl Channel {
    /// Both ends; they close at exec.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn pair() -> Result<(Channel, Channel), Errno> {
        let (a, b) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        Ok((Channel(a), Channel(b)))
    }

    /// Say a word.
    ///
    /// # Errors
    /// `EPIPE` when the other end is gone, `EMSGSIZE` for a word that is too long.
    pub fn say(&self, word: &Word) -> Result<(), Errno> {
        let mut bytes = vec![word.tag()];
        match word {
            Word::Ready(payload) => bytes.extend_from_slice(payload),
            Word::Failed(sentence) => bytes.extend_from_slice(sentence.as_bytes()),
            Word::Mapped | Word::Tree | Word::Go => {}
        }
        bytes.truncate(match word {
            Word::Failed(_) => LONGEST,
            _ => usize::MAX,
        });
        if bytes.len() > LONGEST {
            return Err(Errno::EMSGSIZE);
        }
        loop {
            match send(self.0.as_raw_fd(), &bytes, MsgFlags::MSG_NOSIGNAL) {
                Err(Errno::EINTR) => {}
                other => return other.map(drop),
            }
        }
    }

    /// The next word; `None` when the other end is closed.
    ///
    /// # Errors
    /// `ETIMEDOUT` after `limit`, else the kernel's error.
    pub fn hear(&self, limit: Option<Duration>) -> Result<Option<Word>, Errno> {
        if let Some(limit) = limit {
            self.wait(limit)?;
        }
        let mut buffer = vec![0; LONGEST];
        loop {
            match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                Ok(0) | Err(Errno::ECONNRESET) => return Ok(None),
                Ok(length) => {
                    return Word::from(&buffer[..length])
                        .map(Some)
                        .ok_or(Errno::EBADMSG);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn wait(&self, limit: Duration) -> Result<(), Errno> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) => return Err(Errno::ETIMEDOUT),
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_arrive_whole_and_in_order_and_an_end_is_heard() {
        let (a, b) = Channel::pair().expect("pair");
        let words = [
            Word::Mapped,
            Word::Ready(vec![1; 70_000]),
            Word::Failed("é".to_owned()),
        ];
        words.iter().for_each(|word| a.say(word).expect("said"));
        drop(a);
        for word in words {
            assert_eq!(b.hear(None), Ok(Some(word)));
        }
        assert_eq!(b.hear(Some(Duration::from_secs(1))), Ok(None));
    }

    #[test]
    fn silence_has_a_limit() {
        let (_a, b) = Channel::pair().expect("pair");
        assert_eq!(
            b.hear(Some(Duration::from_millis(1))),
            Err(Errno::ETIMEDOUT)
        );
    }
}
