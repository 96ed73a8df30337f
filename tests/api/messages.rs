//! The language of messages: that of the user, unless `Accept-Language` asks for one.

use entity::UserRole;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, Person};

const RENAME: &str =
    "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { id } } }";

/// Sends an operation with `Accept-Language`; an empty one is not sent.
async fn ask(app: &App, token: &str, languages: &str, query: &str, variables: Value) -> Answer {
    let mut request = app
        .request(Method::POST, "/graphql")
        .json(&json!({ "query": query, "variables": variables }));
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    if !languages.is_empty() {
        request = request.header("accept-language", languages);
    }
    Answer::of(request).await
}

fn message(answer: &Answer) -> &str {
    answer.errors()[0]["message"].as_str().unwrap()
}

/// Makes Chinese the language of a user.
async fn reads_chinese(app: &App, person: &Person) {
    let update =
        "mutation($input: ViewerUpdateInput!) { viewerUpdate(input: $input) { __typename } }";
    let input = json!({ "input": { "version": 1, "locale": "ZH_CN" } });
    app.gql(&person.token, update, input).await.ok();
}

on_both!(people_are_told_in_their_language, async |app: App| {
    let team = app.team().await;
    let lin = app.person("Lin", UserRole::Rep, Some(&team.left)).await;
    reads_chinese(&app, &lin).await;
    let stranger = app.client_of(&team.cleo, "Acme").await;
    let input = json!({ "input": { "id": stranger, "version": 1, "name": "X" } });
    let english = ask(&app, &team.ann.token, "", RENAME, input.clone()).await;
    assert_eq!(message(&english), "no such client");
    let chinese = ask(&app, &lin.token, "", RENAME, input.clone()).await;
    assert_eq!(message(&chinese), "没有这个客户");
    // What programs read is the same.
    let plain = |answer: &Answer| {
        let mut extensions = answer.errors()[0]["extensions"].clone();
        extensions["requestId"].take();
        extensions
    };
    assert_eq!(plain(&english), plain(&chinese));
    // A header decides, whoever asks.
    for (languages, expected) in [
        ("en-US,en;q=0.9,zh;q=0.8", "no such client"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "没有这个客户"),
        ("en;q=0.2, zh-Hans;q=0.7", "没有这个客户"),
        ("de", "no such client"),
    ] {
        let answer = ask(&app, &lin.token, languages, RENAME, input.clone()).await;
        assert_eq!(message(&answer), expected, "{languages}");
    }
    let anything = ask(&app, &lin.token, "*", RENAME, input).await;
    assert_eq!(message(&anything), "没有这个客户");
});

on_both!(
    faults_of_a_request_are_told_in_the_language_too,
    async |app: App| {
        let team = app.team().await;
        let token = &team.ann.token;
        let create = "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { client { id } } }";
        let input = json!({ "input": { "kind": "PIRATE", "name": null } });
        let answer = ask(&app, token, "zh", create, input).await;
        let told: Vec<&str> = answer
            .errors()
            .iter()
            .map(|error| error["message"].as_str().unwrap())
            .collect();
        assert_eq!(
            told,
            [
                "\"PIRATE\" 不在可选值之中：INDIVIDUAL, ORGANIZATION",
                "`name` 不能为 null",
                "缺少 `currency`",
            ]
        );
        assert_eq!(answer.fields(), ["input.kind"]);
        for (query, expected) in [
            ("{ clients(first: ", "语法错误："),
            (
                "{ clientz { id } }",
                "Query 没有字段 `clientz`；您是否想写 `client",
            ),
            (
                "query A { viewer { role } } query B { clients { totalCount } }",
                "文档含有多个操作",
            ),
            (
                "query A($x: Int, $x: Int) { clients { totalCount } }",
                "请求有误：",
            ),
            (
                "{ clients(first: 101) { totalCount } }",
                "`first` 应为 0 至 100 之间的数字，而不是 101",
            ),
            (
                "{ client(id: \"order_1\") { id } }",
                "\"order_1\" 不是客户的 ID",
            ),
            (
                "query($id: ID!) { client(id: $id) { id } }",
                "类型为 ID! 的变量 $id 需要一个值",
            ),
        ] {
            let answer = ask(&app, token, "zh-CN", query, json!({})).await;
            assert!(message(&answer).starts_with(expected), "{answer}");
            assert_eq!(answer.code(0), "BAD_USER_INPUT");
        }
        let nobody = ask(&app, "", "zh", "{ clients { totalCount } }", json!({})).await;
        assert!(message(&nobody).starts_with("请先登录"), "{nobody}");
    }
);

on_both!(
    every_other_route_speaks_the_language_of_the_header,
    async |app: App| {
        let send = async |method: Method, path: &str, languages: &str, body: Value| {
            let request = app.request(method, path).json(&body);
            Answer::of(request.header("accept-language", languages)).await
        };
        let credentials = json!({ "email": "nobody@example.com", "password": "wrong password" });
        for (languages, expected) in [
            ("zh-CN", "邮箱或密码错误"),
            ("en", "the e-mail address or the password is wrong"),
            ("fr", "the e-mail address or the password is wrong"),
        ] {
            let answer = send(
                Method::POST,
                "/auth/sign-in",
                languages,
                credentials.clone(),
            )
            .await;
            assert_eq!(
                (answer.code(0), message(&answer)),
                ("UNAUTHENTICATED", expected)
            );
        }
        let missing = send(Method::POST, "/auth/refresh", "zh", json!({})).await;
        assert_eq!(
            (message(&missing), missing.fields()),
            ("缺少 `refreshToken`", vec!["refreshToken"])
        );
        let nothing = send(Method::GET, "/nothing", "zh", json!({})).await;
        assert_eq!(message(&nothing), "/nothing 不存在");
        let other = send(Method::DELETE, "/livez", "zh", json!({})).await;
        assert!(
            message(&other).starts_with("/livez 不接受 DELETE"),
            "{other}"
        );
    }
);
