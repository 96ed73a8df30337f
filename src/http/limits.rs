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
    /// How sockets are held.
    pub sockets: Sockets,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            signed_in: Bounds::default(),
            anonymous: Anonymous::default(),
            budget: Some(Budget::default()),
            concurrency: Concurrency::default(),
            response_bytes: 8 * 1024 * 1024,
            sockets: Sockets::default(),
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
            page: 100,
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
    /// Rows of one page, and ids that may be asked for at once; what reads them takes no more than 100 either.
    pub page: usize,
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
            page: 100,
            nodes: 10_000,
            introspection_depth: 15,
            introspection_fields: 1_000,
            query_deadline: Duration::from_secs(5),
            mutation_deadline: Duration::from_secs(10),
            written_fields: 200_000,
        }
    }
}

/// What the requests of one session, and of one user, may cost, in points ([`super::cost`]).
#[derive(Clone, Debug)]
pub struct Budget {
    /// Points that one document may cost.
    pub per_document: u64,
    /// Points that a session can save up.
    pub bucket: u64,
    /// Points that come back to a session each second.
    pub restored_per_second: u64,
    /// How many sessions' worth of both a user has on all devices together.
    pub per_user: u64,
    /// Sessions that are remembered, and users; those beyond begin anew with a full bucket.
    pub sessions: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            per_document: 2_000,
            bucket: 4_000,
            restored_per_second: 100,
            per_user: 3,
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

/// How sockets are held: how many, how much they may say, and how long nothing may be heard of them.
#[derive(Clone, Debug)]
pub struct Sockets {
    /// How long a client may take to say who it is.
    pub init_deadline: Duration,
    /// Sockets of one session open at the same time: a device has one, and some that it lost.
    pub per_session: usize,
    /// Of one user, on all devices together.
    pub per_user: usize,
    /// Of everybody.
    pub process: usize,
    /// Subscriptions of one socket at the same time.
    pub subscriptions: usize,
    /// Bytes of a message that a client sends.
    pub message_bytes: usize,
    /// How often a sign of life is asked for. A client that gave none until the next time is gone.
    pub ping_every: Duration,
    /// How often it is asked whether those who opened the sockets may still have them.
    pub check_every: Duration,
    /// How long to wait after something happened for more to tell at once.
    pub gather: Duration,
    /// How long more, at most, each of many waits who are told the same at once, and would read at once: a time of its own.
    pub spread: Duration,
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            init_deadline: Duration::from_secs(5),
            per_session: 5,
            per_user: 20,
            process: 4_096,
            subscriptions: 20,
            message_bytes: 64 * 1024,
            ping_every: Duration::from_secs(25),
            check_every: Duration::from_secs(1),
            gather: Duration::from_millis(250),
            spread: Duration::from_secs(5),
        }
    }
}
