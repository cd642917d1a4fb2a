//! A line of the register: JSON that ends with the CRC-32 of what stands before it.
//!
//! ```text
//! {"batch":7,"entry":"anchored",…,"crc":"89abcdef"}\n        crc = CRC-32 (IEEE) of the line up to `,"crc"`
//! ```
//!
//! `batch` counts appends. A later batch was begun only after an earlier one was durable: that tells damage from a torn end.

use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::error::RegisterError;

const CRC_MARK: &str = r#","crc":""#;
/// `,"crc":"` + 8 digits + `"}`.
const CRC_BYTES: usize = CRC_MARK.len() + 8 + 2;
/// A statement of 256 KiB in base64, with 4,096 commitments in hexadecimal, fits twice.
const LINE_BYTES_MAX: u64 = 2 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Line<E> {
    batch: u64,
    #[serde(flatten)]
    entry: E,
}

/// What a register's file holds.
#[derive(Debug, Default)]
pub struct Scanned {
    pub(super) entries: Vec<Entry>,
    /// Number of the last append.
    pub(super) last_batch: u64,
    /// Length of the good lines, in bytes.
    pub good_bytes: u64,
    /// Whether a crash left something unfinished behind them.
    pub torn: bool,
}

pub(super) fn write(batch: u64, entry: &Entry) -> String {
    let json = serde_json::to_string(&Line { batch, entry }).expect("entries are texts and numbers");
    let body = json.strip_suffix('}').expect("an object ends with a brace");
    format!("{body}{CRC_MARK}{:08x}\"}}\n", crc32fast::hash(body.as_bytes()))
}

/// Reads a register's file line by line.
///
/// # Errors
/// [`RegisterError::Write`] where reading fails, [`RegisterError::Damaged`], [`RegisterError::Newer`].
pub fn scan(mut file: impl BufRead) -> Result<Scanned, RegisterError> {
    let mut scanned = Scanned::default();
    let mut behind = Behind::default();
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let read = read_line(&mut file, &mut bytes).map_err(RegisterError::Write)?;
        if read == 0 {
            break;
        }
        match (read_body(&bytes), scanned.torn) {
            (None, torn) => {
                if !torn {
                    scanned.torn = true;
                    behind.first_line = number;
                }
            }
            (Some(body), true) => behind.meet(batch_of(body), scanned.last_batch)?,
            (Some(body), false) => {
                let line: Line<Entry> =
                    serde_json::from_str(body).map_err(|_| RegisterError::Newer { line: number })?;
                scanned.last_batch = line.batch;
                scanned.entries.push(line.entry);
                scanned.good_bytes += read as u64;
            }
        }
    }
    Ok(scanned)
}

/// Batches met behind the first bad line.
#[derive(Default)]
struct Behind {
    first_line: usize,
    same: bool,
    next: bool,
}

impl Behind {
    /// A bad line is torn off only if it belongs to the last append. It is in batch `last` or the one after; whole lines
    /// of a later batch prove that its own was durable once.
    fn meet(&mut self, batch: Option<u64>, last: u64) -> Result<(), RegisterError> {
        match batch.and_then(|batch| batch.checked_sub(last)) {
            Some(0) => self.same = true,
            Some(1) => self.next = true,
            _ => return Err(RegisterError::Damaged { line: self.first_line }),
        }
        if self.same && self.next {
            return Err(RegisterError::Damaged { line: self.first_line });
        }
        Ok(())
    }
}

fn read_line(file: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<usize> {
    io::Read::take(file, LINE_BYTES_MAX).read_until(b'\n', bytes)
}

/// The JSON of a whole line.
fn read_body(line: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let split = text.len().checked_sub(CRC_BYTES)?;
    let (body, end) = (text.get(..split)?, text.get(split..)?);
    let crc = end.strip_prefix(CRC_MARK)?.strip_suffix("\"}")?;
    (crc == format!("{:08x}", crc32fast::hash(body.as_bytes()))).then_some(text)
}

fn batch_of(body: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Batch {
        batch: u64,
    }
    serde_json::from_str::<Batch>(body).ok().map(|line| line.batch)
}
