//! What is sold: products with their stock, orders with everything that happened to them, and the tiers that
//! clients earned by it.

use std::collections::HashMap;

use chrono::{Datelike, NaiveDate, Weekday};
use entity::{
    AssignmentKind, CategoryId, ClientId, MovementKind, OrderEventKind, OrderStatus, PaymentMethod,
    ProductId, TierId, TierSchemeId, order, order_event, order_line, order_return,
    order_return_line, payment, product, product_category, stock_level, stock_movement, tier,
    tier_assignment, tier_scheme,
};

use super::book::Buyer;
use super::names::SHELVES;
use super::random::Random;
use super::{CURRENCY, Calendar, HISTORY_DAYS, Rows};
use crate::domain::{money, orders, products, text};

pub(super) fn make_products(rows: &mut Rows, random: &mut Random, calendar: Calendar) {
    let day = calendar.ago(900);
    let made_at = calendar.at(day, 0);
    for (category, shelf) in SHELVES {
        let category_id: CategoryId = random.id(made_at);
        rows.categories.push(product_category::Model {
            id: category_id,
            external_id: None,
            name: (*category).to_owned(),
            name_sort: text::name_sort(category),
            parent_id: None,
            version: 1,
            created_at: made_at,
            updated_at: made_at,
            archived_at: None,
        });
        for (sku, name, unit, price) in *shelf {
            let (sku, name) = ((*sku).to_owned(), (*name).to_owned());
            rows.products.push(product::Model {
                id: random.id(made_at),
                external_id: None,
                name_sort: text::name_sort(&name),
                search_text: products::search_text(Some(&name), Some(&sku), None),
                sku,
                name,
                category_id: Some(category_id),
                unit: (*unit).to_owned(),
                list_price_minor: price * 100,
                unit_cost_minor: Some(price * (55 + price % 25)),
                currency: CURRENCY.to_owned(),
                is_active: true,
                may_back_order: random.chance(15),
                reorder_level: random.between(2, 12) * 5,
                version: 1,
                created_at: made_at,
                updated_at: made_at,
                archived_at: None,
            });
        }
    }
}

/// What orders did to the stock of one product.
#[derive(Clone, Copy, Default)]
struct Moved {
    shipped: i64,
    returned: i64,
    reserved: i64,
}

pub(super) fn make_orders(
    rows: &mut Rows,
    random: &mut Random,
    calendar: Calendar,
    buyers: &[Buyer],
) {
    let mut moved: HashMap<ProductId, Moved> = HashMap::new();
    for buyer in buyers {
        let Some(cycle) = buyer.cycle_days else {
            continue;
        };
        let mut day = Calendar::after(buyer.first_day, random.between(0, cycle));
        while day <= buyer.last_day {
            let placed_on = working_day(day);
            if placed_on <= calendar.today {
                make_order(rows, random, calendar, buyer, placed_on, &mut moved);
            }
            day = Calendar::after(day, 1 + cycle * random.between(60, 140) / 100);
        }
    }
    make_stock(rows, random, calendar, &moved);
}

/// Nobody orders on a weekend.
fn working_day(day: NaiveDate) -> NaiveDate {
    match day.weekday() {
        Weekday::Sat => Calendar::after(day, 2),
        Weekday::Sun => Calendar::after(day, 1),
        _ => day,
    }
}

/// How far an order of that age has come, and whether all of it came back.
fn status(random: &mut Random, age: i64) -> OrderStatus {
    match age {
        0 => random.pick_or(
            OrderStatus::Submitted,
            &[
                OrderStatus::Draft,
                OrderStatus::Submitted,
                OrderStatus::Approved,
            ],
        ),
        1..=3 => random.pick_or(
            OrderStatus::Approved,
            &[
                OrderStatus::Submitted,
                OrderStatus::Approved,
                OrderStatus::Approved,
                OrderStatus::InProduction,
            ],
        ),
        4..=9 => random.pick_or(
            OrderStatus::Shipped,
            &[
                OrderStatus::Approved,
                OrderStatus::Shipped,
                OrderStatus::Shipped,
            ],
        ),
        _ => match random.between(1, 100) {
            1..=3 => OrderStatus::Cancelled,
            4 => OrderStatus::Returned,
            _ => OrderStatus::Delivered,
        },
    }
}

const fn has_shipped(status: OrderStatus) -> bool {
    match status {
        OrderStatus::Shipped | OrderStatus::Delivered | OrderStatus::Returned => true,
        OrderStatus::Draft
        | OrderStatus::Submitted
        | OrderStatus::Approved
        | OrderStatus::InProduction
        | OrderStatus::Cancelled => false,
    }
}

fn make_order(
    rows: &mut Rows,
    random: &mut Random,
    calendar: Calendar,
    buyer: &Buyer,
    placed_on: NaiveDate,
    moved: &mut HashMap<ProductId, Moved>,
) {
    let age = calendar.age(placed_on);
    let status = status(random, age);
    let placed_at = calendar.at(placed_on, random.between(0, 479));
    let shipped_on = has_shipped(status)
        .then(|| Calendar::after(placed_on, random.between(1, 4)).min(calendar.today));
    let delivered_on = match status {
        OrderStatus::Delivered | OrderStatus::Returned => {
            shipped_on.map(|day| Calendar::after(day, random.between(1, 5)).min(calendar.today))
        }
        _ => None,
    };
    let id = random.id(placed_at);
    let lines = make_lines(rows, random, buyer, id, age);
    // Each line has fewer than 10,000 units of fewer than 10,000 yuan: sums stay far from the bounds.
    let lines_minor = lines.iter().map(|line| line.net_minor).sum();
    let freight_minor = if lines_minor >= 200_000 { 0 } else { 3_000 };
    let total_minor = lines_minor + freight_minor;
    let reserves = match status {
        OrderStatus::Submitted | OrderStatus::Approved | OrderStatus::InProduction => true,
        OrderStatus::Draft
        | OrderStatus::Shipped
        | OrderStatus::Delivered
        | OrderStatus::Cancelled
        | OrderStatus::Returned => false,
    };
    for line in &lines {
        let moved = moved.entry(line.product_id).or_default();
        if reserves {
            moved.reserved += line.quantity;
        }
        if let Some(day) = shipped_on {
            moved.shipped += line.quantity;
            rows.stock_movements.push(stock_movement::Model {
                id: random.id(calendar.at(day, 0)),
                product_id: line.product_id,
                kind: MovementKind::Shipment,
                on_hand_delta: -line.quantity,
                reserved_delta: -line.quantity,
                order_id: Some(id),
                user_id: None,
                note: None,
                occurred_at: calendar.at(day, 0),
            });
        }
    }
    let is_submitted = status != OrderStatus::Draft;
    let term = i64::from(buyer.payment_term_days);
    let mut row = order::Model {
        id,
        external_id: None,
        number: orders::number(id),
        client_id: buyer.client_id,
        placed_by_id: buyer.rep,
        status,
        currency: CURRENCY.to_owned(),
        placed_on,
        required_on: random
            .chance(50)
            .then(|| Calendar::after(placed_on, random.between(5, 14))),
        shipped_on,
        delivered_on,
        due_on: is_submitted.then(|| Calendar::after(placed_on, term)),
        payment_term_days: Some(buyer.payment_term_days),
        lines_minor,
        discount_bp: 0,
        discount_minor: 0,
        freight_minor,
        total_minor,
        paid_minor: 0,
        returned_minor: 0,
        cost_minor: None,
        ship_to_name: Some(buyer.name.clone()),
        ship_to_street: buyer.ship_to.street.clone(),
        ship_to_city: buyer.ship_to.city.clone(),
        ship_to_region: buyer.ship_to.region.clone(),
        ship_to_postal_code: buyer.ship_to.postal_code.clone(),
        ship_to_country: buyer.ship_to.country.clone(),
        note: None,
        reorder_of_id: None,
        approval_reason: None,
        decided_by_id: None,
        decided_at: None,
        decision_note: None,
        submitted_at: is_submitted.then_some(placed_at),
        cancelled_at: (status == OrderStatus::Cancelled).then_some(placed_at),
        version: 1,
        created_at: placed_at,
        updated_at: placed_at,
    };
    make_events(rows, random, calendar, &row);
    let lines = make_returns(rows, random, calendar, &mut row, lines, moved);
    let kept = lines
        .iter()
        .map(|line| (line.quantity - line.returned_quantity, line.unit_cost_minor));
    row.cost_minor = orders::cost_of_goods(kept);
    make_payments(rows, random, calendar, &mut row);
    rows.lines.extend(lines);
    rows.orders.push(row);
}

fn make_lines(
    rows: &Rows,
    random: &mut Random,
    buyer: &Buyer,
    order_id: entity::OrderId,
    age: i64,
) -> Vec<order_line::Model> {
    let discount_bp = match buyer.size {
        5.. => 500,
        3..=4 => 200,
        _ => 0,
    };
    let mut lines: Vec<order_line::Model> = Vec::new();
    let count = random.between(1, 2 + buyer.size / 2);
    let last = i64::try_from(rows.products.len()).unwrap_or_default() - 1;
    while i64::try_from(lines.len()).is_ok_and(|made| made < count) {
        let at = usize::try_from(random.between(0, last)).unwrap_or_default();
        let Some(product) = rows.products.get(at) else {
            break;
        };
        if lines.iter().any(|line| line.product_id == product.id) {
            continue;
        }
        // Dear things are bought one by one.
        let most = match product.list_price_minor {
            100_000.. => 2,
            40_000..=99_999 => 4 * buyer.size,
            _ => 12 * buyer.size,
        };
        let quantity = random.between(1, most);
        // Prices and costs went up by 5 % a year ago.
        let then = if age > 365 { 95 } else { 100 };
        let unit_price_minor = product.list_price_minor * then / 100;
        let Ok(net_minor) = money::line_net(quantity, unit_price_minor, discount_bp) else {
            break;
        };
        lines.push(order_line::Model {
            id: random.id(product.created_at),
            order_id,
            client_id: buyer.client_id,
            line_number: i32::try_from(lines.len()).unwrap_or_default() + 1,
            product_id: product.id,
            product_name: product.name.clone(),
            sku: product.sku.clone(),
            unit: product.unit.clone(),
            quantity,
            unit_price_minor,
            unit_cost_minor: product.unit_cost_minor.map(|cost| cost * then / 100),
            discount_bp,
            net_minor,
            returned_quantity: 0,
        });
    }
    lines
}

fn make_events(rows: &mut Rows, random: &mut Random, calendar: Calendar, order: &order::Model) {
    use OrderStatus::{Approved, Cancelled, Delivered, Draft, Shipped, Submitted};
    let mut add = |kind, from_status, to_status, day: NaiveDate, minute| {
        let occurred_at = if day == order.placed_on {
            order.created_at + chrono::TimeDelta::seconds(minute)
        } else {
            calendar.at(day, minute)
        };
        rows.events.push(order_event::Model {
            id: random.id(occurred_at),
            order_id: order.id,
            client_id: order.client_id,
            kind,
            from_status,
            to_status,
            user_id: Some(order.placed_by_id),
            note: None,
            occurred_at,
        });
    };
    let day = order.placed_on;
    add(OrderEventKind::Created, None, Some(Draft), day, 0);
    if order.status == Draft {
        return;
    }
    add(
        OrderEventKind::Submitted,
        Some(Draft),
        Some(Submitted),
        day,
        1,
    );
    if order.status == Submitted {
        return;
    }
    if order.status == Cancelled {
        add(
            OrderEventKind::Cancelled,
            Some(Submitted),
            Some(Cancelled),
            day,
            2,
        );
        return;
    }
    add(
        OrderEventKind::Approved,
        Some(Submitted),
        Some(Approved),
        day,
        2,
    );
    if order.status == OrderStatus::InProduction {
        let to = Some(OrderStatus::InProduction);
        add(OrderEventKind::InProduction, Some(Approved), to, day, 3);
    }
    if let Some(day) = order.shipped_on {
        add(
            OrderEventKind::Shipped,
            Some(Approved),
            Some(Shipped),
            day,
            100,
        );
    }
    if let Some(day) = order.delivered_on {
        add(
            OrderEventKind::Delivered,
            Some(Shipped),
            Some(Delivered),
            day,
            200,
        );
    }
}

/// Some goods come back: all of an order, or one line of it.
fn make_returns(
    rows: &mut Rows,
    random: &mut Random,
    calendar: Calendar,
    order: &mut order::Model,
    mut lines: Vec<order_line::Model>,
    moved: &mut HashMap<ProductId, Moved>,
) -> Vec<order_line::Model> {
    let count = match order.status {
        OrderStatus::Returned => lines.len(),
        // A single line that came back would be the whole order.
        OrderStatus::Delivered if lines.len() > 1 && random.chance(2) => 1,
        _ => return lines,
    };
    let Some(delivered_on) = order.delivered_on else {
        return lines;
    };
    let day = Calendar::after(delivered_on, random.between(1, 6)).min(calendar.today);
    let made_at = calendar.at(day, 300);
    let return_id = random.id(made_at);
    let mut amount_minor = 0;
    for line in lines.iter_mut().take(count) {
        line.returned_quantity = line.quantity;
        amount_minor += line.net_minor;
        moved.entry(line.product_id).or_default().returned += line.quantity;
        rows.return_lines.push(order_return_line::Model {
            id: random.id(made_at),
            order_return_id: return_id,
            order_line_id: line.id,
            client_id: order.client_id,
            quantity: line.quantity,
            amount_minor: line.net_minor,
        });
        rows.stock_movements.push(stock_movement::Model {
            id: random.id(made_at),
            product_id: line.product_id,
            kind: MovementKind::Return,
            on_hand_delta: line.quantity,
            reserved_delta: 0,
            order_id: Some(order.id),
            user_id: None,
            note: None,
            occurred_at: made_at,
        });
    }
    let reason = random.pick(&[
        "Damaged in transport",
        "Wrong product delivered",
        "包装破损",
    ]);
    rows.returns.push(order_return::Model {
        id: return_id,
        order_id: order.id,
        client_id: order.client_id,
        reason: reason.to_owned(),
        amount_minor,
        created_by_id: order.placed_by_id,
        created_at: made_at,
    });
    let is_whole = order.status == OrderStatus::Returned;
    rows.events.push(order_event::Model {
        id: random.id(made_at),
        order_id: order.id,
        client_id: order.client_id,
        kind: OrderEventKind::Returned,
        from_status: is_whole.then_some(OrderStatus::Delivered),
        to_status: is_whole.then_some(OrderStatus::Returned),
        user_id: Some(order.placed_by_id),
        note: Some(reason.to_owned()),
        occurred_at: made_at,
    });
    order.returned_minor = amount_minor;
    lines
}

/// Most are paid around the day they are due, a few in two parts, a few late or not yet.
fn make_payments(
    rows: &mut Rows,
    random: &mut Random,
    calendar: Calendar,
    order: &mut order::Model,
) {
    let Some(due_on) = order.due_on else {
        return;
    };
    let open = order.total_minor - order.returned_minor;
    let is_billed = has_shipped(order.status);
    if !is_billed || open <= 0 || random.chance(3) {
        return;
    }
    let term = Calendar { today: due_on }.age(order.placed_on);
    let day = Calendar::after(
        order.placed_on,
        random.between((term - 12).max(1), term + 12),
    );
    let parts = if open > 100_000 && random.chance(12) {
        vec![(open / 2, day), (open - open / 2, Calendar::after(day, 21))]
    } else {
        vec![(open, day)]
    };
    for (amount_minor, paid_on) in parts {
        if paid_on > calendar.today {
            continue;
        }
        let made_at = calendar.at(paid_on, random.between(0, 479));
        order.paid_minor += amount_minor;
        rows.payments.push(payment::Model {
            id: random.id(made_at),
            external_id: None,
            client_id: order.client_id,
            order_id: order.id,
            amount_minor,
            currency: CURRENCY.to_owned(),
            method: random.pick_or(
                PaymentMethod::BankTransfer,
                &[
                    PaymentMethod::BankTransfer,
                    PaymentMethod::BankTransfer,
                    PaymentMethod::Mobile,
                    PaymentMethod::Card,
                    PaymentMethod::Cash,
                ],
            ),
            paid_on,
            reference: Some(format!("R{:06}", random.between(1, 999_999))),
            note: None,
            recorded_by_id: order.placed_by_id,
            voided_at: None,
            voided_by_id: None,
            void_reason: None,
            version: 1,
            created_at: made_at,
            updated_at: made_at,
        });
        rows.events.push(order_event::Model {
            id: random.id(made_at),
            order_id: order.id,
            client_id: order.client_id,
            kind: OrderEventKind::Payment,
            from_status: None,
            to_status: None,
            user_id: Some(order.placed_by_id),
            note: None,
            occurred_at: made_at,
        });
    }
}

/// What lies in stock, with the receipt at the beginning that explains it.
fn make_stock(
    rows: &mut Rows,
    random: &mut Random,
    calendar: Calendar,
    moved: &HashMap<ProductId, Moved>,
) {
    let begin = calendar.ago(i64::try_from(HISTORY_DAYS).unwrap_or(730) + 1);
    let received_at = calendar.at(begin, 0);
    let updated_at = calendar.at(calendar.today, 0);
    for product in &rows.products {
        let moved = moved.get(&product.id).copied().unwrap_or_default();
        let free = match random.between(1, 100) {
            1..=8 => 0,
            9..=20 => random.between(1, product.reorder_level.max(1)),
            _ => product.reorder_level + random.between(10, 300),
        };
        let on_hand = moved.reserved + free;
        rows.stock_movements.push(stock_movement::Model {
            id: random.id(received_at),
            product_id: product.id,
            kind: MovementKind::Receipt,
            on_hand_delta: on_hand + moved.shipped - moved.returned,
            reserved_delta: 0,
            order_id: None,
            user_id: None,
            note: Some("Opening stock".to_owned()),
            occurred_at: received_at,
        });
        rows.stock_levels.push(stock_level::Model {
            product_id: product.id,
            on_hand,
            reserved: moved.reserved,
            updated_at,
        });
    }
}

/// A tier, what it gives, and from which revenue of a year on, in minor units.
struct Grade {
    code: &'static str,
    name: &'static str,
    from_minor: i64,
    discount_bp: i32,
    points_multiplier_bp: i32,
    visit_cadence_days: i32,
    payment_term_days: i32,
    response_hours: i32,
}

const GRADES: &[Grade] = &[
    Grade {
        code: "A",
        name: "Key clients",
        from_minor: 8_000_000,
        discount_bp: 500,
        points_multiplier_bp: 20_000,
        visit_cadence_days: 14,
        payment_term_days: 60,
        response_hours: 4,
    },
    Grade {
        code: "B",
        name: "Regular clients",
        from_minor: 2_000_000,
        discount_bp: 200,
        points_multiplier_bp: 12_500,
        visit_cadence_days: 30,
        payment_term_days: 30,
        response_hours: 24,
    },
    Grade {
        code: "C",
        name: "Occasional clients",
        from_minor: 1,
        discount_bp: 0,
        points_multiplier_bp: 10_000,
        visit_cadence_days: 90,
        payment_term_days: 15,
        response_hours: 48,
    },
];

pub(super) fn make_tiers(
    rows: &mut Rows,
    random: &mut Random,
    calendar: Calendar,
    buyers: &[Buyer],
) {
    let made_at = calendar.at(calendar.ago(800), 0);
    let scheme_id: TierSchemeId = random.id(made_at);
    rows.tier_schemes.push(tier_scheme::Model {
        id: scheme_id,
        external_id: None,
        name: "Value".to_owned(),
        description: Some(
            "By revenue of a year: A the few that bring most, B those that carry the business, C the rest."
                .to_owned(),
        ),
        is_default: true,
        version: 1,
        created_at: made_at,
        updated_at: made_at,
        archived_at: None,
    });
    let mut tiers: Vec<(i64, TierId)> = Vec::new();
    for (rank, grade) in (1..).zip(GRADES) {
        let id = random.id(made_at);
        tiers.push((grade.from_minor, id));
        rows.tiers.push(tier::Model {
            id,
            scheme_id,
            code: grade.code.to_owned(),
            name: grade.name.to_owned(),
            rank,
            discount_bp: Some(grade.discount_bp),
            points_multiplier_bp: Some(grade.points_multiplier_bp),
            visit_cadence_days: Some(grade.visit_cadence_days),
            payment_term_days: Some(grade.payment_term_days),
            credit_limit_minor: None,
            credit_limit_currency: None,
            response_hours: Some(grade.response_hours),
            version: 1,
            created_at: made_at,
            updated_at: made_at,
            archived_at: None,
        });
    }
    let year_ago = calendar.ago(365);
    let mut revenue: HashMap<ClientId, i64> = HashMap::new();
    for order in &rows.orders {
        if order.placed_on > year_ago && orders::is_booked(order.status) {
            *revenue.entry(order.client_id).or_default() +=
                order.lines_minor - order.returned_minor;
        }
    }
    let assigned_at = calendar.at(calendar.ago(1), 0);
    for buyer in buyers {
        let revenue = revenue.get(&buyer.client_id).copied().unwrap_or_default();
        let Some((_, tier_id)) = tiers.iter().find(|(from_minor, _)| revenue >= *from_minor) else {
            continue;
        };
        rows.tier_assignments.push(tier_assignment::Model {
            id: random.id(assigned_at),
            client_id: buyer.client_id,
            scheme_id,
            tier_id: *tier_id,
            kind: AssignmentKind::Computed,
            reason: format!(
                "Revenue of the last 365 days: {} {}.{:02}",
                CURRENCY,
                revenue / 100,
                revenue % 100
            ),
            assigned_by_id: None,
            assigned_at,
            expires_at: None,
            ended_at: None,
            ended_reason: None,
        });
    }
}
