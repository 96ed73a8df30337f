//! `kill -9` in the middle of writes: no order that was answered is lost, none is there twice or in part,
//! and the service is back at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crate::service::{Backend, Place};
use crate::shop::{Ledger, Sent, Shop, keep_sending};
use crate::{Random, is_long, on_both, rounds};

/// Connections of each rep.
const CONNECTIONS: usize = 4;

on_both!(
    no_answered_order_is_lost_when_the_service_is_killed,
    async |backend: Backend| {
        let place = Place::new(backend).await;
        let shop = Arc::new(Shop::open(&place, 900_000_000).await);
        let mut ledger = Ledger::default();
        let mut random = Random::new(7);
        let (mut kept, mut unknown, mut slowest) = (0, 0, Duration::ZERO);
        let mut service = place.start().await;
        for _ in 0..rounds(4) {
            let mut sending = tokio::task::JoinSet::new();
            for at in 0..2 * CONNECTIONS {
                let shop = Arc::clone(&shop);
                let caller = service.caller(&shop.reps[at % 2].token);
                sending.spawn(async move {
                    let never = Arc::new(AtomicBool::new(false));
                    let rep = &shop.reps[at % 2];
                    (at % 2, keep_sending(&shop, rep, caller, never, false).await)
                });
            }
            tokio::time::sleep(Duration::from_millis(150 + random.below(700))).await;
            service.kill();
            let mut all = [Sent::default(), Sent::default()];
            for (rep, sent) in sending.join_all().await {
                kept += sent.kept.len();
                unknown += sent.unknown.len();
                all[rep].kept.extend(sent.kept);
                all[rep].unknown.extend(sent.unknown);
            }
            let began = Instant::now();
            service = place.start().await;
            slowest = slowest.max(began.elapsed());
            ledger.check(&service, &shop, &all).await;
        }
        println!(
            "{backend:?}: {kept} answered, {unknown} cut off, ready again (/readyz) {slowest:?} after its start at most"
        );
        assert!(kept > 0 && unknown > 0, "nothing was in flight");
        if is_long() {
            assert!(
                slowest < Duration::from_secs(2),
                "ready only after {slowest:?}"
            );
        }
    }
);
