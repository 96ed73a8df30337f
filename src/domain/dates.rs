//! Days: which one it is for a person, and counting them without leaving the calendar both databases
//! share. It knows nothing of clocks; the instant comes from the caller.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::say;
use crate::{Code, Error, Result};

/// First and last year of a day the service keeps: four digits, so that days sort as text and print as
/// RFC 3339 `full-date`.
const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

/// The day it is at `now` for somebody in `zone`.
pub fn today(now: DateTime<Utc>, zone: Tz) -> NaiveDate {
    now.with_timezone(&zone).date_naive()
}

/// `day` plus `days` (minus, when negative).
///
/// # Errors
/// `BAD_USER_INPUT` when the result leaves the years 1 to 9999.
pub fn add_days(day: NaiveDate, days: i64) -> Result<NaiveDate> {
    TimeDelta::try_days(days)
        .and_then(|delta| day.checked_add_signed(delta))
        .filter(|day| YEARS.contains(&day.year()))
        .ok_or_else(|| {
            Error::new(
                Code::BadUserInput,
                say!("the day is out of range: years go from 1 to 9999"),
            )
        })
}

/// Checks that a day lies in the years 1 to 9999.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field` when it does not.
pub fn day(field: &str, day: NaiveDate) -> Result<NaiveDate> {
    if YEARS.contains(&day.year()) {
        Ok(day)
    } else {
        Err(Error::bad_input(
            field,
            say!("the day is out of range: years go from 1 to 9999"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_day_depends_on_the_zone() {
        let now: DateTime<Utc> = "2026-03-01T16:30:00Z".parse().unwrap();
        assert_eq!(today(now, chrono_tz::Asia::Shanghai), date("2026-03-02"));
        assert_eq!(
            today(now, chrono_tz::America::Vancouver),
            date("2026-03-01")
        );
        assert_eq!(today(now, chrono_tz::UTC), date("2026-03-01"));
    }

    #[test]
    fn the_day_is_right_on_both_sides_of_a_clock_change() {
        let zone = chrono_tz::America::New_York;
        let before: DateTime<Utc> = "2026-03-08T04:59:59Z".parse().unwrap();
        let after: DateTime<Utc> = "2026-03-09T03:59:59Z".parse().unwrap();
        assert_eq!(today(before, zone), date("2026-03-07"));
        assert_eq!(today(after, zone), date("2026-03-08"));
    }

    #[test]
    fn adding_days_crosses_leap_days_and_stops_at_the_edges() {
        assert_eq!(add_days(date("2028-02-28"), 2).unwrap(), date("2028-03-01"));
        assert_eq!(
            add_days(date("2026-01-01"), -1).unwrap(),
            date("2025-12-31")
        );
        assert_eq!(add_days(date("9999-12-31"), 0).unwrap(), date("9999-12-31"));
        for days in [1, i64::MAX] {
            assert_eq!(
                add_days(date("9999-12-31"), days).unwrap_err().code(),
                Code::BadUserInput
            );
        }
        assert!(add_days(date("0001-01-01"), -1).is_err());
        assert!(add_days(date("2026-01-01"), i64::MIN).is_err());
    }

    #[test]
    fn a_day_outside_the_calendar_names_its_field() {
        let error = day("dueOn", NaiveDate::from_ymd_opt(10_000, 1, 1).unwrap()).unwrap_err();
        assert_eq!(error.fields(), ["dueOn"]);
        assert!(day("dueOn", date("2026-02-28")).is_ok());
    }
}
