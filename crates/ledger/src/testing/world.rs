//! A genesis with all the private keys behind it.

use super::actor::{Actor, signing_key};
use crate::genesis::{Genesis, KeyRole, LedgerConfig, Limits, Member, MemberKey, RULES_VERSION, Root};
use crate::ids::{LedgerId, TimeMs};
use crate::keys::SigningKey;
use crate::scope::{ANY, Scope};

/// One hour, in milliseconds.
pub const HOUR_MS: u64 = 60 * 60 * 1000;
/// One day, in milliseconds.
pub const DAY_MS: u64 = 24 * HOUR_MS;
/// 365 days, in milliseconds.
pub const YEAR_MS: u64 = 365 * DAY_MS;
/// Time of block 0: 2026-01-01T00:00:00Z.
pub const START: TimeMs = TimeMs(1_767_225_600_000);
/// The credential type that actors accredit for and anchor.
pub const TYPE: &str = "MicroCredential";

/// The private keys of a member.
#[derive(Clone, Debug)]
pub struct MemberKeys {
    /// The member's name.
    pub name: String,
    /// Signs proposals and votes.
    pub consensus: SigningKey,
    /// Cosigns checkpoints.
    pub cosignature: SigningKey,
    /// Signs checkpoints as the log.
    pub log: SigningKey,
    /// Votes on changes.
    pub operator: SigningKey,
    /// Identifies its node.
    pub peer: SigningKey,
}

impl MemberKeys {
    fn new(index: usize) -> Self {
        let name = format!("member-{index}.example/kvitto");
        let key = |role: KeyRole| signing_key(&format!("{name} {}", role.name()));
        Self {
            consensus: key(KeyRole::Consensus),
            cosignature: key(KeyRole::Cosignature),
            log: key(KeyRole::Log),
            operator: key(KeyRole::Operator),
            peer: key(KeyRole::Peer),
            name,
        }
    }

    fn member(&self, origin: &str) -> Member {
        let prove = |key, role| MemberKey::prove(key, origin, role, &self.name);
        Member {
            name: self.name.clone(),
            consensus: prove(&self.consensus, KeyRole::Consensus),
            cosignature: prove(&self.cosignature, KeyRole::Cosignature),
            log: prove(&self.log, KeyRole::Log),
            operator: prove(&self.operator, KeyRole::Operator),
            peer: prove(&self.peer, KeyRole::Peer),
        }
    }
}

/// A genesis with some members and one root, and all their keys.
#[derive(Clone, Debug)]
pub struct World {
    /// The genesis; its check holds.
    pub genesis: Genesis,
    /// Its ledger's id.
    pub ledger_id: LedgerId,
    /// The members' keys, in the genesis's order.
    pub members: Vec<MemberKeys>,
    /// The Root TAO; its scope is everything.
    pub root: Actor,
}

impl World {
    /// A ledger of so many members, with the default limits.
    pub fn new(members: usize) -> Self {
        Self::with_limits(members, Limits::default())
    }

    /// A ledger of so many members.
    pub fn with_limits(members: usize, limits: Limits) -> Self {
        let origin = "kvitto.example/test";
        let root = Actor::new("root");
        let members: Vec<_> = (0..members).map(MemberKeys::new).collect();
        let any = || [ANY.to_owned()].into();
        let genesis = Genesis {
            origin: origin.to_owned(),
            time: START,
            config: LedgerConfig {
                members: members.iter().map(|keys| keys.member(origin)).collect(),
                roots: vec![Root {
                    did: root.did,
                    key: root.key.public().bytes(),
                    legal_name: "The Root of Testing".to_owned(),
                    country: "SE".to_owned(),
                    accreditation: root.accreditation,
                    scope: Scope {
                        types: any(),
                        schemas: any(),
                        jurisdictions: any(),
                        eqf_levels: None,
                        isced_fields: None,
                    },
                    valid_from: START,
                    valid_until: TimeMs(START.0 + 20 * YEAR_MS),
                }],
                limits,
                rules_version: RULES_VERSION,
            },
        };
        let ledger_id = genesis.ledger_id();
        Self { genesis, ledger_id, members, root }
    }
}
