//! A client with a row in every table of its subtree, and the people around it. Each row is first tried by
//! somebody who would not see it.

use entity::{
    AddressId, AddressKind, AssignmentKind, CategoryId, ClientMemberId, ContactId, DeviceId,
    HandoverId, MovementKind, NoteId, OrderEventId, OrderEventKind, OrderLineId, OrderReturnId,
    OrderReturnLineId, PaymentId, PaymentMethod, ServiceAccountId, ServiceKeyId, StockMovementId,
    SyncCollection, SyncIssueId, TierAssignmentId, TierId, TierSchemeId, UserIdentityId,
};

use super::*;

/// The people, as they ask, and what they own.
pub(super) struct Scene {
    system: Session,
    /// A rep with one client, in which every table has a row.
    pub(super) ann: Session,
    pub(super) ann_id: UserId,
    pub(super) anns: ClientId,
    pub(super) ben_id: UserId,
    /// Who is on the team of Ann's client for good.
    pub(super) member_id: UserId,
    /// The session of that member.
    pub(super) sharing: Session,
    /// The manager of Ann and Ben.
    pub(super) left: Session,
    pub(super) admin: Session,
    /// Who sees nothing of Ann's client: the rep at the next desk; a rep below Ann; the manager of
    /// others; a manager who keeps the pool; a rep whose share of it ran out, with another that holds; and
    /// the manager of that rep.
    pub(super) strangers: Vec<Session>,
}

/// A row, which a stranger cannot put there.
async fn put<E: Scoped>(system: &Session, stranger: &Session, row: E::ActiveModel) {
    let tried = row.clone();
    let outcome = stranger
        .write(move |tx| {
            let row = tried.clone();
            async move { tx.insert::<E>(row).await.map(drop) }
        })
        .await;
    assert_refused(
        outcome,
        Code::Forbidden,
        &format!("a stranger inserts into {}", table::<E>()),
    );
    insert::<E>(system, row).await;
}

async fn insert<E: Scoped>(system: &Session, row: E::ActiveModel) {
    system
        .write(move |tx| {
            let row = row.clone();
            async move { tx.insert::<E>(row).await.map(drop) }
        })
        .await
        .unwrap();
}

pub(super) fn share(
    system: &Session,
    client: ClientId,
    with: UserId,
    by: UserId,
    days: Option<i64>,
) -> client_member::ActiveModel {
    client_member::ActiveModel {
        id: Set(ClientMemberId(Uuid::now_v7())),
        client_id: Set(client),
        user_id: Set(with),
        granted_by_id: Set(by),
        expires_at: Set(days.map(|days| system.now() + TimeDelta::days(days))),
        version: Set(1),
        created_at: Set(system.now()),
        updated_at: Set(system.now()),
        ..Default::default()
    }
}

pub(super) async fn keep_the_pool(ground: &Ground, keeper: UserId) {
    ground
        .system()
        .write(move |tx| async move {
            let row = tx.select::<user::Entity>().id(keeper).get().await?;
            let change = user::ActiveModel {
                is_pool_keeper: Set(true),
                ..Default::default()
            };
            tx.update::<user::Entity>(&row, None, change)
                .await
                .map(drop)
        })
        .await
        .unwrap();
}

impl Scene {
    pub(super) async fn build(ground: &Ground) -> Self {
        let system = ground.system();
        let top = user(&system, UserRole::Manager, None).await;
        let left = user(&system, UserRole::Manager, Some(top)).await;
        let right = user(&system, UserRole::Manager, Some(top)).await;
        let above_dora = user(&system, UserRole::Manager, Some(top)).await;
        let keeper = user(&system, UserRole::Manager, Some(top)).await;
        let admin = user(&system, UserRole::Admin, None).await;
        let ann = user(&system, UserRole::Rep, Some(left)).await;
        let ben = user(&system, UserRole::Rep, Some(left)).await;
        let trainee = user(&system, UserRole::Rep, Some(ann)).await;
        let dora = user(&system, UserRole::Rep, Some(above_dora)).await;
        let member = user(&system, UserRole::Rep, None).await;
        keep_the_pool(ground, keeper).await;
        let stranger = session(ground, ben).await;
        let anns = fill(&system, &stranger, ann, member).await;
        let expired = share(&system, anns, dora, ann, Some(-1));
        insert::<client_member::Entity>(&system, expired).await;
        // Another client, of which Dora sees something.
        let other = client(&system, Some(right)).await;
        let holds = share(&system, other, dora, right, Some(1));
        insert::<client_member::Entity>(&system, holds).await;
        client(&system, None).await;
        let mut strangers = Vec::new();
        for who in [ben, trainee, right, keeper, dora, above_dora] {
            strangers.push(session(ground, who).await);
        }
        Self {
            ann: session(ground, ann).await,
            ann_id: ann,
            anns,
            ben_id: ben,
            member_id: member,
            sharing: session(ground, member).await,
            left: session(ground, left).await,
            admin: session(ground, admin).await,
            strangers,
            system,
        }
    }

    pub(super) async fn owner_of(&self, client: ClientId) -> Option<UserId> {
        let row = self
            .system
            .select::<client::Entity>()
            .id(client)
            .get()
            .await;
        row.unwrap().owner_id
    }
}

/// A client of `owner`, and of the team `member`, with a row in every table.
async fn fill(system: &Session, stranger: &Session, owner: UserId, member: UserId) -> ClientId {
    let now = system.now();
    let today = now.date_naive();
    let id = ClientId(Uuid::now_v7());
    let row = system
        .write(move |tx| async move { Ok(client_row(&tx, id, Some(owner))) })
        .await
        .unwrap();
    // A currency that nobody else has tells whose sums these are.
    let row = client::ActiveModel {
        currency: Set("CHF".to_owned()),
        ..row
    };
    put::<client::Entity>(system, stranger, row).await;
    let product = product(system, 9, false).await;
    let (scheme, tier_id) = catalogue(system, stranger, product).await;
    let tag = client_tag::ActiveModel {
        client_id: Set(id),
        tag: Set("red".to_owned()),
    };
    put::<client_tag::Entity>(system, stranger, tag).await;
    let stats = client_stats::ActiveModel {
        client_id: Set(id),
        order_count: Set(0),
        lifetime_revenue_minor: Set(0),
        trailing_revenue_minor: Set(0),
        receivable_minor: Set(0),
        updated_at: Set(now),
        ..Default::default()
    };
    put::<client_stats::Entity>(system, stranger, stats).await;
    let sharing = share(system, id, member, owner, None);
    put::<client_member::Entity>(system, stranger, sharing).await;
    let row = address::ActiveModel {
        id: Set(AddressId(Uuid::now_v7())),
        client_id: Set(id),
        kind: Set(AddressKind::Office),
        is_primary: Set(true),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    put::<address::Entity>(system, stranger, row).await;
    let row = note::ActiveModel {
        id: Set(NoteId(Uuid::now_v7())),
        client_id: Set(id),
        author_id: Set(owner),
        body: Set("private".to_owned()),
        is_pinned: Set(false),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    put::<note::Entity>(system, stranger, row).await;
    let row = contact::ActiveModel {
        id: Set(ContactId(Uuid::now_v7())),
        client_id: Set(id),
        name: Set("Somebody".to_owned()),
        name_sort: Set("somebody".to_owned()),
        search_text: Set("somebody".to_owned()),
        is_key: Set(false),
        roles: Set(contact::ContactRoles(Vec::new())),
        points: Set(contact::ContactPoints(Vec::new())),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    put::<contact::Entity>(system, stranger, row).await;
    let row = tier_assignment::ActiveModel {
        id: Set(TierAssignmentId(Uuid::now_v7())),
        client_id: Set(id),
        scheme_id: Set(scheme),
        tier_id: Set(tier_id),
        kind: Set(AssignmentKind::Manual),
        reason: Set("seen".to_owned()),
        assigned_at: Set(now),
        ..Default::default()
    };
    put::<tier_assignment::Entity>(system, stranger, row).await;
    trade(system, stranger, id, owner, product, today).await;
    let made = HandoverId(Uuid::now_v7());
    let row = handover::ActiveModel {
        id: Set(made),
        made_by_id: Set(owner),
        to_user_id: Set(owner),
        client_count: Set(1),
        created_at: Set(now),
        ..Default::default()
    };
    put::<handover::Entity>(system, stranger, row).await;
    let row = handover_client::ActiveModel {
        handover_id: Set(made),
        client_id: Set(id),
        to_user_id: Set(owner),
        ..Default::default()
    };
    put::<handover_client::Entity>(system, stranger, row).await;
    entry(system, stranger, owner).await;
    id
}

/// A program that acts as `user`, with a key, and who they are elsewhere.
async fn entry(system: &Session, stranger: &Session, user: UserId) {
    let now = system.now();
    let account = ServiceAccountId(Uuid::now_v7());
    let row = service_account::ActiveModel {
        id: Set(account),
        name: Set("robot".to_owned()),
        user_id: Set(user),
        scopes: Set("READ".to_owned()),
        created_at: Set(now),
        ..Default::default()
    };
    put::<service_account::Entity>(system, stranger, row).await;
    let row = service_key::ActiveModel {
        id: Set(ServiceKeyId(Uuid::now_v7())),
        account_id: Set(account),
        secret_hash: Set(vec![0; 32]),
        created_at: Set(now),
        expires_at: Set(now + TimeDelta::days(1)),
        ..Default::default()
    };
    put::<service_key::Entity>(system, stranger, row).await;
    let row = user_identity::ActiveModel {
        id: Set(UserIdentityId(Uuid::now_v7())),
        user_id: Set(user),
        issuer: Set("https://id.example.com".to_owned()),
        subject: Set("somebody".to_owned()),
        created_at: Set(now),
    };
    put::<user_identity::Entity>(system, stranger, row).await;
    let device = DeviceId(Uuid::now_v7());
    let row = sync_device::ActiveModel {
        id: Set(device),
        user_id: Set(user),
        name: Set("a phone".to_owned()),
        created_at: Set(now),
        last_seen_at: Set(now),
        acked_seq: Set(0),
        forgotten_op_seq: Set(0),
        schema_version: Set(1),
        ..Default::default()
    };
    put::<sync_device::Entity>(system, stranger, row).await;
    let row = sync_issue::ActiveModel {
        id: Set(SyncIssueId(Uuid::now_v7())),
        user_id: Set(user),
        device_id: Set(Some(device)),
        collection: Set(SyncCollection::Notes),
        row_id: Set(Uuid::now_v7()),
        code: Set("STALE_FIELDS".to_owned()),
        message: Set("changed meanwhile".to_owned()),
        payload: Set(serde_json::json!({})),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    put::<sync_issue::Entity>(system, stranger, row).await;
}

/// What everybody sees.
async fn catalogue(
    system: &Session,
    stranger: &Session,
    product: ProductId,
) -> (TierSchemeId, TierId) {
    let now = system.now();
    let (scheme, tier_id) = (TierSchemeId(Uuid::now_v7()), TierId(Uuid::now_v7()));
    let row = product_category::ActiveModel {
        id: Set(CategoryId(Uuid::now_v7())),
        name: Set("goods".to_owned()),
        name_sort: Set("goods".to_owned()),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    put::<product_category::Entity>(system, stranger, row).await;
    let row = tier_scheme::ActiveModel {
        id: Set(scheme),
        name: Set("stars".to_owned()),
        is_default: Set(true),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    put::<tier_scheme::Entity>(system, stranger, row).await;
    let row = tier::ActiveModel {
        id: Set(tier_id),
        scheme_id: Set(scheme),
        code: Set("A".to_owned()),
        name: Set("A".to_owned()),
        rank: Set(1),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    put::<tier::Entity>(system, stranger, row).await;
    let row = stock_movement::ActiveModel {
        id: Set(StockMovementId(Uuid::now_v7())),
        product_id: Set(product),
        kind: Set(MovementKind::Receipt),
        on_hand_delta: Set(1),
        reserved_delta: Set(0),
        occurred_at: Set(now),
        ..Default::default()
    };
    put::<stock_movement::Entity>(system, stranger, row).await;
    (scheme, tier_id)
}

/// An order with all that belongs to it.
async fn trade(
    system: &Session,
    stranger: &Session,
    client: ClientId,
    owner: UserId,
    product: ProductId,
    today: NaiveDate,
) {
    let now = system.now();
    let row = system
        .write(move |tx| async move {
            Ok(order_row(
                &tx,
                client,
                owner,
                OrderStatus::Delivered,
                today,
                100,
            ))
        })
        .await
        .unwrap();
    let order = row.id.clone().unwrap();
    put::<order::Entity>(system, stranger, row).await;
    let line = OrderLineId(Uuid::now_v7());
    let row = order_line::ActiveModel {
        id: Set(line),
        order_id: Set(order),
        client_id: Set(client),
        line_number: Set(1),
        product_id: Set(product),
        product_name: Set("A thing".to_owned()),
        sku: Set("T".to_owned()),
        unit: Set("box".to_owned()),
        quantity: Set(2),
        unit_price_minor: Set(50),
        unit_cost_minor: Set(None),
        discount_bp: Set(0),
        net_minor: Set(100),
        returned_quantity: Set(1),
    };
    put::<order_line::Entity>(system, stranger, row).await;
    let row = order_event::ActiveModel {
        id: Set(OrderEventId(Uuid::now_v7())),
        order_id: Set(order),
        client_id: Set(client),
        kind: Set(OrderEventKind::Created),
        occurred_at: Set(now),
        ..Default::default()
    };
    put::<order_event::Entity>(system, stranger, row).await;
    let back = OrderReturnId(Uuid::now_v7());
    let row = order_return::ActiveModel {
        id: Set(back),
        order_id: Set(order),
        client_id: Set(client),
        reason: Set("broken".to_owned()),
        amount_minor: Set(50),
        created_by_id: Set(owner),
        created_at: Set(now),
    };
    put::<order_return::Entity>(system, stranger, row).await;
    let row = order_return_line::ActiveModel {
        id: Set(OrderReturnLineId(Uuid::now_v7())),
        order_return_id: Set(back),
        order_line_id: Set(line),
        client_id: Set(client),
        quantity: Set(1),
        amount_minor: Set(50),
    };
    put::<order_return_line::Entity>(system, stranger, row).await;
    let row = payment::ActiveModel {
        id: Set(PaymentId(Uuid::now_v7())),
        client_id: Set(client),
        order_id: Set(order),
        amount_minor: Set(10),
        currency: Set("EUR".to_owned()),
        method: Set(PaymentMethod::Cash),
        paid_on: Set(today),
        recorded_by_id: Set(owner),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    put::<payment::Entity>(system, stranger, row).await;
}
