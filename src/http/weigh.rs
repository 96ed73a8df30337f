//! Weighs a document: what it comes to once its fragments are expanded, what its lists can hold, what it costs.
//! Fragments make a document a graph, not a tree: each is weighed once and the result is used wherever it is
//! spread, so that a short text that stands for millions of fields costs no more than any other. All sums
//! saturate.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Pos, Positioned, Value, Variables};
use async_graphql_value::Value as InputValue;

use super::cost::{PULLED_PER_POINT, is_pull};
use super::refusal::Refusal;
use crate::{Error, say};

/// Selection sets within each other, fragments included, that validation and execution will follow.
const MAX_LEVELS: usize = 32;

/// The page size of a connection that names none.
const DEFAULT_PAGE: usize = 20;

/// What a root field of a mutation costs beside the objects of its answer, in points.
pub const MUTATION_COST: usize = 10;

/// What `__schema` and `__type` cost, in points, beside what they may show.
pub const INTROSPECTION_COST: usize = 50;

/// Fields of introspection for one point.
const INTROSPECTED_PER_POINT: usize = 500;

/// What `totalCount` costs, in points: the rows are counted one by one.
pub const TOTAL_COST: usize = 5;

/// Values of arguments, read again for each row they run for, that cost one point.
const READ_PER_POINT: usize = 250;

/// A list of objects that takes no page size.
#[derive(Clone, Copy, Debug)]
pub struct Unpaged {
    /// The name of its fields.
    pub name: &'static str,
    /// Rows that it has as a rule.
    pub usual: usize,
    /// Rows that it has at most, or hardly ever more.
    pub most: usize,
}

const fn unpaged(name: &'static str, usual: usize, most: usize) -> Unpaged {
    Unpaged { name, usual, most }
}

/// The lists of objects that take no page size. They count as pages of their usual size, and of their largest
/// one where they lie in themselves or below two others: there they multiply, and nobody needs them.
pub const UNPAGED: [Unpaged; 38] = [
    unpaged("addresses", 2, 200),
    unpaged("categories", 5, 200),
    unpaged("clients", 20, 20),
    unpaged("confidentiality", 3, 3),
    unpaged("contacts", 20, 200),
    unpaged("devices", 2, 100),
    unpaged("documents", 100, 1000),
    unpaged("handovers", 2, 100),
    unpaged("identities", 1, 10),
    unpaged("keys", 2, 50),
    unpaged("leftOut", 5, 200),
    unpaged("lines", 5, 200),
    unpaged("members", 5, 20),
    unpaged("notes", 20, 200),
    unpaged("orders", 20, 200),
    unpaged("payments", 20, 200),
    unpaged("points", 2, 20),
    unpaged("problems", 2, 10),
    unpaged("products", 20, 200),
    unpaged("pushAddresses", 1, 200),
    unpaged("pushClients", 1, 200),
    unpaged("pushContacts", 1, 200),
    unpaged("pushNotes", 1, 200),
    unpaged("pushOrders", 1, 200),
    unpaged("pushPayments", 1, 200),
    unpaged("receivables", 2, 20),
    unpaged("results", 20, 200),
    unpaged("returns", 1, 50),
    unpaged("rows", 100, 1000),
    unpaged("scopes", 2, 200),
    unpaged("serviceAccounts", 10, 200),
    unpaged("syncDigest", 12, 12),
    unpaged("syncIssues", 1, 200),
    unpaged("team", 3, 50),
    unpaged("tierSchemes", 1, 20),
    unpaged("tiers", 5, 200),
    unpaged("tombstones", 20, 1000),
    unpaged("users", 1, 20),
];

/// How many of the lists of introspection there are, on average of what leads there.
const INTROSPECTED: [(&str, usize); 8] = [
    ("types", 240),
    ("fields", 5),
    ("args", 1),
    ("inputFields", 3),
    ("enumValues", 1),
    ("interfaces", 1),
    ("possibleTypes", 1),
    ("directives", 8),
];

/// What a selection set comes to once its fragments are expanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Fields at all levels.
    pub fields: usize,
    /// Levels of fields.
    pub depth: usize,
    /// Aliases.
    pub aliases: usize,
    /// Directives.
    pub directives: usize,
    /// Rows that page sizes, multiplied down the paths, can ask for.
    pub nodes: usize,
    /// Fields of the outermost level.
    pub roots: usize,
    /// Those of them whose names begin with `__`.
    pub meta_roots: usize,
    /// Those of them that open the schema: `__schema` and `__type`.
    pub schema_roots: usize,
    /// Fields, with each list of introspection as long as it usually is.
    shown: usize,
    /// Those of them that are in `__schema` and `__type`.
    pub(super) introspected: usize,
    /// Values in lists and objects of arguments, times the rows they are read for.
    read: usize,
    /// The lists of [`UNPAGED`] in it, one bit each.
    unpaged: u64,
    /// Lists of [`UNPAGED`] within each other.
    unpaged_levels: usize,
    /// What it costs, in points ([`super::cost`]); rows of connections apart.
    cost: usize,
    /// What one row costs in the connection whose selection set this is.
    row_cost: usize,
    /// Selection sets within each other, fragments and inline fragments included.
    levels: usize,
    /// Introspection lists within each other.
    pub(super) introspection_lists: usize,
    /// Whether the outermost level selects `edges` or `nodes`, as one does on a connection.
    is_connection: bool,
    /// Whether it selects what only connections have beside that.
    is_counted: bool,
}

impl Weight {
    fn add(&mut self, other: &Self) {
        self.fields = self.fields.saturating_add(other.fields);
        self.depth = self.depth.max(other.depth);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
        self.nodes = self.nodes.saturating_add(other.nodes);
        self.roots = self.roots.saturating_add(other.roots);
        self.meta_roots = self.meta_roots.saturating_add(other.meta_roots);
        self.schema_roots = self.schema_roots.saturating_add(other.schema_roots);
        self.shown = self.shown.saturating_add(other.shown);
        self.introspected = self.introspected.saturating_add(other.introspected);
        self.read = self.read.saturating_add(other.read);
        self.unpaged |= other.unpaged;
        self.unpaged_levels = self.unpaged_levels.max(other.unpaged_levels);
        self.cost = self.cost.saturating_add(other.cost);
        self.row_cost = self.row_cost.saturating_add(other.row_cost);
        self.levels = self.levels.max(other.levels);
        self.introspection_lists = self.introspection_lists.max(other.introspection_lists);
        self.is_connection |= other.is_connection;
        self.is_counted |= other.is_counted;
    }
}

impl Weight {
    /// What an operation of this weight costs, in points ([`super::cost`]).
    pub fn cost(&self, kind: OperationType) -> usize {
        let base = match kind {
            OperationType::Mutation => {
                let writes = self.roots.saturating_sub(self.meta_roots);
                writes.saturating_mul(MUTATION_COST)
            }
            OperationType::Query | OperationType::Subscription => 0,
        };
        base.saturating_add(self.cost)
            .saturating_add(self.row_cost)
            .saturating_add(self.kept())
            .max(1)
    }

    /// The part of its cost that does not depend on what there is: looking at the schema, reading arguments.
    pub fn kept(&self) -> usize {
        let introspected = self.introspected.div_ceil(INTROSPECTED_PER_POINT);
        let schema = self.schema_roots.saturating_mul(INTROSPECTION_COST);
        introspected
            .saturating_add(schema)
            .saturating_add(self.read / READ_PER_POINT)
    }
}

/// How far the weighing of a fragment is.
enum Progress {
    /// It is being weighed: meeting it again is a circle.
    Begun,
    Done(Weight),
}

pub(super) struct Meter<'d> {
    document: &'d ExecutableDocument,
    variables: &'d Variables,
    /// The operation that runs, for the defaults of its variables.
    running: Option<&'d OperationDefinition>,
    /// Rows that one page may have, and ids that may be asked for at once; `None` where that does not matter.
    page: Option<usize>,
    fragments: HashMap<&'d str, Progress>,
    /// How many values variables hold, those that were asked for.
    sizes: HashMap<&'d str, usize>,
}

impl<'d> Meter<'d> {
    pub(super) fn new(
        document: &'d ExecutableDocument,
        variables: &'d Variables,
        running: Option<&'d OperationDefinition>,
    ) -> Self {
        Self {
            document,
            variables,
            running,
            page: None,
            fragments: HashMap::new(),
            sizes: HashMap::new(),
        }
    }

    /// Refuses pages of more than `page` rows in the operation that runs.
    pub(super) fn with_pages_of(self, page: usize) -> Self {
        Self {
            page: Some(page),
            ..self
        }
    }

    /// Fields of all operations and fragments together, each expanded by itself.
    pub(super) fn whole_document(&mut self) -> Result<usize, Refusal> {
        let document = self.document;
        // What the variables of other operations hold, nobody knows.
        self.page = None;
        let mut fields = 0_usize;
        for (_, operation) in document.operations.iter() {
            fields = fields.saturating_add(self.operation(&operation.node)?.fields);
        }
        for name in document.fragments.keys() {
            fields = fields.saturating_add(self.fragment(name, 0)?.fields);
        }
        Ok(fields)
    }

    pub(super) fn operation(
        &mut self,
        operation: &'d OperationDefinition,
    ) -> Result<Weight, Refusal> {
        let mut weight = self.set(&operation.selection_set.node, 0)?;
        let variables = operation.variable_definitions.iter();
        let on_variables: usize = variables
            .map(|variable| variable.node.directives.len())
            .sum();
        weight.directives = weight
            .directives
            .saturating_add(operation.directives.len())
            .saturating_add(on_variables);
        Ok(weight)
    }

    /// Weighs `set`, which lies inside `outer` other selection sets.
    fn set(&mut self, set: &'d SelectionSet, outer: usize) -> Result<Weight, Refusal> {
        // Bounds this recursion itself; what lies inside a fragment is bounded again where it is spread.
        if outer >= MAX_LEVELS {
            return Err(too_many_levels());
        }
        let mut total = Weight::default();
        // What is selected again under the same name is done again.
        let mut keys = HashSet::new();
        let mut spreads = HashSet::new();
        for item in &set.items {
            let weight = match &item.node {
                Selection::Field(field) => {
                    let mut weight = self.field(field, outer)?;
                    let is_again = !keys.insert(field.node.response_key().node.as_str());
                    if is_again && field.node.alias.is_none() {
                        weight.aliases = weight.aliases.saturating_add(1);
                    }
                    weight
                }
                Selection::InlineFragment(inline) => {
                    let mut weight = self.set(&inline.node.selection_set.node, outer + 1)?;
                    weight.directives = weight
                        .directives
                        .saturating_add(inline.node.directives.len());
                    weight
                }
                Selection::FragmentSpread(spread) => {
                    let mut weight = self.fragment(&spread.node.fragment_name.node, outer + 1)?;
                    weight.directives = weight
                        .directives
                        .saturating_add(spread.node.directives.len());
                    if !spreads.insert(spread.node.fragment_name.node.as_str()) {
                        weight.aliases = weight.aliases.saturating_add(1);
                    }
                    weight
                }
            };
            total.add(&weight);
        }
        total.levels += 1;
        if outer + total.levels > MAX_LEVELS {
            return Err(too_many_levels());
        }
        Ok(total)
    }

    fn field(&mut self, field: &'d Positioned<Field>, outer: usize) -> Result<Weight, Refusal> {
        let field = &field.node;
        let inner = if field.selection_set.node.items.is_empty() {
            Weight::default()
        } else {
            self.set(&field.selection_set.node, outer + 1)?
        };
        let name = field.name.node.as_str();
        if let Some(most) = self.page {
            self.check_page(field, most)?;
        }
        let page = self.page(field, &inner);
        let nodes = match page.rows {
            Some(size) => size.saturating_mul(inner.nodes.saturating_add(1)),
            None => inner.nodes,
        };
        // A page of none is asked for as well.
        let times = page.rows.unwrap_or(1).max(1);
        let own = field.arguments.iter();
        let own = own.fold(0, |sum: usize, (_, value)| {
            sum.saturating_add(self.size(&value.node).saturating_sub(1))
        });
        let (cost, row_cost) = cost(field, &inner, page.rows);
        let multiplies = matches!(
            name,
            "fields" | "interfaces" | "possibleTypes" | "inputFields"
        );
        let is_schema = matches!(name, "__schema" | "__type");
        let many = INTROSPECTED.iter().find(|(list, _)| *list == name);
        let many = many.map_or(1, |(_, many)| *many);
        let shown = inner.shown.saturating_add(1).saturating_mul(many);
        Ok(Weight {
            fields: inner.fields.saturating_add(1),
            depth: inner.depth.saturating_add(1),
            aliases: inner
                .aliases
                .saturating_add(usize::from(field.alias.is_some())),
            directives: inner.directives.saturating_add(field.directives.len()),
            nodes,
            roots: 1,
            meta_roots: usize::from(name.starts_with("__")),
            schema_roots: usize::from(is_schema),
            shown,
            introspected: if is_schema { shown } else { inner.introspected },
            read: own.saturating_add(inner.read.saturating_mul(times)),
            unpaged: inner.unpaged | page.unpaged,
            unpaged_levels: inner
                .unpaged_levels
                .saturating_add(usize::from(page.unpaged != 0)),
            cost,
            row_cost,
            levels: inner.levels,
            introspection_lists: inner
                .introspection_lists
                .saturating_add(usize::from(multiplies)),
            is_connection: matches!(name, "edges" | "nodes"),
            is_counted: matches!(name, "totalCount" | "pageInfo"),
        })
    }

    fn fragment(&mut self, name: &'d Name, outer: usize) -> Result<Weight, Refusal> {
        match self.fragments.get(name.as_str()) {
            Some(Progress::Done(weight)) => {
                return if outer + weight.levels > MAX_LEVELS {
                    Err(too_many_levels())
                } else {
                    Ok(*weight)
                };
            }
            Some(Progress::Begun) => {
                return Err(Refusal::validation(say!(
                    "fragment \"{name}\" spreads itself, directly or through others",
                    name
                )));
            }
            None => {}
        }
        // That a fragment does not exist is for validation to say. It counts as a field, or fragments that
        // double down to a missing one would weigh nothing.
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(Weight {
                fields: 1,
                ..Weight::default()
            });
        };
        self.fragments.insert(name, Progress::Begun);
        let mut weight = self.set(&fragment.node.selection_set.node, outer)?;
        weight.directives = weight
            .directives
            .saturating_add(fragment.node.directives.len());
        self.fragments.insert(name, Progress::Done(weight));
        Ok(weight)
    }

    /// Refuses a page of `field` that is no page, or larger than `most`.
    fn check_page(&self, field: &Field, most: usize) -> Result<(), Refusal> {
        let mut is_sized = false;
        for name in ["first", "last"] {
            let Some(argument) = field.get_argument(name) else {
                continue;
            };
            // Whatever else it is, it is no size; null is none.
            let Some(Given::Written(InputValue::Number(size)) | Given::Sent(Value::Number(size))) =
                self.value(&argument.node)
            else {
                continue;
            };
            if is_sized {
                let message = say!("ask for `first` or for `last`, not for both");
                let error = Error::bad_input("last", message).field("first");
                return Err(bad_page(error, argument.pos));
            }
            is_sized = true;
            let is_whole = size.is_i64() || size.is_u64();
            let fits = size.as_u64().and_then(|size| usize::try_from(size).ok());
            if is_whole && fits.is_none_or(|size| size > most) {
                let message = say!(
                    "`{field}` is a number from 0 to {most}, not {size}",
                    field = name,
                    most,
                    size = size.to_string()
                );
                return Err(bad_page(Error::bad_input(name, message), argument.pos));
            }
        }
        let Some(ids) = field.get_argument("ids") else {
            return Ok(());
        };
        let count = match self.value(&ids.node) {
            Some(Given::Written(InputValue::List(ids))) => ids.len(),
            Some(Given::Sent(Value::List(ids))) => ids.len(),
            _ => 1,
        };
        if count > most {
            let message = say!(
                "ask for at most {most} ids at once, not {count}",
                most,
                count
            );
            return Err(bad_page(Error::bad_input("ids", message), ids.pos));
        }
        Ok(())
    }

    /// The page that `field` asks for, in which each row is `inner`.
    fn page(&self, field: &Field, inner: &Weight) -> Page {
        let rows = |rows| Page { rows, unpaged: 0 };
        if let Some(ids) = field.get_argument("ids") {
            // As many rows as ids are given.
            return rows(Some(match self.value(&ids.node) {
                Some(Given::Written(InputValue::List(ids))) => ids.len(),
                Some(Given::Sent(Value::List(ids))) => ids.len(),
                _ => 1,
            }));
        }
        let asked = ["first", "last"].into_iter().filter_map(|name| {
            // A negative or fractional size is no size; it is refused before it runs.
            match self.value(&field.get_argument(name)?.node)? {
                Given::Written(InputValue::Number(size)) | Given::Sent(Value::Number(size)) => {
                    Some(size.as_u64().unwrap_or_default())
                }
                _ => None,
            }
        });
        if let Some(asked) = asked.max() {
            return rows(Some(usize::try_from(asked).unwrap_or(usize::MAX)));
        }
        if inner.is_connection || inner.is_counted {
            return rows(inner.is_connection.then_some(DEFAULT_PAGE));
        }
        let is_list = !field.selection_set.node.items.is_empty();
        let known = UNPAGED.iter().zip(0_u32..);
        let known = known
            .filter(|(list, _)| is_list && list.name == field.name.node.as_str())
            .map(|(list, at)| (list, 1_u64.checked_shl(at).unwrap_or_default()))
            .next();
        let Some((list, bit)) = known else {
            return rows(None);
        };
        let multiplies = inner.unpaged & bit != 0 || inner.unpaged_levels > 1;
        Page {
            rows: Some(if multiplies { list.most } else { list.usual }),
            unpaged: bit,
        }
    }

    /// How many values `value` holds, with those of variables.
    fn size(&mut self, value: &'d InputValue) -> usize {
        match value {
            InputValue::Variable(name) => {
                if let Some(size) = self.sizes.get(name.as_str()) {
                    return *size;
                }
                let size = self.variable(name).map_or(1, size_of);
                self.sizes.insert(name, size);
                size
            }
            InputValue::List(items) => items
                .iter()
                .fold(1, |sum, item| self.size(item).saturating_add(sum)),
            InputValue::Object(fields) => fields
                .values()
                .fold(1, |sum, field| self.size(field).saturating_add(sum)),
            _ => 1,
        }
    }

    fn value<'v>(&'v self, value: &'v InputValue) -> Option<Given<'v>> {
        match value {
            InputValue::Variable(name) => self.variable(name).map(Given::Sent),
            value => Some(Given::Written(value)),
        }
    }

    fn variable(&self, name: &Name) -> Option<&Value> {
        if let Some(value) = self.variables.get(name) {
            return Some(value);
        }
        let definitions = self
            .running
            .map(|operation| &operation.variable_definitions);
        let definition = definitions
            .into_iter()
            .flatten()
            .find(|definition| definition.node.name.node == *name);
        let default = definition.and_then(|definition| definition.node.default_value.as_ref());
        default.map(|default| &default.node)
    }
}

/// A value of an argument.
enum Given<'v> {
    Written(&'v InputValue),
    Sent(&'v Value),
}

/// What a field asks for as a list.
struct Page {
    /// Its rows; `None` if it is no list that one can tell.
    rows: Option<usize>,
    /// Its bit of [`UNPAGED`], if it is of those.
    unpaged: u64,
}

/// How many values `value` holds, itself included.
fn size_of(value: &Value) -> usize {
    let mut size = 0_usize;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        size = size.saturating_add(1);
        match value {
            Value::List(items) => open.extend(items),
            Value::Object(fields) => open.extend(fields.values()),
            _ => {}
        }
    }
    size
}

/// What `field` costs, and what it adds to each row of the connection it lies in, in points ([`super::cost`]).
fn cost(field: &Field, inner: &Weight, page: Option<usize>) -> (usize, usize) {
    let name = field.name.node.as_str();
    if field.selection_set.node.items.is_empty() {
        return (if name == "totalCount" { TOTAL_COST } else { 0 }, 0);
    }
    if name.starts_with("__") {
        // By what it shows ([`Weight::kept`]).
        return (0, 0);
    }
    let object = inner.cost.saturating_add(1);
    if is_pull(name) {
        let per_point = usize::try_from(PULLED_PER_POINT).unwrap_or(usize::MAX);
        return (object.div_ceil(per_point), 0);
    }
    // A page of none is asked for as well.
    match page.map(|size| size.max(1)) {
        Some(size) if inner.is_connection => (
            object.saturating_add(size.saturating_mul(inner.row_cost)),
            0,
        ),
        // A connection of which no rows are selected.
        Some(_) | None if inner.is_counted => (object, 0),
        Some(size) => (size.saturating_mul(object), 0),
        None if matches!(name, "edges" | "nodes") => (0, object),
        None => (object, 0),
    }
}

fn bad_page(error: Error, at: Pos) -> Refusal {
    Refusal {
        lenient: true,
        at: Some(at),
        ..error.with_rule("BAD_PAGE_SIZE").into()
    }
}

fn too_many_levels() -> Refusal {
    Refusal::limit(
        "QUERY_TOO_DEEP",
        say!("selections, with fragments expanded, are nested too deeply"),
        say!("levels"),
        usize::MAX,
        MAX_LEVELS,
    )
}
