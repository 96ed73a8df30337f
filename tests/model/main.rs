//! The protocol of offline sync, proved as far as it can be without a database: random histories of users,
//! hand-overs, phones and bad networks, run over the rules of `clientele::sync` with a service in memory.
//! Whatever happens, in the end every phone holds exactly what its user sees, and every operation came to what
//! its phone was told.
//!
//! `CLIENTELE_SYNC_HISTORIES` says how many histories to run instead of the usual number. A history follows
//! from its seed; one that fails is printed with it, and shrunk.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a test that panics has failed, which is what it is for; the numbers of a model are small"
)]

mod book;
mod hand;
mod history;
mod log;
mod mutant;
mod pushes;
mod random;
mod remote;
mod rx;
mod service;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use history::{Step, fault_of, shrink, steps};
use mutant::{Bench, Mutant};

/// How many histories are run when nobody asks for another number.
const HISTORIES: u64 = 10_000;

fn histories() -> u64 {
    match std::env::var("CLIENTELE_SYNC_HISTORIES") {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("CLIENTELE_SYNC_HISTORIES is a number, not {text:?}")),
        Err(_) => HISTORIES,
    }
}

/// What is wrong with a history; a panic is wrong, too.
fn fault(bench: Bench, steps: &[Step]) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| fault_of(bench, steps)))
        .unwrap_or_else(|_| Some("it panicked".to_owned()))
}

/// The first seed below `end` whose history is wrong, and how.
fn first_fault(bench: Bench, end: u64) -> Option<(u64, String)> {
    let next = AtomicU64::new(0);
    let bound = AtomicU64::new(end);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(4));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= bound.load(Ordering::Relaxed) {
                            return None;
                        }
                        if let Some(fault) = fault(bench, &steps(seed)) {
                            bound.fetch_min(seed, Ordering::Relaxed);
                            return Some((seed, fault));
                        }
                    }
                })
            })
            .collect();
        let found = workers.into_iter().filter_map(|w| w.join().unwrap());
        found.min_by_key(|(seed, _)| *seed)
    })
}

#[test]
fn every_phone_ends_with_what_its_user_sees() {
    let bench = Bench(None);
    let Some((seed, what)) = first_fault(bench, histories()) else {
        return;
    };
    let short = shrink(bench, steps(seed));
    let how = fault(bench, &short);
    panic!(
        "seed {seed}: {what}\nshrunk to {} steps ({how:?}):\n{short:#?}",
        short.len()
    );
}

#[test]
fn every_broken_rule_shows() {
    let mut unseen = Vec::new();
    for mutant in Mutant::ALL {
        match first_fault(Bench(Some(*mutant)), mutant.to_kill()) {
            Some((seed, what)) => println!("{mutant:?}: {} ({what})", seed + 1),
            None => unseen.push(mutant),
        }
    }
    assert!(unseen.is_empty(), "the histories did not notice {unseen:?}");
}

/// A switch that turns a rule off must not be reachable from what ships.
#[test]
fn the_service_has_one_set_of_rules() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![folder];
    let mut sets = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let lines = text.lines().filter(|line| line.contains("Rules for "));
                sets.extend(lines.map(str::to_owned));
            }
        }
    }
    assert_eq!(sets, ["impl Rules for Protocol {}"]);
}
