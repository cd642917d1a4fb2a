//! `kvitto-node demo`: four members and one credential, from accreditation to revocation, told in plain words.
//!
//! The members run in this process, each with its own store, keys and loopback ports. Everything that a person would do is done by
//! the command line `kvitto` itself, over gRPC like any client; each step prints the command that repeats it by hand. A step
//! that does not come out as it should ends the demo with an error.

mod shell;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use kvitto_cli::{Exit, KeyFile};
use kvitto_ledger::credential::{Credential, ReadOptions};

use crate::cluster::Cluster;
use crate::genesis_file::Timeouts;
use crate::sandbox::{Ports, Sandbox};

use shell::Shell;

/// Members of the demo's ledger: the fewest that survive the loss of one.
const MEMBERS: usize = 4;
/// The sample that is anchored when the user names no file; the second one is anchored while a member is down.
const SAMPLES: [(&str, &str); 2] = [
    ("microcredential.json", include_str!("../samples/microcredential.json")),
    ("openbadge.json", include_str!("../samples/openbadge.json")),
];

/// What `kvitto-node demo` takes.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// A credential of your own to anchor; may be repeated. Default: a sample in the European Learning Model.
    #[arg(long = "credential", value_name = "FILE")]
    credentials: Vec<PathBuf>,
    /// Folder for keys, data and receipts; it must not exist. Default: a temporary one, removed at the end.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Leave the ledger running at the end, until interrupted, and print its addresses.
    #[arg(long)]
    keep: bool,
}

/// Tells the story.
///
/// # Errors
/// The first step that is not as it should be.
pub async fn run(args: &DemoArgs) -> Result<()> {
    let started = Instant::now();
    let folder = Folder::new(args)?;
    let mut story = Story::begin(args, folder.path()).await?;
    story.accredit().await?;
    story.anchor().await?;
    story.change_status().await?;
    story.lose_a_member().await?;
    story.shell.say(&format!("Everything was as it should be. It took {} s.", started.elapsed().as_secs()));
    if args.keep {
        story.keep().await?;
    }
    story.cluster.stop().await
}

/// Where the demo works.
enum Folder {
    /// Kept.
    Named(PathBuf),
    /// Removed at the end.
    Temporary(tempfile::TempDir),
}

impl Folder {
    fn new(args: &DemoArgs) -> Result<Self> {
        let Some(named) = &args.dir else {
            return Ok(Self::Temporary(tempfile::tempdir().context("cannot make a temporary folder")?));
        };
        ensure!(!named.exists(), "{} exists already; the demo needs a folder of its own", named.display());
        std::fs::create_dir_all(named).with_context(|| format!("cannot create {}", named.display()))?;
        Ok(Self::Named(named.clone()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Named(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// The demo in progress.
struct Story {
    cluster: Cluster,
    shell: Shell,
    sandbox: Sandbox,
    folder: PathBuf,
    credentials: Vec<PathBuf>,
    credential_type: String,
    /// Anchored while a member is down.
    later: PathBuf,
    later_type: String,
}

impl Story {
    async fn begin(args: &DemoArgs, folder: &Path) -> Result<Self> {
        let mut credentials = args.credentials.clone();
        let mut samples = Vec::new();
        for (name, content) in SAMPLES {
            let path = folder.join(name);
            std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
            samples.push(path);
        }
        let later = samples.pop().context("there are two samples")?;
        if credentials.is_empty() {
            credentials = samples;
        }
        let free = Ports { peers: 0, api: 0, operator: 0 };
        let sandbox = Sandbox::make(&folder.join("ledger"), &[free; MEMBERS], Timeouts::default())?;
        let cluster = Cluster::start(&sandbox).await?;
        let mut shell = Shell::new(sandbox.trust_file());
        shell.say(&format!(
            "{MEMBERS} members run in this process, each with its own store, keys and ports on this machine.\n\
             Together they keep the ledger {}. Any three of them decide.",
            crate::sandbox::ORIGIN
        ));
        for (index, url) in cluster.urls().iter().enumerate() {
            shell.say(&format!("  member {}: {url}", index + 1));
        }
        Ok(Self {
            credential_type: type_of(&credentials[0])?,
            later_type: type_of(&later)?,
            cluster,
            shell,
            sandbox,
            folder: folder.to_owned(),
            credentials,
            later,
        })
    }

    /// The root onboards and accredits a TAO, the TAO a school.
    async fn accredit(&mut self) -> Result<()> {
        let node = self.cluster.url(0);
        let (root, tao, school) = (self.sandbox.root_key(), self.key("tao"), self.key("school"));
        self.shell.say("\nAn agency and a school make their keys. They never leave their files.");
        self.shell.run(&[], &["key", "new", "--key", &text(&tao)], Exit::Ok).await?;
        self.shell.run(&[], &["key", "new", "--key", &text(&school)], Exit::Ok).await?;
        let (tao_did, school_did) = (did(&tao)?, did(&school)?);

        self.shell.say("\nThe Root TAO registers the agency, and accredits it to accredit others (TAO).");
        let as_root = [("--node", node.clone()), ("--key", text(&root))];
        let root_accreditation = self.sandbox.root_accreditation()?;
        let onboard = |subject: &Path, name: &str, id: &str, sponsor: &str| {
            ["onboard", "direct", "--subject-key", &text(subject), "--legal-name", name, "--legal-id", id]
                .iter()
                .chain(&["--country", "SE", "--sponsor-accreditation", sponsor])
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        let words = onboard(&tao, "Myndigheten för exempel", "registration:202100-0001", &root_accreditation);
        self.shell.run_words(&as_root, &words, Exit::Ok).await?;
        let mut words = accredit_words(&tao_did, "tao", TAO_ACCREDITATION);
        for credential_type in [&self.credential_type, &self.later_type] {
            words.extend(["--type".to_owned(), credential_type.clone()]);
        }
        self.shell.run_words(&as_root, &words, Exit::Ok).await?;

        self.shell.say(
            "\nThe agency registers a school, and accredits it to anchor these types of credentials (TI).",
        );
        let as_tao = [("--node", node), ("--key", text(&tao))];
        let words = onboard(&school, "Högskolan Exempelstad", "registration:202100-0000", TAO_ACCREDITATION);
        self.shell.run_words(&as_tao, &words, Exit::Ok).await?;
        let mut words = accredit_words(&school_did, "ti", SCHOOL_ACCREDITATION);
        for credential_type in [&self.credential_type, &self.later_type] {
            words.extend(["--type".to_owned(), credential_type.clone()]);
        }
        self.shell.run_words(&as_tao, &words, Exit::Ok).await
    }

    /// The school anchors, anyone verifies offline.
    async fn anchor(&mut self) -> Result<()> {
        self.shell.say(
            "\nThe school anchors a micro-credential: the ledger gets a salted commitment, never the credential.\n\
             The answer comes when a quorum of members has it on disk, with a receipt.",
        );
        let credentials: Vec<String> = self.credentials.iter().map(|path| text(path)).collect();
        let credential_type = self.credential_type.clone();
        self.anchor_files(0, &credentials, &credential_type).await?;

        self.shell.say("\nAnyone can verify the receipt, offline: this command reads no network.");
        let receipt = self.receipt();
        let credential = credentials[0].clone();
        self.shell.run(&[], &["verify", &receipt, "--credential", &credential], Exit::Ok).await
    }

    /// Suspended, reinstated, revoked; seen from another member each time.
    async fn change_status(&mut self) -> Result<()> {
        let credential = text(&self.credentials[0]);
        let receipt = self.receipt();
        for (change, told) in [
            ("suspend", "The school suspends it. Another member says so, with proof."),
            ("reinstate", "It is reinstated."),
            ("revoke", "It is revoked, for good."),
        ] {
            self.shell.say(&format!("\n{told}"));
            let school = self.as_school(0);
            let register = text(&self.register());
            self.shell.run(&school, &[change, &credential, "--register", &register], Exit::Ok).await?;
            self.cluster.caught_up(1).await?;
            let other = self.as_school(1);
            self.shell.run(&other, &["status", &credential, "--register", &register], Exit::Ok).await?;
        }
        self.shell.say("\nRevoked stays revoked.");
        let (school, register) = (self.as_school(0), text(&self.register()));
        let again = ["reinstate", &credential, "--register", &register];
        self.shell.run(&school, &again, Exit::Refused).await?;

        self.shell.say(
            "\nThe old receipt still proves what was true as of its checkpoint, and says how old that is.",
        );
        self.shell.run(&[], &["verify", &receipt, "--credential", &credential], Exit::Ok).await?;

        self.shell.say("\nA new receipt says what is true now.");
        let renewed = text(&self.folder.join("renewed"));
        let words = ["receipt", &credential, "--register", &register, "--out", &renewed];
        self.shell.run(&self.as_school(2), &words, Exit::Ok).await?;
        let renewed = text(&Path::new(&renewed).join(receipt_name(&self.credentials[0])));
        self.shell.run(&[], &["verify", &renewed, "--credential", &credential], Exit::NotInOrder).await
    }

    /// One member stops, the rest go on, it comes back and catches up.
    async fn lose_a_member(&mut self) -> Result<()> {
        let last = MEMBERS - 1;
        self.shell.say(&format!("\nMember {MEMBERS} stops. Three are enough to decide."));
        self.cluster.stop_member(last).await?;
        let later = text(&self.later);
        let credential_type = self.later_type.clone();
        self.anchor_files(0, std::slice::from_ref(&later), &credential_type).await?;

        self.shell.say(&format!(
            "\nMember {MEMBERS} starts again, fetches what it missed, and answers like the others."
        ));
        self.cluster.start_member(&self.sandbox, last).await?;
        self.cluster.caught_up(last).await?;
        let register = text(&self.register());
        self.shell.run(&self.as_school(last), &["status", &later, "--register", &register], Exit::Ok).await
    }

    /// Leaves the ledger running until interrupted.
    async fn keep(&mut self) -> Result<()> {
        self.shell.say("\nThe ledger goes on; press Ctrl-C to stop.");
        self.shell.say(&format!("  trust file: {}", self.sandbox.trust_file().display()));
        self.shell.say(&format!("  root key:   {}", self.sandbox.root_key().display()));
        self.shell.say(&format!("  school key: {}", self.key("school").display()));
        for (index, url) in self.cluster.urls().iter().enumerate() {
            self.shell.say(&format!("  member {}:   {url}", index + 1));
        }
        tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")
    }

    async fn anchor_files(&mut self, member: usize, files: &[String], credential_type: &str) -> Result<()> {
        let (school, register) = (self.as_school(member), text(&self.register()));
        let out = text(&self.receipts());
        let mut words: Vec<String> = vec!["anchor".into()];
        words.extend(files.iter().cloned());
        words.extend(["--register", &register, "--type", credential_type, "--out", &out].map(str::to_owned));
        self.shell.run_words(&school, &words, Exit::Ok).await
    }

    fn as_school(&self, member: usize) -> [(&'static str, String); 2] {
        [("--node", self.cluster.url(member)), ("--key", text(&self.key("school")))]
    }

    fn key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.key"))
    }

    fn register(&self) -> PathBuf {
        self.folder.join("register")
    }

    fn receipts(&self) -> PathBuf {
        self.folder.join("receipts")
    }

    fn receipt(&self) -> String {
        text(&self.receipts().join(receipt_name(&self.credentials[0])))
    }
}

const TAO_ACCREDITATION: &str = "7a00000000000000000000000000000000000000000000000000000000000001";
const SCHOOL_ACCREDITATION: &str = "7a00000000000000000000000000000000000000000000000000000000000002";

fn accredit_words(subject: &str, role: &str, id: &str) -> Vec<String> {
    ["accredit", subject, "--role", role, "--id", id].map(str::to_owned).to_vec()
}

fn receipt_name(credential: &Path) -> String {
    let stem = credential.file_stem().unwrap_or_default().to_string_lossy();
    format!("{stem}.kvitto")
}

fn did(key: &Path) -> Result<String> {
    Ok(KeyFile::read(key)?.did().to_string())
}

/// The last of a credential's types: the most special one.
fn type_of(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let credential = Credential::read(&bytes, &ReadOptions::default())
        .with_context(|| format!("{} cannot be anchored", path.display()))?;
    credential.facts().types.last().cloned().with_context(|| format!("{} names no type", path.display()))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
