//! The GraphQL schema: types, inputs, queries and mutations, one file per concept. A resolver takes its
//! arguments, makes one domain call and wraps the answer; rules live below, in the domain. Knows no HTTP.

pub mod addresses;
pub mod categories;
pub mod check;
pub mod clients;
pub mod confidential;
pub mod connection;
pub mod contacts;
pub mod context;
pub mod direct;
pub mod filters;
pub mod handovers;
pub mod identities;
pub mod input;
pub mod keyed;
pub mod live;
pub mod members;
pub mod node;
pub mod notes;
pub mod orders;
pub mod pace;
pub mod payments;
pub mod products;
pub mod scalars;
pub mod service_accounts;
pub mod service_scopes;
pub mod sessions;
pub mod stock;
pub mod sync;
pub mod tiers;
pub mod users;
pub mod written;

use async_graphql::{MergedObject, MergedSubscription};

/// Reading. Each list shows what you may see and nothing else.
#[derive(Default, MergedObject)]
#[graphql(name = "Query")]
pub struct Query(
    node::NodeQuery,
    clients::ClientQuery,
    users::UserQuery,
    handovers::HandoverQuery,
    contacts::ContactQuery,
    addresses::AddressQuery,
    notes::NoteQuery,
    tiers::TierQuery,
    categories::CategoryQuery,
    products::ProductQuery,
    orders::OrderQuery,
    payments::PaymentQuery,
    confidential::ConfidentialQuery,
    service_accounts::ServiceAccountQuery,
    sync::pull::PullQuery,
    sync::pull::SyncQuery,
    sync::pull::DeviceQuery,
);

/// Writing. Each field is one transaction: all of it is kept, or nothing. A request with the header `Idempotency-Key` can be repeated for 30 days: what of it was done is not done again, and is answered as it was then. With a key a field whose answer fails in any part is not done at all.
#[derive(Default, MergedObject)]
#[graphql(name = "Mutation")]
pub struct Mutation(
    clients::ClientMutation,
    users::UserMutation,
    sessions::SessionMutation,
    members::MemberMutation,
    handovers::HandoverMutation,
    contacts::ContactMutation,
    addresses::AddressMutation,
    notes::NoteMutation,
    tiers::TierMutation,
    categories::CategoryMutation,
    products::ProductMutation,
    stock::StockMutation,
    orders::OrderMutation,
    payments::PaymentMutation,
    confidential::ConfidentialMutation,
    service_accounts::ServiceAccountMutation,
    identities::IdentityMutation,
    sync::push::OpMutation,
    sync::push::RowMutation,
    sync::pull::DeviceMutation,
);

/// Hearing of what happens, over a WebSocket with the protocol `graphql-transport-ws`. The first event of a subscription comes at once and says that it has begun: read then what you show, and nothing is missed. Where the service reads from a replica, a query may lag up to 5 seconds behind what you hear; what an event itself shows does not. What you hear of is what you see at that moment.
#[derive(Default, MergedSubscription)]
#[graphql(name = "Subscription")]
pub struct Subscription(live::LiveSubscription, sync::live::SyncSubscription);

/// The schema of the service.
pub type Schema = async_graphql::Schema<Query, keyed::Root, Subscription>;

/// Builds the schema. Limits are kept at the edge, before a document gets here.
pub fn schema() -> Schema {
    Schema::build(
        Query::default(),
        keyed::Root::default(),
        Subscription::default(),
    )
    .finish()
}

/// The schema in GraphQL's own language.
pub fn sdl() -> String {
    schema()
        .sdl_with_options(async_graphql::SDLExportOptions::new().prefer_single_line_descriptions())
}
