//! A node: the parts, joined. It starts, says where it listens, and stops.
//!
//! ```text
//!   Setup ──► store (audit) ──► replica ──► core thread
//!         └─► network ─────────── gossip task ──┘  ▲
//!         └─► API listeners ───── desk ────────────┘
//! ```
//!
//! On a full disk it has no replica, takes no part in the network, and only answers readers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use kvitto_api::{Listeners, ServeError};
use kvitto_ledger::execute::genesis_block;
use kvitto_ledger::{Genesis, Header, Height};
use kvitto_network::{HostPort, Network, NodeIdentity, PeerAddress};
use kvitto_replica::{Effect, Options as ReplicaOptions, Replica, Standing, is_certified};
use kvitto_storage::disk::{Opened, Options as StoreOptions, SetAside, SledStore};
use kvitto_storage::faults::Faults;
use kvitto_storage::files::OsDirectory;
use kvitto_storage::{Journal, Read, SledReader, Store, audit};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::admission::Admission;
use crate::config::Config;
use crate::core::{Core, Event, Events, Inbox, events, now};
use crate::desk::{Counter, Desk};
use crate::genesis_file::{GenesisFile, Timeouts};
use crate::gossip;
use crate::keys::MemberKeys;
use crate::peers::PeerTable;
use crate::report::{Audit, Report};
use crate::signer::{FileSigner, Found};
use crate::standing::{Findings, Vouched};

/// Everything a node is started with.
#[derive(Debug)]
pub struct Setup {
    /// The ledger.
    pub genesis: Genesis,
    /// The engine's timeouts.
    pub timeouts: Timeouts,
    /// The member's keys.
    pub keys: MemberKeys,
    /// Where peers are reached, by the members' order in the genesis; empty: only they dial.
    pub addresses: Vec<Vec<HostPort>>,
    /// The store's folder.
    pub data: PathBuf,
    /// The guard's folder.
    pub guard: PathBuf,
    /// What the operator vouches for.
    pub vouched: Vouched,
    /// Where to listen for peers; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Where to listen for clients; port 0 takes a free one.
    pub api: SocketAddr,
    /// Where to listen for the operator; port 0 takes a free one.
    pub operator: SocketAddr,
    /// TLS for clients.
    pub tls: Option<kvitto_api::Tls>,
    /// The store's cache, in bytes.
    pub cache_bytes: u64,
    /// The store's ballast, in bytes.
    pub ballast_bytes: u64,
}

impl Setup {
    /// What a configuration asks for.
    ///
    /// # Errors
    /// When one of the files it names cannot be used.
    pub fn from_config(config: &Config, vouched: Vouched) -> Result<Self> {
        let (genesis_file, genesis) = GenesisFile::read(&config.genesis)?;
        let keys = MemberKeys::read(&config.keys)?;
        let tls = match &config.api.tls {
            None => None,
            Some(tls) => Some(kvitto_api::Tls {
                certificate_pem: crate::file::read_text(&tls.certificate)?.into_bytes(),
                key_pem: crate::file::read_private_text(&tls.key)?.as_bytes().to_vec(),
            }),
        };
        Ok(Self {
            genesis,
            timeouts: genesis_file.timeouts,
            keys,
            addresses: genesis_file.addresses()?,
            data: config.data.clone(),
            guard: config.guard.clone(),
            vouched,
            listen: config.network.listen.clone(),
            api: config.api.listen,
            operator: config.api.operator,
            tls,
            cache_bytes: config.store.cache_bytes(),
            ballast_bytes: config.store.ballast_bytes(),
        })
    }

    /// This member's place in the genesis.
    fn member(&self) -> Result<usize> {
        let key = self.keys.consensus.public().bytes();
        let found = self.genesis.config.members.iter().position(|member| member.consensus.key == key);
        let index = found.context("the keys are not those of a member of this genesis")?;
        let member = &self.genesis.config.members[index];
        let same = member.cosignature.key == self.keys.cosignature.public().bytes()
            && member.log.key == self.keys.log.public().bytes()
            && member.peer.key == self.keys.peer.public().bytes();
        ensure!(same, "the keys of {} are not those that the genesis names", member.name);
        Ok(index)
    }
}

/// A running node.
pub struct Node {
    network: Network,
    swarm: tokio::task::JoinHandle<()>,
    listening: tokio::task::JoinHandle<()>,
    peers: Arc<PeerTable>,
    events: Events,
    report: Report,
    reader: SledReader,
    counter: Counter,
    clients: Clients,
    core: tokio::task::JoinHandle<Result<()>>,
}

impl Node {
    /// Opens the store and starts everything. On return the node listens.
    ///
    /// # Errors
    /// When a file cannot be used, a port is taken, or the store is another ledger's.
    pub async fn start(setup: Setup) -> Result<Self> {
        let member = setup.member()?;
        let peers = Arc::new(PeerTable::new(&setup.genesis.config)?);
        let opened = tokio::task::block_in_place(|| open_and_report(&setup))?;
        let reader = opened.store.reader();
        let deciding = match opened.disk_full {
            true => None,
            false => Some(Deciding::open(&setup, member, &opened)?),
        };
        let store = opened.store;

        let network_config = network_config(&setup, &peers, deciding.is_some());
        let (network, heard, swarm) = kvitto_network::start(network_config).await?;
        let (events_in, events_out) = events();
        let counter = Counter::default();
        let report = Report::new(
            &setup.genesis,
            member,
            network.clone(),
            Arc::clone(&peers),
            setup.data.join("evidence"),
            reader.failure(),
        )?;
        let admission = Admission::new(setup.genesis.ledger_id(), reader.clone()).beside(report.status());
        let (core, listening, desk_events) = match deciding {
            Some(deciding) => {
                // Clients may come before the core has done anything.
                report.set_status(deciding.replica.status());
                let core = deciding.into_core(store, &network, &peers, &counter, &report);
                let (events, peers) = (events_in.clone(), Arc::clone(&peers));
                let listening = gossip::listen(heard, events, peers, admission.clone());
                (spawn_core(core, events_out)?, tokio::spawn(listening), events_in.clone())
            }
            None => {
                report.set_disk_full(&reader)?;
                // Nobody takes from this channel, so whoever submits is told that the node has stopped writing.
                (tokio::spawn(keep_open(store, events_out)), tokio::spawn(async {}), events().0)
            }
        };
        spawn_audit(reader.clone(), report.clone())?;
        let desk = Desk::new(admission, reader.clone(), counter.clone(), desk_events, report.status());
        let clients = Clients::serve(&setup, desk, &reader, &report, counter.notices()).await?;
        Ok(Self {
            network,
            swarm,
            listening,
            peers,
            events: events_in,
            report,
            reader,
            counter,
            clients,
            core,
        })
    }

    /// Where clients reach it.
    pub fn api(&self) -> SocketAddr {
        self.clients.api
    }

    /// Where its operator reaches it.
    pub fn operator(&self) -> SocketAddr {
        self.clients.operator
    }

    /// Where peers reach it.
    pub fn peer_addresses(&self) -> &[SocketAddr] {
        self.network.local_addresses()
    }

    /// What the node says of itself.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// How far clients are answered.
    pub fn published(&self) -> Option<Height> {
        self.reader.published().map(|published| published.height)
    }

    /// What happens to statements and checkpoints here.
    pub fn notices(&self) -> &kvitto_api::Notices {
        self.counter.notices()
    }

    /// Says where the members are reached from now on, in the order of the genesis.
    ///
    /// # Errors
    /// When the network has stopped.
    pub async fn set_addresses(&self, addresses: Vec<Vec<HostPort>>) -> Result<()> {
        Ok(self.network.set_peers(peer_addresses(&self.peers, addresses)).await?)
    }

    /// Drains requests, ends after the block in progress, and closes the store. Requests that do not end are cut.
    ///
    /// # Errors
    /// What had ended a part before.
    pub async fn stop(mut self) -> Result<()> {
        let served = match self.clients.stop().await.context("the API task has broken") {
            Ok(Err(ServeError::NotDrained)) => {
                tracing::warn!("open requests did not finish in time, and are cut");
                Ok(())
            }
            Ok(ended) => ended.context("the API has stopped"),
            Err(broken) => Err(broken),
        };
        // The core may have ended already.
        let _ = self.events.send(Event::Stop).await;
        let ended = (&mut self.core).await.context("the core has broken").flatten();
        self.network.shutdown().await;
        // Until they have ended the store is in use, and the node cannot be started again.
        (&mut self.swarm).await.context("the network task has broken")?;
        (&mut self.listening).await.context("the task that listens to peers has broken")?;
        served.and(ended)
    }

    /// Waits until a part ends by itself, which is always an error.
    ///
    /// # Errors
    /// Always: what has ended.
    pub async fn failed(&mut self) -> Result<()> {
        tokio::select! {
            ended = &mut self.core => ended.context("the core has broken")??,
            ended = &mut self.clients.serving => ended.context("the API task has broken")?.context("the API has stopped")?,
        }
        bail!("a part of the node has ended")
    }
}

/// What a node needs to take part in decisions.
struct Deciding {
    replica: Replica<FileSigner>,
    started: Vec<Effect>,
    journal: Journal<OsDirectory>,
}

impl Deciding {
    fn open(setup: &Setup, member: usize, opened: &Opened) -> Result<Self> {
        let (signer, standing) = open_guard(setup, opened)?;
        let journal_files =
            OsDirectory::open(&setup.data, Faults::none()).context("cannot open the data folder")?;
        let (journal, entries) = Journal::open(journal_files).context("cannot open the journal")?;
        let options = ReplicaOptions {
            member: Some(member),
            standing,
            timeouts: replica_timeouts(setup.timeouts),
            mempool: Default::default(),
            genesis: setup.genesis.clone(),
        };
        let entries = entries.into_iter().map(|entry| entry.bytes);
        let (replica, started) = Replica::open(options, signer, entries, now(), &opened.store)?;
        Ok(Self { replica, started, journal })
    }

    fn into_core(
        self,
        store: SledStore,
        network: &Network,
        peers: &Arc<PeerTable>,
        counter: &Counter,
        report: &Report,
    ) -> Core<SledStore> {
        let Self { replica, started, journal } = self;
        Core {
            replica,
            started,
            store,
            journal,
            network: network.clone(),
            peers: Arc::clone(peers),
            counter: counter.clone(),
            report: report.clone(),
            tasks: Handle::current(),
        }
    }
}

/// What is served to clients and to the operator.
struct Clients {
    api: SocketAddr,
    operator: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: tokio::task::JoinHandle<Result<(), ServeError>>,
}

impl Clients {
    async fn serve(
        setup: &Setup,
        desk: Desk<SledReader>,
        reader: &SledReader,
        report: &Report,
        notices: &kvitto_api::Notices,
    ) -> Result<Self> {
        let (public, operator) = (bind(setup.api).await?, bind(setup.operator).await?);
        let (api, operator_address) = (public.local_addr()?, operator.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = kvitto_api::serve(
            kvitto_api::Config { tls: setup.tls.clone(), ..kvitto_api::Config::default() },
            Listeners { public, operator: Some(operator) },
            desk,
            reader.clone(),
            report.clone(),
            notices.clone(),
            async {
                // Stopping without a word is stopping, too.
                let _ = stopped.await;
            },
        );
        Ok(Self { api, operator: operator_address, stop: Some(stop), serving: tokio::spawn(serving) })
    }

    /// Waits until requests are drained.
    async fn stop(&mut self) -> Result<Result<(), ServeError>, tokio::task::JoinError> {
        if let Some(stop) = self.stop.take() {
            // Who has stopped already does not listen.
            let _ = stop.send(());
        }
        (&mut self.serving).await
    }
}

/// Opens a store, and says so loudly where it was damaged.
///
/// # Errors
/// When it is in use, another ledger's, or cannot be read.
pub(crate) fn open_store(
    data: &Path,
    genesis: &Genesis,
    cache_bytes: u64,
    ballast_bytes: u64,
) -> Result<Opened> {
    let options = StoreOptions { cache_bytes, ballast_bytes, ..StoreOptions::default() };
    let certified = |header: &Header, certificate: &[u8]| is_certified(genesis, header, certificate);
    SledStore::open(data, &options, &genesis_block(genesis), &certified)
        .with_context(|| format!("cannot open the store in {}", data.display()))
}

/// Opens a store that takes no writes, and changes nothing in it.
///
/// # Errors
/// When it is damaged, in use, another ledger's, or cannot be read.
pub(crate) fn open_store_to_read(data: &Path, genesis: &Genesis, cache_bytes: u64) -> Result<SledStore> {
    let options = StoreOptions { cache_bytes, ..StoreOptions::default() };
    let certified = |header: &Header, certificate: &[u8]| is_certified(genesis, header, certificate);
    SledStore::open_to_read(data, &options, &genesis_block(genesis), &certified)
        .with_context(|| format!("cannot open the store in {}", data.display()))
}

/// Opens the node's store, and says so loudly where it is not as it should be.
fn open_and_report(setup: &Setup) -> Result<Opened> {
    let opened = open_store(&setup.data, &setup.genesis, setup.cache_bytes, setup.ballast_bytes)?;
    if let Some(SetAside { damage, path }) = &opened.set_aside {
        tracing::error!(%damage, kept = %path.display(), "the store was damaged; it is kept, and everything is fetched again");
    }
    if opened.disk_full {
        tracing::error!("the disk is full: this node answers readers and decides nothing");
    }
    Ok(opened)
}

/// The guard, and whether the member may sign from the start.
fn open_guard(setup: &Setup, opened: &Opened) -> Result<(FileSigner, Standing)> {
    let (signer, is_lost) = match FileSigner::open(setup.keys.clone(), &setup.guard)? {
        Found::Guard(signer) => (signer, false),
        Found::Lost(signer) => (signer, true),
    };
    let findings = Findings {
        members: setup.genesis.config.members.len(),
        guard: Some(signer.guard()).filter(|_| !is_lost),
        set_aside: opened.lost.map(|lost| lost.height),
        stored: opened.store.head().height,
    };
    let standing = findings.standing(setup.vouched)?;
    match standing {
        Standing::Signing if is_lost => {
            tracing::warn!("the guard is lost; signing all the same, because the operator says so");
        }
        Standing::Signing => {}
        Standing::CatchingUp(lost) => {
            tracing::error!(%lost, "blocks are lost here; this member follows, and signs nothing until it has them again");
        }
        Standing::Observing => {
            tracing::error!(
                "the guard is lost; this member follows, and signs nothing until a later block is committed"
            );
        }
    }
    Ok((*signer, standing))
}

/// A node that does not `take_part` is alone: its peers see that it is not there.
fn network_config(setup: &Setup, peers: &PeerTable, take_part: bool) -> kvitto_network::Config {
    let (listen, peers) = match take_part {
        true => (setup.listen.clone(), peer_addresses(peers, setup.addresses.clone())),
        false => (Vec::new(), Vec::new()),
    };
    kvitto_network::Config {
        identity: NodeIdentity::from_seed(*setup.keys.peer.seed()),
        ledger: setup.genesis.ledger_id().to_string()[..16].to_owned(),
        listen,
        peers,
        limits: kvitto_network::Limits::default(),
    }
}

/// Every peer with its addresses; one without is admitted, but only it can dial.
fn peer_addresses(table: &PeerTable, addresses: Vec<Vec<HostPort>>) -> Vec<PeerAddress> {
    let addresses = addresses.into_iter().chain(std::iter::repeat(Vec::new()));
    table.all().zip(addresses).map(|((_, peer), addresses)| PeerAddress { peer, addresses }).collect()
}

fn replica_timeouts(timeouts: Timeouts) -> kvitto_replica::Timeouts {
    kvitto_replica::Timeouts {
        propose_ms: timeouts.propose_ms,
        propose_delta_ms: timeouts.delta_ms,
        vote_ms: timeouts.vote_ms,
        vote_delta_ms: timeouts.delta_ms,
        ..kvitto_replica::Timeouts::default()
    }
}

/// Runs the core on a thread of its own: persisting blocks it, and must not block anything else.
fn spawn_core<S: Store + Send + 'static>(
    core: Core<S>,
    events: Inbox,
) -> Result<tokio::task::JoinHandle<Result<()>>> {
    let (ended_in, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("core".into()).spawn(move || {
        // Nobody listens any more when the node was dropped.
        let _ = ended_in.send(runtime.block_on(core.run(events)));
    })?;
    Ok(tokio::spawn(async move { ended.await.unwrap_or_else(|_| Err(anyhow!("the core has panicked"))) }))
}

/// In place of the core: keeps the store for its readers until the node stops.
async fn keep_open(store: SledStore, mut events: Inbox) -> Result<()> {
    while !matches!(events.next().await, None | Some(Event::Stop)) {}
    drop(store);
    Ok(())
}

/// Audits the whole store on a thread of its own, beside the node; what it finds is seen by health checks and the operator.
fn spawn_audit<R: Read>(reader: R, report: Report) -> Result<()> {
    let audit = move || {
        let found = match audit::everything(&reader, &mut |_| {}) {
            Ok(()) => Audit::Good,
            Err(error) => {
                tracing::error!(%error, "the store is damaged");
                Audit::Damaged(format!("the store is damaged: {:#}", anyhow!(error)))
            }
        };
        report.set_audit(found);
    };
    std::thread::Builder::new().name("audit".into()).spawn(audit).context("cannot start the audit")?;
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}
