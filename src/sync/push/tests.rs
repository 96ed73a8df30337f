//! Pushes: order, repetitions, dependencies, and what an edit does to a row.

use super::super::Protocol;
use super::super::merge::Policy;
use super::super::terms::Collection;
use super::*;

const LIST: &[Field] = &[
    Field {
        name: "name",
        policy: Policy::ServerWins,
    },
    Field {
        name: "phone",
        policy: Policy::ServerWins,
    },
];

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn row(number: u128) -> RowKey {
    RowKey {
        collection: Collection::new(0).unwrap(),
        id: id(number),
    }
}

fn head(number: u128) -> Head {
    Head {
        id: id(number),
        seq: u64::try_from(number).unwrap(),
        row: row(1),
        base_version: Some(5),
        depends_on: Vec::new(),
        hash: [1; 32],
    }
}

fn recorded(status: Status) -> Recorded {
    Recorded {
        hash: [1; 32],
        status,
        version: Some(6),
        seq: Seq::new(40).unwrap(),
    }
}

fn admit(batch: &Batch<'_, Protocol>, head: &Head, recorded: Option<&Recorded>) -> Admission {
    let answered = BTreeMap::new();
    batch.admit(
        head,
        Memory {
            recorded,
            forgotten: 3,
            answered: &answered,
        },
    )
}

fn answered(status: Status) -> Admission {
    Admission::Answered {
        status,
        version: None,
        seq: None,
    }
}

fn name(text: &str) -> Fields {
    Fields::from([("name", Value::Text(text.to_owned()))])
}

fn document(name: &str, phone: &str) -> Fields {
    Fields::from([
        ("name", Value::Text(name.to_owned())),
        ("phone", Value::Text(phone.to_owned())),
    ])
}

#[test]
fn operations_happen_in_the_order_of_their_device() {
    let heads = [head(7), head(5), head(6), head(5)];
    assert_eq!(in_order(&heads), [1, 3, 2, 0]);
    assert_eq!(in_order(&[]), Vec::<usize>::new());
}

#[test]
fn what_was_done_is_answered_from_the_ledger() {
    let batch = Batch::new(&Protocol, &[]);
    let of = |status| match admit(&batch, &head(9), Some(&recorded(status))) {
        Admission::Answered {
            status, version, ..
        } => (status, version),
        other => panic!("{other:?}"),
    };
    assert_eq!(of(Status::Applied), (Status::Duplicate, Some(6)));
    // Without a version: what was merged must not be stood on.
    assert_eq!(of(Status::Merged), (Status::Duplicate, None));
    assert_eq!(of(Status::Conflict), (Status::Conflict, None));
    assert_eq!(of(Status::Rejected), (Status::Rejected, None));
    assert_eq!(of(Status::Deferred), (Status::Deferred, None));
}

#[test]
fn an_id_used_for_something_else_is_refused() {
    let batch = Batch::new(&Protocol, &[]);
    let other = Recorded {
        hash: [2; 32],
        ..recorded(Status::Applied)
    };
    let admission = admit(&batch, &head(9), Some(&other));
    assert_eq!(admission, Admission::Refused(Refusal::IdempotencyMismatch));
}

#[test]
fn what_the_ledger_forgot_counts_as_done() {
    let batch = Batch::new(&Protocol, &[]);
    assert_eq!(admit(&batch, &head(3), None), answered(Status::Duplicate));
    assert!(matches!(
        admit(&batch, &head(4), None),
        Admission::Do { .. }
    ));
}

#[test]
fn an_operation_to_be_tried_again_holds_back_the_rest() {
    let mut batch = Batch::new(&Protocol, &[]);
    batch.settle(&head(8), Status::Retry, None);
    assert_eq!(admit(&batch, &head(9), None), answered(Status::Retry));
}

#[test]
fn an_operation_goes_the_way_of_what_it_depends_on() {
    let dependent = |on: &[u128]| Head {
        depends_on: on.iter().copied().map(id).collect(),
        ..head(9)
    };
    let with = |statuses: &[(u128, Status)], on: &[u128]| {
        let mut batch = Batch::new(&Protocol, &[dependent(on), head(20)]);
        for (number, status) in statuses {
            batch.settle(&head(*number), *status, None);
        }
        admit(&batch, &dependent(on), None)
    };
    let done = Admission::Do {
        base_version: Some(5),
    };
    assert_eq!(with(&[(4, Status::Applied)], &[4]), done);
    assert_eq!(with(&[(4, Status::Merged)], &[4]), done);
    assert_eq!(with(&[(4, Status::Duplicate)], &[4]), done);
    let failed = Admission::Refused(Refusal::DependencyFailed);
    assert_eq!(with(&[(4, Status::Conflict)], &[4]), failed);
    assert_eq!(with(&[(4, Status::Rejected)], &[4]), failed);
    assert_eq!(
        with(&[(4, Status::Deferred)], &[4]),
        answered(Status::Deferred)
    );
    // Not here yet.
    assert_eq!(with(&[], &[77]), answered(Status::Deferred));
    // The gravest counts.
    let both = [(4, Status::Deferred), (5, Status::Rejected)];
    assert_eq!(with(&both, &[4, 5, 77]), failed);
    let after = Admission::Refused(Refusal::DependencyAfter);
    assert_eq!(with(&[], &[20]), after);
    assert_eq!(with(&[], &[9]), after);
}

#[test]
fn a_dependency_of_an_earlier_request_is_looked_up() {
    let batch = Batch::new(&Protocol, &[]);
    let dependent = Head {
        depends_on: vec![id(4)],
        ..head(9)
    };
    let known = BTreeMap::from([(id(4), Status::Rejected)]);
    let memory = Memory {
        recorded: None,
        forgotten: 0,
        answered: &known,
    };
    assert_eq!(
        batch.admit(&dependent, memory),
        Admission::Refused(Refusal::DependencyFailed)
    );
}

#[test]
fn operations_queued_on_one_version_stand_on_each_other() {
    let mut batch = Batch::new(&Protocol, &[]);
    let based = |batch: &Batch<'_, Protocol>, version| {
        let head = Head {
            base_version: version,
            ..head(9)
        };
        match admit(batch, &head, None) {
            Admission::Do { base_version } => base_version,
            other => panic!("{other:?}"),
        }
    };
    batch.settle(&head(4), Status::Applied, Some(6));
    assert_eq!(based(&batch, Some(5)), Some(6));
    assert_eq!(based(&batch, Some(4)), Some(4));
    batch.settle(&head(5), Status::Duplicate, Some(7));
    assert_eq!(based(&batch, Some(5)), Some(7));
    // What was merged is not stood on.
    batch.settle(&head(6), Status::Merged, Some(9));
    assert_eq!(based(&batch, Some(5)), Some(7));
}

#[test]
fn a_hash_covers_what_an_operation_means() {
    let hash = |kind, number, patch: &Fields, version| {
        request_hash(&Protocol, kind, row(number), patch, version)
    };
    let (a, b, none) = (name("a"), name("b"), Fields::new());
    let one = hash(OpKind::Update, 1, &a, Some(5));
    assert_eq!(one, hash(OpKind::Update, 1, &a, Some(6)));
    for other in [
        hash(OpKind::Create, 1, &a, Some(5)),
        hash(OpKind::Update, 2, &a, Some(5)),
        hash(OpKind::Update, 1, &b, Some(5)),
        hash(OpKind::Update, 1, &none, Some(5)),
    ] {
        assert_ne!(one, other);
    }
    // No two contents share a writing, however their parts are cut.
    let list = |values: &[Value]| Fields::from([("name", Value::List(values.to_vec()))]);
    let text = |text: &str| Value::Text(text.to_owned());
    let written = |fields: &Fields| hash(OpKind::Create, 1, fields, None);
    assert_ne!(
        written(&list(&[text("ab"), text("c")])),
        written(&list(&[text("a"), text("bc")]))
    );
    assert_ne!(
        written(&list(&[Value::List(vec![Value::Null]), Value::Null])),
        written(&list(&[Value::List(vec![Value::Null, Value::Null])]))
    );
    assert_ne!(
        written(&list(&[Value::Number(1)])),
        written(&list(&[Value::Flag(true)]))
    );
}

#[test]
fn all_or_nothing_is_undone_by_conflicts_but_not_by_refusals() {
    for (status, undoes) in [
        (Status::Applied, false),
        (Status::Merged, false),
        (Status::Duplicate, false),
        (Status::Conflict, true),
        (Status::Rejected, false),
        (Status::Deferred, false),
        (Status::Retry, true),
    ] {
        assert_eq!(undoes_batch(status), undoes, "{status:?}");
    }
}

#[test]
fn what_an_undone_batch_brought_about_no_longer_holds() {
    for (status, anew, at_fault, before) in [
        (Status::Applied, true, true, true),
        (Status::Merged, true, true, true),
        (Status::Deferred, true, true, true),
        (Status::Duplicate, true, true, false),
        (Status::Rejected, true, false, false),
        (Status::Conflict, false, false, false),
        (Status::Retry, false, false, false),
    ] {
        assert_eq!(is_undone(status, false, false), anew, "{status:?}");
        assert_eq!(is_undone(status, false, true), at_fault, "{status:?}");
        assert_eq!(is_undone(status, true, false), before, "{status:?}");
    }
}

fn judged(kind: OpKind, base_version: i64, parent: Option<Parent>, now: RowNow<'_>) -> Verdict {
    let (patch, seen) = (name("Apex"), name("Acme"));
    let deed = Deed {
        kind,
        base_version: Some(base_version),
        patch: &patch,
        seen: &seen,
        parent,
    };
    judge(&Protocol, LIST, &deed, now)
}

fn conflict(reason: ConflictReason) -> Verdict {
    Verdict::Conflict(reason, Vec::new())
}

#[test]
fn a_new_row_goes_under_what_the_user_sees() {
    let of = |parent| judged(OpKind::Create, 0, parent, RowNow::Absent);
    assert_eq!(of(Some(Parent::Visible)), Verdict::Create);
    assert_eq!(of(Some(Parent::Lost)), conflict(ConflictReason::NotVisible));
    assert_eq!(of(Some(Parent::Unknown)), Verdict::Defer);
    assert_eq!(of(None), Verdict::Defer);
}

#[test]
fn an_id_is_taken_by_whatever_row_has_it() {
    let fields = document("Acme", "1");
    let same = name("Apex");
    let of = |now| judged(OpKind::Create, 0, Some(Parent::Visible), now);
    let seen = |fields| RowNow::Visible { version: 3, fields };
    let taken = conflict(ConflictReason::AlreadyExists);
    assert_eq!(of(RowNow::Hidden), taken);
    assert_eq!(of(RowNow::Deleted), taken);
    assert_eq!(of(seen(&fields)), taken);
    assert_eq!(of(seen(&same)), taken);
}

#[test]
fn what_is_not_seen_is_not_there() {
    for kind in [OpKind::Update, OpKind::Delete] {
        let not_visible = conflict(ConflictReason::NotVisible);
        assert_eq!(judged(kind, 5, None, RowNow::Hidden), not_visible);
        assert_eq!(judged(kind, 5, None, RowNow::Absent), not_visible);
    }
}

#[test]
fn what_is_deleted_stays_deleted() {
    assert_eq!(
        judged(OpKind::Update, 5, None, RowNow::Deleted),
        conflict(ConflictReason::Deleted)
    );
    assert_eq!(
        judged(OpKind::Delete, 5, None, RowNow::Deleted),
        Verdict::AlreadySo(Status::Merged)
    );
}

#[test]
fn a_row_is_deleted_as_it_was_seen_or_not_at_all() {
    let fields = document("Acme", "1");
    let of = |version| {
        let now = RowNow::Visible {
            version,
            fields: &fields,
        };
        judged(OpKind::Delete, 5, None, now)
    };
    assert_eq!(of(5), Verdict::Delete);
    assert_eq!(of(6), conflict(ConflictReason::StaleFields));
}

#[test]
fn an_edit_says_whether_it_was_made_on_the_row_as_it_is() {
    let of = |version, fields: &Fields| {
        let now = RowNow::Visible { version, fields };
        judged(OpKind::Update, 5, None, now)
    };
    assert_eq!(
        of(5, &document("Acme", "1")),
        Verdict::Change(name("Apex"), Status::Applied)
    );
    assert_eq!(
        of(6, &document("Acme", "2")),
        Verdict::Change(name("Apex"), Status::Merged)
    );
    assert_eq!(
        of(6, &document("Arch", "1")),
        Verdict::Conflict(ConflictReason::StaleFields, vec!["name"])
    );
    assert_eq!(
        of(5, &document("Apex", "1")),
        Verdict::AlreadySo(Status::Applied)
    );
    assert_eq!(
        of(6, &document("Apex", "1")),
        Verdict::AlreadySo(Status::Merged)
    );
}

#[test]
fn a_row_moves_only_under_what_the_user_sees() {
    let fields = document("Acme", "1");
    let of = |parent| {
        let now = RowNow::Visible {
            version: 5,
            fields: &fields,
        };
        judged(OpKind::Update, 5, Some(parent), now)
    };
    assert!(matches!(of(Parent::Visible), Verdict::Change(..)));
    assert_eq!(of(Parent::Lost), conflict(ConflictReason::NotVisible));
    assert_eq!(of(Parent::Unknown), Verdict::Defer);
}

/// What becomes of a row that RxDB pushed under a parent that the user sees.
fn row_judged(assumed: Option<&Fields>, new: Option<&Fields>, now: RowNow<'_>) -> RowVerdict {
    let push = RowPush {
        assumed,
        assumed_version: Some(1),
        new,
        parent: Some(Parent::Visible),
    };
    judge_row(&Protocol, LIST, &push, now)
}

#[test]
fn rxdb_loses_what_its_user_does_not_see_but_no_word_of_it() {
    let (old, new) = (document("Acme", "1"), document("Apex", "1"));
    let of = |now| row_judged(Some(&old), Some(&new), now);
    let kept = RowVerdict::Tombstone { issue: true };
    assert_eq!(of(RowNow::Hidden), kept);
    assert_eq!(of(RowNow::Deleted), kept);
    assert_eq!(of(RowNow::Absent), kept);
    assert_eq!(
        row_judged(Some(&old), None, RowNow::Hidden),
        RowVerdict::Tombstone { issue: false }
    );
}

#[test]
fn rxdb_makes_rows_under_what_its_user_sees() {
    let new = document("Apex", "1");
    let push = |parent| RowPush {
        assumed: None,
        assumed_version: None,
        new: Some(&new),
        parent,
    };
    let of = |parent| judge_row(&Protocol, LIST, &push(parent), RowNow::Absent);
    assert_eq!(of(Some(Parent::Visible)), RowVerdict::Insert);
    for parent in [Some(Parent::Lost), Some(Parent::Unknown), None] {
        assert_eq!(of(parent), RowVerdict::Tombstone { issue: true });
    }
}

#[test]
fn rxdb_is_judged_by_content_not_by_version() {
    let (old, new) = (document("Acme", "1"), document("Apex", "1"));
    let merged = document("Acme", "2");
    let other = document("Arch", "1");
    let now = |fields| RowNow::Visible { version: 9, fields };
    let of = |fields| row_judged(Some(&old), Some(&new), now(fields));
    assert_eq!(of(&old), RowVerdict::Write(name("Apex")));
    assert_eq!(of(&merged), RowVerdict::Write(name("Apex")));
    assert_eq!(of(&other), RowVerdict::Master);
    assert_eq!(of(&new), RowVerdict::AlreadySo);
    // A repeated insert is known by its content.
    let insert = |fields| row_judged(None, Some(&new), now(fields));
    assert_eq!(insert(&new), RowVerdict::AlreadySo);
    assert_eq!(insert(&old), RowVerdict::Master);
}

#[test]
fn rxdb_deletes_what_it_saw_and_nothing_else() {
    let (old, other) = (document("Acme", "1"), document("Acme", "2"));
    let now = |fields| RowNow::Visible { version: 9, fields };
    assert_eq!(row_judged(Some(&old), None, now(&old)), RowVerdict::Delete);
    assert_eq!(
        row_judged(Some(&old), None, now(&other)),
        RowVerdict::Master
    );
    assert_eq!(row_judged(None, None, now(&old)), RowVerdict::Master);
    for gone in [RowNow::Absent, RowNow::Deleted] {
        assert_eq!(row_judged(Some(&old), None, gone), RowVerdict::AlreadySo);
    }
}

#[test]
fn a_pushed_row_is_sent_again_after_the_longest_request() {
    assert!(!Protocol.is_echo_due(ECHO_AFTER));
    assert!(Protocol.is_echo_due(ECHO_AFTER + Duration::from_secs(1)));
}
