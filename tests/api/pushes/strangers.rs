//! What a phone is told of rows that its user does not see: nothing, whatever it tries.

use serde_json::{Value, json};

use super::{Phone, contact_of, issues, new_id};
use crate::orders::{placed, shop};
use crate::pulls::act;
use crate::support::{App, Person};

/// What nobody but those who see it may read.
const SECRET: &str = "Zanzibar";

const RESULTS: &str = "results { opId status id version conflict { reason fields serverVersion server { \
    __typename ... on ClientDoc { id name } ... on ContactDoc { id note } ... on AddressDoc { id city } \
    ... on NoteDoc { id body } ... on OrderDoc { id note } ... on PaymentDoc { id note } } } \
    error { code message fields } }";

/// A row of Ann's: its kind, its id, what makes one of it under a client, and what changes it.
struct Row {
    kind: &'static str,
    id: String,
    make: Value,
    change: Value,
}

/// One row of each kind that phones write, all under a client of Ann's.
async fn rows(app: &App) -> (crate::orders::Shop, Vec<Row>) {
    let shop = shop(app).await;
    let ann = shop.team.ann.clone();
    let client = shop.client.clone();
    let contact = contact_of(app, &ann, &client, json!({ "note": SECRET })).await;
    let input = json!({ "clientId": client, "kind": "BILLING", "city": SECRET });
    let address = act(
        app,
        &ann,
        "addressCreate",
        "AddressCreateInput",
        input,
        "address { id }",
    );
    let address = address.await["address"]["id"].as_str().unwrap().to_owned();
    let note = crate::pulls::note(app, &ann, &client, SECRET).await;
    let order = placed(app, &shop, json!({ "submit": true, "note": SECRET })).await;
    let order_id = order["id"].as_str().unwrap().to_owned();
    let money = json!({ "amount": "1.00", "currency": "EUR" });
    let input = json!({ "orderId": order_id, "amount": money, "method": "CASH", "note": SECRET });
    let payment = act(
        app,
        &ann,
        "paymentRecord",
        "PaymentRecordInput",
        input,
        "payment { id }",
    );
    let payment = payment.await["payment"]["id"].as_str().unwrap().to_owned();
    let row = |kind, id: &str, make: Value, change: Value| Row {
        kind,
        id: id.to_owned(),
        make,
        change,
    };
    let all = vec![
        row(
            "client",
            &client,
            json!({ "kind": "ORGANIZATION", "currency": "EUR", "name": "Guess" }),
            json!({ "name": "Guess" }),
        ),
        row(
            "contact",
            &contact,
            json!({ "clientId": client, "name": "Guess" }),
            json!({ "note": "Guess" }),
        ),
        row(
            "address",
            &address,
            json!({ "clientId": client, "kind": "BILLING" }),
            json!({ "city": "Guess" }),
        ),
        row(
            "note",
            &note,
            json!({ "clientId": client, "body": "Guess" }),
            json!({ "body": "Guess" }),
        ),
        row(
            "order",
            &order_id,
            json!({ "clientId": client, "lines": [{ "productId": shop.chai, "quantity": 1 }] }),
            json!({ "note": "Guess" }),
        ),
        row(
            "payment",
            &payment,
            json!({ "orderId": order_id, "amount": money, "method": "CASH" }),
            json!({ "voidReason": "Guess" }),
        ),
    ];
    (shop, all)
}

/// Her rows as her phones hold them, with their versions.
async fn hers(app: &App, ann: &Person, rows: &[Row]) -> Vec<Value> {
    let held = crate::pulls::whole(app, ann).await;
    let hers: Vec<Value> = rows.iter().map(|row| held[&row.id].clone()).collect();
    assert_eq!(hers.len(), 6);
    assert!(hers.iter().all(|row| row["version"].as_i64() >= Some(1)));
    hers
}

/// What `who` keeps as issues, with all that is in them.
async fn texts_of_issues(app: &App, who: &Person) -> String {
    let all = issues(app, who).await;
    all.iter()
        .map(|issue| {
            format!(
                "{} {} {} {:?}",
                issue.code, issue.message, issue.payload, issue.client_id
            )
        })
        .collect()
}

/// Demands that `said` names no id but those in `named`, and nothing that is secret.
fn says_nothing(said: &str, named: &[&str], what: &str) {
    assert!(
        !said.contains(SECRET) && !said.contains("Alfreds"),
        "{what}: {said}"
    );
    for word in said.split(|letter: char| !letter.is_ascii_alphanumeric() && !"_-".contains(letter))
    {
        if let Some((_, id)) = word.split_once('_')
            && id.len() == 36
            && uuid::Uuid::parse_str(id).is_ok()
        {
            assert!(named.contains(&word), "{what}: {word} in {said}");
        }
    }
}

on_both!(
    operations_on_hidden_rows_are_told_nothing_of_them,
    async |app: App| {
        let (shop, rows) = rows(&app).await;
        let before = hers(&app, &shop.team.ann, &rows).await;
        let ben = &shop.team.ben;
        let own = app.client_of(ben, "Ben's").await;
        let mut phone = Phone::of(ben);
        for Row {
            kind,
            id,
            make,
            change,
        } in &rows
        {
            // Beside each a row that never was: the two must look alike.
            let never = new_id(kind);
            let parent = make["clientId"].as_str().or(make["orderId"].as_str());
            let mut own_make = make.clone();
            if make["clientId"].is_string() {
                own_make["clientId"] = json!(own);
            }
            let base = format!("base{}{}", kind[..1].to_uppercase(), &kind[1..]);
            let mut answers = Vec::new();
            for id in [id, &never] {
                let ops = [
                    phone.op("UPDATE", id, json!({ *kind: change, "baseVersion": 1 })),
                    phone.op(
                        "UPDATE",
                        id,
                        json!({ *kind: change, "baseVersion": 0, &base: change }),
                    ),
                    phone.op("DELETE", id, json!({ "baseVersion": 1 })),
                ];
                let input = json!({ "deviceId": phone.id, "ops": ops });
                let query = format!(
                    "mutation($input: SyncPushInput!) {{ syncPush(input: $input) {{ {RESULTS} }} }}"
                );
                let answer = app
                    .gql(&ben.token, &query, json!({ "input": input }))
                    .await
                    .ok();
                let results = answer.list("/syncPush/results").to_vec();
                says_nothing(&json!(results).to_string(), &[id], kind);
                for result in &results {
                    assert_eq!(result["status"], "CONFLICT", "{kind}: {result}");
                    assert_eq!(
                        result["conflict"],
                        json!({ "reason": "NOT_VISIBLE", "fields": [], "serverVersion": null, "server": null }),
                        "{kind}"
                    );
                    assert_eq!(result["version"], Value::Null);
                }
                let errors: Vec<Value> = results
                    .iter()
                    .map(|result| result["error"].clone())
                    .collect();
                answers.push(errors);
            }
            assert_eq!(
                answers[0], answers[1],
                "{kind}: what is hidden and what never was look alike"
            );
            // An id that is taken; then a new row where he sees nothing, and where there is nothing.
            let taken = phone.op("CREATE", id, json!({ *kind: own_make }));
            let results = phone.push(&app, &[&taken]).await;
            says_nothing(&json!(results).to_string(), &[id], kind);
            assert_eq!(results[0]["version"], Value::Null);
            assert_eq!(results[0]["conflict"]["serverVersion"], Value::Null);
            if let Some(parent) = parent {
                let nowhere = parent.split_once('_').unwrap().0;
                let nowhere = new_id(nowhere);
                let mut told = Vec::new();
                for parent in [parent, &nowhere] {
                    let mut new = make.clone();
                    let field = if make["clientId"].is_string() {
                        "clientId"
                    } else {
                        "orderId"
                    };
                    new[field] = json!(parent);
                    let op = phone.op("CREATE", &new_id(kind), json!({ *kind: new }));
                    let results = phone.push(&app, &[&op]).await;
                    told.push((results[0]["status"].clone(), results[0]["error"].clone()));
                }
                assert_eq!(told[0], told[1], "{kind}");
            }
        }
        // His own new client under hers, his own order to her address.
        let address = &rows[2].id;
        let below = phone.op(
            "CREATE",
            &new_id("client"),
            json!({ "client": { "kind": "ORGANIZATION", "currency": "EUR", "name": "Below", "parentId": shop.client } }),
        );
        let order = phone.op(
            "CREATE",
            &new_id("order"),
            json!({ "order": { "clientId": own, "addressId": address,
                "lines": [{ "productId": shop.chai, "quantity": 1 }] } }),
        );
        let results = phone.push(&app, &[&below, &order]).await;
        for result in &results {
            assert_ne!(result["status"], "APPLIED", "{result}");
            let said = format!("{}{}", result["error"], result["conflict"]);
            says_nothing(&said, &[], "a parent that is hidden");
        }
        // What is kept of all that for him holds what he typed, and nothing of hers.
        let kept = texts_of_issues(&app, ben).await;
        assert!(
            kept.contains("Guess") && !kept.contains(SECRET) && !kept.contains("Alfreds"),
            "{kept}"
        );
        // And nothing of hers was written.
        assert_eq!(hers(&app, &shop.team.ann, &rows).await, before);
        assert!(issues(&app, &shop.team.ann).await.is_empty());
    }
);

on_both!(
    rows_pushed_over_hidden_ones_come_back_empty,
    async |app: App| {
        let (shop, rows) = rows(&app).await;
        let before = hers(&app, &shop.team.ann, &rows).await;
        let ben = &shop.team.ben;
        let own = app.client_of(ben, "Ben's").await;
        for Row {
            kind,
            id,
            make,
            change,
        } in &rows
        {
            let title = format!("{}{}", kind[..1].to_uppercase(), &kind[1..]);
            let plural = if *kind == "address" {
                "Addresses".to_owned()
            } else {
                format!("{title}s")
            };
            let word = match *kind {
                "client" => "name",
                "contact" | "order" | "payment" => "note",
                "address" => "city",
                _ => "body",
            };
            let query = format!(
                "mutation($rows: [{title}PushRow!]!) {{ push{plural}(rows: $rows) {{ id deleted version {word} }} }}"
            );
            for id in [id, &new_id(kind)] {
                let mut document = make.clone();
                if make["clientId"].is_string() {
                    document["clientId"] = json!(own);
                }
                document["id"] = json!(id);
                document["deleted"] = json!(false);
                let mut changed = document.clone();
                for (name, value) in change.as_object().unwrap() {
                    changed[name] = value.clone();
                }
                let rows = json!([{ "assumedMasterState": document, "newDocumentState": changed }]);
                let answer = app
                    .gql(&ben.token, &query, json!({ "rows": rows }))
                    .await
                    .ok();
                let back = answer.list(&format!("/push{plural}")).to_vec();
                let expected = json!({ "id": id, "deleted": true, "version": 0, word: null });
                assert_eq!(back, [expected], "{kind}");
            }
            // An id of hers for a row of his.
            let mut document = make.clone();
            if make["clientId"].is_string() {
                document["clientId"] = json!(own);
            }
            document["id"] = json!(id);
            document["deleted"] = json!(false);
            let rows = json!([{ "newDocumentState": document }]);
            let answer = app
                .gql(&ben.token, &query, json!({ "rows": rows }))
                .await
                .ok();
            let back = answer.list(&format!("/push{plural}"));
            let expected = json!({ "id": id, "deleted": true, "version": 0, word: null });
            assert_eq!(back, [expected], "{kind}");
        }
        let kept = texts_of_issues(&app, ben).await;
        assert!(
            !kept.contains(SECRET) && !kept.contains("Alfreds"),
            "{kept}"
        );
        assert_eq!(hers(&app, &shop.team.ann, &rows).await, before);
    }
);
