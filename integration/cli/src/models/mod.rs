//! Calls to models as the command looks at them: what is found in a text or a request, and what model servers say.

pub mod http;
pub mod money;
pub mod request;
pub mod scanner;
pub mod servers;
pub mod spend;
