//! Looking anything up by its id.

use async_graphql::{ID, Interface, Object};
use entity::EntityId;

use super::addresses::Address;
use super::categories::Category;
use super::clients::Client;
use super::contacts::Contact;
use super::handovers::Handover;
use super::notes::Note;
use super::orders::{Order, OrderEvent, OrderLine, OrderReturn};
use super::pace::Listed;
use super::payments::Payment;
use super::products::Product;
use super::sessions::UserSession;
use super::stock::StockMovement;
use super::tiers::{Tier, TierAssignment, TierScheme};
use super::users::User;
use crate::db::{Keyed, Session};
use crate::error::{Error, Result};
use crate::graphql::context::session;
use crate::messages::quoted;
use crate::say;

/// Anything with an id of its own.
#[derive(Clone, Interface)]
#[graphql(field(
    name = "id",
    ty = "ID",
    desc = "The id: the kind, an underscore and a UUID, as in `client_0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e01`."
))]
pub enum Node {
    /// A client.
    Client(Client),
    /// A user.
    User(User),
    /// A session.
    Session(UserSession),
    /// A hand-over.
    Handover(Handover),
    /// A person at a client.
    Contact(Contact),
    /// Where a client is found, supplied or billed.
    Address(Address),
    /// What somebody wrote down about a client.
    Note(Note),
    /// A way to grade clients.
    TierScheme(TierScheme),
    /// One grade of a scheme.
    Tier(Tier),
    /// That a client was in a tier for a time.
    TierAssignment(TierAssignment),
    /// A category of products.
    Category(Category),
    /// A product.
    Product(Product),
    /// A change of what is on hand of a product.
    StockMovement(StockMovement),
    /// An order.
    Order(Order),
    /// A line of an order.
    OrderLine(OrderLine),
    /// Something that happened to an order.
    OrderEvent(OrderEvent),
    /// Goods of an order that came back.
    OrderReturn(OrderReturn),
    /// A payment.
    Payment(Payment),
}

/// How many ids one `nodes` takes.
const MAX_NODES: usize = 100;

/// Looking anything up by its id.
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The object with this id, of whatever kind; null when there is none, or it is not yours.
    async fn node(
        &self,
        ctx: &async_graphql::Context<'_>,
        #[graphql(desc = "The id of any object.")] id: ID,
    ) -> Option<Result<Node>> {
        let found = async { find(session(ctx)?, &[id], |_| "id".to_owned()).await };
        found
            .await
            .map(|mut nodes| nodes.pop().flatten())
            .transpose()
    }

    /// The objects with these ids, in the same order; null where there is none, or it is not yours.
    async fn nodes(
        &self,
        ctx: &async_graphql::Context<'_>,
        #[graphql(desc = "Up to 100 ids, of any kinds.")] ids: Vec<ID>,
    ) -> Result<Listed<Option<Node>>> {
        if ids.len() > MAX_NODES {
            return Err(Error::bad_input(
                "ids",
                say!(
                    "ask for at most {most} ids at once, not {count}",
                    most = MAX_NODES,
                    count = ids.len()
                ),
            )
            .with_rule("BAD_PAGE_SIZE"));
        }
        find(session(ctx)?, &ids, |at| format!("ids.{at}"))
            .await
            .map(Listed)
    }
}

/// The nodes with these ids: one statement per kind. `field` names the place of an id in errors.
async fn find(
    session: &Session,
    ids: &[ID],
    field: impl Fn(usize) -> String,
) -> Result<Vec<Option<Node>>> {
    let mut wanted = Vec::with_capacity(ids.len());
    for (at, id) in ids.iter().enumerate() {
        let parts = entity::split(id.as_str()).ok_or_else(|| {
            Error::bad_input(
                field(at),
                say!(
                    "{id} is not an id: expected a kind, an underscore and a UUID",
                    id = quoted(id.as_str())
                ),
            )
        })?;
        wanted.push(parts);
    }
    let mut nodes: Vec<Option<Node>> = vec![None; wanted.len()];
    let mut kinds: Vec<&str> = wanted.iter().map(|(prefix, _)| *prefix).collect();
    kinds.sort_unstable();
    kinds.dedup();
    macro_rules! kinds {
        ($($entity:ident => $node:ident),+ $(,)?) => {
            for kind in kinds {
                let uuids: Vec<uuid::Uuid> = wanted
                    .iter()
                    .filter(|(prefix, _)| *prefix == kind)
                    .map(|(_, uuid)| *uuid)
                    .collect();
                match kind {
                    $(<<entity::$entity::Entity as Keyed>::Id as EntityId>::PREFIX => {
                        let rows = session
                            .select::<entity::$entity::Entity>()
                            .ids(uuids.into_iter().map(EntityId::from_uuid))
                            .all()
                            .await?;
                        for row in rows {
                            for (slot, (prefix, uuid)) in nodes.iter_mut().zip(&wanted) {
                                if *prefix == kind && *uuid == row.id.uuid() {
                                    *slot = Some(Node::$node(row.clone().into()));
                                }
                            }
                        }
                    })+
                    _ => {
                        let at = wanted.iter().position(|(prefix, _)| *prefix == kind);
                        return Err(Error::bad_input(
                            field(at.unwrap_or_default()),
                            say!("there is no kind of object called {kind}", kind = quoted(kind))));
                    }
                }
            }
        };
    }
    kinds!(
        client => Client,
        user => User,
        session => Session,
        handover => Handover,
        contact => Contact,
        address => Address,
        note => Note,
        tier_scheme => TierScheme,
        tier => Tier,
        tier_assignment => TierAssignment,
        product_category => Category,
        product => Product,
        stock_movement => StockMovement,
        order => Order,
        order_line => OrderLine,
        order_event => OrderEvent,
        order_return => OrderReturn,
        payment => Payment,
    );
    Ok(nodes)
}
