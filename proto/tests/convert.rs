//! What is written to the wire reads back as the same; what the domain cannot mean is refused at the first fault.

use std::sync::Arc;

use kvitto_ledger::state::{AccreditationKey, ItemException, ItemOutcome, Outcome, Suspension, Withdrawal};
use kvitto_ledger::statement::body::{Policy, Reason};
use kvitto_ledger::testing::{Actor, Ledger, commitment};
use kvitto_ledger::{
    AccreditationId, Height, LeafIndex, Position, ReadState, Rejection, StatementId, TimeMs,
};
use kvitto_merkle::Hash;
use kvitto_merkle::status::StatusValue;
use kvitto_proto::convert::{
    self, AsOf, ConvertError, CredentialName, CredentialStatus, Moment, Progress, Refusal, StatementResult,
};
use kvitto_proto::v1;

fn outcome() -> Outcome {
    let exception = |item, outcome| ItemException { item, outcome };
    Outcome {
        height: Height(7),
        time: TimeMs(8),
        index: 9,
        first_leaf: LeafIndex(10),
        leaves: 11,
        exceptions: vec![
            exception(0, ItemOutcome::Duplicate { position: Position(12) }),
            exception(3, ItemOutcome::Skipped(Rejection::AlreadyRevoked)),
        ],
    }
}

fn as_of() -> AsOf {
    AsOf { height: Height(1), tree_size: 2, time: TimeMs(3) }
}

#[test]
fn every_progress_of_a_statement_reads_back() {
    let refusal = |rejection| Refusal::new(rejection, false);
    for progress in [
        Progress::Accepted,
        Progress::Final(outcome()),
        Progress::Rejected {
            refusal: refusal(Rejection::NothingNew),
            existing: vec![Position(1), Position(2)],
        },
        Progress::Expired(Refusal::new(Rejection::StatementExpired, true)),
    ] {
        for id in [None, Some(StatementId([5; 32]))] {
            let result = StatementResult { id, progress: progress.clone() };
            assert_eq!(Some(v1::StatementResult::from(result.clone())).try_into(), Ok(result));
        }
    }
}

#[test]
fn every_moment_reads_back() {
    for moment in
        [Moment::Newest, Moment::Time(TimeMs(1)), Moment::Height(Height(0)), Moment::TreeSize(u64::MAX)]
    {
        assert_eq!(Moment::from(Option::<v1::At>::from(moment)), moment);
    }
    assert_eq!(Moment::from(Some(v1::At { moment: None })), Moment::Newest);
}

#[test]
fn organisations_and_accreditations_read_back() {
    let ledger = Ledger::with_school(1);
    for actor in [&ledger.root, &ledger.tao, &ledger.school] {
        let identifier = Arc::unwrap_or_clone(ledger.state.identifier(&actor.did).unwrap().unwrap());
        assert_eq!(v1::Identifier::from(&identifier).try_into(), Ok(identifier));
        let key = AccreditationKey { subject: actor.did, id: actor.accreditation };
        let plain = Arc::unwrap_or_clone(ledger.state.accreditation(&key).unwrap().unwrap());
        let mut full = plain.clone();
        full.policy = Some(Policy { url: "https://policy.example".to_owned(), digest: Hash([1; 32]) });
        full.credential_digest = Some(Hash([2; 32]));
        full.scope.eqf_levels = Some([1, 8].into());
        full.scope.isced_fields = Some([].into());
        full.suspension = Some(Suspension { by: actor.did, reason: Reason::KeyCompromise });
        full.withdrawal = Some(Withdrawal {
            by: actor.did,
            effective_from: TimeMs(3),
            reason: Reason::Unspecified,
            leaf: LeafIndex(4),
        });
        for accreditation in [plain, full] {
            assert_eq!(v1::Accreditation::from(&accreditation).try_into(), Ok(accreditation));
        }
    }
}

#[test]
fn credentials_and_their_status_read_back() {
    let school = Actor::new("school");
    for name in [
        CredentialName::Position(Position(0)),
        CredentialName::Commitment { issuer: school.did, commitment: commitment(1) },
    ] {
        assert_eq!(CredentialName::try_from(&v1::Credential::from(name)), Ok(name));
    }
    for status in [StatusValue::Valid, StatusValue::Revoked, StatusValue::Suspended, StatusValue::Superseded]
    {
        let status = CredentialStatus {
            as_of: as_of(),
            position: Position(1),
            status,
            commitment: commitment(2),
            issuer: school.did,
            accreditation: AccreditationId([3; 32]),
            credential_type: "MicroCredential".to_owned(),
            anchored: TimeMs(4),
            leaf: LeafIndex(5),
        };
        assert_eq!(Some(v1::CredentialStatus::from(status.clone())).try_into(), Ok(status));
    }
}

#[test]
fn a_result_that_contradicts_itself_is_refused() {
    let good =
        || v1::StatementResult::from(StatementResult { id: None, progress: Progress::Final(outcome()) });
    type Spoil = fn(&mut v1::StatementResult);
    let cases: [(Spoil, ConvertError); 7] = [
        (|result| result.state = 0, ConvertError::Unknown("state")),
        (|result| result.state = 99, ConvertError::Unknown("state")),
        (|result| result.outcome = None, ConvertError::Missing("outcome")),
        (
            |result| result.statement_id = vec![0; 31].into(),
            ConvertError::Length { field: "statement_id", found: 31, expected: 32 },
        ),
        (|result| exceptions(result).reverse(), ConvertError::Unknown("exceptions")),
        (|result| exceptions(result)[0].cause = None, ConvertError::Missing("cause")),
        (|result| result.set_state(v1::StatementState::Rejected), ConvertError::Missing("rejection")),
    ];
    for (spoil, expected) in cases {
        let mut result = good();
        spoil(&mut result);
        assert_eq!(StatementResult::try_from(Some(result)), Err(expected));
    }
}

fn exceptions(result: &mut v1::StatementResult) -> &mut Vec<v1::ItemException> {
    &mut result.outcome.as_mut().expect("a final result").exceptions
}

#[test]
fn values_of_the_wrong_form_are_refused() {
    for text in ["", "did:web:school.example", "did:ebsi:z", " did:ebsi:zZeKyEJfUTGwajhNyNX928z"] {
        assert_eq!(convert::did("did", text), Err(ConvertError::Unknown("did")), "{text:?}");
    }
    for len in [0, 31, 33] {
        let expected = |field| ConvertError::Length { field, found: len, expected: 32 };
        assert_eq!(convert::commitment(&vec![0; len]), Err(expected("commitment")));
        assert_eq!(convert::accreditation_id("id", &vec![0; len]), Err(expected("id")));
        assert_eq!(convert::hashes("path", &[vec![0; len].into()]), Err(expected("path")));
    }
    let path = vec![bytes::Bytes::from_static(&[0; 32]); 64];
    let proof = v1::LeafProof { path, ..Default::default() };
    let read = kvitto_verifier::receipt::LeafProof::try_from(proof);
    assert_eq!(read.unwrap_err(), ConvertError::Unknown("path"), "longer than any proof");
}
