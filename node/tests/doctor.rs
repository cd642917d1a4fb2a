//! `kvitto-node doctor` beside a running node, after it was killed, and where there is none.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use kvitto_node::genesis_file::Timeouts;
use kvitto_node::run_command::READY;
use kvitto_node::sandbox::{Ports, Sandbox};
use serde_json::Value;

/// Exit code and answer.
fn doctor(config: &std::path::Path) -> (Option<i32>, Value) {
    let doctor = Command::new(env!("CARGO_BIN_EXE_kvitto-node"))
        .args(["doctor", "--json", "--config"])
        .arg(config)
        .output()
        .expect("runs");
    let printed = String::from_utf8_lossy(&doctor.stdout).into_owned();
    let answer = serde_json::from_str(&printed);
    (doctor.status.code(), answer.unwrap_or_else(|error| panic!("{error}: {printed} {doctor:?}")))
}

fn finding<'a>(answer: &'a Value, check: &str) -> Option<&'a Value> {
    answer["findings"].as_array()?.iter().find(|finding| finding["check"] == check)
}

#[test]
fn a_running_and_a_stopped_node_say_how_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let free = Ports { peers: 0, api: 0, operator: 0 };
    let sandbox =
        Sandbox::make(&folder.path().join("ledger"), &[free, free], Timeouts::default()).expect("made");
    let config = sandbox.config(0);

    let (code, answer) = doctor(&config);
    assert_eq!((code, &answer["running"]), (Some(3), &Value::Bool(false)), "{answer}");
    assert_eq!(answer["findings"][0]["check"], "node");

    let mut node = Command::new(env!("CARGO_BIN_EXE_kvitto-node"))
        .args(["run", "--until-stdin-ends", "--config"])
        .arg(&config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(node.stdout.take().expect("piped")).lines();
    let line = lines.next().expect("a line").expect("text");
    assert!(line.starts_with(READY), "{line}");
    // The doctor asks at the address in the configuration.
    let operator = line.split("operator at http://").nth(1).and_then(|rest| rest.split(',').next());
    let operator: SocketAddr = operator.and_then(|address| address.parse().ok()).expect("an address");
    let operator = operator.port();
    sandbox.set_ports(&[Ports { operator, ..free }, free]).expect("written");
    let (code, answer) = doctor(&config);
    assert_eq!((code, &answer["running"]), (Some(4), &Value::Bool(true)), "{answer}");
    let quorum = finding(&answer, "peers.quorum").expect("one of two members runs");
    assert!(quorum["message"].as_str().is_some_and(|text| text.contains("1 of 2 members")), "{quorum}");
    assert!(finding(&answer, "progress").is_some(), "{answer}");
    node.kill().expect("runs");
    node.wait().expect("ends");

    let (code, answer) = doctor(&config);
    assert_eq!((code, &answer["running"]), (Some(3), &Value::Bool(false)), "{answer}");
    for check in ["config", "genesis", "keys", "guard", "store.head", "disk"] {
        assert!(finding(&answer, check).is_some(), "{check}: {answer}");
    }
    let (code, answer) = doctor(&folder.path().join("no.toml"));
    assert_eq!((code, &answer["findings"][0]["check"]), (Some(4), &Value::from("config")), "{answer}");
}
