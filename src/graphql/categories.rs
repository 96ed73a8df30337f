//! Categories of products on the wire.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::{CategoryId, product, product_category};
use sea_orm::Condition;

use super::clients::Archived;
use super::connection::{Connection, Node, binding};
use super::context::{nullable, session, write};
use super::direct::ready;
use super::filters::{CategoryIdFilter, FilterTree, StringFilter, filter_tree};
use super::input::{optional, required};
use super::products::{self, Product, ProductFilter, ProductOrder};
use super::scalars::{DateTime, int};
use crate::db::{Children, KeyKind, PageRequest, ScopedSelect, Session, Sort, SortKey, Visible};
use crate::domain::categories::{self, CategoryPatch, NewCategory};
use crate::error::Result;

/// A category: a group of products. Categories may lie within categories, at most 10 deep.
#[derive(Clone)]
pub struct Category(pub Visible<product_category::Model>);

impl From<Visible<product_category::Model>> for Category {
    fn from(row: Visible<product_category::Model>) -> Self {
        Self(row)
    }
}

impl Node for Category {
    type Entity = product_category::Entity;
}

ready!(
    Category: "id" | "externalId" | "name" | "version" | "createdAt" | "updatedAt" | "archivedAt";
);

/// A category: a group of products. Categories may lie within categories, at most 10 deep.
#[Object]
impl Category {
    /// The id.
    pub async fn id(&self) -> CategoryId {
        self.0.id
    }

    /// The id in another system, unique among categories, by which imports find it again.
    async fn external_id(&self) -> Option<&str> {
        self.0.external_id.as_deref()
    }

    /// The name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The category it lies in; null at the top.
    async fn parent(&self, ctx: &Context<'_>) -> Option<Result<Category>> {
        nullable(
            async {
                let parent = session(ctx)?
                    .one_of::<product_category::Entity, _, _>(&self.0, "parent", |row| {
                        row.parent_id
                    })
                    .await?;
                Ok(parent.map(Category))
            }
            .await,
        )
    }

    /// The categories that lie in it, by name.
    async fn children(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which categories; all in use when absent.")] filter: Option<
            CategoryFilter,
        >,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Category>> {
        let session = session(ctx)?;
        let page = PageRequest::new(
            first,
            after,
            last,
            before,
            binding("categories", &filter, &()),
        )?;
        let children = Children {
            parent: product_category::Column::ParentId,
            select: select(session, filter.as_ref())?,
        };
        let own = |row: &product_category::Model| row.id.0;
        Connection::children(session, &self.0, "children", own, children, &sort(), &page).await
    }

    /// The products that lie in it directly; those of categories within it are not listed.
    async fn products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which products; all in use when absent.")] filter: Option<ProductFilter>,
        #[graphql(desc = "How they are sorted; by name when absent.")] order_by: Option<
            ProductOrder,
        >,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Product>> {
        let session = session(ctx)?;
        let order_by = order_by.unwrap_or_default();
        let page = PageRequest::new(
            first,
            after,
            last,
            before,
            binding("products", &filter, &order_by),
        )?;
        let children = Children {
            parent: product::Column::CategoryId,
            select: products::select(session, filter.as_ref())?,
        };
        let own = |row: &product_category::Model| row.id.0;
        let sort = order_by.sort();
        Connection::children(session, &self.0, "products", own, children, &sort, &page).await
    }

    /// The number of writes to this category; send it back with an update.
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

/// Which categories. All parts that are given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct CategoryFilter {
    /// By id.
    id: Option<CategoryIdFilter>,
    /// By the id in another system.
    external_id: Option<StringFilter>,
    /// By name.
    name: Option<StringFilter>,
    /// By the category they lie in; `isNull: true` keeps those at the top.
    parent_id: Option<CategoryIdFilter>,
    /// Whether archived categories are listed; by default they are not.
    archived: Option<Archived>,
    /// All of these must hold.
    and: Option<Vec<CategoryFilter>>,
    /// One of these must hold.
    or: Option<Vec<CategoryFilter>>,
    /// This must not hold.
    not: Option<Box<CategoryFilter>>,
}

filter_tree!(CategoryFilter);

impl CategoryFilter {
    fn condition(&self) -> Result<Condition> {
        self.check_size()?;
        let Self {
            id,
            external_id,
            name,
            parent_id,
            archived: _,
            and: _,
            or: _,
            not: _,
        } = self;
        use product_category::Column;
        let mut all = Condition::all();
        if let Some(filter) = id {
            all = all.add(filter.condition("id", Column::Id)?);
        }
        if let Some(filter) = external_id {
            all = all.add(filter.code_condition("externalId", Column::ExternalId)?);
        }
        if let Some(filter) = name {
            all = all.add(filter.condition("name", Column::Name, Column::NameSort)?);
        }
        if let Some(filter) = parent_id {
            all = all.add(filter.condition("parentId", Column::ParentId)?);
        }
        self.and_branches(all, Self::condition)
    }
}

/// The categories that `filter` keeps.
///
/// # Errors
/// `BAD_USER_INPUT` for a filter that makes no sense.
pub fn select(
    session: &Session,
    filter: Option<&CategoryFilter>,
) -> Result<ScopedSelect<product_category::Entity>> {
    let archived = filter
        .and_then(|filter| filter.archived)
        .unwrap_or_default();
    let select = session
        .select::<product_category::Entity>()
        .filter(archived.condition(product_category::Column::ArchivedAt));
    match filter {
        Some(filter) => {
            Ok(select.filter(filter.condition().map_err(|error| error.under("filter"))?))
        }
        None => Ok(select),
    }
}

/// By name, A to Z.
fn sort() -> Sort {
    Sort::ascending(vec![SortKey::column(
        product_category::Column::NameSort,
        KeyKind::Text,
    )])
}

/// Reading categories.
#[derive(Default)]
pub struct CategoryQuery;

#[Object]
impl CategoryQuery {
    /// The categories of products, by name, A to Z; Chinese names by pinyin.
    async fn categories(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which categories; all in use when absent.")] filter: Option<
            CategoryFilter,
        >,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Category>> {
        let session = session(ctx)?;
        let page = PageRequest::new(
            first,
            after,
            last,
            before,
            binding("categories", &filter, &()),
        )?;
        Connection::list(select(session, filter.as_ref())?, &sort(), &page).await
    }

    /// The category with this id; null when there is none.
    async fn category(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the category.")] id: CategoryId,
    ) -> Option<Result<Category>> {
        nullable(
            async {
                let category = session(ctx)?
                    .select::<product_category::Entity>()
                    .id(id)
                    .find()
                    .await?;
                Ok(category.map(Category))
            }
            .await,
        )
    }
}

/// A category to add.
#[derive(Clone, Debug, InputObject)]
pub struct CategoryCreateInput {
    /// An id made by the caller (`category_` and a UUID, best of version 7). Sending the same create again with it answers the category that is there.
    id: Option<CategoryId>,
    /// The id in another system, unique among categories, at most 100 characters.
    external_id: Option<String>,
    /// The name, 1 to 100 characters.
    name: String,
    /// The category it lies in; at the top when absent.
    parent_id: Option<CategoryId>,
}

/// Changes to a category. A field that is absent stays as it is.
#[derive(Clone, Debug, InputObject)]
pub struct CategoryUpdateInput {
    /// The category.
    id: CategoryId,
    /// The version you saw.
    version: i32,
    /// A new name, 1 to 100 characters.
    name: MaybeUndefined<String>,
    /// The category it lies in; null puts it at the top.
    parent_id: MaybeUndefined<CategoryId>,
}

/// Names a category in the version you saw.
#[derive(Clone, Debug, InputObject)]
pub struct CategoryVersionInput {
    /// The category.
    id: CategoryId,
    /// The version you saw.
    version: i32,
}

/// The category after the change.
#[derive(SimpleObject)]
pub struct CategoryPayload {
    /// The category.
    category: Category,
}

impl From<Visible<product_category::Model>> for CategoryPayload {
    fn from(row: Visible<product_category::Model>) -> Self {
        Self {
            category: Category(row),
        }
    }
}

/// Writing categories.
#[derive(Default)]
pub struct CategoryMutation;

#[Object]
impl CategoryMutation {
    /// Adds a category. For managers and administrators.
    async fn category_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The category to add.")] input: CategoryCreateInput,
    ) -> Result<CategoryPayload> {
        let CategoryCreateInput {
            id,
            external_id,
            name,
            parent_id,
        } = input;
        let new = NewCategory {
            id,
            external_id,
            name,
            parent: parent_id,
        };
        let row = write(ctx, move |tx| {
            let new = new.clone();
            async move { categories::create(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Renames or moves a category. For managers and administrators.
    async fn category_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The category and the changes.")] input: CategoryUpdateInput,
    ) -> Result<CategoryPayload> {
        let CategoryUpdateInput {
            id,
            version,
            name,
            parent_id,
        } = input;
        let patch = CategoryPatch {
            name: required("name", name).map_err(|error| error.under("input"))?,
            parent: optional(parent_id),
        };
        let row = write(ctx, move |tx| {
            let patch = patch.clone();
            async move { categories::update(&tx, id, i64::from(version), patch).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Hides a category from lists; no product and no category in use may lie in it. For managers and administrators.
    async fn category_archive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The category to hide.")] input: CategoryVersionInput,
    ) -> Result<CategoryPayload> {
        let CategoryVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            categories::archive(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Brings an archived category back. For managers and administrators.
    async fn category_restore(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The category to bring back.")] input: CategoryVersionInput,
    ) -> Result<CategoryPayload> {
        let CategoryVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            categories::restore(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }
}
