//! Files that are no receipt of this version.

use super::Forger;
use crate::cases::Case;
use crate::scenario::Scenario;

pub(super) fn files(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "clear", "4.7");
    let text = f.honest().to_json();
    let mut malformed = |name, about, receipt: String| {
        assert_ne!(receipt, text, "{name}");
        f.text(name, about, "RECEIPT_MALFORMED", receipt);
    };
    let salt =
        text.split("\"salt\": \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a salt").to_owned();
    malformed("cut-off", "the file ends early", text[..text.len() / 2].to_owned());
    malformed("other-version", "a later version of the format", text.replace("receipt/v1", "receipt/v2"));
    malformed(
        "unknown-member",
        "a member that the format does not have",
        text.replacen('{', "{\n  \"note\": \"\",", 1),
    );
    malformed("doubled-member", "a member is there twice", text.replacen('{', "{\n  \"chain\": [],", 1));
    malformed("array-for-object", "an object written as an array of its values", {
        let start = text.find("\"opening\": {").expect("an opening");
        let end = start + text[start..].find('}').expect("its end");
        let array = format!("\"opening\": [\"sha2-256\", \"jcs\", \"{salt}\"]");
        format!("{}{array}{}", &text[..start], &text[end + 1..])
    });
    malformed(
        "null-for-absent",
        "null where a member is absent",
        text.replacen('{', "{\n  \"as_of\": null,", 1),
    );
    malformed("short-salt", "a salt of 30 bytes", text.replace(&salt, &salt[..40]));
    malformed(
        "salt-without-padding",
        "base64 without its padding",
        text.replace(&salt, salt.trim_end_matches('=')),
    );
    malformed(
        "number-as-text",
        "an index written as a text",
        text.replacen("\"index\": 1,", "\"index\": \"1\",", 1),
    );
    malformed("negative-index", "an index below zero", text.replacen("\"index\": 1,", "\"index\": -1,", 1));
    malformed(
        "index-of-65-bits",
        "an index of 2^64",
        text.replacen("\"index\": 1,", "\"index\": 18446744073709551616,", 1),
    );
    malformed("trailing-text", "something follows the object", format!("{text}{{}}"));
    malformed(
        "index-with-zero",
        "the tlog-proof writes its index with a leading zero",
        text.replace("\\nindex ", "\\nindex 0"),
    );
    f.cases
}
