//! Pages: what each case tells, and the laws of paging.

use proptest::prelude::*;
use uuid::Uuid;

use super::super::Protocol;
use super::super::terms::Collection;
use super::*;

fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

fn scope(number: u8) -> ScopeKey {
    ScopeKey {
        rank: number / 4,
        id: Uuid::from_u128(u128::from(number)),
    }
}

fn row(number: u64) -> RowKey {
    RowKey {
        collection: Collection::new(0).unwrap(),
        id: Uuid::from_u128(u128::from(number)),
    }
}

fn item(at: u64, live: bool) -> Item {
    Item {
        seq: seq(at),
        added: seq(1),
        row: row(1),
        live,
    }
}

fn window(since: u64, until: u64) -> Window {
    Window {
        since: seq(since),
        until: seq(until),
        position: None,
    }
}

fn membership(entered: u64, left: Option<u64>, head: u64) -> Membership {
    Membership {
        entered: seq(entered),
        before: None,
        left: left.map(seq),
        head: seq(head),
    }
}

fn gained(entered: u64, before: Option<u64>) -> ScopeCase {
    ScopeCase::Gained {
        entered: seq(entered),
        before: before.map(seq),
    }
}

#[test]
fn a_scope_is_what_became_of_it_since_the_device_was_here() {
    let of = |entered, left, head| {
        ScopeCase::of(
            &Protocol,
            Surface::Rows,
            &window(10, 20),
            &membership(entered, left, head),
        )
    };
    assert_eq!(of(10, None, 10), ScopeCase::Quiet);
    assert_eq!(of(10, None, 11), ScopeCase::Changed);
    assert_eq!(of(11, None, 11), gained(11, None));
    assert_eq!(of(25, None, 25), gained(25, None));
    assert_eq!(of(5, Some(10), 10), ScopeCase::Quiet);
    assert_eq!(of(5, Some(11), 10), ScopeCase::Lost(seq(11)));
    assert_eq!(of(5, Some(25), 10), ScopeCase::Lost(seq(25)));
    assert_eq!(of(11, Some(12), 12), ScopeCase::Lost(seq(12)));
}

#[test]
fn what_died_in_a_scope_before_the_user_came_is_not_told() {
    let dead = |added: u64, died: u64, case| {
        let item = Item {
            added: seq(added),
            ..item(died, false)
        };
        emission(
            &Protocol,
            Surface::Rows,
            &window(3, 20),
            case,
            &item,
            Standing::Elsewhere,
        )
    };
    // Never held before.
    assert_eq!(dead(2, 10, gained(12, None)), None);
    assert_eq!(dead(2, 12, gained(12, None)), None);
    assert_eq!(dead(2, 13, gained(12, None)), LEFT);
    // Held up to 8: what was there by then, and what died since the user came again.
    assert_eq!(dead(8, 10, gained(12, Some(8))), LEFT);
    assert_eq!(dead(9, 10, gained(12, Some(8))), None);
    assert_eq!(dead(9, 13, gained(12, Some(8))), LEFT);
}

#[test]
fn a_device_that_holds_nothing_is_told_of_no_scope_lost_before_it_came() {
    let of = |surface, left| {
        let membership = membership(1, Some(left), left);
        ScopeCase::of(&Protocol, surface, &window(0, 20), &membership)
    };
    assert_eq!(of(Surface::Whole, 20), ScopeCase::Quiet);
    assert_eq!(of(Surface::Whole, 21), ScopeCase::Lost(seq(21)));
    // RxDB may hold rows of a page whose checkpoint it did not come to store.
    assert_eq!(of(Surface::Rows, 20), ScopeCase::Lost(seq(20)));
}

/// What an item tells in the window (10, 20], for live and dead, for a row seen, deleted and elsewhere.
fn told(case: ScopeCase, since: u64, at: u64) -> [[Option<Emission>; 3]; 2] {
    [true, false].map(|live| {
        [Standing::Visible, Standing::Deleted, Standing::Elsewhere].map(|standing| {
            let window = window(since, 20);
            emission(
                &Protocol,
                Surface::Whole,
                &window,
                case,
                &item(at, live),
                standing,
            )
        })
    })
}

const DOCUMENT: Option<Emission> = Some(Emission::Document);
const DELETED: Option<Emission> = Some(Emission::Tombstone(TombstoneReason::Deleted));
const LEFT: Option<Emission> = Some(Emission::Tombstone(TombstoneReason::ScopeLeft));
const NOTHING: [[Option<Emission>; 3]; 2] = [[None; 3]; 2];

#[test]
fn a_changed_scope_tells_its_changes() {
    let changed = [[DOCUMENT, DELETED, LEFT], [None, DELETED, LEFT]];
    assert_eq!(told(ScopeCase::Changed, 10, 10), NOTHING);
    assert_eq!(told(ScopeCase::Changed, 10, 11), changed);
    assert_eq!(told(ScopeCase::Changed, 10, 20), changed);
    assert_eq!(told(ScopeCase::Changed, 10, 21), NOTHING);
}

#[test]
fn a_gained_scope_tells_all_that_lives_and_what_died_since() {
    assert_eq!(
        told(gained(12, Some(8)), 10, 5),
        [[DOCUMENT, DELETED, LEFT], [None; 3]]
    );
    assert_eq!(
        told(gained(12, Some(8)), 10, 15),
        [[DOCUMENT, DELETED, LEFT], [None, DELETED, LEFT]]
    );
    assert_eq!(told(gained(12, Some(8)), 10, 21), NOTHING);
}

#[test]
fn a_device_that_holds_nothing_is_told_of_nothing_dead() {
    assert_eq!(
        told(gained(12, Some(8)), 0, 15),
        [[DOCUMENT, DELETED, LEFT], [None; 3]]
    );
}

#[test]
fn a_lost_scope_tells_all_that_was_there_without_end_and_nothing_of_what_became_of_it() {
    let lost = ScopeCase::Lost(seq(12));
    // What lives there is nowhere else: whoever seems to see it looks by a clock that is late.
    assert_eq!(told(lost, 10, 5), [[LEFT; 3], [None; 3]]);
    assert_eq!(told(lost, 10, 11), [[LEFT; 3], [None, LEFT, LEFT]]);
    assert_eq!(told(lost, 10, 99), [[LEFT; 3], [None, LEFT, LEFT]]);
}

#[test]
fn what_came_into_a_scope_after_its_loss_is_not_told() {
    let later = Item {
        added: seq(13),
        ..item(13, true)
    };
    let of = |left| {
        let case = ScopeCase::Lost(seq(left));
        emission(
            &Protocol,
            Surface::Whole,
            &window(10, 20),
            case,
            &later,
            Standing::Elsewhere,
        )
    };
    assert_eq!(of(12), None);
    assert_eq!(of(13), LEFT);
}

#[test]
fn an_echo_tells_how_the_row_stands() {
    let echo = [[DOCUMENT, DELETED, LEFT]; 2];
    assert_eq!(told(ScopeCase::Echo, 10, 11), echo);
    assert_eq!(told(ScopeCase::Echo, 10, 10), NOTHING);
    assert_eq!(told(ScopeCase::Echo, 10, 21), NOTHING);
}

#[test]
fn a_pull_starts_where_the_device_is_and_leads_up_to_the_clock() {
    let start = |progress, clock, purged| start(&Protocol, &progress, seq(clock), seq(purged));
    assert_eq!(start(Progress::NEW, 20, 15), Ok(window(0, 20)));
    assert_eq!(start(Progress::Done(seq(15)), 20, 15), Ok(window(15, 20)));
    assert_eq!(start(Progress::Done(seq(14)), 20, 15), Err(Restart::Purged));
    assert_eq!(start(Progress::Done(seq(21)), 20, 15), Err(Restart::Ahead));
    let within = Window {
        position: Some(Position {
            scope: scope(1),
            seq: seq(99),
            row: row(1),
        }),
        ..window(14, 18)
    };
    assert_eq!(start(Progress::Within(within), 20, 14), Ok(within));
    assert_eq!(
        start(Progress::Within(within), 20, 15),
        Err(Restart::Purged)
    );
    assert_eq!(start(Progress::Within(within), 17, 0), Err(Restart::Ahead));
}

/// A scope with its items, in order.
type Scope = (ScopeKey, ScopeCase, Vec<(Item, Standing)>);

fn outcome(scopes: &[Scope], surface: Surface, window: Window, limit: usize) -> Outcome {
    let limit = NonZeroUsize::new(limit).unwrap();
    let mut planner = Planner::new(&Protocol, surface, window, limit);
    'scopes: for (key, case, items) in scopes {
        if planner.scope(*key, *case).is_none() {
            continue;
        }
        for (item, standing) in items {
            if planner.item(item, *standing) == Appetite::Full {
                break 'scopes;
            }
        }
    }
    planner.finish()
}

fn page(scopes: &[Scope], surface: Surface, window: Window, limit: usize) -> Page {
    match outcome(scopes, surface, window, limit) {
        Outcome::Page(page) => page,
        Outcome::GoOn(progress) => panic!("{progress:?}"),
    }
}

#[test]
fn a_page_that_holds_all_that_is_left_is_the_last_even_when_it_is_full() {
    let items = vec![(item(11, true), Standing::Visible)];
    let scopes = [(scope(1), ScopeCase::Changed, items)];
    let page = page(&scopes, Surface::Rows, window(10, 20), 1);
    assert_eq!(page.entries.len(), 1);
    assert!(!page.has_more);
    assert_eq!(page.next, Progress::Done(seq(20)));
}

#[test]
fn an_empty_page_inside_a_pull_goes_on_where_it_would_not_be_heeded() {
    let position = Some(Position {
        scope: scope(2),
        seq: seq(11),
        row: row(1),
    });
    let within = Window {
        position,
        ..window(10, 20)
    };
    assert_eq!(
        outcome(&[], Surface::Rows, within, 5),
        Outcome::GoOn(Progress::Done(seq(20)))
    );
    assert!(!page(&[], Surface::Whole, within, 5).has_more);
    assert!(!page(&[], Surface::Rows, window(10, 20), 5).has_more);
}

#[test]
fn a_page_may_be_cut_once_something_is_on_it() {
    let limit = NonZeroUsize::new(9).unwrap();
    let cut = |surface, items: u64| {
        let mut planner = Planner::new(&Protocol, surface, window(10, 20), limit);
        planner.scope(scope(1), ScopeCase::Changed);
        for at in 0..items {
            let item = Item {
                row: row(at),
                ..item(11 + at, true)
            };
            planner.item(&item, Standing::Visible);
        }
        planner.cut();
        match planner.finish() {
            Outcome::Page(page) => (page.entries.len(), page.has_more),
            Outcome::GoOn(progress) => panic!("{progress:?}"),
        }
    };
    assert_eq!(cut(Surface::Whole, 2), (2, true));
    assert_eq!(cut(Surface::Whole, 0), (0, false));
    assert_eq!(cut(Surface::Rows, 2), (2, false));
}

fn cases() -> impl Strategy<Value = ScopeCase> {
    prop_oneof![
        Just(ScopeCase::Quiet),
        Just(ScopeCase::Changed),
        (1_u64..20, proptest::option::of(1_u64..20))
            .prop_map(|(entered, before)| gained(entered, before)),
        (11_u64..20).prop_map(|left| ScopeCase::Lost(seq(left))),
        Just(ScopeCase::Echo),
    ]
}

fn surfaces() -> impl Strategy<Value = Surface> {
    prop_oneof![Just(Surface::Rows), Just(Surface::Whole)]
}

fn standings() -> impl Strategy<Value = Standing> {
    prop_oneof![
        3 => Just(Standing::Visible),
        1 => Just(Standing::Deleted),
        1 => Just(Standing::Elsewhere),
    ]
}

prop_compose! {
    fn items()(at in 1_u64..25, added in 1_u64..25, number in 0_u64..30, live in any::<bool>(), standing in standings()) -> (Item, Standing) {
        let item = Item { seq: seq(at), added: seq(added.min(at)), row: row(number), live };
        (item, standing)
    }
}

fn scopes() -> impl Strategy<Value = Vec<Scope>> {
    let one = (cases(), proptest::collection::vec(items(), 0..8));
    proptest::collection::vec(one, 0..6).prop_map(|scopes| {
        let numbered = (0_u8..).zip(scopes);
        let scopes = numbered.map(|(number, (case, mut items))| {
            items.sort_by_key(|(item, _)| (item.seq, item.row));
            (scope(number), case, items)
        });
        scopes.collect()
    })
}

proptest! {
    #[test]
    fn nothing_is_told_out_of_bounds(surface in surfaces(), case in cases(), since in 0_u64..20, (item, standing) in items()) {
        let window = window(since, 20);
        if emission(&Protocol, surface, &window, case, &item, standing).is_some() {
            prop_assert!(case.bounds(&Protocol, &window).contain(item.seq));
        }
    }

    #[test]
    fn only_rows_in_sight_are_shown_and_only_rows_out_of_sight_removed(surface in surfaces(), case in cases(), since in 0_u64..20, (item, standing) in items()) {
        match emission(&Protocol, surface, &window(since, 20), case, &item, standing) {
            Some(Emission::Document) => prop_assert_eq!(standing, Standing::Visible),
            Some(Emission::Tombstone(_)) => {
                let is_lost = matches!(case, ScopeCase::Lost(_)) && item.live;
                prop_assert!(is_lost || standing != Standing::Visible);
            }
            None => {}
        }
    }

    /// Pages of any size, put together, say what one page without bound says, each scope's event once.
    #[test]
    fn pages_put_together_are_the_whole(scopes in scopes(), since in 0_u64..11, limit in 1_usize..5, surface in surfaces()) {
        let whole = page(&scopes, surface, window(since, 20), 1_000);
        prop_assert!(!whole.has_more);
        let mut entries = Vec::new();
        let mut events = Vec::new();
        let mut at = window(since, 20);
        loop {
            let page = page(&scopes, surface, at, limit);
            prop_assert_eq!(page.watermark, seq(20));
            let named: BTreeSet<RowKey> = page.entries.iter().map(|entry| entry.row).collect();
            prop_assert_eq!(named.len(), page.entries.len());
            entries.extend(page.entries.iter().copied());
            events.extend(page.events);
            match page.next {
                Progress::Done(done) => {
                    prop_assert!(!page.has_more);
                    prop_assert_eq!(done, seq(20));
                    break;
                }
                Progress::Within(window) => {
                    prop_assert!(page.has_more);
                    prop_assert_eq!(page.entries.len(), limit);
                    prop_assert_eq!((window.since, window.until), (at.since, at.until));
                    at = window;
                }
            }
        }
        prop_assert_eq!(events, whole.events);
        // A row told through two scopes comes once on one page and may come again on the next.
        let mut named = BTreeSet::new();
        entries.retain(|entry| named.insert(entry.row));
        prop_assert_eq!(entries, whole.entries);
    }
}
