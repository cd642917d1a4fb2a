//! Bad questions: what is asked of a real node, and the answer.

use futures::future::{BoxFuture, FutureExt};
use kvitto_ledger::testing::commitment;
use kvitto_proto::limits::{BATCH_CREDENTIALS_MAX, ENTRIES_MAX, WATCH_CREDENTIALS_MAX};
use kvitto_proto::v1::anchoring_service_client::AnchoringServiceClient;
use kvitto_proto::v1::log_service_client::LogServiceClient;
use kvitto_proto::v1::operator_service_client::OperatorServiceClient;
use kvitto_proto::v1::registry_service_client::RegistryServiceClient;
use kvitto_proto::v1::status_service_client::StatusServiceClient;
use kvitto_proto::v1::{self, at::Moment, credential::Name};
use prost::bytes::Bytes;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use crate::stage::{RESERVED, club, college, school, stranger};

/// Who asks, and what is true there.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) channel: Channel,
    /// Height and size of the newest checkpoint.
    pub(crate) newest: (u64, u64),
}

type Answer = BoxFuture<'static, Result<(), Status>>;

/// A bad question.
pub(crate) struct Question {
    /// What is bad about it; no two questions have one name.
    pub(crate) name: String,
    pub(crate) ask: Box<dyn Fn(Asker) -> Answer>,
    pub(crate) code: Code,
    /// `None` where the transport answers.
    pub(crate) reason: Option<&'static str>,
}

pub(crate) fn questions() -> Vec<Question> {
    [outcomes(), credentials(), moments(), registry(), cursors(), log(), transport()]
        .into_iter()
        .flatten()
        .collect()
}

fn question<F: Future<Output = Result<(), Status>> + Send + 'static>(
    name: impl Into<String>,
    code: Code,
    reason: impl Into<Option<&'static str>>,
    ask: impl Fn(Asker) -> F + 'static,
) -> Question {
    Question {
        name: name.into(),
        ask: Box::new(move |asker| ask(asker).boxed()),
        code,
        reason: reason.into(),
    }
}

fn forget<T>(answer: Result<Response<T>, Status>) -> Result<(), Status> {
    answer.map(drop)
}

impl Asker {
    fn anchoring(self) -> AnchoringServiceClient<Channel> {
        AnchoringServiceClient::new(self.channel)
    }

    fn status(self) -> StatusServiceClient<Channel> {
        StatusServiceClient::new(self.channel)
    }

    fn registry(self) -> RegistryServiceClient<Channel> {
        RegistryServiceClient::new(self.channel)
    }

    fn log(self) -> LogServiceClient<Channel> {
        LogServiceClient::new(self.channel)
    }
}

fn outcomes() -> Vec<Question> {
    let outcome = |len: usize, code, reason| {
        question(
            format!("the outcome of a statement id of {len} bytes"),
            code,
            reason,
            move |asker: Asker| {
                let request = v1::GetOutcomeRequest { statement_id: vec![7; len].into() };
                async move { forget(asker.anchoring().get_outcome(request).await) }
            },
        )
    };
    vec![
        outcome(0, Code::InvalidArgument, "STATEMENT_ID"),
        outcome(31, Code::InvalidArgument, "STATEMENT_ID"),
        outcome(33, Code::InvalidArgument, "STATEMENT_ID"),
        outcome(32, Code::NotFound, "STATEMENT_UNKNOWN"),
    ]
}

fn by_commitment(issuer_did: impl Into<String>, commitment: Vec<u8>) -> Option<v1::Credential> {
    let name = v1::IssuedCommitment { issuer_did: issuer_did.into(), commitment: commitment.into() };
    Some(v1::Credential { name: Some(Name::Commitment(name)) })
}

fn by_position(position: u64) -> Option<v1::Credential> {
    Some(v1::Credential { name: Some(Name::Position(position)) })
}

/// Spellings of an identifier that some reader might take for a right one.
fn bad_dids() -> Vec<(&'static str, String)> {
    let did = school().did.to_string();
    vec![
        ("that is empty", String::new()),
        ("of another method", did.replacen("ebsi", "web", 1)),
        ("in capitals", did.to_uppercase()),
        ("with a space behind", format!("{did} ")),
        ("with a space before", format!(" {did}")),
        ("with a NUL", format!("{did}\0")),
        ("with a fragment", school().key_id().to_string()),
        ("with a query", format!("{did}?a=b")),
        ("with a zero-width space", format!("{did}\u{200b}")),
        ("with a Cyrillic letter", did.replacen("did", "d\u{456}d", 1)),
        ("that is percent-encoded", did.replacen("ebsi", "ebs%69", 1)),
        ("of 60,000 characters", did.clone() + &"1".repeat(60_000)),
        ("with one character less", did[..did.len() - 1].to_owned()),
    ]
}

fn credentials() -> Vec<Question> {
    let status = |name: &str, code, reason, credential: fn() -> Option<v1::Credential>| {
        question(format!("the status of {name}"), code, reason, move |asker: Asker| {
            let request = v1::GetStatusRequest { credential: credential(), ..Default::default() };
            async move { forget(asker.status().get_status(request).await) }
        })
    };
    let receipt = |name: &str, code, reason, credential: fn() -> Option<v1::Credential>| {
        question(format!("the receipt of {name}"), code, reason, move |asker: Asker| {
            let request = v1::GetReceiptRequest { credential: credential(), ..Default::default() };
            async move { forget(asker.status().get_receipt(request).await) }
        })
    };
    let mut questions = Vec::new();
    type Named = (&'static str, Code, &'static str, fn() -> Option<v1::Credential>);
    let table: [Named; 12] = [
        ("nothing", Code::InvalidArgument, "CREDENTIAL", || None),
        ("a credential without a name", Code::InvalidArgument, "CREDENTIAL", || {
            Some(v1::Credential::default())
        }),
        ("a commitment of no bytes", Code::InvalidArgument, "COMMITMENT", || {
            by_commitment(school().did.to_string(), vec![])
        }),
        ("a commitment of 31 bytes", Code::InvalidArgument, "COMMITMENT", || {
            by_commitment(school().did.to_string(), vec![1; 31])
        }),
        ("a commitment of 33 bytes", Code::InvalidArgument, "COMMITMENT", || {
            by_commitment(school().did.to_string(), vec![1; 33])
        }),
        ("an unknown commitment", Code::NotFound, "NOT_ANCHORED", || {
            by_commitment(school().did.to_string(), commitment(50).0.to_vec())
        }),
        ("another's commitment", Code::NotFound, "NOT_ANCHORED", || {
            by_commitment(college().did.to_string(), commitment(2).0.to_vec())
        }),
        ("a commitment of who is not registered", Code::NotFound, "NOT_ANCHORED", || {
            by_commitment(stranger().did.to_string(), commitment(2).0.to_vec())
        }),
        ("an accreditation's position", Code::NotFound, "NOT_ANCHORED", || by_position(0)),
        ("a reserved place", Code::NotFound, "NOT_ANCHORED", || by_position(RESERVED.0 + 1)),
        ("a position beyond all", Code::NotFound, "NOT_ANCHORED", || by_position(1_000_000)),
        ("the last position of all", Code::NotFound, "NOT_ANCHORED", || by_position(u64::MAX)),
    ];
    for (name, code, reason, credential) in table {
        questions.push(status(name, code, reason, credential));
        questions.push(receipt(name, code, reason, credential));
    }
    for (about, did) in bad_dids() {
        questions.push(question(
            format!("the status of a commitment of a DID {about}"),
            Code::InvalidArgument,
            "DID",
            move |asker: Asker| {
                let credential = by_commitment(did.clone(), vec![1; 32]);
                let request = v1::GetStatusRequest { credential, ..Default::default() };
                async move { forget(asker.status().get_status(request).await) }
            },
        ));
    }
    for count in [0, BATCH_CREDENTIALS_MAX + 1, 10_000] {
        questions.push(question(
            format!("the status of {count} credentials"),
            Code::InvalidArgument,
            "BATCH_SIZE",
            move |asker: Asker| {
                let credentials = vec![by_position(1).expect("a name"); count];
                let request = v1::BatchGetStatusRequest { credentials, ..Default::default() };
                async move { forget(asker.status().batch_get_status(request).await) }
            },
        ));
    }
    for count in [0, WATCH_CREDENTIALS_MAX + 1] {
        questions.push(question(
            format!("to watch {count} credentials"),
            Code::InvalidArgument,
            "BATCH_SIZE",
            move |asker: Asker| {
                let credentials = vec![by_position(1).expect("a name"); count];
                let request = v1::WatchStatusRequest { credentials, ..Default::default() };
                async move { forget(asker.status().watch_status(request).await) }
            },
        ));
    }
    questions.push(question(
        "to watch an unknown commitment",
        Code::NotFound,
        "NOT_ANCHORED",
        |asker: Asker| {
            let credentials = by_commitment(school().did.to_string(), vec![9; 32]).into_iter().collect();
            let request = v1::WatchStatusRequest { credentials, ..Default::default() };
            async move { forget(asker.status().watch_status(request).await) }
        },
    ));
    questions
}

fn moments() -> Vec<Question> {
    type At = fn((u64, u64)) -> Moment;
    let table: [(&str, At); 9] = [
        ("the next height", |(height, _)| Moment::Height(height + 1)),
        ("the last height of all", |_| Moment::Height(u64::MAX)),
        ("tree size 0", |_| Moment::TreeSize(0)),
        ("a tree size at which no block ends", |(_, size)| Moment::TreeSize(size - 1)),
        ("the next tree size", |(_, size)| Moment::TreeSize(size + 1)),
        ("the last tree size of all", |_| Moment::TreeSize(u64::MAX)),
        ("tree size 2^53", |_| Moment::TreeSize(1 << 53)),
        ("the beginning of time", |_| Moment::TimeMs(0)),
        ("a time in seconds for milliseconds", |_| Moment::TimeMs(1_767_225_600)),
    ];
    let mut questions = Vec::new();
    for (about, at) in table {
        let moment = move |asker: &Asker| Some(v1::At { moment: Some(at(asker.newest)) });
        questions.push(question(
            format!("a status as of {about}"),
            Code::OutOfRange,
            "AT_UNKNOWN",
            move |asker: Asker| {
                let credential = by_commitment(school().did.to_string(), commitment(2).0.to_vec());
                let request = v1::GetStatusRequest { credential, at: moment(&asker), omit_receipt: true };
                async move { forget(asker.status().get_status(request).await) }
            },
        ));
        questions.push(question(
            format!("an identifier as of {about}"),
            Code::OutOfRange,
            "AT_UNKNOWN",
            move |asker: Asker| {
                let request = v1::GetIdentifierRequest { did: school().did.to_string(), at: moment(&asker) };
                async move { forget(asker.registry().get_identifier(request).await) }
            },
        ));
    }
    questions
}

fn registry() -> Vec<Question> {
    let mut questions = Vec::new();
    for (about, did) in bad_dids() {
        questions.push(question(
            format!("an identifier {about}"),
            Code::InvalidArgument,
            "DID",
            move |asker: Asker| {
                let request = v1::GetIdentifierRequest { did: did.clone(), ..Default::default() };
                async move { forget(asker.registry().get_identifier(request).await) }
            },
        ));
    }
    questions.push(question(
        "an identifier that is not registered",
        Code::NotFound,
        "IDENTIFIER_UNKNOWN",
        |asker| {
            let request = v1::GetIdentifierRequest { did: stranger().did.to_string(), ..Default::default() };
            async move { forget(asker.registry().get_identifier(request).await) }
        },
    ));
    questions.push(question(
        "an issuer that is not registered",
        Code::NotFound,
        "IDENTIFIER_UNKNOWN",
        |asker| {
            let request = v1::GetIssuerRequest { did: stranger().did.to_string(), ..Default::default() };
            async move { forget(asker.registry().get_issuer(request).await) }
        },
    ));
    for len in [0_usize, 31, 33] {
        questions.push(question(
            format!("an accreditation with an id of {len} bytes"),
            Code::InvalidArgument,
            "ACCREDITATION_ID",
            move |asker: Asker| {
                let request = v1::GetAccreditationRequest {
                    subject_did: school().did.to_string(),
                    id: vec![7; len].into(),
                    ..Default::default()
                };
                async move { forget(asker.registry().get_accreditation(request).await) }
            },
        ));
    }
    let unknown = || (club().did.to_string(), Bytes::copy_from_slice(&club().accreditation.0));
    questions.push(question(
        "an accreditation that was not given",
        Code::NotFound,
        "ACCREDITATION_UNKNOWN",
        move |asker| {
            let (subject_did, id) = unknown();
            let request = v1::GetAccreditationRequest { subject_did, id, ..Default::default() };
            async move { forget(asker.registry().get_accreditation(request).await) }
        },
    ));
    questions.push(question(
        "what hangs on an accreditation that was not given",
        Code::NotFound,
        "ACCREDITATION_UNKNOWN",
        move |asker| {
            let (parent_subject_did, parent_id) = unknown();
            let request =
                v1::ListAccreditationsRequest { parent_subject_did, parent_id, ..Default::default() };
            async move { forget(asker.registry().list_accreditations(request).await) }
        },
    ));
    questions.push(question(
        "the chain of an accreditation that was not given",
        Code::NotFound,
        "ACCREDITATION_UNKNOWN",
        move |asker| {
            let (subject_did, id) = unknown();
            let request = v1::GetTrustChainRequest { subject_did, id, ..Default::default() };
            async move { forget(asker.registry().get_trust_chain(request).await) }
        },
    ));
    for page_size in [201, 1_000_000_000, u32::MAX] {
        questions.push(question(
            format!("{page_size} identifiers"),
            Code::InvalidArgument,
            "PAGE_SIZE",
            move |asker: Asker| {
                let request = v1::ListIdentifiersRequest { page_size, ..Default::default() };
                async move { forget(asker.registry().list_identifiers(request).await) }
            },
        ));
        questions.push(question(
            format!("{page_size} accreditations of an issuer"),
            Code::InvalidArgument,
            "PAGE_SIZE",
            move |asker: Asker| {
                let did = school().did.to_string();
                let request = v1::GetIssuerRequest { did, page_size, ..Default::default() };
                async move { forget(asker.registry().get_issuer(request).await) }
            },
        ));
    }
    questions
}

fn cursors() -> Vec<Question> {
    let of_len = |bytes: usize| "00".repeat(bytes);
    let cursors: [(&str, String); 8] = [
        ("that is no hexadecimal", "next".into()),
        ("of half a byte", "0".into()),
        ("of a height only", of_len(8)),
        ("of one byte", of_len(1)),
        ("with a byte more", of_len(8 + 49)),
        ("of a height that is not there", format!("{:016x}{}", u64::MAX, of_len(48))),
        ("with a space", format!("{} ", of_len(12))),
        ("of 60,000 characters", of_len(30_000)),
    ];
    let mut questions = Vec::new();
    for (about, cursor) in cursors {
        let again = cursor.clone();
        questions.push(question(
            format!("identifiers behind a cursor {about}"),
            Code::InvalidArgument,
            "CURSOR_INVALID",
            move |asker: Asker| {
                let request = v1::ListIdentifiersRequest { cursor: again.clone(), ..Default::default() };
                async move { forget(asker.registry().list_identifiers(request).await) }
            },
        ));
        questions.push(question(
            format!("accreditations behind a cursor {about}"),
            Code::InvalidArgument,
            "CURSOR_INVALID",
            move |asker: Asker| {
                let request = v1::ListAccreditationsRequest {
                    parent_subject_did: crate::stage::tao().did.to_string(),
                    parent_id: Bytes::copy_from_slice(&crate::stage::tao().accreditation.0),
                    cursor: cursor.clone(),
                    ..Default::default()
                };
                async move { forget(asker.registry().list_accreditations(request).await) }
            },
        ));
    }
    questions
}

fn log() -> Vec<Question> {
    type Numbers = fn((u64, u64)) -> (u64, u64);
    let entries = |name: &str, code, reason, of: fn((u64, u64)) -> (u64, u32)| {
        question(format!("entries {name}"), code, reason, move |asker: Asker| {
            let (first_leaf, count) = of(asker.newest);
            let request = v1::GetEntriesRequest { first_leaf, count };
            async move { forget(asker.log().get_entries(request).await) }
        })
    };
    let inclusion = |name: &str, reason, of: Numbers| {
        question(format!("an inclusion proof {name}"), Code::OutOfRange, reason, move |asker: Asker| {
            let (leaf_index, tree_size) = of(asker.newest);
            let request = v1::GetInclusionProofRequest { leaf_index, tree_size };
            async move { forget(asker.log().get_inclusion_proof(request).await) }
        })
    };
    let consistency = |name: &str, of: Numbers| {
        question(format!("a consistency proof {name}"), Code::OutOfRange, "TREE_SIZE", move |asker: Asker| {
            let (first_tree_size, second_tree_size) = of(asker.newest);
            let request = v1::GetConsistencyProofRequest { first_tree_size, second_tree_size };
            async move { forget(asker.log().get_consistency_proof(request).await) }
        })
    };
    vec![
        entries("in too large a number", Code::InvalidArgument, "PAGE_SIZE", |_| (0, ENTRIES_MAX + 1)),
        entries("in the largest number", Code::InvalidArgument, "PAGE_SIZE", |_| (0, u32::MAX)),
        entries("from the end on", Code::OutOfRange, "LEAF_INDEX", |(_, size)| (size, 1)),
        entries("from the end of all numbers on", Code::OutOfRange, "LEAF_INDEX", |_| {
            (u64::MAX, ENTRIES_MAX)
        }),
        inclusion("in an empty tree", "TREE_SIZE", |_| (0, 0)),
        inclusion("in a tree to come", "TREE_SIZE", |(_, size)| (0, size + 1)),
        inclusion("in the largest tree", "TREE_SIZE", |_| (0, u64::MAX)),
        inclusion("of the leaf behind the tree", "LEAF_INDEX", |(_, size)| (size, size)),
        inclusion("of the last leaf of all", "LEAF_INDEX", |(_, size)| (u64::MAX, size)),
        consistency("from an empty tree", |(_, size)| (0, size)),
        consistency("to an empty tree", |_| (0, 0)),
        consistency("to a tree to come", |(_, size)| (1, size + 1)),
        consistency("backwards", |(_, size)| (size, size - 1)),
        consistency("between the largest trees", |_| (u64::MAX, u64::MAX)),
    ]
}

/// What the transport answers, without a reason of ours.
fn transport() -> Vec<Question> {
    vec![
        question("a message of 8 MiB", Code::OutOfRange, None, |asker: Asker| {
            let request = v1::SubmitRequest { statement: vec![0; 8 << 20].into(), ..Default::default() };
            async move { forget(asker.anchoring().submit(request).await) }
        }),
        question("a service that is not here", Code::Unimplemented, None, |asker: Asker| async move {
            // The operator's service has a listener of its own.
            let mut operator = OperatorServiceClient::new(asker.channel);
            forget(operator.get_info(v1::GetInfoRequest {}).await)
        }),
        question("an unknown compression", Code::Unimplemented, None, |asker: Asker| async move {
            let mut log = asker.log();
            let mut request = tonic::Request::new(v1::GetCheckpointRequest {});
            request.metadata_mut().insert("grpc-encoding", "brotli".parse().expect("ASCII"));
            forget(log.get_checkpoint(request).await)
        }),
    ]
}
