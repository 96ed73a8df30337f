//! `products.csv`: what is sold. Categories are found by name, or made. The stock of a product is taken from
//! the file when the product is new; from then on movements keep it.

use std::collections::{BTreeMap, HashMap};

use entity::{CategoryId, MovementKind, ProductId, StockMovementId};
use entity::{product, product_category, stock_level, stock_movement};
use sea_orm::ActiveValue::{NotSet, Set};

use super::read::{Columns, Problem, Row, amount, any_amount, count, flag};
use super::{FileKind, Known, Run, Work, by_key, look_up, values_of};
use crate::db::{Session, Tx, Visible};
use crate::domain::money::CurrencyCode;
use crate::domain::products::{MAX_SKU, MAX_UNIT};
use crate::domain::{products, text};
use crate::error::Result;

pub(super) const COLUMNS: Columns = Columns {
    required: &["external_id", "name", "list_price", "currency"],
    optional: &[
        "sku",
        "category",
        "unit",
        "stock_on_hand",
        "reorder_level",
        "discontinued",
        "may_back_order",
    ],
};

const KIND: FileKind = FileKind::Products;

/// What one of a product is when the file does not say.
const DEFAULT_UNIT: &str = "piece";

pub(super) async fn import(run: &mut Run<'_>) -> Result<()> {
    let Some(table) = run.take(KIND) else {
        return Ok(());
    };
    let session = run.session.clone();
    let keys = values_of(&table, "external_id");
    let found = look_up::<product::Entity>(&session, product::Column::ExternalId, keys).await?;
    let present = by_key(found, |product| product.external_id.clone());
    let mut skus = values_of(&table, "sku");
    skus.extend(values_of(&table, "external_id"));
    let holders = look_up::<product::Entity>(&session, product::Column::Sku, skus).await?;
    let mut skus: HashMap<String, ProductId> = holders
        .iter()
        .map(|product| (product.sku.clone(), product.id))
        .collect();
    let mut categories = Categories::load(&session).await?;
    let mut stock: HashMap<ProductId, i64> = HashMap::new();
    let planned = run.plan::<product::Entity, _>(KIND, &table, &present, |known, row, found| {
        let mut planner = Planner {
            session: &session,
            known,
            skus: &mut skus,
            categories: &mut categories,
            stock: &mut stock,
        };
        planner.row(row, found)
    });
    if !run.is_trial && !categories.new.is_empty() {
        let rows: Vec<_> = categories.new.values().cloned().collect();
        run.session
            .write(move |tx| {
                let rows = rows.clone();
                async move {
                    tx.insert_all::<product_category::Entity>(rows).await?;
                    Ok(())
                }
            })
            .await?;
    }
    let all: Vec<String> = planned.iter().map(|one| one.external_id.clone()).collect();
    let written = run
        .write(KIND, planned, 400, move |tx, chunk| {
            let stock = stock.clone();
            async move {
                let mut new = Vec::new();
                for planned in chunk.iter() {
                    match planned.work.clone() {
                        Work::Create(row) => new.push(row),
                        Work::Update(present, changes) => {
                            tx.update::<product::Entity>(&present, None, changes)
                                .await?;
                        }
                    }
                }
                create(&tx, new, &stock).await
            }
        })
        .await?;
    for external_id in all {
        let went_in = written.iter().any(|one| one.external_id == external_id);
        if !went_in && !present.contains_key(&external_id) {
            run.known.products.remove(&external_id);
        }
    }
    run.count_written(KIND, &written);
    Ok(())
}

async fn create(
    tx: &Tx,
    rows: Vec<product::ActiveModel>,
    stock: &HashMap<ProductId, i64>,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let products = tx.insert_all::<product::Entity>(rows).await?;
    let on_hand = |product: &product::Model| stock.get(&product.id).copied().unwrap_or_default();
    let levels = products
        .iter()
        .map(|product| stock_level::ActiveModel {
            product_id: Set(product.id),
            on_hand: Set(on_hand(product)),
            reserved: Set(0),
            updated_at: Set(tx.now()),
        })
        .collect();
    tx.insert_all::<stock_level::Entity>(levels).await?;
    let movements: Vec<_> = products
        .iter()
        .filter(|product| on_hand(product) > 0)
        .map(|product| stock_movement::ActiveModel {
            id: Set(StockMovementId(uuid::Uuid::now_v7())),
            product_id: Set(product.id),
            kind: Set(MovementKind::Receipt),
            on_hand_delta: Set(on_hand(product)),
            reserved_delta: Set(0),
            order_id: Set(None),
            user_id: Set(None),
            note: Set(Some("Imported".to_owned())),
            occurred_at: Set(tx.now()),
        })
        .collect();
    tx.insert_all::<stock_movement::Entity>(movements).await?;
    Ok(())
}

/// The categories there are, and those to make.
struct Categories {
    by_name: HashMap<String, CategoryId>,
    new: BTreeMap<String, product_category::ActiveModel>,
}

impl Categories {
    async fn load(session: &Session) -> Result<Self> {
        let rows = session.select::<product_category::Entity>().all().await?;
        Ok(Self {
            by_name: rows
                .iter()
                .map(|category| (category.name.clone(), category.id))
                .collect(),
            new: BTreeMap::new(),
        })
    }

    fn id_of(&mut self, name: String, session: &Session) -> CategoryId {
        if let Some(id) = self.by_name.get(&name) {
            return *id;
        }
        let id = CategoryId(uuid::Uuid::now_v7());
        let now = session.now();
        let row = product_category::ActiveModel {
            id: Set(id),
            external_id: Set(None),
            name_sort: Set(text::name_sort(&name)),
            name: Set(name.clone()),
            parent_id: Set(None),
            version: Set(1),
            created_at: Set(now),
            updated_at: Set(now),
            archived_at: Set(None),
        };
        self.new.insert(name.clone(), row);
        self.by_name.insert(name, id);
        id
    }
}

struct Planner<'a> {
    session: &'a Session,
    known: &'a mut Known,
    skus: &'a mut HashMap<String, ProductId>,
    categories: &'a mut Categories,
    stock: &'a mut HashMap<ProductId, i64>,
}

impl Planner<'_> {
    fn row(
        &mut self,
        row: Row<'_>,
        present: Option<&Visible<product::Model>>,
    ) -> Result<product::ActiveModel, Problem> {
        let external_id = row.raw("external_id");
        let name = row.demand("name", |name| text::text("name", name, 200));
        let currency = row.demand("currency", CurrencyCode::parse);
        let price = match &currency {
            Ok(currency) => row.demand("list_price", |price| amount(price, *currency)),
            Err(_) => row.demand("list_price", any_amount),
        };
        let unit = row.parse("unit", |unit| text::text("unit", unit, MAX_UNIT));
        let sku = row.parse("sku", |sku| text::text("sku", sku, MAX_SKU));
        let reorder_level = row.parse("reorder_level", count);
        let on_hand = row.parse("stock_on_hand", count);
        let is_discontinued = row.parse("discontinued", flag);
        let may_back_order = row.parse("may_back_order", flag);
        let category = row.parse("category", |name| text::text("category", name, 200));
        // Only now may the first that is wrong end it: all of them are told.
        let (name, currency, price, unit, sku) = (name?, currency?, price?, unit?, sku?);
        let (reorder_level, on_hand, category) = (reorder_level?, on_hand?, category?);
        let (is_discontinued, may_back_order) = (is_discontinued?, may_back_order?);
        let id = present.map_or_else(|| ProductId(uuid::Uuid::now_v7()), |product| product.id);
        let sku = match (sku, present) {
            (Some(sku), _) => sku,
            (None, Some(present)) => present.sku.clone(),
            (None, None) => external_id.to_owned(),
        };
        let unit = match (unit, present) {
            (Some(unit), _) => unit,
            (None, Some(present)) => present.unit.clone(),
            (None, None) => DEFAULT_UNIT.to_owned(),
        };
        // Only a row that is otherwise right takes its article number and makes its category.
        if *self.skus.entry(sku.clone()).or_insert(id) != id {
            return Err(row.problem("sku", "another product has this article number"));
        }
        let category_id = match category {
            Some(name) => Set(Some(self.categories.id_of(name, self.session))),
            None if row.has("category") => Set(None),
            None => NotSet,
        };
        self.known.products.insert(external_id.to_owned(), id);
        let common = product::ActiveModel {
            search_text: Set(products::search_text(
                Some(&name),
                Some(&sku),
                Some(external_id),
            )),
            name_sort: Set(text::name_sort(&name)),
            name: Set(name),
            sku: Set(sku),
            unit: Set(unit),
            list_price_minor: Set(price),
            currency: Set(currency.as_str().to_owned()),
            category_id,
            ..Default::default()
        };
        if present.is_some() {
            return Ok(product::ActiveModel {
                is_active: is_discontinued.map_or(NotSet, |gone| Set(!gone)),
                may_back_order: may_back_order.map_or(NotSet, Set),
                reorder_level: reorder_level.map_or(NotSet, Set),
                ..common
            });
        }
        self.stock.insert(id, on_hand.unwrap_or_default());
        let now = self.session.now();
        Ok(product::ActiveModel {
            id: Set(id),
            external_id: Set(Some(external_id.to_owned())),
            is_active: Set(!is_discontinued.unwrap_or_default()),
            may_back_order: Set(may_back_order.unwrap_or_default()),
            reorder_level: Set(reorder_level.unwrap_or_default()),
            version: Set(1),
            created_at: Set(now),
            updated_at: Set(now),
            ..common
        })
    }
}
