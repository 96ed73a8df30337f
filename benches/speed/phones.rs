//! What phones cost: a first pull of a whole book, a pull when nothing is new, a pull of twenty changes, pushes and their
//! repeats, and a book that changes hands. One phone at a time but for pushes, as a latency of a phone is what counts.

use std::fmt::Write as _;
use std::io::Read;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use clap::Args;
use entity::{ClientId, DeviceId, NoteId, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::asks::{self, Request, Side};
use crate::data::{self, Company, Generate};
use crate::drive::{Answer, Connection};
use crate::run::{self, Running, Watched, percentile};
use crate::store::Store;
use crate::{Result, process};

/// What a field app holds of each kind of document.
const KINDS: &[(&str, &str)] = &[
    ("clients", "kind name currency phone email tags"),
    (
        "contacts",
        "clientId name title isKey points { kind value isPreferred } note",
    ),
    ("addresses", "clientId kind city"),
    (
        "orders",
        "clientId number status placedOn lines { id productId quantity unitPrice { amount currency } discountBp } \
         total { amount currency }",
    ),
    (
        "payments",
        "orderId amount { amount currency } method paidOn",
    ),
    ("notes", "clientId body isPinned"),
    (
        "products",
        "sku name unit listPrice { amount currency } isActive",
    ),
    ("syncIssues", "kind documentId code message payload"),
];

/// Operations of one push.
const BATCH: usize = 50;

/// Changes of which a small pull tells.
const CHANGES: usize = 20;

/// How often each batch comes again in a storm of repeats.
const REPEATS: usize = 10;

#[derive(Args)]
pub(crate) struct Phones {
    /// The databases to measure on, one after the other; each is filled when it is empty. What is measured changes them
    #[arg(long, value_name = "URL", required = true)]
    database: Vec<String>,
    /// How many clients an empty database gets
    #[arg(long, default_value_t = 20_000)]
    clients: usize,
    /// How many reps it gets; their books are of equal size
    #[arg(long, default_value_t = 10)]
    reps: usize,
    /// Documents of a page of the first pull
    #[arg(long, default_value_t = 2_000)]
    page: usize,
    /// How often the pulls are repeated
    #[arg(long, default_value_t = 1_000)]
    pulls: usize,
    /// Phones that push at the same time
    #[arg(long, default_value_t = 4)]
    pushers: usize,
    /// Batches that each of them pushes
    #[arg(long, default_value_t = 40)]
    batches: usize,
    /// Another build of the service to measure instead of this one
    #[arg(long, value_name = "FILE")]
    service: Option<std::path::PathBuf>,
}

/// A phone of somebody: all it knows is where its last pull led.
struct Phone {
    connection: Connection,
    token: String,
    device: DeviceId,
    checkpoint: Option<Value>,
    limit: usize,
}

/// What came of one or several pages.
#[derive(Default)]
struct Pulled {
    pages: usize,
    documents: usize,
    tombstones: usize,
    bytes: usize,
    /// As they went over the wire.
    packed: usize,
    has_more: bool,
    checkpoint: Value,
    statements: Option<u32>,
}

impl Phone {
    async fn of(running: &Running, user: Uuid, session: Uuid, limit: usize) -> Result<Self> {
        let (token, _) = asks::tokens()?.issue(user, session, Utc::now(), TimeDelta::days(1))?;
        Ok(Self {
            connection: Connection::open(&running.address.to_string()).await?,
            token,
            device: DeviceId(Uuid::now_v7()),
            checkpoint: None,
            limit,
        })
    }

    async fn ask(&mut self, query: &str, variables: Value) -> Result<Answer> {
        let request = Request {
            path: "/graphql".to_owned(),
            token: self.token.clone(),
            body: json!({ "query": query, "variables": variables }).to_string(),
        };
        let answer = self.connection.ask(&request).await?;
        if !answer.is_good {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(format!("a bad answer to {query}: {text}").into());
        }
        Ok(answer)
    }

    fn pull_variables(&self) -> Value {
        let mut input = json!({ "limit": self.limit, "schemaVersion": 1, "deviceId": self.device });
        if let (Some(checkpoint), Some(input)) = (&self.checkpoint, input.as_object_mut()) {
            input.insert("checkpoint".to_owned(), checkpoint.clone());
        }
        json!({ "input": input })
    }

    /// Fetches a page, packed by gzip where `is_packed`, and goes on from the same place the next time.
    async fn look(&mut self, is_packed: bool) -> Result<Pulled> {
        self.connection.accepts_gzip = is_packed;
        let answer = self.ask(&pull_query(), self.pull_variables()).await;
        self.connection.accepts_gzip = false;
        let answer = answer?;
        let mut pulled = read(&answer.body)?;
        pulled.packed = answer.packed;
        pulled.statements = answer.statements;
        Ok(pulled)
    }

    /// Pulls to the end.
    async fn pull(
        &mut self,
        is_packed: bool,
        mut between: impl FnMut() -> Result<()>,
    ) -> Result<Pulled> {
        let mut all = Pulled::default();
        loop {
            let page = self.look(is_packed).await?;
            self.checkpoint = Some(page.checkpoint);
            all.pages += 1;
            all.documents += page.documents;
            all.tombstones += page.tombstones;
            all.bytes += page.bytes;
            all.packed += page.packed;
            between()?;
            if !page.has_more {
                return Ok(all);
            }
        }
    }

    /// One page again and again: latencies in microseconds, in order of size.
    async fn measure(&mut self, times: usize) -> Result<Vec<u32>> {
        let query = pull_query();
        let variables = self.pull_variables();
        let mut micros = Vec::with_capacity(times);
        for _ in 0..times {
            let begun = Instant::now();
            self.ask(&query, variables.clone()).await?;
            micros.push(u32::try_from(begun.elapsed().as_micros())?);
        }
        micros.sort_unstable();
        Ok(micros)
    }
}

fn pull_query() -> String {
    let mut query = "query Pull($input: SyncPullInput!) { sync(input: $input) { strategy hasMore checkpoint { token } \
        scopes { kind clientId } tombstones { collection id reason }"
        .to_owned();
    for (list, fields) in KINDS {
        // Writing to a string cannot fail.
        let _ = write!(query, " {list} {{ id version deleted {fields} }}");
    }
    query + " } }"
}

fn read(body: &[u8]) -> Result<Pulled> {
    let answer: Value = serde_json::from_slice(body)?;
    let page = answer.pointer("/data/sync").ok_or("no page")?;
    let count = |list: &str| page.get(list).and_then(Value::as_array).map_or(0, Vec::len);
    Ok(Pulled {
        documents: KINDS.iter().map(|(list, _)| count(list)).sum(),
        tombstones: count("tombstones"),
        bytes: body.len(),
        has_more: page
            .get("hasMore")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        checkpoint: page.get("checkpoint").cloned().ok_or("no checkpoint")?,
        ..Pulled::default()
    })
}

pub(crate) async fn run(asked: &Phones) -> Result<()> {
    let mut deltas = Vec::new();
    for url in &asked.database {
        deltas.push(measure_on(asked, url).await?);
    }
    if let (Some((_, first)), true) = (deltas.first(), deltas.len() > 1) {
        println!("\n{CHANGES} changes, times those of the first database:");
        for (name, delta) in &deltas {
            println!("  {:5.2}  {name}", delta / first);
        }
    }
    Ok(())
}

/// Measures; answers what was measured on, and the median of a small pull in milliseconds.
async fn measure_on(asked: &Phones, url: &str) -> Result<(String, f64)> {
    let company = match Company::of(url).await? {
        Some(company) => company,
        None => {
            data::generate(&Generate {
                database: url.to_owned(),
                clients: asked.clients,
                reps: Some(asked.reps),
            })
            .await?
        }
    };
    let watched = Watched::find(url).await?;
    let folder = std::env::temp_dir().join(format!("clientele-phones-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let service = run::start(Side::Service, asked.service.as_deref(), url, &folder).await?;
    let pid = service.child.id();
    let cpu = || -> Result<Duration> { Ok(process::cpu(pid)? + watched.cpu()?) };
    let kind = if crate::store::is_postgres(url) {
        "PostgreSQL"
    } else {
        "SQLite"
    };
    let mut store = Store::open(url).await?;

    let (user, session) = data::claims(0);
    let mut ann = Phone::of(&service, user, session, asked.page).await?;
    let (before, mut most) = (process::resident_mb(pid)?, 0.0_f64);
    let (begun, spent) = (Instant::now(), cpu()?);
    let book = ann
        .pull(true, || {
            most = most.max(process::resident_mb(pid)?);
            Ok(())
        })
        .await?;
    let name = format!(
        "{kind}: a book of {} clients, {} documents",
        company.book(),
        book.documents
    );
    println!("\n{name}, of {} clients in all", company.clients);
    println!(
        "  first pull    {:.2} s, {:.2} s CPU, {} pages, {:.1} MB of JSON, {:.1} MB by gzip; memory {before:.0} to {most:.0} MB",
        begun.elapsed().as_secs_f64(),
        (cpu()?.saturating_sub(spent)).as_secs_f64(),
        book.pages,
        book.bytes as f64 / 1e6,
        book.packed as f64 / 1e6,
    );

    let statements = ann.look(false).await?.statements;
    let idle = ann.measure(asked.pulls).await?;
    println!(
        "  nothing new   {}, {} statements",
        times(&idle),
        told(statements)
    );

    // Twenty notes on twenty clients.
    for nth in 0..CHANGES {
        let client = ClientId(company.client(0, nth * 7 % company.book()));
        let input = json!({ "input": { "clientId": client, "body": "as agreed by telephone" } });
        let query =
            "mutation($input: NoteCreateInput!) { noteCreate(input: $input) { note { id } } }";
        ann.ask(query, input).await?;
    }
    let page = ann.look(false).await?;
    if page.documents != CHANGES {
        return Err(format!("{} documents for {CHANGES} changes", page.documents).into());
    }
    let rows = store.rows_read().await?;
    let delta = ann.measure(asked.pulls).await?;
    let rows = match (rows, store.rows_read().await?) {
        (Some(before), Some(after)) => {
            format!("{:.0}", (after - before) as f64 / asked.pulls as f64)
        }
        _ => "?".to_owned(),
    };
    println!(
        "  {CHANGES} changes    {}, {} statements, {rows} rows read (by the database's count)",
        times(&delta),
        told(page.statements)
    );

    pushes(asked, company, &service, &cpu).await?;
    hand_over(asked, company, &service, &mut ann).await?;
    drop(service);
    std::fs::remove_dir_all(&folder)?;
    Ok((name, percentile(&delta, 0.5)))
}

fn times(micros: &[u32]) -> String {
    format!(
        "p50 {:.2} ms, p99 {:.2} ms",
        percentile(micros, 0.5),
        percentile(micros, 0.99)
    )
}

fn told(statements: Option<u32>) -> String {
    statements.map_or_else(|| "?".to_owned(), |count| count.to_string())
}

/// Phones that push at the same time, each a rep's; then each batch again and again, as on a bad network.
async fn pushes(
    asked: &Phones,
    company: Company,
    service: &Running,
    cpu: &impl Fn() -> Result<Duration>,
) -> Result<()> {
    const PUSH: &str = "mutation Push($input: SyncPushInput!) { syncPush(input: $input) { results { opId status version \
        error { code message } } watermark } }";
    let mut rates = Vec::new();
    let mut spent = Vec::new();
    let plans: Vec<(usize, DeviceId, Vec<Value>)> = (0..asked.pushers)
        .map(|pusher| {
            let rep = 1 + pusher % (company.reps - 1).max(1);
            let device = DeviceId(Uuid::now_v7());
            let batches = (0..asked.batches)
                .map(|batch| {
                    let ops: Vec<Value> = (0..BATCH)
                        .map(|nth| note(company, rep, batch * BATCH + nth))
                        .collect();
                    json!({ "input": { "deviceId": device, "ops": ops } })
                })
                .collect();
            (rep, device, batches)
        })
        .collect();
    for (repeats, status) in [(1, "APPLIED"), (REPEATS, "DUPLICATE")] {
        let (begun, before) = (Instant::now(), cpu()?);
        let mut tasks = Vec::new();
        for (rep, _, batches) in plans.clone() {
            let (user, session) = data::claims(rep % company.reps);
            let mut phone = Phone::of(service, user, session, asked.page).await?;
            tasks.push(tokio::spawn(async move {
                for batch in batches {
                    for _ in 0..repeats {
                        let answer = phone.ask(PUSH, batch.clone()).await?;
                        let answer: Value = serde_json::from_slice(&answer.body)?;
                        let results = answer
                            .pointer("/data/syncPush/results")
                            .and_then(Value::as_array);
                        let results = results.ok_or("no results")?;
                        if let Some(odd) = results
                            .iter()
                            .find(|one| one.get("status") != Some(&json!(status)))
                        {
                            return Err(format!("not {status}: {odd}").into());
                        }
                    }
                }
                Result::Ok(())
            }));
        }
        for task in tasks {
            task.await??;
        }
        let count = asked.pushers * asked.batches * BATCH * repeats;
        rates.push(count as f64 / begun.elapsed().as_secs_f64());
        spent.push(cpu()?.saturating_sub(before).as_secs_f64());
    }
    let (Some(rate), Some(again)) = (rates.first(), rates.last()) else {
        return Ok(());
    };
    let share = spent
        .last()
        .zip(spent.first())
        .map_or(0.0, |(again, once)| again / once);
    println!(
        "  pushes        {rate:.0} operations/s by {} phones in batches of {BATCH}, {:.2} ms CPU each; {REPEATS} times again \
         {again:.0}/s, {:.0} % of the CPU of the first time in all",
        asked.pushers,
        spent.first().unwrap_or(&0.0) * 1e3 / (asked.pushers * asked.batches * BATCH) as f64,
        share * 100.0
    );
    Ok(())
}

fn note(company: Company, rep: usize, nth: usize) -> Value {
    let client = ClientId(company.client(rep % company.reps, nth % company.book()));
    json!({
        "opId": Uuid::now_v7(),
        "opSeq": nth + 1,
        "kind": "CREATE",
        "id": NoteId(Uuid::now_v7()),
        "note": { "clientId": client, "body": "as agreed by telephone" },
    })
}

/// The whole book of one rep goes to another, whose phone holds its own.
async fn hand_over(
    asked: &Phones,
    company: Company,
    service: &Running,
    ann: &mut Phone,
) -> Result<()> {
    if company.reps < 2 {
        return Ok(());
    }
    let quiet = || Ok(());
    // The service may have closed a connection that was quiet for so long.
    ann.connection = Connection::open(&service.address.to_string()).await?;
    ann.pull(false, quiet).await?;
    let (user, session) = data::claims(company.reps - 1);
    let mut ben = Phone::of(service, user, session, asked.page).await?;
    ben.pull(false, quiet).await?;
    let (admin, session) = data::admin(company);
    let mut office = Phone::of(service, admin, session, asked.page).await?;
    let (from, _) = data::claims(0);
    let input = json!({ "input": { "fromUserId": UserId(from), "toUserId": UserId(user) } });
    let query =
        "mutation($input: ClientHandOverInput!) { clientHandOver(input: $input) { clientCount } }";
    let begun = Instant::now();
    office.ask(query, input).await?;
    let took = begun.elapsed();
    let begun = Instant::now();
    let came = ben.pull(false, quiet).await?;
    let complete = begun.elapsed();
    let begun = Instant::now();
    let went = ann.pull(false, quiet).await?;
    println!(
        "  hand-over     {:.2} s; {} documents with the new owner after {:.2} s more, {} gone from the former owner's in {:.2} s",
        took.as_secs_f64(),
        came.documents,
        complete.as_secs_f64(),
        went.tombstones,
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// What gzip has packed.
pub(crate) fn unpacked(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut all)?;
    Ok(all)
}
