//! The registry: organisations and accreditations, pages, and earlier moments.

use std::collections::BTreeSet;

use kvitto_ledger::scope::Role;
use kvitto_ledger::state::{Accreditation, Identifier};
use kvitto_ledger::testing::{Actor, commitment};
use kvitto_ledger::{AccreditationId, Record};
use kvitto_merkle::status::StatusValue;
use kvitto_proto::convert::RegistryProof;
use kvitto_proto::v1;
use kvitto_proto::v1::at::Moment;
use kvitto_storage::Read;
use tonic::Code;

use crate::{Stage, refused};

fn accreditation(wire: v1::Accreditation) -> Accreditation {
    wire.try_into().expect("an accreditation")
}

#[tokio::test]
async fn a_trust_chain_is_as_it_was_at_the_moment_asked_about() {
    let stage = Stage::new().await;
    let (tao, school) = (Actor::new("tao"), &stage.school);
    let before = stage.node.now();
    let mut withdrawal = tao.sets_accreditation(school, StatusValue::Revoked);
    withdrawal.effective_from = Some(before);
    stage.node.act(&tao, withdrawal);
    let request = |at| v1::GetTrustChainRequest {
        subject_did: school.did.to_string(),
        id: school.accreditation.0.to_vec().into(),
        at,
    };
    let now = stage.registry().get_trust_chain(request(None)).await.unwrap().into_inner();
    let links: Vec<_> = now.links.into_iter().map(accreditation).collect();
    assert_eq!(links.iter().map(|link| link.role).collect::<Vec<_>>(), [Role::RootTao, Role::Tao, Role::Ti]);
    assert_eq!(links[2].withdrawal.as_ref().unwrap().effective_from, before);
    let proof = RegistryProof::try_from(now.proof).unwrap();
    assert_eq!((proof.records.len(), proof.chunks.len()), (4, 1));
    let at = v1::At { moment: Some(v1::at::Moment::TimeMs(before.0)) };
    let then = stage.registry().get_trust_chain(request(Some(at))).await.unwrap().into_inner();
    assert!(then.links.into_iter().map(accreditation).all(|link| link.withdrawal.is_none()));
    assert_eq!(then.as_of.unwrap().time_ms, before.0);
}

#[tokio::test]
async fn listings_are_paged_and_stay_as_of_one_block() {
    let stage = Stage::new().await;
    let tao = Actor::new("tao");
    let schools: Vec<_> = (0..7).map(|number| Actor::new(&format!("school {number}"))).collect();
    schools.iter().for_each(|school| stage.node.accredit(&tao, school, Role::Ti));
    let (mut identifiers, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let request = v1::ListIdentifiersRequest { page_size: 4, cursor, at: None };
        let page = stage.registry().list_identifiers(request).await.unwrap().into_inner();
        identifiers.extend(page.identifiers.into_iter().map(|wire| Identifier::try_from(wire).unwrap().did));
        cursor = page.next_cursor;
        pages += 1;
        // What comes later is not in a listing that has begun.
        stage.node.accredit(&tao, &Actor::new(&format!("late {pages}")), Role::Ti);
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!((identifiers.len(), pages), (10, 3));
    assert!(identifiers.is_sorted());
    let (mut children, mut cursor) = (0, String::new());
    loop {
        let request = v1::ListAccreditationsRequest {
            parent_subject_did: tao.did.to_string(),
            parent_id: tao.accreditation.0.to_vec().into(),
            page_size: 3,
            cursor,
            at: None,
        };
        let page = stage.registry().list_accreditations(request).await.unwrap().into_inner();
        children += page.accreditations.len();
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(children, 11);
}

#[tokio::test]
async fn questions_about_what_is_not_there_say_so() {
    let stage = Stage::new().await;
    let mut registry = stage.registry();
    let stranger = Actor::new("stranger");
    let identifier = |did: &str| v1::GetIdentifierRequest { did: did.to_owned(), at: None };
    refused(registry.get_identifier(identifier("did:ebsi:nope")).await, Code::InvalidArgument, "DID");
    let unknown = stranger.did.to_string();
    refused(registry.get_identifier(identifier(&unknown)).await, Code::NotFound, "IDENTIFIER_UNKNOWN");
    let issuer = |page_size| v1::GetIssuerRequest { did: unknown.clone(), page_size, ..Default::default() };
    refused(registry.get_issuer(issuer(0)).await, Code::NotFound, "IDENTIFIER_UNKNOWN");
    refused(registry.get_issuer(issuer(201)).await, Code::InvalidArgument, "PAGE_SIZE");
    let accreditation = |id: &'static [u8]| v1::GetAccreditationRequest {
        subject_did: unknown.clone(),
        id: id.into(),
        at: None,
    };
    refused(
        registry.get_accreditation(accreditation(&[1; 31])).await,
        Code::InvalidArgument,
        "ACCREDITATION_ID",
    );
    refused(
        registry.get_accreditation(accreditation(&[1; 32])).await,
        Code::NotFound,
        "ACCREDITATION_UNKNOWN",
    );
    let list = |page_size, cursor: &str| v1::ListIdentifiersRequest {
        page_size,
        cursor: cursor.to_owned(),
        at: None,
    };
    refused(registry.list_identifiers(list(201, "")).await, Code::InvalidArgument, "PAGE_SIZE");
    for cursor in ["x", "00", &"ff".repeat(24), &"00".repeat(25)] {
        refused(registry.list_identifiers(list(1, cursor)).await, Code::InvalidArgument, "CURSOR_INVALID");
    }
}

#[tokio::test]
async fn an_issuer_comes_with_its_accreditations() {
    let stage = Stage::new().await;
    let request = v1::GetIssuerRequest { did: stage.school.did.to_string(), ..Default::default() };
    let answer = stage.registry().get_issuer(request).await.unwrap().into_inner();
    assert_eq!(answer.identifier.unwrap().legal_name, "The school of Testing");
    assert_eq!(answer.accreditations.len(), 1);
    assert_eq!(RegistryProof::try_from(answer.proof).unwrap().records.len(), 2);
}

#[tokio::test]
async fn an_issuers_accreditations_are_paged_and_none_is_left_out() {
    let stage = Stage::new().await;
    let tao = Actor::new("tao");
    let accredit = |number: u8| {
        let mut accreditation = tao.accredits(&stage.school, Role::Ti);
        accreditation.id = AccreditationId([number; 32]);
        stage.node.act(&tao, accreditation);
    };
    (1..8).for_each(accredit);
    let (mut ids, mut sizes, mut cursor, mut blocks) =
        (Vec::new(), Vec::new(), String::new(), BTreeSet::new());
    loop {
        let request =
            v1::GetIssuerRequest { did: stage.school.did.to_string(), at: None, page_size: 3, cursor };
        let page = stage.registry().get_issuer(request).await.unwrap().into_inner();
        let records = RegistryProof::try_from(page.proof).unwrap().records.len();
        assert_eq!(records, 1 + page.accreditations.len(), "the organisation's and those of the page");
        sizes.push(page.accreditations.len());
        ids.extend(page.accreditations.into_iter().map(|wire| accreditation(wire).key.id));
        blocks.insert(page.as_of.unwrap().height);
        cursor = page.next_cursor;
        // What comes later is not in an answer that has begun.
        accredit(100 + sizes.len() as u8);
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!((sizes, blocks.len()), (vec![3, 3, 2], 1));
    assert!(ids.is_sorted_by(|a, b| a < b) && ids.contains(&stage.school.accreditation));
}

#[tokio::test]
async fn an_answer_as_of_an_earlier_block_shows_the_next_one() {
    let stage = Stage::new().await;
    let (before, height) = (stage.node.now(), stage.node.reader().committed().0);
    stage.node.act(&stage.school, stage.school.anchors([commitment(3)]));
    let ask = async |moment| {
        let at = Some(v1::At { moment: Some(moment) });
        let request = v1::GetIdentifierRequest { did: stage.school.did.to_string(), at };
        let answer = stage.registry().get_identifier(request).await.unwrap().into_inner();
        let next = RegistryProof::try_from(answer.proof).unwrap().next_block;
        (answer.as_of.unwrap().height, next.map(|next| Record::decode(&next.leaf).unwrap().time))
    };
    let now = stage.node.now();
    assert_eq!(ask(Moment::TimeMs(before.0)).await, (height, Some(now)));
    for moment in [Moment::TimeMs(now.0), Moment::TimeMs(u64::MAX), Moment::Height(height + 1)] {
        assert_eq!(ask(moment).await, (height + 1, None), "nothing later is known to anyone");
    }
}
