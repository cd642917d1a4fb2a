//! An answer about the newest state is not older than what this client had seen when it asked.
//!
//! Each answer proves its own tree only: a node that replays an old one shows what was true, and hides what came since.

use std::future::Future;
use std::time::Duration;

use kvitto_proto::convert::Moment;
use tonic::{Response, Status};

use crate::client::Client;
use crate::error::{ClientError, Unavailable};
use crate::pool::{Node, once};

/// A checked answer, with the number of leaves of the tree that proves it; `None` where nothing does.
pub(crate) struct Checked<T> {
    pub(crate) answer: T,
    pub(crate) size: Option<u64>,
}

impl Client {
    /// Asks nodes in turn and checks what they answer. Asked about [`Moment::Newest`], a node that shows a smaller tree than had
    /// been seen before is behind, and the next one is asked.
    pub(crate) async fn ask<A, T, R, C>(
        &self,
        at: Moment,
        time: Duration,
        request: impl Fn(Node) -> R,
        check: impl Fn(Node, A) -> C,
    ) -> Result<T, ClientError>
    where
        R: Future<Output = Result<Response<A>, Status>>,
        C: Future<Output = Result<Checked<T>, ClientError>>,
    {
        let seen_size =
            self.heads().newest().filter(|_| at == Moment::Newest).map_or(0, |seen| seen.tree.size);
        let attempt = |node: Node| {
            let (request, check) = (request(node.clone()), &check);
            async move {
                let answer = once(&node, time, request).await?;
                match check(node.clone(), answer).await {
                    Ok(Checked { size: Some(size), .. }) if size < seen_size => {
                        Err(behind(&node, size, seen_size).into())
                    }
                    // Whatever else is wrong with it is this node's answer, and no reason to ask another one.
                    checked => Ok(checked.map(|checked| checked.answer)),
                }
            }
        };
        self.pool().attempt(attempt).await?
    }
}

fn behind(node: &Node, size: u64, seen_size: u64) -> Unavailable {
    Unavailable {
        node: node.name().to_owned(),
        reason: "NODE_BEHIND".to_owned(),
        message: format!("it shows a log of {size} leaves, and one of {seen_size} has been seen before"),
        retry_after: None,
    }
}
