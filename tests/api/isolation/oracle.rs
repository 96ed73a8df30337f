//! Who sees which client, worked out from plain data that the tests keep themselves. Shares nothing with
//! the service: it walks the tree and compares dates where the service asks its database.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::{ClientId, UserId, UserRole};

/// The people and whose clients are whose.
#[derive(Clone, Debug, Default)]
pub struct Organisation {
    /// Everybody.
    pub users: BTreeMap<UserId, Member>,
    /// Every client.
    pub clients: BTreeMap<ClientId, Holding>,
}

/// A person as far as sight goes.
#[derive(Clone, Debug)]
pub struct Member {
    /// The role.
    pub role: UserRole,
    /// Whom they report to.
    pub manager: Option<UserId>,
    /// Whether they keep the pool of clients without an owner.
    pub keeps_pool: bool,
}

/// A client as far as sight goes.
#[derive(Clone, Debug, Default)]
pub struct Holding {
    /// Who answers for it.
    pub owner: Option<UserId>,
    /// Who was let in, and until when.
    pub shares: BTreeMap<UserId, Option<DateTime<Utc>>>,
    /// Whether it is hidden from lists.
    pub is_archived: bool,
}

impl Organisation {
    /// Whether `user` is `manager`, or reports to them at any depth.
    pub fn is_below(&self, manager: UserId, user: UserId) -> bool {
        let mut at = Some(user);
        while let Some(user) = at {
            if user == manager {
                return true;
            }
            at = self.users.get(&user).and_then(|user| user.manager);
        }
        false
    }

    /// Whether `viewer` sees `client` at `now`.
    pub fn sees(&self, viewer: UserId, client: ClientId, now: DateTime<Utc>) -> bool {
        let Some(holding) = self.clients.get(&client) else {
            return false;
        };
        let member = &self.users[&viewer];
        let holders = holding.shares.iter().filter_map(|(user, expires_at)| {
            let holds = expires_at.is_none_or(|expires_at| expires_at > now);
            holds.then_some(*user)
        });
        let mut holders = holding.owner.into_iter().chain(holders);
        match member.role {
            UserRole::Admin => true,
            UserRole::Rep => holders.any(|user| user == viewer),
            UserRole::Manager => {
                (member.keeps_pool && holding.owner.is_none())
                    || holders.any(|user| self.is_below(viewer, user))
            }
        }
    }

    /// All clients that `viewer` sees at `now`, archived ones too.
    pub fn visible(&self, viewer: UserId, now: DateTime<Utc>) -> BTreeSet<ClientId> {
        let seen = |client: &&ClientId| self.sees(viewer, **client, now);
        self.clients.keys().filter(seen).copied().collect()
    }
}
