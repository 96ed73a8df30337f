//! A small company in which every text of a client's subtree names the client it belongs to, so that a
//! value in the wrong hands shows as well as an id.
//!
//! Rows are put in past the service, for two reasons: every column is filled, even those that take a long
//! story to fill, and rows may point where the service would not let them (a client whose parent is
//! somebody else's, an order that repeats a stranger's), so that edges have something to hide.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::TimeDelta;
use entity::{
    CategoryId, ClientId, EntityId, HandoverId, ProductId, ServiceAccountId, ServiceKeyId,
    SessionId, TierId, TierSchemeId, UserId, UserIdentityId, UserRole, product, product_category,
    service_account, service_key, session, stock_level, tier, tier_scheme, user, user_identity,
};
use sea_orm::{ActiveModelTrait, DatabaseConnection, EntityTrait, IntoActiveModel};
use uuid::Uuid;

use super::dump;
use super::oracle::{Holding, Member, Organisation};
use crate::support::{App, Person, Team};

/// Who may see a row or a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Whoever sees this client.
    Client(ClientId),
    /// Everybody who is signed in.
    Everyone,
    /// Managers and administrators.
    Managers,
    /// Administrators.
    Admins,
    /// Whoever sees one of the clients of this hand-over.
    Handover(HandoverId),
    /// This user, and administrators.
    User(UserId),
}

/// The company.
pub struct World {
    /// The service.
    pub app: App,
    /// A connection past the service.
    pub db: DatabaseConnection,
    /// Three levels of people.
    pub team: Team,
    /// A manager who keeps the pool and has nobody below.
    pub keeper: Person,
    /// A rep of `right` with one client, whose session was ended.
    pub gone: Person,
    /// A rep below the rep `ann`, who must not see more for it.
    pub trainee: Person,
    /// The oracle.
    pub organisation: Organisation,
    /// Clients by number, from 1.
    pub clients: Vec<ClientId>,
    /// Ids by kind, in the order they were made, with who may see them.
    pub kinds: BTreeMap<String, Vec<(String, Owner)>>,
    /// The same, by what stands after the kind.
    pub owners: HashMap<Uuid, Owner>,
    /// The clients of each hand-over.
    pub handovers: BTreeMap<Uuid, Vec<ClientId>>,
    /// Things that everybody sees.
    pub public: Public,
    /// Whether new clients come without traces outside their subtree.
    pub is_quiet: bool,
}

/// Things that everybody sees.
#[derive(Clone, Copy, Debug)]
pub struct Public {
    /// A product with stock.
    pub product: ProductId,
    /// Its category.
    pub category: CategoryId,
    /// The default scheme of tiers.
    pub scheme: TierSchemeId,
    /// A tier of it.
    pub tier: TierId,
    /// Another.
    pub lower_tier: TierId,
}

/// A client as the scene wants it.
pub struct Scene<'a> {
    /// Who answers for it.
    pub owner: Option<&'a Person>,
    /// Who was let in, and how many days from now the share ends.
    pub shares: Vec<(&'a Person, Option<i64>)>,
    /// The number of the client it belongs to.
    pub parent: Option<usize>,
    /// Whether it is hidden.
    pub is_archived: bool,
    /// From whom it was taken over.
    pub taken_from: Option<&'a Person>,
}

impl<'a> Scene<'a> {
    /// A client of `owner`.
    pub fn of(owner: &'a Person) -> Self {
        Self {
            owner: Some(owner),
            shares: Vec::new(),
            parent: None,
            is_archived: false,
            taken_from: None,
        }
    }

    fn pool() -> Self {
        Self {
            owner: None,
            shares: Vec::new(),
            parent: None,
            is_archived: false,
            taken_from: None,
        }
    }

    /// Lets somebody in, for some days or for good.
    pub fn shared(mut self, with: &'a Person, days: Option<i64>) -> Self {
        self.shares.push((with, days));
        self
    }

    fn below(mut self, parent: usize) -> Self {
        self.parent = Some(parent);
        self
    }

    /// Hides it.
    pub fn archived(mut self) -> Self {
        self.is_archived = true;
        self
    }

    fn taken_from(mut self, person: &'a Person) -> Self {
        self.taken_from = Some(person);
        self
    }
}

/// Puts rows in, past the service.
pub async fn put<E>(db: &DatabaseConnection, rows: Vec<E::Model>)
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: Send,
{
    let rows = rows
        .into_iter()
        .map(|row| row.into_active_model().reset_all());
    E::insert_many(rows)
        .exec_without_returning(db)
        .await
        .expect("a row of the scene should go in");
}

impl World {
    /// The company in an empty service.
    pub async fn build(app: App) -> Self {
        let team = app.team().await;
        let keeper = app
            .person("Keeper", UserRole::Manager, Some(&team.top))
            .await;
        let gone = app.person("Gone", UserRole::Rep, Some(&team.right)).await;
        let trainee = app.person("Trainee", UserRole::Rep, Some(&team.ann)).await;
        let db = dump::connect(app.database_url()).await;
        let mut world = Self {
            app,
            db,
            team,
            keeper,
            gone,
            trainee,
            organisation: Organisation::default(),
            clients: Vec::new(),
            kinds: BTreeMap::new(),
            owners: HashMap::new(),
            handovers: BTreeMap::new(),
            is_quiet: false,
            public: Public {
                product: ProductId(Uuid::nil()),
                category: CategoryId(Uuid::nil()),
                scheme: TierSchemeId(Uuid::nil()),
                tier: TierId(Uuid::nil()),
                lower_tier: TierId(Uuid::nil()),
            },
        };
        world.people().await;
        world.catalogue().await;
        world.book().await;
        let (ann, keeper) = (world.team.ann.id, world.keeper.id);
        world.service_account(ann, None).await;
        world.identity(ann).await;
        world.identity(keeper).await;
        world
    }

    async fn people(&mut self) {
        let now = self.app.server().clock.now();
        let keeper = user::ActiveModel {
            id: sea_orm::Unchanged(self.keeper.id),
            is_pool_keeper: sea_orm::Set(true),
            title: sea_orm::Set(Some("Keeper of the pool".to_owned())),
            external_id: sea_orm::Set(Some("keeper".to_owned())),
            hired_on: sea_orm::Set(Some(now.date_naive())),
            ..Default::default()
        };
        keeper.update(&self.db).await.unwrap();
        let retired = self
            .app
            .person("Retired", UserRole::Rep, Some(&self.team.right))
            .await;
        let retired = user::ActiveModel {
            id: sea_orm::Unchanged(retired.id),
            deactivated_at: sea_orm::Set(Some(now)),
            ..Default::default()
        };
        retired.update(&self.db).await.unwrap();
        let ended = session::ActiveModel {
            id: sea_orm::Unchanged(self.gone.session),
            revoked_at: sea_orm::Set(Some(now)),
            revoked_reason: sea_orm::Set(Some("a test".to_owned())),
            ..Default::default()
        };
        ended.update(&self.db).await.unwrap();
        for user in user::Entity::find().all(&self.db).await.unwrap() {
            let member = Member {
                role: user.role,
                manager: user.manager_id,
                keeps_pool: user.is_pool_keeper,
            };
            self.organisation.users.insert(user.id, member);
            self.register(user.id, Owner::Everyone);
        }
        for row in session::Entity::find().all(&self.db).await.unwrap() {
            let owner = Owner::User(row.user_id);
            self.register(row.id, owner);
            let marked = session::ActiveModel {
                id: sea_orm::Unchanged(row.id),
                device_name: sea_orm::Set(self.private_marker(row.id, "device")),
                user_agent: sea_orm::Set(Some(self.private_marker(row.id, "agent"))),
                ..Default::default()
            };
            marked.update(&self.db).await.unwrap();
        }
    }

    /// A service account that acts as `user`, with one key; the ids of both.
    pub async fn service_account(&mut self, user: UserId, name: Option<&str>) -> (String, String) {
        let now = self.app.server().clock.now();
        let is_over = name.is_none();
        let account = service_account::Model {
            id: ServiceAccountId(Uuid::now_v7()),
            name: format!("mk~admins-{}", name.unwrap_or("robot")),
            user_id: user,
            scopes: "READ,WRITE_ORDERS".to_owned(),
            created_by_id: None,
            created_at: now,
            closed_at: Some(now).filter(|_| is_over),
        };
        let key = service_key::Model {
            id: ServiceKeyId(Uuid::now_v7()),
            account_id: account.id,
            secret_hash: vec![0; 32],
            created_by_id: None,
            created_at: now,
            expires_at: now + TimeDelta::days(365),
            last_used_on: Some(now.date_naive()).filter(|_| is_over),
            revoked_at: Some(now).filter(|_| is_over),
        };
        let ids = (
            self.register(account.id, Owner::Admins).to_string(),
            self.register(key.id, Owner::Admins).to_string(),
        );
        put::<service_account::Entity>(&self.db, vec![account]).await;
        put::<service_key::Entity>(&self.db, vec![key]).await;
        ids
    }

    /// Who `user` is to an identity provider; its id.
    pub async fn identity(&mut self, user: UserId) -> String {
        let id = self.register(UserIdentityId(Uuid::now_v7()), Owner::User(user));
        let identity = user_identity::Model {
            id,
            user_id: user,
            issuer: "https://id.example.com".to_owned(),
            subject: format!("subject-{}", user.uuid()),
            created_at: self.app.server().clock.now(),
        };
        put::<user_identity::Entity>(&self.db, vec![identity]).await;
        id.to_string()
    }

    fn private_marker(&self, session: SessionId, what: &str) -> String {
        format!("mine-{}-{what}", session.uuid())
    }

    async fn catalogue(&mut self) {
        let now = self.app.server().clock.now();
        let public = Public {
            product: ProductId(Uuid::now_v7()),
            category: CategoryId(Uuid::now_v7()),
            scheme: TierSchemeId(Uuid::now_v7()),
            tier: TierId(Uuid::now_v7()),
            lower_tier: TierId(Uuid::now_v7()),
        };
        let root = CategoryId(Uuid::now_v7());
        let category = |id, parent_id, name: &str| product_category::Model {
            id,
            external_id: Some(name.to_owned()),
            name: name.to_owned(),
            name_sort: name.to_owned(),
            parent_id,
            version: 1,
            created_at: now,
            updated_at: now,
            archived_at: Some(now).filter(|_| id == public.category),
        };
        let tea = CategoryId(Uuid::now_v7());
        let categories = vec![
            category(root, None, "goods"),
            category(public.category, Some(root), "drinks"),
            category(tea, Some(root), "tea"),
        ];
        put::<product_category::Entity>(&self.db, categories).await;
        let product = product::Model {
            id: public.product,
            external_id: Some("water".to_owned()),
            sku: "W-1".to_owned(),
            name: "Water".to_owned(),
            name_sort: "water".to_owned(),
            search_text: "\nwater\n".to_owned(),
            category_id: Some(public.category),
            unit: "bottle".to_owned(),
            list_price_minor: 100,
            currency: "EUR".to_owned(),
            is_active: true,
            may_back_order: true,
            reorder_level: 2_000_000,
            version: 1,
            created_at: now,
            updated_at: now,
            archived_at: None,
        };
        let hidden = product::Model {
            id: ProductId(Uuid::now_v7()),
            external_id: None,
            sku: "W-2".to_owned(),
            category_id: Some(root),
            archived_at: Some(now),
            ..product.clone()
        };
        let ids = [product.id, hidden.id];
        put::<product::Entity>(&self.db, vec![product, hidden]).await;
        let levels = ids.map(|product_id| stock_level::Model {
            product_id,
            on_hand: 1_000_000,
            reserved: 500_000,
            updated_at: now,
        });
        put::<stock_level::Entity>(&self.db, levels.to_vec()).await;
        let scheme = tier_scheme::Model {
            id: public.scheme,
            external_id: Some("stars".to_owned()),
            name: "Stars".to_owned(),
            description: Some("By revenue".to_owned()),
            is_default: true,
            version: 1,
            created_at: now,
            updated_at: now,
            archived_at: None,
        };
        let old = tier_scheme::Model {
            id: TierSchemeId(Uuid::now_v7()),
            external_id: None,
            name: "Old stars".to_owned(),
            is_default: false,
            archived_at: Some(now),
            ..scheme.clone()
        };
        let schemes = [scheme.id, old.id];
        put::<tier_scheme::Entity>(&self.db, vec![scheme, old]).await;
        let tier = |id, code: &str, rank| tier::Model {
            id,
            scheme_id: public.scheme,
            code: code.to_owned(),
            name: code.to_owned(),
            rank,
            discount_bp: Some(500),
            points_multiplier_bp: Some(10_000),
            visit_cadence_days: Some(30),
            payment_term_days: Some(30),
            credit_limit_minor: Some(1_000_000),
            credit_limit_currency: Some("EUR".to_owned()),
            response_hours: Some(24),
            version: 1,
            created_at: now,
            updated_at: now,
            archived_at: Some(now).filter(|_| rank > 2),
        };
        let hidden_tier = TierId(Uuid::now_v7());
        let tiers = vec![
            tier(public.tier, "A", 1),
            tier(public.lower_tier, "B", 2),
            tier(hidden_tier, "C", 3),
        ];
        put::<tier::Entity>(&self.db, tiers).await;
        // In this order: cases take them by number.
        for id in [root, public.category, tea] {
            self.register(id, Owner::Everyone);
        }
        for id in ids {
            self.register(id, Owner::Everyone);
        }
        for id in schemes {
            self.register(id, Owner::Everyone);
        }
        for id in [public.tier, public.lower_tier, hidden_tier] {
            self.register(id, Owner::Everyone);
        }
        self.public = public;
    }

    /// The clients. The numbers are those of [`Self::client`].
    async fn book(&mut self) {
        let Team {
            top,
            left,
            ann,
            ben,
            cleo,
            ..
        } = self.team.clone();
        let (gone, trainee) = (self.gone.clone(), self.trainee.clone());
        let scenes = [
            /* 1 */ Scene::of(&ann),
            /* 2 */ Scene::of(&ann).below(1),
            /* 3 */ Scene::of(&ann).archived(),
            /* 4 */ Scene::of(&cleo),
            /* 5: whose parent its owner must not see */ Scene::of(&ben).below(4),
            /* 6 */ Scene::of(&ben).shared(&ann, None),
            /* 7 */ Scene::of(&cleo).shared(&ben, Some(30)).shared(&gone, None),
            /* 8 */ Scene::of(&cleo).shared(&ann, Some(-1)),
            /* 9 */ Scene::pool(),
            /* 10 */ Scene::of(&left),
            /* 11 */ Scene::of(&cleo).taken_from(&ann),
            /* 12 */ Scene::pool().shared(&cleo, Some(1)),
            /* 13 */ Scene::of(&top),
            /* 14 */ Scene::of(&cleo).below(4).archived(),
            /* 15: which the owner of its parent must not see */ Scene::of(&ben).below(1),
            /* 16 */ Scene::of(&gone),
            /* 17 */ Scene::of(&ann).shared(&cleo, Some(30)),
            /* 18: in the same hand-over as 11, which its owner must not see */
            Scene::of(&ben).taken_from(&ann),
            /* 19 and 20: which the rep above the trainee must not see */
            Scene::of(&trainee),
            Scene::of(&cleo).shared(&trainee, None),
        ];
        for scene in &scenes {
            self.add(scene).await;
        }
    }

    /// Adds clients, with all their rows, that neither `ann` nor `ben` nor `left` sees.
    pub async fn more_strangers(&mut self) {
        let Team { right, cleo, .. } = self.team.clone();
        let scenes = [
            Scene::of(&cleo),
            // Below clients of the others.
            Scene::of(&cleo).below(1),
            Scene::of(&right).below(5),
            Scene::pool(),
            Scene::of(&cleo).taken_from(&right).archived(),
            Scene::of(&right).shared(&cleo, None),
        ];
        for scene in &scenes {
            self.add(scene).await;
        }
    }

    /// Adds a client with all its rows.
    pub async fn add(&mut self, scene: &Scene<'_>) {
        let now = self.app.server().clock.now();
        let id = ClientId(Uuid::now_v7());
        let shares = scene.shares.iter().map(|(person, days)| {
            let expires_at = days.map(|days| now + TimeDelta::days(days));
            (person.id, expires_at)
        });
        let holding = Holding {
            owner: scene.owner.map(|owner| owner.id),
            shares: shares.collect(),
            is_archived: scene.is_archived,
        };
        self.clients.push(id);
        self.organisation.clients.insert(id, holding);
        self.register(id, Owner::Client(id));
        self.subtree(id, scene).await;
    }

    /// The client with this number.
    pub fn client(&self, number: usize) -> ClientId {
        self.clients[number - 1]
    }

    /// What stands in every text of this client's subtree, with `what`.
    pub fn marker(&self, client: ClientId, what: &str) -> String {
        let at = self.clients.iter().position(|known| *known == client);
        format!("mk~{}-{what}", at.expect("a client of the scene") + 1)
    }

    /// Remembers who may see a row.
    pub fn register<I: EntityId>(&mut self, id: I, owner: Owner) -> I {
        self.owners.insert(id.uuid(), owner);
        self.kinds
            .entry(I::PREFIX.to_owned())
            .or_default()
            .push((id.to_string(), owner));
        id
    }

    /// Whether `viewer` is above `user`, or is `user`, or an administrator.
    fn answers_for(&self, viewer: UserId, user: UserId) -> bool {
        viewer == user
            || match self.organisation.users[&viewer].role {
                UserRole::Admin => true,
                UserRole::Manager => self.organisation.is_below(viewer, user),
                UserRole::Rep => false,
            }
    }

    /// Whether `viewer` may see what belongs to `owner`.
    pub fn may_see(&self, viewer: UserId, owner: Owner) -> bool {
        let role = self.organisation.users[&viewer].role;
        match owner {
            Owner::Everyone => true,
            Owner::Managers => role != UserRole::Rep,
            Owner::Admins => role == UserRole::Admin,
            Owner::Handover(handover) => self.handovers[&handover.uuid()]
                .iter()
                .any(|client| self.may_see(viewer, Owner::Client(*client))),
            Owner::User(user) => user == viewer || role == UserRole::Admin,
            Owner::Client(client) => {
                let now = self.app.server().clock.now();
                self.organisation.sees(viewer, client, now)
            }
        }
    }

    /// The ids of `kind` that `viewer` may see, and those that they may not.
    pub fn split(&self, viewer: UserId, kind: &str) -> (Vec<String>, Vec<String>) {
        let all = self.kinds.get(kind).map_or(&[][..], Vec::as_slice);
        let (seen, unseen): (Vec<_>, Vec<_>) = all
            .iter()
            .partition(|(_, owner)| self.may_see(viewer, *owner));
        let ids = |list: Vec<&(String, Owner)>| list.iter().map(|(id, _)| id.clone()).collect();
        (ids(seen), ids(unseen))
    }

    /// Everybody who can sign in.
    pub fn viewers(&self) -> Vec<&Person> {
        let Team {
            admin,
            top,
            left,
            right,
            ann,
            ben,
            cleo,
        } = &self.team;
        vec![ann, ben, cleo, left, right, top, &self.keeper, admin]
    }

    /// What of `text` must not reach `viewer`: ids and markers of rows that are not theirs, and ids that
    /// nobody knows.
    pub fn leaks(&self, viewer: UserId, text: &str, found: &mut BTreeSet<String>) {
        for (at, uuid) in uuids(text) {
            match self.owners.get(&uuid) {
                Some(owner) if self.may_see(viewer, *owner) => {}
                Some(owner) => {
                    found.insert(format!("{text:.120} belongs to {owner:?}"));
                }
                None => {
                    let prefix = text[..at].trim_end_matches('_');
                    let named = at > 0 && text[..at].ends_with('_');
                    if named
                        && self
                            .kinds
                            .keys()
                            .any(|kind| prefix.ends_with(kind.as_str()))
                    {
                        found.insert(format!("{text:.120} is an id of nothing in the scene"));
                    }
                }
            }
        }
        let lower = text.to_lowercase();
        for part in lower.split("mk~").skip(1) {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            let Ok(number) = digits.parse::<usize>() else {
                if part.starts_with("admins") && !self.may_see(viewer, Owner::Admins) {
                    found.insert(format!("{text:.120} is for administrators"));
                }
                if part.starts_with("managers") && !self.may_see(viewer, Owner::Managers) {
                    found.insert(format!("{text:.120} is for managers"));
                }
                if part.starts_with("ann") && !self.answers_for(viewer, self.team.ann.id) {
                    found.insert(format!("{text:.120} is for those above Ann"));
                }
                continue;
            };
            if !self.may_see(viewer, Owner::Client(self.client(number))) {
                found.insert(format!("{text:.120} is of client {number}"));
            }
        }
    }

    /// The leaks of a whole answer.
    pub fn leaks_of(&self, viewer: UserId, json: &serde_json::Value) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![json];
        while let Some(json) = open.pop() {
            match json {
                serde_json::Value::String(text) => {
                    self.leaks(viewer, text, &mut found);
                    if let Some(inner) = inside_cursor(text) {
                        self.leaks(viewer, &inner, &mut found);
                    }
                }
                serde_json::Value::Array(items) => open.extend(items),
                serde_json::Value::Object(fields) => open.extend(
                    fields
                        .iter()
                        .filter(|(name, _)| *name != "requestId")
                        .map(|(_, value)| value),
                ),
                _ => {}
            }
        }
        found
    }
}

/// What a cursor says once its wrapping is off: it holds values of a row.
fn inside_cursor(text: &str) -> Option<String> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text);
    Some(String::from_utf8_lossy(&bytes.ok()?).into_owned())
}

/// Every UUID in `text`, with where it stands.
fn uuids(text: &str) -> Vec<(usize, Uuid)> {
    const LENGTH: usize = 36;
    if text.len() < LENGTH {
        return Vec::new();
    }
    let starts = text
        .match_indices('-')
        .filter_map(|(at, _)| at.checked_sub(8));
    starts
        .filter_map(|at| {
            let uuid = Uuid::try_parse(text.get(at..at + LENGTH)?).ok()?;
            Some((at, uuid))
        })
        .collect()
}
