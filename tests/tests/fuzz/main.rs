//! Goal: the fuzz targets hold on stable, in every run of the tests, for the committed corpus and for what lies near it.
//!
//! Method: each file under `fuzz/corpus` and `fuzz/findings` goes through its target, whole, cut off, and with flipped bits. The seeds
//! among them are compared with what `seeds` makes; `KVITTO_UPDATE_VECTORS=1` writes them anew. `fuzz/README.md` says how to fuzz.

mod seeds;
#[path = "../../fuzz/src/targets/mod.rs"]
#[allow(unreachable_pub, reason = "a library in the crate that fuzzes")]
mod targets;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kvitto_node::genesis_file::GenesisFile;
use kvitto_node::init::GENESIS_FILE;
use kvitto_node::sandbox::{Ports, Sandbox};
use targets::TARGETS;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// The files of a target, by name; none where it has no folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeMap::new() };
    let read = |path: PathBuf| {
        let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        (name, fs::read(path).expect("a file"))
    };
    entries.map(|entry| read(entry.expect("readable").path())).collect()
}

/// Longest seed: a file of two slots and their copies.
const SEED_BYTES_MAX: usize = 12 * 1024;

#[test]
fn the_seeds_are_what_the_generator_makes() {
    let update = std::env::var_os("KVITTO_UPDATE_VECTORS").is_some();
    for (target, _) in TARGETS {
        let seeds = seeds::of(target);
        assert!(seeds.len() >= 8, "{target} has few seeds: {}", seeds.len());
        let corpus = folder("corpus").join(target);
        if update {
            fs::create_dir_all(&corpus).expect("writable");
            for (name, bytes) in &seeds {
                fs::write(corpus.join(name), bytes).expect("writable");
            }
        }
        for (name, bytes) in &seeds {
            assert!(bytes.len() <= SEED_BYTES_MAX, "{target}/{name} has {} bytes", bytes.len());
        }
        assert!(files(&corpus) == seeds, "the seeds of {target} are others: see the head of this file");
    }
}

/// Says which input broke a target.
struct Input<'a> {
    target: &'a str,
    file: &'a str,
    change: String,
}

impl Drop for Input<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("target {}, file {}, {}", self.target, self.file, self.change);
        }
    }
}

/// Changes of a file: at most so many cuts, and so many flipped bits, spread over it.
fn near(bytes: &[u8], changes_max: usize) -> impl Iterator<Item = (String, Vec<u8>)> {
    let cuts = (0..bytes.len()).step_by(bytes.len().div_ceil(changes_max).max(1));
    // An odd step meets every bit of a byte.
    let step = (8 * bytes.len()).div_ceil(changes_max) | 1;
    let flips = (0..8 * bytes.len()).step_by(step);
    let whole = std::iter::once(("whole".to_owned(), bytes.to_vec()));
    let cut = cuts.map(|len| (format!("cut to {len} bytes"), bytes[..len].to_vec()));
    let flipped = flips.map(|bit| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        (format!("bit {bit} flipped"), bytes)
    });
    whole.chain(cut).chain(flipped)
}

/// A running replica costs more than a decoder.
fn changes_max(target: &str) -> usize {
    if target == "replica" { 12 } else { 200 }
}

#[test]
fn every_target_holds_on_the_corpus_and_near_it() {
    let mut ran = 0;
    for (target, run) in TARGETS {
        for part in ["corpus", "findings"] {
            for (file, bytes) in files(&folder(part).join(target)) {
                for (change, bytes) in near(&bytes, changes_max(target)) {
                    let _input = Input { target, file: &file, change };
                    run(&bytes);
                    ran += 1;
                }
            }
        }
    }
    assert!(ran > 10_000, "{ran} inputs only");
}

/// A genesis file is read by the node, which is too much to build for fuzzing: here it is cut and flipped only.
#[test]
fn a_genesis_file_near_a_good_one_is_refused_or_means_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let free = Ports { peers: 0, api: 0, operator: 0 };
    let sandbox = Sandbox::make(&folder.path().join("ledger"), &[free], Default::default()).expect("made");
    let good = fs::read(sandbox.member_folder(0).join(GENESIS_FILE)).expect("a genesis");
    let read = |text: &str| {
        let file: GenesisFile = toml::from_str(text).ok()?;
        let genesis = file.genesis().ok()?;
        Some((file, genesis))
    };
    let mut taken = 0;
    for (change, bytes) in near(&good, 2_000) {
        let Some((file, genesis)) = std::str::from_utf8(&bytes).ok().and_then(read) else { continue };
        taken += 1;
        let (_, again) =
            read(&file.to_toml()).unwrap_or_else(|| panic!("{change}: it is written as it is read"));
        assert_eq!(again.ledger_id(), genesis.ledger_id(), "{change}");
    }
    // A flipped bit in an address, a comment or white space is still a genesis; in a key it is none.
    assert!((1..1_000).contains(&taken), "{taken} of about 4,000");
}
