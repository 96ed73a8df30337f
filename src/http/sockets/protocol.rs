//! The words of graphql-transport-ws: what clients say, what they are told, and how a socket ends.

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes};
use serde::Deserialize;
use serde_json::Value;

use super::super::ask::Ask;

/// The longest id of a subscription, in bytes. Clients use numbers or UUIDs.
const MAX_ID_BYTES: usize = 256;

/// The longest reason that a WebSocket can be closed with, in bytes.
const MAX_REASON_BYTES: usize = 123;

/// What a client says.
#[derive(Debug)]
pub(super) enum Said {
    /// Who it is, by a token; absent when it does not say.
    Init(Option<String>),
    /// It wants to hear of something.
    Subscribe { id: Arc<str>, ask: Box<Ask> },
    /// It has heard enough.
    Complete(String),
    /// It asks for a sign of life.
    Ping(Option<Value>),
    /// It gives one.
    Pong,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    payload: Option<Value>,
}

/// Reads a message.
///
/// # Errors
/// [`End::Malformed`] for anything that the protocol does not have.
pub(super) fn read(text: &str) -> Result<Said, End> {
    let raw: Raw = serde_json::from_str(text).map_err(|_| End::Malformed)?;
    let Raw { kind, id, payload } = raw;
    let id = || {
        id.filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()))
            .ok_or(End::Malformed)
    };
    let payload_is_object = payload.as_ref().is_none_or(Value::is_object);
    match kind.as_str() {
        "connection_init" if payload_is_object => Ok(Said::Init(token(payload.as_ref()))),
        "subscribe" => {
            let ask = serde_json::from_value(payload.ok_or(End::Malformed)?);
            Ok(Said::Subscribe {
                id: id()?.into(),
                ask: ask.map_err(|_| End::Malformed)?,
            })
        }
        "complete" => id().map(Said::Complete),
        "ping" if payload_is_object => Ok(Said::Ping(payload)),
        "pong" if payload_is_object => Ok(Said::Pong),
        _ => Err(End::Malformed),
    }
}

/// The token of a `connection_init`, as the header of HTTP has it. Names of headers are spelled in any case.
fn token(payload: Option<&Value>) -> Option<String> {
    let fields = payload?.as_object()?.iter();
    let mut named = fields.filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let (scheme, token) = named.next()?.1.as_str()?.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
}

/// The client is who it says.
pub(super) fn acknowledged() -> Message {
    Message::Text(Utf8Bytes::from_static("{\"type\":\"connection_ack\"}"))
}

/// A sign of life.
pub(super) fn pong(payload: Option<&Value>) -> Message {
    let text = match payload {
        Some(payload) => format!("{{\"type\":\"pong\",\"payload\":{payload}}}"),
        None => "{\"type\":\"pong\"}".to_owned(),
    };
    Message::Text(text.into())
}

/// Something for the subscription `id`: `payload` is JSON.
pub(super) fn told(kind: Kind, id: &str, payload: &str) -> Message {
    let (id, kind) = (Value::from(id), kind.as_str());
    let text = format!("{{\"id\":{id},\"type\":\"{kind}\",\"payload\":{payload}}}");
    Message::Text(text.into())
}

/// What a subscription is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something happened; an answer to its document.
    Next,
    /// It cannot be; a list of errors. Nothing comes after that.
    Error,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Error => "error",
        }
    }
}

/// How a socket ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client went, or its connection broke.
    Gone,
    /// No sign of life came.
    Silent,
    /// The service stops.
    GoingAway,
    /// A message is too large.
    TooLarge,
    /// There are as many sockets as may be, or the service cannot answer now.
    TryAgain,
    /// A message is not of the protocol.
    Malformed,
    /// A subscription came before the client said who it is.
    Unauthorized,
    /// The token is not good, or no longer.
    Forbidden,
    /// The client did not say in time who it is.
    InitTimeout,
    /// There is a subscription of this id.
    Duplicate(Arc<str>),
    /// The client said twice who it is.
    TooManyInits,
    /// A fault of ours.
    Internal,
}

impl End {
    /// As it shows in figures and in the log.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Silent => "silent",
            Self::GoingAway => "1001",
            Self::TooLarge => "1009",
            Self::TryAgain => "1013",
            Self::Malformed => "4400",
            Self::Unauthorized => "4401",
            Self::Forbidden => "4403",
            Self::InitTimeout => "4408",
            Self::Duplicate(_) => "4409",
            Self::TooManyInits => "4429",
            Self::Internal => "4500",
        }
    }

    /// What the client is told; nothing where nobody listens. The words are those that clients know.
    pub(super) fn frame(&self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Gone | Self::Silent => return None,
            Self::GoingAway => (1001, "Going away"),
            Self::TooLarge => (1009, "Message too big"),
            Self::TryAgain => (1013, "Try again later"),
            Self::Malformed => (4400, "Invalid message received"),
            Self::Unauthorized => (4401, "Unauthorized"),
            Self::Forbidden => (4403, "Forbidden"),
            Self::InitTimeout => (4408, "Connection initialisation timeout"),
            Self::Duplicate(id) => {
                return Some(CloseFrame {
                    code: 4409,
                    reason: fitting(&format!("Subscriber for {id} already exists")).into(),
                });
            }
            Self::TooManyInits => (4429, "Too many initialisation requests"),
            Self::Internal => (4500, "Internal server error"),
        };
        Some(CloseFrame {
            code,
            reason: Utf8Bytes::from_static(reason),
        })
    }
}

/// As much of `reason` as fits.
fn fitting(reason: &str) -> &str {
    let mut end = reason.len().min(MAX_REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_of_the_protocol_is_malformed() {
        for text in [
            "",
            "[]",
            "null",
            "{}",
            "{\"type\":1}",
            "{\"type\":\"start\",\"id\":\"1\",\"payload\":{}}",
            "{\"type\":\"connection_init\",\"payload\":7}",
            "{\"type\":\"ping\",\"payload\":[]}",
            "{\"type\":\"pong\",\"payload\":\"x\"}",
            "{\"type\":\"complete\"}",
            "{\"type\":\"complete\",\"id\":\"\"}",
            "{\"type\":\"complete\",\"id\":7}",
            "{\"type\":\"subscribe\",\"id\":\"1\"}",
            "{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":null}",
            "{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{\"query\":7}}",
            "{\"type\":\"subscribe\",\"payload\":{\"query\":\"{ a }\"}}",
            "{\"type\":\"next\",\"id\":\"1\",\"payload\":{}}",
        ] {
            assert_eq!(read(text).unwrap_err(), End::Malformed, "{text}");
        }
        let long = format!("{{\"type\":\"complete\",\"id\":\"{}\"}}", "x".repeat(257));
        assert_eq!(read(&long).unwrap_err(), End::Malformed);
    }

    #[test]
    fn the_token_is_that_of_the_header() {
        for (payload, expected) in [
            ("{\"Authorization\":\"Bearer abc\"}", Some("abc")),
            ("{\"authorization\":\"bearer  abc \",\"x\":1}", Some("abc")),
            ("{\"Authorization\":\"Basic abc\"}", None),
            ("{\"Authorization\":\"Bearer \"}", None),
            ("{\"Authorization\":7}", None),
            ("{}", None),
            ("null", None),
        ] {
            let text = format!("{{\"type\":\"connection_init\",\"payload\":{payload}}}");
            let Ok(Said::Init(token)) = read(&text) else {
                panic!("{text}");
            };
            assert_eq!(token.as_deref(), expected, "{text}");
        }
        let Ok(Said::Init(None)) = read("{\"type\":\"connection_init\"}") else {
            panic!("an init without a payload");
        };
    }

    #[test]
    fn a_reason_fits_its_frame() {
        for id in ["x".repeat(256), "好".repeat(80), "1".to_owned()] {
            let end = End::Duplicate(id.into());
            let reason = end.frame().unwrap().reason;
            assert!(reason.len() <= MAX_REASON_BYTES);
            assert!(reason.as_str().starts_with("Subscriber for "));
        }
    }

    #[test]
    fn what_is_told_is_json_whatever_the_id() {
        let Message::Text(text) = told(Kind::Next, "a\"\\\n", "{\"data\":1}") else {
            panic!("no text");
        };
        let read: Value = serde_json::from_str(&text).unwrap();
        let expected =
            serde_json::json!({ "id": "a\"\\\n", "type": "next", "payload": { "data": 1 } });
        assert_eq!(read, expected);
    }
}
