//! What is confidential: seen by those it is for, null and named for the others, and of no use to anybody
//! else in filters, orders, searches and guesses.

use clientele::db::Confidential;
use clientele::graphql::confidential::{FIELDS, INPUTS};
use serde_json::{Value, json};

use crate::idempotency::send;
use crate::service_accounts::key_of;
use crate::support::{Answer, App, Backend, Person, Team};

const MEMBER: &str =
    "mutation($input: ClientMemberAddInput!) { clientMemberAdd(input: $input) { __typename } }";
const UPDATE: &str = "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { version creditLimit { amount } } } }";
const SET: &str = "mutation($input: ConfidentialitySetInput!) { confidentialitySet(input: $input) { confidentiality { group audience } } }";

/// Ann's client with a credit limit, a debt and a contact whom Ann knows well; Cleo was let in.
struct Scene {
    app: App,
    team: Team,
    client: String,
    contact: String,
}

impl Scene {
    async fn build(app: App) -> Self {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Harbour Foods").await;
        let scene = Self {
            contact: String::new(),
            app,
            team,
            client,
        };
        let limit = json!({ "input": {
            "id": scene.client, "version": 1,
            "profile": { "creditLimit": { "amount": "900.00", "currency": "EUR" } }
        } });
        scene.ask(&scene.team.left, UPDATE, limit).await.ok();
        let contact = scene
            .ask(
                &scene.team.ann,
                "mutation($input: ContactCreateInput!) { contactCreate(input: $input) { contact { id } } }",
                json!({ "input": {
                    "clientId": scene.client, "name": "Wilma", "likes": "fly fishing", "socialStatus": "mayor"
                } }),
            )
            .await
            .ok();
        let contact = contact.text("/contactCreate/contact/id").to_owned();
        scene.let_in(&scene.team.cleo).await;
        Self { contact, ..scene }
    }

    async fn let_in(&self, person: &Person) {
        let input = json!({ "input": { "clientId": self.client, "userId": person.id() } });
        self.ask(&self.team.ann, MEMBER, input).await.ok();
    }

    async fn ask(&self, person: &Person, query: &str, variables: Value) -> Answer {
        self.app.gql(&person.token, query, variables).await
    }

    async fn set(&self, group: Confidential, audience: &str) -> Answer {
        let group = match group {
            Confidential::Credit => "CREDIT",
            Confidential::Personal => "PERSONAL",
        };
        let input = json!({ "input": { "group": group, "audience": audience } });
        self.ask(&self.team.admin, SET, input).await.ok()
    }

    /// A query that shows a confidential field, and the path of the field in the answer.
    fn showing(&self, ty: &str, field: &str) -> (String, Vec<Value>) {
        let client = &self.client;
        let (query, path) = match (ty, field) {
            ("Client", "creditLimit") => (
                format!("{{ client(id: \"{client}\") {{ creditLimit {{ amount }} }} }}"),
                json!(["client", "creditLimit"]),
            ),
            ("ClientStats", "receivable") => (
                format!("{{ client(id: \"{client}\") {{ stats {{ receivable {{ amount }} }} }} }}"),
                json!(["client", "stats", "receivable"]),
            ),
            ("HandoverPreview", "receivables") => (
                format!(
                    "{{ handoverPreview(clientIds: [\"{client}\"], toUserId: \"{}\") {{ receivables {{ amount }} }} }}",
                    self.team.ben.id()
                ),
                json!(["handoverPreview", "receivables"]),
            ),
            ("Contact", "likes" | "socialStatus") => (
                format!("{{ contact(id: \"{}\") {{ {field} }} }}", self.contact),
                json!(["contact", field]),
            ),
            _ => panic!("say here how {ty}.{field} is shown"),
        };
        (query, path.as_array().unwrap().clone())
    }

    /// Whether a person is shown a field. Demands that a hidden one is null and named.
    async fn is_shown(&self, person: &Person, ty: &str, field: &str) -> bool {
        let (query, path) = self.showing(ty, field);
        let answer = self.ask(person, &query, json!({})).await.ok();
        let pointer: String = path
            .iter()
            .map(|step| format!("/{}", step.as_str().unwrap()))
            .collect();
        let masked = &answer.json["extensions"]["masked"];
        if answer.data(&pointer).is_null() {
            assert_eq!(*masked, json!([path]), "{query} by {}", person.name);
            false
        } else {
            assert!(masked.is_null(), "{query} by {}: {answer}", person.name);
            true
        }
    }

    /// Demands that `person` is refused, or not, to look at an input, as `is_refused` says.
    async fn look(&self, person: &Person, on: &str, name: &str, is_refused: bool) {
        let (queries, field) = match (on, name) {
            ("ClientFilter", "receivable") => (
                [
                    "receivable: { currency: \"EUR\", gte: \"1\" }",
                    "not: { receivable: { currency: \"EUR\", gte: \"1\" } }",
                    "and: [{ or: [{ receivable: { currency: \"EUR\", gte: \"1\" } }] }]",
                ]
                .map(|filter| format!("{{ clients(filter: {{ {filter} }}) {{ totalCount }} }}"))
                .to_vec(),
                "filter.receivable",
            ),
            ("ClientOrder", "RECEIVABLE_DESC") => (
                vec!["{ clients(orderBy: RECEIVABLE_DESC) { nodes { id } } }".to_owned()],
                "orderBy",
            ),
            _ => panic!("say here how {on}.{name} is looked at"),
        };
        for query in queries {
            let answer = self.ask(person, &query, json!({})).await;
            if is_refused {
                assert_eq!(answer.code(0), "FORBIDDEN", "{query} by {}", person.name);
                assert_eq!(answer.rule(), "confidentiality.masked_field");
                assert_eq!(answer.fields(), [field]);
            } else {
                answer.ok();
            }
        }
    }
}

fn is_for_managers(ty: &str) -> bool {
    ty == "HandoverPreview"
}

on_both!(
    who_was_let_in_sees_nothing_confidential,
    async |app: App| {
        let scene = Scene::build(app).await;
        let team = &scene.team;
        for (_, ty, field) in FIELDS {
            // The manager of who was let in sees the client by that alone.
            assert!(
                !scene.is_shown(&team.right, ty, field).await,
                "{ty}.{field}"
            );
            for person in [&team.left, &team.top, &team.admin] {
                assert!(scene.is_shown(person, ty, field).await, "{ty}.{field}");
            }
            if !is_for_managers(ty) {
                assert!(!scene.is_shown(&team.cleo, ty, field).await, "{ty}.{field}");
                assert!(scene.is_shown(&team.ann, ty, field).await, "{ty}.{field}");
            }
        }
        for (_, on, name) in INPUTS {
            for person in [&team.cleo, &team.right] {
                scene.look(person, on, name, true).await;
            }
            for person in [&team.ann, &team.ben, &team.left, &team.top, &team.admin] {
                scene.look(person, on, name, false).await;
            }
        }
    }
);

on_both!(an_administrator_decides_who_sees_what, async |app: App| {
    let scene = Scene::build(app).await;
    let team = &scene.team;
    for person in [&team.ann, &team.left, &team.top] {
        let input = json!({ "input": { "group": "CREDIT", "audience": "EVERYONE" } });
        let answer = scene.ask(person, SET, input).await;
        assert_eq!(answer.code(0), "FORBIDDEN");
    }
    // Who sees the client, from the widest audience to the narrowest; how many of them see the fact.
    let people = [&team.cleo, &team.right, &team.ann, &team.left, &team.admin];
    let audiences = [
        ("EVERYONE", [true, true, true, true, true]),
        ("OWNER_AND_ABOVE", [false, false, true, true, true]),
        ("MANAGERS", [false, false, false, true, true]),
        ("ADMINS", [false, false, false, false, true]),
    ];
    for (audience, expected) in audiences {
        for group in Confidential::ALL {
            let set = scene.set(group, audience).await;
            let rules = set.list("/confidentialitySet/confidentiality");
            assert!(rules.iter().any(|rule| rule["audience"] == audience));
        }
        for (_, ty, field) in FIELDS {
            for (person, expected) in people.iter().zip(expected) {
                let is_rep = [team.cleo.id, team.ann.id].contains(&person.id);
                if is_rep && is_for_managers(ty) {
                    continue;
                }
                let is_shown = scene.is_shown(person, ty, field).await;
                assert_eq!(
                    is_shown, expected,
                    "{ty}.{field} {audience} {}",
                    person.name
                );
            }
        }
        for (_, on, name) in INPUTS {
            for (person, expected) in people.iter().zip(expected) {
                scene.look(person, on, name, !expected).await;
            }
        }
    }
    let query = "{ confidentiality { group audience fields } }";
    let answer = scene.ask(&team.ann, query, json!({})).await.ok();
    let rules = answer.list("/confidentiality");
    assert_eq!(rules.len(), Confidential::ALL.len());
    assert!(rules.iter().all(|rule| rule["audience"] == "ADMINS"));
    let named: usize = rules
        .iter()
        .map(|rule| rule["fields"].as_array().unwrap().len())
        .sum();
    assert_eq!(named, FIELDS.len());
});

on_both!(ones_own_clients_can_still_be_sorted, async |app: App| {
    let scene = Scene::build(app).await;
    let team = &scene.team;
    scene.app.client_of(&team.cleo, "Cleo's own").await;
    let query = "query($owner: ID!) { clients(filter: { ownerId: { eq: $owner }, \
        receivable: { currency: \"EUR\", lte: \"1000000\" } }, orderBy: RECEIVABLE_DESC) { totalCount } }";
    let own = json!({ "owner": team.cleo.id() });
    let answer = scene.ask(&team.cleo, query, own).await.ok();
    assert_eq!(*answer.data("/clients/totalCount"), 1);
    let anns = json!({ "owner": team.ann.id() });
    let answer = scene.ask(&team.cleo, query, anns).await;
    assert_eq!(answer.code(0), "FORBIDDEN");
});

on_both!(a_search_finds_nothing_confidential, async |app: App| {
    let scene = Scene::build(app).await;
    for word in ["fishing", "mayor", "900"] {
        for list in ["clients", "contacts"] {
            let query = format!("{{ {list}(filter: {{ search: \"{word}\" }}) {{ totalCount }} }}");
            let answer = scene.ask(&scene.team.admin, &query, json!({})).await.ok();
            assert_eq!(*answer.data(&format!("/{list}/totalCount")), 0, "{query}");
        }
    }
});

on_both!(guesses_at_what_is_hidden_tell_nothing, async |app: App| {
    let scene = Scene::build(app).await;
    let create = "mutation($input: ContactCreateInput!) { contactCreate(input: $input) { contact { id likes } } }";
    let guess = |likes: &str| {
        json!({ "input": {
            "id": scene.contact, "clientId": scene.client, "name": "Wilma", "likes": likes, "socialStatus": "mayor"
        } })
    };
    for likes in ["fly fishing", "chess"] {
        let answer = scene.ask(&scene.team.cleo, create, guess(likes)).await.ok();
        assert!(answer.data("/contactCreate/contact/likes").is_null());
    }
    // Who sees it is told.
    scene
        .ask(&scene.team.ann, create, guess("fly fishing"))
        .await
        .ok();
    let answer = scene.ask(&scene.team.ann, create, guess("chess")).await;
    assert_eq!(answer.code(0), "CONFLICT");
    // A manager to whom the client was lent may not find out its limit the same way.
    let create =
        "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { client { id } } }";
    let guess = |amount: &str| {
        json!({ "input": {
            "id": scene.client, "kind": "ORGANIZATION", "name": "Harbour Foods", "currency": "EUR",
            "ownerId": scene.team.ann.id(), "profile": { "creditLimit": { "amount": amount, "currency": "EUR" } }
        } })
    };
    let told = |answer: &Answer| {
        let error = answer.errors().first().cloned().unwrap_or_default();
        error["extensions"]["code"].clone()
    };
    let right = scene.ask(&scene.team.right, create, guess("900.00")).await;
    let wrong = scene.ask(&scene.team.right, create, guess("1.00")).await;
    assert_eq!(told(&right), told(&wrong));
});

on_both!(a_program_sees_no_more_than_its_user, async |app: App| {
    let scene = Scene::build(app).await;
    let team = &scene.team;
    for (person, expected) in [(&team.ann, true), (&team.cleo, false)] {
        let (_, _, key) = key_of(&scene.app, team, person, &["WRITE_CLIENTS"]).await;
        let program = Person {
            token: key,
            ..person.clone()
        };
        for (_, ty, field) in FIELDS {
            if !is_for_managers(ty) {
                let is_shown = scene.is_shown(&program, ty, field).await;
                assert_eq!(is_shown, expected, "{ty}.{field} {}", person.name);
            }
        }
        for (_, on, name) in INPUTS {
            scene.look(&program, on, name, !expected).await;
        }
    }
});

on_both!(
    a_repeated_answer_names_what_it_hides_again,
    async |app: App| {
        let scene = Scene::build(app).await;
        let create = "mutation($input: ContactCreateInput!) { contactCreate(input: $input) { \
            made: contact { id likes socialStatus name } } }";
        let input = json!({ "input": {
            "clientId": scene.client, "name": "Fred", "likes": "chess", "socialStatus": "judge"
        } });
        let mut ids = Vec::new();
        for _ in 0..3 {
            let cleo = &scene.team.cleo.token;
            let answer = send(&scene.app, cleo, "k", create, input.clone())
                .await
                .ok();
            assert!(answer.data("/contactCreate/made/likes").is_null());
            assert_eq!(
                answer.json["extensions"]["masked"],
                json!([
                    ["contactCreate", "made", "likes"],
                    ["contactCreate", "made", "socialStatus"]
                ]),
                "{answer}"
            );
            ids.push(answer.text("/contactCreate/made/id").to_owned());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
    }
);

on_both!(
    what_became_confidential_is_not_told_again,
    async |app: App| {
        let scene = Scene::build(app).await;
        let update = "mutation($input: ContactUpdateInput!) { contactUpdate(input: $input) { contact { likes title } } }";
        let plain = "mutation($input: ContactUpdateInput!) { contactUpdate(input: $input) { contact { title } } }";
        let ann = &scene.team.ann.token;
        let input = |version: u8| json!({ "input": { "id": scene.contact, "version": version, "title": "Buyer" } });
        let telling = async || send(&scene.app, ann, "telling", update, input(1)).await;
        let quiet = async || send(&scene.app, ann, "quiet", plain, input(2)).await;
        telling().await.ok();
        quiet().await.ok();
        assert_eq!(
            telling().await.ok().text("/contactUpdate/contact/likes"),
            "fly fishing"
        );
        scene.set(Confidential::Personal, "MANAGERS").await;
        let answer = telling().await;
        assert_eq!(answer.code(0), "NOT_FOUND", "{answer}");
        assert_eq!(answer.rule(), "idempotency.out_of_reach");
        assert!(!answer.to_string().contains("fly fishing"));
        quiet().await.ok();
    }
);

on_both!(what_is_hidden_cannot_be_overwritten, async |app: App| {
    let scene = Scene::build(app).await;
    let update = "mutation($input: ContactUpdateInput!) { contactUpdate(input: $input) { contact { version } } }";
    for field in ["likes", "socialStatus"] {
        let mut input = json!({ "id": scene.contact, "version": 1 });
        input[field] = Value::Null;
        let answer = scene
            .ask(&scene.team.cleo, update, json!({ "input": input }))
            .await;
        assert_eq!(answer.code(0), "FORBIDDEN", "{answer}");
        assert_eq!(answer.rule(), "confidentiality.masked_field");
        assert_eq!(answer.fields(), [format!("input.{field}")]);
    }
    // The rest of the contact is theirs to keep.
    let input = json!({ "input": { "id": scene.contact, "version": 1, "title": "Buyer" } });
    scene.ask(&scene.team.cleo, update, input).await.ok();
    assert!(scene.is_shown(&scene.team.ann, "Contact", "likes").await);
    scene.set(Confidential::Credit, "ADMINS").await;
    let input = json!({ "input": { "id": scene.client, "version": 2, "profile": { "creditLimit": null } } });
    let answer = scene.ask(&scene.team.left, UPDATE, input).await;
    assert_eq!(answer.code(0), "FORBIDDEN");
    assert_eq!(answer.rule(), "confidentiality.masked_field");
});

on_both!(
    many_clients_cost_no_more_statements_than_one,
    async |app: App| {
        let scene = Scene::build(app).await;
        let team = &scene.team;
        let query = "{ clients(first: 50) { nodes { creditLimit { amount } stats { receivable { amount } } \
        contacts { nodes { likes socialStatus } } } } }";
        let mut counts = Vec::new();
        for round in 0..2 {
            for number in 0..5 * round {
                let id = scene
                    .app
                    .client_of(&team.ann, &format!("Client {number}"))
                    .await;
                let input = json!({ "input": { "clientId": id, "userId": team.cleo.id() } });
                scene.ask(&team.ann, MEMBER, input).await.ok();
            }
            let statements = [&team.ann, &team.cleo, &team.right];
            let mut asked = Vec::new();
            for person in statements {
                asked.push(scene.ask(person, query, json!({})).await.ok().statements());
            }
            counts.push(asked);
        }
        assert_eq!(counts[0], counts[1]);
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_look_at_a_confidential_field_is_known() {
    let app = App::start(Backend::Sqlite).await;
    let person = app.team().await.ann;
    let query = "{ __schema { types { name kind fields { name type { kind } } inputFields { name } \
        enumValues { name } } } }";
    let answer = app.gql(&person.token, query, json!({})).await.ok();
    let types = answer.list("/__schema/types");
    let named = |name: &str| {
        let ty = types.iter().find(|ty| ty["name"] == name);
        ty.unwrap_or_else(|| panic!("there is no type {name}"))
    };
    for (_, ty, field) in FIELDS {
        let fields = named(ty)["fields"].as_array().unwrap();
        let found = fields.iter().find(|known| known["name"] == *field).unwrap();
        assert_ne!(
            found["type"]["kind"], "NON_NULL",
            "{ty}.{field} cannot be null"
        );
    }
    let mut wrong = Vec::new();
    for ty in types {
        let name = ty["name"].as_str().unwrap();
        let is_filter = ty["kind"] == "INPUT_OBJECT" && name.ends_with("Filter");
        let is_order = ty["kind"] == "ENUM" && name.ends_with("Order");
        for (_, _, field) in FIELDS {
            let screaming: String = field
                .chars()
                .flat_map(|c| {
                    let before = c.is_uppercase().then_some('_');
                    before.into_iter().chain(c.to_uppercase())
                })
                .collect();
            let inputs = ty["inputFields"].as_array().into_iter().flatten();
            let inputs = inputs.filter(|input| is_filter && input["name"] == *field);
            let values = ty["enumValues"].as_array().into_iter().flatten();
            let values = values.filter(|value| {
                is_order && value["name"].as_str().unwrap().starts_with(&screaming)
            });
            for found in inputs.chain(values) {
                let found = found["name"].as_str().unwrap();
                if !INPUTS
                    .iter()
                    .any(|(_, on, input)| (*on, *input) == (name, found))
                {
                    wrong.push(format!("{name}.{found} looks at {field}: add it to INPUTS"));
                }
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert_eq!(wrong, Vec::<String>::new());
}
