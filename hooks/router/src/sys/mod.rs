//! What the compiler cannot check: copying memory as fast as it is asked for.

#[cfg(all(target_arch = "x86_64", any(target_env = "musl", test)))]
mod copying;
