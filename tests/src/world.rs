//! A ledger of real nodes in this process, with an accredited school; everything is done by the command line `kvitto`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use kvitto_cli::{Cli, Exit, KeyFile, Output};
use kvitto_node::cluster::Cluster;
use kvitto_node::genesis_file::Timeouts;
use kvitto_node::sandbox::{Ports, Sandbox};
use serde_json::Value;

const TAO_ACCREDITATION: &str = "7a00000000000000000000000000000000000000000000000000000000000001";
const SCHOOL_ACCREDITATION: &str = "7a00000000000000000000000000000000000000000000000000000000000002";

/// The ledger, its folder and its nodes.
pub struct World {
    folder: tempfile::TempDir,
    /// Keys, configurations, trust file.
    pub sandbox: Sandbox,
    /// The nodes.
    pub cluster: Cluster,
}

/// How a command ended, and the JSON that it printed; null where it printed none.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub exit: Exit,
    /// Its result.
    pub result: Value,
    /// What it printed, result and failure.
    pub printed: String,
}

impl World {
    /// A ledger of `members` nodes on free ports, and a school that may anchor credentials of these types.
    ///
    /// # Errors
    /// When anything on the way does not succeed.
    pub async fn new(members: usize, types: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let free = Ports { peers: 0, api: 0, operator: 0 };
        let sandbox =
            Sandbox::make(&folder.path().join("ledger"), &vec![free; members], Timeouts::default())?;
        let cluster = Cluster::start(&sandbox).await?;
        let world = Self { folder, sandbox, cluster };
        world.accredit(types).await?;
        Ok(world)
    }

    /// A path in the world's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The school's key file.
    pub fn school(&self) -> PathBuf {
        self.path("school.key")
    }

    /// Runs `kvitto` with these words, as the organisation with this key, on this member's node.
    ///
    /// # Errors
    /// When the words are no command.
    pub async fn kvitto(&self, member: usize, key: &Path, words: &[&str]) -> Result<Ended> {
        let (node, key) = (self.cluster.url(member), key.display().to_string());
        let trust = self.sandbox.trust_file().display().to_string();
        let line = ["--node", &node, "--key", &key, "--trust", &trust];
        kvitto(&[&line[..], words].concat()).await
    }

    /// As [`World::kvitto`], for a command that must succeed.
    ///
    /// # Errors
    /// When it does not.
    pub async fn succeed(&self, member: usize, key: &Path, words: &[&str]) -> Result<Value> {
        let ended = self.kvitto(member, key, words).await?;
        ensure!(ended.exit == Exit::Ok, "{words:?} ended with {}: {}", ended.exit.name(), ended.printed);
        Ok(ended.result)
    }

    async fn accredit(&self, types: &[&str]) -> Result<()> {
        let (root, tao, school) = (self.sandbox.root_key(), self.path("tao.key"), self.school());
        let root_accreditation = self.sandbox.root_accreditation()?;
        for (sponsor, sponsor_accreditation, subject, role, id) in [
            (&root, root_accreditation.as_str(), &tao, "tao", TAO_ACCREDITATION),
            (&tao, TAO_ACCREDITATION, &school, "ti", SCHOOL_ACCREDITATION),
        ] {
            self.succeed(0, subject, &["key", "new"]).await?;
            let did = KeyFile::read(subject)?.did().to_string();
            let subject = subject.to_str().context("a path of ours")?;
            let names = ["--legal-name", "Exempel", "--legal-id", "registration:1", "--country", "SE"];
            let mut words = vec!["onboard", "direct", "--subject-key", subject];
            words.extend(names);
            words.extend(["--sponsor-accreditation", sponsor_accreditation]);
            self.succeed(0, sponsor, &words).await?;
            let mut words = vec!["accredit", &did, "--role", role, "--id", id];
            words.extend(types.iter().flat_map(|name| ["--type", *name]));
            self.succeed(0, sponsor, &words).await?;
        }
        Ok(())
    }
}

/// Runs `kvitto` with these words.
///
/// # Errors
/// When the words are no command.
pub async fn kvitto(words: &[&str]) -> Result<Ended> {
    let cli = Cli::try_parse_from(["kvitto", "--json"].iter().chain(words))?;
    let printed = Printed::default();
    let mut output = Output::new(true, Box::new(printed.clone()), Box::new(printed.clone()), false);
    let exit = kvitto_cli::run(&cli, &mut output).await;
    let printed = printed.text();
    let result = serde_json::from_str(&printed).unwrap_or(Value::Null);
    Ok(Ended { exit, result, printed })
}

/// What a command has printed.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
