//! The formats, frozen: `tests/data/formats.txt` holds a line `name = bytes` for each. Another line is another version of the rules.

use kvitto_ledger::codec::encode;
use kvitto_ledger::genesis::{KeyRole, member_key_message};
use kvitto_ledger::record::RecordType;
use kvitto_ledger::testing::{Actor, World};
use kvitto_ledger::{Envelope, Header, Record};
use std::collections::BTreeSet;

use crate::{bodies, ledger, school};
use kvitto_ledger::testing::commitment;
use kvitto_merkle::status::StatusValue;

fn lines() -> Vec<(String, Vec<u8>)> {
    let mut lines = Vec::new();
    let world = World::new(1);
    lines.push(("genesis".to_owned(), encode(&world.genesis)));
    lines.push(("ledger id".to_owned(), world.ledger_id.0.to_vec()));
    lines.push(("config hash".to_owned(), world.genesis.config.hash().0.to_vec()));
    let message = member_key_message("kvitto.example/test", KeyRole::Cosignature, "member-0.example/kvitto");
    lines.push(("member key message".to_owned(), message));
    let possession = Actor::new("tao").onboards(&Actor::new("new"), &world.ledger_id).possession;
    lines.push(("possession".to_owned(), possession.into_vec()));

    let mut ledger = ledger();
    for (name, signer, body) in bodies(&ledger) {
        let statement = ledger.statement(body);
        let bytes = ledger.signed(&signer, &statement);
        let id = Envelope::decode(bytes.clone(), &ledger.world.ledger_id).expect("of good form").id();
        lines.push((format!("statement {name}"), bytes));
        lines.push((format!("statement {name} id"), id.0.to_vec()));
    }

    ledger.act(&school(), school().reserves(3)).expect("within the quota");
    ledger.act(&school(), school().anchors([commitment(1), commitment(2)])).expect("both are new");
    ledger.act(&school(), school().supersedes(commitment(1), commitment(2))).expect("both are valid");
    let tao = Actor::new("tao");
    ledger.act(&tao, tao.sets_accreditation(&school(), StatusValue::Revoked)).expect("it is valid");
    let mut seen = BTreeSet::new();
    for leaf in ledger.state.leaves() {
        let record_type = Record::decode(leaf).expect("a record").body.record_type();
        if seen.insert(record_type) {
            lines.push((format!("record {record_type:?}"), leaf.to_vec()));
        }
    }
    let reserved = [RecordType::Schema, RecordType::Custodian, RecordType::Change];
    assert_eq!(seen.len() + reserved.len(), RecordType::ALL.len());
    let newest = ledger.state.newest();
    lines.push(("header".to_owned(), newest.header.encode()));
    lines.push(("header id".to_owned(), newest.id.0.to_vec()));
    lines
}

#[test]
fn the_formats_are_what_they_were() {
    let file = include_str!("../data/formats.txt");
    let frozen: Vec<(&str, &str)> = file
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .collect();
    let now: Vec<(String, String)> =
        lines().into_iter().map(|(name, bytes)| (name, hex::encode(bytes))).collect();
    let now: Vec<(&str, &str)> = now.iter().map(|(name, bytes)| (name.as_str(), bytes.as_str())).collect();
    let print = || now.iter().map(|(name, bytes)| format!("{name} = {bytes}\n")).collect::<String>();
    assert_eq!(frozen, now, "the file would be:\n{}", print());
}

#[test]
fn frozen_bytes_are_read_back() {
    for (name, bytes) in lines() {
        if name.starts_with("record ") {
            assert_eq!(Record::decode(&bytes).expect("a record").encode(), bytes, "{name}");
        }
        if name == "header" {
            assert_eq!(Header::decode(&bytes).expect("a header").encode(), bytes);
        }
    }
}
