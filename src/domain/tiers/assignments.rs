//! Which client is in which tier. A client has in each scheme at most one tier of its own (the base) and at
//! most one override, which goes before it until it expires. Assignments are ended, never changed or removed.

use chrono::{DateTime, Utc};
use entity::{
    AssignmentKind, ClientId, TierId, TierSchemeId, client, tier, tier_assignment, tier_scheme,
};
use sea_orm::ActiveValue::Set;
use sea_orm::ColumnTrait;
use sea_orm::sea_query::Order;

use super::{archived, default_scheme, require_manager, scheme_archived};
use crate::db::{Guard, LockedClient, Tx, Visible};
use crate::domain::{clients, text};
use crate::error::{Error, Result};
use crate::say;

/// Why an assignment ended whose time was up.
pub const EXPIRED: &str = "EXPIRED";

/// Why an assignment ended in whose place another came.
pub const REPLACED: &str = "REPLACED";

/// A client, and the assignment that was made or ended.
pub type Assigned = (Visible<client::Model>, Visible<tier_assignment::Model>);

/// Puts a client into a tier, in the place of the one it had in that scheme. An override goes on.
///
/// # Errors
/// `NOT_FOUND`, `BAD_USER_INPUT`, `FORBIDDEN` for reps; `RULE_VIOLATED` `tiers.unchanged` when it is in that
/// tier already, `tiers.archived`, `tiers.scheme_archived`, `clients.archived`.
pub async fn assign(
    tx: &Tx,
    client: ClientId,
    tier: TierId,
    kind: BaseKind,
    reason: &str,
) -> Result<Assigned> {
    let reason = text::text("reason", reason, 500)?;
    let (client, tier) = client_and_tier(tx, client, tier).await?;
    let present = holding(tx, &client, tier.scheme_id).await?;
    let bases: Vec<_> = present
        .iter()
        .filter(|row| row.kind != AssignmentKind::Override)
        .collect();
    if bases.iter().any(|base| base.tier_id == tier.id) {
        return Err(unchanged());
    }
    for base in bases {
        end(tx, base, REPLACED).await?;
    }
    let row = tier_assignment::ActiveModel {
        kind: Set(kind.kind()),
        ..assignment(tx, &tier, reason)
    };
    let made = tx
        .insert_under::<tier_assignment::Entity>(&client, row)
        .await?;
    tx.refresh_stats(&client).await?;
    Ok((client.into_inner(), made))
}

/// Puts a client into a tier against what it has by itself, until `expires_at`, in the place of the
/// override it had in that scheme.
///
/// # Errors
/// `NOT_FOUND`, `FORBIDDEN` for reps; `BAD_USER_INPUT`, also for an end that is not in the future;
/// `RULE_VIOLATED` `tiers.unchanged` for the same tier until the same instant, `tiers.archived`,
/// `tiers.scheme_archived`, `clients.archived`.
pub async fn override_until(
    tx: &Tx,
    client: ClientId,
    tier: TierId,
    expires_at: DateTime<Utc>,
    reason: &str,
) -> Result<Assigned> {
    let reason = text::text("reason", reason, 500)?;
    if expires_at <= tx.now() {
        return Err(Error::bad_input(
            "expiresAt",
            say!("an override ends in the future"),
        ));
    }
    let (client, tier) = client_and_tier(tx, client, tier).await?;
    let present = holding(tx, &client, tier.scheme_id).await?;
    let overrides: Vec<_> = present
        .iter()
        .filter(|row| row.kind == AssignmentKind::Override)
        .collect();
    if overrides
        .iter()
        .any(|row| row.tier_id == tier.id && row.expires_at == Some(expires_at))
    {
        return Err(unchanged());
    }
    for row in overrides {
        end(tx, row, REPLACED).await?;
    }
    let row = tier_assignment::ActiveModel {
        kind: Set(AssignmentKind::Override),
        expires_at: Set(Some(expires_at)),
        ..assignment(tx, &tier, reason)
    };
    let made = tx
        .insert_under::<tier_assignment::Entity>(&client, row)
        .await?;
    tx.refresh_stats(&client).await?;
    Ok((client.into_inner(), made))
}

/// Ends the override a client has in a scheme (the default one when none is named) before its time.
///
/// # Errors
/// `NOT_FOUND`, `BAD_USER_INPUT`, `FORBIDDEN` for reps; `RULE_VIOLATED` `tiers.no_override`.
pub async fn end_override(
    tx: &Tx,
    client: ClientId,
    scheme: Option<TierSchemeId>,
    reason: &str,
) -> Result<Assigned> {
    require_manager(tx)?;
    let reason = text::text("reason", reason, 500)?;
    tx.share(Guard::TierSchemes).await?;
    let scheme = match scheme {
        Some(id) => tx
            .select::<tier_scheme::Entity>()
            .id(id)
            .get()
            .await
            .map(Some)
            .map_err(|error| error.field("schemeId"))?,
        None => default_scheme(tx).await?,
    };
    let client = lock_client(tx, client).await?;
    let mut ended = None;
    if let Some(scheme) = scheme {
        for row in holding(tx, &client, scheme.id).await? {
            if row.kind == AssignmentKind::Override {
                ended = Some(end(tx, &row, &reason).await?);
            }
        }
    }
    let Some(ended) = ended else {
        return Err(Error::rule(
            "tiers.no_override",
            say!("this client has no override in this scheme"),
        ));
    };
    tx.refresh_stats(&client).await?;
    Ok((client.into_inner(), ended))
}

/// How a client comes to a tier that is no override.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseKind {
    /// Somebody put it there.
    Manual,
    /// By the scheme's rules.
    Computed,
    /// From an import.
    Imported,
}

impl BaseKind {
    fn kind(self) -> AssignmentKind {
        match self {
            Self::Manual => AssignmentKind::Manual,
            Self::Computed => AssignmentKind::Computed,
            Self::Imported => AssignmentKind::Imported,
        }
    }
}

/// Ends what is over of the assignments of `clients`, and works their statistics out anew. Says how many
/// clients that were.
///
/// # Errors
/// From the database.
pub async fn expire(tx: &Tx, clients: &[ClientId]) -> Result<usize> {
    let locked = tx.lock_clients(clients).await?;
    let over = tx
        .select::<tier_assignment::Entity>()
        .filter(tier_assignment::Column::ClientId.is_in(locked.iter().map(|client| client.id)))
        .filter(tier_assignment::Column::EndedAt.is_null())
        .filter(tier_assignment::Column::ExpiresAt.lte(tx.now()))
        .all()
        .await?;
    for row in &over {
        end(tx, row, EXPIRED).await?;
    }
    tx.refresh_stats_of(&locked).await?;
    Ok(locked.len())
}

async fn client_and_tier(
    tx: &Tx,
    client: ClientId,
    tier: TierId,
) -> Result<(LockedClient, Visible<tier::Model>)> {
    require_manager(tx)?;
    // Before the client, as everywhere, so that two such transactions cannot wait for each other.
    tx.share(Guard::TierSchemes).await?;
    let tier = tx
        .select::<tier::Entity>()
        .id(tier)
        .get()
        .await
        .map_err(|error| error.field("tierId"))?;
    if tier.archived_at.is_some() {
        return Err(archived().field("tierId"));
    }
    let scheme = tx
        .select::<tier_scheme::Entity>()
        .id(tier.scheme_id)
        .get()
        .await?;
    if scheme.archived_at.is_some() {
        return Err(scheme_archived().field("tierId"));
    }
    let client = lock_client(tx, client).await?;
    clients::require_active(&client)?;
    Ok((client, tier))
}

async fn lock_client(tx: &Tx, client: ClientId) -> Result<LockedClient> {
    let client = tx
        .lock_client(client)
        .await
        .map_err(|error| error.field("clientId"))?;
    clients::require_steward(tx, &client).await?;
    Ok(client)
}

/// The assignments of a client in a scheme that hold now. Those whose time is up are ended on the way.
async fn holding(
    tx: &Tx,
    client: &LockedClient,
    scheme: TierSchemeId,
) -> Result<Vec<Visible<tier_assignment::Model>>> {
    let open = tx
        .select::<tier_assignment::Entity>()
        .filter(tier_assignment::Column::ClientId.eq(client.id))
        .filter(tier_assignment::Column::SchemeId.eq(scheme))
        .filter(tier_assignment::Column::EndedAt.is_null())
        .order_by(tier_assignment::Column::Id, Order::Asc)
        .all()
        .await?;
    let mut holding = Vec::with_capacity(open.len());
    for row in open {
        if row.expires_at.is_some_and(|end| end <= tx.now()) {
            end(tx, &row, EXPIRED).await?;
        } else {
            holding.push(row);
        }
    }
    Ok(holding)
}

async fn end(
    tx: &Tx,
    row: &Visible<tier_assignment::Model>,
    reason: &str,
) -> Result<Visible<tier_assignment::Model>> {
    let change = tier_assignment::ActiveModel {
        ended_at: Set(Some(tx.now())),
        ended_reason: Set(Some(reason.to_owned())),
        ..Default::default()
    };
    tx.amend::<tier_assignment::Entity>(row, change).await
}

fn assignment(tx: &Tx, tier: &tier::Model, reason: String) -> tier_assignment::ActiveModel {
    tier_assignment::ActiveModel {
        id: Set(tx.new_id()),
        scheme_id: Set(tier.scheme_id),
        tier_id: Set(tier.id),
        reason: Set(reason),
        assigned_by_id: Set(tx.viewer().user_id()),
        assigned_at: Set(tx.now()),
        ..Default::default()
    }
}

fn unchanged() -> Error {
    Error::rule(
        "tiers.unchanged",
        say!("this client is in this tier already; nothing was changed"),
    )
    .field("tierId")
}
