//! Chance that repeats itself, and words to make names of.

use uuid::Uuid;

/// A generator of numbers that are the same for the same seed (SplitMix64, <https://prng.di.unimi.it/splitmix64.c>).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `bound`, which is 1 or more.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as usize) as i64
    }

    pub(crate) fn pick(&mut self, words: &[&'static str]) -> &'static str {
        words.get(self.below(words.len())).copied().unwrap_or("")
    }

    /// A UUID of version 7 made at `millis`.
    pub(crate) fn id(&mut self, millis: u64) -> Uuid {
        let mut bytes = [0; 10];
        for (byte, chance) in bytes
            .iter_mut()
            .zip(self.next().to_be_bytes().into_iter().chain([0; 2]))
        {
            *byte = chance;
        }
        let more = self.next().to_be_bytes();
        bytes[8] = more[0];
        bytes[9] = more[1];
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }
}

const PLACES: &[&str] = &[
    "Northfield",
    "Ashgrove",
    "Kestrel",
    "Harbour",
    "Linden",
    "Marlow",
    "Redwood",
    "Silverlake",
    "Thornbury",
    "Westmere",
    "Alder",
    "Beacon",
    "Cedar",
    "Dunmore",
    "Elmstead",
    "Falcon",
    "Granite",
    "Highgate",
    "Ivory",
    "Juniper",
    "Kingsway",
    "Larkspur",
    "Meridian",
    "Newbridge",
    "Oakham",
    "Pinecrest",
    "Quarry",
    "Riverside",
    "Stonegate",
    "Tamarind",
    "Upland",
    "Valley",
    "Willow",
    "Yarrow",
    "Zenith",
    "Copper",
    "Bluebell",
    "Anchor",
];
/// What firms do: each is in one of eight names, so that a search for one finds an eighth of a book.
pub(crate) const TRADES: &[&str] = &[
    "Pharmacy", "Hardware", "Dental", "Bakery", "Motors", "Optics", "Textiles", "Foods",
];
const FORMS: &[&str] = &[
    "Ltd", "GmbH", "SARL", "Inc", "BV", "AB", "Partners", "Group",
];
const CHINESE_PLACES: &[&str] = &["杭州", "上海", "苏州", "成都", "南京", "宁波"];
const CHINESE_WORDS: &[&str] = &[
    "同仁", "华丰", "长青", "瑞安", "新源", "博大", "永兴", "天成",
];
const GIVEN: &[&str] = &[
    "Anna", "Ben", "Clara", "David", "Elena", "Frank", "Grace", "Hugo", "Iris", "Jonas", "Karla",
    "Leon", "Mia", "Noah", "Olga", "Paul", "Rosa", "Simon", "Tara", "Viktor", "Wanda", "Yusuf",
];
const FAMILY: &[&str] = &[
    "Abel", "Berger", "Costa", "Dahl", "Eriksen", "Fischer", "Garcia", "Hansen", "Ivanov",
    "Jansen", "Keller", "Lopez", "Meyer", "Novak", "Olsen", "Peters", "Quinn", "Rossi", "Schmidt",
    "Tanaka", "Ueda", "Vogel", "Weber", "Young", "Zimmer",
];
pub(crate) const TITLES: &[&str] = &[
    "Buyer",
    "Owner",
    "Head of purchasing",
    "Manager",
    "Storekeeper",
];
const GOODS: &[&str] = &[
    "Gauze",
    "Bracket",
    "Syringe",
    "Flour",
    "Brake pad",
    "Lens",
    "Cotton",
    "Olive oil",
    "Bandage",
    "Hinge",
    "Filter",
    "Sieve",
    "Belt",
    "Frame",
    "Thread",
    "Vinegar",
];
const QUALITIES: &[&str] = &[
    "fine", "strong", "plain", "light", "heavy", "soft", "clear", "large",
];

/// A firm; one in ten is Chinese.
pub(crate) fn firm(chance: &mut Chance, number: usize) -> String {
    let trade = chance.pick(TRADES);
    if chance.below(10) == 0 {
        let place = chance.pick(CHINESE_PLACES);
        let word = chance.pick(CHINESE_WORDS);
        return format!("{place}{word} {trade} {number}");
    }
    let place = chance.pick(PLACES);
    let form = chance.pick(FORMS);
    format!("{place} {trade} {form} {number}")
}

pub(crate) fn person(chance: &mut Chance) -> String {
    let given = chance.pick(GIVEN);
    let family = chance.pick(FAMILY);
    format!("{given} {family}")
}

pub(crate) fn goods(chance: &mut Chance, number: usize) -> String {
    let what = chance.pick(GOODS);
    let quality = chance.pick(QUALITIES);
    format!("{what}, {quality}, no. {number}")
}
