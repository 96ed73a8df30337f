//! Two reps, their clients, a product to sell; orders, and what must hold of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::service::{Caller, Outcome, Place, Service};

const CREATE: &str = "mutation($input: OrderCreateInput!) { orderCreate(input: $input) { order { id status approvalReasons } } }";
const ORDERS: &str = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Order { id number status client { id } \
    linesTotal { amount } total { amount } lines { quantity net { amount } } } } }";

/// A rep with a client.
#[derive(Clone)]
pub struct Rep {
    /// The access token.
    pub token: String,
    /// The client.
    pub client: String,
}

/// The people and what they trade.
pub struct Shop {
    /// An administrator's token.
    pub admin: String,
    /// Two reps.
    pub reps: [Rep; 2],
    /// A product at EUR 2.50.
    pub product: String,
}

/// An id for an order, as a phone makes it.
pub fn new_order() -> String {
    format!("order_{}", uuid::Uuid::now_v7())
}

impl Shop {
    /// Fills an empty place, with so many units in stock.
    pub async fn open(place: &Place, units: i64) -> Self {
        let token = |name: &str, role: &str| {
            let email = format!("{name}@example.com");
            place.run(&[
                "user",
                "add",
                "--email",
                &email,
                "--name",
                name,
                "--role",
                role,
                "--no-password",
            ]);
            place.run(&["user", "token", "--email", &email, "--minutes", "1000"])
        };
        let admin = token("admin", "ADMIN");
        let tokens = [token("ann", "REP"), token("ben", "REP")];
        let service = place.start().await;
        let product = product(&service.caller(&admin), units).await;
        let mut clients = Vec::new();
        for token in &tokens {
            clients.push(client(&service.caller(token)).await);
        }
        let [ann, ben] = tokens;
        let [anns, bens] = clients.try_into().unwrap();
        Self {
            admin,
            reps: [
                Rep {
                    token: ann,
                    client: anns,
                },
                Rep {
                    token: ben,
                    client: bens,
                },
            ],
            product,
        }
    }

    /// An order of three units in two lines.
    pub fn order(&self, rep: &Rep, id: &str) -> Value {
        json!({ "id": id, "clientId": rep.client, "submit": true, "lines": [
            { "productId": self.product, "quantity": 1 }, { "productId": self.product, "quantity": 2 },
        ] })
    }
}

/// A product at EUR 2.50 with so many units in stock.
pub async fn product(admin: &Caller, units: i64) -> String {
    let query =
        "mutation($input: ProductCreateInput!) { productCreate(input: $input) { product { id } } }";
    let sku = uuid::Uuid::now_v7().simple().to_string();
    let price = json!({ "amount": "2.50", "currency": "EUR" });
    let input = json!({ "sku": sku, "name": "Tea", "unit": "box", "listPrice": price });
    let made = admin.ask(query, json!({ "input": input })).await.data();
    let id = made["productCreate"]["product"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let query =
        "mutation($input: StockReceiveInput!) { stockReceive(input: $input) { product { id } } }";
    let input = json!({ "productId": id, "quantity": units });
    admin.ask(query, json!({ "input": input })).await.data();
    id
}

/// A client of whoever asks.
pub async fn client(rep: &Caller) -> String {
    let query =
        "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { client { id } } }";
    let input = json!({ "kind": "ORGANIZATION", "name": "Tea House", "currency": "EUR" });
    let made = rep.ask(query, json!({ "input": input })).await.data();
    made["clientCreate"]["client"]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Sends an order.
pub async fn send(rep: &Caller, order: Value) -> Outcome {
    rep.ask(CREATE, json!({ "input": order })).await
}

/// On hand and reserved.
pub async fn levels(caller: &Caller, product: &str) -> (i64, i64) {
    let query = "query($id: ID!) { product(id: $id) { stock { onHand reserved } } }";
    let data = caller.ask(query, json!({ "id": product })).await.data();
    let stock = &data["product"]["stock"];
    (
        stock["onHand"].as_i64().unwrap(),
        stock["reserved"].as_i64().unwrap(),
    )
}

/// What a rep sent: orders that were answered, and those of which nothing is known.
#[derive(Default)]
pub struct Sent {
    /// Answered.
    pub kept: Vec<String>,
    /// Not answered.
    pub unknown: Vec<String>,
}

/// Sends orders of one rep, one after the other, until told to stop or until the service is gone. Refusals
/// that ask to try again count as unknown when `patient`; all others fail.
pub async fn keep_sending(
    shop: &Shop,
    rep: &Rep,
    caller: Caller,
    stop: Arc<AtomicBool>,
    patient: bool,
) -> Sent {
    let mut sent = Sent::default();
    while !stop.load(Ordering::Relaxed) {
        let id = new_order();
        match send(&caller, shop.order(rep, &id)).await {
            Outcome::Data(data) => {
                assert_eq!(data["orderCreate"]["order"]["id"], id);
                sent.kept.push(id);
            }
            Outcome::Lost if !patient => {
                sent.unknown.push(id);
                break;
            }
            Outcome::Lost => sent.unknown.push(id),
            refused @ Outcome::Refused(_)
                if patient && ["UNAVAILABLE", "TIMEOUT"].contains(&refused.code()) =>
            {
                sent.unknown.push(id);
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            refused @ Outcome::Refused(_) => panic!("{refused:?}"),
        }
    }
    sent
}

/// The books that must balance, over all that was ever sent.
#[derive(Default)]
pub struct Ledger {
    orders: [usize; 2],
}

impl Ledger {
    /// Demands of each rep's orders: what was answered is there; each is whole or not there at all. Sends
    /// again what was not answered, as a phone does; then all are there once, and stock, statistics and
    /// counts say the same.
    pub async fn check(&mut self, service: &Service, shop: &Shop, sent: &[Sent; 2]) {
        for (at, (rep, sent)) in shop.reps.iter().zip(sent).enumerate() {
            let caller = service.caller(&rep.token);
            for id in &sent.kept {
                assert!(!sent.unknown.contains(id));
            }
            whole(&caller, rep, &sent.kept, false).await;
            whole(&caller, rep, &sent.unknown, true).await;
            for id in &sent.unknown {
                let again = send(&caller, shop.order(rep, id)).await.data();
                assert_eq!(again["orderCreate"]["order"]["id"], *id);
            }
            whole(&caller, rep, &sent.unknown, false).await;
            self.orders[at] += sent.kept.len() + sent.unknown.len();
        }
        for (at, rep) in shop.reps.iter().enumerate() {
            let caller = service.caller(&rep.token);
            let query = "query($id: ID!) { client(id: $id) { stats { orderCount receivable { amount } } } }";
            let data = caller.ask(query, json!({ "id": rep.client })).await.data();
            let stats = &data["client"]["stats"];
            assert_eq!(
                stats["orderCount"], self.orders[at],
                "orders doubled or lost"
            );
            let cents = 750 * self.orders[at];
            let owed = format!("{}.{:02}", cents / 100, cents % 100);
            assert_eq!(stats["receivable"]["amount"], owed);
            // Nothing of it is anybody else's.
            let other = service.caller(&shop.reps[1 - at].token);
            let data = other.ask(query, json!({ "id": rep.client })).await.data();
            assert!(data["client"].is_null());
        }
        let (_, reserved) = levels(&service.caller(&shop.admin), &shop.product).await;
        let units = 3 * i64::try_from(self.orders.iter().sum::<usize>()).unwrap();
        assert_eq!(reserved, units, "stock and orders differ");
    }
}

/// Demands that these orders are there, or are not there at all when they `may_lack`, and never in part.
async fn whole(caller: &Caller, rep: &Rep, ids: &[String], may_lack: bool) {
    for chunk in ids.chunks(50) {
        let data = caller.ask(ORDERS, json!({ "ids": chunk })).await.data();
        for (id, order) in chunk.iter().zip(data["nodes"].as_array().unwrap()) {
            if order.is_null() && may_lack {
                continue;
            }
            assert_eq!(order["id"], *id, "an order that was answered is lost");
            assert_eq!(order["client"]["id"], rep.client);
            assert_eq!(order["status"], "APPROVED", "{order}");
            assert_eq!(order["linesTotal"]["amount"], "7.50", "{order}");
            assert_eq!(order["total"]["amount"], "7.50", "{order}");
            let lines = order["lines"].as_array().unwrap();
            let quantities: Vec<&Value> = lines.iter().map(|line| &line["quantity"]).collect();
            assert_eq!(quantities, [&json!(1), &json!(2)], "{order}");
        }
    }
}
