//! A server between the client and an honest node. It hands everything on, and may change answers or refuse calls first.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::ready;
use futures::stream::BoxStream;
use kvitto_proto::v1::anchoring_service_client::AnchoringServiceClient;
use kvitto_proto::v1::anchoring_service_server::{AnchoringService, AnchoringServiceServer};
use kvitto_proto::v1::log_service_client::LogServiceClient;
use kvitto_proto::v1::log_service_server::{LogService, LogServiceServer};
use kvitto_proto::v1::registry_service_client::RegistryServiceClient;
use kvitto_proto::v1::registry_service_server::{RegistryService, RegistryServiceServer};
use kvitto_proto::v1::status_service_client::StatusServiceClient;
use kvitto_proto::v1::status_service_server::{StatusService, StatusServiceServer};
use kvitto_proto::v1::*;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

/// Changes an answer.
pub(crate) type Twist<T> = Option<Arc<dyn Fn(&mut T) + Send + Sync>>;

/// What the proxy does to answers.
#[derive(Clone, Default)]
pub(crate) struct Twists {
    pub(crate) submit: Twist<SubmitResponse>,
    pub(crate) streamed: Twist<SubmitStreamResponse>,
    pub(crate) outcome: Twist<GetOutcomeResponse>,
    pub(crate) status: Twist<GetStatusResponse>,
    pub(crate) receipt: Twist<GetReceiptResponse>,
    pub(crate) batch: Twist<BatchGetStatusResponse>,
    pub(crate) watched_status: Twist<WatchStatusResponse>,
    pub(crate) checkpoint: Twist<GetCheckpointResponse>,
    pub(crate) entries: Twist<GetEntriesResponse>,
    pub(crate) inclusion: Twist<GetInclusionProofResponse>,
    pub(crate) consistency: Twist<GetConsistencyProofResponse>,
    pub(crate) evidence_list: Twist<ListEvidenceResponse>,
    pub(crate) evidence: Twist<GetEvidenceResponse>,
    pub(crate) identifier: Twist<GetIdentifierResponse>,
    pub(crate) issuer: Twist<GetIssuerResponse>,
    pub(crate) accreditation: Twist<GetAccreditationResponse>,
    pub(crate) chain: Twist<GetTrustChainResponse>,
}

/// A proxy and its memory.
#[derive(Clone)]
pub(crate) struct Proxy {
    upstream: Channel,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    twists: Twists,
    /// Errors to answer the next calls with.
    failures: VecDeque<Status>,
    calls: usize,
    /// Every statement that came in, in order.
    submitted: Vec<Bytes>,
    /// Served as evidence, whatever is asked for.
    evidence: Option<Bytes>,
}

impl Proxy {
    /// A proxy in front of the node at `upstream`; its own address too.
    pub(crate) async fn start(upstream: &str) -> (Self, String) {
        Self::at(upstream, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(crate) async fn at(upstream: &str, address: SocketAddr) -> (Self, String) {
        let upstream = Endpoint::from_shared(upstream.to_owned()).expect("a URL").connect_lazy();
        let proxy = Self { upstream, state: Arc::default() };
        let listener = TcpListener::bind(address).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let server = Server::builder()
            .add_service(AnchoringServiceServer::new(proxy.clone()))
            .add_service(StatusServiceServer::new(proxy.clone()))
            .add_service(RegistryServiceServer::new(proxy.clone()))
            .add_service(LogServiceServer::new(proxy.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (proxy, url)
    }

    pub(crate) fn twist(&self, twists: Twists) {
        self.state.lock().unwrap().twists = twists;
    }

    /// Serves this as evidence, whatever is asked for.
    pub(crate) fn answer_evidence(&self, file: Bytes) {
        self.state.lock().unwrap().evidence = Some(file);
    }

    /// Answers the next calls with these errors.
    pub(crate) fn fail(&self, failures: impl IntoIterator<Item = Status>) {
        self.state.lock().unwrap().failures.extend(failures);
    }

    pub(crate) fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }

    pub(crate) fn submitted(&self) -> Vec<Bytes> {
        self.state.lock().unwrap().submitted.clone()
    }

    fn admit(&self) -> Result<Twists, Status> {
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        match state.failures.pop_front() {
            Some(failure) => Err(failure),
            None => Ok(state.twists.clone()),
        }
    }
}

fn twisted<T>(twist: &Twist<T>, mut response: Response<T>) -> Response<T> {
    if let Some(twist) = twist {
        twist(response.get_mut());
    }
    response
}

type Answers<T> = BoxStream<'static, Result<T, Status>>;

fn twisted_stream<T: Send + 'static>(
    twist: Twist<T>,
    response: Response<Streaming<T>>,
) -> Response<Answers<T>> {
    let each = move |answer: Result<T, Status>| {
        answer.map(|mut answer| {
            if let Some(twist) = &twist {
                twist(&mut answer);
            }
            answer
        })
    };
    Response::new(response.into_inner().map(each).boxed())
}

#[tonic::async_trait]
impl AnchoringService for Proxy {
    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        self.state.lock().unwrap().submitted.push(request.get_ref().statement.clone());
        let twists = self.admit()?;
        let answer = AnchoringServiceClient::new(self.upstream.clone()).submit(request.into_inner()).await?;
        Ok(twisted(&twists.submit, answer))
    }

    type SubmitStreamStream = Answers<SubmitStreamResponse>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        let twists = self.admit()?;
        let requests = request.into_inner().filter_map(|request| ready(request.ok()));
        let answers = AnchoringServiceClient::new(self.upstream.clone()).submit_stream(requests).await?;
        Ok(twisted_stream(twists.streamed, answers))
    }

    async fn get_outcome(
        &self,
        request: Request<GetOutcomeRequest>,
    ) -> Result<Response<GetOutcomeResponse>, Status> {
        let twists = self.admit()?;
        let answer =
            AnchoringServiceClient::new(self.upstream.clone()).get_outcome(request.into_inner()).await?;
        Ok(twisted(&twists.outcome, answer))
    }
}

#[tonic::async_trait]
impl StatusService for Proxy {
    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let twists = self.admit()?;
        let answer = StatusServiceClient::new(self.upstream.clone()).get_status(request.into_inner()).await?;
        Ok(twisted(&twists.status, answer))
    }

    type BatchGetStatusStream = Answers<BatchGetStatusResponse>;

    async fn batch_get_status(
        &self,
        request: Request<BatchGetStatusRequest>,
    ) -> Result<Response<Self::BatchGetStatusStream>, Status> {
        let twists = self.admit()?;
        let answers =
            StatusServiceClient::new(self.upstream.clone()).batch_get_status(request.into_inner()).await?;
        Ok(twisted_stream(twists.batch, answers))
    }

    async fn get_receipt(
        &self,
        request: Request<GetReceiptRequest>,
    ) -> Result<Response<GetReceiptResponse>, Status> {
        let twists = self.admit()?;
        let answer =
            StatusServiceClient::new(self.upstream.clone()).get_receipt(request.into_inner()).await?;
        Ok(twisted(&twists.receipt, answer))
    }

    type WatchStatusStream = Answers<WatchStatusResponse>;

    async fn watch_status(
        &self,
        request: Request<WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        let twists = self.admit()?;
        let answers =
            StatusServiceClient::new(self.upstream.clone()).watch_status(request.into_inner()).await?;
        Ok(twisted_stream(twists.watched_status, answers))
    }
}

#[tonic::async_trait]
impl RegistryService for Proxy {
    async fn get_identifier(
        &self,
        request: Request<GetIdentifierRequest>,
    ) -> Result<Response<GetIdentifierResponse>, Status> {
        let twists = self.admit()?;
        let answer =
            RegistryServiceClient::new(self.upstream.clone()).get_identifier(request.into_inner()).await?;
        Ok(twisted(&twists.identifier, answer))
    }

    async fn list_identifiers(
        &self,
        request: Request<ListIdentifiersRequest>,
    ) -> Result<Response<ListIdentifiersResponse>, Status> {
        self.admit()?;
        RegistryServiceClient::new(self.upstream.clone()).list_identifiers(request.into_inner()).await
    }

    async fn get_issuer(
        &self,
        request: Request<GetIssuerRequest>,
    ) -> Result<Response<GetIssuerResponse>, Status> {
        let twists = self.admit()?;
        let answer =
            RegistryServiceClient::new(self.upstream.clone()).get_issuer(request.into_inner()).await?;
        Ok(twisted(&twists.issuer, answer))
    }

    async fn get_accreditation(
        &self,
        request: Request<GetAccreditationRequest>,
    ) -> Result<Response<GetAccreditationResponse>, Status> {
        let twists = self.admit()?;
        let answer =
            RegistryServiceClient::new(self.upstream.clone()).get_accreditation(request.into_inner()).await?;
        Ok(twisted(&twists.accreditation, answer))
    }

    async fn list_accreditations(
        &self,
        request: Request<ListAccreditationsRequest>,
    ) -> Result<Response<ListAccreditationsResponse>, Status> {
        self.admit()?;
        RegistryServiceClient::new(self.upstream.clone()).list_accreditations(request.into_inner()).await
    }

    async fn get_trust_chain(
        &self,
        request: Request<GetTrustChainRequest>,
    ) -> Result<Response<GetTrustChainResponse>, Status> {
        let twists = self.admit()?;
        let answer =
            RegistryServiceClient::new(self.upstream.clone()).get_trust_chain(request.into_inner()).await?;
        Ok(twisted(&twists.chain, answer))
    }
}

#[tonic::async_trait]
impl LogService for Proxy {
    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        let twists = self.admit()?;
        let answer =
            LogServiceClient::new(self.upstream.clone()).get_checkpoint(request.into_inner()).await?;
        Ok(twisted(&twists.checkpoint, answer))
    }

    type WatchCheckpointsStream = Answers<WatchCheckpointsResponse>;

    async fn watch_checkpoints(
        &self,
        request: Request<WatchCheckpointsRequest>,
    ) -> Result<Response<Self::WatchCheckpointsStream>, Status> {
        self.admit()?;
        let answers =
            LogServiceClient::new(self.upstream.clone()).watch_checkpoints(request.into_inner()).await?;
        Ok(twisted_stream(None, answers))
    }

    async fn get_entries(
        &self,
        request: Request<GetEntriesRequest>,
    ) -> Result<Response<GetEntriesResponse>, Status> {
        let twists = self.admit()?;
        let answer = LogServiceClient::new(self.upstream.clone()).get_entries(request.into_inner()).await?;
        Ok(twisted(&twists.entries, answer))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<GetInclusionProofRequest>,
    ) -> Result<Response<GetInclusionProofResponse>, Status> {
        let twists = self.admit()?;
        let answer =
            LogServiceClient::new(self.upstream.clone()).get_inclusion_proof(request.into_inner()).await?;
        Ok(twisted(&twists.inclusion, answer))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<GetConsistencyProofRequest>,
    ) -> Result<Response<GetConsistencyProofResponse>, Status> {
        let twists = self.admit()?;
        let answer =
            LogServiceClient::new(self.upstream.clone()).get_consistency_proof(request.into_inner()).await?;
        Ok(twisted(&twists.consistency, answer))
    }

    async fn list_evidence(
        &self,
        request: Request<ListEvidenceRequest>,
    ) -> Result<Response<ListEvidenceResponse>, Status> {
        let twists = self.admit()?;
        let answer = LogServiceClient::new(self.upstream.clone()).list_evidence(request.into_inner()).await?;
        Ok(twisted(&twists.evidence_list, answer))
    }

    async fn get_evidence(
        &self,
        request: Request<GetEvidenceRequest>,
    ) -> Result<Response<GetEvidenceResponse>, Status> {
        let twists = self.admit()?;
        if let Some(file) = self.state.lock().unwrap().evidence.clone() {
            return Ok(Response::new(GetEvidenceResponse { file }));
        }
        let answer = LogServiceClient::new(self.upstream.clone()).get_evidence(request.into_inner()).await?;
        Ok(twisted(&twists.evidence, answer))
    }
}
