//! Any bytes are safe to read, and what is written is read back the same.

use kvitto_ledger::block::BlockBody;
use kvitto_ledger::codec::{decode_strict, encode};
use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget};
use kvitto_ledger::did::Did;
use kvitto_ledger::ids::{AccreditationId, ConfigHash, HeaderId, Nonce};
use kvitto_ledger::record::{
    AccreditationStatusRecord, AnchoredRecord, BlockRecord, RecordBody, ReservationRecord, StatusRecord,
};
use kvitto_ledger::statement::body::{Reason, StatusCode};
use kvitto_ledger::statement::{
    Anchor, AnchorItem, Body, DeactivateIdentifier, Reserve, SetAccreditationStatus, SetStatus, Statement,
    StatusItem, StatusTarget,
};
use kvitto_ledger::{
    Commitment, Envelope, Header, Height, LeafIndex, LedgerId, Position, Record, StatementId, TimeMs,
};
use kvitto_merkle::Hash;
use kvitto_merkle::status::StatusValue;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

use crate::{Parts, bodies, ledger};

/// Good bytes to spoil: statements of every kind, every record and header of a short log.
static GOOD: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut ledger = ledger();
    let mut good = vec![Parts::good().0.bytes(), ledger.state.newest().header.encode()];
    good.extend(ledger.state.leaves().map(<[u8]>::to_vec));
    for (_, signer, body) in bodies(&ledger) {
        let statement = ledger.statement(body);
        good.push(ledger.signed(&signer, &statement));
    }
    good
});

fn read_all(bytes: &[u8]) {
    let _ = Envelope::decode(bytes, &LedgerId([0; 32]));
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(record.encode(), bytes);
    }
    if let Ok(header) = Header::decode(bytes) {
        assert_eq!(header.encode(), bytes);
    }
    if let Ok(body) = BlockBody::decode(bytes) {
        assert_eq!(body.encode(), bytes);
    }
}

fn did() -> impl Strategy<Value = Did> {
    any::<[u8; 16]>().prop_map(Did::new)
}

fn id() -> impl Strategy<Value = AccreditationId> {
    any::<[u8; 32]>().prop_map(AccreditationId)
}

fn commitment() -> impl Strategy<Value = Commitment> {
    any::<[u8; 32]>().prop_map(Commitment)
}

fn status() -> impl Strategy<Value = StatusCode> {
    (0..4_u8).prop_map(|code| StatusCode(StatusValue::from_code(code).expect("0 to 3")))
}

fn reason() -> impl Strategy<Value = Reason> {
    (0..6_u8).prop_map(|code| Reason::from_code(code).expect("0 to 5"))
}

fn target() -> impl Strategy<Value = StatusTarget> {
    prop_oneof![
        any::<u64>().prop_map(|position| StatusTarget::Position(Position(position))),
        commitment().prop_map(StatusTarget::Commitment)
    ]
}

fn body() -> impl Strategy<Value = Body> {
    let anchor_item = (commitment(), option::of(any::<u64>()))
        .prop_map(|(commitment, reserved)| AnchorItem { commitment, reserved: reserved.map(Position) });
    let status_item = (target(), status(), option::of(commitment()))
        .prop_map(|(target, status, successor)| StatusItem { target, status, successor });
    prop_oneof![
        did().prop_map(|subject| DeactivateIdentifier { subject }.into()),
        (id(), any::<u32>()).prop_map(|(accreditation, count)| Reserve { accreditation, count }.into()),
        (did(), id(), status(), option::of(any::<u64>()), reason()).prop_map(
            |(subject, id, status, from, reason)| SetAccreditationStatus {
                subject,
                id,
                status,
                effective_from: from.map(TimeMs),
                reason
            }
            .into()
        ),
        (id(), "\\PC{0,40}", any::<bool>(), vec(anchor_item, 0..20)).prop_map(
            |(accreditation, credential_type, bare, items)| Anchor {
                accreditation,
                credential_type,
                algorithm: DigestAlgorithm::Sha3_256,
                target: DigestTarget::Bytes,
                bare,
                items
            }
            .into()
        ),
        (did(), vec(status_item, 0..20), reason()).prop_map(|(issuer, items, reason)| SetStatus {
            issuer,
            items,
            reason
        }
        .into()),
    ]
}

fn record_body() -> impl Strategy<Value = RecordBody> {
    prop_oneof![
        (any::<[u64; 3]>(), any::<[[u8; 32]; 4]>()).prop_map(|(numbers, hashes)| {
            RecordBody::Block(BlockRecord {
                height: Height(numbers[0]),
                first_leaf: LeafIndex(numbers[1]),
                previous: HeaderId(hashes[0]),
                statements_root: Hash(hashes[1]),
                status_root: Hash(hashes[2]),
                positions: numbers[2],
                config_hash: ConfigHash(hashes[3]),
            })
        }),
        (any::<u64>(), did(), id(), did(), status(), option::of(any::<u64>()), reason()).prop_map(
            |(position, subject, id, by, status, from, reason)| {
                RecordBody::AccreditationStatus(AccreditationStatusRecord {
                    position: Position(position),
                    subject,
                    id,
                    by,
                    status,
                    effective_from: from.map(TimeMs),
                    reason,
                })
            }
        ),
        (did(), id(), any::<u64>(), any::<u32>()).prop_map(|(issuer, accreditation, first, count)| {
            RecordBody::Reservation(ReservationRecord {
                issuer,
                accreditation,
                first: Position(first),
                count,
            })
        }),
        (any::<u64>(), commitment(), did(), id(), "\\PC{0,40}", any::<bool>()).prop_map(
            |(position, commitment, issuer, accreditation, credential_type, bare)| {
                RecordBody::Anchored(AnchoredRecord {
                    position: Position(position),
                    commitment,
                    issuer,
                    accreditation,
                    credential_type,
                    algorithm: DigestAlgorithm::Sha256,
                    target: DigestTarget::Payload,
                    bare,
                })
            }
        ),
        (any::<u64>(), did(), status(), option::of(any::<u64>()), reason()).prop_map(
            |(position, by, status, successor, reason)| RecordBody::Status(StatusRecord {
                position: Position(position),
                by,
                status,
                successor: successor.map(Position),
                reason
            })
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_safe_to_read(bytes in vec(any::<u8>(), 0..300)) {
        read_all(&bytes);
        read_all(&[&[0xd2, 0x84][..], &bytes].concat());
    }

    #[test]
    fn spoilt_bytes_are_safe_to_read(
        which in any::<prop::sample::Index>(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..6),
    ) {
        let mut bytes = GOOD[which.index(GOOD.len())].clone();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 if bytes.len() > 1 => _ = bytes.remove(at),
                _ => bytes[at] ^= 1 << (byte % 8),
            }
        }
        read_all(&bytes);
    }

    #[test]
    fn statements_are_read_as_written(times in any::<[u64; 2]>(), nonce in any::<[u8; 16]>(), body in body()) {
        let [not_before, not_after] = times.map(TimeMs);
        let statement = Statement { not_before, not_after, nonce: Nonce(nonce), body };
        prop_assert_eq!(decode_strict(&encode(&statement), usize::MAX), Ok(statement));
    }

    #[test]
    fn records_are_read_as_written(time in any::<u64>(), id in any::<[u8; 32]>(), body in record_body()) {
        let record = Record { time: TimeMs(time), statement_id: StatementId(id), body };
        prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn bodies_are_read_as_written(statements in vec(vec(any::<u8>(), 0..300), 0..30)) {
        let body = BlockBody(statements.into_iter().map(Arc::from).collect());
        prop_assert_eq!(BlockBody::decode(&body.encode()), Ok(body));
    }
}
