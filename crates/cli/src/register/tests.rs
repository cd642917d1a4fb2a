//! The register's promises: every prefix of its file is a register, nothing is doubled, nothing is deleted.

use std::fs;

use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget, Salt};
use kvitto_ledger::{AccreditationId, Commitment, Did, LedgerId, Position, StatementId};
use kvitto_merkle::Hash;
use kvitto_merkle::status::StatusValue;

use super::short_disk::ShortDisk;
use super::*;

fn head() -> RegisterEntry {
    RegisterEntry::new(LedgerId([1; 32]), Did::new([2; 16]))
}

fn credential(number: u8) -> CredentialEntry {
    let digest = Hash([number; 32]);
    let mut entry = CredentialEntry {
        reference: format!("student-{number}"),
        algorithm: DigestAlgorithm::Sha256,
        target: DigestTarget::Jcs,
        digest,
        // Every third one is bare.
        salt: RowSalt((!number.is_multiple_of(3)).then(|| Salt::new([number; 32]))),
        commitment: Commitment([0; 32]),
        credential_type: "MicroCredential".to_owned(),
        accreditation: AccreditationId([3; 32]),
    };
    entry.commitment = entry.opening().commitment();
    entry
}

fn statement(id: u8, credentials: &[&CredentialEntry]) -> Pending {
    let commitments = credentials.iter().map(|credential| credential.commitment).collect();
    Pending { id: StatementId([id; 32]), bytes: vec![id; 40], commitments }
}

fn reopen(bytes: &[u8], room: usize) -> Result<Register<ShortDisk>, RegisterError> {
    let scanned = scan(bytes)?;
    let good = usize::try_from(scanned.good_bytes).unwrap();
    Register::resume(ShortDisk { bytes: bytes[..good].to_vec(), room }, scanned, &head())
}

/// A life in nine appends: three credentials, two statements, one refused and sent again, a revocation.
fn live(register: &mut Register<ShortDisk>) -> Result<(), RegisterError> {
    let (a, b, c) = (credential(1), credential(2), credential(3));
    register.add(vec![a.clone(), b.clone(), c.clone()])?;
    register.journal(vec![statement(1, &[&a, &b]), statement(2, &[&c])])?;
    register.anchored(StatementId([1; 32]), &[(a.commitment, Position(5)), (b.commitment, Position(6))])?;
    register.refused(StatementId([2; 32]), "ACCREDITATION_SCOPE")?;
    register.add(vec![CredentialEntry { credential_type: "Course".to_owned(), ..c.clone() }])?;
    register.journal(vec![statement(3, &[&c])])?;
    register.expired(StatementId([3; 32]))?;
    register.journal(vec![statement(4, &[&c])])?;
    register.anchored(StatementId([4; 32]), &[(c.commitment, Position(7))])?;
    register.statuses(&[(a.commitment, StatusValue::Revoked)])
}

fn whole_life() -> Register<ShortDisk> {
    let mut register = reopen(&[], usize::MAX).unwrap();
    live(&mut register).unwrap();
    register
}

#[test]
fn a_life_is_read_again_as_it_was() {
    let register = whole_life();
    let again = reopen(&register.disk.bytes, usize::MAX).unwrap();
    assert_eq!(again.rows(), register.rows());
    assert_eq!(again.pending().count(), 0);
    let states: Vec<_> =
        again.rows().iter().map(|row| (row.state.name(), row.position(), row.status)).collect();
    assert_eq!(
        states,
        [
            ("anchored", Some(Position(5)), Some(StatusValue::Revoked)),
            ("anchored", Some(Position(6)), None),
            ("anchored", Some(Position(7)), None),
        ]
    );
    assert_eq!(again.rows()[2].credential.credential_type, "Course");
    assert_eq!(again.rows_named("student-2").len(), 1);
}

#[test]
fn cut_at_every_byte_it_opens_and_holds_what_was_whole() {
    let bytes = whole_life().disk.bytes;
    let ends: Vec<usize> = (0..=bytes.len()).filter(|at| *at == 0 || bytes[at - 1] == b'\n').collect();
    for cut in 0..=bytes.len() {
        let scanned = scan(&bytes[..cut]).unwrap();
        let expected = *ends.iter().rfind(|end| **end <= cut).unwrap();
        assert_eq!(usize::try_from(scanned.good_bytes).unwrap(), expected, "cut at {cut}");
        assert_eq!(scanned.torn, expected != cut, "cut at {cut}");
        let register = reopen(&bytes[..cut], usize::MAX).unwrap();
        // No credential has two rows, and none is both open and anchored.
        let mut digests: Vec<_> = register.rows().iter().map(Row::digest_key).collect();
        digests.dedup();
        assert_eq!(digests.len(), register.rows().len());
        for pending in register.pending() {
            let open =
                |commitment| matches!(register.row_with(commitment).unwrap().state, RowState::Sent { .. });
            assert!(pending.commitments.iter().any(open));
        }
    }
}

#[test]
fn after_a_failed_write_nothing_more_is_written() {
    let whole = whole_life().disk.bytes.len();
    for room in 0..whole {
        let Ok(mut register) = reopen(&[], room) else { continue };
        assert!(matches!(live(&mut register), Err(RegisterError::Write(_))), "room for {room}");
        let length = register.disk.bytes.len();
        register.disk.room = usize::MAX;
        let more = register.add(vec![credential(9)]);
        assert!(matches!(more, Err(RegisterError::Dead)), "room for {room}");
        assert_eq!(register.disk.bytes.len(), length);
    }
}

#[test]
fn a_changed_byte_before_the_last_append_is_damage() {
    let bytes = whole_life().disk.bytes;
    let last_append = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    // The first line of the append before the last may be taken for a torn end only while nothing later is whole.
    let before = bytes[..last_append - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for at in (0..before).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x04;
        match scan(changed.as_slice()) {
            Err(RegisterError::Damaged { .. }) => {}
            other => panic!("byte {at}: {other:?}"),
        }
    }
    let mut changed = bytes.clone();
    changed[last_append + 3] ^= 0x04;
    assert!(scan(changed.as_slice()).unwrap().torn);
}

#[test]
fn contradictions_are_refused() {
    let (a, b) = (credential(1), credential(2));
    let mut register = reopen(&[], usize::MAX).unwrap();
    register.add(vec![a.clone()]).unwrap();
    let doubled = |error| matches!(error, Err(RegisterError::Contradictory { .. }));
    assert!(doubled(register.add(vec![a.clone()])));
    assert!(doubled(register.journal(vec![statement(1, &[&b])])));
    register.journal(vec![statement(2, &[&a])]).unwrap();
    assert!(doubled(register.journal(vec![statement(3, &[&a])])));
    assert!(doubled(register.refused(StatementId([9; 32]), "X")));
}

#[test]
fn the_lines_are_frozen() {
    let bytes = whole_life().disk.bytes;
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let (ones, twos, threes) = ("01".repeat(32), "02".repeat(32), "03".repeat(32));
    let did = Did::new([2; 16]);
    let body = format!(r#"{{"batch":1,"entry":"register","version":1,"ledger_id":"{ones}","issuer":"{did}""#);
    assert_eq!(lines[0], format!(r#"{body},"crc":"{:08x}"}}"#, crc32fast::hash(body.as_bytes())));
    let commitment = credential(2).commitment;
    assert!(lines[2].starts_with(&format!(
        r#"{{"batch":2,"entry":"credential","reference":"student-2","algorithm":"sha2-256","target":"jcs","digest":"{twos}","salt":"{twos}","commitment":"{commitment}","credential_type":"MicroCredential","accreditation":"{threes}","crc":""#
    )), "{}", lines[2]);
    assert!(
        lines[6]
            .starts_with(&format!(r#"{{"batch":4,"entry":"anchored","statement":"{ones}","commitment":"#)),
        "{}",
        lines[6]
    );
    assert!(lines.last().unwrap().contains(r#""entry":"status","#));
}

#[test]
fn a_second_process_is_kept_out_and_rights_are_kept_tight() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("register");
    let mut first = Register::open(&place, &head()).unwrap();
    first.add(vec![credential(1)]).unwrap();
    assert!(matches!(Register::open(&place, &head()), Err(RegisterError::Busy(_))));
    drop(first);
    let again = Register::open_existing(&place, &head()).unwrap();
    assert_eq!(again.rows().len(), 1);
    drop(again);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let file = place.join(FILE_NAME);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Register::open(&place, &head()), Err(RegisterError::Rights(_))));
    }
}

#[test]
fn a_torn_end_is_set_aside_and_not_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let mut register = Register::open(directory.path(), &head()).unwrap();
    register.add(vec![credential(1)]).unwrap();
    drop(register);
    let file = directory.path().join(FILE_NAME);
    let whole = fs::read(&file).unwrap();
    for number in 1..=2 {
        fs::write(&file, [whole.as_slice(), b"{\"batch\":3,\"entry\":\"ancho"].concat()).unwrap();
        drop(Register::open(directory.path(), &head()).unwrap());
        assert_eq!(fs::read(&file).unwrap(), whole);
        let aside = directory.path().join(format!("register.torn-{number}"));
        assert_eq!(fs::read(aside).unwrap(), b"{\"batch\":3,\"entry\":\"ancho");
    }
}

#[test]
fn a_register_of_another_ledger_or_issuer_is_not_touched() {
    let bytes = whole_life().disk.bytes;
    let other = |ledger, issuer| {
        let head = RegisterEntry::new(LedgerId([ledger; 32]), Did::new([issuer; 16]));
        Register::resume(ShortDisk::default(), scan(bytes.as_slice()).unwrap(), &head).map(|_| ())
    };
    assert!(matches!(other(5, 2), Err(RegisterError::OtherLedger { .. })));
    assert!(matches!(other(1, 5), Err(RegisterError::OtherIssuer { .. })));
    let missing = tempfile::tempdir().unwrap();
    assert!(matches!(Register::open_existing(missing.path(), &head()), Err(RegisterError::Missing(_))));
}
