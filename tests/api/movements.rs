//! The ledger of stock: its figures are the warehouse's, its people are those of their managers.

use serde_json::{Value, json};

use crate::orders::{mutate, order_of, shop};
use crate::support::{App, Person};

const LEDGER: &str = "query($id: ID!) { product(id: $id) { stockMovements(first: 20) { nodes { \
    kind onHandChange note user { name } order { id } } } } }";

/// The movements as `who` sees them, oldest first: kind, units, person, note, and whether the order shows.
async fn ledger(app: &App, who: &Person, product: &str) -> Vec<Value> {
    let answer = app
        .gql(&who.token, LEDGER, json!({ "id": product }))
        .await
        .ok();
    let mut rows: Vec<Value> = answer
        .list("/product/stockMovements/nodes")
        .iter()
        .map(|row| {
            json!([
                row["kind"],
                row["onHandChange"],
                row["user"]["name"],
                row["note"],
                row["order"].is_object()
            ])
        })
        .collect();
    rows.reverse();
    rows
}

on_both!(
    a_movement_names_people_to_those_above_them,
    async |app: App| {
        let shop = shop(&app).await;
        let team = &shop.team;
        let receive = "mutation($input: StockReceiveInput!) { stockReceive(input: $input) { product { id } } }";
        for (who, note) in [(&team.left, "left's"), (&team.right, "right's")] {
            let input = json!({ "productId": shop.tofu, "quantity": 1, "note": note });
            app.gql(&who.token, receive, json!({ "input": input }))
                .await
                .ok();
        }
        let theirs = app.client_of(&team.cleo, "Elsewhere").await;
        for (who, client) in [(&team.ann, &shop.client), (&team.cleo, &theirs)] {
            let lines = json!([{ "productId": shop.tofu, "quantity": 2 }]);
            let input = json!({ "clientId": client, "submit": true, "lines": lines });
            let order = order_of(mutate(&app, who, "orderCreate", input).await, "orderCreate");
            let seen = json!({ "id": order["id"], "version": order["version"] });
            let _ = mutate(&app, who, "orderShip", seen).await.ok();
        }
        let all = |shown: [bool; 5]| {
            // By whom, with what note, and whether there is an order.
            let rows = [
                ("RECEIPT", 50, "Admin", None, false),
                ("RECEIPT", 1, "Left", Some("left's"), false),
                ("RECEIPT", 1, "Right", Some("right's"), false),
                ("SHIPMENT", -2, "Ann", None, true),
                ("SHIPMENT", -2, "Cleo", None, true),
            ];
            rows.into_iter()
                .zip(shown)
                .map(|((kind, units, name, note, order), shown)| {
                    let (name, note) = if shown {
                        (Some(name), note)
                    } else {
                        (None, None)
                    };
                    json!([kind, units, name, note, order && shown])
                })
                .collect::<Vec<Value>>()
        };
        for (who, shown) in [
            (&team.admin, [true; 5]),
            (&team.top, [false, true, true, true, true]),
            (&team.left, [false, true, false, true, false]),
            (&team.right, [false, false, true, false, true]),
        ] {
            assert_eq!(
                ledger(&app, who, &shop.tofu).await,
                all(shown),
                "{}",
                who.name
            );
        }
        assert_eq!(
            ledger(&app, &team.ann, &shop.tofu).await,
            Vec::<Value>::new()
        );
    }
);

on_both!(many_movements_cost_what_one_does, async |app: App| {
    let shop = shop(&app).await;
    let cost = async || {
        let answer = app
            .gql(&shop.team.left.token, LEDGER, json!({ "id": shop.chai }))
            .await
            .ok();
        answer.statements()
    };
    let one = cost().await;
    let receive =
        "mutation($input: StockReceiveInput!) { stockReceive(input: $input) { product { id } } }";
    for who in [&shop.team.left, &shop.team.right, &shop.team.top] {
        let input = json!({ "productId": shop.chai, "quantity": 1, "note": "n" });
        app.gql(&who.token, receive, json!({ "input": input }))
            .await
            .ok();
    }
    assert!(cost().await <= one + 1, "users in reach are read at once");
});
