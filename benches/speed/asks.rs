//! The four requests that stand for the work, as the service takes them and as the floor does. Both answer the
//! same JSON.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use clientele::app::{AUDIENCE, ISSUER};
use clientele::auth::keys::Keyring;
use clientele::auth::tokens::Tokens;
use entity::{ClientId, ProductId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::data::{self, Company};
use crate::words::{Chance, TRADES};
use crate::{Result, SECRET};

/// Requests of one plan; they are sent round and round.
const PLAN: usize = 4_000;

const HOME: &str = "query Home { clients(first: 20) { nodes { id name tier { code name } \
    contacts(first: 2) { nodes { id name title } } \
    orders(first: 3) { nodes { id number status placedOn total { amount currency } } } } \
    pageInfo { hasNextPage } } }";

const CLIENT: &str = "query Client($id: ID!) { client(id: $id) { id name kind lifecycle phone email currency \
    tier { code name } contacts(first: 100) { nodes { id name title isKey } } \
    orders(first: 20) { nodes { id number status placedOn dueOn total { amount currency } \
    lines { id productName sku quantity unitPrice { amount currency } net { amount currency } } } } } }";

const SEARCH: &str = "query Search($search: String!) { clients(filter: {search: $search}, first: 20) { \
    nodes { id name lifecycle phone email } pageInfo { hasNextPage } } }";

const ORDER: &str = "mutation Order($input: OrderCreateInput!) { orderCreate(input: $input) { \
    order { id number status placedOn dueOn total { amount currency } } } }";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The home screen: 20 clients by name, each with tier, two contacts and its last three orders.
    Home,
    /// One client with its contacts and 20 orders with their lines.
    Client,
    /// 20 clients by a part of the name.
    Search,
    /// An order of five lines, created and submitted.
    Order,
}

impl Ask {
    pub(crate) const ALL: [Self; 4] = [Self::Home, Self::Client, Self::Search, Self::Order];

    pub(crate) fn letter(self) -> char {
        match self {
            Self::Home => 'H',
            Self::Client => 'C',
            Self::Search => 'S',
            Self::Order => 'O',
        }
    }

    fn document(self) -> &'static str {
        match self {
            Self::Home => HOME,
            Self::Client => CLIENT,
            Self::Search => SEARCH,
            Self::Order => ORDER,
        }
    }

    /// Where the floor answers it.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Home => "/home",
            Self::Client => "/client",
            Self::Search => "/search",
            Self::Order => "/order",
        }
    }
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The service.
    Service,
    /// The hand-written handlers.
    Floor,
}

/// One request, ready to be sent by POST.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) token: String,
    pub(crate) body: String,
}

/// Issues and verifies tokens as the service does under [`SECRET`].
pub(crate) fn tokens() -> Result<Tokens> {
    let keyring = Arc::new(Keyring::from_secret_text(SECRET)?);
    Ok(Tokens::new(keyring, ISSUER, AUDIENCE))
}

/// Requests for `ask` from reps all over the company; the same for both sides.
pub(crate) fn plan(company: Company, ask: Ask, side: Side) -> Result<Vec<Request>> {
    let tokens = tokens()?;
    let issued: Vec<String> = (0..company.reps)
        .map(|rep| {
            let (user, session) = data::claims(rep);
            let (token, _) = tokens.issue(user, session, Utc::now(), TimeDelta::days(1))?;
            Ok(token)
        })
        .collect::<Result<_>>()?;
    let mut chance = Chance::new(ask as u64);
    (0..PLAN)
        .map(|_| {
            let rep = chance.below(company.reps);
            let variables = variables(company, ask, rep, &mut chance);
            let body = match side {
                Side::Service => json!({ "query": ask.document(), "variables": variables }),
                Side::Floor => variables,
            };
            let path = match side {
                Side::Service => "/graphql",
                Side::Floor => ask.path(),
            };
            Ok(Request {
                path: path.to_owned(),
                token: issued.get(rep).cloned().unwrap_or_default(),
                body: body.to_string(),
            })
        })
        .collect()
}

fn variables(company: Company, ask: Ask, rep: usize, chance: &mut Chance) -> Value {
    match ask {
        Ask::Home => json!({}),
        Ask::Client => {
            // One with 22 orders.
            let nth = chance.below(company.book().div_ceil(10)) * 10;
            json!({ "id": ClientId(company.client(rep, nth)) })
        }
        Ask::Search => json!({ "search": chance.pick(TRADES).to_lowercase() }),
        Ask::Order => {
            let client = company.client(rep, chance.below(company.book()));
            let first = chance.below(1_000_000);
            let lines: Vec<Value> = (0..5)
                .map(|nth| {
                    let product = ProductId(Company::product(first + nth * 37));
                    json!({ "productId": product, "quantity": chance.between(1, 20) })
                })
                .collect();
            json!({ "input": { "clientId": ClientId(client), "lines": lines, "submit": true } })
        }
    }
}
