//! What a page of a pull holds.
//!
//! The log says where to look; the current row decides what is sent. The caller opens one snapshot, asks
//! [`start`] what to look through, walks the scopes of the user in the order of [`ScopeKey`] and the items of
//! each in the order of (seq, row), tells a [`Planner`] of each with how its row stands in that same snapshot,
//! and loads documents for what the [`Page`] names.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use super::checkpoint::Restart;
use super::rules::Rules;
use super::terms::{RowKey, ScopeKey, Seq};

/// A user's hold on a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The change by which the user came to see it, last.
    pub entered: Seq,
    /// The change up to which the user held it before that, last; none if they never did.
    pub before: Option<Seq>,
    /// The change by which the user lost it; none while they see it.
    pub left: Option<Seq>,
    /// The last change in the scope, as far as it concerns a member.
    pub head: Seq,
}

/// The last change of a row in a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// When it last changed there: was written, deleted, moved in or moved out.
    pub seq: Seq,
    /// When the row first came into the scope. It stays when the row leaves and comes back, for as long as the
    /// item is kept: a device may hold the row from the first time.
    pub added: Seq,
    /// The row.
    pub row: RowKey,
    /// Whether the row is in the scope now; a dead item tells of one that was deleted or moved out.
    pub live: bool,
}

/// How a row stands in the snapshot of the page, for the user who pulls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The user sees it, through whichever scope.
    Visible,
    /// It was deleted, and at home in the scope of the item.
    Deleted,
    /// It is somewhere else that the user does not see, or nowhere.
    Elsewhere,
}

/// A place inside a pull: after this item of this scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The scope.
    pub scope: ScopeKey,
    /// The change of the item.
    pub seq: Seq,
    /// The row of the item.
    pub row: RowKey,
}

/// What one pull, of however many pages, looks through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// C: everything up to here is on the device. Zero: it holds nothing, or will remove what is not sent.
    pub since: Seq,
    /// W: what the pull leads up to; the clock when its first page was made.
    pub until: Seq,
    /// Where the page before ended.
    pub position: Option<Position>,
}

/// How far a device has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has everything up to here.
    Done(Seq),
    /// It is between two pages of a pull.
    Within(Window),
}

impl Progress {
    /// A device that holds nothing yet.
    pub const NEW: Self = Self::Done(Seq::ZERO);

    /// Everything up to here is on the device.
    pub const fn since(&self) -> Seq {
        match self {
            Self::Done(since) => *since,
            Self::Within(window) => window.since,
        }
    }

    /// Where the pull under way leads; between pulls, where the device is.
    pub const fn until(&self) -> Seq {
        match self {
            Self::Done(since) => *since,
            Self::Within(window) => window.until,
        }
    }
}

/// How devices take pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// Stock RxDB, one collection at a time: a page is last when it is short, and the checkpoint of an empty
    /// page is ignored.
    Rows,
    /// Clients written for this protocol, all collections at once: they go by `hasMore`.
    Whole,
}

/// Begins a page: what to look through, or why the device has to start over. `clock` is the last committed
/// change and `purged` the last removed trace that could concern this pull, both of the snapshot of the page.
///
/// A device ahead of the clock met a database that has lost changes; before a replica is believed to say so,
/// the primary is asked.
///
/// # Errors
/// [`Restart::Ahead`] and [`Restart::Purged`].
pub fn start(
    rules: &impl Rules,
    progress: &Progress,
    clock: Seq,
    purged: Seq,
) -> Result<Window, Restart> {
    if progress.until() > clock {
        return Err(Restart::Ahead);
    }
    if rules.is_past_horizon(progress, purged) {
        return Err(Restart::Purged);
    }
    Ok(match progress {
        Progress::Done(since) => Window {
            since: *since,
            until: clock,
            position: None,
        },
        Progress::Within(window) => *window,
    })
}

/// What became of a scope for a user since what the device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeCase {
    /// Nothing that the device does not know.
    Quiet,
    /// The user sees it as before, and something in it changed.
    Changed,
    /// The user came to see it.
    Gained {
        /// By this change.
        entered: Seq,
        /// Up to which they held it before, if they did.
        before: Option<Seq>,
    },
    /// The user lost it, by this change.
    Lost(Seq),
    /// The device's private scope: rows that it pushed and is sent once more, whatever scope they live in.
    Echo,
}

impl ScopeCase {
    /// The case of a scope in that window.
    ///
    /// A scope lost before the first pull began is quiet to a device that holds nothing: there is nothing to
    /// remove.
    pub fn of(
        rules: &impl Rules,
        surface: Surface,
        window: &Window,
        membership: &Membership,
    ) -> Self {
        match membership.left {
            None if membership.entered > window.since => Self::Gained {
                entered: membership.entered,
                before: membership.before,
            },
            None if membership.head > window.since => Self::Changed,
            None => Self::Quiet,
            Some(left) if left <= window.since => Self::Quiet,
            Some(left) if rules.holds_nothing(surface, window) && left <= window.until => {
                Self::Quiet
            }
            Some(left) => Self::Lost(left),
        }
    }

    /// Which items can matter at all; outside of these bounds [`emission`] gives nothing.
    pub fn bounds(self, rules: &impl Rules, window: &Window) -> Bounds {
        match self {
            Self::Quiet => Bounds {
                after: Seq::MAX,
                until: Some(Seq::ZERO),
            },
            Self::Changed | Self::Echo => Bounds {
                after: window.since,
                until: Some(window.until),
            },
            Self::Gained { .. } => Bounds {
                after: if rules.sends_gained_whole() {
                    Seq::ZERO
                } else {
                    window.since
                },
                until: Some(window.until),
            },
            Self::Lost(_) => Bounds {
                after: Seq::ZERO,
                until: rules.lost_until(window.until),
            },
        }
    }
}

/// A range of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Those after this one,
    pub after: Seq,
    /// up to and with this one, or without end.
    pub until: Option<Seq>,
}

impl Bounds {
    /// Whether a change is in it.
    pub fn contain(&self, seq: Seq) -> bool {
        seq > self.after && self.until.is_none_or(|until| seq <= until)
    }
}

/// What a device is told of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emission {
    /// What it says now.
    Document,
    /// That it is gone.
    Tombstone(TombstoneReason),
}

/// Why a row is gone from a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TombstoneReason {
    /// It was deleted.
    Deleted,
    /// It went where the user does not see it, or the user lost its scope. Said of every row of a lost scope:
    /// what became of them there is no longer this user's business.
    ScopeLeft,
}

/// What a device is told because of an item, if anything:
///
/// | case | told |
/// |---|---|
/// | changed | items in (C, W]: live as documents, dead as tombstones |
/// | gained | every live item up to W, and the dead ones in (C, W] that were there while the user held it |
/// | lost | a tombstone for every item that was there before the loss, live or dead after C, beyond W too |
/// | echo | items in (C, W], as their rows stand |
///
/// A tombstone is kept back while the user sees the row, but not where the row is still in the scope that they lost; a
/// live item whose row the user does not see is told as a tombstone, because the current row decides. A device that holds nothing is told of nothing dead.
pub fn emission(
    rules: &impl Rules,
    surface: Surface,
    window: &Window,
    case: ScopeCase,
    item: &Item,
    standing: Standing,
) -> Option<Emission> {
    if !case.bounds(rules, window).contain(item.seq) {
        return None;
    }
    let is_told = match case {
        ScopeCase::Quiet => false,
        ScopeCase::Changed => item.live || !rules.holds_nothing(surface, window),
        ScopeCase::Gained { entered, before } => {
            item.live
                || (!rules.holds_nothing(surface, window)
                    && rules.tells_dead_on_gain(item, window.since)
                    && rules.was_held(item, entered, before))
        }
        ScopeCase::Lost(left) => {
            item.added <= left && (item.live || rules.tells_dead_on_loss(item, window.since))
        }
        ScopeCase::Echo => true,
    };
    let sends_document = match case {
        ScopeCase::Quiet | ScopeCase::Lost(_) => false,
        ScopeCase::Changed | ScopeCase::Gained { .. } => item.live,
        ScopeCase::Echo => true,
    };
    if !is_told {
        None
    } else if sends_document && standing == Standing::Visible {
        Some(Emission::Document)
    } else if rules.keeps_back(standing) && !rules.takes_back(case, item) {
        None
    } else {
        Some(Emission::Tombstone(match (case, standing) {
            (ScopeCase::Lost(_), _) | (_, Standing::Elsewhere | Standing::Visible) => {
                TombstoneReason::ScopeLeft
            }
            (_, Standing::Deleted) => TombstoneReason::Deleted,
        }))
    }
}

/// One line of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The row.
    pub row: RowKey,
    /// What the device is told of it.
    pub emission: Emission,
}

/// That a user gained or lost a scope: a client that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeEvent {
    /// The scope.
    pub scope: ScopeKey,
    /// Which of the two.
    pub kind: ScopeEventKind,
}

/// Gained or lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeEventKind {
    /// The user sees it now.
    Entered,
    /// The user no longer sees it.
    Left,
}

/// A page, without the bodies of its documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its lines, in order; exactly `limit` of them unless it is the last page or was cut.
    pub entries: Vec<Entry>,
    /// Scopes gained and lost, each on the page that begins it.
    pub events: Vec<ScopeEvent>,
    /// Where the device is once it has stored the page.
    pub next: Progress,
    /// Whether the pull goes on.
    pub has_more: bool,
    /// W: the same on all pages of a pull.
    pub watermark: Seq,
}

/// How a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The page is ready.
    Page(Page),
    /// Nothing was left of the pull under way, and the device would not take note of an empty page: begin
    /// again from here, in the same snapshot.
    GoOn(Progress),
}

/// Whether a planner wants to hear of more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appetite {
    /// Yes.
    More,
    /// No: the page is full and something is left for the next.
    Full,
}

/// Collects a page, item by item.
#[derive(Debug)]
pub struct Planner<'r, R> {
    rules: &'r R,
    surface: Surface,
    window: Window,
    limit: usize,
    scope: Option<(ScopeKey, ScopeCase)>,
    entries: Vec<Entry>,
    named: BTreeSet<RowKey>,
    silent: usize,
    events: Vec<ScopeEvent>,
    /// Events of scopes that begin after a full page: they belong to this page only if it is the last.
    held: Vec<ScopeEvent>,
    last: Option<Position>,
    has_more: bool,
}

impl<'r, R: Rules> Planner<'r, R> {
    /// For a page of `limit` lines.
    pub fn new(rules: &'r R, surface: Surface, window: Window, limit: NonZeroUsize) -> Self {
        Self {
            rules,
            surface,
            window,
            limit: limit.get(),
            scope: None,
            entries: Vec::new(),
            named: BTreeSet::new(),
            silent: 0,
            events: Vec::new(),
            held: Vec::new(),
            last: window.position,
            has_more: false,
        }
    }

    /// Begins a scope. Scopes come in the order of their keys. Gives which of its items to bring, in the order
    /// of (seq, row), or none if there is nothing to say of it.
    pub fn scope(&mut self, key: ScopeKey, case: ScopeCase) -> Option<Bounds> {
        let resumed = self.window.position.map(|at| at.scope);
        let is_past = resumed.is_some_and(|resumed| resumed > key);
        if is_past || case == ScopeCase::Quiet {
            self.scope = None;
            return None;
        }
        self.scope = Some((key, case));
        let kind = match case {
            ScopeCase::Gained { .. } => Some(ScopeEventKind::Entered),
            ScopeCase::Lost(_) => Some(ScopeEventKind::Left),
            ScopeCase::Quiet | ScopeCase::Changed | ScopeCase::Echo => None,
        };
        if let Some(kind) = kind.filter(|_| resumed != Some(key)) {
            let event = ScopeEvent { scope: key, kind };
            if self.is_full() {
                self.held.push(event);
            } else {
                self.events.push(event);
            }
        }
        Some(case.bounds(self.rules, &self.window))
    }

    /// Hears of an item of the scope begun last. Items at or before the position are passed over. After
    /// [`Appetite::Full`] nothing more is taken.
    pub fn item(&mut self, item: &Item, standing: Standing) -> Appetite {
        let Some((scope, case)) = self.scope else {
            return Appetite::More;
        };
        let is_past = self
            .window
            .position
            .is_some_and(|at| at.scope == scope && (item.seq, item.row) <= (at.seq, at.row));
        if self.has_more || is_past {
            return self.appetite();
        }
        let position = Position {
            scope,
            seq: item.seq,
            row: item.row,
        };
        let Some(emission) = emission(self.rules, self.surface, &self.window, case, item, standing)
        else {
            if self.rules.counts_silent() && standing == Standing::Visible {
                self.silent += 1;
                self.last = Some(position);
            }
            return self.appetite();
        };
        if self.named.contains(&item.row) && !self.rules.repeats_rows() {
            return self.appetite();
        }
        if self.is_full() {
            // One more than the page holds: only now is it known not to be the last.
            self.has_more = true;
            return Appetite::Full;
        }
        self.named.insert(item.row);
        self.entries.push(Entry {
            row: item.row,
            emission,
        });
        self.last = Some(position);
        self.appetite()
    }

    /// Ends the page before it is full, for its size in bytes, if it may: only for [`Surface::Whole`], and not
    /// before something was taken. What was taken stays, the rest comes on the next page.
    pub fn cut(&mut self) -> Appetite {
        if self.surface == Surface::Whole && !self.entries.is_empty() {
            self.has_more = true;
        }
        self.appetite()
    }

    /// The page, once it is full or nothing is left to tell.
    pub fn finish(mut self) -> Outcome {
        let until = self.window.until;
        if self.has_more {
            let within = Progress::Within(Window {
                position: self.last,
                ..self.window
            });
            return Outcome::Page(Page {
                entries: self.entries,
                events: self.events,
                next: self.rules.after_cut(within, until),
                has_more: true,
                watermark: until,
            });
        }
        let was_under_way = self.window.position.is_some();
        if was_under_way && self.entries.is_empty() && self.rules.goes_on_after_empty(self.surface)
        {
            return Outcome::GoOn(Progress::Done(until));
        }
        self.events.append(&mut self.held);
        Outcome::Page(Page {
            entries: self.entries,
            events: self.events,
            next: Progress::Done(until),
            has_more: false,
            watermark: until,
        })
    }

    fn is_full(&self) -> bool {
        self.entries.len() + self.silent >= self.limit
    }

    fn appetite(&self) -> Appetite {
        if self.has_more {
            Appetite::Full
        } else {
            Appetite::More
        }
    }
}

#[cfg(test)]
mod tests;
