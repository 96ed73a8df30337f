//! Users on the wire: the directory of colleagues, and the one who asks.

use async_graphql::{Context, Enum, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::{Locale, UserId, UserRole, client, session, user};
use sea_orm::{ColumnTrait, Condition};

use super::clients::{Archived, Client, ClientFilter, ClientOrder};
use super::connection::{Connection, Node, binding};
use super::context::{nullable, passwords, session, write};
use super::filters::{StringFilter, UserIdFilter, choice_filter};
use super::input::{optional, required};
use super::scalars::{Date, DateTime, int};
use super::sessions::{self, UserSession};
use crate::db::{Children, KeyKind, PageRequest, ScopedSelect, Session, Sort, SortKey, Visible};
use crate::domain::users::{self, NewUser, UserPatch};
use crate::error::{Error, Result};

/// Somebody who signs in: a rep, a manager or an administrator. Everybody signed in sees the directory.
#[derive(Clone)]
pub struct User(pub Visible<user::Model>);

impl From<Visible<user::Model>> for User {
    fn from(row: Visible<user::Model>) -> Self {
        Self(row)
    }
}

impl Node for User {
    type Entity = user::Entity;
}

fn own(user: &user::Model) -> uuid::Uuid {
    user.id.0
}

/// Somebody who signs in: a rep, a manager or an administrator. Everybody signed in sees the directory.
#[Object]
impl User {
    /// The id.
    pub async fn id(&self) -> UserId {
        self.0.id
    }

    /// The id in another system, unique among users, by which imports find it again.
    async fn external_id(&self) -> Option<&str> {
        self.0.external_id.as_deref()
    }

    /// The name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The e-mail address they sign in with, in lower case.
    async fn email(&self) -> &str {
        &self.0.email
    }

    /// The job title.
    async fn title(&self) -> Option<&str> {
        self.0.title.as_deref()
    }

    /// What they may do.
    async fn role(&self) -> UserRole {
        self.0.role
    }

    /// Whom they report to; null at the top.
    async fn manager(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        nullable(
            async {
                let manager = session(ctx)?
                    .one_of::<user::Entity, _, _>(&self.0, "manager", |row| row.manager_id)
                    .await?;
                Ok(manager.map(User))
            }
            .await,
        )
    }

    /// Those who report to them directly, by name; who has left is left out.
    async fn reports(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<User>> {
        let session = session(ctx)?;
        let page = PageRequest::new(first, after, last, before, "reports")?;
        let children = Children {
            parent: user::Column::ManagerId,
            select: session
                .select::<user::Entity>()
                .filter(user::Column::DeactivatedAt.is_null()),
        };
        let sort = UserOrder::NameAsc.sort();
        Connection::children(session, &self.0, "reports", own, children, &sort, &page).await
    }

    /// Whether they, as a manager, see clients that nobody owns.
    async fn is_pool_keeper(&self) -> bool {
        self.0.is_pool_keeper
    }

    /// Their time zone by its IANA name, as in `Asia/Shanghai`. Their days begin and end there.
    async fn time_zone(&self) -> &str {
        &self.0.time_zone
    }

    /// The language of their messages.
    async fn locale(&self) -> Locale {
        self.0.locale
    }

    /// The day they were hired.
    async fn hired_on(&self) -> Option<Date> {
        self.0.hired_on.map(Date)
    }

    /// When they lost access; null while they may sign in.
    async fn deactivated_at(&self) -> Option<DateTime> {
        self.0.deactivated_at.map(DateTime)
    }

    /// Their clients, as far as you see them yourself.
    async fn clients(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which clients; all in use when absent.")] filter: Option<ClientFilter>,
        #[graphql(desc = "How they are sorted; by name when absent.")] order_by: Option<
            ClientOrder,
        >,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Client>> {
        let session = session(ctx)?;
        let order_by = order_by.unwrap_or_default();
        let bound = binding("userClients", &filter, &order_by);
        let page = PageRequest::new(first, after, last, before, bound)?;
        let children = Children {
            parent: client::Column::OwnerId,
            select: super::clients::select(session, filter.as_ref(), order_by)?,
        };
        let sort = order_by.sort();
        Connection::children(session, &self.0, "clients", own, children, &sort, &page).await
    }

    /// How many clients in use they have that you see yourself.
    async fn client_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let session = session(ctx)?;
        let children = Children {
            parent: client::Column::OwnerId,
            select: session
                .select::<client::Entity>()
                .filter(client::Column::ArchivedAt.is_null()),
        };
        let count = session
            .count_of(&self.0, "clientCount", own, children)
            .await?;
        int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Their sessions, that is devices, latest first. Only for themselves and for administrators.
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Whether those that have ended are listed too; they are not when absent."
        )]
        include_ended: Option<bool>,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<UserSession>>> {
        let sessions = async {
            let include_ended = include_ended.unwrap_or_default();
            let bound = binding("userSessions", &include_ended, &());
            let page = PageRequest::new(first, after, last, before, bound)?;
            sessions::of_user(session(ctx)?, &self.0, include_ended, &page).await
        };
        Some(sessions.await)
    }

    /// The number of writes to this user; send it back with an update.
    async fn version(&self) -> Result<i32> {
        int(self.0.version)
    }

    /// When they were added.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When they were last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }
}

/// Who answers for `client`, when anybody does.
///
/// # Errors
/// From the database.
pub async fn owner_of(ctx: &Context<'_>, client: &Visible<client::Model>) -> Result<Option<User>> {
    let owner = session(ctx)?
        .one_of::<user::Entity, _, _>(client, "owner", |row| row.owner_id)
        .await?;
    Ok(owner.map(User))
}

/// Whoever asks: who they are, what they may do, through which device.
pub struct Viewer {
    user: Visible<user::Model>,
    session: Visible<session::Model>,
}

/// Whoever asks: who they are, what they may do, through which device.
#[Object]
impl Viewer {
    /// The user.
    async fn user(&self) -> User {
        User(self.user.clone())
    }

    /// What they may do.
    async fn role(&self) -> UserRole {
        self.user.role
    }

    /// The session, that is the device, of this request.
    async fn session(&self) -> UserSession {
        UserSession(self.session.clone())
    }

    /// All their sessions, that is devices, latest first.
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Whether those that have ended are listed too; they are not when absent."
        )]
        include_ended: Option<bool>,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<UserSession>> {
        let include_ended = include_ended.unwrap_or_default();
        let bound = binding("userSessions", &include_ended, &());
        let page = PageRequest::new(first, after, last, before, bound)?;
        sessions::of_user(session(ctx)?, &self.user, include_ended, &page).await
    }
}

choice_filter!(
    /// A filter on the role of a user. All parts that are given must hold.
    UserRoleFilter, UserRole
);

/// Which users. All parts that are given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct UserFilter {
    /// Found by what a person types: parts of the name (Chinese names by pinyin too) or of the e-mail address. At least two letters or digits, or one Chinese character; all words must be found.
    search: Option<String>,
    /// By id.
    id: Option<UserIdFilter>,
    /// By the id in another system.
    external_id: Option<StringFilter>,
    /// By name.
    name: Option<StringFilter>,
    /// By e-mail address.
    email: Option<StringFilter>,
    /// By role.
    role: Option<UserRoleFilter>,
    /// By whom they report to directly.
    manager_id: Option<UserIdFilter>,
    /// Whether they, as managers, see clients that nobody owns.
    is_pool_keeper: Option<bool>,
    /// Whether users who have left are listed; by default they are not.
    deactivated: Option<Archived>,
    /// All of these must hold.
    and: Option<Vec<UserFilter>>,
    /// One of these must hold.
    or: Option<Vec<UserFilter>>,
    /// This must not hold.
    not: Option<Box<UserFilter>>,
}

impl UserFilter {
    fn condition(&self) -> Result<Condition> {
        let Self {
            search,
            id,
            external_id,
            name,
            email,
            role,
            manager_id,
            is_pool_keeper,
            deactivated: _,
            and,
            or,
            not,
        } = self;
        use user::Column;
        let mut all = Condition::all();
        if let Some(search) = search {
            all = all.add(users::matching(search)?);
        }
        if let Some(filter) = id {
            all = all.add(filter.condition("id", Column::Id)?);
        }
        if let Some(filter) = external_id {
            let column = Column::ExternalId;
            all = all.add(filter.condition("externalId", column, column)?);
        }
        if let Some(filter) = name {
            all = all.add(filter.condition("name", Column::Name, Column::NameSort)?);
        }
        if let Some(filter) = email {
            let column = Column::Email;
            all = all.add(filter.condition("email", column, column)?);
        }
        if let Some(filter) = role {
            all = all.add(filter.condition("role", Column::Role)?);
        }
        if let Some(filter) = manager_id {
            all = all.add(filter.condition("managerId", Column::ManagerId)?);
        }
        if let Some(is_pool_keeper) = is_pool_keeper {
            all = all.add(Column::IsPoolKeeper.eq(*is_pool_keeper));
        }
        for part in and.iter().flatten() {
            all = all.add(part.condition()?);
        }
        if let Some(parts) = or {
            let mut any = Condition::any();
            for part in parts {
                any = any.add(part.condition()?);
            }
            all = all.add(any);
        }
        if let Some(part) = not {
            all = all.add(part.condition()?.not());
        }
        Ok(all)
    }
}

/// How users are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum UserOrder {
    /// By name, A to Z; Chinese names by pinyin.
    #[default]
    NameAsc,
    /// By name, Z to A.
    NameDesc,
    /// By e-mail address, A to Z.
    EmailAsc,
    /// Last added first.
    CreatedAtDesc,
}

impl UserOrder {
    fn sort(self) -> Sort {
        use user::Column;
        let by = |column: Column, kind| vec![SortKey::column(column, kind)];
        match self {
            Self::NameAsc => Sort::ascending(by(Column::NameSort, KeyKind::Text)),
            Self::NameDesc => Sort::descending(by(Column::NameSort, KeyKind::Text)),
            Self::EmailAsc => Sort::ascending(by(Column::Email, KeyKind::Text)),
            Self::CreatedAtDesc => Sort::descending(by(Column::CreatedAt, KeyKind::Instant)),
        }
    }
}

fn select(session: &Session, filter: Option<&UserFilter>) -> Result<ScopedSelect<user::Entity>> {
    let deactivated = filter
        .and_then(|filter| filter.deactivated)
        .unwrap_or_default();
    let mut select = session
        .select::<user::Entity>()
        .filter(deactivated.condition(user::Column::DeactivatedAt));
    if let Some(filter) = filter {
        select = select.filter(filter.condition()?);
    }
    Ok(select)
}

/// Reading users.
#[derive(Default)]
pub struct UserQuery;

#[Object]
impl UserQuery {
    /// Whoever asks.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        let session = session(ctx)?;
        let (Some(user), Some(device)) =
            (session.viewer().user_id(), session.viewer().session_id())
        else {
            return Err(Error::unauthenticated("sign in first"));
        };
        Ok(Viewer {
            user: session.select::<user::Entity>().id(user).get().await?,
            session: session.select::<session::Entity>().id(device).get().await?,
        })
    }

    /// The directory of colleagues.
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which users; all who have not left when absent.")] filter: Option<
            UserFilter,
        >,
        #[graphql(desc = "How they are sorted; by name when absent.")] order_by: Option<UserOrder>,
        #[graphql(desc = "How many from the start, or after `after`: 0 to 100; 20 when absent.")]
        first: Option<i32>,
        #[graphql(desc = "Start after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, or before `before`: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> Result<Connection<User>> {
        let session = session(ctx)?;
        let order_by = order_by.unwrap_or_default();
        let bound = binding("users", &filter, &order_by);
        let page = PageRequest::new(first, after, last, before, bound)?;
        let select = select(session, filter.as_ref())?;
        Connection::list(select, &order_by.sort(), &page).await
    }

    /// The user with this id; null when there is none.
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the user.")] id: UserId,
    ) -> Option<Result<User>> {
        nullable(
            async {
                let user = session(ctx)?.select::<user::Entity>().id(id).find().await?;
                Ok(user.map(User))
            }
            .await,
        )
    }
}

/// A user to add. They can sign in once a password is set.
#[derive(Clone, Debug, InputObject)]
pub struct UserCreateInput {
    /// An id made by the caller (`user_` and a UUID, best of version 7). Sending the same create again with it answers the user that is there.
    id: Option<UserId>,
    /// The id in another system, unique among users, at most 100 characters.
    external_id: Option<String>,
    /// The e-mail address they sign in with; no two users have the same.
    email: String,
    /// The name, 1 to 100 characters.
    name: String,
    /// The job title, at most 100 characters.
    title: Option<String>,
    /// What they may do.
    role: UserRole,
    /// Whom they report to: a manager or an administrator. Nobody, when absent.
    manager_id: Option<UserId>,
    /// Whether they, as a manager, see clients that nobody owns; not when absent.
    is_pool_keeper: Option<bool>,
    /// The time zone by its IANA name, as in `Asia/Shanghai`; `UTC` when absent.
    time_zone: Option<String>,
    /// The language of their messages; English when absent.
    locale: Option<Locale>,
    /// The day they were hired.
    hired_on: Option<Date>,
}

/// Changes to a user. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, InputObject)]
pub struct UserUpdateInput {
    /// The user.
    id: UserId,
    /// The version you saw.
    version: i32,
    /// The e-mail address they sign in with.
    email: MaybeUndefined<String>,
    /// The name, 1 to 100 characters.
    name: MaybeUndefined<String>,
    /// The job title, at most 100 characters.
    title: MaybeUndefined<String>,
    /// What they may do. The last active administrator stays one; who has reports stays a manager or an administrator.
    role: MaybeUndefined<UserRole>,
    /// Whether they, as a manager, see clients that nobody owns.
    is_pool_keeper: MaybeUndefined<bool>,
    /// The time zone by its IANA name.
    time_zone: MaybeUndefined<String>,
    /// The language of their messages.
    locale: MaybeUndefined<Locale>,
    /// The day they were hired.
    hired_on: MaybeUndefined<Date>,
}

impl UserUpdateInput {
    fn parse(self) -> Result<(UserId, i64, UserPatch)> {
        let Self {
            id,
            version,
            email,
            name,
            title,
            role,
            is_pool_keeper,
            time_zone,
            locale,
            hired_on,
        } = self;
        let patch = UserPatch {
            email: required("email", email)?,
            name: required("name", name)?,
            title: optional(title),
            role: required("role", role)?,
            is_pool_keeper: required("isPoolKeeper", is_pool_keeper)?,
            time_zone: required("timeZone", time_zone)?,
            locale: required("locale", locale)?,
            hired_on: optional(hired_on).map(|day| day.map(|day| day.0)),
        };
        Ok((id, i64::from(version), patch))
    }
}

/// Where a user moves in the tree of who reports to whom.
#[derive(Clone, Debug, InputObject)]
pub struct UserMoveInput {
    /// The user; everybody below them moves along.
    id: UserId,
    /// The version you saw.
    version: i32,
    /// Whom they report to from now on: a manager or an administrator; nobody, when null or absent.
    manager_id: Option<UserId>,
}

/// Names a user in the version you saw.
#[derive(Clone, Debug, InputObject)]
pub struct UserVersionInput {
    /// The user.
    id: UserId,
    /// The version you saw.
    version: i32,
}

/// Another password for a user.
#[derive(Clone, InputObject)]
pub struct UserSetPasswordInput {
    /// The user.
    id: UserId,
    /// The password: 10 to 256 characters, not a common one, not the e-mail address.
    password: String,
}

/// What you change about yourself. A field that is absent stays as it is.
#[derive(Clone, Debug, InputObject)]
pub struct ViewerUpdateInput {
    /// The version of your user that you saw.
    version: i32,
    /// The language of your messages.
    locale: MaybeUndefined<Locale>,
    /// Your time zone by its IANA name, as in `Asia/Shanghai`.
    time_zone: MaybeUndefined<String>,
}

/// Another password for yourself.
#[derive(Clone, InputObject)]
pub struct PasswordChangeInput {
    /// The password you have now.
    present_password: String,
    /// The new one: 10 to 256 characters, not a common one, not your e-mail address.
    password: String,
}

/// The user after the change.
#[derive(SimpleObject)]
pub struct UserPayload {
    /// The user.
    user: User,
}

impl From<Visible<user::Model>> for UserPayload {
    fn from(row: Visible<user::Model>) -> Self {
        Self { user: User(row) }
    }
}

/// What a change of your password did.
#[derive(SimpleObject)]
pub struct PasswordChangePayload {
    /// How many of your other sessions it ended.
    ended_session_count: i32,
}

/// Writing users.
#[derive(Default)]
pub struct UserMutation;

#[Object]
impl UserMutation {
    /// Adds a user. Administrators only.
    async fn user_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user to add.")] input: UserCreateInput,
    ) -> Result<UserPayload> {
        let UserCreateInput {
            id,
            external_id,
            email,
            name,
            title,
            role,
            manager_id,
            is_pool_keeper,
            time_zone,
            locale,
            hired_on,
        } = input;
        let new = NewUser {
            id,
            external_id,
            email,
            name,
            title,
            role,
            manager: manager_id,
            is_pool_keeper: is_pool_keeper.unwrap_or_default(),
            time_zone: time_zone.unwrap_or_else(|| "UTC".to_owned()),
            locale: locale.unwrap_or(Locale::En),
            hired_on: hired_on.map(|day| day.0),
        };
        let row = write(ctx, move |tx| {
            let new = new.clone();
            async move { users::create(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Changes a user. Administrators only.
    async fn user_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user and the changes.")] input: UserUpdateInput,
    ) -> Result<UserPayload> {
        let (id, version, patch) = input.parse().map_err(|error| error.under("input"))?;
        let row = write(ctx, move |tx| {
            let patch = patch.clone();
            async move { users::update(&tx, id, version, patch).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Puts a user, with everybody below them, under another manager. Administrators only.
    async fn user_move(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user and the manager.")] input: UserMoveInput,
    ) -> Result<UserPayload> {
        let UserMoveInput {
            id,
            version,
            manager_id,
        } = input;
        let row = write(ctx, move |tx| async move {
            users::place(&tx, id, i64::from(version), manager_id).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Takes a user's access away and ends all their sessions. Their clients stay theirs until they are handed over. Administrators only.
    async fn user_deactivate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user who leaves.")] input: UserVersionInput,
    ) -> Result<UserPayload> {
        let UserVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            users::deactivate(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Gives a user access again. Administrators only.
    async fn user_reactivate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user who comes back.")] input: UserVersionInput,
    ) -> Result<UserPayload> {
        let UserVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            users::reactivate(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Sets a user's password and ends all their sessions. Administrators only.
    async fn user_set_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user and the password.")] input: UserSetPasswordInput,
    ) -> Result<UserPayload> {
        let UserSetPasswordInput { id, password } = input;
        let row = users::reset_password(session(ctx)?, passwords(ctx)?, id, &password)
            .await
            .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Changes your own settings.
    async fn viewer_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: ViewerUpdateInput,
    ) -> Result<UserPayload> {
        let ViewerUpdateInput {
            version,
            locale,
            time_zone,
        } = input;
        let locale = required("input.locale", locale)?;
        let time_zone = required("input.timeZone", time_zone)?;
        let row = write(ctx, move |tx| {
            let zone = time_zone.clone();
            async move { users::update_own(&tx, i64::from(version), locale, zone.as_deref()).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Changes your own password and ends your other sessions.
    async fn password_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The present password and the new one.")] input: PasswordChangeInput,
    ) -> Result<PasswordChangePayload> {
        let PasswordChangeInput {
            present_password,
            password,
        } = input;
        let (session, passwords) = (session(ctx)?, passwords(ctx)?);
        let ended = users::change_password(session, passwords, &present_password, &password)
            .await
            .map_err(|error| error.under("input"))?;
        Ok(PasswordChangePayload {
            ended_session_count: int(i64::try_from(ended).unwrap_or(i64::MAX))?,
        })
    }
}
