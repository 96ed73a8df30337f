//! A request that is not executed: the status, the error and where in the document it lies.

use async_graphql::Pos;
use axum::http::StatusCode;

use crate::messages::Message;
use crate::{Code, Error, say};

/// Why a request was refused before it ran.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The status for clients that read `application/graphql-response+json`, and for faults of HTTP itself.
    pub status: StatusCode,
    /// Whether a client that reads `application/json` gets 200, as the GraphQL-over-HTTP draft asks for
    /// documents that do not parse or validate.
    pub lenient: bool,
    /// Code, rule and sentence.
    pub error: Error,
    /// Where in the document.
    pub at: Option<Pos>,
    /// The methods that would do, for 405.
    pub allow: Option<&'static str>,
    /// What `extensions.code` says in place of the error's code, where the protocol of a client knows another.
    pub protocol_code: Option<&'static str>,
}

impl Refusal {
    /// A refusal with a status.
    pub fn new(status: StatusCode, error: Error) -> Self {
        Self {
            status,
            lenient: false,
            error,
            at: None,
            allow: None,
            protocol_code: None,
        }
    }

    /// 400 `BAD_USER_INPUT` with a rule.
    pub fn bad_request(rule: &'static str, message: impl Into<Message>) -> Self {
        let error = Error::new(Code::BadUserInput, message).with_rule(rule);
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// 400 `LIMIT_EXCEEDED`: `found` `unit`s where `limit` are allowed.
    pub fn limit(
        rule: &'static str,
        what: Message,
        unit: Message,
        found: usize,
        limit: usize,
    ) -> Self {
        let message = if found == usize::MAX {
            say!(
                "{what}: far more than the {limit} {unit} allowed",
                what,
                limit,
                unit
            )
        } else {
            say!(
                "{what}: {found} {unit}, at most {limit} are allowed",
                what,
                found,
                unit,
                limit
            )
        };
        let error = Error::new(Code::LimitExceeded, message)
            .with_rule(rule)
            .detail("limit", limit);
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// The document is not GraphQL.
    pub fn syntax(what: impl Into<Message>, at: impl Into<Option<Pos>>) -> Self {
        let (what, at) = (what.into(), at.into());
        let message = if let Some(Pos { line, column }) = at {
            say!(
                "syntax error: {what} (line {line}, column {column})",
                what,
                line,
                column
            )
        } else {
            say!("syntax error: {what}", what)
        };
        Self {
            lenient: true,
            at,
            ..Self::bad_request("GRAPHQL_PARSE_FAILED", message)
        }
    }

    /// The document is GraphQL, but does not make sense.
    pub fn validation(message: impl Into<Message>) -> Self {
        Self {
            lenient: true,
            ..Self::bad_request("GRAPHQL_VALIDATION_FAILED", message)
        }
    }

    /// What Apollo's clients wait for when they sent a hash alone: `message` and `code` are of their protocol.
    pub fn persisted(message: &'static str, code: &'static str) -> Self {
        Self {
            lenient: true,
            protocol_code: Some(code),
            ..Self::bad_request(code, message)
        }
    }

    /// 405: only `allow` would do.
    pub fn method(allow: &'static str, message: impl Into<Message>) -> Self {
        let error = Error::new(Code::BadUserInput, message).with_rule("METHOD_NOT_ALLOWED");
        Self {
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, error)
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::new(status_of(error.code()), error)
    }
}

/// The status of an error that is the whole answer.
pub fn status_of(code: Code) -> StatusCode {
    match code {
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::BadUserInput | Code::LimitExceeded => StatusCode::BAD_REQUEST,
        Code::RuleViolated => StatusCode::UNPROCESSABLE_ENTITY,
        Code::StaleVersion | Code::Conflict => StatusCode::CONFLICT,
        Code::Throttled => StatusCode::TOO_MANY_REQUESTS,
        Code::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
