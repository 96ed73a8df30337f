//! Whose phones should look for changes, and of which kinds of documents: no ids of documents, no contents.

use std::collections::BTreeMap;

use entity::{ScopeKind, SyncCollection, UserId};

/// How many people may come to see other clients at once before their phones are told one after the other.
const CROWD: usize = 100;

/// Kinds of documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    /// None.
    pub const NONE: Self = Self(0);
    /// Whatever kinds there are.
    pub const ALL: Self = Self(u32::MAX);

    /// Those of a kind of scope.
    pub fn of_scope(scope: ScopeKind) -> Self {
        SyncCollection::all()
            .filter(|kind| kind.scope_kind() == scope)
            .collect()
    }

    /// Those with these bits ([`SyncCollection::bit`]).
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// One bit for each.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are also in `other`.
    #[must_use]
    pub const fn among(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = SyncCollection> {
        SyncCollection::all().filter(move |kind| self.0 & kind.bit() != 0)
    }
}

impl FromIterator<SyncCollection> for Kinds {
    fn from_iter<I: IntoIterator<Item = SyncCollection>>(kinds: I) -> Self {
        let kinds = kinds.into_iter().map(|kind| Self(kind.bit()));
        kinds.fold(Self::NONE, Self::with)
    }
}

/// What changed of what somebody's phones hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touch {
    /// The kinds of documents to pull.
    pub kinds: Kinds,
    /// Whether clients came in sight or went out of it.
    pub other_clients: bool,
}

impl Touch {
    /// Nothing.
    pub const NOTHING: Self = Self {
        kinds: Kinds::NONE,
        other_clients: false,
    };

    /// Documents of these kinds.
    pub const fn of(kinds: Kinds) -> Self {
        Self {
            kinds,
            other_clients: false,
        }
    }

    /// Clients that came or went, with all that hangs on them.
    pub fn of_other_clients() -> Self {
        Self {
            kinds: Kinds::of_scope(ScopeKind::Client),
            other_clients: true,
        }
    }

    /// Takes `other` in.
    pub const fn absorb(&mut self, other: Self) {
        self.kinds = self.kinds.with(other.kinds);
        self.other_clients |= other.other_clients;
    }

    /// As far as it is about `kinds`; nothing when it is not.
    pub fn among(self, kinds: Kinds) -> Option<Self> {
        let kinds = self.kinds.among(kinds);
        (!kinds.is_empty()).then_some(Self { kinds, ..self })
    }
}

/// Whose phones should look for changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Poke {
    /// The users, and what changed for each.
    pub users: BTreeMap<UserId, Touch>,
    /// What changed for everybody.
    pub everyone: Touch,
}

impl Poke {
    /// Whether it is for nobody.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.everyone == Touch::NOTHING
    }

    /// Notes what changed for `user`.
    pub fn touch(&mut self, user: UserId, touch: Touch) {
        self.users.entry(user).or_default().absorb(touch);
    }

    /// Takes `other` in.
    pub fn absorb(&mut self, other: Self) {
        let Self { users, everyone } = other;
        for (user, touch) in users {
            self.touch(user, touch);
        }
        self.everyone.absorb(everyone);
    }

    /// Whether so many came to see other clients that their phones must not all pull at once.
    pub(super) fn is_for_a_crowd(&self) -> bool {
        let moved = self.users.values().filter(|touch| touch.other_clients);
        moved.count() > CROWD
    }
}

/// Whether so many follow something here that they must not all pull at once.
pub(super) const fn is_a_crowd(seats: usize) -> bool {
    seats > CROWD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_a_set() {
        let all: Kinds = SyncCollection::all().collect();
        assert_eq!(all.iter().count(), SyncCollection::all().count());
        assert!(all.among(Kinds::NONE).is_empty());
        assert_eq!(all.among(Kinds::ALL), all);
        for kind in SyncCollection::all() {
            let one: Kinds = [kind].into_iter().collect();
            assert_eq!(one.bits().count_ones(), 1, "{kind:?} has a bit of its own");
            assert_eq!(one.iter().collect::<Vec<_>>(), [kind]);
            assert_eq!(
                Kinds::of_scope(kind.scope_kind()).among(one),
                one,
                "{kind:?}"
            );
        }
        let scopes = [ScopeKind::Client, ScopeKind::User, ScopeKind::Catalogue];
        let scopes = scopes.into_iter().map(Kinds::of_scope);
        assert_eq!(scopes.fold(Kinds::NONE, Kinds::with), all);
    }
}
