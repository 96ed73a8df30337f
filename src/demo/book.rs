//! The book: clients with their addresses, contacts, notes, tags and shares.

use std::collections::HashSet;

use chrono::NaiveDate;
use entity::contact::{ContactPoint, ContactPoints, ContactRoles};
use entity::{
    AddressKind, ClientId, ClientKind, ClientNature, ContactPointKind, ContactRole, CustomKind,
    Gender, Lifecycle, MemberRole, PartyClass, ServiceMode, UserId, address, client, client_member,
    client_tag, contact, note,
};
use sea_orm::IntoActiveModel;

use super::names::{self, City};
use super::random::Random;
use super::{CURRENCY, Calendar, Rows, team};
use crate::domain::{clients, text};

const CLIENTS: usize = 240;

/// How a client buys.
pub(super) struct Buyer {
    pub client_id: ClientId,
    /// Who writes its orders.
    pub rep: UserId,
    /// How much it buys at a time: 1 (little) to 6.
    pub size: i64,
    /// Days between two orders; none buys nothing.
    pub cycle_days: Option<i64>,
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
    pub payment_term_days: i32,
    pub ship_to: address::Model,
    pub name: String,
}

/// What a client is like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Custom {
    Prospect,
    Active,
    Lost,
}

pub(super) fn make(rows: &mut Rows, random: &mut Random, calendar: Calendar) -> Vec<Buyer> {
    let mut taken = HashSet::new();
    let mut buyers = Vec::with_capacity(CLIENTS);
    while buyers.len() < CLIENTS {
        let is_chinese = random.chance(72);
        let kind = if random.chance(78) {
            ClientKind::Organization
        } else {
            ClientKind::Individual
        };
        let city = if is_chinese {
            random.pick_or(names::HOME, names::CHINESE_CITIES)
        } else {
            random.pick_or(names::HOME, names::OTHER_CITIES)
        };
        let (name, trade) = match kind {
            ClientKind::Organization => firm(random, city),
            ClientKind::Individual => (person(random, city.is_chinese), ""),
        };
        if taken.insert(name.clone()) {
            let buyer = make_one(rows, random, calendar, kind, city, name, trade);
            buyers.extend(buyer);
        }
    }
    share(rows, random, calendar);
    buyers
}

fn make_one(
    rows: &mut Rows,
    random: &mut Random,
    calendar: Calendar,
    kind: ClientKind,
    city: City,
    name: String,
    trade: &str,
) -> Option<Buyer> {
    let reps = team::reps(rows, city.is_chinese);
    let director = team::id_of(rows, team::DIRECTOR)?;
    let rep = random.pick_or(director, &reps);
    // Some lie in the pool and wait for somebody.
    let owner_id = (!random.chance(4)).then_some(rep);
    let custom = match random.between(1, 100) {
        1..=22 => Custom::Prospect,
        23..=31 => Custom::Lost,
        _ => Custom::Active,
    };
    let size = match kind {
        ClientKind::Organization => random.between(1, 6),
        ClientKind::Individual => 1,
    };
    let known_since = calendar.ago(random.between(30, 1_500));
    let made_at = calendar.at(known_since, random.between(0, 479));
    let id: ClientId = random.id(made_at);
    let is_firm = kind == ClientKind::Organization;
    let first_day =
        known_since.max(calendar.ago(i64::try_from(super::HISTORY_DAYS).unwrap_or(730)));
    let last_day = match custom {
        Custom::Lost => calendar.ago(random.between(200, 420)),
        Custom::Prospect | Custom::Active => calendar.today,
    };
    let payment_term_days = if is_firm { 30 } else { 7 };
    let row = client::Model {
        id,
        external_id: None,
        kind,
        name_sort: text::name_sort(&name),
        name: name.clone(),
        search_text: String::new(),
        owner_id,
        parent_id: None,
        party_class: match trade {
            "Wholesale" => PartyClass::Distributor,
            "Events" => PartyClass::Partner,
            _ => PartyClass::EndCustomer,
        },
        lifecycle: match custom {
            Custom::Prospect => random.pick_or(
                Lifecycle::Prospect,
                &[
                    Lifecycle::Stranger,
                    Lifecycle::Prospect,
                    Lifecycle::Possible,
                ],
            ),
            Custom::Active if size >= 5 => Lifecycle::Lifelong,
            Custom::Active => Lifecycle::Customer,
            Custom::Lost => Lifecycle::Lost,
        },
        custom_kind: (custom == Custom::Active).then_some(match size {
            5.. => CustomKind::Key,
            2..=4 => CustomKind::Fixed,
            _ => CustomKind::WalkIn,
        }),
        service_mode: if city.is_chinese {
            Some(if size >= 3 {
                ServiceMode::Relationship
            } else {
                ServiceMode::Transaction
            })
        } else {
            Some(ServiceMode::International)
        },
        phone: Some(phone(random, city.is_chinese)),
        fax: None,
        email: None,
        website: None,
        messaging_handle: city
            .is_chinese
            .then(|| format!("wx_{}", random.between(100_000, 999_999))),
        gender: (!is_firm).then(|| random.pick_or(Gender::Female, &[Gender::Female, Gender::Male])),
        birthday: None,
        nature: is_firm.then(|| {
            random.pick_or(
                ClientNature::Private,
                &[
                    ClientNature::Private,
                    ClientNature::Private,
                    ClientNature::StateOwned,
                    ClientNature::Foreign,
                ],
            )
        }),
        industry: is_firm.then(|| trade.to_owned()),
        employee_count: is_firm
            .then(|| i32::try_from(random.between(2, 40) * size).unwrap_or_default()),
        preferences: None,
        buying_habits: None,
        currency: CURRENCY.to_owned(),
        credit_limit_minor: (is_firm && random.chance(40)).then_some(size * 2_000_000),
        payment_term_days: Some(payment_term_days),
        since_on: (custom != Custom::Prospect).then_some(known_since),
        version: 1,
        created_at: made_at,
        updated_at: made_at,
        archived_at: None,
    };
    let ship_to = make_address(rows, random, calendar, &row, city);
    let contacts = make_contacts(rows, random, calendar, &row, city);
    make_tags(rows, random, id);
    make_notes(rows, random, calendar, &row, rep);
    let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
    let search_text = clients::search_text(&row.clone().into_active_model(), &contacts);
    rows.clients.push(client::Model { search_text, ..row });
    Some(Buyer {
        client_id: id,
        rep,
        size,
        cycle_days: (custom != Custom::Prospect).then(|| random.between(20, 110)),
        first_day,
        last_day,
        payment_term_days,
        ship_to,
        name,
    })
}

fn firm(random: &mut Random, city: City) -> (String, &'static str) {
    if city.is_chinese {
        let (kind, trade) = random.pick(names::CHINESE_TRADES);
        let word = random.pick(names::CHINESE_FIRMS);
        (format!("{}{word}{kind}", city.name), trade)
    } else {
        let (kind, trade) = random.pick(names::OTHER_TRADES);
        let word = random.pick(names::OTHER_FIRMS);
        (format!("{word} {kind}"), trade)
    }
}

fn person(random: &mut Random, is_chinese: bool) -> String {
    if is_chinese {
        let surname = random.pick(names::SURNAMES);
        format!("{surname}{}", random.pick(names::CHINESE_GIVEN))
    } else {
        let given = random.pick(names::OTHER_GIVEN);
        format!("{given} {}", random.pick(names::OTHER_SURNAMES))
    }
}

/// Numbers that nobody has: `555` abroad, a prefix that is not given out in China.
fn phone(random: &mut Random, is_chinese: bool) -> String {
    if is_chinese {
        let (middle, last) = (random.between(0, 9_999), random.between(0, 9_999));
        format!("140 {middle:04} {last:04}")
    } else {
        format!("+1 (604) 555-{:04}", random.between(100, 199))
    }
}

fn make_address(
    rows: &mut Rows,
    random: &mut Random,
    calendar: Calendar,
    client: &client::Model,
    city: City,
) -> address::Model {
    let number = random.between(1, 320);
    let street = if city.is_chinese {
        format!("{}{number}号", random.pick(names::CHINESE_STREETS))
    } else {
        format!("{number} {}", random.pick(names::OTHER_STREETS))
    };
    // Some five kilometres around the middle of the city.
    let mut near = |middle: i32| {
        let offset = i32::try_from(random.between(-450_000, 450_000)).unwrap_or_default();
        Some(middle.saturating_add(offset))
    };
    let (latitude_e7, longitude_e7) = (near(city.latitude_e7), near(city.longitude_e7));
    let made_at = client.created_at;
    let row = address::Model {
        id: random.id(made_at),
        client_id: client.id,
        kind: match client.kind {
            ClientKind::Organization => AddressKind::Office,
            ClientKind::Individual => AddressKind::Home,
        },
        label: None,
        recipient: Some(client.name.clone()),
        street: Some(street),
        city: Some(city.name.to_owned()),
        region: Some(city.region.to_owned()),
        postal_code: Some(city.postal_code.to_owned()),
        country: Some(city.country.to_owned()),
        latitude_e7,
        longitude_e7,
        is_primary: true,
        version: 1,
        created_at: made_at,
        updated_at: made_at,
        archived_at: None,
    };
    if client.kind == ClientKind::Organization && random.chance(18) {
        let made_at = calendar.at(calendar.ago(random.between(1, 20)), 30);
        rows.addresses.push(address::Model {
            id: random.id(made_at),
            kind: AddressKind::Warehouse,
            label: Some("Warehouse 2".to_owned()),
            latitude_e7: None,
            longitude_e7: None,
            is_primary: false,
            created_at: made_at,
            updated_at: made_at,
            ..row.clone()
        });
    }
    rows.addresses.push(row.clone());
    row
}

/// Adds contacts; answers what searches of the client see of them.
fn make_contacts(
    rows: &mut Rows,
    random: &mut Random,
    calendar: Calendar,
    client: &client::Model,
    city: City,
) -> Vec<String> {
    let count = match client.kind {
        ClientKind::Organization => random.between(1, 3),
        ClientKind::Individual => 0,
    };
    let mut texts = Vec::new();
    for at in 0..count {
        let name = person(random, city.is_chinese);
        let title = if city.is_chinese {
            random.pick(names::CHINESE_TITLES)
        } else {
            random.pick(names::OTHER_TITLES)
        };
        let number = phone(random, city.is_chinese);
        let mut points = vec![ContactPoint {
            kind: ContactPointKind::Mobile,
            value: number.clone(),
            label: None,
            is_preferred: !city.is_chinese,
        }];
        if city.is_chinese {
            points.push(ContactPoint {
                kind: ContactPointKind::Wechat,
                value: format!("wx_{}", random.between(100_000, 999_999)),
                label: None,
                is_preferred: true,
            });
        }
        let age = random.between(9_000, 20_000);
        let made_at = client.created_at;
        let parts: Vec<&str> = std::iter::once(name.as_str())
            .chain(points.iter().map(|point| point.value.as_str()))
            .collect();
        let search_text = text::search_text(&parts);
        texts.push(search_text.clone());
        rows.contacts.push(contact::Model {
            id: random.id(made_at),
            external_id: None,
            client_id: client.id,
            name_sort: text::name_sort(&name),
            search_text,
            name,
            title: Some(title.to_owned()),
            department: None,
            is_key: at == 0,
            roles: ContactRoles(vec![random.pick_or(
                ContactRole::Decider,
                &[
                    ContactRole::Decider,
                    ContactRole::Influencer,
                    ContactRole::User,
                    ContactRole::Gatekeeper,
                ],
            )]),
            gender: None,
            birthday: random.chance(60).then(|| calendar.ago(age)),
            points: ContactPoints(points),
            likes: None,
            social_status: None,
            note: None,
            version: 1,
            created_at: made_at,
            updated_at: made_at,
            archived_at: None,
        });
    }
    texts
}

fn make_tags(rows: &mut Rows, random: &mut Random, client_id: ClientId) {
    let mut tags: Vec<&str> = (0..random.between(0, 3))
        .map(|_| random.pick(names::TAGS))
        .collect();
    tags.sort_unstable();
    tags.dedup();
    rows.tags
        .extend(tags.into_iter().map(|tag| client_tag::Model {
            client_id,
            tag: tag.to_owned(),
        }));
}

fn make_notes(
    rows: &mut Rows,
    random: &mut Random,
    calendar: Calendar,
    client: &client::Model,
    author_id: UserId,
) {
    let known_for = calendar.age(client.created_at.date_naive()).min(500);
    for _ in 0..random.between(0, 3) {
        let day = calendar.ago(random.between(0, known_for));
        let made_at = calendar.at(day, random.between(0, 479));
        rows.notes.push(note::Model {
            id: random.id(made_at),
            client_id: client.id,
            author_id,
            body: random.pick(names::NOTES).to_owned(),
            is_pinned: random.chance(10),
            version: 1,
            created_at: made_at,
            updated_at: made_at,
            archived_at: None,
        });
    }
}

/// Lets some reps in to clients of others.
fn share(rows: &mut Rows, random: &mut Random, calendar: Calendar) {
    let everybody: Vec<UserId> = [true, false]
        .into_iter()
        .flat_map(|is_chinese| team::reps(rows, is_chinese))
        .collect();
    let clients: Vec<(ClientId, UserId)> = rows
        .clients
        .iter()
        .filter_map(|client| Some((client.id, client.owner_id?)))
        .collect();
    for (client_id, owner_id) in clients {
        if !random.chance(6) {
            continue;
        }
        let user_id = random.pick_or(owner_id, &everybody);
        if user_id == owner_id {
            continue;
        }
        let made_at = calendar.at(calendar.ago(random.between(1, 60)), 120);
        rows.members.push(client_member::Model {
            id: random.id(made_at),
            client_id,
            user_id,
            role: random.pick_or(None, &[None, Some(MemberRole::Specialist)]),
            expires_at: None,
            note: None,
            granted_by_id: owner_id,
            version: 1,
            created_at: made_at,
            updated_at: made_at,
        });
    }
}
