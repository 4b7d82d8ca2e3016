//! How long a box's life takes: ours, Debian's crun and Debian's runc on one bundle, round by round in a shuffled order.
//!
//! `make bench-lifecycle`, or the bench with flags: `--rounds 50`, `--seed N`, `--only walls,crun`,
//! `--before DIR` (binaries of another build, compared with too), `--output FILE`. It needs root and a machine at rest. It works in a mount namespace and on a tmpfs of its own, checks that every step
//! does what it must, prints a table, and writes every number to `target/bench/lifecycle.json`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints its table, and ends with the reason when a step fails"
)]

mod bundle;
mod command_line;
mod numbers;
mod promises;
mod report;
mod rounds;
mod stage;
mod stopwatch;
mod subjects;

use crate::command_line::Wish;
use crate::stage::Stage;
use crate::subjects::{COMMAND, ROUTER, wanted};

fn main() {
    let wish = match Wish::read(std::env::args().skip(1)) {
        Ok(wish) => wish,
        Err(sentence) => panic!("{sentence}"),
    };
    assert!(
        nix::unistd::geteuid().is_root(),
        "boxes need root: run `sudo make bench-lifecycle`"
    );
    // The whole process, and before there is a second thread: it has no effect on the machine's own mounts.
    let mut stage = Stage::set();
    let subjects = subjects::all(&stage, &wish);
    if [ROUTER, COMMAND].iter().any(|name| wanted(&wish, name)) {
        stage.start_router();
    }
    let samples = rounds::run(&stage, &subjects, &wish);
    let sizes = subjects::sizes(&subjects);
    drop(stage);
    let promises = promises::check(&samples);
    println!("{}", report::text(&samples, &sizes, &promises, &wish));
    report::write(&samples, &sizes, &promises, &wish);
}
