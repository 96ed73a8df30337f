//! The words that pull, push and checkpoint share: places in the order of changes, scopes, rows.

use uuid::Uuid;

/// A place in the order in which changes were committed, counted from 1; 0 is before the first.
///
/// It is given out in the order of commits, so a reader who saw `s` never later meets a new row at or below
/// `s`. It is bounded so that six bytes hold it; at a million changes a second that lasts nine years, at the
/// thousand that one clock row allows, nine thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// Before the first change: a device that holds nothing.
    pub const ZERO: Self = Self(0);
    /// The last place there is, 2^48 - 1: well below 2^53, so JSON carries it exactly.
    pub const MAX: Self = Self((1 << 48) - 1);

    /// The place with that number; none above [`Seq::MAX`].
    pub const fn new(number: u64) -> Option<Self> {
        if number <= Self::MAX.0 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Big-endian, six bytes.
    pub(super) fn to_bytes(self) -> [u8; 6] {
        let [_, _, bytes @ ..] = self.0.to_be_bytes();
        bytes
    }

    pub(super) fn from_bytes(bytes: [u8; 6]) -> Self {
        let number = bytes
            .into_iter()
            .fold(0, |number: u64, byte| number << 8 | u64::from(byte));
        Self(number)
    }
}

/// A number that is no place in the order of changes: negative, or above [`Seq::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSeq;

impl TryFrom<i64> for Seq {
    type Error = NoSeq;

    fn try_from(number: i64) -> Result<Self, NoSeq> {
        u64::try_from(number).ok().and_then(Self::new).ok_or(NoSeq)
    }
}

/// A scope: the unit that a user gains or loses as a whole.
///
/// Pulls go through scopes in this order, and a page may end inside any of them. So a scope's `rank` is fixed
/// by its kind for as long as it lives: one that moved forward while a device was paging would be passed over,
/// and the last page would call it done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeKey {
    /// How early its rows are needed on the phone, 0 first: the kind of the scope.
    pub rank: u8,
    /// The client, user or price list it is made of.
    pub id: Uuid,
}

/// A kind of synced document, by a number below 32 that is never given to another kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Collection(u8);

impl Collection {
    /// The one with the number 0.
    pub const FIRST: Self = Self(0);

    /// The collection with that number; none from 32.
    pub const fn new(number: u8) -> Option<Self> {
        if number < 32 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Its number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// Which collections a device holds.
///
/// A token carries the set itself instead of a hash: it is as short, two sets never look alike, and the
/// service can tell which collections an upgraded app newly asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CollectionSet(u32);

impl CollectionSet {
    /// The set with the collections of both.
    #[must_use]
    pub const fn with(self, collection: Collection) -> Self {
        Self(self.0 | (1 << collection.0))
    }

    /// The collections of this set that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it holds `collection`.
    pub const fn contains(self, collection: Collection) -> bool {
        self.0 & (1 << collection.0) != 0
    }

    /// One bit for each collection.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set with those bits.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

impl FromIterator<Collection> for CollectionSet {
    fn from_iter<I: IntoIterator<Item = Collection>>(collections: I) -> Self {
        collections.into_iter().fold(Self::default(), Self::with)
    }
}

/// A synced row. The id alone does not name it: phones make ids, and nothing stops two kinds from sharing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// What kind of document it is.
    pub collection: Collection,
    /// Its id, made by whoever created it and never changed.
    pub id: Uuid,
}
