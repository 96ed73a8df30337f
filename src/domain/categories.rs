//! Categories: groups of products, which may lie within groups. Knows no prices and no stock.

use entity::{CategoryId, product, product_category};
use sea_orm::ActiveValue::Set;
use sea_orm::ColumnTrait;

use super::text;
use crate::db::{Tx, Visible};
use crate::error::{Code, Error, Result};
use crate::say;

/// How many groups can lie within one another.
pub const MAX_DEPTH: usize = 10;

/// A category to be.
#[derive(Clone, Debug)]
pub struct NewCategory {
    /// An id the caller chose.
    pub id: Option<CategoryId>,
    /// Its id in another system.
    pub external_id: Option<String>,
    /// Its name.
    pub name: String,
    /// The category it lies in; none at the top.
    pub parent: Option<CategoryId>,
}

/// Changes to a category. An outer `None` keeps what is there; an inner `None` clears it.
#[derive(Clone, Debug, Default)]
pub struct CategoryPatch {
    /// Its name.
    pub name: Option<String>,
    /// The category it lies in.
    pub parent: Option<Option<CategoryId>>,
}

/// Adds a category. With an id that exists and equal content it answers the category that is there.
///
/// # Errors
/// `FORBIDDEN`, `BAD_USER_INPUT`, `NOT_FOUND` for the parent; `CONFLICT` for an id or external id that is
/// taken; `RULE_VIOLATED` `categories.archived`, `categories.too_deep`.
pub async fn create(tx: &Tx, new: NewCategory) -> Result<Visible<product_category::Model>> {
    tx.require_writer::<product_category::Entity>()?;
    let NewCategory {
        id,
        external_id,
        name,
        parent,
    } = new;
    let name = text::text("name", &name, 100)?;
    let external_id = text::optional_text("externalId", external_id.as_deref(), 100)?;
    let now = tx.now();
    let row = product_category::ActiveModel {
        id: Set(id.unwrap_or_else(|| tx.new_id())),
        external_id: Set(external_id.clone()),
        name_sort: Set(text::name_sort(&name)),
        name: Set(name),
        parent_id: Set(parent),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        archived_at: Set(None),
    };
    if let Some(existing) = tx.existing::<product_category::Entity>(id, &row).await? {
        return Ok(existing);
    }
    check_external_id(tx, external_id.as_deref()).await?;
    if let Some(parent) = parent {
        check_parent(tx, None, parent).await?;
    }
    tx.insert::<product_category::Entity>(row).await
}

/// Changes a category whose version is still `version`.
///
/// # Errors
/// `FORBIDDEN`, `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`; `RULE_VIOLATED` `categories.circle`,
/// `categories.too_deep`, `categories.archived` for the parent.
pub async fn update(
    tx: &Tx,
    id: CategoryId,
    version: i64,
    patch: CategoryPatch,
) -> Result<Visible<product_category::Model>> {
    tx.require_writer::<product_category::Entity>()?;
    let category = tx.lock::<product_category::Entity>(id).await?;
    let CategoryPatch { name, parent } = patch;
    let mut row = product_category::ActiveModel::default();
    if let Some(name) = name {
        let name = text::text("name", &name, 100)?;
        row.name_sort = Set(text::name_sort(&name));
        row.name = Set(name);
    }
    if let Some(parent) = parent
        && parent != category.parent_id
    {
        if let Some(parent) = parent {
            check_parent(tx, Some(&category), parent).await?;
        }
        row.parent_id = Set(parent);
    }
    tx.update::<product_category::Entity>(&category, Some(version), row)
        .await
}

/// Hides a category from lists. It must be empty: no product and no category in use lies in it.
///
/// # Errors
/// `FORBIDDEN`, `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED` `categories.already_archived`,
/// `categories.not_empty`.
pub async fn archive(
    tx: &Tx,
    id: CategoryId,
    version: i64,
) -> Result<Visible<product_category::Model>> {
    tx.require_writer::<product_category::Entity>()?;
    let category = tx.lock::<product_category::Entity>(id).await?;
    if category.archived_at.is_some() {
        return Err(Error::rule(
            "categories.already_archived",
            say!("this category is archived already"),
        ));
    }
    let has_products = tx
        .select::<product::Entity>()
        .filter(product::Column::CategoryId.eq(id))
        .filter(product::Column::ArchivedAt.is_null())
        .exists()
        .await?;
    let has_categories = tx
        .select::<product_category::Entity>()
        .filter(product_category::Column::ParentId.eq(id))
        .filter(product_category::Column::ArchivedAt.is_null())
        .exists()
        .await?;
    if has_products || has_categories {
        return Err(Error::rule(
            "categories.not_empty",
            say!("products or categories lie in this category; move or archive them first"),
        ));
    }
    let row = product_category::ActiveModel {
        archived_at: Set(Some(tx.now())),
        ..Default::default()
    };
    tx.update::<product_category::Entity>(&category, Some(version), row)
        .await
}

/// Brings an archived category back.
///
/// # Errors
/// `FORBIDDEN`, `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED` `categories.not_archived`,
/// `categories.archived` while the category it lies in is archived.
pub async fn restore(
    tx: &Tx,
    id: CategoryId,
    version: i64,
) -> Result<Visible<product_category::Model>> {
    tx.require_writer::<product_category::Entity>()?;
    let category = tx.lock::<product_category::Entity>(id).await?;
    if category.archived_at.is_none() {
        return Err(Error::rule(
            "categories.not_archived",
            say!("this category is not archived"),
        ));
    }
    if let Some(parent) = category.parent_id {
        require_in_use(tx, parent).await?;
    }
    let row = product_category::ActiveModel {
        archived_at: Set(None),
        ..Default::default()
    };
    tx.update::<product_category::Entity>(&category, Some(version), row)
        .await
}

/// The category with this id, held until the transaction ends, so that it is not archived while something
/// is put into it.
///
/// # Errors
/// `NOT_FOUND`; `RULE_VIOLATED` `categories.archived`.
pub async fn require_in_use(tx: &Tx, id: CategoryId) -> Result<Visible<product_category::Model>> {
    let category = tx.lock::<product_category::Entity>(id).await?;
    if category.archived_at.is_none() {
        return Ok(category);
    }
    Err(Error::rule(
        "categories.archived",
        say!("this category is archived; restore it first"),
    ))
}

async fn check_external_id(tx: &Tx, external_id: Option<&str>) -> Result<()> {
    let Some(external_id) = external_id else {
        return Ok(());
    };
    let taken = tx
        .select::<product_category::Entity>()
        .filter(product_category::Column::ExternalId.eq(external_id))
        .exists()
        .await?;
    if !taken {
        return Ok(());
    }
    Err(Error::new(
        Code::Conflict,
        say!("another category has this external id"),
    )
    .field("externalId"))
}

/// A parent must be in use, not the category itself nor one within it, and leave room below it. All that
/// lie above are held: two moves at once could otherwise make a circle.
async fn check_parent(
    tx: &Tx,
    category: Option<&Visible<product_category::Model>>,
    parent: CategoryId,
) -> Result<()> {
    let too_deep = || {
        Error::rule(
            "categories.too_deep",
            say!(
                "categories lie at most {most} deep within one another",
                most = MAX_DEPTH
            ),
        )
        .field("parentId")
    };
    let mut above = 1;
    let mut next = require_in_use(tx, parent)
        .await
        .map_err(|error| error.field("parentId"))?;
    loop {
        if category.is_some_and(|category| category.id == next.id) {
            return Err(Error::rule(
                "categories.circle",
                say!("a category cannot lie in itself or in one that lies in it"),
            )
            .field("parentId"));
        }
        if above >= MAX_DEPTH {
            return Err(too_deep());
        }
        let Some(parent) = next.parent_id else {
            break;
        };
        next = tx.lock::<product_category::Entity>(parent).await?;
        above += 1;
    }
    let Some(category) = category else {
        return Ok(());
    };
    // The levels below move along.
    let mut level = vec![category.id];
    for _ in above..MAX_DEPTH {
        let below = tx
            .select::<product_category::Entity>()
            .filter(product_category::Column::ParentId.is_in(level))
            .all()
            .await?;
        if below.is_empty() {
            return Ok(());
        }
        level = below.iter().map(|row| row.id).collect();
    }
    Err(too_deep())
}
