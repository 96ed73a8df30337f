//! Chance that is the same on every run: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom
//! number generators", 2014). For demonstrations only, never for secrets.

use chrono::{DateTime, Utc};
use entity::EntityId;

/// A stream of numbers that look random.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A whole number from `low` to `high`, both included; `low` when there is none between.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let count = high.saturating_sub(low).saturating_add(1);
        let Ok(count @ 1..) = u64::try_from(count) else {
            return low;
        };
        // A little uneven for huge ranges, which nobody sees here.
        low.saturating_add(i64::try_from(self.next() % count).unwrap_or_default())
    }

    /// True in so many cases of a hundred.
    pub fn chance(&mut self, percent: i64) -> bool {
        self.between(1, 100) <= percent
    }

    /// One of `items`.
    pub fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        self.pick_or(T::default(), items)
    }

    /// One of `items`; `otherwise` when there are none.
    pub fn pick_or<T: Copy>(&mut self, otherwise: T, items: &[T]) -> T {
        let last = i64::try_from(items.len()).unwrap_or_default() - 1;
        let at = usize::try_from(self.between(0, last)).unwrap_or_default();
        items.get(at).copied().unwrap_or(otherwise)
    }

    /// An id as if made at `at`.
    pub fn id<I: EntityId>(&mut self, at: DateTime<Utc>) -> I {
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
        let mut bytes = [0; 10];
        for (byte, random) in bytes.iter_mut().zip(
            self.next()
                .to_be_bytes()
                .into_iter()
                .chain(self.next().to_be_bytes()),
        ) {
            *byte = random;
        }
        I::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_of_the_reference() {
        // From the reference implementation in C with the seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let mut random = Random::new(1);
        for _ in 0..1_000 {
            assert!((-2..=3).contains(&random.between(-2, 3)));
        }
        assert_eq!(random.between(5, 4), 5);
        assert_eq!(random.pick::<i64>(&[]), 0);
    }
}
