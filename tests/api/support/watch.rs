//! A second line for what phones are told by: every PostgreSQL database of the tests refuses a commit of the
//! service in which a row changed that phones hold, and no item was written for it at the position of that very
//! commit. It looks at nothing but the rows themselves, so it finds a write wherever that comes from.

use sea_orm::{ConnectionTrait, Database};

/// The tables that are documents: table, number of the collection, column with the id of the scope (none: that of
/// the catalogue), column with the id of the document.
const DOCUMENTS: &[(&str, i16, &str, &str)] = &[
    ("clients", 1, "id", "id"),
    ("client_tags", 1, "client_id", "client_id"),
    ("contacts", 2, "client_id", "id"),
    ("addresses", 3, "client_id", "id"),
    ("notes", 4, "client_id", "id"),
    ("orders", 5, "client_id", "id"),
    ("order_lines", 5, "client_id", "order_id"),
    ("payments", 6, "client_id", "id"),
    ("users", 16, "id", "id"),
    ("sync_issues", 17, "user_id", "id"),
    ("products", 24, "", "id"),
    ("product_categories", 25, "", "id"),
    ("tier_schemes", 26, "", "id"),
    ("tiers", 27, "", "id"),
];

/// Only what the service does is watched: tests write past it to set a scene, and a restore writes all rows there
/// are under another name. The clock was taken by the
/// transaction itself, so its row is this transaction's, and no other's position can pass for it. An issue that was put
/// aside has been gone from phones since then.
const FUNCTION: &str = "CREATE FUNCTION watch_documents() RETURNS trigger LANGUAGE plpgsql AS $$ \
    DECLARE present jsonb := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END; \
    BEGIN \
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'sync_issues' AND present->>'archived_at' IS NOT NULL THEN \
    RETURN NULL; END IF; \
    IF NOT EXISTS (SELECT 1 FROM sync_items i JOIN sync_clock c ON c.seq = i.seq \
    AND c.xmin = pg_current_xact_id()::xid \
    WHERE i.collection = TG_ARGV[0]::smallint AND i.row_id = (present->>TG_ARGV[2])::uuid \
    AND (TG_ARGV[1] = '' OR i.scope_id = (present->>TG_ARGV[1])::uuid)) THEN \
    RAISE EXCEPTION 'phones are not told of % in %: %', TG_OP, TG_TABLE_NAME, present; \
    END IF; RETURN NULL; END $$";

/// Sets the watch in a database that has its tables.
pub(super) async fn install(url: &str) {
    let connection = Database::connect(super::database::options(url))
        .await
        .expect("a new database should open");
    let mut statements = vec![FUNCTION.to_owned()];
    for (table, collection, scope, row) in DOCUMENTS {
        statements.push(format!(
            "CREATE CONSTRAINT TRIGGER watch_{table} AFTER INSERT OR UPDATE OR DELETE ON {table} \
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
             WHEN (current_setting('application_name') = 'clientele') \
             EXECUTE FUNCTION watch_documents({collection}, '{scope}', '{row}')"
        ));
    }
    for statement in statements {
        if let Err(error) = connection.execute_unprepared(&statement).await {
            panic!("{statement}: {error}");
        }
    }
    connection
        .close()
        .await
        .expect("the connection should close");
}
