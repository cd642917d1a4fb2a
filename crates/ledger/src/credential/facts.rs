//! What a credential says about itself, as far as a verdict compares it with the ledger: types, issuer, validity,
//! status entries, title. Read from the digested content, unchecked and unresolved: no network, no JSON-LD.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::shape::{one_or_many, strings};
use super::text::{Text, texts};
use super::validity::Validity;

/// What a credential says about itself.
///
/// Everything here is the credential's own claim; whether it is true is decided elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What it calls itself: values of `type`, ids of ELM `credentialProfiles`, an SD-JWT `vct`; each once, in the
    /// order of the file. An anchored type is compared with these, byte for byte.
    pub types: Vec<String>,
    /// Whom it names as issuer.
    pub issuer: Issuer,
    /// When it calls itself valid.
    pub validity: Validity,
    /// Places in status lists that it points at.
    pub status_entries: Vec<StatusEntry>,
    /// Its title, in the languages that it has.
    pub titles: Vec<Text>,
}

/// The issuer as the credential names it; everything may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issuer {
    /// DIDs and URLs: `issuer`, `issuer.id`, and the token claim `iss`. They may differ, and then name two issuers.
    pub ids: Vec<String>,
    /// Registered identifiers: eIDAS, registration, VAT and tax numbers of ELM, other identifiers of ELM and Open Badges.
    pub identifiers: Vec<IssuerIdentifier>,
    /// Legal and other names, per language.
    pub names: Vec<Text>,
}

/// An identifier of an issuer in some register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerIdentifier {
    /// The ELM member (`eIDASIdentifier`, `registration`, `vatIdentifier`, `taxIdentifier`), the `schemeName` of an ELM
    /// `identifier`, or the `identifierType` of Open Badges.
    pub scheme: String,
    /// The identifier as written.
    pub value: String,
    /// The last part of the URL of its country, as in the EU's country list: three letters, such as `SWE`.
    pub country: Option<String>,
}

/// A place in a status list: the credential's bit or bits there tell its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusEntry {
    /// The entry's `type`, such as `BitstringStatusListEntry`; `status_list` for an IETF Token Status List reference.
    pub entry_type: String,
    /// What the bit means (`revocation`, `suspension`), where it says so.
    pub purpose: Option<String>,
    /// The place in the list, from 0.
    pub index: u64,
    /// The URL of the list.
    pub list: String,
}

impl Facts {
    /// Nothing known: a file taken as bytes.
    pub(super) fn none() -> Facts {
        Facts::read(&Map::new(), &Map::new())
    }

    /// Reads the credential and the token claims around it; the same object where there is no token, or where its
    /// claims are the credential.
    pub(super) fn read(credential: &Map<String, Value>, claims: &Map<String, Value>) -> Facts {
        Facts {
            types: types(credential, claims),
            issuer: Issuer::read(credential, claims),
            validity: Validity::read(credential, claims),
            status_entries: status_entries(credential, claims),
            titles: titles(credential),
        }
    }
}

fn types(credential: &Map<String, Value>, claims: &Map<String, Value>) -> Vec<String> {
    let named = credential.get("type").map(strings).unwrap_or_default();
    let profiles = credential.get("credentialProfiles").map(one_or_many).unwrap_or_default();
    let profile_ids = profiles.iter().filter_map(|profile| profile.get("id").unwrap_or(profile).as_str());
    let sd_jwt_type = claims.get("vct").and_then(Value::as_str);
    each_once(named.into_iter().chain(profile_ids).chain(sd_jwt_type))
}

/// The texts in their order, without empty and repeated ones.
fn each_once<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    texts.filter(|text| !text.is_empty() && seen.insert(*text)).map(str::to_owned).collect()
}

impl Issuer {
    fn read(credential: &Map<String, Value>, claims: &Map<String, Value>) -> Issuer {
        let named = members(credential, "issuer");
        let ids = named.iter().filter_map(|issuer| issuer.get("id").unwrap_or(issuer).as_str());
        let token_id = claims.get("iss").and_then(Value::as_str);
        let mut issuer = Issuer { ids: each_once(ids.chain(token_id)), ..Issuer::default() };
        for organisation in named.iter().filter_map(Value::as_object) {
            issuer.read_organisation(organisation);
        }
        issuer
    }

    fn read_organisation(&mut self, organisation: &Map<String, Value>) {
        for scheme in ["eIDASIdentifier", "registration", "vatIdentifier", "taxIdentifier"] {
            for identifier in members(organisation, scheme) {
                self.identifiers.extend(elm_identifier(identifier, scheme));
            }
        }
        for identifier in members(organisation, "identifier") {
            let scheme = identifier.get("schemeName").and_then(Value::as_str).unwrap_or("identifier");
            self.identifiers.extend(elm_identifier(identifier, scheme));
        }
        for identifier in members(organisation, "otherIdentifier") {
            self.identifiers.extend(open_badges_identifier(identifier));
        }
        for name in ["legalName", "name", "altLabel"] {
            self.names.extend(organisation.get(name).map(texts).unwrap_or_default());
        }
    }
}

fn members<'a>(object: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    object.get(name).map(one_or_many).unwrap_or_default()
}

fn elm_identifier(identifier: &Value, scheme: &str) -> Option<IssuerIdentifier> {
    let value = identifier.get("notation").unwrap_or(identifier).as_str()?.trim();
    let country_url = identifier.get("spatial").and_then(|country| country.get("id")).and_then(Value::as_str);
    let country = country_url.and_then(|url| url.rsplit('/').next()).filter(|code| !code.is_empty());
    identified(scheme, value, country)
}

fn open_badges_identifier(identifier: &Value) -> Option<IssuerIdentifier> {
    let scheme = identifier.get("identifierType").and_then(Value::as_str).unwrap_or("identifier");
    identified(scheme, identifier.get("identifier")?.as_str()?.trim(), None)
}

fn identified(scheme: &str, value: &str, country: Option<&str>) -> Option<IssuerIdentifier> {
    let identifier = IssuerIdentifier {
        scheme: scheme.to_owned(),
        value: value.to_owned(),
        country: country.map(str::to_owned),
    };
    (!value.is_empty()).then_some(identifier)
}

/// Entries of `credentialStatus` (W3C), of `status` (seen in EDC files), and the `status_list` of a token.
fn status_entries(credential: &Map<String, Value>, claims: &Map<String, Value>) -> Vec<StatusEntry> {
    let w3c = members(credential, "credentialStatus").iter().chain(members(credential, "status"));
    let mut entries: Vec<StatusEntry> = w3c.filter_map(w3c_entry).collect();
    entries.extend(claims.get("status").and_then(|status| token_entry(status.get("status_list")?)));
    entries
}

fn w3c_entry(entry: &Value) -> Option<StatusEntry> {
    Some(StatusEntry {
        entry_type: entry
            .get("type")
            .map(strings)
            .and_then(|types| types.first().copied())
            .unwrap_or("")
            .to_owned(),
        purpose: entry.get("statusPurpose").and_then(Value::as_str).map(str::to_owned),
        index: list_index(entry.get("statusListIndex")?)?,
        list: entry.get("statusListCredential")?.as_str()?.to_owned(),
    })
}

/// A reference of the IETF Token Status List.
fn token_entry(reference: &Value) -> Option<StatusEntry> {
    Some(StatusEntry {
        entry_type: "status_list".to_owned(),
        purpose: None,
        index: reference.get("idx")?.as_u64()?,
        list: reference.get("uri")?.as_str()?.to_owned(),
    })
}

/// An index, written as a number or as decimal digits.
fn list_index(value: &Value) -> Option<u64> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match value {
        Value::String(text) if digits(text) => text.parse().ok(),
        Value::Number(number) => number.as_u64(),
        _ => None,
    }
}

/// ELM `displayParameter.title`, VCDM 2.0 and Open Badges `name`, else the achievement's or the first claim's.
fn titles(credential: &Map<String, Value>) -> Vec<Text> {
    let subject = credential.get("credentialSubject").map(one_or_many).and_then(|subjects| subjects.first());
    let first_of = |object: &Value, member: &str, name: &str| {
        one_or_many(object.get(member)?).first().and_then(|inner| inner.get(name)).cloned()
    };
    let candidates = [
        credential.get("displayParameter").and_then(|display| display.get("title")).cloned(),
        credential.get("name").cloned(),
        subject.and_then(|subject| first_of(subject, "achievement", "name")),
        subject.and_then(|subject| first_of(subject, "hasClaim", "title")),
        credential.get("title").cloned(),
    ];
    candidates.iter().flatten().map(texts).find(|titles| !titles.is_empty()).unwrap_or_default()
}
