//! Products on the wire.

use async_graphql::{Context, Enum, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::{CategoryId, ProductId, product, product_category};
use sea_orm::{ColumnTrait, Condition, IntoSimpleExpr};

use super::categories::Category;
use super::clients::Archived;
use super::connection::{Connection, Node, binding};
use super::context::{nullable, session, write};
use super::direct::ready;
use super::filters::{
    CategoryIdFilter, DateTimeFilter, FilterTree, ProductIdFilter, StringFilter, filter_tree,
};
use super::input::{optional, required};
use super::scalars::{DateTime, Money, MoneyInput, int};
use super::stock::{self, Stock, StockMovement};
use crate::db::{KeyKind, PageRequest, ScopedSelect, Session, Sort, SortKey, Visible};
use crate::domain::products::{self, NewProduct, ProductPatch};
use crate::error::Result;

/// A product: something that is sold, at a list price per unit.
#[derive(Clone)]
pub struct Product(pub Visible<product::Model>);

impl From<Visible<product::Model>> for Product {
    fn from(row: Visible<product::Model>) -> Self {
        Self(row)
    }
}

impl Node for Product {
    type Entity = product::Entity;
}

ready!(
    Product: "id" | "externalId" | "sku" | "name" | "unit" | "listPrice" | "isActive" | "mayBackOrder" |
        "reorderLevel" | "version" | "createdAt" | "updatedAt" | "archivedAt";
);

/// A product: something that is sold, at a list price per unit.
#[Object]
impl Product {
    /// The id.
    pub async fn id(&self) -> ProductId {
        self.0.id
    }

    /// The id in another system, unique among products, by which imports find it again.
    async fn external_id(&self) -> Option<&str> {
        self.0.external_id.as_deref()
    }

    /// The article number, unique among products.
    async fn sku(&self) -> &str {
        &self.0.sku
    }

    /// The name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The category it lies in.
    async fn category(&self, ctx: &Context<'_>) -> Option<Result<Category>> {
        nullable(
            async {
                let category = session(ctx)?
                    .one_of::<product_category::Entity, _, _>(&self.0, "category", |row| {
                        row.category_id
                    })
                    .await?;
                Ok(category.map(Category))
            }
            .await,
        )
    }

    /// What one of it is, such as `box` or `kg`. Prices and quantities are per unit.
    async fn unit(&self) -> &str {
        &self.0.unit
    }

    /// The price of one unit before any discount.
    async fn list_price(&self) -> Result<Money> {
        Money::new(self.0.list_price_minor, &self.0.currency)
    }

    /// Whether it is for sale. What is not can be put on no new order.
    async fn is_active(&self) -> bool {
        self.0.is_active
    }

    /// Whether more of it can be ordered than is free in stock.
    async fn may_back_order(&self) -> bool {
        self.0.may_back_order
    }

    /// The free quantity, in units, below which it should be bought again.
    async fn reorder_level(&self) -> Result<i32> {
        int(self.0.reorder_level)
    }

    /// What there is of it.
    async fn stock(&self, ctx: &Context<'_>) -> Option<Result<Stock>> {
        nullable(async { stock::of_product(session(ctx)?, &self.0).await }.await)
    }

    /// Why what is on hand changed, newest first. Only managers and administrators see any.
    async fn stock_movements(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<StockMovement>> {
        let page = PageRequest::new(first, after, last, before, "stockMovements")?;
        stock::movements_of_product(session(ctx)?, &self.0, &page).await
    }

    /// The number of writes to this product; send it back with an update. Stock does not count.
    async fn version(&self) -> Result<i32> {
        int(self.0.version)
    }

    /// When it was recorded.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it was last changed. Stock does not count.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// When it was archived; null while it is in use.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.archived_at.map(DateTime)
    }
}

/// Which products. All parts that are given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ProductFilter {
    /// Found by what a person types: parts of the name or the article number, pinyin or its initials, an external id. At least two letters or digits, or one Chinese character; all words must be found.
    search: Option<String>,
    /// By id.
    id: Option<ProductIdFilter>,
    /// By the id in another system.
    external_id: Option<StringFilter>,
    /// By article number.
    sku: Option<StringFilter>,
    /// By name.
    name: Option<StringFilter>,
    /// By the category they lie in directly; `isNull: true` keeps those in none.
    category_id: Option<CategoryIdFilter>,
    /// Whether they are for sale.
    is_active: Option<bool>,
    /// Whether more can be ordered than is free in stock.
    may_back_order: Option<bool>,
    /// Whether less is free than the reorder level.
    below_reorder_level: Option<bool>,
    /// By when it was last changed.
    updated_at: Option<DateTimeFilter>,
    /// Whether archived products are listed; by default they are not.
    archived: Option<Archived>,
    /// All of these must hold.
    and: Option<Vec<ProductFilter>>,
    /// One of these must hold.
    or: Option<Vec<ProductFilter>>,
    /// This must not hold.
    not: Option<Box<ProductFilter>>,
}

filter_tree!(ProductFilter);

impl ProductFilter {
    fn condition(&self) -> Result<Condition> {
        self.check_size()?;
        let Self {
            search,
            id,
            external_id,
            sku,
            name,
            category_id,
            is_active,
            may_back_order,
            below_reorder_level,
            updated_at,
            archived: _,
            and: _,
            or: _,
            not: _,
        } = self;
        use product::Column;
        let mut all = Condition::all();
        if let Some(search) = search {
            all = all.add(products::matching(search)?);
        }
        if let Some(filter) = id {
            all = all.add(filter.condition("id", Column::Id)?);
        }
        if let Some(filter) = external_id {
            all = all.add(filter.code_condition("externalId", Column::ExternalId)?);
        }
        if let Some(filter) = sku {
            all = all.add(filter.code_condition("sku", Column::Sku)?);
        }
        if let Some(filter) = name {
            all = all.add(filter.condition("name", Column::Name, Column::NameSort)?);
        }
        if let Some(filter) = category_id {
            all = all.add(filter.condition("categoryId", Column::CategoryId)?);
        }
        if let Some(is_active) = is_active {
            all = all.add(Column::IsActive.eq(*is_active));
        }
        if let Some(may_back_order) = may_back_order {
            all = all.add(Column::MayBackOrder.eq(*may_back_order));
        }
        match below_reorder_level {
            Some(true) => all = all.add(crate::db::below_reorder_level()),
            Some(false) => all = all.add(crate::db::below_reorder_level().not()),
            None => {}
        }
        if let Some(filter) = updated_at {
            let column = Column::UpdatedAt.into_simple_expr();
            all = all.add(filter.condition("updatedAt", &column)?);
        }
        self.and_branches(all, Self::condition)
    }
}

/// How products are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum ProductOrder {
    /// By name, A to Z; Chinese names by pinyin.
    #[default]
    NameAsc,
    /// By name, Z to A.
    NameDesc,
    /// By article number, A to Z, capitals before small letters.
    SkuAsc,
    /// By article number, Z to A.
    SkuDesc,
    /// Last changed first.
    UpdatedAtDesc,
    /// Last changed last.
    UpdatedAtAsc,
}

impl ProductOrder {
    /// The order of rows.
    pub fn sort(self) -> Sort {
        use product::Column;
        let by = |column: Column, kind| vec![SortKey::column(column, kind)];
        match self {
            Self::NameAsc => Sort::ascending(by(Column::NameSort, KeyKind::Text)),
            Self::NameDesc => Sort::descending(by(Column::NameSort, KeyKind::Text)),
            Self::SkuAsc => Sort::ascending(by(Column::Sku, KeyKind::Text)),
            Self::SkuDesc => Sort::descending(by(Column::Sku, KeyKind::Text)),
            Self::UpdatedAtDesc => Sort::descending(by(Column::UpdatedAt, KeyKind::Instant)),
            Self::UpdatedAtAsc => Sort::ascending(by(Column::UpdatedAt, KeyKind::Instant)),
        }
    }
}

/// The products that `filter` keeps.
///
/// # Errors
/// `BAD_USER_INPUT` for a filter that makes no sense.
pub fn select(
    session: &Session,
    filter: Option<&ProductFilter>,
) -> Result<ScopedSelect<product::Entity>> {
    let archived = filter
        .and_then(|filter| filter.archived)
        .unwrap_or_default();
    let select = session
        .select::<product::Entity>()
        .filter(archived.condition(product::Column::ArchivedAt));
    match filter {
        Some(filter) => {
            Ok(select.filter(filter.condition().map_err(|error| error.under("filter"))?))
        }
        None => Ok(select),
    }
}

/// Reading products.
#[derive(Default)]
pub struct ProductQuery;

#[Object]
impl ProductQuery {
    /// The products; everybody who is signed in sees all of them.
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
        let select = select(session, filter.as_ref())?;
        Connection::list(select, &order_by.sort(), &page).await
    }

    /// The product with this id; null when there is none.
    async fn product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the product.")] id: ProductId,
    ) -> Option<Result<Product>> {
        nullable(
            async {
                let product = session(ctx)?
                    .select::<product::Entity>()
                    .id(id)
                    .find()
                    .await?;
                Ok(product.map(Product))
            }
            .await,
        )
    }
}

/// A product to add.
#[derive(Clone, Debug, InputObject)]
pub struct ProductCreateInput {
    /// An id made by the caller (`product_` and a UUID, best of version 7). Sending the same create again with it answers the product that is there.
    id: Option<ProductId>,
    /// The id in another system, unique among products, at most 100 characters.
    external_id: Option<String>,
    /// The article number, unique among products, 1 to 60 characters; white space around it is dropped.
    sku: String,
    /// The name, 1 to 200 characters.
    name: String,
    /// The category it lies in.
    category_id: Option<CategoryId>,
    /// What one of it is, such as `box` or `kg`, 1 to 40 characters.
    unit: String,
    /// The price of one unit before any discount, 0 or more.
    list_price: MoneyInput,
    /// Whether it is for sale.
    #[graphql(default = true)]
    is_active: bool,
    /// Whether more of it can be ordered than is free in stock.
    #[graphql(default = false)]
    may_back_order: bool,
    /// The free quantity, in units, below which it should be bought again: 0 to 1,000,000,000.
    #[graphql(default = 0)]
    reorder_level: i32,
}

/// Changes to a product. A field that is absent stays as it is. Orders keep the name and price they were written with.
#[derive(Clone, Debug, InputObject)]
pub struct ProductUpdateInput {
    /// The product.
    id: ProductId,
    /// The version you saw.
    version: i32,
    /// A new article number, unique among products, 1 to 60 characters.
    sku: MaybeUndefined<String>,
    /// A new name, 1 to 200 characters.
    name: MaybeUndefined<String>,
    /// The category it lies in; null takes it out of any.
    category_id: MaybeUndefined<CategoryId>,
    /// What one of it is, 1 to 40 characters.
    unit: MaybeUndefined<String>,
    /// A new price of one unit, with its currency, 0 or more.
    list_price: MaybeUndefined<MoneyInput>,
    /// Whether it is for sale.
    is_active: MaybeUndefined<bool>,
    /// Whether more of it can be ordered than is free in stock.
    may_back_order: MaybeUndefined<bool>,
    /// The free quantity, in units, below which it should be bought again: 0 to 1,000,000,000.
    reorder_level: MaybeUndefined<i32>,
}

impl ProductUpdateInput {
    fn parse(self) -> Result<(ProductId, i64, ProductPatch)> {
        let Self {
            id,
            version,
            sku,
            name,
            category_id,
            unit,
            list_price,
            is_active,
            may_back_order,
            reorder_level,
        } = self;
        let list_price = required("listPrice", list_price)?
            .map(|price| price.parse("listPrice"))
            .transpose()?;
        let patch = ProductPatch {
            sku: required("sku", sku)?,
            name: required("name", name)?,
            category: optional(category_id),
            unit: required("unit", unit)?,
            list_price,
            is_active: required("isActive", is_active)?,
            may_back_order: required("mayBackOrder", may_back_order)?,
            reorder_level: required("reorderLevel", reorder_level)?.map(i64::from),
        };
        Ok((id, i64::from(version), patch))
    }
}

/// Names a product in the version you saw.
#[derive(Clone, Debug, InputObject)]
pub struct ProductVersionInput {
    /// The product.
    id: ProductId,
    /// The version you saw.
    version: i32,
}

/// The product after the change.
#[derive(SimpleObject)]
pub struct ProductPayload {
    /// The product.
    product: Product,
}

impl From<Visible<product::Model>> for ProductPayload {
    fn from(row: Visible<product::Model>) -> Self {
        Self {
            product: Product(row),
        }
    }
}

/// Writing products.
#[derive(Default)]
pub struct ProductMutation;

#[Object]
impl ProductMutation {
    /// Adds a product, with nothing of it in stock. For managers and administrators.
    async fn product_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The product to add.")] input: ProductCreateInput,
    ) -> Result<ProductPayload> {
        let ProductCreateInput {
            id,
            external_id,
            sku,
            name,
            category_id,
            unit,
            list_price,
            is_active,
            may_back_order,
            reorder_level,
        } = input;
        let list_price = list_price
            .parse("listPrice")
            .map_err(|error| error.under("input"))?;
        let new = NewProduct {
            id,
            external_id,
            sku,
            name,
            category: category_id,
            unit,
            list_price,
            is_active,
            may_back_order,
            reorder_level: i64::from(reorder_level),
        };
        let row = write(ctx, move |tx| {
            let new = new.clone();
            async move { products::create(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Changes a product. For managers and administrators.
    async fn product_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The product and the changes.")] input: ProductUpdateInput,
    ) -> Result<ProductPayload> {
        let (id, version, patch) = input.parse().map_err(|error| error.under("input"))?;
        let row = write(ctx, move |tx| {
            let patch = patch.clone();
            async move { products::update(&tx, id, version, patch).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Hides a product from lists; what was sold of it stays as it is. For managers and administrators.
    async fn product_archive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The product to hide.")] input: ProductVersionInput,
    ) -> Result<ProductPayload> {
        let ProductVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            products::archive(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Brings an archived product back. For managers and administrators.
    async fn product_restore(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The product to bring back.")] input: ProductVersionInput,
    ) -> Result<ProductPayload> {
        let ProductVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            products::restore(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }
}
