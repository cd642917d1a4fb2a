//! What a verdict must say in the demo: the binding is shown, the status is the expected one, and whatever else keeps it from
//! "in order" is about a credential that this demo's school did not make.

use anyhow::{Result, bail, ensure};
use serde_json::Value;

/// Concerns about what a credential says of itself, in words.
const ABOUT_ITSELF: &[(&str, &str)] = &[
    ("ISSUER_DIFFERS", "it names another issuer than the school of this demo"),
    (
        "ISSUER_UNCLEAR",
        "it does not name its issuer in a way that can be compared with the school of this demo",
    ),
    ("TYPE_UNCLEAR", "it does not name its type in a way that can be compared"),
    ("OUTSIDE_OWN_VALIDITY", "by its own dates it has not begun, or has ended"),
    ("VALIDITY_UNCLEAR", "its own dates cannot be read"),
    ("STATUS_ENTRY_DIFFERS", "it points at another place for its status"),
    ("STATUS_ELSEWHERE", "it points at a status list that is not on this ledger"),
];

/// Checks what `kvitto verify --json` answers: `status` is the one concern about the credential's status that there must be.
/// Gives, in words, why a stranger's credential is not called in order besides.
///
/// # Errors
/// When the receipt is refused, the status is another one, or something else is wrong.
pub(super) fn check(answer: &Value, status: Option<&str>, is_own: bool) -> Result<Vec<&'static str>> {
    let Some(verdict) = answer.get("verdict") else { bail!("the receipt is refused: {}", answer["refusal"]) };
    let concerns: Vec<&str> =
        verdict["concerns"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    ensure!(
        status.is_none_or(|status| concerns.contains(&status)),
        "the verdict does not say {}",
        status.unwrap_or_default()
    );
    let mut reasons = Vec::new();
    for concern in concerns.into_iter().filter(|concern| Some(*concern) != status) {
        let known = ABOUT_ITSELF.iter().find(|(name, _)| *name == concern && is_own);
        let Some((_, words)) = known else { bail!("the verdict says {concern}") };
        reasons.push(*words);
    }
    Ok(reasons)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_strangers_credential_need_not_be_in_order_but_its_status_must_be_right() {
        for (concerns, status, is_own, expected) in [
            (json!([]), None, false, Ok(0)),
            (json!(["REVOKED"]), Some("REVOKED"), false, Ok(0)),
            (json!(["REVOKED", "ISSUER_DIFFERS"]), Some("REVOKED"), true, Ok(1)),
            (json!(["ISSUER_UNCLEAR", "STATUS_ELSEWHERE"]), None, true, Ok(2)),
            (json!(["ISSUER_DIFFERS"]), None, false, Err("the verdict says ISSUER_DIFFERS")),
            (json!(["REVOKED"]), None, true, Err("the verdict says REVOKED")),
            (json!(["NO_OPENING"]), None, true, Err("the verdict says NO_OPENING")),
            (json!(["ISSUER_DIFFERS"]), Some("REVOKED"), true, Err("the verdict does not say REVOKED")),
        ] {
            let answer = json!({ "verdict": { "concerns": concerns } });
            let found = check(&answer, status, is_own).map(|reasons| reasons.len());
            assert_eq!(found.map_err(|error| error.to_string()), expected.map_err(str::to_owned), "{answer}");
        }
        let refused = json!({ "refusal": "COMMITMENT_DIFFERS" });
        assert!(check(&refused, None, true).is_err());
    }
}
