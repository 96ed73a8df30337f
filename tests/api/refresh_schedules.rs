//! Random lives of devices that stay signed in, over a server with its database: answers get lost, requests
//! are repeated, doubled and late, tokens are stolen. No honest device is locked out, and every theft that
//! shows ends the session.
//!
//! The clock of the server is set before every request, so the times here are exact but for how long one
//! request takes. Times near the end of the grace are left to the tests of the rules alone.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use clientele::auth::passwords::Passwords;
use clientele::auth::refresh::{ABSOLUTE, GRACE};
use clientele::domain::users;
use entity::{SessionId, UserId, UserRole};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Answer, App, Person};

/// How many lives one database sees; `CLIENTELE_REFRESH_SCHEDULES` says otherwise.
const SCHEDULES: usize = 60;

const PASSWORD: &str = "two green umbrellas";
const VIEWER: &str = "{ viewer { session { id } } }";

/// The latest arrival of what a device sends in one round, in milliseconds after the first sending: a bit
/// less than the grace, for the time that a request takes.
const LATEST: u64 = 45_000;

/// How near to the end of the grace no request is sent, in milliseconds.
const MARGIN: i64 = 15_000;

/// Numbers that a seed fixes (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn millis(&mut self, bound: u64) -> i64 {
        i64::try_from(self.below(bound)).unwrap()
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

struct Trial {
    app: App,
    email: String,
    person: Person,
    dice: Dice,
    /// When the schedule began.
    base: DateTime<Utc>,
    /// Milliseconds after that, of the latest request.
    latest: i64,
    counts: BTreeMap<&'static str, usize>,
}

/// What a device holds.
#[derive(Clone)]
struct Device {
    session: SessionId,
    token: String,
}

/// One sending of the held token: when it reaches the server, and when its answer reaches the device, if it
/// does, in milliseconds after the beginning of the schedule.
struct Arrival {
    arrives: i64,
    answered: Option<i64>,
}

impl Trial {
    async fn begin(app: App, seed: u64) -> Self {
        let person = app.person("Ann", UserRole::Rep, None).await;
        let database = &app.server().database;
        let passwords = Passwords::new().unwrap();
        users::set_password(database, &passwords, person.id, PASSWORD)
            .await
            .unwrap();
        let row = database
            .as_system("a test")
            .select::<entity::user::Entity>()
            .id(person.id)
            .get()
            .await
            .unwrap();
        Self {
            email: row.email.clone(),
            base: app.server().clock.now(),
            latest: 0,
            dice: Dice(seed),
            counts: BTreeMap::new(),
            person,
            app,
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn set_clock(&mut self, millis: i64) {
        let clock = &self.app.server().clock;
        self.latest = self.latest.max(millis);
        clock.advance(self.base + TimeDelta::milliseconds(millis) - clock.now());
    }

    /// A new session, a while after all that was.
    async fn sign_in(&mut self) -> Device {
        self.base += TimeDelta::milliseconds(self.latest) + TimeDelta::hours(1);
        self.latest = 0;
        self.set_clock(0);
        let body = json!({ "email": self.email, "password": PASSWORD });
        let answer = self.app.post("", "/auth/sign-in", &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer}");
        Device {
            session: answer.json["sessionId"].as_str().unwrap().parse().unwrap(),
            token: token(&answer),
        }
    }

    async fn refresh(&mut self, held: &str, millis: i64) -> Answer {
        self.set_clock(millis);
        self.count("refreshes");
        self.send(held).await
    }

    async fn send(&self, held: &str) -> Answer {
        let body = json!({ "refreshToken": held });
        self.app.post("", "/auth/refresh", &body).await
    }

    /// Whether the session opens anything now.
    async fn is_open(&self, user: UserId, session: SessionId) -> bool {
        let person = Person {
            id: user,
            session,
            ..self.person.clone()
        };
        let token = self.app.token(&person);
        let answer = self.app.gql(&token, VIEWER, json!({})).await;
        if answer.errors().is_empty() {
            assert_eq!(answer.text("/viewer/session/id"), session.to_string());
            return true;
        }
        assert_eq!(answer.code(0), "UNAUTHENTICATED", "{answer}");
        false
    }

    /// What a device sends in one round that begins at `start`, in the order of arrival. One is answered.
    fn round(&mut self, start: i64) -> Vec<Arrival> {
        let at_once = self.dice.percent(20);
        let moment = self.dice.millis(LATEST);
        let mut arrivals = Vec::new();
        for at in 0..=self.dice.below(6) {
            let is_the_one = at == 0;
            // Some never arrive.
            if !is_the_one && self.dice.percent(30) {
                self.count("requests lost");
                continue;
            }
            let later = if at_once {
                moment
            } else {
                self.dice.millis(LATEST)
            };
            let arrives = start + later;
            let is_answered = is_the_one || self.dice.percent(40);
            if !is_answered {
                self.count("answers lost");
            }
            let answered = is_answered.then(|| arrives + self.dice.millis(30_000));
            arrivals.push(Arrival { arrives, answered });
        }
        arrivals.sort_by_key(|arrival| arrival.arrives);
        arrivals
    }

    /// Sends what is still under way from earlier rounds and arrives until `until`. All of it is answered.
    async fn late(&mut self, under_way: &mut Vec<(i64, String)>, until: i64) {
        under_way.sort_by_key(|(when, _)| *when);
        while let Some((when, _)) = under_way.first()
            && *when <= until
        {
            let (when, token) = under_way.remove(0);
            let answer = self.refresh(&token, when).await;
            assert_eq!(answer.status, StatusCode::OK, "a late duplicate: {answer}");
            self.count("late duplicates");
        }
    }

    /// A device that loses answers, repeats and doubles requests, and gets some answer in each round.
    async fn honest(&mut self) {
        let mut device = self.sign_in().await;
        let (mut start, mut burst) = (0, 0);
        let mut under_way: Vec<(i64, String)> = Vec::new();
        for _ in 0..=self.dice.below(8) {
            let arrivals = self.round(start);
            // The device stops waiting at the first answer; what it sent still arrives.
            let settled = arrivals
                .iter()
                .filter_map(|one| one.answered)
                .min()
                .unwrap();
            let mut answers: Vec<(i64, String)> = Vec::new();
            let mut later = Vec::new();
            for group in arrivals.chunk_by(|a, b| a.arrives == b.arrives) {
                let arrives = group[0].arrives;
                if arrives > settled {
                    later.extend(group.iter().map(|_| (arrives, device.token.clone())));
                    continue;
                }
                self.late(&mut under_way, arrives).await;
                self.set_clock(arrives);
                let sent = group.iter().map(|_| self.send(&device.token));
                let got = futures_util::future::join_all(sent).await;
                if group.len() > 1 {
                    self.count("requests at once");
                }
                for (one, answer) in group.iter().zip(got) {
                    self.count("refreshes");
                    assert_eq!(answer.status, StatusCode::OK, "locked out: {answer}");
                    if let Some(answered) = one.answered {
                        answers.push((answered, token(&answer)));
                    }
                }
            }
            answers.sort();
            let taken = if self.dice.percent(50) {
                answers.first()
            } else {
                answers.last()
            };
            device.token = taken.unwrap().1.clone();
            under_way.extend(later);
            let pause = match self.dice.below(3) {
                0 => self.dice.millis(1_000),
                1 => self.dice.millis(120_000),
                _ => self.dice.millis(86_400_000 * 20),
            };
            // No refreshing over and over for minutes: see the rules of devices.
            let is_long = settled + pause - burst > 200_000;
            let pause = if is_long { pause.max(120_000) } else { pause };
            start = settled + pause;
            if pause >= 120_000 {
                burst = start;
            }
            if start + 100_000 >= ABSOLUTE.num_milliseconds() {
                break;
            }
            self.late(&mut under_way, start).await;
        }
        assert!(self.is_open(self.person.id, device.session).await);
        self.count("honest lives");
    }

    /// A time that is not near the end of the grace of what was used up at `used`.
    fn clear_of(now: i64, used: Option<i64>) -> i64 {
        let grace = GRACE.num_milliseconds();
        match used {
            Some(used) if (now - used - grace).abs() < MARGIN => used + grace + MARGIN,
            _ => now,
        }
    }

    /// A device, and a thief who copies tokens at random moments and uses any of them at random moments.
    /// The first token that comes back after its grace ends the session, and nothing else does.
    async fn stolen(&mut self) {
        let mut device = self.sign_in().await;
        let session = device.session;
        let other = self.other_device().await;
        let mut thief: Vec<String> = Vec::new();
        let mut used_up: BTreeMap<String, i64> = BTreeMap::new();
        let mut now = 0;
        for _ in 0..2 + self.dice.below(28) {
            let gap = match self.dice.below(3) {
                0 => self.dice.millis(20_000),
                1 => self.dice.millis(90_000),
                _ => 75_000 + self.dice.millis(86_400_000),
            };
            let actor = self.dice.below(4);
            let presented = match actor {
                0 | 1 => device.token.clone(),
                2 if !thief.is_empty() => {
                    let at = self.dice.below(u64::try_from(thief.len()).unwrap());
                    thief[usize::try_from(at).unwrap()].clone()
                }
                _ => {
                    thief.push(device.token.clone());
                    continue;
                }
            };
            let used = used_up.get(&presented).copied();
            now = Self::clear_of(now + gap, used);
            let is_apart = used.is_some_and(|used| now - used >= GRACE.num_milliseconds());
            let answer = self.refresh(&presented, now).await;
            if is_apart {
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "a reuse: {answer}");
                thief.push(device.token.clone());
                thief.dedup();
                self.all_ended(&thief, session, &other, now).await;
                self.count("thefts that showed");
                return;
            }
            assert_eq!(answer.status, StatusCode::OK, "locked out: {answer}");
            let next = token(&answer);
            if next != presented && used.is_none() {
                used_up.insert(presented, now);
            }
            if actor < 2 {
                device.token = next;
            } else {
                thief.push(next);
            }
        }
        assert!(self.is_open(self.person.id, session).await);
        self.count("thefts that did not show yet");
    }

    /// A thief who takes a copy once and never comes within the grace: whoever comes second ends it.
    async fn stolen_once(&mut self) {
        let device = self.sign_in().await;
        let session = device.session;
        let other = self.other_device().await;
        let mut now = 0;
        let mut honest = device.token;
        for _ in 0..self.dice.below(5) {
            honest = self.turn(&honest, &mut now).await.expect("locked out");
        }
        // Whoever is first goes on for a while.
        let mut first = honest.clone();
        let second = honest;
        for _ in 0..=self.dice.below(5) {
            first = self.turn(&first, &mut now).await.expect("locked out");
        }
        assert!(self.is_open(self.person.id, session).await);
        assert!(
            self.turn(&second, &mut now).await.is_none(),
            "a theft goes on"
        );
        self.all_ended(&[first, second], session, &other, now).await;
        self.count("thefts that showed");
    }

    async fn turn(&mut self, held: &str, now: &mut i64) -> Option<String> {
        *now += 75_000 + self.dice.millis(86_400_000);
        let answer = self.refresh(held, *now).await;
        (answer.status == StatusCode::OK).then(|| token(&answer))
    }

    /// Another session of the same person.
    async fn other_device(&self) -> Person {
        let id = self.person.id;
        self.app.sign_in(id, "Ann's other device").await
    }

    /// No token of the session does anything any more; another device of the same person goes on.
    async fn all_ended(&mut self, tokens: &[String], session: SessionId, other: &Person, now: i64) {
        for token in tokens {
            let answer = self.refresh(token, now).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer}");
        }
        assert!(
            !self.is_open(self.person.id, session).await,
            "it ended for the device only"
        );
        assert!(
            self.is_open(other.id, other.session).await,
            "other devices go on"
        );
    }
}

fn token(answer: &Answer) -> String {
    let token = answer.json.get("refreshToken").and_then(Value::as_str);
    token
        .unwrap_or_else(|| panic!("no token in {answer}"))
        .to_owned()
}

on_both!(
    no_device_is_locked_out_and_every_theft_ends_the_session,
    async |app: App| {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let now = app.server().clock.now().timestamp_micros().unsigned_abs();
        let seed = number("CLIENTELE_REFRESH_SEED").unwrap_or(now);
        let schedules = number("CLIENTELE_REFRESH_SCHEDULES")
            .and_then(|schedules| usize::try_from(schedules).ok())
            .unwrap_or(SCHEDULES);
        println!("CLIENTELE_REFRESH_SEED={seed}");
        let started = std::time::Instant::now();
        let mut trial = Trial::begin(app, seed).await;
        for at in 0..schedules {
            println!("schedule {at}");
            match trial.dice.below(10) {
                0..=4 => trial.honest().await,
                5..=7 => trial.stolen().await,
                _ => trial.stolen_once().await,
            }
        }
        println!(
            "{schedules} schedules in {:?}: {:?}",
            started.elapsed(),
            trial.counts
        );
        if schedules >= SCHEDULES {
            for what in [
                "answers lost",
                "late duplicates",
                "requests at once",
                "honest lives",
                "thefts that showed",
            ] {
                assert!(trial.counts.contains_key(what), "{what}: none");
            }
        }
    }
);
