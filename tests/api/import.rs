//! Importing CSV files: what goes in, what is refused and why, and that the same files can be imported again.

use std::path::Path;

use clientele::db::Session;
use clientele::import::{self, Counts, FileKind, Options, Progress, Report};
use entity::{
    OrderStatus, address, client, client_stats, contact, order, order_line, product, stock_level,
    stock_movement, user, user_reach,
};
use rust_decimal::{Decimal, RoundingStrategy};
use sea_orm::ColumnTrait;
use serde_json::json;

use crate::support::App;

const REPS: &str = "external_id,name,email,title,role,manager_external_id,hired_on
E1,Nancy Davolio,nancy@northwind.example,Sales Representative,REP,E3,1992-05-01
E2,Andrew Fuller,andrew@northwind.example,\"Vice President, Sales\",MANAGER,,1992-08-14
E3,Steven Buchanan,steven@northwind.example,Sales Manager,MANAGER,E2,1993-10-17
E4,Root,root@northwind.example,,ADMIN,,
";
pub const PRODUCTS: &str =
    "external_id,name,category,unit,list_price,currency,stock_on_hand,reorder_level,discontinued
P1,Chai,Beverages,10 boxes x 30 bags,18.00,USD,39,10,true
P2,Chang,Beverages,24 - 12 oz bottles,19.00,USD,17,25,false
P3,Aniseed Syrup,Condiments,12 - 550 ml bottles,10.005000,USD,0,25,false
";
const CLIENTS: &str = "external_id,kind,name,owner_external_id,phone,fax,street,city,region,postal_code,country,currency,since
ALFKI,COMPANY,Alfreds Futterkiste,E1,030-0074321,030-0076545,Obere Str. 57,Berlin,,12209,Germany,USD,1997-08-25
BLONP,COMPANY,Blondesddsl père et fils,E1,88.60.15.31,,\"24, place Kléber\",Strasbourg,,67000,France,USD,
DAKEH,PERSON,大客户,E3,010-8888 6666,,,,,,,USD,1999/1/2
";
const CONTACTS: &str = "external_id,client_external_id,name,title,phone,is_primary
C1,ALFKI,Maria Anders,Sales Representative,030-0074321,true
C2,BLONP,Frédérique Citeaux,Marketing Manager,88.60.15.31,true
";
const ORDERS: &str = "external_id,client_external_id,placed_by_external_id,placed_on,required_on,shipped_on,freight,currency,ship_to_name,ship_to_street,ship_to_city,ship_to_region,ship_to_postal_code,ship_to_country
10248,ALFKI,E1,1996-07-04,1996-08-01,1996-07-16,32.38,USD,Alfreds,Obere Str. 57,Berlin,,12209,Germany
10249,BLONP,E3,1996-07-05,1996-08-16,,11.61,USD,Blondesddsl,\"24, place Kléber\",Strasbourg,,67000,France
";
const LINES: &str =
    "order_external_id,line_number,product_external_id,quantity,unit_price,discount_rate
10248,2,P2,10,9.80,0.00
10248,1,P1,12,14.00,0.05
10249,1,P1,9,18.65,0.15
";

/// A directory with files to import.
pub struct Files(tempfile::TempDir);

impl Files {
    fn none() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The six files above; P3 has a price that is right.
    pub fn all() -> Self {
        Self::none()
            .with("reps.csv", REPS)
            .with("products.csv", &PRODUCTS.replace("10.005000", "10.5000"))
            .with("clients.csv", CLIENTS)
            .with("contacts.csv", CONTACTS)
            .with("orders.csv", ORDERS)
            .with("order_lines.csv", LINES)
    }

    /// The same with this file, in the place of the one of that name.
    pub fn with(self, name: &str, content: &str) -> Self {
        self.with_bytes(name, content.as_bytes())
    }

    fn with_bytes(self, name: &str, content: &[u8]) -> Self {
        std::fs::write(self.0.path().join(name), content).unwrap();
        self
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: FileKind, _: usize) {}
    fn advance(&self, _: usize) {}
    fn end(&self, _: FileKind) {}
}

async fn import(app: &App, files: &Files) -> Report {
    let options = Options::default();
    import::run(&app.server().database, files.path(), options, &Quiet)
        .await
        .unwrap()
}

fn session(app: &App) -> Session {
    app.server().database.as_system("a test looks at rows")
}

/// Created, updated, unchanged, refused.
fn counts(report: &Report, file: FileKind) -> (usize, usize, usize, usize) {
    let Counts {
        created,
        updated,
        unchanged,
        refused,
    } = report.counts(file);
    (created, updated, unchanged, refused)
}

/// File, line, column and a part of the reason of every refusal must be these.
#[track_caller]
fn assert_refused(report: &Report, expected: &[(FileKind, u64, &str, &str)]) {
    let found: Vec<_> = report
        .refusals
        .iter()
        .map(|refusal| (refusal.file, refusal.line, refusal.column.as_str()))
        .collect();
    let wanted: Vec<_> = expected
        .iter()
        .map(|(file, line, column, _)| (*file, *line, *column))
        .collect();
    assert_eq!(found, wanted, "{:#?}", report.refusals);
    for (refusal, (.., reason)) in report.refusals.iter().zip(expected) {
        assert!(
            refusal.reason.contains(reason),
            "{:?} should say {reason:?}",
            refusal.reason
        );
    }
}

on_both!(a_team_and_its_book_go_in, async |app: App| {
    let report = import(&app, &Files::all()).await;
    assert!(report.is_complete(), "{:#?}", report.refusals);
    assert_eq!(counts(&report, FileKind::Reps), (4, 0, 0, 0));
    assert_eq!(counts(&report, FileKind::Products), (3, 0, 0, 0));
    assert_eq!(counts(&report, FileKind::Clients), (3, 0, 0, 0));
    assert_eq!(counts(&report, FileKind::Contacts), (2, 0, 0, 0));
    assert_eq!(counts(&report, FileKind::Orders), (2, 0, 0, 0));
    assert_eq!(counts(&report, FileKind::OrderLines), (3, 0, 0, 0));

    let session = session(&app);
    let by_id = |id: &'static str| {
        session
            .select::<order::Entity>()
            .filter(order::Column::ExternalId.eq(id))
    };
    let shipped = by_id("10248").get().await.unwrap();
    assert_eq!(shipped.status, OrderStatus::Shipped);
    // 12 * 14.00 * 0.95 + 10 * 9.80 and 32.38 freight.
    assert_eq!((shipped.lines_minor, shipped.total_minor), (25_760, 28_998));
    let open = by_id("10249").get().await.unwrap();
    assert_eq!(open.status, OrderStatus::Approved);
    // 9 * 18.65 * 0.85 = 142.6725
    assert_eq!(open.lines_minor, 14_267);
    let alfki = session
        .select::<client::Entity>()
        .filter(client::Column::ExternalId.eq("ALFKI"))
        .get()
        .await
        .unwrap();
    assert_eq!(alfki.id, shipped.client_id);
    let stats = session
        .select::<client_stats::Entity>()
        .filter(client_stats::Column::ClientId.eq(alfki.id))
        .get()
        .await
        .unwrap();
    assert_eq!(
        (stats.order_count, stats.lifetime_revenue_minor),
        (1, 25_760)
    );
});

on_both!(the_same_files_change_nothing, async |app: App| {
    let files = Files::all();
    import(&app, &files).await;
    let again = import(&app, &files).await;
    assert!(again.is_complete());
    for (file, rows) in [
        (FileKind::Reps, 4),
        (FileKind::Products, 3),
        (FileKind::Clients, 3),
        (FileKind::Contacts, 2),
        (FileKind::Orders, 2),
        (FileKind::OrderLines, 3),
    ] {
        assert_eq!(counts(&again, file), (0, 0, rows, 0), "{file:?}");
    }
    let session = session(&app);
    let clients = session.select::<client::Entity>().all().await.unwrap();
    assert!(clients.iter().all(|row| row.version == 1));
    let orders = session.select::<order::Entity>().all().await.unwrap();
    assert!(orders.iter().all(|row| row.version == 1));
    let lines = session.select::<order_line::Entity>();
    assert_eq!(lines.count(100).await.unwrap(), 3);
    let movements = session.select::<stock_movement::Entity>();
    assert_eq!(movements.count(100).await.unwrap(), 2);
});

on_both!(
    a_rep_and_managers_see_what_was_imported,
    async |app: App| {
        import(&app, &Files::all()).await;
        let session = session(&app);
        let users = session.select::<user::Entity>().all().await.unwrap();
        assert_eq!(
            session
                .select::<user_reach::Entity>()
                .count(100)
                .await
                .unwrap(),
            7
        );
        let query = "{ clients(first: 10) { nodes { name } } }";
        for (name, expected) in [
            ("Nancy Davolio", 2),
            ("Steven Buchanan", 3),
            ("Andrew Fuller", 3),
            ("Root", 3),
        ] {
            let user = users.iter().find(|user| user.name == name).unwrap();
            let person = app.sign_in(user.id, name).await;
            let answer = app.gql(&person.token, query, json!({})).await.ok();
            assert_eq!(answer.list("/clients/nodes").len(), expected, "{name}");
        }
        let nancy = users
            .iter()
            .find(|user| user.name == "Nancy Davolio")
            .unwrap();
        let nancy = app.sign_in(nancy.id, "Nancy").await;
        let search = "query($text: String) { clients(first: 10, filter: { search: $text }) { nodes { name } } }";
        // A client, by the name of its contact.
        let answer = app
            .gql(&nancy.token, search, json!({ "text": "frederique" }))
            .await
            .ok();
        assert_eq!(answer.list("/clients/nodes").len(), 1);
    }
);

on_both!(what_differs_is_brought_up_to_date, async |app: App| {
    import(&app, &Files::all()).await;
    let changed = Files::all()
        .with("reps.csv", &REPS.replace("REP,E3", "REP,E2"))
        .with(
            "clients.csv",
            &CLIENTS
                .replace("Alfreds Futterkiste", "Alfreds Feinkost")
                .replace("Strasbourg", "Colmar"),
        )
        .with(
            "contacts.csv",
            &CONTACTS.replace("Marketing Manager", "Owner"),
        )
        .with(
            "orders.csv",
            &ORDERS.replace("1996-08-16,,", "1996-08-16,1996-07-20,"),
        )
        .with(
            "order_lines.csv",
            &LINES.replace("10248,2,P2,10", "10248,2,P2,11"),
        );
    let report = import(&app, &changed).await;
    assert!(report.is_complete(), "{:#?}", report.refusals);
    assert_eq!(counts(&report, FileKind::Reps), (0, 1, 3, 0));
    assert_eq!(counts(&report, FileKind::Clients), (0, 2, 1, 0));
    assert_eq!(counts(&report, FileKind::Contacts), (0, 1, 1, 0));
    assert_eq!(counts(&report, FileKind::Orders), (0, 2, 0, 0));
    assert_eq!(counts(&report, FileKind::OrderLines), (0, 1, 2, 0));
    let session = session(&app);
    // Nancy is directly below Andrew now, and Steven no longer above her.
    assert_eq!(
        session
            .select::<user_reach::Entity>()
            .count(100)
            .await
            .unwrap(),
        6
    );
    let clients = session.select::<client::Entity>().all().await.unwrap();
    let alfki = clients
        .iter()
        .find(|row| row.name == "Alfreds Feinkost")
        .unwrap();
    assert_eq!(alfki.version, 2);
    assert!(alfki.search_text.contains("feinkost") && alfki.search_text.contains("maria"));
    let addresses = session.select::<address::Entity>().all().await.unwrap();
    assert_eq!(addresses.len(), 2);
    assert!(
        addresses
            .iter()
            .any(|row| row.city.as_deref() == Some("Colmar"))
    );
    let orders = session.select::<order::Entity>().all().await.unwrap();
    assert!(
        orders
            .iter()
            .all(|order| order.status == OrderStatus::Shipped)
    );
    let again = import(&app, &changed).await;
    assert_eq!(counts(&again, FileKind::Orders), (0, 0, 2, 0));
    assert_eq!(counts(&again, FileKind::OrderLines), (0, 0, 3, 0));
});

on_both!(
    a_dry_run_says_the_same_and_writes_nothing,
    async |app: App| {
        let files = Files::all();
        let options = Options {
            is_dry_run: true,
            ..Options::default()
        };
        let database = &app.server().database;
        let dry = import::run(database, files.path(), options, &Quiet)
            .await
            .unwrap();
        let session = session(&app);
        assert_eq!(session.select::<user::Entity>().count(10).await.unwrap(), 0);
        assert_eq!(
            session.select::<product::Entity>().count(10).await.unwrap(),
            0
        );
        let real = import(&app, &files).await;
        assert_eq!(dry.files, real.files);
        assert!(dry.is_complete());
    }
);

on_both!(
    each_bad_row_is_named_and_stops_no_other,
    async |app: App| {
        let files = Files::all()
        .with(
            "reps.csv",
            &format!(
                "{REPS}E5,Two,two@x.example,,REP,E9,\nE6,Six,six@x.example,,MANAGER,E7,\n\
                 E7,Seven,seven@x.example,,MANAGER,E6,\nE8,Eight,nancy@northwind.example,,REP,,\n\
                 E1,Again,again@x.example,,REP,,\nE10,Ten,ten@x.example,,BOSS,,\nE11,Below a rep,e11@x.example,,REP,E1,\n"
            ),
        )
        .with("products.csv", PRODUCTS)
        .with(
            "clients.csv",
            &format!(
                "{CLIENTS}X1,COMPANY,Bad owner,E99,,,,,,,,USD,\nX2,COMPANY,Bad currency,E1,,,,,,,,ABC,\n\
                 X3,COMPANY,Bad day,E1,,,,,,,,USD,1997-02-30\nX4,COMPANY,Bad phone,E1,12,,,,,,,USD,\n\
                 X5,ROBOT,Bad kind,E1,,,,,,,,USD,\n,COMPANY,No key,E1,,,,,,,,USD,\nX6,COMPANY,,E1,,,,,,,,USD,\n"
            ),
        )
        .with("contacts.csv", &format!("{CONTACTS}C3,X1,Of a refused client,,,\nC4,ALFKI,Second key,,,true\n"));
        let report = import(&app, &files).await;
        use FileKind::{Clients, Contacts, Products, Reps};
        assert_refused(
            &report,
            &[
                (Reps, 6, "manager_external_id", "there is no such rep"),
                (Reps, 7, "manager_external_id", "circle"),
                (Reps, 8, "manager_external_id", "circle"),
                (Reps, 9, "email", "another user has this address"),
                (Reps, 10, "external_id", "line 2 has this key already"),
                (Reps, 11, "role", "expected REP, MANAGER or ADMIN"),
                (Reps, 12, "manager_external_id", "this is a rep"),
                (Products, 4, "list_price", "too many decimals"),
                (Clients, 5, "owner_external_id", "there is no such rep"),
                (Clients, 6, "currency", "not a currency"),
                (Clients, 7, "since", "not a day"),
                (Clients, 8, "phone", "three digits"),
                (Clients, 9, "kind", "expected ORGANIZATION or INDIVIDUAL"),
                (Clients, 10, "external_id", "must not be empty"),
                (Clients, 11, "name", "must not be empty"),
                (
                    Contacts,
                    4,
                    "client_external_id",
                    "this client was refused (clients.csv line 5)",
                ),
                (Contacts, 5, "is_primary", "line 2"),
            ],
        );
        assert_eq!(counts(&report, Reps), (4, 0, 0, 7));
        assert_eq!(counts(&report, Products), (2, 0, 0, 1));
        assert_eq!(counts(&report, Clients), (3, 0, 0, 7));
        assert_eq!(counts(&report, Contacts), (2, 0, 0, 2));
        assert_eq!(counts(&report, FileKind::Orders), (2, 0, 0, 0));
    }
);

on_both!(
    an_import_brings_no_more_goods_than_the_service_can_count,
    async |app: App| {
        let long = "x".repeat(61);
        let products = format!(
            "{}P4,Tea,,box,1.00,USD,5000000000,9223372036854775807,false\nP5,Tea,,{long},1.00,USD,1000000000,1000000000,false\n",
            PRODUCTS.replace("10.005000", "10.5000")
        );
        let report = import(&app, &Files::all().with("products.csv", &products)).await;
        assert_refused(
            &report,
            &[
                (FileKind::Products, 5, "reorder_level", "from 0 to"),
                (FileKind::Products, 5, "stock_on_hand", "from 0 to"),
                (FileKind::Products, 6, "unit", "40"),
            ],
        );
        let team = app.team().await;
        let query =
            "{ products(first: 20) { nodes { unit reorderLevel stock { onHand reserved } } } }";
        let answer = app.gql(&team.ann.token, query, json!({})).await.ok();
        assert_eq!(answer.data("/products/nodes").as_array().unwrap().len(), 3);
    }
);

on_both!(an_order_goes_in_whole_or_not_at_all, async |app: App| {
    let files = Files::all()
        .with(
            "orders.csv",
            &format!(
                "{ORDERS}1,ALFKI,E1,1996-07-04,,,,USD,,,,,,\n2,ALFKI,E1,1996-07-04,,,,USD,,,,,,\n\
                 3,NOONE,E1,1996-07-04,,,,USD,,,,,,\n4,ALFKI,E1,1996-07-04,,1996-07-03,,USD,,,,,,\n\
                 5,ALFKI,E1,1996-07-04,,,,EUR,,,,,,\n6,ALFKI,E1,1996-07-04,,,,,,,,,,\n\
                 7,ALFKI,E1,1996-07-04,,,,,,,,,,\n"
            ),
        )
        .with(
            "order_lines.csv",
            &format!(
                "{LINES}1,1,P1,1,1.00,0\n1,2,P1,0,1.00,0\n2,1,P9,1,1.00,0\n3,1,P1,1,1.00,0\n4,1,P1,1,1.00,0\n\
                 5,1,P1,1,1.00,0\n7,1,P1,1,1.00,0\n7,1,P2,1,1.00,0\n8,1,P1,1,1.00,0\n10249,2,P2,1,1.00,1.5\n"
            ),
        );
    let report = import(&app, &files).await;
    use FileKind::{OrderLines, Orders};
    assert_refused(
        &report,
        &[
            (
                Orders,
                3,
                "external_id",
                "order_lines.csv line 14: not a rate",
            ),
            (
                Orders,
                4,
                "external_id",
                "order_lines.csv line 6: not a whole number from 1",
            ),
            (
                Orders,
                5,
                "external_id",
                "order_lines.csv line 7: there is no such product",
            ),
            (Orders, 6, "client_external_id", "there is no such client"),
            (Orders, 7, "shipped_on", "before the order was placed"),
            (Orders, 8, "currency", "billed in USD"),
            (Orders, 9, "external_id", "this order has no lines"),
            (
                Orders,
                10,
                "external_id",
                "order_lines.csv line 12: line 11 has this number",
            ),
            (OrderLines, 6, "quantity", "from 1"),
            (
                OrderLines,
                7,
                "product_external_id",
                "there is no such product",
            ),
            (OrderLines, 12, "line_number", "line 11"),
            (
                OrderLines,
                13,
                "order_external_id",
                "there is no such order",
            ),
            (OrderLines, 14, "discount_rate", "not a rate"),
        ],
    );
    assert_eq!(counts(&report, Orders), (1, 0, 0, 8));
    assert_eq!(counts(&report, OrderLines), (2, 0, 0, 11));
    let session = session(&app);
    assert_eq!(
        session.select::<order::Entity>().count(10).await.unwrap(),
        1
    );
    assert_eq!(
        session
            .select::<order_line::Entity>()
            .count(10)
            .await
            .unwrap(),
        2
    );
});

on_both!(files_may_come_one_by_one, async |app: App| {
    import(&app, &Files::none().with("reps.csv", REPS)).await;
    let products = PRODUCTS.replace("10.005000", "10.5");
    import(&app, &Files::none().with("products.csv", &products)).await;
    let report = import(&app, &Files::none().with("clients.csv", CLIENTS)).await;
    assert_eq!(counts(&report, FileKind::Clients), (3, 0, 0, 0));
    let report = import(&app, &Files::none().with("orders.csv", ORDERS)).await;
    assert_eq!(counts(&report, FileKind::Orders), (0, 0, 0, 2));
    let both = Files::none()
        .with("orders.csv", ORDERS)
        .with("order_lines.csv", LINES);
    assert!(import(&app, &both).await.is_complete());
    let lines = Files::none().with("order_lines.csv", &LINES.replace("9.80", "9.90"));
    let report = import(&app, &lines).await;
    assert_eq!(counts(&report, FileKind::OrderLines), (0, 1, 2, 0));
    // Only one of the files, though others are there.
    let options = Options {
        is_dry_run: false,
        only: vec![FileKind::Contacts],
    };
    let database = &app.server().database;
    let report = import::run(database, Files::all().path(), options, &Quiet)
        .await
        .unwrap();
    assert_eq!(report.files.len(), 1);
    assert_eq!(counts(&report, FileKind::Contacts), (2, 0, 0, 0));
});

on_both!(stock_comes_with_a_new_product_only, async |app: App| {
    import(&app, &Files::all()).await;
    let more = PRODUCTS
        .replace("10.005000", "10.5")
        .replace("USD,39", "USD,99")
        .replace("18.00", "18.50");
    let report = import(&app, &Files::none().with("products.csv", &more)).await;
    assert_eq!(counts(&report, FileKind::Products), (0, 1, 2, 0));
    let session = session(&app);
    let chai = session
        .select::<product::Entity>()
        .filter(product::Column::ExternalId.eq("P1"))
        .get()
        .await
        .unwrap();
    assert_eq!((chai.list_price_minor, chai.is_active), (1_850, false));
    let level = session
        .select::<stock_level::Entity>()
        .filter(stock_level::Column::ProductId.eq(chai.id))
        .get()
        .await
        .unwrap();
    assert_eq!((level.on_hand, level.reserved), (39, 0));
});

on_both!(
    a_file_in_another_encoding_or_order_of_columns_is_read,
    async |app: App| {
        import(&app, &Files::none().with("reps.csv", REPS)).await;
        let text = "currency,name,kind,external_id,colour\r\nCNY,\"杭州\"\"云栖\"\"茶馆\",COMPANY,K1,red\r\n";
        let chinese = encoding(text);
        let report = import(&app, &Files::none().with_bytes("clients.csv", &chinese)).await;
        assert_eq!(counts(&report, FileKind::Clients), (1, 0, 0, 0));
        assert_eq!(report.warnings, ["clients.csv: unknown column colour"]);
        let with_mark = format!("\u{feff}{text}");
        let report = import(&app, &Files::none().with("clients.csv", &with_mark)).await;
        assert_eq!(counts(&report, FileKind::Clients), (0, 0, 1, 0));
        let clients = session(&app)
            .select::<client::Entity>()
            .all()
            .await
            .unwrap();
        assert_eq!(clients[0].name, "杭州\"云栖\"茶馆");
        assert_eq!(clients[0].owner_id, None);
    }
);

/// `text` in GB18030, as Chinese spreadsheets save it.
fn encoding(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

on_both!(
    a_missing_column_is_one_error_of_its_file,
    async |app: App| {
        let files = Files::all().with("contacts.csv", "external_id,name\nC1,Maria\nC2,Fred\n");
        let report = import(&app, &files).await;
        assert_refused(
            &report,
            &[(
                FileKind::Contacts,
                1,
                "client_external_id",
                "lacks the column client_external_id",
            )],
        );
        assert_eq!(counts(&report, FileKind::Orders), (2, 0, 0, 0));
        let contacts = session(&app).select::<contact::Entity>().count(10).await;
        assert_eq!(contacts.unwrap(), 0);
    }
);

on_both!(revenue_is_what_the_lines_come_to, async |app: App| {
    let (files, expected) = a_year_of_trade();
    let report = import(&app, &files).await;
    assert!(report.is_complete(), "{:#?}", report.refusals.first());
    assert_eq!(counts(&report, FileKind::Clients), (91, 0, 0, 0));
    assert_eq!(counts(&report, FileKind::Orders), (200, 0, 0, 0));
    let session = session(&app);
    let orders = session.select::<order::Entity>().all().await.unwrap();
    let net: i64 = orders.iter().map(|order| order.lines_minor).sum();
    assert_eq!(Decimal::new(net, 2), expected);
    let stats = session
        .select::<client_stats::Entity>()
        .all()
        .await
        .unwrap();
    let lifetime: i64 = stats.iter().map(|row| row.lifetime_revenue_minor).sum();
    assert_eq!(lifetime, net);
    let again = import(&app, &files).await;
    assert_eq!(counts(&again, FileKind::Orders), (0, 0, 200, 0));
});

/// Files of the size of a small firm, and what all lines come to, each rounded half up to cents.
fn a_year_of_trade() -> (Files, Decimal) {
    let mut clients = String::from("external_id,kind,name,owner_external_id,currency\n");
    for at in 0..91 {
        clients.push_str(&format!("C{at},COMPANY,Client {at},E1,USD\n"));
    }
    let mut orders = String::from(
        "external_id,client_external_id,placed_by_external_id,placed_on,shipped_on,freight\n",
    );
    let mut lines = String::from(
        "order_external_id,line_number,product_external_id,quantity,unit_price,discount_rate\n",
    );
    let mut sum = Decimal::ZERO;
    for order in 0_i64..200 {
        let (client, month, day) = (order * 7 % 91, order % 12 + 1, order % 28 + 1);
        orders.push_str(&format!(
            "{order},C{client},E1,1997-{month:02}-{day:02},,{}.50\n",
            order % 90
        ));
        for line in 1..=order % 4 + 1 {
            let (quantity, price) = (
                order * line % 40 + 1,
                Decimal::new(order * 37 % 9_000 + 5, 2),
            );
            let rate = Decimal::new(order * line * 5 % 30, 2);
            lines.push_str(&format!(
                "{order},{line},P{},{quantity},{price},{rate}\n",
                line % 3 + 1
            ));
            sum += (Decimal::from(quantity) * price * (Decimal::ONE - rate))
                .round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        }
    }
    let files = Files::none()
        .with("reps.csv", REPS)
        .with("products.csv", &PRODUCTS.replace("10.005000", "10.5"))
        .with("clients.csv", &clients)
        .with("orders.csv", &orders)
        .with("order_lines.csv", &lines);
    (files, sum)
}
