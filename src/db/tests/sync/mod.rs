//! What phones are told by, tried from inside: which rows put what in the line of changes, who is told of which
//! clients, and what a pull reads.

mod looks;
mod measure;
mod positions;
mod sight;
mod told;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU32;

use entity::{
    DeviceId, ScopeKind, SyncCollection, client_member, client_tag, contact, order_line,
    stream_scope, sync_issue, sync_item,
};
use migration::{Migrator, MigratorTrait};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};

use super::*;
use crate::db::LockedClient;
use crate::db::sync::{Place, Stretch, SyncItem, SyncScope, tables};

/// All documents of a scope that are kept: what kind, which row, where, whether there is something to hold.
async fn items(ground: &Ground, scope: Uuid) -> Vec<sync_item::Model> {
    sync_item::Entity::find()
        .filter(sync_item::Column::ScopeId.eq(scope))
        .all(&ground.outside().await)
        .await
        .unwrap()
}

async fn clock(ground: &Ground) -> i64 {
    ground.ask("SELECT seq AS answer FROM sync_clock").await
}

/// The clients that somebody is told of.
async fn told(ground: &Ground, user: UserId) -> BTreeSet<ClientId> {
    stream_scope::Entity::find()
        .filter(stream_scope::Column::UserId.eq(user))
        .filter(stream_scope::Column::LeftSeq.is_null())
        .all(&ground.outside().await)
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.scope_id)
        .collect()
}

async fn scope_of(ground: &Ground, user: UserId, client: ClientId) -> stream_scope::Model {
    stream_scope::Entity::find_by_id((user, client))
        .one(&ground.outside().await)
        .await
        .unwrap()
        .unwrap()
}

/// Signs a user in with a device that comes.
async fn phone(ground: &Ground, user: UserId) -> Session {
    let session = session(ground, user).await;
    come(&session, DeviceId(Uuid::now_v7())).await;
    session
}

async fn come(session: &Session, device: DeviceId) {
    session
        .write(move |tx| async move { tx.check_in(device, Some(1)).await })
        .await
        .unwrap();
}

/// Does something with a client that is held.
async fn on_client<T, F>(session: &Session, id: ClientId, work: fn(Tx, LockedClient) -> F) -> T
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    session
        .write(move |tx| async move {
            let client = tx.lock_client(id).await?;
            work(tx, client).await
        })
        .await
        .unwrap()
}

fn all_kinds() -> BTreeSet<SyncCollection> {
    <SyncCollection as sea_orm::Iterable>::iter().collect()
}

/// What a phone reads of a scope after a place.
async fn read(
    phone: &Session,
    scope: SyncScope,
    after: Place,
    until: Option<i64>,
    limit: u64,
) -> Vec<SyncItem> {
    let all = all_kinds();
    let stretch = Stretch {
        scope,
        after,
        until,
    };
    let found = phone.sync_items(&[stretch], &all, limit).await.unwrap();
    found
        .into_iter()
        .map(|(of, item)| {
            assert_eq!(of, scope);
            item
        })
        .collect()
}

fn issue(tx: &Tx, user: UserId) -> sync_issue::ActiveModel {
    sync_issue::ActiveModel {
        id: Set(tx.new_id()),
        user_id: Set(user),
        collection: Set(SyncCollection::Notes),
        row_id: Set(Uuid::now_v7()),
        code: Set("notes.too_long".to_owned()),
        message: Set("too long".to_owned()),
        payload: Set(sea_orm::JsonValue::Bool(true)),
        version: Set(1),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
        ..Default::default()
    }
}

fn contact_row(tx: &Tx) -> contact::ActiveModel {
    contact::ActiveModel {
        id: Set(tx.new_id()),
        name: Set("Somebody".to_owned()),
        name_sort: Set("somebody".to_owned()),
        search_text: Set("somebody".to_owned()),
        is_key: Set(false),
        roles: Set(contact::ContactRoles(Vec::new())),
        points: Set(contact::ContactPoints(Vec::new())),
        version: Set(1),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
        ..Default::default()
    }
}

fn share(tx: &Tx, user: UserId, by: UserId, days: Option<i64>) -> client_member::ActiveModel {
    client_member::ActiveModel {
        id: Set(tx.new_id()),
        user_id: Set(user),
        role: Set(None),
        expires_at: Set(days.map(|days| tx.now() + TimeDelta::days(days))),
        note: Set(None),
        granted_by_id: Set(by),
        version: Set(1),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
        ..Default::default()
    }
}

on_both!(
    every_table_says_how_phones_hold_it,
    2,
    async |ground: Ground| {
        // What no viewer reaches, and so has no line of its own.
        let apart = [
            ("credentials", "hashes of passwords"),
            ("sign_in_failures", "tries to sign in"),
            ("settings", "read by the service alone"),
            ("idempotent_answers", "answers kept to be given again"),
            ("password_resets", "codes for new passwords"),
            ("token_cutoffs", "since when tokens of providers count"),
            ("sync_clock", "the line itself"),
            ("sync_scopes", "the line itself"),
            ("sync_streams", "the line itself"),
            ("stream_scopes", "the line itself"),
            ("sync_items", "the line itself"),
            ("sync_horizons", "the line itself"),
            ("op_ledger", "what devices sent"),
            ("device_echoes", "what devices sent"),
        ];
        let mut listed: Vec<String> = tables().into_iter().map(|(table, _)| table).collect();
        listed.extend(apart.iter().map(|(table, _)| (*table).to_owned()));
        listed.sort();
        let system = ground.system();
        let mut there: Vec<String> = system
            .at_one_moment(async |session| {
                let steps = session.steps_run().await?;
                session.table_shapes(&steps).await
            })
            .await
            .unwrap()
            .into_iter()
            .map(|table| table.name)
            .collect();
        there.sort();
        assert_eq!(listed, there);
        assert!(tables().iter().all(|(_, held)| !held.is_empty()));
        // The step that puts old rows in the line knows the same kinds, under the same numbers.
        let known = ground
            .ask("SELECT count(*) AS answer FROM sync_horizons")
            .await;
        let all: Vec<SyncCollection> = <SyncCollection as sea_orm::Iterable>::iter().collect();
        assert_eq!(known, i64::try_from(all.len()).unwrap());
        let horizons = system.sync_horizons().await.unwrap();
        assert!(all.iter().all(|one| horizons.get(one) == Some(&0)));
    }
);

on_both!(
    rows_and_their_parts_stand_where_they_were_last_written,
    2,
    async |ground: Ground| {
        let system = ground.system();
        let ann = user(&system, UserRole::Rep, None).await;
        let id = client(&system, Some(ann)).await;
        let start = clock(&ground).await;
        // A part counts for its whole.
        on_client(&system, id, |tx, client| async move {
            let tag = client_tag::ActiveModel {
                tag: Set("vip".to_owned()),
                ..Default::default()
            };
            tx.insert_under::<client_tag::Entity>(&client, tag).await
        })
        .await;
        let row = |collection, row, added_seq, seq, live| sync_item::Model {
            scope_id: id.0,
            collection,
            row_id: row,
            seq,
            added_seq,
            live,
        };
        let whole = row(SyncCollection::Clients, id.0, start, start + 1, true);
        assert_eq!(items(&ground, id.0).await, std::slice::from_ref(&whole));
        on_client(&system, id, |tx, client| async move {
            tx.delete_under::<client_tag::Entity>(&client, Condition::all())
                .await
        })
        .await;
        let whole = sync_item::Model {
            seq: start + 2,
            ..whole
        };
        assert_eq!(items(&ground, id.0).await, std::slice::from_ref(&whole));
        // Several rows of one unit have one position; what is put away is dead, and lives when it is brought back.
        let contact = on_client(&system, id, |tx, client| async move {
            let made = tx
                .insert_under::<contact::Entity>(&client, contact_row(&tx))
                .await?;
            let change = contact::ActiveModel {
                archived_at: Set(Some(tx.now())),
                ..Default::default()
            };
            tx.update::<contact::Entity>(&made, None, change).await
        })
        .await;
        let mut found = items(&ground, id.0).await;
        found.sort_by_key(|item| item.collection);
        let of_contact =
            |seq, live| row(SyncCollection::Contacts, contact.id.0, start + 3, seq, live);
        let away = of_contact(start + 3, false);
        assert_eq!(found, [whole.clone(), away]);
        on_client(&system, id, |tx, client| async move {
            let rows = tx
                .select::<contact::Entity>()
                .filter(contact::Column::ClientId.eq(client.id));
            let row = rows.all().await?.remove(0);
            let change = contact::ActiveModel {
                archived_at: Set(None),
                ..Default::default()
            };
            tx.update::<contact::Entity>(&row, None, change).await
        })
        .await;
        let found = items(&ground, id.0).await;
        let back = of_contact(start + 4, true);
        assert!(found.contains(&back), "{found:?}");
        // Moved to another client, it is dead where it was.
        let other = client(&system, Some(ann)).await;
        let contact_id = contact.id;
        system
            .write(move |tx| async move {
                tx.lock_clients(&[id, other]).await?;
                let row = tx.select::<contact::Entity>().id(contact_id).get().await?;
                let change = contact::ActiveModel {
                    client_id: Set(other),
                    ..Default::default()
                };
                tx.update::<contact::Entity>(&row, None, change).await
            })
            .await
            .unwrap();
        let seq = clock(&ground).await;
        let dead = of_contact(seq, false);
        assert!(items(&ground, id.0).await.contains(&dead));
        let live = sync_item::Model {
            scope_id: other.0,
            added_seq: seq,
            live: true,
            ..dead
        };
        assert!(items(&ground, other.0).await.contains(&live));
        // What is gone for good leaves a trace.
        on_client(&system, other, |tx, client| async move {
            tx.delete_under::<contact::Entity>(&client, Condition::all())
                .await
        })
        .await;
        let gone = sync_item::Model {
            live: false,
            seq: seq + 1,
            ..live
        };
        assert!(items(&ground, other.0).await.contains(&gone));
    }
);

on_both!(
    an_order_is_one_document_with_its_lines,
    2,
    async |ground: Ground| {
        let system = ground.system();
        let ann = user(&system, UserRole::Rep, None).await;
        let id = client(&system, Some(ann)).await;
        let thing = product(&system, 5, true).await;
        let made = system
            .write(move |tx| async move {
                let client = tx.lock_client(id).await?;
                let row = order_row(&tx, id, ann, OrderStatus::Draft, day("2026-01-01"), 100);
                let order = tx.insert_under::<order::Entity>(&client, row).await?;
                let line = order_line::ActiveModel {
                    id: Set(tx.new_id()),
                    order_id: Set(order.id),
                    line_number: Set(1),
                    product_id: Set(thing),
                    product_name: Set("A thing".to_owned()),
                    sku: Set("T".to_owned()),
                    unit: Set("box".to_owned()),
                    quantity: Set(1),
                    unit_price_minor: Set(100),
                    discount_bp: Set(0),
                    net_minor: Set(100),
                    returned_quantity: Set(0),
                    ..Default::default()
                };
                tx.insert_under::<order_line::Entity>(&client, line).await?;
                tx.refresh_stats(&client).await?;
                Ok(order.id)
            })
            .await
            .unwrap();
        let of_order = async || {
            let found = items(&ground, id.0).await;
            let mut orders = found
                .iter()
                .filter(|item| item.collection == SyncCollection::Orders);
            let one = orders.next().unwrap().clone();
            assert!(orders.next().is_none());
            assert_eq!((one.row_id, one.live), (made.0, true));
            one.seq
        };
        let seq = clock(&ground).await;
        assert_eq!(of_order().await, seq);
        on_client(&system, id, |tx, client| async move {
            let rows = tx.select::<order_line::Entity>().all().await?;
            let change = order_line::ActiveModel {
                returned_quantity: Set(1),
                ..Default::default()
            };
            let _ = client;
            tx.amend::<order_line::Entity>(&rows[0], change).await
        })
        .await;
        assert_eq!(of_order().await, seq + 1);
        on_client(&system, id, |tx, client| async move {
            tx.delete_under::<order_line::Entity>(&client, Condition::all())
                .await
        })
        .await;
        assert_eq!(of_order().await, seq + 2);
        // Figures that come out as they were are no change.
        on_client(&system, id, |tx, client| async move {
            tx.refresh_stats(&client).await
        })
        .await;
        assert_eq!(clock(&ground).await, seq + 2);
    }
);

on_both!(
    what_touches_no_document_takes_no_clock,
    2,
    async |ground: Ground| {
        let system = ground.system();
        let ann = user(&system, UserRole::Rep, None).await;
        let before = clock(&ground).await;
        let _ = session(&ground, ann).await;
        let failed: Result<()> = system
            .write(move |tx| async move {
                tx.insert::<client::Entity>(client_row(&tx, ClientId(Uuid::now_v7()), None))
                    .await?;
                Err(crate::Error::bug("on purpose"))
            })
            .await;
        assert!(failed.is_err());
        assert_eq!(clock(&ground).await, before);
        let stock = product(&system, 5, true).await;
        let after = clock(&ground).await;
        assert_eq!(after, before + 1);
        system
            .write(move |tx| async move {
                let change = crate::db::StockChange {
                    product_id: stock,
                    on_hand: 1,
                    reserved: 0,
                };
                tx.change_stock(&[change], None, None, None).await
            })
            .await
            .unwrap();
        assert_eq!(clock(&ground).await, after);
    }
);

on_both!(a_pull_finds_its_way, 4, async |ground: Ground| {
    let system = ground.system();
    let ann = user(&system, UserRole::Rep, None).await;
    let ben = user(&system, UserRole::Rep, None).await;
    let id = client(&system, Some(ann)).await;
    let phone_of_ann = phone(&ground, ann).await;
    let from = phone_of_ann.sync_position().await.unwrap();
    assert!(
        phone_of_ann
            .sync_heads(from.seq, &all_kinds(), None)
            .await
            .unwrap()
            .is_empty()
    );
    let thing = product(&system, 5, true).await;
    for _ in 0..3 {
        on_client(&system, id, |tx, client| async move {
            tx.insert_under::<contact::Entity>(&client, contact_row(&tx))
                .await
        })
        .await;
    }
    system
        .write(move |tx| async move { tx.insert::<sync_issue::Entity>(issue(&tx, ann)).await })
        .await
        .unwrap();
    let heads = phone_of_ann
        .sync_heads(from.seq, &all_kinds(), None)
        .await
        .unwrap();
    let scopes: Vec<SyncScope> = heads.iter().map(|head| head.scope).collect();
    assert_eq!(
        scopes,
        [
            SyncScope::User(ann),
            SyncScope::Client(id),
            SyncScope::Catalogue
        ]
    );
    let whole = read(
        &phone_of_ann,
        SyncScope::Client(id),
        Place::default(),
        None,
        100,
    )
    .await;
    assert_eq!(whole.len(), 4);
    assert!(whole.is_sorted_by_key(SyncItem::place));
    // Page by page it is the same.
    let (mut after, mut paged) = (Place::default(), Vec::new());
    loop {
        let page = read(&phone_of_ann, SyncScope::Client(id), after, None, 1).await;
        let Some(last) = page.last() else {
            break;
        };
        after = last.place();
        paged.extend(page);
    }
    assert_eq!(paged, whole);
    let until = read(
        &phone_of_ann,
        SyncScope::Client(id),
        Place::default(),
        Some(whole[1].seq),
        100,
    )
    .await;
    assert_eq!(until, whole[..2]);
    let things = read(
        &phone_of_ann,
        SyncScope::Catalogue,
        Place::default(),
        None,
        100,
    )
    .await;
    assert_eq!(things.len(), 1);
    assert_eq!(
        (things[0].collection, things[0].row_id),
        (SyncCollection::Products, thing.0)
    );
    // The scopes of others are empty.
    let phone_of_ben = phone(&ground, ben).await;
    for scope in [SyncScope::Client(id), SyncScope::User(ann)] {
        let found = read(&phone_of_ben, scope, Place::default(), None, 100).await;
        assert!(found.is_empty());
    }
    let heads = phone_of_ben
        .sync_heads(0, &all_kinds(), None)
        .await
        .unwrap();
    assert!(
        heads
            .iter()
            .all(|head| head.scope.kind() != ScopeKind::Client)
    );
    assert_eq!(heads.len(), 2);
    // A client whose id is that of a user is another scope.
    let twin = ClientId(ann.0);
    system
        .write(move |tx| async move {
            tx.insert::<client::Entity>(client_row(&tx, twin, Some(ann)))
                .await
        })
        .await
        .unwrap();
    let own = read(
        &phone_of_ann,
        SyncScope::User(ann),
        Place::default(),
        None,
        100,
    )
    .await;
    assert!(
        own.iter()
            .all(|item| item.collection.scope_kind() == ScopeKind::User)
    );
    assert_eq!(own.len(), 2);
    let twins = read(
        &phone_of_ann,
        SyncScope::Client(twin),
        Place::default(),
        None,
        100,
    )
    .await;
    assert_eq!(twins.len(), 1);
});

on_both!(
    a_write_takes_few_statements_more,
    4,
    async |ground: Ground| {
        let system = ground.system();
        let ann = user(&system, UserRole::Rep, None).await;
        let ben = user(&system, UserRole::Rep, None).await;
        let id = client(&system, Some(ann)).await;
        phone(&ground, ann).await;
        let viewer = session(&ground, ann).await.viewer().clone();
        let count = Arc::new(AtomicU32::new(0));
        let counted = ground.database.session(viewer, Arc::clone(&count));
        let took = || count.swap(0, std::sync::atomic::Ordering::SeqCst);
        // The lock, the insert; the clock; the document and who holds it.
        on_client(&counted, id, |tx, client| async move {
            tx.insert_under::<contact::Entity>(&client, contact_row(&tx))
                .await
        })
        .await;
        let added = if ground.is_postgres() { 2 } else { 3 };
        assert_eq!(took(), 2 + added);
        // Who sees it changes, too: compared in one statement, or in two.
        counted
            .write(move |tx| async move {
                let client = tx.lock_client(id).await?;
                let row = share(&tx, ben, ann, None);
                tx.insert_under::<client_member::Entity>(&client, row).await
            })
            .await
            .unwrap();
        // No document was touched.
        let added = if ground.is_postgres() { 2 } else { 3 };
        assert_eq!(took(), 2 + added);
        counted
            .write(move |tx| async move {
                let made = client_row(&tx, ClientId(Uuid::now_v7()), Some(ann));
                tx.insert::<client::Entity>(made).await
            })
            .await
            .unwrap();
        // On SQLite with a look for what belongs to it.
        let added = if ground.is_postgres() { 3 } else { 6 };
        // The insert, and the look whether its maker sees it.
        assert_eq!(took(), 2 + added);
        // A hundred rows take no more.
        on_client(&counted, id, |tx, client| async move {
            let rows = (0..100).map(|_| contact_row(&tx)).collect();
            tx.insert_all_under::<contact::Entity>(&client, rows).await
        })
        .await;
        let added = if ground.is_postgres() { 2 } else { 3 };
        assert_eq!(took(), 2 + added);
    }
);

on_both!(
    what_is_there_already_is_put_in_the_line,
    2,
    async |ground: Ground| {
        let system = ground.system();
        let ann = user(&system, UserRole::Rep, None).await;
        let id = client(&system, Some(ann)).await;
        product(&system, 1, true).await;
        for is_away in [false, true] {
            system
                .write(move |tx| async move {
                    let client = tx.lock_client(id).await?;
                    let row = contact::ActiveModel {
                        archived_at: Set(is_away.then(|| tx.now())),
                        ..contact_row(&tx)
                    };
                    tx.insert_under::<contact::Entity>(&client, row).await?;
                    let row = order_row(&tx, id, ann, OrderStatus::Draft, day("2026-01-01"), 1);
                    tx.insert_under::<order::Entity>(&client, row).await
                })
                .await
                .unwrap();
        }
        let outside = ground.outside().await;
        let kept = async || {
            let rows = sync_item::Entity::find().all(&outside).await.unwrap();
            let rows = rows
                .into_iter()
                .map(|row| (row.scope_id, row.collection, row.row_id, row.live));
            let scopes = entity::sync_scope::Entity::find()
                .all(&outside)
                .await
                .unwrap();
            let scopes = scopes
                .into_iter()
                .map(|row| (row.kind, row.id, row.is_broadcast));
            (
                rows.collect::<BTreeSet<_>>(),
                scopes.collect::<BTreeSet<_>>(),
            )
        };
        let (items, scopes) = kept().await;
        assert_eq!((items.len(), scopes.len()), (7, 2));
        let before = system.sync_position().await.unwrap();
        let steps = Migrator::migrations();
        let later = steps
            .iter()
            .rev()
            .take_while(|step| step.name() != "m0040_sync");
        let back = u32::try_from(later.count() + 1).unwrap();
        Migrator::down(&outside, Some(back)).await.unwrap();
        Migrator::up(&outside, None).await.unwrap();
        assert_eq!(kept().await, (items, scopes));
        let after = system.sync_position().await.unwrap();
        assert_eq!(after.seq, 1);
        assert_ne!(after.epoch, before.epoch);
        let places = "SELECT count(*) AS answer FROM sync_items WHERE seq <> 1";
        assert_eq!(ground.ask(places).await, 0);
    }
);
