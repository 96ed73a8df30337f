//! Documents that the operator trusts: read from a directory at start, held against the schema there and
//! then, and asked for by the hash of their text. They are parsed once and held to no limit of size; what
//! they cost counts as ever.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument};
use async_graphql::{Executor, Name, Request, Variables};

use super::documents::{Documents, Hash, hash_of, hash_of_hex};
use super::limits::{Bounds, CallerKind};
use super::meter::{self, Introspection};
use super::refusal::Refusal;
use super::scan;
use crate::{Code, Error};

pub use crate::config::TrustedDocuments as Trust;

/// Bytes of a file that is read at most.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// What even trusted documents are held to: the parser recurses, and what a fragment stands for is walked.
fn bounds() -> Bounds {
    Bounds {
        document_bytes: 256 * 1024,
        tokens: 20_000,
        operations: 100,
        depth: 32,
        fields: 10_000,
        aliases: 10_000,
        directives: 10_000,
        query_roots: 100,
        mutation_roots: 100,
        nodes: usize::MAX,
        introspection_fields: 10_000,
        ..Bounds::default()
    }
}

/// A trusted document.
#[derive(Debug)]
pub struct TrustedDocument {
    /// Its text.
    pub text: String,
    /// Its parsed form.
    pub document: Arc<ExecutableDocument>,
}

/// The trusted documents of a service.
#[derive(Debug)]
pub struct TrustedDocuments {
    is_only: bool,
    by_hash: HashMap<Hash, Arc<TrustedDocument>>,
    /// Ids of a manifest that are no SHA-256.
    by_name: HashMap<String, Hash>,
}

impl TrustedDocuments {
    /// Reads `directory`: each `*.graphql` is one document; each `*.json` is a manifest, an object of ids and
    /// texts as Relay writes it, or one of Apollo's with `operations`. An id of 64 hex digits must be the
    /// SHA-256 of its text. `None` where `trust` is off.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` naming the file and what is wrong with it: it cannot be read, a document does not
    /// parse or does not fit the schema of `executor`, an id is no hash of its text or stands for two texts;
    /// or there are no documents.
    pub async fn load(
        trust: Trust,
        directory: &Path,
        executor: &impl Executor,
    ) -> crate::Result<Option<Self>> {
        let is_only = match trust {
            Trust::Off => return Ok(None),
            Trust::Prefer => false,
            Trust::Only => true,
        };
        let mut trusted = Self {
            is_only,
            by_hash: HashMap::new(),
            by_name: HashMap::new(),
        };
        for file in files(directory)? {
            let text = read(&file).map_err(|reason| wrong(&file, None, &reason))?;
            let is_manifest = file.extension().is_some_and(|kind| kind == "json");
            let entries = if is_manifest {
                manifest(&text).map_err(|reason| wrong(&file, None, &reason))?
            } else {
                vec![(None, text)]
            };
            for (id, text) in entries {
                trusted
                    .add(id.as_deref(), text, executor)
                    .await
                    .map_err(|reason| wrong(&file, id.as_deref(), &reason))?;
            }
        }
        if trusted.by_hash.is_empty() {
            let message = format!(
                "there are no trusted documents in {}: put *.graphql files or a *.json manifest there",
                directory.display()
            );
            return Err(Error::new(Code::BadUserInput, message));
        }
        Ok(Some(trusted))
    }

    async fn add(
        &mut self,
        id: Option<&str>,
        text: String,
        executor: &impl Executor,
    ) -> Result<(), String> {
        let hash = hash_of(&text);
        if let Some(id) = id {
            if let Some(claimed) = hash_of_hex(id.strip_prefix("sha256:").unwrap_or(id)) {
                if claimed != hash {
                    return Err("the id is not the SHA-256 of the text".to_owned());
                }
            } else if !is_name(id) {
                return Err(
                    "an id is the SHA-256 of its text in hex, or up to 128 of A-Z a-z 0-9 . _ ~ -"
                        .to_owned(),
                );
            } else if self
                .by_name
                .insert(id.to_owned(), hash)
                .is_some_and(|other| other != hash)
            {
                return Err("the id stands for two different texts".to_owned());
            }
        }
        if self.by_hash.contains_key(&hash) {
            return Ok(());
        }
        let document = look_at(&text).map_err(|refusal| refusal.error.message().clone())?;
        validate(&document, executor).await?;
        self.by_hash
            .insert(hash, Arc::new(TrustedDocument { text, document }));
        Ok(())
    }

    /// Whether documents that are not trusted are refused.
    pub fn is_only(&self) -> bool {
        self.is_only
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// The document of this hash.
    pub fn by_hash(&self, hash: &Hash) -> Option<Arc<TrustedDocument>> {
        self.by_hash.get(hash).cloned()
    }

    /// The document of an id that is no hash.
    pub fn by_name(&self, id: &str) -> Option<Arc<TrustedDocument>> {
        self.by_hash(self.by_name.get(id)?)
    }
}

/// The files that hold documents, by name.
fn files(directory: &Path) -> crate::Result<Vec<PathBuf>> {
    let unreadable = |error: std::io::Error| {
        let message = format!(
            "the trusted documents in {} cannot be read: {error}",
            directory.display()
        );
        Error::new(Code::BadUserInput, message)
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let kind = path.extension().and_then(|kind| kind.to_str());
        if matches!(kind, Some("graphql" | "json")) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<String, String> {
    let length = std::fs::metadata(file).map_err(|error| error.to_string())?;
    if length.len() > MAX_FILE_BYTES {
        return Err(format!("it is larger than {MAX_FILE_BYTES} bytes"));
    }
    std::fs::read_to_string(file).map_err(|error| error.to_string())
}

/// Ids and texts of a manifest.
fn manifest(text: &str) -> Result<Vec<(Option<String>, String)>, String> {
    #[derive(serde::Deserialize)]
    struct Apollo {
        operations: Vec<Operation>,
    }
    #[derive(serde::Deserialize)]
    struct Operation {
        id: String,
        body: String,
    }
    let no_json = |error: serde_json::Error| format!("it is no manifest: {error}");
    let value: serde_json::Value = serde_json::from_str(text).map_err(no_json)?;
    if value
        .get("operations")
        .is_some_and(serde_json::Value::is_array)
    {
        let Apollo { operations } = serde_json::from_value(value).map_err(no_json)?;
        let entries = operations.into_iter();
        return Ok(entries
            .map(|operation| (Some(operation.id), operation.body))
            .collect());
    }
    let entries: std::collections::BTreeMap<String, String> =
        serde_json::from_value(value).map_err(no_json)?;
    Ok(entries
        .into_iter()
        .map(|(id, text)| (Some(id), text))
        .collect())
}

fn wrong(file: &Path, id: Option<&str>, reason: &str) -> Error {
    let id = id.map(|id| format!(", document {id}")).unwrap_or_default();
    let message = format!("the trusted documents in {}{id}: {reason}", file.display());
    Error::new(Code::BadUserInput, message)
}

/// Whether `id` is a custom identifier as GraphQL over HTTP writes them.
fn is_name(id: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    (1..=128).contains(&id.len()) && id.bytes().all(plain)
}

/// Parses a document and holds each operation to what even trusted ones must keep.
fn look_at(text: &str) -> Result<Arc<ExecutableDocument>, Refusal> {
    let bounds = bounds();
    let document = Documents::read(text, scan::check(text, &bounds)?)?;
    let variables = Variables::default();
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        meter::check(
            &document,
            operation,
            &variables,
            &bounds,
            Introspection::On,
            CallerKind::SignedIn,
        )?;
    }
    Ok(Arc::new(document))
}

/// Holds a document against the schema without running it: the executor validates all operations of a
/// document and runs one, and that one is added here and asks for nothing.
async fn validate(document: &ExecutableDocument, executor: &impl Executor) -> Result<(), String> {
    let nothing = Documents::read("{ __typename }", scan::Scan::default())
        .map_err(|refusal| refusal.error.message().clone())?;
    let DocumentOperations::Single(nothing) = nothing.operations else {
        return Err("the service cannot look at documents".to_owned());
    };
    // No document can have an operation of this name.
    let name = "only validated";
    let mut checked = document.clone();
    let mut operations = match checked.operations {
        DocumentOperations::Single(operation) => {
            HashMap::from([(Name::new("the operation"), operation)])
        }
        DocumentOperations::Multiple(operations) => operations,
    };
    operations.insert(Name::new(name), nothing);
    checked.operations = DocumentOperations::Multiple(operations);
    let mut request = Request::new("").operation_name(name);
    request.set_parsed_query(checked);
    let errors = executor.execute(request).await.errors;
    let reasons: Vec<_> = errors
        .iter()
        .map(|error| match error.locations.first() {
            Some(at) => format!("{} (line {}, column {})", error.message, at.line, at.column),
            None => error.message.clone(),
        })
        .collect();
    if reasons.is_empty() {
        return Ok(());
    }
    Err(reasons.join("; "))
}
