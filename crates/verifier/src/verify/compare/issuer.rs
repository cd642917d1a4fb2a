//! Whether the credential names the anchoring organisation as its issuer: by DID, or by its number in a register.
//!
//! The same number stands for different organisations in different countries' registers, so a number counts only with its country.

use kvitto_ledger::Did;
use kvitto_ledger::credential::{Facts, IssuerIdentifier};
use kvitto_ledger::record::IdentifierRecord;

use super::country::alpha_2;
use super::{Outcome, cannot_tell, differs, same, shown};
use crate::verdict::{ComparisonResult, Concern};

/// By DID and by registered number; one that contradicts outweighs all that agree.
pub(super) fn issuer(facts: &Facts, organisation: &IdentifierRecord) -> Outcome {
    let named = &facts.issuer;
    let is_another = |id: &&String| id.parse::<Did>().is_ok_and(|did| did != organisation.did);
    if let Some(other) = named.ids.iter().find(is_another) {
        return differs(Concern::IssuerDiffers, format!("the credential names {}", shown(other)));
    }
    let that = |result| named.identifiers.iter().find(move |number| compare(number, organisation) == result);
    if let Some(other) = that(ComparisonResult::Differs) {
        let detail = format!("the credential names {} {}", shown(&other.scheme), shown(&other.value));
        return differs(Concern::IssuerDiffers, detail);
    }
    let named_as = match named.names.first() {
        Some(name) => format!(", called {} in the credential", shown(&name.text)),
        None => String::new(),
    };
    if named.ids.contains(&organisation.did.to_string()) {
        return same(format!("by DID{named_as}"));
    }
    if that(ComparisonResult::Same).is_some() {
        let registered = &organisation.legal_identifier;
        return same(format!("by {} {}{named_as}", registered.scheme, registered.value));
    }
    let detail = match (named.ids.first(), named.names.first()) {
        (_, Some(name)) => {
            format!("the credential names {}, without an identifier in common", shown(&name.text))
        }
        (Some(id), None) => format!("the credential names {}, without an identifier in common", shown(id)),
        (None, None) => "the credential names no issuer".to_owned(),
    };
    cannot_tell(Some(Concern::IssuerUnclear), detail)
}

/// Compares a number that the credential names with the organisation's own, where both are in one register.
fn compare(named: &IssuerIdentifier, organisation: &IdentifierRecord) -> ComparisonResult {
    let own = &organisation.legal_identifier;
    let (number, own_number) = (significant(&named.value), significant(&own.value));
    let register = Register::of(&own.scheme).filter(|own| Register::of(&named.scheme).as_ref() == Some(own));
    let Some(register) = register.filter(|_| !number.is_empty() && !own_number.is_empty()) else {
        return ComparisonResult::CannotTell;
    };
    let of_one_country = match (register.names_country(&number), register.names_country(&own_number)) {
        (true, true) => true,
        (false, false) => {
            let country = named.country.as_deref().and_then(alpha_2);
            country.is_some() && country == alpha_2(&organisation.country)
        }
        // One writes its country in front and the other does not.
        _ => false,
    };
    match of_one_country {
        false => ComparisonResult::CannotTell,
        true if number == own_number => ComparisonResult::Same,
        true => ComparisonResult::Differs,
    }
}

/// A kind of register, whatever a data model calls it.
#[derive(Debug, PartialEq, Eq)]
enum Register {
    /// eIDAS legal person identifiers.
    Eidas,
    /// Value added tax numbers.
    Vat,
    /// Tax reference numbers.
    Tax,
    /// National business registers.
    Business,
    /// Legal entity identifiers (ISO 17442): one register for the world.
    Lei,
    /// Any other, by the letters and digits of its name in lower case.
    Other(String),
}

impl Register {
    /// `None` for a name without letters and digits, or beyond ASCII: no organisation's scheme is written so.
    fn of(scheme: &str) -> Option<Self> {
        let name: String = scheme.chars().filter(char::is_ascii_alphanumeric).collect();
        if name.is_empty() || !scheme.is_ascii() {
            return None;
        }
        let name = name.to_ascii_lowercase();
        Some(match name.as_str() {
            "eidas"
            | "eidasidentifier"
            | "eidaslegalidentifier"
            | "eidaslegalpersonidentifier"
            | "legalpersonidentifier" => Self::Eidas,
            "vat" | "vatid" | "vatnumber" | "vatidentifier" | "vatregistration" => Self::Vat,
            "tax" | "taxid" | "taxidentifier" | "taxreference" => Self::Tax,
            "registration" | "registrationnumber" | "businessregistration" | "businesscodes" => {
                Self::Business
            }
            "lei" | "leicode" => Self::Lei,
            _ => Self::Other(name),
        })
    }

    /// Whether the number alone says in which country it counts.
    fn names_country(&self, number: &str) -> bool {
        match self {
            Self::Eidas | Self::Vat => number.bytes().take(2).filter(u8::is_ascii_alphabetic).count() == 2,
            Self::Lei => true,
            Self::Tax | Self::Business | Self::Other(_) => false,
        }
    }
}

/// A number without spaces and dashes, in lower case.
fn significant(number: &str) -> String {
    number.chars().filter(|c| !matches!(c, ' ' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use kvitto_ledger::credential::{Issuer, Moment, Text, Validity};
    use kvitto_ledger::record::IdentifierEvent;
    use kvitto_ledger::statement::body::LegalIdentifier;

    use super::*;
    use ComparisonResult::{CannotTell, Differs, Same};

    const OWN: Did = Did::new([1; 16]);

    fn organisation(scheme: &str, value: &str) -> IdentifierRecord {
        IdentifierRecord {
            event: IdentifierEvent::Onboarded,
            did: OWN,
            legal_name: "Testskolan AB".into(),
            legal_identifier: LegalIdentifier { scheme: scheme.into(), value: value.into() },
            country: "SE".into(),
            sponsor: Did::new([2; 16]),
            sponsor_accreditation: Default::default(),
            methods: Vec::new(),
            services: Vec::new(),
            deactivated: false,
        }
    }

    /// Numbers as (scheme, value, country, which may be empty); the organisation's own as (scheme, value), in Sweden.
    fn check(ids: &[&str], numbers: &[(&str, &str, &str)], own: (&str, &str), expected: ComparisonResult) {
        let number = |(scheme, value, country): &(&str, &str, &str)| IssuerIdentifier {
            scheme: (*scheme).into(),
            value: (*value).into(),
            country: Some((*country).to_owned()).filter(|country| !country.is_empty()),
        };
        let facts = Facts {
            types: Vec::new(),
            issuer: Issuer {
                ids: ids.iter().map(|id| (*id).to_owned()).collect(),
                identifiers: numbers.iter().map(number).collect(),
                names: vec![Text { language: None, text: "Testskolan AB".into() }],
            },
            validity: Validity { from: Moment::Unstated, until: Moment::Unstated },
            status_entries: Vec::new(),
            titles: Vec::new(),
        };
        let found = issuer(&facts, &organisation(own.0, own.1)).comparison.result;
        assert_eq!(found, expected, "{ids:?} {numbers:?} {own:?}");
    }

    #[test]
    fn the_issuer_is_compared_by_did_and_registered_number_and_never_by_name() {
        let (own, other) = (OWN.to_string(), Did::new([9; 16]).to_string());
        let (own, other) = (own.as_str(), other.as_str());
        let vat = ("VATRegistration", "SE556000000001");
        check(&[own], &[], vat, Same);
        check(&["https://school.example"], &[("vatIdentifier", "SE 5560-0000 0001", "")], vat, Same);
        check(&[own], &[("taxIdentifier", "1", "")], vat, Same);
        check(&[], &[("VAT", "se556000000001", ""), ("registration", "7", "SWE")], vat, Same);
        check(&[other], &[("vatIdentifier", "SE556000000001", "")], vat, Differs);
        check(&[own, other], &[], vat, Differs);
        check(&[own], &[("vatIdentifier", "SE1", "")], vat, Differs);
        check(&[], &[("vatIdentifier", "SE1", "")], vat, Differs);
        check(&["did:web:school.example"], &[], vat, CannotTell);
        check(&[], &[("registration", "SE556000000001", "SWE")], vat, CannotTell);
        check(&[], &[], vat, CannotTell);
    }

    #[test]
    fn a_number_that_differs_outweighs_one_that_agrees() {
        let vat = ("VATRegistration", "SE556000000001");
        let (agrees, differs) = (("vatIdentifier", "SE556000000001", ""), ("vatIdentifier", "SE2", ""));
        check(&[], &[agrees, differs], vat, Differs);
        check(&[], &[differs, agrees], vat, Differs);
        check(&[&OWN.to_string()], &[agrees, differs], vat, Differs);
        check(&[], &[agrees, agrees], vat, Same);
        let number = ("registration", "556000-0001");
        check(&[], &[("registration", "5560000001", "SWE"), ("registration", "1", "SWE")], number, Differs);
        // Another country's register says nothing against it.
        check(&[], &[("registration", "5560000001", "SWE"), ("registration", "1", "FIN")], number, Same);
    }

    #[test]
    fn a_number_counts_with_its_country_only() {
        for (scheme, own) in [("registration", "12345"), ("taxReference", "12345"), ("Skolkod", "12345")] {
            for (value, country, expected) in [
                ("12345", "SWE", Same),
                ("12345", "SE", Same),
                ("12345", "swe", Same),
                ("12345", "FIN", CannotTell),
                ("12345", "", CannotTell),
                ("12345", "EUR", CannotTell),
                ("54321", "SWE", Differs),
                ("54321", "FIN", CannotTell),
                ("54321", "", CannotTell),
            ] {
                check(&[], &[(scheme, value, country)], (scheme, own), expected);
            }
        }
        // These carry their country, or count in all; what is written beside them is not looked at.
        check(&[], &[("vatIdentifier", "SE1", "FIN")], ("VATRegistration", "SE1"), Same);
        check(&[], &[("eIDASIdentifier", "SE/FI/1", "")], ("eIDASLegalIdentifier", "SE/FI/1"), Same);
        check(&[], &[("LEI", "5493001KJTIIGC8Y1R12", "")], ("lei", "5493001KJTIIGC8Y1R12"), Same);
        // A VAT number without its country in front is a national one; the two ways of writing are not guessed to be one.
        check(&[], &[("vatIdentifier", "1", "SWE")], ("VATRegistration", "1"), Same);
        check(&[], &[("vatIdentifier", "1", "FIN")], ("VATRegistration", "1"), CannotTell);
        check(&[], &[("vatIdentifier", "1", "SWE")], ("VATRegistration", "SE1"), CannotTell);
    }

    #[test]
    fn what_is_no_number_of_a_register_agrees_with_nothing() {
        check(&[], &[("vatIdentifier", "-", "SWE")], ("VATRegistration", "-"), CannotTell);
        check(&[], &[("-", "1", "SWE")], ("-", "1"), CannotTell);
        check(&[], &[("Skölkod", "1", "SWE")], ("Sklkod", "1"), CannotTell);
        // The Kelvin sign is no K.
        check(&[], &[("registration", "\u{212a}1", "SWE")], ("registration", "K1"), Differs);
    }
}
