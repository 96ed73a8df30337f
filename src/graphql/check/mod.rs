//! Checks what a request gives, before it runs: every argument and every field of every input, written into the
//! document or sent as a variable, against what the schema says of its place. Each fault is named by its path,
//! as in `input.lines.0.quantity`, so that a form can show it where it belongs. What a value means is for the
//! resolver to say.

mod shapes;
mod strangers;
mod values;

use std::any::TypeId;
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::futures_util::stream::{self, BoxStream};
use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, OperationDefinition, OperationType,
    Selection, SelectionSet,
};
use async_graphql::{
    Data, Executor, Name, Pos, Positioned, Request, Response, ServerError, Value, Variables,
};
use async_graphql_value::Value as InputValue;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use self::shapes::{Input, Shapes};
use self::values::Values;
pub(super) use self::values::shown;
use super::Schema;
use super::context::sign_in_first;
use super::pace::Pace;
use super::written;
use crate::db::Session;
use crate::error::{Code, Error, Result};
use crate::messages::Message;
use crate::say;

/// Looks at the schema that are put together at the same time. What such a look shows the library writes in one go,
/// fields by the ten thousand, and gives way to nobody: it gets a thread of its own, and no more than this.
const LOOKS: usize = 1;

/// The schema with this check before it.
#[derive(Clone)]
pub struct Checked {
    schema: Schema,
    shapes: Arc<Shapes>,
    looks: Arc<Semaphore>,
}

impl Checked {
    /// Puts the check before `schema`.
    ///
    /// # Errors
    /// `INTERNAL` when the schema cannot be read back from its text.
    pub fn new(schema: Schema) -> Result<Self> {
        let shapes = Arc::new(Shapes::of_the_schema()?);
        Ok(Self {
            schema,
            shapes,
            looks: Arc::new(Semaphore::new(LOOKS)),
        })
    }

    /// Runs `request` to its end, in turns with others.
    async fn run(schema: Schema, request: Request) -> Response {
        let Some(pace) = Pace::of(&request.data).cloned() else {
            return schema.execute(request).await;
        };
        let done = pace.in_turns(schema.execute(request)).await;
        done.unwrap_or_else(|| pace.ended())
    }

    /// Runs a `request` that looks at the schema, when its turn is.
    async fn look(&self, request: Request) -> Response {
        let schema = self.schema.clone();
        // Nobody closes the semaphore.
        let Ok(turn) = Arc::clone(&self.looks).acquire_owned().await else {
            return Self::run(schema, request).await;
        };
        // Goes when whoever waits here does: nobody looks on for them.
        let (_waiting, left) = oneshot::channel::<()>();
        let looking = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            Handle::current().block_on(async {
                tokio::select! {
                    response = Self::run(schema, request) => Some(response),
                    _ = left => None,
                }
            })
        });
        match looking.await {
            Ok(Some(response)) => response,
            Ok(None) => cut_off(),
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => cut_off(),
            },
        }
    }

    /// What is wrong with the values of `request`.
    fn faults(&self, request: &mut Request) -> Vec<ServerError> {
        let is_signed_in = request.data.contains_key(&TypeId::of::<Session>());
        let variables = std::mem::take(&mut request.variables);
        let name = request.operation_name.take();
        let faults = match request.parsed_query() {
            // What the schema holds is for those who may look at it: nobody else hears what fits it.
            Ok(document) if !is_signed_in && strangers::asks_for_more(document) => {
                let error: async_graphql::Error = sign_in_first().into();
                vec![error.into_server_error(Pos::default())]
            }
            Ok(document) => {
                let values = Values::new(&self.shapes, is_signed_in);
                check(&self.shapes, values, document, name.as_deref(), &variables)
            }
            // The executor says so.
            Err(_) => Vec::new(),
        };
        request.variables = variables;
        request.operation_name = name;
        faults
    }
}

impl Executor for Checked {
    async fn execute(&self, mut request: Request) -> Response {
        let faults = self.faults(&mut request);
        if !faults.is_empty() {
            return Response::from_errors(faults);
        }
        let name = request.operation_name.take();
        let document = request.parsed_query();
        let looks = document.is_ok_and(|document| looks_at_the_schema(document, name.as_deref()));
        request.operation_name = name;
        if looks {
            return self.look(request).await;
        }
        Self::run(self.schema.clone(), request).await
    }

    fn execute_stream(
        &self,
        mut request: Request,
        session_data: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        let faults = self.faults(&mut request);
        if faults.is_empty() {
            Executor::execute_stream(&self.schema, request, session_data)
        } else {
            let refusal = async move { Response::from_errors(faults) };
            Box::pin(stream::once(refusal))
        }
    }
}

fn cut_off() -> Response {
    let error: async_graphql::Error = Error::bug("a look at the schema was cut off").into();
    Response::from_errors(vec![error.into_server_error(Pos::default())])
}

/// The operation of `document` that runs when `name` is asked for.
fn running<'d>(
    document: &'d ExecutableDocument,
    name: Option<&str>,
) -> Option<&'d OperationDefinition> {
    let operation = match (&document.operations, name) {
        (DocumentOperations::Single(only), _) => Some(only),
        (DocumentOperations::Multiple(all), Some(name)) => all.get(name),
        (DocumentOperations::Multiple(all), None) if all.len() == 1 => all.values().next(),
        (DocumentOperations::Multiple(_), None) => None,
    };
    operation.map(|operation| &operation.node)
}

/// Whether the operation of `document` that `name` chooses asks for `__schema` or `__type`.
fn looks_at_the_schema(document: &ExecutableDocument, name: Option<&str>) -> bool {
    let mut roots = Vec::new();
    if let Some(operation) = running(document, name) {
        written::expand(&operation.selection_set.node, document, &mut roots);
    }
    let mut names = roots.iter().map(|field| field.node.name.node.as_str());
    names.any(|name| matches!(name, "__schema" | "__type"))
}

fn check(
    shapes: &Shapes,
    values: Values<'_>,
    document: &ExecutableDocument,
    name: Option<&str>,
    variables: &Variables,
) -> Vec<ServerError> {
    let mut walk = Walk {
        shapes,
        values,
        document,
        operation: None,
        variables,
        fragments: HashSet::new(),
        checked: HashSet::new(),
        seen: HashSet::new(),
        faults: Vec::new(),
    };
    let running = running(document, name);
    for (_, operation) in document.operations.iter() {
        walk.fragments.clear();
        walk.operation =
            running.filter(|running| std::ptr::eq(*running, &raw const operation.node));
        walk.directives(&operation.node.directives);
        let root = match operation.node.ty {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        };
        walk.set(&operation.node.selection_set.node, root);
    }
    if walk.values.is_exhausted() {
        let error: async_graphql::Error = values::too_many().into();
        return vec![error.into_server_error(Pos::default())];
    }
    walk.faults
}

/// A walk over the fields of a document.
struct Walk<'a> {
    shapes: &'a Shapes,
    values: Values<'a>,
    document: &'a ExecutableDocument,
    /// The operation that runs, while the walk is in it: variables are its own.
    operation: Option<&'a OperationDefinition>,
    variables: &'a Variables,
    /// What was walked in this operation: a fragment gives the same wherever it is spread.
    fragments: HashSet<&'a str>,
    /// Lists and objects in variables that were checked, with the types they were checked for: a variable
    /// gives the same wherever it is used.
    checked: HashSet<(&'a str, String)>,
    /// What was found, each once.
    seen: HashSet<(String, String)>,
    faults: Vec<ServerError>,
}

impl<'a> Walk<'a> {
    fn set(&mut self, set: &'a SelectionSet, parent: &str) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let field_pos = field.pos;
                    let field = &field.node;
                    self.directives(&field.directives);
                    let shapes = self.shapes;
                    let Some(output) = shapes.field(parent, &field.name.node) else {
                        self.unknown_field(parent, &field.name);
                        continue;
                    };
                    self.arguments(&field.arguments, &output.args, field_pos);
                    let name = field.name.node.as_str();
                    let is_empty = field.selection_set.node.items.is_empty();
                    let is_composite = shapes.is_composite(&output.ty);
                    if is_composite && is_empty {
                        let message = say!(
                            "`{name}` is an object: say in braces which of its fields you want",
                            name
                        );
                        self.invalid(field_pos, message);
                    } else if !is_composite && !is_empty {
                        let message = say!("`{name}` is a value and has no fields", name);
                        self.invalid(field_pos, message);
                    } else {
                        self.set(&field.selection_set.node, &output.ty);
                    }
                }
                Selection::InlineFragment(inline) => {
                    self.directives(&inline.node.directives);
                    let condition = inline.node.type_condition.as_ref();
                    let parent = condition.map_or(parent, |on| on.node.on.node.as_str());
                    self.require_type(parent, inline.pos);
                    self.set(&inline.node.selection_set.node, parent);
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.node.directives);
                    let name = &spread.node.fragment_name.node;
                    let fragments = &self.document.fragments;
                    let Some(fragment) = fragments.get(name) else {
                        let message = say!("there is no fragment `{name}`", name);
                        self.invalid(spread.pos, message);
                        continue;
                    };
                    if self.fragments.insert(name.as_str()) {
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        self.require_type(on, fragment.pos);
                        self.set(&fragment.node.selection_set.node, on);
                    }
                }
            }
        }
    }

    /// Notes a field that `parent` does not have.
    fn unknown_field(&mut self, parent: &str, name: &Positioned<Name>) {
        let (at, name) = (name.pos, name.node.as_str());
        // What GraphQL itself asks about is for the executor, and a type that is not there was told of.
        if self.faults.len() >= values::MAX_FAULTS {
            return;
        }
        if name.starts_with("__") || !self.shapes.is_composite(parent) {
            return;
        }
        let near = self.values.nearest(name, self.shapes.fields(parent));
        let message = if let Some(near) = near {
            say!(
                "there is no field `{name}` on {parent}; did you mean `{near}`?",
                name,
                parent,
                near
            )
        } else {
            say!("there is no field `{name}` on {parent}", name, parent)
        };
        self.invalid(at, message);
    }

    fn require_type(&mut self, name: &str, at: Pos) {
        // Introspection walks types of GraphQL's own.
        if !self.shapes.is_composite(name) && !name.starts_with("__") {
            self.invalid(at, say!("there is no type `{name}` with fields", name));
        }
    }

    /// Notes that the document makes no sense at `at`.
    fn invalid(&mut self, at: Pos, message: Message) {
        let error = Error::new(Code::BadUserInput, message).with_rule("GRAPHQL_VALIDATION_FAILED");
        self.values.note(error);
        self.report(at);
    }

    /// `@include` and `@skip` take `if`; that there are no others, the executor says.
    fn directives(&mut self, directives: &'a [Positioned<Directive>]) {
        let known = directives
            .iter()
            .filter(|directive| matches!(directive.node.name.node.as_str(), "include" | "skip"));
        for directive in known {
            let condition = Input::condition();
            self.arguments(&directive.node.arguments, &condition, directive.pos);
        }
    }

    fn arguments(
        &mut self,
        given: &'a [(Positioned<Name>, Positioned<InputValue>)],
        declared: &[Input],
        at: Pos,
    ) {
        // More faults help nobody, and looking on would cost as much as before.
        if self.faults.len() >= values::MAX_FAULTS || self.values.is_exhausted() {
            return;
        }
        for input in declared {
            let value = given.iter().find(|(name, _)| name.node == input.name);
            match value {
                None => {
                    self.values.check(input, None, &input.name);
                    self.report(at);
                }
                Some((_, value)) => {
                    let at = value.pos;
                    let value = match &value.node {
                        InputValue::Variable(name) => {
                            let value = self.variable(name);
                            if let Ok(Some(large @ (Value::List(_) | Value::Object(_)))) = value {
                                // Whoever validates and runs the document copies it once for each use.
                                let is_new = self.checked.insert((name, input.ty.to_string()));
                                if !self.values.afford(large) || !is_new {
                                    continue;
                                }
                            }
                            value.map(|value| value.map(Cow::Borrowed))
                        }
                        value => self.constant(value).map(|value| value.map(Cow::Owned)),
                    };
                    let Ok(value) = value else {
                        continue;
                    };
                    self.values.check(input, value.as_deref(), &input.name);
                    self.report(at);
                }
            }
        }
        for (name, _) in given {
            if !declared
                .iter()
                .any(|input| input.name == name.node.as_str())
            {
                let what = values::Unknown::Argument;
                self.values.unknown(what, &name.node, declared);
                self.report(name.pos);
            }
        }
    }

    /// Takes over what was found at `at`, once.
    fn report(&mut self, at: Pos) {
        for fault in self.values.take() {
            let fields = fault.fields().join(" ");
            if self.faults.len() < values::MAX_FAULTS && self.seen.insert((fields, fault.message()))
            {
                let fault: async_graphql::Error = fault.into();
                self.faults.push(fault.into_server_error(at));
            }
        }
    }

    /// What is given, with the values of variables in it; `None` where a variable has none.
    ///
    /// # Errors
    /// Where there is a variable of an operation that does not run, or one that no one declared: what it
    /// would hold, nobody knows.
    fn constant(&mut self, value: &InputValue) -> Result<Option<Value>, Unknown> {
        Ok(Some(match value {
            InputValue::Variable(name) => {
                let found = self.variable(name)?;
                // A copy for each place: it counts like what is checked.
                if found.is_some_and(|value| !self.values.afford(value)) {
                    return Err(Unknown);
                }
                return Ok(found.cloned());
            }
            InputValue::Null => Value::Null,
            InputValue::Number(number) => Value::Number(number.clone()),
            InputValue::String(text) => Value::String(text.clone()),
            InputValue::Boolean(truth) => Value::Boolean(*truth),
            InputValue::Binary(bytes) => Value::Binary(bytes.clone()),
            InputValue::Enum(name) => Value::Enum(name.clone()),
            InputValue::List(items) => {
                // A list has no gaps.
                let items = items
                    .iter()
                    .map(|item| Ok(self.constant(item)?.unwrap_or(Value::Null)));
                Value::List(items.collect::<Result<_, Unknown>>()?)
            }
            InputValue::Object(fields) => {
                let mut object = async_graphql::indexmap::IndexMap::new();
                for (name, value) in fields {
                    if let Some(value) = self.constant(value)? {
                        object.insert(name.clone(), value);
                    }
                }
                Value::Object(object)
            }
        }))
    }

    fn variable(&self, name: &Name) -> Result<Option<&'a Value>, Unknown> {
        let operation = self.operation.ok_or(Unknown)?;
        let mut definitions = operation.variable_definitions.iter();
        let definition = definitions
            .find(|definition| definition.node.name.node == *name)
            .ok_or(Unknown)?;
        let given = self.variables.get(name);
        let default = definition.node.default_value.as_ref();
        Ok(given.or(default.map(|default| &default.node)))
    }
}

/// A variable whose value nobody knows.
struct Unknown;

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn a_look_at_the_schema_is_what_the_operation_that_runs_asks_for() {
        for (document, name, looks) in [
            ("{ __schema { types { name } } }", None, true),
            (
                "{ ... { ...Q } } fragment Q on Query { __type(name: \"Client\") { name } }",
                None,
                true,
            ),
            ("{ clients { __typename } }", None, false),
            (
                "query A { clients { totalCount } } query B { __schema { types { name } } }",
                Some("A"),
                false,
            ),
            (
                "query A { clients { totalCount } } query B { __schema { types { name } } }",
                Some("B"),
                true,
            ),
            (
                "query A { clients { totalCount } } fragment Q on Query { __schema { types { name } } }",
                Some("A"),
                false,
            ),
        ] {
            let parsed = parse_query(document).unwrap();
            assert_eq!(
                looks_at_the_schema(&parsed, name),
                looks,
                "{document} {name:?}"
            );
        }
    }
}
