//! The process of a ledger's only member, to which things happen: it starts its node, registers one organisation after the other as
//! a client does, and says what became final.
//!
//! It speaks as [`super::writer`] does; `ack HEIGHT` says that a client had its receipt, and which block was published then.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use kvitto_cli::{Cli, Exit, KeyFile, Output};
use kvitto_ledger::execute::genesis_block;
use kvitto_ledger::{Genesis, Header};
use kvitto_node::config::Config;
use kvitto_node::genesis_file::{GenesisFile, Timeouts};
use kvitto_node::node::{Node, Setup};
use kvitto_node::report::Audit;
use kvitto_node::sandbox::{Ports, Sandbox};
use kvitto_node::standing::Vouched;
use kvitto_replica::is_certified;
use kvitto_storage::disk::Options;
use kvitto_storage::{SledStore, audit};

use super::writer::{found, say};

/// Organisations that a ledger is made for.
const SUBJECTS: usize = 4;

/// Makes a ledger of one member in `folder`.
///
/// # Errors
/// When it cannot be written.
pub fn make(folder: &Path) -> Result<()> {
    let sandbox = Sandbox::make(folder, &[Ports { peers: 0, api: 0, operator: 0 }], Timeouts::default())?;
    // Ballast would be copied in every round.
    let config = std::fs::read_to_string(sandbox.config(0))?;
    let without = config.replace("ballast_mib = 64", "ballast_mib = 0");
    ensure!(without != config, "the configuration names the ballast");
    std::fs::write(sandbox.config(0), without)?;
    for number in 0..SUBJECTS {
        KeyFile::generate(None)?.create(&subject(folder, number))?;
    }
    Ok(())
}

/// The member's files that decide what it has acknowledged and signed.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let config = Config::read(&sandbox(folder)?.config(0))?;
    let data = |name: &str| config.data.join(name);
    Ok(vec![config.guard.join("guard"), data("journal"), data("HEAD"), data("CHECKPOINT"), data("sled/db")])
}

/// The hidden command `run-member`: registers so many organisations.
///
/// # Errors
/// Whatever fails ends it.
pub async fn run(folder: &Path, organisations: usize) -> Result<()> {
    say("opening")?;
    let (sandbox, node) = start(folder).await?;
    for number in 0..organisations {
        register(&sandbox, &node, &subject(folder, number)).await?;
        let published = node.published().context("what is final is published")?;
        say(&format!("ack {published}"))?;
    }
    node.stop().await?;
    say("end")
}

/// The hidden command `check-member`: the node starts, its audit finds nothing, and it registers another organisation; then says what
/// its store holds.
///
/// # Errors
/// Whatever is wrong.
pub async fn check(folder: &Path) -> Result<()> {
    say("opening")?;
    let (sandbox, node) = start(folder).await?;
    let audited = node.report().audit().wait_for(|audit| *audit != Audit::Running).await?.clone();
    ensure!(audited == Audit::Good, "{audited:?}");
    register(&sandbox, &node, &subject(folder, SUBJECTS - 1)).await?;
    node.stop().await?;
    let config = Config::read(&sandbox.config(0))?;
    let (_, genesis): (_, Genesis) = GenesisFile::read(&config.genesis)?;
    let certified = |header: &Header, certificate: &[u8]| is_certified(&genesis, header, certificate);
    let store =
        SledStore::open_to_read(&config.data, &Options::default(), &genesis_block(&genesis), &certified)?;
    audit::everything(&kvitto_storage::Store::reader(&store), &mut |_| ())?;
    say(&found(&store))?;
    say("end")
}

async fn start(folder: &Path) -> Result<(Sandbox, Node)> {
    let sandbox = sandbox(folder)?;
    let setup = Setup::from_config(&Config::read(&sandbox.config(0))?, Vouched::default())?;
    let node = Node::start(setup).await?;
    Ok((sandbox, node))
}

/// Registers an organisation, or once more one that a process before has registered.
async fn register(sandbox: &Sandbox, node: &Node, subject: &Path) -> Result<()> {
    let words = [
        "kvitto".to_owned(),
        "--json".into(),
        "--node".into(),
        format!("http://{}", node.api()),
        "--key".into(),
        sandbox.root_key().display().to_string(),
        "--trust".into(),
        sandbox.trust_file().display().to_string(),
        "onboard".into(),
        "direct".into(),
        "--subject-key".into(),
        subject.display().to_string(),
        "--legal-name".into(),
        "Exempel".into(),
        "--legal-id".into(),
        "registration:1".into(),
        "--country".into(),
        "SE".into(),
        "--sponsor-accreditation".into(),
        sandbox.root_accreditation()?,
    ];
    let cli = Cli::try_parse_from(words)?;
    let mut output = Output::new(true, Box::new(io::sink()), Box::new(io::stderr()), false);
    let exit = kvitto_cli::run(&cli, &mut output).await;
    ensure!(exit == Exit::Ok, "the registration ended with {}", exit.name());
    Ok(())
}

fn sandbox(folder: &Path) -> Result<Sandbox> {
    Sandbox::open(folder)?.with_context(|| format!("there is no ledger in {}", folder.display()))
}

fn subject(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("subject-{number}.key"))
}
