//! The fields of a document, wherever they are written in it.

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
