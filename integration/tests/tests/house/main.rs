//! House rules, read from the sources: who may import whom, where `unsafe` may stand, how long a file may be, what
//! product code never holds, and that each promise names the test that holds it.

mod dependencies;
mod promises;
mod sources;
