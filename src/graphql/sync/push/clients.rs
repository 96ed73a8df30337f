//! Clients that phones write.

use async_graphql::{InputObject, MaybeUndefined};
use entity::{
    ClientId, ClientKind, ClientNature, CustomKind, Gender, Lifecycle, PartyClass, ServiceMode,
    SyncCollection,
};
use serde_json::Value as Json;

use super::written::{Object, Written, field, named, read, stays};
use crate::db::{ParentKey, Tx};
use crate::domain::clients;
use crate::error::Result;
use crate::graphql::clients::{ClientCreateInput, ClientUpdateInput};
use crate::graphql::scalars::{Currency, Date};
use crate::graphql::sync::docs::ClientDoc;
use crate::sync::merge::{Field, Fields, Policy};

/// What a phone says of a client. A field that is absent stays as it is; null clears it. A new client is its maker's.
#[derive(Clone, Debug, InputObject)]
pub struct ClientDocPatch {
    /// Whether it is a person or an organization: of a new client; it stays so.
    kind: Option<ClientKind>,
    /// The currency it is billed in: of a new client; it stays so.
    currency: Option<Currency>,
    /// The name, 1 to 200 characters. A new client has one.
    name: MaybeUndefined<String>,
    /// Where it stands in the chain from maker to user.
    party_class: MaybeUndefined<PartyClass>,
    /// How far the relationship has come.
    lifecycle: MaybeUndefined<Lifecycle>,
    /// How it buys.
    custom_kind: MaybeUndefined<CustomKind>,
    /// How it wants to be served.
    service_mode: MaybeUndefined<ServiceMode>,
    /// The organization it belongs to.
    parent_id: MaybeUndefined<ClientId>,
    /// The main phone number: digits, spaces and `+ - . ( ) /`, and an extension.
    phone: MaybeUndefined<String>,
    /// The fax number.
    fax: MaybeUndefined<String>,
    /// The e-mail address.
    email: MaybeUndefined<String>,
    /// The website, at most 300 characters.
    website: MaybeUndefined<String>,
    /// The handle on a messenger, at most 100 characters.
    messaging_handle: MaybeUndefined<String>,
    /// Stated preferences, at most 4,000 characters.
    preferences: MaybeUndefined<String>,
    /// Habits in buying, at most 4,000 characters.
    buying_habits: MaybeUndefined<String>,
    /// Since when it is a client.
    since_on: MaybeUndefined<Date>,
    /// All tags: at most 50, each 1 to 40 characters. When others were added meanwhile, those you added are added to them.
    tags: MaybeUndefined<Vec<String>>,
    /// The gender of a person.
    gender: MaybeUndefined<Gender>,
    /// The birthday of a person; not in the future.
    birthday: MaybeUndefined<Date>,
    /// Who owns an organization.
    nature: MaybeUndefined<ClientNature>,
    /// The industry an organization is in, at most 100 characters.
    industry: MaybeUndefined<String>,
    /// How many people work at an organization, 0 or more.
    employee_count: MaybeUndefined<i32>,
}

/// Clients.
pub(super) struct Clients;

/// Fields that stand in a section of a person, or of an organization.
const SECTIONS: [(&str, &[&str]); 2] = [
    ("individual", &["gender", "birthday"]),
    ("organization", &["nature", "industry", "employeeCount"]),
];

/// Fields that stand beside the profile.
const HEAD: [&str; 3] = ["kind", "currency", "name"];

/// The fields as the ordinary inputs have them: some beside the profile, the rest in it and its sections.
fn sorted(fields: Object) -> Object {
    let (mut head, mut profile) = (Object::new(), Object::new());
    for (name, value) in fields {
        let section = SECTIONS
            .iter()
            .find(|(_, names)| names.contains(&name.as_str()));
        let into = match section {
            _ if HEAD.contains(&name.as_str()) => &mut head,
            None => &mut profile,
            Some((section, _)) => {
                let part = profile
                    .entry(*section)
                    .or_insert_with(|| Json::Object(Object::new()));
                match part {
                    Json::Object(part) => part,
                    _ => continue,
                }
            }
        };
        into.insert(name, value);
    }
    head.insert("profile".to_owned(), Json::Object(profile));
    head
}

impl Written for Clients {
    const COLLECTION: SyncCollection = SyncCollection::Clients;
    const FIELDS: &'static [Field] = &[
        field("name"),
        field("partyClass"),
        field("lifecycle"),
        field("customKind"),
        field("serviceMode"),
        field("parentId"),
        field("phone"),
        field("fax"),
        field("email"),
        field("website"),
        field("messagingHandle"),
        field("preferences"),
        field("buyingHabits"),
        field("sinceOn"),
        Field {
            name: "tags",
            policy: Policy::AppendOnly,
        },
        field("gender"),
        field("birthday"),
        field("nature"),
        field("industry"),
        field("employeeCount"),
    ];
    const FIXED: &'static [&'static str] = &["kind", "currency"];
    const REQUIRED: &'static [&'static str] = &["kind", "currency", "name"];
    type Id = ClientId;
    type Doc = ClientDoc;

    fn parent(_fields: &Fields) -> Option<ParentKey> {
        None
    }

    async fn create(tx: &Tx, id: ClientId, fields: Object) -> Result<i64> {
        let input: ClientCreateInput = read(named(sorted(fields), id, None))?;
        Ok(clients::create(tx, input.parse()?).await?.version)
    }

    async fn change(tx: &Tx, id: ClientId, version: i64, fields: Object) -> Result<i64> {
        let input: ClientUpdateInput = read(named(sorted(fields), id, Some(version)))?;
        let (id, version, name, patch) = input.parse()?;
        let row = clients::update(tx, id, version, name, patch).await?;
        Ok(row.version)
    }

    async fn delete(_tx: &Tx, _id: ClientId, _version: i64) -> Result<i64> {
        stays()
    }
}
