//! Subscriptions: what just happened among the clients one sees. An event is a hint that names ids; what is selected
//! of it is read when it is told, by the scope that the viewer has then. The edge runs each operation once when it
//! begins ([`Opening`]), and once for each thing that happened ([`Happening`]).

use std::collections::BTreeSet;

use async_graphql::futures_util::stream::{self, Stream};
use async_graphql::{Context, SimpleObject, Subscription};
use entity::{ClientId, client, order};
use sea_orm::ColumnTrait;

use super::clients::Client;
use super::context::session;
use super::orders::Order;
use super::pace::Listed;
use crate::db::Session;
use crate::error::{Error, Result};
use crate::live::{Happening, Interest, Opening, Placed};
use crate::say;

/// How many clients one may ask to hear of.
const MAX_CHOSEN: usize = 100;

/// That something of clients changed: of themselves, or of what belongs to them, such as contacts, orders, notes and statistics.
#[derive(Clone, SimpleObject)]
pub struct ClientChanged {
    /// The clients that changed, of those that you see: 20 at most, more come in the next event. Empty where `isResync` is true.
    ids: Vec<ClientId>,
    /// The same clients, as they are now.
    clients: Listed<Client>,
    /// Whether any clients may have changed: it is so in the first event, which says that the subscription has begun, and whenever events were missed. Read again what you show.
    is_resync: bool,
}

/// That an order was placed.
#[derive(Clone, SimpleObject)]
pub struct OrderPlaced {
    /// The order, as it is now: approved, or waiting for approval. Null where `isResync` is true.
    order: Option<Order>,
    /// Whether any orders may have been placed: it is so in the first event, which says that the subscription has begun, and whenever events were missed. Read again what you show.
    is_resync: bool,
}

/// What happens among the clients you see, over a WebSocket with the protocol `graphql-transport-ws`. You hear only of what you see at that moment: a client that was handed over is silent from then on.
#[derive(Default)]
pub struct LiveSubscription;

/// What happens among the clients you see.
#[Subscription]
impl LiveSubscription {
    /// Clients that were changed by anybody. Changes close together come as one event, each client once.
    async fn client_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these clients, up to 100. All that you see when absent.")]
        client_ids: Option<Vec<ClientId>>,
    ) -> Result<impl Stream<Item = Result<ClientChanged>> + use<>> {
        let session = current(ctx)?;
        let told = match heard(ctx)? {
            Heard::Opening(opening) => {
                opening.follow(Interest::Clients(chosen(session, client_ids).await?));
                None
            }
            Heard::Happening(Happening::Missed) => Some(ClientChanged {
                ids: Vec::new(),
                clients: Listed(Vec::new()),
                is_resync: true,
            }),
            Heard::Happening(Happening::Clients(changed)) => clients_of(session, changed).await?,
            Heard::Happening(Happening::Placed(_) | Happening::Poke { .. }) => None,
        };
        Ok(stream::iter(told.map(Ok)))
    }

    /// Orders that were placed: submitted by somebody, whether they need approval or not.
    async fn order_placed(
        &self,
        ctx: &Context<'_>,
    ) -> Result<impl Stream<Item = Result<OrderPlaced>> + use<>> {
        let session = current(ctx)?;
        let told = match heard(ctx)? {
            Heard::Opening(opening) => {
                opening.follow(Interest::Orders);
                None
            }
            Heard::Happening(Happening::Missed) => Some(OrderPlaced {
                order: None,
                is_resync: true,
            }),
            Heard::Happening(Happening::Placed(placed)) => order_of(session, placed).await?,
            Heard::Happening(Happening::Clients(_) | Happening::Poke { .. }) => None,
        };
        Ok(stream::iter(told.map(Ok)))
    }
}

/// Why a subscription runs.
pub(super) enum Heard<'a> {
    Opening(&'a Opening),
    Happening(Happening),
}

/// Why the subscription of `ctx` runs.
///
/// # Errors
/// `INTERNAL` when it was not said.
pub(super) fn heard<'a>(ctx: &Context<'a>) -> Result<Heard<'a>> {
    if let Some(opening) = ctx.data_opt::<Opening>() {
        return Ok(Heard::Opening(opening));
    }
    let happening = ctx.data_opt::<Happening>().cloned();
    happening
        .map(Heard::Happening)
        .ok_or_else(|| Error::bug("a subscription that nothing happened to"))
}

/// The session of whoever follows. It reads nothing from a replica: what was just written may not be there yet.
pub(super) fn current<'a>(ctx: &Context<'a>) -> Result<&'a Session> {
    let session = session(ctx)?;
    session.stay_current();
    Ok(session)
}

/// The clients that a subscription is about, all of which the viewer must see.
async fn chosen(
    session: &Session,
    ids: Option<Vec<ClientId>>,
) -> Result<Option<BTreeSet<ClientId>>> {
    let Some(ids) = ids else {
        return Ok(None);
    };
    if ids.len() > MAX_CHOSEN {
        return Err(Error::bad_input(
            "clientIds",
            say!(
                "ask for at most {most} ids at once, not {count}",
                most = MAX_CHOSEN,
                count = ids.len()
            ),
        )
        .with_rule("BAD_PAGE_SIZE"));
    }
    let seen = session
        .select::<client::Entity>()
        .filter(client::Column::Id.is_in(ids.iter().copied()))
        .all()
        .await?;
    let seen: BTreeSet<ClientId> = seen.iter().map(|client| client.id).collect();
    match ids.iter().position(|id| !seen.contains(id)) {
        Some(at) => Err(Error::not_found("client").field(format!("clientIds.{at}"))),
        None => Ok(Some(seen)),
    }
}

/// The clients of `changed` that the viewer sees; nothing when there are none.
async fn clients_of(
    session: &Session,
    changed: BTreeSet<ClientId>,
) -> Result<Option<ClientChanged>> {
    let seen = session
        .select::<client::Entity>()
        .filter(client::Column::Id.is_in(changed))
        .all()
        .await?;
    let ids: Vec<ClientId> = seen.iter().map(|client| client.id).collect();
    let told = (!ids.is_empty()).then(|| ClientChanged {
        ids,
        clients: seen.into_iter().map(Client).collect(),
        is_resync: false,
    });
    Ok(told)
}

/// The order that was placed, if the viewer sees it.
async fn order_of(session: &Session, placed: Placed) -> Result<Option<OrderPlaced>> {
    let found = session
        .select::<order::Entity>()
        .id(placed.order)
        .find()
        .await?;
    Ok(found.map(|order| OrderPlaced {
        order: Some(Order(order)),
        is_resync: false,
    }))
}
