//! Holds a parsed document against what its caller may ask for, before it is validated and run ([`super::weigh`]).

use async_graphql::Variables;
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType,
};

use super::limits::{Bounds, CallerKind};
use super::refusal::Refusal;
use super::weigh::Meter;
use crate::Error;
use crate::messages::Message;
use crate::say;

pub use super::weigh::{MUTATION_COST, TOTAL_COST, UNPAGED, Weight};
pub use crate::config::Introspection;

/// Validation walks every operation of a document, not only the one that runs; this many times the fields of
/// one operation is what it may meet in all.
const WHOLE_DOCUMENT: usize = 4;

/// Introspection lists within each other (`fields { type { fields ...`): each multiplies the answer.
const MAX_INTROSPECTION_LISTS: usize = 2;

/// Fields that introspection may show. What explorers and code generators ask for comes to about 90,000.
const MAX_INTROSPECTED: usize = 150_000;

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
        at_most(
            "QUERY_TOO_COMPLEX",
            say!("the introspection query shows too much"),
            say!("fields"),
            weight.introspected,
            MAX_INTROSPECTED,
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
                "{ cs(first: 10) { nodes { id } pageInfo { hasNextPage } } }",
                12,
            ),
            // Counting is work that no row shows.
            ("{ cs(first: 10) { nodes { id } totalCount } }", 16),
            ("{ cs(first: 10) { totalCount } }", 6),
            ("{ cs { totalCount pageInfo { hasNextPage } } }", 7),
            (
                "{ cs(first: 10) { nodes { cs(first: 0) { totalCount } } } }",
                1 + 10 * (1 + 6),
            ),
            ("{ cs { nodes { id } } }", 21),
            // A page of none is asked for as well.
            ("{ cs(first: 0) { nodes { id } } }", 2),
            ("{ cs(first: -5) { nodes { id } } }", 2),
            (
                "{ cs(first: 10) { nodes { t { n } cs(first: 3) { nodes { id } } } } }",
                1 + 10 * (2 + 4),
            ),
            ("{ nodes(ids: [\"a\", \"b\"]) { ... on C { t { n } } } }", 4),
            (
                "{ cs(first: 10) { ...C } } fragment C on CC { nodes { id } }",
                11,
            ),
            // 50, and 1 for each 500 of 240 * (2 + 5 * 2) fields.
            ("{ __schema { types { name fields { name } } } }", 56),
            // Lists without a page size are of their usual size.
            ("{ o { lines { p { n } } } }", 1 + 5 * 2),
            ("{ o { returns { lines { q } } } }", 1 + (1 + 5)),
            (
                "{ clients { nodes { id } } preview { clients { id } } }",
                21 + 1 + 20,
            ),
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
    fn a_list_without_a_page_size_is_of_its_largest_size_where_lists_multiply() {
        for (document, expected) in [
            ("{ o { lines { o { lines { id } } } } }", 200 * (1 + 5)),
            (
                "{ o { lines { o { lines { o { lines { id } } } } } } }",
                200 * (1 + 200 * (1 + 5)),
            ),
            (
                "{ o { lines { ...L } } } fragment L on L { o { lines { id } } }",
                200 * 6,
            ),
            // Three different ones: the outermost is of its largest size.
            (
                "{ team { addresses { points { id } } } }",
                50 * (1 + 2 * (1 + 2)),
            ),
            ("{ o { returns { lines { id } } } }", 1 + 5),
            (
                "{ os(first: 100) { nodes { lines { id } } } }",
                100 * (1 + 5),
            ),
            // Side by side they do not multiply.
            ("{ a: o { lines { id } } b: o { lines { id } } }", 10),
        ] {
            assert_eq!(rows(document, json!({})), expected, "{document}");
        }
    }

    #[test]
    fn values_cost_for_each_row_that_reads_them() {
        let many: Vec<usize> = (0..1_000).collect();
        let once = "query($f: F) { cs(first: 10, filter: $f) { nodes { id } } }";
        assert_eq!(cost(once, json!({ "f": many })), 11 + 4);
        let each =
            "query($f: F) { cs(first: 10) { nodes { cs(first: 0, filter: $f) { totalCount } } } }";
        assert_eq!(cost(each, json!({ "f": many })), 1 + 10 * 7 + 40);
        assert_eq!(cost(each, json!({ "f": { "a": 1 } })), 1 + 10 * 7);
        let written = format!(
            "{{ cs(first: 100) {{ nodes {{ c(x: [{}]) }} }} }}",
            "1,".repeat(100)
        );
        assert_eq!(cost(&written, json!({})), 101 + 40);
    }

    #[test]
    fn what_is_selected_again_counts_as_an_alias() {
        let aliases = |document: &str| {
            let document = parse_query(document).unwrap();
            let operation = operation(&document, None).unwrap();
            let variables = Variables::default();
            weigh(&document, operation, &variables).unwrap().aliases
        };
        for (document, found) in [
            ("{ a b { a } c { a } }", 0),
            ("{ a a a }", 2),
            ("{ b: a a b }", 2),
            ("{ a: x a: x }", 2),
            ("{ ...F ...F } fragment F on T { a }", 1),
            (
                "{ ...F ...G a } fragment F on T { a } fragment G on T { a }",
                0,
            ),
            (
                "{ ...F ...F } fragment F on T { ...G ...G } fragment G on T { ...H ...H } fragment H on T { a }",
                7,
            ),
        ] {
            assert_eq!(aliases(document), found, "{document}");
        }
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
