//! Traces for a collector: one span per request, as part of the caller's trace where it names one. Sent by
//! OTLP over HTTP with protobuf, in batches, by a thread of its own; a collector that is gone costs requests
//! nothing.

use std::sync::OnceLock;
use std::time::SystemTime;

use opentelemetry::trace::{
    Span, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::observe::{Kind, Seen};
use crate::error::{Code, Error, Result};

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Sends spans until it is told to end.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends spans to `endpoint` from now on, once in a process.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when that is no address.
    pub fn begin(endpoint: &str) -> Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .build()
            .map_err(|error| {
                Error::new(
                    Code::BadUserInput,
                    format!("traces cannot be sent to {endpoint}: {error}"),
                )
            })?;
        let resource = Resource::builder()
            .with_service_name(env!("CARGO_PKG_NAME"))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        // A second one in a process would send its spans where the first does.
        let _ = TRACER.set(provider.tracer(env!("CARGO_PKG_NAME")));
        Ok(Self(provider))
    }

    /// Sends what is left.
    pub async fn end(self) {
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown()).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last traces could not be sent");
        }
    }
}

/// Hands a request to the thread that sends.
pub(super) fn record(seen: &Seen<'_>) {
    let Some(tracer) = TRACER.get() else {
        return;
    };
    let end = SystemTime::now();
    let begin = end.checked_sub(seen.took).unwrap_or(end);
    let parent = match seen.parent {
        None => Context::new(),
        Some(parent) => {
            let flags = if parent.is_sampled {
                TraceFlags::SAMPLED
            } else {
                TraceFlags::default()
            };
            Context::new().with_remote_span_context(SpanContext::new(
                TraceId::from(parent.trace),
                SpanId::from(parent.parent),
                flags,
                true,
                TraceState::default(),
            ))
        }
    };
    let told = seen.told;
    let name = match (told.kind, &told.name) {
        (Some(kind), Some(name)) => format!("{} {name}", kind.as_str()),
        (Some(kind), None) => kind.as_str().to_owned(),
        (None, _) => format!("{} {}", seen.method, seen.route),
    };
    let mut attributes = vec![
        KeyValue::new("http.request.method", seen.method.as_str().to_owned()),
        KeyValue::new("http.route", seen.route.to_owned()),
        KeyValue::new("http.response.status_code", i64::from(seen.status)),
        KeyValue::new("clientele.request_id", seen.request_id.as_str().to_owned()),
    ];
    let more = [
        (
            "graphql.operation.type",
            told.kind.map(|kind| kind.as_str().to_owned()),
        ),
        ("graphql.operation.name", told.name.clone()),
        ("error.type", told.code.map(str::to_owned)),
        ("user.id", told.user.map(|user| user.to_string())),
    ];
    let more = more.into_iter();
    attributes.extend(more.filter_map(|(key, value)| Some(KeyValue::new(key, value?))));
    if told.kind.is_some_and(|kind| kind != Kind::Refused) {
        attributes.push(KeyValue::new(
            "clientele.statements",
            i64::from(told.statements),
        ));
    }
    let mut span = tracer
        .span_builder(name)
        .with_kind(SpanKind::Server)
        .with_start_time(begin)
        .with_attributes(attributes)
        .start_with_context(tracer, &parent);
    if seen.status >= 500 {
        span.set_status(Status::error(told.code.unwrap_or("INTERNAL")));
    }
    span.end_with_timestamp(end);
}
