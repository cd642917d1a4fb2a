//! The nodes: one connection each, one preferred, the others in turn when it does not answer.
//!
//! ```text
//! call ──► preferred node ──answer──► done
//!              │ unavailable, or no answer in time
//!              ▼
//!          next node …, a pause after each round over all of them, until `retry_for` is over
//! ```

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kvitto_proto::v1::anchoring_service_client::AnchoringServiceClient;
use kvitto_proto::v1::log_service_client::LogServiceClient;
use kvitto_proto::v1::operator_service_client::OperatorServiceClient;
use kvitto_proto::v1::registry_service_client::RegistryServiceClient;
use kvitto_proto::v1::status_service_client::StatusServiceClient;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Response, Status};

use crate::error::{BadAnswer, ClientError, LocalError, Unavailable};
use crate::options::Options;

/// Longest message that is taken from a node; far above what an honest one sends.
const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What may be under way on a stream and on a connection before the receiver takes it.
const STREAM_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// Longest pause that this side adds by itself, and longest that a node can ask for.
const PAUSE_MAX: Duration = Duration::from_secs(2);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// The nodes that a client asks.
pub(crate) struct Pool {
    nodes: Vec<Node>,
    /// Index of the node that is asked first.
    preferred: AtomicUsize,
    timeout: Duration,
    retry_for: Duration,
    retry_pause: Duration,
}

/// A node.
#[derive(Clone)]
pub(crate) struct Node {
    name: String,
    channel: Channel,
}

/// An answer, with the node that gave it.
pub(crate) struct Reply<T> {
    pub(crate) node: Node,
    pub(crate) answer: T,
}

/// Pauses between rounds over all nodes: doubling, with chance, so that many clients do not come back at once.
pub(crate) struct Backoff {
    next: Duration,
    nodes: usize,
    tries: usize,
}

impl Pool {
    pub(crate) fn new(endpoints: &[&str], options: &Options) -> Result<Self, LocalError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(LocalError::NoRuntime);
        }
        if endpoints.is_empty() {
            return Err(LocalError::NoEndpoint);
        }
        let nodes =
            endpoints.iter().map(|endpoint| Node::new(endpoint, options)).collect::<Result<_, _>>()?;
        Ok(Self {
            nodes,
            preferred: AtomicUsize::new(0),
            timeout: options.timeout,
            retry_for: options.retry_for,
            retry_pause: options.retry_pause,
        })
    }

    /// Asks until a node answers, or `retry_for` is over.
    pub(crate) async fn call<T, R>(&self, request: impl Fn(Node) -> R) -> Result<Reply<T>, ClientError>
    where
        R: Future<Output = Result<Response<T>, Status>>,
    {
        self.call_within(self.timeout, request).await
    }

    /// As [`Pool::call`], with another time for each node to answer in.
    pub(crate) async fn call_within<T, R>(
        &self,
        time: Duration,
        request: impl Fn(Node) -> R,
    ) -> Result<Reply<T>, ClientError>
    where
        R: Future<Output = Result<Response<T>, Status>>,
    {
        let attempt = |node: Node| {
            let request = request(node.clone());
            async move {
                let answer = once(&node, time, request).await?;
                Ok(Reply { node, answer })
            }
        };
        self.attempt(attempt).await
    }

    /// Tries at one node after the other until an attempt ends otherwise than [`ClientError::Unavailable`], or `retry_for` is over.
    pub(crate) async fn attempt<T, R>(&self, attempt: impl Fn(Node) -> R) -> Result<T, ClientError>
    where
        R: Future<Output = Result<T, ClientError>>,
    {
        let give_up = deadline(self.retry_for);
        let mut backoff = self.backoff();
        loop {
            let node = self.preferred();
            match attempt(node.clone()).await {
                Err(ClientError::Unavailable(unavailable)) => {
                    self.avoid(&node);
                    let pause = backoff.pause(unavailable.retry_after);
                    if Instant::now() + pause >= give_up {
                        return Err(unavailable.into());
                    }
                    sleep(pause).await;
                }
                ended => return ended,
            }
        }
    }

    /// The node to ask.
    pub(crate) fn preferred(&self) -> Node {
        self.nodes[self.preferred.load(Ordering::Relaxed) % self.nodes.len()].clone()
    }

    /// Asks another node from now on, if this one is the preferred one.
    pub(crate) fn avoid(&self, node: &Node) {
        let preferred = self.preferred.load(Ordering::Relaxed);
        if self.nodes[preferred % self.nodes.len()].name == node.name {
            let next = (preferred + 1) % self.nodes.len();
            let _ = self.preferred.compare_exchange(preferred, next, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    pub(crate) fn backoff(&self) -> Backoff {
        Backoff { next: self.retry_pause, nodes: self.nodes.len(), tries: 0 }
    }

    pub(crate) fn retry_for(&self) -> Duration {
        self.retry_for
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A fault in a node's answer, as the caller's error; other nodes are asked from now on.
    pub(crate) fn bad_answer(&self, node: &Node, fault: impl Into<BadAnswer>) -> ClientError {
        self.avoid(node);
        ClientError::bad_answer(&node.name, fault)
    }
}

/// One question to one node.
pub(crate) async fn once<T>(
    node: &Node,
    time: Duration,
    request: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, ClientError> {
    match timeout(time, request).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(ClientError::of_status(&node.name, &status)),
        Err(_) => Err(ClientError::timeout(&node.name, time)),
    }
}

impl Node {
    pub(crate) fn new(address: &str, options: &Options) -> Result<Self, LocalError> {
        let unusable = |source| LocalError::Endpoint { endpoint: address.to_owned(), source };
        let endpoint = Endpoint::from_shared(address.to_owned()).map_err(unusable)?;
        let is_tls = endpoint.uri().scheme_str() == Some("https");
        let mut endpoint = endpoint
            .connect_timeout(options.connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(options.keep_alive)
            .keep_alive_timeout(options.timeout)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        if is_tls {
            let tls = match &options.ca_pem {
                Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
                None => ClientTlsConfig::new().with_enabled_roots(),
            };
            endpoint = endpoint.tls_config(tls).map_err(unusable)?;
        }
        Ok(Self { name: address.to_owned(), channel: endpoint.connect_lazy() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn operator(self) -> OperatorServiceClient<Channel> {
        OperatorServiceClient::new(self.channel)
    }

    pub(crate) fn anchoring(self) -> AnchoringServiceClient<Channel> {
        AnchoringServiceClient::new(self.channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn status(self) -> StatusServiceClient<Channel> {
        StatusServiceClient::new(self.channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn registry(self) -> RegistryServiceClient<Channel> {
        RegistryServiceClient::new(self.channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn log(self) -> LogServiceClient<Channel> {
        LogServiceClient::new(self.channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

impl Backoff {
    /// How long to wait before the next try: not at all before another node is tried for the first time in a round.
    pub(crate) fn pause(&mut self, asked: Option<Duration>) -> Duration {
        self.tries += 1;
        if !self.tries.is_multiple_of(self.nodes) {
            return Duration::ZERO;
        }
        self.pause_here().max(asked.unwrap_or_default().min(RETRY_AFTER_MAX))
    }

    /// How long to wait before the next try at the same node.
    pub(crate) fn pause_here(&mut self) -> Duration {
        let own = self.next.min(PAUSE_MAX).mul_f64(0.5 + 0.5 * chance());
        self.next = self.next.saturating_mul(2).min(PAUSE_MAX);
        own
    }

    /// After a success the pauses begin anew.
    pub(crate) fn reset(&mut self, pause: Duration) {
        (self.next, self.tries) = (pause, 0);
    }
}

/// So far from now; a day where that is beyond all times.
pub(crate) fn deadline(after: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(after).unwrap_or(now + Duration::from_secs(24 * 60 * 60))
}

/// From 0 to 1; without a random source always the same.
fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX))
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.nodes.iter().map(|node| &node.name)).finish()
    }
}

/// The stream ended or broke: what a caller hears when nothing else is wrong.
pub(crate) fn stream_ended(node: &Node) -> Unavailable {
    Unavailable {
        node: node.name.clone(),
        reason: "UNREACHABLE".to_owned(),
        message: "the stream ended".to_owned(),
        retry_after: None,
    }
}
