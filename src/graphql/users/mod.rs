//! Users on the wire: the directory of colleagues, and the one who asks.

mod writing;

use async_graphql::{Context, Enum, InputObject, Object};
use entity::{Locale, UserId, UserRole, client, session, user};
use sea_orm::{ColumnTrait, Condition};

use super::clients::{Archived, Client, ClientFilter, ClientOrder};
use super::connection::{Connection, Node, binding};
use super::context::{nullable, session};
use super::direct::ready;
use super::filters::{FilterTree, StringFilter, UserIdFilter, choice_filter, filter_tree};
use super::identities::{self, UserIdentity};
use super::pace::Listed;
use super::scalars::{Date, DateTime, int};
use super::sessions::{self, UserSession};
use crate::db::{Children, KeyKind, PageRequest, ScopedSelect, Session, Sort, SortKey, Visible};
use crate::domain::users;
use crate::error::{Error, Result};
use crate::say;

pub use writing::UserMutation;

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

ready!(
    User: "id" | "externalId" | "name" | "email" | "title" | "role" | "isPoolKeeper" | "timeZone" |
        "locale" | "hiredOn" | "deactivatedAt" | "version" | "createdAt" | "updatedAt";
);

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
            select: super::clients::select(session, filter.as_ref(), order_by).await?,
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

    /// Who they are to identity providers. Themselves and administrators see it, others see none.
    async fn identities(&self, ctx: &Context<'_>) -> Result<Listed<UserIdentity>> {
        identities::of_user(ctx, &self.0).await
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
    session: Option<Visible<session::Model>>,
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

    /// The session, that is the device, of this request. Null for programs and for tokens of an identity provider.
    async fn session(&self) -> Option<UserSession> {
        self.session.clone().map(UserSession)
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

filter_tree!(UserFilter);

impl UserFilter {
    fn condition(&self) -> Result<Condition> {
        self.check_size()?;
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
            and: _,
            or: _,
            not: _,
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
        self.and_branches(all, Self::condition)
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
        select = select.filter(filter.condition().map_err(|error| error.under("filter"))?);
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
        let Some(user) = session.viewer().user_id() else {
            return Err(Error::unauthenticated(say!("sign in first")));
        };
        let device = match session.viewer().session_id() {
            Some(device) => Some(session.select::<session::Entity>().id(device).get().await?),
            None => None,
        };
        Ok(Viewer {
            user: session.select::<user::Entity>().id(user).get().await?,
            session: device,
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
