//! Words to make names of. All people and firms are made up.

/// A city with its province and where it lies, in 10^-7 degrees.
#[derive(Clone, Copy)]
pub(super) struct City {
    pub name: &'static str,
    pub region: &'static str,
    pub country: &'static str,
    pub postal_code: &'static str,
    pub latitude_e7: i32,
    pub longitude_e7: i32,
    pub is_chinese: bool,
}

const fn china(
    name: &'static str,
    region: &'static str,
    postal_code: &'static str,
    latitude_e7: i32,
    longitude_e7: i32,
) -> City {
    City {
        name,
        region,
        country: "中国",
        postal_code,
        latitude_e7,
        longitude_e7,
        is_chinese: true,
    }
}

const fn abroad(
    name: &'static str,
    region: &'static str,
    country: &'static str,
    postal_code: &'static str,
    latitude_e7: i32,
    longitude_e7: i32,
) -> City {
    City {
        name,
        region,
        country,
        postal_code,
        latitude_e7,
        longitude_e7,
        is_chinese: false,
    }
}

pub(super) const HOME: City = china("杭州", "浙江", "310000", 302_741_000, 1_201_551_000);

pub(super) const CHINESE_CITIES: &[City] = &[
    HOME,
    china("上海", "上海", "200000", 312_304_000, 1_214_737_000),
    china("南京", "江苏", "210000", 320_603_000, 1_187_969_000),
    china("苏州", "江苏", "215000", 312_990_000, 1_205_853_000),
    china("宁波", "浙江", "315000", 298_683_000, 1_215_440_000),
    china("成都", "四川", "610000", 305_728_000, 1_040_668_000),
    china("重庆", "重庆", "400000", 295_630_000, 1_065_516_000),
    china("广州", "广东", "510000", 231_291_000, 1_132_644_000),
    china("深圳", "广东", "518000", 225_431_000, 1_140_579_000),
    china("厦门", "福建", "361000", 244_798_000, 1_180_894_000),
    china("长沙", "湖南", "410000", 282_282_000, 1_129_388_000),
    china("北京", "北京", "100000", 399_042_000, 1_164_074_000),
];

pub(super) const OTHER_CITIES: &[City] = &[
    abroad(
        "Vancouver",
        "BC",
        "Canada",
        "V6B 1A1",
        492_827_000,
        -1_231_207_000,
    ),
    abroad(
        "Toronto",
        "ON",
        "Canada",
        "M5H 2N2",
        436_532_000,
        -793_832_000,
    ),
    abroad(
        "Seattle",
        "WA",
        "United States",
        "98101",
        476_062_000,
        -1_223_321_000,
    ),
    abroad(
        "Lisboa",
        "Lisboa",
        "Portugal",
        "1100-148",
        387_223_000,
        -91_393_000,
    ),
    abroad(
        "München",
        "Bayern",
        "Germany",
        "80331",
        481_351_000,
        115_820_000,
    ),
    abroad(
        "Lyon",
        "Auvergne-Rhône-Alpes",
        "France",
        "69002",
        457_640_000,
        48_357_000,
    ),
    abroad(
        "Malmö",
        "Skåne",
        "Sweden",
        "211 20",
        556_050_000,
        130_038_000,
    ),
    abroad(
        "Singapore",
        "Singapore",
        "Singapore",
        "048616",
        13_521_000,
        1_038_198_000,
    ),
];

pub(super) const CHINESE_STREETS: &[&str] = &[
    "中山路",
    "人民路",
    "解放路",
    "建国路",
    "文化路",
    "湖滨路",
    "学院路",
    "新华街",
    "和平大道",
    "滨江路",
];

pub(super) const OTHER_STREETS: &[&str] = &[
    "Harbour Street",
    "Mill Lane",
    "Station Road",
    "Church Street",
    "Park Avenue",
    "Garden Row",
    "Bridge Street",
    "Market Square",
];

pub(super) const CHINESE_FIRMS: &[&str] = &[
    "云栖", "清和", "听雨", "望江", "松风", "竹里", "半亩", "青禾", "悦来", "福满", "金穗", "白鹭",
    "兰亭", "墨香", "山月", "南溪", "锦绣", "春晖", "天一", "如意", "知味", "鼎盛", "瑞祥", "华庭",
];

pub(super) const CHINESE_TRADES: &[(&str, &str)] = &[
    ("茶馆", "Tea house"),
    ("酒店管理有限公司", "Hotel"),
    ("餐饮有限公司", "Restaurant"),
    ("咖啡馆", "Café"),
    ("商贸有限公司", "Wholesale"),
    ("超市", "Retail"),
    ("文化传播有限公司", "Events"),
    ("食品有限公司", "Food production"),
];

pub(super) const OTHER_FIRMS: &[&str] = &[
    "Blue Heron",
    "Northgate",
    "Kestrel",
    "Lindqvist",
    "Almeida",
    "Brücke",
    "Maple Leaf",
    "Oakhurst",
    "Saint-Aubin",
    "Rosewater",
    "Tidewater",
    "Copperfield",
    "Silva & Filhos",
    "Hafen",
    "Petit Pont",
    "Evergreen",
    "Harbourside",
    "Fjord",
];

pub(super) const OTHER_TRADES: &[(&str, &str)] = &[
    ("Tea Rooms", "Tea house"),
    ("Hotel", "Hotel"),
    ("Bistro", "Restaurant"),
    ("Coffee Roasters", "Café"),
    ("Trading Ltd", "Wholesale"),
    ("Grocers", "Retail"),
    ("Events", "Events"),
    ("Foods", "Food production"),
];

pub(super) const SURNAMES: &[&str] = &[
    "王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "胡", "朱", "高", "林",
    "何", "郭", "马", "罗", "曾", "单",
];

pub(super) const CHINESE_GIVEN: &[&str] = &[
    "伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "洋", "艳", "勇", "军", "杰", "娟", "涛", "明",
    "超", "秀英", "晓东", "雨桐", "子涵", "思远", "婷婷", "建国", "海燕", "志强",
];

pub(super) const OTHER_GIVEN: &[&str] = &[
    "Ana", "Tomás", "Ingrid", "Émile", "Sofia", "Lukas", "Hannah", "Mateo", "Chloé", "Noah",
    "Olivia", "Björn", "Grace", "Priya", "Daniel", "Margaret",
];

pub(super) const OTHER_SURNAMES: &[&str] = &[
    "Silva",
    "Müller",
    "Lindström",
    "Dubois",
    "Okafor",
    "Martin",
    "Rossi",
    "Keller",
    "Nguyen",
    "Campbell",
    "Moreau",
    "Jensen",
    "O'Neill",
    "Fernandes",
    "Walker",
];

pub(super) const CHINESE_TITLES: &[&str] =
    &["采购经理", "店长", "总经理", "财务", "行政主管", "厨师长"];

pub(super) const OTHER_TITLES: &[&str] = &[
    "Purchasing manager",
    "Owner",
    "General manager",
    "Head chef",
    "Accountant",
    "Office manager",
];

pub(super) const TAGS: &[&str] = &[
    "vip",
    "price-sensitive",
    "new-shop",
    "green-tea",
    "seasonal",
    "key-account",
    "春节礼品",
    "慢付款",
    "trade-fair",
];

pub(super) const NOTES: &[&str] = &[
    "Prefers deliveries before ten in the morning.",
    "Asked for samples of the spring harvest; send three.",
    "老板喜欢龙井，送样时请带新茶。",
    "Pays on time, but wants the invoice by mail and on paper.",
    "Opening a second shop next spring; follow up in January.",
    "上次到货有两箱破损，已经补发。",
    "Compares us with a cheaper importer. Quality decided so far.",
    "下个月要办活动，需要礼盒装二百份。",
    "The new purchasing manager wants a price list for the whole year.",
    "仓库在地下一层，送货要提前打电话。",
];

/// Category, then products: article number, name, unit, price in whole yuan.
pub(super) type Shelf = (
    &'static str,
    &'static [(&'static str, &'static str, &'static str, i64)],
);

pub(super) const SHELVES: &[Shelf] = &[
    (
        "Green tea",
        &[
            ("GT-101", "West Lake Longjing 西湖龙井", "tin 250 g", 268),
            ("GT-102", "Biluochun 碧螺春", "tin 250 g", 238),
            ("GT-103", "Huangshan Maofeng 黄山毛峰", "tin 250 g", 186),
            ("GT-104", "Anji Bai Cha 安吉白茶", "tin 200 g", 298),
            ("GT-105", "Sencha", "bag 500 g", 145),
            ("GT-106", "Jasmine pearls 茉莉龙珠", "tin 250 g", 158),
            ("GT-107", "House green 日常绿茶", "bag 1 kg", 96),
            ("GT-108", "Gift box of four greens 绿茶礼盒", "box", 520),
        ],
    ),
    (
        "Black tea",
        &[
            ("BT-201", "Keemun 祁门红茶", "tin 250 g", 198),
            ("BT-202", "Dianhong 滇红", "tin 250 g", 168),
            ("BT-203", "Lapsang Souchong 正山小种", "tin 250 g", 212),
            ("BT-204", "Breakfast blend", "bag 1 kg", 118),
            ("BT-205", "Earl Grey", "bag 1 kg", 126),
            ("BT-206", "Darjeeling second flush", "tin 200 g", 246),
            ("BT-207", "Lychee black 荔枝红茶", "tin 250 g", 138),
        ],
    ),
    (
        "Oolong and pu'er",
        &[
            ("OP-301", "Tieguanyin 铁观音", "tin 250 g", 224),
            ("OP-302", "Da Hong Pao 大红袍", "tin 200 g", 388),
            ("OP-303", "Dong Ding", "tin 250 g", 256),
            ("OP-304", "Pu'er cake, ripe 熟普洱饼", "cake 357 g", 168),
            ("OP-305", "Pu'er cake, raw 生普洱饼", "cake 357 g", 208),
            ("OP-306", "Phoenix Dancong 凤凰单丛", "tin 200 g", 318),
            ("OP-307", "Milk oolong 奶香乌龙", "bag 500 g", 176),
        ],
    ),
    (
        "Coffee",
        &[
            ("CF-401", "Yunnan arabica 云南小粒", "bag 1 kg", 148),
            ("CF-402", "House espresso", "bag 1 kg", 132),
            ("CF-403", "Ethiopia Guji", "bag 1 kg", 226),
            ("CF-404", "Colombia Huila", "bag 1 kg", 198),
            ("CF-405", "Decaf blend", "bag 1 kg", 172),
            ("CF-406", "Cold brew packs", "box of 20", 88),
            ("CF-407", "Drip bags 挂耳咖啡", "box of 30", 76),
        ],
    ),
    (
        "Tableware",
        &[
            ("TW-501", "Celadon cup 青瓷杯", "box of 6", 168),
            ("TW-502", "Gaiwan 盖碗", "piece", 68),
            ("TW-503", "Yixing pot 紫砂壶", "piece", 458),
            ("TW-504", "Glass teapot 玻璃壶", "piece", 89),
            ("TW-505", "Espresso cups", "box of 12", 210),
            ("TW-506", "Bamboo tray 竹茶盘", "piece", 136),
            ("TW-507", "Stoneware mugs", "box of 8", 232),
            ("TW-508", "Fairness pitcher 公道杯", "piece", 54),
        ],
    ),
    (
        "Equipment",
        &[
            ("EQ-601", "Water boiler 10 l", "piece", 1_280),
            ("EQ-602", "Coffee grinder", "piece", 2_480),
            ("EQ-603", "Variable kettle", "piece", 368),
            ("EQ-604", "Milk frother", "piece", 286),
            ("EQ-605", "Digital scale", "piece", 128),
            ("EQ-606", "Tea brewer, commercial", "piece", 4_680),
            ("EQ-607", "Filter set for boilers", "set", 218),
        ],
    ),
    (
        "Snacks",
        &[
            ("SN-701", "Osmanthus cake 桂花糕", "box of 24", 96),
            ("SN-702", "Almond biscuits", "box of 40", 112),
            ("SN-703", "Sesame brittle 芝麻糖", "bag 1 kg", 58),
            ("SN-704", "Dried mango", "bag 1 kg", 84),
            ("SN-705", "Mooncakes 月饼", "gift box", 188),
            ("SN-706", "Shortbread", "box of 60", 134),
            ("SN-707", "Roasted pumpkin seeds 南瓜子", "bag 1 kg", 46),
            ("SN-708", "Chocolate with tea", "box of 20", 146),
        ],
    ),
    (
        "Packaging",
        &[
            ("PK-801", "Paper cups 12 oz", "sleeve of 500", 98),
            ("PK-802", "Lids", "sleeve of 500", 62),
            ("PK-803", "Kraft bags", "pack of 250", 74),
            ("PK-804", "Gift ribbons", "roll", 18),
            ("PK-805", "Tea filter bags", "pack of 1000", 66),
            ("PK-806", "Tins, unprinted", "box of 48", 312),
            ("PK-807", "Napkins", "carton", 88),
            ("PK-808", "Wooden stirrers", "pack of 1000", 29),
        ],
    ),
];
