//! Which media type and which language to answer with, and which media type to read.

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_TYPE};

use crate::messages::{self, Locale};

/// The media types a GraphQL answer can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MediaType {
    /// `application/json`: 200 also for documents that do not parse or validate.
    #[default]
    Json,
    /// `application/graphql-response+json`: the status tells.
    GraphqlResponse,
}

impl MediaType {
    /// The value of `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }

    const fn subtype(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::GraphqlResponse => "graphql-response+json",
        }
    }
}

/// The type the client likes best; `None` if it takes neither. Without an `Accept` header, and where a
/// wildcard leaves the choice to us, it is `application/json`; where both are named alike, it is the type
/// whose status tells more.
pub fn accepted(headers: &HeaderMap) -> Option<MediaType> {
    let values: Vec<_> = headers.get_all(ACCEPT).iter().collect();
    if values.is_empty() {
        return Some(MediaType::Json);
    }
    let ranges = values.iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<Range> = ranges
        .flat_map(|value| value.split(','))
        .filter_map(Range::parse)
        .collect();
    let json = best(&ranges, MediaType::Json);
    let graphql = best(&ranges, MediaType::GraphqlResponse);
    match (json, graphql) {
        (None, None) => None,
        (None, Some(_)) => Some(MediaType::GraphqlResponse),
        (Some(json), Some(graphql)) if graphql > json => Some(MediaType::GraphqlResponse),
        (Some(json), Some(graphql)) if graphql == json && graphql.1 == EXACT => {
            Some(MediaType::GraphqlResponse)
        }
        _ => Some(MediaType::Json),
    }
}

const EXACT: u8 = 2;

/// One range of an `Accept` header.
struct Range<'h> {
    kind: &'h str,
    subtype: &'h str,
    /// Thousandths.
    quality: u16,
}

impl<'h> Range<'h> {
    fn parse(text: &'h str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let quality = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("q")
                .then(|| quality(value.trim()))
        });
        Some(Self {
            kind,
            subtype,
            quality: quality.unwrap_or(1_000),
        })
    }

    /// How exactly the range names `media`; `None` if it does not cover it.
    fn covers(&self, media: MediaType) -> Option<u8> {
        if self.kind == "*" && self.subtype == "*" {
            return Some(0);
        }
        if !self.kind.eq_ignore_ascii_case("application") {
            return None;
        }
        if self.subtype == "*" {
            return Some(1);
        }
        self.subtype
            .eq_ignore_ascii_case(media.subtype())
            .then_some(EXACT)
    }
}

/// A quality value in thousandths; one that cannot be read counts as 1.
fn quality(text: &str) -> u16 {
    let Some((whole, fraction)) = text.split_once('.') else {
        return if text == "0" { 0 } else { 1_000 };
    };
    if whole != "0" {
        return 1_000;
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    digits.parse().unwrap_or(1_000)
}

/// Quality and exactness of the range that decides over `media`: the most exact one that covers it.
fn best(ranges: &[Range<'_>], media: MediaType) -> Option<(u16, u8)> {
    let covering = ranges
        .iter()
        .filter_map(|range| Some((range.covers(media)?, range.quality)));
    let (exactness, quality) = covering.max()?;
    (quality > 0).then_some((quality, exactness))
}

/// Whether the body is JSON in UTF-8 without a content encoding.
pub fn is_json(headers: &HeaderMap) -> bool {
    let encoding = headers.get(CONTENT_ENCODING);
    let plain =
        encoding.is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let mut parts = content_type.unwrap_or_default().split(';').map(str::trim);
    let json = parts
        .next()
        .is_some_and(|media| media.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.all(|part| match part.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let value = value.trim().trim_matches('"');
            value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
        }
        _ => true,
    });
    plain && json && utf8
}

/// The language of messages: what `Accept-Language` asks for, else that of the user, else English.
pub fn locale(headers: &HeaderMap, user: Option<Locale>) -> Locale {
    let header = headers.get(ACCEPT_LANGUAGE);
    header
        .and_then(|header| messages::preferred(header.to_str().ok()?))
        .or(user)
        .unwrap_or(Locale::En)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn accept(value: &'static str) -> Option<MediaType> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(value));
        accepted(&headers)
    }

    #[test]
    fn the_answer_has_the_type_the_client_likes_best() {
        use MediaType::{GraphqlResponse, Json};
        assert_eq!(accepted(&HeaderMap::new()), Some(Json));
        for (value, expected) in [
            ("*/*", Some(Json)),
            ("application/*", Some(Json)),
            ("application/json", Some(Json)),
            ("Application/JSON; charset=utf-8", Some(Json)),
            ("application/graphql-response+json", Some(GraphqlResponse)),
            (
                "application/graphql-response+json, application/json",
                Some(GraphqlResponse),
            ),
            (
                "application/json, application/graphql-response+json;q=0.9",
                Some(Json),
            ),
            (
                "application/graphql-response+json;q=0.8, application/json;q=0.9",
                Some(Json),
            ),
            (
                "application/graphql-response+json, */*;q=0.1",
                Some(GraphqlResponse),
            ),
            ("application/json, */*", Some(Json)),
            ("application/json;q=0, */*", Some(GraphqlResponse)),
            ("*/*;q=0", None),
            ("text/html", None),
            ("text/html, application/xhtml+xml, */*;q=0.8", Some(Json)),
            ("", None),
            ("application/json;q=0", None),
        ] {
            assert_eq!(accept(value), expected, "{value}");
        }
    }

    #[test]
    fn only_json_in_utf8_is_read() {
        for (value, expected) in [
            ("application/json", true),
            ("application/json;charset=UTF-8", true),
            ("application/json; charset=\"utf-8\"", true),
            ("application/json; charset=latin1", false),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("multipart/form-data; boundary=x", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(is_json(&headers), expected, "{value}");
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            assert!(!is_json(&headers));
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
