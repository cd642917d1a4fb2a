//! Records: the leaves of the log. Each is the deterministic CBOR array `[record_type, version, time_ms, statement_id, …]`.
//!
//! A statement becomes one or more records; the last leaf of every block is its [`BlockRecord`]. `time_ms` is the block's time.
//! The statement id of `Genesis`, `Block` and root accreditations is 32 zero bytes.

use kvitto_merkle::{Hash, leaf_hash};
use serde::de::{self, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec::{DecodeError, cbor_array, code_enum, decode_strict, encode, next_field};
use crate::commitment::{DigestAlgorithm, DigestTarget};
use crate::did::Did;
use crate::document::{Service, VerificationMethod};
use crate::ids::{
    AccreditationId, Commitment, ConfigHash, HeaderId, Height, LeafIndex, LedgerId, Position, StatementId,
    TimeMs,
};
use crate::scope::{Role, Scope};
use crate::statement::body::{LegalIdentifier, Policy, Reason, StatusCode};

/// Longest leaf, in bytes (C2SP tlog-tiles).
pub const LEAF_BYTES_MAX: usize = 65_535;
/// Version of the records' layout.
pub const RECORD_VERSION: u8 = 1;

code_enum! {
    /// What a record says.
    pub enum RecordType: u8 {
        /// The first leaf: which ledger this is.
        Genesis = 1,
        /// The last leaf of a block.
        Block = 2,
        /// An organisation, as it is from here on.
        Identifier = 3,
        /// An accreditation, as given or extended.
        Accreditation = 4,
        /// An accreditation was withdrawn, suspended or reinstated.
        AccreditationStatus = 5,
        /// A schema; reserved.
        Schema = 6,
        /// Positions were reserved.
        Reservation = 7,
        /// A commitment was anchored.
        Anchored = 8,
        /// A credential's status changed.
        Status = 9,
        /// A custodian was appointed; reserved.
        Custodian = 10,
        /// Members, roots or limits change; reserved.
        Change = 11,
    }
}

code_enum! {
    /// What happened to an identifier.
    pub enum IdentifierEvent: u8 {
        /// It was registered.
        Onboarded = 1,
        /// Its sponsor corrected its names.
        Corrected = 2,
        /// It replaced its DID document.
        Updated = 3,
        /// It was deactivated.
        Deactivated = 4,
    }
}

cbor_array! {
    /// The first leaf.
    pub struct GenesisRecord {
        /// SHA-256 of `genesis`.
        pub ledger_id: LedgerId,
        /// The array that the ledger's id is the hash of (RULES 1.1).
        pub genesis: serde_bytes::ByteBuf,
    }
}

cbor_array! {
    /// The last leaf of a block: what was true when it ended.
    pub struct BlockRecord {
        /// Number of the block.
        pub height: Height,
        /// Index of the block's first leaf.
        pub first_leaf: LeafIndex,
        /// Id of the previous block's header; zero in block 0.
        pub previous: HeaderId,
        /// RFC 6962 root over the exact bytes of the block's statements, in order.
        pub statements_root: Hash,
        /// Root of the status tree after the block.
        pub status_root: Hash,
        /// Number of positions after the block.
        pub positions: u64,
        /// Configuration in force in this block.
        pub config_hash: ConfigHash,
    }
}

cbor_array! {
    /// An organisation, as it is from here on.
    pub struct IdentifierRecord {
        /// What happened.
        pub event: IdentifierEvent,
        /// Whose.
        pub did: Did,
        /// Legal name.
        pub legal_name: String,
        /// Official identifier.
        pub legal_identifier: LegalIdentifier,
        /// ISO 3166-1 alpha-2 country code.
        pub country: String,
        /// Who onboarded it.
        pub sponsor: Did,
        /// Under which of the sponsor's accreditations.
        pub sponsor_accreditation: AccreditationId,
        /// Keys.
        pub methods: Vec<VerificationMethod>,
        /// Services.
        pub services: Vec<Service>,
        /// Whether it can sign no more.
        pub deactivated: bool,
    }
}

cbor_array! {
    /// An accreditation, as given or extended.
    pub struct AccreditationRecord {
        /// Its place in the status tree.
        pub position: Position,
        /// Its id, unique per subject.
        pub id: AccreditationId,
        /// Who gave it; a root's own DID for a root.
        pub accreditor: Did,
        /// The accreditor's accreditation that it hangs on; none for a root.
        pub parent: Option<AccreditationId>,
        /// Who is accredited.
        pub subject: Did,
        /// To do what.
        pub role: Role,
        /// For what.
        pub scope: Scope,
        /// First moment of validity.
        pub valid_from: TimeMs,
        /// Last moment of validity.
        pub valid_until: TimeMs,
        /// Policy it is given under.
        pub policy: Option<Policy>,
        /// SHA-256 of an accreditation credential.
        pub credential_digest: Option<Hash>,
    }
}

cbor_array! {
    /// An accreditation was withdrawn, suspended or reinstated.
    pub struct AccreditationStatusRecord {
        /// The accreditation's place in the status tree.
        pub position: Position,
        /// Whose accreditation.
        pub subject: Did,
        /// Which one.
        pub id: AccreditationId,
        /// By whom.
        pub by: Did,
        /// 1 withdrawn, 2 suspended, 0 reinstated.
        pub status: StatusCode,
        /// With a withdrawal: from when.
        pub effective_from: Option<TimeMs>,
        /// Why.
        pub reason: Reason,
    }
}

cbor_array! {
    /// Positions were reserved.
    pub struct ReservationRecord {
        /// For whom.
        pub issuer: Did,
        /// Under which accreditation.
        pub accreditation: AccreditationId,
        /// The first one.
        pub first: Position,
        /// How many, contiguous.
        pub count: u32,
    }
}

cbor_array! {
    /// A commitment was anchored.
    pub struct AnchoredRecord {
        /// Its place in the status tree.
        pub position: Position,
        /// The commitment.
        pub commitment: Commitment,
        /// Who anchored it.
        pub issuer: Did,
        /// Under which accreditation.
        pub accreditation: AccreditationId,
        /// Credential type.
        pub credential_type: String,
        /// Digest algorithm inside the commitment.
        pub algorithm: DigestAlgorithm,
        /// What was digested.
        pub target: DigestTarget,
        /// Whether the commitment is a bare digest without a salt.
        pub bare: bool,
    }
}

cbor_array! {
    /// A credential's status changed.
    pub struct StatusRecord {
        /// Its place in the status tree.
        pub position: Position,
        /// By whom.
        pub by: Did,
        /// The new status.
        pub status: StatusCode,
        /// With status superseded: the position that takes its place.
        pub successor: Option<Position>,
        /// Why.
        pub reason: Reason,
    }
}

/// A leaf of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The block's time.
    pub time: TimeMs,
    /// The statement that caused it; zero where there is none.
    pub statement_id: StatementId,
    /// What it says.
    pub body: RecordBody,
}

macro_rules! record_bodies {
    ($($variant:ident($body:ident)),* $(,)?) => {
        /// What a record says.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "records are short-lived; boxing the common one would cost more")]
        pub enum RecordBody { $(#[doc = concat!("See [`", stringify!($body), "`].")] $variant($body)),* }

        impl RecordBody {
            /// Its type.
            pub fn record_type(&self) -> RecordType {
                match self { $(Self::$variant(_) => RecordType::$variant),* }
            }

            fn fields(&self) -> usize {
                match self { $(Self::$variant(_) => $body::FIELDS),* }
            }

            fn serialize_fields<S: SerializeTuple>(&self, array: &mut S) -> Result<(), S::Error> {
                match self { $(Self::$variant(body) => body.serialize_fields(array)),* }
            }

            fn deserialize_fields<'de, A: SeqAccess<'de>>(record_type: RecordType, array: &mut A) -> Result<Self, A::Error> {
                match record_type {
                    $(RecordType::$variant => $body::deserialize_fields(array).map(Self::$variant),)*
                    RecordType::Schema | RecordType::Custodian | RecordType::Change => {
                        Err(de::Error::custom("this type is not recorded yet"))
                    }
                }
            }
        }
    };
}

record_bodies! {
    Genesis(GenesisRecord),
    Block(BlockRecord),
    Identifier(IdentifierRecord),
    Accreditation(AccreditationRecord),
    AccreditationStatus(AccreditationStatusRecord),
    Reservation(ReservationRecord),
    Anchored(AnchoredRecord),
    Status(StatusRecord),
}

impl Record {
    /// The leaf's bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a leaf.
    ///
    /// # Errors
    /// [`DecodeError`]: too long, not a known record, or not in deterministic form.
    pub fn decode(leaf: &[u8]) -> Result<Self, DecodeError> {
        decode_strict(leaf, LEAF_BYTES_MAX)
    }

    /// The RFC 6962 hash of the leaf.
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(&self.encode())
    }
}

/// The bytes that all `Anchored` records of one statement share: only position and commitment stand between them.
#[derive(Debug)]
pub(crate) struct AnchoredTemplate {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl AnchoredTemplate {
    /// For the records of one statement; the position and commitment of `record` do not count.
    pub(crate) fn new(time: TimeMs, statement_id: StatementId, record: AnchoredRecord) -> Self {
        let head = encode(&(RecordType::Anchored, RECORD_VERSION, time, statement_id)).len();
        let between = own_fields(record.position, &record.commitment).len();
        let mut before = Record { time, statement_id, body: RecordBody::Anchored(record) }.encode();
        // Both arrays have a head of one byte.
        let after = before.split_off(head + between);
        before.truncate(head);
        Self { before, after }
    }

    /// One record's leaf.
    pub(crate) fn encode(&self, position: Position, commitment: &Commitment) -> Vec<u8> {
        [&self.before, &own_fields(position, commitment)[..], &self.after].concat()
    }
}

/// The encoded position and commitment, as they stand in a record.
fn own_fields(position: Position, commitment: &Commitment) -> Vec<u8> {
    let mut fields = encode(&(position, commitment));
    // The head of the array that the two are encoded as.
    fields.remove(0);
    fields
}

/// `record_type, version, time, statement_id`.
const HEAD_FIELDS: usize = 4;

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut array = serializer.serialize_tuple(HEAD_FIELDS + self.body.fields())?;
        array.serialize_element(&self.body.record_type())?;
        array.serialize_element(&RECORD_VERSION)?;
        array.serialize_element(&self.time)?;
        array.serialize_element(&self.statement_id)?;
        self.body.serialize_fields(&mut array)?;
        array.end()
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Leaf;
        impl<'de> Visitor<'de> for Leaf {
            type Value = Record;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the array of a record")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Record, A::Error> {
                let record_type = next_field(&mut array)?;
                if next_field::<u8, A>(&mut array)? != RECORD_VERSION {
                    return Err(de::Error::custom("unknown version"));
                }
                let (time, statement_id) = (next_field(&mut array)?, next_field(&mut array)?);
                let body = RecordBody::deserialize_fields(record_type, &mut array)?;
                Ok(Record { time, statement_id, body })
            }
        }
        deserializer.deserialize_seq(Leaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_writes_what_the_record_alone_would() {
        let record = AnchoredRecord {
            position: Position(70_000),
            commitment: Commitment([1; 32]),
            issuer: Did::new([2; 16]),
            accreditation: AccreditationId([3; 32]),
            credential_type: "EuropeanDigitalCredential".into(),
            algorithm: DigestAlgorithm::Sha256,
            target: DigestTarget::Jcs,
            bare: false,
        };
        let (time, statement_id) = (TimeMs(1_790_000_000_000), StatementId([4; 32]));
        let template = AnchoredTemplate::new(time, statement_id, record.clone());
        // CBOR writes a number in one of five lengths.
        for position in [0, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), u64::MAX].map(Position) {
            let commitment = Commitment([5; 32]);
            let body = RecordBody::Anchored(AnchoredRecord { position, commitment, ..record.clone() });
            let alone = Record { time, statement_id, body }.encode();
            assert_eq!(template.encode(position, &commitment), alone, "{position}");
        }
    }
}
