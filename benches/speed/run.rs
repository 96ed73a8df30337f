//! The run: starts both sides as processes of their own, has them answer the same, drives them in turns and prints
//! what each request cost and the ratios.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use sea_orm::sqlx;

use crate::asks::{self, Ask, Request, Side};
use crate::data::{self, Company, Generate};
use crate::drive::{Connection, Driven};
use crate::{Result, SECRET, process, store};

/// How long a side may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct Run {
    /// The databases to measure on, one after the other; each is filled when it is empty. A SQLite file in the
    /// directory for temporary files when absent
    #[arg(long, value_name = "URL")]
    database: Vec<String>,
    /// How many clients an empty database gets
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
    /// How many reps it gets; one for 200 clients, at most 500, when absent
    #[arg(long)]
    reps: Option<usize>,
    /// Which requests: H (home), C (client), S (search), O (order)
    #[arg(long, default_value = "HCSO")]
    asks: String,
    /// Connections of the client
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Seconds for each request, side and round
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Rounds; both sides have their turn in each
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Another build of the service to measure instead of this one
    #[arg(long, value_name = "FILE")]
    service: Option<PathBuf>,
}

/// A side that runs.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    ready_after: Duration,
    idle_mb: f64,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The database, as a process to watch.
pub(crate) enum Watched {
    /// Runs inside each side.
    Inside,
    /// A cluster on this machine, by the process that is the parent of all; with the connection that told.
    Cluster(
        u32,
        #[expect(dead_code, reason = "kept open")] sqlx::PgConnection,
    ),
    /// Elsewhere: its CPU is not seen.
    Elsewhere,
}

impl Watched {
    pub(crate) async fn find(url: &str) -> Result<Self> {
        if !store::is_postgres(url) {
            return Ok(Self::Inside);
        }
        let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(url).await?;
        let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&mut connection)
            .await?;
        Ok(match process::parent(u32::try_from(backend)?) {
            Ok(parent) if parent > 1 => Self::Cluster(parent, connection),
            _ => Self::Elsewhere,
        })
    }

    pub(crate) fn cpu(&self) -> Result<Duration> {
        match self {
            Self::Cluster(parent, _) => process::cpu_of_children(*parent),
            Self::Inside | Self::Elsewhere => Ok(Duration::ZERO),
        }
    }
}

/// What one side did with one kind of request.
#[derive(Default)]
struct Measured {
    driven: Driven,
    process: Duration,
    database: Duration,
    loaded_mb: f64,
    statements: Option<u32>,
}

impl Measured {
    fn millis(&self, spent: Duration) -> f64 {
        spent.as_secs_f64() * 1e3 / self.driven.requests.max(1) as f64
    }

    fn sum(&self) -> f64 {
        self.millis(self.process + self.database)
    }

    fn percentile(&self, share: f64) -> f64 {
        percentile(&self.driven.micros, share)
    }
}

/// Below which this share of the latencies lies, in milliseconds. They come in order of size, in microseconds.
pub(crate) fn percentile(micros: &[u32], share: f64) -> f64 {
    let at = (micros.len() as f64 * share) as usize;
    let found = micros.get(at).or(micros.last());
    found.map_or(0.0, |micros| f64::from(*micros) / 1e3)
}

pub(crate) async fn run(asked: &Run) -> Result<()> {
    let mut databases = asked.database.clone();
    if databases.is_empty() {
        let file = std::env::temp_dir().join(format!("clientele-speed-{}.sqlite", asked.clients));
        databases.push(format!("sqlite://{}", file.display()));
    }
    for url in &databases {
        measure_on(asked, url).await?;
    }
    Ok(())
}

async fn measure_on(asked: &Run, url: &str) -> Result<()> {
    let company = match Company::of(url).await? {
        Some(company) => company,
        None => {
            data::generate(&Generate {
                database: url.to_owned(),
                clients: asked.clients,
                reps: asked.reps,
            })
            .await?
        }
    };
    let watched = Watched::find(url).await?;
    let folder = std::env::temp_dir().join(format!("clientele-speed-run-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let service = start(Side::Service, asked.service.as_deref(), url, &folder).await?;
    let floor = start(Side::Floor, None, url, &folder).await?;
    let kind = match watched {
        Watched::Inside => "SQLite",
        Watched::Cluster(..) => "PostgreSQL",
        Watched::Elsewhere => "PostgreSQL elsewhere (its CPU is not seen)",
    };
    println!(
        "\n{kind}: {} clients of {} reps, {} connections, {} rounds of {} s; service {}, floor {}",
        company.clients,
        company.reps,
        asked.connections,
        asked.rounds,
        asked.seconds,
        service.child.id(),
        floor.child.id(),
    );
    println!(
        "           req/s   p50 ms   p99 ms   process + database = CPU ms/request   statements   MB   errors"
    );
    let mut ratios = Vec::new();
    for ask in Ask::ALL {
        if !asked.asks.to_ascii_uppercase().contains(ask.letter()) {
            continue;
        }
        let mut sides = [
            (Side::Service, &service, Measured::default()),
            (Side::Floor, &floor, Measured::default()),
        ];
        let mut plans = Vec::new();
        let mut first_answers = Vec::new();
        for (side, running, measured) in &mut sides {
            let plan = asks::plan(company, ask, *side)?;
            let (statements, answers) = first(running, &plan).await?;
            measured.statements = statements;
            first_answers.push(answers);
            let file = folder.join(format!("{}-{side:?}.json", ask.letter()));
            std::fs::write(&file, serde_json::to_vec(&plan)?)?;
            drive(asked, running, &file, 1.0)?;
            plans.push(file);
        }
        if ask != Ask::Order && first_answers.first() != first_answers.last() {
            return Err(
                format!("{ask:?}: the sides do not answer the same: {first_answers:?}").into(),
            );
        }
        for _ in 0..asked.rounds {
            for ((_, running, measured), file) in sides.iter_mut().zip(&plans) {
                let pid = running.child.id();
                let before = (process::cpu(pid)?, watched.cpu()?);
                let driven = drive(asked, running, file, asked.seconds)?;
                measured.process += process::cpu(pid)?.saturating_sub(before.0);
                measured.database += watched.cpu()?.saturating_sub(before.1);
                measured.loaded_mb = measured.loaded_mb.max(process::resident_mb(pid)?);
                let all = &mut measured.driven;
                all.requests += driven.requests;
                all.errors += driven.errors;
                all.seconds += driven.seconds;
                all.micros.extend(driven.micros);
                if let (None, Some(error)) = (&all.first_error, driven.first_error) {
                    eprintln!("{ask:?}: {error}");
                    all.first_error = Some(error);
                }
            }
        }
        for (side, _, measured) in &mut sides {
            measured.driven.micros.sort_unstable();
            print(ask, *side, measured);
        }
        let [(_, _, service), (_, _, floor)] = &sides;
        ratios.push(format!(
            "{} {:.2} (p50 {:.2})",
            ask.letter(),
            service.sum() / floor.sum(),
            service.percentile(0.5) / floor.percentile(0.5)
        ));
    }
    println!("CPU, times the floor:  {}", ratios.join("   "));
    println!(
        "service: ready after {:.2} s, {:.0} MB idle; floor: {:.2} s, {:.0} MB",
        service.ready_after.as_secs_f64(),
        service.idle_mb,
        floor.ready_after.as_secs_f64(),
        floor.idle_mb
    );
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn print(ask: Ask, side: Side, measured: &Measured) {
    let statements = measured
        .statements
        .map_or_else(|| "?".to_owned(), |count| count.to_string());
    println!(
        "{} {:8} {:7.0}  {:7.2}  {:7.2}     {:6.3} + {:6.3}  = {:6.3}                   {statements:>3}       {:4.0}   {}",
        ask.letter(),
        format!("{side:?}").to_lowercase(),
        measured.driven.requests as f64 / measured.driven.seconds,
        measured.percentile(0.5),
        measured.percentile(0.99),
        measured.millis(measured.process),
        measured.millis(measured.database),
        measured.sum(),
        measured.loaded_mb,
        measured.driven.errors,
    );
}

/// The answers to the first few requests, and the statements that the first took.
async fn first(
    running: &Running,
    plan: &[Request],
) -> Result<(Option<u32>, Vec<serde_json::Value>)> {
    let mut connection = Connection::open(&running.address.to_string()).await?;
    let mut statements = None;
    let mut answers = Vec::new();
    for request in plan.iter().take(5) {
        let answer = connection.ask(request).await?;
        if !answer.is_good {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(format!("a bad answer to {}: {text}", request.body).into());
        }
        statements = statements.or(answer.statements);
        answers.push(serde_json::from_slice(&answer.body)?);
    }
    Ok((statements, answers))
}

fn drive(asked: &Run, running: &Running, plan: &Path, seconds: f64) -> Result<Driven> {
    let driven = Command::new(std::env::current_exe()?)
        .arg("drive")
        .arg("--plan")
        .arg(plan)
        .args(["--address", &running.address.to_string()])
        .args(["--connections", &asked.connections.to_string()])
        .args(["--seconds", &seconds.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    if !driven.status.success() {
        return Err("the client failed".into());
    }
    Ok(serde_json::from_slice(&driven.stdout)?)
}

/// Starts a side; of the service this build, unless `service` names another.
pub(crate) async fn start(
    side: Side,
    service: Option<&Path>,
    url: &str,
    folder: &Path,
) -> Result<Running> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut command = match side {
        Side::Service => {
            // Built beside this program.
            let built = std::env::current_exe()?.with_file_name("clientele");
            let mut command = Command::new(service.unwrap_or(&built));
            command
                .args(["serve", "--debug-headers"])
                .args(["--listen", &address.to_string()])
                .args(["--database-url", url])
                .arg("--data-dir")
                .arg(folder)
                .env("CLIENTELE_SECRET", SECRET)
                // Sixteen connections ask more than a phone may.
                .env("CLIENTELE_QUERY_BUDGET", "0")
                .env("CLIENTELE_MAX_REQUESTS_PER_USER", "1000");
            command
        }
        Side::Floor => {
            let mut command = Command::new(std::env::current_exe()?);
            command
                .arg("floor")
                .args(["--database", url])
                .args(["--listen", &address.to_string()]);
            command
        }
    };
    let begun = Instant::now();
    let child = command.stdout(Stdio::null()).spawn()?;
    let mut running = Running {
        child,
        address,
        ready_after: Duration::ZERO,
        idle_mb: 0.0,
    };
    while tokio::net::TcpStream::connect(address).await.is_err() || !is_live(address).await {
        if begun.elapsed() > PATIENCE || running.child.try_wait()?.is_some() {
            return Err(format!("{side:?} did not start").into());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    running.ready_after = begun.elapsed();
    tokio::time::sleep(Duration::from_secs(1)).await;
    running.idle_mb = process::resident_mb(running.child.id())?;
    Ok(running)
}

/// Whether a side answers.
async fn is_live(address: SocketAddr) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Ok(mut stream) = tokio::net::TcpStream::connect(address).await else {
        return false;
    };
    let ask = b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut answer = Vec::new();
    stream.write_all(ask).await.is_ok()
        && stream.read_to_end(&mut answer).await.is_ok()
        && answer.starts_with(b"HTTP/1.1 200")
}
