//! Pushes of phones, of every kind of document: done once per key and told to phones, as mutations are; and whatever
//! makes no sense in them is an answer, never an error of the service.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use super::cases::PUSHES;
use super::dump::{Dump, difference};
use super::faults::{absurd, complete, places};
use super::line::{Line, begin_anew};
use super::schema::Schema;
use super::world::World;
use crate::orders::mutate;
use crate::support::{App, Person};

/// What is asked of `syncPush`.
const RESULTS: &str = "results { opId status id version seq conflict { reason fields serverVersion server { __typename } } \
    error { code message fields } } watermark";

/// A push that is wholly done.
struct Push {
    mutation: &'static str,
    query: String,
    variables: Value,
}

/// The kind of document that a field of a pushed operation holds.
const KINDS: [&str; 6] = ["client", "contact", "address", "note", "order", "payment"];

fn new_id(kind: &str) -> String {
    format!("{kind}_{}", Uuid::now_v7())
}

/// What a push of rows is named, and what its rows are.
fn rows_of(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "client" => ("pushClients", "ClientPushRow"),
        "contact" => ("pushContacts", "ContactPushRow"),
        "address" => ("pushAddresses", "AddressPushRow"),
        "note" => ("pushNotes", "NotePushRow"),
        "order" => ("pushOrders", "OrderPushRow"),
        "payment" => ("pushPayments", "PaymentPushRow"),
        other => panic!("no such kind: {other}"),
    }
}

/// A new document of each kind, under a client of Ann's and an order of it that was approved.
struct Made {
    client: String,
    order: String,
    product: String,
}

impl Made {
    async fn by(world: &World) -> Self {
        let ann = &world.team.ann;
        let client = world.app.client_of(ann, "Pushed under").await;
        let product = world.public.product.to_string();
        let lines = json!([{ "productId": product, "quantity": 1 }]);
        let order = json!({ "clientId": client, "lines": lines, "submit": true });
        let order = mutate(&world.app, ann, "orderCreate", order).await.ok();
        let order = order.text("/orderCreate/order/id").to_owned();
        Self {
            client,
            order,
            product,
        }
    }

    fn document(&self, kind: &str) -> Value {
        let money = json!({ "amount": "0.01", "currency": "EUR" });
        match kind {
            "client" => json!({ "kind": "ORGANIZATION", "currency": "EUR", "name": "Pushed" }),
            "contact" => json!({ "clientId": self.client, "name": "Pushed" }),
            "address" => json!({ "clientId": self.client, "kind": "BILLING", "city": "Berlin" }),
            "note" => json!({ "clientId": self.client, "body": "Pushed" }),
            "order" => {
                let lines = json!([{ "productId": self.product, "quantity": 1 }]);
                json!({ "clientId": self.client, "lines": lines })
            }
            _ => json!({ "orderId": self.order, "amount": money, "method": "CASH" }),
        }
    }

    fn row(&self, kind: &str) -> Value {
        let mut document = self.document(kind);
        document["id"] = json!(new_id(kind));
        document["deleted"] = json!(false);
        document
    }

    /// One push by each mutation.
    fn all(&self) -> Vec<Push> {
        let op = |seq: usize, kind: &str| {
            json!({ "opId": Uuid::now_v7().to_string(), "opSeq": seq + 1, "kind": "CREATE",
                "id": new_id(kind), kind: self.document(kind) })
        };
        let ops: Vec<Value> = KINDS
            .iter()
            .enumerate()
            .map(|(at, kind)| op(at, kind))
            .collect();
        let input = json!({ "deviceId": new_id("device"), "ops": ops });
        let query = format!(
            "mutation($input: SyncPushInput!) {{ syncPush(input: $input) {{ {RESULTS} }} }}"
        );
        let mut all = vec![Push {
            mutation: "syncPush",
            query,
            variables: json!({ "input": input }),
        }];
        all.extend(KINDS.iter().map(|kind| {
            let (mutation, ty) = rows_of(kind);
            Push {
                mutation,
                query: query_of(kind),
                variables: json!({ "rows": [{ "newDocumentState": self.row(kind) }] }),
            }
            .checked(ty)
        }));
        all
    }
}

impl Push {
    fn checked(self, ty: &str) -> Self {
        assert!(self.query.contains(ty));
        self
    }
}

fn query_of(kind: &str) -> String {
    let (mutation, ty) = rows_of(kind);
    format!("mutation($rows: [{ty}!]!) {{ {mutation}(rows: $rows) {{ id version deleted }} }}")
}

on_both!(
    every_push_is_done_once_and_told_to_phones,
    async |app: App| {
        let world = World::build(app).await;
        let made = Made::by(&world).await;
        begin_anew(&world.app, &world.db, &world.viewers()).await;
        let ann = &world.team.ann;
        let all = made.all();
        let tried: Vec<&str> = all.iter().map(|push| push.mutation).collect();
        assert_eq!(tried, PUSHES, "every push has its case");
        let (mut wrong, mut told) = (Vec::new(), 0);
        for Push {
            mutation,
            query,
            variables,
        } in &all
        {
            let send = async |who: &Person| {
                crate::idempotency::send(&world.app, &who.token, mutation, query, variables.clone())
                    .await
            };
            let now = world.app.server().clock.now();
            let before = Line::read(&world.db, now).await;
            let first = send(ann).await;
            let after = Line::read(&world.db, now).await;
            let faults = after
                .faults()
                .into_iter()
                .chain(after.missed_since(&before));
            wrong.extend(faults.map(|fault| format!("{mutation}: {fault}")));
            told += after.size_since(&before).0;
            let is_done = match first.errors() {
                [] if *mutation == "syncPush" => first
                    .list("/syncPush/results")
                    .iter()
                    .all(|result| result["status"] == "APPLIED"),
                [] => first.list(&format!("/{mutation}")).is_empty(),
                _ => false,
            };
            if !is_done {
                wrong.push(format!("{mutation} fails: {first}"));
            }
            let dump = Dump::of(&world.db).await;
            let there = dump.take(&world.db).await;
            let second = send(ann).await;
            if second.json["data"] != first.json["data"] {
                wrong.push(format!("{mutation} is answered {first} and then {second}"));
            }
            let changes = difference(&there, &dump.take(&world.db).await);
            if !changes.is_empty() {
                wrong.push(format!("{mutation} is done again:\n{changes}"));
            }
            // The same of the rep at the next desk, under a key of his own, makes nothing of hers his.
            let before = Line::read(&world.db, now).await;
            let his = send(&world.team.ben).await;
            let after = Line::read(&world.db, now).await;
            wrong.extend(
                after
                    .faults()
                    .into_iter()
                    .map(|fault| format!("{mutation}: {fault}")),
            );
            let is_untouched = after.size_since(&before).0 <= KINDS.len();
            if !is_untouched || his.to_string().contains("APPLIED") {
                wrong.push(format!("{mutation} of a stranger: {his}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(told >= 2 * KINDS.len(), "{told} documents");
    }
);

on_both!(
    whatever_makes_no_sense_in_a_push_is_an_answer,
    async |app: App| {
        let world = World::build(app).await;
        let schema = Schema::of(&world.app, &world.team.admin).await;
        let made = Made::by(&world).await;
        let ann = &world.team.ann;
        let device = new_id("device");
        let (mut wrong, mut tried, mut refused, mut seq) = (BTreeSet::new(), 0, 0, 0);
        let mut judge = |what: String, answer: &crate::support::Answer| {
            tried += 1;
            let text = answer.to_string();
            refused += usize::from(text.contains("BAD_USER_INPUT"));
            let is_told = answer.errors().is_empty() || answer.code(0) == "BAD_USER_INPUT";
            if !is_told || text.contains("INTERNAL") {
                wrong.insert(format!("{what}: {answer:.900}"));
            }
        };
        for place in places(&schema, &schema.get("SyncPushInput").inputs) {
            let named = place.path.get(2).map(String::as_str).unwrap_or_default();
            let kind = KINDS.into_iter().find(|kind| {
                named.eq_ignore_ascii_case(kind)
                    || named.eq_ignore_ascii_case(&format!("base{kind}"))
            });
            let kind = kind.unwrap_or("contact");
            for value in absurd(&place.ty) {
                for does in ["CREATE", "UPDATE"] {
                    seq += 1;
                    let op = json!({ "opId": Uuid::now_v7().to_string(), "opSeq": seq, "kind": does,
                        "id": new_id(kind), kind: made.document(kind) });
                    let mut input = json!({ "deviceId": device, "ops": [op] });
                    complete(&schema, &place, &mut input, "SyncPushInput");
                    place.put(&mut input, &value);
                    let query = format!(
                        "mutation($input: SyncPushInput!) {{ syncPush(input: $input) {{ {RESULTS} }} }}"
                    );
                    let variables = json!({ "input": input });
                    let answer = world.app.gql(&ann.token, &query, variables).await;
                    judge(format!("{does} {}: {value:.40}", place.field()), &answer);
                }
            }
        }
        for kind in KINDS {
            let (mutation, ty) = rows_of(kind);
            for place in places(&schema, &schema.get(ty).inputs) {
                for value in absurd(&place.ty) {
                    let mut row = json!({ "newDocumentState": made.row(kind) });
                    if place.path[0] == "assumedMasterState" {
                        row["assumedMasterState"] = row["newDocumentState"].clone();
                    }
                    complete(&schema, &place, &mut row, ty);
                    place.put(&mut row, &value);
                    let variables = json!({ "rows": [row] });
                    let answer = world.app.gql(&ann.token, &query_of(kind), variables).await;
                    judge(
                        format!("{mutation} {}: {value:.40}", place.field()),
                        &answer,
                    );
                }
            }
        }
        println!("{tried} values, {refused} refused as wrong input");
        assert!(tried > 300 && refused > 50, "{refused} of {tried}");
        let listed: Vec<&str> = wrong.iter().map(String::as_str).take(40).collect();
        assert!(
            wrong.is_empty(),
            "{} of {tried}:\n{}",
            wrong.len(),
            listed.join("\n")
        );
        // What she typed and nobody could keep comes to her phones, and to no other rep's.
        let hers = crate::pulls::whole(&world.app, ann).await;
        assert!(hers.keys().any(|id| id.starts_with("sync_issue_")));
        let his = crate::pulls::whole(&world.app, &world.team.ben).await;
        assert!(!his.keys().any(|id| id.starts_with("sync_issue_")));
    }
);
