//! Goal: credentials written by others anchor, get a receipt that verifies, are revoked, and show so.
//!
//! Method: a real node, the command line, and every file of `../shared/samples`; where that folder is missing the test says that it
//! was skipped. The digests of the same files are compared with their published values in the ledger's tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kvitto_cli::Exit;
use kvitto_ledger::credential::{Credential, ReadOptions};
use kvitto_tests::shared::shared;
use kvitto_tests::world::World;

/// The credentials among the samples, and the wrapper that must be unwrapped.
fn samples() -> Option<Vec<PathBuf>> {
    let entries = std::fs::read_dir(shared("samples")?).expect("readable");
    let is_credential = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "json" || extension == "jsonld")
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(is_credential).collect();
    paths.sort();
    Some(paths)
}

fn is_wrapper(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("03-"))
}

fn type_of(path: &Path) -> String {
    let unwrap = is_wrapper(path).then(|| "credential".to_owned());
    let options = ReadOptions { unwrap, ..ReadOptions::default() };
    let credential = Credential::read(&std::fs::read(path).unwrap(), &options).unwrap();
    credential.facts().types.last().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn real_credentials_anchor_verify_and_are_revoked() {
    let Some(samples) = samples() else { return };
    assert_eq!(samples.len(), 27);
    let types: BTreeSet<String> = samples.iter().map(|path| type_of(path)).collect();
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    let world = World::new(1, &types).await.unwrap();
    let school = world.school();
    let (register, out) = (world.path("register"), world.path("receipts"));
    let (register, out) = (register.to_str().unwrap(), out.to_str().unwrap());

    for path in &samples {
        let file = path.to_str().unwrap();
        let credential_type = type_of(path);
        let mut anchor =
            vec!["anchor", file, "--register", register, "--out", out, "--type", &credential_type];
        let receipt = Path::new(out).join(format!("{}.kvitto", path.file_stem().unwrap().to_str().unwrap()));
        let mut verify = vec!["verify", receipt.to_str().unwrap(), "--credential", file];
        let mut revoke = vec!["revoke", file, "--register", register];
        let mut status = vec!["status", file, "--register", register];
        if is_wrapper(path) {
            let refused = world.kvitto(0, &school, &anchor).await.unwrap();
            assert_ne!(refused.exit, Exit::Ok);
            assert!(refused.printed.contains("--unwrap credential"), "{}", refused.printed);
            for words in [&mut anchor, &mut verify, &mut revoke, &mut status] {
                words.extend(["--unwrap", "credential"]);
            }
        }
        world.succeed(0, &school, &anchor).await.unwrap();
        let verified = world.kvitto(0, &school, &verify).await.unwrap();
        assert!(
            matches!(verified.exit, Exit::Ok | Exit::CannotTell | Exit::NotInOrder),
            "{file}: {}",
            verified.printed
        );
        assert!(verified.result["verdict"].is_object(), "{file}: {}", verified.printed);
        world.succeed(0, &school, &revoke).await.unwrap();
        let revoked = world.succeed(0, &school, &status).await.unwrap();
        assert!(revoked.to_string().contains("revoked"), "{file}: {revoked}");
    }
    world.cluster.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_credential_is_refused_with_a_clear_message() {
    let Some(path) = shared("samples/neg-01-mynextid-ob3-header-only.jwt") else { return };
    let world = World::new(1, &["VerifiableCredential"]).await.unwrap();
    let register = world.path("register");
    let words = ["anchor", path.to_str().unwrap(), "--register", register.to_str().unwrap()];
    let refused = world.kvitto(0, &world.school(), &words).await.unwrap();
    assert_eq!(refused.exit, Exit::Input, "{}", refused.printed);
    assert!(refused.printed.contains("header"), "{}", refused.printed);
    world.cluster.stop().await.unwrap();
}
