//! Making a box: what the kernel is asked for before the program runs.

pub mod tuning;
