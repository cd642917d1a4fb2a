//! A stream of a node's answers that goes on at another node when it breaks.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Response, Status, Streaming};

use crate::client::Client;
use crate::error::ClientError;
use crate::pool::{Backoff, Node, deadline, stream_ended};

/// Opens the stream at a node.
pub(crate) type Open<T> =
    Arc<dyn Fn(Node) -> BoxFuture<'static, Result<Response<Streaming<T>>, Status>> + Send + Sync>;

/// A stream of answers, reopened as long as nodes are to be had.
pub(crate) struct Watch<T> {
    client: Client,
    open: Open<T>,
    current: Option<(Node, Streaming<T>)>,
    backoff: Backoff,
    /// When to give up, once nobody answers.
    give_up: Option<Instant>,
}

impl<T> Watch<T> {
    pub(crate) fn new(client: Client, open: Open<T>) -> Self {
        let backoff = client.pool().backoff();
        Self { client, open, current: None, backoff, give_up: None }
    }

    /// The next answer. After a break the stream begins anew, so answers may come again.
    pub(crate) async fn next(&mut self) -> Result<(Node, T), ClientError> {
        loop {
            match self.step().await {
                Ok(Some(answer)) => {
                    self.give_up = None;
                    self.backoff.reset(self.client.options().retry_pause);
                    return Ok(answer);
                }
                Ok(None) => {}
                Err((node, ClientError::Unavailable(unavailable))) => {
                    self.current = None;
                    self.client.pool().avoid(&node);
                    let give_up = deadline(self.client.pool().retry_for());
                    let give_up = *self.give_up.get_or_insert(give_up);
                    let pause = self.backoff.pause(unavailable.retry_after);
                    if Instant::now() + pause >= give_up {
                        return Err(unavailable.into());
                    }
                    sleep(pause).await;
                }
                Err((_, error)) => return Err(error),
            }
        }
    }

    /// Opens the stream, or takes one answer from it.
    async fn step(&mut self) -> Result<Option<(Node, T)>, (Node, ClientError)> {
        if let Some((node, stream)) = &mut self.current {
            return match stream.message().await {
                Ok(Some(answer)) => Ok(Some((node.clone(), answer))),
                Ok(None) => Err((node.clone(), stream_ended(node).into())),
                Err(status) => Err((node.clone(), ClientError::of_status(node.name(), &status))),
            };
        }
        let node = self.client.pool().preferred();
        let time = self.client.pool().timeout();
        match timeout(time, (self.open)(node.clone())).await {
            Ok(Ok(response)) => {
                self.current = Some((node, response.into_inner()));
                Ok(None)
            }
            Ok(Err(status)) => Err((node.clone(), ClientError::of_status(node.name(), &status))),
            Err(_) => Err((node.clone(), ClientError::timeout(node.name(), time))),
        }
    }
}
