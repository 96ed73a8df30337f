//! Pages: how large, of what, from where, for how many statements.

use std::collections::BTreeSet;

use entity::{ClientId, note};
use sea_orm::ActiveValue::Set;
use serde_json::json;

use super::{COLLECTIONS, Phone, Rx, act, contact, new_id, note, put_away, whole};
use crate::support::App;

on_both!(pages_hold_exactly_what_was_asked_for, async |app: App| {
    let team = app.team().await;
    let mut expected = BTreeSet::new();
    for number in 0..3 {
        let client = app.client_of(&team.ann, &format!("Client {number}")).await;
        for name in ["Maria", "Thomas", "Yang"] {
            expected.insert(contact(&app, &team.ann, &client, name).await);
        }
    }
    let bens = app.client_of(&team.ben, "Another").await;
    contact(&app, &team.ben, &bens, "Of Ben").await;
    for limit in [1, 2, 4, 9, 10, 5_000] {
        let mut rx = Rx::of(&team.ann, "CONTACTS");
        let sizes = rx.pull(&app, limit).await;
        let ids: BTreeSet<String> = rx.held.keys().cloned().collect();
        assert_eq!(ids, expected, "limit {limit}");
        let full = usize::try_from(limit).unwrap();
        let (last, before) = sizes.split_last().unwrap();
        assert!(
            *last < full && before.iter().all(|size| *size == full),
            "{sizes:?}"
        );
        assert_eq!(sizes.iter().sum::<usize>(), 9);
        // Nothing is told twice, and one change is one document.
        assert_eq!(rx.pull(&app, limit).await, [0]);
    }
    let mut rx = Rx::of(&team.ann, "CONTACTS");
    rx.pull(&app, 4).await;
    let client = app.client_of(&team.ann, "A fourth").await;
    let fresh = contact(&app, &team.ann, &client, "Howard").await;
    put_away(&app, &team.ann, expected.first().unwrap(), 1).await;
    assert_eq!(rx.pull(&app, 4).await, [2]);
    assert!(rx.held.contains_key(&fresh) && !rx.held.contains_key(expected.first().unwrap()));
    // The whole surface says the same, however small its pages.
    for limit in [1, 3, 1_000] {
        let mut phone = Phone::of(&team.ann, limit);
        let pages = phone.pull(&app).await;
        assert_eq!(phone.held, whole(&app, &team.ann).await);
        assert_eq!(phone.ids("contact"), rx.held.keys().cloned().collect());
        assert_eq!(phone.ids("client").len(), 4);
        assert_eq!(phone.ids("user"), BTreeSet::from([team.ann.id()]));
        assert!(limit == 1_000 || pages > 3);
        assert_eq!(phone.pull(&app).await, 1);
    }
});

on_both!(every_collection_can_be_pulled, async |app: App| {
    let team = app.team().await;
    let admin = &team.admin;
    let category = act(
        &app,
        admin,
        "categoryCreate",
        "CategoryCreateInput",
        json!({ "name": "Tea" }),
        "category { id }",
    )
    .await;
    let product = json!({ "sku": "T-1", "name": "Green tea", "unit": "box", "categoryId": category["category"]["id"],
        "listPrice": { "amount": "12.50", "currency": "EUR" }, "mayBackOrder": true });
    let product = act(
        &app,
        admin,
        "productCreate",
        "ProductCreateInput",
        product,
        "product { id }",
    )
    .await;
    let scheme = json!({ "name": "Value", "isDefault": true });
    let scheme = act(
        &app,
        admin,
        "tierSchemeCreate",
        "TierSchemeCreateInput",
        scheme,
        "tierScheme { id }",
    )
    .await;
    let tier =
        json!({ "schemeId": scheme["tierScheme"]["id"], "code": "A", "name": "Best", "rank": 1 });
    act(
        &app,
        admin,
        "tierCreate",
        "TierCreateInput",
        tier,
        "tier { id }",
    )
    .await;
    let client = app.client_of(&team.ann, "Alfreds").await;
    contact(&app, &team.ann, &client, "Maria").await;
    note(&app, &team.ann, &client, "likes tea").await;
    let address = json!({ "clientId": client, "kind": "BILLING", "city": "Berlin" });
    act(
        &app,
        &team.ann,
        "addressCreate",
        "AddressCreateInput",
        address,
        "address { id }",
    )
    .await;
    let line = json!({ "productId": product["product"]["id"], "quantity": 3 });
    let order = json!({ "clientId": client, "lines": [line] });
    let order = act(
        &app,
        &team.ann,
        "orderCreate",
        "OrderCreateInput",
        order,
        "order { id version }",
    )
    .await;
    let order = order["order"].clone();
    let mut ann = Phone::of(&team.ann, 1_000);
    ann.pull(&app).await;
    let held = &ann.held[order["id"].as_str().unwrap()];
    assert_eq!(held["lines"][0]["quantity"], 3);
    assert_eq!(held["lines"][0]["unitPrice"]["amount"], "12.50");
    // An order is one document with its lines: a change of these is one of it.
    let line = json!({ "productId": product["product"]["id"], "quantity": 5 });
    let change = json!({ "id": order["id"], "version": order["version"], "lines": [line] });
    act(
        &app,
        &team.ann,
        "orderUpdate",
        "OrderUpdateInput",
        change,
        "order { id }",
    )
    .await;
    let before = ann.held.clone();
    ann.pull(&app).await;
    assert_eq!(
        ann.held[order["id"].as_str().unwrap()]["lines"][0]["quantity"],
        5
    );
    let changed = ann
        .held
        .iter()
        .filter(|(id, now)| before.get(*id) != Some(*now));
    assert_eq!(changed.count(), 1);
    // One collection at a time it is the same; the other rep has the catalogue and themselves.
    let ben = whole(&app, &team.ben).await;
    for (collection, list, ..) in COLLECTIONS {
        let mut rx = Rx::of(&team.ann, collection);
        rx.pull(&app, 50).await;
        for (id, document) in &rx.held {
            assert_eq!(ann.held.get(id), Some(document), "{list}");
        }
        if !["payments", "syncIssues"].contains(list) {
            assert!(!rx.held.is_empty(), "{list}");
        }
        let mut other = Rx::of(&team.ben, collection);
        other.pull(&app, 50).await;
        for id in other.held.keys() {
            assert!(ben.contains_key(id));
        }
        let shared = ["products", "categories", "tierSchemes", "tiers"].contains(list);
        assert_eq!(shared, !other.held.is_empty() && *list != "users", "{list}");
    }
});

on_both!(a_pull_without_news_is_one_statement, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds").await;
    contact(&app, &team.ann, &client, "Maria").await;
    let mut rx = Rx::of(&team.ann, "CONTACTS");
    rx.pull(&app, 50).await;
    let mut phone = Phone::of(&team.ann, 50);
    phone.pull(&app).await;
    // What it takes to know who asks.
    let base = app
        .gql(&team.ann.token, "{ viewer { role } }", json!({}))
        .await
        .ok();
    let base = base.statements();
    let idle = phone.ask(&app, json!({})).await.ok();
    assert_eq!(idle.data("/sync/hasMore"), false);
    let sync = idle.statements();
    let idle = rx.ask(&app, 50).await.ok();
    assert!(idle.list("/page/documents").is_empty());
    println!(
        "who asks: {base}, idle sync: {sync}, idle pull: {}",
        idle.statements()
    );
    assert!(sync <= base + 1 && idle.statements() <= base + 1);
    // Nor does one of a kind of which there never was anything, though that has no checkpoint to show for it.
    let mut quiet = Rx::of(&team.ann, "PAYMENTS");
    assert_eq!(quiet.pull(&app, 50).await, [0]);
    assert!(quiet.checkpoint.is_none());
    let idle = quiet.ask(&app, 50).await.ok();
    assert!(idle.statements() <= base + 1, "{}", idle.statements());
    // What is new takes no more however much the phone holds.
    for number in 0..20 {
        let client = app.client_of(&team.ann, &format!("More {number}")).await;
        contact(&app, &team.ann, &client, "Somebody").await;
    }
    for rx in [&quiet, &Rx::of(&team.ben, "PAYMENTS")] {
        let idle = rx.ask(&app, 50).await.ok();
        assert!(idle.list("/page/documents").is_empty());
        println!("an idle pull of none: {}", idle.statements());
        assert!(rx.who.id == team.ben.id || idle.statements() <= base + 1);
    }
    // One of whose kind there was nothing new while much of others changed.
    let idle = rx.ask(&app, 50).await.ok();
    assert_eq!(idle.list("/page/documents").len(), 20);
    rx.pull(&app, 50).await;
    note(&app, &team.ann, &client, "of another kind").await;
    let idle = rx.ask(&app, 50).await.ok();
    assert!(idle.list("/page/documents").is_empty() && idle.statements() <= base + 1);
    phone.pull(&app).await;
    note(&app, &team.ann, &client, "small").await;
    let small = phone.ask(&app, json!({})).await.ok().statements();
    for number in 0..10 {
        note(&app, &team.ann, &client, &format!("{number}")).await;
    }
    let large = phone.ask(&app, json!({})).await.ok().statements();
    println!("a sync of one note: {small}, of ten: {large}");
    assert_eq!(small, large);
});

on_both!(what_is_no_pull_is_refused, async |app: App| {
    let team = app.team().await;
    let rx = Rx::of(&team.ann, "NOTES");
    for (limit, rule) in [(0, None), (-1, None), (5_001, Some("SYNC_LIMIT_TOO_LARGE"))] {
        let refused = rx.ask(&app, limit).await;
        assert_eq!(refused.code(0), "BAD_USER_INPUT");
        assert_eq!(refused.extension(0, "rule").as_str(), rule);
        assert_eq!(refused.fields(), ["limit"]);
    }
    let phone = Phone::of(&team.ann, 50);
    let refused = phone.ask(&app, json!({ "limit": 5_001 })).await;
    assert_eq!(
        (refused.rule(), refused.fields()),
        ("SYNC_LIMIT_TOO_LARGE", vec!["input.limit"])
    );
    for token in [
        "",
        "nonsense",
        "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKA",
    ] {
        let refused = phone
            .ask(&app, json!({ "checkpoint": { "token": token } }))
            .await;
        assert_eq!(refused.rule(), "SYNC_CHECKPOINT_INVALID");
        assert_eq!(refused.fields(), ["input.checkpoint"]);
    }
    let both = json!({ "checkpoint": { "token": "x" }, "since": 7 });
    assert_eq!(phone.ask(&app, both).await.fields(), ["input.since"]);
    let none = phone.ask(&app, json!({ "collections": [] })).await;
    assert_eq!(none.fields(), ["input.collections"]);
    assert_eq!(
        app.gql("", "{ pullNotes(limit: 1) { hasMore } }", json!({}))
            .await
            .code(0),
        "UNAUTHENTICATED"
    );
});

on_both!(
    a_number_serves_in_place_of_a_checkpoint,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds").await;
        let maria = contact(&app, &team.ann, &client, "Maria").await;
        let mut phone = Phone::of(&team.ann, 1_000);
        let first = phone.ask(&app, json!({ "since": 0 })).await.ok();
        assert_eq!(first.data("/sync/strategy"), "REPLACE");
        phone.store(&first);
        let watermark = first.data("/sync/watermark").as_u64().unwrap();
        assert!(watermark > 0);
        let thomas = contact(&app, &team.ann, &client, "Thomas").await;
        put_away(&app, &team.ann, &maria, 1).await;
        phone.checkpoint = None;
        let next = phone.ask(&app, json!({ "since": watermark })).await.ok();
        assert_eq!(next.data("/sync/strategy"), "INCREMENTAL");
        assert_eq!(next.list("/sync/contacts").len(), 1);
        phone.store(&next);
        assert_eq!(phone.ids("contact"), BTreeSet::from([thomas]));
        assert_eq!(phone.gone, [(maria, "DELETED".to_owned())]);
        // A number from a time that never was.
        phone.checkpoint = None;
        let ahead = phone
            .ask(&app, json!({ "since": watermark + 1_000 }))
            .await
            .ok();
        assert_eq!(ahead.data("/sync/strategy"), "REPLACE");
        phone.store(&ahead);
        assert_eq!(phone.held, whole(&app, &team.ann).await);
    }
);

on_both!(a_checkpoint_is_good_for_its_user_alone, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds").await;
    contact(&app, &team.ann, &client, "Maria").await;
    let bens = app.client_of(&team.ben, "Bens").await;
    contact(&app, &team.ben, &bens, "Howard").await;
    let mut ann = Phone::of(&team.ann, 1_000);
    ann.pull(&app).await;
    // Ben signs in on her phone.
    ann.who = team.ben.clone();
    let answer = ann.ask(&app, json!({})).await.ok();
    assert_eq!(answer.data("/sync/strategy"), "REPLACE");
    ann.store(&answer);
    assert_eq!(ann.held, whole(&app, &team.ben).await);
    let mut rx = Rx::of(&team.ann, "CONTACTS");
    rx.pull(&app, 50).await;
    rx.who = team.ben.clone();
    let refused = rx.ask(&app, 50).await;
    assert_eq!(
        (refused.code(0), refused.rule()),
        ("CONFLICT", "SYNC_RESYNC_REQUIRED")
    );
    assert_eq!(refused.extension(0, "reason"), "OTHER_USER");
    // A token of one collection is none of another; a new session is nothing new.
    rx.who = team.ann.clone();
    rx.field = "pullNotes";
    rx.fields = "body";
    assert_eq!(
        rx.ask(&app, 50).await.extension(0, "reason"),
        "OTHER_COLLECTION"
    );
    rx.field = "pullContacts";
    rx.fields = "name";
    rx.who = app.sign_in(team.ann.id, "Ann").await;
    assert!(
        rx.ask(&app, 50)
            .await
            .ok()
            .list("/page/documents")
            .is_empty()
    );
    // An id of another kind is no device.
    let stranger = format!(
        "{{ pullNotes(limit: 1, deviceId: \"{}\") {{ hasMore }} }}",
        new_id("client")
    );
    assert_eq!(
        app.gql(&team.ann.token, &stranger, json!({})).await.code(0),
        "BAD_USER_INPUT"
    );
});

on_both!(a_phone_fetches_a_whole_book_at_once, async |app: App| {
    let team = app.team().await;
    let clients = 150;
    for number in 0..clients {
        let client = app.client_of(&team.ann, &format!("Client {number}")).await;
        contact(&app, &team.ann, &client, "Somebody").await;
    }
    let cost = |answer: &crate::support::Answer| {
        let cost = &answer.json["extensions"]["cost"];
        let told = |name: &str| cost[name].as_u64().unwrap();
        (told("requestedQueryCost"), told("actualQueryCost"))
    };
    // Everything that there is of orders, which have the most in them.
    let money = "{ amount currency }";
    let all = format!(
        "{{ pullOrders(limit: 5000) {{ hasMore checkpoint {{ token }} documents {{ id clientId number status placedById \
         placedOn shipTo {{ name street city region postalCode country }} freight {money} linesTotal {money} \
         total {money} paid {money} returned {money} version deleted lines {{ id productId quantity \
         unitPrice {money} net {money} }} }} }} }}"
    );
    let answer = app.gql(&team.ann.token, &all, json!({})).await.ok();
    assert!(cost(&answer).0 < 100, "{answer}");
    // Objects of a pull cost a fiftieth.
    let mut phone = Phone::of(&team.ann, 5_000);
    let answer = phone.ask(&app, json!({})).await.ok();
    assert_eq!(answer.list("/sync/contacts").len(), clients);
    let (requested, actual) = cost(&answer);
    assert!(requested < 100, "{answer}");
    assert!((6..20).contains(&actual), "{answer}");
    phone.pull(&app).await;
    let rows = "{ syncManifest(collection: CONTACTS, limit: 5000) { rows { id version } } }";
    let answer = app.gql(&team.ann.token, rows, json!({})).await.ok();
    assert_eq!(answer.list("/syncManifest/rows").len(), clients);
    assert_eq!(cost(&answer).1, 4, "{answer}");
    // The other rep has none of it.
    let other = Phone::of(&team.ben, 5_000).ask(&app, json!({})).await.ok();
    assert!(other.list("/sync/contacts").is_empty());
});

/// Bytes of documents after which a page of all collections ends.
const PAGE_BYTES: usize = 4 << 20;

on_both!(a_page_of_long_documents_is_short, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds").await;
    let id: ClientId = client.parse().unwrap();
    let (author, count, letters) = (team.ann.id, 250, 10_000);
    let system = app.server().database.as_system("long notes of a test");
    let made = system.write(move |tx| async move {
        let client = tx.lock_client(id).await?;
        let rows = (0..count).map(|at| note::ActiveModel {
            id: Set(tx.new_id()),
            author_id: Set(author),
            body: Set(format!("{at} {}", "\u{6587}".repeat(letters))),
            is_pinned: Set(false),
            version: Set(1),
            created_at: Set(tx.now()),
            updated_at: Set(tx.now()),
            ..Default::default()
        });
        let rows = rows.collect();
        tx.insert_all_under::<note::Entity>(&client, rows).await?;
        Ok(())
    });
    made.await.unwrap();
    let mut phone = Phone::of(&team.ann, 5_000);
    let (mut has_more, mut sizes, mut watermarks) = (true, Vec::new(), BTreeSet::new());
    while has_more {
        let answer = phone.ask(&app, json!({})).await.ok();
        watermarks.insert(answer.data("/sync/watermark").as_u64().unwrap());
        sizes.push(answer.data("/sync").to_string().len());
        has_more = phone.store(&answer);
    }
    // As full as may be: 30 kB each.
    assert!(
        sizes.len() == 2 && sizes[0] > PAGE_BYTES - 64 * 1024,
        "{sizes:?}"
    );
    assert!(
        sizes.iter().all(|size| *size < PAGE_BYTES + 64 * 1024),
        "{sizes:?}"
    );
    assert_eq!((phone.ids("note").len(), watermarks.len()), (count, 1));
    // One collection at a time, what was asked for is what comes.
    let mut rx = Rx::of(&team.ann, "NOTES");
    assert_eq!(rx.pull(&app, 200).await, [200, 50]);
});
