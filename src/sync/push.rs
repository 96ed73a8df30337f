//! What becomes of what a device pushes: in which order, whether it was done before, and what it does to the
//! row as it is now. Refusals and conflicts are answers, never errors: a client that meets an error sends the
//! same batch again, for ever.
//!
//! Two ways in. [`Batch`], [`admit`](Batch::admit) and [`judge`] serve operations with ids, which a ledger tells from their repetitions;
//! [`judge_row`] serves stock RxDB, which sends a row's state before and after and nothing to know it by.

use std::collections::BTreeMap;
use std::time::Duration;

use ring::digest;
use uuid::Uuid;

use super::merge::{Field, Fields, Merge, Replay, Seen, Value, is_same_content, merge};
use super::rules::Rules;
use super::terms::{RowKey, Seq};

/// After so long a push through the RxDB surface is answered or given up by the device, and what it dropped
/// meanwhile is sent again: two minutes, the longest that a request may take.
pub const ECHO_AFTER: Duration = Duration::from_mins(2);

/// What a device is told of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Done, on the version that the device saw. The device re-bases its queued operations of that row to
    /// the version it is given.
    Applied,
    /// Done beside what others changed. Queued operations keep their base: the device has not seen the rest.
    Merged,
    /// Done before. With a version it was `Applied`, and re-bases likewise.
    Duplicate,
    /// Not done: somebody changed the same, or the row is not there for this user.
    Conflict,
    /// Not done, and never will be.
    Rejected,
    /// Kept until what it needs arrives; the device asks again.
    Deferred,
    /// Not looked at; the device sends it again, first and in order.
    Retry,
}

/// Why an operation is a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictReason {
    /// Somebody changed the same fields since the device saw them.
    StaleFields,
    /// The row was deleted.
    Deleted,
    /// The user does not see the row, or the client it goes under. Said alike of rows that never were.
    NotVisible,
    /// There is a row with this id. Its content is shown only to those who see it.
    AlreadyExists,
}

impl ConflictReason {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::StaleFields,
        Self::Deleted,
        Self::NotVisible,
        Self::AlreadyExists,
    ];

    /// The code that clients see.
    pub const fn code(self) -> &'static str {
        match self {
            Self::StaleFields => "STALE_FIELDS",
            Self::Deleted => "DELETED",
            Self::NotVisible => "NOT_VISIBLE",
            Self::AlreadyExists => "ALREADY_EXISTS",
        }
    }
}

/// Why an operation was refused before it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The id was used for another operation.
    IdempotencyMismatch,
    /// What it depends on failed.
    DependencyFailed,
    /// It depends on an operation of its batch that comes after it, or on itself.
    DependencyAfter,
}

impl Refusal {
    /// The rule that clients see.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::IdempotencyMismatch => "sync.idempotency_mismatch",
            Self::DependencyFailed => "sync.dependency_failed",
            Self::DependencyAfter => "sync.dependency_after",
        }
    }
}

/// Creates, changes or deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpKind {
    /// A new row with an id made by the device.
    Create,
    /// Some fields of a row.
    Update,
    /// The row goes.
    Delete,
}

/// An operation, without what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its id, made by the device and kept for every repetition.
    pub id: Uuid,
    /// Its place in the device's own count.
    pub seq: u64,
    /// The row.
    pub row: RowKey,
    /// The version that the device had of the row.
    pub base_version: Option<i64>,
    /// Operations that must have been done before.
    pub depends_on: Vec<Uuid>,
    /// What tells its content from another: [`request_hash`].
    pub hash: RequestHash,
}

/// What tells the content of a request from another.
pub type RequestHash = [u8; 32];

/// What tells the content of an operation from another: its kind, its row, and what it writes. Not what the device had
/// seen, by version or by value, nor the time of sending: those may differ when it is repeated.
pub fn request_hash(
    rules: &impl Rules,
    kind: OpKind,
    row: RowKey,
    patch: &Fields,
    base_version: Option<i64>,
) -> RequestHash {
    let mut bytes = vec![
        match kind {
            OpKind::Create => 1,
            OpKind::Update => 2,
            OpKind::Delete => 3,
        },
        row.collection.get(),
    ];
    bytes.extend_from_slice(row.id.as_bytes());
    if let Some(version) = rules.hashed_version(base_version) {
        bytes.extend_from_slice(&version.to_be_bytes());
    }
    write_length(&mut bytes, patch.len());
    for (name, value) in patch {
        write_text(&mut bytes, name);
        write_value(&mut bytes, value);
    }
    let digest = digest::digest(&digest::SHA256, &bytes);
    digest.as_ref().first_chunk().copied().unwrap_or([0; 32])
}

fn write_length(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend_from_slice(&u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
}

fn write_text(bytes: &mut Vec<u8>, text: &str) {
    write_length(bytes, text.len());
    bytes.extend_from_slice(text.as_bytes());
}

fn write_value(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => bytes.push(0),
        Value::Flag(flag) => bytes.extend_from_slice(&[1, u8::from(*flag)]),
        Value::Number(number) => {
            bytes.push(2);
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        Value::Text(text) => {
            bytes.push(3);
            write_text(bytes, text);
        }
        Value::List(values) => {
            bytes.push(4);
            write_length(bytes, values.len());
            for value in values {
                write_value(bytes, value);
            }
        }
        Value::Fraction(number) => {
            bytes.push(5);
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        Value::Map(values) => {
            bytes.push(6);
            write_length(bytes, values.len());
            for (name, value) in values {
                write_text(bytes, name);
                write_value(bytes, value);
            }
        }
    }
}

/// What the ledger keeps of an operation that was answered, written in the transaction that did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// What tells its content from another.
    pub hash: RequestHash,
    /// The answer.
    pub status: Status,
    /// The version that the row came to have, if it was done.
    pub version: Option<i64>,
    /// The change that did it, or the last one before it was refused.
    pub seq: Seq,
}

/// What the service remembers of a device's earlier operations.
#[derive(Clone, Copy, Debug)]
pub struct Memory<'a> {
    /// The ledger's entry for this operation.
    pub recorded: Option<&'a Recorded>,
    /// The highest count among operations whose entries were dropped. Not the last one done: an operation
    /// that was passed over by a later one was not done, and calling it a duplicate would lose it.
    pub forgotten: u64,
    /// The answers on record for operations that this one depends on.
    pub answered: &'a BTreeMap<Uuid, Status>,
}

/// Whether an operation is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is, by [`judge`], as if the device had had this version.
    Do {
        /// The version to judge by.
        base_version: Option<i64>,
    },
    /// It is not; this is its answer, and the ledger stays as it is.
    Answered {
        /// The answer.
        status: Status,
        /// The version to re-base queued operations to.
        version: Option<i64>,
        /// The change that did it, if it was done.
        seq: Option<Seq>,
    },
    /// It is not: a new answer, `REJECTED`, for the ledger as well, except for a mismatch, whose id is taken.
    Refused(Refusal),
}

/// The operations of one device that came in one request. They are taken in [`in_order`], each by
/// [`admit`](Self::admit), and each answer is [`settle`](Self::settle)d before the next.
#[derive(Debug)]
pub struct Batch<'r, R> {
    rules: &'r R,
    settled: BTreeMap<Uuid, Status>,
    pending: BTreeMap<Uuid, u64>,
    versions: BTreeMap<RowKey, (Option<i64>, i64)>,
    is_halted: bool,
}

/// The order in which the operations of a batch happen: by the device's own count; equal counts as sent.
/// Gives places in `heads`.
pub fn in_order(heads: &[Head]) -> Vec<usize> {
    let mut order: Vec<(u64, usize)> = heads
        .iter()
        .enumerate()
        .map(|(at, head)| (head.seq, at))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, at)| at).collect()
}

impl<'r, R: Rules> Batch<'r, R> {
    /// A batch of these operations.
    pub fn new(rules: &'r R, heads: &[Head]) -> Self {
        Self {
            rules,
            settled: BTreeMap::new(),
            pending: heads.iter().map(|head| (head.id, head.seq)).collect(),
            versions: BTreeMap::new(),
            is_halted: false,
        }
    }

    /// Decides whether the operation is to be done, by what is remembered of it and how what it depends on
    /// fared.
    pub fn admit(&self, head: &Head, memory: Memory<'_>) -> Admission {
        let answered = |status, version, seq| Admission::Answered {
            status,
            version,
            seq,
        };
        if self.is_halted && self.rules.retry_holds_back() {
            return answered(Status::Retry, None, None);
        }
        match memory.recorded.filter(|_| self.rules.tells_repetitions()) {
            Some(recorded) if recorded.hash != head.hash && self.rules.demands_same_request() => {
                return Admission::Refused(Refusal::IdempotencyMismatch);
            }
            Some(recorded) => {
                let version = match recorded.status {
                    Status::Applied => recorded.version,
                    Status::Merged
                    | Status::Duplicate
                    | Status::Conflict
                    | Status::Rejected
                    | Status::Deferred
                    | Status::Retry => None,
                };
                let status = self.rules.replayed(recorded.status);
                return answered(status, version, Some(recorded.seq));
            }
            None if head.seq <= memory.forgotten && self.rules.heeds_forgotten() => {
                return answered(Status::Duplicate, None, None);
            }
            None => {}
        }
        match self.dependencies(head, memory) {
            Some(Dependency::Failed(refusal)) => Admission::Refused(refusal),
            Some(Dependency::Waits) => answered(Status::Deferred, None, None),
            Some(Dependency::Retries) => answered(Status::Retry, None, None),
            None => Admission::Do {
                base_version: self.based(head),
            },
        }
    }

    /// Notes the answer to an operation. `version` is the one its row came to have or, for a duplicate, the one
    /// it was answered with.
    pub fn settle(&mut self, head: &Head, status: Status, version: Option<i64>) {
        self.pending.remove(&head.id);
        self.settled.insert(head.id, status);
        match (status, version) {
            (Status::Applied | Status::Duplicate, Some(version)) => {
                let first = self.versions.get(&head.row).map(|(first, _)| *first);
                let first = first.unwrap_or(head.base_version);
                self.versions.insert(head.row, (first, version));
            }
            (Status::Retry, _) => self.is_halted = true,
            _ => {}
        }
    }

    /// The version to judge an operation by. Operations that were queued one after the other on one row all
    /// name the version that the device had; once the first is done on it, the next stands on its result.
    fn based(&self, head: &Head) -> Option<i64> {
        match self.versions.get(&head.row) {
            Some((first, version)) if *first == head.base_version => Some(*version),
            _ => head.base_version,
        }
    }

    fn dependencies(&self, head: &Head, memory: Memory<'_>) -> Option<Dependency> {
        if !self.rules.heeds_dependencies() {
            return None;
        }
        let each = head.depends_on.iter().filter_map(|id| {
            let status = self.settled.get(id).or_else(|| memory.answered.get(id));
            match status {
                Some(Status::Applied | Status::Merged | Status::Duplicate) => None,
                Some(Status::Conflict | Status::Rejected) => {
                    Some(Dependency::Failed(Refusal::DependencyFailed))
                }
                Some(Status::Deferred) => Some(Dependency::Waits),
                Some(Status::Retry) => Some(Dependency::Retries),
                None if self.pending.contains_key(id) => {
                    Some(Dependency::Failed(Refusal::DependencyAfter))
                }
                // Forgotten, or not here yet: parked, since the one it waits for may still come.
                None => Some(Dependency::Waits),
            }
        });
        each.min()
    }
}

/// What stands in the way of an operation, the gravest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Dependency {
    Failed(Refusal),
    Retries,
    Waits,
}

/// Whether an answer undoes a batch that is all or nothing. A refusal does not: the device takes back only
/// what was refused.
pub const fn undoes_batch(status: Status) -> bool {
    match status {
        Status::Conflict | Status::Retry => true,
        Status::Applied
        | Status::Merged
        | Status::Duplicate
        | Status::Rejected
        | Status::Deferred => false,
    }
}

/// Whether an answer in a batch that was undone no longer holds. `was_before`: whether it was on record, or forgotten,
/// before the batch; an operation may be answered twice in one. `is_at_fault`: whether it was refused for what it says,
/// whatever the rows are. Any other refusal may come of what was undone: of goods that are free again, or an operation
/// that failed and may be sent anew.
pub const fn is_undone(status: Status, was_before: bool, is_at_fault: bool) -> bool {
    match status {
        Status::Applied | Status::Merged | Status::Deferred => true,
        Status::Duplicate => !was_before,
        Status::Rejected => !was_before && !is_at_fault,
        Status::Conflict | Status::Retry => false,
    }
}

/// How a row stands for the user who pushes, in the transaction that would write it.
#[derive(Clone, Copy, Debug)]
pub enum RowNow<'a> {
    /// There is no row with this id and never was.
    Absent,
    /// The user sees it.
    Visible {
        /// Its version.
        version: i64,
        /// What it says in the fields that a device may write.
        fields: &'a Fields,
    },
    /// It was deleted where the user would see it.
    Deleted,
    /// It is where the user does not see it, or was deleted there.
    Hidden,
}

/// How the client, or other row, stands that a row is to go under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// The user sees it.
    Visible,
    /// The user once saw it.
    Lost,
    /// The user never saw it: it may not be here yet, or be somebody else's. The two are not told apart.
    Unknown,
}

/// What an operation does.
#[derive(Clone, Copy, Debug)]
pub struct Deed<'a> {
    /// Creates, changes or deletes.
    pub kind: OpKind,
    /// The version that the device had, as [`Admission::Do`] gives it.
    pub base_version: Option<i64>,
    /// What it writes.
    pub patch: &'a Fields,
    /// What the device saw in the fields it writes.
    pub seen: &'a Fields,
    /// For a new row, and for one that goes under another: what it goes under.
    pub parent: Option<Parent>,
}

/// What is to be done about an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Make the row.
    Create,
    /// Write these fields and no others, and answer so.
    Change(Fields, Status),
    /// Delete the row.
    Delete,
    /// Nothing: it is as the device wants it. Answer so.
    AlreadySo(Status),
    /// Nothing, and tell why and about which fields.
    Conflict(ConflictReason, Vec<&'static str>),
    /// Keep it until the parent arrives.
    Defer,
}

/// Judges an operation on a row as it is. Whether the fields are valid is not asked here.
pub fn judge(rules: &impl Rules, list: &[Field], deed: &Deed<'_>, now: RowNow<'_>) -> Verdict {
    let conflict = |reason| Verdict::Conflict(reason, Vec::new());
    match (deed.kind, now) {
        // Whether it was made just so, and this is a repetition, is more than these fields tell: a row also has some
        // that never change.
        (OpKind::Create, RowNow::Visible { .. } | RowNow::Deleted | RowNow::Hidden) => {
            conflict(ConflictReason::AlreadyExists)
        }
        (OpKind::Create, RowNow::Absent) => under(deed.parent, || Verdict::Create),
        (OpKind::Update | OpKind::Delete, RowNow::Absent | RowNow::Hidden) => {
            conflict(ConflictReason::NotVisible)
        }
        (OpKind::Update, RowNow::Deleted) => conflict(ConflictReason::Deleted),
        (OpKind::Delete, RowNow::Deleted) => Verdict::AlreadySo(Status::Merged),
        (OpKind::Delete, RowNow::Visible { version, .. }) => {
            if rules.is_stale(deed.base_version, version) {
                conflict(ConflictReason::StaleFields)
            } else {
                Verdict::Delete
            }
        }
        (OpKind::Update, RowNow::Visible { version, fields }) => {
            let (seen, status) = if rules.is_stale(deed.base_version, version) {
                (Seen::Earlier(deed.seen), Status::Merged)
            } else {
                (Seen::Present, Status::Applied)
            };
            let parent = deed.parent.or(Some(Parent::Visible));
            under(parent, || {
                match merge(rules, list, Replay::Guarded, seen, fields, deed.patch) {
                    Merge::Nothing => Verdict::AlreadySo(status),
                    Merge::Write(changes) => Verdict::Change(changes, status),
                    Merge::Conflict(names) => Verdict::Conflict(ConflictReason::StaleFields, names),
                }
            })
        }
    }
}

fn under(parent: Option<Parent>, verdict: impl FnOnce() -> Verdict) -> Verdict {
    match parent {
        Some(Parent::Visible) => verdict(),
        Some(Parent::Lost) => Verdict::Conflict(ConflictReason::NotVisible, Vec::new()),
        Some(Parent::Unknown) | None => Verdict::Defer,
    }
}

/// A row as stock RxDB pushes it.
#[derive(Clone, Copy, Debug)]
pub struct RowPush<'a> {
    /// What the device takes the row to be on the service; none for a row it made, or takes for deleted.
    pub assumed: Option<&'a Fields>,
    /// The version in that.
    pub assumed_version: Option<i64>,
    /// What the device wants it to be; none: deleted.
    pub new: Option<&'a Fields>,
    /// What it is to go under, if it is new or goes elsewhere.
    pub parent: Option<Parent>,
}

/// What is to be done about a row that RxDB pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowVerdict {
    /// Make the row; answer nothing.
    Insert,
    /// Write these fields and no others; answer nothing. What else changed reaches the device by pull.
    Write(Fields),
    /// Delete the row; answer nothing.
    Delete,
    /// Nothing: it is as the device wants it. Answer nothing.
    AlreadySo,
    /// Answer with the row as it is.
    Master,
    /// Answer with a tombstone, since the device must not keep the row, and, where a person's words would go
    /// with it, keep them as an issue that the person sees.
    Tombstone {
        /// Whether to keep what was pushed as an issue.
        issue: bool,
    },
}

/// Judges a row that RxDB pushed, in this order: what the user does not see, or cannot be, is answered with a
/// tombstone; what is already so is a repetition, and success; the rest merges by content.
pub fn judge_row(
    rules: &impl Rules,
    list: &[Field],
    push: &RowPush<'_>,
    now: RowNow<'_>,
) -> RowVerdict {
    let has_words = push.new.is_some();
    match (now, push.new) {
        (RowNow::Hidden, _) => RowVerdict::Tombstone { issue: has_words },
        (RowNow::Absent | RowNow::Deleted, None) => RowVerdict::AlreadySo,
        (RowNow::Deleted, Some(_)) => RowVerdict::Tombstone { issue: true },
        (RowNow::Absent, Some(_)) => match (push.assumed, push.parent) {
            (None, Some(Parent::Visible)) => RowVerdict::Insert,
            _ => RowVerdict::Tombstone { issue: true },
        },
        (RowNow::Visible { version, fields }, wanted) => {
            if wanted.is_some_and(|wanted| {
                rules.tells_repetitions() && is_same_content(list, fields, wanted)
            }) {
                return RowVerdict::AlreadySo;
            }
            let Some(assumed) = push.assumed else {
                return RowVerdict::Master;
            };
            if !rules.compares_content() && push.assumed_version != Some(version) {
                return RowVerdict::Master;
            }
            let Some(wanted) = wanted else {
                return if is_same_content(list, fields, assumed) {
                    RowVerdict::Delete
                } else {
                    RowVerdict::Master
                };
            };
            if push.parent.is_some_and(|parent| parent != Parent::Visible) {
                return RowVerdict::Master;
            }
            let seen = Seen::Earlier(assumed);
            match merge(rules, list, Replay::Unguarded, seen, fields, wanted) {
                Merge::Nothing => RowVerdict::AlreadySo,
                Merge::Write(changes) => RowVerdict::Write(changes),
                Merge::Conflict(_) => RowVerdict::Master,
            }
        }
    }
}

#[cfg(test)]
mod tests;
