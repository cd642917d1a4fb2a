//! What happens on the ledger of the vectors: fixed organisations, times, credentials and statuses.

use std::collections::BTreeMap;

use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget, Opening, SaltKey};
use kvitto_ledger::credential::{Credential, ReadOptions};
use kvitto_ledger::record::AccreditationRecord;
use kvitto_ledger::scope::Role;
use kvitto_ledger::statement::Body;
use kvitto_ledger::statement::body::{
    Accredit, Anchor, AnchorItem, LegalIdentifier, Onboard, Possession, Reason, Reserve,
    SetAccreditationStatus, SetStatus, StatusCode, StatusItem, StatusTarget,
};
use kvitto_ledger::statement::envelope::sign_possession;
use kvitto_ledger::{Commitment, LedgerId, Position, RecordBody, TimeMs};
use kvitto_merkle::status::StatusValue;
use kvitto_verifier::receipt::{Receipt, ReceiptOpening};
use kvitto_verifier::{Question, TrustFile};

use crate::history::{History, Signers};
use crate::ledger::{GENESIS_MS, Ledger, Org, ROOT, YEAR_MS, config, genesis, scope};

pub(crate) const TYPE: &str = "https://kvitto.example/types/MicroCredential";
pub(crate) const DIPLOMA: &str = "https://kvitto.example/types/Diploma";
pub(crate) const TAO: Org = Org(0xa1);
/// Nothing ever happens to it.
pub(crate) const SCHOOL: Org = Org(0xb1);
/// Its accreditation is withdrawn from a time before it anchored.
pub(crate) const COMPROMISED: Org = Org(0xb2);
/// Its accreditation is suspended.
pub(crate) const PAUSED: Org = Org(0xb3);
/// Its accreditation is withdrawn from a time after it anchored.
pub(crate) const CLOSED: Org = Org(0xb4);
/// In Germany, known by its number in the business register there.
const REGISTERED: Org = Org(0xb5);

/// The first position of the reservation that is used.
pub(crate) const RESERVED: Position = Position(500);
/// The newest block of the first epoch.
pub(crate) const LAST: usize = 8;
/// The block of the second epoch.
pub(crate) const NEXT_EPOCH: usize = 9;
/// Minutes after the genesis of each block.
const MINUTES: [u64; 10] = [0, 1, 2, 3, 10, 20, 30, 40, 50, 60];

/// A credential that was anchored.
pub(crate) struct Item {
    pub(crate) file: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) opening: ReceiptOpening,
    pub(crate) commitment: Commitment,
}

pub(crate) struct Scenario {
    pub(crate) history: History,
    pub(crate) items: BTreeMap<&'static str, Item>,
    /// The genesis only.
    pub(crate) trust: TrustFile,
    /// With the first epoch closed after block 8.
    pub(crate) trust_later: TrustFile,
}

impl Scenario {
    pub(crate) fn new() -> Self {
        let items = items();
        let ledger = ledger(&items);
        let history = History::of(&ledger);
        let trust = TrustFile::from_genesis(ledger.genesis).expect("a good genesis");
        let closing =
            history.note(LAST, &Signers { logs: vec![0], cosigners: signers(LAST, &[0, 1, 2, 3, 4]) });
        let trust_later = trust.clone().with_epoch(closing, config(&[1, 2, 3, 4])).expect("both quorums");
        Self { history, items, trust, trust_later }
    }

    /// An honest receipt with its opening.
    pub(crate) fn receipt(&self, item: &str, block: usize, as_of: Option<usize>) -> Receipt {
        self.receipt_in(&self.history, item, block, as_of)
    }

    /// The newest record of an organisation's `n`-th accreditation, and its place in the log.
    pub(crate) fn accreditation(&self, org: Org, n: u8) -> (u64, AccreditationRecord) {
        let key = (org.did(), org.accreditation(n));
        let is = |body: &RecordBody| matches!(body, RecordBody::Accreditation(record) if (record.subject, record.id) == key);
        let index = self.history.find(self.history.size(LAST), is).expect("recorded");
        let RecordBody::Accreditation(record) = self.history.record(index).body else { unreachable!() };
        (index, record)
    }

    /// An honest receipt of a history that a forger changed.
    pub(crate) fn receipt_in(
        &self,
        history: &History,
        item: &str,
        block: usize,
        as_of: Option<usize>,
    ) -> Receipt {
        let item = &self.items[item];
        history.receipt(item.commitment, Some(item.opening.clone()), block, as_of, &lines(block))
    }
}

/// Seconds since 1970 of a minute after the genesis.
pub(crate) fn minute_s(minutes: u64) -> u64 {
    GENESIS_MS / 1000 + minutes * 60
}

/// Time of a block, in seconds.
pub(crate) fn block_s(block: usize) -> u64 {
    minute_s(MINUTES[block])
}

/// Half a minute after the checkpoint of a block, which may be a day old.
pub(crate) fn question(block: usize) -> Question {
    Question::now(block_s(block) + 40, 86_400)
}

/// Members cosign one second after the other, from ten seconds after the block.
pub(crate) fn signers(block: usize, members: &[u8]) -> Vec<(u8, u64)> {
    members.iter().map(|member| (*member, block_s(block) + 10 + u64::from(*member))).collect()
}

/// One log line and everybody's cosignature.
pub(crate) fn lines(block: usize) -> Signers {
    let members: &[u8] = if block < NEXT_EPOCH { &[0, 1, 2, 3] } else { &[1, 2, 3, 4] };
    Signers { logs: vec![members[0]], cosigners: signers(block, members) }
}

fn credential(number: u8, issuer: &str, kind: &str, more: &str) -> Vec<u8> {
    format!(
        r#"{{
  "@context": ["https://www.w3.org/ns/credentials/v2"],
  "id": "urn:example:credential:{number}",
  "type": ["VerifiableCredential", "{kind}"],
  "name": {{"sv": "Introduktion till Merkleträd", "en": "Introduction to Merkle trees"}},
  "issuer": {issuer},
  "validFrom": "2026-05-01T00:00:00Z",{more}
  "credentialSubject": {{"id": "urn:example:learner:{number}"}}
}}
"#
    )
    .into_bytes()
}

fn named(org: Org, name: &str) -> String {
    format!(r#"{{"id": "{}", "legalName": {{"sv": "{name}"}}}}"#, org.did())
}

/// Every credential of the scenario by its name, with the file it is kept in.
fn items() -> BTreeMap<&'static str, Item> {
    let school = named(SCHOOL, "Testskolan AB");
    let until = |year: u32| format!("\n  \"validUntil\": \"{year}-05-01T08:30:00Z\",");
    let entry = format!(
        "\n  \"credentialStatus\": {{\"type\": \"BitstringStatusListEntry\", \"statusPurpose\": \"revocation\", \
         \"statusListIndex\": \"{RESERVED}\", \"statusListCredential\": \"https://node.kvitto.example/status/0\"}},"
    );
    let stranger = r#"{"id": "https://university.example/", "legalName": {"en": "University of Somewhere Else"}, "vatIdentifier": {"notation": "SE999999999901"}}"#;
    let vat = r#"{"id": "https://testskolan.example/", "legalName": {"en": "The Test School"}, "vatIdentifier": {"notation": "SE 556000 0001 01"}}"#;
    let register = |country: &str| {
        let country = format!(r#""http://publications.europa.eu/resource/authority/country/{country}""#);
        format!(
            r#"{{"legalName": {{"de": "Fünfte Schule"}}, "registration": {{"notation": "HRB 12345", "spatial": {{"id": {country}}}}}}}"#
        )
    };
    let countryless = r#"{"legalName": {"de": "Fünfte Schule"}, "registration": {"notation": "HRB 12345"}}"#;
    let two_spellings = r#"{"legalName": {"en": "The Test School"}, "vatIdentifier": [{"notation": "SE556000000101"}, {"notation": "SE 556000-0001 01"}]}"#;
    let two_numbers = r#"{"legalName": {"en": "The Test School"}, "vatIdentifier": [{"notation": "SE556000000101"}, {"notation": "SE999999999901"}]}"#;
    let compact = {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let payload = credential(9, &school, TYPE, "");
        format!("{}.{}.{}", encode(br#"{"alg":"EdDSA"}"#), encode(&payload), encode(&[7; 64])).into_bytes()
    };
    use DigestTarget::{Bytes, Jcs, Payload};
    let sources: Vec<(&'static str, Vec<u8>, DigestTarget, bool)> = vec![
        ("clear", credential(1, &school, TYPE, &until(2031)), Jcs, false),
        ("revoked", credential(2, &school, TYPE, ""), Jcs, false),
        ("suspended", credential(3, &school, TYPE, ""), Jcs, false),
        ("superseded", credential(4, &school, TYPE, ""), Jcs, false),
        ("successor", credential(5, &school, TYPE, ""), Jcs, false),
        ("reserved", credential(6, &school, TYPE, &entry), Jcs, false),
        ("elsewhere", credential(7, &school, TYPE, &entry), Jcs, false),
        ("reinstated", credential(8, &school, TYPE, ""), Jcs, false),
        ("sealed", compact, Payload, false),
        ("plain-file", b"Not JSON at all: a plain text file.\n".to_vec(), Bytes, false),
        ("bare", credential(10, &school, TYPE, ""), Jcs, true),
        ("stranger", credential(11, stranger, TYPE, ""), Jcs, false),
        ("by-number", credential(12, vat, TYPE, ""), Jcs, false),
        ("nameless", credential(13, "{}", TYPE, ""), Jcs, false),
        ("other-type", credential(14, &school, DIPLOMA, ""), Jcs, false),
        ("ended", credential(15, &school, TYPE, &until(2026)), Jcs, false),
        ("late", credential(16, &school, TYPE, ""), Jcs, false),
        ("diploma", credential(17, &school, DIPLOMA, ""), Jcs, false),
        ("compromised", credential(18, &named(COMPROMISED, "Andra skolan AB"), TYPE, ""), Jcs, false),
        ("paused", credential(19, &named(PAUSED, "Tredje skolan AB"), TYPE, ""), Jcs, false),
        ("closed", credential(20, &named(CLOSED, "Fjärde skolan AB"), TYPE, ""), Jcs, false),
        ("registered", credential(21, &register("DEU"), TYPE, ""), Jcs, false),
        ("registered-elsewhere", credential(22, &register("FIN"), TYPE, ""), Jcs, false),
        ("registered-somewhere", credential(23, countryless, TYPE, ""), Jcs, false),
        ("two-spellings", credential(24, two_spellings, TYPE, ""), Jcs, false),
        ("two-numbers", credential(25, two_numbers, TYPE, ""), Jcs, false),
    ];
    sources.into_iter().map(|(name, bytes, target, bare)| (name, item(name, bytes, target, bare))).collect()
}

fn item(name: &str, bytes: Vec<u8>, target: DigestTarget, bare: bool) -> Item {
    let options = ReadOptions { opaque: target == DigestTarget::Bytes, ..ReadOptions::default() };
    let read = Credential::read(&bytes, &options).expect("a credential");
    let algorithm = if name == "suspended" { DigestAlgorithm::Sha3_256 } else { DigestAlgorithm::Sha256 };
    let digest = read.digest(algorithm, target).expect("that target");
    let opening = match bare {
        true => Opening { algorithm, target, salt: None, digest },
        false => SaltKey::new([0x5a; 32]).opening_for(algorithm, target, digest),
    };
    let extension = match target {
        DigestTarget::Jcs => "json",
        DigestTarget::Payload => "jws",
        DigestTarget::Bytes => "txt",
    };
    Item {
        file: format!("credentials/{name}.{extension}"),
        bytes,
        commitment: opening.commitment(),
        opening: ReceiptOpening { algorithm, target, salt: opening.salt },
    }
}

fn ledger(items: &BTreeMap<&'static str, Item>) -> Ledger {
    let mut ledger = Ledger::of(genesis());
    let id = ledger.genesis.ledger_id();
    let vat = |number: &str| LegalIdentifier { scheme: "VATRegistration".into(), value: number.into() };
    let onboard = |sponsor, org, name, number| onboard(&id, sponsor, org, name, vat(number), "SE");
    let registered = LegalIdentifier { scheme: "businessRegistration".into(), value: "HRB 12345".into() };
    ledger.block(
        MINUTES[1],
        vec![
            onboard(ROOT, TAO, "Exempelnätverket", "SE556000000001"),
            accredit(ROOT, TAO, 0, Role::Tao, &[TYPE, DIPLOMA], 5),
        ],
    );
    ledger.block(
        MINUTES[2],
        vec![
            onboard(TAO, SCHOOL, "Testskolan AB", "SE556000000101"),
            onboard(TAO, COMPROMISED, "Andra skolan AB", "SE556000000201"),
            onboard(TAO, PAUSED, "Tredje skolan AB", "SE556000000301"),
            onboard(TAO, CLOSED, "Fjärde skolan AB", "SE556000000401"),
            self::onboard(&id, TAO, REGISTERED, "Fünfte Schule", registered, "DE"),
            accredit(TAO, SCHOOL, 0, Role::Ti, &[TYPE], 2),
            accredit(TAO, SCHOOL, 1, Role::Ti, &[DIPLOMA], 2),
            accredit(TAO, COMPROMISED, 0, Role::Ti, &[TYPE], 2),
            accredit(TAO, PAUSED, 0, Role::Ti, &[TYPE], 2),
            accredit(TAO, CLOSED, 0, Role::Ti, &[TYPE], 2),
            accredit(TAO, REGISTERED, 0, Role::Ti, &[TYPE], 2),
        ],
    );
    let reserve = Reserve { accreditation: SCHOOL.accreditation(0), count: 1100 };
    ledger.block(MINUTES[3], vec![(SCHOOL, Body::Reserve(reserve))]);
    ledger.block(MINUTES[4], anchors(items));
    let set = |name: &str, status, successor: Option<&str>, reason| {
        let target = StatusTarget::Commitment(items[name].commitment);
        let successor = successor.map(|name| items[name].commitment);
        let item = StatusItem { target, status: StatusCode(status), successor };
        (SCHOOL, Body::SetStatus(SetStatus { issuer: SCHOOL.did(), items: vec![item], reason }))
    };
    ledger.block(
        MINUTES[5],
        vec![
            set("revoked", StatusValue::Revoked, None, Reason::IssuedInError),
            set("suspended", StatusValue::Suspended, None, Reason::Unspecified),
            set("superseded", StatusValue::Superseded, Some("successor"), Reason::Superseded),
        ],
    );
    ledger.block(MINUTES[6], vec![set("reinstated", StatusValue::Suspended, None, Reason::KeyCompromise)]);
    ledger.block(MINUTES[7], vec![set("reinstated", StatusValue::Valid, None, Reason::Unspecified)]);
    ledger.block(
        MINUTES[8],
        vec![
            change(COMPROMISED, StatusValue::Revoked, Some(5), Reason::KeyCompromise),
            change(PAUSED, StatusValue::Suspended, None, Reason::Unspecified),
            change(CLOSED, StatusValue::Revoked, Some(45), Reason::CeasedOperating),
        ],
    );
    ledger.config = config(&[1, 2, 3, 4]);
    ledger.block(MINUTES[9], vec![anchor(SCHOOL, 0, TYPE, &[&items["late"]], None)]);
    ledger
}

pub(crate) fn onboard(
    ledger: &LedgerId,
    sponsor: Org,
    org: Org,
    name: &str,
    legal_identifier: LegalIdentifier,
    country: &str,
) -> (Org, Body) {
    let (key, sponsor_accreditation) = (org.key().public().bytes(), sponsor.accreditation(0));
    let possession = Possession { subject: org.did(), key, sponsor: sponsor.did(), sponsor_accreditation };
    let body = Onboard {
        subject: org.did(),
        key,
        legal_name: name.into(),
        legal_identifier,
        country: country.into(),
        sponsor_accreditation,
        possession: serde_bytes::ByteBuf::from(sign_possession(&possession, &org.key(), ledger)),
    };
    (sponsor, Body::Onboard(body))
}

pub(crate) fn accredit(by: Org, org: Org, n: u8, role: Role, types: &[&str], years: u64) -> (Org, Body) {
    let body = Accredit {
        id: org.accreditation(n),
        subject: org.did(),
        role,
        scope: scope(types),
        valid_from: TimeMs(GENESIS_MS),
        valid_until: TimeMs(GENESIS_MS + years * YEAR_MS),
        parent: by.accreditation(0),
        policy: None,
        credential_digest: None,
    };
    (by, Body::Accredit(body))
}

fn change(org: Org, status: StatusValue, from_minute: Option<u64>, reason: Reason) -> (Org, Body) {
    let body = SetAccreditationStatus {
        subject: org.did(),
        id: org.accreditation(0),
        status: StatusCode(status),
        effective_from: from_minute.map(|minute| TimeMs(minute_s(minute) * 1000)),
        reason,
    };
    (TAO, Body::SetAccreditationStatus(body))
}

fn anchor(org: Org, n: u8, kind: &str, items: &[&Item], reserved: Option<Position>) -> (Org, Body) {
    let commitments = items.iter().map(|item| item.commitment).collect();
    anchor_commitments(org, n, kind, commitments, &items[0].opening, reserved)
}

pub(crate) fn anchor_commitments(
    org: Org,
    n: u8,
    kind: &str,
    mut commitments: Vec<Commitment>,
    opening: &ReceiptOpening,
    reserved: Option<Position>,
) -> (Org, Body) {
    commitments.sort();
    let items = commitments.into_iter().map(|commitment| AnchorItem { commitment, reserved }).collect();
    let body = Anchor {
        accreditation: org.accreditation(n),
        credential_type: kind.into(),
        algorithm: opening.algorithm,
        target: opening.target,
        bare: opening.salt.is_none(),
        items,
    };
    (org, Body::Anchor(body))
}

fn anchors(items: &BTreeMap<&'static str, Item>) -> Vec<(Org, Body)> {
    let plain = [
        "clear",
        "revoked",
        "superseded",
        "successor",
        "elsewhere",
        "reinstated",
        "stranger",
        "by-number",
        "nameless",
        "other-type",
        "ended",
        "two-spellings",
        "two-numbers",
    ];
    let registered = ["registered", "registered-elsewhere", "registered-somewhere"];
    let [plain, registered] =
        [&plain[..], &registered].map(|names| names.iter().map(|name| &items[name]).collect::<Vec<_>>());
    vec![
        anchor(SCHOOL, 0, TYPE, &plain, None),
        anchor(SCHOOL, 0, TYPE, &[&items["suspended"]], None),
        anchor(SCHOOL, 0, TYPE, &[&items["reserved"]], Some(RESERVED)),
        anchor(SCHOOL, 0, TYPE, &[&items["sealed"]], None),
        anchor(SCHOOL, 0, TYPE, &[&items["plain-file"]], None),
        anchor(SCHOOL, 0, TYPE, &[&items["bare"]], None),
        anchor(SCHOOL, 1, DIPLOMA, &[&items["diploma"]], None),
        anchor(COMPROMISED, 0, TYPE, &[&items["compromised"]], None),
        anchor(PAUSED, 0, TYPE, &[&items["paused"]], None),
        anchor(CLOSED, 0, TYPE, &[&items["closed"]], None),
        anchor(REGISTERED, 0, TYPE, &registered, None),
    ]
}
