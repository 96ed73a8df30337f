//! Stock changes: one conditional statement for all products of an order, so that what is promised can
//! never go below zero, however many orders race for the last unit.

use std::collections::BTreeMap;

use entity::{OrderId, ProductId, StockMovementId, product, stock_level, stock_movement};
use sea_orm::sea_query::{Expr, ExprTrait, LockType, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DbBackend, EntityTrait, IntoSimpleExpr, QueryFilter,
    QueryTrait, Statement, Value,
};

use super::dialect;
use super::select::decode_all;
use super::tx::Tx;
use super::visible::Visible;
use crate::error::{Error, Result};

/// The most units of one product that can be on hand or promised: far above any warehouse, and their
/// difference still fits the GraphQL `Int`.
pub const MAX_STOCK: i64 = 1_000_000_000;

/// By how much the stock of one product changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockChange {
    /// Which product.
    pub product_id: ProductId,
    /// Change of what lies in stock, in units of the product.
    pub on_hand: i64,
    /// Change of what is promised to orders, in units of the product.
    pub reserved: i64,
}

impl Tx {
    /// Changes stock, all products or, on a refusal, none that the caller may keep: answers the products
    /// that refused, and then the caller must fail.
    ///
    /// What is on hand and what is reserved stay between zero and [`MAX_STOCK`]. More can be reserved than is
    /// on hand only of a product that may be back-ordered; a count that finds less than was promised is
    /// taken as it is.
    ///
    /// The ledger takes up what changed on hand, under `kind`; promises alone leave no trace there.
    ///
    /// # Errors
    /// From the database.
    pub async fn change_stock(
        &self,
        changes: &[StockChange],
        kind: Option<entity::MovementKind>,
        order: Option<OrderId>,
        note: Option<String>,
    ) -> Result<Vec<ProductId>> {
        let mut by_product: BTreeMap<ProductId, (i64, i64)> = BTreeMap::new();
        for change in changes {
            let (on_hand, reserved) = by_product.entry(change.product_id).or_default();
            *on_hand = on_hand.saturating_add(change.on_hand);
            *reserved = reserved.saturating_add(change.reserved);
        }
        if by_product.is_empty() {
            return Ok(Vec::new());
        }
        let mut values: Vec<Value> = vec![self.now().into()];
        let mut cases = Vec::new();
        let mut ids = Vec::new();
        for (product, (on_hand, reserved)) in &by_product {
            let at = values.len();
            values.push((*product).into());
            values.push((*on_hand).into());
            values.push((*reserved).into());
            cases.push((at + 1, at + 2, at + 3));
            ids.push(format!("${}", at + 1));
        }
        let pick = |column: fn(&(usize, usize, usize)) -> usize| {
            let whens: Vec<String> = cases
                .iter()
                .map(|case| format!("WHEN ${} THEN {}", case.0, bigint(column(case))))
                .collect();
            format!("CASE product_id {} END", whens.join(" "))
        };
        let on_hand = pick(|case| case.1);
        let reserved = pick(|case| case.2);
        let ids = ids.join(", ");
        // Rows are taken in the order of their ids, so that two orders cannot wait for each other.
        let locked = format!(
            "SELECT product_id FROM stock_levels WHERE product_id IN ({ids}) ORDER BY product_id{}",
            dialect::for_update(self.backend())
        );
        let sql = format!(
            "WITH locked AS ({locked}) \
             UPDATE stock_levels SET on_hand = on_hand + {on_hand}, reserved = reserved + {reserved}, \
             updated_at = $1 \
             WHERE product_id IN (SELECT product_id FROM locked) \
             AND on_hand + {on_hand} BETWEEN 0 AND {MAX_STOCK} \
             AND reserved + {reserved} BETWEEN 0 AND {MAX_STOCK} \
             AND ({reserved} <= 0 OR on_hand + {on_hand} - reserved - {reserved} >= 0 \
             OR EXISTS (SELECT 1 FROM products p WHERE p.id = product_id AND p.may_back_order)) \
             RETURNING product_id"
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        let mut changed = Vec::with_capacity(by_product.len());
        for row in self.query_all_raw(statement).await? {
            let id: ProductId = row.try_get("", "product_id")?;
            changed.push(id);
        }
        let refused: Vec<ProductId> = by_product
            .keys()
            .filter(|product| !changed.contains(product))
            .copied()
            .collect();
        if let (Some(kind), true) = (kind, refused.is_empty()) {
            let movements = by_product
                .iter()
                .filter(|(_, (on_hand, _))| *on_hand != 0)
                .map(
                    |(product, (on_hand, reserved))| stock_movement::ActiveModel {
                        id: Set(StockMovementId(uuid::Uuid::now_v7())),
                        product_id: Set(*product),
                        kind: Set(kind),
                        on_hand_delta: Set(*on_hand),
                        reserved_delta: Set(*reserved),
                        order_id: Set(order),
                        user_id: Set(self.viewer().user_id()),
                        note: Set(note.clone()),
                        occurred_at: Set(self.now()),
                    },
                )
                .collect();
            self.insert_rows::<stock_movement::Entity>(movements)
                .await?;
        }
        Ok(refused)
    }

    /// What there is of a product, held until the transaction ends.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such product.
    pub async fn lock_stock(&self, product: ProductId) -> Result<Visible<stock_level::Model>> {
        let mut statement = stock_level::Entity::find()
            .filter(stock_level::Column::ProductId.eq(product))
            .into_query();
        if self.backend() == DbBackend::Postgres {
            statement.lock(LockType::NoKeyUpdate);
        }
        let rows = self.query_all(&statement).await?;
        decode_all::<stock_level::Entity>(&rows)?
            .into_iter()
            .next()
            .map(Visible::single)
            .ok_or_else(|| Error::not_found("product"))
    }
}

/// That less of a product can be promised than its reorder level; a condition on products.
pub fn below_reorder_level() -> Condition {
    use stock_level::Column;
    let mut levels = Query::select();
    levels
        .expr(Expr::val(1))
        .from(stock_level::Entity)
        .and_where(
            Column::ProductId
                .into_simple_expr()
                .equals((product::Entity, product::Column::Id)),
        )
        .and_where(
            Column::OnHand
                .into_simple_expr()
                .sub(Column::Reserved.into_simple_expr())
                .lt(product::Column::ReorderLevel.into_simple_expr()),
        );
    Condition::all().add(Expr::exists(levels))
}

/// A parameter as a 64-bit number: inside CASE PostgreSQL would take it for text.
fn bigint(parameter: usize) -> String {
    format!("CAST(${parameter} AS BIGINT)")
}
