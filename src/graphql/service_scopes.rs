//! THE table of what a program may do: for each mutation, the scope that its key must have. A mutation that
//! is not in the table is refused to programs. [`check`] asks it where every resolver gets its session, so
//! that no mutation can pass it by.

use async_graphql::Context;
use async_graphql::parser::types::OperationType;
use entity::ServiceScope;
use sea_orm::ActiveEnum;

use crate::db::Viewer;
use crate::error::{Error, Result};
use crate::say;

/// What a mutation asks of the key of a service account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// This scope.
    Scope(ServiceScope),
    /// A person: no key is enough.
    Person,
}

use Need::{Person, Scope};
use ServiceScope::{Admin, WriteCatalogue, WriteClients, WriteOrders, WriteSharing};

/// Every mutation, by what it needs.
pub const NEEDS: &[(Need, &[&str])] = &[
    (
        Scope(WriteClients),
        &[
            "clientCreate",
            "clientUpdate",
            "clientArchive",
            "clientRestore",
            "contactCreate",
            "contactUpdate",
            "contactArchive",
            "contactRestore",
            "addressCreate",
            "addressUpdate",
            "addressArchive",
            "addressRestore",
            "noteCreate",
            "noteUpdate",
            "noteArchive",
            "noteRestore",
            "clientTierAssign",
            "clientTierOverride",
            "clientTierOverrideEnd",
        ],
    ),
    (
        Scope(WriteSharing),
        &[
            "clientMemberAdd",
            "clientMemberUpdate",
            "clientMemberRemove",
            "clientShare",
            "clientHandOver",
        ],
    ),
    (
        Scope(WriteOrders),
        &[
            "orderCreate",
            "orderUpdate",
            "orderSubmit",
            "orderApprove",
            "orderRefuse",
            "orderCancel",
            "orderStartProduction",
            "orderShip",
            "orderDeliver",
            "orderTrack",
            "orderReturn",
            "orderReorder",
            "paymentRecord",
            "paymentVoid",
        ],
    ),
    (
        Scope(WriteCatalogue),
        &[
            "categoryCreate",
            "categoryUpdate",
            "categoryArchive",
            "categoryRestore",
            "productCreate",
            "productUpdate",
            "productArchive",
            "productRestore",
            "stockReceive",
            "stockAdjust",
            "tierSchemeCreate",
            "tierSchemeUpdate",
            "tierSchemeArchive",
            "tierSchemeRestore",
            "tierCreate",
            "tierUpdate",
            "tierArchive",
            "tierRestore",
        ],
    ),
    (
        Scope(Admin),
        &[
            "userCreate",
            "userUpdate",
            "userMove",
            "userDeactivate",
            "userReactivate",
            "confidentialitySet",
        ],
    ),
    (
        Person,
        &[
            "viewerUpdate",
            "passwordChange",
            "userSetPassword",
            "userPasswordReset",
            "userIdentityLink",
            "userIdentityUnlink",
            "deviceRegister",
            "deviceRevoke",
            "deviceWipe",
            "deviceWiped",
            "sessionRevoke",
            "sessionRevokeAll",
            "serviceAccountCreate",
            "serviceAccountClose",
            "serviceKeyCreate",
            "serviceKeyRevoke",
            "syncPush",
            "pushClients",
            "pushContacts",
            "pushAddresses",
            "pushNotes",
            "pushOrders",
            "pushPayments",
        ],
    ),
];

/// What a mutation needs; nothing for one that the table does not know.
pub fn need(mutation: &str) -> Option<Need> {
    let mut rows = NEEDS.iter();
    rows.find(|(_, names)| names.contains(&mutation))
        .map(|(need, _)| *need)
}

/// Refuses a mutation to a program whose key lacks the scope. Says nothing to people, nor to reading.
///
/// # Errors
/// `FORBIDDEN` `service_accounts.scope_missing` or `service_accounts.person_only`.
pub fn check(ctx: &Context<'_>, viewer: &Viewer) -> Result<()> {
    let Some(scopes) = viewer.scopes() else {
        return Ok(());
    };
    let is_mutation = ctx.query_env.operation.node.ty == OperationType::Mutation;
    let is_root = ctx
        .path_node
        .as_ref()
        .is_none_or(|node| node.parents().next().is_none());
    if !(is_mutation && is_root) {
        return Ok(());
    }
    match need(ctx.field().name()) {
        Some(Scope(scope)) if scopes.contains(&scope) => Ok(()),
        Some(Scope(scope)) => Err(Error::forbidden(say!(
            "this service account lacks the scope {scope}",
            scope = scope.to_value()
        ))
        .with_rule("service_accounts.scope_missing")),
        Some(Person) | None => Err(Error::forbidden(say!("only people may do this"))
            .with_rule("service_accounts.person_only")),
    }
}
