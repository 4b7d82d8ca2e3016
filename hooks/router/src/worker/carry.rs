//! Bytes carried between two connections, both ways at once, until both have ended.
//!
//! A connection that is quiet holds no buffer: what came is read into one that all share, and goes on at once. What a slow
//! reader leaves is kept until it reads. A way that has carried much is handed to the kernel, which moves pages from
//! socket to socket through a pipe.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::fcntl::{OFlag, SpliceFFlags, splice};
use nix::sys::socket::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::sink::Bytes;
use crate::limits;

thread_local! {
    static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; limits::PASS_BUFFER]);
}

/// Where a way's bytes are counted.
#[derive(Clone, Copy)]
pub struct Tally<'c> {
    /// The counter.
    pub bytes: &'c AtomicU64,
    /// The connection's.
    pub activity: &'c Activity,
}

impl Tally<'_> {
    /// So many have passed.
    pub fn add(&self, count: usize) {
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        self.activity.touch();
    }
}

/// Carry one way until its end, which is passed on too. `pipes` is room for pipes; without it, bytes are copied on.
///
/// # Errors
/// One of the connections broke.
pub async fn one_way(
    from: &TcpStream,
    to: &TcpStream,
    tally: Tally<'_>,
    pipes: &Semaphore,
) -> io::Result<()> {
    let mut carried = 0;
    let mut pipe = None;
    loop {
        if carried >= limits::SPLICE_AFTER && pipe.is_none() {
            pipe = Pipe::new(pipes);
        }
        let count = match &pipe {
            Some(pipe) => pipe.carry(from, to, tally).await?,
            None => copy_once(from, to, tally).await?,
        };
        if count == 0 {
            return end(to);
        }
        carried = carried.saturating_add(count);
    }
}

/// Read what is there and write it. Gives how much that was; 0 at the end.
async fn copy_once(from: &TcpStream, to: &TcpStream, tally: Tally<'_>) -> io::Result<usize> {
    loop {
        from.readable().await?;
        let (count, rest) = match SHARED.with_borrow_mut(|buffer| shift(from, to, buffer, tally)) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            other => other?,
        };
        let mut left = rest.as_slice();
        while !left.is_empty() {
            to.writable().await?;
            match to.try_write(left) {
                Ok(written) => {
                    tally.add(written);
                    left = &left[written..];
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        return Ok(count);
    }
}

/// One read and one write. Gives how much was read, and what of it could not be written yet.
fn shift(
    from: &TcpStream,
    to: &TcpStream,
    buffer: &mut [u8],
    tally: Tally<'_>,
) -> io::Result<(usize, Vec<u8>)> {
    let count = from.try_read(buffer)?;
    let written = match to.try_write(&buffer[..count]) {
        Ok(written) => written,
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    tally.add(written);
    Ok((count, buffer[written..count].to_vec()))
}

fn end(to: &TcpStream) -> io::Result<()> {
    match shutdown(to.as_raw_fd(), Shutdown::Write) {
        // It is gone already, both ways.
        Ok(()) | Err(nix::Error::ENOTCONN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The kernel's own buffer between two sockets.
struct Pipe<'p> {
    read: OwnedFd,
    write: OwnedFd,
    _room: SemaphorePermit<'p>,
}

impl<'p> Pipe<'p> {
    /// A pipe, if there is room for one.
    fn new(pipes: &'p Semaphore) -> Option<Pipe<'p>> {
        let room = pipes.try_acquire().ok()?;
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).ok()?;
        Some(Pipe {
            read,
            write,
            _room: room,
        })
    }

    /// Carry what is there. Gives how much that was; 0 at the end.
    async fn carry(&self, from: &TcpStream, to: &TcpStream, tally: Tally<'_>) -> io::Result<usize> {
        let fill = || moved(from, &self.write, limits::SPLICE_BYTES);
        let count = from.async_io(Interest::READABLE, fill).await?;
        let mut left = count;
        while left > 0 {
            let drain = || moved(&self.read, to, left);
            let gone = to.async_io(Interest::WRITABLE, drain).await?;
            if gone == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            tally.add(gone);
            left -= gone;
        }
        Ok(count)
    }
}

/// The pipe is empty before it is filled and not full while it is drained, so it is the socket that has to be waited for.
fn moved(from: impl AsFd, to: impl AsFd, most: usize) -> io::Result<usize> {
    let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
    Ok(splice(from, None, to, None, most, flags)?)
}

/// Relay an upgraded connection both ways, counted, until one side ends or both are silent.
///
/// # Errors
/// One side broke, or both were silent too long.
pub async fn relay(
    client: impl AsyncRead + AsyncWrite + Unpin,
    server: impl AsyncRead + AsyncWrite + Unpin,
    bytes: &Bytes,
) -> Result<(), String> {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let activity = Activity::default();
    let tally = |bytes| Tally {
        bytes,
        activity: &activity,
    };
    let upward = copy(&mut from_client, &mut to_server, tally(&bytes.out));
    let downward = copy(&mut from_server, &mut to_client, tally(&bytes.back));
    tokio::select! {
        done = async { tokio::try_join!(upward, downward) } => done.map(|_| ()).map_err(|error| error.to_string()),
        () = activity.idle(limits::BODY_IDLE) => Err("nothing passed for too long".to_owned()),
    }
}

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    tally: Tally<'_>,
) -> io::Result<()> {
    let mut buffer = vec![0; limits::PASS_BUFFER];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
        tally.add(length);
    }
}

/// Whether bytes passed lately in either direction.
#[derive(Default)]
pub struct Activity(AtomicBool);

/// In how many parts a time of silence is looked at: it is noticed at most one part late.
const PARTS: u32 = 4;

impl Activity {
    /// Something passed.
    pub fn touch(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Ends when nothing passed for `limit`.
    pub async fn idle(&self, limit: Duration) {
        let mut quiet = 0;
        while quiet < PARTS {
            tokio::time::sleep(limit / PARTS).await;
            quiet = if self.0.swap(false, Ordering::Relaxed) {
                0
            } else {
                quiet + 1
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listener");
        let address = listener.local_addr().expect("address");
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        (near.expect("connected"), far.expect("accepted").0)
    }

    fn run(work: impl Future<Output = ()>) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_io().enable_time().build().expect("runtime");
        runtime.block_on(work);
    }

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at / 7) as u8).collect()
    }

    /// A client that says much, ends its half, and then hears more than it said: half-closed all the while.
    async fn both_halves(pipes: &Semaphore) {
        let (mut client, inner) = pair().await;
        let (outer, mut server) = pair().await;
        let (said, heard) = (pattern(3 << 20), pattern(5 << 20));
        let bytes = Bytes::default();
        let activity = Activity::default();
        let tally = |bytes| Tally {
            bytes,
            activity: &activity,
        };
        let carried = async {
            tokio::try_join!(
                one_way(&inner, &outer, tally(&bytes.out), pipes),
                one_way(&outer, &inner, tally(&bytes.back), pipes)
            )
            .expect("carried");
        };
        let talk = async {
            client.write_all(&said).await.expect("said");
            client.shutdown().await.expect("half closed");
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.expect("answer");
            assert!(answer == heard, "{} bytes came back", answer.len());
        };
        let serve = async {
            let mut question = Vec::new();
            server.read_to_end(&mut question).await.expect("question");
            assert!(question == said, "{} bytes went out", question.len());
            server.write_all(&heard).await.expect("answered");
            server.shutdown().await.expect("closed");
        };
        tokio::join!(carried, talk, serve);
        assert_eq!(bytes.out.load(Ordering::Relaxed), said.len() as u64);
        assert_eq!(bytes.back.load(Ordering::Relaxed), heard.len() as u64);
    }

    #[test]
    fn bulk_passes_whole_and_is_counted_when_one_half_is_closed() {
        run(async {
            let pipes = Semaphore::new(2);
            both_halves(&pipes).await;
            assert_eq!(pipes.available_permits(), 2, "a pipe was not given back");
        });
    }

    #[test]
    fn without_room_for_a_pipe_bulk_is_copied() {
        run(async { both_halves(&Semaphore::new(0)).await });
    }

    #[test]
    fn what_is_carried_by_a_pipe_ends_at_once_when_it_is_cut_and_only_what_was_sent_is_counted() {
        run(async {
            let (mut client, inner) = pair().await;
            let (outer, mut server) = pair().await;
            let pipes = Semaphore::new(1);
            let (count, activity) = (AtomicU64::new(0), Activity::default());
            let tally = Tally {
                bytes: &count,
                activity: &activity,
            };
            let said = pattern(64 << 20);
            let talk = async {
                // It is cut before all is said.
                let _ = client.write_all(&said).await;
                std::future::pending::<()>().await;
            };
            let stuck = async {
                // Nobody reads: once both sockets are full, all stands still.
                let mut before = 0;
                loop {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    let now = count.load(Ordering::Relaxed);
                    if now > limits::SPLICE_AFTER as u64 && now == before {
                        return;
                    }
                    before = now;
                }
            };
            tokio::select! {
                _ = one_way(&inner, &outer, tally, &pipes) => panic!("it ended by itself"),
                () = talk => {}
                () = async { stuck.await; assert_eq!(pipes.available_permits(), 0, "no pipe was used"); } => {}
            }
            assert_eq!(pipes.available_permits(), 1);
            drop((inner, outer));
            let mut came = Vec::new();
            server.read_to_end(&mut came).await.expect("what was sent");
            assert_eq!(came.len() as u64, count.load(Ordering::Relaxed));
            assert!(came[..] == said[..came.len()]);
        });
    }
}
