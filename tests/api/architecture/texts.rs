//! What people read is said through the catalogue of messages, so that there is no text in one language only.

use super::*;

/// Ways to make an error, each with the place of its message among the arguments.
const SAYING: &[(&str, usize)] = &[
    ("Error::new", 1),
    ("Error::bad_input", 1),
    ("Error::rule", 1),
    ("Error::forbidden", 0),
    ("Error::unauthenticated", 0),
    ("Refusal::bad_request", 1),
    ("Refusal::method", 1),
    ("Refusal::persisted", 0),
    ("Refusal::syntax", 0),
    ("Refusal::validation", 0),
];

/// What only those read who keep the service: folders and files of the command line.
const ENGLISH_ONLY: &[&str] = &[
    "src/backup",
    "src/cli",
    "src/config",
    "src/config.rs",
    "src/db/backup",
    "src/export",
    "src/http/otlp.rs",
    "src/demo",
    "src/import",
    "src/db/connect.rs",
    "src/db/steps.rs",
    "src/db/unreachable.rs",
];

/// Texts that are the same in every language, because programs know them: (file, text).
const VERBATIM: &[(&str, &str)] = &[
    ("src/http/graphql.rs", "PersistedQueryNotFound"),
    ("src/http/graphql.rs", "PersistedQueryNotSupported"),
];

/// Messages that bypass the catalogue.
pub fn bare_texts(sources: &[Source], verbatim: &[(&str, &str)]) -> Vec<String> {
    let mut findings = Findings::default();
    for source in sources {
        let is_english = ENGLISH_ONLY
            .iter()
            .any(|home| is_within(&source.path, home));
        if !source.path.starts_with("src/") || source.is_test() || is_english {
            continue;
        }
        for (call, place) in SAYING {
            for (at, _) in source.code.match_indices(&format!("{call}(")) {
                let start = at + call.len() + 1;
                let Some((from, to)) = argument(&source.code, start, *place) else {
                    continue;
                };
                let said = &source.uncommented[from..to];
                if !said.contains('"') || said.trim_start().starts_with("say!(") {
                    continue;
                }
                let listed = verbatim
                    .iter()
                    .position(|(path, text)| *path == source.path && said.contains(text));
                let what = format!("say it through the catalogue: {}", said.trim());
                findings.unless_listed(listed, source, from, &what);
            }
        }
    }
    findings.demand_all_needed(verbatim)
}

/// Where argument `place` of a call lies whose brackets open before `start`.
fn argument(code: &str, start: usize, place: usize) -> Option<(usize, usize)> {
    let (mut depth, mut from, mut seen) = (0, start, 0);
    for (offset, letter) in code[start..].char_indices() {
        let at = start + offset;
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth > 0 => depth -= 1,
            ',' | ')' if depth == 0 => {
                if seen == place {
                    return Some((from, at));
                }
                if letter == ')' {
                    return None;
                }
                seen += 1;
                from = at + 1;
            }
            _ => {}
        }
    }
    None
}

/// Entries of the catalogue that nothing says.
fn unsaid(sources: &[Source]) -> Vec<String> {
    let mut said: BTreeSet<String> = BTreeSet::new();
    for source in sources {
        if source.path.starts_with("src/") && source.path != "src/messages/chinese.rs" {
            said.extend(source.texts.iter().map(|text| read(text)));
        }
    }
    let nouns = entity::ids::KINDS
        .iter()
        .map(|(_, prefix)| prefix.replace('_', " "));
    said.extend(nouns);
    let all = clientele::messages::all().iter();
    let unsaid = all.filter(|(english, _)| !said.contains(*english));
    unsaid
        .map(|(english, _)| format!("nothing says {english:?}"))
        .collect()
}

/// Nouns that errors name rows by, and that the catalogue lacks.
fn unknown_nouns(sources: &[Source]) -> Vec<String> {
    let known: BTreeSet<&str> = clientele::messages::all()
        .iter()
        .map(|(english, _)| *english)
        .collect();
    let mut findings = Findings::default();
    for source in sources
        .iter()
        .filter(|s| s.path.starts_with("src/") && !s.is_test())
    {
        for call in ["not_found(", "Message::noun(", "scoped!("] {
            for (at, _) in source.code.match_indices(call) {
                let start = at + call.len();
                let place = usize::from(call == "scoped!(");
                let Some((from, to)) = argument(&source.code, start, place) else {
                    continue;
                };
                let said = source.uncommented[from..to].trim();
                if said.starts_with('"') && !known.contains(said.trim_matches('"')) {
                    findings.offence(source, from, &format!("the catalogue lacks {said}"));
                }
            }
        }
    }
    findings.offences
}

/// What a text in the source says.
fn read(text: &str) -> String {
    let inside = text.strip_prefix('"').unwrap_or(text);
    let inside = inside.strip_suffix('"').unwrap_or(inside);
    let mut said = String::new();
    let mut rest = inside.chars().peekable();
    while let Some(letter) = rest.next() {
        match (letter, rest.peek()) {
            ('\\', Some('\n')) => while rest.next_if(|letter| letter.is_whitespace()).is_some() {},
            ('\\', Some(_)) => said.extend(rest.next()),
            _ => said.push(letter),
        }
    }
    said
}

#[test]
fn what_people_read_is_in_the_catalogue() {
    assert_none(&bare_texts(&sources(), VERBATIM));
}

#[test]
fn the_catalogue_holds_what_is_said_and_nothing_else() {
    assert_none(&unsaid(&sources()));
    assert_none(&unknown_nouns(&sources()));
}

#[test]
fn bare_texts_are_found() {
    let file = |text: &str| vec![Source::new("src/domain/orders.rs", text)];
    for bad in [
        "fn f() { Error::rule(\"orders.x\", \"no\") }",
        "fn f() { Error::new(\n Code::Conflict,\n format!(\"no {x}\"),\n) }",
        "fn f() { crate::Error::forbidden(\"no\") }",
        "fn f() { Refusal::method(\"GET, POST\", \"no\") }",
        "fn f() { Error::bad_input(format!(\"a.{b}\"), String::from(\"no\")) }",
    ] {
        assert_eq!(bare_texts(&file(bad), &[]).len(), 1, "{bad}");
    }
    for good in [
        "fn f() { Error::rule(\"orders.x\", say!(\"no\")) }",
        "fn f() { Error::bad_input(format!(\"a.{b}\"), say!(\"no {c}\", c)) }",
        "fn f() { Error::new(Code::Conflict, message) }",
        "// Error::forbidden(\"no\")",
    ] {
        assert_none(&bare_texts(&file(good), &[]));
    }
    let cli = vec![Source::new(
        "src/cli/user.rs",
        "fn f() { Error::forbidden(\"no\") }",
    )];
    assert_none(&bare_texts(&cli, &[]));
    assert_eq!(bare_texts(&[], &[("src/x.rs", "y")]).len(), 1);
}
