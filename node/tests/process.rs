//! Goal: a node as a process of its own says when it listens, and ends when it is told to.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use kvitto_node::genesis_file::Timeouts;
use kvitto_node::run_command::READY;
use kvitto_node::sandbox::{Ports, Sandbox};

/// A read of standard input that was under way once kept the process until its parent, too, ended.
#[test]
fn a_member_ends_at_a_signal_although_its_input_stays_open() {
    let folder = tempfile::tempdir().unwrap();
    let free = Ports { peers: 0, api: 0, operator: 0 };
    let sandbox = Sandbox::make(&folder.path().join("ledger"), &[free], Timeouts::default()).unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_kvitto-node"))
        .args(["run", "--until-stdin-ends", "--config"])
        .arg(sandbox.config(0))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = process.stdin.take();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with(READY), "{line}");

    let told = Command::new("sh").arg("-c").arg(format!("kill {}", process.id())).status().unwrap();
    assert!(told.success());
    assert!(process.wait().unwrap().success());
    drop(input);
}
