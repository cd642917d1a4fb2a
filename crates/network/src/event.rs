//! What the network tells its consumer, and the two things the consumer owes it in return.

use bytes::Bytes;
use libp2p::gossipsub::{MessageAcceptance, MessageId};
use libp2p::request_response::ResponseChannel;
use tokio::sync::mpsc;

use crate::identity::PeerId;
use crate::topic::Topic;

/// Something that happened on the network.
#[derive(Debug)]
pub enum Event {
    /// A gossip message, new to this node. Its author signed it; nothing else about it has been checked.
    Gossip {
        /// What it is about.
        topic: Topic,
        /// The admitted peer that signed it.
        from: PeerId,
        /// The peer it came through, which answers for it.
        via: PeerId,
        /// The payload, within the topic's limit.
        message: Bytes,
        /// Owed: an answer. Only [`Verdict::Accept`] makes the message travel on.
        token: ValidationToken,
    },
    /// A request, or a one-way push (which wants an empty answer).
    Request {
        /// Who asks.
        from: PeerId,
        /// The payload, within the limit for requests.
        message: Bytes,
        /// Owed: an answer within the request timeout.
        reply: ReplyHandle,
    },
    /// The peer is connected and listens to every topic: what is sent from now on reaches it.
    PeerUp(PeerId),
    /// The peer that was up is not any more.
    PeerDown(PeerId),
}

/// What the consumer found about a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Good: forward it.
    Accept,
    /// No honest peer would have forwarded it: drop it, and count it against whoever did.
    Reject,
    /// Of no use here, or nothing can be said: drop it without blame.
    Ignore,
}

impl From<Verdict> for MessageAcceptance {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Reject => MessageAcceptance::Reject,
            Verdict::Ignore => MessageAcceptance::Ignore,
        }
    }
}

/// The right to say, once, what becomes of a gossip message. Dropped, it says [`Verdict::Ignore`].
///
/// The message is kept for forwarding for about 3 s; a later `Accept` is recorded and forwards nothing.
#[derive(Debug)]
pub struct ValidationToken {
    /// `None` once answered.
    message: Option<GossipId>,
    feedback: mpsc::Sender<Feedback>,
}

/// Names a message towards gossipsub.
#[derive(Debug)]
pub(crate) struct GossipId {
    pub(crate) topic: Topic,
    pub(crate) id: MessageId,
    pub(crate) via: libp2p::PeerId,
}

impl ValidationToken {
    pub(crate) fn new(message: GossipId, feedback: mpsc::Sender<Feedback>) -> Self {
        Self { message: Some(message), feedback }
    }

    /// Answers. Never waits.
    pub fn answer(mut self, verdict: Verdict) {
        self.give(verdict);
    }

    fn give(&mut self, verdict: Verdict) {
        if let Some(message) = self.message.take() {
            // Never full: it has a place for every unanswered token. Closed: the network has stopped.
            let _ = self.feedback.try_send(Feedback::Verdict { message, verdict });
        }
    }
}

impl Drop for ValidationToken {
    fn drop(&mut self) {
        self.give(Verdict::Ignore);
    }
}

/// The right to answer a request once. Dropped, it closes the stream, and the requester sees a refusal.
#[derive(Debug)]
pub struct ReplyHandle {
    from: PeerId,
    /// `None` once answered.
    channel: Option<ResponseChannel<Bytes>>,
    response_bytes_max: usize,
    feedback: mpsc::Sender<Feedback>,
}

impl ReplyHandle {
    pub(crate) fn new(
        from: PeerId,
        channel: ResponseChannel<Bytes>,
        response_bytes_max: usize,
        feedback: mpsc::Sender<Feedback>,
    ) -> Self {
        Self { from, channel: Some(channel), response_bytes_max, feedback }
    }

    /// Sends the answer; a push is acknowledged with an empty one. Never waits. Too late is no error.
    ///
    /// # Errors
    /// [`ReplyTooLarge`] when the answer is above the limit; the requester then sees a refusal.
    pub fn reply(mut self, response: Bytes) -> Result<(), ReplyTooLarge> {
        if response.len() > self.response_bytes_max {
            return Err(ReplyTooLarge { bytes: response.len(), bytes_max: self.response_bytes_max });
        }
        self.give(Some(response));
        Ok(())
    }

    fn give(&mut self, response: Option<Bytes>) {
        if let Some(channel) = self.channel.take() {
            // Never full: it has a place for every unanswered request.
            let _ = self.feedback.try_send(Feedback::Reply { from: self.from, channel, response });
        }
    }
}

impl Drop for ReplyHandle {
    fn drop(&mut self) {
        self.give(None);
    }
}

/// An answer that no requester would read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reply of {bytes} bytes is above the limit of {bytes_max}")]
pub struct ReplyTooLarge {
    /// Size of the answer.
    pub bytes: usize,
    /// The configured limit.
    pub bytes_max: usize,
}

/// What comes back from the consumer, in a channel with a place for everything that can be owed.
#[derive(Debug)]
pub(crate) enum Feedback {
    Verdict { message: GossipId, verdict: Verdict },
    Reply { from: PeerId, channel: ResponseChannel<Bytes>, response: Option<Bytes> },
}
