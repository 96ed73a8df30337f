//! `kill -9` in the middle of pushes and pulls: a batch that a phone sent is there whole or not at all, what it sends
//! again is done once, and phones that go on from where they were hold what a new one is given.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::service::{Backend, Caller, Outcome, Place, Service};
use crate::shop::{Ledger, Sent, Shop, new_order};
use crate::{Random, on_both, rounds};

/// Phones of each rep.
const PHONES: usize = 2;

/// Documents on a page: pulls take several.
const PAGE: i64 = 20;

/// The kinds that these phones hold.
const KINDS: [(&str, &str); 4] = [
    ("CLIENTS", "clients"),
    ("CONTACTS", "contacts"),
    ("NOTES", "notes"),
    ("ORDERS", "orders"),
];

fn new_id(kind: &str) -> String {
    format!("{kind}_{}", uuid::Uuid::now_v7())
}

/// What a phone holds: the version of each document.
#[derive(Default)]
struct Book {
    held: BTreeMap<String, i64>,
    checkpoint: Option<Value>,
    named: BTreeSet<String>,
    replaces: bool,
    watermark: Option<i64>,
}

impl Book {
    /// Asks for a page and stores it; whether there is more, or nothing where no answer came.
    async fn page(&mut self, caller: &Caller, device: &str) -> Option<bool> {
        let lists: String = KINDS
            .iter()
            .map(|(_, list)| format!("{list} {{ id version }} "))
            .collect();
        let query = format!(
            "query($input: SyncPullInput!) {{ sync(input: $input) {{ strategy hasMore watermark \
             checkpoint {{ token }} tombstones {{ id }} {lists} }} }}"
        );
        let kinds = KINDS.map(|(kind, _)| kind);
        let mut input =
            json!({ "limit": PAGE, "schemaVersion": 1, "deviceId": device, "collections": kinds });
        if let Some(checkpoint) = &self.checkpoint {
            input["checkpoint"] = checkpoint.clone();
        }
        let page = match caller.ask(&query, json!({ "input": input })).await {
            Outcome::Lost => return None,
            answer => answer.data()["sync"].take(),
        };
        let watermark = page["watermark"].as_i64();
        if page["strategy"] == "REPLACE" && self.watermark != watermark {
            self.named.clear();
        }
        self.watermark = watermark;
        self.replaces |= page["strategy"] == "REPLACE";
        for tombstone in page["tombstones"].as_array().unwrap() {
            self.held.remove(tombstone["id"].as_str().unwrap());
        }
        for (_, list) in KINDS {
            for document in page[list].as_array().unwrap() {
                let id = document["id"].as_str().unwrap().to_owned();
                self.named.insert(id.clone());
                self.held.insert(id, document["version"].as_i64().unwrap());
            }
        }
        self.checkpoint = Some(page["checkpoint"].clone());
        let has_more = page["hasMore"] == true;
        if !has_more {
            if self.replaces {
                self.held.retain(|id, _| self.named.contains(id));
            }
            self.replaces = false;
            self.named.clear();
        }
        Some(has_more)
    }

    /// Pulls to the end.
    async fn pull(&mut self, caller: &Caller, device: &str) {
        while self.page(caller, device).await.expect("an answer") {}
    }
}

/// A phone of one of the reps.
struct Phone {
    rep: usize,
    device: String,
    client: String,
    product: String,
    /// Operations that it made so far.
    count: u64,
    /// The contact that it writes again and again, and how often it did.
    contact: String,
    version: i64,
    /// Sent, and not answered.
    outbox: Vec<Value>,
    /// The orders that were answered since the last look.
    orders: Vec<String>,
    /// All that it ever wrote, and was answered.
    written: BTreeMap<String, i64>,
    book: Book,
}

impl Phone {
    fn of(shop: &Shop, rep: usize) -> Self {
        Self {
            rep,
            device: new_id("device"),
            client: shop.reps[rep].client.clone(),
            product: shop.product.clone(),
            count: 0,
            contact: new_id("contact"),
            version: 0,
            outbox: Vec::new(),
            orders: Vec::new(),
            written: BTreeMap::new(),
            book: Book::default(),
        }
    }

    fn op(&mut self, kind: &str, id: &str, document: &str, patch: &Value) -> Value {
        self.count += 1;
        let mut op =
            json!({ "opId": uuid::Uuid::now_v7(), "opSeq": self.count, "kind": kind, "id": id });
        op[document] = patch.clone();
        op
    }

    /// What the rep does between two syncs: orders, writes a note, says something of the contact.
    fn work(&mut self) {
        let (client, product) = (self.client.clone(), self.product.clone());
        let contact = self.contact.clone();
        let said = format!("said {}", self.version);
        let order = json!({ "clientId": client, "status": "SUBMITTED", "lines": [
            { "productId": product, "quantity": 1 }, { "productId": product, "quantity": 2 },
        ] });
        let note = json!({ "clientId": client, "body": said });
        let person = match self.version {
            0 => {
                let made = json!({ "clientId": client, "name": "Maria Anders", "note": said });
                self.op("CREATE", &contact, "contact", &made)
            }
            version => {
                let before = format!("said {}", version - 1);
                let mut op = self.op("UPDATE", &contact, "contact", &json!({ "note": said }));
                op["baseContact"] = json!({ "note": before });
                op["baseVersion"] = version.into();
                op
            }
        };
        let order = self.op("CREATE", &new_order(), "order", &order);
        let note = self.op("CREATE", &new_id("note"), "note", &note);
        self.outbox = vec![person, order, note];
    }

    /// Sends what is in the outbox; what became of it, or nothing where no answer came.
    async fn send(&self, caller: &Caller) -> Option<Vec<Value>> {
        let query = "mutation($input: SyncPushInput!) { syncPush(input: $input) { results { \
             opId status version error { code message } conflict { reason } } } }";
        let input = json!({ "deviceId": self.device, "ops": self.outbox });
        match caller.ask(query, json!({ "input": input })).await {
            Outcome::Lost => None,
            answer => {
                let mut data = answer.data();
                let results = data["syncPush"]["results"].take();
                Some(results.as_array().unwrap().clone())
            }
        }
    }

    /// Takes the answer to what was sent: all of it was done now, or all of it before.
    fn heard(&mut self, results: &[Value], may_repeat: bool) -> bool {
        assert_eq!(results.len(), self.outbox.len());
        let repeats = results.first().unwrap()["status"] == "DUPLICATE";
        let status = if repeats { "DUPLICATE" } else { "APPLIED" };
        assert!(
            may_repeat || !repeats,
            "sent once, and taken for sent twice: {results:?}"
        );
        for (result, op) in results.iter().zip(&self.outbox) {
            assert_eq!(result["opId"], op["opId"]);
            assert_eq!(result["status"], status, "a batch in part: {results:?}");
        }
        let ops = std::mem::take(&mut self.outbox);
        for (result, op) in results.iter().zip(&ops) {
            let id = op["id"].as_str().unwrap().to_owned();
            if id == self.contact {
                self.version += 1;
                assert_eq!(
                    result["version"], self.version,
                    "written twice, or not at all"
                );
            }
            if id.starts_with("order_") {
                self.orders.push(id.clone());
            }
            self.written.insert(id, result["version"].as_i64().unwrap());
        }
        repeats
    }

    /// Works, pushes and pulls until the service is gone.
    async fn live(mut self, caller: Caller) -> Self {
        loop {
            self.work();
            let Some(results) = self.send(&caller).await else {
                return self;
            };
            self.heard(&results, false);
            if self.book.page(&caller, &self.device).await.is_none() {
                return self;
            }
        }
    }

    /// After the service is back: sends again what was not answered, twice. Says whether it was done before.
    async fn recover(&mut self, caller: &Caller) -> Option<bool> {
        if self.outbox.is_empty() {
            return None;
        }
        let sent = self.outbox.clone();
        let results = self.send(caller).await.expect("an answer");
        let was_done = self.heard(&results, true);
        let (version, orders) = (self.version, self.orders.len());
        self.outbox = sent;
        let again = self.send(caller).await.expect("an answer");
        assert!(
            again.iter().all(|result| result["status"] == "DUPLICATE"),
            "{again:?}"
        );
        for (result, before) in again.iter().zip(&results) {
            assert_eq!(result["version"], before["version"]);
        }
        self.outbox.clear();
        assert_eq!((self.version, self.orders.len()), (version, orders));
        Some(was_done)
    }
}

/// Demands that each phone, from where it was, and a new one of the same rep hold the same: what its rep's phones
/// wrote, the client, and nothing else.
async fn equal(service: &Service, shop: &Shop, phones: &mut [Phone]) {
    for (at, rep) in shop.reps.iter().enumerate() {
        let caller = service.caller(&rep.token);
        let mut fresh = Book::default();
        fresh.pull(&caller, &new_id("device")).await;
        let mut wanted: BTreeSet<&str> = BTreeSet::from([rep.client.as_str()]);
        for phone in phones.iter_mut().filter(|phone| phone.rep == at) {
            phone.book.pull(&caller, &phone.device).await;
            assert_eq!(
                phone.book.held, fresh.held,
                "a phone differs from a new one"
            );
        }
        for phone in phones.iter().filter(|phone| phone.rep == at) {
            wanted.extend(phone.written.keys().map(String::as_str));
            for (id, version) in &phone.written {
                assert_eq!(fresh.held.get(id), Some(version), "{id}");
            }
        }
        let held: BTreeSet<&str> = fresh.held.keys().map(String::as_str).collect();
        assert_eq!(held, wanted);
    }
}

on_both!(
    phones_lose_and_double_nothing_when_the_service_is_killed,
    async |backend: Backend| {
        let place = Place::new(backend).await;
        let shop = Shop::open(&place, 900_000_000).await;
        let mut phones: Vec<Phone> = (0..2 * PHONES).map(|at| Phone::of(&shop, at % 2)).collect();
        let mut ledger = Ledger::default();
        let mut random = Random::new(11);
        let (mut answered, mut done, mut undone) = (0, 0, 0);
        let mut service = place.start().await;
        for _ in 0..rounds(4) {
            let mut living = tokio::task::JoinSet::new();
            for phone in phones.drain(..) {
                let caller = service.caller(&shop.reps[phone.rep].token);
                living.spawn(phone.live(caller));
            }
            tokio::time::sleep(Duration::from_millis(150 + random.below(700))).await;
            service.kill();
            phones = living.join_all().await;
            service = place.start().await;
            let mut sent = [Sent::default(), Sent::default()];
            for phone in &mut phones {
                answered += phone.orders.len();
                let caller = service.caller(&shop.reps[phone.rep].token);
                match phone.recover(&caller).await {
                    Some(true) => done += 1,
                    Some(false) => undone += 1,
                    None => {}
                }
                sent[phone.rep].kept.append(&mut phone.orders);
            }
            ledger.check(&service, &shop, &sent).await;
            equal(&service, &shop, &mut phones).await;
        }
        println!(
            "{backend:?}: {answered} batches answered, {done} done and not answered, {undone} not done"
        );
        assert!(answered > 0 && done + undone > 0, "nothing was in flight");
    }
);
