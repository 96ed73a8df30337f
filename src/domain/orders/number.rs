//! The number of an order: how it is made, and how one that a person typed is read.

use entity::{EntityId, OrderId};

/// The number of an order, made of its id alone, so that a phone without a connection can print it: the last
/// 50 bits of the UUID, which are random in versions 4 and 7, as ten digits of Crockford's base 32
/// (<https://www.crockford.com/base32.html>), five, a hyphen and five.
pub fn number(id: OrderId) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits = id.uuid().as_u128();
    let mut number = String::with_capacity(11);
    for at in (0..10_u32).rev() {
        let digit = usize::try_from((bits >> (at * 5)) & 31).unwrap_or_default();
        number.push(DIGITS.get(digit).copied().map_or('0', char::from));
        if at == 5 {
            number.push('-');
        }
    }
    number
}

/// The start of an order number as it is kept, from what a person typed: any case, with or without the
/// hyphen, `O` for `0`, `I` and `L` for `1`. Nothing when no number starts like that.
pub fn number_start(typed: &str) -> Option<String> {
    let mut start = String::with_capacity(11);
    for letter in typed.chars().filter(|c| !matches!(c, '-' | ' ')) {
        let digit = match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            'U' => return None,
            digit if digit.is_ascii_alphanumeric() => digit,
            _ => return None,
        };
        if start.len() == 5 {
            start.push('-');
        }
        start.push(digit);
    }
    (1..=11).contains(&start.len()).then_some(start)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_the_last_fifty_bits_of_the_id() {
        let id = |text: &str| OrderId(text.parse().unwrap());
        assert_eq!(
            number(id("0192f4c0-7c3e-7d54-9b43-000000000000")),
            "R0000-00000"
        );
        assert_eq!(
            number(id("0192f4c0-7c3e-7d54-9b40-0000000003ff")),
            "00000-000ZZ"
        );
        assert_eq!(
            number(id("ffffffff-ffff-ffff-ffff-ffffffffffff")),
            "ZZZZZ-ZZZZZ"
        );
    }

    #[test]
    fn a_typed_number_is_read_as_people_write_it() {
        assert_eq!(number_start("r0o0l-i").as_deref(), Some("R0001-1"));
        assert_eq!(number_start("r000000000").as_deref(), Some("R0000-00000"));
        assert_eq!(number_start("abc").as_deref(), Some("ABC"));
        for bad in ["", "u", "a%", "_", "012345678901", "é"] {
            assert_eq!(number_start(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_number_is_found_by_each_of_its_starts(bits in any::<u128>(), length in 1..=11_usize) {
            let number = number(OrderId(uuid::Uuid::from_u128(bits)));
            prop_assert_eq!(number.len(), 11);
            let start = number_start(&number.to_lowercase()[..length]).unwrap();
            prop_assert!(number.starts_with(&start));
        }
    }
}
