//! Ids. Each kind of row has its own id type, so that a client's id never passes for an order's.
//!
//! An id is a UUID, version 7 by convention. On the wire it is `<prefix>_<uuid>`, as in
//! `client_0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e01`: any phone can make one, and a wrong kind is a clear error.
//! In the database it is the UUID alone (`uuid` on PostgreSQL, 16 bytes on SQLite). In GraphQL every
//! kind is the built-in scalar `ID`.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::future::{Future, ready};
use std::hash::Hash;
use std::marker::PhantomData;
use std::str::FromStr;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{
    ContextSelectionSet, ID, InputType, InputValueError, InputValueResult, OutputType, Positioned,
    ServerResult, Value,
};
use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

/// The length of a UUID as text: 32 hexadecimal digits and 4 hyphens.
const UUID_TEXT_LEN: usize = uuid::fmt::Hyphenated::LENGTH;

/// What every id type has: a prefix that names its kind on the wire, and a UUID.
pub trait EntityId:
    Copy
    + Eq
    + Ord
    + Hash
    + fmt::Debug
    + fmt::Display
    + FromStr<Err = IdError>
    + Into<sea_orm::Value>
    + Send
    + Sync
    + 'static
{
    /// What stands before the underscore on the wire, as in `client`.
    const PREFIX: &'static str;

    /// The bare UUID, as the database keeps it.
    fn uuid(self) -> Uuid;

    /// The id of this kind with that UUID.
    fn from_uuid(uuid: Uuid) -> Self;
}

/// A text that is not an id of the kind that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdError {
    /// The prefix of the kind that was asked for.
    pub prefix: &'static str,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.prefix;
        let article = if prefix.starts_with(['a', 'o']) {
            "an"
        } else {
            "a"
        };
        let kind = prefix.replace('_', " ");
        write!(
            f,
            "not {article} {kind} id: expected \"{prefix}_\" and a UUID"
        )
    }
}

impl std::error::Error for IdError {}

thread_local! {
    /// Whether an id names its own type, where GraphQL knows it as `ID`.
    static TELLS_KIND: Cell<bool> = const { Cell::new(false) };
}

/// Runs `build`, in which the type of an id is called by its own name, such as `ClientId`, and not `ID`. A schema
/// that is built so says of what kind the id is that a place takes; the public one does not.
pub fn with_kinds<T>(build: impl FnOnce() -> T) -> T {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            TELLS_KIND.set(false);
        }
    }
    let _reset = Reset;
    TELLS_KIND.set(true);
    build()
}

/// Splits an id of any kind into its prefix and its UUID. `None` where the text has not the form of an id;
/// whether the prefix names a kind is for the caller to say.
pub fn split(text: &str) -> Option<(&str, Uuid)> {
    let (prefix, tail) = text.rsplit_once('_')?;
    Some((prefix, parse_uuid(tail)?))
}

/// Reads the one text form we write (either case, since iOS writes capitals), so that no id has a second
/// spelling with braces or without hyphens.
fn parse_uuid(text: &str) -> Option<Uuid> {
    if text.len() == UUID_TEXT_LEN {
        Uuid::try_parse(text).ok()
    } else {
        None
    }
}

fn parse<I: EntityId>(text: &str) -> Result<I, IdError> {
    text.strip_prefix(I::PREFIX)
        .and_then(|rest| rest.strip_prefix('_'))
        .and_then(parse_uuid)
        .map(I::from_uuid)
        .ok_or(IdError { prefix: I::PREFIX })
}

fn to_text<I: EntityId>(id: I) -> String {
    let mut text = String::with_capacity(I::PREFIX.len() + 1 + UUID_TEXT_LEN);
    text.push_str(I::PREFIX);
    text.push('_');
    text.push_str(
        id.uuid()
            .hyphenated()
            .encode_lower(&mut Uuid::encode_buffer()),
    );
    text
}

/// Reads an id from borrowed or owned text without a copy.
struct IdVisitor<I>(PhantomData<I>);

impl<I: EntityId> de::Visitor<'_> for IdVisitor<I> {
    type Value = I;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}_\" and a UUID", I::PREFIX)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<I, E> {
        parse(text).map_err(E::custom)
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])+ $name:ident = $prefix:literal;)+) => {
    $(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, DeriveValueType)]
        pub struct $name(pub Uuid);

        impl EntityId for $name {
            const PREFIX: &'static str = $prefix;

            fn uuid(self) -> Uuid {
                self.0
            }

            fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        crate::row::cells! { $name: Self(Uuid::nil()); }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str("_")?;
                f.write_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(IdVisitor(PhantomData))
            }
        }

        // A primary key must say how it is made from a number that the database counted. Ours never is.
        impl TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        impl InputType for $name {
            type RawValueType = Self;

            fn type_name() -> Cow<'static, str> {
                if TELLS_KIND.get() {
                    return Cow::Borrowed(stringify!($name));
                }
                <ID as InputType>::type_name()
            }

            fn create_type_info(registry: &mut Registry) -> String {
                <ID as InputType>::create_type_info(registry);
                <Self as InputType>::qualified_type_name()
            }

            fn parse(value: Option<Value>) -> InputValueResult<Self> {
                match value {
                    Some(Value::String(text)) => parse(&text).map_err(InputValueError::custom),
                    _ => Err(InputValueError::custom(IdError { prefix: $prefix })),
                }
            }

            fn to_value(&self) -> Value {
                Value::String(to_text(*self))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
        }

        impl OutputType for $name {
            fn type_name() -> Cow<'static, str> {
                <ID as OutputType>::type_name()
            }

            fn create_type_info(registry: &mut Registry) -> String {
                <ID as OutputType>::create_type_info(registry)
            }

            fn resolve(
                &self,
                _: &ContextSelectionSet<'_>,
                _: &Positioned<Field>,
            ) -> impl Future<Output = ServerResult<Value>> + Send {
                ready(Ok(Value::String(to_text(*self))))
            }
        }
    )+

        /// Every kind of id: the name of its type, and its prefix.
        pub const KINDS: &[(&str, &str)] = &[$((stringify!($name), $prefix),)+];
    };
}

ids! {
    /// The id of a user: a person who signs in.
    UserId = "user";
    /// The id of a session: one sign-in on one device.
    SessionId = "session";
    /// The id of a client: a person or organization that buys.
    ClientId = "client";
    /// The id of a user's place on a client's team.
    ClientMemberId = "client_member";
    /// The id of a client's address.
    AddressId = "address";
    /// The id of a note on a client.
    NoteId = "note";
    /// The id of a contact: a person at a client.
    ContactId = "contact";
    /// The id of a product category.
    CategoryId = "category";
    /// The id of a product.
    ProductId = "product";
    /// The id of an entry in the stock ledger.
    StockMovementId = "stock_movement";
    /// The id of an order.
    OrderId = "order";
    /// The id of one line of an order.
    OrderLineId = "order_line";
    /// The id of an entry in an order's history.
    OrderEventId = "order_event";
    /// The id of a return of goods from an order.
    OrderReturnId = "order_return";
    /// The id of one line of a return.
    OrderReturnLineId = "order_return_line";
    /// The id of a payment.
    PaymentId = "payment";
    /// The id of a tier scheme.
    TierSchemeId = "tier_scheme";
    /// The id of a tier.
    TierId = "tier";
    /// The id of the assignment of a tier to a client.
    TierAssignmentId = "tier_assignment";
    /// The id of a hand-over of clients between users.
    HandoverId = "handover";
    /// The id of a service account: a program that uses the API.
    ServiceAccountId = "service_account";
    /// The id of a key of a service account.
    ServiceKeyId = "service_key";
    /// The id of who a user is to an identity provider.
    UserIdentityId = "user_identity";
    /// The id of a device that holds documents of one user.
    DeviceId = "device";
    /// The id of something a device sent that was refused.
    SyncIssueId = "sync_issue";
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
    use sea_orm::sea_query::ValueType;

    use super::*;

    const UUID: &str = "0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e01";

    fn client_id() -> ClientId {
        ClientId(Uuid::try_parse(UUID).unwrap())
    }

    #[test]
    fn the_wire_form_round_trips() {
        let text = format!("client_{UUID}");
        assert_eq!(client_id().to_string(), text);
        assert_eq!(text.parse(), Ok(client_id()));
        assert_eq!(
            text.to_uppercase()
                .replace("CLIENT", "client")
                .parse::<ClientId>(),
            Ok(client_id())
        );
        assert_eq!(
            InputType::parse(Some(Value::String(text.clone()))).ok(),
            Some(client_id())
        );
        assert_eq!(
            InputType::to_value(&client_id()),
            Value::String(text.clone())
        );
        assert_eq!(split(&text), Some(("client", client_id().uuid())));
    }

    #[test]
    fn serde_uses_the_wire_form() {
        let json = serde_json::to_string(&client_id()).unwrap();
        assert_eq!(json, format!("\"client_{UUID}\""));
        assert_eq!(
            serde_json::from_str::<ClientId>(&json).unwrap(),
            client_id()
        );
        assert!(serde_json::from_str::<OrderId>(&json).is_err());
    }

    #[test]
    fn a_wrong_prefix_is_refused() {
        let message = |error: IdError| error.to_string();
        assert_eq!(
            format!("order_{UUID}")
                .parse::<ClientId>()
                .map_err(message)
                .unwrap_err(),
            "not a client id: expected \"client_\" and a UUID"
        );
        assert_eq!(
            format!("order_{UUID}")
                .parse::<OrderLineId>()
                .map_err(message)
                .unwrap_err(),
            "not an order line id: expected \"order_line_\" and a UUID"
        );
        // One kind's prefix begins another's.
        assert!(format!("order_line_{UUID}").parse::<OrderId>().is_err());
        assert!(format!("client_member_{UUID}").parse::<ClientId>().is_err());
        assert!(UUID.parse::<ClientId>().is_err());
    }

    #[test]
    fn a_bad_uuid_is_refused() {
        let bare = UUID.replace('-', "");
        for tail in [
            "",
            "1",
            &UUID[1..],
            "0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e0g",
            &bare,
            &format!("{{{UUID}}}"),
            "客户客户客户客户客户客户客户客户客户客户客户客户",
        ] {
            assert_eq!(
                format!("client_{tail}").parse::<ClientId>(),
                Err(IdError { prefix: "client" })
            );
            assert_eq!(split(&format!("client_{tail}")), None);
        }
        assert!(<ClientId as InputType>::parse(None).is_err());
        assert!(<ClientId as InputType>::parse(Some(Value::Number(7.into()))).is_err());
    }

    #[test]
    fn the_database_keeps_the_bare_uuid() {
        let value = sea_orm::Value::from(client_id());
        assert_eq!(value, sea_orm::Value::from(client_id().uuid()));
        assert_eq!(<ClientId as ValueType>::unwrap(value), client_id());
        assert!(ClientId::try_from_u64(1).is_err());
    }

    struct Query;

    #[Object]
    impl Query {
        async fn order(&self, client_id: ClientId, tier_ids: Option<Vec<TierId>>) -> OrderId {
            let _ = tier_ids;
            OrderId(client_id.uuid())
        }

        async fn plain(&self, id: ID) -> ID {
            id
        }
    }

    #[test]
    fn every_id_is_the_scalar_id() {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let sdl = schema.sdl();
        assert!(
            sdl.contains("order(clientId: ID!, tierIds: [ID!]): ID!"),
            "{sdl}"
        );
        assert!(sdl.contains("plain(id: ID!): ID!"), "{sdl}");
        assert!(!sdl.contains("scalar"), "{sdl}");
    }

    #[test]
    fn a_schema_can_tell_the_kinds_of_ids() {
        let build = || Schema::new(Query, EmptyMutation, EmptySubscription).sdl();
        let sdl = with_kinds(build);
        let told = "order(clientId: ClientId!, tierIds: [TierId!]): ID!";
        assert!(sdl.contains(told), "{sdl}");
        assert!(sdl.contains("plain(id: ID!): ID!"), "{sdl}");
        assert!(!build().contains("ClientId"));
        for (name, prefix) in KINDS {
            assert!(name.ends_with("Id") && !prefix.is_empty());
        }
    }
}
