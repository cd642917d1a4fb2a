//! House rules that lints cannot say: who may import what, and how every file begins.
//!
//! Method: the manifests and sources of the workspace are read as text and compared with the tables below. A new arrow between
//! crates, or a second home for a library, is a change of the design and of this table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use kvitto_tests::files;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

/// Packages with the folder they live in and the packages of the workspace that they may import.
const ARROWS: &[(&str, &str, &[&str])] = &[
    ("kvitto-merkle", "crates/merkle", &[]),
    ("kvitto-ledger", "crates/ledger", &["merkle"]),
    ("kvitto-verifier", "crates/verifier", &["merkle", "ledger"]),
    ("kvitto-storage", "crates/storage", &["merkle", "ledger", "verifier"]),
    ("kvitto-replica", "crates/replica", &["merkle", "ledger"]),
    ("kvitto-network", "crates/network", &[]),
    ("kvitto-proto", "proto", &["merkle", "ledger", "verifier"]),
    ("kvitto-api", "crates/api", &["merkle", "ledger", "verifier", "storage", "proto"]),
    ("kvitto-client", "crates/client", &["merkle", "ledger", "verifier", "proto"]),
    ("kvitto-cli", "crates/cli", &["merkle", "ledger", "verifier", "client"]),
    (
        "kvitto-node",
        "node",
        &["merkle", "ledger", "verifier", "storage", "replica", "network", "api", "client", "cli"],
    ),
];

/// Libraries with the only packages that may import them.
const HOMES: &[(&str, &[&str])] = &[
    ("sha2", &["kvitto-merkle"]),
    ("ed25519-dalek", &["kvitto-ledger"]),
    ("serde_cbor", &["kvitto-ledger"]),
    ("coset", &["kvitto-ledger"]),
    ("sled", &["kvitto-storage"]),
    ("lz4_flex", &["kvitto-storage"]),
    ("libp2p", &["kvitto-network"]),
    ("prost", &["kvitto-proto"]),
    ("tonic", &["kvitto-proto", "kvitto-api", "kvitto-client"]),
    ("malachitebft-core-consensus", &["kvitto-replica"]),
    ("malachitebft-core-types", &["kvitto-replica"]),
    ("malachitebft-signing", &["kvitto-replica"]),
    ("clap", &["kvitto-cli", "kvitto-node"]),
    ("tracing-subscriber", &["kvitto-node"]),
];

/// Packages without I/O, clock and randomness, and what they must not import.
const PURE: &[&str] = &["kvitto-merkle", "kvitto-ledger", "kvitto-verifier", "kvitto-replica"];
const IMPURE_LIBRARIES: &[&str] =
    &["tokio", "getrandom", "rand", "tracing", "tonic", "libp2p", "sled", "clap"];

/// Package name to its normal (not dev, not build) dependencies.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let names = |folder: &str| {
        let path = root().join(folder).join("Cargo.toml");
        let manifest: toml::Table = fs::read_to_string(&path).expect("manifest").parse().expect("TOML");
        let table = manifest.get("dependencies").and_then(toml::Value::as_table);
        table.into_iter().flat_map(|table| table.keys().cloned()).collect()
    };
    ARROWS.iter().map(|(package, folder, _)| ((*package).to_owned(), names(folder))).collect()
}

#[test]
fn packages_import_each_other_only_along_the_arrows() {
    let dependencies = dependencies();
    for (package, _, allowed) in ARROWS {
        let allowed: BTreeSet<String> = allowed.iter().map(|short| format!("kvitto-{short}")).collect();
        let ours = dependencies[*package].iter().filter(|name| name.starts_with("kvitto-"));
        let forbidden: Vec<_> = ours.filter(|name| !allowed.contains(*name)).collect();
        assert!(forbidden.is_empty(), "{package} must not import {forbidden:?}");
    }
}

#[test]
fn every_library_with_a_home_stays_there() {
    let dependencies = dependencies();
    for (library, homes) in HOMES {
        for (package, imported) in &dependencies {
            let at_home = homes.contains(&package.as_str());
            assert!(
                at_home || !imported.contains(*library),
                "{package} must not import {library}: its home is {homes:?}"
            );
        }
        let used = homes.iter().any(|home| dependencies[*home].contains(*library));
        assert!(used, "{library} has a home in {homes:?} but is not used there");
    }
}

#[test]
fn pure_packages_import_nothing_that_acts() {
    let dependencies = dependencies();
    for package in PURE {
        for library in IMPURE_LIBRARIES {
            assert!(
                !dependencies[*package].contains(*library),
                "{package} is pure and must not import {library}"
            );
        }
    }
}

#[test]
fn every_package_of_the_workspace_is_in_the_table() {
    let manifest: toml::Table =
        fs::read_to_string(root().join("Cargo.toml")).expect("manifest").parse().expect("TOML");
    let members = manifest["workspace"]["members"].as_array().expect("members");
    let members: BTreeSet<&str> = members.iter().filter_map(toml::Value::as_str).collect();
    let listed: BTreeSet<&str> = ARROWS.iter().map(|(_, folder, _)| *folder).chain(["tests"]).collect();
    assert_eq!(members, listed);
}

/// Numbers of a version, for comparing.
fn numbers(version: &str) -> Vec<u64> {
    version
        .split('.')
        .map(|part| part.parse().unwrap_or_else(|_| panic!("{version} is no plain version")))
        .collect()
}

/// What `cargo deny` refuses, held where it is not installed.
#[test]
fn no_lock_file_has_a_version_that_is_denied() {
    let deny: toml::Table =
        fs::read_to_string(root().join("deny.toml")).expect("deny.toml").parse().expect("TOML");
    let denied: Vec<(&str, Option<&str>)> = deny["bans"]["deny"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| entry["crate"].as_str().expect("a name"))
        .map(|entry| entry.split_once(":<").map_or((entry, None), |(name, floor)| (name, Some(floor))))
        .collect();
    for floor in [("libp2p-gossipsub", Some("0.49.4")), ("h2", Some("0.4.16"))] {
        assert!(
            denied.contains(&floor),
            "deny.toml keeps the floor of {floor:?}: below it, a peer can stop a node"
        );
    }
    for lock in ["Cargo.lock", "tests/fuzz/Cargo.lock"] {
        let lock_file: toml::Table =
            fs::read_to_string(root().join(lock)).expect("a lock file").parse().expect("TOML");
        for package in lock_file["package"].as_array().expect("packages") {
            let (name, version) =
                (package["name"].as_str().expect("a name"), package["version"].as_str().expect("a version"));
            for (_, floor) in denied.iter().filter(|(denied, _)| *denied == name) {
                let above = floor.is_some_and(|floor| numbers(version) >= numbers(floor));
                assert!(above, "{lock} has {name} {version}, which deny.toml does not allow");
            }
        }
    }
}

/// Every Rust source of the workspace, generated code apart.
fn sources() -> Vec<PathBuf> {
    let folders = ["crates", "node", "proto", "tests"].map(|name| root().join(name));
    let found = files::below(folders.iter().map(PathBuf::as_path), &["gen", "target"]).expect("sources");
    let is_source = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    found.into_iter().filter(is_source).collect()
}

#[test]
fn every_file_begins_by_saying_what_it_is_for() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|path| !fs::read_to_string(path).expect("source").starts_with("//! "))
        .collect();
    assert!(silent.is_empty(), "these files must begin with a `//!` sentence: {silent:#?}");
}

#[test]
fn no_source_leaves_work_undone() {
    // Spelled apart, so that this file does not find itself.
    let marks =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")];
    for path in sources() {
        let text = fs::read_to_string(&path).expect("source");
        for mark in marks {
            assert!(!text.contains(mark), "{} holds {mark}", path.display());
        }
    }
}

#[test]
fn no_test_is_ignored_and_none_must_panic() {
    let marks = [concat!("#[ig", "nore"), concat!("#[should", "_panic")];
    for path in sources() {
        let text = fs::read_to_string(&path).expect("source");
        for mark in marks {
            assert!(!text.contains(mark), "{} holds {mark}", path.display());
        }
    }
}
