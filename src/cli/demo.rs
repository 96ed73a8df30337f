//! `clientele demo`: a database with a team made up, served on this machine only, with everything a visitor
//! needs on the screen.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::TimeDelta;
use clap::Args;
use entity::user;
use sea_orm::ColumnTrait;
use std::net::{IpAddr, Ipv4Addr};

use super::{opening, say, serve};
use crate::app::{AUDIENCE, ISSUER};
use crate::auth::keys::Keyring;
use crate::auth::tokens::Tokens;
use crate::config::Config;
use crate::db::Database;
use crate::demo;
use crate::domain::sign_in::SignIn;
use crate::error::{Code, Error, Result};
use crate::http::{Account, Explorer};

/// The name of the file in the data directory.
const FILE: &str = "demo.sqlite";

/// How long the token that is printed holds.
const TOKEN_HOURS: i64 = 12;

/// What the explorer starts with.
const FIRST_QUERY: &str = "{
  viewer { user { name } role }
  clients(first: 3, orderBy: TRAILING_REVENUE_DESC) {
    totalCount
    nodes {
      name
      tier { name }
      keyContact { name }
      stats { lastOrderOn trailingRevenue { amount currency } }
    }
  }
}
";

/// The same in one line, for a shell.
const CURL_QUERY: &str =
    "{ viewer { user { name } role } clients(first: 3) { totalCount nodes { id name } } }";

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Make the database anew, as of today
    #[arg(long)]
    fresh: bool,
    /// Where the database is [default: demo.sqlite in the data directory]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Only make the database; do not serve it
    #[arg(long)]
    no_serve: bool,
}

impl Demo {
    pub(super) async fn run(self, config: Config) -> Result<()> {
        let file = self.file.unwrap_or_else(|| config.data_dir.join(FILE));
        // The password of everybody is known: this is for this machine alone.
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut listen = config.listen;
        if !listen.ip().is_loopback() {
            listen.set_ip(here);
        }
        let config = Config {
            database_url: format!("sqlite://{}", file.display()),
            database_read_url: String::new(),
            listen,
            debug_headers: true,
            ..config
        };
        let places = if self.no_serve {
            None
        } else {
            Some((serve::reserve(&config)?, serve::Operations::begin(&config)?))
        };
        if let Some(directory) = file.parent().filter(|parent| *parent != Path::new("")) {
            std::fs::create_dir_all(directory).map_err(|error| unwritable(directory, &error))?;
        }
        if self.fresh {
            remove(&file)?;
        }
        let keyring = opening::keyring(&config)?;
        let database = opening::database(&config, &keyring).await?;
        database.migrate().await?;
        if demo::is_filled(&database).await? {
            say(format!(
                "Using {} as it is; --fresh makes it anew.",
                file.display()
            ))?;
        } else {
            let today = database.clock().now().date_naive();
            let made = demo::fill(&database, today).await?;
            say(format!(
                "Made {}: {} users, {} clients, {} products, {} orders.",
                file.display(),
                made.users,
                made.clients,
                made.products,
                made.orders
            ))?;
        }
        let Some((listening, operations)) = places else {
            return Ok(());
        };
        let address = format!("http://{}", listening.address());
        introduce(&database, &keyring, &address).await?;
        let explorer = Explorer {
            default_query: FIRST_QUERY.to_owned(),
            accounts: accounts(),
        };
        let explorer = Some(explorer);
        serve::serve(&config, database, &keyring, explorer, listening, operations).await
    }
}

/// Who can be signed in as, and what for.
const PARTS: [(&str, &str); 4] = [
    (demo::REP, "Sofia Rossi, rep: her own clients"),
    (demo::LEAD, "Olivia Martin, team lead: those of three reps"),
    (
        demo::DIRECTOR,
        "陈伟, sales director: everybody's, and the pool",
    ),
    (demo::ADMIN, "Grace Lin, administrator: all, and the users"),
];

fn accounts() -> Vec<Account> {
    PARTS
        .into_iter()
        .map(|(email, label)| Account {
            label: label.to_owned(),
            email: email.to_owned(),
            password: demo::PASSWORD.to_owned(),
        })
        .collect()
}

/// Prints addresses, sign-ins and a request that works.
async fn introduce(database: &Database, keyring: &Arc<Keyring>, address: &str) -> Result<()> {
    say(format!(
        "\nExplorer  {address}/\nGraphQL   {address}/graphql\n"
    ))?;
    say(format!("Sign in with the password {} as", demo::PASSWORD))?;
    for (email, label) in PARTS {
        say(format!("  {email:<34}{label}"))?;
    }
    let session = database.as_system("demo");
    let rep = session
        .select::<user::Entity>()
        .filter(user::Column::Email.eq(demo::REP))
        .find()
        .await?;
    // Somebody may have taken the rep away from a team that was kept.
    if let Some(rep) = rep {
        let tokens = Tokens::new(Arc::clone(keyring), ISSUER, AUDIENCE);
        let sign_in = SignIn::new(database.clone(), keyring, Arc::new(tokens))?;
        let ttl = TimeDelta::hours(TOKEN_HOURS);
        let issued = sign_in.issue_access_token(rep.id, ttl).await?;
        say(format!(
            "\nA first query, as the rep (the token holds {TOKEN_HOURS} hours):\n\n\
             curl -s {address}/graphql -H 'Content-Type: application/json' \\\n  \
             -H 'Authorization: Bearer {}' \\\n  \
             -d '{{\"query\":\"{CURL_QUERY}\"}}'\n",
            issued.token
        ))?;
    }
    say("Stop with Ctrl-C.")
}

/// Removes the database with what SQLite keeps beside it.
fn remove(file: &Path) -> Result<()> {
    for ending in ["", "-wal", "-shm"] {
        let mut path = file.as_os_str().to_owned();
        path.push(ending);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(unwritable(Path::new(&path), &error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(
        Code::BadUserInput,
        format!("{} cannot be written: {error}", path.display()),
    )
}
