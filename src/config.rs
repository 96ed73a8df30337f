//! The settings of the program: flags, then environment, then a TOML file, then defaults. One list of knobs
//! says them all. Knows nothing of what they switch.

mod proxies;
mod values;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use self::proxies::{Network, TrustedProxies};
pub use self::values::*;
use self::values::{Knob, nonzero};
use crate::error::{Code, Error, Result};

/// The file that is read when no other is named and it is there.
const DEFAULT_FILE: &str = "clientele.toml";

/// Names the file of settings.
const FILE_VARIABLE: &str = "CLIENTELE_CONFIG";

/// Holds the secret. A flag would show it to everybody on the machine, a file would be copied about.
const SECRET_VARIABLE: &str = "CLIENTELE_SECRET";

/// Names that many hosts give to variables of ours: (ours, theirs).
const USUAL_NAMES: [(&str, &str); 2] = [
    ("CLIENTELE_DATABASE_URL", "DATABASE_URL"),
    ("CLIENTELE_DATABASE_READ_URL", "DATABASE_READ_URL"),
];

/// Declares the knobs: a flag, a variable and a key in the file for each, all of one name.
macro_rules! knobs {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident: $type:ty, $variable:literal, $placeholder:literal,
        default $default_text:literal $default:expr;
    )+) => {
        /// The flags that set knobs, good for every command.
        #[derive(Clone, Debug, Default, clap::Args)]
        #[command(next_help_heading = "Settings (flag, else environment, else file)")]
        pub struct Flags {
            /// The file of settings, in TOML; its keys are the names of the flags below with `_` for `-`
            /// [env: CLIENTELE_CONFIG] [default: clientele.toml, if there is one]
            #[arg(long, global = true, value_name = "FILE")]
            pub config: Option<PathBuf>,
            $(
                $(#[doc = $doc])+
                #[arg(
                    long,
                    help = concat!($($doc,)+ " [env: ", $variable, "] [default: ", $default_text, "]").trim_start(),
                    global = true,
                    value_name = $placeholder,
                    value_parser = parse::<$type>,
                    num_args = if <$type as Knob>::IS_SWITCH { 0..=1 } else { 1..=1 },
                    require_equals = <$type as Knob>::IS_SWITCH,
                    default_missing_value = "true"
                )]
                pub $name: Option<$type>,
            )+
        }

        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            $($name: Option<$type>,)+
        }

        /// The settings, complete.
        #[derive(Clone, Debug)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $name: $type,)+
            /// The secret that keys are made from. Absent: the one in `secret.key` of the data directory.
            pub secret: Option<Secret>,
        }

        impl Config {
            fn assemble(flags: &Flags, environment: &Environment<'_>, file: File) -> Result<Self> {
                Ok(Self {
                    $($name: match &flags.$name {
                        Some(value) => value.clone(),
                        None => match variable(environment, $variable)? {
                            Some(value) => value,
                            None => file.$name.unwrap_or_else(|| $default),
                        },
                    },)+
                    secret: text_of(environment, SECRET_VARIABLE)?.map(Secret),
                })
            }
        }
    };
}

knobs! {
    /// Address of the database: sqlite://FILE or postgres://USER:PASSWORD@HOST/NAME; the variable
    /// DATABASE_URL is read too
    database_url: String, "CLIENTELE_DATABASE_URL", "URL",
    default "sqlite://clientele.sqlite" String::from("sqlite://clientele.sqlite");

    /// Address of a PostgreSQL replica that queries are read from, where one is set; the variable
    /// DATABASE_READ_URL is read too
    database_read_url: String, "CLIENTELE_DATABASE_READ_URL", "URL",
    default "none" String::new();

    /// Directory of what the service keeps beside the database, such as the file secret.key that is made
    /// when CLIENTELE_SECRET is not set
    data_dir: PathBuf, "CLIENTELE_DATA_DIR", "DIR",
    default "./data" PathBuf::from("./data");

    /// Keys of access tokens in PEM (Ed25519 or RSA), separated by commas: the first with a private half
    /// signs, tokens of the others are accepted; read again when they change
    token_keys: PathList, "CLIENTELE_TOKEN_KEYS", "FILES",
    default "keys made by the service" PathList::default();

    /// The identity provider whose tokens are accepted too, as they name it (iss)
    provider_issuer: String, "CLIENTELE_PROVIDER_ISSUER", "URL",
    default "none" String::new();

    /// How the provider's tokens name this service (aud)
    provider_audience: String, "CLIENTELE_PROVIDER_AUDIENCE", "NAME",
    default "clientele" String::from("clientele");

    /// The provider's public keys, a JSON Web Key Set: a file, or an address of https (of http on this
    /// machine)
    provider_keys: String, "CLIENTELE_PROVIDER_KEYS", "FILE|URL",
    default "none" String::new();

    /// Whether somebody of the provider who is seen for the first time is linked to the user with the e-mail
    /// address that the provider verified
    provider_links_by_email: bool, "CLIENTELE_PROVIDER_LINKS_BY_EMAIL", "BOOL",
    default "false" false;

    /// Address and port to listen on
    listen: SocketAddr, "CLIENTELE_LISTEN", "ADDRESS",
    default "127.0.0.1:8080" SocketAddr::from(([127, 0, 0, 1], 8080));

    /// Address and port for /metrics, /livez and /readyz, or off; figures tell names of operations, so
    /// it is for those who run the service
    metrics_listen: MaybeAddress, "CLIENTELE_METRICS_LISTEN", "ADDRESS",
    default "off" MaybeAddress::default();

    /// Seconds from SIGTERM to the moment when no more connections are taken, 0 to 10; /readyz says 503
    /// meanwhile, so that a balancer sends no more
    drain_grace: Grace, "CLIENTELE_DRAIN_GRACE", "SECONDS",
    default "2" Grace::default();

    /// Whether / shows the GraphQL explorer to everybody who can reach the service
    public_explorer: bool, "CLIENTELE_PUBLIC_EXPLORER", "BOOL",
    default "false" false;

    /// Connections to the database at the same time, 1 or more
    max_connections: MaxConnections, "CLIENTELE_MAX_CONNECTIONS", "COUNT",
    default "4 per core" MaxConnections::default();

    /// How log lines look: text or json
    log_format: LogFormat, "CLIENTELE_LOG_FORMAT", "FORMAT",
    default "text" LogFormat::Text;

    /// What is logged: error, warn, info, debug or trace, also per module as in
    /// info,clientele::http=debug; the variable RUST_LOG goes before it
    log_level: LogLevel, "CLIENTELE_LOG_LEVEL", "LEVEL",
    default "info,sea_orm_migration=warn" LogLevel::default();

    /// Where to send traces by OTLP over HTTP, as in http://127.0.0.1:4318/v1/traces; needs a program built
    /// with the feature otlp
    otlp_endpoint: String, "CLIENTELE_OTLP_ENDPOINT", "URL",
    default "none" String::new();

    /// Whether the address of a caller is taken from X-Forwarded-For: only behind a proxy that sets it; behind
    /// several one after the other, how many (1 to 9), or the networks they are in, as in 10.0.0.0/8,192.168.1.5
    trusted_proxy: TrustedProxies, "CLIENTELE_TRUSTED_PROXY", "PROXIES",
    default "false" TrustedProxies::None;

    /// Whether answers carry headers for developers, such as the number of SQL statements
    debug_headers: bool, "CLIENTELE_DEBUG_HEADERS", "BOOL",
    default "false" false;

    /// Who may look at the schema by __schema and __type: on (everybody, anonymous callers within their small
    /// limits), signed-in or off
    introspection: Introspection, "CLIENTELE_INTROSPECTION", "WHO",
    default "on" Introspection::On;

    /// Points of cost that a session can save up for its requests; 0 switches the counting of costs off
    query_budget: u64, "CLIENTELE_QUERY_BUDGET", "POINTS",
    default "4000" 4_000;

    /// Points of cost that come back to a session each second, 1 or more
    query_budget_rate: NonZeroU64, "CLIENTELE_QUERY_BUDGET_RATE", "POINTS",
    default "100" nonzero(100);

    /// How many sessions' worth of points, and of what comes back, a user has on all devices together, 1 or more
    query_budgets_per_user: NonZeroU64, "CLIENTELE_QUERY_BUDGETS_PER_USER", "COUNT",
    default "3" nonzero(3);

    /// Points that one document may cost, 1 or more
    max_query_cost: NonZeroU64, "CLIENTELE_MAX_QUERY_COST", "POINTS",
    default "2000" nonzero(2_000);

    /// Bytes that an answer may have, before compression, 1 or more
    max_response_bytes: NonZeroU64, "CLIENTELE_MAX_RESPONSE_BYTES", "BYTES",
    default "8388608" nonzero(8 * 1024 * 1024);

    /// Requests that run at the same time, 1 or more; a quarter of them is kept for mutations
    max_requests: NonZeroU64, "CLIENTELE_MAX_REQUESTS", "COUNT",
    default "64" nonzero(64);

    /// Requests of one user that run at the same time, 1 or more
    max_requests_per_user: NonZeroU64, "CLIENTELE_MAX_REQUESTS_PER_USER", "COUNT",
    default "6" nonzero(6);

    /// Sockets for subscriptions that are open at the same time, 1 or more; 5 of one device, 20 of one user
    max_sockets: NonZeroU64, "CLIENTELE_MAX_SOCKETS", "COUNT",
    default "4096" nonzero(4_096);

    /// For how many hours after a client was handed over the service still takes what its former owner wrote on a phone
    /// before that, by the clock of the phone; 0: not at all
    sync_grace_hours: u64, "CLIENTELE_SYNC_GRACE_HOURS", "HOURS",
    default "0" 0;

    /// Whether documents of trusted_documents_dir are run by their hash without limits of size: off, prefer
    /// (others are run too, within the limits) or only (no others are run)
    trusted_documents: TrustedDocuments, "CLIENTELE_TRUSTED_DOCUMENTS", "WHICH",
    default "off" TrustedDocuments::Off;

    /// Directory of the trusted documents: *.graphql, or manifests *.json of Relay or Apollo
    trusted_documents_dir: PathBuf, "CLIENTELE_TRUSTED_DOCUMENTS_DIR", "DIR",
    default "./documents" PathBuf::from("./documents");

    /// Whether clients that are signed in may register documents and send their hash from then on (Apollo's
    /// automatic persisted queries)
    persisted_queries: bool, "CLIENTELE_PERSISTED_QUERIES", "BOOL",
    default "false" false;

    /// Origins whose pages may use the service from a browser, with commas between them, as in
    /// `https://app.example.com`
    cors_origins: Origins, "CLIENTELE_CORS_ORIGINS", "ORIGINS",
    default "none" Origins::default();
}

/// Reads a variable of the environment.
type Environment<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

impl Config {
    /// The settings of this process.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` naming the variable or the key that is wrong, or the file that cannot be read.
    pub fn load(flags: &Flags) -> Result<Self> {
        Self::load_from(flags, &|name| std::env::var_os(name))
    }

    fn load_from(flags: &Flags, environment: &Environment<'_>) -> Result<Self> {
        let named = match &flags.config {
            Some(file) => Some(file.clone()),
            None => environment(FILE_VARIABLE)
                .filter(|name| !name.is_empty())
                .map(PathBuf::from),
        };
        let file = match named {
            Some(path) => read_file(&path)?,
            None if Path::new(DEFAULT_FILE).exists() => read_file(Path::new(DEFAULT_FILE))?,
            None => File::default(),
        };
        let environment = |name: &str| {
            let usual = USUAL_NAMES.iter().find(|(ours, _)| *ours == name);
            let names = [Some(name), usual.map(|(_, theirs)| *theirs)];
            let mut values = names.into_iter().flatten().filter_map(environment);
            values.find(|value| !value.is_empty())
        };
        Self::assemble(flags, &environment, file)
    }
}

fn read_file(path: &Path) -> Result<File> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::new(
            Code::BadUserInput,
            format!("the settings in {name} cannot be read: {error}"),
        )
    })?;
    parse_file(&text).map_err(|error| {
        Error::new(
            Code::BadUserInput,
            format!("the settings in {name} are wrong: {}", error.message()),
        )
    })
}

fn parse_file(text: &str) -> Result<File> {
    toml::from_str(text).map_err(|error| {
        // Without the line itself, which may hold a password.
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map(|before| before.matches('\n').count() + 1);
        let place = line.map_or_else(String::new, |line| format!("line {line}: "));
        let message = format!("{place}{}", error.message().trim_end());
        Error::new(Code::BadUserInput, message)
    })
}

fn text_of(environment: &Environment<'_>, name: &str) -> Result<Option<String>> {
    environment(name)
        .map(|value| {
            value
                .into_string()
                .map_err(|_| Error::new(Code::BadUserInput, format!("{name} is not readable text")))
        })
        .transpose()
}

fn variable<T: Knob>(environment: &Environment<'_>, name: &str) -> Result<Option<T>> {
    text_of(environment, name)?
        .map(|text| {
            parse(&text).map_err(|error| Error::new(Code::BadUserInput, format!("{name}: {error}")))
        })
        .transpose()
}

fn parse<T: Knob>(text: &str) -> Result<T, String> {
    T::read(text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(flags: &Flags, environment: &[(&str, &str)], file: &str) -> Result<Config> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("settings.toml");
        std::fs::write(&path, file).unwrap();
        let flags = Flags {
            config: Some(path),
            ..flags.clone()
        };
        Config::load_from(&flags, &|name| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn a_flag_goes_before_the_environment_before_the_file_before_the_default() {
        let file = "listen = \"127.0.0.1:3\"\nmax_connections = 7";
        let environment = [("CLIENTELE_LISTEN", "127.0.0.1:2")];
        let flags = Flags {
            listen: Some("127.0.0.1:1".parse().unwrap()),
            ..Flags::default()
        };
        let config = load(&flags, &environment, file).unwrap();
        assert_eq!(config.listen.port(), 1);
        assert_eq!(config.max_connections.get(), 7);
        let flags = Flags::default();
        assert_eq!(load(&flags, &environment, file).unwrap().listen.port(), 2);
        assert_eq!(load(&flags, &[], file).unwrap().listen.port(), 3);
        assert_eq!(load(&flags, &[], "").unwrap().listen.port(), 8080);
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = load(&Flags::default(), &[], "lisen = \"127.0.0.1:1\"").unwrap_err();
        assert!(error.message().contains("lisen"), "{}", error.message());
        assert!(error.message().contains("settings.toml"));
    }

    #[test]
    fn a_bad_variable_is_named() {
        for (name, value) in [
            ("CLIENTELE_LISTEN", "here"),
            ("CLIENTELE_MAX_CONNECTIONS", "0"),
            ("CLIENTELE_PUBLIC_EXPLORER", "perhaps"),
            ("CLIENTELE_METRICS_LISTEN", "here"),
            ("CLIENTELE_DRAIN_GRACE", "11"),
            ("CLIENTELE_LOG_FORMAT", "xml"),
            ("CLIENTELE_LOG_LEVEL", "a=b=c"),
            ("CLIENTELE_INTROSPECTION", "sometimes"),
            ("CLIENTELE_QUERY_BUDGET", "-1"),
            ("CLIENTELE_QUERY_BUDGET_RATE", "0"),
            ("CLIENTELE_QUERY_BUDGETS_PER_USER", "0"),
            ("CLIENTELE_MAX_RESPONSE_BYTES", "8 MiB"),
            ("CLIENTELE_TRUSTED_DOCUMENTS", "yes"),
            ("CLIENTELE_TRUSTED_PROXY", "10"),
            ("CLIENTELE_TRUSTED_PROXY", "nginx"),
            ("CLIENTELE_CORS_ORIGINS", "*"),
            ("CLIENTELE_CORS_ORIGINS", "https://a.example/"),
            ("CLIENTELE_CORS_ORIGINS", "app.example"),
        ] {
            let error = load(&Flags::default(), &[(name, value)], "").unwrap_err();
            assert!(error.message().contains(name), "{}", error.message());
        }
    }

    #[test]
    fn the_database_has_two_variables_and_ours_goes_first() {
        let usual = ("DATABASE_URL", "postgres://usual/a");
        let ours = ("CLIENTELE_DATABASE_URL", "postgres://ours/a");
        let flags = Flags::default();
        let config = load(&flags, &[usual], "").unwrap();
        assert_eq!(config.database_url, "postgres://usual/a");
        let config = load(&flags, &[usual, ours], "").unwrap();
        assert_eq!(config.database_url, "postgres://ours/a");
    }

    #[test]
    fn figures_and_replica_are_off_until_somebody_says_where() {
        let flags = Flags::default();
        let config = load(&flags, &[], "").unwrap();
        assert_eq!(config.metrics_listen.get(), None);
        assert_eq!(config.database_read_url, "");
        let config = load(
            &flags,
            &[],
            "metrics_listen = \"127.0.0.1:1\"\ndrain_grace = 10",
        )
        .unwrap();
        assert_eq!(config.metrics_listen.get().unwrap().port(), 1);
        assert_eq!(config.drain_grace.get().as_secs(), 10);
        let off = ("CLIENTELE_METRICS_LISTEN", "off");
        let config = load(&flags, &[off], "metrics_listen = \"127.0.0.1:1\"").unwrap();
        assert_eq!(config.metrics_listen.get(), None);
        let usual = ("DATABASE_READ_URL", "postgres://replica/a");
        let config = load(&flags, &[usual], "").unwrap();
        assert_eq!(config.database_read_url, "postgres://replica/a");
        assert!(load(&flags, &[], "drain_grace = 11").is_err());
    }

    #[test]
    fn the_secret_comes_from_the_environment_only_and_does_not_show() {
        let flags = Flags::default();
        let config = load(&flags, &[("CLIENTELE_SECRET", "hush")], "").unwrap();
        assert_eq!(config.secret.as_ref().unwrap().reveal(), "hush");
        assert!(!format!("{config:?}").contains("hush"));
        assert!(load(&flags, &[], "secret = \"hush\"").is_err());
    }

    #[test]
    fn the_edge_is_set_alike_by_variable_and_file() {
        let flags = Flags::default();
        let defaults = load(&flags, &[], "").unwrap();
        assert_eq!(defaults.introspection, Introspection::On);
        assert_eq!(defaults.trusted_documents, TrustedDocuments::Off);
        assert!(defaults.cors_origins.as_slice().is_empty());
        let environment = [
            ("CLIENTELE_INTROSPECTION", "signed-in"),
            ("CLIENTELE_TRUSTED_DOCUMENTS", "only"),
            ("CLIENTELE_QUERY_BUDGET", "0"),
            ("CLIENTELE_MAX_QUERY_COST", "500"),
            (
                "CLIENTELE_CORS_ORIGINS",
                "https://App.example, http://localhost:3000,",
            ),
        ];
        let file = "introspection = \"signed-in\"\ntrusted_documents = \"only\"\nquery_budget = 0\n\
            max_query_cost = 500\ncors_origins = \"https://app.example,http://localhost:3000\"";
        for config in [
            load(&flags, &environment, "").unwrap(),
            load(&flags, &[], file).unwrap(),
        ] {
            assert_eq!(config.introspection, Introspection::SignedIn);
            assert_eq!(config.trusted_documents, TrustedDocuments::Only);
            assert_eq!((config.query_budget, config.max_query_cost.get()), (0, 500));
            let origins = ["https://app.example", "http://localhost:3000"];
            assert_eq!(config.cors_origins.as_slice(), origins);
        }
        assert!(load(&flags, &[], "max_requests = 0").is_err());
    }

    #[test]
    fn proxies_are_set_alike_by_variable_and_file() {
        let flags = Flags::default();
        let load_both = |variable: &str, file: &str| {
            let environment = [("CLIENTELE_TRUSTED_PROXY", variable)];
            let by_variable = load(&flags, &environment, "").unwrap();
            let by_file = load(&flags, &[], &format!("trusted_proxy = {file}")).unwrap();
            assert_eq!(by_variable.trusted_proxy, by_file.trusted_proxy, "{file}");
            by_file.trusted_proxy
        };
        assert_eq!(load_both("false", "false"), TrustedProxies::None);
        assert_eq!(load_both("true", "true"), TrustedProxies::Count(1));
        assert_eq!(load_both("2", "2"), TrustedProxies::Count(2));
        let networks = load_both("10.0.0.0/8,::1", "\"10.0.0.0/8, ::1\"");
        assert!(matches!(networks, TrustedProxies::Networks(_)));
        assert!(load(&flags, &[], "trusted_proxy = 10").is_err());
    }

    #[test]
    fn an_empty_variable_counts_as_absent() {
        let config = load(&Flags::default(), &[("CLIENTELE_LISTEN", "")], "").unwrap();
        assert_eq!(config.listen.port(), 8080);
    }
}
