//! What subscriptions tell. Each field of `Subscription` is told of everything there is, whoever should have heard
//! of it: what comes out holds what the viewer sees, all of it, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_graphql::Request;
use async_graphql::futures_util::StreamExt;
use clientele::live::{Happening, MAX_CLIENTS_AT_ONCE, Placed, Touch};
use entity::{ClientId, EntityId, OrderId, order};
use sea_orm::EntityTrait;
use serde_json::Value;

use super::schema::Schema;
use super::world::World;
use crate::support::{App, Person};

/// What is selected of an event, by field: as much as there is.
fn selections() -> BTreeMap<&'static str, &'static str> {
    let client = "id name owner { id name } team { user { id } } contacts(first: 5) { nodes { id name } } \
        notes(first: 5) { nodes { id body } } orders(first: 5) { nodes { id number } } parent { id name }";
    let order = "id number note client { id name } lines { id productName } events(first: 5) { nodes { id note } } \
        reorderOf { id number }";
    [
        (
            "clientChanged",
            format!("{{ ids isResync clients {{ {client} }} }}"),
        ),
        ("orderPlaced", format!("{{ isResync order {{ {order} }} }}")),
        ("syncPoke", String::new()),
        (
            "syncLive",
            "{ watermark collections scopesChanged wipe isResync }".to_owned(),
        ),
    ]
    .map(|(field, selection)| (field, &*selection.leak()))
    .into()
}

/// What the subscription `field` tells `viewer` of each of `happenings`.
async fn told(world: &World, viewer: &Person, field: &str, happenings: &[Happening]) -> Vec<Value> {
    let database = &world.app.server().database;
    let query = format!("subscription {{ {field} {} }}", selections()[field]);
    let schema = clientele::graphql::schema();
    let mut told = Vec::new();
    for happening in happenings {
        let asking = database.viewer(viewer.id, viewer.session).await.unwrap();
        let session = database.session(asking, Arc::default());
        let request = Request::new(&query).data(session).data(happening.clone());
        let answers: Vec<_> = schema.execute_stream(request).collect().await;
        for answer in answers {
            let errors = answer.errors;
            assert!(errors.is_empty(), "{field} as {}: {errors:?}", viewer.name);
            told.push(answer.data.into_json().unwrap());
        }
    }
    told
}

/// Whether these are names of collections, and so no ids.
fn is_list_of_names(said: &Value) -> bool {
    let is_name = |name: &str| {
        name.bytes()
            .all(|letter| letter.is_ascii_uppercase() || letter == b'_')
    };
    let mut list = said.as_array().into_iter().flatten();
    said.is_array() && list.all(|name| name.as_str().is_some_and(is_name))
}

on_both!(an_event_holds_nothing_of_others, async |app: App| {
    let world = World::build(app).await;
    let schema = Schema::of(&world.app, &world.team.admin).await;
    let fields: BTreeSet<&str> = schema
        .get("Subscription")
        .fields
        .iter()
        .map(|field| &*field.name)
        .collect();
    let known: BTreeSet<&str> = selections().into_keys().collect();
    assert_eq!(fields, known, "each subscription needs its case here");
    let orders = order::Entity::find().all(&world.db).await.unwrap();
    let placed: Vec<Happening> = orders
        .iter()
        .map(|order| {
            Happening::Placed(Placed {
                client: order.client_id,
                order: order.id,
            })
        })
        .collect();
    let changed: Vec<Happening> = world
        .clients
        .chunks(MAX_CLIENTS_AT_ONCE)
        .map(|some| Happening::Clients(some.iter().copied().collect()))
        .collect();
    let everybody: BTreeSet<ClientId> = world.clients.iter().copied().collect();
    let audience = world
        .app
        .server()
        .database
        .audience(&everybody)
        .await
        .unwrap();
    let mut some_hidden = false;
    for viewer in world.viewers() {
        let (mut seen, hidden) = world.split(viewer.id, "client");
        seen.sort();
        some_hidden |= !hidden.is_empty();
        let answers = told(&world, viewer, "clientChanged", &changed).await;
        let mut ids: Vec<String> = Vec::new();
        for answer in &answers {
            let event = &answer["clientChanged"];
            ids.extend(crate::live::socket::texts(&event["ids"]));
            assert_eq!(
                event["ids"].as_array().unwrap().len(),
                event["clients"].as_array().unwrap().len()
            );
        }
        ids.sort();
        assert_eq!(ids, seen, "clients told to {}", viewer.name);
        // Who sees a client is among those who are told of it.
        for id in &seen {
            let id: ClientId = id.parse().unwrap();
            assert!(
                audience.contains(&(id, viewer.id)),
                "{} hears nothing of {id}",
                viewer.name
            );
        }
        let (mut seen, _) = world.split(viewer.id, "order");
        seen.sort();
        let answers_of_orders = told(&world, viewer, "orderPlaced", &placed).await;
        let orders = answers_of_orders.iter().map(|answer| {
            answer["orderPlaced"]["order"]["id"]
                .as_str()
                .unwrap()
                .to_owned()
        });
        let mut ids: Vec<String> = orders.collect();
        ids.sort();
        assert_eq!(ids, seen, "orders told to {}", viewer.name);
        for answer in answers.iter().chain(&answers_of_orders) {
            assert_eq!(
                world.leaks_of(viewer.id, answer),
                BTreeSet::new(),
                "to {}",
                viewer.name
            );
        }
        // Phones are told where to look, and of no document.
        let pokes = [
            Happening::Missed,
            Happening::Poke {
                touch: Touch::of_other_clients(),
                seq: Some(7),
            },
        ];
        for answer in told(&world, viewer, "syncPoke", &pokes).await {
            assert_eq!(answer["syncPoke"], "RESYNC");
        }
        for answer in told(&world, viewer, "syncLive", &pokes).await {
            let fields = answer["syncLive"].as_object().unwrap();
            assert!(
                fields
                    .values()
                    .all(|said| { said.is_boolean() || said.is_u64() || is_list_of_names(said) })
            );
            assert_eq!(world.leaks_of(viewer.id, &answer), BTreeSet::new());
        }
        // What is not there is nobody's.
        let none = Happening::Placed(Placed {
            client: ClientId::from_uuid(uuid::Uuid::now_v7()),
            order: OrderId::from_uuid(uuid::Uuid::now_v7()),
        });
        assert!(
            told(&world, viewer, "orderPlaced", &[none])
                .await
                .is_empty()
        );
    }
    assert!(some_hidden);
});
