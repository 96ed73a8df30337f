//! Who was let in a while ago and is not welcome any more: sessions that ended, keys that were revoked, users who
//! left. Asked for many at once, by one statement for each kind.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use entity::{ServiceKeyId, SessionId, UserId};
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};
use uuid::Uuid;

use super::connect::Database;
use crate::auth::pass::{Grant, Pass};
use crate::error::Result;

/// How many are asked for by one statement.
const CHUNK: usize = 5_000;

/// What identities of a provider have come to: when their users' tokens were last ended, by issuer and subject.
type Identities = HashMap<(String, String), Option<DateTime<Utc>>>;

impl Database {
    /// Which of `passes`, by their places, are good no longer.
    ///
    /// # Errors
    /// From the database.
    pub async fn ended(&self, passes: &[impl AsRef<Pass> + Sync]) -> Result<Vec<usize>> {
        let now = self.clock().now();
        let (mut sessions, mut keys, mut subjects) =
            (HashSet::new(), HashSet::new(), HashSet::new());
        let is_due = |pass: &Pass| pass.expires_at > now;
        for pass in passes.iter().map(AsRef::as_ref).filter(|pass| is_due(pass)) {
            match &pass.grant {
                Grant::Session { session, .. } => {
                    sessions.insert(*session);
                }
                Grant::Key(key) => {
                    keys.insert(*key);
                }
                Grant::Provider { subject, .. } => {
                    subjects.insert(subject.to_string());
                }
            }
        }
        let sessions = self.sessions_alive(&sessions, now).await?;
        let keys = self.keys_alive(&keys, now).await?;
        let identities = self.identities_alive(&subjects).await?;
        let is_good = |pass: &Pass| {
            is_due(pass)
                && match &pass.grant {
                    Grant::Session { user, session } => sessions.get(session) == Some(user),
                    Grant::Key(key) => keys.contains(key),
                    Grant::Provider {
                        issuer,
                        subject,
                        issued_at,
                    } => identities
                        .get(&(issuer.to_string(), subject.to_string()))
                        .is_some_and(|cutoff| cutoff.is_none_or(|cutoff| *issued_at > cutoff)),
                }
        };
        let ended = passes.iter().enumerate();
        let ended = ended.filter(|(_, pass)| !is_good(pass.as_ref()));
        Ok(ended.map(|(at, _)| at).collect())
    }

    async fn sessions_alive(
        &self,
        ids: &HashSet<Uuid>,
        now: DateTime<Utc>,
    ) -> Result<HashMap<Uuid, Uuid>> {
        let sql = "SELECT s.id, s.user_id FROM sessions s JOIN users u ON u.id = s.user_id \
             WHERE s.revoked_at IS NULL AND s.expires_at > $1 AND u.deactivated_at IS NULL AND s.id IN";
        let ids: Vec<Value> = ids.iter().map(|id| SessionId(*id).into()).collect();
        let rows = self.among(sql, &[now.into()], &ids).await?;
        rows.iter()
            .map(|row| {
                let session: SessionId = row.try_get("", "id")?;
                let user: UserId = row.try_get("", "user_id")?;
                Ok((session.0, user.0))
            })
            .collect()
    }

    async fn keys_alive(&self, ids: &HashSet<Uuid>, now: DateTime<Utc>) -> Result<HashSet<Uuid>> {
        let sql = "SELECT k.id FROM service_keys k JOIN service_accounts a ON a.id = k.account_id \
             JOIN users u ON u.id = a.user_id WHERE k.revoked_at IS NULL AND k.expires_at > $1 \
             AND a.closed_at IS NULL AND u.deactivated_at IS NULL AND k.id IN";
        let ids: Vec<Value> = ids.iter().map(|id| ServiceKeyId(*id).into()).collect();
        let rows = self.among(sql, &[now.into()], &ids).await?;
        rows.iter()
            .map(|row| Ok(row.try_get::<ServiceKeyId>("", "id")?.0))
            .collect()
    }

    async fn identities_alive(&self, subjects: &HashSet<String>) -> Result<Identities> {
        let sql = "SELECT i.issuer, i.subject, c.revoked_before FROM user_identities i \
             JOIN users u ON u.id = i.user_id LEFT JOIN token_cutoffs c ON c.user_id = u.id \
             WHERE u.deactivated_at IS NULL AND i.subject IN";
        let subjects: Vec<Value> = subjects
            .iter()
            .map(|subject| subject.as_str().into())
            .collect();
        let rows = self.among(sql, &[], &subjects).await?;
        rows.iter()
            .map(|row| {
                let identity = (row.try_get("", "issuer")?, row.try_get("", "subject")?);
                Ok((identity, row.try_get("", "revoked_before")?))
            })
            .collect()
    }

    /// The rows of `sql`, which ends where a list of `values` is to follow.
    async fn among(
        &self,
        sql: &str,
        before: &[Value],
        values: &[Value],
    ) -> Result<Vec<QueryResult>> {
        let mut rows = Vec::new();
        for chunk in values.chunks(CHUNK) {
            let from = before.len().saturating_add(1);
            let places = (from..).take(chunk.len()).map(|at| format!("${at}"));
            let places: Vec<String> = places.collect();
            let statement = Statement::from_sql_and_values(
                self.backend(),
                format!("{sql} ({})", places.join(", ")),
                before.iter().chain(chunk).cloned(),
            );
            rows.extend(self.reading().await?.query_all_raw(statement).await?);
        }
        Ok(rows)
    }
}
