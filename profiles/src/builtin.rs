//! Policies and presets that ship inside the binaries.

/// The text of an embedded policy (`default`, `strict`, `dev`, `offline`, `unconfined`).
pub fn policy(name: &str) -> Option<&'static str> {
    let _ = name;
    None
}

/// The text of an embedded preset (`pypi`, `npm`, …).
pub fn preset(name: &str) -> Option<&'static str> {
    let _ = name;
    None
}

/// All policy names.
pub fn policy_names() -> &'static [&'static str] {
    &[]
}

/// All preset names.
pub fn preset_names() -> &'static [&'static str] {
    &[]
}
