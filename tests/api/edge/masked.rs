//! Fields that are null because they are not for the viewer.

use serde_json::json;

use crate::small::Small;

#[tokio::test]
async fn masked_fields_are_null_and_their_paths_are_told() {
    let small = Small::start().await;
    let answer = small.query("{ guarded { open secret } }").await.json();
    assert_eq!(
        answer["data"]["guarded"],
        json!({ "open": 1, "secret": null })
    );
    assert_eq!(
        answer["extensions"]["masked"],
        json!([["guarded", "secret"]])
    );
    assert!(answer["errors"].is_null());
}

#[tokio::test]
async fn masked_paths_name_response_keys_and_places_in_lists_in_order() {
    let small = Small::start().await;
    let query = "{ all: guardeds(count: 12) { ...G inner { s: secret t: secret } } } fragment G on Guarded { secret }";
    let answer = small.query(query).await.json();
    let mut expected = Vec::new();
    for i in 0..12 {
        if i % 2 == 0 {
            expected.push(json!(["all", i, "inner", "s"]));
            expected.push(json!(["all", i, "inner", "t"]));
        } else {
            expected.push(json!(["all", i, "secret"]));
        }
    }
    assert_eq!(answer["extensions"]["masked"], json!(expected));
}

#[tokio::test]
async fn an_answer_without_masked_fields_does_not_speak_of_them() {
    let small = Small::start().await;
    let answer = small.query("{ guarded { open inner { secret } } }").await;
    assert!(!answer.text.contains("masked"), "{}", answer.text);
    assert_eq!(answer.json()["data"]["guarded"]["inner"]["secret"], 2);
}
