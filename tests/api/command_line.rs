//! The program as people run it: commands for users, the schema, settings, the demonstration.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use clientele::demo;
use entity::{UserRole, client_stats, order, user};
use sea_orm::ColumnTrait;
use serde_json::json;

use crate::support::App;

/// Runs the program in `place`, with `input` on standard input.
fn clientele(place: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_clientele"))
        .args(arguments)
        .current_dir(place)
        .env_remove("DATABASE_URL")
        .env_remove("CLIENTELE_DATABASE_URL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn done(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_wrong_trusted_document_keeps_the_service_from_starting() {
    let place = tempfile::tempdir().unwrap();
    let documents = place.path().join("documents");
    std::fs::create_dir(&documents).unwrap();
    std::fs::write(
        documents.join("home.graphql"),
        "{ clients { noodles { id } } }",
    )
    .unwrap();
    let arguments = [
        "serve",
        "--listen=127.0.0.1:0",
        "--trusted-documents=prefer",
    ];
    let said = failed(&clientele(place.path(), &arguments, ""));
    assert!(
        said.contains("home.graphql") && said.contains("noodles"),
        "{said}"
    );
}

#[test]
fn users_are_kept_from_the_command_line() {
    let place = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], input: &str| clientele(place.path(), arguments, input);
    assert!(done(&run(&["migrate", "--status"], "")).contains("missing"));
    // The first command of a new database makes its tables.
    done(&run(&["user", "list"], ""));
    assert!(done(&run(&["migrate", "--status"], "")).contains("up to date"));
    let add = |email: &str, role: &str, rest: &[&str], input: &str| {
        let mut arguments = vec![
            "user", "add", "--email", email, "--name", "Somebody", "--role", role,
        ];
        arguments.extend(rest);
        run(&arguments, input)
    };
    let password = "a long enough password\n";
    done(&add("admin@example.com", "ADMIN", &["--stdin"], password));
    done(&add("lead@example.com", "manager", &["--stdin"], password));
    done(&add(
        "rep@example.com",
        "REP",
        &["--no-password", "--manager", "lead@example.com"],
        "",
    ));
    assert!(
        failed(&add("weak@example.com", "REP", &["--stdin"], "short\n")).contains("10 characters")
    );
    assert!(failed(&add("rep@example.com", "REP", &["--no-password"], "")).contains("e-mail"));
    let who = ["--email", "rep@example.com"];
    done(&run(
        &["user", "set-password", who[0], who[1], "--stdin"],
        password,
    ));
    done(&run(
        &[
            "user",
            "move",
            who[0],
            who[1],
            "--manager",
            "admin@example.com",
        ],
        "",
    ));
    assert!(failed(&run(&["user", "move", who[0], who[1]], "")).contains("--to-top"));
    done(&add("mute@example.com", "REP", &["--no-password"], ""));
    let list = done(&run(&["user", "list"], ""));
    assert!(list.contains("under admin@example.com"), "{list}");
    let mute: Vec<&str> = list
        .lines()
        .filter(|line| line.contains("no password"))
        .collect();
    assert!(
        mute.len() == 1 && mute[0].contains("mute@example.com"),
        "{list}"
    );
    assert!(!list.contains("weak@example.com"));
    let token = done(&run(&["user", "token", who[0], who[1]], ""));
    assert_eq!(token.trim().split('.').count(), 3);
    done(&run(&["user", "deactivate", who[0], who[1]], ""));
    assert!(done(&run(&["user", "list"], "")).contains("(deactivated)"));
    assert!(failed(&run(&["user", "token", who[0], who[1]], "")).contains("left"));
    assert!(
        failed(&run(
            &["user", "token", "--email", "nobody@example.com"],
            ""
        ))
        .contains("nobody")
    );
}

#[test]
fn keys_are_kept_from_the_command_line() {
    let place = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| clientele(place.path(), arguments, "");
    let list = || done(&run(&["keys", "list"]));
    let lines = |text: &str| text.lines().count();
    assert!(list().contains("signs") && lines(&list()) == 1);
    let first = list().split(' ').next().unwrap().to_owned();
    assert!(failed(&run(&["keys", "retire", &first])).contains("rotate first"));
    let second = done(&run(&["keys", "rotate", "--algorithm", "eddsa"]));
    assert!(
        list().contains("signs from") && list().contains("accepted until")
            || list().contains("signs\n")
    );
    let third = done(&run(&["keys", "rotate", "--signs-after", "0"]));
    assert_ne!(second, third);
    assert_eq!(lines(&list()), 3);
    let listed = list();
    let line = listed.lines().find(|line| line.starts_with(third.trim()));
    assert!(line.unwrap().ends_with("signs"), "{listed}");
    done(&run(&["keys", "retire", &first]));
    assert!(list().contains("not accepted since"));
    assert!(failed(&run(&["keys", "retire", "nothing"])).contains("nothing"));
    let pem = place.path().join("key.pem");
    std::fs::write(
        &pem,
        include_str!("../../src/auth/testdata/only_for_tests_rsa_2048.pem"),
    )
    .unwrap();
    done(&run(&["keys", "rotate", "--pem", pem.to_str().unwrap()]));
    assert!(list().contains("RS256"));
}

#[test]
fn service_accounts_and_codes_are_kept_from_the_command_line() {
    let place = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| clientele(place.path(), arguments, "");
    let who = ["--email", "robot@example.com"];
    done(&run(&[
        "user",
        "add",
        who[0],
        who[1],
        "--name",
        "Robot",
        "--no-password",
    ]));
    let key = done(&run(&[
        "service-account",
        "add",
        "--name",
        "shop",
        "--acts-as",
        who[1],
        "--scope",
        "WRITE_ORDERS",
    ]));
    assert!(key.starts_with("clientele_sk_"));
    let other = done(&run(&[
        "service-account",
        "add-key",
        "--name",
        "shop",
        "--days",
        "30",
    ]));
    assert_ne!(key, other);
    let list = done(&run(&["service-account", "list"]));
    assert!(
        list.contains("shop as robot@example.com: READ,WRITE_ORDERS"),
        "{list}"
    );
    let id = list
        .lines()
        .nth(1)
        .unwrap()
        .trim()
        .split(' ')
        .next()
        .unwrap();
    done(&run(&["service-account", "revoke-key", id]));
    assert!(done(&run(&["service-account", "list"])).contains("revoked"));
    done(&run(&["service-account", "close", "--name", "shop"]));
    assert!(failed(&run(&["service-account", "add-key", "--name", "shop"])).contains("closed"));
    let code = done(&run(&["user", "reset-code", who[0], who[1]]));
    assert!(code.starts_with("clientele_pr_"));
    let linked = done(&run(&[
        "user",
        "link",
        who[0],
        who[1],
        "--issuer",
        "https://id.example.com",
        "--subject",
        "r-1",
    ]));
    assert!(linked.contains("r-1"));
}

#[test]
fn the_schema_is_printed() {
    let place = tempfile::tempdir().unwrap();
    let printed = done(&clientele(place.path(), &["schema"], ""));
    assert_eq!(
        printed.trim_end(),
        clientele::graphql::schema().sdl().trim_end()
    );
}

#[test]
fn a_wrong_setting_is_named() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(
        place.path().join("clientele.toml"),
        "listn = \"127.0.0.1:1\"\n",
    )
    .unwrap();
    let error = failed(&clientele(place.path(), &["serve"], ""));
    assert!(
        error.contains("listn") && error.contains("clientele.toml"),
        "{error}"
    );
}

#[test]
fn an_address_that_is_taken_is_said_plainly() {
    let place = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for command in ["serve", "demo"] {
        let error = failed(&clientele(
            place.path(),
            &[command, "--listen", &address],
            "",
        ));
        assert!(error.contains("is taken by another program"), "{error}");
    }
}

on_both!(the_demonstration_is_consistent, async |app: App| {
    let database = &app.server().database;
    assert!(!demo::is_filled(database).await.unwrap());
    let today = database.clock().now().date_naive();
    let made = demo::fill(database, today).await.unwrap();
    assert_eq!((made.users, made.clients, made.products), (12, 240, 60));
    assert!(demo::is_filled(database).await.unwrap());

    // Everybody signs in with the one password and sees their part.
    let mut seen = Vec::new();
    for email in [demo::REP, demo::LEAD, demo::DIRECTOR, demo::ADMIN] {
        let body = json!({ "email": email, "password": demo::PASSWORD });
        let answer = app.post("", "/auth/sign-in", &body).await;
        assert_eq!(answer.status, 200, "{answer}");
        let token = answer.json["accessToken"].as_str().unwrap();
        let query = "{ clients(first: 1) { totalCount } }";
        let answer = app.gql(token, query, json!({})).await.ok();
        seen.push(answer.data("/clients/totalCount").as_i64().unwrap());
    }
    assert!(seen.windows(2).all(|pair| pair[0] <= pair[1]), "{seen:?}");
    assert!(seen[0] > 5 && seen[0] < seen[1] && seen[1] < seen[2]);
    assert_eq!(seen[3], 240);

    // What is stored of each client is what its orders say.
    let session = database.as_system("a test looks at rows");
    let orders = session.select::<order::Entity>().all().await.unwrap();
    let stats = session
        .select::<client_stats::Entity>()
        .all()
        .await
        .unwrap();
    assert_eq!(stats.len(), 240);
    let revenue: i64 = stats.iter().map(|row| row.lifetime_revenue_minor).sum();
    let booked = orders
        .iter()
        .filter(|order| clientele::domain::orders::is_booked(order.status));
    let expected: i64 = booked
        .map(|order| order.lines_minor - order.returned_minor)
        .sum();
    assert_eq!(revenue, expected);
    assert!(stats.iter().filter(|row| row.tier_id.is_some()).count() > 100);
    let reps = session
        .select::<user::Entity>()
        .filter(user::Column::Role.eq(UserRole::Rep));
    assert_eq!(reps.count(100).await.unwrap(), 8);
});
