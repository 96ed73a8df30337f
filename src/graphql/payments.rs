//! Payments on the wire.

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use entity::{OrderId, PaymentId, PaymentMethod, client, order, payment, user};
use sea_orm::{Condition, IntoSimpleExpr};

use super::clients::Client;
use super::connection::{Connection, Node, binding};
use super::context::{nullable, session, write};
use super::direct::ready;
use super::filters::{
    ClientIdFilter, DateFilter, FilterTree, MoneyFilter, StringFilter, choice_filter, filter_tree,
    null,
};
use super::orders::{Order, OrderIdFilter};
use super::scalars::{Date, DateTime, Money, MoneyInput, int};
use super::users::User;
use crate::db::{
    Asked, Children, KeyKind, PageRequest, ScopedSelect, Session, Sort, SortKey, Visible,
};
use crate::domain::payments::{self, NewPayment};
use crate::error::Result;

/// Money that a client paid for an order. A payment is voided, never deleted.
#[derive(Clone)]
pub struct Payment(pub Visible<payment::Model>);

impl From<Visible<payment::Model>> for Payment {
    fn from(row: Visible<payment::Model>) -> Self {
        Self(row)
    }
}

impl Node for Payment {
    type Entity = payment::Entity;
}

ready!(
    Payment: "id" | "externalId" | "amount" | "method" | "paidOn" | "reference" | "note" | "voidedAt" |
        "voidReason" | "version" | "createdAt" | "updatedAt";
);

/// Money that a client paid for an order. A payment is voided, never deleted.
#[Object]
impl Payment {
    /// The id.
    pub async fn id(&self) -> PaymentId {
        self.0.id
    }

    /// The id in another system, unique among payments.
    async fn external_id(&self) -> Option<&str> {
        self.0.external_id.as_deref()
    }

    /// The client that paid.
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

    /// The order it pays.
    async fn order(&self, ctx: &Context<'_>) -> Option<Result<Order>> {
        nullable(
            async {
                let order = session(ctx)?
                    .one_of::<order::Entity, _, _>(&self.0, "order", |row| Some(row.order_id))
                    .await?;
                Ok(order.map(Order))
            }
            .await,
        )
    }

    /// How much was paid.
    async fn amount(&self) -> Result<Money> {
        Money::new(self.0.amount_minor, &self.0.currency)
    }

    /// How it was paid.
    async fn method(&self) -> PaymentMethod {
        self.0.method
    }

    /// The day it was paid.
    async fn paid_on(&self) -> Date {
        Date(self.0.paid_on)
    }

    /// The number of the transfer, cheque or receipt.
    async fn reference(&self) -> Option<&str> {
        self.0.reference.as_deref()
    }

    /// Anything else.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }

    /// Who recorded it.
    async fn recorded_by(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        nullable(
            async {
                let user = session(ctx)?
                    .one_of::<user::Entity, _, _>(&self.0, "recorded_by", |row| {
                        Some(row.recorded_by_id)
                    })
                    .await?;
                Ok(user.map(User))
            }
            .await,
        )
    }

    /// Who voided it.
    async fn voided_by(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        nullable(
            async {
                let user = session(ctx)?
                    .one_of::<user::Entity, _, _>(&self.0, "voided_by", |row| row.voided_by_id)
                    .await?;
                Ok(user.map(User))
            }
            .await,
        )
    }

    /// When it was voided; null while it counts.
    async fn voided_at(&self) -> Option<DateTime> {
        self.0.voided_at.map(DateTime)
    }

    /// Why it was voided.
    async fn void_reason(&self) -> Option<&str> {
        self.0.void_reason.as_deref()
    }

    /// The number of writes to this payment; send it back to void it.
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

choice_filter!(
    /// A filter on how money was paid. All parts that are given must hold.
    PaymentMethodFilter, PaymentMethod
);

/// Which payments. All parts that are given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PaymentFilter {
    /// By the client that paid.
    client_id: Option<ClientIdFilter>,
    /// By the order they pay.
    order_id: Option<OrderIdFilter>,
    /// By how they were paid.
    method: Option<PaymentMethodFilter>,
    /// By the day they were paid.
    paid_on: Option<DateFilter>,
    /// By how much was paid.
    amount: Option<MoneyFilter>,
    /// By the id in another system.
    external_id: Option<StringFilter>,
    /// Whether they were voided; both kinds when absent.
    voided: Option<bool>,
    /// All of these must hold.
    and: Option<Vec<PaymentFilter>>,
    /// One of these must hold.
    or: Option<Vec<PaymentFilter>>,
    /// This must not hold.
    not: Option<Box<PaymentFilter>>,
}

filter_tree!(PaymentFilter);

impl PaymentFilter {
    fn condition(&self) -> Result<Condition> {
        self.check_size()?;
        let Self {
            client_id,
            order_id,
            method,
            paid_on,
            amount,
            external_id,
            voided,
            and: _,
            or: _,
            not: _,
        } = self;
        use payment::Column;
        let mut all = Condition::all();
        if let Some(filter) = client_id {
            all = all.add(filter.condition("clientId", Column::ClientId)?);
        }
        if let Some(filter) = order_id {
            all = all.add(filter.condition("orderId", Column::OrderId)?);
        }
        if let Some(filter) = method {
            all = all.add(filter.condition("method", Column::Method)?);
        }
        if let Some(filter) = paid_on {
            let column = Column::PaidOn.into_simple_expr();
            all = all.add(filter.condition("paidOn", &column)?);
        }
        if let Some(filter) = amount {
            let amount = Column::AmountMinor.into_simple_expr();
            let currency = Column::Currency.into_simple_expr();
            all = all.add(filter.condition("amount", &amount, &currency)?);
        }
        if let Some(filter) = external_id {
            all = all.add(filter.code_condition("externalId", Column::ExternalId)?);
        }
        if let Some(voided) = voided {
            all = all.add(null(Column::VoidedAt, !voided));
        }
        self.and_branches(all, Self::condition)
    }
}

/// How payments are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum PaymentOrder {
    /// Latest first, by the day they were paid.
    #[default]
    PaidOnDesc,
    /// Earliest first, by the day they were paid.
    PaidOnAsc,
}

impl PaymentOrder {
    pub(super) fn sort(self) -> Sort {
        let by_day = vec![SortKey::column(payment::Column::PaidOn, KeyKind::Day)];
        match self {
            Self::PaidOnDesc => Sort::descending(by_day),
            Self::PaidOnAsc => Sort::ascending(by_day),
        }
    }
}

fn select(
    session: &Session,
    filter: Option<&PaymentFilter>,
) -> Result<ScopedSelect<payment::Entity>> {
    let select = session.select::<payment::Entity>();
    match filter {
        Some(filter) => {
            Ok(select.filter(filter.condition().map_err(|error| error.under("filter"))?))
        }
        None => Ok(select),
    }
}

/// A page of the payments of `client`, read together with those of its siblings.
///
/// # Errors
/// As [`PageRequest::new`] and [`Connection::children`].
pub async fn of_client(
    ctx: &Context<'_>,
    client: &Visible<client::Model>,
    filter: Option<PaymentFilter>,
    order_by: PaymentOrder,
    (first, after, last, before): (Option<i32>, Option<String>, Option<i32>, Option<String>),
) -> Result<Connection<Payment>> {
    let own = |client: &client::Model| client.id.0;
    let asked = async {
        let session = session(ctx)?;
        let binding = binding("clientPayments", &filter, &order_by);
        let page = PageRequest::new(first, after, last, before, binding)?;
        let children = Children {
            parent: payment::Column::ClientId,
            select: select(session, filter.as_ref())?,
        };
        let sort = order_by.sort();
        Ok(Asked::new(children, sort, page))
    };
    Connection::children(ctx, client, "payments", own, asked).await
}

/// Reading payments.
#[derive(Default)]
pub struct PaymentQuery;

#[Object]
impl PaymentQuery {
    /// The payments of your clients.
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
        let session = session(ctx)?;
        let order_by = order_by.unwrap_or_default();
        let binding = binding("payments", &filter, &order_by);
        let page = PageRequest::new(first, after, last, before, binding)?;
        let select = select(session, filter.as_ref())?;
        Connection::list(ctx, select, &order_by.sort(), &page).await
    }
}

/// A payment to record.
#[derive(Clone, Debug, InputObject)]
pub struct PaymentRecordInput {
    /// An id made by the caller (`payment_` and a UUID, best of version 7). Sending the same again with it answers the payment that is there.
    id: Option<PaymentId>,
    /// The id in another system, unique among payments, at most 100 characters. Only managers and administrators may set it; when it is taken, perhaps by one that you do not see, the answer is `CONFLICT`.
    external_id: Option<String>,
    /// The order it pays: approved or further.
    order_id: OrderId,
    /// How much: more than 0, in the order's currency, at most what is still to be paid.
    amount: MoneyInput,
    /// How it was paid.
    method: PaymentMethod,
    /// The day it was paid; today where you are when absent, and not in the future.
    paid_on: Option<Date>,
    /// The number of the transfer, cheque or receipt; at most 100 characters.
    reference: Option<String>,
    /// Anything else, at most 1,000 characters.
    note: Option<String>,
}

impl PaymentRecordInput {
    /// The payment to be.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub(super) fn parse(self) -> Result<NewPayment> {
        let Self {
            id,
            external_id,
            order_id,
            amount,
            method,
            paid_on,
            reference,
            note,
        } = self;
        Ok(NewPayment {
            id,
            external_id,
            order_id,
            amount: amount.parse("amount")?,
            method,
            paid_on: paid_on.map(|day| day.0),
            reference,
            note,
        })
    }
}

/// A payment to void.
#[derive(Clone, Debug, InputObject)]
pub struct PaymentVoidInput {
    /// The payment.
    id: PaymentId,
    /// The version you saw.
    version: i32,
    /// Why, 1 to 1,000 characters.
    reason: String,
}

impl PaymentVoidInput {
    /// Which payment, in which version, and why.
    pub(super) fn parse(self) -> (PaymentId, i64, String) {
        let Self {
            id,
            version,
            reason,
        } = self;
        (id, i64::from(version), reason)
    }
}

/// The payment after the change.
#[derive(SimpleObject)]
pub struct PaymentPayload {
    /// The payment.
    payment: Payment,
}

impl From<Visible<payment::Model>> for PaymentPayload {
    fn from(row: Visible<payment::Model>) -> Self {
        Self {
            payment: Payment(row),
        }
    }
}

/// Writing payments.
#[derive(Default)]
pub struct PaymentMutation;

#[Object]
impl PaymentMutation {
    /// Records money that a client paid for an order.
    async fn payment_record(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The payment to record.")] input: PaymentRecordInput,
    ) -> Result<PaymentPayload> {
        let new = input.parse().map_err(|error| error.under("input"))?;
        let row = write(ctx, move |tx| {
            let new = new.clone();
            async move { payments::record(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Voids a payment that was recorded by mistake or bounced. It stays on record, but pays nothing any more.
    async fn payment_void(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The payment to void.")] input: PaymentVoidInput,
    ) -> Result<PaymentPayload> {
        let (id, version, reason) = input.parse();
        let row = write(ctx, move |tx| {
            let reason = reason.clone();
            async move { payments::void(&tx, id, version, reason).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }
}
