//! Clients on the wire.

use async_graphql::{Context, Enum, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::{
    ClientId, ClientKind, ClientNature, CustomKind, Gender, Lifecycle, PartyClass, ServiceMode,
    TierSchemeId, UserId, client, client_stats, client_tag,
};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, Condition, IntoSimpleExpr};

use super::addresses::{self, Address};
use super::connection::{Connection, Node, binding};
use super::contacts::{self, Contact, ContactFilter, ContactOrder};
use super::context::{nullable, session, write};
use super::filters::{
    ClientIdFilter, DateFilter, DateTimeFilter, IntFilter, MoneyFilter, StringFilter, TierIdFilter,
    UserIdFilter, choice_filter,
};
use super::handovers::{self, ClientHandover};
use super::input::{optional, required};
use super::members::{self, TeamMember};
use super::notes::{self, Note, NoteFilter};
use super::orders::{self, Order, OrderFilter, OrderOrder};
use super::payments::{self, Payment, PaymentFilter, PaymentOrder};
use super::scalars::{Currency, Date, DateTime, Money, MoneyInput, int};
use super::tiers::{self, Tier, TierAssignment};
use super::users::{self, User};
use crate::db::{KeyKind, PageRequest, ScopedSelect, Session, Sort, SortKey, Visible};
use crate::domain::clients::{self, NewClient, ProfilePatch};
use crate::domain::money::CurrencyCode;
use crate::domain::text;
use crate::error::Result;

/// A client: a person or an organization that buys, or may come to buy.
#[derive(Clone)]
pub struct Client(pub Visible<client::Model>);

impl From<Visible<client::Model>> for Client {
    fn from(row: Visible<client::Model>) -> Self {
        Self(row)
    }
}

impl Node for Client {
    type Entity = client::Entity;
}

/// A client: a person or an organization that buys, or may come to buy.
#[Object]
impl Client {
    /// The id.
    pub async fn id(&self) -> ClientId {
        self.0.id
    }

    /// The id in another system, unique among clients, by which imports find it again.
    async fn external_id(&self) -> Option<&str> {
        self.0.external_id.as_deref()
    }

    /// Whether it is a person or an organization.
    async fn kind(&self) -> ClientKind {
        self.0.kind
    }

    /// The name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Where it stands in the chain from maker to user.
    async fn party_class(&self) -> PartyClass {
        self.0.party_class
    }

    /// How far the relationship has come.
    async fn lifecycle(&self) -> Lifecycle {
        self.0.lifecycle
    }

    /// How it buys; null when nobody has said.
    async fn custom_kind(&self) -> Option<CustomKind> {
        self.0.custom_kind
    }

    /// How it wants to be served; null when nobody has said.
    async fn service_mode(&self) -> Option<ServiceMode> {
        self.0.service_mode
    }

    /// Who answers for it; null while it lies in the pool.
    async fn owner(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        nullable(users::owner_of(ctx, &self.0).await)
    }

    /// Who sees and serves it: the owner first, then those who were let in, in the order they joined.
    async fn team(&self, ctx: &Context<'_>) -> Result<Vec<TeamMember>> {
        members::team_of(ctx, &self.0).await
    }

    /// The hand-overs it was part of, latest first.
    async fn handovers(&self, ctx: &Context<'_>) -> Result<Vec<ClientHandover>> {
        handovers::of_client(ctx, &self.0).await
    }

    /// The organization it belongs to, when you may see that.
    async fn parent(&self, ctx: &Context<'_>) -> Option<Result<Client>> {
        nullable(
            async {
                let parent = session(ctx)?
                    .one_of::<client::Entity, _, _>(&self.0, "parent", |row| row.parent_id)
                    .await?;
                Ok(parent.map(Client))
            }
            .await,
        )
    }

    /// The main phone number, as written.
    async fn phone(&self) -> Option<&str> {
        self.0.phone.as_deref()
    }

    /// The fax number, as written.
    async fn fax(&self) -> Option<&str> {
        self.0.fax.as_deref()
    }

    /// The e-mail address, in lower case.
    async fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }

    /// The website.
    async fn website(&self) -> Option<&str> {
        self.0.website.as_deref()
    }

    /// The handle on the messenger the client uses, such as WeChat.
    async fn messaging_handle(&self) -> Option<&str> {
        self.0.messaging_handle.as_deref()
    }

    /// Stated preferences.
    async fn preferences(&self) -> Option<&str> {
        self.0.preferences.as_deref()
    }

    /// Habits in buying: when, how much, through whom.
    async fn buying_habits(&self) -> Option<&str> {
        self.0.buying_habits.as_deref()
    }

    /// Tags in alphabetical order, in lower case.
    async fn tags(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        clients::tags(session(ctx)?, &self.0).await
    }

    /// The section of a person; null for an organization.
    async fn individual(&self) -> Option<IndividualProfile> {
        match self.0.kind {
            ClientKind::Individual => Some(IndividualProfile {
                gender: self.0.gender,
                birthday: self.0.birthday.map(Date),
            }),
            ClientKind::Organization => None,
        }
    }

    /// The section of an organization; null for a person.
    async fn organization(&self) -> Option<OrganizationProfile> {
        match self.0.kind {
            ClientKind::Organization => Some(OrganizationProfile {
                nature: self.0.nature,
                industry: self.0.industry.clone(),
                employee_count: self.0.employee_count,
            }),
            ClientKind::Individual => None,
        }
    }

    /// The currency the client is billed in.
    async fn currency(&self) -> Result<Currency> {
        CurrencyCode::parse(&self.0.currency).map(Currency)
    }

    /// Up to how much the client may owe before orders wait for a manager; null when the tier decides, or nothing limits it.
    async fn credit_limit(&self) -> Option<Result<Money>> {
        let limit = self.0.credit_limit_minor?;
        Some(Money::new(limit, &self.0.currency))
    }

    /// Days from an order to the day it is due (账期); null when the tier decides, or it is due at once.
    async fn payment_term_days(&self) -> Option<i32> {
        self.0.payment_term_days
    }

    /// Since when it is a client, as people remember it; the first order may be later.
    async fn since_on(&self) -> Option<Date> {
        self.0.since_on.map(Date)
    }

    /// Facts worked out from orders and payments.
    async fn stats(&self, ctx: &Context<'_>) -> Option<Result<ClientStats>> {
        nullable(
            async {
                let stats = stats(session(ctx)?, &self.0).await?;
                Ok(stats.map(|stats| ClientStats {
                    stats,
                    currency: self.0.currency.clone(),
                }))
            }
            .await,
        )
    }

    /// Its orders.
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a list in GraphQL"
    )]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which orders; all when absent.")] filter: Option<OrderFilter>,
        #[graphql(desc = "How they are sorted.", default)] order_by: OrderOrder,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Order>> {
        let page = (first, after, last, before);
        orders::of_client(ctx, &self.0, filter, order_by, page).await
    }

    /// What it paid, voided payments too.
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a list in GraphQL"
    )]
    async fn payments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which payments; all when absent, voided ones too.")] filter: Option<
            PaymentFilter,
        >,
        #[graphql(desc = "How they are sorted.", default)] order_by: PaymentOrder,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Payment>> {
        let page = (first, after, last, before);
        payments::of_client(ctx, &self.0, filter, order_by, page).await
    }

    /// The people at the client.
    async fn contacts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which contacts; all in use when absent.")] filter: Option<ContactFilter>,
        #[graphql(desc = "How they are sorted; by name when absent.")] order_by: Option<
            ContactOrder,
        >,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Contact>> {
        let page = (first, after, last, before);
        contacts::of_client(ctx, &self.0, filter, order_by.unwrap_or_default(), page).await
    }

    /// The key person: the contact with whom the client is won or lost.
    async fn key_contact(&self, ctx: &Context<'_>) -> Option<Result<Contact>> {
        nullable(contacts::key_of_client(ctx, &self.0).await)
    }

    /// The addresses: primary ones first, then in the order they were recorded; at most 50 in use.
    async fn addresses(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whether archived addresses are listed; by default they are not.")]
        archived: Option<Archived>,
    ) -> Result<Vec<Address>> {
        addresses::of_client(ctx, &self.0, archived.unwrap_or_default()).await
    }

    /// What people wrote down about the client, newest first.
    async fn notes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which notes; all in use when absent.")] filter: Option<NoteFilter>,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Note>> {
        notes::of_client(ctx, &self.0, filter, (first, after, last, before)).await
    }

    /// The tier in the default scheme; null when it is in none.
    async fn tier(&self, ctx: &Context<'_>) -> Option<Result<Tier>> {
        nullable(tiers::of_client(ctx, &self.0).await)
    }

    /// The tier in a scheme; null when it is in none.
    async fn tier_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The scheme.")] scheme_id: TierSchemeId,
    ) -> Option<Result<Tier>> {
        nullable(tiers::of_client_in(ctx, &self.0, scheme_id).await)
    }

    /// The tiers it is and was in, and why; latest first.
    async fn tier_assignments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Those in this scheme; in all when absent.")] scheme_id: Option<
            TierSchemeId,
        >,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<TierAssignment>> {
        let page = (first, after, last, before);
        tiers::history_of_client(ctx, &self.0, scheme_id, page).await
    }

    /// The number of writes to this client; send it back with an update.
    async fn version(&self) -> Result<i32> {
        int(self.0.version)
    }

    /// When it was recorded.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// When it was archived; null while it is in use.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.archived_at.map(DateTime)
    }
}

/// The facts worked out for a client.
///
/// # Errors
/// From the database.
pub(super) async fn stats(
    session: &Session,
    client: &Visible<client::Model>,
) -> Result<Option<Visible<client_stats::Model>>> {
    let children = crate::db::Children {
        parent: client_stats::Column::ClientId,
        select: session.select::<client_stats::Entity>(),
    };
    let mut rows = session
        .all_of(
            client,
            "stats",
            |client: &client::Model| client.id.0,
            children,
            |row| row.client_id.0,
        )
        .await?;
    Ok(rows.pop())
}

/// What is known of a client that is a person.
#[derive(Clone, Debug, SimpleObject)]
pub struct IndividualProfile {
    /// Gender.
    gender: Option<Gender>,
    /// Birthday.
    birthday: Option<Date>,
}

/// What is known of a client that is an organization.
#[derive(Clone, Debug, SimpleObject)]
pub struct OrganizationProfile {
    /// Who owns it (客户性质).
    nature: Option<ClientNature>,
    /// The industry it is in.
    industry: Option<String>,
    /// How many people work there.
    employee_count: Option<i32>,
}

/// Facts worked out from a client's orders and payments, at the moment these change. An order counts once it is approved.
pub struct ClientStats {
    stats: Visible<client_stats::Model>,
    currency: String,
}

/// Facts worked out from a client's orders and payments, at the moment these change. An order counts once it is approved.
#[Object]
impl ClientStats {
    /// How many orders count.
    async fn order_count(&self) -> Result<i32> {
        int(self.stats.order_count)
    }

    /// The day of the first order.
    async fn first_order_on(&self) -> Option<Date> {
        self.stats.first_order_on.map(Date)
    }

    /// The day of the last order.
    async fn last_order_on(&self) -> Option<Date> {
        self.stats.last_order_on.map(Date)
    }

    /// All revenue so far: order lines after discounts, less returns, without freight.
    async fn lifetime_revenue(&self) -> Result<Money> {
        Money::new(self.stats.lifetime_revenue_minor, &self.currency)
    }

    /// Revenue of the last 365 days.
    async fn trailing_revenue(&self) -> Result<Money> {
        Money::new(self.stats.trailing_revenue_minor, &self.currency)
    }

    /// What the client owes: billed, less payments and returns. Negative when it has paid too much.
    async fn receivable(&self) -> Result<Money> {
        Money::new(self.stats.receivable_minor, &self.currency)
    }

    /// The mean number of days between two orders; null before the second.
    async fn cycle_days(&self) -> Option<i32> {
        self.stats.cycle_days
    }
}

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
    /// By the tier in the default scheme.
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

impl ClientFilter {
    fn condition(&self) -> Result<Condition> {
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
            and,
            or,
            not,
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
            let column = Column::ExternalId;
            all = all.add(filter.condition("externalId", column, column)?);
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
        for part in and.iter().flatten() {
            all = all.add(part.condition()?);
        }
        if let Some(parts) = or {
            let mut any = Condition::any();
            for part in parts {
                any = any.add(part.condition()?);
            }
            all = all.add(any);
        }
        if let Some(part) = not {
            all = all.add(part.condition()?.not());
        }
        Ok(all)
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
    pub(super) fn sort(self) -> Sort {
        use client::Column;
        use client_stats::Column as Stats;
        let by = |column: Column, kind| vec![SortKey::column(column, kind)];
        let amount = |column: Stats| {
            vec![SortKey {
                expr: column.if_null(0_i64),
                kind: KeyKind::Number,
            }]
        };
        let last_order = || {
            vec![SortKey {
                expr: Stats::LastOrderOn.if_null(chrono::NaiveDate::default()),
                kind: KeyKind::Day,
            }]
        };
        match self {
            Self::NameAsc => Sort::ascending(by(Column::NameSort, KeyKind::Text)),
            Self::NameDesc => Sort::descending(by(Column::NameSort, KeyKind::Text)),
            Self::UpdatedAtDesc => Sort::descending(by(Column::UpdatedAt, KeyKind::Instant)),
            Self::UpdatedAtAsc => Sort::ascending(by(Column::UpdatedAt, KeyKind::Instant)),
            Self::TrailingRevenueDesc => Sort::descending(amount(Stats::TrailingRevenueMinor)),
            Self::ReceivableDesc => Sort::descending(amount(Stats::ReceivableMinor)),
            Self::LastOrderDesc => Sort::descending(last_order()),
            Self::LastOrderAsc => Sort::ascending(last_order()),
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

/// The clients that `filter` keeps.
///
/// # Errors
/// `BAD_USER_INPUT` for a filter that makes no sense.
pub fn select(
    session: &Session,
    filter: Option<&ClientFilter>,
    order: ClientOrder,
) -> Result<ScopedSelect<client::Entity>> {
    let archived = filter
        .and_then(|filter| filter.archived)
        .unwrap_or_default();
    let mut select = session
        .select::<client::Entity>()
        .filter(archived.condition(client::Column::ArchivedAt));
    if let Some(filter) = filter {
        select = select.filter(filter.condition()?);
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

/// Reading clients.
#[derive(Default)]
pub struct ClientQuery;

#[Object]
impl ClientQuery {
    /// Your clients: a rep's own and those shared with them, a manager's whole team's, an administrator's all.
    async fn clients(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which clients; all in use when absent.")] filter: Option<ClientFilter>,
        #[graphql(desc = "How they are sorted; by name when absent.")] order_by: Option<
            ClientOrder,
        >,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Client>> {
        let session = session(ctx)?;
        let order_by = order_by.unwrap_or_default();
        let page = PageRequest::new(
            first,
            after,
            last,
            before,
            binding("clients", &filter, &order_by),
        )?;
        let select = select(session, filter.as_ref(), order_by)?;
        Connection::list(select, &order_by.sort(), &page).await
    }

    /// The client with this id; null when there is none, or it is not yours.
    async fn client(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the client.")] id: ClientId,
    ) -> Option<Result<Client>> {
        nullable(
            async {
                let client = session(ctx)?
                    .select::<client::Entity>()
                    .id(id)
                    .find()
                    .await?;
                Ok(client.map(Client))
            }
            .await,
        )
    }
}

/// What is known of a client. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ClientProfileInput {
    /// Where it stands in the chain from maker to user.
    party_class: MaybeUndefined<PartyClass>,
    /// How far the relationship has come.
    lifecycle: MaybeUndefined<Lifecycle>,
    /// How it buys.
    custom_kind: MaybeUndefined<CustomKind>,
    /// How it wants to be served.
    service_mode: MaybeUndefined<ServiceMode>,
    /// The organization it belongs to.
    parent_id: MaybeUndefined<ClientId>,
    /// The main phone number: digits, spaces and `+ - . ( ) /`, and an extension.
    phone: MaybeUndefined<String>,
    /// The fax number.
    fax: MaybeUndefined<String>,
    /// The e-mail address.
    email: MaybeUndefined<String>,
    /// The website, at most 300 characters.
    website: MaybeUndefined<String>,
    /// The handle on a messenger, at most 100 characters.
    messaging_handle: MaybeUndefined<String>,
    /// Stated preferences, at most 4,000 characters.
    preferences: MaybeUndefined<String>,
    /// Habits in buying, at most 4,000 characters.
    buying_habits: MaybeUndefined<String>,
    /// Since when it is a client.
    since_on: MaybeUndefined<Date>,
    /// Up to how much it may owe before orders wait for a manager, in its currency. Only managers may set it.
    credit_limit: MaybeUndefined<MoneyInput>,
    /// Days from an order to the day it is due, 0 to 3650. Only managers may set it.
    payment_term_days: MaybeUndefined<i32>,
    /// All tags: at most 50, each 1 to 40 characters. Those that are missing are taken off.
    tags: MaybeUndefined<Vec<String>>,
    /// The section of a person; refused for an organization.
    individual: Option<IndividualProfileInput>,
    /// The section of an organization; refused for a person.
    organization: Option<OrganizationProfileInput>,
}

/// What is known of a person. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, Default, InputObject)]
pub struct IndividualProfileInput {
    /// Gender.
    gender: MaybeUndefined<Gender>,
    /// Birthday; not in the future.
    birthday: MaybeUndefined<Date>,
}

/// What is known of an organization. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, Default, InputObject)]
pub struct OrganizationProfileInput {
    /// Who owns it.
    nature: MaybeUndefined<ClientNature>,
    /// The industry it is in, at most 100 characters.
    industry: MaybeUndefined<String>,
    /// How many people work there, 0 or more.
    employee_count: MaybeUndefined<i32>,
}

impl ClientProfileInput {
    fn parse(self) -> Result<ProfilePatch> {
        let Self {
            party_class,
            lifecycle,
            custom_kind,
            service_mode,
            parent_id,
            phone,
            fax,
            email,
            website,
            messaging_handle,
            preferences,
            buying_habits,
            since_on,
            credit_limit,
            payment_term_days,
            tags,
            individual,
            organization,
        } = self;
        let IndividualProfileInput { gender, birthday } = individual.unwrap_or_default();
        let OrganizationProfileInput {
            nature,
            industry,
            employee_count,
        } = organization.unwrap_or_default();
        let credit_limit = match optional(credit_limit) {
            Some(Some(limit)) => Some(Some(limit.parse("creditLimit")?)),
            Some(None) => Some(None),
            None => None,
        };
        Ok(ProfilePatch {
            party_class: required("partyClass", party_class)?,
            lifecycle: required("lifecycle", lifecycle)?,
            custom_kind: optional(custom_kind),
            service_mode: optional(service_mode),
            parent: optional(parent_id),
            phone: optional(phone),
            fax: optional(fax),
            email: optional(email),
            website: optional(website),
            messaging_handle: optional(messaging_handle),
            preferences: optional(preferences),
            buying_habits: optional(buying_habits),
            since_on: optional(since_on).map(|day| day.map(|day| day.0)),
            credit_limit,
            payment_term_days: optional(payment_term_days),
            tags: optional(tags).map(Option::unwrap_or_default),
            gender: optional(gender),
            birthday: optional(birthday).map(|day| day.map(|day| day.0)),
            nature: optional(nature),
            industry: optional(industry),
            employee_count: optional(employee_count),
        })
    }
}

/// A client to record.
#[derive(Clone, Debug, InputObject)]
pub struct ClientCreateInput {
    /// An id made by the caller (`client_` and a UUID, best of version 7). Sending the same create again with it answers the client that is there.
    id: Option<ClientId>,
    /// The id in another system, unique among clients.
    external_id: Option<String>,
    /// Whether it is a person or an organization; it stays so.
    kind: ClientKind,
    /// The name, 1 to 200 characters.
    name: String,
    /// The currency it is billed in; it stays so.
    currency: Currency,
    /// Who answers for it. You, when absent; nobody (the pool), when null. Managers may name people who report to them.
    owner_id: MaybeUndefined<UserId>,
    /// Everything else that is known.
    profile: Option<ClientProfileInput>,
}

/// Changes to a client.
#[derive(Clone, Debug, InputObject)]
pub struct ClientUpdateInput {
    /// The client.
    id: ClientId,
    /// The version you saw.
    version: i32,
    /// A new name, 1 to 200 characters.
    name: MaybeUndefined<String>,
    /// Other changes.
    profile: Option<ClientProfileInput>,
}

/// Names a client in the version you saw.
#[derive(Clone, Debug, InputObject)]
pub struct ClientVersionInput {
    /// The client.
    id: ClientId,
    /// The version you saw.
    version: i32,
}

/// The client after the change.
#[derive(SimpleObject)]
pub struct ClientPayload {
    /// The client.
    client: Client,
}

impl From<Visible<client::Model>> for ClientPayload {
    fn from(row: Visible<client::Model>) -> Self {
        Self {
            client: Client(row),
        }
    }
}

/// Writing clients.
#[derive(Default)]
pub struct ClientMutation;

#[Object]
impl ClientMutation {
    /// Records a client.
    async fn client_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client to record.")] input: ClientCreateInput,
    ) -> Result<ClientPayload> {
        let ClientCreateInput {
            id,
            external_id,
            kind,
            name,
            currency,
            owner_id,
            profile,
        } = input;
        let new = NewClient {
            id,
            external_id,
            kind,
            name,
            currency: currency.0,
            owner: optional(owner_id),
            profile: profile.unwrap_or_default().parse()?,
        };
        let row = write(ctx, move |tx| {
            let new = new.clone();
            async move { clients::create(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Changes what is known of a client.
    async fn client_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client and the changes.")] input: ClientUpdateInput,
    ) -> Result<ClientPayload> {
        let ClientUpdateInput {
            id,
            version,
            name,
            profile,
        } = input;
        let name = required("name", name)?;
        let patch = profile.unwrap_or_default().parse()?;
        let row = write(ctx, move |tx| {
            let (name, patch) = (name.clone(), patch.clone());
            async move { clients::update(&tx, id, i64::from(version), name, patch).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Hides a client from lists. Nothing is lost; it can be restored.
    async fn client_archive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client to hide.")] input: ClientVersionInput,
    ) -> Result<ClientPayload> {
        let ClientVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            clients::archive(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Brings an archived client back.
    async fn client_restore(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client to bring back.")] input: ClientVersionInput,
    ) -> Result<ClientPayload> {
        let ClientVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            clients::restore(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }
}
