//! What an order is made of and what happened to it: lines, events, returns.

use async_graphql::parser::types::Field;
use async_graphql::{Context, Object};
use entity::{
    OrderEventId, OrderEventKind, OrderLineId, OrderReturnId, OrderReturnLineId, OrderStatus,
    order, order_event, order_line, order_return, order_return_line, product, user,
};

use super::Order;
use crate::db::{Children, Session, Visible};
use crate::error::{Error, Result};
use crate::graphql::connection::Node;
use crate::graphql::context::{nullable, session};
use crate::graphql::direct::{Ready, ready};
use crate::graphql::pace::Listed;
use crate::graphql::products::Product;
use crate::graphql::scalars::{DateTime, Money, int};
use crate::graphql::users::User;

/// The currency of a part of an order: known when it was reached through the order, else the order's.
async fn currency<M>(
    session: &Session,
    known: Option<&str>,
    row: &Visible<M>,
    order_id: impl Fn(&M) -> Option<entity::OrderId>,
) -> Result<String>
where
    M: Send + Sync + 'static,
{
    if let Some(known) = known {
        return Ok(known.to_owned());
    }
    let order = session
        .one_of::<order::Entity, _, _>(row, "order", order_id)
        .await?
        .ok_or_else(|| Error::bug("a part of an order without the order"))?;
    Ok(order.currency.clone())
}

/// One product on an order, as it was when the line was written.
#[derive(Clone)]
pub struct OrderLine {
    row: Visible<order_line::Model>,
    currency: Option<String>,
}

impl From<Visible<order_line::Model>> for OrderLine {
    fn from(row: Visible<order_line::Model>) -> Self {
        Self {
            row,
            currency: None,
        }
    }
}

impl Node for OrderLine {
    type Entity = order_line::Entity;
}

impl Ready for OrderLine {
    fn is_ready(&self, field: &Field) -> bool {
        match field.name.node.as_str() {
            "id" | "lineNumber" | "productName" | "sku" | "unit" | "quantity" | "discountBp"
            | "returnedQuantity" => true,
            "unitPrice" | "net" => self.currency.is_some(),
            _ => false,
        }
    }
}

impl OrderLine {
    /// A line of `order`.
    pub(super) fn of(order: &order::Model, row: Visible<order_line::Model>) -> Self {
        Self {
            row,
            currency: Some(order.currency.clone()),
        }
    }

    async fn money(&self, ctx: &Context<'_>, minor: i64) -> Result<Money> {
        let known = self.currency.as_deref();
        let currency = currency(session(ctx)?, known, &self.row, |row| Some(row.order_id)).await?;
        Money::new(minor, &currency)
    }
}

/// One product on an order, as it was when the line was written.
#[Object]
impl OrderLine {
    /// The id.
    pub async fn id(&self) -> OrderLineId {
        self.row.id
    }

    /// The order.
    async fn order(&self, ctx: &Context<'_>) -> Option<Result<Order>> {
        nullable(
            async {
                let order = session(ctx)?
                    .one_of::<order::Entity, _, _>(&self.row, "order", |row| Some(row.order_id))
                    .await?;
                Ok(order.map(Order))
            }
            .await,
        )
    }

    /// Its place on the order, from 1.
    async fn line_number(&self) -> i32 {
        self.row.line_number
    }

    /// The product as it is today.
    async fn product(&self, ctx: &Context<'_>) -> Option<Result<Product>> {
        nullable(
            async {
                let product = session(ctx)?
                    .one_of::<product::Entity, _, _>(&self.row, "product", |row| {
                        Some(row.product_id)
                    })
                    .await?;
                Ok(product.map(Product))
            }
            .await,
        )
    }

    /// The product's name at that time.
    async fn product_name(&self) -> &str {
        &self.row.product_name
    }

    /// The product's article number at that time.
    async fn sku(&self) -> &str {
        &self.row.sku
    }

    /// What one of it is.
    async fn unit(&self) -> &str {
        &self.row.unit
    }

    /// Units ordered, 1 to 1,000,000.
    async fn quantity(&self) -> Result<i32> {
        int(self.row.quantity)
    }

    /// The price of one unit before the discount.
    async fn unit_price(&self, ctx: &Context<'_>) -> Result<Money> {
        self.money(ctx, self.row.unit_price_minor).await
    }

    /// The discount on the line, in basis points (100 is 1 %).
    async fn discount_bp(&self) -> i32 {
        self.row.discount_bp
    }

    /// What the line costs after its discount, rounded once.
    async fn net(&self, ctx: &Context<'_>) -> Result<Money> {
        self.money(ctx, self.row.net_minor).await
    }

    /// Units that came back.
    async fn returned_quantity(&self) -> Result<i32> {
        int(self.row.returned_quantity)
    }
}

/// One thing that happened to an order.
#[derive(Clone)]
pub struct OrderEvent(Visible<order_event::Model>);

impl From<Visible<order_event::Model>> for OrderEvent {
    fn from(row: Visible<order_event::Model>) -> Self {
        Self(row)
    }
}

impl Node for OrderEvent {
    type Entity = order_event::Entity;
}

ready!(
    OrderEvent: "id" | "kind" | "fromStatus" | "toStatus" | "note" | "occurredAt";
);

/// One thing that happened to an order.
#[Object]
impl OrderEvent {
    /// The id.
    pub async fn id(&self) -> OrderEventId {
        self.0.id
    }

    /// The order.
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

    /// What happened.
    async fn kind(&self) -> OrderEventKind {
        self.0.kind
    }

    /// Where the order stood before, when that changed.
    async fn from_status(&self) -> Option<OrderStatus> {
        self.0.from_status
    }

    /// Where it stood after, when that changed.
    async fn to_status(&self) -> Option<OrderStatus> {
        self.0.to_status
    }

    /// Who did it; null when the service did.
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        nullable(
            async {
                let user = session(ctx)?
                    .one_of::<user::Entity, _, _>(&self.0, "user", |row| row.user_id)
                    .await?;
                Ok(user.map(User))
            }
            .await,
        )
    }

    /// What was said: a reason, a carrier and its tracking number, an amount.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }

    /// When it happened.
    async fn occurred_at(&self) -> DateTime {
        DateTime(self.0.occurred_at)
    }
}

/// Goods of an order that came back together, and the credit for them.
#[derive(Clone)]
pub struct OrderReturn {
    row: Visible<order_return::Model>,
    currency: Option<String>,
}

impl From<Visible<order_return::Model>> for OrderReturn {
    fn from(row: Visible<order_return::Model>) -> Self {
        Self {
            row,
            currency: None,
        }
    }
}

impl Node for OrderReturn {
    type Entity = order_return::Entity;
}

ready!(
    OrderReturn: "id" | "reason" | "createdAt";
);

impl OrderReturn {
    /// A return of goods of `order`.
    pub(super) fn of(order: &order::Model, row: Visible<order_return::Model>) -> Self {
        Self {
            row,
            currency: Some(order.currency.clone()),
        }
    }

    async fn currency(&self, session: &Session) -> Result<String> {
        let known = self.currency.as_deref();
        currency(session, known, &self.row, |row| Some(row.order_id)).await
    }
}

/// Goods of an order that came back together, and the credit for them.
#[Object]
impl OrderReturn {
    /// The id.
    pub async fn id(&self) -> OrderReturnId {
        self.row.id
    }

    /// The order.
    async fn order(&self, ctx: &Context<'_>) -> Option<Result<Order>> {
        nullable(
            async {
                let order = session(ctx)?
                    .one_of::<order::Entity, _, _>(&self.row, "order", |row| Some(row.order_id))
                    .await?;
                Ok(order.map(Order))
            }
            .await,
        )
    }

    /// Why they came back.
    async fn reason(&self) -> &str {
        &self.row.reason
    }

    /// The credit: for each line its share of what the order cost after all discounts.
    async fn amount(&self, ctx: &Context<'_>) -> Result<Money> {
        let currency = self.currency(session(ctx)?).await?;
        Money::new(self.row.amount_minor, &currency)
    }

    /// What came back of which lines.
    async fn lines(&self, ctx: &Context<'_>) -> Result<Listed<OrderReturnLine>> {
        let session = session(ctx)?;
        let currency = self.currency(session).await?;
        let children = Children {
            parent: order_return_line::Column::OrderReturnId,
            select: session
                .select::<order_return_line::Entity>()
                .order_by(order_return_line::Column::Id, sea_orm::Order::Asc),
        };
        let own = |row: &order_return::Model| row.id.0;
        let lines = session
            .all_of(&self.row, "lines", own, children, |row| {
                row.order_return_id.0
            })
            .await?;
        Ok(lines
            .into_iter()
            .map(|row| OrderReturnLine {
                row,
                currency: currency.clone(),
            })
            .collect())
    }

    /// Who took them back.
    async fn created_by(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        nullable(
            async {
                let user = session(ctx)?
                    .one_of::<user::Entity, _, _>(&self.row, "created_by", |row| {
                        Some(row.created_by_id)
                    })
                    .await?;
                Ok(user.map(User))
            }
            .await,
        )
    }

    /// When they came back.
    async fn created_at(&self) -> DateTime {
        DateTime(self.row.created_at)
    }
}

/// What came back of one line of an order.
pub struct OrderReturnLine {
    row: Visible<order_return_line::Model>,
    currency: String,
}

/// What came back of one line of an order.
#[Object]
impl OrderReturnLine {
    /// The id.
    async fn id(&self) -> OrderReturnLineId {
        self.row.id
    }

    /// The line of the order.
    async fn order_line(&self, ctx: &Context<'_>) -> Option<Result<OrderLine>> {
        nullable(
            async {
                let line = session(ctx)?
                    .one_of::<order_line::Entity, _, _>(&self.row, "order_line", |row| {
                        Some(row.order_line_id)
                    })
                    .await?;
                Ok(line.map(|row| OrderLine {
                    row,
                    currency: Some(self.currency.clone()),
                }))
            }
            .await,
        )
    }

    /// Units that came back.
    async fn quantity(&self) -> Result<i32> {
        int(self.row.quantity)
    }

    /// The credit for them.
    async fn amount(&self) -> Result<Money> {
        Money::new(self.row.amount_minor, &self.currency)
    }
}
