//! SIGTERM and SIGINT become a happening like any other.

use nix::sys::signal::{SigSet, Signal};

use super::{Happening, Post};

/// Block the signals in this and all later threads, and report the first one that comes.
///
/// # Errors
/// They cannot be blocked, or there is no thread to wait for them.
pub fn listen(post: Post) -> std::io::Result<()> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.add(Signal::SIGINT);
    set.thread_block()?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            while set.wait().is_ok() {
                if post.send(Happening::Signal).is_err() {
                    return;
                }
            }
        })?;
    Ok(())
}
