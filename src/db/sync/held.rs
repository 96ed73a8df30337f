//! What phones hold: one line per table. A table without a line cannot be queried at all ([`Scoped`] demands it),
//! so that none is forgotten.
//!
//! [`Scoped`]: super::super::scope::Scoped

use chrono::{DateTime, Utc};
use entity::{
    ClientId, ScopeKind, SyncCollection, UserId, address, client, client_member, client_stats,
    client_tag, contact, handover, handover_client, note, order, order_event, order_line,
    order_return, order_return_line, payment, product, product_category, service_account,
    service_key, session, stock_level, stock_movement, sync_device, sync_issue, tier,
    tier_assignment, tier_scheme, user, user_identity, user_reach,
};
use sea_orm::EntityTrait;
use uuid::Uuid;

/// Who holds a row: whoever holds its scope. A row is in one scope at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncScope {
    /// The subtree of a client: whoever sees that.
    Client(ClientId),
    /// A user's own rows: that user.
    User(UserId),
    /// What the whole company shares: everybody.
    Catalogue,
}

impl SyncScope {
    /// The id of the one catalogue.
    pub const CATALOGUE: Uuid = Uuid::from_u128(0x00ca_7a10_0000_7000_8000_0000_0000_0001);

    /// What kind of scope.
    pub const fn kind(self) -> ScopeKind {
        match self {
            Self::Client(_) => ScopeKind::Client,
            Self::User(_) => ScopeKind::User,
            Self::Catalogue => ScopeKind::Catalogue,
        }
    }

    /// The id under which its rows are kept. A client and a user may have the same: the kind tells them apart,
    /// as the collection does for documents.
    pub const fn id(self) -> Uuid {
        match self {
            Self::Client(id) => id.0,
            Self::User(id) => id.0,
            Self::Catalogue => Self::CATALOGUE,
        }
    }

    /// How early its rows are needed on a phone, 0 first. It follows from the kind alone, so it never changes: a
    /// device that is fetching scopes in this order would pass over one that moved.
    pub const fn rank(self) -> u8 {
        match self {
            Self::User(_) => 0,
            Self::Client(_) => 1,
            Self::Catalogue => 3,
        }
    }

    /// The scope of that kind and id.
    pub const fn of(kind: ScopeKind, id: Uuid) -> Self {
        match kind {
            ScopeKind::Client => Self::Client(ClientId(id)),
            ScopeKind::User => Self::User(UserId(id)),
            ScopeKind::Catalogue => Self::Catalogue,
        }
    }
}

/// A document that phones hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Document {
    /// In which scope it is.
    pub scope: SyncScope,
    /// What kind of document.
    pub collection: SyncCollection,
    /// The id of its row.
    pub row: Uuid,
}

impl Document {
    /// A client itself.
    pub(super) const fn of_client(id: ClientId) -> Self {
        Self {
            scope: SyncScope::Client(id),
            collection: SyncCollection::Clients,
            row: id.0,
        }
    }
}

/// How phones hold the rows of a table.
pub enum Held<M> {
    /// Each row is a document. Says which, and whether there is something to hold: a row that was put away is
    /// none to a phone.
    Document(fn(&M) -> (Document, bool)),
    /// Each row is part of a document that is there as long as the row is.
    Part(fn(&M) -> Document),
    /// Not at all; why.
    No(&'static str),
}

/// Whose sight of which clients the rows of a table decide on, beside the tree of users.
pub enum Sight<M> {
    /// Nobody's.
    Nothing,
    /// That of everybody on one client; when a row is made, deleted, or changed in a way that counts. Then: whether the
    /// row no longer let anybody in at an instant, by the passing of time alone.
    Client(
        fn(&M) -> ClientId,
        fn(&M, &M) -> bool,
        fn(&M, DateTime<Utc>) -> bool,
    ),
    /// That of one user on all clients; when a row changed in a way that counts. Then: whether other facts of the
    /// clients they see are shown to them.
    User(fn(&M) -> UserId, fn(&M, &M) -> bool, fn(&M, &M) -> bool),
}

/// A table of which it is known how phones hold it.
pub trait Synced: EntityTrait {
    /// How.
    const HELD: Held<Self::Model>;
    /// Whose sight of clients it decides on.
    const SIGHT: Sight<Self::Model> = Sight::Nothing;
}

/// A document in the subtree of a client. Short names, since each is a line of a table.
const fn of_client(id: ClientId, collection: SyncCollection, row: Uuid) -> Document {
    Document {
        scope: SyncScope::Client(id),
        collection,
        row,
    }
}

const fn of_catalogue(collection: SyncCollection, row: Uuid) -> Document {
    Document {
        scope: SyncScope::Catalogue,
        collection,
        row,
    }
}

const fn of_user(id: UserId, collection: SyncCollection, row: Uuid) -> Document {
    Document {
        scope: SyncScope::User(id),
        collection,
        row,
    }
}

const fn client_itself(id: ClientId) -> Document {
    Document::of_client(id)
}

macro_rules! held {
    ($($table:ident => $held:expr $(, $sight:expr)?;)+) => {
        $(impl Synced for $table::Entity {
            const HELD: Held<$table::Model> = $held;
            $(const SIGHT: Sight<$table::Model> = $sight;)?
        })+

        /// The tables with a line, and how phones hold each: the number of its documents, or why not.
        #[cfg(test)]
        pub(in crate::db) fn tables() -> Vec<(String, &'static str)> {
            vec![$({
                let held = match <$table::Entity as Synced>::HELD {
                    Held::Document(_) => "document",
                    Held::Part(_) => "part",
                    Held::No(why) => why,
                };
                (sea_orm::EntityName::table_name(&$table::Entity).to_owned(), held)
            }),+]
        }
    };
}

held! {
    // A client that was put away stays in its owner's book.
    client => Held::Document(|row| (client_itself(row.id), true)),
        Sight::Client(|row| row.id, |was, is| was.owner_id != is.owner_id, |_, _| false);
    client_tag => Held::Part(|row| client_itself(row.client_id));
    client_stats => Held::No("figures are read online: they change with every order");
    tier_assignment => Held::No("in which tier a client is, is read online");
    client_member => Held::No("the team is read online; what it lets people see is kept"),
        Sight::Client(
            |row| row.client_id,
            |was, is| (was.client_id, was.user_id, was.expires_at) != (is.client_id, is.user_id, is.expires_at),
            |row, now| row.expires_at.is_some_and(|end| end <= now),
        );
    contact => Held::Document(|row| {
        (of_client(row.client_id, SyncCollection::Contacts, row.id.0), row.archived_at.is_none())
    });
    address => Held::Document(|row| {
        (of_client(row.client_id, SyncCollection::Addresses, row.id.0), row.archived_at.is_none())
    });
    note => Held::Document(|row| {
        (of_client(row.client_id, SyncCollection::Notes, row.id.0), row.archived_at.is_none())
    });
    order => Held::Document(|row| {
        (of_client(row.client_id, SyncCollection::Orders, row.id.0), true)
    });
    order_line => Held::Part(|row| {
        of_client(row.client_id, SyncCollection::Orders, row.order_id.0)
    });
    order_event => Held::No("the history of an order is read online");
    order_return => Held::No("the order and its lines say what came back; the rest is read online");
    order_return_line => Held::No("the lines of the order say what came back");
    payment => Held::Document(|row| {
        (of_client(row.client_id, SyncCollection::Payments, row.id.0), true)
    });
    product => Held::Document(|row| {
        (of_catalogue(SyncCollection::Products, row.id.0), row.archived_at.is_none())
    });
    product_category => Held::Document(|row| {
        (of_catalogue(SyncCollection::Categories, row.id.0), row.archived_at.is_none())
    });
    tier_scheme => Held::Document(|row| {
        (of_catalogue(SyncCollection::TierSchemes, row.id.0), row.archived_at.is_none())
    });
    tier => Held::Document(|row| {
        (of_catalogue(SyncCollection::Tiers, row.id.0), row.archived_at.is_none())
    });
    stock_level => Held::No("it changes with every order of anybody; it is read online");
    stock_movement => Held::No("the ledger of the stock is read online");
    user => Held::Document(|row| (of_user(row.id, SyncCollection::Users, row.id.0), true)),
        Sight::User(
            |row| row.id,
            |was, is| {
                (was.role, was.is_pool_keeper, was.deactivated_at.is_some())
                    != (is.role, is.is_pool_keeper, is.deactivated_at.is_some())
            },
            |was, is| was.role != is.role,
        );
    user_reach => Held::No("it follows from the tree of users; what it lets people see is kept");
    user_identity => Held::No("who somebody is elsewhere is of no use on a phone");
    service_account => Held::No("programs are looked after online");
    service_key => Held::No("keys of programs are looked after online");
    session => Held::No("sessions are looked at online");
    handover => Held::No("records of hand-overs are read online");
    handover_client => Held::No("records of hand-overs are read online");
    sync_device => Held::No("it is what the service knows of the device itself");
    sync_issue => Held::Document(|row| {
        (of_user(row.user_id, SyncCollection::SyncIssues, row.id.0), row.archived_at.is_none())
    });
}
