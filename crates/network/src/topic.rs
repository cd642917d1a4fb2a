//! The closed list of gossip topics, and the names they and the request protocol have on the wire.

use libp2p::StreamProtocol;
use libp2p::gossipsub::{IdentTopic, TopicHash};

/// What a gossip message is about. Peers can neither add nor remove a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Clients' statements on their way into every mempool. A message is known by its content: the same bytes
    /// again are not a new message.
    Statements,
    /// Proposals and votes. Every publication is a new message, so that a rebroadcast vote reaches its peers.
    Consensus,
    /// Cosignatures of checkpoints. Every publication is a new message.
    Cosignatures,
}

impl Topic {
    /// Every topic, in the order of the per-topic figures in [`Metrics`](crate::Metrics).
    pub const ALL: [Topic; 3] = [Topic::Statements, Topic::Consensus, Topic::Cosignatures];

    /// The topic's word in names, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Topic::Statements => "statements",
            Topic::Consensus => "consensus",
            Topic::Cosignatures => "cosignatures",
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// One value for each topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerTopic<T> {
    /// The value of [`Topic::Statements`].
    pub statements: T,
    /// The value of [`Topic::Consensus`].
    pub consensus: T,
    /// The value of [`Topic::Cosignatures`].
    pub cosignatures: T,
}

impl<T> std::ops::Index<Topic> for PerTopic<T> {
    type Output = T;

    fn index(&self, topic: Topic) -> &T {
        match topic {
            Topic::Statements => &self.statements,
            Topic::Consensus => &self.consensus,
            Topic::Cosignatures => &self.cosignatures,
        }
    }
}

/// Names on the wire. They carry the ledger, so that two ledgers' nodes have nothing to say to each other.
#[derive(Clone, Debug)]
pub(crate) struct WireNames {
    /// `kvitto/<ledger>/<topic>/1`, in the order of [`Topic::ALL`].
    topics: [(Topic, IdentTopic); 3],
    /// `/kvitto/<ledger>/request/1`.
    pub(crate) request: StreamProtocol,
}

impl WireNames {
    /// `None` unless `ledger` is 1 to 64 ASCII letters, digits, `-` or `_`.
    pub(crate) fn new(ledger: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if ledger.is_empty() || ledger.len() > 64 || !ledger.bytes().all(plain) {
            return None;
        }
        let topics =
            Topic::ALL.map(|topic| (topic, IdentTopic::new(format!("kvitto/{ledger}/{}/1", topic.name()))));
        let request = StreamProtocol::try_from_owned(format!("/kvitto/{ledger}/request/1")).ok()?;
        Some(Self { topics, request })
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &(Topic, IdentTopic)> {
        self.topics.iter()
    }

    pub(crate) fn hash(&self, topic: Topic) -> TopicHash {
        self.topics[topic.index()].1.hash()
    }

    pub(crate) fn topic(&self, hash: &TopicHash) -> Option<Topic> {
        self.topics.iter().find(|(_, name)| name.hash() == *hash).map(|(topic, _)| *topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_ledger_and_a_version() {
        let names = WireNames::new("9f86d081").unwrap();
        assert_eq!(names.hash(Topic::Consensus).as_str(), "kvitto/9f86d081/consensus/1");
        assert_eq!(names.request.as_ref(), "/kvitto/9f86d081/request/1");
        for topic in Topic::ALL {
            assert_eq!(names.topic(&names.hash(topic)), Some(topic));
        }
        assert_eq!(names.topic(&TopicHash::from_raw("kvitto/other/consensus/1")), None);
    }

    #[test]
    fn a_ledger_name_that_could_break_out_of_its_place_is_refused() {
        for ledger in ["", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(WireNames::new(ledger).is_none(), "{ledger}");
        }
    }
}
