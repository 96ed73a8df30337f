//! What browsers and slow lines need: leave for pages of other origins (CORS), and compression.
//!
//! A page without leave can still send what browsers send unasked: forms, plain text, GET. It changes nothing
//! by that: a POST is read only as `application/json`, a GET only reads, and neither carries a token.

use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, Method};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::request_id;

/// How long a browser may remember what it was allowed: two hours, the most that browsers keep.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_hours(2);

/// Below so many bytes, compressing costs more than it saves.
const COMPRESSED_FROM_BYTES: u16 = 1_024;

/// Leave for pages of `origins` to send requests and read answers; `None` where there are no origins. Tokens
/// go in a header that scripts set, so cookies and their like need no leave.
pub fn cors(origins: &[String]) -> Option<CorsLayer> {
    // A wildcard is no origin: the list says who may.
    let origins = origins.iter().filter(|origin| !origin.contains('*'));
    let origins: Vec<HeaderValue> = origins
        .filter_map(|origin| HeaderValue::from_str(origin).ok())
        .collect();
    if origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([request_id::HEADER, RETRY_AFTER])
        .max_age(PREFLIGHT_MAX_AGE);
    Some(layer)
}

/// Compresses answers of some size as the client accepts: zstd, brotli or gzip. Images and streams of events
/// are left alone.
pub fn compression() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new()
        .compress_when(DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_FROM_BYTES)))
}
