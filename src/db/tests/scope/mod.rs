//! The policy, door by door: whoever is out of sight of a row gets nothing of it, whichever function of
//! this layer they call, even with the row itself in hand; whoever may not write a table is refused.
//!
//! Every table with a rule stands in one of the lists below: a test demands that.

mod people;
mod rows;
mod together;

use std::sync::atomic::{AtomicU32, Ordering};

use entity::{
    address, client_member, client_stats, client_tag, contact, handover, handover_client, note,
    order_event, order_line, order_return, order_return_line, payment, product_category,
    service_account, service_key, stock_movement, sync_device, sync_issue, tier, tier_assignment,
    tier_scheme, user_identity, user_reach,
};
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityName, EntityTrait, IntoSimpleExpr, Iterable, ModelTrait,
    PrimaryKeyToColumn,
};

use self::rows::Scene;
use super::*;
use crate::db::{
    Asked, Children, Keyed, LockedClient, PageRequest, Scoped, Sort, UnderClient, Versioned,
    Visible, Writers,
};
use crate::error::Code;

/// Runs a check on each of some tables.
macro_rules! each {
    ($check:ident $given:tt: $($table:ident)*) => {
        $($check::<$table::Entity> $given.await;)*
    };
}
use each;

/// Runs a check on every table of a client's subtree.
macro_rules! each_of_a_subtree {
    ($check:ident $given:tt) => {
        each!($check $given: client_tag client_member client_stats address note contact order
            order_line order_event order_return order_return_line payment tier_assignment handover_client)
    };
}

/// As [`each_of_a_subtree`], only those whose rows have ids.
macro_rules! each_with_an_id {
    ($check:ident $given:tt) => {
        each!($check $given: client_member address note contact order order_line order_event
            order_return order_return_line payment tier_assignment)
    };
}

/// As [`each_of_a_subtree`], only those whose rows count their writes.
macro_rules! each_with_versions {
    ($check:ident $given:tt) => {
        each!($check $given: client_member address note contact order payment)
    };
}

/// Tables that everybody reads.
const OPEN: [&str; 7] = [
    "user",
    "user_reach",
    "product_category",
    "product",
    "stock_level",
    "tier_scheme",
    "tier",
];

/// Tables that only some read.
const CLOSED: [&str; 23] = [
    "session",
    "sync_device",
    "sync_issue",
    "service_account",
    "service_key",
    "user_identity",
    "client",
    "client_tag",
    "client_member",
    "client_stats",
    "address",
    "note",
    "contact",
    "order",
    "order_line",
    "order_event",
    "order_return",
    "order_return_line",
    "payment",
    "tier_assignment",
    "stock_movement",
    "handover",
    "handover_client",
];

/// The tables with a rule, read off the policy.
fn tables() -> Vec<String> {
    let policy = include_str!("../../scope.rs");
    let (_, lines) = policy.split_once("use Rule::").unwrap();
    let calls = lines.split("scoped!(").skip(1);
    calls
        .map(|call| call.split(',').next().unwrap().trim().to_owned())
        .collect()
}

#[test]
fn every_table_of_the_policy_is_tried() {
    let mut known: Vec<&str> = OPEN.iter().chain(&CLOSED).copied().collect();
    let mut tables = tables();
    known.sort_unstable();
    tables.sort_unstable();
    assert_eq!(
        tables, known,
        "a table without a trial, or a trial without a table"
    );
}

fn table<E: EntityName>() -> &'static str {
    E::default().table_name()
}

/// A row without any column.
fn empty<E: EntityTrait>() -> E::ActiveModel {
    ActiveModelTrait::default()
}

fn this<E: EntityTrait>(row: &E::Model) -> Condition {
    E::PrimaryKey::iter()
        .map(PrimaryKeyToColumn::into_column)
        .fold(Condition::all(), |all, column| {
            all.add(column.eq(row.get(column)))
        })
}

/// What a viewer who sees no row hears when they write one.
fn refusal<E: Scoped>(viewer: &Session) -> Code {
    let viewer = viewer.viewer();
    let may_write = match E::WRITERS {
        Writers::Viewers => true,
        Writers::Managers => viewer.is_manager(),
        Writers::Admins => viewer.is_admin(),
    };
    if may_write {
        Code::NotFound
    } else {
        Code::Forbidden
    }
}

#[track_caller]
fn assert_refused<T>(outcome: Result<T>, code: Code, what: &str) {
    match outcome {
        Ok(_) => panic!("{what} works"),
        Err(error) => assert_eq!(error.code(), code, "{what}: {error:?}"),
    }
}

/// The rows that `seer` sees: some.
async fn seen<E: Scoped>(seer: &Session) -> Vec<Visible<E::Model>> {
    let rows = seer.select::<E>().all().await.unwrap();
    assert!(!rows.is_empty(), "the scene has no row of {}", table::<E>());
    rows
}

/// A name for an edge that no other trial uses: siblings keep what was loaded under a name.
fn edge() -> &'static str {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    Box::leak(format!("edge {}", NEXT.fetch_add(1, Ordering::Relaxed)).into_boxed_str())
}

/// Reads and deletes of what only `seer` sees.
async fn hidden<E: Scoped>(seer: &Session, stranger: &Session) {
    let name = table::<E>();
    for row in seen::<E>(seer).await {
        let this = this::<E>(&row);
        let select = || stranger.select::<E>().filter(this.clone());
        assert!(select().all().await.unwrap().is_empty(), "all of {name}");
        assert!(select().find().await.unwrap().is_none(), "find of {name}");
        assert_eq!(select().count(9).await.unwrap(), 0, "count of {name}");
        // A filter that asks for more gives no more.
        let widened = Condition::any().add(this.clone()).add(Expr::val(1).eq(1));
        let found = stranger
            .select::<E>()
            .filter(widened)
            .filter(this.clone())
            .all()
            .await;
        assert!(found.unwrap().is_empty(), "a wide filter of {name}");
        let deleted = stranger
            .write(move |tx| {
                let this = this.clone();
                async move { tx.delete_rows::<E>(this).await }
            })
            .await;
        assert_eq!(deleted.unwrap(), 0, "deleted from {name}");
    }
}

/// Reads by id, locks and changes of what only `seer` sees.
async fn untouched<E: Keyed>(seer: &Session, stranger: &Session) {
    let name = table::<E>();
    let sort = Sort::ascending(Vec::new());
    let request = PageRequest::first(9, "a test");
    for row in seen::<E>(seer).await {
        let id = E::id(&row);
        let page = stranger.select::<E>().id(id).page(&sort, &request).await;
        assert!(page.unwrap().edges.is_empty(), "page of {name}");
        let one = stranger
            .one_of::<E, E::Model, _>(&row, edge(), |row| Some(E::id(row)))
            .await;
        assert!(one.unwrap().is_none(), "edge to {name}");
        let locked = stranger
            .write(move |tx| async move { tx.lock::<E>(id).await.map(drop) })
            .await;
        assert_refused(locked, Code::NotFound, &format!("lock of {name}"));
        let mut changes = empty::<E>();
        changes.set(E::ID, id.into());
        let amended = stranger
            .write(move |tx| {
                let (row, changes) = (row.clone(), changes.clone());
                async move { tx.amend::<E>(&row, changes).await.map(drop) }
            })
            .await;
        assert_refused(amended, refusal::<E>(stranger), &format!("amending {name}"));
    }
}

/// Updates and repeated creates of what only `seer` sees.
async fn unchanged<E: Versioned>(seer: &Session, stranger: &Session) {
    let name = table::<E>();
    for row in seen::<E>(seer).await {
        let id = E::id(&row);
        let mut equal = empty::<E>();
        equal.set(E::ID, id.into());
        let updated = stranger
            .write(move |tx| {
                let row = row.clone();
                async move { tx.update::<E>(&row, None, empty::<E>()).await.map(drop) }
            })
            .await;
        assert_refused(updated, refusal::<E>(stranger), &format!("updating {name}"));
        let repeated = stranger
            .write(move |tx| {
                let equal = equal.clone();
                async move { Ok(tx.existing::<E>(Some(id), &equal).await?.is_some()) }
            })
            .await;
        assert!(!repeated.unwrap(), "a repeated create tells of {name}");
    }
}

/// Edges from a client that only `seer` sees to what is under it.
async fn unreached<E: UnderClient>(seer: &Session, stranger: &Session) {
    let name = table::<E>();
    for client in seen::<client::Entity>(seer).await {
        let children = || Children {
            parent: E::CLIENT_ID,
            select: stranger.select::<E>(),
        };
        let own = |client: &client::Model| client.id.0;
        let count = stranger.count_of(&client, edge(), own, children()).await;
        assert_eq!(count.unwrap(), 0, "count of {name}");
        let all = stranger
            .all_of(&client, edge(), own, children, |row| E::client_id(row).0)
            .await;
        assert!(all.unwrap().is_empty(), "edge to {name}");
    }
}

/// As [`unreached`], page by page.
async fn unpaged<E: UnderClient + Keyed>(seer: &Session, stranger: &Session) {
    let sort = Sort::ascending(Vec::new());
    let request = PageRequest::first(9, "a test");
    for client in seen::<client::Entity>(seer).await {
        let alone = stranger.select::<E>();
        // Lists that are sorted by the columns of another table are read another way.
        let theirs = (client::Entity, client::Column::Id);
        let of_client = Expr::col(theirs).eq(E::CLIENT_ID.into_simple_expr());
        let joined = stranger.select::<E>().join("clients", of_client);
        for select in [alone, joined] {
            let children = Children {
                parent: E::CLIENT_ID,
                select,
            };
            let own = |client: &client::Model| client.id.0;
            let asked = Asked::new(children, sort.clone(), request.clone());
            let pages = stranger
                .pages_of(&client, edge(), "", own, async { Ok(asked) })
                .await;
            let page = pages.unwrap().page(client.id.0);
            assert!(page.edges.is_empty(), "pages of {}", table::<E>());
        }
    }
}

/// That `viewer`, who reads the table, writes no row of it.
async fn barred<E: Keyed>(viewer: &Session) {
    let name = table::<E>();
    let inserted = viewer
        .write(|tx| async move { tx.insert::<E>(empty::<E>()).await.map(drop) })
        .await;
    assert_refused(inserted, Code::Forbidden, &format!("inserting {name}"));
    for row in seen::<E>(viewer).await {
        let mut changes = empty::<E>();
        changes.set(E::ID, E::id(&row).into());
        let amended = viewer
            .write(move |tx| {
                let (row, changes) = (row.clone(), changes.clone());
                async move { tx.amend::<E>(&row, changes).await.map(drop) }
            })
            .await;
        assert_refused(amended, Code::Forbidden, &format!("amending {name}"));
    }
}

/// As [`barred`], for rows that count their writes.
async fn frozen<E: Versioned>(viewer: &Session) {
    for row in seen::<E>(viewer).await {
        let updated = viewer
            .write(move |tx| {
                let row = row.clone();
                async move { tx.update::<E>(&row, None, empty::<E>()).await.map(drop) }
            })
            .await;
        assert_refused(
            updated,
            Code::Forbidden,
            &format!("updating {}", table::<E>()),
        );
    }
}

on_both!(
    nothing_of_a_client_reaches_who_is_out_of_sight,
    4,
    async |ground: Ground| {
        let scene = Scene::build(&ground).await;
        let ann = &scene.ann;
        for stranger in &scene.strangers {
            each!(hidden(ann, stranger): client handover);
            each!(untouched(ann, stranger): client handover);
            each!(unchanged(ann, stranger): client);
            each_of_a_subtree!(hidden(ann, stranger));
            each_of_a_subtree!(unreached(ann, stranger));
            each_with_an_id!(untouched(ann, stranger));
            each_with_an_id!(unpaged(ann, stranger));
            each_with_versions!(unchanged(ann, stranger));
        }
        // All of it is there still, for whoever sees it.
        for seer in [ann, &scene.left, &scene.admin, &scene.sharing] {
            for _ in seen::<client::Entity>(seer).await {}
        }
        for seer in [ann, &scene.left, &scene.admin] {
            each_of_a_subtree!(seen(seer));
            each!(seen(seer): handover);
        }
    }
);

on_both!(
    what_lets_people_and_programs_in_is_for_administrators,
    4,
    async |ground: Ground| {
        let scene = Scene::build(&ground).await;
        let others = scene.strangers.iter().chain([&scene.left, &scene.sharing]);
        for stranger in others.clone().chain([&scene.ann]) {
            each!(hidden(&scene.admin, stranger): service_account service_key);
            each!(untouched(&scene.admin, stranger): service_account service_key);
        }
        for stranger in others {
            each!(hidden(&scene.ann, stranger): user_identity);
            each!(untouched(&scene.ann, stranger): user_identity);
        }
        let others = scene.strangers.iter().chain([&scene.left, &scene.sharing]);
        for stranger in others {
            each!(hidden(&scene.ann, stranger): sync_device sync_issue);
            each!(untouched(&scene.ann, stranger): sync_device sync_issue);
            each!(unchanged(&scene.ann, stranger): sync_issue);
        }
        // One's own is read, not written.
        each!(barred(&scene.ann): user_identity);
        each!(seen(&scene.admin): user_identity);
    }
);

on_both!(
    the_catalogue_is_read_by_all_and_written_by_few,
    4,
    async |ground: Ground| {
        let scene = Scene::build(&ground).await;
        let rep = &scene.ann;
        each!(barred(rep): user product_category product tier_scheme tier handover);
        each!(frozen(rep): user product_category product tier_scheme tier);
        for viewer in [rep, &scene.left] {
            each!(seen(viewer): user_reach stock_level);
            each!(barred(viewer): user);
            each!(frozen(viewer): user);
        }
        // What managers read, reps do not.
        each!(hidden(&scene.left, rep): stock_movement);
        each!(untouched(&scene.left, rep): stock_movement);
        for (viewer, who) in [(rep, "a rep"), (&scene.left, "a manager")] {
            let outcome = viewer
                .write(|tx| async move {
                    tx.insert::<user_reach::Entity>(empty::<user_reach::Entity>())
                        .await
                        .map(drop)
                })
                .await;
            assert_refused(outcome, Code::Forbidden, &format!("{who} writes the tree"));
        }
        for outcome in [
            rep.write(|tx| async move {
                tx.insert::<stock_level::Entity>(empty::<stock_level::Entity>())
                    .await
                    .map(drop)
            })
            .await,
            rep.write(|tx| async move {
                tx.insert::<stock_movement::Entity>(empty::<stock_movement::Entity>())
                    .await
                    .map(drop)
            })
            .await,
            rep.write(|tx| async move {
                tx.insert::<handover_client::Entity>(empty::<handover_client::Entity>())
                    .await
                    .map(drop)
            })
            .await,
            rep.write(|tx| async move { tx.refresh_stats_in_schemes(None, None).await.map(drop) })
                .await,
        ] {
            assert_refused(outcome, Code::Forbidden, "a write that is for managers");
        }
    }
);

on_both!(
    a_client_that_is_held_takes_only_what_is_its_own,
    4,
    async |ground: Ground| {
        let scene = Scene::build(&ground).await;
        let system = ground.system();
        let (held, other) = (scene.anns, client(&system, Some(scene.ann_id)).await);
        let ann = session(&ground, scene.ann_id).await;
        let tag = |client: ClientId, tag: &str| client_tag::ActiveModel {
            client_id: Set(client),
            tag: Set(tag.to_owned()),
        };
        ann.write(move |tx| async move {
            let first = tx.lock_client(held).await?;
            let second = tx.lock_client(other).await?;
            tx.insert_under::<client_tag::Entity>(&second, tag(other, "kept"))
                .await?;
            // The client that the row names does not count.
            let row = tx
                .insert_under::<client_tag::Entity>(&first, tag(other, "mine"))
                .await?;
            assert_eq!(row.client_id, held);
            let row = client_tag::ActiveModel {
                tag: Set("across".to_owned()),
                ..tag(other, "")
            };
            let across = tx
                .insert_across::<client_tag::Entity>(&[first], vec![row])
                .await;
            assert_refused(across, Code::Internal, "a row of a client that is not held");
            Ok(())
        })
        .await
        .unwrap();
        let gone = ann
            .write(move |tx| async move {
                let first = tx.lock_client(held).await?;
                tx.delete_under::<client_tag::Entity>(&first, Condition::all())
                    .await
            })
            .await
            .unwrap();
        assert_eq!(gone, 2);
        let left = ann.select::<client_tag::Entity>().all().await.unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].client_id, other);
        // Hand-overs are for managers, also under a client that a rep holds.
        for outcome in [
            ann.write(move |tx| async move {
                let client = tx.lock_client(held).await?;
                let all = Condition::all();
                tx.delete_under::<handover_client::Entity>(&client, all)
                    .await
                    .map(drop)
            })
            .await,
            ann.write(move |tx| async move {
                let client = tx.lock_client(held).await?;
                let row = empty::<handover_client::Entity>();
                tx.insert_under::<handover_client::Entity>(&client, row)
                    .await
                    .map(drop)
            })
            .await,
        ] {
            assert_refused(outcome, Code::Forbidden, "a rep writes a hand-over");
        }
    }
);

on_both!(
    who_got_hold_of_a_held_client_by_another_hand_changes_nothing,
    4,
    async |ground: Ground| {
        let scene = Scene::build(&ground).await;
        let (anns, ben) = (scene.anns, scene.ben_id);
        let held: Vec<LockedClient> = ground
            .system()
            .write(move |tx| async move { tx.lock_clients(&[anns]).await })
            .await
            .unwrap();
        assert_eq!(held.len(), 1);
        for stranger in &scene.strangers {
            let clients = held.clone();
            let taken = stranger
                .write(move |tx| {
                    let clients = clients.clone();
                    async move { tx.change_owner(&clients, ben).await }
                })
                .await;
            assert_refused(taken, Code::Conflict, "taking a client over");
            let (clients, member) = (held.clone(), scene.member_id);
            stranger
                .write(move |tx| {
                    let clients = clients.clone();
                    async move { tx.leave_teams(&clients, member).await }
                })
                .await
                .unwrap();
            let owed = stranger
                .receivable_by_currency(Condition::all())
                .await
                .unwrap();
            assert!(
                owed.iter().all(|(currency, _)| currency != "CHF"),
                "{owed:?}"
            );
        }
        let owed = scene
            .ann
            .receivable_by_currency(Condition::all())
            .await
            .unwrap();
        assert_eq!(owed, [("CHF".to_owned(), 0)]);
        assert_eq!(seen::<client_member::Entity>(&scene.ann).await.len(), 2);
        assert_eq!(scene.owner_of(anns).await, Some(scene.ann_id));
    }
);
