//! The signature around a statement: COSE_Sign1 (RFC 9052), read strictly (RULES 5.1, 5.2).

use std::sync::Arc;

use coset::{CoseSign1, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable, iana};
use kvitto_merkle::sha256;

use super::{PayloadHead, STATEMENT_BYTES_MAX, STATEMENT_VERSION, Statement, cose};
use crate::codec::{DecodeError, decode_strict, encode};
use crate::did::{Did, KeyId};
use crate::form::{self, ensure};
use crate::ids::{KeyBytes, LedgerId, Signature, StatementId};
use crate::keys::{PublicKey, SigningKey, thumbprint};
use crate::rejection::Rejection;
use crate::statement::body::{Onboard, Possession};

const STATEMENT_AAD: &[u8] = b"kvitto/statement/v1";
const POSSESSION_AAD: &[u8] = b"kvitto/possession/v1";

/// A statement of good form whose signature is not checked yet.
#[derive(Clone, Debug)]
pub struct Envelope {
    bytes: Arc<[u8]>,
    id: StatementId,
    key_id: KeyId,
    statement: Statement,
    to_be_signed: Vec<u8>,
    signature: Signature,
}

impl Envelope {
    /// Reads the bytes of a statement for this ledger and checks everything that needs no state: the rejections with codes
    /// from 100 to 199.
    ///
    /// # Errors
    /// The first rejection in the order of checks.
    pub fn decode(bytes: impl Into<Arc<[u8]>>, ledger: &LedgerId) -> Result<Self, Rejection> {
        let bytes = bytes.into();
        if bytes.len() > STATEMENT_BYTES_MAX {
            return Err(Rejection::StatementTooLarge);
        }
        let cose::Parts { alg, kid, payload, signature } =
            cose::read(&bytes).ok_or(Rejection::CoseMalformed)?;
        ensure(alg == Some(iana::Algorithm::EdDSA as i64), Rejection::Algorithm)?;
        let kid = kid.and_then(|kid| String::from_utf8(kid).ok()).ok_or(Rejection::KidSyntax)?;
        let key_id: KeyId = kid.parse().map_err(|_| Rejection::KidSyntax)?;
        ensure(*bytes == cose_sign1(&key_id, &payload, &signature), Rejection::CoseNotCanonical)?;
        let statement = decode_payload(&payload)?;
        form::check(&statement, key_id.did, ledger)?;
        let to_be_signed = unsigned(&key_id, payload).tbs_data(&aad(STATEMENT_AAD, ledger));
        let id = StatementId(sha256(&[&to_be_signed]).0);
        Ok(Self { bytes, id, key_id, statement, to_be_signed, signature })
    }

    /// Checks the signature with the key that `kid` names.
    ///
    /// # Errors
    /// [`Rejection::KeyUnknown`] where `key` is another one; [`Rejection::SignatureInvalid`].
    pub fn verify(self, key: &PublicKey) -> Result<Checked, Rejection> {
        let key_bytes = key.bytes();
        if thumbprint(&key_bytes) != self.key_id.thumbprint {
            return Err(Rejection::KeyUnknown);
        }
        if !key.verifies(&self.to_be_signed, &self.signature) {
            return Err(Rejection::SignatureInvalid);
        }
        Ok(Checked(Arc::new(CheckedInner {
            bytes: self.bytes,
            id: self.id,
            key_id: self.key_id,
            key: key_bytes,
            statement: self.statement,
        })))
    }

    /// Its identity.
    pub fn id(&self) -> StatementId {
        self.id
    }

    /// The key that is said to have signed it.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// What it asks for.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }
}

/// A statement of good form, signed by the key it names. Whether that key may sign it, `apply` decides. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked(Arc<CheckedInner>);

#[derive(Debug, PartialEq, Eq)]
struct CheckedInner {
    bytes: Arc<[u8]>,
    id: StatementId,
    key_id: KeyId,
    key: KeyBytes,
    statement: Statement,
}

impl Checked {
    /// The exact bytes, signature included: what bodies and the statements' root hold.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.0.bytes
    }

    /// Its identity.
    pub fn id(&self) -> StatementId {
        self.0.id
    }

    /// Who signed it.
    pub fn signer(&self) -> Did {
        self.0.key_id.did
    }

    /// The DID URL of the key that signed it.
    pub fn key_id(&self) -> KeyId {
        self.0.key_id
    }

    /// The key that it was checked with.
    pub fn key(&self) -> KeyBytes {
        self.0.key
    }

    /// What it asks for.
    pub fn statement(&self) -> &Statement {
        &self.0.statement
    }
}

/// Signs `statement` as the organisation `did`, for this ledger; gives the bytes to submit.
pub fn sign(statement: &Statement, did: Did, key: &SigningKey, ledger: &LedgerId) -> Vec<u8> {
    sign_payload(encode(statement), did, key, &aad(STATEMENT_AAD, ledger))
}

/// The possession proof that the subject of an [`Onboard`] makes with its first key (RULES 5.3).
pub fn sign_possession(possession: &Possession, key: &SigningKey, ledger: &LedgerId) -> Vec<u8> {
    sign_payload(encode(possession), possession.subject, key, &aad(POSSESSION_AAD, ledger))
}

/// Whether the possession proof inside is the subject's, for this sponsor and ledger.
pub(crate) fn possession_holds(onboard: &Onboard, key: &PublicKey, sponsor: Did, ledger: &LedgerId) -> bool {
    // There is one way to write it: everything but the signature at its end is known already.
    let Some(signature) = onboard.possession.last_chunk().copied().map(Signature) else { return false };
    let payload = encode(&Possession {
        subject: onboard.subject,
        key: onboard.key,
        sponsor,
        sponsor_accreditation: onboard.sponsor_accreditation,
    });
    let key_id = KeyId { did: onboard.subject, thumbprint: thumbprint(&onboard.key) };
    *onboard.possession == cose_sign1(&key_id, &payload, &signature)
        && key.verifies(&unsigned(&key_id, payload).tbs_data(&aad(POSSESSION_AAD, ledger)), &signature)
}

fn sign_payload(payload: Vec<u8>, did: Did, key: &SigningKey, aad: &[u8]) -> Vec<u8> {
    let key_id = KeyId { did, thumbprint: thumbprint(&key.public().bytes()) };
    let mut cose = unsigned(&key_id, payload);
    cose.signature = key.sign(&cose.tbs_data(aad)).0.to_vec();
    written(cose)
}

fn unsigned(key_id: &KeyId, payload: Vec<u8>) -> CoseSign1 {
    let protected = HeaderBuilder::new()
        .algorithm(iana::Algorithm::EdDSA)
        .key_id(key_id.to_string().into_bytes())
        .build();
    CoseSign1Builder::new().protected(protected).payload(payload).build()
}

/// The one way to write these four things.
fn cose_sign1(key_id: &KeyId, payload: &[u8], signature: &Signature) -> Vec<u8> {
    written(CoseSign1 { signature: signature.0.to_vec(), ..unsigned(key_id, payload.to_vec()) })
}

fn written(cose: CoseSign1) -> Vec<u8> {
    cose.to_tagged_vec().expect("byte strings and two header parameters always encode")
}

fn aad(purpose: &[u8], ledger: &LedgerId) -> Vec<u8> {
    [purpose, ledger.as_bytes()].concat()
}

fn decode_payload(payload: &[u8]) -> Result<Statement, Rejection> {
    let head: PayloadHead = serde_cbor::from_slice(payload).map_err(|_| Rejection::CborMalformed)?;
    if head.version != u64::from(STATEMENT_VERSION) {
        return Err(Rejection::StatementVersion);
    }
    if !super::Body::is_executed(head.kind) {
        return Err(Rejection::StatementKind);
    }
    decode_strict(payload, STATEMENT_BYTES_MAX).map_err(|error| match error {
        DecodeError::NotCanonical => Rejection::CborNotCanonical,
        DecodeError::TooLong { .. } | DecodeError::Malformed => Rejection::SchemaViolation,
    })
}
