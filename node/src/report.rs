//! What a node says of itself: to its operator, to health checks, and in evidence files. The API's [`Peers`].

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use kvitto_api::{Diagnosis, Dossier, Health, NodeInfo, Peer, Peers};
use kvitto_ledger::{Genesis, LedgerId, TimeMs};
use kvitto_network::Network;
use kvitto_replica::{Evidence, MemberStatus, Status};
use kvitto_storage::{FirstFailure, Read};
use tokio::sync::watch;

use crate::core::now;
use crate::diagnosis::{Situation, has_quorum, is_syncing};
use crate::evidence::EvidenceFolder;
use crate::peers::PeerTable;

/// See the module's head. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Report(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: String,
    ledger_id: LedgerId,
    /// This member's place.
    member: usize,
    /// The members' names, in the order of the configuration.
    names: Vec<String>,
    started: TimeMs,
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
        member: usize,
        network: Network,
        peers: Arc<PeerTable>,
        evidence_folder: PathBuf,
        store_failure: FirstFailure,
    ) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            origin: genesis.origin.clone(),
            ledger_id: genesis.ledger_id(),
            member,
            names: genesis.config.members.iter().map(|member| member.name.clone()).collect(),
            started: now(),
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
        self.judge_health();
    }

    /// The replica has done something.
    pub(crate) fn set_status(&self, status: Status) {
        self.0.status.send_if_modified(|known| {
            let changed = known.as_ref() != Some(&status);
            *known = Some(status);
            changed
        });
        self.judge_health();
    }

    /// Health, as it follows from the newest status and from what is known of the store.
    fn judge_health(&self) {
        let status = self.0.status.borrow();
        let Some(status) = status.as_ref() else { return };
        let health = health_of(status, self.store_fault().is_none());
        self.0.health.send_if_modified(|known| std::mem::replace(known, health) != health);
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
        let published = reader.published().map(|published| published.height);
        let members = vec![MemberStatus::default(); self.0.names.len()];
        self.set_status(Status {
            observing: true,
            ..Status::quiet(header.height, header.time, published, members)
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

/// Whether a peer has blocks that are not here: a verdict on the state here may not be one on the newest.
pub(crate) fn is_behind(status: &Status) -> bool {
    status.best_peer.is_some_and(|best| best > status.height)
}

/// Reads work once there is a checkpoint to read at, and the store is good; writes need a quorum of members in reach, and that no
/// blocks are missing here.
fn health_of(status: &Status, store_is_good: bool) -> Health {
    let reads = status.published.is_some() && !status.halted && store_is_good;
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
            member: Some(self.0.names[self.0.member].clone()),
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
        let heard = self.0.status.borrow().as_ref().map(|status| status.members.clone()).unwrap_or_default();
        let others = self.0.peers.all().zip(0..).filter(|((_, id), _)| *id != own);
        others
            .map(|((peer, id), place): (_, usize)| (peer, id, heard.get(place).copied().unwrap_or_default()))
            .map(|(peer, id, heard)| Peer {
                member: Some(self.0.peers.name(peer).to_owned()),
                peer_id: id.to_string(),
                connected: connected.contains(&id),
                addresses: Vec::new(),
                height: heard.height,
                cosigned: heard.cosigned.map(|cosigned| TimeMs(cosigned.timestamp_s.saturating_mul(1000))),
            })
            .collect()
    }

    async fn diagnose(&self) -> Vec<Diagnosis> {
        let status = self.0.status.borrow().clone();
        let situation = Situation {
            status: status.as_ref(),
            names: &self.0.names,
            member: self.0.member,
            started: self.0.started,
            now: now(),
            disk_full: self.0.disk_full.get().is_some(),
            store_fault: self.store_fault(),
            evidence: *self.evidence_count().borrow(),
        };
        situation.findings()
    }

    fn evidence(&self) -> Dossier {
        self.0.evidence.dossier().clone()
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.0.health.subscribe()
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use kvitto_ledger::Height;

    use super::*;

    /// Of four members, with everything as it should be.
    fn status() -> Status {
        let members = vec![MemberStatus { connected: true, ..MemberStatus::default() }; 4];
        Status { best_peer: Some(Height(7)), ..Status::quiet(Height(7), TimeMs(1), Some(Height(7)), members) }
    }

    #[test]
    fn reads_and_writes_work_or_not_in_every_state() {
        type Change = fn(&mut Status);
        let rows: [(&str, Change, bool, [bool; 2]); 12] = [
            ("as it should be", |_| (), true, [true, true]),
            ("one block behind", |status| status.best_peer = Some(Height(8)), true, [true, true]),
            ("syncing", |status| status.best_peer = Some(Height(9)), true, [true, false]),
            ("one missing", |status| status.members[3].connected = false, true, [true, true]),
            (
                "no quorum",
                |status| (2..4).for_each(|member| status.members[member].connected = false),
                true,
                [true, false],
            ),
            // Its vote is not needed while the others are a quorum with it in reach.
            ("guard lost", |status| status.observing = true, true, [true, true]),
            ("muted", |status| status.muted = true, true, [true, true]),
            ("no checkpoint yet", |status| status.published = None, true, [false, false]),
            ("halted", |status| status.halted = true, true, [false, false]),
            ("store damaged", |_| (), false, [false, false]),
            (
                "disk full",
                |status| {
                    status.observing = true;
                    status.members = vec![MemberStatus::default(); 4];
                },
                true,
                [true, false],
            ),
            (
                "disk full, of one member",
                |status| {
                    status.observing = true;
                    status.members = vec![MemberStatus::default(); 1];
                },
                true,
                [true, false],
            ),
        ];
        for (about, change, store_is_good, [reads, writes]) in rows {
            let mut status = status();
            change(&mut status);
            assert_eq!(health_of(&status, store_is_good), Health { reads, writes }, "{about}");
        }
    }
}
