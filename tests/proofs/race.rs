//! Many at once for the last of something: the last units of a product, the last of a client's credit.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::service::{Backend, Caller, Outcome, Place};
use crate::shop::{self, Shop, new_order};
use crate::{Random, on_both, rounds};

/// How many ask at once.
const RACERS: usize = 32;

fn order(client: &str, product: &str, units: u64) -> Value {
    json!({ "id": new_order(), "clientId": client, "submit": true,
        "lines": [{ "productId": product, "quantity": units }] })
}

/// Sends all at once, each by a task of its own.
async fn all_at_once(orders: Vec<(Caller, Value)>) -> Vec<Outcome> {
    let barrier = Arc::new(tokio::sync::Barrier::new(orders.len()));
    let tasks = orders.into_iter().map(|(caller, order)| {
        let barrier = Arc::clone(&barrier);
        tokio::spawn(async move {
            barrier.wait().await;
            shop::send(&caller, order).await
        })
    });
    let outcomes = join_all(tasks).await;
    outcomes.into_iter().map(Result::unwrap).collect()
}

on_both!(
    the_last_units_are_promised_once,
    async |backend: Backend| {
        let place = Place::new(backend).await;
        let shop = Shop::open(&place, 1).await;
        let service = place.start().await;
        let admin = service.caller(&shop.admin);
        let mut random = Random::new(11);
        for _ in 0..rounds(6) {
            let units = 1 + random.below(40);
            let product = shop::product(&admin, i64::try_from(units).unwrap()).await;
            let asked: Vec<u64> = (0..RACERS).map(|_| 1 + random.below(3)).collect();
            let orders = asked.iter().enumerate().map(|(at, units)| {
                let rep = &shop.reps[at % 2];
                (
                    service.caller(&rep.token),
                    order(&rep.client, &product, *units),
                )
            });
            let mut promised = 0;
            for (units, outcome) in asked.iter().zip(all_at_once(orders.collect()).await) {
                match outcome {
                    Outcome::Data(_) => promised += units,
                    refused => assert_eq!(refused.code(), "RULE_VIOLATED", "{refused:?}"),
                }
            }
            let (on_hand, reserved) = shop::levels(&admin, &product).await;
            assert_eq!(on_hand, i64::try_from(units).unwrap());
            assert_eq!(reserved, i64::try_from(promised).unwrap());
            assert!(reserved <= on_hand, "{reserved} promised of {on_hand}");
            // All racers together ask for enough, and whoever asks for one unit gets it while there is one.
            let least = asked.iter().sum::<u64>().min(units.saturating_sub(2));
            assert!(
                promised >= least,
                "{promised} promised of {units}, though more was asked"
            );
        }
    }
);

on_both!(the_last_credit_is_given_once, async |backend: Backend| {
    let place = Place::new(backend).await;
    let shop = Shop::open(&place, 1_000_000).await;
    let service = place.start().await;
    let admin = service.caller(&shop.admin);
    let mut random = Random::new(13);
    for _ in 0..rounds(6) {
        // Between one and forty units of credit, at EUR 2.50 each.
        let units = 1 + random.below(40);
        let cents = units * 250;
        let limit =
            json!({ "amount": format!("{}.{:02}", cents / 100, cents % 100), "currency": "EUR" });
        let mut clients = Vec::new();
        for rep in &shop.reps {
            let caller = service.caller(&rep.token);
            let client = shop::client(&caller).await;
            let query = "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { id } } }";
            let input = json!({ "id": client, "version": 1, "profile": { "creditLimit": limit } });
            admin.ask(query, json!({ "input": input })).await.data();
            clients.push((caller, client));
        }
        let asked: Vec<u64> = (0..RACERS).map(|_| 1 + random.below(5)).collect();
        let orders = asked.iter().enumerate().map(|(at, units)| {
            let (caller, client) = &clients[at % 2];
            (caller.clone(), order(client, &shop.product, *units))
        });
        let (mut given, mut waiting) = ([0, 0], [false, false]);
        for (at, outcome) in all_at_once(orders.collect()).await.into_iter().enumerate() {
            let data = outcome.data();
            let order = &data["orderCreate"]["order"];
            match order["status"].as_str().unwrap() {
                "APPROVED" => given[at % 2] += asked[at],
                "SUBMITTED" => {
                    waiting[at % 2] = true;
                    assert_eq!(order["approvalReasons"], json!(["CREDIT_LIMIT"]));
                }
                other => panic!("{other}"),
            }
        }
        for (at, (caller, client)) in clients.iter().enumerate() {
            let given = given[at];
            assert!(given <= units, "{given} given of {units}");
            // Nobody asks for more than five, so no more than four can be left over.
            assert!(
                !waiting[at] || given + 4 >= units,
                "{given} given of {units}"
            );
            let query = "query($id: ID!) { client(id: $id) { stats { receivable { amount } } } }";
            let data = caller.ask(query, json!({ "id": client })).await.data();
            let cents = given * 250;
            let owed = format!("{}.{:02}", cents / 100, cents % 100);
            assert_eq!(data["client"]["stats"]["receivable"]["amount"], owed);
        }
    }
});

on_both!(
    approvals_do_not_pass_the_limit_unseen,
    async |backend: Backend| {
        /// Orders that wait for a manager because of their discount.
        const WAITING: usize = 8;
        const APPROVE: &str = "mutation($input: OrderApproveInput!) { orderApprove(input: $input) { order { status } } }";
        const WAIT: &str = "mutation($input: OrderCreateInput!) { orderCreate(input: $input) { order { id version status approvalReasons } } }";
        let place = Place::new(backend).await;
        let shop = Shop::open(&place, 100_000_000).await;
        let service = place.start().await;
        let admin = service.caller(&shop.admin);
        let rep = service.caller(&shop.reps[0].token);
        let mut random = Random::new(19);
        for _ in 0..rounds(3) {
            let units = 10 + random.below(30);
            let cents = units * 250;
            let client = shop::client(&rep).await;
            let limit = format!("{}.{:02}", cents / 100, cents % 100);
            let query = "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { id } } }";
            let input = json!({ "id": client, "version": 1,
                "profile": { "creditLimit": { "amount": limit, "currency": "EUR" } } });
            admin.ask(query, json!({ "input": input })).await.data();
            let mut approvals = Vec::new();
            for _ in 0..WAITING {
                // EUR 1.25 a unit.
                let input = json!({ "id": new_order(), "clientId": client, "submit": true,
                    "lines": [{ "productId": shop.product, "quantity": 2, "discountBp": 5_000 }] });
                let made = rep.ask(WAIT, json!({ "input": input })).await.data();
                let order = &made["orderCreate"]["order"];
                assert_eq!(order["approvalReasons"], json!(["DISCOUNT"]));
                approvals.push(json!({ "id": order["id"], "version": order["version"] }));
            }
            let barrier = Arc::new(tokio::sync::Barrier::new(RACERS));
            let approving = approvals.into_iter().map(|input| {
                let (admin, barrier) = (admin.clone(), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    match admin.ask(APPROVE, json!({ "input": input })).await {
                        Outcome::Data(data) => {
                            assert_eq!(data["orderApprove"]["order"]["status"], "APPROVED");
                            250
                        }
                        refused => {
                            assert_eq!(refused.rule(), "orders.reasons_changed", "{refused:?}");
                            0
                        }
                    }
                })
            });
            let ordering = (WAITING..RACERS).map(|_| {
                let (rep, barrier) = (rep.clone(), Arc::clone(&barrier));
                let (units, client) = (1 + random.below(3), client.clone());
                let order = order(&client, &shop.product, units);
                tokio::spawn(async move {
                    barrier.wait().await;
                    let data = shop::send(&rep, order).await.data();
                    match data["orderCreate"]["order"]["status"].as_str().unwrap() {
                        "APPROVED" => units * 250,
                        _ => 0,
                    }
                })
            });
            let tasks: Vec<_> = approving.chain(ordering).collect();
            let booked: u64 = join_all(tasks).await.into_iter().map(Result::unwrap).sum();
            assert!(booked <= cents, "{booked} cents of {cents}");
            // No order asks for more than three units, so no more than that can be left over.
            assert!(booked + 750 > cents.min(1_250), "{booked} cents of {cents}");
            let query = "query($id: ID!) { client(id: $id) { stats { receivable { amount } } } }";
            let data = admin.ask(query, json!({ "id": client })).await.data();
            let owed = format!("{}.{:02}", booked / 100, booked % 100);
            assert_eq!(data["client"]["stats"]["receivable"]["amount"], owed);
        }
    }
);
