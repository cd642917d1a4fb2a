//! The beginning of a ledger as a node shows it: what a trust file is made from before there is one to check it with.

use kvitto_ledger::codec::decode_strict;
use kvitto_ledger::genesis::GENESIS_BYTES_MAX;
use kvitto_ledger::{Genesis, Record, RecordBody};
use kvitto_proto::v1;
use kvitto_verifier::TrustFile;

use crate::error::{BadAnswer, ClientError};
use crate::options::Options;
use crate::pool::{Node, Pool, Reply};
use crate::unproved::Unproved;

/// The trust file that follows from a node's first leaf. It is worth what the node's word is worth, until its ledger id was
/// compared with the one that the consortium publishes elsewhere.
///
/// # Errors
/// [`ClientError`]; a [`BadAnswer`] where the first leaf is not a genesis that holds together.
pub async fn trust_as_said(
    endpoints: &[impl AsRef<str>],
    options: &Options,
) -> Result<Unproved<TrustFile>, ClientError> {
    let endpoints: Vec<&str> = endpoints.iter().map(AsRef::as_ref).collect();
    let pool = Pool::new(&endpoints, options)?;
    let request = v1::GetEntriesRequest { first_leaf: 0, count: 1 };
    let ask = |node: Node| async move { node.log().get_entries(request).await };
    let Reply { node, answer } = pool.call(ask).await?;
    let trust = answer.leaves.first().and_then(|leaf| read(leaf));
    let trust = trust.ok_or_else(|| pool.bad_answer(&node, BadAnswer::Mismatch("the first leaf")))?;
    Ok(Unproved::new(trust))
}

fn read(leaf: &[u8]) -> Option<TrustFile> {
    let RecordBody::Genesis(record) = Record::decode(leaf).ok()?.body else { return None };
    let genesis: Genesis = decode_strict(&record.genesis, GENESIS_BYTES_MAX).ok()?;
    let trust = TrustFile::from_genesis(genesis).ok()?;
    (trust.ledger_id() == record.ledger_id).then_some(trust)
}
