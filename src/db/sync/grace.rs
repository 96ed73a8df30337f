//! Operations that were made while a client was still the person's and arrive after it was handed over. Where that is
//! allowed, the person is let in for the one operation, inside its transaction: nobody else ever sees that, and what it
//! may not write stays unwritten.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{ClientId, ClientMemberId, SyncCollection};
use sea_orm::{DbBackend, Statement};
use uuid::Uuid;

use super::super::session::Session;
use super::super::tx::Tx;
use super::text::Text;
use crate::error::Result;

/// That the viewer was let in to a client, for one operation.
#[derive(Debug)]
#[must_use = "the viewer stays until they are let out"]
pub struct Pass(ClientMemberId);

impl Session {
    /// Whether operations may arrive after their client was handed over.
    pub fn has_grace(&self) -> bool {
        self.database().inner.late_grace > TimeDelta::zero()
    }
}

impl Tx {
    /// Lets the viewer in to the client of this row, if it was theirs and handed over after `made_at`, not too long ago;
    /// a client is a row of itself. Nothing when it was not, or when they are on its team in some way already.
    ///
    /// # Errors
    /// From the database.
    pub async fn let_in_late(
        &self,
        collection: SyncCollection,
        row: Uuid,
        made_at: DateTime<Utc>,
    ) -> Result<Option<Pass>> {
        let mut text = Text::new(self.backend());
        let user = text.value(self.viewer().user_id());
        let (collection, row) = (text.value(collection), text.value(row));
        let since = text.value(self.now() - self.database().inner.late_grace);
        let made_at = text.value(made_at);
        // What came into the client after they lost it was never theirs to know.
        text.push(&format!(
            "SELECT hc.client_id FROM stream_scopes s \
             JOIN sync_items i ON i.scope_id = s.scope_id AND i.collection = {collection} AND i.row_id = {row} \
             AND i.added_seq <= s.left_seq \
             JOIN handover_clients hc ON hc.client_id = s.scope_id AND hc.from_user_id = s.user_id \
             JOIN handovers h ON h.id = hc.handover_id \
             WHERE s.user_id = {user} AND h.created_at > {since} AND h.created_at > {made_at} LIMIT 1"
        ));
        let Some(found) = self.query_one_raw(text.done()).await? else {
            return Ok(None);
        };
        let client: ClientId = found.try_get("", "client_id")?;
        if self.backend() == DbBackend::Postgres {
            // As every write below a client does first.
            let hold = "SELECT id FROM clients WHERE id = $1 FOR UPDATE";
            let hold = Statement::from_sql_and_values(self.backend(), hold, [client.into()]);
            self.query_one_raw(hold).await?;
        }
        let id: ClientMemberId = self.new_id();
        let mut text = Text::new(self.backend());
        let (row, client_id) = (text.value(id), text.value(client));
        let user = text.value(self.viewer().user_id());
        let now = text.value(self.now());
        text.push(&format!(
            "INSERT INTO client_members (id, client_id, user_id, role, expires_at, note, granted_by_id, version, \
             created_at, updated_at) VALUES ({row}, {client_id}, {user}, NULL, NULL, NULL, {user}, 1, {now}, {now}) \
             ON CONFLICT (client_id, user_id) DO NOTHING RETURNING id"
        ));
        let let_in = self.query_one_raw(text.done()).await?;
        self.note_sight_of([client]);
        Ok(let_in.map(|_| Pass(id)))
    }

    /// Takes that back.
    ///
    /// # Errors
    /// From the database.
    pub async fn let_out(&self, pass: Pass) -> Result<()> {
        let mut text = Text::new(self.backend());
        let id = text.value(pass.0);
        text.push(&format!("DELETE FROM client_members WHERE id = {id}"));
        self.execute_raw(text.done()).await?;
        Ok(())
    }
}
