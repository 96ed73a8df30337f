//! One request's way to the database: the viewer, scoped reads, and the door to scoped writes.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use chrono::{DateTime, NaiveDate, Utc};
use entity::UserId;
use sea_orm::{ConnectionTrait, DbBackend, ExecResult, QueryResult, Statement, StatementBuilder};
use tokio::sync::OnceCell;

use super::at_hand::no_try;
use super::connect::Database;
use super::idempotency::KeyedRequest;
use super::replica::Replica;
use super::scope::Scoped;
use super::select::ScopedSelect;
use super::tx::Tx;
use super::unit::{self, Unit};
use super::viewer::Viewer;
use crate::error::{Error, Result};
use crate::say;

/// Scoped reads for one viewer. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    database: Database,
    viewer: Arc<Viewer>,
    statements: Arc<AtomicU32>,
    pub(super) within: Option<Arc<Unit>>,
    reach: Arc<OnceCell<HashSet<UserId>>>,
    keyed: Option<Arc<KeyedRequest>>,
    /// Whether reads may go to a replica: not before a person asks, and never again once they write.
    may_lag: Arc<AtomicBool>,
    now: Option<DateTime<Utc>>,
}

impl Session {
    pub(super) fn new(database: Database, viewer: Viewer, statements: Arc<AtomicU32>) -> Self {
        Self {
            database,
            viewer: Arc::new(viewer),
            statements,
            within: None,
            reach: Arc::default(),
            keyed: None,
            may_lag: Arc::default(),
            now: None,
        }
    }

    /// Lets reads go to a replica, where there is one.
    pub(super) fn lagging(self) -> Self {
        self.may_lag.store(true, Ordering::Relaxed);
        self
    }

    /// From here on this request reads nothing from a replica: what decides over a write must not lag behind.
    pub fn stay_current(&self) {
        self.may_lag.store(false, Ordering::Relaxed);
    }

    pub(super) fn with_key(&self, keyed: Arc<KeyedRequest>) -> Self {
        Self {
            keyed: Some(keyed),
            ..self.clone()
        }
    }

    pub(super) fn key(&self) -> Option<&KeyedRequest> {
        self.keyed.as_deref()
    }

    pub(super) fn inside(&self, unit: Arc<Unit>, now: DateTime<Utc>) -> Self {
        Self {
            within: Some(unit),
            now: Some(now),
            ..self.clone()
        }
    }

    /// The same for the viewer as they are known now.
    pub(super) fn known_as(&self, viewer: Viewer) -> Self {
        Self {
            viewer: Arc::new(viewer),
            reach: Arc::default(),
            ..self.clone()
        }
    }

    /// Who is asking.
    pub fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    /// Where the database is, in words: a file, or a name at a server.
    pub fn place(&self) -> &str {
        &self.database.inner.place
    }

    /// The present instant; inside a transaction the same all along.
    pub fn now(&self) -> DateTime<Utc> {
        self.now.unwrap_or_else(|| self.database.clock().now())
    }

    /// The present day where the viewer is.
    pub fn today(&self) -> NaiveDate {
        self.now()
            .with_timezone(&self.viewer.time_zone())
            .date_naive()
    }

    /// A query on `E`, held to its scope.
    pub fn select<E: Scoped>(&self) -> ScopedSelect<E> {
        ScopedSelect::new(self.clone())
    }

    /// Runs `work` in a transaction: all of it is kept, or nothing. It goes on when the caller goes away,
    /// and is run again, up to three times, when the database asks for that.
    ///
    /// # Errors
    /// `FORBIDDEN` for a program that may only read; what `work` fails with; `CONFLICT`, `UNAVAILABLE`,
    /// `TIMEOUT` or `INTERNAL` from the database.
    pub async fn write<T, F, Fut>(&self, work: F) -> Result<T>
    where
        F: Fn(Tx) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        if self.within.is_some() {
            // It would wait for the connection that its own caller holds.
            return Err(Error::bug("a unit of work was begun within another"));
        }
        if !self.viewer.may_write() {
            return Err(Error::forbidden(say!("this service account may only read"))
                .with_rule("service_accounts.scope_missing"));
        }
        // What was just written must be read back.
        self.stay_current();
        unit::run(self.clone(), work).await
    }

    /// As [`Self::write`], for what is kept whatever comes of the request: it is no effect that a key
    /// ([`Self::keyed`]) stands for. To be done before that effect.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_apart<T, F, Fut>(&self, work: F) -> Result<T>
    where
        F: Fn(Tx) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        let session = Self {
            keyed: None,
            ..self.clone()
        };
        session.write(work).await
    }

    pub(super) fn reach_once(&self) -> &OnceCell<HashSet<UserId>> {
        &self.reach
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    pub(super) fn cursor_key(&self) -> &ring::hmac::Key {
        &self.database.inner.cursor_key
    }

    pub(super) fn backend(&self) -> DbBackend {
        self.database.backend()
    }

    fn count(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) async fn query_all<S: StatementBuilder + Sync>(
        &self,
        statement: &S,
    ) -> Result<Vec<QueryResult>> {
        self.query_all_raw(self.backend().build(statement)).await
    }

    pub(super) async fn query_one<S: StatementBuilder + Sync>(
        &self,
        statement: &S,
    ) -> Result<Option<QueryResult>> {
        self.query_one_raw(self.backend().build(statement)).await
    }

    pub(super) async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>> {
        no_try().await;
        self.count();
        if let Some(unit) = self.unit() {
            let found = unit.transaction().await?.query_all_raw(statement).await;
            return Ok(unit.note(found)?);
        }
        if let Some(replica) = self.replica() {
            match replica.connection.query_all_raw(statement.clone()).await {
                Err(error) if replica.is_to_blame(&error) => {}
                outcome => {
                    replica.answered();
                    return Ok(outcome?);
                }
            }
        }
        let primary = self.database.reading().await?;
        Ok(primary.query_all_raw(statement).await?)
    }

    pub(super) async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>> {
        no_try().await;
        self.count();
        if let Some(unit) = self.unit() {
            let found = unit.transaction().await?.query_one_raw(statement).await;
            return Ok(unit.note(found)?);
        }
        if let Some(replica) = self.replica() {
            match replica.connection.query_one_raw(statement.clone()).await {
                Err(error) if replica.is_to_blame(&error) => {}
                outcome => {
                    replica.answered();
                    return Ok(outcome?);
                }
            }
        }
        let primary = self.database.reading().await?;
        Ok(primary.query_one_raw(statement).await?)
    }

    /// The replica, where there is one to ask now.
    fn replica(&self) -> Option<&Replica> {
        let inner = &self.database.inner;
        let replica = inner.replica.as_ref()?;
        if !self.may_lag.load(Ordering::Relaxed) || !replica.is_worth_a_try() {
            return None;
        }
        inner.replica_waits.notice(&replica.connection);
        Some(replica)
    }

    /// The transaction to read in, if any: that of a unit of work, or that which a key keeps open.
    fn unit(&self) -> Option<Arc<Unit>> {
        match &self.within {
            Some(unit) => Some(Arc::clone(unit)),
            None => self.keyed.as_ref()?.open(),
        }
    }

    /// Only inside a transaction.
    pub(super) async fn execute_raw(&self, statement: Statement) -> Result<ExecResult> {
        let Some(unit) = &self.within else {
            return Err(Error::bug("a write outside a unit of work"));
        };
        self.count();
        let done = unit.transaction().await?.execute_raw(statement).await;
        Ok(unit.note(done)?)
    }
}
