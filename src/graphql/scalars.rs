//! Scalars of the wire: exact decimals, money, instants, days, time zones. Parsed here, trusted below.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{
    ContextSelectionSet, InputObject, InputType, InputValueError, InputValueResult, OutputType,
    Positioned, Scalar, ScalarType, ServerResult, SimpleObject, Value,
};
use chrono::{Datelike, NaiveDate, SecondsFormat, Utc};

use super::check::shown;
use super::direct::{Direct, ready, shows};
use crate::domain::money::{self, CurrencyCode};
use crate::error::{Code, Error, Result};
use crate::messages::Message;
use crate::say;

fn wrong(message: Message) -> Error {
    Error::new(Code::BadUserInput, message)
}

fn unreadable<T: InputType>(error: &Error) -> InputValueError<T> {
    InputValueError::custom(error.message())
}

/// An exact decimal number, written as a string such as `"1234.50"`. A JSON number is refused: it would lose digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal(pub String);

impl Decimal {
    /// Reads one.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub fn read(value: &Value) -> Result<Self> {
        match value {
            Value::String(text) if money::is_decimal(text) => Ok(Self(text.clone())),
            Value::Number(number) => Err(wrong(say!(
                "write decimals as a text, \"{number}\": a number would lose digits",
                number = number.to_string()
            ))),
            _ => Err(wrong(say!(
                "{shown} is not a decimal: write it as a text such as \"1234.50\"",
                shown = shown(value)
            ))),
        }
    }
}

/// An exact decimal number, written as a string such as `"1234.50"`. A JSON number is refused: it would lose digits.
#[Scalar]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        Self::read(&value).map_err(|error| unreadable(&error))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// A currency by its ISO 4217 code, such as `CNY`, `USD` or `EUR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency(pub CurrencyCode);

impl Currency {
    /// Reads one.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub fn read(value: &Value) -> Result<Self> {
        match value {
            Value::String(text) => CurrencyCode::parse(text).map(Self),
            _ => Err(wrong(say!(
                "{shown} is not a currency code: write it as a text such as \"EUR\"",
                shown = shown(value)
            ))),
        }
    }
}

/// A currency by its ISO 4217 code, such as `CNY`, `USD` or `EUR`.
#[Scalar(name = "CurrencyCode")]
impl ScalarType for Currency {
    fn parse(value: Value) -> InputValueResult<Self> {
        Self::read(&value).map_err(|error| unreadable(&error))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.as_str().to_owned())
    }
}

/// An amount of money.
#[derive(Clone, Debug)]
pub struct Money(Direct<Amount>);

/// An amount of money.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "Money")]
struct Amount {
    /// The amount in the currency's main unit, exact, with all its decimal places, such as `"1234.50"`.
    amount: Decimal,
    /// The currency of the amount.
    currency: Currency,
}

ready!(Amount: "amount" | "currency";);

impl Money {
    /// An amount of `minor` units of the currency a row names.
    ///
    /// # Errors
    /// `INTERNAL` for a currency that is not one: rows hold only what was checked.
    pub fn new(minor: i64, currency: &str) -> Result<Self> {
        let currency = CurrencyCode::parse(currency)
            .map_err(|_| Error::bug(format!("a row holds the currency {currency:?}")))?;
        Ok(Self(Direct(Amount {
            amount: Decimal(money::format_minor(minor, currency)),
            currency: Currency(currency),
        })))
    }
}

shows!(Money as Direct<Amount>);

/// The largest amount a caller may send, in minor units: sums of what a database holds stay exact.
const MAX_AMOUNT_MINOR: u64 = 100_000_000_000_000;

/// An amount of money.
#[derive(Clone, Debug, Hash, InputObject)]
pub struct MoneyInput {
    /// The amount in the currency's main unit as a string, such as `"1234.50"`; no more decimal places than the currency has.
    pub amount: Decimal,
    /// The currency of the amount.
    pub currency: Currency,
}

impl MoneyInput {
    /// The amount in minor units and its currency. `field` names it in errors.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for an amount that is not exact in the currency, or too large.
    pub fn parse(&self, field: &str) -> Result<(i64, CurrencyCode)> {
        let minor = money::parse_minor(&self.amount.0, self.currency.0)
            .map_err(|error| error.field(format!("{field}.amount")))?;
        if minor.unsigned_abs() > MAX_AMOUNT_MINOR {
            return Err(Error::bad_input(
                format!("{field}.amount"),
                say!("this amount is too large"),
            ));
        }
        Ok((minor, self.currency.0))
    }

    /// The amount in minor units, when the currency is `expected`.
    ///
    /// # Errors
    /// As [`Self::parse`]; `BAD_USER_INPUT` for another currency.
    pub fn parse_in(&self, field: &str, expected: CurrencyCode) -> Result<i64> {
        let (minor, currency) = self.parse(field)?;
        if currency == expected {
            return Ok(minor);
        }
        Err(Error::bad_input(
            format!("{field}.currency"),
            say!(
                "the amount is in {currency}, but {expected} is expected here",
                currency = currency.as_str(),
                expected = expected.as_str()
            ),
        ))
    }
}

/// An instant in UTC, in RFC 3339 with `Z`, such as `2026-03-01T08:30:00Z`. Input with another offset is turned to UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateTime(pub chrono::DateTime<Utc>);

impl DateTime {
    /// Reads one.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub fn read(value: &Value) -> Result<Self> {
        let text = match value {
            Value::String(text) => text.as_str(),
            _ => "",
        };
        let instant = chrono::DateTime::parse_from_rfc3339(text).map_err(|_| {
            wrong(say!(
                "{shown} is not an instant: write it with date, time and offset, such as \"2026-03-01T08:30:00Z\"",
                shown = shown(value)
            ))
        })?;
        let micros = instant.timestamp_micros();
        chrono::DateTime::from_timestamp_micros(micros)
            .filter(|instant| (1..=9_999).contains(&instant.year()))
            .map(Self)
            .ok_or_else(|| wrong(say!("{shown} is out of range", shown = shown(value))))
    }
}

/// An instant in UTC, in RFC 3339 with `Z`, such as `2026-03-01T08:30:00Z`. Input with another offset is turned to UTC.
#[Scalar]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        Self::read(&value).map_err(|error| unreadable(&error))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

/// A day of the calendar without a time, in ISO 8601, such as `2026-03-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Date(pub NaiveDate);

impl Date {
    /// Reads one.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub fn read(value: &Value) -> Result<Self> {
        let text = match value {
            Value::String(text) => text.as_str(),
            _ => "",
        };
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()
            .filter(|day| text.len() == 10 && day.to_string() == text && day.year() > 0)
            .map(Self)
            .ok_or_else(|| {
                wrong(say!(
                    "{shown} is not a day: write it as year-month-day, such as \"2026-03-01\"",
                    shown = shown(value)
                ))
            })
    }
}

/// A day of the calendar without a time, in ISO 8601, such as `2026-03-01`.
#[Scalar]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        Self::read(&value).map_err(|error| unreadable(&error))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.format("%Y-%m-%d").to_string())
    }
}

/// A whole number from the database as GraphQL `Int` (32 bits).
///
/// # Errors
/// `INTERNAL` when it does not fit; bounds on input keep that from happening.
pub fn int(number: i64) -> Result<i32> {
    i32::try_from(number).map_err(|_| Error::bug(format!("{number} does not fit the GraphQL Int")))
}

/// The number of rows of a list: exact up to 10,000; 10,001 stands for "more than 10,000".
#[derive(Clone, Copy, Debug)]
pub struct TotalCount(pub u64);

impl TotalCount {
    /// Where counting stops.
    pub const CAP: u64 = 10_001;
}

impl OutputType for TotalCount {
    fn type_name() -> Cow<'static, str> {
        <i32 as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <i32 as OutputType>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        _: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        Ok(Value::from(self.0.min(Self::CAP)))
    }
}
