//! Scoped writes. Every write of what people work with goes through [`Tx::insert_rows`], [`Tx::update_row`] or
//! [`Tx::delete_rows`] in this file, or [`Tx::insert_with_parts`] beside it, which note it for
//! [`sync`](super::sync); the few statements that write many rows at once note it themselves.

use std::collections::HashSet;
use std::ops::Deref;

use chrono::{DateTime, SecondsFormat, Utc};
use entity::{ClientId, EntityId, UserId, client};
use sea_orm::sea_query::{Condition, Expr, LockType, Query};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, DbBackend, EntityTrait, Insert, IntoSimpleExpr,
    Iterable, ModelTrait, QueryTrait,
};

use super::scope::{self, Keyed, Rule, Scoped, Span, UnderClient, Versioned, Writers};
use super::select::decode_all;
use super::session::Session;
use super::visible::Visible;
use crate::error::{Code, Error, Result};
use crate::messages::Message;
use crate::say;

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

impl Tx {
    pub(super) fn new(session: Session) -> Self {
        Self { session }
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

pub(super) const ATTEMPTS: u32 = 4;
pub(super) const CHUNK_PARAMETERS: usize = 30_000;

impl Tx {
    /// The client with this id, held until the transaction ends. Take it before writing anything in its
    /// subtree: credit, stock promises and statistics of one client cannot race then.
    ///
    /// # Errors
    /// `NOT_FOUND` when it is not in scope.
    pub async fn lock_client(&self, id: ClientId) -> Result<LockedClient> {
        self.lock::<client::Entity>(id).await.map(LockedClient)
    }

    /// The row of `E` with this id, held until the transaction ends: nothing else changes it meanwhile.
    ///
    /// # Errors
    /// `NOT_FOUND` when it is not in scope.
    pub async fn lock<E: Keyed>(&self, id: E::Id) -> Result<Visible<E::Model>> {
        self.lock_where::<E>(Condition::all().add(E::ID.eq(id)))
            .await?
            .into_iter()
            .next()
            .map(Visible::single)
            .ok_or_else(|| Error::not_found(E::NAME))
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
            let condition = Condition::all().add(client::Column::Id.is_in(chunk.iter().copied()));
            locked.extend(self.lock_clients_where(condition).await?);
        }
        Ok(locked)
    }

    /// Holds all clients of `owner` that are in scope, in the order of their ids.
    ///
    /// # Errors
    /// From the database.
    pub async fn lock_clients_of(&self, owner: UserId) -> Result<Vec<LockedClient>> {
        let condition = Condition::all().add(client::Column::OwnerId.eq(owner));
        self.lock_clients_where(condition).await
    }

    async fn lock_clients_where(&self, condition: Condition) -> Result<Vec<LockedClient>> {
        let rows = self.lock_where::<client::Entity>(condition).await?;
        Ok(Visible::family(rows)
            .into_iter()
            .map(LockedClient)
            .collect())
    }

    /// The rows of `E` in scope that meet `condition`, held, as they are now, in the order of their ids.
    async fn lock_where<E: Keyed>(&self, condition: Condition) -> Result<Vec<E::Model>> {
        let rows = self.lock_rows::<E>(condition).await?;
        self.note(&rows);
        Ok(rows)
    }

    /// Tells the request that its answer is about these rows.
    fn note<M: 'static>(&self, rows: &[M]) {
        if let Some(keyed) = self.key() {
            keyed.note(rows);
        }
    }

    async fn lock_rows<E: Keyed>(&self, condition: Condition) -> Result<Vec<E::Model>> {
        let mut condition = condition;
        if let Some(scope) = scope::condition::<E>(self.viewer(), self.now(), Span::Few) {
            condition = condition.add(scope);
        }
        let mut statement = sea_orm::QueryFilter::filter(E::find(), condition).into_query();
        statement.order_by_expr(E::ID.into_simple_expr(), sea_orm::Order::Asc);
        if self.backend() != DbBackend::Postgres {
            // One writer: what it reads, it holds.
            return decode_all::<E>(&self.query_all(&statement).await?);
        }
        let mut locking = statement.clone();
        // Not against foreign keys: whoever writes a row that points here does not have to wait.
        locking.lock(LockType::NoKeyUpdate);
        for _ in 0..ATTEMPTS {
            let held = decode_all::<E>(&self.query_all(&locking).await?)?;
            if scope::is_of_the_row_alone::<E>(self.viewer()) {
                return Ok(held);
            }
            // A statement that waited for a row looks at that row anew, but at all others, by which the
            // scope may reach it, as they were before. So the scope is asked once more.
            let seen = decode_all::<E>(&self.query_all(&statement).await?)?;
            let held: HashSet<E::Id> = held.iter().map(E::id).collect();
            if seen.iter().all(|row| held.contains(&E::id(row))) {
                return Ok(seen);
            }
        }
        Err(Error::new(
            Code::Unavailable,
            say!("this is changing hands; try again in a moment"),
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
        let Some(scope) = scope::condition::<E>(self.viewer(), self.now(), Span::Few) else {
            return self.insert_rows::<E>(rows).await;
        };
        let rows = self.insert_rows::<E>(rows).await?;
        let is_checked = match E::RULE {
            Rule::Clients | Rule::OwnUser(_) => true,
            Rule::ThroughClient(_) => E::WRITERS == Writers::Viewers,
            // What is seen by its parts is seen once these are there.
            Rule::Everyone | Rule::Managers | Rule::Admins | Rule::ThroughHandover(_) => false,
        };
        if !is_checked {
            return Ok(rows);
        }
        // What its maker cannot see would be lost: the whole transaction fails.
        for chunk in rows.chunks(500) {
            let made = chunk
                .iter()
                .fold(Condition::any(), |any, row| any.add(primary_key::<E>(row)));
            let condition = Condition::all().add(made).add(scope.clone());
            let statement = sea_orm::QueryFilter::filter(E::find(), condition).into_query();
            if self.query_all(&statement).await?.len() != chunk.len() {
                return Err(Error::forbidden(say!(
                    "a new {what} has to be one that you would see",
                    what = Message::noun(E::NAME)
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
            say!(
                "this id belongs to another {what} already",
                what = Message::noun(E::NAME)
            ),
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
    /// `STALE_VERSION` with `presentVersion` and `present` when somebody else was faster; `NOT_FOUND` when the row left
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
        self.update_versioned::<E>(row, expected, changes).await
    }

    /// As [`Self::update`], for callers in this layer that have settled who may write.
    pub(super) async fn update_versioned<E>(
        &self,
        row: &Visible<E::Model>,
        expected: Option<i64>,
        changes: E::ActiveModel,
    ) -> Result<Visible<E::Model>>
    where
        E: Versioned,
    {
        if let Some(expected) = expected {
            require_version::<E>(row, expected)?;
        }
        let present = E::version(row);
        let condition = Condition::all()
            .add(E::ID.eq(E::id(row)))
            .add(E::VERSION.eq(present));
        let mut changes = changes;
        changes.set(E::VERSION, present.saturating_add(1).into());
        changes.set(E::UPDATED_AT, self.now().into());
        if let Some(row) = self.update_row::<E>(condition, row, &changes).await? {
            return Ok(row);
        }
        match self.select::<E>().id(E::id(row)).find().await? {
            Some(row) => Err(stale::<E>(&row)),
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
        self.update_row::<E>(condition, row, &changes)
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
        self.tell_of_clients([client.id]);
        self.delete_rows::<E>(condition.add(E::CLIENT_ID.eq(client.id)))
            .await
    }

    /// Refuses a viewer whose role may not write `E` at all. Every write asks this by itself; a rule asks it
    /// first where the answer should not depend on the rest of the input.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub fn require_writer<E: Scoped>(&self) -> Result<()> {
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
            Writers::Viewers | Writers::Managers => say!("managers and administrators"),
            Writers::Admins => say!("administrators"),
        };
        Err(Error::forbidden(say!(
            "{what}: only {who} may change it",
            what = Message::noun(E::NAME),
            who
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
        self.note(&inserted);
        self.tell_of::<E>(&inserted);
        let inserted = Visible::family(inserted);
        self.note_made::<E>(&inserted);
        Ok(inserted)
    }

    /// Changes the one row that meets `condition`; `was` is what it is now.
    async fn update_row<E>(
        &self,
        condition: Condition,
        was: &E::Model,
        changes: &E::ActiveModel,
    ) -> Result<Option<Visible<E::Model>>>
    where
        E: Scoped,
    {
        let mut condition = condition;
        if let Some(scope) = scope::condition::<E>(self.viewer(), self.now(), Span::Few) {
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
        let row = decode_all::<E>(&rows)?.into_iter().next();
        self.tell_of::<E>(&row);
        if let Some(is) = &row {
            self.note_changed::<E>(was, is);
        }
        Ok(row.map(Visible::single))
    }

    pub(super) async fn delete_rows<E>(&self, condition: Condition) -> Result<u64>
    where
        E: Scoped,
    {
        let mut condition = condition;
        if let Some(scope) = scope::condition::<E>(self.viewer(), self.now(), Span::Few) {
            condition = condition.add(scope);
        }
        let mut statement = Query::delete();
        statement.from_table(E::default()).cond_where(condition);
        if Self::must_note::<E>() {
            statement.returning(Query::returning().columns(E::Column::iter()));
            let rows = decode_all::<E>(&self.query_all(&statement).await?)?;
            self.note_deleted::<E>(&rows);
            return Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX));
        }
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

/// Refuses a change of a row that is no longer in the version the caller saw. [`Tx::update`] does this by
/// itself; rules that look at the row first ask here, so that a caller hears that it changed before it hears
/// what is wrong with it now.
///
/// # Errors
/// `STALE_VERSION` with `presentVersion` and `present`.
pub fn require_version<E: Versioned>(row: &E::Model, expected: i64) -> Result<()> {
    if expected == E::version(row) {
        return Ok(());
    }
    Err(stale::<E>(row))
}

/// Says what `row` is now: which, in which version, since when. What else changed, its caller reads.
fn stale<E: Versioned>(row: &E::Model) -> Error {
    let version = E::version(row);
    let updated_at = E::updated_at(row).to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let present = [
        ("id", E::id(row).to_string().into()),
        ("version", version.into()),
        ("updatedAt", updated_at.into()),
    ];
    Error::new(
        Code::StaleVersion,
        say!(
            "this {what} was changed meanwhile; read it again, then repeat your change",
            what = Message::noun(E::NAME)
        ),
    )
    .field("version")
    .detail("presentVersion", version)
    .object("present", present)
}
