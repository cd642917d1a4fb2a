//! Following the status of credentials.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use kvitto_proto::convert::{CredentialName, Moment};
use kvitto_proto::limits::WATCH_CREDENTIALS_MAX;
use kvitto_proto::v1;

use super::ProvenReceipt;
use crate::client::Client;
use crate::error::{BadAnswer, ClientError, LocalError};
use crate::pool::Node;
use crate::watch::Watch;

/// Which credential of those asked about, from 0, and its proved status. Ends with the first error.
pub type StatusWatch = BoxStream<'static, Result<(usize, ProvenReceipt), ClientError>>;

/// A stream's state: what was shown of each credential, as the size of the tree it was shown under.
struct Watching {
    client: Client,
    watch: Watch<v1::WatchStatusResponse>,
    names: Vec<CredentialName>,
    shown_under: Vec<u64>,
}

impl Client {
    /// The status of up to 256 anchored credentials, and from then on every change, each proved.
    ///
    /// It goes on at another node when one stops; the present status may then come again, but never an older one than before.
    ///
    /// # Errors
    /// [`LocalError::Request`] for no or too many credentials.
    pub fn watch_status(&self, names: &[CredentialName]) -> Result<StatusWatch, ClientError> {
        if !(1..=WATCH_CREDENTIALS_MAX).contains(&names.len()) {
            return Err(LocalError::Request("1 to 256 credentials are watched at once").into());
        }
        let credentials: Vec<v1::Credential> = names.iter().map(|name| (*name).into()).collect();
        let request = v1::WatchStatusRequest { credentials, omit_receipts: false };
        let open = move |node: Node| -> futures::future::BoxFuture<'static, _> {
            let request = request.clone();
            Box::pin(async move { node.status().watch_status(request).await })
        };
        let watching = Watching {
            client: self.clone(),
            watch: Watch::new(self.clone(), Arc::new(open)),
            names: names.to_vec(),
            shown_under: vec![0; names.len()],
        };
        let next = |watching: Option<Watching>| async move {
            let mut watching = watching?;
            match watching.next().await {
                Ok(shown) => Some((Ok(shown), Some(watching))),
                Err(error) => Some((Err(error), None)),
            }
        };
        Ok(stream::unfold(Some(watching), next).boxed())
    }
}

impl Watching {
    async fn next(&mut self) -> Result<(usize, ProvenReceipt), ClientError> {
        loop {
            let (node, answer) = self.watch.next().await?;
            let index = answer.index as usize;
            let Some((name, shown_under)) = self.names.get(index).zip(self.shown_under.get_mut(index)) else {
                return Err(self.client.pool().bad_answer(&node, BadAnswer::Mismatch("the credential")));
            };
            let proven = self.client.receipt_answer(&node, &answer.receipt, name, Moment::Newest).await?;
            let size = proven.verdict.checkpoint.size;
            if size >= *shown_under {
                *shown_under = size;
                return Ok((index, proven));
            }
        }
    }
}
