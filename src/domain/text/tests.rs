//! What a person types finds what another person wrote.

use proptest::prelude::*;

use super::*;

/// Whether a substring match of every needle finds the text.
fn finds(query: &str, parts: &[&str]) -> bool {
    let text = search_text(parts);
    search_needles(query)
        .unwrap()
        .iter()
        .all(|needle| text.contains(needle.as_str()))
}

#[test]
fn a_chinese_name_is_found_by_characters_pinyin_and_initials() {
    let name = ["北京同仁医院"];
    for query in [
        "医院",
        "同",
        "仁医",
        "同仁医院",
        "tongren",
        "TongRen",
        "tong ren",
        "tryy",
        "bjtr",
        "bjtryy",
        "beijing",
        "yiyuan",
        "北京 tryy",
        "ＴＲＹＹ",
    ] {
        assert!(finds(query, &name), "{query}");
    }
    for query in ["trys", "人医", "shanghai", "医院 上海"] {
        assert!(!finds(query, &name), "{query}");
    }
    assert!(finds("trys", &["同仁医生"]));
}

#[test]
fn a_mixed_name_is_found_across_its_scripts() {
    let name = ["3M 中国 有限公司"];
    for query in [
        "3m",
        "3m中国",
        "中国",
        "zgyxgs",
        "3mzg",
        "3mzhongguo",
        "3M 有限",
    ] {
        let found = finds(query, &name);
        assert_eq!(found, query != "3m中国", "{query}");
    }
}

#[test]
fn words_with_a_reading_of_their_own_are_read_so() {
    for (name, pinyin, initials) in [
        ("中国工商银行", "zhongguogongshangyinhang", "zggsyh"),
        ("重庆火锅", "chongqinghuoguo", "cqhg"),
        ("成都分行", "chengdufenhang", "cdfh"),
        ("厦门航空", "xiamenhangkong", "xmhk"),
        ("长沙音乐学院", "changshayinyuexueyuan", "csyyxy"),
    ] {
        assert!(finds(pinyin, &[name]), "{pinyin}: {}", search_text(&[name]));
        assert!(finds(initials, &[name]), "{initials}");
    }
}

#[test]
fn a_surname_is_found_by_both_readings_and_sorts_by_its_own() {
    assert!(finds("shanlei", &["单磊"]));
    assert!(finds("danlei", &["单磊"]));
    assert!(finds("zengguofan", &["曾国藩"]));
    assert_eq!(name_sort("单磊"), "shan lei");
    assert_eq!(name_sort("单身公寓"), "dan shen gong yu");
    assert_eq!(name_sort("乐器店"), "yue qi dian");
    assert_eq!(name_sort("长江"), "chang jiang");
}

#[test]
fn an_umlaut_syllable_is_found_by_u_and_v() {
    assert!(
        finds("lvyou", &["绿友农机"]),
        "{}",
        search_text(&["绿友农机"])
    );
    assert!(finds("luyou", &["绿友农机"]));
    assert_eq!(name_sort("吕布"), "lu bu");
}

#[test]
fn accents_and_case_do_not_matter_on_either_side() {
    for name in [
        "Café Éclair",
        "cafe eclair",
        "CAFÉ ÉCLAIR",
        "Cafe\u{301} E\u{301}clair",
    ] {
        for query in ["éclair", "eclair", "ÉCLAIR", "café eclair", "E\u{301}clair"] {
            assert!(finds(query, &[name]), "{query} in {name}");
        }
    }
    for (query, name) in [
        ("strasse", "Hauptstraße 5"),
        ("malmo", "Malmö"),
        ("smorrebrod", "Smørrebrød"),
        ("lodz", "Łódź"),
        ("istanbul", "İSTANBUL"),
        ("елка", "Ёлка"),
        ("duong", "Đường"),
        ("οδος", "ΟΔΌΣ"),
    ] {
        assert!(finds(query, &[name]), "{query} in {name}");
    }
}

#[test]
fn marks_that_make_another_letter_stay() {
    assert!(!finds("か", &["が"]));
    assert!(finds("が", &["が"]));
    assert!(finds("한국", &["한국전력"]));
}

#[test]
fn all_words_have_to_match_in_any_order_and_part() {
    let parts = ["Bottom-Dollar Markets", "Elizabeth Lincoln", "BOTTM"];
    for query in [
        "bottom dollar",
        "dollar bottom",
        "bottom lincoln",
        "BOTTM",
        "bottm eliz",
        "O'Bottom",
    ] {
        assert_eq!(finds(query, &parts), query != "O'Bottom", "{query}");
    }
    assert!(!finds("bottom paris", &parts));
}

#[test]
fn apostrophes_do_not_matter() {
    for (query, name) in [
        ("obrien", "O’Brien"),
        ("o'brien", "OBrien"),
        ("xi'an", "西安"),
        ("B's", "B's Beverages"),
    ] {
        assert!(finds(query, &[name]), "{query}");
    }
}

#[test]
fn a_phone_fragment_is_found_however_it_is_typed() {
    let parts = ["Bottom-Dollar", "(604) 555-4729"];
    for query in [
        "555-47",
        "555 47",
        "5554729",
        "604555",
        "(604) 555",
        "604-555-4729",
        "6045554729",
        "4729",
        "555－4729",
    ] {
        assert!(finds(query, &parts), "{query}");
    }
    assert!(!finds("555-48", &parts));
    assert!(finds("13800138000", &["138 0013 8000"]));
    assert!(finds("0013-8000", &["13800138000"]));
    assert!(finds("1234", &["+1 604 555 4729 ext 1234"]));
}

#[test]
fn external_ids_and_numbers_with_dashes_are_found() {
    for (query, id) in [
        ("BOTTM", "BOTTM"),
        ("a12-345", "A12-345"),
        ("12-345", "A12-345"),
        ("12345", "A12-345"),
        ("ord-2026", "ORD-2026-0001"),
        ("2026-0001", "ORD-2026-0001"),
        ("1.5", "1.5 kg"),
        ("100%", "100% Juice"),
        ("a_b", "a_b"),
    ] {
        assert!(
            finds(query, &[id]),
            "{query} in {id}: {}",
            search_text(&[id])
        );
    }
}

#[test]
fn a_match_never_reaches_across_parts() {
    let text = search_text(&["ab", "cd", "12", "34", "同仁", "医院"]);
    for query in [
        "abcd",
        "bc",
        "1234",
        "23",
        "仁医",
        "tongrenyiyuan",
        "nyi",
        "tryy",
        "ry",
    ] {
        for needle in search_needles(query).unwrap() {
            assert!(!text.contains(&needle), "{query} in {text}");
        }
    }
}

#[test]
fn a_search_too_short_or_too_long_is_refused() {
    for bad in [
        "",
        " ",
        "a",
        "7",
        "-",
        "--",
        "a b",
        "é",
        "%",
        "__",
        "()",
        "\u{200b}a",
    ] {
        assert_eq!(
            search_needles(bad).unwrap_err().code(),
            Code::BadUserInput,
            "{bad}"
        );
    }
    for good in ["同", "ab", "47", "a bc", "カ", "국"] {
        assert!(search_needles(good).is_ok(), "{good}");
    }
    assert!(search_needles(&"a".repeat(100)).is_ok());
    assert!(search_needles(&"a".repeat(101)).is_err());
    assert!(search_needles("aa bb cc dd ee ff gg hh").is_ok());
    assert!(search_needles("aa bb cc dd ee ff gg hh ii").is_err());
}

#[test]
fn needles_are_folded_words() {
    assert_eq!(
        search_needles(" Bottom  DOLLAR bottom ").unwrap(),
        ["bottom", "dollar"]
    );
    assert_eq!(search_needles("(604) 555-47").unwrap(), ["60455547"]);
    assert_eq!(
        search_needles("bottom 555-47").unwrap(),
        ["bottom", "55547"]
    );
    assert_eq!(search_needles("a & bc").unwrap(), ["a", "bc"]);
}

#[test]
fn a_pattern_takes_wild_cards_as_letters() {
    assert_eq!(like_pattern("a"), "%a%");
    assert_eq!(like_pattern(r"50%_\x"), r"%50\%\_\\x%");
}

#[test]
fn a_sort_key_orders_scripts_together() {
    for (name, key) in [
        ("  Bottom-Dollar \t Markets ", "bottom-dollar markets"),
        ("Éclair", "eclair"),
        ("同仁医院", "tong ren yi yuan"),
        ("3M中国", "3m zhong guo"),
        ("ＡＢＣ", "abc"),
        ("重庆银行", "chong qing yin hang"),
        ("", ""),
    ] {
        assert_eq!(name_sort(name), key, "{name}");
    }
    // By syllable, not by letter: Xi'an before Xian.
    assert!(name_sort("西安") < name_sort("先"));
}

#[test]
fn a_sort_key_is_bounded() {
    assert_eq!(name_sort(&"a".repeat(500)).chars().count(), 200);
    assert!(name_sort(&"装".repeat(200)).chars().count() <= 200);
    assert!(!name_sort(&format!("{} b", "a".repeat(199))).ends_with(' '));
}

#[test]
fn text_is_trimmed_composed_and_bounded() {
    assert_eq!(text("name", "  Cafe\u{301} ", 4).unwrap(), "Café");
    assert_eq!(text("name", &"医".repeat(5), 5).unwrap().chars().count(), 5);
    for (bad, message) in [
        ("", "must not be empty"),
        (" \u{3000}\t", "must not be empty"),
        ("\u{200b}\u{feff}", "must not be empty"),
        ("a\u{0}b", "must not hold control characters"),
        ("a\nb", "must not hold control characters"),
        ("a\u{85}b", "must not hold control characters"),
        ("abcdef", "has at most 5 characters"),
    ] {
        let error = text("input.name", bad, 5).unwrap_err();
        assert_eq!(error.code(), Code::BadUserInput);
        assert_eq!(error.fields(), ["input.name"]);
        assert_eq!(error.message(), message, "{bad:?}");
    }
}

#[test]
fn long_text_keeps_lines_and_refuses_other_controls() {
    assert_eq!(
        long_text("body", "a\r\nb\rc\td\n", 20).unwrap(),
        "a\nb\nc\td"
    );
    assert!(long_text("body", "a\u{1b}[0m", 20).is_err());
    assert!(long_text("body", "\n\n", 20).is_err());
}

#[test]
fn optional_text_is_absent_when_blank() {
    assert_eq!(optional_text("note", None, 5).unwrap(), None);
    assert_eq!(optional_text("note", Some("  "), 5).unwrap(), None);
    assert_eq!(
        optional_text("note", Some(" a "), 5).unwrap().as_deref(),
        Some("a")
    );
    assert_eq!(
        optional_text("note", Some("abcdef"), 5)
            .unwrap_err()
            .fields(),
        ["note"]
    );
    assert_eq!(optional_long_text("note", Some("\n"), 5).unwrap(), None);
    assert_eq!(
        optional_long_text("note", Some("a\nb"), 5)
            .unwrap()
            .as_deref(),
        Some("a\nb")
    );
}

#[test]
fn an_email_is_checked_and_lower_cased() {
    for (good, kept) in [
        (" Mei.Chen@Example.COM ", "mei.chen@example.com"),
        ("a@b.co", "a@b.co"),
        (
            "first+tag_1@mail.sub-domain.cn",
            "first+tag_1@mail.sub-domain.cn",
        ),
        (
            "o'neil@xn--fiqs8s.xn--55qx5d",
            "o'neil@xn--fiqs8s.xn--55qx5d",
        ),
    ] {
        assert_eq!(Email::parse("email", good).unwrap().as_str(), kept);
    }
    let long_local = format!("{}@example.com", "a".repeat(65));
    let long_label = format!("a@{}.com", "b".repeat(64));
    let long = format!("a@{}com", "bbbb.".repeat(60));
    for bad in [
        "",
        "@",
        "a",
        "a@",
        "@b.co",
        "a@b",
        "a@@b.co",
        "a@b@c.co",
        "a b@c.co",
        "a@b c.co",
        ".a@b.co",
        "a.@b.co",
        "a..b@c.co",
        "a@.co",
        "a@b.",
        "a@b..co",
        "a@-b.co",
        "a@b-.co",
        "a@1.2.3.4",
        "a@b.c",
        "é@b.co",
        "a@é.co",
        "a@b.co\n<x@y.zz>",
        "<a@b.co>",
        "\"a\"@b.co",
        "a,b@c.co",
        &long_local,
        &long_label,
        &long,
    ] {
        let error = Email::parse("input.email", bad).unwrap_err();
        assert_eq!(error.fields(), ["input.email"], "{bad}");
    }
}

#[test]
fn a_phone_number_is_checked_and_kept_as_written() {
    for (good, kept) in [
        (" (604) 555-4729 ", "(604) 555-4729"),
        ("110", "110"),
        ("+86 10 6512.3456", "+86 10 6512.3456"),
        ("030/123456", "030/123456"),
        ("010-65123456转8012", "010-65123456转8012"),
        ("010-65123456 分机 8012", "010-65123456 分机 8012"),
        ("604 555 4729 ext. 12", "604 555 4729 ext. 12"),
        ("604 555 4729 EXT 12", "604 555 4729 EXT 12"),
        ("6045554729x12", "6045554729x12"),
        ("（０１０）６５１２３４５６", "(010)65123456"),
        ("12345678901234567890", "12345678901234567890"),
    ] {
        assert_eq!(phone("phone", good).unwrap(), kept);
    }
    for bad in [
        "",
        "12",
        "123456789012345678901",
        "abc",
        "12a45",
        "ext 123",
        "123 ext",
        "123 x x 4",
        "123转",
        "1-2",
        "123;456",
        "123\n456",
        "call me 123",
        "()---",
        "1                                           23",
    ] {
        let error = phone("input.phone", bad).unwrap_err();
        assert_eq!(error.fields(), ["input.phone"], "{bad}");
    }
}

#[test]
fn a_time_zone_is_one_of_the_iana_database() {
    assert_eq!(
        time_zone("timeZone", "Asia/Shanghai").unwrap(),
        chrono_tz::Asia::Shanghai
    );
    for bad in ["", "CST+8", "Mars/Olympus", "+08:00"] {
        assert_eq!(
            time_zone("timeZone", bad).unwrap_err().fields(),
            ["timeZone"]
        );
    }
}

#[test]
fn a_tag_has_one_spelling() {
    assert_eq!(tag("tag", "  Key  ＡＣＣＯＵＮＴ ").unwrap(), "key account");
    assert_eq!(tag("tag", "医院").unwrap(), "医院");
    assert_eq!(tag("tag", &"a".repeat(40)).unwrap().len(), 40);
    for bad in ["", " ", "a\u{7}b", &"a".repeat(41)] {
        assert_eq!(tag("tags.0", bad).unwrap_err().fields(), ["tags.0"]);
    }
}

proptest! {
    #[test]
    fn every_word_of_a_part_finds_it(part in "\\PC{0,30}") {
        for word in part.split_whitespace() {
            if let Ok(needles) = search_needles(word) {
                let text = search_text(&[&part]);
                for needle in needles {
                    prop_assert!(text.contains(&needle), "{:?} of {:?} in {:?}", needle, part, text);
                }
            }
        }
    }

    #[test]
    fn no_needle_holds_what_parts_are_separated_by(query in any::<String>()) {
        if let Ok(needles) = search_needles(&query) {
            for needle in needles {
                prop_assert!(!needle.contains(char::is_whitespace));
                prop_assert!(!needle.contains(char::is_control));
            }
        }
    }

    #[test]
    fn folding_twice_changes_nothing(text in any::<String>()) {
        let once = fold(&text);
        prop_assert_eq!(fold(&once), once);
    }

    #[test]
    fn sort_keys_are_bounded_and_collapsed(name in any::<String>()) {
        let key = name_sort(&name);
        prop_assert!(key.chars().count() <= 200);
        prop_assert_eq!(collapse(&key), key);
    }

    #[test]
    fn emails_read_again_are_the_same(text in "[a-zA-Z0-9.+@-]{1,30}") {
        if let Ok(email) = Email::parse("email", &text) {
            let again = Email::parse("email", email.as_str()).unwrap();
            prop_assert_eq!(again, email);
        }
    }
}
