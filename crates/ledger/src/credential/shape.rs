//! What a JSON object is: a credential, a wrapper around one, a presentation, or something else.

use serde_json::{Map, Value};

use super::error::{CredentialError, shortened};
use super::seal;

/// So many member names are quoted in a message.
const NAMES_SHOWN_MAX: usize = 6;

/// Passes a credential, and says of anything else what it is.
pub(super) fn check_credential(object: &Map<String, Value>) -> Result<(), CredentialError> {
    if let Some(found) = presentation_sign(object) {
        return Err(CredentialError::Presentation { found });
    }
    if is_credential(object) {
        return Ok(());
    }
    Err(CredentialError::NotACredential { found: describe_object(object) })
}

/// Says where the credential is that a JSON object holds instead of being one.
pub(super) fn wrapper_fault(object: &Map<String, Value>) -> Option<CredentialError> {
    let quoted = |name: &str| format!("`{}`", shortened(name));
    let holders: Vec<&String> =
        object.iter().filter(|(_, value)| holds_credential(value)).map(|(name, _)| name).collect();
    match holders.as_slice() {
        [] => object.iter().find_map(|(name, value)| match value {
            Value::Array(items) if !items.is_empty() && items.iter().all(holds_credential) => {
                let found = format!("{} in the array {}", items.len(), quoted(name));
                Some(CredentialError::SeveralCredentials { found })
            }
            _ => None,
        }),
        [member] => Some(CredentialError::WrappedCredential { member: shortened(member) }),
        members => {
            let names: Vec<String> = members.iter().take(NAMES_SHOWN_MAX).map(|name| quoted(name)).collect();
            let found = format!("members {}", names.join(", "));
            Some(CredentialError::SeveralCredentials { found })
        }
    }
}

/// Whether the object has the members of a credential: `type` and `credentialSubject` (VCDM, ELM, Open Badges 3.0),
/// or `vct` (SD-JWT VC).
pub(super) fn is_credential(object: &Map<String, Value>) -> bool {
    let typed = object.get("type").is_some_and(|types| !strings(types).is_empty());
    let about_someone = match object.get("credentialSubject") {
        Some(Value::Object(subject)) => !subject.is_empty(),
        Some(Value::Array(subjects)) => !subjects.is_empty() && subjects.iter().all(Value::is_object),
        _ => false,
    };
    let sd_jwt_type = object.get("vct").and_then(Value::as_str).is_some_and(|vct| !vct.is_empty());
    (typed && about_someone) || sd_jwt_type
}

/// The value's strings: itself, or those of the array.
pub(super) fn strings(value: &Value) -> Vec<&str> {
    one_or_many(value).iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).collect()
}

/// JSON-LD writes a single value without its array.
pub(super) fn one_or_many(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        single => std::slice::from_ref(single),
    }
}

/// What kind of JSON a value is, in words and by member names only.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "`null`".to_owned(),
        Value::Bool(_) => "a truth value".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(_) => "a text".to_owned(),
        Value::Array(items) => format!("an array of {} items", items.len()),
        Value::Object(object) => describe_object(object),
    }
}

fn describe_object(object: &Map<String, Value>) -> String {
    if object.is_empty() {
        return "an empty JSON object".to_owned();
    }
    let names: Vec<String> =
        object.keys().take(NAMES_SHOWN_MAX).map(|name| format!("`{}`", shortened(name))).collect();
    let more = if object.len() > NAMES_SHOWN_MAX { " and others" } else { "" };
    format!("a JSON object with {}{more}", names.join(", "))
}

fn presentation_sign(object: &Map<String, Value>) -> Option<String> {
    let types = object.get("type").map(strings).unwrap_or_default();
    if let Some(name) = types.iter().find(|name| name.ends_with("Presentation")) {
        return Some(format!("type {}", shortened(name)));
    }
    object.get("vp").is_some_and(Value::is_object).then(|| "member `vp`".to_owned())
}

/// Whether a member's value is a credential, plain or sealed.
fn holds_credential(value: &Value) -> bool {
    match value {
        Value::Object(object) => {
            is_credential(object) || seal::open_json(object).is_some_and(|opened| opened.is_ok())
        }
        Value::String(text) => text.starts_with("ey") && seal::open_compact(text).is_ok(),
        _ => false,
    }
}
