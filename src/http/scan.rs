//! Reads a GraphQL document once, left to right, before the parser sees it. The parser recurses for every
//! nested value without a bound, so a small document could end the process; what passes here cannot.
//!
//! It knows lexical rules only: strings, block strings, comments, names, numbers, brackets.

use async_graphql::Pos;

use super::limits::Bounds;
use super::refusal::Refusal;
use crate::say;

/// What a document measures before it is parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Lexical tokens; bytes that belong to none count as one each.
    pub tokens: usize,
    /// The most brackets `{ [ (` open at one point.
    pub nesting: usize,
}

/// Measures `document` in one pass, without recursion and without allocating.
///
/// # Errors
/// The position of a string that never ends. By the language's rules such a document cannot be parsed; a
/// parser that reads on regardless would count brackets that this scan took for text.
pub fn scan(document: &str) -> Result<Scan, Pos> {
    let bytes = document.as_bytes();
    let mut found = Scan::default();
    let mut open = 0_usize;
    let mut at = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => at += 1,
            b'#' => at = end_of_line(bytes, at),
            b'"' => {
                found.tokens += 1;
                at = end_of_string(bytes, at).ok_or_else(|| position(document, at))?;
            }
            b'{' | b'[' | b'(' => {
                found.tokens += 1;
                open += 1;
                found.nesting = found.nesting.max(open);
                at += 1;
            }
            b'}' | b']' | b')' => {
                found.tokens += 1;
                open = open.saturating_sub(1);
                at += 1;
            }
            b'.' if bytes.get(at..at + 3) == Some(b"...") => {
                found.tokens += 1;
                at += 3;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                found.tokens += 1;
                at = end_of(bytes, at, |byte| {
                    byte.is_ascii_alphanumeric() || byte == b'_'
                });
            }
            b'0'..=b'9' | b'-' => {
                found.tokens += 1;
                at = end_of_number(bytes, at);
            }
            _ => {
                found.tokens += 1;
                at += 1;
            }
        }
    }
    Ok(found)
}

/// Scans `document` and holds it against `bounds`.
///
/// # Errors
/// `QUERY_TOO_LARGE` for bytes and tokens, `QUERY_TOO_DEEP` for nesting, `GRAPHQL_PARSE_FAILED` for a string
/// without an end.
pub fn check(document: &str, bounds: &Bounds) -> Result<Scan, Refusal> {
    if document.len() > bounds.document_bytes {
        return Err(Refusal::limit(
            "QUERY_TOO_LARGE",
            say!("the document is too long"),
            say!("bytes"),
            document.len(),
            bounds.document_bytes,
        ));
    }
    let found = scan(document)
        .map_err(|at| Refusal::syntax(say!("a string that begins here never ends"), at))?;
    if found.tokens > bounds.tokens {
        return Err(Refusal::limit(
            "QUERY_TOO_LARGE",
            say!("the document is too long"),
            say!("tokens"),
            found.tokens,
            bounds.tokens,
        ));
    }
    if found.nesting > bounds.nesting {
        return Err(Refusal::limit(
            "QUERY_TOO_DEEP",
            say!("the document is nested too deeply"),
            say!("open brackets"),
            found.nesting,
            bounds.nesting,
        ));
    }
    Ok(found)
}

/// The first index from `at` on whose byte does not satisfy `belongs`.
fn end_of(bytes: &[u8], at: usize, belongs: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let length = rest.iter().position(|&byte| !belongs(byte));
    at + length.unwrap_or(rest.len())
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    end_of(bytes, at, |byte| byte != b'\n' && byte != b'\r')
}

/// After a number that begins at `at`, loosely: what is no number fails in the parser, and no bracket, quote
/// or comment is ever swallowed.
fn end_of_number(bytes: &[u8], mut at: usize) -> usize {
    loop {
        at = end_of(bytes, at + 1, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-')
        });
        let fraction =
            bytes.get(at) == Some(&b'.') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        if !fraction {
            return at;
        }
    }
}

/// After the closing quote of the string or block string that begins at `at`; `None` if it has none.
fn end_of_string(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at..at + 3) == Some(b"\"\"\"") {
        return end_of_block(bytes, at + 3);
    }
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\n' | b'\r' => return None,
            // The escaped byte is skipped unless it ends the line, where no string goes on.
            b'\\' if !matches!(bytes.get(at + 1), Some(b'\n' | b'\r')) => at += 2,
            _ => at += 1,
        }
    }
}

fn end_of_block(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' if bytes.get(at..at + 3) == Some(b"\"\"\"") => return Some(at + 3),
            b'\\' if bytes.get(at + 1..at + 4) == Some(b"\"\"\"") => at += 4,
            _ => at += 1,
        }
    }
}

/// Line and column (both from 1, columns in characters) of the byte `at`.
fn position(document: &str, at: usize) -> Pos {
    let before = document.get(..at).unwrap_or(document);
    let last_line = before.rsplit('\n').next().unwrap_or(before);
    Pos {
        line: before.matches('\n').count() + 1,
        column: last_line.chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use async_graphql::parser::types::{
        BaseType, Directive, ExecutableDocument, Selection, SelectionSet, Type,
    };
    use async_graphql::{Positioned, Value};
    use proptest::prelude::*;

    use super::*;

    fn nesting(document: &str) -> usize {
        scan(document).unwrap().nesting
    }

    #[test]
    fn brackets_of_all_kinds_count_together() {
        assert_eq!(nesting("{a(b:[{c:1}]){d}}"), 4);
        assert_eq!(nesting("query($a:[[Int!]!]){a}"), 3);
        assert_eq!(nesting(""), 0);
    }

    #[test]
    fn brackets_in_strings_and_comments_are_text() {
        assert_eq!(nesting(r#"{a(b:"{{{\"[[[")}"#), 2);
        assert_eq!(nesting("{a(b:\"\"\"{{ \\\"\"\" [[ \" (( \"\"\")}"), 2);
        assert_eq!(nesting("{a # {{{{\n b}"), 1);
        assert_eq!(nesting("{a # {{{{\r b{c}}"), 2);
        assert_eq!(nesting("{a(b:\"\",c:\"#\",d:[1]){e{f}}}"), 3);
    }

    #[test]
    fn a_string_without_end_is_refused_with_its_position() {
        assert_eq!(scan("{a(b:\"{{").unwrap_err(), Pos { line: 1, column: 6 });
        assert_eq!(scan("{\n a(b:\"{\n\")").unwrap_err().line, 2);
        // A parser without this rule reads an empty string, a string and then real brackets.
        assert!(scan("{a(b:[\"\"\" \" \" [[[[[[").is_err());
        assert!(scan("{a(b:\"\\").is_err());
    }

    #[test]
    fn tokens_are_those_of_the_language() {
        assert_eq!(scan("{a}").unwrap().tokens, 3);
        assert_eq!(scan("{...f @a(b:-1.5e+3)}").unwrap().tokens, 11);
        assert_eq!(scan("{a:b(c:\"x y z\",d:$e)}").unwrap().tokens, 14);
        assert_eq!(scan(" ,\t\n# all of this\n").unwrap().tokens, 0);
    }

    /// The nesting of a value in which variables may stand.
    macro_rules! constant {
        ($argument:expr) => {{
            let constant = $argument
                .node
                .clone()
                .into_const_with::<()>(|_| Ok(Value::Null));
            value(&constant.unwrap())
        }};
    }

    /// The deepest nesting of brackets that the syntax tree proves the text had.
    fn oracle(document: &ExecutableDocument) -> usize {
        let operations = document.operations.iter().map(|(_, operation)| {
            let variables = operation.node.variable_definitions.iter();
            let variables = variables.map(|variable| {
                let default = variable.node.default_value.as_ref();
                let default = default.map_or(0, |default| value(&default.node));
                let directives = directives(&variable.node.directives);
                1 + default
                    .max(type_of(&variable.node.var_type.node))
                    .max(directives)
            });
            let variables = variables.max().unwrap_or(0);
            let directives = directives(&operation.node.directives);
            set(&operation.node.selection_set.node)
                .max(variables)
                .max(directives)
        });
        let fragments = document.fragments.values().map(|fragment| {
            set(&fragment.node.selection_set.node).max(directives(&fragment.node.directives))
        });
        operations.chain(fragments).max().unwrap_or(0)
    }

    fn set(set: &SelectionSet) -> usize {
        if set.items.is_empty() {
            return 0;
        }
        let items = set.items.iter().map(|item| {
            let inner = match &item.node {
                Selection::Field(field) => {
                    let arguments = field.node.arguments.iter();
                    let arguments = arguments.map(|(_, argument)| 1 + constant!(argument));
                    let arguments = arguments.max().unwrap_or(0);
                    arguments.max(self::set(&field.node.selection_set.node))
                }
                Selection::InlineFragment(inline) => self::set(&inline.node.selection_set.node),
                Selection::FragmentSpread(_) => 0,
            };
            inner.max(directives(item.node.directives()))
        });
        1 + items.max().unwrap_or(0)
    }

    fn directives(directives: &[Positioned<Directive>]) -> usize {
        let arguments = directives
            .iter()
            .flat_map(|directive| &directive.node.arguments);
        arguments
            .map(|(_, argument)| 1 + constant!(argument))
            .max()
            .unwrap_or(0)
    }

    fn value(of: &Value) -> usize {
        match of {
            Value::List(items) => 1 + items.iter().map(value).max().unwrap_or(0),
            Value::Object(fields) => 1 + fields.values().map(value).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn type_of(of: &Type) -> usize {
        match &of.base {
            BaseType::Named(_) => 0,
            BaseType::List(inner) => 1 + type_of(inner),
        }
    }

    /// Text of a value together with its true nesting.
    fn arb_value() -> impl Strategy<Value = (String, usize)> {
        let leaf = prop_oneof![
            Just(("1".to_owned(), 0)),
            Just(("-1.5e3".to_owned(), 0)),
            Just(("$v".to_owned(), 0)),
            Just(("RED".to_owned(), 0)),
            Just(("\"\"".to_owned(), 0)),
            "[ a-z{}()#\\[\\],中]{0,8}".prop_map(|text| (format!("\"{text}\""), 0)),
            Just((r#""\"{[(\\""#.to_owned(), 0)),
            "[ a-z{}()#\\[\\],\n\"]{0,8}x".prop_map(|text| {
                let text = text.replace("\"\"\"", "\\\"\"\"");
                (format!("\"\"\"{text}\"\"\""), 0)
            }),
        ];
        leaf.prop_recursive(6, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| {
                    let depth = items.iter().map(|item| item.1).max().unwrap_or(0);
                    let items: Vec<_> = items.into_iter().map(|item| item.0).collect();
                    (format!("[{}]", items.join(" ")), depth + 1)
                }),
                prop::collection::vec(inner, 0..4).prop_map(|items| {
                    let depth = items.iter().map(|item| item.1).max().unwrap_or(0);
                    let items = items.into_iter().enumerate();
                    let items: Vec<_> = items.map(|(i, item)| format!("k{i}:{}", item.0)).collect();
                    (format!("{{{}}}", items.join(", # }} ]\n")), depth + 1)
                }),
            ]
        })
    }

    /// Text of a selection set together with its true nesting.
    fn arb_set() -> impl Strategy<Value = (String, usize)> {
        let leaf = prop_oneof![
            Just(("{ a }".to_owned(), 1)),
            Just(("{ a: b # {{\n ...F @x(y: [1]) }".to_owned(), 3)),
        ];
        leaf.prop_recursive(8, 32, 4, |inner| {
            let field = (
                prop::option::of(arb_value()),
                prop::option::of(inner),
                0..3_u8,
            );
            prop::collection::vec(field, 1..4).prop_map(|fields| {
                let mut text = "{".to_owned();
                let mut depth = 0;
                for (argument, set, kind) in fields {
                    match kind {
                        0 => text.push_str(" ... on T"),
                        1 => text.push_str(" f"),
                        _ => text.push_str(" alias:\u{feff}f"),
                    }
                    if let Some((argument, levels)) = argument {
                        let name = if kind == 0 { " @d" } else { "" };
                        text.extend([name, "(x:", &argument, ")"]);
                        depth = depth.max(1 + levels);
                    }
                    let (set, levels) = match set {
                        None if kind == 0 => ("{z}".to_owned(), 1),
                        None => (String::new(), 0),
                        Some(set) => set,
                    };
                    text.push_str(&set);
                    depth = depth.max(levels);
                }
                text.push('}');
                (text, depth + 1)
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

        #[test]
        fn the_nesting_of_valid_documents_is_exact((text, depth) in arb_set()) {
            let document = parse_query(&text).unwrap();
            prop_assert_eq!(nesting(&text), depth);
            prop_assert_eq!(oracle(&document), depth);
        }

        #[test]
        fn the_nesting_of_soup_is_never_below_that_of_its_tree(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", "(", ")", "\"", "\"\"\"", "\\", "#", "\n", "\r", ",", " ", "a", "b:", "$", ":",
                "=", "@", "...", "1", "-", ".", "query", "fragment F on T", "a{b}", "(x:[1])", "\\\"\"\"", "中", "\u{feff}",
            ]), 0..60)
        ) {
            let text: String = pieces.concat();
            let found = scan(&text);
            if let Ok(document) = parse_query(&text) {
                prop_assert!(found.unwrap().nesting >= oracle(&document), "{}", text);
            }
        }

        #[test]
        fn no_string_makes_it_panic(text in any::<String>()) {
            let _ = scan(&text);
            let _ = check(&text, &Bounds::default());
        }
    }
}
