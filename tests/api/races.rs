//! What two requests at once must not bring about.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement, TransactionTrait,
};
use serde_json::{Value, json};

use crate::orders::{levels, mutate, product, read, shop, stock};
use crate::support::{Answer, App, Backend, Person};

const ARCHIVE: &str =
    "mutation($input: ProductVersionInput!) { productArchive(input: $input) { product { id } } }";
const UPDATE: &str =
    "mutation($input: ProductUpdateInput!) { productUpdate(input: $input) { product { id } } }";
const CLIENT_UPDATE: &str =
    "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { id } } }";

/// How many statements of this service wait for a lock. PostgreSQL only.
async fn waiting(db: &DatabaseConnection) -> i64 {
    let sql = "SELECT count(*) AS found FROM pg_stat_activity WHERE datname = current_database() \
               AND wait_event_type = 'Lock'";
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get("", "found").unwrap()
}

/// Waits a while until so many statements wait for a lock. PostgreSQL only.
pub async fn until_waiting(db: &DatabaseConnection, count: i64) {
    for _ in 0..400 {
        if waiting(db).await >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Sends an order with `product`, stops it after it has looked at the product and before it is written, sends
/// `change` of the product, and lets both go on.
async fn during_an_order(
    app: &App,
    order: impl Future<Output = Answer>,
    change: impl Future<Output = Answer>,
) -> (Answer, Answer) {
    if app.backend() == Backend::Sqlite {
        return futures_util::future::join(order, change).await;
    }
    let db = Database::connect(app.database_url()).await.unwrap();
    let gate = db.begin().await.unwrap();
    gate.execute_unprepared("LOCK TABLE orders IN SHARE MODE")
        .await
        .unwrap();
    let conductor = async {
        until_waiting(&db, 1).await;
        let change = async {
            let answer = change.await;
            // The order, and nothing else, still waits: the change went past it.
            (answer, waiting(&db).await)
        };
        let opening = async {
            until_waiting(&db, 2).await;
            gate.rollback().await.unwrap();
        };
        futures_util::future::join(change, opening).await.0
    };
    let (ordered, (changed, still_waiting)) = futures_util::future::join(order, conductor).await;
    if changed.errors().is_empty() {
        assert_eq!(
            still_waiting, 0,
            "the product changed under a running order"
        );
    }
    (ordered, changed)
}

// The law: when a product is archived, or no longer for sale, every order that was submitted with it had been
// kept before; and nothing is promised of an archived product.
on_both!(
    a_product_does_not_change_under_a_running_order,
    async |app: App| {
        let shop = shop(&app).await;
        for (query, sku, input) in [
            (ARCHIVE, "A", json!({})),
            (UPDATE, "B", json!({ "isActive": false })),
        ] {
            let id = product(&app, &shop.team, sku, "1.00", json!({})).await;
            stock(&app, &shop.team, &id, 10).await;
            let lines = json!([{ "productId": id, "quantity": 1 }]);
            let order = json!({ "clientId": shop.client, "submit": true, "lines": lines });
            let mut change = json!({ "id": id, "version": 1 });
            for (name, value) in input.as_object().unwrap() {
                change[name] = value.clone();
            }
            let (ordered, changed) = during_an_order(
                &app,
                mutate(&app, &shop.team.ann, "orderCreate", order.clone()),
                app.gql(&shop.team.left.token, query, json!({ "input": change })),
            )
            .await;
            lawful(&app, &shop.team.admin.token, &id, &ordered, &changed).await;
        }
    }
);

async fn lawful(app: &App, token: &str, product: &str, ordered: &Answer, changed: &Answer) {
    let query = "query($id: ID!) { product(id: $id) { archivedAt stock { reserved } } }";
    let answer = app.gql(token, query, json!({ "id": product })).await.ok();
    let is_archived = *answer.data("/product/archivedAt") != Value::Null;
    let reserved = answer.data("/product/stock/reserved").as_i64().unwrap();
    assert!(
        !is_archived || reserved == 0,
        "{reserved} promised of what is archived"
    );
    if ordered.errors().is_empty() {
        assert_eq!(reserved, 1);
        assert!(changed.errors().is_empty() || changed.rule() == "products.promised");
    } else {
        assert_eq!(ordered.rule(), "orders.inactive_product");
        assert_eq!(reserved, 0);
    }
}

on_both!(
    orders_and_archives_at_once_keep_the_law,
    async |app: App| {
        let shop = shop(&app).await;
        for round in 0..6 {
            let mut ids = Vec::new();
            for at in 0..3 {
                let id = product(
                    &app,
                    &shop.team,
                    &format!("{round}-{at}"),
                    "1.00",
                    json!({}),
                )
                .await;
                stock(&app, &shop.team, &id, 10).await;
                ids.push(id);
            }
            let orders = (0..6).map(|at| {
                let mut lines: Vec<Value> = ids
                    .iter()
                    .map(|id| json!({ "productId": id, "quantity": 1 }))
                    .collect();
                if at % 2 == 0 {
                    lines.reverse();
                }
                let input = json!({ "clientId": shop.client, "submit": true, "lines": lines });
                mutate(&app, &shop.team.ann, "orderCreate", input)
            });
            let archives = ids.iter().map(|id| {
                let input = json!({ "id": id, "version": 1 });
                app.gql(&shop.team.left.token, ARCHIVE, json!({ "input": input }))
            });
            let (ordered, archived) = futures_util::future::join(
                futures_util::future::join_all(orders),
                futures_util::future::join_all(archives),
            )
            .await;
            let mut kept = 0;
            for answer in &ordered {
                if answer.errors().is_empty() {
                    kept += 1;
                    let order = answer.data("/orderCreate/order");
                    let order = read(&app, &shop.team.ann, order).await;
                    assert_eq!(order["status"], "APPROVED");
                } else {
                    assert_eq!(answer.rule(), "orders.inactive_product", "{answer}");
                }
            }
            for (id, answer) in ids.iter().zip(&archived) {
                let (_, reserved) = levels(&app, &shop.team, id).await;
                assert_eq!(reserved, kept);
                if answer.errors().is_empty() {
                    assert_eq!(reserved, 0);
                } else {
                    assert_eq!(answer.rule(), "products.promised");
                }
            }
        }
    }
);

on_both!(
    two_changes_at_once_close_no_circle_of_clients,
    async |app: App| {
        let team = app.team().await;
        for round in 0..12 {
            let mut ids = Vec::new();
            for at in 0..3 {
                ids.push(app.client_of(&team.ann, &format!("{round}-{at}")).await);
            }
            let changes = (0..3).map(|at| {
                let profile = json!({ "parentId": ids[(at + 1) % 3] });
                let input = json!({ "id": ids[at], "version": 1, "profile": profile });
                app.gql(&team.ann.token, CLIENT_UPDATE, json!({ "input": input }))
            });
            let answers = futures_util::future::join_all(changes).await;
            let refused: Vec<&Answer> = answers
                .iter()
                .filter(|answer| !answer.errors().is_empty())
                .collect();
            assert_eq!(refused.len(), 1, "one of three must be refused");
            assert_eq!(refused[0].rule(), "clients.parent_circle");
        }
    }
);

on_both!(
    a_circle_through_a_client_out_of_sight_is_refused,
    async |app: App| {
        let team = app.team().await;
        let top = app.client_of(&team.ann, "Top").await;
        let hidden = app.client_of(&team.ben, "Hidden").await;
        let low = app.client_of(&team.ann, "Low").await;
        for (client, parent) in [(&hidden, &top), (&low, &hidden)] {
            let input = json!({ "id": client, "version": 1, "profile": { "parentId": parent } });
            app.gql(&team.left.token, CLIENT_UPDATE, json!({ "input": input }))
                .await
                .ok();
        }
        let input = json!({ "id": top, "version": 1, "profile": { "parentId": low } });
        let answer = app
            .gql(&team.ann.token, CLIENT_UPDATE, json!({ "input": input }))
            .await;
        assert_eq!(answer.rule(), "clients.parent_circle");
        assert!(!answer.json.to_string().contains(&hidden));
    }
);

/// Sends `change`, which needs the client, while that is held; then `leave`, by which the user leaves to whom
/// the change gives it. Whoever leaves does so when the change is done.
async fn while_somebody_leaves(
    app: &App,
    change: impl Future<Output = Answer>,
    leave: impl Future<Output = Answer>,
) {
    let db = Database::connect(app.database_url()).await.unwrap();
    let gate = db.begin().await.unwrap();
    gate.execute_unprepared("SELECT 1 FROM clients FOR UPDATE")
        .await
        .unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let change = async {
        let answer = change.await;
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        answer
    };
    let leave = async {
        until_waiting(&db, 1).await;
        let answer = leave.await.ok();
        assert!(
            done.load(std::sync::atomic::Ordering::SeqCst),
            "they left before"
        );
        answer
    };
    let opening = async {
        until_waiting(&db, 2).await;
        gate.rollback().await.unwrap();
    };
    let (changed, _, ()) = futures_util::future::join3(change, leave, opening).await;
    let _ = changed.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_given_a_client_after_they_left() {
    let app = App::start(Backend::Postgres).await;
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
    let leave =
        "mutation($input: UserVersionInput!) { userDeactivate(input: $input) { user { id } } }";
    let leaves = |user: &Person| {
        let input = json!({ "input": { "id": user.id.to_string(), "version": 1 } });
        app.gql(&team.admin.token, leave, input)
    };
    let query =
        "mutation($input: ClientHandOverInput!) { clientHandOver(input: $input) { clientCount } }";
    let input = json!({ "input": { "clientIds": [client], "toUserId": team.ben.id.to_string() } });
    let hand_over = app.gql(&team.left.token, query, input);
    while_somebody_leaves(&app, hand_over, leaves(&team.ben)).await;
}
