//! The cases of orders, payments, people and teams.

use serde_json::json;

use super::cases::{Attempt, Cast};
use super::world::{Scene, World};

/// The attempts at a mutation; nothing for one that is not known.
pub async fn attempts(world: &mut World, mutation: &str) -> Option<Vec<Attempt>> {
    match mutation.split_at_checked(5)?.0 {
        "order" | "payme" => orders(world, mutation).await.map(|attempt| vec![attempt]),
        _ => people(world, mutation).await,
    }
}

async fn orders(world: &mut World, mutation: &str) -> Option<Attempt> {
    let cast = Cast::of(world);
    let product = world.public.product.to_string();
    let fresh = world.fresh(&cast.team.ann).await;
    let order = |at: usize| world.of(&fresh, "order", at);
    let (draft, submitted, approved, delivered) = (order(0), order(1), order(2), order(3));
    let (in_production, shipped) = (order(5), order(6));
    let euros = |amount: &str| json!({ "amount": amount, "currency": "EUR" });
    let address = world.of(&fresh, "address", 0);
    Some(match mutation {
        "orderCreate" => cast.making(json!({
            "id": cast.new_id("order"), "clientId": fresh.id, "addressId": address,
            "lines": [{ "productId": product, "quantity": 2 }], "submit": true
        })),
        "orderUpdate" => cast.own(json!({
            "id": draft, "version": 1, "addressId": address, "note": "changed",
            "lines": [{ "productId": product, "quantity": 3 }]
        })),
        "orderSubmit" => cast.own(json!({ "id": draft, "version": 1 })),
        "orderApprove" => cast.manager(json!({ "id": submitted, "version": 1, "note": "yes" })),
        "orderRefuse" => cast.manager(json!({ "id": submitted, "version": 1, "note": "no" })),
        "orderCancel" => cast.own(json!({ "id": submitted, "version": 1, "reason": "no need" })),
        "orderStartProduction" => cast.own(json!({ "id": approved, "version": 1 })),
        "orderShip" => cast.own(json!({ "id": in_production, "version": 1 })),
        "orderDeliver" => cast.own(json!({ "id": shipped, "version": 1 })),
        "orderTrack" => cast.own(json!({ "id": shipped, "note": "at sea" })),
        "orderReturn" => cast.own(json!({
            "id": delivered, "version": 1, "reason": "broken", "restock": true,
            "lines": [{ "orderLineId": world.of(&fresh, "order_line", 3), "quantity": 1 }]
        })),
        "orderReorder" => {
            cast.making(json!({ "orderId": delivered, "id": cast.new_id("order") }))
        }
        "paymentRecord" => cast.making(json!({
            "id": cast.new_id("payment"), "orderId": approved, "amount": euros("1.00"), "method": "CASH"
        })),
        "paymentVoid" => cast.own(json!({
            "id": world.of(&fresh, "payment", 1), "version": 1, "reason": "a mistake"
        })),
        _ => return None,
    })
}

async fn people(world: &mut World, mutation: &str) -> Option<Vec<Attempt>> {
    let cast = Cast::of(world);
    let team = &cast.team;
    let attempt = match mutation {
        "clientMemberAdd" => {
            let fresh = world.fresh(&team.ann).await;
            cast.making(json!({
                "id": cast.new_id("client_member"), "clientId": fresh.id, "userId": team.cleo.id.to_string(),
                "role": "SPECIALIST", "note": "helps"
            }))
        }
        "clientMemberUpdate" | "clientMemberRemove" => {
            // A member is a stranger to this: seeing a client is not deciding who else does.
            world
                .add(&Scene::of(&team.ann).shared(&team.cleo, Some(30)))
                .await;
            let fresh = world.last();
            let mut input = json!({ "id": world.of(&fresh, "client_member", 0), "version": 1 });
            if mutation == "clientMemberUpdate" {
                input["note"] = json!("changed");
            }
            cast.own(input)
        }
        "clientShare" => {
            let fresh = world.fresh(&team.ann).await;
            cast.own(json!({
                "clientId": fresh.id, "userIds": [team.ben.id.to_string(), team.cleo.id.to_string()], "expiresAt": world.day(20)
            }))
        }
        "clientHandOver" => {
            let fresh = world.fresh(&team.ann).await;
            let some = cast.manager(json!({
                "clientIds": [fresh.id], "toUserId": team.ben.id.to_string(), "keepFormerOwnerUntil": world.day(20)
            }));
            let leaver = world.fresh_person("Leaver").await;
            world.fresh(&leaver).await;
            let all = cast.manager(
                json!({ "fromUserId": leaver.id.to_string(), "toUserId": team.ben.id.to_string() }),
            );
            return Some(vec![
                some.within_team(&["toUserId"]),
                all.within_team(&["fromUserId", "toUserId"]),
            ]);
        }
        "deviceRegister" | "deviceRevoke" | "deviceWipe" | "deviceWiped" => {
            let person = world.fresh_person("Phoned").await;
            let id = cast.new_id("device");
            let known = json!({ "id": id, "name": "a phone", "schemaVersion": 1 });
            world
                .write(&person, "deviceRegister", "DeviceRegisterInput", &known)
                .await;
            let input = json!({ "id": id });
            if mutation == "deviceWiped" {
                world
                    .write(&person, "deviceWipe", "DeviceIdInput", &input)
                    .await;
            }
            let input = if mutation == "deviceRegister" {
                known
            } else {
                input
            };
            let chosen = match mutation {
                "deviceRegister" => vec!["id"],
                _ => Vec::new(),
            };
            Attempt {
                chosen,
                ..cast.by(&person, &[&team.ann, &team.left], input)
            }
        }
        "userCreate" => Attempt {
            chosen: vec!["id"],
            ..cast.admin(json!({
                "id": cast.new_id("user"), "email": "new@example.com", "name": "New", "role": "REP",
                "managerId": team.left.id.to_string()
            }))
        },
        "userUpdate" => {
            let person = world.fresh_person("Updated").await;
            cast.admin(json!({ "id": person.id.to_string(), "version": 1, "title": "Rep" }))
        }
        "userMove" => {
            let person = world.fresh_person("Moved").await;
            cast.admin(json!({ "id": person.id.to_string(), "version": 1, "managerId": team.right.id.to_string() }))
        }
        "userDeactivate" => {
            let person = world.fresh_person("Left-us").await;
            cast.admin(json!({ "id": person.id.to_string(), "version": 1 }))
        }
        "userReactivate" => {
            let person = world.fresh_person("Back").await;
            let input = json!({ "id": person.id.to_string(), "version": 1 });
            world
                .write(&team.admin, "userDeactivate", "UserVersionInput", &input)
                .await;
            cast.admin(json!({ "id": person.id.to_string(), "version": 2 }))
        }
        "userSetPassword" => {
            let person = world.fresh_person("Forgetful").await;
            cast.admin(
                json!({ "id": person.id.to_string(), "password": "a long and winding road" }),
            )
        }
        "viewerUpdate" => {
            let person = world.fresh_person("Traveller").await;
            cast.by(
                &person,
                &[],
                json!({ "version": 1, "timeZone": "Asia/Shanghai" }),
            )
        }
        "passwordChange" => {
            let person = world.fresh_person("Careful").await;
            let input =
                json!({ "id": person.id.to_string(), "password": "a long and winding road" });
            world
                .write(
                    &team.admin,
                    "userSetPassword",
                    "UserSetPasswordInput",
                    &input,
                )
                .await;
            let person = world.app.sign_in(person.id, "Careful").await;
            cast.by(
                &person,
                &[],
                json!({ "presentPassword": "a long and winding road", "password": "another and longer road" }),
            )
        }
        "sessionRevoke" => {
            let person = world.fresh_person("Owner of two phones").await;
            let lost = world.app.sign_in(person.id, "Lost").await;
            world.register(lost.session, super::world::Owner::User(person.id));
            cast.by(
                &person,
                &[&team.ann, &team.left, &team.top],
                json!({ "id": lost.session.to_string() }),
            )
        }
        "confidentialitySet" => {
            cast.admin(json!({ "group": "CREDIT", "audience": "OWNER_AND_ABOVE" }))
        }
        "serviceAccountCreate" => Attempt {
            chosen: vec!["id"],
            ..cast.admin(json!({
                "id": cast.new_id("service_account"), "name": "Robot", "userId": team.ann.id.to_string(),
                "scopes": ["WRITE_ORDERS"]
            }))
        },
        "serviceAccountClose" => {
            let account = world.service_account(team.ann.id, Some("closing")).await.0;
            cast.admin(json!({ "id": account }))
        }
        "serviceKeyCreate" => {
            let account = world.service_account(team.ann.id, Some("another key")).await.0;
            cast.admin(json!({ "serviceAccountId": account }))
        }
        "serviceKeyRevoke" => {
            let key = world.service_account(team.ann.id, Some("revoking")).await.1;
            cast.admin(json!({ "id": key }))
        }
        "userIdentityLink" => {
            let person = world.fresh_person("Linked").await;
            cast.admin(json!({
                "userId": person.id.to_string(), "issuer": "https://id.example.com", "subject": "linked"
            }))
        }
        "userIdentityUnlink" => {
            let person = world.fresh_person("Unlinked").await;
            let id = world.identity(person.id).await;
            cast.admin(json!({ "id": id }))
        }
        "userPasswordReset" => {
            let person = world.fresh_person("Locked out").await;
            cast.admin(json!({ "userId": person.id.to_string() }))
        }
        "sessionRevokeAll" => {
            let person = world.fresh_person("Everywhere").await;
            cast.admin(json!({ "userId": person.id.to_string() }))
        }
        _ => return None,
    };
    Some(vec![attempt])
}
