//! Where a client is found, supplied or billed. Of each kind one is the primary address at most.

use entity::{AddressId, AddressKind, ClientId, address};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Order;
use sea_orm::{ActiveValue, ColumnTrait};

use super::clients::{self, each, set};
use super::text;
use crate::db::{LockedClient, Tx, Visible};
use crate::error::{Error, Result};
use crate::say;

/// How many addresses of one client are in use at most.
pub const MAX_IN_USE: usize = 50;

/// How many addresses one client has at most, with those archived.
pub const MAX_PER_CLIENT: usize = 200;

/// The country codes of ISO 3166-1 alpha-2.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN \
    BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC \
    EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR \
    HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT \
    LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP \
    NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL \
    SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE \
    VG VI VN VU WF WS YE YT ZA ZM ZW";

/// A point on the earth, WGS 84, to some centimetres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coordinates {
    latitude_e7: i32,
    longitude_e7: i32,
}

impl Coordinates {
    /// The point at these degrees north and east, rounded to seven decimals.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` unless the latitude is within -90 to 90 and the longitude within -180 to 180.
    pub fn new(latitude: f64, longitude: f64) -> Result<Self> {
        Ok(Self {
            latitude_e7: degrees_e7("coordinates.latitude", latitude, 90.0)?,
            longitude_e7: degrees_e7("coordinates.longitude", longitude, 180.0)?,
        })
    }

    /// The point a row holds, when it holds one.
    pub fn of(row: &address::Model) -> Option<Self> {
        Some(Self {
            latitude_e7: row.latitude_e7?,
            longitude_e7: row.longitude_e7?,
        })
    }

    /// Degrees north, -90 to 90.
    pub fn latitude(self) -> f64 {
        f64::from(self.latitude_e7) / 1e7
    }

    /// Degrees east, -180 to 180.
    pub fn longitude(self) -> f64 {
        f64::from(self.longitude_e7) / 1e7
    }
}

fn degrees_e7(field: &str, degrees: f64, bound: f64) -> Result<i32> {
    let out_of_bounds = || {
        Error::bad_input(
            field,
            say!(
                "these degrees are out of bounds: -{bound} to {bound}",
                bound
            ),
        )
    };
    // Not a number is within no bounds.
    if !(-bound..=bound).contains(&degrees) {
        return Err(out_of_bounds());
    }
    // By way of text: rounded half to even, and nothing that does not fit can slip through.
    format!("{:.0}", degrees * 1e7)
        .parse()
        .map_err(|_| out_of_bounds())
}

/// An address to be.
#[derive(Clone, Debug)]
pub struct NewAddress {
    /// An id the caller chose, as a phone does offline.
    pub id: Option<AddressId>,
    /// The client.
    pub client: ClientId,
    /// What it is used for.
    pub kind: AddressKind,
    /// Everything else.
    pub place: AddressPatch,
}

/// Changes to an address. An outer `None` keeps what is there; an inner `None` clears it.
#[derive(Clone, Debug, Default)]
pub struct AddressPatch {
    /// What the client calls it.
    pub label: Option<Option<String>>,
    /// Who receives there.
    pub recipient: Option<Option<String>>,
    /// Street and number, or several such lines.
    pub street: Option<Option<String>>,
    /// City.
    pub city: Option<Option<String>>,
    /// Province, state or county.
    pub region: Option<Option<String>>,
    /// Postal code.
    pub postal_code: Option<Option<String>>,
    /// Country, ISO 3166-1 alpha-2.
    pub country: Option<Option<String>>,
    /// Where on the map.
    pub coordinates: Option<Option<Coordinates>>,
    /// Whether it is the one to use, among those of its kind, when nothing else is said.
    pub is_primary: Option<bool>,
}

/// Adds an address to a client. With an id that exists and equal content it answers the address that is
/// there. A new primary address takes the place of the one of its kind before.
///
/// # Errors
/// `NOT_FOUND` for the client; `BAD_USER_INPUT`, also for an address without any place in it; `CONFLICT` for
/// an id that is taken; `RULE_VIOLATED` `clients.archived`, `addresses.too_many`.
pub async fn create(tx: &Tx, new: NewAddress) -> Result<Visible<address::Model>> {
    let NewAddress {
        id,
        client,
        kind,
        place,
    } = new;
    let client = tx
        .lock_client(client)
        .await
        .map_err(|error| error.field("clientId"))?;
    clients::require_active(&client)?;
    let now = tx.now();
    let is_primary = place.is_primary.unwrap_or_default();
    let row = address::ActiveModel {
        id: Set(id.unwrap_or_else(|| tx.new_id())),
        client_id: Set(client.id),
        kind: Set(kind),
        is_primary: Set(is_primary),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let row = apply(row, place)?;
    require_place(&row, None)?;
    if let Some(existing) = tx.existing::<address::Entity>(id, &row).await? {
        return Ok(existing);
    }
    let others = of_client(tx, &client).await?;
    let in_use = others.iter().filter(|row| row.archived_at.is_none());
    if in_use.count() >= MAX_IN_USE || others.len() >= MAX_PER_CLIENT {
        return Err(too_many());
    }
    if is_primary {
        unmake_primary(tx, &others, kind, None).await?;
    }
    tx.insert_under::<address::Entity>(&client, row).await
}

/// Changes an address whose version is still `version`. A new primary address takes the place of the one
/// of its kind before.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`; `RULE_VIOLATED` `addresses.archived` for an archived one
/// that would become primary.
pub async fn update(
    tx: &Tx,
    id: AddressId,
    version: i64,
    kind: Option<AddressKind>,
    place: AddressPatch,
) -> Result<Visible<address::Model>> {
    let (client, present) = lock(tx, id).await?;
    let is_primary = place.is_primary.unwrap_or(present.is_primary);
    if is_primary && present.archived_at.is_some() {
        return Err(Error::rule(
            "addresses.archived",
            say!("this address is archived; restore it before you make it primary"),
        )
        .field("isPrimary"));
    }
    let row = address::ActiveModel {
        kind: set(kind),
        ..Default::default()
    };
    let row = apply(row, place)?;
    require_place(&row, Some(&present))?;
    let updated = tx
        .update::<address::Entity>(&present, Some(version), row)
        .await?;
    if is_primary {
        let others = of_client(tx, &client).await?;
        unmake_primary(tx, &others, updated.kind, Some(id)).await?;
    }
    Ok(updated)
}

/// Hides an address from lists; it is primary no longer.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED` `addresses.already_archived`.
pub async fn archive(tx: &Tx, id: AddressId, version: i64) -> Result<Visible<address::Model>> {
    let (_client, present) = lock(tx, id).await?;
    if present.archived_at.is_some() {
        return Err(Error::rule(
            "addresses.already_archived",
            say!("this address is archived already"),
        ));
    }
    let row = address::ActiveModel {
        archived_at: Set(Some(tx.now())),
        is_primary: Set(false),
        ..Default::default()
    };
    tx.update::<address::Entity>(&present, Some(version), row)
        .await
}

/// Brings an archived address back.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED` `addresses.not_archived`, `addresses.too_many`,
/// `clients.archived`.
pub async fn restore(tx: &Tx, id: AddressId, version: i64) -> Result<Visible<address::Model>> {
    let (client, present) = lock(tx, id).await?;
    if present.archived_at.is_none() {
        return Err(Error::rule(
            "addresses.not_archived",
            say!("this address is not archived"),
        ));
    }
    clients::require_active(&client)?;
    let others = of_client(tx, &client).await?;
    let in_use = others.iter().filter(|row| row.archived_at.is_none());
    if in_use.count() >= MAX_IN_USE {
        return Err(too_many());
    }
    let row = address::ActiveModel {
        archived_at: Set(None),
        ..Default::default()
    };
    tx.update::<address::Entity>(&present, Some(version), row)
        .await
}

/// The address and its client, both held.
async fn lock(tx: &Tx, id: AddressId) -> Result<(LockedClient, Visible<address::Model>)> {
    let row = tx.select::<address::Entity>().id(id).get().await?;
    let client = tx.lock_client(row.client_id).await?;
    let row = tx.select::<address::Entity>().id(id).get().await?;
    Ok((client, row))
}

async fn of_client(tx: &Tx, client: &LockedClient) -> Result<Vec<Visible<address::Model>>> {
    tx.select::<address::Entity>()
        .filter(address::Column::ClientId.eq(client.id))
        .order_by(address::Column::Id, Order::Asc)
        .all()
        .await
}

fn too_many() -> Error {
    Error::rule(
        "addresses.too_many",
        say!(
            "a client has at most {in_use} addresses in use, and {in_all} with those archived",
            in_use = MAX_IN_USE,
            in_all = MAX_PER_CLIENT
        ),
    )
}

/// Takes the mark of the primary address of `kind` off whichever has it, but `keep`.
async fn unmake_primary(
    tx: &Tx,
    addresses: &[Visible<address::Model>],
    kind: AddressKind,
    keep: Option<AddressId>,
) -> Result<()> {
    for other in addresses {
        if other.is_primary && other.kind == kind && Some(other.id) != keep {
            let row = address::ActiveModel {
                is_primary: Set(false),
                ..Default::default()
            };
            tx.update::<address::Entity>(other, None, row).await?;
        }
    }
    Ok(())
}

fn apply(row: address::ActiveModel, place: AddressPatch) -> Result<address::ActiveModel> {
    let AddressPatch {
        label,
        recipient,
        street,
        city,
        region,
        postal_code,
        country,
        coordinates,
        is_primary,
    } = place;
    let line = |field: &'static str, max_chars: usize| {
        move |value: &str| text::text(field, value, max_chars)
    };
    Ok(address::ActiveModel {
        label: set(each(label, line("label", 60))?),
        recipient: set(each(recipient, line("recipient", 200))?),
        street: set(each(street, |value| text::long_text("street", value, 500))?),
        city: set(each(city, line("city", 100))?),
        region: set(each(region, line("region", 100))?),
        postal_code: set(each(postal_code, line("postalCode", 20))?),
        country: set(each(country, parse_country)?),
        latitude_e7: set(coordinates.map(|point| point.map(|point| point.latitude_e7))),
        longitude_e7: set(coordinates.map(|point| point.map(|point| point.longitude_e7))),
        is_primary: is_primary.map_or(row.is_primary, Set),
        ..row
    })
}

fn parse_country(value: &str) -> Result<String> {
    let code = value.trim().to_ascii_uppercase();
    if COUNTRIES
        .split_ascii_whitespace()
        .any(|known| known == code)
    {
        return Ok(code);
    }
    Err(Error::bad_input(
        "country",
        say!("not a country: expected a code of ISO 3166-1 of two letters, as in \"CN\""),
    ))
}

/// An address says where: with a street, a city, a region, a postal code, a country or coordinates.
fn require_place(row: &address::ActiveModel, present: Option<&address::Model>) -> Result<()> {
    fn is_there<T>(change: &ActiveValue<Option<T>>, present: Option<&Option<T>>) -> bool
    where
        Option<T>: Into<sea_orm::Value>,
    {
        match change.try_as_ref() {
            Some(value) => value.is_some(),
            None => present.is_some_and(Option::is_some),
        }
    }
    let says_where = is_there(&row.street, present.map(|row| &row.street))
        || is_there(&row.city, present.map(|row| &row.city))
        || is_there(&row.region, present.map(|row| &row.region))
        || is_there(&row.postal_code, present.map(|row| &row.postal_code))
        || is_there(&row.country, present.map(|row| &row.country))
        || is_there(&row.latitude_e7, present.map(|row| &row.latitude_e7));
    if says_where {
        return Ok(());
    }
    Err(Error::bad_input(
        "street",
        say!(
            "an address says where: give a street, a city, a region, a postal code, a country or coordinates"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_are_kept_to_seven_decimals_within_their_bounds() {
        let point = Coordinates::new(31.230_416_7, -121.473_701_04).unwrap();
        assert_eq!(
            (point.latitude_e7, point.longitude_e7),
            (312_304_167, -1_214_737_010)
        );
        for (latitude, longitude) in [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0)] {
            assert!(Coordinates::new(latitude, longitude).is_ok());
        }
        for (latitude, longitude, field) in [
            (90.000_000_1, 0.0, "coordinates.latitude"),
            (f64::NAN, 0.0, "coordinates.latitude"),
            (0.0, -180.000_1, "coordinates.longitude"),
            (0.0, f64::INFINITY, "coordinates.longitude"),
        ] {
            let error = Coordinates::new(latitude, longitude).unwrap_err();
            assert_eq!(error.fields(), [field]);
        }
    }

    #[test]
    fn countries_are_codes_of_two_letters() {
        assert_eq!(parse_country(" cn ").unwrap(), "CN");
        assert_eq!(COUNTRIES.split_ascii_whitespace().count(), 249);
        for wrong in ["XX", "CHN", "China", "", "C"] {
            assert!(parse_country(wrong).is_err());
        }
    }
}
