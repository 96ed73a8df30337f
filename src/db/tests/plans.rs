//! The statements behind the lists that people open all day reach their rows by an index, whoever asks:
//! no scan of a table that grows with the company.

use entity::{client_stats, contact};
use sea_orm::sea_query::{Expr, ExprTrait, SelectStatement};
use sea_orm::{ColumnTrait, IntoSimpleExpr};

use super::*;
use crate::db::{KeyKind, PageRequest, ScopedSelect, Sort, SortKey};

const REPS: usize = 450;

/// Tables that grow with the company.
const LARGE: [&str; 4] = ["clients", "orders", "contacts", "client_stats"];

struct Company {
    rep: Session,
    sharing: Session,
    manager: Session,
    admin: Session,
    some_clients: Vec<Uuid>,
}

/// 45 teams of 10 reps with 200 clients each; every client has an order and a contact, some a member
/// of another team.
async fn company(ground: &Ground) -> Company {
    let system = ground.system();
    let top = user(&system, UserRole::Manager, None).await;
    let mut managers = Vec::new();
    let mut reps = Vec::new();
    for n in 0..REPS {
        if n % 10 == 0 {
            managers.push(user(&system, UserRole::Manager, Some(top)).await);
        }
        reps.push(user(&system, UserRole::Rep, managers.last().copied()).await);
    }
    let admin = user(&system, UserRole::Admin, None).await;
    let outside = ground.outside().await;
    let [id, json, day, at] = if ground.is_postgres() {
        [
            "gen_random_uuid()",
            "'[]'::jsonb",
            "DATE '2026-01-01'",
            "TIMESTAMPTZ '2026-01-01Z'",
        ]
    } else {
        [
            "randomblob(16)",
            "'[]'",
            "'2026-01-01'",
            "'2026-01-01T00:00:00+00:00'",
        ]
    };
    let number = if ground.is_postgres() {
        "c.id::text"
    } else {
        "hex(c.id)"
    };
    let name = "'firm ' || (n.i * 7919 % 100000)";
    for sql in [
        format!(
            "INSERT INTO clients (id, kind, name, name_sort, search_text, owner_id, party_class, lifecycle, \
             phone, preferences, currency, version, created_at, updated_at) \
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) \
             SELECT {id}, 'ORGANIZATION', {name}, {name}, {name}, u.id, 'END_CUSTOMER', 'PROSPECT', \
             '+49 30 1234567', 'Deliver in the morning, ring twice, and ask for the storekeeper.', 'EUR', 1, \
             {at}, {at} FROM users u CROSS JOIN n WHERE u.role = 'REP'"
        ),
        format!(
            "INSERT INTO orders (id, number, client_id, placed_by_id, status, currency, placed_on, \
             lines_minor, discount_bp, discount_minor, freight_minor, total_minor, paid_minor, \
             returned_minor, version, created_at, updated_at) SELECT {id}, {number}, c.id, c.owner_id, \
             'APPROVED', 'EUR', {day}, 100, 0, 0, 0, 100, 0, 0, 1, {at}, {at} FROM clients c"
        ),
        format!(
            "INSERT INTO contacts (id, client_id, name, name_sort, search_text, is_key, roles, points, \
             version, created_at, updated_at) SELECT {id}, c.id, 'a', 'a', 'a', false, {json}, {json}, 1, \
             {at}, {at} FROM clients c"
        ),
        format!(
            "INSERT INTO client_stats (client_id, order_count, lifetime_revenue_minor, \
             trailing_revenue_minor, receivable_minor, updated_at) \
             SELECT id, 2, 200, 200, 200, {at} FROM clients"
        ),
        // Every rep but the first 50 is on the team of 20 clients of others.
        format!(
            "INSERT INTO client_members (id, client_id, user_id, granted_by_id, version, created_at, \
             updated_at) SELECT {id}, c.id, u.id, c.owner_id, 1, {at}, {at} FROM \
             (SELECT id, owner_id, row_number() OVER (ORDER BY id) AS i FROM clients) c JOIN \
             (SELECT id, row_number() OVER (ORDER BY id) AS i FROM users WHERE role = 'REP') u \
             ON u.i > 50 AND c.i / 20 = u.i AND c.owner_id <> u.id"
        ),
    ] {
        outside.execute_unprepared(&sql).await.unwrap();
    }
    let some = Statement::from_string(
        ground.database.backend(),
        "SELECT id FROM clients ORDER BY id LIMIT 20",
    );
    let some_clients = outside
        .query_all_raw(some)
        .await
        .unwrap()
        .iter()
        .map(|row| row.try_get("", "id").unwrap())
        .collect();
    let rep = session(ground, reps[3]).await;
    // PostgreSQL does this by itself after so many rows.
    let tidy = if ground.is_postgres() {
        "VACUUM ANALYZE"
    } else {
        "ANALYZE"
    };
    outside.execute_unprepared(tidy).await.unwrap();
    Company {
        rep,
        sharing: session(ground, reps[65]).await,
        manager: session(ground, managers[6]).await,
        admin: session(ground, admin).await,
        some_clients,
    }
}

async fn plan(outside: &DatabaseConnection, statement: &SelectStatement) -> String {
    let backend = outside.get_database_backend();
    let mut built = backend.build(statement);
    let (word, column) = match backend {
        DbBackend::Postgres => ("EXPLAIN", 0),
        _ => ("EXPLAIN QUERY PLAN", 3),
    };
    built.sql = format!("{word} {}", built.sql);
    let rows = outside.query_all_raw(built).await.unwrap();
    let lines: Vec<String> = rows
        .iter()
        .map(|row| row.try_get_by_index(column).unwrap())
        .collect();
    lines.join("\n")
}

/// Scans of whole large tables in a plan.
fn scans(plan: &str) -> Vec<&str> {
    plan.lines()
        .filter(|line| {
            LARGE.iter().any(|table| {
                let sequential = line
                    .split_once("Seq Scan on ")
                    .is_some_and(|(_, rest)| rest.split_whitespace().next() == Some(table));
                let whole = line
                    .trim()
                    .strip_prefix("SCAN ")
                    .is_some_and(|rest| rest.split_whitespace().next() == Some(table));
                sequential || whole
            })
        })
        .collect()
}

fn by_name() -> Sort {
    Sort::ascending(vec![SortKey::column(
        client::Column::NameSort,
        KeyKind::Text,
    )])
}

fn in_use(session: &Session) -> ScopedSelect<client::Entity> {
    session
        .select::<client::Entity>()
        .filter(client::Column::ArchivedAt.is_null())
}

fn first_page() -> PageRequest {
    PageRequest::first(20, "test")
}

/// The lists a viewer opens, with what they are called.
async fn lists(session: &Session) -> Vec<(&'static str, SelectStatement)> {
    let mut lists = Vec::new();
    let home = in_use(session);
    lists.push((
        "home",
        home.page_statement(&by_name(), &first_page()).unwrap(),
    ));
    let page = home.clone().page(&by_name(), &first_page()).await.unwrap();
    let next = PageRequest::new(
        Some(20),
        page.edges.last().map(|edge| edge.cursor.text().unwrap()),
        None,
        None,
        "test",
    )
    .unwrap();
    lists.push(("next page", home.page_statement(&by_name(), &next).unwrap()));
    let previous = PageRequest::new(None, None, Some(20), None, "test").unwrap();
    lists.push((
        "last page",
        home.page_statement(&by_name(), &previous).unwrap(),
    ));
    let latest = Sort::descending(vec![SortKey::column(
        client::Column::UpdatedAt,
        KeyKind::Instant,
    )]);
    lists.push((
        "latest",
        home.page_statement(&latest, &first_page()).unwrap(),
    ));
    let of_stats = client_stats::Column::ClientId.into_simple_expr();
    let richest = Sort::descending(vec![SortKey::column(
        client_stats::Column::TrailingRevenueMinor,
        KeyKind::Number,
    )])
    .with_id(of_stats.clone());
    let longest_silent = Sort::ascending(vec![SortKey {
        expr: Expr::cust(r#"COALESCE("client_stats"."last_order_on", '1970-01-01')"#),
        kind: KeyKind::Day,
    }])
    .with_id(of_stats);
    let with_facts = home.clone().join(
        "client_stats",
        Expr::col((client_stats::Entity, client_stats::Column::ClientId))
            .equals((client::Entity, client::Column::Id)),
    );
    lists.push((
        "richest",
        with_facts.page_statement(&richest, &first_page()).unwrap(),
    ));
    lists.push((
        "longest silent",
        with_facts
            .page_statement(&longest_silent, &first_page())
            .unwrap(),
    ));
    let search = home.filter(crate::domain::clients::matching("firm 01").unwrap());
    lists.push((
        "search",
        search.page_statement(&by_name(), &first_page()).unwrap(),
    ));
    let orders = Sort::descending(vec![SortKey::column(order::Column::PlacedOn, KeyKind::Day)]);
    let list = session.select::<order::Entity>();
    lists.push((
        "orders",
        list.page_statement(&orders, &first_page()).unwrap(),
    ));
    lists
}

fn children(session: &Session, parents: &[Uuid]) -> Vec<(&'static str, SelectStatement)> {
    let orders = Sort::descending(vec![SortKey::column(order::Column::PlacedOn, KeyKind::Day)]);
    let contacts = Sort::ascending(vec![SortKey::column(
        contact::Column::NameSort,
        KeyKind::Text,
    )]);
    let request = PageRequest::first(5, "test");
    vec![
        (
            "orders of clients",
            session
                .select::<order::Entity>()
                .pages_statement(order::Column::ClientId, parents, &orders, &request)
                .unwrap(),
        ),
        (
            "contacts of clients",
            session
                .select::<contact::Entity>()
                .filter(contact::Column::ArchivedAt.is_null())
                .pages_statement(contact::Column::ClientId, parents, &contacts, &request)
                .unwrap(),
        ),
    ]
}

on_both!(
    no_list_of_one_team_scans_a_large_table,
    4,
    async |ground: Ground| {
        let company = company(&ground).await;
        let outside = ground.outside().await;
        let mut offences = Vec::new();
        for (who, session) in [
            ("rep", &company.rep),
            ("rep with a share", &company.sharing),
            ("manager", &company.manager),
        ] {
            let mut statements = lists(session).await;
            statements.extend(children(session, &company.some_clients));
            for (what, statement) in statements {
                let plan = plan(&outside, &statement).await;
                let scans = scans(&plan);
                if !scans.is_empty() {
                    offences.push(format!("{who}, {what}: {scans:?}\n{plan}\n"));
                }
            }
        }
        // Administrators see all: their pages follow an index in its order.
        for (what, statement) in lists(&company.admin).await {
            let index = match what {
                "home" | "next page" | "last page" => "clients_by_name",
                "latest" => "clients_by_update",
                "richest" => "client_stats_by_trailing_revenue",
                "longest silent" => "client_stats_by_last_day",
                "orders" => "orders_by_day",
                _ => continue,
            };
            let plan = plan(&outside, &statement).await;
            if !plan.contains(index) {
                offences.push(format!("administrator, {what}\n{plan}\n"));
            }
        }
        assert!(offences.is_empty(), "{}", offences.join("\n"));
    }
);

#[test]
fn scans_are_told_from_searches() {
    let plan = "Limit\n  ->  Seq Scan on clients  (cost=0.00)\n  ->  Index Scan using x on clients";
    assert_eq!(scans(plan).len(), 1);
    assert_eq!(scans("SCAN clients USING INDEX clients_by_name").len(), 1);
    assert!(scans("SEARCH clients USING INDEX a\nSCAN ranked_\nSeq Scan on users").is_empty());
}
