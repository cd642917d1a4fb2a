//! Builds the swarm from a configuration, binds its listeners and sets it running.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::Swarm;
use libp2p::core::transport::TransportError;
use libp2p::swarm::{self, SwarmEvent};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::address::{multiaddr, socket_address};
use crate::behaviour::Behaviour;
use crate::config::Config;
use crate::event::Event;
use crate::identity::PeerId;
use crate::links::Links;
use crate::metrics::Counters;
use crate::network::Network;
use crate::swarm::{Driver, Parts};
use crate::topic::WireNames;
use crate::transport::transport;

/// How long a bound listener may take to say its address.
const LISTEN_MAX: Duration = Duration::from_secs(5);
/// Connections are closed by decision or failure, never for being quiet.
const IDLE_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// Starts the network; every listener is bound when it returns. Must be called inside a tokio runtime.
///
/// Returns the handle, the events, and the task, which ends after [`Network::shutdown`] or when the last
/// handle is dropped. The events should be read without pause: what waits too long is dropped, as [`Limits`](crate::Limits)
/// say. Dropping the receiver stops everything inbound, not the task.
///
/// # Errors
/// [`StartError`]; nothing is left running.
pub async fn start(config: Config) -> Result<(Network, mpsc::Receiver<Event>, JoinHandle<()>), StartError> {
    let names = WireNames::new(&config.ledger).ok_or(StartError::Ledger)?;
    let limits = config.limits;
    if let Some(name) = limits.fault() {
        return Err(StartError::Limit { name });
    }
    if config.peers.len() > limits.peers_max {
        return Err(StartError::TooManyPeers { peers: config.peers.len(), peers_max: limits.peers_max });
    }
    let mut swarm = build(&config, &names)?;
    let local_addresses = listen(&mut swarm, &config.listen).await?;

    let own: PeerId = config.identity.peer_id();
    let counters = Arc::new(Counters::default());
    let (links, connected) = Links::new(&limits);
    let (commands, commanded) = mpsc::channel(limits.command_channel_len);
    let (events, happened) = mpsc::channel(limits.event_channel_len);
    let parts =
        Parts { swarm, names, limits, own, counters: counters.clone(), links, commands: commanded, events };
    let task = tokio::spawn(Driver::new(parts, config.peers).run());
    let network =
        Network { own, limits, local_addresses: local_addresses.into(), commands, connected, counters };
    Ok((network, happened, task))
}

fn build(config: &Config, names: &WireNames) -> Result<Swarm<Behaviour>, StartError> {
    let behaviour = Behaviour::new(config, names).map_err(|reason| StartError::Protocols { reason })?;
    let keypair = config.identity.keypair();
    let transport = transport(&keypair, &config.limits)
        .map_err(|error| StartError::Protocols { reason: error.to_string() })?;
    let settings = swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE_MAX);
    Ok(Swarm::new(transport, behaviour, keypair.public().to_peer_id(), settings))
}

/// Binds the addresses, and waits until each listener has told its port.
async fn listen(swarm: &mut Swarm<Behaviour>, wanted: &[SocketAddr]) -> Result<Vec<SocketAddr>, StartError> {
    for address in wanted.iter().filter(|address| address.port() != 0) {
        // libp2p shares its ports (SO_REUSEPORT), so that a second node would take half of the first one's
        // peers. A plain socket notices.
        std::net::TcpListener::bind(address)
            .map_err(|source| StartError::Listen { address: *address, source })?;
    }
    let mut silent = HashSet::new();
    for address in wanted {
        let failed = |source| StartError::Listen { address: *address, source };
        let listener = swarm.listen_on(multiaddr(*address)).map_err(|error| match error {
            TransportError::Other(error) => failed(error),
            TransportError::MultiaddrNotSupported(_) => failed(io::ErrorKind::Unsupported.into()),
        })?;
        silent.insert(listener);
    }
    let all_heard = async {
        while !silent.is_empty() {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { listener_id, .. } => _ = silent.remove(&listener_id),
                SwarmEvent::ListenerClosed { reason: Err(error), .. } => return Err(error),
                SwarmEvent::ListenerError { error, .. } => return Err(error),
                // Nobody is admitted yet, so whoever dials this early is refused, and tries again.
                _ => {}
            }
        }
        Ok(())
    };
    let heard = tokio::time::timeout(LISTEN_MAX, all_heard).await;
    heard.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|source| StartError::Listen {
        address: wanted.first().copied().unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0))),
        source,
    })?;
    let bound: BTreeSet<_> = swarm.listeners().filter_map(socket_address).collect();
    Ok(bound.into_iter().collect())
}

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `Config::ledger` is not 1 to 64 ASCII letters, digits, `-` or `_`.
    #[error("the ledger's name cannot be part of a protocol name")]
    Ledger,
    /// A bound is zero or far too large.
    #[error("the limit {name} is out of range")]
    Limit {
        /// The field of [`Limits`](crate::Limits).
        name: &'static str,
    },
    /// More peers than `Limits::peers_max`.
    #[error("{peers} peers are above the limit of {peers_max}")]
    TooManyPeers {
        /// Number of peers.
        peers: usize,
        /// The configured limit.
        peers_max: usize,
    },
    /// libp2p refused the settings of a protocol.
    #[error("protocols cannot be set up: {reason}")]
    Protocols {
        /// Its words.
        reason: String,
    },
    /// An address could not be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address, or the first one where several were waited for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
}
