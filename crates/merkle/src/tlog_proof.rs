//! A `c2sp.org/tlog-proof@v1` file: one entry's inclusion proof with the checkpoint it leads to.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>              only when there are extra bytes; nobody signs them
//! index <decimal>
//! <base64 hash>               each on its line, from the leaf's sibling up
//!
//! <checkpoint, a signed note, verbatim>
//! ```
//!
//! Source: <https://c2sp.org/tlog-proof> (not yet tagged; read at C2SP/C2SP 0065ea5b).

use std::fmt;
use std::str::FromStr;

use crate::log::{InclusionProof, PROOF_HASHES_MAX};
use crate::note::{Note, NoteFormatError};
use crate::text::{base64_decode, base64_encode, base64_hash, decimal};

/// The most extra bytes that are read or written.
pub const EXTRA_BYTES_MAX: usize = 64 * 1024;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// A parsed proof file. Nothing in it is checked against anything yet.
///
/// `C` is the checkpoint: a parsed note, or its text for who only writes the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof<C = Note> {
    /// Bytes that the application added; at most [`EXTRA_BYTES_MAX`], not authenticated. Empty
    /// means that the line is absent.
    pub extra: Vec<u8>,
    /// The entry's zero-based index in the log.
    pub index: u64,
    /// The sibling hashes from the leaf up.
    pub proof: InclusionProof,
    /// The checkpoint with all its signature lines.
    pub checkpoint: C,
}

/// The text is no proof file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// The first line is not `c2sp.org/tlog-proof@v1`.
    #[error("not a c2sp.org/tlog-proof@v1")]
    FirstLine,
    /// The `extra` line is not base64 of 1 to 65,536 bytes.
    #[error("the extra line is not base64 of 1 to 65536 bytes")]
    Extra,
    /// The `index` line is absent or not a canonical decimal number.
    #[error("the index line is missing or not a decimal number")]
    Index,
    /// A line of the proof is not a hash, there are more than 63, or no empty line follows.
    #[error("the proof is not a list of at most 63 base64 hashes and an empty line")]
    Hashes,
    /// What follows the empty line is not a signed note.
    #[error("the checkpoint is not a signed note")]
    Checkpoint(#[source] NoteFormatError),
}

impl<C: fmt::Display> fmt::Display for TlogProof<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{FIRST_LINE}")?;
        if !self.extra.is_empty() {
            writeln!(formatter, "extra {}", base64_encode(&self.extra))?;
        }
        writeln!(formatter, "index {}", self.index)?;
        for hash in self.proof.hashes() {
            writeln!(formatter, "{}", base64_encode(&hash.0))?;
        }
        write!(formatter, "\n{}", self.checkpoint)
    }
}

impl FromStr for TlogProof {
    type Err = TlogProofError;

    fn from_str(text: &str) -> Result<TlogProof, TlogProofError> {
        let (first, rest) = text.split_once('\n').ok_or(TlogProofError::FirstLine)?;
        if first != FIRST_LINE {
            return Err(TlogProofError::FirstLine);
        }
        let (extra, rest) = match rest.strip_prefix("extra ") {
            Some(line_and_rest) => parse_extra(line_and_rest)?,
            None => (Vec::new(), rest),
        };
        let (index, rest) = rest
            .strip_prefix("index ")
            .and_then(|rest| rest.split_once('\n'))
            .ok_or(TlogProofError::Index)?;
        let index = decimal(index).ok_or(TlogProofError::Index)?;
        let (proof, rest) = parse_hashes(rest)?;
        let checkpoint = rest.parse().map_err(TlogProofError::Checkpoint)?;
        Ok(TlogProof { extra, index, proof, checkpoint })
    }
}

fn parse_extra(line_and_rest: &str) -> Result<(Vec<u8>, &str), TlogProofError> {
    let (base64, rest) = line_and_rest.split_once('\n').ok_or(TlogProofError::Extra)?;
    // Checked before decoding, so that the length of the text bounds the work.
    if base64.len() > EXTRA_BYTES_MAX.div_ceil(3) * 4 {
        return Err(TlogProofError::Extra);
    }
    let extra = base64_decode(base64).ok_or(TlogProofError::Extra)?;
    if extra.is_empty() || extra.len() > EXTRA_BYTES_MAX {
        return Err(TlogProofError::Extra);
    }
    Ok((extra, rest))
}

fn parse_hashes(mut rest: &str) -> Result<(InclusionProof, &str), TlogProofError> {
    let mut hashes = Vec::new();
    loop {
        let (line, after) = rest.split_once('\n').ok_or(TlogProofError::Hashes)?;
        rest = after;
        if line.is_empty() {
            break;
        }
        if hashes.len() == PROOF_HASHES_MAX {
            return Err(TlogProofError::Hashes);
        }
        hashes.push(base64_hash(line).ok_or(TlogProofError::Hashes)?);
    }
    let proof = InclusionProof::new(hashes).map_err(|_| TlogProofError::Hashes)?;
    Ok((proof, rest))
}
