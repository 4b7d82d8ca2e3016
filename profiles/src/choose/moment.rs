//! A moment as rules with hours and days have it: UTC.

/// Seconds of a minute and of a day.
const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;
/// The first of January 1970 was a Thursday.
const FIRST: u64 = 3;

/// A day of the week and a minute of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// 0 is Monday.
    pub day: u8,
    /// From midnight.
    pub minute: u16,
}

impl Moment {
    /// Of so many seconds since 1970.
    #[must_use]
    pub fn at(seconds: u64) -> Moment {
        // What is left of both divisions fits.
        Moment {
            day: u8::try_from((seconds / DAY + FIRST) % 7).unwrap_or_default(),
            minute: u16::try_from(seconds % DAY / MINUTE).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_monday_and_a_day_at_midnight() {
        // 2026-01-05T00:00:00Z, a Monday.
        let monday = 1_767_571_200;
        assert_eq!(Moment::at(monday), Moment { day: 0, minute: 0 });
        assert_eq!(
            Moment::at(monday - 1),
            Moment {
                day: 6,
                minute: 1439
            }
        );
        assert_eq!(Moment::at(0).day, 3);
    }
}
