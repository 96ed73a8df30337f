//! Documents as JSON: on the way in, and where they are kept until something can be made of them.

use serde_json::{Map, Number, Value as Json};

use crate::sync::merge::{Fields, Value};

/// How many parts of a unit a fraction is counted in: ten million, as coordinates are kept.
const PARTS: f64 = 1e7;

/// Those of `names` that `json` has, as the rules compare them.
pub fn of_json(json: &Map<String, Json>, names: impl Iterator<Item = &'static str>) -> Fields {
    names
        .filter_map(|name| Some((name, value(json.get(name)?))))
        .collect()
}

/// As JSON.
pub fn to_json(fields: &Fields) -> Map<String, Json> {
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json(value)))
        .collect()
}

/// As JSON that every database keeps: in place of the character U+0000 stands the one for what cannot be shown.
pub(super) fn to_kept_json(fields: &Fields) -> Map<String, Json> {
    let mut kept = to_json(fields);
    kept.values_mut().for_each(clean);
    kept
}

/// A text without the character that no database keeps.
pub(super) fn cleaned(text: &str) -> String {
    text.replace(NUL, "\u{fffd}")
}

/// A field that holds the character that no database keeps.
pub(super) fn unkept(fields: &Fields) -> Option<&'static str> {
    fn has_nul(value: &Value) -> bool {
        match value {
            Value::Null | Value::Flag(_) | Value::Number(_) | Value::Fraction(_) => false,
            Value::Text(text) => text.contains(NUL),
            Value::List(values) => values.iter().any(has_nul),
            Value::Map(values) => values
                .iter()
                .any(|(name, value)| name.contains(NUL) || has_nul(value)),
        }
    }
    let mut fields = fields.iter();
    fields
        .find(|(_, value)| has_nul(value))
        .map(|(name, _)| *name)
}

/// PostgreSQL keeps it in no text.
const NUL: char = '\0';

fn clean(json: &mut Json) {
    match json {
        Json::String(text) if text.contains(NUL) => *text = cleaned(text),
        Json::Array(values) => values.iter_mut().for_each(clean),
        Json::Object(fields) => {
            *fields = std::mem::take(fields)
                .into_iter()
                .map(|(name, mut value)| {
                    clean(&mut value);
                    (cleaned(&name), value)
                })
                .collect();
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Flag(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Number(whole),
            None => number.as_f64().map_or(Value::Null, fraction),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(values) => Value::List(values.iter().map(value).collect()),
        Json::Object(fields) => Value::Map(
            fields
                .iter()
                .map(|(name, json)| {
                    let value = match (name.as_str(), json) {
                        // One amount has several spellings.
                        ("amount", Json::String(text)) => Value::Text(shortest(text)),
                        _ => value(json),
                    };
                    (name.clone(), value)
                })
                .filter(|(_, value)| *value != Value::Null)
                .collect(),
        ),
    }
}

/// By way of text: what does not fit is as far off as can be said, for the domain to refuse.
fn fraction(number: f64) -> Value {
    let furthest = if number < 0.0 { i64::MIN } else { i64::MAX };
    let parts = format!("{:.0}", number * PARTS).parse();
    Value::Fraction(parts.unwrap_or(furthest))
}

/// A decimal without zeros at its end.
fn shortest(text: &str) -> String {
    if text.contains('.') {
        let text = text.trim_end_matches('0');
        text.trim_end_matches('.').to_owned()
    } else {
        text.to_owned()
    }
}

fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Flag(flag) => Json::Bool(*flag),
        Value::Number(number) => Json::from(*number),
        Value::Fraction(parts) => {
            let number = parts.to_string().parse::<f64>().unwrap_or(0.0) / PARTS;
            Number::from_f64(number).map_or(Json::Null, Json::Number)
        }
        Value::Text(text) => Json::from(text.as_str()),
        Value::List(values) => Json::Array(values.iter().map(json).collect()),
        Value::Map(values) => Json::Object(
            values
                .iter()
                .map(|(name, value)| (name.clone(), json(value)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::Flag),
            any::<i64>().prop_map(Value::Number),
            (-1_800_000_000_i64..1_800_000_000)
                .prop_filter("whole numbers are whole", |parts| parts % 10_000_000 != 0)
                .prop_map(Value::Fraction),
            ".{0,12}".prop_map(Value::Text),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
                prop::collection::btree_map("[b-z]{1,5}", inner, 0..4).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_goes_into_json_comes_back(value in any_value()) {
            let fields = Fields::from([("field", value)]);
            let back = of_json(&to_json(&fields), ["field"].into_iter());
            prop_assert_eq!(back, fields);
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_holds_nothing_that_a_database_does_not(value in any_value(), text in "[a\0]{0,4}") {
            let with = Value::Map([(text.clone(), Value::List(vec![value.clone(), Value::Text(text.clone())]))].into());
            let fields = Fields::from([("field", with)]);
            prop_assert_eq!(unkept(&fields).is_some(), Json::Object(to_json(&fields)).to_string().contains("\\u0000"));
            let kept = Json::Object(to_kept_json(&fields)).to_string();
            prop_assert!(!kept.contains("\\u0000"));
            if !text.contains('\0') && unkept(&fields).is_none() {
                prop_assert_eq!(to_kept_json(&fields), to_json(&fields));
            }
        }
    }

    #[test]
    fn what_means_the_same_is_the_same() {
        let read = |json: Json| value(&json);
        assert_eq!(
            read(json!({ "price": { "amount": "12.50", "currency": "CNY" }, "label": null })),
            read(json!({ "price": { "amount": "12.5", "currency": "CNY" } }))
        );
        assert_eq!(
            read(json!({ "amount": "100" })),
            read(json!({ "amount": "100.00" }))
        );
        assert_eq!(read(json!(31.23)), Value::Fraction(312_300_000));
        assert_ne!(read(json!({ "note": "a" })), read(json!({ "note": "b" })));
    }
}
