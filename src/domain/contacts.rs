//! The people at a client and how to reach them. At most one of them is the client's key contact.

use std::collections::HashSet;

use chrono::{Datelike, Days, NaiveDate};
use entity::contact::{ContactPoint, ContactPoints, ContactRoles};
use entity::{ClientId, ContactId, ContactPointKind, ContactRole, Gender, contact};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ColumnTrait, Condition};

use super::clients::{self, each, set};
use super::text::{self, Email};
use super::{confidential, external_ids};
use crate::db::{Confidential, LockedClient, Session, Tx, Visible};
use crate::error::{Error, Result};
use crate::say;

/// How many contacts of one client are in use at most.
pub const MAX_PER_CLIENT: u64 = 200;

/// How many phones and handles one contact has at most.
pub const MAX_POINTS: usize = 20;

/// How many days ahead birthdays can be looked for.
pub const MAX_BIRTHDAY_DAYS: i32 = 60;

/// A contact to be.
#[derive(Clone, Debug)]
pub struct NewContact {
    /// An id the caller chose, as a phone does offline.
    pub id: Option<ContactId>,
    /// The client.
    pub client: ClientId,
    /// Its id in another system.
    pub external_id: Option<String>,
    /// Their name.
    pub name: String,
    /// Everything else.
    pub profile: ContactPatch,
}

/// Changes to what is known of a contact. An outer `None` keeps what is there; an inner `None` clears it.
#[derive(Clone, Debug, Default)]
pub struct ContactPatch {
    /// Job title.
    pub title: Option<Option<String>>,
    /// Department.
    pub department: Option<Option<String>>,
    /// Whether the client is won or lost with them.
    pub is_key: Option<bool>,
    /// The parts they play in a purchase, all of them.
    pub roles: Option<Vec<ContactRole>>,
    /// Gender.
    pub gender: Option<Option<Gender>>,
    /// Birthday.
    pub birthday: Option<Option<NaiveDate>>,
    /// Phones and handles, all of them.
    pub points: Option<Vec<ContactPoint>>,
    /// What they like.
    pub likes: Option<Option<String>>,
    /// Their standing among others.
    pub social_status: Option<Option<String>>,
    /// Anything else.
    pub note: Option<Option<String>>,
}

/// Adds a contact to a client. With an id that exists and equal content it answers the contact that is
/// there. A new key contact takes the place of the one before.
///
/// # Errors
/// `NOT_FOUND` for the client; `BAD_USER_INPUT`; `FORBIDDEN` for an external id that only managers set;
/// `CONFLICT` for an id or external id that is taken; `RULE_VIOLATED` `clients.archived`, `contacts.too_many`.
pub async fn create(tx: &Tx, new: NewContact) -> Result<Visible<contact::Model>> {
    let NewContact {
        id,
        client,
        external_id,
        name,
        profile,
    } = new;
    let external_id = external_ids::parse(tx, external_id.as_deref())?;
    let client = tx
        .lock_client(client)
        .await
        .map_err(|error| error.field("clientId"))?;
    clients::require_active(&client)?;
    let name = text::text("name", &name, 200)?;
    let now = tx.now();
    let is_key = profile.is_key.unwrap_or_default();
    let row = contact::ActiveModel {
        id: Set(id.unwrap_or_else(|| tx.new_id())),
        external_id: Set(external_id),
        client_id: Set(client.id),
        name_sort: Set(text::name_sort(&name)),
        name: Set(name.clone()),
        search_text: Set(String::new()),
        is_key: Set(is_key),
        roles: Set(ContactRoles::default()),
        points: Set(ContactPoints::default()),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let mut row = apply(tx, row, profile)?;
    let mut said = row.clone();
    if id.is_some() && !tx.sees(Confidential::Personal, client.owner_id).await? {
        // Guesses at what is there must not be told apart from each other.
        said.likes = NotSet;
        said.social_status = NotSet;
    }
    if let Some(existing) = tx.existing::<contact::Entity>(id, &said).await? {
        return Ok(existing);
    }
    check_room(tx, &client).await?;
    let points = row.points.try_as_ref().map_or(&[][..], |points| &points.0);
    row.search_text = Set(search_text(&name, points));
    if is_key {
        unmake_key(tx, &client, None).await?;
    }
    let created = tx.insert_under::<contact::Entity>(&client, row).await?;
    clients::refresh_search(tx, &client).await?;
    Ok(created)
}

/// Changes a contact whose version is still `version`. A new key contact takes the place of the one
/// before.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`; `FORBIDDEN` `confidentiality.masked_field` for a fact that
/// the viewer may not see; `RULE_VIOLATED` `contacts.archived` for an archived one that would become the key
/// contact.
pub async fn update(
    tx: &Tx,
    id: ContactId,
    version: i64,
    name: Option<String>,
    profile: ContactPatch,
) -> Result<Visible<contact::Model>> {
    let (client, present) = lock(tx, id).await?;
    for (field, patch) in [
        ("likes", &profile.likes),
        ("socialStatus", &profile.social_status),
    ] {
        if patch.is_some() {
            let owner = client.owner_id;
            confidential::require_seen(tx, Confidential::Personal, owner, field).await?;
        }
    }
    let mut row = contact::ActiveModel::default();
    let name = name
        .map(|name| text::text("name", &name, 200))
        .transpose()?;
    if let Some(name) = &name {
        row.name_sort = Set(text::name_sort(name));
        row.name = Set(name.clone());
    }
    let is_key = profile.is_key.unwrap_or_default();
    let mut row = apply(tx, row, profile)?;
    let points = row.points.try_as_ref().unwrap_or(&present.points);
    row.search_text = Set(search_text(
        name.as_deref().unwrap_or(&present.name),
        &points.0,
    ));
    if is_key && present.archived_at.is_some() {
        return Err(Error::rule(
            "contacts.archived",
            say!("this contact is archived; restore it before you make it the key contact"),
        )
        .field("isKey"));
    }
    let updated = tx
        .update::<contact::Entity>(&present, Some(version), row)
        .await?;
    if is_key {
        unmake_key(tx, &client, Some(id)).await?;
    }
    clients::refresh_search(tx, &client).await?;
    Ok(updated)
}

/// Hides a contact from lists; it is the key contact no longer.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED` `contacts.already_archived`.
pub async fn archive(tx: &Tx, id: ContactId, version: i64) -> Result<Visible<contact::Model>> {
    let (client, present) = lock(tx, id).await?;
    if present.archived_at.is_some() {
        return Err(Error::rule(
            "contacts.already_archived",
            say!("this contact is archived already"),
        ));
    }
    let row = contact::ActiveModel {
        archived_at: Set(Some(tx.now())),
        is_key: Set(false),
        ..Default::default()
    };
    let archived = tx
        .update::<contact::Entity>(&present, Some(version), row)
        .await?;
    clients::refresh_search(tx, &client).await?;
    Ok(archived)
}

/// Brings an archived contact back.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED` `contacts.not_archived`, `contacts.too_many`,
/// `clients.archived`.
pub async fn restore(tx: &Tx, id: ContactId, version: i64) -> Result<Visible<contact::Model>> {
    let (client, present) = lock(tx, id).await?;
    if present.archived_at.is_none() {
        return Err(Error::rule(
            "contacts.not_archived",
            say!("this contact is not archived"),
        ));
    }
    clients::require_active(&client)?;
    check_room(tx, &client).await?;
    let row = contact::ActiveModel {
        archived_at: Set(None),
        ..Default::default()
    };
    let restored = tx
        .update::<contact::Entity>(&present, Some(version), row)
        .await?;
    clients::refresh_search(tx, &client).await?;
    Ok(restored)
}

/// The condition that finds contacts by what a person types: parts of the name, pinyin, initials, a
/// fragment of a number or handle. All words must be found.
///
/// # Errors
/// `BAD_USER_INPUT` for a search that is too short.
pub fn matching(search: &str) -> Result<Condition> {
    let mut condition = Condition::all();
    for needle in text::search_needles(search).map_err(|error| error.field("search"))? {
        condition = condition.add(crate::db::like(
            contact::Column::SearchText,
            text::like_pattern(&needle),
        ));
    }
    Ok(condition)
}

/// The condition that keeps contacts whose birthday comes within `days` days: 0 is today only, where the
/// viewer is. Who was born on a 29 February has their birthday on the 28th in other years.
///
/// # Errors
/// `BAD_USER_INPUT` unless 0 to [`MAX_BIRTHDAY_DAYS`].
pub fn birthday_within(session: &Session, days: i32) -> Result<Condition> {
    let ahead = u64::try_from(days)
        .ok()
        .filter(|_| days <= MAX_BIRTHDAY_DAYS);
    let Some(ahead) = ahead else {
        return Err(Error::bad_input(
            "birthdayWithinDays",
            say!(
                "birthdays are looked for 0 to {most} days ahead",
                most = MAX_BIRTHDAY_DAYS
            ),
        ));
    };
    let from = session.today();
    let to = from.checked_add_days(Days::new(ahead)).unwrap_or(from);
    Ok(session.month_day_between(
        contact::Column::Birthday,
        month_day(from),
        last_month_day(to),
    ))
}

fn month_day(day: NaiveDate) -> (u32, u32) {
    (day.month(), day.day())
}

/// In a year without one, the 28 February stands for the 29th too.
fn last_month_day(day: NaiveDate) -> (u32, u32) {
    match month_day(day) {
        (2, 28) if !day.leap_year() => (2, 29),
        other => other,
    }
}

/// The contact and its client, both held.
async fn lock(tx: &Tx, id: ContactId) -> Result<(LockedClient, Visible<contact::Model>)> {
    let row = tx.select::<contact::Entity>().id(id).get().await?;
    let client = tx.lock_client(row.client_id).await?;
    let row = tx.select::<contact::Entity>().id(id).get().await?;
    Ok((client, row))
}

async fn check_room(tx: &Tx, client: &LockedClient) -> Result<()> {
    let in_use = tx
        .select::<contact::Entity>()
        .filter(contact::Column::ClientId.eq(client.id))
        .filter(contact::Column::ArchivedAt.is_null())
        .count(MAX_PER_CLIENT)
        .await?;
    if in_use < MAX_PER_CLIENT {
        return Ok(());
    }
    Err(Error::rule(
        "contacts.too_many",
        say!(
            "a client has at most {most} contacts in use",
            most = MAX_PER_CLIENT
        ),
    ))
}

/// Takes the mark of the key contact off whoever has it, but `keep`.
async fn unmake_key(tx: &Tx, client: &LockedClient, keep: Option<ContactId>) -> Result<()> {
    let keys = tx
        .select::<contact::Entity>()
        .filter(contact::Column::ClientId.eq(client.id))
        .filter(contact::Column::IsKey.eq(true))
        .all()
        .await?;
    for key in keys.iter().filter(|key| Some(key.id) != keep) {
        let row = contact::ActiveModel {
            is_key: Set(false),
            ..Default::default()
        };
        tx.update::<contact::Entity>(key, None, row).await?;
    }
    Ok(())
}

fn apply(
    tx: &Tx,
    row: contact::ActiveModel,
    profile: ContactPatch,
) -> Result<contact::ActiveModel> {
    let ContactPatch {
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
    } = profile;
    if let Some(Some(birthday)) = birthday
        && birthday > tx.today()
    {
        return Err(Error::bad_input(
            "birthday",
            say!("a birthday is not in the future"),
        ));
    }
    Ok(contact::ActiveModel {
        title: set(each(title, |value| text::text("title", value, 100))?),
        department: set(each(department, |value| {
            text::text("department", value, 100)
        })?),
        is_key: is_key.map_or(row.is_key, Set),
        roles: roles.map_or(row.roles, |roles| Set(distinct(roles))),
        gender: set(gender),
        birthday: set(birthday),
        points: match points {
            Some(points) => Set(parse_points(points)?),
            None => row.points,
        },
        likes: set(each(likes, |value| text::long_text("likes", value, 2_000))?),
        social_status: set(each(social_status, |value| {
            text::long_text("socialStatus", value, 1_000)
        })?),
        note: set(each(note, |value| text::long_text("note", value, 4_000))?),
        ..row
    })
}

fn distinct(roles: Vec<ContactRole>) -> ContactRoles {
    let mut seen = HashSet::new();
    ContactRoles(
        roles
            .into_iter()
            .filter(|role| seen.insert(*role))
            .collect(),
    )
}

fn parse_points(points: Vec<ContactPoint>) -> Result<ContactPoints> {
    if points.len() > MAX_POINTS {
        return Err(Error::bad_input(
            "points",
            say!(
                "a contact has at most {most} phones and handles",
                most = MAX_POINTS
            ),
        ));
    }
    let mut parsed: Vec<ContactPoint> = Vec::with_capacity(points.len());
    for (at, point) in points.into_iter().enumerate() {
        let point = parse_point(at, point)?;
        if parsed
            .iter()
            .any(|other| other.kind == point.kind && other.value == point.value)
        {
            return Err(Error::bad_input(
                format!("points.{at}.value"),
                say!("this number or handle is in the list already"),
            ));
        }
        if point.is_preferred
            && parsed
                .iter()
                .any(|other| other.kind == point.kind && other.is_preferred)
        {
            return Err(Error::bad_input(
                format!("points.{at}.isPreferred"),
                say!("of each kind one is preferred at most"),
            ));
        }
        parsed.push(point);
    }
    Ok(ContactPoints(parsed))
}

fn parse_point(at: usize, point: ContactPoint) -> Result<ContactPoint> {
    let ContactPoint {
        kind,
        value,
        label,
        is_preferred,
    } = point;
    let field = format!("points.{at}.value");
    let value = match kind {
        ContactPointKind::Mobile | ContactPointKind::Phone | ContactPointKind::Fax => {
            text::phone(&field, &value)?
        }
        ContactPointKind::Email => Email::parse(&field, &value)?.into_string(),
        ContactPointKind::Wechat
        | ContactPointKind::Whatsapp
        | ContactPointKind::Qq
        | ContactPointKind::Line
        | ContactPointKind::Telegram
        | ContactPointKind::Other => text::text(&field, &value, 100)?,
    };
    let label = text::optional_text(&format!("points.{at}.label"), label.as_deref(), 40)?;
    Ok(ContactPoint {
        kind,
        value,
        label,
        is_preferred,
    })
}

fn search_text(name: &str, points: &[ContactPoint]) -> String {
    let mut parts = vec![name];
    parts.extend(points.iter().map(|point| point.value.as_str()));
    text::search_text(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_28_february_stands_for_the_29th_where_there_is_none() {
        let day = |text: &str| last_month_day(text.parse().unwrap());
        assert_eq!(day("2026-02-28"), (2, 29));
        assert_eq!(day("2028-02-28"), (2, 28));
        assert_eq!(day("2026-03-01"), (3, 1));
    }
}
