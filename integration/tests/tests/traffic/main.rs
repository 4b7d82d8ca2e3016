//! What an agent's programs get to, and what they are told when they do not.

mod audit;
mod denials;
mod names_and_addresses;
mod programs;
mod support;
mod upstream_addresses;
mod wire;
