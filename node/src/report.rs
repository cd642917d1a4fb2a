//! What a node says of itself: to its operator, to health checks, and in evidence files. The API's [`Peers`].

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Result;
use kvitto_api::{Diagnosis, Dossier, Health, NodeInfo, Peer, Peers, Severity};
use kvitto_ledger::genesis::quorum;
use kvitto_ledger::{Genesis, LedgerId, TimeMs};
use kvitto_network::Network;
use kvitto_replica::{Evidence, MemberStatus, Status};
use kvitto_storage::{FirstFailure, Read};
use tokio::sync::watch;

use crate::core::now;
use crate::evidence::EvidenceFolder;
use crate::peers::PeerTable;

/// A member that has not voted for so long, while blocks are being decided, is worth a look.
const SILENCE: Duration = Duration::from_secs(30);

/// See the module's head. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Report(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: String,
    ledger_id: LedgerId,
    member: String,
    members: usize,
    network: Network,
    peers: Arc<PeerTable>,
    evidence: EvidenceFolder,
    status: watch::Sender<Option<Status>>,
    audit: watch::Sender<Audit>,
    health: watch::Sender<Health>,
    store_failure: FirstFailure,
    disk_full: OnceLock<()>,
}

/// How far the audit of the whole store is that runs beside the node (RULES 4.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Audit {
    /// It runs.
    #[default]
    Running,
    /// Everything is as it was written.
    Good,
    /// Something is not.
    Damaged(String),
}

impl Report {
    /// Speaks for `member`; keeps evidence of misbehaviour in `evidence_folder`. A `store_failure` is one of health.
    ///
    /// # Errors
    /// When that folder cannot be read.
    pub fn new(
        genesis: &Genesis,
        member: String,
        network: Network,
        peers: Arc<PeerTable>,
        evidence_folder: PathBuf,
        store_failure: FirstFailure,
    ) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            origin: genesis.origin.clone(),
            ledger_id: genesis.ledger_id(),
            member,
            members: genesis.config.members.len(),
            network,
            peers,
            evidence: EvidenceFolder::open(evidence_folder, genesis)?,
            status: watch::Sender::new(None),
            audit: watch::Sender::default(),
            health: watch::Sender::new(Health::default()),
            store_failure,
            disk_full: OnceLock::new(),
        })))
    }

    /// The replica's status, as it changes; `None` before its first word.
    pub fn status(&self) -> watch::Receiver<Option<Status>> {
        self.0.status.subscribe()
    }

    /// How far the audit of the store is.
    pub fn audit(&self) -> watch::Receiver<Audit> {
        self.0.audit.subscribe()
    }

    /// How many pieces of evidence against members there are.
    pub fn evidence_count(&self) -> watch::Receiver<usize> {
        self.0.evidence.dossier().count()
    }

    /// The audit of the store has ended.
    pub(crate) fn set_audit(&self, audit: Audit) {
        self.0.audit.send_replace(audit);
    }

    /// The replica has done something.
    pub(crate) fn set_status(&self, status: Status) {
        let mut health = health_of(&status);
        health.reads &= self.store_fault().is_none();
        self.0.health.send_if_modified(|known| std::mem::replace(known, health) != health);
        self.0.status.send_if_modified(|known| {
            let changed = known.as_ref() != Some(&status);
            *known = Some(status);
            changed
        });
    }

    /// Keeps evidence against a member.
    pub(crate) fn keep_evidence(&self, evidence: &Evidence) -> Result<()> {
        self.0.evidence.keep(evidence)
    }

    /// The disk was full at the start: readers are answered, and nothing else will happen here.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn set_disk_full<R: Read>(&self, reader: &R) -> Result<()> {
        let header = reader.tip()?.header;
        // Only once.
        let _ = self.0.disk_full.set(());
        self.set_status(Status {
            height: header.height,
            block_time: header.time,
            published: reader.published().map(|published| published.height),
            best_peer: None,
            round: None,
            observing: true,
            muted: false,
            halted: false,
            mempool_count: 0,
            mempool_bytes: 0,
            members: vec![MemberStatus::default(); self.0.members],
        });
        Ok(())
    }

    /// What the audit found, or whoever read the store.
    fn store_fault(&self) -> Option<String> {
        match &*self.0.audit.borrow() {
            Audit::Damaged(damage) => Some(damage.clone()),
            Audit::Running | Audit::Good => self.0.store_failure.text().map(str::to_owned),
        }
    }
}

fn is_syncing(status: &Status) -> bool {
    status.best_peer.is_some_and(|best| best.0 > status.height.0 + 1)
}

fn connected(status: &Status) -> usize {
    status.members.iter().filter(|member| member.connected).count()
}

/// Whether a peer has blocks that are not here: a verdict on the state here may not be one on the newest.
pub(crate) fn is_behind(status: &Status) -> bool {
    status.best_peer.is_some_and(|best| best > status.height)
}

/// Whether enough members are in reach to decide, this one counted.
pub(crate) fn has_quorum(status: &Status) -> bool {
    connected(status) >= quorum(status.members.len())
}

/// Reads work once there is a checkpoint to read at; writes need a quorum of members in reach, this one's vote aside.
fn health_of(status: &Status) -> Health {
    let reads = status.published.is_some() && !status.halted;
    let writes = reads && !is_syncing(status) && has_quorum(status);
    Health { reads, writes }
}

impl Peers for Report {
    fn info(&self) -> NodeInfo {
        let status = self.0.status.borrow();
        let status = status.as_ref();
        NodeInfo {
            version: env!("CARGO_PKG_VERSION").into(),
            origin: self.0.origin.clone(),
            ledger_id: self.0.ledger_id,
            member: Some(self.0.member.clone()),
            height: status.map(|status| status.height).unwrap_or_default(),
            mempool_statements: status.map_or(0, |status| count(status.mempool_count)),
            mempool_bytes: status.map_or(0, |status| status.mempool_bytes as u64),
            syncing: status.is_some_and(is_syncing),
            signing: status.is_some_and(|status| !status.observing && !status.muted && !status.halted),
        }
    }

    fn peers(&self) -> Vec<Peer> {
        let connected = self.0.network.connected_peers();
        let own = self.0.network.peer_id();
        let others = self.0.peers.all().filter(|(_, id)| *id != own);
        others
            .map(|(peer, id)| Peer {
                member: Some(self.0.peers.name(peer).to_owned()),
                peer_id: id.to_string(),
                connected: connected.contains(&id),
                addresses: Vec::new(),
                height: None,
                cosigned: None,
            })
            .collect()
    }

    async fn diagnose(&self) -> Vec<Diagnosis> {
        let Some(status) = self.0.status.borrow().clone() else {
            return vec![failure("replica", "the replica has not started", "wait, then look into the log")];
        };
        if self.0.disk_full.get().is_some() {
            let message = "the disk was full when the node started: it answers readers and decides nothing";
            return vec![failure(
                "store",
                message,
                "free some space, more than the ballast takes, and start the node again",
            )];
        }
        let mut findings = diagnose(&status, &self.0.peers, now());
        if let Some(fault) = self.store_fault() {
            let remedy =
                "stop the node, move its data folder away, and start it: it fetches everything again";
            findings.push(failure("store", &fault, remedy));
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings
    }

    fn evidence(&self) -> Dossier {
        self.0.evidence.dossier().clone()
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.0.health.subscribe()
    }
}

/// Says what stands against progress, member by member.
fn diagnose(status: &Status, peers: &PeerTable, now: TimeMs) -> Vec<Diagnosis> {
    let mut findings = Vec::new();
    let (members, in_reach) = (status.members.len(), connected(status));
    let needed = quorum(members);
    if status.halted {
        findings.push(failure(
            "safety",
            "the node has halted, because going on could break a promise",
            "look into the log for the reason",
        ));
    }
    if in_reach < needed {
        let message = format!("{in_reach} of {members} members are in reach, {needed} are needed to decide");
        findings.push(failure(
            "peers.quorum",
            &message,
            "start the members that are missing, or mend the network",
        ));
    }
    if status.observing {
        findings.push(warning(
            "guard",
            "this member follows but signs nothing",
            "see \"When something is lost\" in deploy/README.md",
        ));
    }
    if status.muted {
        findings.push(warning(
            "guard",
            "this member is silent at this height: its guard remembers another message",
            "",
        ));
    }
    if is_syncing(status) {
        let best = status.best_peer.unwrap_or_default();
        findings.push(warning("sync", &format!("block {} of {best}", status.height), "wait"));
    }
    for ((peer, _), member) in peers.all().zip(&status.members) {
        let name = peers.name(peer);
        if !member.connected {
            findings.push(warning("peers", &format!("{name} is not connected"), "ask its operator"));
        } else if let (Some(round), Some(at)) = (&status.round, member.voted_at)
            && now.0.saturating_sub(at.0) > u64::try_from(SILENCE.as_millis()).unwrap_or(u64::MAX)
        {
            let message =
                format!("{name} has not voted for {} s at block {}", (now.0 - at.0) / 1000, round.height);
            findings.push(warning("peers", &message, "ask its operator"));
        }
    }
    if findings.is_empty() {
        findings.push(Diagnosis {
            check: "node".into(),
            severity: Severity::Ok,
            message: format!("block {} is committed, and nothing stands against the next", status.height),
            remedy: String::new(),
        });
    }
    findings
}

fn failure(check: &str, message: &str, remedy: &str) -> Diagnosis {
    Diagnosis {
        check: check.into(),
        severity: Severity::Failure,
        message: message.into(),
        remedy: remedy.into(),
    }
}

fn warning(check: &str, message: &str, remedy: &str) -> Diagnosis {
    Diagnosis { severity: Severity::Warning, ..failure(check, message, remedy) }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
