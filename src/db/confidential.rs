//! THE policy of what is confidential: one line per group of facts says who sees them by default. Seeing a
//! client is not seeing all of it: whoever was let in by a share or an account team serves the client, but
//! need not know what it owes or what its people like; and what goods cost us is not for those who sell them.
//!
//! The setting is read with the viewer, so each request goes by the policy of its moment.

use std::collections::{BTreeMap, HashSet};

use entity::{UserId, UserRole, client};
use sea_orm::Statement;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use serde::{Deserialize, Serialize};

use super::scope;
use super::session::Session;
use super::tx::Tx;
use super::viewer::{Actor, Viewer};
use crate::error::{Error, Result};
use crate::say;

/// A group of facts about a client, or the catalogue, that not everybody who sees those may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Confidential {
    /// How much the client may owe, and how much it does.
    Credit,
    /// What the people at the client like, and their standing.
    Personal,
    /// What products cost us and what orders earn.
    Margin,
}

/// Who sees a group of confidential facts of a client, of those who see the client. The catalogue has no owner:
/// all managers stand above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Audience {
    /// Everybody who sees the client.
    Everyone,
    /// The owner, the managers above the owner, administrators.
    OwnerAndAbove,
    /// The managers above the owner and administrators, also for clients of their own.
    Managers,
    /// Administrators.
    Admins,
}

impl Confidential {
    /// All groups.
    pub const ALL: [Self; 3] = [Self::Credit, Self::Personal, Self::Margin];

    /// Who sees it unless an administrator said otherwise.
    pub const fn default_audience(self) -> Audience {
        match self {
            Self::Credit => Audience::OwnerAndAbove,
            Self::Personal => Audience::OwnerAndAbove,
            Self::Margin => Audience::Managers,
        }
    }
}

/// Where the setting is kept.
pub(super) const SETTING: &str = "confidential";

/// Who sees what, as an administrator set it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfidentialPolicy(BTreeMap<Confidential, Audience>);

impl ConfidentialPolicy {
    /// From the setting. What cannot be read counts as not set.
    pub(super) fn parse(text: Option<&str>) -> Self {
        let Some(text) = text else {
            return Self::default();
        };
        serde_json::from_str(text).unwrap_or_else(|error| {
            tracing::error!(%error, "the setting `confidential` is not understood; the defaults hold");
            Self::default()
        })
    }

    /// Who sees a group.
    pub fn audience(&self, group: Confidential) -> Audience {
        let set = self.0.get(&group).copied();
        set.unwrap_or_else(|| group.default_audience())
    }
}

impl Session {
    /// Whether the viewer sees a group of facts of the catalogue.
    pub fn sees_in_catalogue(&self, group: Confidential) -> bool {
        let viewer = self.viewer();
        match viewer.confidential().audience(group) {
            Audience::Everyone => true,
            Audience::OwnerAndAbove | Audience::Managers => viewer.is_manager(),
            Audience::Admins => viewer.is_admin(),
        }
    }

    /// Whether the viewer sees a group of facts, where that is the same for every client in sight; nothing
    /// where it depends on who owns the client.
    pub fn sees_all_or_none(&self, group: Confidential) -> Option<bool> {
        let viewer = self.viewer();
        let is_alike = viewer.is_admin() || !viewer.has_shares();
        match viewer.confidential().audience(group) {
            Audience::Everyone => Some(true),
            Audience::OwnerAndAbove => is_alike.then_some(true),
            Audience::Managers if viewer.is_manager() => is_alike.then_some(true),
            Audience::Managers => Some(false),
            Audience::Admins => Some(viewer.is_admin()),
        }
    }

    /// Whether the viewer sees a group of facts of a client in sight whose owner is `owner`.
    ///
    /// # Errors
    /// From the database.
    pub async fn sees(&self, group: Confidential, owner: Option<UserId>) -> Result<bool> {
        if let Some(sees) = self.sees_all_or_none(group) {
            return Ok(sees);
        }
        // What is left depends on whether the viewer, or somebody below, answers for the client.
        let viewer = self.viewer();
        match viewer.actor() {
            Actor::System { .. } => Ok(true),
            Actor::User {
                id,
                role,
                is_pool_keeper,
                ..
            } => match (role, owner) {
                (UserRole::Admin, _) => Ok(true),
                (UserRole::Manager, None) => Ok(*is_pool_keeper),
                (UserRole::Rep | UserRole::Manager, Some(owner)) if owner == *id => Ok(true),
                (UserRole::Manager, Some(owner)) => Ok(self.reach().await?.contains(&owner)),
                (UserRole::Rep, _) => Ok(false),
            },
        }
    }

    /// Whether some client in sight that meets `which` hides a group of facts from the viewer.
    ///
    /// # Errors
    /// From the database.
    pub async fn hides_any(&self, group: Confidential, which: Condition) -> Result<bool> {
        let hidden = match self.sees_all_or_none(group) {
            Some(true) => return Ok(false),
            Some(false) => Condition::all(),
            None => match owned_by_others(self.viewer()) {
                Some(hidden) => hidden,
                None => return Ok(false),
            },
        };
        self.select::<client::Entity>()
            .filter(which)
            .filter(hidden)
            .exists()
            .await
    }

    /// Everybody below the viewer, a manager, and the viewer; read once per request.
    async fn reach(&self) -> Result<&HashSet<UserId>> {
        self.reach_once()
            .get_or_try_init(|| async {
                let me = self.viewer().user_id();
                let statement = Statement::from_sql_and_values(
                    self.backend(),
                    "SELECT user_id FROM user_reach WHERE manager_id = $1",
                    [me.map(|me| me.0).into()],
                );
                let rows = self.query_all_raw(statement).await?;
                rows.iter()
                    .map(|row| Ok(row.try_get("", "user_id")?))
                    .collect()
            })
            .await
    }
}

/// The clients in sight that neither the viewer nor anybody below answers for; nothing when there are none.
fn owned_by_others(viewer: &Viewer) -> Option<Condition> {
    let owned = Expr::from(scope::owned(viewer)?);
    // Whose owner nobody is, is neither owned nor not.
    Some(Condition::all().add(owned.is_not(Expr::Constant(true.into()))))
}

impl Tx {
    /// Sets who sees a group of facts, from the next request on; answers the whole policy.
    ///
    /// # Errors
    /// `FORBIDDEN` for anybody but administrators; from the database.
    pub async fn set_audience(
        &self,
        group: Confidential,
        audience: Audience,
    ) -> Result<ConfidentialPolicy> {
        if !self.viewer().is_admin() {
            return Err(Error::forbidden(say!(
                "only administrators decide who sees what is confidential"
            )));
        }
        // Made first, so that two who set it at once wait for each other here.
        let make = Statement::from_sql_and_values(
            self.backend(),
            "INSERT INTO settings (key, value) VALUES ($1, '{}') \
             ON CONFLICT (key) DO UPDATE SET value = settings.value",
            [SETTING.into()],
        );
        self.execute_raw(make).await?;
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT value FROM settings WHERE key = $1",
            [SETTING.into()],
        );
        let present = self.query_one_raw(statement).await?;
        let present: Option<String> = present.map(|row| row.try_get("", "value")).transpose()?;
        let mut policy = ConfidentialPolicy::parse(present.as_deref());
        policy.0.insert(group, audience);
        let text = serde_json::to_string(&policy).map_err(Error::internal)?;
        let store = Statement::from_sql_and_values(
            self.backend(),
            "UPDATE settings SET value = $2 WHERE key = $1",
            [SETTING.into(), text.into()],
        );
        self.execute_raw(store).await?;
        self.note_other_facts();
        Ok(policy)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_setting_goes_before_the_default_and_nonsense_does_not() {
        let policy = ConfidentialPolicy::parse(Some(r#"{"CREDIT":"EVERYONE"}"#));
        assert_eq!(policy.audience(Confidential::Credit), Audience::Everyone);
        assert_eq!(
            policy.audience(Confidential::Personal),
            Audience::OwnerAndAbove
        );
        assert_eq!(policy.audience(Confidential::Margin), Audience::Managers);
        for nonsense in [None, Some(""), Some("[]"), Some(r#"{"CREDIT":"ALL"}"#)] {
            let policy = ConfidentialPolicy::parse(nonsense);
            assert_eq!(policy, ConfidentialPolicy::default());
        }
        let written = serde_json::to_string(&policy).unwrap();
        assert_eq!(ConfidentialPolicy::parse(Some(&written)), policy);
    }
}
