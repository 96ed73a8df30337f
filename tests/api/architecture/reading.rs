//! Reads Rust sources as far as the rules need: what is comment, text, test or code, and which modules it
//! names. It is no parser; what it cannot tell apart, no source here writes.

/// A source file, read three ways.
pub struct Source {
    /// Path from the top of the repository, with `/`.
    pub path: String,
    /// As it is.
    pub text: String,
    /// Without comments.
    pub uncommented: String,
    /// Without comments, texts and test modules.
    pub code: String,
    /// The texts in it (string literals), outside test modules.
    pub texts: Vec<String>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let lexed = lex(text);
        let tests = test_modules(&lexed.code);
        let code = blank(&lexed.code, &tests);
        let texts = lexed
            .texts
            .into_iter()
            .filter(|(at, _)| !tests.iter().any(|range| range.contains(at)))
            .map(|(_, text)| text)
            .collect();
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            uncommented: lexed.uncommented,
            code,
            texts,
        }
    }

    /// Whether all of it is test code.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
    }

    /// The module directly below the crate that it belongs to, as in `domain`; none for `lib.rs` and `main.rs`.
    pub fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let module = inside.split('/').next()?.trim_end_matches(".rs");
        (!matches!(module, "lib" | "main")).then_some(module)
    }

    /// How many `super` lead from it to the top of the crate.
    pub fn depth(&self) -> usize {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        inside.split('/').filter(|part| *part != "mod").count()
    }
}

struct Lexed {
    uncommented: String,
    code: String,
    /// Where each text begins, and what it says.
    texts: Vec<(usize, String)>,
}

/// Blanks comments, and texts in `code`, keeping every byte's place and every line.
fn lex(source: &str) -> Lexed {
    let characters: Vec<(usize, char)> = source.char_indices().collect();
    let at = |index: usize| characters.get(index).map_or('\0', |(_, c)| *c);
    let (mut uncommented, mut code, mut texts) = (String::new(), String::new(), Vec::new());
    let mut index = 0;
    while index < characters.len() {
        let start = index;
        let mut is_text = false;
        let previous = if index == 0 { '\0' } else { at(index - 1) };
        let starts_word = !(previous.is_alphanumeric() || previous == '_');
        if at(index) == '/' && at(index + 1) == '/' {
            while index < characters.len() && at(index) != '\n' {
                index += 1;
            }
        } else if at(index) == '/' && at(index + 1) == '*' {
            let mut open = 0;
            while index < characters.len() {
                if at(index) == '/' && at(index + 1) == '*' {
                    open += 1;
                    index += 2;
                } else if at(index) == '*' && at(index + 1) == '/' {
                    open -= 1;
                    index += 2;
                    if open == 0 {
                        break;
                    }
                } else {
                    index += 1;
                }
            }
        } else if let Some(end) =
            end_of_raw_text(&at, index, characters.len()).filter(|_| starts_word)
        {
            is_text = true;
            index = end;
        } else if at(index) == '"' {
            is_text = true;
            index += 1;
            while index < characters.len() && at(index) != '"' {
                index += if at(index) == '\\' { 2 } else { 1 };
            }
            index += 1;
        } else if at(index) == '\'' && (at(index + 1) == '\\' || at(index + 2) == '\'') {
            // A character, not a lifetime.
            is_text = true;
            index += if at(index + 1) == '\\' { 3 } else { 2 };
            while index < characters.len() && at(index) != '\'' {
                index += 1;
            }
            index += 1;
        } else {
            uncommented.push(at(index));
            code.push(at(index));
            index += 1;
            continue;
        }
        index = index.min(characters.len());
        let piece: String = (start..index).map(at).collect();
        if is_text {
            texts.push((characters[start].0, piece.clone()));
            uncommented.push_str(&piece);
        } else {
            uncommented.push_str(&blanks(&piece));
        }
        code.push_str(&blanks(&piece));
    }
    Lexed {
        uncommented,
        code,
        texts,
    }
}

/// The end of a raw text such as `r#"..."#` that begins at `start`, if one does.
fn end_of_raw_text(at: &impl Fn(usize) -> char, start: usize, length: usize) -> Option<usize> {
    let mut index = start;
    if matches!(at(index), 'b' | 'c') {
        index += 1;
    }
    if at(index) != 'r' {
        return None;
    }
    index += 1;
    let mut marks = 0;
    while at(index) == '#' {
        marks += 1;
        index += 1;
    }
    if at(index) != '"' {
        return None;
    }
    index += 1;
    while index < length {
        if at(index) == '"' && (1..=marks).all(|offset| at(index + offset) == '#') {
            return Some(index + 1 + marks);
        }
        index += 1;
    }
    Some(length)
}

/// As many bytes of white space, with the same line ends.
fn blanks(text: &str) -> String {
    text.chars()
        .flat_map(|c| std::iter::repeat_n(if c == '\n' { '\n' } else { ' ' }, c.len_utf8()))
        .collect()
}

fn blank(code: &str, ranges: &[std::ops::Range<usize>]) -> String {
    let mut result = code.to_owned();
    for range in ranges {
        result.replace_range(range.clone(), &blanks(&code[range.clone()]));
    }
    result
}

/// Where `#[cfg(test)]` and what it stands before lie.
fn test_modules(code: &str) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let mut from = 0;
    while let Some(start) = code[from..].find("#[cfg(test)]").map(|at| from + at) {
        let mut open = 0;
        let mut end = code.len();
        for (at, character) in code[start..].char_indices() {
            match character {
                '{' => open += 1,
                '}' => open -= 1,
                _ => {}
            }
            if open == 0 && matches!(character, '}' | ';') {
                end = start + at + 1;
                break;
            }
        }
        ranges.push(start..end);
        from = end;
    }
    ranges
}

/// Where `word` stands as a whole word.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| {
            !code[..*at].ends_with(is_part) && !code[at + word.len()..].starts_with(is_part)
        })
}

pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn leading_word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    &text[..end]
}

/// The modules directly below the crate that the code names, with where.
pub fn used_modules(source: &Source) -> Vec<(usize, String)> {
    let root = format!(
        "super::{}",
        "super::".repeat(source.depth().saturating_sub(1))
    );
    let mut used = Vec::new();
    let roots = ["crate::", root.as_str()];
    for root in roots
        .iter()
        .take(if source.module().is_some() { 2 } else { 1 })
    {
        for (at, _) in source.code.match_indices(root) {
            let before = &source.code[..at];
            if before.ends_with("super::")
                || before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$')
            {
                continue;
            }
            let rest = &source.code[at + root.len()..];
            if rest.starts_with("super::") {
                continue;
            }
            if let Some(group) = rest.strip_prefix('{') {
                let mut open = 0;
                let mut expects_name = true;
                for (offset, character) in group.char_indices() {
                    if open == 0 && expects_name && !character.is_whitespace() && character != '}' {
                        used.push((at, leading_word(&group[offset..]).to_owned()));
                        expects_name = false;
                    }
                    match character {
                        '{' => open += 1,
                        '}' if open == 0 => break,
                        '}' => open -= 1,
                        ',' if open == 0 => expects_name = true,
                        _ => {}
                    }
                }
            } else {
                used.push((at, leading_word(rest).to_owned()));
            }
        }
    }
    used
}
