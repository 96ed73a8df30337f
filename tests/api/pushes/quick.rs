//! Rows of stock RxDB that are pushed again before the phone has heard what the service made of them.

use serde_json::{Value, json};

use super::rows::{push, with};
use super::{contact_of, issues, new_id, office_changes};
use crate::orders::{placed, shop};
use crate::pulls::act;
use crate::support::{App, Person};

/// Demands that the phone may have the row as it pushed it.
async fn taken(app: &App, who: &Person, kind: &str, assumed: &Value, new: &Value) {
    let answer = push(app, who, kind, assumed.clone(), new.clone()).await;
    assert!(answer.is_empty(), "{new}");
}

on_both!(
    what_the_service_made_of_a_push_is_no_conflict,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let id = new_id("note");
        let none = Value::Null;
        let first = json!({ "id": id, "clientId": client, "body": "tea", "deleted": false });
        // Stored without the space, twice, before the phone hears of it.
        let second = with(&first, json!({ "body": "tea and " }));
        let third = with(&first, json!({ "body": "tea and biscuits " }));
        let fourth = with(&first, json!({ "body": "coffee" }));
        taken(&app, &team.ann, "Note", &none, &first).await;
        taken(&app, &team.ann, "Note", &first, &second).await;
        taken(&app, &team.ann, "Note", &second, &third).await;
        // Sent twice, as its answer was lost.
        taken(&app, &team.ann, "Note", &second, &third).await;
        taken(&app, &team.ann, "Note", &third, &fourth).await;
        assert!(issues(&app, &team.ann).await.is_empty());
        let query = "query($id: ID!) { note(id: $id) { body version } }";
        let there = app.gql(&team.ann.token, query, json!({ "id": id })).await;
        assert_eq!(
            there.ok().data("/note"),
            &json!({ "body": "coffee", "version": 4 })
        );
        // One that was long under way does not undo what came after it.
        let answer = push(&app, &team.ann, "Note", first.clone(), second.clone()).await;
        assert_eq!(answer[0]["body"], "coffee");
        // What the office writes in between is a conflict, as ever: also of what this phone pushed last.
        let pinned = with(&fourth, json!({ "body": "coffee " }));
        taken(&app, &team.ann, "Note", &fourth, &pinned).await;
        let input = json!({ "id": id, "version": 5, "body": "nothing" });
        let (mutation, kind) = ("noteUpdate", "NoteUpdateInput");
        let author = &team.ann;
        act(&app, author, mutation, kind, input, "note { id }").await;
        let cake = with(&pinned, json!({ "body": "cake" }));
        let answer = push(&app, &team.ann, "Note", pinned, cake).await;
        assert_eq!(answer[0]["body"], "nothing");
        // Another rep's phone cannot say that it made this.
        let answer = push(&app, &team.ben, "Note", fourth, first).await;
        assert_eq!(answer[0]["deleted"], true);
        let there = app.gql(&team.ann.token, query, json!({ "id": id })).await;
        assert_eq!(there.ok().data("/note/body"), "nothing");
    }
);

on_both!(
    what_others_wrote_is_seen_by_no_phone_that_pushed_beside_it,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let id = contact_of(&app, &team.ann, &client, json!({ "title": "Clerk" })).await;
        let row = json!({ "id": id, "clientId": client, "name": "Maria Anders", "title": "Clerk",
            "note": null, "version": 1, "deleted": false });
        let change = json!({ "id": id, "version": 1, "title": "Owner" });
        office_changes(&app, &team.left, change).await;
        let noted = with(&row, json!({ "note": "tea" }));
        taken(&app, &team.ann, "Contact", &row, &noted).await;
        // That write is this phone's, and the title in it is not.
        let titled = with(&noted, json!({ "title": "Manager" }));
        let answer = push(&app, &team.ann, "Contact", noted, titled).await;
        assert_eq!(
            (&answer[0]["title"], &answer[0]["note"]),
            (&json!("Owner"), &json!("tea"))
        );
        assert!(issues(&app, &team.ben).await.is_empty());
    }
);

on_both!(
    a_draft_may_be_changed_before_its_prices_come,
    async |app: App| {
        let shop = shop(&app).await;
        let ann = &shop.team.ann;
        let draft = json!({
            "id": new_id("order"), "clientId": shop.client, "status": "DRAFT", "placedOn": null,
            "note": null, "deleted": false, "lines": [{ "productId": shop.chai, "quantity": 3 }],
        });
        let lines = |quantity: i32| {
            let lines = json!([{ "productId": shop.chai, "quantity": quantity }]);
            with(&draft, json!({ "lines": lines }))
        };
        taken(&app, ann, "Order", &Value::Null, &draft).await;
        taken(&app, ann, "Order", &draft, &lines(4)).await;
        taken(&app, ann, "Order", &lines(4), &lines(5)).await;
        let noted = with(&lines(5), json!({ "note": "ring twice" }));
        taken(&app, ann, "Order", &lines(5), &noted).await;
        assert!(issues(&app, ann).await.is_empty());
        let query = "query($id: ID!) { order(id: $id) { version note lines { quantity } } }";
        let order = app
            .gql(&ann.token, query, json!({ "id": draft["id"] }))
            .await;
        assert_eq!(
            order.ok().data("/order"),
            &json!({ "version": 4, "note": "ring twice", "lines": [{ "quantity": 5 }] })
        );
        let bens = app.gql(&shop.team.ben.token, query, json!({ "id": draft["id"] }));
        assert_eq!(bens.await.ok().data("/order"), &Value::Null);
    }
);

on_both!(
    a_row_that_was_made_and_not_answered_is_pushed_again,
    async |app: App| {
        let shop = shop(&app).await;
        let ann = &shop.team.ann;
        let order = placed(&app, &shop, json!({ "submit": true })).await;
        let amount = |amount: &str| json!({ "amount": amount, "currency": "EUR" });
        let payment = json!({
            "id": new_id("payment"), "orderId": order["id"], "amount": amount("1.00"), "method": "CASH",
            "reference": "A1 ", "paidOn": null, "deleted": false,
        });
        for _ in 0..3 {
            taken(&app, ann, "Payment", &Value::Null, &payment).await;
        }
        assert!(issues(&app, ann).await.is_empty());
        // With another amount it is another payment, and the one that is there stays.
        let other = with(&payment, json!({ "amount": amount("2.00") }));
        let answer = push(&app, ann, "Payment", Value::Null, other.clone()).await;
        assert_eq!(answer[0]["amount"]["amount"], "1.00");
        assert_eq!(issues(&app, ann).await.len(), 1);
        let answer = push(&app, &shop.team.ben, "Payment", Value::Null, other).await;
        assert_eq!(answer[0]["deleted"], true);
        let there = crate::orders::read(&app, ann, &order).await;
        assert_eq!(there["paid"]["amount"], "1.00");
    }
);
