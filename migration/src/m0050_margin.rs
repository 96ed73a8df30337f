//! What products cost us, and what orders earn.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// The columns, each an amount in minor units, null where nobody knows it.
const COLUMNS: [(&str, &str); 4] = [
    ("products", "unit_cost_minor"),
    ("order_lines", "unit_cost_minor"),
    ("orders", "cost_minor"),
    ("client_stats", "trailing_margin_minor"),
];

/// The columns: `products.unit_cost_minor`, `order_lines.unit_cost_minor`, `orders.cost_minor`,
/// `client_stats.trailing_margin_minor`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in COLUMNS {
            let table = Table::alter()
                .table(table)
                .add_column(big_integer_null(column))
                .take();
            manager.alter_table(table).await?;
        }
        // Who ordered nothing in the trailing year earned us nothing.
        let connection = manager.get_connection();
        connection
            .execute_unprepared(
                "UPDATE client_stats SET trailing_margin_minor = 0 WHERE trailing_until_on IS NULL",
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in COLUMNS {
            let table = Table::alter().table(table).drop_column(column).take();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}
