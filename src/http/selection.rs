//! The fields of a selection set, with fragments expanded.

use async_graphql::Positioned;
use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};

/// Adds the fields of `set` to `found`. The meter has bounded how many there can be and how deep fragments
/// lie in each other.
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
