//! Accreditation chains: from an accreditation up to its root.

use std::sync::Arc;

use super::{Refused, View};
use crate::did::Did;
use crate::form::ensure;
use crate::ids::TimeMs;
use crate::rejection::Rejection;
use crate::state::{Accreditation, AccreditationKey, ReadState};

/// Most links of a chain, root included.
pub(crate) const LINKS_MAX: usize = 8;

/// An accreditation and everything it hangs on: the accreditation first, the root last.
pub(super) struct Chain(Vec<Arc<Accreditation>>);

impl Chain {
    /// The chain of an accreditation; `None` where there is no such accreditation.
    pub(super) fn find<S: ReadState>(view: &View<S>, key: AccreditationKey) -> Result<Option<Self>, Refused> {
        let mut links = Vec::new();
        let mut next = Some(key);
        while let Some(key) = next {
            let Some(link) = view.accreditation(&key)? else {
                assert!(links.is_empty(), "an accreditation is recorded only under one that exists");
                return Ok(None);
            };
            next = link.parent_key();
            links.push(link);
            assert!(links.len() <= LINKS_MAX, "a longer chain is never recorded");
        }
        Ok(Some(Self(links)))
    }

    /// The chain of an accreditation that `signer` says it holds, effective at `time`.
    pub(super) fn held<S: ReadState>(
        view: &View<S>,
        key: AccreditationKey,
        time: TimeMs,
    ) -> Result<Self, Refused> {
        let chain = Self::find(view, key)?.ok_or(Rejection::AccreditationMissing)?;
        chain.from(0).effective(time)?;
        Ok(chain)
    }

    /// The accreditation itself.
    pub(super) fn own(&self) -> &Accreditation {
        &self.0[0]
    }

    /// Number of links.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The part that begins at link `index`.
    pub(super) fn from(&self, index: usize) -> Links<'_> {
        Links(&self.0[index..])
    }

    /// How far above the accreditation `did` stands as the subject of a link: 0 is the accreditation itself.
    pub(super) fn link_of(&self, did: &Did) -> Option<usize> {
        self.0.iter().position(|link| link.key.subject == *did)
    }

    /// Whether a link is suspended because a key was in wrong hands.
    pub(super) fn is_frozen(&self) -> bool {
        self.0.iter().any(|link| link.is_compromised())
    }
}

/// Some links up to the root.
pub(super) struct Links<'a>(&'a [Arc<Accreditation>]);

impl Links<'_> {
    /// Whether all of them are in force at `time`.
    pub(super) fn effective(&self, time: TimeMs) -> Result<(), Rejection> {
        let all = |holds: fn(&Accreditation, TimeMs) -> bool| self.0.iter().all(|link| holds(link, time));
        ensure(all(|link, _| link.withdrawal.is_none()), Rejection::AccreditationWithdrawn)?;
        ensure(all(|link, _| link.suspension.is_none()), Rejection::AccreditationSuspended)?;
        ensure(all(|link, time| link.valid_from <= time), Rejection::AccreditationNotYet)?;
        ensure(all(|link, time| time <= link.valid_until), Rejection::AccreditationExpired)
    }
}
