//! THE policy: one line per table says which rows a viewer sees, and who may write them. A table without
//! a line cannot be queried.

use std::sync::OnceLock;

use entity::row::Row;
use entity::{
    ClientId, UserRole, address, client, client_member, client_stats, client_tag, contact,
    handover, handover_client, note, order, order_event, order_line, order_return,
    order_return_line, payment, product, product_category, service_account, service_key, session,
    stock_level, stock_movement, sync_device, sync_issue, tier, tier_assignment, tier_scheme, user,
    user_identity, user_reach,
};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query, SelectStatement, UnionType};
use sea_orm::{ColumnTrait, EntityTrait, IntoSimpleExpr, Iterable, Value};

use super::sync::Synced;
use super::viewer::{Actor, Viewer};
use chrono::{DateTime, Utc};

/// Which rows of a table a viewer sees.
#[derive(Clone, Copy, Debug)]
pub enum Rule<C> {
    /// Every signed-in user sees every row: catalogues, the directory of colleagues.
    Everyone,
    /// The clients themselves.
    Clients,
    /// Rows that belong to the client in this column.
    ThroughClient(C),
    /// Rows of the user in this column; administrators see all.
    OwnUser(C),
    /// Administrators and managers see every row, others none.
    Managers,
    /// Administrators see every row, others none.
    Admins,
    /// Hand-overs, by their id in this column, that a client in scope was part of.
    ThroughHandover(C),
}

/// Who may write rows of a table that they see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    /// Whoever sees the row.
    Viewers,
    /// Managers and administrators.
    Managers,
    /// Administrators.
    Admins,
}

/// A table with a rule. What phones hold of it is said in [`Synced`].
pub trait Scoped:
    EntityTrait<Model: Row + Send + Sync + 'static, ActiveModel: Send + Sync> + Synced
{
    /// Which rows.
    const RULE: Rule<Self::Column>;
    /// Who may write.
    const WRITERS: Writers;
    /// What a person calls one row, as in "no such client".
    const NAME: &'static str;
    /// All columns, as a statement lists them; put together once.
    fn columns() -> &'static str;
}

/// A table whose rows have an id of their own.
pub trait Keyed: Scoped {
    /// The type of its id.
    type Id: Into<Value> + Copy + Eq + std::hash::Hash + std::fmt::Display + Send + Sync + 'static;
    /// The id column.
    const ID: Self::Column;
    /// The id of a row.
    fn id(row: &Self::Model) -> Self::Id;
}

/// A table whose rows count their writes.
pub trait Versioned: Keyed {
    /// The version column.
    const VERSION: Self::Column;
    /// The column of the last write.
    const UPDATED_AT: Self::Column;
    /// The version of a row.
    fn version(row: &Self::Model) -> i64;
    /// When a row was last written.
    fn updated_at(row: &Self::Model) -> DateTime<Utc>;
}

/// A table in a client's subtree.
pub trait UnderClient: Scoped {
    /// The column that names the client.
    const CLIENT_ID: Self::Column;
    /// The client of a row.
    fn client_id(row: &Self::Model) -> ClientId;
}

fn list_of_columns<E: EntityTrait>() -> String {
    let table = E::default();
    let table = table.table_name();
    let columns: Vec<String> = E::Column::iter()
        .map(|column| format!("\"{table}\".\"{}\"", sea_orm::IdenStatic::as_str(&column)))
        .collect();
    columns.join(", ")
}

macro_rules! scoped {
    ($table:ident, $name:literal, $rule:expr, $writers:ident $(, $extra:ident)*) => {
        impl Scoped for $table::Entity {
            const RULE: Rule<$table::Column> = $rule;
            const WRITERS: Writers = Writers::$writers;
            const NAME: &'static str = $name;
            fn columns() -> &'static str {
                static COLUMNS: OnceLock<String> = OnceLock::new();
                COLUMNS.get_or_init(list_of_columns::<$table::Entity>)
            }
        }
        $(scoped!(@$extra $table);)*
    };
    (@keyed $table:ident) => {
        impl Keyed for $table::Entity {
            type Id = <<$table::Entity as EntityTrait>::PrimaryKey as sea_orm::PrimaryKeyTrait>::ValueType;
            const ID: $table::Column = $table::Column::Id;
            fn id(row: &$table::Model) -> Self::Id {
                row.id
            }
        }
    };
    (@versioned $table:ident) => {
        impl Versioned for $table::Entity {
            const VERSION: $table::Column = $table::Column::Version;
            const UPDATED_AT: $table::Column = $table::Column::UpdatedAt;
            fn version(row: &$table::Model) -> i64 {
                row.version
            }
            fn updated_at(row: &$table::Model) -> DateTime<Utc> {
                row.updated_at
            }
        }
    };
    (@under_client $table:ident) => {
        impl UnderClient for $table::Entity {
            const CLIENT_ID: $table::Column = $table::Column::ClientId;
            fn client_id(row: &$table::Model) -> ClientId {
                row.client_id
            }
        }
    };
}

use Rule::{Admins, Clients, Everyone, Managers, OwnUser, ThroughClient, ThroughHandover};

scoped!(user, "user", Everyone, Admins, keyed, versioned);
scoped!(user_reach, "user", Everyone, Admins);
scoped!(
    session,
    "session",
    OwnUser(session::Column::UserId),
    Viewers,
    keyed
);
scoped!(client, "client", Clients, Viewers, keyed, versioned);
scoped!(
    client_tag,
    "tag",
    ThroughClient(client_tag::Column::ClientId),
    Viewers,
    under_client
);
scoped!(
    client_member,
    "team member",
    ThroughClient(client_member::Column::ClientId),
    Viewers,
    keyed,
    versioned,
    under_client
);
scoped!(
    client_stats,
    "client",
    ThroughClient(client_stats::Column::ClientId),
    Viewers,
    under_client
);
scoped!(
    address,
    "address",
    ThroughClient(address::Column::ClientId),
    Viewers,
    keyed,
    versioned,
    under_client
);
scoped!(
    note,
    "note",
    ThroughClient(note::Column::ClientId),
    Viewers,
    keyed,
    versioned,
    under_client
);
scoped!(
    contact,
    "contact",
    ThroughClient(contact::Column::ClientId),
    Viewers,
    keyed,
    versioned,
    under_client
);
scoped!(
    product_category,
    "category",
    Everyone,
    Managers,
    keyed,
    versioned
);
scoped!(product, "product", Everyone, Managers, keyed, versioned);
scoped!(stock_level, "product", Everyone, Managers);
scoped!(stock_movement, "stock movement", Managers, Managers, keyed);
scoped!(
    order,
    "order",
    ThroughClient(order::Column::ClientId),
    Viewers,
    keyed,
    versioned,
    under_client
);
scoped!(
    order_line,
    "order line",
    ThroughClient(order_line::Column::ClientId),
    Viewers,
    keyed,
    under_client
);
scoped!(
    order_event,
    "order event",
    ThroughClient(order_event::Column::ClientId),
    Viewers,
    keyed,
    under_client
);
scoped!(
    order_return,
    "return",
    ThroughClient(order_return::Column::ClientId),
    Viewers,
    keyed,
    under_client
);
scoped!(
    order_return_line,
    "return",
    ThroughClient(order_return_line::Column::ClientId),
    Viewers,
    keyed,
    under_client
);
scoped!(
    payment,
    "payment",
    ThroughClient(payment::Column::ClientId),
    Viewers,
    keyed,
    versioned,
    under_client
);
scoped!(
    tier_scheme,
    "tier scheme",
    Everyone,
    Managers,
    keyed,
    versioned
);
scoped!(tier, "tier", Everyone, Managers, keyed, versioned);
scoped!(
    tier_assignment,
    "tier assignment",
    ThroughClient(tier_assignment::Column::ClientId),
    Viewers,
    keyed,
    under_client
);
scoped!(
    handover,
    "hand-over",
    ThroughHandover(handover::Column::Id),
    Managers,
    keyed
);
scoped!(
    handover_client,
    "hand-over",
    ThroughClient(handover_client::Column::ClientId),
    Managers,
    under_client
);
scoped!(
    sync_device,
    "device",
    OwnUser(sync_device::Column::UserId),
    Viewers,
    keyed
);
scoped!(
    sync_issue,
    "sync issue",
    OwnUser(sync_issue::Column::UserId),
    Viewers,
    keyed,
    versioned
);

scoped!(service_account, "service account", Admins, Admins, keyed);
scoped!(service_key, "service key", Admins, Admins, keyed);
scoped!(
    user_identity,
    "identity",
    OwnUser(user_identity::Column::UserId),
    Admins,
    keyed
);
/// What the rest of a statement leaves of a table, which decides how its scope is best written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// Any rows: the scope leads to them.
    Whole,
    /// A few rows, named by their id or their parent: the scope is asked for each, so that it costs the same
    /// however many clients the viewer has.
    Few,
}

/// The rows of `E` that `viewer` sees, as a condition; nothing when all.
pub(super) fn condition<E: Scoped>(
    viewer: &Viewer,
    now: DateTime<Utc>,
    span: Span,
) -> Option<Condition> {
    let Actor::User { id, role, .. } = viewer.actor() else {
        return None;
    };
    match E::RULE {
        Everyone => None,
        Clients => match span {
            Span::Whole => clients(viewer, now),
            Span::Few => visible_client(viewer, now),
        },
        ThroughClient(column) => match span {
            Span::Whole => {
                let visible = visible_client_ids(viewer, now)?;
                Some(Condition::all().add(column.in_subquery(visible)))
            }
            Span::Few => of_client(viewer, now, column.into_simple_expr()),
        },
        OwnUser(column) => match role {
            UserRole::Admin => None,
            UserRole::Rep | UserRole::Manager => Some(Condition::all().add(column.eq(*id))),
        },
        Managers => match role {
            UserRole::Admin | UserRole::Manager => None,
            UserRole::Rep => Some(Condition::all().add(Expr::cust("1 = 0"))),
        },
        Admins => match role {
            UserRole::Admin => None,
            UserRole::Manager | UserRole::Rep => Some(Condition::all().add(Expr::cust("1 = 0"))),
        },
        ThroughHandover(column) => {
            let visible = visible_client_ids(viewer, now)?;
            let mut handovers = Query::select();
            handovers
                .column(handover_client::Column::HandoverId)
                .from(handover_client::Entity)
                .and_where(handover_client::Column::ClientId.in_subquery(visible));
            Some(Condition::all().add(column.in_subquery(handovers)))
        }
    }
}

/// That the client whose id is `id` is in sight; nothing when all are.
pub(super) fn of_client(viewer: &Viewer, now: DateTime<Utc>, id: Expr) -> Option<Condition> {
    let mut client = Query::select();
    client
        .expr(Expr::cust("1"))
        .from(client::Entity)
        .and_where(Expr::col((client::Entity, client::Column::Id)).eq(id))
        .cond_where(visible_client(viewer, now)?);
    Some(Condition::all().add(Expr::exists(client)))
}

/// The one choice of access path to clients: all, or those of the owners in reach, and, only when there
/// are any, those shared. An `OR` of owner and share would cost PostgreSQL its indexes, so with shares the
/// ids come from two branches of a `UNION ALL`.
fn clients(viewer: &Viewer, now: DateTime<Utc>) -> Option<Condition> {
    let owned = owned(viewer)?;
    if !viewer.has_shares() {
        return Some(owned);
    }
    let ids = visible_client_ids(viewer, now)?;
    Some(Condition::all().add(client::Column::Id.in_subquery(ids)))
}

/// That a client that was reached by its id is one of these.
fn visible_client(viewer: &Viewer, now: DateTime<Utc>) -> Option<Condition> {
    let owned = owned(viewer)?;
    if !viewer.has_shares() {
        return Some(owned);
    }
    let mut share = shared_client_ids(viewer, now)?;
    share.and_where(
        Expr::col((client_member::Entity, client_member::Column::ClientId))
            .equals((client::Entity, client::Column::Id)),
    );
    Some(Condition::any().add(owned).add(Expr::exists(share)))
}

/// Whether the scope of `E` depends on nothing but the row itself.
pub(super) fn is_of_the_row_alone<E: Scoped>(viewer: &Viewer) -> bool {
    match E::RULE {
        Everyone | Managers | Admins | OwnUser(_) => true,
        Clients => match viewer.role() {
            UserRole::Admin => true,
            UserRole::Rep => !viewer.has_shares(),
            UserRole::Manager => false,
        },
        ThroughClient(_) | ThroughHandover(_) => viewer.is_admin(),
    }
}

fn visible_client_ids(viewer: &Viewer, now: DateTime<Utc>) -> Option<SelectStatement> {
    let owned = owned(viewer)?;
    let mut ids = Query::select();
    ids.column((client::Entity, client::Column::Id))
        .from(client::Entity)
        .cond_where(owned);
    if viewer.has_shares() {
        ids.union(UnionType::All, shared_client_ids(viewer, now)?);
    }
    Some(ids)
}

/// The clients that the viewer, or somebody below, answers for; nothing when all.
pub(super) fn owned(viewer: &Viewer) -> Option<Condition> {
    let Actor::User {
        id,
        role,
        is_pool_keeper,
        ..
    } = viewer.actor()
    else {
        return None;
    };
    match role {
        UserRole::Admin => None,
        UserRole::Rep => Some(Condition::all().add(client::Column::OwnerId.eq(*id))),
        UserRole::Manager => {
            let mut reach = Query::select();
            reach
                .column(user_reach::Column::UserId)
                .from(user_reach::Entity)
                .and_where(user_reach::Column::ManagerId.eq(*id));
            let mut condition = Condition::any().add(client::Column::OwnerId.in_subquery(reach));
            if *is_pool_keeper {
                condition = condition.add(client::Column::OwnerId.is_null());
            }
            Some(condition)
        }
    }
}

fn shared_client_ids(viewer: &Viewer, now: DateTime<Utc>) -> Option<SelectStatement> {
    let Actor::User { id, role, .. } = viewer.actor() else {
        return None;
    };
    let mut ids = Query::select();
    ids.column(client_member::Column::ClientId)
        .from(client_member::Entity)
        .cond_where(
            Condition::any()
                .add(client_member::Column::ExpiresAt.is_null())
                .add(client_member::Column::ExpiresAt.gt(now)),
        );
    match role {
        UserRole::Rep => {
            ids.and_where(client_member::Column::UserId.eq(*id));
        }
        UserRole::Manager | UserRole::Admin => {
            let mut reach = Query::select();
            reach
                .column(user_reach::Column::UserId)
                .from(user_reach::Entity)
                .and_where(user_reach::Column::ManagerId.eq(*id));
            ids.and_where(client_member::Column::UserId.in_subquery(reach));
        }
    }
    Some(ids)
}
