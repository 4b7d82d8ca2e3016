//! Sending and receiving descriptors.
