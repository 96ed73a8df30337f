//! Somebody who can sign in must be left to keep the users.

use std::path::Path;

use clientele::auth::passwords::Passwords;
use clientele::domain::users;
use clientele::import::{self, FileKind};
use entity::UserRole;
use serde_json::json;

use crate::support::{Answer, App, Person};

const UPDATE: &str =
    "mutation($input: UserUpdateInput!) { userUpdate(input: $input) { user { version } } }";
const DEACTIVATE: &str =
    "mutation($input: UserVersionInput!) { userDeactivate(input: $input) { user { version } } }";

async fn give_password(app: &App, person: &Person) {
    let passwords = Passwords::new().unwrap();
    let database = &app.server().database;
    users::set_password(database, &passwords, person.id, "two green umbrellas")
        .await
        .unwrap();
    // That ended their sessions, and with them the token of the test.
}

async fn demote(app: &App, by: &Person, who: &Person, version: i32) -> Answer {
    let input = json!({ "id": who.id(), "version": version, "role": "MANAGER" });
    app.gql(&by.token, UPDATE, json!({ "input": input })).await
}

async fn deactivate(app: &App, by: &Person, who: &Person, version: i32) -> Answer {
    let input = json!({ "id": who.id(), "version": version });
    app.gql(&by.token, DEACTIVATE, json!({ "input": input }))
        .await
}

on_both!(
    an_administrator_without_a_password_does_not_count_beside_one_with,
    async |app: App| {
        let team = app.team().await;
        let bare = app.person("Bare", UserRole::Admin, None).await;
        give_password(&app, &team.admin).await;
        let admin = app.sign_in(team.admin.id, "Admin").await;
        for answer in [
            demote(&app, &bare, &admin, 1).await,
            deactivate(&app, &bare, &admin, 1).await,
        ] {
            assert_eq!(answer.rule(), "users.last_admin");
        }
        // Who cannot sign in is missed by nobody.
        demote(&app, &admin, &bare, 1).await.ok();
        let second = app.person("Second", UserRole::Admin, None).await;
        assert_eq!(
            deactivate(&app, &admin, &admin, 1).await.rule(),
            "users.last_admin"
        );
        give_password(&app, &second).await;
        let second = app.sign_in(second.id, "Second").await;
        deactivate(&app, &admin, &second, 1).await.ok();
        // A password of somebody who has left opens nothing.
        assert_eq!(
            demote(&app, &admin, &admin, 1).await.rule(),
            "users.last_admin"
        );
        let stranger = demote(&app, &team.ann, &admin, 1).await;
        assert_eq!(stranger.code(0), "FORBIDDEN");
    }
);

struct Quiet;

impl import::Progress for Quiet {
    fn begin(&self, _: FileKind, _: usize) {}
    fn advance(&self, _: usize) {}
    fn end(&self, _: FileKind) {}
}

async fn reps(app: &App, directory: &Path, rows: &str, is_dry_run: bool) -> import::Report {
    let text = format!("external_id,name,email,role\n{rows}");
    std::fs::write(directory.join("reps.csv"), text).unwrap();
    let options = import::Options {
        is_dry_run,
        only: Vec::new(),
    };
    import::run(&app.server().database, directory, options, &Quiet)
        .await
        .unwrap()
}

on_both!(
    an_import_leaves_an_administrator_who_can_sign_in,
    async |app: App| {
        let team = app.team().await;
        let place = tempfile::tempdir().unwrap();
        let bring =
            async |rows: &str, is_dry_run: bool| reps(&app, place.path(), rows, is_dry_run).await;
        let first = bring(
            "a,Ada,ada@example.com,ADMIN\nb,Bob,bob@example.com,REP\n",
            false,
        )
        .await;
        assert!(first.refusals.is_empty(), "{:?}", first.refusals);
        // `Admin` of the team goes, so that those of the files are all there are.
        deactivate(&app, &team.admin, &team.admin, 1).await.ok();
        for is_dry_run in [true, false] {
            let report = bring(
                "b,Bob,bob@example.com,REP\na,Ada,ada@example.com,MANAGER\n",
                is_dry_run,
            )
            .await;
            let refusal = &report.refusals[..];
            assert_eq!(refusal.len(), 1, "{refusal:?}");
            assert_eq!((refusal[0].line, refusal[0].column.as_str()), (3, "role"));
            assert!(
                refusal[0].reason.contains("last active administrator"),
                "{refusal:?}"
            );
        }
        // With somebody in their place, named before or after, it goes; not when that one lacks a password
        // which they have.
        let swap = "a,Ada,ada@example.com,MANAGER\nb,Bob,bob@example.com,ADMIN\n";
        let users = app.server().database.as_system("a test");
        let ada = users
            .select::<entity::user::Entity>()
            .filter(sea_orm::ColumnTrait::eq(
                &entity::user::Column::ExternalId,
                "a",
            ))
            .find()
            .await
            .unwrap()
            .unwrap();
        let person = app.sign_in(ada.id, "Ada").await;
        give_password(&app, &person).await;
        for is_dry_run in [true, false] {
            let report = bring(swap, is_dry_run).await;
            assert_eq!(report.refusals.len(), 1, "{:?}", report.refusals);
            assert_eq!(report.refusals[0].line, 2);
        }
        let bob = users
            .select::<entity::user::Entity>()
            .filter(sea_orm::ColumnTrait::eq(
                &entity::user::Column::ExternalId,
                "b",
            ))
            .find()
            .await
            .unwrap()
            .unwrap();
        assert_eq!(bob.role, UserRole::Admin, "only the demotion was left out");
        let bob = app.sign_in(bob.id, "Bob").await;
        give_password(&app, &bob).await;
        for is_dry_run in [true, false] {
            let report = bring(swap, is_dry_run).await;
            assert!(report.refusals.is_empty(), "{:?}", report.refusals);
        }
    }
);
