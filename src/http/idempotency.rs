//! The `Idempotency-Key` header: a name for one request, so that it can be repeated when its answer was lost.
//! It follows the IETF draft (draft-ietf-httpapi-idempotency-key-header): 422 for a key that comes with another
//! request, 409 while the first still runs. As the draft leaves open and others do, a refusal is not kept: it
//! changed nothing, and a mended request may take the key.

use async_graphql::{ServerError, Value};
use axum::http::{HeaderMap, HeaderName, StatusCode};

use super::refusal::Refusal;
use crate::say;

/// The header.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest key, in characters.
const MAX_KEY: usize = 255;

/// The key of a request; none when it has none.
///
/// # Errors
/// 400 `IDEMPOTENCY_KEY_INVALID` unless it is one key of 1 to 255 visible ASCII characters.
pub fn key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (Some(value), second) = (values.next(), values.next()) else {
        return Ok(None);
    };
    let bytes = value.as_bytes();
    let is_key = second.is_none()
        && (1..=MAX_KEY).contains(&bytes.len())
        && bytes.iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(key) if is_key => Ok(Some(key)),
        _ => Err(Refusal::bad_request(
            "IDEMPOTENCY_KEY_INVALID",
            say!(
                "send one Idempotency-Key of 1 to {most} visible ASCII characters, such as a UUID",
                most = MAX_KEY
            ),
        )),
    }
}

/// The status of an answer in which a key was refused; none when it was not.
pub fn status(errors: &[ServerError]) -> Option<StatusCode> {
    errors.iter().find_map(|error| {
        let Some(Value::String(rule)) = error.extensions.as_ref()?.get("rule") else {
            return None;
        };
        match rule.as_str() {
            "idempotency.in_progress" => Some(StatusCode::CONFLICT),
            "idempotency.other_request" => Some(StatusCode::UNPROCESSABLE_ENTITY),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(values: &[&[u8]]) -> Result<Option<String>, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
        }
        key(&headers).map(|key| key.map(str::to_owned))
    }

    #[test]
    fn a_key_is_visible_ascii_and_one() {
        assert_eq!(of(&[]).unwrap(), None);
        for good in ["a", "\"8e03978e-40d5\"", "~!", &"k".repeat(255)] {
            assert_eq!(of(&[good.as_bytes()]).unwrap().as_deref(), Some(good));
        }
        let long = "k".repeat(256);
        for bad in [&b""[..], b"a b", b"\xc3\xa9", b"a\tb", long.as_bytes()] {
            let refusal = of(&[bad]).unwrap_err();
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
            assert_eq!(refusal.error.rule_name(), Some("IDEMPOTENCY_KEY_INVALID"));
        }
        assert!(of(&[b"a", b"a"]).is_err());
    }
}
