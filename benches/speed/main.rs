//! How fast the service is, as a ratio to a floor measured in the same run. `benches/README.md` says how to run
//! it.
//!
//! One program: `generate` fills a database, `floor` serves the hand-written handlers, `drive` is the client, `phones`
//! measures what offline phones cost; without a name it is the run, which starts the others and prints the table.
#![allow(
    clippy::as_conversions,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures are rounded for people to read"
)]

mod asks;
mod data;
mod drive;
mod floor;
mod phones;
mod process;
mod run;
mod store;
mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What any part may fail with; it goes to the terminal and ends the run.
#[derive(Debug)]
pub(crate) struct Failure(String);

type Result<T> = std::result::Result<T, Failure>;

macro_rules! failures {
    ($($kind:ty),+ $(,)?) => {$(
        impl From<$kind> for Failure {
            fn from(error: $kind) -> Self {
                Self(error.to_string())
            }
        }
    )+};
}

failures!(
    &str,
    String,
    clientele::auth::keys::KeyError,
    hyper::Error,
    hyper::http::Error,
    sea_orm::DbErr,
    sea_orm::sqlx::Error,
    serde_json::Error,
    std::io::Error,
    std::num::ParseFloatError,
    std::num::ParseIntError,
    std::num::TryFromIntError,
    tokio::task::JoinError,
);

impl From<clientele::Error> for Failure {
    fn from(error: clientele::Error) -> Self {
        Self(format!("{error:?}"))
    }
}

/// Signs the tokens of the run. Nothing else trusts it.
const SECRET: &str = "c3BlZWQtb2YtdGhlLWJlbmNobWFyay1ydW4tMDEyMzQ1Njc4OWFiY2RlZg==";

#[derive(Parser)]
#[command(name = "speed", about = "Measures the service against a floor")]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    run: run::Run,
}

#[derive(Subcommand)]
enum Part {
    /// Fill an empty database with a company
    Generate(data::Generate),
    /// Serve the hand-written handlers
    Floor(floor::Floor),
    /// Send requests and report how long they took
    Drive(drive::Drive),
    /// Measure what phones cost
    Phones(phones::Phones),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| {
            runtime.block_on(async {
                match &arguments.part {
                    Some(Part::Generate(generate)) => data::generate(generate).await.map(|_| ()),
                    Some(Part::Floor(floor)) => floor::serve(floor).await,
                    Some(Part::Drive(drive)) => drive::drive(drive).await,
                    Some(Part::Phones(phones)) => phones::run(phones).await,
                    None => run::run(&arguments.run).await,
                }
            })
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.0);
            ExitCode::FAILURE
        }
    }
}
