//! Two edits of one document: laws that hold for all, and the cases of each policy.

use proptest::prelude::*;

use super::super::Protocol;
use super::*;

const STEPS: &[Step] = &[("draft", "submitted"), ("submitted", "approved")];

const FURTHER: &[Step] = &[("submitted", "shipped")];

const LIST: &[Field] = &[
    Field {
        name: "name",
        policy: Policy::ServerWins,
    },
    Field {
        name: "phone",
        policy: Policy::ServerWins,
    },
    Field {
        name: "stock",
        policy: Policy::Additive,
    },
    Field {
        name: "tags",
        policy: Policy::AppendOnly,
    },
    Field {
        name: "lines",
        policy: Policy::Whole,
    },
    Field {
        name: "total",
        policy: Policy::Whole,
    },
    Field {
        name: "state",
        policy: Policy::Status(STEPS, FURTHER),
    },
];

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn numbers(numbers: &[i64]) -> Value {
    Value::List(numbers.iter().copied().map(Value::Number).collect())
}

fn document() -> Fields {
    Fields::from([
        ("name", text("Acme")),
        ("phone", Value::Null),
        ("stock", Value::Number(10)),
        ("tags", numbers(&[1, 2])),
        ("lines", numbers(&[5])),
        ("total", Value::Number(5)),
        ("state", text("draft")),
    ])
}

fn with(fields: &[(&'static str, Value)]) -> Fields {
    let mut document = document();
    document.extend(fields.iter().cloned());
    document
}

/// Merges `new`, made on [`document`], into `master`.
fn merged(master: &Fields, new: &[(&'static str, Value)]) -> Merge {
    let new: Fields = new.iter().cloned().collect();
    merge(
        &Protocol,
        LIST,
        Replay::Guarded,
        Seen::Earlier(&document()),
        master,
        &new,
    )
}

fn write(fields: &[(&'static str, Value)]) -> Merge {
    Merge::Write(fields.iter().cloned().collect())
}

#[test]
fn what_only_one_side_changed_is_kept_from_both() {
    let master = with(&[("phone", text("110"))]);
    assert_eq!(
        merged(&master, &[("name", text("Apex")), ("phone", Value::Null)]),
        write(&[("name", text("Apex"))])
    );
}

#[test]
fn the_same_field_is_the_services_and_nothing_of_the_edit_is_written() {
    let master = with(&[("name", text("Apex"))]);
    assert_eq!(
        merged(&master, &[("name", text("Arch")), ("phone", text("110"))]),
        Merge::Conflict(vec!["name"])
    );
}

#[test]
fn both_sides_may_have_made_the_same_change() {
    let master = with(&[("name", text("Apex"))]);
    assert_eq!(merged(&master, &[("name", text("Apex"))]), Merge::Nothing);
}

#[test]
fn null_clears_and_absent_leaves_alone() {
    assert_eq!(
        merged(&document(), &[("name", Value::Null)]),
        write(&[("name", Value::Null)])
    );
    assert_eq!(merged(&document(), &[]), Merge::Nothing);
}

#[test]
fn a_field_that_the_device_did_not_see_is_a_conflict_unless_it_is_so_already() {
    let new = Fields::from([("name", text("Apex"))]);
    let unseen = Fields::new();
    let of = |master: &Fields| {
        let seen = Seen::Earlier(&unseen);
        merge(&Protocol, LIST, Replay::Guarded, seen, master, &new)
    };
    assert_eq!(of(&document()), Merge::Conflict(vec!["name"]));
    assert_eq!(of(&new), Merge::Nothing);
}

#[test]
fn fields_off_the_list_are_neither_compared_nor_written() {
    let new = with(&[("version", Value::Number(9))]);
    assert_eq!(
        merge(
            &Protocol,
            LIST,
            Replay::Guarded,
            Seen::Present,
            &document(),
            &new
        ),
        Merge::Nothing
    );
    assert!(is_same_content(LIST, &document(), &new));
    assert!(!is_same_content(
        LIST,
        &document(),
        &with(&[("total", Value::Null)])
    ));
}

#[test]
fn differences_are_added_up() {
    let master = with(&[("stock", Value::Number(17))]);
    assert_eq!(
        merged(&master, &[("stock", Value::Number(8))]),
        write(&[("stock", Value::Number(15))])
    );
    let full = with(&[("stock", Value::Number(i64::MAX))]);
    assert_eq!(
        merged(&full, &[("stock", Value::Number(11))]),
        Merge::Conflict(vec!["stock"])
    );
    assert_eq!(
        merged(&master, &[("stock", text("many"))]),
        Merge::Conflict(vec!["stock"])
    );
}

#[test]
fn without_a_ledger_sums_and_steps_are_the_services() {
    let of = |master: &Fields, new: &Fields| {
        let seen = document();
        merge(
            &Protocol,
            LIST,
            Replay::Unguarded,
            Seen::Earlier(&seen),
            master,
            new,
        )
    };
    assert_eq!(
        of(
            &with(&[("stock", Value::Number(17))]),
            &with(&[("stock", Value::Number(8))])
        ),
        Merge::Conflict(vec!["stock"])
    );
    assert_eq!(
        of(
            &with(&[("state", text("submitted"))]),
            &with(&[("state", text("approved"))])
        ),
        Merge::Conflict(vec!["state"])
    );
}

#[test]
fn what_was_added_to_a_list_goes_behind_what_is_there_once() {
    let master = with(&[("tags", numbers(&[1, 2, 7]))]);
    assert_eq!(
        merged(&master, &[("tags", numbers(&[1, 2, 8]))]),
        write(&[("tags", numbers(&[1, 2, 7, 8]))])
    );
    assert_eq!(
        merged(&master, &[("tags", numbers(&[1, 2, 7]))]),
        Merge::Nothing
    );
    assert_eq!(
        merged(&master, &[("tags", numbers(&[2, 8]))]),
        Merge::Conflict(vec!["tags"])
    );
}

#[test]
fn a_whole_is_never_mixed() {
    let master = with(&[("lines", numbers(&[5, 6]))]);
    assert_eq!(
        merged(&master, &[("total", Value::Number(9))]),
        Merge::Conflict(vec!["total"])
    );
    // What is beside the whole still merges,
    assert_eq!(
        merged(&master, &[("name", text("Apex"))]),
        write(&[("name", text("Apex"))])
    );
    // and so does the whole beside what is not of it.
    let master = with(&[("name", text("Apex"))]);
    assert_eq!(
        merged(&master, &[("total", Value::Number(9))]),
        write(&[("total", Value::Number(9))])
    );
}

#[test]
fn a_whole_of_which_the_device_saw_a_part_is_a_conflict() {
    let seen = Fields::from([("total", Value::Number(5))]);
    let new = Fields::from([("total", Value::Number(9))]);
    let of = |seen| merge(&Protocol, LIST, Replay::Guarded, seen, &document(), &new);
    assert_eq!(of(Seen::Earlier(&seen)), Merge::Conflict(vec!["total"]));
    assert_eq!(of(Seen::Present), write(&[("total", Value::Number(9))]));
}

#[test]
fn a_status_takes_only_steps_that_there_are() {
    let submitted = with(&[("state", text("submitted"))]);
    assert_eq!(
        merged(&submitted, &[("state", text("approved"))]),
        write(&[("state", text("approved"))])
    );
    let approved = with(&[("state", text("approved"))]);
    assert_eq!(
        merged(&approved, &[("state", text("submitted"))]),
        Merge::Conflict(vec!["state"])
    );
}

#[test]
fn a_status_is_as_wanted_when_others_took_it_further() {
    let shipped = with(&[("state", text("shipped"))]);
    let submit = [("state", text("submitted"))];
    let wanted = with(&submit);
    assert!(is_same_content(LIST, &shipped, &wanted));
    assert!(!is_same_content(LIST, &wanted, &shipped));
    // Neither by a step back, nor by one that nobody asked for.
    assert_eq!(merged(&shipped, &submit), Merge::Nothing);
    assert_eq!(
        merged(&shipped, &[("state", text("approved"))]),
        Merge::Conflict(vec!["state"])
    );
}

#[test]
fn a_step_is_taken_on_the_whole_that_was_seen() {
    for replay in [Replay::Guarded, Replay::Unguarded] {
        let step = |master: &Fields| {
            let new = with(&[("state", text("submitted"))]);
            three_way(replay, &document(), master, &new)
        };
        let submitted = write(&[("state", text("submitted"))]);
        assert_eq!(step(&document()), submitted);
        assert_eq!(step(&with(&[("name", text("Apex"))])), submitted);
        let more = with(&[("total", Value::Number(500))]);
        assert_eq!(step(&more), Merge::Conflict(vec!["state"]));
    }
}

fn values(field: &Field) -> BoxedStrategy<Value> {
    match field.policy {
        Policy::ServerWins | Policy::Whole => prop_oneof![
            Just(Value::Null),
            (0_i64..4).prop_map(Value::Number),
            "[a-c]{1,2}".prop_map(Value::Text),
            any::<bool>().prop_map(Value::Flag),
        ]
        .boxed(),
        Policy::Additive => any::<i64>().prop_map(Value::Number).boxed(),
        Policy::AppendOnly => proptest::collection::btree_set(0_i64..6, 0..4)
            .prop_map(|set| numbers(&set.into_iter().collect::<Vec<_>>()))
            .boxed(),
        Policy::Status(..) => prop_oneof![
            Just(text("draft")),
            Just(text("submitted")),
            Just(text("approved"))
        ]
        .boxed(),
    }
}

fn documents() -> impl Strategy<Value = Fields> {
    let fields: Vec<_> = LIST.iter().map(values).collect();
    fields.prop_map(|values| LIST.iter().map(|field| field.name).zip(values).collect())
}

fn replays() -> impl Strategy<Value = Replay> {
    prop_oneof![Just(Replay::Guarded), Just(Replay::Unguarded)]
}

fn three_way(replay: Replay, base: &Fields, master: &Fields, new: &Fields) -> Merge {
    merge(&Protocol, LIST, replay, Seen::Earlier(base), master, new)
}

proptest! {
    #[test]
    fn an_edit_of_the_present_row_is_done_as_it_is(replay in replays(), master in documents(), new in documents()) {
        let mut result = master.clone();
        match merge(&Protocol, LIST, replay, Seen::Present, &master, &new) {
            Merge::Nothing => {}
            Merge::Write(changes) => {
                prop_assert!(changes.iter().all(|(name, value)| master[name] != *value));
                result.extend(changes);
            }
            Merge::Conflict(fields) => prop_assert!(false, "{fields:?}"),
        }
        prop_assert_eq!(result, new);
    }

    #[test]
    fn nothing_is_lost_unless_it_is_a_conflict(replay in replays(), base in documents(), master in documents(), new in documents()) {
        if let Merge::Write(changes) = three_way(replay, &base, &master, &new) {
            for field in LIST {
                let (base, master, new) = (&base[field.name], &master[field.name], &new[field.name]);
                let result = changes.get(field.name).unwrap_or(master);
                // A side that changed a field alone has its way.
                if new == base {
                    prop_assert_eq!(result, master);
                } else if master == base {
                    prop_assert_eq!(result, new);
                }
            }
        }
    }

    #[test]
    fn without_a_ledger_a_second_time_changes_nothing(base in documents(), master in documents(), new in documents()) {
        if let Merge::Write(changes) = three_way(Replay::Unguarded, &base, &master, &new) {
            let mut master = master;
            master.extend(changes);
            let again = three_way(Replay::Unguarded, &base, &master, &new);
            prop_assert!(!matches!(again, Merge::Write(_)), "{:?}", again);
        }
    }

    #[test]
    fn an_unchanged_document_merges_to_nothing(replay in replays(), base in documents(), master in documents()) {
        prop_assert_eq!(three_way(replay, &base, &master, &base), Merge::Nothing);
        prop_assert_eq!(three_way(replay, &base, &master, &master), Merge::Nothing);
    }

    #[test]
    fn sums_come_out_the_same_in_either_order(start in -1000_i64..1000, first in -1000_i64..1000, second in -1000_i64..1000) {
        let base = with(&[("stock", Value::Number(start))]);
        let sum = |master: i64, new: i64| {
            let master = with(&[("stock", Value::Number(master))]);
            let new = Fields::from([("stock", Value::Number(new))]);
            match three_way(Replay::Guarded, &base, &master, &new) {
                Merge::Write(changes) => changes["stock"].clone(),
                Merge::Nothing => master["stock"].clone(),
                Merge::Conflict(fields) => panic!("{fields:?}"),
            }
        };
        // What is already as the device wants it is taken for its own doing.
        prop_assume!(first != second);
        prop_assert_eq!(sum(first, second), sum(second, first));
    }
}
