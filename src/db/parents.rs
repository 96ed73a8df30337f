//! The line of parents above a client, whoever may see them: what decides whether a change closes a circle
//! must not end where the sight of its viewer ends. Only ids come out, to compare, never to show.

use entity::{ClientId, client};
use sea_orm::Statement;

use super::tx::Tx;
use super::visible::Visible;
use crate::error::Result;

impl Tx {
    /// The ids of `client` and of those above it, nearest first, at most `most`. Hold
    /// [`super::Guard::ClientParents`] where nothing may change meanwhile.
    ///
    /// # Errors
    /// From the database.
    pub async fn client_line(
        &self,
        client: &Visible<client::Model>,
        most: usize,
    ) -> Result<Vec<ClientId>> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "WITH RECURSIVE line (id, parent_id, height) AS ( \
             SELECT id, parent_id, 1 FROM clients WHERE id = $1 UNION ALL \
             SELECT c.id, c.parent_id, l.height + 1 FROM clients c JOIN line l ON c.id = l.parent_id \
             WHERE l.height < $2) \
             SELECT id FROM line ORDER BY height",
            [
                client.id.into(),
                i64::try_from(most).unwrap_or(i64::MAX).into(),
            ],
        );
        self.query_all_raw(statement)
            .await?
            .iter()
            .map(|row| Ok(row.try_get("", "id")?))
            .collect()
    }
}
