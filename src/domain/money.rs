//! Money: whole minor units (`i64`) of a currency, exact from the text a caller sends to the text it gets.
//!
//! Binary floating point appears nowhere. One function rounds, half away from zero, as invoices do. This
//! module knows no conversion between currencies.

use std::fmt;

use crate::messages::quoted;
use crate::say;
use crate::{Code, Error, Result};

/// 100 %, in basis points.
pub const WHOLE_BP: i32 = 10_000;

/// Decimal text longer than this is refused unread.
const MAX_DECIMAL_CHARS: usize = 40;

/// The currencies and funds of ISO 4217 that have a minor unit, in order of code, so that a lookup can
/// halve the list.
///
/// Left out: precious metals, bond market units, the drawing rights and the codes for tests and for no
/// currency. They have no minor unit, and nobody invoices in them.
const CODES: &[&[u8; 3]] = &[
    b"AED", b"AFN", b"ALL", b"AMD", b"ANG", b"AOA", b"ARS", b"AUD", b"AWG", b"AZN", b"BAM", b"BBD",
    b"BDT", b"BGN", b"BHD", b"BIF", b"BMD", b"BND", b"BOB", b"BOV", b"BRL", b"BSD", b"BTN", b"BWP",
    b"BYN", b"BZD", b"CAD", b"CDF", b"CHE", b"CHF", b"CHW", b"CLF", b"CLP", b"CNY", b"COP", b"COU",
    b"CRC", b"CUP", b"CVE", b"CZK", b"DJF", b"DKK", b"DOP", b"DZD", b"EGP", b"ERN", b"ETB", b"EUR",
    b"FJD", b"FKP", b"GBP", b"GEL", b"GHS", b"GIP", b"GMD", b"GNF", b"GTQ", b"GYD", b"HKD", b"HNL",
    b"HTG", b"HUF", b"IDR", b"ILS", b"INR", b"IQD", b"IRR", b"ISK", b"JMD", b"JOD", b"JPY", b"KES",
    b"KGS", b"KHR", b"KMF", b"KPW", b"KRW", b"KWD", b"KYD", b"KZT", b"LAK", b"LBP", b"LKR", b"LRD",
    b"LSL", b"LYD", b"MAD", b"MDL", b"MGA", b"MKD", b"MMK", b"MNT", b"MOP", b"MRU", b"MUR", b"MVR",
    b"MWK", b"MXN", b"MXV", b"MYR", b"MZN", b"NAD", b"NGN", b"NIO", b"NOK", b"NPR", b"NZD", b"OMR",
    b"PAB", b"PEN", b"PGK", b"PHP", b"PKR", b"PLN", b"PYG", b"QAR", b"RON", b"RSD", b"RUB", b"RWF",
    b"SAR", b"SBD", b"SCR", b"SDG", b"SEK", b"SGD", b"SHP", b"SLE", b"SOS", b"SRD", b"SSP", b"STN",
    b"SVC", b"SYP", b"SZL", b"THB", b"TJS", b"TMT", b"TND", b"TOP", b"TRY", b"TTD", b"TWD", b"TZS",
    b"UAH", b"UGX", b"USD", b"USN", b"UYI", b"UYU", b"UYW", b"UZS", b"VED", b"VES", b"VND", b"VUV",
    b"WST", b"XAD", b"XAF", b"XCD", b"XCG", b"XOF", b"XPF", b"YER", b"ZAR", b"ZMW", b"ZWG",
];

/// A currency of ISO 4217, known to exist and to have a minor unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CurrencyCode([u8; 3]);

impl CurrencyCode {
    /// The currency with this three letter code; small letters are taken as capitals.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when ISO 4217 has no such currency.
    pub fn parse(text: &str) -> Result<Self> {
        let unknown = || {
            let given: String = text.chars().take(20).collect();
            Error::new(
                Code::BadUserInput,
                say!(
                    "{given} is not a currency: expected a code of ISO 4217, as in \"CNY\"",
                    given = quoted(&given)
                ),
            )
        };
        let mut letters: [u8; 3] = text.trim().as_bytes().try_into().map_err(|_| unknown())?;
        letters.make_ascii_uppercase();
        match CODES.binary_search(&&letters) {
            Ok(_) => Ok(Self(letters)),
            Err(_) => Err(unknown()),
        }
    }

    /// The three capital letters.
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in, so the fallback is never taken.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Digits after the point of an amount: 2 for most, 0 for the yen, 3 for the Kuwaiti dinar.
    pub const fn digits(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG"
            | b"RWF" | b"UGX" | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            b"CLF" | b"UYW" => 4,
            _ => 2,
        }
    }

    /// Every currency, in order of code.
    pub fn all() -> impl Iterator<Item = Self> {
        CODES.iter().map(|letters| Self(**letters))
    }

    /// Minor units in one whole unit: 100 for most.
    const fn scale(self) -> i128 {
        10_i128.pow(self.digits())
    }
}

impl fmt::Display for CurrencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CurrencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a text is a plain decimal number, such as `14.00` or `-3.5`.
pub fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= MAX_DECIMAL_CHARS && is_number(whole) && is_number(decimals)
}

/// Reads decimal text (`14.00`, `-3.5`, `7`) as minor units of `currency`, exactly.
///
/// # Errors
/// `BAD_USER_INPUT` with a sentence when the text is not a plain decimal number, has more digits after the
/// point than the currency, or is too large.
pub fn parse_minor(text: &str, currency: CurrencyCode) -> Result<i64> {
    if !is_decimal(text) {
        let message =
            say!("not an amount: expected a decimal number such as \"14.00\" or \"-3.5\"");
        return Err(Error::new(Code::BadUserInput, message));
    }
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let places = currency.digits();
    let missing = u32::try_from(decimals.len())
        .ok()
        .and_then(|given| places.checked_sub(given))
        .ok_or_else(|| {
            let message = match places {
                0 => say!(
                    "too many decimals: {currency} has none",
                    currency = currency.as_str()
                ),
                places => say!(
                    "too many decimals: {currency} has {places}",
                    currency = currency.as_str(),
                    places
                ),
            };
            Error::new(Code::BadUserInput, message)
        })?;
    let mut minor: i128 = 0;
    for byte in whole.bytes().chain(decimals.bytes()) {
        // At most 40 digits: `i128` holds 38, so the check can fire.
        minor = minor
            .checked_mul(10)
            .and_then(|minor| minor.checked_add(i128::from(byte - b'0')))
            .ok_or_else(too_large)?;
    }
    minor = minor
        .checked_mul(10_i128.pow(missing))
        .ok_or_else(too_large)?;
    i64::try_from(if negative { -minor } else { minor }).map_err(|_| too_large())
}

/// Writes minor units of `currency` as decimal text with all its decimals: `-3.50`, and `350` for the yen.
pub fn format_minor(minor: i64, currency: CurrencyCode) -> String {
    let scale = currency.scale().unsigned_abs();
    let absolute = u128::from(minor.unsigned_abs());
    let sign = if minor < 0 { "-" } else { "" };
    let whole = absolute / scale;
    match currency.digits() {
        0 => format!("{sign}{whole}"),
        digits => {
            let width = usize::try_from(digits).unwrap_or_default();
            format!("{sign}{whole}.{:0width$}", absolute % scale)
        }
    }
}

/// `numerator / denominator`, rounded to the nearest whole number, a half away from zero.
///
/// # Errors
/// `BAD_USER_INPUT` when the result does not fit; `INTERNAL` when `denominator` is not positive.
pub fn round_half_away(numerator: i128, denominator: i128) -> Result<i64> {
    if denominator <= 0 {
        return Err(Error::bug(format!("rounding by {denominator}")));
    }
    let quotient = numerator / denominator;
    let rest = (numerator % denominator).unsigned_abs();
    let away = if rest >= denominator.unsigned_abs() - rest {
        numerator.signum()
    } else {
        0
    };
    i64::try_from(quotient + away).map_err(|_| too_large())
}

/// What one line comes to: `quantity * unit_price_minor`, less `discount_bp`, rounded once.
///
/// # Errors
/// `BAD_USER_INPUT` when it is too large, or the discount is not within 0 to 10,000 basis points.
pub fn line_net(quantity: i64, unit_price_minor: i64, discount_bp: i32) -> Result<i64> {
    if !(0..=WHOLE_BP).contains(&discount_bp) {
        return Err(Error::new(
            Code::BadUserInput,
            say!("a discount goes from 0 to 10000 basis points"),
        ));
    }
    // The product of two `i64` fits `i128`; times 10,000 it may not.
    (i128::from(quantity) * i128::from(unit_price_minor))
        .checked_mul(i128::from(WHOLE_BP - discount_bp))
        .ok_or_else(too_large)
        .and_then(|numerator| round_half_away(numerator, i128::from(WHOLE_BP)))
}

/// The share `bp` (basis points, any sign) of `amount_minor`, rounded once.
///
/// # Errors
/// `BAD_USER_INPUT` when it is too large.
pub fn share_bp(amount_minor: i64, bp: i32) -> Result<i64> {
    round_half_away(
        i128::from(amount_minor) * i128::from(bp),
        i128::from(WHOLE_BP),
    )
}

/// `left + right`.
///
/// # Errors
/// `BAD_USER_INPUT` when it is too large.
pub fn add(left: i64, right: i64) -> Result<i64> {
    left.checked_add(right).ok_or_else(too_large)
}

/// `left - right`.
///
/// # Errors
/// `BAD_USER_INPUT` when it is too large.
pub fn subtract(left: i64, right: i64) -> Result<i64> {
    left.checked_sub(right).ok_or_else(too_large)
}

/// The sum of all, 0 of none. Only the result has to fit, so the order does not matter.
///
/// # Errors
/// `BAD_USER_INPUT` when it is too large.
pub fn sum(amounts: impl IntoIterator<Item = i64>) -> Result<i64> {
    // 2^64 terms of `i64` fit `i128`: memory ends first.
    let sum: i128 = amounts.into_iter().map(i128::from).sum();
    i64::try_from(sum).map_err(|_| too_large())
}

fn too_large() -> Error {
    Error::new(Code::BadUserInput, say!("the amount is too large"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::{Decimal, RoundingStrategy};

    use super::*;

    fn currency(code: &str) -> CurrencyCode {
        CurrencyCode::parse(code).unwrap()
    }

    fn minor(text: &str, code: &str) -> Result<i64> {
        parse_minor(text, currency(code))
    }

    fn any_currency() -> impl Strategy<Value = CurrencyCode> {
        (0..CODES.len()).prop_map(|index| CurrencyCode(*CODES[index]))
    }

    /// Rounds with a library that shares no code with ours.
    fn oracle(value: Decimal) -> i64 {
        value
            .round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero)
            .try_into()
            .unwrap()
    }

    #[test]
    fn the_currencies_are_sorted_and_unique() {
        assert!(CODES.is_sorted_by(|left, right| left < right));
    }

    #[test]
    fn a_currency_with_unusual_digits_is_on_the_list() {
        let unusual = CurrencyCode::all().filter(|currency| currency.digits() != 2);
        assert_eq!(unusual.count(), 17 + 7 + 2);
        assert_eq!(currency("JPY").digits(), 0);
        assert_eq!(currency("KWD").digits(), 3);
        assert_eq!(currency("CLF").digits(), 4);
        assert_eq!(currency("CNY").digits(), 2);
    }

    #[test]
    fn a_currency_is_read_in_any_case_and_kept_in_capitals() {
        assert_eq!(currency(" cny ").as_str(), "CNY");
        assert_eq!(currency("Usd").to_string(), "USD");
        for bad in ["", "RMB", "US", "USDT", "XXX", "XAU", "¥¥", "元", "U D"] {
            assert_eq!(
                CurrencyCode::parse(bad).unwrap_err().code(),
                Code::BadUserInput,
                "{bad}"
            );
        }
    }

    #[test]
    fn amounts_are_read_exactly() {
        for (text, code, expected) in [
            ("14.00", "CNY", 1400),
            ("14", "CNY", 1400),
            ("14.5", "CNY", 1450),
            ("-3.5", "USD", -350),
            ("-0.01", "USD", -1),
            ("-0", "USD", 0),
            ("0.07", "USD", 7),
            ("007", "USD", 700),
            ("350", "JPY", 350),
            ("1.234", "KWD", 1234),
            ("1.2345", "CLF", 12345),
            ("92233720368547758.07", "USD", i64::MAX),
            ("-92233720368547758.08", "USD", i64::MIN),
            ("0000000000000000000000000000000000001.00", "USD", 100),
        ] {
            assert_eq!(minor(text, code).unwrap(), expected, "{text} {code}");
        }
    }

    #[test]
    fn what_is_not_a_plain_decimal_is_refused() {
        for bad in [
            "",
            "-",
            ".",
            "-.",
            ".5",
            "5.",
            "+5",
            "--5",
            "5-",
            "1e3",
            "1E3",
            "1,000",
            "1 000",
            " 1",
            "1 ",
            "1.2.3",
            "0x10",
            "NaN",
            "inf",
            "１",
            "٣",
            "1_000",
            "$5",
            "1.-5",
            "1.+5",
            "0000000000000000000000000000000000000000000001",
        ] {
            let error = minor(bad, "USD").unwrap_err();
            assert_eq!(error.code(), Code::BadUserInput, "{bad}");
            assert!(error.message().starts_with("not an amount"), "{bad}");
        }
    }

    #[test]
    fn more_decimals_than_the_currency_has_are_refused() {
        for (bad, code, message) in [
            ("1.000", "USD", "too many decimals: USD has 2"),
            ("1.0", "JPY", "too many decimals: JPY has none"),
            ("1.0000", "KWD", "too many decimals: KWD has 3"),
        ] {
            assert_eq!(minor(bad, code).unwrap_err().message(), message);
        }
    }

    #[test]
    fn an_amount_too_large_is_refused() {
        for bad in [
            "92233720368547758.08",
            "-92233720368547758.09",
            "99999999999999999999999999999999999999",
            "9999999999999999999999999999999999999999",
        ] {
            let error = minor(bad, "USD").unwrap_err();
            assert_eq!(error.message(), "the amount is too large", "{bad}");
        }
    }

    #[test]
    fn a_half_rounds_away_from_zero() {
        for (numerator, denominator, expected) in [
            (5, 10, 1),
            (-5, 10, -1),
            (4, 10, 0),
            (-4, 10, 0),
            (15, 10, 2),
            (25, 10, 3),
            (-25, 10, -3),
            (1, 3, 0),
            (2, 3, 1),
            (0, 7, 0),
            (i128::MAX, i128::MAX, 1),
            (i128::MIN, i128::MAX, -1),
        ] {
            let rounded = round_half_away(numerator, denominator).unwrap();
            assert_eq!(rounded, expected, "{numerator}/{denominator}");
        }
        assert_eq!(round_half_away(1, 0).unwrap_err().code(), Code::Internal);
        assert_eq!(round_half_away(1, -2).unwrap_err().code(), Code::Internal);
        assert_eq!(
            round_half_away(i128::MAX, 1).unwrap_err().code(),
            Code::BadUserInput
        );
    }

    #[test]
    fn a_line_rounds_once() {
        assert_eq!(line_net(3, 333, 0).unwrap(), 999);
        // 1.5 minor units: rounding each piece first would give 3 or 0.
        assert_eq!(line_net(3, 1, 5_000).unwrap(), 2);
        assert_eq!(line_net(7, 1999, 10_000).unwrap(), 0);
        assert_eq!(line_net(0, i64::MAX, 0).unwrap(), 0);
        assert_eq!(line_net(1, i64::MAX, 0).unwrap(), i64::MAX);
        assert_eq!(line_net(-3, 1, 5_000).unwrap(), -2);
    }

    #[test]
    fn a_line_too_large_or_with_a_strange_discount_is_refused() {
        for (quantity, price, discount) in [
            (2, i64::MAX, 0),
            (i64::MAX, i64::MAX, 0),
            (i64::MIN, i64::MIN, 1),
            (1, 1, -1),
            (1, 1, 10_001),
        ] {
            let error = line_net(quantity, price, discount).unwrap_err();
            assert_eq!(error.code(), Code::BadUserInput);
        }
    }

    #[test]
    fn sums_check_only_the_result() {
        assert_eq!(sum([]).unwrap(), 0);
        assert_eq!(sum([i64::MAX, 1, -2]).unwrap(), i64::MAX - 1);
        assert!(sum([i64::MAX, 1]).is_err());
        assert_eq!(add(1, 2).unwrap(), 3);
        assert!(add(i64::MAX, 1).is_err());
        assert_eq!(subtract(1, 2).unwrap(), -1);
        assert!(subtract(i64::MIN, 1).is_err());
    }

    #[test]
    fn a_million_sums_of_lines_are_exact() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |end: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            i64::try_from(state % end).unwrap()
        };
        let (mut nets, mut expected) = (Vec::new(), 0_i128);
        for line in 1..=1_000_000 {
            let quantity = below(20_000) - 10_000;
            let price = below(2_000_000) - 1_000_000;
            let discount = below(10_001);
            nets.push(line_net(quantity, price, i32::try_from(discount).unwrap()).unwrap());
            // Ten-thousandths of a minor unit; the nearest whole one, halves away from zero.
            let exact = i128::from(quantity) * i128::from(price) * i128::from(10_000 - discount);
            expected += (exact.abs() + 5_000) / 10_000 * exact.signum();
            if line % 5 == 0 {
                let total = sum(nets.drain(..)).unwrap();
                assert_eq!(i128::from(total), std::mem::take(&mut expected));
            }
        }
    }

    proptest! {
        #[test]
        fn text_comes_back_as_it_went(amount: i64, currency in any_currency()) {
            let text = format_minor(amount, currency);
            prop_assert_eq!(parse_minor(&text, currency).unwrap(), amount);
        }

        #[test]
        fn text_means_what_a_decimal_library_reads(amount: i64, currency in any_currency()) {
            let text = format_minor(amount, currency);
            let expected = Decimal::from_i128_with_scale(i128::from(amount), currency.digits());
            prop_assert_eq!(text.parse::<Decimal>().unwrap(), expected);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,45}", currency in any_currency()) {
            let _ = parse_minor(&text, currency);
        }

        #[test]
        fn what_is_read_is_what_a_decimal_library_reads(
            text in "-?[0-9]{1,20}(\\.[0-9]{1,5})?",
            currency in any_currency(),
        ) {
            if let Ok(minor) = parse_minor(&text, currency) {
                let expected = text.parse::<Decimal>().unwrap();
                let read = Decimal::from_i128_with_scale(i128::from(minor), currency.digits());
                prop_assert_eq!(read, expected);
            }
        }

        #[test]
        fn lines_agree_with_a_decimal_library(
            quantity in -1_000_000_000_i64..1_000_000_000,
            price in -1_000_000_000_i64..1_000_000_000,
            discount in 0..=WHOLE_BP,
        ) {
            let exact = Decimal::from(quantity) * Decimal::from(price)
                * Decimal::new(i64::from(WHOLE_BP - discount), 4);
            prop_assert_eq!(line_net(quantity, price, discount).unwrap(), oracle(exact));
        }

        #[test]
        fn shares_agree_with_a_decimal_library(amount in -1_i64 << 50..1_i64 << 50, bp in -20_000..20_000) {
            let exact = Decimal::from(amount) * Decimal::new(i64::from(bp), 4);
            prop_assert_eq!(share_bp(amount, bp).unwrap(), oracle(exact));
        }

        #[test]
        fn rounding_is_nearest_and_odd(numerator: i64, denominator in 1..i64::MAX) {
            let (n, d) = (i128::from(numerator), i128::from(denominator));
            let rounded = i128::from(round_half_away(n, d).unwrap());
            prop_assert!((2 * (rounded * d - n)).abs() <= d);
            prop_assert_eq!(i128::from(round_half_away(-n, d).unwrap()), -rounded);
        }

        #[test]
        fn nothing_overflows(quantity: i64, price: i64, discount: i32, bp: i32) {
            let _ = line_net(quantity, price, discount);
            let _ = share_bp(quantity, bp);
        }
    }
}
