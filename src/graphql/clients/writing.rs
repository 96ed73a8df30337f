//! Recording and changing clients.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::{
    ClientId, ClientKind, ClientNature, CustomKind, Gender, Lifecycle, PartyClass, ServiceMode,
    UserId, client,
};

use super::Client;
use crate::db::Visible;
use crate::domain::clients::{self, NewClient, ProfilePatch};
use crate::error::Result;
use crate::graphql::context::write;
use crate::graphql::input::{optional, required};
use crate::graphql::scalars::{Currency, Date, MoneyInput};

/// What is known of a client. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ClientProfileInput {
    /// Where it stands in the chain from maker to user.
    party_class: MaybeUndefined<PartyClass>,
    /// How far the relationship has come.
    lifecycle: MaybeUndefined<Lifecycle>,
    /// How it buys.
    custom_kind: MaybeUndefined<CustomKind>,
    /// How it wants to be served.
    service_mode: MaybeUndefined<ServiceMode>,
    /// The organization it belongs to.
    parent_id: MaybeUndefined<ClientId>,
    /// The main phone number: digits, spaces and `+ - . ( ) /`, and an extension.
    phone: MaybeUndefined<String>,
    /// The fax number.
    fax: MaybeUndefined<String>,
    /// The e-mail address.
    email: MaybeUndefined<String>,
    /// The website, at most 300 characters.
    website: MaybeUndefined<String>,
    /// The handle on a messenger, at most 100 characters.
    messaging_handle: MaybeUndefined<String>,
    /// Stated preferences, at most 4,000 characters.
    preferences: MaybeUndefined<String>,
    /// Habits in buying, at most 4,000 characters.
    buying_habits: MaybeUndefined<String>,
    /// Since when it is a client.
    since_on: MaybeUndefined<Date>,
    /// Up to how much it may owe before orders wait for a manager, in its currency. Only managers may set it.
    credit_limit: MaybeUndefined<MoneyInput>,
    /// Days from an order to the day it is due, 0 to 3650. Only managers may set it.
    payment_term_days: MaybeUndefined<i32>,
    /// All tags: at most 50, each 1 to 40 characters. Those that are missing are taken off.
    tags: MaybeUndefined<Vec<String>>,
    /// The section of a person; refused for an organization.
    individual: Option<IndividualProfileInput>,
    /// The section of an organization; refused for a person.
    organization: Option<OrganizationProfileInput>,
}

/// What is known of a person. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, Default, InputObject)]
pub struct IndividualProfileInput {
    /// Gender.
    gender: MaybeUndefined<Gender>,
    /// Birthday; not in the future.
    birthday: MaybeUndefined<Date>,
}

/// What is known of an organization. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, Default, InputObject)]
pub struct OrganizationProfileInput {
    /// Who owns it.
    nature: MaybeUndefined<ClientNature>,
    /// The industry it is in, at most 100 characters.
    industry: MaybeUndefined<String>,
    /// How many people work there, 0 or more.
    employee_count: MaybeUndefined<i32>,
}

impl ClientProfileInput {
    fn parse(self) -> Result<ProfilePatch> {
        let Self {
            party_class,
            lifecycle,
            custom_kind,
            service_mode,
            parent_id,
            phone,
            fax,
            email,
            website,
            messaging_handle,
            preferences,
            buying_habits,
            since_on,
            credit_limit,
            payment_term_days,
            tags,
            individual,
            organization,
        } = self;
        let IndividualProfileInput { gender, birthday } = individual.unwrap_or_default();
        let OrganizationProfileInput {
            nature,
            industry,
            employee_count,
        } = organization.unwrap_or_default();
        let credit_limit = match optional(credit_limit) {
            Some(Some(limit)) => Some(Some(limit.parse("creditLimit")?)),
            Some(None) => Some(None),
            None => None,
        };
        Ok(ProfilePatch {
            party_class: required("partyClass", party_class)?,
            lifecycle: required("lifecycle", lifecycle)?,
            custom_kind: optional(custom_kind),
            service_mode: optional(service_mode),
            parent: optional(parent_id),
            phone: optional(phone),
            fax: optional(fax),
            email: optional(email),
            website: optional(website),
            messaging_handle: optional(messaging_handle),
            preferences: optional(preferences),
            buying_habits: optional(buying_habits),
            since_on: optional(since_on).map(|day| day.map(|day| day.0)),
            credit_limit,
            payment_term_days: optional(payment_term_days),
            tags: optional(tags).map(Option::unwrap_or_default),
            gender: optional(gender),
            birthday: optional(birthday).map(|day| day.map(|day| day.0)),
            nature: optional(nature),
            industry: optional(industry),
            employee_count: optional(employee_count),
        })
    }
}

/// A client to record.
#[derive(Clone, Debug, InputObject)]
pub struct ClientCreateInput {
    /// An id made by the caller (`client_` and a UUID, best of version 7). Sending the same create again with it answers the client that is there.
    id: Option<ClientId>,
    /// The id in another system, unique among clients, at most 100 characters. Only managers and administrators may set it; when it is taken, perhaps by one that you do not see, the answer is `CONFLICT`.
    external_id: Option<String>,
    /// Whether it is a person or an organization; it stays so.
    kind: ClientKind,
    /// The name, 1 to 200 characters.
    name: String,
    /// The currency it is billed in; it stays so.
    currency: Currency,
    /// Who answers for it. You, when absent; nobody (the pool), when null. Managers may name people who report to them.
    owner_id: MaybeUndefined<UserId>,
    /// Everything else that is known.
    profile: Option<ClientProfileInput>,
}

impl ClientCreateInput {
    /// The client to be.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub(in crate::graphql) fn parse(self) -> Result<NewClient> {
        let Self {
            id,
            external_id,
            kind,
            name,
            currency,
            owner_id,
            profile,
        } = self;
        let profile = profile.unwrap_or_default().parse();
        Ok(NewClient {
            id,
            external_id,
            kind,
            name,
            currency: currency.0,
            owner: optional(owner_id),
            profile: profile.map_err(|error| error.under("profile"))?,
        })
    }
}

/// Changes to a client.
#[derive(Clone, Debug, InputObject)]
pub struct ClientUpdateInput {
    /// The client.
    id: ClientId,
    /// The version you saw.
    version: i32,
    /// A new name, 1 to 200 characters.
    name: MaybeUndefined<String>,
    /// Other changes.
    profile: Option<ClientProfileInput>,
}

impl ClientUpdateInput {
    /// Which client, in which version, and its changes.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub(in crate::graphql) fn parse(self) -> Result<(ClientId, i64, Option<String>, ProfilePatch)> {
        let Self {
            id,
            version,
            name,
            profile,
        } = self;
        let name = required("name", name)?;
        let profile = profile.unwrap_or_default().parse();
        let profile = profile.map_err(|error| error.under("profile"))?;
        Ok((id, i64::from(version), name, profile))
    }
}

/// Names a client in the version you saw.
#[derive(Clone, Debug, InputObject)]
pub struct ClientVersionInput {
    /// The client.
    id: ClientId,
    /// The version you saw.
    version: i32,
}

/// The client after the change.
#[derive(SimpleObject)]
pub struct ClientPayload {
    /// The client.
    client: Client,
}

impl From<Visible<client::Model>> for ClientPayload {
    fn from(row: Visible<client::Model>) -> Self {
        Self {
            client: Client(row),
        }
    }
}

/// Writing clients.
#[derive(Default)]
pub struct ClientMutation;

#[Object]
impl ClientMutation {
    /// Records a client.
    async fn client_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client to record.")] input: ClientCreateInput,
    ) -> Result<ClientPayload> {
        let new = input.parse().map_err(|error| error.under("input"))?;
        let row = write(ctx, move |tx| {
            let new = new.clone();
            async move { clients::create(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Changes what is known of a client.
    async fn client_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client and the changes.")] input: ClientUpdateInput,
    ) -> Result<ClientPayload> {
        let (id, version, name, patch) = input.parse().map_err(|error| error.under("input"))?;
        let row = write(ctx, move |tx| {
            let (name, patch) = (name.clone(), patch.clone());
            async move { clients::update(&tx, id, version, name, patch).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Hides a client from lists. Nothing is lost; it can be restored.
    async fn client_archive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client to hide.")] input: ClientVersionInput,
    ) -> Result<ClientPayload> {
        let ClientVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            clients::archive(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Brings an archived client back.
    async fn client_restore(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client to bring back.")] input: ClientVersionInput,
    ) -> Result<ClientPayload> {
        let ClientVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            clients::restore(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }
}
