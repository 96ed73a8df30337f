//! Errors on their way out: every one gets a code and the request id, faults of ours are logged and said
//! neutrally, and places in the document are told as the specification asks.

use std::error::Error as StdError;
use std::fmt::Write;

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{ErrorExtensionValues, PathSegment, Pos, Positioned, ServerError, Value};

use super::limits::CallerKind;
use super::request_id::RequestId;
use crate::{Code, Error};

/// What the answer says of a fault whose cause is in the log.
const NEUTRAL: &str = "something went wrong on our side; the request id finds it in the log";

/// How many errors of one answer are sent. A document can be wrong in a thousand places; more than these
/// help nobody.
const MAX_REQUEST_ERRORS: usize = 50;

/// Where the errors of an answer come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The request never ran: the document did not validate.
    Request,
    /// Resolvers raised them.
    Execution,
}

/// One error made ready for the answer, from an error of ours.
pub fn from_error(error: &Error, at: Option<Pos>, request_id: &RequestId) -> ServerError {
    log(error, request_id);
    let mut extensions = ErrorExtensionValues::default();
    error.write_extensions(&mut extensions);
    extensions.set("requestId", request_id.as_str());
    let mut answer = ServerError::new(error.message(), at);
    answer.extensions = Some(extensions);
    answer
}

/// Makes the errors of an executed request ready for the answer.
pub fn finish(
    errors: &mut Vec<ServerError>,
    phase: Phase,
    caller: CallerKind,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    request_id: &RequestId,
) {
    if phase == Phase::Request {
        errors.truncate(MAX_REQUEST_ERRORS);
    }
    for error in errors {
        let code = code_of(error, phase, request_id);
        let extensions = error.extensions.get_or_insert_default();
        if let Some((code, rule)) = code {
            extensions.set("code", code.as_str());
            if let Some(rule) = rule {
                extensions.set("rule", rule);
            }
        }
        extensions.set("requestId", request_id.as_str());
        if caller == CallerKind::Anonymous && phase == Phase::Request {
            cut_suggestions(&mut error.message);
        }
        complete_path(error, document, operation);
    }
}

/// The code of an error that [`finish`] has made ready.
pub(crate) fn code_as_sent(error: &ServerError) -> &'static str {
    let extensions = error.extensions.as_ref();
    let sent = match extensions.and_then(|extensions| extensions.get("code")) {
        Some(Value::String(code)) => code.as_str(),
        _ => "",
    };
    let mut codes = Code::ALL.iter().map(|code| code.as_str());
    codes
        .find(|code| *code == sent)
        .unwrap_or(Code::Internal.as_str())
}

/// The code and rule of an error that brings none, after logging what must not be sent.
fn code_of(
    error: &mut ServerError,
    phase: Phase,
    request_id: &RequestId,
) -> Option<(Code, Option<&'static str>)> {
    if let Some(ours) = error.source::<Error>() {
        log(ours, request_id);
        return None;
    }
    let extensions = error.extensions.as_ref();
    if extensions.is_some_and(|extensions| extensions.get("code").is_some()) {
        return None;
    }
    if phase == Phase::Request {
        return Some((Code::BadUserInput, Some("GRAPHQL_VALIDATION_FAILED")));
    }
    if is_input_error(error) {
        return Some((Code::BadUserInput, None));
    }
    tracing::error!(
        request_id = request_id.as_str(),
        error = error.message,
        path = %Path(&error.path),
        "a resolver failed with an error that has no code"
    );
    NEUTRAL.clone_into(&mut error.message);
    error.extensions = None;
    Some((Code::Internal, None))
}

/// Whether an argument or a scalar could not be read. The library raises these as text without a source; its
/// three forms are the only mark they have.
fn is_input_error(error: &ServerError) -> bool {
    let forms = ["Expected input type \"", "Failed to parse \"", "Variable "];
    error.source.is_none() && forms.iter().any(|form| error.message.starts_with(form))
}

/// Writes a fault to the log, once, with everything that caused it.
fn log(error: &Error, request_id: &RequestId) {
    let request_id = request_id.as_str();
    let code = error.code().as_str();
    match (error.code(), error.source()) {
        (Code::Internal, source) => {
            let cause = source.map(chain).unwrap_or_default();
            tracing::error!(request_id, code, cause, "{}", error.message());
        }
        (_, Some(source)) => {
            let cause = chain(source);
            tracing::warn!(request_id, code, cause, "{}", error.message());
        }
        (_, None) => {}
    }
}

/// An error with its causes, outermost first.
fn chain(error: &(dyn StdError + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// Leaves out what the library suggests for a name that does not exist: it would tell names of the schema.
fn cut_suggestions(message: &mut String) {
    if let Some(at) = message.find(" Did you mean ") {
        message.truncate(at);
    }
}

/// The library cuts the path of an error that passes through a list at the item. Where the error's place in
/// the document shows that a field of that item failed, the path is led on to it. Only fields of the item
/// itself, and those of its `node`, are found: further down there may be lists whose index is lost.
fn complete_path(
    error: &mut ServerError,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
) {
    let (Some(PathSegment::Index(_)), Some(at)) = (error.path.last(), error.locations.first())
    else {
        return;
    };
    let at = *at;
    let mut fields = Vec::new();
    expand(&operation.selection_set.node, document, &mut fields);
    for segment in &error.path {
        if let PathSegment::Field(key) = segment {
            fields = below(&fields, key, document);
        }
    }
    if let Some(field) = fields.iter().find(|field| is_at(field, at)) {
        error.path.push(key_of(field));
        return;
    }
    for node in fields.iter().filter(|field| field.node.name.node == "node") {
        let mut inner = Vec::new();
        expand(&node.node.selection_set.node, document, &mut inner);
        if let Some(field) = inner.iter().find(|field| is_at(field, at)) {
            error.path.extend([key_of(node), key_of(field)]);
            return;
        }
    }
}

/// Whether the error at `at` is one of `field`: the place is that of the field or of one of its arguments.
fn is_at(field: &Positioned<Field>, at: Pos) -> bool {
    field.pos == at
        || field
            .node
            .arguments
            .iter()
            .any(|(_, value)| value.pos == at)
}

fn key_of(field: &Positioned<Field>) -> PathSegment {
    PathSegment::Field(field.node.response_key().node.to_string())
}

/// The fields of all selections that answer under `key`.
fn below<'d>(
    fields: &[&'d Positioned<Field>],
    key: &str,
    document: &'d ExecutableDocument,
) -> Vec<&'d Positioned<Field>> {
    let mut found = Vec::new();
    for field in fields {
        if field.node.response_key().node == key {
            expand(&field.node.selection_set.node, document, &mut found);
        }
    }
    found
}

/// The fields of `set`, with fragments expanded; the meter has bounded how many there can be.
fn expand<'d>(
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

/// A path as text for the log.
struct Path<'e>(&'e [PathSegment]);

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for segment in self.0 {
            match segment {
                PathSegment::Field(name) => write!(f, "/{name}")?,
                PathSegment::Index(index) => write!(f, "/{index}")?,
            }
        }
        Ok(())
    }
}
