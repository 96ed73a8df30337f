//! What requests cost, and who can pay. A document is priced before it runs, by the objects its answer can
//! hold ([`super::meter`]); the price is taken from a bucket of the session that fills at a steady rate, and from
//! one of the user that holds as much as some sessions: who signs in on thirty devices has not thirty times as much.
//! What was not used is given back once the answer is counted.
//!
//! | part of a document | points |
//! |---|---|
//! | a leaf field (number, text, date, enum) | 0 |
//! | `totalCount` | 5 |
//! | a field with a selection set | 1, and what it selects |
//! | a connection | 1, and its page size, at least 1, times what one row selects under `nodes`, and under `edges` |
//! | a list with `first`, `last` or `ids` | its size, at least 1, times (1 and what it selects) |
//! | a list without a page size | as many rows as it usually has ([`super::weigh::UNPAGED`]) times the same |
//! | an argument that is a list or an object | 1 for each 250 values in it, times the rows it is read for |
//! | a root field of a mutation | 10 more |
//! | `__schema`, `__type` | 50, and 1 for each 500 fields they may show |
//!
//! The answer is counted the same way: 1 for each object in it, 5 for each `totalCount`; what reading arguments
//! and looking at the schema cost, stays. Where a field failed, the objects count that were begun, those too
//! that the failure took out of the answer. What an answer cost beyond its price is taken then: a bucket may be
//! left in debt, at most by as much as it holds.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::{Name, Value};
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::limits::Budget;
use super::meter::{MUTATION_COST, TOTAL_COST, Weight};
use super::refusal::Refusal;
use crate::graphql::pace::Pace;
use crate::graphql::written;
use crate::messages::Message;
use crate::{Code, Error, say};

/// Parts of a point that a bucket counts in. At a rate of so many points a second, as many parts come back in
/// a millisecond.
const PARTS: i64 = 1_000;

/// The longest wait that a refusal names, in seconds.
const LONGEST_WAIT_SECS: u64 = 3_600;

/// The buckets of all sessions and users, in the memory of this process. Beyond a number of them the least used are
/// forgotten, and full again when they return.
pub struct Purses {
    sessions: Buckets,
    users: Buckets,
}

/// Buckets of one size.
struct Buckets {
    budget: Budget,
    buckets: Cache<Uuid, Arc<Mutex<Bucket>>>,
}

impl Buckets {
    fn new(budget: Budget) -> Self {
        Self {
            buckets: Cache::new(budget.sessions),
            budget,
        }
    }

    fn of(&self, id: Uuid) -> Share {
        let full = || Arc::new(Mutex::new(Bucket::full(&self.budget, Instant::now())));
        let found = self
            .buckets
            .get_or_insert_with(&id, || Ok::<_, Infallible>(full()));
        Share {
            bucket: found.unwrap_or_else(|never| match never {}),
            budget: self.budget.clone(),
        }
    }
}

impl Purses {
    /// Full buckets for whoever comes.
    pub fn new(budget: Budget) -> Self {
        let times = budget.per_user.max(1);
        let of_users = Budget {
            bucket: budget.bucket.saturating_mul(times),
            restored_per_second: budget.restored_per_second.saturating_mul(times),
            ..budget.clone()
        };
        Self {
            sessions: Buckets::new(budget),
            users: Buckets::new(of_users),
        }
    }

    /// What the session `id` of `user` can spend.
    pub fn of(&self, id: Uuid, user: Uuid) -> Purse {
        Purse {
            session: self.sessions.of(id),
            user: self.users.of(user),
        }
    }
}

/// What one session can spend, as long as its user can.
#[derive(Clone)]
pub struct Purse {
    session: Share,
    user: Share,
}

/// One bucket.
#[derive(Clone)]
struct Share {
    bucket: Arc<Mutex<Bucket>>,
    budget: Budget,
}

impl Share {
    fn with<T>(&self, work: impl FnOnce(&mut Bucket, &Budget, Instant) -> T) -> T {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut bucket, &self.budget, Instant::now())
    }

    /// Takes `cost` points, or says after how many seconds they will be there.
    fn take(&self, cost: u64) -> Result<(), u64> {
        self.with(|bucket, budget, now| bucket.take(budget, cost, now))
    }

    fn settle(&self, reserved: u64, actual: u64) {
        self.with(|bucket, budget, now| bucket.settle(budget, reserved, actual, now));
    }

    /// Points that can be spent.
    fn available(&self) -> u64 {
        self.with(|bucket, budget, now| {
            bucket.refill(budget, now);
            u64::try_from(bucket.parts / PARTS).unwrap_or_default()
        })
    }
}

impl Purse {
    /// Takes `cost` points.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` with rule `COST` for more than one document may cost, or than the bucket holds;
    /// `THROTTLED` and `retryAfterSeconds` while there is less: with rule `COST` in the bucket of the session, with
    /// `COST_OF_USER` in that of the user.
    pub fn reserve(&self, cost: u64) -> Result<(), Refusal> {
        let budget = &self.session.budget;
        let most = budget.per_document.min(budget.bucket);
        if cost > most {
            let message = say!(
                "the document costs {cost} points, at most {most} are allowed: ask for smaller pages, or in several requests",
                cost,
                most
            );
            let error = Error::new(Code::LimitExceeded, message)
                .with_rule("COST")
                .detail("limit", most);
            return Err(Refusal::new(
                super::refusal::status_of(Code::LimitExceeded),
                error,
            ));
        }
        self.session.take(cost).map_err(|seconds| {
            let message = say!(
                "the document costs {cost} points and this session has fewer left: wait {seconds} s",
                cost,
                seconds
            );
            throttled("COST", message, seconds)
        })?;
        self.user.take(cost).map_err(|seconds| {
            self.session.settle(cost, 0);
            let message = say!(
                "the document costs {cost} points and you have fewer left on all devices together: wait {seconds} s",
                cost,
                seconds
            );
            throttled("COST_OF_USER", message, seconds)
        })
    }

    /// Gives back `reserved` and takes `actual` instead, were it more than there is.
    pub fn settle(&self, reserved: u64, actual: u64) {
        self.session.settle(reserved, actual);
        self.user.settle(reserved, actual);
    }

    /// Takes the price of a request, which is settled when what comes back is dropped.
    ///
    /// # Errors
    /// As [`Self::reserve`].
    pub fn hold(&self, price: u64) -> Result<Held, Refusal> {
        self.reserve(price)?;
        Ok(Held {
            purse: self.clone(),
            price,
            cost: 0,
            pace: None,
        })
    }

    /// What an answer says of its cost (`extensions.cost`), in the form that explorers know: of the session, and no
    /// more than the user has.
    pub fn told(&self, requested: u64, actual: u64) -> Value {
        let budget = &self.session.budget;
        let available = self.session.available().min(self.user.available());
        let object = |fields: [(&'static str, Value); 3]| {
            let fields = fields.into_iter();
            Value::Object(
                fields
                    .map(|(name, value)| (Name::new(name), value))
                    .collect::<IndexMap<_, _>>(),
            )
        };
        let status = object([
            ("maximumAvailable", Value::from(budget.bucket)),
            ("currentlyAvailable", Value::from(available)),
            ("restoreRate", Value::from(budget.restored_per_second)),
        ]);
        object([
            ("requestedQueryCost", Value::from(requested)),
            ("actualQueryCost", Value::from(actual)),
            ("throttleStatus", status),
        ])
    }
}

/// The price of a request that was taken, until what the request did cost is known. Whoever goes away before that,
/// or runs into the deadline, pays the price, and what was begun beyond that; nothing before anything ran.
pub struct Held {
    purse: Purse,
    price: u64,
    cost: u64,
    pace: Option<Pace>,
}

impl Held {
    /// What it has cost, if nothing runs.
    pub fn costs(&mut self, cost: u64) {
        self.cost = cost;
    }

    /// It runs, and counts what it begins in `pace`.
    pub fn runs(&mut self, pace: &Pace) {
        self.pace = Some(pace.clone());
    }

    /// It is done and has cost so much. Gives what the answer says of that.
    pub fn settle(mut self, cost: u64) -> Value {
        self.cost = cost;
        self.pace = None;
        let (purse, price) = (self.purse.clone(), self.price);
        drop(self);
        purse.told(price, cost)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let begun = self
            .pace
            .as_ref()
            .map(|pace| pace.objects().max(self.price));
        self.purse.settle(self.price, begun.unwrap_or(self.cost));
    }
}

fn throttled(rule: &'static str, message: Message, seconds: u64) -> Refusal {
    Error::new(Code::Throttled, message)
        .with_rule(rule)
        .detail("retryAfterSeconds", seconds)
        .into()
}

/// A bucket that fills at a steady rate.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// What is in it, in parts of points: never more than the budget's bucket, and below 0 never more than that.
    parts: i64,
    /// Until when it has been filled.
    filled_at: Instant,
}

impl Bucket {
    fn full(budget: &Budget, now: Instant) -> Self {
        Self {
            parts: parts(budget.bucket),
            filled_at: now,
        }
    }

    fn refill(&mut self, budget: &Budget, now: Instant) {
        let passed = now.saturating_duration_since(self.filled_at);
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        // What is left of a millisecond counts next time.
        self.filled_at = self
            .filled_at
            .checked_add(Duration::from_millis(millis))
            .unwrap_or(now);
        let restored = budget.restored_per_second.saturating_mul(millis);
        let restored = i64::try_from(restored).unwrap_or(i64::MAX);
        let most = parts(budget.bucket);
        self.parts = self.parts.saturating_add(restored).min(most);
    }

    /// Takes `cost` points, or says after how many seconds they will be there.
    fn take(&mut self, budget: &Budget, cost: u64, now: Instant) -> Result<(), u64> {
        self.refill(budget, now);
        let left = self.parts.saturating_sub(parts(cost));
        if left >= 0 {
            self.parts = left;
            return Ok(());
        }
        Err(match parts(budget.restored_per_second).unsigned_abs() {
            0 => LONGEST_WAIT_SECS,
            per_second => left
                .unsigned_abs()
                .div_ceil(per_second)
                .clamp(1, LONGEST_WAIT_SECS),
        })
    }

    fn settle(&mut self, budget: &Budget, reserved: u64, actual: u64, now: Instant) {
        self.refill(budget, now);
        let most = parts(budget.bucket);
        let left = self
            .parts
            .saturating_add(parts(reserved))
            .saturating_sub(parts(actual));
        self.parts = left.clamp(most.saturating_neg(), most);
    }
}

/// Points in parts.
fn parts(points: u64) -> i64 {
    i64::try_from(points)
        .unwrap_or(i64::MAX)
        .saturating_mul(PARTS)
}

/// What an answer cost, to a document of this `weight`: 1 for each object in it, 5 for each `totalCount`, the
/// base of each write, and what does not depend on the answer; at least 1.
pub fn actual(
    data: &Value,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    weight: &Weight,
) -> u64 {
    let mut roots = Vec::new();
    written::expand(&operation.selection_set.node, document, &mut roots);
    let (meta, own): (Vec<_>, Vec<_>) = roots
        .into_iter()
        .partition(|field| field.node.name.node.starts_with("__"));
    let base = match operation.ty {
        OperationType::Mutation => points(own.len()).saturating_mul(points(MUTATION_COST)),
        OperationType::Query | OperationType::Subscription => 0,
    };
    let base = base.saturating_add(points(weight.kept()));
    let Value::Object(fields) = data else {
        return base.max(1);
    };
    let totals = totals(document);
    let costs = fields.iter().map(|(key, value)| {
        let is_meta = meta
            .iter()
            .any(|field| field.node.response_key().node == *key);
        if is_meta { 0 } else { objects(value, &totals) }
    });
    costs.fold(base, u64::saturating_add).max(1)
}

/// The keys under which `document` asks for `totalCount`.
fn totals(document: &ExecutableDocument) -> HashSet<&Name> {
    written::fields(document)
        .filter(|field| field.node.name.node == "totalCount")
        .map(|field| &field.node.response_key().node)
        .collect()
}

/// The objects in `value`, and what its `totals` cost. As deep as the selections of a document that passed, so
/// recursion is safe.
fn objects(value: &Value, totals: &HashSet<&Name>) -> u64 {
    match value {
        Value::Object(fields) => {
            let costs = fields.iter().map(|(key, value)| match value {
                Value::Object(_) | Value::List(_) => objects(value, totals),
                Value::Number(_) if totals.contains(key) => points(TOTAL_COST),
                _ => 0,
            });
            costs.fold(1, u64::saturating_add)
        }
        Value::List(items) => {
            let costs = items.iter().map(|item| objects(item, totals));
            costs.fold(0, u64::saturating_add)
        }
        _ => 0,
    }
}

/// A count as points.
pub fn points(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(bucket: u64, restored_per_second: u64) -> Budget {
        Budget {
            per_document: bucket,
            bucket,
            restored_per_second,
            ..Budget::default()
        }
    }

    #[test]
    fn an_empty_bucket_says_when_there_will_be_enough() {
        let budget = budget(100, 10);
        let start = Instant::now();
        let mut bucket = Bucket::full(&budget, start);
        bucket.take(&budget, 90, start).unwrap();
        assert_eq!(bucket.take(&budget, 60, start), Err(5));
        let later = start + Duration::from_secs(5);
        assert_eq!(bucket.take(&budget, 60, later), Ok(()));
        assert_eq!(bucket.parts, 0);
    }

    #[test]
    fn what_was_not_used_comes_back_and_never_more_than_the_bucket() {
        let budget = budget(100, 10);
        let now = Instant::now();
        let mut bucket = Bucket::full(&budget, now);
        bucket.take(&budget, 90, now).unwrap();
        bucket.settle(&budget, 90, 20, now);
        assert_eq!(bucket.parts, 80 * PARTS);
        bucket.settle(&budget, 90, 0, now);
        assert_eq!(bucket.parts, 100 * PARTS);
    }

    #[test]
    fn what_an_answer_cost_beyond_its_price_is_owed_up_to_a_bucket() {
        let budget = budget(100, 10);
        let now = Instant::now();
        let mut bucket = Bucket::full(&budget, now);
        bucket.take(&budget, 10, now).unwrap();
        bucket.settle(&budget, 10, 130, now);
        assert_eq!(bucket.parts, -30 * PARTS);
        assert_eq!(bucket.take(&budget, 1, now), Err(4));
        bucket.settle(&budget, 0, 5_000, now);
        assert_eq!(bucket.parts, -100 * PARTS);
        assert_eq!(bucket.take(&budget, 50, now), Err(15));
        let later = now + Duration::from_secs(15);
        assert_eq!(bucket.take(&budget, 50, later), Ok(()));
        bucket.settle(&budget, u64::MAX, u64::MAX, later);
        bucket.settle(&budget, 0, u64::MAX, later);
        assert_eq!(bucket.parts, -100 * PARTS);
    }

    #[test]
    fn what_the_user_has_not_is_given_back_to_the_session() {
        let purses = Purses::new(Budget {
            per_user: 2,
            ..budget(100, 0)
        });
        let user = Uuid::from_u128(1);
        let session = |name: u128| purses.of(Uuid::from_u128(name), user);
        for name in [2, 3] {
            session(name).reserve(90).ok().unwrap();
        }
        let third = session(4);
        let refused = third.reserve(50).err().unwrap();
        assert_eq!(refused.error.rule_name(), Some("COST_OF_USER"));
        assert_eq!(third.session.available(), 100);
        assert_eq!(third.user.available(), 20);
        session(3).settle(90, 10);
        third.reserve(50).ok().unwrap();
        // Somebody else has all of theirs.
        let other = purses.of(Uuid::from_u128(5), Uuid::from_u128(6));
        other.reserve(100).ok().unwrap();
    }

    #[test]
    fn who_goes_away_pays_for_what_ran_and_for_nothing_else() {
        let purses = Purses::new(budget(100, 0));
        let purse = purses.of(Uuid::from_u128(1), Uuid::from_u128(2));
        let price = 40;
        drop(purse.hold(price).ok().unwrap());
        assert_eq!(purse.session.available(), 100);
        let mut held = purse.hold(price).ok().unwrap();
        held.costs(1);
        drop(held);
        assert_eq!(purse.session.available(), 99);
        let mut held = purse.hold(price).ok().unwrap();
        held.runs(&Pace::new(1_000, Duration::from_secs(1)));
        drop(held);
        assert_eq!(purse.session.available(), 59);
        let mut held = purse.hold(price).ok().unwrap();
        held.runs(&Pace::new(1_000, Duration::from_secs(1)));
        held.settle(7);
        assert_eq!(purse.session.available(), 52);
        assert_eq!(
            purse.user.available(),
            100 * purse.user.budget.bucket / 100 - 48
        );
    }

    #[test]
    fn a_bucket_that_never_fills_names_the_longest_wait() {
        let budget = budget(10, 0);
        let now = Instant::now();
        let mut bucket = Bucket::full(&budget, now);
        bucket.take(&budget, 10, now).unwrap();
        assert_eq!(bucket.take(&budget, 1, now), Err(LONGEST_WAIT_SECS));
    }

    #[test]
    fn the_sessions_and_users_that_are_remembered_are_bounded() {
        let budget = Budget {
            sessions: 100,
            ..Budget::default()
        };
        let purses = Purses::new(budget);
        for _ in 0..10_000 {
            purses.of(Uuid::now_v7(), Uuid::now_v7()).settle(0, 1);
        }
        for Buckets { buckets, .. } in [&purses.sessions, &purses.users] {
            assert!(buckets.len() <= 100, "{}", buckets.len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever the schedule: what was spent in any time is at most the bucket, what came back in that time
        /// and the bucket that may be owed, as long as no single answer is further from its price than that;
        /// and a wait that was named is long enough and not too long.
        #[test]
        fn no_schedule_gets_more_than_the_bucket_and_the_rate(
            steps in prop::collection::vec((0..3_000_u64, 0..=100_u64, 0..=200_u64), 1..60)
        ) {
            let budget = budget(100, 10);
            let start = Instant::now();
            let mut bucket = Bucket::full(&budget, start);
            let mut now = start;
            let mut spent = 0;
            for (millis, cost, used) in steps {
                now += Duration::from_millis(millis);
                match bucket.take(&budget, cost, now) {
                    Ok(()) => {
                        // Nothing is owed when something is taken, so that one answer makes all of the debt.
                        let used = used.min(cost + 100);
                        bucket.settle(&budget, cost, used, now);
                        spent += used;
                    }
                    Err(seconds) => {
                        let mut early = bucket;
                        let before = now + Duration::from_secs(seconds - 1);
                        prop_assert!(early.take(&budget, cost, before).is_err());
                        let mut late = bucket;
                        let after = now + Duration::from_secs(seconds);
                        prop_assert!(late.take(&budget, cost, after).is_ok());
                    }
                }
                let passed = u64::try_from((now - start).as_millis()).unwrap();
                prop_assert!(parts(spent) <= parts(200) + i64::try_from(10 * passed).unwrap());
            }
        }
    }
}
