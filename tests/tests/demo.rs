//! Goal: the demo tells its whole story about anybody's credentials, and leaves a ledger that can go on.
//!
//! Method: the demo itself, in this process, with files that the school of the demo did not make, in a wrapper, and of equal names.

use std::path::{Path, PathBuf};

use kvitto_node::demo::{DemoArgs, run};
use kvitto_node::sandbox::Sandbox;

/// Runs the demo in a new folder, which it gives.
async fn demo(credentials: Vec<PathBuf>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let args = DemoArgs {
        credentials,
        unwrap: Some("credential".into()),
        dir: Some(folder.path().join("demo")),
        keep: false,
    };
    run(&args).await.unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_strangers_in_wrappers_and_of_equal_names_go_through_the_demo() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/samples");
    let folder = tempfile::tempdir().unwrap();
    let wrapped = folder.path().join("openbadge.json");
    let inner = std::fs::read_to_string(samples.join("microcredential.json")).unwrap();
    std::fs::write(&wrapped, format!(r#"{{"credential": {inner}, "deliveryDetails": {{}}}}"#)).unwrap();

    // Its issuer is a municipality, not the school of the demo.
    let left = demo(vec![samples.join("openbadge.json"), wrapped]).await;

    let sandbox = Sandbox::open(&left.path().join("demo/ledger")).unwrap().unwrap();
    let ports = sandbox.ports().unwrap();
    assert!(ports.iter().all(|ports| ports.peers != 0 && ports.api != 0), "{ports:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_written_by_others_go_through_the_demo() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples");
    if !folder.exists() {
        println!("skipped: ../shared/samples is not present");
        return;
    }
    let wanted = ["01-", "02-", "03-", "09-", "15-", "17-", "24-"];
    let is_wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        wanted.iter().any(|number| name.starts_with(number))
    };
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let credentials: Vec<_> = entries.filter(is_wanted).collect();
    assert_eq!(credentials.len(), wanted.len());
    demo(credentials).await;
}
