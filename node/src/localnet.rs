//! `kvitto-node localnet`: a ledger of several members on this machine, each a process of its own.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::genesis_file::Timeouts;
use crate::run_command::READY;
use crate::sandbox::{Ports, Sandbox};

/// Ports of one member lie beside each other, those of the next one this far away.
const PORT_STEP: u16 = 10;

/// What `kvitto-node localnet` takes.
#[derive(Debug, Args)]
pub struct LocalnetArgs {
    /// Folder for keys, configuration and data; an existing ledger in it goes on.
    #[arg(long)]
    dir: PathBuf,
    /// Number of members of a new ledger.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=32))]
    members: u16,
    /// First port of a new ledger; member n takes three ports from here + 10 n on, on loopback.
    #[arg(long, default_value_t = 7000)]
    base_port: u16,
}

/// Makes the ledger where it is not there yet, and runs it until interrupted.
///
/// # Errors
/// When a member cannot be made or started, or all have ended by themselves.
pub async fn run(args: &LocalnetArgs) -> Result<()> {
    let sandbox = match Sandbox::open(&args.dir)? {
        Some(sandbox) => sandbox,
        None => make(args)?,
    };
    let (mut inputs, mut ends) = (Vec::new(), FuturesUnordered::new());
    for index in 0..sandbox.members() {
        let Member { mut process, input } = start(&sandbox, index).await?;
        inputs.push(input);
        ends.push(async move { (index, process.wait().await) });
    }
    println!("Root TAO key: {}", sandbox.root_key().display());
    println!("Trust file:   {}", sandbox.trust_file().display());
    println!("Running; press Ctrl-C to stop.");
    loop {
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => break interrupted?,
            Some((index, status)) = ends.next() => {
                println!("member {} has ended ({}); start it again with", index + 1, status?);
                println!("  kvitto-node run --config {}", sandbox.config(index).display());
            }
            else => bail!("every member has ended; their logs above say why"),
        }
    }
    // A member stops when its standard input ends.
    drop(inputs);
    while ends.next().await.is_some() {}
    Ok(())
}

fn make(args: &LocalnetArgs) -> Result<Sandbox> {
    let last = args.base_port.checked_add(args.members * PORT_STEP);
    ensure!(last.is_some(), "there are not enough ports above {}", args.base_port);
    let ports: Vec<_> = (0..args.members)
        .map(|member| args.base_port + member * PORT_STEP)
        .map(|first| Ports { peers: first, api: first + 1, operator: first + 2 })
        .collect();
    Sandbox::make(&args.dir, &ports, Timeouts::default())
}

/// A running member. It stops when its standard input ends; waiting for the process would end it, so it is kept apart.
struct Member {
    process: Child,
    input: ChildStdin,
}

/// Starts a member and waits until it says that it is ready.
async fn start(sandbox: &Sandbox, index: usize) -> Result<Member> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut process = Command::new(program)
        .args(["run", "--until-stdin-ends", "--config"])
        .arg(sandbox.config(index))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start a member")?;
    let input = process.stdin.take().context("the member has no input")?;
    let output = process.stdout.take().context("the member has no output")?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        println!("member {}: {line}", index + 1);
        if line.starts_with(READY) {
            return Ok(Member { process, input });
        }
    }
    bail!("member {} did not start; its log above says why", index + 1)
}
