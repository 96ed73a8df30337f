//! Where the goods of an order go: copied onto the order, so that it still says so when the client moves.

use entity::{AddressId, address, order};
use sea_orm::ActiveValue::Set;
use sea_orm::ColumnTrait;

use crate::db::{LockedClient, Tx};
use crate::domain::text;
use crate::error::Result;

/// Where goods go, as the label says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShipTo {
    /// Who receives them, at most 200 characters.
    pub name: Option<String>,
    /// Street and number, or several such lines; at most 500 characters.
    pub street: Option<String>,
    /// The city, at most 100 characters.
    pub city: Option<String>,
    /// The province, state or county; at most 100 characters.
    pub region: Option<String>,
    /// The postal code, at most 20 characters.
    pub postal_code: Option<String>,
    /// The country, at most 100 characters.
    pub country: Option<String>,
}

impl ShipTo {
    pub(super) fn parse(&self) -> Result<Self> {
        let Self {
            name,
            street,
            city,
            region,
            postal_code,
            country,
        } = self;
        let line = |field: &str, value: &Option<String>, max: usize| {
            text::optional_text(field, value.as_deref(), max)
        };
        Ok(Self {
            name: line("name", name, 200)?,
            street: text::optional_long_text("street", street.as_deref(), 500)?,
            city: line("city", city, 100)?,
            region: line("region", region, 100)?,
            postal_code: line("postalCode", postal_code, 20)?,
            country: line("country", country, 100)?,
        })
    }

    /// Where an order goes.
    pub fn of(order: &order::Model) -> Self {
        Self {
            name: order.ship_to_name.clone(),
            street: order.ship_to_street.clone(),
            city: order.ship_to_city.clone(),
            region: order.ship_to_region.clone(),
            postal_code: order.ship_to_postal_code.clone(),
            country: order.ship_to_country.clone(),
        }
    }

    fn at(address: &address::Model) -> Self {
        Self {
            name: address.recipient.clone(),
            street: address.street.clone(),
            city: address.city.clone(),
            region: address.region.clone(),
            postal_code: address.postal_code.clone(),
            country: address.country.clone(),
        }
    }

    pub(super) fn write(self, row: &mut order::ActiveModel) {
        let Self {
            name,
            street,
            city,
            region,
            postal_code,
            country,
        } = self;
        row.ship_to_name = Set(name);
        row.ship_to_street = Set(street);
        row.ship_to_city = Set(city);
        row.ship_to_region = Set(region);
        row.ship_to_postal_code = Set(postal_code);
        row.ship_to_country = Set(country);
    }
}

/// How a caller says where goods go.
#[derive(Clone, Debug)]
pub enum Destination {
    /// To an address of the client; it is copied.
    Address(AddressId),
    /// To this place.
    Given(ShipTo),
}

/// Where goods go, and since when that address is as it is.
pub(super) struct Target {
    pub(super) ship_to: ShipTo,
    pub(super) changed_at: Option<chrono::DateTime<chrono::Utc>>,
}

pub(super) async fn destination(
    tx: &Tx,
    client: &LockedClient,
    destination: Option<Destination>,
) -> Result<Option<Target>> {
    match destination {
        None => Ok(None),
        Some(Destination::Given(ship_to)) => {
            let ship_to = ship_to.parse().map_err(|error| error.under("shipTo"))?;
            Ok(Some(Target {
                ship_to,
                changed_at: None,
            }))
        }
        Some(Destination::Address(id)) => {
            let address = tx
                .select::<address::Entity>()
                .id(id)
                .filter(address::Column::ClientId.eq(client.id))
                .get()
                .await
                .map_err(|error| error.field("addressId"))?;
            Ok(Some(Target {
                ship_to: ShipTo::at(&address),
                changed_at: Some(address.updated_at),
            }))
        }
    }
}
