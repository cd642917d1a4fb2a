//! Who may do what, as the records of the log tell it: a second, plain reading that shares nothing with the rules' own state.

use std::collections::{BTreeMap, BTreeSet};

use kvitto_ledger::genesis::Root;
use kvitto_ledger::ids::AccreditationId;
use kvitto_ledger::keys::thumbprint;
use kvitto_ledger::record::AccreditationRecord;
use kvitto_ledger::scope::{ANY, Role};
use kvitto_ledger::{Commitment, Did, KeyBytes, KeyId, Position, RecordBody, TimeMs};
use kvitto_merkle::status::StatusValue;

use super::ensure;

/// Longest chain of accreditations (RULES 6.1).
const DEPTH_MAX: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Registry {
    keys: BTreeMap<Did, Vec<KeyBytes>>,
    accreditations: BTreeMap<(Did, AccreditationId), AccreditationRecord>,
    statuses: BTreeMap<Position, StatusValue>,
    /// Who anchored what stands at a position, and under which accreditation.
    anchored: BTreeMap<Position, (Did, AccreditationId)>,
    commitments: BTreeSet<(Did, Commitment)>,
}

impl Registry {
    /// Takes the roots of the genesis, which have no record of their names.
    pub(super) fn with_roots(roots: &[Root]) -> Self {
        let keys = roots.iter().map(|root| (root.did, vec![root.key])).collect();
        Self { keys, ..Self::default() }
    }

    /// The key that a statement names.
    pub(super) fn key(&self, id: &KeyId) -> Option<KeyBytes> {
        self.keys.get(&id.did)?.iter().copied().find(|key| thumbprint(key) == id.thumbprint)
    }

    /// Whether the registry, as it was before this record, allows `signer` to cause it; then the record is part of it.
    pub(super) fn take(
        &mut self,
        record: RecordBody,
        signer: Option<Did>,
        time: TimeMs,
    ) -> Result<(), String> {
        let by = |who: Did| ensure(signer == Some(who), || format!("{signer:?} signed what only {who} may"));
        match record {
            RecordBody::Identifier(record) => {
                let keys = record.methods.iter().filter_map(|method| method.ed25519()).collect();
                if record.deactivated || self.keys.contains_key(&record.did) && signer == Some(record.did) {
                    let allowed = [record.did, record.sponsor].contains(&signer.ok_or("nobody signed it")?);
                    ensure(allowed, || format!("{signer:?} changed {}", record.did))?;
                } else {
                    by(record.sponsor)?;
                    self.effective(record.sponsor, record.sponsor_accreditation, Role::Tao, time)?;
                }
                let keys = if record.deactivated { Vec::new() } else { keys };
                self.keys.insert(record.did, keys);
            }
            RecordBody::Accreditation(record) => {
                if let Some(parent) = record.parent {
                    by(record.accreditor)?;
                    self.effective(record.accreditor, parent, Role::Tao, time)?;
                } else {
                    ensure(signer.is_none(), || "a root is accredited after the genesis".to_owned())?;
                }
                self.accreditations.insert((record.subject, record.id), record);
            }
            RecordBody::AccreditationStatus(record) => {
                by(record.by)?;
                let above = self.chain(record.subject, record.id)?;
                let is_above = above.iter().any(|link| link.accreditor == record.by);
                ensure(is_above, || format!("{} is no accreditor of {}", record.by, record.subject))?;
                self.statuses.insert(record.position, record.status.0);
            }
            RecordBody::Reservation(record) => {
                by(record.issuer)?;
                self.effective(record.issuer, record.accreditation, Role::Ti, time)?;
            }
            RecordBody::Anchored(record) => {
                by(record.issuer)?;
                let link = self.effective(record.issuer, record.accreditation, Role::Ti, time)?;
                let types = &link.scope.types;
                ensure(types.contains(&record.credential_type) || types.contains(ANY), || {
                    format!("{} is not accredited for {}", record.issuer, record.credential_type)
                })?;
                let is_new = self.commitments.insert((record.issuer, record.commitment));
                ensure(is_new, || format!("{} anchors {} again", record.issuer, record.commitment))?;
                self.anchored.insert(record.position, (record.issuer, record.accreditation));
            }
            RecordBody::Status(record) => {
                by(record.by)?;
                let (issuer, id) = *self.anchored.get(&record.position).ok_or("nothing stands there")?;
                let is_above = || Ok(self.chain(issuer, id)?.iter().any(|link| link.accreditor == record.by));
                let allowed: Result<bool, String> = if issuer == record.by { Ok(true) } else { is_above() };
                ensure(allowed?, || format!("{} changed a credential of {issuer}", record.by))?;
                let before = self.statuses.insert(record.position, record.status.0);
                ensure(before != Some(StatusValue::Revoked), || {
                    format!("position {} was revoked before", record.position)
                })?;
            }
            RecordBody::Genesis(_) | RecordBody::Block(_) => {}
        }
        Ok(())
    }

    /// The accreditation and those above it, up to a root.
    fn chain(&self, subject: Did, id: AccreditationId) -> Result<Vec<&AccreditationRecord>, String> {
        let mut chain = Vec::new();
        let mut next = Some((subject, id));
        while let Some(key) = next {
            let link = self
                .accreditations
                .get(&key)
                .ok_or_else(|| format!("{} has no such accreditation", key.0))?;
            chain.push(link);
            ensure(chain.len() <= DEPTH_MAX, || format!("the chain of {subject} is too long"))?;
            next = link.parent.map(|parent| (link.accreditor, parent));
        }
        Ok(chain)
    }

    /// The accreditation, when it and everything above it holds at this time.
    fn effective(
        &self,
        subject: Did,
        id: AccreditationId,
        role: Role,
        time: TimeMs,
    ) -> Result<&AccreditationRecord, String> {
        let chain = self.chain(subject, id)?;
        for (above, link) in chain.iter().enumerate() {
            let needed = if above == 0 { role } else { Role::Tao };
            let may = link.role == needed || (needed == Role::Tao && link.role == Role::RootTao);
            ensure(may, || format!("{} has another role", link.subject))?;
            let began = link.parent.is_none() || (link.valid_from <= time && time <= link.valid_until);
            ensure(began, || format!("the accreditation of {} does not hold at {time}", link.subject))?;
            let status = self.statuses.get(&link.position).copied().unwrap_or_default();
            ensure(status == StatusValue::Valid, || {
                format!("the accreditation of {} is {status:?}", link.subject)
            })?;
        }
        Ok(chain[0])
    }
}
