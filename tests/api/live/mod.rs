//! Subscriptions over real sockets: the protocol, the limits, and who hears of what.

mod limits;
mod others;
mod pokes;
mod protocol;
mod scope;
mod slow;
pub mod socket;
mod way;

/// Follows all clients one sees.
pub const CLIENTS: &str = "subscription { clientChanged { ids isResync clients { id name } } }";

/// Follows all orders one sees.
pub const ORDERS: &str =
    "subscription { orderPlaced { isResync order { id status client { id name } } } }";
