//! The schema as a table to look things up in: which fields a type has, what they take, and which values a type
//! allows. It is read off the schema itself, once, when the service starts.

use std::collections::HashMap;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Positioned, SDLExportOptions};

use crate::error::{Error, Result};

/// All types by name.
#[derive(Debug)]
pub(super) struct Shapes(HashMap<String, Shape>);

/// What a type is to one who checks values.
#[derive(Debug)]
pub(super) enum Shape {
    /// An object or an interface: its fields.
    Fields(HashMap<String, Output>),
    /// One of the object types, with no fields in common.
    Union,
    /// A closed list of names.
    Names(Vec<String>),
    /// An input object.
    Inputs(Vec<Input>),
    /// A single value.
    Scalar,
}

/// A field of an object.
#[derive(Debug)]
pub(super) struct Output {
    /// What it takes.
    pub(super) args: Vec<Input>,
    /// The name of the type it gives, without lists.
    pub(super) ty: String,
}

/// An argument, or a field of an input object.
#[derive(Debug)]
pub(super) struct Input {
    /// Its name.
    pub(super) name: String,
    /// What it takes.
    pub(super) ty: Type,
    /// Whether it must be given.
    pub(super) is_required: bool,
}

impl Shapes {
    /// The types of the schema. Ids go by the names of their kinds.
    ///
    /// # Errors
    /// `INTERNAL` when the schema cannot be read back from its text.
    pub(super) fn of_the_schema() -> Result<Self> {
        let sdl = entity::ids::with_kinds(|| {
            let options = SDLExportOptions::new().prefer_single_line_descriptions();
            super::super::schema().sdl_with_options(options)
        });
        let document = parse_schema(sdl)
            .map_err(|error| Error::bug(format!("the schema cannot be read: {error}")))?;
        let mut shapes = HashMap::new();
        for definition in document.definitions {
            let TypeSystemDefinition::Type(definition) = definition else {
                continue;
            };
            let shape = match definition.node.kind {
                TypeKind::Scalar => Shape::Scalar,
                TypeKind::Object(object) => Shape::Fields(outputs(object.fields)),
                TypeKind::Interface(interface) => Shape::Fields(outputs(interface.fields)),
                TypeKind::Union(_) => Shape::Union,
                TypeKind::Enum(names) => {
                    let names = names.values.into_iter();
                    Shape::Names(names.map(|name| name.node.value.node.to_string()).collect())
                }
                TypeKind::InputObject(object) => Shape::Inputs(inputs(object.fields)),
            };
            shapes.insert(definition.node.name.node.to_string(), shape);
        }
        Ok(Self(shapes))
    }

    /// The type of that name; `None` for the scalars that GraphQL has by itself, and for the kinds of ids.
    pub(super) fn get(&self, name: &str) -> Option<&Shape> {
        self.0.get(name)
    }

    /// Whether the type has fields to select.
    pub(super) fn is_composite(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Shape::Fields(_) | Shape::Union))
    }

    /// The names of the fields of a type.
    pub(super) fn fields(&self, ty: &str) -> impl Iterator<Item = &str> {
        let fields = match self.get(ty) {
            Some(Shape::Fields(fields)) => Some(fields.keys().map(String::as_str)),
            _ => None,
        };
        fields.into_iter().flatten()
    }

    /// The field of an object or interface.
    pub(super) fn field(&self, ty: &str, name: &str) -> Option<&Output> {
        match self.get(ty)? {
            Shape::Fields(fields) => fields.get(name),
            Shape::Union | Shape::Names(_) | Shape::Inputs(_) | Shape::Scalar => None,
        }
    }
}

fn outputs(fields: Vec<Positioned<FieldDefinition>>) -> HashMap<String, Output> {
    let fields = fields.into_iter().map(|field| {
        let field = field.node;
        let output = Output {
            args: inputs(field.arguments),
            ty: innermost(&field.ty.node).to_owned(),
        };
        (field.name.node.to_string(), output)
    });
    fields.collect()
}

fn inputs(fields: Vec<Positioned<InputValueDefinition>>) -> Vec<Input> {
    let fields = fields.into_iter().map(|field| {
        let field = field.node;
        Input {
            name: field.name.node.to_string(),
            is_required: !field.ty.node.nullable && field.default_value.is_none(),
            ty: field.ty.node,
        }
    });
    fields.collect()
}

/// The name of the type inside all lists.
pub(super) fn innermost(ty: &Type) -> &str {
    use async_graphql::parser::types::BaseType;
    let mut ty = ty;
    loop {
        match &ty.base {
            BaseType::Named(name) => return name.as_str(),
            BaseType::List(inner) => ty = inner,
        }
    }
}

impl Input {
    /// What `@include` and `@skip` take.
    pub(super) fn condition() -> [Self; 1] {
        [Self {
            name: "if".to_owned(),
            ty: Type {
                base: async_graphql::parser::types::BaseType::Named(async_graphql::Name::new(
                    "Boolean",
                )),
                nullable: false,
            },
            is_required: true,
        }]
    }
}
