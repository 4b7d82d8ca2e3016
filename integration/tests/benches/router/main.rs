//! What a request costs on its way through the router, beside haproxy, nginx and Envoy on the same upstream, round by round
//! in a shuffled order.
//!
//! `make bench-router`, or the bench with flags: `--rounds 7`, `--seed N`, `--only ours,haproxy`, `--modes l4,l7`,
//! `--parts rounds,memory,entries,boxes,idle,reload`, `--logs off`, `--before DIR` (a router of another build, measured too) and
//! `--json FILE`. It needs root. Everything happens in a network and a mount namespace of its own and on a tmpfs, so that no name, no port and no
//! address of the machine is touched, and everything is gone with the process. Processor time counts, from the
//! scheduler's own clock, for all processes of a proxy together; ours has two.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints its table, and ends with the reason when a step fails"
)]

mod certificates;
mod command_line;
mod ground;
mod load;
mod meter;
mod numbers;
mod ours;
mod peers;
mod promises;
mod report;
mod rounds;
mod scale;
mod subjects;
mod sys;
mod upstream;

use crate::command_line::Wish;
use crate::ground::Ground;
use crate::numbers::Samples;

fn main() {
    let wish = match Wish::read(std::env::args().skip(1)) {
        Ok(wish) => wish,
        Err(sentence) => panic!("{sentence}"),
    };
    assert!(
        nix::unistd::geteuid().is_root(),
        "network namespaces need root: run `sudo make bench-router`"
    );
    // The whole process, and before there is a second thread.
    let ground = Ground::set();
    let _upstream = upstream::start(&ground);
    let mut samples = Samples::default();
    if wish.has("rounds") {
        rounds::run(&ground, &wish, &mut samples);
    }
    scale::run(&ground, &wish, &mut samples);
    let promises = promises::check(&samples);
    println!("{}", report::text(&samples, &promises, &wish));
    report::write(&samples, &promises, &wish);
}
