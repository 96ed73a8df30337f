//! The steps of an order: who may take which, what they do to stock, credit and statistics.

use entity::{AssignmentKind, ClientId, tier, tier_assignment, tier_scheme};
use sea_orm::ActiveValue::Set;
use serde_json::{Value, json};

use super::*;

fn at(order: &Value) -> Value {
    json!({ "id": order["id"], "version": order["version"] })
}

fn with(mut input: Value, name: &str, value: &str) -> Value {
    input[name] = json!(value);
    input
}

on_both!(
    an_order_goes_from_draft_to_the_clients_door,
    async |app: App| {
        let shop = shop(&app).await;
        let ann = &shop.team.ann;
        let order = placed(&app, &shop, json!({ "placedOn": "2026-03-01" })).await;
        let order = order_of(
            mutate(&app, ann, "orderSubmit", at(&order)).await,
            "orderSubmit",
        );
        assert_eq!(order["status"], "APPROVED");
        assert_eq!(order["approvalReasons"], json!([]));
        assert_eq!(
            order["nextStatuses"],
            json!(["IN_PRODUCTION", "SHIPPED", "CANCELLED"])
        );
        assert_eq!(levels(&app, &shop.team, &shop.chai).await, (100, 3));
        let order = order_of(
            mutate(
                &app,
                ann,
                "orderStartProduction",
                with(at(&order), "note", "Line 2"),
            )
            .await,
            "orderStartProduction",
        );
        assert_eq!(order["status"], "IN_PRODUCTION");
        let shipped = with(
            with(at(&order), "note", "DHL 4711"),
            "occurredOn",
            "2026-03-04",
        );
        let order = order_of(mutate(&app, ann, "orderShip", shipped).await, "orderShip");
        assert_eq!(order["status"], "SHIPPED");
        assert_eq!(order["shippedOn"], "2026-03-04");
        assert_eq!(levels(&app, &shop.team, &shop.chai).await, (97, 0));
        assert_eq!(levels(&app, &shop.team, &shop.tofu).await, (40, 0));
        let track = json!({ "id": order["id"], "note": "In Leipzig" });
        let order = order_of(mutate(&app, ann, "orderTrack", track).await, "orderTrack");
        let early = with(at(&order), "occurredOn", "2026-03-03");
        let early = mutate(&app, ann, "orderDeliver", early).await;
        assert_eq!(early.fields(), ["input.occurredOn"]);
        let late = with(at(&order), "occurredOn", "2999-01-01");
        assert_eq!(
            mutate(&app, ann, "orderDeliver", late).await.code(0),
            "BAD_USER_INPUT"
        );
        let arrived = with(at(&order), "occurredOn", "2026-03-06");
        let order = order_of(
            mutate(&app, ann, "orderDeliver", arrived).await,
            "orderDeliver",
        );
        assert_eq!(order["deliveredOn"], "2026-03-06");
        let order = read(&app, ann, &order).await;
        assert_eq!(
            events(&order),
            [
                "CREATED",
                "SUBMITTED",
                "APPROVED",
                "IN_PRODUCTION",
                "SHIPPED",
                "TRACKING",
                "DELIVERED"
            ]
        );
        assert_eq!(
            order["events"]["nodes"][4],
            json!({ "kind": "SHIPPED", "fromStatus": "IN_PRODUCTION", "toStatus": "SHIPPED", "note": "DHL 4711" })
        );
        assert_eq!(order["isOverdue"], json!(true), "due at once, and not paid");
        let query = "query($id: ID!) { client(id: $id) { stats { orderCount lastOrderOn lifetimeRevenue { amount } receivable { amount } } } }";
        let answer = app
            .gql(&ann.token, query, json!({ "id": shop.client }))
            .await
            .ok();
        assert_eq!(
            *answer.data("/client/stats"),
            json!({ "orderCount": 1, "lastOrderOn": "2026-03-01", "lifetimeRevenue": { "amount": "63.30" }, "receivable": { "amount": "63.30" } })
        );
    }
);

on_both!(
    steps_out_of_turn_are_refused_with_the_legal_ones,
    async |app: App| {
        let shop = shop(&app).await;
        let (ann, left) = (&shop.team.ann, &shop.team.left);
        let order = placed(&app, &shop, json!({})).await;
        for (name, input) in [
            ("orderApprove", at(&order)),
            ("orderStartProduction", at(&order)),
            ("orderShip", at(&order)),
            ("orderDeliver", at(&order)),
            (
                "orderReturn",
                with(with(at(&order), "reason", "x"), "restock", "x"),
            ),
        ] {
            let mut input = input;
            if input.get("restock").is_some() {
                input["restock"] = json!(true);
            }
            let answer = mutate(&app, left, name, input).await;
            assert_eq!(answer.rule(), "orders.illegal_transition", "{name}");
            assert_eq!(*answer.extension(0, "from"), json!("DRAFT"));
            let message = answer.errors()[0]["message"].as_str().unwrap().to_owned();
            assert!(message.contains("SUBMITTED, CANCELLED"), "{message}");
        }
        let track = json!({ "id": order["id"], "note": "?" });
        assert_eq!(
            mutate(&app, ann, "orderTrack", track).await.rule(),
            "orders.not_trackable"
        );
        let cancelled = with(at(&order), "reason", "Changed their mind");
        let order = order_of(
            mutate(&app, ann, "orderCancel", cancelled.clone()).await,
            "orderCancel",
        );
        assert_eq!(order["status"], "CANCELLED");
        assert_eq!(order["nextStatuses"], json!([]));
        assert_eq!(
            mutate(&app, ann, "orderCancel", cancelled).await.code(0),
            "STALE_VERSION"
        );
        assert_eq!(
            mutate(&app, ann, "orderSubmit", at(&order)).await.rule(),
            "orders.illegal_transition"
        );
    }
);

on_both!(
    every_step_of_somebody_elses_order_finds_nothing,
    async |app: App| {
        let shop = shop(&app).await;
        let order = placed(&app, &shop, json!({})).await;
        for who in [&shop.team.ben, &shop.team.right] {
            for (name, input) in [
                ("orderSubmit", at(&order)),
                ("orderCancel", at(&order)),
                ("orderStartProduction", at(&order)),
                ("orderShip", at(&order)),
                ("orderDeliver", at(&order)),
                ("orderTrack", json!({ "id": order["id"], "note": "?" })),
                (
                    "orderReturn",
                    json!({ "id": order["id"], "version": 1, "reason": "?", "restock": false }),
                ),
            ] {
                let answer = mutate(&app, who, name, input).await;
                assert_eq!(answer.code(0), "NOT_FOUND", "{name}");
            }
        }
        for (name, input) in [
            ("orderApprove", at(&order)),
            ("orderRefuse", with(at(&order), "note", "?")),
        ] {
            assert_eq!(
                mutate(&app, &shop.team.right, name, input.clone())
                    .await
                    .code(0),
                "NOT_FOUND"
            );
            assert_eq!(
                mutate(&app, &shop.team.ann, name, input).await.code(0),
                "FORBIDDEN"
            );
        }
    }
);

on_both!(stock_is_promised_once_and_given_back, async |app: App| {
    let shop = shop(&app).await;
    let ann = &shop.team.ann;
    let of_tofu = |quantity: i32| json!({ "submit": true, "lines": [{ "productId": shop.tofu, "quantity": quantity }] });
    let first = placed(&app, &shop, of_tofu(30)).await;
    let answer = mutate(&app, ann, "orderCreate", basket(&shop, of_tofu(21))).await;
    assert_eq!(answer.rule(), "stock.insufficient");
    assert_eq!(answer.fields(), ["input.lines.0.quantity"]);
    placed(&app, &shop, of_tofu(20)).await;
    assert_eq!(levels(&app, &shop.team, &shop.tofu).await, (50, 50));
    let _ = mutate(&app, ann, "orderCancel", at(&first)).await.ok();
    assert_eq!(levels(&app, &shop.team, &shop.tofu).await, (50, 20));
    // A product that may be back-ordered is promised beyond what there is, but does not ship.
    let rare = product(
        &app,
        &shop.team,
        "RARE",
        "1.00",
        json!({ "mayBackOrder": true }),
    )
    .await;
    let order = placed(
        &app,
        &shop,
        json!({ "submit": true, "lines": [{ "productId": rare, "quantity": 5 }] }),
    )
    .await;
    assert_eq!(order["status"], "APPROVED");
    assert_eq!(levels(&app, &shop.team, &rare).await, (0, 5));
    assert_eq!(
        mutate(&app, ann, "orderShip", at(&order)).await.rule(),
        "stock.insufficient"
    );
    assert_eq!(read(&app, ann, &order).await["status"], "APPROVED");
    stock(&app, &shop.team, &rare, 5).await;
    let _ = mutate(&app, ann, "orderShip", at(&order)).await.ok();
    assert_eq!(levels(&app, &shop.team, &rare).await, (0, 0));
    // What a draft holds may have left the market meanwhile.
    let draft = placed(&app, &shop, json!({})).await;
    retire(&app, &shop.team, &shop.chai).await;
    assert_eq!(
        mutate(&app, ann, "orderSubmit", at(&draft)).await.rule(),
        "orders.inactive_product"
    );
    let empty = placed(&app, &shop, json!({ "lines": [] })).await;
    assert_eq!(
        mutate(&app, ann, "orderSubmit", at(&empty)).await.rule(),
        "orders.no_lines"
    );
});

on_both!(
    an_order_beyond_the_credit_limit_waits_for_a_manager,
    async |app: App| {
        let shop = shop(&app).await;
        let (ann, left) = (&shop.team.ann, &shop.team.left);
        set_terms(
            &app,
            &shop,
            json!({ "creditLimit": { "amount": "100.00", "currency": "EUR" } }),
        )
        .await;
        let first = placed(&app, &shop, json!({ "submit": true })).await;
        assert_eq!(first["status"], "APPROVED");
        let second = placed(&app, &shop, json!({ "submit": true })).await;
        assert_eq!(second["status"], "SUBMITTED");
        assert_eq!(second["approvalReasons"], json!(["CREDIT_LIMIT"]));
        assert_eq!(second["nextStatuses"], json!(["CANCELLED"]));
        assert_eq!(events(&second), ["CREATED", "SUBMITTED"]);
        assert_eq!(levels(&app, &shop.team, &shop.chai).await, (100, 6));
        let seen = read(&app, left, &second).await;
        assert_eq!(
            seen["nextStatuses"],
            json!(["APPROVED", "DRAFT", "CANCELLED"])
        );
        let blank = mutate(&app, left, "orderRefuse", with(at(&second), "note", " ")).await;
        assert_eq!(blank.fields(), ["input.note"]);
        let refused = order_of(
            mutate(
                &app,
                left,
                "orderRefuse",
                with(at(&second), "note", "Let them pay first"),
            )
            .await,
            "orderRefuse",
        );
        assert_eq!(refused["status"], "DRAFT");
        assert_eq!(refused["decisionNote"], "Let them pay first");
        assert_eq!(levels(&app, &shop.team, &shop.chai).await, (100, 3));
        let waiting = order_of(
            mutate(&app, ann, "orderSubmit", at(&refused)).await,
            "orderSubmit",
        );
        assert_eq!(waiting["status"], "SUBMITTED");
        let approve = with(at(&waiting), "note", "They called");
        let approved = order_of(
            mutate(&app, left, "orderApprove", approve.clone()).await,
            "orderApprove",
        );
        assert_eq!(approved["status"], "APPROVED");
        assert_eq!(approved["decisionNote"], "They called");
        assert_eq!(
            events(&approved),
            ["CREATED", "SUBMITTED", "REFUSED", "SUBMITTED", "APPROVED"]
        );
        assert_eq!(
            mutate(&app, left, "orderApprove", approve).await.code(0),
            "STALE_VERSION"
        );
        assert_eq!(levels(&app, &shop.team, &shop.chai).await, (100, 6));
    }
);

on_both!(
    an_approval_does_not_pass_a_limit_that_nobody_spoke_of,
    async |app: App| {
        let shop = shop(&app).await;
        let (ann, ben, left) = (&shop.team.ann, &shop.team.ben, &shop.team.left);
        let limit = json!({ "creditLimit": { "amount": "100.00", "currency": "EUR" } });
        set_terms(&app, &shop, limit).await;
        let cheap = json!({ "submit": true, "discountBp": 3_500 });
        let waiting = placed(&app, &shop, cheap).await;
        assert_eq!(waiting["approvalReasons"], json!(["DISCOUNT"]));
        // Meanwhile another order takes most of the credit.
        let other = placed(&app, &shop, json!({ "submit": true })).await;
        assert_eq!(other["status"], "APPROVED");
        let refused = mutate(&app, left, "orderApprove", at(&waiting)).await;
        assert_eq!(refused.rule(), "orders.reasons_changed");
        assert_eq!(refused.fields(), ["input.reasons"]);
        let reasons = &refused.errors()[0]["extensions"]["reasons"];
        assert_eq!(*reasons, json!(["CREDIT_LIMIT", "DISCOUNT"]));
        assert_eq!(read(&app, left, &waiting).await["status"], "SUBMITTED");
        let mut knowing = at(&waiting);
        knowing["reasons"] = json!(["CREDIT_LIMIT"]);
        let half = mutate(&app, left, "orderApprove", knowing.clone()).await;
        assert_eq!(half.rule(), "orders.reasons_changed");
        knowing["reasons"] = reasons.clone();
        let reps = mutate(&app, ann, "orderApprove", knowing.clone()).await;
        assert_eq!(reps.code(0), "FORBIDDEN");
        let strangers = mutate(&app, ben, "orderApprove", knowing.clone()).await;
        assert_eq!(strangers.code(0), "FORBIDDEN");
        let approved = mutate(&app, left, "orderApprove", knowing).await;
        let approved = order_of(approved, "orderApprove");
        assert_eq!(approved["status"], "APPROVED");
        assert_eq!(approved["approvalReasons"], *reasons);
    }
);

on_both!(an_order_up_to_the_limit_needs_nobody, async |app: App| {
    let shop = shop(&app).await;
    set_terms(
        &app,
        &shop,
        json!({ "creditLimit": { "amount": "63.30", "currency": "EUR" } }),
    )
    .await;
    let order = placed(&app, &shop, json!({ "submit": true })).await;
    assert_eq!(order["status"], "APPROVED");
    let tofu = json!({ "submit": true, "lines": [{ "productId": shop.tofu, "quantity": 1, "discountBp": 10_000 }] });
    let order = placed(&app, &shop, tofu).await;
    assert_eq!(
        order["approvalReasons"],
        json!(["DISCOUNT"]),
        "for nothing, but within the limit"
    );
    let both = json!({ "submit": true, "discountBp": 3_001 });
    let order = placed(&app, &shop, both).await;
    assert_eq!(
        order["approvalReasons"],
        json!(["CREDIT_LIMIT", "DISCOUNT"])
    );
});

on_both!(
    a_large_discount_of_a_rep_waits_and_a_managers_does_not,
    async |app: App| {
        let shop = shop(&app).await;
        for (discount, status) in [(3_000, "APPROVED"), (3_001, "SUBMITTED")] {
            let order = placed(
                &app,
                &shop,
                json!({ "submit": true, "discountBp": discount }),
            )
            .await;
            assert_eq!(order["status"], status);
            let lines = json!({ "submit": true, "lines": [
            { "productId": shop.chai, "quantity": 1 },
            { "productId": shop.chai, "quantity": 1, "discountBp": discount },
        ] });
            let order = placed(&app, &shop, lines).await;
            assert_eq!(order["status"], status);
        }
        let input = basket(&shop, json!({ "submit": true, "discountBp": 9_000 }));
        let answer = mutate(&app, &shop.team.left, "orderCreate", input).await;
        assert_eq!(order_of(answer, "orderCreate")["status"], "APPROVED");
    }
);

/// Puts a client into a tier with a discount of 35 %, 45 days and a credit limit of 50.
async fn grade(app: &App, client: &str, currency: &str) {
    let client: ClientId = client.parse().unwrap();
    let currency = currency.to_owned();
    app.server()
        .database
        .as_system("the tier of a test")
        .write(move |tx| {
            let currency = currency.clone();
            async move {
                let now = tx.now();
                let scheme = tx
                    .insert::<tier_scheme::Entity>(tier_scheme::ActiveModel {
                        id: Set(tx.new_id()),
                        name: Set(format!("By revenue in {currency}")),
                        is_default: Set(true),
                        version: Set(1),
                        created_at: Set(now),
                        updated_at: Set(now),
                        ..Default::default()
                    })
                    .await?;
                let tier = tx
                    .insert::<tier::Entity>(tier::ActiveModel {
                        id: Set(tx.new_id()),
                        scheme_id: Set(scheme.id),
                        code: Set("A".to_owned()),
                        name: Set("Key".to_owned()),
                        rank: Set(1),
                        discount_bp: Set(Some(3_500)),
                        payment_term_days: Set(Some(45)),
                        credit_limit_minor: Set(Some(5_000)),
                        credit_limit_currency: Set(Some(currency)),
                        version: Set(1),
                        created_at: Set(now),
                        updated_at: Set(now),
                        ..Default::default()
                    })
                    .await?;
                let client = tx.lock_client(client).await?;
                tx.insert_under::<tier_assignment::Entity>(
                    &client,
                    tier_assignment::ActiveModel {
                        id: Set(tx.new_id()),
                        scheme_id: Set(scheme.id),
                        tier_id: Set(tier.id),
                        kind: Set(AssignmentKind::Manual),
                        reason: Set("a test".to_owned()),
                        assigned_at: Set(now),
                        ..Default::default()
                    },
                )
                .await?;
                tx.refresh_stats(&client).await
            }
        })
        .await
        .unwrap();
}

on_both!(a_tier_brings_its_terms, async |app: App| {
    let shop = shop(&app).await;
    grade(&app, &shop.client, "EUR").await;
    let order = placed(
        &app,
        &shop,
        json!({ "submit": true, "placedOn": "2026-03-01" }),
    )
    .await;
    // 19.50 + 21.645, each line rounded once.
    assert_eq!(order["total"]["amount"], "41.15");
    assert_eq!(order["lines"][0]["discountBp"], 3_500);
    assert_eq!(order["dueOn"], "2026-04-15");
    assert_eq!(order["status"], "APPROVED", "the tier grants the discount");
    let order = placed(&app, &shop, json!({ "submit": true })).await;
    assert_eq!(order["approvalReasons"], json!(["CREDIT_LIMIT"]));
});

on_both!(
    a_tiers_limit_in_another_currency_limits_nothing,
    async |app: App| {
        let shop = shop(&app).await;
        grade(&app, &shop.client, "USD").await;
        set_terms(&app, &shop, json!({ "paymentTermDays": 0 })).await;
        for _ in 0..2 {
            let order = placed(
                &app,
                &shop,
                json!({ "submit": true, "placedOn": "2026-03-01" }),
            )
            .await;
            assert_eq!(order["status"], "APPROVED");
            assert_eq!(
                order["dueOn"], "2026-03-01",
                "the client's own term comes first"
            );
        }
    }
);

on_both!(
    orders_that_race_for_credit_do_not_both_win,
    async |app: App| {
        let shop = shop(&app).await;
        set_terms(
            &app,
            &shop,
            json!({ "creditLimit": { "amount": "130.00", "currency": "EUR" } }),
        )
        .await;
        // Stock is enough for five.
        let tries = (0..5).map(|_| {
            mutate(
                &app,
                &shop.team.ann,
                "orderCreate",
                basket(&shop, json!({ "submit": true })),
            )
        });
        let answers = futures_util::future::join_all(tries).await;
        let mut statuses: Vec<String> = answers
            .into_iter()
            .map(|answer| {
                order_of(answer, "orderCreate")["status"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses[..3], ["APPROVED", "APPROVED", "SUBMITTED"]);
    }
);

on_both!(
    orders_that_race_for_the_last_units_promise_no_more,
    async |app: App| {
        let shop = shop(&app).await;
        let lines = json!({ "submit": true, "lines": [{ "productId": shop.tofu, "quantity": 20 }, { "productId": shop.chai, "quantity": 1 }] });
        let tries = (0..6).map(|_| {
            mutate(
                &app,
                &shop.team.ann,
                "orderCreate",
                basket(&shop, lines.clone()),
            )
        });
        let answers = futures_util::future::join_all(tries).await;
        let won = answers
            .iter()
            .filter(|answer| answer.errors().is_empty())
            .count();
        assert_eq!(won, 2);
        assert_eq!(levels(&app, &shop.team, &shop.tofu).await, (50, 40));
        assert_eq!(levels(&app, &shop.team, &shop.chai).await, (100, 2));
    }
);
