//! Speaking netlink with the kernel, without `ip`, `nft` or an async run-time: messages, one send, every answer checked.

pub mod message;
pub mod nft;
pub mod route;
pub mod socket;

pub use message::Message;
pub use socket::{Protocol, Socket};
