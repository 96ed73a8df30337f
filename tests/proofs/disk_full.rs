//! No room for what SQLite would write: a clear refusal, reads go on, nobody is signed out, and writes go on once
//! there is room. Files of the process are held to a size, as a quota would, which the system lifts later.
#![cfg(target_os = "linux")]

use std::process::Command;

use serde_json::json;

use crate::rounds;
use crate::service::{Outcome, Place};
use crate::shop::{self, Ledger, Sent, Shop, new_order};

/// Runs a program that hears of a file at its limit by a failing write, not by a signal that would end it.
const DEAF: &str = "trap '' XFSZ; exec \"$@\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_and_nothing_else() {
    let place = Place::with_its_own_file();
    let shop = Shop::open(&place, 900_000_000).await;
    let mut ledger = Ledger::default();
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..rounds(2) {
        let file = std::fs::metadata(place.directory().join("clientele.sqlite")).unwrap();
        let limit = format!("--fsize={}:unlimited", file.len() + 65_536);
        let around = ["sh", "-c", DEAF, "sh", "prlimit", &limit];
        let service = place.start_within(&around).await;
        let mut all = [Sent::default(), Sent::default()];
        let mut none = [Vec::new(), Vec::new()];
        // On and on, some while after it is full.
        for at in 0..2_000 {
            if none[0].len() + none[1].len() >= 20 {
                break;
            }
            let rep = &shop.reps[at % 2];
            let caller = service.caller(&rep.token);
            let id = new_order();
            match shop::send(&caller, shop.order(rep, &id)).await {
                Outcome::Data(_) => all[at % 2].kept.push(id),
                outcome => {
                    assert_eq!(outcome.rule(), "STORAGE_FULL", "{outcome:?}");
                    assert_eq!(outcome.code(), "UNAVAILABLE");
                    none[at % 2].push(id);
                }
            }
            // Reads go on, and see what was taken.
            let (_, reserved) = shop::levels(&caller, &shop.product).await;
            let orders = taken + all[0].kept.len() + all[1].kept.len();
            assert_eq!(reserved, 3 * i64::try_from(orders).unwrap());
        }
        refused += none[0].len() + none[1].len();
        assert!(refused > 0, "it never got full");
        let process = service.process().to_string();
        let lifted = Command::new("prlimit")
            .args(["--pid", &process, "--fsize=unlimited"])
            .status();
        assert!(lifted.unwrap().success());
        for at in 0..10 {
            let rep = &shop.reps[at % 2];
            let id = new_order();
            let outcome = shop::send(&service.caller(&rep.token), shop.order(rep, &id)).await;
            outcome.data();
            all[at % 2].kept.push(id);
        }
        // What was taken is kept, also when the process dies now; what was refused is not there.
        service.kill();
        let service = place.start().await;
        for (rep, none) in shop.reps.iter().zip(&none) {
            for chunk in none.chunks(50) {
                let query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
                let caller = service.caller(&rep.token);
                let data = caller.ask(query, json!({ "ids": chunk })).await.data();
                let nodes = data["nodes"].as_array().unwrap();
                assert!(nodes.iter().all(serde_json::Value::is_null), "{data}");
            }
        }
        taken += all[0].kept.len() + all[1].kept.len();
        ledger.check(&service, &shop, &all).await;
    }
    println!("{taken} taken, {refused} refused");
}

const PASSWORD: &str = "two green umbrellas";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_signs_nobody_out() {
    let place = Place::with_its_own_file();
    let shop = Shop::open(&place, 900_000_000).await;
    let email = "cleo@example.com";
    let words = [
        "user", "add", "--email", email, "--name", "Cleo", "--role", "REP", "--stdin",
    ];
    place.run_with(&words, &format!("{PASSWORD}\n"));
    let credentials = json!({ "email": email, "password": PASSWORD });
    let service = place.start().await;
    let mut devices = Vec::new();
    for _ in 0..3 {
        let (status, granted) = service.post("/auth/sign-in", &credentials).await;
        assert_eq!(status, 200, "{granted}");
        devices.push(json!({ "refreshToken": granted["refreshToken"] }));
    }
    service.kill();
    let file = std::fs::metadata(place.directory().join("clientele.sqlite")).unwrap();
    let limit = format!("--fsize={}:unlimited", file.len() + 65_536);
    let around = ["sh", "-c", DEAF, "sh", "prlimit", &limit];
    let service = place.start_within(&around).await;
    let rep = &shop.reps[0];
    let caller = service.caller(&rep.token);
    // Large writes are refused, then small ones, too.
    let small =
        "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { id } } }";
    let version = "query($id: ID!) { client(id: $id) { version } }";
    let mut refused = 0;
    for at in 0..5_000 {
        let outcome = if refused == 0 {
            shop::send(&caller, shop.order(rep, &new_order())).await
        } else {
            let id = json!({ "id": rep.client });
            let version = caller.ask(version, id).await.data()["client"]["version"].clone();
            let input =
                json!({ "id": rep.client, "version": version, "name": format!("Tea {at}") });
            caller.ask(small, json!({ "input": input })).await
        };
        if outcome.rule() == "STORAGE_FULL" {
            refused += 1;
        }
        if refused > 20 {
            break;
        }
    }
    assert!(refused > 20, "it never got full");
    let alive = "{ viewer { role } }";
    let mut waiting = Vec::new();
    for device in &mut devices {
        let before = device.clone();
        for _ in 0..2 {
            let (status, granted) = service.post("/auth/refresh", device).await;
            assert_eq!(status, 200, "{granted}");
            // What cannot be kept is not given out. The database may find room for a small write now and then.
            device["refreshToken"] = granted["refreshToken"].clone();
            let token = granted["accessToken"].as_str().unwrap();
            let data = service.caller(token).ask(alive, json!({})).await.data();
            assert_eq!(data["viewer"]["role"], "REP");
        }
        if *device == before {
            waiting.push(before);
        }
    }
    assert!(!waiting.is_empty(), "it never was full");
    // A token that is nobody's is refused as ever.
    let mut wrong = devices[0]["refreshToken"].as_str().unwrap().to_owned();
    wrong.replace_range(10..11, if &wrong[10..11] == "A" { "B" } else { "A" });
    let wrong = json!({ "refreshToken": wrong });
    assert_eq!(service.post("/auth/refresh", &wrong).await.0, 401);
    let process = service.process().to_string();
    let lifted = Command::new("prlimit")
        .args(["--pid", &process, "--fsize=unlimited"])
        .status();
    assert!(lifted.unwrap().success());
    // One that got the next just before keeps that for a moment.
    for device in &waiting {
        let (status, granted) = service.post("/auth/refresh", device).await;
        assert_eq!(status, 200, "{granted}");
        assert_ne!(granted["refreshToken"], device["refreshToken"]);
    }
}
