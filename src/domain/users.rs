//! Users: the directory of those who sign in, who reports to whom, and their passwords. Knows nothing of
//! clients.

use chrono::NaiveDate;
use entity::{Locale, SessionId, UserId, UserRole, user};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveValue, ColumnTrait, Condition};

use super::{dates, text};
use crate::auth::passwords::{self, Passwords};
use crate::auth::throttle;
use crate::db::{Actor, Administrator, Database, EndReason, OwnSettings, Session, Tx, Visible};
use crate::error::{Code, Error, Result};
use crate::say;

/// A user to be. They cannot sign in before a password is set.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// An id the caller chose.
    pub id: Option<UserId>,
    /// Their id in another system, at most 100 characters.
    pub external_id: Option<String>,
    /// The e-mail address they sign in with.
    pub email: String,
    /// Their name, 1 to 100 characters.
    pub name: String,
    /// Their job title, at most 100 characters.
    pub title: Option<String>,
    /// What they may do.
    pub role: UserRole,
    /// Whom they report to: a manager or administrator; nobody at the top.
    pub manager: Option<UserId>,
    /// Whether they, as a manager, see clients that nobody owns.
    pub is_pool_keeper: bool,
    /// Their IANA time zone.
    pub time_zone: String,
    /// The language of their messages.
    pub locale: Locale,
    /// The day they were hired.
    pub hired_on: Option<NaiveDate>,
}

/// Changes to a user. An outer `None` keeps what is there; an inner `None` clears it.
#[derive(Clone, Debug, Default)]
pub struct UserPatch {
    /// E-mail address.
    pub email: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Job title.
    pub title: Option<Option<String>>,
    /// Role.
    pub role: Option<UserRole>,
    /// Whether they see clients that nobody owns.
    pub is_pool_keeper: Option<bool>,
    /// IANA time zone.
    pub time_zone: Option<String>,
    /// Language.
    pub locale: Option<Locale>,
    /// Day of hiring.
    pub hired_on: Option<Option<NaiveDate>>,
}

/// What an import did with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It was new.
    Created,
    /// Something was different.
    Updated,
    /// Everything was there already.
    Unchanged,
}

/// Adds a user. With an id that exists and equal content it answers the user that is there.
///
/// # Errors
/// `FORBIDDEN` unless an administrator asks; `BAD_USER_INPUT`; `NOT_FOUND` for the manager; `CONFLICT` for an
/// id, e-mail address or external id that is taken; `RULE_VIOLATED` `users.manager_role`,
/// `users.deactivated`.
pub async fn create(tx: &Tx, new: NewUser) -> Result<Visible<user::Model>> {
    require_admin(tx)?;
    let NewUser {
        id,
        external_id,
        email,
        name,
        title,
        role,
        manager,
        is_pool_keeper,
        time_zone,
        locale,
        hired_on,
    } = new;
    let name = text::text("name", &name, 100)?;
    let row = user::ActiveModel {
        id: Set(id.unwrap_or_else(|| tx.new_id())),
        external_id: Set(text::optional_text(
            "externalId",
            external_id.as_deref(),
            100,
        )?),
        email: Set(text::Email::parse("email", &email)?.into_string()),
        name_sort: Set(text::name_sort(&name)),
        name: Set(name),
        title: Set(text::optional_text("title", title.as_deref(), 100)?),
        role: Set(role),
        manager_id: Set(manager),
        is_pool_keeper: Set(is_pool_keeper),
        time_zone: Set(text::time_zone("timeZone", &time_zone)?.name().to_owned()),
        locale: Set(locale),
        hired_on: Set(check_hired_on(hired_on)?),
        deactivated_at: Set(None),
        version: Set(1),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
    };
    tx.lock_tree().await?;
    if let Some(existing) = tx.existing::<user::Entity>(id, &row).await? {
        return Ok(existing);
    }
    check_unique(tx, &row, None).await?;
    if let Some(manager) = manager {
        check_manager(tx, manager).await?;
    }
    let created = tx.insert::<user::Entity>(row).await?;
    tx.tree_insert(created.id, manager).await?;
    Ok(created)
}

/// Adds the user with this external id, or brings the one that is there up to date. Time zone and language
/// of somebody who is there stay: people set these themselves.
///
/// # Errors
/// `BAD_USER_INPUT` without an external id; as [`create`], [`update`] and [`place`].
pub async fn import(tx: &Tx, new: NewUser) -> Result<(Visible<user::Model>, Imported)> {
    require_admin(tx)?;
    let external_id = text::text(
        "externalId",
        new.external_id.as_deref().unwrap_or_default(),
        100,
    )?;
    let present = tx
        .select::<user::Entity>()
        .filter(user::Column::ExternalId.eq(external_id))
        .find()
        .await?;
    let Some(present) = present else {
        return Ok((create(tx, new).await?, Imported::Created));
    };
    let NewUser {
        id: _,
        external_id: _,
        email,
        name,
        title,
        role,
        manager,
        is_pool_keeper,
        time_zone: _,
        locale: _,
        hired_on,
    } = new;
    let email = text::Email::parse("email", &email)?.into_string();
    let name = text::text("name", &name, 100)?;
    let title = text::optional_text("title", title.as_deref(), 100)?;
    let mut row = present;
    let mut outcome = Imported::Unchanged;
    let patch = UserPatch {
        email: (email != row.email).then_some(email),
        name: (name != row.name).then_some(name),
        title: (title != row.title).then_some(title),
        role: (role != row.role).then_some(role),
        is_pool_keeper: (is_pool_keeper != row.is_pool_keeper).then_some(is_pool_keeper),
        time_zone: None,
        locale: None,
        hired_on: (hired_on != row.hired_on).then_some(hired_on),
    };
    let is_different = patch.email.is_some()
        || patch.name.is_some()
        || patch.title.is_some()
        || patch.role.is_some()
        || patch.is_pool_keeper.is_some()
        || patch.hired_on.is_some();
    if is_different {
        row = update(tx, row.id, row.version, patch).await?;
        outcome = Imported::Updated;
    }
    if manager != row.manager_id {
        row = place(tx, row.id, row.version, manager).await?;
        outcome = Imported::Updated;
    }
    Ok((row, outcome))
}

/// Changes a user whose version is still `version`.
///
/// # Errors
/// `FORBIDDEN` unless an administrator asks; `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`; `CONFLICT` for an
/// e-mail address that is taken; `RULE_VIOLATED` `users.last_admin`, `users.has_reports`.
pub async fn update(
    tx: &Tx,
    id: UserId,
    version: i64,
    patch: UserPatch,
) -> Result<Visible<user::Model>> {
    require_admin(tx)?;
    let UserPatch {
        email,
        name,
        title,
        role,
        is_pool_keeper,
        time_zone,
        locale,
        hired_on,
    } = patch;
    if role.is_some() {
        // Roles depend on each other: on the last administrator, on who reports to whom.
        tx.lock_tree().await?;
    }
    let user = tx.select::<user::Entity>().id(id).get().await?;
    let mut row = user::ActiveModel {
        email: set(email
            .map(|email| text::Email::parse("email", &email).map(text::Email::into_string))
            .transpose()?),
        title: set(title
            .map(|title| text::optional_text("title", title.as_deref(), 100))
            .transpose()?),
        role: set(role),
        is_pool_keeper: set(is_pool_keeper),
        time_zone: set(time_zone
            .map(|zone| text::time_zone("timeZone", &zone).map(|zone| zone.name().to_owned()))
            .transpose()?),
        locale: set(locale),
        hired_on: set(hired_on.map(check_hired_on).transpose()?),
        ..Default::default()
    };
    if let Some(name) = name {
        let name = text::text("name", &name, 100)?;
        row.name_sort = Set(text::name_sort(&name));
        row.name = Set(name);
    }
    check_unique(tx, &row, Some(id)).await?;
    match role {
        Some(UserRole::Rep) => {
            keep_an_admin(tx, &user).await?;
            check_no_reports(tx, id).await?;
        }
        Some(UserRole::Manager) => keep_an_admin(tx, &user).await?,
        Some(UserRole::Admin) | None => {}
    }
    tx.update::<user::Entity>(&user, Some(version), row).await
}

/// Puts a user, with everybody below them, under another manager, or at the top.
///
/// # Errors
/// `FORBIDDEN` unless an administrator asks; `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED`
/// `users.manager_circle`, `users.manager_role`, `users.deactivated`.
pub async fn place(
    tx: &Tx,
    id: UserId,
    version: i64,
    manager: Option<UserId>,
) -> Result<Visible<user::Model>> {
    require_admin(tx)?;
    tx.lock_tree().await?;
    let user = tx.select::<user::Entity>().id(id).get().await?;
    let row = user::ActiveModel {
        manager_id: Set(manager),
        ..Default::default()
    };
    let moved = tx.update::<user::Entity>(&user, Some(version), row).await?;
    if manager != user.manager_id {
        if let Some(manager) = manager {
            check_manager(tx, manager).await?;
        }
        tx.tree_move(id, manager).await?;
    }
    Ok(moved)
}

/// Takes a user's access away for good: ends all their sessions and tokens, the keys of programs that act as
/// them, and a code for a new password. Their clients stay theirs until they are handed over.
///
/// # Errors
/// `FORBIDDEN` unless an administrator asks; `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED`
/// `users.already_deactivated`, `users.last_admin`.
pub async fn deactivate(tx: &Tx, id: UserId, version: i64) -> Result<Visible<user::Model>> {
    require_admin(tx)?;
    tx.lock_tree().await?;
    let user = tx.select::<user::Entity>().id(id).get().await?;
    if user.deactivated_at.is_some() {
        return Err(Error::rule(
            "users.already_deactivated",
            say!("this user was deactivated already"),
        ));
    }
    keep_an_admin(tx, &user).await?;
    let row = user::ActiveModel {
        deactivated_at: Set(Some(tx.now())),
        ..Default::default()
    };
    let user = tx.update::<user::Entity>(&user, Some(version), row).await?;
    tx.end_sessions(id, None, EndReason::Deactivated).await?;
    tx.end_tokens(id).await?;
    tx.end_service_keys(id).await?;
    tx.drop_reset(id).await?;
    Ok(user)
}

/// Gives a user access again. They sign in with the password they had.
///
/// # Errors
/// `FORBIDDEN` unless an administrator asks; `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED`
/// `users.not_deactivated`.
pub async fn reactivate(tx: &Tx, id: UserId, version: i64) -> Result<Visible<user::Model>> {
    require_admin(tx)?;
    let user = tx.select::<user::Entity>().id(id).get().await?;
    if user.deactivated_at.is_none() {
        return Err(Error::rule(
            "users.not_deactivated",
            say!("this user is not deactivated"),
        ));
    }
    let row = user::ActiveModel {
        deactivated_at: Set(None),
        ..Default::default()
    };
    tx.update::<user::Entity>(&user, Some(version), row).await
}

/// Changes what people set for themselves: language and time zone.
///
/// # Errors
/// `STALE_VERSION`; `BAD_USER_INPUT`.
pub async fn update_own(
    tx: &Tx,
    version: i64,
    locale: Option<Locale>,
    time_zone: Option<&str>,
) -> Result<Visible<user::Model>> {
    let time_zone = time_zone
        .map(|zone| text::time_zone("timeZone", zone))
        .transpose()?;
    let settings = OwnSettings { locale, time_zone };
    tx.update_own_settings(version, settings).await
}

/// Sets a user's password without asking for the present one, for the command line. Ends all their
/// sessions.
///
/// # Errors
/// `NOT_FOUND`; `BAD_USER_INPUT` field `password`.
pub async fn set_password(
    database: &Database,
    passwords: &Passwords,
    user: UserId,
    password: &str,
) -> Result<()> {
    let session = database.as_system("set a password from the command line");
    reset_password(&session, passwords, user, password)
        .await
        .map(|_| ())
}

/// Sets a user's password without asking for the present one. Ends all their sessions but the one that
/// asks.
///
/// # Errors
/// `FORBIDDEN` unless an administrator asks; `NOT_FOUND`; `BAD_USER_INPUT` field `password`.
pub async fn reset_password(
    session: &Session,
    passwords: &Passwords,
    user: UserId,
    password: &str,
) -> Result<Visible<user::Model>> {
    if !session.viewer().is_admin() {
        return Err(not_an_admin());
    }
    let row = session.select::<user::Entity>().id(user).get().await?;
    passwords::check(password, &row.email)?;
    let hash = passwords.hash(password).await?;
    let asking = session.viewer().session_id();
    let account_key = throttle::account_key(&row.email);
    session
        .write(move |tx| {
            let (hash, account_key) = (hash.clone(), account_key.clone());
            async move {
                if tx.lock_account(user).await?.is_none() {
                    return Err(Error::not_found("user"));
                }
                tx.store_password(user, &hash).await?;
                tx.store_failures(&account_key, None).await?;
                tx.end_sessions(user, asking, EndReason::PasswordReset)
                    .await?;
                // Those of the one who asks may go on, as their session does.
                if tx.viewer().user_id() != Some(user) || asking.is_some() {
                    tx.end_tokens(user).await?;
                }
                Ok(())
            }
        })
        .await?;
    Ok(row)
}

/// Changes the viewer's own password. Ends all their other sessions; says how many.
///
/// # Errors
/// `BAD_USER_INPUT` field `password` for one that is not acceptable; `RULE_VIOLATED` `users.wrong_password`
/// when `present` is not the password they have; `THROTTLED` after too many wrong ones; `CONFLICT` when the
/// password changed meanwhile.
pub async fn change_password(
    session: &Session,
    passwords: &Passwords,
    present: &str,
    password: &str,
) -> Result<u64> {
    let (Some(me), Some(here)) = (session.viewer().user_id(), session.viewer().session_id()) else {
        return Err(Error::forbidden(say!(
            "only people have passwords of their own"
        )));
    };
    let account = session
        .account_of(me)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    passwords::check(password, &account.email)?;
    count_password_try(session, me).await?;
    let is_right = passwords
        .verify(present, account.password_hash.as_deref())
        .await?;
    if !is_right {
        return Err(Error::rule(
            "users.wrong_password",
            say!("this is not the password you have now"),
        )
        .field("presentPassword"));
    }
    let hash = passwords.hash(password).await?;
    session
        .write(move |tx| {
            let (hash, verified) = (hash.clone(), account.password_hash.clone());
            async move { keep_password(&tx, me, here, &hash, verified).await }
        })
        .await
}

async fn keep_password(
    tx: &Tx,
    user: UserId,
    here: SessionId,
    hash: &str,
    verified: Option<String>,
) -> Result<u64> {
    let account = tx.lock_account(user).await?;
    if account.and_then(|account| account.password_hash) != verified {
        return Err(Error::new(
            Code::Conflict,
            say!("your password was changed meanwhile; sign in again"),
        ));
    }
    tx.store_password(user, hash).await?;
    tx.store_failures(&password_key(user), None).await?;
    tx.end_tokens(user).await?;
    tx.end_sessions(user, Some(here), EndReason::PasswordChanged)
        .await
}

/// Counts a try at somebody's present password: a stolen access token must not become a way to guess.
async fn count_password_try(session: &Session, user: UserId) -> Result<()> {
    // Kept also when the password turns out to be wrong, and the request with it.
    session
        .write_apart(move |tx| async move {
            let key = password_key(user);
            let failures = tx.lock_failures(&key).await?;
            let counted =
                throttle::admit(throttle::TRIES_PER_ACCOUNT, failures.as_ref(), tx.now())?;
            tx.store_failures(&key, Some(counted)).await
        })
        .await
}

fn password_key(user: UserId) -> String {
    format!("password:{user}")
}

/// The condition that finds users by what a person types: parts of the name, in pinyin too, or of the
/// e-mail address. All words must be found.
///
/// # Errors
/// `BAD_USER_INPUT` for a search that is too short.
pub fn matching(search: &str) -> Result<Condition> {
    let mut condition = Condition::all();
    for needle in text::search_needles(search).map_err(|error| error.field("search"))? {
        let pattern = text::like_pattern(&needle);
        condition = condition.add(
            Condition::any()
                .add(crate::db::like_without_spaces(
                    user::Column::NameSort,
                    pattern.clone(),
                ))
                .add(crate::db::like(user::Column::Name, pattern.clone()))
                .add(crate::db::like(user::Column::Email, pattern)),
        );
    }
    Ok(condition)
}

fn require_admin(session: &Session) -> Result<()> {
    if session.viewer().is_admin() {
        return Ok(());
    }
    Err(not_an_admin())
}

fn not_an_admin() -> Error {
    Error::forbidden(say!("only administrators may keep users"))
}

/// Refuses to take away the last administrator who can sign in. Call [`Tx::lock_tree`] first.
///
/// # Errors
/// `RULE_VIOLATED` `users.last_admin`.
pub async fn keep_an_admin(tx: &Tx, user: &user::Model) -> Result<()> {
    if user.role != UserRole::Admin || user.deactivated_at.is_some() {
        return Ok(());
    }
    admins_without(&tx.administrators().await?, user.id).map(|_| ())
}

/// The active administrators that are left when `leaving` goes. Only a password counts as a way to sign in,
/// as long as anybody has one: where nobody has, as with tokens alone, any other administrator will do.
///
/// # Errors
/// `RULE_VIOLATED` `users.last_admin` when nobody would be left who can sign in.
pub fn admins_without(admins: &[Administrator], leaving: UserId) -> Result<Vec<Administrator>> {
    let had_password = admins
        .iter()
        .any(|admin| admin.user == leaving && admin.has_password);
    let left: Vec<Administrator> = admins
        .iter()
        .filter(|admin| admin.user != leaving)
        .copied()
        .collect();
    if left.is_empty() {
        return Err(Error::rule(
            "users.last_admin",
            say!("this is the last active administrator; make somebody else one first"),
        ));
    }
    if had_password && !left.iter().any(|admin| admin.has_password) {
        return Err(Error::rule(
            "users.last_admin",
            say!(
                "this is the last active administrator who has a password; give one to another first"
            ),
        ));
    }
    Ok(left)
}

async fn check_no_reports(tx: &Tx, id: UserId) -> Result<()> {
    let has_reports = tx
        .select::<user::Entity>()
        .filter(user::Column::ManagerId.eq(id))
        .exists()
        .await?;
    if has_reports {
        return Err(Error::rule(
            "users.has_reports",
            say!("people report to this user; move them to another manager first"),
        )
        .field("role"));
    }
    Ok(())
}

async fn check_manager(tx: &Tx, manager: UserId) -> Result<()> {
    let manager = tx
        .select::<user::Entity>()
        .id(manager)
        .get()
        .await
        .map_err(|error| error.field("managerId"))?;
    if manager.deactivated_at.is_some() && tx.viewer().user_id().is_some() {
        return Err(Error::rule("users.deactivated", say!("this user has left")).field("managerId"));
    }
    match manager.role {
        UserRole::Manager | UserRole::Admin => Ok(()),
        UserRole::Rep => Err(Error::rule(
            "users.manager_role",
            say!("people report to managers and administrators; make this user one first"),
        )
        .field("managerId")),
    }
}

async fn check_unique(tx: &Tx, row: &user::ActiveModel, id: Option<UserId>) -> Result<()> {
    let others = || {
        let select = tx.select::<user::Entity>();
        match id {
            Some(id) => select.filter(user::Column::Id.ne(id)),
            None => select,
        }
    };
    if let Set(email) = &row.email
        && others()
            .filter(user::Column::Email.eq(email.as_str()))
            .exists()
            .await?
    {
        return Err(
            Error::new(Code::Conflict, say!("another user has this e-mail address")).field("email"),
        );
    }
    if let Set(Some(external_id)) = &row.external_id
        && others()
            .filter(user::Column::ExternalId.eq(external_id.as_str()))
            .exists()
            .await?
    {
        return Err(
            Error::new(Code::Conflict, say!("another user has this external id"))
                .field("externalId"),
        );
    }
    Ok(())
}

fn check_hired_on(day: Option<NaiveDate>) -> Result<Option<NaiveDate>> {
    day.map(|day| dates::day("hiredOn", day)).transpose()
}

fn set<V>(patch: Option<V>) -> ActiveValue<V>
where
    V: Into<sea_orm::Value>,
{
    patch.map_or(NotSet, Set)
}

/// Whether the viewer decides over a client: its owner, managers above the owner, administrators; for a
/// client of nobody the managers who keep the pool. A mere member does not.
///
/// # Errors
/// From the database.
pub async fn is_steward(session: &Session, owner: Option<UserId>) -> Result<bool> {
    let viewer = session.viewer();
    let (me, is_pool_keeper) = match viewer.actor() {
        Actor::System { .. } => return Ok(true),
        Actor::User {
            id, is_pool_keeper, ..
        } => (*id, *is_pool_keeper),
    };
    if viewer.is_admin() || owner == Some(me) {
        return Ok(true);
    }
    match owner {
        Some(owner) if viewer.is_manager() => session.reaches(me, owner).await,
        Some(_) => Ok(false),
        None => Ok(viewer.is_manager() && is_pool_keeper),
    }
}
