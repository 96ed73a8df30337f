//! Text from people: checked once at the edge, and made findable and sortable the same way on both
//! databases.
//!
//! Neither database folds case or accents of all scripts, nor reads Chinese, so both keep what is computed
//! here: a sort key and a search text that a plain substring match is run against. This module knows no
//! database and no entity.

use std::fmt;

use pinyin::ToPinyin;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use crate::say;
use crate::{Code, Error, Result};

/// Characters a sort key keeps.
const MAX_SORT_CHARS: usize = 200;

/// Characters a search may have, before it is split.
const MAX_SEARCH_CHARS: usize = 100;

/// Words a search may have: each is one condition of the query.
const MAX_SEARCH_WORDS: usize = 8;

/// Ends each part of a search text. No needle holds white space, so no match reaches over it.
const SEPARATOR: char = '\n';

/// Words whose characters are read otherwise than alone, frequent in names of firms and places.
const READINGS: &[(&str, &[&str])] = &[
    ("银行", &["yin", "hang"]),
    ("分行", &["fen", "hang"]),
    ("支行", &["zhi", "hang"]),
    ("总行", &["zong", "hang"]),
    ("农行", &["nong", "hang"]),
    ("工行", &["gong", "hang"]),
    ("建行", &["jian", "hang"]),
    ("商行", &["shang", "hang"]),
    ("车行", &["che", "hang"]),
    ("琴行", &["qin", "hang"]),
    ("行业", &["hang", "ye"]),
    ("重庆", &["chong", "qing"]),
    ("长沙", &["chang", "sha"]),
    ("长春", &["chang", "chun"]),
    ("长江", &["chang", "jiang"]),
    ("长城", &["chang", "cheng"]),
    ("长安", &["chang", "an"]),
    ("长虹", &["chang", "hong"]),
    ("长宁", &["chang", "ning"]),
    ("长治", &["chang", "zhi"]),
    ("长乐", &["chang", "le"]),
    ("成长", &["cheng", "zhang"]),
    ("成都", &["cheng", "du"]),
    ("首都", &["shou", "du"]),
    ("都市", &["du", "shi"]),
    ("厦门", &["xia", "men"]),
    ("大厦", &["da", "sha"]),
    ("音乐", &["yin", "yue"]),
    ("乐器", &["yue", "qi"]),
    ("会计", &["kuai", "ji"]),
    ("西藏", &["xi", "zang"]),
    ("朝阳", &["chao", "yang"]),
    ("番禺", &["pan", "yu"]),
    ("东莞", &["dong", "guan"]),
    ("蚌埠", &["beng", "bu"]),
    ("六安", &["lu", "an"]),
    ("台州", &["tai", "zhou"]),
    ("丽水", &["li", "shui"]),
    ("铅山", &["yan", "shan"]),
    ("大夫", &["dai", "fu"]),
    ("供应", &["gong", "ying"]),
    ("重工", &["zhong", "gong"]),
    ("便利", &["bian", "li"]),
    ("便宜", &["pian", "yi"]),
    ("仔细", &["zi", "xi"]),
    ("调味", &["tiao", "wei"]),
    ("调料", &["tiao", "liao"]),
    ("空调", &["kong", "tiao"]),
    ("传奇", &["chuan", "qi"]),
    ("中转", &["zhong", "zhuan"]),
    ("石磨", &["shi", "mo"]),
    ("百度", &["bai", "du"]),
];

/// Characters read otherwise when they are the surname of a person.
const SURNAMES: &[(char, &str)] = &[
    ('单', "shan"),
    ('解', "xie"),
    ('曾', "zeng"),
    ('仇', "qiu"),
    ('查', "zha"),
    ('任', "ren"),
    ('区', "ou"),
    ('翟', "zhai"),
    ('覃', "qin"),
    ('乐', "yue"),
    ('朴', "piao"),
    ('尉', "yu"),
    ('缪', "miao"),
    ('逄', "pang"),
    ('佴', "nai"),
    ('燕', "yan"),
];

/// Letters that no Unicode decomposition takes apart, as people type them without their key.
const PLAIN_LETTERS: &[(char, &str)] = &[
    ('ß', "ss"),
    ('æ', "ae"),
    ('œ', "oe"),
    ('ø', "o"),
    ('ł', "l"),
    ('đ', "d"),
    ('ð', "d"),
    ('þ', "th"),
    ('ı', "i"),
    ('ħ', "h"),
    ('ŧ', "t"),
    ('ς', "σ"),
];

/// The key a name sorts by: compatibility forms unified, lower case, without accents, Chinese as toneless
/// pinyin with a space between syllables, white space collapsed, at most 200 characters.
///
/// Compared byte by byte it gives the same order on every database. A name of two or three Chinese
/// characters is taken for a person's, and its first character is read as a surname.
pub fn name_sort(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for piece in read(&fold(name), Surname::Yes) {
        match piece {
            Piece::Syllable(syllable) => {
                key.push(' ');
                key.push_str(&syllable.replace('ü', "u"));
                key.push(' ');
            }
            Piece::Other(character) => key.push(character),
        }
    }
    let collapsed = collapse(&key);
    let cut: String = collapsed.chars().take(MAX_SORT_CHARS).collect();
    cut.trim_end().to_owned()
}

/// What searches look in: every form of every part that a person may type, each form on its own line, so
/// that a match never reaches from one into the next.
///
/// Of each part: itself, folded (compatibility forms, lower case, no accents, no apostrophes); where it
/// holds Chinese, its pinyin and its pinyin initials; where it holds digits set apart by spaces, dashes,
/// dots, slashes or brackets, the digits alone. Match it with [`search_needles`] and [`like_pattern`].
pub fn search_text(parts: &[&str]) -> String {
    let mut forms: Vec<String> = Vec::new();
    let mut add = |form: String| {
        if !form.is_empty() && !forms.contains(&form) {
            forms.push(form);
        }
    };
    for part in parts {
        let folded = fold(part);
        let folded = without_apostrophes(&folded);
        if folded.chars().any(is_han) {
            for surname in [Surname::No, Surname::Yes] {
                let pieces = read(&folded, surname);
                add(spell(&pieces, Spelling::Full));
                add(spell(&pieces, Spelling::WithV));
                add(spell(&pieces, Spelling::Initials));
            }
        }
        for digits in separated_digits(&folded) {
            add(digits);
        }
        add(folded);
    }
    let mut text = forms.join(&SEPARATOR.to_string());
    // A last separator keeps texts that a caller joins apart, too.
    if !text.is_empty() {
        text.push(SEPARATOR);
    }
    text
}

/// The words of a search as [`search_text`] holds them; every one has to be found, as a substring.
///
/// White space splits words, save in a search of digits and phone punctuation only, which is one number.
///
/// # Errors
/// `BAD_USER_INPUT` when the search has neither a Chinese, Japanese or Korean character nor two other
/// letters or digits together, is longer than 100 characters or has more than eight words.
pub fn search_needles(query: &str) -> Result<Vec<String>> {
    if query.chars().count() > MAX_SEARCH_CHARS {
        return Err(Error::new(
            Code::BadUserInput,
            say!(
                "a search has at most {most} characters",
                most = MAX_SEARCH_CHARS
            ),
        ));
    }
    let folded = fold(query);
    let folded = without_apostrophes(&folded);
    let mut needles: Vec<String> = Vec::new();
    let mut add = |needle: String| {
        if needle.chars().any(char::is_alphanumeric) && !needles.contains(&needle) {
            needles.push(needle);
        }
    };
    if folded.chars().all(is_phone_char) {
        add(digits_of(&folded));
    } else {
        for word in folded.split_whitespace() {
            if word.chars().all(is_phone_char) {
                add(digits_of(word));
            } else {
                add(word.to_owned());
            }
        }
    }
    if needles.len() > MAX_SEARCH_WORDS {
        return Err(Error::new(
            Code::BadUserInput,
            say!("a search has at most {most} words", most = MAX_SEARCH_WORDS),
        ));
    }
    let long_enough = |needle: &String| {
        needle.chars().any(is_cjk) || needle.chars().filter(|c| c.is_alphanumeric()).count() >= 2
    };
    if !needles.iter().any(long_enough) {
        return Err(Error::new(
            Code::BadUserInput,
            say!("a search has at least two letters or digits, or one Chinese character"),
        ));
    }
    Ok(needles)
}

/// The pattern for `LIKE ... ESCAPE '\'` that finds `needle` anywhere, letter by letter.
pub fn like_pattern(needle: &str) -> String {
    let mut pattern = String::with_capacity(needle.len() + 2);
    pattern.push('%');
    for character in needle.chars() {
        if matches!(character, '\\' | '%' | '_') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// Whether the first character of what looks like a person's name is read as a surname.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Surname {
    Yes,
    No,
}

/// How pinyin is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// All letters, ü as u.
    Full,
    /// All letters, ü as v, the way input methods have it typed.
    WithV,
    /// The first letter of each syllable.
    Initials,
}

/// A character of a name, read.
enum Piece {
    /// A Chinese character, as toneless pinyin; it may hold `ü`.
    Syllable(String),
    /// Any other character, as it is.
    Other(char),
}

/// One spelling everybody shares: NFKC, lower case, no accents, plain dashes and quotes, white space and
/// control characters collapsed to single spaces.
fn fold(text: &str) -> String {
    let lower = text.nfkc().collect::<String>().to_lowercase();
    let mut folded = String::with_capacity(lower.len());
    for character in lower.nfkd().filter(|c| !is_accent(*c)).nfkc() {
        match character {
            '\u{2010}'..='\u{2015}' | '\u{2212}' => folded.push('-'),
            '\u{2018}' | '\u{2019}' | '\u{02bc}' | '\u{ff07}' => folded.push('\''),
            '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{00ad}' => {}
            control if control.is_control() => folded.push(' '),
            other => match PLAIN_LETTERS.iter().find(|(letter, _)| *letter == other) {
                Some((_, plain)) => folded.push_str(plain),
                None => folded.push(other),
            },
        }
    }
    collapse(&folded)
}

/// Marks people leave out when they type: accents above, below and attached, and the vowel points of
/// Hebrew and Arabic. Marks that make another letter (Japanese voicing, Indic vowels, Thai tones) stay.
fn is_accent(character: char) -> bool {
    matches!(canonical_combining_class(character), 10..=35 | 200..=240)
}

fn collapse(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !collapsed.is_empty() {
            collapsed.push(' ');
        }
        collapsed.push_str(word);
    }
    collapsed
}

/// `o'brien` is searched as `obrien`, and `xi'an` as `xian`.
fn without_apostrophes(folded: &str) -> String {
    folded.chars().filter(|c| *c != '\'').collect()
}

/// Reads folded text: longest known words first, then each character alone.
fn read(folded: &str, surname: Surname) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = folded;
    let starts_known_word = READINGS.iter().any(|(word, _)| folded.starts_with(word));
    if surname == Surname::Yes && is_person(folded) && !starts_known_word {
        let mut characters = rest.chars();
        if let Some(first) = characters.next()
            && let Some((_, reading)) = SURNAMES.iter().find(|(name, _)| *name == first)
        {
            pieces.push(Piece::Syllable((*reading).to_owned()));
            rest = characters.as_str();
        }
    }
    while let Some(character) = rest.chars().next() {
        if let Some((word, readings)) = READINGS.iter().find(|(word, _)| rest.starts_with(word)) {
            pieces.extend(readings.iter().map(|r| Piece::Syllable((*r).to_owned())));
            rest = rest.strip_prefix(word).unwrap_or_default();
            continue;
        }
        pieces.push(match character.to_pinyin() {
            Some(pinyin) => Piece::Syllable(pinyin.plain().to_owned()),
            None => Piece::Other(character),
        });
        rest = rest.strip_prefix(character).unwrap_or_default();
    }
    pieces
}

fn is_person(folded: &str) -> bool {
    (2..=3).contains(&folded.chars().count()) && folded.chars().all(is_han)
}

/// Writes the pieces without white space, as pinyin is typed.
fn spell(pieces: &[Piece], spelling: Spelling) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Other(character) if character.is_whitespace() => {}
            Piece::Other(character) => text.push(*character),
            Piece::Syllable(syllable) => match spelling {
                Spelling::Full => text.push_str(&syllable.replace('ü', "u")),
                Spelling::WithV => text.push_str(&syllable.replace('ü', "v")),
                Spelling::Initials => text.extend(syllable.chars().next()),
            },
        }
    }
    text
}

fn is_phone_char(character: char) -> bool {
    character.is_ascii_digit() || is_phone_mark(character)
}

fn is_phone_mark(character: char) -> bool {
    matches!(character, ' ' | '+' | '-' | '.' | '(' | ')' | '/')
}

fn digits_of(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The digits of each stretch of digits and phone punctuation, where punctuation parts them.
fn separated_digits(folded: &str) -> impl Iterator<Item = String> {
    folded
        .split(|c| !is_phone_char(c))
        .filter(|run| run.trim_matches(is_phone_mark).contains(is_phone_mark))
        .map(digits_of)
}

fn is_han(character: char) -> bool {
    matches!(character,
        '\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

fn is_cjk(character: char) -> bool {
    is_han(character)
        || matches!(character,
            '\u{3041}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{1100}'..='\u{11ff}'
            | '\u{ac00}'..='\u{d7a3}')
}

/// One line of text: trimmed, in Unicode's composed form (NFC), neither empty nor longer than `max_chars`
/// characters, without control characters.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field`.
pub fn text(field: &str, value: &str, max_chars: usize) -> Result<String> {
    check_text(field, value, max_chars, |_| false)
}

/// Text that may have several lines (`\n`; other line ends become it) and tabs; otherwise as [`text`].
///
/// # Errors
/// `BAD_USER_INPUT` naming `field`.
pub fn long_text(field: &str, value: &str, max_chars: usize) -> Result<String> {
    let value = value.replace("\r\n", "\n").replace('\r', "\n");
    check_text(field, &value, max_chars, |c| matches!(c, '\n' | '\t'))
}

/// As [`text`], but what is absent or blank is `None`.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field`.
pub fn optional_text(field: &str, value: Option<&str>, max_chars: usize) -> Result<Option<String>> {
    match value {
        Some(value) if !is_blank(value) => text(field, value, max_chars).map(Some),
        Some(_) | None => Ok(None),
    }
}

/// As [`long_text`], but what is absent or blank is `None`.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field`.
pub fn optional_long_text(
    field: &str,
    value: Option<&str>,
    max_chars: usize,
) -> Result<Option<String>> {
    match value {
        Some(value) if !is_blank(value) => long_text(field, value, max_chars).map(Some),
        Some(_) | None => Ok(None),
    }
}

fn check_text(
    field: &str,
    value: &str,
    max_chars: usize,
    allowed: impl Fn(char) -> bool,
) -> Result<String> {
    if is_blank(value) {
        return Err(Error::bad_input(field, say!("must not be empty")));
    }
    let value: String = value.trim().nfc().collect();
    if value.chars().any(|c| c.is_control() && !allowed(c)) {
        return Err(Error::bad_input(
            field,
            say!("must not hold control characters"),
        ));
    }
    if value.chars().count() > max_chars {
        let message = say!("has at most {max_chars} characters", max_chars);
        return Err(Error::bad_input(field, message));
    }
    Ok(value)
}

/// Nothing anybody could see.
fn is_blank(value: &str) -> bool {
    value.chars().all(|c| {
        c.is_whitespace()
            || matches!(
                c,
                '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{00ad}'
            )
    })
}

/// An email address in lower case: one `@`, a plain local part, a domain with a dot. ASCII only; whether
/// anybody reads it only a message can tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

impl Email {
    /// Reads an address; white space around it is dropped.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` naming `field`.
    pub fn parse(field: &str, value: &str) -> Result<Self> {
        let value = value.trim().to_ascii_lowercase();
        let well_formed = value.len() <= 254
            && value
                .split_once('@')
                .is_some_and(|(local, domain)| is_local_part(local) && is_domain(domain));
        if well_formed {
            Ok(Self(value))
        } else {
            Err(Error::bad_input(
                field,
                say!("not an email address: expected one such as \"name@example.com\""),
            ))
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The dot-atom of RFC 5322, at most 64 bytes (RFC 5321).
fn is_local_part(local: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    local.len() <= 64 && local.split('.').all(is_atom)
}

/// Two or more labels of letters, digits and inner hyphens (RFC 1035), the last not a number.
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.split('.').all(is_label)
        && domain
            .rsplit_once('.')
            .is_some_and(|(_, top)| top.len() >= 2 && !top.bytes().all(|b| b.is_ascii_digit()))
}

/// A phone number as people write it: digits, spaces, `+ - . ( ) /`, then perhaps an extension after `ext`,
/// `x`, `转` or `分机`; 3 to 20 digits in all. Full-width characters become plain ones.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field`.
pub fn phone(field: &str, value: &str) -> Result<String> {
    let value: String = value.trim().nfkc().collect();
    let lower = value.to_ascii_lowercase();
    let (number, extension) = ["分机", "转", "ext.", "ext", "x"]
        .iter()
        .find_map(|mark| lower.split_once(mark))
        .map_or((lower.as_str(), None), |(number, rest)| {
            (number, Some(rest))
        });
    let has_digit = |text: &str| text.bytes().any(|b| b.is_ascii_digit());
    let well_formed = value.chars().count() <= 40
        && has_digit(number)
        && number.chars().all(is_phone_char)
        && (3..=20).contains(&digits_of(&lower).len())
        && extension.is_none_or(|extension| {
            has_digit(extension)
                && extension
                    .chars()
                    .all(|c| c.is_ascii_digit() || matches!(c, ' ' | ':' | '.'))
        });
    if well_formed {
        Ok(value)
    } else {
        Err(Error::bad_input(
            field,
            say!("not a phone number: expected 3 to 20 digits, as in \"+1 (604) 555-4729 ext 12\""),
        ))
    }
}

/// A time zone of the IANA database, as in `Asia/Shanghai`.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field`.
pub fn time_zone(field: &str, value: &str) -> Result<chrono_tz::Tz> {
    value.trim().parse().map_err(|_| {
        Error::bad_input(
            field,
            say!("not a time zone: expected a name of the IANA database, as in \"Asia/Shanghai\""),
        )
    })
}

/// A tag: compatibility forms unified (NFKC), lower case, white space collapsed, 1 to 40 characters.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field`.
pub fn tag(field: &str, value: &str) -> Result<String> {
    let tag = value.nfkc().collect::<String>().to_lowercase();
    text(field, &collapse(&tag), 40)
}

#[cfg(test)]
mod tests;
