//! The explorer at `/`: a page around `GraphiQL`, from files inside this program. It loads nothing from
//! anywhere else and knows the API only as any client does.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use ring::digest::{Context, SHA256};
use serde::Serialize;

/// Styles inline: the editor and its dialogs place themselves by style elements. Scripts never.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("assets/page.html");

/// Name, content type and content of each file under `/assets/`.
const FILES: [(&str, &str, &[u8]); 6] = [
    (
        "page.css",
        "text/css; charset=utf-8",
        include_bytes!("assets/page.css"),
    ),
    (
        "page.js",
        "text/javascript; charset=utf-8",
        include_bytes!("assets/page.js"),
    ),
    (
        "react.js",
        "text/javascript; charset=utf-8",
        include_bytes!("assets/vendor/react.production.min.js"),
    ),
    (
        "react-dom.js",
        "text/javascript; charset=utf-8",
        include_bytes!("assets/vendor/react-dom.production.min.js"),
    ),
    (
        "graphiql.js",
        "text/javascript; charset=utf-8",
        include_bytes!("assets/vendor/graphiql.min.js"),
    ),
    (
        "graphiql.css",
        "text/css; charset=utf-8",
        include_bytes!("assets/vendor/graphiql.min.css"),
    ),
];

/// What the page starts with.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explorer {
    /// The text in the editor at first.
    pub default_query: String,
    /// Accounts that one click signs in. Their passwords are in the page: for demonstrations only.
    pub accounts: Vec<Account>,
}

/// An account of the demonstration.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// Name and part, as shown: `Ada Berg, rep`.
    pub label: String,
    /// Its e-mail address.
    pub email: String,
    /// Its password.
    pub password: String,
}

/// The routes `/` and `/assets/...`.
pub fn routes(explorer: &Explorer) -> Router {
    let version = version();
    let page = render(explorer, &version);
    let mut hash = Context::new(&SHA256);
    hash.update(page.as_bytes());
    let etag = format!("\"{}\"", hex(hash.finish().as_ref()));
    let page: Arc<(Bytes, String)> = Arc::new((page.into(), etag));
    Router::new()
        .route(
            "/",
            get(move |headers: HeaderMap| async move { serve_page(&headers, &page) }),
        )
        .route(
            "/assets/{version}/{name}",
            get(|Path((_, name)): Path<(String, String)>| async move { serve_file(&name) }),
        )
}

/// A name for the present content of all files, so that they can be cached for ever.
fn version() -> String {
    let mut hash = Context::new(&SHA256);
    for (name, _, content) in FILES {
        hash.update(name.as_bytes());
        hash.update(content);
    }
    hex(hash.finish().as_ref()).chars().take(16).collect()
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    digits.collect()
}

fn render(explorer: &Explorer, version: &str) -> String {
    // In a script element only `<` could end the text too early.
    let config = serde_json::to_string(explorer).unwrap_or_else(|_| "{}".to_owned());
    let config = config.replace('<', "\\u003c");
    let page = PAGE.replace("{assets}", &format!("/assets/{version}"));
    page.replace("{config}", &config)
}

fn serve_page(headers: &HeaderMap, page: &(Bytes, String)) -> Response {
    let (content, etag) = page;
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let mut response = if known == Some(etag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(Body::from(content.clone()))
    };
    if let Ok(etag) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    guard(&mut response, "text/html; charset=utf-8", "no-cache");
    response
}

fn serve_file(name: &str) -> Response {
    let Some((_, content_type, content)) = FILES.into_iter().find(|(known, ..)| *known == name)
    else {
        let mut response = Response::new(Body::from("no such file\n"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        guard(&mut response, "text/plain; charset=utf-8", "no-store");
        return response;
    };
    let mut response = Response::new(Body::from(Bytes::from_static(content)));
    guard(
        &mut response,
        content_type,
        "public, max-age=31536000, immutable",
    );
    response
}

fn guard(response: &mut Response, content_type: &'static str, caching: &'static str) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_cannot_leave_its_script_element() {
        let explorer = Explorer {
            default_query: "</script><script>alert(1)</script>".to_owned(),
            accounts: Vec::new(),
        };
        let page = render(&explorer, "v");
        assert!(!page.contains("alert(1)</script>"));
        assert!(page.contains("\\u003c/script>"));
    }

    #[test]
    fn the_page_and_its_own_files_name_no_other_origin() {
        for text in [
            PAGE,
            include_str!("assets/page.js"),
            include_str!("assets/page.css"),
        ] {
            assert!(!text.contains("//cdn") && !text.contains("http:") && !text.contains("https:"));
        }
    }
}
