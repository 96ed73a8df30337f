//! Requests that may arrive twice. A mutation that comes with a key is kept together with its answer, in one
//! transaction: an effect whose answer is not on record cannot exist, nor an answer without its effect. A
//! request that comes again is answered from the record.
//!
//! So the transaction of a keyed mutation stays open from its effect until its answer is put together; what
//! the answer reads meanwhile is read inside it.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{ClientId, EntityId, UserId, client};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use ring::hmac;
use sea_orm::{ColumnTrait, Condition, Statement};

use super::classify::is_transient;
use super::confidential::Confidential;
use super::session::Session;
use super::tx::{CHUNK_PARAMETERS, Tx};
use super::unit::Unit;
use super::viewer::Actor;
use crate::error::{Code, Error, Result};
use crate::say;

/// How long answers are kept.
pub const KEEP_ANSWERS: TimeDelta = TimeDelta::days(30);

/// How many answers are forgotten in one transaction.
const CHUNK: u64 = 5_000;

/// The key of a request and what it stands for. Neither is kept as it came, nor logged.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    key_hash: [u8; SHA256_OUTPUT_LEN],
    request_hash: [u8; SHA256_OUTPUT_LEN],
}

impl IdempotencyKey {
    /// The key that came with `request`, its body byte for byte. The request is hashed under the key, which
    /// is kept nowhere: a body may hold a password, and its plain hash would let it be guessed.
    pub fn new(key: &str, request: &[u8]) -> Self {
        let under = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        Self {
            key_hash: hash_of(digest(&SHA256, key.as_bytes()).as_ref()),
            request_hash: hash_of(hmac::sign(&under, request).as_ref()),
        }
    }
}

impl Recorded {
    /// What was kept of the answer.
    pub fn answer(&self) -> &str {
        &self.answer
    }
}

impl std::fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdempotencyKey(…)")
    }
}

fn hash_of(bytes: &[u8]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut hash = [0; SHA256_OUTPUT_LEN];
    for (to, from) in hash.iter_mut().zip(bytes) {
        *to = *from;
    }
    hash
}

/// What a keyed request has come to. Its mutations run one after the other.
pub(super) struct KeyedRequest {
    user: UserId,
    key: IdempotencyKey,
    /// Answers that were on record when the request came, by field.
    known: BTreeMap<i32, Recorded>,
    /// Which mutation of the document is next.
    next: AtomicI32,
    state: Mutex<State>,
    /// Whether the request was given up: what it does from then on is not kept.
    has_ended: AtomicBool,
}

/// What has become of the mutation that runs.
#[derive(Default)]
struct State {
    field: i32,
    /// Its transaction, with its effect, not kept yet.
    open: Option<Arc<Unit>>,
    /// The clients it is about: those it held, those it made, and those whose rows its answer shows.
    clients: BTreeSet<ClientId>,
    /// The answer of a twin that was faster.
    found: Option<Recorded>,
    /// Whether its answer holds a secret.
    is_secret: bool,
}

/// An answer on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    answer: String,
    clients: Vec<ClientId>,
}

impl KeyedRequest {
    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The transaction that is open, for what reads the answer together.
    pub(super) fn open(&self) -> Option<Arc<Unit>> {
        self.state(|state| state.open.clone())
    }

    /// Notes the clients among `rows`, which the mutation that runs holds or has made.
    pub(super) fn note<M: Any>(&self, rows: &[M]) {
        let clients = rows.iter().filter_map(|row| {
            let row: &dyn Any = row;
            row.downcast_ref::<client::Model>()
        });
        self.state(|state| state.clients.extend(clients.map(|client| client.id)));
    }

    /// Notes a client that the answer shows something of.
    fn note_shown(&self, client: ClientId) {
        self.state(|state| state.clients.insert(client));
    }

    /// Keeps the transaction of an effect open until its answer is there. Gives it back when nobody waits for
    /// the answer any more: it has to be undone.
    pub(super) fn keep_open(&self, unit: Arc<Unit>) -> Option<Arc<Unit>> {
        self.state(|state| {
            if self.has_ended.load(Ordering::Relaxed) {
                return Some(unit);
            }
            state.open = Some(unit);
            None
        })
    }

    /// Puts the mutation on record, before its effect, in `tx`. Twins wait here for each other.
    ///
    /// # Errors
    /// `CONFLICT` when it was done meanwhile, with the answer in the state, or `idempotency.in_progress` when
    /// it takes a twin too long; `RULE_VIOLATED` `idempotency.other_request`.
    pub(super) async fn claim(&self, tx: &Tx) -> Result<()> {
        let field = self.state(|state| {
            state.found = None;
            state.clients.clear();
            (state.open.is_none()).then_some(state.field)
        });
        let Some(field) = field else {
            return Err(Error::bug("a mutation has a second effect"));
        };
        // What is older than the time of keeping counts as forgotten.
        let claim = Statement::from_sql_and_values(
            tx.backend(),
            "INSERT INTO idempotent_answers (user_id, key_hash, field, request_hash, answer, created_at) \
             VALUES ($1, $2, $3, $4, '', $5) ON CONFLICT (user_id, key_hash, field) DO UPDATE SET \
             request_hash = excluded.request_hash, answer = '', client_ids = '', \
             created_at = excluded.created_at \
             WHERE idempotent_answers.created_at <= $6 RETURNING field",
            [
                self.user.into(),
                self.key.key_hash.to_vec().into(),
                field.into(),
                self.key.request_hash.to_vec().into(),
                tx.now().into(),
                (tx.now() - KEEP_ANSWERS).into(),
            ],
        );
        match tx.query_one_raw(claim).await {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {}
            Err(error) if error.code() == Code::Unavailable && !is_transient(&error) => {
                return Err(in_progress());
            }
            Err(error) => return Err(error),
        }
        let rows = tx.answers(self.user, &self.key, Some(field)).await?;
        let found = known(&self.key, rows)?.remove(&field);
        let Some(found) = found else {
            // Forgotten between the two statements.
            return Err(in_progress());
        };
        self.state(|state| state.found = Some(found));
        Err(Error::new(Code::Conflict, say!("this was done already")))
    }
}

/// A row of the record.
struct Row {
    field: i32,
    request_hash: Vec<u8>,
    recorded: Recorded,
}

/// The answers of `rows` by field.
fn known(key: &IdempotencyKey, rows: Vec<Row>) -> Result<BTreeMap<i32, Recorded>> {
    rows.into_iter()
        .map(|row| {
            if row.request_hash == key.request_hash {
                return Ok((row.field, row.recorded));
            }
            Err(Error::rule(
                "idempotency.other_request",
                say!(
                    "this Idempotency-Key was used for another request; take a new key for each, and the same key and body to repeat one"
                ),
            ))
        })
        .collect()
}

/// Ids as a row keeps them: with spaces between.
fn write_ids(ids: &BTreeSet<ClientId>) -> String {
    let ids: Vec<String> = ids.iter().map(|id| id.0.simple().to_string()).collect();
    ids.join(" ")
}

/// The ids a row keeps.
fn read_ids(text: &str) -> Result<Vec<ClientId>> {
    text.split_whitespace()
        .map(|id| Ok(ClientId::from_uuid(id.parse().map_err(Error::internal)?)))
        .collect()
}

fn in_progress() -> Error {
    Error::new(
        Code::Conflict,
        say!("the first request with this Idempotency-Key still runs; repeat yours in a moment"),
    )
    .with_rule("idempotency.in_progress")
    .detail("retryable", true)
    .detail("retryAfterSeconds", 1)
}

impl Session {
    /// This session for a request that came with `key`: what of it was done is not done again.
    ///
    /// # Errors
    /// `RULE_VIOLATED` `idempotency.other_request` when the key was used for another request; `INTERNAL`
    /// unless a person asks; from the database.
    pub async fn keyed(&self, key: IdempotencyKey) -> Result<Self> {
        let Some(user) = self.viewer().user_id() else {
            return Err(Error::bug("a key without a person"));
        };
        self.stay_current();
        let rows = self.answers(user, &key, None).await?;
        let known = known(&key, rows)?;
        Ok(self.with_key(Arc::new(KeyedRequest {
            user,
            key,
            known,
            next: AtomicI32::new(0),
            state: Mutex::default(),
            has_ended: AtomicBool::new(false),
        })))
    }

    /// Whether the request came with a key.
    pub fn is_keyed(&self) -> bool {
        self.key().is_some()
    }

    /// Begins the next mutation of a keyed document. Answers what was answered when it was done already; then
    /// it must not be done again.
    pub fn begin_keyed(&self) -> Option<Recorded> {
        let keyed = self.key()?;
        let field = keyed.next.fetch_add(1, Ordering::Relaxed);
        keyed.state(|state| {
            *state = State {
                field,
                ..State::default()
            };
        });
        keyed.known.get(&field).cloned()
    }

    /// The answer of a twin that was faster than the mutation that runs, which then failed for that alone.
    pub fn twin_answer(&self) -> Option<Recorded> {
        self.key()?.state(|state| state.found.take())
    }

    /// Notes that the answer of the mutation that runs holds a secret, which is not to be kept.
    pub fn answers_secret(&self) {
        if let Some(keyed) = self.key() {
            keyed.state(|state| state.is_secret = true);
        }
    }

    /// Whether the answer of the mutation that runs must not be kept.
    pub fn is_answer_secret(&self) -> bool {
        self.key()
            .is_some_and(|keyed| keyed.state(|state| state.is_secret))
    }

    /// Demands that the viewer may still hear what was answered, and the confidential facts in it: those of the
    /// clients it is about (`shown`), and those of the catalogue.
    ///
    /// # Errors
    /// `NOT_FOUND` `idempotency.out_of_reach` when it is about a client that is out of the viewer's scope by
    /// now, or shows a fact that they may not see any more; from the database.
    pub async fn require_heard(
        &self,
        recorded: &Recorded,
        shown: &[Confidential],
        in_catalogue: &[Confidential],
    ) -> Result<()> {
        if in_catalogue
            .iter()
            .any(|group| !self.sees_in_catalogue(*group))
        {
            return Err(Error::new(
                Code::NotFound,
                say!("this was done; but the answer shows what you may no longer see"),
            )
            .with_rule("idempotency.out_of_reach"));
        }
        let out_of_reach = || {
            Error::new(
                Code::NotFound,
                say!("this was done; but it is about a client that you no longer see"),
            )
            .with_rule("idempotency.out_of_reach")
        };
        // Of whom it shows facts is not on record, so nobody can say who may hear them.
        if !shown.is_empty() && recorded.clients.is_empty() && !self.viewer().is_admin() {
            return Err(out_of_reach());
        }
        for chunk in recorded.clients.chunks(CHUNK_PARAMETERS) {
            let all = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            let is_among = || client::Column::Id.is_in(chunk.iter().copied());
            let seen = self
                .select::<client::Entity>()
                .filter(is_among())
                .count(all)
                .await?;
            if seen != all {
                return Err(out_of_reach());
            }
            for group in shown {
                let which = Condition::all().add(is_among());
                if self.hides_any(*group, which).await? {
                    return Err(out_of_reach());
                }
            }
        }
        Ok(())
    }

    /// Keeps what the mutation that runs has done, together with its `answer`.
    ///
    /// # Errors
    /// From the database; then neither is kept.
    pub async fn keep_answer(&self, answer: &str) -> Result<()> {
        let Some((keyed, unit)) = self.key().and_then(|key| Some((key, key.open()?))) else {
            return Ok(());
        };
        let record = Statement::from_sql_and_values(
            self.backend(),
            "UPDATE idempotent_answers SET answer = $1, client_ids = $5 \
             WHERE user_id = $2 AND key_hash = $3 AND field = $4",
            [
                answer.into(),
                keyed.user.into(),
                keyed.key.key_hash.to_vec().into(),
                keyed.state(|state| state.field).into(),
                keyed.state(|state| write_ids(&state.clients)).into(),
            ],
        );
        let recorded = self.query_all_raw(record).await.map(|_| ());
        keyed.state(|state| state.open = None);
        let session = self.clone();
        // In a task of its own: whoever waits for it may be cut short, and half a commit is not undone.
        tokio::spawn(async move { unit.settle(&session, recorded).await })
            .await
            .map_err(|error| Error::bug(format!("an answer was not kept: {error}")))?
    }

    /// Undoes what the mutation that runs has done: it could not be answered.
    ///
    /// # Errors
    /// From the database; it is undone then, too.
    pub async fn undo_keyed(&self) -> Result<()> {
        let open = self
            .key()
            .and_then(|keyed| keyed.state(|state| state.open.take()));
        match open {
            Some(unit) => unit.undo().await,
            None => Ok(()),
        }
    }

    /// Ends the request, done or not: what has not been kept by now is undone, were it still to come.
    ///
    /// # Errors
    /// As [`Self::undo_keyed`].
    pub async fn end_keyed(&self) -> Result<()> {
        if let Some(keyed) = self.key() {
            keyed.state(|_| keyed.has_ended.store(true, Ordering::Relaxed));
        }
        self.undo_keyed().await
    }

    async fn answers(
        &self,
        user: UserId,
        key: &IdempotencyKey,
        field: Option<i32>,
    ) -> Result<Vec<Row>> {
        let mut values = vec![
            user.into(),
            key.key_hash.to_vec().into(),
            (self.now() - KEEP_ANSWERS).into(),
        ];
        let mut sql = "SELECT field, request_hash, answer, client_ids FROM idempotent_answers \
             WHERE user_id = $1 AND key_hash = $2 AND created_at > $3"
            .to_owned();
        if let Some(field) = field {
            values.push(field.into());
            sql.push_str(" AND field = $4");
        }
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        self.query_all_raw(statement)
            .await?
            .iter()
            .map(|row| {
                Ok(Row {
                    field: row.try_get("", "field")?,
                    request_hash: row.try_get("", "request_hash")?,
                    recorded: Recorded {
                        answer: row.try_get("", "answer")?,
                        clients: read_ids(&row.try_get::<String>("", "client_ids")?)?,
                    },
                })
            })
            .collect()
    }
}

impl Tx {
    /// Notes that the answer of the mutation that runs shows something of a client: who asks for it again must
    /// see that client then.
    pub fn note_shown(&self, client: ClientId) {
        if let Some(keyed) = self.key() {
            keyed.note_shown(client);
        }
    }

    /// Forgets answers that were given at `before` or earlier, some thousands at once; says how many.
    /// For the service itself.
    ///
    /// # Errors
    /// `INTERNAL` when a person asks; from the database.
    pub async fn forget_answers(&self, before: DateTime<Utc>) -> Result<u64> {
        match self.viewer().actor() {
            Actor::System { .. } => {}
            Actor::User { .. } => return Err(Error::bug("somebody would forget answers")),
        }
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "DELETE FROM idempotent_answers WHERE (user_id, key_hash, field) IN \
             (SELECT user_id, key_hash, field FROM idempotent_answers WHERE created_at <= $1 \
             ORDER BY created_at LIMIT $2) AND created_at <= $1",
            [
                before.into(),
                i64::try_from(CHUNK).unwrap_or(i64::MAX).into(),
            ],
        );
        Ok(self.execute_raw(statement).await?.rows_affected())
    }
}
