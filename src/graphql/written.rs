//! The fields of a document, as they are written in it and where they come to stand.

use async_graphql::Positioned;
use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};

/// All fields of all operations and fragments, each once, in no order.
pub fn fields(document: &ExecutableDocument) -> impl Iterator<Item = &Positioned<Field>> {
    let operations = document.operations.iter();
    let mut open: Vec<&SelectionSet> = operations
        .map(|(_, operation)| &operation.node.selection_set.node)
        .collect();
    let fragments = document.fragments.values();
    open.extend(fragments.map(|fragment| &fragment.node.selection_set.node));
    let mut items = [].iter();
    std::iter::from_fn(move || {
        loop {
            let Some(item) = items.next() else {
                items = open.pop()?.items.iter();
                continue;
            };
            match &item.node {
                Selection::Field(field) => {
                    open.push(&field.node.selection_set.node);
                    return Some(field);
                }
                Selection::InlineFragment(inline) => open.push(&inline.node.selection_set.node),
                // Its fields are met where it is written.
                Selection::FragmentSpread(_) => {}
            }
        }
    })
}

/// Adds the fields of `set` to `found`, with fragments in their places. The meter has bounded how many there can be
/// and how deep fragments lie in each other.
pub fn expand<'d>(
    set: &'d SelectionSet,
    document: &'d ExecutableDocument,
    found: &mut Vec<&'d Positioned<Field>>,
) {
    for item in &set.items {
        match &item.node {
            Selection::Field(field) => found.push(field),
            Selection::InlineFragment(inline) => {
                expand(&inline.node.selection_set.node, document, found);
            }
            Selection::FragmentSpread(spread) => {
                let fragment = document.fragments.get(&spread.node.fragment_name.node);
                if let Some(fragment) = fragment {
                    expand(&fragment.node.selection_set.node, document, found);
                }
            }
        }
    }
}
