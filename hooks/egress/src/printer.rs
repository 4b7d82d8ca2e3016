//! The hook's two outputs. What cannot be written is lost: there is nobody left to tell.

use std::io::{Write, stderr, stdout};

/// Data.
pub fn data(text: &str) {
    let _lost = writeln!(stdout().lock(), "{text}");
}

/// Talk; the runtime keeps it for its log.
pub fn talk(text: &str) {
    let _lost = writeln!(stderr().lock(), "nemoclaw-egress: {text}");
}
