//! How a trust file is written: JSON objects with named members, for people and for other verifiers.

use std::collections::BTreeSet;

use kvitto_ledger::genesis::{Limits, Member, MemberKey, Root};
use kvitto_ledger::scope::Scope;
use kvitto_ledger::{
    AccreditationId, ConfigHash, Did, Genesis, KeyBytes, LedgerConfig, LedgerId, Signature, TimeMs,
};
use kvitto_merkle::Note;
use serde::{Deserialize, Serialize};

use super::{Closing, EPOCHS_MAX, Epoch, TrustError, TrustFile};
use crate::json::{self, format_tag};

format_tag! {
    /// `"kvitto/trust/v1"`.
    TrustFormat = "kvitto/trust/v1"
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    format: TrustFormat,
    origin: String,
    ledger_id: LedgerId,
    genesis_time_ms: TimeMs,
    epochs: Vec<FileEpoch>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEpoch {
    config_hash: ConfigHash,
    rules_version: u16,
    limits: FileLimits,
    members: Vec<FileMember>,
    roots: Vec<FileRoot>,
    /// The epoch's last checkpoint with its cosignatures; absent in the last epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closing: Option<NoteText>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct NoteText(#[serde(with = "json::text")] Note);

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLimits {
    reserved_unused_max: u32,
    revocations_per_hour_max: u32,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMember {
    name: String,
    consensus: FileKey,
    cosignature: FileKey,
    log: FileKey,
    operator: FileKey,
    peer: FileKey,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKey {
    key: KeyBytes,
    proof: Signature,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRoot {
    did: Did,
    key: KeyBytes,
    legal_name: String,
    country: String,
    accreditation: AccreditationId,
    scope: FileScope,
    valid_from_ms: TimeMs,
    valid_until_ms: TimeMs,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileScope {
    types: BTreeSet<String>,
    schemas: BTreeSet<String>,
    jurisdictions: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    eqf_levels: Option<BTreeSet<u8>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    isced_fields: Option<BTreeSet<String>>,
}

impl File {
    /// Checks everything that the file says.
    pub(super) fn open(self) -> Result<TrustFile, TrustError> {
        if !(1..=EPOCHS_MAX).contains(&self.epochs.len()) {
            return Err(TrustError::EpochCount);
        }
        let first = self.epochs[0].config();
        let genesis = Genesis { origin: self.origin, time: self.genesis_time_ms, config: first };
        let found = genesis.ledger_id();
        if found != self.ledger_id {
            return Err(TrustError::LedgerId { stated: self.ledger_id, found });
        }
        let open_epoch = |(index, epoch): (usize, FileEpoch)| epoch.open(&genesis, index);
        let epochs = self.epochs.into_iter().enumerate().map(open_epoch).collect::<Result<_, _>>()?;
        TrustFile { ledger_id: found, genesis, epochs }.checked()
    }
}

impl FileEpoch {
    fn config(&self) -> LedgerConfig {
        LedgerConfig {
            members: self.members.iter().map(FileMember::to_member).collect(),
            roots: self.roots.iter().map(FileRoot::to_root).collect(),
            limits: Limits {
                reserved_unused_max: self.limits.reserved_unused_max,
                revocations_per_hour_max: self.limits.revocations_per_hour_max,
            },
            rules_version: self.rules_version,
        }
    }

    fn open(self, genesis: &Genesis, index: usize) -> Result<Epoch, TrustError> {
        let config = self.config();
        if config.hash() != self.config_hash {
            return Err(TrustError::ConfigHash { epoch: index });
        }
        let closing =
            self.closing.map(|NoteText(note)| Closing::new(note, &genesis.origin, index)).transpose()?;
        Epoch::new(genesis, config, closing, index)
    }
}

impl FileMember {
    fn to_member(&self) -> Member {
        let key = |key: &FileKey| MemberKey { key: key.key, proof: key.proof };
        Member {
            name: self.name.clone(),
            consensus: key(&self.consensus),
            cosignature: key(&self.cosignature),
            log: key(&self.log),
            operator: key(&self.operator),
            peer: key(&self.peer),
        }
    }
}

impl From<&Member> for FileMember {
    fn from(member: &Member) -> Self {
        let key = |key: &MemberKey| FileKey { key: key.key, proof: key.proof };
        Self {
            name: member.name.clone(),
            consensus: key(&member.consensus),
            cosignature: key(&member.cosignature),
            log: key(&member.log),
            operator: key(&member.operator),
            peer: key(&member.peer),
        }
    }
}

impl FileRoot {
    fn to_root(&self) -> Root {
        let scope = self.scope.clone();
        Root {
            did: self.did,
            key: self.key,
            legal_name: self.legal_name.clone(),
            country: self.country.clone(),
            accreditation: self.accreditation,
            scope: Scope {
                types: scope.types,
                schemas: scope.schemas,
                jurisdictions: scope.jurisdictions,
                eqf_levels: scope.eqf_levels,
                isced_fields: scope.isced_fields,
            },
            valid_from: self.valid_from_ms,
            valid_until: self.valid_until_ms,
        }
    }
}

impl From<&Root> for FileRoot {
    fn from(root: &Root) -> Self {
        let scope = root.scope.clone();
        Self {
            did: root.did,
            key: root.key,
            legal_name: root.legal_name.clone(),
            country: root.country.clone(),
            accreditation: root.accreditation,
            scope: FileScope {
                types: scope.types,
                schemas: scope.schemas,
                jurisdictions: scope.jurisdictions,
                eqf_levels: scope.eqf_levels,
                isced_fields: scope.isced_fields,
            },
            valid_from_ms: root.valid_from,
            valid_until_ms: root.valid_until,
        }
    }
}

impl From<&Epoch> for FileEpoch {
    fn from(epoch: &Epoch) -> Self {
        let config = epoch.config();
        Self {
            config_hash: epoch.config_hash(),
            rules_version: config.rules_version,
            limits: FileLimits {
                reserved_unused_max: config.limits.reserved_unused_max,
                revocations_per_hour_max: config.limits.revocations_per_hour_max,
            },
            members: config.members.iter().map(FileMember::from).collect(),
            roots: config.roots.iter().map(FileRoot::from).collect(),
            closing: epoch.closing().map(|closing| NoteText(closing.note().clone())),
        }
    }
}

impl From<TrustFile> for File {
    fn from(trust: TrustFile) -> Self {
        Self {
            format: TrustFormat,
            origin: trust.genesis.origin.clone(),
            ledger_id: trust.ledger_id,
            genesis_time_ms: trust.genesis.time,
            epochs: trust.epochs.iter().map(FileEpoch::from).collect(),
        }
    }
}
