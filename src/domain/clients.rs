//! Clients: who they are, who answers for them, how they are found. Knows nothing of what is sold to them.

use chrono::NaiveDate;
use entity::{
    ClientId, ClientKind, ClientNature, CustomKind, Gender, Lifecycle, OrderStatus, PartyClass,
    ServiceMode, UserId, client, client_tag, contact, order, user,
};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveValue, ColumnTrait, Condition};

use super::money::CurrencyCode;
use super::text::{self, Email};
use super::{confidential, external_ids, users};
use crate::db::{Confidential, Guard, LockedClient, Session, Tx, Visible};
use crate::error::{Error, Result};
use crate::messages::Message;
use crate::say;

/// A client to be.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// An id the caller chose, as a phone does offline.
    pub id: Option<ClientId>,
    /// Its id in another system.
    pub external_id: Option<String>,
    /// A person or an organization.
    pub kind: ClientKind,
    /// Its name.
    pub name: String,
    /// The currency it is billed in.
    pub currency: CurrencyCode,
    /// Who answers for it; the viewer when nothing is said, the pool when nobody.
    pub owner: Option<Option<UserId>>,
    /// Everything else.
    pub profile: ProfilePatch,
}

/// Changes to what is known of a client. An outer `None` keeps what is there; an inner `None` clears it.
#[derive(Clone, Debug, Default)]
pub struct ProfilePatch {
    /// Party class.
    pub party_class: Option<PartyClass>,
    /// Lifecycle.
    pub lifecycle: Option<Lifecycle>,
    /// Kind of custom.
    pub custom_kind: Option<Option<CustomKind>>,
    /// Service mode.
    pub service_mode: Option<Option<ServiceMode>>,
    /// The organization it belongs to.
    pub parent: Option<Option<ClientId>>,
    /// Phone.
    pub phone: Option<Option<String>>,
    /// Fax.
    pub fax: Option<Option<String>>,
    /// E-mail.
    pub email: Option<Option<String>>,
    /// Website.
    pub website: Option<Option<String>>,
    /// Handle on a messenger.
    pub messaging_handle: Option<Option<String>>,
    /// Stated preferences.
    pub preferences: Option<Option<String>>,
    /// Buying habits.
    pub buying_habits: Option<Option<String>>,
    /// Client since.
    pub since_on: Option<Option<NaiveDate>>,
    /// Credit limit in minor units, and its currency, which is the client's; no limit when cleared. Managers
    /// only.
    pub credit_limit: Option<Option<(i64, CurrencyCode)>>,
    /// Payment term in days. Managers only.
    pub payment_term_days: Option<Option<i32>>,
    /// Tags, all of them.
    pub tags: Option<Vec<String>>,
    /// Gender of an individual.
    pub gender: Option<Option<Gender>>,
    /// Birthday of an individual.
    pub birthday: Option<Option<NaiveDate>>,
    /// Nature of an organization.
    pub nature: Option<Option<ClientNature>>,
    /// Industry of an organization.
    pub industry: Option<Option<String>>,
    /// Number of people of an organization.
    pub employee_count: Option<Option<i32>>,
}

/// Adds a client. With an id that exists and equal content it answers the client that is there.
///
/// # Errors
/// `BAD_USER_INPUT`; `FORBIDDEN` for an owner out of reach, an external id or terms that only managers set;
/// `CONFLICT` for an id or external id that is taken; `RULE_VIOLATED` `clients.wrong_section`.
pub async fn create(tx: &Tx, new: NewClient) -> Result<Visible<client::Model>> {
    let NewClient {
        id,
        external_id,
        kind,
        name,
        currency,
        owner,
        profile,
    } = new;
    let owner_id = match (owner, tx.viewer().user_id()) {
        (None, me) => me,
        (Some(owner), _) => owner,
    };
    check_owner(tx, owner_id).await?;
    let name = text::text("name", &name, 200)?;
    let external_id = external_ids::parse(tx, external_id.as_deref())?;
    let now = tx.now();
    let tags = parse_tags(profile.tags.as_deref().unwrap_or_default())?;
    let row = client::ActiveModel {
        id: Set(id.unwrap_or_else(|| tx.new_id())),
        external_id: Set(external_id),
        kind: Set(kind),
        name_sort: Set(text::name_sort(&name)),
        name: Set(name),
        owner_id: Set(owner_id),
        party_class: Set(PartyClass::EndCustomer),
        lifecycle: Set(Lifecycle::Prospect),
        currency: Set(currency.as_str().to_owned()),
        search_text: Set(String::new()),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let mut row = apply(tx, row, None, kind, currency.as_str(), profile)
        .await
        .map_err(|error| error.under("profile"))?;
    row.search_text = Set(search_text(&row, &[]));
    let mut said = row.clone();
    if let Some(id) = id
        && let Some(present) = tx.select::<client::Entity>().id(id).find().await?
        && !tx.sees(Confidential::Credit, present.owner_id).await?
    {
        // Guesses at what is there must not be told apart from each other.
        said.credit_limit_minor = NotSet;
    }
    if let Some(existing) = tx.existing::<client::Entity>(id, &said).await? {
        return Ok(existing);
    }
    let created = tx.insert::<client::Entity>(row).await?;
    let locked = tx.lock_client(created.id).await?;
    replace_tags(tx, &locked, tags).await?;
    tx.refresh_stats(&locked).await?;
    Ok(created)
}

/// Changes a client whose version is still `version`.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`, `FORBIDDEN`; `RULE_VIOLATED` `clients.wrong_section`,
/// `clients.parent_circle`, `clients.parent_not_organization`.
pub async fn update(
    tx: &Tx,
    id: ClientId,
    version: i64,
    name: Option<String>,
    profile: ProfilePatch,
) -> Result<Visible<client::Model>> {
    if profile.parent.flatten().is_some() {
        // Before the client, as everywhere. Two changes at once could close a circle.
        tx.hold(Guard::ClientParents).await?;
    }
    let client = tx.lock_client(id).await?;
    let mut row = client::ActiveModel::default();
    if let Some(name) = name {
        let name = text::text("name", &name, 200)?;
        row.name_sort = Set(text::name_sort(&name));
        row.name = Set(name);
    }
    let tags = profile.tags.as_deref().map(parse_tags).transpose()?;
    let row = apply(
        tx,
        row,
        Some(&client),
        client.kind,
        &client.currency,
        profile,
    )
    .await
    .map_err(|error| error.under("profile"))?;
    let updated = tx
        .update::<client::Entity>(&client, Some(version), row)
        .await?;
    if let Some(tags) = tags {
        replace_tags(tx, &client, tags).await?;
    }
    refresh_search(tx, &updated).await?;
    Ok(updated)
}

/// Hides a client from lists. It keeps its rows and can be restored.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED` `clients.open_orders` while an order is on its way,
/// `clients.already_archived`.
pub async fn archive(tx: &Tx, id: ClientId, version: i64) -> Result<Visible<client::Model>> {
    let client = tx.lock_client(id).await?;
    require_steward(tx, &client).await?;
    if client.archived_at.is_some() {
        return Err(Error::rule(
            "clients.already_archived",
            say!("this client is archived already"),
        ));
    }
    let open = [
        OrderStatus::Submitted,
        OrderStatus::Approved,
        OrderStatus::InProduction,
        OrderStatus::Shipped,
    ];
    let has_open_orders = tx
        .select::<order::Entity>()
        .filter(order::Column::ClientId.eq(id))
        .filter(order::Column::Status.is_in(open))
        .exists()
        .await?;
    if has_open_orders {
        return Err(Error::rule(
            "clients.open_orders",
            say!("this client has orders that are not delivered yet; finish or cancel them first"),
        ));
    }
    let row = client::ActiveModel {
        archived_at: Set(Some(tx.now())),
        ..Default::default()
    };
    tx.update::<client::Entity>(&client, Some(version), row)
        .await
}

/// Brings an archived client back.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED` `clients.not_archived`.
pub async fn restore(tx: &Tx, id: ClientId, version: i64) -> Result<Visible<client::Model>> {
    let client = tx.lock_client(id).await?;
    require_steward(tx, &client).await?;
    if client.archived_at.is_none() {
        return Err(Error::rule(
            "clients.not_archived",
            say!("this client is not archived"),
        ));
    }
    let row = client::ActiveModel {
        archived_at: Set(None),
        ..Default::default()
    };
    tx.update::<client::Entity>(&client, Some(version), row)
        .await
}

/// Refuses what only the owner of a client, managers above the owner and administrators may do: those who
/// see it through a share or the account team may not.
///
/// # Errors
/// `FORBIDDEN` `clients.not_owner`.
pub async fn require_steward(tx: &Tx, client: &LockedClient) -> Result<()> {
    if users::is_steward(tx, client.owner_id).await? {
        return Ok(());
    }
    Err(Error::forbidden(say!(
        "only the owner of this client, managers above the owner and administrators may do this"
    ))
    .with_rule("clients.not_owner"))
}

/// Whether the viewer is a manager of `client` or an administrator: a manager who sees it through a share or
/// the account team is not, and sells to it as a rep does.
///
/// # Errors
/// From the database.
pub async fn is_managed(tx: &Tx, client: &LockedClient) -> Result<bool> {
    Ok(tx.viewer().is_manager() && users::is_steward(tx, client.owner_id).await?)
}

/// The condition that finds clients by what a person types: parts of the name, pinyin, initials, a fragment
/// of a phone number, of a contact's name or number, an external id. All words must be found.
///
/// # Errors
/// `BAD_USER_INPUT` for a search that is too short.
pub fn matching(search: &str) -> Result<Condition> {
    let mut condition = Condition::all();
    for needle in text::search_needles(search).map_err(|error| error.field("search"))? {
        condition = condition.add(crate::db::like(
            client::Column::SearchText,
            text::like_pattern(&needle),
        ));
    }
    Ok(condition)
}

/// Refuses an amount in another currency than the client's. `field` names the currency in the input.
///
/// # Errors
/// `BAD_USER_INPUT`.
pub fn require_currency(field: &str, expected: &str, given: CurrencyCode) -> Result<()> {
    if given.as_str() == expected {
        return Ok(());
    }
    Err(Error::bad_input(
        field,
        say!(
            "this client is billed in {expected}, not in {given}",
            expected,
            given = given.as_str()
        ),
    ))
}

/// Refuses a new row for an archived client.
///
/// # Errors
/// `RULE_VIOLATED` `clients.archived`.
pub fn require_active(client: &client::Model) -> Result<()> {
    if client.archived_at.is_none() {
        return Ok(());
    }
    Err(Error::rule(
        "clients.archived",
        say!("this client is archived; restore it first"),
    ))
}

/// Puts together anew what searches of `client` look at: its own facts and those of its contacts. Counts
/// as no change of the client.
///
/// # Errors
/// From the database.
pub async fn refresh_search(tx: &Tx, client: &Visible<client::Model>) -> Result<()> {
    let contacts = tx
        .select::<contact::Entity>()
        .filter(contact::Column::ClientId.eq(client.id))
        .filter(contact::Column::ArchivedAt.is_null())
        .order_by(contact::Column::Id, sea_orm::Order::Asc)
        .limit(200)
        .all()
        .await?;
    let contacts: Vec<&str> = contacts
        .iter()
        .map(|contact| contact.search_text.as_str())
        .collect();
    let row: client::ActiveModel = client::Model::clone(client).into();
    let text = search_text(&row, &contacts);
    if text != client.search_text {
        let change = client::ActiveModel {
            search_text: Set(text),
            ..Default::default()
        };
        tx.amend::<client::Entity>(client, change).await?;
    }
    Ok(())
}

/// The tags of a client, in order.
///
/// # Errors
/// From the database.
pub async fn tags(session: &Session, client: &Visible<client::Model>) -> Result<Vec<String>> {
    let children = crate::db::Children {
        parent: client_tag::Column::ClientId,
        select: session
            .select::<client_tag::Entity>()
            .order_by(client_tag::Column::Tag, sea_orm::Order::Asc),
    };
    let tags = session
        .all_of(
            client,
            "tags",
            |client: &client::Model| client.id.0,
            children,
            |tag| tag.client_id.0,
        )
        .await?;
    Ok(tags.iter().map(|tag| tag.tag.clone()).collect())
}

/// Whether the viewer may make `owner` answer for a client.
///
/// # Errors
/// `FORBIDDEN` for somebody out of reach; `NOT_FOUND` for nobody; `RULE_VIOLATED` `users.deactivated`.
pub async fn check_owner(tx: &Tx, owner: Option<UserId>) -> Result<()> {
    let viewer = tx.viewer();
    let Some(owner) = owner else {
        let keeps_pool = match viewer.actor() {
            crate::db::Actor::User { is_pool_keeper, .. } => {
                viewer.is_admin() || (viewer.is_manager() && *is_pool_keeper)
            }
            crate::db::Actor::System { .. } => true,
        };
        if keeps_pool {
            return Ok(());
        }
        return Err(Error::forbidden(say!(
            "only administrators and keepers of the pool may leave a client without an owner"
        ))
        .field("ownerId"));
    };
    if viewer.user_id() == Some(owner) {
        return Ok(());
    }
    // They neither leave nor move away before the client is theirs.
    tx.share(Guard::Tree).await?;
    let user = tx
        .select::<user::Entity>()
        .id(owner)
        .get()
        .await
        .map_err(|error| error.field("ownerId"))?;
    if user.deactivated_at.is_some() && viewer.user_id().is_some() {
        return Err(Error::rule("users.deactivated", say!("this user has left")).field("ownerId"));
    }
    let in_reach = match viewer.user_id() {
        Some(me) if !viewer.is_admin() => viewer.is_manager() && tx.reaches(me, owner).await?,
        _ => true,
    };
    if in_reach {
        return Ok(());
    }
    Err(Error::forbidden(say!(
        "you can give clients only to yourself and to people who report to you"
    ))
    .field("ownerId"))
}

/// Writes `profile` into `row`; `present` is the client as it is.
async fn apply(
    tx: &Tx,
    row: client::ActiveModel,
    present: Option<&LockedClient>,
    kind: ClientKind,
    currency: &str,
    profile: ProfilePatch,
) -> Result<client::ActiveModel> {
    let ProfilePatch {
        party_class,
        lifecycle,
        custom_kind,
        service_mode,
        parent,
        phone,
        fax,
        email,
        website,
        messaging_handle,
        preferences,
        buying_habits,
        since_on,
        credit_limit,
        payment_term_days,
        tags: _,
        gender,
        birthday,
        nature,
        industry,
        employee_count,
    } = profile;
    let is_person = gender.is_some() || birthday.is_some();
    let is_organization = nature.is_some() || industry.is_some() || employee_count.is_some();
    match kind {
        ClientKind::Individual if is_organization => {
            return Err(wrong_section(
                "organization",
                say!(
                    "this client is a person; it has no section `{section}`",
                    section = "organization"
                ),
            ));
        }
        ClientKind::Organization if is_person => {
            return Err(wrong_section(
                "individual",
                say!(
                    "this client is an organization; it has no section `{section}`",
                    section = "individual"
                ),
            ));
        }
        ClientKind::Individual | ClientKind::Organization => {}
    }
    if credit_limit.is_some() || payment_term_days.is_some() {
        let is_above = match present {
            Some(client) => is_managed(tx, client).await?,
            None => tx.viewer().is_manager(),
        };
        if !is_above {
            return Err(Error::forbidden(say!(
                "only managers of the owner may set the credit limit and the payment term"
            ))
            .field("creditLimit"));
        }
    }
    if let (Some(_), Some(client)) = (credit_limit, present) {
        let owner = client.owner_id;
        confidential::require_seen(tx, Confidential::Credit, owner, "creditLimit").await?;
    }
    if let Some(Some((limit, limit_currency))) = credit_limit {
        if limit < 0 {
            return Err(Error::bad_input(
                "creditLimit.amount",
                say!("the credit limit is 0 or more"),
            ));
        }
        require_currency("creditLimit.currency", currency, limit_currency)?;
    }
    if let Some(Some(days)) = payment_term_days
        && !(0..=3_650).contains(&days)
    {
        return Err(Error::bad_input(
            "paymentTermDays",
            say!("the payment term is 0 to 3650 days"),
        ));
    }
    if let Some(Some(count)) = employee_count
        && count < 0
    {
        return Err(Error::bad_input(
            "organization.employeeCount",
            say!("the number of people is 0 or more"),
        ));
    }
    if let Some(Some(birthday)) = birthday
        && birthday > tx.today()
    {
        return Err(Error::bad_input(
            "individual.birthday",
            say!("a birthday is not in the future"),
        ));
    }
    if let Some(Some(parent)) = parent {
        check_parent(tx, present.map(|client| client.id), parent).await?;
    }
    Ok(client::ActiveModel {
        party_class: keep(party_class, row.party_class),
        lifecycle: keep(lifecycle, row.lifecycle),
        custom_kind: set(custom_kind),
        service_mode: set(service_mode),
        parent_id: set(parent),
        phone: set(each(phone, |value| text::phone("phone", value))?),
        fax: set(each(fax, |value| text::phone("fax", value))?),
        email: set(each(email, |value| {
            Email::parse("email", value).map(Email::into_string)
        })?),
        website: set(each(website, |value| text::text("website", value, 300))?),
        messaging_handle: set(each(messaging_handle, |value| {
            text::text("messagingHandle", value, 100)
        })?),
        preferences: set(each(preferences, |value| {
            text::long_text("preferences", value, 4_000)
        })?),
        buying_habits: set(each(buying_habits, |value| {
            text::long_text("buyingHabits", value, 4_000)
        })?),
        since_on: set(since_on),
        credit_limit_minor: set(credit_limit.map(|limit| limit.map(|(minor, _)| minor))),
        payment_term_days: set(payment_term_days),
        gender: set(gender),
        birthday: set(birthday),
        nature: set(nature),
        industry: set(each(industry, |value| {
            text::text("organization.industry", value, 100)
        })?),
        employee_count: set(employee_count),
        ..row
    })
}

fn wrong_section(section: &str, message: Message) -> Error {
    Error::rule("clients.wrong_section", message).field(section)
}

/// A parent must be an organization in scope, and not the client itself nor one below it. Those above the
/// parent count wherever they are: a circle would run through a client out of sight too.
async fn check_parent(tx: &Tx, id: Option<ClientId>, parent: ClientId) -> Result<()> {
    const MAX_DEPTH: usize = 20;
    let parent = tx
        .select::<client::Entity>()
        .id(parent)
        .get()
        .await
        .map_err(|error| error.field("parentId"))?;
    if parent.kind != ClientKind::Organization {
        return Err(Error::rule(
            "clients.parent_not_organization",
            say!("the parent of a client is an organization"),
        )
        .field("parentId"));
    }
    let line = tx.client_line(&parent, MAX_DEPTH).await?;
    if id.is_some_and(|id| line.contains(&id)) {
        return Err(Error::rule(
            "clients.parent_circle",
            say!("a client cannot belong to itself or to one that belongs to it"),
        )
        .field("parentId"));
    }
    if line.len() >= MAX_DEPTH {
        return Err(Error::rule(
            "clients.parent_too_deep",
            say!("organizations nest at most {most} deep", most = MAX_DEPTH),
        )
        .field("parentId"));
    }
    Ok(())
}

fn parse_tags(tags: &[String]) -> Result<Vec<String>> {
    const MAX_TAGS: usize = 50;
    if tags.len() > MAX_TAGS {
        return Err(Error::bad_input(
            "profile.tags",
            say!("a client has at most {most} tags", most = MAX_TAGS),
        ));
    }
    let mut parsed = tags
        .iter()
        .enumerate()
        .map(|(at, tag)| text::tag(&format!("profile.tags.{at}"), tag))
        .collect::<Result<Vec<_>>>()?;
    parsed.sort_unstable();
    parsed.dedup();
    Ok(parsed)
}

async fn replace_tags(tx: &Tx, client: &LockedClient, tags: Vec<String>) -> Result<()> {
    let gone =
        Condition::all().add(client_tag::Column::Tag.is_not_in(tags.iter().map(String::as_str)));
    tx.delete_under::<client_tag::Entity>(client, gone).await?;
    let present = tx
        .select::<client_tag::Entity>()
        .filter(client_tag::Column::ClientId.eq(client.id))
        .all()
        .await?;
    let rows: Vec<client_tag::ActiveModel> = tags
        .into_iter()
        .filter(|tag| !present.iter().any(|row| row.tag == *tag))
        .map(|tag| client_tag::ActiveModel {
            tag: Set(tag),
            ..Default::default()
        })
        .collect();
    if !rows.is_empty() {
        tx.insert_all_under::<client_tag::Entity>(client, rows)
            .await?;
    }
    Ok(())
}

/// What searches of a client look at: its own facts, and the search texts of its contacts.
pub(crate) fn search_text(row: &client::ActiveModel, contacts: &[&str]) -> String {
    let mut parts: Vec<&str> = Vec::new();
    if let Some(name) = row.name.try_as_ref() {
        parts.push(name);
    }
    for part in [
        &row.external_id,
        &row.phone,
        &row.email,
        &row.messaging_handle,
    ] {
        if let Some(Some(part)) = part.try_as_ref() {
            parts.push(part);
        }
    }
    let mut text = text::search_text(&parts);
    for contact in contacts {
        text.push_str(contact);
    }
    text
}

/// A patch of a text, parsed; what is blank clears.
pub(super) fn each(
    patch: Option<Option<String>>,
    parse: impl Fn(&str) -> Result<String>,
) -> Result<Option<Option<String>>> {
    match patch {
        Some(Some(value)) if !value.trim().is_empty() => Ok(Some(Some(parse(&value)?))),
        Some(_) => Ok(Some(None)),
        None => Ok(None),
    }
}

/// A patch as a column: what is absent stays.
pub(super) fn set<V>(patch: Option<V>) -> ActiveValue<V>
where
    V: Into<sea_orm::Value>,
{
    patch.map_or(NotSet, Set)
}

fn keep<V>(patch: Option<V>, present: ActiveValue<V>) -> ActiveValue<V>
where
    V: Into<sea_orm::Value>,
{
    patch.map_or(present, Set)
}
