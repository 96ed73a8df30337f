//! Clients on phones.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_graphql::{InputObject, SimpleObject};
use entity::{
    ClientId, ClientKind, ClientNature, CustomKind, Gender, Lifecycle, PartyClass, ServiceMode,
    SyncCollection, UserId, client, client_tag,
};
use sea_orm::ColumnTrait;
use uuid::Uuid;

use super::{Doc, MoneyDoc, told_by_fields};
use crate::db::{Confidential, Session};
use crate::domain::money::CurrencyCode;
use crate::error::Result;
use crate::graphql::scalars::{Currency, Date, DateTime, int};

/// A client as a phone holds it. When it is gone, only `id`, `version` and `deleted` say something.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "ClientDocInput")]
pub struct ClientDoc {
    /// The id.
    id: ClientId,
    /// The id in another system. The service says so.
    external_id: Option<String>,
    /// Whether it is a person or an organization.
    kind: Option<ClientKind>,
    /// Its name.
    name: Option<String>,
    /// The currency it is billed in.
    currency: Option<Currency>,
    /// Who answers for it; null for the pool. The service says so.
    owner_id: Option<UserId>,
    /// Where it stands in the chain from maker to user.
    party_class: Option<PartyClass>,
    /// How far the relationship has come.
    lifecycle: Option<Lifecycle>,
    /// How it buys.
    custom_kind: Option<CustomKind>,
    /// How it wants to be served.
    service_mode: Option<ServiceMode>,
    /// The organization it belongs to, if you see it.
    parent_id: Option<ClientId>,
    /// The main phone number.
    phone: Option<String>,
    /// The fax number.
    fax: Option<String>,
    /// The e-mail address.
    email: Option<String>,
    /// The website.
    website: Option<String>,
    /// The handle on a messenger.
    messaging_handle: Option<String>,
    /// Stated preferences.
    preferences: Option<String>,
    /// Habits in buying.
    buying_habits: Option<String>,
    /// Since when it is a client.
    since_on: Option<Date>,
    /// Its tags, A to Z.
    tags: Option<Vec<String>>,
    /// The gender of a person.
    gender: Option<Gender>,
    /// The birthday of a person.
    birthday: Option<Date>,
    /// Who owns an organization.
    nature: Option<ClientNature>,
    /// The industry an organization is in.
    industry: Option<String>,
    /// How many people work at an organization.
    employee_count: Option<i32>,
    /// Up to how much it may owe before orders wait for a manager. Null for those who may not see it. The service says so.
    credit_limit: Option<MoneyDoc>,
    /// Days from an order to the day it is due. The service says so.
    payment_term_days: Option<i32>,
    /// When it was put away; null while in use. The service says so.
    archived_at: Option<DateTime>,
    /// When it was recorded. The service says so.
    created_at: Option<DateTime>,
    /// When it was last changed. The service says so.
    updated_at: Option<DateTime>,
    /// The number of writes. The service says so; 0 or absent where a phone made it.
    #[graphql(default)]
    version: i32,
    /// Whether it is gone.
    deleted: bool,
}

impl Doc for ClientDoc {
    const COLLECTION: SyncCollection = SyncCollection::Clients;
    const SHOWS: &'static [Confidential] = &[Confidential::Credit];

    async fn load(session: &Session, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Self>> {
        let rows = session
            .select::<client::Entity>()
            .filter(client::Column::Id.is_in(ids.iter().copied()))
            .all()
            .await?;
        let tags = session
            .select::<client_tag::Entity>()
            .filter(client_tag::Column::ClientId.is_in(rows.iter().map(|row| row.id)))
            .order_by(client_tag::Column::Tag, sea_orm::Order::Asc)
            .all()
            .await?;
        let mut tags_of: HashMap<ClientId, Vec<String>> = HashMap::new();
        for tag in &tags {
            tags_of
                .entry(tag.client_id)
                .or_default()
                .push(tag.tag.clone());
        }
        let parents = seen(session, rows.iter().filter_map(|row| row.parent_id)).await?;
        let mut docs = BTreeMap::new();
        for row in &rows {
            let shows = session.sees(Confidential::Credit, row.owner_id).await?;
            let limit = row.credit_limit_minor.filter(|_| shows);
            let doc = Self {
                id: row.id,
                external_id: row.external_id.clone(),
                kind: Some(row.kind),
                name: Some(row.name.clone()),
                currency: Some(Currency(CurrencyCode::parse(&row.currency)?)),
                owner_id: row.owner_id,
                party_class: Some(row.party_class),
                lifecycle: Some(row.lifecycle),
                custom_kind: row.custom_kind,
                service_mode: row.service_mode,
                // One out of sight is none.
                parent_id: row.parent_id.filter(|parent| parents.contains(parent)),
                phone: row.phone.clone(),
                fax: row.fax.clone(),
                email: row.email.clone(),
                website: row.website.clone(),
                messaging_handle: row.messaging_handle.clone(),
                preferences: row.preferences.clone(),
                buying_habits: row.buying_habits.clone(),
                since_on: row.since_on.map(Date),
                tags: Some(tags_of.remove(&row.id).unwrap_or_default()),
                gender: row.gender,
                birthday: row.birthday.map(Date),
                nature: row.nature,
                industry: row.industry.clone(),
                employee_count: row.employee_count,
                credit_limit: limit
                    .map(|minor| MoneyDoc::new(minor, &row.currency))
                    .transpose()?,
                payment_term_days: row.payment_term_days,
                archived_at: row.archived_at.map(DateTime),
                created_at: Some(DateTime(row.created_at)),
                updated_at: Some(DateTime(row.updated_at)),
                version: int(row.version)?,
                // One that was put away stays in its owner's book.
                deleted: false,
            };
            docs.insert(row.id.0, doc);
        }
        Ok(docs)
    }

    fn tombstone(id: Uuid) -> Self {
        Self {
            id: ClientId(id),
            external_id: None,
            kind: None,
            name: None,
            currency: None,
            owner_id: None,
            party_class: None,
            lifecycle: None,
            custom_kind: None,
            service_mode: None,
            parent_id: None,
            phone: None,
            fax: None,
            email: None,
            website: None,
            messaging_handle: None,
            preferences: None,
            buying_habits: None,
            since_on: None,
            tags: None,
            gender: None,
            birthday: None,
            nature: None,
            industry: None,
            employee_count: None,
            credit_limit: None,
            payment_term_days: None,
            archived_at: None,
            created_at: None,
            updated_at: None,
            version: 0,
            deleted: true,
        }
    }

    told_by_fields!();
}

/// Those of these clients that the viewer sees.
async fn seen(
    session: &Session,
    clients: impl Iterator<Item = ClientId>,
) -> Result<HashSet<ClientId>> {
    let clients: HashSet<ClientId> = clients.collect();
    if clients.is_empty() {
        return Ok(clients);
    }
    let rows = session
        .select::<client::Entity>()
        .filter(client::Column::Id.is_in(clients))
        .all()
        .await?;
    Ok(rows.iter().map(|row| row.id).collect())
}
