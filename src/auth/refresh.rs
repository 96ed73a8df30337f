//! Refresh tokens: what lets a device stay signed in, and how a stolen one gives itself away.
//!
//! # The token
//! `rt_` and 80 bytes in base64url: the session's id (16), 256 random bits (32), and a seal (32), an HMAC
//! over the two. Only the SHA-256 of the text is stored. The seal lets the server know its own tokens
//! without remembering them: *any* token it ever issued, however old, is recognised and tied to its
//! session, while nobody who merely knows a session's id can make one up to end that session. A text
//! without a right seal is [`Decision::Unknown`] and has no effect.
//!
//! # Rotation
//! A token is used up when it is presented. Its successor is not drawn anew but computed: an HMAC of it
//! under the server's key. So every repeat of a token is answered with the *same* successor, without
//! keeping any token in clear, and whoever holds only the old token cannot compute the new one.
//! [`decide`] says what happens:
//!
//! * The current token: [`Decision::Rotate`].
//! * The current token, within [`GRACE`] of the last rotation: [`Decision::Keep`], the same token again.
//!   Hence a session rotates at most once per [`GRACE`], and each used-up token gets its whole time of
//!   grace: a late duplicate of a request cannot find itself two rotations behind. An answered `Keep`
//!   holds for [`GRACE`] too, so that requests sent together get one answer, but never for longer than
//!   [`KEEP_LIMIT`] after the rotation, so that nobody can put rotation off by asking again and again.
//! * The token before, within [`GRACE`] of the rotation: [`Decision::Repeat`]. The device lost the answer,
//!   or sent the request twice; it gets the same successor again. The tokens stored do not change, so any
//!   number of repeats, at once or in turn, answered in any order, lead to the one current token.
//! * Any other token of the session: [`Decision::Reuse`]. Two parties hold its tokens; which one is the
//!   thief cannot be known, so the session ends for both and the person signs in again.
//!
//! # What a device has to do
//! Keep the old token until an answer with the new one is stored. Repeat a request without an answer for
//! at most 30 s, each with a timeout of at most 30 s, so that the last repeat arrives within [`GRACE`] of
//! the first. Take an answer only while still holding the token it was asked with. Having refreshed
//! several times in a row (an application that keeps restarting), pause for two minutes before four are
//! over. A device that does so and gets an answer is never signed out by rotation. One that hears nothing
//! for longer *after the server has rotated* is: its next request is a reuse, and it has to sign in. The
//! server cannot tell it from a thief.
//!
//! # What theft looks like
//! A thief copies a token. If either party presents a token more than [`GRACE`] after the other used it
//! up, the session ends, whoever came first: the thief after the device, or the device after the thief.
//! This holds for every later generation too, and however many rotations lie between.
//!
//! What this does *not* stop: a thief who presents the stolen token within [`GRACE`] of the device's own
//! use of it is taken for a repeat and gets the same successor and an access token; presenting the
//! current token again in its first minutes uses nothing up and shows nothing either. He stays unseen
//! only as long as he hits that time again at every rotation, not knowing when the device will refresh;
//! the first miss, by either side, ends the session. And a thief whose victim never comes back is not
//! seen at all until the session's idle or absolute end, or until it is revoked in the list of devices.
//! Tokens bound to a key in the device's hardware would be needed for more.
//!
//! # Ends
//! A session ends after [`IDLE`] without a refresh, and [`ABSOLUTE`] after sign-in in any case. Changing
//! the server's secret makes every refresh token unknown and so signs everybody out.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use ring::{digest, hmac};
use uuid::Uuid;

use super::keys::Keyring;
use crate::Result;

/// How long after a rotation the token before may be repeated.
pub const GRACE: TimeDelta = TimeDelta::seconds(60);

/// How long after a rotation, at most, the new token may be presented without being used up. Less than an
/// access token lives, so that a device refreshing in its usual rhythm rotates every time.
pub const KEEP_LIMIT: TimeDelta = TimeDelta::minutes(5);

/// A session not refreshed for this long ends.
pub const IDLE: TimeDelta = TimeDelta::days(30);

/// A session ends this long after sign-in, however much it is used.
pub const ABSOLUTE: TimeDelta = TimeDelta::days(180);

const PREFIX: &str = "rt_";
const ID_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const SEAL_BYTES: usize = 32;
const BODY_BYTES: usize = ID_BYTES + SECRET_BYTES;
const TOKEN_BYTES: usize = BODY_BYTES + SEAL_BYTES;

/// A refresh token that this server issued at some time: only [`RefreshTokens`] makes one, from a right
/// seal. Whether it is still good, [`decide`] says.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    session: Uuid,
    body: [u8; BODY_BYTES],
    text: String,
}

impl RefreshToken {
    /// The session it belongs to: the row to look up.
    pub fn session(&self) -> Uuid {
        self.session
    }

    /// The token as the device gets it. Never stored or logged.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Its SHA-256, as stored.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, self.text.as_bytes()).as_ref());
        hash
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// Makes and recognises refresh tokens.
#[derive(Clone, Debug)]
pub struct RefreshTokens {
    successor: hmac::Key,
    seal: hmac::Key,
}

impl RefreshTokens {
    /// With keys derived from the service's secret.
    pub fn new(keyring: &Keyring) -> Self {
        let key = |label| hmac::Key::new(hmac::HMAC_SHA256, &keyring.derive(label));
        Self {
            successor: key("refresh-token-successor"),
            seal: key("refresh-token-seal"),
        }
    }

    /// The first token of a new session, random.
    ///
    /// # Errors
    /// Internal when there is no randomness.
    pub fn first(&self, session: Uuid) -> Result<RefreshToken> {
        Ok(self.make(session, super::random_bytes()?))
    }

    /// Reads what a device presented. None if this server never issued it ([`Decision::Unknown`]).
    pub fn parse(&self, text: &str) -> Option<RefreshToken> {
        let encoded = text.strip_prefix(PREFIX)?;
        // One byte more, so that a longer text overflows instead of being decoded in full.
        let mut bytes = [0; TOKEN_BYTES + 1];
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes).ok()?;
        let (body, seal) = bytes.get(..length)?.split_first_chunk::<BODY_BYTES>()?;
        hmac::verify(&self.seal, body, seal).ok()?;
        let (id, _) = body.split_first_chunk::<ID_BYTES>()?;
        Some(RefreshToken {
            session: Uuid::from_bytes(*id),
            body: *body,
            text: text.to_owned(),
        })
    }

    /// The one token that follows `token`, always the same.
    pub fn successor(&self, token: &RefreshToken) -> RefreshToken {
        let mut secret = [0; SECRET_BYTES];
        secret.copy_from_slice(hmac::sign(&self.successor, &token.body).as_ref());
        self.make(token.session, secret)
    }

    /// What to answer and to store after `decision` on `presented`, or None if it is a refusal.
    pub fn grant(
        &self,
        decision: Decision,
        state: &SessionState,
        presented: &RefreshToken,
        now: DateTime<Utc>,
    ) -> Option<Grant> {
        let mut state = state.used(now);
        let token = match decision {
            Decision::Rotate => {
                let successor = self.successor(presented);
                state.previous_refresh_hash = Some(presented.hash());
                state.refresh_hash = successor.hash();
                state.rotated_at = now;
                successor
            }
            Decision::Repeat => self.successor(presented),
            Decision::Keep => presented.clone(),
            Decision::Reuse | Decision::Expired | Decision::Revoked | Decision::Unknown => {
                return None;
            }
        };
        Some(Grant { token, state })
    }

    fn make(&self, session: Uuid, secret: [u8; SECRET_BYTES]) -> RefreshToken {
        let mut body = [0; BODY_BYTES];
        let (id, rest) = body.split_at_mut(ID_BYTES);
        id.copy_from_slice(session.as_bytes());
        rest.copy_from_slice(&secret);
        let mut bytes = body.to_vec();
        bytes.extend(hmac::sign(&self.seal, &body).as_ref());
        RefreshToken {
            session,
            body,
            text: format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)),
        }
    }
}

/// The fields of a row of `sessions` that a refresh reads and writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionState {
    /// The session's id.
    pub session: Uuid,
    /// SHA-256 of the current token.
    pub refresh_hash: [u8; 32],
    /// SHA-256 of the token before; none before the first rotation.
    pub previous_refresh_hash: Option<[u8; 32]>,
    /// When the current token became current.
    pub rotated_at: DateTime<Utc>,
    /// When a token of this session was last accepted. Setting it on other requests too does no harm.
    pub last_used_at: DateTime<Utc>,
    /// The end if nothing happens, never after `expires_at`.
    pub idle_expires_at: DateTime<Utc>,
    /// The end in any case.
    pub expires_at: DateTime<Utc>,
    /// When the session was ended, by its user, an administrator or a reuse.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl SessionState {
    /// A session that begins at `now` with its first token.
    pub fn begin(first: &RefreshToken, now: DateTime<Utc>) -> Self {
        Self {
            session: first.session,
            refresh_hash: first.hash(),
            previous_refresh_hash: None,
            rotated_at: now,
            last_used_at: now,
            idle_expires_at: now + IDLE,
            expires_at: now + ABSOLUTE,
            revoked_at: None,
        }
    }

    /// Whether the session is over at `now`, and why: [`Decision::Revoked`] or [`Decision::Expired`].
    pub fn ended(&self, now: DateTime<Utc>) -> Option<Decision> {
        if self.revoked_at.is_some() {
            Some(Decision::Revoked)
        } else if now >= self.idle_expires_at || now >= self.expires_at {
            Some(Decision::Expired)
        } else {
            None
        }
    }

    fn used(&self, now: DateTime<Utc>) -> Self {
        Self {
            last_used_at: now,
            idle_expires_at: (now + IDLE).min(self.expires_at),
            ..self.clone()
        }
    }
}

/// What to do with a presented refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Good: make the successor current.
    Rotate,
    /// Good, and new: answer with the same token.
    Keep,
    /// Used up less than [`GRACE`] ago: answer with its successor, which is current already.
    Repeat,
    /// Used up before: end the session.
    Reuse,
    /// The session has run out.
    Expired,
    /// The session was ended.
    Revoked,
    /// No such session, or not a token of this server.
    Unknown,
}

/// A refresh that succeeds.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The token for the device.
    pub token: RefreshToken,
    /// The row to store.
    pub state: SessionState,
}

/// Decides on `presented` at `now`, given the row of its session. To be called with that row locked, and
/// its outcome stored before the lock is released: two requests with one token then see each other.
pub fn decide(
    state: Option<&SessionState>,
    presented: &RefreshToken,
    now: DateTime<Utc>,
) -> Decision {
    let Some(state) = state.filter(|state| state.session == presented.session) else {
        return Decision::Unknown;
    };
    if let Some(over) = state.ended(now) {
        return over;
    }
    let in_grace = now < state.rotated_at + GRACE;
    let hash = presented.hash();
    if hash == state.refresh_hash {
        let kept = now < state.last_used_at + GRACE && now < state.rotated_at + KEEP_LIMIT;
        // The first token replaced none, so no other is in its time of grace.
        if state.previous_refresh_hash.is_some() && (in_grace || kept) {
            Decision::Keep
        } else {
            Decision::Rotate
        }
    } else if in_grace && state.previous_refresh_hash == Some(hash) {
        Decision::Repeat
    } else {
        Decision::Reuse
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const SESSION: Uuid = Uuid::from_u128(77);

    fn refresh_tokens() -> RefreshTokens {
        let keyring = Keyring::from_secret(&(0..32).collect::<Vec<u8>>()).unwrap();
        RefreshTokens::new(&keyring)
    }

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + millis).unwrap()
    }

    /// The server as its callers make it: one row, each refresh in a transaction.
    struct Server {
        tokens: RefreshTokens,
        row: SessionState,
    }

    impl Server {
        fn sign_in() -> (Self, RefreshToken) {
            let tokens = refresh_tokens();
            let first = tokens.first(SESSION).unwrap();
            let row = SessionState::begin(&first, at(0));
            (Self { tokens, row }, first)
        }

        fn refresh(&mut self, text: &str, millis: i64) -> Result<RefreshToken, Decision> {
            let presented = self.tokens.parse(text).ok_or(Decision::Unknown)?;
            let decision = decide(Some(&self.row), &presented, at(millis));
            if decision == Decision::Reuse {
                self.row.revoked_at = Some(at(millis));
            }
            let grant = self
                .tokens
                .grant(decision, &self.row, &presented, at(millis));
            let grant = grant.ok_or(decision)?;
            self.row = grant.state;
            Ok(grant.token)
        }
    }

    #[test]
    fn a_token_rotates_and_the_used_one_may_be_repeated_for_a_minute() {
        let (mut server, t0) = Server::sign_in();
        let t1 = server.refresh(t0.reveal(), 600_000).unwrap();
        assert_ne!(t0, t1);
        for later in [0, 1, 30_000, 59_999] {
            assert_eq!(server.refresh(t0.reveal(), 600_000 + later).unwrap(), t1);
        }
        let t2 = server.refresh(t1.reveal(), 1_200_000).unwrap();
        assert_ne!(t1, t2);
        assert_eq!(server.row.refresh_hash, t2.hash());
        assert_eq!(server.row.previous_refresh_hash, Some(t1.hash()));
    }

    #[test]
    fn a_repeat_after_the_grace_ends_the_session_for_everybody() {
        let (mut server, t0) = Server::sign_in();
        let t1 = server.refresh(t0.reveal(), 0).unwrap();
        assert_eq!(server.refresh(t0.reveal(), 60_000), Err(Decision::Reuse));
        assert_eq!(server.refresh(t1.reveal(), 60_001), Err(Decision::Revoked));
        assert_eq!(server.refresh(t0.reveal(), 60_002), Err(Decision::Revoked));
    }

    #[test]
    fn a_token_many_rotations_old_ends_the_session() {
        let (mut server, t0) = Server::sign_in();
        let mut token = t0.clone();
        for minute in 1..=10 {
            token = server.refresh(token.reveal(), minute * 60_000).unwrap();
        }
        assert_eq!(server.refresh(t0.reveal(), 601_000), Err(Decision::Reuse));
        assert_eq!(
            server.refresh(token.reveal(), 602_000),
            Err(Decision::Revoked)
        );
    }

    #[test]
    fn the_new_token_used_at_once_is_kept_so_that_late_duplicates_do_no_harm() {
        let (mut server, t0) = Server::sign_in();
        let t1 = server.refresh(t0.reveal(), 0).unwrap();
        assert_eq!(server.refresh(t1.reveal(), 10_000).unwrap(), t1);
        assert_eq!(server.refresh(t0.reveal(), 20_000).unwrap(), t1);
        // One more sending of what was asked at 10 s, its fellow answered already.
        assert_eq!(server.refresh(t1.reveal(), 69_000).unwrap(), t1);
        assert_ne!(server.refresh(t1.reveal(), 129_000).unwrap(), t1);
    }

    #[test]
    fn asking_again_and_again_puts_rotation_off_for_five_minutes_at_most() {
        let (mut server, t0) = Server::sign_in();
        let t1 = server.refresh(t0.reveal(), 0).unwrap();
        for second in (1..300).step_by(10) {
            assert_eq!(server.refresh(t1.reveal(), second * 1_000).unwrap(), t1);
        }
        assert_ne!(server.refresh(t1.reveal(), 300_000).unwrap(), t1);
    }

    #[test]
    fn a_session_ends_after_thirty_idle_days_and_after_180_in_any_case() {
        const DAY: i64 = 86_400_000;
        let (mut server, t0) = Server::sign_in();
        assert_eq!(
            server.refresh(t0.reveal(), 30 * DAY),
            Err(Decision::Expired)
        );
        let mut token = server.refresh(t0.reveal(), 30 * DAY - 1).unwrap();
        for day in (31..180).step_by(10) {
            token = server.refresh(token.reveal(), day * DAY).unwrap();
            assert!(server.row.idle_expires_at <= server.row.expires_at);
        }
        token = server.refresh(token.reveal(), 180 * DAY - 1).unwrap();
        assert_eq!(
            server.refresh(token.reveal(), 180 * DAY),
            Err(Decision::Expired)
        );
    }

    #[test]
    fn a_revoked_session_refuses_its_current_token() {
        let (mut server, t0) = Server::sign_in();
        server.row.revoked_at = Some(at(1));
        assert_eq!(server.refresh(t0.reveal(), 2), Err(Decision::Revoked));
    }

    #[test]
    fn made_up_tokens_are_unknown_and_harm_nobody() {
        let (mut server, t0) = Server::sign_in();
        let other = RefreshTokens::new(&Keyring::from_secret(&[*b"01234567"; 4].concat()).unwrap());
        let mut longer = t0.reveal().to_owned();
        longer.push('A');
        for made_up in [
            "",
            "rt_",
            "rt_AAAA",
            &t0.reveal()[3..],
            &t0.reveal()[..t0.reveal().len() - 1],
            &longer,
            &format!("{longer}AAA"),
            &format!("rt_{}", "A".repeat(107)),
            &format!("rt_{}", "A".repeat(100_000)),
            other.first(SESSION).unwrap().reveal(),
        ] {
            assert_eq!(server.refresh(made_up, 0), Err(Decision::Unknown));
        }
        assert!(server.refresh(t0.reveal(), 0).is_ok());
    }

    #[test]
    fn a_token_of_another_session_is_unknown() {
        let (server, _) = Server::sign_in();
        let other = server.tokens.first(Uuid::from_u128(78)).unwrap();
        assert_eq!(decide(Some(&server.row), &other, at(0)), Decision::Unknown);
        assert_eq!(decide(None, &other, at(0)), Decision::Unknown);
    }

    #[test]
    fn a_token_reads_back_and_is_not_printed() {
        let tokens = refresh_tokens();
        let token = tokens.first(SESSION).unwrap();
        assert!(token.reveal().starts_with("rt_") && token.reveal().len() == 110);
        assert_eq!(tokens.parse(token.reveal()).unwrap(), token);
        assert_eq!(token.session(), SESSION);
        assert!(!format!("{token:?}").contains(&token.reveal()[3..40]));
        assert_ne!(tokens.first(SESSION).unwrap(), token);
    }

    /// One sending of the held token: when it reaches the server (if it does) and when the answer
    /// reaches the device (if it does), both in milliseconds after the first sending of the round.
    #[derive(Clone, Debug)]
    struct Sending {
        arrives: Option<i64>,
        answered_after: Option<i64>,
    }

    /// A device refreshing once: several sendings, repeated or at once, then a pause.
    #[derive(Clone, Debug)]
    struct Round {
        lost: Vec<Sending>,
        answered: Sending,
        takes: Takes,
        pause: i64,
    }

    #[derive(Clone, Copy, Debug)]
    enum Takes {
        FirstAnswer,
        LastAnswer,
    }

    fn sending() -> impl Strategy<Value = Sending> {
        let arrives = prop::option::weighted(0.7, 0_i64..59_000);
        let answered_after = prop::option::weighted(0.4, 0_i64..30_000);
        (arrives, answered_after).prop_map(|(arrives, answered_after)| Sending {
            arrives,
            answered_after,
        })
    }

    fn round() -> impl Strategy<Value = Round> {
        let answered = (0_i64..59_000, 0_i64..30_000).prop_map(|(arrives, after)| Sending {
            arrives: Some(arrives),
            answered_after: Some(after),
        });
        let takes = prop_oneof![Just(Takes::FirstAnswer), Just(Takes::LastAnswer)];
        // Some devices refresh again at once, most after minutes, some after days.
        let pause = prop_oneof![0_i64..1_000, 1_000_i64..120_000, 0_i64..86_400_000 * 20];
        (
            prop::collection::vec(sending(), 0..6),
            answered,
            takes,
            pause,
        )
            .prop_map(|(lost, answered, takes, pause)| Round {
                lost,
                answered,
                takes,
                pause,
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Whatever is lost, repeated, doubled or late: a device that gets some answer stays signed in.
        #[test]
        fn no_honest_device_is_locked_out(rounds in prop::collection::vec(round(), 1..9)) {
            let (mut server, mut held) = Server::sign_in();
            let (mut start, mut burst) = (0, 0);
            // Arrivals of earlier rounds may still be under way in later ones.
            let mut under_way: Vec<(i64, RefreshToken)> = Vec::new();
            for Round { lost, answered, takes, pause } in rounds {
                let mut arrivals: Vec<_> = lost
                    .iter()
                    .chain([&answered])
                    .filter_map(|sending| Some((start + sending.arrives?, sending.answered_after)))
                    .collect();
                arrivals.sort_unstable();
                // The device stops waiting at the first answer; what it sent still arrives.
                let settled = arrivals
                    .iter()
                    .filter_map(|(arrives, after)| Some(arrives + (*after)?))
                    .min()
                    .unwrap();
                let mut answers = Vec::new();
                let mut later = Vec::new();
                for (arrives, after) in arrivals {
                    if arrives > settled {
                        later.push((arrives, held.clone()));
                        continue;
                    }
                    let stale: Vec<_> = under_way.extract_if(.., |(when, _)| *when <= arrives).collect();
                    for (when, token) in stale {
                        prop_assert!(server.refresh(token.reveal(), when).is_ok());
                    }
                    let answer = server.refresh(held.reveal(), arrives);
                    prop_assert!(answer.is_ok(), "{answer:?}");
                    if let Some(after) = after {
                        answers.push((arrives + after, answer.unwrap()));
                    }
                }
                answers.sort_by_key(|(when, _)| *when);
                held = match takes {
                    Takes::FirstAnswer => answers.first(),
                    Takes::LastAnswer => answers.last(),
                }
                .unwrap()
                .1
                .clone();
                under_way.extend(later);
                under_way.sort_by_key(|(when, _)| *when);
                // No refreshing over and over for minutes: see the module's documentation.
                let long = settled + pause - burst > 200_000;
                let pause = if long { pause.max(120_000) } else { pause };
                start = settled + pause;
                if pause >= 120_000 {
                    burst = start;
                }
                if start >= ABSOLUTE.num_milliseconds() {
                    break;
                }
                let stale: Vec<_> = under_way.extract_if(.., |(when, _)| *when <= start).collect();
                for (when, token) in stale {
                    prop_assert!(server.refresh(token.reveal(), when).is_ok());
                }
            }
        }

        /// Two parties with copies of one token, at random times, with random copies along the way. A
        /// token presented more than the time of grace after its first use ends the session at once, and
        /// nothing else does.
        #[test]
        fn a_token_used_by_both_parties_apart_ends_the_session(
            steps in prop::collection::vec((0_u8..4, 0_usize..8, gap()), 2..40)
        ) {
            let (mut server, first) = Server::sign_in();
            // What the device holds, and all that the thief has ever got hold of.
            let (mut device, mut thief) = (first, Vec::<RefreshToken>::new());
            // An independent account of when each token stopped being the newest.
            let mut used_up: HashMap<String, i64> = HashMap::new();
            let mut now = 0;
            for (actor, choice, gap) in steps {
                now += gap;
                let presented = match actor {
                    0 | 1 => device.clone(),
                    2 if !thief.is_empty() => thief[choice % thief.len()].clone(),
                    _ => {
                        thief.push(device.clone());
                        continue;
                    }
                };
                let used = used_up.get(presented.reveal()).copied();
                let apart = used.is_some_and(|used| now - used >= GRACE.num_milliseconds());
                let answer = server.refresh(presented.reveal(), now);
                if apart {
                    prop_assert_eq!(answer, Err(Decision::Reuse));
                    for token in thief.iter().chain([&device]) {
                        prop_assert_eq!(server.refresh(token.reveal(), now), Err(Decision::Revoked));
                    }
                    return Ok(());
                }
                let answer = answer.unwrap();
                if answer != presented && used.is_none() {
                    used_up.insert(presented.reveal().to_owned(), now);
                }
                match actor {
                    0 | 1 => device = answer,
                    _ => thief.push(answer),
                }
            }
        }

        /// A thief who does not hit the time of grace: the session is over by the time both the device
        /// and the thief have presented the stolen token or what came of it, whoever was first.
        #[test]
        fn theft_ends_the_session_once_both_have_come_apart(
            honest_before in 0_usize..5,
            thief_rotations in 0_usize..5,
            honest_rotations in 0_usize..5,
            thief_first: bool,
            gaps in prop::collection::vec(60_000_i64..86_400_000, 16),
        ) {
            let (mut server, mut device) = Server::sign_in();
            let mut gaps = gaps.into_iter().cycle();
            let mut now = 0;
            let mut turn = |server: &mut Server, token: &mut RefreshToken| {
                now += gaps.next().unwrap();
                server.refresh(token.reveal(), now).map(|next| *token = next)
            };
            for _ in 0..honest_before {
                prop_assert!(turn(&mut server, &mut device).is_ok());
            }
            let mut stolen = device.clone();
            let (first, second, rotations) = if thief_first {
                (&mut stolen, &mut device, thief_rotations)
            } else {
                (&mut device, &mut stolen, honest_rotations)
            };
            for _ in 0..=rotations {
                prop_assert!(turn(&mut server, first).is_ok());
            }
            prop_assert_eq!(turn(&mut server, second), Err(Decision::Reuse));
            prop_assert_eq!(turn(&mut server, first), Err(Decision::Revoked));
            prop_assert_eq!(turn(&mut server, second), Err(Decision::Revoked));
        }

        #[test]
        fn any_change_of_one_byte_makes_a_token_unknown(at in 0_usize..110, to in 0_u8..128) {
            let tokens = refresh_tokens();
            let token = tokens.first(SESSION).unwrap();
            let mut bytes = token.reveal().as_bytes().to_vec();
            bytes[at] = to;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(tokens.parse(&changed).is_none(), changed != token.reveal());
        }
    }

    /// Within the time of grace, about its end, or well past it.
    fn gap() -> impl Strategy<Value = i64> {
        prop_oneof![0_i64..20_000, 55_000_i64..65_000, 60_000_i64..86_400_000]
    }
}
