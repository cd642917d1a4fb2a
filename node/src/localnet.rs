//! `kvitto-node localnet`: a ledger of several members on this machine, each a process of its own, and a school to try it with.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use kvitto_cli::KeyFile;
use kvitto_ledger::credential::{Credential, ReadOptions};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::file::{self, Access};
use crate::genesis_file::Timeouts;
use crate::interrupt::Interrupt;
use crate::run_command::READY;
use crate::sandbox::{Ports, Sandbox, local};
use crate::school::School;
use crate::shell::{Shell, quoted, say};

/// Members of a new ledger, where nothing else is asked for.
const MEMBERS: u16 = 4;
/// First port, where nothing else is asked for.
const BASE_PORT: u16 = 7000;
/// Ports of one member lie beside each other, those of the next one this far away.
const PORT_STEP: u16 = 10;
/// A credential to anchor.
const SAMPLE: (&str, &str) = ("microcredential.json", include_str!("../samples/microcredential.json"));

/// What `kvitto-node localnet` takes.
#[derive(Debug, Args)]
pub struct LocalnetArgs {
    /// Folder for keys, configuration and data; an existing ledger in it goes on.
    #[arg(long)]
    dir: PathBuf,
    /// Number of members of a new ledger [default: 4].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=32))]
    members: Option<u16>,
    /// First port; members take three each, on loopback, ten apart [default: 7000]. An existing ledger moves there.
    #[arg(long)]
    base_port: Option<u16>,
}

/// Makes the ledger where it is not there yet, and runs it until interrupted.
///
/// # Errors
/// When a member cannot be made or started, or all have ended by themselves.
pub async fn run(args: &LocalnetArgs) -> Result<()> {
    let mut interrupt = Interrupt::listen()?;
    let sandbox = prepare(args)?;
    let mut members = Members::default();
    let ended = tokio::select! {
        ended = members.run(&sandbox) => ended,
        () = interrupt.wait() => Ok(()),
    };
    members.stop().await;
    ended
}

/// The running members.
#[derive(Default)]
struct Members {
    /// A member stops when its standard input ends; waiting for the process would end it, so it is kept apart.
    inputs: Vec<ChildStdin>,
    ends: FuturesUnordered<BoxFuture<'static, (usize, io::Result<ExitStatus>)>>,
}

impl Members {
    /// Starts them, says what to do with the ledger, and what becomes of them.
    async fn run(&mut self, sandbox: &Sandbox) -> Result<()> {
        for index in 0..sandbox.members() {
            let (mut process, input) = start(sandbox, index).await?;
            self.inputs.push(input);
            self.ends.push(Box::pin(async move { (index, process.wait().await) }));
        }
        introduce(sandbox).await?;
        while let Some((index, status)) = self.ends.next().await {
            say(&format!("member {} has ended ({}); start it again with", index + 1, status?))?;
            say(&format!("  kvitto-node run --config {}", sandbox.config(index).display()))?;
        }
        bail!("every member has ended; their logs above say why")
    }

    async fn stop(mut self) {
        drop(self.inputs);
        while self.ends.next().await.is_some() {}
    }
}

/// The ledger in the folder, made where there is none, on ports that are free.
fn prepare(args: &LocalnetArgs) -> Result<Sandbox> {
    let Some(sandbox) = Sandbox::open(&args.dir)? else {
        let ports = ports(args.base_port.unwrap_or(BASE_PORT), args.members.unwrap_or(MEMBERS))?;
        check_free(&ports)?;
        return Sandbox::make(&args.dir, &ports, Timeouts::default());
    };
    let members = u16::try_from(sandbox.members()).context("a ledger has few members")?;
    ensure!(
        args.members.is_none_or(|asked| asked == members),
        "{} holds a ledger of {members} members already; leave --members out, or name another folder",
        args.dir.display()
    );
    match args.base_port {
        None => check_free(&sandbox.ports()?)?,
        Some(base) => {
            let ports = ports(base, members)?;
            check_free(&ports)?;
            sandbox.set_ports(&ports)?;
        }
    }
    Ok(sandbox)
}

fn ports(base: u16, members: u16) -> Result<Vec<Ports>> {
    let last = base.checked_add(members * PORT_STEP);
    ensure!(last.is_some(), "there are not enough ports above {base}");
    let firsts = (0..members).map(|member| base + member * PORT_STEP);
    Ok(firsts.map(|first| Ports { peers: first, api: first + 1, operator: first + 2 }).collect())
}

/// Finds out now, and not when half of the members run, whether others listen there.
fn check_free(ports: &[Ports]) -> Result<()> {
    for port in ports.iter().flat_map(|ports| [ports.peers, ports.api, ports.operator]) {
        TcpListener::bind(local(port)).with_context(|| {
            format!("cannot listen on {}; choose other ports with --base-port", local(port))
        })?;
    }
    Ok(())
}

/// Has a school accredited in a new ledger, and says what to do with it.
async fn introduce(sandbox: &Sandbox) -> Result<()> {
    let school = School::in_folder(sandbox.folder());
    let sample = sandbox.folder().join(SAMPLE.0);
    let node = format!("http://{}", local(sandbox.ports()?[0].api));
    if !sample.try_exists()? {
        file::create(&sample, SAMPLE.1.as_bytes(), Access::Public)?;
    }
    let types = match school.types()? {
        Some(types) => types,
        None => {
            let credential = Credential::read(SAMPLE.1.as_bytes(), &ReadOptions::default())?;
            let types: Vec<_> = credential.facts().types.last().cloned().into_iter().collect();
            school.found(&Shell::new(sandbox.trust_file()), sandbox, &node, &types).await?;
            types
        }
    };
    let [root, trust, key, sample, folder] =
        [&*sandbox.root_key(), &sandbox.trust_file(), &school.key(), &sample, sandbox.folder()]
            .map(|path| quoted(&path.display().to_string()));
    let did = KeyFile::read(&school.key())?.did();
    say(&format!(
        "\nIn another terminal, as the school, which may anchor {}:\n  \
         export KVITTO_NODE={node} KVITTO_TRUST={trust} KVITTO_KEY={key} KVITTO_REGISTER={folder}/register\n  \
         kvitto anchor {sample} --out {folder}\n\
         It may anchor another type of credential, once the Root TAO has accredited it:\n  \
         kvitto accredit {did} --role ti --type TYPE --key {root}\n\
         Another organisation is registered with: kvitto onboard direct --help\n  \
         (--key {root} --sponsor-accreditation {})\n\n\
         Running; press Ctrl-C to stop.",
        types.join(", "),
        sandbox.root_accreditation()?,
    ))
}

/// Starts a member and waits until it says that it is ready.
async fn start(sandbox: &Sandbox, index: usize) -> Result<(Child, ChildStdin)> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut process = Command::new(program)
        .args(["run", "--until-stdin-ends", "--config"])
        .arg(sandbox.config(index))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Ctrl-C in the terminal is for this process, which then stops its members.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .context("cannot start a member")?;
    let input = process.stdin.take().context("the member has no input")?;
    let output = process.stdout.take().context("the member has no output")?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        let id = process.id().unwrap_or_default();
        say(&format!("member {} (process {id}): {line}", index + 1))?;
        if line.starts_with(READY) {
            return Ok((process, input));
        }
    }
    bail!("member {} did not start; its log above says why", index + 1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn args(dir: &Path, members: Option<u16>, base_port: Option<u16>) -> LocalnetArgs {
        LocalnetArgs { dir: dir.to_owned(), members, base_port }
    }

    #[test]
    fn a_taken_port_leaves_nothing_behind_and_names_the_way_out() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("net");
        let taken = TcpListener::bind(local(0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = format!("{:#}", prepare(&args(&dir, Some(1), Some(port))).unwrap_err());
        assert!(error.contains("--base-port"), "{error}");
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_existing_ledger_goes_on_and_options_that_do_not_fit_are_refused() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("net");
        let free = Ports { peers: 0, api: 0, operator: 0 };
        Sandbox::make(&dir, &[free; 2], Timeouts::default()).unwrap();
        assert_eq!(prepare(&args(&dir, None, None)).unwrap().members(), 2);
        assert_eq!(prepare(&args(&dir, Some(2), None)).unwrap().members(), 2);
        let error = prepare(&args(&dir, Some(4), None)).unwrap_err().to_string();
        assert!(error.contains("a ledger of 2 members"), "{error}");

        let taken = TcpListener::bind(local(0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        prepare(&args(&dir, None, Some(port))).unwrap_err();
        assert_eq!(Sandbox::open(&dir).unwrap().unwrap().ports().unwrap(), [free; 2], "it has not moved");
    }
}
