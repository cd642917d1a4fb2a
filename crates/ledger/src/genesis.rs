//! The genesis: who the members and roots of a ledger are at its beginning, and which ledger it is (RULES 1).

use std::collections::BTreeSet;

use kvitto_merkle::sha256;
use thiserror::Error;

use crate::codec::{cbor_array, code_enum, encode};
use crate::did::Did;
use crate::form::is_legal_name;
use crate::ids::{AccreditationId, ConfigHash, KeyBytes, LedgerId, Signature, TimeMs};
use crate::keys::{PublicKey, SigningKey};
use crate::scope::Scope;
use crate::statement::body::ITEMS_MAX;

/// The rules that this build executes.
pub const RULES_VERSION: u16 = 1;
/// Most members of a ledger.
pub const MEMBERS_MAX: usize = 64;
/// Most roots of a ledger.
pub const ROOTS_MAX: usize = 64;
/// Longest origin, in bytes.
pub const ORIGIN_BYTES_MAX: usize = 128;

/// Longest encoded genesis, in bytes, so that its record fits into a leaf.
pub const GENESIS_BYTES_MAX: usize = 65_000;

const MEMBER_KEY_TAG: &[u8] = b"kvitto/member-key/v1";
const CONFIG_TAG: &[u8] = b"kvitto/config/v1";

code_enum! {
    /// What a member's key is for. A key has one purpose only.
    pub enum KeyRole: u8 {
        /// Signs proposals and votes.
        Consensus = 1,
        /// Cosigns checkpoints (`cosignature/v1`).
        Cosignature = 2,
        /// Signs checkpoints as the log.
        Log = 3,
        /// Votes on changes of the configuration.
        Operator = 4,
        /// Identifies the node to its peers (libp2p).
        Peer = 5,
    }
}

impl KeyRole {
    /// Its name in signed bytes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Cosignature => "cosignature",
            Self::Log => "log",
            Self::Operator => "operator",
            Self::Peer => "peer",
        }
    }
}

cbor_array! {
    /// A member's key with its signature by itself, so that nobody can claim another's key.
    pub struct MemberKey {
        /// The key.
        pub key: KeyBytes,
        /// By that key over [`member_key_message`].
        pub proof: Signature,
    }
}

impl MemberKey {
    /// The public half of `key` with its proof.
    pub fn prove(key: &SigningKey, origin: &str, role: KeyRole, member: &str) -> Self {
        Self { key: key.public().bytes(), proof: key.sign(&member_key_message(origin, role, member)) }
    }
}

/// `"kvitto/member-key/v1" || 0x00 || origin || 0x00 || role || 0x00 || member name`; none of the parts can hold a zero byte.
pub fn member_key_message(origin: &str, role: KeyRole, member: &str) -> Vec<u8> {
    [MEMBER_KEY_TAG, origin.as_bytes(), role.name().as_bytes(), member.as_bytes()].join(&0)
}

cbor_array! {
    /// A member of the consortium.
    pub struct Member {
        /// Its name: also the key name of its cosignatures, e.g. `agency.example/kvitto`.
        pub name: String,
        /// Signs proposals and votes.
        pub consensus: MemberKey,
        /// Cosigns checkpoints.
        pub cosignature: MemberKey,
        /// Signs checkpoints as the log.
        pub log: MemberKey,
        /// Votes on changes.
        pub operator: MemberKey,
        /// Identifies its node to peers.
        pub peer: MemberKey,
    }
}

impl Member {
    /// Its keys with their purposes.
    pub fn keys(&self) -> [(KeyRole, &MemberKey); 5] {
        [
            (KeyRole::Consensus, &self.consensus),
            (KeyRole::Cosignature, &self.cosignature),
            (KeyRole::Log, &self.log),
            (KeyRole::Operator, &self.operator),
            (KeyRole::Peer, &self.peer),
        ]
    }
}

cbor_array! {
    /// A Root TAO: the top of accreditation chains.
    pub struct Root {
        /// Its identifier.
        pub did: Did,
        /// Its first ledger key.
        pub key: KeyBytes,
        /// Legal name.
        pub legal_name: String,
        /// ISO 3166-1 alpha-2 country code.
        pub country: String,
        /// Its accreditation's id.
        pub accreditation: AccreditationId,
        /// What it may accredit; `*` covers all.
        pub scope: Scope,
        /// First moment of validity.
        pub valid_from: TimeMs,
        /// Last moment of validity.
        pub valid_until: TimeMs,
    }
}

cbor_array! {
    /// Bounds that the members agree on.
    pub struct Limits {
        /// Most reserved and unused positions of one issuer.
        pub reserved_unused_max: u32,
        /// Most revocations of one issuer per hour.
        pub revocations_per_hour_max: u32,
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { reserved_unused_max: 524_288, revocations_per_hour_max: 100_000 }
    }
}

cbor_array! {
    /// What the members agree on, from one change to the next: an epoch.
    pub struct LedgerConfig {
        /// Members, in the order in which they propose.
        pub members: Vec<Member>,
        /// Roots.
        pub roots: Vec<Root>,
        /// Bounds.
        pub limits: Limits,
        /// Rules in force.
        pub rules_version: u16,
    }
}

impl LedgerConfig {
    /// Its hash, which every header carries.
    pub fn hash(&self) -> ConfigHash {
        ConfigHash(sha256(&[CONFIG_TAG, &encode(self)]).0)
    }

    /// Members that must sign: strictly more than two thirds.
    pub fn quorum(&self) -> usize {
        quorum(self.members.len())
    }

    /// The root with this identifier.
    pub fn root(&self, did: &Did) -> Option<&Root> {
        self.roots.iter().find(|root| root.did == *did)
    }
}

/// Strictly more than two thirds of `members`: floor(2n / 3) + 1.
pub const fn quorum(members: usize) -> usize {
    2 * members / 3 + 1
}

cbor_array! {
    /// The beginning of a ledger. Its SHA-256 is the ledger's id.
    pub struct Genesis {
        /// The ledger's name: the origin line of its checkpoints, e.g. `kvitto.example/pilot`.
        pub origin: String,
        /// Time of block 0.
        pub time: TimeMs,
        /// The first epoch.
        pub config: LedgerConfig,
    }
}

/// Why a genesis cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum GenesisError {
    /// The name is empty, too long, or holds a space, `+` or a control character (C2SP signed-note key names).
    #[error("{0:?} is no usable name: 1 to 128 printable ASCII characters, no spaces, no +")]
    Name(String),
    /// Too few or too many members or roots.
    #[error("a ledger has 1 to 64 members and 1 to 64 roots")]
    Count,
    /// Two members, two roots, or two keys are the same.
    #[error("{0} occurs twice")]
    Twice(String),
    /// A key is unusable, or its proof is not by itself.
    #[error("the {role} key of {member} is not usable, or its proof does not verify")]
    MemberKey {
        /// Whose.
        member: String,
        /// Which.
        role: &'static str,
    },
    /// A root's key, name, country, scope or validity is not usable.
    #[error("root {0} has an unusable key, name, country, scope or validity")]
    Root(Did),
    /// The limits would keep statements of allowed size from ever being executed.
    #[error("limits must be at least 4,096")]
    Limits,
    /// The `Genesis` record would not fit into a leaf.
    #[error("the genesis is {0} bytes long, at most {GENESIS_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// Not the rules of this build.
    #[error("rules version {0} is not known to this build")]
    RulesVersion(u16),
}

impl Genesis {
    /// The ledger's id: SHA-256 of the genesis's CBOR.
    pub fn ledger_id(&self) -> LedgerId {
        LedgerId(sha256(&[&encode(self)]).0)
    }

    /// Checks everything that RULES 1 asks of a genesis.
    ///
    /// # Errors
    /// The first broken relation.
    pub fn check(&self) -> Result<(), GenesisError> {
        let config = &self.config;
        check_name(&self.origin)?;
        if config.rules_version != RULES_VERSION {
            return Err(GenesisError::RulesVersion(config.rules_version));
        }
        if !(1..=MEMBERS_MAX).contains(&config.members.len())
            || !(1..=ROOTS_MAX).contains(&config.roots.len())
        {
            return Err(GenesisError::Count);
        }
        let smallest = config.limits.reserved_unused_max.min(config.limits.revocations_per_hour_max);
        if (smallest as usize) < ITEMS_MAX {
            return Err(GenesisError::Limits);
        }
        self.check_members()?;
        self.check_roots()?;
        let bytes = encode(self).len();
        if bytes > GENESIS_BYTES_MAX { Err(GenesisError::TooLarge(bytes)) } else { Ok(()) }
    }

    fn check_members(&self) -> Result<(), GenesisError> {
        let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for member in &self.config.members {
            check_name(&member.name)?;
            if member.name == self.origin || !names.insert(&member.name) {
                return Err(GenesisError::Twice(member.name.clone()));
            }
            for (role, key) in member.keys() {
                if !keys.insert(key.key) {
                    return Err(GenesisError::Twice(key.key.to_string()));
                }
                let message = member_key_message(&self.origin, role, &member.name);
                if !PublicKey::new(&key.key).is_ok_and(|public| public.verifies(&message, &key.proof)) {
                    return Err(GenesisError::MemberKey { member: member.name.clone(), role: role.name() });
                }
            }
        }
        Ok(())
    }

    fn check_roots(&self) -> Result<(), GenesisError> {
        let mut seen = BTreeSet::new();
        for root in &self.config.roots {
            if !seen.insert(root.did) {
                return Err(GenesisError::Twice(root.did.to_string()));
            }
            let usable = PublicKey::new(&root.key).is_ok()
                && is_legal_name(&root.legal_name)
                && crate::form::is_country(&root.country)
                && root.scope.is_well_formed()
                && root.valid_from < root.valid_until;
            if !usable {
                return Err(GenesisError::Root(root.did));
            }
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), GenesisError> {
    let usable = (1..=ORIGIN_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+');
    if usable { Ok(()) } else { Err(GenesisError::Name(name.to_owned())) }
}
