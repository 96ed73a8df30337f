//! The book as CSV files that [`crate::import`] reads, so that it can go to another system, or come back.
//!
//! Everything is of one moment. Rows are named by their `external_id`, and those without one by their id; they
//! are sorted by that name, so that the same book gives the same files. What the files cannot say is left
//! out: passwords, sessions and tries to sign in; clients and contacts in the archive, with all that is
//! theirs; all addresses but the primary one; members, tags, notes, tiers, payments, returns, movements of
//! stock; orders that are drafts, wait for approval, were cancelled or came back; the discount of a whole
//! order; categories above a category; points of contact after the first of their kind. A backup holds it all.

mod staging;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use entity::{
    ClientId, ClientKind, ContactPointKind, EntityId, Locale, OrderId, OrderStatus, ProductId,
    UserId, UserRole, address, client, contact, order, order_line, product, product_category,
    stock_level, user,
};
use sea_orm::sea_query::Condition;
use sea_orm::{ColumnTrait, Order};

use self::staging::Staging;
use crate::db::{Database, Session, points_at};
use crate::domain::money::{CurrencyCode, format_minor};
use crate::error::{Code, Error, Result};
use crate::import::FileKind;

/// How cells are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cells {
    /// As they are, for another import.
    #[default]
    Exact,
    /// With an apostrophe before what a spreadsheet would take for a formula, and might run. To look at; an import
    /// would take the apostrophe for a part of the text.
    ForSpreadsheets,
}

/// Writes all files into `directory`, which is made when absent, as they are. Says how many rows each has.
///
/// # Errors
/// As [`run_as`].
pub async fn run(database: &Database, directory: &Path) -> Result<Vec<(FileKind, u64)>> {
    run_as(database, directory, Cells::Exact).await
}

/// Writes all files into `directory`, which is made when absent. Says how many rows each has. Nobody else may read
/// them. They get their place when all are whole; when something fails, nothing is left behind.
///
/// # Errors
/// `BAD_USER_INPUT` when one of the files is there already, or cannot be written; `UNAVAILABLE`, `INTERNAL`
/// from the database.
pub async fn run_as(
    database: &Database,
    directory: &Path,
    cells: Cells,
) -> Result<Vec<(FileKind, u64)>> {
    let staging = Staging::begin(directory)?;
    let mut files = Vec::with_capacity(FileKind::ALL.len());
    for kind in FileKind::ALL {
        files.push(Output::create(staging.path(), kind, cells)?);
    }
    let mut files = files.into_iter();
    let mut next = move || {
        files
            .next()
            .ok_or_else(|| Error::bug("there are more kinds of files than files"))
    };
    let counts = database
        .as_system("export")
        .at_one_moment(async |session| {
            let names = Names::load(&session).await?;
            Ok(vec![
                (FileKind::Reps, reps(&session, &names, next()?).await?),
                (FileKind::Products, products(&session, next()?).await?),
                (FileKind::Clients, clients(&session, &names, next()?).await?),
                (
                    FileKind::Contacts,
                    contacts(&session, &names, next()?).await?,
                ),
                (FileKind::Orders, orders(&session, &names, next()?).await?),
                (
                    FileKind::OrderLines,
                    lines(&session, &names, next()?).await?,
                ),
            ])
        })
        .await?;
    staging.finish()?;
    Ok(counts)
}

/// A file that is being written.
struct Output {
    rows: csv::Writer<File>,
    path: PathBuf,
    cells: Cells,
}

impl Output {
    fn create(directory: &Path, kind: FileKind, cells: Cells) -> Result<Self> {
        let path = directory.join(kind.name());
        let file = staging::create(&path).map_err(|error| unwritable(&path, &error))?;
        Ok(Self {
            rows: csv::Writer::from_writer(file),
            path,
            cells,
        })
    }

    fn row<const N: usize>(&mut self, fields: [&str; N]) -> Result<()> {
        let written = match self.cells {
            Cells::Exact => self.rows.write_record(fields),
            Cells::ForSpreadsheets => self
                .rows
                .write_record(fields.map(harmless).iter().map(|cell| cell.as_bytes())),
        };
        written.map_err(|error| unwritable(&self.path, &error))
    }

    fn finish(self) -> Result<()> {
        let Self { rows, path, .. } = self;
        let broken = |error: std::io::Error| unwritable(&path, &error);
        let file = rows
            .into_inner()
            .map_err(|error| broken(error.into_error()))?;
        file.sync_all().map_err(broken)
    }
}

/// A cell that no spreadsheet takes for a formula.
fn harmless(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

fn unwritable(path: &Path, error: &dyn std::error::Error) -> Error {
    Error::new(
        Code::BadUserInput,
        format!("{} cannot be written: {error}", path.display()),
    )
}

/// What rows are called that others name.
struct Names {
    users: HashMap<UserId, String>,
    products: HashMap<ProductId, String>,
    clients: HashMap<ClientId, String>,
}

impl Names {
    async fn load(session: &Session) -> Result<Self> {
        let mut names = Self {
            users: HashMap::new(),
            products: HashMap::new(),
            clients: HashMap::new(),
        };
        let users = session.select::<user::Entity>();
        users
            .each_by(&[], |row| {
                let name = outside(row.external_id, row.id);
                names.users.insert(row.id, name);
                Ok(())
            })
            .await?;
        let products = session.select::<product::Entity>();
        products
            .each_by(&[], |row| {
                let name = outside(row.external_id, row.id);
                names.products.insert(row.id, name);
                Ok(())
            })
            .await?;
        let clients = session.select::<client::Entity>().filter(is_kept_client());
        clients
            .each_by(&[], |row| {
                let name = outside(row.external_id, row.id);
                names.clients.insert(row.id, name);
                Ok(())
            })
            .await?;
        Ok(names)
    }

    fn user(&self, id: Option<UserId>) -> &str {
        let name = id.and_then(|id| self.users.get(&id));
        name.map_or("", String::as_str)
    }

    fn product(&self, id: ProductId) -> &str {
        self.products.get(&id).map_or("", String::as_str)
    }

    fn client(&self, id: ClientId) -> Option<&str> {
        self.clients.get(&id).map(String::as_str)
    }
}

fn outside(external_id: Option<String>, id: impl EntityId) -> String {
    external_id.unwrap_or_else(|| id.to_string())
}

fn is_kept_client() -> Condition {
    Condition::all().add(client::Column::ArchivedAt.is_null())
}

/// Orders that an import takes for what they were: agreed upon, and not undone.
fn is_kept_order() -> Condition {
    Condition::all().add(order::Column::Status.is_in([
        OrderStatus::Approved,
        OrderStatus::InProduction,
        OrderStatus::Shipped,
        OrderStatus::Delivered,
    ]))
}

async fn reps(session: &Session, names: &Names, mut file: Output) -> Result<u64> {
    file.row([
        "external_id",
        "name",
        "email",
        "title",
        "role",
        "manager_external_id",
        "hired_on",
        "time_zone",
        "locale",
    ])?;
    let key = session.name_outside::<user::Entity>();
    let count = session
        .select::<user::Entity>()
        .each_by(&[key], |row| {
            let role = match row.role {
                UserRole::Rep => "REP",
                UserRole::Manager => "MANAGER",
                UserRole::Admin => "ADMIN",
            };
            let locale = match row.locale {
                Locale::En => "EN",
                Locale::ZhCn => "ZH_CN",
            };
            file.row([
                names.user(Some(row.id)),
                &row.name,
                &row.email,
                said(row.title.as_ref()),
                role,
                names.user(row.manager_id),
                &day(row.hired_on),
                &row.time_zone,
                locale,
            ])
        })
        .await?;
    file.finish()?;
    Ok(count)
}

async fn products(session: &Session, mut file: Output) -> Result<u64> {
    file.row([
        "external_id",
        "sku",
        "name",
        "category",
        "unit",
        "list_price",
        "currency",
        "stock_on_hand",
        "reorder_level",
        "discontinued",
        "may_back_order",
    ])?;
    let mut categories = HashMap::new();
    session
        .select::<product_category::Entity>()
        .each_by(&[], |row| {
            categories.insert(row.id, row.name);
            Ok(())
        })
        .await?;
    let mut stock = HashMap::new();
    session
        .select::<stock_level::Entity>()
        .each_by(&[], |row| {
            stock.insert(row.product_id, row.on_hand);
            Ok(())
        })
        .await?;
    let key = session.name_outside::<product::Entity>();
    let count = session
        .select::<product::Entity>()
        .each_by(&[key], |row| {
            let category = row.category_id.and_then(|id| categories.get(&id));
            let on_hand = stock.get(&row.id).copied().unwrap_or_default().max(0);
            let is_gone = !row.is_active || row.archived_at.is_some();
            file.row([
                &outside(row.external_id, row.id),
                &row.sku,
                &row.name,
                said(category),
                &row.unit,
                &amount(row.list_price_minor, &row.currency)?,
                &row.currency,
                &on_hand.to_string(),
                &row.reorder_level.to_string(),
                flag(is_gone),
                flag(row.may_back_order),
            ])
        })
        .await?;
    file.finish()?;
    Ok(count)
}

async fn clients(session: &Session, names: &Names, mut file: Output) -> Result<u64> {
    file.row([
        "external_id",
        "kind",
        "name",
        "owner_external_id",
        "phone",
        "fax",
        "email",
        "website",
        "street",
        "city",
        "region",
        "postal_code",
        "country",
        "currency",
        "since",
    ])?;
    let mut addresses = HashMap::new();
    session
        .select::<address::Entity>()
        .filter(address::Column::IsPrimary.eq(true))
        .filter(address::Column::ArchivedAt.is_null())
        .each_by(&[], |row| {
            let place = [
                row.street,
                row.city,
                row.region,
                row.postal_code,
                row.country,
            ];
            addresses.insert(row.client_id, place);
            Ok(())
        })
        .await?;
    let key = session.name_outside::<client::Entity>();
    let count = session
        .select::<client::Entity>()
        .filter(is_kept_client())
        .each_by(&[key], |row| {
            let kind = match row.kind {
                ClientKind::Organization => "ORGANIZATION",
                ClientKind::Individual => "INDIVIDUAL",
            };
            let [street, city, region, postal_code, country] =
                addresses.remove(&row.id).unwrap_or_default();
            file.row([
                &outside(row.external_id, row.id),
                kind,
                &row.name,
                names.user(row.owner_id),
                said(row.phone.as_ref()),
                said(row.fax.as_ref()),
                said(row.email.as_ref()),
                said(row.website.as_ref()),
                said(street.as_ref()),
                said(city.as_ref()),
                said(region.as_ref()),
                said(postal_code.as_ref()),
                said(country.as_ref()),
                &row.currency,
                &day(row.since_on),
            ])
        })
        .await?;
    file.finish()?;
    Ok(count)
}

async fn contacts(session: &Session, names: &Names, mut file: Output) -> Result<u64> {
    file.row([
        "external_id",
        "client_external_id",
        "name",
        "title",
        "department",
        "phone",
        "mobile",
        "email",
        "is_primary",
    ])?;
    let key = session.name_outside::<contact::Entity>();
    let mut count = 0;
    session
        .select::<contact::Entity>()
        .filter(contact::Column::ArchivedAt.is_null())
        .each_by(&[key], |row| {
            let Some(client) = names.client(row.client_id) else {
                return Ok(());
            };
            let first = |kind: ContactPointKind| {
                let mut points = row.points.0.iter();
                let point = points.find(|point| point.kind == kind);
                point.map_or("", |point| point.value.as_str())
            };
            let (phone, mobile) = (
                first(ContactPointKind::Phone),
                first(ContactPointKind::Mobile),
            );
            let email = first(ContactPointKind::Email);
            count += 1;
            file.row([
                &outside(row.external_id.clone(), row.id),
                client,
                &row.name,
                said(row.title.as_ref()),
                said(row.department.as_ref()),
                phone,
                mobile,
                email,
                flag(row.is_key),
            ])
        })
        .await?;
    file.finish()?;
    Ok(count)
}

async fn orders(session: &Session, names: &Names, mut file: Output) -> Result<u64> {
    file.row([
        "external_id",
        "client_external_id",
        "placed_by_external_id",
        "placed_on",
        "required_on",
        "shipped_on",
        "freight",
        "currency",
        "ship_to_name",
        "ship_to_street",
        "ship_to_city",
        "ship_to_region",
        "ship_to_postal_code",
        "ship_to_country",
    ])?;
    let key = session.name_outside::<order::Entity>();
    let mut count = 0;
    session
        .select::<order::Entity>()
        .filter(is_kept_order())
        .each_by(&[key], |row| {
            let Some(client) = names.client(row.client_id) else {
                return Ok(());
            };
            count += 1;
            file.row([
                &outside(row.external_id, row.id),
                client,
                names.user(Some(row.placed_by_id)),
                &day(Some(row.placed_on)),
                &day(row.required_on),
                &day(row.shipped_on),
                &amount(row.freight_minor, &row.currency)?,
                &row.currency,
                said(row.ship_to_name.as_ref()),
                said(row.ship_to_street.as_ref()),
                said(row.ship_to_city.as_ref()),
                said(row.ship_to_region.as_ref()),
                said(row.ship_to_postal_code.as_ref()),
                said(row.ship_to_country.as_ref()),
            ])
        })
        .await?;
    file.finish()?;
    Ok(count)
}

async fn lines(session: &Session, names: &Names, mut file: Output) -> Result<u64> {
    file.row([
        "order_external_id",
        "line_number",
        "product_external_id",
        "quantity",
        "unit_price",
        "discount_rate",
    ])?;
    // Only of the orders, whose lines are many more.
    let mut heads: HashMap<OrderId, (String, String)> = HashMap::new();
    session
        .select::<order::Entity>()
        .filter(is_kept_order())
        .each_by(&[], |row| {
            if names.client(row.client_id).is_some() {
                let name = outside(row.external_id, row.id);
                heads.insert(row.id, (name, row.currency));
            }
            Ok(())
        })
        .await?;
    let key = session.name_outside::<order::Entity>();
    let mut count = 0;
    let mut at = (None, 0_u32);
    session
        .select::<order_line::Entity>()
        .join(
            "orders",
            points_at(order_line::Column::OrderId, order::Column::Id),
        )
        .order_by(order_line::Column::LineNumber, Order::Asc)
        .each_by(&[key], |row| {
            let Some((order, currency)) = heads.get(&row.order_id) else {
                return Ok(());
            };
            // Numbers have gaps where lines were taken out; an import closes them.
            at = match at {
                (Some(last), number) if last == row.order_id => (Some(last), number + 1),
                _ => (Some(row.order_id), 1),
            };
            count += 1;
            file.row([
                order,
                &at.1.to_string(),
                names.product(row.product_id),
                &row.quantity.to_string(),
                &amount(row.unit_price_minor, currency)?,
                &rate(row.discount_bp),
            ])
        })
        .await?;
    file.finish()?;
    Ok(count)
}

fn said(text: Option<&String>) -> &str {
    text.map_or("", String::as_str)
}

fn day(day: Option<chrono::NaiveDate>) -> String {
    day.map(|day| day.to_string()).unwrap_or_default()
}

fn flag(is_so: bool) -> &'static str {
    if is_so { "true" } else { "false" }
}

fn amount(minor: i64, currency: &str) -> Result<String> {
    Ok(format_minor(minor, CurrencyCode::parse(currency)?))
}

/// A share of 1 from basis points: 500 is `0.05`.
fn rate(bp: i32) -> String {
    let text = format!("{}.{:04}", bp / 10_000, bp % 10_000);
    let short = text.trim_end_matches('0');
    short.strip_suffix('.').unwrap_or(short).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{harmless, rate};

    #[test]
    fn what_looks_like_a_formula_is_written_as_text() {
        for cell in ["=1+1", "+86 10", "-1", "@sum", "\t=1", "\r=1"] {
            assert_eq!(harmless(cell), format!("'{cell}"));
        }
        for cell in ["", "a=1", "1-1", "'=1", "北京"] {
            assert_eq!(harmless(cell), cell);
        }
    }

    #[test]
    fn rates_are_as_short_as_can_be() {
        for (bp, text) in [
            (0, "0"),
            (1, "0.0001"),
            (500, "0.05"),
            (2_550, "0.255"),
            (10_000, "1"),
        ] {
            assert_eq!(rate(bp), text);
        }
    }
}
