//! RULES 8.2 and 3.3: the quorum of distinct members, and the time that their cosignatures prove.

use kvitto_merkle::note::NoteError;

use super::checkpoint::Head;
use crate::refusal::Refusal;
use crate::trust::freshness_s;

/// How far ahead of the given time a cosignature may be, for clocks that differ.
const AHEAD_S_MAX: u64 = 60;

/// Who cosigned the checkpoint, and when.
pub(super) struct Signed {
    /// The q-th largest time.
    pub(super) fresh_at_s: u64,
    /// The members that count, in the order of their lines.
    pub(super) members: Vec<String>,
}

pub(super) fn check(head: &Head<'_>, at_s: u64) -> Result<Signed, Refusal> {
    let needed = head.epoch.config().quorum();
    let cosignatures = match head.epoch.cosignatures(head.note) {
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
    let latest_s = at_s.saturating_add(AHEAD_S_MAX);
    let counted: Vec<_> = cosignatures.into_iter().filter(|one| one.timestamp_s <= latest_s).collect();
    let mut fresh_at_s = freshness_s(&counted, needed).ok_or(Refusal::FromTheFuture)?;
    // Retired keys can still sign an old tree today; what came after their epoch they have not seen.
    if let Some(closing) = head.epoch.closing() {
        fresh_at_s = fresh_at_s.min(closing.fresh_at_s());
    }
    Ok(Signed { fresh_at_s, members: counted.into_iter().map(|one| one.member).collect() })
}
