//! How often one may guess a password: a few tries, then waits that double, never a permanent lock.
//!
//! Two counters per try, one for the account named (whether or not it exists) and one for the address
//! it came from. A try is counted *before* its password is verified, in one transaction with the check,
//! so that a hundred tries sent at once cannot all pass before the first failure is known. When the
//! password is right the account's row is deleted and the address gets its try back.
//!
//! Tries made during a wait are refused unseen and do not lengthen it. Whoever keeps guessing at an
//! account can still make its owner wait up to [`MAX_WAIT`] to sign in; that is the price of the limit,
//! and why it never touches sessions that exist.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};

use crate::say;
use crate::{Code, Error};

/// The time over which tries are counted, and after which a quiet counter is forgotten.
pub const WINDOW: TimeDelta = TimeDelta::minutes(15);

/// The wait after the last free try; each further try doubles it.
pub const FIRST_WAIT: TimeDelta = TimeDelta::seconds(30);

/// The longest wait.
pub const MAX_WAIT: TimeDelta = TimeDelta::minutes(15);

/// Free tries per account in [`WINDOW`].
pub const TRIES_PER_ACCOUNT: i32 = 5;

/// Free tries per address in [`WINDOW`]; many people share one.
pub const TRIES_PER_ADDRESS: i32 = 50;

/// A row of `sign_in_failures`, without its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// Tries counted and not taken back.
    pub failures: i32,
    /// When counting began.
    pub window_started_at: DateTime<Utc>,
    /// Until when further tries are refused; none while tries are free.
    pub blocked_until: Option<DateTime<Utc>>,
}

/// Too many tries: wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// How long, in seconds, at least 1 and at most [`MAX_WAIT`].
    pub retry_after_secs: i64,
}

impl From<Wait> for Error {
    fn from(wait: Wait) -> Self {
        Self::new(
            Code::Throttled,
            say!(
                "too many tries to sign in; try again in {seconds} seconds",
                seconds = wait.retry_after_secs
            ),
        )
        .detail("retryAfterSeconds", wait.retry_after_secs)
    }
}

/// The key of an account's row; `email` in any case. The same for accounts that do not exist, so that
/// being refused tells nothing.
pub fn account_key(email: &str) -> String {
    format!("account:{}", email.trim().to_lowercase())
}

/// The key of an address's row. An IPv6 customer holds at least a /64, so that is one address here.
pub fn address_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => format!("address:{v4}"),
        IpAddr::V6(v6) => {
            let network = std::net::Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64);
            format!("address:{network}/64")
        }
    }
}

/// Counts one try against `free` tries ([`TRIES_PER_ACCOUNT`] or [`TRIES_PER_ADDRESS`]): the row to
/// store, before the password is verified.
///
/// # Errors
/// [`Wait`] when the try is refused; nothing is to be stored then.
pub fn admit(free: i32, record: Option<&Failures>, now: DateTime<Utc>) -> Result<Failures, Wait> {
    if let Some(wait) = record.and_then(|record| remaining(record, now)) {
        return Err(wait);
    }
    let current = record.filter(|record| !is_forgotten(record, now));
    let failures = current.map_or(1, |record| record.failures.saturating_add(1));
    Ok(Failures {
        failures,
        window_started_at: current.map_or(now, |record| record.window_started_at),
        blocked_until: wait_after(free, failures).map(|wait| now + wait),
    })
}

/// The address's row after a try turned out right: that try was no failure. None: delete the row.
/// (The account's row is always deleted then.)
pub fn give_back(free: i32, record: &Failures) -> Option<Failures> {
    let failures = record.failures.saturating_sub(1);
    (failures > 0).then(|| Failures {
        failures,
        window_started_at: record.window_started_at,
        // A wait that this try began is lifted; one that others' failures earned stays.
        blocked_until: record.blocked_until.filter(|_| failures >= free),
    })
}

/// Whether the row has no effect any more and may be deleted.
pub fn is_forgotten(record: &Failures, now: DateTime<Utc>) -> bool {
    // Counted from the end of the last wait: guessing on after each wait must not outlive the count.
    let since = record.blocked_until.unwrap_or(record.window_started_at);
    now >= since + WINDOW
}

fn remaining(record: &Failures, now: DateTime<Utc>) -> Option<Wait> {
    let left = record.blocked_until? - now;
    if left <= TimeDelta::zero() {
        return None;
    }
    // Rounded up, and never longer than a wait can be, should the clock have been set back.
    let secs = left.min(MAX_WAIT) + TimeDelta::milliseconds(999);
    Some(Wait {
        retry_after_secs: secs.num_seconds().clamp(1, MAX_WAIT.num_seconds()),
    })
}

/// The wait that the `failures`-th try brings if it fails.
fn wait_after(free: i32, failures: i32) -> Option<TimeDelta> {
    let doublings = failures.checked_sub(free)?;
    let doublings = u32::try_from(doublings).ok()?;
    let factor = 1_i32.checked_shl(doublings.min(16)).unwrap_or(i32::MAX);
    Some(
        FIRST_WAIT
            .checked_mul(factor)
            .map_or(MAX_WAIT, |wait| wait.min(MAX_WAIT)),
    )
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_secs(1_800_000_000 + secs).unwrap()
    }

    fn account(record: Option<&Failures>, secs: i64) -> Result<Failures, Wait> {
        admit(TRIES_PER_ACCOUNT, record, at(secs))
    }

    /// The row after the first `n` failures, all in the first seconds.
    fn failed(n: i32) -> Failures {
        (0..n)
            .fold(None, |row, secs| {
                Some(account(row.as_ref(), secs.into()).unwrap())
            })
            .unwrap()
    }

    #[test]
    fn five_tries_are_free_and_the_sixth_waits() {
        let row = failed(5);
        assert_eq!(row.failures, 5);
        assert_eq!(account(Some(&row), 5).unwrap_err().retry_after_secs, 29);
        assert_eq!(account(Some(&row), 33).unwrap_err().retry_after_secs, 1);
        assert!(account(Some(&row), 34).is_ok());
    }

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        let mut row = failed(5);
        let mut waits = Vec::new();
        for _ in 0..60 {
            let until = row.blocked_until.unwrap();
            row = admit(TRIES_PER_ACCOUNT, Some(&row), until).unwrap();
            waits.push((row.blocked_until.unwrap() - until).num_seconds());
        }
        assert_eq!(waits[..6], [60, 120, 240, 480, 900, 900]);
        assert!(waits[6..].iter().all(|wait| *wait == 900));
    }

    #[test]
    fn tries_during_a_wait_do_not_lengthen_it() {
        let row = failed(5);
        for secs in 5..34 {
            assert!(account(Some(&row), secs).is_err());
        }
        assert!(account(Some(&row), 34).is_ok());
    }

    #[test]
    fn a_quiet_quarter_of_an_hour_is_forgotten() {
        let row = failed(4);
        assert_eq!(account(Some(&row), 899).unwrap().failures, 5);
        assert_eq!(account(Some(&row), 900).unwrap().failures, 1);
        let row = failed(5);
        assert_eq!(account(Some(&row), 933).unwrap().failures, 6);
        let fresh = account(Some(&row), 934).unwrap();
        assert_eq!((fresh.failures, fresh.blocked_until), (1, None));
    }

    #[test]
    fn an_address_has_fifty_tries_and_gets_right_ones_back() {
        let mut row = None;
        for _ in 0..500 {
            let counted = admit(TRIES_PER_ADDRESS, row.as_ref(), at(0)).unwrap();
            row = give_back(TRIES_PER_ADDRESS, &counted);
        }
        assert_eq!(row, None);
        for tries in 1..=50 {
            row = Some(admit(TRIES_PER_ADDRESS, row.as_ref(), at(0)).unwrap());
            assert_eq!(row.unwrap().blocked_until.is_some(), tries == 50);
        }
        assert!(admit(TRIES_PER_ADDRESS, row.as_ref(), at(0)).is_err());
        let after = give_back(TRIES_PER_ADDRESS, &row.unwrap());
        assert!(admit(TRIES_PER_ADDRESS, after.as_ref(), at(0)).is_ok());
    }

    #[test]
    fn a_clock_set_back_cannot_lock_for_longer_than_the_longest_wait() {
        let row = Failures {
            failures: i32::MAX,
            window_started_at: at(0),
            blocked_until: Some(at(1_000_000)),
        };
        assert_eq!(account(Some(&row), 0).unwrap_err().retry_after_secs, 900);
        assert!(account(Some(&row), 1_000_000).is_ok());
    }

    #[test]
    fn the_error_says_how_long() {
        let error = Error::from(Wait {
            retry_after_secs: 42,
        });
        assert_eq!(error.code(), Code::Throttled);
        assert!(error.message().contains("42 seconds"));
    }

    #[test]
    fn keys_fold_case_mapped_addresses_and_networks() {
        assert_eq!(account_key(" Lin@Example.com"), "account:lin@example.com");
        let key = |address: &str| address_key(address.parse().unwrap());
        assert_eq!(key("192.0.2.7"), "address:192.0.2.7");
        assert_eq!(key("::ffff:192.0.2.7"), "address:192.0.2.7");
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "address:2001:db8:1:2::/64");
        assert_eq!(key("2001:db8:1:2:ffff::"), key("2001:db8:1:2::1"));
    }

    proptest! {
        #[test]
        fn guesses_stay_few_and_no_lock_is_permanent(gaps in prop::collection::vec(0_i64..2_000, 1..300)) {
            let (mut row, mut now, mut verified) = (None, 0, Vec::new());
            for gap in gaps {
                now += gap;
                match account(row.as_ref(), now) {
                    Ok(next) => {
                        verified.push(now);
                        row = Some(next);
                    }
                    Err(wait) => {
                        prop_assert!((1..=900).contains(&wait.retry_after_secs));
                        prop_assert!(account(row.as_ref(), now + wait.retry_after_secs).is_ok());
                    }
                }
            }
            // Two windows' worth of free tries can meet at a boundary, as with every fixed window.
            for (i, start) in verified.iter().enumerate() {
                let within = verified[i..].iter().take_while(|t| **t - start < 900).count();
                prop_assert!(within <= 10, "{within} tries in a quarter of an hour");
            }
        }
    }
}
