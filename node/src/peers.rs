//! Which peer is which: the replica counts them, the network names them by key.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use kvitto_ledger::LedgerConfig;
use kvitto_network::PeerId;
use kvitto_replica::Peer;

/// The admitted peers: the members, in the order of the configuration.
#[derive(Clone, Debug)]
pub struct PeerTable {
    ids: Vec<PeerId>,
    numbers: BTreeMap<PeerId, Peer>,
    names: Vec<String>,
}

impl PeerTable {
    /// The table of a ledger's members.
    ///
    /// # Errors
    /// When a key is unusable.
    pub fn new(config: &LedgerConfig) -> Result<Self> {
        let mut ids = Vec::new();
        let mut names = Vec::new();
        for member in &config.members {
            let id = PeerId::from_public_key(member.peer.key.as_bytes())
                .with_context(|| format!("the peer key of {} is unusable", member.name))?;
            ids.push(id);
            names.push(member.name.clone());
        }
        let numbers = (0..).map(Peer).zip(&ids).map(|(peer, id)| (*id, peer)).collect();
        Ok(Self { ids, numbers, names })
    }

    /// The network's name of a peer.
    pub fn id(&self, peer: Peer) -> Option<PeerId> {
        self.ids.get(usize::try_from(peer.0).ok()?).copied()
    }

    /// The replica's number of a peer.
    pub fn number(&self, id: &PeerId) -> Option<Peer> {
        self.numbers.get(id).copied()
    }

    /// A peer's name for people.
    pub fn name(&self, peer: Peer) -> &str {
        usize::try_from(peer.0).ok().and_then(|index| self.names.get(index)).map_or("unknown", String::as_str)
    }

    /// Every peer.
    pub fn all(&self) -> impl Iterator<Item = (Peer, PeerId)> + '_ {
        (0..).map(Peer).zip(self.ids.iter().copied())
    }
}
