//! A ledger of real nodes in this process, with an accredited school; everything is done by the command line `kvitto`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use kvitto_cli::{Cli, Collected, Exit, KeyFile, Output};
use kvitto_node::cluster::Cluster;
use kvitto_node::genesis_file::Timeouts;
use kvitto_node::sandbox::{Ports, Sandbox};
use serde_json::Value;

const TAO_ACCREDITATION: &str = "7a00000000000000000000000000000000000000000000000000000000000001";
const SCHOOL_ACCREDITATION: &str = "7a00000000000000000000000000000000000000000000000000000000000002";
const SECOND_SCHOOL_ACCREDITATION: &str = "7a00000000000000000000000000000000000000000000000000000000000003";

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
        world.command_line(0).found_school(&world.sandbox, world.folder.path(), types).await?;
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

    /// The command line on this member's node.
    pub fn command_line(&self, member: usize) -> CommandLine {
        CommandLine { node: self.cluster.url(member), trust: self.sandbox.trust_file() }
    }

    /// As [`CommandLine::run`], on this member's node.
    ///
    /// # Errors
    /// When the words are no command.
    pub async fn kvitto(&self, member: usize, key: &Path, words: &[&str]) -> Result<Ended> {
        self.command_line(member).run(key, words).await
    }

    /// As [`CommandLine::succeed`], on this member's node.
    ///
    /// # Errors
    /// When it does not.
    pub async fn succeed(&self, member: usize, key: &Path, words: &[&str]) -> Result<Value> {
        self.command_line(member).succeed(key, words).await
    }
}

/// `kvitto`, in this process, on one node.
#[derive(Clone, Debug)]
pub struct CommandLine {
    /// Where the node is reached.
    pub node: String,
    /// The trust file.
    pub trust: PathBuf,
}

impl CommandLine {
    /// Runs `kvitto` with these words, as the organisation with this key.
    ///
    /// # Errors
    /// When the words are no command.
    pub async fn run(&self, key: &Path, words: &[&str]) -> Result<Ended> {
        let (key, trust) = (key.display().to_string(), self.trust.display().to_string());
        let line = ["--node", &self.node, "--key", &key, "--trust", &trust];
        // Boxed: the futures of a whole command are as deep as the compiler can count.
        Box::pin(kvitto(&[&line[..], words].concat())).await
    }

    /// As [`CommandLine::run`], for a command that must succeed.
    ///
    /// # Errors
    /// When it does not.
    pub async fn succeed(&self, key: &Path, words: &[&str]) -> Result<Value> {
        let ended = self.run(key, words).await?;
        ensure!(ended.exit == Exit::Ok, "{words:?} ended with {}: {}", ended.exit.name(), ended.printed);
        Ok(ended.result)
    }

    /// Has an agency and a school registered in a new ledger, with key files `tao.key` and `school.key` in `folder`; the school may
    /// anchor credentials of these types.
    ///
    /// # Errors
    /// When a command does not succeed.
    pub async fn found_school(&self, sandbox: &Sandbox, folder: &Path, types: &[&str]) -> Result<()> {
        let (root, tao, school) = (sandbox.root_key(), folder.join("tao.key"), folder.join("school.key"));
        let root_accreditation = sandbox.root_accreditation()?;
        self.accredit((&root, &root_accreditation), &tao, ("tao", TAO_ACCREDITATION), types).await?;
        self.accredit((&tao, TAO_ACCREDITATION), &school, ("ti", SCHOOL_ACCREDITATION), types).await
    }

    /// One more school in the same folder, accredited as the first is.
    ///
    /// # Errors
    /// When a command does not succeed.
    pub async fn found_second_school(&self, folder: &Path, types: &[&str]) -> Result<()> {
        let (tao, school) = (folder.join("tao.key"), folder.join("second_school.key"));
        self.accredit((&tao, TAO_ACCREDITATION), &school, ("ti", SECOND_SCHOOL_ACCREDITATION), types).await
    }

    /// Makes a key for an organisation, onboards it, and accredits it.
    async fn accredit(
        &self,
        (sponsor, sponsor_accreditation): (&Path, &str),
        subject: &Path,
        (role, id): (&str, &str),
        types: &[&str],
    ) -> Result<()> {
        self.succeed(subject, &["key", "new"]).await?;
        let did = KeyFile::read(subject)?.did().to_string();
        let subject = subject.to_str().context("a path of ours")?;
        let names = ["--legal-name", "Exempel", "--legal-id", "registration:1", "--country", "SE"];
        let mut words = vec!["onboard", "direct", "--subject-key", subject];
        words.extend(names);
        words.extend(["--sponsor-accreditation", sponsor_accreditation]);
        self.succeed(sponsor, &words).await?;
        let mut words = vec!["accredit", &did, "--role", role, "--id", id];
        words.extend(types.iter().flat_map(|name| ["--type", *name]));
        self.succeed(sponsor, &words).await?;
        Ok(())
    }
}

/// Runs `kvitto` with these words.
///
/// # Errors
/// When the words are no command.
pub async fn kvitto(words: &[&str]) -> Result<Ended> {
    let cli = Cli::try_parse_from(["kvitto", "--json"].iter().chain(words))?;
    let printed = Collected::default();
    let mut output = Output::new(true, Box::new(printed.clone()), Box::new(printed.clone()), false);
    let exit = kvitto_cli::run(&cli, &mut output).await;
    let printed = printed.text();
    let result = serde_json::from_str(&printed).unwrap_or(Value::Null);
    Ok(Ended { exit, result, printed })
}
