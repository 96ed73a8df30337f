//! Scoped writes. Every write of the service goes through [`Tx::insert_row`], [`Tx::update_row`] or
//! [`Tx::delete_rows`] in this file, which is where a change log can see all of them.

use std::collections::HashSet;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::{ClientId, EntityId, client};
use sea_orm::sea_query::{Condition, Expr, Query};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, DatabaseConnection, DatabaseTransaction, DbBackend,
    EntityTrait, Insert, Iterable, ModelTrait, QueryTrait, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};
use tokio::sync::{RwLock, RwLockReadGuard};

use super::classify::{is_clash, is_transient};
use super::scope::{self, Keyed, Scoped, UnderClient, Versioned, Writers};
use super::select::decode_all;
use super::session::Session;
use super::visible::Visible;
use crate::error::{Code, Error, Result};

/// A transaction of one viewer. Reads through it are scoped like any other ([`Session`]) and see its own
/// writes.
#[derive(Clone)]
pub struct Tx {
    session: Session,
}

impl Deref for Tx {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

/// A client whose row this transaction holds: nothing else can write its subtree meanwhile.
#[derive(Clone, Debug)]
pub struct LockedClient(Visible<client::Model>);

impl Deref for LockedClient {
    type Target = Visible<client::Model>;

    fn deref(&self) -> &Visible<client::Model> {
        &self.0
    }
}

impl LockedClient {
    /// The row itself.
    pub fn into_inner(self) -> Visible<client::Model> {
        self.0
    }
}

const ATTEMPTS: u32 = 4;
const CHUNK_PARAMETERS: usize = 30_000;

/// Begins a transaction.
///
/// In a task of its own: the driver loses track of a `BEGIN` that is on its way when its caller goes away,
/// and would lend the connection on with the transaction open.
pub(super) async fn begin(connection: &DatabaseConnection) -> Result<DatabaseTransaction> {
    let connection = connection.clone();
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        isolation_level: None,
        access_mode: None,
    };
    let begun = tokio::spawn(async move { connection.begin_with_options(options).await })
        .await
        .map_err(|error| Error::bug(format!("a transaction did not begin: {error}")))?;
    Ok(begun?)
}

/// The transaction of one unit of work, for as long as that runs: whoever keeps a [`Tx`] beyond it holds
/// no connection.
pub(super) struct Unit(RwLock<Option<DatabaseTransaction>>);

impl Unit {
    fn new(transaction: DatabaseTransaction) -> Self {
        Self(RwLock::new(Some(transaction)))
    }

    /// The transaction, to run one statement on.
    pub(super) async fn transaction(&self) -> Result<RwLockReadGuard<'_, DatabaseTransaction>> {
        RwLockReadGuard::try_map(self.0.read().await, Option::as_ref)
            .map_err(|_| Error::bug("a statement of a unit of work that has ended"))
    }

    /// Takes the transaction once no statement is on its way.
    async fn end(&self) -> Result<DatabaseTransaction> {
        self.0
            .write()
            .await
            .take()
            .ok_or_else(|| Error::bug("a unit of work ended twice"))
    }
}

/// Runs a unit of work in a task of its own: a caller that goes away cannot cut it in half, which would
/// leave an open transaction on a pooled connection.
pub(super) async fn run<T, F, Fut>(session: Session, work: F) -> Result<T>
where
    F: Fn(Tx) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let task = tokio::spawn(async move {
        let mut attempt = 0;
        let mut clashed = false;
        loop {
            attempt += 1;
            match once(&session, &work).await {
                // Perhaps with a twin of this very request, which the second run finds.
                Err(error) if !clashed && is_clash(&error) => clashed = true,
                Err(error) if attempt < ATTEMPTS && is_transient(&error) => {
                    let millis = u64::from(session.now().timestamp_subsec_micros() % 20);
                    tokio::time::sleep(Duration::from_millis(millis * u64::from(attempt))).await;
                }
                outcome => return outcome,
            }
        }
    });
    task.await
        .map_err(|error| Error::bug(format!("a unit of work did not end: {error}")))?
}

async fn once<T, F, Fut>(session: &Session, work: &F) -> Result<T>
where
    F: Fn(Tx) -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let unit = Arc::new(Unit::new(begin(&session.database().inner.write).await?));
    let now = session.now();
    let tx = Tx {
        session: session.inside(Arc::clone(&unit), now),
    };
    let outcome = work(tx).await;
    // Somebody who keeps it may be in the middle of a write: half of that must not be kept.
    let outcome = match outcome {
        Ok(_) if Arc::strong_count(&unit) > 1 => {
            Err(Error::bug("a unit of work kept its transaction"))
        }
        outcome => outcome,
    };
    let transaction = unit.end().await?;
    match outcome {
        Ok(value) => {
            transaction.commit().await?;
            Ok(value)
        }
        Err(error) => {
            // The first error is the one that counts; a connection that cannot roll back is closed.
            if let Err(failed) = transaction.rollback().await {
                tracing::warn!(error = %failed, "rollback failed");
            }
            Err(error)
        }
    }
}

impl Tx {
    /// The client with this id, held until the transaction ends. Take it before writing anything in its
    /// subtree: credit, stock promises and statistics of one client cannot race then.
    ///
    /// # Errors
    /// `NOT_FOUND` when it is not in scope.
    pub async fn lock_client(&self, id: ClientId) -> Result<LockedClient> {
        let row = self
            .lock(&[id])
            .await?
            .into_iter()
            .next()
            .ok_or_else(|| Error::not_found(client::Entity::NAME))?;
        Ok(LockedClient(Visible::single(row)))
    }

    /// Holds many clients, in the order of their ids so that two such transactions cannot wait for each
    /// other. Those out of scope are missing from the answer.
    ///
    /// # Errors
    /// From the database.
    pub async fn lock_clients(&self, ids: &[ClientId]) -> Result<Vec<LockedClient>> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let mut locked = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK_PARAMETERS) {
            let rows = Visible::family(self.lock(chunk).await?);
            locked.extend(rows.into_iter().map(LockedClient));
        }
        Ok(locked)
    }

    /// The clients among `ids` that are in scope, held, as they are now.
    async fn lock(&self, ids: &[ClientId]) -> Result<Vec<client::Model>> {
        let mut condition = Condition::all().add(client::Column::Id.is_in(ids.iter().copied()));
        if let Some(scope) = scope::condition::<client::Entity>(self.viewer(), self.now()) {
            condition = condition.add(scope);
        }
        let mut statement =
            sea_orm::QueryFilter::filter(client::Entity::find(), condition).into_query();
        statement.order_by(client::Column::Id, sea_orm::Order::Asc);
        if self.backend() != DbBackend::Postgres {
            // One writer: what it reads, it holds.
            return decode_all::<client::Entity>(&self.query_all(&statement).await?);
        }
        let mut locking = statement.clone();
        locking.lock_exclusive();
        for _ in 0..ATTEMPTS {
            let held = decode_all::<client::Entity>(&self.query_all(&locking).await?)?;
            if scope::is_of_the_row_alone(self.viewer()) {
                return Ok(held);
            }
            // A statement that waited for a row looks at that row anew, but at all others, by which the
            // scope may reach it, as they were before. So the scope is asked once more.
            let seen = decode_all::<client::Entity>(&self.query_all(&statement).await?)?;
            let held: HashSet<ClientId> = held.iter().map(|row| row.id).collect();
            if seen.iter().all(|row| held.contains(&row.id)) {
                return Ok(seen);
            }
        }
        Err(Error::new(
            Code::Unavailable,
            "these clients are changing hands; try again in a moment",
        ))
    }

    /// Adds a row that belongs to no client: a product, a user, a client itself.
    ///
    /// # Errors
    /// `FORBIDDEN` when the viewer's role may not write this table; `CONFLICT` when it clashes.
    pub async fn insert<E>(&self, row: E::ActiveModel) -> Result<Visible<E::Model>>
    where
        E: Scoped,
    {
        let mut rows = self.insert_all::<E>(vec![row]).await?;
        rows.pop()
            .ok_or_else(|| Error::bug("an insert gave no row"))
    }

    /// Adds rows that belong to no client.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub async fn insert_all<E>(&self, rows: Vec<E::ActiveModel>) -> Result<Vec<Visible<E::Model>>>
    where
        E: Scoped,
    {
        self.require_writer::<E>()?;
        let Some(scope) = scope::condition::<E>(self.viewer(), self.now()) else {
            return self.insert_rows::<E>(rows).await;
        };
        let rows = self.insert_rows::<E>(rows).await?;
        // What its maker cannot see would be lost: the whole transaction fails.
        for chunk in rows.chunks(500) {
            let made = chunk.iter().fold(Condition::any(), |any, row| {
                any.add(primary_key::<E>(row))
            });
            let condition = Condition::all().add(made).add(scope.clone());
            let statement = sea_orm::QueryFilter::filter(E::find(), condition).into_query();
            if self.query_all(&statement).await?.len() != chunk.len() {
                return Err(Error::forbidden(format!(
                    "you cannot make a {} that you would not see",
                    E::NAME
                )));
            }
        }
        Ok(rows)
    }

    /// A fresh id, in the order of time.
    pub fn new_id<I: EntityId>(&self) -> I {
        I::from_uuid(uuid::Uuid::now_v7())
    }

    /// Adds a row that belongs to no client. When the caller `chose` an id that exists in scope, and the
    /// content is equal, the row that is there answers: the same create may arrive twice.
    ///
    /// # Errors
    /// `CONFLICT` when the id is taken by other content; else as [`Self::insert`].
    pub async fn create<E>(
        &self,
        chosen: Option<E::Id>,
        row: E::ActiveModel,
    ) -> Result<Visible<E::Model>>
    where
        E: Versioned,
    {
        match self.existing::<E>(chosen, &row).await? {
            Some(existing) => Ok(existing),
            None => self.insert::<E>(row).await,
        }
    }

    /// As [`Self::create`], in the subtree of `client`.
    ///
    /// # Errors
    /// `CONFLICT` when the id is taken by other content; else as [`Self::insert_under`].
    pub async fn create_under<E>(
        &self,
        client: &LockedClient,
        chosen: Option<E::Id>,
        mut row: E::ActiveModel,
    ) -> Result<Visible<E::Model>>
    where
        E: Versioned + UnderClient,
    {
        row.set(E::CLIENT_ID, client.id.into());
        match self.existing::<E>(chosen, &row).await? {
            Some(existing) => Ok(existing),
            None => self.insert_under::<E>(client, row).await,
        }
    }

    /// The row with the id the caller chose, when it holds what `row` says.
    ///
    /// # Errors
    /// `CONFLICT` when it holds something else.
    pub async fn existing<E>(
        &self,
        chosen: Option<E::Id>,
        row: &E::ActiveModel,
    ) -> Result<Option<Visible<E::Model>>>
    where
        E: Versioned,
    {
        let Some(id) = chosen else {
            return Ok(None);
        };
        let Some(existing) = self.select::<E>().id(id).find().await? else {
            return Ok(None);
        };
        let equal = E::Column::iter().all(|column| {
            let name = sea_orm::IdenStatic::as_str(&column);
            // Set by the service, or put together from other rows.
            if matches!(
                name,
                "version" | "created_at" | "updated_at" | "search_text"
            ) {
                return true;
            }
            match row.get(column) {
                ActiveValue::Set(value) => value == existing.get(column),
                ActiveValue::Unchanged(_) | ActiveValue::NotSet => true,
            }
        });
        if equal {
            return Ok(Some(existing));
        }
        Err(Error::new(
            Code::Conflict,
            format!("this id belongs to another {} already", E::NAME),
        )
        .field("id"))
    }

    /// Adds a row to the subtree of `client`; its client is set here.
    ///
    /// # Errors
    /// `FORBIDDEN`, `CONFLICT`.
    pub async fn insert_under<E>(
        &self,
        client: &LockedClient,
        row: E::ActiveModel,
    ) -> Result<Visible<E::Model>>
    where
        E: UnderClient,
    {
        let mut rows = self.insert_all_under::<E>(client, vec![row]).await?;
        rows.pop()
            .ok_or_else(|| Error::bug("an insert gave no row"))
    }

    /// Adds rows to the subtree of `client`; their client is set here.
    ///
    /// # Errors
    /// As [`Self::insert_under`].
    pub async fn insert_all_under<E>(
        &self,
        client: &LockedClient,
        mut rows: Vec<E::ActiveModel>,
    ) -> Result<Vec<Visible<E::Model>>>
    where
        E: UnderClient,
    {
        self.require_writer::<E>()?;
        for row in &mut rows {
            row.set(E::CLIENT_ID, client.id.into());
        }
        self.insert_rows::<E>(rows).await
    }

    /// Changes `row`, if its version is still `expected` (no check when nothing is expected); the version
    /// goes up by one. Only columns that are set are written.
    ///
    /// # Errors
    /// `STALE_VERSION` with `presentVersion` when somebody else was faster; `NOT_FOUND` when the row left
    /// the scope; `FORBIDDEN`.
    pub async fn update<E>(
        &self,
        row: &Visible<E::Model>,
        expected: Option<i64>,
        changes: E::ActiveModel,
    ) -> Result<Visible<E::Model>>
    where
        E: Versioned,
    {
        self.require_writer::<E>()?;
        let present = E::version(row);
        if let Some(expected) = expected
            && expected != present
        {
            return Err(stale(E::NAME, present));
        }
        let condition = Condition::all()
            .add(E::ID.eq(E::id(row)))
            .add(E::VERSION.eq(present));
        let mut changes = changes;
        changes.set(E::VERSION, present.saturating_add(1).into());
        changes.set(E::UPDATED_AT, self.now().into());
        if let Some(row) = self.update_row::<E>(condition, &changes).await? {
            return Ok(row);
        }
        match self.select::<E>().id(E::id(row)).find().await? {
            Some(row) => Err(stale(E::NAME, E::version(&row))),
            None => Err(Error::not_found(E::NAME)),
        }
    }

    /// Changes `row` of a table that counts no versions, such as a ledger's closing marks.
    ///
    /// # Errors
    /// `NOT_FOUND` when the row left the scope; `FORBIDDEN`.
    pub async fn amend<E>(
        &self,
        row: &Visible<E::Model>,
        changes: E::ActiveModel,
    ) -> Result<Visible<E::Model>>
    where
        E: Keyed,
    {
        self.require_writer::<E>()?;
        let condition = Condition::all().add(E::ID.eq(E::id(row)));
        self.update_row::<E>(condition, &changes)
            .await?
            .ok_or_else(|| Error::not_found(E::NAME))
    }

    /// Removes the rows of the subtree of `client` that meet `condition`; says how many.
    ///
    /// # Errors
    /// `FORBIDDEN`; from the database.
    pub async fn delete_under<E>(&self, client: &LockedClient, condition: Condition) -> Result<u64>
    where
        E: UnderClient,
    {
        self.require_writer::<E>()?;
        self.delete_rows::<E>(condition.add(E::CLIENT_ID.eq(client.id)))
            .await
    }

    /// Whether the viewer's role may write `E` at all.
    fn require_writer<E: Scoped>(&self) -> Result<()> {
        let viewer = self.viewer();
        let allowed = match E::WRITERS {
            Writers::Viewers => true,
            Writers::Managers => viewer.is_manager(),
            Writers::Admins => viewer.is_admin(),
        };
        if allowed {
            return Ok(());
        }
        let who = match E::WRITERS {
            Writers::Viewers | Writers::Managers => "managers and administrators",
            Writers::Admins => "administrators",
        };
        Err(Error::forbidden(format!(
            "only {who} may change a {}",
            E::NAME
        )))
    }

    pub(super) async fn insert_rows<E>(
        &self,
        rows: Vec<E::ActiveModel>,
    ) -> Result<Vec<Visible<E::Model>>>
    where
        E: Scoped,
    {
        let columns = E::Column::iter().count().max(1);
        let mut inserted = Vec::with_capacity(rows.len());
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let chunk: Vec<E::ActiveModel> =
                rows.by_ref().take(CHUNK_PARAMETERS / columns).collect();
            let mut statement = Insert::many(chunk).into_query();
            statement.returning(Query::returning().columns(E::Column::iter()));
            let found = self.query_all(&statement).await?;
            inserted.extend(decode_all::<E>(&found)?);
        }
        Ok(Visible::family(inserted))
    }

    async fn update_row<E>(
        &self,
        condition: Condition,
        changes: &E::ActiveModel,
    ) -> Result<Option<Visible<E::Model>>>
    where
        E: Scoped,
    {
        let mut condition = condition;
        if let Some(scope) = scope::condition::<E>(self.viewer(), self.now()) {
            condition = condition.add(scope);
        }
        let mut statement = Query::update();
        statement.table(E::default()).cond_where(condition);
        for column in E::Column::iter() {
            if let ActiveValue::Set(value) = changes.get(column) {
                statement.value(column, Expr::val(value));
            }
        }
        statement.returning(Query::returning().columns(E::Column::iter()));
        let rows = self.query_all(&statement).await?;
        Ok(decode_all::<E>(&rows)?
            .into_iter()
            .next()
            .map(Visible::single))
    }

    async fn delete_rows<E>(&self, condition: Condition) -> Result<u64>
    where
        E: Scoped,
    {
        let mut condition = condition;
        if let Some(scope) = scope::condition::<E>(self.viewer(), self.now()) {
            condition = condition.add(scope);
        }
        let mut statement = Query::delete();
        statement.from_table(E::default()).cond_where(condition);
        let done = self.execute_raw(self.backend().build(&statement)).await?;
        Ok(done.rows_affected())
    }

    /// The instant at which this transaction writes.
    pub fn at(&self) -> DateTime<Utc> {
        self.now()
    }
}

fn primary_key<E: EntityTrait>(row: &E::Model) -> Condition {
    E::PrimaryKey::iter()
        .map(sea_orm::PrimaryKeyToColumn::into_column)
        .fold(Condition::all(), |condition, column| {
            condition.add(column.eq(row.get(column)))
        })
}

fn stale(what: &str, present: i64) -> Error {
    Error::new(
        Code::StaleVersion,
        format!("this {what} was changed meanwhile; read it again, then repeat your change"),
    )
    .field("version")
    .detail("presentVersion", present)
}
