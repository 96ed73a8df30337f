//! The people of a test: a small sales team, signed in without the cost of passwords.

use chrono::TimeDelta;
use entity::{Locale, SessionId, UserId, UserRole, session, user};
use sea_orm::ActiveValue::Set;
use uuid::Uuid;

use super::App;

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// The name.
    pub name: String,
    /// The session of the token.
    pub session: SessionId,
    /// An access token that holds for a day.
    pub token: String,
}

impl Person {
    /// The id as the API writes it.
    pub fn id(&self) -> String {
        self.id.to_string()
    }
}

/// Three levels: `top` manages `left` and `right`; `left` manages `ann` and `ben`, `right` manages `cleo`.
/// `admin` stands beside them.
#[derive(Clone, Debug)]
pub struct Team {
    /// An administrator.
    pub admin: Person,
    /// The manager of everybody else.
    pub top: Person,
    /// A manager.
    pub left: Person,
    /// Another manager.
    pub right: Person,
    /// A rep of `left`.
    pub ann: Person,
    /// Another rep of `left`.
    pub ben: Person,
    /// A rep of `right`.
    pub cleo: Person,
}

impl App {
    /// Adds a user below `manager` and signs them in.
    pub async fn person(&self, name: &str, role: UserRole, manager: Option<&Person>) -> Person {
        let id = UserId(Uuid::now_v7());
        let manager = manager.map(|manager| manager.id);
        let named = name.to_owned();
        self.server()
            .database
            .as_system("the people of a test")
            .write(move |tx| {
                let name = named.clone();
                async move {
                    let row = user::ActiveModel {
                        id: Set(id),
                        email: Set(format!(
                            "{}-{}@example.com",
                            name.to_lowercase(),
                            id.0.simple()
                        )),
                        name_sort: Set(clientele::domain::text::name_sort(&name)),
                        name: Set(name),
                        role: Set(role),
                        manager_id: Set(manager),
                        is_pool_keeper: Set(false),
                        time_zone: Set("UTC".to_owned()),
                        locale: Set(Locale::En),
                        version: Set(1),
                        created_at: Set(tx.now()),
                        updated_at: Set(tx.now()),
                        ..Default::default()
                    };
                    tx.insert::<user::Entity>(row).await?;
                    tx.lock_tree().await?;
                    tx.tree_insert(id, manager).await
                }
            })
            .await
            .expect("a test's user should go in");
        self.sign_in(id, name).await
    }

    /// A fresh session and token of a user.
    pub async fn sign_in(&self, id: UserId, name: &str) -> Person {
        let session = SessionId(Uuid::now_v7());
        self.server()
            .database
            .as_system("the people of a test")
            .write(move |tx| async move {
                let row = session::ActiveModel {
                    id: Set(session),
                    user_id: Set(id),
                    device_name: Set("a test".to_owned()),
                    refresh_hash: Set(session.0.as_bytes().to_vec()),
                    rotated_at: Set(tx.now()),
                    created_at: Set(tx.now()),
                    last_used_at: Set(tx.now()),
                    idle_expires_at: Set(tx.now() + TimeDelta::days(3650)),
                    expires_at: Set(tx.now() + TimeDelta::days(3650)),
                    ..Default::default()
                };
                tx.insert::<session::Entity>(row).await
            })
            .await
            .expect("a test's session should go in");
        let mut person = Person {
            id,
            name: name.to_owned(),
            session,
            token: String::new(),
        };
        person.token = self.token(&person);
        person
    }

    /// A new token of a person who is signed in, for after the clock moved.
    pub fn token(&self, person: &Person) -> String {
        let server = self.server();
        server
            .tokens
            .issue(
                person.id.0,
                person.session.0,
                server.clock.now(),
                TimeDelta::days(1),
            )
            .expect("a token should be issued")
            .0
    }

    /// The team.
    pub async fn team(&self) -> Team {
        let admin = self.person("Admin", UserRole::Admin, None).await;
        let top = self.person("Top", UserRole::Manager, None).await;
        let left = self.person("Left", UserRole::Manager, Some(&top)).await;
        let right = self.person("Right", UserRole::Manager, Some(&top)).await;
        Team {
            ann: self.person("Ann", UserRole::Rep, Some(&left)).await,
            ben: self.person("Ben", UserRole::Rep, Some(&left)).await,
            cleo: self.person("Cleo", UserRole::Rep, Some(&right)).await,
            admin,
            top,
            left,
            right,
        }
    }

    /// Records a client of `owner` with the API and answers its id.
    pub async fn client_of(&self, owner: &Person, name: &str) -> String {
        let answer = self
            .gql(
                &owner.token,
                "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { client { id } } }",
                serde_json::json!({ "input": { "kind": "ORGANIZATION", "name": name, "currency": "EUR" } }),
            )
            .await
            .ok();
        answer.text("/clientCreate/client/id").to_owned()
    }
}
