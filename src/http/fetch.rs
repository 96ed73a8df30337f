//! Getting a small document from somewhere else: over HTTPS, or plain HTTP from this machine alone. Neither
//! redirects nor proxies are followed, so that what is asked is who answers.

use std::time::Duration;

use axum::http::header::ACCEPT;
use axum::http::{HeaderValue, Request, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::error::{Error, Result};
use crate::say;

/// How long it may take, from the name to the last byte.
const DEADLINE: Duration = Duration::from_secs(5);

/// The largest document, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Gets one document, again and again.
#[derive(Clone)]
pub struct Document {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    uri: Uri,
}

impl Document {
    /// The document at this address.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for what is no address of `https:`, or of `http:` on this machine; `INTERNAL` when
    /// there is no cryptography for it.
    pub fn at(address: &str) -> Result<Self> {
        let wrong = || {
            Error::bad_input(
                "url",
                say!(
                    "{address} is not an address of https, or of http on this machine",
                    address
                ),
            )
        };
        let uri: Uri = address.parse().map_err(|_| wrong())?;
        let host = uri.host().ok_or_else(wrong)?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_this_machine(host) => {}
            _ => return Err(wrong()),
        }
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(Error::internal)?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        Ok(Self { client, uri })
    }

    /// The document as it is now.
    ///
    /// # Errors
    /// In words for the log: when it cannot be had in time, is too large, or the answer is no success.
    pub async fn get(&self) -> Result<Vec<u8>, String> {
        let work = async {
            let mut request = Request::new(Empty::<Bytes>::new());
            *request.uri_mut() = self.uri.clone();
            let accept = HeaderValue::from_static("application/json");
            request.headers_mut().insert(ACCEPT, accept);
            let response = self.client.request(request).await;
            let response = response.map_err(|error| format!("no answer: {error:?}"))?;
            if !response.status().is_success() {
                return Err(format!("the answer was {}", response.status()));
            }
            let body = Limited::new(response.into_body(), MAX_BYTES)
                .collect()
                .await;
            let body = body.map_err(|error| format!("the answer was cut or too large: {error}"))?;
            Ok(body.to_bytes().to_vec())
        };
        tokio::time::timeout(DEADLINE, work)
            .await
            .unwrap_or_else(|_| Err("it took too long".to_owned()))
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_this_machine() {
        for good in [
            "https://id.example.com/keys",
            "http://127.0.0.1:8081/jwks.json",
            "http://localhost/keys",
            "http://[::1]:9/keys",
        ] {
            assert!(Document::at(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example.com/keys",
            "http://127.0.0.1.example.com/keys",
            "ftp://127.0.0.1/keys",
            "file:///etc/passwd",
            "keys.json",
            "",
        ] {
            assert!(Document::at(bad).is_err(), "{bad}");
        }
    }
}
