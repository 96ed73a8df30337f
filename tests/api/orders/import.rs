//! Orders of another system.

use clientele::db::Visible;
use clientele::domain::orders::{self, ImportedLine, ImportedOrder, ShipTo};
use clientele::{Code, Result};
use entity::{ClientId, ProductId, UserId, order, product};
use serde_json::json;

use super::*;

fn imported(by: UserId, shipped_on: Option<&str>) -> ImportedOrder {
    ImportedOrder {
        external_id: "10248".to_owned(),
        placed_by: by,
        placed_on: "1996-07-04".parse().unwrap(),
        required_on: Some("1996-08-01".parse().unwrap()),
        shipped_on: shipped_on.map(|day| day.parse().unwrap()),
        freight_minor: 3_238,
        ship_to: ShipTo {
            city: Some("Reims".to_owned()),
            ..ShipTo::default()
        },
        lines: Vec::new(),
    }
}

/// Imports an order of `quantity` of each product at EUR 14.00 less 5 %.
async fn import(
    app: &App,
    client: &str,
    order: ImportedOrder,
    products: &[&String],
    quantity: i64,
) -> Result<Visible<order::Model>> {
    let client: ClientId = client.parse().unwrap();
    let products: Vec<ProductId> = products.iter().map(|id| id.parse().unwrap()).collect();
    app.server()
        .database
        .as_system("the import of a test")
        .write(move |tx| {
            let (mut order, products) = (order.clone(), products.clone());
            async move {
                let client = tx.lock_client(client).await?;
                for id in products {
                    order.lines.push(ImportedLine {
                        product: tx.select::<product::Entity>().id(id).get().await?,
                        quantity,
                        unit_price_minor: 1_400,
                        discount_bp: 500,
                    });
                }
                orders::import(&tx, &client, order).await
            }
        })
        .await
}

on_both!(
    an_import_is_history_and_can_be_repeated,
    async |app: App| {
        let shop = shop(&app).await;
        let ann = &shop.team.ann;
        retire(&app, &shop.team, &shop.tofu).await;
        let both = [&shop.chai, &shop.tofu];
        let first = import(&app, &shop.client, imported(ann.id, None), &both, 12)
            .await
            .unwrap();
        let order = read(&app, ann, &json!({ "id": first.id.to_string() })).await;
        assert_eq!(order["status"], "APPROVED");
        assert_eq!(order["total"]["amount"], "351.58");
        assert_eq!(order["dueOn"], "1996-07-04");
        assert_eq!(order["shipTo"]["city"], "Reims");
        assert_eq!(events(&order), ["CREATED"]);
        assert_eq!(levels(&app, &shop.team, &shop.chai).await, (100, 0));
        let again = import(&app, &shop.client, imported(ann.id, None), &both, 12)
            .await
            .unwrap();
        assert_eq!(*again, *first, "nothing changed, nothing was written");
        let shipped = import(
            &app,
            &shop.client,
            imported(ann.id, Some("1996-07-16")),
            &both,
            13,
        )
        .await
        .unwrap();
        assert_eq!((shipped.id, shipped.version), (first.id, 2));
        let order = read(&app, ann, &order).await;
        assert_eq!(order["status"], "SHIPPED");
        assert_eq!(order["shippedOn"], "1996-07-16");
        assert_eq!(order["lines"][1]["quantity"], 13);
        assert_eq!(order["lines"].as_array().unwrap().len(), 2);
        assert_eq!(events(&order), ["CREATED", "SHIPPED"]);
        // It goes on from there as any order does, and the import does not undo that.
        let input = json!({ "id": order["id"], "version": 2 });
        let _ = mutate(&app, ann, "orderDeliver", input).await.ok();
        let kept = import(
            &app,
            &shop.client,
            imported(ann.id, Some("1996-07-16")),
            &both,
            13,
        )
        .await
        .unwrap();
        assert_eq!(kept.version, 3);
        let input = json!({ "id": order["id"], "version": 3, "reason": "Old", "restock": false,
        "lines": [{ "orderLineId": order["lines"][0]["id"], "quantity": 1 }] });
        let _ = mutate(&app, ann, "orderReturn", input).await.ok();
        let other = import(
            &app,
            &shop.client,
            imported(ann.id, Some("1996-07-16")),
            &both,
            14,
        )
        .await;
        assert_eq!(other.unwrap_err().code(), Code::Conflict);
    }
);

on_both!(
    an_import_takes_no_order_that_is_not_its_own,
    async |app: App| {
        let shop = shop(&app).await;
        let ann = &shop.team.ann;
        let theirs = basket(&shop, json!({ "externalId": "10248" }));
        let _ = mutate(&app, &shop.team.left, "orderCreate", theirs)
            .await
            .ok();
        let error = import(&app, &shop.client, imported(ann.id, None), &[&shop.chai], 1)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::Conflict);
        let mut order = imported(ann.id, None);
        order.external_id = "10249".to_owned();
        let _ = import(&app, &shop.client, order.clone(), &[&shop.chai], 1)
            .await
            .unwrap();
        let bens = app.client_of(&shop.team.ben, "Ben's").await;
        let error = import(&app, &bens, order.clone(), &[&shop.chai], 1)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::Conflict);
        let error = import(&app, &shop.client, order.clone(), &[], 1)
            .await
            .unwrap_err();
        assert_eq!(error.fields(), ["lines"]);
        let error = import(&app, &shop.client, order, &[&shop.chai], 0)
            .await
            .unwrap_err();
        assert_eq!(error.fields(), ["lines.0.quantity"]);
    }
);

on_both!(
    an_imported_order_holds_no_stock_until_it_ships,
    async |app: App| {
        let shop = shop(&app).await;
        let ann = &shop.team.ann;
        let order = import(
            &app,
            &shop.client,
            imported(ann.id, None),
            &[&shop.tofu],
            30,
        )
        .await
        .unwrap();
        let at = json!({ "id": order.id.to_string(), "version": 1 });
        // What others were promised is not for it.
        let lines =
            json!({ "submit": true, "lines": [{ "productId": shop.tofu, "quantity": 40 }] });
        let promised = placed(&app, &shop, lines).await;
        assert_eq!(
            mutate(&app, ann, "orderShip", at.clone()).await.rule(),
            "stock.insufficient"
        );
        let cancel = json!({ "id": promised["id"], "version": 1 });
        let _ = mutate(&app, ann, "orderCancel", cancel).await.ok();
        let _ = mutate(&app, ann, "orderShip", at).await.ok();
        assert_eq!(levels(&app, &shop.team, &shop.tofu).await, (20, 0));
        let mut other = imported(ann.id, None);
        other.external_id = "10249".to_owned();
        let other = import(&app, &shop.client, other, &[&shop.tofu], 30)
            .await
            .unwrap();
        let cancel = json!({ "id": other.id.to_string(), "version": 1 });
        let _ = mutate(&app, ann, "orderCancel", cancel).await.ok();
        assert_eq!(levels(&app, &shop.team, &shop.tofu).await, (20, 0));
    }
);

on_both!(
    an_import_does_not_revive_what_was_cancelled,
    async |app: App| {
        let shop = shop(&app).await;
        let left = &shop.team.left;
        let input = json!({ "clientId": shop.client, "externalId": "10248",
        "lines": [{ "productId": shop.chai, "quantity": 1 }] });
        let draft = order_of(
            mutate(&app, left, "orderCreate", input).await,
            "orderCreate",
        );
        let input = json!({ "id": draft["id"], "version": 1 });
        let before = order_of(
            mutate(&app, left, "orderCancel", input).await,
            "orderCancel",
        );
        let by = shop.team.ann.id;
        let products = [&shop.chai];
        let refused = import(
            &app,
            &shop.client,
            imported(by, Some("1996-07-16")),
            &products,
            77,
        )
        .await;
        assert_eq!(refused.unwrap_err().code(), Code::Conflict);
        assert_eq!(read(&app, left, &before).await, before);
        // Nor what came by an import and was cancelled here; the same rows again are no fault.
        let other = ImportedOrder {
            external_id: "10249".to_owned(),
            ..imported(by, None)
        };
        let first = import(&app, &shop.client, other.clone(), &products, 12)
            .await
            .unwrap();
        let input = json!({ "id": first.id.to_string(), "version": 1 });
        let before = order_of(
            mutate(&app, left, "orderCancel", input).await,
            "orderCancel",
        );
        let again = import(&app, &shop.client, other.clone(), &products, 12)
            .await
            .unwrap();
        assert_eq!(again.version, 2);
        let refused = import(&app, &shop.client, other, &products, 13).await;
        assert_eq!(refused.unwrap_err().code(), Code::Conflict);
        assert_eq!(read(&app, left, &before).await, before);
    }
);
