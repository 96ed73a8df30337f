//! What an order must know of the client that buys, in one statement.

use sea_orm::{FromQueryResult, Statement};

use super::tx::{LockedClient, Tx};
use crate::error::{Error, Result};

/// What a client brings to an order: its tier in the default scheme, what it owes, and where its goods go.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Buying {
    /// The tier's discount in basis points.
    pub discount_bp: Option<i32>,
    /// The tier's days from an order to the day it is due.
    pub payment_term_days: Option<i32>,
    /// Up to how much the tier lets a client owe, in minor units.
    pub credit_limit_minor: Option<i64>,
    /// The currency of that limit.
    pub credit_limit_currency: Option<String>,
    /// What the client owes on approved orders, in minor units of its currency. Negative when it paid too much.
    pub receivable_minor: i64,
    /// Whether it has a primary shipping address; its parts are below.
    pub has_address: bool,
    /// Who receives goods there.
    pub recipient: Option<String>,
    /// Street and number.
    pub street: Option<String>,
    /// The city.
    pub city: Option<String>,
    /// The province, state or county.
    pub region: Option<String>,
    /// The postal code.
    pub postal_code: Option<String>,
    /// The country.
    pub country: Option<String>,
}

impl Tx {
    /// What `client` brings to an order. The tier is that of the assignments, since an override that is over brings
    /// nothing more. What the client owes is what its statistics say: these change in the transaction that changes
    /// its orders, under the same lock.
    ///
    /// # Errors
    /// From the database.
    pub async fn buying(&self, client: &LockedClient) -> Result<Buying> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT t.discount_bp, t.payment_term_days, t.credit_limit_minor, t.credit_limit_currency, \
             COALESCE(s.receivable_minor, 0) AS receivable_minor, a.id IS NOT NULL AS has_address, \
             a.recipient, a.street, a.city, a.region, a.postal_code, a.country \
             FROM clients c LEFT JOIN client_stats s ON s.client_id = c.id LEFT JOIN tiers t ON t.id = \
             (SELECT x.tier_id FROM tier_assignments x JOIN tier_schemes y ON y.id = x.scheme_id \
             WHERE x.client_id = c.id AND y.is_default AND y.archived_at IS NULL AND x.ended_at IS NULL \
             AND (x.expires_at IS NULL OR x.expires_at > $2) ORDER BY CASE WHEN x.kind = 'OVERRIDE' THEN 0 \
             ELSE 1 END, x.assigned_at DESC, x.id DESC LIMIT 1) \
             LEFT JOIN addresses a ON a.client_id = c.id AND a.kind = 'SHIPPING' AND a.is_primary \
             AND a.archived_at IS NULL WHERE c.id = $1 ORDER BY a.id LIMIT 1",
            [client.id.into(), self.now().into()],
        );
        let row = self
            .query_one_raw(statement)
            .await?
            .ok_or_else(|| Error::bug("a client that is held is gone"))?;
        Ok(Buying::from_query_result(&row, "")?)
    }
}
