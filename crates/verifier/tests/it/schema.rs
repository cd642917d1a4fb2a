//! The JSON Schema of receipts agrees with the reader, on every vector and on small changes of one.
//!
//! A validator for the few keywords that the schema uses stands here instead of a dependency; `RECEIPT.md` says which they are.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cases::{forged, honest};
use crate::scenario::{LAST, Scenario};
use kvitto_verifier::Receipt;

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("receipt.schema.json");
    serde_json::from_slice(&std::fs::read(path).expect("the schema")).expect("JSON")
}

const KEYWORDS: [&str; 19] = [
    "$schema",
    "$id",
    "$defs",
    "$ref",
    "title",
    "description",
    "type",
    "const",
    "enum",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minimum",
    "contentEncoding",
    "minLength",
    "maxLength",
];

/// What is wrong with `value`, or nothing.
fn fault(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let object = schema.as_object().expect("a schema is an object");
    let wrong = |what: &str| Some(format!("{at}: {what}"));
    if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(reference.trim_start_matches('#')).expect("a definition");
        return fault(root, target, value, at);
    }
    if object.get("const").is_some_and(|constant| constant != value) {
        return wrong("not the constant");
    }
    if object.get("enum").and_then(Value::as_array).is_some_and(|list| !list.contains(value)) {
        return wrong("not in the list");
    }
    let is_type = match object.get("type").and_then(Value::as_str) {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some(other) => panic!("type {other}"),
        None => true,
    };
    if !is_type {
        return wrong("another type");
    }
    match value {
        Value::Object(members) => fault_of_object(root, object, members, at),
        Value::Array(items) => {
            let bound = |name: &str| object.get(name).and_then(Value::as_u64);
            let count = items.len() as u64;
            if bound("minItems").is_some_and(|min| count < min)
                || bound("maxItems").is_some_and(|max| count > max)
            {
                return wrong("too few or too many items");
            }
            let schema = object.get("items").expect("items");
            items.iter().enumerate().find_map(|(i, item)| fault(root, schema, item, &format!("{at}/{i}")))
        }
        Value::String(text) => {
            let bound = |name: &str| object.get(name).and_then(Value::as_u64);
            let length = text.chars().count() as u64;
            let fits = bound("minLength").is_none_or(|min| length >= min)
                && bound("maxLength").is_none_or(|max| length <= max);
            if fits { None } else { wrong("too short or too long") }
        }
        Value::Number(_) => {
            let min = object.get("minimum").and_then(Value::as_i64).unwrap_or(i64::MIN);
            if value.as_i64().is_some_and(|number| number < min) { wrong("too small") } else { None }
        }
        _ => None,
    }
}

fn fault_of_object(
    root: &Value,
    schema: &Map<String, Value>,
    members: &Map<String, Value>,
    at: &str,
) -> Option<String> {
    let properties = schema["properties"].as_object().expect("properties");
    assert_eq!(schema["additionalProperties"], json!(false), "{at}");
    let required = schema["required"].as_array().expect("required").iter().filter_map(Value::as_str);
    for name in required {
        if !members.contains_key(name) {
            return Some(format!("{at}: {name} is missing"));
        }
    }
    members.iter().find_map(|(name, member)| match properties.get(name) {
        Some(schema) => fault(root, schema, member, &format!("{at}/{name}")),
        None => Some(format!("{at}: {name} is unknown")),
    })
}

fn assert_known_keywords(schema: &Value) {
    let Some(object) = schema.as_object() else { return };
    for (keyword, inner) in object {
        assert!(KEYWORDS.contains(&keyword.as_str()), "{keyword} is not checked here");
        match keyword.as_str() {
            "properties" | "$defs" => {
                inner.as_object().expect("an object").values().for_each(assert_known_keywords)
            }
            "items" => assert_known_keywords(inner),
            _ => {}
        }
    }
}

#[test]
fn the_schema_accepts_every_receipt_that_is_read() {
    let schema = schema();
    assert_known_keywords(&schema);
    let s = Scenario::new();
    for case in honest::cases(&s).iter().chain(&forged::cases(&s)) {
        if Receipt::from_json(case.receipt.as_bytes()).is_ok() {
            let value = serde_json::from_str(&case.receipt).expect("JSON");
            let fault = fault(&schema, &schema, &value, "");
            // The reader leaves these to the verification, which gives them a reason of their own.
            let left = ["no-chain", "long-chain", "short-chunk"].contains(&case.name);
            assert_eq!(fault.is_some(), left, "{}: {fault:?}", case.name);
        }
    }
}

#[test]
fn schema_and_reader_agree_about_members() {
    let schema = schema();
    let mut full = Scenario::new().receipt("revoked", LAST, Some(5));
    full.consistency = Some(forged::consistency(&Scenario::new(), LAST, LAST));
    let full: Value = serde_json::from_str(&full.to_json()).unwrap();
    let mut objects = Vec::new();
    objects_of(&full, "", &mut objects);
    assert!(objects.len() > 15);
    for pointer in objects {
        let names: Vec<String> =
            full.pointer(&pointer).unwrap().as_object().unwrap().keys().cloned().collect();
        for name in names.iter().map(String::as_str).chain(["unknown"]) {
            let mut changed = full.clone();
            let object = changed.pointer_mut(&pointer).unwrap().as_object_mut().unwrap();
            match object.remove(name) {
                Some(_) => {}
                None => {
                    object.insert(name.into(), json!(1));
                }
            }
            let read = Receipt::from_json(changed.to_string().as_bytes()).is_ok();
            let accepted = fault(&schema, &schema, &changed, "").is_none();
            assert_eq!(read, accepted, "{name} at {pointer:?}");
        }
    }
}

fn objects_of(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| objects_of(item, &format!("{pointer}/{i}"), found));
        }
        Value::Object(members) => {
            found.push(pointer.to_owned());
            members.iter().for_each(|(name, item)| objects_of(item, &format!("{pointer}/{name}"), found));
        }
        _ => {}
    }
}
