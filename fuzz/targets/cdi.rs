//! See `src/cdi.rs`.
#![no_main]

#[path = "../src/cdi.rs"]
mod cdi;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cdi::run(bytes));
