//! DID documents as JSON (W3C DID Core, keys as JWK per RFC 7517, 8037): what `kvitto did show` prints and `kvitto did put` reads.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use kvitto_ledger::document::{KeyType, Relationships, Service, VerificationMethod};
use kvitto_ledger::keys::thumbprint_ec;
use kvitto_ledger::{Did, KeyBytes, KeyId};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

const CONTEXT: &str = "https://www.w3.org/ns/did/v1";
const METHOD_TYPE: &str = "JsonWebKey2020";

/// A DID document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DidDocument {
    #[serde(rename = "@context", default = "context")]
    context: Vec<String>,
    id: Did,
    verification_method: Vec<Method>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    authentication: Vec<KeyId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    assertion_method: Vec<KeyId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    key_agreement: Vec<KeyId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    capability_invocation: Vec<KeyId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    capability_delegation: Vec<KeyId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    service: Vec<ServiceText>,
}

/// Why a DID document cannot be put on the ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is another organisation's.
    #[error("the document is of {0}")]
    OtherDid(Did),
    /// A JWK is of a kind that the ledger does not keep, or malformed.
    #[error("{0} is not an Ed25519, P-256 or secp256k1 public key")]
    Key(KeyId),
    /// A key's id is not the thumbprint of the key.
    #[error("{given} must be called {expected}: a key's id ends with its RFC 7638 thumbprint")]
    KeyName {
        /// As written.
        given: KeyId,
        /// As it must be.
        expected: KeyId,
    },
    /// A relationship names a key that is not listed.
    #[error("{0} stands in a relationship, but is not among the verification methods")]
    KeyUnlisted(KeyId),
    /// A service's id is not of this document.
    #[error("the service id {0:?} must be the document's DID, #, and a name")]
    ServiceId(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Method {
    id: KeyId,
    #[serde(rename = "type")]
    method_type: String,
    controller: Did,
    public_key_jwk: Jwk,
}

/// Public keys only: a `d` member is unknown here, and refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ServiceText {
    id: String,
    #[serde(rename = "type")]
    service_type: String,
    service_endpoint: String,
}

fn context() -> Vec<String> {
    vec![CONTEXT.to_owned()]
}

impl DidDocument {
    /// The document of an organisation with these keys and services.
    pub fn of(did: Did, methods: &[VerificationMethod], services: &[Service]) -> Self {
        let named = |method: &VerificationMethod| {
            method.thumbprint().map(|thumbprint| (KeyId { did, thumbprint }, method.clone()))
        };
        let methods: Vec<_> = methods.iter().filter_map(named).collect();
        let in_relationship = |relationship: Relationships| {
            let with = methods.iter().filter(|(_, method)| method.relationships.contains(relationship));
            with.map(|(id, _)| *id).collect()
        };
        Self {
            context: context(),
            id: did,
            authentication: in_relationship(Relationships::AUTHENTICATION),
            assertion_method: in_relationship(Relationships::ASSERTION_METHOD),
            key_agreement: in_relationship(Relationships::KEY_AGREEMENT),
            capability_invocation: in_relationship(Relationships::CAPABILITY_INVOCATION),
            capability_delegation: in_relationship(Relationships::CAPABILITY_DELEGATION),
            verification_method: methods.iter().map(|(id, method)| Method::of(*id, method)).collect(),
            service: services.iter().map(|service| ServiceText::of(did, service)).collect(),
        }
    }

    /// Ids of the keys, each with the names of its relationships.
    pub fn keys(&self) -> Vec<(KeyId, Vec<&'static str>)> {
        let named = [
            (&self.authentication, "authentication"),
            (&self.assertion_method, "assertionMethod"),
            (&self.key_agreement, "keyAgreement"),
            (&self.capability_invocation, "capabilityInvocation"),
            (&self.capability_delegation, "capabilityDelegation"),
        ];
        let uses =
            |id: &KeyId| named.iter().filter(|(ids, _)| ids.contains(id)).map(|(_, name)| *name).collect();
        self.verification_method.iter().map(|method| (method.id, uses(&method.id))).collect()
    }

    /// The services, type and address in one text.
    pub fn services(&self) -> Vec<String> {
        self.service
            .iter()
            .map(|service| format!("{} {}", service.service_type, service.service_endpoint))
            .collect()
    }

    /// The keys and services for the ledger.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn open(&self, did: Did) -> Result<(Vec<VerificationMethod>, Vec<Service>), DocumentError> {
        if self.id != did {
            return Err(DocumentError::OtherDid(self.id));
        }
        let relationships = [
            (&self.authentication, Relationships::AUTHENTICATION),
            (&self.assertion_method, Relationships::ASSERTION_METHOD),
            (&self.key_agreement, Relationships::KEY_AGREEMENT),
            (&self.capability_invocation, Relationships::CAPABILITY_INVOCATION),
            (&self.capability_delegation, Relationships::CAPABILITY_DELEGATION),
        ];
        let listed = |id: &&KeyId| self.verification_method.iter().any(|method| method.id == **id);
        if let Some(id) = relationships.iter().flat_map(|(ids, _)| ids.iter()).find(|id| !listed(id)) {
            return Err(DocumentError::KeyUnlisted(*id));
        }
        let method = |method: &Method| {
            let held = relationships.iter().filter(|(ids, _)| ids.contains(&method.id));
            let bits = held.fold(0, |bits, (_, relationship)| bits | relationship.0);
            method.open(did, Relationships(bits))
        };
        let methods = self.verification_method.iter().map(method).collect::<Result<_, _>>()?;
        let services = self.service.iter().map(|service| service.open(did)).collect::<Result<_, _>>()?;
        Ok((methods, services))
    }
}

impl Method {
    fn of(id: KeyId, method: &VerificationMethod) -> Self {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (x, y) = method.key.split_at(method.key.len().min(32));
        let (kty, crv) = match method.key_type {
            KeyType::Ed25519 => ("OKP", "Ed25519"),
            KeyType::P256 => ("EC", "P-256"),
            KeyType::Secp256k1 => ("EC", "secp256k1"),
        };
        let jwk = Jwk {
            kty: kty.to_owned(),
            crv: crv.to_owned(),
            x: encode(x),
            y: (!y.is_empty()).then(|| encode(y)),
        };
        Self { id, method_type: METHOD_TYPE.to_owned(), controller: id.did, public_key_jwk: jwk }
    }

    fn open(&self, did: Did, relationships: Relationships) -> Result<VerificationMethod, DocumentError> {
        let Jwk { kty, crv, x, y } = &self.public_key_jwk;
        let coordinate =
            |text: &str| -> Option<[u8; 32]> { URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok() };
        let x = coordinate(x).ok_or(DocumentError::Key(self.id))?;
        let y = y.as_deref().map(|y| coordinate(y).ok_or(DocumentError::Key(self.id))).transpose()?;
        let (key_type, thumbprint) = match (kty.as_str(), crv.as_str(), y) {
            ("OKP", "Ed25519", None) => (KeyType::Ed25519, kvitto_ledger::keys::thumbprint(&KeyBytes(x))),
            ("EC", "P-256", Some(y)) => (KeyType::P256, thumbprint_ec("P-256", &x, &y)),
            ("EC", "secp256k1", Some(y)) => (KeyType::Secp256k1, thumbprint_ec("secp256k1", &x, &y)),
            _ => return Err(DocumentError::Key(self.id)),
        };
        let expected = KeyId { did, thumbprint };
        if self.id != expected {
            return Err(DocumentError::KeyName { given: self.id, expected });
        }
        let key = x.into_iter().chain(y.into_iter().flatten()).collect::<Vec<u8>>();
        Ok(VerificationMethod { key_type, key: ByteBuf::from(key), relationships })
    }
}

impl ServiceText {
    fn of(did: Did, service: &Service) -> Self {
        Self {
            id: format!("{did}#{}", service.id),
            service_type: service.service_type.clone(),
            service_endpoint: service.url.clone(),
        }
    }

    fn open(&self, did: Did) -> Result<Service, DocumentError> {
        let id = self.id.strip_prefix(&did.to_string()).unwrap_or(&self.id).strip_prefix('#');
        let id = id.ok_or_else(|| DocumentError::ServiceId(self.id.clone()))?;
        Ok(Service {
            id: id.to_owned(),
            service_type: self.service_type.clone(),
            url: self.service_endpoint.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvitto_ledger::SigningKey;

    fn sample() -> (Did, Vec<VerificationMethod>, Vec<Service>) {
        let ledger_key = VerificationMethod::ledger_key(SigningKey::from_seed(&[1; 32]).public().bytes());
        let p256 = VerificationMethod {
            key_type: KeyType::P256,
            key: ByteBuf::from([5; 64]),
            relationships: Relationships::ASSERTION_METHOD,
        };
        let service = Service {
            id: "web".to_owned(),
            service_type: "LinkedDomains".to_owned(),
            url: "https://school.example/".to_owned(),
        };
        (Did::new([7; 16]), vec![ledger_key, p256], vec![service])
    }

    #[test]
    fn a_document_is_read_again_as_it_was() {
        let (did, methods, services) = sample();
        let document = DidDocument::of(did, &methods, &services);
        let text = serde_json::to_string(&document).unwrap();
        let read: DidDocument = serde_json::from_str(&text).unwrap();
        assert_eq!(read.open(did), Ok((methods, services)));
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        let (did, methods, services) = sample();
        let document = serde_json::to_value(DidDocument::of(did, &methods, &services)).unwrap();
        let mut private = document.clone();
        private["verificationMethod"][0]["publicKeyJwk"]["d"] = "secret".into();
        assert!(serde_json::from_value::<DidDocument>(private).is_err(), "a private key");
        let opened = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut changed = document.clone();
            change(&mut changed);
            serde_json::from_value::<DidDocument>(changed).unwrap().open(did).unwrap_err()
        };
        let other = Did::new([8; 16]);
        assert_eq!(opened(&|text| text["id"] = other.to_string().into()), DocumentError::OtherDid(other));
        let second = document["verificationMethod"][1]["id"].clone();
        let error = opened(&|text| text["verificationMethod"][0]["id"] = second.clone());
        assert!(matches!(error, DocumentError::KeyName { .. } | DocumentError::KeyUnlisted(_)), "{error}");
        let error = opened(&|text| text["verificationMethod"][1]["publicKeyJwk"]["crv"] = "P-384".into());
        assert!(matches!(error, DocumentError::Key(_)), "{error}");
        let error = opened(&|text| text["service"][0]["id"] = "web".into());
        assert!(matches!(error, DocumentError::ServiceId(_)), "{error}");
    }
}
