//! Tokens: there and back, and everything that is not one.

use proptest::prelude::*;

use super::*;

const BINDING: Binding = Binding {
    user: Uuid::from_u128(0x0192_f4c0_7c3e_7d54_9b43_2c5a_8f1f_6e01),
    epoch: Uuid::from_u128(0x0192_f4c0_7c3e_7d54_9b43_2c5a_8f1f_6e02),
};

fn sealer() -> Sealer {
    Sealer::new(&[1; 32])
}

fn seqs() -> impl Strategy<Value = Seq> {
    (0..=Seq::MAX.get()).prop_map(|number| Seq::new(number).unwrap())
}

fn positions() -> impl Strategy<Value = Position> {
    let ids = || any::<u128>().prop_map(Uuid::from_u128);
    (any::<u8>(), ids(), seqs(), 0_u8..32, ids()).prop_map(|(rank, scope, seq, collection, row)| {
        Position {
            scope: ScopeKey { rank, id: scope },
            seq,
            row: RowKey {
                collection: Collection::new(collection).unwrap(),
                id: row,
            },
        }
    })
}

fn progresses() -> impl Strategy<Value = Progress> {
    prop_oneof![
        seqs().prop_map(Progress::Done),
        (seqs(), seqs(), positions()).prop_map(|(since, until, position)| {
            Progress::Within(Window {
                since,
                until,
                position: Some(position),
            })
        }),
    ]
}

proptest! {
    #[test]
    fn a_token_says_what_was_put_in(progress in progresses(), bits in any::<u32>()) {
        let collections = CollectionSet::from_bits(bits);
        let token = sealer().seal(&BINDING, collections, &progress);
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        let is_within = matches!(progress, Progress::Within(_));
        prop_assert_eq!(bytes.len(), if is_within { 80 } else { 40 });
        prop_assert_eq!(sealer().open(&BINDING, collections, &token), Ok(Opened::Resume(progress)));
        prop_assert_eq!(sealer().seal(&BINDING, collections, &progress), token);
    }

    #[test]
    fn a_token_with_any_bit_changed_is_refused(progress in progresses(), at in 0_usize..640) {
        let collections = CollectionSet::from_bits(3);
        let token = sealer().seal(&BINDING, collections, &progress);
        let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
        let at = at % (bytes.len() * 8);
        bytes[at / 8] ^= 1 << (at % 8);
        let changed = URL_SAFE_NO_PAD.encode(bytes);
        prop_assert_eq!(sealer().open(&BINDING, collections, &changed), Err(Tampered));
    }

    #[test]
    fn a_token_cut_or_lengthened_is_refused(progress in progresses(), keep in 0_usize..107, more in "[A-Za-z0-9_-]{1,8}") {
        let collections = CollectionSet::from_bits(3);
        let token = sealer().seal(&BINDING, collections, &progress);
        let cut: String = token.chars().take(keep.min(token.len() - 1)).collect();
        prop_assert_eq!(sealer().open(&BINDING, collections, &cut), Err(Tampered));
        prop_assert_eq!(sealer().open(&BINDING, collections, &(token + &more)), Err(Tampered));
    }

    #[test]
    fn no_text_is_a_token_by_chance(text in ".{0,300}") {
        prop_assert_eq!(sealer().open(&BINDING, CollectionSet::default(), &text), Err(Tampered));
    }

    #[test]
    fn a_token_is_good_for_its_user_epoch_and_collections(progress in progresses(), other in any::<u128>()) {
        let other = Uuid::from_u128(other);
        let collections = CollectionSet::from_bits(3);
        let token = sealer().seal(&BINDING, collections, &progress);
        let open = |binding: &Binding, bits| sealer().open(binding, CollectionSet::from_bits(bits), &token);
        let theirs = Binding { user: other, ..BINDING };
        prop_assert_eq!(open(&theirs, 3), Ok(Opened::Replace(Restart::OtherUser)));
        let restored = Binding { epoch: other, ..BINDING };
        prop_assert_eq!(open(&restored, 3), Ok(Opened::Replace(Restart::OtherEpoch)));
        prop_assert_eq!(open(&BINDING, 7), Ok(Opened::Replace(Restart::OtherCollections)));
    }
}

#[test]
fn a_token_under_another_secret_is_refused() {
    let collections = CollectionSet::from_bits(1);
    let token = sealer().seal(&BINDING, collections, &Progress::NEW);
    assert_eq!(
        Sealer::new(&[2; 32]).open(&BINDING, collections, &token),
        Err(Tampered)
    );
}

#[test]
fn a_token_of_another_format_starts_over() {
    let sealer = sealer();
    let mut bytes = vec![FORMAT + 1, 9, 9];
    let tag = hmac::sign(&sealer.key, &bytes);
    bytes.extend_from_slice(&tag.as_ref()[..MAC_BYTES]);
    assert_eq!(
        sealer.open(
            &BINDING,
            CollectionSet::default(),
            &URL_SAFE_NO_PAD.encode(bytes)
        ),
        Ok(Opened::Replace(Restart::OtherFormat))
    );
}

#[test]
fn what_is_signed_but_makes_no_sense_is_refused() {
    let sealer = sealer();
    let collections = CollectionSet::from_bits(1);
    let token = sealer.seal(&BINDING, collections, &Progress::Done(Seq::new(5).unwrap()));
    let whole = URL_SAFE_NO_PAD.decode(token).unwrap();
    let signed = |mut bytes: Vec<u8>| {
        let tag = hmac::sign(&sealer.key, &bytes);
        bytes.extend_from_slice(&tag.as_ref()[..MAC_BYTES]);
        sealer.open(&BINDING, collections, &URL_SAFE_NO_PAD.encode(bytes))
    };
    let payload = whole[..whole.len() - MAC_BYTES].to_vec();
    assert_eq!(
        signed(payload.clone()),
        Ok(Opened::Resume(Progress::Done(Seq::new(5).unwrap())))
    );
    let mut another_target = payload.clone();
    another_target[23] = 6;
    assert_eq!(signed(another_target), Err(Tampered));
    assert_eq!(signed([&payload[..], &[0; 39]].concat()), Err(Tampered));
    let mut no_collection = [&payload[..], &[0; 40]].concat();
    assert!(signed(no_collection.clone()).is_ok());
    no_collection[28 + 23] = 32;
    assert_eq!(signed(no_collection), Err(Tampered));
    assert_eq!(signed(Vec::new()), Err(Tampered));
}
