//! Which clients a list shows, and in which order.

use async_graphql::{Enum, InputObject};
use entity::{
    ClientKind, ClientNature, CustomKind, Lifecycle, PartyClass, client, client_stats, client_tag,
};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, Condition, IntoSimpleExpr};

use crate::db::{Confidential, KeyKind, ScopedSelect, Session, Sort, SortKey};
use crate::domain::{clients, text};
use crate::error::Result;
use crate::graphql::confidential::require_shown;
use crate::graphql::filters::{
    ClientIdFilter, DateFilter, DateTimeFilter, FilterTree, IntFilter, MoneyFilter, StringFilter,
    TierIdFilter, UserIdFilter, choice_filter, filter_tree,
};

choice_filter!(
    /// A filter on the kind of client. All parts that are given must hold.
    ClientKindFilter, ClientKind
);
choice_filter!(
    /// A filter on the lifecycle. All parts that are given must hold.
    LifecycleFilter, Lifecycle
);
choice_filter!(
    /// A filter on the party class. All parts that are given must hold.
    PartyClassFilter, PartyClass
);
choice_filter!(
    /// A filter on the kind of custom. All parts that are given must hold.
    CustomKindFilter, CustomKind
);
choice_filter!(
    /// A filter on the nature of an organization. All parts that are given must hold.
    ClientNatureFilter, ClientNature
);

/// Whether archived rows are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum Archived {
    /// Only rows in use.
    #[default]
    Exclude,
    /// Rows in use and archived ones.
    Include,
    /// Only archived rows.
    Only,
}

impl Archived {
    /// The condition on the column that holds when a row was archived.
    pub fn condition<C: ColumnTrait>(self, archived_at: C) -> Condition {
        match self {
            Self::Exclude => Condition::all().add(archived_at.is_null()),
            Self::Include => Condition::all(),
            Self::Only => Condition::all().add(archived_at.is_not_null()),
        }
    }
}

/// Which clients. All parts that are given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ClientFilter {
    /// Found by what a person types: parts of the name, pinyin or its initials, a fragment of a phone number, a contact's name or number, an external id. At least two letters or digits, or one Chinese character; all words must be found.
    search: Option<String>,
    /// By id.
    id: Option<ClientIdFilter>,
    /// By the id in another system.
    external_id: Option<StringFilter>,
    /// By name.
    name: Option<StringFilter>,
    /// By kind.
    kind: Option<ClientKindFilter>,
    /// By who answers for it.
    owner_id: Option<UserIdFilter>,
    /// By the organization it belongs to.
    parent_id: Option<ClientIdFilter>,
    /// By lifecycle.
    lifecycle: Option<LifecycleFilter>,
    /// By party class.
    party_class: Option<PartyClassFilter>,
    /// By kind of custom.
    custom_kind: Option<CustomKindFilter>,
    /// By nature of the organization.
    nature: Option<ClientNatureFilter>,
    /// With this tag.
    tag: Option<String>,
    /// By the tier in the default scheme. An override whose time is up may count here for a minute longer.
    tier_id: Option<TierIdFilter>,
    /// By the number of orders.
    order_count: Option<IntFilter>,
    /// By the day of the last order.
    last_order_on: Option<DateFilter>,
    /// By revenue of the last 365 days.
    trailing_revenue: Option<MoneyFilter>,
    /// By what it owes.
    receivable: Option<MoneyFilter>,
    /// By when it was last changed.
    updated_at: Option<DateTimeFilter>,
    /// Whether archived clients are listed; by default they are not.
    archived: Option<Archived>,
    /// All of these must hold.
    and: Option<Vec<ClientFilter>>,
    /// One of these must hold.
    or: Option<Vec<ClientFilter>>,
    /// This must not hold.
    not: Option<Box<ClientFilter>>,
}

filter_tree!(ClientFilter);

impl ClientFilter {
    /// Whether it, or a part of it, asks what a client owes.
    fn looks_at_receivable(&self) -> bool {
        let (and, or, not) = self.branches();
        let mut parts = and.into_iter().chain(or).flatten().chain(not);
        self.receivable.is_some() || parts.any(Self::looks_at_receivable)
    }

    fn condition(&self) -> Result<Condition> {
        self.check_size()?;
        let Self {
            search,
            id,
            external_id,
            name,
            kind,
            owner_id,
            parent_id,
            lifecycle,
            party_class,
            custom_kind,
            nature,
            tag,
            tier_id,
            order_count,
            last_order_on,
            trailing_revenue,
            receivable,
            updated_at,
            archived: _,
            and: _,
            or: _,
            not: _,
        } = self;
        use client::Column;
        use client_stats::Column as Stats;
        let mut all = Condition::all();
        if let Some(search) = search {
            all = all.add(clients::matching(search)?);
        }
        if let Some(filter) = id {
            all = all.add(filter.condition("id", Column::Id)?);
        }
        if let Some(filter) = external_id {
            all = all.add(filter.code_condition("externalId", Column::ExternalId)?);
        }
        if let Some(filter) = name {
            all = all.add(filter.condition("name", Column::Name, Column::NameSort)?);
        }
        if let Some(filter) = kind {
            all = all.add(filter.condition("kind", Column::Kind)?);
        }
        if let Some(filter) = owner_id {
            all = all.add(filter.condition("ownerId", Column::OwnerId)?);
        }
        if let Some(filter) = parent_id {
            all = all.add(filter.condition("parentId", Column::ParentId)?);
        }
        if let Some(filter) = lifecycle {
            all = all.add(filter.condition("lifecycle", Column::Lifecycle)?);
        }
        if let Some(filter) = party_class {
            all = all.add(filter.condition("partyClass", Column::PartyClass)?);
        }
        if let Some(filter) = custom_kind {
            all = all.add(filter.condition("customKind", Column::CustomKind)?);
        }
        if let Some(filter) = nature {
            all = all.add(filter.condition("nature", Column::Nature)?);
        }
        if let Some(tag) = tag {
            let tag = text::tag("tag", tag)?;
            let tagged = client_tag::Column::Tag.eq(tag);
            all = all.add(holds(client_tag::Column::ClientId, tagged.into()));
        }
        let mut facts = Vec::new();
        if let Some(filter) = tier_id {
            facts.push(filter.condition("tierId", Stats::TierId)?);
        }
        if let Some(filter) = order_count {
            facts.push(filter.condition(&Stats::OrderCount.into_simple_expr()));
        }
        if let Some(filter) = last_order_on {
            facts.push(filter.condition("lastOrderOn", &Stats::LastOrderOn.into_simple_expr())?);
        }
        let currency = Column::Currency.into_simple_expr();
        for (name, filter, column) in [
            (
                "trailingRevenue",
                trailing_revenue,
                Stats::TrailingRevenueMinor,
            ),
            ("receivable", receivable, Stats::ReceivableMinor),
        ] {
            if let Some(filter) = filter {
                facts.push(filter.condition(name, &column.into_simple_expr(), &currency)?);
            }
        }
        for fact in facts {
            all = all.add(holds(Stats::ClientId, fact));
        }
        if let Some(filter) = updated_at {
            let column = Column::UpdatedAt.into_simple_expr();
            all = all.add(filter.condition("updatedAt", &column)?);
        }
        self.and_branches(all, Self::condition)
    }
}

/// That the client has a row that meets `condition` in the table of `client_id`.
fn holds<C: ColumnTrait>(client_id: C, condition: Condition) -> Expr {
    let mut rows = Query::select();
    rows.expr(Expr::val(1))
        .from(client_id.entity_name())
        .and_where(
            client_id
                .into_simple_expr()
                .equals((client::Entity, client::Column::Id)),
        )
        .cond_where(condition);
    Expr::exists(rows)
}

/// How clients are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum ClientOrder {
    /// By name, A to Z; Chinese names by pinyin.
    #[default]
    NameAsc,
    /// By name, Z to A.
    NameDesc,
    /// Last changed first.
    UpdatedAtDesc,
    /// Last changed last.
    UpdatedAtAsc,
    /// Largest revenue of the last 365 days first.
    TrailingRevenueDesc,
    /// Largest debt first.
    ReceivableDesc,
    /// Latest order first; clients that never ordered last.
    LastOrderDesc,
    /// Longest without an order first; clients that never ordered before all.
    LastOrderAsc,
}

impl ClientOrder {
    /// The order of rows it stands for.
    pub fn sort(self) -> Sort {
        use client::Column;
        use client_stats::Column as Stats;
        let by = |column: Column, kind| vec![SortKey::column(column, kind)];
        let amount = |column: Stats| vec![SortKey::column(column, KeyKind::Number)];
        // Told from NULL in the words of the index, which are the same on both databases.
        let last_order = || {
            vec![SortKey {
                expr: Expr::cust(r#"COALESCE("client_stats"."last_order_on", '1970-01-01')"#),
                kind: KeyKind::Day,
            }]
        };
        let of_stats = |sort: Sort| sort.with_id(Stats::ClientId.into_simple_expr());
        match self {
            Self::NameAsc => Sort::ascending(by(Column::NameSort, KeyKind::Text)),
            Self::NameDesc => Sort::descending(by(Column::NameSort, KeyKind::Text)),
            Self::UpdatedAtDesc => Sort::descending(by(Column::UpdatedAt, KeyKind::Instant)),
            Self::UpdatedAtAsc => Sort::ascending(by(Column::UpdatedAt, KeyKind::Instant)),
            Self::TrailingRevenueDesc => {
                of_stats(Sort::descending(amount(Stats::TrailingRevenueMinor)))
            }
            Self::ReceivableDesc => of_stats(Sort::descending(amount(Stats::ReceivableMinor))),
            Self::LastOrderDesc => of_stats(Sort::descending(last_order())),
            Self::LastOrderAsc => of_stats(Sort::ascending(last_order())),
        }
    }

    fn joins_stats(self) -> bool {
        match self {
            Self::NameAsc | Self::NameDesc | Self::UpdatedAtDesc | Self::UpdatedAtAsc => false,
            Self::TrailingRevenueDesc
            | Self::ReceivableDesc
            | Self::LastOrderDesc
            | Self::LastOrderAsc => true,
        }
    }
}

/// Refuses a list in which the viewer may not see the fact of every client that it is filtered or sorted by.
async fn check_confidential(
    session: &Session,
    filter: &ClientFilter,
    order: ClientOrder,
) -> Result<()> {
    let field = if order == ClientOrder::ReceivableDesc {
        "orderBy"
    } else if filter.looks_at_receivable() {
        "filter.receivable"
    } else {
        return Ok(());
    };
    // What else the filter asks for may leave out the clients that hide it.
    let rest = ClientFilter {
        receivable: None,
        ..filter.clone()
    };
    let which = if rest.looks_at_receivable() {
        Condition::all()
    } else {
        rest.condition().map_err(|error| error.under("filter"))?
    };
    require_shown(session, Confidential::Credit, field, which).await
}

/// The clients that `filter` keeps.
///
/// # Errors
/// `BAD_USER_INPUT` for a filter that makes no sense; `FORBIDDEN` `confidentiality.masked_field`.
pub async fn select(
    session: &Session,
    filter: Option<&ClientFilter>,
    order: ClientOrder,
) -> Result<ScopedSelect<client::Entity>> {
    if let Some(filter) = filter {
        filter.check_size().map_err(|error| error.under("filter"))?;
    }
    let plain = ClientFilter::default();
    check_confidential(session, filter.unwrap_or(&plain), order).await?;
    let archived = filter
        .and_then(|filter| filter.archived)
        .unwrap_or_default();
    let mut select = session
        .select::<client::Entity>()
        .filter(archived.condition(client::Column::ArchivedAt));
    if let Some(filter) = filter {
        select = select.filter(filter.condition().map_err(|error| error.under("filter"))?);
    }
    if order.joins_stats() {
        select = select.join(
            "client_stats",
            Expr::col((client_stats::Entity, client_stats::Column::ClientId))
                .equals((client::Entity, client::Column::Id)),
        );
    }
    Ok(select)
}
