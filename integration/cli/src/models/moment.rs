//! A moment as rules with hours and days have it: UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A day of the week and a minute of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// 0 is Monday.
    pub day: u8,
    /// From midnight.
    pub minute: u16,
}

impl Moment {
    /// Now.
    pub fn now() -> Moment {
        Moment::of(Timestamp::now())
    }

    /// Of a time.
    pub fn of(time: Timestamp) -> Moment {
        let there = time.to_zoned(TimeZone::UTC);
        let unsigned = |number: i8| u16::from(number.unsigned_abs());
        Moment {
            day: there.weekday().to_monday_zero_offset().unsigned_abs(),
            minute: unsigned(there.hour()) * 60 + unsigned(there.minute()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_monday_and_a_day_at_midnight() {
        let of = |text: &str| Moment::of(text.parse().expect("a time"));
        assert_eq!(of("2026-01-05T00:00:00Z"), Moment { day: 0, minute: 0 });
        assert_eq!(
            of("2026-01-04T23:59:59.9Z"),
            Moment {
                day: 6,
                minute: 1439
            }
        );
    }
}
