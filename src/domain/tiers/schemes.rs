//! Tier schemes. While any is in use, one is the default: it decides what `client_stats` shows.

use entity::{TierSchemeId, tier_scheme};
use sea_orm::ActiveValue::Set;
use sea_orm::ColumnTrait;

use super::{default_scheme, require_manager, scheme_archived};
use crate::db::{Guard, Tx, Visible};
use crate::domain::clients::{each, set};
use crate::domain::text;
use crate::error::{Error, Result};
use crate::say;

/// How many schemes there are at most, with those archived.
pub const MAX_SCHEMES: u64 = 100;

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
            say!("there are at most {most} tier schemes", most = MAX_SCHEMES),
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
            say!("this tier scheme is not archived"),
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

fn default_needed() -> Error {
    Error::rule(
        "tiers.default_needed",
        say!("one scheme is the default; make another one the default instead"),
    )
}
