//! `clientele service-account`: programs that use the API. It works on the database itself, as an
//! administrator would through the API.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use clap::{Args, Subcommand, ValueEnum};
use entity::{ServiceKeyId, ServiceScope, service_account, service_key, user};
use sea_orm::{ColumnTrait, Order};

use super::user::find;
use super::{opening, say};
use crate::config::Config;
use crate::db::{Session, Visible};
use crate::domain::service_accounts::{self, NewServiceAccount};
use crate::error::{Code, Error, Result};

#[derive(Debug, Subcommand)]
pub(super) enum ServiceAccount {
    /// Make a service account and print its first key, this once
    Add(Add),
    /// List the accounts and their keys
    List,
    /// Make another key of an account and print it, this once
    AddKey(AddKey),
    /// End a key with its next request
    RevokeKey(RevokeKey),
    /// Close an account for good; all its keys end
    Close(Named),
}

/// What a program may do beside reading.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
enum Scope {
    /// Clients, contacts, addresses, notes and tiers of clients
    WriteClients,
    /// Shares, teams and hand-overs
    WriteSharing,
    /// Orders, returns and payments
    WriteOrders,
    /// Products, categories, stock and tier schemes
    WriteCatalogue,
    /// Users and settings of the company
    Admin,
}

impl From<Scope> for ServiceScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::WriteClients => Self::WriteClients,
            Scope::WriteSharing => Self::WriteSharing,
            Scope::WriteOrders => Self::WriteOrders,
            Scope::WriteCatalogue => Self::WriteCatalogue,
            Scope::Admin => Self::Admin,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// What the account is called
    #[arg(long)]
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    named: Named,
    /// The e-mail address of the user it acts as
    #[arg(long, value_name = "ADDRESS")]
    acts_as: String,
    /// What it may do beside reading; may be given several times
    #[arg(long, value_name = "SCOPE", ignore_case = true)]
    scope: Vec<Scope>,
    #[command(flatten)]
    life: Life,
}

#[derive(Debug, Args)]
pub(super) struct AddKey {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    life: Life,
}

#[derive(Debug, Args)]
struct Life {
    /// After how many days the key ends, at most 730
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    days: u32,
}

#[derive(Debug, Args)]
pub(super) struct RevokeKey {
    /// The id of the key, as the list shows it
    id: String,
}

impl ServiceAccount {
    pub(super) async fn run(self, config: &Config) -> Result<()> {
        let database = opening::migrated_database(config).await?;
        let session = database.as_system("the command line keeps service accounts");
        match self {
            Self::Add(add) => {
                let user = find(&session, &add.acts_as).await?;
                let new = NewServiceAccount {
                    id: None,
                    name: add.named.name,
                    user: user.id,
                    scopes: add.scope.into_iter().map(ServiceScope::from).collect(),
                };
                let expires_at = add.life.end(&session);
                let shown = session
                    .write(move |tx| {
                        let new = new.clone();
                        async move {
                            let account = service_accounts::create(&tx, new).await?;
                            service_accounts::make_key(&tx, account.id, Some(expires_at)).await
                        }
                    })
                    .await?;
                say(shown.text)
            }
            Self::List => list(&session).await,
            Self::AddKey(AddKey { named, life }) => {
                let account = named.find(&session).await?.id;
                let expires_at = life.end(&session);
                let shown = session
                    .write(move |tx| async move {
                        service_accounts::make_key(&tx, account, Some(expires_at)).await
                    })
                    .await?;
                say(shown.text)
            }
            Self::RevokeKey(RevokeKey { id }) => {
                let key: ServiceKeyId = id
                    .parse()
                    .map_err(|error: entity::IdError| Error::bad_input("id", error.to_string()))?;
                session
                    .write(move |tx| async move { service_accounts::revoke_key(&tx, key).await })
                    .await?;
                say(format!("{key} is revoked"))
            }
            Self::Close(named) => {
                let account = named.find(&session).await?;
                let id = account.id;
                session
                    .write(move |tx| async move { service_accounts::close(&tx, id).await })
                    .await?;
                say(format!("{} is closed", account.name))
            }
        }
    }
}

impl Life {
    fn end(&self, session: &Session) -> DateTime<Utc> {
        session.now() + TimeDelta::days(self.days.into())
    }
}

impl Named {
    async fn find(&self, session: &Session) -> Result<Visible<service_account::Model>> {
        session
            .select::<service_account::Entity>()
            .filter(service_account::Column::Name.eq(self.name.as_str()))
            .find()
            .await?
            .ok_or_else(|| {
                let message = format!("there is no service account {}", self.name);
                Error::new(Code::NotFound, message)
            })
    }
}

async fn list(session: &Session) -> Result<()> {
    let accounts = session
        .select::<service_account::Entity>()
        .order_by(service_account::Column::Name, Order::Asc)
        .all()
        .await?;
    let keys = session
        .select::<service_key::Entity>()
        .order_by(service_key::Column::CreatedAt, Order::Asc)
        .all()
        .await?;
    for account in &accounts {
        let user = session
            .select::<user::Entity>()
            .id(account.user_id)
            .get()
            .await?;
        let state = match account.closed_at {
            Some(_) => " (closed)",
            None => "",
        };
        say(format!(
            "{}{state} as {}: {}",
            account.name, user.email, account.scopes
        ))?;
        for key in keys.iter().filter(|key| key.account_id == account.id) {
            let state = if key.revoked_at.is_some() {
                "revoked".to_owned()
            } else {
                let end = key.expires_at.to_rfc3339_opts(SecondsFormat::Secs, true);
                format!("until {end}")
            };
            let used = match key.last_used_on {
                Some(day) => format!("last used on {day}"),
                None => "never used".to_owned(),
            };
            say(format!("  {} {state}, {used}", key.id))?;
        }
    }
    Ok(())
}
