//! `clientele import` as people run it: how it ends, what it prints, the file of refused rows.

use std::path::Path;
use std::process::{Command, Output};

use crate::import::{Files, PRODUCTS};

/// Runs the program in a directory of its own.
fn run(place: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clientele"))
        .args(arguments)
        .current_dir(place)
        .env_remove("DATABASE_URL")
        .env_remove("CLIENTELE_DATABASE_URL")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_command_ends_with_0_when_all_went_in() {
    let (place, files) = (tempfile::tempdir().unwrap(), Files::all());
    let directory = files.path().to_str().unwrap();
    let dry = run(place.path(), &["import", directory, "--dry-run"]);
    assert_eq!(dry.status.code(), Some(0), "{}", text(&dry.stderr));
    assert!(text(&dry.stdout).contains("nothing was written"));
    // Looking did not even make the file.
    assert!(std::fs::read_dir(place.path()).unwrap().next().is_none());
    let real = run(place.path(), &["import", directory]);
    assert_eq!(real.status.code(), Some(0), "{}", text(&real.stderr));
    let table = text(&real.stdout);
    assert!(table.contains("order_lines.csv"), "{table}");
    assert!(!place.path().join("import-errors.csv").exists());
    let again = run(place.path(), &["import", directory, "--dry-run"]);
    assert_eq!(again.status.code(), Some(0));
}

#[test]
fn the_command_ends_with_2_and_an_error_file_when_rows_were_refused() {
    let place = tempfile::tempdir().unwrap();
    let files = Files::all().with("products.csv", PRODUCTS);
    let directory = files.path().to_str().unwrap();
    let output = run(place.path(), &["import", directory]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let errors = std::fs::read_to_string(place.path().join("import-errors.csv")).unwrap();
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines[0], "file,line,column,value,reason");
    assert!(
        lines[1].starts_with("products.csv,4,list_price,10.005000,"),
        "{errors}"
    );
}

#[test]
fn the_command_ends_with_1_when_there_is_nothing_to_do() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().to_str().unwrap().to_owned();
    let empty = run(place.path(), &["import", &directory]);
    assert_eq!(empty.status.code(), Some(1));
    assert!(text(&empty.stderr).contains("nothing to import"));
    std::fs::write(place.path().join("clients.csv"), "external_id\n1\n").unwrap();
    let useless = run(place.path(), &["import", &directory]);
    assert_eq!(useless.status.code(), Some(1));
    assert!(text(&useless.stderr).contains("lacks the column"));
}
