//! Writing orders.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::{AddressId, ApprovalReason, ClientId, OrderId, OrderLineId, ProductId, order};

use super::{Order, OrderLine, OrderReturn};
use crate::db::{Tx, Visible};
use crate::domain::orders::{
    self, Destination, NewLine, NewOrder, NewReturn, OrderPatch, Restock, ReturnedLine, Seen,
    ShipTo,
};
use crate::error::{Error, Result};
use crate::graphql::context::write;
use crate::graphql::direct::Direct;
use crate::graphql::input::{optional, required};
use crate::graphql::pace::Listed;
use crate::graphql::scalars::{Date, MoneyInput};
use crate::say;

/// A line of an order.
#[derive(Clone, Debug, InputObject)]
pub struct OrderLineInput {
    /// The product: for sale, and priced in the client's currency.
    product_id: ProductId,
    /// Units, 1 to 1,000,000.
    quantity: i32,
    /// The price of one unit; today's list price when absent. Only managers of the client may set another.
    unit_price: Option<MoneyInput>,
    /// The discount in basis points, 0 to 10,000 (100 is 1 %); that of the client's tier when absent. More than 3,000 from a rep makes the order wait for approval.
    discount_bp: Option<i32>,
}

/// Where goods go. Parts that are absent stay empty.
#[derive(Clone, Debug, InputObject)]
pub struct OrderShipToInput {
    /// Who receives them, at most 200 characters.
    name: Option<String>,
    /// Street and number, or several such lines; at most 500 characters.
    street: Option<String>,
    /// The city, at most 100 characters.
    city: Option<String>,
    /// The province, state or county; at most 100 characters.
    region: Option<String>,
    /// The postal code, at most 20 characters.
    postal_code: Option<String>,
    /// The country, best as its ISO 3166-1 code; at most 100 characters.
    country: Option<String>,
}

/// An order to write.
#[derive(Clone, Debug, InputObject)]
pub struct OrderCreateInput {
    /// An id made by the caller (`order_` and a UUID of version 7). Sending the same create again with it answers the order that is there.
    id: Option<OrderId>,
    /// The id in another system, unique among orders, at most 100 characters. Only managers and administrators may set it; when it is taken, perhaps by one that you do not see, the answer is `CONFLICT`.
    external_id: Option<String>,
    /// The client that buys.
    client_id: ClientId,
    /// The day it was placed; today where you are when absent, and not in the future.
    placed_on: Option<Date>,
    /// The day the client needs it; not before the day it is placed.
    required_on: Option<Date>,
    /// Ships to this address of the client; it is copied. Without it and `shipTo` the client's primary shipping address is taken, if there is one.
    address_id: Option<AddressId>,
    /// Ships to this place; not together with `addressId`.
    ship_to: Option<OrderShipToInput>,
    /// Anything else, at most 4,000 characters.
    note: Option<String>,
    /// The discount on the order as a whole, in basis points, 0 to 10,000. More than 3,000 from a rep makes the order wait for approval.
    #[graphql(default)]
    discount_bp: i32,
    /// What shipping costs the client; nothing when absent.
    freight: Option<MoneyInput>,
    /// What it is of: at most 200 lines. A draft may still be empty.
    lines: Vec<OrderLineInput>,
    /// Whether it is submitted at once, in the same transaction.
    #[graphql(default)]
    submit: bool,
}

/// Changes to a draft. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, InputObject)]
pub struct OrderUpdateInput {
    /// The order.
    id: OrderId,
    /// The version you saw.
    version: i32,
    /// The day the client needs it; not before the day it was placed.
    required_on: MaybeUndefined<Date>,
    /// Ships to this address of the client; it is copied.
    address_id: Option<AddressId>,
    /// Ships to this place; not together with `addressId`.
    ship_to: MaybeUndefined<OrderShipToInput>,
    /// Anything else, at most 4,000 characters.
    note: MaybeUndefined<String>,
    /// The discount on the order as a whole, in basis points, 0 to 10,000.
    discount_bp: MaybeUndefined<i32>,
    /// What shipping costs the client.
    freight: MaybeUndefined<MoneyInput>,
    /// All its lines, at most 200, at today's prices; those it has are dropped.
    lines: MaybeUndefined<Vec<OrderLineInput>>,
}

/// Names an order in the version you saw.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct OrderVersionInput {
    /// The order.
    id: OrderId,
    /// The version you saw.
    version: i32,
}

/// Names an order in the version you saw, with a note.
#[derive(Clone, Debug, InputObject)]
pub struct OrderStepInput {
    /// The order.
    id: OrderId,
    /// The version you saw.
    version: i32,
    /// What there is to say, at most 1,000 characters.
    note: Option<String>,
}

/// An order that is approved in the version you saw.
#[derive(Clone, Debug, InputObject)]
pub struct OrderApproveInput {
    /// The order.
    id: OrderId,
    /// The version you saw.
    version: i32,
    /// What there is to say, at most 1,000 characters.
    note: Option<String>,
    /// For which reasons you approve it although it needs approval; those on the order when absent. When others have come up meanwhile, such as a credit limit that later orders used up, it is refused with the rule `orders.reasons_changed`, which names them.
    reasons: Option<Vec<ApprovalReason>>,
}

/// An order whose approval is refused.
#[derive(Clone, Debug, InputObject)]
pub struct OrderRefuseInput {
    /// The order.
    id: OrderId,
    /// The version you saw.
    version: i32,
    /// Why, 1 to 1,000 characters.
    note: String,
}

/// An order that is called off.
#[derive(Clone, Debug, InputObject)]
pub struct OrderCancelInput {
    /// The order.
    id: OrderId,
    /// The version you saw.
    version: i32,
    /// Why, at most 1,000 characters.
    reason: Option<String>,
}

/// An order that goes out, or arrives.
#[derive(Clone, Debug, InputObject)]
pub struct OrderTransportInput {
    /// The order.
    id: OrderId,
    /// The version you saw.
    version: i32,
    /// The day it happened; today when absent, and not in the future.
    occurred_on: Option<Date>,
    /// Carrier, tracking number, who signed for it; at most 1,000 characters.
    note: Option<String>,
}

/// News of an order on its way.
#[derive(Clone, Debug, InputObject)]
pub struct OrderTrackInput {
    /// The order.
    id: OrderId,
    /// The news, 1 to 1,000 characters.
    note: String,
}

/// What comes back of one line.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct OrderReturnLineInput {
    /// The line.
    order_line_id: OrderLineId,
    /// Units, 1 up to what has not come back yet.
    quantity: i32,
}

/// Goods that come back.
#[derive(Clone, Debug, InputObject)]
pub struct OrderReturnInput {
    /// The order.
    id: OrderId,
    /// The version you saw.
    version: i32,
    /// Why they come back, 1 to 1,000 characters.
    reason: String,
    /// Whether they go back into stock, to be sold again.
    restock: bool,
    /// What comes back of which lines; everything that has not come back yet when absent.
    lines: Option<Vec<OrderReturnLineInput>>,
}

/// An order to repeat.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct OrderReorderInput {
    /// The order to repeat.
    order_id: OrderId,
    /// An id for the draft, made by the caller. Sending the same again with it answers the draft that is there.
    id: Option<OrderId>,
}

/// The order after the change.
#[derive(SimpleObject)]
pub struct OrderPayload {
    /// The order.
    order: Direct<Order>,
}

impl From<Visible<order::Model>> for OrderPayload {
    fn from(row: Visible<order::Model>) -> Self {
        Self {
            order: Direct(Order(row)),
        }
    }
}

/// The order after goods came back.
#[derive(SimpleObject)]
pub struct OrderReturnPayload {
    /// The order.
    order: Order,
    /// What came back.
    order_return: OrderReturn,
}

/// The draft that repeats an order.
#[derive(SimpleObject)]
pub struct OrderReorderPayload {
    /// The draft.
    order: Order,
    /// Lines of the earlier order that are missing from the draft: their products are no longer sold.
    left_out: Listed<OrderLine>,
}

fn parse_lines(lines: Vec<OrderLineInput>) -> Result<Vec<NewLine>> {
    lines
        .into_iter()
        .enumerate()
        .map(|(at, line)| {
            let OrderLineInput {
                product_id,
                quantity,
                unit_price,
                discount_bp,
            } = line;
            let unit_price = unit_price
                .map(|price| price.parse(&format!("lines.{at}.unitPrice")))
                .transpose()?;
            Ok(NewLine {
                product_id,
                quantity: i64::from(quantity),
                unit_price,
                discount_bp,
            })
        })
        .collect()
}

fn parse_ship_to(input: OrderShipToInput) -> ShipTo {
    let OrderShipToInput {
        name,
        street,
        city,
        region,
        postal_code,
        country,
    } = input;
    ShipTo {
        name,
        street,
        city,
        region,
        postal_code,
        country,
    }
}

/// Where goods go: as for an update, absent keeps and null clears.
fn parse_destination(
    address_id: Option<AddressId>,
    ship_to: Option<Option<OrderShipToInput>>,
) -> Result<Option<Option<Destination>>> {
    match (address_id, ship_to) {
        (Some(_), Some(_)) => Err(Error::bad_input(
            "shipTo",
            say!("give `addressId` or `shipTo`, not both"),
        )),
        (Some(address), None) => Ok(Some(Some(Destination::Address(address)))),
        (None, Some(Some(ship_to))) => Ok(Some(Some(Destination::Given(parse_ship_to(ship_to))))),
        (None, Some(None)) => Ok(Some(None)),
        (None, None) => Ok(None),
    }
}

impl OrderCreateInput {
    /// The order to be.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub(in crate::graphql) fn parse(self) -> Result<NewOrder> {
        let Self {
            id,
            external_id,
            client_id,
            placed_on,
            required_on,
            address_id,
            ship_to,
            note,
            discount_bp,
            freight,
            lines,
            submit,
        } = self;
        let freight = freight
            .map(|freight| freight.parse("freight"))
            .transpose()?;
        Ok(NewOrder {
            id,
            external_id,
            client_id,
            placed_on: placed_on.map(|day| day.0),
            required_on: required_on.map(|day| day.0),
            ship_to: parse_destination(address_id, ship_to.map(Some))?.flatten(),
            note,
            discount_bp,
            freight,
            lines: parse_lines(lines)?,
            submit,
        })
    }
}

impl OrderUpdateInput {
    /// Which order, in which version, and its changes.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub(in crate::graphql) fn parse(self) -> Result<(Seen, OrderPatch)> {
        let Self {
            id,
            version,
            required_on,
            address_id,
            ship_to,
            note,
            discount_bp,
            freight,
            lines,
        } = self;
        let freight = required("freight", freight)?
            .map(|freight| freight.parse("freight"))
            .transpose()?;
        let lines = required("lines", lines)?.map(parse_lines).transpose()?;
        let patch = OrderPatch {
            required_on: optional(required_on).map(|day| day.map(|day| day.0)),
            ship_to: parse_destination(address_id, optional(ship_to))?,
            note: optional(note),
            discount_bp: required("discountBp", discount_bp)?,
            freight,
            lines,
        };
        Ok((seen(id, version), patch))
    }
}

fn seen(id: OrderId, version: i32) -> Seen {
    Seen {
        id,
        version: i64::from(version),
    }
}

/// Runs one change of an order.
async fn change<F, Fut>(ctx: &Context<'_>, work: F) -> Result<OrderPayload>
where
    F: Fn(Tx) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Visible<order::Model>>> + Send + 'static,
{
    let row = write(ctx, work).await.map_err(under_input)?;
    Ok(row.into())
}

fn under_input(error: Error) -> Error {
    error.under("input")
}

/// Writing orders.
#[derive(Default)]
pub struct OrderMutation;

#[Object]
impl OrderMutation {
    /// Writes an order with its lines, as a draft or submitted at once.
    async fn order_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order to write.")] input: OrderCreateInput,
    ) -> Result<OrderPayload> {
        let new = input.parse().map_err(under_input)?;
        change(ctx, move |tx| {
            let new = new.clone();
            async move { orders::create(&tx, new).await }
        })
        .await
    }

    /// Changes a draft. Its lines are replaced as a whole.
    async fn order_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The draft and the changes.")] input: OrderUpdateInput,
    ) -> Result<OrderPayload> {
        let (seen, patch) = input.parse().map_err(under_input)?;
        change(ctx, move |tx| {
            let patch = patch.clone();
            async move { orders::update(&tx, seen, patch).await }
        })
        .await
    }

    /// Submits a draft: its stock is reserved. It is approved at once, unless the client's credit limit or a large discount asks for a manager; then it waits.
    async fn order_submit(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The draft.")] input: OrderVersionInput,
    ) -> Result<OrderPayload> {
        let OrderVersionInput { id, version } = input;
        change(ctx, move |tx| async move {
            orders::submit(&tx, seen(id, version)).await
        })
        .await
    }

    /// Approves an order that waits for it. For managers and administrators.
    async fn order_approve(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order that waits.")] input: OrderApproveInput,
    ) -> Result<OrderPayload> {
        let OrderApproveInput {
            id,
            version,
            note,
            reasons,
        } = input;
        change(ctx, move |tx| {
            let (note, reasons) = (note.clone(), reasons.clone());
            async move { orders::approve(&tx, seen(id, version), note, reasons).await }
        })
        .await
    }

    /// Refuses an order that waits for approval: it is a draft again, and its stock is free. For managers and administrators.
    async fn order_refuse(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order that waits.")] input: OrderRefuseInput,
    ) -> Result<OrderPayload> {
        let OrderRefuseInput { id, version, note } = input;
        change(ctx, move |tx| {
            let note = note.clone();
            async move { orders::refuse(&tx, seen(id, version), note).await }
        })
        .await
    }

    /// Calls an order off before it ships; its stock is free again.
    async fn order_cancel(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order to call off.")] input: OrderCancelInput,
    ) -> Result<OrderPayload> {
        let OrderCancelInput {
            id,
            version,
            reason,
        } = input;
        change(ctx, move |tx| {
            let reason = reason.clone();
            async move { orders::cancel(&tx, seen(id, version), reason).await }
        })
        .await
    }

    /// Begins the production of an approved order.
    async fn order_start_production(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The approved order.")] input: OrderStepInput,
    ) -> Result<OrderPayload> {
        let OrderStepInput { id, version, note } = input;
        change(ctx, move |tx| {
            let note = note.clone();
            async move { orders::start_production(&tx, seen(id, version), note).await }
        })
        .await
    }

    /// Sends an order off: its goods leave stock.
    async fn order_ship(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order that goes out.")] input: OrderTransportInput,
    ) -> Result<OrderPayload> {
        let OrderTransportInput {
            id,
            version,
            occurred_on,
            note,
        } = input;
        let on = occurred_on.map(|day| day.0);
        change(ctx, move |tx| {
            let note = note.clone();
            async move { orders::ship(&tx, seen(id, version), on, note).await }
        })
        .await
    }

    /// Notes that an order arrived.
    async fn order_deliver(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order that arrived.")] input: OrderTransportInput,
    ) -> Result<OrderPayload> {
        let OrderTransportInput {
            id,
            version,
            occurred_on,
            note,
        } = input;
        let on = occurred_on.map(|day| day.0);
        change(ctx, move |tx| {
            let note = note.clone();
            async move { orders::deliver(&tx, seen(id, version), on, note).await }
        })
        .await
    }

    /// Writes down news of an order on its way; the order stays where it stands.
    async fn order_track(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order and the news.")] input: OrderTrackInput,
    ) -> Result<OrderPayload> {
        let OrderTrackInput { id, note } = input;
        change(ctx, move |tx| {
            let note = note.clone();
            async move { orders::track(&tx, id, note).await }
        })
        .await
    }

    /// Takes goods of a shipped order back and credits them. When nothing is left with the client the order is RETURNED.
    async fn order_return(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What comes back.")] input: OrderReturnInput,
    ) -> Result<OrderReturnPayload> {
        let OrderReturnInput {
            id,
            version,
            reason,
            restock,
            lines,
        } = input;
        let new = NewReturn {
            order: seen(id, version),
            reason,
            restock: if restock { Restock::Yes } else { Restock::No },
            lines: lines.map(|lines| {
                lines
                    .into_iter()
                    .map(|line| ReturnedLine {
                        line_id: line.order_line_id,
                        quantity: i64::from(line.quantity),
                    })
                    .collect()
            }),
        };
        let (order, made) = write(ctx, move |tx| {
            let new = new.clone();
            async move { orders::take_back(&tx, new).await }
        })
        .await
        .map_err(under_input)?;
        Ok(OrderReturnPayload {
            order_return: OrderReturn::of(&order, made),
            order: Order(order),
        })
    }

    /// Makes a draft from an earlier order: the same products and quantities, at today's prices and on today's terms.
    async fn order_reorder(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order to repeat.")] input: OrderReorderInput,
    ) -> Result<OrderReorderPayload> {
        let OrderReorderInput { order_id, id } = input;
        let made = write(ctx, move |tx| async move {
            orders::reorder(&tx, order_id, id).await
        })
        .await
        .map_err(under_input)?;
        let orders::Reorder { order, left_out } = made;
        Ok(OrderReorderPayload {
            left_out: left_out
                .into_iter()
                .map(|row| OrderLine::of(&order, row))
                .collect(),
            order: Order(order),
        })
    }
}
