//! The statement that works out statistics, against the same facts worked out in Rust.

use chrono::{DateTime, Days, Utc};
use entity::{
    AssignmentKind, TierAssignmentId, TierId, TierSchemeId, client_stats, tier, tier_assignment,
    tier_scheme,
};
use sea_orm::ColumnTrait;

use super::*;

#[derive(Clone)]
struct Order {
    status: OrderStatus,
    placed_on: NaiveDate,
    lines: i64,
    discount: i64,
    freight: i64,
    paid: i64,
    returned: i64,
}

#[derive(Clone)]
struct Assignment {
    is_default: bool,
    kind: AssignmentKind,
    tier: TierId,
    assigned_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    id: TierAssignmentId,
}

#[derive(Debug, PartialEq)]
struct Facts {
    count: i64,
    first: Option<NaiveDate>,
    last: Option<NaiveDate>,
    lifetime: i64,
    trailing: i64,
    until: Option<NaiveDate>,
    receivable: i64,
    cycle: Option<i32>,
    tier: Option<TierId>,
}

fn expected(orders: &[Order], assignments: &[Assignment], now: DateTime<Utc>) -> Facts {
    let today = now.date_naive();
    let counted: Vec<&Order> = orders
        .iter()
        .filter(|order| {
            matches!(
                order.status,
                OrderStatus::Approved
                    | OrderStatus::InProduction
                    | OrderStatus::Shipped
                    | OrderStatus::Delivered
                    | OrderStatus::Returned
            )
        })
        .collect();
    let revenue = |order: &&Order| order.lines - order.discount - order.returned;
    // It counts on its day and the 364 that follow.
    let in_year = |order: &&&Order| order.placed_on + Days::new(365) > today;
    let first = counted.iter().map(|order| order.placed_on).min();
    let last = counted.iter().map(|order| order.placed_on).max();
    let span = first
        .zip(last)
        .map(|(first, last)| (last - first).num_days());
    let count = counted.len() as i64;
    let mut holding: Vec<&Assignment> = assignments
        .iter()
        .filter(|held| held.is_default && held.ended_at.is_none())
        .filter(|held| held.expires_at.is_none_or(|end| end > now))
        .collect();
    holding.sort_by_key(|held| {
        (
            held.kind == AssignmentKind::Override,
            held.assigned_at,
            held.id,
        )
    });
    Facts {
        count,
        first,
        last,
        lifetime: counted.iter().map(revenue).sum(),
        trailing: counted.iter().filter(in_year).map(revenue).sum(),
        until: counted
            .iter()
            .filter(in_year)
            .map(|order| order.placed_on + Days::new(365))
            .min(),
        receivable: counted
            .iter()
            .map(|o| o.lines - o.discount + o.freight - o.paid - o.returned)
            .sum(),
        cycle: span
            .filter(|_| count > 1)
            .map(|span| (span / (count - 1)) as i32),
        tier: holding.last().map(|held| held.tier),
    }
}

/// Two schemes with two tiers each; the first is the default.
async fn tiers(system: &Session) -> Vec<(TierSchemeId, [TierId; 2], bool)> {
    let mut schemes = Vec::new();
    for is_default in [true, false] {
        let scheme = TierSchemeId(Uuid::now_v7());
        let tiers = [TierId(Uuid::now_v7()), TierId(Uuid::now_v7())];
        system
            .write(move |tx| async move {
                let row = tier_scheme::ActiveModel {
                    id: Set(scheme),
                    name: Set("scheme".to_owned()),
                    is_default: Set(is_default),
                    version: Set(1),
                    created_at: Set(tx.now()),
                    updated_at: Set(tx.now()),
                    ..Default::default()
                };
                tx.insert::<tier_scheme::Entity>(row).await?;
                for (rank, id) in (1..).zip(tiers) {
                    let row = tier::ActiveModel {
                        id: Set(id),
                        scheme_id: Set(scheme),
                        code: Set(format!("{rank}")),
                        name: Set("tier".to_owned()),
                        rank: Set(rank),
                        version: Set(1),
                        created_at: Set(tx.now()),
                        updated_at: Set(tx.now()),
                        ..Default::default()
                    };
                    tx.insert::<tier::Entity>(row).await?;
                }
                Ok(())
            })
            .await
            .unwrap();
        schemes.push((scheme, tiers, is_default));
    }
    schemes
}

async fn found(system: &Session, id: ClientId) -> Facts {
    let row = system
        .select::<client_stats::Entity>()
        .filter(client_stats::Column::ClientId.eq(id))
        .get()
        .await
        .unwrap();
    Facts {
        count: row.order_count,
        first: row.first_order_on,
        last: row.last_order_on,
        lifetime: row.lifetime_revenue_minor,
        trailing: row.trailing_revenue_minor,
        until: row.trailing_until_on,
        receivable: row.receivable_minor,
        cycle: row.cycle_days,
        tier: row.tier_id,
    }
}

const STATUSES: [OrderStatus; 8] = [
    OrderStatus::Draft,
    OrderStatus::Submitted,
    OrderStatus::Approved,
    OrderStatus::InProduction,
    OrderStatus::Shipped,
    OrderStatus::Delivered,
    OrderStatus::Cancelled,
    OrderStatus::Returned,
];

fn random_orders(random: &mut Random, today: NaiveDate) -> Vec<Order> {
    (0..random.below(9))
        .map(|_| {
            // Often on the edges of the year.
            let ago = if random.chance(50) {
                random.pick(&[0, 1, 363, 364, 365, 366])
            } else {
                random.below(900)
            };
            let lines = if random.chance(5) {
                9_007_199_254_740_993
            } else {
                random.below(1_000_000) as i64
            };
            Order {
                status: random.pick(&STATUSES),
                placed_on: today - Days::new(ago),
                lines,
                discount: random.below(1_000) as i64,
                freight: random.below(1_000) as i64,
                paid: random.below(1_000_000) as i64,
                returned: random.below(1_000) as i64,
            }
        })
        .collect()
}

on_both!(
    stored_facts_are_those_of_the_rows,
    2,
    async |ground: Ground| {
        let system = ground.system();
        let clock = ground.database.clock().clone();
        let rep = user(&system, UserRole::Rep, None).await;
        let schemes = tiers(&system).await;
        let mut random = Random::new(5);
        let mut with_tier = 0;
        let mut all = Vec::new();
        for _ in 0..60 {
            let id = client(&system, Some(rep)).await;
            let now = clock.now();
            let orders = random_orders(&mut random, now.date_naive());
            let mut assignments = Vec::new();
            for _ in 0..random.below(4) {
                let (_, tiers, is_default) = random.pick(&schemes);
                assignments.push(Assignment {
                    is_default,
                    kind: random.pick(&[
                        AssignmentKind::Computed,
                        AssignmentKind::Manual,
                        AssignmentKind::Override,
                        AssignmentKind::Imported,
                    ]),
                    tier: random.pick(&tiers),
                    // Sometimes at the same instant.
                    assigned_at: now - TimeDelta::days(random.below(3) as i64),
                    expires_at: random
                        .chance(50)
                        .then(|| now + TimeDelta::days(random.below(9) as i64 - 4)),
                    ended_at: random.chance(20).then_some(now),
                    id: TierAssignmentId(Uuid::now_v7()),
                });
            }
            let (given_orders, given) = (orders.clone(), assignments.clone());
            let schemes = schemes.clone();
            system
                .write(move |tx| {
                    let (orders, given, schemes) =
                        (given_orders.clone(), given.clone(), schemes.clone());
                    async move {
                        let client = tx.lock_client(id).await?;
                        let rows = orders.iter().map(|o| {
                            let mut row = order_row(&tx, id, rep, o.status, o.placed_on, o.lines);
                            row.discount_minor = Set(o.discount);
                            row.freight_minor = Set(o.freight);
                            row.total_minor = Set(o.lines - o.discount + o.freight);
                            row.paid_minor = Set(o.paid);
                            row.returned_minor = Set(o.returned);
                            row
                        });
                        tx.insert_all_under::<order::Entity>(&client, rows.collect())
                            .await?;
                        for held in given {
                            let scheme = schemes
                                .iter()
                                .find(|(_, tiers, _)| tiers.contains(&held.tier))
                                .unwrap();
                            let row = tier_assignment::ActiveModel {
                                id: Set(held.id),
                                scheme_id: Set(scheme.0),
                                tier_id: Set(held.tier),
                                kind: Set(held.kind),
                                reason: Set("a test".to_owned()),
                                assigned_at: Set(held.assigned_at),
                                expires_at: Set(held.expires_at),
                                ended_at: Set(held.ended_at),
                                ..Default::default()
                            };
                            tx.insert_under::<tier_assignment::Entity>(&client, row)
                                .await?;
                        }
                        // Twice: the second writes over the first.
                        tx.refresh_stats(&client).await?;
                        tx.refresh_stats(&client).await
                    }
                })
                .await
                .unwrap();
            let facts = found(&system, id).await;
            assert_eq!(facts, expected(&orders, &assignments, clock.now()));
            with_tier += u32::from(facts.tier.is_some());
            all.push((id, orders, assignments));
        }
        assert!(with_tier > 10, "only {with_tier} had a tier");

        // Time passes: what is out of date is named, and made right for many at once.
        for days in [1, 2, 3, 40, 365] {
            clock.advance(TimeDelta::days(days));
            let now = clock.now();
            let stale = system.clients_with_stale_stats(1_000).await.unwrap();
            for (id, orders, assignments) in &all {
                let wanted = expected(orders, assignments, now);
                if found(&system, *id).await != wanted {
                    assert!(
                        stale.contains(id),
                        "nobody knows that {id} is out of date: {wanted:?}"
                    );
                }
            }
            let ids: Vec<ClientId> = all.iter().map(|(id, ..)| *id).collect();
            system
                .write(move |tx| {
                    let ids = ids.clone();
                    async move {
                        let held = tx.lock_clients(&ids).await?;
                        tx.refresh_stats_of(&held).await
                    }
                })
                .await
                .unwrap();
            for (id, orders, assignments) in &all {
                assert_eq!(
                    found(&system, *id).await,
                    expected(orders, assignments, now)
                );
            }
        }
    }
);

on_both!(
    what_a_client_owes_comes_from_its_approved_orders,
    2,
    async |ground: Ground| {
        let system = ground.system();
        let rep = user(&system, UserRole::Rep, None).await;
        let id = client(&system, Some(rep)).await;
        let owed = system
            .write(move |tx| async move {
                let client = tx.lock_client(id).await?;
                let row = |status, lines| order_row(&tx, id, rep, status, day("2026-01-01"), lines);
                let rows = vec![
                    row(OrderStatus::Approved, 100),
                    row(OrderStatus::Delivered, 20),
                    row(OrderStatus::Submitted, 3_000),
                    row(OrderStatus::Cancelled, 40_000),
                ];
                tx.insert_all_under::<order::Entity>(&client, rows).await?;
                let before = tx.buying(&client).await?.receivable_minor;
                tx.refresh_stats(&client).await?;
                Ok((before, tx.buying(&client).await?.receivable_minor))
            })
            .await
            .unwrap();
        assert_eq!(owed, (0, 120));
    }
);
