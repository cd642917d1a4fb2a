//! An epoch: the members and roots of one `config_hash`, and the checkpoint that ended it.

use kvitto_ledger::ids::Signature;
use kvitto_ledger::{ConfigHash, Genesis, KeyBytes, LedgerConfig, PublicKey};
use kvitto_merkle::note::{KeyName, NoteError, SignatureType, VerifierKey, verify_note};
use kvitto_merkle::{Checkpoint, Note};

use super::TrustError;

/// The time of one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    config: LedgerConfig,
    config_hash: ConfigHash,
    /// Cosignature keys, in the members' order.
    cosigners: Vec<VerifierKey>,
    /// The same keys, ready to verify with: to check a key costs nearly as much as to use it.
    public_keys: Vec<PublicKey>,
    /// Log keys, in the members' order.
    logs: Vec<VerifierKey>,
    pub(super) closing: Option<Closing>,
}

/// The last checkpoint of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    note: Note,
    checkpoint: Checkpoint,
    /// Known once the trust file as a whole was checked.
    pub(super) fresh_at_s: u64,
}

/// A member's good cosignatures on one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberCosignatures {
    /// The member's name.
    pub(crate) member: String,
    /// When it signed, in seconds since 1970-01-01T00:00:00Z; never empty.
    times_s: Vec<u64>,
}

impl MemberCosignatures {
    /// The latest time that is not after `until_s`.
    pub(crate) fn latest_s(&self, until_s: u64) -> Option<u64> {
        self.times_s.iter().copied().filter(|time_s| *time_s <= until_s).max()
    }
}

impl Epoch {
    /// An epoch of the ledger that begins with `genesis`; `index` is for errors.
    pub(super) fn new(
        genesis: &Genesis,
        config: LedgerConfig,
        closing: Option<Closing>,
        index: usize,
    ) -> Result<Self, TrustError> {
        let as_genesis = Genesis { config, ..genesis.clone() };
        as_genesis.check().map_err(|source| TrustError::Config { epoch: index, source })?;
        let Genesis { origin, config, .. } = as_genesis;
        let key = |name: &str, signature_type, key: &KeyBytes| {
            let name: KeyName = name.parse().expect("a checked genesis has C2SP key names only");
            VerifierKey::new(name, signature_type, key.0)
        };
        let cosigner = |member: &kvitto_ledger::genesis::Member| {
            key(&member.name, SignatureType::CosignatureV1, &member.cosignature.key)
        };
        Ok(Self {
            cosigners: config.members.iter().map(cosigner).collect(),
            logs: config.members.iter().map(|m| key(&origin, SignatureType::Ed25519, &m.log.key)).collect(),
            public_keys: config
                .members
                .iter()
                .filter_map(|m| PublicKey::new(&m.cosignature.key).ok())
                .collect(),
            config_hash: config.hash(),
            config,
            closing,
        })
    }

    /// Members, roots, limits and rules.
    pub fn config(&self) -> &LedgerConfig {
        &self.config
    }

    /// Their hash.
    pub fn config_hash(&self) -> ConfigHash {
        self.config_hash
    }

    /// The epoch's last checkpoint, once it has ended.
    pub fn closing(&self) -> Option<&Closing> {
        self.closing.as_ref()
    }

    /// The members whose cosignature is on `note`, in the order of their first lines, each member once.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`]: a line of a member's key does not verify. [`NoteError::NoKnownSignature`]: there is none.
    pub(crate) fn cosignatures(&self, note: &Note) -> Result<Vec<MemberCosignatures>, NoteError> {
        let verified = verify_note(note, &self.cosigners, &|key, message, signature| {
            let key = self.public_keys.iter().find(|public| public.bytes().0 == *key);
            key.is_some_and(|key| key.verifies(message, &Signature(*signature)))
        })?;
        let named = verified.into_iter().map(|signature| MemberCosignatures {
            member: signature.key.name().to_string(),
            times_s: signature.times_s,
        });
        Ok(named.collect())
    }

    /// Every key of the epoch that signs checkpoints, with its member's name: evidence needs both kinds.
    pub(crate) fn checkpoint_keys(&self) -> impl Iterator<Item = (&VerifierKey, &str)> {
        let names = || self.config.members.iter().map(|member| member.name.as_str());
        self.cosigners.iter().zip(names()).chain(self.logs.iter().zip(names()))
    }
}

impl Closing {
    pub(super) fn new(note: Note, origin: &str, epoch: usize) -> Result<Self, TrustError> {
        let checkpoint: Option<Checkpoint> = note.text().parse().ok();
        let checkpoint = checkpoint.filter(|checkpoint| checkpoint.origin.as_str() == origin);
        let checkpoint = checkpoint.ok_or(TrustError::ClosingCheckpoint { epoch })?;
        Ok(Self { note, checkpoint, fresh_at_s: 0 })
    }

    /// The checkpoint with its cosignatures.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Size and root of the epoch's last tree.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The freshness that the outgoing members' cosignatures on it prove (RULES 3.3), in seconds since 1970.
    ///
    /// Whatever retired keys sign later proves nothing about the time after it.
    pub fn fresh_at_s(&self) -> u64 {
        self.fresh_at_s
    }
}

/// RULES 3.3: the q-th largest of the members' times, one for each; `None` where fewer than q signed.
pub(crate) fn freshness_s(mut times_s: Vec<u64>, quorum: usize) -> Option<u64> {
    times_s.sort_unstable_by(|a, b| b.cmp(a));
    times_s.get(quorum.checked_sub(1)?).copied()
}

/// The ledger's one way to check an Ed25519 signature, as notes need it.
pub(crate) fn verify_strict(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    PublicKey::new(&KeyBytes(*key)).is_ok_and(|key| key.verifies(message, &Signature(*signature)))
}
