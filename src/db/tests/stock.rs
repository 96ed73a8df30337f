//! What is promised never exceeds what there is, however many orders race for it.

use entity::ProductId;
use sea_orm::ColumnTrait;

use super::*;
use crate::db::StockChange;
use crate::error::Error;

const REFUSED: &str = "tests.refused";

/// Promises of each product as many units, or fails.
async fn reserve(system: &Session, wanted: Vec<(ProductId, i64)>) -> Result<()> {
    system
        .write(move |tx| {
            let wanted = wanted.clone();
            async move {
                let changes: Vec<StockChange> = wanted
                    .iter()
                    .map(|(product_id, units)| StockChange {
                        product_id: *product_id,
                        on_hand: 0,
                        reserved: *units,
                    })
                    .collect();
                let refused = tx.change_stock(&changes, None, None, None).await?;
                if refused.is_empty() {
                    return Ok(());
                }
                Err(Error::rule(REFUSED, "not enough"))
            }
        })
        .await
}

async fn level(system: &Session, product: ProductId) -> (i64, i64) {
    let row = system
        .select::<stock_level::Entity>()
        .filter(stock_level::Column::ProductId.eq(product))
        .get()
        .await
        .unwrap();
    (row.on_hand, row.reserved)
}

/// Sends all orders at once; how many were taken. The others must have been refused, not failed.
async fn race(system: &Session, orders: Vec<Vec<(ProductId, i64)>>) -> usize {
    let mut tasks = tokio::task::JoinSet::new();
    for order in orders {
        let system = system.clone();
        tasks.spawn(async move { reserve(&system, order).await });
    }
    let mut taken = 0;
    while let Some(outcome) = tasks.join_next().await {
        match outcome.unwrap() {
            Ok(()) => taken += 1,
            Err(error) => assert_eq!(error.rule_name(), Some(REFUSED), "{error:?}"),
        }
    }
    taken
}

on_both!(the_last_units_go_once, 16, async |ground: Ground| {
    let system = ground.system();
    for round in 0..20 {
        let scarce = product(&system, 5 + round % 3, false).await;
        let taken = race(&system, vec![vec![(scarce, 1)]; 32]).await;
        let (on_hand, reserved) = level(&system, scarce).await;
        assert_eq!((taken as i64, reserved), (on_hand, on_hand));
    }
    let open = product(&system, 5, true).await;
    assert_eq!(race(&system, vec![vec![(open, 1)]; 32]).await, 32);
    assert_eq!(level(&system, open).await, (5, 32));
});

on_both!(
    orders_of_the_same_products_in_opposite_order_do_not_block,
    16,
    async |ground: Ground| {
        let system = ground.system();
        let mut products = Vec::new();
        for _ in 0..6 {
            products.push(product(&system, 40, false).await);
        }
        for _ in 0..5 {
            let mut orders = Vec::new();
            for n in 0..16 {
                let mut order: Vec<(ProductId, i64)> = products.iter().map(|id| (*id, 1)).collect();
                if n % 2 == 1 {
                    order.reverse();
                }
                orders.push(order);
            }
            race(&system, orders).await;
        }
        // 80 orders for 40 of each: half are refused, and what is refused promises nothing.
        for id in products {
            assert_eq!(level(&system, id).await, (40, 40));
        }
    }
);

on_both!(
    stock_goes_neither_below_zero_nor_beyond_its_promises,
    4,
    async |ground: Ground| {
        let system = ground.system();
        let plenty = product(&system, 100, false).await;
        let scarce = product(&system, 1, false).await;
        let none = ProductId(Uuid::now_v7());
        let change = |product_id, on_hand, reserved| StockChange {
            product_id,
            on_hand,
            reserved,
        };
        for (changes, refused) in [
            (vec![change(plenty, -101, 0)], vec![plenty]),
            (vec![change(plenty, 0, -1)], vec![plenty]),
            (
                vec![change(plenty, 0, 2), change(scarce, 0, 2)],
                vec![scarce],
            ),
            // Two lines of one product count together.
            (
                vec![change(scarce, 0, 1), change(scarce, 0, 1)],
                vec![scarce],
            ),
            (vec![change(none, 1, 0)], vec![none]),
        ] {
            let sent = changes.clone();
            let found = system
                .write(move |tx| {
                    let changes = sent.clone();
                    async move {
                        let refused = tx.change_stock(&changes, None, None, None).await?;
                        Err::<(), _>(
                            Error::rule(REFUSED, "no").detail(
                                "refused",
                                refused
                                    .iter()
                                    .map(ToString::to_string)
                                    .collect::<Vec<_>>()
                                    .join(","),
                            ),
                        )
                    }
                })
                .await;
            let error = format!("{:?}", found.unwrap_err());
            for id in refused {
                assert!(error.contains(&id.to_string()), "{changes:?}: {error}");
            }
        }
        assert_eq!(level(&system, plenty).await, (100, 0));
        // Reserve, ship, and what is left.
        for (on_hand, reserved, expected) in
            [(0, 60, (100, 60)), (-60, -60, (40, 0)), (0, 40, (40, 40))]
        {
            let refused = system
                .write(move |tx| async move {
                    let change = StockChange {
                        product_id: plenty,
                        on_hand,
                        reserved,
                    };
                    tx.change_stock(&[change], None, None, None).await
                })
                .await
                .unwrap();
            assert!(refused.is_empty());
            assert_eq!(level(&system, plenty).await, expected);
        }
    }
);
