//! How an edit made offline meets a row that changed meanwhile: field by field, by the policy of each field.
//!
//! A concept gives its list of [`Field`]s and reads its rows into [`Fields`]; the rest is here. Only fields on
//! the list are compared and written: the version, instants and everything else that the service alone sets
//! stay off it.

use std::collections::BTreeMap;

use super::rules::Rules;

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// Yes or no.
    Flag(bool),
    /// A whole number: a count, minor units, a rate in basis points.
    Number(i64),
    /// A text; also ids, days and instants in their one written form.
    Text(String),
    /// A number with a fraction, such as degrees, in ten-millionths.
    Fraction(i64),
    /// Several, such as tags or the lines of an order.
    List(Vec<Value>),
    /// Several under names, such as a line of an order. Without a name and with `Null` under it are the same, so
    /// no name stands over a `Null`.
    Map(BTreeMap<String, Value>),
}

/// Some fields of a document, by name. In a patch an absent field is left alone, and a `Null` clears.
pub type Fields = BTreeMap<&'static str, Value>;

/// A field that a device may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in the document.
    pub name: &'static str,
    /// What happens when both sides changed it.
    pub policy: Policy,
}

/// What happens when both sides changed a field, to different values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The service's value stays and the edit is a conflict: the rep decides, having seen what is there now.
    ServerWins,
    /// The difference that the device made is added, as for counted stock.
    Additive,
    /// What the device added to the list goes behind what is there. Entries must differ from each other, as
    /// those with ids do; taking entries away is a conflict.
    AppendOnly,
    /// The fields with this policy stand or fall together: a change of any of them on one side and of any of
    /// them on the other is a conflict. For the lines, prices and totals of an order, where each side's
    /// numbers add up and a mixture's would not.
    Whole,
    /// The device's status is set if the machine allows the step to it from the service's, by the first list: (from,
    /// to). A step is taken on what its person saw: beside [`Whole`](Self::Whole) fields, a change of any of those by
    /// others is a conflict. By the second list, what others have taken further is as the device wants it: (wanted, is).
    Status(&'static [Step], &'static [Step]),
}

/// From one status to another.
pub type Step = (&'static str, &'static str);

/// Whether a repeated push is told from a new one before it gets here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Yes, by the ledger of operations.
    Guarded,
    /// No: only the content can show that it was done already, and only if nobody wrote since.
    Unguarded,
}

/// What the device saw when the edit was made.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// The row as it is.
    Present,
    /// These values, of a row that was written since. What is missing is not known.
    Earlier(&'a Fields),
}

/// What is to become of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// The row says so already.
    Nothing,
    /// Write these fields and no others.
    Write(Fields),
    /// Both sides changed these fields; nothing is written.
    Conflict(Vec<&'static str>),
}

/// Merges an edit into a row: `master` is the row, `new` what the device wants its fields to be, and `seen`
/// what they were to the device. What the device left as it saw it, and what is already as it wants it, is not
/// written; what only the device changed is written; what both changed goes by policy.
///
/// A conflict writes nothing at all, so that an edit is never half done.
pub fn merge(
    rules: &impl Rules,
    list: &[Field],
    replay: Replay,
    seen: Seen<'_>,
    master: &Fields,
    new: &Fields,
) -> Merge {
    let whole_moved = list.iter().any(|field| {
        rules.policy(field.policy, replay) == Policy::Whole
            && side(seen, master, field.name) != Side::Same
    });
    let mut changes = Fields::new();
    let mut conflicts = Vec::new();
    for field in list {
        let Some(wanted) = new.get(field.name) else {
            continue;
        };
        let present = master.get(field.name).unwrap_or(&Value::Null);
        let before = match seen {
            Seen::Present => Some(present),
            Seen::Earlier(seen) => seen.get(field.name),
        };
        if is_as_wanted(field, present, wanted) || before == Some(wanted) {
            continue;
        }
        let policy = rules.policy(field.policy, replay);
        let is_step = matches!(field.policy, Policy::Status(..));
        let moved = if policy == Policy::Whole {
            whole_moved
        } else {
            side(seen, master, field.name) != Side::Same
        };
        let result = if is_step && whole_moved {
            None
        } else if moved {
            both_changed(policy, before, present, wanted)
        } else {
            Some(wanted.clone())
        };
        match result {
            Some(value) if value == *present => {}
            Some(value) => {
                changes.insert(field.name, value);
            }
            None => conflicts.push(field.name),
        }
    }
    if !conflicts.is_empty() {
        Merge::Conflict(conflicts)
    } else if changes.is_empty() {
        Merge::Nothing
    } else {
        Merge::Write(changes)
    }
}

/// Whether a row says what a device wants it to, in every field that a device may write. An absent field is `Null`.
pub fn is_same_content(list: &[Field], master: &Fields, wanted: &Fields) -> bool {
    let value = |fields: &Fields, name| fields.get(name).cloned().unwrap_or(Value::Null);
    list.iter().all(|field| {
        let (present, wanted) = (value(master, field.name), value(wanted, field.name));
        is_as_wanted(field, &present, &wanted)
    })
}

/// Whether a field is as the device wants it.
fn is_as_wanted(field: &Field, present: &Value, wanted: &Value) -> bool {
    if wanted == present {
        return true;
    }
    match (field.policy, wanted, present) {
        (Policy::Status(_, further), Value::Text(wanted), Value::Text(present)) => further
            .iter()
            .any(|(from, to)| from == wanted && to == present),
        _ => false,
    }
}

/// What happened to a field on the service's side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Same,
    /// Changed, or not known to be the same.
    Moved,
}

fn side(seen: Seen<'_>, master: &Fields, name: &str) -> Side {
    match seen {
        Seen::Present => Side::Same,
        Seen::Earlier(seen) => match seen.get(name) {
            Some(before) if before == master.get(name).unwrap_or(&Value::Null) => Side::Same,
            _ => Side::Moved,
        },
    }
}

/// The value of a field that both sides changed; none for a conflict.
fn both_changed(
    policy: Policy,
    before: Option<&Value>,
    present: &Value,
    wanted: &Value,
) -> Option<Value> {
    match policy {
        Policy::ServerWins | Policy::Whole => None,
        Policy::Additive => sum(before?, present, wanted),
        Policy::AppendOnly => appended(before?, present, wanted),
        Policy::Status(steps, _) => match (present, wanted) {
            (Value::Text(from), Value::Text(to)) => steps
                .iter()
                .any(|(a, b)| a == from && b == to)
                .then(|| wanted.clone()),
            _ => None,
        },
    }
}

/// `present + (wanted - before)`; none where it does not fit or is no number. Nothing counts as 0.
fn sum(before: &Value, present: &Value, wanted: &Value) -> Option<Value> {
    let number = |value: &Value| match value {
        Value::Null => Some(0),
        Value::Number(number) => Some(*number),
        Value::Flag(_) | Value::Fraction(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
            None
        }
    };
    let difference = number(wanted)?.checked_sub(number(before)?)?;
    number(present)?.checked_add(difference).map(Value::Number)
}

/// `present`, then what `wanted` has over `before`; none if it took something away. Nothing counts as empty.
fn appended(before: &Value, present: &Value, wanted: &Value) -> Option<Value> {
    fn list(value: &Value) -> Option<&[Value]> {
        match value {
            Value::Null => Some(&[]),
            Value::List(entries) => Some(entries),
            Value::Flag(_)
            | Value::Number(_)
            | Value::Fraction(_)
            | Value::Text(_)
            | Value::Map(_) => None,
        }
    }
    let (before, wanted) = (list(before)?, list(wanted)?);
    if before.iter().any(|entry| !wanted.contains(entry)) {
        return None;
    }
    let mut entries = list(present)?.to_vec();
    for entry in wanted {
        if !before.contains(entry) && !entries.contains(entry) {
            entries.push(entry.clone());
        }
    }
    Some(Value::List(entries))
}

#[cfg(test)]
mod tests;
