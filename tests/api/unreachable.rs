//! What whoever keeps the service reads when the database cannot be opened: which file, which server, why. Never
//! the password.

use std::path::Path;
use std::process::Command;

/// What `clientele migrate` says about the database at `url`.
fn complaint(url: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_clientele"))
        .arg("migrate")
        .env_remove("CLIENTELE_DATABASE_URL")
        .env("DATABASE_URL", url)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(!text.contains("busy"), "{text}");
    text
}

fn sqlite(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
}

#[test]
fn a_file_in_a_directory_that_is_not_there_is_named() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("nowhere").join("clientele.sqlite");
    let text = complaint(&sqlite(&file));
    let directory = file.parent().unwrap().display().to_string();
    assert_says(&text, &["there is no directory", &directory]);
    let text = complaint(&sqlite(place.path()));
    assert_says(
        &text,
        &["is a directory", &place.path().display().to_string()],
    );
}

#[test]
fn a_name_with_percent_signs_is_one_file_for_every_command() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("two words")).unwrap();
    let url = sqlite(&place.path().join("two%20words/my%20book.sqlite"));
    let backup = place.path().join("book.backup");
    for arguments in [vec!["migrate"], vec!["backup", backup.to_str().unwrap()]] {
        let output = Command::new(env!("CARGO_BIN_EXE_clientele"))
            .args(&arguments)
            .env_remove("CLIENTELE_DATABASE_URL")
            .env("DATABASE_URL", &url)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}");
    }
    assert!(place.path().join("two words/my book.sqlite").exists());
    assert!(backup.exists());
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("letter.txt");
    std::fs::write(&file, "Dear Sir or Madam,\n".repeat(500)).unwrap();
    let text = complaint(&sqlite(&file));
    assert_says(
        &text,
        &["is not a SQLite database", &file.display().to_string()],
    );
}

#[test]
fn a_file_that_cannot_be_made_is_named() {
    // Not even the superuser makes a file there.
    let text = complaint("sqlite:///proc/clientele.sqlite");
    assert_says(&text, &["/proc/clientele.sqlite", "cannot be opened"]);
}

#[test]
fn a_server_that_does_not_answer_is_named_without_the_password() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    let text = complaint(&format!("postgres://rep:s3cret@127.0.0.1:{port}/book"));
    assert_says(&text, &["book", &format!("127.0.0.1:{port}"), "refused"]);
    assert!(!text.contains("s3cret"), "{text}");
    let text = complaint("postgres://rep:s3cret@database.invalid:5432/book");
    assert_says(&text, &["database.invalid:5432"]);
    assert!(!text.contains("s3cret"), "{text}");
    let text = complaint("postgres://rep:s3cret@127.0.0.1:notaport/book");
    assert!(!text.contains("s3cret"), "{text}");
}

/// Whatever is wrong with an address, no part of its password is told, nor looked for as a server.
#[test]
fn no_part_of_a_password_is_told() {
    for url in [
        // Characters that end what stands before the server.
        "postgres://rep:7193/s3cret@database.invalid/book",
        "postgres://rep:7193?s3cret@database.invalid/book",
        "postgres://rep:7193#s3cret@database.invalid/book",
        "postgres://rep:s3cret/7193@database.invalid/book",
        "postgres://rep:s3/cr?et#@database.invalid:5432/book",
        "postgres://rep:s3cret@[::1/book",
        "postgres://rep:s3cret",
        "postgres://rep:s3cret@",
        "postgres:rep:s3cret@database.invalid/book",
        "postgres:/rep:s3cret@database.invalid/book",
        "rep:s3cret@database.invalid/book",
        "mysql://rep:s3cret@database.invalid/book",
        // A parameter that nobody knows.
        "postgres://rep@database.invalid/book?pasword=s3cret",
    ] {
        let text = complaint(url);
        for part in ["s3", "cret", "7193"] {
            assert!(!text.contains(part), "{part} of {url} is in {text}");
        }
    }
    let text = complaint("postgres://rep:7193/s3cret@database.invalid/book");
    assert_says(&text, &["database URL", "percent-encoded"]);
}

#[test]
fn a_password_in_a_broken_file_of_settings_is_not_told() {
    let place = tempfile::tempdir().unwrap();
    for line in [
        "database_url = \"postgres://rep:s3cret@database.invalid/book",
        "database_url = postgres://rep:s3cret@database.invalid/book",
        "database_url = [\"postgres://rep:s3cret@database.invalid/book\"]",
        "databaseurl = \"postgres://rep:s3cret@database.invalid/book\"",
    ] {
        let file = place.path().join("clientele.toml");
        std::fs::write(&file, format!("data_dir = \"data\"\n{line}\n")).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_clientele"))
            .arg("migrate")
            .current_dir(place.path())
            .env_remove("CLIENTELE_DATABASE_URL")
            .env_remove("DATABASE_URL")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_says(&text, &["clientele.toml", "line 2"]);
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn a_database_that_the_server_does_not_have_is_named() {
    let Ok(server) = std::env::var("CLIENTELE_TEST_POSTGRES") else {
        panic!("CLIENTELE_TEST_POSTGRES names the server of the tests");
    };
    let (server, _) = server.rsplit_once('/').unwrap();
    let text = complaint(&format!("{server}/no_such_book"));
    assert_says(&text, &["no_such_book", "does not exist"]);
    let address = server
        .rsplit_once('@')
        .map_or(server, |(_, address)| address);
    let text = complaint(&format!("postgres://nobody_here:s3cret@{address}/postgres"));
    assert_says(&text, &["nobody_here"]);
    assert!(!text.contains("s3cret"), "{text}");
}
