//! Hand-overs: clients that change their owner, some or a whole book, with a record of it.

use chrono::{DateTime, Utc};
use entity::{
    ClientId, HandoverId, OrderStatus, UserId, client, client_member, handover, handover_client,
    order, user,
};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition};

use super::{members, text, users};
use crate::db::{Children, Guard, LockedClient, Session, Tx, Visible};
use crate::error::{Error, Result};
use crate::messages::Message;
use crate::say;

/// How many clients can be named one by one.
pub const MAX_CLIENTS: usize = 500;

/// How many clients a preview shows.
pub const PREVIEW_CLIENTS: u64 = 20;

/// Which clients change hands.
#[derive(Clone, Debug)]
pub enum Book {
    /// These, at most [`MAX_CLIENTS`].
    Clients(Vec<ClientId>),
    /// All of this user's, archived ones too.
    AllOf(UserId),
}

impl Book {
    /// From the two ways to say it.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` unless exactly one is given, or for too many clients.
    pub fn parse(clients: Option<Vec<ClientId>>, from_user: Option<UserId>) -> Result<Self> {
        match (clients, from_user) {
            (Some(mut clients), None) => {
                clients.sort_unstable();
                clients.dedup();
                if clients.is_empty() || clients.len() > MAX_CLIENTS {
                    return Err(Error::bad_input(
                        "clientIds",
                        say!(
                            "name 1 to {most} clients, or `fromUserId` for all of theirs",
                            most = MAX_CLIENTS
                        ),
                    ));
                }
                Ok(Self::Clients(clients))
            }
            (None, Some(user)) => Ok(Self::AllOf(user)),
            (Some(_), Some(_)) | (None, None) => Err(Error::bad_input(
                "clientIds",
                say!("say either `clientIds` or `fromUserId`"),
            )
            .field("fromUserId")),
        }
    }

    /// The clients of the book.
    pub fn condition(&self) -> Condition {
        match self {
            Self::Clients(ids) => {
                Condition::all().add(client::Column::Id.is_in(ids.iter().copied()))
            }
            Self::AllOf(user) => Condition::all().add(client::Column::OwnerId.eq(*user)),
        }
    }
}

/// A hand-over to be.
#[derive(Clone, Debug)]
pub struct NewHandover {
    /// Which clients.
    pub book: Book,
    /// Who takes over.
    pub to: UserId,
    /// What they should know, at most 2,000 characters.
    pub note: Option<String>,
    /// Until when those who owned the clients still see them; not at all when absent.
    pub keep_former_owner_until: Option<DateTime<Utc>>,
}

/// What stands in the way of a hand-over, or makes it smaller than it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The one who should take over has left.
    TargetDeactivated,
    /// The one who should take over does not report to the viewer.
    TargetOutOfReach,
    /// Some clients do not exist, or the viewer does not see them.
    ClientsNotFound,
    /// Some clients are seen but owned by people who do not report to the viewer.
    ClientsOutOfReach,
    /// Nothing would change hands.
    NothingToHandOver,
}

impl Problem {
    /// The problem in words.
    pub fn message(self) -> Message {
        match self {
            Self::TargetDeactivated => say!("the one who should take over has left"),
            Self::TargetOutOfReach => say!("the one who should take over does not report to you"),
            Self::ClientsNotFound => {
                say!("some of these clients do not exist, or are not yours to see")
            }
            Self::ClientsOutOfReach => {
                say!("some of these clients belong to people outside your team")
            }
            Self::NothingToHandOver => say!("none of these clients would change hands"),
        }
    }
}

/// What a hand-over would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// How many clients would change hands.
    pub client_count: u64,
    /// How many of their orders are submitted and not yet delivered.
    pub open_order_count: u64,
    /// What they owe, by currency, in minor units.
    pub receivable: Vec<(String, i64)>,
    /// The first of them, by name.
    pub clients: Vec<Visible<client::Model>>,
    /// What stands in the way.
    pub problems: Vec<Problem>,
}

/// Gives clients to another owner: all of them, or none. Clients that are theirs already are left as they
/// are.
///
/// # Errors
/// `FORBIDDEN` for reps, for a target or clients outside the viewer's reach (`handovers.not_owner`);
/// `NOT_FOUND`; `BAD_USER_INPUT`; `RULE_VIOLATED` `users.deactivated`, `handovers.nothing_to_hand_over`.
pub async fn make(tx: &Tx, new: NewHandover) -> Result<(Visible<handover::Model>, usize)> {
    let NewHandover {
        book,
        to,
        note,
        keep_former_owner_until,
    } = new;
    require_manager(tx)?;
    let note = text::optional_long_text("note", note.as_deref(), 2_000)?;
    if let Some(until) = keep_former_owner_until {
        members::check_share_end(tx, "keepFormerOwnerUntil", until)?;
    }
    check_target(tx, to).await?;
    let mut clients = lock_book(tx, &book).await?;
    check_owners(tx, &book, &clients).await?;
    clients.retain(|client| client.owner_id != Some(to));
    if clients.is_empty() {
        return Err(Error::rule(
            "handovers.nothing_to_hand_over",
            Problem::NothingToHandOver.message(),
        ));
    }
    let made_by = tx.viewer().user_id().unwrap_or(to);
    let count = i32::try_from(clients.len())
        .map_err(|_| Error::bad_input("fromUserId", say!("these are too many clients")))?;
    let row = handover::ActiveModel {
        id: Set(tx.new_id()),
        note: Set(note),
        made_by_id: Set(made_by),
        to_user_id: Set(to),
        client_count: Set(count),
        created_at: Set(tx.now()),
    };
    let made = tx.insert::<handover::Entity>(row).await?;
    let parts = clients
        .iter()
        .map(|client| handover_client::ActiveModel {
            handover_id: Set(made.id),
            client_id: Set(client.id),
            from_user_id: Set(client.owner_id),
            to_user_id: Set(to),
        })
        .collect();
    tx.insert_all::<handover_client::Entity>(parts).await?;
    tx.leave_teams(&clients, to).await?;
    if let Some(until) = keep_former_owner_until {
        keep_former_owners(tx, &clients, made_by, until).await?;
    }
    tx.change_owner(&clients, to).await?;
    tracing::info!(handover = %made.id, to = %to, clients = count, "handed over");
    Ok((made, clients.len()))
}

/// What [`make`] would do, without doing it.
///
/// # Errors
/// `FORBIDDEN` for reps; `NOT_FOUND` for users; `BAD_USER_INPUT`.
pub async fn preview(session: &Session, book: &Book, to: UserId) -> Result<Preview> {
    require_manager(session)?;
    let target = get_user(session, to, "toUserId").await?;
    let mut problems = Vec::new();
    if target.deactivated_at.is_some() {
        problems.push(Problem::TargetDeactivated);
    }
    if !in_reach(session, to).await? {
        problems.push(Problem::TargetOutOfReach);
    }
    let select = || session.select::<client::Entity>().filter(book.condition());
    match book {
        Book::Clients(ids) => {
            let found = select().all().await?;
            if found.len() < ids.len() {
                problems.push(Problem::ClientsNotFound);
            }
            let mut owners: Vec<Option<UserId>> = found.iter().map(|row| row.owner_id).collect();
            owners.sort_unstable();
            owners.dedup();
            for owner in owners {
                if !users::is_steward(session, owner).await? {
                    problems.push(Problem::ClientsOutOfReach);
                    break;
                }
            }
        }
        Book::AllOf(user) => {
            get_user(session, *user, "fromUserId").await?;
            if !in_reach(session, *user).await? {
                problems.push(Problem::ClientsOutOfReach);
            }
        }
    }
    let not_theirs = Condition::any()
        .add(client::Column::OwnerId.ne(to))
        .add(client::Column::OwnerId.is_null());
    let moving = Condition::all().add(book.condition()).add(not_theirs);
    let client_count = select()
        .filter(moving.clone())
        .count(i64::MAX.unsigned_abs())
        .await?;
    if client_count == 0 {
        problems.push(Problem::NothingToHandOver);
    }
    let clients = select()
        .filter(moving.clone())
        .order_by(client::Column::NameSort, sea_orm::Order::Asc)
        .order_by(client::Column::Id, sea_orm::Order::Asc)
        .limit(PREVIEW_CLIENTS)
        .all()
        .await?;
    Ok(Preview {
        client_count,
        open_order_count: open_orders(session, moving.clone()).await?,
        receivable: session.receivable_by_currency(moving).await?,
        clients,
        problems,
    })
}

/// The hand-overs that a client was part of, latest first; the order of ids is that of time.
///
/// # Errors
/// From the database.
pub async fn of_client(
    session: &Session,
    client: &Visible<client::Model>,
) -> Result<Vec<Visible<handover_client::Model>>> {
    let children = Children {
        parent: handover_client::Column::ClientId,
        select: session
            .select::<handover_client::Entity>()
            .order_by(handover_client::Column::HandoverId, sea_orm::Order::Desc),
    };
    session
        .all_of(
            client,
            "handovers",
            |client: &client::Model| client.id.0,
            children,
            |part| part.client_id.0,
        )
        .await
}

/// How many of the clients of a hand-over the viewer sees.
///
/// # Errors
/// From the database.
pub async fn client_count(session: &Session, made: &Visible<handover::Model>) -> Result<u64> {
    let children = Children {
        parent: handover_client::Column::HandoverId,
        select: session.select::<handover_client::Entity>(),
    };
    let own = |made: &handover::Model| made.id.0;
    session.count_of(made, "clients", own, children).await
}

/// The hand-over that a part belongs to.
///
/// # Errors
/// From the database.
pub async fn of_part(
    session: &Session,
    part: &Visible<handover_client::Model>,
) -> Result<Option<Visible<handover::Model>>> {
    session
        .one_of::<handover::Entity, _, _>(part, "handover", |part: &handover_client::Model| {
            Some::<HandoverId>(part.handover_id)
        })
        .await
}

async fn open_orders(session: &Session, moving: Condition) -> Result<u64> {
    let mut clients = Query::select();
    clients
        .column((client::Entity, client::Column::Id))
        .from(client::Entity)
        .cond_where(moving);
    session
        .select::<order::Entity>()
        .filter(order::Column::ClientId.in_subquery(clients))
        .filter(order::Column::Status.is_in([
            OrderStatus::Submitted,
            OrderStatus::Approved,
            OrderStatus::InProduction,
            OrderStatus::Shipped,
        ]))
        .count(i64::MAX.unsigned_abs())
        .await
}

fn require_manager(session: &Session) -> Result<()> {
    if session.viewer().is_manager() {
        return Ok(());
    }
    Err(Error::forbidden(say!(
        "only managers and administrators may hand clients over"
    )))
}

async fn get_user(session: &Session, id: UserId, field: &str) -> Result<Visible<user::Model>> {
    session
        .select::<user::Entity>()
        .id(id)
        .get()
        .await
        .map_err(|error| error.field(field))
}

/// Whether somebody is the viewer or reports to them, at any depth; everybody does to administrators.
async fn in_reach(session: &Session, user: UserId) -> Result<bool> {
    match session.viewer().user_id() {
        Some(me) if !session.viewer().is_admin() => session.reaches(me, user).await,
        Some(_) | None => Ok(true),
    }
}

async fn check_target(tx: &Tx, to: UserId) -> Result<()> {
    // They neither leave nor move away before the clients are theirs.
    tx.share(Guard::Tree).await?;
    let target = get_user(tx, to, "toUserId").await?;
    if target.deactivated_at.is_some() {
        return Err(
            Error::rule("users.deactivated", Problem::TargetDeactivated.message())
                .field("toUserId"),
        );
    }
    if in_reach(tx, to).await? {
        return Ok(());
    }
    Err(Error::forbidden(Problem::TargetOutOfReach.message()).field("toUserId"))
}

async fn lock_book(tx: &Tx, book: &Book) -> Result<Vec<LockedClient>> {
    match book {
        Book::Clients(ids) => {
            let clients = tx.lock_clients(ids).await?;
            if clients.len() < ids.len() {
                return Err(Error::not_found("client").field("clientIds"));
            }
            Ok(clients)
        }
        Book::AllOf(user) => {
            get_user(tx, *user, "fromUserId").await?;
            tx.lock_clients_of(*user).await
        }
    }
}

/// Whose clients these are, so are they the viewer's to give: seeing them by a share is not enough.
async fn check_owners(tx: &Tx, book: &Book, clients: &[LockedClient]) -> Result<()> {
    let (owners, field) = match book {
        Book::Clients(_) => {
            let mut owners: Vec<Option<UserId>> =
                clients.iter().map(|client| client.owner_id).collect();
            owners.sort_unstable();
            owners.dedup();
            (owners, "clientIds")
        }
        Book::AllOf(user) => (vec![Some(*user)], "fromUserId"),
    };
    for owner in owners {
        if !users::is_steward(tx, owner).await? {
            return Err(Error::forbidden(say!(
                "you can hand over only clients of people who report to you"
            ))
            .with_rule("handovers.not_owner")
            .field(field));
        }
    }
    Ok(())
}

async fn keep_former_owners(
    tx: &Tx,
    clients: &[LockedClient],
    granted_by: UserId,
    until: DateTime<Utc>,
) -> Result<()> {
    tx.share_all(clients, |client| {
        Some(client_member::ActiveModel {
            id: Set(tx.new_id()),
            client_id: Set(client.id),
            user_id: Set(client.owner_id?),
            role: Set(None),
            expires_at: Set(Some(until)),
            note: Set(None),
            granted_by_id: Set(granted_by),
            version: Set(1),
            created_at: Set(tx.now()),
            updated_at: Set(tx.now()),
        })
    })
    .await
}
