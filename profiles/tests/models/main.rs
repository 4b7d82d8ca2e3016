//! Models: what a policy and a provider entry may say of them, who may answer a call, and what becomes of findings.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[path = "../dice/mod.rs"]
mod dice;
mod entries;
mod laws;
mod naive;
mod reader;
mod table;
mod world;
