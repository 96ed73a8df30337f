//! Signing in and staying signed in. A session is a device; what it may do is decided anew on each request.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{ServiceKeyId, SessionId, UserId, session, user};
use sea_orm::ActiveValue::Set;

use super::text::{self, Email};
use super::{identities, password_resets};
use crate::auth::external::Provider;
use crate::auth::keys::Keyring;
use crate::auth::passwords::Passwords;
use crate::auth::refresh::{self, Decision, RefreshToken, RefreshTokens, SessionState};
use crate::auth::service_keys;
use crate::auth::throttle;
use crate::auth::tokens::{self, Tokens};
use crate::db::{Database, EndReason, Session, Tx, Viewer, Visible};
use crate::error::{Error, Result};
use crate::say;

/// How long ended sessions stay in lists of devices.
const KEEP_ENDED: TimeDelta = TimeDelta::days(90);

/// Signs people in and keeps them signed in. Cheap to clone.
#[derive(Clone)]
pub struct SignIn {
    database: Database,
    tokens: Arc<Tokens>,
    refresh_tokens: RefreshTokens,
    passwords: Passwords,
    provider: Option<Arc<IdentityProvider>>,
}

/// An identity provider whose tokens are accepted.
pub struct IdentityProvider {
    /// Verifies its tokens.
    pub provider: Provider,
    /// Whether somebody seen for the first time is linked to the user with the e-mail address that the
    /// provider verified.
    pub links_by_email: bool,
}

/// The device somebody signs in from, as far as it says.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// What it calls itself, at most 100 characters.
    pub name: Option<String>,
    /// The software, as it said; cut to 300 characters.
    pub user_agent: Option<String>,
    /// Where the request came from; tries are counted by it.
    pub address: Option<IpAddr>,
}

/// What a device gets: an access token for its requests, and a refresh token for the next access token.
pub struct SignedIn {
    /// Sent with each request.
    pub access_token: String,
    /// How long the access token holds, in seconds.
    pub expires_in_secs: i64,
    /// Good for one refresh.
    pub refresh_token: String,
    /// The session.
    pub session: SessionId,
    /// Who signed in.
    pub user: Visible<user::Model>,
}

/// An access token of a session without a refresh token.
pub struct AccessToken {
    /// The token.
    pub token: String,
    /// When it and its session end, UTC.
    pub expires_at: DateTime<Utc>,
    /// Its session.
    pub session: SessionId,
}

impl SignIn {
    /// Over one database, with the service's keys.
    ///
    /// # Errors
    /// `INTERNAL` when passwords cannot be hashed.
    pub fn new(database: Database, keyring: &Keyring, tokens: Arc<Tokens>) -> Result<Self> {
        Ok(Self {
            database,
            tokens,
            refresh_tokens: RefreshTokens::new(keyring),
            passwords: Passwords::new()?,
            provider: None,
        })
    }

    /// Also accepts the tokens of an identity provider.
    #[must_use]
    pub fn with_provider(self, provider: Option<IdentityProvider>) -> Self {
        Self {
            provider: provider.map(Arc::new),
            ..self
        }
    }

    /// The hasher of passwords; all of the process share it, so that its bound on parallel work holds.
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// The public halves of the keys whose access tokens are accepted, as a JSON Web Key Set.
    pub fn public_keys(&self) -> serde_json::Value {
        self.tokens.public_keys(self.database.clock().now())
    }

    /// Whom an access token stands for.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for a token that is not ours or ran out, a session that ended, a user who left.
    pub async fn viewer(&self, access_token: &str) -> Result<Viewer> {
        if access_token.starts_with(service_keys::PREFIX) {
            return self.viewer_of_key(access_token).await;
        }
        if let Some(provider) = &self.provider
            && provider.provider.claims(access_token)
        {
            return self.viewer_of_provider(provider, access_token).await;
        }
        let claims = self
            .tokens
            .verify(access_token, self.database.clock().now())?;
        self.database
            .viewer(UserId(claims.user), SessionId(claims.session))
            .await
    }

    /// Whom the token of a provider stands for. It has no session here: it is good until it expires, the user
    /// is deactivated or unlinked, or all their sessions are ended.
    async fn viewer_of_provider(&self, identity: &IdentityProvider, token: &str) -> Result<Viewer> {
        let IdentityProvider {
            provider,
            links_by_email,
        } = identity;
        let now = self.database.clock().now();
        let claims = provider.verify(token, now).await?;
        let find = || {
            let (issuer, subject) = (provider.issuer(), claims.subject.as_str());
            self.database
                .viewer_of_identity(issuer, subject, claims.issued_at)
        };
        if let Some(viewer) = find().await? {
            return Ok(viewer);
        }
        // Looked up first: whoever is a stranger here must not keep others from writing.
        if let (true, Some(email)) = (links_by_email, claims.verified_email.clone())
            && identities::is_known(&self.unguarded(), &email).await?
        {
            let (issuer, subject) = (provider.issuer().to_owned(), claims.subject.clone());
            self.unguarded()
                .write(move |tx| {
                    let (issuer, subject, email) = (issuer.clone(), subject.clone(), email.clone());
                    async move {
                        identities::link_at_first_sight(&tx, &issuer, &subject, &email).await
                    }
                })
                .await?;
            if let Some(viewer) = find().await? {
                return Ok(viewer);
            }
        }
        Err(Error::unauthenticated(say!(
            "nobody here is known by this identity; ask an administrator to link it"
        )))
    }

    /// Sets the password of whoever a code was made for ([`password_resets::redeem`]).
    ///
    /// # Errors
    /// As [`password_resets::redeem`].
    pub async fn reset_password(
        &self,
        code: &str,
        password: &str,
        address: Option<IpAddr>,
    ) -> Result<()> {
        let system = self.unguarded();
        password_resets::redeem(&system, &self.passwords, code, password, address).await
    }

    /// Whom the key of a program stands for; notes the day of its use.
    async fn viewer_of_key(&self, key: &str) -> Result<Viewer> {
        let wrong = || Error::unauthenticated(say!("this key is not valid, or no longer"));
        let (id, secret_hash) = service_keys::parse(key).ok_or_else(wrong)?;
        let id = ServiceKeyId(id);
        let (viewer, last_used_on) = self.database.viewer_of_key(id, &secret_hash).await?;
        let today = self.database.clock().now().date_naive();
        if last_used_on != Some(today) {
            let noted = self
                .unguarded()
                .write(move |tx| async move { tx.note_key_use(id, today).await })
                .await;
            if let Err(error) = noted {
                // Whether it can be noted is no concern of the caller.
                tracing::warn!(?error, key = %id, "the use of a key could not be noted");
            }
        }
        Ok(viewer)
    }

    /// Begins a session for whoever has this e-mail address and password.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` with one sentence, whatever was wrong; `THROTTLED` with `retryAfterSeconds` after too
    /// many tries; `BAD_USER_INPUT`.
    pub async fn sign_in(&self, email: &str, password: &str, device: Device) -> Result<SignedIn> {
        let Device {
            name,
            user_agent,
            address,
        } = device;
        let email = Email::parse("email", email)?.into_string();
        let device_name = text::optional_text("deviceName", name.as_deref(), 100)?;
        let device_name = device_name.unwrap_or_else(|| "unnamed device".to_owned());
        let keys = Keys {
            account: throttle::account_key(&email),
            address: address.map(throttle::address_key),
        };
        let system = self.unguarded();
        // Who has to wait anyway takes nobody's turn to write.
        for (key, free) in keys.counters() {
            let failures = system.failures(key).await?;
            throttle::admit(free, failures.as_ref(), system.now())?;
        }
        let counted = keys.clone();
        system
            .write(move |tx| {
                let keys = counted.clone();
                async move { count_try(&tx, &keys).await }
            })
            .await?;
        let account = system
            .account_by_email(&email)
            .await?
            .filter(|account| account.is_active);
        let hash = account
            .as_ref()
            .and_then(|account| account.password_hash.clone());
        let is_right = self.passwords.verify(password, hash.as_deref()).await?;
        let (Some(account), Some(hash), true) = (account, hash, is_right) else {
            return Err(wrong());
        };
        let id = SessionId(uuid::Uuid::now_v7());
        let token = self.refresh_tokens.first(id.0)?;
        let first = token.clone();
        let user_agent = user_agent.as_deref().map(cut_user_agent);
        let row = system
            .write(move |tx| {
                let (first, hash, keys) = (first.clone(), hash.clone(), keys.clone());
                let (device_name, user_agent) = (device_name.clone(), user_agent.clone());
                async move {
                    let present = tx.lock_account(account.user).await?;
                    let is_unchanged = present.is_some_and(|present| {
                        present.is_active && present.password_hash.as_ref() == Some(&hash)
                    });
                    if !is_unchanged {
                        return Err(wrong());
                    }
                    take_back(&tx, &keys).await?;
                    tx.make_room(account.user, MAX_SESSIONS - 1).await?;
                    let state = SessionState::begin(&first, tx.now());
                    insert(&tx, account.user, &device_name, user_agent, &state).await?;
                    tx.select::<user::Entity>().id(account.user).get().await
                }
            })
            .await?;
        tracing::info!(user = %row.id, session = %id, "signed in");
        self.signed_in(id, &token, row)
    }

    /// Goes on with a session: a new access token, and the next refresh token. A token that was used up
    /// before ends the session: two parties hold it. When there is no room to keep a next token, the present one
    /// goes on, so that a full disk signs nobody out.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` with one sentence, whatever was wrong.
    pub async fn refresh(&self, refresh_token: &str) -> Result<SignedIn> {
        let Some(presented) = self.refresh_tokens.parse(refresh_token) else {
            return Err(ended());
        };
        let refresh_tokens = self.refresh_tokens.clone();
        let id = SessionId(presented.session());
        let stored = presented.clone();
        let granted = self
            .unguarded()
            .write(move |tx| {
                let (refresh_tokens, presented) = (refresh_tokens.clone(), stored.clone());
                async move { rotate(&tx, &refresh_tokens, &presented).await }
            })
            .await;
        let granted = match granted {
            Err(error) if error.rule_name() == Some("STORAGE_FULL") => {
                tracing::warn!(session = %id, "no room for the next refresh token: the present one goes on");
                self.grant_unstored(&presented).await?
            }
            granted => granted?,
        };
        let (token, user) = granted.ok_or_else(ended)?;
        self.signed_in(id, &token, user)
    }

    /// Ends the session of an access token.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when it stands for nobody.
    pub async fn sign_out(&self, access_token: &str) -> Result<()> {
        let viewer = self.viewer(access_token).await?;
        let Some(id) = viewer.session_id() else {
            return Err(ended());
        };
        self.database
            .session(viewer, Arc::default())
            .write(move |tx| async move {
                super::sessions::end(&tx, id, EndReason::SignedOut)
                    .await
                    .map(|_| ())
            })
            .await
    }

    /// An access token of a new session called "command line", for scripts. The session ends with it.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for a time below a minute or above 180 days; `NOT_FOUND`; `RULE_VIOLATED`
    /// `users.deactivated`.
    pub async fn issue_access_token(&self, user: UserId, ttl: TimeDelta) -> Result<AccessToken> {
        if ttl < TimeDelta::minutes(1) || ttl > refresh::ABSOLUTE {
            return Err(Error::bad_input(
                "ttl",
                say!("an access token holds for a minute to 180 days"),
            ));
        }
        let id = SessionId(uuid::Uuid::now_v7());
        // Nobody gets this token: the session cannot be refreshed.
        let unused = self.refresh_tokens.first(id.0)?;
        let begun = self
            .unguarded()
            .write(move |tx| {
                let unused = unused.clone();
                async move {
                    let account = tx.lock_account(user).await?;
                    let account = account.ok_or_else(|| Error::not_found("user"))?;
                    if !account.is_active {
                        return Err(Error::rule("users.deactivated", say!("this user has left")));
                    }
                    tx.make_room(user, MAX_SESSIONS - 1).await?;
                    let mut state = SessionState::begin(&unused, tx.now());
                    state.expires_at = tx.now() + ttl;
                    state.idle_expires_at = state.expires_at;
                    insert(&tx, user, "command line", None, &state).await?;
                    Ok(tx.now())
                }
            })
            .await?;
        let (token, expires_at) = self.tokens.issue(user.0, id.0, begun, ttl)?;
        Ok(AccessToken {
            token,
            expires_at,
            session: id,
        })
    }

    /// What a presented token leads to when nothing can be stored: the current token stays the current one. One that
    /// was used up before is refused; its session ends when it comes again and there is room.
    async fn grant_unstored(
        &self,
        presented: &RefreshToken,
    ) -> Result<Option<(RefreshToken, Visible<user::Model>)>> {
        let session = self.unguarded();
        let row = session
            .select::<session::Entity>()
            .id(SessionId(presented.session()))
            .find()
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let state = state_of(&row)?;
        let decision = match refresh::decide(Some(&state), presented, session.now()) {
            Decision::Rotate => Decision::Keep,
            other => other,
        };
        let user = session
            .select::<user::Entity>()
            .id(row.user_id)
            .get()
            .await?;
        if user.deactivated_at.is_some() {
            return Ok(None);
        }
        let grant = self
            .refresh_tokens
            .grant(decision, &state, presented, session.now());
        Ok(grant.map(|grant| (grant.token, user)))
    }

    fn unguarded(&self) -> Session {
        self.database.as_system("sign-in and refresh")
    }

    fn signed_in(
        &self,
        session: SessionId,
        refresh_token: &RefreshToken,
        user: Visible<user::Model>,
    ) -> Result<SignedIn> {
        let ttl = tokens::DEFAULT_TTL;
        let now = self.database.clock().now();
        let (access_token, _) = self.tokens.issue(user.id.0, session.0, now, ttl)?;
        Ok(SignedIn {
            access_token,
            expires_in_secs: ttl.num_seconds(),
            refresh_token: refresh_token.reveal().to_owned(),
            session,
            user,
        })
    }
}

/// How many devices of a user are signed in at the same time. Whoever signs in on one more ends the session
/// that was not used for the longest.
pub const MAX_SESSIONS: u64 = 30;

/// Under which names a try is counted.
#[derive(Clone)]
struct Keys {
    account: String,
    address: Option<String>,
}

impl Keys {
    /// Each with its number of free tries; always in this order, so that two tries cannot wait for each
    /// other.
    fn counters(&self) -> impl Iterator<Item = (&str, i32)> {
        let account = (self.account.as_str(), throttle::TRIES_PER_ACCOUNT);
        let address = self
            .address
            .as_deref()
            .map(|key| (key, throttle::TRIES_PER_ADDRESS));
        std::iter::once(account).chain(address)
    }
}

/// Forgets counted tries that have no effect any more, sessions that ended 90 days ago, and codes to set a new
/// password that are over. To be called now and then, by the service itself; says how many rows went.
///
/// # Errors
/// `INTERNAL` when a person asks; from the database.
pub async fn clean_up(tx: &Tx) -> Result<u64> {
    let failures = tx.forget_failures(tx.now() - throttle::WINDOW).await?;
    let sessions = tx.forget_sessions(tx.now() - KEEP_ENDED).await?;
    let resets = tx.forget_resets(tx.now()).await?;
    Ok(failures.saturating_add(sessions).saturating_add(resets))
}

/// Counts a try before its password is looked at: a hundred at once must not all pass.
async fn count_try(tx: &Tx, keys: &Keys) -> Result<()> {
    for (key, free) in keys.counters() {
        let failures = tx.lock_failures(key).await?;
        let counted = throttle::admit(free, failures.as_ref(), tx.now())?;
        tx.store_failures(key, Some(counted)).await?;
    }
    Ok(())
}

/// The try was no failure: the account's count goes, the address gets its try back.
async fn take_back(tx: &Tx, keys: &Keys) -> Result<()> {
    tx.store_failures(&keys.account, None).await?;
    if let Some(key) = &keys.address
        && let Some(failures) = tx.lock_failures(key).await?
    {
        let left = throttle::give_back(throttle::TRIES_PER_ADDRESS, &failures);
        tx.store_failures(key, left).await?;
    }
    Ok(())
}

/// What a presented token leads to, stored before the session's row is let go. The end of a stolen session
/// must be kept, so a refusal is no error here.
async fn rotate(
    tx: &Tx,
    refresh_tokens: &RefreshTokens,
    presented: &RefreshToken,
) -> Result<Option<(RefreshToken, Visible<user::Model>)>> {
    let Some(row) = tx.lock_session(SessionId(presented.session())).await? else {
        return Ok(None);
    };
    let state = state_of(&row)?;
    let decision = refresh::decide(Some(&state), presented, tx.now());
    match decision {
        Decision::Rotate | Decision::Keep | Decision::Repeat => {}
        Decision::Reuse => {
            tracing::warn!(user = %row.user_id, session = %row.id, "a used-up refresh token came back");
            super::sessions::end(tx, row.id, EndReason::Reuse).await?;
            return Ok(None);
        }
        Decision::Expired | Decision::Revoked | Decision::Unknown => return Ok(None),
    }
    let user = tx.select::<user::Entity>().id(row.user_id).get().await?;
    if user.deactivated_at.is_some() {
        return Ok(None);
    }
    let Some(grant) = refresh_tokens.grant(decision, &state, presented, tx.now()) else {
        return Ok(None);
    };
    let changes = session::ActiveModel {
        refresh_hash: Set(grant.state.refresh_hash.to_vec()),
        previous_refresh_hash: Set(grant.state.previous_refresh_hash.map(|hash| hash.to_vec())),
        rotated_at: Set(grant.state.rotated_at),
        last_used_at: Set(grant.state.last_used_at),
        idle_expires_at: Set(grant.state.idle_expires_at),
        ..Default::default()
    };
    tx.amend::<session::Entity>(&row, changes).await?;
    Ok(Some((grant.token, user)))
}

fn state_of(row: &session::Model) -> Result<SessionState> {
    let hash = |bytes: &[u8]| {
        <[u8; 32]>::try_from(bytes).map_err(|_| Error::bug("a row holds a hash that is none"))
    };
    Ok(SessionState {
        session: row.id.0,
        refresh_hash: hash(&row.refresh_hash)?,
        previous_refresh_hash: row.previous_refresh_hash.as_deref().map(hash).transpose()?,
        rotated_at: row.rotated_at,
        last_used_at: row.last_used_at,
        idle_expires_at: row.idle_expires_at,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
    })
}

async fn insert(
    tx: &Tx,
    user: UserId,
    device_name: &str,
    user_agent: Option<String>,
    state: &SessionState,
) -> Result<()> {
    let row = session::ActiveModel {
        id: Set(SessionId(state.session)),
        user_id: Set(user),
        device_name: Set(device_name.to_owned()),
        user_agent: Set(user_agent),
        refresh_hash: Set(state.refresh_hash.to_vec()),
        previous_refresh_hash: Set(None),
        rotated_at: Set(state.rotated_at),
        created_at: Set(tx.now()),
        last_used_at: Set(state.last_used_at),
        idle_expires_at: Set(state.idle_expires_at),
        expires_at: Set(state.expires_at),
        revoked_at: Set(None),
        revoked_reason: Set(None),
    };
    tx.insert::<session::Entity>(row).await?;
    Ok(())
}

fn cut_user_agent(user_agent: &str) -> String {
    user_agent
        .chars()
        .filter(|c| !c.is_control())
        .take(300)
        .collect()
}

fn wrong() -> Error {
    Error::unauthenticated(say!("the e-mail address or the password is wrong"))
}

fn ended() -> Error {
    Error::unauthenticated(say!("this session has ended; sign in again"))
}
