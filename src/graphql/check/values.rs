//! Whether a value is one that a place takes, and what to say where it is not.

use async_graphql::Value;
use async_graphql::parser::types::{BaseType, Type};

use super::shapes::{Input, Shape, Shapes};
use crate::db::PageRequest;
use crate::error::{Code, Error, Result};
use crate::graphql::scalars::{Currency, Date, DateTime, Decimal};
use crate::graphql::sync::scalars::{OpId, SafeInt};
use crate::messages::{Message, quoted};
use crate::say;

/// Most values of a closed list that a sentence names; of a longer list it names those that come nearest.
const MAX_NAMES: usize = 12;

/// How many names come nearest.
const NEAREST: usize = 5;

/// How alike a name must be (0 to 1) to be suggested.
const LIKELY: f64 = 0.6;

/// The most letters of a value that a sentence repeats.
const MAX_SHOWN: usize = 60;

/// The faults of one request, at most so many: more help nobody.
pub(super) const MAX_FAULTS: usize = 50;

/// The values that are looked at in one request. Those of a variable count for each place it is used at.
const MAX_VALUES: usize = 100_000;

/// Checks values and gathers what is wrong with them.
pub(super) struct Values<'a> {
    shapes: &'a Shapes,
    /// Whether names of the schema may be suggested.
    suggests: bool,
    /// How many more values may be looked at.
    left: usize,
    is_exhausted: bool,
    faults: Vec<Error>,
}

/// The refusal of a request with more values than are looked at.
pub(super) fn too_many() -> Error {
    let message = say!(
        "the values are refused: with variables put in their places there are more than {most} of them",
        most = MAX_VALUES
    );
    Error::new(Code::BadUserInput, message).with_rule("BAD_VARIABLES")
}

impl<'a> Values<'a> {
    pub(super) fn new(shapes: &'a Shapes, suggests: bool) -> Self {
        Self {
            shapes,
            suggests,
            left: MAX_VALUES,
            is_exhausted: false,
            faults: Vec::new(),
        }
    }

    /// Whether there were more values than are looked at.
    pub(super) fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    /// Counts `value` with all that it holds; `false` when that is too much.
    pub(super) fn afford(&mut self, value: &Value) -> bool {
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            if !self.look() {
                return false;
            }
            match value {
                Value::List(items) => open.extend(items),
                Value::Object(fields) => open.extend(fields.values()),
                _ => {}
            }
        }
        true
    }

    /// Counts one value; `false` when there were enough.
    fn look(&mut self) -> bool {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.is_exhausted = true,
        }
        !self.is_exhausted
    }

    /// Whether nothing more is to be found or looked at.
    fn is_done(&self) -> bool {
        self.is_exhausted || self.faults.len() >= MAX_FAULTS
    }

    /// Whether it takes the size of a page.
    pub(super) fn is_page(input: &Input) -> bool {
        let BaseType::Named(name) = &input.ty.base else {
            return false;
        };
        name == "Int" && matches!(input.name.as_str(), "first" | "last")
    }

    /// What was wrong since the last call.
    pub(super) fn take(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.faults)
    }

    /// Checks `value` where `input` was declared; `path` names the place.
    pub(super) fn check(&mut self, input: &Input, value: Option<&Value>, path: &str) {
        let field = input.name.as_str();
        match value {
            None if input.is_required => self.wrong(path, say!("`{field}` is missing", field)),
            None => {}
            Some(Value::Null) if !input.ty.nullable => {
                self.wrong(path, say!("`{field}` cannot be null", field));
            }
            Some(Value::Number(size)) if Self::is_page(input) => {
                let refused = size.as_i64().map(|size| PageRequest::size(field, size));
                match refused {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => self.note(error),
                    None => self.wrong(
                        path,
                        say!("{shown} is not a whole number", shown = size.to_string()),
                    ),
                }
            }
            Some(value) => self.value(&input.ty, value, path),
        }
    }

    /// Notes a field or an argument that nothing here takes.
    pub(super) fn unknown(&mut self, what: Unknown, path: &str, declared: &[Input]) {
        if self.is_done() {
            return;
        }
        let name = shortened(path.rsplit('.').next().unwrap_or(path));
        let names = declared.iter().map(|input| input.name.as_str());
        let near = self.nearest(&name, names);
        let message = match (what, near) {
            (Unknown::Field, None) => say!("there is no field `{name}` here", name),
            (Unknown::Field, Some(near)) => say!(
                "there is no field `{name}` here; did you mean `{near}`?",
                name,
                near
            ),
            (Unknown::Argument, None) => say!("there is no argument `{name}` here", name),
            (Unknown::Argument, Some(near)) => say!(
                "there is no argument `{name}` here; did you mean `{near}`?",
                name,
                near
            ),
        };
        self.wrong(path, message);
    }

    /// The name that was meant, as far as one can tell and may say.
    pub(super) fn nearest<'n>(
        &self,
        name: &str,
        names: impl Iterator<Item = &'n str>,
    ) -> Option<&'n str> {
        if !self.suggests || self.is_done() {
            return None;
        }
        let (score, near) = nearest(name, names).into_iter().next()?;
        (score > LIKELY).then_some(near)
    }

    fn wrong(&mut self, path: &str, message: Message) {
        self.note(Error::bad_input(path, message));
    }

    /// Notes a fault, as long as there are not too many.
    pub(super) fn note(&mut self, fault: Error) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        }
    }

    fn value(&mut self, ty: &Type, value: &Value, path: &str) {
        if self.is_done() || !self.look() {
            return;
        }
        if matches!(value, Value::Null) {
            if !ty.nullable {
                self.wrong(path, say!("null was given where a value is expected"));
            }
            return;
        }
        match (&ty.base, value) {
            (BaseType::List(inner), Value::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    if self.is_done() {
                        return;
                    }
                    self.value(inner, item, &format!("{path}.{index}"));
                }
            }
            // One value stands for a list of one.
            (BaseType::List(inner), _) => self.value(inner, value, path),
            (BaseType::Named(name), _) => match self.shapes.get(name) {
                Some(Shape::Inputs(inputs)) => self.object(inputs, value, path),
                Some(Shape::Names(names)) => self.name(names, value, path),
                Some(Shape::Scalar | Shape::Fields(_) | Shape::Union) | None => {
                    if let Err(error) = scalar(name, value) {
                        self.wrong(path, error.into_message());
                    }
                }
            },
        }
    }

    fn object(&mut self, inputs: &'a [Input], value: &Value, path: &str) {
        let Value::Object(given) = value else {
            let kind = kind(value);
            let message = say!("{kind} was given where an object is expected", kind);
            return self.wrong(path, message);
        };
        for input in inputs {
            let path = format!("{path}.{}", input.name);
            self.check(input, given.get(input.name.as_str()), &path);
        }
        for name in given.keys() {
            if self.is_done() || !self.look() {
                return;
            }
            if !inputs.iter().any(|input| input.name == name.as_str()) {
                let path = format!("{path}.{}", shortened(name));
                self.unknown(Unknown::Field, &path, inputs);
            }
        }
    }

    fn name(&mut self, names: &[String], value: &Value, path: &str) {
        let given = match value {
            Value::Enum(name) => name.as_str(),
            Value::String(text) => text.as_str(),
            _ => "",
        };
        if names.iter().any(|name| name == given) {
            return;
        }
        let shown = shown(value);
        let message = if names.len() <= MAX_NAMES {
            let names = names.join(", ");
            say!("{shown} is not one of {names}", shown, names)
        } else {
            let near = nearest(given, names.iter().map(String::as_str)).into_iter();
            let near: Vec<&str> = near.map(|(_, name)| name).take(NEAREST).collect();
            say!(
                "{shown} is none of the {count} values; the nearest are {near}",
                shown,
                count = names.len(),
                near = near.join(", ")
            )
        };
        self.wrong(path, message);
    }
}

/// What a name was taken for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unknown {
    Field,
    Argument,
}

/// The names, the most alike first, each with how alike it is (0 to 1).
fn nearest<'n>(to: &str, names: impl Iterator<Item = &'n str>) -> Vec<(f64, &'n str)> {
    let to: String = to
        .chars()
        .take(MAX_SHOWN)
        .collect::<String>()
        .to_lowercase();
    let scored = names.map(|name| (strsim::jaro_winkler(&to, &name.to_lowercase()), name));
    let mut scored: Vec<(f64, &str)> = scored.collect();
    scored.sort_by(|left, right| right.0.total_cmp(&left.0));
    scored
}

/// Refuses a value that the scalar of that name does not take.
fn scalar(name: &str, value: &Value) -> Result<()> {
    let wrong = |message: Message| Err(Error::new(Code::BadUserInput, message));
    let shown = || shown(value);
    match (name, value) {
        ("String" | "ID", Value::String(_))
        | ("Boolean", Value::Boolean(_))
        | ("Float", Value::Number(_)) => Ok(()),
        // The value may be a password that lacks its quotes.
        ("String", _) => {
            let kind = kind(value);
            wrong(say!(
                "{kind} was given where a text in quotes is expected",
                kind
            ))
        }
        ("Boolean", _) => wrong(say!("{shown} is neither true nor false", shown = shown())),
        ("Float", _) => wrong(say!("{shown} is not a number", shown = shown())),
        ("Int", Value::Number(number)) => match number.as_i64() {
            Some(whole) if i32::try_from(whole).is_ok() => Ok(()),
            Some(_) => wrong(say!(
                "{shown} is out of range: expected a whole number from {least} to {most}",
                shown = shown(),
                least = i32::MIN,
                most = i32::MAX
            )),
            None => wrong(say!("{shown} is not a whole number", shown = shown())),
        },
        ("Int", _) => wrong(say!("{shown} is not a whole number", shown = shown())),
        ("ID", _) => wrong(say!(
            "{shown} is not an id: expected a text such as \"client_0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e01\"",
            shown = shown()
        )),
        ("Decimal", _) => Decimal::read(value).map(drop),
        ("CurrencyCode", _) => Currency::read(value).map(drop),
        ("Date", _) => Date::read(value).map(drop),
        ("DateTime", _) => DateTime::read(value).map(drop),
        ("SafeInt", _) => SafeInt::read(value).map(drop),
        ("UUID", _) => OpId::read(value).map(drop),
        _ => match entity::ids::KINDS.iter().find(|(kind, _)| *kind == name) {
            Some((_, prefix)) => id(prefix, value),
            None => Err(Error::bug(format!("nothing checks the scalar {name}"))),
        },
    }
}

/// Refuses what is not an id with that prefix.
fn id(prefix: &str, value: &Value) -> Result<()> {
    let text = match value {
        Value::String(text) => text.as_str(),
        _ => "",
    };
    let (shown, wanted) = (shown(value), kind_of_id(prefix));
    let message = match entity::split(text) {
        Some((given, _)) if given == prefix => return Ok(()),
        Some((given, _)) if is_kind(given) => say!(
            "{shown} is an id of the kind {given}, but {wanted} is expected: \"{prefix}_\" and a UUID",
            shown,
            given = kind_of_id(given),
            wanted,
            prefix
        ),
        _ => say!(
            "{shown} is not an id of the kind {wanted}: expected \"{prefix}_\" and a UUID",
            shown,
            wanted,
            prefix
        ),
    };
    Err(Error::new(Code::BadUserInput, message))
}

fn is_kind(prefix: &str) -> bool {
    entity::ids::KINDS.iter().any(|(_, known)| *known == prefix)
}

/// What an id with that prefix names.
fn kind_of_id(prefix: &str) -> Message {
    Message::noun(&prefix.replace('_', " "))
}

/// What sort of value it is, without the value.
fn kind(value: &Value) -> Message {
    match value {
        Value::Null => "null".into(),
        Value::Number(_) => say!("a number"),
        Value::String(_) => say!("a text"),
        Value::Boolean(_) => say!("true or false"),
        Value::Binary(_) => say!("binary data"),
        Value::Enum(_) => say!("a name without quotes"),
        Value::List(_) => say!("a list"),
        Value::Object(_) => say!("an object"),
    }
}

/// The value as it was given, shortened.
pub(in crate::graphql) fn shown(value: &Value) -> Message {
    match value {
        Value::String(text) => quoted(&shortened(text)).into(),
        Value::Enum(name) => shortened(name).into(),
        Value::Number(number) => number.to_string().into(),
        Value::Boolean(truth) => truth.to_string().into(),
        Value::Null | Value::Binary(_) | Value::List(_) | Value::Object(_) => kind(value),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_list_the_nearest_are_named() {
        let shapes = Shapes::of_the_schema().unwrap();
        let mut values = Values::new(&shapes, true);
        let names: Vec<String> = (0..20).map(|number| format!("STEP_{number}")).collect();
        values.name(&names, &Value::String("step_7".into()), "input.step");
        let faults = values.take();
        assert_eq!(faults.len(), 1);
        let told = faults[0].message();
        let start = "\"step_7\" is none of the 20 values; the nearest are STEP_7, ";
        assert!(told.starts_with(start), "{told}");
        assert_eq!(faults[0].fields(), ["input.step"]);
        values.name(
            &names,
            &Value::Enum(async_graphql::Name::new("STEP_7")),
            "input.step",
        );
        assert!(values.take().is_empty());
    }

    #[test]
    fn a_request_has_a_bounded_number_of_faults() {
        let shapes = Shapes::of_the_schema().unwrap();
        let mut values = Values::new(&shapes, true);
        for _ in 0..1_000 {
            values.unknown(Unknown::Field, &"x".repeat(100_000), &[]);
        }
        let faults = values.take();
        assert_eq!(faults.len(), MAX_FAULTS);
        assert!(faults.iter().all(|fault| fault.message().len() < 1_000));
    }

    #[test]
    fn every_scalar_of_the_schema_is_checked() {
        let nonsense = Value::Boolean(true);
        for (name, _) in entity::ids::KINDS {
            assert!(scalar(name, &nonsense).is_err(), "{name}");
        }
        for line in crate::graphql::sdl().lines() {
            if let Some(name) = line.strip_prefix("scalar ") {
                let error = scalar(name, &nonsense).unwrap_err();
                assert_eq!(error.code(), Code::BadUserInput, "{name}");
            }
        }
    }
}
