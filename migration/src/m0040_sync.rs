//! What phones are told by: the line of changes, which documents are where in it, who sees which client since
//! when, the devices and what they sent.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;
use sea_orm_migration::sea_orm::DbBackend;
use uuid::Uuid;

use crate::columns::*;

/// The tables: `sync_clock`, `sync_scopes`, `sync_streams`, `stream_scopes`, `sync_items`, `sync_horizons`,
/// `sync_devices`, `op_ledger`, `device_echoes`, `sync_issues`. Rows that are there already are put in the line, at
/// its beginning.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The one scope of what the whole company shares.
const CATALOGUE: Uuid = Uuid::from_u128(0x00ca_7a10_0000_7000_8000_0000_0000_0001);

/// Kinds of scopes.
const USER: i16 = 2;
const COMPANY: i16 = 3;

/// Every kind of document: its number, its table, the column with the id of its scope (none: the catalogue), and
/// when there is something to hold.
const DOCUMENTS: &[(i16, &str, Option<&str>, &str)] = &[
    (1, "clients", Some("id"), "TRUE"),
    (2, "contacts", Some("client_id"), "archived_at IS NULL"),
    (3, "addresses", Some("client_id"), "archived_at IS NULL"),
    (4, "notes", Some("client_id"), "archived_at IS NULL"),
    (5, "orders", Some("client_id"), "TRUE"),
    (6, "payments", Some("client_id"), "TRUE"),
    (16, "users", Some("id"), "TRUE"),
    (17, "sync_issues", Some("user_id"), "archived_at IS NULL"),
    (24, "products", None, "archived_at IS NULL"),
    (25, "product_categories", None, "archived_at IS NULL"),
    (26, "tier_schemes", None, "archived_at IS NULL"),
    (27, "tiers", None, "archived_at IS NULL"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        make_line(manager).await?;
        make_devices(manager).await?;
        // Those who see clients by what they are, not by whose these are: few among many.
        index(
            manager,
            "users_by_role",
            "users",
            &["role", "is_pool_keeper", "id"],
        )
        .await?;
        // The job that looks for shares that ended reads them in this order.
        index(
            manager,
            "client_members_by_expiry",
            "client_members",
            &["expires_at", "client_id"],
        )
        .await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            // Rows that are written over and over stay on their page.
            for (table, percent) in [
                ("sync_clock", 50),
                ("sync_scopes", 70),
                ("stream_scopes", 70),
            ] {
                let sql = format!("ALTER TABLE {table} SET (fillfactor = {percent})");
                manager.get_connection().execute_unprepared(&sql).await?;
            }
        }
        fill(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for index in ["client_members_by_expiry", "users_by_role"] {
            let sql = format!("DROP INDEX {index}");
            connection.execute_unprepared(&sql).await?;
        }
        drop_tables(
            manager,
            &[
                "sync_issues",
                "device_echoes",
                "op_ledger",
                "sync_devices",
                "sync_horizons",
                "sync_items",
                "stream_scopes",
                "sync_streams",
                "sync_scopes",
                "sync_clock",
            ],
        )
        .await
    }
}

/// The line itself. It refers to no other table: a reference would hold rows that somebody who waits for the clock
/// holds, and items outlive their rows.
async fn make_line(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("sync_clock")
                .col(integer("id").primary_key())
                .col(uuid("epoch"))
                .col(big_integer("seq"))
                .check(("sync_clock_one_row", Expr::col("id").eq(1)))
                .take(),
        )
        .await?;
    manager
        .create_table(
            Table::create()
                .table("sync_scopes")
                .col(small_integer("kind"))
                .col(uuid("id"))
                .col(boolean("is_broadcast"))
                .col(big_integer("head_seq"))
                .primary_key(Index::create().col("kind").col("id"))
                .take(),
        )
        .await?;
    manager
        .create_table(
            Table::create()
                .table("sync_streams")
                .col(uuid("user_id").primary_key())
                .col(big_integer("opened_seq"))
                .col(timestamp_with_time_zone("opened_at"))
                .col(boolean("is_capped"))
                .take(),
        )
        .await?;
    manager
        .create_table(
            Table::create()
                .table("stream_scopes")
                .col(uuid("user_id"))
                .col(uuid("scope_id"))
                .col(big_integer("entered_seq"))
                .col(big_integer_null("before_seq"))
                .col(big_integer_null("left_seq"))
                .col(big_integer("head_seq"))
                .col(boolean("is_guest"))
                .primary_key(Index::create().col("user_id").col("scope_id"))
                .take(),
        )
        .await?;
    index(
        manager,
        "stream_scopes_by_head",
        "stream_scopes",
        &["user_id", "head_seq"],
    )
    .await?;
    manager
        .create_index(
            Index::create()
                .name("stream_scopes_open")
                .table("stream_scopes")
                .col("scope_id")
                .and_where(Expr::col("left_seq").is_null())
                .take(),
        )
        .await?;
    manager
        .create_table(
            Table::create()
                .table("sync_items")
                .col(uuid("scope_id"))
                .col(small_integer("collection"))
                .col(uuid("row_id"))
                .col(big_integer("seq"))
                .col(big_integer("added_seq"))
                .col(boolean("live"))
                .primary_key(
                    Index::create()
                        .col("scope_id")
                        .col("collection")
                        .col("row_id"),
                )
                .take(),
        )
        .await?;
    // A pull reads nothing but this index.
    index(
        manager,
        "sync_items_by_seq",
        "sync_items",
        &[
            "scope_id",
            "seq",
            "collection",
            "row_id",
            "live",
            "added_seq",
        ],
    )
    .await?;
    // Whether a scope has anything of one kind after a position is one probe.
    index(
        manager,
        "sync_items_by_kind",
        "sync_items",
        &["scope_id", "collection", "seq"],
    )
    .await?;
    manager
        .create_table(
            Table::create()
                .table("sync_horizons")
                .col(small_integer("collection").primary_key())
                .col(big_integer("purged_seq"))
                .take(),
        )
        .await
}

/// The devices, and what they sent.
async fn make_devices(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("sync_devices")
                .col(uuid("id").primary_key())
                .col(uuid("user_id"))
                .col(uuid_null("session_id"))
                .col(text("name"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("last_seen_at"))
                .col(big_integer("acked_seq"))
                .col(big_integer("floor_seq").default(0))
                .col(big_integer("forgotten_op_seq"))
                .col(integer("schema_version"))
                .col(timestamp_with_time_zone_null("expired_at"))
                .col(timestamp_with_time_zone_null("revoked_at"))
                .col(timestamp_with_time_zone_null("wipe_asked_at"))
                .col(timestamp_with_time_zone_null("wiped_at"))
                .foreign_key(&mut dies_with("sync_devices", "user_id", "users"))
                .take(),
        )
        .await?;
    index(
        manager,
        "sync_devices_by_user",
        "sync_devices",
        &["user_id", "id"],
    )
    .await?;
    index(
        manager,
        "sync_devices_by_session",
        "sync_devices",
        &["session_id"],
    )
    .await?;
    index(
        manager,
        "sync_devices_by_time",
        "sync_devices",
        &["last_seen_at"],
    )
    .await?;
    manager
        .create_table(
            Table::create()
                .table("op_ledger")
                .col(uuid("device_id"))
                .col(uuid("op_id"))
                .col(big_integer("op_seq"))
                .col(blob("request_hash"))
                .col(choice("status"))
                .col(big_integer_null("version"))
                .col(big_integer("seq"))
                .col(json_binary_null("payload"))
                .col(timestamp_with_time_zone("created_at"))
                .primary_key(Index::create().col("device_id").col("op_id"))
                .foreign_key(&mut dies_with("op_ledger", "device_id", "sync_devices"))
                .take(),
        )
        .await?;
    index(manager, "op_ledger_by_time", "op_ledger", &["created_at"]).await?;
    manager
        .create_table(
            Table::create()
                .table("device_echoes")
                .col(uuid("device_id"))
                .col(small_integer("collection"))
                .col(uuid("row_id"))
                .col(timestamp_with_time_zone("pushed_at"))
                .col(big_integer_null("stamped_seq"))
                .col(big_integer_null("own_version"))
                .col(blob_null("own_hash"))
                .primary_key(
                    Index::create()
                        .col("device_id")
                        .col("collection")
                        .col("row_id"),
                )
                .foreign_key(&mut dies_with("device_echoes", "device_id", "sync_devices"))
                .take(),
        )
        .await?;
    manager
        .create_table(
            Table::create()
                .table("sync_issues")
                .col(uuid("id").primary_key())
                .col(uuid("user_id"))
                .col(uuid_null("device_id"))
                .col(uuid_null("op_id"))
                .col(small_integer("collection"))
                .col(uuid("row_id"))
                .col(uuid_null("client_id"))
                .col(text("code"))
                .col(text("message"))
                .col(json_binary("payload"))
                .col(big_integer("version"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("updated_at"))
                .col(timestamp_with_time_zone_null("archived_at"))
                .foreign_key(&mut keeps("sync_issues", "user_id", "users"))
                .take(),
        )
        .await?;
    index(
        manager,
        "sync_issues_by_user_and_time",
        "sync_issues",
        &["user_id", "created_at", "id"],
    )
    .await
}

/// Puts what is there at the beginning of the line. No user has a device yet, so nobody's clients are kept.
async fn fill(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let catalogue = match manager.get_database_backend() {
        DbBackend::Postgres => format!("CAST('{CATALOGUE}' AS uuid)"),
        _ => format!("x'{}'", CATALOGUE.simple()),
    };
    let epoch = Query::insert()
        .into_table("sync_clock")
        .columns(["id", "epoch", "seq"])
        .values_panic([1.into(), Uuid::now_v7().into(), 1_i64.into()])
        .take();
    connection.execute(&epoch).await?;
    for (number, table, scope, live) in DOCUMENTS {
        let scope = scope.unwrap_or(&catalogue);
        let items = format!(
            "INSERT INTO sync_items (scope_id, collection, row_id, seq, added_seq, live) \
             SELECT {scope}, {number}, id, 1, 1, {live} FROM {table}"
        );
        connection.execute_unprepared(&items).await?;
        let horizon =
            format!("INSERT INTO sync_horizons (collection, purged_seq) VALUES ({number}, 0)");
        connection.execute_unprepared(&horizon).await?;
    }
    for scopes in [
        format!("SELECT {USER}, id, FALSE, 1 FROM users"),
        format!("SELECT {COMPANY}, {catalogue}, TRUE, 1"),
    ] {
        let sql = format!("INSERT INTO sync_scopes (kind, id, is_broadcast, head_seq) {scopes}");
        connection.execute_unprepared(&sql).await?;
    }
    Ok(())
}
