//! Telling a create that arrived twice from another one with the same id.

use chrono::NaiveDate;
use entity::order;

use super::lines::{self, NewLine};
use super::ship_to::{ShipTo, Target};
use crate::db::{LockedClient, Tx};
use crate::error::Result;

/// What a caller asked an order to be, to tell a repeated create from another one with the same id. What
/// was left to the service (the day, list prices, the tier's discount) may have changed since, and is not
/// compared.
pub(super) struct Content {
    pub(super) external_id: Option<String>,
    pub(super) placed_on: Option<NaiveDate>,
    pub(super) required_on: Option<NaiveDate>,
    pub(super) ship_to: Option<Target>,
    pub(super) note: Option<String>,
    pub(super) discount_bp: i32,
    pub(super) freight_minor: i64,
    pub(super) lines: Vec<NewLine>,
    pub(super) submit: bool,
}

impl Content {
    pub(super) async fn is_that_of(
        &self,
        tx: &Tx,
        client: &LockedClient,
        order: &order::Model,
    ) -> Result<bool> {
        let Self {
            external_id,
            placed_on,
            required_on,
            ship_to,
            note,
            discount_bp,
            freight_minor,
            lines,
            submit,
        } = self;
        let is_same_place = match ship_to {
            None => true,
            Some(target) => {
                target.ship_to == ShipTo::of(order)
                    || target.changed_at.is_some_and(|at| at > order.created_at)
            }
        };
        let is_same_head = order.client_id == client.id
            && order.external_id == *external_id
            && placed_on.is_none_or(|day| day == order.placed_on)
            && order.required_on == *required_on
            && is_same_place
            && order.note == *note
            && order.discount_bp == *discount_bp
            && order.freight_minor == *freight_minor
            && order.reorder_of_id.is_none()
            && (!submit || order.submitted_at.is_some());
        if !is_same_head {
            return Ok(false);
        }
        let present = lines::of(tx, order).await?;
        Ok(present.len() == lines.len()
            && present.iter().zip(lines).all(|(row, line)| {
                row.product_id == line.product_id
                    && row.quantity == line.quantity
                    && line
                        .unit_price
                        .is_none_or(|(minor, _)| minor == row.unit_price_minor)
                    && line.discount_bp.is_none_or(|bp| bp == row.discount_bp)
            }))
    }
}
