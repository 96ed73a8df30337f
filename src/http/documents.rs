//! Parsed documents, kept by the hash of their text: phones send the same few over and over.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_graphql::Pos;
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::parser::{self, parse_query};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use super::meter;
use super::refusal::Refusal;
use super::scan::Scan;
use crate::say;

/// Bytes of memory per token of a parsed document at most: a field of one letter is the dearest, with its
/// place in the list of selections and an allocation for its name.
const BYTES_PER_TOKEN: usize = 256;

/// The SHA-256 of a document's text.
pub type Hash = [u8; SHA256_OUTPUT_LEN];

/// The hash of `text`.
pub fn hash_of(text: &str) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

/// The hash that 64 hex digits stand for; `None` if they are none.
pub fn hash_of_hex(hex: &str) -> Option<Hash> {
    if hex.len() != 2 * SHA256_OUTPUT_LEN {
        return None;
    }
    let mut digits = hex.chars().map(|digit| digit.to_digit(16));
    let mut hash = Hash::default();
    for byte in &mut hash {
        let value = digits.next()?? * 16 + digits.next()??;
        *byte = u8::try_from(value).ok()?;
    }
    Some(hash)
}

/// A document with what it weighs in the cache.
#[derive(Clone)]
struct Entry {
    document: Arc<ExecutableDocument>,
    bytes: u64,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Hash, Entry> for Bytes {
    fn weight(&self, _: &Hash, entry: &Entry) -> u64 {
        entry.bytes
    }
}

/// A cache of parsed documents, bounded by an estimate of their memory.
pub struct Documents {
    cache: Cache<Hash, Entry, Bytes>,
}

impl Documents {
    /// A cache that holds about `bytes` bytes.
    pub fn new(bytes: u64) -> Self {
        Self {
            cache: Cache::with_weighter(1_000, bytes, Bytes),
        }
    }

    /// How many documents it holds.
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }

    /// The parsed form of `text`. The parser recurses: `scan` is what [`super::scan::check`] found in this text
    /// when it let it pass. Only documents that parse and whose shape is sound are kept.
    ///
    /// # Errors
    /// `GRAPHQL_PARSE_FAILED` with line and column, and the errors of [`meter::check_shape`].
    pub fn parse(
        &self,
        text: &str,
        hash: Hash,
        scan: Scan,
    ) -> Result<Arc<ExecutableDocument>, Refusal> {
        if let Some(entry) = self.cache.get(&hash) {
            return Ok(entry.document);
        }
        let document = Arc::new(Self::read(text, scan)?);
        let bytes = scan.tokens.saturating_mul(BYTES_PER_TOKEN);
        let bytes = bytes.saturating_add(text.len()).saturating_add(1_024);
        let entry = Entry {
            document: Arc::clone(&document),
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        };
        self.cache.insert(hash, entry);
        Ok(document)
    }

    /// [`Documents::parse`] without keeping what was read.
    ///
    /// # Errors
    /// Those of [`Documents::parse`].
    pub fn read(text: &str, _scan: Scan) -> Result<ExecutableDocument, Refusal> {
        // The parser's own code has places that give up by panicking; none is known to be reachable.
        let parsed = catch_unwind(AssertUnwindSafe(|| parse_query(text)))
            .map_err(|_| Refusal::syntax(say!("the document cannot be parsed"), None))?
            .map_err(|error| syntax_error(&error))?;
        meter::check_shape(&parsed)?;
        Ok(parsed)
    }
}

#[derive(Clone)]
struct TextBytes;

impl Weighter<Hash, Arc<str>> for TextBytes {
    fn weight(&self, _: &Hash, text: &Arc<str>) -> u64 {
        u64::try_from(text.len())
            .unwrap_or(u64::MAX)
            .saturating_add(128)
    }
}

/// Texts of documents that clients registered by sending hash and text together, as Apollo's automatic
/// persisted queries do; bounded in memory, so any may be forgotten.
pub struct Registered {
    texts: Cache<Hash, Arc<str>, TextBytes>,
}

impl Registered {
    /// Room for about `bytes` bytes of text.
    pub fn new(bytes: u64) -> Self {
        Self {
            texts: Cache::with_weighter(1_000, bytes, TextBytes),
        }
    }

    /// The text of a hash.
    pub fn get(&self, hash: &Hash) -> Option<Arc<str>> {
        self.texts.get(hash)
    }

    /// Keeps a text that was found valid, under its hash.
    pub fn insert(&self, hash: Hash, text: &str) {
        self.texts.insert(hash, text.into());
    }
}

/// One line with line and column, instead of the parser's drawing of the place.
fn syntax_error(error: &parser::Error) -> Refusal {
    let at: Option<Pos> = error.positions().next();
    let what = match error {
        parser::Error::Syntax { message, .. } => {
            let last = message.lines().last().unwrap_or_default().trim();
            let last = last.strip_prefix("= ").unwrap_or(last);
            last.replace("EOI", "the end of the document")
                .replace('_', " ")
        }
        other => other.to_string(),
    };
    Refusal::syntax(what, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::limits::Bounds;
    use crate::http::scan;

    fn parse(documents: &Documents, text: &str) -> Result<Arc<ExecutableDocument>, Refusal> {
        documents.parse(text, hash_of(text), scan::check(text, &Bounds::default())?)
    }

    #[test]
    fn a_hash_is_read_from_its_hex_digits() {
        // From the appendix of GraphQL over HTTP on persisted documents.
        let text = "query($id:ID!){user(id:$id){name}}";
        let hex = "71f7dc5758652baac68e4a10c50be732b741c892ade2883a99358f52b555286b";
        assert_eq!(hash_of_hex(hex), Some(hash_of(text)));
        assert_eq!(hash_of_hex(&hex.to_uppercase()), Some(hash_of(text)));
        assert_eq!(hash_of_hex(&hex.replace('7', "g")), None);
        assert_eq!(hash_of_hex(&hex[1..]), None);
        assert_eq!(hash_of_hex(&"中".repeat(22)), None);
    }

    #[test]
    fn registered_texts_stay_within_their_bound() {
        let registered = Registered::new(1 << 16);
        for i in 0..10_000 {
            let text = format!("{{ f{i} }}");
            registered.insert(hash_of(&text), &text);
        }
        assert!(registered.texts.weight() <= 1 << 16);
    }

    #[test]
    fn the_weight_of_a_document_covers_its_dearest_form() {
        use async_graphql::Positioned;
        use async_graphql::parser::types::Selection;
        assert!(size_of::<Positioned<Selection>>() <= BYTES_PER_TOKEN);
    }

    fn message(text: &str) -> String {
        let refusal = parse(&Documents::new(1 << 20), text).unwrap_err();
        refusal.error.message()
    }

    #[test]
    fn a_syntax_error_is_one_line_with_its_place() {
        let message = message("{\n  clients(first: ) { id }\n}");
        assert!(!message.contains('\n'), "{message}");
        assert!(message.starts_with("syntax error: expected "), "{message}");
        assert!(message.ends_with("(line 2, column 18)"), "{message}");
    }

    #[test]
    fn an_unfinished_document_says_so() {
        let message = message("{ a ");
        assert!(message.contains("line 1, column 5"), "{message}");
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert!(message("{ a(b: 1e999) }").contains("number"));
    }

    #[test]
    fn a_document_is_parsed_once() {
        let documents = Documents::new(1 << 20);
        let first = parse(&documents, "{ a }").unwrap();
        assert!(Arc::ptr_eq(&first, &parse(&documents, "{ a }").unwrap()));
        assert!(!Arc::ptr_eq(&first, &parse(&documents, "{ b }").unwrap()));
    }

    #[test]
    fn what_does_not_parse_or_turns_in_circles_is_not_kept() {
        let documents = Documents::new(1 << 20);
        parse(&documents, "{ a").unwrap_err();
        parse(
            &documents,
            "{ ...A } fragment A on T { ...B } fragment B on T { ...A }",
        )
        .unwrap_err();
        assert!(documents.is_empty());
    }

    #[test]
    fn the_cache_stays_within_its_bound() {
        let documents = Documents::new(1 << 20);
        for i in 0..10_000 {
            parse(&documents, &format!("{{ f{i} }}")).unwrap();
        }
        assert!(documents.cache.weight() <= 1 << 20);
    }
}
