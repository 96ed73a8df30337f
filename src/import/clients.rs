//! `clients.csv`: who buys, who answers for them, and one address each.

use std::collections::{HashMap, HashSet};

use entity::{AddressId, AddressKind, ClientId, ClientKind, Lifecycle, PartyClass, UserId};
use entity::{address, client, user};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveModelTrait, ColumnTrait};

use super::read::{Columns, Problem, Row, Table, day, number_as_written, wrong};
use super::{
    FileKind, Known, KnownClient, Planned, Run, by_key, differing, key_problem, look_up, values_of,
};
use crate::db::{Session, Tx, Visible};
use crate::domain::clients;
use crate::domain::money::CurrencyCode;
use crate::domain::text::{self, Email};
use crate::error::Result;

pub(super) const COLUMNS: Columns = Columns {
    required: &["external_id", "kind", "name", "currency"],
    optional: &[
        "owner_external_id",
        "phone",
        "fax",
        "email",
        "website",
        "street",
        "city",
        "region",
        "postal_code",
        "country",
        "since",
    ],
};

const KIND: FileKind = FileKind::Clients;
const OWNER: &str = "owner_external_id";
const ADDRESS: [&str; 5] = ["street", "city", "region", "postal_code", "country"];

/// What is to be done with one client.
#[derive(Clone)]
struct Work {
    id: ClientId,
    client: Change<client::ActiveModel, Visible<client::Model>>,
    address: Change<address::ActiveModel, Visible<address::Model>>,
}

#[derive(Clone)]
enum Change<A, M> {
    None,
    Create(A),
    Update(M, A),
}

pub(super) async fn import(run: &mut Run<'_>) -> Result<()> {
    let Some(table) = run.take(KIND) else {
        return Ok(());
    };
    let session = run.session.clone();
    let keys = values_of(&table, "external_id");
    let found = look_up::<client::Entity>(&session, client::Column::ExternalId, keys).await?;
    let present = by_key(found, |client| client.external_id.clone());
    let addresses = primary_addresses(&session, &present).await?;
    know_users(&session, &mut run.known, values_of(&table, OWNER)).await?;
    // Whoever has orders in the same import is a customer from the start.
    let buyers: HashSet<String> = run
        .tables
        .get(&FileKind::Orders)
        .map(|orders| values_of(orders, "client_external_id"))
        .unwrap_or_default()
        .into_iter()
        .collect();
    let planned = plan(run, &table, &present, &addresses, &buyers);
    let is_new = |one: &Planned<Work>| matches!(one.work.client, Change::Create(_));
    let created: Vec<String> = planned
        .iter()
        .filter(|one| is_new(one))
        .map(|one| one.external_id.clone())
        .collect();
    let written = run
        .write(KIND, planned, 200, |tx, chunk| async move {
            let work: Vec<Work> = chunk.iter().map(|one| one.work.clone()).collect();
            write(&tx, work).await
        })
        .await?;
    let went_in: HashSet<&str> = written.iter().map(|one| one.external_id.as_str()).collect();
    for external_id in &created {
        if !went_in.contains(external_id.as_str()) {
            run.known.clients.remove(external_id);
        }
    }
    for one in &written {
        run.report.count(KIND, |counts| {
            if is_new(one) {
                counts.created += 1;
            } else {
                counts.updated += 1;
            }
        });
    }
    Ok(())
}

/// Finds the users among `keys` that are not known yet.
pub(super) async fn know_users(
    session: &Session,
    known: &mut Known,
    keys: Vec<String>,
) -> Result<()> {
    let unknown = keys
        .into_iter()
        .filter(|key| !known.users.contains_key(key))
        .collect();
    for user in look_up::<user::Entity>(session, user::Column::ExternalId, unknown).await? {
        if let Some(key) = &user.external_id {
            known.users.insert(key.clone(), user.id);
        }
    }
    Ok(())
}

/// Finds the clients among `keys` that are not known yet.
pub(super) async fn know_clients(
    session: &Session,
    known: &mut Known,
    keys: Vec<String>,
) -> Result<()> {
    let unknown = keys
        .into_iter()
        .filter(|key| !known.clients.contains_key(key))
        .collect();
    for client in look_up::<client::Entity>(session, client::Column::ExternalId, unknown).await? {
        if let Some(key) = &client.external_id {
            let known_client = KnownClient {
                id: client.id,
                currency: client.currency.clone(),
                owner_id: client.owner_id,
            };
            known.clients.insert(key.clone(), known_client);
        }
    }
    Ok(())
}

async fn primary_addresses(
    session: &Session,
    clients: &HashMap<String, Visible<client::Model>>,
) -> Result<HashMap<ClientId, Visible<address::Model>>> {
    let ids: Vec<ClientId> = clients.values().map(|client| client.id).collect();
    let mut addresses = HashMap::new();
    for chunk in ids.chunks(5_000) {
        let rows = session
            .select::<address::Entity>()
            .filter(address::Column::ClientId.is_in(chunk.iter().copied()))
            .filter(address::Column::IsPrimary.eq(true))
            .filter(address::Column::ArchivedAt.is_null())
            .all()
            .await?;
        addresses.extend(rows.into_iter().map(|row| (row.client_id, row)));
    }
    Ok(addresses)
}

fn plan(
    run: &mut Run<'_>,
    table: &Table,
    present: &HashMap<String, Visible<client::Model>>,
    addresses: &HashMap<ClientId, Visible<address::Model>>,
    buyers: &HashSet<String>,
) -> Vec<Planned<Work>> {
    let mut seen = HashMap::new();
    let mut planned = Vec::new();
    for row in table.rows() {
        let external_id = row.raw("external_id");
        if let Some(problem) = key_problem(row, external_id, &mut seen) {
            run.refuse(KIND, row.line, "", problem);
            continue;
        }
        let found = present.get(external_id);
        let address = found.and_then(|client| addresses.get(&client.id));
        let is_buyer = buyers.contains(external_id);
        match plan_row(run, row, found, address, is_buyer) {
            Err(problem) => run.refuse_row(KIND, row, external_id, problem),
            Ok(None) => run.report.count(KIND, |counts| counts.unchanged += 1),
            Ok(Some(work)) => planned.push(Planned {
                line: row.line,
                external_id: external_id.to_owned(),
                work,
            }),
        }
    }
    planned
}

fn plan_row(
    run: &mut Run<'_>,
    row: Row<'_>,
    present: Option<&Visible<client::Model>>,
    present_address: Option<&Visible<address::Model>>,
    is_buyer: bool,
) -> Result<Option<Work>, Problem> {
    let external_id = row.raw("external_id");
    // All of them are read before the first that is wrong ends it: whoever mends the file wants to know all.
    let kind = row.demand("kind", kind);
    let name = row.demand("name", |name| text::text("name", name, 200));
    let currency = row.demand("currency", CurrencyCode::parse);
    let owner_id = owner(&run.known, row);
    let phone = row.value("phone", number_as_written);
    let fax = row.value("fax", number_as_written);
    let email = row.value("email", |email| {
        Email::parse("email", email).map(Email::into_string)
    });
    let website = row.value("website", |website| text::text("website", website, 300));
    let since_on = row.value("since", day);
    let parts = read_address(row);
    let (kind, name, currency, owner_id) = (kind?, name?, currency?, owner_id?);
    let common = client::ActiveModel {
        name_sort: Set(text::name_sort(&name)),
        name: Set(name),
        owner_id: owner_id.map_or(NotSet, Set),
        phone: phone?,
        fax: fax?,
        email: email?,
        website: website?,
        since_on: since_on?,
        ..Default::default()
    };
    let now = run.session.now();
    let id = present.map_or_else(|| ClientId(uuid::Uuid::now_v7()), |client| client.id);
    let address = plan_address(parts?, id, present_address, now);
    let client = match present {
        None => {
            let mut new = client::ActiveModel {
                id: Set(id),
                external_id: Set(Some(external_id.to_owned())),
                kind: Set(kind),
                party_class: Set(PartyClass::EndCustomer),
                lifecycle: Set(if is_buyer {
                    Lifecycle::Customer
                } else {
                    Lifecycle::Prospect
                }),
                currency: Set(currency.as_str().to_owned()),
                version: Set(1),
                created_at: Set(now),
                updated_at: Set(now),
                ..common
            };
            new.search_text = Set(clients::search_text(&new, &[]));
            Change::Create(new)
        }
        Some(present) => {
            if present.kind != kind {
                return Err(row.problem("kind", "the kind of a client that exists stays as it is"));
            }
            if present.currency != currency.as_str() {
                let reason = format!("this client is billed in {} already", present.currency);
                return Err(row.problem("currency", reason));
            }
            match differing::<client::Entity>(present, common) {
                Some(changes) => Change::Update(present.clone(), changes),
                None => Change::None,
            }
        }
    };
    let known = KnownClient {
        id,
        currency: currency.as_str().to_owned(),
        owner_id: owner_id.unwrap_or_else(|| present.and_then(|client| client.owner_id)),
    };
    run.known.clients.insert(external_id.to_owned(), known);
    Ok(match (&client, &address) {
        (Change::None, Change::None) => None,
        _ => Some(Work {
            id,
            client,
            address,
        }),
    })
}

/// Who answers for the client: nothing when the file does not say, nobody when the field is blank.
fn owner(known: &Known, row: Row<'_>) -> Result<Option<Option<UserId>>, Problem> {
    if !row.has(OWNER) {
        return Ok(None);
    }
    let Some(key) = row.text(OWNER) else {
        return Ok(Some(None));
    };
    if let Some(id) = known.users.get(key) {
        Ok(Some(Some(*id)))
    } else {
        let problem = row.problem(OWNER, known.dangling(FileKind::Reps, key));
        row.note(&problem);
        Err(problem)
    }
}

/// The address of a row; nothing when none of its columns holds anything.
fn read_address(row: Row<'_>) -> Result<Option<address::ActiveModel>, Problem> {
    if ADDRESS.iter().all(|column| row.text(column).is_none()) {
        return Ok(None);
    }
    let [street, city, region, postal_code, country] = ADDRESS.map(|column| {
        row.value(column, |part| match column {
            "street" => text::long_text(column, part, 500),
            _ => text::text(column, part, 200),
        })
    });
    Ok(Some(address::ActiveModel {
        street: street?,
        city: city?,
        region: region?,
        postal_code: postal_code?,
        country: country?,
        ..Default::default()
    }))
}

/// The primary address of the client becomes what the row says; a row without any address leaves it alone.
fn plan_address(
    parts: Option<address::ActiveModel>,
    client_id: ClientId,
    present: Option<&Visible<address::Model>>,
    now: chrono::DateTime<chrono::Utc>,
) -> Change<address::ActiveModel, Visible<address::Model>> {
    let Some(common) = parts else {
        return Change::None;
    };
    match present {
        None => Change::Create(address::ActiveModel {
            id: Set(AddressId(uuid::Uuid::now_v7())),
            client_id: Set(client_id),
            kind: Set(AddressKind::Office),
            is_primary: Set(true),
            version: Set(1),
            created_at: Set(now),
            updated_at: Set(now),
            ..common
        }),
        Some(present) => match differing::<address::Entity>(present, common) {
            Some(mut changes) => {
                // Where it lay on the map no longer holds.
                if differs_in_place(&changes) {
                    changes.latitude_e7 = Set(None);
                    changes.longitude_e7 = Set(None);
                }
                Change::Update(present.clone(), changes)
            }
            None => Change::None,
        },
    }
}

fn differs_in_place(changes: &address::ActiveModel) -> bool {
    [
        address::Column::Street,
        address::Column::City,
        address::Column::Country,
    ]
    .into_iter()
    .any(|column| matches!(changes.get(column), Set(_)))
}

async fn write(tx: &Tx, work: Vec<Work>) -> Result<()> {
    let ids: Vec<ClientId> = work.iter().map(|one| one.id).collect();
    let mut new_clients = Vec::new();
    let mut new_addresses = Vec::new();
    let mut changed = Vec::new();
    for one in work {
        match one.client {
            Change::None => {}
            Change::Create(row) => new_clients.push(row),
            Change::Update(present, row) => changed.push((present, row)),
        }
        match one.address {
            Change::None => {}
            Change::Create(row) => new_addresses.push(row),
            Change::Update(present, row) => {
                tx.lock_client(present.client_id).await?;
                tx.update::<address::Entity>(&present, None, row).await?;
            }
        }
    }
    let new_ids: Vec<ClientId> = new_clients
        .iter()
        .filter_map(|row| row.id.try_as_ref().copied())
        .collect();
    tx.insert_all::<client::Entity>(new_clients).await?;
    let locked = tx.lock_clients(&ids).await?;
    tx.insert_across::<address::Entity>(&locked, new_addresses)
        .await?;
    for (present, row) in changed {
        let updated = tx.update::<client::Entity>(&present, None, row).await?;
        clients::refresh_search(tx, &updated).await?;
    }
    let new: Vec<_> = locked
        .into_iter()
        .filter(|client| new_ids.contains(&client.id))
        .collect();
    tx.refresh_stats_of(&new).await
}

fn kind(text: &str) -> Result<ClientKind> {
    match text.to_uppercase().as_str() {
        "COMPANY" | "ORGANIZATION" => Ok(ClientKind::Organization),
        "PERSON" | "INDIVIDUAL" => Ok(ClientKind::Individual),
        _ => Err(wrong("expected ORGANIZATION or INDIVIDUAL")),
    }
}
