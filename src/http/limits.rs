//! How large a request may be. One value of [`Limits`] is shared by the scanner, the meter and the handler,
//! so that no number stands in two places.

use std::time::Duration;

/// The bounds for signed-in and for anonymous callers, and what holds for all requests together.
#[derive(Clone, Debug)]
pub struct Limits {
    /// For callers with a valid token.
    pub signed_in: Bounds,
    /// For everyone else.
    pub anonymous: Anonymous,
    /// What the requests of a session may cost; `None`: costs are neither held against anything nor told.
    pub budget: Option<Budget>,
    /// How many requests may run at the same time.
    pub concurrency: Concurrency,
    /// Bytes of an answer, before compression.
    pub response_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            signed_in: Bounds::default(),
            anonymous: Anonymous::default(),
            budget: Some(Budget::default()),
            concurrency: Concurrency::default(),
            response_bytes: 8 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// The bounds that hold for a caller.
    pub fn of(&self, caller: CallerKind) -> &Bounds {
        match caller {
            CallerKind::SignedIn => &self.signed_in,
            CallerKind::Anonymous => &self.anonymous.0,
        }
    }
}

/// Who sends the request, as far as limits care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerKind {
    /// With a valid token.
    SignedIn,
    /// Without one.
    Anonymous,
}

/// The bounds for anonymous callers; a type of its own only because its defaults differ.
#[derive(Clone, Debug)]
pub struct Anonymous(pub Bounds);

impl Default for Anonymous {
    fn default() -> Self {
        Self(Bounds {
            body_bytes: 16 * 1024,
            document_bytes: 4 * 1024,
            tokens: 300,
            nesting: 12,
            variable_depth: 8,
            variable_nodes: 50,
            operations: 1,
            depth: 4,
            fields: 30,
            aliases: 0,
            directives: 0,
            query_roots: 1,
            mutation_roots: 1,
            nodes: 10_000,
            introspection_depth: 4,
            introspection_fields: 30,
            query_deadline: Duration::from_secs(3),
            mutation_deadline: Duration::from_secs(3),
            written_fields: 10_000,
        })
    }
}

/// The bounds for one kind of caller. Counts of fields, aliases, directives and nodes are taken after
/// fragments are expanded.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Bytes of the request body.
    pub body_bytes: usize,
    /// Bytes of the GraphQL document.
    pub document_bytes: usize,
    /// Lexical tokens of the document.
    pub tokens: usize,
    /// Open brackets of any kind at one point of the document.
    pub nesting: usize,
    /// Levels of lists and objects in the variables.
    pub variable_depth: usize,
    /// Values of any kind in the variables.
    pub variable_nodes: usize,
    /// Operations in the document.
    pub operations: usize,
    /// Levels of fields.
    pub depth: usize,
    /// Fields.
    pub fields: usize,
    /// Aliases.
    pub aliases: usize,
    /// Directives.
    pub directives: usize,
    /// Root fields of a query.
    pub query_roots: usize,
    /// Root fields of a mutation.
    pub mutation_roots: usize,
    /// Rows that the page sizes, multiplied down the paths, can ask for.
    pub nodes: usize,
    /// Levels of fields of a pure introspection query.
    pub introspection_depth: usize,
    /// Fields of a pure introspection query.
    pub introspection_fields: usize,
    /// How long a query may run.
    pub query_deadline: Duration,
    /// How long the caller waits for a mutation. A write that has begun is not cut short; one that came with
    /// an idempotency key is undone when its answer is not there by then.
    pub mutation_deadline: Duration,
    /// Fields that an answer may hold, counted while it is put together ([`crate::graphql::pace`]).
    pub written_fields: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            body_bytes: 256 * 1024,
            document_bytes: 32 * 1024,
            tokens: 2_000,
            nesting: 32,
            variable_depth: 32,
            variable_nodes: 20_000,
            operations: 20,
            depth: 12,
            fields: 1_000,
            aliases: 30,
            directives: 30,
            query_roots: 20,
            mutation_roots: 10,
            nodes: 10_000,
            introspection_depth: 15,
            introspection_fields: 1_000,
            query_deadline: Duration::from_secs(5),
            mutation_deadline: Duration::from_secs(10),
            written_fields: 200_000,
        }
    }
}

/// What the requests of one session may cost, in points ([`super::cost`]).
#[derive(Clone, Debug)]
pub struct Budget {
    /// Points that one document may cost.
    pub per_document: u64,
    /// Points that a session can save up.
    pub bucket: u64,
    /// Points that come back each second.
    pub restored_per_second: u64,
    /// Sessions that are remembered; those beyond begin anew with a full bucket.
    pub sessions: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            per_document: 2_000,
            bucket: 4_000,
            restored_per_second: 100,
            sessions: 20_000,
        }
    }
}

/// How many requests may run at the same time.
#[derive(Clone, Debug)]
pub struct Concurrency {
    /// Of one user, on all devices together; counted from before the body is read.
    pub per_user: usize,
    /// Of anonymous callers from one address.
    pub per_address: usize,
    /// Of all callers together, while they run.
    pub process: usize,
    /// Of those, queries: the rest is kept for mutations, so that nobody's reading stops somebody's writing.
    pub queries: usize,
    /// How long a request waits for a place before it is refused. As many may wait as may run, not more.
    pub patience: Duration,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self {
            per_user: 6,
            per_address: 2,
            process: 64,
            queries: 48,
            patience: Duration::from_millis(500),
        }
    }
}
