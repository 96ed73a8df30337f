//! The program itself, as a process of its own, with everything it writes.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long to wait for what must come; a busy machine is no reason to fail.
const PATIENCE: Duration = Duration::from_mins(2);

/// The secret of processes under test.
pub const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A command of the program, in `place`, with nothing from the environment of the tests.
pub fn command(place: &Path, database: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clientele"));
    command
        .args(arguments)
        .current_dir(place)
        .env_remove("RUST_LOG")
        .env_remove("DATABASE_READ_URL")
        .env_remove("DATABASE_URL")
        .env("CLIENTELE_DATABASE_URL", database)
        .env("CLIENTELE_SECRET", SECRET);
    command
}

/// Runs a command that ends, and answers what it printed.
#[track_caller]
pub fn done(place: &Path, database: &str, arguments: &[&str]) -> String {
    let output = command(place, database, arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A process that serves. It is killed when this goes.
pub struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    /// Where it serves, as in `127.0.0.1:40123`.
    pub address: String,
    /// Where it serves figures and health.
    pub operations: String,
}

impl Process {
    /// Starts the program over the database at `url`, and waits until it serves.
    pub fn serve(place: &Path, url: &str, more: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut process = Self::begin(place, url, more, environment);
        process.address = process.said("serving", "address");
        process.operations = process.said("figures and health", "address");
        process
    }

    /// Starts the program over the database at `url`, which may not serve yet.
    pub fn begin(place: &Path, url: &str, more: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut arguments = vec!["serve"];
        if !more.contains(&"--listen") {
            arguments.extend(["--listen", "127.0.0.1:0"]);
        }
        arguments.extend(["--metrics-listen", "127.0.0.1:0", "--log-format", "json"]);
        arguments.extend(more);
        let mut child = command(place, url, &arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        gather(child.stderr.take().unwrap(), &log);
        gather(child.stdout.take().unwrap(), &log);
        Self {
            child,
            log,
            address: String::new(),
            operations: String::new(),
        }
    }

    /// All it has written.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The lines of its log with that message.
    pub fn lines(&self, message: &str) -> Vec<Value> {
        let log = self.log();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines
            .map(|line: Value| line["fields"].clone())
            .filter(|fields| fields["message"] == message)
            .collect()
    }

    /// Waits for a line of its log and answers one of its fields.
    #[track_caller]
    pub fn said(&self, message: &str, field: &str) -> String {
        let line = wait_for(|| self.lines(message).into_iter().next());
        let line = line.unwrap_or_else(|| panic!("no {message:?} in\n{}", self.log()));
        line[field].as_str().unwrap_or_default().to_owned()
    }

    /// Sends a signal, as in `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let status = wait_for(|| self.child.try_wait().unwrap());
        status.unwrap_or_else(|| panic!("it does not end:\n{}", self.log()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gather(from: impl Read + Send + 'static, into: &Arc<Mutex<String>>) {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut log = into.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
}

/// What `look` finds, as soon as it finds anything.
pub fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if begun.elapsed() > PATIENCE {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
