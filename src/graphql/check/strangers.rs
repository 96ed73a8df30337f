//! What somebody who is not signed in may ask: what GraphQL itself answers, and nothing of ours. Everything else
//! is refused in the same words, whether it fits the schema or not, so that nobody learns the schema by trying.

use async_graphql::parser::types::{BaseType, ExecutableDocument, Selection, SelectionSet, Type};

/// The types of variables that everybody knows.
const KNOWN: [&str; 5] = ["Boolean", "Float", "ID", "Int", "String"];

/// The types whose fields are the outermost ones.
const ROOTS: [&str; 2] = ["Query", "Mutation"];

/// Whether `document` asks for anything but what GraphQL itself answers, in any of its parts.
pub(super) fn asks_for_more(document: &ExecutableDocument) -> bool {
    document.operations.iter().any(|(_, operation)| {
        let mut variables = operation.node.variable_definitions.iter();
        variables.any(|variable| !is_known(&variable.node.var_type.node))
            || set_asks_for_more(&operation.node.selection_set.node)
    }) || document.fragments.values().any(|fragment| {
        let on = &fragment.node.type_condition.node.on.node;
        part_asks_for_more(on, &fragment.node.selection_set.node)
    })
}

/// Whether a set of outermost fields does.
fn set_asks_for_more(set: &SelectionSet) -> bool {
    set.items.iter().any(|item| match &item.node {
        Selection::Field(field) => !field.node.name.node.starts_with("__"),
        Selection::InlineFragment(inline) => {
            let set = &inline.node.selection_set.node;
            match &inline.node.type_condition {
                Some(condition) => part_asks_for_more(&condition.node.on.node, set),
                None => set_asks_for_more(set),
            }
        }
        // Looked at where it is written.
        Selection::FragmentSpread(_) => false,
    })
}

fn part_asks_for_more(on: &str, set: &SelectionSet) -> bool {
    // The types of introspection lead to no others.
    !on.starts_with("__") && (!ROOTS.contains(&on) || set_asks_for_more(set))
}

fn is_known(ty: &Type) -> bool {
    let mut ty = ty;
    loop {
        match &ty.base {
            BaseType::Named(name) => return KNOWN.contains(&name.as_str()),
            BaseType::List(inner) => ty = inner,
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn what_graphql_answers_itself_is_for_everybody_and_nothing_else_is() {
        for (document, more) in [
            ("{ __typename }", false),
            ("mutation { __typename }", false),
            (
                "query($n: String!) { __type(name: $n) { name fields { name } } }",
                false,
            ),
            (
                "{ __schema { types { ...T } } } fragment T on __Type { name }",
                false,
            ),
            (
                "{ ... { __typename } ...Q } fragment Q on Query { __typename }",
                false,
            ),
            ("{ clients { totalCount } }", true),
            ("{ nonsense }", true),
            ("mutation { nonsense }", true),
            ("{ ... on Query { clients { totalCount } } }", true),
            ("{ ... on Client { name } }", true),
            (
                "{ ...Q } fragment Q on Query { clients { totalCount } }",
                true,
            ),
            ("{ __typename } fragment C on Client { name }", true),
            ("query($f: [ClientFilter!]) { __typename }", true),
            (
                "query A { __typename } query B { clients { totalCount } }",
                true,
            ),
        ] {
            assert_eq!(
                asks_for_more(&parse_query(document).unwrap()),
                more,
                "{document}"
            );
        }
    }
}
