//! The schema as the running server describes it: what the tests of this folder are generated from.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{App, Person};

/// All types of the API.
pub struct Schema {
    types: BTreeMap<String, Type>,
    /// The name of the type with the fields that read.
    pub query: String,
    /// The name of the type with the fields that write.
    pub mutation: String,
}

/// A type of any kind.
pub struct Type {
    /// As in `OBJECT`.
    pub kind: String,
    /// Fields of an object or interface.
    pub fields: Vec<Field>,
    /// Fields of an input object.
    pub inputs: Vec<Input>,
    /// The objects that an interface or union stands for.
    pub possible: Vec<String>,
    /// The values of an enum.
    pub values: Vec<String>,
}

/// A field of an object.
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub args: Vec<Input>,
    /// What it gives.
    pub ty: TypeRef,
}

/// An argument, or a field of an input object.
pub struct Input {
    /// Its name.
    pub name: String,
    /// What it takes.
    pub ty: TypeRef,
    /// Whether it may be left out.
    pub is_optional: bool,
}

/// A use of a type.
pub struct TypeRef {
    /// The type itself.
    pub name: String,
    /// How it is written, as in `[ID!]!`.
    pub text: String,
    /// Whether it is a list.
    pub is_list: bool,
}

impl TypeRef {
    fn read(json: &Value) -> Self {
        let kind = json["kind"].as_str().unwrap();
        match kind {
            "NON_NULL" | "LIST" => {
                let inner = Self::read(&json["ofType"]);
                let text = if kind == "LIST" {
                    format!("[{}]", inner.text)
                } else {
                    format!("{}!", inner.text)
                };
                Self {
                    text,
                    is_list: inner.is_list || kind == "LIST",
                    ..inner
                }
            }
            _ => {
                let name = json["name"].as_str().unwrap().to_owned();
                Self {
                    text: name.clone(),
                    name,
                    is_list: false,
                }
            }
        }
    }
}

impl Input {
    fn read(json: &Value) -> Self {
        let ty = TypeRef::read(&json["type"]);
        Self {
            name: json["name"].as_str().unwrap().to_owned(),
            is_optional: !ty.text.ends_with('!') || !json["defaultValue"].is_null(),
            ty,
        }
    }
}

fn list<T>(json: &Value, read: impl Fn(&Value) -> T) -> Vec<T> {
    json.as_array()
        .map(|items| items.iter().map(read).collect())
        .unwrap_or_default()
}

impl Schema {
    /// Asks the server.
    pub async fn of(app: &App, person: &Person) -> Self {
        const REF: &str = "type { kind name ofType { kind name ofType { kind name ofType { kind name \
            ofType { kind name } } } } }";
        let query = format!(
            "{{ __schema {{ queryType {{ name }} mutationType {{ name }} types {{ kind name \
             fields(includeDeprecated: true) {{ name {REF} args {{ name defaultValue {REF} }} }} \
             inputFields {{ name defaultValue {REF} }} possibleTypes {{ name }} enumValues {{ name }} }} }} }}"
        );
        let answer = app.gql(&person.token, &query, json!({})).await.ok();
        let name = |json: &Value| json["name"].as_str().unwrap().to_owned();
        let types = list(answer.data("/__schema/types"), |ty| {
            let kind = ty["kind"].as_str().unwrap().to_owned();
            let fields = list(&ty["fields"], |field| Field {
                name: name(field),
                args: list(&field["args"], Input::read),
                ty: TypeRef::read(&field["type"]),
            });
            let ty_ = Type {
                kind,
                fields,
                inputs: list(&ty["inputFields"], Input::read),
                possible: list(&ty["possibleTypes"], name),
                values: list(&ty["enumValues"], name),
            };
            (name(ty), ty_)
        });
        Self {
            types: types.into_iter().collect(),
            query: answer.text("/__schema/queryType/name").to_owned(),
            mutation: answer.text("/__schema/mutationType/name").to_owned(),
        }
    }

    /// The type of this name.
    pub fn get(&self, name: &str) -> &Type {
        self.types
            .get(name)
            .unwrap_or_else(|| panic!("no type {name} in the schema"))
    }

    /// The field of a type.
    pub fn field(&self, ty: &str, name: &str) -> &Field {
        self.get(ty)
            .fields
            .iter()
            .find(|field| field.name == name)
            .unwrap_or_else(|| panic!("no field {ty}.{name} in the schema"))
    }

    /// Whether values of this type have no fields.
    pub fn is_leaf(&self, name: &str) -> bool {
        matches!(self.get(name).kind.as_str(), "SCALAR" | "ENUM")
    }

    /// Whether this is a page of a list.
    pub fn is_connection(&self, name: &str) -> bool {
        name.ends_with("Connection")
    }

    /// Whether this is a thing with an id, and not a part of one.
    pub fn has_id(&self, name: &str) -> bool {
        self.get(name).fields.iter().any(|field| field.name == "id")
    }

    /// The objects one meets when starting at `root`, in the order they are met, each with a shortest way
    /// there: the fields to take.
    pub fn ways(&self, root: &str) -> Vec<(String, Vec<Step>)> {
        let mut found: Vec<(String, Vec<Step>)> = vec![(root.to_owned(), Vec::new())];
        let mut at = 0;
        while let Some((name, way)) = found.get(at).cloned() {
            at += 1;
            for field in &self.get(&name).fields {
                if self.is_leaf(&field.ty.name) {
                    continue;
                }
                let possible = &self.get(&field.ty.name).possible;
                let targets = if possible.is_empty() {
                    vec![(field.ty.name.clone(), None)]
                } else {
                    let on = |name: &String| (name.clone(), Some(name.clone()));
                    possible.iter().map(on).collect()
                };
                for (target, on) in targets {
                    if found.iter().all(|(known, _)| *known != target) {
                        let mut way = way.clone();
                        way.push(Step {
                            parent: name.clone(),
                            field: field.name.clone(),
                            on,
                        });
                        found.push((target, way));
                    }
                }
            }
        }
        found
    }

    /// Every way to an `ID` inside `inputs`, which are declared by `by` (a field or an input object). An input
    /// object that holds itself is entered once.
    pub fn id_paths<'a>(&'a self, by: &'a str, inputs: &'a [Input]) -> Vec<IdPath> {
        let mut found = Vec::new();
        self.collect_ids(by, inputs, &mut Vec::new(), &mut vec![by], &mut found);
        found
    }

    fn collect_ids<'a>(
        &'a self,
        by: &str,
        inputs: &'a [Input],
        path: &mut Vec<(String, bool)>,
        above: &mut Vec<&'a str>,
        found: &mut Vec<IdPath>,
    ) {
        for input in inputs {
            path.push((input.name.clone(), input.ty.is_list));
            if input.ty.name == "ID" {
                found.push(IdPath {
                    declared: format!("{by}.{}", input.name),
                    steps: path.clone(),
                });
            } else if above.iter().filter(|name| **name == input.ty.name).count() < 2 {
                let ty = &input.ty.name;
                above.push(ty);
                self.collect_ids(ty, &self.get(ty).inputs, path, above, found);
                above.pop();
            }
            path.pop();
        }
    }
}

/// A place for an id inside arguments.
#[derive(Clone, Debug)]
pub struct IdPath {
    /// What declares it, as in `ClientIdFilter.eq` or `Query.client.id`.
    pub declared: String,
    /// The names on the way, each with whether it is a list.
    pub steps: Vec<(String, bool)>,
}

impl IdPath {
    /// The way as text, as in `filter.and.id.eq`.
    pub fn text(&self) -> String {
        let names: Vec<&str> = self.steps.iter().map(|(name, _)| name.as_str()).collect();
        names.join(".")
    }

    /// The value of the argument at the start of the way, with `id` at its end.
    pub fn value(&self, id: &str) -> Value {
        let mut value = json!(id);
        for (at, (name, is_list)) in self.steps.iter().enumerate().rev() {
            if *is_list {
                value = json!([value]);
            }
            if at > 0 {
                value = json!({ name: value });
            }
        }
        value
    }
}

/// One field on the way to a type.
#[derive(Clone, Debug)]
pub struct Step {
    /// The type it is a field of.
    pub parent: String,
    /// Its name.
    pub field: String,
    /// The object to take, where the field gives an interface.
    pub on: Option<String>,
}
