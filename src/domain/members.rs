//! Account teams and shares: who sees and serves a client beside its owner, and until when. Knows nothing
//! of how clients change hands.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{ClientId, ClientMemberId, MemberRole, UserId, client, client_member, user};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveValue, ColumnTrait, Condition};

use super::{clients, text, users};
use crate::db::{Children, Guard, LockedClient, Session, Tx, Visible};
use crate::error::{Error, Result};
use crate::say;

/// How many people one share takes.
pub const MAX_SHARE_USERS: usize = 20;

/// How many people a team has, the owner not counted.
pub const MAX_TEAM: u64 = 50;

/// The longest time of a share, in days.
pub const MAX_SHARE_DAYS: i64 = 366;

/// A member to be.
#[derive(Clone, Debug)]
pub struct NewMember {
    /// An id the caller chose.
    pub id: Option<ClientMemberId>,
    /// The client.
    pub client: ClientId,
    /// Who joins.
    pub user: UserId,
    /// Their part; a plain share when none.
    pub role: Option<MemberRole>,
    /// When it ends by itself; never when absent.
    pub expires_at: Option<DateTime<Utc>>,
    /// Why, at most 500 characters.
    pub note: Option<String>,
}

/// Changes to a member. An outer `None` keeps what is there; an inner `None` clears it.
#[derive(Clone, Debug, Default)]
pub struct MemberPatch {
    /// Their part on the team.
    pub role: Option<Option<MemberRole>>,
    /// When it ends.
    pub expires_at: Option<Option<DateTime<Utc>>>,
    /// Why.
    pub note: Option<Option<String>>,
}

/// A share of a client to be.
#[derive(Clone, Debug)]
pub struct NewShare {
    /// The client.
    pub client: ClientId,
    /// With whom, 1 to [`MAX_SHARE_USERS`].
    pub users: Vec<UserId>,
    /// When it ends by itself: in the future, within [`MAX_SHARE_DAYS`].
    pub expires_at: DateTime<Utc>,
    /// Why, at most 500 characters.
    pub note: Option<String>,
}

/// Puts somebody on a client's team. With an id that exists and equal content it answers the member that is
/// there. Who was on it until their time ran out joins anew: under the chosen id, if there is one.
///
/// # Errors
/// `NOT_FOUND` for the client or user; `FORBIDDEN` `members.not_owner`; `BAD_USER_INPUT`; `CONFLICT` for an id
/// that is taken; `RULE_VIOLATED` `members.owner_role`, `members.is_owner`, `members.already_member`,
/// `members.team_full`, `users.deactivated`, `clients.archived`.
pub async fn add(tx: &Tx, new: NewMember) -> Result<(LockedClient, Visible<client_member::Model>)> {
    let NewMember {
        id,
        client,
        user,
        role,
        expires_at,
        note,
    } = new;
    let client = tx.lock_client(client).await?;
    require_owner(tx, &client).await?;
    clients::require_active(&client)?;
    check_role(role)?;
    let note = text::optional_long_text("note", note.as_deref(), 500)?;
    let row = member_row(tx, &client, id, user, role, expires_at, note);
    if let Some(existing) = tx.existing::<client_member::Entity>(id, &row).await?
        && existing.client_id == client.id
    {
        return Ok((client, existing));
    }
    if let Some(expires_at) = expires_at {
        check_future(tx, expires_at)?;
    }
    check_user(tx, &client, user, "userId").await?;
    let member = match find_member(tx, &client, user).await? {
        Some(member) if is_live(&member, tx.now()) => {
            return Err(Error::rule(
                "members.already_member",
                say!("this user is on the team already; change that instead"),
            )
            .field("userId"));
        }
        // One row per client and user: the one that ran out makes room for that of the chosen id.
        Some(member) if id.is_some() => {
            let over = Condition::all().add(client_member::Column::Id.eq(member.id));
            tx.delete_under::<client_member::Entity>(&client, over)
                .await?;
            tx.insert_under::<client_member::Entity>(&client, row)
                .await?
        }
        Some(member) => renew(tx, &member, row).await?,
        None => {
            check_room(tx, &client, 1).await?;
            tx.insert_under::<client_member::Entity>(&client, row)
                .await?
        }
    };
    Ok((client, member))
}

/// Changes a member whose version is still `version`.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`; `FORBIDDEN` `members.not_owner`; `RULE_VIOLATED`
/// `members.owner_role`.
pub async fn update(
    tx: &Tx,
    id: ClientMemberId,
    version: i64,
    patch: MemberPatch,
) -> Result<(LockedClient, Visible<client_member::Model>)> {
    let MemberPatch {
        role,
        expires_at,
        note,
    } = patch;
    let (client, member) = lock_member(tx, id).await?;
    check_role(role.flatten())?;
    if let Some(Some(expires_at)) = expires_at {
        check_future(tx, expires_at)?;
    }
    let note = note
        .map(|note| text::optional_long_text("note", note.as_deref(), 500))
        .transpose()?;
    let changes = client_member::ActiveModel {
        role: set(role),
        expires_at: set(expires_at),
        note: set(note),
        ..Default::default()
    };
    let member = tx
        .update::<client_member::Entity>(&member, Some(version), changes)
        .await?;
    Ok((client, member))
}

/// Takes a member off the team. They stop seeing the client at once; in what a read replica answers, within
/// [`MAX_LAG`](crate::db::MAX_LAG).
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`; `FORBIDDEN` `members.not_owner`.
pub async fn remove(tx: &Tx, id: ClientMemberId, version: i64) -> Result<LockedClient> {
    let (client, member) = lock_member(tx, id).await?;
    // The check of the version, and with it of somebody else's change, is that of any update.
    let member = tx
        .update::<client_member::Entity>(
            &member,
            Some(version),
            client_member::ActiveModel::default(),
        )
        .await?;
    let condition = Condition::all().add(client_member::Column::Id.eq(member.id));
    tx.delete_under::<client_member::Entity>(&client, condition)
        .await?;
    Ok(client)
}

/// Shares a client with some people for a time. Who has a plain share already has it until the new end;
/// who is on the team with a part of their own stays as they are.
///
/// # Errors
/// `NOT_FOUND` for the client or a user; `FORBIDDEN` `members.not_owner`; `BAD_USER_INPUT`; `RULE_VIOLATED`
/// `members.is_owner`, `members.already_member`, `members.team_full`, `users.deactivated`,
/// `clients.archived`.
pub async fn share(
    tx: &Tx,
    new: NewShare,
) -> Result<(LockedClient, Vec<Visible<client_member::Model>>)> {
    let NewShare {
        client,
        mut users,
        expires_at,
        note,
    } = new;
    users.sort_unstable();
    users.dedup();
    if users.is_empty() || users.len() > MAX_SHARE_USERS {
        return Err(Error::bad_input(
            "userIds",
            say!(
                "share with 1 to {most} people at once",
                most = MAX_SHARE_USERS
            ),
        ));
    }
    let client = tx.lock_client(client).await?;
    require_owner(tx, &client).await?;
    clients::require_active(&client)?;
    check_share_end(tx, "expiresAt", expires_at)?;
    let note = text::optional_long_text("note", note.as_deref(), 500)?;
    let mut shares = Vec::with_capacity(users.len());
    for user in users {
        check_user(tx, &client, user, "userIds").await?;
        let row = member_row(
            tx,
            &client,
            None,
            user,
            None,
            Some(expires_at),
            note.clone(),
        );
        shares.push(match find_member(tx, &client, user).await? {
            Some(member)
                if is_live(&member, tx.now())
                    && (member.role.is_some() || member.expires_at.is_none()) =>
            {
                return Err(Error::rule(
                    "members.already_member",
                    say!("one of these users is on the team already"),
                )
                .field("userIds"));
            }
            Some(member) => renew(tx, &member, row).await?,
            None => {
                check_room(tx, &client, 1).await?;
                tx.insert_under::<client_member::Entity>(&client, row)
                    .await?
            }
        });
    }
    Ok((client, shares))
}

/// Who serves a client beside its owner now, in the order they joined.
///
/// # Errors
/// From the database.
pub async fn team(
    session: &Session,
    client: &Visible<client::Model>,
) -> Result<Vec<Visible<client_member::Model>>> {
    use client_member::Column;
    let live = Condition::any()
        .add(Column::ExpiresAt.is_null())
        .add(Column::ExpiresAt.gt(session.now()));
    let children = Children {
        parent: Column::ClientId,
        select: session
            .select::<client_member::Entity>()
            .filter(live)
            .order_by(Column::CreatedAt, sea_orm::Order::Asc)
            .order_by(Column::Id, sea_orm::Order::Asc),
    };
    session
        .all_of(
            client,
            "team",
            |client: &client::Model| client.id.0,
            children,
            |member| member.client_id.0,
        )
        .await
}

/// Refuses an end of a share that is past, or too far ahead. `field` names it.
///
/// # Errors
/// `BAD_USER_INPUT`.
pub fn check_share_end(session: &Session, field: &str, expires_at: DateTime<Utc>) -> Result<()> {
    if expires_at <= session.now() {
        return Err(Error::bad_input(field, say!("the end is in the future")));
    }
    if expires_at > session.now() + TimeDelta::days(MAX_SHARE_DAYS) {
        return Err(Error::bad_input(
            field,
            say!("a share lasts at most {most} days", most = MAX_SHARE_DAYS),
        ));
    }
    Ok(())
}

async fn require_owner(tx: &Tx, client: &LockedClient) -> Result<()> {
    if users::is_steward(tx, client.owner_id).await? {
        return Ok(());
    }
    Err(Error::forbidden(
        say!("only the owner of a client, managers above the owner and administrators may change its team"))
    .with_rule("members.not_owner"))
}

/// The member with its client held, read again under that lock.
async fn lock_member(
    tx: &Tx,
    id: ClientMemberId,
) -> Result<(LockedClient, Visible<client_member::Model>)> {
    let member = tx.select::<client_member::Entity>().id(id).get().await?;
    let client = tx.lock_client(member.client_id).await?;
    require_owner(tx, &client).await?;
    let member = tx.select::<client_member::Entity>().id(id).get().await?;
    Ok((client, member))
}

fn check_role(role: Option<MemberRole>) -> Result<()> {
    if role == Some(MemberRole::Owner) {
        return Err(Error::rule(
            "members.owner_role",
            say!("a client has one owner; hand it over to change that"),
        )
        .field("role"));
    }
    Ok(())
}

fn check_future(tx: &Tx, expires_at: DateTime<Utc>) -> Result<()> {
    if expires_at > tx.now() {
        return Ok(());
    }
    Err(Error::bad_input(
        "expiresAt",
        say!("the end is in the future"),
    ))
}

async fn check_user(tx: &Tx, client: &LockedClient, user: UserId, field: &str) -> Result<()> {
    if client.owner_id == Some(user) {
        return Err(Error::rule(
            "members.is_owner",
            say!("this user owns the client and is on its team by that"),
        )
        .field(field));
    }
    // They do not leave before they are let in.
    tx.share(Guard::Tree).await?;
    let user = tx
        .select::<user::Entity>()
        .id(user)
        .get()
        .await
        .map_err(|error| error.field(field))?;
    if user.deactivated_at.is_some() {
        return Err(Error::rule("users.deactivated", say!("this user has left")).field(field));
    }
    Ok(())
}

async fn check_room(tx: &Tx, client: &LockedClient, more: u64) -> Result<()> {
    let present = tx
        .select::<client_member::Entity>()
        .filter(client_member::Column::ClientId.eq(client.id))
        .count(MAX_TEAM)
        .await?;
    if present.saturating_add(more) <= MAX_TEAM {
        return Ok(());
    }
    // Those whose time ran out make room.
    let over = Condition::all().add(client_member::Column::ExpiresAt.lte(tx.now()));
    if tx
        .delete_under::<client_member::Entity>(client, over)
        .await?
        > 0
    {
        return Ok(());
    }
    Err(Error::rule(
        "members.team_full",
        say!("a team has at most {most} members", most = MAX_TEAM),
    ))
}

async fn find_member(
    tx: &Tx,
    client: &LockedClient,
    user: UserId,
) -> Result<Option<Visible<client_member::Model>>> {
    tx.select::<client_member::Entity>()
        .filter(client_member::Column::ClientId.eq(client.id))
        .filter(client_member::Column::UserId.eq(user))
        .find()
        .await
}

fn is_live(member: &client_member::Model, now: DateTime<Utc>) -> bool {
    member.expires_at.is_none_or(|expires_at| expires_at > now)
}

fn member_row(
    tx: &Tx,
    client: &LockedClient,
    id: Option<ClientMemberId>,
    user: UserId,
    role: Option<MemberRole>,
    expires_at: Option<DateTime<Utc>>,
    note: Option<String>,
) -> client_member::ActiveModel {
    // An import grants in the owner's name.
    let granted_by = tx.viewer().user_id().or(client.owner_id).unwrap_or(user);
    client_member::ActiveModel {
        id: Set(id.unwrap_or_else(|| tx.new_id())),
        client_id: Set(client.id),
        user_id: Set(user),
        role: Set(role),
        expires_at: Set(expires_at),
        note: Set(note),
        granted_by_id: Set(granted_by),
        version: Set(1),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
    }
}

/// Gives a row that is there the content of `row`.
async fn renew(
    tx: &Tx,
    member: &Visible<client_member::Model>,
    row: client_member::ActiveModel,
) -> Result<Visible<client_member::Model>> {
    let changes = client_member::ActiveModel {
        role: row.role,
        expires_at: row.expires_at,
        note: row.note,
        granted_by_id: row.granted_by_id,
        ..Default::default()
    };
    tx.update::<client_member::Entity>(member, None, changes)
        .await
}

fn set<V>(patch: Option<V>) -> ActiveValue<V>
where
    V: Into<sea_orm::Value>,
{
    patch.map_or(NotSet, Set)
}
