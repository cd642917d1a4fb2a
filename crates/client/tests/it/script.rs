//! A server whose `SubmitStream` follows a script: what it does with each statement of each stream.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use kvitto_client::SignedStatement;
use kvitto_ledger::StatementId;
use kvitto_proto::v1::anchoring_service_server::{AnchoringService, AnchoringServiceServer};
use kvitto_proto::v1::submit_stream_item::Item;
use kvitto_proto::v1::{
    GetOutcomeRequest, GetOutcomeResponse, Outcome, StatementResult, StatementState, SubmitRequest,
    SubmitResponse, SubmitStreamItem, SubmitStreamRequest, SubmitStreamResponse, SubmitStreamResult,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

/// What the server does: takes the number of the stream (from 0), its requests, and where its answers go.
pub(crate) type Play =
    fn(usize, Streaming<SubmitStreamRequest>, Answers) -> futures::future::BoxFuture<'static, ()>;

/// Where answers go.
pub(crate) type Answers = mpsc::Sender<Result<SubmitStreamResponse, Status>>;

/// The server.
#[derive(Clone)]
pub(crate) struct Script {
    play: Play,
    streams: Arc<Mutex<usize>>,
}

impl Script {
    /// Starts it; gives its address.
    pub(crate) async fn start(play: Play) -> (Self, String) {
        let script = Self { play, streams: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let server = Server::builder().add_service(AnchoringServiceServer::new(script.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (script, url)
    }

    pub(crate) fn streams(&self) -> usize {
        *self.streams.lock().unwrap()
    }
}

/// A statement for scripts: its bytes are its id.
pub(crate) fn statement(number: u64) -> SignedStatement {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    SignedStatement::known(StatementId(id), Bytes::copy_from_slice(&id))
}

/// "Final", about the statement in a request.
pub(crate) fn finished(request: &SubmitStreamRequest) -> SubmitStreamItem {
    let outcome = Outcome { height: 1, first_leaf: 3, leaves: 1, ..Outcome::default() };
    let result = StatementResult {
        statement_id: request.statement.clone(),
        state: StatementState::Final.into(),
        outcome: Some(outcome),
        ..StatementResult::default()
    };
    item(SubmitStreamResult { tag: request.tag, result: Some(result), ..SubmitStreamResult::default() })
}

/// "Send it again."
pub(crate) fn unavailable(request: &SubmitStreamRequest) -> SubmitStreamItem {
    let unavailable_reason = "MEMPOOL_FULL".to_owned();
    item(SubmitStreamResult { tag: request.tag, result: None, unavailable_reason })
}

pub(crate) fn item(result: SubmitStreamResult) -> SubmitStreamItem {
    SubmitStreamItem { item: Some(Item::Result(result)) }
}

pub(crate) async fn answer(answers: &Answers, items: Vec<SubmitStreamItem>) {
    // The client may have gone.
    let _ = answers.send(Ok(SubmitStreamResponse { items })).await;
}

#[tonic::async_trait]
impl AnchoringService for Script {
    async fn submit(&self, _: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        Err(Status::unimplemented("streams only"))
    }

    type SubmitStreamStream = BoxStream<'static, Result<SubmitStreamResponse, Status>>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        let number = {
            let mut streams = self.streams.lock().unwrap();
            *streams += 1;
            *streams - 1
        };
        let (answers, outbound) = mpsc::channel(16);
        tokio::spawn((self.play)(number, request.into_inner(), answers));
        Ok(Response::new(ReceiverStream::new(outbound).boxed()))
    }

    async fn get_outcome(
        &self,
        _: Request<GetOutcomeRequest>,
    ) -> Result<Response<GetOutcomeResponse>, Status> {
        Err(Status::unimplemented("streams only"))
    }
}
