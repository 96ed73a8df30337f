//! A random company lives through thousands of random operations; whatever anybody reads is compared with
//! the oracle, which is fed from the bare rows.

mod reads;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use clientele::db::{Audience, Confidential};
use entity::{ClientId, UserId, UserRole, client, client_member, user};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use super::dump;
use super::line::{self, Line};
use super::oracle::{Holding, Member, Organisation};
use crate::support::{Answer, App, Person};

/// How many operations one database sees; `CLIENTELE_ISOLATION_OPERATIONS` says otherwise.
const OPERATIONS: usize = 1_500;

/// A generator of numbers that a seed fixes (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

/// Prints what was done when the test fails.
struct Log {
    seed: u64,
    lines: Vec<String>,
}

impl Drop for Log {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let from = self.lines.len().saturating_sub(60);
            println!(
                "seed {}; the last operations:\n{}",
                self.seed,
                self.lines[from..].join("\n")
            );
        }
    }
}

struct Company {
    app: App,
    db: DatabaseConnection,
    dice: Dice,
    log: Log,
    organisation: Organisation,
    people: Vec<Person>,
    left: BTreeSet<UserId>,
    names: BTreeMap<ClientId, String>,
    parents: BTreeMap<ClientId, Option<ClientId>>,
    orders: Vec<String>,
    counts: BTreeMap<&'static str, (usize, usize)>,
    /// What phones were told by, at the last look.
    line: Line,
}

on_both!(random_organisation, async |app: App| {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let now = app.server().clock.now().timestamp_micros().unsigned_abs();
    let seed = number("CLIENTELE_ISOLATION_SEED").unwrap_or(now);
    let operations = number("CLIENTELE_ISOLATION_OPERATIONS")
        .and_then(|operations| usize::try_from(operations).ok())
        .unwrap_or(OPERATIONS);
    let started = std::time::Instant::now();
    let mut company = Company::found(app, seed).await;
    for at in 0..operations {
        company.operate(at).await;
    }
    company.compare_line().await;
    println!(
        "{operations} operations in {:?}, seed {seed}: {:?}",
        started.elapsed(),
        company.counts
    );
    if operations >= 1_000 {
        for (name, (done, useful)) in &company.counts {
            assert!(*useful > 0, "{name} never did anything in {done} attempts");
        }
    }
});

impl Company {
    async fn found(app: App, seed: u64) -> Self {
        let db = dump::connect(app.database_url()).await;
        let mut people = vec![
            app.person("Admin", UserRole::Admin, None).await,
            app.person("Top", UserRole::Manager, None).await,
        ];
        let mut dice = Dice(seed);
        for at in 0..6 {
            let above = people[1 + dice.below(people.len() - 1)].clone();
            people.push(
                app.person(&format!("Manager{at}"), UserRole::Manager, Some(&above))
                    .await,
            );
        }
        for at in 0..8 {
            // Now and then below another rep, who must not see more for it.
            let above = people[1 + dice.below(people.len() - 1)].clone();
            people.push(
                app.person(&format!("Rep{at}"), UserRole::Rep, Some(&above))
                    .await,
            );
        }
        // What this is about is not who may sort by what.
        app.server()
            .database
            .as_system("what a test sorts by")
            .write(|tx| async move {
                tx.set_audience(Confidential::Credit, Audience::Everyone)
                    .await
                    .map(drop)
            })
            .await
            .unwrap();
        let schema = super::schema::Schema::of(&app, &people[0]).await;
        let line = Line::read(&db, app.server().clock.now()).await;
        let mut company = Self {
            app,
            line,
            db,
            dice,
            log: Log {
                seed,
                lines: Vec::new(),
            },
            organisation: Organisation::default(),
            people,
            left: BTreeSet::new(),
            names: BTreeMap::new(),
            parents: BTreeMap::new(),
            orders: schema.get("ClientOrder").values.clone(),
            counts: BTreeMap::new(),
        };
        company.read_people().await;
        for at in [0, 1, 2, 8, 9, 10] {
            line::check_in(&company.app, &company.people[at]).await;
        }
        for _ in 0..25 {
            company.create().await;
        }
        company
    }

    fn now(&self) -> DateTime<Utc> {
        self.app.server().clock.now()
    }

    fn note(&mut self, line: String) {
        self.log.lines.push(line);
    }

    fn someone(&mut self) -> Person {
        let at = self.dice.below(self.people.len());
        self.people[at].clone()
    }

    /// Somebody who can sign in.
    fn actor(&mut self) -> Person {
        loop {
            let person = self.someone();
            if !self.left.contains(&person.id) {
                return person;
            }
        }
    }

    /// A client: mostly one that the viewer sees.
    fn some_client(&mut self, viewer: &Person) -> ClientId {
        let seen: Vec<ClientId> = self
            .organisation
            .visible(viewer.id, self.now())
            .into_iter()
            .collect();
        let all: Vec<ClientId> = self.organisation.clients.keys().copied().collect();
        let list = if seen.is_empty() || self.dice.one_in(3) {
            all
        } else {
            seen
        };
        *self.dice.pick(&list)
    }

    async fn send(&self, person: &Person, query: &str, variables: Value) -> Answer {
        self.app.gql(&person.token, query, variables).await
    }

    async fn write(
        &mut self,
        person: &Person,
        mutation: &str,
        ty: &str,
        input: Value,
        payload: &str,
    ) -> Answer {
        let query =
            format!("mutation($input: {ty}!) {{ {mutation}(input: $input) {{ {payload} }} }}");
        let answer = self.send(person, &query, json!({ "input": input })).await;
        let code = answer
            .errors()
            .first()
            .map_or("OK", |_| answer.code(0))
            .to_owned();
        assert!(
            !matches!(
                code.as_str(),
                "INTERNAL" | "UNAVAILABLE" | "TIMEOUT" | "UNAUTHENTICATED"
            ),
            "{mutation} {input}: {answer}"
        );
        self.note(format!("{} {mutation} {input} -> {code}", person.name));
        answer
    }

    async fn read_people(&mut self) {
        self.organisation.users.clear();
        self.left.clear();
        for row in user::Entity::find().all(&self.db).await.unwrap() {
            let member = Member {
                role: row.role,
                manager: row.manager_id,
                keeps_pool: row.is_pool_keeper,
            };
            self.organisation.users.insert(row.id, member);
            if row.deactivated_at.is_some() {
                self.left.insert(row.id);
            }
        }
    }

    async fn read_client(&mut self, id: ClientId) -> client::Model {
        let row = client::Entity::find_by_id(id)
            .one(&self.db)
            .await
            .unwrap()
            .expect("a client");
        let members = client_member::Entity::find()
            .filter(client_member::Column::ClientId.eq(id))
            .all(&self.db)
            .await
            .unwrap();
        let holding = Holding {
            owner: row.owner_id,
            shares: members
                .iter()
                .map(|member| (member.user_id, member.expires_at))
                .collect(),
            is_archived: row.archived_at.is_some(),
        };
        self.organisation.clients.insert(id, holding);
        self.parents.insert(id, row.parent_id);
        self.names.insert(id, row.name.clone());
        row
    }

    async fn version(&self, table: &str, id: uuid::Uuid) -> i64 {
        match table {
            "client" => {
                client::Entity::find_by_id(ClientId(id))
                    .one(&self.db)
                    .await
                    .unwrap()
                    .unwrap()
                    .version
            }
            _ => {
                user::Entity::find_by_id(UserId(id))
                    .one(&self.db)
                    .await
                    .unwrap()
                    .unwrap()
                    .version
            }
        }
    }

    /// Demands that a write of `client` worked only for somebody who sees it, and says whether it did.
    fn judge(&mut self, who: &Person, client: ClientId, answer: &Answer, what: &str) -> bool {
        let sees = self.organisation.sees(who.id, client, self.now());
        let failed = answer.errors().first().map(|_| answer.code(0));
        match failed {
            None => assert!(
                sees,
                "{} did {what} to a client out of sight: {answer}",
                who.name
            ),
            Some("NOT_FOUND" | "FORBIDDEN") => {}
            Some(_) => assert!(
                sees,
                "{what} tells {} of a client out of sight: {answer}",
                who.name
            ),
        }
        failed.is_none()
    }

    async fn operate(&mut self, at: usize) {
        let (name, useful) = match self.dice.below(100) {
            0..=3 => ("create", self.create().await),
            4..=7 => ("update", self.update().await),
            8..=9 => ("archive", self.archive().await),
            10..=14 => ("share", self.share().await),
            15..=16 => ("join", self.join().await),
            17..=18 => ("leave", self.leave().await),
            19..=21 => ("hand over", self.hand_over().await),
            22..=23 => ("move", self.place().await),
            24 => ("appoint", self.appoint().await),
            25..=26 => ("deactivate", self.deactivate().await),
            27..=28 => ("time", self.pass_time()),
            29..=54 => ("list", self.list().await),
            55..=69 => ("look up", self.look_up().await),
            70..=77 => ("search", self.search().await),
            78..=87 => ("count", self.count().await),
            88..=95 => ("nested", self.nested().await),
            96..=97 => ("closed", self.closed().await),
            _ => ("device", self.device().await),
        };
        let count = self.counts.entry(name).or_default();
        count.0 += 1;
        count.1 += usize::from(useful);
        if at % 25 == 24 {
            self.compare_line().await;
        }
        if at % 500 == 499 {
            // What the oracle was told in small steps is what there is.
            let told = self.organisation.clone();
            self.read_people().await;
            for id in told.clients.keys() {
                self.read_client(*id).await;
            }
            assert_eq!(format!("{told:?}"), format!("{:?}", self.organisation));
        }
    }

    /// A device of somebody comes, perhaps the first.
    async fn device(&mut self) -> bool {
        let who = self.actor();
        line::check_in(&self.app, &who).await;
        self.note(format!("a device of {} comes", who.name));
        true
    }

    /// What phones are told by is what there is, and shows all that changed.
    async fn compare_line(&mut self) {
        clientele::jobs::sync::sweep(&self.app.server().database)
            .await
            .unwrap();
        let line = Line::read(&self.db, self.now()).await;
        let mut faults = line.faults();
        faults.extend(line.missed_since(&self.line));
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        self.line = line;
    }

    async fn create(&mut self) -> bool {
        let who = self.actor();
        let (first, last) = (self.dice.next() % 46_656, self.dice.next() % 10_000);
        let name = format!("name{first:05}x{last:04}");
        let kind = *self.dice.pick(&["ORGANIZATION", "INDIVIDUAL"]);
        let mut input = json!({ "kind": kind, "name": name, "currency": "EUR" });
        let parent = if !self.organisation.clients.is_empty() && self.dice.one_in(3) {
            let parent = self.some_client(&who);
            input["profile"] = json!({ "parentId": parent.to_string() });
            Some(parent)
        } else {
            None
        };
        if self.dice.one_in(3) {
            let owner = self.someone();
            input["ownerId"] = json!(owner.id.to_string());
        } else if self.dice.one_in(8) {
            input["ownerId"] = Value::Null;
        }
        let answer = self
            .write(
                &who,
                "clientCreate",
                "ClientCreateInput",
                input,
                "client { id }",
            )
            .await;
        if let Some(parent) = parent
            && !self.organisation.sees(who.id, parent, self.now())
        {
            assert!(
                !answer.errors().is_empty(),
                "a parent out of sight: {answer}"
            );
        }
        if !answer.errors().is_empty() {
            return false;
        }
        let id: ClientId = answer.text("/clientCreate/client/id").parse().unwrap();
        self.read_client(id).await;
        assert!(
            self.organisation.sees(who.id, id, self.now()),
            "{} lost a client",
            who.name
        );
        true
    }

    async fn update(&mut self) -> bool {
        let who = self.actor();
        let id = self.some_client(&who);
        let version = self.version("client", id.0).await;
        let input = json!({ "id": id.to_string(), "version": version, "profile": { "buyingHabits": "often" } });
        let answer = self
            .write(
                &who,
                "clientUpdate",
                "ClientUpdateInput",
                input,
                "client { id }",
            )
            .await;
        let done = self.judge(&who, id, &answer, "update");
        let sees = self.organisation.sees(who.id, id, self.now());
        assert_eq!(done, sees, "{} updates what they see: {answer}", who.name);
        done
    }

    async fn archive(&mut self) -> bool {
        let who = self.actor();
        let id = self.some_client(&who);
        let version = self.version("client", id.0).await;
        let name = if self.organisation.clients[&id].is_archived {
            "clientRestore"
        } else {
            "clientArchive"
        };
        let input = json!({ "id": id.to_string(), "version": version });
        let answer = self
            .write(&who, name, "ClientVersionInput", input, "client { id }")
            .await;
        let done = self.judge(&who, id, &answer, name);
        self.read_client(id).await;
        done
    }

    async fn share(&mut self) -> bool {
        let (who, with) = (self.actor(), self.someone());
        let id = self.some_client(&who);
        let days = 1 + i64::try_from(self.dice.below(40)).unwrap();
        let end =
            (self.now() + TimeDelta::days(days)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let input = json!({ "clientId": id.to_string(), "userIds": [with.id.to_string()], "expiresAt": end });
        let answer = self
            .write(&who, "clientShare", "ClientShareInput", input, "__typename")
            .await;
        let done = self.judge(&who, id, &answer, "share");
        self.read_client(id).await;
        done
    }

    async fn join(&mut self) -> bool {
        let (who, with) = (self.actor(), self.someone());
        let id = self.some_client(&who);
        let input = json!({ "clientId": id.to_string(), "userId": with.id.to_string(), "role": "RESIDENT" });
        let answer = self
            .write(
                &who,
                "clientMemberAdd",
                "ClientMemberAddInput",
                input,
                "__typename",
            )
            .await;
        let done = self.judge(&who, id, &answer, "join");
        self.read_client(id).await;
        done
    }

    async fn leave(&mut self) -> bool {
        let members = client_member::Entity::find().all(&self.db).await.unwrap();
        if members.is_empty() {
            return false;
        }
        let at = self.dice.below(members.len());
        let (member, who) = (&members[at], self.actor());
        let input = json!({ "id": member.id.to_string(), "version": member.version });
        let answer = self
            .write(
                &who,
                "clientMemberRemove",
                "ClientMemberRemoveInput",
                input,
                "__typename",
            )
            .await;
        let done = self.judge(&who, member.client_id, &answer, "leave");
        self.read_client(member.client_id).await;
        done
    }

    async fn hand_over(&mut self) -> bool {
        // Most may not: without the administrator a whole run can pass in which nothing changes hands.
        let who = if self.dice.one_in(3) {
            self.people[0].clone()
        } else {
            self.actor()
        };
        let to = self.someone();
        let mut input = json!({ "toUserId": to.id.to_string() });
        let mut touched: BTreeSet<ClientId> = BTreeSet::new();
        if self.dice.one_in(4) {
            let from = self.someone();
            input["fromUserId"] = json!(from.id.to_string());
            let all = self.organisation.clients.iter();
            touched.extend(
                all.filter(|(_, holding)| holding.owner == Some(from.id))
                    .map(|(id, _)| *id),
            );
        } else {
            for _ in 0..=self.dice.below(3) {
                touched.insert(self.some_client(&who));
            }
            let ids: Vec<String> = touched.iter().map(ClientId::to_string).collect();
            input["clientIds"] = json!(ids);
        }
        if self.dice.one_in(2) {
            let end = self.now() + TimeDelta::days(5);
            input["keepFormerOwnerUntil"] =
                json!(end.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
        }
        let named = input["clientIds"].is_array();
        let answer = self
            .write(
                &who,
                "clientHandOver",
                "ClientHandOverInput",
                input,
                "clientCount",
            )
            .await;
        let done = answer.errors().is_empty();
        if done && named {
            for id in &touched {
                let sees = self.organisation.sees(who.id, *id, self.now());
                assert!(
                    sees,
                    "{} handed over what they do not see: {answer}",
                    who.name
                );
            }
        }
        for id in touched {
            let before = self.organisation.clients[&id].owner;
            self.read_client(id).await;
            if !done {
                assert_eq!(before, self.organisation.clients[&id].owner, "{answer}");
            }
        }
        done
    }

    async fn place(&mut self) -> bool {
        let (who, whom, below) = (self.people[0].clone(), self.someone(), self.someone());
        let version = self.version("user", whom.id.0).await;
        let input = json!({ "id": whom.id.to_string(), "version": version, "managerId": below.id.to_string() });
        let who = if self.dice.one_in(6) {
            self.actor()
        } else {
            who
        };
        let answer = self
            .write(&who, "userMove", "UserMoveInput", input, "__typename")
            .await;
        self.read_people().await;
        answer.errors().is_empty()
    }

    async fn appoint(&mut self) -> bool {
        let (who, whom) = (self.people[0].clone(), self.someone());
        if whom.id == who.id {
            return false;
        }
        let version = self.version("user", whom.id.0).await;
        let mut input = json!({ "id": whom.id.to_string(), "version": version });
        if self.dice.one_in(2) {
            input["role"] = json!(self.dice.pick(&["REP", "MANAGER", "MANAGER", "ADMIN"]));
        } else {
            input["isPoolKeeper"] = json!(self.dice.one_in(2));
        }
        let answer = self
            .write(&who, "userUpdate", "UserUpdateInput", input, "__typename")
            .await;
        self.read_people().await;
        answer.errors().is_empty()
    }

    async fn deactivate(&mut self) -> bool {
        let (who, whom) = (self.people[0].clone(), self.someone());
        if whom.id == who.id {
            return false;
        }
        let name = if self.left.contains(&whom.id) {
            "userReactivate"
        } else {
            "userDeactivate"
        };
        let version = self.version("user", whom.id.0).await;
        let input = json!({ "id": whom.id.to_string(), "version": version });
        let answer = self
            .write(&who, name, "UserVersionInput", input, "__typename")
            .await;
        self.read_people().await;
        if answer.errors().is_empty() && name == "userReactivate" {
            let person = self.app.sign_in(whom.id, &whom.name).await;
            let at = self
                .people
                .iter()
                .position(|person| person.id == whom.id)
                .unwrap();
            self.people[at] = person;
        }
        answer.errors().is_empty()
    }

    fn pass_time(&mut self) -> bool {
        let hours = 1 + i64::try_from(self.dice.below(200)).unwrap();
        self.app.server().clock.advance(TimeDelta::hours(hours));
        for at in 0..self.people.len() {
            self.people[at].token = self.app.token(&self.people[at]);
        }
        self.note(format!("{hours} hours pass"));
        true
    }
}
