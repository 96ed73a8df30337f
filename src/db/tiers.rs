//! What a change of the tier schemes means for clients of everybody, whoever makes it: the one place where
//! a write reaches past the scope of its viewer, and only into derived figures.

use chrono::{DateTime, Utc};
use entity::{ClientId, TierId, TierSchemeId, client, tier_assignment, tier_scheme};
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, QueryResult, Statement};

use super::dialect;
use super::tx::Tx;
use crate::error::Result;

/// How many clients are held and worked out at once.
const CHUNK: i64 = 500;

impl Tx {
    /// Whether any client, of whomever, is in `tier` now.
    ///
    /// # Errors
    /// From the database.
    pub async fn is_tier_in_use(&self, tier: TierId) -> Result<bool> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT 1 AS one FROM tier_assignments WHERE tier_id = $1 AND ended_at IS NULL \
             AND (expires_at IS NULL OR expires_at > $2) LIMIT 1",
            [tier.into(), self.now().into()],
        );
        Ok(self.query_one_raw(statement).await?.is_some())
    }

    /// Works out anew the statistics of all clients, of whomever, that have a tier in one of two schemes:
    /// which scheme is the default has changed. Says how many. Hold [`super::Guard::TierSchemes`].
    ///
    /// # Errors
    /// `FORBIDDEN` unless the viewer may change schemes; from the database.
    pub async fn refresh_stats_in_schemes(
        &self,
        before: Option<TierSchemeId>,
        after: Option<TierSchemeId>,
    ) -> Result<u64> {
        self.require_writer::<tier_scheme::Entity>()?;
        let mut last = ClientId(uuid::Uuid::nil());
        let mut refreshed = 0_u64;
        loop {
            // Rows are taken in the order of their ids, as everywhere.
            let sql = format!(
                "SELECT c.id FROM clients c WHERE c.id > $1 AND c.id IN (SELECT a.client_id \
                 FROM tier_assignments a WHERE a.ended_at IS NULL AND (a.scheme_id = $2 OR a.scheme_id = $3)) \
                 ORDER BY c.id LIMIT $4{}",
                dialect::for_update(self.backend())
            );
            let statement = Statement::from_sql_and_values(
                self.backend(),
                sql,
                [last.into(), before.into(), after.into(), CHUNK.into()],
            );
            let ids = self
                .query_all_raw(statement)
                .await?
                .iter()
                .map(id)
                .collect::<Result<Vec<ClientId>>>()?;
            let Some(end) = ids.last().copied() else {
                return Ok(refreshed);
            };
            self.refresh(&ids).await?;
            refreshed = refreshed.saturating_add(u64::try_from(ids.len()).unwrap_or_default());
            last = end;
        }
    }
}

fn id(row: &QueryResult) -> Result<ClientId> {
    Ok(row.try_get("", "id")?)
}

/// The ids of the default scheme: one or none.
pub fn default_scheme_ids() -> SelectStatement {
    use tier_scheme::Column;
    let mut ids = Query::select();
    ids.column(Column::Id)
        .from(tier_scheme::Entity)
        .and_where(Column::IsDefault.eq(true))
        .and_where(Column::ArchivedAt.is_null());
    ids
}

/// The condition that a row of `tier_assignments` is the one that holds at `now` for its client in its
/// scheme, when joined to `clients`.
pub fn tier_holds(now: DateTime<Utc>) -> Condition {
    use tier_assignment::Column;
    let own = |column: Column| Expr::col((tier_assignment::Entity, column));
    let other = Alias::new("overriding");
    let of_other = |column: Column| Expr::col((other.clone(), column));
    let mut overriding: SelectStatement = Query::select();
    overriding
        .expr(Expr::val(1))
        .from_as(tier_assignment::Entity, other.clone())
        .and_where(of_other(Column::ClientId).eq(own(Column::ClientId)))
        .and_where(of_other(Column::SchemeId).eq(own(Column::SchemeId)))
        .and_where(of_other(Column::Kind).eq(entity::AssignmentKind::Override))
        .and_where(of_other(Column::EndedAt).is_null())
        .cond_where(
            Condition::any()
                .add(of_other(Column::ExpiresAt).is_null())
                .add(of_other(Column::ExpiresAt).gt(now)),
        );
    Condition::all()
        .add(own(Column::ClientId).equals((client::Entity, client::Column::Id)))
        .add(Column::EndedAt.is_null())
        .add(
            Condition::any()
                .add(Column::ExpiresAt.is_null())
                .add(Column::ExpiresAt.gt(now)),
        )
        .add(
            Condition::any()
                .add(Column::Kind.eq(entity::AssignmentKind::Override))
                .add(Expr::exists(overriding).not()),
        )
}
