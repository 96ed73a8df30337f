//! Hand-overs on the wire.

use async_graphql::{ComplexObject, Context, Enum, InputObject, Object, SimpleObject};
use entity::{ClientId, HandoverId, UserId, client, handover, handover_client, user};

use super::clients::Client;
use super::connection::Node;
use super::context::{locale, mask, session, write};
use super::direct::ready;
use super::pace::Listed;
use super::scalars::{DateTime, Money, int};
use super::users::User;
use crate::db::{Confidential, Visible};
use crate::domain::handovers::{self, Book, NewHandover};
use crate::error::{Error, Result};
use crate::messages::Locale;

/// A hand-over of clients to another owner.
#[derive(Clone)]
pub struct Handover(pub Visible<handover::Model>);

impl From<Visible<handover::Model>> for Handover {
    fn from(row: Visible<handover::Model>) -> Self {
        Self(row)
    }
}

impl Node for Handover {
    type Entity = handover::Entity;
}

ready!(
    Handover: "id" | "note" | "createdAt";
);

/// A hand-over of clients to another owner.
#[Object]
impl Handover {
    /// The id.
    pub async fn id(&self) -> HandoverId {
        self.0.id
    }

    /// What the one who took over should know.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }

    /// Who made it.
    async fn made_by(&self, ctx: &Context<'_>) -> Result<User> {
        session(ctx)?
            .one_of::<user::Entity, _, _>(&self.0, "madeBy", |row| Some(row.made_by_id))
            .await?
            .map(User)
            .ok_or_else(|| Error::not_found("user"))
    }

    /// Who took over.
    async fn to_user(&self, ctx: &Context<'_>) -> Result<User> {
        session(ctx)?
            .one_of::<user::Entity, _, _>(&self.0, "toUser", |row| Some(row.to_user_id))
            .await?
            .map(User)
            .ok_or_else(|| Error::not_found("user"))
    }

    /// How many of its clients you see.
    async fn client_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = handovers::client_count(session(ctx)?, &self.0).await?;
        int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// When.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }
}

/// One client's part in a hand-over.
pub struct ClientHandover(Visible<handover_client::Model>);

/// One client's part in a hand-over.
#[Object]
impl ClientHandover {
    /// Who owned the client before; null when nobody did.
    async fn from_user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        let user = async {
            session(ctx)?
                .one_of::<user::Entity, _, _>(&self.0, "fromUser", |row| row.from_user_id)
                .await
        };
        user.await.map(|user| user.map(User)).transpose()
    }

    /// Who owned the client after.
    async fn to_user(&self, ctx: &Context<'_>) -> Result<User> {
        session(ctx)?
            .one_of::<user::Entity, _, _>(&self.0, "toUser", |row| Some(row.to_user_id))
            .await?
            .map(User)
            .ok_or_else(|| Error::not_found("user"))
    }

    /// The hand-over as a whole.
    async fn handover(&self, ctx: &Context<'_>) -> Result<Handover> {
        handovers::of_part(session(ctx)?, &self.0)
            .await?
            .map(Handover)
            .ok_or_else(|| Error::not_found("hand-over"))
    }
}

/// The hand-overs that `client` was part of, latest first.
///
/// # Errors
/// From the database.
pub async fn of_client(
    ctx: &Context<'_>,
    client: &Visible<client::Model>,
) -> Result<Vec<ClientHandover>> {
    let parts = handovers::of_client(session(ctx)?, client).await?;
    Ok(parts.into_iter().map(ClientHandover).collect())
}

/// What stands in the way of a hand-over, or makes it smaller than it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "handovers::Problem")]
pub enum HandoverProblemKind {
    /// The one who should take over has left.
    TargetDeactivated,
    /// The one who should take over does not report to you.
    TargetOutOfReach,
    /// Some clients do not exist, or are not yours to see.
    ClientsNotFound,
    /// Some clients belong to people outside your team.
    ClientsOutOfReach,
    /// None of the clients would change hands.
    NothingToHandOver,
}

/// Something that stands in the way of a hand-over.
#[derive(Clone, Debug, SimpleObject)]
pub struct HandoverProblem {
    /// What kind.
    kind: HandoverProblemKind,
    /// The problem in words.
    message: String,
}

/// What a hand-over would do.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct HandoverPreview {
    /// How many clients would change hands.
    client_count: i32,
    /// How many of their orders are submitted and not yet delivered.
    open_order_count: i32,
    /// None where it is hidden.
    #[graphql(skip)]
    owed: Option<Listed<Money>>,
    /// The first 20 of them, by name.
    clients: Listed<Client>,
    /// What stands in the way; the hand-over works when this is empty.
    problems: Listed<HandoverProblem>,
}

#[ComplexObject]
impl HandoverPreview {
    /// What they owe, one amount for each currency. Null when you may not see what some of them owe (`confidentiality`).
    async fn receivables(&self, ctx: &Context<'_>) -> Option<Listed<Money>> {
        self.owed.clone().or_else(|| mask(ctx))
    }
}

impl HandoverPreview {
    fn new(preview: handovers::Preview, shows_credit: bool, locale: Locale) -> Result<Self> {
        let handovers::Preview {
            client_count,
            open_order_count,
            receivable,
            clients,
            problems,
        } = preview;
        Ok(Self {
            client_count: int(i64::try_from(client_count).unwrap_or(i64::MAX))?,
            open_order_count: int(i64::try_from(open_order_count).unwrap_or(i64::MAX))?,
            owed: shows_credit
                .then(|| {
                    let owed = receivable.iter();
                    owed.map(|(currency, minor)| Money::new(*minor, currency))
                        .collect::<Result<_>>()
                })
                .transpose()?,
            clients: clients.into_iter().map(Client).collect(),
            problems: problems
                .into_iter()
                .map(|problem| HandoverProblem {
                    kind: problem.into(),
                    message: problem.message().text(locale),
                })
                .collect(),
        })
    }
}

/// Reading hand-overs.
#[derive(Default)]
pub struct HandoverQuery;

#[Object]
impl HandoverQuery {
    /// What a hand-over would do, and what stands in its way, without doing it. For managers and administrators.
    async fn handover_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which clients, 1 to 500; or say `fromUserId`.")] client_ids: Option<
            Vec<ClientId>,
        >,
        #[graphql(desc = "All clients of this user, archived ones too; or say `clientIds`.")]
        from_user_id: Option<UserId>,
        #[graphql(desc = "Who would take over.")] to_user_id: UserId,
    ) -> Result<HandoverPreview> {
        let book = Book::parse(client_ids, from_user_id)?;
        let session = session(ctx)?;
        let preview = handovers::preview(session, &book, to_user_id).await?;
        let hides_credit = session
            .hides_any(Confidential::Credit, book.condition())
            .await?;
        HandoverPreview::new(preview, !hides_credit, locale(ctx))
    }
}

/// Which clients change hands, and to whom.
#[derive(Clone, Debug, InputObject)]
pub struct ClientHandOverInput {
    /// Which clients, 1 to 500; or say `fromUserId`.
    client_ids: Option<Vec<ClientId>>,
    /// All clients of this user, archived ones too; or say `clientIds`.
    from_user_id: Option<UserId>,
    /// Who takes over.
    to_user_id: UserId,
    /// What they should know, at most 2,000 characters.
    note: Option<String>,
    /// Until when those who owned the clients still see them: in the future, at most 366 days from now. Not at all, when absent.
    keep_former_owner_until: Option<DateTime>,
}

/// A hand-over that was made.
#[derive(SimpleObject)]
pub struct ClientHandOverPayload {
    /// The hand-over.
    handover: Handover,
    /// How many clients changed hands.
    client_count: i32,
}

/// Making hand-overs.
#[derive(Default)]
pub struct HandoverMutation;

#[Object]
impl HandoverMutation {
    /// Gives clients to another owner: all of them, or none. Managers hand over within their team, administrators everywhere.
    async fn client_hand_over(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which clients, and to whom.")] input: ClientHandOverInput,
    ) -> Result<ClientHandOverPayload> {
        let ClientHandOverInput {
            client_ids,
            from_user_id,
            to_user_id,
            note,
            keep_former_owner_until,
        } = input;
        let book = Book::parse(client_ids, from_user_id).map_err(|error| error.under("input"))?;
        let new = NewHandover {
            book,
            to: to_user_id,
            note,
            keep_former_owner_until: keep_former_owner_until.map(|instant| instant.0),
        };
        let (made, count) = write(ctx, move |tx| {
            let new = new.clone();
            async move { handovers::make(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(ClientHandOverPayload {
            handover: Handover(made),
            client_count: int(i64::try_from(count).unwrap_or(i64::MAX))?,
        })
    }
}
