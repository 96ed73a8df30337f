//! What people read, in their language.
//!
//! A message is written where it is needed, in English, with names in braces for what it is about:
//!
//! ```
//! use clientele::messages::Locale;
//! use clientele::say;
//!
//! let message = say!("no such {what}", what = say!("client"));
//! assert_eq!(message.text(Locale::En), "no such client");
//! assert_eq!(message.text(Locale::ZhCn), "没有这个客户");
//! ```
//!
//! The same text stands in [`chinese`](self) with its translation; one that is missing there, or an argument too
//! many or too few, does not compile. Codes, fields and rules are the same in every language. The command line
//! speaks English.

mod chinese;
mod preference;

use std::fmt::Display;

pub use entity::Locale;

use self::chinese::TEXTS;
pub use self::preference::preferred;

/// Something to tell a person, in whichever language they read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    text: Text,
    arguments: Vec<(&'static str, Argument)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Text {
    /// An entry of the catalogue.
    Known(usize),
    /// The same in every language.
    Plain(String),
}

/// What stands in a message for a name in braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// The same in every language: a name, a number, a code.
    Plain(String),
    /// Told in the language of the message around it.
    Told(Message),
}

impl Message {
    /// The entry `index` of the catalogue; [`say!`](crate::say) makes it.
    #[doc(hidden)]
    pub fn known(index: usize, arguments: Vec<(&'static str, Argument)>) -> Self {
        Self {
            text: Text::Known(index),
            arguments,
        }
    }

    /// A noun of the catalogue that is known only when the program runs, such as what people call the rows of a
    /// table. One that the catalogue lacks stays as it is.
    pub fn noun(noun: &str) -> Self {
        match TEXTS.iter().position(|(english, _)| *english == noun) {
            Some(index) => Self::known(index, Vec::new()),
            None => noun.to_owned().into(),
        }
    }

    /// Several messages with `; ` between them.
    #[must_use]
    pub fn list(mut messages: Vec<Self>) -> Self {
        let Some(last) = messages.pop() else {
            return Self::from("");
        };
        messages.into_iter().rev().fold(last, |rest, first| {
            crate::say!("{first}; {rest}", first, rest)
        })
    }

    /// The message in the language of `locale`.
    pub fn text(&self, locale: Locale) -> String {
        let mut rest = match &self.text {
            Text::Plain(text) => return text.clone(),
            Text::Known(index) => {
                let (english, chinese) = TEXTS.get(*index).copied().unwrap_or_default();
                match locale {
                    Locale::En => english,
                    Locale::ZhCn => chinese,
                }
            }
        };
        let mut text = String::with_capacity(rest.len() + 32);
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let argument = self.arguments.iter().find(|(given, _)| *given == name);
            match argument {
                Some((_, Argument::Plain(plain))) => text.push_str(plain),
                Some((_, Argument::Told(message))) => text.push_str(&message.text(locale)),
                None => {}
            }
            rest = after;
        }
        text.push_str(rest);
        text
    }
}

/// A text that is the same in every language, such as a name, or that only the command line prints.
impl From<String> for Message {
    fn from(text: String) -> Self {
        Self {
            text: Text::Plain(text),
            arguments: Vec::new(),
        }
    }
}

/// An entry of the catalogue without arguments, or a text that is the same in every language.
impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::noun(text)
    }
}

/// What may stand in a message for a name in braces: another message, or anything that is written the same in every
/// language.
pub trait Argue {
    /// The argument.
    fn argue(self) -> Argument;
}

impl Argue for Message {
    fn argue(self) -> Argument {
        Argument::Told(self)
    }
}

impl<T: Display> Argue for T {
    fn argue(self) -> Argument {
        Argument::Plain(self.to_string())
    }
}

/// A text as a caller gave it, in quotes.
pub fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// A [`Message`](crate::messages::Message): its English text, then what the names in braces stand for.
///
/// ```
/// use clientele::say;
///
/// let most = 3;
/// say!("a team has at most {most} members", most);
/// ```
#[macro_export]
macro_rules! say {
    (@argument $name:ident = $value:expr) => { $crate::messages::Argue::argue($value) };
    (@argument $name:ident) => { $crate::messages::Argue::argue($name) };
    ($text:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {{
        const INDEX: usize = $crate::messages::index($text, &[$(stringify!($name)),*]);
        $crate::messages::Message::known(
            INDEX,
            vec![$((stringify!($name), $crate::say!(@argument $name $(= $value)?))),*],
        )
    }};
}

/// Where `text` stands in the catalogue. It is worked out while compiling.
///
/// # Panics
/// When the catalogue lacks the text, or `names` are not the names in its braces.
#[doc(hidden)]
#[allow(
    clippy::indexing_slicing,
    reason = "the loop ends before; it runs while compiling"
)]
pub const fn index(text: &str, names: &[&str]) -> usize {
    check_names(text, names);
    let mut index = 0;
    while index < TEXTS.len() {
        if is_same(TEXTS[index].0.as_bytes(), text.as_bytes()) {
            return index;
        }
        index += 1;
    }
    panic!("src/messages/chinese.rs lacks this text: add it there with its translation");
}

/// Demands that the names in the braces of `text` are those in `names`.
#[allow(
    clippy::indexing_slicing,
    reason = "the loops end before; it runs while compiling"
)]
const fn check_names(text: &str, names: &[&str]) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < names.len() {
        assert!(
            holds_name(bytes, names[at].as_bytes()),
            "an argument that the text has no braces for"
        );
        at += 1;
    }
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'{' {
            let mut is_given = false;
            let mut index = 0;
            while index < names.len() {
                if is_name_at(bytes, at + 1, names[index].as_bytes()) {
                    is_given = true;
                }
                index += 1;
            }
            assert!(is_given, "braces in the text that no argument fills");
        }
        at += 1;
    }
}

#[allow(clippy::indexing_slicing, reason = "the loop ends before")]
const fn holds_name(text: &[u8], name: &[u8]) -> bool {
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'{' && is_name_at(text, at + 1, name) {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether `name` and a closing brace stand at `at`.
#[allow(clippy::indexing_slicing, reason = "the bounds are checked first")]
const fn is_name_at(text: &[u8], at: usize, name: &[u8]) -> bool {
    if at + name.len() >= text.len() || text[at + name.len()] != b'}' {
        return false;
    }
    let mut index = 0;
    while index < name.len() {
        if text[at + index] != name[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[allow(clippy::indexing_slicing, reason = "both are as long")]
const fn is_same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Every text that there is, in English and in Chinese.
pub fn all() -> &'static [(&'static str, &'static str)] {
    TEXTS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(text: &str) -> BTreeSet<&str> {
        let parts = text.split('{').skip(1);
        parts.map(|part| part.split_once('}').unwrap().0).collect()
    }

    #[test]
    fn every_text_has_both_languages_with_the_same_arguments() {
        let mut seen = BTreeSet::new();
        for (english, chinese) in all() {
            assert!(seen.insert(english), "twice: {english}");
            assert!(!english.is_empty() && !chinese.is_empty(), "{english}");
            assert_eq!(names(english), names(chinese), "{english} / {chinese}");
            let is_chinese =
                |letter: char| ('\u{3000}'..='\u{9fff}').contains(&letter) || letter == '；';
            assert!(chinese.chars().any(is_chinese), "{chinese}");
            assert!(
                english.is_ascii() || english.contains(['…', '–']),
                "{english}"
            );
            // Sentences of one text follow the habits of its language.
            let is_half_width = chinese.contains(", ") || chinese.contains("; ");
            assert!(!is_half_width, "{chinese}");
        }
    }

    #[test]
    fn arguments_are_told_in_the_language_around_them() {
        let message = say!("no such {what}", what = say!("client"));
        assert_eq!(message.text(Locale::En), "no such client");
        assert_eq!(message.text(Locale::ZhCn), "没有这个客户");
        let list = Message::list(vec![say!("client"), say!("order"), "X1".into()]);
        assert_eq!(list.text(Locale::En), "client; order; X1");
        assert_eq!(list.text(Locale::ZhCn), "客户；订单；X1");
    }

    #[test]
    fn the_kinds_of_ids_are_in_the_catalogue() {
        for (_, prefix) in entity::ids::KINDS {
            let noun = prefix.replace('_', " ");
            assert_ne!(Message::noun(&noun).text(Locale::ZhCn), noun);
        }
        assert_eq!(Message::noun("no noun").text(Locale::ZhCn), "no noun");
    }

    #[test]
    fn braces_in_an_argument_mean_nothing() {
        let message = say!("no such {what}", what = "{what}");
        assert_eq!(message.text(Locale::En), "no such {what}");
    }
}
