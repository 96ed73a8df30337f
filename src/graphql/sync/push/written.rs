//! What a kind of document that phones write says of itself: its fields, and which of the ordinary mutations make and
//! change it. A new kind is a file with one [`Written`], and a line in [`CONCEPTS`](super::CONCEPTS).

use std::borrow::Cow;
use std::future::Future;
use std::marker::PhantomData;

use async_graphql::registry::Registry;
use async_graphql::{InputType, InputValueError, InputValueResult, Name, Value};
use entity::{ClientId, EntityId, SyncCollection};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::db::{ParentKey, Tx};
use crate::domain::pushes::{Concept, Present, names, of_json, to_json};
use crate::error::{Error, Result};
use crate::graphql::sync::docs::Doc;
use crate::say;
use crate::sync::merge::{Field, Fields, Policy, Value as Kept};

/// The JSON of a document.
pub(super) type Object = Map<String, Json>;

/// A kind of document that phones write.
pub(super) trait Written: Send + Sync + 'static {
    /// Which kind.
    const COLLECTION: SyncCollection;
    /// The fields that a phone may change.
    const FIELDS: &'static [Field];
    /// The fields that a phone says of a new row, and never changes.
    const FIXED: &'static [&'static str];
    /// The fields without which there is no new row.
    const REQUIRED: &'static [&'static str];
    /// Its ids.
    type Id: EntityId;
    /// What phones hold of it.
    type Doc: Doc;

    /// What a new row goes under: a client, unless said otherwise.
    fn parent(fields: &Fields) -> Option<ParentKey> {
        id_in::<ClientId>(fields, "clientId").map(ParentKey::Client)
    }

    /// Brings fields in the form in which they are compared.
    fn tidy(_fields: &mut Fields) {}

    /// Makes it of these fields; answers its version.
    fn create(tx: &Tx, id: Self::Id, fields: Object) -> impl Future<Output = Result<i64>> + Send;

    /// Changes these fields; answers its new version.
    fn change(
        tx: &Tx,
        id: Self::Id,
        version: i64,
        fields: Object,
    ) -> impl Future<Output = Result<i64>> + Send;

    /// Puts it away; answers its new version.
    fn delete(tx: &Tx, id: Self::Id, version: i64) -> impl Future<Output = Result<i64>> + Send;
}

/// A field where the service's value stays when both sides changed it.
pub(super) const fn field(name: &'static str) -> Field {
    Field {
        name,
        policy: Policy::ServerWins,
    }
}

/// A field that stands or falls with the others of its kind.
pub(super) const fn whole(name: &'static str) -> Field {
    Field {
        name,
        policy: Policy::Whole,
    }
}

/// The id that a field holds.
pub(super) fn id_in<I: EntityId>(fields: &Fields, name: &str) -> Option<I> {
    match fields.get(name) {
        Some(Kept::Text(text)) => text.parse().ok(),
        _ => None,
    }
}

/// Reads the input of an ordinary mutation from what a phone said.
///
/// # Errors
/// `INTERNAL` when it does not have the shape of one: what phones say is checked before it gets here.
pub(super) fn read<T: InputType>(fields: Object) -> Result<T> {
    let value = Value::from_json(Json::Object(fields)).map_err(Error::internal)?;
    T::parse(Some(value)).map_err(|error| {
        let error = error.into_server_error(async_graphql::Pos::default());
        Error::bug(format!("a pushed document: {}", error.message))
    })
}

/// Names a row in the version that is there, as inputs do.
pub(super) fn named(mut fields: Object, id: impl EntityId, version: Option<i64>) -> Object {
    fields.insert("id".to_owned(), Json::from(id.to_string()));
    if let Some(version) = version {
        fields.insert("version".to_owned(), Json::from(version));
    }
    fields
}

/// A document of a kind that is put away by nobody.
///
/// # Errors
/// Always: `RULE_VIOLATED` `sync.stays`.
pub(super) fn stays() -> Result<i64> {
    Err(Error::rule(
        "sync.stays",
        say!("phones do not delete documents of this kind"),
    ))
}

/// A [`Written`] as the domain takes it.
pub(super) struct Door<W>(PhantomData<W>);

impl<W> Door<W> {
    /// It.
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<W: Written> Concept for Door<W> {
    fn collection(&self) -> SyncCollection {
        W::COLLECTION
    }

    fn fields(&self) -> &'static [Field] {
        W::FIELDS
    }

    fn fixed(&self) -> &'static [&'static str] {
        W::FIXED
    }

    fn prefix(&self) -> &'static str {
        W::Id::PREFIX
    }

    fn tidy(&self, fields: &mut Fields) {
        W::tidy(fields);
    }

    fn parent(&self, fields: &Fields) -> Option<ParentKey> {
        W::parent(fields)
    }

    fn find<'a>(&'a self, tx: &'a Tx, id: Uuid) -> BoxFuture<'a, Result<Option<Present>>> {
        Box::pin(async move {
            let Some(doc) = W::Doc::load(tx, &[id]).await?.remove(&id) else {
                return Ok(None);
            };
            let Ok(Json::Object(json)) = doc.to_value().into_json() else {
                return Err(Error::bug("a document that is no object"));
            };
            let mut fields = of_json(&json, names(self));
            W::tidy(&mut fields);
            Ok(Some(Present {
                version: i64::from(doc.version()),
                is_live: !doc.is_deleted(),
                fields,
            }))
        })
    }

    fn create<'a>(
        &'a self,
        tx: &'a Tx,
        id: Uuid,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<i64>> {
        Box::pin(async move {
            if let Some(missing) = W::REQUIRED.iter().find(|name| !fields.contains_key(*name)) {
                return Err(Error::bad_input(
                    *missing,
                    say!("`{field}` is missing", field = *missing),
                ));
            }
            W::create(tx, W::Id::from_uuid(id), to_json(fields)).await
        })
    }

    fn change<'a>(
        &'a self,
        tx: &'a Tx,
        id: Uuid,
        version: i64,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<i64>> {
        Box::pin(W::change(
            tx,
            W::Id::from_uuid(id),
            version,
            to_json(fields),
        ))
    }

    fn delete<'a>(&'a self, tx: &'a Tx, id: Uuid, version: i64) -> BoxFuture<'a, Result<i64>> {
        Box::pin(W::delete(tx, W::Id::from_uuid(id), version))
    }
}

/// An input of the shape of `T`, kept as it was said: what is absent, and what is null.
pub(super) struct Said<T> {
    object: Object,
    kind: PhantomData<fn() -> T>,
}

impl<T> Said<T> {
    /// What was said.
    pub(super) fn object(&self) -> &Object {
        &self.object
    }
}

impl<T> Clone for Said<T> {
    fn clone(&self) -> Self {
        Self {
            object: self.object.clone(),
            kind: PhantomData,
        }
    }
}

impl<T: InputType> InputType for Said<T> {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        let said: Vec<Name> = match &value {
            Some(Value::Object(fields)) => fields.keys().cloned().collect(),
            _ => Vec::new(),
        };
        let read = T::parse(value).map_err(InputValueError::propagate)?;
        let Ok(Json::Object(mut object)) = read.to_value().into_json() else {
            return Err(InputValueError::custom("expected an object"));
        };
        object.retain(|name, _| said.iter().any(|said| said.as_str() == name));
        Ok(Self {
            object,
            kind: PhantomData,
        })
    }

    fn to_value(&self) -> Value {
        Value::from_json(Json::Object(self.object.clone())).unwrap_or_default()
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}
