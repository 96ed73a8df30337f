//! Stock: what is on hand, what of it is promised to orders, and the ledger of why it changed. Orders call
//! it with products and quantities; it knows nothing else of them.

use std::collections::BTreeSet;

use entity::{
    MovementKind, OrderId, ProductId, UserId, product, stock_level, stock_movement, user_reach,
};
use sea_orm::ColumnTrait;

use super::products;
use super::text;
use crate::db::{Children, MAX_STOCK, Session, StockChange, Tx, Visible};
use crate::error::{Error, Result};
use crate::messages::Message;
use crate::say;

/// The most units one line or one movement has.
pub const MAX_QUANTITY: i64 = MAX_STOCK;

/// How many products an error names in words; its `productIds` holds them all.
const NAMED: usize = 5;

/// Promises products to an order: what is free goes down. All lines or none.
///
/// # Errors
/// `BAD_USER_INPUT` for a quantity out of bounds; `RULE_VIOLATED` `stock.insufficient` when less is free of
/// a product that may not be back-ordered, with `productIds` and the fields `lines.<position>.quantity`.
pub async fn reserve(tx: &Tx, order: OrderId, lines: &[(ProductId, i64)]) -> Result<()> {
    let refused = tx
        .change_stock(&changes(lines, 0, 1)?, None, Some(order), None)
        .await?;
    sufficient(tx, lines, &refused).await
}

/// Takes promises of an order back: what is free goes up. The quantities are those it reserved.
///
/// # Errors
/// `BAD_USER_INPUT` for a quantity out of bounds; `RULE_VIOLATED` `stock.insufficient` when less than that
/// is promised, as [`reserve`] says it.
pub async fn release(tx: &Tx, order: OrderId, lines: &[(ProductId, i64)]) -> Result<()> {
    let refused = tx
        .change_stock(&changes(lines, 0, -1)?, None, Some(order), None)
        .await?;
    sufficient(tx, lines, &refused).await
}

/// Sends out what was promised to an order: on hand and promised both go down.
///
/// # Errors
/// `BAD_USER_INPUT` for a quantity out of bounds; `RULE_VIOLATED` `stock.insufficient` when less is on
/// hand, as with a back order whose goods have not come in, as [`reserve`] says it.
pub async fn ship(tx: &Tx, order: OrderId, lines: &[(ProductId, i64)]) -> Result<()> {
    let kind = Some(MovementKind::Shipment);
    let refused = tx
        .change_stock(&changes(lines, -1, -1)?, kind, Some(order), None)
        .await?;
    sufficient(tx, lines, &refused).await
}

/// Puts back into stock what an order sent out and the client returned.
///
/// # Errors
/// `BAD_USER_INPUT` for a quantity out of bounds; `RULE_VIOLATED` `stock.too_much`.
pub async fn take_back(
    tx: &Tx,
    order: OrderId,
    lines: &[(ProductId, i64)],
    note: Option<String>,
) -> Result<()> {
    let kind = Some(MovementKind::Return);
    let refused = tx
        .change_stock(&changes(lines, 1, 0)?, kind, Some(order), note)
        .await?;
    match refused.first() {
        None => Ok(()),
        Some(product) => Err(too_much(*product, "lines")),
    }
}

/// Takes goods that came in into stock. For managers and administrators.
///
/// # Errors
/// `FORBIDDEN`, `NOT_FOUND`; `BAD_USER_INPUT` for a quantity below 1 or above [`MAX_QUANTITY`];
/// `RULE_VIOLATED` `products.archived`, `stock.too_much`.
pub async fn receive(
    tx: &Tx,
    product: ProductId,
    quantity: i64,
    note: Option<&str>,
) -> Result<Visible<product::Model>> {
    tx.require_writer::<stock_level::Entity>()?;
    let product = moved(tx, product).await?;
    let note = text::optional_text("note", note, 500)?;
    let quantity = check_quantity("quantity", quantity)?;
    let change = StockChange {
        product_id: product.id,
        on_hand: quantity,
        reserved: 0,
    };
    let refused = tx
        .change_stock(&[change], Some(MovementKind::Receipt), None, note)
        .await?;
    if refused.is_empty() {
        return Ok(product);
    }
    Err(too_much(product.id, "quantity"))
}

/// Sets what is on hand to what was counted; the ledger holds the difference, if there is one. A count
/// below what is promised stands: then less than nothing is free. For managers and administrators.
///
/// # Errors
/// `FORBIDDEN`, `NOT_FOUND`; `BAD_USER_INPUT` for a count below 0 or above [`MAX_QUANTITY`], or without a
/// reason.
pub async fn adjust(
    tx: &Tx,
    product: ProductId,
    counted: i64,
    reason: &str,
) -> Result<Visible<product::Model>> {
    tx.require_writer::<stock_level::Entity>()?;
    let product = tx
        .select::<product::Entity>()
        .id(product)
        .get()
        .await
        .map_err(|error| error.field("productId"))?;
    let reason = text::text("reason", reason, 500)?;
    if !(0..=MAX_QUANTITY).contains(&counted) {
        return Err(Error::bad_input(
            "counted",
            say!("a count is 0 to {most}", most = MAX_QUANTITY),
        ));
    }
    // Held, so that goods that leave meanwhile are neither lost nor counted twice.
    let level = tx.lock_stock(product.id).await?;
    let change = StockChange {
        product_id: product.id,
        on_hand: counted.saturating_sub(level.on_hand),
        reserved: 0,
    };
    let refused = tx
        .change_stock(
            &[change],
            Some(MovementKind::Adjustment),
            None,
            Some(reason),
        )
        .await?;
    if refused.is_empty() {
        return Ok(product);
    }
    Err(Error::bug("a count within bounds was refused"))
}

/// What there is of a product.
///
/// # Errors
/// From the database.
pub async fn level(
    session: &Session,
    product: &Visible<product::Model>,
) -> Result<Option<Visible<stock_level::Model>>> {
    let children = || Children {
        parent: stock_level::Column::ProductId,
        select: session.select::<stock_level::Entity>(),
    };
    let mut rows = session
        .all_of(
            product,
            "stock",
            |product: &product::Model| product.id.0,
            children,
            |row| row.product_id.0,
        )
        .await?;
    Ok(rows.pop())
}

/// What can still be promised: on hand less promised. Below zero while back orders wait for goods.
pub fn available(level: &stock_level::Model) -> i64 {
    level.on_hand.saturating_sub(level.reserved)
}

/// Whether a movement shows the viewer who caused it, and what they wrote: that is for administrators, for
/// those above the person and for themselves. What the service did by itself names nobody and hides nothing.
///
/// # Errors
/// From the database.
pub async fn names_its_user(
    session: &Session,
    movement: &Visible<stock_movement::Model>,
) -> Result<bool> {
    let viewer = session.viewer();
    let (Some(user), Some(me), false) = (movement.user_id, viewer.user_id(), viewer.is_admin())
    else {
        return Ok(true);
    };
    let in_reach = movement
        .shared("usersInReach", |movements| async move {
            let users: BTreeSet<UserId> = movements.iter().filter_map(|row| row.user_id).collect();
            let rows = session
                .select::<user_reach::Entity>()
                .filter(user_reach::Column::ManagerId.eq(me))
                .filter(user_reach::Column::UserId.is_in(users))
                .all()
                .await?;
            let users: BTreeSet<UserId> = rows.iter().map(|row| row.user_id).collect();
            Ok(users)
        })
        .await?;
    Ok(in_reach.contains(&user))
}

/// The product of a movement, which must be in use.
async fn moved(tx: &Tx, product: ProductId) -> Result<Visible<product::Model>> {
    let product = tx
        .select::<product::Entity>()
        .id(product)
        .get()
        .await
        .map_err(|error| error.field("productId"))?;
    products::require_in_use(&product).map_err(|error| error.field("productId"))?;
    Ok(product)
}

fn check_quantity(field: &str, quantity: i64) -> Result<i64> {
    if (1..=MAX_QUANTITY).contains(&quantity) {
        return Ok(quantity);
    }
    Err(Error::bad_input(
        field,
        say!("a quantity is 1 to {most}", most = MAX_QUANTITY),
    ))
}

/// The changes of `lines`, each quantity times a sign for what is on hand and one for what is reserved.
fn changes(lines: &[(ProductId, i64)], on_hand: i64, reserved: i64) -> Result<Vec<StockChange>> {
    lines
        .iter()
        .enumerate()
        .map(|(at, (product, quantity))| {
            let quantity = check_quantity(&field(at), *quantity)?;
            Ok(StockChange {
                product_id: *product,
                on_hand: quantity.saturating_mul(on_hand),
                reserved: quantity.saturating_mul(reserved),
            })
        })
        .collect()
}

fn field(at: usize) -> String {
    format!("lines.{at}.quantity")
}

/// Fails, naming them, when products refused. Nothing of the transaction may be kept then.
async fn sufficient(tx: &Tx, lines: &[(ProductId, i64)], refused: &[ProductId]) -> Result<()> {
    if refused.is_empty() {
        return Ok(());
    }
    let products = tx
        .select::<product::Entity>()
        .ids(refused.iter().copied())
        .all()
        .await?;
    let levels = tx
        .select::<stock_level::Entity>()
        .filter(stock_level::Column::ProductId.is_in(refused.iter().copied()))
        .all()
        .await?;
    let mut words: Vec<Message> = Vec::new();
    for id in refused.iter().take(NAMED) {
        let Some(product) = products.iter().find(|product| product.id == *id) else {
            words.push(id.to_string().into());
            continue;
        };
        let level = levels.iter().find(|level| level.product_id == *id);
        let on_hand = level.map_or(0, |level| level.on_hand);
        let free = level.map_or(0, |level| available(level).max(0));
        let asked: i64 = lines
            .iter()
            .filter(|(product, _)| product == id)
            .map(|(_, quantity)| quantity)
            .sum();
        words.push(say!(
            "{name} ({sku}): {asked} asked for, {free} available of {on_hand} on hand, in {unit}",
            name = &product.name,
            sku = &product.sku,
            asked,
            free,
            on_hand,
            unit = &product.unit
        ));
    }
    if let Some(more @ 1..) = refused.len().checked_sub(NAMED) {
        words.push(say!("and {count} more", count = more));
    }
    let mut error = Error::rule(
        "stock.insufficient",
        say!(
            "there is not enough in stock: {shortages}",
            shortages = Message::list(words)
        ),
    )
    .detail("productIds", id_list(refused));
    for (at, (product, _)) in lines.iter().enumerate() {
        if refused.contains(product) {
            error = error.field(field(at));
        }
    }
    Err(error)
}

fn too_much(product: ProductId, field: &str) -> Error {
    Error::rule(
        "stock.too_much",
        say!(
            "no more than {most} units of a product can be in stock",
            most = MAX_STOCK
        ),
    )
    .field(field)
    .detail("productIds", id_list(&[product]))
}

fn id_list(products: &[ProductId]) -> Vec<String> {
    products.iter().map(ToString::to_string).collect()
}
