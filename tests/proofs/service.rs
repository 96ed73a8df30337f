//! The program as a process: started, asked over HTTP, killed, stopped.

#[allow(dead_code, reason = "shared with the tests of the API")]
#[path = "../api/support/database.rs"]
mod database;
#[allow(dead_code, reason = "shared with the tests of the API")]
#[path = "../api/support/watch.rs"]
mod watch;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::database::TestDatabase;

/// The database of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file in a directory of its own.
    Sqlite,
    /// A database of its own on the server of `CLIENTELE_TEST_POSTGRES`.
    Postgres,
}

/// How long a debug build on a busy machine may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where the program runs: a directory and a database, which outlive its processes.
pub struct Place {
    url: String,
    directory: tempfile::TempDir,
    /// Kept for its end.
    _database: Option<TestDatabase>,
}

impl Place {
    /// A new place with an empty database.
    pub async fn new(backend: Backend) -> Self {
        let database = TestDatabase::create(backend).await;
        Self {
            url: database.url().to_owned(),
            directory: tempfile::tempdir().unwrap(),
            _database: Some(database),
        }
    }

    /// A new place whose SQLite file lies in the directory itself.
    pub fn with_its_own_file() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("clientele.sqlite");
        Self {
            url: format!("sqlite://{}", file.display()),
            directory,
            _database: None,
        }
    }

    /// A new place with the database at `url`.
    pub fn over(url: String) -> Self {
        Self {
            url,
            directory: tempfile::tempdir().unwrap(),
            _database: None,
        }
    }

    /// The program, to be run here. `around` are the words before it, such as those of a limit.
    fn program(&self, around: &[&str]) -> Command {
        let binary = env!("CARGO_BIN_EXE_clientele");
        let mut command = match around {
            [] => Command::new(binary),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(binary);
                command
            }
        };
        for name in [
            "DATABASE_URL",
            "DATABASE_READ_URL",
            "RUST_LOG",
            "CLIENTELE_SECRET",
            "CLIENTELE_CONFIG",
        ] {
            command.env_remove(name);
        }
        // Few people ask here for many.
        for (name, value) in [
            ("CLIENTELE_QUERY_BUDGET", "0"),
            ("CLIENTELE_MAX_REQUESTS_PER_USER", "400"),
            ("CLIENTELE_MAX_REQUESTS", "400"),
        ] {
            command.env(name, value);
        }
        command
            .current_dir(self.directory.path())
            .env("CLIENTELE_DATABASE_URL", &self.url);
        command
    }

    /// Runs a command of the program that ends; answers its last line.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.run_with(arguments, "")
    }

    /// As [`Self::run`], with `input` to read.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> String {
        let mut child = self
            .program(&[])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that does not read its input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {told}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().last().unwrap_or_default().to_owned()
    }

    /// Starts the service.
    pub async fn start(&self) -> Service {
        self.start_within(&[]).await
    }

    /// Starts the service by way of `around`, the words of another program that runs it.
    pub async fn start_within(&self, around: &[&str]) -> Service {
        let began = Instant::now();
        let mut child = self
            .program(around)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                // Shown with a test that fails.
                println!("    {line}");
                if let Some((_, rest)) = line.split_once("address=") {
                    let address = rest.split(' ').next().unwrap_or_default();
                    let _ = sender.send(address.to_owned());
                }
            }
        });
        let address = tokio::task::spawn_blocking(move || receiver.recv_timeout(PATIENCE))
            .await
            .unwrap()
            .expect("the service should say where it listens");
        let service = Service {
            child,
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(PATIENCE)
                .build()
                .unwrap(),
            address,
        };
        loop {
            match service.http.get(service.path("/readyz")).send().await {
                Ok(answer) if answer.status().is_success() => break,
                _ => assert!(began.elapsed() < PATIENCE, "the service never got ready"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let took = began.elapsed();
        println!("ready after {took:?}");
        service
    }

    /// The address of its database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// A running service; it is killed when dropped.
pub struct Service {
    child: Child,
    http: reqwest::Client,
    address: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a request came to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It succeeded, with this data.
    Data(Value),
    /// It was refused, with the first error.
    Refused(Value),
    /// No answer came: whether it was done is not known.
    Lost,
}

impl Outcome {
    /// Demands success.
    #[track_caller]
    pub fn data(self) -> Value {
        match self {
            Self::Data(data) => data,
            other => panic!("expected success, got {other:?}"),
        }
    }

    /// The code of the first error; empty without one.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(error) => error["extensions"]["code"].as_str().unwrap_or_default(),
            _ => "",
        }
    }

    /// The rule of the first error; empty without one.
    pub fn rule(&self) -> &str {
        match self {
            Self::Refused(error) => error["extensions"]["rule"].as_str().unwrap_or_default(),
            _ => "",
        }
    }
}

/// A way to ask a service, for many tasks.
#[derive(Clone)]
pub struct Caller {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Caller {
    /// Sends a GraphQL operation.
    pub async fn ask(&self, query: &str, variables: Value) -> Outcome {
        let body = json!({ "query": query, "variables": variables });
        let request = self
            .http
            .post(&self.url)
            .bearer_auth(&self.token)
            .json(&body);
        let Ok(response) = request.send().await else {
            return Outcome::Lost;
        };
        let Ok(mut answer) = response.json::<Value>().await else {
            return Outcome::Lost;
        };
        match answer["errors"].get(0) {
            Some(error) => Outcome::Refused(error.clone()),
            None if answer["data"].is_object() => Outcome::Data(answer["data"].take()),
            None => panic!("neither data nor errors: {answer}"),
        }
    }
}

impl Service {
    fn path(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Posts JSON to a path that needs no token; answers the status and the body.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let sent = self.http.post(self.path(path)).json(body).send().await;
        let answer = sent.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// Asks it as the owner of `token`.
    pub fn caller(&self, token: &str) -> Caller {
        Caller {
            http: self.http.clone(),
            url: self.path("/graphql"),
            token: token.to_owned(),
        }
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to stop, as `kill` does.
    pub fn tell_to_stop(&self) {
        let id = self.process().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(told.success());
    }

    /// Waits for its end; none when it goes on for longer than `patience`.
    pub async fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        let began = Instant::now();
        while began.elapsed() < patience {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        None
    }
}
