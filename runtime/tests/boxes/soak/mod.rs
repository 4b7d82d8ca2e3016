//! Many rounds of what must never go wrong. `make test` runs a tenth of them, `make soak` all.

mod crowd;
mod kills;
mod tracer;

/// How often: all with `NEMOCLAW_SOAK`, else a tenth.
fn rounds(all: usize) -> usize {
    match std::env::var_os("NEMOCLAW_SOAK") {
        Some(_) => all,
        None => all / 10,
    }
}
