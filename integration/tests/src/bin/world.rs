//! `nemoclaw-world up|down`: starts or ends what the tests share, so that `make test` leaves nothing running.

use std::process::ExitCode;

fn main() -> ExitCode {
    let verb = std::env::args().nth(1);
    match verb.as_deref() {
        Some("up") => match nemoclaw_tests::World::get() {
            Ok(_) => ExitCode::SUCCESS,
            Err(reason) => say(&format!("nothing started: {reason}")),
        },
        Some("down") => {
            nemoclaw_tests::World::down();
            ExitCode::SUCCESS
        }
        _ => {
            say("usage: nemoclaw-world up|down");
            ExitCode::from(2)
        }
    }
}

fn say(text: &str) -> ExitCode {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "nemoclaw-world: {text}");
    ExitCode::SUCCESS
}
