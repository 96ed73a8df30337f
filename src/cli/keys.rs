//! `clientele keys`: the keys that sign access tokens, kept in the data directory. Running services on the
//! same directory follow by themselves.

use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use clap::{Args, Subcommand, ValueEnum};

use super::{opening, say};
use crate::auth::keys::{KeyError, KeyKind, KeyState, NewKey};
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Code, Error, Result};

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// List the keys and what each is used for
    List,
    /// Make a new key that signs from now on; tokens of the keys before stay valid until they expire
    ///
    /// Services on the same data directory see the new key within a second and sign with it after
    /// --signs-after. Where services run on several machines, choose a longer time and copy the file
    /// token-keys.json to each of them before it is over.
    Rotate(Rotate),
    /// End a key now: tokens that it signed are refused, and their holders refresh or sign in
    Retire(Retire),
}

/// What a fresh key is for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Algorithm {
    /// Verified by this service alone
    Hs256,
    /// Ed25519: verified by anybody with the public keys at /.well-known/jwks.json
    Eddsa,
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// The kind of key to make
    #[arg(long, ignore_case = true, default_value = "hs256")]
    algorithm: Algorithm,
    /// Take this private key in PEM, Ed25519 or RSA, instead of making one
    #[arg(long, value_name = "FILE", conflicts_with = "algorithm")]
    pem: Option<PathBuf>,
    /// After how many seconds it signs: time enough for every service to learn of it
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    signs_after: u32,
    /// For how many hours the keys before it are accepted then; by default as long as the longest-lived
    /// token, 180 days
    #[arg(long, value_name = "HOURS", default_value_t = 180 * 24)]
    keep_hours: u32,
}

#[derive(Debug, Args)]
pub(super) struct Retire {
    /// The key's name (kid), as the list shows it
    kid: String,
}

impl Keys {
    pub(super) fn run(self, config: &Config) -> Result<()> {
        opening::make_private(&config.data_dir)?;
        let keyring = opening::keyring(config)?;
        let now = Clock::default().now();
        let directory = &config.data_dir;
        match self {
            Self::List => {
                for key in keyring
                    .list(directory, now)
                    .map_err(|error| refused(&error))?
                {
                    say(format!(
                        "{}  {:<6} {}",
                        key.kid,
                        key.algorithm,
                        in_words(key.state)
                    ))?;
                }
                Ok(())
            }
            Self::Rotate(rotate) => {
                let Rotate {
                    algorithm,
                    pem,
                    signs_after,
                    keep_hours,
                } = rotate;
                let new = match pem {
                    Some(path) => NewKey::Pem(std::fs::read_to_string(&path).map_err(|error| {
                        Error::new(
                            Code::BadUserInput,
                            format!("{} cannot be read: {error}", path.display()),
                        )
                    })?),
                    None => NewKey::Fresh(match algorithm {
                        Algorithm::Hs256 => KeyKind::Hs256,
                        Algorithm::Eddsa => KeyKind::EdDsa,
                    }),
                };
                let kid = keyring
                    .rotate(
                        directory,
                        &new,
                        now,
                        TimeDelta::seconds(signs_after.into()),
                        TimeDelta::hours(keep_hours.into()),
                    )
                    .map_err(|error| refused(&error))?;
                say(kid)
            }
            Self::Retire(Retire { kid }) => {
                keyring
                    .retire(directory, &kid, now)
                    .map_err(|error| refused(&error))?;
                say(format!("{kid} is retired"))
            }
        }
    }
}

fn in_words(state: KeyState) -> String {
    let at = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    match state {
        KeyState::Signs => "signs".to_owned(),
        KeyState::Next(from) => format!("signs from {}", at(from)),
        KeyState::Accepted(Some(until)) => format!("accepted until {}", at(until)),
        KeyState::Accepted(None) => "accepted".to_owned(),
        KeyState::Over(since) => format!("not accepted since {}", at(since)),
    }
}

fn refused(error: &KeyError) -> Error {
    Error::new(
        Code::BadUserInput,
        format!("the keys are as they were: {error}"),
    )
}
