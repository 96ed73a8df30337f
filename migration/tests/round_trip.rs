//! The steps and the rows agree: every column of every entity is written and read back, on SQLite and,
//! where `CLIENTELE_TEST_POSTGRES` holds the URL of a server, on PostgreSQL in a schema of its own.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

mod sync_rows;

use std::fmt::Debug;

use entity::contact::{ContactPoint, ContactPoints, ContactRoles};
use entity::*;
use migration::{Migrator, MigratorTrait};
use sea_orm::prelude::{Date, DateTimeUtc, Uuid};
use sea_orm::{
    ActiveModelTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend,
    EntityTrait, FromQueryResult, IntoActiveModel, ModelTrait, Statement,
};
use sea_orm_migration::sea_orm;

/// The one id of every row: rows refer to one another, and each table has one.
fn id<I: EntityId>() -> I {
    I::from_uuid(Uuid::from_u128(0x0192_f4c0_7c3e_7d54_9b43_2c5a_8f1f_6e01))
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn day() -> Date {
    Date::from_ymd_opt(2024, 2, 29).unwrap()
}

/// With microseconds, as the clock cuts them.
fn instant() -> DateTimeUtc {
    DateTimeUtc::from_timestamp_micros(1_709_210_096_123_450).unwrap()
}

async fn round_trip<M, A>(db: &DatabaseConnection, model: M)
where
    M: ModelTrait + FromQueryResult + IntoActiveModel<A> + PartialEq + Debug,
    M::Entity: EntityTrait<Model = M, ActiveModel = A>,
    A: ActiveModelTrait<Entity = M::Entity>,
{
    M::Entity::insert(model.clone().into_active_model().reset_all())
        .exec_without_returning(db)
        .await
        .unwrap();
    assert_eq!(M::Entity::find().all(db).await.unwrap(), [model]);
}

async fn round_trip_every_entity(db: &DatabaseConnection) {
    round_trip(
        db,
        user::Model {
            id: id(),
            external_id: Some(text("external_id 名")),
            email: text("email 名"),
            name: text("name 名"),
            name_sort: text("name_sort 名"),
            title: Some(text("title 名")),
            role: UserRole::Admin,
            manager_id: None,
            is_pool_keeper: true,
            time_zone: text("time_zone 名"),
            locale: Locale::ZhCn,
            hired_on: Some(day()),
            deactivated_at: Some(instant()),
            version: 7,
            created_at: instant(),
            updated_at: instant(),
        },
    )
    .await;
    round_trip(
        db,
        user_reach::Model {
            manager_id: id(),
            user_id: id(),
            depth: 0,
        },
    )
    .await;
    round_trip(
        db,
        credential::Model {
            user_id: id(),
            password_hash: text("password_hash 名"),
            changed_at: instant(),
        },
    )
    .await;
    round_trip(
        db,
        session::Model {
            id: id(),
            user_id: id(),
            device_name: text("device_name 名"),
            user_agent: Some(text("user_agent 名")),
            refresh_hash: vec![0, 159, 146, 150],
            previous_refresh_hash: Some(vec![1]),
            rotated_at: instant(),
            created_at: instant(),
            last_used_at: instant(),
            idle_expires_at: instant(),
            expires_at: instant(),
            revoked_at: Some(instant()),
            revoked_reason: Some(text("revoked_reason 名")),
        },
    )
    .await;
    round_trip(
        db,
        sign_in_failure::Model {
            key: text("key 名"),
            failures: 7,
            window_started_at: instant(),
            blocked_until: Some(instant()),
        },
    )
    .await;
    round_trip(
        db,
        client::Model {
            id: id(),
            external_id: Some(text("external_id 名")),
            kind: ClientKind::Organization,
            name: text("name 名"),
            name_sort: text("name_sort 名"),
            search_text: text("search_text 名"),
            owner_id: Some(id()),
            parent_id: None,
            party_class: PartyClass::Partner,
            lifecycle: Lifecycle::Lost,
            custom_kind: Some(CustomKind::Key),
            service_mode: Some(ServiceMode::International),
            phone: Some(text("phone 名")),
            fax: Some(text("fax 名")),
            email: Some(text("email 名")),
            website: Some(text("website 名")),
            messaging_handle: Some(text("messaging_handle 名")),
            gender: Some(Gender::Other),
            birthday: Some(day()),
            nature: Some(ClientNature::Other),
            industry: Some(text("industry 名")),
            employee_count: Some(7),
            preferences: Some(text("preferences 名")),
            buying_habits: Some(text("buying_habits 名")),
            currency: text("CNY"),
            credit_limit_minor: Some(9_007_199_254_740_993),
            payment_term_days: Some(7),
            since_on: Some(day()),
            version: 7,
            created_at: instant(),
            updated_at: instant(),
            archived_at: Some(instant()),
        },
    )
    .await;
    round_trip(
        db,
        client_tag::Model {
            client_id: id(),
            tag: text("tag 名"),
        },
    )
    .await;
    round_trip(
        db,
        client_member::Model {
            id: id(),
            client_id: id(),
            user_id: id(),
            role: Some(MemberRole::Specialist),
            expires_at: Some(instant()),
            note: Some(text("note 名")),
            granted_by_id: id(),
            version: 7,
            created_at: instant(),
            updated_at: instant(),
        },
    )
    .await;
    round_trip(
        db,
        address::Model {
            id: id(),
            client_id: id(),
            kind: AddressKind::Other,
            label: Some(text("label 名")),
            recipient: Some(text("recipient 名")),
            street: Some(text("street 名")),
            city: Some(text("city 名")),
            region: Some(text("region 名")),
            postal_code: Some(text("postal_code 名")),
            country: Some(text("country 名")),
            latitude_e7: Some(-1_234_567),
            longitude_e7: Some(-1_234_567),
            is_primary: true,
            version: 7,
            created_at: instant(),
            updated_at: instant(),
            archived_at: Some(instant()),
        },
    )
    .await;
    round_trip(
        db,
        note::Model {
            id: id(),
            client_id: id(),
            author_id: id(),
            body: text("body 名"),
            is_pinned: true,
            version: 7,
            created_at: instant(),
            updated_at: instant(),
            archived_at: Some(instant()),
        },
    )
    .await;
    round_trip(
        db,
        contact::Model {
            id: id(),
            external_id: Some(text("external_id 名")),
            client_id: id(),
            name: text("name 名"),
            name_sort: text("name_sort 名"),
            search_text: text("search_text 名"),
            title: Some(text("title 名")),
            department: Some(text("department 名")),
            is_key: true,
            roles: ContactRoles(vec![ContactRole::Decider, ContactRole::Gatekeeper]),
            gender: Some(Gender::Other),
            birthday: Some(day()),
            points: ContactPoints(vec![ContactPoint {
                kind: ContactPointKind::Wechat,
                value: "li_na".to_owned(),
                label: Some("工作".to_owned()),
                is_preferred: true,
            }]),
            likes: Some(text("likes 名")),
            social_status: Some(text("social_status 名")),
            note: Some(text("note 名")),
            version: 7,
            created_at: instant(),
            updated_at: instant(),
            archived_at: Some(instant()),
        },
    )
    .await;
    round_trip(
        db,
        product_category::Model {
            id: id(),
            external_id: Some(text("external_id 名")),
            name: text("name 名"),
            name_sort: text("name_sort 名"),
            parent_id: None,
            version: 7,
            created_at: instant(),
            updated_at: instant(),
            archived_at: Some(instant()),
        },
    )
    .await;
    round_trip(
        db,
        product::Model {
            id: id(),
            external_id: Some(text("external_id 名")),
            sku: text("sku 名"),
            name: text("name 名"),
            name_sort: text("name_sort 名"),
            search_text: text("search_text 名"),
            category_id: Some(id()),
            unit: text("unit 名"),
            list_price_minor: 9_007_199_254_740_993,
            unit_cost_minor: Some(9_007_199_254_740_993),
            currency: text("CNY"),
            is_active: true,
            may_back_order: true,
            reorder_level: 7,
            version: 7,
            created_at: instant(),
            updated_at: instant(),
            archived_at: Some(instant()),
        },
    )
    .await;
    round_trip(
        db,
        order::Model {
            id: id(),
            external_id: Some(text("external_id 名")),
            number: text("number 名"),
            client_id: id(),
            placed_by_id: id(),
            status: OrderStatus::Returned,
            currency: text("CNY"),
            placed_on: day(),
            required_on: Some(day()),
            shipped_on: Some(day()),
            delivered_on: Some(day()),
            due_on: Some(day()),
            payment_term_days: Some(7),
            lines_minor: 9_007_199_254_740_993,
            discount_bp: 7,
            discount_minor: 9_007_199_254_740_993,
            freight_minor: 9_007_199_254_740_993,
            total_minor: 9_007_199_254_740_993,
            paid_minor: 9_007_199_254_740_993,
            returned_minor: 9_007_199_254_740_993,
            cost_minor: Some(9_007_199_254_740_993),
            ship_to_name: Some(text("ship_to_name 名")),
            ship_to_street: Some(text("ship_to_street 名")),
            ship_to_city: Some(text("ship_to_city 名")),
            ship_to_region: Some(text("ship_to_region 名")),
            ship_to_postal_code: Some(text("ship_to_postal_code 名")),
            ship_to_country: Some(text("ship_to_country 名")),
            note: Some(text("note 名")),
            reorder_of_id: None,
            approval_reason: Some(text("approval_reason 名")),
            decided_by_id: Some(id()),
            decided_at: Some(instant()),
            decision_note: Some(text("decision_note 名")),
            submitted_at: Some(instant()),
            cancelled_at: Some(instant()),
            version: 7,
            created_at: instant(),
            updated_at: instant(),
        },
    )
    .await;
    round_trip(
        db,
        order_line::Model {
            id: id(),
            order_id: id(),
            client_id: id(),
            line_number: 7,
            product_id: id(),
            product_name: text("product_name 名"),
            sku: text("sku 名"),
            unit: text("unit 名"),
            quantity: 7,
            unit_price_minor: 9_007_199_254_740_993,
            unit_cost_minor: Some(9_007_199_254_740_993),
            discount_bp: 7,
            net_minor: 9_007_199_254_740_993,
            returned_quantity: 2,
        },
    )
    .await;
    round_trip(
        db,
        order_event::Model {
            id: id(),
            order_id: id(),
            client_id: id(),
            kind: OrderEventKind::Payment,
            from_status: Some(OrderStatus::Returned),
            to_status: Some(OrderStatus::Returned),
            user_id: Some(id()),
            note: Some(text("note 名")),
            occurred_at: instant(),
        },
    )
    .await;
    round_trip(
        db,
        order_return::Model {
            id: id(),
            order_id: id(),
            client_id: id(),
            reason: text("reason 名"),
            amount_minor: 9_007_199_254_740_993,
            created_by_id: id(),
            created_at: instant(),
        },
    )
    .await;
    round_trip(
        db,
        order_return_line::Model {
            id: id(),
            order_return_id: id(),
            order_line_id: id(),
            client_id: id(),
            quantity: 7,
            amount_minor: 9_007_199_254_740_993,
        },
    )
    .await;
    round_trip(
        db,
        payment::Model {
            id: id(),
            external_id: Some(text("external_id 名")),
            client_id: id(),
            order_id: id(),
            amount_minor: 9_007_199_254_740_993,
            currency: text("CNY"),
            method: PaymentMethod::Other,
            paid_on: day(),
            reference: Some(text("reference 名")),
            note: Some(text("note 名")),
            recorded_by_id: id(),
            voided_at: Some(instant()),
            voided_by_id: Some(id()),
            void_reason: Some(text("void_reason 名")),
            version: 7,
            created_at: instant(),
            updated_at: instant(),
        },
    )
    .await;
    round_trip(
        db,
        stock_level::Model {
            product_id: id(),
            on_hand: 7,
            reserved: 7,
            updated_at: instant(),
        },
    )
    .await;
    round_trip(
        db,
        stock_movement::Model {
            id: id(),
            product_id: id(),
            kind: MovementKind::Return,
            on_hand_delta: 7,
            reserved_delta: 7,
            order_id: Some(id()),
            user_id: Some(id()),
            note: Some(text("note 名")),
            occurred_at: instant(),
        },
    )
    .await;
    round_trip(
        db,
        tier_scheme::Model {
            id: id(),
            external_id: Some(text("external_id 名")),
            name: text("name 名"),
            description: Some(text("description 名")),
            is_default: true,
            version: 7,
            created_at: instant(),
            updated_at: instant(),
            archived_at: Some(instant()),
        },
    )
    .await;
    round_trip(
        db,
        tier::Model {
            id: id(),
            scheme_id: id(),
            code: text("code 名"),
            name: text("name 名"),
            rank: 7,
            discount_bp: Some(7),
            points_multiplier_bp: Some(7),
            visit_cadence_days: Some(7),
            payment_term_days: Some(7),
            credit_limit_minor: Some(9_007_199_254_740_993),
            credit_limit_currency: Some(text("CNY")),
            response_hours: Some(7),
            version: 7,
            created_at: instant(),
            updated_at: instant(),
            archived_at: Some(instant()),
        },
    )
    .await;
    round_trip(
        db,
        tier_assignment::Model {
            id: id(),
            client_id: id(),
            scheme_id: id(),
            tier_id: id(),
            kind: AssignmentKind::Imported,
            reason: text("reason 名"),
            assigned_by_id: Some(id()),
            assigned_at: instant(),
            expires_at: Some(instant()),
            ended_at: Some(instant()),
            ended_reason: Some(text("ended_reason 名")),
        },
    )
    .await;
    round_trip(
        db,
        client_stats::Model {
            client_id: id(),
            order_count: 7,
            first_order_on: Some(day()),
            last_order_on: Some(day()),
            lifetime_revenue_minor: 9_007_199_254_740_993,
            trailing_revenue_minor: 9_007_199_254_740_993,
            trailing_margin_minor: Some(9_007_199_254_740_993),
            trailing_until_on: Some(day()),
            receivable_minor: 9_007_199_254_740_993,
            cycle_days: Some(7),
            tier_id: Some(id()),
            updated_at: instant(),
        },
    )
    .await;
    round_trip(
        db,
        handover::Model {
            id: id(),
            note: Some(text("note 名")),
            made_by_id: id(),
            to_user_id: id(),
            client_count: 7,
            created_at: instant(),
        },
    )
    .await;
    round_trip(
        db,
        handover_client::Model {
            handover_id: id(),
            client_id: id(),
            from_user_id: Some(id()),
            to_user_id: id(),
        },
    )
    .await;
    round_trip(
        db,
        idempotent_answer::Model {
            client_ids: "0192f0c1".to_owned(),
            user_id: id(),
            key_hash: vec![0, 159, 146, 150],
            field: 1,
            request_hash: vec![255, 0],
            answer: text("answer 名"),
            created_at: instant(),
        },
    )
    .await;
    round_trip(
        db,
        service_account::Model {
            id: id(),
            name: text("name 名"),
            user_id: id(),
            scopes: text("READ,ADMIN"),
            created_by_id: Some(id()),
            created_at: instant(),
            closed_at: Some(instant()),
        },
    )
    .await;
    round_trip(
        db,
        service_key::Model {
            id: id(),
            account_id: id(),
            secret_hash: vec![0, 159, 146, 150],
            created_by_id: Some(id()),
            created_at: instant(),
            expires_at: instant(),
            last_used_on: Some(day()),
            revoked_at: Some(instant()),
        },
    )
    .await;
    round_trip(
        db,
        user_identity::Model {
            id: id(),
            user_id: id(),
            issuer: text("issuer 名"),
            subject: text("subject 名"),
            created_at: instant(),
        },
    )
    .await;
    round_trip(
        db,
        setting::Model {
            key: text("key 名"),
            value: text("value 名"),
        },
    )
    .await;
    sync_rows::round_trip_all(db).await;
}

/// Asserts that the database refuses `sql`.
async fn assert_refused(db: &DatabaseConnection, sql: &str) {
    assert!(db.execute_unprepared(sql).await.is_err(), "accepted: {sql}");
}

/// Expects the rows of [`round_trip_every_entity`].
async fn assert_rules_hold(db: &DatabaseConnection) {
    assert_refused(db, "UPDATE stock_levels SET on_hand = -1").await;
    assert_refused(db, "UPDATE stock_levels SET reserved = -1").await;
    assert_refused(
        db,
        "UPDATE order_lines SET quantity = 0, returned_quantity = 0",
    )
    .await;
    assert_refused(db, "UPDATE order_lines SET returned_quantity = 8").await;
    assert_refused(db, "UPDATE tiers SET rank = 0").await;
    assert_refused(db, "DELETE FROM orders").await;
    assert_refused(db, "DELETE FROM users").await;

    let category = |uuid, external_id: Option<&str>| product_category::Model {
        id: CategoryId(Uuid::from_u128(uuid)),
        external_id: external_id.map(text),
        name: text("name"),
        name_sort: text("name"),
        parent_id: None,
        version: 1,
        created_at: instant(),
        updated_at: instant(),
        archived_at: None,
    };
    let insert = async |row: product_category::Model| {
        product_category::Entity::insert(row.into_active_model().reset_all())
            .exec_without_returning(db)
            .await
    };
    insert(category(1, None)).await.unwrap();
    insert(category(2, None)).await.unwrap();
    insert(category(3, Some("3"))).await.unwrap();
    assert!(insert(category(4, Some("3"))).await.is_err());
}

async fn table_count(db: &DatabaseConnection) -> usize {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT tablename FROM pg_tables \
             WHERE schemaname = current_schema() AND tablename <> 'seaql_migrations'"
        }
        _ => {
            "SELECT name FROM sqlite_master \
             WHERE type = 'table' AND name <> 'seaql_migrations'"
        }
    };
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_all_raw(statement).await.unwrap().len()
}

async fn up_down_up(db: &DatabaseConnection) {
    Migrator::up(db, None).await.unwrap();
    assert_eq!(table_count(db).await, TABLES);
    round_trip_every_entity(db).await;
    assert_rules_hold(db).await;
    Migrator::down(db, None).await.unwrap();
    assert_eq!(table_count(db).await, 0);
    Migrator::up(db, None).await.unwrap();
    assert_eq!(table_count(db).await, TABLES);
    round_trip_every_entity(db).await;
}

const TABLES: usize = 44;

#[tokio::test]
async fn every_row_round_trips_on_sqlite() {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    up_down_up(&db).await;
}

#[tokio::test]
async fn every_row_round_trips_on_postgres() {
    let Ok(url) = std::env::var("CLIENTELE_TEST_POSTGRES") else {
        eprintln!("CLIENTELE_TEST_POSTGRES is not set: PostgreSQL was not tested");
        return;
    };
    let admin = Database::connect(&url).await.unwrap();
    let schema = format!("migration_{}", Uuid::now_v7().simple());
    admin
        .execute_unprepared(&format!("CREATE SCHEMA {schema}"))
        .await
        .unwrap();
    let mut options = ConnectOptions::new(url);
    options.set_schema_search_path(schema.clone());
    let db = Database::connect(options).await.unwrap();
    up_down_up(&db).await;
    db.close().await.unwrap();
    admin
        .execute_unprepared(&format!("DROP SCHEMA {schema} CASCADE"))
        .await
        .unwrap();
}
