//! How fast the services are, client and server together on one core, in front of a node in memory:
//! `cargo run --release -p kvitto-api --example throughput`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use kvitto_api::testing::MemoryNode;
use kvitto_api::{Admitted, Config, Listeners, Notices, Submit, SubmitError, serve};
use kvitto_ledger::state::Outcome;
use kvitto_ledger::testing::{Actor, commitment};
use kvitto_ledger::{Height, LeafIndex, StatementId, TimeMs};
use kvitto_proto::v1;
use tokio::net::TcpListener;
use tonic::transport::Channel;

const CREDENTIALS: u64 = 4_000;
const STATUS_CALLS: u64 = 20_000;
const STATEMENTS: u64 = 100_000;
const CALLS_AT_ONCE: usize = 32;
const BLOCK_INTERVAL: Duration = Duration::from_millis(100);

/// Takes everything and checks nothing: what remains is the cost of the services.
#[derive(Clone, Default)]
struct TakesAll {
    taken: Arc<AtomicU64>,
}

impl Submit for TakesAll {
    async fn submit(&self, _: Bytes) -> Result<Admitted, SubmitError> {
        Ok(Admitted::Accepted(statement_id(self.taken.fetch_add(1, Ordering::Relaxed))))
    }

    fn is_waiting(&self, _: &StatementId) -> bool {
        true
    }
}

fn statement_id(number: u64) -> StatementId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    StatementId(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = MemoryNode::with_school(4);
    let school = Actor::new("school");
    node.act(&school, school.anchors((0..CREDENTIALS).map(commitment)));
    let (submit, notices) = (TakesAll::default(), Notices::default());
    let public = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", public.local_addr()?);
    let listeners = Listeners { public, operator: None };
    let (read, at_end) = (node.reader().clone(), std::future::pending());
    tokio::spawn(serve(Config::default(), listeners, submit.clone(), read, node, notices.clone(), at_end));
    tokio::spawn(publish(submit, notices));
    let channel = Channel::from_shared(url)?.connect().await?;
    statuses(channel.clone(), &school).await?;
    submissions(channel).await
}

/// Every 100 ms what was taken becomes final.
async fn publish(submit: TakesAll, notices: Notices) {
    let mut published = 0;
    loop {
        tokio::time::sleep(BLOCK_INTERVAL).await;
        let taken = submit.taken.load(Ordering::Relaxed);
        let outcome = Outcome {
            height: Height(0),
            time: TimeMs(0),
            index: 0,
            first_leaf: LeafIndex(0),
            leaves: 1,
            exceptions: Vec::new(),
        };
        notices
            .committed(Height(0), (published..taken).map(|number| (statement_id(number), outcome.clone())));
        notices.published(Height(0));
        published = taken;
    }
}

async fn statuses(channel: Channel, school: &Actor) -> Result<(), Box<dyn std::error::Error>> {
    let issuer_did = school.did.to_string();
    let started = Instant::now();
    let calls = stream::iter(0..STATUS_CALLS).map(|call| {
        let mut client = v1::status_service_client::StatusServiceClient::new(channel.clone());
        let name = v1::credential::Name::Commitment(v1::IssuedCommitment {
            issuer_did: issuer_did.clone(),
            commitment: commitment(call % CREDENTIALS).0.to_vec().into(),
        });
        let credential = Some(v1::Credential { name: Some(name) });
        async move {
            let request = v1::GetStatusRequest { credential, ..Default::default() };
            client.get_status(request).await.map(|answer| answer.into_inner().receipt.len())
        }
    });
    let lengths: Vec<_> = calls.buffer_unordered(CALLS_AT_ONCE).collect().await;
    let bytes = lengths.into_iter().sum::<Result<usize, _>>()?;
    let per_second = STATUS_CALLS as f64 / started.elapsed().as_secs_f64();
    println!("GetStatus with proof: {per_second:.0} a second, {} bytes each", bytes as u64 / STATUS_CALLS);
    Ok(())
}

async fn submissions(channel: Channel) -> Result<(), Box<dyn std::error::Error>> {
    let statement = Bytes::from(vec![0; 400]);
    let requests = stream::iter(0..STATEMENTS).map(move |tag| v1::SubmitStreamRequest {
        statement: statement.clone(),
        tag,
        ..Default::default()
    });
    let started = Instant::now();
    let mut client = v1::anchoring_service_client::AnchoringServiceClient::new(channel);
    let mut answers = client.submit_stream(requests).await?.into_inner();
    let mut answered = 0;
    while let Some(batch) = answers.message().await? {
        answered += batch.items.len();
    }
    let per_second = answered as f64 / started.elapsed().as_secs_f64();
    println!("SubmitStream to FINAL, admission for nothing: {per_second:.0} a second");
    Ok(())
}
