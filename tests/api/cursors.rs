//! Pages of any size, forward and backward, show every row once and in order, whatever is equal or missing
//! in what they are sorted by; and a cursor opens nothing but the list it came from.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use clientele::db::{Audience, Confidential};
use entity::{
    ClientId, ClientKind, ClientMemberId, Lifecycle, PartyClass, UserId, client, client_member,
    client_stats,
};
use sea_orm::ActiveValue::Set;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, App, Person};

/// Numbers that look random and are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A client, as far as lists sort by it.
#[derive(Clone, Debug)]
struct Row {
    id: ClientId,
    name_sort: String,
    updated_at: DateTime<Utc>,
    /// None: no facts at all, as of a client that was imported a moment ago.
    facts: Option<Facts>,
}

#[derive(Clone, Debug)]
struct Facts {
    trailing: i64,
    receivable: i64,
    last_order_on: Option<NaiveDate>,
}

const ORDERS: [&str; 8] = [
    "NAME_ASC",
    "NAME_DESC",
    "UPDATED_AT_DESC",
    "UPDATED_AT_ASC",
    "TRAILING_REVENUE_DESC",
    "RECEIVABLE_DESC",
    "LAST_ORDER_DESC",
    "LAST_ORDER_ASC",
];

const LIST: &str = "query($order: ClientOrder, $filter: ClientFilter, $first: Int, $after: String, $last: Int, \
     $before: String) { clients(orderBy: $order, filter: $filter, first: $first, after: $after, last: $last, \
     before: $before) { edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage } } }";

fn random_row(random: &mut Random) -> Row {
    // Few values, so that many are equal; letters whose order differs between languages and bytes.
    let names = ["a", "ab", "b", "z", "ä", "zhang wei", "中"];
    let instant = DateTime::from_timestamp(1_750_000_000, 0).unwrap();
    let micros = [0, 1, 999_999, 1_000_000, 500_000][usize::try_from(random.below(5)).unwrap()];
    let days = [None, Some(0), Some(1), Some(400)][usize::try_from(random.below(4)).unwrap()];
    let day = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let amounts = [0, 0, 5, -5, 9_007_199_254_740_993];
    let facts = Facts {
        trailing: amounts[usize::try_from(random.below(5)).unwrap()],
        receivable: amounts[usize::try_from(random.below(5)).unwrap()],
        last_order_on: days.map(|days| day - TimeDelta::days(days)),
    };
    Row {
        id: ClientId(Uuid::now_v7()),
        name_sort: names[usize::try_from(random.below(7)).unwrap()].to_owned(),
        updated_at: instant + TimeDelta::microseconds(micros),
        facts: (random.below(5) > 0).then_some(facts),
    }
}

/// Puts `rows` into the book of `owner`; where `shared` says so, they are shared by them, owned by nobody.
async fn put(app: &App, rows: Vec<Row>, owner: UserId, shared: bool) {
    app.server()
        .database
        .as_system("the rows of a test")
        .write(move |tx| {
            let rows = rows.clone();
            async move {
                for row in rows {
                    let client = client::ActiveModel {
                        id: Set(row.id),
                        kind: Set(ClientKind::Organization),
                        name: Set("A firm".to_owned()),
                        name_sort: Set(row.name_sort),
                        search_text: Set("a firm".to_owned()),
                        owner_id: Set((!shared).then_some(owner)),
                        party_class: Set(PartyClass::EndCustomer),
                        lifecycle: Set(Lifecycle::Prospect),
                        currency: Set("EUR".to_owned()),
                        version: Set(1),
                        created_at: Set(row.updated_at),
                        updated_at: Set(row.updated_at),
                        ..Default::default()
                    };
                    tx.insert::<client::Entity>(client).await?;
                    let client = tx.lock_client(row.id).await?;
                    if shared {
                        let member = client_member::ActiveModel {
                            id: Set(ClientMemberId(Uuid::now_v7())),
                            user_id: Set(owner),
                            granted_by_id: Set(owner),
                            version: Set(1),
                            created_at: Set(tx.now()),
                            updated_at: Set(tx.now()),
                            ..Default::default()
                        };
                        tx.insert_under::<client_member::Entity>(&client, member)
                            .await?;
                    }
                    // Every client has its facts; one that never ordered has zeros.
                    let (trailing, receivable, last_order_on) = match row.facts {
                        Some(facts) => (facts.trailing, facts.receivable, facts.last_order_on),
                        None => (0, 0, None),
                    };
                    let stats = client_stats::ActiveModel {
                        order_count: Set(0),
                        last_order_on: Set(last_order_on),
                        lifetime_revenue_minor: Set(0),
                        trailing_revenue_minor: Set(trailing),
                        receivable_minor: Set(receivable),
                        updated_at: Set(tx.now()),
                        ..Default::default()
                    };
                    tx.insert_under::<client_stats::Entity>(&client, stats)
                        .await?;
                }
                Ok(())
            }
        })
        .await
        .unwrap();
}

/// The ids in the order that the schema promises; equal rows by id, in the same direction.
fn expected(rows: &[Row], order: &str) -> Vec<String> {
    let mut rows = rows.to_vec();
    let trailing = |row: &Row| row.facts.as_ref().map_or(0, |facts| facts.trailing);
    let receivable = |row: &Row| row.facts.as_ref().map_or(0, |facts| facts.receivable);
    let last = |row: &Row| row.facts.as_ref().and_then(|facts| facts.last_order_on);
    rows.sort_by(|a, b| {
        let by = match order {
            "NAME_ASC" | "NAME_DESC" => a.name_sort.as_bytes().cmp(b.name_sort.as_bytes()),
            "UPDATED_AT_DESC" | "UPDATED_AT_ASC" => a.updated_at.cmp(&b.updated_at),
            "TRAILING_REVENUE_DESC" => trailing(a).cmp(&trailing(b)),
            "RECEIVABLE_DESC" => receivable(a).cmp(&receivable(b)),
            _ => last(a).cmp(&last(b)),
        };
        by.then(a.id.cmp(&b.id))
    });
    if order.ends_with("_DESC") {
        rows.reverse();
    }
    rows.iter().map(|row| row.id.to_string()).collect()
}

fn ids(page: &Answer) -> Vec<String> {
    let edges = page.list("/clients/edges").iter();
    edges
        .map(|edge| edge["node"]["id"].as_str().unwrap().to_owned())
        .collect()
}

fn cursors(page: &Answer) -> Vec<String> {
    let edges = page.list("/clients/edges").iter();
    edges
        .map(|edge| edge["cursor"].as_str().unwrap().to_owned())
        .collect()
}

async fn page(app: &App, person: &Person, variables: Value) -> Answer {
    app.gql(&person.token, LIST, variables).await.ok()
}

async fn walk_forward(app: &App, person: &Person, order: &str, random: &mut Random) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let first = 1 + random.below(9);
        let page = page(
            app,
            person,
            json!({ "order": order, "first": first, "after": after }),
        )
        .await;
        let ids = ids(&page);
        assert!(u64::try_from(ids.len()).unwrap() <= first);
        assert_eq!(
            page.data("/clients/pageInfo/hasPreviousPage"),
            !found.is_empty()
        );
        found.extend(ids);
        if page.data("/clients/pageInfo/hasNextPage") == false {
            return found;
        }
        after = cursors(&page).pop().into();
    }
}

async fn walk_backward(
    app: &App,
    person: &Person,
    order: &str,
    random: &mut Random,
) -> Vec<String> {
    let (mut found, mut before) = (Vec::new(), Value::Null);
    loop {
        let last = 1 + random.below(9);
        let page = page(
            app,
            person,
            json!({ "order": order, "last": last, "before": before }),
        )
        .await;
        let mut ids = ids(&page);
        assert_eq!(
            page.data("/clients/pageInfo/hasNextPage"),
            !found.is_empty()
        );
        ids.reverse();
        found.extend(ids);
        if page.data("/clients/pageInfo/hasPreviousPage") == false {
            found.reverse();
            return found;
        }
        before = cursors(&page).into_iter().next().into();
    }
}

on_both!(pages_show_every_row_once_in_order, async |app: App| {
    let team = app.team().await;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let own: Vec<Row> = (0..60).map(|_| random_row(&mut random)).collect();
    let shared: Vec<Row> = (0..15).map(|_| random_row(&mut random)).collect();
    put(&app, own.clone(), team.ann.id, false).await;
    let rows = own.clone();
    for order in ORDERS {
        let wanted = expected(&rows, order);
        assert_eq!(
            walk_forward(&app, &team.ann, order, &mut random).await,
            wanted,
            "{order}"
        );
        assert_eq!(
            walk_backward(&app, &team.ann, order, &mut random).await,
            wanted,
            "{order}"
        );
    }
    // What this is about is not who may sort by what.
    app.server()
        .database
        .as_system("what a test sorts by")
        .write(|tx| async move {
            tx.set_audience(Confidential::Credit, Audience::Everyone)
                .await
                .map(drop)
        })
        .await
        .unwrap();
    // With shares the rows come another way, in the same order.
    put(&app, shared.clone(), team.ann.id, true).await;
    let rows = [own, shared].concat();
    for order in ORDERS {
        let wanted = expected(&rows, order);
        for who in [&team.ann, &team.left, &team.admin] {
            assert_eq!(
                walk_forward(&app, who, order, &mut random).await,
                wanted,
                "{order}"
            );
            assert_eq!(
                walk_backward(&app, who, order, &mut random).await,
                wanted,
                "{order}"
            );
        }
        assert!(
            walk_forward(&app, &team.ben, order, &mut random)
                .await
                .is_empty()
        );
    }
});

on_both!(
    rows_that_come_in_between_repeat_and_skip_nothing,
    async |app: App| {
        let team = app.team().await;
        let mut random = Random(0x0dd0_5eed);
        let mut all: Vec<Row> = (0..30).map(|_| random_row(&mut random)).collect();
        put(&app, all.clone(), team.ann.id, false).await;
        for order in ORDERS {
            let old = expected(&all, order);
            let (mut found, mut after) = (Vec::new(), Value::Null);
            loop {
                let variables =
                    json!({ "order": order, "first": 1 + random.below(7), "after": after });
                let page = page(&app, &team.ann, variables).await;
                found.extend(ids(&page));
                if page.data("/clients/pageInfo/hasNextPage") == false {
                    break;
                }
                after = cursors(&page).pop().into();
                let new: Vec<Row> = (0..2).map(|_| random_row(&mut random)).collect();
                put(&app, new.clone(), team.ann.id, false).await;
                all.extend(new);
            }
            let seen: Vec<String> = found
                .iter()
                .filter(|id| old.contains(id))
                .cloned()
                .collect();
            assert_eq!(seen, old, "{order}");
            let mut once = found.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), found.len(), "{order}: a row came twice");
        }
    }
);

on_both!(
    a_cursor_opens_only_the_list_it_came_from,
    async |app: App| {
        let team = app.team().await;
        let mut random = Random(0xc0ff_ee00);
        put(
            &app,
            (0..5).map(|_| random_row(&mut random)).collect(),
            team.ann.id,
            false,
        )
        .await;
        let first = page(&app, &team.ann, json!({ "first": 2 })).await;
        let cursor = cursors(&first).pop().unwrap();
        let refused = async |who: &Person, mut variables: Value, cursor: &str| {
            for field in ["after", "before"] {
                variables[field] = cursor.into();
                let answer = app.gql(&who.token, LIST, variables.clone()).await;
                assert_eq!(answer.code(0), "BAD_USER_INPUT", "{cursor}: {answer}");
                assert_eq!(answer.rule(), "BAD_CURSOR");
                assert_eq!(answer.fields(), [field]);
                variables[field] = Value::Null;
            }
        };
        page(&app, &team.ann, json!({ "after": cursor })).await;
        // Another viewer, even one who sees the same rows.
        for who in [&team.ben, &team.left, &team.admin] {
            refused(who, json!({}), &cursor).await;
        }
        for other in [
            json!({ "order": "NAME_DESC" }),
            json!({ "order": "LAST_ORDER_ASC" }),
            json!({ "filter": { "archived": "INCLUDE" } }),
            json!({ "filter": { "name": { "contains": "a" } } }),
        ] {
            refused(&team.ann, other, &cursor).await;
        }
        // Every character changed in turn, cut short, lengthened, and made up.
        for at in 0..cursor.len() {
            let mut changed: Vec<char> = cursor.chars().collect();
            changed[at] = if changed[at] == 'A' { 'B' } else { 'A' };
            let changed: String = changed.into_iter().collect();
            let variables = json!({ "after": changed });
            let answer = app.gql(&team.ann.token, LIST, variables).await;
            assert_eq!(answer.rule(), "BAD_CURSOR", "{at}");
        }
        let long = "A".repeat(10_000);
        for made_up in [
            "",
            "A",
            "!",
            "null",
            "W10",
            &cursor[1..],
            &cursor[..20],
            &long,
        ] {
            refused(&team.ann, json!({}), made_up).await;
        }
        refused(&team.ann, json!({}), &format!("{cursor}A")).await;
        // The same list again is the same list, whatever the page.
        let again = page(&app, &team.ann, json!({ "after": cursor, "first": 100 })).await;
        assert_eq!(ids(&again).len(), 3);
    }
);
