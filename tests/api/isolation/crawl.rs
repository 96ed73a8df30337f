//! Asks for everything: queries that select every field of every type along every path of a few edges,
//! made from the schema.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::schema::{Field, Schema};
use super::world::World;
use crate::support::{Answer, Person};

/// What required arguments that are no ids are given.
const REQUIRED: &[(&str, &str)] = &[
    ("Query.pullClients.limit", "500"),
    ("Query.pullContacts.limit", "500"),
    ("Query.pullAddresses.limit", "500"),
    ("Query.pullNotes.limit", "500"),
    ("Query.pullOrders.limit", "500"),
    ("Query.pullPayments.limit", "500"),
    ("Query.pullUsers.limit", "500"),
    ("Query.pullSyncIssues.limit", "500"),
    ("Query.pullProducts.limit", "500"),
    ("Query.pullCategories.limit", "500"),
    ("Query.pullTierSchemes.limit", "500"),
    ("Query.pullTiers.limit", "500"),
    ("Query.sync.input", "{ schemaVersion: 1 }"),
    ("Query.syncManifest.collection", "CLIENTS"),
    ("Query.syncManifest.limit", "500"),
];

/// Arguments that are given though they may be left out.
pub const GIVEN: &[&str] = &["Query.handoverPreview.clientIds"];

/// Object types whose name is not that of the kind of their ids.
const KINDS: &[(&str, &str)] = &[("ProductCategory", "category"), ("Handover", "handover")];

/// Rows that a page may have, by the number of pages it lies in.
const SIZES: [usize; 4] = [20, 4, 2, 1];

/// What one query may be, below what the edge allows.
const MAX_FIELDS: usize = 900;
const MAX_TOKENS: usize = 1_800;
const MAX_ROWS: usize = 9_000;
const MAX_DEPTH: usize = 12;

/// A part of a query: a field with all that is asked below it, or a fragment on one type.
#[derive(Clone, Debug)]
pub struct Part {
    /// The field, or `... on Type`.
    key: String,
    /// Its arguments, with their brackets.
    args: String,
    /// The type of what it gives.
    ty: String,
    /// How many rows it may give, for a page.
    size: Option<usize>,
    /// Fields that have no fields.
    leaves: BTreeSet<String>,
    /// Fields that have.
    below: Vec<Part>,
}

/// A type and one of its fields.
pub type Pair = (String, String);

impl Part {
    fn text(&self, out: &mut String) {
        out.push_str(&self.key);
        out.push_str(&self.args);
        out.push('{');
        for leaf in &self.leaves {
            out.push_str(leaf);
            out.push(' ');
        }
        if self.leaves.is_empty() && self.below.is_empty() {
            out.push_str("__typename");
        }
        for part in &self.below {
            part.text(out);
        }
        out.push('}');
    }

    /// Fields and rows.
    fn weight(&self) -> (usize, usize) {
        let (mut fields, mut rows) = (self.leaves.len() + 1, 0);
        for part in &self.below {
            let weight = part.weight();
            fields += weight.0;
            rows += weight.1;
        }
        (fields, self.size.map_or(rows, |size| size * (rows + 1)))
    }

    fn fits(&self) -> bool {
        let (fields, rows) = self.weight();
        let mut text = String::new();
        self.text(&mut text);
        fields <= MAX_FIELDS && rows <= MAX_ROWS && tokens(&text) <= MAX_TOKENS
    }

    fn add(&mut self, strand: &[Part]) {
        let Some((first, rest)) = strand.split_first() else {
            return;
        };
        let at = self.below.iter().position(|part| part.key == first.key);
        let at = at.unwrap_or_else(|| {
            self.below.push(first.clone());
            self.below.len() - 1
        });
        self.below[at].leaves.extend(first.leaves.iter().cloned());
        self.below[at].add(rest);
    }

    /// Notes which fields had a value.
    pub fn reached(&self, value: &Value, found: &mut BTreeSet<Pair>, wrong: &mut Vec<String>) {
        match value {
            Value::Array(items) => {
                for item in items {
                    self.reached(item, found, wrong);
                }
            }
            Value::Object(fields) => {
                let has = |name: &str| {
                    let value = fields.get(name).unwrap_or(&Value::Null);
                    !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty())
                };
                for leaf in self.leaves.iter().filter(|leaf| has(leaf)) {
                    found.insert((self.ty.clone(), leaf.clone()));
                }
                for part in &self.below {
                    if let Some(on) = part.key.strip_prefix("... on ") {
                        if value["__typename"] == on {
                            part.reached(value, found, wrong);
                        }
                    } else if has(&part.key) {
                        found.insert((self.ty.clone(), part.key.clone()));
                        part.reached(&value[&part.key], found, wrong);
                    }
                }
                let page = &value["pageInfo"];
                let is_whole = page["hasNextPage"] == false && page["hasPreviousPage"] == false;
                if let (true, Some(edges)) = (is_whole, value["edges"].as_array())
                    && value["totalCount"] != edges.len()
                {
                    let total = &value["totalCount"];
                    wrong.push(format!("{} counts {total} of {}", self.ty, edges.len()));
                }
            }
            _ => {}
        }
    }
}

/// Lexical tokens, about as the edge counts them.
fn tokens(text: &str) -> usize {
    let mut count = 0;
    let mut in_word = false;
    for char in text.chars() {
        let is_word = char.is_alphanumeric() || char == '_' || char == '-';
        if is_word && !in_word || !is_word && !char.is_whitespace() && char != ',' {
            count += 1;
        }
        in_word = is_word;
    }
    count
}

/// Makes the queries for one viewer.
pub struct Crawler<'a> {
    /// What there is to ask.
    pub schema: &'a Schema,
    /// Whose ids to ask with.
    pub world: &'a World,
    /// Who will ask.
    pub viewer: &'a Person,
}

impl Crawler<'_> {
    /// The kind of the ids of a type.
    pub fn kind(&self, ty: &str) -> String {
        if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == ty) {
            return (*kind).to_owned();
        }
        let mut kind = String::new();
        for (at, char) in ty.char_indices() {
            if char.is_uppercase() && at > 0 {
                kind.push('_');
            }
            kind.extend(char.to_lowercase());
        }
        assert!(
            self.world.kinds.contains_key(&kind),
            "the scene has no {kind} for the type {ty}: add rows, or an entry to KINDS"
        );
        kind
    }

    /// An id of this kind that the viewer sees, or else any.
    pub fn id(&self, kind: &str) -> String {
        if kind == "user" {
            // For most themselves, who have clients; one takes somebody out of reach, which is a problem.
            let is_odd = self.viewer.id == self.world.keeper.id;
            let user = if is_odd {
                self.world.team.admin.id
            } else {
                self.viewer.id
            };
            return user.to_string();
        }
        let (seen, unseen) = self.world.split(self.viewer.id, kind);
        let first = seen.into_iter().chain(unseen).next();
        first.unwrap_or_else(|| panic!("no {kind} in the scene"))
    }

    /// The arguments of a field with their brackets: what is required, pages of `size`, archived rows too.
    pub fn args(&self, ty: &str, field: &Field, size: usize, on: Option<&str>) -> String {
        let mut args = Vec::new();
        for arg in &field.args {
            let name = &arg.name;
            let key = format!("{ty}.{}.{name}", field.name);
            if name == "first" {
                args.push(format!("first: {size}"));
            } else if arg.ty.name == "Archived" {
                args.push(format!("{name}: INCLUDE"));
            } else if name == "includeEnded" {
                args.push("includeEnded: true".to_owned());
            } else if name == "filter" {
                let filter = self.schema.get(&arg.ty.name).inputs.iter();
                let mut hiding = filter.filter(|input| input.ty.name == "Archived");
                if let Some(input) = hiding.next() {
                    args.push(format!("filter: {{ {}: INCLUDE }}", input.name));
                }
            } else if !arg.is_optional || GIVEN.contains(&key.as_str()) {
                let value = if arg.ty.name == "ID" {
                    let kind = match (super::arguments::kind(&key), on) {
                        ("*", Some(on)) => self.kind(on),
                        (kind, _) => kind.to_owned(),
                    };
                    let id = self.id(&kind);
                    if arg.ty.is_list {
                        format!("[\"{id}\"]")
                    } else {
                        format!("\"{id}\"")
                    }
                } else {
                    let given = REQUIRED.iter().find(|(known, _)| *known == key);
                    let (_, value) = given.unwrap_or_else(|| {
                        panic!(
                            "REQUIRED does not say what to give for {key}: {}",
                            arg.ty.text
                        )
                    });
                    (*value).to_owned()
                };
                args.push(format!("{name}: {value}"));
            }
        }
        if args.is_empty() {
            String::new()
        } else {
            format!("({})", args.join(", "))
        }
    }

    fn leaves(&self, ty: &str) -> BTreeSet<String> {
        let fields = self.schema.get(ty).fields.iter();
        let plain = fields.filter(|field| {
            self.schema.is_leaf(&field.ty.name) && field.args.iter().all(|arg| arg.is_optional)
        });
        let mut leaves: BTreeSet<String> = plain.map(|field| field.name.clone()).collect();
        if !self.schema.get(ty).possible.is_empty() {
            leaves.insert("__typename".to_owned());
        }
        leaves
    }

    fn part(&self, ty: &str, field: &Field, pages: usize, on: Option<&str>) -> Part {
        let is_page = self.schema.is_connection(&field.ty.name);
        let size = SIZES[pages.min(SIZES.len() - 1)];
        let mut part = Part {
            key: field.name.clone(),
            args: self.args(ty, field, size, on),
            ty: field.ty.name.clone(),
            size: is_page.then_some(size),
            leaves: self.leaves(&field.ty.name),
            below: Vec::new(),
        };
        if is_page {
            let edge = &self.schema.field(&part.ty, "edges").ty.name;
            let bare = |key: &str, ty: &str, leaves: BTreeSet<String>, below| Part {
                key: key.to_owned(),
                args: String::new(),
                ty: ty.to_owned(),
                size: None,
                leaves,
                below,
            };
            let node = &self.schema.field(edge, "node").ty.name;
            let node = bare("node", node, BTreeSet::from(["id".to_owned()]), Vec::new());
            part.below = vec![
                bare("pageInfo", "PageInfo", self.leaves("PageInfo"), Vec::new()),
                bare("edges", edge, self.leaves(edge), vec![node]),
            ];
        }
        part
    }

    /// Every path of up to `edges` edges below `above`, whose last part gives `ty`.
    fn strands(&self, ty: &str, edges: usize, above: &mut Vec<Part>, found: &mut Vec<Vec<Part>>) {
        found.push(above.clone());
        if above.len() + 2 > MAX_DEPTH {
            return;
        }
        let pages = above.iter().filter(|part| part.size.is_some()).count();
        for on in &self.schema.get(ty).possible {
            above.push(Part {
                key: format!("... on {on}"),
                args: String::new(),
                ty: on.clone(),
                size: None,
                leaves: self.leaves(on),
                below: Vec::new(),
            });
            self.strands(on, edges, above, found);
            above.pop();
        }
        for field in &self.schema.get(ty).fields {
            let name = &field.ty.name;
            let is_seen_to = self.schema.is_connection(ty)
                && (field.name == "edges" || field.name == "pageInfo");
            if self.schema.is_leaf(name) || is_seen_to {
                continue;
            }
            let is_thing = self.schema.has_id(name);
            let is_row = field.name == "nodes" && self.schema.is_connection(ty);
            let costs = usize::from(is_thing && !is_row || self.schema.is_connection(name));
            let repeats = !is_thing && above.iter().any(|part| part.ty == *name);
            if costs > edges || costs == 0 && !is_row && repeats {
                continue;
            }
            above.push(self.part(ty, field, pages, None));
            self.strands(name, edges - costs, above, found);
            above.pop();
        }
    }

    /// The queries, each with what it asks. `edges` is how many edges follow the first.
    pub fn queries(&self, edges: usize) -> Vec<(String, Part)> {
        let mut queries = Vec::new();
        let root = Part {
            key: String::new(),
            args: String::new(),
            ty: self.schema.query.clone(),
            size: None,
            leaves: BTreeSet::new(),
            below: Vec::new(),
        };
        for field in &self.schema.get(&self.schema.query).fields {
            if self.schema.is_leaf(&field.ty.name) {
                let mut part = root.clone();
                let args = self.args(&root.ty, field, SIZES[0], None);
                part.leaves.insert(format!("{}{args}", field.name));
                queries.push(part);
                continue;
            }
            let possible = &self.schema.get(&field.ty.name).possible;
            let each: Vec<Option<&str>> = if possible.is_empty() {
                vec![None]
            } else {
                possible.iter().map(|on| Some(on.as_str())).collect()
            };
            for on in each {
                let first = self.part(&root.ty, field, 0, on);
                let mut strands = Vec::new();
                let mut above = vec![first];
                let ty = if let Some(on) = on {
                    above.push(Part {
                        key: format!("... on {on}"),
                        ty: on.to_owned(),
                        leaves: self.leaves(on),
                        ..root.clone()
                    });
                    on
                } else {
                    &field.ty.name
                };
                self.strands(ty, edges, &mut above, &mut strands);
                let mut part = root.clone();
                for strand in strands {
                    let mut more = part.clone();
                    more.add(&strand);
                    if !more.fits() {
                        queries.push(std::mem::replace(&mut part, root.clone()));
                        more = root.clone();
                        more.add(&strand);
                        assert!(more.fits(), "one path is too heavy: {more:?}");
                    }
                    part = more;
                }
                queries.push(part);
            }
        }
        let text = |part: Part| {
            let mut text = String::new();
            part.text(&mut text);
            (text, part)
        };
        queries.into_iter().map(text).collect()
    }
}

/// What all the answers to one viewer showed.
#[derive(Default)]
pub struct Findings {
    /// Fields that had a value.
    pub reached: BTreeSet<Pair>,
    /// What was wrong.
    pub wrong: BTreeSet<String>,
    /// The data of each query.
    pub answers: BTreeMap<String, Value>,
}

/// Sends every query as the viewer and looks through the answers.
pub async fn crawl(crawler: &Crawler<'_>, edges: usize) -> Findings {
    let mut findings = Findings::default();
    let (world, viewer) = (crawler.world, crawler.viewer);
    for (query, part) in crawler.queries(edges) {
        let answer = world.app.gql(&viewer.token, &query, json!({})).await;
        let mut wrong = Vec::new();
        if let Some(error) = unexpected(&answer) {
            wrong.push(format!("{error}: {query}"));
        }
        let leaks = world.leaks_of(viewer.id, &answer.json);
        wrong.extend(leaks.iter().map(|leak| format!("{leak}: {query:.600}")));
        let data = answer.json["data"].clone();
        part.reached(&data, &mut findings.reached, &mut wrong);
        let name = &viewer.name;
        findings
            .wrong
            .extend(wrong.iter().map(|what| format!("{name}: {what}")));
        findings.answers.insert(query, data);
    }
    findings
}

/// An error that is no refusal.
pub fn unexpected(answer: &Answer) -> Option<String> {
    if answer.json["data"].is_null() && answer.errors().is_empty() {
        return Some(format!("no answer: {answer}"));
    }
    let refused = |error: &&Value| {
        let code = error["extensions"]["code"].as_str();
        !matches!(code, Some("FORBIDDEN" | "NOT_FOUND"))
    };
    answer.errors().iter().find(refused).map(Value::to_string)
}

/// Every field that can be asked for by a query.
pub fn all_pairs(schema: &Schema) -> BTreeSet<Pair> {
    let mut pairs = BTreeSet::new();
    for (ty, _) in schema.ways(&schema.query) {
        if schema.get(&ty).kind == "OBJECT" {
            let fields = schema.get(&ty).fields.iter();
            pairs.extend(fields.map(|field| (ty.clone(), field.name.clone())));
        }
    }
    pairs
}
