//! The time as the audit log and the status show it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, RFC 3339 in UTC with microseconds.
#[must_use]
pub fn now() -> String {
    format!("{:.6}", jiff::Timestamp::now())
}

/// Seconds since 1970.
#[must_use]
pub fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_time_has_six_digits_after_the_point_and_is_utc() {
        let now = super::now();
        let (_, fraction) = now.split_once('.').expect("a fraction");
        assert_eq!(fraction.len(), 7, "{now}");
        assert!(now.ends_with('Z'));
    }
}
