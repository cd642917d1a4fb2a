//! One member as a process: started, killed, stopped and continued.

use std::ffi::OsString;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use kvitto_node::run_command::READY;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

/// The hidden subcommand by which this crate's program is a node.
pub const NODE: &str = "node";

/// The program that is run as a node.
#[derive(Clone, Debug)]
pub struct Program(PathBuf);

impl Program {
    /// The program at this path, which has the subcommand [`NODE`].
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

/// What surrounds a member's process.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// Program and arguments before the node's own, such as `ip netns exec NAME`.
    pub within: Vec<OsString>,
    /// Environment variables besides this process's.
    pub environment: Vec<(OsString, OsString)>,
}

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Member {
    process: Child,
    /// The node stops when it ends, also when this process is killed.
    _input: ChildStdin,
    /// Where clients reach it.
    pub api: SocketAddr,
    /// Where peers reach it.
    pub peers: SocketAddr,
}

/// A process that has not said yet that it is ready.
#[derive(Debug)]
pub struct Starting {
    process: Child,
    input: ChildStdin,
    log: PathBuf,
}

impl Starting {
    /// Starts the node with this configuration; it appends to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(program: &Program, launch: &Launch, config: &Path, log: &Path) -> Result<Self> {
        let mut words = launch.within.clone();
        words.push(program.0.clone().into());
        let mut command = Command::new(&words[0]);
        let mut process = command
            .args(&words[1..])
            .args([NODE, "run", "--until-stdin-ends", "--config"])
            .arg(config)
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(log)?)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a member")?;
        let input = process.stdin.take().context("the member has no input")?;
        Ok(Self { process, input, log: log.to_owned() })
    }

    /// Kills it (SIGKILL) while it starts.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn kill(mut self) -> Result<()> {
        self.process.kill().await.context("cannot kill a member")
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ends before.
    pub async fn ready(mut self) -> Result<Member> {
        let output = self.process.stdout.take().context("the member has no output")?;
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await? {
            if let Some(said) = line.strip_prefix(READY) {
                let (api, peers) = addresses(said).with_context(|| format!("the member said {line:?}"))?;
                return Ok(Member { process: self.process, _input: self.input, api, peers });
            }
        }
        bail!("a member did not start; {} says why", self.log.display())
    }
}

/// Of `clients at http://HOST:PORT, operator at …, peers at HOST:PORT`.
fn addresses(said: &str) -> Option<(SocketAddr, SocketAddr)> {
    let after = |name: &str| {
        let (_, rest) = said.split_once(name)?;
        rest.split([',', ' ']).next()?.parse().ok()
    };
    Some((after("clients at http://")?, after("peers at ")?))
}

impl Member {
    /// The process's id.
    ///
    /// # Errors
    /// When it has ended.
    pub fn id(&self) -> Result<u32> {
        self.process.id().context("the member has ended")
    }

    /// Kills it (SIGKILL), and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn kill(mut self) -> Result<()> {
        self.process.kill().await.context("cannot kill a member")
    }

    /// Waits for the end of a process that was sent a signal.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn wait(mut self) -> Result<()> {
        self.process.wait().await.context("cannot wait for a member")?;
        Ok(())
    }

    /// Most memory that it has had at once, in bytes (`VmHWM`), since the last [`Member::forget_peak`].
    ///
    /// # Errors
    /// When it has ended.
    pub fn peak_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024)
    }

    /// Lets the peak begin at what it has now.
    ///
    /// # Errors
    /// When it has ended.
    pub fn forget_peak(&self) -> Result<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.id()?), "5")?)
    }
}

/// Sends one signal to all of these processes, with as little time between them as one program needs.
///
/// # Errors
/// When one of them is not there.
pub async fn signal(name: &str, members: impl IntoIterator<Item = &Member>) -> Result<()> {
    let ids: Result<Vec<_>> = members.into_iter().map(|member| Ok(member.id()?.to_string())).collect();
    // The `kill` of the shell needs no package.
    let script = format!("kill -{name} {}", ids?.join(" "));
    let sent = Command::new("sh").args(["-c", &script]).status().await?;
    ensure!(sent.success(), "{script} failed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_when_it_is_ready_names_its_addresses() {
        let said = " clients at http://127.0.0.1:1, operator at http://127.0.0.1:2, peers at 127.0.0.1:3";
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(addresses(said), Some((local(1), local(3))));
        assert_eq!(addresses(" clients at https://127.0.0.1:1"), None);
    }
}
