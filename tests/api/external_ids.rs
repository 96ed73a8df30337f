//! Ids of other systems are the business of those who keep the systems in step. To whoever may not look, a
//! taken id, number or external id says nothing of the row that holds it.

use entity::{EntityId, OrderId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::orders::{mutate, order_of, placed, shop};
use crate::support::{Answer, App, Person};

const CLIENT: &str = "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { client { id externalId } } }";
const CONTACT: &str = "mutation($input: ContactCreateInput!) { contactCreate(input: $input) { contact { id externalId } } }";
const ORDER: &str = "mutation($input: OrderCreateInput!) { orderCreate(input: $input) { order { id externalId } } }";
const PAYMENT: &str = "mutation($input: PaymentRecordInput!) { paymentRecord(input: $input) { payment { id externalId } } }";

async fn send(app: &App, who: &Person, query: &str, input: &Value) -> Answer {
    app.gql(&who.token, query, json!({ "input": input })).await
}

/// What a refusal says, but for the id of the request.
fn told(answer: &Answer) -> Value {
    let mut error = answer.errors()[0].clone();
    error["extensions"]["requestId"] = Value::Null;
    error
}

on_both!(
    only_those_who_keep_systems_in_step_set_external_ids,
    async |app: App| {
        let shop = shop(&app).await;
        let team = &shop.team;
        let theirs = app.client_of(&team.cleo, "Elsewhere").await;
        let mut orders = Vec::new();
        for client in [&shop.client, &theirs] {
            let who = if client == &theirs {
                &team.cleo
            } else {
                &team.ann
            };
            let lines = json!([{ "productId": shop.chai, "quantity": 3 }]);
            let input = json!({ "clientId": client, "submit": true, "lines": lines });
            let order = order_of(mutate(&app, who, "orderCreate", input).await, "orderCreate");
            orders.push(order["id"].clone());
        }
        let euro = json!({ "amount": "1.00", "currency": "EUR" });
        // Each: the mutation, where the created row is, and the input for one of the two books.
        let at = |book: usize| {
            let (client, owner) =
                [(&shop.client, team.ann.id()), (&theirs, team.cleo.id())][book].clone();
            [
                (
                    CLIENT,
                    "/clientCreate/client",
                    json!({ "kind": "ORGANIZATION", "name": "N", "currency": "EUR", "ownerId": owner }),
                ),
                (
                    CONTACT,
                    "/contactCreate/contact",
                    json!({ "clientId": client, "name": "N" }),
                ),
                (
                    ORDER,
                    "/orderCreate/order",
                    json!({ "clientId": client, "lines": [] }),
                ),
                (
                    PAYMENT,
                    "/paymentRecord/payment",
                    json!({ "orderId": orders[book], "amount": euro, "method": "CASH" }),
                ),
            ]
        };
        for ((query, place, near), (_, _, far)) in at(0).into_iter().zip(at(1)) {
            let with = |input: &Value, external: &str| {
                let mut input = input.clone();
                input["externalId"] = json!(external);
                input
            };
            // Before it is taken and after, a rep hears the same.
            let before = send(&app, &team.ann, query, &with(&near, "E-1")).await;
            assert_eq!(before.code(0), "FORBIDDEN", "{place}");
            assert_eq!(before.fields(), ["input.externalId"], "{place}");
            let made = send(&app, &team.right, query, &with(&far, "E-1"))
                .await
                .ok();
            assert_eq!(made.text(&format!("{place}/externalId")), "E-1");
            let after = send(&app, &team.ann, query, &with(&near, "E-1")).await;
            assert_eq!(told(&before), told(&after), "{place}");
            // Without one, and with none in so many words, a rep may.
            send(&app, &team.ann, query, &near).await.ok();
            send(&app, &team.ann, query, &with(&near, " ")).await.ok();
            // To a manager a row out of sight is as one in sight: taken.
            let hidden = send(&app, &team.left, query, &with(&near, "E-1")).await;
            send(&app, &team.left, query, &with(&near, "E-2"))
                .await
                .ok();
            let seen = send(&app, &team.left, query, &with(&near, "E-2")).await;
            assert_eq!(hidden.code(0), "CONFLICT", "{place}: {hidden}");
            assert_eq!(hidden.fields(), ["input.externalId"], "{place}");
            assert_eq!(told(&hidden), told(&seen), "{place}");
            let text = hidden.json.to_string();
            let id = made.text(&format!("{place}/id")).to_owned();
            assert!(!text.contains(&id) && !text.contains("Elsewhere"), "{text}");
        }
    }
);

on_both!(
    a_taken_id_and_a_taken_number_are_told_alike,
    async |app: App| {
        let shop = shop(&app).await;
        let team = &shop.team;
        let taken = placed(&app, &shop, json!({})).await;
        let bens = app.client_of(&team.ben, "Ben's").await;
        let id: OrderId = taken["id"].as_str().unwrap().parse().unwrap();
        // The number is made of the last 50 bits: these two share it.
        let twin = id.uuid().as_u128() ^ (1 << 52);
        let twin = OrderId(Uuid::from_u128(twin)).to_string();
        let mut refusals = Vec::new();
        for id in [taken["id"].as_str().unwrap(), &twin] {
            let input = json!({ "id": id, "clientId": bens, "lines": [] });
            let answer = mutate(&app, &team.ben, "orderCreate", input).await;
            assert_eq!(answer.code(0), "CONFLICT");
            assert_eq!(answer.fields(), ["input.id"]);
            refusals.push(told(&answer));
        }
        assert_eq!(refusals[0], refusals[1]);
        let number = taken["number"].as_str().unwrap();
        assert!(!refusals[1].to_string().contains(number));
        // So it is with the id of a client out of sight.
        let input =
            json!({ "id": shop.client, "kind": "ORGANIZATION", "name": "N", "currency": "EUR" });
        let answer = send(&app, &team.ben, CLIENT, &input).await;
        assert_eq!(answer.code(0), "CONFLICT");
        assert_eq!(answer.fields(), ["input.id"]);
    }
);
