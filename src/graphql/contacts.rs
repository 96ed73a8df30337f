//! Contacts on the wire.

use async_graphql::{Context, Enum, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::contact::ContactPoint as Point;
use entity::{ClientId, ContactId, ContactPointKind, ContactRole, Gender, client, contact};
use sea_orm::sea_query::{Alias, ExprTrait};
use sea_orm::{ColumnTrait, Condition, IntoSimpleExpr};

use super::clients::{Archived, Client};
use super::confidential::shown_below;
use super::connection::{Connection, Node, binding, made_of};
use super::context::{nullable, session, write};
use super::direct::ready;
use super::filters::ClientIdFilter;
use super::input::{optional, required};
use super::pace::Listed;
use super::scalars::{Date, DateTime, int};
use crate::db::{
    Asked, Children, Confidential, KeyKind, PageRequest, ScopedSelect, Session, Sort, SortKey,
    Visible,
};
use crate::domain::contacts::{self, ContactPatch, NewContact};
use crate::domain::text;
use crate::error::Result;

/// A person at a client.
#[derive(Clone)]
pub struct Contact(pub Visible<contact::Model>);

impl From<Visible<contact::Model>> for Contact {
    fn from(row: Visible<contact::Model>) -> Self {
        Self(row)
    }
}

impl Node for Contact {
    type Entity = contact::Entity;

    made_of!(contact:
        "id" => Id;
        "externalId" => ExternalId;
        "client" => ClientId;
        "name" => Name;
        "title" => Title;
        "department" => Department;
        "isKey" => IsKey;
        "roles" => Roles;
        "gender" => Gender;
        "birthday" => Birthday;
        "points" => Points;
        "note" => Note;
        "version" => Version;
        "createdAt" => CreatedAt;
        "updatedAt" => UpdatedAt;
        "archivedAt" => ArchivedAt;
    );
}

ready!(
    Contact: "id" | "externalId" | "name" | "title" | "department" | "isKey" | "roles" | "gender" |
        "birthday" | "points" | "note" | "version" | "createdAt" |
        "updatedAt" | "archivedAt";
);

/// A person at a client.
#[Object]
impl Contact {
    /// The id.
    pub async fn id(&self) -> ContactId {
        self.0.id
    }

    /// The id in another system, unique among contacts, by which imports find it again.
    async fn external_id(&self) -> Option<&str> {
        self.0.external_id.as_deref()
    }

    /// The client they are at.
    async fn client(&self, ctx: &Context<'_>) -> Option<Result<Client>> {
        nullable(
            async {
                let client = session(ctx)?
                    .one_of::<client::Entity, _, _>(&self.0, "client", |row| Some(row.client_id))
                    .await?;
                Ok(client.map(Client))
            }
            .await,
        )
    }

    /// Their name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Their job title.
    async fn title(&self) -> Option<&str> {
        self.0.title.as_deref()
    }

    /// Where in the client they work.
    async fn department(&self) -> Option<&str> {
        self.0.department.as_deref()
    }

    /// Whether they are the client's key person: the client is won or lost with them. At most one contact of a client is.
    async fn is_key(&self) -> bool {
        self.0.is_key
    }

    /// The parts they play in a purchase.
    async fn roles(&self) -> Vec<ContactRole> {
        self.0.roles.0.clone()
    }

    /// Their gender.
    async fn gender(&self) -> Option<Gender> {
        self.0.gender
    }

    /// Their birthday.
    async fn birthday(&self) -> Option<Date> {
        self.0.birthday.map(Date)
    }

    /// Their phones and handles, in the order they were given.
    async fn points(&self) -> Listed<ContactPoint> {
        self.0.points.0.iter().map(ContactPoint::of).collect()
    }

    /// What they like. Null for those who may not see it (`confidentiality`).
    async fn likes(&self, ctx: &Context<'_>) -> Option<Result<&str>> {
        nullable(self.personal(ctx, self.0.likes.as_deref()).await)
    }

    /// Their standing among others. Null for those who may not see it (`confidentiality`).
    async fn social_status(&self, ctx: &Context<'_>) -> Option<Result<&str>> {
        nullable(self.personal(ctx, self.0.social_status.as_deref()).await)
    }

    /// Anything else worth knowing.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }

    /// The number of writes to this contact; send it back with an update.
    async fn version(&self) -> Result<i32> {
        int(self.0.version)
    }

    /// When they were recorded.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When they were last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// When they were archived; null while in use.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.archived_at.map(DateTime)
    }
}

impl Contact {
    /// A personal fact, for those who may see it of the client the contact is at.
    async fn personal<'a>(
        &self,
        ctx: &Context<'_>,
        value: Option<&'a str>,
    ) -> Result<Option<&'a str>> {
        let group = Confidential::Personal;
        shown_below(ctx, group, &self.0, |row| row.client_id, || Ok(value)).await
    }
}

/// One way to reach a contact.
#[derive(Clone, Debug, SimpleObject)]
pub struct ContactPoint {
    /// Which way it is.
    kind: ContactPointKind,
    /// The number, address or handle.
    value: String,
    /// What to call it, as in `office`; null when its kind says enough.
    label: Option<String>,
    /// Whether it is the one they like best of its kind.
    is_preferred: bool,
}

impl ContactPoint {
    fn of(point: &Point) -> Self {
        let Point {
            kind,
            value,
            label,
            is_preferred,
        } = point;
        Self {
            kind: *kind,
            value: value.clone(),
            label: label.clone(),
            is_preferred: *is_preferred,
        }
    }
}

/// Which contacts. All parts that are given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ContactFilter {
    /// Found by what a person types: parts of the name, pinyin or its initials, a fragment of a number or handle. At least two letters or digits, or one Chinese character; all words must be found.
    search: Option<String>,
    /// By client.
    client_id: Option<ClientIdFilter>,
    /// Whether they are the key person of their client.
    is_key: Option<bool>,
    /// That they play this part in a purchase.
    role: Option<ContactRole>,
    /// That their birthday comes within so many days, 0 (today, in your time zone) to 60, across the end of the year. Who was born on a 29 February has theirs on the 28th in other years.
    birthday_within_days: Option<i32>,
    /// Whether archived contacts are listed; by default they are not.
    archived: Option<Archived>,
}

/// How contacts are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum ContactOrder {
    /// By name, A to Z; Chinese names by pinyin.
    #[default]
    NameAsc,
    /// By name, Z to A.
    NameDesc,
    /// Last changed first.
    UpdatedAtDesc,
    /// Last changed last.
    UpdatedAtAsc,
}

impl ContactOrder {
    fn sort(self) -> Sort {
        use contact::Column;
        let by = |column: Column, kind| vec![SortKey::column(column, kind)];
        match self {
            Self::NameAsc => Sort::ascending(by(Column::NameSort, KeyKind::Text)),
            Self::NameDesc => Sort::descending(by(Column::NameSort, KeyKind::Text)),
            Self::UpdatedAtDesc => Sort::descending(by(Column::UpdatedAt, KeyKind::Instant)),
            Self::UpdatedAtAsc => Sort::ascending(by(Column::UpdatedAt, KeyKind::Instant)),
        }
    }
}

/// The contacts that `filter` keeps.
fn select(
    session: &Session,
    filter: Option<&ContactFilter>,
) -> Result<ScopedSelect<contact::Entity>> {
    use contact::Column;
    let ContactFilter {
        search,
        client_id,
        is_key,
        role,
        birthday_within_days,
        archived,
    } = filter.cloned().unwrap_or_default();
    let mut all = archived.unwrap_or_default().condition(Column::ArchivedAt);
    if let Some(search) = search {
        all = all.add(contacts::matching(&search)?);
    }
    if let Some(filter) = client_id {
        all = all.add(filter.condition("clientId", Column::ClientId)?);
    }
    all = all.add_option(is_key.map(|is_key| Column::IsKey.eq(is_key)));
    all = all.add_option(role.map(plays));
    if let Some(days) = birthday_within_days {
        all = all.add(contacts::birthday_within(session, days)?);
    }
    Ok(session.select::<contact::Entity>().filter(all))
}

/// That `role` is in the list. Both databases write JSON lists of plain words alike, each word in quotes.
fn plays(role: ContactRole) -> Condition {
    let word = sea_orm::ActiveEnum::to_value(&role);
    let written = contact::Column::Roles
        .into_simple_expr()
        .cast_as(Alias::new("text"));
    let pattern = text::like_pattern(&format!("\"{word}\""));
    Condition::all().add(written.like(sea_orm::sea_query::LikeExpr::new(pattern).escape('\\')))
}

/// The contacts of a client.
///
/// # Errors
/// `BAD_USER_INPUT` for a filter or page that makes no sense.
pub async fn of_client(
    ctx: &Context<'_>,
    client: &Visible<client::Model>,
    filter: Option<ContactFilter>,
    order_by: ContactOrder,
    page: (Option<i32>, Option<String>, Option<i32>, Option<String>),
) -> Result<Connection<Contact>> {
    let own = |client: &client::Model| client.id.0;
    let asked = async {
        let session = session(ctx)?;
        let (first, after, last, before) = page;
        let binding = binding("client.contacts", &filter, &order_by);
        let page = PageRequest::new(first, after, last, before, binding)?;
        let children = Children {
            parent: contact::Column::ClientId,
            select: select(session, filter.as_ref()).map_err(|error| error.under("filter"))?,
        };
        let sort = order_by.sort();
        Ok(Asked::new(children, sort, page))
    };
    Connection::children(ctx, client, "contacts", own, asked).await
}

/// The key contact of a client.
///
/// # Errors
/// From the database.
pub async fn key_of_client(
    ctx: &Context<'_>,
    client: &Visible<client::Model>,
) -> Result<Option<Contact>> {
    let session = session(ctx)?;
    let children = || Children {
        parent: contact::Column::ClientId,
        select: session
            .select::<contact::Entity>()
            .filter(contact::Column::IsKey.eq(true))
            .filter(contact::Column::ArchivedAt.is_null()),
    };
    let own = |client: &client::Model| client.id.0;
    let mut key = session
        .all_of(client, "keyContact", own, children, |row| row.client_id.0)
        .await?;
    Ok(key.pop().map(Contact))
}

/// Reading contacts.
#[derive(Default)]
pub struct ContactQuery;

#[Object]
impl ContactQuery {
    /// The contacts of all your clients.
    async fn contacts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which contacts; all in use when absent.")] filter: Option<ContactFilter>,
        #[graphql(desc = "How they are sorted; by name when absent.")] order_by: Option<
            ContactOrder,
        >,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Contact>> {
        let session = session(ctx)?;
        let order_by = order_by.unwrap_or_default();
        let binding = binding("contacts", &filter, &order_by);
        let page = PageRequest::new(first, after, last, before, binding)?;
        let select = select(session, filter.as_ref()).map_err(|error| error.under("filter"))?;
        Connection::list(ctx, select, &order_by.sort(), &page).await
    }

    /// The contact with this id; null when there is none, or it is not yours.
    async fn contact(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the contact.")] id: ContactId,
    ) -> Option<Result<Contact>> {
        nullable(
            async {
                let contact = session(ctx)?
                    .select::<contact::Entity>()
                    .id(id)
                    .find()
                    .await?;
                Ok(contact.map(Contact))
            }
            .await,
        )
    }
}

/// One way to reach a contact.
#[derive(Clone, Debug, InputObject)]
pub struct ContactPointInput {
    /// Which way it is.
    kind: ContactPointKind,
    /// The number, address or handle. `MOBILE`, `PHONE` and `FAX`: digits, spaces and `+ - . ( ) /`, and an extension; `EMAIL`: an e-mail address; others: 1 to 100 characters.
    value: String,
    /// What to call it, at most 40 characters.
    label: Option<String>,
    /// Whether it is the one they like best of its kind; one of each kind at most.
    #[graphql(default)]
    is_preferred: bool,
}

/// What is known of a contact. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ContactProfileInput {
    /// Job title, at most 100 characters.
    title: MaybeUndefined<String>,
    /// Department, at most 100 characters.
    department: MaybeUndefined<String>,
    /// Whether they are the client's key person. Whoever was it before is it no longer.
    is_key: MaybeUndefined<bool>,
    /// The parts they play in a purchase, all of them.
    roles: MaybeUndefined<Vec<ContactRole>>,
    /// Gender.
    gender: MaybeUndefined<Gender>,
    /// Birthday; not in the future.
    birthday: MaybeUndefined<Date>,
    /// Phones and handles, all of them, at most 20. Those that are missing are taken off.
    points: MaybeUndefined<Vec<ContactPointInput>>,
    /// What they like, at most 2,000 characters.
    likes: MaybeUndefined<String>,
    /// Their standing among others, at most 1,000 characters.
    social_status: MaybeUndefined<String>,
    /// Anything else, at most 4,000 characters.
    note: MaybeUndefined<String>,
}

impl ContactProfileInput {
    fn parse(self) -> Result<ContactPatch> {
        let Self {
            title,
            department,
            is_key,
            roles,
            gender,
            birthday,
            points,
            likes,
            social_status,
            note,
        } = self;
        let points = optional(points).map(|points| {
            let points = points.unwrap_or_default().into_iter();
            points
                .map(|point| {
                    let ContactPointInput {
                        kind,
                        value,
                        label,
                        is_preferred,
                    } = point;
                    Point {
                        kind,
                        value,
                        label,
                        is_preferred,
                    }
                })
                .collect()
        });
        Ok(ContactPatch {
            title: optional(title),
            department: optional(department),
            is_key: required("isKey", is_key)?,
            roles: optional(roles).map(Option::unwrap_or_default),
            gender: optional(gender),
            birthday: optional(birthday).map(|day| day.map(|day| day.0)),
            points,
            likes: optional(likes),
            social_status: optional(social_status),
            note: optional(note),
        })
    }
}

/// A contact to record.
#[derive(Clone, Debug, InputObject)]
pub struct ContactCreateInput {
    /// An id made by the caller (`contact_` and a UUID, best of version 7). Sending the same create again with it answers the contact that is there.
    id: Option<ContactId>,
    /// The client they are at; it stays so. A client has at most 200 contacts in use.
    client_id: ClientId,
    /// The id in another system, unique among contacts, at most 100 characters. Only managers and administrators may set it; when it is taken, perhaps by one that you do not see, the answer is `CONFLICT`.
    external_id: Option<String>,
    /// The name, 1 to 200 characters.
    name: String,
    /// Everything else that is known.
    #[graphql(flatten)]
    profile: ContactProfileInput,
}

impl ContactCreateInput {
    /// The contact to be.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub(super) fn parse(self) -> Result<NewContact> {
        let Self {
            id,
            client_id,
            external_id,
            name,
            profile,
        } = self;
        Ok(NewContact {
            id,
            client: client_id,
            external_id,
            name,
            profile: profile.parse()?,
        })
    }
}

/// Changes to a contact.
#[derive(Clone, Debug, InputObject)]
pub struct ContactUpdateInput {
    /// The contact.
    id: ContactId,
    /// The version you saw.
    version: i32,
    /// A new name, 1 to 200 characters.
    name: MaybeUndefined<String>,
    /// Other changes.
    #[graphql(flatten)]
    profile: ContactProfileInput,
}

impl ContactUpdateInput {
    /// Which contact, in which version, and its changes.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub(super) fn parse(self) -> Result<(ContactId, i64, Option<String>, ContactPatch)> {
        let Self {
            id,
            version,
            name,
            profile,
        } = self;
        let name = required("name", name)?;
        Ok((id, i64::from(version), name, profile.parse()?))
    }
}

/// Names a contact in the version you saw.
#[derive(Clone, Debug, InputObject)]
pub struct ContactVersionInput {
    /// The contact.
    id: ContactId,
    /// The version you saw.
    version: i32,
}

/// The contact after the change.
#[derive(SimpleObject)]
pub struct ContactPayload {
    /// The contact.
    contact: Contact,
}

impl From<Visible<contact::Model>> for ContactPayload {
    fn from(row: Visible<contact::Model>) -> Self {
        Self {
            contact: Contact(row),
        }
    }
}

/// Writing contacts.
#[derive(Default)]
pub struct ContactMutation;

#[Object]
impl ContactMutation {
    /// Records a contact of a client.
    async fn contact_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The contact to record.")] input: ContactCreateInput,
    ) -> Result<ContactPayload> {
        let new = input.parse().map_err(|error| error.under("input"))?;
        let row = write(ctx, move |tx| {
            let new = new.clone();
            async move { contacts::create(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Changes what is known of a contact.
    async fn contact_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The contact and the changes.")] input: ContactUpdateInput,
    ) -> Result<ContactPayload> {
        let (id, version, name, patch) = input.parse().map_err(|error| error.under("input"))?;
        let row = write(ctx, move |tx| {
            let (name, patch) = (name.clone(), patch.clone());
            async move { contacts::update(&tx, id, version, name, patch).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Hides a contact from lists; they are the key person no longer. Nothing else is lost; it can be restored.
    async fn contact_archive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The contact to hide.")] input: ContactVersionInput,
    ) -> Result<ContactPayload> {
        let ContactVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            contacts::archive(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Brings an archived contact back.
    async fn contact_restore(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The contact to bring back.")] input: ContactVersionInput,
    ) -> Result<ContactPayload> {
        let ContactVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            contacts::restore(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }
}
