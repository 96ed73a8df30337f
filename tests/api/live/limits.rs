//! How many sockets, how many subscriptions, how much is said, and what it costs.

use std::sync::Arc;
use std::time::Duration;

use clientele::http::{self, Budget, Metrics, Trust, TrustedDocuments};
use clientele::live::{MAX_CLIENTS_AT_ONCE, MAX_WAITING};
use entity::{ClientId, ClientKind, Lifecycle, PartyClass, UserId, client};
use sea_orm::ActiveValue::Set;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::scope::{note, notes, settle};
use super::socket::{Heard, PROTOCOL, Socket, shake};
use super::{CLIENTS, ORDERS};
use crate::service_accounts::key_of;
use crate::support::{App, Person};

/// Opens a socket that is refused, and answers how.
async fn refused(app: &App, token: &str) -> u16 {
    let mut socket = Socket::open(app).await;
    socket.init(token).await;
    socket.closed().await
}

/// Waits until there is room for one more socket of the owner of `token`.
async fn has_room(app: &App, token: &str) -> Socket {
    for _ in 0..600 {
        let mut socket = Socket::open(app).await;
        socket.init(token).await;
        if let Heard::Said(_) = socket.hear().await {
            return socket;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there is no room");
}

on_both!(
    a_session_a_user_and_the_process_have_so_many_sockets,
    async |app: App| {
        let mut app = app;
        app.restart(|endpoint| {
            endpoint.limits.sockets.per_user = 7;
            endpoint.limits.sockets.process = 9;
        })
        .await;
        let team = app.team().await;
        let mut open = Vec::new();
        for _ in 0..5 {
            open.push(Socket::of(&app, &team.ann.token).await);
        }
        assert_eq!(refused(&app, &team.ann.token).await, 1013);
        // Another device of the same user; another user.
        let tablet = app.sign_in(team.ann.id, "Ann").await;
        open.push(Socket::of(&app, &tablet.token).await);
        open.push(Socket::of(&app, &tablet.token).await);
        assert_eq!(refused(&app, &tablet.token).await, 1013);
        open.push(Socket::of(&app, &team.ben.token).await);
        open.push(Socket::of(&app, &team.ben.token).await);
        assert_eq!(refused(&app, &team.cleo.token).await, 1013);
        for socket in &mut open {
            socket.is_silent().await;
        }
        open.remove(0).close().await;
        let _cleo = has_room(&app, &team.cleo.token).await;
        assert_eq!(refused(&app, &team.ann.token).await, 1013);
    }
);

on_both!(a_socket_has_so_many_subscriptions, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Blue Door").await;
    let mut socket = Socket::of(&app, &team.ann.token).await;
    for id in 0..20 {
        socket.follow(&id.to_string(), ORDERS, json!({})).await;
    }
    socket.subscribe("more", CLIENTS, json!({})).await;
    let error = socket.error("more").await;
    assert_eq!(error["extensions"]["code"], "LIMIT_EXCEEDED");
    assert_eq!(error["extensions"]["rule"], "SUBSCRIPTIONS");
    assert!(error["extensions"]["requestId"].is_string(), "{error}");
    socket.say(&json!({ "id": "0", "type": "complete" })).await;
    socket.follow("more", CLIENTS, json!({})).await;
    note(&app, &team.ann, &client).await;
    assert_eq!(socket.changed("more").await, [client]);
});

on_both!(what_a_client_says_at_once_is_bounded, async |app: App| {
    let team = app.team().await;
    let most = 64 * 1024;
    let padded = |bytes: usize| {
        let empty = json!({ "type": "ping", "payload": { "x": "" } })
            .to_string()
            .len();
        json!({ "type": "ping", "payload": { "x": "y".repeat(bytes - empty) } }).to_string()
    };
    let mut socket = Socket::of(&app, &team.ann.token).await;
    socket.send(Message::text(padded(most))).await;
    assert_eq!(socket.said().await["type"], "pong");
    socket.send(Message::text(padded(most + 1))).await;
    assert_eq!(socket.closed().await, 1009);
    // Far more is not even read. Who is still sending when the socket ends may not hear why.
    let metrics = Metrics::default();
    let counted = metrics.clone();
    let mut app = app;
    app.restart(|endpoint| endpoint.metrics = counted).await;
    let mut socket = Socket::of(&app, &team.ann.token).await;
    socket.send(Message::text(padded(most * 3))).await;
    assert!([1009, 1006].contains(&socket.closed().await));
    wait_for(&metrics, "sockets_ended_total{end=\"1009\"}", 1).await;
});

on_both!(
    a_subscription_is_registered_and_asked_for_by_its_hash,
    async |app: App| {
        let mut app = app;
        app.restart(|endpoint| endpoint.persisted_query_bytes = Some(1 << 20))
            .await;
        let team = app.team().await;
        let hash = ring::digest::digest(&ring::digest::SHA256, ORDERS.as_bytes());
        let hash: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
        let by_hash = json!({ "extensions": extensions });
        let both = json!({ "query": ORDERS, "extensions": extensions });
        let mut socket = Socket::of(&app, &team.ann.token).await;
        let mut begin = async |id: &str, payload: &Value| {
            let message = json!({ "id": id, "type": "subscribe", "payload": payload });
            socket.say(&message).await;
            socket.said().await
        };
        let unknown = begin("1", &by_hash).await;
        assert_eq!(unknown["payload"][0]["message"], "PersistedQueryNotFound");
        for (id, payload) in [("2", &both), ("3", &by_hash)] {
            let first = begin(id, payload).await;
            let told = &first["payload"]["data"]["orderPlaced"];
            assert_eq!(told["isResync"], true, "{first}");
        }
    }
);

on_both!(only_subscriptions_run_on_a_socket, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Blue Door").await;
    let mut socket = Socket::of(&app, &team.ann.token).await;
    let write = "mutation($input: NoteCreateInput!) { noteCreate(input: $input) { note { id } } }";
    let input = json!({ "input": { "clientId": client, "body": "by socket" } });
    for (query, variables) in [
        ("{ clients { nodes { id } } }", json!({})),
        ("{ __schema { types { name } } }", json!({})),
        (write, input),
    ] {
        socket.subscribe("1", query, variables).await;
        let error = socket.error("1").await;
        assert_eq!(error["extensions"]["rule"], "SUBSCRIPTIONS_ONLY", "{error}");
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
    }
    assert_eq!(notes(&app, &team.ann, &client).await, 0);
    // And subscriptions nowhere else.
    let answer = app.gql(&team.ann.token, CLIENTS, json!({})).await;
    assert_eq!(answer.rule(), "GRAPHQL_VALIDATION_FAILED");
    // Both languages.
    let headers = [
        ("sec-websocket-protocol", PROTOCOL),
        ("accept-language", "zh-CN"),
    ];
    let address = app.address("/graphql");
    let mut socket = shake(&address, &headers).await.ok().unwrap();
    socket.init(&team.ann.token).await;
    socket.said().await;
    socket.subscribe("1", "{ viewer { id } }", json!({})).await;
    let error = socket.error("1").await;
    assert!(
        error["message"].as_str().unwrap().contains("订阅"),
        "{error}"
    );
});

on_both!(
    documents_are_held_to_the_limits_of_http,
    async |app: App| {
        let team = app.team().await;
        let mut socket = Socket::of(&app, &team.ann.token).await;
        let below = |levels: usize| {
            let deep = "clients { orders(first: 1) { nodes { client { id orders(first: 1) { nodes { client { id ";
            format!(
                "subscription {{ clientChanged {{ {}{}}}",
                deep.repeat(levels),
                "} ".repeat(deep.matches('{').count() * levels + 1)
            )
        };
        let aliases: String = (0..40).map(|n| format!("a{n}: isResync ")).collect();
        let nested = format!(
            "subscription {{ clientChanged(clientIds: {}1{}) {{ ids }} }}",
            "[".repeat(40),
            "]".repeat(40)
        );
        let many: Vec<Value> = (0..20_001).map(|_| json!(1)).collect();
        for (query, variables, rule) in [
        ("subscription {".to_owned(), json!({}), "GRAPHQL_PARSE_FAILED"),
        ("subscription { none { id } }".to_owned(), json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { clientChanged { none } }".to_owned(), json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { clientChanged { ids } orderPlaced { isResync } }".to_owned(), json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { ...F } fragment F on Subscription { orderPlaced { isResync } }".to_owned(), json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription A { orderPlaced { isResync } } subscription B { orderPlaced { isResync } }".to_owned(), json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { __typename }".to_owned(), json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { orderPlaced @skip(if: true) { isResync } }".to_owned(), json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription($v: Boolean!) { orderPlaced @include(if: $v) { isResync } }".to_owned(), json!({ "v": true }), "GRAPHQL_VALIDATION_FAILED"),
        (below(3), json!({}), "QUERY_TOO_DEEP"),
        (nested, json!({}), "QUERY_TOO_DEEP"),
        (format!("subscription {{ clientChanged {{ {aliases} }} }}"), json!({}), "QUERY_TOO_COMPLEX"),
        ("subscription($v: [ID!]) { clientChanged(clientIds: $v) { ids } }".to_owned(), json!({ "v": many }), "BAD_VARIABLES"),
        ("subscription($v: [ID!]!) { clientChanged(clientIds: $v) { ids } }".to_owned(), json!({}), "GRAPHQL_VALIDATION_FAILED"),
    ] {
        socket.subscribe("1", &query, variables).await;
        let error = socket.error("1").await;
        assert_eq!(error["extensions"]["rule"], rule, "{query:.200}: {error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
        assert!(error["extensions"]["requestId"].is_string(), "{error}");
    }
        socket
            .subscribe(
                "1",
                "subscription { clientChanged(clientIds: [7]) { ids } }",
                json!({}),
            )
            .await;
        let error = socket.error("1").await;
        assert_eq!(
            error["extensions"]["fields"],
            json!(["clientIds.0"]),
            "{error}"
        );
        socket.is_silent().await;
    }
);

on_both!(what_is_told_is_paid_for, async |app: App| {
    let mut app = app;
    app.restart(|endpoint| {
        endpoint.limits.budget = Some(Budget {
            per_document: 30,
            bucket: 60,
            restored_per_second: 4,
            ..Budget::default()
        });
    })
    .await;
    let team = app.team().await;
    let desk = app.sign_in(team.ann.id, "Ann").await;
    let client = app.client_of(&desk, "Name 0").await;
    let mut socket = Socket::of(&app, &team.ann.token).await;
    let dear = "subscription { clientChanged { clients { team { user { id } } } } }";
    socket.subscribe("dear", dear, json!({})).await;
    let error = socket.error("dear").await;
    assert_eq!(error["extensions"]["rule"], "COST", "{error}");
    assert_eq!(error["extensions"]["code"], "LIMIT_EXCEEDED");
    let query = "subscription { clientChanged { ids isResync clients { name } } }";
    socket.follow("1", query, json!({})).await;
    // Her writes take from the same purse. Where too little is left the event waits, and is not lost.
    let update =
        "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { id } } }";
    for version in 1..=4 {
        let name = format!("Name {version}");
        let input = json!({ "id": client, "version": version, "name": name });
        app.gql(&team.ann.token, update, json!({ "input": input }))
            .await
            .ok();
    }
    loop {
        let event = socket.next("1").await;
        let changed = &event["data"]["clientChanged"];
        assert_eq!(changed["ids"], json!([client]), "{event}");
        let cost = &event["extensions"]["cost"];
        assert_eq!(cost["requestedQueryCost"], 21, "{event}");
        assert_eq!(cost["actualQueryCost"], 2);
        assert_eq!(cost["throttleStatus"]["maximumAvailable"], 60);
        if changed["clients"][0]["name"] == "Name 4" {
            break;
        }
    }
});

on_both!(
    only_trusted_documents_run_where_it_is_so,
    async |app: App| {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("live.graphql"), CLIENTS).unwrap();
        let trusted =
            TrustedDocuments::load(Trust::Only, place.path(), &clientele::graphql::schema()).await;
        let trusted = trusted.ok().unwrap().map(Arc::new);
        let mut app = app;
        app.restart(|endpoint| endpoint.trusted = trusted).await;
        let team = app.team().await;
        let mut socket = Socket::of(&app, &team.ann.token).await;
        socket.subscribe("1", ORDERS, json!({})).await;
        assert_eq!(
            socket.error("1").await["extensions"]["rule"],
            "DOCUMENT_NOT_TRUSTED"
        );
        socket.follow("1", CLIENTS, json!({})).await;
    }
);

/// Makes clients of `owner`, in one transaction.
pub async fn make_clients(app: &App, owner: UserId, count: usize) {
    make_clients_named(app, owner, count, "Client").await;
}

/// Makes clients of `owner`, in one transaction, whose names begin with `name`.
pub async fn make_clients_named(app: &App, owner: UserId, count: usize, name: &str) {
    let name = name.to_owned();
    let system = app.server().database.as_system("the clients of a test");
    let made = system.write(move |tx| {
        let name = name.clone();
        async move {
            let rows = (0..count).map(|at| client::ActiveModel {
                id: Set(tx.new_id::<ClientId>()),
                kind: Set(ClientKind::Organization),
                name: Set(format!("{name} {at}")),
                name_sort: Set(format!("client {at:05}")),
                search_text: Set(format!("client {at}")),
                party_class: Set(PartyClass::EndCustomer),
                lifecycle: Set(Lifecycle::Customer),
                owner_id: Set(Some(owner)),
                currency: Set("EUR".to_owned()),
                version: Set(1),
                created_at: Set(tx.now()),
                updated_at: Set(tx.now()),
                ..Default::default()
            });
            tx.insert_all::<client::Entity>(rows.collect()).await?;
            Ok(())
        }
    });
    made.await.unwrap();
}

on_both!(
    what_waits_is_bounded_and_missed_events_are_told_of,
    async |app: App| {
        let team = app.team().await;
        let mut socket = Socket::of(&app, &team.ann.token).await;
        socket.follow("1", CLIENTS, json!({})).await;
        make_clients(&app, team.ann.id, MAX_WAITING).await;
        let mut told = std::collections::BTreeSet::new();
        while told.len() < MAX_WAITING {
            let ids = socket.changed("1").await;
            assert!(ids.len() <= MAX_CLIENTS_AT_ONCE);
            told.extend(ids);
        }
        make_clients(&app, team.ann.id, MAX_WAITING + 1).await;
        let event = socket.next("1").await;
        assert_eq!(
            event["data"]["clientChanged"],
            json!({ "ids": [], "isResync": true, "clients": [] })
        );
        // So many of others are nothing to her.
        make_clients(&app, team.ben.id, MAX_WAITING + 1).await;
        let own = app.client_of(&team.ann, "Own").await;
        assert_eq!(socket.changed("1").await, [own]);
    }
);

on_both!(
    nothing_is_read_before_there_is_a_place_for_its_sender,
    async |app: App| {
        let mut app = app;
        app.restart(|endpoint| {
            endpoint.limits.concurrency.per_user = 0;
            endpoint.limits.concurrency.patience = Duration::from_millis(100);
        })
        .await;
        let team = app.team().await;
        let mut socket = Socket::of(&app, &team.ann.token).await;
        // Read, neither would be taken for a subscription.
        for query in ["subscription {", "{ viewer { id } }"] {
            socket.subscribe("1", query, json!({})).await;
            let error = socket.error("1").await;
            assert_eq!(error["extensions"]["rule"], "CONCURRENCY", "{error}");
        }
    }
);

on_both!(
    nothing_is_asked_of_the_database_before_there_is_a_place,
    async |app: App| {
        let mut app = app;
        let team = app.team().await;
        app.restart(|endpoint| {
            endpoint.limits.concurrency.queries = 0;
            endpoint.limits.sockets.check_every = Duration::from_hours(1);
        })
        .await;
        let phone = app.sign_in(team.ann.id, "Ann").await;
        let mut socket = Socket::of(&app, &phone.token).await;
        let revoke = "mutation($input: SessionRevokeInput!) { sessionRevoke(input: $input) { session { id } } }";
        let input = json!({ "input": { "id": phone.session.to_string() } });
        app.gql(&team.ann.token, revoke, input).await.ok();
        // Asked, it would have said that the session is over.
        socket.subscribe("1", CLIENTS, json!({})).await;
        let error = socket.error("1").await;
        assert_eq!(error["extensions"]["rule"], "OVERLOADED", "{error}");
    }
);

/// Demands that nothing could be told of an event, for the reason `rule`.
fn assert_failed(event: &Value, rule: &str) {
    assert!(event["data"].is_null(), "{event}");
    let extensions = &event["errors"][0]["extensions"];
    assert!(
        [&extensions["rule"], &extensions["code"]].contains(&&json!(rule)),
        "{event}"
    );
}

on_both!(
    who_cannot_be_told_what_happened_is_told_to_read_again,
    async |app: App| {
        let mut app = app;
        app.restart(|endpoint| endpoint.limits.response_bytes = 1_000)
            .await;
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Blue Door").await;
        let mut first = Socket::of(&app, &team.ann.token).await;
        first.follow("1", CLIENTS, json!({})).await;
        settle(&app, &team.ann, &mut first, "1").await;
        let mut other = Socket::of(&app, &team.ben.token).await;
        other.follow("1", CLIENTS, json!({})).await;
        // More than an answer may hold.
        make_clients(&app, team.ann.id, MAX_CLIENTS_AT_ONCE).await;
        assert_failed(&first.next("1").await, "RESPONSE_TOO_LARGE");
        let event = first.next("1").await;
        assert_eq!(event["data"]["clientChanged"]["isResync"], true, "{event}");
        first.is_silent().await;
        // What fails in the answer itself takes all of it away.
        let failing = "subscription { clientChanged { isResync clients { orders(first: 1, after: \"none\") { nodes { id } } } } }";
        let mut second = Socket::of(&app, &team.ann.token).await;
        second.follow("2", failing, json!({})).await;
        // And who cannot be told even to read again hears why, once.
        let long = format!(
            "subscription {{ {}: clientChanged {{ isResync }} }}",
            "a".repeat(1_000)
        );
        let mut third = Socket::of(&app, &team.ann.token).await;
        third.subscribe("3", &long, json!({})).await;
        assert_failed(&third.next("3").await, "RESPONSE_TOO_LARGE");
        for _ in 0..2 {
            note(&app, &team.ann, &client).await;
            assert_eq!(first.changed("1").await, std::slice::from_ref(&client));
            assert_failed(&second.next("2").await, "BAD_USER_INPUT");
            let event = second.next("2").await;
            assert_eq!(event["data"]["clientChanged"]["isResync"], true, "{event}");
            // Of what happened, and of what was missed by that.
            for _ in 0..2 {
                assert_failed(&third.next("3").await, "RESPONSE_TOO_LARGE");
            }
        }
        for socket in [&mut first, &mut second, &mut third, &mut other] {
            socket.is_silent().await;
        }
    }
);

on_both!(
    keys_of_programs_open_sockets_until_they_are_revoked,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Blue Door").await;
        let (_, id, key) = key_of(&app, &team, &team.ann, &["READ"]).await;
        let (_, _, other) = key_of(&app, &team, &team.ben, &["READ"]).await;
        let mut socket = Socket::of(&app, &key).await;
        let mut stays = Socket::of(&app, &other).await;
        socket.follow("1", CLIENTS, json!({})).await;
        note(&app, &team.ann, &client).await;
        assert_eq!(socket.changed("1").await, [client]);
        let revoke = "mutation($input: ServiceKeyRevokeInput!) { serviceKeyRevoke(input: $input) { serviceKey { id } } }";
        app.gql(&team.admin.token, revoke, json!({ "input": { "id": id } }))
            .await
            .ok();
        assert_eq!(socket.closed().await, 4403);
        stays.is_silent().await;
    }
);

/// What the figure `name` stands at.
pub fn figure(metrics: &Metrics, name: &str) -> u64 {
    let text = metrics.render(&http::metrics::Reading::default());
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("clientele_{name} ")));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap_or_default()
}

/// Waits until the figure `name` stands at `count`.
pub async fn wait_for(metrics: &Metrics, name: &str, count: u64) {
    for _ in 0..600 {
        if figure(metrics, name) == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{name} is {}, not {count}", figure(metrics, name));
}

on_both!(sockets_are_counted, async |app: App| {
    let metrics = Metrics::default();
    let counted = metrics.clone();
    let mut app = app;
    app.restart(|endpoint| endpoint.metrics = counted).await;
    let team = app.team().await;
    let figure = |name: &str| figure(&metrics, name);
    let wait_for = async |name: &str, count| wait_for(&metrics, name, count).await;
    let mut ann = Socket::of(&app, &team.ann.token).await;
    let ben = Socket::of(&app, &team.ben.token).await;
    ann.follow("1", CLIENTS, json!({})).await;
    ann.follow("2", ORDERS, json!({})).await;
    assert_eq!(
        (figure("sockets_open"), figure("subscriptions_open")),
        (2, 2)
    );
    ben.close().await;
    wait_for("sockets_open", 1).await;
    ann.say(&json!({ "id": "1", "type": "complete" })).await;
    ann.is_silent().await;
    assert_eq!(figure("subscriptions_open"), 1);
    refused(&app, "nonsense").await;
    assert_eq!(figure("sockets_refused_total{reason=\"token\"}"), 1);
    wait_for("sockets_ended_total{end=\"4403\"}", 1).await;
    wait_for("sockets_ended_total{end=\"gone\"}", 1).await;
    assert!(figure("subscription_steps_total{outcome=\"told\"}") >= 2);
    ann.close().await;
    wait_for("sockets_open", 0).await;
    wait_for("subscriptions_open", 0).await;
});

on_both!(a_person_who_is_gone_gets_no_socket, async |app: App| {
    let team = app.team().await;
    let gone: Person = app.sign_in(team.cleo.id, "Cleo").await;
    let revoke =
        "mutation($input: SessionRevokeInput!) { sessionRevoke(input: $input) { session { id } } }";
    let input = json!({ "input": { "id": gone.session.to_string() } });
    app.gql(&team.cleo.token, revoke, input).await.ok();
    assert_eq!(refused(&app, &gone.token).await, 4403);
});
