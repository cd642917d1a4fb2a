//! The command line itself: its definition, its help, its documentation, and how commands without a network end.

mod support;

use clap::{Command, CommandFactory};
use kvitto_cli::{Cli, Exit};
use serde_json::json;
use support::Desk;

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_is_frozen() {
    let help = Cli::command().term_width(100).render_help().to_string();
    assert_eq!(help, include_str!("help.txt"), "if the change is meant, update tests/help.txt");
}

const COMMANDS: &str = include_str!("../COMMANDS.md");

fn paths(command: &Command, before: &str) -> Vec<String> {
    let path = format!("{before}{}", command.get_name());
    let below: Vec<&Command> = command.get_subcommands().collect();
    if below.is_empty() {
        return vec![path];
    }
    below.into_iter().flat_map(|sub| paths(sub, &format!("{path} "))).collect()
}

#[test]
fn every_command_is_documented() {
    let paths = paths(&Cli::command(), "");
    assert!(paths.len() > 20, "{paths:?}");
    for path in paths {
        let documented = [format!("| `{path} "), format!("| `{path}`")];
        assert!(documented.iter().any(|row| COMMANDS.contains(row)), "COMMANDS.md has no row for {path}");
    }
}

#[test]
fn every_exit_code_is_documented_and_distinct() {
    let rows: Vec<&str> =
        COMMANDS.lines().filter(|line| line.starts_with("| ") && line.contains(" | `")).collect();
    for (index, exit) in Exit::ALL.iter().enumerate() {
        assert_eq!(usize::from(exit.code()), index);
        let row = format!("| {} | `{}` | ", exit.code(), exit.name());
        assert!(rows.iter().any(|line| line.starts_with(&row)), "COMMANDS.md has no row {row}");
    }
}

#[test]
fn every_environment_variable_is_documented() {
    fn variables(command: &Command, found: &mut Vec<String>) {
        let named = command.get_arguments().filter_map(|argument| argument.get_env());
        found.extend(named.map(|name| name.to_string_lossy().into_owned()));
        command.get_subcommands().for_each(|sub| variables(sub, found));
    }
    let mut found = Vec::new();
    variables(&Cli::command(), &mut found);
    assert!(found.len() > 4);
    for name in found {
        assert!(COMMANDS.contains(&format!("| `{name}` |")), "COMMANDS.md does not name {name}");
    }
}

const CREDENTIAL: &str = r#"{"type":["VerifiableCredential","Course"],"issuer":"did:web:a.example","credentialSubject":{"id":"urn:x"}}"#;

#[tokio::test]
async fn commands_end_as_documented() {
    let desk = Desk::new();
    desk.write("a.json", CREDENTIAL);
    desk.write("wrapped.json", &format!(r#"{{"credential":{CREDENTIAL}}}"#));
    desk.write("broken.json", r#"{"type":["a"],"type":["b"]}"#);
    desk.write("notes.txt", "hello");
    desk.write("empty.kvitto", "{}");
    desk.write("bad.trust", "{}");
    std::fs::create_dir(desk.path("empty")).unwrap();
    assert_eq!(desk.run(&["--key", "@a.key", "key", "new"]).await.exit, Exit::Ok);
    for (words, exit, reason) in [
        (&["digest", "@a.json"][..], Exit::Ok, ""),
        (&["digest", "@wrapped.json", "--unwrap", "credential"], Exit::Ok, ""),
        (&["digest", "@notes.txt", "--target", "bytes"], Exit::Ok, ""),
        (&["digest", "@wrapped.json"], Exit::Input, "WRAPPED_CREDENTIAL"),
        (&["digest", "@broken.json"], Exit::Input, "DUPLICATE_MEMBER"),
        (&["digest", "@notes.txt"], Exit::Input, "UNKNOWN_FORMAT"),
        (&["digest", "@a.json", "--target", "payload"], Exit::Input, "TARGET_NOT_AVAILABLE"),
        (&["digest", "@missing.json"], Exit::Usage, "FILE_UNREADABLE"),
        (&["digest", "@empty"], Exit::Usage, "NO_CREDENTIALS"),
        (&["key", "show"], Exit::Usage, "KEY_FILE_NOT_NAMED"),
        (&["--key", "@missing.key", "key", "show"], Exit::Usage, "KEY_FILE_MISSING"),
        (&["--key", "@empty", "key", "show"], Exit::Usage, "KEY_FILE_MISSING"),
        (&["--key", "@a.key", "key", "show"], Exit::Ok, ""),
        (&["--key", "@a.key", "key", "new"], Exit::Usage, "KEY_FILE_EXISTS"),
        (&["verify", "@empty.kvitto"], Exit::Usage, "TRUST_FILE_NOT_NAMED"),
        (&["--trust", "@bad.trust", "trust", "show"], Exit::Input, "TRUST_FILE"),
        (&["--trust", "@missing.trust", "trust", "show"], Exit::Usage, "FILE_UNREADABLE"),
        (&["bundle", "@a.json", "@empty.kvitto", "-o", "@out"], Exit::Input, "RECEIPT_MALFORMED"),
        (&["trust", "export", "-o", "@out"], Exit::Usage, "NODE_NOT_NAMED"),
        (&["--node", "127.0.0.1:7001", "trust", "export", "-o", "@out"], Exit::Usage, "NODE_ADDRESS"),
        (&["--node", "ftp://a.example", "trust", "export", "-o", "@out"], Exit::Usage, "NODE_ADDRESS"),
        (
            &["--node", "https://a.example", "--ca", "@notes.txt", "trust", "export", "-o", "@out"],
            Exit::Input,
            "CA_FILE",
        ),
        (&["--key", "@a.key", "revoke", "@a.json"], Exit::Usage, "NODE_NOT_NAMED"),
        (
            &["--key", "@a.key", "--node", "http://127.0.0.1:1", "revoke", "@a.json"],
            Exit::Usage,
            "TRUST_FILE_NOT_NAMED",
        ),
    ] {
        let ended = desk.run(words).await;
        assert_eq!((ended.exit, ended.reason()), (exit, reason), "{words:?}: {}", ended.error);
        if exit != Exit::Ok {
            assert!(!ended.error["error"]["next"].as_str().unwrap().is_empty(), "{words:?}");
            assert_eq!(ended.error["error"]["exit"], exit.code());
        }
    }
}

#[tokio::test]
async fn the_json_of_commands_without_a_network_is_frozen() {
    let desk = Desk::new();
    desk.write("a.json", CREDENTIAL);
    let digest = desk.run(&["digest", "@a.json"]).await.output;
    let file = desk.path("a.json").display().to_string();
    assert_eq!(
        digest,
        json!({ "credentials": [{
            "file": file,
            "digest": "cb6b874fdcca8d3e84b20f3c85ee1bc8b84eb47c989ff92898703a06db3b0f84",
            "algorithm": "sha2-256",
            "target": "jcs",
            "seal": "not sealed",
            "title": null,
            "types": ["VerifiableCredential", "Course"],
            "issuers": ["did:web:a.example"],
        }] })
    );
    let key = desk.run(&["--key", "@a.key", "key", "new"]).await.output;
    support::has_members(&key, &["file", "did", "key_id", "public_key", "has_salt_key"]);
}

#[test]
fn a_command_line_that_makes_no_sense_is_one_json_object_too() {
    let mut err = Vec::new();
    let words = ["kvitto", "--json", "verify", "--no-such-option"].map(Into::into);
    assert_eq!(Cli::read(words, &mut err).unwrap_err(), Exit::Usage);
    let error: serde_json::Value = serde_json::from_slice(&err).unwrap();
    assert_eq!((&error["error"]["exit"], &error["error"]["kind"]), (&json!(2), &json!("usage")));
    assert!(error["error"]["message"].as_str().unwrap().contains("--no-such-option"), "{error}");
}

#[tokio::test]
async fn words_are_for_people() {
    let desk = Desk::new();
    desk.write("wrapped.json", &format!(r#"{{"credential":{CREDENTIAL}}}"#));
    let (exit, out, err) = desk.words(&["digest", "@wrapped.json"]).await;
    assert_eq!((exit, out.as_str()), (Exit::Input, ""));
    assert!(err.contains("what to do: run again with --unwrap credential"), "{err}");
}
