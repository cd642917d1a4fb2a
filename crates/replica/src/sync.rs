//! Catching up: which peer is ahead, whom to ask, and the blocks that were served.
//!
//! A block that is served is decided by its commit certificate, which this replica checks itself; the engine takes no part. One path
//! for near and far is simpler than handing the near ones to the engine, and a node far behind needs no engine at all.
//! Blocks are checked, executed and committed strictly one after another.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kvitto_ledger::Height;

use crate::check::Pending;
use crate::codec::ServedBlock;
use crate::input::{Peer, RequestId, VerifyTicket};

/// How long a node that is one block behind waits for the block to be decided here, in milliseconds.
pub(crate) const WAIT_MS: u64 = 400;

#[derive(Debug, Default)]
pub(crate) struct Sync {
    /// Peers that are connected.
    up: BTreeSet<Peer>,
    /// What peers say their newest block is; lies cost them a question.
    claims: BTreeMap<Peer, Height>,
    failures: BTreeMap<Peer, u32>,
    asked: Option<(RequestId, Peer)>,
    queue: VecDeque<ServedBlock>,
    /// Who served the queue.
    server: Option<Peer>,
    checking: Option<(VerifyTicket, Pending)>,
    /// The newest block when the wait began.
    waiting_at: Option<Height>,
    /// The wait at this newest block is over.
    overdue_at: Option<Height>,
}

/// What is to be done to catch up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing, or something is under way.
    Nothing,
    /// Wait [`WAIT_MS`].
    Wait,
    /// Ask this peer for the blocks after the newest one.
    Ask(Peer),
}

impl Sync {
    pub(crate) fn up(&mut self, peer: Peer) {
        self.up.insert(peer);
        self.failures.remove(&peer);
    }

    pub(crate) fn down(&mut self, peer: Peer) {
        self.up.remove(&peer);
        self.claims.remove(&peer);
    }

    pub(crate) fn is_up(&self, peer: Peer) -> bool {
        self.up.contains(&peer)
    }

    pub(crate) fn peers_up(&self) -> impl Iterator<Item = Peer> + '_ {
        self.up.iter().copied()
    }

    /// A peer says or shows that it has this block.
    pub(crate) fn claim(&mut self, peer: Peer, height: Height) {
        if self.up.contains(&peer) {
            let claim = self.claims.entry(peer).or_default();
            *claim = height.max(*claim);
        }
    }

    /// The greatest height that this peer, if it is connected, says it has.
    pub(crate) fn claimed(&self, peer: Peer) -> Option<Height> {
        self.claims.get(&peer).copied()
    }

    /// The greatest height that a connected peer says it has.
    pub(crate) fn best(&self) -> Option<Height> {
        self.claims.values().max().copied()
    }

    /// Whether served blocks wait to be committed.
    pub(crate) fn is_busy(&self) -> bool {
        !self.queue.is_empty() || self.checking.is_some()
    }

    pub(crate) fn next(&mut self, newest: Height) -> Next {
        if self.asked.is_some() || self.is_busy() {
            return Next::Nothing;
        }
        let ahead = self.claims.iter().filter(|(_, claim)| **claim > newest);
        let ranked = ahead.map(|(peer, _)| (self.failures.get(peer).copied().unwrap_or(0), *peer));
        let Some((failures, peer)) = ranked.min() else { return Next::Nothing };
        let one_behind = self.best() == Some(newest.next());
        if !(one_behind || failures > 0) || self.overdue_at == Some(newest) {
            return Next::Ask(peer);
        }
        if self.waiting_at == Some(newest) {
            return Next::Nothing;
        }
        self.waiting_at = Some(newest);
        Next::Wait
    }

    /// The wait is over.
    pub(crate) fn timeout(&mut self) {
        self.overdue_at = self.waiting_at.take();
    }

    pub(crate) fn set_asked(&mut self, request: RequestId, peer: Peer) {
        self.asked = Some((request, peer));
    }

    /// Whose answer this is, if it is one to a question of this module.
    pub(crate) fn answered(&mut self, request: RequestId) -> Option<Peer> {
        let (_, peer) = self.asked.take_if(|(asked, _)| *asked == request)?;
        Some(peer)
    }

    /// Takes what a peer served.
    pub(crate) fn serve(&mut self, peer: Peer, blocks: Vec<ServedBlock>) {
        self.queue = blocks.into();
        self.server = Some(peer);
    }

    /// The peer did not serve what it said it had: others first. What it said counts no more when it `lied`.
    pub(crate) fn fail(&mut self, peer: Peer, lied: bool) {
        let failures = self.failures.entry(peer).or_default();
        *failures = failures.saturating_add(1);
        if lied {
            self.claims.remove(&peer);
        }
        self.overdue_at = None;
        self.waiting_at = None;
        self.abandon();
    }

    /// Drops what is served and under way.
    pub(crate) fn abandon(&mut self) {
        self.queue.clear();
        self.checking = None;
    }

    pub(crate) fn server(&self) -> Option<Peer> {
        self.server
    }

    /// Drops served blocks up to `newest`: they are committed, perhaps because the engine decided them meanwhile.
    pub(crate) fn committed(&mut self, newest: Height) {
        while self.queue.front().is_some_and(|block| block.header.height <= newest) {
            self.queue.pop_front();
            self.checking = None;
        }
    }

    /// The served block that comes after `newest`, unless one is being checked.
    pub(crate) fn front(&mut self, newest: Height) -> Option<&ServedBlock> {
        self.committed(newest);
        if self.checking.is_some() { None } else { self.queue.front() }
    }

    pub(crate) fn set_checking(&mut self, ticket: VerifyTicket, pending: Pending) {
        self.checking = Some((ticket, pending));
    }

    /// The block whose signatures were asked for under this ticket.
    pub(crate) fn take_checking(&mut self, ticket: VerifyTicket) -> Option<(ServedBlock, Pending)> {
        let (_, pending) = self.checking.take_if(|(asked, _)| *asked == ticket)?;
        Some((self.queue.front()?.clone(), pending))
    }

    /// The block at the front is on its way into the store.
    pub(crate) fn succeed(&mut self) {
        self.queue.pop_front();
        if let Some(server) = self.server {
            self.failures.remove(&server);
        }
    }
}

#[cfg(test)]
mod tests {
    use kvitto_ledger::Header;
    use kvitto_ledger::execute::genesis_block;
    use kvitto_ledger::testing::World;

    use super::*;

    #[test]
    fn a_served_block_that_was_decided_meanwhile_keeps_nobody_busy() {
        let header = genesis_block(&World::new(1).genesis).header;
        let served = |height| ServedBlock {
            header: Header { height: Height(height), ..header.clone() },
            certificate: Vec::new(),
            body: Vec::new(),
        };
        let mut sync = Sync::default();
        sync.serve(Peer(1), vec![served(5), served(6)]);
        for (newest, busy) in [(4, true), (5, true), (6, false)] {
            sync.committed(Height(newest));
            assert_eq!(sync.is_busy(), busy, "after block {newest}");
        }
    }
}
