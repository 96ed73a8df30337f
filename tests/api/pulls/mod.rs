//! Pulls of phones: what comes page by page, and that in the end each phone holds what its user sees, whatever
//! happened meanwhile. The phones here obey the rules for clients that are written by hand, or take pages as stock
//! RxDB does.

mod devices;
mod echoes;
mod handed_over;
mod meanwhile;
mod pages;
mod repair;
mod shares;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, App, Person};

/// The lists of a page, the field that pulls each alone, and what a phone keeps of each.
pub const COLLECTIONS: &[(&str, &str, &str, &str)] = &[
    (
        "CLIENTS",
        "clients",
        "pullClients",
        "name ownerId parentId tags",
    ),
    (
        "CONTACTS",
        "contacts",
        "pullContacts",
        "clientId name likes points { kind value label isPreferred }",
    ),
    (
        "ADDRESSES",
        "addresses",
        "pullAddresses",
        "clientId kind city coordinates { latitude longitude }",
    ),
    ("NOTES", "notes", "pullNotes", "clientId body authorId"),
    (
        "ORDERS",
        "orders",
        "pullOrders",
        "clientId status lines { id quantity unitPrice { amount currency } }",
    ),
    (
        "PAYMENTS",
        "payments",
        "pullPayments",
        "clientId orderId amount { amount currency }",
    ),
    ("USERS", "users", "pullUsers", "name email role"),
    (
        "SYNC_ISSUES",
        "syncIssues",
        "pullSyncIssues",
        "code message payload kind documentId",
    ),
    (
        "PRODUCTS",
        "products",
        "pullProducts",
        "sku name listPrice { amount currency }",
    ),
    (
        "CATEGORIES",
        "categories",
        "pullCategories",
        "name parentId",
    ),
    (
        "TIER_SCHEMES",
        "tierSchemes",
        "pullTierSchemes",
        "name isDefault",
    ),
    ("TIERS", "tiers", "pullTiers", "schemeId code rank"),
];

/// What a phone holds: documents by their ids.
pub type Held = BTreeMap<String, Value>;

/// A phone that is written for this protocol: all collections, each page stored with its checkpoint.
pub struct Phone {
    pub who: Person,
    pub held: Held,
    pub checkpoint: Option<Value>,
    /// What the pages of the pull under way named.
    named: BTreeSet<String>,
    replaces: bool,
    /// Up to where that pull leads.
    watermark: Option<i64>,
    pub limit: i32,
    /// Clients that came and went, as pages said.
    pub events: Vec<(String, String)>,
    /// Documents that went, and why.
    pub gone: Vec<(String, String)>,
}

impl Phone {
    pub fn of(who: &Person, limit: i32) -> Self {
        Self {
            who: who.clone(),
            held: Held::new(),
            checkpoint: None,
            named: BTreeSet::new(),
            replaces: false,
            watermark: None,
            limit,
            events: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// Asks for a page of `sync`.
    pub async fn ask(&self, app: &App, more: Value) -> Answer {
        let lists: String = COLLECTIONS
            .iter()
            .map(|(_, list, _, fields)| format!("{list} {{ id version deleted {fields} }} "))
            .collect();
        let query = format!(
            "query($input: SyncPullInput!) {{ sync(input: $input) {{ strategy hasMore watermark isCapped serverTime \
             checkpoint {{ token }} scopes {{ kind clientId }} tombstones {{ collection id reason }} {lists} }} }}"
        );
        let mut input = json!({ "limit": self.limit, "schemaVersion": 1 });
        if let Some(checkpoint) = &self.checkpoint {
            input["checkpoint"] = checkpoint.clone();
        }
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        app.gql(&self.who.token, &query, json!({ "input": input }))
            .await
    }

    /// Fetches and stores one page; says whether there is more.
    pub async fn page(&mut self, app: &App) -> bool {
        let answer = self.ask(app, json!({})).await.ok();
        self.store(&answer)
    }

    /// Stores a page.
    pub fn store(&mut self, answer: &Answer) -> bool {
        let page = answer.data("/sync");
        let watermark = page["watermark"].as_i64();
        if page["strategy"] == "REPLACE" && self.watermark != watermark {
            self.named.clear();
        }
        self.watermark = watermark;
        self.replaces |= page["strategy"] == "REPLACE";
        let mut lines = 0;
        for event in page["scopes"].as_array().unwrap() {
            let of = |name: &str| event[name].as_str().unwrap().to_owned();
            self.events.push((of("kind"), of("clientId")));
        }
        for tombstone in page["tombstones"].as_array().unwrap() {
            let of = |name: &str| tombstone[name].as_str().unwrap().to_owned();
            self.held.remove(&of("id"));
            self.gone.push((of("id"), of("reason")));
            lines += 1;
        }
        for (_, list, _, _) in COLLECTIONS {
            for document in page[list].as_array().unwrap() {
                assert_eq!(document["deleted"], false);
                let id = document["id"].as_str().unwrap().to_owned();
                self.named.insert(id.clone());
                self.held.insert(id, document.clone());
                lines += 1;
            }
        }
        assert!(lines <= self.limit, "{lines} lines");
        self.checkpoint = Some(page["checkpoint"].clone());
        let has_more = page["hasMore"] == true;
        if !has_more {
            if self.replaces {
                self.held.retain(|id, _| self.named.contains(id));
            }
            self.replaces = false;
            self.named.clear();
        }
        has_more
    }

    /// Pulls to the end; says how many pages it took.
    pub async fn pull(&mut self, app: &App) -> usize {
        let mut pages = 1;
        while self.page(app).await {
            pages += 1;
        }
        pages
    }

    /// The ids it holds of a kind.
    pub fn ids(&self, kind: &str) -> BTreeSet<String> {
        let prefix = format!("{kind}_");
        let ids = self.held.keys().filter(|id| id.starts_with(&prefix));
        ids.cloned().collect()
    }
}

/// One collection of a phone with stock RxDB.
pub struct Rx {
    pub who: Person,
    pub field: &'static str,
    pub fields: &'static str,
    pub held: Held,
    pub checkpoint: Option<Value>,
}

impl Rx {
    pub fn of(who: &Person, collection: &str) -> Self {
        let (_, _, field, fields) = COLLECTIONS
            .iter()
            .find(|(kind, ..)| *kind == collection)
            .unwrap();
        Self {
            who: who.clone(),
            field,
            fields,
            held: Held::new(),
            checkpoint: None,
        }
    }

    pub async fn ask(&self, app: &App, limit: i32) -> Answer {
        let query = format!(
            "query($checkpoint: SyncCheckpointInput, $limit: Int!) {{ page: {}(checkpoint: $checkpoint, limit: $limit) \
             {{ documents {{ id version deleted {} }} checkpoint {{ token }} hasMore watermark isCapped }} }}",
            self.field, self.fields
        );
        let variables = json!({ "checkpoint": self.checkpoint, "limit": limit });
        app.gql(&self.who.token, &query, variables).await
    }

    /// Pulls as RxDB does: until a page is not full; the checkpoint of an empty page is not taken. Gives the sizes
    /// of the pages.
    pub async fn pull(&mut self, app: &App, limit: i32) -> Vec<usize> {
        let mut sizes = Vec::new();
        loop {
            let answer = self.ask(app, limit).await.ok();
            let documents = answer.list("/page/documents").to_vec();
            sizes.push(documents.len());
            let is_full = documents.len() == usize::try_from(limit).unwrap();
            assert!(is_full || answer.data("/page/hasMore") == false, "{answer}");
            if !documents.is_empty() {
                self.checkpoint = Some(answer.data("/page/checkpoint").clone());
            }
            let mut twice = BTreeSet::new();
            for document in documents {
                let id = document["id"].as_str().unwrap().to_owned();
                assert!(twice.insert(id.clone()), "{id} is twice on a page");
                if document["deleted"] == true {
                    self.held.remove(&id);
                    let said = document.as_object().unwrap().iter();
                    let said: Vec<_> = said.filter(|(_, value)| !value.is_null()).collect();
                    assert_eq!(said.len(), 3, "a tombstone says nothing else: {document}");
                } else {
                    self.held.insert(id, document);
                }
            }
            if !is_full {
                return sizes;
            }
        }
    }
}

/// What `who` holds on a fresh phone: the truth that others are compared with.
pub async fn whole(app: &App, who: &Person) -> Held {
    let mut phone = Phone::of(who, 5_000);
    phone.pull(app).await;
    phone.held
}

/// Does a mutation, and answers what its payload selects.
pub async fn act(
    app: &App,
    who: &Person,
    mutation: &str,
    kind: &str,
    input: Value,
    select: &str,
) -> Value {
    let query = format!("mutation($input: {kind}!) {{ {mutation}(input: $input) {{ {select} }} }}");
    let answer = app
        .gql(&who.token, &query, json!({ "input": input }))
        .await
        .ok();
    answer.data(&format!("/{mutation}")).clone()
}

/// Records a contact and answers its id.
pub async fn contact(app: &App, who: &Person, client: &str, name: &str) -> String {
    let input = json!({ "clientId": client, "name": name, "likes": "tea" });
    let made = act(
        app,
        who,
        "contactCreate",
        "ContactCreateInput",
        input,
        "contact { id }",
    )
    .await;
    made["contact"]["id"].as_str().unwrap().to_owned()
}

/// Puts a contact away.
pub async fn put_away(app: &App, who: &Person, contact: &str, version: i64) {
    let input = json!({ "id": contact, "version": version });
    act(
        app,
        who,
        "contactArchive",
        "ContactVersionInput",
        input,
        "contact { id }",
    )
    .await;
}

/// Writes a note and answers its id.
pub async fn note(app: &App, who: &Person, client: &str, body: &str) -> String {
    let input = json!({ "clientId": client, "body": body });
    let made = act(
        app,
        who,
        "noteCreate",
        "NoteCreateInput",
        input,
        "note { id }",
    )
    .await;
    made["note"]["id"].as_str().unwrap().to_owned()
}

/// Hands a client over.
pub async fn hand_over(app: &App, by: &Person, client: &str, to: &Person) {
    let input = json!({ "clientIds": [client], "toUserId": to.id() });
    act(
        app,
        by,
        "clientHandOver",
        "ClientHandOverInput",
        input,
        "clientCount",
    )
    .await;
}

/// A new id of that kind.
pub fn new_id(kind: &str) -> String {
    format!("{kind}_{}", Uuid::now_v7())
}
