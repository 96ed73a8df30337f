//! Scalars of sync: ids of operations, numbers beyond 32 bits.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use uuid::Uuid;

use crate::error::{Code, Error, Result};
use crate::graphql::check::shown;
use crate::say;

/// The largest whole number that every JSON reader keeps exact: 2^53 - 1.
const LARGEST: u64 = (1 << 53) - 1;

/// A whole number from 0 to 2^53 - 1, as JSON carries it exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafeInt(u64);

impl SafeInt {
    /// That number; the largest one for those beyond it.
    pub fn new(number: u64) -> Self {
        Self(number.min(LARGEST))
    }

    /// A position of the line of changes.
    pub fn place(seq: i64) -> Self {
        Self::new(u64::try_from(seq).unwrap_or(0))
    }

    /// The number.
    pub fn count(self) -> u64 {
        self.0
    }

    /// Reads a value of a request.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub fn read(value: &Value) -> Result<Self> {
        let number = match value {
            Value::Number(number) => number.as_u64(),
            _ => None,
        };
        number
            .filter(|number| *number <= LARGEST)
            .map(Self)
            .ok_or_else(|| {
                let message = say!(
                    "{shown} is out of range: expected a whole number from 0 to 9007199254740991",
                    shown = shown(value)
                );
                Error::new(Code::BadUserInput, message)
            })
    }
}

/// A whole number from 0 to 2^53 - 1, as JSON carries it exactly.
#[Scalar(name = "SafeInt")]
impl ScalarType for SafeInt {
    fn parse(value: Value) -> InputValueResult<Self> {
        Self::read(&value).map_err(|error| InputValueError::custom(error.message()))
    }

    fn to_value(&self) -> Value {
        Value::from(self.0)
    }
}

/// A UUID that a phone makes, best of version 7, such as `0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub Uuid);

impl OpId {
    /// Reads a value of a request.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub fn read(value: &Value) -> Result<Self> {
        let id = match value {
            Value::String(text) if text.len() == uuid::fmt::Hyphenated::LENGTH => {
                Uuid::try_parse(text).ok()
            }
            _ => None,
        };
        id.map(Self).ok_or_else(|| {
            let message = say!(
                "{shown} is not a UUID: write it as a text such as \"0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e01\"",
                shown = shown(value)
            );
            Error::new(Code::BadUserInput, message)
        })
    }
}

/// A UUID that a phone makes, best of version 7, such as `0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e01`.
#[Scalar(name = "UUID")]
impl ScalarType for OpId {
    fn parse(value: Value) -> InputValueResult<Self> {
        Self::read(&value).map_err(|error| InputValueError::custom(error.message()))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}
