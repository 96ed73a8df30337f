//! Tier schemes, their tiers with what these bring, and which client is in which tier, since when and why.
//!
//! A client has in each scheme at most one tier of its own (the base) and at most one override, which goes
//! before it until it expires. The scheme that is the default decides what `client_stats` shows.

use chrono::{DateTime, Utc};
use entity::{
    AssignmentKind, ClientId, TierId, TierSchemeId, client, tier, tier_assignment, tier_scheme,
};
use sea_orm::ActiveValue::Set;
use sea_orm::ColumnTrait;
use sea_orm::sea_query::Order;

use super::clients::{self, each, set};
use super::money::CurrencyCode;
use super::text;
use crate::db::{Guard, LockedClient, Tx, Visible};
use crate::error::{Code, Error, Result};

/// How many schemes there are at most, with those archived.
pub const MAX_SCHEMES: u64 = 100;

/// The lowest rank; also how many tiers of a scheme are in use at most.
pub const MAX_RANK: i32 = 100;

/// How many tiers one scheme has at most, with those archived.
pub const MAX_TIERS: u64 = 200;

/// Why an assignment ended whose time was up.
pub const EXPIRED: &str = "EXPIRED";

/// Why an assignment ended in whose place another came.
pub const REPLACED: &str = "REPLACED";

/// A scheme to be.
#[derive(Clone, Debug)]
pub struct NewScheme {
    /// An id the caller chose.
    pub id: Option<TierSchemeId>,
    /// Its id in another system.
    pub external_id: Option<String>,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it becomes the default. The first one does in any case.
    pub is_default: bool,
}

/// Changes to a scheme. An outer `None` keeps what is there; an inner `None` clears it.
#[derive(Clone, Debug, Default)]
pub struct SchemePatch {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<Option<String>>,
    /// Whether it is the default.
    pub is_default: Option<bool>,
}

/// A tier to be.
#[derive(Clone, Debug)]
pub struct NewTier {
    /// An id the caller chose.
    pub id: Option<TierId>,
    /// Its scheme.
    pub scheme: TierSchemeId,
    /// Its short name, unique in the scheme.
    pub code: String,
    /// Its name in full.
    pub name: String,
    /// Its place in the scheme; 1 is the highest.
    pub rank: i32,
    /// What it brings.
    pub benefits: Benefits,
}

/// Changes to a tier. `None` keeps what is there.
#[derive(Clone, Debug, Default)]
pub struct TierPatch {
    /// Its short name.
    pub code: Option<String>,
    /// Its name in full.
    pub name: Option<String>,
    /// Its place in the scheme.
    pub rank: Option<i32>,
    /// What it brings.
    pub benefits: Benefits,
}

/// What a tier brings its clients. An outer `None` keeps what is there; an inner `None` clears it.
#[derive(Clone, Debug, Default)]
pub struct Benefits {
    /// Discount in basis points, 0 to 10,000.
    pub discount_bp: Option<Option<i32>>,
    /// What points are multiplied by, in basis points (10,000 is once), 0 to 1,000,000.
    pub points_multiplier_bp: Option<Option<i32>>,
    /// Days within which a client should be visited again, 1 to 3,650.
    pub visit_cadence_days: Option<Option<i32>>,
    /// Days from an order to its due day, 0 to 3,650.
    pub payment_term_days: Option<Option<i32>>,
    /// How much a client may owe, in minor units, 0 or more, and its currency.
    pub credit_limit: Option<Option<(i64, CurrencyCode)>>,
    /// Hours within which a client is answered, 1 to 8,760.
    pub response_hours: Option<Option<i32>>,
}

/// A client, and the assignment that was made or ended.
pub type Assigned = (Visible<client::Model>, Visible<tier_assignment::Model>);

/// Adds a scheme. The first one in use becomes the default; another that wants to be takes its place.
///
/// # Errors
/// `FORBIDDEN` for reps; `BAD_USER_INPUT`; `CONFLICT`; `RULE_VIOLATED` `tiers.too_many_schemes`.
pub async fn create_scheme(tx: &Tx, new: NewScheme) -> Result<Visible<tier_scheme::Model>> {
    require_manager(tx)?;
    let NewScheme {
        id,
        external_id,
        name,
        description,
        is_default,
    } = new;
    tx.hold(Guard::TierSchemes).await?;
    let now = tx.now();
    let row = tier_scheme::ActiveModel {
        id: Set(id.unwrap_or_else(|| tx.new_id())),
        external_id: Set(text::optional_text(
            "externalId",
            external_id.as_deref(),
            100,
        )?),
        name: Set(text::text("name", &name, 100)?),
        description: Set(text::optional_long_text(
            "description",
            description.as_deref(),
            2_000,
        )?),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        archived_at: Set(None),
        ..Default::default()
    };
    if let Some(existing) = tx.existing::<tier_scheme::Entity>(id, &row).await? {
        return Ok(existing);
    }
    let count = tx
        .select::<tier_scheme::Entity>()
        .count(MAX_SCHEMES)
        .await?;
    if count >= MAX_SCHEMES {
        return Err(Error::rule(
            "tiers.too_many_schemes",
            format!("there are at most {MAX_SCHEMES} tier schemes"),
        ));
    }
    let present = default_scheme(tx).await?;
    let becomes_default = is_default || present.is_none();
    let row = tier_scheme::ActiveModel {
        is_default: Set(becomes_default),
        ..row
    };
    if becomes_default {
        depose(tx, present.as_ref()).await?;
    }
    let created = tx.insert::<tier_scheme::Entity>(row).await?;
    if becomes_default {
        let before = present.map(|scheme| scheme.id);
        tx.refresh_stats_in_schemes(before, Some(created.id))
            .await?;
    }
    Ok(created)
}

/// Changes a scheme whose version is still `version`. A new default takes the place of the one before, and
/// every client shows its tier in the new one.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`, `FORBIDDEN` for reps; `RULE_VIOLATED`
/// `tiers.default_needed` when the default would be none, `tiers.scheme_archived`.
pub async fn update_scheme(
    tx: &Tx,
    id: TierSchemeId,
    version: i64,
    patch: SchemePatch,
) -> Result<Visible<tier_scheme::Model>> {
    require_manager(tx)?;
    tx.hold(Guard::TierSchemes).await?;
    let SchemePatch {
        name,
        description,
        is_default,
    } = patch;
    let scheme = tx.select::<tier_scheme::Entity>().id(id).get().await?;
    if is_default == Some(false) && scheme.is_default {
        return Err(default_needed().field("isDefault"));
    }
    let becomes_default = is_default == Some(true) && !scheme.is_default;
    if becomes_default && scheme.archived_at.is_some() {
        return Err(scheme_archived().field("isDefault"));
    }
    let row = tier_scheme::ActiveModel {
        name: set(name
            .map(|name| text::text("name", &name, 100))
            .transpose()?),
        description: set(each(description, |value| {
            text::long_text("description", value, 2_000)
        })?),
        is_default: set(is_default),
        ..Default::default()
    };
    let before = default_scheme(tx).await?;
    if becomes_default {
        depose(tx, before.as_ref()).await?;
    }
    let updated = tx
        .update::<tier_scheme::Entity>(&scheme, Some(version), row)
        .await?;
    if becomes_default {
        tx.refresh_stats_in_schemes(before.map(|scheme| scheme.id), Some(id))
            .await?;
    }
    Ok(updated)
}

/// Hides a scheme. What clients have in it stays in their history. The default can be hidden only when no
/// other is in use.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `FORBIDDEN` for reps; `RULE_VIOLATED` `tiers.scheme_archived`,
/// `tiers.default_needed`.
pub async fn archive_scheme(
    tx: &Tx,
    id: TierSchemeId,
    version: i64,
) -> Result<Visible<tier_scheme::Model>> {
    require_manager(tx)?;
    tx.hold(Guard::TierSchemes).await?;
    let scheme = tx.select::<tier_scheme::Entity>().id(id).get().await?;
    if scheme.archived_at.is_some() {
        return Err(scheme_archived());
    }
    let others = tx
        .select::<tier_scheme::Entity>()
        .filter(tier_scheme::Column::ArchivedAt.is_null())
        .filter(tier_scheme::Column::Id.ne(id))
        .exists()
        .await?;
    if scheme.is_default && others {
        return Err(default_needed());
    }
    let row = tier_scheme::ActiveModel {
        archived_at: Set(Some(tx.now())),
        is_default: Set(false),
        ..Default::default()
    };
    let archived = tx
        .update::<tier_scheme::Entity>(&scheme, Some(version), row)
        .await?;
    if scheme.is_default {
        tx.refresh_stats_in_schemes(Some(id), None).await?;
    }
    Ok(archived)
}

/// Brings an archived scheme back; it becomes the default when there is none.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `FORBIDDEN` for reps; `RULE_VIOLATED` `tiers.scheme_not_archived`.
pub async fn restore_scheme(
    tx: &Tx,
    id: TierSchemeId,
    version: i64,
) -> Result<Visible<tier_scheme::Model>> {
    require_manager(tx)?;
    tx.hold(Guard::TierSchemes).await?;
    let scheme = tx.select::<tier_scheme::Entity>().id(id).get().await?;
    if scheme.archived_at.is_none() {
        return Err(Error::rule(
            "tiers.scheme_not_archived",
            "this tier scheme is not archived",
        ));
    }
    let becomes_default = default_scheme(tx).await?.is_none();
    let row = tier_scheme::ActiveModel {
        archived_at: Set(None),
        is_default: Set(becomes_default),
        ..Default::default()
    };
    let restored = tx
        .update::<tier_scheme::Entity>(&scheme, Some(version), row)
        .await?;
    if becomes_default {
        tx.refresh_stats_in_schemes(None, Some(id)).await?;
    }
    Ok(restored)
}

/// Adds a tier to a scheme.
///
/// # Errors
/// `NOT_FOUND` for the scheme; `FORBIDDEN` for reps; `BAD_USER_INPUT`; `CONFLICT`; `RULE_VIOLATED`
/// `tiers.scheme_archived`, `tiers.code_taken`, `tiers.rank_taken`, `tiers.too_many`.
pub async fn create(tx: &Tx, new: NewTier) -> Result<Visible<tier::Model>> {
    require_manager(tx)?;
    let NewTier {
        id,
        scheme,
        code,
        name,
        rank,
        benefits,
    } = new;
    tx.hold(Guard::TierSchemes).await?;
    let scheme = tx
        .select::<tier_scheme::Entity>()
        .id(scheme)
        .get()
        .await
        .map_err(|error| error.field("schemeId"))?;
    if scheme.archived_at.is_some() {
        return Err(scheme_archived().field("schemeId"));
    }
    let now = tx.now();
    let code = text::text("code", &code, 20)?;
    let row = tier::ActiveModel {
        id: Set(id.unwrap_or_else(|| tx.new_id())),
        scheme_id: Set(scheme.id),
        code: Set(code.clone()),
        name: Set(text::text("name", &name, 100)?),
        rank: Set(check_rank(rank)?),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        archived_at: Set(None),
        ..Default::default()
    };
    let row = apply(row, benefits)?;
    if let Some(existing) = tx.existing::<tier::Entity>(id, &row).await? {
        return Ok(existing);
    }
    let others = tiers_of(tx, scheme.id).await?;
    if u64::try_from(others.len()).unwrap_or(u64::MAX) >= MAX_TIERS {
        return Err(Error::rule(
            "tiers.too_many",
            format!("a scheme has at most {MAX_TIERS} tiers"),
        ));
    }
    check_free(&others, None, Some(&code), Some(rank))?;
    tx.insert::<tier::Entity>(row).await
}

/// Changes a tier whose version is still `version`.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`, `FORBIDDEN` for reps; `RULE_VIOLATED` `tiers.code_taken`,
/// `tiers.rank_taken`.
pub async fn update(
    tx: &Tx,
    id: TierId,
    version: i64,
    patch: TierPatch,
) -> Result<Visible<tier::Model>> {
    require_manager(tx)?;
    let TierPatch {
        code,
        name,
        rank,
        benefits,
    } = patch;
    tx.hold(Guard::TierSchemes).await?;
    let present = tx.select::<tier::Entity>().id(id).get().await?;
    let code = code.map(|code| text::text("code", &code, 20)).transpose()?;
    let rank = rank.map(check_rank).transpose()?;
    let others = tiers_of(tx, present.scheme_id).await?;
    // An archived tier holds no rank; it is checked when it comes back.
    let rank_to_check = rank.filter(|_| present.archived_at.is_none());
    check_free(&others, Some(id), code.as_deref(), rank_to_check)?;
    let row = tier::ActiveModel {
        code: set(code),
        name: set(name
            .map(|name| text::text("name", &name, 100))
            .transpose()?),
        rank: set(rank),
        ..Default::default()
    };
    let row = apply(row, benefits)?;
    tx.update::<tier::Entity>(&present, Some(version), row)
        .await
}

/// Hides a tier that no client is in.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `FORBIDDEN` for reps; `RULE_VIOLATED` `tiers.in_use`, `tiers.archived`.
pub async fn archive(tx: &Tx, id: TierId, version: i64) -> Result<Visible<tier::Model>> {
    require_manager(tx)?;
    tx.hold(Guard::TierSchemes).await?;
    let present = tx.select::<tier::Entity>().id(id).get().await?;
    if present.archived_at.is_some() {
        return Err(archived());
    }
    if tx.is_tier_in_use(id).await? {
        return Err(Error::rule(
            "tiers.in_use",
            "clients are in this tier; put them into others first",
        ));
    }
    let row = tier::ActiveModel {
        archived_at: Set(Some(tx.now())),
        ..Default::default()
    };
    tx.update::<tier::Entity>(&present, Some(version), row)
        .await
}

/// Brings an archived tier back.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `FORBIDDEN` for reps; `RULE_VIOLATED` `tiers.not_archived`,
/// `tiers.rank_taken`.
pub async fn restore(tx: &Tx, id: TierId, version: i64) -> Result<Visible<tier::Model>> {
    require_manager(tx)?;
    tx.hold(Guard::TierSchemes).await?;
    let present = tx.select::<tier::Entity>().id(id).get().await?;
    if present.archived_at.is_none() {
        return Err(Error::rule(
            "tiers.not_archived",
            "this tier is not archived",
        ));
    }
    let others = tiers_of(tx, present.scheme_id).await?;
    check_free(&others, Some(id), None, Some(present.rank))?;
    let row = tier::ActiveModel {
        archived_at: Set(None),
        ..Default::default()
    };
    tx.update::<tier::Entity>(&present, Some(version), row)
        .await
}

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
            "an override ends in the future",
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
            "this client has no override in this scheme",
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

/// The default scheme, made with tiers A, B and C by value when there is no scheme at all. Its tiers set no
/// credit limit: in which currency, only the company knows.
///
/// # Errors
/// `FORBIDDEN` for reps; from the database.
pub async fn ensure_default(tx: &Tx) -> Result<Visible<tier_scheme::Model>> {
    if let Some(scheme) = default_scheme(tx).await? {
        return Ok(scheme);
    }
    let scheme = create_scheme(
        tx,
        NewScheme {
            id: None,
            external_id: None,
            name: "Value".to_owned(),
            description: Some(
                "By value to us: A the few that bring most, B those that carry the business, C the rest."
                    .to_owned(),
            ),
            is_default: true,
        },
    )
    .await?;
    let tiers = [
        ("A", "Key clients", 500, 20_000, 14, 60, 4),
        ("B", "Regular clients", 200, 12_500, 30, 30, 24),
        ("C", "Occasional clients", 0, 10_000, 90, 15, 48),
    ];
    for (rank, (code, name, discount, points, cadence, term, hours)) in (1..).zip(tiers) {
        let benefits = Benefits {
            discount_bp: Some(Some(discount)),
            points_multiplier_bp: Some(Some(points)),
            visit_cadence_days: Some(Some(cadence)),
            payment_term_days: Some(Some(term)),
            credit_limit: None,
            response_hours: Some(Some(hours)),
        };
        let new = NewTier {
            id: None,
            scheme: scheme.id,
            code: code.to_owned(),
            name: name.to_owned(),
            rank,
            benefits,
        };
        create(tx, new).await?;
    }
    Ok(scheme)
}

fn require_manager(tx: &Tx) -> Result<()> {
    if tx.viewer().is_manager() {
        return Ok(());
    }
    Err(Error::new(
        Code::Forbidden,
        "only managers and administrators may change tiers and who is in them",
    ))
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
    tx.lock_client(client)
        .await
        .map_err(|error| error.field("clientId"))
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

async fn default_scheme(tx: &Tx) -> Result<Option<Visible<tier_scheme::Model>>> {
    tx.select::<tier_scheme::Entity>()
        .filter(tier_scheme::Column::IsDefault.eq(true))
        .filter(tier_scheme::Column::ArchivedAt.is_null())
        .find()
        .await
}

/// Takes the mark of the default off the scheme that has it.
async fn depose(tx: &Tx, present: Option<&Visible<tier_scheme::Model>>) -> Result<()> {
    if let Some(present) = present {
        let row = tier_scheme::ActiveModel {
            is_default: Set(false),
            ..Default::default()
        };
        tx.update::<tier_scheme::Entity>(present, None, row).await?;
    }
    Ok(())
}

async fn tiers_of(tx: &Tx, scheme: TierSchemeId) -> Result<Vec<Visible<tier::Model>>> {
    tx.select::<tier::Entity>()
        .filter(tier::Column::SchemeId.eq(scheme))
        .all()
        .await
}

/// A code is unique in its scheme, a rank among the tiers in use.
fn check_free(
    others: &[Visible<tier::Model>],
    own: Option<TierId>,
    code: Option<&str>,
    rank: Option<i32>,
) -> Result<()> {
    for other in others.iter().filter(|other| Some(other.id) != own) {
        if code == Some(other.code.as_str()) {
            return Err(Error::rule(
                "tiers.code_taken",
                "another tier of this scheme has this code, perhaps an archived one",
            )
            .field("code"));
        }
        if rank == Some(other.rank) && other.archived_at.is_none() {
            return Err(Error::rule(
                "tiers.rank_taken",
                "another tier of this scheme has this rank",
            )
            .field("rank"));
        }
    }
    Ok(())
}

fn check_rank(rank: i32) -> Result<i32> {
    within("rank", "the rank", rank, 1, MAX_RANK)
}

fn within(field: &str, what: &str, number: i32, least: i32, most: i32) -> Result<i32> {
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    Err(Error::bad_input(
        field,
        format!("{what} is {least} to {most}"),
    ))
}

fn apply(row: tier::ActiveModel, benefits: Benefits) -> Result<tier::ActiveModel> {
    let Benefits {
        discount_bp,
        points_multiplier_bp,
        visit_cadence_days,
        payment_term_days,
        credit_limit,
        response_hours,
    } = benefits;
    for (field, what, value, least, most) in [
        ("discountBp", "the discount", discount_bp, 0, 10_000),
        (
            "pointsMultiplierBp",
            "the multiplier of points",
            points_multiplier_bp,
            0,
            1_000_000,
        ),
        (
            "visitCadenceDays",
            "the cadence of visits",
            visit_cadence_days,
            1,
            3_650,
        ),
        (
            "paymentTermDays",
            "the payment term",
            payment_term_days,
            0,
            3_650,
        ),
        (
            "responseHours",
            "the time to answer",
            response_hours,
            1,
            8_760,
        ),
    ] {
        if let Some(number) = value.flatten() {
            within(field, what, number, least, most)?;
        }
    }
    if let Some(Some((limit, _))) = credit_limit
        && limit < 0
    {
        return Err(Error::bad_input(
            "creditLimit",
            "the credit limit is 0 or more",
        ));
    }
    Ok(tier::ActiveModel {
        discount_bp: set(discount_bp),
        points_multiplier_bp: set(points_multiplier_bp),
        visit_cadence_days: set(visit_cadence_days),
        payment_term_days: set(payment_term_days),
        credit_limit_minor: set(credit_limit.map(|limit| limit.map(|(minor, _)| minor))),
        credit_limit_currency: set(
            credit_limit.map(|limit| limit.map(|(_, currency)| currency.as_str().to_owned()))
        ),
        response_hours: set(response_hours),
        ..row
    })
}

fn unchanged() -> Error {
    Error::rule(
        "tiers.unchanged",
        "this client is in this tier already; nothing was changed",
    )
    .field("tierId")
}

fn archived() -> Error {
    Error::rule("tiers.archived", "this tier is archived")
}

fn scheme_archived() -> Error {
    Error::rule("tiers.scheme_archived", "this tier scheme is archived")
}

fn default_needed() -> Error {
    Error::rule(
        "tiers.default_needed",
        "one scheme is the default; make another one the default instead",
    )
}
