//! Weighs a parsed document before it is validated and run. Fragments make a document a graph, not a tree:
//! each is weighed once and the result is used wherever it is spread, so that a short text that stands for
//! millions of fields costs no more than any other. All sums saturate.

use std::collections::HashMap;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::{Name, Positioned, Value, Variables};

use super::limits::{Bounds, CallerKind};
use super::refusal::Refusal;
use crate::Error;
use crate::messages::Message;
use crate::say;

pub use crate::config::Introspection;

/// Selection sets within each other, fragments included, that validation and execution will follow.
const MAX_LEVELS: usize = 32;

/// Validation walks every operation of a document, not only the one that runs; this many times the fields of
/// one operation is what it may meet in all.
const WHOLE_DOCUMENT: usize = 4;

/// Introspection lists within each other (`fields { type { fields ...`): each multiplies the answer.
const MAX_INTROSPECTION_LISTS: usize = 2;

/// The page size of a connection that names none.
const DEFAULT_PAGE: usize = 20;

/// What a root field of a mutation costs beside the objects of its answer, in points.
pub const MUTATION_COST: usize = 10;

/// What `__schema` and `__type` cost, in points: one and the same answer for everybody, so its size does not
/// count.
pub const INTROSPECTION_COST: usize = 50;

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
    /// What it costs, in points ([`super::cost`]); rows of connections apart.
    cost: usize,
    /// What one row costs in the connection whose selection set this is.
    row_cost: usize,
    /// Selection sets within each other, fragments and inline fragments included.
    levels: usize,
    /// Introspection lists within each other.
    introspection_lists: usize,
    /// Whether the outermost level selects `edges` or `nodes`, as one does on a connection.
    is_connection: bool,
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
        self.cost = self.cost.saturating_add(other.cost);
        self.row_cost = self.row_cost.saturating_add(other.row_cost);
        self.levels = self.levels.max(other.levels);
        self.introspection_lists = self.introspection_lists.max(other.introspection_lists);
        self.is_connection |= other.is_connection;
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
            .max(1)
    }
}

/// Finds the operation that `name` selects.
///
/// # Errors
/// `GRAPHQL_VALIDATION_FAILED` if there is none of that name, or several and no name.
pub fn operation<'d>(
    document: &'d ExecutableDocument,
    name: Option<&str>,
) -> Result<&'d OperationDefinition, Refusal> {
    let found = match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(operation),
        (DocumentOperations::Single(_), Some(_)) => None,
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(operations), None) => {
            let mut all = operations.values();
            match (all.next(), all.next()) {
                (only, None) => only,
                _ => {
                    return Err(Refusal::validation(say!(
                        "the document has several operations: say with operationName which to run"
                    )));
                }
            }
        }
    };
    found.map(|operation| &operation.node).ok_or_else(|| {
        let name = name.unwrap_or_default();
        Refusal::validation(say!("the document has no operation named \"{name}\"", name))
    })
}

/// Refuses documents whose shape no caller may send: fragments in a circle, and nesting that only fragments
/// reach. What passes can be walked by recursion.
///
/// # Errors
/// `GRAPHQL_VALIDATION_FAILED` for a circle, `QUERY_TOO_DEEP` for nesting.
pub fn check_shape(document: &ExecutableDocument) -> Result<(), Refusal> {
    let variables = Variables::default();
    let mut meter = Meter::new(document, &variables, None);
    meter.whole_document().map(drop)
}

/// Weighs the operation `operation` of `document`, with `variables` for page sizes.
///
/// # Errors
/// Those of [`check_shape`].
pub fn weigh(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Result<Weight, Refusal> {
    Meter::new(document, variables, Some(operation)).operation(operation)
}

/// Refuses a look at the schema to whom it is not for.
///
/// # Errors
/// With rule `INTROSPECTION_OFF`: `FORBIDDEN` where it is off, `UNAUTHENTICATED` where signing in would help.
pub fn check_introspection(
    weight: &Weight,
    introspection: Introspection,
    caller: CallerKind,
) -> Result<(), Refusal> {
    if weight.schema_roots == 0 {
        return Ok(());
    }
    let error = match (introspection, caller) {
        (Introspection::On, _) | (Introspection::SignedIn, CallerKind::SignedIn) => return Ok(()),
        (Introspection::SignedIn, CallerKind::Anonymous) => {
            Error::unauthenticated(say!("sign in to look at the schema"))
        }
        (Introspection::Off, _) => Error::forbidden(say!("introspection is off on this service")),
    };
    Err(error.with_rule("INTROSPECTION_OFF").into())
}

/// Weighs `operation` and holds it, and the whole document, against `bounds`.
///
/// # Errors
/// `LIMIT_EXCEEDED` with the rule that says which limit, and the errors of [`check_introspection`] and
/// [`check_shape`].
pub fn check(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
    bounds: &Bounds,
    introspection: Introspection,
    caller: CallerKind,
) -> Result<Weight, Refusal> {
    let operations = document.operations.iter().len();
    at_most(
        "QUERY_TOO_COMPLEX",
        say!("the document has too many operations"),
        say!("operations"),
        operations,
        bounds.operations,
    )?;
    let mut meter = Meter::new(document, variables, Some(operation));
    let weight = meter.operation(operation)?;

    check_introspection(&weight, introspection, caller)?;
    let is_introspection = weight.roots > 0 && weight.roots == weight.meta_roots;
    let (depth, fields) = if is_introspection {
        (bounds.introspection_depth, bounds.introspection_fields)
    } else {
        (bounds.depth, bounds.fields)
    };
    at_most(
        "QUERY_TOO_DEEP",
        say!("the query goes too deep"),
        say!("levels of fields"),
        weight.depth,
        depth,
    )?;
    if weight.schema_roots > 0 {
        at_most(
            "QUERY_TOO_DEEP",
            say!("the introspection query goes too deep"),
            say!("lists within each other"),
            weight.introspection_lists,
            MAX_INTROSPECTION_LISTS,
        )?;
    }
    at_most(
        "QUERY_TOO_COMPLEX",
        say!("the query selects too much"),
        say!("fields"),
        weight.fields,
        fields,
    )?;
    let roots = match operation.ty {
        OperationType::Mutation => bounds.mutation_roots,
        OperationType::Query | OperationType::Subscription => bounds.query_roots,
    };
    at_most(
        "QUERY_TOO_COMPLEX",
        say!("the operation has too many root fields"),
        say!("root fields"),
        weight.roots,
        roots,
    )?;
    at_most(
        "QUERY_TOO_COMPLEX",
        say!("the query has too many aliases"),
        say!("aliases"),
        weight.aliases,
        bounds.aliases,
    )?;
    at_most(
        "QUERY_TOO_COMPLEX",
        say!("the query has too many directives"),
        say!("directives"),
        weight.directives,
        bounds.directives,
    )?;
    at_most(
        "QUERY_TOO_COMPLEX",
        say!("the page sizes, multiplied down the paths, ask for too much"),
        say!("rows"),
        weight.nodes,
        bounds.nodes,
    )?;
    let whole = meter.whole_document()?;
    at_most(
        "QUERY_TOO_COMPLEX",
        say!("all operations and fragments together select too much"),
        say!("fields"),
        whole,
        fields.saturating_mul(WHOLE_DOCUMENT),
    )?;
    Ok(weight)
}

/// Holds the variables of a request against `bounds`, without recursion.
///
/// # Errors
/// `BAD_VARIABLES` if they are nested too deeply or are too many.
pub fn check_variables(
    variables: &serde_json::Map<String, serde_json::Value>,
    bounds: &Bounds,
) -> Result<(), Refusal> {
    let mut nodes = 0_usize;
    let mut open: Vec<(&serde_json::Value, usize)> =
        variables.values().map(|value| (value, 1)).collect();
    while let Some((value, depth)) = open.pop() {
        nodes = nodes.saturating_add(1);
        if depth > bounds.variable_depth {
            return Err(bad_variables(say!(
                "the variables are refused: they are nested more than {most} levels deep",
                most = bounds.variable_depth
            )));
        }
        if nodes > bounds.variable_nodes {
            return Err(bad_variables(say!(
                "the variables are refused: they hold more than {most} values",
                most = bounds.variable_nodes
            )));
        }
        match value {
            serde_json::Value::Array(items) => {
                open.extend(items.iter().map(|item| (item, depth + 1)));
            }
            serde_json::Value::Object(fields) => {
                open.extend(fields.values().map(|field| (field, depth + 1)));
            }
            _ => {}
        }
    }
    Ok(())
}

fn bad_variables(message: Message) -> Refusal {
    Refusal::bad_request("BAD_VARIABLES", message)
}

fn at_most(
    rule: &'static str,
    what: Message,
    unit: Message,
    found: usize,
    limit: usize,
) -> Result<(), Refusal> {
    if found > limit {
        return Err(Refusal::limit(rule, what, unit, found, limit));
    }
    Ok(())
}

/// How far the weighing of a fragment is.
enum Progress {
    /// It is being weighed: meeting it again is a circle.
    Begun,
    Done(Weight),
}

struct Meter<'d> {
    document: &'d ExecutableDocument,
    variables: &'d Variables,
    /// The operation that runs, for the defaults of its variables.
    running: Option<&'d OperationDefinition>,
    fragments: HashMap<&'d str, Progress>,
}

impl<'d> Meter<'d> {
    fn new(
        document: &'d ExecutableDocument,
        variables: &'d Variables,
        running: Option<&'d OperationDefinition>,
    ) -> Self {
        Self {
            document,
            variables,
            running,
            fragments: HashMap::new(),
        }
    }

    /// Fields of all operations and fragments together, each expanded by itself.
    fn whole_document(&mut self) -> Result<usize, Refusal> {
        let document = self.document;
        let mut fields = 0_usize;
        for (_, operation) in document.operations.iter() {
            fields = fields.saturating_add(self.operation(&operation.node)?.fields);
        }
        for name in document.fragments.keys() {
            fields = fields.saturating_add(self.fragment(name, 0)?.fields);
        }
        Ok(fields)
    }

    fn operation(&mut self, operation: &'d OperationDefinition) -> Result<Weight, Refusal> {
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
        for item in &set.items {
            let weight = match &item.node {
                Selection::Field(field) => self.field(field, outer)?,
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
        let page = self.page(field, inner.is_connection);
        let nodes = match page {
            Some(size) => size.saturating_mul(inner.nodes.saturating_add(1)),
            None => inner.nodes,
        };
        let (cost, row_cost) = cost(field, &inner, page);
        let multiplies = matches!(
            name,
            "fields" | "interfaces" | "possibleTypes" | "inputFields"
        );
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
            schema_roots: usize::from(matches!(name, "__schema" | "__type")),
            cost,
            row_cost,
            levels: inner.levels,
            introspection_lists: inner
                .introspection_lists
                .saturating_add(usize::from(multiplies)),
            is_connection: matches!(name, "edges" | "nodes"),
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

    /// The rows that one page of `field` holds; `None` if it is no list that one can tell.
    fn page(&self, field: &Field, is_connection: bool) -> Option<usize> {
        if let Some(ids) = field.get_argument("ids") {
            // As many rows as ids are given.
            let ids = ids.node.clone();
            return match ids.into_const_with(|name| self.variable(&name)) {
                Ok(Value::List(ids)) => Some(ids.len()),
                Ok(_) | Err(()) => Some(1),
            };
        }
        let asked = ["first", "last"].into_iter().filter_map(|name| {
            let argument = field.get_argument(name)?.node.clone();
            argument
                .into_const_with(|name| self.variable(&name))
                .ok()
                .and_then(|size| match size {
                    // A negative or fractional size is no size; the schema refuses it.
                    Value::Number(size) => Some(size.as_u64().unwrap_or_default()),
                    _ => None,
                })
        });
        let asked = asked
            .max()
            .map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        asked.or(is_connection.then_some(DEFAULT_PAGE))
    }

    fn variable(&self, name: &Name) -> Result<Value, ()> {
        if let Some(value) = self.variables.get(name) {
            return Ok(value.clone());
        }
        let definitions = self
            .running
            .map(|operation| &operation.variable_definitions);
        let definition = definitions
            .into_iter()
            .flatten()
            .find(|definition| definition.node.name.node == *name);
        let default = definition.and_then(|definition| definition.node.default_value.as_ref());
        default.map(|default| default.node.clone()).ok_or(())
    }
}

/// What `field` costs, and what it adds to each row of the connection it lies in, in points ([`super::cost`]).
fn cost(field: &Field, inner: &Weight, page: Option<usize>) -> (usize, usize) {
    if field.selection_set.node.items.is_empty() {
        return (0, 0);
    }
    let name = field.name.node.as_str();
    if name.starts_with("__") {
        return (INTROSPECTION_COST, 0);
    }
    let object = inner.cost.saturating_add(1);
    match page {
        Some(size) if inner.is_connection => (
            object.saturating_add(size.saturating_mul(inner.row_cost)),
            0,
        ),
        Some(size) => (size.saturating_mul(object), 0),
        None if matches!(name, "edges" | "nodes") => (0, object),
        None => (object, 0),
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

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    fn rows(document: &str, variables: serde_json::Value) -> usize {
        let document = parse_query(document).unwrap();
        let operation = operation(&document, None).unwrap();
        let variables = Variables::from_json(variables);
        weigh(&document, operation, &variables).unwrap().nodes
    }

    fn cost(document: &str, variables: serde_json::Value) -> usize {
        let document = parse_query(document).unwrap();
        let operation = operation(&document, None).unwrap();
        let variables = Variables::from_json(variables);
        let weight = weigh(&document, operation, &variables).unwrap();
        weight.cost(operation.ty)
    }

    #[test]
    fn a_document_costs_the_objects_its_answer_can_hold() {
        for (document, points) in [
            ("{ a }", 1),
            ("{ a b { c } }", 1),
            ("{ a { b { c } d { e } } }", 3),
            ("{ cs(first: 10) { nodes { id } } }", 11),
            ("{ cs(last: 10) { edges { cursor node { id } } } }", 21),
            (
                "{ cs(first: 10) { nodes { id } pageInfo { hasNextPage } totalCount } }",
                12,
            ),
            ("{ cs { nodes { id } } }", 21),
            ("{ cs(first: 0) { nodes { id } } }", 1),
            (
                "{ cs(first: 10) { nodes { t { n } cs(first: 3) { nodes { id } } } } }",
                1 + 10 * (2 + 4),
            ),
            ("{ nodes(ids: [\"a\", \"b\"]) { ... on C { t { n } } } }", 4),
            (
                "{ cs(first: 10) { ...C } } fragment C on CC { nodes { id } }",
                11,
            ),
            ("{ cs(first: 10) { totalCount } }", 10),
            ("{ __schema { types { name fields { name } } } }", 50),
            ("mutation { w(input: {}) { c { id } } }", 12),
            ("mutation { w v }", 20),
        ] {
            assert_eq!(cost(document, json!({})), points, "{document}");
        }
        assert_eq!(
            cost(
                "query($n: Int) { cs(first: $n) { nodes { id } } }",
                json!({ "n": 7 })
            ),
            8
        );
        let far = "query($n: Int) { cs(first: $n) { nodes { cs(first: $n) { nodes { id } } } } }";
        assert_eq!(cost(far, json!({ "n": u64::MAX })), usize::MAX);
    }

    #[test]
    fn rows_asked_for_by_id_multiply_what_is_below_them() {
        let below = "... on Client { orders(first: 50) { nodes { id } } }";
        let by_variable = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {below} }} }}");
        let ids: Vec<String> = (0..100).map(|n| format!("client_{n}")).collect();
        assert_eq!(rows(&by_variable, json!({ "ids": ids })), 100 * 51);
        assert_eq!(rows(&by_variable, json!({ "ids": "client_1" })), 51);
        let written = format!("{{ nodes(ids: [\"a\", \"b\", \"c\"]) {{ {below} }} }}");
        assert_eq!(rows(&written, json!({})), 3 * 51);
    }
}
