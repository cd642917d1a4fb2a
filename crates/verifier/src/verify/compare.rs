//! RULES 8.6: four comparisons between what the credential says and what the ledger says.
//!
//! Anyone who is accredited can anchor a stranger's credential under his own name, so an issuer that cannot be compared keeps
//! the verdict from being green. Names are shown and never decide: they are translated, and two organisations can share one.

use kvitto_ledger::credential::{Facts, IssuerIdentifier, Moment, StatusEntry, Timing};
use kvitto_ledger::record::{AnchoredRecord, IdentifierRecord};
use kvitto_ledger::{Did, Position};

use super::Question;
use super::anchored::Opened;
use crate::verdict::{Comparison, ComparisonResult, Comparisons, Concern, iso_8601};

/// The comparisons with the concerns that follow from them.
pub(super) struct Compared {
    pub(super) comparisons: Comparisons,
    pub(super) concerns: Vec<Concern>,
}

/// One comparison and what it means for the overall word.
struct Outcome {
    comparison: Comparison,
    concern: Option<Concern>,
}

pub(super) fn check(
    opened: &Opened,
    anchored: &AnchoredRecord,
    organisation: &IdentifierRecord,
    question: &Question,
) -> Compared {
    let Opened::Shown(credential) = opened else { return nothing_to_compare(opened) };
    let facts = credential.facts();
    let issuer = issuer(facts, organisation);
    let credential_type = credential_type(facts, &anchored.credential_type);
    let validity = validity(facts, question.as_of_s.unwrap_or(question.at_s));
    let status_entry = status_entry(&facts.status_entries, anchored.position, &question.status_lists);
    let concerns = [&issuer, &credential_type, &validity, &status_entry];
    Compared {
        concerns: concerns.into_iter().filter_map(|outcome| outcome.concern).collect(),
        comparisons: Comparisons {
            issuer: issuer.comparison,
            credential_type: credential_type.comparison,
            validity: validity.comparison,
            status_entry: status_entry.comparison,
        },
    }
}

fn nothing_to_compare(opened: &Opened) -> Compared {
    let (concern, detail) = match opened {
        Opened::NoOpening => (Concern::NoOpening, "the receipt has no opening that ties a credential to it"),
        Opened::NoCredential | Opened::Shown(_) => (Concern::NoCredential, "no credential was given"),
    };
    let comparison = || Comparison { result: ComparisonResult::CannotTell, detail: detail.to_owned() };
    Compared {
        concerns: vec![concern],
        comparisons: Comparisons {
            issuer: comparison(),
            credential_type: comparison(),
            validity: comparison(),
            status_entry: comparison(),
        },
    }
}

fn same(detail: String) -> Outcome {
    Outcome { comparison: Comparison { result: ComparisonResult::Same, detail }, concern: None }
}

fn differs(concern: Concern, detail: String) -> Outcome {
    Outcome { comparison: Comparison { result: ComparisonResult::Differs, detail }, concern: Some(concern) }
}

fn cannot_tell(concern: Option<Concern>, detail: String) -> Outcome {
    Outcome { comparison: Comparison { result: ComparisonResult::CannotTell, detail }, concern }
}

/// By DID and by registered identifier; one that contradicts outweighs one that agrees.
fn issuer(facts: &Facts, organisation: &IdentifierRecord) -> Outcome {
    let named = &facts.issuer;
    let own_did = organisation.did.to_string();
    if let Some(other) =
        named.ids.iter().find(|id| id.parse::<Did>().is_ok_and(|did| did != organisation.did))
    {
        return differs(Concern::IssuerDiffers, format!("the credential names {}", shown(other)));
    }
    let registered = &organisation.legal_identifier;
    let scheme = SchemeFamily::of(&registered.scheme);
    let comparable: Vec<&IssuerIdentifier> = named
        .identifiers
        .iter()
        .filter(|identifier| SchemeFamily::of(&identifier.scheme) == scheme)
        .collect();
    let agrees = comparable.iter().any(|identifier| same_number(&identifier.value, &registered.value));
    if let (Some(first), false) = (comparable.first(), agrees) {
        let detail = format!("the credential names {} {}", shown(&first.scheme), shown(&first.value));
        return differs(Concern::IssuerDiffers, detail);
    }
    let named_as = match named.names.first() {
        Some(name) => format!(", called {} in the credential", shown(&name.text)),
        None => String::new(),
    };
    if named.ids.contains(&own_did) {
        return same(format!("by DID{named_as}"));
    }
    if agrees {
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

/// Registers whose numbers can be compared, whatever a data model calls them.
#[derive(Debug, PartialEq, Eq)]
enum SchemeFamily {
    /// eIDAS legal person identifier.
    Eidas,
    /// Value added tax number.
    Vat,
    /// Tax reference number.
    Tax,
    /// Number in a national business register.
    Registration,
    /// Any other, by its letters and digits in lower case.
    Other(String),
}

impl SchemeFamily {
    fn of(scheme: &str) -> Self {
        let name: String = scheme.chars().filter(char::is_ascii_alphanumeric).collect();
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "eidas"
            | "eidasidentifier"
            | "eidaslegalidentifier"
            | "eidaslegalpersonidentifier"
            | "legalpersonidentifier" => Self::Eidas,
            "vat" | "vatid" | "vatnumber" | "vatidentifier" | "vatregistration" => Self::Vat,
            "tax" | "taxid" | "taxidentifier" | "taxreference" => Self::Tax,
            "registration" | "registrationnumber" | "businessregistration" | "businesscodes" => {
                Self::Registration
            }
            _ => Self::Other(name),
        }
    }
}

/// Whether two numbers are the same but for spaces, dashes and case.
fn same_number(one: &str, other: &str) -> bool {
    let significant = |text: &str| -> String {
        text.chars().filter(|c| !matches!(c, ' ' | '-')).flat_map(char::to_lowercase).collect()
    };
    significant(one) == significant(other)
}

fn credential_type(facts: &Facts, anchored: &str) -> Outcome {
    if facts.types.iter().any(|named| named == anchored) {
        return same(anchored.to_owned());
    }
    match facts.types.as_slice() {
        [] => cannot_tell(Some(Concern::TypeUnclear), "the credential names no type".to_owned()),
        [first, more @ ..] => {
            let others = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            differs(Concern::TypeDiffers, format!("the credential calls itself {}{others}", shown(first)))
        }
    }
}

fn validity(facts: &Facts, at_s: u64) -> Outcome {
    let own = &facts.validity;
    let at = i64::try_from(at_s).unwrap_or(i64::MAX);
    let timing = own.at(at);
    match (timing, &own.from, &own.until) {
        (Timing::Within, ..) => same(format!("by its own dates it applies on {}", iso_8601(at_s))),
        (Timing::Before, from, _) => {
            differs(Concern::OutsideOwnValidity, format!("by its own dates it begins on {}", moment(from)))
        }
        (Timing::After, _, until) => {
            differs(Concern::OutsideOwnValidity, format!("by its own dates it ended on {}", moment(until)))
        }
        // Without dates there is nothing that could be over.
        (Timing::CannotTell, Moment::Unstated, Moment::Unstated) => {
            cannot_tell(None, "the credential states no dates".to_owned())
        }
        (Timing::CannotTell, ..) => {
            cannot_tell(Some(Concern::ValidityUnclear), "the credential's dates cannot be read".to_owned())
        }
    }
}

fn moment(moment: &Moment) -> String {
    match moment {
        Moment::At(seconds) => {
            u64::try_from(*seconds).map_or_else(|_| "a day before 1970".to_owned(), iso_8601)
        }
        Moment::Unstated | Moment::Unreadable(_) => "an unknown day".to_owned(),
    }
}

/// An index in a list of this ledger must be the position; a list that is not known to be this ledger's was not looked at.
fn status_entry(entries: &[StatusEntry], position: Position, lists: &[String]) -> Outcome {
    let ours = |entry: &&StatusEntry| lists.iter().any(|prefix| entry.list.starts_with(prefix.as_str()));
    if let Some(other) = entries.iter().filter(ours).find(|entry| entry.index != position.0) {
        let detail = format!("the credential points at position {}, not {position}", other.index);
        return differs(Concern::StatusEntryDiffers, detail);
    }
    let elsewhere = entries.iter().find(|entry| match lists {
        [] => entry.index != position.0,
        _ => !ours(entry),
    });
    match (entries.first(), elsewhere) {
        (None, _) => cannot_tell(None, "the credential points at no status list".to_owned()),
        (Some(_), None) => same(format!("position {position}")),
        (Some(_), Some(entry)) => {
            let detail = format!("place {} of {} was not looked at", entry.index, shown(&entry.list));
            cannot_tell(Some(Concern::StatusElsewhere), detail)
        }
    }
}

/// A text of the credential, escaped and shortened: it may come from anybody.
fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 120;
    let mut kept: String = text.chars().take(CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        kept.push('…');
    }
    format!("\"{kept}\"")
}

#[cfg(test)]
mod tests {
    use kvitto_ledger::credential::{Issuer, Text, Validity};
    use kvitto_ledger::record::IdentifierEvent;
    use kvitto_ledger::statement::body::LegalIdentifier;

    use super::*;

    const OWN: Did = Did::new([1; 16]);

    fn organisation() -> IdentifierRecord {
        IdentifierRecord {
            event: IdentifierEvent::Onboarded,
            did: OWN,
            legal_name: "Testskolan AB".into(),
            legal_identifier: LegalIdentifier {
                scheme: "VATRegistration".into(),
                value: "SE556000000001".into(),
            },
            country: "SE".into(),
            sponsor: Did::new([2; 16]),
            sponsor_accreditation: Default::default(),
            methods: Vec::new(),
            services: Vec::new(),
            deactivated: false,
        }
    }

    fn facts() -> Facts {
        Facts {
            types: Vec::new(),
            issuer: Issuer::default(),
            validity: Validity { from: Moment::Unstated, until: Moment::Unstated },
            status_entries: Vec::new(),
            titles: Vec::new(),
        }
    }

    fn entry(index: u64, list: &str) -> StatusEntry {
        StatusEntry { entry_type: String::new(), purpose: None, index, list: list.into() }
    }

    #[test]
    fn the_issuer_is_compared_by_did_and_registered_number_and_never_by_name() {
        use ComparisonResult::{CannotTell, Differs, Same};
        let own = OWN.to_string();
        let other = Did::new([9; 16]).to_string();
        for (ids, numbers, expected) in [
            (vec![own.as_str()], vec![], Same),
            (vec!["https://school.example"], vec![("vatIdentifier", "SE 5560-0000 0001")], Same),
            (vec![own.as_str()], vec![("taxIdentifier", "1")], Same),
            (vec![], vec![("VAT", "se556000000001"), ("registration", "7")], Same),
            (vec![other.as_str()], vec![("vatIdentifier", "SE556000000001")], Differs),
            (vec![own.as_str(), other.as_str()], vec![], Differs),
            (vec![own.as_str()], vec![("vatIdentifier", "SE1")], Differs),
            (vec![], vec![("vatIdentifier", "SE1")], Differs),
            (vec!["did:web:school.example"], vec![], CannotTell),
            (vec![], vec![("registration", "SE556000000001")], CannotTell),
            (vec![], vec![], CannotTell),
        ] {
            let mut facts = facts();
            facts.issuer.ids = ids.iter().map(|id| (*id).to_owned()).collect();
            facts.issuer.identifiers = numbers
                .iter()
                .map(|(scheme, value)| IssuerIdentifier {
                    scheme: (*scheme).into(),
                    value: (*value).into(),
                    country: None,
                })
                .collect();
            facts.issuer.names = vec![Text { language: None, text: "Testskolan AB".into() }];
            assert_eq!(issuer(&facts, &organisation()).comparison.result, expected, "{ids:?} {numbers:?}");
        }
    }

    #[test]
    fn a_status_entry_is_compared_in_lists_of_this_ledger_only() {
        use ComparisonResult::{CannotTell, Differs, Same};
        let lists = ["https://node.example/".to_owned()];
        let here = "https://node.example/status/1";
        for (entries, lists, expected, concern) in [
            (vec![], &lists[..0], CannotTell, None),
            (vec![entry(7, here)], &lists[..0], Same, None),
            (vec![entry(7, here)], &lists[..], Same, None),
            (vec![entry(8, here)], &lists[..0], CannotTell, Some(Concern::StatusElsewhere)),
            (vec![entry(8, here)], &lists[..], Differs, Some(Concern::StatusEntryDiffers)),
            (vec![entry(7, here), entry(8, here)], &lists[..], Differs, Some(Concern::StatusEntryDiffers)),
            (
                vec![entry(7, "https://else.example/1")],
                &lists[..],
                CannotTell,
                Some(Concern::StatusElsewhere),
            ),
            (
                vec![entry(7, here), entry(7, "https://else.example/1")],
                &lists[..],
                CannotTell,
                Some(Concern::StatusElsewhere),
            ),
        ] {
            let outcome = status_entry(&entries, Position(7), lists);
            assert_eq!(
                (outcome.comparison.result, outcome.concern),
                (expected, concern),
                "{entries:?} {lists:?}"
            );
        }
    }

    #[test]
    fn foreign_texts_are_escaped_and_shortened() {
        assert_eq!(shown("a\u{202e}b\u{1b}[2J\n\""), r#""a\u{202e}b\u{1b}[2J\n\"""#);
        assert_eq!(shown(&"x".repeat(200)).chars().count(), 123);
    }
}
