//! What the ledger takes of the machine: memory of this process, and the members' data folders.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use kvitto_node::config::Config;
use kvitto_tests::world::World;

use crate::MEMBERS;

/// Room that a node sets aside whatever it stores.
const BALLAST: &str = "ballast";

/// Taken at one moment, when every member has published what any has.
pub(crate) struct Stores {
    /// Resident memory of this process over the number of nodes in it: an upper bound for a node's, as the client's and
    /// everything shared is in it. Not a number where the system does not tell.
    pub(crate) memory_mib: f64,
    /// Length of all files in all data folders, the ballast aside.
    bytes: u64,
}

impl Stores {
    pub(crate) async fn measure(world: &World) -> Result<Self> {
        let mut bytes = 0;
        for member in 0..MEMBERS {
            world.cluster.caught_up(member).await?;
            let folder = Config::read(&world.sandbox.config(member))?.data;
            bytes += folder_bytes(&folder).with_context(|| format!("cannot measure {}", folder.display()))?;
        }
        Ok(Self { memory_mib: resident_mib() / MEMBERS as f64, bytes })
    }

    /// Bytes on one node's disk for each of `count` commitments that were anchored since `earlier`.
    pub(crate) fn bytes_since(&self, earlier: &Self, count: u64) -> f64 {
        self.bytes.saturating_sub(earlier.bytes) as f64 / MEMBERS as f64 / count as f64
    }
}

fn folder_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = match entry.metadata() {
            // The store removes files while it runs.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            found => found?,
        };
        bytes += match found.is_dir() {
            true => folder_bytes(&entry.path())?,
            false if entry.file_name() == BALLAST => 0,
            false => found.len(),
        };
    }
    Ok(bytes)
}

fn resident_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}
