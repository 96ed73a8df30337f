//! One valid input for each mutation, on rows of its own, and who may and may not send it.

use chrono::TimeDelta;
use entity::{EntityId, UserRole};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{Owner, Scene, World};
use crate::support::Person;

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
}

/// A client that was made for one attempt.
struct Fresh {
    id: String,
    client: entity::ClientId,
}

impl World {
    async fn fresh(&mut self, owner: &Person) -> Fresh {
        self.add(&Scene::of(owner)).await;
        self.last()
    }

    async fn fresh_archived(&mut self, owner: &Person) -> Fresh {
        self.add(&Scene::of(owner).archived()).await;
        self.last()
    }

    fn last(&self) -> Fresh {
        let client = *self.clients.last().expect("a client");
        Fresh {
            id: client.to_string(),
            client,
        }
    }

    /// The row of this kind and number that belongs to a client.
    fn of(&self, fresh: &Fresh, kind: &str, at: usize) -> String {
        let rows = self.kinds[kind].iter();
        let mut own = rows.filter(|(_, owner)| *owner == Owner::Client(fresh.client));
        own.nth(at)
            .unwrap_or_else(|| panic!("no {kind} {at} of {}", fresh.id))
            .0
            .clone()
    }

    fn day(&self, days: i64) -> String {
        let day = self.app.server().clock.now() + TimeDelta::days(days);
        day.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    async fn fresh_person(&mut self, name: &str) -> Person {
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
    let team = world.team.clone();
    let (ann, ben, left, right, admin) = (&team.ann, &team.ben, &team.left, &team.right, &team.admin);
    let keeper = world.keeper.clone();
    let public = world.public;
    // A rep's own rows: neither the rep at the next desk nor another manager may touch them.
    let by = |viewer: &Person, strangers: &[&Person], input: Value| Attempt {
        viewer: viewer.clone(),
        strangers: strangers.iter().map(|person| (*person).clone()).collect(),
        input,
        chosen: Vec::new(),
    };
    let own = |input: Value| by(ann, &[ben, &team.cleo, right, &keeper], input);
    let making = |input: Value| Attempt {
        chosen: vec!["id"],
        ..own(input)
    };
    let manager = |input: Value| by(left, &[ann, right, &keeper], input);
    let for_managers = |input: Value| by(left, &[ann, ben], input);
    let for_admins = |input: Value| by(admin, &[ann, left, &team.top], input);
    let new = |kind: &str| format!("{kind}_{}", Uuid::now_v7());
    let euros = |amount: &str| json!({ "amount": amount, "currency": "EUR" });
    let attempt = match mutation {
        "clientCreate" => {
            let parent = world.fresh(ann).await;
            making(json!({
                "id": new("client"), "kind": "ORGANIZATION", "name": "New", "currency": "EUR",
                "ownerId": ann.id(), "profile": { "parentId": parent.id, "tags": ["new"] }
            }))
        }
        "clientUpdate" => {
            let parent = world.fresh(ann).await;
            let own_ = world.fresh(ann).await;
            own(json!({
                "id": own_.id, "version": 1, "name": "Changed",
                "profile": { "parentId": parent.id, "tags": ["changed"], "phone": "12345678" }
            }))
        }
        "clientArchive" => {
            let fresh = world.without_orders(ann).await;
            own(json!({ "id": fresh, "version": 1 }))
        }
        "clientRestore" => {
            let fresh = world.fresh_archived(ann).await;
            own(json!({ "id": fresh.id, "version": 1 }))
        }
        "productCreate" => Attempt {
            chosen: vec!["id"],
            ..for_managers(json!({
                "id": new("product"), "sku": "N-1", "name": "New", "unit": "box",
                "listPrice": euros("1.00"), "categoryId": world.root_category()
            }))
        },
        "productUpdate" => for_managers(json!({
            "id": public.product.to_string(), "version": 1, "name": "Still water",
            "categoryId": world.root_category()
        })),
        "productArchive" => for_managers(json!({ "id": world.other_product(), "version": 2 })),
        "productRestore" => for_managers(json!({ "id": world.other_product(), "version": 1 })),
        "stockReceive" => for_managers(json!({ "productId": public.product.to_string(), "quantity": 5 })),
        "stockAdjust" => for_managers(
            json!({ "productId": public.product.to_string(), "counted": 99_000, "reason": "count" }),
        ),
        "categoryCreate" => Attempt {
            chosen: vec!["id"],
            ..for_managers(json!({ "id": new("category"), "name": "New", "parentId": world.root_category() }))
        },
        "categoryUpdate" => for_managers(json!({
            "id": public.category.to_string(), "version": 1, "name": "Beverages",
            "parentId": world.root_category()
        })),
        "categoryArchive" => for_managers(json!({ "id": public.category.to_string(), "version": 3 })),
        "categoryRestore" => for_managers(json!({ "id": public.category.to_string(), "version": 2 })),
        "contactCreate" => {
            let fresh = world.fresh(ann).await;
            making(json!({ "id": new("contact"), "clientId": fresh.id, "name": "New", "likes": "tea" }))
        }
        "contactUpdate" => {
            let fresh = world.fresh(ann).await;
            own(json!({ "id": world.of(&fresh, "contact", 0), "version": 1, "name": "Changed" }))
        }
        "contactArchive" => {
            let fresh = world.fresh(ann).await;
            own(json!({ "id": world.of(&fresh, "contact", 0), "version": 1 }))
        }
        "contactRestore" => {
            let fresh = world.fresh(ann).await;
            own(json!({ "id": world.of(&fresh, "contact", 1), "version": 1 }))
        }
        "addressCreate" => {
            let fresh = world.fresh(ann).await;
            making(json!({ "id": new("address"), "clientId": fresh.id, "kind": "OFFICE", "city": "Cork" }))
        }
        "addressUpdate" => {
            let fresh = world.fresh(ann).await;
            own(json!({ "id": world.of(&fresh, "address", 0), "version": 1, "city": "Cork" }))
        }
        "addressArchive" => {
            let fresh = world.fresh(ann).await;
            own(json!({ "id": world.of(&fresh, "address", 0), "version": 1 }))
        }
        "addressRestore" => {
            let fresh = world.fresh(ann).await;
            own(json!({ "id": world.of(&fresh, "address", 1), "version": 1 }))
        }
        "noteCreate" => {
            let fresh = world.fresh(ann).await;
            making(json!({ "id": new("note"), "clientId": fresh.id, "body": "New" }))
        }
        "noteUpdate" => {
            let fresh = world.fresh(ann).await;
            own(json!({ "id": world.of(&fresh, "note", 0), "version": 1, "body": "Changed" }))
        }
        "noteArchive" => {
            let fresh = world.fresh(ann).await;
            own(json!({ "id": world.of(&fresh, "note", 0), "version": 1 }))
        }
        "noteRestore" => {
            let fresh = world.fresh(ann).await;
            own(json!({ "id": world.of(&fresh, "note", 1), "version": 1 }))
        }
        "tierSchemeCreate" => Attempt {
            chosen: vec!["id"],
            ..for_managers(json!({ "id": new("tier_scheme"), "name": "New scheme" }))
        },
        "tierSchemeUpdate" => for_managers(
            json!({ "id": public.scheme.to_string(), "version": 1, "description": "Changed" }),
        ),
        "tierSchemeArchive" => for_managers(json!({ "id": world.old_scheme(), "version": 2 })),
        "tierSchemeRestore" => for_managers(json!({ "id": world.old_scheme(), "version": 1 })),
        "tierCreate" => Attempt {
            chosen: vec!["id"],
            ..for_managers(json!({
                "id": new("tier"), "schemeId": public.scheme.to_string(), "code": "N", "name": "New", "rank": 9
            }))
        },
        "tierUpdate" => for_managers(
            json!({ "id": public.tier.to_string(), "version": 1, "name": "Best" }),
        ),
        "tierArchive" => for_managers(json!({ "id": world.hidden_tier(), "version": 2 })),
        "tierRestore" => for_managers(json!({ "id": world.hidden_tier(), "version": 1 })),
        "clientTierAssign" => {
            let fresh = world.fresh(ann).await;
            own(json!({ "clientId": fresh.id, "tierId": public.lower_tier.to_string(), "reason": "seen" }))
        }
        "clientTierOverride" => {
            let fresh = world.fresh(ann).await;
            manager(json!({
                "clientId": fresh.id, "tierId": public.lower_tier.to_string(),
                "expiresAt": world.day(20), "reason": "a promise"
            }))
        }
        "clientTierOverrideEnd" => {
            let fresh = world.overridden(ann).await;
            manager(json!({
                "clientId": fresh, "schemeId": public.scheme.to_string(), "reason": "over"
            }))
        }
        _ => return super::more_cases::attempts(world, mutation).await,
    };
    Some(vec![attempt])
}
