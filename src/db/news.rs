//! What a unit of work tells of after its commit: every write of rows in a client's subtree notes the client here.
//! Nothing is told of what is undone.

use std::collections::BTreeSet;

use entity::{ClientId, UserId, order};
use sea_orm::sea_query::ValueType;
use sea_orm::{ConnectionTrait, ModelTrait, Statement};

use super::connect::Database;
use super::scope::{Rule, Scoped};
use super::tx::{CHUNK_PARAMETERS, Tx};
use crate::error::Result;
use crate::live::{Bus, Kinds, News, Placed, Touch};

/// Who may see the clients of a condition: their owners, those on their teams, everybody above these,
/// administrators, and for clients without an owner the keepers of the pool. Shares that have ended and roles that
/// see less count too: this says who should look, not what they see.
const AUDIENCE: &str = "SELECT c.id AS client_id, r.manager_id AS user_id FROM clients c \
     JOIN user_reach r ON r.user_id = c.owner_id WHERE {clients} \
     UNION SELECT c.id, r.manager_id FROM clients c JOIN client_members m ON m.client_id = c.id \
     JOIN user_reach r ON r.user_id = m.user_id WHERE {clients} \
     UNION SELECT c.id, u.id FROM clients c JOIN users u ON u.role = 'ADMIN' \
     OR (c.owner_id IS NULL AND u.is_pool_keeper) WHERE {clients}";

impl Tx {
    /// Notes rows that were made, changed or are about to go, for what is told after the commit.
    pub(super) fn tell_of<'r, E: Scoped>(&self, rows: impl IntoIterator<Item = &'r E::Model>)
    where
        E::Model: 'r,
    {
        let Some(column) = column_of_client::<E>() else {
            return;
        };
        let ids = rows.into_iter().map(|row| row.get(column));
        self.tell_of_clients(ids.filter_map(|id| <ClientId as ValueType>::try_from(id).ok()));
    }

    /// As [`Self::tell_of`], for rows of these clients.
    pub(super) fn tell_of_clients(&self, clients: impl IntoIterator<Item = ClientId>) {
        if let Some(unit) = &self.within {
            unit.note_news(|news| {
                news.absorb(News {
                    clients: clients.into_iter().collect(),
                    ..News::default()
                });
            });
        }
    }

    /// Tells, after the commit, that `order` was placed.
    pub fn tell_placed(&self, order: &order::Model) {
        if let Some(unit) = &self.within {
            unit.note_news(|news| {
                news.placed.insert(Placed {
                    client: order.client_id,
                    order: order.id,
                });
            });
        }
    }

    /// Tells, after the commit, all phones of `user` to come: there is something for them to hear.
    pub fn tell_phones_of(&self, user: UserId) {
        if let Some(unit) = &self.within {
            unit.note_news(|news| news.poke.touch(user, Touch::of(Kinds::ALL)));
        }
    }
}

/// The column of `E` that says which client a row belongs to.
fn column_of_client<E: Scoped>() -> Option<E::Column> {
    match E::RULE {
        Rule::ThroughClient(column) => Some(column),
        Rule::Clients => {
            let mut keys = <E::PrimaryKey as sea_orm::Iterable>::iter();
            keys.next().map(sea_orm::PrimaryKeyToColumn::into_column)
        }
        Rule::Everyone
        | Rule::OwnUser(_)
        | Rule::Managers
        | Rule::Admins
        | Rule::ThroughHandover(_) => None,
    }
}

impl Database {
    /// What the commits of this process have changed, told after each.
    pub fn news(&self) -> &Bus {
        &self.inner.news
    }

    /// Who should hear that something of `clients` changed. It may name people who see nothing of it any more:
    /// what somebody sees is decided when they read.
    ///
    /// # Errors
    /// From the database.
    pub async fn audience(&self, clients: &BTreeSet<ClientId>) -> Result<Vec<(ClientId, UserId)>> {
        let clients: Vec<ClientId> = clients.iter().copied().collect();
        let mut found = Vec::new();
        for chunk in clients.chunks(CHUNK_PARAMETERS) {
            let places: Vec<String> = (1..=chunk.len()).map(|at| format!("${at}")).collect();
            let condition = format!("c.id IN ({})", places.join(", "));
            let statement = Statement::from_sql_and_values(
                self.backend(),
                AUDIENCE.replace("{clients}", &condition),
                chunk.iter().map(|id| (*id).into()),
            );
            // The primary: who has just got a client must hear of it.
            for row in self.reading().await?.query_all_raw(statement).await? {
                found.push((row.try_get("", "client_id")?, row.try_get("", "user_id")?));
            }
        }
        Ok(found)
    }
}
