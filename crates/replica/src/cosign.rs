//! Cosignatures of committed trees: own ones given, others' collected, and what is final because of them (RULES 3).
//!
//! ```text
//!   committed ──► own log line and cosignature ──► published to all
//!                                                       │ others' the same way
//!                 quorum of them for a tree ◄───────────┘
//!                        │
//!                        └──► checkpoint published ──► everything in it is final
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use kvitto_ledger::{
    Genesis, Height, LedgerConfig, PublicKey, ReadState, Signature, StateError, StatementId, TimeMs,
};
use kvitto_merkle::Checkpoint;
use kvitto_merkle::note::{
    Cosignature, KeyName, NOTE_SIGNATURES_MAX, NoteSignature, SignatureType, VerifierKey, cosignature_message,
};

use crate::codec::CosignatureMessage;
use crate::effect::Fault;
use crate::evidence::Evidence;
use crate::heads::Heads;
use crate::signer::{Head, SignRequest, Signed, Signer, Subject};

/// Trees whose quorum is awaited at a time; older ones are covered by newer ones.
const TREES_MAX: usize = 16;
/// Heights ahead of the newest block for which cosignatures are kept.
const HEIGHTS_AHEAD: u64 = 8;
/// A cosignature is made anew this long after the last one, in milliseconds.
const REFRESH_MS: u64 = 10_000;
/// The own cosignature is sent again while the quorum is missing, in milliseconds.
const REPEAT_MS: u64 = 2_000;
/// Members cosign a tree when they commit it, and again in turn. One that does so out of turn, so long after the own cosignature or
/// before its refresh, in milliseconds, has just caught up.
const LATE_MS: u64 = 500;
/// How far a cosignature's time may be ahead of the own clock, or before its block's time, in seconds. Verifiers ignore what is 60 s
/// ahead of theirs; half of that is left for the difference between their clock and this one.
const SKEW_S: u64 = 30;

#[derive(Debug)]
pub(crate) struct Cosign {
    origin: KeyName,
    quorum: usize,
    members: Vec<MemberKeys>,
    /// Own place in the configuration.
    member: Option<usize>,
    trees: BTreeMap<Height, Tree>,
    /// Others' cosignatures of trees that are not here yet: the newest of each member.
    early: BTreeMap<usize, CosignatureMessage>,
    /// What members cosigned, to catch those that sign two histories.
    heads: Heads,
    published: Option<Published>,
    /// The newest own cosignature and when it was made.
    own: Option<(CosignatureMessage, TimeMs)>,
    /// Local statements that are executed and not final.
    unfinished: BTreeMap<Height, Vec<StatementId>>,
}

#[derive(Debug)]
struct MemberKeys {
    cosignature: VerifierKey,
    cosignature_key: PublicKey,
    log: VerifierKey,
}

#[derive(Debug)]
struct Tree {
    head: Head,
    /// When its block was made.
    time: TimeMs,
    text: String,
    log_line: Option<NoteSignature>,
    /// The newest of each member; verifiers count every one.
    lines: BTreeMap<usize, Cosignature>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Published {
    height: Height,
    /// Its freshness T (RULES 3.3).
    timestamp_s: u64,
}

/// A checkpoint with the quorum.
#[derive(Debug)]
pub(crate) struct Quorum {
    pub(crate) head: Head,
    pub(crate) note: Arc<str>,
    /// Local statements that are final with it.
    pub(crate) finished: Vec<StatementId>,
}

/// What a received cosignature leads to.
#[derive(Debug)]
pub(crate) enum Received {
    /// Good.
    Kept,
    /// Good, of a member that has come to the newest tree after all others were done with it.
    Late,
    /// Of no use: for an old tree, or older than one that is known.
    Useless,
    /// It contradicts another one of the same member.
    Conflict(Evidence),
}

impl Cosign {
    pub(crate) fn new(genesis: &Genesis, member: Option<usize>) -> Self {
        let LedgerConfig { members, .. } = &genesis.config;
        let origin: KeyName = genesis.origin.parse().expect("the genesis was checked");
        let keys = members.iter().map(|member| {
            let name = member.name.parse().expect("the genesis was checked");
            MemberKeys {
                cosignature: VerifierKey::new(name, SignatureType::CosignatureV1, member.cosignature.key.0),
                cosignature_key: PublicKey::new(&member.cosignature.key).expect("the genesis was checked"),
                log: VerifierKey::new(origin.clone(), SignatureType::Ed25519, member.log.key.0),
            }
        });
        Self {
            quorum: genesis.config.quorum(),
            members: keys.collect(),
            origin,
            member,
            trees: BTreeMap::new(),
            early: BTreeMap::new(),
            heads: Heads::default(),
            published: None,
            own: None,
            unfinished: BTreeMap::new(),
        }
    }

    /// A block, made at `time`, is durable, and `state` shows it: its tree can be cosigned. Evidence from cosignatures that came
    /// before it.
    pub(crate) fn committed<R: ReadState>(
        &mut self,
        head: Head,
        time: TimeMs,
        now: TimeMs,
        state: &R,
    ) -> Result<Vec<Evidence>, StateError> {
        let text = self.text(&head);
        self.heads.grow(head.size, head.root);
        self.trees.insert(head.height, Tree { head, time, text, log_line: None, lines: BTreeMap::new() });
        while self.trees.len() > TREES_MAX {
            self.trees.pop_first();
        }
        let (reached, early) =
            std::mem::take(&mut self.early).into_iter().partition(|(_, message)| message.size <= head.size);
        self.early = early;
        let mut evidence = Vec::new();
        let reached: BTreeMap<usize, CosignatureMessage> = reached;
        for (member, message) in reached {
            // A fault is one of time, which could not be seen without the tree.
            if let Ok(Received::Conflict(found)) = self.receive_from(member, message, now, Some(state))? {
                evidence.push(found);
            }
        }
        Ok(evidence)
    }

    /// A local statement that is executed at `height` waits to be final.
    pub(crate) fn await_final(&mut self, height: Height, statement: StatementId) {
        let waiting = self.unfinished.entry(height).or_default();
        if !waiting.contains(&statement) {
            waiting.push(statement);
        }
    }

    pub(crate) fn published(&self) -> Option<Height> {
        self.published.map(|published| published.height)
    }

    /// Cosigns the newest tree, unless that is not allowed; the message for the others. With `fresh`, an own cosignature that is
    /// there is replaced by a newer one.
    pub(crate) fn sign<S: Signer>(
        &mut self,
        now: TimeMs,
        fresh: bool,
        precommitted: Option<Height>,
        signer: &mut S,
    ) -> Option<CosignatureMessage> {
        let member = self.member?;
        let tree = self.trees.last_entry()?.into_mut();
        let there = tree.lines.contains_key(&member);
        // RULES 3.2: a precommit for the next block says that this tree may not be the newest any more.
        let stale = precommitted.is_some_and(|precommitted| precommitted > tree.head.height);
        if stale || (there && !fresh) {
            return None;
        }
        let keys = &self.members[member];
        if tree.log_line.is_none() {
            let request =
                SignRequest { subject: Subject::Log(tree.head), message: tree.text.clone().into_bytes() };
            let Signed::Signature(signature) = signer.sign(request) else { return None };
            tree.log_line = Some(NoteSignature::of_log(&keys.log, &signature.0));
        }
        let timestamp_s = now.seconds();
        if !tree.is_after(timestamp_s) {
            return None;
        }
        let message = cosignature_message(timestamp_s, &tree.text);
        let request = SignRequest { subject: Subject::Cosignature(tree.head), message };
        let Signed::Signature(signature) = signer.sign(request) else { return None };
        tree.lines.insert(member, Cosignature { timestamp_s, signature: signature.0 });
        let Head { height, size, root } = tree.head;
        let key = kvitto_ledger::KeyBytes(*keys.cosignature.public_key());
        let message = CosignatureMessage { height, size, root, timestamp_s, key, signature };
        self.own = Some((message.clone(), now));
        Some(message)
    }

    /// The own cosignature of the newest tree, to be sent again.
    pub(crate) fn own(&self) -> Option<&CosignatureMessage> {
        self.own.as_ref().map(|(message, _)| message)
    }

    /// Whether the own cosignature is old enough for a new one.
    pub(crate) fn is_refresh_due(&self, now: TimeMs) -> bool {
        self.age_ms(now) >= REFRESH_MS
    }

    /// When to look after the own cosignature again, in milliseconds from now.
    pub(crate) fn next_ms(&self, now: TimeMs) -> u64 {
        let refresh_ms = REFRESH_MS.saturating_sub(self.age_ms(now));
        // A refresh that is due and not allowed (RULES 3.2) is tried again as often as a repetition.
        if self.is_newest_published() && refresh_ms > 0 { refresh_ms } else { REPEAT_MS }
    }

    fn age_ms(&self, now: TimeMs) -> u64 {
        self.own.as_ref().map_or(REFRESH_MS, |(_, made)| now.0.abs_diff(made.0))
    }

    /// Whether the newest tree has the quorum.
    pub(crate) fn is_newest_published(&self) -> bool {
        self.trees.last_key_value().map(|(height, _)| *height) == self.published()
    }

    /// The member with this cosignature key: place in the configuration.
    pub(crate) fn member_of(&self, key: &kvitto_ledger::KeyBytes) -> Option<usize> {
        self.members.iter().position(|keys| *keys.cosignature.public_key() == key.0)
    }

    /// Takes a member's cosignature. `state` shows the newest tree, where it can be read.
    pub(crate) fn receive<R: ReadState>(
        &mut self,
        message: CosignatureMessage,
        now: TimeMs,
        state: Option<&R>,
    ) -> Result<Result<Received, Fault>, StateError> {
        match self.member_of(&message.key) {
            None => Ok(Err(Fault::Cosignature)),
            Some(member) if Some(member) == self.member => Ok(Ok(Received::Useless)),
            Some(member) => self.receive_from(member, message, now, state),
        }
    }

    fn receive_from<R: ReadState>(
        &mut self,
        member: usize,
        message: CosignatureMessage,
        now: TimeMs,
        state: Option<&R>,
    ) -> Result<Result<Received, Fault>, StateError> {
        let newest = self.trees.last_key_value().map(|(_, tree)| tree.head);
        if newest.is_none_or(|newest| message.height > newest.height && message.size > newest.size) {
            let newest = newest.map_or(Height(0), |newest| newest.height);
            return Ok(self.keep_early(member, message, newest, now));
        }
        if self.trees.get(&message.height).is_some_and(|tree| tree.is_of(&message)) {
            return self.add(member, &message, now, state);
        }
        self.compare(member, &message, newest.map_or(0, |newest| newest.size), state)
    }

    /// A cosignature of a tree that is not here yet.
    fn keep_early(
        &mut self,
        member: usize,
        message: CosignatureMessage,
        newest: Height,
        now: TimeMs,
    ) -> Result<Received, Fault> {
        if message.height.0 > newest.0.saturating_add(HEIGHTS_AHEAD) {
            return Ok(Received::Useless);
        }
        if !self.heads.is_wanted(member, message.size) {
            return Err(Fault::OtherHistory);
        }
        if !self.verifies(member, &message) {
            return Err(Fault::Cosignature);
        }
        let known = self.early.get(&member);
        if let Some(known) = known.filter(|known| known.size == message.size && known.root != message.root) {
            let evidence = self.heads.contradict(member, known.clone(), message);
            return Ok(Received::Conflict(evidence));
        }
        if is_ahead(message.timestamp_s, now) {
            return Err(Fault::CosignatureTime);
        }
        let newer =
            known.is_none_or(|known| (known.size, known.timestamp_s) < (message.size, message.timestamp_s));
        if newer {
            self.early.insert(member, message);
        }
        Ok(if newer { Received::Kept } else { Received::Useless })
    }

    /// A cosignature of a tree that is here.
    fn add<R: ReadState>(
        &mut self,
        member: usize,
        message: &CosignatureMessage,
        now: TimeMs,
        state: Option<&R>,
    ) -> Result<Result<Received, Fault>, StateError> {
        let known = self.trees.get(&message.height).and_then(|tree| tree.lines.get(&member));
        let out_of_turn = (LATE_MS..REFRESH_MS - LATE_MS).contains(&self.age_ms(now));
        let is_late = out_of_turn && self.is_newest_published() && self.published() == Some(message.height);
        if known.is_some_and(|known| known.timestamp_s >= message.timestamp_s) {
            return Ok(Ok(Received::Useless));
        }
        if !self.verifies(member, message) {
            return Ok(Err(Fault::Cosignature));
        }
        let evidence = self.heads.agree(member, message, state)?;
        let Some(tree) = self.trees.get_mut(&message.height) else { return Ok(Ok(Received::Useless)) };
        let counts = !is_ahead(message.timestamp_s, now) && tree.is_after(message.timestamp_s);
        if counts {
            let line = Cosignature { timestamp_s: message.timestamp_s, signature: message.signature.0 };
            tree.lines.insert(member, line);
        }
        Ok(match evidence {
            Some(evidence) => Ok(Received::Conflict(evidence)),
            None if counts && is_late => Ok(Received::Late),
            None if counts => Ok(Received::Kept),
            None => Err(Fault::CosignatureTime),
        })
    }

    /// A cosignature of an old tree, or of one that is not of this log.
    fn compare<R: ReadState>(
        &mut self,
        member: usize,
        message: &CosignatureMessage,
        size: u64,
        state: Option<&R>,
    ) -> Result<Result<Received, Fault>, StateError> {
        if self.heads.is_recent(message) || message.size > size {
            return Ok(Ok(Received::Useless));
        }
        if !self.heads.is_wanted(member, message.size) {
            return Ok(Err(Fault::OtherHistory));
        }
        if !self.verifies(member, message) {
            return Ok(Err(Fault::Cosignature));
        }
        let Some(state) = state else { return Ok(Ok(Received::Useless)) };
        let evidence = self.heads.compare(member, message, state)?;
        Ok(Ok(evidence.map_or(Received::Useless, Received::Conflict)))
    }

    fn verifies(&self, member: usize, message: &CosignatureMessage) -> bool {
        let head = Head { height: message.height, size: message.size, root: message.root };
        let signed = cosignature_message(message.timestamp_s, &self.text(&head));
        self.members[member].cosignature_key.verifies(&signed, &Signature(message.signature.0))
    }

    fn text(&self, head: &Head) -> String {
        Checkpoint { origin: self.origin.clone(), size: head.size, root: head.root }.to_string()
    }

    /// The newest tree that has the quorum, when that is news: a newer tree, or a fresher quorum for the same.
    pub(crate) fn quorum(&mut self) -> Option<Quorum> {
        let (height, timestamp_s) = self
            .trees
            .iter()
            .rev()
            .find_map(|(height, tree)| Some((*height, tree.freshness(self.quorum)?)))?;
        let news = Published { height, timestamp_s };
        let known = self
            .published
            .is_some_and(|known| (known.height, known.timestamp_s) >= (news.height, news.timestamp_s));
        if known {
            return None;
        }
        self.published = Some(news);
        self.trees = self.trees.split_off(&height);
        let later = self.unfinished.split_off(&height.next());
        let finished = std::mem::replace(&mut self.unfinished, later).into_values().flatten().collect();
        let tree = self.trees.get(&height)?;
        Some(Quorum { head: tree.head, note: self.note(tree).into(), finished })
    }

    fn note(&self, tree: &Tree) -> String {
        let checkpoint =
            Checkpoint { origin: self.origin.clone(), size: tree.head.size, root: tree.head.root };
        let mut note = checkpoint.to_note();
        let lines = tree
            .lines
            .iter()
            .map(|(member, line)| NoteSignature::of_cosigner(&self.members[*member].cosignature, line));
        for line in tree.log_line.iter().cloned().chain(lines).take(NOTE_SIGNATURES_MAX) {
            note.push(line).expect("64 lines are shorter than a note may be");
        }
        note.to_string()
    }
}

/// Whether verifiers would not count a cosignature of this time yet.
fn is_ahead(timestamp_s: u64, now: TimeMs) -> bool {
    timestamp_s > now.seconds().saturating_add(SKEW_S)
}

impl Tree {
    fn is_of(&self, message: &CosignatureMessage) -> bool {
        (self.head.size, self.head.root) == (message.size, message.root)
    }

    /// Whether this may be the time of a cosignature: its block was there, by clocks that differ.
    fn is_after(&self, timestamp_s: u64) -> bool {
        timestamp_s.saturating_add(SKEW_S) >= self.time.seconds()
    }

    /// The `quorum`-th largest timestamp (RULES 3.3), if there are so many.
    fn freshness(&self, quorum: usize) -> Option<u64> {
        let mut timestamps: Vec<_> = self.lines.values().map(|line| line.timestamp_s).collect();
        timestamps.sort_unstable_by(|a, b| b.cmp(a));
        timestamps.get(quorum - 1).copied()
    }
}

#[cfg(test)]
mod tests;
