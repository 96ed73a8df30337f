//! The API, tested through HTTP.
