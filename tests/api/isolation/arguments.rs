//! Ids in arguments: somebody else's id must be as good as one that does not exist.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::crawl::Crawler;
use super::schema::{IdPath, Schema, Step};
use super::world::{Owner, World};
use crate::support::Person;

/// Of what kind the ids are that each argument, or field of an input object, takes; `*` for any. A place
/// that is missing fails the test.
const IDS: &[(&str, &str)] = &[
    ("Query.client.id", "client"),
    ("Query.contact.id", "contact"),
    ("Query.address.id", "address"),
    ("Query.note.id", "note"),
    ("Query.order.id", "order"),
    ("Query.product.id", "product"),
    ("Query.category.id", "category"),
    ("Query.tier.id", "tier"),
    ("Query.tierScheme.id", "tier_scheme"),
    ("Query.user.id", "user"),
    ("Query.handoverPreview.clientIds", "client"),
    ("Query.handoverPreview.fromUserId", "user"),
    ("Query.handoverPreview.toUserId", "user"),
    ("Query.pullClients.deviceId", "device"),
    ("Query.pullContacts.deviceId", "device"),
    ("Query.pullAddresses.deviceId", "device"),
    ("Query.pullNotes.deviceId", "device"),
    ("Query.pullOrders.deviceId", "device"),
    ("Query.pullPayments.deviceId", "device"),
    ("Query.pullUsers.deviceId", "device"),
    ("Query.pullSyncIssues.deviceId", "device"),
    ("Query.pullProducts.deviceId", "device"),
    ("Query.pullCategories.deviceId", "device"),
    ("Query.pullTierSchemes.deviceId", "device"),
    ("Query.pullTiers.deviceId", "device"),
    ("SyncPullInput.deviceId", "device"),
    ("Query.syncManifest.after", "client"),
    ("Query.devices.userId", "user"),
    ("Client.tierIn.schemeId", "tier_scheme"),
    ("Client.tierAssignments.schemeId", "tier_scheme"),
    ("Query.node.id", "*"),
    ("Query.nodes.ids", "*"),
    ("ClientIdFilter.eq", "client"),
    ("ClientIdFilter.in", "client"),
    ("ProductIdFilter.eq", "product"),
    ("ProductIdFilter.in", "product"),
    ("CategoryIdFilter.eq", "category"),
    ("CategoryIdFilter.in", "category"),
    ("TierIdFilter.eq", "tier"),
    ("TierIdFilter.in", "tier"),
    ("UserIdFilter.eq", "user"),
    ("UserIdFilter.in", "user"),
    ("OrderIdFilter.eq", "order"),
    ("OrderIdFilter.in", "order"),
];

/// Places where a row in sight may be found by the id of one out of sight, because the row itself holds
/// that id, or because what counts is where that id would stand among others: (the end of the way to it, why).
const HELD: &[(&str, &str)] = &[
    (
        "after",
        "rows are given from an id on, whatever has that id",
    ),
    (
        "deviceId",
        "a phone makes its id: one that nobody has is taken for a new phone",
    ),
];

/// The kind of ids that the place takes.
pub fn kind(declared: &str) -> &'static str {
    IDS.iter()
        .find(|(known, _)| *known == declared)
        .map_or_else(
            || panic!("IDS does not say what {declared} takes"),
            |(_, kind)| kind,
        )
}

/// One place for an id in a query: the field and the way to it.
struct Place {
    way: Vec<Step>,
    ty: String,
    field: String,
    path: IdPath,
}

impl Place {
    fn name(&self) -> String {
        format!("{}.{}({})", self.ty, self.field, self.path.text())
    }
}

/// Every place for an id.
fn places(schema: &Schema) -> Vec<Place> {
    let mut places = Vec::new();
    for (ty, way) in schema.ways(&schema.query) {
        for field in &schema.get(&ty).fields {
            let by = format!("{ty}.{}", field.name);
            for path in schema.id_paths(&by, &field.args) {
                // How filters are put together is the same code on every field.
                let is_compound = path
                    .steps
                    .iter()
                    .any(|(name, _)| name == "and" || name == "or" || name == "not");
                if is_compound && ty != schema.query {
                    continue;
                }
                places.push(Place {
                    way: way.clone(),
                    ty: ty.clone(),
                    field: field.name.clone(),
                    path,
                });
            }
        }
    }
    places
}

/// What the table lacks, and what it has too much.
pub fn gaps(schema: &Schema) -> Vec<String> {
    let used: BTreeSet<String> = places(schema)
        .into_iter()
        .map(|place| place.path.declared)
        .collect();
    let known: BTreeSet<String> = IDS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let lacks = used
        .difference(&known)
        .map(|name| format!("IDS lacks {name}"));
    let extra = known
        .difference(&used)
        .map(|name| format!("nothing takes {name}: remove it from IDS"));
    lacks.chain(extra).collect()
}

impl Crawler<'_> {
    /// The fields of a type without edges to other things.
    fn shallow(&self, ty: &str) -> String {
        let mut text = String::from("__typename ");
        for field in &self.schema.get(ty).fields {
            let name = &field.ty.name;
            if field.args.iter().any(|arg| !arg.is_optional) {
                continue;
            }
            if self.schema.is_leaf(name) {
                text.push_str(&format!("{} ", field.name));
            } else if self.schema.is_connection(ty) && field.name == "nodes" {
                text.push_str(&format!("nodes {{ {} }} ", self.shallow(name)));
            } else if !self.schema.has_id(name)
                && !self.schema.is_connection(name)
                && !self.schema.is_connection(ty)
                && ty != self.schema.query
            {
                let leaves = self.schema.get(name).fields.iter();
                let leaves = leaves.filter(|field| self.schema.is_leaf(&field.ty.name));
                let leaves: Vec<&str> = leaves.map(|field| field.name.as_str()).collect();
                if !leaves.is_empty() {
                    text.push_str(&format!("{} {{ {} }} ", field.name, leaves.join(" ")));
                }
            }
        }
        for on in &self.schema.get(ty).possible {
            text.push_str(&format!("... on {on} {{ {} }} ", self.shallow_leaves(on)));
        }
        text
    }

    /// Names that many types share may not differ in type within one answer, so of an interface's objects
    /// only texts and ids are asked.
    fn shallow_leaves(&self, ty: &str) -> String {
        let fields = self.schema.get(ty).fields.iter();
        let plain = fields.filter(|field| field.ty.text == "ID!");
        plain.map(|field| format!("{} ", field.name)).collect()
    }

    /// The value of the variable that brings `id` to its place, archived rows included.
    fn value(&self, place: &Place, id: &str) -> Value {
        let mut value = place.path.value(id);
        let field = self.schema.field(&place.ty, &place.field);
        let name = &place.path.steps[0].0;
        let arg = field.args.iter().find(|arg| arg.name == *name).unwrap();
        if let Value::Object(filter) = &mut value {
            for input in &self.schema.get(&arg.ty.name).inputs {
                if input.ty.name == "Archived" {
                    filter.insert(input.name.clone(), json!("INCLUDE"));
                } else if !input.is_optional && input.ty.name == "Int" {
                    filter.entry(input.name.clone()).or_insert(json!(1));
                }
            }
        }
        value
    }

    /// The query that uses `place` with a variable.
    fn query(&self, place: &Place) -> String {
        let field = self.schema.field(&place.ty, &place.field);
        let name = &place.path.steps[0].0;
        let arg = field.args.iter().find(|arg| arg.name == *name).unwrap();
        let mut args: Vec<String> = vec![format!("{name}: $value")];
        let rest = self.args(&place.ty, field, 25, Some("Client"));
        let rest = rest.trim_start_matches('(').trim_end_matches(')');
        for other in rest.split(", ").filter(|other| !other.is_empty()) {
            // One or the other, never both.
            let is_rival = name == "fromUserId" && other.starts_with("clientIds:");
            if !other.starts_with(&format!("{name}:")) && !is_rival {
                args.push(other.to_owned());
            }
        }
        let mut text = format!("{}({})", field.name, args.join(", "));
        if !self.schema.is_leaf(&field.ty.name) {
            text.push_str(&format!(" {{ {} }}", self.shallow(&field.ty.name)));
        }
        for step in place.way.iter().rev() {
            let field = self.schema.field(&step.parent, &step.field);
            let on = step.on.as_deref();
            if let Some(on) = on {
                text = format!("... on {on} {{ {text} }}");
            }
            let args = self.args(&step.parent, field, 10, on);
            text = format!("{}{args} {{ {text} }}", field.name);
        }
        format!("query($value: {}) {{ {text} }}", arg.ty.text)
    }
}

/// Tries every place with every kind of id that `viewer` must not see; answers what is wrong, and notes the
/// places where an id in sight made a difference.
pub async fn probe(
    schema: &Schema,
    world: &World,
    viewer: &Person,
    useful: &mut BTreeSet<String>,
    wrong: &mut BTreeSet<String>,
) {
    let crawler = Crawler {
        schema,
        world,
        viewer,
    };
    for place in places(schema) {
        let kind = kind(&place.path.declared);
        let kinds: Vec<&str> = if kind == "*" {
            let possible = &schema.get("Node").possible;
            let known = world.kinds.keys().map(String::as_str);
            let mut kinds: Vec<&str> = known.collect();
            kinds.retain(|kind| possible.iter().any(|ty| crawler.kind(ty) == *kind));
            kinds
        } else {
            vec![kind]
        };
        let query = crawler.query(&place);
        for kind in kinds {
            let nobodys = format!("{kind}_{}", uuid::Uuid::now_v7());
            let nothing = ask(&crawler, &place, &query, &nobodys).await;
            let (seen, unseen) = world.split(viewer.id, kind);
            let leaks = |answer: &Value, id: &str| {
                let leaks = world.leaks_of(viewer.id, answer);
                let name = place.name();
                leaks
                    .into_iter()
                    .map(move |leak| format!("{name} with {id}: {leak}"))
                    .collect::<Vec<_>>()
            };
            // Which ids there are matters little once one was found to matter.
            let enough = if useful.contains(&place.name()) { 1 } else { 8 };
            for id in seen.iter().take(enough) {
                let answer = ask(&crawler, &place, &query, id).await;
                wrong.extend(leaks(&answer, id));
                if answer != nothing {
                    useful.insert(place.name());
                }
            }
            for id in one_of_each(world, kind, &unseen) {
                let answer = ask(&crawler, &place, &query, &id).await;
                wrong.extend(leaks(&answer, "somebody's id"));
                let is_held = HELD.iter().any(|(end, _)| place.path.text().ends_with(end));
                if answer != nothing && !is_held {
                    wrong.insert(format!(
                        "{} tells {} that a {kind} exists: {answer:.700} instead of {nothing:.700} to {query}",
                        place.name(),
                        viewer.name
                    ));
                }
            }
        }
    }
}

/// What each place answers to ids in sight: the query, a new line and the variables, with the data.
pub async fn answers(crawler: &Crawler<'_>) -> BTreeMap<String, Value> {
    let mut answers = BTreeMap::new();
    let (world, viewer) = (crawler.world, crawler.viewer);
    for place in places(crawler.schema) {
        let kind = kind(&place.path.declared);
        // One way to name an id is enough here: what counts is what lies behind it.
        if kind == "*"
            || place.path.steps.len() > 3
            || place.path.text().rsplit('.').next() == Some("in")
        {
            continue;
        }
        let query = crawler.query(&place);
        for id in world.split(viewer.id, kind).0.iter().take(3) {
            let variables = json!({ "value": crawler.value(&place, id) });
            let asked = format!("{query}\n{variables}");
            let answer = world.app.gql(&viewer.token, &query, variables).await;
            answers.insert(asked, answer.json["data"].clone());
        }
    }
    answers
}

/// All places, by name.
pub fn names(schema: &Schema) -> BTreeSet<String> {
    places(schema).iter().map(Place::name).collect()
}

/// One id for each owner.
fn one_of_each(world: &World, kind: &str, ids: &[String]) -> Vec<String> {
    let mut owners: Vec<Owner> = Vec::new();
    let all = world.kinds.get(kind).map_or(&[][..], Vec::as_slice);
    let mut chosen = Vec::new();
    for (id, owner) in all.iter().filter(|(id, _)| ids.contains(id)) {
        if !owners.contains(owner) {
            owners.push(*owner);
            chosen.push(id.clone());
        }
    }
    // The first, the last and one between stand for all.
    match chosen.as_slice() {
        [first, .., last] if chosen.len() > 3 => {
            vec![
                first.clone(),
                chosen[chosen.len() / 2].clone(),
                last.clone(),
            ]
        }
        _ => chosen,
    }
}

/// The answer, with the id itself and the number of the request taken out.
async fn ask(crawler: &Crawler<'_>, place: &Place, query: &str, id: &str) -> Value {
    let (world, viewer) = (crawler.world, crawler.viewer);
    let variables = json!({ "value": crawler.value(place, id) });
    let answer = world.app.gql(&viewer.token, query, variables).await;
    assert!(
        !answer.errors().iter().any(|error| {
            let rule = error["extensions"]["rule"].as_str().unwrap_or_default();
            rule.starts_with("GRAPHQL") || rule.starts_with("QUERY")
        }),
        "{answer} to {query}"
    );
    let mut text = answer.json.to_string();
    if let Some((_, uuid)) = id.rsplit_once('_') {
        text = text.replace(uuid, "UUID");
    }
    let mut json: Value = serde_json::from_str(&text).unwrap();
    if let Some(errors) = json["errors"].as_array_mut() {
        for error in errors {
            error["extensions"]["requestId"].take();
        }
    }
    // How full the bucket is depends on the moment.
    json["extensions"]["cost"]["throttleStatus"].take();
    json
}
