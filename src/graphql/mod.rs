//! The GraphQL schema: types, inputs, queries and mutations, one file per concept. A resolver takes its
//! arguments, makes one domain call and wraps the answer; rules live below, in the domain. Knows no HTTP.

pub mod addresses;
pub mod clients;
pub mod connection;
pub mod contacts;
pub mod context;
pub mod filters;
pub mod input;
pub mod node;
pub mod notes;
pub mod scalars;
pub mod tiers;

use async_graphql::{EmptySubscription, MergedObject};

/// Reading. Each list shows what you may see and nothing else.
#[derive(Default, MergedObject)]
#[graphql(name = "Query")]
pub struct Query(
    node::NodeQuery,
    clients::ClientQuery,
    contacts::ContactQuery,
    addresses::AddressQuery,
    notes::NoteQuery,
    tiers::TierQuery,
);

/// Writing. Each field is one transaction: all of it is kept, or nothing.
#[derive(Default, MergedObject)]
#[graphql(name = "Mutation")]
pub struct Mutation(
    clients::ClientMutation,
    contacts::ContactMutation,
    addresses::AddressMutation,
    notes::NoteMutation,
    tiers::TierMutation,
);

/// The schema of the service.
pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// Builds the schema. Limits are kept at the edge, before a document gets here.
pub fn schema() -> Schema {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
        .limit_recursive_depth(64)
        .finish()
}
