//! Tiers: schemes, one of them the default, what tiers bring, and who is in which and why.

use chrono::TimeDelta;
use clientele::jobs;
use serde_json::{Value, json};

use crate::support::people::Person;
use crate::support::{Answer, App};

const SCHEME: &str = "tierScheme { id version name isDefault archivedAt }";
const TIER: &str = "tier { id version code rank archivedAt benefits { discountBp visitCadenceDays creditLimit { amount currency } responseHours } }";
const ASSIGNED: &str = "client { id tier { code } } tierAssignment { id kind reason assignedBy { id } expiresAt endedAt endedReason tier { code } }";

async fn call(app: &App, token: &str, name: &str, input: Value, answer: &str) -> Answer {
    let mut letters = name.chars();
    let first = letters.next().unwrap().to_uppercase();
    let kind: String = first.chain(letters).collect();
    let kind = kind
        .replace("Archive", "Version")
        .replace("Restore", "Version");
    let query =
        format!("mutation($input: {kind}Input!) {{ {name}(input: $input) {{ {answer} }} }}");
    app.gql(token, &query, json!({ "input": input })).await
}

async fn scheme(app: &App, who: &Person, name: &str, is_default: bool) -> String {
    let input = json!({ "name": name, "isDefault": is_default });
    let answer = call(app, &who.token, "tierSchemeCreate", input, SCHEME)
        .await
        .ok();
    answer.text("/tierSchemeCreate/tierScheme/id").to_owned()
}

async fn tier(app: &App, who: &Person, scheme: &str, code: &str, rank: i32) -> String {
    let input = json!({ "schemeId": scheme, "code": code, "name": code, "rank": rank });
    let answer = call(app, &who.token, "tierCreate", input, TIER).await.ok();
    answer.text("/tierCreate/tier/id").to_owned()
}

async fn assign(app: &App, who: &Person, client: &str, tier: &str) -> Answer {
    let input = json!({ "clientId": client, "tierId": tier, "reason": "grown" });
    call(app, &who.token, "clientTierAssign", input, ASSIGNED).await
}

/// The tier that a client shows.
async fn shown(app: &App, who: &Person, client: &str) -> Value {
    let query = "query($id: ID!) { client(id: $id) { tier { code } } }";
    let token = app.token(who);
    let answer = app.gql(&token, query, json!({ "id": client })).await.ok();
    let tier = answer.data("/client/tier");
    tier.get("code").cloned().unwrap_or(Value::Null)
}

on_both!(reps_read_tiers_and_change_none, async |app: App| {
    let team = app.team().await;
    let value = scheme(&app, &team.left, "Value", false).await;
    let gold = tier(&app, &team.admin, &value, "A", 1).await;
    let client = app.client_of(&team.ann, "A").await;
    let read = "{ tierSchemes { totalCount nodes { name isDefault tiers { code scheme { name } } } } tierScheme { name } }";
    let answer = app.gql(&team.ann.token, read, json!({})).await.ok();
    assert_eq!(*answer.data("/tierSchemes/nodes/0/isDefault"), json!(true));
    assert_eq!(
        *answer.data("/tierSchemes/nodes/0/tiers/0/code"),
        json!("A")
    );
    assert_eq!(*answer.data("/tierScheme/name"), json!("Value"));
    let reason = "because";
    for (name, input, shape) in [
        ("tierSchemeCreate", json!({ "name": "X" }), SCHEME),
        (
            "tierSchemeUpdate",
            json!({ "id": value, "version": 1, "name": "X" }),
            SCHEME,
        ),
        (
            "tierSchemeArchive",
            json!({ "id": value, "version": 1 }),
            SCHEME,
        ),
        (
            "tierSchemeRestore",
            json!({ "id": value, "version": 1 }),
            SCHEME,
        ),
        (
            "tierCreate",
            json!({ "schemeId": value, "code": "X", "name": "X", "rank": 2 }),
            TIER,
        ),
        (
            "tierUpdate",
            json!({ "id": gold, "version": 1, "name": "X" }),
            TIER,
        ),
        ("tierArchive", json!({ "id": gold, "version": 1 }), TIER),
        ("tierRestore", json!({ "id": gold, "version": 1 }), TIER),
        (
            "clientTierAssign",
            json!({ "clientId": client, "tierId": gold, "reason": reason }),
            ASSIGNED,
        ),
        (
            "clientTierOverride",
            json!({ "clientId": client, "tierId": gold, "reason": reason, "expiresAt": "2999-01-01T00:00:00Z" }),
            ASSIGNED,
        ),
        (
            "clientTierOverrideEnd",
            json!({ "clientId": client, "reason": reason }),
            ASSIGNED,
        ),
    ] {
        let answer = call(&app, &team.ann.token, name, input, shape).await;
        assert_eq!(answer.code(0), "FORBIDDEN", "{name}");
    }
});

on_both!(one_scheme_in_use_is_the_default, async |app: App| {
    let team = app.team().await;
    let value = scheme(&app, &team.left, "Value", false).await;
    let potential = scheme(&app, &team.left, "Potential", false).await;
    let a = tier(&app, &team.left, &value, "A", 1).await;
    let high = tier(&app, &team.left, &potential, "HIGH", 1).await;
    let client = app.client_of(&team.ann, "A").await;
    let elsewhere = app.client_of(&team.cleo, "B").await;
    for tier in [&a, &high] {
        let _ = assign(&app, &team.left, &client, tier).await.ok();
        let _ = assign(&app, &team.right, &elsewhere, tier).await.ok();
    }
    assert_eq!(shown(&app, &team.ann, &client).await, json!("A"));
    let token = &team.left.token;
    let none = json!({ "id": value, "version": 1, "isDefault": false });
    let none = call(&app, token, "tierSchemeUpdate", none, SCHEME).await;
    assert_eq!(
        (none.rule(), none.fields()),
        ("tiers.default_needed", vec!["input.isDefault"])
    );
    let gone = call(
        &app,
        token,
        "tierSchemeArchive",
        json!({ "id": value, "version": 1 }),
        SCHEME,
    )
    .await;
    assert_eq!(gone.rule(), "tiers.default_needed");
    // A manager makes another scheme the default: clients out of their reach show it too.
    let other = json!({ "id": potential, "version": 1, "isDefault": true });
    let _ = call(&app, token, "tierSchemeUpdate", other, SCHEME)
        .await
        .ok();
    assert_eq!(shown(&app, &team.ann, &client).await, json!("HIGH"));
    assert_eq!(shown(&app, &team.cleo, &elsewhere).await, json!("HIGH"));
    let stale = json!({ "id": value, "version": 1, "name": "X" });
    assert_eq!(
        call(&app, token, "tierSchemeUpdate", stale, SCHEME)
            .await
            .code(0),
        "STALE_VERSION"
    );
    let _ = call(
        &app,
        token,
        "tierSchemeArchive",
        json!({ "id": value, "version": 2 }),
        SCHEME,
    )
    .await
    .ok();
    let twice = call(
        &app,
        token,
        "tierSchemeArchive",
        json!({ "id": value, "version": 3 }),
        SCHEME,
    )
    .await;
    assert_eq!(twice.rule(), "tiers.scheme_archived");
    let archived = json!({ "id": value, "version": 3, "isDefault": true });
    assert_eq!(
        call(&app, token, "tierSchemeUpdate", archived, SCHEME)
            .await
            .rule(),
        "tiers.scheme_archived"
    );
    // The last one may go, and then none is shown; the next to come back is the default.
    let _ = call(
        &app,
        token,
        "tierSchemeArchive",
        json!({ "id": potential, "version": 2 }),
        SCHEME,
    )
    .await
    .ok();
    assert_eq!(shown(&app, &team.cleo, &elsewhere).await, Value::Null);
    let late = assign(&app, &team.left, &client, &a).await;
    assert_eq!(late.rule(), "tiers.scheme_archived");
    let back = call(
        &app,
        token,
        "tierSchemeRestore",
        json!({ "id": value, "version": 3 }),
        SCHEME,
    )
    .await
    .ok();
    assert_eq!(
        *back.data("/tierSchemeRestore/tierScheme/isDefault"),
        json!(true)
    );
    assert_eq!(shown(&app, &team.cleo, &elsewhere).await, json!("A"));
    let again = call(
        &app,
        token,
        "tierSchemeRestore",
        json!({ "id": value, "version": 4 }),
        SCHEME,
    )
    .await;
    assert_eq!(again.rule(), "tiers.scheme_not_archived");
    // A new one that wants to be the default deposes the present one.
    let third = scheme(&app, &team.admin, "Third", true).await;
    let query = "{ tierScheme { id } tierSchemes(archived: INCLUDE) { totalCount } }";
    let answer = app.gql(&team.ben.token, query, json!({})).await.ok();
    assert_eq!(*answer.data("/tierScheme/id"), json!(third));
    assert_eq!(*answer.data("/tierSchemes/totalCount"), json!(3));
    assert_eq!(shown(&app, &team.ann, &client).await, Value::Null);
});

on_both!(a_tier_says_what_it_brings, async |app: App| {
    let team = app.team().await;
    let value = scheme(&app, &team.left, "Value", false).await;
    let token = &team.left.token;
    let limit = json!({ "amount": "5000.00", "currency": "EUR" });
    let id = format!("tier_{}", uuid::Uuid::now_v7());
    let input = json!({ "id": id, "schemeId": value, "code": "A", "name": "Gold", "rank": 1, "discountBp": 500, "visitCadenceDays": 14, "creditLimit": limit, "responseHours": 4 });
    for _ in 0..2 {
        let answer = call(&app, token, "tierCreate", input.clone(), TIER)
            .await
            .ok();
        assert_eq!(*answer.data("/tierCreate/tier/benefits/creditLimit"), limit);
    }
    tier(&app, &team.left, &value, "B", 2).await;
    for (field, wrong, code, expected) in [
        (
            "discountBp",
            json!(10_001),
            "BAD_USER_INPUT",
            "input.discountBp",
        ),
        (
            "visitCadenceDays",
            json!(0),
            "BAD_USER_INPUT",
            "input.visitCadenceDays",
        ),
        (
            "paymentTermDays",
            json!(-1),
            "BAD_USER_INPUT",
            "input.paymentTermDays",
        ),
        (
            "responseHours",
            json!(8_761),
            "BAD_USER_INPUT",
            "input.responseHours",
        ),
        (
            "pointsMultiplierBp",
            json!(-1),
            "BAD_USER_INPUT",
            "input.pointsMultiplierBp",
        ),
        (
            "creditLimit",
            json!({ "amount": "-1.00", "currency": "EUR" }),
            "BAD_USER_INPUT",
            "input.creditLimit",
        ),
        ("rank", json!(0), "BAD_USER_INPUT", "input.rank"),
        ("rank", json!(101), "BAD_USER_INPUT", "input.rank"),
        ("code", json!("B"), "tiers.code_taken", "input.code"),
        ("rank", json!(2), "tiers.rank_taken", "input.rank"),
    ] {
        let mut input = json!({ "id": id, "version": 1 });
        input[field] = wrong;
        let answer = call(&app, token, "tierUpdate", input, TIER).await;
        let found = answer
            .extension(0, "rule")
            .as_str()
            .unwrap_or_else(|| answer.code(0));
        assert_eq!((found, answer.fields()), (code, vec![expected]));
    }
    let input = json!({ "id": id, "version": 1, "creditLimit": null, "discountBp": 700 });
    let answer = call(&app, token, "tierUpdate", input.clone(), TIER)
        .await
        .ok();
    let benefits = answer.data("/tierUpdate/tier/benefits");
    assert_eq!(
        *benefits,
        json!({ "discountBp": 700, "visitCadenceDays": 14, "creditLimit": null, "responseHours": 4 })
    );
    assert_eq!(
        call(&app, token, "tierUpdate", input, TIER).await.code(0),
        "STALE_VERSION"
    );
});

on_both!(a_tier_in_use_stays, async |app: App| {
    let team = app.team().await;
    let value = scheme(&app, &team.left, "Value", false).await;
    let (a, b) = (
        tier(&app, &team.left, &value, "A", 1).await,
        tier(&app, &team.left, &value, "B", 2).await,
    );
    let token = &team.left.token;
    let client = app.client_of(&team.cleo, "Out of reach").await;
    let _ = assign(&app, &team.right, &client, &a).await.ok();
    let archive = json!({ "id": a, "version": 1 });
    assert_eq!(
        call(&app, token, "tierArchive", archive.clone(), TIER)
            .await
            .rule(),
        "tiers.in_use"
    );
    let _ = assign(&app, &team.right, &client, &b).await.ok();
    let _ = call(&app, token, "tierArchive", archive, TIER).await.ok();
    let twice = call(
        &app,
        token,
        "tierArchive",
        json!({ "id": a, "version": 2 }),
        TIER,
    )
    .await;
    assert_eq!(twice.rule(), "tiers.archived");
    let late = assign(&app, &team.right, &client, &a).await;
    assert_eq!(
        (late.rule(), late.fields()),
        ("tiers.archived", vec!["input.tierId"])
    );
    let query = "query($archived: Archived) { tierSchemes { nodes { tiers(archived: $archived) { code } } } }";
    let listed = app.gql(token, query, json!({})).await.ok();
    assert_eq!(
        *listed.data("/tierSchemes/nodes/0/tiers"),
        json!([{ "code": "B" }])
    );
    let taken = json!({ "schemeId": value, "code": "A", "name": "A", "rank": 9 });
    assert_eq!(
        call(&app, token, "tierCreate", taken, TIER).await.rule(),
        "tiers.code_taken"
    );
    // Its rank is free meanwhile, and whoever took it keeps it.
    tier(&app, &team.left, &value, "C", 1).await;
    let back = json!({ "id": a, "version": 2 });
    assert_eq!(
        call(&app, token, "tierRestore", back.clone(), TIER)
            .await
            .rule(),
        "tiers.rank_taken"
    );
    let moved = json!({ "id": a, "version": 2, "rank": 7 });
    let _ = call(&app, token, "tierUpdate", moved, TIER).await.ok();
    let _ = call(
        &app,
        token,
        "tierRestore",
        json!({ "id": a, "version": 3 }),
        TIER,
    )
    .await
    .ok();
    let twice = call(
        &app,
        token,
        "tierRestore",
        json!({ "id": a, "version": 4 }),
        TIER,
    )
    .await;
    assert_eq!(twice.rule(), "tiers.not_archived");
    let wrong = json!({ "schemeId": a, "code": "Q", "name": "Q", "rank": 9 });
    assert!(
        !call(&app, token, "tierCreate", wrong, TIER)
            .await
            .errors()
            .is_empty()
    );
});

on_both!(
    a_client_moves_between_tiers_and_keeps_its_history,
    async |app: App| {
        let team = app.team().await;
        let value = scheme(&app, &team.left, "Value", false).await;
        let (a, b) = (
            tier(&app, &team.left, &value, "A", 1).await,
            tier(&app, &team.left, &value, "B", 2).await,
        );
        let client = app.client_of(&team.ann, "A").await;
        let made = assign(&app, &team.left, &client, &a).await.ok();
        let assignment = made.data("/clientTierAssign/tierAssignment");
        assert_eq!(assignment["kind"], json!("MANUAL"));
        assert_eq!(
            assignment["assignedBy"]["id"],
            json!(team.left.id.to_string())
        );
        assert_eq!(*made.data("/clientTierAssign/client/tier/code"), json!("A"));
        let again = assign(&app, &team.left, &client, &a).await;
        assert_eq!(again.rule(), "tiers.unchanged");
        let foreign = assign(&app, &team.right, &client, &b).await;
        assert_eq!(
            (foreign.code(0), foreign.fields()),
            ("NOT_FOUND", vec!["input.clientId"])
        );
        let nowhere = format!("tier_{}", uuid::Uuid::now_v7());
        let nowhere = assign(&app, &team.left, &client, &nowhere).await;
        assert_eq!(
            (nowhere.code(0), nowhere.fields()),
            ("NOT_FOUND", vec!["input.tierId"])
        );
        let blank = json!({ "clientId": client, "tierId": b, "reason": " " });
        let blank = call(&app, &team.left.token, "clientTierAssign", blank, ASSIGNED).await;
        assert_eq!(blank.fields(), ["input.reason"]);
        let _ = assign(&app, &team.left, &client, &b).await.ok();
        let query = "query($first: Int, $after: String, $scheme: ID) { clients { nodes { tierAssignments(first: $first, after: $after, schemeId: $scheme) { totalCount pageInfo { endCursor } nodes { tier { code } endedReason endedAt client { name } } } } } }";
        let history = app
            .gql(&team.ann.token, query, json!({ "scheme": value }))
            .await
            .ok();
        let rows = history.data("/clients/nodes/0/tierAssignments/nodes");
        assert_eq!(rows[0]["tier"]["code"], json!("B"));
        assert_eq!(rows[0]["endedAt"], Value::Null);
        assert_eq!(rows[1]["tier"]["code"], json!("A"));
        assert_eq!(rows[1]["endedReason"], json!("REPLACED"));
        let first = app
            .gql(&team.ann.token, query, json!({ "first": 1 }))
            .await
            .ok();
        let end = first.data("/clients/nodes/0/tierAssignments/pageInfo/endCursor");
        let rest = app
            .gql(&team.ann.token, query, json!({ "first": 1, "after": end }))
            .await
            .ok();
        assert_eq!(
            *rest.data("/clients/nodes/0/tierAssignments/nodes/0/tier/code"),
            json!("A")
        );
        let archive = "mutation($id: ID!) { clientArchive(input: { id: $id, version: 1 }) { client { id } } }";
        let _ = app
            .gql(&team.ann.token, archive, json!({ "id": client }))
            .await
            .ok();
        assert_eq!(
            assign(&app, &team.left, &client, &a).await.rule(),
            "clients.archived"
        );
    }
);

on_both!(
    an_override_goes_first_until_it_ends_or_expires,
    async |app: App| {
        let team = app.team().await;
        let value = scheme(&app, &team.left, "Value", false).await;
        let (a, b) = (
            tier(&app, &team.left, &value, "A", 1).await,
            tier(&app, &team.left, &value, "B", 2).await,
        );
        let client = app.client_of(&team.ann, "A").await;
        let token = &team.left.token;
        let now = app.server().clock.now();
        let until = |days: i64, tier: &str| json!({ "clientId": client, "tierId": tier, "reason": "trial", "expiresAt": (now + TimeDelta::days(days)).to_rfc3339() });
        let end = json!({ "clientId": client, "reason": "enough" });
        let none = call(&app, token, "clientTierOverrideEnd", end.clone(), ASSIGNED).await;
        assert_eq!(none.rule(), "tiers.no_override");
        let past = call(&app, token, "clientTierOverride", until(-1, &a), ASSIGNED).await;
        assert_eq!(
            (past.code(0), past.fields()),
            ("BAD_USER_INPUT", vec!["input.expiresAt"])
        );
        let foreign = call(
            &app,
            &team.right.token,
            "clientTierOverride",
            until(5, &a),
            ASSIGNED,
        )
        .await;
        assert_eq!(foreign.code(0), "NOT_FOUND");
        let _ = assign(&app, &team.left, &client, &b).await.ok();
        let _ = call(&app, token, "clientTierOverride", until(5, &a), ASSIGNED)
            .await
            .ok();
        assert_eq!(shown(&app, &team.ann, &client).await, json!("A"));
        let same = call(&app, token, "clientTierOverride", until(5, &a), ASSIGNED).await;
        assert_eq!(same.rule(), "tiers.unchanged");
        let _ = call(&app, token, "clientTierOverride", until(10, &a), ASSIGNED)
            .await
            .ok();
        let ended = call(&app, token, "clientTierOverrideEnd", end, ASSIGNED)
            .await
            .ok();
        assert_eq!(
            *ended.data("/clientTierOverrideEnd/tierAssignment/endedReason"),
            json!("enough")
        );
        assert_eq!(
            *ended.data("/clientTierOverrideEnd/client/tier/code"),
            json!("B")
        );
        let _ = call(&app, token, "clientTierOverride", until(20, &a), ASSIGNED)
            .await
            .ok();
        let in_scheme = "query($id: ID!, $scheme: ID!) { client(id: $id) { tierIn(schemeId: $scheme) { code } tierAssignments(first: 1) { nodes { endedReason } } } tierScheme { tiers { code clientCount } } }";
        let variables = json!({ "id": client, "scheme": value });
        let answer = app.gql(token, in_scheme, variables.clone()).await.ok();
        assert_eq!(*answer.data("/client/tierIn/code"), json!("A"));
        assert_eq!(
            *answer.data("/tierScheme/tiers"),
            json!([{ "code": "A", "clientCount": 1 }, { "code": "B", "clientCount": 0 }])
        );
        let swept = jobs::stats::sweep(&app.server().database).await.unwrap();
        assert_eq!(swept, 0);
        app.server().clock.advance(TimeDelta::days(20));
        assert_eq!(jobs::stats::sweep(&app.server().database).await.unwrap(), 1);
        assert_eq!(jobs::stats::sweep(&app.server().database).await.unwrap(), 0);
        assert_eq!(shown(&app, &team.ann, &client).await, json!("B"));
        let answer = app
            .gql(&app.token(&team.left), in_scheme, variables)
            .await
            .ok();
        assert_eq!(*answer.data("/client/tierIn/code"), json!("B"));
        assert_eq!(
            *answer.data("/client/tierAssignments/nodes/0/endedReason"),
            json!("EXPIRED")
        );
        assert_eq!(*answer.data("/tierScheme/tiers/1/clientCount"), json!(1));
    }
);

on_both!(the_job_sweeps_until_it_is_told_to_stop, async |app: App| {
    let team = app.team().await;
    let value = scheme(&app, &team.left, "Value", false).await;
    let a = tier(&app, &team.left, &value, "A", 1).await;
    let client = app.client_of(&team.ann, "A").await;
    let until = app.server().clock.now() + TimeDelta::days(1);
    let input = json!({ "clientId": client, "tierId": a, "reason": "trial", "expiresAt": until.to_rfc3339() });
    let _ = call(
        &app,
        &team.left.token,
        "clientTierOverride",
        input,
        ASSIGNED,
    )
    .await
    .ok();
    app.server().clock.advance(TimeDelta::days(2));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let every = std::time::Duration::from_hours(1);
    let job = jobs::stats::spawn(app.server().database.clone(), every, stopped);
    for _ in 0..1000 {
        if shown(&app, &team.ann, &client).await == Value::Null {
            break;
        }
    }
    assert_eq!(shown(&app, &team.ann, &client).await, Value::Null);
    stop.send(true).unwrap();
    job.await.unwrap();
});

on_both!(a_tier_lists_the_clients_one_sees, async |app: App| {
    let team = app.team().await;
    let value = scheme(&app, &team.left, "Value", false).await;
    let other = scheme(&app, &team.left, "Potential", false).await;
    let (a, b) = (
        tier(&app, &team.left, &value, "A", 1).await,
        tier(&app, &team.left, &value, "B", 2).await,
    );
    let high = tier(&app, &team.left, &other, "HIGH", 1).await;
    let query = "query($first: Int, $after: String) { tierSchemes { nodes { tiers { code clientCount clients(first: $first, after: $after) { totalCount nodes { name tier { code } } pageInfo { endCursor } } } } } clients { nodes { tier { code } stats { orderCount } } } }";
    let mut costs = Vec::new();
    for (owner, name, tiers) in [
        (&team.ann, "Ann 1", vec![&a, &high]),
        (&team.ann, "Ann 2", vec![&a]),
        (&team.ann, "Ann 3", vec![&b, &high]),
        (&team.ben, "Ben 1", vec![&a, &high]),
        (&team.cleo, "Cleo 1", vec![&a]),
    ] {
        let client = app.client_of(owner, name).await;
        for tier in tiers {
            let _ = assign(&app, &team.top, &client, tier).await.ok();
        }
        costs.push(
            app.gql(&team.top.token, query, json!({}))
                .await
                .ok()
                .statements(),
        );
    }
    assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
    let names = |answer: &Answer, scheme: usize, tier: usize| -> Vec<String> {
        answer
            .list(&format!(
                "/tierSchemes/nodes/{scheme}/tiers/{tier}/clients/nodes"
            ))
            .iter()
            .map(|node| node["name"].as_str().unwrap().to_owned())
            .collect()
    };
    for (who, in_a, in_high) in [
        (&team.ann, vec!["Ann 1", "Ann 2"], vec!["Ann 1", "Ann 3"]),
        (&team.ben, vec!["Ben 1"], vec!["Ben 1"]),
        (&team.right, vec!["Cleo 1"], vec![]),
        (
            &team.top,
            vec!["Ann 1", "Ann 2", "Ben 1", "Cleo 1"],
            vec!["Ann 1", "Ann 3", "Ben 1"],
        ),
    ] {
        let answer = app.gql(&who.token, query, json!({})).await.ok();
        assert_eq!(names(&answer, 0, 0), in_a, "{}", who.name);
        assert_eq!(names(&answer, 1, 0), in_high, "{}", who.name);
        let tier = answer.data("/tierSchemes/nodes/0/tiers/0");
        assert_eq!(tier["clientCount"], json!(in_a.len()));
        assert_eq!(tier["clients"]["totalCount"], json!(in_a.len()));
    }
    let first = app
        .gql(&team.top.token, query, json!({ "first": 3 }))
        .await
        .ok();
    assert_eq!(names(&first, 0, 0), ["Ann 1", "Ann 2", "Ben 1"]);
    let end = first.data("/tierSchemes/nodes/0/tiers/0/clients/pageInfo/endCursor");
    let rest = app
        .gql(&team.top.token, query, json!({ "first": 3, "after": end }))
        .await
        .ok();
    assert_eq!(names(&rest, 0, 0), ["Cleo 1"]);
});

on_both!(the_default_scheme_is_made_once, async |app: App| {
    let team = app.team().await;
    let make = || async {
        app.server()
            .database
            .as_system("tiers of a test")
            .write(|tx| async move { clientele::domain::tiers::ensure_default(&tx).await })
            .await
            .unwrap()
            .id
    };
    assert_eq!(make().await, make().await);
    let query = "{ tierScheme { name tiers { code rank benefits { discountBp paymentTermDays creditLimit { amount } } } } }";
    let answer = app.gql(&team.ann.token, query, json!({})).await.ok();
    assert_eq!(*answer.data("/tierScheme/name"), json!("Value"));
    let codes: Vec<&Value> = answer
        .list("/tierScheme/tiers")
        .iter()
        .map(|tier| &tier["code"])
        .collect();
    assert_eq!(codes, ["A", "B", "C"]);
    assert_eq!(
        *answer.data("/tierScheme/tiers/0/benefits/discountBp"),
        json!(500)
    );
});
