//! Requests of HTTP/1.1 in a row: cut anywhere, the same ones are sound, and a path in its normal form stays as it is.

use nemoclaw_policy::path::normalise_path;
use nemoclaw_router::worker::framing::{Follower, Found};

/// Follow `bytes` in one piece and one by one, and read them as a path.
pub fn run(bytes: &[u8]) {
    let whole = followed(&[bytes]);
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(followed(&pieces), whole);
    if let Some(path) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| normalise_path(text).ok())
    {
        assert_eq!(normalise_path(&path).as_ref(), Ok(&path), "normal twice");
    }
}

fn followed(pieces: &[&[u8]]) -> (u64, bool) {
    let (mut follower, found) = (Follower::default(), Found::default());
    for piece in pieces {
        follower.read(piece, &found);
    }
    for _ in 0..found.sound() {
        assert!(found.hand_over().is_ok());
    }
    assert!(found.hand_over().is_err(), "one more than there are");
    (found.sound(), found.end().is_some())
}
