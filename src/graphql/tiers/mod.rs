//! Tiers on the wire: schemes, tiers, and who is in which.

mod write;

use async_graphql::{Context, Object, SimpleObject};
use entity::{
    AssignmentKind, TierAssignmentId, TierId, TierSchemeId, client, tier, tier_assignment,
    tier_scheme, user,
};
use sea_orm::ColumnTrait;
use sea_orm::sea_query::{Condition, Expr, Order};

pub use write::*;

use super::clients::{self, Archived, Client, ClientFilter, ClientOrder};
use super::connection::{Connection, Node, binding};
use super::context::{nullable, session};
use super::direct::ready;
use super::pace::Listed;
use super::scalars::{DateTime, Money, TotalCount, int};
use super::users::User;
use crate::db::{
    Children, KeyKind, PageRequest, Session, Sort, SortKey, Through, Visible, default_scheme_ids,
    tier_holds,
};
use crate::error::Result;

/// A way to grade clients, as by value or by potential.
#[derive(Clone)]
pub struct TierScheme(pub Visible<tier_scheme::Model>);

impl From<Visible<tier_scheme::Model>> for TierScheme {
    fn from(row: Visible<tier_scheme::Model>) -> Self {
        Self(row)
    }
}

impl Node for TierScheme {
    type Entity = tier_scheme::Entity;
}

ready!(
    TierScheme: "id" | "externalId" | "name" | "description" | "isDefault" | "version" | "createdAt" |
        "updatedAt" | "archivedAt";
);

/// A way to grade clients, as by value or by potential.
#[Object]
impl TierScheme {
    /// The id.
    pub async fn id(&self) -> TierSchemeId {
        self.0.id
    }

    /// The id in another system, unique among schemes.
    async fn external_id(&self) -> Option<&str> {
        self.0.external_id.as_deref()
    }

    /// The name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it is for.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Whether it is the scheme that clients show and lists filter by. One scheme in use is.
    async fn is_default(&self) -> bool {
        self.0.is_default
    }

    /// Its tiers, highest first; at most 100 are in use.
    async fn tiers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whether archived tiers are listed; by default they are not.")]
        archived: Option<Archived>,
    ) -> Result<Listed<Tier>> {
        let session = session(ctx)?;
        let archived = archived.unwrap_or_default();
        let children = Children {
            parent: tier::Column::SchemeId,
            select: session
                .select::<tier::Entity>()
                .filter(archived.condition(tier::Column::ArchivedAt))
                .order_by(tier::Column::Rank, Order::Asc)
                .order_by(tier::Column::Id, Order::Asc),
        };
        let edge = format!("tiers/{archived:?}");
        let own = |scheme: &tier_scheme::Model| scheme.id.0;
        let rows = session
            .all_of(&self.0, &edge, own, children, |row| row.scheme_id.0)
            .await?;
        Ok(rows.into_iter().map(Tier).collect())
    }

    /// The number of writes to this scheme; send it back with an update.
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

/// One grade of a scheme and what it brings.
#[derive(Clone)]
pub struct Tier(pub Visible<tier::Model>);

impl From<Visible<tier::Model>> for Tier {
    fn from(row: Visible<tier::Model>) -> Self {
        Self(row)
    }
}

impl Node for Tier {
    type Entity = tier::Entity;
}

ready!(
    Tier: "id" | "code" | "name" | "rank" | "benefits" | "version" | "createdAt" | "updatedAt" |
        "archivedAt";
);

/// One grade of a scheme and what it brings.
#[Object]
impl Tier {
    /// The id.
    pub async fn id(&self) -> TierId {
        self.0.id
    }

    /// The scheme it is a grade of.
    async fn scheme(&self, ctx: &Context<'_>) -> Option<Result<TierScheme>> {
        nullable(
            async {
                let scheme = session(ctx)?
                    .one_of::<tier_scheme::Entity, _, _>(&self.0, "scheme", |row| {
                        Some(row.scheme_id)
                    })
                    .await?;
                Ok(scheme.map(TierScheme))
            }
            .await,
        )
    }

    /// The short name, unique in its scheme, such as `A`.
    async fn code(&self) -> &str {
        &self.0.code
    }

    /// The name in full.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The place in the scheme, 1 (highest) to 100.
    async fn rank(&self) -> i32 {
        self.0.rank
    }

    /// What it brings its clients.
    async fn benefits(&self) -> Result<TierBenefits> {
        let limit = match (self.0.credit_limit_minor, &self.0.credit_limit_currency) {
            (Some(minor), Some(currency)) => Some(Money::new(minor, currency)?),
            _ => None,
        };
        Ok(TierBenefits {
            discount_bp: self.0.discount_bp,
            points_multiplier_bp: self.0.points_multiplier_bp,
            visit_cadence_days: self.0.visit_cadence_days,
            payment_term_days: self.0.payment_term_days,
            credit_limit: limit,
            response_hours: self.0.response_hours,
        })
    }

    /// How many of the clients you see, archived ones aside, are in it now.
    async fn client_count(&self, ctx: &Context<'_>) -> Option<Result<TotalCount>> {
        let count = async {
            let session = session(ctx)?;
            let select = session
                .select::<client::Entity>()
                .filter(client::Column::ArchivedAt.is_null());
            let own = |tier: &tier::Model| tier.id.0;
            session
                .count_of(&self.0, "clientCount", own, in_tier(session, select))
                .await
        };
        Some(count.await.map(TotalCount))
    }

    /// Those of the clients you see that are in it now.
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
        let binding = binding("tier.clients", &filter, &order_by);
        let page = PageRequest::new(first, after, last, before, binding)?;
        let select = clients::select(session, filter.as_ref(), order_by).await?;
        let children = in_tier(session, select);
        let own = |tier: &tier::Model| tier.id.0;
        let sort = order_by.sort();
        Connection::children(session, &self.0, "clients", own, children, &sort, &page).await
    }

    /// The number of writes to this tier; send it back with an update.
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

/// `select`, tied to the tiers that hold for its clients now.
fn in_tier(
    session: &Session,
    select: crate::db::ScopedSelect<client::Entity>,
) -> Through<client::Entity> {
    Through {
        parent: Expr::col((tier_assignment::Entity, tier_assignment::Column::TierId)),
        select: select.join("tier_assignments", tier_holds(session.now()).into()),
    }
}

/// What a tier brings its clients. What is null, it does not decide.
#[derive(Clone, Debug, SimpleObject)]
pub struct TierBenefits {
    /// The discount on orders, in basis points (hundredths of a per cent).
    discount_bp: Option<i32>,
    /// What points are multiplied by, in basis points: 10000 is once.
    points_multiplier_bp: Option<i32>,
    /// Days within which a client should be visited again.
    visit_cadence_days: Option<i32>,
    /// Days from an order to the day it is due (账期), for clients that have no term of their own.
    payment_term_days: Option<i32>,
    /// Up to how much a client may owe, for clients that have no limit of their own.
    credit_limit: Option<Money>,
    /// Hours within which a client is answered.
    response_hours: Option<i32>,
}

/// That a client was in a tier for a time, and why. Assignments are ended, never changed or removed.
#[derive(Clone)]
pub struct TierAssignment(pub Visible<tier_assignment::Model>);

impl From<Visible<tier_assignment::Model>> for TierAssignment {
    fn from(row: Visible<tier_assignment::Model>) -> Self {
        Self(row)
    }
}

impl Node for TierAssignment {
    type Entity = tier_assignment::Entity;
}

ready!(
    TierAssignment: "id" | "kind" | "reason" | "assignedAt" | "expiresAt" | "endedAt" | "endedReason";
);

/// That a client was in a tier for a time, and why. Assignments are ended, never changed or removed.
#[Object]
impl TierAssignment {
    /// The id.
    pub async fn id(&self) -> TierAssignmentId {
        self.0.id
    }

    /// The client.
    async fn client(&self, ctx: &Context<'_>) -> Option<Result<Client>> {
        nullable(
            async {
                let client = session(ctx)?
                    .one_of::<client::Entity, _, _>(&self.0, "client", |row| Some(row.client_id))
                    .await?;
                Ok(client.map(Client))
            }
            .await,
        )
    }

    /// The tier.
    async fn tier(&self, ctx: &Context<'_>) -> Option<Result<Tier>> {
        nullable(
            async {
                let session = session(ctx)?;
                tier_of(session, &self.0).await
            }
            .await,
        )
    }

    /// How the client came to it. An override goes before the others of its scheme while it holds.
    async fn kind(&self) -> AssignmentKind {
        self.0.kind
    }

    /// Why, in the words of whoever assigned it.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Who assigned it; null when the service did.
    async fn assigned_by(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        nullable(
            async {
                let user = session(ctx)?
                    .one_of::<user::Entity, _, _>(&self.0, "assignedBy", |row| row.assigned_by_id)
                    .await?;
                Ok(user.map(User))
            }
            .await,
        )
    }

    /// From when it held.
    async fn assigned_at(&self) -> DateTime {
        DateTime(self.0.assigned_at)
    }

    /// When it ends by itself; null when it does not.
    async fn expires_at(&self) -> Option<DateTime> {
        self.0.expires_at.map(DateTime)
    }

    /// When it ended; null while it holds.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ended_at.map(DateTime)
    }

    /// Why it ended: `EXPIRED` when its time was up, `REPLACED` when another took its place, else the words of whoever ended it.
    async fn ended_reason(&self) -> Option<&str> {
        self.0.ended_reason.as_deref()
    }
}

async fn tier_of(
    session: &Session,
    assignment: &Visible<tier_assignment::Model>,
) -> Result<Option<Tier>> {
    let tier = session
        .one_of::<tier::Entity, _, _>(assignment, "tier", |row| Some(row.tier_id))
        .await?;
    Ok(tier.map(Tier))
}

/// The tier of a client in the default scheme: its override, while that holds, or its own.
///
/// # Errors
/// From the database.
pub async fn of_client(ctx: &Context<'_>, client: &Visible<client::Model>) -> Result<Option<Tier>> {
    use tier_assignment::Column;
    let in_default = Column::SchemeId.in_subquery(default_scheme_ids());
    holding(session(ctx)?, client, "tier", in_default).await
}

/// The tier of a client in a scheme: its override, while that holds, or its own.
///
/// # Errors
/// From the database.
pub async fn of_client_in(
    ctx: &Context<'_>,
    client: &Visible<client::Model>,
    scheme: TierSchemeId,
) -> Result<Option<Tier>> {
    let edge = format!("tierIn/{scheme}");
    let in_scheme = tier_assignment::Column::SchemeId.eq(scheme);
    holding(session(ctx)?, client, &edge, in_scheme).await
}

/// The tier that holds now for a client, of the assignments that meet `among`.
async fn holding(
    session: &Session,
    client: &Visible<client::Model>,
    edge: &str,
    among: Expr,
) -> Result<Option<Tier>> {
    use tier_assignment::Column;
    let in_time = Condition::any()
        .add(Column::ExpiresAt.is_null())
        .add(Column::ExpiresAt.gt(session.now()));
    let children = Children {
        parent: Column::ClientId,
        select: session
            .select::<tier_assignment::Entity>()
            .filter(among)
            .filter(Column::EndedAt.is_null())
            .filter(in_time),
    };
    let own = |client: &client::Model| client.id.0;
    let holding = session
        .all_of(client, edge, own, children, |row| row.client_id.0)
        .await?;
    let first = holding.into_iter().max_by_key(|row| {
        let is_override = row.kind == AssignmentKind::Override;
        (is_override, row.assigned_at, row.id.0)
    });
    match first {
        Some(assignment) => tier_of(session, &assignment).await,
        None => Ok(None),
    }
}

/// The tiers a client was in, in one scheme or in all, latest first.
///
/// # Errors
/// `BAD_USER_INPUT` for a page that makes no sense.
pub async fn history_of_client(
    ctx: &Context<'_>,
    client: &Visible<client::Model>,
    scheme: Option<TierSchemeId>,
    page: (Option<i32>, Option<String>, Option<i32>, Option<String>),
) -> Result<Connection<TierAssignment>> {
    use tier_assignment::Column;
    let session = session(ctx)?;
    let (first, after, last, before) = page;
    let binding = binding("client.tierAssignments", &scheme, &());
    let page = PageRequest::new(first, after, last, before, binding)?;
    let condition = Condition::all().add_option(scheme.map(|scheme| Column::SchemeId.eq(scheme)));
    let children = Children {
        parent: Column::ClientId,
        select: session
            .select::<tier_assignment::Entity>()
            .filter(condition),
    };
    let own = |client: &client::Model| client.id.0;
    let latest = SortKey::column(Column::AssignedAt, KeyKind::Instant);
    let sort = Sort::descending(vec![latest]);
    Connection::children(
        session,
        client,
        "tierAssignments",
        own,
        children,
        &sort,
        &page,
    )
    .await
}

/// Reading tiers.
#[derive(Default)]
pub struct TierQuery;

#[Object]
impl TierQuery {
    /// The tier schemes, in the order they were recorded.
    async fn tier_schemes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whether archived schemes are listed; by default they are not.")] archived: Option<Archived>,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<TierScheme>> {
        let session = session(ctx)?;
        let archived = archived.unwrap_or_default();
        let binding = binding("tierSchemes", &archived, &());
        let page = PageRequest::new(first, after, last, before, binding)?;
        let select = session
            .select::<tier_scheme::Entity>()
            .filter(archived.condition(tier_scheme::Column::ArchivedAt));
        let oldest = SortKey::column(tier_scheme::Column::CreatedAt, KeyKind::Instant);
        Connection::list(select, &Sort::ascending(vec![oldest]), &page).await
    }

    /// The tier scheme with this id, or the default one when no id is given; null when there is none.
    async fn tier_scheme(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the scheme; the default one when absent.")] id: Option<
            TierSchemeId,
        >,
    ) -> Option<Result<TierScheme>> {
        nullable(
            async {
                let schemes = session(ctx)?.select::<tier_scheme::Entity>();
                let schemes = match id {
                    Some(id) => schemes.id(id),
                    None => schemes
                        .filter(tier_scheme::Column::IsDefault.eq(true))
                        .filter(tier_scheme::Column::ArchivedAt.is_null()),
                };
                Ok(schemes.find().await?.map(TierScheme))
            }
            .await,
        )
    }

    /// The tier with this id; null when there is none.
    async fn tier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the tier.")] id: TierId,
    ) -> Option<Result<Tier>> {
        nullable(
            async {
                let tier = session(ctx)?.select::<tier::Entity>().id(id).find().await?;
                Ok(tier.map(Tier))
            }
            .await,
        )
    }
}
