//! The command line: what each command takes, and which part does it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args as ClapArgs, Parser, Subcommand};
use kvitto_ledger::Genesis;

use crate::config::Config;
use crate::genesis_file::GenesisFile;
use crate::init::NewMember;
use crate::shell::say;
use crate::standing::Vouched;
use crate::{
    check_command, demo, doctor_command, genesis_command, init, localnet, logging, run_command,
    salvage_command,
};

/// A node of a Kvitto ledger.
#[derive(Debug, Parser)]
#[command(name = "kvitto-node", version, about)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new member: keys, configuration, and the entry to send to the other members.
    Init(Init),
    /// Put a genesis together from the members' entries and the roots.
    Genesis(genesis_command::GenesisArgs),
    /// Run a node.
    Run(Run),
    /// Make a ledger of several members on this machine, and run it until interrupted.
    Localnet(localnet::LocalnetArgs),
    /// Show what Kvitto does: four members, one credential, from anchoring to revocation.
    Demo(demo::DemoArgs),
    /// Audit the store of a stopped node from its first record to its last.
    Check(Check),
    /// Say why nothing is being decided, and what to do; of a stopped node, what its files say. Ends with 0 if all is well, 3 if
    /// someone should look, 4 if something does not work.
    Doctor(Doctor),
    /// Take blocks back from damaged stores that were set aside, into the store of a stopped node, as far as they verify.
    Salvage(Stopped),
}

#[derive(Debug, ClapArgs)]
struct Init {
    /// Folder to make.
    #[arg(long)]
    dir: PathBuf,
    /// Name of the ledger, the same for every member, e.g. kvitto.example/pilot.
    #[arg(long)]
    origin: String,
    /// Name of this member, e.g. agency.example/kvitto.
    #[arg(long)]
    name: String,
    /// Where peers reach this node: host:port.
    #[arg(long)]
    address: String,
    /// Where the node listens for peers.
    #[arg(long, default_value = "0.0.0.0:7000")]
    listen: SocketAddr,
    /// Where the node listens for clients.
    #[arg(long, default_value = "127.0.0.1:7100")]
    api: SocketAddr,
    /// Where the node listens for its operator; loopback only.
    #[arg(long, default_value = "127.0.0.1:7200")]
    operator: SocketAddr,
    /// Folder for the store; made by the node. A relative one starts at DIR.
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Folder for the guard, which is made now, once and for all. A relative one starts at DIR.
    #[arg(long, default_value = "guard")]
    guard: PathBuf,
}

#[derive(Debug, ClapArgs)]
struct Run {
    /// The node's configuration.
    #[arg(long, env = "KVITTO_NODE_CONFIG")]
    config: PathBuf,
    #[command(flatten)]
    vouched: Vouched,
    /// Stop when standard input ends, too.
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
}

#[derive(Debug, ClapArgs)]
struct Stopped {
    /// The node's configuration.
    #[arg(long, env = "KVITTO_NODE_CONFIG")]
    config: PathBuf,
}

#[derive(Debug, ClapArgs)]
struct Check {
    #[command(flatten)]
    stopped: Stopped,
    /// Print one JSON object instead of words.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, ClapArgs)]
struct Doctor {
    /// The node's configuration.
    #[arg(long, env = "KVITTO_NODE_CONFIG")]
    config: PathBuf,
    /// Print one JSON object instead of words.
    #[arg(long)]
    json: bool,
}

impl Stopped {
    fn read(&self) -> Result<(Config, Genesis)> {
        let config = Config::read(&self.config)?;
        let (_, genesis) = GenesisFile::read(&config.genesis)?;
        Ok((config, genesis))
    }
}

/// Does what the command line says.
///
/// # Errors
/// What went wrong, for people to read.
pub fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::Doctor(doctor) => {
            return runtime()?.block_on(doctor_command::run(&doctor.config, doctor.json));
        }
        Command::Init(init) => init_member(&init),
        Command::Genesis(args) => genesis_command::run(&args),
        Command::Run(run) => {
            let config = Config::read(&run.config)?;
            logging::start(&config.log)?;
            let runtime = runtime()?;
            let ended = runtime.block_on(run_command::run(&config, run.vouched, run.until_stdin_ends));
            // A read of standard input cannot be given up, and must not keep the process.
            runtime.shutdown_background();
            ended
        }
        Command::Localnet(args) => runtime()?.block_on(localnet::run(&args)),
        Command::Demo(args) => {
            logging::start_quiet()?;
            runtime()?.block_on(demo::run(&args))
        }
        Command::Check(check) => {
            let (config, genesis) = check.stopped.read()?;
            check_command::run(&config, &genesis, check.json)
        }
        Command::Salvage(stopped) => {
            let (config, genesis) = stopped.read()?;
            salvage_command::run(&config, &genesis)
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

fn init_member(args: &Init) -> Result<()> {
    let new = NewMember {
        origin: args.origin.clone(),
        name: args.name.clone(),
        listen: args.listen,
        address: args.address.clone(),
        api: args.api,
        operator: args.operator,
        data: args.data.clone(),
        guard: args.guard.clone(),
    };
    init::init(&args.dir, &new)?;
    say(&format!(
        "Made the member {} in {}.\n\
         Send {} to the other members. Move {} to another machine.\n\
         When the genesis is there, put it beside {} and run:\n  \
         kvitto-node run --config {}",
        args.name,
        args.dir.display(),
        init::MEMBER_FILE,
        init::OPERATOR_KEY_FILE,
        init::CONFIG_FILE,
        args.dir.join(init::CONFIG_FILE).display()
    ))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}
