//! The memory of a signer: what it has signed last, so that a crash or a copied disk cannot make it sign two things.

use kvitto_ledger::codec::{DecodeError, decode_strict, encode};
use kvitto_ledger::{Height, Signature};
use kvitto_merkle::Hash;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

use super::{Head, Point, SignRequest, Step, Subject};

const GUARD_VERSION: u8 = 1;
const GUARD_BYTES_MAX: usize = 64 * 1024;

/// What was signed last, of each kind.
///
/// Invariants: points only move forward, except that the last one of each step is repeated byte for byte; the cosigned tree
/// never shrinks, and never has two roots for one size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// The last proposal, prevote and precommit.
    slots: [Option<Slot>; 3],
    /// The greatest height of a precommit that named a block (RULES 3.2).
    precommitted: Option<Height>,
    /// The largest tree that was cosigned, or signed as the log.
    head: Option<Head>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    point: Point,
    message: Vec<u8>,
    signature: Signature,
}

/// What a signer must do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuardAnswer {
    /// Sign it, and record it.
    Sign,
    /// It was signed before: the same signature.
    Repeat(Signature),
    /// Something else was signed at this point.
    Earlier {
        /// What was signed.
        message: Vec<u8>,
        /// Its signature.
        signature: Signature,
    },
    /// Do not sign.
    Refuse,
}

/// A guard file that cannot be used. The member observes (RULES 2.3).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum GuardError {
    /// Not a guard's bytes.
    #[error("the guard cannot be read")]
    Malformed(#[from] DecodeError),
    /// Written by a newer release.
    #[error("the guard has version {0}, which this build does not know")]
    Version(u8),
}

impl Guard {
    /// What to do with a request.
    pub fn ask(&self, request: &SignRequest) -> GuardAnswer {
        match request.subject {
            Subject::Consensus { point, .. } => self.ask_consensus(point, &request.message),
            Subject::Cosignature(head) => {
                let decided_later = self.precommitted.is_some_and(|precommitted| head.height < precommitted);
                if decided_later { GuardAnswer::Refuse } else { self.ask_head(head) }
            }
            Subject::Log(head) => self.ask_head(head),
        }
    }

    fn ask_consensus(&self, point: Point, message: &[u8]) -> GuardAnswer {
        if let Some(slot) = self.slots[slot_of(point.step)].as_ref().filter(|slot| slot.point == point) {
            return if slot.message == message {
                GuardAnswer::Repeat(slot.signature)
            } else {
                GuardAnswer::Earlier { message: slot.message.clone(), signature: slot.signature }
            };
        }
        let last = self.slots.iter().flatten().map(|slot| slot.point).max();
        if last.is_some_and(|last| point < last) { GuardAnswer::Refuse } else { GuardAnswer::Sign }
    }

    fn ask_head(&self, head: Head) -> GuardAnswer {
        match self.head {
            Some(last) if head.size < last.size => GuardAnswer::Refuse,
            Some(last) if head.size == last.size && head.root != last.root => GuardAnswer::Refuse,
            _ => GuardAnswer::Sign,
        }
    }

    /// Remembers a signature that was given for a request to which [`Guard::ask`] said [`GuardAnswer::Sign`].
    pub fn record(&mut self, request: &SignRequest, signature: Signature) {
        match request.subject {
            Subject::Consensus { point, names_block } => {
                if names_block && point.step == Step::Precommit {
                    self.precommitted = self.precommitted.max(Some(point.height));
                }
                let message = request.message.clone();
                self.slots[slot_of(point.step)] = Some(Slot { point, message, signature });
            }
            Subject::Cosignature(head) | Subject::Log(head) => self.head = Some(head),
        }
    }

    /// The greatest height for which a precommit that names a block was signed.
    pub fn precommitted(&self) -> Option<Height> {
        self.precommitted
    }

    /// The newest block that the member must have: it cosigns what it has, and says something about a block only once it has the
    /// one before.
    pub fn committed(&self) -> Option<Height> {
        let spoken_of = self.slots.iter().flatten().map(|slot| slot.point.height).max();
        let before = spoken_of.and_then(|height| height.0.checked_sub(1)).map(Height);
        before.max(self.head.map(|head| head.height))
    }

    /// The largest tree that was cosigned.
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    /// The guard file's content: CBOR `[version, [slot; 3], precommitted, head]`, where a slot is
    /// `[height, round, message, signature]`, a head `[height, size, root]`, and what is not there is null.
    pub fn encode(&self) -> Vec<u8> {
        let slots = self.slots.each_ref().map(|slot| {
            slot.as_ref().map(|slot| {
                WireSlot(
                    slot.point.height,
                    slot.point.round,
                    ByteBuf::from(slot.message.clone()),
                    slot.signature,
                )
            })
        });
        let head = self.head.map(|head| WireHead(head.height, head.size, head.root));
        encode(&WireGuard(GUARD_VERSION, slots, self.precommitted, head))
    }

    /// Reads a guard file's content.
    ///
    /// # Errors
    /// [`GuardError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, GuardError> {
        let WireGuard(version, slots, precommitted, head) = decode_strict(bytes, GUARD_BYTES_MAX)?;
        if version != GUARD_VERSION {
            return Err(GuardError::Version(version));
        }
        let mut steps = [Step::Proposal, Step::Prevote, Step::Precommit].into_iter();
        let slots = slots.map(|slot| {
            let step = steps.next().expect("there are three slots");
            slot.map(|WireSlot(height, round, message, signature)| Slot {
                point: Point { height, round, step },
                message: message.into_vec(),
                signature,
            })
        });
        let head = head.map(|WireHead(height, size, root)| Head { height, size, root });
        Ok(Self { slots, precommitted, head })
    }
}

fn slot_of(step: Step) -> usize {
    match step {
        Step::Proposal => 0,
        Step::Prevote => 1,
        Step::Precommit => 2,
    }
}

#[derive(Serialize, Deserialize)]
struct WireGuard(u8, [Option<WireSlot>; 3], Option<Height>, Option<WireHead>);

#[derive(Serialize, Deserialize)]
struct WireSlot(Height, u32, ByteBuf, Signature);

#[derive(Serialize, Deserialize)]
struct WireHead(Height, u64, Hash);

#[cfg(test)]
mod tests {
    use super::*;
    use GuardAnswer::{Refuse, Repeat, Sign};
    use Step::{Precommit, Prevote, Proposal};

    fn vote(height: u64, round: u32, step: Step, message: &str) -> SignRequest {
        let point = Point { height: Height(height), round, step };
        let names_block = message != "nil";
        SignRequest { subject: Subject::Consensus { point, names_block }, message: message.into() }
    }

    fn cosign(height: u64, size: u64, root: u8) -> SignRequest {
        let head = Head { height: Height(height), size, root: Hash([root; 32]) };
        SignRequest { subject: Subject::Cosignature(head), message: b"text".to_vec() }
    }

    /// Asks, records what is signed with a signature made of `n`, and returns the answer.
    fn give(guard: &mut Guard, request: SignRequest, n: u8) -> GuardAnswer {
        let answer = guard.ask(&request);
        if answer == Sign {
            guard.record(&request, Signature([n; 64]));
        }
        answer
    }

    #[test]
    fn a_point_is_signed_once_and_points_move_forward() {
        let mut guard = Guard::default();
        let earlier = |message: &str, n| GuardAnswer::Earlier {
            message: message.into(),
            signature: Signature([n; 64]),
        };
        let steps = [
            (vote(5, 0, Proposal, "A"), Sign),
            (vote(5, 0, Prevote, "a"), Sign),
            (vote(5, 0, Prevote, "a"), Repeat(Signature([2; 64]))),
            (vote(5, 0, Prevote, "nil"), earlier("a", 2)),
            (vote(5, 0, Proposal, "B"), earlier("A", 1)),
            (vote(5, 0, Precommit, "nil"), Sign),
            (vote(5, 0, Prevote, "a"), Repeat(Signature([2; 64]))),
            (vote(5, 2, Prevote, "nil"), Sign),
            (vote(5, 1, Prevote, "b"), Refuse),
            (vote(5, 0, Prevote, "a"), Refuse),
            (vote(5, 0, Precommit, "nil"), Repeat(Signature([6; 64]))),
            (vote(4, 9, Precommit, "a"), Refuse),
            (vote(6, 0, Prevote, "c"), Sign),
        ];
        for (n, (request, expected)) in (1..).zip(steps) {
            assert_eq!(give(&mut guard, request, n), expected, "step {n}");
            assert_eq!(Guard::decode(&guard.encode()), Ok(guard.clone()), "step {n}");
        }
    }

    #[test]
    fn the_cosigned_tree_neither_shrinks_nor_changes_its_root() {
        let mut guard = Guard::default();
        for (request, expected) in [
            (cosign(1, 10, 1), Sign),
            (cosign(1, 10, 1), Sign),
            (cosign(1, 10, 2), Refuse),
            (cosign(2, 9, 1), Refuse),
            (cosign(2, 12, 3), Sign),
            (cosign(1, 10, 1), Refuse),
        ] {
            assert_eq!(give(&mut guard, request.clone(), 0), expected, "{request:?}");
        }
    }

    #[test]
    fn after_a_precommit_for_the_next_block_a_tree_is_not_cosigned_again() {
        let mut guard = Guard::default();
        for (request, expected) in [
            (cosign(1, 10, 1), Sign),
            (vote(2, 0, Precommit, "nil"), Sign),
            (cosign(1, 10, 1), Sign),
            (vote(2, 1, Precommit, "b"), Sign),
            (cosign(1, 10, 1), Refuse),
            (vote(2, 2, Precommit, "nil"), Sign),
            (cosign(1, 10, 1), Refuse),
            (cosign(2, 12, 2), Sign),
        ] {
            guard = Guard::decode(&guard.encode()).expect("its own bytes");
            assert_eq!(give(&mut guard, request.clone(), 0), expected, "{request:?}");
        }
    }

    #[test]
    fn what_was_signed_tells_which_blocks_the_member_had() {
        let mut guard = Guard::default();
        assert_eq!(guard.committed(), None);
        for (request, expected) in [
            (vote(1, 0, Prevote, "nil"), 0),
            (cosign(1, 10, 1), 1),
            (vote(5, 0, Prevote, "a"), 4),
            (vote(5, 0, Precommit, "a"), 4),
            (cosign(5, 50, 5), 5),
        ] {
            give(&mut guard, request, 0);
            assert_eq!(guard.committed(), Some(Height(expected)));
        }
    }

    #[test]
    fn what_is_no_guard_is_refused() {
        let bytes = Guard::default().encode();
        assert_eq!(bytes, [0x84, 1, 0x83, 0xf6, 0xf6, 0xf6, 0xf6, 0xf6]);
        let mut newer = bytes.clone();
        newer[1] = 2;
        assert_eq!(Guard::decode(&newer), Err(GuardError::Version(2)));
        assert!(matches!(Guard::decode(&bytes[..7]), Err(GuardError::Malformed(_))));
        assert!(matches!(Guard::decode(b""), Err(GuardError::Malformed(_))));
    }
}
