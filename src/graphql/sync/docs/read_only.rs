//! Documents that phones read and never write: one table for each kind.

use std::collections::BTreeMap;

use async_graphql::{InputObject, SimpleObject};
use entity::{
    CategoryId, Locale, ProductId, SyncCollection, TierId, TierSchemeId, UserId, UserRole, product,
    product_category, tier, tier_scheme, user,
};
use sea_orm::{ColumnTrait, Condition};
use uuid::Uuid;

use super::{Doc, MoneyDoc, told_by_fields};
use crate::db::Session;
use crate::error::Result;
use crate::graphql::scalars::{Date, DateTime, int};

/// Declares a kind: its fields beside `id`, `version` and `deleted`, each with what it says of a row; then which rows
/// phones hold, of those that their user sees, and when one is gone.
macro_rules! read_only {
    (
        $(#[$about:meta])*
        $doc:ident = $collection:ident, $table:ident, $id:ident;
        $($(#[$field_about:meta])* $field:ident: $kind:ty = $value:expr;)+
        => within $within:expr; gone $gone:expr;
    ) => {
        #[derive(Clone, Debug, SimpleObject, InputObject)]
        $(#[$about])*
        pub struct $doc {
            /// The id.
            id: $id,
            $($(#[$field_about])* $field: Option<$kind>,)+
            /// The number of writes; 0 where it is gone.
            version: i32,
            /// Whether it is gone.
            deleted: bool,
        }

        impl Doc for $doc {
            const COLLECTION: SyncCollection = SyncCollection::$collection;

            async fn load(session: &Session, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Self>> {
                let within: fn(&Session) -> Condition = $within;
                let rows = session
                    .select::<$table::Entity>()
                    .filter(within(session))
                    .filter($table::Column::Id.is_in(ids.iter().copied()))
                    .all()
                    .await?;
                rows.iter()
                    .map(|row| {
                        let gone: fn(&$table::Model) -> bool = $gone;
                        let doc = Self {
                            id: row.id,
                            $($field: {
                                let value: fn(&$table::Model) -> Result<Option<$kind>> = $value;
                                value(row)?
                            },)+
                            version: int(row.version)?,
                            deleted: gone(row),
                        };
                        Ok((row.id.0, doc))
                    })
                    .collect()
            }

            fn tombstone(id: Uuid) -> Self {
                Self {
                    id: $id(id),
                    $($field: None,)+
                    version: 0,
                    deleted: true,
                }
            }

            told_by_fields!();
        }
    };
}

read_only! {
    /// You, as a phone holds you. When it is gone, only `id`, `version` and `deleted` say something.
    #[graphql(input_name = "UserDocInput")]
    UserDoc = Users, user, UserId;
    /// The id in another system.
    external_id: String = |row| Ok(row.external_id.clone());
    /// The name.
    name: String = |row| Ok(Some(row.name.clone()));
    /// The e-mail address you sign in with.
    email: String = |row| Ok(Some(row.email.clone()));
    /// The job title.
    title: String = |row| Ok(row.title.clone());
    /// What you may do.
    role: UserRole = |row| Ok(Some(row.role));
    /// Whom you report to; null at the top.
    manager_id: UserId = |row| Ok(row.manager_id);
    /// Whether you, as a manager, see clients that nobody owns.
    is_pool_keeper: bool = |row| Ok(Some(row.is_pool_keeper));
    /// The time zone by its IANA name. Your days begin and end there.
    time_zone: String = |row| Ok(Some(row.time_zone.clone()));
    /// The language of your messages.
    locale: Locale = |row| Ok(Some(row.locale));
    /// The day you were hired.
    hired_on: Date = |row| Ok(row.hired_on.map(Date));
    /// When you were recorded.
    created_at: DateTime = |row| Ok(Some(DateTime(row.created_at)));
    /// When that was last changed.
    updated_at: DateTime = |row| Ok(Some(DateTime(row.updated_at)));
    // The directory of colleagues is read online.
    => within |session| {
        Condition::all().add(user::Column::Id.eq(session.viewer().user_id()))
    };
    gone |_| false;
}

read_only! {
    /// A product as a phone holds it. What is in stock is asked online. When it is gone, only `id`, `version` and `deleted` say something.
    #[graphql(input_name = "ProductDocInput")]
    ProductDoc = Products, product, ProductId;
    /// The id in another system.
    external_id: String = |row| Ok(row.external_id.clone());
    /// The article number.
    sku: String = |row| Ok(Some(row.sku.clone()));
    /// The name.
    name: String = |row| Ok(Some(row.name.clone()));
    /// The category it lies in.
    category_id: CategoryId = |row| Ok(row.category_id);
    /// What one of it is, such as `box` or `kg`.
    unit: String = |row| Ok(Some(row.unit.clone()));
    /// The price of one unit before any discount.
    list_price: MoneyDoc = |row| MoneyDoc::new(row.list_price_minor, &row.currency).map(Some);
    /// Whether it is for sale.
    is_active: bool = |row| Ok(Some(row.is_active));
    /// Whether more of it can be ordered than is free in stock.
    may_back_order: bool = |row| Ok(Some(row.may_back_order));
    /// When it was recorded.
    created_at: DateTime = |row| Ok(Some(DateTime(row.created_at)));
    /// When it was last changed.
    updated_at: DateTime = |row| Ok(Some(DateTime(row.updated_at)));
    => within |_| Condition::all();
    gone |row| row.archived_at.is_some();
}

read_only! {
    /// A category of products as a phone holds it. When it is gone, only `id`, `version` and `deleted` say something.
    #[graphql(input_name = "CategoryDocInput")]
    CategoryDoc = Categories, product_category, CategoryId;
    /// The id in another system.
    external_id: String = |row| Ok(row.external_id.clone());
    /// The name.
    name: String = |row| Ok(Some(row.name.clone()));
    /// The category it lies in; null at the top.
    parent_id: CategoryId = |row| Ok(row.parent_id);
    /// When it was recorded.
    created_at: DateTime = |row| Ok(Some(DateTime(row.created_at)));
    /// When it was last changed.
    updated_at: DateTime = |row| Ok(Some(DateTime(row.updated_at)));
    => within |_| Condition::all();
    gone |row| row.archived_at.is_some();
}

read_only! {
    /// A way to grade clients, as a phone holds it. When it is gone, only `id`, `version` and `deleted` say something.
    #[graphql(input_name = "TierSchemeDocInput")]
    TierSchemeDoc = TierSchemes, tier_scheme, TierSchemeId;
    /// The id in another system.
    external_id: String = |row| Ok(row.external_id.clone());
    /// The name.
    name: String = |row| Ok(Some(row.name.clone()));
    /// What it is for.
    description: String = |row| Ok(row.description.clone());
    /// Whether it is the scheme that clients show and lists filter by.
    is_default: bool = |row| Ok(Some(row.is_default));
    /// When it was recorded.
    created_at: DateTime = |row| Ok(Some(DateTime(row.created_at)));
    /// When it was last changed.
    updated_at: DateTime = |row| Ok(Some(DateTime(row.updated_at)));
    => within |_| Condition::all();
    gone |row| row.archived_at.is_some();
}

read_only! {
    /// A tier of a scheme, as a phone holds it. When it is gone, only `id`, `version` and `deleted` say something.
    #[graphql(input_name = "TierDocInput")]
    TierDoc = Tiers, tier, TierId;
    /// The scheme it is a grade of.
    scheme_id: TierSchemeId = |row| Ok(Some(row.scheme_id));
    /// The short name, unique in its scheme, such as `A`.
    code: String = |row| Ok(Some(row.code.clone()));
    /// The name in full.
    name: String = |row| Ok(Some(row.name.clone()));
    /// The place in the scheme, 1 (highest) to 100.
    rank: i32 = |row| Ok(Some(row.rank));
    /// The discount its clients get, in basis points.
    discount_bp: i32 = |row| Ok(row.discount_bp);
    /// Days from an order to its due day.
    payment_term_days: i32 = |row| Ok(row.payment_term_days);
    /// Days within which its clients should be visited again.
    visit_cadence_days: i32 = |row| Ok(row.visit_cadence_days);
    /// Hours within which its clients are answered.
    response_hours: i32 = |row| Ok(row.response_hours);
    /// When it was recorded.
    created_at: DateTime = |row| Ok(Some(DateTime(row.created_at)));
    /// When it was last changed.
    updated_at: DateTime = |row| Ok(Some(DateTime(row.updated_at)));
    => within |_| Condition::all();
    gone |row| row.archived_at.is_some();
}
