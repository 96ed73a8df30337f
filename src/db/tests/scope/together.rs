//! A row and its parts, written by one statement: under the client that is held and under no other.

use entity::{HandoverId, OrderEventId, OrderEventKind};

use super::*;

fn event(
    order: OrderId,
    client: ClientId,
    at: chrono::DateTime<chrono::Utc>,
) -> order_event::ActiveModel {
    order_event::ActiveModel {
        id: Set(OrderEventId(Uuid::now_v7())),
        order_id: Set(order),
        client_id: Set(client),
        kind: Set(OrderEventKind::Created),
        occurred_at: Set(at),
        ..Default::default()
    }
}

on_both!(
    a_row_and_its_parts_are_of_the_client_that_is_held,
    4,
    async |ground: Ground| {
        let scene = Scene::build(&ground).await;
        let system = ground.system();
        let held = client(&system, Some(scene.ann_id)).await;
        let (other, owner) = (scene.anns, scene.ann_id);
        let ann = session(&ground, owner).await;
        let today = system.now().date_naive();
        let written = ann
            .write(move |tx| async move {
                let client = tx.lock_client(held).await?;
                // The clients that the rows name do not count.
                let row = order_row(&tx, other, owner, OrderStatus::Submitted, today, 100);
                let order = row.id.clone().unwrap();
                let events = vec![event(order, other, tx.now()), event(order, other, tx.now())];
                let part = tx.part_under::<order_event::Entity>(&client, events)?;
                let parts = part.into_iter().collect();
                tx.insert_with_parts::<order::Entity>(&client, row, parts)
                    .await
            })
            .await
            .unwrap();
        assert_eq!(written.client_id, held);
        let events = ann
            .select::<order_event::Entity>()
            .filter(order_event::Column::OrderId.eq(written.id))
            .all()
            .await
            .unwrap();
        assert_eq!(events.len(), 2);
        assert!(events.iter().all(|event| event.client_id == held));
        for stranger in &scene.strangers {
            for row in stranger.select::<order::Entity>().all().await.unwrap() {
                assert_ne!(row.id, written.id);
            }
        }
    }
);

on_both!(
    parts_of_another_client_or_of_another_hand_are_refused,
    4,
    async |ground: Ground| {
        let scene = Scene::build(&ground).await;
        let system = ground.system();
        let (held, owner) = (scene.anns, scene.ann_id);
        let other = client(&system, Some(owner)).await;
        let ann = session(&ground, owner).await;
        let today = system.now().date_naive();
        let across = ann
            .write(move |tx| async move {
                let first = tx.lock_client(held).await?;
                let second = tx.lock_client(other).await?;
                let row = order_row(&tx, held, owner, OrderStatus::Submitted, today, 100);
                let order = row.id.clone().unwrap();
                let events = vec![event(order, other, tx.now())];
                let part = tx.part_under::<order_event::Entity>(&second, events)?;
                let parts = part.into_iter().collect();
                tx.insert_with_parts::<order::Entity>(&first, row, parts)
                    .await
                    .map(drop)
            })
            .await;
        assert_refused(across, Code::Internal, "a part of another client");
        // Hand-overs are for managers, also under a client that a rep holds.
        let made = seen::<handover::Entity>(&ann).await[0].id;
        let row = move |handover: HandoverId| handover_client::ActiveModel {
            handover_id: Set(handover),
            client_id: Set(other),
            to_user_id: Set(owner),
            ..Default::default()
        };
        for outcome in [
            ann.write(move |tx| async move {
                let client = tx.lock_client(other).await?;
                tx.part_under::<handover_client::Entity>(&client, vec![row(made)])
                    .map(drop)
            })
            .await,
            ann.write(move |tx| async move {
                let client = tx.lock_client(other).await?;
                tx.insert_with_parts::<handover_client::Entity>(&client, row(made), Vec::new())
                    .await
                    .map(drop)
            })
            .await,
        ] {
            assert_refused(outcome, Code::Forbidden, "a rep writes a hand-over");
        }
        assert_eq!(seen::<handover_client::Entity>(&ann).await.len(), 1);
    }
);
