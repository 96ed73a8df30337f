//! What changes between the moment at which somebody is let in and the look that a page is made by: that look decides.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{SecondsFormat, TimeDelta};
use clientele::clock::Clock;
use clientele::db::{Confidential, Database, DatabaseConfig, Session};
use clientele::domain::pulls::{self, From, Page, Pull, Shelf};
use clientele::sync::plan::{Emission, Surface};
use entity::{ClientId, SyncCollection, client, note};
use futures_util::future::BoxFuture;
use sea_orm::ColumnTrait;
use serde_json::json;
use uuid::Uuid;

use super::{Phone, act, contact, hand_over, note as write_note, whole};
use crate::support::{App, Person};

/// Clients and notes as pages bring them: whether what they may owe was shown.
#[derive(Default)]
struct Seen {
    rows: BTreeMap<Uuid, bool>,
}

impl Shelf for Seen {
    fn fetch<'a>(
        &'a mut self,
        session: &'a Session,
        collection: SyncCollection,
        rows: &'a [Uuid],
        _: bool,
    ) -> BoxFuture<'a, clientele::error::Result<HashMap<Uuid, usize>>> {
        Box::pin(async move {
            let rows = rows.iter().copied();
            let found: Vec<(Uuid, bool)> = if collection == SyncCollection::Clients {
                let named = client::Column::Id.is_in(rows);
                let mut found = Vec::new();
                for row in session
                    .select::<client::Entity>()
                    .filter(named)
                    .all()
                    .await?
                {
                    let shows = session.sees(Confidential::Credit, row.owner_id).await?;
                    found.push((row.id.0, shows));
                }
                found
            } else {
                let named = note::Column::Id.is_in(rows);
                let found = session.select::<note::Entity>().filter(named).all().await?;
                found.iter().map(|row| (row.id.0, true)).collect()
            };
            self.rows.extend(found.iter().copied());
            Ok(found.iter().map(|(id, _)| (*id, 1)).collect())
        })
    }
}

/// Somebody as they were when they were let in.
async fn let_in(app: &App, who: &Person) -> Session {
    let database = &app.server().database;
    let viewer = database.viewer(who.id, who.session).await.unwrap();
    database.session(viewer, Arc::default())
}

/// Pulls clients and notes as `who`, to the end of a pull: its last page, what was read, and what was told of each row.
async fn pull(who: &Session, from: From) -> (Page, Seen, BTreeMap<Uuid, Emission>) {
    let mut seen = Seen::default();
    let pull = Pull {
        device: None,
        schema_version: None,
        surface: Surface::Whole,
        collections: BTreeSet::from([SyncCollection::Clients, SyncCollection::Notes]),
        from,
        limit: 500,
    };
    let page = pulls::page(who, &pull, &mut seen).await.unwrap();
    assert!(!page.has_more);
    let told = page.lines.iter().map(|line| (line.row, line.emission));
    let told = told.collect();
    (page, seen, told)
}

fn row(client: &str) -> Uuid {
    client.parse::<ClientId>().unwrap().0
}

on_both!(
    who_is_let_in_to_a_client_meanwhile_gets_it,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds").await;
        write_note(&app, &team.ann, &client, "something").await;
        let own = app.client_of(&team.ben, "Ben's").await;
        let (first, _, told) = pull(&let_in(&app, &team.ben).await, From::Nothing).await;
        assert_eq!(told.keys().copied().collect::<Vec<_>>(), [row(&own)]);
        let early = let_in(&app, &team.ben).await;
        let share = json!({ "clientId": client, "userId": team.ben.id() });
        act(
            &app,
            &team.ann,
            "clientMemberAdd",
            "ClientMemberAddInput",
            share,
            "__typename",
        )
        .await;
        let (page, seen, told) = pull(&early, From::Token(first.token)).await;
        assert_eq!(page.events.len(), 1);
        assert_eq!((told.len(), seen.rows.len()), (2, 2), "{told:?}");
        assert!(
            told.values().all(|told| *told == Emission::Document),
            "{told:?}"
        );
        assert!(told.contains_key(&row(&client)));
    }
);

on_both!(who_keeps_the_pool_no_longer_loses_it, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds").await;
    let bens = app.client_of(&team.ben, "Ben's").await;
    write_note(&app, &team.ann, &client, "something").await;
    let keeper = json!({ "id": team.right.id(), "version": 1, "isPoolKeeper": true });
    act(
        &app,
        &team.admin,
        "userUpdate",
        "UserUpdateInput",
        keeper,
        "__typename",
    )
    .await;
    app.server()
        .database
        .as_system("a client goes to the pool")
        .write({
            let id: ClientId = client.parse().unwrap();
            move |tx| async move {
                let held = tx.lock_client(id).await?;
                let pool = client::ActiveModel {
                    owner_id: sea_orm::ActiveValue::Set(None),
                    ..Default::default()
                };
                tx.update::<client::Entity>(&held, None, pool).await
            }
        })
        .await
        .unwrap();
    let (first, _, told) = pull(&let_in(&app, &team.right).await, From::Nothing).await;
    assert_eq!(told.len(), 2);
    let early = let_in(&app, &team.right).await;
    let keeper = json!({ "id": team.right.id(), "version": 2, "isPoolKeeper": false });
    act(
        &app,
        &team.admin,
        "userUpdate",
        "UserUpdateInput",
        keeper,
        "__typename",
    )
    .await;
    let (_, seen, told) = pull(&early, From::Token(first.token)).await;
    assert!(seen.rows.is_empty(), "{:?}", seen.rows);
    let gone = |told: &Emission| matches!(told, Emission::Tombstone(_));
    assert!(told.len() == 2 && told.values().all(gone), "{told:?}");
    assert!(!told.contains_key(&row(&bens)));
});

on_both!(
    what_is_confidential_meanwhile_is_not_shown,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds").await;
        let bens = app.client_of(&team.ben, "Ben's").await;
        let (first, seen, _) = pull(&let_in(&app, &team.ann).await, From::Nothing).await;
        assert_eq!(seen.rows, BTreeMap::from([(row(&client), true)]));
        let early = let_in(&app, &team.ann).await;
        let policy = json!({ "group": "CREDIT", "audience": "ADMINS" });
        act(
            &app,
            &team.admin,
            "confidentialitySet",
            "ConfidentialitySetInput",
            policy,
            "__typename",
        )
        .await;
        let (page, seen, _) = pull(&early, From::Token(first.token)).await;
        assert!(page.replaces);
        assert_eq!(seen.rows, BTreeMap::from([(row(&client), false)]));
        // And shown again to who became administrator.
        let early = let_in(&app, &team.ann).await;
        let role = json!({ "id": team.ann.id(), "version": 1, "role": "ADMIN" });
        act(
            &app,
            &team.admin,
            "userUpdate",
            "UserUpdateInput",
            role,
            "__typename",
        )
        .await;
        let (_, seen, _) = pull(&early, From::Token(page.token)).await;
        let all = BTreeMap::from([(row(&client), true), (row(&bens), true)]);
        assert_eq!(seen.rows, all);
    }
);

on_both!(who_left_meanwhile_is_shown_nothing, async |app: App| {
    let team = app.team().await;
    app.client_of(&team.cleo, "Cleo's").await;
    let (first, ..) = pull(&let_in(&app, &team.cleo).await, From::Nothing).await;
    let early = let_in(&app, &team.cleo).await;
    app.client_of(&team.cleo, "Another").await;
    let input = json!({ "id": team.cleo.id(), "version": 1 });
    act(
        &app,
        &team.admin,
        "userDeactivate",
        "UserVersionInput",
        input,
        "__typename",
    )
    .await;
    let pull = Pull {
        device: None,
        schema_version: None,
        surface: Surface::Whole,
        collections: BTreeSet::from([SyncCollection::Clients, SyncCollection::Notes]),
        from: From::Token(first.token),
        limit: 500,
    };
    let refused = pulls::page(&early, &pull, &mut Seen::default()).await;
    assert_eq!(
        refused.unwrap_err().code(),
        clientele::Code::Unauthenticated
    );
});

/// Another process over the same database, whose clock is ahead.
async fn ahead(app: &App, by: TimeDelta) -> Database {
    let clock = Clock::default();
    clock.advance(by);
    let config = DatabaseConfig::new(app.database_url(), [7; 32]);
    Database::connect(&config, clock).await.unwrap()
}

on_both!(
    a_share_that_is_over_to_another_process_is_over,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds").await;
        contact(&app, &team.ann, &client, "Maria").await;
        let own = app.client_of(&team.ben, "Ben's").await;
        let end = app.server().clock.now() + TimeDelta::hours(1);
        let share = json!({ "clientId": client, "userIds": [team.ben.id()],
        "expiresAt": end.to_rfc3339_opts(SecondsFormat::Micros, true) });
        act(
            &app,
            &team.ann,
            "clientShare",
            "ClientShareInput",
            share,
            "__typename",
        )
        .await;
        let mut ben = Phone::of(&team.ben, 50);
        ben.pull(&app).await;
        assert!(ben.held.contains_key(&client));
        let other = ahead(&app, TimeDelta::hours(2)).await;
        clientele::jobs::sync::sweep(&other).await.unwrap();
        // By the clock here it lives on; it is not mentioned again.
        ben.pull(&app).await;
        assert_eq!(ben.ids("client"), BTreeSet::from([own]));
        assert!(ben.ids("contact").is_empty());
        // Whoever sees it still has it, and it comes back with the next share.
        let left = whole(&app, &team.left).await;
        assert!(left.contains_key(&client));
        hand_over(&app, &team.left, &client, &team.ben).await;
        ben.pull(&app).await;
        assert_eq!(ben.held, whole(&app, &team.ben).await);
        assert_eq!(ben.ids("client").len(), 2);
    }
);
