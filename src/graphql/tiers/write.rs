//! Changing schemes, tiers, and who is in which.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::{ClientId, TierId, TierSchemeId, tier, tier_scheme};

use super::{Tier, TierAssignment, TierScheme};
use crate::db::Visible;
use crate::domain::tiers::{
    self, Assigned, BaseKind, Benefits, NewScheme, NewTier, SchemePatch, TierPatch,
};
use crate::error::Result;
use crate::graphql::clients::Client;
use crate::graphql::context::write;
use crate::graphql::input::{optional, required};
use crate::graphql::scalars::{DateTime, MoneyInput};

/// A tier scheme to record.
#[derive(Clone, Debug, InputObject)]
pub struct TierSchemeCreateInput {
    /// An id made by the caller (`tier_scheme_` and a UUID). Sending the same create again with it answers the scheme that is there.
    id: Option<TierSchemeId>,
    /// The id in another system, unique among schemes.
    external_id: Option<String>,
    /// The name, 1 to 100 characters.
    name: String,
    /// What it is for, at most 2,000 characters.
    description: Option<String>,
    /// Whether it becomes the default in the place of the present one. The first scheme does in any case.
    #[graphql(default)]
    is_default: bool,
}

/// Changes to a tier scheme. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, InputObject)]
pub struct TierSchemeUpdateInput {
    /// The scheme.
    id: TierSchemeId,
    /// The version you saw.
    version: i32,
    /// The name, 1 to 100 characters.
    name: MaybeUndefined<String>,
    /// What it is for, at most 2,000 characters.
    description: MaybeUndefined<String>,
    /// True makes it the default in the place of the present one.
    is_default: MaybeUndefined<bool>,
}

/// Names a tier scheme in the version you saw.
#[derive(Clone, Debug, InputObject)]
pub struct TierSchemeVersionInput {
    /// The scheme.
    id: TierSchemeId,
    /// The version you saw.
    version: i32,
}

/// What a tier brings its clients. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, Default, InputObject)]
pub struct TierBenefitsInput {
    /// The discount on orders in basis points (hundredths of a per cent), 0 to 10000.
    discount_bp: MaybeUndefined<i32>,
    /// What points are multiplied by, in basis points (10000 is once), 0 to 1000000.
    points_multiplier_bp: MaybeUndefined<i32>,
    /// Days within which a client should be visited again, 1 to 3650.
    visit_cadence_days: MaybeUndefined<i32>,
    /// Days from an order to the day it is due, 0 to 3650.
    payment_term_days: MaybeUndefined<i32>,
    /// Up to how much a client may owe, 0 or more.
    credit_limit: MaybeUndefined<MoneyInput>,
    /// Hours within which a client is answered, 1 to 8760.
    response_hours: MaybeUndefined<i32>,
}

impl TierBenefitsInput {
    fn parse(self) -> Result<Benefits> {
        let Self {
            discount_bp,
            points_multiplier_bp,
            visit_cadence_days,
            payment_term_days,
            credit_limit,
            response_hours,
        } = self;
        let credit_limit = match optional(credit_limit) {
            Some(Some(limit)) => Some(Some(limit.parse("creditLimit")?)),
            Some(None) => Some(None),
            None => None,
        };
        Ok(Benefits {
            discount_bp: optional(discount_bp),
            points_multiplier_bp: optional(points_multiplier_bp),
            visit_cadence_days: optional(visit_cadence_days),
            payment_term_days: optional(payment_term_days),
            credit_limit,
            response_hours: optional(response_hours),
        })
    }
}

/// A tier to record.
#[derive(Clone, Debug, InputObject)]
pub struct TierCreateInput {
    /// An id made by the caller (`tier_` and a UUID). Sending the same create again with it answers the tier that is there.
    id: Option<TierId>,
    /// The scheme; it stays so.
    scheme_id: TierSchemeId,
    /// The short name, 1 to 20 characters, unique in its scheme.
    code: String,
    /// The name in full, 1 to 100 characters.
    name: String,
    /// The place in the scheme, 1 (highest) to 100, unique among its tiers in use.
    rank: i32,
    /// What it brings its clients.
    #[graphql(flatten)]
    benefits: TierBenefitsInput,
}

/// Changes to a tier. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, InputObject)]
pub struct TierUpdateInput {
    /// The tier.
    id: TierId,
    /// The version you saw.
    version: i32,
    /// The short name, 1 to 20 characters, unique in its scheme.
    code: MaybeUndefined<String>,
    /// The name in full, 1 to 100 characters.
    name: MaybeUndefined<String>,
    /// The place in the scheme, 1 (highest) to 100, unique among its tiers in use.
    rank: MaybeUndefined<i32>,
    /// What it brings its clients.
    #[graphql(flatten)]
    benefits: TierBenefitsInput,
}

/// Names a tier in the version you saw.
#[derive(Clone, Debug, InputObject)]
pub struct TierVersionInput {
    /// The tier.
    id: TierId,
    /// The version you saw.
    version: i32,
}

/// Puts a client into a tier.
#[derive(Clone, Debug, InputObject)]
pub struct ClientTierAssignInput {
    /// The client.
    client_id: ClientId,
    /// The tier; it takes the place of the one the client has in that scheme.
    tier_id: TierId,
    /// Why, 1 to 500 characters.
    reason: String,
}

/// Puts a client into a tier for a time, against the one it has by itself.
#[derive(Clone, Debug, InputObject)]
pub struct ClientTierOverrideInput {
    /// The client.
    client_id: ClientId,
    /// The tier; it goes before the one the client has in that scheme by itself.
    tier_id: TierId,
    /// Until when; in the future.
    expires_at: DateTime,
    /// Why, 1 to 500 characters.
    reason: String,
}

/// Ends an override before its time.
#[derive(Clone, Debug, InputObject)]
pub struct ClientTierOverrideEndInput {
    /// The client.
    client_id: ClientId,
    /// The scheme; the default one when absent.
    scheme_id: Option<TierSchemeId>,
    /// Why, 1 to 500 characters.
    reason: String,
}

/// The tier scheme after the change.
#[derive(SimpleObject)]
pub struct TierSchemePayload {
    /// The scheme.
    tier_scheme: TierScheme,
}

impl From<Visible<tier_scheme::Model>> for TierSchemePayload {
    fn from(row: Visible<tier_scheme::Model>) -> Self {
        Self {
            tier_scheme: TierScheme(row),
        }
    }
}

/// The tier after the change.
#[derive(SimpleObject)]
pub struct TierPayload {
    /// The tier.
    tier: Tier,
}

impl From<Visible<tier::Model>> for TierPayload {
    fn from(row: Visible<tier::Model>) -> Self {
        Self { tier: Tier(row) }
    }
}

/// The client after the change.
#[derive(SimpleObject)]
pub struct ClientTierPayload {
    /// The client.
    client: Client,
    /// The assignment that was made or ended.
    tier_assignment: TierAssignment,
}

impl From<Assigned> for ClientTierPayload {
    fn from((client, assignment): Assigned) -> Self {
        Self {
            client: Client(client),
            tier_assignment: TierAssignment(assignment),
        }
    }
}

/// Writing tiers.
#[derive(Default)]
pub struct TierMutation;

#[Object]
impl TierMutation {
    /// Records a tier scheme. Managers and administrators.
    async fn tier_scheme_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The scheme to record.")] input: TierSchemeCreateInput,
    ) -> Result<TierSchemePayload> {
        let TierSchemeCreateInput {
            id,
            external_id,
            name,
            description,
            is_default,
        } = input;
        let new = NewScheme {
            id,
            external_id,
            name,
            description,
            is_default,
        };
        let row = write(ctx, move |tx| {
            let new = new.clone();
            async move { tiers::create_scheme(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Changes a tier scheme, or makes it the default. Managers and administrators.
    async fn tier_scheme_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The scheme and the changes.")] input: TierSchemeUpdateInput,
    ) -> Result<TierSchemePayload> {
        let TierSchemeUpdateInput {
            id,
            version,
            name,
            description,
            is_default,
        } = input;
        let patch = SchemePatch {
            name: required("name", name).map_err(|error| error.under("input"))?,
            description: optional(description),
            is_default: required("isDefault", is_default).map_err(|error| error.under("input"))?,
        };
        let row = write(ctx, move |tx| {
            let patch = patch.clone();
            async move { tiers::update_scheme(&tx, id, i64::from(version), patch).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Hides a tier scheme. Nothing is lost; it can be restored. Managers and administrators.
    async fn tier_scheme_archive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The scheme to hide.")] input: TierSchemeVersionInput,
    ) -> Result<TierSchemePayload> {
        let TierSchemeVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            tiers::archive_scheme(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Brings an archived tier scheme back. Managers and administrators.
    async fn tier_scheme_restore(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The scheme to bring back.")] input: TierSchemeVersionInput,
    ) -> Result<TierSchemePayload> {
        let TierSchemeVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            tiers::restore_scheme(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Records a tier of a scheme. Managers and administrators.
    async fn tier_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tier to record.")] input: TierCreateInput,
    ) -> Result<TierPayload> {
        let TierCreateInput {
            id,
            scheme_id,
            code,
            name,
            rank,
            benefits,
        } = input;
        let new = NewTier {
            id,
            scheme: scheme_id,
            code,
            name,
            rank,
            benefits: benefits.parse().map_err(|error| error.under("input"))?,
        };
        let row = write(ctx, move |tx| {
            let new = new.clone();
            async move { tiers::create(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Changes a tier. Managers and administrators.
    async fn tier_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tier and the changes.")] input: TierUpdateInput,
    ) -> Result<TierPayload> {
        let TierUpdateInput {
            id,
            version,
            code,
            name,
            rank,
            benefits,
        } = input;
        let patch = TierPatch {
            code: required("code", code).map_err(|error| error.under("input"))?,
            name: required("name", name).map_err(|error| error.under("input"))?,
            rank: required("rank", rank).map_err(|error| error.under("input"))?,
            benefits: benefits.parse().map_err(|error| error.under("input"))?,
        };
        let row = write(ctx, move |tx| {
            let patch = patch.clone();
            async move { tiers::update(&tx, id, i64::from(version), patch).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Hides a tier that no client is in. It can be restored. Managers and administrators.
    async fn tier_archive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tier to hide.")] input: TierVersionInput,
    ) -> Result<TierPayload> {
        let TierVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            tiers::archive(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Brings an archived tier back. Managers and administrators.
    async fn tier_restore(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tier to bring back.")] input: TierVersionInput,
    ) -> Result<TierPayload> {
        let TierVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            tiers::restore(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Puts a client into a tier, in the place of the one it had in that scheme. Managers and administrators.
    async fn client_tier_assign(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client, the tier and why.")] input: ClientTierAssignInput,
    ) -> Result<ClientTierPayload> {
        let ClientTierAssignInput {
            client_id,
            tier_id,
            reason,
        } = input;
        let assigned = write(ctx, move |tx| {
            let reason = reason.clone();
            async move { tiers::assign(&tx, client_id, tier_id, BaseKind::Manual, &reason).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(assigned.into())
    }

    /// Puts a client into a tier until an instant, whatever it has by itself. Managers and administrators.
    async fn client_tier_override(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client, the tier, until when and why.")]
        input: ClientTierOverrideInput,
    ) -> Result<ClientTierPayload> {
        let ClientTierOverrideInput {
            client_id,
            tier_id,
            expires_at,
            reason,
        } = input;
        let assigned =
            write(ctx, move |tx| {
                let reason = reason.clone();
                async move {
                    tiers::override_until(&tx, client_id, tier_id, expires_at.0, &reason).await
                }
            })
            .await
            .map_err(|error| error.under("input"))?;
        Ok(assigned.into())
    }

    /// Ends an override before its time; the client's own tier holds again. Managers and administrators.
    async fn client_tier_override_end(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client, the scheme and why.")] input: ClientTierOverrideEndInput,
    ) -> Result<ClientTierPayload> {
        let ClientTierOverrideEndInput {
            client_id,
            scheme_id,
            reason,
        } = input;
        let assigned = write(ctx, move |tx| {
            let reason = reason.clone();
            async move { tiers::end_override(&tx, client_id, scheme_id, &reason).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(assigned.into())
    }
}
