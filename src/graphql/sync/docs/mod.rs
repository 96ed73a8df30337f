//! Documents as phones hold them, one file per kind: what pulls send, and what answers to pushes show. Each is both an
//! output and an input, since RxDB sends back what it was sent.

mod addresses;
mod clients;
mod contacts;
mod issues;
mod notes;
mod orders;
mod payments;
mod read_only;

use std::collections::BTreeMap;
use std::future::Future;

use async_graphql::{InputObject, InputType, OutputType, SimpleObject, Union};
use entity::SyncCollection;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

pub use addresses::AddressDoc;
pub use clients::ClientDoc;
pub use contacts::ContactDoc;
pub use issues::SyncIssueDoc;
pub use notes::NoteDoc;
pub use orders::OrderDoc;
pub use payments::PaymentDoc;
pub use read_only::{CategoryDoc, ProductDoc, TierDoc, TierSchemeDoc, UserDoc};

use crate::db::{Confidential, Session};
use crate::domain::money::{CurrencyCode, format_minor};
use crate::error::{Error, Result};
use crate::graphql::scalars::{Currency, Decimal};

/// A kind of document. Every field of it but `id`, `version` and `deleted` may be null.
pub trait Doc: OutputType + InputType + Clone + Send + Sync + 'static {
    /// Which kind.
    const COLLECTION: SyncCollection;
    /// The groups of confidential facts that it may show.
    const SHOWS: &'static [Confidential] = &[];

    /// Those of these rows that the viewer sees, without what they may not see of them. One that was put away is
    /// there, and `deleted`.
    ///
    /// # Errors
    /// From the database.
    fn load(
        session: &Session,
        ids: &[Uuid],
    ) -> impl Future<Output = Result<BTreeMap<Uuid, Self>>> + Send;

    /// That a row is gone: nothing but its id.
    fn tombstone(id: Uuid) -> Self;

    /// Its version.
    fn version(&self) -> i32;

    /// Whether it is gone.
    fn is_deleted(&self) -> bool;
}

/// The last two of [`Doc`], for a type with the fields `version` and `deleted`.
macro_rules! told_by_fields {
    () => {
        fn version(&self) -> i32 {
            self.version
        }

        fn is_deleted(&self) -> bool {
            self.deleted
        }
    };
}
use told_by_fields;

/// Makes the union of the kinds that phones write.
macro_rules! written {
    ($($kind:ident: $doc:ident;)+) => {
        /// A document of any kind that phones write.
        #[derive(Clone, Debug, Union)]
        pub enum SyncDoc {
            $(
                #[doc = concat!("One of ", stringify!($kind), ".")]
                $kind($doc),
            )+
        }

        impl SyncDoc {
            /// These rows of one kind, as [`Doc::load`] gives them; none of a kind that phones do not write.
            ///
            /// # Errors
            /// From the database.
            pub async fn load(
                session: &Session,
                collection: SyncCollection,
                ids: &[Uuid],
            ) -> Result<BTreeMap<Uuid, Self>> {
                match collection {
                    $(
                        SyncCollection::$kind => {
                            let docs = $doc::load(session, ids).await?;
                            Ok(docs.into_iter().map(|(id, doc)| (id, Self::$kind(doc))).collect())
                        }
                    )+
                    _ => Ok(BTreeMap::new()),
                }
            }

            /// All that it says, by names; nothing when it is gone.
            pub fn said(&self) -> Option<Map<String, Json>> {
                let (is_gone, value) = match self {
                    $(Self::$kind(doc) => (doc.is_deleted(), doc.to_value()),)+
                };
                match value.into_json() {
                    Ok(Json::Object(said)) if !is_gone => Some(said),
                    _ => None,
                }
            }

            /// The groups of confidential facts that it may show.
            pub const fn shows(&self) -> &'static [Confidential] {
                match self {
                    $(Self::$kind(_) => <$doc as Doc>::SHOWS,)+
                }
            }
        }
    };
}

written! {
    Clients: ClientDoc;
    Contacts: ContactDoc;
    Addresses: AddressDoc;
    Notes: NoteDoc;
    Orders: OrderDoc;
    Payments: PaymentDoc;
}

/// An amount of money in a document.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "MoneyDocInput")]
pub struct MoneyDoc {
    /// The amount in the currency's main unit, exact, such as `"1234.50"`.
    amount: Decimal,
    /// The currency of the amount.
    currency: Currency,
}

impl MoneyDoc {
    fn new(minor: i64, currency: &str) -> Result<Self> {
        let currency = CurrencyCode::parse(currency)
            .map_err(|_| Error::bug(format!("a row holds the currency {currency:?}")))?;
        Ok(Self {
            amount: Decimal(format_minor(minor, currency)),
            currency: Currency(currency),
        })
    }
}
