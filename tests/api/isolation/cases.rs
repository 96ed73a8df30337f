//! One valid input for each mutation, on rows of its own, and who may and may not send it.

use chrono::TimeDelta;
use entity::UserRole;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{Owner, Scene, World};
use crate::support::{Person, Team};

/// Pushes of phones: what they may not do is part of the answer, and is kept for the person who typed it; they have
/// crawls of their own in `pushes` beside this file, and are tried on rows of strangers in `crate::pushes::strangers`.
pub const PUSHES: [&str; 7] = [
    "syncPush",
    "pushClients",
    "pushContacts",
    "pushAddresses",
    "pushNotes",
    "pushOrders",
    "pushPayments",
];

/// An input that works for one person and for no stranger.
pub struct Attempt {
    /// Who may send it.
    pub viewer: Person,
    /// Who may not.
    pub strangers: Vec<Person>,
    /// The input.
    pub input: Value,
    /// Where the caller chooses the id of what is made: any new id will do.
    pub chosen: Vec<&'static str>,
    /// Where a user must be one who reports to the viewer.
    pub within_team: Vec<&'static str>,
}

impl Attempt {
    /// Names the places where a user must be one who reports to the viewer.
    pub fn within_team(self, places: &[&'static str]) -> Self {
        Self {
            within_team: places.to_vec(),
            ..self
        }
    }
}

/// Who plays in the attempts.
pub struct Cast {
    /// The team.
    pub team: Team,
    keeper: Person,
}

impl Cast {
    /// The cast of this company.
    pub fn of(world: &World) -> Self {
        Self {
            team: world.team.clone(),
            keeper: world.keeper.clone(),
        }
    }

    /// Something `viewer` may send and `strangers` may not.
    pub fn by(&self, viewer: &Person, strangers: &[&Person], input: Value) -> Attempt {
        Attempt {
            viewer: viewer.clone(),
            strangers: strangers.iter().map(|person| (*person).clone()).collect(),
            input,
            chosen: Vec::new(),
            within_team: Vec::new(),
        }
    }

    /// A rep's own rows: neither the rep at the next desk nor another manager may touch them.
    pub fn own(&self, input: Value) -> Attempt {
        let Team {
            ann,
            ben,
            cleo,
            right,
            ..
        } = &self.team;
        self.by(ann, &[ben, cleo, right, &self.keeper], input)
    }

    /// As [`Self::own`], for a new row whose id the caller chooses.
    pub fn making(&self, input: Value) -> Attempt {
        Attempt {
            chosen: vec!["id"],
            ..self.own(input)
        }
    }

    /// What the manager of a rep may do to the rep's rows, and the rep may not.
    pub fn manager(&self, input: Value) -> Attempt {
        let Team {
            ann, left, right, ..
        } = &self.team;
        self.by(left, &[ann, right, &self.keeper], input)
    }

    /// What any manager may do.
    pub fn managers(&self, input: Value) -> Attempt {
        let Team { ann, ben, left, .. } = &self.team;
        self.by(left, &[ann, ben], input)
    }

    /// What only administrators may do.
    pub fn admin(&self, input: Value) -> Attempt {
        let Team {
            ann,
            left,
            top,
            admin,
            ..
        } = &self.team;
        self.by(admin, &[ann, left, top], input)
    }

    /// An id of nothing yet.
    pub fn new_id(&self, kind: &str) -> String {
        format!("{kind}_{}", Uuid::now_v7())
    }
}

/// A client that was made for one attempt.
pub struct Fresh {
    /// Its id as the API writes it.
    pub id: String,
    /// Its id.
    pub client: entity::ClientId,
}

impl World {
    /// A client of `owner` with all rows, for one attempt.
    pub async fn fresh(&mut self, owner: &Person) -> Fresh {
        self.add(&Scene::of(owner)).await;
        self.last()
    }

    /// Sends a mutation that must succeed.
    pub async fn write(&self, viewer: &Person, mutation: &str, ty: &str, input: &Value) -> Value {
        let query =
            format!("mutation($input: {ty}!) {{ {mutation}(input: $input) {{ __typename }} }}");
        let answer = self
            .app
            .gql(&viewer.token, &query, json!({ "input": input }))
            .await;
        answer.ok().json
    }

    /// A client without orders.
    async fn without_orders(&mut self, owner: &Person) -> String {
        let id = self.app.client_of(owner, "No orders").await;
        let client: entity::ClientId = id.parse().unwrap();
        let holding = super::oracle::Holding {
            owner: Some(owner.id),
            ..Default::default()
        };
        self.clients.push(client);
        self.organisation.clients.insert(client, holding);
        self.register(client, Owner::Client(client));
        id
    }

    /// The id of this kind and number of what everybody sees.
    fn shared(&self, kind: &str, at: usize) -> String {
        self.kinds[kind][at].0.clone()
    }

    async fn fresh_archived(&mut self, owner: &Person) -> Fresh {
        self.add(&Scene::of(owner).archived()).await;
        self.last()
    }

    /// The client that was made last.
    pub fn last(&self) -> Fresh {
        let client = *self.clients.last().expect("a client");
        Fresh {
            id: client.to_string(),
            client,
        }
    }

    /// The row of this kind and number that belongs to a client.
    pub fn of(&self, fresh: &Fresh, kind: &str, at: usize) -> String {
        let rows = self.kinds[kind].iter();
        let mut own = rows.filter(|(_, owner)| *owner == Owner::Client(fresh.client));
        own.nth(at)
            .unwrap_or_else(|| panic!("no {kind} {at} of {}", fresh.id))
            .0
            .clone()
    }

    /// An instant in some days, as the API takes it.
    pub fn day(&self, days: i64) -> String {
        let day = self.app.server().clock.now() + TimeDelta::days(days);
        day.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    /// A rep of `left`, for one attempt.
    pub async fn fresh_person(&mut self, name: &str) -> Person {
        let left = self.team.left.clone();
        let person = self.app.person(name, UserRole::Rep, Some(&left)).await;
        let member = super::oracle::Member {
            role: UserRole::Rep,
            manager: Some(left.id),
            keeps_pool: false,
        };
        self.organisation.users.insert(person.id, member);
        self.register(person.id, Owner::Everyone);
        self.register(person.session, Owner::User(person.id));
        person
    }
}

/// The attempts at a mutation; nothing for one that is not known.
pub async fn attempts(world: &mut World, mutation: &str) -> Option<Vec<Attempt>> {
    let cast = Cast::of(world);
    let (ann, left) = (cast.team.ann.clone(), cast.team.left.clone());
    let (ann, left) = (&ann, &left);
    let public = world.public;
    let euros = |amount: &str| json!({ "amount": amount, "currency": "EUR" });
    let attempt = match mutation {
        "clientCreate" => {
            let parent = world.fresh(ann).await;
            cast.making(json!({
                "id": cast.new_id("client"), "kind": "ORGANIZATION", "name": "New", "currency": "EUR",
                "ownerId": ann.id.to_string(), "profile": { "parentId": parent.id, "tags": ["new"] }
            }))
            .within_team(&["ownerId"])
        }
        "clientUpdate" => {
            let parent = world.fresh(ann).await;
            let own_ = world.fresh(ann).await;
            cast.own(json!({
                "id": own_.id, "version": 1, "name": "Changed",
                "profile": { "parentId": parent.id, "tags": ["changed"], "phone": "12345678" }
            }))
        }
        "clientArchive" => {
            let fresh = world.without_orders(ann).await;
            cast.own(json!({ "id": fresh, "version": 1 }))
        }
        "clientRestore" => {
            let fresh = world.fresh_archived(ann).await;
            cast.own(json!({ "id": fresh.id, "version": 1 }))
        }
        "productCreate" => Attempt {
            chosen: vec!["id"],
            ..cast.managers(json!({
                "id": cast.new_id("product"), "sku": "N-1", "name": "New", "unit": "box",
                "listPrice": euros("1.00"), "unitCost": euros("0.60"), "categoryId": world.shared("category", 0)
            }))
        },
        "productUpdate" => cast.managers(json!({
            "id": public.product.to_string(), "version": 1, "name": "Still water", "unitCost": euros("0.70"),
            "categoryId": world.shared("category", 0)
        })),
        "productArchive" => {
            let id = cast.new_id("product");
            let input = json!({ "id": id, "sku": id, "name": "Short-lived", "unit": "box", "listPrice": euros("1.00") });
            world.write(left, "productCreate", "ProductCreateInput", &input).await;
            cast.managers(json!({ "id": id, "version": 1 }))
        }
        "productRestore" => {
            let id = cast.new_id("product");
            let input = json!({ "id": id, "sku": id, "name": "Short-lived", "unit": "box", "listPrice": euros("1.00") });
            world.write(left, "productCreate", "ProductCreateInput", &input).await;
            let seen = json!({ "id": id, "version": 1 });
            world.write(left, "productArchive", "ProductVersionInput", &seen).await;
            cast.managers(json!({ "id": id, "version": 2 }))
        }
        "stockReceive" => cast.managers(json!({ "productId": public.product.to_string(), "quantity": 5 })),
        "stockAdjust" => cast.managers(
            json!({ "productId": public.product.to_string(), "counted": 2_000_000, "reason": "count" }),
        ),
        "categoryCreate" => Attempt {
            chosen: vec!["id"],
            ..cast.managers(json!({ "id": cast.new_id("category"), "name": "New", "parentId": world.shared("category", 0) }))
        },
        "categoryUpdate" => cast.managers(json!({
            "id": public.category.to_string(), "version": 1, "name": "Beverages",
            "parentId": world.shared("category", 0)
        })),
        "categoryArchive" => {
            let id = cast.new_id("category");
            let input = json!({ "id": id, "name": id });
            world.write(left, "categoryCreate", "CategoryCreateInput", &input).await;
            cast.managers(json!({ "id": id, "version": 1 }))
        }
        "categoryRestore" => {
            let id = cast.new_id("category");
            let input = json!({ "id": id, "name": id });
            world.write(left, "categoryCreate", "CategoryCreateInput", &input).await;
            let seen = json!({ "id": id, "version": 1 });
            world.write(left, "categoryArchive", "CategoryVersionInput", &seen).await;
            cast.managers(json!({ "id": id, "version": 2 }))
        }
        "contactCreate" => {
            let fresh = world.fresh(ann).await;
            cast.making(json!({ "id": cast.new_id("contact"), "clientId": fresh.id, "name": "New", "likes": "tea" }))
        }
        "contactUpdate" => {
            let fresh = world.fresh(ann).await;
            cast.own(json!({ "id": world.of(&fresh, "contact", 0), "version": 1, "name": "Changed" }))
        }
        "contactArchive" => {
            let fresh = world.fresh(ann).await;
            cast.own(json!({ "id": world.of(&fresh, "contact", 0), "version": 1 }))
        }
        "contactRestore" => {
            let fresh = world.fresh(ann).await;
            cast.own(json!({ "id": world.of(&fresh, "contact", 1), "version": 1 }))
        }
        "addressCreate" => {
            let fresh = world.fresh(ann).await;
            cast.making(json!({ "id": cast.new_id("address"), "clientId": fresh.id, "kind": "OFFICE", "city": "Cork" }))
        }
        "addressUpdate" => {
            let fresh = world.fresh(ann).await;
            cast.own(json!({ "id": world.of(&fresh, "address", 0), "version": 1, "city": "Cork" }))
        }
        "addressArchive" => {
            let fresh = world.fresh(ann).await;
            cast.own(json!({ "id": world.of(&fresh, "address", 0), "version": 1 }))
        }
        "addressRestore" => {
            let fresh = world.fresh(ann).await;
            cast.own(json!({ "id": world.of(&fresh, "address", 1), "version": 1 }))
        }
        "noteCreate" => {
            let fresh = world.fresh(ann).await;
            cast.making(json!({ "id": cast.new_id("note"), "clientId": fresh.id, "body": "New" }))
        }
        "noteUpdate" => {
            let fresh = world.fresh(ann).await;
            cast.own(json!({ "id": world.of(&fresh, "note", 0), "version": 1, "body": "Changed" }))
        }
        "noteArchive" => {
            let fresh = world.fresh(ann).await;
            cast.own(json!({ "id": world.of(&fresh, "note", 0), "version": 1 }))
        }
        "noteRestore" => {
            let fresh = world.fresh(ann).await;
            cast.own(json!({ "id": world.of(&fresh, "note", 1), "version": 1 }))
        }
        "tierSchemeCreate" => Attempt {
            chosen: vec!["id"],
            ..cast.managers(json!({ "id": cast.new_id("tier_scheme"), "name": "New scheme" }))
        },
        "tierSchemeUpdate" => cast.managers(
            json!({ "id": public.scheme.to_string(), "version": 1, "description": "Changed" }),
        ),
        "tierSchemeArchive" => {
            let id = cast.new_id("tier_scheme");
            let input = json!({ "id": id, "name": id });
            world.write(left, "tierSchemeCreate", "TierSchemeCreateInput", &input).await;
            cast.managers(json!({ "id": id, "version": 1 }))
        }
        "tierSchemeRestore" => {
            let id = cast.new_id("tier_scheme");
            let input = json!({ "id": id, "name": id });
            world.write(left, "tierSchemeCreate", "TierSchemeCreateInput", &input).await;
            let seen = json!({ "id": id, "version": 1 });
            world.write(left, "tierSchemeArchive", "TierSchemeVersionInput", &seen).await;
            cast.managers(json!({ "id": id, "version": 2 }))
        }
        "tierCreate" => Attempt {
            chosen: vec!["id"],
            ..cast.managers(json!({
                "id": cast.new_id("tier"), "schemeId": public.scheme.to_string(), "code": "N", "name": "New", "rank": 9
            }))
        },
        "tierUpdate" => cast.managers(
            json!({ "id": public.tier.to_string(), "version": 1, "name": "Best" }),
        ),
        "tierArchive" => {
            let id = cast.new_id("tier");
            let input = json!({ "id": id, "schemeId": public.scheme.to_string(), "code": &id[id.len() - 6..], "name": id, "rank": 20 });
            world.write(left, "tierCreate", "TierCreateInput", &input).await;
            cast.managers(json!({ "id": id, "version": 1 }))
        }
        "tierRestore" => {
            let id = cast.new_id("tier");
            let input = json!({ "id": id, "schemeId": public.scheme.to_string(), "code": &id[id.len() - 6..], "name": id, "rank": 21 });
            world.write(left, "tierCreate", "TierCreateInput", &input).await;
            let seen = json!({ "id": id, "version": 1 });
            world.write(left, "tierArchive", "TierVersionInput", &seen).await;
            cast.managers(json!({ "id": id, "version": 2 }))
        }
        "clientTierAssign" => {
            let fresh = world.fresh(ann).await;
            cast.manager(json!({ "clientId": fresh.id, "tierId": public.lower_tier.to_string(), "reason": "seen" }))
        }
        "clientTierOverride" => {
            let fresh = world.fresh(ann).await;
            cast.manager(json!({
                "clientId": fresh.id, "tierId": public.lower_tier.to_string(),
                "expiresAt": world.day(20), "reason": "a promise"
            }))
        }
        "clientTierOverrideEnd" => {
            let fresh = world.fresh(ann).await;
            let input = json!({
                "clientId": fresh.id, "tierId": public.lower_tier.to_string(),
                "expiresAt": world.day(20), "reason": "a promise"
            });
            world.write(left, "clientTierOverride", "ClientTierOverrideInput", &input).await;
            cast.manager(json!({
                "clientId": fresh.id, "schemeId": public.scheme.to_string(), "reason": "over"
            }))
        }
        _ => return super::more_cases::attempts(world, mutation).await,
    };
    Some(vec![attempt])
}
