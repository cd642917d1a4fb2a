//! Evidence of what members did wrong, in files that others can check (RULES 3.4), and the dossier that is served from them.
//!
//! | file | content |
//! |---|---|
//! | `checkpoints-<member>-<size>.json` | conflicting checkpoints |
//! | `prevotes-`, `precommits-`, `proposals-<member>-<height>-<round>.json` | two votes or proposals |
//!
//! A member is its place in the genesis, from 0; a size is that of the smaller tree. There is one file for each, however often the
//! member does it again. The form is that of `crates/verifier/EVIDENCE.md`; files with other names that hold evidence are served too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use kvitto_api::Dossier;
use kvitto_ledger::genesis::Member;
use kvitto_ledger::{Genesis, LedgerId};
use kvitto_merkle::note::{Cosignature, NoteSignature, SignatureType, VerifierKey};
use kvitto_merkle::{Checkpoint, Note};
use kvitto_replica::codec::CosignatureMessage;
use kvitto_replica::signer::{Point, Step};
use kvitto_replica::{ConflictingHeads, ConflictingMessages, Evidence, Message};
use kvitto_verifier::evidence::{
    Conflicting, ConflictingCheckpoints, Contradiction, EVIDENCE_BYTES_MAX, OtherBeginning, Proposal, Vote,
};
use kvitto_verifier::{Evidence as EvidenceFile, TrustFile};

use crate::file;

/// Files that are kept of one member. A member that lies without end fills no disk.
const PER_MEMBER_MAX: usize = 64;

/// Where evidence is kept.
#[derive(Debug)]
pub(crate) struct EvidenceFolder {
    path: PathBuf,
    origin: String,
    ledger_id: LedgerId,
    members: Vec<Member>,
    dossier: Dossier,
    /// Names of the files in the folder.
    names: Mutex<BTreeSet<String>>,
}

impl EvidenceFolder {
    /// Opens the folder, which need not exist yet. What is in it and proves nothing is left alone.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn open(path: PathBuf, genesis: &Genesis) -> Result<Self> {
        let trust = TrustFile::from_genesis(genesis.clone()).context("the genesis")?;
        let dossier = Dossier::new(trust);
        let names = load(&path, &dossier).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            path,
            origin: genesis.origin.clone(),
            ledger_id: genesis.ledger_id(),
            members: genesis.config.members.clone(),
            dossier,
            names: Mutex::new(names),
        })
    }

    /// What is served of it.
    pub(crate) fn dossier(&self) -> &Dossier {
        &self.dossier
    }

    /// Writes evidence, durably; what there is a file about already changes nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn keep(&self, evidence: &Evidence) -> Result<()> {
        let (member, subject, contradiction) = match evidence {
            Evidence::Messages { member, point, messages } => {
                let subject = format!("{}-{}", point.height, point.round);
                (*member, subject, said_twice(*point, messages)?)
            }
            Evidence::Heads { member, heads } => {
                let subject = heads.smaller.size.to_string();
                (*member, subject, Contradiction::Checkpoints(self.checkpoints(*member, heads)?))
            }
        };
        let file = EvidenceFile { ledger_id: self.ledger_id, contradiction };
        let name = format!("{}-{member}-{subject}.json", file.kind());
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let of_member = |name: &&String| name.split('-').nth(1) == Some(&member.to_string());
        if names.contains(&name) || names.iter().filter(of_member).count() >= PER_MEMBER_MAX {
            return Ok(());
        }
        let path = self.path.join(&name);
        tracing::error!(
            member = self.members[member].name,
            file = %path.display(),
            "a member has signed two things that contradict each other"
        );
        std::fs::create_dir_all(&self.path)
            .and_then(|()| file::sync_parent(&self.path))
            .with_context(|| format!("cannot create {}", self.path.display()))?;
        let json = file.to_json().into_bytes();
        file::replace(&path, &json)?;
        names.insert(name);
        self.dossier.add(json).with_context(|| format!("cannot serve {}", path.display()))
    }

    fn checkpoints(&self, member: usize, heads: &ConflictingHeads) -> Result<ConflictingCheckpoints> {
        let ConflictingHeads { smaller, larger, beginning } = heads;
        let proof = beginning.clone().map(|other| OtherBeginning { root: other.root, path: other.path });
        let (smaller, larger) = (self.note(member, smaller)?, self.note(member, larger)?);
        Ok(ConflictingCheckpoints { smaller, larger, proof })
    }

    /// A cosignature as the note that it signs.
    fn note(&self, member: usize, message: &CosignatureMessage) -> Result<Note> {
        let origin = self.origin.parse().context("the origin of the genesis")?;
        let mut note = Checkpoint { origin, size: message.size, root: message.root }.to_note();
        let Member { name, cosignature, .. } = &self.members[member];
        let name = name.parse().context("a member's name in the genesis")?;
        let key = VerifierKey::new(name, SignatureType::CosignatureV1, cosignature.key.0);
        let signature = message.signature.0;
        note.push(NoteSignature::of_cosigner(
            &key,
            &Cosignature { timestamp_s: message.timestamp_s, signature },
        ))?;
        Ok(note)
    }
}

/// Takes what proves something into the dossier, and gives the names of all files.
fn load(folder: &Path, dossier: &Dossier) -> std::io::Result<BTreeSet<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries?,
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let is_evidence = path.extension().is_some_and(|extension| extension == "json");
        if !is_evidence || entry.metadata()?.len() > EVIDENCE_BYTES_MAX as u64 {
            continue;
        }
        if let Err(error) = dossier.add(std::fs::read(&path)?) {
            tracing::warn!(file = %path.display(), %error, "this file is not served as evidence");
        }
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

fn said_twice(point: Point, messages: &ConflictingMessages) -> Result<Contradiction> {
    let ConflictingMessages { key, first, second } = messages;
    let votes = || {
        let [first, second] = [first, second]
            .map(|Message { block, signature, .. }| Vote { block: *block, signature: *signature });
        Conflicting { height: point.height, round: point.round, key: *key, first, second }
    };
    let proposal = |message: &Message| {
        let block = message.block.context("a proposal is for a block")?;
        anyhow::Ok(Proposal { block, locked_in: message.locked_in, signature: message.signature })
    };
    Ok(match point.step {
        Step::Prevote => Contradiction::Prevotes(votes()),
        Step::Precommit => Contradiction::Precommits(votes()),
        Step::Proposal => Contradiction::Proposals(Conflicting {
            height: point.height,
            round: point.round,
            key: *key,
            first: proposal(first)?,
            second: proposal(second)?,
        }),
    })
}

#[cfg(test)]
mod tests {
    use kvitto_ledger::Height;
    use kvitto_ledger::testing::World;
    use kvitto_merkle::Hash;
    use kvitto_replica::Topic;
    use kvitto_replica::signer::Head;
    use kvitto_replica::testing::{Cluster, Liar, Statements};

    use super::*;

    /// What the dossier says of each file: kind and members.
    fn said(folder: &EvidenceFolder) -> Vec<(&'static str, Vec<String>)> {
        let page = folder.dossier().page(None, 1000);
        page.into_iter().map(|(_, exhibit)| (exhibit.kind, exhibit.members)).collect()
    }

    fn names(path: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(path).expect("made");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("read").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    #[test]
    fn two_heads_of_a_member_become_a_file_that_is_served_now_and_after_a_restart() {
        let world = World::new(4);
        let temporary = tempfile::tempdir().expect("a folder");
        let path = temporary.path().join("evidence");
        let folder = EvidenceFolder::open(path.clone(), &world.genesis).expect("opens");
        let liar = Liar::of(&world, 2);
        let head = |root| Head { height: Height(7), size: 40, root: Hash([root; 32]) };
        for root in 2..4 {
            let (smaller, larger) = (liar.cosignature(head(1), 5), liar.cosignature(head(root), 6));
            let heads = Box::new(ConflictingHeads { smaller, larger, beginning: None });
            let evidence = Evidence::Heads { member: 2, heads };
            folder.keep(&evidence).expect("written");
        }
        assert_eq!(names(&path), ["checkpoints-2-40.json"], "one for each tree");
        std::fs::write(path.join("other.json"), "{}").expect("written");
        let expected = [("checkpoints", vec![world.members[2].name.clone()])];
        assert_eq!(said(&folder), expected);
        assert_eq!(said(&EvidenceFolder::open(path, &world.genesis).expect("opens")), expected);
    }

    /// The engine catches a member at each kind of message; a verifier that shares no code with it agrees about every byte that
    /// was signed.
    #[test]
    fn whatever_the_engine_catches_a_verifier_accepts() {
        let mut caught = BTreeSet::new();
        for step in [Step::Proposal, Step::Prevote, Step::Precommit] {
            let mut cluster = Cluster::new(4, 2);
            let mut statements = Statements::new(&cluster);
            let liar = Liar::new(&mut cluster, 1);
            let other = liar.empty_block(&cluster, 1);
            cluster.submit(0, statements.next());
            let is_deciding = |cluster: &Cluster| {
                cluster.nodes[2].replica.as_ref().is_some_and(|replica| replica.status().round.is_some())
            };
            assert!(cluster.run_for(1_000, is_deciding));
            let point = Point { height: Height(1), round: 0, step };
            let lies = match step {
                Step::Proposal => vec![liar.proposal(0, None, &other)],
                _ => vec![liar.vote(point, None), liar.vote(point, Some(other.id()))],
            };
            for lie in lies {
                liar.tell(&mut cluster, 2, Topic::Consensus, lie);
            }
            cluster.run_ms(10_000);
            let temporary = tempfile::tempdir().expect("a folder");
            let folder = EvidenceFolder::open(temporary.path().to_owned(), &cluster.world.genesis);
            let folder = folder.expect("opens");
            for evidence in &cluster.nodes[2].evidence {
                folder.keep(evidence).expect("written, and accepted by the verifier");
                folder.keep(evidence).expect("nothing new");
            }
            let liar_name = &cluster.world.members[1].name;
            for (kind, members) in said(&folder) {
                assert_eq!(members, std::slice::from_ref(liar_name));
                caught.insert(kind);
            }
            assert!(!names(temporary.path()).is_empty());
        }
        assert_eq!(caught.into_iter().collect::<Vec<_>>(), ["precommits", "prevotes", "proposals"]);
    }

    #[test]
    fn a_member_that_lies_without_end_fills_no_disk() {
        let world = World::new(4);
        let temporary = tempfile::tempdir().expect("a folder");
        let path = temporary.path().to_owned();
        let liar = Liar::of(&world, 1);
        let lie = |round: u8| {
            let head = |root| Head { height: Height(7), size: 1 + u64::from(round), root: Hash([root; 32]) };
            let (smaller, larger) = (liar.cosignature(head(1), 5), liar.cosignature(head(2), 5));
            Evidence::Heads {
                member: 1,
                heads: Box::new(ConflictingHeads { smaller, larger, beginning: None }),
            }
        };
        // It goes on after each restart.
        for run in 0..10 {
            let folder = EvidenceFolder::open(path.clone(), &world.genesis).expect("opens");
            for round in 0..8 {
                folder.keep(&lie(run * 8 + round)).expect("written, or too much");
            }
        }
        assert_eq!(names(&path).len(), PER_MEMBER_MAX);
        let head = |root| Head { height: Height(7), size: 9, root: Hash([root; 32]) };
        let other = Liar::of(&world, 3);
        let (smaller, larger) = (other.cosignature(head(1), 5), other.cosignature(head(2), 5));
        let heads = Box::new(ConflictingHeads { smaller, larger, beginning: None });
        let folder = EvidenceFolder::open(path.clone(), &world.genesis).expect("opens");
        folder.keep(&Evidence::Heads { member: 3, heads }).expect("written");
        assert_eq!(names(&path).len(), PER_MEMBER_MAX + 1, "there is room for others");
    }
}
