//! The command line: reads flags and settings, runs one command, and says how it went. What a command does
//! is the work of the layers below; here it is only put into words.

mod backup;
mod demo;
mod export;
mod import;
mod keys;
mod migrate;
mod opening;
mod phones;
mod schema;
mod serve;
mod service_account;
mod user;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, Flags};
use crate::error::{Code, Error, Result};

/// The client book of a field sales team, served as GraphQL: each rep sees exactly their own clients.
#[derive(Debug, Parser)]
#[command(name = "clientele", version, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API until SIGTERM or SIGINT
    Serve(serve::Serve),
    /// Make a database with a believable sales team, and serve it on this machine
    Demo(demo::Demo),
    /// Import reps, products, clients, contacts and orders from CSV files
    ///
    /// Reads reps.csv, products.csv, clients.csv, contacts.csv, orders.csv and order_lines.csv, those of them
    /// that are in DIR. Rows are found again by their external_id, so the same files can be imported again.
    /// Ends with 0 when every row went in, with 2 when some were refused, with 1 when nothing could be done.
    Import(import::Import),
    /// Write reps, products, clients, contacts and orders as CSV files that import reads
    ///
    /// All files are of one moment, and the same book gives the same files. They do not hold everything (no
    /// notes, tags, tiers, payments, returns, nor what is in the archive); a backup does.
    Export(export::Export),
    /// Write everything into a file, while the service goes on
    ///
    /// The file is of one moment, whatever is written meanwhile. It holds the hashes of passwords, and not the
    /// secret of the service (CLIENTELE_SECRET, or secret.key in the data directory): keep both, apart.
    Backup(backup::Backup),
    /// Put a backup back, on SQLite or PostgreSQL, whichever it came from
    ///
    /// All of it is there afterwards, or nothing has changed. The database must be empty unless --replace is
    /// given.
    Restore(backup::Restore),
    /// Print the GraphQL schema (SDL)
    Schema,
    /// Bring the tables of the database up to date
    Migrate(migrate::Migrate),
    /// Keep phones true to the database
    #[command(subcommand)]
    Phones(phones::Phones),
    /// Keep the keys that sign access tokens: list, rotate, retire
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Keep service accounts: programs that use the API by keys
    #[command(subcommand)]
    ServiceAccount(service_account::ServiceAccount),
    /// Keep users: add, list, set passwords, move, deactivate, issue tokens
    #[command(subcommand)]
    User(user::User),
}

/// Stack of each thread, bytes. The executor recurses with the depth of a document, and trusted documents may
/// be 32 levels deep. It is address space: memory is taken as it is used.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Keeps the reader of PostgreSQL URLs from telling what is in them.
const NO_PARAMETERS: &str = "sqlx_postgres::options=error";

/// How a command ended that did run.
enum Outcome {
    /// All of it was done.
    Done,
    /// Some of what was asked for was refused, as has been said.
    Partly,
}

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { flags, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to hear that standard error is gone.
            let _ = error.print();
            // Not the code of clap, which here stands for rows that were refused.
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    match run(&flags, command) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Partly) => ExitCode::from(2),
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags, command: Command) -> Result<Outcome> {
    let config = Config::load(flags)?;
    log_to_stderr(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build()
        .map_err(Error::internal)?;
    runtime.block_on(async {
        match command {
            Command::Serve(serve) => serve.run(&config).await?,
            Command::Demo(demo) => demo.run(config).await?,
            Command::Import(import) => return import.run(&config).await,
            Command::Export(export) => export.run(&config).await?,
            Command::Backup(backup) => backup.run(&config).await?,
            Command::Restore(restore) => restore.run(&config).await?,
            Command::Schema => schema::run()?,
            Command::Migrate(migrate) => migrate.run(&config).await?,
            Command::Phones(phones) => phones.run(&config).await?,
            Command::Keys(keys) => keys.run(&config)?,
            Command::ServiceAccount(account) => account.run(&config).await?,
            Command::User(user) => user.run(&config).await?,
        }
        Ok(Outcome::Done)
    })
}

/// Says on standard error what went wrong, with the causes: whoever runs the program may see them.
fn complain(error: &Error) {
    let mut text = format!("error: {}", error.message());
    let mut cause: Option<&dyn std::error::Error> = match error.source() {
        Some(source) => Some(source),
        None => None,
    };
    while let Some(source) = cause {
        text.push_str("\n  because: ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    // Nobody is left to hear that standard error is gone.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints a line on standard output. That nobody reads it any more (`| head`) is no error.
fn say(text: impl std::fmt::Display) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::new(
            Code::Unavailable,
            format!("standard output cannot be written: {error}"),
        )),
        _ => Ok(()),
    }
}

fn log_to_stderr(config: &Config) -> Result<()> {
    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::fmt;

    let directives = std::env::var("RUST_LOG")
        .ok()
        .filter(|directives| !directives.trim().is_empty());
    let filter = match directives {
        Some(directives) => EnvFilter::try_new(&directives).map_err(|error| {
            Error::new(
                Code::BadUserInput,
                format!("RUST_LOG is not understood: {error}"),
            )
        })?,
        None => EnvFilter::new(config.log_level.as_str()),
    };
    // It tells the values of parameters that it does not know, which may be misspelt passwords.
    let filter = filter.add_directive(NO_PARAMETERS.parse().map_err(Error::internal)?);
    let lines = fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // Fails only when a subscriber is set already, which then goes on.
    let _ = match config.log_format {
        crate::config::LogFormat::Text => lines.try_init(),
        crate::config::LogFormat::Json => lines.json().try_init(),
    };
    // A panic has its line like anything else, instead of some lines of another form.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(tracing::field::display);
        let said = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, "panic: {said}");
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_lists_every_setting_with_its_variable_and_default() {
        let help = Cli::command().render_long_help().to_string();
        for text in [
            "Address and port to listen on",
            "CLIENTELE_LISTEN",
            "127.0.0.1:8080",
            "CLIENTELE_DATABASE_URL",
            "sqlite://clientele.sqlite",
            "CLIENTELE_SECRET",
            "CLIENTELE_CONFIG",
        ] {
            assert!(help.contains(text), "{text} is missing in:\n{help}");
        }
    }
}
