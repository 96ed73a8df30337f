//! Account teams on the wire.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::{ClientId, ClientMemberId, MemberRole, UserId, client, client_member, user};

use super::clients::Client;
use super::context::{session, write};
use super::input::optional;
use super::pace::Listed;
use super::scalars::{DateTime, int};
use super::users::{self, User};
use crate::db::Visible;
use crate::domain::members::{self, MemberPatch, NewMember, NewShare};
use crate::error::{Error, Result};

/// Somebody's place on the team of a client.
#[derive(Clone)]
pub enum TeamMember {
    /// The owner, who is on the team by that.
    Owner(User),
    /// Somebody who was let in.
    Member(Visible<client_member::Model>),
}

impl From<Visible<client_member::Model>> for TeamMember {
    fn from(row: Visible<client_member::Model>) -> Self {
        Self::Member(row)
    }
}

/// Somebody's place on the team of a client.
#[Object]
impl TeamMember {
    /// The id; null for the owner, who is on the team by owning the client.
    async fn id(&self) -> Option<ClientMemberId> {
        self.member().map(|row| row.id)
    }

    /// Who.
    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        match self {
            Self::Owner(user) => Ok(user.clone()),
            Self::Member(row) => session(ctx)?
                .one_of::<user::Entity, _, _>(row, "user", |row| Some(row.user_id))
                .await?
                .map(User)
                .ok_or_else(|| Error::not_found("user")),
        }
    }

    /// Their part; `OWNER` for the owner, null for a plain share.
    async fn role(&self) -> Option<MemberRole> {
        match self {
            Self::Owner(_) => Some(MemberRole::Owner),
            Self::Member(row) => row.role,
        }
    }

    /// When it ends by itself; null when it does not.
    async fn expires_at(&self) -> Option<DateTime> {
        self.member()?.expires_at.map(DateTime)
    }

    /// Why they are there.
    async fn note(&self) -> Option<&str> {
        self.member()?.note.as_deref()
    }

    /// Who let them in; null for the owner.
    async fn granted_by(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        let row = self.member()?;
        let user = async {
            session(ctx)?
                .one_of::<user::Entity, _, _>(row, "grantedBy", |row| Some(row.granted_by_id))
                .await?
                .map(User)
                .ok_or_else(|| Error::not_found("user"))
        };
        Some(user.await)
    }

    /// The number of writes to this place; send it back with an update. Null for the owner.
    async fn version(&self) -> Option<Result<i32>> {
        Some(int(self.member()?.version))
    }

    /// When they were let in; null for the owner.
    async fn created_at(&self) -> Option<DateTime> {
        self.member().map(|row| DateTime(row.created_at))
    }
}

impl TeamMember {
    fn member(&self) -> Option<&Visible<client_member::Model>> {
        match self {
            Self::Owner(_) => None,
            Self::Member(row) => Some(row),
        }
    }
}

/// Who serves `client`: its owner first, then the others in the order they joined.
///
/// # Errors
/// From the database.
pub async fn team_of(
    ctx: &Context<'_>,
    client: &Visible<client::Model>,
) -> Result<Vec<TeamMember>> {
    let owner = users::owner_of(ctx, client).await?;
    let members = members::team(session(ctx)?, client).await?;
    let owner = owner.into_iter().map(TeamMember::Owner);
    Ok(owner
        .chain(members.into_iter().map(TeamMember::Member))
        .collect())
}

/// Somebody to put on a client's team.
#[derive(Clone, Debug, InputObject)]
pub struct ClientMemberAddInput {
    /// An id made by the caller (`client_member_` and a UUID, best of version 7). Sending the same add again with it answers the member that is there.
    id: Option<ClientMemberId>,
    /// The client.
    client_id: ClientId,
    /// Who joins the team.
    user_id: UserId,
    /// Their part, not `OWNER`; a plain share when absent.
    role: Option<MemberRole>,
    /// When it ends by itself, in the future; never when absent.
    expires_at: Option<DateTime>,
    /// Why, at most 500 characters.
    note: Option<String>,
}

/// Changes to somebody's place on a team. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, InputObject)]
pub struct ClientMemberUpdateInput {
    /// The place on the team.
    id: ClientMemberId,
    /// The version you saw.
    version: i32,
    /// Their part, not `OWNER`.
    role: MaybeUndefined<MemberRole>,
    /// When it ends by itself, in the future.
    expires_at: MaybeUndefined<DateTime>,
    /// Why, at most 500 characters.
    note: MaybeUndefined<String>,
}

/// Somebody to take off a team.
#[derive(Clone, Debug, InputObject)]
pub struct ClientMemberRemoveInput {
    /// The place on the team.
    id: ClientMemberId,
    /// The version you saw.
    version: i32,
}

/// With whom to share a client, and until when.
#[derive(Clone, Debug, InputObject)]
pub struct ClientShareInput {
    /// The client.
    client_id: ClientId,
    /// With whom, 1 to 20 people.
    user_ids: Vec<UserId>,
    /// When it ends by itself: in the future, at most 366 days from now.
    expires_at: DateTime,
    /// Why, at most 500 characters.
    note: Option<String>,
}

/// The client and one place on its team after the change.
#[derive(SimpleObject)]
pub struct ClientMemberPayload {
    /// The client.
    client: Client,
    /// The place on its team.
    member: TeamMember,
}

/// The client after somebody left its team.
#[derive(SimpleObject)]
pub struct ClientMemberRemovePayload {
    /// The client.
    client: Client,
}

/// The client and those it was shared with.
#[derive(SimpleObject)]
pub struct ClientSharePayload {
    /// The client.
    client: Client,
    /// The places on its team, one for each user.
    members: Listed<TeamMember>,
}

/// Writing teams.
#[derive(Default)]
pub struct MemberMutation;

#[Object]
impl MemberMutation {
    /// Puts somebody on a client's team: they see and serve it from now on. For its owner, managers above the owner and administrators.
    async fn client_member_add(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who joins which team.")] input: ClientMemberAddInput,
    ) -> Result<ClientMemberPayload> {
        let ClientMemberAddInput {
            id,
            client_id,
            user_id,
            role,
            expires_at,
            note,
        } = input;
        let new = NewMember {
            id,
            client: client_id,
            user: user_id,
            role,
            expires_at: expires_at.map(|instant| instant.0),
            note,
        };
        let (client, member) = write(ctx, move |tx| {
            let new = new.clone();
            async move { members::add(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(ClientMemberPayload {
            client: Client(client.into_inner()),
            member: TeamMember::Member(member),
        })
    }

    /// Changes somebody's place on a client's team.
    async fn client_member_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The place and the changes.")] input: ClientMemberUpdateInput,
    ) -> Result<ClientMemberPayload> {
        let ClientMemberUpdateInput {
            id,
            version,
            role,
            expires_at,
            note,
        } = input;
        let patch = MemberPatch {
            role: optional(role),
            expires_at: optional(expires_at).map(|instant| instant.map(|instant| instant.0)),
            note: optional(note),
        };
        let (client, member) = write(ctx, move |tx| {
            let patch = patch.clone();
            async move { members::update(&tx, id, i64::from(version), patch).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(ClientMemberPayload {
            client: Client(client.into_inner()),
            member: TeamMember::Member(member),
        })
    }

    /// Takes somebody off a client's team: they stop seeing it at once.
    async fn client_member_remove(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The place to clear.")] input: ClientMemberRemoveInput,
    ) -> Result<ClientMemberRemovePayload> {
        let ClientMemberRemoveInput { id, version } = input;
        let client = write(ctx, move |tx| async move {
            members::remove(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(ClientMemberRemovePayload {
            client: Client(client.into_inner()),
        })
    }

    /// Shares a client with some people for a time, as for a holiday. It ends by itself.
    async fn client_share(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "With whom, and until when.")] input: ClientShareInput,
    ) -> Result<ClientSharePayload> {
        let ClientShareInput {
            client_id,
            user_ids,
            expires_at,
            note,
        } = input;
        let new = NewShare {
            client: client_id,
            users: user_ids,
            expires_at: expires_at.0,
            note,
        };
        let (client, shares) = write(ctx, move |tx| {
            let new = new.clone();
            async move { members::share(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(ClientSharePayload {
            client: Client(client.into_inner()),
            members: shares.into_iter().map(TeamMember::Member).collect(),
        })
    }
}
