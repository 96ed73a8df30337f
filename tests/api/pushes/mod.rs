//! Pushes of phones: operations that were made offline, sent once, twice, ten times, beside what the office does.

mod batches;
mod conflicts;
mod given_up;
mod heard;
mod kept;
mod once;
mod orders;
mod quick;
mod rows;
mod settled;
mod strangers;
mod waiting;

use entity::{SyncIssueId, sync_issue};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, App, Person};

const RESULTS: &str = "results { opId status id version seq conflict { reason fields serverVersion } \
    error { code message fields } } watermark";

/// A phone of somebody.
pub struct Phone {
    pub id: String,
    pub who: Person,
    seq: u64,
}

impl Phone {
    pub fn of(who: &Person) -> Self {
        Self {
            id: format!("device_{}", Uuid::now_v7()),
            who: who.clone(),
            seq: 0,
        }
    }

    /// An operation, next in the count of this phone. `more`: its document and what it depends on.
    pub fn op(&mut self, kind: &str, id: &str, more: Value) -> Value {
        self.seq += 1;
        let mut op = json!({
            "opId": Uuid::now_v7().to_string(),
            "opSeq": self.seq,
            "kind": kind,
            "id": id,
        });
        for (name, value) in more.as_object().unwrap() {
            op[name] = value.clone();
        }
        op
    }

    /// Sends operations.
    pub async fn send(&self, app: &App, input: Value) -> Answer {
        let query = format!(
            "mutation($input: SyncPushInput!) {{ syncPush(input: $input) {{ {RESULTS} }} }}"
        );
        app.gql(&self.who.token, &query, json!({ "input": input }))
            .await
    }

    /// Sends operations, each done or not by itself; answers what became of each.
    pub async fn push(&self, app: &App, ops: &[&Value]) -> Vec<Value> {
        self.push_as(app, "PER_OP", ops).await
    }

    /// Sends operations; answers what became of each.
    pub async fn push_as(&self, app: &App, atomicity: &str, ops: &[&Value]) -> Vec<Value> {
        let input = json!({ "deviceId": self.id, "atomicity": atomicity, "ops": ops });
        let answer = self.send(app, input).await.ok();
        let results = answer.list("/syncPush/results").to_vec();
        assert_eq!(results.len(), ops.len());
        for (result, op) in results.iter().zip(ops) {
            assert_eq!(
                (&result["opId"], &result["id"]),
                (&op["opId"], &op["id"]),
                "answers come in the order of the operations"
            );
            assert!(result["seq"].as_i64() <= answer.data("/syncPush/watermark").as_i64());
        }
        results
    }
}

/// The statuses of results.
pub fn statuses(results: &[Value]) -> Vec<&str> {
    results
        .iter()
        .map(|result| result["status"].as_str().unwrap())
        .collect()
}

/// A new id of that kind.
pub fn new_id(kind: &str) -> String {
    format!("{kind}_{}", Uuid::now_v7())
}

/// What the service keeps for a person of what it could not do, oldest first.
pub async fn issues(app: &App, who: &Person) -> Vec<sync_issue::Model> {
    let session = app.server().database.as_system("the issues of a test");
    let all = session.select::<sync_issue::Entity>().all().await.unwrap();
    let mut mine: Vec<sync_issue::Model> = all
        .iter()
        .filter(|issue| issue.user_id == who.id)
        .map(|issue| sync_issue::Model::clone(issue))
        .collect();
    mine.sort_by_key(|issue| (issue.created_at, issue.id.0));
    let mut ids: Vec<SyncIssueId> = mine.iter().map(|issue| issue.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), mine.len());
    mine
}

/// A contact as `who` sees it; null when they do not.
pub async fn contact(app: &App, who: &Person, id: &str) -> Value {
    let query = "query($id: ID!) { contact(id: $id) { id name title department note version archivedAt client { id } } }";
    let answer = app.gql(&who.token, query, json!({ "id": id })).await.ok();
    answer.data("/contact").clone()
}

/// Records a contact online and answers its id.
pub async fn contact_of(app: &App, who: &Person, client: &str, more: Value) -> String {
    let mut input = json!({ "clientId": client, "name": "Maria Anders" });
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    let query =
        "mutation($input: ContactCreateInput!) { contactCreate(input: $input) { contact { id } } }";
    let answer = app.gql(&who.token, query, json!({ "input": input })).await;
    answer.ok().text("/contactCreate/contact/id").to_owned()
}

/// Changes a contact online.
pub async fn office_changes(app: &App, who: &Person, input: Value) {
    let query =
        "mutation($input: ContactUpdateInput!) { contactUpdate(input: $input) { contact { id } } }";
    let _ = app
        .gql(&who.token, query, json!({ "input": input }))
        .await
        .ok();
}

/// Hands a client over.
pub async fn hand_over(app: &App, by: &Person, client: &str, to: &Person) {
    let query =
        "mutation($input: ClientHandOverInput!) { clientHandOver(input: $input) { clientCount } }";
    let input = json!({ "clientIds": [client], "toUserId": to.id() });
    let _ = app
        .gql(&by.token, query, json!({ "input": input }))
        .await
        .ok();
}
