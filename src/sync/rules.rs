//! The rules that devices agree by only if every one of them holds.
//!
//! Each is a method whose body is the rule and whose words are its reason; pull and push ask it where it
//! matters. The service has one implementation, [`Protocol`], which changes none. The model implements the
//! trait once more with one rule broken at a time and demands that histories come apart.

use std::time::Duration;

use super::merge::{Policy, Replay};
use super::plan::{Item, Progress, ScopeCase, Standing, Surface, Window};
use super::push::Status;
use super::terms::Seq;

/// What pull and push hold to.
pub trait Rules {
    // --- Pull ----------------------------------------------------------------------------------------------------

    /// Whether the device holds nothing, and so has nothing to remove: on its first pull, if it stores a page and
    /// the token of the page together. RxDB stores the documents first; killed in between, it holds rows and no
    /// checkpoint.
    fn holds_nothing(&self, surface: Surface, window: &Window) -> bool {
        surface == Surface::Whole && window.since == Seq::ZERO
    }

    /// Up to which change the items of a lost scope are told: all of them. Nothing later will ever mention
    /// this scope to this user, so a row that moved while a device was paging would stay on it for ever.
    fn lost_until(&self, _until: Seq) -> Option<Seq> {
        None
    }

    /// Whether a dead item of a gained scope is told: if it died after what the device has. The device may
    /// hold the subtree from an earlier time (A's client went to B and came back), with rows deleted meanwhile.
    fn tells_dead_on_gain(&self, item: &Item, since: Seq) -> bool {
        item.seq > since
    }

    /// Whether the user ever held a row that is dead in a gained scope: since they came to see it, or when they held it
    /// before. What lived and died there without them is none of their business, not even its id.
    fn was_held(&self, item: &Item, entered: Seq, before: Option<Seq>) -> bool {
        item.seq > entered || before.is_some_and(|until| item.added <= until)
    }

    /// Whether a gained scope is sent whole: what changed before the user came was never sent to the device.
    fn sends_gained_whole(&self) -> bool {
        true
    }

    /// Whether a dead item of a lost scope is told: if it died, or moved out, after what the device has.
    fn tells_dead_on_loss(&self, item: &Item, since: Seq) -> bool {
        item.seq > since
    }

    /// Whether a tombstone is kept back: if the user sees the row now, through another scope. Its document
    /// comes from there, perhaps on an earlier page; a tombstone after it would remove a row the user has.
    fn keeps_back(&self, standing: Standing) -> bool {
        standing == Standing::Visible
    }

    /// Whether a tombstone is told though the user seems to see the row: where it is still in a scope that they lost.
    /// A row is in one scope at a time, so no other shows it. What shows it is the clock of a process that is late:
    /// to another one a share was over.
    fn takes_back(&self, case: ScopeCase, item: &Item) -> bool {
        matches!(case, ScopeCase::Lost(_)) && item.live
    }

    /// Whether what is kept back or was told on this page counts toward its size: never. Stock RxDB takes a
    /// page that is short of `limit` for the last and stops.
    fn counts_silent(&self) -> bool {
        false
    }

    /// Whether a page may name a row a second time: never. RxDB writes a page in one go and a row twice in it
    /// conflicts with itself.
    fn repeats_rows(&self) -> bool {
        false
    }

    /// Where a device is after a page with more behind it: inside the pull. Only the last page carries the
    /// device on to the target, because scopes are not in the order of changes.
    fn after_cut(&self, within: Progress, _until: Seq) -> Progress {
        within
    }

    /// Whether a pull that ends in an empty page goes on with the next pull at once: where the device ignores
    /// the checkpoint of an empty page, as RxDB does. It would ask for the same empty page for ever.
    fn goes_on_after_empty(&self, surface: Surface) -> bool {
        surface == Surface::Rows
    }

    /// Whether traces were removed that this device still needs: a device that holds something, from before
    /// the horizon. Asked on every page, since the night's purge may run between two pages of one pull. In the
    /// middle of its first pull, a device holds what it was sent from then on.
    fn is_past_horizon(&self, progress: &Progress, purged: Seq) -> bool {
        let has = match progress.since() {
            Seq::ZERO => progress.until(),
            since => since,
        };
        has != Seq::ZERO && has < purged
    }

    // --- Push ----------------------------------------------------------------------------------------------------

    /// Whether what was done already, by the ledger or by what the row says, is told from what is new: always.
    /// Phones repeat what got no answer.
    fn tells_repetitions(&self) -> bool {
        true
    }

    /// Whether the same operation id with another content is refused: an operation never changes its meaning.
    fn demands_same_request(&self) -> bool {
        true
    }

    /// The version that the hash of an operation covers: none. A phone re-bases a queued operation when the
    /// one before it is answered, and may then repeat one that was already done.
    fn hashed_version(&self, _base_version: Option<i64>) -> Option<i64> {
        None
    }

    /// Whether an operation at or below the mark of forgotten ones is taken for done: its ledger entry was
    /// dropped, so nothing else tells a late repetition from a new operation.
    fn heeds_forgotten(&self) -> bool {
        true
    }

    /// What a repeated request is answered: that it was done, or how it failed. A phone takes `DUPLICATE` for
    /// success, so a failure whose first answer was lost must be told again as a failure.
    fn replayed(&self, status: Status) -> Status {
        match status {
            Status::Applied | Status::Merged | Status::Duplicate => Status::Duplicate,
            Status::Conflict | Status::Rejected | Status::Deferred | Status::Retry => status,
        }
    }

    /// Whether an operation that is to be tried again holds back those after it: yes, one device's operations
    /// happen in their order.
    fn retry_holds_back(&self) -> bool {
        true
    }

    /// Whether what an operation depends on must have succeeded.
    fn heeds_dependencies(&self) -> bool {
        true
    }

    /// Whether a row was written since the version that the device saw.
    fn is_stale(&self, base_version: Option<i64>, version: i64) -> bool {
        base_version != Some(version)
    }

    /// Whether a row pushed from RxDB is compared by content alone: yes. Until its own write comes back by
    /// pull, RxDB assumes the old version of what it wrote; comparing versions would make conflicts of quick
    /// edits.
    fn compares_content(&self) -> bool {
        true
    }

    /// How one field merges. Policies that would do the same edit twice when a push is repeated, sums and
    /// status changes, need a ledger; without one the service's value wins.
    fn policy(&self, policy: Policy, replay: Replay) -> Policy {
        match (policy, replay) {
            (Policy::Additive | Policy::Status(..), Replay::Unguarded) => Policy::ServerWins,
            (policy, _) => policy,
        }
    }

    /// Whether a row that a device pushed through the RxDB surface is sent to that device once more: when
    /// more time has passed than a request may take. RxDB drops what it downloads for a row while its own
    /// write of that row is under way, and still moves its checkpoint past it.
    fn is_echo_due(&self, since_push: Duration) -> bool {
        since_push > super::push::ECHO_AFTER
    }
}

/// The protocol as it is served.
#[derive(Clone, Copy, Debug, Default)]
pub struct Protocol;

impl Rules for Protocol {}
