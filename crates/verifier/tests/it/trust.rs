//! Trust files hold together, or are refused.

use kvitto_ledger::genesis::{GenesisError, KeyRole, MemberKey};
use kvitto_ledger::ids::{KeyBytes, Signature};
use kvitto_verifier::{TrustError, TrustFile};
use serde_json::{Value, json};

use crate::cases::forged::lenient::NEUTRAL;
use crate::history::{Signers, sign};
use crate::ledger::{ORIGIN, config, member_key, member_name};
use crate::scenario::{LAST, Scenario, lines, signers};

fn reread(value: &Value) -> Result<TrustFile, TrustError> {
    TrustFile::from_json(value.to_string().as_bytes())
}

#[test]
fn a_trust_file_is_read_as_it_was_written() {
    let s = Scenario::new();
    for trust in [&s.trust, &s.trust_later] {
        assert_eq!(TrustFile::from_json(trust.to_json().as_bytes()).as_ref(), Ok(trust));
    }
    assert_eq!(s.trust.epochs().len(), 1);
    assert_eq!(s.trust_later.epochs().len(), 2);
}

#[test]
fn what_does_not_hold_together_is_refused() {
    let s = Scenario::new();
    let good: Value = serde_json::from_str(&s.trust_later.to_json()).unwrap();
    let check = |change: &dyn Fn(&mut Value), expected: fn(&TrustError) -> bool, about: &str| {
        let mut changed = good.clone();
        change(&mut changed);
        assert_ne!(changed, good, "{about}");
        let error = reread(&changed).expect_err(about);
        assert!(expected(&error), "{about}: {error:?}");
    };
    let zeros = json!("00".repeat(32));
    check(&|t| t["ledger_id"] = zeros.clone(), |e| matches!(e, TrustError::LedgerId { .. }), "ledger id");
    check(&|t| t["genesis_time_ms"] = json!(1), |e| matches!(e, TrustError::LedgerId { .. }), "time");
    check(
        &|t| t["epochs"][0]["members"].as_array_mut().unwrap().reverse(),
        |e| matches!(e, TrustError::LedgerId { .. }),
        "order of members",
    );
    check(
        &|t| t["epochs"][1]["config_hash"] = zeros.clone(),
        |e| matches!(e, TrustError::ConfigHash { epoch: 1 }),
        "config hash",
    );
    check(
        &|t| t["epochs"][1]["roots"][0]["legal_name"] = json!("Annan"),
        |e| matches!(e, TrustError::ConfigHash { epoch: 1 }),
        "name",
    );
    check(&|t| t["epochs"] = json!([]), |e| matches!(e, TrustError::EpochCount), "no epochs");
    check(&|t| t["more"] = json!(1), |e| matches!(e, TrustError::File(_)), "unknown member");
    check(
        &|t| {
            t["epochs"].as_array_mut().unwrap().pop();
        },
        |e| matches!(e, TrustError::ClosingPlace { epoch: 0, last: true }),
        "closed last epoch",
    );
    check(
        &|t| {
            t["epochs"][0].as_object_mut().unwrap().remove("closing");
        },
        |e| matches!(e, TrustError::ClosingPlace { epoch: 0, last: false }),
        "open first epoch",
    );
    let closing = |signed: &[u8], size_of: usize| {
        let text = s.history.checkpoint(size_of).to_string();
        json!(sign(&text, &Signers { logs: vec![], cosigners: signers(LAST, signed) }).to_string())
    };
    let (outgoing, incoming) = (closing(&[0, 1, 2], LAST), closing(&[2, 3, 4], LAST));
    check(
        &|t| t["epochs"][0]["closing"] = outgoing.clone(),
        |e| matches!(e, TrustError::ClosingQuorum { epoch: 0 }),
        "no incoming quorum",
    );
    check(
        &|t| t["epochs"][0]["closing"] = incoming.clone(),
        |e| matches!(e, TrustError::ClosingQuorum { epoch: 0 }),
        "no outgoing quorum",
    );
    let mut bad = s.history.note(LAST, &lines(LAST)).to_string();
    bad = bad.replacen(&s.history.checkpoint(LAST).to_string(), &s.history.checkpoint(7).to_string(), 1);
    check(
        &|t| t["epochs"][0]["closing"] = json!(bad),
        |e| matches!(e, TrustError::ClosingSignature { epoch: 0, .. }),
        "other text",
    );
}

/// A trust file in which only one key is wrong: a point of small order, whose "proof" a lenient implementation takes.
pub(crate) fn with_small_order_key(s: &Scenario) -> String {
    let mut genesis = s.trust.genesis().clone();
    let proof = Signature([NEUTRAL, [0; 32]].concat().try_into().expect("64 bytes"));
    let key = KeyBytes(NEUTRAL);
    genesis.config.members[3].cosignature = MemberKey { key, proof };
    let mut file: Value = serde_json::from_str(&s.trust.to_json()).expect("JSON");
    file["ledger_id"] = json!(genesis.ledger_id());
    file["epochs"][0]["config_hash"] = json!(genesis.config.hash());
    file["epochs"][0]["members"][3]["cosignature"] = json!({ "key": key, "proof": proof });
    format!("{file:#}\n")
}

#[test]
fn a_key_of_small_order_is_refused() {
    let refused = TrustFile::from_json(with_small_order_key(&Scenario::new()).as_bytes());
    let Err(TrustError::Config { epoch: 0, source: GenesisError::MemberKey { member, role } }) = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!((member.as_str(), role), (member_name(3).as_str(), "cosignature"));
}

#[test]
fn a_key_that_changes_hands_is_refused() {
    let s = Scenario::new();
    let mut next = config(&[1, 2, 3, 4]);
    // Member 4 takes over the key of member 0, and even has it prove itself under the new name.
    let key = member_key(0, KeyRole::Cosignature);
    let name = next.members[3].name.clone();
    next.members[3].cosignature = MemberKey::prove(&key, ORIGIN, KeyRole::Cosignature, &name);
    let closing = s.history.note(LAST, &Signers { logs: vec![], cosigners: signers(LAST, &[0, 1, 2, 3]) });
    let error = s.trust.clone().with_epoch(closing, next).expect_err("reused");
    assert!(matches!(error, TrustError::KeyReused(_)), "{error:?}");
}

#[test]
fn epochs_are_found_by_size_and_hash() {
    let s = Scenario::new();
    let trust = &s.trust_later;
    let [first, second] = trust.epochs() else { panic!("two epochs") };
    let closing = s.history.size(LAST);
    assert_eq!(trust.epoch_at(2), first);
    assert_eq!(trust.epoch_at(closing), first);
    assert_eq!(trust.epoch_at(closing + 1), second);
    assert_eq!(trust.epoch_of(closing, second.config_hash()), None);
    assert_eq!(trust.epoch_of(closing + 1, first.config_hash()), None);
    assert_eq!(trust.epoch_of(closing + 1, second.config_hash()), Some(second));
}
