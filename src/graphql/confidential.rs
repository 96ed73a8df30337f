//! What is confidential, on the wire: who sees it, and how it is kept from the others. A fact that is not for
//! the viewer is null with its path in `extensions.masked`, and lists can be neither filtered nor sorted by it.

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use entity::UserId;
use sea_orm::Condition;

use super::context::{Masked, mask, session, write};
use super::pace::Listed;
use crate::db::{Audience, Confidential, ConfidentialPolicy, Session};
use crate::error::{Error, Result};
use crate::say;

/// A group of facts about a client that not everybody who sees the client may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Confidential")]
pub enum ConfidentialGroup {
    /// How much the client may owe, and how much it does.
    Credit,
    /// What the people at the client like, and their standing among others.
    Personal,
}

/// Who sees a group of confidential facts of a client, of those who see the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Audience")]
pub enum ConfidentialAudience {
    /// Everybody who sees the client, also through a share or an account team.
    Everyone,
    /// The owner, the managers above the owner, and administrators.
    OwnerAndAbove,
    /// The managers above the owner, and administrators.
    Managers,
    /// Administrators.
    Admins,
}

/// Every confidential field: its group, its type, its name. A field here is nullable, and shown through
/// [`shown`] alone.
pub const FIELDS: &[(Confidential, &str, &str)] = &[
    (Confidential::Credit, "Client", "creditLimit"),
    (Confidential::Credit, "ClientStats", "receivable"),
    (Confidential::Credit, "HandoverPreview", "receivables"),
    (Confidential::Personal, "Contact", "likes"),
    (Confidential::Personal, "Contact", "socialStatus"),
];

/// Every input that looks at a confidential field: its group, its input type or enum of orders, its name.
pub const INPUTS: &[(Confidential, &str, &str)] = &[
    (Confidential::Credit, "ClientFilter", "receivable"),
    (Confidential::Credit, "ClientOrder", "RECEIVABLE_DESC"),
];

/// A confidential fact of a client whose owner is `owner`, for those who may see it; else null, with the
/// path of the field named.
///
/// # Errors
/// What `value` fails with; from the database.
pub async fn shown<T>(
    ctx: &Context<'_>,
    group: Confidential,
    owner: Option<UserId>,
    value: impl FnOnce() -> Result<Option<T>>,
) -> Result<Option<T>> {
    if session(ctx)?.sees(group, owner).await? {
        note_shown(ctx, group);
        value()
    } else {
        Ok(mask(ctx))
    }
}

/// Notes that a confidential fact goes out: who asks for the answer again must be one who may see it then.
pub fn note_shown(ctx: &Context<'_>, group: Confidential) {
    if let Some(masked) = ctx.data_opt::<Masked>() {
        masked.add_shown(group);
    }
}

/// Refuses to filter or sort by a confidential fact a list in which it is hidden for some client: the order
/// of rows would tell it. `which` are the clients that can be in the list, by what is not confidential.
///
/// # Errors
/// `FORBIDDEN` `confidentiality.masked_field` naming `field`.
pub async fn require_shown(
    session: &Session,
    group: Confidential,
    field: &str,
    which: Condition,
) -> Result<()> {
    if !session.hides_any(group, which).await? {
        return Ok(());
    }
    Err(Error::forbidden(
        say!("this list holds clients of which you may not see this, so it cannot be filtered or sorted by it; ask for your own clients with `ownerId`")
    )
    .field(field)
    .with_rule("confidentiality.masked_field"))
}

/// Who sees a group of confidential facts.
#[derive(SimpleObject)]
pub struct ConfidentialRule {
    /// The group.
    group: ConfidentialGroup,
    /// Who sees it, of those who see the client.
    audience: ConfidentialAudience,
    /// Its fields, as `Type.field`.
    fields: Vec<String>,
}

fn rules(policy: &ConfidentialPolicy) -> Listed<ConfidentialRule> {
    Confidential::ALL
        .into_iter()
        .map(|group| ConfidentialRule {
            group: group.into(),
            audience: policy.audience(group).into(),
            fields: FIELDS
                .iter()
                .filter(|(of, _, _)| *of == group)
                .map(|(_, ty, field)| format!("{ty}.{field}"))
                .collect(),
        })
        .collect()
}

/// Reading who sees what.
#[derive(Default)]
pub struct ConfidentialQuery;

#[Object]
impl ConfidentialQuery {
    /// What is confidential, and who sees it. Elsewhere it is null, with its path in `extensions.masked`.
    async fn confidentiality(&self, ctx: &Context<'_>) -> Result<Listed<ConfidentialRule>> {
        Ok(rules(session(ctx)?.viewer().confidential()))
    }
}

/// Who is to see a group of confidential facts.
#[derive(Clone, Debug, InputObject)]
pub struct ConfidentialitySetInput {
    /// The group.
    group: ConfidentialGroup,
    /// Who sees it, of those who see the client.
    audience: ConfidentialAudience,
}

/// Who sees what, after a change.
#[derive(SimpleObject)]
pub struct ConfidentialitySetPayload {
    /// All groups.
    confidentiality: Listed<ConfidentialRule>,
}

/// Deciding who sees what.
#[derive(Default)]
pub struct ConfidentialMutation;

#[Object]
impl ConfidentialMutation {
    /// Sets who sees a group of confidential facts, from the next request on. For administrators.
    async fn confidentiality_set(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group, and who sees it.")] input: ConfidentialitySetInput,
    ) -> Result<ConfidentialitySetPayload> {
        let ConfidentialitySetInput { group, audience } = input;
        let policy = write(ctx, move |tx| async move {
            tx.set_audience(group.into(), audience.into()).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(ConfidentialitySetPayload {
            confidentiality: rules(&policy),
        })
    }
}
