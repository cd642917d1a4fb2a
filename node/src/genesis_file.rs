//! `genesis.toml`: the same file on every node. The signed part becomes a [`Genesis`]; addresses and timeouts are configuration beside it.

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use kvitto_ledger::genesis::{Genesis, LedgerConfig, Limits, Member, MemberKey, RULES_VERSION, Root};
use kvitto_ledger::scope::Scope;
use kvitto_ledger::{AccreditationId, Did, KeyBytes, Signature, TimeMs};
use kvitto_network::HostPort;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::file;

/// The file's content. Times are RFC 3339, keys and signatures hexadecimal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisFile {
    /// The ledger's name: the origin line of its checkpoints.
    pub origin: String,
    /// Time of block 0.
    pub time: String,
    /// Base URL under which the consortium serves reads, the same on every node; not part of the ledger's id.
    pub public_base_url: String,
    /// Bounds that the members agree on.
    #[serde(default)]
    pub limits: LimitsEntry,
    /// Timeouts; not part of the ledger's id.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Members, in the order in which they propose.
    pub members: Vec<MemberEntry>,
    /// Roots of accreditation chains.
    pub roots: Vec<RootEntry>,
}

/// See [`Limits`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsEntry {
    /// Most reserved and unused positions of one issuer.
    pub reserved_unused_max: u32,
    /// Most revocations of one issuer per hour.
    pub revocations_per_hour_max: u32,
}

impl Default for LimitsEntry {
    fn default() -> Self {
        let Limits { reserved_unused_max, revocations_per_hour_max } = Limits::default();
        Self { reserved_unused_max, revocations_per_hour_max }
    }
}

/// How long a round waits, in milliseconds; each grows by `delta_ms` per round and is capped at 10 s.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// For the proposal and its body.
    pub propose_ms: u64,
    /// For more votes, after two thirds voted.
    pub vote_ms: u64,
    /// What each later round adds.
    pub delta_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { propose_ms: 1_500, vote_ms: 500, delta_ms: 500 }
    }
}

/// A member with its node's addresses.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberEntry {
    /// Its name: also the key name of its cosignatures.
    pub name: String,
    /// Where peers reach it: `host:port`; not part of the ledger's id.
    pub addresses: Vec<String>,
    /// Signs proposals and votes.
    pub consensus: KeyEntry,
    /// Cosigns checkpoints.
    pub cosignature: KeyEntry,
    /// Signs checkpoints as the log.
    pub log: KeyEntry,
    /// Votes on changes.
    pub operator: KeyEntry,
    /// Identifies its node to peers.
    pub peer: KeyEntry,
}

/// A key with its signature by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// The key.
    pub key: KeyBytes,
    /// By that key over the ledger's name, the key's purpose and the member's name.
    pub proof: Signature,
}

/// A Root TAO.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootEntry {
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
    /// Credential types it may accredit; `*` for all.
    pub types: Vec<String>,
    /// Schemas it may accredit; `*` for all.
    pub schemas: Vec<String>,
    /// Jurisdictions it may accredit; `*` for all.
    pub jurisdictions: Vec<String>,
    /// First moment of validity.
    pub valid_from: String,
    /// Last moment of validity.
    pub valid_until: String,
}

impl GenesisFile {
    /// Reads and checks a genesis.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(path: &Path) -> Result<(Self, Genesis)> {
        let text = file::read_text(path)?;
        let parse = || -> Result<(Self, Genesis)> {
            let genesis_file: Self = toml::from_str(&text)?;
            let genesis = genesis_file.genesis()?;
            Ok((genesis_file, genesis))
        };
        parse().with_context(|| format!("{} is not a usable genesis", path.display()))
    }

    /// The file's text.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a genesis holds nothing that TOML cannot express")
    }

    /// The signed part, checked.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn genesis(&self) -> Result<Genesis> {
        let genesis = Genesis {
            origin: self.origin.clone(),
            time: parse_time(&self.time)?,
            config: LedgerConfig {
                members: self.members.iter().map(MemberEntry::member).collect(),
                roots: self.roots.iter().map(RootEntry::root).collect::<Result<_>>()?,
                limits: Limits {
                    reserved_unused_max: self.limits.reserved_unused_max,
                    revocations_per_hour_max: self.limits.revocations_per_hour_max,
                },
                rules_version: RULES_VERSION,
            },
        };
        genesis.check()?;
        ensure!(
            self.members.iter().all(|member| !member.addresses.is_empty()),
            "every member needs an address"
        );
        self.addresses()?;
        Ok(genesis)
    }

    /// Where peers are reached, by the members' order.
    ///
    /// # Errors
    /// The first address that is none.
    pub fn addresses(&self) -> Result<Vec<Vec<HostPort>>> {
        let parse =
            |address: &String| address.parse().with_context(|| format!("{address:?} is no host:port"));
        self.members.iter().map(|member| member.addresses.iter().map(parse).collect()).collect()
    }
}

impl MemberEntry {
    /// The entry of `member`, reachable at `addresses`.
    pub fn new(member: &Member, addresses: Vec<String>) -> Self {
        let entry = |key: &MemberKey| KeyEntry { key: key.key, proof: key.proof };
        Self {
            name: member.name.clone(),
            addresses,
            consensus: entry(&member.consensus),
            cosignature: entry(&member.cosignature),
            log: entry(&member.log),
            operator: entry(&member.operator),
            peer: entry(&member.peer),
        }
    }

    fn member(&self) -> Member {
        let key = |entry: &KeyEntry| MemberKey { key: entry.key, proof: entry.proof };
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

impl RootEntry {
    fn root(&self) -> Result<Root> {
        let set = |entries: &[String]| entries.iter().cloned().collect();
        Ok(Root {
            did: self.did,
            key: self.key,
            legal_name: self.legal_name.clone(),
            country: self.country.clone(),
            accreditation: self.accreditation,
            scope: Scope {
                types: set(&self.types),
                schemas: set(&self.schemas),
                jurisdictions: set(&self.jurisdictions),
                eqf_levels: None,
                isced_fields: None,
            },
            valid_from: parse_time(&self.valid_from)?,
            valid_until: parse_time(&self.valid_until)?,
        })
    }
}

/// Reads an RFC 3339 time; parts of a millisecond are not allowed.
///
/// # Errors
/// When it is none, or lies before 1970.
pub fn parse_time(text: &str) -> Result<TimeMs> {
    let time =
        OffsetDateTime::parse(text, &Rfc3339).with_context(|| format!("{text:?} is not an RFC 3339 time"))?;
    let nanoseconds = time.unix_timestamp_nanos();
    ensure!(nanoseconds % 1_000_000 == 0, "{text:?} is more exact than a millisecond");
    u64::try_from(nanoseconds / 1_000_000).map(TimeMs).map_err(|_| anyhow!("{text:?} lies before 1970"))
}

/// Writes a time as RFC 3339.
pub fn format_time(time: TimeMs) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.0) * 1_000_000)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{} ms after 1970", time.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{MemberKeys, random_key};

    /// A ledger of one member.
    fn sample() -> GenesisFile {
        let keys = MemberKeys::generate().unwrap();
        let member = keys.member("kvitto.example/test", "a.example/kvitto", &random_key().unwrap());
        GenesisFile {
            origin: "kvitto.example/test".into(),
            time: "2026-01-01T00:00:00Z".into(),
            public_base_url: "https://kvitto.example".into(),
            limits: LimitsEntry::default(),
            timeouts: Timeouts::default(),
            members: vec![MemberEntry::new(&member, vec!["127.0.0.1:7000".into()])],
            roots: vec![RootEntry {
                did: Did::new([1; 16]),
                key: random_key().unwrap().public().bytes(),
                legal_name: "Root".into(),
                country: "SE".into(),
                accreditation: AccreditationId([2; 32]),
                types: vec!["*".into()],
                schemas: vec!["*".into()],
                jurisdictions: vec!["*".into()],
                valid_from: "2026-01-01T00:00:00Z".into(),
                valid_until: "2036-01-01T00:00:00Z".into(),
            }],
        }
    }

    #[test]
    fn a_genesis_is_read_back_as_the_same_ledger() {
        let genesis_file = sample();
        let again: GenesisFile = toml::from_str(&genesis_file.to_toml()).unwrap();
        assert_eq!(again.genesis().unwrap().ledger_id(), genesis_file.genesis().unwrap().ledger_id());
    }

    #[test]
    fn addresses_and_timeouts_are_not_part_of_the_ledgers_id() {
        let genesis_file = sample();
        let mut moved = genesis_file.clone();
        moved.members[0].addresses = vec!["192.0.2.1:1".into()];
        moved.timeouts.propose_ms = 1;
        moved.public_base_url = "https://elsewhere.example".into();
        assert_eq!(moved.genesis().unwrap().ledger_id(), genesis_file.genesis().unwrap().ledger_id());
    }

    #[test]
    fn what_is_wrong_is_said() {
        type Break = fn(&mut GenesisFile);
        let cases: [(Break, &str); 6] = [
            (|file| file.time = "yesterday".into(), "RFC 3339"),
            (|file| file.members[0].name = "b.example/kvitto".into(), "proof"),
            (|file| file.members[0].addresses.clear(), "address"),
            (|file| file.members[0].addresses = vec!["nonsense".into()], "host:port"),
            (|file| file.roots.clear(), "1 to 64"),
            (|file| file.limits.revocations_per_hour_max = 1, "4,096"),
        ];
        for (break_it, expected) in cases {
            let mut file = sample();
            break_it(&mut file);
            let error = format!("{:#}", file.genesis().unwrap_err());
            assert!(error.contains(expected), "{error} should speak of {expected}");
        }
    }

    #[test]
    fn times_are_exact_to_the_millisecond() {
        assert_eq!(parse_time("1970-01-01T00:00:01.5Z").unwrap(), TimeMs(1500));
        assert_eq!(format_time(TimeMs(1500)), "1970-01-01T00:00:01.5Z");
        assert!(parse_time("1970-01-01T00:00:01.0005Z").is_err());
        assert!(parse_time("1969-12-31T23:59:59Z").is_err());
    }
}
