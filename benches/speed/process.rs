//! What a process costs, as the system counts it (Linux only: `/proc`).

use std::fs;
use std::time::Duration;

use crate::Result;

/// Clock ticks per second in `/proc`; 100 on every Linux.
const TICKS: u64 = 100;

/// User and system time of a process, all its threads.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let fields = stat(pid)?;
    Ok(ticks(&fields, 11, 12))
}

/// CPU of the processes of a PostgreSQL cluster: its children and those that ended.
pub(crate) fn cpu_of_children(parent: u32) -> Result<Duration> {
    // Times of children that were waited for, then those that run.
    let mut sum = ticks(&stat(parent)?, 13, 14);
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end while it is looked at.
        if let Ok(fields) = stat(pid)
            && fields
                .get(1)
                .is_some_and(|field| field == &parent.to_string())
        {
            sum += ticks(&fields, 11, 12);
        }
    }
    Ok(sum)
}

/// The parent of a process.
pub(crate) fn parent(pid: u32) -> Result<u32> {
    let fields = stat(pid)?;
    Ok(fields.get(1).ok_or("no parent")?.parse()?)
}

/// Memory in use now, in megabytes of 10^6 bytes.
pub(crate) fn resident_mb(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no memory")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1_024.0 / 1e6)
}

/// The fields of `/proc/PID/stat` after the name, which may hold anything.
fn stat(pid: u32) -> Result<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(')').ok_or("no name")?;
    Ok(rest.split_whitespace().map(str::to_owned).collect())
}

fn ticks(fields: &[String], user: usize, system: usize) -> Duration {
    let field = |at: usize| -> u64 {
        let text = fields.get(at).map(String::as_str);
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    Duration::from_millis((field(user) + field(system)) * 1_000 / TICKS)
}
