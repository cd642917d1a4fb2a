//! Protobuf messages: what becomes a domain value is written so that it becomes the same.

use std::fmt::Debug;

use kvitto_ledger::Height;
use kvitto_ledger::scope::Scope;
use kvitto_ledger::state::{Accreditation, Identifier, ItemException, Outcome};
use kvitto_proto::convert::{
    self, CredentialName, CredentialStatus, Moment, PublishedCheckpoint, Refusal, StatementResult,
};
use kvitto_proto::v1;
use kvitto_verifier::receipt::{ChunkProof, LeafProof, ReceiptItem, ReceiptShared};
use prost::Message;

/// Decodes a message, converts it, and there and back again.
fn check<W: Message + Default, D: Debug + PartialEq>(
    bytes: &[u8],
    read: impl Fn(W) -> Option<D>,
    write: impl Fn(&D) -> W,
) {
    let Some(value) = W::decode(bytes).ok().and_then(&read) else { return };
    let written = write(&value).encode_to_vec();
    let again = W::decode(&written[..]).expect("prost reads what it writes");
    assert_eq!(read(again).as_ref(), Some(&value));
}

/// A message; the first byte says which.
pub fn wire(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 16 {
        0 => check(
            bytes,
            |at: v1::At| Some(Moment::from(Some(at))),
            |moment| Option::<v1::At>::from(*moment).unwrap_or_default(),
        ),
        1 => check(bytes, |wire: v1::AsOf| convert::AsOf::try_from(Some(wire)).ok(), |value| (*value).into()),
        2 => check(bytes, |wire: v1::Outcome| Outcome::try_from(wire).ok(), |value| value.into()),
        3 => check(bytes, |wire: v1::ItemException| ItemException::try_from(wire).ok(), |value| value.into()),
        4 => check(
            bytes,
            |wire: v1::StatementResult| StatementResult::try_from(Some(wire)).ok(),
            |value| value.clone().into(),
        ),
        5 => check(
            bytes,
            |wire: v1::Checkpoint| PublishedCheckpoint::try_from(Some(wire)).ok(),
            |value| value.clone().into(),
        ),
        6 => check(bytes, |wire: v1::LeafProof| LeafProof::try_from(wire).ok(), |value| value.clone().into()),
        7 => {
            check(bytes, |wire: v1::ChunkProof| ChunkProof::try_from(wire).ok(), |value| value.clone().into())
        }
        8 => check(
            bytes,
            |wire: v1::RegistryProof| convert::RegistryProof::try_from(Some(wire)).ok(),
            |value| value.clone().into(),
        ),
        9 => check(
            bytes,
            |wire: v1::ReceiptShared| ReceiptShared::try_from(wire).ok(),
            |value| {
                let note = value.note.to_string();
                convert::receipt_shared(
                    1,
                    PublishedCheckpoint { note, tree_size: 1, height: Height(0) },
                    value,
                )
            },
        ),
        10 => check(
            bytes,
            |wire: v1::ReceiptItem| ReceiptItem::try_from(wire).ok(),
            |value| convert::receipt_item(1, value.clone()),
        ),
        11 => check(bytes, |wire: v1::Identifier| Identifier::try_from(wire).ok(), |value| value.into()),
        12 => {
            check(bytes, |wire: v1::Accreditation| Accreditation::try_from(wire).ok(), |value| value.into())
        }
        13 => check(bytes, |wire: v1::Scope| Scope::try_from(wire).ok(), |value| value.into()),
        14 => {
            check(bytes, |wire: v1::Credential| CredentialName::try_from(&wire).ok(), |value| (*value).into())
        }
        _ => {
            check(
                bytes,
                |wire: v1::CredentialStatus| CredentialStatus::try_from(Some(wire)).ok(),
                |value| value.clone().into(),
            );
            check(bytes, |wire: v1::Rejection| Some(Refusal::from(wire)), |value| value.clone().into());
        }
    }
}
