//! What the settings may be set to, and how each is read from text.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

/// What a knob may be set to.
pub(super) trait Knob: Sized {
    /// Whether its flag may stand alone, for `true`.
    const IS_SWITCH: bool = false;

    /// Reads it from text.
    fn read(text: &str) -> Result<Self, String>;
}

impl Knob for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Knob for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        Ok(Self::from(text))
    }
}

impl Knob for SocketAddr {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "expected an address with a port, as in 127.0.0.1:8080".to_owned())
    }
}

impl Knob for bool {
    const IS_SWITCH: bool = true;

    fn read(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err("expected true or false".to_owned()),
        }
    }
}

/// Files, separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PathList(Vec<PathBuf>);

impl PathList {
    /// The files.
    pub fn paths(&self) -> &[PathBuf] {
        &self.0
    }
}

impl TryFrom<String> for PathList {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::read(&text)
    }
}

impl Knob for PathList {
    fn read(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim);
        Ok(Self(
            parts
                .filter(|part| !part.is_empty())
                .map(PathBuf::from)
                .collect(),
        ))
    }
}

/// How many connections to the database there may be at the same time: 1 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct MaxConnections(u32);

impl MaxConnections {
    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl Default for MaxConnections {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self(u32::try_from(cores.saturating_mul(4)).unwrap_or(8))
    }
}

impl TryFrom<u32> for MaxConnections {
    type Error = String;

    fn try_from(count: u32) -> Result<Self, String> {
        if count == 0 {
            return Err("expected a number of 1 or more".to_owned());
        }
        Ok(Self(count))
    }
}

impl Knob for MaxConnections {
    fn read(text: &str) -> Result<Self, String> {
        text.parse::<u32>()
            .map_err(|_| "expected a number of 1 or more".to_owned())
            .and_then(Self::try_from)
    }
}

impl Knob for u64 {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "expected a whole number of 0 or more".to_owned())
    }
}

impl Knob for NonZeroU64 {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "expected a whole number of 1 or more".to_owned())
    }
}

/// A default that is written as a number and is not 0.
pub(super) const fn nonzero(number: u64) -> NonZeroU64 {
    match NonZeroU64::new(number) {
        Some(number) => number,
        None => NonZeroU64::MIN,
    }
}

/// Who may look at the schema by `__schema` and `__type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Introspection {
    /// Everybody; anonymous callers within their small limits.
    #[default]
    On,
    /// Callers with a valid token.
    SignedIn,
    /// Nobody.
    Off,
}

impl Knob for Introspection {
    fn read(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "on" => Ok(Self::On),
            "signed-in" => Ok(Self::SignedIn),
            "off" => Ok(Self::Off),
            _ => Err("expected on, signed-in or off".to_owned()),
        }
    }
}

/// What the trusted documents are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustedDocuments {
    /// There are none.
    #[default]
    Off,
    /// They are run by their hash; others are run too, within the limits.
    Prefer,
    /// They are run, and no others.
    Only,
}

impl Knob for TrustedDocuments {
    fn read(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "off" => Ok(Self::Off),
            "prefer" => Ok(Self::Prefer),
            "only" => Ok(Self::Only),
            _ => Err("expected off, prefer or only".to_owned()),
        }
    }
}

/// Origins of pages: scheme, host and port, as browsers send them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Origins(Vec<String>);

impl Origins {
    /// The origins.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl TryFrom<String> for Origins {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let origins = text.split(',').map(str::trim);
        let origins = origins.filter(|origin| !origin.is_empty());
        let read = |origin: &str| {
            let (scheme, host) = origin.split_once("://").unwrap_or_default();
            let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'*' | b'@');
            if scheme.is_empty() || host.is_empty() || !host.bytes().all(plain) {
                return Err(format!(
                    "{origin} is no origin: write scheme, host and port alone, as in https://app.example.com"
                ));
            }
            Ok(origin.to_ascii_lowercase())
        };
        origins.map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl Knob for Origins {
    fn read(text: &str) -> Result<Self, String> {
        Self::try_from(text.to_owned())
    }
}

/// An address to listen on, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MaybeAddress(Option<SocketAddr>);

impl MaybeAddress {
    /// The address, if there is one.
    pub const fn get(self) -> Option<SocketAddr> {
        self.0
    }
}

impl TryFrom<String> for MaybeAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::read(&text)
    }
}

impl Knob for MaybeAddress {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self(None)),
            _ => text
                .parse()
                .map(|address| Self(Some(address)))
                .map_err(|_| {
                    "expected off, or an address with a port, as in 127.0.0.1:9464".to_owned()
                }),
        }
    }
}

/// How long connections are still taken after the end was announced: 0 to 10 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub struct Grace(u64);

impl Grace {
    /// The time.
    pub const fn get(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0)
    }
}

impl Default for Grace {
    fn default() -> Self {
        Self(2)
    }
}

impl TryFrom<u64> for Grace {
    type Error = String;

    fn try_from(seconds: u64) -> Result<Self, String> {
        if seconds > 10 {
            return Err("expected a number of seconds from 0 to 10".to_owned());
        }
        Ok(Self(seconds))
    }
}

impl Knob for Grace {
    fn read(text: &str) -> Result<Self, String> {
        text.parse::<u64>()
            .map_err(|_| "expected a number of seconds from 0 to 10".to_owned())
            .and_then(Self::try_from)
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line, for machines.
    Json,
}

impl Knob for LogFormat {
    fn read(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected text or json".to_owned()),
        }
    }
}

/// Which events are logged, in the directives of `tracing`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LogLevel(String);

impl LogLevel {
    /// The directives.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LogLevel {
    fn default() -> Self {
        Self("info,sea_orm_migration=warn".to_owned())
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match tracing_subscriber::EnvFilter::try_new(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(format!(
                "expected error, warn, info, debug or trace, or directives per module ({error})"
            )),
        }
    }
}

impl TryFrom<String> for LogLevel {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Knob for LogLevel {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

/// A secret; it does not show itself.
#[derive(Clone)]
pub struct Secret(pub(super) String);

impl Secret {
    /// The secret, to make keys of.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(...)")
    }
}
