//! Reading: status with proof from one node over gRPC, and checking a receipt with no node at all.

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use kvitto_client::{Client, CredentialName, Options};
use kvitto_ledger::{LeafIndex, RecordBody};
use kvitto_proto::v1;
use kvitto_proto::v1::status_service_client::StatusServiceClient;
use kvitto_tests::world::World;
use kvitto_verifier::{Question, Receipt, TrustFile, verify};
use tonic::transport::Channel;

use crate::TYPE;

/// How long each is measured.
const TIME: Duration = Duration::from_secs(5);
/// Questions under way at once, and connections over which they go: verifiers do not share one.
const CALLS_AT_ONCE: usize = 16;
const CONNECTIONS: usize = 4;
/// Places of the log from which credentials are taken that are asked about, and leaves taken from each.
const SAMPLES: u64 = 16;
const SAMPLE_LEAVES: u32 = 256;
const MAX_AGE_S: u64 = 24 * 60 * 60;
const CREDENTIAL: &str = include_str!("../../../node/samples/microcredential.json");

/// `GetStatus` with full proof, per second, from one node: the generated gRPC client; the answers are not verified.
pub(crate) async fn statuses_per_s(world: &World) -> Result<f64> {
    let url = world.cluster.url(0);
    let credentials = credentials(world, &url).await?;
    let endpoint = Channel::from_shared(url)?;
    let channels: Vec<Channel> = stream::repeat(endpoint)
        .take(CONNECTIONS)
        .then(|endpoint| async move { endpoint.connect().await })
        .try_collect()
        .await?;
    let start = Instant::now();
    let calls = stream::iter(credentials.into_iter().cycle().zip(channels.into_iter().cycle()))
        .take_while(|_| std::future::ready(start.elapsed() < TIME))
        .map(|(credential, channel)| {
            let mut node = StatusServiceClient::new(channel);
            let request = v1::GetStatusRequest { credential: Some(credential), ..Default::default() };
            async move { node.get_status(request).await.map(|answer| answer.into_inner().receipt.len()) }
        });
    let answered = calls.buffer_unordered(CALLS_AT_ONCE).try_fold(0_u64, |count, receipt_bytes| {
        assert!(receipt_bytes > 0, "the answer holds a receipt");
        std::future::ready(Ok(count + 1))
    });
    Ok(answered.await? as f64 / start.elapsed().as_secs_f64())
}

/// Credentials from all over the log, by issuer and commitment, as verifiers ask.
async fn credentials(world: &World, url: &str) -> Result<Vec<v1::Credential>> {
    let client = Client::connect(&[url], trust(world)?, Options::default())?;
    let size = client.checkpoint().await?.size();
    let mut found = Vec::new();
    for sample in 0..SAMPLES {
        let entries = client.entries(LeafIndex(size * sample / SAMPLES), SAMPLE_LEAVES).await?;
        found.extend(entries.records().filter_map(|(_, record)| match record?.body {
            RecordBody::Anchored(anchored) => {
                let (issuer, commitment) = (anchored.issuer, anchored.commitment);
                Some(v1::Credential::from(CredentialName::Commitment { issuer, commitment }))
            }
            _ => None,
        }));
    }
    ensure!(!found.is_empty(), "the log holds credentials");
    Ok(found)
}

/// Milliseconds to read a receipt file and verify it with its credential, on one core.
pub(crate) async fn verification_ms(world: &World) -> Result<f64> {
    let file = world.path("credential.json");
    std::fs::write(&file, CREDENTIAL)?;
    let [file, register] = [file, world.path("register")].map(|path| path.display().to_string());
    let words = ["anchor", &file, "--register", &register, "--type", TYPE];
    world.succeed(0, &world.school(), &words).await?;
    let receipt = std::fs::read(world.path("credential.kvitto"))?;
    let trust = trust(world)?;
    let question = Question::now(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(), MAX_AGE_S);
    let check = || -> Result<_> {
        let receipt = Receipt::from_json(&receipt)?;
        Ok(verify(&receipt, Some(CREDENTIAL.as_bytes()), &trust, &question)?)
    };
    check().context("the receipt of a credential that was anchored just now verifies")?;
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < TIME / 5 {
        black_box(check()?);
        count += 1;
    }
    Ok(start.elapsed().as_secs_f64() * 1000.0 / f64::from(count))
}

fn trust(world: &World) -> Result<TrustFile> {
    Ok(TrustFile::from_json(&std::fs::read(world.sandbox.trust_file())?)?)
}
