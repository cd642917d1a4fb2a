//! Who a node is on the wire: an Ed25519 key, and the libp2p peer id computed from it.

use std::fmt;
use std::str::FromStr;

use libp2p::identity::{self, Keypair, PublicKey, ed25519};

/// The name of a node between peers: the libp2p peer id of an Ed25519 key, which it contains.
///
/// Text form is base58, as every libp2p tool prints it (`12D3Koo…`). Source: libp2p `peer-ids` specification;
/// only the inline form of Ed25519 keys exists here, so one key has exactly one id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(libp2p::PeerId);

impl PeerId {
    /// The id of the node that holds this 32-byte Ed25519 public key.
    ///
    /// # Errors
    /// [`InvalidPeerId`] when the bytes are not a point on the curve.
    pub fn from_public_key(key: &[u8; 32]) -> Result<Self, InvalidPeerId> {
        let key = ed25519::PublicKey::try_from_bytes(key).map_err(|_| InvalidPeerId)?;
        Ok(Self(PublicKey::from(key).to_peer_id()))
    }

    /// Reads the binary (multihash) form.
    ///
    /// # Errors
    /// [`InvalidPeerId`] when it is not the inline id of an Ed25519 key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidPeerId> {
        let id = libp2p::PeerId::from_bytes(bytes).map_err(|_| InvalidPeerId)?;
        let inline = id.to_bytes();
        let key = inline.get(2..).ok_or(InvalidPeerId)?;
        let key = PublicKey::try_decode_protobuf(key).map_err(|_| InvalidPeerId)?;
        // Comparing with the recomputed id refuses hashed ids and sloppy encodings of the key.
        if key.key_type() == identity::KeyType::Ed25519 && key.to_peer_id() == id {
            Ok(Self(id))
        } else {
            Err(InvalidPeerId)
        }
    }

    /// The binary (multihash) form, 38 bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// Wraps an id that the transport has authenticated; its keys are Ed25519, the only kind compiled in.
    pub(crate) fn authenticated(id: libp2p::PeerId) -> Self {
        Self(id)
    }

    pub(crate) fn as_libp2p(&self) -> &libp2p::PeerId {
        &self.0
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

impl FromStr for PeerId {
    type Err = InvalidPeerId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = text.parse::<libp2p::PeerId>().map_err(|_| InvalidPeerId)?;
        Self::from_bytes(&id.to_bytes())
    }
}

/// Text or bytes that are not the peer id of an Ed25519 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the peer id of an Ed25519 key")]
pub struct InvalidPeerId;

/// The secret key with which a node authenticates its connections and signs its gossip.
///
/// `Debug` shows the peer id only.
#[derive(Clone)]
pub struct NodeIdentity(Keypair);

impl NodeIdentity {
    /// Makes the identity from the 32-byte Ed25519 seed (RFC 8032 private key).
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Keypair::ed25519_from_bytes(seed).expect("every 32-byte string is an Ed25519 seed"))
    }

    /// The id that others must admit.
    pub fn peer_id(&self) -> PeerId {
        PeerId(self.0.public().to_peer_id())
    }

    /// The 32-byte Ed25519 public key, as genesis lists it.
    pub fn public_key(&self) -> [u8; 32] {
        let key = self.0.public().try_into_ed25519().expect("made from an Ed25519 seed");
        key.to_bytes()
    }

    pub(crate) fn keypair(&self) -> Keypair {
        self.0.clone()
    }
}

impl fmt::Debug for NodeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeIdentity({})", self.peer_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example peer id of the libp2p `peer-ids` specification (Ed25519, base58).
    const PUBLISHED: &str = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";

    #[test]
    fn a_published_peer_id_survives_both_forms() {
        let id: PeerId = PUBLISHED.parse().unwrap();
        assert_eq!(id.to_string(), PUBLISHED);
        assert_eq!(PeerId::from_bytes(&id.to_bytes()), Ok(id));
        assert_eq!(id.to_bytes().len(), 38);
    }

    #[test]
    fn the_peer_id_follows_from_the_public_key_alone() {
        let node = NodeIdentity::from_seed([7; 32]);
        assert_eq!(PeerId::from_public_key(&node.public_key()), Ok(node.peer_id()));
        assert_eq!(node.peer_id().to_bytes()[6..], node.public_key());
    }

    #[test]
    fn anything_but_an_inline_ed25519_key_is_refused() {
        // A hashed (RSA) id of the same specification, an empty string, a cut id, a point off the curve.
        for text in
            ["QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "", &PUBLISHED[..50], "not base58 0OIl"]
        {
            assert_eq!(text.parse::<PeerId>(), Err(InvalidPeerId), "{text}");
        }
        let off_the_curve = (0u8..=255).map(|b| [b; 32]).find(|key| PeerId::from_public_key(key).is_err());
        assert!(off_the_curve.is_some());
    }

    #[test]
    fn debug_does_not_show_the_seed() {
        let text = format!("{:?}", NodeIdentity::from_seed([7; 32]));
        assert!(text.starts_with("NodeIdentity(12D3Koo"), "{text}");
    }
}
