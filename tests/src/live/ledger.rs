//! A ledger whose members are processes, joined by relays or by a network of their own, and reached by clients at addresses that stay.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use kvitto_cli::KeyFile;
use kvitto_client::{Client, Moment, Options, Organisation};
use kvitto_ledger::AccreditationId;
use kvitto_node::config::Config;
use kvitto_node::genesis_file::{GenesisFile, Timeouts};
use kvitto_node::init::GENESIS_FILE;
use kvitto_node::sandbox::{Ports, Sandbox};
use kvitto_verifier::TrustFile;
use tokio::sync::watch;

use super::member::{Launch, Member, Program, Starting, signal};
use super::relay::{Flow, Relay, Target};
use crate::world::CommandLine;

/// The credential type that the school may anchor.
pub const TYPE: &str = "MicroCredential";

/// A ledger and its members' processes.
pub struct Ledger {
    folder: tempfile::TempDir,
    program: Program,
    sandbox: Sandbox,
    seats: Vec<Seat>,
    wiring: Wiring,
    trust: TrustFile,
}

/// A member's place, whether its process runs or not.
struct Seat {
    launch: Launch,
    member: Option<Member>,
    url: String,
}

/// How members and clients find each other.
enum Wiring {
    Relays(Relays),
    /// Addresses in the configuration are true, and links are not this process's.
    Fixed,
}

/// Relays to every member: from each other one, and from the clients.
struct Relays {
    peers: Vec<watch::Sender<Option<std::net::SocketAddr>>>,
    clients: Vec<watch::Sender<Option<std::net::SocketAddr>>>,
    /// `flows[from][to]`.
    flows: Vec<Vec<watch::Sender<Flow>>>,
}

/// Who may anchor.
#[derive(Clone)]
pub struct School {
    /// Signs.
    pub organisation: Organisation,
    /// What it anchors under.
    pub accreditation: AccreditationId,
}

impl Ledger {
    /// A ledger of `members` on free loopback ports, joined by relays; a school is accredited in it.
    ///
    /// # Errors
    /// When a part does not start.
    pub async fn start(program: &Program, members: usize) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("kvitto-faults-").tempdir()?;
        let free = Ports { peers: 0, api: 0, operator: 0 };
        let sandbox =
            Sandbox::make(&folder.path().join("ledger"), &vec![free; members], Timeouts::default())?;
        let (relays, urls) = Relays::start(&sandbox).await?;
        let seats = urls.into_iter().map(|url| (url, Launch::default())).collect();
        Self::found(folder, program, sandbox, seats, Wiring::Relays(relays)).await
    }

    /// A ledger whose configuration says where its members are; each with the address of its clients, and what surrounds it.
    ///
    /// # Errors
    /// When a part does not start.
    pub async fn start_at(
        folder: tempfile::TempDir,
        program: &Program,
        sandbox: Sandbox,
        seats: Vec<(String, Launch)>,
    ) -> Result<Self> {
        Self::found(folder, program, sandbox, seats, Wiring::Fixed).await
    }

    async fn found(
        folder: tempfile::TempDir,
        program: &Program,
        sandbox: Sandbox,
        seats: Vec<(String, Launch)>,
        wiring: Wiring,
    ) -> Result<Self> {
        let trust = TrustFile::from_json(&std::fs::read(sandbox.trust_file())?)?;
        let seats = seats.into_iter().map(|(url, launch)| Seat { launch, member: None, url }).collect();
        let mut ledger = Self { folder, program: program.clone(), sandbox, seats, wiring, trust };
        ledger.start_all().await?;
        let command_line = ledger.command_line();
        command_line.found_school(&ledger.sandbox, ledger.folder.path(), &[TYPE]).await?;
        Ok(ledger)
    }

    /// Number of members.
    pub fn members(&self) -> usize {
        self.seats.len()
    }

    /// The folder that everything is in; it goes with the ledger.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where clients reach a member, whether it runs or not.
    pub fn url(&self, index: usize) -> String {
        self.seats[index].url.clone()
    }

    /// Where clients reach the members.
    pub fn urls(&self) -> Vec<String> {
        self.seats.iter().map(|seat| seat.url.clone()).collect()
    }

    /// What verifiers trust.
    pub fn trust(&self) -> &TrustFile {
        &self.trust
    }

    /// A client of one member alone.
    ///
    /// # Errors
    /// When its address is none.
    pub fn client(&self, index: usize, options: Options) -> Result<Client> {
        Ok(Client::connect(&[self.url(index)], self.trust.clone(), options)?)
    }

    /// The school that may anchor [`TYPE`].
    ///
    /// # Errors
    /// When no member answers.
    pub async fn school(&self) -> Result<School> {
        self.school_of("school.key").await
    }

    /// Founds another school that may anchor [`TYPE`].
    ///
    /// # Errors
    /// When it cannot be accredited.
    pub async fn second_school(&self) -> Result<School> {
        self.command_line().found_second_school(self.folder.path(), &[TYPE]).await?;
        self.school_of("second_school.key").await
    }

    fn command_line(&self) -> CommandLine {
        CommandLine { node: self.url(0), trust: self.sandbox.trust_file() }
    }

    async fn school_of(&self, key_file: &str) -> Result<School> {
        let key = KeyFile::read(&self.folder.path().join(key_file))?;
        let client = Client::connect(&self.urls(), self.trust.clone(), Options::default())?;
        let (_, held) = client.issuer(&key.did(), Moment::Newest).await?.value;
        let organisation = Organisation::new(key.did(), key.key().clone(), self.trust.ledger_id());
        Ok(School { organisation, accreditation: held.first().context("it was accredited")?.key.id })
    }

    /// A member's process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn member(&self, index: usize) -> Result<&Member> {
        self.seats[index].member.as_ref().context("the member does not run")
    }

    /// What surrounds a member's process from its next start on.
    pub fn set_launch(&mut self, index: usize, launch: Launch) {
        self.seats[index].launch = launch;
    }

    /// Starts a member and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_member(&mut self, index: usize) -> Result<()> {
        let member = self.spawn(index)?.ready().await?;
        self.seat(index, member);
        Ok(())
    }

    /// Starts a member, and kills it so long afterwards, ready or not.
    ///
    /// # Errors
    /// When it cannot be started or killed.
    pub async fn start_and_kill(&mut self, index: usize, after: Duration) -> Result<()> {
        let starting = self.spawn(index)?;
        tokio::time::sleep(after).await;
        starting.kill().await
    }

    /// Starts all members that do not run, at once.
    ///
    /// # Errors
    /// When one does not start.
    pub async fn start_all(&mut self) -> Result<()> {
        let down: Vec<_> = (0..self.members()).filter(|index| self.seats[*index].member.is_none()).collect();
        let starting: Result<Vec<_>> = down.iter().map(|index| self.spawn(*index)).collect();
        let ready = try_join_all(starting?.into_iter().map(Starting::ready)).await?;
        for (index, member) in down.into_iter().zip(ready) {
            self.seat(index, member);
        }
        Ok(())
    }

    /// Kills a member (SIGKILL).
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill_member(&mut self, index: usize) -> Result<()> {
        let member = self.seats[index].member.take().context("the member does not run")?;
        self.leave(index);
        member.kill().await
    }

    /// Kills all members at once (SIGKILL).
    ///
    /// # Errors
    /// When one does not run.
    pub async fn kill_all(&mut self) -> Result<()> {
        signal("KILL", self.seats.iter().filter_map(|seat| seat.member.as_ref())).await?;
        for index in 0..self.members() {
            if let Some(member) = self.seats[index].member.take() {
                self.leave(index);
                member.wait().await?;
            }
        }
        Ok(())
    }

    /// Throws a stopped member's store away; its guard and keys stay.
    ///
    /// # Errors
    /// When there is none.
    pub fn wipe(&self, index: usize) -> Result<()> {
        let data = self.data(index)?;
        std::fs::remove_dir_all(data).with_context(|| format!("cannot wipe member {}", index + 1))
    }

    /// The folder of a member's store.
    ///
    /// # Errors
    /// When its configuration cannot be read.
    pub fn data(&self, index: usize) -> Result<PathBuf> {
        Ok(Config::read(&self.sandbox.config(index))?.data)
    }

    /// How bytes move from one member to another, from now on.
    ///
    /// # Panics
    /// Where the members are not joined by relays.
    pub fn set_flow(&self, from: usize, to: usize, flow: Flow) {
        let Wiring::Relays(relays) = &self.wiring else { panic!("the members are not joined by relays") };
        relays.flows[from][to].send_replace(flow);
    }

    fn spawn(&self, index: usize) -> Result<Starting> {
        let log = self.log(index);
        Starting::spawn(&self.program, &self.seats[index].launch, &self.sandbox.config(index), &log)
    }

    /// What a member has logged, over all its starts.
    pub fn log(&self, index: usize) -> PathBuf {
        self.sandbox.member_folder(index).join("node.log")
    }

    fn seat(&mut self, index: usize, member: Member) {
        if let Wiring::Relays(relays) = &self.wiring {
            relays.peers[index].send_replace(Some(member.peers));
            relays.clients[index].send_replace(Some(member.api));
        }
        self.seats[index].member = Some(member);
    }

    fn leave(&self, index: usize) {
        if let Wiring::Relays(relays) = &self.wiring {
            relays.peers[index].send_replace(None);
            relays.clients[index].send_replace(None);
        }
    }

    /// Keeps the folder, for people to look at after a failure, and says where it is.
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

impl Relays {
    /// Lays them, and tells each member where its own begin; also where clients begin.
    async fn start(sandbox: &Sandbox) -> Result<(Self, Vec<String>)> {
        let count = sandbox.members();
        let places = || (0..count).map(|_| watch::channel(None).0).collect::<Vec<_>>();
        let flows = (0..count).map(|_| (0..count).map(|_| watch::channel(Flow::FREE).0).collect()).collect();
        let relays = Self { peers: places(), clients: places(), flows };
        let mut urls = Vec::new();
        let (free, _) = watch::channel(Flow::FREE);
        for from in 0..count {
            let path = sandbox.member_folder(from).join(GENESIS_FILE);
            let (mut genesis, _) = GenesisFile::read(&path)?;
            for (to, member) in genesis.members.iter_mut().enumerate().filter(|(to, _)| *to != from) {
                let (there, back) = (relays.flows[from][to].subscribe(), relays.flows[to][from].subscribe());
                let target: Target = relays.peers[to].subscribe();
                member.addresses = vec![Relay::start(target, there, back).await?.address.to_string()];
            }
            std::fs::write(&path, genesis.to_toml())?;
            let clients =
                Relay::start(relays.clients[from].subscribe(), free.subscribe(), free.subscribe()).await?;
            urls.push(format!("http://{}", clients.address));
        }
        Ok((relays, urls))
    }
}
