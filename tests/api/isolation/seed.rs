//! The rows of one client of the scene: all of its subtree, each text marked.

use chrono::{Days, TimeDelta};
use entity::contact::{ContactPoint, ContactPoints, ContactRoles};
use entity::{
    AddressId, AddressKind, AssignmentKind, ClientId, ClientKind, ClientMemberId, ClientNature,
    ContactId, ContactPointKind, ContactRole, CustomKind, Gender, HandoverId, Lifecycle,
    MemberRole, MovementKind, NoteId, OrderEventId, OrderEventKind, OrderId, OrderLineId,
    OrderReturnId, OrderReturnLineId, OrderStatus, PartyClass, PaymentId, PaymentMethod,
    ServiceMode, StockMovementId, TierAssignmentId, address, client, client_member, client_stats,
    client_tag, contact, handover, handover_client, note, order, order_event, order_line,
    order_return, order_return_line, payment, stock_movement, tier_assignment,
};
use uuid::Uuid;

use super::world::{Owner, Scene, World, put};

/// The states that the orders of a client are in, one order each.
const STATUSES: [OrderStatus; 7] = [
    OrderStatus::Draft,
    OrderStatus::Submitted,
    OrderStatus::Approved,
    OrderStatus::Delivered,
    OrderStatus::Cancelled,
    OrderStatus::InProduction,
    OrderStatus::Shipped,
];

/// Whether the order of this number was paid in part.
fn is_paid(at: usize) -> bool {
    matches!(at, 2 | 3 | 5)
}

impl World {
    /// Puts in the client `id` with everything below it.
    pub async fn subtree(&mut self, id: ClientId, scene: &Scene<'_>) {
        let now = self.app.server().clock.now();
        // Of the first few, some are people; whoever comes later may have clients below it.
        let is_organization = self.clients.len() % 4 != 3 || self.clients.len() > 18;
        let text = |what: &str| self.marker(id, what);
        let some = |what: &str| Some(self.marker(id, what));
        let row = client::Model {
            id,
            external_id: some("external"),
            kind: if is_organization {
                ClientKind::Organization
            } else {
                ClientKind::Individual
            },
            name: text("name"),
            name_sort: text("name"),
            search_text: format!("\n{}\n", text("found")),
            owner_id: scene.owner.map(|owner| owner.id),
            parent_id: scene.parent.map(|number| self.client(number)),
            party_class: PartyClass::Distributor,
            lifecycle: Lifecycle::Customer,
            custom_kind: Some(CustomKind::Key),
            service_mode: Some(ServiceMode::Relationship),
            phone: some("phone"),
            fax: some("fax"),
            email: some("email@example.com"),
            website: some("website"),
            messaging_handle: some("messenger"),
            gender: (!is_organization).then_some(Gender::Other),
            birthday: (!is_organization).then_some(now.date_naive()),
            nature: is_organization.then_some(ClientNature::Private),
            industry: some("industry").filter(|_| is_organization),
            employee_count: is_organization.then_some(7),
            preferences: some("preferences"),
            buying_habits: some("habits"),
            currency: "EUR".to_owned(),
            credit_limit_minor: Some(100_000_000),
            payment_term_days: Some(14),
            since_on: Some(now.date_naive()),
            version: 1,
            created_at: now,
            updated_at: now,
            archived_at: Some(now).filter(|_| scene.is_archived),
        };
        put::<client::Entity>(&self.db, vec![row]).await;
        let tag = client_tag::Model {
            client_id: id,
            tag: text("tag"),
        };
        put::<client_tag::Entity>(&self.db, vec![tag]).await;
        let day = now.date_naive();
        let stats = client_stats::Model {
            client_id: id,
            order_count: 3,
            first_order_on: Some(day - Days::new(300)),
            last_order_on: Some(day - Days::new(10)),
            lifetime_revenue_minor: 10_000,
            trailing_revenue_minor: 9_000,
            trailing_margin_minor: Some(4_000),
            trailing_until_on: Some(day + Days::new(60)),
            receivable_minor: 5_000,
            cycle_days: Some(90),
            tier_id: Some(self.public.tier),
            updated_at: now,
        };
        put::<client_stats::Entity>(&self.db, vec![stats]).await;
        self.members(id, scene).await;
        self.card(id).await;
        self.orders(id).await;
        self.tiers(id).await;
        if let Some(from) = scene.taken_from {
            self.handed_over(id, scene, from.id).await;
        }
    }

    async fn members(&mut self, id: ClientId, scene: &Scene<'_>) {
        let now = self.app.server().clock.now();
        let mut members = Vec::new();
        for (at, (person, days)) in scene.shares.iter().enumerate() {
            members.push(client_member::Model {
                id: self.register(ClientMemberId(Uuid::now_v7()), Owner::Client(id)),
                client_id: id,
                user_id: person.id,
                role: (at > 0).then_some(MemberRole::Specialist),
                expires_at: days.map(|days| now + TimeDelta::days(days)),
                note: Some(self.marker(id, "member")),
                granted_by_id: self.team.top.id,
                version: 1,
                created_at: now,
                updated_at: now,
            });
        }
        if !members.is_empty() {
            put::<client_member::Entity>(&self.db, members).await;
        }
    }

    async fn card(&mut self, id: ClientId) {
        let now = self.app.server().clock.now();
        let tomorrow = now.date_naive() + Days::new(1);
        for is_archived in [false, true] {
            let archived_at = Some(now).filter(|_| is_archived);
            let address = address::Model {
                id: self.register(AddressId(Uuid::now_v7()), Owner::Client(id)),
                client_id: id,
                kind: AddressKind::Shipping,
                label: Some(self.marker(id, "label")),
                recipient: Some(self.marker(id, "recipient")),
                street: Some(self.marker(id, "street")),
                city: Some(self.marker(id, "city")),
                region: Some(self.marker(id, "region")),
                postal_code: Some(self.marker(id, "postal")),
                country: Some(self.marker(id, "country")),
                latitude_e7: Some(10_000_000),
                longitude_e7: Some(20_000_000),
                is_primary: !is_archived,
                version: 1,
                created_at: now,
                updated_at: now,
                archived_at,
            };
            put::<address::Entity>(&self.db, vec![address]).await;
            let note = note::Model {
                id: self.register(NoteId(Uuid::now_v7()), Owner::Client(id)),
                client_id: id,
                author_id: self.team.ann.id,
                body: self.marker(id, "body"),
                is_pinned: true,
                version: 1,
                created_at: now,
                updated_at: now,
                archived_at,
            };
            put::<note::Entity>(&self.db, vec![note]).await;
            let contact_id = ContactId(Uuid::now_v7());
            let contact = contact::Model {
                id: self.register(contact_id, Owner::Client(id)),
                external_id: Some(self.marker(id, if is_archived { "c2" } else { "c1" })),
                client_id: id,
                name: self.marker(id, "contact"),
                name_sort: self.marker(id, "contact"),
                search_text: format!("\n{}\n", self.marker(id, "contact")),
                title: Some(self.marker(id, "title")),
                department: Some(self.marker(id, "department")),
                is_key: true,
                roles: ContactRoles(vec![ContactRole::Decider]),
                gender: Some(Gender::Female),
                birthday: Some(tomorrow),
                points: ContactPoints(vec![ContactPoint {
                    kind: ContactPointKind::Wechat,
                    value: self.marker(id, "point"),
                    label: Some(self.marker(id, "pointlabel")),
                    is_preferred: true,
                }]),
                likes: Some(self.marker(id, "likes")),
                social_status: Some(self.marker(id, "social")),
                note: Some(self.marker(id, "contactnote")),
                version: 1,
                created_at: now,
                updated_at: now,
                archived_at,
            };
            put::<contact::Entity>(&self.db, vec![contact]).await;
        }
    }

    async fn orders(&mut self, id: ClientId) {
        let now = self.app.server().clock.now();
        let day = now.date_naive();
        let mut before = None;
        for (at, status) in STATUSES.into_iter().enumerate() {
            let order_id = self.register(OrderId(Uuid::now_v7()), Owner::Client(id));
            // The last repeats an order of the first client, whoever that belongs to.
            let reorder_of_id = if at + 1 == STATUSES.len() {
                let first = &self.kinds["order"][0].0;
                Some(first.parse().unwrap())
            } else {
                before
            };
            let order = order::Model {
                id: order_id,
                external_id: Some(self.marker(id, &format!("o{at}"))),
                number: self.marker(id, &format!("number-{at}")),
                client_id: id,
                placed_by_id: self.team.ann.id,
                status,
                currency: "EUR".to_owned(),
                placed_on: day - Days::new(40),
                required_on: Some(day - Days::new(20)),
                shipped_on: Some(day - Days::new(18)),
                delivered_on: Some(day - Days::new(16)),
                due_on: Some(day - Days::new(2)),
                payment_term_days: Some(14),
                lines_minor: 1_000,
                discount_bp: 0,
                discount_minor: 0,
                freight_minor: 50,
                total_minor: 1_050,
                paid_minor: if is_paid(at) { 100 } else { 0 },
                returned_minor: 10,
                cost_minor: Some(540),
                ship_to_name: Some(self.marker(id, "toname")),
                ship_to_street: Some(self.marker(id, "tostreet")),
                ship_to_city: Some(self.marker(id, "tocity")),
                ship_to_region: Some(self.marker(id, "toregion")),
                ship_to_postal_code: Some(self.marker(id, "topostal")),
                ship_to_country: Some(self.marker(id, "tocountry")),
                note: Some(self.marker(id, "ordernote")),
                reorder_of_id,
                approval_reason: Some("CREDIT_LIMIT".to_owned()),
                decided_by_id: Some(self.team.left.id),
                decided_at: Some(now),
                decision_note: Some(self.marker(id, "decision")),
                submitted_at: Some(now),
                cancelled_at: Some(now),
                version: 1,
                created_at: now,
                updated_at: now,
            };
            before = Some(order_id);
            put::<order::Entity>(&self.db, vec![order]).await;
            self.below_order(id, order_id, at).await;
        }
    }

    async fn below_order(&mut self, id: ClientId, order_id: OrderId, at: usize) {
        let now = self.app.server().clock.now();
        let owner = Owner::Client(id);
        let line = order_line::Model {
            id: self.register(OrderLineId(Uuid::now_v7()), owner),
            order_id,
            client_id: id,
            line_number: 1,
            product_id: self.public.product,
            product_name: self.marker(id, "productname"),
            sku: self.marker(id, "sku"),
            unit: self.marker(id, "unit"),
            quantity: 10,
            unit_price_minor: 100,
            unit_cost_minor: Some(60),
            discount_bp: 0,
            net_minor: 1_000,
            returned_quantity: 1,
        };
        let line_id = line.id;
        put::<order_line::Entity>(&self.db, vec![line]).await;
        let event = order_event::Model {
            id: self.register(OrderEventId(Uuid::now_v7()), owner),
            order_id,
            client_id: id,
            kind: OrderEventKind::Submitted,
            from_status: Some(OrderStatus::Draft),
            to_status: Some(OrderStatus::Submitted),
            user_id: Some(self.team.ann.id),
            note: Some(self.marker(id, "event")),
            occurred_at: now,
        };
        put::<order_event::Entity>(&self.db, vec![event]).await;
        // Lines of a draft can be replaced, so nothing may hold on to them.
        if at > 0 {
            let back = order_return::Model {
                id: self.register(OrderReturnId(Uuid::now_v7()), owner),
                order_id,
                client_id: id,
                reason: self.marker(id, "return"),
                amount_minor: 10,
                created_by_id: self.team.ann.id,
                created_at: now,
            };
            let order_return_id = back.id;
            put::<order_return::Entity>(&self.db, vec![back]).await;
            let back_line = order_return_line::Model {
                id: self.register(OrderReturnLineId(Uuid::now_v7()), owner),
                order_return_id,
                order_line_id: line_id,
                client_id: id,
                quantity: 1,
                amount_minor: 10,
            };
            put::<order_return_line::Entity>(&self.db, vec![back_line]).await;
        }
        let is_void = at == 1;
        if is_void || is_paid(at) {
            let payment = payment::Model {
                id: self.register(PaymentId(Uuid::now_v7()), owner),
                external_id: Some(self.marker(id, &format!("p{at}"))),
                client_id: id,
                order_id,
                amount_minor: 100,
                currency: "EUR".to_owned(),
                method: PaymentMethod::Cash,
                paid_on: now.date_naive(),
                reference: Some(self.marker(id, "reference")),
                note: Some(self.marker(id, "paymentnote")),
                recorded_by_id: self.team.ann.id,
                voided_at: Some(now).filter(|_| is_void),
                voided_by_id: Some(self.team.left.id).filter(|_| is_void),
                void_reason: Some(self.marker(id, "void")).filter(|_| is_void),
                version: 1,
                created_at: now,
                updated_at: now,
            };
            put::<payment::Entity>(&self.db, vec![payment]).await;
        }
        if self.is_quiet {
            return;
        }
        let movement = stock_movement::Model {
            id: self.register(StockMovementId(Uuid::now_v7()), Owner::Managers),
            product_id: self.public.product,
            kind: MovementKind::Shipment,
            on_hand_delta: 0,
            reserved_delta: -10,
            order_id: Some(order_id),
            user_id: Some(self.team.ann.id),
            note: Some("mk~ann-movement".to_owned()),
            occurred_at: now,
        };
        put::<stock_movement::Entity>(&self.db, vec![movement]).await;
    }

    async fn tiers(&mut self, id: ClientId) {
        let now = self.app.server().clock.now();
        for has_ended in [true, false] {
            let assignment = tier_assignment::Model {
                id: self.register(TierAssignmentId(Uuid::now_v7()), Owner::Client(id)),
                client_id: id,
                scheme_id: self.public.scheme,
                tier_id: if has_ended {
                    self.public.lower_tier
                } else {
                    self.public.tier
                },
                kind: AssignmentKind::Manual,
                reason: self.marker(id, "tier"),
                assigned_by_id: Some(self.team.left.id),
                assigned_at: now - TimeDelta::days(if has_ended { 20 } else { 10 }),
                expires_at: Some(now + TimeDelta::days(20)),
                ended_at: Some(now - TimeDelta::days(10)).filter(|_| has_ended),
                ended_reason: Some(self.marker(id, "ended")).filter(|_| has_ended),
            };
            put::<tier_assignment::Entity>(&self.db, vec![assignment]).await;
        }
    }

    async fn handed_over(&mut self, id: ClientId, scene: &Scene<'_>, from: entity::UserId) {
        let now = self.app.server().clock.now();
        let to = scene.owner.map_or(self.team.top.id, |owner| owner.id);
        let known = self.handovers.keys().next().copied();
        let handover_id = HandoverId(known.unwrap_or_else(Uuid::now_v7));
        self.handovers.entry(handover_id.0).or_default().push(id);
        if known.is_none() {
            self.register(handover_id, Owner::Handover(handover_id));
            let handover = handover::Model {
                id: handover_id,
                note: Some("Good luck".to_owned()),
                made_by_id: self.team.top.id,
                to_user_id: to,
                client_count: 2,
                created_at: now,
            };
            put::<handover::Entity>(&self.db, vec![handover]).await;
        }
        let part = handover_client::Model {
            handover_id,
            client_id: id,
            from_user_id: Some(from),
            to_user_id: to,
        };
        put::<handover_client::Entity>(&self.db, vec![part]).await;
    }
}
