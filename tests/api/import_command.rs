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

#[test]
fn every_fault_of_a_row_is_told_and_a_clean_run_forgets_them() {
    let place = tempfile::tempdir().unwrap();
    let wrong = "external_id,name,unit,list_price,currency,stock_on_hand,discontinued\n\
                 P1,,box,ten,USD,-3,perhaps\n";
    let files = Files::all().with("products.csv", wrong);
    let directory = files.path().to_str().unwrap().to_owned();
    let only = ["import", directory.as_str(), "--only", "products"];
    let output = run(place.path(), &only);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let refusals = place.path().join("import-errors.csv");
    let errors = std::fs::read_to_string(&refusals).unwrap();
    for column in ["name", "list_price", "stock_on_hand", "discontinued"] {
        let start = format!("products.csv,2,{column},");
        assert!(errors.contains(&start), "{start} is missing in {errors}");
    }
    assert_eq!(errors.lines().count(), 5, "{errors}");
    // One row was refused, for four reasons.
    let table = text(&output.stdout);
    let counts = table.lines().find(|line| line.starts_with("products.csv"));
    assert!(counts.unwrap().trim_end().ends_with(" 1"), "{table}");
    let files = Files::all();
    let directory = files.path().to_str().unwrap().to_owned();
    let output = run(place.path(), &["import", &directory]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(!refusals.exists());
    // A file of somebody else stays.
    std::fs::write(&refusals, "my notes\n").unwrap();
    run(place.path(), &["import", &directory]);
    assert_eq!(std::fs::read_to_string(&refusals).unwrap(), "my notes\n");
}

#[test]
fn a_file_that_is_written_otherwise_is_said_to_be() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("files");
    std::fs::create_dir(&directory).unwrap();
    let import = |only: &[&str]| {
        let mut arguments = vec!["import", directory.to_str().unwrap()];
        arguments.extend(only);
        let output = run(place.path(), &arguments);
        (
            output.status.code(),
            text(&output.stderr) + &text(&output.stdout),
        )
    };
    let products = directory.join("products.csv");
    std::fs::write(
        &products,
        "external_id;name;list_price;currency\nP1;Tea;1.00;USD\n",
    )
    .unwrap();
    let (code, said) = import(&[]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("products.csv line 1") && said.contains("semicolons"),
        "{said}"
    );
    let short = "external_id,name,list_price,currency\nP1,Tea\nP2,Milk,1,00,USD\nP3,Soy,1.00,USD\n";
    std::fs::write(&products, short).unwrap();
    let (code, said) = import(&[]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("products.csv line 2, column list_price"),
        "{said}"
    );
    assert!(
        said.contains("from list_price on they are missing"),
        "{said}"
    );
    assert!(
        said.contains("line 3") && said.contains("double quotes"),
        "{said}"
    );
    let (code, said) = import(&["--only", "clients"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("there is no clients.csv in"), "{said}");
    let (code, said) = import(&["--only", "customers"]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("customers") && said.contains("order_lines"),
        "{said}"
    );
    let (code, _) = import(&["--only", "products.csv"]);
    assert_eq!(code, Some(2));
    let nowhere = place.path().join("nowhere");
    let output = run(place.path(), &["import", nowhere.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no directory"));
}

/// A way into itself: it is there, and nobody can read it, not even the superuser.
#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_not_said_to_be_absent() {
    let place = tempfile::tempdir().unwrap();
    let circle = |path: &Path| std::os::unix::fs::symlink(path, path).unwrap();
    let directory = place.path().join("book");
    circle(&directory);
    let output = run(place.path(), &["import", "book", "--dry-run"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("book cannot be read"), "{said}");
    assert!(!said.contains("there is no"), "{said}");
    // A file among others that can be read.
    let files = Files::all();
    let clients = files.path().join("clients.csv");
    std::fs::remove_file(&clients).unwrap();
    circle(&clients);
    let directory = files.path().to_str().unwrap().to_owned();
    let output = run(place.path(), &["import", &directory, "--dry-run"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("clients.csv cannot be read"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn refusals_that_cannot_be_written_are_told() {
    let place = tempfile::tempdir().unwrap();
    let mut products =
        "external_id,name,unit,list_price,currency,stock_on_hand,discontinued\n".to_owned();
    for at in 0..20 {
        products.push_str(&format!("P{at},,box,10,USD,3,no\n"));
    }
    let files = Files::all().with("products.csv", &products);
    let directory = files.path().to_str().unwrap().to_owned();
    // Not even the superuser makes a file there.
    let nowhere = "/proc/import-errors.csv";
    let arguments = [
        "import", &directory, "--only", "products", "--errors", nowhere,
    ];
    let output = run(place.path(), &arguments);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    for line in 2..22 {
        let refusal = format!("refused: products.csv line {line}, column name");
        assert!(said.contains(&refusal), "{refusal} is missing in {said}");
    }
    let noted = text(&output.stderr);
    assert!(
        noted.contains(nowhere) && noted.contains("cannot be written"),
        "{noted}"
    );
    assert!(!said.contains("All of them are in"), "{said}");
}
