//! See `src/head.rs`.
#![no_main]

#[path = "../src/head.rs"]
mod head;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| head::run(bytes));
