//! What `client_stats` keeps is what the rows say, whatever happened to them.

use chrono::{Days, NaiveDate, TimeDelta};
use clientele::jobs;
use entity::{AssignmentKind, ClientId, OrderStatus, client_stats, order, tier_assignment};
use sea_orm::ColumnTrait;
use serde_json::{Value, json};

use crate::support::App;

/// Numbers that look random and are the same each time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[usize::try_from(self.below(u64::try_from(list.len()).unwrap())).unwrap()]
    }
}

/// The facts, worked out here from the rows and nothing else.
async fn assert_true_to_the_rows(app: &App, client: ClientId, what: &str) {
    let session = app.server().database.as_system("looking at rows");
    let kept = session
        .select::<client_stats::Entity>()
        .filter(client_stats::Column::ClientId.eq(client))
        .get()
        .await
        .unwrap();
    let orders = session
        .select::<order::Entity>()
        .filter(order::Column::ClientId.eq(client))
        .all()
        .await
        .unwrap();
    let counted: Vec<&order::Model> = orders
        .iter()
        .map(|order| &**order)
        .filter(|order| {
            matches!(
                order.status,
                OrderStatus::Approved
                    | OrderStatus::InProduction
                    | OrderStatus::Shipped
                    | OrderStatus::Delivered
                    | OrderStatus::Returned
            )
        })
        .collect();
    let revenue =
        |order: &order::Model| order.lines_minor - order.discount_minor - order.returned_minor;
    let today = session.now().date_naive();
    let mut days: Vec<NaiveDate> = counted.iter().map(|order| order.placed_on).collect();
    days.sort_unstable();
    let recent: Vec<&&order::Model> = counted
        .iter()
        .filter(|order| (today - order.placed_on).num_days() < 365)
        .collect();
    let span = |days: &[NaiveDate]| (days[days.len() - 1] - days[0]).num_days();
    let gaps = i64::try_from(days.len()).unwrap() - 1;
    assert_eq!(kept.order_count, gaps + 1, "{what}: orders");
    assert_eq!(kept.first_order_on, days.first().copied(), "{what}: first");
    assert_eq!(kept.last_order_on, days.last().copied(), "{what}: last");
    assert_eq!(
        kept.lifetime_revenue_minor,
        counted.iter().map(|order| revenue(order)).sum::<i64>(),
        "{what}: lifetime"
    );
    assert_eq!(
        kept.trailing_revenue_minor,
        recent.iter().map(|order| revenue(order)).sum::<i64>(),
        "{what}: trailing"
    );
    let margin = |order: &order::Model| Some(revenue(order) - order.cost_minor?);
    assert_eq!(
        kept.trailing_margin_minor,
        recent
            .iter()
            .map(|order| margin(order))
            .sum::<Option<i64>>(),
        "{what}: margin"
    );
    assert_eq!(
        kept.trailing_until_on,
        recent
            .iter()
            .map(|order| order.placed_on + Days::new(365))
            .min(),
        "{what}: until"
    );
    assert_eq!(
        kept.receivable_minor,
        counted
            .iter()
            .map(|order| order.total_minor - order.paid_minor - order.returned_minor)
            .sum::<i64>(),
        "{what}: receivable"
    );
    assert_eq!(
        kept.cycle_days.map(i64::from),
        (gaps > 0).then(|| span(&days) / gaps),
        "{what}: cycle"
    );
    let assignments = session
        .select::<tier_assignment::Entity>()
        .filter(tier_assignment::Column::ClientId.eq(client))
        .all()
        .await
        .unwrap();
    let tier = assignments
        .iter()
        .filter(|row| row.ended_at.is_none())
        .filter(|row| row.expires_at.is_none_or(|end| end > session.now()))
        .max_by_key(|row| (row.kind == AssignmentKind::Override, row.assigned_at))
        .map(|row| row.tier_id);
    assert_eq!(kept.tier_id, tier, "{what}: tier");
}

on_both!(
    stored_facts_equal_those_worked_out_from_the_rows,
    async |app: App| {
        let team = app.team().await;
        let mut dice = Dice(20_260_301);
        let scheme = app
            .server()
            .database
            .as_system("tiers of a test")
            .write(|tx| async move { clientele::domain::tiers::ensure_default(&tx).await })
            .await
            .unwrap();
        let query = "query($id: ID!) { tierScheme(id: $id) { tiers { id } } }";
        let tiers = app
            .gql(
                &team.ann.token,
                query,
                json!({ "id": scheme.id.to_string() }),
            )
            .await
            .ok();
        let tiers: Vec<String> = tiers
            .list("/tierScheme/tiers")
            .iter()
            .map(|tier| tier["id"].as_str().unwrap().to_owned())
            .collect();
        let product = "mutation($sku: String!, $price: Decimal!, $cost: Decimal!) { productCreate(input: { sku: $sku, name: $sku, unit: \"box\", mayBackOrder: true, \
        listPrice: { amount: $price, currency: \"EUR\" }, unitCost: { amount: $cost, currency: \"EUR\" } }) { product { id } } }";
        let mut products = Vec::new();
        for (sku, price, cost) in [
            ("P1", "3.33", "1.99"),
            ("P2", "120.00", "75.00"),
            ("P3", "0.07", "0.08"),
        ] {
            let answer = app
                .gql(
                    &team.left.token,
                    product,
                    json!({ "sku": sku, "price": price, "cost": cost }),
                )
                .await
                .ok();
            let id = answer.text("/productCreate/product/id").to_owned();
            // Enough that whatever is ordered can be shipped.
            let receive = "mutation($input: StockReceiveInput!) { stockReceive(input: $input) { product { id } } }";
            let input = json!({ "input": { "productId": id, "quantity": 1_000_000 } });
            let _ = app.gql(&team.left.token, receive, input).await.ok();
            products.push(id);
        }
        let clients = [
            app.client_of(&team.ann, "One").await,
            app.client_of(&team.ann, "Two").await,
        ];
        let mut done = std::collections::BTreeMap::new();
        for step in 0..150 {
            // An administrator of this moment: the clock may have moved past the last token.
            let token = app.token(&team.admin);
            let client = dice.pick(&clients).clone();
            let today = app.server().clock.now().date_naive();
            let (what, answer) = match dice.below(10) {
                0..=3 => {
                    let lines: Vec<Value> = (0..=dice.below(3))
                    .map(|_| json!({ "productId": dice.pick(&products), "quantity": dice.below(9) + 1, "discountBp": dice.below(20) * 125 }))
                    .collect();
                    let input = json!({
                        "clientId": client, "lines": lines, "discountBp": dice.below(5) * 333, "submit": dice.below(5) > 0,
                        "placedOn": (today - Days::new(dice.below(800))).to_string(),
                        "freight": { "amount": format!("{}.50", dice.below(20)), "currency": "EUR" },
                    });
                    let query = "mutation($input: OrderCreateInput!) { orderCreate(input: $input) { order { id } } }";
                    (
                        "create",
                        app.gql(&token, query, json!({ "input": input })).await,
                    )
                }
                4..=6 => {
                    let query = "query($id: ID!) { client(id: $id) { orders(first: 100) { nodes { id version status } } } }";
                    let list = app.gql(&token, query, json!({ "id": client })).await.ok();
                    let orders = list.list("/client/orders/nodes");
                    if orders.is_empty() {
                        continue;
                    }
                    let order = dice.pick(orders);
                    let (what, more) = match (order["status"].as_str().unwrap(), dice.below(3)) {
                        ("DRAFT", _) => ("Submit", json!({})),
                        ("SUBMITTED", 0) => ("Refuse", json!({ "note": "no" })),
                        ("SUBMITTED", _) => ("Approve", json!({})),
                        ("APPROVED", 0) => ("Cancel", json!({})),
                        ("APPROVED" | "IN_PRODUCTION", _) => ("Ship", json!({})),
                        ("SHIPPED", _) => ("Deliver", json!({})),
                        (_, _) => ("Return", json!({ "reason": "broken", "restock": false })),
                    };
                    let kind = match what {
                        "Submit" => "OrderVersionInput",
                        "Approve" => "OrderStepInput",
                        "Ship" | "Deliver" => "OrderTransportInput",
                        "Refuse" => "OrderRefuseInput",
                        "Cancel" => "OrderCancelInput",
                        _ => "OrderReturnInput",
                    };
                    let mut input = json!({ "id": order["id"], "version": order["version"] });
                    for (name, value) in more.as_object().unwrap() {
                        input[name] = value.clone();
                    }
                    let query = format!(
                        "mutation($input: {kind}!) {{ order{what}(input: $input) {{ order {{ id }} }} }}"
                    );
                    (
                        what,
                        app.gql(&token, &query, json!({ "input": input })).await,
                    )
                }
                7 => {
                    let query = "query($id: ID!) { client(id: $id) { orders(first: 100) { nodes { id } } } }";
                    let list = app.gql(&token, query, json!({ "id": client })).await.ok();
                    let orders = list.list("/client/orders/nodes");
                    if orders.is_empty() {
                        continue;
                    }
                    let input = json!({ "orderId": dice.pick(orders)["id"], "method": "CARD",
                    "amount": { "amount": format!("{}.01", dice.below(9)), "currency": "EUR" } });
                    let query = "mutation($input: PaymentRecordInput!) { paymentRecord(input: $input) { payment { id } } }";
                    (
                        "pay",
                        app.gql(&token, query, json!({ "input": input })).await,
                    )
                }
                8 => {
                    let mut input = json!({ "clientId": client, "tierId": dice.pick(&tiers), "reason": "dice" });
                    if dice.below(2) == 0 {
                        let query = "mutation($input: ClientTierAssignInput!) { clientTierAssign(input: $input) { client { id } } }";
                        (
                            "assign",
                            app.gql(&token, query, json!({ "input": input })).await,
                        )
                    } else {
                        let until = app.server().clock.now()
                            + TimeDelta::days(1 + i64::try_from(dice.below(60)).unwrap());
                        input["expiresAt"] = json!(until.to_rfc3339());
                        let query = "mutation($input: ClientTierOverrideInput!) { clientTierOverride(input: $input) { client { id } } }";
                        (
                            "override",
                            app.gql(&token, query, json!({ "input": input })).await,
                        )
                    }
                }
                _ => {
                    app.server()
                        .clock
                        .advance(TimeDelta::days(i64::try_from(dice.below(40)).unwrap()));
                    jobs::stats::sweep(&app.server().database).await.unwrap();
                    *done.entry("time").or_insert(0) += 1;
                    for client in &clients {
                        assert_true_to_the_rows(
                            &app,
                            client.parse().unwrap(),
                            &format!("step {step}, time"),
                        )
                        .await;
                    }
                    continue;
                }
            };
            // What a rule refuses leaves no trace; anything else is a fault of this test.
            if answer.errors().is_empty() {
                *done.entry(what).or_insert(0) += 1;
            } else {
                assert_eq!(
                    answer.code(0),
                    "RULE_VIOLATED",
                    "step {step}, {what}: {answer}"
                );
            }
            for client in &clients {
                assert_true_to_the_rows(
                    &app,
                    client.parse().unwrap(),
                    &format!("step {step}, {what}"),
                )
                .await;
            }
        }
        for needed in [
            "create", "Submit", "Cancel", "Ship", "Deliver", "Return", "pay", "assign", "override",
            "time",
        ] {
            assert!(
                done.contains_key(needed),
                "nothing to see of {needed}: {done:?}"
            );
        }
    }
);
