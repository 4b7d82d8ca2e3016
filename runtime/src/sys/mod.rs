//! The only folder where `unsafe` may stand.
