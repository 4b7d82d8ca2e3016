//! The laws of narrowing on random policies and flows, checked against a naive evaluator.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
#![allow(clippy::expect_used, reason = "a test that cannot go on must fail")]

#[path = "../dice/mod.rs"]
mod dice;
mod laws;
mod models;
mod naive;
mod patterns;
mod within;
mod world;
