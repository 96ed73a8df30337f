//! The rows that phones are told by.

use entity::*;
use sea_orm::prelude::{Json, Uuid};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use sea_orm_migration::sea_orm;

use super::{id, instant, round_trip, text};

/// Writes and reads a row of each table. The step brings some of its own.
pub(super) async fn round_trip_all(db: &DatabaseConnection) {
    for table in ["sync_clock", "sync_scopes", "sync_horizons"] {
        db.execute_unprepared(&format!("DELETE FROM {table}"))
            .await
            .unwrap();
    }
    let some = Uuid::from_u128(7);
    let far = 9_007_199_254_740_993;
    round_trip(
        db,
        sync_clock::Model {
            id: 1,
            epoch: some,
            seq: far,
        },
    )
    .await;
    round_trip(
        db,
        sync_scope::Model {
            kind: ScopeKind::User,
            id: some,
            is_broadcast: true,
            head_seq: far,
        },
    )
    .await;
    round_trip(
        db,
        sync_stream::Model {
            user_id: id(),
            opened_seq: far,
            opened_at: instant(),
            is_capped: true,
        },
    )
    .await;
    round_trip(
        db,
        stream_scope::Model {
            user_id: id(),
            scope_id: id(),
            entered_seq: 7,
            before_seq: Some(3),
            left_seq: Some(far),
            head_seq: far,
            is_guest: true,
        },
    )
    .await;
    round_trip(
        db,
        sync_item::Model {
            scope_id: some,
            collection: SyncCollection::TierSchemes,
            row_id: some,
            seq: far,
            added_seq: far - 2,
            live: true,
        },
    )
    .await;
    round_trip(
        db,
        sync_horizon::Model {
            collection: SyncCollection::SyncIssues,
            purged_seq: far,
        },
    )
    .await;
    round_trip(
        db,
        sync_device::Model {
            id: id(),
            user_id: id(),
            session_id: Some(id()),
            name: text("a phone 名"),
            created_at: instant(),
            last_seen_at: instant(),
            acked_seq: far,
            floor_seq: 2,
            forgotten_op_seq: far,
            schema_version: 7,
            expired_at: Some(instant()),
            revoked_at: Some(instant()),
            wipe_asked_at: Some(instant()),
            wiped_at: Some(instant()),
        },
    )
    .await;
    round_trip(
        db,
        op_ledger::Model {
            device_id: id(),
            op_id: some,
            op_seq: far,
            request_hash: vec![0, 159, 146, 150],
            status: OpStatus::Duplicate,
            version: Some(far),
            seq: far,
            payload: Some("茶".into()),
            created_at: instant(),
        },
    )
    .await;
    round_trip(
        db,
        device_echo::Model {
            device_id: id(),
            collection: SyncCollection::Notes,
            row_id: some,
            pushed_at: instant(),
            stamped_seq: Some(far),
            own_version: Some(far),
            own_hash: Some(vec![0, 159, 146, 150]),
        },
    )
    .await;
    round_trip(
        db,
        sync_issue::Model {
            id: id(),
            user_id: id(),
            device_id: Some(id()),
            op_id: Some(some),
            collection: SyncCollection::Clients,
            row_id: some,
            client_id: Some(id()),
            code: text("code 名"),
            message: text("message 名"),
            payload: Json::String(text("typed 名")),
            version: 7,
            created_at: instant(),
            updated_at: instant(),
            archived_at: Some(instant()),
        },
    )
    .await;
}
