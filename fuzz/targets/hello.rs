//! See `src/hello.rs`.
#![no_main]

#[path = "../src/hello.rs"]
mod hello;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hello::run(bytes));
