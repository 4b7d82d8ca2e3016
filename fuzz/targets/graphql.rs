//! See `src/graphql.rs`.
#![no_main]

#[path = "../src/graphql.rs"]
mod graphql;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| graphql::run(bytes));
