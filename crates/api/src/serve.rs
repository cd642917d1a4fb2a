//! Puts services, layers and listeners together, serves, and drains at the end.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use kvitto_proto::DESCRIPTOR_SET;
use kvitto_proto::v1::anchoring_service_server::AnchoringServiceServer;
use kvitto_proto::v1::log_service_server::LogServiceServer;
use kvitto_proto::v1::operator_service_server::OperatorServiceServer;
use kvitto_proto::v1::registry_service_server::RegistryServiceServer;
use kvitto_proto::v1::status_service_server::StatusServiceServer;
use kvitto_storage::Read;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::codegen::http::{HeaderName, Method};
use tonic::service::Routes;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic_health::pb::health_server::{Health as HealthCheck, HealthServer};
use tonic_web::GrpcWebLayer;
use tower_http::cors::{Any, CorsLayer};

use crate::anchoring::Anchoring;
use crate::config::{Config, ConfigError};
use crate::connections::accept;
use crate::context::Context;
use crate::dossier::Dossier;
use crate::guard::GuardLayer;
use crate::log::Log;
use crate::node::{Peers, Submit};
use crate::notices::Notices;
use crate::operator::Operator;
use crate::places::{Kind, Places};
use crate::receipts::Receipts;
use crate::registry::Registry;
use crate::status::Statuses;

/// Where to listen. The caller binds, so that ports can be 0 and errors are its own.
#[derive(Debug)]
pub struct Listeners {
    /// For everybody.
    pub public: TcpListener,
    /// For the operator; must be bound to a loopback address.
    pub operator: Option<TcpListener>,
}

/// Why serving ended otherwise than by the signal to stop.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The configuration contradicts itself.
    #[error("the configuration of the services is not usable")]
    Config(#[from] ConfigError),
    /// The operator's listener can be reached from other machines.
    #[error("the operator's listener must be bound to a loopback address")]
    OperatorNotLoopback,
    /// A listener has no address.
    #[error("cannot read a listener's address")]
    Listener(#[source] io::Error),
    /// Certificate or key are not usable.
    #[error("the TLS certificate or key is not usable")]
    Tls(#[source] tonic::transport::Error),
    /// The descriptors that reflection answers from are not usable.
    #[error("the descriptors for reflection are not usable")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the transport failed")]
    Transport(#[source] tonic::transport::Error),
    /// Open requests did not finish in time after the signal to stop; their connections are cut when the process ends.
    #[error("open requests did not finish in time")]
    NotDrained,
}

/// Once nothing is asked any more, what was answered has this long to reach clients that close their connections when they are
/// told to; others are not waited for.
const LINGER: Duration = Duration::from_millis(500);

/// Serves until `shutdown` ends, then takes no new connections, ends streams, lets requests finish, and returns.
///
/// # Errors
/// [`ServeError`].
pub async fn serve<S: Submit, R: Read, P: Peers>(
    config: Config,
    listeners: Listeners,
    submit: S,
    read: R,
    peers: P,
    notices: Notices,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    config.check()?;
    check_loopback(listeners.operator.as_ref())?;
    let drain_max = config.drain_max;
    let (stop, draining) = watch::channel(false);
    let context = Arc::new(Context {
        read: read.clone(),
        receipts: Receipts::default(),
        notices,
        streams: Places::new(Kind::Stream, config.open_streams_max),
        draining: draining.clone(),
        config,
    });
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let health = crate::health::report(reporter, peers.health(), draining.clone());
    let routes = public_routes(submit, peers.evidence(), &context, health_service)?;
    let (public_guard, operator_guard) = (GuardLayer::new(&context.config), GuardLayer::new(&context.config));
    let quiet = async {
        tokio::join!(public_guard.quiet(), operator_guard.quiet());
        context.streams.all_free().await;
        tokio::time::sleep(LINGER).await;
    };
    let public =
        serve_public(&context.config, listeners.public, routes, public_guard.clone(), draining.clone());
    let operator = Operator { read, peers };
    let operator =
        serve_operator(&context.config, listeners.operator, operator, operator_guard.clone(), draining);
    let mut servers = std::pin::pin!(async { tokio::try_join!(public, operator).map(|_| ()) });
    let mut health = std::pin::pin!(futures::FutureExt::fuse(health));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            ended = &mut servers => return ended,
            () = &mut health => {}
            () = &mut shutdown => break,
        }
    }
    stop.send_replace(true);
    let drained = async {
        tokio::select! {
            ended = servers => ended,
            () = quiet => Ok(()),
            () = async { health.await; std::future::pending().await } => unreachable!("pending never ends"),
        }
    };
    tokio::time::timeout(drain_max, drained).await.unwrap_or(Err(ServeError::NotDrained))
}

fn check_loopback(operator: Option<&TcpListener>) -> Result<(), ServeError> {
    let Some(operator) = operator else { return Ok(()) };
    match operator.local_addr().map_err(ServeError::Listener)?.ip().is_loopback() {
        true => Ok(()),
        false => Err(ServeError::OperatorNotLoopback),
    }
}

fn public_routes<S: Submit, R: Read>(
    submit: S,
    evidence: Dossier,
    context: &Arc<Context<R>>,
    health: HealthServer<impl HealthCheck>,
) -> Result<Routes, ServeError> {
    let config = &context.config;
    let (small, large) = (config.request_bytes_max, config.submit_bytes_max);
    let context = || context.clone();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(ServeError::Reflection)?;
    let anchoring = AnchoringServiceServer::new(Anchoring { submit, context: context() });
    let registry = RegistryServiceServer::new(Registry { context: context() });
    let status = StatusServiceServer::new(Statuses { context: context() });
    let log = LogServiceServer::new(Log { evidence, context: context() });
    Ok(Routes::new(anchoring.max_decoding_message_size(large))
        .add_service(status.max_decoding_message_size(small))
        .add_service(registry.max_decoding_message_size(small))
        .add_service(log.max_decoding_message_size(small))
        .add_service(health.max_decoding_message_size(small))
        .add_service(reflection.max_decoding_message_size(small)))
}

async fn serve_public(
    config: &Config,
    listener: TcpListener,
    routes: Routes,
    guard: GuardLayer,
    draining: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    let mut server = server(config);
    if let Some(tls) = &config.tls {
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(&tls.certificate_pem, &tls.key_pem))
            .timeout(config.tls_handshake_max);
        server = server.tls_config(tls).map_err(ServeError::Tls)?;
    }
    server
        // Browsers speak gRPC-Web, also over HTTP/1.1.
        .accept_http1(true)
        .layer(cors())
        .layer(GrpcWebLayer::new())
        .layer(guard)
        .add_routes(routes)
        .serve_with_incoming_shutdown(accept(listener, config), until_draining(draining))
        .await
        .map_err(ServeError::Transport)
}

async fn serve_operator<R: Read, P: Peers>(
    config: &Config,
    listener: Option<TcpListener>,
    operator: Operator<R, P>,
    guard: GuardLayer,
    draining: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    let Some(listener) = listener else { return Ok(()) };
    let operator = OperatorServiceServer::new(operator).max_decoding_message_size(config.request_bytes_max);
    server(config)
        .layer(guard)
        .add_service(operator)
        .serve_with_incoming_shutdown(accept(listener, config), until_draining(draining))
        .await
        .map_err(ServeError::Transport)
}

/// Limits of the transport. The kernel's TCP options are set where connections are accepted.
fn server(config: &Config) -> Server {
    Server::builder()
        .concurrency_limit_per_connection(config.streams_per_connection_max as usize)
        .max_concurrent_streams(config.streams_per_connection_max)
        .max_connection_age(config.connection_age_max)
        .http2_keepalive_interval(Some(config.keepalive_interval))
        .http2_keepalive_timeout(Some(config.keepalive_timeout))
        .http2_max_header_list_size(config.header_bytes_max)
        .http2_max_pending_accept_reset_streams(Some(config.pending_resets_max))
        .http2_max_local_error_reset_streams(Some(config.local_resets_max))
        .initial_stream_window_size(config.stream_window_bytes)
        .initial_connection_window_size(config.connection_window_bytes)
}

/// Reads are anonymous and statements carry their own signatures, so any page may call. No credentials are involved.
fn cors() -> CorsLayer {
    let exposed = ["grpc-status", "grpc-message", "grpc-status-details-bin"].map(HeaderName::from_static);
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::POST])
        .allow_headers(Any)
        .expose_headers(exposed)
}

async fn until_draining(mut draining: watch::Receiver<bool>) {
    // An error means that `serve` is gone, which is as good a reason to stop.
    let _ = draining.wait_for(|draining| *draining).await;
}
