//! What a call to a model costs on its way through the Privacy Router, beside LiteLLM on the same upstream and Presidio on
//! the same texts, round by round in a shuffled order.
//!
//! `make bench-privacy`, or the bench with flags: `--rounds 7`, `--requests 400`, `--seed N`, `--only ours,litellm` and
//! `--json FILE`. It needs root. Ours is asked from a real sandbox, by TLS on both sides; its promises are held against the
//! same client that asks the same upstream by TLS itself. LiteLLM is spared both: its client and its upstream speak plain
//! HTTP, and so does what it is held against.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints its table, and ends with the reason when a step fails"
)]

mod command_line;
mod ground;
mod load;
#[path = "../router/meter.rs"]
#[allow(dead_code, reason = "the router's bench has it too")]
mod meter;
#[path = "../router/numbers.rs"]
#[allow(dead_code, reason = "the router's bench has it too")]
mod numbers;
mod peers;
mod report;
mod rounds;
mod texts;

use crate::command_line::Wish;
use crate::numbers::Samples;

fn main() {
    let wish = match Wish::read(std::env::args().skip(1)) {
        Ok(wish) => wish,
        Err(sentence) => panic!("{sentence}"),
    };
    assert!(
        nix::unistd::geteuid().is_root(),
        "network namespaces need root: run `sudo make bench-privacy`"
    );
    let mut samples = Samples::default();
    rounds::run(&wish, &mut samples);
    let promises = report::promises(&samples);
    println!("{}", report::text(&samples, &promises, &wish));
    report::write(&samples, &promises, &wish);
}
