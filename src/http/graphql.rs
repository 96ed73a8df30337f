//! The GraphQL endpoint. In this order: method and content type, size, who is it, how deep, parse, how much,
//! run under a deadline, answer. What comes first is cheaper than what it protects.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::{Executor, Value, Variables};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use futures_util::{FutureExt, StreamExt};
use uuid::Uuid;

use super::answer::{self, Context};
use super::ask::{self, Ask};
use super::documents::{Documents, Hash, Registered, hash_of, hash_of_hex};
use super::errors::{self, Phase};
use super::gateway::{Caller, Gateway, Identity};
use super::idempotency::{self, IDEMPOTENCY_KEY};
use super::limits::{Bounds, CallerKind, Limits};
use super::meter::{self, Introspection, Weight};
use super::metrics::Metrics;
use super::negotiate::{self, MediaType};
use super::observe::{Kind, Told};
use super::places::{OwnPlace, Owner, Places, SharedPlace};
use super::refusal::Refusal;
use super::request_id::RequestId;
use super::sockets::Sockets;
use super::trusted::{TrustedDocument, TrustedDocuments};
use super::{address, cost, scan};
use crate::auth::pass::Pass;
use crate::graphql::context::Masked;
use crate::graphql::pace::Pace;
use crate::live::Hub;
use crate::say;
use crate::{Code, Error};

/// Says how many SQL statements a request took, where [`Options::debug_headers`] is on.
const STATEMENTS: HeaderName = HeaderName::from_static("clientele-statements");

/// How the endpoint behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// How large requests may be.
    pub limits: Limits,
    /// Whether the schema can be looked at.
    pub introspection: Introspection,
    /// Whether answers carry `Clientele-Statements`.
    pub debug_headers: bool,
    /// How long a client may take to send its body.
    pub body_deadline: Duration,
    /// Memory for parsed documents, bytes.
    pub document_cache_bytes: u64,
    /// The documents that are run by their hash without limits of size, and perhaps no others.
    pub trusted: Option<Arc<TrustedDocuments>>,
    /// Whether clients that are signed in may register documents and then ask for them by their hash
    /// (Apollo's automatic persisted queries): memory for their texts, bytes.
    pub persisted_query_bytes: Option<u64>,
    /// Origins whose pages may use the service from a browser, as in `https://app.example.com`.
    pub origins: Vec<String>,
    /// The proxies that are believed when they say where a request came from.
    pub proxies: address::TrustedProxies,
    /// Where requests are counted.
    pub metrics: Metrics,
    /// Where subscriptions hear of what happened.
    pub hub: Hub,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            introspection: Introspection::On,
            debug_headers: false,
            body_deadline: Duration::from_secs(10),
            document_cache_bytes: 32 * 1024 * 1024,
            trusted: None,
            persisted_query_bytes: None,
            origins: Vec::new(),
            proxies: address::TrustedProxies::None,
            metrics: Metrics::default(),
            hub: Hub::default(),
        }
    }
}

/// The endpoint: a gateway that knows callers and an executor that runs requests.
pub struct Endpoint<G, E> {
    gateway: G,
    executor: E,
    documents: Documents,
    registered: Option<Registered>,
    purses: Option<cost::Purses>,
    places: Places,
    pub(super) sockets: Sockets,
    options: Options,
}

/// The document of a request.
pub(super) enum Found {
    /// Sent, or registered before.
    Text {
        text: Arc<str>,
        hash: Hash,
        /// Whether it is to be registered, should it prove valid.
        is_new: bool,
    },
    Trusted(Arc<TrustedDocument>),
}

impl<G: Gateway, E: Executor> Endpoint<G, E> {
    /// An endpoint that asks `gateway` for callers and has `executor` run what passes.
    pub fn new(gateway: G, executor: E, options: Options) -> Self {
        Self {
            gateway,
            executor,
            documents: Documents::new(options.document_cache_bytes),
            registered: options.persisted_query_bytes.map(Registered::new),
            purses: options.limits.budget.clone().map(cost::Purses::new),
            places: Places::new(options.limits.concurrency.clone()),
            sockets: Sockets::new(&options.limits.sockets, &options.metrics),
            options,
        }
    }

    /// How it behaves.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Answers one request, whatever it is.
    pub async fn serve(&self, request: Request) -> Response {
        let request_id = request.extensions().get::<RequestId>().cloned();
        let mut context = Context {
            media: MediaType::Json,
            request_id: request_id.unwrap_or_else(|| RequestId::of(request.headers())),
            locale: negotiate::locale(request.headers(), None),
            has_token: false,
            statements: None,
            purse: None,
            requested: 0,
            told: Told {
                kind: Some(Kind::Refused),
                ..Told::default()
            },
        };
        let mut response = match self.answer(request, &mut context).await {
            Ok(response) => response,
            Err(refusal) => answer::refused(&refusal, &context),
        };
        if let Some(statements) = &context.statements {
            context.told.statements = statements.load(Ordering::Relaxed);
        }
        if self.options.debug_headers && context.statements.is_some() {
            let count = HeaderValue::from(context.told.statements);
            response.headers_mut().insert(STATEMENTS, count);
        }
        let extensions = response.extensions_mut();
        if let Some(refused) = extensions.remove::<Told>() {
            context.told.code = refused.code;
            context.told.limit = refused.limit;
        }
        extensions.insert(context.told);
        response
    }

    async fn answer(&self, request: Request, context: &mut Context) -> Result<Response, Refusal> {
        let (parts, mut body) = request.into_parts();
        let by_get = match parts.method {
            Method::POST => false,
            Method::GET => true,
            _ => {
                return Err(Refusal::method(
                    "GET, POST",
                    say!("send GraphQL by POST or GET"),
                ));
            }
        };
        context.media = negotiate::accepted(&parts.headers).ok_or_else(not_acceptable)?;
        if !by_get && !negotiate::is_json(&parts.headers) {
            return Err(unsupported());
        }
        let bearer = ask::bearer(&parts.headers)?;
        context.has_token = bearer.is_some();
        let kind = match bearer {
            Some(_) => CallerKind::SignedIn,
            None => CallerKind::Anonymous,
        };
        let most = self.options.limits.of(kind).body_bytes;
        ask::check_announced(&parts.headers, &mut body, most).await?;

        let caller = self.gateway.authenticate(bearer).await?;
        let kind = caller.kind();
        context.statements = Some(caller.statements);
        context.locale = negotiate::locale(&parts.headers, caller.locale);
        let bounds = self.options.limits.of(kind);
        context.told.user = caller.identity.map(|identity| identity.user);
        let owner = if let Some(identity) = caller.identity {
            let purses = self.purses.as_ref();
            context.purse = purses.map(|purses| purses.of(identity.session, identity.user));
            Owner::User(identity.user)
        } else {
            Owner::anonymous(address::of_parts(&parts, &self.options.proxies))
        };
        let _own_place = self.places.own(owner).await?;

        let mut keyed_body = None;
        let ask = if by_get {
            ask::of_query_string(&parts.uri, bounds.body_bytes)?
        } else {
            let deadline = self.options.body_deadline;
            let body = ask::read_body(body, bounds.body_bytes, deadline).await?;
            let ask = ask::of_body(&body)?;
            keyed_body = parts.headers.contains_key(IDEMPOTENCY_KEY).then_some(body);
            ask
        };
        let Asked {
            found,
            document,
            operation_name,
            variables,
        } = self.read(ask, kind)?;
        let operation = meter::operation(&document, operation_name.as_deref())?;
        context.told.name = name_of(&document, operation);
        context.told.is_trusted = matches!(found, Found::Trusted(_));
        match operation.ty {
            OperationType::Mutation | OperationType::Subscription if by_get => {
                return Err(Refusal::method(
                    "POST",
                    say!("only queries can be sent by GET"),
                ));
            }
            OperationType::Query => context.told.kind = Some(Kind::Query),
            OperationType::Mutation => context.told.kind = Some(Kind::Mutation),
            OperationType::Subscription => {
                return Err(Refusal::validation(say!(
                    "subscriptions run on a WebSocket at this same address: connect with the protocol graphql-transport-ws"
                )));
            }
        }
        let key = match operation.ty {
            OperationType::Mutation if kind == CallerKind::SignedIn => {
                idempotency::key(&parts.headers)?
            }
            OperationType::Query | OperationType::Mutation | OperationType::Subscription => None,
        };
        let (variables, weight) = self.weigh(&found, &document, operation, variables, kind)?;
        context.requested = cost::points(weight.cost(operation.ty));
        let held = context
            .purse
            .as_ref()
            .map(|purse| purse.hold(context.requested));
        let mut held = held.transpose()?;
        let _shared_place = self.places.shared(operation.ty).await?;

        let mut run = async_graphql::Request::new("").variables(variables);
        run.operation_name = operation_name;
        run.data = caller.data;
        run.data.insert(context.request_id.clone());
        run.data.insert(context.locale);
        let masked = Masked::default();
        run.data.insert(masked.clone());
        let deadline = match operation.ty {
            OperationType::Mutation => bounds.mutation_deadline,
            OperationType::Query | OperationType::Subscription => bounds.query_deadline,
        };
        let pace = Pace::new(bounds.written_fields, deadline);
        run.data.insert(pace.clone());
        run.set_parsed_query(ExecutableDocument::clone(&document));
        if let (Some(key), Some(body)) = (key, &keyed_body) {
            if let Some(held) = &mut held {
                held.costs(1);
            }
            self.gateway.remember(&mut run.data, key, body).await?;
        }
        if let Some(held) = &mut held {
            held.runs(&pace);
        }
        let mut done = self.run(run, &pace).await?;
        if let Some(paths) = masked.take() {
            done.extensions.insert("masked".to_owned(), paths);
        }

        let nothing_ran = done.data == Value::Null
            && done.is_err()
            && done.errors.iter().all(|error| error.path.is_empty());
        let phase = if nothing_ran {
            Phase::Request
        } else {
            Phase::Execution
        };
        if let Some(held) = held {
            let actual = match phase {
                Phase::Request => 1,
                Phase::Execution => cost::actual(&done.data, &document, operation, &weight),
            };
            // What a failure took out of the answer was put together nevertheless.
            let actual = if done.is_err() {
                actual.max(pace.objects())
            } else {
                actual
            };
            done.extensions
                .insert("cost".to_owned(), held.settle(actual));
        }
        if let (
            Found::Text {
                text,
                hash,
                is_new: true,
            },
            Some(registered),
            Phase::Execution,
        ) = (&found, &self.registered, phase)
        {
            registered.insert(*hash, text);
        }
        let id = &context.request_id;
        let locale = context.locale;
        errors::finish(
            &mut done.errors,
            phase,
            kind,
            &document,
            operation,
            id,
            locale,
        );
        context.told.is_proven = kind == CallerKind::SignedIn && phase == Phase::Execution;
        context.told.code = done.errors.first().map(errors::code_as_sent);
        let limit = self.options.limits.response_bytes;
        let answer = answer::executed(&done, operation.ty, phase, kind, limit, context);
        Ok(answer)
    }

    /// What a request that runs on a socket asks for, held against what `kind` of caller may ask: the document, and
    /// what it weighs.
    pub(super) fn prepare(&self, ask: Ask, kind: CallerKind) -> Result<Prepared, Refusal> {
        let Asked {
            found,
            document,
            operation_name,
            variables,
        } = self.read(ask, kind)?;
        let operation = meter::operation(&document, operation_name.as_deref())?;
        let (variables, weight) = self.weigh(&found, &document, operation, variables, kind)?;
        Ok(Prepared {
            document,
            operation_name,
            variables,
            weight,
        })
    }

    /// Finds and reads the document that is asked for.
    fn read(&self, ask: Ask, kind: CallerKind) -> Result<Asked, Refusal> {
        let bounds = self.options.limits.of(kind);
        let Ask {
            query,
            document_id,
            operation_name,
            variables,
            extensions,
        } = ask;
        let variables = variables.unwrap_or_default();
        meter::check_variables(&variables, bounds)?;
        let hash = persisted_hash(extensions.as_ref())?;
        let found = self.find(query, document_id.as_deref(), hash, kind)?;
        let operation_name = operation_name.filter(|name| !name.is_empty());
        Ok(Asked {
            document: self.parse(&found, bounds)?,
            found,
            operation_name,
            variables,
        })
    }

    /// The document itself, parsed once.
    fn parse(&self, found: &Found, bounds: &Bounds) -> Result<Arc<ExecutableDocument>, Refusal> {
        match found {
            Found::Trusted(trusted) => Ok(Arc::clone(&trusted.document)),
            Found::Text { text, hash, .. } => {
                let scanned = scan::check(text, bounds)?;
                self.documents.parse(text, *hash, scanned)
            }
        }
    }

    /// Weighs `operation` with `variables`, and holds it against the bounds that its document is under.
    fn weigh(
        &self,
        found: &Found,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        variables: Json,
        kind: CallerKind,
    ) -> Result<(Variables, Weight), Refusal> {
        ask::require_variables(operation, &variables)?;
        let variables = Variables::from_json(serde_json::Value::Object(variables));
        let introspection = self.options.introspection;
        let bounds = self.options.limits.of(kind);
        let weight = match found {
            Found::Trusted(_) => {
                let weight = meter::weigh_pages(document, operation, &variables, bounds.page)?;
                meter::check_introspection(&weight, introspection, kind)?;
                weight
            }
            Found::Text { .. } => {
                meter::check(document, operation, &variables, bounds, introspection, kind)?
            }
        };
        Ok((variables, weight))
    }

    /// Who calls with this token.
    pub(super) async fn authenticate(&self, token: &str) -> crate::Result<Caller> {
        self.gateway.authenticate(Some(token)).await
    }

    /// Which of `passes` are good no longer.
    pub(super) async fn ended(&self, passes: &[Arc<Pass>]) -> crate::Result<Vec<usize>> {
        self.gateway.ended(passes).await
    }

    /// What a session can spend, where costs count.
    pub(super) fn purse(&self, identity: Identity) -> Option<cost::Purse> {
        let purses = self.purses.as_ref();
        purses.map(|purses| purses.of(identity.session, identity.user))
    }

    /// A place for something of `user` to run in.
    pub(super) async fn place(&self, user: Uuid) -> Result<(OwnPlace, SharedPlace), Refusal> {
        let own = self.places.own(Owner::User(user)).await?;
        let shared = self.places.shared(OperationType::Subscription).await?;
        Ok((own, shared))
    }

    /// Runs the first step of a subscription as its `pace` says: the answer to one thing that happened, if
    /// there is any. A panic in a resolver ends this and nothing else.
    pub(super) async fn run_step(
        &self,
        request: async_graphql::Request,
        pace: &Pace,
    ) -> Result<Option<async_graphql::Response>, Refusal> {
        let mut steps = self.executor.execute_stream(request, None);
        let running = AssertUnwindSafe(pace.in_turns(steps.next())).catch_unwind();
        let done = pace.in_time(running).await;
        match (pace.refusal(), done) {
            (Some(error), _) => Err(error.into()),
            (None, Some(Err(panic))) => Err(panicked(panic.as_ref()).into()),
            (None, Some(Ok(Some(step)))) => Ok(step),
            (None, Some(Ok(None)) | None) => {
                Err(Error::bug("a subscription ended without a word").into())
            }
        }
    }

    /// The document that a request means, by its text, its id or its hash.
    fn find(
        &self,
        query: Option<String>,
        document_id: Option<&str>,
        persisted: Option<Hash>,
        caller: CallerKind,
    ) -> Result<Found, Refusal> {
        let query = query.filter(|query| !query.trim().is_empty());
        match (query, document_id) {
            (Some(_), Some(_)) => Err(Refusal::bad_request(
                "BAD_REQUEST",
                say!("send query or documentId, not both"),
            )),
            (Some(query), None) => self.by_text(query.into(), persisted, caller),
            (None, Some(id)) => {
                let hash = hash_of_hex(id.strip_prefix("sha256:").unwrap_or(id));
                let found = if let Some(hash) = hash {
                    self.by_hash(hash)
                } else {
                    let trusted = self.options.trusted.as_ref();
                    let trusted = trusted.and_then(|trusted| trusted.by_name(id));
                    trusted.map(Found::Trusted)
                };
                found.ok_or_else(unknown_document)
            }
            (None, None) => {
                let Some(hash) = persisted else {
                    return Err(Refusal::bad_request(
                        "QUERY_MISSING",
                        say!("the request has no query: send the GraphQL document as query"),
                    ));
                };
                // Clients that try a hash first know these very messages, and send the document then.
                self.by_hash(hash).ok_or_else(|| {
                    if self.registered.is_some() || self.options.trusted.is_some() {
                        Refusal::persisted("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
                    } else {
                        Refusal::persisted(
                            "PersistedQueryNotSupported",
                            "PERSISTED_QUERY_NOT_SUPPORTED",
                        )
                    }
                })
            }
        }
    }

    fn by_text(
        &self,
        text: Arc<str>,
        persisted: Option<Hash>,
        caller: CallerKind,
    ) -> Result<Found, Refusal> {
        let hash = hash_of(&text);
        if persisted.is_some_and(|claimed| claimed != hash) {
            return Err(Refusal::bad_request(
                "PERSISTED_QUERY_MISMATCH",
                say!("sha256Hash is not the SHA-256 of the query"),
            ));
        }
        if let Some(trusted) = &self.options.trusted {
            if let Some(found) = trusted.by_hash(&hash) {
                return Ok(Found::Trusted(found));
            }
            if trusted.is_only() {
                let error = Error::forbidden(say!(
                    "this service runs only the documents it was given: send the documentId of one of them"
                ));
                return Err(error.with_rule("DOCUMENT_NOT_TRUSTED").into());
            }
        }
        Ok(Found::Text {
            text,
            hash,
            is_new: persisted.is_some() && caller == CallerKind::SignedIn,
        })
    }

    fn by_hash(&self, hash: Hash) -> Option<Found> {
        let trusted = self.options.trusted.as_ref();
        if let Some(found) = trusted.and_then(|trusted| trusted.by_hash(&hash)) {
            return Some(Found::Trusted(found));
        }
        if trusted.is_some_and(|trusted| trusted.is_only()) {
            return None;
        }
        let text = self.registered.as_ref()?.get(&hash)?;
        Some(Found::Text {
            text,
            hash,
            is_new: false,
        })
    }

    /// Runs a request as its `pace` says; a panic in a resolver ends this request and nothing else. What a
    /// mutation has begun runs in its own task and is not cut short.
    async fn run(
        &self,
        request: async_graphql::Request,
        pace: &Pace,
    ) -> Result<async_graphql::Response, Refusal> {
        let running = AssertUnwindSafe(self.executor.execute(request)).catch_unwind();
        let done = pace.in_time(running).await;
        match (pace.refusal(), done) {
            (Some(error), _) => Err(error.into()),
            (None, Some(Err(panic))) => Err(panicked(panic.as_ref()).into()),
            (None, Some(Ok(response))) => Ok(response),
            (None, None) => Err(Error::bug("a request ended without a word").into()),
        }
    }
}

type Json = serde_json::Map<String, serde_json::Value>;

/// What a request asks for, read and not yet weighed.
struct Asked {
    found: Found,
    document: Arc<ExecutableDocument>,
    operation_name: Option<String>,
    variables: Json,
}

/// What a request asks for, ready to run.
pub(super) struct Prepared {
    pub document: Arc<ExecutableDocument>,
    pub operation_name: Option<String>,
    pub variables: Variables,
    pub weight: Weight,
}

/// The name of an operation in its document.
fn name_of(document: &ExecutableDocument, operation: &OperationDefinition) -> Option<String> {
    let mut operations = document.operations.iter();
    let found = operations.find(|(_, one)| std::ptr::eq(&raw const one.node, operation));
    Some(found?.0?.to_string())
}

/// The error of a panic: its message goes to the log, not to the client.
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "no message".to_owned());
    Error::bug(format!("a handler panicked: {text}"))
}

fn not_acceptable() -> Refusal {
    let message = say!(
        "the answer is application/json or application/graphql-response+json; accept one of them"
    );
    let error = Error::new(Code::BadUserInput, message).with_rule("NOT_ACCEPTABLE");
    Refusal::new(StatusCode::NOT_ACCEPTABLE, error)
}

fn unsupported() -> Refusal {
    let message = say!("send the request as application/json in UTF-8, without a content encoding");
    let error = Error::new(Code::BadUserInput, message).with_rule("UNSUPPORTED_MEDIA_TYPE");
    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error)
}

fn unknown_document() -> Refusal {
    let error = Error::new(
        Code::NotFound,
        say!("no document of this documentId is known here"),
    )
    .with_rule("DOCUMENT_UNKNOWN");
    Refusal {
        lenient: true,
        ..Refusal::from(error)
    }
}

/// The hash that a client sends in `extensions.persistedQuery`, alone or with the document.
fn persisted_hash(
    extensions: Option<&serde_json::Map<String, serde_json::Value>>,
) -> Result<Option<Hash>, Refusal> {
    let Some(persisted) = extensions.and_then(|extensions| extensions.get("persistedQuery")) else {
        return Ok(None);
    };
    let version = persisted.get("version").and_then(serde_json::Value::as_u64);
    let hash = persisted.get("sha256Hash").and_then(|hash| hash.as_str());
    match (version, hash.and_then(hash_of_hex)) {
        (Some(1), Some(hash)) => Ok(Some(hash)),
        _ => Err(Refusal::bad_request(
            "BAD_REQUEST",
            say!("extensions.persistedQuery must hold version 1 and sha256Hash, 64 hex digits"),
        )),
    }
}
