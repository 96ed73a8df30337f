//! A PostgreSQL of a proof's own, which it may stop and start.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where servers are found when they are not on PATH.
const FOLDERS: &[&str] = &[
    "/usr/lib/postgresql",
    "/usr/libexec",
    "/opt/homebrew/opt",
    "/usr/local/opt",
    "/usr/local/pgsql",
    "/usr",
];

/// A running server; it stops, and its data goes, when dropped.
pub struct Cluster {
    binaries: PathBuf,
    directory: tempfile::TempDir,
    owner: Option<Owner>,
    password: String,
    port: u16,
}

/// Whom the server runs as, where it refuses to run as root.
struct Owner {
    name: String,
    group: String,
}

impl Cluster {
    /// Makes and starts one.
    pub fn start() -> Self {
        let password = uuid::Uuid::now_v7().simple().to_string();
        let mut cluster = Self::make(password);
        let words = cluster.directory.path().join("password");
        let options = [
            "--username=clientele",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-sync",
        ];
        let words = format!("--pwfile={}", words.display());
        let made = cluster.command("initdb").args(options).arg(words).output();
        let made = made.unwrap();
        let told = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "initdb: {told}");
        cluster.launch();
        cluster
    }

    /// Makes and starts a copy of it that follows it.
    pub fn standby(&self) -> Self {
        let mut standby = Self::make(self.password.clone());
        let port = self.port.to_string();
        let options = ["-h", "127.0.0.1", "-p", &port, "-U", "clientele", "-R"];
        let copied = standby
            .command("pg_basebackup")
            .args(options)
            .args(["-X", "stream", "-c", "fast", "--no-sync"])
            .env("PGPASSWORD", &self.password)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&copied.stderr);
        assert!(copied.status.success(), "pg_basebackup: {told}");
        standby.launch();
        standby
    }

    /// A place for one, with the password in it.
    fn make(password: String) -> Self {
        let cluster = Self {
            binaries: binaries(),
            directory: tempfile::Builder::new()
                .prefix("clientele-")
                .tempdir_in("/tmp")
                .unwrap(),
            owner: owner(),
            password,
            port: 0,
        };
        let words = cluster.directory.path().join("password");
        std::fs::write(&words, &cluster.password).unwrap();
        if let Some(owner) = &cluster.owner {
            let whose = format!("{}:{}", owner.name, owner.group);
            let status = Command::new("chown")
                .args(["-R", &whose])
                .arg(cluster.directory.path())
                .status();
            assert!(status.unwrap().success());
        }
        cluster
    }

    /// Starts it on a port that is free.
    fn launch(&mut self) {
        for _ in 0..10 {
            let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            self.port = socket.local_addr().unwrap().port();
            drop(socket);
            if self.control(&["start", "-w", "-o", &self.settings()]) {
                return;
            }
        }
        let log = std::fs::read_to_string(self.directory.path().join("log"));
        panic!("PostgreSQL does not start: {}", log.unwrap_or_default());
    }

    /// The machine does not fail here, so nothing need reach the disk itself.
    fn settings(&self) -> String {
        format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off",
            self.port
        )
    }

    /// The address of its database.
    pub fn url(&self) -> String {
        let Self { password, port, .. } = self;
        format!("postgres://clientele:{password}@127.0.0.1:{port}/postgres")
    }

    /// Stops it; `mode` is how, `fast` or `immediate`.
    pub fn stop(&self, mode: &str) {
        assert!(
            self.control(&["stop", "-w", "-m", mode]),
            "PostgreSQL does not stop"
        );
    }

    /// Has it started again, without waiting for it.
    pub fn begin_again(&self) {
        assert!(
            self.control(&["start", "-W", "-o", &self.settings()]),
            "PostgreSQL does not start"
        );
    }

    fn control(&self, arguments: &[&str]) -> bool {
        let log = self.directory.path().join("log");
        let output = self
            .command("pg_ctl")
            .arg("-l")
            .arg(log)
            .args(arguments)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status();
        output.unwrap().success()
    }

    /// A program of the server, run as its owner on its data.
    fn command(&self, program: &str) -> Command {
        let program = self.binaries.join(program);
        let mut command = match &self.owner {
            None => Command::new(program),
            Some(owner) => {
                let mut command = Command::new("setpriv");
                command
                    .arg(format!("--reuid={}", owner.name))
                    .arg(format!("--regid={}", owner.group))
                    .arg("--clear-groups")
                    .arg(program);
                command
            }
        };
        command
            .current_dir(self.directory.path())
            .arg("-D")
            .arg(self.directory.path().join("data"));
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.control(&["stop", "-w", "-m", "immediate"]);
    }
}

/// The newest directory that holds a whole server.
fn binaries() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path)
        .filter_map(|folder| folder.join("initdb").canonicalize().ok())
        .filter_map(|program| program.parent().map(Path::to_owned))
        .collect();
    for folder in FOLDERS.iter().map(Path::new) {
        folders.push(folder.join("bin"));
        let versions = std::fs::read_dir(folder).into_iter().flatten().flatten();
        folders.extend(versions.map(|version| version.path().join("bin")));
    }
    let programs = ["initdb", "pg_basebackup", "pg_ctl", "postgres"];
    folders.retain(|folder| programs.iter().all(|program| folder.join(program).exists()));
    let newest = folders.into_iter().max_by_key(|folder| version(folder));
    newest.expect("a PostgreSQL of its own is needed here: put initdb, pg_basebackup, pg_ctl and postgres on PATH")
}

fn version(folder: &Path) -> u32 {
    let output = Command::new(folder.join("postgres"))
        .arg("--version")
        .output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|n| n.parse().ok());
    numbers.next().unwrap_or_default()
}

/// Somebody who is not root, when we are.
fn owner() -> Option<Owner> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    if id(&["-u"])? != "0" {
        return None;
    }
    ["postgres", "nobody"].into_iter().find_map(|name| {
        let group = id(&["-g", name])?;
        Some(Owner {
            name: name.to_owned(),
            group,
        })
    })
}
