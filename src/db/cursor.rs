//! Pages and cursors. A cursor holds the sort keys and the id of a row, signed and bound to the viewer,
//! the list and its filter, so that it can neither be made up nor carried elsewhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate, Utc};
use ring::hmac;
use sea_orm::Value;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::say;

/// How many rows, and from which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageSize {
    /// From the start, or after a cursor.
    First(u64),
    /// From the end, or before a cursor.
    Last(u64),
}

/// One page of a list, as asked for.
#[derive(Clone, Debug)]
pub struct PageRequest {
    pub(super) size: PageSize,
    pub(super) after: Option<String>,
    pub(super) before: Option<String>,
    pub(super) binding: String,
}

impl PageRequest {
    /// The page size when none is asked for.
    pub const DEFAULT_SIZE: u64 = 20;
    /// The largest page.
    pub const MAX_SIZE: u64 = 100;

    /// Checks Relay's four arguments. `binding` names the list, its order and its filter: a cursor is good
    /// only where it was made.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` with rule `BAD_PAGE_SIZE` for both `first` and `last`, a size below 0 or above 100.
    pub fn new(
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        binding: impl Into<String>,
    ) -> Result<Self> {
        let size = match (first, last) {
            (Some(_), Some(_)) => {
                return Err(Error::bad_input(
                    "last",
                    say!("ask for `first` or for `last`, not for both"),
                )
                .field("first")
                .with_rule("BAD_PAGE_SIZE"));
            }
            (None, None) if before.is_some() && after.is_none() => {
                PageSize::Last(Self::DEFAULT_SIZE)
            }
            (None, None) => PageSize::First(Self::DEFAULT_SIZE),
            (Some(first), None) => PageSize::First(Self::size("first", i64::from(first))?),
            (None, Some(last)) => PageSize::Last(Self::size("last", i64::from(last))?),
        };
        Ok(Self {
            size,
            after,
            before,
            binding: binding.into(),
        })
    }

    /// The first `size` rows, without cursors from a caller.
    pub fn first(size: u64, binding: impl Into<String>) -> Self {
        Self {
            size: PageSize::First(size),
            after: None,
            before: None,
            binding: binding.into(),
        }
    }

    /// The name of the list with its order and filter.
    pub fn binding(&self) -> &str {
        &self.binding
    }

    /// What tells this page from others of the same list.
    pub(super) fn key(&self) -> String {
        format!(
            "{:?}/{:?}/{:?}/{}",
            self.size, self.after, self.before, self.binding
        )
    }

    /// Checks what `field` (`first` or `last`) gives as the size of a page.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` with rule `BAD_PAGE_SIZE` for a size below 0 or above 100.
    pub fn size(field: &str, size: i64) -> Result<u64> {
        u64::try_from(size)
            .ok()
            .filter(|size| *size <= Self::MAX_SIZE)
            .ok_or_else(|| {
                Error::bad_input(
                    field,
                    say!(
                        "`{field}` is a number from 0 to {most}, not {size}",
                        field,
                        most = Self::MAX_SIZE,
                        size
                    ),
                )
                .with_rule("BAD_PAGE_SIZE")
            })
    }
}

/// One value of a sort key; in the order of both databases.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum KeyValue {
    #[serde(rename = "t")]
    Text(String),
    #[serde(rename = "n")]
    Number(i64),
    #[serde(rename = "d")]
    Day(NaiveDate),
    #[serde(rename = "i")]
    Instant(DateTime<Utc>),
}

impl From<KeyValue> for Value {
    fn from(value: KeyValue) -> Self {
        match value {
            KeyValue::Text(text) => text.into(),
            KeyValue::Number(number) => number.into(),
            KeyValue::Day(day) => day.into(),
            KeyValue::Instant(instant) => instant.into(),
        }
    }
}

/// Where a row stands in its list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Position(pub(super) Vec<KeyValue>, pub(super) Uuid);

const MAC_LENGTH: usize = 16;

pub(super) fn encode(
    key: &hmac::Key,
    viewer: Uuid,
    binding: &str,
    position: &Position,
) -> Result<String> {
    let mut bytes = serde_json::to_vec(position).map_err(Error::internal)?;
    let mac = sign(key, viewer, binding, &bytes);
    bytes.extend_from_slice(mac.as_ref().get(..MAC_LENGTH).unwrap_or_default());
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

pub(super) fn decode(
    key: &hmac::Key,
    viewer: Uuid,
    binding: &str,
    field: &str,
    cursor: &str,
) -> Result<Position> {
    let wrong = || {
        Error::bad_input(
            field,
            say!("`{field}` is not a cursor of this list: a cursor belongs to the person, the list, the filter and the order that it was made for", field))
        .with_rule("BAD_CURSOR")
    };
    if cursor.len() > 2_048 {
        return Err(wrong());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
    let at = bytes.len().checked_sub(MAC_LENGTH).ok_or_else(wrong)?;
    let (payload, mac) = bytes.split_at_checked(at).ok_or_else(wrong)?;
    let expected = sign(key, viewer, binding, payload);
    // A cursor gives no rows beyond the scope, so comparing plainly tells an attacker nothing of worth;
    // still, the comparison takes the same time for every wrong tag.
    let mut difference = 0_u8;
    for (left, right) in expected.as_ref().iter().zip(mac) {
        difference |= left ^ right;
    }
    if difference != 0 {
        return Err(wrong());
    }
    serde_json::from_slice(payload).map_err(|_| wrong())
}

fn sign(key: &hmac::Key, viewer: Uuid, binding: &str, payload: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(viewer.as_bytes());
    context.update(
        &u64::try_from(binding.len())
            .unwrap_or(u64::MAX)
            .to_be_bytes(),
    );
    context.update(binding.as_bytes());
    context.update(payload);
    context.sign()
}
