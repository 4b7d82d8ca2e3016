//! The time as the audit log and the status show it.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

thread_local! {
    /// The last second that was asked for, as it is written up to the point: every event has a time, and most share it.
    static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

/// Now, RFC 3339 in UTC with microseconds.
#[must_use]
pub fn now() -> String {
    let now = jiff::Timestamp::now();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.as_second() {
            *second = now.as_second();
            *text = format!("{now:.0}").trim_end_matches('Z').to_owned();
        }
        format!("{text}.{:06}Z", now.subsec_microsecond())
    })
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
        let time: jiff::Timestamp = now.parse().expect("a time");
        let since = jiff::Timestamp::now().duration_since(time);
        assert!(since.as_millis_f64().abs() < 1000.0, "{since:?}");
    }
}
