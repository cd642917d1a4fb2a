//! Evidence of what members did wrong, in files that others can check (RULES 3.4).
//!
//! | file | content |
//! |---|---|
//! | `checkpoints-<member>-<size>.json` | conflicting checkpoints, in the form that `kvitto-verifier` checks |
//! | `messages-<member>-<height>-<round>-<step>.evidence` | two votes or proposals, see [`ConflictingMessages`] |
//!
//! A member is its place in the genesis, from 0; a size is that of the smaller tree. There is one file for each, however often the
//! member does it again.
//!
//! [`ConflictingMessages`]: kvitto_replica::codec::ConflictingMessages

use std::path::PathBuf;

use anyhow::{Context, Result};
use kvitto_ledger::Genesis;
use kvitto_ledger::genesis::Member;
use kvitto_merkle::note::{Cosignature, NoteSignature, SignatureType, VerifierKey};
use kvitto_merkle::{Checkpoint, Note};
use kvitto_replica::codec::CosignatureMessage;
use kvitto_replica::signer::Step;
use kvitto_replica::{ConflictingHeads, Evidence};
use kvitto_verifier::ConflictingCheckpoints;
use kvitto_verifier::evidence::{EvidenceFormat, OtherBeginning};

use crate::file::{self, Access};

/// Where evidence is kept.
#[derive(Debug)]
pub(crate) struct EvidenceFolder {
    path: PathBuf,
    origin: String,
    members: Vec<Member>,
}

impl EvidenceFolder {
    pub(crate) fn new(path: PathBuf, genesis: &Genesis) -> Self {
        Self { path, origin: genesis.origin.clone(), members: genesis.config.members.clone() }
    }

    /// Writes evidence, durably; what there is a file about already changes nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn keep(&self, evidence: &Evidence) -> Result<()> {
        let (member, name, content) = match evidence {
            Evidence::Messages { member, point, messages } => {
                let step = match point.step {
                    Step::Proposal => "proposal",
                    Step::Prevote => "prevote",
                    Step::Precommit => "precommit",
                };
                let name = format!("messages-{member}-{}-{}-{step}.evidence", point.height, point.round);
                (*member, name, messages.encode())
            }
            Evidence::Heads { member, heads } => {
                let ConflictingHeads { smaller, larger, beginning } = &**heads;
                let proof =
                    beginning.clone().map(|other| OtherBeginning { root: other.root, path: other.path });
                let (smaller_note, larger_note) = (self.note(*member, smaller)?, self.note(*member, larger)?);
                let conflict = ConflictingCheckpoints {
                    format: EvidenceFormat,
                    smaller: smaller_note,
                    larger: larger_note,
                    proof,
                };
                let name = format!("checkpoints-{member}-{}.json", smaller.size);
                (*member, name, conflict.to_json().into_bytes())
            }
        };
        let path = self.path.join(name);
        tracing::error!(
            member = self.members[member].name,
            file = %path.display(),
            "a member has signed two things that contradict each other"
        );
        std::fs::create_dir_all(&self.path)
            .with_context(|| format!("cannot create {}", self.path.display()))?;
        if path.exists() { Ok(()) } else { file::create(&path, &content, Access::Public) }
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

#[cfg(test)]
mod tests {
    use kvitto_ledger::Height;
    use kvitto_ledger::testing::World;
    use kvitto_merkle::Hash;
    use kvitto_replica::codec::ConflictingMessages;
    use kvitto_replica::signer::{Head, Point};
    use kvitto_replica::testing::Liar;
    use kvitto_verifier::TrustFile;

    use super::*;

    #[test]
    fn two_heads_of_a_member_become_a_file_that_a_verifier_accepts() {
        let world = World::new(4);
        let temporary = tempfile::tempdir().expect("a folder");
        let path = temporary.path().join("evidence");
        let folder = EvidenceFolder::new(path.clone(), &world.genesis);
        let liar = Liar::of(&world, 2);
        let head = |root| Head { height: Height(7), size: 40, root: Hash([root; 32]) };
        for root in 2..4 {
            let (smaller, larger) = (liar.cosignature(head(1), 5), liar.cosignature(head(root), 6));
            let heads = Box::new(ConflictingHeads { smaller, larger, beginning: None });
            let evidence = Evidence::Heads { member: 2, heads };
            folder.keep(&evidence).expect("written");
        }
        let files: Vec<_> =
            std::fs::read_dir(&path).expect("made").map(|entry| entry.expect("read").path()).collect();
        assert_eq!(files, [path.join("checkpoints-2-40.json")], "one for each tree");
        let json = std::fs::read(&files[0]).expect("read");
        let conflict = ConflictingCheckpoints::from_json(&json).expect("its form");
        let trust = TrustFile::from_genesis(world.genesis.clone()).expect("a ledger");
        assert_eq!(conflict.check(&trust), Ok(vec![world.members[2].name.clone()]));
    }

    #[test]
    fn two_votes_of_a_member_become_a_file() {
        let world = World::new(4);
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = EvidenceFolder::new(temporary.path().to_owned(), &world.genesis);
        let point = Point { height: Height(3), round: 1, step: Step::Prevote };
        let messages = ConflictingMessages { first: vec![1], second: vec![2] };
        for _ in 0..2 {
            let evidence = Evidence::Messages { member: 0, point, messages: messages.clone() };
            folder.keep(&evidence).expect("written");
        }
        let bytes = std::fs::read(temporary.path().join("messages-0-3-1-prevote.evidence")).expect("written");
        assert_eq!(ConflictingMessages::decode(&bytes), Ok(messages));
    }
}
