//! No room for what SQLite would write: a clear refusal, reads go on, and writes do once there is room. Files
//! of the process are held to a size, as a quota would, which the system lifts later.
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
