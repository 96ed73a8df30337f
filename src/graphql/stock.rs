//! Stock on the wire: what there is of a product, why that changed, and the mutations that change it.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::{
    MovementKind, ProductId, StockMovementId, order, product, stock_level, stock_movement, user,
};

use super::connection::{Connection, Node};
use super::context::{nullable, session, write};
use super::direct::ready;
use super::orders::Order;
use super::products::Product;
use super::scalars::{DateTime, int};
use super::users::User;
use crate::db::{Children, KeyKind, PageRequest, Session, Sort, SortKey, Visible};
use crate::domain::stock;
use crate::error::Result;

/// What there is of a product, in units of it.
pub struct Stock {
    level: Visible<stock_level::Model>,
    reorder_level: i64,
}

/// What there is of a product, in units of it.
#[Object]
impl Stock {
    /// Units in the warehouse.
    async fn on_hand(&self) -> Result<i32> {
        int(self.level.on_hand)
    }

    /// Units promised to orders that have not shipped.
    async fn reserved(&self) -> Result<i32> {
        int(self.level.reserved)
    }

    /// Units that can still be promised: on hand less reserved. Below zero while back orders wait for goods, or when a count found less than was promised.
    async fn available_to_promise(&self) -> Result<i32> {
        int(stock::available(&self.level))
    }

    /// Whether less can be promised than the product's reorder level.
    async fn below_reorder_level(&self) -> bool {
        stock::available(&self.level) < self.reorder_level
    }

    /// When any of it last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.level.updated_at)
    }
}

/// What there is of `product`.
///
/// # Errors
/// From the database.
pub async fn of_product(
    session: &Session,
    product: &Visible<product::Model>,
) -> Result<Option<Stock>> {
    let level = stock::level(session, product).await?;
    Ok(level.map(|level| Stock {
        level,
        reorder_level: product.reorder_level,
    }))
}

/// One change of what is on hand of a product. It is never changed, nor deleted.
#[derive(Clone)]
pub struct StockMovement(pub Visible<stock_movement::Model>);

impl From<Visible<stock_movement::Model>> for StockMovement {
    fn from(row: Visible<stock_movement::Model>) -> Self {
        Self(row)
    }
}

impl Node for StockMovement {
    type Entity = stock_movement::Entity;
}

ready!(
    StockMovement: "id" | "kind" | "onHandChange" | "note" | "occurredAt";
);

/// One change of what is on hand of a product. It is never changed, nor deleted.
#[Object]
impl StockMovement {
    /// The id.
    pub async fn id(&self) -> StockMovementId {
        self.0.id
    }

    /// Why stock changed.
    async fn kind(&self) -> MovementKind {
        self.0.kind
    }

    /// The product.
    async fn product(&self, ctx: &Context<'_>) -> Option<Result<Product>> {
        nullable(
            async {
                let product = session(ctx)?
                    .one_of::<product::Entity, _, _>(&self.0, "product", |row| Some(row.product_id))
                    .await?;
                Ok(product.map(Product))
            }
            .await,
        )
    }

    /// The order that caused it; null for what was done by hand, or when you may not see the order.
    async fn order(&self, ctx: &Context<'_>) -> Option<Result<Order>> {
        nullable(
            async {
                let order = session(ctx)?
                    .one_of::<order::Entity, _, _>(&self.0, "order", |row| row.order_id)
                    .await?;
                Ok(order.map(Order))
            }
            .await,
        )
    }

    /// Who caused it: yourself or somebody who reports to you; administrators see everybody. Null for others, and for what the service did by itself.
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        nullable(
            async {
                let session = session(ctx)?;
                if !stock::names_its_user(session, &self.0).await? {
                    return Ok(None);
                }
                let user = session
                    .one_of::<user::Entity, _, _>(&self.0, "user", |row| row.user_id)
                    .await?;
                Ok(user.map(User))
            }
            .await,
        )
    }

    /// Units by which what is on hand went up, or down when negative.
    async fn on_hand_change(&self) -> Result<i32> {
        int(self.0.on_hand_delta)
    }

    /// What the person who did it wrote down: the reason of a correction, the delivery note of a receipt. Null when you may not see that person in `user`.
    async fn note(&self, ctx: &Context<'_>) -> Option<Result<&str>> {
        nullable(
            async {
                let shows = stock::names_its_user(session(ctx)?, &self.0).await?;
                Ok(self.0.note.as_deref().filter(|_| shows))
            }
            .await,
        )
    }

    /// When it happened.
    async fn occurred_at(&self) -> DateTime {
        DateTime(self.0.occurred_at)
    }
}

/// The movements of `product`, newest first.
///
/// # Errors
/// `BAD_USER_INPUT` for a cursor of elsewhere; from the database.
pub async fn movements_of_product(
    session: &Session,
    product: &Visible<product::Model>,
    page: &PageRequest,
) -> Result<Connection<StockMovement>> {
    let children = Children {
        parent: stock_movement::Column::ProductId,
        select: session.select::<stock_movement::Entity>(),
    };
    let sort = Sort::descending(vec![SortKey::column(
        stock_movement::Column::OccurredAt,
        KeyKind::Instant,
    )]);
    let own = |row: &product::Model| row.id.0;
    Connection::children(
        session,
        product,
        "stockMovements",
        own,
        children,
        &sort,
        page,
    )
    .await
}

/// Goods that came in.
#[derive(Clone, Debug, InputObject)]
pub struct StockReceiveInput {
    /// The product; not an archived one.
    product_id: ProductId,
    /// How many units came in: 1 to 1,000,000,000.
    quantity: i32,
    /// Anything to keep with it, such as the number of the delivery note; at most 500 characters.
    note: Option<String>,
}

/// A count of what is on hand.
#[derive(Clone, Debug, InputObject)]
pub struct StockAdjustInput {
    /// The product.
    product_id: ProductId,
    /// How many units were counted: 0 to 1,000,000,000. What is on hand becomes this.
    counted: i32,
    /// Why the figure was wrong, 1 to 500 characters.
    reason: String,
}

/// The product whose stock changed.
#[derive(SimpleObject)]
pub struct StockPayload {
    /// The product.
    product: Product,
}

impl From<Visible<product::Model>> for StockPayload {
    fn from(row: Visible<product::Model>) -> Self {
        Self {
            product: Product(row),
        }
    }
}

/// Changing stock by hand. Orders change it by themselves.
#[derive(Default)]
pub struct StockMutation;

#[Object]
impl StockMutation {
    /// Takes goods that came in into stock. For managers and administrators.
    async fn stock_receive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The goods that came in.")] input: StockReceiveInput,
    ) -> Result<StockPayload> {
        let StockReceiveInput {
            product_id,
            quantity,
            note,
        } = input;
        let row =
            write(ctx, move |tx| {
                let note = note.clone();
                async move {
                    stock::receive(&tx, product_id, i64::from(quantity), note.as_deref()).await
                }
            })
            .await
            .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Sets what is on hand to what was counted. What is reserved stays. For managers and administrators.
    async fn stock_adjust(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The count.")] input: StockAdjustInput,
    ) -> Result<StockPayload> {
        let StockAdjustInput {
            product_id,
            counted,
            reason,
        } = input;
        let row = write(ctx, move |tx| {
            let reason = reason.clone();
            async move { stock::adjust(&tx, product_id, i64::from(counted), &reason).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }
}
