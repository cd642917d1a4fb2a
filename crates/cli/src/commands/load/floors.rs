//! What this machine can do at all: signatures checked, leaves hashed, writes made durable.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use kvitto_ledger::SigningKey;
use kvitto_merkle::leaf_hash;
use serde::Serialize;

/// About the length of a statement that anchors one commitment.
const MESSAGE_BYTES: usize = 300;
/// About the length of an `Anchored` record.
const LEAF_BYTES: usize = 220;
const WRITE_BYTES: usize = 4096;

/// Floors, each measured alone on one core.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Floors {
    /// Ed25519 signatures checked strictly, per second.
    pub verifications_per_s: f64,
    /// Leaf hashes (SHA-256), per second.
    pub leaf_hashes_per_s: f64,
    /// Median of one durable write of 4 KiB (fdatasync), in milliseconds.
    pub fdatasync_ms: f64,
}

impl Floors {
    /// Measures each for about `time`; writes a file into `directory`, and removes it.
    ///
    /// # Errors
    /// The disk's.
    pub fn measure(directory: &Path, time: Duration) -> io::Result<Self> {
        let key = SigningKey::from_seed(&[7; 32]);
        let message = [7; MESSAGE_BYTES];
        let (public, signature) = (key.public(), key.sign(&message));
        let leaf = [7; LEAF_BYTES];
        Ok(Self {
            verifications_per_s: rate(time, 32, || {
                black_box(public.verifies(black_box(&message), &signature));
            }),
            leaf_hashes_per_s: rate(time / 4, 1024, || {
                black_box(leaf_hash(black_box(&leaf)));
            }),
            fdatasync_ms: fdatasync_ms(directory, time)?,
        })
    }
}

fn rate(time: Duration, at_once: u32, mut step: impl FnMut()) -> f64 {
    let (start, mut count) = (Instant::now(), 0u64);
    while start.elapsed() < time {
        for _ in 0..at_once {
            step();
        }
        count += u64::from(at_once);
    }
    count as f64 / start.elapsed().as_secs_f64()
}

fn fdatasync_ms(directory: &Path, time: Duration) -> io::Result<f64> {
    let path = directory.join(format!("kvitto-load-{}.tmp", std::process::id()));
    let measured = measure_writes(&path, time);
    std::fs::remove_file(&path)?;
    measured
}

fn measure_writes(path: &Path, time: Duration) -> io::Result<f64> {
    let mut file = File::create(path)?;
    let (begin, mut times) = (Instant::now(), Vec::new());
    while times.is_empty() || begin.elapsed() < time {
        let start = Instant::now();
        file.write_all(&[7; WRITE_BYTES])?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_are_measured_and_leave_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let floors = Floors::measure(directory.path(), Duration::from_millis(5)).unwrap();
        assert!(
            floors.verifications_per_s > 0.0 && floors.leaf_hashes_per_s > 0.0 && floors.fdatasync_ms > 0.0
        );
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
