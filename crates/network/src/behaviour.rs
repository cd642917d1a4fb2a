//! The protocols of the one swarm, with every limit and score set.
//!
//! Specifications: libp2p `connections`, `noise`, `yamux`, `ping`; gossipsub v1.0 to v1.2. No discovery of
//! any kind.

use std::time::Duration;

use libp2p::allow_block_list::{self, AllowedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::gossipsub::{
    self, ConfigBuilder, MessageAuthenticity, MessageId, PeerScoreParams, PeerScoreThresholds,
    TopicScoreParams, ValidationMode, WhitelistSubscriptionFilter,
};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{memory_connection_limits, ping};

use crate::codec::FrameCodec;
use crate::config::{Config, Limits};
use crate::topic::{Topic, WireNames};

/// Gossipsub with the closed list of topics.
pub(crate) type Gossip = gossipsub::Behaviour<gossipsub::IdentityTransform, WhitelistSubscriptionFilter>;

/// Everything that runs on a connection. The first three fields decide whether it runs at all, so they stand
/// first.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) admitted: allow_block_list::Behaviour<AllowedPeers>,
    connection_limits: connection_limits::Behaviour,
    memory_limits: memory_connection_limits::Behaviour,
    pub(crate) gossip: Gossip,
    pub(crate) requests: request_response::Behaviour<FrameCodec>,
    ping: ping::Behaviour,
}

/// What an envelope adds to a gossip payload: author, sequence number, signature, topic and their tags.
const ENVELOPE_BYTES: usize = 1 << 10;
/// Room for more messages already read behind a full one, which gossipsub counts against the same limit.
const READ_AHEAD_BYTES: usize = 64 << 10;
/// Bytes of control messages in one exchange. Gossipsub does not split what it sends, and a receiver drops
/// the stream of who sends more, so [`CONTROL_MESSAGES_MAX`] ids (at most 48 bytes each, encoded) must fit.
const CONTROL_BYTES_MAX: usize = 64 << 10;
const CONTROL_MESSAGES_MAX: usize = 1000;

impl Behaviour {
    /// Nobody is admitted yet.
    ///
    /// # Errors
    /// A text, when gossipsub refuses the configuration.
    pub(crate) fn new(config: &Config, names: &WireNames) -> Result<Self, String> {
        let limits = &config.limits;
        Ok(Self {
            admitted: allow_block_list::Behaviour::default(),
            connection_limits: connection_limits::Behaviour::new(connection_limits(limits)),
            memory_limits: memory_connection_limits::Behaviour::with_max_bytes(
                limits.process_memory_bytes_max,
            ),
            gossip: gossip(config, names)?,
            requests: requests(limits, names),
            ping: ping::Behaviour::new(
                ping::Config::new().with_interval(limits.ping_interval).with_timeout(limits.ping_interval),
            ),
        })
    }
}

fn connection_limits(limits: &Limits) -> ConnectionLimits {
    let peers_max = u32::try_from(limits.peers_max).unwrap_or(u32::MAX);
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.pending_inbound_max))
        .with_max_pending_outgoing(Some(peers_max))
        .with_max_established_per_peer(Some(limits.connections_per_peer_max))
        .with_max_established(Some(peers_max.saturating_mul(limits.connections_per_peer_max)))
}

fn requests(limits: &Limits, names: &WireNames) -> request_response::Behaviour<FrameCodec> {
    let codec = FrameCodec {
        request_bytes_max: limits.request_bytes_max,
        response_bytes_max: limits.response_bytes_max,
    };
    // Both directions share the streams of a connection; a peer that takes them all hurts its own link only.
    let streams_max = limits.outbound_requests_per_peer_max.saturating_mul(2);
    let config = request_response::Config::default()
        .with_request_timeout(limits.request_timeout)
        .with_max_concurrent_streams(streams_max);
    let protocols = [(names.request.clone(), ProtocolSupport::Full)];
    request_response::Behaviour::with_codec(codec, protocols, config)
}

fn gossip(config: &Config, names: &WireNames) -> Result<Gossip, String> {
    let authenticity = MessageAuthenticity::Signed(config.identity.keypair());
    let filter = WhitelistSubscriptionFilter(Topic::ALL.iter().map(|topic| names.hash(*topic)).collect());
    let settings = gossip_config(&config.limits, names).map_err(|error| error.to_string())?;
    let mut gossip = Gossip::new_with_subscription_filter(authenticity, settings, filter)?;
    gossip.with_peer_score(score_params(names), score_thresholds())?;
    for (_, topic) in names.all() {
        gossip.subscribe(topic).map_err(|error| error.to_string())?;
    }
    Ok(gossip)
}

fn gossip_config(
    limits: &Limits,
    names: &WireNames,
) -> Result<gossipsub::Config, gossipsub::ConfigBuilderError> {
    let largest = Topic::ALL.map(|topic| limits.gossip_bytes_max[topic]).into_iter().max().unwrap_or(0);
    let mut builder = ConfigBuilder::default();
    builder
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .message_id_fn(message_id(names))
        .duplicate_cache_time(limits.duplicate_cache_time)
        .heartbeat_initial_delay(Duration::from_millis(500))
        .heartbeat_interval(Duration::from_secs(1))
        // Messages are kept for three heartbeats; more is memory without use in a full mesh.
        .history_length(3)
        .history_gossip(2)
        // Own messages go straight to all. The mesh carries them where a link is missing; every neighbour in
        // it sends one more copy, whose signature is checked before it is known to be a copy.
        .flood_publish(true)
        .mesh_outbound_min(0)
        .mesh_n_low(7)
        .mesh_n(8)
        .mesh_n_high(14)
        // Nothing is offered to be fetched: who is too slow to send it in time would be punished.
        .gossip_lazy(0)
        .gossip_factor(0.0)
        .prune_backoff(Duration::from_secs(10))
        .connection_handler_queue_len(limits.send_queue_len)
        .publish_queue_duration(Duration::from_secs(5))
        .forward_queue_duration(Duration::from_secs(2))
        .max_control_message_size(CONTROL_BYTES_MAX)
        .max_control_messages_sent(CONTROL_MESSAGES_MAX)
        .max_transmit_size(largest + ENVELOPE_BYTES + READ_AHEAD_BYTES);
    for topic in Topic::ALL {
        builder
            .max_transmit_size_for_topic(limits.gossip_bytes_max[topic] + ENVELOPE_BYTES, names.hash(topic));
    }
    builder.build()
}

/// Content for statements, (author, sequence number) for the rest: see [`Topic`]. The two differ in length.
fn message_id(names: &WireNames) -> impl Fn(&gossipsub::Message) -> MessageId + Send + Sync + 'static {
    let statements = names.hash(Topic::Statements);
    move |message| {
        if message.topic == statements {
            return MessageId::from(blake3::hash(&message.data).as_bytes().to_vec());
        }
        // Strict validation refuses messages without author or number before they get here.
        let mut id = message.source.map(libp2p::PeerId::to_bytes).unwrap_or_default();
        id.extend(message.sequence_number.unwrap_or_default().to_be_bytes());
        MessageId::from(id)
    }
}

/// Only what a peer does wrong counts against it: rejected messages, above all. Quiet, slow and co-located
/// members are honest members, so those penalties of gossipsub are off.
fn score_params(names: &WireNames) -> PeerScoreParams {
    let topic = TopicScoreParams {
        topic_weight: 1.0,
        // A little credit for staying, so that one rejected message does not cost a member its place in the
        // mesh.
        time_in_mesh_weight: 1.0,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 10.0,
        first_message_deliveries_weight: 0.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        // Grows with the square of the rejected messages, and is forgiven within five minutes.
        invalid_message_deliveries_weight: -4.0,
        invalid_message_deliveries_decay: gossipsub::score_parameter_decay(Duration::from_secs(300)),
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: Topic::ALL.iter().map(|name| (names.hash(*name), topic.clone())).collect(),
        topic_score_cap: 30.0,
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: -1.0,
        behaviour_penalty_threshold: 6.0,
        behaviour_penalty_decay: gossipsub::score_parameter_decay(Duration::from_secs(60)),
        slow_peer_weight: 0.0,
        retain_score: Duration::from_secs(600),
        ..PeerScoreParams::default()
    }
}

/// About four rejected messages in a row end the lazy gossip to a peer; eleven end everything with it, for a
/// while.
fn score_thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -40.0,
        publish_threshold: -400.0,
        graylist_threshold: -400.0,
        ..PeerScoreThresholds::default()
    }
}
