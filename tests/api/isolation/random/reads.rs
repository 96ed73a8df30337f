//! What the people of a random company read, compared with the oracle.

use std::collections::BTreeSet;

use entity::{ClientId, UserId};
use serde_json::{Value, json};

use super::super::oracle::Holding;
use super::Company;
use crate::support::Person;

impl Company {
    /// Reads a whole list of clients, page by page, both ways; gives the ids and the count.
    async fn pages(&mut self, who: &Person, filter: Value) -> BTreeSet<ClientId> {
        const LIST: &str = "query($filter: ClientFilter, $order: ClientOrder, $first: Int, $after: String, \
            $last: Int, $before: String) { clients(filter: $filter, orderBy: $order, first: $first, \
            after: $after, last: $last, before: $before) { totalCount nodes { id } \
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
        let order = self.dice.pick(&self.orders.clone()).clone();
        let size = *self.dice.pick(&[1, 3, 7, 20, 100]);
        let backward = self.dice.one_in(2);
        let mut ids = Vec::new();
        let mut cursor = Value::Null;
        loop {
            let variables = if backward {
                json!({ "filter": filter, "order": order, "last": size, "before": cursor })
            } else {
                json!({ "filter": filter, "order": order, "first": size, "after": cursor })
            };
            let answer = self.send(who, LIST, variables).await.ok();
            let nodes = answer.list("/clients/nodes");
            assert!(nodes.len() <= size, "{answer}");
            ids.extend(
                nodes
                    .iter()
                    .map(|node| node["id"].as_str().unwrap().to_owned()),
            );
            let (more, end) = if backward {
                (
                    "/clients/pageInfo/hasPreviousPage",
                    "/clients/pageInfo/startCursor",
                )
            } else {
                (
                    "/clients/pageInfo/hasNextPage",
                    "/clients/pageInfo/endCursor",
                )
            };
            if *answer.data(more) != true {
                let total = answer.data("/clients/totalCount").clone();
                assert_eq!(
                    total,
                    json!(ids.len()),
                    "{} {filter} {order} {size}",
                    who.name
                );
                break;
            }
            cursor = answer.data(end).clone();
        }
        self.note(format!(
            "{} lists {filter} by {order} {size} backward={backward}",
            who.name
        ));
        let set: BTreeSet<ClientId> = ids.iter().map(|id| id.parse().unwrap()).collect();
        assert_eq!(set.len(), ids.len(), "a list repeats rows");
        set
    }

    /// The clients in sight that `keep` keeps.
    fn expected(
        &self,
        who: &Person,
        keep: impl Fn(&ClientId, &Holding) -> bool,
    ) -> BTreeSet<ClientId> {
        let seen = self.organisation.visible(who.id, self.now());
        seen.into_iter()
            .filter(|id| keep(id, &self.organisation.clients[id]))
            .collect()
    }

    pub(super) async fn list(&mut self) -> bool {
        let who = self.actor();
        let archived = *self.dice.pick(&["INCLUDE", "EXCLUDE", "ONLY"]);
        let kept = |is_archived: bool| match archived {
            "INCLUDE" => true,
            "EXCLUDE" => !is_archived,
            _ => is_archived,
        };
        let mut filter = json!({ "archived": archived });
        let other = self.someone();
        let part = format!("{}", self.dice.below(100));
        let some = self.some_client(&who);
        let kind = self.dice.below(6);
        match kind {
            0 => filter["ownerId"] = json!({ "eq": other.id.to_string() }),
            1 => filter["ownerId"] = json!({ "isNull": true }),
            2 => filter["name"] = json!({ "contains": part }),
            3 => {
                filter["or"] = json!([{ "id": { "eq": some.to_string() } }, { "ownerId": { "in": [other.id.to_string()] } }])
            }
            4 => filter["not"] = json!({ "ownerId": { "eq": other.id.to_string() } }),
            _ => {}
        }
        let found = self.pages(&who, filter.clone()).await;
        let names = &self.names;
        let expected = self.expected(&who, |id, holding| {
            kept(holding.is_archived)
                && match kind {
                    0 => holding.owner == Some(other.id),
                    1 => holding.owner.is_none(),
                    2 => names[id].contains(&part),
                    3 => *id == some || holding.owner == Some(other.id),
                    // As SQL has it, a client of nobody is not "not theirs".
                    4 => holding.owner.is_some_and(|owner| owner != other.id),
                    _ => true,
                }
        });
        assert_eq!(found, expected, "{} lists {filter}", who.name);
        !expected.is_empty()
    }

    pub(super) async fn look_up(&mut self) -> bool {
        let who = self.actor();
        let ids: BTreeSet<ClientId> = (0..4).map(|_| self.some_client(&who)).collect();
        let ids: Vec<ClientId> = ids.into_iter().collect();
        let texts: Vec<String> = ids.iter().map(ClientId::to_string).collect();
        let query = "query($id: ID!, $ids: [ID!]!) { client(id: $id) { id } node(id: $id) { id } nodes(ids: $ids) { id } }";
        let answer = self
            .send(&who, query, json!({ "id": texts[0], "ids": texts }))
            .await
            .ok();
        self.note(format!("{} looks up {texts:?}", who.name));
        for (at, id) in ids.iter().enumerate() {
            let sees = self.organisation.sees(who.id, *id, self.now());
            let expected = if sees {
                json!({ "id": texts[at] })
            } else {
                Value::Null
            };
            assert_eq!(
                *answer.data(&format!("/nodes/{at}")),
                expected,
                "{}",
                who.name
            );
            if at == 0 {
                assert_eq!(*answer.data("/client"), expected, "{}", who.name);
                assert_eq!(*answer.data("/node"), expected, "{}", who.name);
            }
        }
        true
    }

    pub(super) async fn search(&mut self) -> bool {
        let who = self.actor();
        let id = self.some_client(&who);
        let name = self.names[&id].clone();
        let found = self
            .pages(&who, json!({ "search": name, "archived": "INCLUDE" }))
            .await;
        let names = &self.names;
        let expected = self.expected(&who, |id, _| names[id] == name);
        assert_eq!(found, expected, "{} searches {name}", who.name);
        !expected.is_empty()
    }

    pub(super) async fn count(&mut self) -> bool {
        let (who, whose) = (self.actor(), self.someone());
        let query = "query($id: ID!) { user(id: $id) { clientCount clients(first: 100) { totalCount nodes { id } } } \
            users(first: 50) { nodes { id clientCount clients(first: 100) { totalCount } } } }";
        let answer = self
            .send(&who, query, json!({ "id": whose.id.to_string() }))
            .await
            .ok();
        self.note(format!("{} counts the clients of {}", who.name, whose.name));
        let of = |user: UserId| {
            self.expected(&who, |_, holding| {
                holding.owner == Some(user) && !holding.is_archived
            })
        };
        let expected = of(whose.id);
        let found: BTreeSet<ClientId> = answer
            .list("/user/clients/nodes")
            .iter()
            .map(|node| node["id"].as_str().unwrap().parse().unwrap())
            .collect();
        assert_eq!(found, expected, "{} at {}", who.name, whose.name);
        assert_eq!(*answer.data("/user/clientCount"), json!(expected.len()));
        assert_eq!(
            *answer.data("/user/clients/totalCount"),
            json!(expected.len())
        );
        for node in answer.list("/users/nodes") {
            let user: UserId = node["id"].as_str().unwrap().parse().unwrap();
            let expected = json!(of(user).len());
            assert_eq!(node["clientCount"], expected, "{} at {user}", who.name);
            assert_eq!(
                node["clients"]["totalCount"], expected,
                "{} at {user}",
                who.name
            );
        }
        !expected.is_empty()
    }

    pub(super) async fn nested(&mut self) -> bool {
        let who = self.actor();
        let query = "{ clients(first: 100, filter: { archived: INCLUDE }) { nodes { id parent { id } \
            owner { id clients(first: 50) { totalCount } } team { user { id } expiresAt } \
            handovers { handover { clientCount } } stats { orderCount } } } }";
        let answer = self.send(&who, query, json!({})).await.ok();
        self.note(format!("{} reads around their clients", who.name));
        let now = self.now();
        let mut useful = false;
        let expected = self.expected(&who, |_, _| true);
        let nodes = answer.list("/clients/nodes");
        assert_eq!(nodes.len(), expected.len().min(100), "{}", who.name);
        for node in nodes {
            let id: ClientId = node["id"].as_str().unwrap().parse().unwrap();
            assert!(expected.contains(&id), "{} sees {id}", who.name);
            let parent =
                self.parents[&id].filter(|parent| self.organisation.sees(who.id, *parent, now));
            useful |= self.parents[&id].is_some();
            assert_eq!(
                node["parent"]["id"].as_str(),
                parent.map(|id| id.to_string()).as_deref(),
                "{}",
                who.name
            );
            let holding = &self.organisation.clients[&id];
            assert_eq!(
                node["owner"]["id"].as_str(),
                holding.owner.map(|id| id.to_string()).as_deref()
            );
            let live = holding
                .shares
                .iter()
                .filter(|(_, end)| end.is_none_or(|end| end > now));
            let mut team: BTreeSet<String> = live.map(|(user, _)| user.to_string()).collect();
            team.extend(holding.owner.map(|owner| owner.to_string()));
            let found = node["team"].as_array().unwrap().iter();
            let found: BTreeSet<String> = found
                .map(|member| member["user"]["id"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(found, team, "the team of {id}");
            if let Some(owner) = holding.owner {
                let count = self
                    .expected(&who, |_, other| {
                        other.owner == Some(owner) && !other.is_archived
                    })
                    .len();
                assert_eq!(
                    node["owner"]["clients"]["totalCount"],
                    json!(count),
                    "{}",
                    who.name
                );
            }
        }
        useful
    }

    /// Who has left is refused, whatever token they hold.
    pub(super) async fn closed(&mut self) -> bool {
        let Some(id) = self.left.iter().next().copied() else {
            return false;
        };
        let person = self
            .people
            .iter()
            .find(|person| person.id == id)
            .unwrap()
            .clone();
        let answer = self
            .send(&person, "{ clients { totalCount } }", json!({}))
            .await;
        assert_eq!(answer.status, 401, "{answer}");
        assert_eq!(answer.code(0), "UNAUTHENTICATED");
        true
    }
}
