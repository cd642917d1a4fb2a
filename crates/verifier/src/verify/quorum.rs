//! RULES 8.2 and 3.3: the quorum of distinct members, and the time that their cosignatures prove.

use kvitto_merkle::Note;
use kvitto_merkle::note::NoteError;

use crate::refusal::Refusal;
use crate::trust::{Epoch, freshness_s};

/// How far ahead of the given time a cosignature may be, for clocks that differ.
const AHEAD_S_MAX: u64 = 60;

/// Who cosigned a checkpoint, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The q-th largest of the members' times, in seconds since 1970-01-01T00:00:00Z: nothing final before it is missing.
    pub fresh_at_s: u64,
    /// The members that count, in the order of their first lines.
    pub members: Vec<String>,
}

/// Whether a quorum of an epoch's members cosigned `note`, at the time `at_s` (seconds since 1970-01-01T00:00:00Z).
///
/// A member counts once, with its latest line that is not too far ahead: a line that is must not hide an acceptable one.
///
/// # Errors
/// [`Refusal::BadCosignature`], [`Refusal::NoQuorum`], [`Refusal::FromTheFuture`].
pub fn signed_by_quorum(note: &Note, epoch: &Epoch, at_s: u64) -> Result<Signed, Refusal> {
    let needed = epoch.config().quorum();
    let cosignatures = match epoch.cosignatures(note) {
        Ok(cosignatures) => cosignatures,
        Err(NoteError::BadSignature { name, .. } | NoteError::AmbiguousKey { name, .. }) => {
            return Err(Refusal::BadCosignature { member: name.to_string() });
        }
        Err(NoteError::NoKnownSignature) => Vec::new(),
    };
    let signed = cosignatures.len();
    if signed < needed {
        return Err(Refusal::NoQuorum { signed, needed });
    }
    let until_s = at_s.saturating_add(AHEAD_S_MAX);
    let counted = cosignatures.into_iter().filter_map(|one| Some((one.latest_s(until_s)?, one.member)));
    let (times, members): (Vec<u64>, Vec<String>) = counted.unzip();
    let mut fresh_at_s = freshness_s(times, needed).ok_or(Refusal::FromTheFuture)?;
    // Retired keys can still sign an old tree today; what came after their epoch they have not seen.
    if let Some(closing) = epoch.closing() {
        fresh_at_s = fresh_at_s.min(closing.fresh_at_s());
    }
    Ok(Signed { fresh_at_s, members })
}
