//! Hour after hour of the mixed work of a team: memory and handles do not creep.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::service::{Backend, Outcome, Place, Service};
use crate::shop::{self, Shop, new_order};
use crate::{Random, is_long, on_both, rounds};

/// Steps between two looks at the process. A step is one of the things that [`step`] does.
const STEPS: usize = 400;

/// What memory may grow by in an hour, in hundredths of what it was.
const GROWTH: f64 = 5.0;

/// More documents than are kept.
const DOCUMENTS: usize = 15_000;

const HOME: &str = "{ clients(first: 20, orderBy: NAME_ASC) { totalCount nodes { id name keyContact { name } \
    orders(first: 3) { nodes { id number total { amount } } } } } }";
const PAGE: &str = "query($id: ID!) { client(id: $id) { id name stats { orderCount receivable { amount } } \
    orders(first: 20) { nodes { id status lines { quantity net { amount } } } } } }";
const SEARCH: &str = "query($text: String!) { clients(filter: { search: $text }) { totalCount } }";

/// One thing that somebody of the team does, or somebody who is not of it.
async fn step(service: &Service, shop: &Shop, random: &mut Random) {
    let rep = &shop.reps[usize::try_from(random.below(2)).unwrap()];
    let caller = service.caller(&rep.token);
    match random.below(10) {
        0 | 1 => drop(caller.ask(HOME, json!({})).await.data()),
        2 | 3 => {
            let data = caller.ask(PAGE, json!({ "id": rep.client })).await.data();
            assert_eq!(data["client"]["id"], rep.client);
        }
        4 => {
            let text = format!("tea {}", 10 + random.below(100_000));
            drop(caller.ask(SEARCH, json!({ "text": text })).await.data());
        }
        5 => {
            let order = shop.order(rep, &new_order());
            drop(shop::send(&caller, order).await.data());
        }
        6 => {
            drop(caller.ask(&new_document(random), json!({})).await.data());
        }
        7 => {
            let stranger = service.caller(&format!("no-token-{}", random.below(u64::MAX)));
            let refused = stranger.ask(HOME, json!({})).await;
            assert_eq!(refused.code(), "UNAUTHENTICATED", "{refused:?}");
        }
        8 => {
            let bad = ["{", "{ no }", "{ clients(first: 1000) { totalCount } }"];
            let bad = bad[usize::try_from(random.below(3)).unwrap()];
            assert!(matches!(
                caller.ask(bad, Value::Null).await,
                Outcome::Refused(_)
            ));
        }
        _ => leave(service, &rep.token).await,
    }
}

/// A document that nobody sent before.
fn new_document(random: &mut Random) -> String {
    format!(
        "query q{} {{ viewer {{ user {{ id }} }} }}",
        random.below(u64::MAX)
    )
}

/// Asks, and goes away before the answer.
async fn leave(service: &Service, token: &str) {
    let body = json!({ "query": HOME }).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(service.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let _ = tokio::time::timeout(Duration::from_millis(1), stream.read_u8()).await;
}

/// Memory of the process itself, in KiB; pages of files that are mapped are the system's, to take back at will.
fn own_memory(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("RssAnon:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Files and sockets that the process holds.
fn handles(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .count()
}

/// By how much `values` grow in an hour, in hundredths of their mean: the line of least squares.
fn growth(values: &[(f64, f64)]) -> f64 {
    let count = f64::from(u32::try_from(values.len()).unwrap());
    let hours = values.iter().map(|(hour, _)| hour).sum::<f64>() / count;
    let mean = values.iter().map(|(_, value)| value).sum::<f64>() / count;
    let above: f64 = values
        .iter()
        .map(|(hour, value)| (hour - hours) * (value - mean))
        .sum();
    let below: f64 = values.iter().map(|(hour, _)| (hour - hours).powi(2)).sum();
    100.0 * above / below / mean
}

on_both!(memory_and_handles_stay, async |backend: Backend| {
    let place = Place::new(backend).await;
    let shop = Shop::open(&place, 900_000_000).await;
    let service = place.start().await;
    let mut random = Random::new(17);
    // Pools and caches are filled, and what the first requests opened is open. Documents are kept up to 32 MiB, which
    // the steps alone fill in hours.
    if is_long() {
        let caller = service.caller(&shop.reps[0].token);
        for _ in 0..DOCUMENTS {
            drop(
                caller
                    .ask(&new_document(&mut random), json!({}))
                    .await
                    .data(),
            );
        }
    }
    for _ in 0..STEPS {
        step(&service, &shop, &mut random).await;
    }
    let base = handles(service.process());
    let began = Instant::now();
    let mut memory = Vec::new();
    for _ in 0..rounds(2) {
        for _ in 0..STEPS {
            step(&service, &shop, &mut random).await;
            if is_long() {
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
        }
        let hours = began.elapsed().as_secs_f64() / 3600.0;
        memory.push((hours, own_memory(service.process())));
    }
    // Sockets of those who left are closed in their own time.
    let closing = Instant::now();
    while handles(service.process()) > base + 2 {
        assert!(
            closing.elapsed() < Duration::from_mins(1),
            "{} handles, from {base}",
            handles(service.process())
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let late = &memory[memory.len() / 2..];
    let growth = if late.len() > 2 { growth(late) } else { 0.0 };
    println!(
        "{backend:?}: {:.2} h, from {} to {} KiB, {growth:.1} % an hour in the second half, {base} handles",
        began.elapsed().as_secs_f64() / 3600.0,
        memory[0].1,
        memory[memory.len() - 1].1,
    );
    if is_long() {
        assert!(growth < GROWTH, "memory grows by {growth:.1} % an hour");
    }
});
