//! Tier schemes, their tiers with what these bring, and which client is in which tier, since when and why.

mod assignments;
mod schemes;

pub use assignments::*;
pub use schemes::*;

use entity::{TierId, TierSchemeId, tier, tier_scheme};
use sea_orm::ActiveValue::Set;
use sea_orm::ColumnTrait;

use super::clients::set;
use super::money::CurrencyCode;
use super::text;
use crate::db::{Guard, Tx, Visible};
use crate::error::{Code, Error, Result};
use crate::messages::Message;
use crate::say;

/// The lowest rank; also how many tiers of a scheme are in use at most.
pub const MAX_RANK: i32 = 100;

/// How many tiers one scheme has at most, with those archived.
pub const MAX_TIERS: u64 = 200;

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
#[derive(Clone, Copy, Debug, Default)]
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
            say!("a scheme has at most {most} tiers", most = MAX_TIERS),
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
            say!("clients are in this tier; put them into others first"),
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
            say!("this tier is not archived"),
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
        say!("only managers and administrators may change tiers and who is in them"),
    ))
}

async fn default_scheme(tx: &Tx) -> Result<Option<Visible<tier_scheme::Model>>> {
    tx.select::<tier_scheme::Entity>()
        .filter(tier_scheme::Column::IsDefault.eq(true))
        .filter(tier_scheme::Column::ArchivedAt.is_null())
        .find()
        .await
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
                say!("another tier of this scheme has this code, perhaps an archived one"),
            )
            .field("code"));
        }
        if rank == Some(other.rank) && other.archived_at.is_none() {
            return Err(Error::rule(
                "tiers.rank_taken",
                say!("another tier of this scheme has this rank"),
            )
            .field("rank"));
        }
    }
    Ok(())
}

fn check_rank(rank: i32) -> Result<i32> {
    within("rank", say!("the rank"), rank, 1, MAX_RANK)
}

fn within(field: &str, what: Message, number: i32, least: i32, most: i32) -> Result<i32> {
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    Err(Error::bad_input(
        field,
        say!("{what} is {least} to {most}", what, least, most),
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
        ("discountBp", say!("the discount"), discount_bp, 0, 10_000),
        (
            "pointsMultiplierBp",
            say!("the multiplier of points"),
            points_multiplier_bp,
            0,
            1_000_000,
        ),
        (
            "visitCadenceDays",
            say!("the cadence of visits"),
            visit_cadence_days,
            1,
            3_650,
        ),
        (
            "paymentTermDays",
            say!("the payment term"),
            payment_term_days,
            0,
            3_650,
        ),
        (
            "responseHours",
            say!("the time to answer"),
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
            say!("the credit limit is 0 or more"),
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

fn archived() -> Error {
    Error::rule("tiers.archived", say!("this tier is archived"))
}

fn scheme_archived() -> Error {
    Error::rule(
        "tiers.scheme_archived",
        say!("this tier scheme is archived"),
    )
}
