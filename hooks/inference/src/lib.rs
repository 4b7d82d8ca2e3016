//! What model servers and their clients say to each other: the shapes of OpenAI's and Anthropic's requests, answers and
//! streams, where texts stand in them, and how one becomes the other.
//!
//! Everything here is pure: bytes and values in, bytes and values out. Who may be asked is the policy's business, who is
//! asked the router's.
