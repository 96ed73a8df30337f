//! Which language a caller reads, from `Accept-Language` (RFC 9110, section 12.5.4).

use super::Locale;

/// The most entries of a header that are looked at.
const MAX_ENTRIES: usize = 32;

/// The language that `header` prefers among ours; English when it asks for others only. `None` when it asks for no
/// language in particular.
///
/// Any English is English; `zh`, `zh-CN`, `zh-SG`, `zh-Hans` and what begins like them are Simplified Chinese, and so
/// is, for want of better, any other Chinese. Between equal weights what stands first wins.
pub fn preferred(header: &str) -> Option<Locale> {
    let mut best: Option<(u16, Option<Locale>)> = None;
    let mut asks_for_others = false;
    for entry in header.split(',').take(MAX_ENTRIES) {
        let mut parts = entry.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let weight = match parts.find_map(|part| part.strip_prefix(['q', 'Q'])) {
            Some(weight) => weight.trim_start().strip_prefix('=').and_then(thousandths),
            None => Some(1_000),
        };
        let Some(weight) = weight else {
            continue;
        };
        let locale = match locale(range) {
            Some(locale) => Some(locale),
            None if range == "*" => None,
            None => {
                asks_for_others |= !range.is_empty();
                continue;
            }
        };
        if weight == 0 {
            asks_for_others = true;
            continue;
        }
        if best.is_none_or(|(best, _)| weight > best) {
            best = Some((weight, locale));
        }
    }
    match best {
        Some((_, locale)) => locale,
        None => asks_for_others.then_some(Locale::En),
    }
}

fn locale(range: &str) -> Option<Locale> {
    let language = range.split('-').next().unwrap_or_default();
    if language.eq_ignore_ascii_case("en") {
        Some(Locale::En)
    } else if language.eq_ignore_ascii_case("zh") {
        Some(Locale::ZhCn)
    } else {
        None
    }
}

/// A weight such as `0.8`, in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let text = text.trim();
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_number = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || !matches!(whole, "0" | "1") {
        return None;
    }
    let decimals: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "1" => (decimals == 0).then_some(1_000),
        _ => Some(decimals),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_with_the_greatest_weight_is_taken() {
        for (header, expected) in [
            ("zh", Some(Locale::ZhCn)),
            ("zh-CN", Some(Locale::ZhCn)),
            ("ZH-hans-cn", Some(Locale::ZhCn)),
            ("en", Some(Locale::En)),
            ("en-GB,en;q=0.9", Some(Locale::En)),
            ("zh-CN,zh;q=0.9,en;q=0.8", Some(Locale::ZhCn)),
            ("en;q=0.8, zh;q=0.9", Some(Locale::ZhCn)),
            ("en;q=0.9, zh;q=0.9", Some(Locale::En)),
            ("de, fr;q=0.9, zh-Hans;q=0.1", Some(Locale::ZhCn)),
            ("zh;q=0, en", Some(Locale::En)),
            ("zh;q=0", Some(Locale::En)),
            ("de", Some(Locale::En)),
            ("*", None),
            ("zh;q=0.5, *;q=0.1", Some(Locale::ZhCn)),
            ("", None),
            ("zh;q=x", None),
            ("zh;q=1.5", None),
            ("zh; q = 0.3, en;q=0.2", Some(Locale::ZhCn)),
            ("zhuang", Some(Locale::En)),
            ("de, *;q=0.1", None),
        ] {
            assert_eq!(preferred(header), expected, "{header}");
        }
    }
}
