//! The phones of the scene, and what they could not do.

use clientele::db::SyncScope;
use entity::{DeviceId, EntityId, SyncCollection, SyncIssueId, sync_device, sync_issue};
use serde_json::json;
use uuid::Uuid;

use super::line::{check_in, put_in_line};
use super::world::{Owner, World, put};
use crate::support::Person;

impl World {
    /// Gives everybody who can sign in a phone, and two of them one that was told to forget everything and an issue.
    /// Then whatever there is comes to phones.
    pub async fn phones(&mut self) {
        let now = self.app.server().clock.now();
        let people: Vec<Person> = self.viewers().into_iter().cloned().collect();
        for (who, client) in [(self.team.ann.clone(), 1), (self.team.cleo.clone(), 4)] {
            let id = self.register(DeviceId(Uuid::now_v7()), Owner::User(who.id));
            let lost = sync_device::Model {
                id,
                user_id: who.id,
                session_id: None,
                name: format!("mine-{}-phone", id.uuid()),
                created_at: now,
                last_seen_at: now,
                acked_seq: 1,
                floor_seq: 0,
                forgotten_op_seq: 0,
                schema_version: 1,
                expired_at: Some(now),
                revoked_at: Some(now),
                wipe_asked_at: Some(now),
                wiped_at: Some(now),
            };
            put::<sync_device::Entity>(&self.db, vec![lost]).await;
            let client = self.client(client);
            let issue = self.register(SyncIssueId(Uuid::now_v7()), Owner::User(who.id));
            let issue = sync_issue::Model {
                id: issue,
                user_id: who.id,
                device_id: Some(id),
                op_id: Some(Uuid::now_v7()),
                collection: SyncCollection::Clients,
                row_id: SyncScope::Client(client).id(),
                client_id: Some(client),
                code: "STALE_FIELDS".to_owned(),
                message: format!("mine-{}-message", issue.uuid()),
                payload: json!({ "mine": { "name": format!("mine-{}-name", issue.uuid()) } }),
                version: 1,
                created_at: now,
                updated_at: now,
                archived_at: None,
            };
            put::<sync_issue::Entity>(&self.db, vec![issue]).await;
        }
        put_in_line(&self.app, &self.db).await;
        for who in people {
            if let Some(device) = check_in(&self.app, &who).await {
                self.register(device, Owner::User(who.id));
            }
        }
    }
}
