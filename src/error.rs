//! The one error of the service. It says what a caller can act on; what happened inside is kept as the
//! source, logged once at the edge, and never sent.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, Name, Value};
use sea_orm::DbErr;

use crate::messages::{Locale, Message};
use crate::say;

/// What all fallible functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The closed list of codes a caller can act on (`extensions.code`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// No valid token: sign in or refresh.
    Unauthenticated,
    /// The role lacks this verb.
    Forbidden,
    /// It does not exist, or it is not yours.
    NotFound,
    /// The input is wrong; `fields` says where.
    BadUserInput,
    /// A business rule refused it; `rule` says which.
    RuleViolated,
    /// The row changed since it was read; `present` says what it is now: `id`, `version`, `updatedAt`.
    StaleVersion,
    /// It clashes with something that exists.
    Conflict,
    /// Too many requests; wait.
    Throttled,
    /// The request is larger or deeper than allowed.
    LimitExceeded,
    /// It took too long.
    Timeout,
    /// The service cannot answer now; try again.
    Unavailable,
    /// A fault of the service; `requestId` finds it in the log.
    Internal,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::BadUserInput,
        Self::RuleViolated,
        Self::StaleVersion,
        Self::Conflict,
        Self::Throttled,
        Self::LimitExceeded,
        Self::Timeout,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The code as clients see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::RuleViolated => "RULE_VIOLATED",
            Self::StaleVersion => "STALE_VERSION",
            Self::Conflict => "CONFLICT",
            Self::Throttled => "THROTTLED",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::Timeout => "TIMEOUT",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }

    /// Whether sending the same request again later may succeed.
    pub const fn retryable(self) -> bool {
        matches!(self, Self::Throttled | Self::Timeout | Self::Unavailable)
    }
}

/// What went wrong, in words for the person, with a code for the program.
///
/// It is not `Display` on purpose: that keeps the conversion to [`async_graphql::Error`] ours, and no
/// internal text can reach a client by way of `to_string`.
#[derive(Clone, Debug)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    code: Code,
    message: Message,
    fields: Vec<String>,
    rule: Option<&'static str>,
    details: Vec<(&'static str, Value)>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with a code and a sentence for the person, made by [`say!`](crate::say).
    pub fn new(code: Code, message: impl Into<Message>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            fields: Vec::new(),
            rule: None,
            details: Vec::new(),
            source: None,
        }))
    }

    /// Wrong input in `field` (dotted path inside the input, as in `input.lines.0.quantity`).
    pub fn bad_input(field: impl Into<String>, message: impl Into<Message>) -> Self {
        Self::new(Code::BadUserInput, message).field(field)
    }

    /// The rule `<concept>.<snake_reason>` refused it.
    pub fn rule(rule: &'static str, message: impl Into<Message>) -> Self {
        Self::new(Code::RuleViolated, message).with_rule(rule)
    }

    /// There is no such row, or it is not the viewer's: the same answer for both. `what` is a noun of the
    /// catalogue.
    pub fn not_found(what: &str) -> Self {
        Self::new(
            Code::NotFound,
            say!("no such {what}", what = Message::noun(what)),
        )
    }

    /// The viewer's role may not do this.
    pub fn forbidden(message: impl Into<Message>) -> Self {
        Self::new(Code::Forbidden, message)
    }

    /// Nobody is signed in, or no longer.
    pub fn unauthenticated(message: impl Into<Message>) -> Self {
        Self::new(Code::Unauthenticated, message)
    }

    /// A fault of ours; `source` is logged, never sent.
    pub fn internal(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::new(
            Code::Internal,
            say!("something went wrong on our side; the request id finds it in the log"),
        )
        .with_source(source)
    }

    /// A fault of ours that no other error caused: `what` is logged, never sent.
    pub fn bug(what: impl Into<String>) -> Self {
        Self::internal(Bug(what.into()))
    }

    /// Adds a field the error is about.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.0.fields.push(field.into());
        self
    }

    /// Names the rule or limit.
    #[must_use]
    pub fn with_rule(mut self, rule: &'static str) -> Self {
        self.0.rule = Some(rule);
        self
    }

    /// Adds a value a program can read, such as `presentVersion`.
    #[must_use]
    pub fn detail(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.details.push((name, value.into()));
        self
    }

    /// Adds an object a program can read, such as `present`.
    #[must_use]
    pub fn object<const N: usize>(
        self,
        name: &'static str,
        fields: [(&'static str, Value); N],
    ) -> Self {
        let fields = fields
            .into_iter()
            .map(|(name, value)| (Name::new(name), value))
            .collect();
        self.detail(name, Value::Object(fields))
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Puts `prefix.` before every field, for errors of a nested input. An empty field is the input itself.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        for field in &mut self.0.fields {
            *field = if field.is_empty() {
                prefix.to_owned()
            } else {
                format!("{prefix}.{field}")
            };
        }
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The sentence for the person, in English.
    pub fn message(&self) -> String {
        self.text(Locale::En)
    }

    /// The sentence for the person, in their language.
    pub fn text(&self, locale: Locale) -> String {
        self.0.message.text(locale)
    }

    /// What it says, without code and fields.
    #[must_use]
    pub fn into_message(self) -> Message {
        self.0.message
    }

    /// The fields it is about.
    pub fn fields(&self) -> &[String] {
        &self.0.fields
    }

    /// The rule or limit that refused.
    pub fn rule_name(&self) -> Option<&'static str> {
        self.0.rule
    }

    /// The cause, for the log only.
    pub fn source(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }

    /// Writes what a client may see into GraphQL error extensions.
    pub fn write_extensions(&self, extensions: &mut ErrorExtensionValues) {
        extensions.set("code", self.0.code.as_str());
        if !self.0.fields.is_empty() {
            let fields = self.0.fields.iter().cloned().map(Value::String).collect();
            extensions.set("fields", Value::List(fields));
        }
        if let Some(rule) = self.0.rule {
            extensions.set("rule", rule);
        }
        if self.0.code.retryable() {
            extensions.set("retryable", true);
        }
        for (name, value) in &self.0.details {
            extensions.set(*name, value.clone());
        }
    }
}

/// A broken promise inside the service.
#[derive(Debug)]
struct Bug(String);

impl std::fmt::Display for Bug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Bug {}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        crate::db::classify(error)
    }
}

impl From<Error> for async_graphql::Error {
    fn from(error: Error) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        error.write_extensions(&mut extensions);
        Self {
            message: error.message(),
            source: Some(Arc::new(error)),
            extensions: Some(extensions),
        }
    }
}
