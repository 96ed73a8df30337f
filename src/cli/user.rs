//! `clientele user`: the people who sign in. It works on the database itself, so it needs no sign-in, and the
//! first administrator is made this way.

use std::io::{BufRead, IsTerminal};
use std::sync::Arc;

use chrono::TimeDelta;
use clap::{Args, Subcommand, ValueEnum};
use entity::{Locale, UserRole, user};
use sea_orm::{ActiveEnum, ColumnTrait, Order};

use super::{opening, say};
use crate::app::{AUDIENCE, ISSUER};
use crate::auth::passwords::{self, Passwords};
use crate::auth::tokens::Tokens;
use crate::config::Config;
use crate::db::{Database, Session, Visible};
use crate::domain::sign_in::SignIn;
use crate::domain::text::Email;
use crate::domain::users::{self, NewUser};
use crate::domain::{identities, password_resets};
use crate::error::{Code, Error, Result};

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a user; asks for their password
    Add(Add),
    /// List the users
    List,
    /// Set a user's password and end their sessions
    SetPassword(SetPassword),
    /// Change whom a user reports to
    Move(Move),
    /// Take a user's access away
    Deactivate(Who),
    /// Link a user to who they are at an identity provider, whose tokens then stand for them
    Link(Link),
    /// Print a code with which a user sets a new password, once and within 24 hours
    ResetCode(Who),
    /// Print an access token of a user, for scripts
    Token(Token),
}

/// What a user may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
enum Role {
    /// Sees and serves their own clients
    Rep,
    /// Sees the clients of everyone below them
    Manager,
    /// Sees everything and keeps users
    Admin,
}

impl From<Role> for UserRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Rep => Self::Rep,
            Role::Manager => Self::Manager,
            Role::Admin => Self::Admin,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Who {
    /// The e-mail address they sign in with
    #[arg(long, value_name = "ADDRESS")]
    email: String,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    who: Who,
    /// Their name
    #[arg(long)]
    name: String,
    /// What they may do
    #[arg(long, ignore_case = true, default_value = "REP")]
    role: Role,
    /// Their job title
    #[arg(long)]
    title: Option<String>,
    /// The e-mail address of whom they report to; nobody when absent
    #[arg(long, value_name = "ADDRESS")]
    manager: Option<String>,
    /// Their IANA time zone
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// Let them, as a manager, see clients that nobody owns
    #[arg(long)]
    pool_keeper: bool,
    #[command(flatten)]
    password: PasswordSource,
    /// Set no password: they cannot sign in until they have one
    #[arg(long, conflicts_with = "stdin")]
    no_password: bool,
}

#[derive(Debug, Args)]
struct PasswordSource {
    /// Read the password from the first line of standard input
    #[arg(long)]
    stdin: bool,
}

#[derive(Debug, Args)]
pub(super) struct SetPassword {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    password: PasswordSource,
}

#[derive(Debug, Args)]
pub(super) struct Move {
    #[command(flatten)]
    who: Who,
    /// The e-mail address of whom they report to from now on; or say --to-top
    #[arg(long, value_name = "ADDRESS", conflicts_with = "to_top")]
    manager: Option<String>,
    /// They report to nobody from now on
    #[arg(long)]
    to_top: bool,
}

#[derive(Debug, Args)]
pub(super) struct Link {
    #[command(flatten)]
    who: Who,
    /// The provider, as its tokens name it (iss)
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// What the provider calls the user (sub)
    #[arg(long)]
    subject: String,
}

#[derive(Debug, Args)]
pub(super) struct Token {
    #[command(flatten)]
    who: Who,
    /// For how many minutes it is good
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    minutes: u32,
}

impl User {
    pub(super) async fn run(self, config: &Config) -> Result<()> {
        match self {
            Self::Token(token) => return token.run(config).await,
            Self::Add(_)
            | Self::List
            | Self::SetPassword(_)
            | Self::Move(_)
            | Self::Deactivate(_)
            | Self::Link(_)
            | Self::ResetCode(_) => {}
        }
        let database = opening::migrated_database(config).await?;
        let session = database.as_system("the command line keeps users");
        match self {
            Self::Add(add) => add.run(&database, &session).await,
            Self::List => list(&session).await,
            Self::SetPassword(set) => set.run(&database, &session).await,
            Self::Move(change) => change.run(&session).await,
            Self::Deactivate(who) => deactivate(&session, &who).await,
            Self::Link(link) => link.run(&session).await,
            Self::ResetCode(who) => reset_code(&session, &who).await,
            Self::Token(_) => Ok(()),
        }
    }
}

impl Add {
    async fn run(self, database: &Database, session: &Session) -> Result<()> {
        let Self {
            who,
            name,
            role,
            title,
            manager,
            time_zone,
            pool_keeper,
            password,
            no_password,
        } = self;
        let manager = match manager {
            Some(manager) => Some(find(session, &manager).await?.id),
            None => None,
        };
        // Before anything is written: a user without a password is of no use to anybody.
        let password = if no_password {
            None
        } else {
            let password = password.read()?;
            passwords::check(&password, &who.email)?;
            Some(password)
        };
        let new = NewUser {
            id: None,
            external_id: None,
            email: who.email,
            name,
            title,
            role: role.into(),
            manager,
            is_pool_keeper: pool_keeper,
            time_zone,
            locale: Locale::En,
            hired_on: None,
        };
        let user = session
            .write(move |tx| {
                let new = new.clone();
                async move { users::create(&tx, new).await }
            })
            .await?;
        if let Some(password) = password {
            users::set_password(database, &Passwords::new()?, user.id, &password).await?;
        }
        say(format!("added {} ({})", user.email, user.role.to_value()))
    }
}

impl SetPassword {
    async fn run(self, database: &Database, session: &Session) -> Result<()> {
        let user = find(session, &self.who.email).await?;
        let password = self.password.read()?;
        users::set_password(database, &Passwords::new()?, user.id, &password).await?;
        say(format!("{} has a new password", user.email))
    }
}

impl Move {
    async fn run(self, session: &Session) -> Result<()> {
        let user = find(session, &self.who.email).await?;
        let manager = match &self.manager {
            Some(manager) => Some(find(session, manager).await?),
            None if self.to_top => None,
            None => {
                return Err(Error::new(
                    Code::BadUserInput,
                    "to whom? name a manager with --manager ADDRESS, or say --to-top: they report to nobody then",
                ));
            }
        };
        let (id, version) = (user.id, user.version);
        let above = manager.as_ref().map(|manager| manager.id);
        session
            .write(move |tx| async move { users::place(&tx, id, version, above).await })
            .await?;
        say(match manager {
            Some(manager) => format!("{} reports to {} now", user.email, manager.email),
            None => format!("{} reports to nobody now", user.email),
        })
    }
}

impl Link {
    async fn run(self, session: &Session) -> Result<()> {
        let Self {
            who,
            issuer,
            subject,
        } = self;
        let user = find(session, &who.email).await?;
        let id = user.id;
        let identity = session
            .write(move |tx| {
                let (issuer, subject) = (issuer.clone(), subject.clone());
                async move { identities::link(&tx, id, &issuer, &subject).await }
            })
            .await?;
        say(format!(
            "{} is {} at {}",
            user.email, identity.subject, identity.issuer
        ))
    }
}

impl Token {
    async fn run(self, config: &Config) -> Result<()> {
        let keyring = opening::keyring(config)?;
        let database = opening::database(config, &keyring).await?;
        opening::require_migrated(&database).await?;
        let session = database.as_system("the command line issues a token");
        let user = find(&session, &self.who.email).await?;
        let tokens = Tokens::new(Arc::clone(&keyring), ISSUER, AUDIENCE);
        let sign_in = SignIn::new(database, &keyring, Arc::new(tokens))?;
        let ttl = TimeDelta::minutes(self.minutes.into());
        let issued = sign_in.issue_access_token(user.id, ttl).await?;
        say(issued.token)
    }
}

impl PasswordSource {
    /// The password, from a prompt that shows nothing or from standard input.
    fn read(&self) -> Result<String> {
        let unreadable = |error: std::io::Error| {
            Error::new(
                Code::BadUserInput,
                format!("the password cannot be read: {error}"),
            )
        };
        if self.stdin {
            let mut line = String::new();
            std::io::stdin()
                .lock()
                .read_line(&mut line)
                .map_err(unreadable)?;
            return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
        }
        if !std::io::stdin().is_terminal() {
            return Err(Error::new(
                Code::BadUserInput,
                "there is no terminal to ask for a password; use --stdin",
            ));
        }
        let password = rpassword::prompt_password("Password: ").map_err(unreadable)?;
        let again = rpassword::prompt_password("The same again: ").map_err(unreadable)?;
        if password != again {
            return Err(Error::new(
                Code::BadUserInput,
                "the two passwords are not the same",
            ));
        }
        Ok(password)
    }
}

async fn reset_code(session: &Session, who: &Who) -> Result<()> {
    let user = find(session, &who.email).await?.id;
    let shown = session
        .write(move |tx| async move { password_resets::make(&tx, user).await })
        .await?;
    say(shown.text)
}

async fn deactivate(session: &Session, who: &Who) -> Result<()> {
    let user = find(session, &who.email).await?;
    let (id, version) = (user.id, user.version);
    session
        .write(move |tx| async move { users::deactivate(&tx, id, version).await })
        .await?;
    say(format!("{} can no longer sign in", user.email))
}

async fn list(session: &Session) -> Result<()> {
    let with_password = session.users_with_password().await?;
    let users = session
        .select::<user::Entity>()
        .order_by(user::Column::NameSort, Order::Asc)
        .order_by(user::Column::Id, Order::Asc)
        .all()
        .await?;
    for user in &users {
        let manager = users
            .iter()
            .find(|other| Some(other.id) == user.manager_id)
            .map_or("-", |manager| manager.email.as_str());
        let state = match user.deactivated_at {
            Some(_) => "deactivated",
            None if with_password.contains(&user.id) => "active",
            None => "active, no password",
        };
        say(format!(
            "{:<8} {:<40} {:<30} under {manager} ({state})",
            user.role.to_value(),
            user.email,
            user.name
        ))?;
    }
    Ok(())
}

pub(super) async fn find(session: &Session, email: &str) -> Result<Visible<user::Model>> {
    let address = Email::parse("email", email)?;
    session
        .select::<user::Entity>()
        .filter(user::Column::Email.eq(address.as_str()))
        .find()
        .await?
        .ok_or_else(|| Error::new(Code::NotFound, format!("there is no user {email}")))
}
