//! `contacts.csv`: people at clients.

use std::collections::{HashMap, HashSet};

use entity::contact::{ContactPoint, ContactPoints, ContactRoles};
use entity::{ClientId, ContactId, ContactPointKind, contact};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::ColumnTrait;

use super::clients::know_clients;
use super::read::{Columns, Problem, Row, flag, number_as_written};
use super::{FileKind, Known, Run, Work, by_key, differing, look_up, values_of};
use crate::db::{Session, Tx, Visible};
use crate::domain::clients;
use crate::domain::text::{self, Email};
use crate::error::Result;

pub(super) const COLUMNS: Columns = Columns {
    required: &["external_id", "client_external_id", "name"],
    optional: &[
        "title",
        "department",
        "phone",
        "mobile",
        "email",
        "is_primary",
    ],
};

const KIND: FileKind = FileKind::Contacts;
const CLIENT: &str = "client_external_id";

pub(super) async fn import(run: &mut Run<'_>) -> Result<()> {
    let Some(table) = run.take(KIND) else {
        return Ok(());
    };
    let session = run.session.clone();
    let keys = values_of(&table, "external_id");
    let found = look_up::<contact::Entity>(&session, contact::Column::ExternalId, keys).await?;
    let present = by_key(found, |contact| contact.external_id.clone());
    know_clients(&session, &mut run.known, values_of(&table, CLIENT)).await?;
    let mut key_contacts = HashMap::new();
    let planned = run.plan::<contact::Entity, _>(KIND, &table, &present, |known, row, found| {
        plan_row(&session, known, &mut key_contacts, row, found)
    });
    let written = run
        .write(KIND, planned, 200, |tx, chunk| async move {
            write(&tx, chunk.iter().map(|one| one.work.clone()).collect()).await
        })
        .await?;
    run.count_written(KIND, &written);
    Ok(())
}

fn plan_row(
    session: &Session,
    known: &Known,
    key_contacts: &mut HashMap<ClientId, u64>,
    row: Row<'_>,
    present: Option<&Visible<contact::Model>>,
) -> Result<contact::ActiveModel, Problem> {
    let client_id = client_of(known, row, present);
    let name = row.demand("name", |name| text::text("name", name, 200));
    let title = row.value("title", |title| text::text("title", title, 100));
    let department = row.value("department", |text| text::text("department", text, 100));
    let numbers = [
        ("phone", ContactPointKind::Phone),
        ("mobile", ContactPointKind::Mobile),
    ]
    .map(|(column, kind)| (kind, row.parse(column, number_as_written)));
    let email = row.parse("email", |email| Email::parse("email", email));
    let is_key = row.parse("is_primary", flag);
    // Only now may the first that is wrong end it: all of them are told.
    let (client_id, name, title, department) = (client_id?, name?, title?, department?);
    let mut points = present.map_or_else(Vec::new, |present| present.points.0.clone());
    for (kind, number) in numbers {
        if let Some(number) = number? {
            set_point(&mut points, kind, number);
        }
    }
    if let Some(email) = email? {
        set_point(&mut points, ContactPointKind::Email, email.into_string());
    }
    let is_key = is_key?;
    if is_key == Some(true) {
        let first = *key_contacts.entry(client_id).or_insert(row.line);
        if first != row.line {
            let reason = format!("the contact on line {first} is the client's primary one");
            return Err(row.problem("is_primary", reason));
        }
    }
    let mut parts = vec![name.as_str()];
    parts.extend(points.iter().map(|point| point.value.as_str()));
    let common = contact::ActiveModel {
        search_text: Set(text::search_text(&parts)),
        name_sort: Set(text::name_sort(&name)),
        name: Set(name),
        title,
        department,
        points: Set(ContactPoints(points)),
        ..Default::default()
    };
    if present.is_some() {
        return Ok(contact::ActiveModel {
            is_key: is_key.map_or(NotSet, Set),
            ..common
        });
    }
    let now = session.now();
    Ok(contact::ActiveModel {
        id: Set(ContactId(uuid::Uuid::now_v7())),
        external_id: Set(Some(row.raw("external_id").to_owned())),
        client_id: Set(client_id),
        is_key: Set(is_key.unwrap_or_default()),
        roles: Set(ContactRoles::default()),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..common
    })
}

/// The client that the row names.
fn client_of(
    known: &Known,
    row: Row<'_>,
    present: Option<&Visible<contact::Model>>,
) -> Result<ClientId, Problem> {
    let client_key = row.demand(CLIENT, |key| Ok(key.to_owned()))?;
    let problem = match known.clients.get(&client_key) {
        Some(client) if present.is_none_or(|present| present.client_id == client.id) => {
            return Ok(client.id);
        }
        Some(_) => row.problem(CLIENT, "this contact belongs to another client already"),
        None => row.problem(CLIENT, known.dangling(FileKind::Clients, &client_key)),
    };
    row.note(&problem);
    Err(problem)
}

/// Puts `value` in the place of the first point of its kind, or at the end. What the file leaves blank stays:
/// it may have been added here.
fn set_point(points: &mut Vec<ContactPoint>, kind: ContactPointKind, value: String) {
    if let Some(point) = points.iter_mut().find(|point| point.kind == kind) {
        point.value = value;
        return;
    }
    points.push(ContactPoint {
        kind,
        value,
        label: None,
        is_preferred: points.is_empty(),
    });
}

async fn write(tx: &Tx, work: Vec<Work<contact::Entity>>) -> Result<()> {
    let mut ids = Vec::new();
    let mut new_keys = HashSet::new();
    let mut new = Vec::new();
    let mut changed = Vec::new();
    for one in work {
        match one {
            Work::Create(row) => {
                let client_id = row.client_id.try_as_ref().copied();
                ids.extend(client_id);
                if row.is_key.try_as_ref() == Some(&true) {
                    new_keys.extend(client_id);
                }
                new.push(row);
            }
            Work::Update(present, row) => {
                ids.push(present.client_id);
                if row.is_key.try_as_ref() == Some(&true) {
                    new_keys.insert(present.client_id);
                }
                changed.push((present, row));
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    let locked = tx.lock_clients(&ids).await?;
    // A client has one key contact: the one of the file takes the place of the one before.
    let former = tx
        .select::<contact::Entity>()
        .filter(contact::Column::ClientId.is_in(new_keys))
        .filter(contact::Column::IsKey.eq(true))
        .all()
        .await?;
    for contact in former {
        if changed.iter().any(|(present, _)| present.id == contact.id) {
            continue;
        }
        let row = contact::ActiveModel {
            is_key: Set(false),
            ..Default::default()
        };
        tx.update::<contact::Entity>(&contact, None, row).await?;
    }
    for (present, row) in changed {
        // Read again: the key contact of before may have been changed just now.
        let present = tx.select::<contact::Entity>().id(present.id).get().await?;
        if let Some(row) = differing::<contact::Entity>(&present, row) {
            tx.update::<contact::Entity>(&present, None, row).await?;
        }
    }
    tx.insert_across::<contact::Entity>(&locked, new).await?;
    for client in &locked {
        clients::refresh_search(tx, client).await?;
    }
    Ok(())
}
