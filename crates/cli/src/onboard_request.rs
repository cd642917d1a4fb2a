//! The request file with which an organisation asks a sponsor to onboard it, and proves that it holds its key.
//!
//! ```json
//! { "format": "kvitto/onboard-request/v1", "ledger_id": "…", "subject": "did:ebsi:z…", "key": "…",
//!   "legal_name": "…", "legal_identifier": { "scheme": "…", "value": "…" }, "country": "SE",
//!   "sponsor": "did:ebsi:z…", "sponsor_accreditation": "…", "possession": "<base64>" }
//! ```
//!
//! `possession` signs identifier, key, sponsor and sponsor's accreditation for this ledger (RULES 5.3); the names it does not sign
//! are for the sponsor to check.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use kvitto_ledger::statement::envelope::sign_possession;
use kvitto_ledger::statement::{LegalIdentifier, Onboard, Possession};
use kvitto_ledger::{AccreditationId, Did, KeyBytes, LedgerId};
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::input_file;
use crate::keyfile::KeyFile;

const FORMAT: &str = "kvitto/onboard-request/v1";
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// A request to be onboarded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnboardRequest {
    format: String,
    /// For which ledger.
    pub ledger_id: LedgerId,
    /// The organisation.
    pub subject: Did,
    /// Its first ledger key.
    pub key: KeyBytes,
    /// Legal name.
    pub legal_name: String,
    /// Official identifier.
    pub legal_identifier: RequestIdentifier,
    /// ISO 3166-1 alpha-2 country code.
    pub country: String,
    /// Who is to register the organisation.
    pub sponsor: Did,
    /// The sponsor's accreditation.
    pub sponsor_accreditation: AccreditationId,
    possession: String,
}

/// An official identifier, as written in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestIdentifier {
    /// Scheme, e.g. `VATRegistration`.
    pub scheme: String,
    /// The identifier in that scheme.
    pub value: String,
}

/// An organisation's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Legal name.
    pub legal_name: String,
    /// Official identifier.
    pub legal_identifier: RequestIdentifier,
    /// ISO 3166-1 alpha-2 country code.
    pub country: String,
}

impl OnboardRequest {
    /// The request of the owner of `key`.
    pub fn new(
        key: &KeyFile,
        names: Names,
        sponsor: Did,
        sponsor_accreditation: AccreditationId,
        ledger_id: LedgerId,
    ) -> Self {
        let key_bytes = key.key().public().bytes();
        let possession = Possession { subject: key.did(), key: key_bytes, sponsor, sponsor_accreditation };
        let possession = sign_possession(&possession, key.key(), &ledger_id);
        Self {
            format: FORMAT.to_owned(),
            ledger_id,
            subject: key.did(),
            key: key_bytes,
            legal_name: names.legal_name,
            legal_identifier: names.legal_identifier,
            country: names.country,
            sponsor,
            sponsor_accreditation,
            possession: STANDARD.encode(possession),
        }
    }

    /// Reads a request file.
    ///
    /// # Errors
    /// That it cannot be read, is malformed, or is for another ledger.
    pub fn read(path: &Path, ledger_id: &LedgerId) -> Result<Self, Failure> {
        let malformed = |detail: &str| {
            let message = format!("{} is not a request of version 1: {detail}", path.display());
            let next = "have the organisation make it again: kvitto onboard request";
            Failure::new(Exit::Input, "REQUEST_MALFORMED", message, next)
        };
        let bytes = input_file::read(path, REQUEST_BYTES_MAX)?;
        let request: Self = serde_json::from_slice(&bytes).map_err(|error| malformed(&error.to_string()))?;
        if request.format != FORMAT || STANDARD.decode(&request.possession).is_err() {
            return Err(malformed("its format or its proof is another one"));
        }
        if request.ledger_id != *ledger_id {
            let message = format!("the request is for ledger {}, not {ledger_id}", request.ledger_id);
            let next = "check that both sides use the trust file of the same ledger";
            return Err(Failure::new(Exit::Usage, "REQUEST_OTHER_LEDGER", message, next));
        }
        Ok(request)
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts can be written") + "\n"
    }

    /// Whether it is for the sponsor who is about to accept it.
    ///
    /// # Errors
    /// That it is for another one: the proof inside would not hold.
    pub fn check_sponsor(&self, sponsor: Did) -> Result<(), Failure> {
        if self.sponsor == sponsor {
            return Ok(());
        }
        let message = format!("the request is for the sponsor {}, not {sponsor}", self.sponsor);
        let next = "use that sponsor's key file, or have the organisation make a request for you";
        Err(Failure::new(Exit::Usage, "REQUEST_OTHER_SPONSOR", message, next))
    }

    /// What the sponsor signs.
    pub fn onboard(&self) -> Onboard {
        let possession = STANDARD.decode(&self.possession).unwrap_or_default();
        Onboard {
            subject: self.subject,
            key: self.key,
            legal_name: self.legal_name.clone(),
            legal_identifier: LegalIdentifier {
                scheme: self.legal_identifier.scheme.clone(),
                value: self.legal_identifier.value.clone(),
            },
            country: self.country.clone(),
            sponsor_accreditation: self.sponsor_accreditation,
            possession: possession.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use kvitto_client::Organisation;

    const LEDGER: LedgerId = LedgerId([4; 32]);

    fn request(sponsor: &KeyFile) -> OnboardRequest {
        let names = Names {
            legal_name: "Exempelskolan".to_owned(),
            legal_identifier: RequestIdentifier { scheme: "VATRegistration".into(), value: "SE1".into() },
            country: "SE".to_owned(),
        };
        let subject = KeyFile::generate(None).unwrap();
        OnboardRequest::new(&subject, names, sponsor.did(), AccreditationId([5; 32]), LEDGER)
    }

    fn form(request: &OnboardRequest, sponsor: &KeyFile) -> Result<(), String> {
        let signed = Organisation::new(sponsor.did(), sponsor.key().clone(), LEDGER).sign(request.onboard());
        signed.map(|_| ()).map_err(|error| error.reason().to_owned())
    }

    #[test]
    fn a_request_becomes_a_statement_of_good_form() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("request.json");
        let sponsor = KeyFile::generate(None).unwrap();
        let request = request(&sponsor);
        fs::write(&path, request.to_json()).unwrap();
        let read = OnboardRequest::read(&path, &LEDGER).unwrap();
        assert_eq!(read, request);
        assert_eq!(form(&read, &sponsor), Ok(()));
        read.check_sponsor(sponsor.did()).unwrap();
        let other = OnboardRequest::read(&path, &LedgerId([9; 32])).unwrap_err();
        assert_eq!(other.reason, "REQUEST_OTHER_LEDGER");
    }

    #[test]
    fn a_request_with_another_key_or_sponsor_proves_nothing() {
        let [sponsor, other] = [(); 2].map(|()| KeyFile::generate(None).unwrap());
        let proves_nothing = Err("POSSESSION_PROOF".to_owned());
        let mut changed = request(&sponsor);
        changed.sponsor_accreditation = AccreditationId([6; 32]);
        assert_eq!(form(&changed, &sponsor), proves_nothing);
        let mut changed = request(&sponsor);
        changed.key = KeyFile::generate(None).unwrap().key().public().bytes();
        assert_eq!(form(&changed, &sponsor), proves_nothing);
        let taken = request(&sponsor);
        assert_eq!(form(&taken, &other), proves_nothing);
        assert_eq!(taken.check_sponsor(other.did()).unwrap_err().reason, "REQUEST_OTHER_SPONSOR");
    }
}
