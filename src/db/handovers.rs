//! Clients that change hands by the thousand: one statement per thousands of rows instead of one per row.

use entity::{ClientId, UserId, client, client_member, client_stats};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ColumnTrait, Insert, Iterable, QueryTrait};

use super::dialect;
use super::scope::{self, Span};
use super::session::Session;
use super::tx::{CHUNK_PARAMETERS, LockedClient, Tx};
use crate::error::{Error, Result};
use crate::say;

impl Tx {
    /// Makes `owner` answer for all of `clients`; the version of each goes up by one.
    ///
    /// # Errors
    /// `CONFLICT` when one of them left the scope meanwhile; from the database.
    pub async fn change_owner(&self, clients: &[LockedClient], owner: UserId) -> Result<()> {
        use client::Column;
        for chunk in clients.chunks(CHUNK_PARAMETERS) {
            let mut condition =
                Condition::all().add(Column::Id.is_in(chunk.iter().map(|client| client.id)));
            if let Some(scope) =
                scope::condition::<client::Entity>(self.viewer(), self.now(), Span::Whole)
            {
                condition = condition.add(scope);
            }
            let mut statement = Query::update();
            statement
                .table(client::Entity)
                .value(Column::OwnerId, owner)
                .value(Column::Version, Expr::col(Column::Version).add(1_i64))
                .value(Column::UpdatedAt, self.now())
                .cond_where(condition);
            let done = self.execute_raw(self.backend().build(&statement)).await?;
            if done.rows_affected() != u64::try_from(chunk.len()).unwrap_or(u64::MAX) {
                return Err(Error::new(
                    crate::Code::Conflict,
                    say!("some of these clients changed meanwhile; try again"),
                ));
            }
            self.tell_of_clients(chunk.iter().map(|client| client.id));
            self.note_clients(chunk.iter().map(|client| client.id));
            self.note_sight_of(chunk.iter().map(|client| client.id));
        }
        Ok(())
    }

    /// Takes `user` off the teams of `clients`.
    ///
    /// # Errors
    /// From the database.
    pub async fn leave_teams(&self, clients: &[LockedClient], user: UserId) -> Result<()> {
        use client_member::Column;
        for chunk in clients.chunks(CHUNK_PARAMETERS) {
            let condition = Condition::all()
                .add(Column::ClientId.is_in(chunk.iter().map(|client| client.id)))
                .add(Column::UserId.eq(user));
            self.delete_rows::<client_member::Entity>(condition).await?;
            self.tell_of_clients(chunk.iter().map(|client| client.id));
        }
        Ok(())
    }

    /// Adds plain shares of `clients`, all of which this transaction holds: each row names its own client
    /// and user. Who is on a team for longer stays as they are.
    ///
    /// # Errors
    /// From the database.
    pub async fn share_all(
        &self,
        clients: &[LockedClient],
        share: impl Fn(&LockedClient) -> Option<client_member::ActiveModel>,
    ) -> Result<()> {
        use client_member::{Column, Entity};
        // Shares that are over, and may let in again.
        for chunk in clients.chunks(CHUNK_PARAMETERS) {
            let mut over = Query::select();
            over.column(Column::ClientId)
                .from(Entity)
                .and_where(Column::ClientId.is_in(chunk.iter().map(|client| client.id)))
                .and_where(Column::ExpiresAt.lte(self.over()));
            let over = self.query_all(&over).await?;
            let over = over
                .iter()
                .map(|row| Ok(row.try_get("", "client_id")?))
                .collect::<Result<Vec<ClientId>>>()?;
            self.note_renewed(over);
        }
        let columns = Column::iter().count().max(1);
        for chunk in clients.chunks(CHUNK_PARAMETERS / columns) {
            let rows: Vec<client_member::ActiveModel> = chunk
                .iter()
                .filter_map(|client| {
                    Some(client_member::ActiveModel {
                        client_id: Set(client.id),
                        ..share(client)?
                    })
                })
                .collect();
            if rows.is_empty() {
                continue;
            }
            let mut longer = OnConflict::columns([Column::ClientId, Column::UserId]);
            longer
                .update_columns([
                    Column::Role,
                    Column::ExpiresAt,
                    Column::Note,
                    Column::GrantedById,
                    Column::UpdatedAt,
                ])
                .value(
                    Column::Version,
                    Expr::col((Entity, Column::Version)).add(1_i64),
                )
                .action_and_where(
                    Expr::col((Entity, Column::ExpiresAt))
                        .lt(Expr::col((Alias::new("excluded"), Column::ExpiresAt))),
                );
            let statement = Insert::many(rows).on_conflict(longer).into_query();
            self.execute_raw(self.backend().build(&statement)).await?;
            self.tell_of_clients(chunk.iter().map(|client| client.id));
            self.note_sight_of(chunk.iter().map(|client| client.id));
        }
        Ok(())
    }
}

impl Session {
    /// What the clients that meet `which` owe together, by currency, in minor units.
    ///
    /// # Errors
    /// From the database.
    pub async fn receivable_by_currency(&self, which: Condition) -> Result<Vec<(String, i64)>> {
        let mut condition = which;
        if let Some(scope) =
            scope::condition::<client::Entity>(self.viewer(), self.now(), Span::Whole)
        {
            condition = condition.add(scope);
        }
        let sum = dialect::sum(self.backend(), "client_stats.receivable_minor");
        let mut statement = Query::select();
        statement
            .column((client::Entity, client::Column::Currency))
            .expr_as(Expr::cust(sum), Alias::new("receivable_"))
            .from(client::Entity)
            .inner_join(
                client_stats::Entity,
                Expr::col((client_stats::Entity, client_stats::Column::ClientId))
                    .equals((client::Entity, client::Column::Id)),
            )
            .cond_where(condition)
            .group_by_col((client::Entity, client::Column::Currency))
            .order_by(
                (client::Entity, client::Column::Currency),
                sea_orm::Order::Asc,
            );
        self.query_all(&statement)
            .await?
            .iter()
            .map(|row| {
                Ok((
                    row.try_get("", "currency")?,
                    row.try_get("", "receivable_")?,
                ))
            })
            .collect()
    }
}
