//! Closed lists. Each is written once: the database keeps the value's name as text, GraphQL shows the same
//! name with the comment as its description, and serde writes it too.

use sea_orm::sea_query::StringLen;

/// Declares closed lists whose values are `SCREAMING_SNAKE_CASE` in the database, in GraphQL and in JSON.
macro_rules! closed_lists {
    ($(
        $(#[$doc:meta])+
        $name:ident {
            $(#[$first_doc:meta])+ $first:ident,
            $($(#[$value_doc:meta])+ $value:ident,)*
        }
    )+) => {$(
        $(#[$doc])+
        #[derive(
            Clone,
            Copy,
            Debug,
            PartialEq,
            Eq,
            Hash,
            ::sea_orm::EnumIter,
            ::sea_orm::DeriveActiveEnum,
            ::async_graphql::Enum,
            ::serde::Serialize,
            ::serde::Deserialize,
        )]
        #[sea_orm(
            rs_type = "String",
            db_type = "String(StringLen::N(32))",
            rename_all = "SCREAMING_SNAKE_CASE"
        )]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum $name {
            $(#[$first_doc])+ $first,
            $($(#[$value_doc])+ $value,)*
        }

        crate::row::cells! { $name: Self::$first; }
    )+};
}

closed_lists! {
    /// What a user may do.
    UserRole {
        /// Sees and serves the clients they own or are on the team of.
        Rep,
        /// Sees the clients of everyone below them in the tree of users, at any depth.
        Manager,
        /// Sees every client, and keeps users, products and tiers.
        Admin,
    }

    /// What a program may do with the key of a service account. It never may more than the user it acts as.
    ServiceScope {
        /// Read what the user sees; every account may.
        Read,
        /// Record and change clients, their contacts, addresses, notes and tiers.
        WriteClients,
        /// Share clients, keep their teams, and hand them over.
        WriteSharing,
        /// Record and change orders, returns and payments.
        WriteOrders,
        /// Keep products, categories, stock and tier schemes.
        WriteCatalogue,
        /// Keep users and settings of the company.
        Admin,
    }

    /// A language that messages are written in.
    Locale {
        /// English.
        En,
        /// Simplified Chinese.
        ZhCn,
    }

    /// Whether a client is a person or an organization.
    ClientKind {
        /// One person who buys for themselves.
        Individual,
        /// A company, office or other body that buys.
        Organization,
    }

    /// The part a client plays between the product and those who use it.
    PartyClass {
        /// Uses what they buy.
        EndCustomer,
        /// Sells on what they buy.
        Distributor,
        /// Works with us to win or serve other clients.
        Partner,
    }

    /// How far the relationship with a client has come.
    Lifecycle {
        /// Known by name only.
        Stranger,
        /// Fits what we sell; nothing was discussed yet.
        Prospect,
        /// In talks; has not ordered yet.
        Possible,
        /// Has ordered.
        Customer,
        /// Orders again and again, and speaks well of us.
        Lifelong,
        /// No longer buys from us.
        Lost,
    }

    /// How regular a client's custom is.
    CustomKind {
        /// Comes back regularly.
        Fixed,
        /// Comes by chance.
        WalkIn,
        /// Matters so much that they are served with special care.
        Key,
    }

    /// How a client wants to be served.
    ServiceMode {
        /// Buys on trust and wants one person who knows them.
        Relationship,
        /// Buys on price and terms, order by order.
        Transaction,
        /// Served across borders.
        International,
    }

    /// A person's gender as they gave it.
    Gender {
        /// Female.
        Female,
        /// Male.
        Male,
        /// Neither of the two.
        Other,
    }

    /// Who owns or runs an organization.
    ClientNature {
        /// Privately owned.
        Private,
        /// Owned by the state.
        StateOwned,
        /// An office of a party or a government.
        PartyGovernment,
        /// Owned from abroad.
        Foreign,
        /// Not run for profit.
        NonProfit,
        /// None of the others.
        Other,
    }

    /// The part a user plays on a client's team.
    MemberRole {
        /// Answers for the client beside the owner.
        Owner,
        /// Works at the client's site.
        Resident,
        /// The counterpart of the client's people within our own firm.
        InsideCounterpart,
        /// Looks after the relationship as a whole.
        RelationshipManager,
        /// A senior person who stands for the firm towards the client.
        ExecutiveSponsor,
        /// Brings special knowledge.
        Specialist,
    }

    /// What an address is used for.
    AddressKind {
        /// An office.
        Office,
        /// Where invoices go.
        Billing,
        /// Where goods go.
        Shipping,
        /// A warehouse.
        Warehouse,
        /// A shop.
        Shop,
        /// A home.
        Home,
        /// None of the others.
        Other,
    }

    /// The part a contact plays in a purchase.
    ContactRole {
        /// Decides whether to buy.
        Decider,
        /// Signs off on what was decided.
        Approver,
        /// Sways those who decide.
        Influencer,
        /// Speaks for us.
        Recommender,
        /// Uses what was bought.
        User,
        /// Controls who gets through to the others.
        Gatekeeper,
    }

    /// A way to reach a contact.
    ContactPointKind {
        /// A mobile telephone number.
        Mobile,
        /// A fixed telephone number.
        Phone,
        /// A fax number.
        Fax,
        /// An email address.
        Email,
        /// A `WeChat` id.
        Wechat,
        /// A `WhatsApp` number.
        Whatsapp,
        /// A QQ number.
        Qq,
        /// A LINE id.
        Line,
        /// A Telegram name or number.
        Telegram,
        /// None of the others.
        Other,
    }

    /// Why stock changed.
    MovementKind {
        /// Goods came in.
        Receipt,
        /// A count was corrected.
        Adjustment,
        /// Promised goods went out.
        Shipment,
        /// Sold goods came back.
        Return,
    }

    /// Where an order stands.
    OrderStatus {
        /// Being written; binds nobody and holds no stock.
        Draft,
        /// Placed; waits for approval.
        Submitted,
        /// Accepted; stock is reserved.
        Approved,
        /// Being made or picked.
        InProduction,
        /// On its way to the client.
        Shipped,
        /// Received by the client.
        Delivered,
        /// Called off before it was shipped.
        Cancelled,
        /// Everything came back.
        Returned,
    }

    /// Why an order waits for approval.
    ApprovalReason {
        /// With it the client would owe more than its credit limit.
        CreditLimit,
        /// A rep gave more discount than reps may give alone.
        Discount,
    }

    /// What happened to an order.
    OrderEventKind {
        /// It was created.
        Created,
        /// Its lines or terms were changed.
        Changed,
        /// It was submitted.
        Submitted,
        /// It was approved.
        Approved,
        /// Its approval was refused.
        Refused,
        /// Its production began.
        InProduction,
        /// It was shipped.
        Shipped,
        /// It was delivered.
        Delivered,
        /// It was cancelled.
        Cancelled,
        /// Some or all of its goods came back.
        Returned,
        /// News of the shipment on its way.
        Tracking,
        /// A payment was recorded or voided.
        Payment,
    }

    /// How money was paid.
    PaymentMethod {
        /// Notes and coins.
        Cash,
        /// A transfer between bank accounts.
        BankTransfer,
        /// A debit or credit card.
        Card,
        /// A cheque.
        Cheque,
        /// A mobile wallet.
        Mobile,
        /// None of the others.
        Other,
    }

    /// How a client came to a tier.
    AssignmentKind {
        /// By the scheme's rules.
        Computed,
        /// By a user, where no rule decided.
        Manual,
        /// By a user, against what the rules say, until it expires.
        Override,
        /// From an import.
        Imported,
    }

    /// What became of an operation that a device sent.
    OpStatus {
        /// It was done as it was sent.
        Applied,
        /// It was done, beside what others changed meanwhile.
        Merged,
        /// It was done before.
        Duplicate,
        /// The row says something else by now, or is out of sight.
        Conflict,
        /// It is not allowed, and never will be as it is.
        Rejected,
        /// It waits for what it depends on.
        Deferred,
        /// It could not be done just now.
        Retry,
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::resolver_utils::EnumType;
    use sea_orm::{ActiveEnum, Iterable};

    use super::*;

    /// Asserts that the database, GraphQL and JSON name each value the same.
    fn assert_one_name<E>()
    where
        E: ActiveEnum<Value = String> + Iterable + EnumType + serde::Serialize,
    {
        for item in E::items() {
            assert_eq!(item.value.to_value(), item.name);
            assert_eq!(
                serde_json::to_value(item.value).unwrap(),
                serde_json::Value::from(item.name)
            );
            assert!(item.name.len() <= 32);
        }
    }

    #[test]
    fn a_value_has_one_name_everywhere() {
        assert_one_name::<UserRole>();
        assert_one_name::<Locale>();
        assert_one_name::<ClientKind>();
        assert_one_name::<PartyClass>();
        assert_one_name::<Lifecycle>();
        assert_one_name::<CustomKind>();
        assert_one_name::<ServiceMode>();
        assert_one_name::<Gender>();
        assert_one_name::<ClientNature>();
        assert_one_name::<MemberRole>();
        assert_one_name::<AddressKind>();
        assert_one_name::<ContactRole>();
        assert_one_name::<ContactPointKind>();
        assert_one_name::<MovementKind>();
        assert_one_name::<OrderStatus>();
        assert_one_name::<ApprovalReason>();
        assert_one_name::<OrderEventKind>();
        assert_one_name::<PaymentMethod>();
        assert_one_name::<AssignmentKind>();
        assert_one_name::<OpStatus>();
        assert_eq!(Locale::ZhCn.to_value(), "ZH_CN");
    }
}
