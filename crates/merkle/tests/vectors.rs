//! The larger published sets of vectors, where their folder is beside the repository.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use kvitto_merkle::log::{ConsistencyProof, InclusionProof, root_at, verify_consistency, verify_inclusion};
use kvitto_merkle::note::{Note, VerifierKey, verify_note};
use kvitto_merkle::policy::Policy;
use kvitto_merkle::tile::{Tile, TileNodes, TilePath, TileSource, decode_bundle};
use kvitto_merkle::tlog_proof::TlogProof;
use kvitto_merkle::{Checkpoint, Frontier, Hash, leaf_hash, sha256};
use serde_json::Value;
use support::{vectors, verify};

/// A log as a folder of tiles.
struct Folder(PathBuf);

impl TileSource for &Folder {
    type Bytes = Vec<u8>;
    type Error = std::io::Error;

    fn tile(&self, tile: Tile) -> std::io::Result<Vec<u8>> {
        fs::read(self.0.join(TilePath::from(tile).to_string()))
    }
}

impl Folder {
    /// The root that the entries of the first `size` leaves have, read from bundles.
    fn root_of_entries(&self, size: u64) -> Hash {
        let mut frontier = Frontier::new();
        for tile in Tile::all(0, size) {
            let path = TilePath::Entries { index: tile.index(), width: tile.width() };
            let bytes = fs::read(self.0.join(path.to_string())).expect("a bundle");
            let entries = decode_bundle(&bytes).expect("a bundle");
            assert_eq!(entries.len(), usize::from(tile.width()));
            entries.iter().for_each(|entry| frontier.push(leaf_hash(entry)));
        }
        frontier.root()
    }
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).expect("a vector file")
}

/// All JSON files below a folder, with their paths.
fn json_files(folder: PathBuf) -> Vec<(PathBuf, Value)> {
    let (mut folders, mut files) = (vec![folder], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                let value = serde_json::from_str(&text(&path)).expect("JSON");
                files.push((path, value));
            }
        }
    }
    files
}

/// A hash of the vectors. Some are placeholders of other lengths, which our type cannot hold:
/// their hash stands for them, so that the check and not the length decides.
fn base64(value: &Value) -> Option<Hash> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str()?).ok()?;
    match <[u8; 32]>::try_from(&bytes[..]) {
        Ok(bytes) => Some(Hash(bytes)),
        Err(_) if bytes.is_empty() => None,
        Err(_) => Some(sha256(&[&bytes])),
    }
}

fn hashes(value: &Value) -> Option<Vec<Hash>> {
    match value {
        Value::Null => Some(Vec::new()),
        _ => value.as_array()?.iter().map(base64).collect(),
    }
}

fn includes(vector: &Value) -> Option<()> {
    let (index, size) = (vector["leafIdx"].as_u64()?, vector["treeSize"].as_u64()?);
    let proof = InclusionProof::new(hashes(&vector["proof"])?).ok()?;
    verify_inclusion(&base64(&vector["leafHash"])?, index, size, &proof, &base64(&vector["root"])?).ok()
}

fn is_consistent(vector: &Value) -> Option<()> {
    let (old, new) = (vector["size1"].as_u64()?, vector["size2"].as_u64()?);
    let proof = ConsistencyProof::new(hashes(&vector["proof"])?).ok()?;
    verify_consistency(old, &base64(&vector["root1"])?, new, &base64(&vector["root2"])?, &proof).ok()
}

#[test]
fn the_proofs_of_transparency_dev_are_judged_as_they_say() {
    let Some(folder) = vectors("rfc6962/transparency-dev/testdata") else { return };
    type Accepts = fn(&Value) -> Option<()>;
    let sets = [("inclusion", includes as Accepts), ("consistency", is_consistent)];
    for (set, accepts) in sets {
        let files = json_files(folder.join(set));
        assert_eq!(files.len(), 98, "{set}");
        for (path, vector) in files {
            let expected = !vector["wantErr"].as_bool().expect("wantErr");
            assert_eq!(accepts(&vector).is_some(), expected, "{}", path.display());
        }
    }
}

#[test]
fn the_log_of_tessera_is_read_at_every_checkpoint() {
    let Some(folder) = vectors("c2sp/tessera-testdata/testdata/log") else { return };
    // From build_log.sh of the same folder.
    let key: VerifierKey = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
        .parse()
        .expect("a key");
    let log = Folder(folder);
    for size in 0..=15 {
        let note: Note = text(log.0.join(format!("checkpoint.{size}"))).parse().expect("a note");
        assert_eq!(verify_note(&note, std::slice::from_ref(&key), &verify).map(|found| found.len()), Ok(1));
        let checkpoint: Checkpoint = note.text().parse().expect("a checkpoint");
        assert_eq!(checkpoint.size, size);
        assert_eq!(checkpoint.root, root_at(&TileNodes::new(&log, size), size).expect("tiles"));
        assert_eq!(checkpoint.root, log.root_of_entries(size));
    }
}

#[test]
fn the_generated_log_proof_and_policy_verify() {
    let Some(folder) = vectors("c2sp/generated") else { return };
    let policy_text = text(folder.join("policy"));
    let policy: Policy = policy_text.parse().expect("a policy");
    assert_eq!(policy.to_string(), policy_text);
    let proof_text = text(folder.join("entry271.tlog-proof"));
    let proof: TlogProof = proof_text.parse().expect("a proof");
    assert_eq!(proof.to_string(), proof_text);
    let note: Note = text(folder.join("checkpoint")).parse().expect("a note");
    assert_eq!(proof.checkpoint, note);

    let signatures = verify_note(&note, &policy.keys(), &verify).expect("signed");
    assert_eq!(signatures.len(), 5);
    let checkpoint: Checkpoint = note.text().parse().expect("a checkpoint");
    assert!(policy.is_satisfied_by(&checkpoint.origin, &signatures));

    let log = Folder(folder.clone());
    assert_eq!(checkpoint.root, log.root_of_entries(checkpoint.size));
    let nodes = TileNodes::new(&log, checkpoint.size);
    assert_eq!(checkpoint.root, root_at(&nodes, checkpoint.size).expect("tiles"));
    let path = kvitto_merkle::log::inclusion_path(&nodes, proof.index, checkpoint.size).expect("tiles");
    assert_eq!(path, proof.proof);

    let meta: Value = serde_json::from_str(&text(folder.join("meta.json"))).expect("JSON");
    let hexadecimal = |value: &Value| value.as_str().expect("text").parse::<Hash>().expect("a hash");
    let old = meta["old_size"].as_u64().expect("a size");
    let path = kvitto_merkle::log::consistency_path(&nodes, old, checkpoint.size).expect("tiles");
    let expected: Vec<Hash> =
        meta["consistency"].as_array().expect("a list").iter().map(hexadecimal).collect();
    assert_eq!(path.hashes(), expected);
    let old_root = hexadecimal(&meta["old_root_hex"]);
    assert_eq!(verify_consistency(old, &old_root, checkpoint.size, &checkpoint.root, &path), Ok(()));
}
