//! Orders on the wire: the order itself and how it is looked up. Its parts, its filter and its mutations
//! lie beside this file.

mod filter;
mod mutations;
mod parts;

pub use filter::{OrderFilter, OrderIdFilter, OrderOrder};
pub use mutations::{
    OrderCreateInput, OrderLineInput, OrderMutation, OrderShipToInput, OrderUpdateInput,
};
pub use parts::{OrderEvent, OrderLine, OrderReturn, OrderReturnLine};

use async_graphql::{Context, Object, SimpleObject};
use entity::{
    ApprovalReason, OrderId, OrderStatus, client, order, order_event, order_line, order_return,
    payment, user,
};

use super::clients::Client;
use super::confidential::shown_below;
use super::connection::{Connection, Node, binding, made_of};
use super::context::{nullable, session};
use super::direct::{Direct, ready};
use super::pace::Listed;
use super::payments::Payment;
use super::scalars::{Currency, Date, DateTime, Money, int};
use super::users::User;
use crate::db::{
    Asked, Children, Confidential, KeyKind, PageRequest, ScopedSelect, Session, Sort, SortKey,
    Visible,
};
use crate::domain::money::CurrencyCode;
use crate::domain::orders::{self, ShipTo};
use crate::error::Result;

/// An order of a client. Prices, names and terms are what they were when it was written.
#[derive(Clone)]
pub struct Order(pub Visible<order::Model>);

impl From<Visible<order::Model>> for Order {
    fn from(row: Visible<order::Model>) -> Self {
        Self(row)
    }
}

impl Node for Order {
    type Entity = order::Entity;

    made_of!(order:
        "id" | "events" | "payments" => Id;
        "externalId" => ExternalId;
        "number" => Number;
        "client" => ClientId;
        "placedBy" => PlacedById;
        "status" | "nextStatuses" => Status;
        "currency" | "lines" | "returns" => Currency;
        "placedOn" => PlacedOn;
        "requiredOn" => RequiredOn;
        "shippedOn" => ShippedOn;
        "deliveredOn" => DeliveredOn;
        "dueOn" => DueOn;
        "paymentTermDays" => PaymentTermDays;
        "linesTotal" => LinesMinor Currency;
        "discountBp" => DiscountBp;
        "discount" => DiscountMinor Currency;
        "freight" => FreightMinor Currency;
        "total" => TotalMinor Currency;
        "paid" => PaidMinor Currency;
        "returned" => ReturnedMinor Currency;
        "margin" => ClientId LinesMinor DiscountMinor ReturnedMinor CostMinor Currency;
        "note" => Note;
        "reorderOf" => ReorderOfId;
        "decidedBy" => DecidedById;
        "decidedAt" => DecidedAt;
        "decisionNote" => DecisionNote;
        "submittedAt" => SubmittedAt;
        "cancelledAt" => CancelledAt;
        "version" => Version;
        "createdAt" => CreatedAt;
        "updatedAt" => UpdatedAt;
    );
}

ready!(
    Order: "id" | "externalId" | "number" | "status" | "currency" | "placedOn" | "requiredOn" |
        "shippedOn" | "deliveredOn" | "dueOn" | "paymentTermDays" | "linesTotal" | "discountBp" |
        "discount" | "freight" | "total" | "paid" | "returned" | "balance" | "shipTo" | "note" |
        "approvalReasons" | "decidedAt" | "decisionNote" | "submittedAt" | "cancelledAt" |
        "version" | "createdAt" | "updatedAt" | "isOverdue" | "nextStatuses";
);

/// Where goods go, as it was copied onto the order.
#[derive(Clone, Debug, SimpleObject)]
pub struct OrderShipTo {
    /// Who receives them.
    name: Option<String>,
    /// Street and number, or several such lines.
    street: Option<String>,
    /// The city.
    city: Option<String>,
    /// The province, state or county.
    region: Option<String>,
    /// The postal code.
    postal_code: Option<String>,
    /// The country, as a code or as written.
    country: Option<String>,
}

impl Order {
    fn money(&self, minor: i64) -> Result<Money> {
        Money::new(minor, &self.0.currency)
    }
}

/// An order of a client. Prices, names and terms are what they were when it was written.
#[Object]
impl Order {
    /// The id.
    pub async fn id(&self) -> OrderId {
        self.0.id
    }

    /// The id in another system, unique among orders, by which imports find it again.
    async fn external_id(&self) -> Option<&str> {
        self.0.external_id.as_deref()
    }

    /// The number printed on paper, unique, such as `7ZK4T-Q0M2X`. It is made of the id alone: the last 50 bits of its UUID as ten digits of Crockford's base 32 with a hyphen in the middle, so that a phone can show it while offline.
    async fn number(&self) -> &str {
        &self.0.number
    }

    /// The client that buys.
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

    /// Who placed it; they keep the credit for it after a hand-over.
    async fn placed_by(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        nullable(
            async {
                let user = session(ctx)?
                    .one_of::<user::Entity, _, _>(&self.0, "placed_by", |row| {
                        Some(row.placed_by_id)
                    })
                    .await?;
                Ok(user.map(User))
            }
            .await,
        )
    }

    /// Where it stands.
    async fn status(&self) -> OrderStatus {
        self.0.status
    }

    /// Where you may take it from here. RETURNED comes by itself when all its goods came back.
    async fn next_statuses(&self, ctx: &Context<'_>) -> Result<Vec<OrderStatus>> {
        Ok(orders::next_for(session(ctx)?.viewer(), self.0.status))
    }

    /// The currency of all its amounts.
    async fn currency(&self) -> Result<Currency> {
        CurrencyCode::parse(&self.0.currency).map(Currency)
    }

    /// The day it was placed.
    async fn placed_on(&self) -> Date {
        Date(self.0.placed_on)
    }

    /// The day the client needs it.
    async fn required_on(&self) -> Option<Date> {
        self.0.required_on.map(Date)
    }

    /// The day it was shipped.
    async fn shipped_on(&self) -> Option<Date> {
        self.0.shipped_on.map(Date)
    }

    /// The day it was delivered.
    async fn delivered_on(&self) -> Option<Date> {
        self.0.delivered_on.map(Date)
    }

    /// The day payment is due: the day it was placed plus the payment term.
    async fn due_on(&self) -> Option<Date> {
        self.0.due_on.map(Date)
    }

    /// Days from the order to the day it is due, as agreed when it was written.
    async fn payment_term_days(&self) -> Option<i32> {
        self.0.payment_term_days
    }

    /// Whether it is due, counts, and is not paid in full.
    async fn is_overdue(&self, ctx: &Context<'_>) -> Result<bool> {
        let today = session(ctx)?.today();
        Ok(orders::is_booked(self.0.status)
            && self.0.due_on.is_some_and(|due| due < today)
            && orders::balance_minor(&self.0)? > 0)
    }

    /// The sum of its lines after their discounts.
    async fn lines_total(&self) -> Result<Money> {
        self.money(self.0.lines_minor)
    }

    /// The discount on that sum, in basis points (100 is 1 %).
    async fn discount_bp(&self) -> i32 {
        self.0.discount_bp
    }

    /// The discount on that sum as an amount, rounded once.
    async fn discount(&self) -> Result<Money> {
        self.money(self.0.discount_minor)
    }

    /// What shipping costs the client.
    async fn freight(&self) -> Result<Money> {
        self.money(self.0.freight_minor)
    }

    /// What the client owes for it: lines less discount plus freight.
    async fn total(&self) -> Result<Money> {
        self.money(self.0.total_minor)
    }

    /// What was paid of it so far.
    async fn paid(&self) -> Result<Money> {
        self.money(self.0.paid_minor)
    }

    /// What was credited for goods that came back.
    async fn returned(&self) -> Result<Money> {
        self.money(self.0.returned_minor)
    }

    /// What it earns, the gross margin: net sales less the cost of the goods sold (17 CFR 210.5-03(b) 1(a) and 2(a)), that is `linesTotal` less `discount` less `returned` less, for each line, `unitCost` times the units that did not come back. Without tax and freight; whether or not the order counts by now. Negative when it costs more than it brings. Null while the cost of a line is not known, which is not zero, and for those who may not see it (`confidentiality`).
    async fn margin(&self, ctx: &Context<'_>) -> Option<Result<Money>> {
        let group = Confidential::Margin;
        let margin = || {
            let minor = orders::margin_minor(&self.0)?;
            minor.map(|minor| self.money(minor)).transpose()
        };
        nullable(shown_below(ctx, group, &self.0, |row| row.client_id, margin).await)
    }

    /// What is still to be paid: the total less payments and returns. Negative when the client gets money back.
    async fn balance(&self) -> Result<Money> {
        self.money(orders::balance_minor(&self.0)?)
    }

    /// Where its goods go; null when nobody said.
    async fn ship_to(&self) -> Option<OrderShipTo> {
        let ship_to = ShipTo::of(&self.0);
        if ship_to == ShipTo::default() {
            return None;
        }
        let ShipTo {
            name,
            street,
            city,
            region,
            postal_code,
            country,
        } = ship_to;
        Some(OrderShipTo {
            name,
            street,
            city,
            region,
            postal_code,
            country,
        })
    }

    /// Anything else that was written on it.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }

    /// The order it repeats.
    async fn reorder_of(&self, ctx: &Context<'_>) -> Option<Result<Order>> {
        nullable(
            async {
                let order = session(ctx)?
                    .one_of::<order::Entity, _, _>(&self.0, "reorder_of", |row| row.reorder_of_id)
                    .await?;
                Ok(order.map(Order))
            }
            .await,
        )
    }

    /// Why it waits for approval, or waited when it was last submitted; empty when it needed none.
    async fn approval_reasons(&self) -> Vec<ApprovalReason> {
        orders::approval_reasons(&self.0)
    }

    /// The manager who last approved or refused it.
    async fn decided_by(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        nullable(
            async {
                let user = session(ctx)?
                    .one_of::<user::Entity, _, _>(&self.0, "decided_by", |row| row.decided_by_id)
                    .await?;
                Ok(user.map(User))
            }
            .await,
        )
    }

    /// When a manager last approved or refused it.
    async fn decided_at(&self) -> Option<DateTime> {
        self.0.decided_at.map(DateTime)
    }

    /// What the manager said to that.
    async fn decision_note(&self) -> Option<&str> {
        self.0.decision_note.as_deref()
    }

    /// When it was last submitted; null for a draft that never was, and for an import.
    async fn submitted_at(&self) -> Option<DateTime> {
        self.0.submitted_at.map(DateTime)
    }

    /// When it was cancelled.
    async fn cancelled_at(&self) -> Option<DateTime> {
        self.0.cancelled_at.map(DateTime)
    }

    /// Its lines in their order, at most 200.
    async fn lines(&self, ctx: &Context<'_>) -> Result<Listed<Direct<OrderLine>>> {
        let session = session(ctx)?;
        let children = || Children {
            parent: order_line::Column::OrderId,
            select: session
                .select::<order_line::Entity>()
                .order_by(order_line::Column::LineNumber, sea_orm::Order::Asc),
        };
        let lines = session
            .all_of(&self.0, "lines", own_id, children, |row| row.order_id.0)
            .await?;
        Ok(lines
            .into_iter()
            .map(|row| Direct(OrderLine::of(&self.0, row)))
            .collect())
    }

    /// What happened to it, oldest first.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<OrderEvent>> {
        let asked = async {
            let session = session(ctx)?;
            let page = PageRequest::new(first, after, last, before, "orderEvents")?;
            let children = Children {
                parent: order_event::Column::OrderId,
                select: session.select::<order_event::Entity>(),
            };
            let by_time = SortKey::column(order_event::Column::OccurredAt, KeyKind::Instant);
            let sort = Sort::ascending(vec![by_time]);
            Ok(Asked::new(children, sort, page))
        };
        Connection::children(ctx, &self.0, "events", own_id, asked).await
    }

    /// Goods that came back, oldest first.
    async fn returns(&self, ctx: &Context<'_>) -> Result<Listed<OrderReturn>> {
        let session = session(ctx)?;
        let children = || Children {
            parent: order_return::Column::OrderId,
            select: session
                .select::<order_return::Entity>()
                .order_by(order_return::Column::CreatedAt, sea_orm::Order::Asc)
                .order_by(order_return::Column::Id, sea_orm::Order::Asc),
        };
        let returns = session
            .all_of(&self.0, "returns", own_id, children, |row| row.order_id.0)
            .await?;
        Ok(returns
            .into_iter()
            .map(|row| OrderReturn::of(&self.0, row))
            .collect())
    }

    /// Payments against it, latest first, voided ones too.
    async fn payments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Payment>> {
        let asked = async {
            let session = session(ctx)?;
            let page = PageRequest::new(first, after, last, before, "orderPayments")?;
            let children = Children {
                parent: payment::Column::OrderId,
                select: session.select::<payment::Entity>(),
            };
            let sort = super::payments::PaymentOrder::default().sort();
            Ok(Asked::new(children, sort, page))
        };
        Connection::children(ctx, &self.0, "payments", own_id, asked).await
    }

    /// The number of writes to this order; send it back with a change. Payments and returns count.
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
}

fn own_id(order: &order::Model) -> uuid::Uuid {
    order.id.0
}

/// The orders that `filter` keeps.
///
/// # Errors
/// `BAD_USER_INPUT` for a filter that makes no sense.
pub fn select(
    session: &Session,
    filter: Option<&OrderFilter>,
) -> Result<ScopedSelect<order::Entity>> {
    let select = session.select::<order::Entity>();
    match filter {
        Some(filter) => {
            let condition = filter.condition(session);
            Ok(select.filter(condition.map_err(|error| error.under("filter"))?))
        }
        None => Ok(select),
    }
}

/// A page of the orders of `client`, read together with those of its siblings.
///
/// # Errors
/// As [`PageRequest::new`] and [`Connection::children`].
pub async fn of_client(
    ctx: &Context<'_>,
    client: &Visible<client::Model>,
    filter: Option<OrderFilter>,
    order_by: OrderOrder,
    (first, after, last, before): (Option<i32>, Option<String>, Option<i32>, Option<String>),
) -> Result<Connection<Order>> {
    let own = |client: &client::Model| client.id.0;
    let asked = async {
        let session = session(ctx)?;
        let binding = binding("clientOrders", &filter, &order_by);
        let page = PageRequest::new(first, after, last, before, binding)?;
        let children = Children {
            parent: order::Column::ClientId,
            select: select(session, filter.as_ref())?,
        };
        let sort = order_by.sort();
        Ok(Asked::new(children, sort, page))
    };
    Connection::children(ctx, client, "orders", own, asked).await
}

/// Reading orders.
#[derive(Default)]
pub struct OrderQuery;

#[Object]
impl OrderQuery {
    /// The orders of your clients.
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
        let session = session(ctx)?;
        let order_by = order_by.unwrap_or_default();
        let binding = binding("orders", &filter, &order_by);
        let page = PageRequest::new(first, after, last, before, binding)?;
        let select = select(session, filter.as_ref())?;
        Connection::list(ctx, select, &order_by.sort(), &page).await
    }

    /// The order with this id; null when there is none, or it is not yours.
    async fn order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the order.")] id: OrderId,
    ) -> Option<Result<Order>> {
        nullable(
            async {
                let order = session(ctx)?
                    .select::<order::Entity>()
                    .id(id)
                    .find()
                    .await?;
                Ok(order.map(Order))
            }
            .await,
        )
    }
}
