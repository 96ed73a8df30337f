//! The trace that a request belongs to, as the header `traceparent` of the W3C's Trace Context names it.

use axum::http::{HeaderMap, HeaderName};

/// The header that carries it.
pub const HEADER: HeaderName = HeaderName::from_static("traceparent");

/// Whose trace a request is part of, and which step of it caused the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never zero.
    pub trace: u128,
    /// The step that caused this request; never zero.
    pub parent: u64,
    /// Whether the caller keeps this trace.
    pub is_sampled: bool,
}

impl TraceParent {
    /// Takes it from `headers`; nothing when there is none, more than one, or none that is well-formed.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(HEADER).iter();
        let value = values.next()?.to_str().ok()?;
        if values.next().is_some() {
            return None;
        }
        let mut parts = value.trim().split('-');
        let version = hex(parts.next()?, 2)?;
        let trace = hex(parts.next()?, 32)?;
        let parent = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = hex(parts.next()?, 2)?;
        // Version 00 ends here; later ones may go on.
        let is_known = version == 0 && parts.next().is_none();
        let is_later = (1..0xff).contains(&version);
        ((is_known || is_later) && trace != 0 && parent != 0).then_some(Self {
            trace,
            parent,
            is_sampled: flags & 1 == 1,
        })
    }
}

/// A number of exactly `digits` lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_plain = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != digits || !text.bytes().all(is_plain) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn parsed(value: &str) -> Option<TraceParent> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(value).unwrap());
        TraceParent::of(&headers)
    }

    #[test]
    fn only_what_is_well_formed_is_taken() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let found = parsed(good).unwrap();
        assert_eq!(found.trace, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(found.parent, 0x00f0_67aa_0ba9_02b7);
        assert!(found.is_sampled);
        assert!(!parsed(&good.replace("-01", "-00")).unwrap().is_sampled);
        assert!(parsed(&good.replace("00-4b", "cc-4b")).is_some());
        assert!(parsed(&format!("{}-more", good.replace("00-4b", "cc-4b"))).is_some());
        for bad in [
            "",
            "00",
            &format!("{good}-more"),
            &good.replace("00-4b", "ff-4b"),
            &good.to_uppercase(),
            &good.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &good.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &good.replace("-01", "-1"),
            &good.replace("00f067aa0ba902b7", "+0f067aa0ba902b7"),
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
        let mut twice = HeaderMap::new();
        for _ in 0..2 {
            twice.append(HEADER, HeaderValue::from_str(good).unwrap());
        }
        assert_eq!(TraceParent::of(&twice), None);
    }
}
