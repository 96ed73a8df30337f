//! Contacts on phones.

use std::collections::{BTreeMap, HashMap};

use async_graphql::{InputObject, SimpleObject};
use entity::{
    ClientId, ContactId, ContactPointKind, ContactRole, Gender, SyncCollection, UserId, client,
    contact,
};
use sea_orm::ColumnTrait;
use uuid::Uuid;

use super::{Doc, told_by_fields};
use crate::db::{Confidential, Session};
use crate::error::Result;
use crate::graphql::pace::Listed;
use crate::graphql::scalars::{Date, DateTime, int};

/// One way to reach a contact.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "ContactPointDocInput")]
pub struct ContactPointDoc {
    /// Which way it is.
    kind: ContactPointKind,
    /// The number, address or handle.
    value: String,
    /// What to call it.
    label: Option<String>,
    /// Whether it is the one they like best of its kind.
    #[graphql(default)]
    is_preferred: bool,
}

/// A contact as a phone holds it. When it is gone, only `id`, `version` and `deleted` say something.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "ContactDocInput")]
pub struct ContactDoc {
    /// The id.
    id: ContactId,
    /// The client they are at.
    client_id: Option<ClientId>,
    /// The id in another system. The service says so.
    external_id: Option<String>,
    /// Their name.
    name: Option<String>,
    /// Their job title.
    title: Option<String>,
    /// Where in the client they work.
    department: Option<String>,
    /// Whether they are the client's key person.
    is_key: Option<bool>,
    /// The parts they play in a purchase.
    roles: Option<Vec<ContactRole>>,
    /// Their gender.
    gender: Option<Gender>,
    /// Their birthday.
    birthday: Option<Date>,
    /// Their phones and handles.
    points: Option<Listed<ContactPointDoc>>,
    /// What they like. Null for those who may not see it.
    likes: Option<String>,
    /// Their standing among others. Null for those who may not see it.
    social_status: Option<String>,
    /// Anything else worth knowing.
    note: Option<String>,
    /// When they were recorded. The service says so.
    created_at: Option<DateTime>,
    /// When they were last changed. The service says so.
    updated_at: Option<DateTime>,
    /// The number of writes. The service says so; 0 or absent where a phone made it.
    #[graphql(default)]
    version: i32,
    /// Whether it is gone.
    deleted: bool,
}

impl Doc for ContactDoc {
    const COLLECTION: SyncCollection = SyncCollection::Contacts;
    const SHOWS: &'static [Confidential] = &[Confidential::Personal];

    async fn load(session: &Session, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Self>> {
        let rows = session
            .select::<contact::Entity>()
            .filter(contact::Column::Id.is_in(ids.iter().copied()))
            .all()
            .await?;
        let owners = owners(session, rows.iter().map(|row| row.client_id)).await?;
        let mut docs = BTreeMap::new();
        for row in &rows {
            // One whose client just went out of sight keeps its secrets.
            let shows = match owners.get(&row.client_id) {
                Some(owner) => session.sees(Confidential::Personal, *owner).await?,
                None => false,
            };
            let personal = |fact: &Option<String>| fact.clone().filter(|_| shows);
            let points = row.points.0.iter().map(|point| ContactPointDoc {
                kind: point.kind,
                value: point.value.clone(),
                label: point.label.clone(),
                is_preferred: point.is_preferred,
            });
            let doc = Self {
                id: row.id,
                client_id: Some(row.client_id),
                external_id: row.external_id.clone(),
                name: Some(row.name.clone()),
                title: row.title.clone(),
                department: row.department.clone(),
                is_key: Some(row.is_key),
                roles: Some(row.roles.0.clone()),
                gender: row.gender,
                birthday: row.birthday.map(Date),
                points: Some(points.collect()),
                likes: personal(&row.likes),
                social_status: personal(&row.social_status),
                note: row.note.clone(),
                created_at: Some(DateTime(row.created_at)),
                updated_at: Some(DateTime(row.updated_at)),
                version: int(row.version)?,
                deleted: row.archived_at.is_some(),
            };
            docs.insert(row.id.0, doc);
        }
        Ok(docs)
    }

    fn tombstone(id: Uuid) -> Self {
        Self {
            id: ContactId(id),
            client_id: None,
            external_id: None,
            name: None,
            title: None,
            department: None,
            is_key: None,
            roles: None,
            gender: None,
            birthday: None,
            points: None,
            likes: None,
            social_status: None,
            note: None,
            created_at: None,
            updated_at: None,
            version: 0,
            deleted: true,
        }
    }

    told_by_fields!();
}

/// Who owns these clients, of those in sight; nothing is read where it does not matter.
async fn owners(
    session: &Session,
    clients: impl Iterator<Item = ClientId>,
) -> Result<HashMap<ClientId, Option<UserId>>> {
    let mut clients: Vec<ClientId> = clients.collect();
    clients.sort_unstable();
    clients.dedup();
    if session.sees_all_or_none(Confidential::Personal).is_some() {
        return Ok(clients.into_iter().map(|client| (client, None)).collect());
    }
    let rows = session
        .select::<client::Entity>()
        .filter(client::Column::Id.is_in(clients))
        .all()
        .await?;
    Ok(rows.iter().map(|row| (row.id, row.owner_id)).collect())
}
