//! Products: what is sold, at which list price. How many there are is in `stock`.

use std::collections::HashMap;

use entity::{CategoryId, ProductId, product, stock_level};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveValue, ColumnTrait, Condition};

use super::categories;
use super::money::CurrencyCode;
use super::text;
use crate::db::{MAX_STOCK, Tx, Visible};
use crate::error::{Code, Error, Result};
use crate::say;

/// The longest article number, in characters.
pub const MAX_SKU: usize = 60;

/// The longest name of a unit, in characters.
pub const MAX_UNIT: usize = 40;

/// A product to be.
#[derive(Clone, Debug)]
pub struct NewProduct {
    /// An id the caller chose.
    pub id: Option<ProductId>,
    /// Its id in another system.
    pub external_id: Option<String>,
    /// Its article number.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// The category it lies in.
    pub category: Option<CategoryId>,
    /// What one of it is.
    pub unit: String,
    /// The price of one unit in minor units, and its currency.
    pub list_price: (i64, CurrencyCode),
    /// Whether it is for sale.
    pub is_active: bool,
    /// Whether more can be ordered than there is.
    pub may_back_order: bool,
    /// The free quantity below which it should be bought again.
    pub reorder_level: i64,
}

/// Changes to a product. An outer `None` keeps what is there; an inner `None` clears it.
#[derive(Clone, Debug, Default)]
pub struct ProductPatch {
    /// Its article number.
    pub sku: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The category it lies in.
    pub category: Option<Option<CategoryId>>,
    /// What one of it is.
    pub unit: Option<String>,
    /// The price of one unit in minor units, and its currency.
    pub list_price: Option<(i64, CurrencyCode)>,
    /// Whether it is for sale.
    pub is_active: Option<bool>,
    /// Whether more can be ordered than there is.
    pub may_back_order: Option<bool>,
    /// The free quantity below which it should be bought again.
    pub reorder_level: Option<i64>,
}

/// Adds a product, with nothing of it in stock. With an id that exists and equal content it answers the
/// product that is there.
///
/// # Errors
/// `FORBIDDEN`, `BAD_USER_INPUT`, `NOT_FOUND` for the category; `CONFLICT` for an id, an external id or an
/// article number that is taken; `RULE_VIOLATED` `categories.archived`.
pub async fn create(tx: &Tx, new: NewProduct) -> Result<Visible<product::Model>> {
    tx.require_writer::<product::Entity>()?;
    let NewProduct {
        id,
        external_id,
        sku,
        name,
        category,
        unit,
        list_price,
        is_active,
        may_back_order,
        reorder_level,
    } = new;
    let external_id = text::optional_text("externalId", external_id.as_deref(), 100)?;
    let now = tx.now();
    let row = product::ActiveModel {
        id: Set(id.unwrap_or_else(|| tx.new_id())),
        external_id: Set(external_id.clone()),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        archived_at: Set(None),
        category_id: Set(None),
        ..Default::default()
    };
    let patch = ProductPatch {
        sku: Some(sku),
        name: Some(name),
        category: Some(category),
        unit: Some(unit),
        list_price: Some(list_price),
        is_active: Some(is_active),
        may_back_order: Some(may_back_order),
        reorder_level: Some(reorder_level),
    };
    let mut row = apply(row, patch)?;
    if let Some(existing) = tx.existing::<product::Entity>(id, &row).await? {
        return Ok(existing);
    }
    check_external_id(tx, external_id.as_deref()).await?;
    check_references(tx, None, &row).await?;
    row.search_text = Set(search_text(
        row.name.try_as_ref(),
        row.sku.try_as_ref(),
        external_id.as_deref(),
    ));
    let created = tx.insert::<product::Entity>(row).await?;
    let level = stock_level::ActiveModel {
        product_id: Set(created.id),
        on_hand: Set(0),
        reserved: Set(0),
        updated_at: Set(now),
    };
    tx.insert::<stock_level::Entity>(level).await?;
    Ok(created)
}

/// Changes a product whose version is still `version`. Orders keep the name and price they were written
/// with.
///
/// # Errors
/// `FORBIDDEN`, `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`; `CONFLICT` for an article number that is
/// taken; `RULE_VIOLATED` `categories.archived`.
pub async fn update(
    tx: &Tx,
    id: ProductId,
    version: i64,
    patch: ProductPatch,
) -> Result<Visible<product::Model>> {
    tx.require_writer::<product::Entity>()?;
    let product = tx.lock::<product::Entity>(id).await?;
    let mut row = apply(product::ActiveModel::default(), patch)?;
    check_references(tx, Some(&product), &row).await?;
    row.search_text = Set(search_text(
        row.name.try_as_ref().or(Some(&product.name)),
        row.sku.try_as_ref().or(Some(&product.sku)),
        product.external_id.as_deref(),
    ));
    tx.update::<product::Entity>(&product, Some(version), row)
        .await
}

/// Hides a product from lists. What was sold of it stays as it is.
///
/// # Errors
/// `FORBIDDEN`, `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED` `products.already_archived`,
/// `products.promised` while orders wait for it.
pub async fn archive(tx: &Tx, id: ProductId, version: i64) -> Result<Visible<product::Model>> {
    tx.require_writer::<product::Entity>()?;
    let product = tx.lock::<product::Entity>(id).await?;
    if product.archived_at.is_some() {
        return Err(Error::rule(
            "products.already_archived",
            say!("this product is archived already"),
        ));
    }
    if tx.lock_stock(id).await?.reserved > 0 {
        return Err(Error::rule(
            "products.promised",
            say!(
                "this product is promised to orders that have not shipped yet; ship or cancel them first"
            ),
        ));
    }
    let row = product::ActiveModel {
        archived_at: Set(Some(tx.now())),
        ..Default::default()
    };
    tx.update::<product::Entity>(&product, Some(version), row)
        .await
}

/// Brings an archived product back.
///
/// # Errors
/// `FORBIDDEN`, `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED` `products.not_archived`,
/// `categories.archived` while its category is archived.
pub async fn restore(tx: &Tx, id: ProductId, version: i64) -> Result<Visible<product::Model>> {
    tx.require_writer::<product::Entity>()?;
    let product = tx.lock::<product::Entity>(id).await?;
    if product.archived_at.is_none() {
        return Err(Error::rule(
            "products.not_archived",
            say!("this product is not archived"),
        ));
    }
    if let Some(category) = product.category_id {
        categories::require_in_use(tx, category).await?;
    }
    let row = product::ActiveModel {
        archived_at: Set(None),
        ..Default::default()
    };
    tx.update::<product::Entity>(&product, Some(version), row)
        .await
}

/// The products of some lines, in one statement, held until the transaction ends: what an order found for
/// sale is so when the order is kept. Those that do not exist are missing from the answer; ask
/// [`require_for_sale`] of each that goes on an order.
///
/// # Errors
/// From the database; `UNAVAILABLE` when one is being changed for too long.
pub async fn for_lines(
    tx: &Tx,
    ids: &[ProductId],
) -> Result<HashMap<ProductId, Visible<product::Model>>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let products = tx.share_products(ids).await?;
    Ok(products.into_iter().map(|row| (row.id, row)).collect())
}

/// Refuses what can be put on no new order.
///
/// # Errors
/// `RULE_VIOLATED` `products.archived`, `products.inactive`.
pub fn require_for_sale(product: &product::Model) -> Result<()> {
    require_in_use(product)?;
    if product.is_active {
        return Ok(());
    }
    Err(Error::rule(
        "products.inactive",
        say!(
            "{name} ({sku}) is not for sale",
            name = &product.name,
            sku = &product.sku
        ),
    ))
}

/// Refuses a product that is archived.
///
/// # Errors
/// `RULE_VIOLATED` `products.archived`.
pub fn require_in_use(product: &product::Model) -> Result<()> {
    if product.archived_at.is_none() {
        return Ok(());
    }
    Err(Error::rule(
        "products.archived",
        say!(
            "{name} ({sku}) is archived; restore it first",
            name = &product.name,
            sku = &product.sku
        ),
    ))
}

/// The condition that finds products by what a person types: parts of the name or the article number,
/// pinyin, initials, an external id. All words must be found.
///
/// # Errors
/// `BAD_USER_INPUT` for a search that is too short.
pub fn matching(search: &str) -> Result<Condition> {
    let mut condition = Condition::all();
    for needle in text::search_needles(search).map_err(|error| error.field("search"))? {
        condition = condition.add(crate::db::like(
            product::Column::SearchText,
            text::like_pattern(&needle),
        ));
    }
    Ok(condition)
}

/// Writes `patch` into `row`, once each part of it makes sense by itself.
fn apply(row: product::ActiveModel, patch: ProductPatch) -> Result<product::ActiveModel> {
    let ProductPatch {
        sku,
        name,
        category,
        unit,
        list_price,
        is_active,
        may_back_order,
        reorder_level,
    } = patch;
    if let Some((price, _)) = list_price
        && price < 0
    {
        return Err(Error::bad_input(
            "listPrice.amount",
            say!("the list price is 0 or more"),
        ));
    }
    if let Some(level) = reorder_level
        && !(0..=MAX_STOCK).contains(&level)
    {
        return Err(Error::bad_input(
            "reorderLevel",
            say!("the reorder level is 0 to {most}", most = MAX_STOCK),
        ));
    }
    let sku = sku
        .map(|sku| text::text("sku", &sku, MAX_SKU))
        .transpose()?;
    let name = name
        .map(|name| text::text("name", &name, 200))
        .transpose()?;
    let unit = unit
        .map(|unit| text::text("unit", &unit, MAX_UNIT))
        .transpose()?;
    let currency = list_price.map(|(_, currency)| currency.as_str().to_owned());
    Ok(product::ActiveModel {
        sku: set(sku),
        name_sort: set(name.as_deref().map(text::name_sort)),
        name: set(name),
        category_id: category.map_or(row.category_id, Set),
        unit: set(unit),
        list_price_minor: set(list_price.map(|(price, _)| price)),
        currency: set(currency),
        is_active: set(is_active),
        may_back_order: set(may_back_order),
        reorder_level: set(reorder_level),
        ..row
    })
}

/// Checks what `row` shares with other rows; `present` is the product as it is.
async fn check_references(
    tx: &Tx,
    present: Option<&Visible<product::Model>>,
    row: &product::ActiveModel,
) -> Result<()> {
    if let Some(sku) = row.sku.try_as_ref() {
        let holder = tx
            .select::<product::Entity>()
            .filter(product::Column::Sku.eq(sku.as_str()))
            .find()
            .await?;
        if holder.is_some_and(|holder| present.is_none_or(|present| present.id != holder.id)) {
            return Err(Error::new(
                Code::Conflict,
                say!("another product has this article number"),
            )
            .field("sku"));
        }
    }
    if let Some(Some(category)) = row.category_id.try_as_ref()
        && present.is_none_or(|present| present.category_id != Some(*category))
    {
        categories::require_in_use(tx, *category)
            .await
            .map_err(|error| error.field("categoryId"))?;
    }
    Ok(())
}

async fn check_external_id(tx: &Tx, external_id: Option<&str>) -> Result<()> {
    let Some(external_id) = external_id else {
        return Ok(());
    };
    let taken = tx
        .select::<product::Entity>()
        .filter(product::Column::ExternalId.eq(external_id))
        .exists()
        .await?;
    if !taken {
        return Ok(());
    }
    Err(
        Error::new(Code::Conflict, say!("another product has this external id"))
            .field("externalId"),
    )
}

/// What searches of a product look at. An article number is found with and without what sets its parts
/// apart.
pub(crate) fn search_text(
    name: Option<&String>,
    sku: Option<&String>,
    external_id: Option<&str>,
) -> String {
    let compact: Option<String> =
        sku.map(|sku| sku.chars().filter(|c| c.is_alphanumeric()).collect());
    let parts: Vec<&str> = [
        name.map(String::as_str),
        sku.map(String::as_str),
        compact.as_deref(),
        external_id,
    ]
    .into_iter()
    .flatten()
    .collect();
    text::search_text(&parts)
}

fn set<V>(value: Option<V>) -> ActiveValue<V>
where
    V: Into<sea_orm::Value>,
{
    value.map_or(NotSet, Set)
}
