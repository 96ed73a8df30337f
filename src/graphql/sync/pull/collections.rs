//! The table of collections: one entry for each kind of document that phones fetch.

use std::collections::{BTreeMap, HashMap};

use async_graphql::{Context, ID, Object, SimpleObject};
use entity::{
    AddressId, CategoryId, ClientId, ContactId, DeviceId, EntityId, NoteId, OrderId, PaymentId,
    ProductId, SyncCollection, SyncIssueId, TierId, TierSchemeId, UserId, address, client, contact,
    note, order, payment, product, product_category, sync_issue, tier, tier_scheme, user,
};
use futures_util::future::BoxFuture;
use sea_orm::{ColumnTrait, Condition};
use uuid::Uuid;

use super::super::docs::{
    AddressDoc, CategoryDoc, ClientDoc, ContactDoc, NoteDoc, OrderDoc, PaymentDoc, ProductDoc,
    SyncIssueDoc, TierDoc, TierSchemeDoc, UserDoc,
};
use super::super::scalars::SafeInt;
use super::whole::{SyncManifestRow, SyncScopeEvent, SyncStrategy, SyncTombstone, manifest_of};
use super::{PullPage, Pulled, SyncCheckpoint, SyncCheckpointInput, keep, note, pull, taken};
use crate::db::Session;
use crate::domain::pulls::{Line, Page, Shelf};
use crate::error::Result;
use crate::graphql::direct::{Direct, Ready};
use crate::graphql::pace::Listed;
use crate::graphql::scalars::DateTime;
use crate::sync::plan::{Emission, TombstoneReason};

/// Makes all of it. An entry is: what the field says, the kind, its list and its field, the name of a page, its
/// document, its id, its table, and which of its rows phones hold of those that their user sees.
macro_rules! collections {
    ($(
        $(#[$about:meta])*
        $kind:ident: $list:ident, $pull:ident, $page:literal, $doc:ident, $id:ident, $table:ident, $held:expr;
    )+) => {
        /// Documents of all kinds, as they were read for one page.
        #[derive(Default)]
        pub struct Shelves {
            $($list: BTreeMap<Uuid, $doc>,)+
        }

        impl Shelf for Shelves {
            fn fetch<'a>(
                &'a mut self,
                session: &'a Session,
                collection: SyncCollection,
                rows: &'a [Uuid],
                weighs: bool,
            ) -> BoxFuture<'a, Result<HashMap<Uuid, usize>>> {
                Box::pin(async move {
                    match collection {
                        $(SyncCollection::$kind => keep(&mut self.$list, session, rows, weighs).await,)+
                    }
                })
            }
        }

        $(
            impl Ready for $doc {
                fn is_ready(&self, _: &async_graphql::parser::types::Field) -> bool {
                    true
                }
            }

            impl Pulled for $doc {
                const PAGE: &'static str = $page;
                type Table = $table::Entity;

                fn held(session: &Session) -> Condition {
                    let held: fn(&Session) -> Condition = $held;
                    held(session)
                }

                fn of(shelves: &mut Shelves) -> &mut BTreeMap<Uuid, Self> {
                    &mut shelves.$list
                }
            }
        )+

        /// The id of a document, as the wire has it.
        pub fn wire_id(collection: SyncCollection, row: Uuid) -> ID {
            match collection {
                $(SyncCollection::$kind => ID($id::from_uuid(row).to_string()),)+
            }
        }

        /// What a phone should hold of a kind, from an id on.
        pub(super) async fn manifest(
            session: &Session,
            collection: SyncCollection,
            after: Option<Uuid>,
            limit: u64,
        ) -> Result<Vec<SyncManifestRow>> {
            match collection {
                $(SyncCollection::$kind => manifest_of::<$doc>(session, after, limit).await,)+
            }
        }

        /// Pulling one collection at a time.
        #[derive(Default)]
        pub struct PullQuery;

        #[Object]
        impl PullQuery {
            $(
                $(#[$about])*
                async fn $pull(
                    &self,
                    ctx: &Context<'_>,
                    #[graphql(desc = "What the page before came with; absent when the phone holds nothing.")]
                    checkpoint: Option<SyncCheckpointInput>,
                    #[graphql(desc = "How many documents the page has, 1 to 5,000; more is an error.")]
                    limit: i32,
                    #[graphql(desc = "The phone; the one of your session when absent.")]
                    device_id: Option<DeviceId>,
                ) -> Result<PullPage<$doc>> {
                    pull::<$doc>(ctx, checkpoint, limit, device_id).await
                }
            )+
        }

        /// A page of all collections that were asked for.
        #[derive(SimpleObject)]
        pub struct SyncPage {
            /// Whether to remove, at the end of this pull, what none of its pages named.
            strategy: SyncStrategy,
            /// Clients that came and went, before their documents do.
            scopes: Listed<SyncScopeEvent>,
            /// Documents that are gone, or no longer yours to see.
            tombstones: Listed<SyncTombstone>,
            $(
                $(#[$about])*
                $list: Listed<Direct<$doc>>,
            )+
            /// What to send with the next pull.
            checkpoint: SyncCheckpoint,
            /// Whether there is more now.
            has_more: bool,
            /// Up to where the pull leads; equal on all its pages. Above 0.
            watermark: SafeInt,
            /// Whether you see more clients than a phone holds. Then none of them are sent, nor what hangs on them: read these online.
            is_capped: bool,
            /// What time it is here.
            server_time: DateTime,
        }

        impl SyncPage {
            /// The page with what was read for it.
            pub(super) fn new(
                ctx: &Context<'_>,
                page: Page,
                mut shelves: Shelves,
                server_time: DateTime,
            ) -> Result<Self> {
                let Page {
                    replaces,
                    lines,
                    events,
                    token,
                    has_more,
                    watermark,
                    is_capped,
                } = page;
                let tombstones = lines.iter().filter_map(|line| match line.emission {
                    Emission::Document => None,
                    Emission::Tombstone(reason) => Some(tombstone(line, reason)),
                });
                let tombstones = tombstones.collect();
                $(
                    let $list = lines
                        .iter()
                        .filter(|line| {
                            line.collection == SyncCollection::$kind
                                && line.emission == Emission::Document
                        })
                        .map(|line| taken::<$doc>(&mut shelves, line.row).map(Direct))
                        .collect::<Result<Vec<_>>>()?;
                    if !$list.is_empty() {
                        note::<$doc>(ctx);
                    }
                )+
                Ok(Self {
                    strategy: if replaces {
                        SyncStrategy::Replace
                    } else {
                        SyncStrategy::Incremental
                    },
                    scopes: events
                        .into_iter()
                        .map(|(scope, kind)| SyncScopeEvent::new(scope.id(), kind))
                        .collect(),
                    tombstones,
                    $($list: Listed($list),)+
                    checkpoint: SyncCheckpoint { token },
                    has_more,
                    watermark: SafeInt::place(watermark),
                    is_capped,
                    server_time,
                })
            }
        }

        #[cfg(test)]
        fn kinds() -> std::collections::BTreeSet<SyncCollection> {
            std::collections::BTreeSet::from([
                $(<$doc as super::super::docs::Doc>::COLLECTION),+
            ])
        }
    };
}

fn tombstone(line: &Line, reason: TombstoneReason) -> SyncTombstone {
    SyncTombstone::new(line.collection, wire_id(line.collection, line.row), reason)
}

fn all(_: &Session) -> Condition {
    Condition::all()
}

collections! {
    /// Clients that you see, also those that were put away.
    Clients: clients, pull_clients, "ClientPull", ClientDoc, ClientId, client, all;
    /// The people at clients.
    Contacts: contacts, pull_contacts, "ContactPull", ContactDoc, ContactId, contact,
        |_| Condition::all().add(contact::Column::ArchivedAt.is_null());
    /// Addresses of clients.
    Addresses: addresses, pull_addresses, "AddressPull", AddressDoc, AddressId, address,
        |_| Condition::all().add(address::Column::ArchivedAt.is_null());
    /// Notes on clients.
    Notes: notes, pull_notes, "NotePull", NoteDoc, NoteId, note,
        |_| Condition::all().add(note::Column::ArchivedAt.is_null());
    /// Orders of clients, each with its lines as one document.
    Orders: orders, pull_orders, "OrderPull", OrderDoc, OrderId, order, all;
    /// Payments on orders.
    Payments: payments, pull_payments, "PaymentPull", PaymentDoc, PaymentId, payment, all;
    /// You yourself: one document.
    Users: users, pull_users, "UserPull", UserDoc, UserId, user,
        |session| Condition::all().add(user::Column::Id.eq(session.viewer().user_id()));
    /// What your phones sent and the service refused.
    SyncIssues: sync_issues, pull_sync_issues, "SyncIssuePull", SyncIssueDoc, SyncIssueId, sync_issue,
        |session| {
            Condition::all()
                .add(sync_issue::Column::UserId.eq(session.viewer().user_id()))
                .add(sync_issue::Column::ArchivedAt.is_null())
        };
    /// Products.
    Products: products, pull_products, "ProductPull", ProductDoc, ProductId, product,
        |_| Condition::all().add(product::Column::ArchivedAt.is_null());
    /// Categories of products.
    Categories: categories, pull_categories, "CategoryPull", CategoryDoc, CategoryId, product_category,
        |_| Condition::all().add(product_category::Column::ArchivedAt.is_null());
    /// Ways to grade clients.
    TierSchemes: tier_schemes, pull_tier_schemes, "TierSchemePull", TierSchemeDoc, TierSchemeId, tier_scheme,
        |_| Condition::all().add(tier_scheme::Column::ArchivedAt.is_null());
    /// Tiers of these.
    Tiers: tiers, pull_tiers, "TierPull", TierDoc, TierId, tier,
        |_| Condition::all().add(tier::Column::ArchivedAt.is_null());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_document_can_be_fetched() {
        assert_eq!(kinds(), super::super::all_kinds());
    }
}
