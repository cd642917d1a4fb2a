//! Who may change the status of a credential: its issuer; while it is frozen, only an accreditor above what is compromised (RULES 5.9).

use std::collections::BTreeMap;

use super::chain::Chain;
use super::{Refused, View};
use crate::did::Did;
use crate::form::ensure;
use crate::ids::{AccreditationId, Position, RegistrantNumber, TimeMs};
use crate::record::{AnchoredRecord, Record, RecordBody};
use crate::rejection::Rejection;
use crate::state::{AccreditationKey, Identifier, Place, PlaceContent, ReadState};

/// What the signer of a statement may change about the credentials of an issuer.
///
/// Only the accreditation under which a credential was anchored counts. Others may be a stranger's, given unasked, and are never
/// looked at: there may be any number of them.
pub(super) struct Authority {
    signer: Did,
    issuer: Did,
    issuer_number: RegistrantNumber,
    time: TimeMs,
    /// By the accreditation under which a credential was anchored; each is looked up once.
    verdicts: BTreeMap<AccreditationId, Result<(), Rejection>>,
}

impl Authority {
    /// The authority of `signer` over the credentials that `issuer` anchored, at `time`.
    pub(super) fn find<S: ReadState>(
        view: &View<S>,
        signer: &Identifier,
        issuer: Did,
        time: TimeMs,
    ) -> Result<Self, Refused> {
        let issuer_number = if issuer == signer.did {
            signer.number
        } else {
            ensure(view.any_compromised(), Rejection::NotIssuer)?;
            view.identifier(&issuer)?.ok_or(Rejection::NotIssuer)?.number
        };
        Ok(Self { signer: signer.did, issuer, issuer_number, time, verdicts: BTreeMap::new() })
    }

    /// Who signed.
    pub(super) fn signer(&self) -> Did {
        self.signer
    }

    /// The issuer's number.
    pub(super) fn issuer_number(&self) -> RegistrantNumber {
        self.issuer_number
    }

    /// What is said about a credential that is not the issuer's: to others than the issuer nothing may differ (RULES 9).
    pub(super) fn unknown(&self, refused: Refused) -> Refused {
        match refused {
            Refused::Rejected(_) if self.signer != self.issuer => Rejection::NotIssuer.into(),
            refused => refused,
        }
    }

    /// Whether the signer may change the credential at `position`.
    pub(super) fn over<S: ReadState>(&mut self, view: &View<S>, position: Position) -> Result<(), Refused> {
        if !view.any_compromised() {
            // Nothing is frozen, so the signer is the issuer.
            return Ok(());
        }
        let id = anchored_record(view, position)?.accreditation;
        let verdict = match self.verdicts.get(&id) {
            Some(verdict) => *verdict,
            None => {
                let chain = Chain::find(view, AccreditationKey { subject: self.issuer, id })?;
                let verdict = self.under(&chain.expect("credentials are anchored under an accreditation"));
                self.verdicts.insert(id, verdict);
                verdict
            }
        };
        Ok(verdict?)
    }

    /// Whether the signer may change what the issuer anchored under an accreditation with this chain.
    fn under(&self, chain: &Chain) -> Result<(), Rejection> {
        if self.signer == self.issuer {
            return ensure(!chain.is_frozen(), Rejection::StatusFrozen);
        }
        // An effective part of a chain is not frozen, so its holder stands above what is.
        let is_above =
            chain.link_of(&self.signer).is_some_and(|link| chain.from(link).effective(self.time).is_ok());
        ensure(chain.is_frozen() && is_above, Rejection::NotIssuer)
    }
}

/// The record that anchored the credential at `position`.
fn anchored_record<S: ReadState>(view: &View<S>, position: Position) -> Result<AnchoredRecord, Refused> {
    let Some(Place { content: PlaceContent::Anchored { leaf }, .. }) = view.place(position)? else {
        panic!("an anchored commitment is at a position that says so");
    };
    let leaf = view.leaf(leaf)?.expect("a place names a record of the log");
    let record = Record::decode(&leaf).expect("the log holds records only");
    let RecordBody::Anchored(anchored) = record.body else {
        panic!("the place of a credential names the record that anchored it");
    };
    Ok(anchored)
}
