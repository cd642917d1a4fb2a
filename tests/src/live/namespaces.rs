//! Members in network namespaces of their own, on one bridge: packets between any two can be dropped, in each direction, all or some.
//!
//! Needs root, `ip` and `nft`. Clients are in the namespace of this process, and always get through.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use kvitto_node::config::Config;
use kvitto_node::genesis_file::{GenesisFile, Timeouts};
use kvitto_node::init::GENESIS_FILE;
use kvitto_node::sandbox::{Ports, Sandbox};

use super::ledger::Ledger;
use super::member::{Launch, Program};

/// Every member has addresses of its own, so that the ports can be the same.
const PORTS: Ports = Ports { peers: 7000, api: 7001, operator: 7002 };
/// The bridge's place in the network.
const BRIDGE_HOST: u8 = 254;

/// Namespaces, with their bridge; they go when this is dropped.
#[derive(Debug)]
pub struct Namespaces {
    /// Names begin with it; there may be other runs on this machine.
    prefix: String,
    /// The third byte of addresses.
    network: u8,
    members: usize,
}

/// Why there can be none here; `None` where there can.
pub fn missing() -> Option<String> {
    for (program, words) in [("ip", &["netns", "list"][..]), ("nft", &["list", "tables"])] {
        match Command::new(program).args(words).output() {
            Err(_) => return Some(format!("the program {program} is not here")),
            Ok(output) if !output.status.success() => return Some(format!("{program} needs root")),
            Ok(_) => {}
        }
    }
    // Root may still lack the right to make namespaces, in a container.
    let probe = format!("kvitto-probe-{}", std::process::id());
    let made =
        run("ip", &["netns", "add", &probe], "").and_then(|_| run("ip", &["netns", "del", &probe], ""));
    made.err().map(|error| format!("{error:#}"))
}

impl Namespaces {
    /// Lays them for so many members.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn lay(members: usize) -> Result<Self> {
        // The devices of an earlier layout of this process may still be on their way out.
        static LAID: AtomicU32 = AtomicU32::new(0);
        let id = std::process::id().wrapping_add(LAID.fetch_add(1, Ordering::Relaxed)) % 1_000_000;
        let namespaces = Self { prefix: format!("kv{id}"), network: id as u8, members };
        let bridge = namespaces.bridge();
        namespaces.ip(&format!("link add {bridge} type bridge"))?;
        namespaces.ip(&format!("addr add {}/24 dev {bridge}", namespaces.address(BRIDGE_HOST)))?;
        namespaces.ip(&format!("link set {bridge} up"))?;
        for index in 0..members {
            let (name, outside) = (namespaces.name(index), format!("{}v{index}", namespaces.prefix));
            namespaces.ip(&format!("netns add {name}"))?;
            namespaces.ip(&format!("link add {outside} type veth peer name eth0 netns {name}"))?;
            namespaces.ip(&format!("link set {outside} master {bridge} up"))?;
            let address = namespaces.address(host(index));
            namespaces.ip(&format!("-n {name} addr add {address}/24 dev eth0"))?;
            namespaces.ip(&format!("-n {name} link set eth0 up"))?;
            namespaces.ip(&format!("-n {name} link set lo up"))?;
        }
        Ok(namespaces)
    }

    /// Starts a ledger whose members live in them.
    ///
    /// # Errors
    /// When a part does not start.
    pub async fn start(&self, program: &Program) -> Result<Ledger> {
        let folder = tempfile::Builder::new().prefix("kvitto-faults-").tempdir()?;
        let ports = vec![PORTS; self.members];
        let sandbox = Sandbox::make(&folder.path().join("ledger"), &ports, Timeouts::default())?;
        for index in 0..self.members {
            let mut config = Config::read(&sandbox.config(index))?;
            config.network.listen = vec![self.socket(index, PORTS.peers)];
            config.api.listen = self.socket(index, PORTS.api);
            std::fs::write(sandbox.config(index), config.to_toml())?;
            let path = sandbox.member_folder(index).join(GENESIS_FILE);
            let (mut genesis, _) = GenesisFile::read(&path)?;
            for (other, member) in genesis.members.iter_mut().enumerate() {
                member.addresses = vec![self.socket(other, PORTS.peers).to_string()];
            }
            std::fs::write(&path, genesis.to_toml())?;
        }
        let seat = |index| {
            let within = ["ip", "netns", "exec", &self.name(index)].map(Into::into).to_vec();
            let url = format!("http://{}", self.socket(index, PORTS.api));
            (url, Launch { within, environment: Vec::new() })
        };
        Ledger::start_at(folder, program, sandbox, (0..self.members).map(seat).collect()).await
    }

    /// From now on drops so many of a hundred packets from one member to another: `dropped(from, to)`.
    ///
    /// # Errors
    /// When `nft` fails.
    pub fn set(&self, dropped: impl Fn(usize, usize) -> u8) -> Result<()> {
        for to in 0..self.members {
            let mut rules = String::from("flush ruleset\ntable ip faults {\nchain input {\n");
            rules.push_str("type filter hook input priority 0;\n");
            for from in (0..self.members).filter(|from| *from != to) {
                let source = self.address(host(from));
                match dropped(from, to) {
                    0 => {}
                    100.. => writeln!(rules, "ip saddr {source} drop;")?,
                    some => writeln!(rules, "ip saddr {source} numgen random mod 100 < {some} drop;")?,
                }
            }
            rules.push_str("}\n}\n");
            run("ip", &["netns", "exec", &self.name(to), "nft", "-f", "-"], &rules)?;
        }
        Ok(())
    }

    fn bridge(&self) -> String {
        format!("{}b", self.prefix)
    }

    fn name(&self, index: usize) -> String {
        format!("{}n{index}", self.prefix)
    }

    fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 200, self.network, host)
    }

    fn socket(&self, index: usize, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.address(host(index))), port)
    }

    fn ip(&self, words: &str) -> Result<()> {
        run("ip", &words.split(' ').collect::<Vec<_>>(), "").map(drop)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        // What is not there any more needs no deletion; the veth pairs go with their namespaces.
        for index in 0..self.members {
            let _ = self.ip(&format!("netns del {}", self.name(index)));
        }
        let _ = self.ip(&format!("link del {}", self.bridge()));
    }
}

fn host(index: usize) -> u8 {
    u8::try_from(index + 1).expect("a ledger has few members")
}

fn run(program: &str, words: &[&str], input: &str) -> Result<Output> {
    let mut process = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    process.stdin.take().context("it has an input")?.write_all(input.as_bytes())?;
    let output = process.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {} failed: {}", words.join(" "), said.trim());
    Ok(output)
}
