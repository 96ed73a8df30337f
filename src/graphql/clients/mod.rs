//! Clients on the wire.

mod filter;
mod writing;

use async_graphql::{Context, Object, SimpleObject};
use entity::{
    ClientId, ClientKind, ClientNature, CustomKind, Gender, Lifecycle, PartyClass, ServiceMode,
    TierSchemeId, client, client_stats,
};

use super::addresses::{self, Address};
use super::confidential::shown;
use super::connection::{Connection, Node, binding, made_of};
use super::contacts::{self, Contact, ContactFilter, ContactOrder};
use super::context::{nullable, session};
use super::direct::{Direct, ready};
use super::handovers::{self, ClientHandover};
use super::members::{self, TeamMember};
use super::notes::{self, Note, NoteFilter};
use super::orders::{self, Order, OrderFilter, OrderOrder};
use super::pace::Listed;
use super::payments::{self, Payment, PaymentFilter, PaymentOrder};
use super::scalars::{Currency, Date, DateTime, Money, int};
use super::tiers::{self, Tier, TierAssignment};
use super::users::{self, User};
use crate::db::{Confidential, PageRequest, Session, Visible};
use crate::domain::clients;
use crate::domain::money::CurrencyCode;
use crate::error::Result;

pub use filter::{Archived, ClientFilter, ClientOrder, select};
pub use writing::{ClientCreateInput, ClientMutation, ClientPayload, ClientUpdateInput};

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

    made_of!(client:
        "id" | "orders" | "payments" | "contacts" | "notes" | "tier" | "tierIn" | "tierAssignments" => Id;
        "externalId" => ExternalId;
        "kind" => Kind;
        "name" => Name;
        "partyClass" => PartyClass;
        "lifecycle" => Lifecycle;
        "customKind" => CustomKind;
        "serviceMode" => ServiceMode;
        "phone" => Phone;
        "fax" => Fax;
        "email" => Email;
        "website" => Website;
        "messagingHandle" => MessagingHandle;
        "preferences" => Preferences;
        "buyingHabits" => BuyingHabits;
        "individual" => Kind Gender Birthday;
        "organization" => Kind Nature Industry EmployeeCount;
        "currency" => Currency;
        "paymentTermDays" => PaymentTermDays;
        "sinceOn" => SinceOn;
        "version" => Version;
        "createdAt" => CreatedAt;
        "updatedAt" => UpdatedAt;
        "archivedAt" => ArchivedAt;
    );
}

ready!(
    Client: "id" | "externalId" | "kind" | "name" | "partyClass" | "lifecycle" | "customKind" |
        "serviceMode" | "phone" | "fax" | "email" | "website" | "messagingHandle" |
        "preferences" | "buyingHabits" | "individual" | "organization" | "currency" |
        "paymentTermDays" | "sinceOn" | "version" | "createdAt" | "updatedAt" |
        "archivedAt";
);

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
    async fn team(&self, ctx: &Context<'_>) -> Result<Listed<TeamMember>> {
        members::team_of(ctx, &self.0).await.map(Listed)
    }

    /// The hand-overs it was part of, latest first.
    async fn handovers(&self, ctx: &Context<'_>) -> Result<Listed<ClientHandover>> {
        handovers::of_client(ctx, &self.0).await.map(Listed)
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

    /// Up to how much the client may owe before orders wait for a manager; null when the tier decides, or nothing limits it, and for those who may not see it (`confidentiality`).
    async fn credit_limit(&self, ctx: &Context<'_>) -> Option<Result<Money>> {
        let limit = || {
            let minor = self.0.credit_limit_minor;
            let limit = minor.map(|minor| Money::new(minor, &self.0.currency));
            limit.transpose()
        };
        nullable(shown(ctx, Confidential::Credit, self.0.owner_id, limit).await)
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
    async fn stats(&self, ctx: &Context<'_>) -> Option<Result<Direct<ClientStats>>> {
        nullable(
            async {
                let stats = stats(session(ctx)?, &self.0).await?;
                Ok(stats.map(|stats| {
                    Direct(ClientStats {
                        stats,
                        client: self.0.clone(),
                    })
                }))
            }
            .await,
        )
    }

    /// Its orders.
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which orders; all when absent.")] filter: Option<OrderFilter>,
        #[graphql(desc = "How they are sorted; latest first when absent.")] order_by: Option<
            OrderOrder,
        >,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Order>> {
        let page = (first, after, last, before);
        orders::of_client(ctx, &self.0, filter, order_by.unwrap_or_default(), page).await
    }

    /// What it paid, voided payments too.
    async fn payments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which payments; all when absent, voided ones too.")] filter: Option<
            PaymentFilter,
        >,
        #[graphql(desc = "How they are sorted; latest first when absent.")] order_by: Option<
            PaymentOrder,
        >,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Payment>> {
        let page = (first, after, last, before);
        payments::of_client(ctx, &self.0, filter, order_by.unwrap_or_default(), page).await
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
    async fn key_contact(&self, ctx: &Context<'_>) -> Option<Result<Direct<Contact>>> {
        let contact = contacts::key_of_client(ctx, &self.0).await;
        nullable(contact.map(|contact| contact.map(Direct)))
    }

    /// The addresses: primary ones first, then in the order they were recorded; at most 50 in use.
    async fn addresses(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whether archived addresses are listed; by default they are not.")]
        archived: Option<Archived>,
    ) -> Result<Listed<Address>> {
        addresses::of_client(ctx, &self.0, archived.unwrap_or_default())
            .await
            .map(Listed)
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
    async fn tier(&self, ctx: &Context<'_>) -> Option<Result<Direct<Tier>>> {
        let tier = tiers::of_client(ctx, &self.0).await;
        nullable(tier.map(|tier| tier.map(Direct)))
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
    let children = || crate::db::Children {
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
    client: Visible<client::Model>,
}

ready!(
    ClientStats: "orderCount" | "firstOrderOn" | "lastOrderOn" | "lifetimeRevenue" | "trailingRevenue" | "cycleDays";
);

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
        Money::new(self.stats.lifetime_revenue_minor, &self.client.currency)
    }

    /// Revenue of the last 365 days.
    async fn trailing_revenue(&self) -> Result<Money> {
        Money::new(self.stats.trailing_revenue_minor, &self.client.currency)
    }

    /// What the orders of the last 365 days earned, together (`Order.margin`). Null while the cost of one of them is not known, and for those who may not see it (`confidentiality`).
    async fn trailing_margin(&self, ctx: &Context<'_>) -> Option<Result<Money>> {
        let earned = || {
            let minor = self.stats.trailing_margin_minor;
            let earned = minor.map(|minor| Money::new(minor, &self.client.currency));
            earned.transpose()
        };
        nullable(shown(ctx, Confidential::Margin, self.client.owner_id, earned).await)
    }

    /// What the client owes: billed, less payments and returns. Negative when it has paid too much. Null for those who may not see it (`confidentiality`).
    async fn receivable(&self, ctx: &Context<'_>) -> Option<Result<Money>> {
        let owed = || Money::new(self.stats.receivable_minor, &self.client.currency).map(Some);
        nullable(shown(ctx, Confidential::Credit, self.client.owner_id, owed).await)
    }

    /// The mean number of days between two orders; null before the second.
    async fn cycle_days(&self) -> Option<i32> {
        self.stats.cycle_days
    }
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
        let select = select(session, filter.as_ref(), order_by).await?;
        Connection::list(ctx, select, &order_by.sort(), &page).await
    }

    /// The client with this id; null when there is none, or it is not yours.
    async fn client(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the client.")] id: ClientId,
    ) -> Option<Result<Direct<Client>>> {
        nullable(
            async {
                let client = session(ctx)?
                    .select::<client::Entity>()
                    .id(id)
                    .find()
                    .await?;
                Ok(client.map(|row| Direct(Client(row))))
            }
            .await,
        )
    }
}
